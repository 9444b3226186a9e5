"""What `keyferry dead-letters` asks, does and answers."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.dead_letters.options import Seen
from keyferry.cli.dead_letters.work_off import PERHAPS
from keyferry.errors import AccessDenied, InvalidInput
from keyferry.model import Delivery
from tests.unit.cases import dead_letters as cases
from tests.unit.cases.dead_letters import IDS, MISSING_KEY
from tests.unit.fake_queues import FakeLetters
from tests.unit.shown import NOW

FIFO, EVENTS = "DeliveriesDeadLetters", "EventsDeadLetters"
VERBS = {"replay": "replayed", "drop": "dropped"}
OPTIONS = "keyferry.cli.commands.steer.dead_letters"


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeLetters:
    made = FakeLetters()
    cases.fill(made)
    cases.deploy(monkeypatch, made)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands believe that somebody can answer."""
    for verb in ("replay", "drop"):
        monkeypatch.setattr(f"{OPTIONS}.{verb}.check_can_ask", lambda *_: None)


def run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["dead-letters", *args], input=stdin)


def answer(*args: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(*args, "--output", "json").stdout)
    return told


def all_ids(sqs: FakeLetters) -> set[str]:
    return {*sqs.ids(FIFO), *sqs.ids(EVENTS)}


def test_json_has_each_letter_with_its_cause_owner_and_loss(sqs: FakeLetters) -> None:
    told = answer("list", "--owner", "payments")
    assert told["stack"] == "keyferry"
    first = told["deadLetters"][0]
    assert (first["id"], first["cause"], first["mapping"]) == (IDS[0], MISSING_KEY, "payments-db")
    assert first["owner"] == {"team": "payments", "contact": "#payments"}
    assert "body" not in first
    assert told["notListed"]["deliveries"] == 4
    assert sqs.hidden_ids == set()


def test_show_has_the_message_itself(sqs: FakeLetters) -> None:
    [shown] = answer("show", IDS[8])["deadLetters"]
    assert shown["body"] == cases.MOVED
    assert shown["attributes"]["ERROR_CODE"] == "NO_PERMISSIONS"
    assert IDS[8] in all_ids(sqs)


@pytest.mark.parametrize("verb", ["replay", "drop"])
def test_without_a_terminal_and_without_yes_nothing_is_done(sqs: FakeLetters, verb: str) -> None:
    before = all_ids(sqs)
    result = run(verb)
    assert result.exit_code == 2
    assert f"say --yes to {verb} dead letters, or --dry-run to look" in result.output
    assert (all_ids(sqs), sqs.kept, sqs.receives) == (before, {}, 0)


@pytest.mark.parametrize("verb", ["replay", "drop"])
@pytest.mark.usefixtures("terminal")
def test_no_is_no(sqs: FakeLetters, verb: str) -> None:
    before = all_ids(sqs)
    result = run(verb, "--queue", "events", stdin="n\n")
    assert result.exit_code == 130
    question = f"{verb.capitalize()} 2 dead letters of stack keyferry of account 111122223333 in eu-west-1?"
    assert question in result.stderr
    assert (all_ids(sqs), sqs.kept, sqs.hidden_ids) == (before, {}, set())


@pytest.mark.parametrize("verb", ["replay", "drop"])
def test_a_dry_run_does_nothing_and_says_what_it_would(sqs: FakeLetters, verb: str) -> None:
    before = all_ids(sqs)
    result = run(verb, "--dry-run")
    assert (result.exit_code, f"would {verb} 13 dead letters" in result.stdout) == (0, True)
    assert "shop-session to prod-us: " in result.stdout
    assert len(answer(verb, "--dry-run")["deadLetters"]) == 13
    assert (all_ids(sqs), sqs.kept, sqs.hidden_ids) == (before, {}, set())


@pytest.mark.usefixtures("terminal")
def test_a_replay_says_how_many_lie_behind_those_that_it_counts_and_takes_them_too(sqs: FakeLetters) -> None:
    result = run("replay", "--mapping", "payments-db", stdin="y\n")
    assert result.exit_code == 0
    assert "about 4 more of the deliveries" in result.output
    assert " ".join(result.stdout.split()).startswith(f"payments-db to prod-eu: {MISSING_KEY} about 4 more")
    assert "14 dead letters replayed" in result.stdout
    assert sqs.ids(FIFO) == [IDS[7]]
    assert len(sqs.kept["Deliveries"]) == 14


