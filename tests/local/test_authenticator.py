"""The local sign-in gives a token's signer what an access entry of the cluster says, and nobody else anything."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from keyferry_local import authenticator, aws
from keyferry_local.authenticator import Authenticator
from keyferry_local.aws import Aws
from tests.tokens import Draft

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    ],
}


class Site:
    """AWS with two clusters, and their sign-in."""

    def __init__(self, services: Aws, webhook: Authenticator) -> None:
        self.aws, self.webhook = services, webhook

    def client(self, service: str, account: str = ACCOUNT) -> Any:  # noqa: ANN401
        """Make a client as root of an account."""
        session = boto3.Session(account, "canary-unchecked", region_name="eu-west-1")
        config = Config(proxies={})
        return session.client(service, endpoint_url=self.aws.endpoint, config=config)  # type: ignore[call-overload]

    def review(self, token: str, cluster: str = "prod-eu", region: str = "eu-west-1", account: str = ACCOUNT) -> Any:  # noqa: ANN401
        """Ask as the API server of a cluster does."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        connection = http.client.HTTPConnection("127.0.0.1", self.webhook.port, timeout=30)
        path = self.webhook.address(account, region, cluster).partition(str(self.webhook.port))[2]
        connection.request("POST", path, json.dumps(review))
        answer = json.loads(connection.getresponse().read())
        connection.close()
        assert (answer["apiVersion"], answer["kind"]) == ("authentication.k8s.io/v1", "TokenReview")
        return answer["status"]

    def sign(self, role: str, session: str = "local") -> Draft:
        """Begin a token for prod-eu, signed by a session of the role."""
        keys = self.client("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
        return Draft(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    @contextmanager
    def role(self, name: str, *, path: str = "/", account: str = ACCOUNT) -> Iterator[str]:
        """Have a role for a while."""
        iam = self.client("iam", account)
        yield iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        iam.delete_role(RoleName=name)

    @contextmanager
    def entry(self, role: str, *, cluster: str = "prod-eu", account: str = ACCOUNT, **more: Any) -> Iterator[None]:  # noqa: ANN401
        """Have an access entry for a while."""
        eks = self.client("eks", account)
        eks.create_access_entry(clusterName=cluster, principalArn=role, **more)
        yield
        eks.delete_access_entry(clusterName=cluster, principalArn=role)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("sign-in")
    services = aws.start(directory / "aws", account=ACCOUNT)
    webhook = authenticator.start(directory, aws=services.endpoint, environment=services.environment())
    site = Site(services, webhook)
    with site.role("cluster") as role:
        for name in ("prod-eu", "prod-us"):
            site.client("eks").create_cluster(name=name, roleArn=role, resourcesVpcConfig={})
        yield site
    authenticator.stop(webhook)
    aws.stop(services)


@pytest.fixture(scope="module")
def keyferry(site: Site) -> Iterator[str]:
    """Give the role that the pipeline has: it may sign in to prod-eu."""
    with site.role("keyferry") as role, site.entry(role, username="keyferry", kubernetesGroups=["keyferry:deliver"]):
        yield role


@pytest.fixture(scope="module")
def draft(site: Site, keyferry: str) -> Draft:
    return site.sign(keyferry, "delivery-1")


def test_a_role_with_an_access_entry_signs_in_under_the_name_and_groups_of_the_entry(
    site: Site, draft: Draft, keyferry: str
) -> None:
    status = site.review(draft.token())
    role_id = site.client("iam").get_role(RoleName="keyferry")["Role"]["RoleId"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == "keyferry"
    assert status["user"]["groups"] == ["keyferry:deliver"]
    assert status["user"]["uid"] == f"aws-iam-authenticator:{ACCOUNT}:{role_id}"
    assert status["user"]["extra"]["sessionName"] == ["delivery-1"]
    assert status["user"]["extra"]["canonicalArn"] == [keyferry]


@pytest.mark.parametrize(
    "host", ["sts.eu-west-1.amazonaws.com", "sts.amazonaws.com", "sts-fips.us-east-1.amazonaws.com"]
)
def test_a_token_is_checked_with_the_host_that_it_was_signed_for(site: Site, draft: Draft, host: str) -> None:
    assert site.review(replace(draft, host=host).token())["authenticated"]


def test_a_token_that_is_fourteen_minutes_old_is_good(site: Site, draft: Draft) -> None:
    assert site.review(replace(draft, age=timedelta(minutes=14)).token())["authenticated"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"secret_key": "canary-wrong-key"}, "SignatureDoesNotMatch"),
        ({"cluster": "prod-us"}, "SignatureDoesNotMatch"),
        ({"access_key": "ASIACANARYNOBODYS000"}, "STS refuses the token"),
        ({"session_token": "canary-wrong-session"}, "STS refuses the token"),
        ({"session_token": None}, "STS refuses the token"),
        ({"age": timedelta(minutes=16)}, "too old"),
        ({"age": timedelta(minutes=-16)}, "Signature not yet current"),
        ({"extra": {"X-Amz-Meta": "1"}}, "not allowed"),
        ({"tail": "="}, "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_token_is_refused_for_what_is_wrong(
    site: Site, draft: Draft, change: dict[str, Any], reason: str
) -> None:
    status = site.review(replace(draft, **change).token())
    assert status["authenticated"] is False
    assert "user" not in status
    assert reason in status["error"]


def test_a_token_for_one_cluster_is_good_for_that_one_alone(site: Site, draft: Draft, keyferry: str) -> None:
    with site.entry(keyferry, cluster="prod-us", username="elsewhere"):
        assert "SignatureDoesNotMatch" in site.review(draft.token(), "prod-us")["error"]
        status = site.review(replace(draft, cluster="prod-us").token(), "prod-us")
        assert status["user"]["username"] == "elsewhere"


def test_padded_base64_is_refused(site: Site, draft: Draft) -> None:
    assert "unpadded" in site.review(draft.token() + "=")["error"]


def test_the_global_host_is_refused_in_another_partition(site: Site, draft: Draft) -> None:
    token = replace(draft, host="sts.amazonaws.com").token()
    assert "no STS host" in site.review(token, region="us-gov-west-1")["error"]


def test_a_role_without_an_access_entry_is_refused(site: Site) -> None:
    with site.role("stranger") as role:
        status = site.review(site.sign(role).token())
    assert status == {"authenticated": False, "error": f"prod-eu has no access entry for {role}"}


def test_a_cluster_that_does_not_exist_lets_nobody_in(site: Site, draft: Draft) -> None:
    assert "no access entry" in site.review(replace(draft, cluster="prod-ap").token(), "prod-ap")["error"]


def test_access_ends_with_the_entry(site: Site) -> None:
    with site.role("passing") as role:
        token = site.sign(role).token()
        with site.entry(role, username="passing"):
            assert site.review(token)["authenticated"]
        assert not site.review(token)["authenticated"]


def test_a_role_that_was_created_again_is_a_stranger_until_its_entry_is_made_anew(site: Site) -> None:
    with site.role("phoenix") as role:
        former = site.sign(role).token()
        entry = site.entry(role, username="phoenix")
        entry.__enter__()
    assert "is gone" in site.review(former)["error"]
    time.sleep(1.1)  # MiniStack's times are whole seconds
    with site.role("phoenix"):
        token = site.sign(role).token()
        assert "created after its access entry" in site.review(token)["error"]
        assert "created again" in site.review(former)["error"]
        entry.__exit__(None, None, None)
        with site.entry(role, username="phoenix"):
            assert site.review(token)["authenticated"]


def test_a_role_with_a_path_is_known_by_its_whole_arn(site: Site) -> None:
    with site.role("deep", path="/team/payments/") as role, site.entry(role, username="deep"):
        assert role.endswith(":role/team/payments/deep")
        assert site.review(site.sign(role).token())["user"]["username"] == "deep"


def test_a_function_signs_in_with_the_session_that_its_runtime_gives_it(site: Site, keyferry: str) -> None:
    keys = site.aws.credentials(keyferry, "deliver")
    status = site.review(Draft(keys.access_key, keys.secret_key, keys.session_token).token())
    assert status["user"]["username"] == "keyferry"
    assert status["user"]["extra"]["sessionName"] == ["deliver"]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("", f"arn:aws:sts::{ACCOUNT}:assumed-role/named/me@example.com".replace("me@", "me-")),
        ("team:{{SessionName}}", "team:me-example.com"),
        ("team:{{SessionNameRaw}}", "team:me@example.com"),
        ("team:{{AccountID}}:{{Unknown}}", f"team:{ACCOUNT}:{{{{Unknown}}}}"),
    ],
)
def test_a_user_name_is_filled_in(site: Site, template: str, name: str) -> None:
    with site.role("named") as role, site.entry(role, **({"username": template} if template else {})):
        token = site.sign(role, "me@example.com").token()
        assert site.review(token)["user"]["username"] == name


