"""`keyferry rollback`: a stack of clusters with memory, and a Secrets Manager whose labels move."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli import stack as stack_module
from keyferry.cli.commands.steer import rollback
from keyferry.cli.history.versions import SecretVersion
from keyferry.cli.rollback.label import Move, choose_move, move_label
from keyferry.cli.rollback.readers import list_choosing, list_readers, list_seen_workloads
from keyferry.cli.steer.interrupt import Interrupt
from keyferry.cli.trace.subject import SourceName
from keyferry.errors import InvalidInput, Unreachable
from tests.unit.clusters import World
from tests.unit.function_logs import FunctionLogs
from tests.unit.samples import mapping
from tests.unit.test_cli_trace import Aws
from tests.unit.test_trace import ID, SOURCE, change

OLD, NEW = "version-1", "version-2"
TEXT = '{{"username": "me", "password": "canary-{}"}}'
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


class Labels:
    """Secrets Manager with the labels of one secret, which moves them as AWS does, and never tells a value."""

    def __init__(self) -> None:
        self.labels = {OLD: [PREVIOUS], NEW: [CURRENT], "prepared-3": ["AWSPENDING"]}
        self.calls: list[str] = []
        self.more: dict[str, Any] = {}
        """What else DescribeSecret answers."""
        self.before_move: Callable[[], object] = lambda: None
        self.after_move: Callable[[], object] = lambda: None

    def describe_secret(self, SecretId: str) -> dict[str, Any]:  # noqa: N803  # as AWS calls it
        self.calls.append("describe")
        return {"ARN": f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{SecretId}-a1b2c3", **self.more}

    def list_secret_version_ids(self, **_: object) -> dict[str, Any]:
        self.calls.append("list")
        created = datetime(2026, 11, 24, 12, tzinfo=UTC)
        return {
            "Versions": [
                {"VersionId": name, "VersionStages": labels, "CreatedDate": created}
                for name, labels in self.labels.items()
            ]
        }

    def update_secret_version_stage(self, **asked: str) -> None:
        self.before_move()
        self.calls.append("move")
        assert (asked["SecretId"], asked["VersionStage"]) == (SOURCE, CURRENT)
        [current] = [name for name, labels in self.labels.items() if CURRENT in labels]
        if current != asked["RemoveFromVersionId"]:
            raise ClientError({"Error": {"Code": "InvalidParameterException"}}, "UpdateSecretVersionStage")
        self.labels = {name: [] for name in self.labels} | {current: [PREVIOUS], asked["MoveToVersionId"]: [CURRENT]}
        self.after_move()


class Stack(Aws):
    """A stack beside such a Secrets Manager."""

    def __init__(self, logs: FunctionLogs) -> None:
        super().__init__(logs)
        self.world = logs
        self.secrets = Labels()
        self.secrets.after_move = self.deliver

    def client(self, service: object = "", *_: object, **_more: object) -> Any:  # noqa: ANN401
        return self.secrets if service == "secretsmanager" else self

    def deliver(self) -> None:
        """Let the event of the move arrive, and be delivered."""
        self.world.world.sources.put(SOURCE, TEXT.format("1"), OLD)
        self.world.move(ID % 9)
        self.world.deliver_all()


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack of two targets, whose secret has just changed."""
    logs = FunctionLogs(World(mapping(clusters=["prod-eu", "prod-us"], namespaces=["payments"])), monkeypatch)
    change(logs)
    stack = Stack(logs)
    monkeypatch.setattr("keyferry.cli.stack.open_session", lambda _region: stack)
    monkeypatch.setattr(rollback, "PATIENCE_SECONDS", 0)
    return stack


def run(*args: str, source: str = SOURCE, **more: Any) -> Result:  # noqa: ANN401
    result = CliRunner().invoke(main, ["rollback", source, "--stack", "keyferry", *args], **more)
    assert "canary" not in result.output
    return result


