"""Generate the CloudFormation template with the IAM policies of people: to look at the stack, to steer it, to push.

None of them reads the value of a secret, passes a role or changes a function. Who attaches a policy to whom is left to
the account: the stack makes the policies, with its own names in them, so nobody has to fill anything in.
"""

from collections.abc import Iterable, Sequence

from keyferry.access.statements import Object, substitute
from keyferry.mapping.catalog import Catalog

FUNCTIONS = ("route", "deliver", "reconcile", "report")
ROLES = ("route", "deliver", "reconcile", "push")
POLICIES = ("look", "steer", "push")
"""The policies by the ends of their names."""
QUEUES = ("changes", "deliveries.fifo", "sweeps")
DEAD_LETTERS = ("changes-dead-letters", "deliveries-dead-letters.fifo", "sweeps-dead-letters", "events-dead-letters")
"""The queues by the ends of their names, which template.yaml gives them."""
CANARY_MAPPING = "keyferry-canary"
"""The mapping that `keyferry doctor --canary` uses."""
_CANARY = "${Prefix}/canary/value"
"""The name of its secret, which people change to see whether the stack works: each stack has its own."""


def build_template(catalog: Catalog) -> Object:
    """Return the nested CloudFormation template with a managed policy for each thing that people do."""
    steer = _list_steer(has_canary=CANARY_MAPPING in catalog.mappings)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What people may do with Keyferry, generated",
        "Parameters": {
            "Prefix": {"Type": "String", "Description": "What the names of the policies begin with"},
            "Stack": {
                "Type": "String",
                "Description": "Name of the stack, which the names of its resources begin with",
            },
            "PushRole": {"Type": "String", "Description": "Name of the role that people push with; empty for none"},
            "Rules": {"Type": "String", "Description": "ARNs of the rules, separated by commas"},
            "Schedule": {"Type": "String", "Description": "Name of the schedule of sweeps"},
        },
        "Conditions": {"HasPushRole": {"Fn::Not": [{"Fn::Equals": [{"Ref": "PushRole"}, ""]}]}},
        "Resources": {
            "Look": _build_policy("look", "Look at Keyferry: its state, logs, alarms and queues", _list_look()),
            "Steer": _build_policy("steer", "Steer Keyferry: sweep, deliver, work off dead letters", steer),
            "Push": _build_policy("push", "Push by Keyferry, through the stack or from a terminal", _list_push()),
        },
    }


def _build_policy(name: str, description: str, statements: Sequence[Object]) -> Object:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": {"Fn::Sub": f"${{Prefix}}-{name}"},
            "Description": description,
            "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)},
        },
    }


def _list_look() -> list[Object]:
    return [
        _allow(
            "Stack",
            [f"cloudformation:{verb}" for verb in ("DescribeStacks", "DescribeStackEvents", "ListStackResources")],
            [_STACK, _MEMBERS, _WORKFLOWS],
        ),
        _allow("Ask", ["lambda:InvokeFunction"], [_arn("lambda", "function:${Stack}-report")]),
        _allow(
            "Logs",
            ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"],
            (_arn("logs", f"log-group:/aws/lambda/${{Stack}}-{name}:*") for name in FUNCTIONS),
        ),
        # AWS has no resources to name for metrics, nor for alarms that are asked for by the beginnings of their names.
        _allow("Metrics", ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics"], ["*"]),
        _allow("Dashboard", ["cloudwatch:GetDashboard"], [_DASHBOARD]),
        _allow("Queues", ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], _name_queues([*QUEUES, *DEAD_LETTERS])),
        *_list_settings(),
        *_list_surroundings(),
    ]


