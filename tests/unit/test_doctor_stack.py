"""What `keyferry doctor` finds of a stack in AWS: nothing wrong with one that is well; each thing that is broken."""

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from keyferry import __version__
from keyferry.access.events import RULES
from keyferry.access.people import build_template as build_people
from keyferry.cli.call import Call
from keyferry.cli.doctor.finding import Check, Finding
from keyferry.cli.doctor.stack import (
    caller,
    deployment,
    elsewhere,
    entries,
    event_sources,
    functions,
    keys,
    processor,
    queues,
    reach,
    rules,
)
from keyferry.cli.doctor.stack.settings import FUNCTIONS, HANDLER, RUNTIME, SWEEP_SECONDS, resolve
from keyferry.cli.doctor.subject import Caller, Subject
from keyferry.cli.trace.pages import MAX_LOG_PAGES
from keyferry.errors import AccessDenied, InvalidInput
from keyferry.mapping.catalog import Catalog, build_catalog
from tests.unit import cloudformation
from tests.unit.examined import (
    LAYER,
    OUTPUTS,
    PARAMETERS,
    TRAIL,
    Examined,
    arn,
    describe_function,
    error,
    only,
    told,
)
from tests.unit.samples import ACCOUNT, WHEN, cluster, mapping
from tests.unit.stack import Stack

type Break = Callable[[Examined], None]
type Group = Callable[[Subject], list[Check]]

QUEUE = "sqs.get_queue_attributes"
FUNCTION = "lambda.get_function_configuration"
SOURCE = "lambda.list_event_source_mappings"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/keyferry-deliver"


def catalog(**spec: Any) -> Catalog:  # noqa: ANN401  # YAML
    return build_catalog([mapping(**spec)], [cluster()])


def list_keys(subject: Subject) -> list[Check]:
    return [Check("keys", "KMS", lambda: keys.check_keys(subject))]


GROUPS: dict[str, Group] = {
    "deployment": deployment.list_checks,
    "rules": rules.list_checks,
    "queues": queues.list_checks,
    "functions": functions.list_checks,
    "event sources": event_sources.list_checks,
    "processor": processor.list_checks,
    "entries": entries.list_checks,
    "reach": reach.list_checks,
    "keys": list_keys,
    "elsewhere": elsewhere.list_checks,
}


@pytest.mark.parametrize("group", GROUPS)
def test_of_a_stack_that_is_well_everything_is_ok(group: str) -> None:
    findings = Examined(catalog()).examine(GROUPS[group])
    assert [finding for finding in findings if finding.state != "ok"] == []
    assert findings or group == "elsewhere"


