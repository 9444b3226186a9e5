"""A stack that is well, as AWS answers about it: `keyferry doctor` examines it, and tests break one answer each."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from keyferry import __version__
from keyferry.access.events import RULES
from keyferry.cli.doctor.finding import Check, Finding
from keyferry.cli.doctor.runner import collect
from keyferry.cli.doctor.stack.deployment import OUTPUTS as RESOURCES_OF_OUTPUTS
from keyferry.cli.doctor.stack.settings import FUNCTIONS, Settings
from keyferry.cli.doctor.subject import Caller, Subject
from keyferry.cli.stack import Stack
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from tests.unit.samples import ACCOUNT, WHEN

REGION = "eu-west-1"
PARAMETERS = {
    **{"RoleNamePrefix": "keyferry", "Architecture": "arm64", "CloudTrailChanges": "false", "Concurrency": "8"},
    **{"DeliverMemory": "1024", "MaximumConcurrency": "5", "SweepSchedule": "1-hour", "HttpsProxy": "", "NoProxy": ""},
}
QUEUES = ("Changes", "Deliveries", "Sweeps")
LETTERS = (*(f"{queue}DeadLetters" for queue in QUEUES), "EventsDeadLetters")
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/"
OUTPUTS = {
    **{each.output: f"keyferry-{each.name}" for each in FUNCTIONS},
    **{f"{queue}QueueUrl": f"{URL}{queue}" for queue in (*QUEUES, *LETTERS)},
    **{f"{queue}QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}" for queue in (*QUEUES, *LETTERS)},
    **{
        f"{role}RoleArn": f"arn:aws:iam::{ACCOUNT}:role/keyferry-{role.lower()}"
        for role in ("Route", "Deliver", "Reconcile")
    },
}
NAMES = [name for name in RULES if name != "SecretChanged"]
LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:code"
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"
"""What AWS' clock says: `WHEN`."""
TRAIL = {"Name": "all", "TrailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all", "IsMultiRegionTrail": True}

type Answer = Any
"""What a call answers: JSON, a list of pages, an error to raise, or a function of the arguments that gives one."""


def error(code: str, message: str = "", status: int = 400) -> ClientError:
    """Return an error of AWS."""
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")  # type: ignore[arg-type]


def arn(name: str) -> str:
    """Return the ARN of a rule of the stack."""
    return f"arn:aws:events:{REGION}:{ACCOUNT}:rule/keyferry-{name}"


@dataclass
class FakeClients:
    """The clients of AWS. What no test has given an answer for fails."""

    answers: dict[str, Answer] = field(default_factory=dict)
    """`service.operation` → its answer."""
    calls: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)
    """Operation, region and arguments of each call."""

    def client(self, service: str, region: str | None = None) -> "FakeClient":
        """Return a client of a service."""
        return FakeClient(self, service, region)

    def call(self, operation: str, region: str | None, arguments: dict[str, Any]) -> Any:  # noqa: ANN401  # JSON
        """Answer a call."""
        self.calls.append((operation, region, arguments))
        answer = self.answers[operation]
        answer = answer(**arguments) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return copy.deepcopy(answer)


@dataclass
class FakeClient:
    """A client of one service."""

    clients: FakeClients
    service: str
    region: str | None

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self.clients.call(f"{self.service}.{operation}", self.region, arguments)

    def filter_log_events(self, **arguments: Any) -> Any:  # noqa: ANN401  # JSON
        """Return a page of a log."""
        answer = self.clients.call("logs.filter_log_events", self.region, arguments)
        pages, number = answer if isinstance(answer, list) else [answer], int(arguments.get("nextToken", 0))
        return pages[number] | ({"nextToken": str(number + 1)} if number + 1 < len(pages) else {})

    def get_paginator(self, operation: str) -> "Paginator":
        """Return what gives the pages of a list."""
        return Paginator(partial(self.clients.call, f"{self.service}.{operation}", self.region))


@dataclass
class Paginator:
    """Gives the pages of a list."""

    call: Callable[[dict[str, Any]], Any]

    def paginate(self, **arguments: Any) -> Iterator[Any]:  # noqa: ANN401
        """Yield the pages."""
        answer = self.call(arguments)
        yield from answer if isinstance(answer, list) else [answer]


