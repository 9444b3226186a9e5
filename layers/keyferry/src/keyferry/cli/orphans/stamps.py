"""Stamps that are left over: annotations of pod templates by which no mapping restarts the workload any more.

They do no harm. To take one off changes the pod template, which restarts the workload: that is left to people.
"""

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyferry.cli.clusters.resource import Resource
from keyferry.delivery.restart.workloads import get_template, list_secrets
from keyferry.kinds import KINDS

WORKLOADS = tuple(Resource(kind.name, f"{kind.group}/{kind.version}", kind.resource) for kind in KINDS.values())
"""The kinds that are stamped."""
RESTARTS = "to take it off restarts the pods, and it does no harm"
"""Why `--delete` leaves a stamp alone."""
NOBODY = "no mapping restarts it by"
"""How it is said why stamps are left over, before their names."""
_NONCE = re.compile(r"[0-9a-f]{16}")
"""The text of a stamp. What else has the same domain, such as `keyferry.dev/restart`, is somebody else's."""


@dataclass(frozen=True)
class Stamped:
    """A workload with stamps."""

    resource: Resource
    metadata: Mapping[str, Any]
    stamps: tuple[str, ...]
    """The keys of the annotations, sorted."""
    secrets: frozenset[str]
    """The names of the Secrets that its pods use."""

    @property
    def name(self) -> str:
        """Kind and name, as mappings have them: `Deployment/web`."""
        return f"{self.resource.kind}/{self.metadata['name']}"

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.metadata["namespace"])

    @classmethod
    def parse(cls, resource: Resource, raw: Mapping[str, Any], domains: Collection[str]) -> "Stamped":
        """Return a workload with its stamps of some domains (`Identity.stamp_domain`)."""
        template = get_template(raw)
        annotations = (template.get("metadata") or {}).get("annotations") or {}
        stamps = [key for key, text in annotations.items() if _is_stamp(key, text, domains)]
        secrets = frozenset(list_secrets(template.get("spec") or {}))
        return cls(resource, raw["metadata"], tuple(sorted(stamps)), secrets)


def _is_stamp(key: str, text: object, domains: Collection[str]) -> bool:
    return key.partition("/")[0] in domains and _NONCE.fullmatch(str(text)) is not None


def format_removal(stamped: Stamped, context: str, stamps: Sequence[str]) -> str:
    """Return the command that takes some stamps off a workload."""
    patch = {"spec": {"template": {"metadata": {"annotations": dict.fromkeys(stamps)}}}}
    where = ["--context", context, "--namespace", stamped.namespace]
    what = [stamped.resource.full_name, stamped.metadata["name"], "--type", "merge", "--patch", json.dumps(patch)]
    return shlex.join(["kubectl", *where, "patch", *what])
