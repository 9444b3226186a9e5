"""An environment of samconfig.toml names its folder of mappings, its stack and its region, for every command."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.options import Settings
from keyferry.cli.stack import open_stack
from tests.unit.test_completion import complete
from tests.unit.test_files import CLUSTERS, MAPPING

SAMCONFIG = """version = 0.1
[default.global.parameters]
stack_name = "keyferry"

[prod.keyferry.parameters]
mappings = "prod/mappings"

[prod.global.parameters]
stack_name = "keyferry-prod"
region = "us-east-1"
"""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two environments, which we are in: one has no mapping, the other one."""
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    for folder in ("mappings", "prod/mappings"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "prod/mappings/payments.yaml").write_text(MAPPING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def test_an_environment_has_the_folder_that_it_names(repository: Path) -> None:
    assert run("validate").stdout == "mappings: 0 mappings, 1 cluster, nothing wrong\n"
    assert run("--config-env", "prod", "validate").stdout == "prod/mappings: 1 mapping, 1 cluster, nothing wrong\n"
    assert run("--config-env", "prod", "generate").exit_code == 0
    assert (repository / "prod/generated/clusters/prod-eu/rbac.yaml").exists()
    assert not (repository / "generated").exists()


def test_a_folder_that_is_named_wins() -> None:
    result = run("--config-env", "prod", "--mappings", "mappings", "validate")
    assert result.stdout == "mappings: 0 mappings, 1 cluster, nothing wrong\n"


def test_the_same_folder_is_found_from_elsewhere_by_the_file_beside_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert Settings(repository / "mappings").config.stack_name == "keyferry"
    assert Settings(repository / "prod/mappings").config.stack_name is None
    monkeypatch.chdir(repository)
    assert Settings(Path("prod/mappings"), config_env="prod").config.stack_name == "keyferry-prod"


@pytest.mark.parametrize("verb", ["validate", "generate", "plan", "status"])
def test_an_environment_that_is_not_there_is_named_with_those_that_are(verb: str) -> None:
    result = run("--config-env", "prd", verb)
    assert result.exit_code == 1
    said = result.stdout if verb == "validate" else result.stderr  # whose result are the problems
    assert said.startswith("samconfig.toml:1:1: has no environment prd; did you mean prod?; write the")


def test_an_environment_without_a_file_is_an_error(repository: Path) -> None:
    (repository / "samconfig.toml").unlink()
    assert run("validate").exit_code == 0
    result = run("--config-env", "prod", "validate")
    assert result.exit_code == 1
    assert "samconfig.toml:1:1: is missing, and with it the environment prod" in result.stdout


def test_commands_that_are_shown_name_the_environment_and_no_folder() -> None:
    call = Settings(config_env="prod").describe_call("other")
    assert call.format("generate") == "keyferry --config-env prod generate"
    assert call.name_generated("clusters") == "prod/generated/clusters"
    assert call.deploy == ("keyferry --config-env prod build", "sam deploy --config-env prod --stack-name other")
    named = Settings(Path("prod/mappings"), config_env="prod").describe_call()
    assert named.format("plan") == "keyferry --config-env prod --mappings prod/mappings plan"
    assert Settings().describe_call().deploy == ("keyferry build", "sam deploy")


def test_names_are_completed_from_the_folder_of_the_environment() -> None:
    assert complete("--config-env", "prod", "push", "") == ["payments-db"]
    assert complete("push", "") == []
    assert complete("--config-env", "none", "push", "") == []


def test_the_stack_is_looked_for_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[object]()

    class CloudFormation:
        def __init__(self, region: str | None) -> None:
            self.region_name = region

        def client(self, *_: object, **_more: object) -> "CloudFormation":
            return self

        def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
            asked.append((StackName, self.region_name))
            return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}

    monkeypatch.setattr("keyferry.cli.stack.open_session", CloudFormation)
    elsewhere = {"AWS_REGION": "eu-west-3"}
    open_stack(elsewhere, None, Settings(config_env="prod"))
    open_stack(elsewhere, None, Settings())
    open_stack(elsewhere, "other", Settings(config_env="prod"))
    open_stack({}, "other", Settings(config_env="prod"))
    assert asked == [
        ("keyferry-prod", "us-east-1"),
        ("keyferry", "eu-west-3"),
        ("other", "eu-west-3"),
        ("other", "us-east-1"),
    ]
