"""What template.yaml promises about rights, logs and alarms; as in stack_promises."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.unit.stack import QUEUE, Template, dead_letter_queues, listed, named, resources, sources
from tests.unit.stack_promises import Promise

ROLE, FUNCTION, ALARM = "AWS::IAM::Role", "AWS::Serverless::Function", "AWS::CloudWatch::Alarm"

UNBOUNDED = {
    # AWS has no resources to name for these two; they list, and show no value.
    ("ReconcileRole", "ListVersions"): {"secretsmanager:ListSecrets", "ssm:DescribeParameters"},
    # Neither for these; only where there is a VPC, and `NotFromCode` keeps the functions' own code from using it.
    ("NetworkInterfaces", "Connect"): {
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    },
}
"""The only statements that allow something on `*`, and what."""


def rights_name_their_resources(template: Template) -> Iterator[str]:
    for name, statement in statements(template):
        if statement["Effect"] != "Allow":
            continue
        actions = set(listed(statement["Action"]))
        if any("*" in action for action in actions):
            yield f"{name} may do whatever {actions} stands for"
        unbounded = any(named(one) is None for one in listed(statement["Resource"]))
        if unbounded and actions != UNBOUNDED.get((name, statement["Sid"])):
            yield f"{name} may do {actions} on {statement['Resource']}"


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


def functions_may_only_consume_their_queue(template: Template) -> Iterator[str]:
    for name, function, queue, _ in sources(template):
        for role, statement in statements(template):
            receives = "sqs:ReceiveMessage" in listed(statement["Action"])
            if role == named(function["Role"]) and receives and named(statement["Resource"]) != queue:
                yield f"{name} may consume {statement['Resource']}"


def logs_are_kept_for_a_time(template: Template) -> Iterator[str]:
    groups = resources(template, "AWS::Logs::LogGroup")
    for name, function in resources(template, FUNCTION).items():
        group = named(function["LoggingConfig"].get("LogGroup"))
        if "RetentionInDays" not in groups.get(group or "", {}):
            yield f"{name} logs for ever"
        if function["LoggingConfig"].get("LogFormat") != "JSON":
            yield f"{name} logs text"
        written = [
            named(one["Resource"])
            for role, one in statements(template)
            if role == named(function["Role"]) and "logs:PutLogEvents" in listed(one["Action"])
        ]
        if written != [group]:
            yield f"{name} may log to {written}"


def logs_have_metrics_and_no_values(template: Template) -> Iterator[str]:
    """Lambda takes a line without a level, as metrics are, for INFO. At DEBUG the SDK logs what it receives."""
    for name, function in resources(template, FUNCTION).items():
        if function["LoggingConfig"].get("ApplicationLogLevel") != "INFO":
            yield f"{name} loses its metrics, or logs values"


def trouble_raises_an_alarm(template: Template) -> Iterator[str]:
    watched = {(alarm["MetricName"], _of(alarm)) for alarm in resources(template, ALARM).values()}
    queues = {queue for _, _, queue, _ in sources(template)}
    wanted = {("ApproximateNumberOfMessagesVisible", queue) for queue in dead_letter_queues(template)}
    wanted |= {("ApproximateAgeOfOldestMessage", queue) for queue in queues}
    wanted |= {(metric, one) for metric in ("Errors", "Throttles") for one in resources(template, FUNCTION)}
    wanted |= {("TargetsFailed", "${AWS::StackName}-deliver")}
    for metric, what in wanted - watched:
        yield f"no alarm watches {metric} of {what}"


def alarms_are_heard(template: Template) -> Iterator[str]:
    for name, alarm in resources(template, ALARM).items():
        if [named(one) for one in alarm.get("AlarmActions", [])] != ["AlarmTopic"]:
            yield f"{name} tells nobody"
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{name} has no state while there is nothing to measure"


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
    "DeliveriesPostponed",
    "DeliveriesBuried",
    "DeliveriesDropped",
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
    rights_name_their_resources,
    interfaces_are_not_for_code,
    roles_have_fixed_names_and_bounds,
    functions_have_roles_of_their_own,
    functions_may_only_consume_their_queue,
    logs_are_kept_for_a_time,
    logs_have_metrics_and_no_values,
    trouble_raises_an_alarm,
    alarms_are_heard,
    metrics_are_the_functions_own,
    the_dashboard_shows,
)
