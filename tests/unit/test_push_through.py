"""`keyferry push` through a stack: what it shows, asks and sends, what becomes of it, and what is left."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.errors import ClusterUnreachable, Conflict, KeyferryError
from keyferry.pipeline.suspensions import ROOT
from tests.unit.clusters import SOURCE, World
from tests.unit.deployed_stack import DeployedStack
from tests.unit.interrupts import interrupting
from tests.unit.test_follow import create_interrupt, passwords

importlib.import_module("keyferry.cli.commands.steer.push")  # while boto3's Session is still a class
NEW = {"prod-eu": "canary-2", "prod-us": "canary-2"}
OLD = {"prod-eu": "canary-1", "prod-us": "canary-1"}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeployedStack:
    """The stack that samconfig.toml names. Its secret has changed, and it has not seen it yet."""
    deployed = DeployedStack(World(), monkeypatch)
    deployed.world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    monkeypatch.setattr("boto3.Session", lambda **_: deployed)
    monkeypatch.setattr("keyferry.cli.steer.follow.Interrupt", lambda: create_interrupt(deployed))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samconfig.toml").write_text('[default.deploy.parameters]\nstack_name = "keyferry"\n')
    return deployed


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let push believe that somebody can answer."""
    monkeypatch.setattr("keyferry.cli.commands.steer.push.check_can_ask", lambda *_: None)


def run(*args: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(main, ["push", *args], input=stdin)
    assert "canary" not in result.output
    return result


def told(result: Result) -> list[dict[str, Any]]:
    """Return how far each delivery is."""
    return list(json.loads(result.stdout)["sent"])


def test_push_goes_through_the_stack_of_samconfig_and_shows_what_became_of_each_target(
    deployed: DeployedStack,
) -> None:
    """Without a folder of mappings: what is deployed decides."""
    result = run("--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["did", "cluster", "namespace", "secret", "restarted", "why"]
    assert [line[:5] for line in lines[1:5]] == [
        ["updated", "prod-eu", "payments", "payments-db", "Deployment/api"],
        ["updated", "prod-eu", "shop", "payments-db", "new"],
        ["updated", "prod-us", "payments", "payments-db", "Deployment/api"],
        ["updated", "prod-us", "shop", "payments-db", "new"],
    ]
    assert result.stdout.splitlines()[-1] == "4 targets: 4 updated"
    assert passwords(deployed) == NEW


def test_a_second_push_finds_nothing_to_do_and_says_only_the_number(deployed: DeployedStack) -> None:
    run("--yes")
    assert (run("--yes").stdout, deployed.attempts > 0) == ("4 targets: 4 unchanged\n", True)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130), ("\n", 130)])
def test_what_is_not_right_is_shown_before_the_question_which_names_stack_account_and_clusters(
    deployed: DeployedStack, answer: str, code: int
) -> None:
    result = run(stdin=answer)
    assert result.exit_code == code
    shown = result.stdout.partition("\n\n")[0].splitlines()
    assert [line.split()[:4] for line in shown[1:]] == [
        ["stale", cluster, namespace, "payments-db"]
        for cluster in ("prod-eu", "prod-us")
        for namespace in ("payments", "shop")
    ]
    question = "Send 2 deliveries through stack keyferry of account 111122223333 in eu-west-1, to prod-eu, prod-us?"
    assert f"{question} [y/N]" in result.stderr
    assert passwords(deployed) == (OLD if code else NEW)
    assert deployed.calls.count("sqs:SendMessage") == (0 if code else 1)


def test_a_dry_run_shows_what_is_not_right_and_sends_nothing(deployed: DeployedStack) -> None:
    result = run("--dry-run", "--cluster", "prod-eu")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 targets: 2 stale")
    states = json.loads(run("--dry-run", "--output", "json").stdout)["targets"]
    assert [target["state"] for target in states] == ["stale"] * 4
    assert deployed.calls.count("sqs:SendMessage") == 0


def test_a_target_that_nobody_could_look_at_is_told_with_its_cause_once(deployed: DeployedStack) -> None:
    deployed.world.lost = ClusterUnreachable("no answer in time")
    result = run("--dry-run")
    assert "prod-us/payments-db: ClusterUnreachable: no answer in time\n" in result.stdout
    assert result.stdout.count("no answer in time") == 1


def test_without_a_terminal_it_refuses_and_asks_nobody(deployed: DeployedStack) -> None:
    result = run()
    assert (result.exit_code, deployed.calls.recorded) == (2, [])
    assert "there is no terminal to ask on; say --yes to push, or --dry-run to look" in result.stderr


@pytest.mark.parametrize(
    ("args", "places"),
    [
        (("payments-db", "--cluster", "prod-eu"), [("prod-eu", None)]),
        (("--namespace", "shop"), [("prod-eu", "shop"), ("prod-us", "shop")]),
    ],
)
def test_only_what_is_named_is_sent(
    deployed: DeployedStack, args: tuple[str, ...], places: list[tuple[str, str | None]]
) -> None:
    sent = told(run(*args, "--yes", "--output", "json"))
    assert [(each["cluster"], each.get("namespace")) for each in sent] == places


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("payment-db",), "no target has mapping payment-db; did you mean payments-db?"),
        (("--cluster", "prod-uk"), "no target has cluster prod-uk; did you mean prod-us?"),
        (("--namespace", "payment"), "no target has namespace payment; did you mean payments?"),
    ],
)
def test_a_name_that_the_stack_does_not_have_is_told_with_the_nearest(
    deployed: DeployedStack, args: tuple[str, ...], text: str
) -> None:
    result = run(*args, "--yes")
    assert (result.exit_code, text in result.stderr) == (1, True)
    assert deployed.calls.count("sqs:SendMessage") == 0


