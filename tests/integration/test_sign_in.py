"""Signing in: who is let in, who is refused and told what to check, and when a token or a session is made anew."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from keyferry.aws import eks
from keyferry.errors import AccessDenied, Misconfigured, Unauthorized, Unreachable
from keyferry.identity import IDENTITY
from keyferry.kube import Connection
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.targets import Cluster, Eks, Endpoint
from keyferry.runtime import wiring
from keyferry.testing import FakeClock
from keyferry_local import aws
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.direct import TRUST, Direct, deadline, delivery
from tests.integration.scene import CLUSTER, Scene, ask, connection, error, tokens
from tests.tokens import Draft

VERSION = "/version"
KNOWN = Eks(name=CLUSTER, region="eu-west-1", account=ACCOUNT)


@pytest.fixture(scope="module")
def role(cloud: Cloud) -> str:
    """A role that may sign in, and nothing else."""
    return Direct.grant(cloud, build_catalog([], [_cluster()])).role


def _cluster(**more: Any) -> Cluster:  # noqa: ANN401
    return Cluster.model_validate({"name": CLUSTER, "eks": KNOWN.model_dump()} | more)


def with_tokens(cloud: Cloud, get: Callable[[], str], forget: Callable[[str], None]) -> Connection:
    """Return a connection that signs in with what `get` returns."""
    plane = cloud.clusters[CLUSTER]
    endpoint = Endpoint(plane.endpoint, plane.certificate_authority)
    return Connection(
        CLUSTER, endpoint, get, forget_token=forget, read_endpoint=lambda: endpoint, role="arn:of:the:role"
    )


def move_clock(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Sign as if it were another time."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: datetime.now(UTC).replace(tzinfo=None) + by)


@pytest.mark.parametrize(
    "wrong",
    [{"secret_key": "canary-wrong-key"}, {"cluster": "prod-us"}, {"age": timedelta(minutes=16)}, {"extra": {"X": "1"}}],
    ids=["signed with the wrong key", "for another cluster", "too old", "with another parameter"],
)
def test_a_wrong_token_is_refused_after_one_more_try_and_the_error_says_what_to_check(
    cloud: Cloud, role: str, wrong: dict[str, Any]
) -> None:
    keys = cloud.aws.credentials(role)
    draft = replace(Draft(keys.access_key, keys.secret_key, keys.session_token), **wrong)
    given, refused = list[str](), list[str]()

    def get() -> str:
        given.append(draft.token())
        return given[-1]

    with pytest.raises(Unauthorized) as refusal:
        ask(with_tokens(cloud, get, refused.append), "GET", VERSION)

    assert (len(given), refused) == (2, given[:1])
    for told in ("prod-eu", "arn:of:the:role", "access entry", "eks.name", "eks.region", "clock"):
        assert told in str(refusal.value)


def test_a_role_without_access_entry_is_told_to_get_one(scene: Scene) -> None:
    scene.create({"password": "canary-sign-in-1"})
    direct = Direct.grant(scene.cloud, scene.catalog([scene.mapping()]), entries=False)

    found = error(direct.deliver(scene.namespace))

    assert isinstance(found, Unauthorized)
    assert "access entry for" in str(found)
    assert scene.data() is None


def test_a_cluster_of_the_wrong_name_is_refused(scene: Scene) -> None:
    plane = scene.cloud.clusters[CLUSTER]
    wrong = _cluster(
        eks=KNOWN.model_dump() | {"name": "prod-us"},
        endpoint=plane.endpoint,
        certificateAuthority=plane.certificate_authority,
    )
    direct = Direct.grant(scene.cloud, build_catalog([scene.mapping()], [wrong], scene.stack), entries=False)
    aws.add_access_entry(scene.cloud.aws, CLUSTER, direct.role, scene.identity.deliver)

    assert "eks.name" in str(error(direct.deliver(scene.namespace)))


def test_an_old_token_is_refused_once_and_a_new_one_works(
    cloud: Cloud, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    signing = tokens(cloud, role, clock=clock)
    with monkeypatch.context() as patch:
        move_clock(patch, timedelta(minutes=-16))
        old = signing.get()
    clock.jump(31)
    assert signing.get() == old

    assert "gitVersion" in ask(with_tokens(cloud, signing.get, signing.forget), "GET", VERSION)
    assert signing.get() != old


def test_a_token_is_kept_for_ten_minutes(cloud: Cloud, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    signing = tokens(cloud, role, clock=clock)
    first = signing.get()
    move_clock(monkeypatch, timedelta(minutes=10))
    clock.jump(600)
    assert signing.get() == first
    clock.jump(1)
    assert signing.get() != first


def test_a_role_that_was_made_again_is_a_stranger_until_it_has_a_new_entry(cloud: Cloud) -> None:
    iam, entries = cloud.aws.client("iam"), cloud.aws.client("eks")
    direct = Direct.grant(cloud, build_catalog([], [_cluster()]))
    name = direct.role.rpartition("/")[2]
    assert ask(connection(cloud, direct.role), "GET", VERSION)
    iam.delete_role(RoleName=name)
    time.sleep(1.1)  # the emulator's times are whole seconds
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))

    with pytest.raises(Unauthorized, match="an entry dies with its role"):
        ask(connection(cloud, direct.role), "GET", VERSION)

    entries.delete_access_entry(clusterName=CLUSTER, principalArn=direct.role)
    aws.add_access_entry(cloud.aws, CLUSTER, direct.role, IDENTITY.deliver)
    assert ask(connection(cloud, direct.role), "GET", VERSION)


class Spoke:
    """A role of the cluster's account, which the pipeline's role assumes; it alone has an access entry."""

    def __init__(self, scene: Scene, **environment: str) -> None:
        cloud, self.name, self.user = scene.cloud, scene.namespace, scene.identity.deliver
        self.role = f"arn:aws:iam::{ACCOUNT}:role/{self.name}"
        self.direct = Direct.grant(cloud, scene.catalog([scene.mapping()], role=self.role), entries=False)
        self._make()
        session = cloud.aws.session(self.direct.role)
        self.assumed = 0
        session.events.register("before-call.sts.AssumeRole", self._count)
        self.runtime = wiring.Runtime(environment, self.direct.catalog, session)

    def _make(self) -> None:
        cloud = self.direct.cloud
        iam = cloud.aws.client("iam")
        hub = {"Effect": "Allow", "Principal": {"AWS": self.direct.role}, "Action": "sts:AssumeRole"}
        describe = {"Effect": "Allow", "Action": "eks:DescribeCluster", "Resource": "*"}
        trust = {"Version": "2012-10-17", "Statement": [hub]}
        iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(trust))
        policy = json.dumps({"Version": "2012-10-17", "Statement": [describe]})
        iam.put_role_policy(RoleName=self.name, PolicyName="spoke", PolicyDocument=policy)
        aws.add_access_entry(cloud.aws, CLUSTER, self.role, self.user)

    def make_again(self) -> None:
        """Delete role and access entry, and make both anew."""
        iam, entries = self.direct.cloud.aws.client("iam"), self.direct.cloud.aws.client("eks")
        entries.delete_access_entry(clusterName=CLUSTER, principalArn=self.role)
        iam.delete_role_policy(RoleName=self.name, PolicyName="spoke")
        iam.delete_role(RoleName=self.name)
        time.sleep(1.1)  # the emulator's times are whole seconds
        self._make()

    def _count(self, **_: object) -> None:
        self.assumed += 1

    def deliver(self, mapping: str) -> list[Any]:
        """Carry out a delivery, and return its errors."""
        return list(self.runtime.deliver(delivery(mapping), deadline()).errors)


def test_the_role_of_a_cluster_is_assumed_once_for_finding_it_and_for_signing_in(scene: Scene) -> None:
    scene.create({"password": "canary-sign-in-1"})
    spoke = Spoke(scene)

    assert spoke.deliver(scene.namespace) == []
    assert spoke.deliver(scene.namespace) == []

    assert scene.data() == {"password": b"canary-sign-in-1"}
    assert spoke.assumed == 1


@pytest.mark.parametrize(
    ("environment", "name"),
    [({"AWS_LAMBDA_FUNCTION_NAME": "keyferry-deliver"}, "keyferry-deliver"), ({}, "keyferry-push-local")],
    ids=["a function", "a person, whose own session is called local"],
)
def test_the_audit_log_of_a_cluster_with_a_role_tells_a_function_from_a_person(
    scene: Scene, environment: dict[str, str], name: str
) -> None:
    scene.create({"password": "canary-sign-in-1"})
    assert Spoke(scene, **environment).deliver(scene.namespace) == []
    log = scene.cloud.clusters[CLUSTER].audit_log.read_text().splitlines()
    events = [json.loads(line) for line in log if f'"namespace":"{scene.namespace}"' in line and line.endswith("}")]
    ours = [event["user"]["extra"] for event in events if event["user"]["username"] == scene.identity.deliver]
    assert ours
    assert {tuple(extra["sessionName"]) for extra in ours} == {(name,)}
    assert all(extra["arn"] == [f"arn:aws:sts::{ACCOUNT}:assumed-role/{scene.namespace}/{name}"] for extra in ours)


def test_a_role_that_was_made_again_is_assumed_anew_once_its_session_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eks, "NEW_SECONDS", 5)
    scene.create({"password": "canary-sign-in-1"})
    spoke = Spoke(scene)
    assert spoke.deliver(scene.namespace) == []
    spoke.make_again()
    time.sleep(10)  # as long as the API server remembers a token
    spoke.assumed = 0

    assert spoke.deliver(scene.namespace) == []

    assert spoke.assumed == 1


def test_a_role_that_does_not_trust_the_pipeline_is_named(scene: Scene) -> None:
    scene.create({"password": "canary-sign-in-1"})
    spoke = Spoke(scene)
    iam = scene.cloud.aws.client("iam")
    iam.update_assume_role_policy(RoleName=scene.namespace, PolicyDocument=json.dumps(TRUST))

    [found] = spoke.deliver(scene.namespace)
    assert isinstance(found, AccessDenied)
    assert f"AWS refuses sts:AssumeRole on {spoke.role}" in str(found)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "sts.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_token_is_for_the_regional_host_whatever_endpoint_is_set(
    region: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    session = boto3.Session("AKIACANARY0000000000", "canary-key")

    token = eks.create_token(session, Eks(name=CLUSTER, region=region, account=ACCOUNT))

    encoded = token.removeprefix("k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    assert (url.scheme, url.netloc, url.path) == ("https", host, "/")


def test_a_session_that_makes_too_long_a_token_is_refused_before_the_cluster_does() -> None:
    session = boto3.Session("ASIACANARY0000000000", "canary-key", "canary" * 600)

    with pytest.raises(AccessDenied, match=r"bytes and the cluster takes 4096: the role's session carries too many"):
        eks.create_token(session, KNOWN)


def test_without_credentials_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with pytest.raises(Misconfigured, match=r"there are no AWS credentials: .* \(the sign-in to cluster "):
        eks.create_token(boto3.Session(), KNOWN)


def test_a_cluster_that_is_still_being_made_is_waited_for(cloud: Cloud, role: str) -> None:
    class Creating:
        def describe_cluster(self, name: str) -> dict[str, Any]:
            arn = f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/{name}"
            return {"cluster": {"name": name, "arn": arn, "status": "CREATING"}}

    with pytest.raises(Unreachable, match=r"has no endpoint yet \(status CREATING\)"):
        eks.read_endpoint(Creating(), _cluster())  # type: ignore[arg-type]
