"""Deliveries reach SQS in batches, what a batch leaves is sent again, and dead letters carry their reason."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from keyferry.aws.sqs import SEND_TRIES, DeliveryQueue, MessageControl
from keyferry.errors import AccessDenied, Unreachable
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery
from keyferry.pipeline.settle import Settlement
from tests.unit.fake_queues import message
from tests.unit.samples import delivery

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass
class FakeSqs:
    """SQS with memory: FIFO queues that drop what they have seen, and entries that fail as often as a test says."""

    kept: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    fails: dict[str, int] = field(default_factory=dict)
    """Message group → how often its entries still fail."""
    hidden: list[tuple[str, str, int]] = field(default_factory=list)
    error: Exception | None = None

    @property
    def client(self) -> "SQSClient":
        return cast("SQSClient", self)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if self.error:
            raise self.error
        self.batches.append(len(Entries))
        failed = []
        for entry in Entries:
            left = self.fails.get(entry["MessageGroupId"], 0)
            if left:
                self.fails[entry["MessageGroupId"]] = left - 1
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self._keep(QueueUrl, entry)
        assert len({entry["Id"] for entry in Entries}) == len(Entries) <= 10
        return {"Failed": failed} if failed else {}

    def send_message(self, *, QueueUrl: str, **entry: Any) -> None:  # noqa: ANN401, N803
        if self.error:
            raise self.error
        self._keep(QueueUrl, entry)

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        if self.error:
            raise self.error
        self.hidden.append((QueueUrl, ReceiptHandle, VisibilityTimeout))

    def _keep(self, url: str, entry: dict[str, Any]) -> None:
        queue = self.kept.setdefault(url, [])
        if entry["MessageDeduplicationId"] not in [each["MessageDeduplicationId"] for each in queue]:
            queue.append(entry)


def many(count: int) -> list[Delivery]:
    return [delivery(mapping=f"m{number:02}") for number in range(count)]


def sent(sqs: FakeSqs) -> list[str]:
    return [entry["MessageGroupId"] for entry in sqs.kept.get("deliveries", [])]


@pytest.mark.parametrize(("count", "batches"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_deliveries_are_sent_in_batches_of_ten(count: int, batches: list[int]) -> None:
    sqs = FakeSqs()
    DeliveryQueue(sqs.client, "deliveries").send(many(count))
    assert sqs.batches == batches
    assert len(sent(sqs)) == count


def test_a_message_is_the_delivery_with_its_group_and_deduplication_id() -> None:
    sqs = FakeSqs()
    asked = delivery(namespace="payments", versions={"db": "version-2"})
    DeliveryQueue(sqs.client, "deliveries").send([asked])
    [entry] = sqs.kept["deliveries"]
    assert Delivery.model_validate_json(entry["MessageBody"]) == asked
    assert json.loads(entry["MessageBody"])["eventId"] == "event-1"
    assert entry["MessageGroupId"] == "payments-db/prod-eu/payments"
    assert entry["MessageDeduplicationId"] == asked.deduplication_id


def test_failed_entries_of_a_batch_are_sent_again_and_only_those() -> None:
    sqs = FakeSqs(fails={"m03/prod-eu": 1, "m07/prod-eu": 2})
    DeliveryQueue(sqs.client, "deliveries").send(many(10))
    assert sqs.batches == [10, 2, 1]
    assert sorted(sent(sqs)) == [each.group for each in many(10)]


def test_an_entry_that_keeps_failing_fails_the_event_and_the_next_try_sends_nothing_twice() -> None:
    sqs = FakeSqs(fails={"m03/prod-eu": SEND_TRIES})
    queue = DeliveryQueue(sqs.client, "deliveries")
    with pytest.raises(Unreachable, match="1 deliveries could not be sent: InternalError"):
        queue.send(many(12))
    assert sqs.batches == [10, 1, 1]
    queue.send(many(12))
    assert sorted(sent(sqs)) == [each.group for each in many(12)]


def test_the_same_event_twice_is_one_delivery_and_another_event_is_another() -> None:
    sqs = FakeSqs()
    queue = DeliveryQueue(sqs.client, "deliveries")
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
        lambda: DeliveryQueue(sqs.client, "deliveries").send(many(1)),
        lambda: control.retry_later(message("{}"), 5),
        lambda: control.dead_letter(message("{}"), dead("why")),
    ]
    for call in calls:
        with pytest.raises(kind, match="sqs:") as raised:
            call()
        assert "canary" not in str(raised.value)


def test_a_message_that_comes_back_is_hidden_on_its_own_queue() -> None:
    sqs = FakeSqs()
    MessageControl(sqs.client, "deliveries", "dead").retry_later(message("{}", attempt=6), 70)
    assert sqs.hidden == [("deliveries", "receipt-1", 70)]


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
        message("{}"), dead('"ü"\n\x00\x1b\x9b\ud800' + "x" * 5000, delivery())
    )
    found = attributes(sqs.kept["dead"][0])["reason"]
    assert found.startswith(r'"ü"\x0a\x00\x1b\x9b\xd800x')
    assert len(found) < 1100
    assert found.isprintable()
