"""What the rules of the deployed stack do with each sample of events/, judged by EventBridge's pattern matching."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry_local.install import STACK, Installation
from tests.unit.stack import Stack

EVENTS = Path(__file__).resolve().parents[2] / "events"
VERDICTS = yaml.safe_load((EVENTS / "verdicts.yaml").read_text())
RULES = {"SecretLabelUpdated", "ParameterChanged", "RotationFailed", "SecretDeletedOrRestored", "StackDeployed"}
OPTIONAL = set(VERDICTS["conditions"])


@pytest.fixture(scope="module")
def patterns(installed: Installation) -> dict[str, str]:
    """The pattern of each rule, by its logical id: as deployed, or as in the template where it was not asked for."""
    cloudformation = installed.cloud.aws.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    events = installed.cloud.aws.client("events")
    deployed = {
        resource["LogicalResourceId"]: events.describe_rule(Name=resource["PhysicalResourceId"])["EventPattern"]
        for resource in resources
        if resource["ResourceType"] == "AWS::Events::Rule"
    }
    assert set(deployed) == RULES
    rules = Stack.load().of("Events::Rule")
    return deployed | {name: json.dumps(rules[name]["EventPattern"]) for name in OPTIONAL}


@pytest.fixture(scope="module")
def events(installed: Installation) -> Any:  # noqa: ANN401 - one of boto3's generated classes
    """A client of EventBridge."""
    return installed.cloud.aws.client("events")


@pytest.fixture(scope="module")
def stack(installed: Installation) -> str:
    """The ARN of the deployed stack."""
    stacks = installed.cloud.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return str(stacks[0]["StackId"])


def test_every_rule_is_under_test(patterns: dict[str, str]) -> None:
    assert set(patterns) == RULES | OPTIONAL
    judged = {rule for verdict in VERDICTS["samples"].values() for rule in verdict["rules"]}
    assert judged == RULES | OPTIONAL


def test_every_sample_has_a_verdict() -> None:
    assert set(VERDICTS["samples"]) == {path.stem for path in EVENTS.glob("*.json")}


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_rules_match_a_sample_as_its_verdict_says(
    path: Path,
    patterns: dict[str, str],
    events: Any,  # noqa: ANN401
    stack: str,
) -> None:
    event = path.read_text().replace(VERDICTS["stack"], stack)
    matching = {
        name
        for name, pattern in patterns.items()
        if events.test_event_pattern(EventPattern=pattern, Event=event)["Result"]
    }
    assert matching == set(VERDICTS["samples"][path.stem]["rules"])


def test_a_pattern_decides(events: Any) -> None:  # noqa: ANN401
    event = (EVENTS / "secret-label-updated.json").read_text()
    for source, expected in (("aws.secretsmanager", True), ("aws.ssm", False)):
        answer = events.test_event_pattern(EventPattern=json.dumps({"source": [source]}), Event=event)
        assert answer["Result"] is expected
