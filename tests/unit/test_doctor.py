"""How `keyferry doctor` examines and tells: step by step, whatever cannot be looked at, as text and as JSON."""

import json
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.call import Call
from keyferry.cli.deployment import Deployment
from keyferry.cli.doctor import examination
from keyferry.cli.doctor.clusters.needs import Needs
from keyferry.cli.doctor.finding import Check, Finding
from keyferry.cli.doctor.runner import AT_ONCE, collect, run_checks
from keyferry.cli.output.findings import print_findings, print_totals
from keyferry.deadline import Deadline
from keyferry.errors import AccessDenied, InvalidInput, Misconfigured, NotSignedIn
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.stack import StackNames
from tests.unit.examined import Examined, error, only
from tests.unit.samples import ACCOUNT, cluster, mapping
from tests.unit.terminal import on_terminal

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/mappings"
OK = Finding("rules", "ok", "one", "enabled")
HELP = "https://keyferry.dev/operate/#what-is-wrong-with-the-stack"


def test_what_comes_before_an_error_is_kept_and_the_error_is_a_warning() -> None:
    def run() -> Iterator[Finding]:
        yield OK
        raise AccessDenied("AWS refuses events:DescribeRule")

    kept, refused = collect(Check("rules", "two", run), lambda: ("grant it",))
    assert kept == OK
    assert refused == Finding(
        "rules", "warning", "two", "could not be looked at: AWS refuses events:DescribeRule", ("grant it",)
    )


def test_an_error_that_nobody_foresaw_is_a_warning_without_its_text() -> None:
    def run() -> Iterator[Finding]:
        raise ValueError("canary-1")
        yield

    finding = only(collect(Check("rules", "two", run)))
    assert (finding.state, finding.why.startswith("could not be looked at: ValueError at test_doctor.py")) == (
        "warning",
        True,
    )
    assert "canary" not in str(finding)


def test_what_cannot_be_looked_at_is_a_warning_in_its_own_words() -> None:
    def run() -> Iterator[Finding]:
        raise InvalidInput("there is no such thing")
        yield

    finding = only(collect(Check("rules", "two", run), lambda: ("grant it",)))
    assert (finding.why, finding.remedy) == ("could not be looked at: there is no such thing", ())


def test_whoever_stops_it_does_not_wait_for_what_has_not_begun() -> None:
    begun, all_begun, may_end = list[int](), threading.Barrier(AT_ONCE + 1), threading.Event()

    def run(number: int) -> Iterator[Finding]:
        begun.append(number)
        if 0 < number <= AT_ONCE:
            all_begun.wait(10)
            may_end.wait(10)
        yield OK

    checks = [Check("rules", str(number), partial(run, number)) for number in range(100)]
    findings: Any = run_checks(checks, tuple)
    assert next(findings) == OK
    all_begun.wait(10)
    threading.Timer(0.2, may_end.set).start()  # to close it waits for what has begun
    findings.close()
    assert may_end.is_set()
    assert sorted(begun) == list(range(AT_ONCE + 1))


def test_checks_run_side_by_side_and_are_told_in_their_order() -> None:
    second_is_done = threading.Event()

    def first() -> Iterator[Finding]:
        assert second_is_done.wait(10)
        yield OK

    def second() -> Iterator[Finding]:
        second_is_done.set()
        yield Finding("rules", "ok", "two")

    checks = [Check("rules", "one", first), Check("rules", "two", second)]
    assert [finding.what for finding in run_checks(checks, tuple)] == ["one", "two"]


def test_findings_with_the_same_reason_are_one_line_with_all_their_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = [Finding("queues", "error", name, "the queue is gone", ("look", f"make {name}")) for name in ("one", "two")]
    findings = [OK, *gone, Finding("rules", "ok", "two", "enabled"), Finding("rules", "ok", "three")]
    print_findings(findings, has_all=False)
    print_totals(findings, has_all=False)
    assert capsys.readouterr().out.splitlines() == [
        "ok       rules           one, two: enabled",
        "error    queues          one, two: the queue is gone",
        "         look",
        "         make one",
        "         make two",
        "ok       rules           three",
        "",
        HELP,
        "5 looked at: 2 errors, 0 warnings, 3 ok",
    ]


