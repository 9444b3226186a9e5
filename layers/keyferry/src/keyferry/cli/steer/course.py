"""How far deliveries are that were sent through a stack, by what SQS has answered and by the log of `deliver`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

from keyferry.errors import KeyferryError
from keyferry.model import Delivery

type Line = Mapping[str, Any]
"""A line of the log of `deliver`."""
type Key = tuple[str, str, str]
"""Mapping, cluster, and the only namespace of a delivery; empty for one to all namespaces."""
type State = Literal[
    "not sent",
    "perhaps sent",
    "sent",
    "begun",
    "retry later",
    "delivered",
    "dead letter",
    "dropped",
    "superseded",
    "suspended",
    "replaced",
]
"""How far a delivery is. `perhaps sent`: SQS was asked to take it, and no answer has come. `replaced`: deliveries to
single namespaces go on with what is left of it. From `begun` on these are the messages of the log."""

ENDS = ("delivered", "dead letter", "dropped", "superseded", "suspended", "replaced")
"""The states after which nothing more becomes of a delivery."""


@dataclass
class Course:
    """How far one delivery is: one that was to be sent, or one that goes on with a namespace of it."""

    delivery: Delivery
    state: State = "not sent"
    end: Line | None = None
    """The line of its last attempt that has ended, well or not."""

    @property
    def key(self) -> Key:
        """What it is for."""
        return self.delivery.mapping, self.delivery.cluster, self.delivery.namespace or ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in ENDS

    @property
    def sent_on(self) -> tuple[str, ...]:
        """The namespaces that go on as deliveries of their own, as far as the log has room for their names."""
        return _list_sent_on(self.end) if self.end and self.has_ended else ()

    @property
    def sent_on_count(self) -> int:
        """How many such namespaces there are."""
        return int(self.end["follow_ups"]) if self.end and self.sent_on else 0

    def take(self, line: Line) -> None:
        """Take the next line about it. What has ended stays so: a message can be received twice."""
        if self.has_ended:
            return
        self.state = line["message"]
        if self.state != "begun":
            self.end = line
        if self.state == "replaced" and not _list_sent_on(line):
            self.state = "sent"  # a copy of the message took its place: it is the same delivery


def _list_sent_on(line: Line) -> tuple[str, ...]:
    """Return the namespaces that go on as deliveries of their own (`keyferry.pipeline.settle`).

    A copy of the whole message is named by its cluster, and one of a delivery to a namespace is never split.
    """
    names = tuple(line.get("sent_on", ()))
    failed = {each["namespace"] for each in line.get("namespaces", ()) if "error" in each}
    is_copy = "namespace" in line or (names == (line["cluster"],) and not failed.issuperset(names))
    return () if is_copy else names


@dataclass
class Followed:
    """How far deliveries of one event are that were to be sent."""

    courses: dict[Key, Course]
    """These, and those that go on with namespaces of them."""
    error: KeyferryError | None = None
    """Why they were not sent, or not followed any further; None where nothing was in the way."""
    is_interrupted: bool = False
    """Whether somebody has pressed Ctrl-C."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def begin(cls, deliveries: Iterable[Delivery]) -> "Followed":
        """Return that nothing was sent yet."""
        courses = map(Course, deliveries)
        return cls({course.key: course for course in courses})

    @property
    def has_ended(self) -> bool:
        """Whether nothing more becomes of any delivery."""
        return all(course.has_ended for course in self.courses.values()) and not self.count_unnamed()

    def select(self, *states: State) -> list[Course]:
        """Return the deliveries that are in some states."""
        return [course for course in self.courses.values() if course.state in states]

    def list_under_way(self) -> list[Course]:
        """Return what was sent, or may have been, and has not ended: it goes on without anybody looking."""
        return self.select("perhaps sent", "sent", "begun", "retry later")

    def count_unnamed(self) -> int:
        """Return how many namespaces go on as deliveries of their own of which no line tells yet."""
        return sum(self._count_unnamed_of(course) for course in self.courses.values() if course.sent_on)

    def _count_unnamed_of(self, course: Course) -> int:
        known = sum(key[:2] == course.key[:2] and key[2] != "" for key in self.courses)
        return max(0, course.sent_on_count - known)

    def note_sending(self, step: Literal["sending", "sent"], deliveries: Sequence[Delivery]) -> None:
        """Note what SQS is asked to take, and what it has taken (`keyferry.aws.sqs.Watch`)."""
        with self._lock:
            for delivery in deliveries:
                self.courses[Course(delivery).key].state = "sent" if step == "sent" else "perhaps sent"

    def take(self, lines: Iterable[Line]) -> None:
        """Take lines of the log about these deliveries, oldest first."""
        for line in lines:
            mapping, cluster = line["mapping"], line["cluster"]
            if (mapping, cluster, line.get("namespace", "")) not in self.courses and not self._begin_part(line):
                continue
            course = self.courses[mapping, cluster, line.get("namespace", "")]
            course.take(line)
            for namespace in course.sent_on:
                self._begin_part({**line, "namespace": namespace})

    def _begin_part(self, line: Line) -> bool:
        """Add the delivery that goes on with a namespace; return whether there is one that it goes on with."""
        mapping, cluster, namespace = line["mapping"], line["cluster"], line.get("namespace", "")
        whole = self.courses.get((mapping, cluster, ""))
        if whole:
            part = whole.delivery.model_copy(update={"namespace": namespace})
            self.courses.setdefault((mapping, cluster, namespace), Course(part, "sent"))
        return whole is not None
