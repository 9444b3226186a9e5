"""Rules over template.yaml about rights: who may do what. Each is a sentence, and comes with changes that break it."""

import json
from typing import Any

from tests.unit.stack import ANSWERS, FUNCTION, QUEUE, Properties, Stack, broken_by, listed, named, rule, says, title

CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"}
SEND = {"sqs:SendMessage"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
SUSPENDED = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/keyferry/${AWS::StackName}/suspended"
READ_SUSPENSIONS = {str({"Fn::Sub": SUSPENDED}): {"ssm:GetParametersByPath"}}
BUS = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"
PUT_EVENTS = {str({"Fn::Sub": BUS}): {"events:PutEvents"}}
RIGHTS: dict[str, dict[str, set[str]]] = {
    "RouteRole": {"Changes": CONSUME, "Deliveries": SEND, "RouteLogs": LOG},
    "DeliverRole": READ_SUSPENSIONS
    | PUT_EVENTS
    | {"Deliveries": CONSUME | SEND, "DeliveriesDeadLetters": SEND, "DeliverLogs": LOG},
    "ReconcileRole": READ_SUSPENSIONS
    | {"Sweeps": CONSUME | SEND, "Deliveries": SEND, "ReconcileLogs": LOG, "ReportLogs": LOG},
    "ScheduleRole": {"Sweeps": SEND, "EventsDeadLetters": SEND},
    "PushRole": {},  # all that it may is generated from the mappings
    "NetworkInterfaces": {
        "*": {  # AWS has no resources to name for these
            *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
            *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
        }
    },
}
"""Role or policy → resource → what it may do there: all that the template grants."""


# Policies of queues and of the topic


ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@broken_by("OwnQueuesPolicy.Queues", [{"Ref": "Deliveries"}])
@broken_by("OwnQueuesPolicy.Queues", lambda queues: [*queues, {"Ref": "Changes"}])
@broken_by("AlarmTopicPolicy.PolicyDocument.Statement.1.Effect", "Allow")
@broken_by("ChangesPolicy.PolicyDocument.Statement.1.Condition", {"Bool": {"aws:SecureTransport": True}})
@broken_by("SweepsPolicy.PolicyDocument.Statement.1.Principal", {"Service": "events.amazonaws.com"})
@broken_by("EventsDeadLettersPolicy.PolicyDocument.Statement.1.Resource", {"Fn::GetAtt": ["Changes", "Arn"]})
@rule(QUEUE, "SNS::Topic")
def has_one_policy_which_refuses_plain_http(stack: Stack, name: str, _properties: Properties) -> bool:
    """Of several policies on a queue, one counts."""
    refusal = {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": False}}}
    refusal["Action"] = "sqs:*" if name in stack.queues else "sns:Publish"
    policies = [[one for one in policy if says([one], refusal)] for policy in stack.policies(name)]
    on_it = [any(one["Resource"] == "*" or named(one["Resource"]) == name for one in policy) for policy in policies]
    return on_it == [True]


SENDERS: dict[str, dict[str, Any]] = {
    "ArnEquals": {"Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"},
    "ArnLike": {"Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish"},
}
"""How the ARN of a sender is compared → the sender, and all that it may do."""


@broken_by("ChangesPolicy.PolicyDocument.Statement.0.Principal", "*")
@broken_by("SweepsPolicy.PolicyDocument.Statement.0.Action", ["sqs:SendMessage", "sqs:ReceiveMessage"])
@broken_by("EventsDeadLettersPolicy.PolicyDocument.Statement.0.Condition")
@broken_by("ChangesPolicy.PolicyDocument.Statement.0.Condition", {"ArnEquals": {"aws:PrincipalArn": "*"}})
@broken_by("OwnQueuesPolicy.PolicyDocument.Statement", lambda old: [*old, ANYBODY])
@broken_by("AlarmTopicPolicy.PolicyDocument.Statement", lambda old: [*old, ANYBODY])
@rule("SQS::QueuePolicy", "SNS::TopicPolicy")
def lets_rules_send_and_alarms_publish_and_nothing_else(_stack: Stack, _name: str, policy: Properties) -> bool:
    allowed = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] != "Deny"]
    senders = [SENDERS[by] for one in allowed for by in SENDERS.keys() & one.get("Condition", {}).keys()]
    by_arn = ["aws:SourceArn" in json.dumps(one.get("Condition")) for one in allowed]
    return all(by_arn) and [{key: one.get(key) for key in ("Principal", "Action")} for one in allowed] == senders


