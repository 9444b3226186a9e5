"""`keyferry restart`: what it shows, asks and sends, and what becomes of it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.errors import ClusterUnreachable
from keyferry.pipeline.suspensions import ROOT
from tests.unit.clusters import World
from tests.unit.deployed_stack import DeployedStack
from tests.unit.samples import mapping
from tests.unit.test_follow import create_interrupt
from tests.unit.world import KIND

ROLLOUT = f"rollout payments/{KIND}/api"


def deploy(world: World, monkeypatch: pytest.MonkeyPatch, folder: Path) -> DeployedStack:
    """Let samconfig.toml name a stack whose Secrets are delivered."""
    monkeypatch.setattr("keyferry.cli.commands.steer.restart.check_can_ask", lambda *_: None)
    deployed = DeployedStack(world, monkeypatch)
    monkeypatch.setattr("boto3.Session", lambda **_: deployed)
    monkeypatch.setattr("keyferry.cli.steer.follow.Interrupt", lambda: create_interrupt(deployed))
    monkeypatch.chdir(folder)
    (folder / "samconfig.toml").write_text('[default.deploy.parameters]\nstack_name = "keyferry"\n')
    for name in world.clusters:
        world.clusters[name].history.clear()
    return deployed


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeployedStack:
    """A stack with everything delivered to two clusters."""
    return deploy(World(), monkeypatch, tmp_path)


def run(*args: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(main, ["restart", *args], input=stdin)
    assert "canary" not in result.output
    return result


def count_rollouts(deployed: DeployedStack) -> dict[str, int]:
    return {name: each.history.count(ROLLOUT) for name, each in deployed.world.clusters.items()}


def test_what_uses_the_secrets_restarts_once_on_each_cluster_and_is_told(deployed: DeployedStack) -> None:
    result = run("payments-db", "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["annotated", "prod-eu", "payments", "payments-db", f"{KIND}/api"] in [row[:5] for row in rows]
    assert "a restart was asked for" in result.stdout
    assert count_rollouts(deployed) == {"prod-eu": 1, "prod-us": 1}


def test_the_same_message_once_more_restarts_nothing_and_another_request_does(deployed: DeployedStack) -> None:
    run("payments-db", "--no-wait", "--yes")
    (first, second), sent = deployed.waiting, next(iter(deployed.sqs.kept.values()))[:]
    assert first.restart == second.restart
    deployed.work()
    next(iter(deployed.sqs.kept.values())).extend(sent)
    deployed.work()
    assert count_rollouts(deployed) == {"prod-eu": 1, "prod-us": 1}
    run("payments-db", "--cluster", "prod-eu", "--yes")
    assert count_rollouts(deployed) == {"prod-eu": 2, "prod-us": 1}


def test_only_what_is_named_is_asked_to_restart(deployed: DeployedStack) -> None:
    run("payments-db", "--cluster", "prod-us", "--namespace", "payments", "--no-wait", "--yes")
    (message,) = deployed.waiting
    assert (message.cluster, message.namespace, message.takes_back) == ("prod-us", "payments", False)
    assert message.event_id == f"restart-{message.restart}"


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130), ("\n", 130)])
def test_the_question_names_mapping_stack_account_and_clusters(deployed: DeployedStack, answer: str, code: int) -> None:
    result = run("payments-db", stdin=answer)
    assert result.exit_code == code
    question = (
        "Restart what uses 4 Secrets of mapping payments-db, through stack keyferry of account 111122223333 in"
        " eu-west-1, on prod-eu, prod-us?"
    )
    assert f"{question} [y/N]" in result.stderr
    assert count_rollouts(deployed) == dict.fromkeys(("prod-eu", "prod-us"), 0 if code else 1)


def test_a_dry_run_shows_whose_workloads_restart_and_sends_nothing(deployed: DeployedStack) -> None:
    result = run("payments-db", "--dry-run")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        [cluster, "payments-db", "payments,", "shop", "what", "uses", "the", "Secret"]
        for cluster in ("prod-eu", "prod-us")
    ]
    told = json.loads(run("payments-db", "--dry-run", "--output", "json").stdout)["targets"]
    assert {each["restart"] for each in told} == {"auto"}
    assert deployed.waiting == []


def test_a_mapping_that_restarts_nothing_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(mapping(restart="none", namespaces=["payments"], clusters=["prod-eu"]))
    deployed = deploy(world, monkeypatch, tmp_path)
    result = run("payments-db", "--yes")
    assert (result.exit_code, deployed.waiting) == (1, [])
    assert "mapping payments-db restarts nothing (restart: none): use `kubectl rollout restart`" in result.stderr


def test_a_name_that_the_stack_does_not_have_is_told_with_the_nearest(deployed: DeployedStack) -> None:
    result = run("payment-db", "--yes")
    assert (result.exit_code, deployed.waiting) == (1, [])
    assert "no target has mapping payment-db; did you mean payments-db?" in result.stderr


@pytest.mark.parametrize("way", ["--yes", "--dry-run"])
def test_what_is_suspended_is_refused(deployed: DeployedStack, way: str) -> None:
    value = {"reason": "it moves", "since": "2020-01-01T00:00:00Z", "until": "2120-01-01T00:00:00Z", "by": "ann"}
    deployed.suspended[f"{ROOT.format(stack='keyferry')}/clusters/prod-us"] = json.dumps(value)
    result = run("payments-db", way)
    assert (result.exit_code, deployed.waiting) == (1, [])
    assert "keyferry resume --cluster prod-us" in result.stderr
    assert run("payments-db", "--cluster", "prod-eu", way).exit_code == 0


def test_a_cluster_that_does_not_answer_restarts_once_it_does(deployed: DeployedStack) -> None:
    deployed.failures["prod-us"] = ClusterUnreachable("no answer in time")

    def come_back() -> None:
        if deployed.attempts == 3:
            deployed.failures.clear()

    deployed.after_work = come_back
    assert run("payments-db", "--yes").exit_code == 0
    assert count_rollouts(deployed) == {"prod-eu": 1, "prod-us": 1}