class FakeStack(Stack):
    """A stack whose function `report` answers."""

    answers: dict[str, Any]

    def ask(self, question: str, **_fields: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        """Yield the answer to a question, or raise it."""
        answer = self.answers[question]
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            yield answer


class Examined:
    """The stack with everything around it, all well."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self.clients = FakeClients(dict(_build_answers()))
        self.outputs, self.parameters = dict(OUTPUTS), dict(PARAMETERS)
        self.status, self.drift = "UPDATE_COMPLETE", "NOT_CHECKED"
        self.caller = Caller(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/oncall/me")
        self.catalog, self.cluster = catalog, None
        digest = catalog.digest if catalog else "0"
        self.report: dict[str, Any] = {
            "clusters": {"release": __version__, "deployment": digest, "rows": []},
            "sources": {"release": __version__, "visible": 3, "rows": [], "left": 0, "keys": []},
            "mappings": InvalidInput("the mappings are not known"),
        }

    def set(self, operation: str, answer: Answer) -> None:
        """Have a call answer otherwise."""
        self.clients.answers[operation] = answer

    def change(self, operation: str, **fields: Any) -> None:  # noqa: ANN401  # JSON
        """Have other fields in the answer to a call."""
        before = self.clients.answers[operation]
        self.clients.answers[operation] = lambda **arguments: {
            **(before(**arguments) if callable(before) else before),
            **fields,
        }

    @property
    def subject(self) -> Subject:
        """What the checks look at."""
        session: Any = type("Session", (), {"region_name": REGION})()
        stack = FakeStack(session, "keyferry", self.outputs, self.parameters, self.status, self.drift)
        object.__setattr__(stack, "answers", self.report)
        return Subject(self.clients, self.caller, stack, self.catalog, self.cluster)

    def examine(self, list_checks: Callable[[Subject], list[Check]]) -> list[Finding]:
        """Return what a group of checks finds."""
        subject = self.subject
        return [finding for check in list_checks(subject) for finding in collect(check, subject.describe_grant)]

    def wrong(self, list_checks: Callable[[Subject], list[Check]]) -> list[Finding]:
        """Return what a group of checks finds that is not ok."""
        return [finding for finding in self.examine(list_checks) if finding.state != "ok"]


def _build_answers() -> Iterator[tuple[str, Answer]]:
    yield (
        "sts.get_caller_identity",
        {
            "Account": ACCOUNT,
            "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/oncall/me",
            "ResponseMetadata": {"HTTPHeaders": {"date": DATE}},
        },
    )
    yield "cloudformation.list_stack_resources", {"StackResourceSummaries": list(_list_resources())}
    yield "events.describe_rule", _describe_rule
    yield "events.list_targets_by_rule", _list_targets
    yield "events.describe_event_bus", {}
    yield "events.list_rule_names_by_target", {"RuleNames": ["keyferry-member-SecretLabelUpdated"]}
    yield (
        "scheduler.get_schedule",
        {
            **{"State": "ENABLED", "ScheduleExpression": "rate(1 hour)"},
            "Target": {"Arn": OUTPUTS["SweepsQueueArn"]},
        },
    )
    yield "cloudtrail.describe_trails", {"trailList": [TRAIL]}
    yield "cloudtrail.get_trail_status", {"IsLogging": True}
    yield "cloudtrail.get_event_selectors", {"EventSelectors": [{"ReadWriteType": "All"}]}
    yield "sqs.get_queue_attributes", _describe_queue
    yield "cloudwatch.get_metric_data", {"MetricDataResults": [{"Values": []}]}
    yield "logs.filter_log_events", {"events": []}
    yield "lambda.get_function_configuration", describe_function
    yield "lambda.get_function_concurrency", {}
    yield "lambda.list_event_source_mappings", _list_sources
    yield (
        "lambda.list_layer_versions",
        {"LayerVersions": [{"LayerVersionArn": f"{LAYER}:1", "CompatibleArchitectures": ["arm64"]}]},
    )
    yield "iam.get_role", {"Role": {"CreateDate": WHEN}}
    yield "eks.describe_access_entry", _describe_entry
    yield "kms.describe_key", {"KeyMetadata": {"KeyId": "key-1", "KeyState": "Enabled", "KeyManager": "CUSTOMER"}}
    root = {"Effect": "Allow", "Action": "kms:*", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    yield "kms.get_key_policy", {"Policy": json.dumps({"Statement": [root]})}
    yield "kms.list_grants", {"Grants": []}


def _list_resources() -> Iterator[dict[str, str]]:
    ids = {
        **{logical: OUTPUTS[output] for output, logical in RESOURCES_OF_OUTPUTS.items()},
        **{name: f"keyferry-{name}" for name in (*NAMES, "StackDeployed", "SweepRegularly")},
    }
    for logical, physical in ids.items():
        yield {"LogicalResourceId": logical, "PhysicalResourceId": physical, "ResourceStatus": "CREATE_COMPLETE"}


def _describe_rule(Name: str) -> dict[str, str]:  # noqa: N803  # as boto3 has it
    pattern = RULES.get(Name.removeprefix("keyferry-"), {"source": ["aws.cloudformation"]})
    return {"State": "ENABLED", "EventPattern": json.dumps(pattern)}


def _list_targets(Rule: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
    queue = "Sweeps" if Rule.endswith("StackDeployed") else "Changes"
    letters = {"Arn": OUTPUTS["EventsDeadLettersQueueArn"]}
    return {"Targets": [{"Id": queue, "Arn": OUTPUTS[f"{queue}QueueArn"], "DeadLetterConfig": letters}]}


def _describe_queue(QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
    assert AttributeNames == ["All"]
    name = QueueUrl.rpartition("/")[2]
    attributes = {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    if name in QUEUES:
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": OUTPUTS[f"{name}DeadLettersQueueArn"]})
        timeouts = {each.source.queue: each.timeout for each in FUNCTIONS if each.source}
        attributes["VisibilityTimeout"] = str(6 * timeouts[name])
        senders = [arn(rule) for rule in (NAMES if name == "Changes" else ["StackDeployed"])]
        allowed = {"Effect": "Allow", "Condition": {"ArnEquals": {"aws:SourceArn": senders}}}
        attributes["Policy"] = json.dumps({"Statement": [allowed, {"Effect": "Deny", "Principal": "*"}]})
    return {"Attributes": attributes}


def find_settings(name: str) -> Settings:
    """Return how a function is set, by its whole name."""
    return next(each for each in FUNCTIONS if name == f"keyferry-{each.name}")


def describe_function(FunctionName: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
    """Return the configuration of a function that is well."""
    settings = find_settings(FunctionName)
    return {
        **{"FunctionName": FunctionName, "State": "Active", "LastUpdateStatus": "Successful"},
        **{"Runtime": "python3.13", "Handler": "app.handler", "Timeout": settings.timeout},
        "MemorySize": int(PARAMETERS.get(settings.memory, settings.memory)),
        "Architectures": ["arm64"],
        "Layers": [{"Arn": f"{LAYER}:1"}],
        "Environment": {"Variables": settings.build_environment("keyferry", OUTPUTS, PARAMETERS)},
        "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
    }


def _list_sources(FunctionName: str, EventSourceArn: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
    source = find_settings(FunctionName).source
    assert source is not None
    assert EventSourceArn == OUTPUTS[f"{source.queue}QueueArn"]
    most = int(PARAMETERS.get(source.concurrency, source.concurrency))
    return {
        "EventSourceMappings": [
            {
                **{"UUID": "uuid-1", "State": "Enabled", "BatchSize": source.batch_size},
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": most},
            }
        ]
    }


def _describe_entry(clusterName: str, principalArn: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
    assert clusterName
    user = "keyferry:" + principalArn.rpartition("-")[2]
    return {"accessEntry": {"username": user, "createdAt": WHEN + timedelta(minutes=1)}}


def only(findings: list[Finding]) -> Finding:
    """Return the one finding that there is."""
    [finding] = findings
    return finding


def told(findings: list[Finding]) -> Mapping[str, tuple[str, str]]:
    """Return state and text of each finding, by what was looked at."""
    return {finding.what: (finding.state, finding.why) for finding in findings}
