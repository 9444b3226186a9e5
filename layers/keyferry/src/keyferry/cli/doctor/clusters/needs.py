"""What the mappings of the folder, and those that are deployed, need in a cluster; and how it gets that."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from keyferry.access import rbac
from keyferry.cli.call import CALL, Call
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.doctor.clusters.rights import Right, list_rights
from keyferry.cli.doctor.finding import format_command
from keyferry.delivery.apply import Object
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

type Key = tuple[str, str, str]
"""Kind, namespace and name."""


@dataclass(frozen=True)
class Needs:
    """What a cluster has to have."""

    cluster: Cluster
    folder: Catalog
    """The mappings of the folder."""
    deployed: Catalog | None = None
    """Those that are deployed; None where nobody knows them."""
    call: Call = CALL
    """How this program was called."""

    @cached_property
    def coming(self) -> dict[Key, Object]:
        """The objects that the mappings of the folder need."""
        return {rbac.identify(each): each for each in rbac.build_rbac(self.folder, self.cluster)}

    @cached_property
    def current(self) -> dict[Key, Object]:
        """The objects that the deployed mappings need; those of the folder where these are not known."""
        objects = [each for catalog, cluster in self._pairs for each in rbac.build_rbac(catalog, cluster)]
        return {rbac.identify(each): each for each in objects}

    @cached_property
    def rights(self) -> Sequence[Right]:
        """What the users of the stack have to be allowed now, of each mapping one namespace first."""
        return [right for catalog, cluster in self._pairs for right in list_rights(catalog, cluster)]

    @cached_property
    def is_taken_away(self) -> bool:
        """Whether what the folder generates lacks rights that the deployed mappings need."""
        return not set(self.rights) <= set(list_rights(self.folder, self.cluster))

    def format_apply(self, context: Context) -> tuple[str, ...]:
        """Return the commands that give a cluster what is generated for it.

        Where that would take away what a deployed mapping needs, it is the one that shows what the folder changes.
        """
        if self.is_taken_away:
            return (self.call.format_asking("plan"),)
        file = self.call.name_generated(f"clusters/{self.cluster.name}/rbac.yaml")
        apply = format_command("kubectl", "--context", context.name, "apply", "--server-side", "-f", file)
        return self.call.format("generate"), apply

    def format_orphans(self, context: Context) -> str:
        """Return the command that shows what is left over in a cluster."""
        name = self.cluster.name
        return self.call.format_asking("orphans", "--cluster", name, "--context", f"{name}={context.name}")

    @property
    def _pairs(self) -> list[tuple[Catalog, Cluster]]:
        """The catalogue of what is needed now, with the cluster as it calls it, under each of its names."""
        if self.deployed is None:
            return [(self.folder, self.cluster)]
        return [(self.deployed, one) for one in self.deployed.clusters.values() if one.eks == self.cluster.eks]
