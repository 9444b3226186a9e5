"""What is shown of deliveries that were sent through a stack: what each did, by the log, and what is left."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from keyferry.cli.call import Call
from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings
from keyferry.cli.output import console
from keyferry.cli.output.pushed import Pushed, SentDelivery
from keyferry.cli.output.words import add_help, count
from keyferry.cli.stack import Stack
from keyferry.cli.steer.course import Course, Followed, Line, State
from keyferry.cli.steer.follow import PATIENCE, send_and_follow
from keyferry.cli.steer.outlook import describe_owner
from keyferry.cli.steer.rows import NO_NAMESPACE, Failure, Row, Secrets, print_rows, print_totals
from keyferry.cli.trace.hops import get_next_try
from keyferry.model import Delivery, format_time

_UNENDED: Mapping[State, str] = {
    "not sent": "not sent",
    "perhaps sent": "perhaps sent",
    "sent": "waiting",
    "begun": "under way",
}
"""How far a delivery is that no line tells of, in words."""
_STOPPED = ("dead letter", "dropped", "suspended", "superseded")
"""How a delivery can end without being done."""


def send(
    stack: Stack, deliveries: Sequence[Delivery], secrets: Secrets, settings: Settings, call: Call, *, is_followed: bool
) -> NoReturn:
    """Send deliveries through a stack, show what became of them, and leave with the exit code that says it.

    Args:
        stack: the stack.
        deliveries: deliveries of one event id.
        secrets: the names of the Secrets.
        settings: the form of the result.
        call: how this program was called.
        is_followed: whether to wait for what the stack does.

    Raises:
        KeyferryError: they could not be sent, or not be followed; what is known of them is shown before.
    """
    followed = send_and_follow(stack, deliveries, PATIENCE if is_followed else timedelta(0))
    print_followed(followed, secrets, settings.output, call)
    if followed.error:
        raise followed.error
    code = PROBLEMS if fails(followed, is_followed=is_followed) else 0
    sys.exit(INTERRUPTED if followed.is_interrupted else code)


def print_followed(followed: Followed, secrets: Secrets, output: str, call: Call) -> None:
    """Write what became of deliveries, and what is left of them.

    Args:
        followed: how far they are.
        secrets: the names of the Secrets.
        output: the form of the result: table, json or github.
        call: how this program was called, for the command that follows what is left.
    """
    if output == "json":
        sent = [dump_course(course, secrets[course.delivery.mapping]) for course in followed.courses.values()]
        answer: Pushed = {"sent": sent}
        console.print_json(answer)
        return
    rows = [row for course in followed.courses.values() for row in _list_rows(course, secrets)]
    print_rows(("did", "restarted"), rows, output)
    print_totals(rows, output)
    _print_left(followed, call)


def _print_left(followed: Followed, call: Call) -> None:
    """Write what was not sent, and what goes on without anybody looking."""
    if missing := len(followed.select("not sent")):
        console.print_line(f"not sent: {count(missing, 'delivery')}; do it again")
    if uncertain := len(followed.select("perhaps sent")):
        told = f"perhaps sent, since SQS gave no answer: {count(uncertain, 'delivery')}; doing it again does no harm"
        console.print_line(told)
    if going := len(followed.list_under_way()) - uncertain + followed.count_unnamed():
        event_id = next(iter(followed.courses.values())).delivery.event_id
        console.print_line(f"under way, and going on without you: {count(going, 'delivery')}; to see how far:")
        console.print_verbatim(f"  {call.format_asking('trace', event_id)}")


def fails(followed: Followed, *, is_followed: bool = True) -> bool:
    """Return whether something was not done, or not yet; if nobody has followed it, whether something was not sent."""
    if not is_followed:
        return bool(followed.select("not sent", "perhaps sent"))
    return not followed.has_ended or any(map(_fails, followed.courses.values()))


def _fails(course: Course) -> bool:
    outcomes = _list_outcomes(course)
    return course.state in _STOPPED or any("error" in each for each in outcomes)


def _list_outcomes(course: Course) -> list[Line]:
    """Return what a delivery did in the namespaces that its line has room for; without those that go on alone."""
    return [each for each in (course.end or {}).get("namespaces", ()) if each["namespace"] not in course.sent_on]


def _list_rows(course: Course, secrets: Secrets) -> Iterator[Row]:
    delivery, line, state = course.delivery, course.end or {}, course.state
    secret, owner, outcomes = secrets[delivery.mapping], describe_owner(line), _list_outcomes(course)

    def build(effect: str, why: str = "", error: Failure | None = None, targets: int = 1) -> Row:
        return Row(delivery, secret, delivery.namespace, effect, ((),), why, owner, error, targets)

    for outcome in outcomes:
        restarted = [each["workload"] for each in outcome.get("workloads", ()) if each["reason"] == "restarted"]
        effect = f"{outcome['did']}, restart due" if outcome.get("restart_due") else outcome["did"]
        why = "; ".join([*filter(None, [outcome.get("why")]), *outcome.get("notes", ())])
        error = Failure(outcome["error"], outcome.get("at", "")) if "error" in outcome else None
        yield Row(delivery, secret, outcome["namespace"], effect, (restarted,), why, owner, error)
    for effect, number in _count_unlisted(line, outcomes, course.sent_on_count).items():
        yield build(effect, "" if effect == "unchanged" else "not listed", targets=number)
    if "error" in line:
        yield build("failed" if course.has_ended else state, error=Failure(line["error"], line.get("at", "")))
    elif state in _UNENDED:
        yield build(_UNENDED[state])
    elif state in _STOPPED and not any("error" in each for each in outcomes):
        yield build(state, line.get("reason", ""))
    elif state == "delivered" and not line.get("targets"):
        yield build("unchanged", NO_NAMESPACE)


def _count_unlisted(line: Line, outcomes: Sequence[Line], sent_on: int) -> dict[str, int]:
    """Return effect → how many targets a line only counts: what was unchanged, and what it has no room for.

    It counts as failed what was written before it failed, too; those are listed first, and all that goes on alone.
    """
    listed = [each["did"] for each in outcomes]
    failed = sum("error" in each for each in outcomes)
    more = {
        effect: number - (failed + sent_on if effect == "failed" else listed.count(effect))
        for effect, number in line.get("targets", {}).items()
    }
    return {effect: number for effect, number in more.items() if number > 0}


def dump_course(course: Course, secret: str) -> SentDelivery:
    """Return how far a delivery is, for `--output json`; `secret` is the name of its Secret."""
    line, delivery = course.end or {}, course.delivery
    next_try = get_next_try(line) if course.state == "retry later" else None
    kept = ("owner", "versions", "served", "targets", "notes", "reason", "seconds", "error", "at")
    names = {"restart_due": "restartDue", "workloads_more": "workloadsMore"}
    outcomes = [
        add_help({names.get(key, key): value for key, value in each.items()}) for each in _list_outcomes(course)
    ]
    fields: dict[str, Any] = {
        "mapping": delivery.mapping,
        "cluster": delivery.cluster,
        **({"namespace": delivery.namespace} if delivery.namespace else {}),
        "secret": secret,
        "eventId": delivery.event_id,
        "state": course.state,
        **{name: line[name] for name in kept if line.get(name)},
        "namespaces": list(map(add_help, outcomes)),
        **({"sentOn": list(course.sent_on), "sentOnCount": course.sent_on_count} if course.sent_on else {}),
        **({"nextTry": format_time(next_try)} if next_try else {}),
    }
    sent: SentDelivery = add_help(fields)  # type: ignore[assignment]
    return sent
