"""Find out which workloads use a Secret, and build the patch that restarts one."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyferry.errors import KeyferryError, Refused, suggest
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import Workload
from keyferry.model import PREFIX

OPT_OUT = f"{PREFIX}/restart"
"""Annotation of a workload. With the value `"false"`, the workload is never restarted."""
IN_PLACE = ("InPlaceIfPossible", "InPlaceOnly")
"""Update strategies of a CloneSet that write new annotations of the template into running pods. A container restarts
for it only if a variable of its environment shows the annotation.
https://openkruise.io/docs/core-concepts/inplace-update
"""
NO_PARTITION = (None, 0, "0", "0%")
"""Partitions with which a rollout reaches all pods. A partition is the number of pods that stay on the old revision."""

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
    is_missing: bool = False
    """Whether there is no such workload."""

    def __str__(self) -> str:
        return f"{self.workload.kind}/{self.workload.name}" + (f" ({self.note})" if self.note else "")


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
        return Stamp(workload, None, f"left alone: {OPT_OUT} is false")
    _check_template(workload, _get_workload_ref(raw))
    stamps = _get_annotations(_get_template(raw).get("metadata"))
    if nonce in map(stamps.get, keys):
        return Stamp(workload, None, "stamped before")
    annotations = dict.fromkeys(key for key in keys if key in stamps) | {keys[0]: nonce}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    notes = _describe_rollout(workload.name, raw.get("spec") or {}), _describe_owner(raw.get("metadata") or {})
    return Stamp(workload, patch, "; ".join(filter(None, notes)))


def build_missing_stamp(workload: Workload, namespace: str) -> Stamp:
    """Return the stamp of a workload that the mapping names and the namespace does not have."""
    note = f"not in namespace {namespace}: create it, or correct restart in the mapping"
    return Stamp(workload, None, note, is_missing=True)


def suggest_workload(workload: Workload, known: Collection[Workload]) -> str:
    """Return the end of a message, `; did you mean …?`: one of that name and another kind, or of a similar name."""
    namesake = next((other for other in known if other.name == workload.name and other.kind != workload.kind), None)
    if namesake:
        return f"; did you mean {namesake.kind}/{namesake.name}?"
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


def select_workloads(
    objects: Iterable[tuple[WorkloadKind, Mapping[str, Any]]], secret: str
) -> Iterator[tuple[Workload, Mapping[str, Any]]]:
    """Yield the workloads whose pod template uses the Secret of this name, each with its object.

    A workload that takes its pod template from another one is left out, since that one is among the objects itself.
    """
    for kind, raw in objects:
        if secret in list_secrets(_get_template(raw).get("spec") or {}) and not _get_workload_ref(raw):
            yield Workload.model_construct(kind=kind, name=raw["metadata"]["name"]), raw


def trim_workload(raw: Mapping[str, Any], stamp_keys: Sequence[str]) -> Mapping[str, Any]:
    """Return the part of a workload that `build_stamp` needs for these annotations: a fraction of the object."""
    spec = raw.get("spec") or {}
    opt_out = _get_annotations(raw.get("metadata")).get(OPT_OUT)
    annotations = _get_annotations(_get_template(raw).get("metadata"))
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
    """Return the names of the Secrets that a pod spec uses.

    Those of imagePullSecrets do not count, since a running pod no longer needs them.
    """
    secrets = set(_list_volume_secrets(pod.get("volumes") or ()))
    for container in [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]:
        secrets.update(_list_container_secrets(container))
    return secrets


def _list_container_secrets(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        yield from _get_name((variable.get("valueFrom") or {}).get("secretKeyRef"))
    for source in container.get("envFrom") or ():
        yield from _get_name(source.get("secretRef"))


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


def _get_workload_ref(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `workloadRef` of an Argo Rollout: the workload that it takes its pod template from. Empty if none."""
    return (raw.get("spec") or {}).get("workloadRef") or {}


def _check_template(workload: Workload, workload_ref: Mapping[str, Any]) -> None:
    if workload_ref:
        other = f"{workload_ref.get('kind')}/{workload_ref.get('name')}"
        raise Refused(
            f"{workload.kind}/{workload.name} takes its pod template from {other} (workloadRef):"
            f" name {other} in the mapping's restart instead, and Argo follows it"
        )


def _describe_owner(metadata: Mapping[str, Any]) -> str:
    """Return whose a workload is, if others have it: an operator may put its own pod template back."""
    owners = sorted(metadata.get("ownerReferences") or (), key=lambda owner: not owner.get("controller"))
    return "".join(f"belongs to {owner['kind']}/{owner['name']}, which may undo it" for owner in owners[:1])


def _describe_rollout(name: str, spec: Mapping[str, Any]) -> str:
    """Return why a workload does not restart at once, or only in part; empty if it restarts as usual."""
    strategy = spec.get("updateStrategy") or spec.get("strategy") or {}
    strategy_type, partition = strategy.get("type"), strategy.get("partition")
    if True in (spec.get("paused"), strategy.get("paused")):
        return "paused: rolls out when it is resumed"
    if strategy_type == "OnDelete":
        return "OnDelete: each pod restarts when somebody deletes it"
    if strategy_type in IN_PLACE:
        return (
            f"{strategy_type}: pods get the stamp in place, and a container restarts only if it has the stamp in a"
            " variable"
        )
    if spec.get("replicas") == 0:
        return "no replicas"
    if partition not in NO_PARTITION:
        return f"partition {partition}: that many pods restart when it is lowered"
    kept = (strategy.get("rollingUpdate") or {}).get("partition")
    return _describe_ordinals(name, spec, kept) if kept else _describe_promotion(strategy)


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


def _get_template(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    return (raw.get("spec") or {}).get("template") or {}


def _get_annotations(metadata: Mapping[str, Any] | None) -> Mapping[str, str]:
    return (metadata or {}).get("annotations") or {}
