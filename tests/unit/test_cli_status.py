"""What `keyferry status` says of targets: their states, the last failure of each, totals, and whom a source goes to."""

import json
import shutil
import weakref
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.call import Call
from keyferry.cli.commands.look import status as command
from keyferry.cli.failures import MAX_AGE, RECENT, Ends, Past, add_ends, add_failure, find_failures
from keyferry.cli.options import Settings
from keyferry.cli.output.states import print_planned, print_states
from keyferry.cli.stack import Stack, StackMissing, find_stack
from keyferry.cli.states import Filter, is_right
from keyferry.cli.trace.pages import LogLines
from keyferry.errors import InvalidInput, Overtaken, UnknownName
from keyferry.pipeline.comparison import Scope
from tests.unit.shown import FakeStack, deploy

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
SOON = "the next sweep sees it; `keyferry push` does not wait for it"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples/mappings"


def row(state: str = "right", **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return a row as `report` answers with it."""
    source = {"alias": "db", "store": "secretsmanager", "name": "prod/db", "held": "version-1", "wanted": "version-1"}
    known = {"mapping": "payments-db", "cluster": "prod-eu", "namespace": "payments", "secret": "payments-db"}
    written = {"written": "2026-11-24T12:00:00+00:00", "since": "2026-11-24T12:00:00+00:00"}
    return {**known, "state": state, **written, "sources": [source], **more}


def line(time: str = "14:00:00", **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return a log line of `deliver` of a delivery that failed."""
    known = {"mapping": "payments-db", "cluster": "prod-eu", "message": "retry later"}
    return {**known, "timestamp": f"2026-11-24T{time}+00:00", **more}


def add_all(rows: list[dict[str, Any]], *lines: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows with what log lines add to them, in whichever order these come."""
    ends: Ends = {}
    add_ends(reversed(lines), ends)
    return [add_failure(each, ends) for each in rows]


def told(*lines: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what log lines add to it."""
    [seen] = add_all([of], *lines)
    return {key: text for key, text in seen.items() if key not in row() or of.get(key) != text}


def test_a_target_that_is_not_right_has_its_last_error_and_the_next_try() -> None:
    first = line("13:00:00", namespaces=[{"namespace": "payments", "error": "Forbidden: get"}])
    last = line(namespaces=[{"namespace": "payments", "error": "Conflict: x"}], next_try_seconds=60)
    assert told(first, last, of=row("stale")) == {
        "state": "failed",
        "error": "Conflict: x",
        "failed": "2026-11-24T14:00:00+00:00",
        "nextTry": "2026-11-24T14:01:00+00:00",
    }


@pytest.mark.parametrize(
    ("failure", "of"),
    [
        (line(error="Unreachable: x"), row("right")),
        (line(error="Unreachable: x"), row("held")),
        (line("11:00:00", error="Unreachable: x"), row("stale")),  # before it was written
        (line("12:00:00", error="Unreachable: x"), row("stale")),  # by that very delivery
        (line(error="Unreachable: x", cluster="prod-us"), row("stale")),
        (line(error="Unreachable: x", namespace="shop"), row("stale")),
        (line(namespaces=[{"namespace": "shop", "error": "x"}]), row("stale")),
        (line(namespaces=[{"namespace": "payments", "did": "updated"}]), row("stale")),
    ],
)
def test_a_failure_of_something_else_or_before_the_last_write_is_none_of_it(
    failure: dict[str, Any], of: dict[str, Any]
) -> None:
    assert told(failure, of=of) == {}


@pytest.mark.parametrize("message", ["retry later", "dead letter", "dropped", "replaced"])
def test_a_target_that_is_unknown_and_whose_last_delivery_failed_has_failed(message: str) -> None:
    seen = told(line(message=message, error="Unreachable: x"), of=row("unknown"))
    assert (seen["state"], seen["error"]) == ("failed", "Unreachable: x")


@pytest.mark.parametrize(
    ("failure", "success"),
    [
        (line(error="Unreachable: x"), line("14:30:00", message="delivered")),
        (line(error="Unreachable: x"), line("14:30:00", message="delivered", namespace="payments")),
        (line(namespaces=[{"namespace": "payments", "error": "x"}]), line("14:30:00", message="delivered")),
        (
            line(namespaces=[{"namespace": "payments", "error": "x"}]),
            line("14:30:00", namespaces=[{"namespace": "shop", "error": "x"}], targets={"failed": 1, "unchanged": 1}),
        ),
    ],
)
def test_a_failure_before_a_delivery_that_went_well_is_past(failure: dict[str, Any], success: dict[str, Any]) -> None:
    assert told(failure, of=row("unknown"))["state"] == "failed"
    assert told(failure, success, of=row("unknown")) == {}


@pytest.mark.parametrize(
    "later",
    [
        line("14:30:00", message="delivered", namespace="shop"),
        line("14:30:00", namespaces=[], targets={"failed": 90}),  # no room for the names of those that failed
    ],
)
def test_a_failure_is_not_past_where_nothing_says_that_it_went_well_since(later: dict[str, Any]) -> None:
    for namespace in ("payments", ""):
        first = line(namespaces=[{"namespace": "payments", "error": "x"}])
        assert told(first, later, of=row("unknown", namespace=namespace))["error"] == "x"


def test_an_error_of_the_whole_delivery_is_that_of_each_of_its_targets() -> None:
    found = add_all([row("gone"), row("gone", namespace="shop")], line(error="SourceMissing: x"))
    assert [(each["state"], each["error"]) for each in found] == [("failed", "SourceMissing: x")] * 2


def test_what_is_unknown_is_not_wrong() -> None:
    assert [state for state in ("right", "held", "unknown", "stale", "gone", "conflict") if is_right(row(state))] == [
        "right",
        "held",
        "unknown",
    ]


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        (Filter(), True),
        (Filter(mappings=("payments-db", "x")), True),
        (Filter(mappings=("x",)), False),
        (Filter(cluster="prod-us"), False),
        (Filter(namespace="shop"), False),
        (Filter(owner="payments"), False),
        (Filter(source="prod/db"), True),
        (Filter(source="/prod/db"), True),
        (Filter(source="prod"), False),
        (Filter(only_wrong=True), False),
    ],
)
def test_targets_are_chosen(wanted: Filter, *, accepted: bool) -> None:
    assert wanted.accepts(row()) is accepted


