"""Tell owners by events on the account's default event bus what a delivery wrote, and what of it has failed.

As with Kubernetes Events, a delivery is told of beside its work: what becomes of it is decided before. What passes by
itself is told once it lasts, or stays (docs/decisions/0027).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

from keyferry import __version__
from keyferry.delivery.report import Outcome, Report
from keyferry.delivery.work import Origin, get_origin
from keyferry.errors import KeyferryError, NeedsRepair
from keyferry.guides import link_error
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery, format_moment
from keyferry.pipeline.kubernetes_events import choose_reason, lasts_or_stays
from keyferry.pipeline.settle import Settlement
from keyferry.wording import abridge

SOURCE = "keyferry"
"""The source of the events: deliver may put no others."""
type DetailType = Literal["Secret Delivered", "Delivery Failed", "Restart Failed"]
MAX_NAMES = 50
"""How many namespaces, and how many sources, an event names; EventBridge takes 256 KB."""
MAX_TEXT = 1000
_CONTENT = ("created", "updated", "deleted")
"""What is told of as delivered: what pods can see. A Secret whose annotations alone were written is not told of."""


class OwnerFields(TypedDict):
    """The team that owns a mapping."""

    team: str
    """Its name."""
    contact: NotRequired[str]
    """Where to reach it."""


class SourceFields(TypedDict):
    """A source of a mapping."""

    store: Literal["secretsmanager", "parameterstore"]
    """The store that it is in."""
    name: str
    """Its name or ARN as the mapping has it, or what finds it."""
    version: NotRequired[str]
    """The version that was read; left out where none was, or another one in each namespace."""


class Detail(TypedDict):
    """What every event of Keyferry says. There is no value in it."""

    stack: str
    """The name of the stack."""
    release: str
    """The release of Keyferry that is deployed."""
    eventId: str
    """The event id of the delivery, for `keyferry trace`."""
    eventTime: str
    """When the change happened, ISO 8601 in UTC."""
    origin: Origin
    """What the delivery comes from."""
    mapping: str
    """The mapping."""
    owner: NotRequired[OwnerFields]
    """The team that owns it, where it has one."""
    cluster: str
    """The cluster's name in mappings."""
    secret: str
    """The name of the Secret."""
    namespaces: list[str]
    """The namespaces that it is about: 50 at most. Empty where it failed before they were known."""
    namespaceCount: int
    """How many there are."""
    sources: dict[str, SourceFields]
    """Alias → source: 50 at most."""


class Delivered(Detail):
    """The detail of `Secret Delivered`: the content of Secrets was written."""

    did: dict[Literal["created", "updated", "deleted"], int]
    """What was done → to how many Secrets."""
    restarted: int
    """How many workloads were restarted for it."""


class ErrorFields(TypedDict):
    """Why a delivery failed."""

    kind: str
    """The class of the error, such as `Conflict`."""
    text: str
    """What is wrong, and what would be right."""
    at: NotRequired[str]
    """File and line that it is about."""
    help: str
    """The address of what is to be done about it."""


class Failed(Detail):
    """The detail of `Delivery Failed`, and of `Restart Failed`: the Secret was written, and workloads not restarted."""

    error: ErrorFields
    """The first cause, those that somebody has to mend before others."""
    moreErrors: int
    """How many other causes there are."""
    isFinal: bool
    """Whether it is not tried again before the next change, sweep or replay."""


DETAILS: Mapping[DetailType, type[Detail]] = {
    "Secret Delivered": Delivered,
    "Delivery Failed": Failed,
    "Restart Failed": Failed,
}
"""Detail type → the form of its detail."""


@dataclass(frozen=True)
class Notification:
    """An event for the bus."""

    type: DetailType
    detail: Mapping[str, Any]

    @property
    def cause(self) -> tuple[str, ...] | None:
        """What is the same where the same failure is told again; None for what is no failure."""
        if self.type == "Secret Delivered":
            return None
        place = self.detail["mapping"], self.detail["cluster"], *self.detail["namespaces"]
        return self.type, *place, self.detail["error"]["text"], str(self.detail["isFinal"])

    def build_entry(self) -> dict[str, str]:
        """Return the entry of PutEvents, for the default bus."""
        return {"Source": SOURCE, "DetailType": self.type, "Detail": json.dumps(self.detail)}