def show(monkeypatch: pytest.MonkeyPatch, findings: list[Finding], *, has_all: bool) -> list[str]:
    """Return the lines that a terminal of 80 columns gets."""
    with on_terminal(monkeypatch, NO_COLOR="1") as terminal:
        print_findings(findings, has_all=has_all)
        print_totals(findings, has_all=has_all)
    return terminal.text.splitlines()


def test_on_a_terminal_what_is_ok_is_one_line_unless_all_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"kubectl --context {'x' * 90} apply --server-side -f rbac.yaml"
    missing = Finding("rules", "error", "eu", "missing: one and 1 more", (command,), ("Role one", "Role two"))
    many = [OK, missing, Finding("rules", "ok", "two"), Finding("rules", "ok", "three", "enabled")]
    total = "4 looked at: 1 error, 0 warnings, 3 ok"
    assert show(monkeypatch, many, has_all=False) == [
        "ok       rules           3 things",
        "error    rules           eu: missing: one and 1 more",
        f"         {command}",
        *("", HELP, total, "--all shows every one, and everything that a line counts"),
    ]
    assert show(monkeypatch, many, has_all=True) == [
        "ok       rules           one, three: enabled",
        "error    rules           eu: missing: one and 1 more",
        "                         Role one",
        "                         Role two",
        f"         {command}",
        "ok       rules           two",
        *("", HELP, total),
    ]
    assert show(monkeypatch, [OK], has_all=False)[0] == "ok       rules           one: enabled"


class Session:
    """A session of AWS."""

    region_name = "eu-west-1"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Examined:
    """A stack with the mappings of the examples, which the command examines."""
    world = Examined()
    monkeypatch.setattr(examination, "open_session", lambda _region: Session())
    monkeypatch.setattr(examination, "Sessions", lambda _session: world.clients)
    monkeypatch.setattr("keyferry.cli.commands.look.doctor.find_stack", lambda _session, **_: world.subject.stack)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return world


def run(*args: str) -> tuple[int, str]:
    result = invoke(*args)
    return result.exit_code, result.output


def invoke(*args: str, mappings: Path = EXAMPLES) -> Result:
    return CliRunner().invoke(main, ["--mappings", str(mappings), "doctor", *args])


def answer(*args: str) -> dict[str, Any]:
    """Return what `--output json` says; the exit code has to fit it."""
    result = invoke("--output", "json", *args)
    told: dict[str, Any] = json.loads(result.stdout)  # progress of a machine that is busy is on stderr
    assert result.exit_code == (1 if told["errors"] else 0)
    for state in ("error", "warning"):
        assert told[f"{state}s"] == sum(finding["state"] == state for finding in told["findings"])
    return told


def checks(told: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(finding["check"] for finding in told["findings"]))


def test_a_stack_is_examined_from_the_caller_to_the_clusters(world: Examined) -> None:
    world.report["clusters"]["rows"] = [{"cluster": "prod-eu", "version": "v1.36.2"}]
    told = answer()
    assert checks(told) == [
        *("mappings", "caller", "clock", "stack", "release", "rules", "trail", "queues", "dead letters", "functions"),
        *("event sources", "processor", "roles", "access entries", "endpoints", "sources", "keys", "cluster"),
    ]
    assert set(told["findings"][0]) == {"check", "state", "what", "why", "remedy", "details"}
    # Tests have no clock of November 2026, and nobody has a kubeconfig.
    wrong = {finding["check"] for finding in told["findings"] if finding["state"] != "ok"}
    assert wrong == {"clock", "release", "cluster"}