@pytest.mark.parametrize(
    ("wanted", "of"),
    [
        (Filter(namespace="payments"), row("unknown", namespace="")),  # the cluster did not tell its namespaces
        (Filter(owner="payments"), row(owner={"team": "payments"})),
        (Filter(source="prod/db"), row(sources=[{"name": "/prod/db"}])),
        (Filter(source="/prod/db"), row(sources=[{"name": "a"}, {"name": "/prod/db"}])),
        (Filter(cluster="prod-eu", namespace="payments", source="prod/db"), row()),
    ],
)
def test_a_target_that_has_all_names_is_chosen(wanted: Filter, of: dict[str, Any]) -> None:
    assert wanted.accepts(of)


def test_a_conflict_stays_one_and_has_its_error() -> None:
    seen = told(line(error="Conflict: argocd"), of=row("conflict"))
    assert "state" not in seen
    assert seen["error"] == "Conflict: argocd"


def test_where_a_cluster_tells_no_namespaces_the_last_delivery_to_all_of_them_counts() -> None:
    failed = line(namespaces=[{"namespace": "payments", "error": "x"}])
    well = line("14:30:00", message="delivered")
    assert told(failed, well, of=row("unknown", namespace="")) == {}


def test_what_is_not_known_is_not_known_to_be_right() -> None:
    rows = [row(state) for state in ("right", "held", "unknown", "stale")]
    assert [each["state"] for each in filter(Filter(only_wrong=True).accepts, rows)] == ["unknown", "stale"]


def test_a_failure_that_is_not_tried_again_by_itself_says_what_tries_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [dropped] = add_all([row("gone")], line(message="dropped", error="SourceUnusable: no key url"))
    print_states([dropped], NOW)
    text = "SourceUnusable: no key url; the next sweep tries again; `keyferry push` does not wait for it"
    assert f"prod-eu/payments/payments-db: {text}" in capsys.readouterr().out.splitlines()


def test_nothing_is_hoped_of_a_sweep_where_a_source_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    gone = row("gone", why="the Secret is missing")
    gone["sources"] = [gone["sources"][0] | {"missing": True}]
    print_states([gone], NOW)
    assert "prod-eu/payments/payments-db: the Secret is missing" in capsys.readouterr().out.splitlines()


def test_the_command_that_does_not_wait_is_for_the_folder_and_the_stack_that_were_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "open_stack", lambda *_: Targets(row("stale")))
    shown = CliRunner().invoke(main, ["--mappings", "teams/a b", "status", "--stack", "staging"]).stdout
    assert "`keyferry --mappings 'teams/a b' push --stack staging` does not wait for it" in shown


