"""One delivery against a cluster with memory: what is called, what is written, what is reported."""

import gc
import itertools
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from keyferry.delivery import passes
from keyferry.delivery.apply import MIN_TARGETS_FOR_CLUSTER_LIST
from keyferry.delivery.passes import MAX_PASSES, TARGETS_PER_THREAD, deliver
from keyferry.delivery.report import Outcome, Report
from keyferry.delivery.sources import CONFIRMED_SECONDS, REREAD_SECONDS
from keyferry.delivery.target import Target
from keyferry.errors import (
    AccessDenied,
    ClusterSlow,
    ClusterThrottled,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    KeyferryError,
    Misconfigured,
    NamespaceGone,
    NotAllowed,
    NotSignedIn,
    OutOfTime,
    Overtaken,
    Refused,
    Rejected,
    ServerError,
    SourceDeleted,
    SourceMissing,
    SourceUnavailable,
    SourceUnusable,
    Throttled,
    Unauthorized,
    Unconfirmed,
    Unexpected,
    Unreachable,
)
from keyferry.kinds import DEFAULT_KINDS, KINDS
from keyferry.mapping.verdict import Verdict
from keyferry.model import SourceValue
from keyferry.stores.source import Source
from keyferry.testing import Calls, encode
from tests.unit.samples import delivery, mapping, uses, workload
from tests.unit.world import DUE, KIND, SOURCE, WHERE, World, secret

ONE_BATCH = 15
"""As many threads as it takes for the first batch to have 60 namespaces."""


DUE_TEXT = f"its workloads are due for a restart ({DUE}): the next try or sweep restarts them"
UNMENDED_TEXT = f"its workloads are due for a restart ({DUE}): they restart once that is mended"
MISSING = "not in namespace payments: create it, or correct restart in the mapping"


def only(report: Report) -> Outcome:
    """Return the outcome of a delivery to one namespace."""
    assert report.error is None
    [outcome] = report.outcomes
    return outcome


def failing(what: str, error: Exception, times: int = 1) -> Calls:
    """Return calls of which the first ones that begin so fail, before they take effect."""
    left = times

    def step(_number: int, call: str) -> None:
        nonlocal left
        if call.startswith(what) and left:
            left -= 1
            raise error

    return Calls(before=step)


def answers_lost(what: str, times: int = 1) -> Calls:
    """Return calls of which the first ones that begin so take effect, and are never answered."""
    calls = failing(what, Unreachable("no answer in time"), times)
    return Calls(after=calls.before)


# The usual course


def test_the_first_delivery_creates_and_restarts() -> None:
    world = World()
    outcome = only(world.deliver())
    assert (outcome.did, outcome.why, outcome.restarted) == ("created", "missing", ("Deployment/api",))
    assert world.password == encode("canary-1")
    assert world.cluster.history == ["write payments/payments-db", "rollout payments/Deployment/api"]
    assert DUE not in world.cluster.annotations(*WHERE)


def test_a_change_is_observed_then_read_then_written_then_read_again_then_restarted_then_cleared() -> None:
    world, calls = World(), Calls()
    world.deliver()
    world.sources.put(SOURCE, secret("canary-2"))
    outcome = only(world.deliver(calls))
    assert (outcome.did, outcome.why) == ("updated", "new content in password")
    assert calls.recorded == [
        "read payments/payments-db",
        "source prod/payments/db",
        "apply payments/payments-db",
        "source prod/payments/db",
        "list payments/Deployment",
        "list payments/StatefulSet",
        "list payments/DaemonSet",
        "metadata payments/payments-db",
        "patch payments/Deployment/api as keyferry:payments-db",
        "apply payments/payments-db",
        "kinds",
    ]


def test_each_write_of_content_has_a_mark_of_its_own() -> None:
    world, nonces = World(), set()
    for number in range(5):
        world.sources.put(SOURCE, secret(f"canary-{number}"))
        world.deliver()
        nonces.add(world.nonce)
    assert len(nonces) == 5
    assert all(len(nonce) == 16 for nonce in nonces)


def test_what_many_earlier_names_own_is_released_in_several_passes() -> None:
    names = [f"earlier-{number}" for number in range(6)]
    world = World()
    for name in names:  # each took over what the one before had written
        world.deliver(of=mapping(name, policies={"conflict": "takeOver"}))
    report = world.deliver(of=mapping("now", was=names))
    assert only(report).error is None
    assert world.cluster.managers(*WHERE, "password") == {"keyferry:now"}
    assert world.count("rollout")[0] == 1


def test_a_target_does_nothing_before_its_sources_are_read() -> None:
    world, calls = World(), Calls()
    target = Target(world.work(calls), "payments")
    target.update()
    assert (calls.recorded, target.build_outcome().did) == ([], "unchanged")


def test_a_second_delivery_of_the_same_state_writes_nothing() -> None:
    world, calls = World(), Calls()
    world.deliver()
    before = world.cluster.versions(), list(world.cluster.history)
    report = world.deliver(calls)
    assert only(report).did == "unchanged"
    assert calls.writes == []
    assert calls.recorded == ["read payments/payments-db", "source prod/payments/db"]
    assert (world.cluster.versions(), world.cluster.history) == before
    assert report.written_at is None
    assert "EventToWriteSeconds" not in report.metrics()


def test_a_new_version_that_leaves_the_mapped_keys_as_they_are_restarts_nothing() -> None:
    world, calls = World(), Calls()
    world.deliver()
    version = world.sources.put(SOURCE, '{"username": "me", "password": "canary-1", "other": "x"}')
    outcome = only(world.deliver(calls))
    assert (outcome.did, outcome.why, outcome.restarted) == ("annotated", "new versions or mapping", ())
    assert calls.recorded == ["read payments/payments-db", "source prod/payments/db", "apply payments/payments-db"]
    assert f'"{version}"' in world.cluster.annotations(*WHERE)["keyferry.dev/versions"]


def test_without_restarts_nothing_is_listed_or_stamped() -> None:
    world, calls = World(), Calls()
    assert only(world.deliver(calls, of=mapping(restart="none"))).did == "created"
    assert calls.count("list") == calls.count("patch") == 0
    assert calls.count("apply") == 1


def test_the_report_says_what_was_read_and_when_it_was_written_and_no_value() -> None:
    world = World()
    report = world.deliver()
    assert report.versions == {"db": "version-1"}
    assert report.written_at is not None
    assert report.seconds > 0
    assert "canary" not in f"{report} {report.log_fields()} {report.metrics()}"


