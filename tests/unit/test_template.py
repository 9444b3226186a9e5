"""template.yaml keeps its promises, and each promise notices when it is broken."""

import json
import tomllib
from typing import Any

import pytest
import yaml

from tests.unit import stack_access, stack_promises
from tests.unit.stack import ROOT, Template, load, matches, named, resources, sources
from tests.unit.stack_promises import Promise

PROMISES: dict[str, Promise] = {promise.__name__: promise for promise in (*stack_promises.ALL, *stack_access.ALL)}

# What breaks a promise: the promise, the property, and the value that it must not have (None: that it is gone).
BREAKS: list[tuple[str, str, Any]] = [
    ("visibility_outlasts_six_runs", "Deliveries.VisibilityTimeout", 719),
    ("visibility_outlasts_six_runs", "Deliver.Timeout", 121),
    ("single_messages_fail", "Route.Events.Changes.Properties.FunctionResponseTypes", None),
    ("single_messages_fail", "Deliver.Events.Deliveries.Properties.BatchSize", 10),
    ("concurrency_is_bounded", "Reconcile.Events.Sweeps.Properties.ScalingConfig", None),
    ("consumed_queues_have_dead_letters", "Changes.RedrivePolicy", None),
    ("consumed_queues_have_dead_letters", "DeliveriesDeadLetters.FifoQueue", None),
    ("consumed_queues_have_dead_letters", "SweepsDeadLetters.RedriveAllowPolicy", {"redrivePermission": "denyAll"}),
    ("messages_are_kept_for_14_days", "EventsDeadLetters.MessageRetentionPeriod", None),
    ("a_day_of_tries_fits", "Deliveries.RedrivePolicy.maxReceiveCount", 300),
    ("a_day_of_tries_fits", "Deliveries.RedrivePolicy.maxReceiveCount", 1001),
    ("queues_are_encrypted", "Sweeps.SqsManagedSseEnabled", None),
    ("queues_and_topics_refuse_plain_http", "OwnQueuesPolicy.Queues", [{"Ref": "Deliveries"}]),
    ("queues_and_topics_refuse_plain_http", "AlarmTopicPolicy.PolicyDocument.Statement.1.Effect", "Allow"),
    ("fifo_queues_are_fast_by_group", "Deliveries.FifoThroughputLimit", "perQueue"),
    ("fifo_queues_are_fast_by_group", "Deliveries.QueueName", "deliveries"),
    ("undelivered_events_are_kept", "RotationFailed.Targets.0.DeadLetterConfig", None),
    ("undelivered_events_are_kept", "SweepRegularly.Target.DeadLetterConfig", None),
    ("queue_policies_name_the_rules", "SweepsPolicy.PolicyDocument.Statement.0.Effect", "Deny"),
    ("queue_policies_name_the_rules", "StackDeployed.Targets.0.Arn", {"Fn::GetAtt": ["Changes", "Arn"]}),
    ("rights_are_these_and_no_others", "DeliverRole.Policies.0.PolicyDocument.Statement.0.Resource", "*"),
    ("rights_are_these_and_no_others", "RouteRole.Policies.0.PolicyDocument.Statement.1.Action", "sqs:*"),
    (
        "rights_are_these_and_no_others",
        "ReconcileRole.Policies.0.PolicyDocument.Statement.2.Action",
        "ssm:GetParameter",
    ),
    (
        "rights_are_these_and_no_others",
        "ReconcileRole.Policies.0.PolicyDocument.Statement.0.Action",
        "sqs:DeleteMessage",
    ),
    ("rights_are_these_and_no_others", "DeliverRole.Policies.0.PolicyDocument.Statement.1.Effect", "Deny"),
    ("rights_are_these_and_no_others", "RouteRole.Policies.0.PolicyDocument.Statement.0.Resource", {"Ref": "Sweeps"}),
    (
        "rights_are_these_and_no_others",
        "RouteRole.Policies.0.PolicyDocument.Statement.2.Resource",
        {"Ref": "DeliverLogs"},
    ),
    (
        "rights_are_these_and_no_others",
        "ScheduleRole.Policies.0.PolicyDocument.Statement.0.Resource",
        {"Ref": "Sweeps"},
    ),
    (
        "roles_are_assumed_by_one_service",
        "ScheduleRole.AssumeRolePolicyDocument.Statement.0.Principal",
        {"Service": "lambda.amazonaws.com"},
    ),
    ("functions_run_in_the_vpc", "Deliver.VpcConfig", None),
    ("functions_run_in_the_vpc", "ReconcileRole.ManagedPolicyArns", None),
    (
        "interfaces_are_not_for_code",
        "NetworkInterfaces.PolicyDocument.Statement.1.Condition.ArnEquals",
        {"lambda:SourceFunctionArn": []},
    ),
    ("roles_have_fixed_names_and_bounds", "DeliverRole.RoleName", None),
    ("roles_have_fixed_names_and_bounds", "ScheduleRole.PermissionsBoundary", None),
    ("roles_have_fixed_names_and_bounds", "RouteRole.ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
    ("functions_have_roles_of_their_own", "Route.Role", {"Fn::GetAtt": ["DeliverRole", "Arn"]}),
    ("logs_are_kept_for_a_time", "DeliverLogs.RetentionInDays", None),
    ("logs_are_kept_for_a_time", "Reconcile.LoggingConfig.LogFormat", "Text"),
    ("logs_have_metrics_and_no_values", "Deliver.LoggingConfig.ApplicationLogLevel", "DEBUG"),
    ("logs_have_metrics_and_no_values", "Route.LoggingConfig.ApplicationLogLevel", "WARN"),
    ("trouble_raises_an_alarm", "EventsDeadLettersNotEmpty.Dimensions.0.Value", {"Ref": "Sweeps"}),
    ("trouble_raises_an_alarm", "TargetsFailing.MetricName", "TargetsUpdated"),
    ("trouble_raises_an_alarm", "ReconcileThrottles.MetricName", "Errors"),
    ("trouble_raises_an_alarm", "DeliveriesDeadLettersNotEmpty.Threshold", 100000),
    ("trouble_raises_an_alarm", "ChangesOld.Namespace", "AWS/SNS"),
    ("trouble_raises_an_alarm", "RouteFailing.ComparisonOperator", "LessThanThreshold"),
    ("alarms_are_heard", "SweepsOld.AlarmActions", None),
    ("alarms_are_heard", "DeliverErrors.TreatMissingData", "missing"),
    (
        "alarms_are_heard",
        "AlarmTopicPolicy.PolicyDocument.Statement.0.Principal",
        {"Service": "events.amazonaws.com"},
    ),
    ("metrics_are_the_functions_own", "Deliver.Environment.Variables.POWERTOOLS_SERVICE_NAME", "deliver"),
    ("the_dashboard_shows", "Dashboard.DashboardBody.Fn::Sub.0", "{}"),
]

VERDICTS: dict[str, Any] = yaml.safe_load((ROOT / "events/verdicts.yaml").read_text())
SAMPLES = sorted(path.stem for path in (ROOT / "events").glob("*.json"))


@pytest.mark.parametrize("promise", PROMISES)
def test_the_template_keeps_its_promise(promise: str) -> None:
    assert list(PROMISES[promise](load())) == []


@pytest.mark.parametrize(("promise", "place", "value"), BREAKS)
def test_a_broken_promise_is_noticed(promise: str, place: str, value: object) -> None:
    template = load()
    change(template, place, value)
    assert list(PROMISES[promise](template)) != []


def test_every_promise_is_broken_by_something() -> None:
    assert {promise for promise, _, _ in BREAKS} == PROMISES.keys()


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_reaches_the_rules_that_its_verdict_names(sample: str) -> None:
    event = json.loads((ROOT / f"events/{sample}.json").read_text())
    rules = resources(load(), "AWS::Events::Rule")
    matching = [name for name, rule in rules.items() if matches(pattern(rule), event)]
    assert matching == VERDICTS["samples"][sample]["rules"]


def test_every_sample_has_a_verdict_and_every_rule_a_sample() -> None:
    verdicts = VERDICTS["samples"]
    assert sorted(verdicts) == SAMPLES
    assert {rule for verdict in verdicts.values() for rule in verdict["rules"]} == set(
        resources(load(), "AWS::Events::Rule")
    )


def test_the_sweep_is_started_by_the_schedule_and_by_deployments() -> None:
    template = load()
    schedule = resources(template, "AWS::Scheduler::Schedule")["SweepRegularly"]
    assert named(schedule["ScheduleExpression"]) == "SweepSchedule"
    assert named(schedule["Target"]["Arn"]) == "Sweeps"
    assert json.loads(schedule["Target"]["Input"]) == {"reason": "schedule"}
    assert template["Parameters"]["SweepSchedule"]["Default"] == "rate(1 hour)"


def test_functions_run_python_313_from_a_folder_with_app_alone() -> None:
    for function in resources(load(), "AWS::Serverless::Function").values():
        assert (function["Runtime"], function["Handler"]) == ("python3.13", "app.handler")
        folder = ROOT / function["CodeUri"]
        assert [path.name for path in folder.iterdir() if path.name != "__pycache__"] == ["app.py"]


def test_code_and_mappings_are_layers_of_their_own() -> None:
    template = load()
    layers = resources(template, "AWS::Serverless::LayerVersion")
    assert {layer["ContentUri"] for layer in layers.values()} == {"layers/keyferry", "layers/mappings"}
    for name in layers:
        assert template["Resources"][name]["Metadata"]["BuildMethod"] == "makefile"


def test_each_architecture_has_its_makefile() -> None:
    template = load()
    place = template["Resources"]["CodeLayer"]["Metadata"]["ContextPath"]["Fn::Sub"]
    for architecture in template["Parameters"]["Architecture"]["AllowedValues"]:
        makefile = ROOT / place.replace("${Architecture}", architecture) / "Makefile"
        assert f"ARCHITECTURE := {architecture}\n" in makefile.read_text()


def test_sam_builds_in_place_and_may_name_roles() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    assert config["build"]["parameters"]["build_in_source"] is True
    assert config["deploy"]["parameters"]["capabilities"] == "CAPABILITY_NAMED_IAM"


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    code = "".join(path.read_text() for path in (ROOT / "layers/keyferry/src").rglob("*.py"))
    assert [metric for metric in stack_access.METRICS if f'"{metric}"' not in code] == []


def test_each_function_knows_its_queues() -> None:
    template = load()
    for name, function, queue, _ in sources(template):
        setting, target = (
            ("KEYFERRY_DEAD_LETTERS_QUEUE_URL", "DeliveriesDeadLetters")
            if name == "Deliver"
            else ("KEYFERRY_DELIVERIES_QUEUE_URL", "Deliveries")
        )
        variables = function["Environment"]["Variables"]
        assert named(variables["KEYFERRY_INBOX_QUEUE_URL"]) == queue
        assert named(variables[setting]) == target


def test_outputs_name_queues_topic_roles_and_what_to_do_next() -> None:
    template = load()
    shown = {named(output["Value"]) for output in template["Outputs"].values()}
    assert {*resources(template, "AWS::SQS::Queue"), "AlarmTopic", "DeliverRole", "ReconcileRole"} <= shown
    assert "${DeliverRole.Arn}" in template["Outputs"]["NextSteps"]["Value"]["Fn::Sub"]


def pattern(rule: dict[str, Any]) -> Any:  # noqa: ANN401  # an event pattern
    """Return a rule's pattern as it is in the stack that the samples come from."""
    return json.loads(
        json.dumps(rule["EventPattern"]).replace('{"Ref": "AWS::StackId"}', json.dumps(VERDICTS["stack"]))
    )


def change(template: Template, place: str, value: object) -> None:
    """Set a property given as `LogicalId.Property.Property`, or take it away."""
    name, *keys, last = place.split(".")
    where: Any = template["Resources"][name]["Properties"]
    for key in keys:
        where = where[int(key) if key.isdigit() else key]
    if value is None:
        del where[last]
    else:
        where[int(last) if last.isdigit() else last] = value