class Logs:
    """A client of CloudWatch Logs that answers with these lines, and remembers the filter."""

    region_name, pattern = "eu-west-1", ""

    def __init__(self, *lines: dict[str, Any]) -> None:
        self.lines = lines
        self.asked: dict[str, Any] = {}

    def client(self, *_: object, **_more: object) -> "Logs":
        return self

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        self.pattern, self.asked = asked["filterPattern"], asked
        return {"events": [{"message": json.dumps(each)} for each in self.lines]}


def test_each_line_that_ends_an_attempt_is_asked_for() -> None:
    logs: Any = Logs(
        *(line(message=message) for message in ("begun", "dropped", "replaced", "superseded", "delivered"))
    )
    [seen] = Stack(logs, "keyferry", {}).list_attempts(NOW)
    assert [each["message"] for each in seen.lines] == ["dropped", "replaced", "delivered"]
    asked = ("delivered", "retry later", "dead letter", "dropped", "replaced")
    assert logs.pattern == "{ " + " || ".join(f'$.message = "{message}"' for message in asked) + " }"


def test_attempts_of_some_mappings_in_a_time_are_asked_for_unless_their_names_are_too_long() -> None:
    logs: Any = Logs()
    stack = Stack(logs, "keyferry", {})
    list(stack.list_attempts(NOW - MAX_AGE, until=NOW, mappings=["shop-db", "a"]))
    assert logs.pattern.endswith('= "replaced") && ($.mapping = "a" || $.mapping = "shop-db") }')
    assert logs.asked["endTime"] - logs.asked["startTime"] == 86_400_000
    list(stack.list_attempts(NOW, mappings=[f"mapping-{number}" for number in range(100)]))
    assert ("mapping-1" in logs.pattern, len(logs.pattern) < 1024, "endTime" in logs.asked) == (False, True, False)


class Log:
    """The log of a stack, which remembers what was asked of it."""

    def __init__(self, *lines: dict[str, Any], is_whole: bool = True) -> None:
        self.lines, self.is_whole = lines, is_whole
        self.asked: list[tuple[datetime, datetime | None, set[str]]] = []

    def list_attempts(
        self, since: datetime, until: datetime | None = None, mappings: Collection[str] = ()
    ) -> list[LogLines]:
        self.asked.append((since, until, set(mappings)))
        end = until or NOW
        lines = [each for each in self.lines if since <= datetime.fromisoformat(each["timestamp"]) < end]
        return [*(LogLines([each], is_whole=False) for each in lines), LogLines([], is_whole=self.is_whole)]


def test_of_a_target_that_has_long_been_wrong_an_older_failure_is_known() -> None:
    log = Log(line("03:00:00", error="Forbidden: x"), line("05:00:00", mapping="shop-db", error="Forbidden: y"))
    stale = row("stale", since="2026-11-24T02:00:00+00:00", written="2026-11-23T00:00:00+00:00")
    [seen, other], is_whole = find_failures([stale, row(mapping="shop-db")], NOW, log)
    assert (seen["state"], seen["error"], other["state"], is_whole) == ("failed", "Forbidden: x", "right", True)
    early = datetime(2026, 11, 24, 2, tzinfo=UTC)
    assert log.asked == [(NOW - RECENT, None, set()), (early, NOW - RECENT, {"payments-db"})]


@pytest.mark.parametrize(
    ("of", "begin"),
    [
        (row("gone", since=""), NOW - MAX_AGE),
        (row("stale", since="2026-11-20T02:00:00+00:00"), NOW - MAX_AGE),
        (row("stale", since="2026-11-24T14:30:00+00:00"), None),
        (row("unknown"), None),
    ],
)
def test_the_log_is_read_no_further_back_than_a_target_is_wrong_and_a_day(
    of: dict[str, Any], begin: datetime | None
) -> None:
    log = Log(is_whole=False)
    known = {key: text for key, text in of.items() if text}
    assert find_failures([known], NOW, log) == ([known], False)
    assert [since for since, *_ in log.asked] == [NOW - RECENT, *([begin] if begin else [])]


def test_what_is_known_needs_no_older_lines_and_what_is_right_none() -> None:
    log = Log(line("14:00:00", error="Forbidden: x"))
    find_failures([row("stale")], NOW, log)
    assert len(log.asked) == 1
    assert find_failures([row()], NOW, log) == ([row()], True)
    assert len(log.asked) == 1


def test_a_later_success_ends_an_older_failure() -> None:
    log = Log(line("04:00:00", error="Forbidden: x"), line("05:00:00", message="delivered", targets={"failed": 0}))
    [seen], _ = find_failures([row("stale", since="2026-11-24T02:00:00+00:00", written="")], NOW, log)
    assert seen["state"] == "stale"


