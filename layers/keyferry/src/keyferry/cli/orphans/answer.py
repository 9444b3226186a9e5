"""The form of the answer of `keyferry orphans --output json`."""

from typing import NotRequired, TypedDict


class OrphanRow(TypedDict):
    """One thing that is left over."""

    kind: str
    """Its kind in Kubernetes; `AccessEntry`; or `Stamp`, an annotation of a workload's pod template."""
    name: str
    """Its name; of an access entry, the ARN of its principal; of a stamp, its workload, as `Deployment/web`."""
    namespace: NotRequired[str]
    """Its namespace, where it has one."""
    cluster: str
    """The cluster, as clusters.yaml calls it."""
    why: str
    """Why it is left over."""
    refused: list[str]
    """Why `--delete` leaves it alone; empty where it does not."""
    command: str
    """The shell command that removes it, or of a shared Secret our part of it."""
    outcome: NotRequired[str]
    """What `--delete` or `--dry-run` did: `deleted`, `would be deleted`, or the error that kept it; where it was
    interrupted also `perhaps deleted`, of one at most, and `not tried`."""


class OtherStackRow(TypedDict):
    """What another stack has in a cluster: none of it is an orphan here."""

    cluster: str
    """The cluster, as clusters.yaml calls it."""
    prefix: str
    """The prefix of the other stack, as its objects have it."""
    counts: dict[str, int]
    """Kind → how many there are."""


class MovedRow(TypedDict):
    """A Secret whose mapping has moved to another stack, which has the rights to take it over: it is no orphan."""

    cluster: str
    """The cluster, as clusters.yaml calls it."""
    namespace: str
    """Its namespace."""
    name: str
    """Its name."""
    prefix: str
    """The prefix of the other stack."""


class AwaitingRow(TypedDict):
    """What the deployed mappings alone still name in a cluster: it is left over once the folder is deployed."""

    cluster: str
    """The cluster, as clusters.yaml calls it."""
    count: int
    """How many things there are."""


class Answer(TypedDict):
    """What `keyferry orphans --output json` writes."""

    orphans: list[OrphanRow]
    """What is left over, in the order of removal."""
    otherStacks: list[OtherStackRow]
    """What other stacks have in the clusters."""
    moved: list[MovedRow]
    """Secrets whose mappings have moved to another stack that has not taken them over yet."""
    awaiting: list[AwaitingRow]
    """What a deployment of the folder would leave over."""
    notes: list[str]
    """What could not be looked at, and why."""
    error: NotRequired[str]
    """Why nothing may be deleted: as a rule, that it is not known what is deployed."""
