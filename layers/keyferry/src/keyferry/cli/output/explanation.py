"""What `keyferry explain` says of one event or message, as lines and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from keyferry.cli.check.problems import nearest
from keyferry.formats.printable import escape
from keyferry.model import Change, Delivery
from keyferry.pipeline.route import RouteReport
from keyferry.pipeline.sweep import Sweep
from keyferry.stores.envelope import Ignored

_EXPECTED = (
    "an EventBridge event has id, detail-type, source, time and detail;"
    " a delivery has mapping, cluster, eventId and time"
)
"""What would be right where something is neither an event nor a message."""


class ChangeFields(TypedDict):
    """The change that an event reports."""

    kind: str
    """What happened, such as `updated`."""
    store: str
    """Where: `secretsmanager` or `ssm`."""
    names: list[str]
    """The names by which it may be meant."""
    label: str | None
    """The label that has moved, if the event tells it."""
    version: str | None
    """The version, if the event tells it."""
    eventId: str
    """The id of the event."""
    time: str
    """When it happened."""


class IgnoredFields(TypedDict):
    """Why an event is no change."""

    reason: str
    """In a word or two, as in metrics and logs."""
    detail: str
    """More of it."""
    expected: NotRequired[str]
    """What would be right, where it is no event at all."""


class MatchFields(TypedDict):
    """A source that the change names."""

    mapping: str
    """The mapping."""
    source: str
    """What the mapping calls the source."""
    whyNot: NotRequired[str]
    """Why no delivery follows for it; left out where one does."""


class DeliveryFields(TypedDict):
    """A message of the deliveries queue."""

    mapping: str
    """The mapping to deliver."""
    cluster: str
    """The cluster's name in mappings."""
    namespace: NotRequired[str]
    """The only namespace to write to; left out for all of the mapping."""
    eventId: str
    """What it follows from; its log lines have this id."""
    time: str
    """When the change happened."""
    versions: NotRequired[dict[str, str]]
    """Alias of a source → the version that the event named."""
    deleted: NotRequired[list[str]]
    """Aliases of the sources that the event reports as deleted."""
    expires: NotRequired[str]
    """When a delivery of a sweep is dropped."""
    takesBack: NotRequired[bool]
    """Whether keys are taken back also from those from whom they were taken back a short time ago."""
    deaths: NotRequired[int]
    """How many times the function has died while it worked on it."""
    since: NotRequired[str]
    """When the first of its messages was sent."""


class SweepFields(TypedDict):
    """A message of the sweeps queue."""

    reason: str
    """Why the sweep was started."""
    mapping: NotRequired[str]
    """The only mapping to compare."""
    cluster: NotRequired[str]
    """The only cluster."""
    namespace: NotRequired[str]
    """The only namespace."""
    cursor: NotRequired[dict[str, Any]]
    """Where each cluster goes on."""
    begun: NotRequired[str]
    """When the sweep began."""
    hops: NotRequired[int]
    """How many invocations have worked on it."""
    waits: NotRequired[int]
    """How many times it has waited for clusters."""


class ExplanationFields(TypedDict):
    """What one event or message is, and what follows from it."""

    position: str
    """Where it was in what was given, such as `Records[0].body`; empty for the whole."""
    change: ChangeFields | None
    """The change that an event reports; null for what is none."""
    ignored: IgnoredFields | None
    """Why it is none."""
    mappings: list[MatchFields]
    """The sources that the change names."""
    deliveries: list[DeliveryFields]
    """The deliveries that follow."""
    delivery: NotRequired[DeliveryFields]
    """The delivery that it is itself."""
    problem: NotRequired[str]
    """Why that cannot be carried out, if that is known."""
    sweep: NotRequired[SweepFields]
    """The sweep that it is itself."""


class Explanations(TypedDict):
    """What `keyferry explain --output json` answers."""

    events: list[ExplanationFields]
    """One for each event or message, in the order in which they were given."""


