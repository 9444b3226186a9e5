"""What became of the workloads of a namespace, for log lines and `--output json`: a reason for each, and words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from keyferry.delivery.observed import RESTART_DUE
from keyferry.delivery.restart.workloads import Reason, Stamp
from keyferry.errors import DeliverAgain, InvalidInput, KeyferryError

type RestartState = Literal["", "none", "not due", "due", "unused", "done"]
"""What became of the restarts in one namespace.

none: the mapping says `restart: none`; not due: no content was written; due: a later try or sweep restarts what is
left; unused: nothing was seen that restarts; done: all that uses the Secret has its stamp, but for what is said of
single workloads. Empty: the delivery failed before it was known.
"""

RESTARTS: tuple[RestartState, ...] = ("none", "not due", "due", "unused", "done")
"""All states that are logged."""
STAMPED: tuple[Reason, ...] = (
    *("restarted", "paused", "OnDelete", "in place", "no replicas", "partition", "promotion"),
)
"""The reasons of workloads that have their stamp."""


@dataclass(frozen=True)
class WorkloadOutcome:
    """What became of one workload that uses a Secret, or that the mapping names. The fields are called as in log lines.

    A workload that does not use the Secret has none: of these, only their number is reported.
    """

    workload: str
    """Kind and name, as `Deployment/api`."""
    reason: Reason
    why: str = ""
    """More than the reason says, in words; empty if there is nothing."""
    by: tuple[str, ...] = ()
    """The fields by which its pods use the Secret, as `envFrom`; empty where nobody has looked."""

    @property
    def is_stamped(self) -> bool:
        """Whether this delivery has written its stamp."""
        return self.reason in STAMPED

    def __str__(self) -> str:
        return f"{self.workload} ({self.why})" if self.why else self.workload

    def as_dict(self) -> dict[str, Any]:
        """Return it for a log line or for `--output json`, without empty fields."""
        fields = {"workload": self.workload, "reason": self.reason, "why": self.why, "by": list(self.by)}
        return {key: value for key, value in fields.items() if value}


def list_workloads(
    stamps: Iterable[Stamp], restarted: Sequence[Stamp], pulls: Iterable[str], *, is_due: bool
) -> tuple[WorkloadOutcome, ...]:
    """Return what became of the workloads of one namespace.

    Args:
        stamps: those of the last look at the workloads.
        restarted: those that were carried out.
        pulls: the workloads that use the Secret to pull images alone.
        is_due: whether a later try restarts those that are left.
    """
    done = {stamp.workload for stamp in restarted}
    left = [_describe_stamp(stamp, is_due=is_due) for stamp in stamps if stamp.workload not in done]
    return (
        *(WorkloadOutcome(str(stamp.workload), stamp.reason, stamp.note, stamp.ways) for stamp in restarted),
        *left,
        *(WorkloadOutcome(name, "pull secret") for name in pulls),
    )


def _describe_stamp(stamp: Stamp, *, is_due: bool) -> WorkloadOutcome:
    """Return what became of a workload that this delivery has not restarted."""
    if stamp.patch is None:
        why = str(stamp.error) if stamp.error else stamp.note
        return WorkloadOutcome(str(stamp.workload), stamp.reason, why, stamp.ways)
    return WorkloadOutcome(str(stamp.workload), "due" if is_due else "gone", by=stamp.ways)


def explain_due(error: KeyferryError, *, is_written: bool) -> str:
    """Return what is left to do where an error follows a write: the end of the error's text."""
    goes_on = isinstance(error, DeliverAgain | InvalidInput)  # `Moved`: a sweep holds to no plan
    when = "the next try or sweep restarts them" if goes_on else "they restart once that is mended"
    done = "the Secret is written, and" if is_written else "its content stays as it was, and"
    return f"{done} its workloads are due for a restart ({RESTART_DUE}): {when}"
