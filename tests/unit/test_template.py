"""template.yaml keeps its rules, and each rule notices when it is broken."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from keyferry.cli.build.bytecode import PYTHON
from keyferry.cli.build.project import CODE, MAPPINGS
from keyferry.cli.build.wheels import PLATFORMS
from tests.unit.stack import ROOT, RULES, Stack, at, matches, named
from tests.unit.template_rights import RIGHTS
from tests.unit.template_rules import METRICS, OPTIONAL, SETTINGS

VERDICTS: dict[str, Any] = yaml.safe_load((ROOT / "events/verdicts.yaml").read_text())
SAMPLES = sorted(path.stem for path in (ROOT / "events").glob("*.json"))


@pytest.fixture
def stack() -> Stack:
    return Stack.load()


@pytest.mark.parametrize("sentence", RULES)
def test_every_resource_of_the_kind_keeps_the_rule(stack: Stack, sentence: str) -> None:
    assert RULES[sentence].broken(stack) == []
    assert RULES[sentence].breaks, "no change breaks this rule: whether it can fail is not known"


@pytest.mark.parametrize(
    ("sentence", "place", "value"), [(name, *change) for name, rule in RULES.items() for change in rule.breaks]
)
def test_a_rule_that_is_broken_is_noticed(stack: Stack, sentence: str, place: str, value: object) -> None:
    stack.change(place, value)
    assert RULES[sentence].broken(stack) != []


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, wanted in SETTINGS.items() for path in wanted])
def test_all_resources_of_a_kind_have_the_same_setting(stack: Stack, kind: str, path: str) -> None:
    def others() -> list[str]:
        return [name for name, one in stack.of(kind).items() if at(one, path.split(".")) != SETTINGS[kind][path]]

    assert others() == []
    *_, last = stack.of(kind)
    stack.change(f"{last}.{path}", "another")
    assert others() == [last]


def test_the_rights_are_those_of_all_roles_and_policies(stack: Stack) -> None:
    assert RIGHTS.keys() == stack.of("IAM::Role", "IAM::ManagedPolicy").keys()


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_reaches_the_rules_that_its_verdict_names(stack: Stack, sample: str) -> None:
    event = json.loads((ROOT / f"events/{sample}.json").read_text())
    matching = [name for name, rule in stack.of("Events::Rule").items() if matches(pattern(rule), event)]
    assert matching == VERDICTS["samples"][sample]["rules"]


def test_every_sample_has_a_verdict_and_every_rule_a_sample(stack: Stack) -> None:
    verdicts = VERDICTS["samples"]
    assert sorted(verdicts) == SAMPLES
    assert {rule for verdict in verdicts.values() for rule in verdict["rules"]} == stack.of("Events::Rule").keys()
    assert VERDICTS["conditions"] == OPTIONAL


def test_the_sweep_is_started_by_the_schedule_as_often_as_the_parameter_says(stack: Stack) -> None:
    [schedule] = stack.of("Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == {"Fn::FindInMap": ["SweepSchedules", {"Ref": "SweepSchedule"}, "Rate"]}
    assert named(schedule["Target"]["Arn"]) == "Sweeps"
    assert json.loads(schedule["Target"]["Input"]) == {"reason": "schedule"}


def test_all_that_runs_at_once_by_default_fits_a_new_account(stack: Stack) -> None:
    most = [stack.event(name)["ScalingConfig"]["MaximumConcurrency"] for name in stack.consumers.values()]
    defaults = [stack.template["Parameters"][one["Ref"]]["Default"] if isinstance(one, dict) else one for one in most]
    assert sum(defaults) < 10  # of which one is left, to invoke by hand


def test_each_schedule_has_its_rate_and_the_same_in_seconds(stack: Stack) -> None:
    parameter = stack.template["Parameters"]["SweepSchedule"]
    assert parameter["Default"] == "1-hour"
    assert stack.template["Mappings"] == {
        "SweepSchedules": {
            "15-minutes": {"Rate": "rate(15 minutes)", "Seconds": "900", "OwnerPeriods": "6"},
            "1-hour": {"Rate": "rate(1 hour)", "Seconds": "3600", "OwnerPeriods": "24"},
            "6-hours": {"Rate": "rate(6 hours)", "Seconds": "21600", "OwnerPeriods": "144"},
            "1-day": {"Rate": "rate(1 day)", "Seconds": "86400", "OwnerPeriods": "288"},
        }
    }
    assert parameter["AllowedValues"] == list(stack.template["Mappings"]["SweepSchedules"])


def test_code_and_mappings_are_layers_of_their_own(stack: Stack) -> None:
    layers = stack.of("Serverless::LayerVersion")
    assert {name: layer["ContentUri"] for name, layer in layers.items()} == {
        "CodeLayer": CODE,
        "MappingsLayer": MAPPINGS,
    }


def test_the_functions_run_on_the_python_that_their_layer_is_made_for(stack: Stack) -> None:
    assert stack.template["Globals"]["Function"]["Runtime"] == f"python{PYTHON}"
    assert all(
        layer["CompatibleRuntimes"] == [f"python{PYTHON}"] for layer in stack.of("Serverless::LayerVersion").values()
    )
    assert set(PLATFORMS) == set(stack.template["Parameters"]["Architecture"]["AllowedValues"])


def test_only_named_people_may_push_from_a_terminal(stack: Stack) -> None:
    parameter = stack.template["Parameters"]["PushPrincipals"]
    allowed = re.compile(parameter["AllowedPattern"])
    assert allowed.fullmatch(parameter["Default"])
    sso = "role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_oncall_0123456789abcdef"
    assert all(
        allowed.fullmatch(f"arn:aws:iam::111122223333:{name}") for name in ("root", "role/oncall", "user/ann", sso)
    )
    everybody = (
        "*",
        "111122223333",
        "arn:aws:iam::*:root",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:*",
    )
    assert not any(map(allowed.fullmatch, everybody))


def test_sam_deploys_what_is_built_and_may_name_roles() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    assert config["deploy"]["parameters"]["template_file"] == "build/template.yaml"
    assert config["deploy"]["parameters"]["capabilities"] == "CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND"


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    code = "".join(path.read_text() for path in (ROOT / "layers/keyferry/src").rglob("*.py"))
    assert [metric for metric in METRICS if f'"{metric}"' not in code] == []


def test_outputs_name_queues_topic_roles_and_what_to_do_next(stack: Stack) -> None:
    shown = {named(output["Value"]) for output in stack.template["Outputs"].values()}
    assert {*stack.queues, "AlarmTopic", "DeliverRole", "ReconcileRole"} <= shown
    steps = stack.template["Outputs"]["NextSteps"]["Value"]["Fn::Sub"]
    assert "${DeliverRole.Arn}" in steps
    assert "has started a sweep by itself" in steps


def pattern(rule: dict[str, Any]) -> Any:  # noqa: ANN401  # an event pattern
    """Return a rule's pattern as it is in the stack that the samples come from."""
    text = json.dumps(rule["EventPattern"])
    return json.loads(text.replace('{"Ref": "AWS::StackId"}', json.dumps(VERDICTS["stack"])))
