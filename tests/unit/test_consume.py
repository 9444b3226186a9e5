"""What becomes of a message: it leaves its queue when it is delivered, or when it lies on the dead-letter queue."""

from collections.abc import Callable

import pytest

from keyferry.delivery.report import Outcome, Report
from keyferry.errors import (
    AccessDenied,
    Conflict,
    Forbidden,
    KeyferryError,
    NamespaceGone,
    OutOfTime,
    Overtaken,
    SourceUnavailable,
    SourceUnusable,
    UnknownName,
    Unreachable,
    WrongCluster,
)
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery
from keyferry.pipeline.settle import GIVE_UP_SECONDS, UNKNOWN_SECONDS, Consumed, consume, delay_seconds, reason
from tests.unit.fake_queues import FakeBox, message
from tests.unit.samples import delivery

BODY = delivery().model_dump_json(by_alias=True, exclude_none=True)


def ends(*errors: KeyferryError, of_the_whole: KeyferryError | None = None) -> Callable[[Delivery], Report]:
    """Return a delivery that ends with these errors of namespaces."""
    failed = tuple(Outcome(f"n{number}", "failed", error=error) for number, error in enumerate(errors))
    return lambda asked: Report(asked, (Outcome("fine", "updated"), *failed), error=of_the_whole)


def raises(error: Exception) -> Callable[[Delivery], Report]:
    def deliver(_asked: Delivery) -> Report:
        raise error

    return deliver


def consumed(deliver: Callable[[Delivery], Report], box: FakeBox, *, attempt: int = 1, age: float = 0.0) -> Consumed:
    return consume(message(BODY, attempt=attempt, age=age), deliver, box)


def test_what_was_asked_is_delivered_and_the_message_goes() -> None:
    asked: list[Delivery] = []
    box = FakeBox()

    def deliver(each: Delivery) -> Report:
        asked.append(each)
        return Report(each, (Outcome("payments", "updated"),))

    found = consumed(deliver, box)
    assert asked == [delivery()]
    assert (found.fate, found.comes_back, found.log_level, found.reason) == ("delivered", False, "info", "")
    assert (box.postponed, box.buried) == ([], [])
    assert found.metrics() == found.report.metrics() if found.report else False
    assert found.log_fields()["targets"] == {"updated": 1}


@pytest.mark.parametrize("error", [Forbidden("grant it"), Unreachable("no answer"), Overtaken("changed"), OutOfTime()])
def test_a_passing_failure_is_postponed_and_comes_back(error: KeyferryError) -> None:
    box = FakeBox()
    found = consumed(ends(error), box)
    assert (found.fate, found.comes_back, found.log_level) == ("comes back", True, "warning")
    assert found.reason == f"{type(error).__name__}: {error}"
    assert found.metrics()["DeliveriesPostponed"] == 1
    assert [each for each, _ in box.postponed] == ["message-1"]
    assert box.buried == []


@pytest.mark.parametrize("error", [Conflict("stop helm"), NamespaceGone("create it"), SourceUnusable("mend it")])
@pytest.mark.parametrize("of_the_whole", [False, True])
def test_a_lasting_failure_is_put_on_the_dead_letter_queue_with_its_reason(
    error: KeyferryError, of_the_whole: bool
) -> None:
    box = FakeBox()
    found = consumed(ends(of_the_whole=error) if of_the_whole else ends(error), box)
    assert (found.fate, found.comes_back, found.log_level) == ("dead letter", False, "error")
    assert box.buried == [(BODY, f"{type(error).__name__}: {error}", delivery())]
    assert box.postponed == []
    assert found.metrics()["DeliveriesBuried"] == 1


def test_a_dead_letter_names_who_answers_for_the_mapping() -> None:
    box, owner = FakeBox(), Team(team="payments")
    consumed(lambda asked: Report(asked, error=Conflict("stop helm"), owner=owner), box)
    assert box.owners == [owner]


def test_a_source_that_is_not_there_is_asked_for_once_more_since_an_event_can_be_early() -> None:
    box, gone = FakeBox(), SourceUnavailable("it does not exist")
    found = [consumed(ends(gone), box, attempt=attempt).fate for attempt in (1, 2)]
    assert found == ["comes back", "dead letter"]
    assert len(box.postponed) == len(box.buried) == 1


def test_a_delivery_comes_back_until_all_that_passes_has_passed() -> None:
    box = FakeBox()
    assert consumed(ends(Conflict("stop helm"), Unreachable("no answer")), box).fate == "comes back"
    assert consumed(ends(Conflict("stop helm")), box).fate == "dead letter"


