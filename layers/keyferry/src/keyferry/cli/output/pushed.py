"""What `keyferry push --output json` answers: what it would do, and what it did."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

from keyferry.cli.output.explanation import DeliveryFields
from keyferry.cli.output.words import add_help
from keyferry.cli.states import Owner
from keyferry.delivery.preview import PlannedEffect
from keyferry.delivery.report import (
    Effect,
    Outcome,
    Report,
    build_error_fields,
    build_notes_field,
    build_owner_field,
)
from keyferry.delivery.restart.outcome import RestartState
from keyferry.delivery.restart.workloads import Reason


class PlannedSecret(TypedDict):
    """What would be done in one namespace."""

    namespace: str
    """The namespace."""
    will: PlannedEffect
    """What would be done to the Secret."""
    why: NotRequired[str]
    """Why."""
    keys: NotRequired[list[str]]
    """The keys that would be added, changed, taken back or removed."""
    restarts: NotRequired[list[str]]
    """The workloads that would be restarted, as `Deployment/api`."""
    notes: NotRequired[list[str]]
    """When a certificate expires; workloads that would not be restarted, and why."""
    error: NotRequired[str]
    """Why it would fail: the type of the error, a colon and its text."""
    at: NotRequired[str]
    """File and line that the error is about."""
    help: NotRequired[str]
    """The address of what is to be done about the error."""


class PlannedDelivery(TypedDict):
    """What a mapping would do to a cluster."""

    mapping: str
    """The mapping."""
    cluster: str
    """The cluster's name in mappings."""
    secret: str
    """The name of the Secret."""
    owner: NotRequired[Owner]
    """The team that owns the mapping."""
    notes: NotRequired[list[str]]
    """What is said of it as a whole."""
    namespaces: list[PlannedSecret]
    """What would be done in each namespace."""
    error: NotRequired[str]
    """Why nothing would be done."""
    at: NotRequired[str]
    """File and line that the error is about."""
    help: NotRequired[str]
    """The address of what is to be done about the error."""


class WorkloadFields(TypedDict):
    """What became of one workload that uses the Secret."""

    workload: str
    """Kind and name, as `Deployment/api`."""
    reason: Reason
    """Why it restarts or does not."""
    why: NotRequired[str]
    """More than the reason says, in words."""
    by: NotRequired[list[str]]
    """The fields by which its pods use the Secret, as `envFrom`."""


class DeliveredSecret(TypedDict):
    """What was done in one namespace."""

    namespace: str
    """The namespace."""
    did: Effect
    """What was done to the Secret."""
    why: NotRequired[str]
    """Why."""
    keys: NotRequired[list[str]]
    """The keys that were written."""
    written: NotRequired[str]
    """When the cluster answered the write of content, ISO 8601 in UTC, to the millisecond."""
    restart: NotRequired[RestartState]
    """What became of the restarts."""
    workloads: NotRequired[list[WorkloadFields]]
    """What became of each workload that uses the Secret, or that the mapping names."""
    seen: NotRequired[dict[str, int]]
    """Kind → how many workloads were looked at to find them."""
    stamped: NotRequired[str]
    """When the cluster answered the last restart, as above."""
    notes: NotRequired[list[str]]
    """When a certificate expires; workloads that were not restarted, and why."""
    restartDue: NotRequired[Literal[True]]
    """That workloads still have to be restarted, by the next try or sweep."""
    error: NotRequired[str]
    """Why it failed: the type of the error, a colon and its text."""
    at: NotRequired[str]
    """File and line that the error is about."""
    help: NotRequired[str]
    """The address of what is to be done about the error."""


class FinishedDelivery(TypedDict):
    """What a mapping did to a cluster."""

    mapping: str
    """The mapping."""
    cluster: str
    """The cluster's name in mappings."""
    secret: str
    """The name of the Secret."""
    owner: NotRequired[Owner]
    """The team that owns the mapping."""
    versions: dict[str, str]
    """Alias of a source → the version that was read, where it is the same in all namespaces."""
    served: NotRequired[dict[str, str]]
    """Alias of a source → the failover region that served it."""
    notes: NotRequired[list[str]]
    """What is said of it as a whole."""
    namespaces: list[DeliveredSecret]
    """What was done in each namespace."""
    seconds: float
    """How long it took."""
    error: NotRequired[str]
    """Why it ended for all namespaces."""
    at: NotRequired[str]
    """File and line that the error is about."""
    help: NotRequired[str]
    """The address of what is to be done about the error."""


class Pushed(TypedDict, total=False):
    """What `keyferry push --output json` answers: one of these."""

    planned: list[PlannedDelivery]
    """With `--dry-run`: what would be done."""
    deliveries: list[FinishedDelivery]
    """What was done."""
    sent: list[DeliveryFields]
    """With `--stack`: the messages that were sent to its queue."""


def dump_report(report: Report, secret: str) -> FinishedDelivery:
    """Return what became of a delivery; `secret` is the name of its Secret."""
    fields: Any = {
        "mapping": report.delivery.mapping,
        "cluster": report.delivery.cluster,
        "secret": secret,
        **build_owner_field(report.owner),
        "versions": dict(report.versions),
        **report.build_served_field(),
        **build_notes_field(report.notes),
        "namespaces": _dump_outcomes(report.outcomes),
        "seconds": round(report.seconds, 3),
        **build_error_fields(report.error),
    }
    finished: FinishedDelivery = add_help(fields)
    return finished


def _dump_outcomes(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the outcomes; log lines, which have the same fields, write their names in another way."""
    names = {"restart_due": "restartDue"}
    return [
        add_help({names.get(name, name): value for name, value in outcome.as_dict().items()}) for outcome in outcomes
    ]
