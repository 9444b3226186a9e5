"""The command `keyferry trace`: whom it asks, what it prints, how it exits."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.commands.look.trace import _create_locate
from keyferry.cli.stack import Stack
from keyferry.cli.trace.pages import MAX_LOG_PAGES, LogLines
from keyferry.errors import ClusterUnreachable
from tests.unit.clusters import World
from tests.unit.function_logs import FunctionLogs
from tests.unit.planning import write_folder
from tests.unit.samples import mapping
from tests.unit.test_trace import ID, SOURCE, change, rows


class Aws:
    """CloudFormation, Lambda and CloudWatch Logs of a stack, which remember what they were asked."""

    region_name = "eu-west-1"

    def __init__(self, logs: FunctionLogs | None = None, pages: int = 1) -> None:
        self.logs, self.pages = logs, pages
        self.asked: list[dict[str, Any]] = []
        """The requests to the logs."""
        self.more: dict[str, Any] = {}
        """What each row has in place of what is known."""
        self.questions: list[dict[str, Any]] = []

    def client(self, *_: object, **_more: object) -> Any:  # noqa: ANN401
        return self

    def describe_stacks(self, **_: object) -> dict[str, Any]:
        output = {"OutputKey": "ReportFunction", "OutputValue": "keyferry-report"}
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Outputs": [output]}]}

    def invoke(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer as report does, which refuses a namespace that no mapping names."""
        question = json.loads(arguments["Payload"])
        self.questions.append(question)
        assert self.logs
        page: dict[str, Any] = {"rows": [row | self.more for row in rows(self.logs)]}
        if question.get("namespace") not in (None, "payments", "shop"):
            page = {"error": {"kind": "UnknownName", "text": "no mapping of this deployment has that namespace"}}
        return {"Payload": BytesIO(json.dumps(page).encode())}

    def filter_log_events(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer in pages of which only the last has lines, as CloudWatch Logs may."""
        self.asked.append(arguments)
        page = int(arguments.get("nextToken", 0)) + 1
        if page < self.pages:
            return {"events": [], "nextToken": str(page)}
        name = arguments["logGroupName"].rpartition("-")[2]
        lines = self.logs.lines[name] if self.logs else []
        texts = [*map(json.dumps, reversed(lines)), "START RequestId: x", "[]", '{"timestamp": 1}']
        return {"events": [{"message": text} for text in texts]}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The AWS of a stack that has logged one change."""
    aws = Aws(FunctionLogs(World(), monkeypatch))
    assert aws.logs
    change(aws.logs)
    monkeypatch.setattr("keyferry.cli.stack.open_session", lambda _region: aws)
    return aws


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["trace", "--stack", "keyferry", *args])


def test_the_last_change_is_printed_and_nothing_is_wrong_with_it(aws: Aws) -> None:
    result = run("prod-eu/payments/payments-db")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line[14:22].strip() for line in result.stdout.splitlines()[1:]] == [
        *("event", "route", "delivery", "write", "restart", "state"),
    ]
    assert {request["logGroupName"] for request in aws.asked} == {
        f"/aws/lambda/keyferry-{name}" for name in ("route", "deliver", "reconcile")
    }