def test_workloads_that_were_left_alone_are_reported() -> None:
    world = World()
    raw = workload("careful")
    raw["metadata"]["annotations"] = {"keyferry.dev/restart": "false"}
    world.cluster.run("payments", KIND, raw)
    world.cluster.run("payments", KIND, workload("paused", paused=True))
    outcome = only(world.deliver())
    assert outcome.restarted == ("Deployment/api", "Deployment/paused (paused: rolls out when it is resumed)")
    assert outcome.notes == ("Deployment/careful (left alone: keyferry.dev/restart is false)",)
    assert world.cluster.stamps("payments", KIND, "careful") == {}


# Many namespaces


def test_a_change_in_many_namespaces_costs_two_reads_of_the_source_and_as_few_calls_as_the_design_says() -> None:
    world, calls = World(*(f"n{number:02}" for number in range(60))), Calls()
    report = world.deliver(calls, concurrency=ONE_BATCH)
    assert len(report.outcomes) == 60
    assert {outcome.did for outcome in report.outcomes} == {"created"}
    assert [calls.count(verb) for verb in ("source", "read", "apply", "patch")] == [2, 60, 120, 60]
    assert calls.recorded.index("source prod/payments/db") == 60


def test_workloads_of_many_namespaces_are_listed_once_for_the_cluster_where_the_rights_allow_it() -> None:
    names = [f"n{number:02}" for number in range(MIN_TARGETS_FOR_CLUSTER_LIST)]
    world, calls = World(*names, "other"), Calls()
    report = world.deliver(calls, of=mapping(namespaces=names), concurrency=ONE_BATCH)
    assert [what for what in calls.recorded if what.startswith("list")] == [
        f"list None/{kind}" for kind in DEFAULT_KINDS
    ]
    assert {outcome.restarted for outcome in report.outcomes} == {("Deployment/api",)}
    assert world.count("rollout n", "rollout other") == [len(names), 0]


@pytest.mark.parametrize("count", [1, MIN_TARGETS_FOR_CLUSTER_LIST])
def test_what_restarts_is_of_the_kinds_that_the_cluster_names(count: int) -> None:
    names = [f"n{number:02}" for number in range(count)]
    world, calls = World(*names), Calls()
    for name in names:
        world.cluster.run(name, "Rollout", workload("web"))
    kinds = [KINDS["StatefulSet"], KINDS["Rollout"]]
    report = world.deliver(calls, restart_kinds=kinds, concurrency=ONE_BATCH)
    assert {outcome.restarted for outcome in report.outcomes} == {("Rollout/web",)}
    assert calls.count("list") == 2


def test_they_are_listed_by_namespace_where_the_rights_do_not_allow_it() -> None:
    names = [f"n{number:02}" for number in range(MIN_TARGETS_FOR_CLUSTER_LIST)]
    world, calls = World(*names), failing("list None", Forbidden("grant list"), times=9)
    report = world.deliver(calls, concurrency=ONE_BATCH)
    assert not report.errors
    assert [calls.count("list"), calls.count("patch")] == [1 + 3 * len(names), len(names)]


def test_few_namespaces_and_named_workloads_never_list_the_cluster() -> None:
    names = [f"n{number:02}" for number in range(MIN_TARGETS_FOR_CLUSTER_LIST)]
    few, named = Calls(), Calls()
    World(*names[1:]).deliver(few, concurrency=ONE_BATCH)
    of = mapping(namespaces=names, restart=[{"kind": "Deployment", "name": "api"}])
    World(*names).deliver(named, of=of, concurrency=ONE_BATCH)
    assert not [what for what in (*few.recorded, *named.recorded) if what.startswith("list None")]


def test_without_restarts_a_change_costs_one_apply_for_each_namespace() -> None:
    world, calls = World(*(f"n{number:02}" for number in range(60))), Calls()
    of = mapping(restart="none", namespaces=sorted(world.cluster.namespaces))
    world.deliver(calls, of=of, concurrency=ONE_BATCH)
    assert [calls.count(verb) for verb in ("source", "read", "apply")] == [2, 60, 60]


def test_one_namespace_is_worked_on_without_another_thread() -> None:
    threads = set[threading.Thread]()
    calls = Calls(before=lambda *_: threads.add(threading.current_thread()))
    assert not World().deliver(calls, concurrency=ONE_BATCH).errors
    assert threads == {threading.current_thread()}


def test_namespaces_are_worked_on_concurrently_and_no_more_than_are_allowed() -> None:
    world, together, most, lock = World(*(f"n{number}" for number in range(20))), 0, 0, threading.Lock()
    barrier = threading.Barrier(4, timeout=10)

    def enter(_number: int, what: str) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        if what.startswith("apply"):
            barrier.wait()

    def leave(_number: int, _what: str) -> None:
        nonlocal together
        with lock:
            together -= 1

    report = world.deliver(Calls(before=enter, after=leave), concurrency=4)
    assert not report.errors
    assert most == 4


def test_every_workload_is_listed_before_the_first_is_stamped() -> None:
    world, calls = World("a", "b"), Calls()
    world.deliver(calls)
    last_list = max(number for number, what in enumerate(calls.recorded) if what.startswith("list"))
    first_patch = min(number for number, what in enumerate(calls.recorded) if what.startswith("patch"))
    assert last_list < first_patch


def test_namespaces_are_found_by_their_labels() -> None:
    world = World("a", "b", "c", "d")
    world.cluster.namespaces |= {"a": {"team": "x"}, "b": {"team": "y"}, "c": {"team": "x"}, "d": {"team": "x"}}
    world.cluster.terminating.add("d")
    report = world.deliver(of=mapping(namespaces={"matchLabels": {"team": "x"}}))
    assert [outcome.namespace for outcome in report.outcomes] == ["a", "c"]


def test_a_delivery_for_one_namespace_touches_no_other() -> None:
    world, calls = World("a", "b"), Calls()
    report = world.deliver(calls, delivery=delivery(namespace="b"))
    assert [outcome.namespace for outcome in report.outcomes] == ["b"]
    assert not [what for what in calls.recorded if " a/" in what]


def test_a_namespace_that_the_mapping_does_not_name_is_not_touched() -> None:
    report = World("a", "b").deliver(of=mapping(namespaces=["a", "a"]), delivery=delivery(namespace="b"))
    assert report.outcomes == ()
    assert report.errors == []