def _list_settings() -> list[Object]:
    """Return what `keyferry doctor` looks at of the stack: settings, never code; also who has these policies."""
    functions = [_arn("lambda", f"function:${{Stack}}-{name}") for name in FUNCTIONS]
    roles = [f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/${{Prefix}}-{name}" for name in ROLES]
    policies = [f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/${{Prefix}}-{name}" for name in POLICIES]
    return [
        _allow("Functions", ["lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency"], functions),
        _allow("Rules", ["events:DescribeRule", "events:ListTargetsByRule"], []) | {"Resource": _RULES},
        _allow("Schedule", ["scheduler:GetSchedule"], [_arn("scheduler", "schedule/default/${Schedule}")]),
        _allow("Roles", ["iam:GetRole"], roles),
        _allow("Holders", ["iam:ListEntitiesForPolicy"], policies),
    ]


def _list_surroundings() -> list[Object]:
    """Return what `keyferry doctor` looks at beside the stack; which trail, cluster or key, the stack does not know."""
    own = "${AWS::AccountId}"
    return [
        _allow("Bus", ["events:DescribeEventBus"], [_arn("events", "event-bus/default")]),
        _allow(
            "Trails",
            ["cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"],
            ["arn:${AWS::Partition}:cloudtrail:*:*:trail/*"],  # also one of the organization, or of another region
        ),
        # Of any region: clusters.yaml names those, and it is no part of the template.
        _allow("Entries", ["eks:ListAccessEntries", "eks:DescribeAccessEntry"], _ENTRIES),
        _allow(
            "Keys",
            ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"],
            [f"arn:${{AWS::Partition}}:kms:*:{own}:key/*"],
        ),
        # AWS has no resources to name for these.
        _allow(
            "Lists",
            [
                *("cloudtrail:DescribeTrails", "events:ListRuleNamesByTarget"),
                *("lambda:ListEventSourceMappings", "lambda:ListLayerVersions"),
            ],
            ["*"],
        ),
    ]


def _list_steer(*, has_canary: bool) -> list[Object]:
    secret = _arn("secretsmanager", f"secret:{_CANARY}-??????")
    return [
        _allow("Stack", ["cloudformation:DescribeStacks"], [_STACK]),
        _allow("Sweep", ["lambda:InvokeFunction"], [_arn("lambda", "function:${Stack}-reconcile")]),
        _SUSPENSIONS,
        _allow("Suspend", ["ssm:PutParameter", "ssm:DeleteParameter"], [f"{_SUSPENDED}/*"]),
        _allow(
            "DeadLetters",
            [
                *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
                "sqs:GetQueueAttributes",
            ],
            _name_queues(DEAD_LETTERS),
        ),
        _allow("Send", ["sqs:SendMessage"], _name_queues(QUEUES)),  # also what takes the place of dead letters
        *_list_following(),
        *([_allow("Canary", ["secretsmanager:PutSecretValue"], [secret])] if has_canary else []),
    ]


def _list_push() -> list[Object]:
    role = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${PushRole}"
    return [
        _allow("Stack", ["cloudformation:DescribeStacks"], [_STACK]),
        _allow("Deliver", ["sqs:SendMessage"], _name_queues(["deliveries.fifo"])),
        _SUSPENSIONS,
        *_list_following(),
        {"Fn::If": ["HasPushRole", _allow("FromTerminal", ["sts:AssumeRole"], [role]), {"Ref": "AWS::NoValue"}]},
    ]


def _list_following() -> list[Object]:
    """Return what `keyferry push` needs beside the queue: to ask what is not right, and to read what becomes of it."""
    return [
        _allow("Ask", ["lambda:InvokeFunction"], [_arn("lambda", "function:${Stack}-report")]),
        _allow("Logs", ["logs:FilterLogEvents"], [_arn("logs", "log-group:/aws/lambda/${Stack}-deliver:*")]),
    ]


def _allow(sid: str, actions: Sequence[str], resources: Iterable[str]) -> Object:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(map(substitute, resources))}


def _arn(service: str, resource: str) -> str:
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"


def _name_queues(names: Iterable[str]) -> list[str]:
    return [_arn("sqs", f"${{Stack}}-{name}") for name in names]


_SUSPENDED = _arn("ssm", "parameter/keyferry/${Stack}/suspended")
_SUSPENSIONS = _allow("Suspensions", ["ssm:GetParametersByPath"], [_SUSPENDED])
"""To read what is suspended: no other call, and no other path."""
_ENTRIES = [
    f"arn:${{AWS::Partition}}:eks:*:${{AWS::AccountId}}:{resource}" for resource in ("cluster/*", "access-entry/*")
]
_STACK = _arn("cloudformation", "stack/${Stack}/*")
_MEMBERS = "arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:stack/${Stack}-member/*"
_WORKFLOWS = _arn("cloudformation", "stack/github-${Prefix}/*")
"""The stack of the roles of workflows, as README.md of `keyferry init` calls it."""
_RULES = {"Fn::Split": [",", {"Ref": "Rules"}]}
_DASHBOARD = "arn:${AWS::Partition}:cloudwatch::${AWS::AccountId}:dashboard/${Stack}-${AWS::Region}"