def test_a_user_signs_in_by_an_entry_of_its_own(site: Site) -> None:
    iam = site.client("iam")
    user = iam.create_user(UserName="somebody")["User"]["Arn"]
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    token = Draft(key["AccessKeyId"], key["SecretAccessKey"]).token()
    assert "no access entry" in site.review(token)["error"]
    with site.entry(user, kubernetesGroups=["admins"]):
        assert site.review(token)["user"]["username"] == user


def test_root_is_refused_since_nobody_checks_its_signature(site: Site) -> None:
    entries = site.client("eks").list_access_entries(clusterName="prod-eu")["accessEntries"]
    assert f"arn:aws:iam::{ACCOUNT}:root" in entries  # MiniStack's entry for whoever created the cluster
    assert "neither a role's session nor a user" in site.review(Draft(ACCOUNT, "canary-any-key").token())["error"]


def test_a_cluster_of_another_account_knows_the_roles_of_its_own(site: Site) -> None:
    with site.role("cluster", account=OTHER_ACCOUNT) as role:
        eks = site.client("eks", OTHER_ACCOUNT)
        eks.create_cluster(name="prod-eu", roleArn=role, resourcesVpcConfig={})
    with site.role("spoke", account=OTHER_ACCOUNT) as role, site.entry(role, account=OTHER_ACCOUNT, username="spoke"):
        token = site.sign(role).token()
        assert site.review(token, account=OTHER_ACCOUNT)["user"]["username"] == "spoke"
        assert "no access entry" in site.review(token)["error"]


def test_each_decision_is_a_line_of_the_log_that_holds_nothing_of_the_token(site: Site, draft: Draft) -> None:
    log: Path = site.webhook.process.log
    before = len(log.read_text().splitlines())
    good, bad = draft.token(), replace(draft, secret_key="canary-wrong-key").token()
    site.review(good)
    site.review(bad)
    first, second = log.read_text().splitlines()[before:]
    assert "eu-west-1/prod-eu arn:aws:sts::111122223333:assumed-role/keyferry/delivery-1 is keyferry in" in first
    assert "eu-west-1/prod-eu refused: STS refuses the token (403 SignatureDoesNotMatch" in second
    text = log.read_text()
    for secret in (good[11:60], bad[-40:], draft.secret_key, draft.session_token or "", "X-Amz-Signature"):
        assert secret not in text


def test_another_path_is_no_cluster(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.webhook.port, timeout=5)
    connection.request("POST", "/prod-eu", "{}")
    assert connection.getresponse().status == http.HTTPStatus.NOT_FOUND
    connection.close()
