"""Find out which workloads use a Secret, and build the patch that restarts one."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from keyferry.errors import KeyferryError, Refused
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import Workload
from keyferry.model import PREFIX
from keyferry.wording import suggest

OPT_OUT = f"{PREFIX}/restart"
"""Annotation of a workload. With the value `"false"`, the workload is never restarted."""
IN_PLACE = ("InPlaceIfPossible", "InPlaceOnly")
"""Update strategies of a CloneSet that write new annotations of the template into running pods. A container restarts
for it only if a variable of its environment shows the annotation.
https://openkruise.io/docs/core-concepts/inplace-update
"""
NO_PARTITION = (None, 0, "0", "0%")
"""Partitions with which a rollout reaches all pods. A partition is the number of pods that stay on the old revision."""

PULL = "imagePullSecrets"
"""The field of a pod by which the kubelet pulls images with a Secret. A running pod no longer needs it."""

type Reason = Literal[
    "restarted", "paused", "OnDelete", "in place", "no replicas", "partition", "promotion",
    "opted out", "stamped before", "pull secret", "missing", "failed", "due", "gone",
]  # fmt: skip
"""Why a workload restarts or does not.

restarted: its pods are replaced now. paused, OnDelete, in place, no replicas, partition, promotion: it has its stamp,
and its pods are replaced later, or in part. The others have no stamp. opted out: its annotation says so; stamped
before: an earlier try has restarted it for the same write; pull secret: it pulls images with the Secret, and no more;
missing: the mapping names it, and it is not there; failed: the cluster refuses the stamp; due: a later try restarts it;
gone: it was deleted meanwhile.
"""

_ROLLOUT_FIELDS = ("ordinals", "paused", "replicas", "strategy", "updateStrategy", "workloadRef")
"""The fields of a workload's spec that say how it rolls out."""


@dataclass(frozen=True)
class Stamp:
    """The restart of one workload: a patch of its pod template, or the reason why there is none.

    The patch writes an annotation whose value is the nonce of a write of the Secret. The stamp restarts the pods, and
    shows later that the workload was restarted for this write.
    """

    workload: Workload
    patch: dict[str, Any] | None
    note: str = ""
    """What a report says about it: opted out, paused, no replicas …"""
    error: KeyferryError | None = None
    """Why it cannot be restarted, although the mapping names it."""
    reason: Reason = "restarted"
    """The same for machines; of a patch, what becomes of it once it is carried out."""
    ways: tuple[str, ...] = ()
    """By which fields its pods use the Secret; empty where nobody has looked."""

    @property
    def is_missing(self) -> bool:
        """Whether there is no such workload."""
        return self.reason == "missing"

    def __str__(self) -> str:
        return f"{self.workload} ({self.note})" if self.note else str(self.workload)


def build_stamp(workload: Workload, raw: Mapping[str, Any], keys: Sequence[str], nonce: str) -> Stamp:
    """Return the stamp for one workload.

    Args:
        workload: its kind and name.
        raw: the object.
        keys: the annotation that carries the restarts of the Secret that was written, then those that carried them
            under earlier prefixes of the stack. A patch takes these away.
        nonce: the nonce of that write. A workload that has it in its pod template needs no patch.

    Raises:
        Refused: the workload is a Rollout that takes its pod template from another workload.
    """
    if _get_annotations(raw.get("metadata")).get(OPT_OUT) == "false":
        return Stamp(workload, None, f"left alone: {OPT_OUT} is false", reason="opted out")
    _check_template(workload, get_workload_ref(raw))
    stamps = _get_annotations(get_template(raw).get("metadata"))
    if nonce in map(stamps.get, keys):
        return Stamp(workload, None, "stamped before", reason="stamped before")
    annotations = dict.fromkeys(key for key in keys if key in stamps) | {keys[0]: nonce}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    reason, note = _describe_rollout(workload.name, raw.get("spec") or {})
    notes = note, _describe_owner(raw.get("metadata") or {})
    return Stamp(workload, patch, "; ".join(filter(None, notes)), reason=reason)


