"""Each statement of IAM is taken away once: something fails, and says which right is missing.

What the emulation does not ask for is held by unit tests instead (`NOT_ENFORCED`). The right to assume a cluster's role
is in `test_rights`.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keyferry.errors import AccessDenied
from keyferry.pipeline.settle import MAX_RECEIVES
from keyferry_local.cloud import ACCOUNT
from keyferry_local.direct import Direct, statements
from keyferry_local.install import STACK, Installation
from tests.integration.deployed import UNDER_WAY_SECONDS, Deployed, now
from tests.integration.scene import Scene, sweep
from tests.integration.test_roles import HUB, READ, Account
from tests.unit.stack import Stack

type Statement = Mapping[str, Any]

NOT_ENFORCED = {
    "generated kms:Decrypt": "tests/unit/test_access.py: keys",
    "RouteRole Log": "tests/unit/template_rights.py: RIGHTS",
    "DeliverRole Log": "tests/unit/template_rights.py: RIGHTS",
    "ReconcileRole Log": "tests/unit/template_rights.py: RIGHTS",
    "ScheduleRole Send": "tests/unit/template_rights.py: RIGHTS",
    "NetworkInterfaces Connect": "tests/unit/template_rights.py: RIGHTS",
    "NetworkInterfaces NotFromCode": "tests/unit/template_rights.py: may_not_itself_use_what_lambda_needs_in_a_vpc",
}
"""Statement that MiniStack does not ask for → the test that holds it."""


def actions(statement: Statement) -> list[str]:
    """Return the actions of a statement."""
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


# What is generated from the mappings


def of_every_kind(scene: Scene) -> Direct:
    """Return a role with the rights for a mapping that has a source of every kind, all of which are there."""
    name, ssm = scene.source, scene.cloud.aws.client("ssm")
    scene.create({"password": "canary-mutation-1"})
    tags = [{"Key": "team", "Value": "a"}]
    for end in ("a", "b", "found/c"):
        ssm.put_parameter(Name=f"/{name}/{end}", Value="canary-mutation-2", Type="SecureString", Tags=tags)
    secrets = scene.cloud.aws.client("secretsmanager")
    secrets.create_secret(Name=f"{name}/tagged/one", SecretString="canary-mutation-3", Tags=tags)
    hub = Account(scene, HUB)
    hub.create("canary-mutation-4")
    sources = {
        "secret": {"secretsManager": name},
        "parameter": {"parameterStore": f"/{name}/a"},
        "other": {"parameterStore": f"/{name}/b"},
        "secrets": {"find": "secretsManager", "path": f"{name}/tagged", "tags": {"team": "a"}},
        "parameters": {"find": "parameterStore", "path": f"/{name}/found"},
        "secretTags": {"secretsManager": name, "metadata": "tags"},
        "parameterTags": {"parameterStore": f"/{name}/a", "metadata": "tags"},
        "theirs": {"secretsManager": name, "role": {"arn": hub.role, "sessionTags": {"team": "a"}}},
    }
    single = ("secret", "parameter", "other", "secretTags", "parameterTags", "theirs")
    data = {alias: {"from": alias} for alias in single}
    found = [{"from": alias, "invalidCharacters": "replace"} for alias in ("secrets", "parameters")]
    direct = scene.grant(sources=sources, secret={"name": "db", "data": data, "dataFrom": found})
    hub.make_role(direct.role, [READ], ("sts:TagSession",))
    return direct


def refused(direct: Direct, mapping: str) -> str:
    """Deliver in an environment of its own, and return what is refused; nothing where all is delivered."""
    try:
        return "; ".join(map(str, replace(direct).deliver(mapping).errors))
    except AccessDenied as error:  # before there is a report: where the cluster is cannot be found out
        return str(error)


def test_without_a_generated_statement_a_delivery_names_one_of_its_actions(scene: Scene) -> None:
    direct = of_every_kind(scene)
    whole = statements(scene.cloud, direct.catalog)
    assert refused(direct, scene.namespace) == ""
    enforced = [each for each in whole if actions(each) != ["kms:Decrypt"]]
    assert len(whole) - len(enforced) == 2  # a service each
    for lacking in enforced:
        direct.allow([each for each in whole if each != lacking])
        told = refused(direct, scene.namespace)
        assert any(f"refuses {one} " in told for one in actions(lacking)), (lacking, told)


def test_without_a_generated_statement_a_sweep_compares_less_and_says_why(scene: Scene) -> None:
    direct = of_every_kind(scene)
    whole = statements(scene.cloud, direct.catalog, "ReconcileRole")
    assert sweep(direct).not_compared == ()
    for lacking in whole:
        report = sweep(replace(direct), [each for each in whole if each != lacking])
        told = " ".join(map(str, report.not_compared)) + " ".join(why for _, why in report.sent)
        assert any(f"refuses {one} " in told for one in actions(lacking)), (lacking, told)


def test_keys_are_of_use_by_way_of_the_stores_alone(scene: Scene) -> None:
    """Whether a store may use a key for the role, the emulation cannot say: it has no keys behind secrets."""
    scene.create({"password": "canary-mutation-1"})
    direct = scene.grant()
    admin = scene.cloud.aws.client("kms")
    context = {"SecretARN": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:{scene.source}-a1B2c3"}
    key = admin.create_key()["KeyMetadata"]["KeyId"]
    sealed = admin.encrypt(KeyId=key, Plaintext=b"canary-mutation-5", EncryptionContext=context)["CiphertextBlob"]

    def decrypt() -> bytes:
        kms = scene.cloud.aws.client("kms", role=direct.role)
        return bytes(kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"])

    with pytest.raises(ClientError, match="AccessDenied"):
        decrypt()
    direct.allow([{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}])
    assert decrypt() == b"canary-mutation-5"


# What template.yaml grants


DEAD = {"mapping": "lacking", "cluster": "prod-eu"}
AWAY = {"mapping": "far", "cluster": "lost"}
GONE = {"mapping": "pushed", "cluster": "prod-eu", "namespace": "pushed"}
"""A delivery that writes, since its Secret is deleted before."""
EVENT = {
    "version": "0",
    "detail-type": "Secret Label Updated",
    "source": "aws.secretsmanager",
    "time": "2026-11-24T12:00:00Z",
    "detail": {"name": "tests/pushed", "labelUpdated": "AWSCURRENT"},
}
SENDING = "AWS refuses sqs:SendMessage on the deliveries queue"
HIDING = "AWS refuses sqs:ChangeMessageVisibility on the queue that the function reads"
BURYING = "AWS refuses sqs:SendMessage on the dead-letter queue"
LOOKING = f"AWS refuses ssm:GetParametersByPath on /keyferry/{STACK}/suspended"
TELLING = "AWS refuses events:PutEvents on the default event bus"
TABLE: dict[tuple[str, str], tuple[Mapping[str, Any], int, Sequence[str], str]] = {
    ("Route", "Send"): (EVENT, 1, (), SENDING),
    ("Route", "Consume"): (EVENT, 1, ("Send",), HIDING),  # only what fails is hidden
    ("Deliver", "DeadLetter"): (DEAD, 1, (), BURYING),
    ("Deliver", "Send"): (AWAY, MAX_RECEIVES, (), SENDING),  # a copy takes the place of what came back too often
    ("Deliver", "Consume"): (AWAY, 1, (), HIDING),
    ("Deliver", "Tell"): (GONE, 1, (), TELLING),
    ("Deliver", "Suspensions"): (GONE, 1, (), LOOKING),
    ("Reconcile", "Suspensions"): ({"mapping": "pushed", "cluster": "prod-eu"}, 1, (), LOOKING),
    ("Reconcile", "Send"): ({"mapping": "pushed", "cluster": "prod-eu"}, 1, (), SENDING),
    ("Reconcile", "Consume"): ({"mapping": "pushed", "cluster": "prod-eu"}, 1, ("Send",), HIDING),
}
"""Function and statement of its role → message, how often it came, what else is missing, and what is said then."""


def own_statements(role: str) -> list[str]:
    """Return the statements that template.yaml gives a role or policy, by their Sid."""
    properties = Stack.load().template["Resources"][role]["Properties"]
    documents = [one["PolicyDocument"] for one in properties.get("Policies", [properties]) if "PolicyDocument" in one]
    return [each["Sid"] for document in documents for each in document["Statement"]]


def test_every_statement_is_in_the_table_or_held_otherwise() -> None:
    roles = Stack.load().of("IAM::Role", "IAM::ManagedPolicy")
    known = {f"{role} {sid}" for role in roles for sid in own_statements(role)}
    held = {f"{function}Role {sid}" for function, sid in TABLE} | NOT_ENFORCED.keys()
    assert known == held - {"generated kms:Decrypt"}


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Iterator[Deployed]:
    """The stack, whose functions take no messages: one that cannot be hidden would hold its group up for long."""
    stack = Deployed(installed)
    sources = [
        source["UUID"]
        for function in ("RouteFunction", "DeliverFunction", "ReconcileFunction")
        for source in stack.functions.list_event_source_mappings(FunctionName=installed.outputs[function])[
            "EventSourceMappings"
        ]
    ]
    for source in sources:
        stack.functions.update_event_source_mapping(UUID=source, Enabled=False)
    time.sleep(UNDER_WAY_SECONDS)
    yield stack
    for source in sources:
        stack.functions.update_event_source_mapping(UUID=source, Enabled=True)


@contextmanager
def lacking(stack: Deployed, function: str, sids: Sequence[str]) -> Iterator[None]:
    """Take statements away from the role of a function."""
    iam, where = (
        stack.cloud.aws.client("iam"),
        {"RoleName": f"{STACK}-{function.lower()}", "PolicyName": "own-resources"},
    )
    before = iam.get_role_policy(**where)["PolicyDocument"]
    kept = [each for each in before["Statement"] if each["Sid"] not in sids]
    assert len(before["Statement"]) - len(kept) == len(sids)
    iam.put_role_policy(**where, PolicyDocument=json.dumps(before | {"Statement": kept}))
    try:
        yield
    finally:
        iam.put_role_policy(**where, PolicyDocument=json.dumps(before))


def record(body: Mapping[str, Any], attempt: int) -> dict[str, Any]:
    """Return what Lambda makes of a message on a queue. Nobody has received it: SQS does not know its receipt."""
    known = {"id": str(uuid.uuid4()), "eventId": str(uuid.uuid4()), "time": "2026-11-24T12:00:00Z"}
    wanted = ("id",) if "detail" in body else ("eventId", "time") if body in (DEAD, AWAY, GONE) else ()
    sent = str(int(time.time() * 1000))
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "unknown",
        "body": json.dumps({**body, **{name: known[name] for name in wanted}}),
        "attributes": {"ApproximateReceiveCount": str(attempt), "SentTimestamp": sent, "SenderId": "AIDAEXAMPLE"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:queue",
        "awsRegion": "eu-west-1",
    }


def said(stack: Deployed, function: str, body: Mapping[str, Any], attempt: int) -> str:
    """Let a function have a message, and return what it says why it has not worked it off, and what it notes."""
    if body == GONE:
        stack.eu.delete("Secret", "pushed", "pushed")
    since: datetime = now()
    stack.invoke(f"{function}Function", {"Records": [record(body, attempt)]})
    lines = stack.lines(f"{function}Function", since)
    return " ".join(text for line in lines for text in (line.get("reason", ""), *line.get("notes", ())))


@pytest.mark.parametrize(("function", "sid"), TABLE)
def test_without_a_statement_of_the_template_a_message_is_not_worked_off_and_it_is_said_why(
    stack: Deployed, function: str, sid: str
) -> None:
    body, attempt, others, expected = TABLE[function, sid]
    if function == "Reconcile":
        stack.eu.delete("Secret", "pushed", "pushed")
    if attempt < MAX_RECEIVES:  # a copy would stay on the queue, and others would meet it
        with lacking(stack, function, others):
            assert expected not in said(stack, function, body, attempt)
    with (
        lacking(stack, function, [*others, sid]),
        stack.forgetting(f"{function}Function") if sid == "Suspensions" else nullcontext(),
    ):
        assert expected in said(stack, function, body, attempt)