def test_a_stack_that_is_not_there_is_not_replaced_by_ones_own_rights(
    deployed: DeployedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployed, "describe_stacks", lambda **_: {"Stacks": []})
    result = run("--yes")
    assert result.exit_code == 1
    assert "there is no stack keyferry in eu-west-1" in result.stderr
    assert "; --local delivers from here, with your own rights" in result.stderr


def test_where_nothing_names_a_stack_and_no_mappings_are_there_it_asks_which_stack(
    deployed: DeployedStack, tmp_path: Path
) -> None:
    (tmp_path / "samconfig.toml").unlink()
    result = run("--yes")
    assert (result.exit_code, deployed.calls.recorded) == (1, [])
    assert "which stack? say --stack NAME" in result.stderr


def test_local_and_a_stack_do_not_go_together(deployed: DeployedStack) -> None:
    result = run("--local", "--stack", "keyferry", "--yes")
    assert (result.exit_code, deployed.calls.recorded) == (2, [])


def test_what_is_suspended_is_refused_before_anything_is_sent(deployed: DeployedStack) -> None:
    value = {"reason": "an incident", "since": "2026-11-24T15:00:00+00:00", "until": "2099-01-01T00:00:00+00:00"}
    name = f"{ROOT.format(stack='keyferry')}/clusters/prod-us"
    deployed.suspended[name] = json.dumps(value | {"by": "ann"})
    result = run("--yes")
    assert (result.exit_code, "an incident" in result.stderr) == (1, True)
    assert deployed.calls.count("sqs:SendMessage") == 0
    assert run("--yes", "--cluster", "prod-eu").exit_code == 0


# What becomes of it


def test_what_fails_for_good_is_told_once_with_its_targets(deployed: DeployedStack) -> None:
    deployed.failures = dict.fromkeys(("prod-eu", "prod-us"), Conflict("helm has it"))
    result = run("--yes")
    assert result.exit_code == 1
    assert "prod-eu/payments-db and 1 more: Conflict: helm has it\n" in result.stdout
    assert result.stdout.count("helm has it") == 1
    assert result.stdout.splitlines()[-1] == "2 targets: 2 failed"


def test_a_namespace_that_goes_on_alone_is_in_the_result_once(deployed: DeployedStack) -> None:
    deployed.fail_reads("shop/payments-db", attempts=2)
    result = run("--yes")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "4 targets: 4 updated")
    assert [(each["cluster"], each["state"]) for each in told(run("--yes", "--output", "json"))] == [
        ("prod-eu", "delivered"),
        ("prod-us", "delivered"),
    ]


def test_what_comes_back_for_too_long_is_left_to_the_stack(
    deployed: DeployedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyferry.cli.steer.follow.Interrupt", lambda: create_interrupt(deployed, pace=100))
    deployed.failures["prod-us"] = ClusterUnreachable("no answer in time")
    result = run("--yes")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-3] == "3 targets: 2 updated, 1 retry later"
    assert result.stdout.splitlines()[-2] == "under way, and going on without you: 1 delivery; to see how far:"
    assert result.stdout.splitlines()[-1].startswith("  keyferry trace push-")


def test_without_waiting_it_says_what_was_sent_and_how_to_see_what_becomes_of_it(deployed: DeployedStack) -> None:
    result = run("--yes", "--no-wait")
    assert result.exit_code == 0
    assert "under way, and going on without you: 2 deliveries; to see how far:" in result.stdout
    assert (passwords(deployed), len(deployed.waiting)) == (OLD, 2)


@pytest.mark.parametrize("call", ["sqs:SendMessage", "logs:FilterLogEvents"])
def test_an_error_of_aws_does_not_hide_what_was_sent(deployed: DeployedStack, call: str) -> None:
    def fail(_number: int, made: str) -> None:
        if made == call:
            raise KeyferryError("AWS is down")

    deployed.calls.before = fail
    result = run("--yes")
    assert (result.exit_code, "AWS is down" in result.stderr) == (1, True)
    text = "perhaps sent" if call == "sqs:SendMessage" else "under way"
    assert f"{text}, " in result.stdout


@pytest.mark.parametrize("number", range(4))
def test_whichever_request_is_interrupted_it_says_what_is_left(
    deployed: DeployedStack, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Of the requests of one push: the look, the suspensions, the sending, and reading the log."""
    interrupt = create_interrupt(deployed)
    monkeypatch.setattr("keyferry.cli.steer.follow.Interrupt", lambda: interrupt)
    with interrupting(deployed.calls, number, lambda: interrupt.is_pressed):
        result = run("--yes", "--output", "json")
    calls = ["lambda:InvokeFunction", "ssm:GetParametersByPath", "sqs:SendMessage", "logs:FilterLogEvents"]
    assert deployed.calls.recorded[: number + 1] == calls[: number + 1]
    assert result.exit_code == 130
    if number < 2:
        assert (result.stdout, deployed.waiting) == ("", [])
        return
    assert {each["state"] for each in told(result)} == {"sent"}
    deployed.work()
    assert passwords(deployed) == NEW