def list_notifications(settlement: Settlement, mapping: SecretMapping, stack: str) -> list[Notification]:
    """Return what is told of a delivery: one event of each kind at most.

    Args:
        settlement: what became of the message.
        mapping: its mapping.
        stack: the name of the stack.
    """
    report, delivery = settlement.result, settlement.delivery
    if not isinstance(report, Report) or delivery is None:
        return []
    common = _describe(report, delivery, mapping, stack)
    failures = list(_list_failures(settlement, report))
    by_type: dict[DetailType, list[_Failure]] = {
        "Delivery Failed": [failure for failure in failures if not failure.is_restart],
        "Restart Failed": [failure for failure in failures if failure.is_restart],
    }
    return [
        *_tell_delivered(report, common),
        *(_tell_failed(name, own, settlement, common) for name, own in by_type.items() if own),
    ]


@dataclass(frozen=True)
class _Failure:
    """An error, and the namespaces that it is of."""

    error: KeyferryError
    namespaces: Sequence[str]
    is_restart: bool = False


def _describe(report: Report, delivery: Delivery, mapping: SecretMapping, stack: str) -> dict[str, Any]:
    owner = mapping.spec.owner
    sources = {
        alias: {"store": source.store_name, "name": str(source)}
        | ({"version": report.versions[alias]} if alias in report.versions else {})
        for alias, source in sorted(mapping.spec.sources.items())[:MAX_NAMES]
    }
    return {
        "stack": stack,
        "release": __version__,
        "eventId": delivery.event_id,
        "eventTime": format_moment(delivery.time),
        "origin": get_origin(delivery.event_id),
        "mapping": delivery.mapping,
        **({"owner": owner.model_dump(exclude_none=True)} if owner else {}),
        "cluster": delivery.cluster,
        "secret": mapping.spec.secret.name,
        "sources": sources,
    }


def _tell_delivered(report: Report, common: Mapping[str, Any]) -> Iterator[Notification]:
    written = [outcome for outcome in report.outcomes if outcome.did in _CONTENT]
    if written:
        effects = [outcome.did for outcome in written]
        detail = {
            **common,
            **_name([outcome.namespace for outcome in written]),
            "did": {effect: effects.count(effect) for effect in _CONTENT if effect in effects},
            "restarted": sum(len(outcome.restarted) for outcome in written),
        }
        yield Notification("Secret Delivered", detail)


def _tell_failed(
    name: DetailType, failures: Sequence[_Failure], settlement: Settlement, common: Mapping[str, Any]
) -> Notification:
    first, *others = sorted(failures, key=lambda failure: not isinstance(failure.error, NeedsRepair))
    error = first.error
    causes = {failure.error.title for failure in others} - {error.title}
    detail = {
        **common,
        **_name([namespace for failure in failures for namespace in failure.namespaces]),
        "error": {
            "kind": type(error).__name__,
            "text": abridge(error.title, MAX_TEXT),
            **({"at": error.at} if error.at else {}),
            "help": link_error(type(error).__name__),
        },
        "moreErrors": len(causes),
        "isFinal": not settlement.is_retried,
    }
    return Notification(name, detail)


def _name(namespaces: Sequence[str]) -> dict[str, Any]:
    names = sorted(set(namespaces))
    return {"namespaces": names[:MAX_NAMES], "namespaceCount": len(names)}


def _list_failures(settlement: Settlement, report: Report) -> Iterator[_Failure]:
    """Yield what has failed and is to be told: what stays so, or has lasted, and does not go on by itself."""
    for outcome in report.outcomes:
        if outcome.error and lasts_or_stays(settlement, outcome.error, outcome.namespace):
            yield _Failure(outcome.error, [outcome.namespace], _is_of_restart(outcome, outcome.error))
    error = report.error
    if error and not settlement.follow_ups and lasts_or_stays(settlement, error, None):
        done = {outcome.namespace for outcome in report.outcomes}
        yield _Failure(error, [name for name in report.all_namespaces if name not in done])


def _is_of_restart(outcome: Outcome, error: KeyferryError) -> bool:
    return choose_reason(outcome, error) == "RestartFailed"
