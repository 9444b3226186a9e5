"""Deliveries reach SQS in batches, what a batch leaves is sent again, and dead letters carry their reason."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from keyferry.aws.sqs import SEND_TRIES, SENDERS, SILENT_SECONDS, DeliveryQueue, MessageControl
from keyferry.errors import AccessDenied, OutOfTime, Unreachable
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery
from keyferry.pipeline.settle import Settlement
from keyferry.testing import FakeClock
from tests.unit.fake_queues import FakeSqs, message
from tests.unit.samples import delivery

if TYPE_CHECKING:
    pass


def many(count: int) -> list[Delivery]:
    return [delivery(mapping=f"m{number:02}") for number in range(count)]


def connect(sqs: FakeSqs, clock: FakeClock | None = None) -> DeliveryQueue:
    """Return the queue; its pauses move a clock."""
    return DeliveryQueue(sqs.client, "deliveries", (clock or FakeClock()).sleep)


def sent(sqs: FakeSqs) -> list[str]:
    return [entry["MessageGroupId"] for entry in sqs.kept.get("deliveries", [])]


@pytest.mark.parametrize(("count", "batches"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_deliveries_are_sent_in_batches_of_ten(count: int, batches: list[int]) -> None:
    sqs = FakeSqs()
    connect(sqs).send(many(count))
    assert sorted(sqs.batches, reverse=True) == batches
    assert len(sent(sqs)) == count


def test_a_message_is_the_delivery_with_its_group_and_deduplication_id() -> None:
    sqs = FakeSqs()
    asked = delivery(namespace="payments", versions={"db": "version-2"})
    connect(sqs).send([asked])
    [entry] = sqs.kept["deliveries"]
    assert Delivery.model_validate_json(entry["MessageBody"]) == asked
    assert json.loads(entry["MessageBody"])["eventId"] == "event-1"
    assert entry["MessageGroupId"] == "payments-db/prod-eu/payments"
    assert entry["MessageDeduplicationId"] == asked.deduplication_id


def test_failed_entries_of_a_batch_are_sent_again_and_only_those() -> None:
    sqs, clock = FakeSqs(fails={"m03/prod-eu": 1, "m07/prod-eu": 2}), FakeClock()
    connect(sqs, clock).send(many(10))
    assert sqs.batches == [10, 2, 1]
    assert clock.now > 0  # a pause before each try
    assert sorted(sent(sqs)) == [each.group for each in many(10)]


def test_an_entry_that_keeps_failing_fails_the_event_and_the_next_try_sends_nothing_twice() -> None:
    sqs = FakeSqs(fails={"m03/prod-eu": SEND_TRIES})
    queue = connect(sqs)
    with pytest.raises(Unreachable, match="1 deliveries could not be sent: InternalError"):
        queue.send(many(12))
    assert sorted(sqs.batches) == [1, 1, 2, 10]  # the other batch goes out all the same
    queue.send(many(12))
    assert sorted(sent(sqs)) == [each.group for each in many(12)]


def test_batches_are_sent_side_by_side() -> None:
    together = Barrier(SENDERS, timeout=5)
    sqs = FakeSqs(before=together.wait)
    connect(sqs).send(many(10 * SENDERS))
    assert len(sent(sqs)) == 10 * SENDERS


@pytest.mark.unwatched
def test_after_the_deadline_no_batch_is_begun_and_a_retry_of_a_huge_event_gets_further() -> None:
    clock = FakeClock()
    sqs = FakeSqs(before=lambda: clock.jump(1))
    counts = []
    for _ in range(50):
        with suppress(OutOfTime):
            connect(sqs, clock).send(many(600), clock.deadline(20))
        counts.append(len(sent(sqs)))
    assert counts[0] <= 10 * (20 + SENDERS)
    assert counts[0] < counts[1] < counts[-1] == 600


def test_the_tries_of_a_batch_end_at_the_deadline_too() -> None:
    clock = FakeClock()
    sqs = FakeSqs(fails={"m03/prod-eu": SEND_TRIES}, before=lambda: clock.jump(1))
    with pytest.raises(OutOfTime):
        connect(sqs, clock).send(many(10), clock.deadline(1))
    assert sqs.batches == [10]


@pytest.mark.unwatched
def test_a_queue_that_does_not_answer_ends_the_sending() -> None:
    tries: list[int] = []

    def fail_slowly() -> None:
        tries.append(1)
        time.sleep(0.002)

    with pytest.raises(Unreachable):
        connect(FakeSqs(error=LOST, before=fail_slowly)).send(many(10_000))
    assert len(tries) < 1000


def test_the_same_event_twice_is_one_delivery_and_another_event_is_another() -> None:
    sqs = FakeSqs()
    queue = connect(sqs)
    queue.send([delivery(), delivery()])
    queue.send([delivery(), delivery(event_id="event-2"), delivery(namespace="payments")])
    assert len(sent(sqs)) == 3


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "canary"}}, "SendMessage")
LOST = EndpointConnectionError(endpoint_url="https://canary")


@pytest.mark.parametrize(("error", "kind"), [(DENIED, AccessDenied), (LOST, Unreachable)])
def test_errors_of_sqs_become_keyferrys_own(error: Exception, kind: type[Exception]) -> None:
    sqs = FakeSqs(error=error)
    control = MessageControl(sqs.client, "deliveries", "dead")
    calls: list[Callable[[], None]] = [
        lambda: connect(sqs).send(many(1)),
        lambda: control.retry_later(message("{}"), 5),
        lambda: control.dead_letter(message("{}"), dead("why")),
        lambda: control.send("{}"),
    ]
    for call in calls:
        with pytest.raises(kind, match="sqs:") as raised:
            call()
        assert "canary" not in str(raised.value)


def test_a_message_that_comes_back_is_hidden_on_its_own_queue() -> None:
    sqs = FakeSqs()
    MessageControl(sqs.client, "deliveries", "dead").retry_later(message("{}", attempt=6), 70)
    assert sqs.hidden == [("deliveries", "receipt-1", 70)]


def test_a_queue_that_does_not_answer_is_asked_to_hide_one_message_and_others_a_while_later() -> None:
    clock = FakeClock()
    sqs = FakeSqs(error=LOST, before=lambda: clock.jump(8))
    control = MessageControl(sqs.client, "changes", clock=clock)
    for _ in range(10):
        with pytest.raises(Unreachable):
            control.retry_later(message("{}"), 5)
    assert clock.now == 8
    sqs.error = None
    clock.jump(SILENT_SECONDS)
    control.retry_later(message("{}"), 5)
    assert len(sqs.hidden) == 1


def test_a_queue_that_answers_with_an_error_is_asked_for_every_message() -> None:
    asked: list[None] = []
    sqs = FakeSqs(error=LOST, before=lambda: asked.append(None))
    control = MessageControl(sqs.client, "changes", clock=FakeClock(100))
    for _ in range(3):
        with pytest.raises(Unreachable):
            control.retry_later(message("{}"), 5)
    assert len(asked) == 3


def test_work_that_continues_later_goes_to_the_queue_that_the_function_reads() -> None:
    sqs = FakeSqs()
    MessageControl(sqs.client, "sweeps").send('{"hops":1}', 45)
    assert sqs.kept == {"sweeps": [{"MessageBody": '{"hops":1}', "DelaySeconds": 45}]}


def dead(reason: str, wanted: Delivery | None = None, owner: Team | None = None) -> Settlement:
    return Settlement("dead letter", reason=reason, delivery=wanted, owner=owner)


def attributes(entry: dict[str, Any]) -> dict[str, str]:
    assert {each["DataType"] for each in entry["MessageAttributes"].values()} == {"String"}
    return {name: each["StringValue"] for name, each in entry["MessageAttributes"].items()}


def test_a_dead_letter_carries_reason_mapping_cluster_and_attempt() -> None:
    sqs = FakeSqs()
    body = delivery().model_dump_json(by_alias=True)
    MessageControl(sqs.client, "deliveries", "dead").dead_letter(
        message(body, attempt=7), dead("Conflict: stop helm", delivery())
    )
    [entry] = sqs.kept["dead"]
    assert (entry["MessageBody"], entry["MessageGroupId"]) == (body, "payments-db/prod-eu")
    assert entry["MessageDeduplicationId"] == "message-1"
    assert attributes(entry) == {
        "reason": "Conflict: stop helm",
        "mapping": "payments-db",
        "cluster": "prod-eu",
        "attempt": "7",
    }


def test_a_dead_letter_names_who_answers_for_the_mapping() -> None:
    sqs = FakeSqs()
    owner = Team(team="payments", contact="#payments")
    MessageControl(sqs.client, "deliveries", "dead").dead_letter(message("{}"), dead("why", delivery(), owner))
    found = attributes(sqs.kept["dead"][0])
    assert (found["team"], found["contact"]) == ("payments", "#payments")


def test_a_dead_letter_that_was_no_delivery_goes_to_a_group_of_its_own() -> None:
    sqs = FakeSqs()
    MessageControl(sqs.client, "deliveries", "dead").dead_letter(message("garbage"), dead("not a delivery"))
    [entry] = sqs.kept["dead"]
    assert (entry["MessageBody"], entry["MessageGroupId"]) == ("garbage", "unknown")
    assert attributes(entry) == {"reason": "not a delivery", "attempt": "1"}


def test_a_reason_is_what_an_attribute_can_hold() -> None:
    sqs = FakeSqs()
    MessageControl(sqs.client, "deliveries", "dead").dead_letter(
        message("{}"), dead('"ü"\n\x00\x1b\x9b\ud800\ufffe\uffff' + "x" * 5000, delivery())
    )
    found = attributes(sqs.kept["dead"][0])["reason"]
    assert found.startswith(r'"ü"\x0a\x00\x1b\x9b\xd800\xfffe\xffffx')
    assert len(found) < 1100
    assert found.isprintable()
