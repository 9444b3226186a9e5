"""Sources of other accounts: roles, chains of them, external ids and session tags; each assumed once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry.errors import AccessDenied
from keyferry.runtime.wiring import Runtime
from keyferry_local import aws_client
from keyferry_local.aws_client import Credentials
from keyferry_local.direct import Direct, deadline, delivery
from tests.integration.scene import Scene, error

HUB, SPOKE = "444455556666", "777788889999"
"""Accounts beside that of the pipeline."""


class Account:
    """Another account, as its owner sees it."""

    def __init__(self, scene: Scene, number: str) -> None:
        self.scene, self.number, self.role = scene, number, f"arn:aws:iam::{number}:role/{scene.namespace}"

    def client(self, service: str) -> Any:  # noqa: ANN401
        """Return a client of the owner's: an access key that is an account's number is its root in MiniStack."""
        aws = self.scene.cloud.aws
        opened = aws_client.session(aws.region, Credentials(self.number, "canary-root"))
        return aws_client.client(opened, service, aws.endpoint, aws.region)

    def make_role(self, trusted: str, may: list[Any], actions: tuple[str, ...] = (), **condition: Any) -> str:  # noqa: ANN401
        """Make the account's role, which somebody may assume and which may do something, and return its ARN."""
        trust = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": ["sts:AssumeRole", *actions]}
        iam = self.client("iam")
        iam.create_role(RoleName=self.scene.namespace, AssumeRolePolicyDocument=_policy(trust | _condition(condition)))
        iam.put_role_policy(RoleName=self.scene.namespace, PolicyName="rights", PolicyDocument=_policy(*may))
        return self.role

    def create(self, value: str, **tags: str) -> None:
        """Create a secret in the account, under the scene's name."""
        given = [{"Key": key, "Value": text} for key, text in tags.items()]
        self.client("secretsmanager").create_secret(Name=self.scene.source, SecretString=value, Tags=given)


def _policy(*statements: Any) -> str:  # noqa: ANN401
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _condition(found: dict[str, Any]) -> dict[str, Any]:
    return {"Condition": {"StringEquals": found["equals"]}} if found else {}


READ = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}


class Delivering:
    """Deliveries of a source with a role; counts who is assumed, and can change what STS answers."""

    def __init__(self, scene: Scene, role: Any) -> None:  # noqa: ANN401
        self.scene = scene
        self.direct: Direct = scene.grant(
            sources={"db": {"secretsManager": scene.source, "role": role}},
            secret={"name": "db", "data": {"value": {"from": "db"}}},
        )
        self.assumed = 0
        self.answers: list[dict[str, Any]] = []
        """What the credentials are changed by that are given first."""
        session = scene.cloud.aws.session(self.direct.role)
        session.events.register("after-call.sts.AssumeRole", self._answer)
        self.runtime = Runtime({}, self.direct.catalog, session)

    def _answer(self, parsed: dict[str, Any], **_: object) -> None:
        self.assumed += 1
        if self.answers:
            parsed["Credentials"] |= self.answers.pop(0)

    def deliver(self) -> Any:  # noqa: ANN401
        """Carry out a delivery."""
        return self.runtime.deliver(delivery(self.scene.namespace), deadline())


def test_a_secret_of_another_account_is_read_with_its_role_which_is_assumed_once(scene: Scene) -> None:
    hub = Account(scene, HUB)
    hub.create("canary-role-1")
    delivering = Delivering(scene, hub.role)
    hub.make_role(delivering.direct.role, [READ])

    assert not delivering.deliver().errors
    assert not delivering.deliver().errors

    assert scene.data() == {"value": b"canary-role-1"}
    assert delivering.assumed == 1
    secrets = scene.cloud.aws.client("secretsmanager", role=delivering.direct.role)
    with pytest.raises(secrets.exceptions.ClientError, match="AccessDenied"):
        secrets.get_secret_value(SecretId=scene.source)


@pytest.mark.parametrize(("given", "fits"), [("payments-7f3a", True), ("somebody-else", False), (None, False)])
def test_the_external_id_that_the_trust_policy_asks_for_is_given(
    scene: Scene, given: str | None, *, fits: bool
) -> None:
    hub = Account(scene, HUB)
    hub.create("canary-role-2")
    role = {"arn": hub.role} | ({"externalId": given} if given else {})
    delivering = Delivering(scene, role)
    hub.make_role(delivering.direct.role, [READ], equals={"sts:ExternalId": "payments-7f3a"})

    report = delivering.deliver()

    if fits:
        assert not report.errors
        assert scene.data() == {"value": b"canary-role-2"}
    else:
        assert f"AWS refuses sts:AssumeRole on {hub.role}" in str(error(report))
        assert scene.data() is None


def test_a_chain_of_roles_reaches_a_third_account(scene: Scene) -> None:
    hub, spoke = Account(scene, HUB), Account(scene, SPOKE)
    spoke.create("canary-role-3")
    delivering = Delivering(scene, [hub.role, {"arn": spoke.role, "externalId": "payments-7f3a"}])
    on = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": spoke.role}
    hub.make_role(delivering.direct.role, [on])
    spoke.make_role(hub.role, [READ], equals={"sts:ExternalId": "payments-7f3a"})

    assert not delivering.deliver().errors

    assert scene.data() == {"value": b"canary-role-3"}


@pytest.mark.parametrize(("team", "fits"), [("payments", True), ("others", False)])
def test_policies_of_the_role_see_the_session_tags(scene: Scene, team: str, *, fits: bool) -> None:
    hub = Account(scene, HUB)
    hub.create("canary-role-4")
    delivering = Delivering(scene, {"arn": hub.role, "sessionTags": {"team": team}})
    tagged = READ | _condition({"equals": {"aws:PrincipalTag/team": "payments"}})
    hub.make_role(delivering.direct.role, [tagged], ("sts:TagSession",))

    report = delivering.deliver()

    if fits:
        assert not report.errors
        assert scene.data() == {"value": b"canary-role-4"}
    else:
        assert isinstance(error(report), AccessDenied)


def test_a_session_is_begun_anew_before_it_ends(scene: Scene) -> None:
    hub = Account(scene, HUB)
    hub.create("canary-role-5")
    delivering = Delivering(scene, hub.role)
    hub.make_role(delivering.direct.role, [READ])
    delivering.answers.append({"Expiration": datetime.now(UTC) + timedelta(minutes=14)})

    assert not delivering.deliver().errors
    assert not delivering.deliver().errors

    assert delivering.assumed == 2


def test_a_session_that_aws_does_not_accept_is_begun_anew_once(scene: Scene) -> None:
    hub = Account(scene, HUB)
    hub.create("canary-role-6")
    delivering = Delivering(scene, hub.role)
    hub.make_role(delivering.direct.role, [READ])
    delivering.answers.append({"AccessKeyId": "ASIAENDED00000000000", "SecretAccessKey": "canary-ended"})

    report = delivering.deliver()

    assert (report.errors, delivering.assumed) == ([], 2)
    assert scene.data() == {"value": b"canary-role-6"}


def test_a_role_that_does_not_trust_the_pipeline_is_named(scene: Scene) -> None:
    hub = Account(scene, HUB)
    hub.create("canary-role-7")
    delivering = Delivering(scene, hub.role)
    hub.make_role(f"arn:aws:iam::{HUB}:root", [READ])
    assert f"AWS refuses sts:AssumeRole on {hub.role}" in str(error(delivering.deliver()))