def test_it_names_who_reads_the_secret_moves_the_label_and_follows_it_to_each_secret(stack: Stack) -> None:
    result = run("--to", PREVIOUS, "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    intent, _, rest = result.stdout.partition("prod/payments/db: change of ")
    assert "secret prod/payments/db of account 111122223333, read through stack keyferry" in intent
    for cluster in ("prod-eu", "prod-us"):
        assert f"{cluster}/payments/payments-db  right  payments-db  version-  Deployment/api" in intent
    assert "updated: prod/payments/db AWSCURRENT moved" in rest
    assert "  version: version-1\n" in rest
    assert "of payments-db (db):" in rest
    assert stack.secrets.labels == {OLD: [CURRENT], NEW: [PREVIOUS], "prepared-3": []}
    assert stack.secrets.calls == ["describe", "list", "move"]


def test_the_json_has_what_was_done(stack: Stack) -> None:
    said = run("--to", OLD, "--yes", "--output", "json").stdout
    known = json.loads(said[said.index("{\n") :])  # beside what the functions write of metrics here
    assert (known["moved"], known["waiting"], known["account"]) == (True, [], "111122223333")
    assert (known["before"]["version"], known["after"]["version"]) == (NEW, OLD)
    assert known["before"]["labels"] == [CURRENT]
    assert (known["pin"], known["sources"]) == ("version: version-1", {"payments-db": ["db"]})
    assert [(each["secret"], each["workloads"], each["follows"]) for each in known["readers"]] == [
        (f"{cluster}/payments/payments-db", ["Deployment/api"], True) for cluster in ("prod-eu", "prod-us")
    ]
    assert stack.questions


@pytest.mark.parametrize("args", [["--dry-run"], ["--dry-run", "--output", "json"]])
def test_a_dry_run_shows_the_same_and_moves_nothing(stack: Stack, args: list[str]) -> None:
    result = run("--to", PREVIOUS, *args)
    assert result.exit_code == 0
    assert "prod-us/payments/payments-db" in result.stdout
    assert "move" not in stack.secrets.calls


def test_it_asks_and_the_answer_no_changes_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "check_can_ask", lambda *_: None)
    result = run("--to", PREVIOUS, input="n\n")
    assert result.exit_code == 130
    assert "Move AWSCURRENT, which 2 of 2 Secrets of stack keyferry of account" in result.stderr
    assert result.stderr.endswith("nothing was done\n")
    assert "move" not in stack.secrets.calls


def test_without_a_terminal_and_without_yes_it_refuses_before_it_asks_anybody(stack: Stack) -> None:
    result = run("--to", PREVIOUS)
    assert result.exit_code == 2
    assert "say --yes to rollback, or --dry-run to look" in result.stderr
    assert (stack.secrets.calls, stack.questions) == ([], [])


def test_what_does_not_have_the_version_in_time_is_told_and_goes_on(stack: Stack) -> None:
    stack.secrets.after_move = lambda: None
    result = run("--to", PREVIOUS, "--yes")
    assert result.exit_code == 1
    waiting = "2 Secrets do not have it yet: prod-eu/payments/payments-db, prod-us/payments/payments-db"
    assert f"{waiting}; it goes on without anybody looking" in result.stdout


