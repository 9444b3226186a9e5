"""Whether a cluster has the Roles, bindings and admission policies that are generated for it, by what they say."""

from collections.abc import Iterator
from typing import Any

from keyferry.access import rbac
from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.generated import GENERATED
from keyferry.cli.doctor.clusters.rights import format_apply
from keyferry.cli.doctor.finding import Finding, format_command
from keyferry.delivery.apply import Object
from keyferry.identity import GENERATED_LABEL
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

_CONTENT = ("rules", "roleRef", "subjects", "spec")
"""The fields that say what an object does."""

_DEFAULTS = {
    **{"apiGroup": "rbac.authorization.k8s.io", "failurePolicy": "Fail", "matchPolicy": "Equivalent", "scope": "*"},
    **{"namespaceSelector": {}, "objectSelector": {}},
}
"""What the API server adds where an object does not say it. Whatever else is added changes what the object does."""

type Key = tuple[str, str, str]
"""Kind, namespace and name."""


def check_generated(client: OperatorClient, catalog: Catalog, cluster: Cluster) -> Iterator[Finding]:
    """Yield which objects a cluster lacks, has otherwise than the mappings make them, or has no more use for."""
    wanted = {rbac.identify(each): each for each in rbac.build_rbac(catalog, cluster)}
    label = catalog.stack.prefix
    live, ours = dict[Key, Object](), set[Key]()
    for resource in GENERATED:
        for each in client.list_objects(resource):
            key = (resource.kind, each["metadata"].get("namespace", ""), each["metadata"]["name"])
            if key in wanted:
                live[key] = each
            if each["metadata"].get("labels", {}).get(GENERATED_LABEL) == label:
                ours.add(key)
    context = client.context.name
    apply = ("keyferry generate", format_apply(context, cluster.name))
    missing = [key for key in wanted if key not in live]
    differing = [key for key, each in live.items() if not says_the_same(wanted[key], each)]
    stale = sorted(ours - wanted.keys())
    if missing:
        yield Finding("generated", "error", cluster.name, f"missing: {_name(missing)}", apply)
    if differing:
        why = f"otherwise than the mappings make them: {_name(differing)}"
        yield Finding("generated", "error", cluster.name, why, apply)
    if stale:
        remove = format_command("sh", "generated/remove-stale.sh", cluster.name, context)
        yield Finding("generated", "warning", cluster.name, f"no mapping needs any more: {_name(stale)}", (remove,))
    if not (missing or differing or stale):
        yield Finding("generated", "ok", cluster.name, f"{len(wanted):,} Roles, bindings and policies as generated")


def says_the_same(wanted: Object, live: Object) -> bool:
    """Return whether an object of a cluster says what a generated one does; defaults of the API server do not count."""
    return all(_is_same(wanted[field], live.get(field)) for field in _CONTENT if field in wanted)


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


def _name(keys: list[Key]) -> str:
    """Return the first of some objects by kind, place and name, and how many more there are."""
    kind, namespace, name = keys[0]
    first = f"{kind} {f'{namespace}/' if namespace else ''}{name}"
    return first if len(keys) == 1 else f"{first} and {len(keys) - 1:,} more"
