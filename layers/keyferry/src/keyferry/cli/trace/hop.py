"""A hop of a change, as `keyferry trace --output json` has it, and a version in its words."""

from typing import Literal, NotRequired, TypedDict

from keyferry.cli.output.pushed import WorkloadFields
from keyferry.model import split_version

type Step = Literal["event", "route", "delivery", "write", "restart"]


class Hop(TypedDict):
    """One step of a change."""

    step: Step
    """Which step."""
    time: str
    """ISO 8601 in UTC, to the millisecond."""
    text: str
    """What happened, without the target."""
    targets: int
    """How many targets it is about; 0 where it is about none, or they are not known."""
    mapping: NotRequired[str]
    """The mapping that is delivered."""
    cluster: NotRequired[str]
    """The cluster that it is delivered to."""
    namespace: NotRequired[str]
    """The namespace, where it is about one."""
    secret: NotRequired[str]
    """The name of the Secret, where it is about one."""
    attempt: NotRequired[int]
    """How often the message of the delivery has been received."""
    error: NotRequired[str]
    """Why the attempt failed."""
    help: NotRequired[str]
    """The address of what is to be done about the error."""
    settled: NotRequired[str]
    """Since when that is over: a later delivery succeeded, or something else wrote the Secret."""
    seconds: NotRequired[float]
    """How long the attempt took."""
    nextTry: NotRequired[str]
    """When the delivery is tried again."""
    keys: NotRequired[list[str]]
    """The keys that were written."""
    versions: NotRequired[dict[str, str]]
    """Alias of a source → the version that was read."""
    workloads: NotRequired[list[WorkloadFields]]
    """What became of the workloads that use the Secret: of twenty at most."""


def shorten_version(version: str) -> str:
    """Return as much of a version as people compare."""
    return split_version(version)[0][:8]