def attributes(**changed: str) -> Break:
    """Have other attributes of the queue of changes."""

    def change(world: Examined) -> None:
        healthy = world.clients.answers[QUEUE]

        def answer(QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
            whole: dict[str, Any] = healthy(QueueUrl=QueueUrl, AttributeNames=AttributeNames)
            if QueueUrl == OUTPUTS["ChangesQueueUrl"]:
                whole["Attributes"] |= changed
            return whole

        world.set(QUEUE, answer)

    return change


def policies(effect: str) -> Break:
    """Have policies of queues that let rules in, or do not, by one rule that is no list."""

    def change(world: Examined) -> None:
        healthy = world.clients.answers[QUEUE]

        def answer(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401
            whole: dict[str, Any] = healthy(**arguments)
            condition = {"ArnEquals": {"aws:SourceArn": arn("StackDeployed")}}
            policy = {"Statement": [{"Effect": effect, "Condition": condition}]}
            if arguments["QueueUrl"] == OUTPUTS["SweepsQueueUrl"]:
                whole["Attributes"]["Policy"] = json.dumps(policy)
            return whole

        world.set(QUEUE, answer)

    return change


def letters(world: Examined) -> None:
    """Have three dead letters on each queue of them."""
    world.set(QUEUE, lambda **_: {"Attributes": {"ApproximateNumberOfMessages": "3"}})


def waits(*ages: float, visible: str = "2", flying: str = "1") -> Break:
    """Have messages on the queue of deliveries, the oldest of which CloudWatch says are so old."""

    def change(world: Examined) -> None:
        healthy = world.clients.answers[QUEUE]
        more = {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": flying}

        def answer(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401
            whole: dict[str, Any] = healthy(**arguments)
            if arguments["QueueUrl"] == OUTPUTS["DeliveriesQueueUrl"]:
                whole["Attributes"] |= more
            return whole

        world.set(QUEUE, answer)
        world.set("cloudwatch.get_metric_data", {"MetricDataResults": [{"Values": list(ages)}]})

    return change


def configuration(**changed: Any) -> Break:  # noqa: ANN401  # JSON
    return lambda world: world.change(FUNCTION, **changed)


def variables(**changed: str) -> Break:
    """Have other values of environment variables, and no other variables."""

    def change(world: Examined) -> None:
        def answer(FunctionName: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
            whole = describe_function(FunctionName)
            whole["Environment"]["Variables"] |= changed
            return whole

        world.set(FUNCTION, answer)

    return change


def is_of_no_architecture(world: Examined) -> None:
    """Have functions that were made before Lambda had more than one."""
    world.set(
        FUNCTION, lambda **of: {key: value for key, value in describe_function(**of).items() if key != "Architectures"}
    )


def no_answer(world: Examined) -> None:
    world.report["clusters"] = None


def source(**changed: Any) -> Break:  # noqa: ANN401  # JSON
    """Have an event source mapping of deliver otherwise."""

    def change(world: Examined) -> None:
        healthy = world.clients.answers[SOURCE]

        def answer(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401
            whole: dict[str, Any] = healthy(**arguments)
            whole["EventSourceMappings"][0] |= changed
            return whole

        world.set(SOURCE, answer)

    return change


def returns(operation: str, answer: Any) -> Break:  # noqa: ANN401  # JSON, or an error
    return lambda world: world.set(operation, answer)


def changes(operation: str, **fields: Any) -> Break:  # noqa: ANN401  # JSON
    return lambda world: world.change(operation, **fields)


def is_described(**fields: Any) -> Break:  # noqa: ANN401
    def change(world: Examined) -> None:
        for name, value in fields.items():
            setattr(world, name, value)

    return change


def has_outputs(**changed: str | None) -> Break:
    """Have other outputs; None: not this one."""

    def change(world: Examined) -> None:
        world.outputs = {name: value for name, value in (world.outputs | changed).items() if value is not None}

    return change


def loses(logical_id: str) -> Break:
    """Have a stack without a resource."""

    def change(world: Examined) -> None:
        answer = world.clients.answers["cloudformation.list_stack_resources"]
        kept = [each for each in answer["StackResourceSummaries"] if each["LogicalResourceId"] != logical_id]
        world.set("cloudformation.list_stack_resources", {"StackResourceSummaries": kept})

    return change


def reports(question: str, answer: Any = None, **fields: Any) -> Break:  # noqa: ANN401  # JSON
    def change(world: Examined) -> None:
        world.report[question] = answer or world.report[question] | fields

    return change


GONE = error("ResourceNotFoundException")
NO_LINES: list[Any] = [GONE, error("AccessDenied"), {"events": []}]
"""What CloudWatch Logs answers where it has no line to show."""
NO_QUEUE = error("AWS.SimpleQueueService.NonExistentQueue")
OLD = {"accessEntry": {"username": "keyferry:deliver", "createdAt": WHEN - timedelta(days=1)}}
STRANGER = {"accessEntry": {"username": "stranger", "createdAt": WHEN + timedelta(days=1)}}
GRANTS = [{"Operations": ["Decrypt"]}]
OWN_KEY = {"key": "key-1", "source": "prod/db", "count": 2}
DEPLOY = "keyferry build"
RESTORE = "--deployment-mode REVERT_DRIFT --use-previous-template"
FAULTS: list[tuple[str, str, str, str, str, Break]] = [
    (
        "deployment",
        "error",
        "keyferry",
        "the last deployment has failed",
        "describe-stack-events",
        is_described(status="UPDATE_FAILED"),
    ),
    (
        "deployment",
        "error",
        "keyferry",
        "stuck half-way",
        "aws cloudformation continue-update-rollback --region eu-west-1 --stack-name keyferry",
        is_described(status="UPDATE_ROLLBACK_FAILED"),
    ),
    ("deployment", "error", "keyferry", "it was never made", "delete-stack", is_described(status="ROLLBACK_COMPLETE")),
    (
        "deployment",
        "warning",
        "keyferry",
        "was taken back",
        "describe-stack-events",
        is_described(status="UPDATE_ROLLBACK_COMPLETE"),
    ),
    (
        "deployment",
        "warning",
        "keyferry",
        "look again",
        "describe-stack-events",
        is_described(status="UPDATE_IN_PROGRESS"),
    ),
    (
        "deployment",
        "warning",
        "keyferry",
        "changed by hand",
        "describe-stack-resource-drifts",
        is_described(drift="DRIFTED"),
    ),
    ("deployment", "error", "outputs", "missing: SweepsQueueUrl", DEPLOY, has_outputs(SweepsQueueUrl=None)),
    (
        "deployment",
        "error",
        "outputs",
        "not of the resources that the stack has: RouteFunction",
        DEPLOY,
        has_outputs(RouteFunction="another"),
    ),
    (
        "deployment",
        "warning",
        "stack and program",
        "the stack is of 0.0.1",
        "keyferry build",
        reports("clusters", release="0.0.1"),
    ),
    (
        "deployment",
        "warning",
        "stack and program",
        "write the pin of 1000.10.0 into requirements.txt first",
        "pip install --no-deps --require-hashes -r requirements.txt",
        reports("clusters", release="1000.10.0"),
    ),
    (
        "deployment",
        "warning",
        "mappings",
        "are not those of the folder",
        "keyferry build",
        reports("clusters", deployment="x"),
    ),
    (
        "deployment",
        "error",
        "function report",
        "built for arm64",
        "aws logs tail /aws/lambda/keyferry-report",
        reports("clusters", InvalidInput("the code layer is built for arm64")),
    ),
    ("rules", "error", "ParameterChanged", "is gone", DEPLOY, loses("ParameterChanged")),
    ("rules", "error", "RotationFailed", "is gone", RESTORE, returns("events.describe_rule", GONE)),
    (
        "rules",
        "error",
        "ParameterChanged",
        "is disabled",
        "aws events enable-rule --name keyferry-ParameterChanged",
        changes("events.describe_rule", State="DISABLED"),
    ),
    (
        "rules",
        "error",
        "ParameterChanged",
        "its pattern",
        "put-rule",
        changes("events.describe_rule", EventPattern="{}"),
    ),
    (
        "rules",
        "error",
        "StackDeployed",
        "Sweeps is not its target",
        "put-targets",
        returns("events.list_targets_by_rule", {"Targets": []}),
    ),
    (
        "rules",
        "error",
        "ParameterChanged",
        "no dead-letter queue",
        "put-targets",
        returns("events.list_targets_by_rule", {"Targets": [{"Arn": OUTPUTS["ChangesQueueArn"]}]}),
    ),
    ("rules", "error", "SweepRegularly", "is gone", RESTORE, returns("scheduler.get_schedule", GONE)),
    ("rules", "error", "SweepRegularly", "is gone", DEPLOY, loses("SweepRegularly")),
    ("rules", "error", "SweepRegularly", "is disabled", RESTORE, changes("scheduler.get_schedule", State="DISABLED")),
    (
        "rules",
        "error",
        "SweepRegularly",
        "another queue",
        RESTORE,
        changes("scheduler.get_schedule", Target={"Arn": "x"}),
    ),
    (
        "rules",
        "warning",
        "eu-west-1",
        "no trail logs",
        "aws cloudtrail create-trail",
        returns("cloudtrail.describe_trails", {"trailList": []}),
    ),
    (
        "rules",
        "warning",
        "eu-west-1",
        "no trail logs",
        "create-trail",
        returns(
            "cloudtrail.describe_trails",
            {"trailList": [TRAIL | {"IsMultiRegionTrail": False, "HomeRegion": "us-east-1"}]},
        ),
    ),
    (
        "rules",
        "warning",
        "trail/all",
        "it is stopped",
        "aws cloudtrail start-logging --name arn:aws:cloudtrail:eu-west-1:111122223333:trail/all --region eu-west-1",
        returns("cloudtrail.get_trail_status", {"IsLogging": False}),
    ),
    (
        "rules",
        "warning",
        "eu-west-1",
        "no trail logs",
        "create-trail",
        returns("cloudtrail.get_event_selectors", {"EventSelectors": [{"ReadWriteType": "ReadOnly"}]}),
    ),
    (
        "rules",
        "warning",
        "eu-west-1",
        "trail all could not be looked at",
        "create-trail",
        returns("cloudtrail.get_trail_status", error("AccessDenied")),
    ),
    ("queues", "error", "Changes", "the queue is gone", RESTORE, returns(QUEUE, NO_QUEUE)),
    ("queues", "error", "EventsDeadLetters", "the queue is gone", RESTORE, returns(QUEUE, NO_QUEUE)),
    ("queues", "error", "Changes", "the queue is gone", RESTORE, has_outputs(ChangesQueueUrl=None)),
    ("queues", "error", "Changes", "is not its dead-letter queue", RESTORE, attributes(RedrivePolicy="")),
    (
        "queues",
        "warning",
        "Changes",
        "visibility timeout is 30 s",
        "--attributes VisibilityTimeout=360",
        attributes(VisibilityTimeout="30"),
    ),
    (
        "queues",
        "warning",
        "Deliveries",
        "2 waiting, 1 in flight, the oldest for 3,600 s",
        "aws logs tail /aws/lambda/keyferry-deliver --region eu-west-1",
        waits(3600.0, 3540.0),
    ),
    ("queues", "error", "policy of Changes", "does not let in SecretLabelUpdated", RESTORE, attributes(Policy="")),
    (
        "queues",
        "warning",
        "DeliveriesDeadLetters",
        "3: look",
        "keyferry dead-letters replay --queue deliveries",
        letters,
    ),
    (
        "queues",
        "warning",
        "EventsDeadLetters",
        "3: look",
        "keyferry dead-letters list --queue events",
        letters,
    ),
    ("functions", "error", "deliver", "the function is gone", RESTORE, returns(FUNCTION, GONE)),
    (
        "functions",
        "error",
        "deliver",
        "State is Failed: no rights",
        DEPLOY,
        configuration(State="Failed", StateReason="no rights"),
    ),
    ("functions", "warning", "report", "it sleeps", "", configuration(State="Inactive")),
    (
        "functions",
        "error",
        "route",
        "LastUpdateStatus is Failed: Lambda says no reason",
        DEPLOY,
        configuration(LastUpdateStatus="Failed"),
    ),
    (
        "functions",
        "warning",
        "deliver",
        "Timeout is 3, and template.yaml has 120",
        "--timeout 120",
        configuration(Timeout=3),
    ),
    ("functions", "warning", "deliver", "MemorySize is 128", "--memory-size 1024", configuration(MemorySize=128)),
    (
        "functions",
        "warning",
        "report",
        "Runtime is python3.12",
        "--runtime python3.13",
        configuration(Runtime="python3.12"),
    ),
    (
        "functions",
        "error",
        "deliver",
        "it logs from DEBUG on",
        "--logging-config",
        configuration(LoggingConfig={"ApplicationLogLevel": "DEBUG"}),
    ),
    (
        "functions",
        "error",
        "deliver",
        "KEYFERRY_INBOX_QUEUE_URL",
        RESTORE,
        configuration(Environment={"Variables": {"THEIRS": "canary-1"}}),
    ),
    (
        "functions",
        "error",
        "deliver",
        "KEYFERRY_INBOX_QUEUE_URL",
        "KEYFERRY_DEAD_LETTERS_QUEUE_URL",
        configuration(Environment={"Variables": {}}),
    ),
    (
        "functions",
        "error",
        "concurrency of deliver",
        "it never runs",
        "delete-function-concurrency",
        returns("lambda.get_function_concurrency", {"ReservedConcurrentExecutions": 0}),
    ),
    (
        "functions",
        "warning",
        "concurrency of deliver",
        "2 reserved",
        "delete-function-concurrency",
        returns("lambda.get_function_concurrency", {"ReservedConcurrentExecutions": 2}),
    ),
    (
        "event sources",
        "error",
        "deliver",
        "no messages of Deliveries",
        RESTORE,
        returns(SOURCE, {"EventSourceMappings": []}),
    ),
    (
        "event sources",
        "error",
        "deliver",
        "is Disabled",
        "--uuid uuid-1 --region eu-west-1 --enabled",
        source(State="Disabled"),
    ),
    (
        "event sources",
        "error",
        "deliver",
        "cannot read Deliveries (PROBLEM: x)",
        RESTORE,
        source(LastProcessingResult="PROBLEM: x"),
    ),
    (
        "event sources",
        "warning",
        "route",
        "batch size is 5, and template.yaml has 10",
        "--batch-size 10",
        source(BatchSize=5),
    ),
    (
        "event sources",
        "error",
        "deliver",
        "no single failures",
        "ReportBatchItemFailures",
        source(FunctionResponseTypes=[]),
    ),
    (
        "event sources",
        "warning",
        "deliver",
        "at most any number",
        "--scaling-config MaximumConcurrency=5",
        source(ScalingConfig={}),
    ),
    (
        "processor",
        "error",
        "deliver",
        "runs on x86_64, and the stack is for arm64",
        RESTORE,
        configuration(Architectures=["x86_64"]),
    ),
    (
        "processor",
        "error",
        "deliver",
        "its layer code:1 is for x86_64",
        DEPLOY,
        returns(
            "lambda.list_layer_versions",
            {"LayerVersions": [{"LayerVersionArn": f"{LAYER}:1", "CompatibleArchitectures": ["x86_64"]}]},
        ),
    ),
    (
        "entries",
        "error",
        "DeliverRole",
        f"there is no role {ROLE}",
        RESTORE,
        returns("iam.get_role", error("NoSuchEntity")),
    ),
    (
        "entries",
        "error",
        "prod-eu: keyferry:deliver",
        "has no access entry",
        "aws eks create-access-entry --region eu-west-1 --cluster-name prod-eu",
        returns("eks.describe_access_entry", GONE),
    ),
    (
        "entries",
        "error",
        "prod-eu: keyferry:deliver",
        "older than its role",
        "delete-access-entry",
        returns("eks.describe_access_entry", OLD),
    ),
    (
        "entries",
        "error",
        "prod-eu: keyferry:deliver",
        "in as stranger",
        "update-access-entry",
        returns("eks.describe_access_entry", STRANGER),
    ),
    (
        "entries",
        "warning",
        "prod-eu: keyferry:deliver",
        "it is of account 111122223333",
        "access-entries.sh",
        is_described(caller=Caller("444455556666", "arn:aws:iam::444455556666:user/me")),
    ),
    (
        "reach",
        "error",
        "prod-eu",
        "ClusterUnreachable: no answer",
        "aws eks describe-cluster --region eu-west-1 --name prod-eu",
        reports(
            "clusters", rows=[{"cluster": "prod-eu", "error": {"kind": "ClusterUnreachable", "text": "no answer"}}]
        ),
    ),
    (
        "reach",
        "error",
        "prod-eu",
        "Unauthorized: no entry",
        "keyferry doctor --stack keyferry --cluster prod-eu",
        reports("clusters", rows=[{"cluster": "prod-eu", "error": {"kind": "Unauthorized", "text": "no entry"}}]),
    ),
    (
        "reach",
        "error",
        "prod/db",
        "not there in eu-west-1: create it, or correct its name in the mapping",
        "keyferry plan",
        reports("sources", rows=[{"name": "prod/db", "state": "missing"}]),
    ),
    (
        "reach",
        "error",
        "prod/db",
        "AccessDenied: grant it",
        "",
        reports(
            "sources",
            rows=[{"name": "prod/db", "state": "failed", "error": {"kind": "AccessDenied", "text": "grant it"}}],
        ),
    ),
    (
        "reach",
        "warning",
        "prod/db",
        "no listing shows it",
        "",
        reports("sources", rows=[{"name": "prod/db", "state": "unknown"}]),
    ),
    (
        "reach",
        "warning",
        "arn:aws:secretsmanager:eu-west-1:444455556666:secret:db",
        "it is of account 444455556666",
        "",
        reports(
            "sources", rows=[{"name": "arn:aws:secretsmanager:eu-west-1:444455556666:secret:db", "state": "missing"}]
        ),
    ),
    (
        "reach",
        "warning",
        "prod-eu",
        "had no time left",
        "keyferry doctor --stack keyferry --cluster prod-eu",
        reports("clusters", rows=[{"cluster": "prod-eu", "error": {"kind": "OutOfTime", "text": "late"}}]),
    ),
    (
        "reach",
        "warning",
        "prod/db",
        "had no time left",
        "",
        reports(
            "sources", rows=[{"name": "prod/db", "state": "unknown", "error": {"kind": "OutOfTime", "text": "late"}}]
        ),
    ),
    ("reach", "warning", "more", "5 more sources", "", reports("sources", left=5)),
    (
        "reach",
        "error",
        "gone",
        "ClusterUnreachable: no answer",
        "keyferry doctor --stack keyferry --cluster gone",
        reports("clusters", rows=[{"cluster": "gone", "error": {"kind": "ClusterUnreachable", "text": "no answer"}}]),
    ),
    ("deployment", "error", "function report", "gives no answer to clusters", "aws logs tail", no_answer),
    ("rules", "error", "RotationFailed", "its pattern", "put-rule", changes("events.describe_rule", EventPattern=None)),
    (
        "rules",
        "error",
        "StackDeployed",
        "Sweeps is not its target",
        "put-targets",
        changes("events.list_targets_by_rule", Targets=[{"Arn": "theirs"}]),
    ),
    (
        "rules",
        "warning",
        "eu-west-1",
        "no trail logs",
        "create-trail",
        returns("cloudtrail.get_event_selectors", {"EventSelectors": [{"IncludeManagementEvents": False}]}),
    ),
    (
        "rules",
        "warning",
        "eu-west-1",
        "no trail logs",
        "create-trail",
        returns(
            "cloudtrail.get_event_selectors",
            {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]},
        ),
    ),
    ("queues", "warning", "Deliveries", "0 waiting, 1 in flight", "", waits(1800.0, visible="0")),
    ("queues", "warning", "Deliveries", "1 waiting, 0 in flight", "", waits(1800.0, visible="1", flying="0")),
    ("queues", "error", "Changes", "the queue is gone", RESTORE, returns(QUEUE, error("QueueDoesNotExist"))),
    ("queues", "warning", "Changes", "could not be looked at", "", returns(QUEUE, error("InvalidAddress"))),
    ("queues", "error", "policy of Sweeps", "let in StackDeployed", RESTORE, policies("Deny")),
    ("functions", "warning", "route", "Handler is x", "--handler app.handler", configuration(Handler="x")),
    ("functions", "error", "report", "HTTPS_PROXY", "update-function-configuration", variables(HTTPS_PROXY="x")),
    ("event sources", "warning", "deliver", "at most 9 run", "", source(ScalingConfig={"MaximumConcurrency": 9})),
    (
        "processor",
        "error",
        "deliver",
        "runs on x86_64, and the stack",
        RESTORE,
        is_of_no_architecture,
    ),
    ("entries", "error", "DeliverRole", "no role of that output", DEPLOY, has_outputs(DeliverRoleArn=None)),
    ("entries", "warning", "RouteRole", "could not be looked at", "", returns("iam.get_role", error("InvalidInput"))),
    ("reach", "warning", "secrets and parameters", "no answer", "", reports("sources", InvalidInput("no answer"))),
]
"""Group, state, what, a part of the text, a part of the remedy, and what breaks it."""


@pytest.mark.parametrize(("group", "state", "what", "why", "remedy", "spoil"), FAULTS)
def test_what_is_broken_is_told_with_its_remedy(
    group: str, state: str, what: str, why: str, remedy: str, spoil: Break
) -> None:
    world = Examined(catalog())
    spoil(world)
    matching = [finding for finding in world.examine(GROUPS[group]) if finding.what == what and why in finding.why]
    assert [finding.state for finding in matching] == [state], told(world.examine(GROUPS[group]))
    assert remedy in " && ".join(matching[0].remedy)
    assert "canary" not in str(matching)


# Of a queue, what waits is told beside its settings; of a stack that has drifted, that its deployment went well.
@pytest.mark.parametrize("fault", [each for each in FAULTS if each[0] != "queues" and each[3] != "changed by hand"])
def test_what_is_ok_has_nothing_wrong(fault: tuple[str, str, str, str, str, Break]) -> None:
    world = Examined(catalog())
    fault[-1](world)
    findings = world.examine(GROUPS[fault[0]])
    fine = {(each.check, each.what) for each in findings if each.state == "ok"}
    assert fine & {(each.check, each.what) for each in findings if each.state != "ok"} == set()


def test_all_that_is_said_and_all_remedies_are_those_that_were_reviewed_letter_by_letter() -> None:
    """A change of them is to be seen in the file."""
    told, path = write_reviewed(), Path(__file__).parent / "golden/doctor_findings.txt"
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(told)
    assert told == path.read_text(), "if that is meant, write it anew: make golden"


def write_reviewed() -> str:
    """Return what is found of a stack that is well, and of each fault what is found beside that."""
    lines, well = list[str](), list[Finding]()
    for name in GROUPS:
        found = examine_group(name, lambda _: None)
        lines += [f"\n{name}:", *(line for finding in found for line in show(finding))]
        well += found
    for group, _, what, why, _, spoil in FAULTS:
        found = [each for each in examine_group(group, spoil) if each.what == what and each not in well]
        lines += [f"\n{group}: {what}: {why}", *(line for finding in found for line in show(finding))]
    lines += ["\nwhat restores the stack:", *Examined().subject.format_restore()]
    return "\n".join(lines).lstrip().replace(__version__, "RELEASE") + "\n"


def examine_group(group: str, spoil: Break) -> list[Finding]:
    world = Examined(FOREIGN if group == "elsewhere" else catalog())
    world.report["clusters"]["rows"] = [{"cluster": "prod-eu", "version": "v1.36.2"}]
    world.report["sources"]["keys"] = [OWN_KEY | {"count": 1}]
    spoil(world)
    return world.examine(GROUPS[group])


def show(finding: Finding) -> list[str]:
    restores = finding.remedy == Examined().subject.format_restore()
    commands = ["… what restores the stack"] if restores else [f"$ {command}" for command in finding.remedy]
    said = f"{finding.state} {finding.check} {finding.what}: {finding.why}"
    return [said, *(f"    {command}" for command in commands), *(f"    - {detail}" for detail in finding.details)]


def log(message: str, **fields: str) -> dict[str, str]:
    """Return an event of CloudWatch Logs, a line as the functions log it."""
    return {"message": json.dumps({"message": message, "timestamp": "2026-11-24T15:00:00+00:00", **fields})}


def test_the_commonest_reason_of_dead_letters_is_told_where_the_log_has_it() -> None:
    world = Examined()
    letters(world)
    reasons = ["SourceMissing: prod/db", "Forbidden: get", "SourceMissing: prod/db"]
    lines = [log("dead letter", reason=reason) for reason in reasons]
    lines += [{"message": "no JSON"}, log("dead letter")]
    world.set("logs.filter_log_events", [{"events": lines[:2]}, {"events": lines[2:]}])
    said = told(world.wrong(queues.list_checks))
    why = "3: look at them, remove the cause, send them again or drop them"
    assert said["DeliveriesDeadLetters"] == ("warning", f"{why}; within a day 2 by: SourceMissing: prod/db")
    assert said["ChangesDeadLetters"] == ("warning", why)
    asked, _ = [of for operation, _, of in world.clients.calls if operation == "logs.filter_log_events"]
    assert (asked["logGroupName"], asked["filterPattern"]) == (
        "/aws/lambda/keyferry-deliver",
        '{ $.message = "dead letter" }',
    )
    assert abs(asked["startTime"] / 1000 - (datetime.now(UTC) - timedelta(days=1)).timestamp()) < 60
    for nothing in NO_LINES:
        world.set("logs.filter_log_events", nothing)
        assert told(world.wrong(queues.list_checks))["DeliveriesDeadLetters"] == ("warning", why)
    world.set("logs.filter_log_events", {"events": [log("dead letter", reason="x" * 1000)]})
    assert len(told(world.wrong(queues.list_checks))["DeliveriesDeadLetters"][1]) < 400


def test_a_queue_that_has_just_been_emptied_is_well() -> None:
    world = Examined()
    waits(3600.0, visible="0", flying="0")(world)
    assert world.wrong(queues.list_checks) == []


def test_no_remedy_of_dead_letters_deletes_them() -> None:
    world = Examined()
    letters(world)
    commands = [command for finding in world.wrong(queues.list_checks) for command in finding.remedy]
    assert [command for command in commands if "purge" in command or "delete" in command] == []


def test_a_trail_is_created_with_a_bucket_that_it_may_write_to() -> None:
    world = Examined()
    world.set("cloudtrail.describe_trails", {"trailList": []})
    words = [shlex.split(command) for command in only(world.wrong(rules.list_checks)).remedy]
    bucket = f"management-events-{ACCOUNT}-eu-west-1"
    assert [command[1:3] for command in words] == [
        *(["s3", "mb"], ["s3api", "put-bucket-policy"], ["cloudtrail", "create-trail"], ["cloudtrail", "start-logging"])
    ]
    assert [command[-1] for command in words if bucket in command] == [words[1][-1], bucket]
    statements = json.loads(words[1][-1])["Statement"]
    assert [each["Action"] for each in statements] == ["s3:GetBucketAcl", "s3:PutObject"]
    assert all(f"arn:aws:s3:::{bucket}" in each["Resource"] for each in statements)


def test_what_restores_a_stack_keeps_its_parameters() -> None:
    create, wait, execute = Examined().subject.format_restore()
    for parameter in PARAMETERS:
        assert f" ParameterKey={parameter},UsePreviousValue=true" in create
    for command in (create, wait, execute):
        assert "--region eu-west-1 --stack-name keyferry --change-set-name restore" in command


@pytest.mark.parametrize(
    ("state", "why", "remedy", "spoil"),
    [
        (
            "error",
            "there is no such key: prod/db and 1 more cannot be read",
            "",
            returns("kms.describe_key", error("NotFoundException")),
        ),
        (
            "error",
            "it is Disabled",
            "aws kms enable-key --key-id key-1 --region eu-west-1",
            returns("kms.describe_key", {"KeyMetadata": {"KeyId": "key-1", "KeyState": "Disabled"}}),
        ),
        (
            "error",
            "it is PendingDeletion",
            "aws kms cancel-key-deletion --key-id key-1 --region eu-west-1"
            " && aws kms enable-key --key-id key-1 --region eu-west-1",
            returns("kms.describe_key", {"KeyMetadata": {"KeyId": "key-1", "KeyState": "PendingDeletion"}}),
        ),
        (
            "error",
            "names neither the account nor",
            "aws kms get-key-policy --key-id key-1 --region eu-west-1 --query Policy --output text",
            returns("kms.get_key_policy", {"Policy": '{"Statement": []}'}),
        ),
        (
            "warning",
            "could not be looked at: AWS refuses kms:DescribeKey",
            "aws iam attach-role-policy",
            returns("kms.describe_key", error("AccessDeniedException")),
        ),
        (
            "warning",
            "could not be looked at: kms:DescribeKey on key-1: KMSInternal",
            "",
            returns("kms.describe_key", error("KMSInternal")),
        ),
        (
            "ok",
            "a grant lets deliver use it",
            "",
            lambda world: (
                world.set("kms.get_key_policy", {"Policy": '{"Statement": []}'}),
                world.set(
                    "kms.list_grants",
                    lambda KeyId, GranteePrincipal: {"Grants": GRANTS if GranteePrincipal == ROLE else []},  # noqa: N803, ARG005
                ),
            ),
        ),
        (
            "ok",
            "its policy lets deliver use it",
            "",
            returns(
                "kms.get_key_policy",
                {
                    "Policy": json.dumps(
                        {"Statement": [{"Effect": "Allow", "Action": ["kms:Decrypt"], "Principal": "*"}]}
                    )
                },
            ),
        ),
        (
            "ok",
            "of AWS; prod/db and 1 more",
            "",
            returns("kms.describe_key", {"KeyMetadata": {"KeyState": "Enabled", "KeyManager": "AWS"}}),
        ),
    ],
)
def test_a_key_of_ones_own_is_looked_at(state: str, why: str, remedy: str, spoil: Break) -> None:
    world = Examined(catalog())
    world.report["sources"]["keys"] = [OWN_KEY, {"key": "alias/aws/ssm", "source": "/db", "count": 1}]
    spoil(world)
    finding = only(world.examine(list_keys))
    assert (finding.state, finding.what, why in finding.why) == (state, "key-1", True), finding
    assert remedy in " && ".join(finding.remedy)


def test_a_key_that_is_known_by_an_alias_is_mended_by_its_id() -> None:
    world = Examined()
    world.report["sources"]["keys"] = [OWN_KEY | {"key": "alias/app"}]
    world.set("kms.describe_key", {"KeyMetadata": {"KeyId": "key-1", "KeyState": "Disabled"}})
    assert only(world.examine(list_keys)).remedy == ("aws kms enable-key --key-id key-1 --region eu-west-1",)


@pytest.mark.parametrize(
    ("source", "why", "commands"),
    [
        (
            {"secretsManager": "prod/db"},
            "create it, or correct its name",
            [
                "aws secretsmanager create-secret --name prod/db --region eu-west-1 --secret-string file://value.txt",
            ],
        ),
        (
            {"secretsManager": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-a1B2c3"},
            "correct its ARN",
            [],
        ),
        (
            {"parameterStore": "/prod/db"},
            "create it, or correct its name",
            ["aws ssm put-parameter --region eu-west-1 --name /prod/db --type SecureString --value file://value.txt"],
        ),
    ],
)
def test_a_source_that_is_not_there_is_made(source: dict[str, str], why: str, commands: list[str]) -> None:
    world = Examined(catalog(sources={"db": source}))
    world.report["sources"]["rows"] = [{"name": next(iter(source.values())), "state": "missing"}]
    finding = only([each for each in world.wrong(reach.list_checks) if each.check == "sources"])
    assert (finding.state, list(finding.remedy)) == ("error", commands)
    assert why in finding.why


def test_a_secret_that_is_scheduled_for_deletion_is_restored() -> None:
    world = Examined(catalog(sources={"db": {"secretsManager": "prod/db", "region": "us-east-1"}}))
    world.report["sources"]["rows"] = [{"name": "prod/db", "region": "us-east-1", "state": "deleted"}]
    finding = only([each for each in world.wrong(reach.list_checks) if each.check == "sources"])
    assert (finding.state, finding.why) == ("error", "it is scheduled for deletion in us-east-1: restore it")
    assert finding.remedy == ("aws secretsmanager restore-secret --secret-id prod/db --region us-east-1",)


FOREIGN = catalog(sources={"db": {"secretsManager": "arn:aws:secretsmanager:us-east-1:444455556666:secret:db-a1B2c3"}})
LETS_IN = {
    "Policy": json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}]})
}


def test_events_of_another_account_need_the_bus_and_have_to_be_seen() -> None:
    world = Examined(FOREIGN)
    finding = only(world.examine(elsewhere.list_checks))
    assert (finding.state, finding.what) == ("error", "444455556666 in us-east-1")
    assert "does not let account 444455556666 in" in finding.why
    world.set("events.describe_event_bus", LETS_IN)
    finding = only(world.examine(elsewhere.list_checks))
    assert (finding.state, "seen none within 3 days" in finding.why) == ("warning", True)
    assert "list-rule-names-by-target" in finding.remedy[0]
    assert "generated/accounts/444455556666/member.yaml" in finding.remedy[1]
    world.set("logs.filter_log_events", [{"events": []}, {"events": [log("routed")]}])
    assert only(world.examine(elsewhere.list_checks)).state == "ok"
    world.set("logs.filter_log_events", [{"events": []}] * MAX_LOG_PAGES + [{"events": [log("routed")]}])
    assert only(world.examine(elsewhere.list_checks)).state == "warning"
    # As `route` logs where an event, of whichever store, is of: tests/unit/test_route.py.
    pattern = world.clients.calls[-1][2]["filterPattern"]
    assert pattern == '{ ($.message = "routed") && ($.account = "444455556666") && ($.region = "us-east-1") }'


def test_where_the_stack_lets_no_account_in_a_deployment_is_told_that_does() -> None:
    world = Examined(FOREIGN)
    assert only(world.examine(elsewhere.list_checks)).remedy == (
        "keyferry generate",
        "keyferry build",
        "sam deploy",
    )
    world.parameters["EventBusPolicy"] = "false"
    finding = only(world.examine(elsewhere.list_checks))
    assert "with EventBusPolicy=false the stack lets none in: take that out of samconfig.toml, too" in finding.why
    assert finding.remedy[1:] == ("keyferry build", "sam deploy --parameter-overrides EventBusPolicy=true")
    world.set("events.describe_event_bus", LETS_IN)  # somebody else does
    assert "EventBusPolicy" not in only(world.examine(elsewhere.list_checks)).why


def test_the_template_of_a_member_is_beside_the_mappings_that_were_named() -> None:
    world = Examined(FOREIGN)
    world.set("events.describe_event_bus", LETS_IN)
    subject = replace(world.subject, call=Call(Path("teams/mappings")))
    finding = only([finding for check in elsewhere.list_checks(subject) for finding in check.run()])
    assert "--template-file teams/generated/accounts/444455556666/member.yaml" in finding.remedy[1]


def test_events_of_another_region_need_rules_there() -> None:
    world = Examined(catalog(sources={"db": {"secretsManager": "prod/db", "region": "us-east-1"}}))
    assert only(world.examine(elsewhere.list_checks)).why == "1 rules forward them"
    assert ("events.list_rule_names_by_target", "us-east-1") in [call[:2] for call in world.clients.calls]
    world.set("events.list_rule_names_by_target", {"RuleNames": []})
    world.set("logs.filter_log_events", GONE)
    finding = only(world.examine(elsewhere.list_checks))
    assert (finding.state, "no rule there forwards them" in finding.why) == ("warning", True)
    assert "--region us-east-1 --parameter-overrides HubAccount=111122223333 HubRegion=eu-west-1" in finding.remedy[0]


def test_an_organization_that_is_let_in_stands_for_its_accounts() -> None:
    world = Examined(FOREIGN)
    world.set(
        "events.describe_event_bus", {"Policy": json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*"}]})}
    )
    assert only(world.examine(elsewhere.list_checks)).state == "warning"


def test_a_trail_with_advanced_selectors_counts() -> None:
    world = Examined()
    selectors = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
    world.set("cloudtrail.get_event_selectors", {"AdvancedEventSelectors": selectors})
    assert world.wrong(rules.list_checks) == []
    selectors[0]["FieldSelectors"].append({"Field": "readOnly", "Equals": ["true"]})
    assert only(world.wrong(rules.list_checks)).check == "trail"


def test_the_rule_for_what_a_trail_tells_is_looked_at_where_the_stack_has_it() -> None:
    world = Examined()
    world.parameters["CloudTrailChanges"] = "true"
    assert only(world.wrong(rules.list_checks)).what == "SecretChanged"


def test_only_the_entries_of_the_cluster_that_is_asked_for_are_looked_at() -> None:
    world = Examined(
        build_catalog([mapping(clusters=["prod-eu", "prod-us"])], [cluster("prod-eu"), cluster("prod-us")])
    )
    world.cluster = "prod-us"  # type: ignore[assignment]
    findings = [finding for finding in world.examine(entries.list_checks) if finding.check == "access entries"]
    assert [finding.what for finding in findings] == ["prod-us: keyferry:deliver", "prod-us: keyferry:reconcile"]


def test_an_entry_that_the_next_deployment_makes_is_not_made_before_it() -> None:
    world = Examined(catalog())
    world.parameters["AccessEntries"] = "true"
    world.set("eks.describe_access_entry", GONE)

    def get_remedies() -> set[str]:
        return {finding.remedy[0].partition(" --")[0] for finding in world.wrong(entries.list_checks)}

    assert get_remedies() == {"aws eks create-access-entry"}
    world.report["clusters"]["deployment"] = "another"
    assert get_remedies() == {"keyferry build"}
    world.parameters["AccessEntries"] = "false"
    assert get_remedies() == {"aws eks create-access-entry"}
    world.parameters["AccessEntries"] = "true"
    world.report["clusters"] = InvalidInput("no answer")
    assert get_remedies() == {"aws eks create-access-entry"}


def test_a_cluster_with_a_role_of_its_own_has_the_entry_of_that_role() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/spoke-deliver"
    world = Examined(build_catalog([mapping()], [cluster(role=role)]))
    assert world.wrong(entries.list_checks) == []
    assert (
        "eks.describe_access_entry",
        "eu-west-1",
        {"clusterName": "prod-eu", "principalArn": role},
    ) in world.clients.calls


def test_without_mappings_what_goes_by_them_is_not_looked_at() -> None:
    world = Examined()
    assert [finding.what for finding in world.examine(deployment.list_checks)][-1] == "stack and program"
    assert {finding.check for finding in world.examine(entries.list_checks)} == {"roles"}
    assert world.examine(elsewhere.list_checks) == []


def test_what_aws_refuses_is_a_warning_that_names_the_right_and_gives_it() -> None:
    world = Examined(catalog())
    for operation in list(world.clients.answers):
        world.set(operation, error("AccessDenied"))
    for group in GROUPS.values():
        for finding in world.wrong(group):
            assert finding.state == "warning"
            if "could not be looked at" in finding.why:
                assert "AWS refuses " in finding.why
                assert finding.remedy == (
                    "aws iam attach-role-policy --role-name oncall"
                    " --policy-arn arn:aws:iam::111122223333:policy/keyferry-look",
                )


def test_who_may_not_ask_the_function_is_told_the_right_and_nothing_of_a_fault() -> None:
    world = Examined(catalog())
    refused = AccessDenied("AWS refuses lambda:InvokeFunction on keyferry-report")
    world.report = {"clusters": refused, "sources": refused}
    wrong = [finding for group in GROUPS.values() for finding in world.wrong(group)]
    assert [(finding.check, finding.state) for finding in wrong] == [("release", "warning"), ("sources", "warning")]
    assert all(finding.remedy[0].startswith("aws iam attach-role-policy") for finding in wrong)


@pytest.mark.parametrize(
    ("arn", "command"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/team/me", ("aws iam attach-user-policy --user-name me",)),
        (f"arn:aws:iam::{ACCOUNT}:root", ()),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_ReadOnly_0123456789abcdef/me", ()),
    ],
)
def test_the_policy_to_look_is_given_to_whoever_asks(arn: str, command: tuple[str, ...]) -> None:
    world = Examined()
    world.caller = Caller(ACCOUNT, arn)
    assert tuple(each.partition(" --policy-arn")[0] for each in world.subject.describe_grant()) == command


def test_one_that_aws_does_not_know_is_told() -> None:
    world = Examined()
    who, finding = caller.check_caller(world.clients)
    assert (who, finding.why) == (world.caller, "account 111122223333")
    world.set("sts.get_caller_identity", error("ExpiredToken"))
    who, finding = caller.check_caller(world.clients)
    assert (who, finding.state, "have expired" in finding.why) == (None, "error", True)
    assert (finding.what, finding.remedy) == ("AWS", ("aws sts get-caller-identity",))
    world.set("sts.get_caller_identity", NoCredentialsError())
    who, finding = caller.check_caller(world.clients)
    assert (who, "no AWS credentials" in finding.why) == (None, True)
    assert finding.remedy[1].startswith("aws sso login")


@pytest.mark.parametrize(
    ("seconds", "state", "why"),
    [
        (0, "ok", "as AWS's"),
        (-60, "ok", "as AWS's"),
        (61, "warning", "61 s ahead of AWS's: from 300 s on, what it signs is refused"),
        (-299, "warning", "299 s behind AWS's: from 300 s on, what it signs is refused"),
        (300, "error", "300 s ahead of AWS's: AWS and clusters refuse what it signs"),
        (90, "warning", "90 s ahead of AWS's: from 300 s on, what it signs is refused"),
        (-4000, "error", "4,000 s behind AWS's: AWS and clusters refuse what it signs"),
    ],
)
def test_the_clock_is_compared_with_that_of_aws(seconds: int, state: str, why: str) -> None:
    found = only(list(caller.check_clock(Examined().clients, WHEN + timedelta(seconds=seconds))))
    assert (found.state, found.why, bool(found.remedy)) == (state, why, state != "ok")


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("linux", "sudo timedatectl set-ntp true"),
        ("darwin", "sudo sntp -sS time.apple.com"),
        ("win32", "w32tm /resync"),
    ],
)
def test_the_clock_is_set_by_the_command_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, platform: str, command: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    found = only(list(caller.check_clock(Examined().clients, WHEN + timedelta(hours=1))))
    assert (found.check, found.what, found.remedy) == ("clock", "this machine", (command,))


def test_the_clock_is_compared_though_aws_refuses_the_signature() -> None:
    world = Examined()
    refused = error("SignatureDoesNotMatch", status=403)
    refused.response["ResponseMetadata"]["HTTPHeaders"] = {"date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    world.set("sts.get_caller_identity", refused)
    assert only(list(caller.check_clock(world.clients, WHEN + timedelta(hours=1)))).state == "error"


def test_settings_are_those_of_the_template() -> None:
    stack = Stack.load()
    there = cloudformation.Deployment(ACCOUNT, "eu-west-1", {"AWS::StackName": "keyferry"} | PARAMETERS)
    there.template = stack.template
    # A reference to a queue resolves to its logical id.
    outputs = {f"{queue}QueueUrl": queue for queue in stack.queues}
    for settings in FUNCTIONS:
        name = settings.output.removesuffix("Function")
        properties = there.resolve(stack.functions[name])
        assert properties["FunctionName"] == f"keyferry-{settings.name}"
        assert properties["Environment"]["Variables"] == settings.build_environment("keyferry", outputs, PARAMETERS)
        assert (properties["Timeout"], properties["Runtime"], properties["Handler"]) == (
            settings.timeout,
            RUNTIME,
            HANDLER,
        )
        assert int(properties["MemorySize"]) == resolve(settings.memory, PARAMETERS)
        if settings.source is None:
            assert "Events" not in properties
            continue
        event = there.resolve(stack.event(name))
        assert event["Queue"] == f"{settings.source.queue}.Arn"
        assert event["BatchSize"] == settings.source.batch_size
        assert int(event["ScalingConfig"]["MaximumConcurrency"]) == resolve(settings.source.concurrency, PARAMETERS)
    periods = stack.template["Mappings"]["SweepSchedules"].items()
    assert {schedule: period["Seconds"] for schedule, period in periods} == SWEEP_SECONDS


def test_outputs_queues_rules_and_ages_are_those_of_the_template() -> None:
    stack = Stack.load()
    there = cloudformation.Deployment(ACCOUNT, "eu-west-1", {"AWS::StackName": "keyferry"} | PARAMETERS)
    there.template = stack.template
    values = {
        name: there.resolve(output["Value"])
        for name, output in stack.template["Outputs"].items()
        if name != "NextSteps"
    }
    named = {name: value for name, value in values.items() if name.endswith(("Function", "QueueUrl"))}
    assert named == deployment.OUTPUTS
    shown = there.resolve({name: stack.of("Events::Rule")[name]["EventPattern"] for name in RULES})
    assert shown == RULES
    alarms = {"Changes": "ChangesOld", "Sweeps": "SweepsOld"}
    thresholds = {queue: stack.of("CloudWatch::Alarm")[alarm]["Threshold"] for queue, alarm in alarms.items()}
    assert thresholds.items() <= queues.OLDEST.items()


def test_an_environment_that_lacks_empty_variables_alone_is_right() -> None:
    world = Examined()

    def answer(FunctionName: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        whole = describe_function(FunctionName)
        variables = whole["Environment"]["Variables"]
        whole["Environment"]["Variables"] = {name: value for name, value in variables.items() if value}
        return whole

    world.set(FUNCTION, answer)
    assert world.wrong(functions.list_checks) == []


def states(findings: list[Finding]) -> set[str]:
    return {finding.state for finding in findings}


def test_a_layer_that_does_not_say_what_it_is_for_is_not_judged() -> None:
    world = Examined()
    world.set("lambda.list_layer_versions", {"LayerVersions": []})
    assert states(world.examine(processor.list_checks)) == {"ok"}
    world.set(FUNCTION, GONE)
    assert world.examine(processor.list_checks) == []  # `functions` says it


@pytest.mark.parametrize("state", ["Enabling", "Updating", "Creating"])
def test_an_event_source_mapping_that_will_soon_be_enabled_is_well(state: str) -> None:
    world = Examined()
    source(State=state)(world)
    assert world.wrong(event_sources.list_checks) == []


def test_what_a_stack_has_no_parameter_for_is_not_judged() -> None:
    world = Examined()
    for name in ("MaximumConcurrency", "DeliverMemory", "Concurrency", "SweepSchedule", "Architecture"):
        del world.parameters[name]
    for group in (event_sources.list_checks, functions.list_checks, processor.list_checks):
        assert world.wrong(group) == []


def test_how_old_a_message_is_is_asked_of_its_queue_alone_and_of_the_last_minutes() -> None:
    world = Examined()
    world.examine(queues.list_checks)
    asked = [of for operation, _, of in world.clients.calls if operation == "cloudwatch.get_metric_data"]
    metrics = [query["MetricStat"] | {"Id": query["Id"]} for of in asked for query in of["MetricDataQueries"]]
    assert metrics == [
        {
            "Metric": {
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": queue}],
            },
            **{"Period": 60, "Stat": "Maximum", "Id": "age"},
        }
        for queue in ("Changes", "Deliveries", "Sweeps")
    ]
    assert {of["EndTime"] - of["StartTime"] for of in asked} == {timedelta(minutes=10)}


def test_messages_that_wait_for_less_than_the_alarm_allows_are_well() -> None:
    world = Examined()
    waits(1799.0)(world)
    world.change("cloudwatch.get_metric_data", MetricDataResults=[{"Values": [299.0]}])
    assert world.wrong(queues.list_checks) == []
    assert told(world.examine(queues.list_checks))["Deliveries"][1] == "2 waiting, 1 in flight, the oldest for 299 s"
    world.set("cloudwatch.get_metric_data", {"MetricDataResults": [{"Values": [1799.0]}]})
    assert "Deliveries" not in {finding.what for finding in world.wrong(queues.list_checks)}


def test_the_optional_rule_may_send_where_the_stack_has_it() -> None:
    world = Examined()
    resources = world.clients.answers["cloudformation.list_stack_resources"]["StackResourceSummaries"]
    optional = {"LogicalResourceId": "SecretChanged", "PhysicalResourceId": "keyferry-SecretChanged"}
    resources.append(optional | {"ResourceStatus": "CREATE_COMPLETE"})
    assert "does not let in SecretChanged:" in only(world.wrong(queues.list_checks)).why


def test_a_policy_of_a_queue_that_names_one_rule_is_understood() -> None:
    world = Examined()
    policies("Allow")(world)
    assert world.wrong(queues.list_checks) == []


@pytest.mark.parametrize(
    ("trail", "state"),
    [
        ({"IsMultiRegionTrail": False, "HomeRegion": "eu-west-1"}, "ok"),
        ({"IsMultiRegionTrail": True, "HomeRegion": "us-east-1"}, "ok"),
        ({"IsMultiRegionTrail": False, "HomeRegion": "us-east-1"}, "warning"),
    ],
)
def test_a_trail_counts_where_it_is_of_the_region_or_of_all(trail: dict[str, object], state: str) -> None:
    world = Examined()
    world.set("cloudtrail.describe_trails", {"trailList": [TRAIL | trail]})
    assert only([finding for finding in world.examine(rules.list_checks) if finding.check == "trail"]).state == state
    assert ("cloudtrail.describe_trails", None, {"includeShadowTrails": True}) in world.clients.calls


def test_of_several_trails_one_that_logs_is_enough() -> None:
    world = Examined()
    world.set("cloudtrail.describe_trails", {"trailList": [TRAIL | {"TrailARN": "asleep"}, TRAIL]})
    world.set("cloudtrail.get_trail_status", lambda Name: {"IsLogging": Name != "asleep"})  # noqa: N803
    assert world.wrong(rules.list_checks) == []


ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ({}, "ok"),
        ({"Action": "*"}, "ok"),
        ({"Action": "kms:Decrypt"}, "ok"),
        ({"Action": ["kms:Encrypt", "kms:Decrypt*"]}, "ok"),
        ({"Action": "kms:Encrypt"}, "error"),
        ({"Effect": "Deny"}, "error"),
        ({"Principal": {"AWS": ROLE}}, "ok"),
        ({"Principal": {"AWS": [ROLE, "arn:aws:iam::111122223333:role/other"]}}, "ok"),
        ({"Principal": {"AWS": ACCOUNT}}, "ok"),
        ({"Principal": "*"}, "ok"),
        ({"Principal": {"AWS": "arn:aws:iam::444455556666:root"}}, "error"),
        ({"Principal": {"Service": "logs.amazonaws.com"}}, "error"),
    ],
)
def test_a_policy_of_a_key_lets_deliver_decrypt_or_leaves_it_to_iam(statement: dict[str, Any], state: str) -> None:
    world = Examined()
    world.report["sources"]["keys"] = [OWN_KEY]
    whole = {"Effect": "Allow", "Action": "kms:*", "Principal": {"AWS": ROOT}} | statement
    world.set("kms.get_key_policy", {"Policy": json.dumps({"Statement": [whole]})})
    assert only(world.examine(list_keys)).state == state
    world.outputs["DeliverRoleArn"] = world.outputs["DeliverRoleArn"].replace("arn:aws:", "arn:aws-cn:")
    if whole["Principal"] == {"AWS": ROOT}:  # of another partition
        assert only(world.examine(list_keys)).state == "error"


def test_a_key_in_a_state_that_no_command_mends_is_shown() -> None:
    world = Examined()
    world.report["sources"]["keys"] = [OWN_KEY | {"count": 1, "region": "us-east-1"}]
    world.set("kms.describe_key", {"KeyMetadata": {"KeyId": "key-1", "KeyState": "PendingImport"}})
    finding = only(world.examine(list_keys))
    assert finding.why == "it is PendingImport: prod/db cannot be decrypted"
    assert finding.remedy == ("aws kms describe-key --key-id key-1 --region us-east-1",)


@pytest.mark.parametrize(
    ("statement", "is_let_in"),
    [
        ({"Principal": {"AWS": ["arn:aws:iam::777788889999:root", "arn:aws:iam::444455556666:root"]}}, True),
        ({"Principal": {"AWS": "444455556666"}}, True),
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "arn:aws:iam::777788889999:root"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Effect": "Deny"}, False),
    ],
)
def test_whom_the_bus_lets_in_is_said_by_the_statements_that_allow(
    statement: dict[str, Any], *, is_let_in: bool
) -> None:
    world = Examined(FOREIGN)
    policy = {"Statement": [{"Effect": "Allow"} | statement]}
    world.set("events.describe_event_bus", {"Policy": json.dumps(policy)})
    finding = only(world.examine(elsewhere.list_checks))
    assert ("seen none within 3 days" in finding.why) is is_let_in, finding


def test_events_are_searched_for_three_days_and_a_log_that_is_not_there_has_none() -> None:
    world = Examined(FOREIGN)
    world.set("events.describe_event_bus", LETS_IN)
    before = datetime.now(UTC)
    world.examine(elsewhere.list_checks)
    [asked] = [of for operation, _, of in world.clients.calls if operation == "logs.filter_log_events"]
    assert asked["logGroupName"] == "/aws/lambda/keyferry-route"
    assert 0 <= asked["startTime"] / 1000 - (before - timedelta(days=3)).timestamp() + 0.001 < 60
    finding = only(world.examine(elsewhere.list_checks))
    assert finding.remedy == (
        "aws events list-rule-names-by-target --target-arn"
        " arn:aws:events:eu-west-1:111122223333:event-bus/default --region us-east-1",
        "aws cloudformation deploy --stack-name keyferry-member"
        " --template-file generated/accounts/444455556666/member.yaml --capabilities CAPABILITY_NAMED_IAM"
        " --region us-east-1 --parameter-overrides HubAccount=111122223333 HubRegion=eu-west-1",
    )


def test_sources_of_the_stack_s_own_account_and_region_are_nowhere_else() -> None:
    own = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-a1B2c3"
    others = {
        "b": {"parameterStore": "/db", "region": "us-east-1"},
        "a": {"secretsManager": "db", "region": "eu-west-2"},
    }
    for source in ({"secretsManager": own}, {"secretsManager": "db"}, {"parameterStore": "/db"}):
        assert elsewhere.list_origins(Examined(catalog(sources={"db": source})).subject) == []
    origins = elsewhere.list_origins(Examined(catalog(sources={"db": {"secretsManager": own}, **others})).subject)
    assert origins == [(ACCOUNT, "eu-west-2"), (ACCOUNT, "us-east-1")]


def test_the_entry_of_the_role_for_direct_pushes_is_looked_at_where_the_stack_has_that_role() -> None:
    world = Examined(catalog())
    world.outputs["PushRoleArn"] = f"arn:aws:iam::{ACCOUNT}:role/keyferry-push"
    assert "prod-eu: keyferry:push" in told(world.examine(entries.list_checks))


@pytest.mark.parametrize(("milliseconds", "state"), [(0, "ok"), (700, "ok"), (1000, "error")])
def test_an_entry_is_older_than_its_role_by_whole_seconds(milliseconds: int, state: str) -> None:
    world = Examined(catalog())
    world.set("iam.get_role", {"Role": {"CreateDate": WHEN + timedelta(milliseconds=milliseconds)}})
    world.set(
        "eks.describe_access_entry",
        lambda clusterName, principalArn: {  # noqa: N803, ARG005
            "accessEntry": {"username": f"keyferry:{principalArn.rpartition('-')[2]}", "createdAt": WHEN}
        },
    )
    findings = [finding for finding in world.examine(entries.list_checks) if finding.check == "access entries"]
    assert states(findings) == {state}


def test_an_entry_of_a_role_that_is_gone_is_judged_by_its_user() -> None:
    world = Examined(catalog())
    world.set("iam.get_role", error("NoSuchEntity", status=404))
    assert {finding.check for finding in world.wrong(entries.list_checks)} == {"roles"}


def test_no_deployment_makes_the_entry_of_a_cluster_of_another_region() -> None:
    elsewhere_too = cluster(eks={"name": "prod-eu", "region": "us-east-1", "account": ACCOUNT})
    world = Examined(build_catalog([mapping()], [elsewhere_too]))
    world.parameters["AccessEntries"] = "true"
    world.report["clusters"]["deployment"] = "another"
    world.set("eks.describe_access_entry", GONE)
    commands = {finding.remedy[0].partition(" --region")[0] for finding in world.wrong(entries.list_checks)}
    assert commands == {"aws eks create-access-entry"}


def test_where_no_source_is_visible_nothing_is_said_of_those_that_are() -> None:
    world = Examined()
    world.report["sources"] |= {"visible": 0, "rows": [{"name": "prod/db", "state": "missing"}]}
    assert only(world.examine(reach.list_checks)).remedy == ("keyferry plan",)  # the folder has problems


def test_every_cluster_has_its_own_line_whatever_the_one_before_says() -> None:
    world = Examined(catalog())
    late = {"kind": "OutOfTime", "text": "late"}
    world.report["clusters"]["rows"] = [
        {"cluster": "a", "version": "v1.36.2"},
        {"cluster": "b", "error": late},
        {"cluster": "c", "error": {"kind": "Unauthorized", "text": "no entry"}},
    ]
    findings = [finding for finding in world.examine(reach.list_checks) if finding.check == "endpoints"]
    assert [(finding.what, finding.state) for finding in findings] == [("a", "ok"), ("b", "warning"), ("c", "error")]


def test_where_the_folder_has_problems_an_endpoint_is_told_all_the_same() -> None:
    world = Examined()
    failed = {"kind": "ClusterUnreachable", "text": "no answer"}
    world.report["clusters"]["rows"] = [{"cluster": "prod-eu", "error": failed}]
    finding = next(finding for finding in world.wrong(reach.list_checks) if finding.check == "endpoints")
    assert finding.remedy == ("keyferry doctor --stack keyferry --cluster prod-eu",)


def test_whatever_is_looked_at_the_policy_to_look_allows_and_nothing_else_of_the_surroundings() -> None:
    world = Examined(FOREIGN)
    world.report["sources"]["keys"] = [OWN_KEY]
    world.set("kms.get_key_policy", {"Policy": '{"Statement": []}'})
    world.set("events.describe_event_bus", LETS_IN)
    for group in GROUPS.values():
        world.examine(group)
    world.catalog = catalog(sources={"db": {"secretsManager": "prod/db", "region": "us-east-1"}})
    world.examine(elsewhere.list_checks)
    asked = {name_action(operation) for operation, *_ in world.clients.calls}
    look = build_people(Catalog())["Resources"]["Look"]["Properties"]["PolicyDocument"]["Statement"]
    allowed = {action for statement in look for action in statement["Action"]}
    assert asked <= allowed
    of_doctor = ("Functions", "Rules", "Schedule", "Roles", "Bus", "Trails", "Entries", "Keys", "Lists")
    surroundings = {action for statement in look if statement["Sid"] in of_doctor for action in statement["Action"]}
    assert surroundings - asked == {"eks:ListAccessEntries"}  # of `orphans`


def name_action(operation: str) -> str:
    """Return the action of IAM that a call needs."""
    service, _, name = operation.partition(".")
    return f"{service}:{''.join(word.title() for word in name.split('_'))}"


def test_of_a_queue_that_is_gone_nothing_is_said_of_its_policy() -> None:
    world = Examined()
    world.set(QUEUE, NO_QUEUE)
    assert [finding.what for finding in world.examine(queues.list_checks) if finding.what.startswith("policy")] == []


def test_a_layer_is_judged_by_the_version_that_the_function_has() -> None:
    world = Examined()
    newer = {"LayerVersionArn": f"{LAYER}:2", "CompatibleArchitectures": ["x86_64"]}
    own = {"LayerVersionArn": f"{LAYER}:1", "CompatibleArchitectures": ["arm64"]}
    world.set("lambda.list_layer_versions", [{"LayerVersions": [newer]}, {"LayerVersions": [own]}])
    assert world.wrong(processor.list_checks) == []