def test_a_passing_failure_that_lasts_for_a_day_is_given_up_with_its_reason() -> None:
    box = FakeBox()
    assert consumed(ends(Forbidden("grant it")), box, age=GIVE_UP_SECONDS - 60).fate == "comes back"
    found = consumed(ends(Forbidden("grant it"), Conflict("stop helm")), box, age=GIVE_UP_SECONDS + 1)
    assert found.fate == "dead letter"
    assert [why for _, why, _ in box.buried] == ["Conflict: stop helm; Forbidden: grant it"]


@pytest.mark.parametrize("age", [0, UNKNOWN_SECONDS - 60])
def test_an_unknown_mapping_is_waited_for_for_ten_minutes(age: int) -> None:
    box = FakeBox()
    found = consumed(raises(UnknownName("mapping x is not among this deployment's mappings")), box, age=age)
    assert (found.fate, len(box.postponed)) == ("comes back", 1)


def test_an_unknown_mapping_is_then_dropped_and_counted() -> None:
    box = FakeBox()
    found = consumed(raises(UnknownName("mapping x is not here")), box, age=UNKNOWN_SECONDS + 1)
    assert (found.fate, found.comes_back, found.log_level) == ("dropped", False, "error")
    assert found.metrics()["DeliveriesDropped"] == 1
    assert found.log_fields()["reason"] == "mapping x is not here"
    assert (box.postponed, box.buried) == ([], [])


@pytest.mark.parametrize(
    ("error", "fate"), [(AccessDenied("grant it"), "comes back"), (WrongCluster("name a role"), "dead letter")]
)
def test_an_error_before_there_are_targets_is_settled_like_one_of_a_target(error: KeyferryError, fate: str) -> None:
    found = consumed(raises(error), FakeBox())
    assert found.fate == fate
    assert found.metrics()["TargetsFailed"] == 1


@pytest.mark.parametrize("body", ["", "not JSON", "[]", "{}", '{"mapping": "canary-1"}', BODY[:-1] + ',"more":1}'])
def test_a_body_that_is_no_delivery_is_put_on_the_dead_letter_queue_as_it_is(body: str) -> None:
    box = FakeBox()
    found = consume(message(body), raises(AssertionError("nothing to deliver")), box)
    assert (found.fate, found.report) == ("dead letter", None)
    assert box.buried == [(body, "not a delivery: the body does not follow the form of this version", None)]
    assert found.metrics() == {"DeliveriesBuried": 1.0}
    assert "canary" not in str(found.log_fields())


@pytest.mark.parametrize("body", [BODY, "garbage"])
def test_a_message_that_cannot_be_put_on_the_dead_letter_queue_stays_on_its_own(body: str) -> None:
    box = FakeBox(failure=Unreachable("no answer from SQS"))
    found = consume(message(body), ends(Conflict("stop helm")), box)
    assert found.comes_back
    assert found.reason.endswith("; not put on the dead-letter queue: no answer from SQS")


def test_a_message_that_cannot_be_postponed_comes_back_all_the_same_and_what_was_done_is_told() -> None:
    found = consumed(ends(Forbidden("grant it")), FakeBox(failure=Unreachable("no answer from SQS")))
    assert found.comes_back
    assert found.reason == "Forbidden: grant it; not postponed: no answer from SQS"
    assert found.log_fields()["targets"] == {"updated": 1, "failed": 1}


def test_an_error_that_nobody_foresaw_is_told_without_its_text_and_comes_back() -> None:
    box = FakeBox()
    found = consumed(raises(ZeroDivisionError("canary")), box)
    assert (found.fate, len(box.postponed)) == ("comes back", 1)
    assert "Unexpected: ZeroDivisionError at " in found.reason
    assert "canary" not in found.reason
    assert found.metrics()["TargetsFailed"] == 1


@pytest.mark.parametrize(
    ("attempt", "least", "most"),
    [(1, 2, 4), (2, 4, 8), (3, 8, 16), (6, 64, 128), (7, 128, 256), (8, 150, 300), (9, 150, 300), (500, 150, 300)],
)
def test_delays_grow_from_seconds_to_five_minutes_and_differ(attempt: int, least: int, most: int) -> None:
    found = {delay_seconds(attempt) for _ in range(300)}
    assert least <= min(found) <= max(found) <= most
    assert len(found) > 1


def test_a_days_worth_of_delays_is_not_more_attempts_than_a_queue_counts() -> None:
    attempts, seconds = 0, 0
    while seconds < GIVE_UP_SECONDS:
        attempts += 1
        seconds += delay_seconds(attempts)
    assert attempts < 600  # a queue gives up after 1,000 at most


def test_reasons_name_each_failure_once_those_that_need_repair_first() -> None:
    errors = [Forbidden("a"), Forbidden("a"), Conflict("b"), Forbidden("c"), Forbidden("d"), Forbidden("e")]
    assert reason(errors) == "Conflict: b; Forbidden: a; Forbidden: c (and 2 more)"
    assert reason(errors[:1]) == "Forbidden: a"
