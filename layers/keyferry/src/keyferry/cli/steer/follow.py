"""Send deliveries through the queue of a stack, and follow them in the log of `deliver` until they have ended.

It can be interrupted at any moment, and then tells how far each is: what was sent goes on without anybody looking.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from keyferry.cli.output import console
from keyferry.cli.output.words import join
from keyferry.cli.stack import Stack
from keyferry.cli.steer.course import ENDS, Course, Followed, Line
from keyferry.cli.steer.interrupt import Interrupt
from keyferry.cli.trace.hops import get_error, tell_next_try
from keyferry.deadline import Deadline
from keyferry.errors import KeyferryError, OutOfTime
from keyferry.model import Delivery

PATIENCE = timedelta(minutes=10)
"""How long deliveries are followed, unless somebody says otherwise."""
SEND_SECONDS = 3600
"""How long sending may take: thousands of deliveries take seconds."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 5.0
"""How long to wait until the log is read again: at first, and at most."""
SKEW = timedelta(minutes=5)
"""How far the clock here may be ahead of AWS's: where it is wrong by more, AWS takes no request."""
LATE = timedelta(minutes=2)
"""How long after its time a line becomes readable at the latest: what is older is not read again."""


def send_and_follow(
    stack: Stack, deliveries: Sequence[Delivery], patience: timedelta = PATIENCE, interrupt: Interrupt | None = None
) -> Followed:
    """Send deliveries, and follow them until all have ended, until patience is over, or until Ctrl-C.

    Shows progress, and tells of attempts that failed and are made again. Whatever goes wrong once something may be
    sent is in what is returned: it says how far each delivery is.

    Args:
        stack: the stack whose queue gets them.
        deliveries: deliveries of one event id, each to another mapping, cluster or namespace.
        patience: how long to follow them; zero to send them only.
        interrupt: tells whether Ctrl-C was pressed, and keeps the time; None for one of its own.

    Raises:
        InvalidInput: it is not a stack of Keyferry.
    """
    interrupt = interrupt or Interrupt()
    queue, followed, began = stack.connect_queue(), Followed.begin(deliveries), datetime.now(UTC)
    try:
        with interrupt.watch():
            with console.show_progress("sending", 1):
                queue.send(deliveries, interrupt.set_deadline(SEND_SECONDS), followed.note_sending)
            if patience:
                lines = _read_lines(stack, deliveries[0].event_id, began - SKEW)
                _follow(followed, lines, interrupt.set_deadline(patience.total_seconds()), interrupt)
    except (KeyboardInterrupt, OutOfTime):
        interrupt.is_pressed = True
    except KeyferryError as error:
        followed.error = error
    followed.is_interrupted = interrupt.is_pressed and not followed.has_ended
    return followed


def _follow(followed: Followed, lines: Iterator[list[Line]], deadline: Deadline, interrupt: Interrupt) -> None:
    pause, counted, told = PAUSE_SECONDS, 0, set[str]()
    with console.show_progress("delivering", len(followed.courses)) as step:
        while True:
            followed.take(next(lines))
            _tell_failures(followed.select("retry later"), told)
            ended = sum(course.has_ended for course in followed.courses.values())
            for _ in range(ended - counted):
                step()
            if followed.has_ended or deadline.has_passed:
                return
            interrupt.wait(min(pause, deadline.remaining()))
            pause, counted = min(pause * 1.5, MAX_PAUSE_SECONDS), ended


def _read_lines(stack: Stack, event_id: str, since: datetime) -> Iterator[list[Line]]:
    """Yield, each time that somebody asks, the lines of an event that are new, oldest first."""
    seen, pattern = set[str](), f'{{ $.event_id = "{event_id}" }}'
    while True:
        known = stack.read_logs("deliver", pattern, since).lines
        lines = [line for line in known if line.get("event_id") == event_id and _name(line) not in seen]
        seen |= set(map(_name, lines))
        yield [line for line in lines if line.get("message") in (*ENDS, "begun", "retry later")]
        since = max([since, *(datetime.fromisoformat(line["timestamp"]) - LATE for line in lines)])


def _name(line: Line) -> str:
    fields = ("timestamp", "message", "mapping", "cluster", "namespace", "attempt")
    return "/".join(str(line.get(field, "")) for field in fields)


def _tell_failures(courses: Sequence[Course], told: set[str]) -> None:
    """Tell of attempts that failed and are made again, each cause once."""
    causes = defaultdict[str, list[Course]](list)
    for course in courses:
        causes[get_error(course.end or {})].append(course)
    for error in causes.keys() - told:
        first, now = causes[error][0], datetime.now(UTC)
        places = [" to ".join(filter(None, course.key)) for course in causes[error]]
        console.print_note(f"{join(places, limit=1)}: {error}{tell_next_try(first.end or {}, now)}")
    told.update(causes)