# What fails


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (call, error)
        for call in ("read b/", "apply b/", "list b/", "patch b/")
        for error in (Forbidden("grant it"), Throttled("slow"), NamespaceGone("gone"), KeyError("canary-key"))
        if not (call == "read b/" and isinstance(error, Throttled))  # that is the whole cluster's
    ],
    ids=str,
)
def test_a_namespace_that_fails_does_not_stop_the_others(call: str, error: Exception) -> None:
    world = World("a", "b", "c")
    report = world.deliver(failing(call, error, times=9))
    is_written = call in ("list b/", "patch b/")
    assert [(outcome.namespace, outcome.did, outcome.restart_due) for outcome in report.outcomes] == [
        ("a", "created", False),
        ("b", "created" if is_written else "failed", is_written),
        ("c", "created", False),
    ]
    [failed] = report.errors
    assert isinstance(failed, Unexpected if isinstance(error, KeyError) else type(error))
    assert "canary" not in f"{failed} {report.log_fields()}"
    assert world.cluster.history.count("rollout c/Deployment/api") == 1


def test_the_next_delivery_does_only_what_is_left() -> None:
    world, calls = World("a", "b", "c"), Calls()
    world.deliver(failing("patch b/", Forbidden("grant it")))
    report = world.deliver(calls)
    assert not report.errors
    assert calls.writes == ["patch b/Deployment/api as keyferry:payments-db", "apply b/payments-db"]


def test_a_conflict_is_told_and_the_secret_is_not_touched() -> None:
    world = World()
    world.cluster.create(*WHERE, {"password": "theirs"})
    before = world.cluster.versions()
    [error] = world.deliver().errors
    assert isinstance(error, Conflict)
    assert world.cluster.versions() == before


@pytest.mark.parametrize(
    ("call", "error"), [("namespaces", Forbidden("grant list on namespaces")), ("namespaces", RuntimeError("canary-1"))]
)
def test_namespaces_that_cannot_be_listed_fail_the_whole(call: str, error: Exception) -> None:
    report = World().deliver(failing(call, error), of=mapping(namespaces={"matchLabels": {"team": "x"}}))
    assert report.outcomes == ()
    assert isinstance(report.error, Forbidden | Unexpected)
    assert "canary" not in str(report.error)


@pytest.mark.parametrize(
    "error", [SourceUnavailable("create it"), AccessDenied("grant it"), RuntimeError("canary-1")], ids=str
)
def test_a_source_that_cannot_be_read_changes_nothing(error: Exception) -> None:
    world, calls = World(), failing("source", error)
    report = world.deliver(calls)
    assert report.outcomes == ()
    assert isinstance(report.error, Unexpected if isinstance(error, RuntimeError) else type(error))
    assert calls.writes == []


def test_a_value_from_which_a_key_cannot_be_made_changes_nothing() -> None:
    world, calls = World(), Calls()
    world.sources.put(SOURCE, '{"username": "canary-1"}')
    assert isinstance(world.deliver(calls).error, SourceUnusable)
    assert calls.writes == []


def test_what_was_written_before_the_source_failed_is_reported() -> None:
    world = World()
    reads = world.sources.create_reader()
    answers: list[Callable[[Source], SourceValue]] = [reads]

    def read(source: Source) -> SourceValue:
        if not answers:
            raise AccessDenied("grant it")
        return answers.pop()(source)

    report = world.deliver(create_reader=lambda _: read)
    assert [(outcome.namespace, outcome.did) for outcome in report.outcomes] == [("payments", "created")]
    assert isinstance(report.error, AccessDenied)
    assert DUE in world.cluster.annotations(*WHERE)


def test_nothing_is_read_where_no_cluster_answers() -> None:
    calls = failing("read", Forbidden("grant it"))
    World().deliver(calls)
    assert calls.count("source") == 0


@pytest.mark.parametrize("call", ["apply", "list", "patch"])
def test_a_call_that_found_no_answer_is_observed_again(call: str) -> None:
    world = World()
    outcome = only(world.deliver(failing(call, Unreachable("no answer"))))
    assert (outcome.did, outcome.error) == ("created", None)
    assert world.cluster.history == ["write payments/payments-db", "rollout payments/Deployment/api"]


def test_a_namespace_of_which_nothing_is_known_waits_for_the_next_pass_and_the_others_do_not() -> None:
    world, calls = World("a", "b"), failing("read a/", ServerError("500"))
    report = world.deliver(calls)
    assert not report.errors
    assert calls.recorded.index("apply b/payments-db") < calls.recorded.index("apply a/payments-db")