def test_a_change_that_may_not_be_the_last_is_told_as_that(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "warning: the logs are longer than was read, and a later change may be missing: say --since\n"
    assert aws.logs
    monkeypatch.setattr(aws, "filter_log_events", _go_on_for_ever(aws.filter_log_events))
    for form in ("table", "json"):
        result = run(SOURCE, "--output", form)
        assert (result.exit_code, result.stderr) == (0, warning)
        assert ID % 1 in result.stdout


def _go_on_for_ever(answer: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return the answer with a further page, without an end."""

    def read(**asked: Any) -> dict[str, Any]:  # noqa: ANN401
        page = {"events": []} if "nextToken" in asked else answer(**asked)
        return page | {"nextToken": "1"}

    return read


def test_an_event_is_looked_for_before_anybody_is_asked_for_the_targets(aws: Aws) -> None:
    known = json.loads(run(ID % 1, "--output", "json").stdout)
    assert (known["eventId"], len(known["now"]), aws.questions) == (ID % 1, 4, [{"question": "status"}])
    result = run(ID % 7)
    assert (result.exit_code, len(aws.questions)) == (1, 1)
    assert f"event {ID % 7}: nothing in the logs from " in result.stdout


def test_a_workload_has_its_answer_and_only_its_namespace_is_asked_for(aws: Aws) -> None:
    result = run("deploy/api", "-n", "payments", "--cluster", "prod-eu")
    assert result.stdout.splitlines()[1].startswith("answer ")
    assert aws.questions == [{"question": "status", "namespace": "payments", "cluster": "prod-eu"}]
    result = run("deploy/api", "-n", "paymnts")
    assert result.exit_code == 1
    assert "no mapping of this stack writes to namespace paymnts" in result.stderr
    assert result.stderr.rstrip().endswith("; did you mean payments?")


def test_a_namespace_that_a_choice_by_labels_does_not_refuse_is_told_with_those_that_there_are(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = aws.invoke

    def choose(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer without rows of a namespace that is chosen nowhere, as report does where labels choose."""
        if "namespace" in json.loads(arguments["Payload"]):
            return {"Payload": BytesIO(b'{"rows": []}')}
        return answer(**arguments)

    monkeypatch.setattr(aws, "invoke", choose)
    result = run("deployment/api", "-n", "payment")
    assert (result.exit_code, "namespace payment: " in result.stderr) == (1, True)
    assert result.stderr.rstrip().endswith("; did you mean payments?")


def test_a_workload_that_uses_nothing_has_the_file_of_the_mapping_where_there_is_a_folder(
    aws: Aws, tmp_path: Path
) -> None:
    assert aws.logs
    write_folder(tmp_path / "mappings", mapping())
    at = f"payments-db ({tmp_path}/mappings/payments-db.yaml:"
    for folder, is_told in ((tmp_path / "mappings", True), (tmp_path / "missing", False)):
        args = ["--mappings", str(folder), "trace", "--stack", "keyferry", "deploy/x", "-n", "payments"]
        [answer] = json.loads(CliRunner().invoke(main, [*args, "--output", "json"]).stdout)["answers"]
        assert (answer["reason"], at in answer["text"]) == ("unused", is_told)


def test_a_folder_with_errors_is_read_once_for_all_mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[Path]()

    def load(folder: Path) -> None:
        read.append(folder)
        raise InvalidFiles([Problem("mappings/x.yaml", 1, 1, "no colon")])

    monkeypatch.setattr(files, "load", load)
    locate = _create_locate(tmp_path)
    assert ([locate(name) for name in ("payments-db", "shop-db")], read) == (["", ""], [tmp_path])


def test_a_target_is_failed_where_status_says_so(aws: Aws) -> None:
    assert aws.logs
    aws.more = {"written": "2026-11-24T12:00:00+00:00"}
    aws.logs.world.sources.put(SOURCE, '{"username": "me", "password": "canary-2-new"}')
    aws.logs.move(ID % 2)
    aws.logs.deliver_all(error=ClusterUnreachable("no answer"))
    for what in (SOURCE, ID % 2, "prod-eu/shop/payments-db"):
        result = run(what, "--output", "json")
        known = json.loads(result.stdout)
        assert ({each["state"] for each in known["now"]}, result.exit_code) == ({"failed"}, 1)


def test_a_target_whose_last_error_may_be_missing_is_told_as_that(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws.logs
    aws.logs.world.sources.put(SOURCE, '{"username": "me", "password": "canary-2-new"}')
    monkeypatch.setattr(Stack, "list_attempts", lambda *_, **__: [LogLines([], is_whole=False)])
    result = run(SOURCE, "--output", "json")
    assert result.stderr == "warning: the log of deliver is longer than was read: the last errors may be missing\n"
    assert (json.loads(result.stdout)["isWhole"], result.exit_code) == (False, 1)


def test_a_name_that_nobody_reads_is_an_error(aws: Aws) -> None:
    result = run("prod/paymnts/db")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"did you mean {SOURCE}?" in result.stderr
    assert aws.logs
    aws.logs.move(ID % 2, name="prod/nobody")
    assert run("prod/nobody").exit_code == 0  # its event tells that no mapping reads it


@pytest.mark.parametrize(("text", "hours"), [("30m", 0.5), ("2h", 2), ("7d", 168), ("4w", 672)])
def test_how_far_back_the_logs_are_read_can_be_told(aws: Aws, text: str, hours: float) -> None:
    assert run(SOURCE, "--since", text).exit_code == 0
    since = {datetime.now(UTC).timestamp() - asked["startTime"] / 1000 for asked in aws.asked}
    assert list(since) == pytest.approx([hours * 3600] * len(since), abs=60)


def test_a_time_that_is_no_span_is_refused(aws: Aws) -> None:
    result = run(SOURCE, "--since", "yesterday")
    assert (result.exit_code, aws.asked) == (2, [])
    assert "write a number with m (minutes), h, d or w, as 30d" in result.stderr


def test_a_log_is_read_page_by_page_to_its_end_oldest_line_first(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws(FunctionLogs(World(), monkeypatch), pages=3)
    assert aws.logs
    change(aws.logs)
    since = datetime.now(UTC) - timedelta(hours=1)
    read = Stack(aws, "keyferry", {}).read_logs("deliver", "{ $.mapping = x }", since)  # type: ignore[arg-type]
    times = [line["timestamp"] for line in read.lines]
    assert (len(times), times == sorted(times), read.is_whole) == (12, True, True)
    assert [request.get("nextToken") for request in aws.asked] == [None, "1", "2"]
    assert {request["startTime"] for request in aws.asked} == {int(since.timestamp() * 1000)}


def test_a_log_without_end_is_not_read_for_ever() -> None:
    aws = Aws(pages=10 * MAX_LOG_PAGES)
    read = Stack(aws, "keyferry", {}).read_logs("deliver", "", datetime.now(UTC))  # type: ignore[arg-type]
    assert (read.is_whole, len(aws.asked)) == (False, MAX_LOG_PAGES)
