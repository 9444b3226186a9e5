"""The mappings and clusters that differ between a folder and a deployment, and what that means for Secrets."""

from collections.abc import Iterator, Mapping
from typing import Any

from keyferry.cli.plan.document import ClusterChange, MappingChange
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Record

_CONTENT = (
    "spec.sources",
    "spec.secret.data",
    "spec.secret.dataFrom",
    "spec.secret.variables",
    "spec.secret.tls",
    "spec.secret.registries",
)
"""The fields that values come from: whether the content differs with them, only values tell."""
_DEPTH = 4
"""How many names the path of a field has at most."""


def pair_mappings(folder: Catalog, deployed: Catalog) -> Iterator[tuple[SecretMapping | None, SecretMapping | None]]:
    """Yield each mapping of the folder with the deployed one that it continues, then those that nothing continues.

    A mapping continues the one of its name, or the one of an earlier name of its.
    """
    continued = set[str]()
    for name, mapping in sorted(folder.mappings.items()):
        known = (deployed.mappings.get(each) for each in mapping.names if each == name or each not in folder.mappings)
        before = next(filter(None, known), None)
        continued |= {before.name} if before else set()
        yield mapping, before
    for name, mapping in sorted(deployed.mappings.items()):
        if name not in continued:
            yield None, mapping


def list_mapping_changes(folder: Catalog, deployed: Catalog) -> Iterator[MappingChange]:
    """Yield the mappings that differ, by name."""
    for after, before in pair_mappings(folder, deployed):
        named = after or before
        fields = list_differences(before, after) if after and before else []
        if named and (fields or not (after and before)):
            yield _describe_mapping(folder, named, before, after, fields)


def _describe_mapping(
    folder: Catalog,
    named: SecretMapping,
    before: SecretMapping | None,
    after: SecretMapping | None,
    fields: list[str],
) -> MappingChange:
    gained, lost, depends = compare_keys(before, after)
    was, now = _describe_restarts(before), _describe_restarts(after)
    return MappingChange(
        name=named.name,
        change="changed" if before and after else "added" if after else "removed",
        was=before.name if before and after and before.name != after.name else "",
        at=folder.locate_mapping(named.name),
        fields=fields,
        content=describe_content(before, after) if before and after else "stays" if before else "changes",
        keys_gained=gained,
        keys_lost=lost,
        keys_depend=depends,
        restarts_gained=[each for each in now if each not in was],
        restarts_lost=[each for each in was if each not in now],
    )


def describe_content(before: SecretMapping, after: SecretMapping) -> Any:  # noqa: ANN401  # a Literal of the document
    """Return what becomes of the content of a Secret: `changes`, `may change` or `stays`."""
    gained, lost, _ = compare_keys(before, after)
    if gained or lost:
        return "changes"
    fields = list_differences(before, after)
    return "may change" if any(field.startswith(_CONTENT) for field in fields) else "stays"


def compare_keys(before: SecretMapping | None, after: SecretMapping | None) -> tuple[list[str], list[str], bool]:
    """Return the keys that are gained and lost, and whether there can be more of them, by what the sources hold."""
    was, now = _list_keys(before), _list_keys(after)
    depends = any(mapping and mapping.spec.secret.possible_keys is None for mapping in (before, after))
    could_be = before is not None and before.spec.secret.possible_keys is None
    can_be = after is not None and after.spec.secret.possible_keys is None
    return [] if could_be else sorted(now - was), [] if can_be else sorted(was - now), depends


def _list_keys(mapping: SecretMapping | None) -> frozenset[str]:
    """Return the keys that a mapping can write, as far as it names them."""
    if mapping is None:
        return frozenset()
    secret = mapping.spec.secret
    return mapping.spec.certain_keys if secret.possible_keys is None else secret.possible_keys


def _describe_restarts(mapping: SecretMapping | None) -> list[str]:
    if mapping is None:
        return []
    if mapping.spec.restart == "auto":
        return [f"whatever uses Secret {mapping.spec.secret.name}"]
    return name_workloads(mapping)


def name_workloads(mapping: SecretMapping) -> list[str]:
    """Return the workloads that a mapping restarts by name, as `Deployment/api`."""
    restart = mapping.spec.restart
    return list(map(str, restart)) if isinstance(restart, list) else []


def pair_clusters(folder: Catalog, deployed: Catalog) -> Iterator[tuple[Cluster | None, Cluster | None]]:
    """Yield each cluster of the folder with the deployed one that it continues, then those that nothing continues.

    A cluster continues the one that is the same in EKS; without that, the one of its name, which it replaces.
    """
    same, kept = (
        {each.eks: each for each in deployed.clusters.values()},
        {each.eks for each in folder.clusters.values()},
    )
    continued = set[str]()
    for name, after in sorted(folder.clusters.items()):
        namesake = deployed.clusters.get(name)
        before = same.get(after.eks) or (namesake if namesake and namesake.eks not in kept else None)
        continued |= {before.name} if before else set()
        yield after, before
    for name, before in sorted(deployed.clusters.items()):
        if name not in continued:
            yield None, before


def list_cluster_changes(folder: Catalog, deployed: Catalog) -> Iterator[ClusterChange]:
    """Yield the clusters that differ, by name."""
    for after, before in pair_clusters(folder, deployed):
        named = after or before
        fields = list_differences(before, after) if after and before else []
        was, now = _list_kinds(before), _list_kinds(after)
        if named and (fields or not (after and before)):
            yield ClusterChange(
                name=named.name,
                change="changed" if before and after else "added" if after else "removed",
                was=before.name if before and after and before.name != after.name else "",
                fields=fields,
                restarts_gained=[kind for kind in now if kind not in was] if before and after else [],
                restarts_lost=[kind for kind in was if kind not in now] if before and after else [],
            )


def _list_kinds(cluster: Cluster | None) -> list[str]:
    return list(map(str, cluster.restart_kinds)) if cluster else []


def list_differences(before: Record, after: Record) -> list[str]:
    """Return the fields that two records differ in, as `spec.secret.data.url`, sorted."""
    return sorted(_compare(_dump(before), _dump(after), ()))


def _dump(record: Record) -> Mapping[str, Any]:
    return record.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _compare(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401  # JSON
    if before == after:
        return
    if not (isinstance(before, dict) and isinstance(after, dict)) or len(path) == _DEPTH:
        yield ".".join(path)
        return
    for key in before.keys() | after.keys():
        yield from _compare(before.get(key), after.get(key), (*path, key))