CONDITIONAL = "PolicyDocument.Statement.0.Condition.ArnEquals.aws:SourceArn.4"
"""The sender that is not always there."""


@broken_by("SweepsPolicy.PolicyDocument.Statement.0.Effect", "Deny")
@broken_by("StackDeployed.Targets.0.Arn", {"Fn::GetAtt": ["Changes", "Arn"]})
@broken_by(f"ChangesPolicy.{CONDITIONAL}", {"Fn::GetAtt": ["SecretChanged", "Arn"]})
@broken_by(f"EventsDeadLettersPolicy.{CONDITIONAL}", {"Ref": "AWS::NoValue"})
@broken_by(f"ChangesPolicy.{CONDITIONAL}.Fn::If.0", "HasAlarmEmail")
@broken_by(f"ChangesPolicy.{CONDITIONAL}.Fn::If.2", {"Fn::GetAtt": ["StackDeployed", "Arn"]})
@broken_by("Resources.SecretChanged.Condition")
@rule(QUEUE)
def lets_those_rules_in_that_send_to_it(stack: Stack, name: str, _queue: Properties) -> bool:
    send = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}}
    statements = [one for policy in stack.policies(name) for one in policy if says([one], send)]
    arns = [arn for one in statements for arn in one["Condition"]["ArnEquals"]["aws:SourceArn"]]
    admitted = set(map(stack.named_where_it_is, arns))
    ways = [(by, target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")) for by, target in stack.targets()]
    rules = stack.of("Events::Rule")
    on_it = all(named(one["Resource"]) == name for one in statements)
    return on_it and admitted == {by for by, *to in ways if by in rules and name in map(named, to)}


@broken_by("AlarmTopicPolicy.PolicyDocument.Statement.0.Principal", {"Service": "events.amazonaws.com"})
@rule("SNS::Topic")
def takes_what_alarms_publish(stack: Stack, name: str, _topic: Properties) -> bool:
    publish = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish"}
    return any(says(one, publish) for one in stack.policies(name))


# Roles


@broken_by("Route.Role", {"Fn::GetAtt": ["DeliverRole", "Arn"]})
@broken_by("Report.Role", {"Fn::GetAtt": ["DeliverRole", "Arn"]})
@broken_by("ReconcileRole.ManagedPolicyArns")
@broken_by("Deliver.Policies", ["AmazonSQSFullAccess"])
@rule(FUNCTION)
def has_one_role_of_its_own_that_lets_lambda_into_the_vpc(stack: Stack, name: str, function: Properties) -> bool:
    """SAM would make a role for `Policies`."""
    role = ANSWERS.get(name, f"{name}Role")
    attached = stack.of("IAM::Role")[role].get("ManagedPolicyArns", {}).get("Fn::If", [])[:2]
    own = named(function["Role"]) == role and "Policies" not in function
    return own and attached == ["InVpc", [{"Ref": "NetworkInterfaces"}]]


@broken_by("NetworkInterfaces.PolicyDocument.Statement.1.Condition.ArnEquals", {})
@broken_by("NetworkInterfaces.PolicyDocument.Statement.1.Condition.Bool", {"aws:SecureTransport": False})
@broken_by("NetworkInterfaces.PolicyDocument.Statement.1.Effect", "Allow")
@broken_by("NetworkInterfaces.PolicyDocument.Statement.1.Action", "ec2:Describe*")
@broken_by("NetworkInterfaces.PolicyDocument.Statement.1.Resource", "arn:aws:ec2:*:*:subnet/*")
@broken_by("Resources.NetworkInterfaces.Condition", "HasAlarmEmail")
@rule(FUNCTION)
def may_not_itself_use_what_lambda_needs_in_a_vpc(stack: Stack, _name: str, function: Properties) -> bool:
    policy = stack.template["Resources"]["NetworkInterfaces"]
    refusal = {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}
    refusals = [one for one in policy["Properties"]["PolicyDocument"]["Statement"] if says([one], refusal)]
    denied = [one["Condition"]["ArnEquals"] for one in refusals if one["Condition"].keys() == {"ArnEquals"}]
    arn = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{title(function)}"
    by_function = [{"Fn::Sub": arn} in one.get("lambda:SourceFunctionArn", []) for one in denied]
    return policy.get("Condition") == "InVpc" and by_function == [True]


TELL = "DeliverRole.Policies.0.PolicyDocument.Statement.4"


@broken_by(f"{TELL}.Condition")
@broken_by(f"{TELL}.Condition", {"StringEquals": {"events:detail-type": "Secret Delivered"}})
@broken_by(f"{TELL}.Condition", {"StringLike": {"events:source": "*"}})
@rule("IAM::Role")
def puts_events_in_its_own_name_alone(_stack: Stack, _name: str, properties: Properties) -> bool:
    """An event of another source could be taken for an application's, by whatever rules there are."""
    statements = [one for policy in properties.get("Policies", ()) for one in policy["PolicyDocument"]["Statement"]]
    putting = [one for one in statements if "events:PutEvents" in listed(one["Action"])]
    return all(one.get("Condition") == {"StringEquals": {"events:source": "keyferry"}} for one in putting)


@broken_by("Resources.More", {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [{"Ref": "RouteRole"}]}})
@rule("IAM::*")
def is_of_roles_and_managed_policies_alone(stack: Stack, name: str, _properties: Properties) -> bool:
    """These are the types whose rights are listed."""
    return name in stack.of("IAM::Role", "IAM::ManagedPolicy")


@broken_by("Access.Parameters.ReconcileRole", {"Ref": "DeliverRole"})
@broken_by("Access.Parameters.DeliverRole")
@broken_by("TeamAlarms.Parameters.Service", {"Ref": "AWS::StackName"})
@broken_by("TeamAlarms.Parameters.OwnerPeriods", 24)
@broken_by("TeamAlarms.TemplateURL", "generated/stack/access.yaml")
@broken_by("Access.Parameters.PushRole", {"Ref": "PushRole"})
@broken_by("People.Parameters.Prefix", {"Ref": "AWS::StackName"})
@broken_by("People.Parameters.Rules.Fn::Join.1", lambda rules: rules[1:])
@broken_by("People.Parameters.Schedule", {"Ref": "StackDeployed"})
@broken_by("Entries.Parameters.DeliverRoleArn", {"Fn::GetAtt": ["ReconcileRole", "Arn"]})
@rule("CloudFormation::Stack")
def gets_what_its_template_asks_for(stack: Stack, name: str, nested: Properties) -> bool:
    push = {"PushRole": {"Fn::If": ["HasPushPrincipals", {"Ref": "PushRole"}, ""]}}
    wanted: dict[str, Any] = {"Access": {role: {"Ref": role} for role in ("DeliverRole", "ReconcileRole")} | push}
    wanted["People"] = {"Prefix": {"Ref": "RoleNamePrefix"}, "Stack": {"Ref": "AWS::StackName"}} | push
    arns = {one: {"Fn::GetAtt": [one, "Arn"]} for one in stack.of("Events::Rule")}
    optional = {"Fn::If": ["HasCloudTrailChanges", arns["SecretChanged"], {"Ref": "AWS::NoValue"}]}
    rules = list((arns | {"SecretChanged": optional}).values())
    wanted["People"] |= {"Rules": {"Fn::Join": [",", rules]}, "Schedule": {"Ref": "SweepRegularly"}}
    wanted["TeamAlarms"] = {
        "Stack": {"Ref": "AWS::StackName"},
        "Service": stack.functions["Deliver"]["FunctionName"],
        "AlarmTopic": {"Ref": "AlarmTopic"},
        "OwnerPeriods": {"Fn::FindInMap": ["SweepSchedules", {"Ref": "SweepSchedule"}, "OwnerPeriods"]},
    }
    roles = ("DeliverRole", "ReconcileRole")
    wanted["Entries"] = {f"{role}Arn": {"Fn::GetAtt": [role, "Arn"]} for role in roles}
    wanted["Entries"]["PushRoleArn"] = {"Fn::If": ["HasPushPrincipals", {"Fn::GetAtt": ["PushRole", "Arn"]}, ""]}
    wanted["AccountEvents"] = {"OrganizationId": {"Ref": "OrganizationId"}}
    files = {
        "Access": "access",
        "TeamAlarms": "alarms",
        "Entries": "entries",
        "AccountEvents": "events",
        "People": "people",
    }
    url = f"generated/stack/{files[name]}.yaml"
    return bool(nested["Parameters"] == wanted[name] and nested["TemplateURL"] == url)


NESTED_IF = {"Entries": "AccessEntries", "AccountEvents": "EventBusPolicy"}
"""Nested stack that is not always there → the parameter that leaves it out."""


@broken_by("Resources.Access.Condition", "HasAccessEntries")
@broken_by("Resources.Entries.Condition")
@broken_by("Conditions.HasAccessEntries.Fn::Equals.0", "false")
@broken_by("Parameters.AccessEntries.Default", "false")
@broken_by("Resources.AccountEvents.Condition", "HasAccessEntries")
@rule("CloudFormation::Stack")
def is_there_unless_its_parameter_leaves_it_out(stack: Stack, name: str, _properties: Properties) -> bool:
    condition = stack.template["Resources"][name].get("Condition")
    if name not in NESTED_IF:
        return condition is None
    parameter = stack.template["Parameters"][NESTED_IF[name]]
    # cfn-lint puts what is compared in order.
    asks = stack.template["Conditions"].get(condition) == {"Fn::Equals": ["true", {"Ref": NESTED_IF[name]}]}
    return asks and (parameter["Default"], sorted(parameter["AllowedValues"])) == ("true", ["false", "true"])


@broken_by("DeliverRole.Policies.0.PolicyDocument.Statement.0.Resource", "*")
@broken_by("DeliverRole.Policies.0.PolicyDocument.Statement.1.Effect", "Deny")
@broken_by("RouteRole.Policies.0.PolicyDocument.Statement.0.Resource", {"Ref": "Sweeps"})
@broken_by("RouteRole.Policies.0.PolicyDocument.Statement.1.Action", "sqs:*")
@broken_by("RouteRole.Policies.0.PolicyDocument.Statement.2.Resource", {"Ref": "DeliverLogs"})
@broken_by("ReconcileRole.Policies.0.PolicyDocument.Statement.0.Action", "sqs:DeleteMessage")
@broken_by("ReconcileRole.Policies.0.PolicyDocument.Statement.1.Resource", {"Fn::GetAtt": ["Deliveries", "Arn"]})
@broken_by("ReconcileRole.Policies.0.PolicyDocument.Statement.2.Action", "ssm:GetParameter")
@broken_by("DeliverRole.Policies.0.PolicyDocument.Statement.3.Resource", {"Fn::Sub": f"{SUSPENDED}/*"})
@broken_by("ScheduleRole.Policies.0.PolicyDocument.Statement.0.Resource", {"Ref": "Sweeps"})
@broken_by(
    "DeliverRole.Policies.0.PolicyDocument.Statement.1.Resource", [{"Ref": "DeliveriesDeadLetters"}, {"Ref": "Changes"}]
)
@rule("IAM::Role", "IAM::ManagedPolicy")
def may_do_what_is_listed_and_nothing_else(_stack: Stack, name: str, properties: Properties) -> bool:
    policies = properties.get("Policies", [properties] if "PolicyDocument" in properties else [])
    documents = [one["PolicyDocument"] for one in policies]
    granted: dict[str, set[str]] = {}
    for statement in (one for document in documents for one in document["Statement"] if one["Effect"] == "Allow"):
        for resource in listed(statement["Resource"]):
            granted.setdefault(named(resource) or str(resource), set()).update(listed(statement["Action"]))
    return granted == RIGHTS.get(name)


@broken_by("ScheduleRole.AssumeRolePolicyDocument.Statement.0.Principal", {"Service": "lambda.amazonaws.com"})
@broken_by("DeliverRole.RoleName")
@broken_by("RouteRole.ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"])
@broken_by("PushRole.AssumeRolePolicyDocument.Statement.0.Principal", {"AWS": "*"})
@rule("IAM::Role")
def is_for_one_service_or_named_people_has_a_fixed_name_and_no_policy_of_aws(
    _stack: Stack, name: str, role: Properties
) -> bool:
    """CloudFormation may replace a role that it has named itself."""
    principals = {
        "ScheduleRole": {"Service": "scheduler.amazonaws.com"},
        "PushRole": {"AWS": {"Ref": "PushPrincipals"}},
    }
    principal = principals.get(name, {"Service": "lambda.amazonaws.com"})
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assumed = (statement["Principal"], statement["Action"]) == (principal, "sts:AssumeRole")
    fixed = str(role.get("RoleName", {}).get("Fn::Sub")).startswith("${RoleNamePrefix}-")
    return assumed and fixed and "arn:" not in json.dumps(role.get("ManagedPolicyArns", ""))