def test_an_older_failure_is_told_of_no_target_for_which_the_log_is_not_read_so_far_back() -> None:
    log = Log(line("03:00:00", cluster="prod-us", error="Unreachable: x"))
    gone, away = row("gone", since="2026-11-24T02:00:00+00:00"), row("unknown", cluster="prod-us", written="")
    assert find_failures([away], NOW, log) == ([away], True)
    assert find_failures([gone, away], NOW, log) == ([gone, away], True)


def test_a_further_look_reads_nothing_of_the_past_again_and_forgets_nothing_of_it() -> None:
    log = Log(line("03:00:00", error="Forbidden: x"), line("13:10:00", cluster="prod-us", error="Forbidden: y"))
    old, other = row("stale", since="2026-11-24T02:00:00+00:00", written=""), row("gone", cluster="prod-us")
    past, later = Past(), NOW + timedelta(minutes=15)
    for now in (NOW, later):
        seen, _ = find_failures([old, other], now, log, past)
        assert [each["error"] for each in seen] == ["Forbidden: x", "Forbidden: y"]
    early = datetime(2026, 11, 24, 2, tzinfo=UTC)
    assert log.asked == [
        (NOW - RECENT, None, set()),
        (early, NOW - RECENT, {"payments-db"}),
        (later - RECENT, None, set()),
    ]


def test_a_past_that_was_read_in_part_is_told_in_each_look_that_needs_it() -> None:
    log, past = Log(is_whole=False), Past()
    stale, explained = row("stale", since=""), Log(line(error="Forbidden: x"))
    del stale["since"]
    assert not find_failures([stale], NOW, log, past)[1]
    log.is_whole = True
    assert not find_failures([stale], NOW, log, past)[1]
    assert find_failures([stale], NOW, explained, past)[1]


def test_no_page_of_the_log_is_kept() -> None:
    pages, kept = list[weakref.ref[LogLines]](), list[int]()

    class Pages:
        def list_attempts(self, since: datetime, *_: object, **_more: object) -> Iterator[LogLines]:
            assert since == NOW - RECENT
            for number in range(5):
                kept.append(sum(page() is not None for page in pages))
                page = LogLines([line(f"14:00:0{number}", error="Forbidden: x")], is_whole=number == 4)
                pages.append(weakref.ref(page))
                yield page

    [seen], _ = find_failures([row("stale")], NOW, Pages())
    assert (seen["failed"], max(kept)) == ("2026-11-24T14:00:04+00:00", 1)


def test_of_an_older_failure_it_is_told_when_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    of = row("stale", written="2026-11-23T00:00:00+00:00")
    print_states(add_all([of], line("03:04:00", error="Forbidden: x")), NOW)
    assert "Forbidden: x; failed at 2026-11-24 03:04 UTC; the next sweep tries again" in capsys.readouterr().out


def test_a_next_try_that_is_past_is_told_as_one_that_was_due_and_is_no_part_of_the_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = line("03:04:00", error="Forbidden: x", next_try_seconds=300)
    stale = row("stale", written="", since="2026-11-24T02:00:00+00:00")
    deploy(monkeypatch, "status", FakeStack([stale], [failed]))
    said = "Forbidden: x; failed at 2026-11-24 03:04 UTC; the next try was due at 03:09:00 UTC"
    assert said in CliRunner().invoke(main, ["status"]).stdout
    [target] = json.loads(CliRunner().invoke(main, ["status", "--output", "json"]).stdout)["targets"]
    assert (target["failed"], "nextTry" in target) == ("2026-11-24T03:04:00+00:00", False)
    failed = line("14:59:00", error="Forbidden: x", next_try_seconds=300)
    deploy(monkeypatch, "status", FakeStack([stale], [failed]))
    [target] = json.loads(CliRunner().invoke(main, ["status", "--output", "json"]).stdout)["targets"]
    assert target["nextTry"] == "2026-11-24T15:04:00+00:00"
    assert target["help"].endswith("/operate/troubleshooting/#forbidden")