@dataclass(frozen=True)
class Explanation:
    """An event with what follows, or a message of one of Keyferry's queues."""

    position: str
    """Where it was in what was given, such as `Records[0].body`; empty for the whole."""
    subject: RouteReport | Delivery | Sweep
    matches: tuple[MatchFields, ...] = ()
    """The sources that the change names."""
    known_names: frozenset[str] = frozenset()
    """The names of all secrets and parameters that mappings read."""
    problem: str = ""
    """Why a delivery cannot be carried out, if that is known."""

    def as_dict(self) -> ExplanationFields:
        """Return it as JSON: change, ignored, mappings and deliveries; of a message also what it asks for."""
        whole: ExplanationFields = {
            "position": self.position,
            "change": None,
            "ignored": None,
            "mappings": [],
            "deliveries": [],
        }
        if isinstance(self.subject, Delivery):
            whole["delivery"] = dump_delivery(self.subject)
            if self.problem:
                whole["problem"] = self.problem
            return whole
        if isinstance(self.subject, Sweep):
            fields = self.subject.model_dump(mode="json", exclude_defaults=True)
            whole["sweep"] = {"reason": self.subject.reason, **fields}  # type: ignore[typeddict-item]
            return whole
        change = self.subject.change
        if isinstance(change, Ignored):
            ignored: IgnoredFields = {"reason": change.reason, "detail": self._tell(change)}
            whole["ignored"] = {**ignored, "expected": _EXPECTED} if change.reason == "not an event" else ignored
            return whole
        whole["change"], whole["mappings"] = _dump_change(change), list(self.matches)
        whole["deliveries"] = list(map(dump_delivery, self.subject.deliveries))
        return whole

    def list_lines(self) -> Iterator[str]:
        """Yield the lines that tell it, without line ends and control characters."""
        yield from map(escape, self._list_lines())

    def _list_lines(self) -> Iterator[str]:
        match self.subject:
            case Delivery() as delivery:
                yield f"a delivery: {_list_names(delivery)}; of {delivery.time.isoformat()}, event {delivery.event_id}"
                yield from filter(None, [self.problem])
            case Sweep() as sweep:
                yield f"a sweep: {_list_names(sweep) or 'everything'}; reason: {sweep.reason}"
            case RouteReport(change=Ignored() as ignored):
                yield f"no change: {ignored.reason} ({self._tell(ignored)})"
                if ignored.reason == "deployment":
                    yield "a sweep follows, where this is Keyferry's own stack"
                if ignored.reason == "not an event":
                    yield _EXPECTED
            case RouteReport(change=Change() as change, deliveries=deliveries):
                yield from self._list_change(change)
                yield from (f"delivery: {_list_target(delivery)}" for delivery in deliveries)
                yield from () if deliveries else ("no delivery follows",)

    def _tell(self, ignored: Ignored) -> str:
        """Return the detail of an ignored event, with the position of what is not even one."""
        is_inside = self.position and ignored.reason == "not an event"
        return f"{ignored.detail}; in {self.position}" if is_inside else ignored.detail

    def _list_change(self, change: Change) -> Iterator[str]:
        parts = [change.kind, f"{change.store} {' or '.join(change.names)}"]
        parts += [f"{name} {text}" for name, text in (("label", change.label), ("version", change.version)) if text]
        yield f"change: {', '.join(parts)}"
        for match in self.matches:
            why = f": {match['whyNot']}" if "whyNot" in match else ""
            yield f"mapping {match['mapping']}, source {match['source']}{why}"
        if not self.matches:
            yield f"no mapping names it{nearest(change.names[0], set(self.known_names))}"


def _list_names(asked: Delivery | Sweep) -> str:
    names = (("mapping", asked.mapping), ("cluster", asked.cluster), ("namespace", asked.namespace))
    return ", ".join(f"{noun} {name}" for noun, name in names if name)


def _list_target(delivery: Delivery) -> str:
    namespace = f", namespace {delivery.namespace}" if delivery.namespace else ""
    return f"{delivery.mapping} to {delivery.cluster}{namespace}"


def _dump_change(change: Change) -> ChangeFields:
    return {
        "kind": change.kind,
        "store": change.store,
        "names": list(change.names),
        "label": change.label,
        "version": change.version,
        "eventId": change.event_id,
        "time": change.time.isoformat(),
    }


def dump_delivery(delivery: Delivery) -> DeliveryFields:
    """Return a delivery as the message that it is, without what has its default."""
    fields: DeliveryFields = delivery.model_dump(mode="json", by_alias=True, exclude_defaults=True)  # type: ignore[assignment]
    return fields
