"""The generated CloudFormation templates: right for cfn-lint, and within AWS's limits, for few and for many secrets."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import ManualArgs, lint

from keyferry.cli.generated import render_templates
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.verdict import Verdict
from tests.unit.samples import ACCOUNT, cluster, mapping

MAX_BYTES, MAX_RESOURCES = 1024 * 1024, 500
"""Of a template that is in a bucket, as those of SAM are. Quotas of AWS CloudFormation."""
MAX_POLICIES = 20
"""Managed policies on a role, on request; template.yaml attaches one in a VPC. IAM and AWS STS quotas."""
SECRETS = [10, 500, 2000]
LAST = {"arn": "arn:aws:iam::777788889999:role/teams/last", "externalId": "b-2", "sessionTags": {"team": "a"}}
"""The last role of a chain."""
UNUSED = {"W2001", "W8001"}
"""What template.yaml hands over, and a stack without mappings does not need."""


@cache
def render(secrets: int) -> dict[str, str]:
    """Return the templates for so many secrets of 50 teams; for thousands of them by `grant: prefix`."""
    kinds: list[dict[str, Any]] = [
        {},
        {"failover": ["us-east-1"]},
        {"secretsManager": "arn:aws:secretsmanager:eu-west-1:444455556666:secret:prod/team-1/SECRET-a1B2c3"},
        {"secretsManager": None, "parameterStore": "/prod/SECRET"},
        {"role": "arn:aws:iam::444455556666:role/secrets"},
        {"role": [{"arn": "arn:aws:iam::444455556666:role/first", "externalId": "a-1"}, LAST]},
    ]
    mappings = [
        mapping(
            f"m{number}",
            name=f"s{number}",
            sources={"db": source_of(kinds[number % len(kinds)], f"prod/team-{number % 50}/database-{number:04}")},
            data={"key": {"from": "db"}},
            owner={"team": f"team-{number % 50}"},
        )
        for number in range(secrets)
    ]
    verdicts = {f"m{number}": Verdict(prefixes={"db": [f"prod/team-{number % 50}/*"]}) for number in range(secrets)}
    whole = build_catalog(mappings, [cluster(), cluster("spoke", role=f"arn:aws:iam::{ACCOUNT}:role/keyferry")])
    return render_templates(whole.model_copy(update={"verdicts": verdicts}) if secrets > 1000 else whole)


def source_of(kind: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a source of a kind, under a name of its own."""
    whole = {"secretsManager": name} | kind
    short = name.rpartition("/")[2]
    return {
        key: value.replace("SECRET", short) if isinstance(value, str) else value
        for key, value in whole.items()
        if value
    }


def check(templates: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what cfn-lint says of templates, by their names; nothing of those that are right."""
    told = {name: lint(text, config=ManualArgs(regions=["eu-west-1"])) for name, text in templates.items()}
    return {name: list(map(str, matches)) for name, matches in told.items() if matches}


@pytest.mark.unwatched  # tracing doubles the time of cfn-lint
def test_cfn_lint_finds_nothing() -> None:
    """For hundreds and thousands of secrets, which are the same statements with more names: tests/install."""
    assert check(render(10)) == {}


def test_cfn_lint_finds_what_is_wrong() -> None:
    broken = render(10)["stack/people.yaml"].replace("sqs:SendMessage", "sqs:SendMassage")
    assert "sendmassage" in str(check({"broken": broken})).lower()


@pytest.mark.unwatched
def test_a_stack_without_mappings_has_templates_in_which_something_is_not_used() -> None:
    told = [each for text in render_templates(Catalog()).values() for each in lint(text, config=ManualArgs())]
    assert {each.rule.id for each in told} <= UNUSED


@pytest.mark.parametrize("secrets", SECRETS)
def test_the_templates_are_within_the_limits_of_aws(secrets: int) -> None:
    for name, text in render(secrets).items():
        resources = yaml.safe_load(text)["Resources"]
        assert len(text.encode()) < MAX_BYTES, name
        assert len(resources) < MAX_RESOURCES, name
    policies = yaml.safe_load(render(secrets)["stack/access.yaml"])["Resources"].values()
    for role in ("DeliverRole", "ReconcileRole"):
        assert sum({"Ref": role} in each["Properties"]["Roles"] for each in policies) < MAX_POLICIES


def test_every_generated_template_of_this_repository_is_one_of_those_that_are_checked() -> None:
    folder = Path(__file__).resolve().parents[2] / "generated"
    checked = {name for name in render(10) if name.startswith("stack/")}
    assert {path.relative_to(folder).as_posix() for path in folder.glob("stack/*.yaml")} == checked
    accounts = {"111122223333", "444455556666", "777788889999"}
    assert render(10).keys() - checked == {f"accounts/{account}/member.yaml" for account in accounts}
