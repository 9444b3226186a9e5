"""The workflow that `keyferry init` writes: what it trusts, what it may do, and that its commands are ones."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from keyferry.cli import VERBS, main
from keyferry.cli.init.repository import ACTIONS, Environment, name_environment, render_owned
from keyferry.cli.init.requirement import Pin
from tests.unit.test_ci_roles import POLICY, get_role

CARRIED = {"requirements/sam.txt": "", "examples/deployer-policy.json": POLICY}
DEFAULT = name_environment("default", "111122223333", "eu-west-1")
PROD = name_environment("prod", "444455556666", "cn-north-1")


def render(environment: Environment) -> str:
    files = render_owned(environment, Pin("keyferry", {}), CARRIED)
    [text] = [text for name, text in files.items() if name.startswith(".github/workflows/")]
    return text


def load(environment: Environment = DEFAULT) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.load(render(environment), yaml.BaseLoader)  # noqa: S506  # on: is no boolean
    return workflow


def list_steps(environment: Environment = DEFAULT) -> Iterator[dict[str, Any]]:
    for job in load(environment)["jobs"].values():
        yield from job["steps"]


def test_it_runs_on_pull_requests_and_on_what_is_merged_alone() -> None:
    assert load()["on"] == {"pull_request": {"branches": ["main"]}, "push": {"branches": ["main"]}}
    assert "pull_request_target" not in render(DEFAULT)
    conditions = {name: job["if"] for name, job in load()["jobs"].items()}
    assert "github.event_name == 'push'" in conditions.pop("deploy")
    assert all("github.event_name == 'pull_request'" in condition for condition in conditions.values())


def test_a_job_has_no_right_that_it_does_not_need() -> None:
    workflow = load()
    assert workflow["permissions"] == {}
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == {
        "check": {"contents": "read"},
        "plan": {"contents": "read", "id-token": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
    }
    checkouts = [step for step in list_steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": "false"}] * 3


def test_a_rule_for_a_branch_can_ask_for_the_checks_of_each_environment() -> None:
    assert [job["name"] for job in load()["jobs"].values()] == ["check", "plan", "deploy"]
    assert [job["name"] for job in load(PROD)["jobs"].values()] == ["check (prod)", "plan (prod)", "deploy (prod)"]


def test_credentials_are_of_aws_and_of_no_fork() -> None:
    assert "head.repo.full_name == github.repository" in load()["jobs"]["plan"]["if"]
    assert "secrets." not in render(DEFAULT)


def test_it_uses_three_actions_each_at_the_commit_of_a_release() -> None:
    used = set(re.findall(r"uses: (.*)", render(DEFAULT)))
    assert used == set(ACTIONS.values())
    assert all(re.fullmatch(r"(actions|aws-actions)/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used)


def test_nothing_of_a_pull_request_gets_into_a_command() -> None:
    assert not [step["run"] for step in list_steps() if "${{" in step.get("run", "")]


@pytest.mark.parametrize("environment", [DEFAULT, PROD], ids=lambda environment: environment.name)
def test_the_roles_are_those_that_the_template_makes_in_the_account(environment: Environment) -> None:
    assumed = [step["with"]["role-to-assume"] for step in list_steps(environment) if "role-to-assume" in str(step)]
    names = [get_role(name, RoleNamePrefix=environment.prefix)["RoleName"] for name in ("LookRole", "DeployRole")]
    partition = {"default": "aws", "prod": "aws-cn"}[environment.name]
    assert assumed == [f"arn:{partition}:iam::{environment.account}:role/{name}" for name in names]


def test_deployments_wait_for_one_another_and_are_those_of_an_environment() -> None:
    deploy = load(PROD)["jobs"]["deploy"]
    assert deploy["environment"] == "prod"
    assert deploy["concurrency"] == {"group": "deploy-keyferry-prod", "cancel-in-progress": "false"}


@pytest.mark.parametrize("environment", [DEFAULT, PROD], ids=lambda environment: environment.name)
def test_its_commands_are_ones_that_there_are_and_are_for_the_environment(environment: Environment) -> None:
    lines = [line for step in list_steps(environment) for line in step.get("run", "").splitlines()]
    called = [shlex.split(line.partition(">>")[0]) for line in lines]
    ours = [words[1:] for words in called if words[0].endswith("/keyferry")]
    for words in ours:
        assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0, words
        assert ("--config-env prod" in shlex.join(words)) == (environment.name == "prod")
    assert [next(word for word in words if word in VERBS) for words in ours] == [
        "validate",
        "generate",
        "plan",
        "build",
    ]
    [sam] = [words for words in called if words[0].endswith("/sam")]
    assert ("--config-env" in sam) == (environment.name != "default")
