"""What template.yaml promises about rights, logs and alarms; as in stack_promises."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.unit.stack import QUEUE, Template, dead_letter_queues, listed, named, resources, sources
from tests.unit.stack_promises import Promise

ROLE, FUNCTION, ALARM = "AWS::IAM::Role", "AWS::Serverless::Function", "AWS::CloudWatch::Alarm"

CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"}
SEND = {"sqs:SendMessage"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
RIGHTS: dict[str, dict[str, set[str]]] = {
    "RouteRole": {"Changes": CONSUME, "Deliveries": SEND, "RouteLogs": LOG},
    "DeliverRole": {"Deliveries": CONSUME, "DeliveriesDeadLetters": SEND, "DeliverLogs": LOG},
    "ReconcileRole": {
        "Sweeps": CONSUME,
        "Deliveries": SEND,
        "ReconcileLogs": LOG,
        # AWS has no resources to name for these two; they list, and show no value.
        "*": {"secretsmanager:ListSecrets", "ssm:DescribeParameters"},
    },
    "ScheduleRole": {"Sweeps": SEND, "EventsDeadLetters": SEND},
    # Neither for these; only where there is a VPC, and `NotFromCode` keeps the functions' own code from using it.
    "NetworkInterfaces": {
        "*": {
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        }
    },
}
"""Role or policy → resource → what it may do there: all that the template grants."""
SERVICES = {"ScheduleRole": "scheduler.amazonaws.com"}
"""Who assumes a role; Lambda, all others."""


def rights_are_these_and_no_others(template: Template) -> Iterator[str]:
    granted: dict[str, dict[str, set[str]]] = {}
    for who, statement in statements(template):
        if statement["Effect"] == "Allow":
            for resource in listed(statement["Resource"]):
                held = granted.setdefault(who, {}).setdefault(named(resource) or str(resource), set())
                held.update(listed(statement["Action"]))
    for who in granted.keys() | RIGHTS.keys():
        if granted.get(who) != RIGHTS.get(who):
            yield f"{who} may do {granted.get(who)}"


def roles_are_assumed_by_one_service(template: Template) -> Iterator[str]:
    for name, role in resources(template, ROLE).items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        wanted = {"Service": SERVICES.get(name, "lambda.amazonaws.com")}
        if (statement["Principal"], statement["Action"]) != (wanted, "sts:AssumeRole"):
            yield f"{name} is assumed by {statement['Principal']}"


def functions_run_in_the_vpc(template: Template) -> Iterator[str]:
    for name, function in resources(template, FUNCTION).items():
        role = resources(template, ROLE)[named(function["Role"]) or ""]
        if function.get("VpcConfig", {}).get("Fn::If", [""])[0] != "InVpc":
            yield f"{name} does not run in the VPC"
        if role.get("ManagedPolicyArns", {}).get("Fn::If", ["", ""])[:2] != ["InVpc", [{"Ref": "NetworkInterfaces"}]]:
            yield f"{name} cannot be connected to the VPC"


def interfaces_are_not_for_code(template: Template) -> Iterator[str]:
    policy = template["Resources"]["NetworkInterfaces"]
    denied = [one for one in policy["Properties"]["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    functions = json.dumps([one["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"] for one in denied])
    if policy.get("Condition") != "InVpc":
        yield "rights on network interfaces are given where there is no VPC"
    for name, function in resources(template, FUNCTION).items():
        if f"function:{function['FunctionName']['Fn::Sub']}" not in functions:
            yield f"{name} may use the rights that Lambda needs"


def roles_have_fixed_names_and_bounds(template: Template) -> Iterator[str]:
    for name, role in resources(template, ROLE).items():
        if not str(role.get("RoleName", {}).get("Fn::Sub")).startswith("${RoleNamePrefix}-"):
            yield f"{name} is named by CloudFormation, which may then replace it"
        if role.get("PermissionsBoundary", {}).get("Fn::If", [""])[0] != "HasPermissionsBoundary":
            yield f"{name} is not bounded"
        if "arn:" in json.dumps(role.get("ManagedPolicyArns", "")):
            yield f"{name} has a policy that AWS manages"


def functions_have_roles_of_their_own(template: Template) -> Iterator[str]:
    roles = [named(function.get("Role")) for function in resources(template, FUNCTION).values()]
    for role in roles:
        if role is None or roles.count(role) > 1:
            yield f"{role} is shared, or made by SAM"


def logs_are_kept_for_a_time(template: Template) -> Iterator[str]:
    groups = resources(template, "AWS::Logs::LogGroup")
    for name, function in resources(template, FUNCTION).items():
        group = named(function["LoggingConfig"].get("LogGroup"))
        if "RetentionInDays" not in groups.get(group or "", {}):
            yield f"{name} logs for ever"
        if function["LoggingConfig"].get("LogFormat") != "JSON":
            yield f"{name} logs text"


def logs_have_metrics_and_no_values(template: Template) -> Iterator[str]:
    """Lambda takes a line without a level, as metrics are, for INFO. At DEBUG the SDK logs what it receives."""
    for name, function in resources(template, FUNCTION).items():
        if function["LoggingConfig"].get("ApplicationLogLevel") != "INFO":
            yield f"{name} loses its metrics, or logs values"


def trouble_raises_an_alarm(template: Template) -> Iterator[str]:
    watched = {_watched(alarm) for alarm in resources(template, ALARM).values()}
    queues = {queue for _, _, queue, _ in sources(template)}
    functions = resources(template, FUNCTION)
    wanted = {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", one, "Maximum", 1) for one in dead_letter_queues(template)
    }
    wanted |= {
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", queue, "Maximum", 300 if queue == "Changes" else 1800)
        for queue in queues
    }
    wanted |= {("AWS/Lambda", metric, one, "Sum", 1) for metric in ("Errors", "Throttles") for one in functions}
    wanted |= {("Keyferry", metric, f"${{AWS::StackName}}-{one}", "Sum", 1) for metric, one in OWN}
    for one in wanted ^ watched:
        yield f"{one} is not watched, or watched though it is no trouble"


def _watched(alarm: dict[str, Any]) -> tuple[object, ...]:
    if alarm["ComparisonOperator"] != "GreaterThanOrEqualToThreshold":
        return (alarm["ComparisonOperator"],)
    return alarm["Namespace"], alarm["MetricName"], _of(alarm), alarm["Statistic"], alarm["Threshold"]


OWN = (
    ("TargetsFailed", "deliver"),
    ("MessagesRetried", "route"),
    ("MessagesRetried", "reconcile"),
    ("RotationsFailed", "route"),
)
"""Metrics of the functions' own that raise an alarm, and of which function."""


