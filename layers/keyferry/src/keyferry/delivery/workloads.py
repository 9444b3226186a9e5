"""Which workloads use a Secret, and the patch that restarts one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.errors import KeyferryError, Refused
from keyferry.identity import IDENTITY
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import Workload
from keyferry.model import PREFIX

OPT_OUT = f"{PREFIX}/restart"
"""Annotation of a workload; `"false"` leaves it alone."""
IN_PLACE = ("InPlaceIfPossible", "InPlaceOnly")
"""Update strategies of a CloneSet that write a change of the template's annotations into pods as they run; a container
restarts for it where a variable of its environment shows the annotation.
https://openkruise.io/docs/core-concepts/inplace-update
"""
NO_PARTITION = (None, 0, "0", "0%")
"""Partitions of a CloneSet that keep no pod back. A partition says how many pods stay on the old revision."""


@dataclass(frozen=True)
class Stamp:
    """One workload to restart: the patch of its pod template, or the reason why there is none."""

    workload: Workload
    patch: dict[str, Any] | None
    note: str = ""
    """What the reader of a report should know: left alone, paused, no replicas, …"""
    error: KeyferryError | None = None
    """Why it cannot be restarted, though the mapping wants it to be."""

    def __str__(self) -> str:
        return f"{self.workload.kind}/{self.workload.name}" + (f" ({self.note})" if self.note else "")


def stamp(workload: Workload, raw: Mapping[str, Any], secret: str, nonce: str) -> Stamp:
    """Return what to do with one workload.

    Args:
        workload: its kind and name.
        raw: the object.
        secret: name of the Secret for which it restarts.
        nonce: the mark of the write; a pod template that carries it has been stamped before.

    Raises:
        Refused: a Rollout whose pods are made from another workload's pod template.
    """
    if _annotations(raw.get("metadata")).get(OPT_OUT) == "false":
        return Stamp(workload, None, f"left alone: {OPT_OUT} is false")
    _check_template(workload, _reference(raw))
    key = IDENTITY.stamp_key(secret)
    if _annotations(_template(raw).get("metadata")).get(key) == nonce:
        return Stamp(workload, None, "stamped before")
    patch = {"spec": {"template": {"metadata": {"annotations": {key: nonce}}}}}
    return Stamp(workload, patch, _note(raw.get("spec") or {}))


def using(
    objects: Iterable[tuple[WorkloadKind, Mapping[str, Any]]], secret: str
) -> Iterator[tuple[Workload, Mapping[str, Any]]]:
    """Yield the workloads among `objects` whose pod template uses the Secret of that name.

    Not one that takes the pod template of another: that is looked at itself.
    """
    for kind, raw in objects:
        if secret in secrets_of(_template(raw).get("spec") or {}) and not _reference(raw):
            yield Workload.model_construct(kind=kind, name=raw["metadata"]["name"]), raw


def secrets_of(pod: Mapping[str, Any]) -> set[str]:
    """Return the names of the Secrets that a pod spec uses.

    Not those of imagePullSecrets, which running pods no longer need.
    """
    found = set(_of_volumes(pod.get("volumes") or ()))
    for container in [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]:
        found.update(_of_container(container))
    return found


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        yield from _name((variable.get("valueFrom") or {}).get("secretKeyRef"))
    for source in container.get("envFrom") or ():
        yield from _name(source.get("secretRef"))


def _of_volumes(volumes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for volume in volumes:
        for kind, source in volume.items():
            if kind == "projected":
                for projection in source.get("sources") or ():
                    yield from _name(projection.get("secret"))
            elif isinstance(source, Mapping):
                # secret and azureFile: secretName; cephfs, rbd, iscsi, scaleIO, storageos, flexVolume: secretRef;
                # csi: nodePublishSecretRef. All of them name a Secret of the pod's own namespace.
                yield from filter(None, [source.get("secretName")])
                yield from _name(source.get("secretRef"))
                yield from _name(source.get("nodePublishSecretRef"))


def _name(reference: Mapping[str, Any] | None) -> Iterator[str]:
    name = (reference or {}).get("name")
    if name:
        yield name


def _reference(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return whose pod template a workload takes, where it has none of its own: the `workloadRef` of Argo's Rollout."""
    return (raw.get("spec") or {}).get("workloadRef") or {}


def _check_template(workload: Workload, reference: Mapping[str, Any]) -> None:
    if reference:
        other = f"{reference.get('kind')}/{reference.get('name')}"
        raise Refused(
            f"{workload.kind}/{workload.name} takes its pod template from {other} (workloadRef):"
            f" name {other} in the mapping's restart instead, and Argo follows it"
        )


def _note(spec: Mapping[str, Any]) -> str:
    """Return why a workload does not restart at once, or not all of it; empty where it does."""
    strategy = spec.get("updateStrategy") or spec.get("strategy") or {}
    how, partition = strategy.get("type"), strategy.get("partition")
    if True in (spec.get("paused"), strategy.get("paused")):
        return "paused: rolls out when it is resumed"
    if how == "OnDelete":
        return "OnDelete: each pod restarts when somebody deletes it"
    if how in IN_PLACE:
        return f"{how}: pods get the stamp in place, and a container restarts only if it has the stamp in a variable"
    if spec.get("replicas") == 0:
        return "no replicas"
    return "" if partition in NO_PARTITION else f"partition {partition}: that many pods restart when it is lowered"


def _template(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    return (raw.get("spec") or {}).get("template") or {}


def _annotations(metadata: Mapping[str, Any] | None) -> Mapping[str, str]:
    return (metadata or {}).get("annotations") or {}
