"""The kinds of workloads that can be restarted, and how the API server has each: one row for a kind.

The mapping language, `restart: auto`, the Kubernetes client, RBAC and the admission policy read this table, and no
other code lists kinds. A kind can stand in it if its pod template is `spec.template`, and a change of that restarts its
pods. What a report says of a rollout (paused, partition, in place) is in `delivery/restart/workloads`.
"""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from keyferry.wording import suggest

STRATEGIC_MERGE: Final = "application/strategic-merge-patch+json"
JSON_MERGE: Final = "application/merge-patch+json"


@dataclass(frozen=True, kw_only=True)
class WorkloadKind:
    """One kind of workload, as the API server knows it. Mapping files give its name, and are refused for any other."""

    name: str
    """The kind, as manifests have it."""
    group: str
    """Its API group."""
    version: str
    """The version of that group which is asked for."""
    resource: str
    """Its plural, as paths and RBAC have it."""
    patch: str
    """Media type of a patch: custom resources take no strategic merge patch."""
    by_default: bool
    """Whether `restart: auto` looks for it in a cluster that does not say otherwise."""
    counters: tuple[str, ...]
    """Annotations of its objects that the API server itself writes with each change of the pod template."""

    def __str__(self) -> str:
        """Return its name."""
        return self.name

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return how it is read and written: by its name, one of those in the table."""
        return core_schema.no_info_after_validator_function(
            KINDS.__getitem__,
            core_schema.literal_schema(list[Any](KINDS)),
            serialization=core_schema.to_string_ser_schema(when_used="always"),
        )


_ROWS: Final = (
    WorkloadKind(
        name="Deployment",
        group="apps",
        version="v1",
        resource="deployments",
        patch=STRATEGIC_MERGE,
        by_default=True,
        counters=(),
    ),
    WorkloadKind(
        name="StatefulSet",
        group="apps",
        version="v1",
        resource="statefulsets",
        patch=STRATEGIC_MERGE,
        by_default=True,
        counters=(),
    ),
    WorkloadKind(
        name="DaemonSet",
        group="apps",
        version="v1",
        resource="daemonsets",
        patch=STRATEGIC_MERGE,
        by_default=True,
        counters=("deprecated.daemonset.template.generation",),
    ),
    WorkloadKind(
        name="Rollout",  # Argo's
        group="argoproj.io",
        version="v1alpha1",
        resource="rollouts",
        patch=JSON_MERGE,
        by_default=False,
        counters=(),
    ),
    WorkloadKind(
        name="CloneSet",  # OpenKruise's
        group="apps.kruise.io",
        version="v1alpha1",
        resource="clonesets",
        patch=JSON_MERGE,
        by_default=False,
        counters=(),
    ),
)
KINDS: Final = {kind.name: kind for kind in _ROWS}
"""Name → kind."""
DEFAULT_KINDS: Final = tuple(kind for kind in KINDS.values() if kind.by_default)
"""The kinds that `restart: auto` looks for in a cluster that does not say otherwise."""

_OTHERS: Final = {
    "CronJob": "needs no restart, since each run reads the Secret as it is then; take it out",
    "Job": "does not restart: one that runs keeps what it began with, the next one reads the new Secret; take it out",
    "Pod": "that nothing runs anew does not restart; run it by a Deployment, and name that",
    "ReplicaSet": "keeps its pods when its template changes; name the Deployment that it belongs to, or run one for it",
    "ReplicationController": "keeps its pods when its template changes; run a Deployment in its place, and name that",
}
"""Kinds that start pods and cannot be in the table → why, and what to do."""
_SHORT_NAMES: Final = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "ro": "Rollout"} | {
    **{"cj": "CronJob", "po": "Pod", "rs": "ReplicaSet", "rc": "ReplicationController"}
}
"""What kubectl calls a kind."""


def find_kind(name: str) -> str:
    """Return a kind, by any name that people and kubectl give it: `deploy`, `deployments.apps`; empty if unknown.

    It is one of the table, or one that starts pods and cannot be in it.
    """
    noun = name.lower().partition(".")[0]
    singular = noun.removesuffix("s")
    return _SHORT_NAMES.get(noun) or next((kind for kind in (*KINDS, *_OTHERS) if kind.lower() == singular), "")


def explain_no_restart(kind: str) -> str:
    """Return why a kind that starts pods never restarts; empty for one of the table, which can."""
    return f"a {kind} {_OTHERS[kind].removesuffix('; take it out')}" if kind in _OTHERS else ""


def describe_other_kind(name: str) -> str:
    """Return why a kind cannot be restarted, or which one is meant, by any name that people give; empty if unknown."""
    kind = find_kind(name)
    if kind in _OTHERS:
        return f"a {kind} {_OTHERS[kind]}"
    meant = f"; did you mean {kind}?" if kind else suggest(name, KINDS)
    return f"should be {', '.join(KINDS)}{meant}" if meant else ""
