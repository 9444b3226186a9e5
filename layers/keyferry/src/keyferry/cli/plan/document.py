"""The plan: the JSON of `keyferry plan --output json`, which `-o` keeps in a file for `keyferry push --plan`.

It holds names, versions and revisions: no value of a secret, and no digest of one.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import AwareDatetime, Field

from keyferry.model import Expected, Record

FORMAT: Literal[1] = 1
"""The version of the format. It rises where an older release would read a plan wrongly."""

type Change = Literal["added", "changed", "removed"]


class PlannedStack(Record):
    """The stack that the folder was compared with."""

    name: str
    """Its name."""
    region: str
    """The region that it is in."""
    release: str
    """The release of Keyferry that it runs."""
    deployment: str
    """A digest of the mappings that it is deployed with."""


class MappingChange(Record):
    """A mapping that the folder adds, changes or no longer has."""

    name: str
    """The name of the mapping."""
    change: Change
    """What becomes of it."""
    was: str = ""
    """The name that it is deployed under, where the folder renames it."""
    at: str = ""
    """File and line in the folder; empty for one that is removed."""
    fields: list[str] = Field(default_factory=list)
    """The fields that differ, as `spec.secret.data.url`."""
    content: Literal["changes", "may change", "stays"]
    """What becomes of the content of its Secrets. Where only values would tell, it may change."""
    keys_gained: list[str] = Field(default_factory=list, alias="keysGained")
    """The keys that its Secrets gain."""
    keys_lost: list[str] = Field(default_factory=list, alias="keysLost")
    """The keys that they lose."""
    keys_depend: bool = Field(default=False, alias="keysDepend")
    """Whether there can be more of them, by what the sources hold (`dataFrom`)."""
    restarts_gained: list[str] = Field(default_factory=list, alias="restartsGained")
    """What restarts with it from now on: workloads by name, or `whatever uses Secret x`."""
    restarts_lost: list[str] = Field(default_factory=list, alias="restartsLost")
    """What no longer restarts with it."""


class ClusterChange(Record):
    """A cluster that clusters.yaml adds, changes or no longer has."""

    name: str
    """The name of the cluster in mappings."""
    change: Change
    """What becomes of it."""
    was: str = ""
    """The name that it is deployed under, where the folder renames it."""
    fields: list[str] = Field(default_factory=list)
    """The fields that differ."""
    restarts_gained: list[str] = Field(default_factory=list, alias="restartsGained")
    """The kinds of workloads that restart there from now on."""
    restarts_lost: list[str] = Field(default_factory=list, alias="restartsLost")
    """The kinds that no longer do."""


class TargetChange(Record):
    """A Secret that is gained or lost, or that would be written."""

    mapping: str
    """The mapping; of one that is lost, the deployed one."""
    cluster: str
    """The cluster's name in mappings."""
    namespace: str
    """The namespace."""
    secret: str
    """The name of the Secret."""
    change: Literal["gained", "lost", "written"]
    """Whether the folder gains it, loses it, or has it as the stack has."""
    will: Literal["create", "update", "annotate", "restart", "delete", "nothing", "fail", ""] = ""
    """What a delivery would do to it; empty for one that is lost: nothing."""
    why: str = ""
    """Why."""
    content: Literal["changes", "may change", "stays", ""] = ""
    """What becomes of its content; empty for one that is lost: it stays as it is, and is no longer kept so."""
    state: str = ""
    """Its state in the stack, as in `keyferry status`; empty if the stack does not have it."""
    keys: list[str] = Field(default_factory=list)
    """The keys that a delivery would add, change or remove; known with --values alone."""
    notes: list[str] = Field(default_factory=list)
    """When a certificate expires; workloads that would not restart, and why; known with --values alone."""
    error: str = ""
    """Why a delivery would fail; known with --values alone."""
    expected: Expected | None = None
    """What `push --plan` holds to; none for what no delivery follows for."""


class RightChange(Record):
    """A right that one of Keyferry's users gains or loses by what is generated."""

    change: Literal["gained", "lost"]
    """Whether it is gained or lost."""
    who: str
    """A function, or a Kubernetes user."""
    cluster: str = ""
    """Empty for a right in AWS."""
    may: str
    """What it may do, in words."""
    namespaces: list[str] = Field(default_factory=list)
    """The namespaces in which; empty for a right in AWS, and for one in all of a cluster."""


class Leftover(Record):
    """What stays behind: no delivery and no deployment removes it."""

    kind: str
    """Of Kubernetes, or `access entry`."""
    cluster: str
    """The cluster."""
    namespace: str = ""
    """Its namespace; empty for what is of the whole cluster."""
    name: str
    """Its name; of an access entry, the principal or the output of the stack that names it."""
    keys: list[str] = Field(default_factory=list)
    """Of a Secret: the keys that the mapping has written, as far as the mapping names them."""
    why: str
    """Why it stays."""
    command: str
    """What shows it, once the mappings are deployed, and removes it with `--delete`."""


class Plan(Record):
    """What the folder would change."""

    format: Literal[1] = FORMAT
    """The version of this format."""
    created: AwareDatetime
    """When the plan was made."""
    release: str
    """The release that made the plan."""
    stack: PlannedStack
    """The stack that the folder was compared with."""
    folder: str
    """A digest of the mappings in the folder."""
    with_values: bool = Field(default=False, alias="withValues")
    """Whether values were read to make it. None of them is in it."""
    mappings: list[MappingChange] = Field(default_factory=list)
    """The mappings that differ."""
    clusters: list[ClusterChange] = Field(default_factory=list)
    """The clusters that differ."""
    targets: list[TargetChange] = Field(default_factory=list)
    """The Secrets that are gained, lost or written."""
    rights: list[RightChange] = Field(default_factory=list)
    """The rights that are gained and lost."""
    policies: list[str] = Field(default_factory=list)
    """The admission policies that differ, each as `cluster/name`."""
    leftovers: list[Leftover] = Field(default_factory=list)
    """What stays behind."""
    generated: list[str] = Field(default_factory=list)
    """The generated files that are not what the folder makes them."""
    unchanged: int = 0
    """How many targets are known to be as the folder asks, and stay so."""
    unknown: int = 0
    """Of how many targets without a change it is not known whether they are."""
    contested: int = 0
    """How many targets without a change have a conflict, and stay so."""
    notes: list[str] = Field(default_factory=list)
    """What cannot be known, and what to be careful about."""

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        changes = self.mappings, self.clusters, self.targets, self.rights, self.policies, self.generated
        return not any(changes)

    @property
    def deliveries(self) -> Iterator[tuple[TargetChange, Expected]]:
        """The targets that a delivery would write, each with what it holds to."""
        for target in self.targets:
            if target.expected and target.will not in ("nothing", "fail", ""):
                yield target, target.expected
