"""The local sign-in reads a token by the rules of aws-iam-authenticator, before it asks AWS about it."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyferry_local import eks_token
from tests.tokens import Draft

DRAFT = Draft("ASIACANARYACCESSKEY0", "canary-secret-key", "canary-session-token")


def read(token: str, region: str = "eu-west-1") -> eks_token.SignedRequest:
    return eks_token.read(token, region=region, now=datetime.now(UTC))


def encoded(text: str) -> str:
    return "k8s-aws-v1." + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_good_token_is_a_request_to_the_host_that_it_was_signed_for() -> None:
    request = read(DRAFT.token())
    assert request.host == "sts.eu-west-1.amazonaws.com"
    assert request.access_key_id == "ASIACANARYACCESSKEY0"
    assert DRAFT.url().startswith(f"https://{request.host}/?{request.query}"[:80])


@pytest.mark.parametrize("age", [timedelta(minutes=14, seconds=50), timedelta(minutes=-5)])
def test_a_token_is_good_for_fifteen_minutes_whatever_its_expiry_says(age: timedelta) -> None:
    assert read(replace(DRAFT, age=age).token())


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (replace(DRAFT, age=timedelta(minutes=16)), "too old"),
        (replace(DRAFT, scheme="http"), "scheme"),
        (replace(DRAFT, host="sts.evil.example"), "no STS host"),
        (replace(DRAFT, host="sts.eu-west-1.amazonaws.com:8443"), "no STS host"),
        (replace(DRAFT, host="sts.eu-west-1.amazonaws.com.evil.example"), "no STS host"),
        (replace(DRAFT, host="sts.us-gov-west-1.amazonaws.com"), "no STS host"),
        (replace(DRAFT, path="/x"), "path"),
        (replace(DRAFT, action="AssumeRole"), "action"),
        (replace(DRAFT, signed_headers=("host",)), "x-k8s-aws-id is not signed"),
        (replace(DRAFT, extra={"X-Amz-Meta": "1"}), "'X-Amz-Meta' is not allowed"),
        (replace(DRAFT, tail="&action=GetCallerIdentity"), "'action' is there twice"),
        (replace(DRAFT, tail="&Action=GetCallerIdentity"), "'Action' is there twice"),
        (replace(DRAFT, tail="&%zz=1"), "malformed"),
        (replace(DRAFT, expires="901"), "X-Amz-Expires"),
        (replace(DRAFT, expires="-1"), "X-Amz-Expires"),
        (replace(DRAFT, expires="soon"), "X-Amz-Expires"),
        (replace(DRAFT, session_token="canary-" + "x" * 4096), "more than 4096 bytes"),
    ],
)
def test_a_token_that_is_wrong_in_one_way_is_refused_for_that(draft: Draft, reason: str) -> None:
    with pytest.raises(eks_token.RefusedError, match=reason) as refused:
        read(draft.token())
    assert "canary" not in str(refused.value)


def test_padded_base64_is_refused() -> None:
    with pytest.raises(eks_token.RefusedError, match="unpadded"):
        read(DRAFT.token() + "=")


@pytest.mark.parametrize("token", ["k8s-aws-v1.A", "k8s-aws-v1._w", encoded("https://[/?x")])
def test_a_token_that_holds_no_url_is_refused(token: str) -> None:
    with pytest.raises(eks_token.RefusedError, match="no URL"):
        read(token)


def test_another_prefix_is_refused() -> None:
    with pytest.raises(eks_token.RefusedError, match=r"begin with k8s-aws-v1\."):
        read(DRAFT.token().replace("v1", "v2", 1))


def test_a_token_without_a_date_is_refused() -> None:
    with pytest.raises(eks_token.RefusedError, match="X-Amz-Date"):
        read(encoded(DRAFT.url().replace("X-Amz-Date=", "X-Amz-Date=x")))


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sts.amazonaws.com", "eu-west-1"),
        ("sts.us-east-1.amazonaws.com", "eu-west-1"),
        ("sts-fips.us-east-1.amazonaws.com", "eu-west-1"),
        ("sts.eu-west-1.api.aws", "eu-west-1"),
        ("sts.us-gov-west-1.amazonaws.com", "us-gov-east-1"),
        ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_any_sts_host_of_the_clusters_partition_will_do(host: str, region: str) -> None:
    assert eks_token.is_sts(host, region)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sts.amazonaws.com", "us-gov-west-1"),
        ("sts.amazonaws.com", "cn-north-1"),
        ("sts.cn-north-1.amazonaws.com", "cn-north-1"),
        ("sts.eu-west-1.amazonaws.com", "cn-north-1"),
        ("sts.nowhere-1.amazonaws.com", "elsewhere-1"),
    ],
)
def test_no_sts_host_of_another_partition_will_do(host: str, region: str) -> None:
    assert not eks_token.is_sts(host, region)
