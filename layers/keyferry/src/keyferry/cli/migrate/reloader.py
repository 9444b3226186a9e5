"""Reads the annotations of Reloader on workloads, and says what restarts when a Secret changes.

Source: pkg/common/common.go (`ShouldReload`) and internal/pkg/handler/upgrade.go of Reloader, with its default flags.
What its flags make otherwise (`--auto-reload-all`, selectors of namespaces) no manifest tells.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from keyferry.cli.migrate.model import Estate, Manifest
from keyferry.cli.migrate.workloads import Workload
from keyferry.cli.output.words import join
from keyferry.formats import re2
from keyferry.kinds import DEFAULT_KINDS, KINDS, explain_no_restart

RELOADER = "reloader.stakater.com"
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
"""What Go's `strconv.ParseBool` takes for true."""
_MOST = 5
"""How many workloads a sentence names."""
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
        own = provider_class.get("metadata", "annotations")
        given = own if isinstance(own, Mapping) else {}
        watched.append(_Watched("secretproviderclass", provider_class.name, given))
    workloads = estate.workloads.get(namespace, ())
    reloaded = [workload for workload in workloads if any(_reloads(workload, each) for each in watched)]
    notes = [note for workload in reloaded for note in _describe(workload)]
    named = sorted({_name(workload) for workload in reloaded if workload.kind in KINDS})
    automatic = {_name(each) for each in workloads if each.kind in _DEFAULT and secret in each.uses}
    if not named:
        return "none", notes
    if automatic == set(named):
        return "auto", notes
    if any(_is_chosen(workload, secret) for workload in reloaded):
        notes.append("`restart` lists the workloads that Reloader restarts now: add those that come later.")
    return [{"kind": kind, "name": name} for kind, name in named], notes


def list_differences(estate: Estate) -> list[str]:
    """Return what is worth knowing of all workloads together, as sentences."""
    workloads = [each for each in estate.workloads.get(None, ()) if _is_annotated(each)]
    mixed = [str(each) for each in workloads if _has(each, "configmap.") or _has(each, "")]
    differences = []
    if workloads:
        differences.append(
            "Once the Secrets are handed over, take Reloader's annotations for Secrets off"
            f" {join(list(map(str, workloads)), limit=_MOST)}: with both, a change restarts twice."
        )
    if mixed:
        differences.append(
            f"Keyferry restarts nothing for a ConfigMap: keep Reloader for those of {join(mixed, limit=_MOST)}."
        )
    if not workloads:
        differences.append(
            "No workload with annotations of Reloader was read, so nothing restarts (restart: none): give the manifests"
            " of the workloads too, or write restart: auto."
        )
    return differences


def _name(workload: Workload) -> tuple[str, str]:
    return workload.kind, workload.name


def _is_annotated(workload: Workload) -> bool:
    return any(RELOADER in str(key) for key in (*workload.annotations, *workload.pod_annotations))


def _has(workload: Workload, prefix: str) -> bool:
    """Return whether a workload asks for reloads for ConfigMaps: by name, or with all others."""
    names = (f"{prefix}{RELOADER}/auto", f"{prefix}{RELOADER}/{'reload' if prefix else 'search'}")
    return any(name in each for name in names for each in (workload.annotations, workload.pod_annotations))


def _reloads(workload: Workload, watched: _Watched) -> bool:
    """Return whether Reloader restarts a workload for a change of an object."""
    if watched.annotations.get(f"{RELOADER}/ignore") == "true":
        return False
    excluded = str(workload.annotations.get(f"{_PLURALS[watched.noun]}.exclude.{RELOADER}/reload", ""))
    if watched.name in map(str.strip, excluded.split(",")):
        return False
    chosen = _choose_annotations(workload, watched.noun)
    pattern = str(chosen.get(f"{watched.noun}.{RELOADER}/reload", ""))
    if any(_matches(part.strip(), watched.name) for part in pattern.split(",") if part):
        return workload.has_containers
    is_found = chosen.get(f"{RELOADER}/search") == "true" and watched.annotations.get(f"{RELOADER}/match") == "true"
    # Changes of a SecretProviderClass are heard of only with a flag, of which the annotation of that name tells.
    autos = [f"{watched.noun}.{RELOADER}/auto", *([f"{RELOADER}/auto"] if watched.noun == "secret" else [])]
    is_automatic = any(str(chosen.get(name)) in _TRUE for name in autos)
    return (is_found or is_automatic) and watched.name in _list_used(workload, watched.noun)


def _choose_annotations(workload: Workload, noun: Noun) -> Mapping[str, Any]:
    """Return the annotations that count: the workload's own, or those of its pods where it has none that choose."""
    names = (f"{noun}.{RELOADER}/reload", f"{noun}.{RELOADER}/auto", f"{RELOADER}/auto", f"{RELOADER}/search")
    own = workload.annotations
    return own if any(name in own for name in names) else workload.pod_annotations


def _matches(pattern: str, name: str) -> bool:
    with suppress(ValueError):  # Reloader passes over what is no regular expression
        return bool(re2.compile_pattern(f"^{pattern}$").search(name))
    return False


def _list_used(workload: Workload, noun: Noun) -> frozenset[Any]:
    return workload.secrets if noun == "secret" else workload.classes


def _is_chosen(workload: Workload, secret: str) -> bool:
    """Return whether a workload restarts for more than the name of the Secret."""
    names = str(_choose_annotations(workload, "secret").get(f"secret.{RELOADER}/reload", "")).split(",")
    return secret not in map(str.strip, names)


def _describe(workload: Workload) -> Iterator[str]:
    """Yield what is otherwise when Keyferry restarts a workload that Reloader restarts."""
    kind, name = _name(workload)
    own = workload.annotations
    if kind not in KINDS:
        why = explain_no_restart(kind) or f"a {kind} is not restarted"
        yield f"Reloader starts {kind}/{name} anew, and Keyferry does not: {why}."
    if kind == "Rollout" and own.get(f"{RELOADER}/rollout-strategy") == "restart":
        yield f"Reloader restarts the pods of Rollout/{name}; Keyferry changes its template: it rolls out by its steps."
    pause = own.get(f"deployment.{RELOADER}/pause-period")
    if kind == "Deployment" and pause:
        yield f"Reloader pauses Deployment/{name} for {pause} after a restart, and Keyferry does not."