def build_missing_stamp(workload: Workload, namespace: str) -> Stamp:
    """Return the stamp of a workload that the mapping names and the namespace does not have."""
    note = f"not in namespace {namespace}: create it, or correct restart in the mapping"
    return Stamp(workload, None, note, reason="missing")


def suggest_workload(workload: Workload, known: Collection[Workload]) -> str:
    """Return the end of a message, `; did you mean …?`: one of that name and another kind, or of a similar name."""
    namesake = next((other for other in known if other.name == workload.name and other.kind != workload.kind), None)
    if namesake:
        return f"; did you mean {namesake}?"
    return suggest(workload.name, [other.name for other in known if other.kind == workload.kind])


def describe_unused(kinds: Iterable[WorkloadKind]) -> str:
    """Return what a report says where `restart: auto` has looked at these kinds, and nothing uses the Secret."""
    return f"nothing restarts: no {_join(kinds, 'or')} uses it in a variable or a volume"


def describe_unseen(cluster: str, seen: Iterable[WorkloadKind], unseen: Iterable[WorkloadKind]) -> str:
    """Return what a report says of kinds that a cluster has and `restart: auto` does not look at there."""
    return (
        f"restart: auto looks at {_join(seen, 'and')} in {cluster}, and not at {_join(unseen, 'or')}: add it to"
        " restartKinds in clusters.yaml, or name the workloads in restart"
    )


def _join(kinds: Iterable[WorkloadKind], conjunction: str) -> str:
    *others, last = map(str, kinds)
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def trim_workload(raw: Mapping[str, Any], stamp_keys: Sequence[str]) -> Mapping[str, Any]:
    """Return the part of a workload that `build_stamp` needs for these annotations: a fraction of the object."""
    spec = raw.get("spec") or {}
    opt_out = _get_annotations(raw.get("metadata")).get(OPT_OUT)
    annotations = _get_annotations(get_template(raw).get("metadata"))
    stamps = {key: annotations[key] for key in stamp_keys if key in annotations}
    return {
        "metadata": {
            "annotations": {OPT_OUT: opt_out},
            "ownerReferences": (raw.get("metadata") or {}).get("ownerReferences"),
        },
        "spec": {name: spec[name] for name in _ROLLOUT_FIELDS if name in spec}
        | {"template": {"metadata": {"annotations": stamps}}},
    }


def list_secrets(pod: Mapping[str, Any]) -> set[str]:
    """Return the names of the Secrets that a pod spec uses. Those of imagePullSecrets do not count."""
    return {name for way, name in list_uses(pod) if way != PULL}


def list_uses(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, name) for each Secret that a pod spec uses: by `env`, `envFrom`, `volumes`, `imagePullSecrets`."""
    yield from (("volumes", name) for name in _list_volume_secrets(pod.get("volumes") or ()))
    for container in [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]:
        yield from _list_container_secrets(container)
    for reference in pod.get(PULL) or ():
        yield from ((PULL, name) for name in _get_name(reference))


def _list_container_secrets(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in container.get("env") or ():
        yield from (("env", name) for name in _get_name((variable.get("valueFrom") or {}).get("secretKeyRef")))
    for source in container.get("envFrom") or ():
        yield from (("envFrom", name) for name in _get_name(source.get("secretRef")))


def _list_volume_secrets(volumes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for volume in volumes:
        for volume_type, source in volume.items():
            if volume_type == "projected":
                for projection in source.get("sources") or ():
                    yield from _get_name(projection.get("secret"))
            elif isinstance(source, Mapping):
                # secret and azureFile: secretName; cephfs, rbd, iscsi, scaleIO, storageos, flexVolume: secretRef;
                # csi: nodePublishSecretRef. All of them name a Secret of the pod's own namespace.
                yield from filter(None, [source.get("secretName")])
                yield from _get_name(source.get("secretRef"))
                yield from _get_name(source.get("nodePublishSecretRef"))


def _get_name(reference: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the name in a reference to an object, if there is one."""
    name = (reference or {}).get("name")
    if name:
        yield name


