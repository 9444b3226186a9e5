"""What is suspended is not delivered, is not lost, and goes on when it is over."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from keyferry.aws.suspensions import SuspensionStore
from keyferry.cli import main
from keyferry.deadline import Deadline
from keyferry.errors import AccessDenied, KeyferryError, Suspended, SuspensionsUnknown
from keyferry.mapping.catalog import build_catalog
from keyferry.model import Delivery
from keyferry.pipeline.cluster_sweep import Services
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.settle import GIVE_UP_SECONDS, settle_delivery
from keyferry.pipeline.suspensions import ROOT, Suspension, Suspensions
from keyferry.pipeline.sweep import Sweep
from keyferry.runtime.suspensions import CLOCKS_APART, REMEMBER_SECONDS, Gate, create_reader, describe, look
from keyferry.runtime.wiring import Runtime
from keyferry.testing import Calls, FakeClock
from tests.unit.clusters import World as Clusters
from tests.unit.fake_queues import message
from tests.unit.handlers import FakeAws
from tests.unit.samples import WHEN, cluster, delivery, mapping
from tests.unit.shown import FakeStack, deploy
from tests.unit.test_cli_status import row
from tests.unit.world import DUE, SOURCE, WHERE, World, secret

DAY = timedelta(days=1)
PATH = ROOT.format(stack="keyferry")


def suspension(called: str | None = None, on: str | None = None, **more: Any) -> Suspension:  # noqa: ANN401
    """Return a suspension of a day."""
    fields = {"reason": "the database moves", "since": WHEN, "until": WHEN + DAY, "by": "ada"}
    return Suspension(mapping=called, cluster=on, **fields | more)


class FakeParameters:
    """Parameter Store with memory, of which two parameters fit on a page."""

    def __init__(self, **values: str) -> None:
        self.values = {f"{PATH}/{name}": value for name, value in values.items()}
        self.asked: list[dict[str, Any]] = []

    @property
    def store(self) -> SuspensionStore:
        return SuspensionStore(cast("Any", self), PATH)

    def get_paginator(self, operation: str) -> "FakeParameters":
        assert operation == "get_parameters_by_path"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        self.asked.append(asked)
        entries = [{"Name": name, "Value": value} for name, value in self.values.items()]
        return [{"Parameters": entries[first : first + 2]} for first in range(0, len(entries) + 1, 2)]

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> None:  # noqa: N803
        assert (Type, Overwrite) == ("String", True)
        self.values[Name] = Value

    def delete_parameter(self, *, Name: str) -> None:  # noqa: N803
        if Name not in self.values:
            raise ClientError({"Error": {"Code": "ParameterNotFound", "Message": "canary"}}, "DeleteParameter")
        del self.values[Name]


# As parameters


@pytest.mark.parametrize(
    ("called", "on", "name", "scope"),
    [
        (None, None, "all", "everything"),
        ("a.b-c", None, "mappings/a.b-c", "mapping a.b-c"),
        (None, "Prod_1", "clusters/Prod_1", "cluster Prod_1"),
        ("clusters", "all", "mappings/clusters/clusters/all", "mapping clusters on cluster all"),
    ],
)
def test_a_parameter_stands_for_its_suspension(called: str | None, on: str | None, name: str, scope: str) -> None:
    one = suspension(called, on)
    assert (one.name, one.scope) == (name, scope)
    assert Suspensions.parse({one.name: one.to_value()}).entries == (one,)
    assert one.scope not in one.to_value(), "the name says it"


def test_it_says_what_until_when_by_whom_and_why() -> None:
    text = "mapping db on cluster eu is suspended until 2026-11-25T12:00:00+00:00 by ada: the database moves"
    assert str(suspension("db", "eu")) == text
    assert suspension("db").as_dict() == {
        "mapping": "db",
        "reason": "the database moves",
        "since": "2026-11-24T12:00:00+00:00",
        "until": "2026-11-25T12:00:00+00:00",
        "by": "ada",
    }


@pytest.mark.parametrize(
    ("name", "value", "scope"),
    [
        ("mappings/db", "stop!", "mapping db"),
        ("mappings/db", "[]", "mapping db"),
        ("mappings/db", '{"reason": "x"}', "mapping db"),
        ("clusters/eu", '{"reason": "x", "since": "yesterday", "until": "tomorrow"}', "cluster eu"),
        ("namespaces/shop", suspension().to_value(), "everything"),
        ("mappings/db/namespaces/shop", suspension().to_value(), "everything"),
    ],
)
def test_what_is_not_understood_stops_more_rather_than_less_until_it_is_deleted(
    name: str, value: str, scope: str
) -> None:
    [one] = Suspensions.parse({name: value}).entries
    assert (one.scope, one.has_end) == (scope, False)
    assert Suspensions((one,)).list_active(WHEN + 1000 * DAY) == [one]
    assert str(one).startswith(f"{scope} is suspended until it is resumed: the parameter {name} below")
    assert one.as_dict().keys() & {"since", "until"} == set()
    assert one.name == name, "so that its own parameter is deleted"


def test_a_field_of_a_newer_release_is_passed_over() -> None:
    value = json.dumps(json.loads(suspension().to_value()) | {"ticket": "OPS-1"})
    assert Suspensions.parse({"all": value}).entries == (suspension(),)


def test_that_which_ends_last_counts_and_what_is_over_does_not() -> None:
    week = suspension("db", until=WHEN + 7 * DAY)
    known = Suspensions((suspension(), week, suspension(on="us")))
    assert known.find("db", "eu", WHEN) == week
    assert known.find("other", "eu", WHEN) == suspension()
    assert known.find("other", "eu", WHEN + DAY) is None
    assert known.find("db", "us", WHEN + DAY) == week
    assert known.list_active(WHEN + DAY) == [week]


def test_all_pages_are_read_below_the_path_and_a_second_one_replaces_the_first() -> None:
    aws = FakeParameters()
    every = [suspension(), suspension("db"), suspension(on="eu"), suspension("db", "eu")]
    for one in every:
        aws.store.put(suspension(one.mapping, one.cluster, reason="before"))
        aws.store.put(one)
    assert set(aws.store.read().entries) == set(every)
    assert aws.asked == [{"Path": "/keyferry/keyferry/suspended", "Recursive": True}], "nothing is decrypted"


def test_one_that_is_deleted_is_gone_and_may_be_gone_already() -> None:
    aws = FakeParameters()
    aws.store.put(suspension("db"))
    aws.store.delete(suspension("db"))
    aws.store.delete(suspension("db"))
    assert aws.values == {}


# The gate of `deliver`


class Door:
    """A gate, with what it reads, and its clock."""

    def __init__(self, *entries: Suspension) -> None:
        self.entries, self.reads, self.clock = entries, 0, FakeClock()
        self.failure: KeyferryError | None = None
        self.read_seconds = 0.0
        self.gate = Gate(self.read, self.clock, self.clock.read_time)

    def read(self) -> Suspensions:
        self.reads += 1
        entries = self.entries
        self.clock.jump(self.read_seconds)
        if self.failure:
            raise self.failure
        return Suspensions(entries)

    def refuses(self, check: Callable[[Delivery], None] | None = None, **changes: Any) -> str:  # noqa: ANN401
        """Return the class of the error that stops a delivery of now; empty where none does."""
        try:
            (check or self.gate.check)(delivery(**{"time": self.clock.read_time()} | changes))
        except KeyferryError as error:
            return type(error).__name__
        return ""


def test_that_nothing_is_suspended_is_remembered_for_five_seconds_and_no_longer() -> None:
    door = Door()
    assert (door.refuses(), door.refuses(), door.reads) == ("", "", 1)
    door.entries = (suspension(),)
    door.clock.jump(4.9)
    assert (door.refuses(), door.reads) == ("", 1)
    door.clock.jump(0.1)
    assert (door.refuses(), door.reads) == ("Suspended", 2)


def test_what_was_remembered_before_the_environment_was_frozen_is_not_after_it() -> None:
    door = Door()
    door.gate = Gate(door.read, lambda: 0.0, door.clock.read_time)
    assert door.refuses() == ""
    door.entries = (suspension(),)
    door.clock.jump(3600)
    assert (door.refuses(), door.reads) == ("Suspended", 2)


def test_the_delivery_of_a_sweep_after_a_resume_is_never_stopped_by_what_was_read_before() -> None:
    door = Door(suspension())
    assert door.refuses() == "Suspended"
    door.entries = ()
    assert (door.refuses(), door.reads) == ("", 2)


@pytest.mark.parametrize("seconds", [1.0, -1.5], ids=["while it was read", "by a clock that is behind"])
def test_what_may_be_of_a_sweep_after_a_resume_looks_again_though_the_answer_came_later(seconds: float) -> None:
    door = Door(suspension())
    door.read_seconds = 4.0
    assert door.refuses() == "Suspended"
    door.entries = ()
    assert (door.refuses(time=WHEN + timedelta(seconds=seconds)), door.reads) == ("", 2)


def test_an_answer_is_as_old_as_its_question() -> None:
    door = Door()
    door.read_seconds = 4.0
    assert door.refuses() == ""
    door.entries = (suspension(),)
    door.clock.jump(1)
    assert (door.refuses(), door.reads) == ("Suspended", 2)


def test_a_storm_of_changes_from_before_does_not_ask_for_each() -> None:
    door, before = Door(suspension()), WHEN - CLOCKS_APART - timedelta(seconds=1)
    assert {door.refuses(time=before) for _ in range(1000)} == {"Suspended"}
    assert door.reads == 1


def test_what_cannot_be_read_is_as_it_was_last_and_what_that_stops_waits() -> None:
    door = Door(suspension("payments-db"))
    assert door.refuses() == "Suspended"
    door.failure = AccessDenied("grant ssm:GetParametersByPath")
    door.clock.jump(REMEMBER_SECONDS)
    assert (door.refuses(), door.refuses(mapping="other")) == ("SuspensionsUnknown", "")
    assert door.reads == 2, "it is not asked again by every message"
    with pytest.raises(SuspensionsUnknown, match=r"mapping payments-db .* \(as it was read last\); grant ssm:"):
        door.gate.check(delivery())
    door.failure, door.entries = None, ()
    door.clock.jump(REMEMBER_SECONDS)
    assert (door.refuses(), door.reads) == ("", 3)


def test_what_was_never_read_stops_everything_until_it_is() -> None:
    door = Door()
    door.failure = AccessDenied("grant it")
    assert {door.refuses() for _ in range(3)} == {"SuspensionsUnknown"}
    with pytest.raises(SuspensionsUnknown, match="it was never read; grant it"):
        door.gate.check(delivery())
    door.failure = None
    assert door.refuses() == "SuspensionsUnknown"
    door.clock.jump(REMEMBER_SECONDS)
    assert door.refuses() == ""


def test_until_passes_while_the_answer_is_remembered() -> None:
    door = Door(suspension(until=WHEN + timedelta(seconds=3)))
    early = WHEN - timedelta(minutes=1)
    assert door.refuses(time=early) == "Suspended"
    door.clock.jump(3)
    assert (door.refuses(time=early), door.reads) == ("", 1)


def test_a_delivery_under_way_is_stopped_within_ten_seconds_and_goes_on_where_nothing_can_be_read() -> None:
    door = Door()
    check = door.gate.check_running
    assert (door.refuses(check), door.reads) == ("", 1)
    door.failure = AccessDenied("grant it")
    door.clock.jump(REMEMBER_SECONDS)
    assert (door.refuses(check), door.refuses(check), door.reads) == ("", "", 2)
    door.failure, door.entries = None, (suspension(on="prod-eu"),)
    door.clock.jump(REMEMBER_SECONDS)
    assert door.refuses(check) == "Suspended"


def test_a_thread_does_not_wait_for_another_that_reads() -> None:
    door, seen = Door(), list[str]()
    door.refuses()

    def read() -> Suspensions:
        seen.append(door.refuses(door.gate.check_running))
        return door.read()

    door.gate.read = read
    door.entries = (suspension(),)
    door.clock.jump(REMEMBER_SECONDS)
    assert door.refuses(door.gate.check_running) == "Suspended"
    assert seen == [""], "the other one goes by what is known"


def test_where_the_environment_names_no_stack_nothing_is_suspended_and_nobody_is_asked() -> None:
    assert create_reader(cast("Any", None), {})() == Suspensions()


def answer(path: str) -> str:
    """Return what AWS answers where everything is suspended."""
    long = suspension(since=WHEN, until=WHEN + 36500 * DAY)
    return json.dumps({"Parameters": [{"Name": f"{path}/all", "Value": long.to_value()}]})


def create_runtime(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Return the runtime of a function, with one mapping and AWS below botocore."""
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", aws.send)
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "canary-key",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    session = boto3.Session("AKIAEXAMPLE", "canary-key", region_name="eu-west-1")
    environment = {"KEYFERRY_SUSPENSIONS": PATH, "KEYFERRY_DELIVERIES_QUEUE_URL": "https://sqs.example/deliveries"}
    return Runtime(environment, build_catalog([mapping()], [cluster()]), session)


