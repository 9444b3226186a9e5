"""The policies of people suffice for the documented commands, and each of their statements is needed."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keyferry.access.people import build_template
from keyferry.mapping.catalog import Catalog
from keyferry_local.cloud import ACCOUNT
from keyferry_local.direct import TRUST
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from tests.integration.deployed import PATIENCE_SECONDS, Deployed, now
from tests.integration.terminal import run_keyferry

POLICIES = [
    each["Properties"]["ManagedPolicyName"]["Fn::Sub"] for each in build_template(Catalog())["Resources"].values()
]
type Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """Somebody with a role that has one policy, or a part of it."""

    stack: Deployed
    role: str

    @property
    def name(self) -> str:
        """The name of the role."""
        return self.role.rpartition("/")[2]

    def client(self, service: str) -> Any:  # noqa: ANN401 - one of boto3's generated classes
        """A client of a service."""
        return self.stack.cloud.aws.client(service, role=self.role)

    def allow(self, statements: Sequence[Statement]) -> None:
        """Have these statements in place of the policy."""
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.stack.cloud.aws.client("iam").put_role_policy(
            RoleName=self.name, PolicyName="mutated", PolicyDocument=document
        )

    def environment(self, directory: Path, *, profile: str = "") -> dict[str, str]:
        """Return the environment of the person's terminal, where `push` is a profile for the role to push with."""
        aws = self.stack.cloud.aws
        keys = aws.credentials(self.role, "person")
        files = {"AWS_CONFIG_FILE": directory / "config", "AWS_SHARED_CREDENTIALS_FILE": directory / "credentials"}
        role = self.stack.installed.outputs["PushRoleArn"]
        files["AWS_CONFIG_FILE"].write_text(f"[profile push]\nrole_arn = {role}\nsource_profile = me\n")
        files["AWS_SHARED_CREDENTIALS_FILE"].write_text(
            f"[me]\naws_access_key_id = {keys.access_key}\naws_secret_access_key = {keys.secret_key}\n"
            f"aws_session_token = {keys.session_token}\n"
        )
        kept = aws.inherit(os.environ)
        clean = {name: kept[name] for name in kept if not name.startswith("AWS_")}
        settings = {name: kept[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION")}
        return clean | settings | {name: str(path) for name, path in files.items()} | {"AWS_PROFILE": profile or "me"}

    def run(self, directory: Path, *args: str, profile: str = "") -> str:
        """Run keyferry, and return what it says where it fails."""
        done = self.do(directory, *args, profile=profile)
        return done.stdout + done.stderr if done.returncode else ""

    def do(self, directory: Path, *args: str, profile: str = "") -> "subprocess.CompletedProcess[str]":
        """Run keyferry, and return how it ended."""
        command = ["--mappings", str(self.stack.installed.checkout / "mappings"), *args]
        log = self.stack.cloud.directory / "commands.log"
        return run_keyferry(command, self.environment(directory, profile=profile), log)


type Command = Callable[[Person, Path], str]
"""Does what a documented command does, and returns what is said where it is refused."""


def calls(service: str, *named: tuple[str, dict[str, Any]]) -> Command:
    """Return a command that makes calls of a service, one after the other."""

    def command(person: Person, _: Path) -> str:
        client = person.client(service)
        try:
            for operation, arguments in named:
                getattr(client, operation)(**arguments)
        except ClientError as error:
            assert "AccessDenied" in str(error.response["Error"]["Code"]), error
            return str(error)
        return ""

    return command


def look_at_queues(person: Person, directory: Path) -> str:
    """How many messages each queue of the stack has."""
    urls = [url for name, url in person.stack.installed.outputs.items() if name.endswith("QueueUrl")]
    asked = [("get_queue_attributes", {"QueueUrl": url, "AttributeNames": ["All"]}) for url in urls]
    return calls("sqs", *asked)(person, directory)


def suspend(person: Person, directory: Path) -> str:
    """`keyferry suspend` and `keyferry resume`, of a mapping on a cluster that no other test uses."""
    where = "--mapping", "pushed", "--cluster", "prod-eu", "--yes", "--stack", STACK
    said = person.run(directory, "suspend", "--reason", "a test", *where)
    return said or person.run(directory, "resume", *where)


def sweep_by_command(person: Person, directory: Path) -> str:
    """`keyferry sweep`."""
    where = "--mapping", "pushed", "--cluster", "prod-eu", "--yes", "--stack", STACK
    return person.run(directory, "sweep", *where)


def sweep(person: Person, directory: Path) -> str:
    """`aws lambda invoke`, for one mapping."""
    payload = json.dumps({"mapping": "pushed", "cluster": "prod-eu"}).encode()
    function = person.stack.installed.outputs["ReconcileFunction"]
    return calls("lambda", ("invoke", {"FunctionName": function, "Payload": payload}))(person, directory)


def work_off_dead_letters(person: Person, directory: Path) -> str:
    """`keyferry dead-letters`: send one anew, and drop one; the looks of both see every queue."""
    said, stack = "", ("--stack", STACK, "--yes")
    for verb in ("replay", "drop"):
        person.stack.send("SweepsDeadLettersQueueUrl", '{"mapping": "pushed", "cluster": "prod-eu"}')
        said = said or person.run(directory, "dead-letters", verb, "--queue", "sweeps", *stack)
    person.stack.sqs.purge_queue(QueueUrl=person.stack.installed.outputs["SweepsDeadLettersQueueUrl"])
    return said


def push_through_the_stack(person: Person, directory: Path) -> str:
    """`keyferry push --stack`."""
    return person.run(directory, "push", "pushed", "--stack", STACK, "--yes")


def restart_through_the_stack(person: Person, directory: Path) -> str:
    """`keyferry restart`, which follows its delivery as push does."""
    return person.run(directory, "restart", "pushed", "--stack", STACK, "--yes")


def push_from_a_terminal(person: Person, directory: Path) -> str:
    """`keyferry push --local`, with a profile that assumes the role to push with."""
    return person.run(directory, "push", "pushed", "--local", "--yes", profile="push")


def look_at_states(person: Person, directory: Path) -> str:
    """`keyferry status`, which fails too where something is wrong with a target."""
    said = person.run(directory, "status", "--stack", STACK, "--output", "json")
    return "" if said.startswith('{\n  "targets"') else said


def look_for_orphans(person: Person, directory: Path) -> str:
    """`keyferry orphans`, which fails too where something is left over, or a cluster has no context."""
    said = person.run(directory, "orphans", "--stack", STACK, "--output", "json")
    return said if "AWS refuses" in said or not said.startswith("{") else ""


def plan_removal(person: Person, directory: Path) -> str:
    """`keyferry uninstall --plan`, which notes what it may not look at."""
    said = person.run(directory, "uninstall", "--plan", "--stack", STACK, "--output", "json")
    return said if "AWS refuses" in said or not said.startswith("{") else ""


def look_for_members(person: Person, _: Path) -> str:
    """What `keyferry uninstall --plan` asks where mappings name other accounts: of a stack that is not there."""
    try:
        person.client("cloudformation").describe_stacks(StackName=f"{STACK}-member")
    except ClientError as error:
        return "" if "does not exist" in str(error) else str(error)
    return "a stack that nobody has made"


def follow_the_last_change(person: Person, directory: Path) -> str:
    """`keyferry trace`, of a Secret in a cluster."""
    return person.run(directory, "trace", "prod-eu/pushed/pushed", "--stack", STACK)


def look_at_history(person: Person, directory: Path) -> str:
    """`keyferry history`, to which labels that it may not list are a note."""
    return person.run(directory, "history", "tests/pushed", "--stack", STACK)


def look_at_plan(person: Person, directory: Path) -> str:
    """`keyferry plan`, as in a pull request."""
    return person.run(directory, "plan", "--stack", STACK, "--output", "markdown")


def examine(person: Person, directory: Path) -> str:
    """`keyferry doctor`, to which what it may not look at is a warning."""
    said = person.do(directory, "doctor", "--stack", STACK, "--output", "json").stdout
    return "" if said.startswith("{") and "AWS refuses" not in said else said or "nothing"


def look_around(person: Person, directory: Path) -> str:
    """What `keyferry doctor` looks at where there is a trail, a key, or another account: none is in these mappings."""
    key = person.stack.cloud.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    trails, name = person.stack.cloud.aws.client("cloudtrail"), f"trail-{uuid.uuid4().hex[:8]}"
    trails.create_trail(Name=name, S3BucketName="trails")
    asked = {"Name": trails.get_trail(Name=name)["Trail"]["TrailARN"]}
    policy = {"KeyId": key, "PolicyName": "default"}
    refused = [
        calls("kms", ("describe_key", {"KeyId": key}), ("get_key_policy", policy), ("list_grants", {"KeyId": key})),
        calls("cloudtrail", ("get_trail_status", asked), ("get_event_selectors", {"TrailName": asked["Name"]})),
        calls("events", ("describe_event_bus", {"Name": "default"})),
    ]
    said = next(filter(None, (command(person, directory) for command in refused)), "")
    trails.delete_trail(Name=name)
    return said


LOGS = [
    ("filter_log_events", {"logGroupName": f"/aws/lambda/{STACK}-{name}", "limit": 1})
    for name in ("route", "deliver", "reconcile")
]
DESCRIBE = calls("cloudformation", ("describe_stacks", {"StackName": STACK}))
COMMANDS: dict[str, dict[str, Command]] = {
    "look": {
        "aws cloudformation describe-stacks": DESCRIBE,
        "aws logs tail": calls("logs", *LOGS),
        "aws cloudwatch describe-alarms": calls("cloudwatch", ("describe_alarms", {"AlarmNamePrefix": STACK})),
        "aws cloudwatch get-dashboard": calls("cloudwatch", ("get_dashboard", {"DashboardName": f"{STACK}-eu-west-1"})),
        "aws sqs get-queue-attributes": look_at_queues,
        "keyferry status": look_at_states,
        "keyferry plan": look_at_plan,
        "keyferry orphans": look_for_orphans,
        "keyferry doctor": examine,
        "keyferry trace": follow_the_last_change,
        "keyferry history": look_at_history,
        "keyferry uninstall --plan": plan_removal,
        "keyferry uninstall --plan, of other accounts": look_for_members,
        "keyferry doctor, around the stack": look_around,
    },
    "steer": {
        "aws cloudformation describe-stacks": DESCRIBE,
        "aws lambda invoke": sweep,
        "keyferry sweep": sweep_by_command,
        "keyferry suspend": suspend,
        "keyferry dead-letters": work_off_dead_letters,
        "keyferry push --stack": push_through_the_stack,
        "keyferry doctor --canary, the change": calls(
            "secretsmanager",
            ("put_secret_value", {"SecretId": "keyferry/canary/value", "SecretString": "canary-put-by-a-person"}),
        ),
    },
    "push": {
        "keyferry push --stack": push_through_the_stack,
        "keyferry restart": restart_through_the_stack,
        "keyferry push --local": push_from_a_terminal,
    },
}
"""Policy → the documented commands that it is for."""
ASKING = ["keyferry status", "keyferry plan", "keyferry orphans", "keyferry doctor"]
"""Commands that ask the function `report`."""
NEEDED = {
    "look": {
        "Stack": [
            *("aws cloudformation describe-stacks", *ASKING, "keyferry trace"),
            "keyferry uninstall --plan, of other accounts",
        ],
        "Ask": [*ASKING, "keyferry trace", "keyferry history"],
        "Logs": ["aws logs tail", "keyferry status", "keyferry trace", "keyferry history"],
        "Metrics": ["aws cloudwatch describe-alarms", "keyferry doctor"],
        "Dashboard": ["aws cloudwatch get-dashboard"],
        "Queues": ["aws sqs get-queue-attributes", "keyferry doctor"],
        "Functions": ["keyferry doctor"],
        "Rules": ["keyferry doctor"],
        "Schedule": ["keyferry doctor"],
        "Roles": ["keyferry doctor"],
        "Holders": ["keyferry uninstall --plan"],
        "Bus": ["keyferry doctor, around the stack"],
        "Trails": ["keyferry doctor, around the stack"],
        "Entries": ["keyferry orphans", "keyferry doctor"],
        "Keys": ["keyferry doctor, around the stack"],
        "Lists": ["keyferry doctor"],
    },
    "steer": {
        "Stack": ["aws cloudformation describe-stacks", "keyferry push --stack", "keyferry dead-letters"],
        "Sweep": ["aws lambda invoke", "keyferry sweep", "keyferry suspend"],
        "Suspensions": ["keyferry push --stack", "keyferry suspend"],
        "Suspend": ["keyferry suspend"],
        "DeadLetters": ["keyferry dead-letters"],
        "Send": ["keyferry push --stack", "keyferry dead-letters"],
        "Ask": ["keyferry push --stack"],
        "Logs": ["keyferry push --stack"],
        "Canary": ["keyferry doctor --canary, the change"],
    },
    "push": {
        "Stack": ["keyferry push --stack"],
        "Deliver": ["keyferry push --stack"],
        "Ask": ["keyferry push --stack"],
        "Suspensions": ["keyferry push --stack"],
        "Logs": ["keyferry push --stack"],
        "FromTerminal": ["keyferry push --local"],
    },
}
"""Policy → statement → the commands that fail without it."""
CALLED = {"sts:AssumeRole": "the AWS sign-in (AccessDenied)"}
"""Action → what a refusal of it says, where that is not its name."""


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack at work, once it has delivered what the commands are about."""
    stack = Deployed(installed)
    until("the Secret pushed", lambda: stack.eu.data("pushed", "pushed"), seconds=PATIENCE_SECONDS)
    return stack


@pytest.fixture
def person(stack: Deployed) -> Iterator[Person]:
    """Somebody who may nothing yet."""
    iam, name = stack.cloud.aws.client("iam"), f"person-{uuid.uuid4().hex[:8]}"
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    yield Person(stack, made["Role"]["Arn"])
    for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=each["PolicyArn"])


def arn(policy: str) -> str:
    """Return the ARN of a policy that the stack has made."""
    return f"arn:aws:iam::{ACCOUNT}:policy/{STACK}-{policy}"


def statements(stack: Deployed, policy: str) -> list[Statement]:
    """Return the statements of a policy as they are in the account."""
    iam = stack.cloud.aws.client("iam")
    version = iam.get_policy(PolicyArn=arn(policy))["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn(policy), VersionId=version)["PolicyVersion"]["Document"]
    return list(document["Statement"])


def test_every_policy_has_its_commands() -> None:
    assert [f"${{Prefix}}-{name}" for name in COMMANDS] == POLICIES
    assert COMMANDS.keys() == NEEDED.keys()


@pytest.mark.parametrize("policy", COMMANDS)
def test_with_its_policy_each_documented_command_works(person: Person, policy: str, tmp_path: Path) -> None:
    person.stack.cloud.aws.client("iam").attach_role_policy(RoleName=person.name, PolicyArn=arn(policy))
    assert {name: said for name, run in COMMANDS[policy].items() if (said := run(person, tmp_path))} == {}


@pytest.mark.parametrize(("policy", "sid"), [(policy, sid) for policy, needed in NEEDED.items() for sid in needed])
def test_without_a_statement_the_commands_that_need_it_are_refused(
    person: Person, policy: str, sid: str, tmp_path: Path
) -> None:
    whole = {str(each["Sid"]): each for each in statements(person.stack, policy)}
    assert whole.keys() == NEEDED[policy].keys()
    removed = whole.pop(sid)
    person.allow(list(whole.values()))
    said = {name: COMMANDS[policy][name](person, tmp_path) for name in NEEDED[policy][sid]}
    names = [CALLED.get(action, action) for action in removed["Action"]]
    assert {command: text for command, text in said.items() if not any(name in text for name in names)} == {}


@pytest.mark.parametrize("policy", COMMANDS)
def test_no_policy_reads_a_value_or_changes_the_stack(person: Person, policy: str, tmp_path: Path) -> None:
    person.stack.cloud.aws.client("iam").attach_role_policy(RoleName=person.name, PolicyArn=arn(policy))
    outputs = person.stack.installed.outputs
    deliver, role = outputs["DeliverFunction"], outputs["DeliverRoleArn"]
    code = {"FunctionName": "mine", "Role": role, "Code": {"ZipFile": b""}, "Runtime": "python3.13", "Handler": "a.b"}
    trust = json.dumps(TRUST)
    key = person.stack.cloud.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    for service, operation, arguments in (
        ("secretsmanager", "get_secret_value", {"SecretId": "tests/pushed"}),
        ("secretsmanager", "list_secrets", {}),
        ("ssm", "get_parameter", {"Name": "/tests/rotated/tls"}),
        ("ssm", "get_parameters_by_path", {"Path": "/tests/rotated"}),
        ("ssm", "get_parameter", {"Name": f"/keyferry/{STACK}/suspended/all"}),
        ("ssm", "put_parameter", {"Name": f"/keyferry/{STACK}/suspended", "Value": "x", "Type": "String"}),
        ("ssm", "put_parameter", {"Name": "/keyferry/other/suspended/all", "Value": "x", "Type": "String"}),
        ("ssm", "delete_parameter", {"Name": "/tests/rotated/tls"}),
        ("kms", "decrypt", {"KeyId": key, "CiphertextBlob": b"canary"}),
        ("lambda", "invoke", {"FunctionName": deliver}),
        ("lambda", "get_function", {"FunctionName": deliver}),
        ("lambda", "update_function_configuration", {"FunctionName": deliver, "Timeout": 3}),
        ("lambda", "update_function_code", {"FunctionName": deliver, "ZipFile": b""}),
        ("lambda", "create_function", code),
        ("iam", "update_assume_role_policy", {"RoleName": f"{STACK}-deliver", "PolicyDocument": trust}),
        ("sts", "assume_role", {"RoleArn": role, "RoleSessionName": "me"}),
        ("sqs", "receive_message", {"QueueUrl": outputs["DeliveriesQueueUrl"]}),
        ("cloudformation", "delete_stack", {"StackName": STACK}),
    ):
        assert calls(service, (operation, arguments))(person, tmp_path), operation


def test_a_push_from_a_terminal_writes_as_the_user_for_people(person: Person, tmp_path: Path) -> None:
    person.stack.cloud.aws.client("iam").attach_role_policy(RoleName=person.name, PolicyArn=arn("push"))
    person.stack.eu.delete("Secret", "pushed", "pushed")
    since = now()
    assert push_from_a_terminal(person, tmp_path) == ""
    assert person.stack.eu.data("pushed", "pushed") == {"password": b"canary-before"}
    assert "keyferry:push" in person.stack.users_who_wrote("prod-eu", "pushed", since)
