"""A source in several regions: which serves where the first is down, and never anything older than what is there."""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import get_args

import pytest

from keyferry.delivery.preview import list_gaps
from keyferry.delivery.report import Report
from keyferry.errors import AccessDenied, Outdated, SourceUnavailable, Throttled, Unreachable
from keyferry.runtime.wiring import Runtime
from keyferry_local.direct import Direct, deadline, delivery
from tests.integration.outages.regions import Regions, Trouble, regions
from tests.integration.scene import Scene, error

HOME, FIRST, SECOND = "eu-west-1", "us-east-1", "eu-central-1"
OUTAGES: tuple[Trouble, ...] = ("broken", "lost", "throttled", "silent")
REFUSALS = {"denied": AccessDenied, "missing": SourceUnavailable}


@pytest.fixture
def aws(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Regions]:
    """AWS, whose regions can go wrong for both services of sources."""
    with regions(scene.cloud.aws.endpoint) as made:
        for service in ("SECRETS_MANAGER", "SSM"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", made.url)
        yield made


class Failing:
    """A secret with replicas in two regions, and deliveries of it."""

    def __init__(self, scene: Scene, aws: Regions, *failover: str | Mapping[str, str], **source: str) -> None:
        self.scene, self.aws = scene, aws
        which = source or {"secretsManager": scene.source}
        self.direct: Direct = scene.grant(
            sources={"db": which | {"failover": list(failover or (FIRST, SECOND))}},
            secret={"name": "db", "data": {"value": {"from": "db"}}},
        )
        self.anew()

    def anew(self) -> None:
        """Take an environment that knows nothing of outages."""
        self.runtime = Runtime({}, self.direct.catalog, self.scene.cloud.aws.session(self.direct.role))

    def deliver(self) -> Report:
        """Carry out a delivery."""
        return self.runtime.deliver(delivery(self.scene.namespace), deadline())


def replicated(scene: Scene, value: str, *to: str) -> None:
    """Make the secret, and its replicas."""
    scene.create(value)
    client = scene.cloud.aws.client("secretsmanager")
    client.replicate_secret_to_regions(
        SecretId=scene.source, AddReplicaRegions=[{"Region": region} for region in to or (FIRST, SECOND)]
    )


def test_the_first_region_serves_while_it_answers_and_nothing_is_told(scene: Scene, aws: Regions) -> None:
    replicated(scene, "canary-failover-1")
    report = Failing(scene, aws).deliver()
    assert (report.errors, dict(report.served)) == ([], {})
    assert set(aws.asked) == {HOME}
    assert "served" not in report.log_fields()


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_moves_on_to_the_next_region_and_the_report_says_so(
    scene: Scene, aws: Regions, outage: Trouble
) -> None:
    replicated(scene, "canary-failover-2")
    aws.trouble = {HOME: outage}
    report = Failing(scene, aws).deliver()
    assert report.errors == []
    assert scene.data() == {"value": b"canary-failover-2"}
    assert report.log_fields()["served"] == {"db": FIRST}


def test_regions_are_tried_in_order(scene: Scene, aws: Regions) -> None:
    replicated(scene, "canary-failover-3")
    aws.trouble = {HOME: "broken", FIRST: "lost"}
    report = Failing(scene, aws).deliver()
    assert (report.errors, dict(report.served)) == ([], {"db": SECOND})


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
def test_a_refusal_of_the_first_region_is_an_error_at_once(scene: Scene, aws: Regions, refusal: Trouble) -> None:
    replicated(scene, "canary-failover-4")
    aws.trouble = {HOME: refusal}
    assert isinstance(error(Failing(scene, aws).deliver()), REFUSALS[refusal])
    assert set(aws.asked) == {HOME}
    assert scene.data() is None


@pytest.mark.parametrize(("outage", "kind"), [("broken", Unreachable), ("throttled", Throttled)])
def test_where_all_fail_the_error_is_that_of_the_first_with_what_the_others_said(
    scene: Scene, aws: Regions, outage: Trouble, kind: type[Exception]
) -> None:
    replicated(scene, "canary-failover-5")
    aws.trouble = {HOME: outage, FIRST: "denied", SECOND: "broken"}
    found = error(Failing(scene, aws).deliver())
    assert isinstance(found, kind)
    assert str(found).startswith(f"secretsmanager:GetSecretValue on {scene.source} (AWSCURRENT) in {HOME}: ")
    assert f"; {FIRST}: AWS refuses secretsmanager:GetSecretValue" in str(found)
    assert f"; {SECOND}: secretsmanager:GetSecretValue" in str(found)


def test_a_region_without_the_secret_is_told_before_it_is_needed_and_a_delivery_asks_none(
    scene: Scene, aws: Regions
) -> None:
    replicated(scene, "canary-failover-gap", FIRST)
    failing = Failing(scene, aws)
    assert not failing.deliver().errors
    assert set(aws.asked) == {HOME}
    [gap] = list_gaps(failing.runtime.prepare(delivery(scene.namespace), deadline()))
    assert f"source db: failover to {SECOND} would fail: " in str(gap)
    assert "canary" not in str(gap)


def test_a_region_that_was_silent_is_asked_after_the_others_for_a_while(scene: Scene, aws: Regions) -> None:
    replicated(scene, "canary-failover-6")
    aws.trouble = {HOME: "silent"}
    began = time.monotonic()
    assert not Failing(scene, aws).deliver().errors
    assert time.monotonic() - began < 12  # once 6 seconds and a pause, for the two reads of a delivery
    assert aws.asked[HOME] == 2


def test_another_name_there_is_read_with_rights_of_its_own(scene: Scene, aws: Regions) -> None:
    scene.create("canary-failover-7")
    there = scene.cloud.aws.client("secretsmanager", region=FIRST)
    there.create_secret(Name=f"backup/{scene.source}", SecretString="canary-failover-8")
    aws.trouble = {HOME: "broken"}
    report = Failing(scene, aws, {"region": FIRST, "name": f"backup/{scene.source}"}).deliver()
    assert (report.errors, dict(report.served)) == ([], {"db": FIRST})
    assert scene.data() == {"value": b"canary-failover-8"}


def test_an_arn_is_that_of_its_replica_in_the_other_region(scene: Scene, aws: Regions) -> None:
    replicated(scene, "canary-failover-9")
    arn = scene.cloud.aws.client("secretsmanager").describe_secret(SecretId=scene.source)["ARN"]
    aws.trouble = {HOME: "broken"}
    report = Failing(scene, aws, FIRST, secretsManager=arn).deliver()
    assert (report.errors, dict(report.served)) == ([], {"db": FIRST})


def test_a_parameter_fails_over_too(scene: Scene, aws: Regions) -> None:
    for region, value in ((HOME, "canary-failover-10"), (FIRST, "canary-failover-11")):
        scene.cloud.aws.client("ssm", region=region).put_parameter(
            Name=f"/{scene.source}", Value=value, Type="SecureString"
        )
    failing = Failing(scene, aws, FIRST, parameterStore=f"/{scene.source}")
    aws.trouble = {HOME: "lost"}
    report = failing.deliver()
    assert (report.errors, dict(report.served)) == ([], {"db": FIRST})
    assert scene.data() == {"value": b"canary-failover-11"}


def test_the_same_version_of_a_replica_changes_nothing(scene: Scene, aws: Regions) -> None:
    replicated(scene, "canary-failover-12")
    failing = Failing(scene, aws)
    assert not failing.deliver().errors
    aws.trouble = {HOME: "broken"}
    with scene.untouched("Secret", "db"):
        report = failing.deliver()
    assert [outcome.did for outcome in report.outcomes] == ["unchanged"]
    assert dict(report.served) == {"db": FIRST}


def test_an_older_version_elsewhere_leaves_the_secret_as_it_was_and_says_which_and_where(
    scene: Scene, aws: Regions
) -> None:
    scene.create("canary-failover-13")
    there = scene.cloud.aws.client("secretsmanager", region=FIRST)
    there.create_secret(Name=scene.source, SecretString="canary-failover-old")
    time.sleep(1.1)  # the emulator's times are whole seconds
    scene.put("canary-failover-14")
    failing = Failing(scene, aws, FIRST)
    assert not failing.deliver().errors
    aws.trouble = {HOME: "broken"}

    with scene.untouched("Secret", "db"):
        report = failing.deliver()

    found = error(report)
    assert isinstance(found, Outdated)
    assert report.can_retry
    assert f"source db: region {FIRST}, which serves in place of the first one, has a version of 20" in str(found)
    made, before = (datetime.fromisoformat(each) for each in re.findall(r"\d{4}-\d\d-\d\dT[\d:+]+\d", str(found)))
    assert made < before

    there.put_secret_value(SecretId=scene.source, SecretString="canary-failover-15")
    time.sleep(1.1)
    there.put_secret_value(SecretId=scene.source, SecretString="canary-failover-16")
    report = failing.deliver()
    assert (report.errors, scene.data()) == ([], {"value": b"canary-failover-16"})

    aws.trouble = {}
    failing.anew()
    report = failing.deliver()
    assert (report.errors, scene.data()) == ([], {"value": b"canary-failover-14"})  # the first region is right


def test_every_trouble_is_tried() -> None:
    assert {*OUTAGES, *REFUSALS} == set(get_args(Trouble.__value__))
