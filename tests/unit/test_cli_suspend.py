"""`keyferry suspend`, `resume` and `sweep`: what they ask and do, in which order, and what an interruption leaves."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.commands.steer.resume import LAG_SECONDS
from keyferry.cli.commands.steer.suspend import MAX_TIME
from keyferry.cli.stack import Stack
from keyferry.cli.steer.suspended import check_not_suspended
from keyferry.errors import AccessDenied, InvalidInput, UnknownName
from keyferry.pipeline.suspensions import MAX_REASON, Suspension, Suspensions
from keyferry.testing import Calls
from tests.unit.answers import check_answer
from tests.unit.samples import delivery
from tests.unit.shown import NOW, FakeStack, freeze
from tests.unit.test_cli_status import row
from tests.unit.test_files import CLUSTERS, MAPPING
from tests.unit.test_suspensions import suspension

OUTPUTS = {
    "ReconcileFunction": "keyferry-reconcile",
    "SweepsQueueUrl": "https://sqs/keyferry-sweeps",
    "DeliveriesQueueArn": "arn:aws:sqs:eu-west-1:111122223333:keyferry-deliveries.fifo",
}
SWEPT: dict[str, Any] = {
    "event_id": "sweep-1", "origin": "by hand", "checked": 3, "count": 0, "sent": [], "not_compared": 0, "reasons": [],
    "finished": True, "continued": False,
}  # fmt: skip


def tell(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the command says of an answer of the function."""
    names = {"event_id": "eventId", "not_compared": "notCompared", "suspended_count": "suspendedCount"}
    return {names.get(name, name): value for name, value in found.items() if name != "origin"}


class FakeSteered(FakeStack):
    """A stack that remembers its suspensions, and what is sent to its sweeps. It is also each client of AWS."""

    region, account, session = "eu-west-1", "111122223333", None
    __str__ = Stack.__str__

    def __init__(
        self,
        rows: Iterable[dict[str, Any]] = (),
        suspended: Iterable[Suspension] = (),
        answer: str = json.dumps(SWEPT),
        failure: str = "",
        calls: Calls | None = None,
    ) -> None:
        super().__init__(rows, suspended=suspended)
        self.answer, self.failure, self.calls = answer, failure, calls or Calls()
        self.later: list[tuple[dict[str, Any], int]] = []
        self.swept: list[dict[str, Any]] = []

    def deploy(self, monkeypatch: pytest.MonkeyPatch, verb: str) -> "FakeSteered":
        """Let a command find this stack, at the time NOW."""
        module = main.name_module(verb)
        monkeypatch.setattr(f"{module}.open_stack", lambda *_: self)
        monkeypatch.setattr("keyferry.cli.steer.sweeping.open_client", lambda *_, **_more: self)
        freeze(monkeypatch, module)
        return self

    def get_output(self, name: str) -> str:
        return OUTPUTS[name]

    def name_caller(self) -> str:
        return "ada"

    def ask(self, _question: str, **_fields: object) -> Iterator[dict[str, Any]]:
        if _question == "mappings":
            raise AccessDenied("lambda:InvokeFunction on keyferry-report is refused")
        return super().ask(_question)

    def read(self) -> Suspensions:
        with self.calls.call("read"):
            return self.suspensions

    def put(self, one: Suspension) -> None:
        with self.calls.call(f"put {one.name}"):
            self._remove(one)
            self.suspensions = Suspensions((*self.suspensions.entries, one))

    def delete(self, one: Suspension) -> None:
        with self.calls.call(f"delete {one.name}"):
            self._remove(one)

    def _remove(self, one: Suspension) -> None:
        self.suspensions = Suspensions(tuple(old for old in self.suspensions.entries if old.name != one.name))

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> None:  # noqa: N803
        assert QueueUrl == OUTPUTS["SweepsQueueUrl"]
        with self.calls.call("later"):
            self.later.append((json.loads(MessageBody), DelaySeconds))

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == OUTPUTS["ReconcileFunction"]
        with self.calls.call("sweep"):
            self.swept.append(json.loads(Payload))
            failed = {"FunctionError": self.failure} if self.failure else {}
            return {"Payload": BytesIO(self.answer.encode()), **failed}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a mapping and a cluster, to be in."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "mappings/payments.yaml").write_text(MAPPING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, stack: FakeSteered, command: str, answer: str = "", *more: str) -> Result:
    """Run a command on a stack, on a terminal where somebody answers so."""
    verb, *words = command.split()
    stack.deploy(monkeypatch, verb)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    return CliRunner().invoke(main, [verb, *words, *more], input=answer)


# suspend


