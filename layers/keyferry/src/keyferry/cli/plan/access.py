"""What is generated for a catalogue's clusters and accounts, once, for all that is compared of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from keyferry.access.entries import AccessEntry, list_access_entries
from keyferry.access.rbac import Object, build_rbac, identify
from keyferry.mapping.catalog import Catalog


@dataclass(frozen=True)
class Access:
    """The access entries, Roles, bindings and admission policies of a catalogue."""

    catalog: Catalog
    entries: list[AccessEntry] = field(default_factory=list)
    objects: dict[str, list[Object]] = field(default_factory=dict)
    """Cluster → what is generated for it; a cluster that no mapping goes to has nothing."""

    @classmethod
    def generate(cls, catalog: Catalog) -> "Access":
        """Return what is generated.

        Raises:
            InvalidInput: an admission policy would be more than an API server takes.
        """
        objects = {cluster.name: build_rbac(catalog, cluster) for cluster in catalog.used_clusters}
        return cls(catalog, list_access_entries(catalog), objects)

    @cached_property
    def names(self) -> dict[str, set[tuple[str, str, str]]]:
        """Cluster → kind, namespace and name of all that is generated for it."""
        return {cluster: set(map(identify, objects)) for cluster, objects in self.objects.items()}

    def select(self, kinds: Iterable[str]) -> dict[str, list[Object]]:
        """Return the objects of some kinds, by `cluster/name`."""
        chosen, wanted = dict[str, list[Object]](), set(kinds)
        for cluster, objects in self.objects.items():
            for each in objects:
                if each["kind"] in wanted:
                    chosen.setdefault(f"{cluster}/{each['metadata']['name']}", []).append(each)
        return chosen