@pytest.mark.parametrize("call", ["apply", "list", "patch"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_call_that_took_effect_without_an_answer_is_observed_again_and_not_done_twice(call: str, times: int) -> None:
    world = World()
    outcome = only(world.deliver(answers_lost(call, times)))
    assert outcome.error is None
    assert world.cluster.history == ["write payments/payments-db", "rollout payments/Deployment/api"]
    assert DUE not in world.cluster.annotations(*WHERE)


def test_a_write_whose_answer_was_lost_is_never_sent_again_without_preconditions() -> None:
    world = World()
    world.deliver()
    world.sources.put(SOURCE, secret("canary-2"))

    def edited_meanwhile(number: int, what: str) -> None:
        if what.startswith("apply") and number < 4:
            world.cluster.delete(*WHERE)
            raise Unreachable("no answer")

    only(world.deliver(Calls(after=edited_meanwhile)))
    assert world.password == encode("canary-2")
    assert world.cluster.history[-1] == "rollout payments/Deployment/api"


OF_ALL = [
    Unreachable("no answer"),
    Throttled("slow down"),
    Unauthorized("prod-eu", "keyferry"),
    ClusterUnreachable("no answer"),
    ClusterThrottled("slow down"),
]
SIGN_IN = [AccessDenied("AssumeRole"), NotSignedIn("expired"), Misconfigured("no region"), Rejected("PackedPolicy")]


@pytest.mark.parametrize("error", [*OF_ALL, *SIGN_IN], ids=lambda error: type(error).__name__)
def test_a_cluster_that_does_not_answer_is_asked_once_by_each_thread_and_the_delivery_comes_back(
    error: KeyferryError,
) -> None:
    world = World(*(f"n{number}" for number in range(1000)))
    calls = failing("read", error, times=1000)
    report = world.deliver(calls, concurrency=8)
    assert (report.error, report.outcomes, report.can_retry) == (error, (), True)
    assert 1 <= len(calls.recorded) <= 8
    assert world.clock.slept == []


def test_a_cluster_that_answers_no_look_but_with_5xx_is_not_asked_for_the_other_batches() -> None:
    world = World(*(f"n{number}" for number in range(1000)))
    calls = failing("read", ServerError("503"), times=1000)
    report = world.deliver(calls, concurrency=8)
    assert isinstance(report.error, ServerError)
    assert len(calls.recorded) == 8 * TARGETS_PER_THREAD


@pytest.mark.parametrize("error", OF_ALL[2:], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ["apply", "list", "metadata", "patch"])
def test_a_cluster_that_is_lost_at_any_call_ends_the_delivery_and_the_next_one_does_the_rest(
    call: str, error: KeyferryError
) -> None:
    world, calls = World("a", "b", "c"), failing(call, error, times=99)
    report = world.deliver(calls)
    assert report.errors == [error]
    assert calls.recorded[-1].startswith(call)
    assert calls.count(call) == 1
    assert world.clock.slept == []
    assert not world.deliver().errors
    assert world.count("write a/", "rollout a/", "write c/", "rollout c/") == [1, 1, 1, 1]


def test_namespaces_that_cannot_be_listed_because_the_cluster_is_lost_are_one_attempt() -> None:
    calls = failing("namespaces", ClusterUnreachable("no answer"), times=99)
    report = World().deliver(calls, of=mapping(namespaces={"matchLabels": {"team": "x"}}))
    assert isinstance(report.error, ClusterUnreachable)
    assert calls.recorded == ["namespaces"]


def test_a_cluster_that_never_answers_to_a_write_ends_after_some_passes_with_growing_pauses() -> None:
    world, calls = World(), failing("apply", Unreachable("no answer"), times=99)
    [error] = world.deliver(calls).errors
    assert isinstance(error, Unreachable)
    assert calls.count("apply") == MAX_PASSES
    assert len(world.clock.slept) == MAX_PASSES - 1
    assert 0 < world.clock.slept[0] < 0.5 < world.clock.slept[-1] < 10


def test_a_secret_that_keeps_changing_ends_after_some_passes_and_comes_back() -> None:
    world = World()
    world.deliver()
    world.sources.put(SOURCE, secret("canary-2"))

    def meddle(_number: int, what: str) -> None:
        if what.startswith("apply"):
            count = len(calls.recorded)
            world.cluster.edit(*WHERE, annotations={"theirs": str(count)})

    calls = Calls(before=meddle)
    report = world.deliver(calls)
    [error] = report.errors
    assert isinstance(error, Overtaken)
    assert report.can_retry
    assert calls.count("apply") == MAX_PASSES


def test_a_source_that_changes_in_every_pass_ends_after_some_passes_and_comes_back() -> None:
    world = World()
    numbers = iter(range(99))

    def read(source: Source) -> SourceValue:
        world.sources.put(SOURCE, secret(f"canary-{next(numbers)}"))
        return world.sources.create_reader()(source)

    report = world.deliver(create_reader=lambda _: read)
    [error] = report.errors
    assert str(error).startswith("the Secret in payments kept changing while it was being written; the Secret is")
    assert report.can_retry


def test_a_field_on_which_only_the_api_server_sees_a_conflict_ends_as_a_conflict() -> None:
    """Another manager has applied `immutable: false`, say: the plan looks at no such field."""
    calls = failing("apply", Conflict("secrets/payments-db in namespace payments: .immutable belongs to x"), times=99)
    report = World().deliver(calls)
    assert (type(only(report).error), report.can_retry) == (Conflict, False)
    assert str(only(report).error).endswith(".immutable belongs to x; stop that manager from writing it")
    assert calls.count("apply") == MAX_PASSES


# Namespaces that go


def going(world: World, name: str, call: str) -> Calls:
    """Return calls during which a namespace goes, right before the first one that begins so."""

    def step(_number: int, what: str) -> None:
        if what.startswith(call):
            world.cluster.namespaces.pop(name, None)
            world.cluster.delete(name, "payments-db")
            for key in [key for key in world.cluster.workloads if key[0] == name]:
                del world.cluster.workloads[key]

    return Calls(before=step)


SELECTED: dict[str, Any] = {"namespaces": {"names": ["*"], "matchLabels": {}}}


@pytest.mark.parametrize("call", ["read b/", "apply b/", "list b/", "patch b/"])
def test_a_namespace_that_labels_chose_and_that_goes_meanwhile_is_done(call: str) -> None:
    world = World("a", "b")
    report = world.deliver(going(world, "b", call), of=mapping(**SELECTED))
    assert report.errors == []
    assert world.count("rollout a/") == [1]
    assert [outcome.notes for outcome in report.outcomes if outcome.namespace == "b"] == [
        ("the namespace is gone, or about to go: nothing is left to do in it",)
    ]


def test_a_namespace_that_labels_chose_and_that_is_being_deleted_is_done() -> None:
    world = World("a", "b")
    calls = Calls(before=lambda *_: world.cluster.terminating.add("b"))
    assert world.deliver(calls, of=mapping(**SELECTED)).errors == []


@pytest.mark.parametrize("call", ["read b/", "apply b/"])
def test_a_namespace_that_the_mapping_names_and_that_goes_is_a_failure(call: str) -> None:
    world = World("a", "b")
    of = mapping(namespaces=["b", SELECTED["namespaces"]])
    [error] = world.deliver(going(world, "b", call), of=of).errors
    assert isinstance(error, NamespaceGone)


# Batches


def test_the_first_namespaces_are_written_before_the_others_are_looked_at_and_others_are_first_in_the_next_try() -> (
    None
):
    firsts = set()
    for _ in range(8):
        world, calls = World(*(f"n{number:02}" for number in range(40))), Calls()
        assert not world.deliver(calls).errors
        first_write = next(number for number, what in enumerate(calls.recorded) if what.startswith("apply"))
        assert calls.recorded[:first_write].count("source prod/payments/db") == 1
        assert first_write == TARGETS_PER_THREAD + 1
        firsts.add(tuple(calls.recorded[:first_write]))
    assert len(firsts) > 1


def test_the_sources_are_read_after_each_batch_was_observed() -> None:
    world, calls = World(*(f"n{number:02}" for number in range(40))), Calls()
    world.deliver(calls, of=mapping(restart="none", namespaces=sorted(world.cluster.namespaces)))
    verbs = [verb for verb, _ in itertools.groupby(what.split()[0] for what in calls.recorded)]
    assert verbs == ["read", "source", "apply", "source"] * 3


def test_what_was_not_reached_is_one_error_and_the_rest_is_written_in_the_next_tries() -> None:
    world = World(*(f"n{number:02}" for number in range(60)))
    a_second_each = Calls(before=lambda *_: world.clock.jump(1.0))
    written = 0
    while written < 60:
        report = world.deliver(a_second_each, deadline=world.clock.deadline(100))
        before, written = written, len(world.cluster.secrets)
        assert before < written
        assert [type(error) for error in report.errors] in ([OutOfTime], [])
        assert all(outcome.did != "failed" for outcome in report.outcomes)


def test_a_cluster_that_is_slow_gets_what_has_begun_and_the_rest_in_another_try() -> None:
    world = World(*(f"n{number:02}" for number in range(20)))
    calls = Calls()
    work = world.work(calls)
    client = world.cluster.client(calls)
    client.is_slow = True
    report = deliver(replace(work, cluster=client))
    assert isinstance(report.error, ClusterSlow)
    assert report.can_retry
    assert len(report.outcomes) == len(world.cluster.secrets) == TARGETS_PER_THREAD
    assert world.count("rollout")[0] == TARGETS_PER_THREAD
    few = World("a", "b")
    client = few.cluster.client()
    client.is_slow = True
    assert not few.deliver(cluster=client).errors


def test_memory_does_not_grow_with_the_number_of_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 Secrets of half a MiB are 30 MiB. What is still held at the end is the fake cluster's.

    What refers to itself is freed when Python comes to it, which is often here: else it is chance whether that happens
    before the peak or between it and the end.
    """
    monkeypatch.setattr(passes, "MAX_BATCH_BYTES", 4 * 1024 * 1024)
    world = World(*(f"n{number:02}" for number in range(60)))
    for did in ("created", "annotated"):
        world.sources.put(SOURCE, secret("canary-" + "x" * 512 * 1024))
        thresholds = gc.get_threshold()
        gc.set_threshold(20)
        tracemalloc.start()
        try:
            report = world.deliver()
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.set_threshold(*thresholds)
        assert {(outcome.did, outcome.error) for outcome in report.outcomes} == {(did, None)}
        assert peak - held < 12 * 1024 * 1024


# Time


@pytest.mark.parametrize("calls", range(1, 12))
def test_work_stops_cleanly_when_too_little_time_is_left_and_the_next_delivery_does_the_rest(calls: int) -> None:
    world = World("a", "b", "c")
    a_second_each = Calls(before=lambda *_: world.clock.jump(1.0))
    report = world.deliver(a_second_each, deadline=world.clock.deadline(calls - 0.5))
    assert report.can_retry
    assert any(isinstance(error, OutOfTime) for error in report.errors)
    assert world.clock.now <= calls + 3  # the calls of a step that had begun
    assert not world.deliver().errors
    for namespace in ("a", "b", "c"):
        assert world.cluster.history.count(f"write {namespace}/payments-db") == 1
        assert world.cluster.history.count(f"rollout {namespace}/Deployment/api") == 1


def test_nothing_is_called_where_no_time_is_left_at_all() -> None:
    world, calls = World("a", "b"), Calls()
    report = world.deliver(calls, deadline=world.clock.deadline(0))
    assert calls.recorded == []
    assert (type(report.error), report.outcomes) == (OutOfTime, ())


@pytest.mark.parametrize("named", [True, False])
def test_stamps_stop_at_the_deadline_and_each_try_stamps_others_until_all_are(named: bool) -> None:
    world = World()
    names = ["api", *(f"w{number}" for number in range(100))]
    for name in names[1:]:
        world.cluster.run("payments", KIND, workload(name))
    if named:
        world.mapping = mapping(restart=[{"kind": KIND, "name": name} for name in names])
    half_a_second_each = Calls(after=lambda *_: world.clock.jump(0.5))
    report = world.deliver(half_a_second_each, deadline=world.clock.deadline(80 if named else 30))
    assert isinstance(report.error, OutOfTime)
    assert world.clock.now <= (80 if named else 30) + 0.5
    assert DUE in world.cluster.annotations(*WHERE)
    assert 0 < world.count("rollout")[0] < len(names)
    assert not world.deliver().errors
    assert sorted(world.cluster.history[1:]) == sorted(f"rollout payments/Deployment/{name}" for name in names)
    assert DUE not in world.cluster.annotations(*WHERE)


def test_a_pause_never_outlasts_the_time_that_is_left() -> None:
    world = World()
    calls = failing("apply", Unreachable("no answer"), times=99)
    world.deliver(calls, deadline=world.clock.deadline(0.01))
    assert world.clock.now <= 0.0101


# The version that the event names


def test_a_source_that_does_not_show_the_events_version_yet_is_read_once_more_after_a_moment() -> None:
    world, calls = World(), Calls()

    def arrives(seconds: float) -> None:
        world.clock.sleep(seconds)
        world.sources.put(SOURCE, secret("canary-2"), "version-2")

    report = world.deliver(calls, delivery=delivery(versions={"db": "version-2"}), sleep=arrives)
    assert report.versions == {"db": "version-2"}
    assert world.clock.slept == [REREAD_SECONDS]
    assert calls.count("source") == 3
    assert world.cluster.history.count("write payments/payments-db") == 1


def test_what_the_source_shows_then_is_accepted() -> None:
    world, calls = World(), Calls()
    report = world.deliver(calls, delivery=delivery(versions={"db": "version-0"}))
    assert report.versions == {"db": "version-1"}
    assert not report.errors
    assert (world.clock.slept, calls.count("source")) == ([REREAD_SECONDS], 3)


@pytest.mark.parametrize("versions", [{}, {"db": "version-1"}, {"gone": "version-9"}])
def test_nothing_waits_where_the_source_shows_what_the_event_names(versions: dict[str, str]) -> None:
    world, calls = World(), Calls()
    world.deliver(calls, delivery=delivery(versions=versions))
    assert (world.clock.slept, calls.count("source")) == ([], 2)


def test_nothing_waits_where_there_is_no_time_for_it() -> None:
    world = World()
    little = world.clock.deadline(REREAD_SECONDS / 2)
    assert not world.deliver(delivery=delivery(versions={"db": "version-2"}), deadline=little).errors
    assert world.clock.slept == []


def test_only_the_source_that_lags_is_read_once_more() -> None:
    world, calls = World(), Calls()
    world.sources.put("tls", "x", "3@2026")
    sources = {"db": {"secretsManager": SOURCE}, "tls": {"parameterStore": "tls"}}
    wanted = mapping(sources=sources, data={"db": {"from": "db"}, "tls": {"from": "tls"}}, restart="none")
    world.deliver(calls, of=wanted, delivery=delivery(versions={"db": "version-2"}))
    assert [calls.recorded.count(f"source {name}") for name in (SOURCE, "tls")] == [3, 2]


# Named workloads


def test_named_workloads_are_restarted_and_one_that_is_missing_is_done() -> None:
    world = World()
    world.cluster.run("payments", "Rollout", workload("api", uses("unrelated")))
    named = [{"kind": "Rollout", "name": "api"}, {"kind": "StatefulSet", "name": "gone"}]
    outcome = only(world.deliver(of=mapping(restart=named)))
    assert outcome.restarted == ("Rollout/api",)
    assert outcome.notes == (f"StatefulSet/gone ({MISSING})",)
    assert world.cluster.stamps("payments", KIND, "api") == {}


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        ({"kind": "StatefulSet", "name": "payment-api"}, "; did you mean payment-api?"),
        ({"kind": "Deployment", "name": "payments-api"}, "; did you mean Deployment/payments-api?"),
        ({"kind": "Deployment", "name": "payment-api"}, ""),
        ({"kind": "StatefulSet", "name": "web"}, ""),
    ],
)
def test_of_a_missing_workload_it_is_told_which_one_may_be_meant(known: dict[str, str], hint: str) -> None:
    of = mapping(restart=[{"kind": "StatefulSet", "name": "payments-api"}])
    others = {"payments": mapping(restart=[known]).spec.restart}
    outcome = only(World().deliver(of=of, list_other_workloads=others.__getitem__))
    assert outcome.notes == (f"StatefulSet/payments-api ({MISSING}){hint}",)


def test_a_change_for_which_nothing_restarts_says_what_was_looked_at_and_a_new_secret_does_not() -> None:
    world = World()
    world.cluster.workloads.clear()
    assert only(world.deliver()).notes == ()
    world.sources.put(SOURCE, secret("canary-2"))
    unused = "nothing restarts: no Deployment, StatefulSet or DaemonSet uses it in a variable or a volume"
    assert only(world.deliver()).notes == (unused,)
    world.sources.put(SOURCE, secret("canary-3"))
    assert only(world.deliver(restart_kinds=[KINDS["Rollout"]])).notes == (
        unused.replace("Deployment, StatefulSet or DaemonSet", "Rollout"),
    )
    world.sources.put(SOURCE, secret("canary-4"))
    assert only(world.deliver(of=mapping(restart="none"))).notes == ()


def test_where_the_mapping_names_no_workload_it_is_not_told_that_none_was_seen() -> None:
    world = World()
    none = mapping(restart=[])
    world.deliver(of=none)
    world.sources.put(SOURCE, secret("canary-2"))
    outcome = only(world.deliver(of=none))
    assert (outcome.did, outcome.notes) == ("updated", ())


# What is said of the delivery as a whole


def test_kinds_that_the_cluster_has_and_that_are_not_looked_at_are_told_where_something_restarts() -> None:
    world = World()
    world.cluster.run("payments", "Rollout", workload("web"))
    [note] = world.deliver().notes
    assert note == (
        "restart: auto looks at Deployment, StatefulSet and DaemonSet in prod-eu, and not at Rollout: add it to"
        " restartKinds in clusters.yaml, or name the workloads in restart"
    )
    assert world.deliver().notes == (), "nothing is due"


@pytest.mark.parametrize(
    "change", [{"of": mapping(restart=[])}, *({"restart_kinds": [KINDS[name]]} for name in ("Deployment", "CloneSet"))]
)
def test_nothing_is_told_of_kinds_where_the_mapping_names_workloads_or_the_cluster_kinds(change: Any) -> None:  # noqa: ANN401
    world = World()
    world.cluster.run("payments", "Rollout", workload("web"))
    assert world.deliver(**change).notes == ()


def test_a_cluster_that_does_not_tell_its_kinds_is_no_failure() -> None:
    report = World().deliver(failing("kinds", ServerError("500")))
    assert (report.notes, report.errors) == ((), [])


CHOICES: list[dict[str, Any]] = [
    {"matchLabels": {"team": "chekout"}},
    {"names": ["shop-*", "web"], "exclude": ["shop-old"]},
]


@pytest.mark.parametrize(
    ("namespaces", "descriptions"),
    [
        (CHOICES, ["the labels team=chekout", "a name like shop-*, web (beside shop-old)"]),
        ([CHOICES[0] | CHOICES[1]], ["the labels team=chekout and a name like shop-*, web (beside shop-old)"]),
        (["payments", CHOICES[0]], ["the labels team=chekout"]),
        ([{"names": ["pay*"]}], []),
    ],
)
def test_a_choice_of_namespaces_that_chooses_none_is_told_with_its_labels_and_patterns(
    namespaces: Any,  # noqa: ANN401
    descriptions: list[str],
) -> None:
    remedy = "correct spec.namespaces, or label or create one"
    report = World().deliver(of=mapping(namespaces=namespaces))
    assert report.notes == tuple(f"no namespace of prod-eu has {each}: {remedy}" for each in descriptions)
    assert report.errors == []


def test_of_a_delivery_to_one_namespace_no_other_choice_is_told() -> None:
    of = mapping(namespaces=["payments", CHOICES[0]])
    assert World().deliver(of=of, delivery=delivery(namespace="payments")).notes == ()


# Named workloads that fail


@pytest.mark.parametrize(
    ("error", "due"),
    [(Forbidden("grant it"), DUE_TEXT), (Refused("it is not valid"), UNMENDED_TEXT), (ServerError("500"), DUE_TEXT)],
)
def test_a_workload_that_cannot_be_restarted_does_not_keep_the_others_from_it(error: KeyferryError, due: str) -> None:
    world = World()
    world.cluster.run("payments", KIND, workload("zebra"))
    outcome = only(world.deliver(failing("patch payments/Deployment/api", error, times=99)))
    assert (outcome.did, outcome.restart_due, outcome.restarted) == ("created", True, ("Deployment/zebra",))
    assert (type(outcome.error), str(outcome.error)) == (type(error), f"{error}; the Secret is written, and {due}")
    assert DUE in world.cluster.annotations(*WHERE)
    assert only(world.deliver(failing("patch payments/Deployment/api", error, times=99))).did == "failed"
    outcome = only(world.deliver())
    assert (outcome.restarted, outcome.notes) == (("Deployment/api",), ("Deployment/zebra (stamped before)",))
    assert DUE not in world.cluster.annotations(*WHERE)


def test_a_restart_that_another_mapping_owes_is_not_told_as_due() -> None:
    world = World()
    world.deliver(failing("patch payments/Deployment/api", Forbidden("grant it")))
    outcome = only(world.deliver(of=mapping("other-db", restart="auto")))
    assert (type(outcome.error), outcome.did, outcome.restart_due) == (Conflict, "failed", False)
    assert "due for a restart" not in str(outcome.error)


def test_a_rollout_without_a_pod_template_of_its_own_is_refused_and_its_neighbours_are_restarted() -> None:
    world = World()
    world.cluster.run(
        "payments",
        "Rollout",
        {"metadata": {"name": "canary"}, "spec": {"workloadRef": {"kind": "Deployment", "name": "api"}}},
    )
    named = [{"kind": "Rollout", "name": "canary"}, {"kind": "Deployment", "name": "api"}]
    outcome = only(world.deliver(of=mapping(restart=named)))
    assert (outcome.did, outcome.restarted, outcome.notes) == ("created", ("Deployment/api",), ())
    assert str(outcome.error) == (
        "Rollout/canary takes its pod template from Deployment/api (workloadRef):"
        " name Deployment/api in the mapping's restart instead, and Argo follows it;"
        f" the Secret is written, and {UNMENDED_TEXT}"
    )
    assert outcome.error
    assert outcome.error.part == "restart.0"
    assert DUE in world.cluster.annotations(*WHERE)
    assert only(world.deliver(of=mapping(restart=named[1:]))).error is None
    assert DUE not in world.cluster.annotations(*WHERE)


def test_what_passes_decides_where_one_workload_needs_repair_and_another_does_not() -> None:
    world = World()

    def refuses(_number: int, what: str) -> None:
        if what.startswith("get payments/Deployment/api"):
            raise Refused("it is not valid")
        if what.startswith("get payments/Deployment/zebra"):
            raise Forbidden("the cluster forbids to get deployments/zebra")

    named = [{"kind": KIND, "name": name} for name in ("api", "zebra")]
    report = world.deliver(Calls(before=refuses), of=mapping(restart=named))
    assert (type(only(report).error), report.can_retry) == (Forbidden, True)


def test_a_workload_that_goes_between_being_listed_and_stamped_is_done() -> None:
    world = World()

    def goes(_number: int, what: str) -> None:
        if what.startswith("patch"):
            world.cluster.workloads.clear()

    outcome = only(world.deliver(Calls(before=goes)))
    assert (outcome.did, outcome.restarted) == ("created", ())
    assert DUE not in world.cluster.annotations(*WHERE)


# Policies


def ending(world: World, **changes: Any) -> Outcome:  # noqa: ANN401
    return only(world.deliver(**changes))


def test_where_the_secret_of_somebody_else_is_missing_it_is_said_and_is_no_failure() -> None:
    world = World()
    world.mapping = mapping(policies={"creation": "merge"})
    outcome = ending(world)
    assert (outcome.did, outcome.error) == ("unchanged", None)
    assert outcome.notes == ("the Secret is missing, and is not ours to make (creation: merge)",)


def test_a_type_that_the_policy_does_not_allow_fails_before_the_secret_is_changed() -> None:
    world = World()
    world.mapping = mapping(policies={"creation": "merge", "conflict": "takeOver"})
    world.cluster.create(*WHERE, {"password": "theirs"}, secret_type="kubernetes.io/basic-auth")
    before = world.cluster.versions()
    outcome = ending(world, verdict=Verdict(allowed_types=["Opaque"]))
    assert (outcome.did, type(outcome.error)) == ("failed", NotAllowed)
    assert world.cluster.versions() == before
    assert ending(world).did == "updated"  # without a policy


def test_what_was_taken_over_says_what_to_remove_elsewhere() -> None:
    world = World()
    world.mapping = mapping(policies={"conflict": "takeOver"})
    world.cluster.create(*WHERE, {"password": "old"})
    world.cluster.set_owner_references(*WHERE, "ExternalSecret/db")
    outcome = ending(world)
    assert (outcome.did, outcome.error) == ("updated", None)
    assert outcome.notes == ("was owned by ExternalSecret/db: delete that ExternalSecret, or it writes again",)


def test_all_writes_that_change_no_content_are_made_in_one_pass() -> None:
    world = World()
    world.deliver()
    world.mapping = mapping("new", ["payments-db"])
    calls = Calls()
    assert not world.deliver(calls).errors
    assert [what.split()[0] for what in calls.recorded] == ["read", "source", "apply", "apply"]


def test_who_answers_for_the_mapping_is_in_the_report() -> None:
    world = World()
    world.mapping = mapping(owner={"team": "payments"})
    assert str(world.deliver().owner) == "payments"


# Sources that were deleted

PARAMETER: dict[str, Any] = {"sources": {"db": {"parameterStore": "/db"}}, "data": {"password": {"from": "db"}}}


def with_parameter(deletion: str) -> World:
    """Return a world that holds what a parameter held that is not there any more."""
    world = World()
    world.sources.put("/db", "canary-1")
    world.mapping = mapping(**PARAMETER, policies={"deletion": deletion})
    assert not world.deliver().errors
    world.sources.errors["/db"] = SourceMissing("it does not exist")
    return world


def test_a_source_that_is_missing_deletes_nothing() -> None:
    world = with_parameter("delete")
    [error] = world.deliver().errors
    assert isinstance(error, SourceMissing)
    assert WHERE in world.cluster.secrets


def test_a_source_that_is_missing_a_minute_after_an_event_has_told_of_its_deletion_deletes_the_secret() -> None:
    world = with_parameter("delete")
    world.clock.jump(CONFIRMED_SECONDS)
    outcome = ending(world, delivery=delivery(deleted=["db"]))
    assert outcome.did == "deleted"
    assert outcome.why == "source db was deleted, and is not there: it does not exist"
    assert WHERE not in world.cluster.secrets
    assert world.clock.slept == []
    assert ending(world, delivery=delivery(deleted=["db"])).did == "unchanged"


def test_a_deletion_that_was_told_of_a_moment_ago_deletes_nothing_and_comes_back() -> None:
    world = with_parameter("delete")
    before = world.cluster.versions()
    world.clock.jump(CONFIRMED_SECONDS - 1)
    report = world.deliver(delivery=delivery(deleted=["db"]))
    assert (type(report.error), report.can_retry) == (Unconfirmed, True)
    assert world.cluster.versions() == before
    assert world.clock.slept == []
    world.clock.jump(1)
    assert ending(world, delivery=delivery(deleted=["db"])).did == "deleted"


def test_a_source_that_is_created_again_within_a_minute_deletes_nothing() -> None:
    world = with_parameter("delete")
    before = world.cluster.versions()
    assert world.deliver(delivery=delivery(deleted=["db"])).errors
    world.sources.errors.clear()
    world.clock.jump(CONFIRMED_SECONDS)
    assert not world.deliver(delivery=delivery(deleted=["db"])).errors
    assert world.cluster.versions() == before


def test_the_deletion_of_another_source_and_what_may_not_be_read_delete_nothing() -> None:
    world = with_parameter("delete")
    [error] = world.deliver(delivery=delivery(deleted=["other"])).errors
    assert isinstance(error, SourceMissing)
    world.sources.errors["/db"] = AccessDenied("grant it")
    [error] = world.deliver(delivery=delivery(deleted=["db"])).errors
    assert isinstance(error, AccessDenied)
    assert WHERE in world.cluster.secrets


@pytest.mark.parametrize("gone", [SourceMissing("it does not exist"), SourceDeleted("scheduled for deletion")])
def test_a_secret_is_retained_where_nothing_else_is_said(gone: KeyferryError) -> None:
    world = with_parameter("retain")
    world.sources.errors["/db"] = gone
    report = world.deliver(delivery=delivery(deleted=["db"]))
    assert report.error is gone
    assert WHERE in world.cluster.secrets


def test_only_the_namespaces_whose_own_source_was_deleted_lose_their_secret() -> None:
    world = World("payments", "shop")
    for namespace in ("payments", "shop"):
        world.sources.put(f"/{namespace}/db", "canary-1")
    world.mapping = mapping(
        sources={"db": {"parameterStore": "/${namespace}/db"}},
        data={"password": {"from": "db"}},
        namespaces=["payments", "shop"],
        policies={"deletion": "delete"},
    )
    assert not world.deliver().errors
    world.sources.errors["/shop/db"] = SourceDeleted("scheduled for deletion")
    report = world.deliver()
    assert [outcome.did for outcome in report.outcomes] == ["unchanged", "deleted"]
    assert set(world.cluster.secrets) == {WHERE}


# What is told of restarts, for whoever asks why a pod did not


def told(world: World, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what the log line of a delivery has of its one namespace, without its times."""
    [fields] = world.deliver(**changes).log_fields()["namespaces"]
    return {key: value for key, value in fields.items() if key not in ("namespace", "written", "stamped")}


def test_each_workload_that_uses_the_secret_is_told_with_what_became_of_it_and_the_others_are_counted() -> None:
    world = World()
    world.cluster.run("payments", KIND, workload("paused", paused=True))
    world.cluster.run("payments", KIND, workload("docs", uses("other")))
    world.cluster.run("payments", KIND, workload("pulls", {"imagePullSecrets": [{"name": WHERE[1]}]}))
    careful = workload("careful")
    careful["metadata"]["annotations"] = {"keyferry.dev/restart": "false"}
    world.cluster.run("payments", KIND, careful)
    assert told(world) | {"notes": []} == {
        **{"did": "created", "why": "missing", "restart": "done", "notes": []},
        "keys": ["password", "username"],
        "seen": {"Deployment": 5, "StatefulSet": 0, "DaemonSet": 0},
        "workloads": [
            {
                "workload": "Deployment/paused",
                "reason": "paused",
                "why": "paused: rolls out when it is resumed",
                "by": ["envFrom"],
            },
            {
                "workload": "Deployment/careful",
                "reason": "opted out",
                "why": "left alone: keyferry.dev/restart is false",
                "by": ["envFrom"],
            },
            {"workload": "Deployment/api", "reason": "restarted", "by": ["envFrom"]},
            {"workload": "Deployment/pulls", "reason": "pull secret"},
        ],
    }


def test_a_line_has_the_times_of_the_change_of_the_write_and_of_the_last_restart() -> None:
    world = World()
    line = world.deliver(Calls(before=lambda _number, _call: world.clock.jump(1))).log_fields()
    [fields] = line["namespaces"]
    assert line["event_time"] < fields["written"] < fields["stamped"]


def test_why_nothing_restarts_is_told_of_the_namespace() -> None:
    world = World()
    assert told(world)["restart"] == "done"
    world.sources.put(SOURCE, secret("canary-1"), version="version-2")
    assert told(world) == {"did": "annotated", "why": "new versions or mapping", "restart": "not due"}
    world.sources.put(SOURCE, secret("canary-2"))
    silent = mapping(restart="none")
    line = world.deliver(of=silent).log_fields()
    assert (line["restart"], line["namespaces"][0]["restart"]) == ("none", "none")
    world = World()
    world.cluster.run("payments", KIND, workload("api", uses("other")))
    assert told(world) | {"keys": []} == {
        **{"did": "created", "why": "missing", "restart": "unused", "keys": []},
        "seen": {"Deployment": 1, "StatefulSet": 0, "DaemonSet": 0},
    }


def test_restarts_that_are_left_to_a_later_try_are_told_of_each_workload() -> None:
    world = World()
    fields = told(world, calls=failing("patch payments/Deployment", ServerError("500"), times=MAX_PASSES))
    assert (fields["restart"], fields["restart_due"]) == ("due", True)
    assert [each["reason"] for each in fields["workloads"]] == ["due"]
    failed = told(World(), calls=failing("apply payments", Forbidden("grant it")))
    assert "restart" not in failed


def test_the_mode_of_restarts_is_told_of_a_list_too() -> None:
    named = mapping(restart=[{"kind": "Deployment", "name": "api"}, {"kind": "StatefulSet", "name": "gone"}])
    line = World().deliver(of=named).log_fields()
    assert line["restart"] == "list"
    [fields] = line["namespaces"]
    assert "seen" not in fields
    assert [(each["workload"], each["reason"]) for each in fields["workloads"]] == [
        ("StatefulSet/gone", "missing"),
        ("Deployment/api", "restarted"),
    ]
