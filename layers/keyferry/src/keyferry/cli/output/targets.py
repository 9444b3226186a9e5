"""Where each mapping goes: clusters, and namespaces as far as they are known without asking a cluster."""

from collections.abc import Iterator
from typing import Any

from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import NamespaceSelector


def rows(catalog: Catalog) -> Iterator[tuple[str, str, str, str]]:
    """Yield mapping, Secret, clusters and namespaces for people."""
    for mapping in catalog.mappings.values():
        spec = mapping.spec
        clusters = ", ".join(cluster.name for cluster in catalog.clusters_of(mapping)) or "none"
        namespaces = [*spec.namespace_names, *map(_described, spec.namespace_selectors)]
        yield mapping.name, spec.secret.name, clusters, "; ".join(namespaces)


def as_dicts(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the same for programs."""
    return [
        {
            "mapping": mapping.name,
            "secret": mapping.spec.secret.name,
            "clusters": [cluster.name for cluster in catalog.clusters_of(mapping)],
            "namespaces": mapping.spec.namespace_names,
            "namespaceSelectors": [
                each.model_dump(mode="json", by_alias=True, exclude_defaults=True)
                for each in mapping.spec.namespace_selectors
            ],
        }
        for mapping in catalog.mappings.values()
    ]


def _described(chosen: NamespaceSelector) -> str:
    """Return the names that are chosen, their labels, and what is left out."""
    labels = f" with {chosen}" if str(chosen) else ""
    out = f" but {', '.join(chosen.exclude)}" if chosen.exclude else ""
    return f"{', '.join(chosen.names) or 'any'}{labels}{out}"