@pytest.mark.parametrize("is_apart", [False, True], ids=["here", "in a process of its own"])
def test_a_runtime_looks_before_it_asks_anybody_and_by_the_deadline_of_the_new_message(
    is_apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    aws = FakeAws(wait=clock.jump, answers={"GetParametersByPath": lambda _: answer(PATH)})
    runtime = create_runtime(aws, monkeypatch)
    runtime.limit(Deadline(0.0, clock))
    one, soon = delivery(time=WHEN + 30 * DAY), clock.deadline(60)
    report = runtime.deliver_apart(one, soon, 8) if is_apart else runtime.deliver(one, soon)
    assert isinstance(report.error, Suspended)
    assert aws.requests == ["GetParametersByPath"]


def test_a_process_of_its_own_knows_what_was_read_before_it_where_nothing_can_be_read_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aws = FakeAws(wait=lambda _: None, answers={"GetParametersByPath": lambda _: '{"Parameters": []}'})
    runtime = create_runtime(aws, monkeypatch)
    runtime.deliver(delivery(), Deadline.after(60))
    assert aws.requests[0] == "GetParametersByPath"
    aws.throttles = True
    report = runtime.deliver_apart(delivery(), Deadline.after(60), 8)
    assert report.error
    assert not isinstance(report.error, SuspensionsUnknown)


def test_a_runtime_lets_a_delivery_that_is_under_way_look_too(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws(wait=lambda _: None, answers={"GetParametersByPath": lambda _: answer(PATH)})
    work = create_runtime(aws, monkeypatch).prepare(delivery(), Deadline.after(60), cast("Any", object()))
    with pytest.raises(Suspended, match="everything is suspended"):
        work.check_suspended()


def test_a_runtime_gives_its_sweeps_and_its_report_what_is_suspended_or_why_that_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = list[Services]()
    monkeypatch.setattr("keyferry.runtime.wiring.reconcile", lambda _sweep, _catalog, services: seen.append(services))
    monkeypatch.setattr("keyferry.runtime.wiring.list_status", lambda *_: {})
    aws = FakeAws(wait=lambda _: None, answers={"GetParametersByPath": lambda _: answer(PATH)})
    runtime = create_runtime(aws, monkeypatch)
    runtime.reconcile(Sweep(), Deadline.after(60), "request-1")
    assert ([one.name for one in seen[0].suspensions.entries], seen[0].note) == (["all"], "")
    assert [one["reason"] for one in runtime.list_status(Scope(), Deadline.after(60))["suspended"]]
    aws.throttles = True
    runtime.reconcile(Sweep(), Deadline.after(60), "request-2")
    assert (seen[1].suspensions.entries, seen[1].note.partition(": ")[0]) == ((), "what is suspended cannot be read")


# What becomes of the message


def test_a_suspended_message_leaves_its_queue_without_a_failure() -> None:
    def stop(_: Delivery) -> Any:  # noqa: ANN401
        raise Suspended(str(suspension()))

    settlement = settle_delivery(message(delivery().to_json()), stop)
    assert (settlement.decision, settlement.log_level, settlement.is_retried) == ("suspended", "info", False)
    assert settlement.log_fields()["reason"] == str(suspension())
    metrics = settlement.metrics()
    assert (metrics["MessagesSuspended"], metrics["TargetsFailed"]) == (1, 0)
    assert settlement.dimensioned_metrics() == []
    assert settlement.follow_ups == ()


def test_what_is_not_known_to_be_suspended_waits_for_as_long_as_it_takes() -> None:
    def stop(_: Delivery) -> Any:  # noqa: ANN401
        raise SuspensionsUnknown("it was never read")

    settlement = settle_delivery(message(delivery().to_json(), age=GIVE_UP_SECONDS + 60), stop)
    assert settlement.decision == "retry later"
    assert settlement.metrics()["PipelineErrors"] == 1


# A delivery under way


class Stop:
    """Suspends at one of the checks."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Suspended("everything is suspended")


def test_wherever_a_delivery_is_stopped_the_next_one_finishes_it_with_one_rollout() -> None:
    stopped = 0
    for at in range(20):
        world, calls = World(), Calls()
        world.deliver()
        world.sources.put(SOURCE, secret("canary-2"))
        before = len(world.cluster.history)
        report = world.deliver(calls, check_suspended=Stop(at))
        if report.error is None:
            break
        stopped += 1
        assert isinstance(report.error, Suspended)
        wrote = len(world.cluster.history) > before
        assert (DUE in world.cluster.annotations(*WHERE)) == wrote, "the sweep finds what is left"
        world.deliver()
        assert world.count("rollout") == [2]
        assert DUE not in world.cluster.annotations(*WHERE)
    assert stopped > 3


def test_no_cluster_is_asked_for_what_is_stopped_at_once_and_no_target_fails() -> None:
    world, calls = World("payments", "shop"), Calls()
    report = world.deliver(calls, check_suspended=Stop(0))
    assert (calls.recorded, report.outcomes) == ([], ())
    assert report.metrics()["TargetsFailed"] == 0


# Sweeps


def test_a_sweep_compares_and_counts_what_is_suspended_and_sends_nothing_for_it() -> None:
    world = Clusters()
    for each in world.clusters.values():
        each.delete("payments", "payments-db")
    stopped = suspension(on="prod-us")
    world.suspensions = Suspensions((stopped,))
    swept = world.sweep()
    assert [each.cluster for each in world.queue.sent] == ["prod-eu"]
    fields = swept.log_fields()
    assert fields["suspended"] == [{"mapping": "payments-db", "cluster": "prod-us", "why": str(stopped)}]
    assert (fields["suspended_count"], fields["count"], swept.checked) == (1, 1, 2)
    assert swept.metrics()["Suspensions"] == 1
    world.time = WHEN + DAY
    world.queue.sent.clear()
    world.sweep()
    assert sorted(each.cluster for each in world.queue.sent) == ["prod-eu", "prod-us"]


def test_a_sweep_that_cannot_read_what_is_suspended_says_so_and_leaves_it_to_deliver() -> None:
    def fail() -> Suspensions:
        raise AccessDenied("grant it")

    assert look(lambda: Suspensions((suspension(),))) == (Suspensions((suspension(),)), "")
    known, note = look(fail)
    world = Clusters()
    world.clusters["prod-us"].delete("payments", "payments-db")
    world.suspensions, world.note = known, note
    swept = world.sweep(Sweep(cluster="prod-us"))
    assert len(swept.sent) == 1
    assert swept.log_fields()["notes"] == ["what is suspended cannot be read: grant it"]


@pytest.mark.parametrize("pause", [timedelta(hours=2), timedelta(days=14)], ids=["hours", "a fortnight"])
@pytest.mark.parametrize("ends", ["resume", "until"])
def test_after_ten_changes_a_deletion_and_a_restoring_the_newest_value_is_there_with_one_rollout(
    pause: timedelta, ends: str
) -> None:
    """Events come and go while it is suspended; what follows is one sweep, whoever ends the suspension."""
    world, door = Clusters(), Door(suspension("payments-db", until=WHEN + pause))
    target = world.clusters["prod-eu"]
    before = list(target.history)
    for number in range(2, 12):
        world.sources.put(SOURCE, f'{{"username": "me", "password": "canary-{number}"}}')
        assert door.refuses() == "Suspended"
    assert door.refuses(deleted=["db"]) == "Suspended"
    assert target.history == before, "nothing is written, and nothing is deleted"
    if ends == "resume":
        door.entries = ()
    else:
        door.clock.jump(pause.total_seconds())
    world.time = door.clock.read_time()
    world.suspensions = door.read()
    world.sweep()
    sent = [each for each in world.queue.sent if each.cluster == "prod-eu"]
    assert [door.refuses(time=each.time) for each in sent] == [""]
    world.deliver("prod-eu")
    world.deliver("prod-eu")
    after = target.history[len(before) :]
    assert [each for each in after if each.startswith("rollout")] == ["rollout payments/Deployment/api"]
    assert not any(each.startswith("delete") for each in after)
    assert target.data("payments", "payments-db")["password"] == "Y2FuYXJ5LTEx"


def test_report_says_what_is_suspended_now_or_why_it_does_not_know() -> None:
    def fail() -> Suspensions:
        raise AccessDenied("grant it")

    far = suspension("db", until=WHEN + 36500 * DAY)
    assert describe(lambda: Suspensions((suspension(), far))) == {"suspended": [far.model_dump(mode="json")]}
    assert describe(Suspensions) == {}
    assert describe(fail) == {"suspensionsUnknown": "what is suspended cannot be read: grant it"}


def test_status_says_where_the_stack_does_not_know_what_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = FakeStack([row()])
    stack.ask = lambda *_, **__: iter(  # type: ignore[method-assign]
        [{"rows": [row()], "suspensionsUnknown": "what is suspended cannot be read: grant it"}]
    )
    deploy(monkeypatch, "status", stack)
    result = CliRunner().invoke(main, ["status", "--output", "json"])
    assert (result.exit_code, "suspended" in json.loads(result.stdout)) == (0, False)
    assert result.stderr == "warning: what is suspended cannot be read: grant it\n"


def test_the_page_of_status_says_what_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(monkeypatch, "status", FakeStack([row()], suspended=[suspension("db", reason="<b>moving</b>")]))
    page = CliRunner().invoke(main, ["status", "--output", "html"]).stdout
    assert "mapping db is suspended until 2026-11-25T12:00:00+00:00 by ada: &lt;b&gt;moving&lt;/b&gt;" in page