def test_the_table_has_a_line_for_each_target_each_cause_once_and_totals(capsys: pytest.CaptureFixture[str]) -> None:
    stale = row("stale", namespace="shop", since="2026-11-24T14:58:00+00:00", why="a source has another version")
    stale["sources"] = [stale["sources"][0] | {"wanted": "0123456789abcdef"}]
    failed = [
        row("failed", mapping="m", namespace=name, error="Forbidden: no", nextTry="2026-11-24T15:01:00+00:00")
        for name in ("a", "b", "c")
    ]
    away = row("unknown", cluster="prod-us", namespace="", why="ClusterUnreachable: no answer")
    print_states([row(), stale, *failed, away], NOW)
    assert capsys.readouterr().out.splitlines() == [
        "state    cluster  namespace  secret       mapping  version              since",
        "right    prod-eu  payments   payments-db           version-             3h",
        "stale    prod-eu  shop       payments-db           version- → 01234567  2m",
        "failed   prod-eu  a          payments-db  m        version-             3h",
        "failed   prod-eu  b          payments-db  m        version-             3h",
        "failed   prod-eu  c          payments-db  m        version-             3h",
        "unknown  prod-us  -          payments-db           version-             3h",
        "",
        f"prod-eu/shop/payments-db: a source has another version; {SOON}",
        "",
        "prod-eu/a/payments-db and 2 more: Forbidden: no; next try 15:01:00 UTC",
        "",
        "prod-us/payments-db: ClusterUnreachable: no answer",
        "",
        "Forbidden: https://keyferry.dev/operate/troubleshooting/#forbidden",
        "6 targets: 3 failed, 1 right, 1 stale, 1 unknown",
    ]


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["--mappings", str(EXAMPLES), "status", *args])


def test_who_gets_a_secret_is_known_offline() -> None:
    result = run("--offline", "--source", "prod/payments/db", "--output", "json")
    assert result.exit_code == 0
    targets = json.loads(result.stdout)["targets"]
    assert [(each["mapping"], each["cluster"], each["namespace"]) for each in targets] == [
        ("payments-db", "prod-eu", "payments"),
        ("payments-db", "prod-us", "payments"),
    ]
    assert [each for each in targets if "state" in each] == []  # nobody was asked