def test_without_a_stack_the_clusters_are_looked_at_all_the_same(
    world: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_stack(_session: object, **_: object) -> None:
        raise InvalidInput("there is no stack keyferry in eu-west-1")

    monkeypatch.setattr("keyferry.cli.commands.look.doctor.find_stack", find_stack)
    told = answer()
    assert checks(told) == ["mappings", "caller", "clock", "stack", "cluster"]
    stack = next(finding for finding in told["findings"] if finding["check"] == "stack")
    assert (stack["state"], stack["remedy"]) == (
        "error",
        ["aws cloudformation describe-stacks --region eu-west-1 --query 'Stacks[].StackName'"],
    )
    assert world.clients.calls


@pytest.mark.parametrize(
    "status", ["CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "DELETE_FAILED"]
)
def test_of_a_stack_that_was_never_made_only_that_is_told(
    world: Examined, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    world.status, world.outputs = status, {}
    loaded: list[object] = []
    monkeypatch.setattr(examination, "load_deployment", loaded.append)
    told = answer()
    assert checks(told) == ["mappings", "caller", "clock", "stack", "cluster"]
    assert [each["why"].partition(":")[0] for each in told["findings"] if each["check"] == "stack"] == [status]
    assert loaded == []


def test_it_exits_with_zero_where_nothing_is_an_error(world: Examined) -> None:
    now = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
    world.change("sts.get_caller_identity", ResponseMetadata={"HTTPHeaders": now})
    told = answer()
    assert (told["errors"], told["warnings"] > 0) == (0, True)
    assert "0 errors, " in run()[1]


def test_the_region_is_that_of_the_environment(world: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = list[str | None]()

    def open_session(region: str | None) -> Session:
        regions.append(region)
        return Session()

    monkeypatch.setattr(examination, "open_session", open_session)
    for name in ("eu-west-2", ""):
        monkeypatch.setenv("AWS_REGION", name)
        answer()
    assert regions == ["eu-west-2", None]
    assert world.clients.calls


def test_sources_of_other_accounts_have_their_line(world: Examined, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "mappings")
    path = tmp_path / "mappings/payments.yaml"
    foreign = "arn:aws:secretsmanager:us-east-1:444455556666:secret:prod/payments/db-a1B2c3"
    path.write_text(path.read_text().replace("secretsManager: prod/payments/db", f"secretsManager: {foreign}"))
    told = json.loads(invoke("--output", "json", mappings=tmp_path / "mappings").stdout)
    assert [each["what"] for each in told["findings"] if each["check"] == "events from"] == [
        "444455556666 in us-east-1"
    ]
    assert world.clients.calls


def test_many_clusters_have_as_much_more_time_as_they_take_rounds(
    world: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = list[Deadline]()

    def list_checks(*given_to: Any) -> list[Check]:  # noqa: ANN401
        given.append(given_to[3])
        return []

    monkeypatch.setattr("keyferry.cli.doctor.clusters.cluster.list_checks", list_checks)
    monkeypatch.setattr(examination, "AT_ONCE", 1)
    answer()
    answer("--cluster", "prod-eu")
    some, one = (round(deadline.remaining() / examination.CLUSTER_SECONDS) for deadline in given)
    assert (some > 1, one) == (True, 1)
    assert world.clients.calls


def test_aws_is_asked_once_who_asks(world: Examined) -> None:
    answer()
    asked = [call for call in world.clients.calls if call[0] == "sts.get_caller_identity"]
    assert len(asked) == 2  # the other one is for the clock


@pytest.mark.parametrize("problem", [Misconfigured("no region"), NotSignedIn("expired")])
def test_without_credentials_the_clusters_are_looked_at_all_the_same(
    world: Examined, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def open_session(_region: str | None) -> None:
        raise problem

    if isinstance(problem, Misconfigured):
        monkeypatch.setattr(examination, "open_session", open_session)
    else:
        world.set("sts.get_caller_identity", error("ExpiredToken"))
    told = answer()
    assert [check for check in checks(told) if check != "clock"] == ["mappings", "caller", "cluster"]
    assert told["errors"] >= 1


def test_without_mappings_that_are_right_the_stack_is_looked_at_all_the_same(world: Examined, tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_text("kind: Nothing\n")
    told = json.loads(invoke("--output", "json", mappings=tmp_path).stdout)
    assert told["findings"][0] | {"why": ""} == {
        **{"check": "mappings", "state": "error", "what": "files", "why": "", "details": []},
        "remedy": [f"keyferry --mappings {tmp_path} validate"],
    }
    assert "roles" in checks(told)
    assert "cluster" not in checks(told)
    assert world.clients.calls


def test_one_cluster_alone_is_looked_at_where_it_is_named(world: Examined) -> None:
    told = answer("--cluster", "prod-us")
    entries = {each["what"].partition(":")[0] for each in told["findings"] if each["check"] == "access entries"}
    assert entries == {each["what"] for each in told["findings"] if each["check"] == "cluster"} == {"prod-us"}
    assert world.clients.calls


def test_a_cluster_that_no_mapping_goes_to_is_told_with_the_nearest(world: Examined) -> None:
    code, out = run("--cluster", "prod-uk")
    assert (code, "mappings go to no cluster prod-uk; did you mean prod-us?" in out) == (1, True), out
    assert world.clients.calls == []


def test_of_many_clusters_what_is_the_same_is_told_together(world: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(name: str) -> Iterator[Finding]:
        yield Finding("cluster", "ok", name)
        yield Finding("rights", "ok", name, "you may look at all that is looked at")

    each = [Check("cluster", name, partial(look, name)) for name in ("prod-eu", "prod-us")]
    monkeypatch.setattr("keyferry.cli.doctor.clusters.cluster.list_checks", lambda *_: each)
    assert [finding["check"] for finding in answer()["findings"]][-4:] == ["cluster", "cluster", "rights", "rights"]
    assert "rights          prod-eu, prod-us: you may look at all that is looked at" in run()[1]
    assert world.clients.calls


def test_clusters_are_compared_with_what_is_deployed_where_the_stack_is_the_folder_s(
    world: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Needs] = []

    def list_checks(needs: Iterable[Needs], *_: object) -> list[Check]:
        compared.extend(needs)
        return []

    own = build_catalog([mapping()], [cluster()])
    others = build_catalog([mapping()], [cluster()], StackNames(prefix="staging"))
    monkeypatch.setattr("keyferry.cli.doctor.clusters.cluster.list_checks", list_checks)
    for known in (own, others):
        monkeypatch.setattr(examination, "load_deployment", lambda _stack, known=known: Deployment(known, "0", "1"))
        answer("--stack", "keyferry", "--cluster", "prod-eu")
    assert [each.deployed for each in compared] == [own, None]
    assert {each.call for each in compared} == {Call(EXAMPLES, "keyferry")}
    assert world.clients.calls


def test_remedies_are_for_the_folder_and_the_stack_that_were_named(world: Examined) -> None:
    def list_remedies(*args: str) -> list[str]:
        return [command for finding in answer(*args)["findings"] for command in finding["remedy"]]

    plain, named = list_remedies(), list_remedies("--stack", "my stack")
    assert f"keyferry --mappings {EXAMPLES} plan" in plain
    assert f"keyferry --mappings {EXAMPLES} build" in plain
    assert "sam deploy" in plain
    assert f"keyferry --mappings {EXAMPLES} plan --stack 'my stack'" in named
    assert "sam deploy --stack-name 'my stack'" in named
    assert Call().format_asking("plan") == "keyferry plan"
    assert world.clients.calls


def test_a_context_is_checked_before_anything_is_asked(world: Examined) -> None:
    code, out = run("--context", "mine")
    assert (code, "--context mine: say --context CLUSTER=CONTEXT" in out) == (1, True), out
    assert world.clients.calls == []


def test_a_kubeconfig_that_cannot_be_read_is_a_warning_unless_a_context_is_asked_for(
    world: Examined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("clusters: 1\ncontexts: canary\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    told = answer()
    assert told["findings"][-1]["state"] == "warning"
    assert "is no kubeconfig that can be used" in told["findings"][-1]["why"]
    code, out = run("--cluster", "prod-eu", "--context", "mine")
    assert (code, "is no kubeconfig that can be used" in out) == (1, True)
    assert "canary" not in out
    assert world.clients.calls


def test_the_text_ends_in_totals(world: Examined) -> None:
    code, out = run()
    last = out.splitlines()[-1]
    assert last.endswith(" ok")
    assert (code, " errors, " in last or " error, " in last) == (1, True)
    assert f"caller          arn:aws:sts::{ACCOUNT}:assumed-role/oncall/me: account {ACCOUNT}" in out
    assert world.clients.calls


def test_nothing_is_written_beside_a_bar(world: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    bars, written = list[str](), list[int]()

    @contextmanager
    def show_progress(work: str, _total: int) -> Iterator[Callable[[], None]]:
        bars.append(work)
        yield lambda: None
        bars.pop()

    monkeypatch.setattr("keyferry.cli.commands.look.doctor.console.show_progress", show_progress)
    monkeypatch.setattr(
        "keyferry.cli.commands.look.doctor.print_findings", lambda _findings, **_: written.append(len(bars))
    )
    run()
    assert set(written) == {0}
    assert world.clients.calls
