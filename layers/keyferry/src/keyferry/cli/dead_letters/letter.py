"""A dead letter: what it is about, why it lies there, what takes its place, and what is lost with it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from pydantic import ValidationError

from keyferry.errors import InvalidInput, UnknownField
from keyferry.guides import link_error
from keyferry.model import Change, Delivery, parse_json
from keyferry.pipeline.settle import parse_delivery
from keyferry.pipeline.sweep import Sweep, parse_sweep
from keyferry.stores.events import parse

type Queue = Literal["changes", "deliveries", "sweeps"]
"""A queue that a function reads."""
type Letters = Literal[Queue, "events"]
"""A dead-letter queue, by what lies on it: `events` has what EventBridge could not put on a queue."""

LETTERS: tuple[Letters, ...] = ("changes", "deliveries", "sweeps", "events")
"""All dead-letter queues."""
REASON = "replay of a dead letter"
"""Why a sweep was started that takes the place of one."""
_UNTOLD: Mapping[Letters, str] = {
    "changes": "route has failed 1,000 times; the log of route says why",
    "deliveries": "deliver could not even begin, 700 times; the log of deliver says why",
    "sweeps": "the sweep has failed 100 times; the log of reconcile says why",
    "events": "EventBridge could not hand it over, and does not say why",
}
"""Why a letter lies there that SQS itself has moved, which adds no reason."""
_CLASS = re.compile(r"(?:^|: |; )([A-Z][A-Za-z]+): ")
"""The class of an error in a reason."""


@dataclass(frozen=True)
class DeadLetter:
    """A message of a dead-letter queue."""

    queue: Letters
    id: str
    body: str
    sent: datetime
    """When it came there."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Its message attributes: those of `keyferry.aws.sqs.MessageControl.dead_letter`, or of EventBridge ("Using
    dead-letter queues to process undelivered events", "Configuring a dead-letter queue for EventBridge Scheduler")."""

    @property
    def cause(self) -> str:
        """Why it lies there."""
        return self.attributes.get("reason") or self._describe_event_error() or _UNTOLD[self.queue]

    @property
    def help(self) -> str:
        """The address of what is to be done about it; empty if there is none."""
        match = _CLASS.search(self.attributes.get("reason", ""))
        return link_error(match[1]) if match else ""

    @property
    def team(self) -> str:
        """The team that owns its mapping; empty if nobody does, or it is of none."""
        return self.attributes.get("team", "")

    @property
    def about(self) -> str:
        """What it is about: a mapping and where it goes, a secret, or what a sweep compares."""
        if self.delivery:
            place = "/".join(filter(None, (self.delivery.cluster, self.delivery.namespace)))
            return f"{self.delivery.mapping} to {place}"
        if self.sweep:
            return " ".join(["a sweep", *(f"of {noun} {name}" for noun, name in self.sweep.names.items())])
        names = parse(self.document).names
        return " or ".join(names) or "not readable"

    @property
    def loss(self) -> str:
        """What is lost where it is dropped."""
        delivery = self.delivery
        if self.sweep:
            return "nothing: the next sweep does the same"
        if delivery and delivery.deleted:
            return f"the deletion of {', '.join(delivery.deleted)}: no sweep carries that out"
        if delivery and delivery.restart:
            return "the restart that somebody has asked for: no sweep carries that out"
        if delivery:
            return "nothing for good: the next sweep sends what still differs"
        if self.queue in ("deliveries", "sweeps"):
            return "not known: this release cannot read it"
        change = parse(self.document)
        if not isinstance(change, Change) or change.kind == "rotation failed":
            return "nothing: no delivery follows from it"
        if change.kind == "deleted":
            return f"the deletion of {' or '.join(change.names)}: no sweep carries that out"
        return "nothing for good: the next sweep sends what still differs"

    @cached_property
    def document(self) -> object:
        """The parsed JSON of the body; None where the body is not JSON."""
        return parse_json(self.body)

    @cached_property
    def delivery(self) -> Delivery | None:
        """The delivery that it asks for; None if it asks for none that this release can read."""
        try:
            return parse_delivery(self.body) if self.queue == "deliveries" else None
        except (UnknownField, ValidationError):
            return None

    @cached_property
    def sweep(self) -> Sweep | None:
        """The sweep that it asks for; None if it asks for none.

        What the schedule and a deployment ask for is a sweep of everything, whatever EventBridge says of it here.
        """
        if self.queue == "events":
            return Sweep(reason=REASON) if self._target.endswith("-sweeps") else None
        try:
            return parse_sweep(self.document) if self.queue == "sweeps" else None
        except (UnknownField, InvalidInput):
            return None

    @property
    def _target(self) -> str:
        return self.attributes.get("TARGET_ARN", "")

    def _describe_event_error(self) -> str:
        return ": ".join(filter(None, (self.attributes.get(f"ERROR_{name}") for name in ("CODE", "MESSAGE"))))


@dataclass(frozen=True)
class Replay:
    """A message that takes the place of a dead letter."""

    queue: Queue
    body: str
    event_id: str = ""
    """The event id of the deliveries that follow from it; empty for a sweep, which makes its own."""
    group: str = ""
    """The message group and the deduplication id; empty on a queue that is not FIFO."""
    deduplication_id: str = ""


def build_replay(letter: DeadLetter, queues: Mapping[str, Queue]) -> Replay:
    """Return the message that takes the place of a dead letter.

    Its event id is made of the letter's id: SQS drops a second one within five minutes, and a later one finds nothing
    to do.

    Args:
        letter: the dead letter.
        queues: ARN → queue: those of the stack that rules and the schedule send to.

    Raises:
        InvalidInput: nothing can take its place; the message says why.
    """
    event_id = f"replay-{letter.id}"
    if letter.queue == "events" and letter.attributes.get("TARGET_ARN") not in queues:
        target = letter.attributes.get("TARGET_ARN")
        raise InvalidInput(f"it was to go to {target}, no queue of this stack" if target else "it has no TARGET_ARN")
    if letter.sweep:
        return Replay("sweeps", Sweep(**letter.sweep.names, reason=REASON).to_json())
    if letter.delivery:
        anew = {"event_id": event_id, "deaths": 0, "since": None, "expires": None}
        delivery = letter.delivery.model_copy(update=anew)
        return Replay("deliveries", delivery.to_json(), event_id, delivery.group, delivery.deduplication_id)
    return _build_event(letter, event_id)


def _build_event(letter: DeadLetter, event_id: str) -> Replay:
    """Return the message with an event for route, under another id; out of the notification of SNS that it came in."""
    if letter.queue in ("deliveries", "sweeps"):
        raise InvalidInput(f"it is none of the {letter.queue} that this release can read")
    event: Any = letter.document
    match event:
        case {"Type": "Notification", "Message": str(text)}:
            event = parse_json(text)
    match event:
        case {"detail-type": _}:
            return Replay("changes", json.dumps({**event, "id": event_id}), event_id)
    raise InvalidInput("it is no event")
