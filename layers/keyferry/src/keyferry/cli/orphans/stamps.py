"""Stamps that are left over: annotations of pod templates by which no mapping restarts the workload any more.

They do no harm. To take one off changes the pod template, which restarts the workload: that is left to people.
"""

import json
import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from keyferry.cli.clusters.client import Resource
from keyferry.delivery.restart.workloads import get_template
from keyferry.kinds import KINDS

WORKLOADS = tuple(Resource(kind.name, f"{kind.group}/{kind.version}", kind.resource) for kind in KINDS.values())
"""The kinds that are stamped."""
RESTARTS = "to take it off restarts the pods, and it does no harm"
"""Why `--delete` leaves a stamp alone."""
_NONCE = re.compile(r"[0-9a-f]{16}")
"""The text of a stamp. What else has the same domain, such as `keyferry.dev/restart`, is somebody else's."""


def list_stamps(raw: Mapping[str, Any], domains: Collection[str]) -> list[str]:
    """Return the stamps of a workload, by the keys of the annotations, sorted.

    Args:
        raw: the workload.
        domains: the domains of the stamps to look for (`Identity.stamp_domain`).
    """
    annotations = (get_template(raw).get("metadata") or {}).get("annotations") or {}
    return sorted(
        key for key, text in annotations.items() if key.partition("/")[0] in domains and _NONCE.fullmatch(str(text))
    )


def format_removal(resource: Resource, context: str, namespace: str, name: str, key: str) -> str:
    """Return the command that takes a stamp off a workload."""
    patch = {"spec": {"template": {"metadata": {"annotations": {key: None}}}}}
    where = ["--context", context, "--namespace", namespace]
    what = [resource.full_name, name, "--type", "merge", "--patch", json.dumps(patch)]
    return shlex.join(["kubectl", *where, "patch", *what])
