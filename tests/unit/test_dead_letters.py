"""What a dead letter is about, what takes its place, and how letters are worked off ten at a time."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry.cli.dead_letters import work_off
from keyferry.cli.dead_letters.letter import DeadLetter, Letters, Queue, Replay, build_replay
from keyferry.cli.dead_letters.listing import Selection, look
from keyferry.cli.dead_letters.queue import MAX_LETTERS, DeadLetterQueue, send_replays
from keyferry.cli.dead_letters.work_off import Progress
from keyferry.errors import InvalidInput
from keyferry.guides import link_error
from keyferry.model import Delivery
from keyferry.pipeline.settle import parse_delivery
from keyferry.stores.events import parse
from tests.unit.fake_queues import FakeLetters
from tests.unit.samples import envelope

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
TARGETS: Mapping[str, Queue] = {
    f"arn:aws:sqs:eu-west-1:111122223333:keyferry-{queue}": queue for queue in ("changes", "sweeps")
}
TO_CHANGES, TO_SWEEPS = TARGETS
ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
FIFO, CHANGES, EVENTS = "deliveries-dead-letters.fifo", "changes-dead-letters", "events-dead-letters"
DELETED = envelope(
    "AWS API Call via CloudTrail",
    "aws.secretsmanager",
    {
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "DeleteSecret",
        "requestParameters": {"secretId": "prod/payments/db"},
    },
)
MOVED = envelope(
    "Secret Label Updated",
    "aws.secretsmanager",
    {"name": "prod/payments/db", "labelUpdated": "AWSCURRENT", "versionId": "version-2"},
)
FAILED = envelope(
    "AWS Service Event via CloudTrail",
    "aws.secretsmanager",
    {
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "RotationFailed",
        "additionalEventData": {
            "SecretId": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/payments/db-abcdef"
        },
    },
)
STATUS = envelope("CloudFormation Stack Status Change", "aws.cloudformation", {})


def delivery(mapping: str = "payments-db", **more: Any) -> Delivery:  # noqa: ANN401  # its fields
    return Delivery(**{"mapping": mapping, "cluster": "prod-eu", "event_id": "event-1", "time": NOW} | more)


def letter(queue: Letters, body: object, message_id: str = ID, **attributes: str) -> DeadLetter:
    text = body if isinstance(body, str) else json.dumps(body)
    return DeadLetter(queue, message_id, text, NOW, attributes)


# What a letter says


def test_a_delivery_tells_its_mapping_its_place_and_its_reason_with_the_guide() -> None:
    reason = "mappings/db.yaml:12: SourceUnusable: source db has no key password"
    found = letter("deliveries", delivery(namespace="payments").to_json(), reason=reason, team="payments")
    assert (found.about, found.cause, found.team) == ("payments-db to prod-eu/payments", reason, "payments")
    assert found.help == link_error("SourceUnusable")


def test_what_sqs_itself_has_moved_leads_to_the_log_of_its_function() -> None:
    assert "the log of route" in letter("changes", MOVED).cause
    assert "the log of deliver" in letter("deliveries", delivery().to_json()).cause
    assert "the log of reconcile" in letter("sweeps", {}).cause
    assert "does not say why" in letter("events", MOVED).cause
    assert letter("sweeps", {}).help == ""


def test_what_eventbridge_could_not_hand_over_has_its_error() -> None:
    told = {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "User is not authorized"}
    assert letter("events", MOVED, **told).cause == "NO_PERMISSIONS: User is not authorized"


@pytest.mark.parametrize(
    ("queue", "body", "about", "loss"),
    [
        ("changes", MOVED, "prod/payments/db", "the next sweep sends what still differs"),
        ("changes", DELETED, "prod/payments/db", "the deletion of prod/payments/db: no sweep carries that out"),
        ("changes", FAILED, "prod/payments/db or prod/payments/db-abcdef", "nothing: no delivery follows from it"),
        ("changes", {"Type": "Notification", "Message": json.dumps(MOVED)}, "prod/payments/db", "the next sweep sends"),
        ("changes", "not JSON", "not readable", "nothing: no delivery follows from it"),
        ("sweeps", {}, "a sweep", "the next sweep does the same"),
        ("sweeps", {"mapping": "db", "reason": "schedule"}, "a sweep of mapping db", "the next sweep does the same"),
        ("sweeps", STATUS, "a sweep", "the next sweep does the same"),
        ("sweeps", {"mappings": 1}, "not readable", "not known: this release cannot read it"),
        ("deliveries", delivery().to_json(), "payments-db to prod-eu", "the next sweep sends what still differs"),
        ("deliveries", delivery(deleted=["db"]).to_json(), "payments-db to prod-eu", "the deletion of db"),
        ("deliveries", delivery(restart="0123456789abcdef").to_json(), "payments-db to prod-eu", "the restart that"),
        ("deliveries", {"mapping": "db"}, "not readable", "not known: this release cannot read it"),
    ],
)
def test_each_letter_says_what_it_is_about_and_what_is_lost_with_it(
    queue: Letters, body: object, about: str, loss: str
) -> None:
    found = letter(queue, body)
    assert found.about == about
    assert loss in found.loss


# What takes its place


def test_a_delivery_is_sent_as_one_of_a_change_under_an_id_made_of_the_letters() -> None:
    old = delivery(deleted=["db"], takes_back=True, deaths=2, since=NOW, expires=NOW, restart="0123456789abcdef")
    made = build_replay(letter("deliveries", old.to_json()), TARGETS)
    new = parse_delivery(made.body)
    assert new == delivery(event_id=f"replay-{ID}", deleted=["db"], takes_back=True, restart="0123456789abcdef")
    assert (made.queue, made.group, made.event_id) == ("deliveries", old.group, new.event_id)
    assert made.deduplication_id == new.deduplication_id
    assert build_replay(letter("deliveries", old.to_json()), TARGETS) == made, "a second replay is the same message"


def test_an_event_is_sent_to_route_under_another_id_and_is_still_the_same_change() -> None:
    for body in (MOVED, {"Type": "Notification", "Message": json.dumps(MOVED)}):
        made = build_replay(letter("changes", body), TARGETS)
        assert (made.queue, made.group, made.deduplication_id) == ("changes", "", "")
        assert json.loads(made.body) == {**MOVED, "id": f"replay-{ID}"}
        change: Any = parse(json.loads(made.body))
        assert (change.names, change.event_id) == (("prod/payments/db",), f"replay-{ID}")


def test_a_sweep_begins_anew_with_its_own_names() -> None:
    rest = {"mapping": "db", "reason": "schedule", "hops": 16, "begun": NOW.isoformat(), "cursor": {}}
    made = build_replay(letter("sweeps", rest), TARGETS)
    assert json.loads(made.body) == {"mapping": "db", "reason": "replay of a dead letter"}
    assert made.queue == "sweeps"


def test_what_eventbridge_could_not_hand_over_goes_to_the_queue_that_its_rule_has() -> None:
    event = build_replay(letter("events", MOVED, TARGET_ARN=TO_CHANGES), TARGETS)
    assert (event.queue, json.loads(event.body)["id"]) == ("changes", f"replay-{ID}")
    for body in (STATUS, '{"reason": "schedule"}', '{"MessageBody": "{}"}'):  # whatever the scheduler says of it
        sweep = build_replay(letter("events", body, TARGET_ARN=TO_SWEEPS), TARGETS)
        assert (sweep.queue, json.loads(sweep.body)) == ("sweeps", {"reason": "replay of a dead letter"})


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (letter("events", MOVED, TARGET_ARN=f"{TO_CHANGES}-of-others"), "no queue of this stack"),
        (letter("events", MOVED), "it has no TARGET_ARN"),
        (letter("events", STATUS, TARGET_ARN="arn:aws:sqs:eu-west-1:444455556666:keyferry-sweeps"), "no queue of this"),
        (letter("changes", {"id": 1}), "it is no event"),
        (letter("deliveries", {"mapping": "db"}), "none of the deliveries that this release can read"),
        (letter("sweeps", {"mapping": 1}), "none of the sweeps that this release can read"),
    ],
)
def test_what_nothing_can_take_the_place_of_says_why(found: DeadLetter, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        build_replay(found, TARGETS)


# The queues


def lay_deliveries(sqs: FakeLetters, *names: str, each: int = 1, sent: datetime = NOW) -> list[str]:
    """Let dead letters of mappings lie on the FIFO queue, and return their ids."""
    ids = []
    for name, number in itertools.product(names, range(each)):
        ids.append(f"{name}-{number}")
        sqs.lay(FIFO, ids[-1], delivery(name).to_json(), sent, f"{name}/prod-eu", reason="Conflict: a key")
    return ids


def queue(sqs: FakeLetters, name: Letters = "deliveries", url: str = FIFO) -> DeadLetterQueue:
    return DeadLetterQueue(sqs.client, name, url)


def everything(_letter: DeadLetter) -> bool:
    return True


def replay(sqs: FakeLetters, is_asked: Callable[[DeadLetter], bool] = everything, *queues: DeadLetterQueue) -> Progress:
    progress = Progress()

    def send(target: Queue, replays: Sequence[Replay]) -> Mapping[int, str]:
        return send_replays(sqs.client, target, replays)

    work_off.replay(queues or [queue(sqs)], is_asked, TARGETS, send, progress, lambda: None)
    return progress


def test_a_look_shows_ten_of_a_group_tells_of_the_others_and_leaves_all_visible() -> None:
    sqs = FakeLetters()
    ids = lay_deliveries(sqs, "db", each=34) + lay_deliveries(sqs, "web", each=3)
    seen = look([queue(sqs)], Selection(), lambda: None)
    assert {found.id for found in seen.letters} == {*ids[:10], *ids[34:]}
    assert seen.unlisted == {"deliveries": 24}
    assert sqs.hidden_ids == set()
    assert sqs.ids(FIFO) == ids


def test_what_is_looked_at_is_visible_again_where_the_look_fails() -> None:
    sqs = FakeLetters()
    lay_deliveries(sqs, "db", "web", each=10)
    receives = itertools.count()

    def fail(operation: str) -> None:
        if operation == "ReceiveMessage" and next(receives) == 1:
            raise KeyboardInterrupt

    sqs.call = fail
    with pytest.raises(KeyboardInterrupt):
        look([queue(sqs)], Selection(), lambda: None)
    assert sqs.hidden_ids == set()


def test_a_look_ends_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyferry.cli.dead_letters.queue.MAX_LETTERS", 30)
    sqs = FakeLetters()
    lay_deliveries(sqs, *(f"db-{number}" for number in range(45)))
    seen = look([queue(sqs)], Selection(), lambda: None)
    assert (len(seen.letters), seen.unlisted) == (30, {"deliveries": 15})
    assert MAX_LETTERS < 20_000, "more than SQS hides at the same time of a FIFO queue"


def test_a_choice_names_ids_a_queue_a_mapping_a_cluster_or_an_owner() -> None:
    found = letter("deliveries", delivery().to_json(), team="payments")
    other = letter("changes", MOVED, "other")
    for chosen in (
        {"ids": frozenset([ID])},
        {"queue": "deliveries"},
        {"mapping": "payments-db"},
        {"cluster": "prod-eu"},
        {"owner": "payments"},
    ):
        selection = Selection(**chosen)
        assert [selection.matches(found), selection.matches(other)] == [True, False], chosen
    assert Selection().matches(other)


def test_an_id_that_is_not_there_is_an_error_and_all_is_visible() -> None:
    sqs = FakeLetters()
    lay_deliveries(sqs, "db")
    with pytest.raises(InvalidInput, match="no dead letter gone now"):
        look([queue(sqs)], Selection(frozenset(["gone", "db-0"])), lambda: None)
    assert sqs.hidden_ids == set()


def test_a_replay_works_off_also_what_lies_behind_ten_others_each_once() -> None:
    sqs = FakeLetters()
    ids = lay_deliveries(sqs, "db", each=34)
    progress = replay(sqs)
    assert sqs.ids(FIFO) == []
    sent = [parse_delivery(entry["MessageBody"]).event_id for entry in sqs.kept["deliveries"]]
    assert sent == [f"replay-{id_}" for id_ in ids], "in their order"
    assert [(found.id, event_id) for found, event_id in progress.done] == [(id_, f"replay-{id_}") for id_ in ids]
    assert (progress.left, progress.under_way) == ([], [])


def test_what_is_not_asked_for_stays_and_is_visible() -> None:
    sqs = FakeLetters()
    lay_deliveries(sqs, "db", "web", each=2)
    replay(sqs, Selection(mapping="db").matches)
    assert sqs.ids(FIFO) == ["web-0", "web-1"]
    assert sqs.hidden_ids == set()
    assert len(sqs.kept["deliveries"]) == 2


def test_letters_of_several_queues_go_each_to_its_own() -> None:
    sqs = FakeLetters()
    lay_deliveries(sqs, "db")
    sqs.lay(EVENTS, "event-1", json.dumps(MOVED), NOW, TARGET_ARN=TO_CHANGES)
    sqs.lay(EVENTS, "event-2", json.dumps(STATUS), NOW, TARGET_ARN=TO_SWEEPS)
    sqs.lay(EVENTS, "event-3", json.dumps(MOVED), NOW, TARGET_ARN="arn:aws:sqs:eu-west-1:444455556666:other")
    progress = replay(sqs, everything, queue(sqs), queue(sqs, "events", EVENTS))
    assert {url: len(entries) for url, entries in sqs.kept.items()} == {"deliveries": 1, "changes": 1, "sweeps": 1}
    assert sqs.ids(EVENTS) == ["event-3"]
    assert [found.id for found, _ in progress.left] == ["event-3"]
    assert sqs.hidden_ids == set()


def test_what_sqs_does_not_take_stays() -> None:
    sqs = FakeLetters(fails={"db/prod-eu": 1})
    lay_deliveries(sqs, "db", "web")
    progress = replay(sqs)
    assert sqs.ids(FIFO) == ["db-0"]
    assert [(found.id, why) for found, why in progress.left] == [("db-0", "SQS did not take it: InternalError")]
    assert sqs.hidden_ids == set()


def test_what_was_sent_and_is_not_deleted_says_so_and_a_second_replay_is_the_same_message() -> None:
    sqs = FakeLetters(undeletable={"db-0"})
    lay_deliveries(sqs, "db")
    progress = replay(sqs)
    assert (progress.done, [why for _, why in progress.left]) == (
        [],
        ["it was sent, and SQS did not delete it: replay it again"],
    )
    sqs.undeletable.clear()
    assert [found.id for found, _ in replay(sqs).done] == ["db-0"]
    assert len(sqs.kept["deliveries"]) == 1, "SQS drops the second one"


@pytest.mark.parametrize("number", range(7))
def test_a_replay_that_is_interrupted_before_any_call_loses_nothing_and_sends_nothing_twice(number: int) -> None:
    sqs = FakeLetters()
    ids = lay_deliveries(sqs, "db", each=12) + lay_deliveries(sqs, "web", each=1)
    calls = itertools.count()

    def interrupt(operation: str) -> None:
        if operation != "ChangeMessageVisibility" and next(calls) == number:
            raise KeyboardInterrupt

    sqs.call = interrupt
    with pytest.raises(KeyboardInterrupt):
        replay(sqs)
    sqs.call = lambda _operation: None
    lying, sent = sqs.ids(FIFO), [json.loads(each["MessageBody"]) for each in sqs.kept.get("deliveries", [])]
    assert {*lying, *(each["eventId"].removeprefix("replay-") for each in sent)} == set(ids), "nothing is lost"
    assert sqs.hidden_ids == set()
    replay(sqs)
    assert sqs.ids(FIFO) == []
    assert sorted(json.loads(each["MessageBody"])["eventId"] for each in sqs.kept["deliveries"]) == sorted(
        f"replay-{id_}" for id_ in ids
    )


def test_an_interruption_tells_what_may_have_been_sent() -> None:
    sqs, progress = FakeLetters(), Progress()
    lay_deliveries(sqs, "db")

    def die(_queue: Queue, _replays: Sequence[Replay]) -> Mapping[int, str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_off.replay([queue(sqs)], everything, TARGETS, die, progress, lambda: None)
    assert [found.id for found in progress.under_way] == ["db-0"]


def test_what_comes_back_as_a_dead_letter_meanwhile_is_not_sent_again_and_again() -> None:
    sqs = FakeLetters()
    lay_deliveries(sqs, "db")
    numbers = itertools.count()

    def fail_again(operation: str) -> None:
        if operation == "DeleteMessage":
            name = f"again-{next(numbers)}"
            sqs.lay(FIFO, name, delivery("db").to_json(), NOW + timedelta(minutes=1), "db/prod-eu")

    sqs.call = fail_again
    progress = replay(sqs, lambda found: found.sent <= NOW)
    assert [found.id for found, _ in progress.done] == ["db-0"]
    assert sqs.ids(FIFO) == ["again-0"]
    assert sqs.hidden_ids == set()


def test_a_drop_deletes_what_was_shown_and_nothing_else() -> None:
    sqs, progress = FakeLetters(undeletable={"web-0"}), Progress()
    ids = lay_deliveries(sqs, "db", each=12) + lay_deliveries(sqs, "web", each=1)
    shown = {*ids[:10], "web-0"}
    work_off.drop([queue(sqs)], lambda found: found.id in shown, progress, lambda: None)
    assert sqs.ids(FIFO) == [*ids[10:12], "web-0"]
    assert {found.id for found, _ in progress.done} == set(ids[:10])
    assert [(found.id, why) for found, why in progress.left] == [("web-0", "SQS did not delete it")]
    assert sqs.hidden_ids == set()
    assert sqs.kept == {}
