"""`keyferry doctor --canary`: a change is made, and followed in a stack that works on clusters with memory."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from keyferry.cli import main
from keyferry.cli.doctor import canary
from keyferry.cli.doctor.finding import Finding
from keyferry.cli.doctor.subject import Subject
from keyferry.cli.stack import Stack
from keyferry.cli.trace.pages import LogLines
from keyferry.errors import AccessDenied, ClusterUnreachable, InvalidInput, KeyferryError
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.status import list_status
from tests.unit.cases.doctor import connect
from tests.unit.clusters import SOURCE, World
from tests.unit.examined import Examined, error
from tests.unit.function_logs import FunctionLogs
from tests.unit.samples import mapping

EVENT = "6a7e8feb-b491-4cf7-a9f1-bf3703467711"
BOTH = {
    "clusters": ["prod-eu", "prod-us"],
    "namespaces": ["payments"],
    "secret": {"name": "payments-db", "data": {"canary": {"from": "db"}}},
}


class Working(Stack):
    """A stack that delivers a change while somebody waits."""

    logs: FunctionLogs
    asked: list[Mapping[str, Any]]

    def ask(self, question: str, **fields: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # JSON
        """Yield the states of the targets."""
        assert question == "status"
        self.asked.append(fields)
        yield list_status(Scope.model_validate(fields), self.logs.world.catalog, self.logs.world.services())

    def read_logs(self, function: str, pattern: str, since: datetime) -> LogLines:  # noqa: ARG002
        """Return the lines of a function."""
        return LogLines(self.logs.lines[function])


class Scene:
    """A canary in the clusters of a world, and the AWS that it is changed in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
        self.logs, self.examined, self.slept = FunctionLogs(world, monkeypatch), Examined(), list[float]()
        self.examined.set("secretsmanager.put_secret_value", self.put)
        self.fails: KeyferryError | None = None
        self.values: list[str] = []
        given: Any = type("Session", (), {"region_name": "eu-west-1"})()
        self.stack = Working(given, "keyferry", {})
        object.__setattr__(self.stack, "logs", self.logs)
        object.__setattr__(self.stack, "asked", [])

    def put(self, SecretId: str, SecretString: str) -> dict[str, str]:  # noqa: N803  # as boto3 has it
        """Keep the new value, and say its version."""
        self.values.append(SecretString)
        return {"VersionId": self.logs.world.sources.put(SecretId, SecretString)}

    def sleep(self, seconds: float) -> None:
        """Let the stack do its work while somebody waits: first the event, then the deliveries."""
        self.slept.append(seconds)
        if len(self.slept) == 1:
            self.logs.move(EVENT, SOURCE)
        elif len(self.slept) == 2:
            self.logs.deliver_all(error=self.fails)

    def now(self) -> datetime:
        """Return the time, which passes by what was slept."""
        return datetime.now(UTC) + timedelta(seconds=sum(self.slept))

    def check(self) -> list[Finding]:
        """Return what is found."""
        subject = Subject(self.examined.clients, self.examined.caller, self.stack)
        return list(canary.check_canary(subject, self.logs.world.catalog, canary.Clock(self.now, self.sleep)))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A canary in two clusters."""
    return Scene(
        monkeypatch, World(mapping("keyferry-canary", **BOTH), mapping(sources={"db": {"secretsManager": "o"}}))
    )


def test_a_change_arrives_in_each_cluster_with_the_seconds_of_each_hop(scene: Scene) -> None:
    found = scene.check()
    assert [(each.state, each.what) for each in found] == [
        ("ok", "prod-eu/payments/payments-db"),
        ("ok", "prod-us/payments/payments-db"),
    ]
    for each in found:
        assert each.why.startswith("the new value arrived after ")
        assert [line.split()[2:] for line in each.details] == [
            ["event"],
            ["route"],
            ["delivery"],
            ["write"],
            ["restart"],
        ]
    assert scene.stack.asked == [{"mapping": "keyferry-canary"}] * 3
    assert scene.slept == [canary.PAUSE_SECONDS] * 2


def test_the_new_value_is_random_and_nobody_is_told_it(scene: Scene) -> None:
    found = scene.check()
    scene.slept.clear()
    scene.check()
    first, second = (json.loads(value)["canary"] for value in scene.values)
    assert first != second
    assert first not in str(found) + json.dumps(scene.logs.lines)


def test_a_change_that_does_not_arrive_in_time_is_an_error_that_names_the_last_hop_and_its_reason(scene: Scene) -> None:
    scene.fails, began = ClusterUnreachable("no answer in time"), scene.now()
    found = scene.check()
    assert [each.state for each in found] == ["error", "error"]
    assert "did not arrive in 120 s; the last hop that was seen is" in found[0].why
    assert "delivery: ClusterUnreachable" in found[0].why
    assert found[0].remedy == (f"keyferry trace {SOURCE}",)
    assert (scene.now() - began).total_seconds() >= canary.PATIENCE_SECONDS


def test_a_change_of_which_no_log_tells_is_an_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "sleep", scene.slept.append)
    [first, _] = scene.check()
    assert first.why == "the new value did not arrive in 120 s; no log line tells of the change"


def test_a_change_that_the_caller_may_not_make_is_refused(scene: Scene) -> None:
    scene.examined.set("secretsmanager.put_secret_value", error("AccessDeniedException"))
    with pytest.raises(AccessDenied, match="secretsmanager:PutSecretValue on prod/payments/db"):
        scene.check()


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ([mapping()], "no mapping keyferry-canary is deployed: `keyferry init --canary` writes one"),
        ([mapping("keyferry-canary"), mapping("shop")], "prod/payments/db is read by shop too"),
        ([mapping("keyferry-canary", sources={"db": {"secretsManager": SOURCE, "label": "LIVE"}})], "one source alone"),
        ([mapping("keyferry-canary", sources={"db": {"parameterStore": "/prod/db"}})], "one source alone"),
    ],
)
def test_nothing_is_changed_that_is_not_there_for_it(
    others: list[Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(monkeypatch, World())
    object.__setattr__(scene.logs.world, "catalog", scene.logs.world.catalog.model_copy(update=by_name(others)))
    with pytest.raises(InvalidInput, match=why):
        scene.check()
    assert scene.values == []


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (InvalidInput("no mappings"), []),
        (
            AccessDenied("no right"),
            [
                "aws iam attach-role-policy --role-name oncall"
                " --policy-arn arn:aws:iam::111122223333:policy/keyferry-steer"
            ],
        ),
    ],
)
def test_a_canary_that_was_asked_for_and_cannot_be_changed_is_an_error(
    error: KeyferryError, remedy: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    examined = Examined()
    examined.report["mappings"] = error
    connect(monkeypatch, examined, tmp_path)
    done = CliRunner().invoke(main, ["--mappings", "examples/mappings", "--output", "json", "doctor", "--canary"])
    [finding] = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "canary"]
    assert (finding["state"], finding["what"], finding["why"]) == ("error", "keyferry-canary", str(error))
    assert (finding["remedy"], done.exit_code) == (remedy, 1)


def by_name(mappings: list[Any]) -> dict[str, Any]:
    """Return the field of a catalogue that holds some mappings."""
    return {"mappings": {each.name: each for each in mappings}}
