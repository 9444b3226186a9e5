"""What `keyferry push --output json` answers: what it would do, and what it did."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

from keyferry.cli.output.words import add_help
from keyferry.cli.states import Owner, Target
from keyferry.cli.steer.course import State
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
from keyferry.model import Delivery


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
    workloadsMore: NotRequired[int]
    """How many workloads more there are than a log line has room for."""
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


class SentDelivery(TypedDict):
    """How far a delivery is that was sent through a stack, by the log of `deliver`."""

    mapping: str
    """The mapping."""
    cluster: str
    """The cluster's name in mappings."""
    namespace: NotRequired[str]
    """The only namespace that it writes to; left out for all of the mapping."""
    secret: str
    """The name of the Secret."""
    eventId: str
    """What its log lines have as `event_id`, and `keyferry trace` follows."""
    state: State
    """How far it is. `perhaps sent`: SQS was asked to take it, and gave no answer. `replaced`: it goes on as a delivery
    to each namespace of `sentOn`."""
    owner: NotRequired[Owner]
    """The team that owns the mapping."""
    versions: NotRequired[dict[str, str]]
    """Alias of a source → the version that was read, where it is the same in all namespaces."""
    served: NotRequired[dict[str, str]]
    """Alias of a source → the failover region that served it."""
    targets: NotRequired[dict[str, int]]
    """Effect → how many Secrets had it: all of them, listed or not."""
    notes: NotRequired[list[str]]
    """What is said of it as a whole."""
    reason: NotRequired[str]
    """Why it is not done."""
    namespaces: list[DeliveredSecret]
    """What was done in each namespace, but where nothing was; of very many the first ones."""
    sentOn: NotRequired[list[str]]
    """Namespaces that go on as deliveries of their own; of very many the first ones."""
    sentOnCount: NotRequired[int]
    """How many namespaces do."""
    nextTry: NotRequired[str]
    """When it is tried again."""
    seconds: NotRequired[float]
    """How long its last attempt took."""
    error: NotRequired[str]
    """Why it ended for all namespaces."""
    at: NotRequired[str]
    """File and line that the error is about."""
    help: NotRequired[str]
    """The address of what is to be done about the error."""


class LeftDelivery(TypedDict):
    """A delivery that was not begun."""

    mapping: str
    """The mapping."""
    cluster: str
    """The cluster's name in mappings."""
    namespace: NotRequired[str]
    """The only namespace that it would write to; left out for all of the mapping."""


class Pushed(TypedDict, total=False):
    """What `keyferry push --output json` answers: some of these."""

    targets: list[Target]
    """With `--dry-run`, through a stack: in which state each target is."""
    planned: list[PlannedDelivery]
    """With `--dry-run`, from here: what would be done."""
    sent: list[SentDelivery]
    """Through a stack: how far each delivery is."""
    deliveries: list[FinishedDelivery]
    """From here: what was done."""
    left: list[LeftDelivery]
    """From here, where it was interrupted: what was not begun."""


def dump_left(delivery: Delivery) -> LeftDelivery:
    """Return a delivery that was not begun."""
    left: Any = delivery.model_dump(include={"mapping", "cluster", "namespace"}, exclude_none=True)
    kept: LeftDelivery = left
    return kept


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