@pytest.mark.parametrize(("error", "code"), [(Unreachable("report does not answer"), 1), (KeyboardInterrupt(), 130)])
@pytest.mark.parametrize("form", ["table", "json"])
def test_whatever_ends_it_once_the_label_has_moved_it_says_so_and_what_waits(
    stack: Stack, error: BaseException, code: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = count(), stack_module.Stack.ask

    def fail_later(self: stack_module.Stack, question: str, **fields: object) -> Iterator[dict[str, Any]]:
        if next(asked):
            raise error
        return ask(self, question, **fields)

    monkeypatch.setattr(stack_module.Stack, "ask", fail_later)
    result = run("--to", PREVIOUS, "--yes", "--output", form)
    assert (result.exit_code, stack.secrets.labels[OLD]) == (code, [CURRENT])
    if form == "json":
        known = json.loads(result.stdout[result.stdout.index("{\n") :])
        assert (known["moved"], len(known["waiting"])) == (True, 2)
    else:
        assert f"AWSCURRENT was moved to version {OLD}\n2 Secrets do not have it yet" in result.stdout
        assert f"  version: {OLD}\n" in result.stdout


def test_ctrl_c_while_it_follows_ends_it_with_130_and_says_what_waits(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = Interrupt()
    pressed.is_pressed, stack.secrets.after_move = True, lambda: None
    monkeypatch.setattr(rollback, "Interrupt", lambda: pressed)
    result = run("--to", PREVIOUS, "--yes")
    assert (result.exit_code, stack.secrets.labels[OLD]) == (130, [CURRENT])
    assert "2 Secrets do not have it yet" in result.stdout


def test_what_arrives_while_the_change_is_looked_up_is_not_told_as_missing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.secrets.after_move = stack.questions.clear
    ask = stack.invoke

    def answer(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        if "move" in stack.secrets.calls and len(stack.questions) == 1:
            stack.deliver()
        return ask(**arguments)

    monkeypatch.setattr(stack, "invoke", answer)
    result = run("--to", PREVIOUS, "--yes")
    assert (result.exit_code, "does not have it yet" in result.stdout, "do not have" in result.stdout) == (
        0,
        False,
        False,
    )


def test_a_second_time_there_is_nothing_to_do(stack: Stack) -> None:
    run("--to", OLD, "--yes")
    result = run("--to", OLD, "--yes")
    assert result.exit_code == 0
    assert result.stdout.endswith("nothing to do: it is current\n")
    assert stack.secrets.calls.count("move") == 1
    assert json.loads(run("--to", OLD, "--yes", "--output", "json").stdout)["moved"] is False


def test_it_refuses_where_the_label_has_moved_since_it_was_looked_at(stack: Stack) -> None:
    def rotate() -> None:
        stack.secrets.labels = {OLD: [], NEW: [PREVIOUS], "prepared-3": [CURRENT]}

    stack.secrets.before_move = rotate
    result = run("--to", OLD, "--yes")
    assert result.exit_code == 1
    assert "AWSCURRENT has moved since, to prepared-3: nothing was done" in result.stderr
    assert stack.secrets.labels["prepared-3"] == [CURRENT]


def test_a_rotation_that_is_on_is_warned_of_and_a_managed_one_is_refused(stack: Stack) -> None:
    stack.secrets.more = {"RotationEnabled": True, "NextRotationDate": datetime(2026, 12, 1, 3, tzinfo=UTC)}
    said = run("--to", OLD, "--dry-run").stderr
    assert "warning: its rotation is on, and makes a new version current again, by 2026-12-01 03:00 UTC" in said
    assert "`aws secretsmanager cancel-rotate-secret --secret-id prod/payments/db`" in said
    stack.secrets.more = {"OwningService": "rds"}
    result = run("--to", OLD, "--dry-run")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is managed by rds, which alone moves its labels: rotate it once more" in result.stderr


def test_what_is_suspended_is_warned_of_and_only_if_it_stops_a_reader(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, kept = stack_module.Stack.ask, {"reason": "it moves", "since": "2020-01-01T00:00:00Z"}
    told = [kept | {"cluster": name, "until": "2120-01-01T00:00:00Z"} for name in ("prod-us", "prod-ap")]

    def tell(self: stack_module.Stack, question: str, **fields: object) -> Iterator[dict[str, Any]]:
        yield from (page | {"suspended": told} for page in ask(self, question, **fields))

    monkeypatch.setattr(stack_module.Stack, "ask", tell)
    said = " ".join(run("--to", PREVIOUS, "--dry-run").stderr.split())
    assert "warning: cluster prod-us is suspended until 2120-01-01T00:00:00+00:00: it moves; what it stops gets" in said
    assert "prod-ap" not in said


def test_of_a_parameter_it_says_what_to_do(stack: Stack) -> None:
    parameter = {"alias": "tls", "store": "parameterstore", "name": "/prod/payments/tls", "held": "3@2026-11-24"}
    stack.more = {"sources": [parameter]}
    result = run("--to", "2", "--yes", source="/prod/payments/tls")
    assert (result.exit_code, stack.secrets.calls) == (1, [])
    assert "/prod/payments/tls is a parameter, which has no label to move: put the old value again" in result.stderr
    assert "`aws ssm put-parameter --name /prod/payments/tls --overwrite --value …`" in result.stderr


def test_what_nobody_reads_is_refused_with_what_may_be_meant(stack: Stack) -> None:
    result = run("--to", OLD, "--yes", source="prod/payments/bd")
    assert "no mapping of this stack reads prod/payments/bd; did you mean prod/payments/db?" in result.stderr
    assert stack.secrets.calls == []


def test_of_several_secrets_of_a_name_the_arn_has_to_be_said(stack: Stack) -> None:
    source = {"alias": "db", "store": "secretsmanager", "name": SOURCE}
    stack.more = {"sources": [source, source | {"region": "us-east-1"}]}
    result = run("--to", OLD, "--yes")
    assert "prod/payments/db in the region of the stack, prod/payments/db in us-east-1; say the ARN" in result.stderr
    assert stack.secrets.calls == []


# Which version


def version(name: str, *labels: str) -> SecretVersion:
    return SecretVersion(name, datetime(2026, 11, 24, 12, tzinfo=UTC), frozenset(labels))


VERSIONS = [
    version("a1b2c3d4-5678-90ab-cdef-111111111111", CURRENT),
    version("a1b2c3d4-5678-90ab-cdef-222222222222", PREVIOUS, "blue"),
    version("0f0f0f0f-5678-90ab-cdef-333333333333"),
    version("77777777-5678-90ab-cdef-444444444444", "AWSPENDING"),
]


@pytest.mark.parametrize(
    ("wanted", "number"), [(PREVIOUS, 1), ("blue", 1), (VERSIONS[2].id, 2), ("0f0f0f0f", 2), (CURRENT, 0)]
)
def test_a_version_is_chosen_by_its_id_its_beginning_or_a_label(wanted: str, number: int) -> None:
    move = choose_move(VERSIONS, wanted)
    assert move == Move(VERSIONS[0], VERSIONS[number])
    assert move.is_done is (number == 0)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("a1b2c3d4", "2 versions begin with a1b2c3d4; there is a1b2c3d4-5678-90ab-cdef-111111111111 of 2026-11-24"),
        ("0f0f0f0", "no version or label is called 0f0f0f0"),
        ("blu", "no version or label is called blu; did you mean blue?"),
        ("AWSPENDING", "version 77777777-5678-90ab-cdef-444444444444 is AWSPENDING: a rotation prepares it"),
    ],
)
def test_what_is_no_version_to_go_back_to_is_refused_with_those_that_there_are(wanted: str, said: str) -> None:
    with pytest.raises(InvalidInput) as error:
        choose_move(VERSIONS, wanted)
    assert said in str(error.value)


def test_of_many_versions_five_are_named_and_without_a_current_one_there_is_no_way_back() -> None:
    many = [version(CURRENT, CURRENT), *(version(f"v{number}") for number in range(8))]
    with pytest.raises(InvalidInput, match="and 4 more"):
        choose_move(many, "other")
    with pytest.raises(InvalidInput, match="no version has the label AWSCURRENT"):
        choose_move(VERSIONS[1:], PREVIOUS)


@pytest.mark.parametrize("has_moved", [True, False])
def test_a_call_whose_answer_is_lost_has_moved_the_label_or_not(*, has_moved: bool) -> None:
    secrets = Labels()

    def lose() -> None:
        raise ReadTimeoutError(endpoint_url="https://secretsmanager")

    secrets.after_move, secrets.before_move = (lose, lambda: None) if has_moved else (lambda: None, lose)
    move = Move(version(NEW, CURRENT), version(OLD, PREVIOUS))
    if has_moved:
        move_label(secrets, SOURCE, move)
    else:
        with pytest.raises(Unreachable):
            move_label(secrets, SOURCE, move)


# Who reads it


def row(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    source = {"alias": "db", "store": "secretsmanager", "name": SOURCE, "held": f"{NEW}@2026-11-24T12:00:00+00:00"}
    where = {"mapping": "payments-db", "cluster": "prod-eu", "namespace": "payments", "secret": "payments-db"}
    return where | {"state": "right", "restart": "auto", "sources": [source]} | more


def test_a_reader_that_has_another_version_does_not_follow_and_one_of_which_nobody_knows_is_waited_for() -> None:
    held = row(state="held")
    held["sources"] = [held["sources"][0] | {"held": OLD}]
    away = row(state="unknown", namespace="", sources=[{"store": "secretsmanager", "name": SOURCE, "alias": "db"}])
    known = list_readers(SourceName(SOURCE), [row(), held, away, row(restart=["Rollout/web"])], {}, NEW)
    assert [(each["follows"], each.get("version"), each.get("workloads")) for each in known] == [
        (True, NEW, None),
        (False, OLD, None),
        (True, None, None),
        (True, NEW, ["Rollout/web"]),
    ]


def test_the_workloads_are_those_of_the_last_delivery_that_looked() -> None:
    def line(second: int, restart: str, *names: str) -> dict[str, Any]:
        outcome = {"namespace": "payments", "restart": restart, "workloads": [{"workload": name} for name in names]}
        where = {"mapping": "payments-db", "cluster": "prod-eu", "timestamp": f"2026-11-24T12:00:0{second}+00:00"}
        return where | {"namespaces": [outcome]}

    lines = [line(2, "done", "Deployment/api"), line(1, "done", "Deployment/old"), line(3, "not due")]
    assert list_seen_workloads(lines) == {("payments-db", "prod-eu", "payments"): ["Deployment/api"]}


def test_mappings_that_choose_by_find_are_told_since_a_row_does_not_name_what_they_find() -> None:
    find = {"alias": "all", "store": "secretsmanager", "name": "find in secretsManager by path prod/"}
    assert list_choosing([row(), row(mapping="all", sources=[find])]) == ["all"]