def test_without_a_stack_it_is_asked_which(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-key", "AWS_REGION": "eu-west-1"}
    result = CliRunner().invoke(main, ["--mappings", str(tmp_path / "mappings"), "status"], env=keys)
    assert (result.exit_code, result.stderr) == (
        1,
        "which stack? say --stack NAME, or let samconfig.toml have stack_name\n",
    )


class Functions:
    """A client of Lambda that answers with these pages, and remembers what it was asked."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages, self.asked = list(pages), list[dict[str, Any]]()

    region_name = "eu-west-1"

    def client(self, *_: object, **_more: object) -> "Functions":
        return self

    def invoke(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        self.asked.append(json.loads(arguments["Payload"]))
        return {"Payload": BytesIO(json.dumps(self.pages.pop(0)).encode())}


def ask(functions: Functions) -> list[dict[str, Any]]:
    session: Any = functions
    return list(Stack(session, "keyferry", {"ReportFunction": "keyferry-report"}).ask("status", cluster="eu"))


def test_pages_are_asked_for_until_nothing_is_left() -> None:
    place = {"eu": {"mapping": "db"}}
    functions = Functions({"rows": [1], "cursor": place}, {"rows": [2]})
    assert [page["rows"] for page in ask(functions)] == [[1], [2]]
    question = {"question": "status", "cluster": "eu"}
    assert functions.asked == [question, {**question, "cursor": place}]


def test_a_function_that_gets_no_further_is_not_asked_without_end() -> None:
    page = {"rows": [], "cursor": {"eu": {"mapping": "db"}}}
    functions = Functions(*[page] * 3)
    with pytest.raises(InvalidInput, match="function keyferry-report gets no further in the time that it has"):
        ask(functions)
    assert len(functions.pages) == 1


def test_a_deployment_between_two_pages_is_told_from_other_errors() -> None:
    with pytest.raises(Overtaken, match="other mappings were deployed"):
        ask(Functions({"error": {"kind": "Overtaken", "text": "other mappings were deployed"}}))


def test_an_error_of_the_answer_is_told_in_its_words() -> None:
    with pytest.raises(UnknownName, match="no mapping of this deployment has cluster eu"):
        ask(Functions({"error": {"kind": "UnknownName", "text": "no mapping of this deployment has cluster eu"}}))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"FunctionError": "Unhandled", "Payload": b'{"errorMessage": "out of memory"}'}, "failed: out of memory;"),
        ({"FunctionError": "Unhandled", "Payload": b'{"rows": []}'}, "failed: it gave no answer;"),
        ({"FunctionError": "Unhandled", "Payload": b"null"}, "failed: it gave no answer;"),
        ({"Payload": b"no JSON"}, "failed: it gave no answer;"),
    ],
)
def test_a_function_that_fails_is_told_with_its_message(answer: dict[str, Any], said: str) -> None:
    functions = Functions()
    functions.invoke = lambda **_: answer | {"Payload": BytesIO(answer["Payload"])}  # type: ignore[method-assign]
    with pytest.raises(InvalidInput, match=f"function keyferry-report {said} its log says more"):
        ask(functions)


def test_what_is_not_given_is_no_part_of_a_question() -> None:
    functions: Any = Functions({"rows": []})
    list(Stack(functions, "keyferry", {"ReportFunction": "f"}).ask("status", cluster=None, namespace="payments"))
    assert functions.asked == [{"question": "status", "namespace": "payments"}]


def test_a_log_that_is_read_in_part_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyferry.cli.trace.pages.MAX_LOG_PAGES", 2)
    logs: Any = Logs(line("14:00:00", message="delivered"), {"no": "time"})
    pages = logs.filter_log_events
    logs.filter_log_events = lambda **asked: pages(**asked) | {"nextToken": "more"}
    log = list(Stack(logs, "keyferry", {}).list_attempts(NOW))
    assert [(page.is_whole, len(page.lines)) for page in log] == [(False, 1), (False, 1)]


def test_a_function_that_has_never_run_has_no_lines() -> None:
    logs: Any = Logs()

    def refuse(**_: object) -> None:
        answer: Any = {"Error": {"Code": "ResourceNotFoundException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, "FilterLogEvents")

    logs.filter_log_events = refuse
    stack = Stack(logs, "keyferry", {})
    assert list(stack.list_attempts(NOW)) == [LogLines([])]
    assert stack.read_logs("deliver", "", NOW) == LogLines([])


def test_a_command_that_is_shown_is_for_the_folder_and_the_stack_that_were_named() -> None:
    assert Call(Path("mappings"), "keyferry").format_asking("trace", "event-1") == (
        "keyferry trace event-1 --stack keyferry"
    )
    assert Call(Path("teams/a"), "my stack").format_asking("trace", "event-1") == (
        "keyferry --mappings teams/a trace event-1 --stack 'my stack'"
    )


def test_the_stack_is_the_one_that_is_named_or_that_of_samconfig(tmp_path: Path) -> None:
    (tmp_path / "samconfig.toml").write_text('version = 0.1\n[default.global.parameters]\nstack_name = "teams"\n')
    found = list[str]()

    class CloudFormation:
        region_name = "eu-west-1"

        def client(self, *_: object, **_more: object) -> "CloudFormation":
            return self

        def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
            found.append(StackName)
            return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}] if StackName != "gone" else []}

    session: Any = CloudFormation()
    for name in ("mine", None):
        find_stack(session, name, Settings(tmp_path / "mappings"))
    assert found == ["mine", "teams"]
    with pytest.raises(InvalidInput, match="there is no stack gone in eu-west-1: look at name, region and account"):
        find_stack(session, "gone", Settings(tmp_path / "mappings"))


@pytest.mark.parametrize(
    ("account", "error", "why"),
    [
        ("111122223333", StackMissing, "there is no stack teams in eu-west-1 of account 111122223333: look at name"),
        (
            "444455556666",
            InvalidInput,
            r"samconfig\.toml:4:1: environment default is of account 444455556666, and these are credentials of"
            " 111122223333: set AWS_PROFILE to a profile of 444455556666",
        ),
    ],
)
def test_credentials_of_another_account_than_that_of_the_environment_are_told(
    account: str, error: type[InvalidInput], why: str, tmp_path: Path
) -> None:
    (tmp_path / "samconfig.toml").write_text(
        f'[default.global.parameters]\nstack_name = "teams"\n[default.keyferry.parameters]\naccount = "{account}"\n'
    )

    class Empty:
        region_name = "eu-west-1"

        def client(self, *_: object, **_more: object) -> "Empty":
            return self

        def describe_stacks(self, **_: object) -> dict[str, Any]:
            return {"Stacks": []}

        def get_caller_identity(self) -> dict[str, str]:
            return {"Account": "111122223333"}

    session: Any = Empty()
    with pytest.raises(InvalidInput, match=why) as told:
        find_stack(session, None, Settings(tmp_path / "mappings"))
    assert type(told.value) is error


class LongLog(FakeStack):
    """A stack with a target that is stale, and with a log that is longer than anybody reads."""

    def list_attempts(self, _since: datetime, **_more: object) -> list[LogLines]:
        return [LogLines([], is_whole=False)]


def test_errors_that_may_be_missing_are_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "open_stack", lambda *_: LongLog([row("stale")]))
    result = CliRunner().invoke(main, ["status", "--output", "json"])
    assert (result.exit_code, [each["state"] for each in json.loads(result.stdout)["targets"]]) == (1, ["stale"])
    assert result.stderr == "warning: the log of deliver is longer than was read: the last errors may be missing\n"


class Targets(FakeStack):
    """A stack with these targets, which knows no other cluster than prod-eu and prod-us, and has no failures."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        super().__init__(rows)

    def ask(self, _question: str, **_fields: object) -> Iterator[dict[str, Any]]:
        cluster, namespace = _fields.get("cluster"), _fields.get("namespace")
        if cluster not in (None, "prod-eu", "prod-us"):
            raise UnknownName(f"no mapping of this deployment has cluster {cluster}")
        rows = [each for each in self.rows if cluster in (None, each["cluster"])]
        yield {"rows": [each for each in rows if namespace in (None, each["namespace"])]}


OWNED = row(owner={"team": "payments"})


def ask_for(monkeypatch: pytest.MonkeyPatch, *args: str, of: tuple[dict[str, Any], ...] = (OWNED,)) -> Result:
    """Return what the command says of a stack with these targets."""
    monkeypatch.setattr(command, "open_stack", lambda *_: Targets(*of))
    return CliRunner().invoke(main, ["status", *args])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["payments-bd"], "no target has mapping payments-bd; did you mean payments-db?"),
        (["payments-db", "shop"], "no target has mapping shop; there is: payments-db"),
        (["payments-bd", "--cluster", "prod-us"], "no target has mapping payments-bd; did you mean payments-db?"),
        (["--cluster", "prod-eu/"], "no target has cluster prod-eu/; did you mean prod-eu?"),
        (["--cluster", "prod-uk"], "no target has cluster prod-uk; did you mean prod-eu?"),
        (["--namespace", "payment"], "no target has namespace payment; did you mean payments?"),
        (["--owner", "pay"], "no target has owner pay; there is: payments"),
        (["--source", "prod/bd"], "no target has source prod/bd; did you mean prod/db?"),
        (
            ["payments-db", "--namespace", "shop", "--source", "/prod/db"],
            "no target has mapping payments-db and namespace shop and source /prod/db, all at once",
        ),
    ],
)
def test_a_name_that_no_target_has_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, args: list[str], said: str
) -> None:
    other = row(mapping="web", namespace="shop", sources=[]) if "all at once" in said else OWNED
    result = ask_for(monkeypatch, *args, of=(OWNED, other))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"{said}\n")


