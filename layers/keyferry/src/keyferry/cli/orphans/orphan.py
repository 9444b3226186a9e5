"""One thing that is left over, and the command that removes it."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from keyferry.cli.clusters.resource import Resource
from keyferry.cli.orphans.answer import OrphanRow
from keyferry.mapping.targets import Eks

ACCESS_ENTRY = "AccessEntry"
"""The kind of an access entry, which is no object of the cluster."""
STAMP = "Stamp"
"""The kind of an annotation of a workload's pod template."""
DELETED, WOULD_BE_DELETED = "deleted", "would be deleted"
PERHAPS_DELETED, NOT_TRIED = "perhaps deleted", "not tried"
"""What became of the one that was being deleted when somebody interrupted it, and of those after it."""
OUTCOMES = (DELETED, WOULD_BE_DELETED, PERHAPS_DELETED, NOT_TRIED)
"""What can have become of it; otherwise it is an error that kept it."""


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """One thing that is left over."""

    cluster: str
    """The cluster, as clusters.yaml calls it."""
    eks: Eks
    """The same cluster, as EKS calls it."""
    context: str = ""
    """The context of kubectl that leads to it; empty for an access entry."""
    resource: Resource | None = None
    """The kind of object; None for an access entry."""
    name: str
    """Its name; of an access entry, the ARN of its principal; of a stamp, kind and name of the workload."""
    namespace: str = ""
    is_stamp: bool = False
    """Whether it is a stamp of that resource, and not the whole."""
    why: str
    """Why it is left over."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Name, namespace, uid and resourceVersion: what was seen, for the preconditions of its deletion."""
    refusals: tuple[str, ...] = ()
    """Why `--delete` leaves it alone."""
    other_command: str = ""
    """The command that takes our part away from what somebody else owns; empty where all of it is ours."""
    outcome: str = ""
    """What became of it; empty where nothing was tried."""

    @property
    def kind(self) -> str:
        """Its kind."""
        if self.is_stamp:
            return STAMP
        return self.resource.kind if self.resource else ACCESS_ENTRY

    @property
    def short_name(self) -> str:
        """Its name in tables: of an access entry, `role/` and the name of the role."""
        return self.name if self.resource else self.name.rpartition(":")[2]

    @property
    def is_gone(self) -> bool:
        """Whether it was deleted."""
        return self.outcome == DELETED

    @property
    def error(self) -> str:
        """The error that kept it from being deleted; empty if there was none."""
        return "" if self.outcome in OUTCOMES else self.outcome

    def refuse(self, reasons: Collection[str]) -> Self:
        """Return it with more reasons to leave it alone."""
        return replace(self, refusals=(*self.refusals, *reasons))

    @property
    def command(self) -> str:
        """The shell command that removes it."""
        return self.other_command or format_deletion([self])

    def build_row(self) -> OrphanRow:
        """Return it as JSON has it."""
        row: OrphanRow = {
            "kind": self.kind,
            "name": self.name,
            "cluster": self.cluster,
            "why": self.why,
            "refused": list(self.refusals),
            "command": self.command,
        }
        if self.namespace:
            row["namespace"] = self.namespace
        if self.outcome:
            row["outcome"] = self.outcome
        return row


def format_deletion(alike: Sequence[Orphan]) -> str:
    """Return the shell command that deletes things of one kind in one namespace of one cluster."""
    first = alike[0]
    if first.resource is None:
        return "\n".join(format_entry_deletion(orphan.eks, orphan.name) for orphan in alike)
    where = ["--namespace", first.namespace] if first.namespace else []
    names = [orphan.name for orphan in alike]
    return shlex.join(["kubectl", "--context", first.context, "delete", *where, first.resource.full_name, *names])


def format_entry_deletion(eks: Eks, principal: str) -> str:
    """Return the shell command that deletes an access entry of a cluster: that of a role, by its ARN."""
    where = ["--region", eks.region, "--cluster-name", eks.name]
    return shlex.join(["aws", "eks", "delete-access-entry", *where, "--principal-arn", principal])