def get_workload_ref(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `workloadRef` of an Argo Rollout: the workload that it takes its pod template from. Empty if none."""
    return (raw.get("spec") or {}).get("workloadRef") or {}


def _check_template(workload: Workload, workload_ref: Mapping[str, Any]) -> None:
    if workload_ref:
        other = f"{workload_ref.get('kind')}/{workload_ref.get('name')}"
        raise Refused(
            f"{workload} takes its pod template from {other} (workloadRef):"
            f" name {other} in the mapping's restart instead, and Argo follows it"
        )


def _describe_owner(metadata: Mapping[str, Any]) -> str:
    """Return whose a workload is, if others have it: an operator may put its own pod template back."""
    owners = sorted(metadata.get("ownerReferences") or (), key=lambda owner: not owner.get("controller"))
    return "".join(f"belongs to {owner['kind']}/{owner['name']}, which may undo it" for owner in owners[:1])


def _describe_rollout(name: str, spec: Mapping[str, Any]) -> tuple[Reason, str]:
    """Return whether a workload restarts as usual, or why not at once or only in part, for machines and in words."""
    strategy = spec.get("updateStrategy") or spec.get("strategy") or {}
    strategy_type, partition = strategy.get("type"), strategy.get("partition")
    if True in (spec.get("paused"), strategy.get("paused")):
        return "paused", "paused: rolls out when it is resumed"
    if strategy_type == "OnDelete":
        return "OnDelete", "OnDelete: each pod restarts when somebody deletes it"
    if strategy_type in IN_PLACE:
        how = "pods get the stamp in place, and a container restarts only if it has the stamp in a variable"
        return "in place", f"{strategy_type}: {how}"
    if spec.get("replicas") == 0:
        return "no replicas", "no replicas"
    if partition not in NO_PARTITION:
        return "partition", f"partition {partition}: that many pods restart when it is lowered"
    kept = (strategy.get("rollingUpdate") or {}).get("partition")
    if kept:
        return "partition", _describe_ordinals(name, spec, kept)
    promotion = _describe_promotion(strategy)
    return ("promotion" if promotion else "restarted"), promotion


def _describe_ordinals(name: str, spec: Mapping[str, Any], partition: int) -> str:
    """Return which pods of a StatefulSet stay as they are: those whose number is below the partition."""
    first, replicas = (spec.get("ordinals") or {}).get("start", 0), spec.get("replicas", 1)
    last = first + min(partition, replicas) - 1
    pods = f"{name}-{first}" if first == last else f"{name}-{first} to {name}-{last}"
    which = f"all {replicas} pods restart" if partition >= replicas > 1 else f"{pods} restart{'s' * (first == last)}"
    return f"partition {partition}: {which} when it is lowered"


def _describe_promotion(strategy: Mapping[str, Any]) -> str:
    """Return where a Rollout of Argo waits for somebody; empty if it does nowhere."""
    canary, blue_green = strategy.get("canary") or {}, strategy.get("blueGreen") or {}
    pauses = [step["pause"] for step in canary.get("steps") or () if "pause" in step]
    if any(not (pause or {}).get("duration") for pause in pauses):
        return "canary: goes on at a pause when somebody promotes it"
    return "blueGreen: takes over when somebody promotes it" if blue_green.get("autoPromotionEnabled") is False else ""


def get_template(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the pod template of a workload; empty if it has none."""
    return (raw.get("spec") or {}).get("template") or {}


def _get_annotations(metadata: Mapping[str, Any] | None) -> Mapping[str, str]:
    return (metadata or {}).get("annotations") or {}