def test_it_is_suspended_for_a_day_by_whom_and_why_once_somebody_says_yes(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    stack = FakeSteered()
    result = run(monkeypatch, stack, "suspend --mapping payments-db --reason", "y\n", "the database moves")
    assert result.exit_code == 0, result.output
    question = "Suspend mapping payments-db in stack keyferry of account 111122223333 in eu-west-1? [y/N]"
    assert question in " ".join(result.stderr.split())
    assert "stops: 1 mapping on 1 cluster, 1 target" in result.stdout
    assert "keyferry resume --mapping payments-db" in result.stdout
    [one] = stack.suspensions.entries
    assert one == suspension("payments-db", since=NOW, until=NOW + timedelta(days=1))


@pytest.mark.parametrize("command", ["suspend --reason moving", "resume", "sweep"])
def test_where_the_answer_is_no_nothing_is_done(command: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    stack = FakeSteered(suspended=[suspension()])
    result = run(monkeypatch, stack, command, "n\n")
    assert (result.exit_code, "nothing was done" in result.stderr) == (130, True)
    assert set(stack.calls.recorded) <= {"read"}


@pytest.mark.parametrize("command", ["suspend --reason moving --dry-run", "resume --dry-run", "sweep --dry-run"])
def test_a_dry_run_changes_nothing_and_its_answer_follows_the_schema(
    command: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    stack = FakeSteered(suspended=[suspension()])
    result = run(monkeypatch, stack, f"{command} --output json")
    assert result.exit_code == 0, result.output
    assert stack.calls.recorded == ["read"]
    answer = json.loads(result.stdout)
    check_answer(command.split(maxsplit=1)[0], answer)
    assert answer.get("done") in (False, None)


def test_again_for_the_same_scope_it_replaces_the_first_and_leaves_others(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    stack = FakeSteered(suspended=[suspension(), suspension("payments-db", "prod-eu")])
    result = run(monkeypatch, stack, "suspend --reason longer --until 2026-11-30T18:00+01:00 --yes --output json")
    answer = json.loads(result.stdout)
    check_answer("suspend", answer)
    assert answer["replaced"]["reason"] == "the database moves"
    assert answer["suspended"] == {
        "reason": "longer",
        "since": "2026-11-24T15:00:00+00:00",
        "until": "2026-11-30T17:00:00+00:00",
        "by": "ada",
    }
    assert sorted(one.reason for one in stack.suspensions.entries) == ["longer", "the database moves"]


def test_a_bad_day_keeps_nobody_from_stopping_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    stack = FakeSteered()
    result = run(monkeypatch, stack, "suspend --mapping whatever --reason moving --yes")
    assert (result.exit_code, stack.calls.recorded) == (0, ["read", "put mappings/whatever"])
    assert "stops: not known: neither the stack nor the folder" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--mapping payment-db", "no mapping is called payment-db; did you mean payments-db?"),
        ("--cluster prod-us", "no cluster is called prod-us"),
        ("--until 2026-11-24T14:59Z", "2026-11-24 14:59 UTC is over"),
        ("--until 31d", "is more than 30 days away"),
        ("--until 2026-11-30T18:00", "has no time zone; write it as 2026-11-30T18:00Z"),
        ("--until soon", "'soon' is no time; write one as 2026-11-30T18:00Z, or a span from now as 30m"),
        (f"--reason {'x' * (MAX_REASON + 1)}", "say why, in at most 500 characters"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(
    words: str, said: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    stack = FakeSteered()
    result = run(monkeypatch, stack, f"suspend --reason moving --yes {words}")
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.split())
    assert stack.suspensions == Suspensions()
    assert timedelta(days=30) == MAX_TIME


@pytest.mark.parametrize("option", ["--mapping", "--cluster"])
def test_an_empty_name_is_not_taken_for_all(option: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    stack = FakeSteered()
    result = run(monkeypatch, stack, "suspend --reason moving --yes", "", option, "")
    assert (result.exit_code, stack.suspensions) == (1, Suspensions())
    assert f"no {option[2:]} is called" in result.stderr


# resume


def test_the_sweep_of_later_is_sent_before_anything_else_and_that_of_now_comes_last(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    over = suspension(on="prod-us", until=NOW - timedelta(hours=1))
    stack = FakeSteered(suspended=[suspension("payments-db"), over])
    result = run(monkeypatch, stack, "resume --mapping payments-db --yes --output json")
    assert result.exit_code == 0, result.output
    deleted = ["delete mappings/payments-db", "delete clusters/prod-us"]
    assert stack.calls.recorded == ["read", "read", "later", *deleted, "sweep"]
    assert stack.later == [({"mapping": "payments-db", "reason": "resume"}, LAG_SECONDS)]
    assert stack.swept == [{"mapping": "payments-db"}]
    answer = json.loads(result.stdout)
    check_answer("resume", answer)
    assert (answer["swept"], answer["still"], answer["done"]) == (tell(SWEPT), [], True)


@pytest.mark.parametrize("where", ["before", "after"])
def test_interrupted_at_any_call_a_sweep_follows_or_it_is_still_suspended(
    where: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    for at in range(5):

        def interrupt(number: int, _what: str, at: int = at) -> None:
            if number == at:
                raise KeyboardInterrupt

        calls = Calls(before=interrupt) if where == "before" else Calls(after=interrupt)
        stack = FakeSteered(suspended=[suspension()], calls=calls)
        result = run(monkeypatch, stack, "resume --yes")
        assert result.exit_code == 130
        assert stack.suspensions.entries or stack.later, "else nobody would deliver what has changed"
        stack.calls = Calls()
        again = run(monkeypatch, stack, "resume --yes")
        assert again.exit_code == 0
        assert (stack.suspensions, bool(stack.later)) == (Suspensions(), True)


@pytest.mark.parametrize(("on", "code"), [(None, 1), ("prod-us", 0)])
def test_what_somebody_suspends_anew_while_the_question_waits_stays(
    on: str | None, code: int, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    mine, over = suspension("payments-db"), suspension(on="prod-us", until=NOW - timedelta(hours=1))
    anew = (mine if on is None else over).model_copy(update={"until": NOW + timedelta(days=9)})

    def suspend_anew(number: int, _what: str) -> None:
        if number == 0:
            stack.put(anew)

    stack = FakeSteered(suspended=[mine, over], calls=Calls(after=suspend_anew))
    result = run(monkeypatch, stack, "resume --mapping payments-db --yes")
    assert (result.exit_code, bool(stack.later)) == (code, code == 0)
    assert stack.suspensions.list_active(NOW) == [anew]


def test_where_the_sweep_of_now_fails_it_says_that_it_is_resumed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    stack = FakeSteered(suspended=[suspension()], answer="{}", failure="Unhandled")
    result = run(monkeypatch, stack, "resume --yes")
    assert (result.exit_code, stack.suspensions) == (1, Suspensions())
    assert "it is resumed all the same: a sweep in five minutes delivers what differs" in result.stderr


def test_what_is_suspended_by_other_names_is_told_with_what_ends_it(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    stack = FakeSteered(suspended=[suspension("payments-db"), suspension("a", "b")])
    result = run(monkeypatch, stack, "resume --yes")
    said = " ".join(result.stderr.split())
    assert result.exit_code == 1
    assert "mapping payments-db (`keyferry resume --mapping payments-db`)" in said
    assert "mapping a on cluster b (`keyferry resume --mapping a --cluster b`)" in said
    assert stack.calls.recorded == ["read"]


def test_of_a_mapping_that_is_gone_the_suspension_goes_too(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    answer = json.dumps({"errorType": "UnknownName", "errorMessage": "no mapping of this deployment has mapping old"})
    stack = FakeSteered(suspended=[suspension("old")], answer=answer, failure="Unhandled")
    result = run(monkeypatch, stack, "resume --mapping old --yes")
    assert (result.exit_code, stack.suspensions) == (0, Suspensions())
    assert "the stack has no such mapping or cluster any more" in result.stdout


def test_a_parameter_that_is_not_understood_is_resumed_by_what_it_stops(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    stack = FakeSteered(suspended=Suspensions.parse({"namespaces/shop": "{}"}).entries)
    assert run(monkeypatch, stack, "resume --yes").exit_code == 0
    assert "delete namespaces/shop" in stack.calls.recorded


def test_it_exits_with_1_where_the_sweep_could_not_compare_all(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from tests.unit.cases.sweep import FOUND  # noqa: PLC0415  # which imports this

    stack = FakeSteered(suspended=[suspension()], answer=json.dumps(FOUND))
    assert run(monkeypatch, stack, "resume --yes").exit_code == 1


# sweep


def test_a_sweep_says_what_was_sent_and_why_as_its_answer_says(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from tests.unit.cases.sweep import FOUND  # noqa: PLC0415  # which imports this

    stack = FakeSteered(answer=json.dumps(FOUND))
    result = run(monkeypatch, stack, "sweep --mapping a --cluster b --namespace c --yes --output json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, tell(FOUND))
    assert stack.swept == [{"mapping": "a", "cluster": "b", "namespace": "c"}]
    check_answer("sweep", tell(FOUND))


def test_a_dry_run_of_a_sweep_keeps_apart_what_is_suspended(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    stack = FakeSteered([row("stale"), row("stale", cluster="prod-us")], [suspension(on="prod-us")])
    answer = json.loads(run(monkeypatch, stack, "sweep --dry-run --output json").stdout)
    assert [each["cluster"] for each in answer["wouldSend"]] == ["prod-eu"]
    assert [each["cluster"] for each in answer["suspended"]] == ["prod-us"]
    assert (stack.swept, answer["suspendedCount"]) == ([], 1)


def test_what_suspends_many_deliveries_is_told_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    stack = FakeSteered([row("stale", mapping=name) for name in ("a", "b", "c")], [suspension()])
    said = run(monkeypatch, stack, "sweep --dry-run").stdout
    assert (said.count("is suspended until"), "a to prod-eu and 2 more: everything is" in said) == (1, True)


@pytest.mark.parametrize(
    ("answer", "failure", "said"),
    [
        (
            {"errorMessage": "Runtime exited"},
            "Unhandled",
            "keyferry-reconcile failed: Runtime exited; its log",
        ),
        (None, "", "function keyferry-reconcile failed: it gave no answer"),
        ({"errorType": "UnknownName", "errorMessage": "no mapping has x"}, "Unhandled", "no mapping has x"),
    ],
)
def test_a_sweep_that_fails_says_why(
    answer: object, failure: str, said: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    result = run(monkeypatch, FakeSteered(answer=json.dumps(answer), failure=failure), "sweep --yes")
    assert (result.exit_code, said in result.stderr) == (1, True)


@pytest.mark.parametrize("args", ["--yes", "--dry-run"])
def test_a_sweep_of_a_name_that_there_is_not_says_which_one_was_meant(
    args: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    class Strict(FakeSteered):
        def ask(self, _question: str, **fields: object) -> Iterator[dict[str, Any]]:
            if fields:
                raise UnknownName("no mapping of this deployment has mapping payment-db")
            return super().ask(_question)

    answer = {"errorType": "UnknownName", "errorMessage": "no mapping of this deployment has mapping payment-db"}
    stack = Strict([row()], answer=json.dumps(answer), failure="Unhandled")
    result = run(monkeypatch, stack, f"sweep --mapping payment-db {args}")
    assert result.exit_code == 1
    assert "no target has mapping payment-db; did you mean payments-db?" in " ".join(result.stderr.split())


def test_a_sweep_that_sends_nothing_for_what_is_suspended_does_not_say_that_nothing_differs(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    held = {"suspended": [{"mapping": "m", "cluster": "c", "why": "everything is suspended"}], "suspended_count": 1}
    result = run(monkeypatch, FakeSteered(answer=json.dumps({**SWEPT, "count": 0, "sent": [], **held})), "sweep --yes")
    assert result.stdout.splitlines()[-1].endswith(" compared, nothing was sent")


# what others ask


def test_push_and_its_like_refuse_what_is_suspended_and_say_how_it_ends() -> None:
    far: dict[str, Any] = {"since": datetime.now(UTC), "until": datetime.now(UTC) + timedelta(days=1)}
    stack: Any = FakeSteered(suspended=[suspension("payments-db", **far), suspension(on="prod-us", **far)])
    check_not_suspended(stack, [delivery(mapping="other")])
    with pytest.raises(InvalidInput) as told:
        check_not_suspended(stack, [delivery(), delivery(mapping="other", cluster="prod-us"), delivery()])
    assert str(told.value).startswith("mapping payments-db is suspended until ")
    assert "; cluster prod-us is suspended until " in str(told.value)
    by_mapping, by_cluster = (
        f"`keyferry resume {each} --stack keyferry`" for each in ("--mapping payments-db", "--cluster prod-us")
    )
    assert str(told.value).endswith(f"; end that with {by_mapping} and {by_cluster}")


def test_whoever_is_refused_is_told_of_all_that_suspends_one_and_the_same_delivery() -> None:
    now = datetime.now(UTC)
    times: list[dict[str, Any]] = [{"since": now, "until": now + timedelta(days=days)} for days in (1, 2)]
    stack: Any = FakeSteered(suspended=[suspension("payments-db", **times[0]), suspension(on="prod-eu", **times[1])])
    with pytest.raises(InvalidInput) as told:
        check_not_suspended(stack, [delivery()])
    assert "resume --mapping payments-db" in str(told.value)
    assert "resume --cluster prod-eu" in str(told.value)


def test_the_caller_is_called_as_the_session_or_the_user() -> None:
    class Session:
        region_name = "eu-west-1"

        def client(self, _service: str, **_more: object) -> Any:  # noqa: ANN401
            arn = "arn:aws:sts::111122223333:assumed-role/Operator/ada"
            return type("Sts", (), {"get_caller_identity": lambda _: {"Arn": arn}, "meta": None})()

    session: Any = Session()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keyferry.cli.stack.open_client", lambda own, service: own.client(service))
        assert Stack(session, "keyferry", {}).name_caller() == "ada"
        assert Stack(session, "blue", {}).connect_suspensions().path == "/keyferry/blue/suspended"