def alarms_are_heard(template: Template) -> Iterator[str]:
    for name, alarm in resources(template, ALARM).items():
        if [named(one) for one in alarm.get("AlarmActions", [])] != ["AlarmTopic"]:
            yield f"{name} tells nobody"
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{name} has no state while there is nothing to measure"
    (publish, *_) = resources(template, "AWS::SNS::TopicPolicy")["AlarmTopicPolicy"]["PolicyDocument"]["Statement"]
    if (publish["Effect"], publish["Principal"]) != ("Allow", {"Service": "cloudwatch.amazonaws.com"}):
        yield "alarms may not publish"


def metrics_are_the_functions_own(template: Template) -> Iterator[str]:
    """A metric's dimension is what the function calls itself: two stacks in one account are told apart."""
    for name, function in resources(template, FUNCTION).items():
        if function["Environment"]["Variables"].get("POWERTOOLS_SERVICE_NAME") != function["FunctionName"]:
            yield f"alarms and dashboard look for the metrics of {name} under another name"


def the_dashboard_shows(template: Template) -> Iterator[str]:
    text, names = resources(template, "AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    shown = json.dumps(json.loads(text))
    for variable in set(re.findall(r"\${(\w+)}", text)) - names.keys() - resources(template, FUNCTION).keys():
        yield f"{variable} on the dashboard is nothing"
    for queue in resources(template, QUEUE):
        if f"${{{queue}Name}}" not in shown or named(names.get(f"{queue}Name")) != queue:
            yield f"{queue} is not on the dashboard"
    for metric in METRICS:
        if f'"{metric}"' not in shown:
            yield f"{metric} is not on the dashboard"


METRICS = (
    "ChangesSeen",
    "ChangesUnmapped",
    "ChangesIgnored",
    "SweepsChecked",
    "SweepsSent",
    "Deliveries",
    "MessagesRetried",
    "RotationsFailed",
    "MessagesDeadLettered",
    "MessagesDropped",
    "TargetsUpdated",
    "TargetsUnchanged",
    "TargetsFailed",
    "WorkloadsRestarted",
    "EventToWriteSeconds",
)


def _of(alarm: dict[str, Any]) -> str | None:
    value = alarm["Dimensions"][0]["Value"]
    return named(value) or value.get("Fn::Sub")


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement about what somebody may do, with the logical id of who or what has it."""
    for name, role in resources(template, ROLE).items():
        for policy in role.get("Policies", []):
            yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])
    for name, policy in resources(template, "AWS::IAM::ManagedPolicy").items():
        yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])


ALL: tuple[Promise, ...] = (
    rights_are_these_and_no_others,
    roles_are_assumed_by_one_service,
    functions_run_in_the_vpc,
    interfaces_are_not_for_code,
    roles_have_fixed_names_and_bounds,
    functions_have_roles_of_their_own,
    logs_are_kept_for_a_time,
    logs_have_metrics_and_no_values,
    trouble_raises_an_alarm,
    alarms_are_heard,
    metrics_are_the_functions_own,
    the_dashboard_shows,
)
