"""Reads the annotations of Reloader on workloads, and says what restarts when a Secret changes.

Source: pkg/common/common.go (`ShouldReload`) and internal/pkg/handler/upgrade.go of Reloader, with its default flags.
What its flags make otherwise (`--auto-reload-all`, selectors of namespaces) no manifest tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from keyferry.cli.migrate.model import Estate, Manifest
from keyferry.delivery.restart.workloads import list_secrets
from keyferry.formats import re2
from keyferry.kinds import DEFAULT_KINDS, KINDS, explain_no_restart

RELOADER = "reloader.stakater.com"
KINDS_OF_RELOADER = ("Deployment", "StatefulSet", "DaemonSet", "Rollout", "CronJob", "Job", "DeploymentConfig")
"""The kinds that it restarts; DeploymentConfig in older releases."""
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
"""What Go's `strconv.ParseBool` takes for true."""
_DEFAULT = {kind.name for kind in DEFAULT_KINDS}

type Noun = Literal["secret", "secretproviderclass"]
_PLURALS: Mapping[Noun, str] = {"secret": "secrets", "secretproviderclass": "secretproviderclasses"}


@dataclass(frozen=True)
class _Watched:
    """An object whose changes Reloader hears of."""

    noun: Noun
    name: str
    annotations: Mapping[str, Any] = field(default_factory=dict)


def decide_restart(
    namespace: str | None,
    secret: str,
    estate: Estate,
    annotations: Mapping[str, Any] | None = None,
    *,
    provider_class: Manifest | None = None,
) -> tuple[Any, list[str]]:
    """Return what `restart` of a mapping says, so that what restarts is what Reloader restarts, and what differs.

    Args:
        namespace: the namespace of the Secret; None for all.
        secret: its name.
        estate: what was read, with the workloads.
        annotations: those of the Secret, by which it is found (`match`) or passed over (`ignore`).
        provider_class: the SecretProviderClass that the Secret is made by, which Reloader can watch in its place.

    Returns:
        `none`, also where no workload was read: nothing restarted by itself before. `auto` where the workloads that
        use the Secret are those that restart. Else the list of those that do.
    """
    watched = [_Watched("secret", secret, annotations or {})]
    if provider_class is not None and provider_class.name:
        own = _mapping(provider_class.get("metadata", "annotations"))
        watched.append(_Watched("secretproviderclass", provider_class.name, own))
    workloads = list(_list_workloads(estate, namespace))
    reloaded = [workload for workload in workloads if any(_reloads(workload, each) for each in watched)]
    notes = [note for workload in reloaded for note in _describe(workload)]
    named = sorted({_name(workload) for workload in reloaded if workload.kind in KINDS})
    automatic = {_name(each) for each in workloads if each.kind in _DEFAULT and secret in _list_uses(each)}
    if not named:
        return "none", notes
    if automatic == set(named):
        return "auto", notes
    if any(_is_chosen(workload, secret) for workload in reloaded):
        notes.append("`restart` lists the workloads that Reloader restarts now: add those that come later.")
    return [{"kind": kind, "name": name} for kind, name in named], notes


def list_differences(estate: Estate) -> list[str]:
    """Return what is worth knowing of all workloads together, as sentences."""
    workloads = [each for each in _list_workloads(estate, None) if _annotations(each) or _pod_annotations(each)]
    mixed = [str(each) for each in workloads if _has(each, "configmap.") or _has(each, "")]
    differences = []
    if workloads:
        differences.append(
            "Once the Secrets are handed over, take Reloader's annotations for Secrets off"
            f" {_join(workloads)}: with both, a change restarts twice."
        )
    if mixed:
        differences.append(f"Keyferry restarts nothing for a ConfigMap: keep Reloader for those of {_join(mixed)}.")
    if not workloads:
        differences.append(
            "No workload with annotations of Reloader was read, so nothing restarts (restart: none): give the manifests"
            " of the workloads too, or write restart: auto."
        )
    return differences


def _join(things: Sequence[object], most: int = 5) -> str:
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(map(str, things[:most])) + more


def _list_workloads(estate: Estate, namespace: str | None) -> Iterator[Manifest]:
    for manifest in estate.manifests:
        is_here = namespace is None or estate.namespace_of(manifest) == namespace
        if is_here and manifest.kind in KINDS_OF_RELOADER and manifest.name:
            yield manifest


def _name(workload: Manifest) -> tuple[str, str]:
    return str(workload.kind), str(workload.name)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _get_template(workload: Manifest) -> Mapping[str, Any]:
    path = ("spec", "jobTemplate", "spec", "template") if workload.kind == "CronJob" else ("spec", "template")
    return _mapping(workload.get(*path))


def _annotations(workload: Manifest) -> Mapping[str, Any]:
    """Return Reloader's annotations of a workload itself."""
    return _select(workload.get("metadata", "annotations"))


def _pod_annotations(workload: Manifest) -> Mapping[str, Any]:
    return _select(_mapping(_get_template(workload).get("metadata")).get("annotations"))


def _select(annotations: object) -> Mapping[str, Any]:
    return {key: value for key, value in _mapping(annotations).items() if RELOADER in str(key)}