@pytest.mark.usefixtures("terminal")
def test_a_drop_says_what_is_lost_and_takes_what_was_shown(sqs: FakeLetters) -> None:
    result = run("drop", "--queue", "deliveries", stdin="y\n")
    assert "the deletion of session: no sweep carries that out" in result.output
    assert "11 dead letters dropped" in result.stdout
    assert sqs.ids(FIFO) == ["10", "11", "12", "13"]
    assert sqs.kept == {}


def test_a_replay_twice_is_once(sqs: FakeLetters) -> None:
    sqs.undeletable.add(IDS[0])
    first = answer("replay", IDS[0], "--yes")
    assert (first["replayed"], first["left"][0]["id"]) == ([], IDS[0])
    sqs.undeletable.clear()
    second = answer("replay", IDS[0], "--yes")
    assert second["replayed"] == [
        {"id": IDS[0], "about": "payments-db to prod-eu", "eventId": f"replay-{IDS[0]}"},
    ]
    assert len(sqs.kept["Deliveries"]) == 1
    assert run("replay", IDS[0], "--yes").exit_code == 1, "it is gone, and says so"


@pytest.mark.parametrize("form", ["table", "json"])
def test_an_interruption_says_what_was_replayed_and_what_perhaps(
    sqs: FakeLetters, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    deletes = iter([lambda: None, _interrupt])

    def call(operation: str) -> None:
        if operation == "DeleteMessage":
            next(deletes)()

    sqs.call = call
    monkeypatch.setattr("keyferry.cli.commands.steer.dead_letters.replay.send_replays", lambda *_: {})
    result = run("replay", "--queue", "deliveries", "--yes", "--output", form)
    assert (result.exit_code, sqs.hidden_ids) == (130, set())
    if form == "table":
        assert "10 dead letters replayed" in result.stdout
        assert "5 more perhaps replayed: run it again, which does nothing twice" in result.stdout
    else:
        told = json.loads(result.stdout)
        assert (len(told["replayed"]), [each["id"] for each in told["left"]]) == (10, sqs.ids(FIFO))
        assert {each["why"] for each in told["left"]} == {PERHAPS}


@pytest.mark.parametrize("verb", ["replay", "drop"])
@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.usefixtures("terminal")
def test_what_somebody_else_takes_meanwhile_is_told_as_left_and_not_as_gone(
    sqs: FakeLetters, monkeypatch: pytest.MonkeyPatch, verb: str, form: str
) -> None:
    def hide(_seen: Seen, _verb: str) -> None:
        [message] = [each for each in sqs.letters[EVENTS] if each["MessageId"] == IDS[8]]
        message["hidden"] = True

    monkeypatch.setattr(f"{OPTIONS}.{verb}.confirm_all", hide)
    result = run(verb, IDS[0], IDS[8], "--output", form)
    assert (result.exit_code, IDS[8] in sqs.ids(EVENTS), IDS[0] in sqs.ids(FIFO)) == (1, True, False)
    assert f"1 dead letter {VERBS[verb]}, 1 left" in result.stdout if form == "table" else IDS[8] in result.stdout


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InvalidInput("payments-db is suspended"), "these are not carried out now, whatever is sent: payments-db is"),
        (AccessDenied("AWS refuses it"), "whether something is suspended is not known: AWS refuses it"),
    ],
)
def test_a_replay_notes_what_is_suspended_and_sends_all_the_same(
    sqs: FakeLetters, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def refuse(_stack: object, deliveries: Sequence[Delivery]) -> None:
        assert {each.mapping for each in deliveries} == {"payments-db"}
        raise error

    monkeypatch.setattr(f"{OPTIONS}.replay.check_not_suspended", refuse)
    result = run("replay", "--mapping", "payments-db", "--yes")
    assert said in result.stderr
    assert (result.exit_code, len(sqs.kept["Deliveries"])) == (0, 14)


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_where_there_are_none_there_is_nothing_to_do(sqs: FakeLetters) -> None:
    sqs.letters.clear()
    for verb in ("replay", "drop"):
        result = run(verb, "--yes")
        assert (result.exit_code, result.stdout.split()[:3]) == (0, ["0", "dead", "letters"])
        assert answer(verb, "--yes")["left"] == []
    assert run("list").exit_code == 0


def test_a_replay_takes_nothing_that_came_after_it_was_begun(sqs: FakeLetters) -> None:
    body = Delivery(mapping="payments-db", cluster="prod-eu", event_id="late", time=NOW).to_json()
    sqs.lay(FIFO, "late", body, NOW + timedelta(seconds=1), "payments-db/prod-eu")
    run("replay", "--queue", "deliveries", "--yes")
    assert sqs.ids(FIFO) == ["late"]