def test_owners_are_told_of_those_that_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    result = ask_for(monkeypatch, "--owner", "zzz", of=(OWNED, row(mapping="web")))
    assert result.stderr == "no target has owner zzz; there is: payments\n"
    result = ask_for(monkeypatch, "--owner", "zzz", of=(row(),))
    assert (result.exit_code, result.stderr) == (1, "no target has owner zzz; there is: none\n")


def test_the_log_is_asked_only_where_something_is_not_known_to_be_right_and_again_for_what_is_older(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[datetime]()

    class Logged(Targets):
        def list_attempts(self, _since: datetime, **_more: object) -> list[LogLines]:
            asked.append(_since)
            return [LogLines([])]

    now = datetime.now(UTC)
    lately, long_ago = (row("stale", since=(now - age).isoformat()) for age in (RECENT / 2, RECENT * 2))
    for rows, count in (((row(), row("held")), 0), ((row(), row("unknown")), 1), ((lately,), 1), ((long_ago,), 2)):
        asked.clear()
        monkeypatch.setattr(command, "open_stack", lambda *_, rows=rows: Logged(*rows))
        CliRunner().invoke(main, ["status"])
        assert len(asked) == count
    recently, before = asked
    assert before == now - RECENT * 2 < recently
    assert datetime.now(UTC) - recently >= RECENT


def test_of_the_log_no_more_is_read_than_the_chosen_targets_need(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    stack: Any = FakeStack([row("stale", mapping="web"), row(), row("stale", mapping="web", cluster="prod-us")])
    stack.list_attempts = log.list_attempts
    deploy(monkeypatch, "status", stack)
    assert CliRunner().invoke(main, ["status", "payments-db"]).exit_code == 0
    assert log.asked == []
    assert CliRunner().invoke(main, ["status", "web", "--cluster", "prod-us"]).exit_code == 1
    assert [names for *_, names in log.asked] == [set(), {"web"}]


def test_a_watch_reads_further_back_in_its_first_look_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    stack: Any = FakeStack([row("stale")])
    stack.list_attempts = log.list_attempts
    deploy(monkeypatch, "status", stack)

    def wait(_seconds: float) -> None:
        if len(log.asked) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("keyferry.cli.commands.look.status.time.sleep", wait)
    CliRunner().invoke(main, ["status", "--watch"])
    assert [until for _, until, _ in log.asked] == [None, NOW - RECENT, None]


class Comparing:
    """A comparison with one's own rights, in two pages."""

    def __init__(self, *_: object) -> None:
        self.pages: list[dict[str, Any]] = [
            {"rows": [row()], "cursor": {"prod-eu": {"mapping": "web"}}},
            {"rows": [row("stale", mapping="web")]},
        ]

    def list_status(self, scope: Scope, _deadline: object) -> dict[str, Any]:
        assert bool(scope.cursor) is (len(self.pages) == 1)
        assert scope.cluster == "prod-eu"
        return self.pages.pop(0)


def test_locally_no_stack_is_asked_and_every_page_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "open_session", lambda _region: None)
    monkeypatch.setattr(command, "Runtime", Comparing)
    result = run("--local", "--cluster", "prod-eu", "--output", "json")
    targets = json.loads(result.stdout)["targets"]
    assert [(each["mapping"], each["state"]) for each in targets] == [("payments-db", "right"), ("web", "stale")]
    assert result.exit_code == 1


def test_without_any_target_no_name_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    result = ask_for(monkeypatch, "--cluster", "prod-eu", of=())
    assert (result.exit_code, result.stdout) == (0, "no targets\n")


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ((OWNED,), "the target is right, or held by the mapping\n"),
        ((OWNED, row("held", namespace="shop")), "all 2 targets are right, or held by the mapping\n"),
    ],
)
def test_where_all_is_right_stale_says_of_how_many(
    monkeypatch: pytest.MonkeyPatch, of: tuple[dict[str, Any], ...], said: str
) -> None:
    result = ask_for(monkeypatch, "--stale", of=of)
    assert (result.exit_code, result.stdout) == (0, said)


