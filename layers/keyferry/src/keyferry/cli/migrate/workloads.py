"""The workloads among the manifests: their annotations, and the Secrets and SecretProviderClasses of their pods."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from keyferry.cli.migrate.model import Manifest
from keyferry.delivery.restart.workloads import list_secrets

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout", "CronJob", "Job", "DeploymentConfig")
"""The kinds that Reloader restarts; DeploymentConfig in older releases."""


@dataclass(frozen=True)
class Workload:
    """A workload."""

    manifest: Manifest
    kind: str
    name: str
    annotations: Mapping[str, Any]
    """Those of the workload itself."""
    pod_annotations: Mapping[str, Any]
    """Those of its pods."""
    has_containers: bool
    secrets: frozenset[Any]
    """The Secrets that a container has in a variable, or in a volume that it mounts."""
    classes: frozenset[Any]
    """The SecretProviderClasses in volumes that a container mounts."""
    uses: frozenset[str]
    """The Secrets by which `restart: auto` of a mapping finds it."""

    def __str__(self) -> str:
        return str(self.manifest)


def read_workloads(manifests: Iterable[Manifest]) -> Iterator[Workload]:
    """Yield the workloads among manifests."""
    for manifest in manifests:
        if manifest.kind in KINDS and manifest.name:
            yield _read(manifest, manifest.kind, manifest.name)


def _read(manifest: Manifest, kind: str, name: str) -> Workload:
    path = ("spec", "jobTemplate", "spec", "template") if kind == "CronJob" else ("spec", "template")
    template = _mapping(manifest.get(*path))
    pod = _mapping(template.get("spec"))
    containers = [*_items(pod.get("containers")), *_items(pod.get("initContainers"))]
    mounted = {str(mount.get("name")) for each in containers for mount in _items(each.get("volumeMounts"))}
    volumes = [each for each in _items(pod.get("volumes")) if str(each.get("name")) in mounted]
    return Workload(
        manifest,
        kind,
        name,
        _mapping(manifest.get("metadata", "annotations")),
        _mapping(_mapping(template.get("metadata")).get("annotations")),
        bool(_items(pod.get("containers"))),
        _keep_text([*_list_volumes(volumes), *(name for each in containers for name in _list_variables(each))]),
        _keep_text(_list_classes(volumes)),
        frozenset(_list_uses(pod)),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _keep_text(names: Iterable[object]) -> frozenset[str]:
    return frozenset(name for name in names if isinstance(name, str))


def _list_volumes(volumes: Iterable[Mapping[str, Any]]) -> Iterator[object]:
    for volume in volumes:
        yield _mapping(volume.get("secret")).get("secretName")
        for source in _items(_mapping(volume.get("projected")).get("sources")):
            yield _mapping(source.get("secret")).get("name")


def _list_classes(volumes: Iterable[Mapping[str, Any]]) -> Iterator[object]:
    for volume in volumes:
        yield _mapping(_mapping(volume.get("csi")).get("volumeAttributes")).get("secretProviderClass")


def _list_variables(container: Mapping[str, Any]) -> Iterator[object]:
    for variable in _items(container.get("env")):
        yield _mapping(_mapping(variable.get("valueFrom")).get("secretKeyRef")).get("name")
    for source in _items(container.get("envFrom")):
        yield _mapping(source.get("secretRef")).get("name")


def _list_uses(pod: Mapping[str, Any]) -> set[str]:
    with suppress(AttributeError, TypeError):  # of what no cluster takes
        return {name for name in list_secrets(pod) if isinstance(name, str)}
    return set()