def _has(workload: Manifest, prefix: str) -> bool:
    """Return whether a workload asks for reloads for ConfigMaps: by name, or with all others."""
    names = (f"{prefix}{RELOADER}/auto", f"{prefix}{RELOADER}/{'reload' if prefix else 'search'}")
    return any(
        name in annotations for name in names for annotations in (_annotations(workload), _pod_annotations(workload))
    )


def _reloads(workload: Manifest, watched: _Watched) -> bool:
    """Return whether Reloader restarts a workload for a change of an object."""
    if watched.annotations.get(f"{RELOADER}/ignore") == "true":
        return False
    own = _annotations(workload)
    excluded = str(own.get(f"{_PLURALS[watched.noun]}.exclude.{RELOADER}/reload", ""))
    if watched.name in map(str.strip, excluded.split(",")):
        return False
    chosen = _choose_annotations(workload, watched.noun)
    pattern = str(chosen.get(f"{watched.noun}.{RELOADER}/reload", ""))
    if any(_matches(part.strip(), watched.name) for part in pattern.split(",")):
        return bool(_items(_mapping(_get_template(workload).get("spec")).get("containers")))
    is_found = chosen.get(f"{RELOADER}/search") == "true" and watched.annotations.get(f"{RELOADER}/match") == "true"
    # Changes of a SecretProviderClass are heard of only with a flag, of which the annotation of that name tells.
    autos = [f"{watched.noun}.{RELOADER}/auto", *([f"{RELOADER}/auto"] if watched.noun == "secret" else [])]
    is_automatic = any(str(chosen.get(name)) in _TRUE for name in autos)
    return (is_found or is_automatic) and _is_used(_mapping(_get_template(workload).get("spec")), watched)


def _choose_annotations(workload: Manifest, noun: Noun) -> Mapping[str, Any]:
    """Return the annotations that count: the workload's own, or those of its pods where it has none that choose."""
    own = _annotations(workload)
    names = (f"{noun}.{RELOADER}/reload", f"{noun}.{RELOADER}/auto", f"{RELOADER}/auto", f"{RELOADER}/search")
    return own if any(name in own for name in names) else _pod_annotations(workload)


def _matches(pattern: str, name: str) -> bool:
    with suppress(ValueError):  # Reloader passes over what is no regular expression
        return bool(re2.compile_pattern(f"^{pattern}$").search(name))
    return False


def _is_used(pod: Mapping[str, Any], watched: _Watched) -> bool:
    """Return whether a container uses an object as far as Reloader looks: in a variable, or a volume that it mounts."""
    containers = [*_items(pod.get("containers")), *_items(pod.get("initContainers"))]
    volume = next((str(each.get("name")) for each in _items(pod.get("volumes")) if _holds(each, watched)), None)
    mounted = {str(mount.get("name")) for each in containers for mount in _items(each.get("volumeMounts"))}
    if volume is not None and volume in mounted:
        return True
    return watched.noun == "secret" and any(watched.name in _list_variables(each) for each in containers)


def _holds(volume: Mapping[str, Any], watched: _Watched) -> bool:
    if watched.noun == "secretproviderclass":
        attributes = _mapping(_mapping(volume.get("csi")).get("volumeAttributes"))
        return attributes.get("secretProviderClass") == watched.name
    sources = _items(_mapping(volume.get("projected")).get("sources"))
    names = [_mapping(volume.get("secret")).get("secretName")]
    return watched.name in [*names, *(_mapping(source.get("secret")).get("name") for source in sources)]


def _list_variables(container: Mapping[str, Any]) -> Iterator[Any]:
    for variable in _items(container.get("env")):
        yield _mapping(_mapping(variable.get("valueFrom")).get("secretKeyRef")).get("name")
    for source in _items(container.get("envFrom")):
        yield _mapping(source.get("secretRef")).get("name")


def _list_uses(workload: Manifest) -> set[str]:
    """Return the Secrets by which `restart: auto` finds a workload; none for what no cluster has taken."""
    with suppress(AttributeError, TypeError):
        return list_secrets(_mapping(_get_template(workload).get("spec")))
    return set()


def _is_chosen(workload: Manifest, secret: str) -> bool:
    """Return whether a workload restarts for more than the name of the Secret."""
    names = str(_choose_annotations(workload, "secret").get(f"secret.{RELOADER}/reload", "")).split(",")
    return secret not in map(str.strip, names)


def _describe(workload: Manifest) -> Iterator[str]:
    """Yield what is otherwise when Keyferry restarts a workload that Reloader restarts."""
    kind, name = _name(workload)
    own = _annotations(workload)
    if kind not in KINDS:
        why = explain_no_restart(kind) or f"a {kind} is not restarted"
        yield f"Reloader starts {kind}/{name} anew, and Keyferry does not: {why}."
    if kind == "Rollout" and own.get(f"{RELOADER}/rollout-strategy") == "restart":
        yield f"Reloader restarts the pods of Rollout/{name}; Keyferry changes its template: it rolls out by its steps."
    pause = own.get(f"deployment.{RELOADER}/pause-period")
    if kind == "Deployment" and pause:
        yield f"Reloader pauses Deployment/{name} for {pause} after a restart, and Keyferry does not."