def test_a_namespace_that_no_target_has_is_told_offline_too() -> None:
    result = run("--offline", "--source", "prod/payment/db")
    said = "no target has source prod/payment/db; did you mean prod/payments/db?\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


def test_offline_tells_owners_restarts_and_choices_of_namespaces(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "mappings")
    path = tmp_path / "mappings/payments.yaml"
    chosen = {"matchLabels": {"team": "payments"}}
    path.write_text(path.read_text().replace("namespaces: [payments]", f"namespaces: [payments, {json.dumps(chosen)}]"))
    result = CliRunner().invoke(
        main, ["--mappings", str(tmp_path / "mappings"), "status", "payments-db", "--offline", "--output", "json"]
    )
    targets = json.loads(result.stdout)["targets"]
    assert [(each["cluster"], each["namespace"]) for each in targets] == [
        (name, namespace) for name in ("prod-eu", "prod-us") for namespace in ("(team=payments)", "payments")
    ]
    assert {each["owner"]["team"] for each in targets} == {"payments"}
    assert {each["restart"] for each in targets} == {"auto"}


def test_offline_shows_no_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--offline", "payments-db").stdout.splitlines() == [
        "cluster  namespace  secret",
        "prod-eu  payments   payments-db",
        "prod-us  payments   payments-db",
        "",
        "2 targets",
    ]
    print_planned([])
    assert capsys.readouterr().out == "no targets\n"
    result = run("--offline", "--stale")
    assert result.exit_code == 2
    assert "--offline knows none" in result.stderr


def test_each_look_of_a_watch_begins_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [FakeStack([row("stale")]), FakeStack([row()])]

    def wait(_seconds: float) -> None:
        looks.pop(0)
        if not looks:
            raise KeyboardInterrupt

    deployed = type("Stack", (), {"name": "keyferry", "ask": lambda _, *given, **more: looks[0].ask(*given, **more)})()
    deployed.list_attempts = lambda _since, **_: [LogLines(())]
    deployed.connect_suspensions = looks[0].connect_suspensions
    deploy(monkeypatch, "status", deployed)
    monkeypatch.setattr("keyferry.cli.commands.look.status.time.sleep", wait)
    lines = CliRunner().invoke(main, ["status", "--watch"]).stdout.splitlines()
    assert lines.count("2026-11-24 15:00:00 UTC") == 2
    assert lines[0] == "2026-11-24 15:00:00 UTC"
