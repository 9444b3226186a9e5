"""What `keyferry explain` says of one event or message, as lines and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Explanation:
    """An event with what follows, or a message of one of Keyferry's queues."""

    position: str
    """Where it was in what was given, such as `Records[0].body`; empty for the whole."""
    subject: RouteReport | Delivery | Sweep
    matches: tuple[dict[str, str], ...] = ()
    """The sources that the change names; with `not`, why no delivery follows."""
    known_names: frozenset[str] = frozenset()
    """The names of all secrets and parameters that mappings read."""
    problem: str = ""
    """Why a delivery cannot be carried out, if that is known."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON: change, ignored, mappings and deliveries; of a message also what it asks for."""
        whole: dict[str, Any] = {"change": None, "ignored": None, "mappings": [], "deliveries": []}
        if isinstance(self.subject, Delivery):
            return whole | {"delivery": _dump(self.subject)} | ({"problem": self.problem} if self.problem else {})
        if isinstance(self.subject, Sweep):
            fields = self.subject.model_dump(mode="json", exclude_defaults=True)
            return whole | {"sweep": {"reason": self.subject.reason} | fields}
        change = self.subject.change
        if isinstance(change, Ignored):
            expected = {"expected": _EXPECTED} if change.reason == "not an event" else {}
            return whole | {"ignored": {"reason": change.reason, "detail": self._tell(change), **expected}}
        deliveries = [_dump(delivery) for delivery in self.subject.deliveries]
        return whole | {"change": _dump_change(change), "mappings": list(self.matches), "deliveries": deliveries}

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
            why = f": {match['not']}" if "not" in match else ""
            yield f"mapping {match['mapping']}, source {match['source']}{why}"
        if not self.matches:
            yield f"no mapping names it{nearest(change.names[0], set(self.known_names))}"


def _list_names(asked: Delivery | Sweep) -> str:
    names = (("mapping", asked.mapping), ("cluster", asked.cluster), ("namespace", asked.namespace))
    return ", ".join(f"{noun} {name}" for noun, name in names if name)


def _list_target(delivery: Delivery) -> str:
    namespace = f", namespace {delivery.namespace}" if delivery.namespace else ""
    return f"{delivery.mapping} to {delivery.cluster}{namespace}"


def _dump_change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "store": change.store,
        "names": list(change.names),
        "label": change.label,
        "version": change.version,
        "eventId": change.event_id,
        "time": change.time.isoformat(),
    }


def _dump(delivery: Delivery) -> dict[str, Any]:
    return delivery.model_dump(mode="json", by_alias=True, exclude_defaults=True)
