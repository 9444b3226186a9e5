"""Whether a cluster has the Roles, bindings and admission policies that are generated for it, by what they say."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.generated import GENERATED
from keyferry.cli.doctor.clusters.needs import Key, Needs
from keyferry.cli.doctor.finding import Finding, State
from keyferry.delivery.apply import Object
from keyferry.identity import GENERATED_LABEL

_CONTENT = ("rules", "roleRef", "subjects", "spec")
"""The fields that say what an object does."""

_DEFAULTS = {
    **{"failurePolicy": "Fail", "matchPolicy": "Equivalent", "scope": "*"},
    **{"namespaceSelector": {}, "objectSelector": {}},
}
"""What the API server adds where an object does not say it. Whatever else is added changes what the object does."""

_TAKEN_AWAY = "; what this folder generates would take away what deployed mappings need: apply none of it before"
_UNKNOWN = "no mapping of the folder needs, and what is deployed is not known"


def check_generated(client: OperatorClient, needs: Needs) -> Iterator[Finding]:
    """Yield which objects a cluster lacks, has otherwise than the mappings make them, or has no more use for.

    An error is what the deployed mappings lack; a warning what those of the folder will, or what is left over.
    """
    live, ours = _list_live(client, needs)
    name, count = needs.cluster.name, len(needs.current)
    wrong = list(_list_wrong(needs, live))
    for state, what, keys in wrong:
        why = f"{what}: {_name(keys)}{_TAKEN_AWAY if needs.is_taken_away else ''}"
        yield Finding("generated", state, name, why, needs.format_apply(client.context), _list_names(keys))
    stale = sorted(ours - needs.current.keys() - needs.coming.keys())
    if stale:
        what = "no mapping needs any more" if needs.deployed else _UNKNOWN
        why = f"{what}: {_name(stale)}"
        yield Finding("generated", "warning", name, why, (needs.format_orphans(client.context),), _list_names(stale))
    awaiting = live.keys() - needs.coming.keys()
    if awaiting:
        why = f"{len(awaiting):,} that deployed mappings need are left over once the folder is deployed"
        yield Finding("generated", "ok", name, why)
    if not (wrong or stale):
        yield Finding("generated", "ok", name, f"{count:,} Roles, bindings and policies as generated")


def _list_live(client: OperatorClient, needs: Needs) -> tuple[Mapping[Key, Object], Set[Key]]:
    """Return the objects of a cluster that mappings need, and the keys of all that is labelled as the stack's."""
    live, ours = dict[Key, Object](), set[Key]()
    for resource in GENERATED:
        for each in client.list_objects(resource):
            key = (resource.kind, each["metadata"].get("namespace", ""), each["metadata"]["name"])
            if key in needs.current or key in needs.coming:
                live[key] = each
            if each["metadata"].get("labels", {}).get(GENERATED_LABEL) == needs.folder.stack.prefix:
                ours.add(key)
    return live, ours


def _list_wrong(needs: Needs, live: Mapping[Key, Object]) -> Iterator[tuple[State, str, list[Key]]]:
    """Yield what is not as it has to be: how bad that is, what is wrong, and of which objects."""
    keys = list(dict.fromkeys([*needs.current, *needs.coming]))
    states = {key: _judge(needs, key, live.get(key)) for key in keys}
    errors = [key for key in keys if states[key] == "error"]
    warnings = [key for key in keys if states[key] == "warning"]
    missing = [key for key in errors if key not in live]
    differing = [key for key in errors if key in live]
    if missing:
        yield "error", "missing", missing
    if differing:
        yield "error", "otherwise than the mappings make them", differing
    if warnings:
        yield "warning", "missing or otherwise for the folder, which is not deployed yet", warnings


def _judge(needs: Needs, key: Key, live: Object | None) -> State:
    """Return whether an object is as it has to be. What was applied before its deployment is, if it takes nothing."""
    current, coming = needs.current.get(key), needs.coming.get(key)
    fits_now, fits_then = (wanted is None or says_the_same(wanted, live) for wanted in (current, coming))
    is_ahead = coming is not None and fits_then and not needs.is_taken_away
    if not (fits_now or is_ahead):
        return "error"
    return "ok" if fits_then else "warning"


def says_the_same(wanted: Object, live: Object | None) -> bool:
    """Return whether an object of a cluster says what a generated one does; defaults of the API server do not count."""
    return live is not None and all(_is_same(wanted[field], live.get(field)) for field in _CONTENT if field in wanted)


def _is_same(wanted: Any, live: Any) -> bool:  # noqa: ANN401  # JSON
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            _is_same(wanted[key], live.get(key)) if key in wanted else _DEFAULTS.get(key) == live[key]
            for key in wanted | live
        )
    if isinstance(wanted, list):
        same_length = isinstance(live, list) and len(wanted) == len(live)
        return same_length and all(map(_is_same, wanted, live))
    return bool(wanted == live)


def _name(keys: Sequence[Key]) -> str:
    """Return the first of some objects by kind, place and name, and how many more there are."""
    first, more = _format_key(keys[0]), len(keys) - 1
    return f"{first} and {more:,} more" if more else first


def _list_names(keys: Sequence[Key]) -> tuple[str, ...]:
    """Return all of them, where `_name` does not."""
    return tuple(map(_format_key, keys)) if len(keys) > 1 else ()


def _format_key(key: Key) -> str:
    kind, namespace, name = key
    return f"{kind} {f'{namespace}/' if namespace else ''}{name}"
