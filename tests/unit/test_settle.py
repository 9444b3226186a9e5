"""What becomes of a message: it leaves its queue when it is delivered, or when it lies on the dead-letter queue."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from keyferry.delivery.report import Outcome, Report
from keyferry.errors import (
    AccessDenied,
    ClusterThrottled,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    FunctionDied,
    KeyferryError,
    MappingsUnreadable,
    NamespaceGone,
    OutOfTime,
    Overtaken,
    SourceUnavailable,
    SourceUnusable,
    Unauthorized,
    UnknownName,
    Unreachable,
    WrongCluster,
)
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery
from keyferry.pipeline.delays import choose_delay_seconds
from keyferry.pipeline.settle import (
    GIVE_UP_SECONDS,
    MAX_RECEIVES,
    UNKNOWN_NAME_SECONDS,
    Settlement,
    settle_delivery,
    settle_error,
    summarize,
)
from tests.unit.bombs import BOMBS
from tests.unit.fake_queues import message
from tests.unit.samples import cluster, delivery, mapping
from tests.unit.stack import Stack
from tests.unit.world import World

BODY = delivery().model_dump_json(by_alias=True, exclude_none=True)


def ends(*errors: KeyferryError, of_the_whole: KeyferryError | None = None) -> Callable[[Delivery], Report]:
    """Return a delivery that ends with these errors of namespaces."""
    failed = tuple(Outcome(f"n{number}", "failed", error=error) for number, error in enumerate(errors))
    return lambda asked: Report(asked, (Outcome("fine", "updated"), *failed), error=of_the_whole)


def raises(error: Exception) -> Callable[[Delivery], Report]:
    def deliver(_asked: Delivery) -> Report:
        raise error

    return deliver


def settled(deliver: Callable[[Delivery], Report], *, attempt: int = 1, age: float = 0.0) -> Settlement:
    return settle_delivery(message(BODY, attempt=attempt, age=age), deliver)


def test_what_was_asked_is_delivered_and_the_message_goes() -> None:
    asked: list[Delivery] = []

    def deliver(wanted: Delivery) -> Report:
        asked.append(wanted)
        return Report(wanted, (Outcome("payments", "updated"),))

    settlement = settled(deliver)
    assert asked == [delivery()]
    assert (settlement.decision, settlement.is_retried, settlement.log_level, settlement.reason) == (
        "done",
        False,
        "info",
        "",
    )
    assert settlement.metrics() == Report(delivery(), (Outcome("payments", "updated"),)).metrics()
    assert settlement.log_fields()["targets"] == {"updated": 1}


@pytest.mark.parametrize("error", [Forbidden("grant it"), Unreachable("no answer"), Overtaken("changed"), OutOfTime()])
def test_a_message_whose_failure_passes_comes_back(error: KeyferryError) -> None:
    settlement = settled(ends(of_the_whole=error))
    assert (settlement.decision, settlement.is_retried, settlement.log_level) == ("retry later", True, "warning")
    assert settlement.reason == f"{type(error).__name__}: {error}"
    assert settlement.metrics()["MessagesRetried"] == 1


@pytest.mark.parametrize("error", [Conflict("stop helm"), NamespaceGone("create it"), SourceUnusable("mend it")])
@pytest.mark.parametrize("of_the_whole", [False, True])
def test_a_message_whose_failure_lasts_is_a_dead_letter_with_its_reason(
    error: KeyferryError, of_the_whole: bool
) -> None:
    settlement = settled(ends(of_the_whole=error) if of_the_whole else ends(error))
    assert (settlement.decision, settlement.is_retried, settlement.log_level) == ("dead letter", False, "error")
    assert (settlement.reason, settlement.delivery) == (f"{type(error).__name__}: {error}", delivery())
    assert settlement.metrics()["MessagesDeadLettered"] == 1


def test_the_log_line_leads_to_what_is_to_be_done_about_the_error_that_its_reason_begins_with() -> None:
    fields = settled(ends(Unreachable("no answer"), SourceUnusable("no JSON")), attempt=MAX_RECEIVES).log_fields()
    assert fields["reason"].startswith("SourceUnusable: ")
    assert fields["help"] == "https://keyferry.dev/operate/troubleshooting/#sourceunusable"
    assert "help" not in settled(ends()).log_fields()


def test_a_dead_letter_names_the_owner_of_the_mapping() -> None:
    owner = Team(team="payments")
    assert settled(lambda asked: Report(asked, error=Conflict("stop helm"), owner=owner)).owner == owner


def test_a_source_that_is_missing_is_asked_for_once_more_since_an_event_can_be_early() -> None:
    gone = SourceUnavailable("it does not exist")
    assert [settled(ends(of_the_whole=gone), attempt=attempt).decision for attempt in (1, 2)] == [
        "retry later",
        "dead letter",
    ]


def test_sources_that_are_missing_in_some_namespaces_are_one_dead_letter() -> None:
    deliver = ends(SourceUnavailable("it does not exist"), SourceUnavailable("nor does this"))
    settlements = [settled(deliver, attempt=attempt) for attempt in (1, 2)]
    assert [settlement.decision for settlement in settlements] == ["retry later", "dead letter"]
    assert [settlement.follow_ups for settlement in settlements] == [(), ()]


def test_namespaces_that_fail_go_on_as_deliveries_of_their_own_and_the_message_goes() -> None:
    settlement = settled(ends(Forbidden("grant it"), Overtaken("changed")))
    assert (settlement.decision, settlement.is_retried, settlement.log_level) == ("replaced", False, "warning")
    assert [(each.namespace, each.event_id) for each in settlement.follow_ups] == [("n0", "event-1"), ("n1", "event-1")]
    assert settlement.metrics()["MessagesReplaced"] == 1
    assert settlement.log_fields()["sent_on"] == ["n0", "n1"]
    groups = {each.group for each in (*settlement.follow_ups, delivery())}
    assert len(groups) == 3, "none of them waits for another"


def test_a_namespace_that_goes_on_alone_is_as_old_as_its_change() -> None:
    settlement = settled(ends(Forbidden("grant it")), attempt=3, age=3600)
    [follow_up] = settlement.follow_ups
    again = settle_delivery(message(follow_up.to_json()), ends(Forbidden("grant it")))
    assert again.age_seconds >= 3600
    assert [metric.name for metric in again.dimensioned_metrics()] == ["Failures"]


def test_a_delivery_to_one_namespace_is_never_split_so_that_hops_are_bounded() -> None:
    settlement = settle_delivery(message(delivery(namespace="n0").to_json()), ends(Forbidden("grant it")))
    assert (settlement.decision, settlement.follow_ups) == ("retry later", ())


@pytest.mark.parametrize("error", [OutOfTime(), ClusterUnreachable("no answer"), ClusterThrottled("slow down")])
def test_a_cause_of_the_whole_cluster_never_splits(error: KeyferryError) -> None:
    for deliver in (ends(Forbidden("grant it"), of_the_whole=error), ends(Forbidden("grant it"), error)):
        settlement = settled(deliver)
        assert (settlement.decision, settlement.follow_ups) == ("retry later", ())


def test_a_delivery_that_fails_in_every_namespace_is_not_split() -> None:
    def deliver(asked: Delivery) -> Report:
        return Report(asked, tuple(Outcome(name, "failed", error=Forbidden("grant it")) for name in ("a", "b")))

    settlement = settled(deliver)
    assert (settlement.decision, settlement.follow_ups) == ("retry later", ())


def test_what_needs_repair_is_one_dead_letter_and_what_can_pass_goes_on_beside_it() -> None:
    settlement = settled(ends(Conflict("stop helm"), Forbidden("grant it"), SourceUnusable("mend it")))
    assert (settlement.decision, [each.namespace for each in settlement.follow_ups]) == ("dead letter", ["n1"])
    assert settlement.errors == (settlement.errors[0], settlement.errors[1])
    assert {type(error) for error in settlement.errors} == {Conflict, SourceUnusable}


def test_a_passing_failure_that_lasts_for_a_day_is_given_up_with_its_reason() -> None:
    alone = delivery(namespace="n0").to_json()

    def at(age: float) -> Settlement:
        return settle_delivery(message(alone, attempt=9, age=age), ends(Forbidden("grant it")))

    assert at(GIVE_UP_SECONDS - 60).decision == "retry later"
    assert (at(GIVE_UP_SECONDS + 1).decision, at(GIVE_UP_SECONDS + 1).reason) == ("dead letter", "Forbidden: grant it")


# Deliveries of a sweep


def of_sweep(seconds: float = 3600) -> str:
    return delivery(expires=datetime.now(UTC) + timedelta(seconds=seconds)).to_json()


def test_a_delivery_of_a_sweep_that_can_never_succeed_is_dropped_since_the_next_sweep_says_it_again() -> None:
    settlement = settle_delivery(message(of_sweep()), ends(of_the_whole=Conflict("stop helm")))
    assert (settlement.decision, settlement.log_level) == ("dropped", "error")
    assert settlement.metrics()["MessagesDropped"] == 1
    assert [metric.name for metric in settlement.dimensioned_metrics()] == ["Failures"], "it is told to its owner"


def test_a_delivery_that_a_newer_sweep_has_superseded_is_dropped_unseen() -> None:
    settlement = settle_delivery(message(of_sweep(-1)), raises(AssertionError("it is not carried out")))
    assert (settlement.decision, settlement.log_level, settlement.is_retried) == ("superseded", "info", False)
    names = {"event_id": "event-1", "mapping": "payments-db", "cluster": "prod-eu"}
    assert settlement.log_fields() == names | {"reason": "a newer sweep has begun, and finds the same"}
    assert settlement.metrics() == {"MessagesSuperseded": 1}


def test_what_a_sweep_has_sent_stays_of_that_sweep_in_each_namespace() -> None:
    settlement = settle_delivery(message(of_sweep()), ends(Forbidden("grant it")))
    assert [follow_up.is_of_sweep for follow_up in settlement.follow_ups] == [True]


# Deaths


def died(deaths: int, **fields: object) -> Settlement:
    body = delivery(deaths=deaths, **fields).to_json()
    return settle_delivery(message(body, attempt=2), raises(FunctionDied("the function was killed")))


def test_a_delivery_that_has_killed_its_function_is_sent_again_with_the_number_of_deaths() -> None:
    for deaths in (0, 1):
        settlement = died(deaths)
        assert (settlement.decision, settlement.is_retried) == ("replaced", False)
        assert settlement.follow_ups == (delivery(deaths=deaths + 1),)
    ids = {delivery(deaths=deaths).deduplication_id for deaths in range(3)}
    assert len(ids) == 3, "SQS drops none of them as a copy of another"


def test_a_delivery_that_has_killed_its_function_three_times_is_a_dead_letter_with_that_reason() -> None:
    settlement = died(2)
    assert (settlement.decision, settlement.follow_ups) == ("dead letter", ())
    assert settlement.reason == "the function was killed; that was death number 3"
    assert [metric.name for metric in settlement.dimensioned_metrics()] == ["Failures"]


def test_a_delivery_of_a_sweep_that_kills_its_function_is_dropped() -> None:
    assert died(2, expires=datetime.now(UTC) + timedelta(hours=1)).decision == "dropped"


@pytest.mark.parametrize("attempt", [4, 11, 250])
def test_receives_are_no_deaths(attempt: int) -> None:
    assert settled(ends(), attempt=attempt, age=3 * GIVE_UP_SECONDS).decision == "done"


# Releases and mappings that a message needs


@pytest.mark.parametrize("age", [0, UNKNOWN_NAME_SECONDS - 60])
def test_an_unknown_mapping_is_waited_for_for_ten_minutes(age: int) -> None:
    missing = UnknownName("mapping x is not among this deployment's mappings")
    assert settled(raises(missing), age=age).decision == "retry later"


def test_without_mappings_a_message_waits_for_longer_than_a_day() -> None:
    settlement = settled(raises(MappingsUnreadable("build the mappings layer")), age=3 * GIVE_UP_SECONDS)
    assert (settlement.decision, settlement.metrics()["MappingsUnreadable"]) == ("retry later", 1)


def test_an_unknown_mapping_is_then_dropped_and_counted() -> None:
    settlement = settled(raises(UnknownName("mapping x is not here")), age=UNKNOWN_NAME_SECONDS + 1)
    assert (settlement.decision, settlement.is_retried, settlement.log_level) == ("dropped", False, "error")
    assert settlement.metrics()["MessagesDropped"] == 1
    assert settlement.log_fields()["reason"] == "mapping x is not here"


@pytest.mark.parametrize("attempt", [1, 2_000])
def test_a_delivery_for_a_cluster_that_has_left_ends_at_once_however_long_it_has_waited_for_it(attempt: int) -> None:
    """A cluster that does not answer is waited for for a day; once it has left the mappings, nothing waits for it."""
    left = build_catalog([mapping(clusters=["prod-eu"])], [cluster("prod-eu")])

    def deliver(delivery: Delivery) -> Report:
        left.get(delivery.mapping, "prod-us")
        raise AssertionError("the cluster is still there")

    settlement = settled(deliver, attempt=attempt, age=UNKNOWN_NAME_SECONDS + 1)
    assert (settlement.decision, settlement.is_retried, settlement.follow_ups) == ("dropped", False, ())
    assert settlement.log_fields()["reason"] == "mapping payments-db has no cluster prod-us in this deployment"
    assert "MessagesDeadLettered" not in settlement.metrics()


def test_a_message_of_a_newer_release_waits_for_its_deployment_and_is_then_a_dead_letter() -> None:
    newer = BODY[:-1] + ',"canary-field":"canary-1"}'

    def at(age: float) -> Settlement:
        return settle_delivery(message(newer, age=age), raises(AssertionError("it is not carried out")))

    assert at(0).decision == at(UNKNOWN_NAME_SECONDS - 60).decision == "retry later"
    late = at(UNKNOWN_NAME_SECONDS + 1)
    assert (late.decision, late.metrics()) == ("dead letter", {"MessagesDeadLettered": 1, "UnknownNames": 1})
    assert "newer release" in late.reason
    assert "canary" not in late.reason


@pytest.mark.parametrize(
    ("error", "decision"), [(AccessDenied("grant it"), "retry later"), (WrongCluster("name a role"), "dead letter")]
)
def test_an_error_before_there_are_targets_is_settled_like_one_of_a_target(error: KeyferryError, decision: str) -> None:
    settlement = settled(raises(error))
    assert settlement.decision == decision
    assert settlement.metrics()["TargetsFailed"] == 1


@pytest.mark.parametrize("body", ["", "not JSON", "[]", "{}", '{"mapping": "canary-1", "more": 1}'])
def test_a_body_that_is_no_delivery_is_a_dead_letter(body: str) -> None:
    settlement = settle_delivery(message(body), raises(AssertionError("nothing to deliver")))
    assert (settlement.decision, settlement.result, settlement.delivery) == ("dead letter", None, None)
    assert settlement.reason == "not a delivery: the body does not follow the form of this version"
    assert settlement.metrics() == {"MessagesDeadLettered": 1.0}
    assert "canary" not in str(settlement.log_fields())


def test_what_was_done_is_told_even_where_the_queue_refuses_what_was_decided() -> None:
    settlement = settled(ends(Conflict("stop helm"))).retry_instead("the queue refuses it")
    assert settlement.is_retried
    assert settlement.reason == "Conflict: stop helm; the queue refuses it"
    assert settlement.log_fields()["targets"] == {"updated": 1, "failed": 1}


def test_an_error_that_nobody_foresaw_is_told_without_its_text_and_comes_back() -> None:
    settlement = settled(raises(ZeroDivisionError("canary")))
    assert (settlement.decision, settlement.log_level) == ("retry later", "error")
    assert "Unexpected: ZeroDivisionError at " in settlement.reason
    assert "canary" not in settlement.reason
    assert settlement.metrics()["TargetsFailed"] == 1


@pytest.mark.parametrize(("error", "level"), [(Unreachable("no answer"), "warning"), (ValueError("canary"), "error")])
def test_work_that_ends_in_an_error_is_tried_again(error: Exception, level: str) -> None:
    settlement = settle_error(error)
    assert (settlement.decision, settlement.log_level) == ("retry later", level)
    assert settlement.metrics() == {"MessagesRetried": 1.0, "PipelineErrors": 1.0}
    assert "canary" not in str(settlement.log_fields())


@pytest.mark.parametrize(
    ("attempt", "least", "most"),
    [(1, 2, 4), (2, 4, 8), (3, 8, 16), (6, 64, 128), (7, 128, 256), (8, 150, 300), (9, 150, 300), (500, 150, 300)],
)
def test_delays_grow_from_seconds_to_five_minutes_and_differ(attempt: int, least: int, most: int) -> None:
    found = {choose_delay_seconds(attempt, []) for _ in range(300)}
    assert least <= min(found) <= max(found) <= most
    assert len(found) > 1


def test_a_days_worth_of_delays_is_not_more_attempts_than_a_queue_counts() -> None:
    attempts, seconds = 0, 0
    while seconds < GIVE_UP_SECONDS:
        attempts += 1
        seconds += choose_delay_seconds(attempts, [])
    assert attempts < 600  # a queue gives up after 1,000 at most


def test_an_unavailable_cluster_is_waited_for_longer_than_it_is_remembered_and_for_less_than_a_minute() -> None:
    for attempt in (1, 20):
        delays = {choose_delay_seconds(attempt, [Unauthorized("prod-eu", "role"), Conflict("x")]) for _ in range(300)}
        assert 30 < min(delays) < max(delays) <= 50


def test_what_only_needs_more_time_comes_back_at_once() -> None:
    assert max(choose_delay_seconds(20, [OutOfTime()]) for _ in range(100)) <= 5


def test_reasons_name_each_failure_once_those_that_need_repair_first() -> None:
    errors = [Forbidden("a"), Forbidden("a"), Conflict("b"), Forbidden("c"), Forbidden("d"), Forbidden("e")]
    assert summarize(errors) == "Conflict: b; Forbidden: a; Forbidden: c (and 2 more)"
    assert summarize(errors[:1]) == "Forbidden: a"


DOWN = ends(of_the_whole=ClusterUnreachable("down"))


def test_before_sqs_moves_a_message_without_a_reason_a_copy_takes_its_place() -> None:
    assert settled(DOWN, attempt=MAX_RECEIVES - 1, age=9).decision == "retry later"
    settlement = settled(DOWN, attempt=MAX_RECEIVES, age=9)
    assert settlement.decision == "replaced"
    [copy] = settlement.follow_ups
    assert copy == delivery(since=copy.since)
    assert copy.since
    assert 9 <= (datetime.now(UTC) - copy.since).total_seconds() < 60
    assert settlement.dimensioned_metrics(), "the cluster's alarm stays on"
    moves = Stack.load().queues["Deliveries"]["RedrivePolicy"]["maxReceiveCount"]
    assert moves > MAX_RECEIVES + 50  # Lambda also receives messages while it throttles the function


def test_a_copy_is_as_old_as_the_first_message_and_what_it_becomes_too() -> None:
    def since(seconds: float) -> str:
        return delivery(since=datetime.now(UTC) - timedelta(seconds=seconds)).to_json()

    for attempt in (2, MAX_RECEIVES):
        late = settle_delivery(message(since(GIVE_UP_SECONDS + 1), attempt=attempt), DOWN)
        assert late.decision == "dead letter"
    [copy] = settle_delivery(message(since(7000), attempt=MAX_RECEIVES), DOWN).follow_ups
    assert copy.since
    assert (datetime.now(UTC) - copy.since).total_seconds() > 6999


@pytest.mark.unwatched
@pytest.mark.parametrize("name", ["nested loops", "doubled lists", "keys, doubled keys"])
def test_a_mapping_that_computes_too_much_is_a_dead_letter_of_its_owner(name: str) -> None:
    world = World()
    world.mapping = mapping(**{"data": {}, **BOMBS[name]})
    settlement = settle_delivery(message(delivery().to_json()), lambda _: world.deliver())
    assert settlement.decision == "dead letter"
    assert "mapping payments-db" in settlement.reason
    assert "computes too much" in settlement.reason or "becomes longer" in settlement.reason
