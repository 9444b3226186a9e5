"""docs/operate/reliability.md: each way to fail raises its alarm, by metrics of the functions, and goes out again."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keyferry import errors
from keyferry.delivery.report import Outcome, Report
from keyferry.errors import DeliverAgain, KeyferryError, NeedsRepair
from keyferry.model import Change
from keyferry.pipeline.alerts.alarms import build_template
from keyferry.pipeline.route import RouteReport
from keyferry.pipeline.settle import Settlement, settle_error
from keyferry.pipeline.sweep import NotCompared, SweepReport
from tests.unit.cloudwatch import STACK, SWEEP_SECONDS, CloudWatch, list_alarms
from tests.unit.incident import CATALOG, CONTEXT, Incident, build_event, load_app
from tests.unit.samples import WHEN, delivery
from tests.unit.stack import ROOT, Stack

HOUR = 3600
MENDED = 50 * 60
END = 4 * HOUR
BASES = {KeyferryError, DeliverAgain, NeedsRepair}
ALARMS = list_alarms(Stack.load(), build_template(CATALOG))


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    errors: tuple[str, ...]
    alarms: tuple[str, ...]
    test: str

    def __str__(self) -> str:
        return ",".join(self.errors or self.alarms)


def read_rows() -> Iterator[Row]:
    lines = (ROOT / "docs/operate/reliability.md").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| What happens"))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        _, classes, _, _, alarms, _, test = [cell.strip("| ") for cell in re.split(r"(?<=[^|])\|(?=[^|])", line)][:7]
        assert len(cells) >= 5
        yield Row(tuple(re.findall(r"`(\w+)`", classes)), tuple(re.findall(r"`([\w-]+)`", alarms)), test.strip("`"))


ROWS = list(read_rows())


def list_error_classes() -> list[type[KeyferryError]]:
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, KeyferryError)]
    return [kind for kind in classes if kind not in BASES]


def build(kind: type[KeyferryError]) -> KeyferryError:
    match kind:
        case errors.Unauthorized:
            return errors.Unauthorized("prod-eu", "role")
        case errors.OutOfTime:
            return errors.OutOfTime()
        case errors.Unexpected:
            return errors.Unexpected(ValueError("canary"))
    return kind("why")


LONG = 8 * HOUR
"""Time for an alarm that takes three hours, and for the end of it."""
EVERY_HOUR = range(-3, END // HOUR)


def when(cloudwatch: CloudWatch, end: float = END, swept: Iterable[int] = EVERY_HOUR) -> dict[str, list[int]]:
    """Return the times, in periods of five minutes, at which each alarm is on.

    Args:
        cloudwatch: what was counted.
        end: the time at which to stop, in seconds.
        swept: the hours in which a sweep finishes.
    """
    for hour in swept:
        put_all(cloudwatch, hour, SweepReport(), function="reconcile")
    times = range(1, int(end) // 300)
    on = {name: [tick for tick in times if cloudwatch.is_on(alarm, tick * 300)] for name, alarm in ALARMS.items()}
    return {name: ticks for name, ticks in on.items() if ticks}


def put_all(cloudwatch: CloudWatch, hour: int, report: SweepReport | Report, *, function: str) -> None:
    """Count what a function counts for a report."""
    for name, value in report.metrics().items():
        cloudwatch.put(hour * HOUR + 60, "Keyferry", name, value, service=f"{STACK}-{function}")


def test_every_class_of_error_has_one_row() -> None:
    named = [name for row in ROWS for name in row.errors]
    assert sorted(named) == sorted(kind.__name__ for kind in list_error_classes())


def test_every_alarm_has_a_row_and_every_row_an_alarm_and_a_test() -> None:
    named = {name for row in ROWS for name in row.alarms}
    one_of_a_kind = {"owner-payments": "owner-", "cluster-prod-eu": "cluster-"}
    alarms = {next((one for one, kind in one_of_a_kind.items() if name.startswith(kind)), name) for name in ALARMS}
    assert named == alarms
    for row in ROWS:
        assert row.alarms
        assert (ROOT / "tests/unit" / row.test).is_file()


def run_deliver(
    error: KeyferryError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CloudWatch:
    """Let a change meet an error until it is mended."""
    app, incident = load_app("deliver", monkeypatch), Incident(error, until=MENDED)
    monkeypatch.setattr(app, "get_runtime", lambda: incident)
    body = delivery().to_json()
    incident.put(60, body[:-1] + ',"newer":1}' if isinstance(error, errors.UnknownField) else body)
    incident.run(app, END, lambda: capsys.readouterr().out)
    return incident.cloudwatch


OF_OTHERS = {errors.InvalidInput, errors.MappingsUnreadable, errors.Suspended}
"""Errors that have a test of their own here."""


@pytest.mark.parametrize("kind", [kind for kind in list_error_classes() if kind not in OF_OTHERS])
def test_an_error_of_a_delivery_raises_its_alarms_and_no_other_and_they_go_out(
    kind: type[KeyferryError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [row] = [row for row in ROWS if kind.__name__ in row.errors]
    on = when(run_deliver(build(kind), monkeypatch, capsys))
    assert sorted(on) == sorted(row.alarms)
    soon = 2 if issubclass(kind, NeedsRepair) else 5  # of the deliveries that may pass, none is an alarm at once
    for name, ticks in on.items():
        assert ticks[0] <= 12 * 20 // 60 + soon, f"{name} is on within half an hour"
        assert ticks[-1] < END // 300 - 12, f"{name} goes out"


@pytest.mark.parametrize("name", ["route", "deliver", "reconcile"])
def test_mappings_that_cannot_be_read_drop_nothing_and_tell_within_a_quarter_of_an_hour(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    queues = {f"KEYFERRY_{queue}_QUEUE_URL": "http://127.0.0.1:9/queue" for queue in ("INBOX", "DELIVERIES", "SWEEPS")}
    access = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-key"}
    app = load_app(name, monkeypatch, KEYFERRY_MAPPINGS=str(tmp_path), **queues, **access)
    bodies = {"route": '{"detail-type": "x"}', "deliver": delivery().to_json(), "reconcile": '{"reason": "schedule"}'}
    cloudwatch = CloudWatch()
    context: Any = Incident  # any object with the attributes below
    context = type("Context", (), {"function_name": "t", "aws_request_id": "r"})()
    context.get_remaining_time_in_millis = lambda: 120_000

    answer = app.handler(build_event(bodies[name]), context)

    assert answer["batchItemFailures"] == [{"itemIdentifier": "m0"}], "the message stays on its queue"
    cloudwatch.take_log(60, capsys.readouterr().out)
    on = when(cloudwatch)
    assert list(on) == [f"{name.title()}MappingsUnreadable"]
    assert on[f"{name.title()}MappingsUnreadable"] == [1], "it tells at once, and goes out when nothing fails any more"


def counting(settlement: Settlement, *, function: str) -> Callable[[CloudWatch, int], None]:
    """Return what a function counts for a message of each five minutes while something goes wrong."""

    def put(cloudwatch: CloudWatch, tick: int) -> None:
        for name, value in settlement.metrics().items():
            cloudwatch.put(tick * 300 - 30, "Keyferry", name, value, service=f"{STACK}-{function}")

    return put


def native(namespace: str, name: str, value: float, **dimension: str) -> Callable[[CloudWatch, int], None]:
    """Return what a service of AWS says while something goes wrong."""
    return lambda cloudwatch, tick: cloudwatch.put(tick * 300 - 30, namespace, name, value, **dimension)


def growing(queue: str) -> Callable[[CloudWatch, int], None]:
    """Return a dead-letter queue that grows for an hour and is never emptied."""

    def put(cloudwatch: CloudWatch, tick: int) -> None:
        cloudwatch.put(tick * 300 - 30, "AWS/SQS", "ApproximateNumberOfMessagesVisible", min(tick, 12), QueueName=queue)

    return put


FAILED = settle_error(errors.Unreachable("sqs:SendMessage: no answer from AWS"))
ROTATION_FAILED = RouteReport(Change("secretsmanager", ("prod/db",), "rotation failed", event_id="e", time=WHEN))

FROM_OUTSIDE: dict[str, Callable[[CloudWatch, int], None]] = {
    **{f"{name}Errors": native("AWS/Lambda", "Errors", 1, FunctionName=name) for name in ("Route", "Deliver")},
    "ReconcileErrors": native("AWS/Lambda", "Errors", 1, FunctionName="Reconcile"),
    **{f"{name}Throttles": native("AWS/Lambda", "Throttles", 9, FunctionName=name) for name in ("Route", "Deliver")},
    "ReconcileThrottles": native("AWS/Lambda", "Throttles", 9, FunctionName="Reconcile"),
    **{f"{name}DeadLettersGrow": growing(f"{name}DeadLetters") for name in ("Changes", "Sweeps", "Events")},
    "ChangesOld": native("AWS/SQS", "ApproximateAgeOfOldestMessage", 400, QueueName="Changes"),
    "DeliveriesStuck": native("AWS/SQS", "ApproximateNumberOfMessagesVisible", 3, QueueName="Deliveries"),
    "SweepsOld": native("AWS/SQS", "ApproximateAgeOfOldestMessage", 2000, QueueName="Sweeps"),
    "RouteFailing": counting(FAILED, function="route"),
    "ReconcileFailing": counting(FAILED, function="reconcile"),
    "RotationsFailing": counting(Settlement("done", ROTATION_FAILED), function="route"),
}
"""Alarm → what is counted in each five minutes of the trouble that it tells of, outside of `deliver`."""


def test_a_deliver_that_is_busy_for_half_an_hour_is_told_and_a_burst_is_not() -> None:
    cloudwatch = CloudWatch()
    for minute in range(60, 100):
        cloudwatch.put(minute * 60, "AWS/Lambda", "ConcurrentExecutions", 10, FunctionName="Deliver")
        cloudwatch.put(minute * 60, "AWS/Lambda", "Invocations", 90, FunctionName="Deliver")
    for minute in range(120, 140):
        cloudwatch.put(minute * 60, "AWS/Lambda", "ConcurrentExecutions", 10, FunctionName="Deliver")
    assert when(cloudwatch) == {"DeliverBusy": [18, 19, 20]}


def test_deliveries_that_wait_behind_one_that_fails_are_no_alarm_of_all() -> None:
    cloudwatch = CloudWatch()
    for tick in range(1, MENDED // 300):
        FROM_OUTSIDE["DeliveriesStuck"](cloudwatch, tick)
        cloudwatch.put(tick * 300 - 30, "AWS/Lambda", "Invocations", 1, FunctionName="Deliver")
    assert when(cloudwatch) == {}


@pytest.mark.parametrize("name", FROM_OUTSIDE)
def test_trouble_outside_of_a_delivery_raises_its_alarm_which_goes_out(name: str) -> None:
    cloudwatch = CloudWatch()
    for tick in range(1, MENDED // 300):
        FROM_OUTSIDE[name](cloudwatch, tick)
    on = when(cloudwatch)
    assert list(on) == [name]
    assert on[name][0] <= 6
    assert on[name][-1] <= MENDED // 300 + 6


@pytest.mark.parametrize("body", ["garbage", '{"reason": "schedule"}'], ids=["no sweep", "a sweep that never ends"])
def test_a_message_of_the_sweeps_queue_that_is_dropped_raises_an_alarm_which_goes_out(
    body: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app, cloudwatch = load_app("reconcile", monkeypatch), CloudWatch()
    never_ends = SweepReport(end="the sweep has run out of time 17 times")
    runtime = SimpleNamespace(reconcile=lambda *_: never_ends, choose_dimension=None)
    monkeypatch.setattr(app, "get_runtime", lambda: runtime)
    assert app.handler(build_event(body), CONTEXT) == {"batchItemFailures": []}
    cloudwatch.take_log(60, capsys.readouterr().out)
    assert when(cloudwatch) == {"SweepsDropped": [1]}


NOT_COMPARED = NotCompared("payments-db", "prod-us", 1, "Forbidden", "grant it")
NEW_CONTENT = Outcome("payments", "updated", "new content in password")


@pytest.mark.parametrize(
    ("name", "report", "function", "periods"),
    [
        ("SweepsIncomplete", SweepReport(not_compared=(NOT_COMPARED,)), "reconcile", 2),
        ("EventsMissing", Report(delivery(expires=WHEN), (NEW_CONTENT,)), "deliver", 3),
    ],
)
def test_what_each_sweep_says_raises_an_alarm_after_some_periods_which_goes_out(
    name: str, report: SweepReport | Report, function: str, periods: int
) -> None:
    cloudwatch = CloudWatch()
    for hour in range(4):
        put_all(cloudwatch, hour, report, function=function)
    assert when(cloudwatch, LONG, range(-3, 8)) == {name: list(range(periods * 12, 6 * 12))}


def test_what_is_suspended_is_no_failure_and_the_sweeps_remind_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert when(run_deliver(errors.Suspended("everything is suspended"), monkeypatch, capsys)) == {}
    cloudwatch = CloudWatch()
    for hour in range(3):
        put_all(cloudwatch, hour, SweepReport(suspensions=1), function="reconcile")
    assert when(cloudwatch) == {"Suspended": list(range(12, 4 * 12))}


def test_that_no_sweep_finishes_is_an_alarm_until_one_does() -> None:
    swept = [*range(-3, 1), *range(5, 8)]
    assert when(CloudWatch(), LONG, swept) == {"SweepsMissing": list(range(4 * 12, 6 * 12))}


def test_what_passes_by_itself_is_no_alarm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    app, incident = load_app("deliver", monkeypatch), Incident(errors.Forbidden("grant it"), until=4 * 60)
    monkeypatch.setattr(app, "get_runtime", lambda: incident)
    incident.put(60, delivery().to_json())
    incident.run(app, HOUR, lambda: capsys.readouterr().out)
    assert when(incident.cloudwatch, HOUR) == {}


def test_the_mistake_of_one_team_hides_nothing_of_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudwatch = run_deliver(errors.Conflict("stop helm"), monkeypatch, capsys)
    assert SWEEP_SECONDS == HOUR
    assert not any(cloudwatch.is_on(ALARMS["owner-others"], tick * 300) for tick in range(1, END // 300))
    first = when(cloudwatch)["DeliveriesDeadLettersGrow"]
    assert len(first) == 1, "the dead letter is still there, and its alarm is out: the next one is told"
