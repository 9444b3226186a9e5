"""What a rollback does, as `keyferry rollback --output json` has it."""

from typing import NotRequired, TypedDict

from keyferry.cli.history.answer import KnownVersion


class Reader(TypedDict):
    """A Secret that is made from the secret that is rolled back."""

    secret: str
    """Cluster, namespace and Secret, as `prod-eu/payments/payments-db`."""
    mapping: str
    """The mapping that writes it."""
    state: str
    """Its state before, as `keyferry status` has it."""
    version: NotRequired[str]
    """The version that it is made from; left out where the cluster does not tell."""
    follows: bool
    """Whether it is to get the other version: it has the one that is current, or nobody knows which it has."""
    workloads: NotRequired[list[str]]
    """The workloads that use it, as a delivery of the last days or the mapping names them; left out if not known."""


class Rollback(TypedDict):
    """A move of the label AWSCURRENT."""

    name: str
    """The name or ARN of the secret in AWS."""
    account: str
    """Its account."""
    stack: str
    """The name of the stack."""
    before: KnownVersion
    """The version that was current."""
    after: KnownVersion
    """The version that is to be current."""
    readers: list[Reader]
    """What is made from it."""
    warnings: list[str]
    """What is in the way of it."""
    moved: bool
    """Whether the label was moved; false with `--dry-run`, and where it is there already."""
    waiting: list[str]
    """The Secrets that do not have the version yet: events and sweeps go on bringing it to them."""
    pin: str
    """The field that holds the version for good, for the mappings' files in Git."""
    sources: dict[str, list[str]]
    """Mapping → its sources that the field goes to."""
