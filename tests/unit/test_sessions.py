"""Sessions of roles: assumed when they are needed, once for all threads, and again when they end or are refused."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import boto3
import pytest

from keyferry.aws import secrets_manager
from keyferry.aws.eks import Tokens
from keyferry.aws.sessions import Sessions
from keyferry.aws.sources import Sources
from keyferry.errors import AccessDenied, Misconfigured, NotSignedIn
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster, Eks
from keyferry.role import Role
from keyferry.runtime.wiring import Runtime
from keyferry.stores.source import Source
from keyferry.testing import FakeClock
from tests.unit.fake_sts import FakeSts

HUB = Role(arn="arn:aws:iam::444455556666:role/hub", external_id="x-1")
SPOKE = Role(arn="arn:aws:iam::777788889999:role/spoke", session_tags={"team": "a", "env": "b"})
OTHER = Role(arn="arn:aws:iam::777788889999:role/other")
PERSON = "keyferry-push-alice"
EKS = Eks(name="prod-eu", region="eu-central-1", account="777788889999")


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> FakeSts:
    """AWS, for every client."""
    fake = FakeSts()
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", lambda _self, request: fake.send(request))
    return fake


def read(sessions: Sessions, *roles: Role, region: str = "eu-west-1") -> str:
    """Read a secret with a chain of roles, and return its version."""
    client = sessions.client("secretsmanager", region, roles)
    return secrets_manager.read(client, Source.model_validate({"secretsManager": "db"})).version


def cluster(role: Role | None) -> Cluster:
    return Cluster(name="prod-eu", eks=EKS, role=role and role.arn)


def test_nothing_is_assumed_before_it_is_needed_and_then_once_for_all_threads(sts: FakeSts) -> None:
    sessions = Sessions(sts.session())
    assert sessions.client("secretsmanager", None, [HUB]) is sessions.client("secretsmanager", None, [HUB])
    assert sts.assumed == []

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda _: read(sessions, HUB, SPOKE), range(16)))

    assert versions == ["v1"] * 16
    assert sts.assumed == ["own > hub in eu-west-1", "hub > spoke in eu-west-1"]


@pytest.mark.parametrize("chain", [[], [HUB]])
def test_a_client_that_gives_up_early_is_never_the_one_that_waits(sts: FakeSts, chain: Sequence[Role]) -> None:
    sessions = Sessions(sts.session())
    for _ in range(2):
        hasty = sessions.client("secretsmanager", None, chain, fail_fast=True)
        patient = sessions.client("secretsmanager", None, chain)
        assert [client.meta.config.read_timeout for client in (hasty, patient)] == [3, 5]
        assert [client.meta.config.retries["total_max_attempts"] for client in (hasty, patient)] == [2, 2]


def test_chains_share_the_roles_that_they_begin_with(sts: FakeSts) -> None:
    sessions = Sessions(sts.session())
    for chain in ([HUB, SPOKE], [HUB], [HUB, OTHER], [OTHER], []):
        read(sessions, *chain)
    assert [each.partition(" in ")[0] for each in sts.assumed] == [
        "own > hub",
        "hub > spoke",
        "hub > other",
        "own > other",
    ]


def test_the_sts_of_the_region_that_is_asked_is_asked_since_another_may_be_down(sts: FakeSts) -> None:
    sessions = Sessions(sts.session())
    read(sessions, HUB)
    read(sessions, HUB, region="us-east-1")
    sessions.client("eks", None, [HUB])
    assert sts.assumed == ["own > hub in eu-west-1", "own > hub in us-east-1"]


def test_sts_is_told_what_the_trust_policy_asks_for(sts: FakeSts) -> None:
    read(Sessions(sts.session(), session_name="keyferry-deliver"), HUB, SPOKE)
    common = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleSessionName": "keyferry-deliver"}
    tags = {"Tags.member.1.Key": "env", "Tags.member.1.Value": "b", "Tags.member.2.Key": "team"}
    assert sts.told == [
        common | {"RoleArn": HUB.arn, "ExternalId": "x-1"},
        common | tags | {"RoleArn": SPOKE.arn, "Tags.member.2.Value": "a"},
    ]


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        ("arn:aws:iam::111122223333:user/team/alice", "keyferry-push-alice"),
        (
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_x/al+ice@example.com",
            "keyferry-push-al+ice@example.com",
        ),
        ("arn:aws:iam::111122223333:root", "keyferry-push-root"),
        (f"arn:aws:sts::111122223333:assumed-role/x/{'a' * 64}", f"keyferry-push-{'a' * 50}"),
    ],
)
def test_a_session_of_a_person_is_called_after_the_person_who_is_asked_for_once(
    sts: FakeSts, caller: str, name: str
) -> None:
    sts.caller = caller
    sessions = Sessions(sts.session())
    read(sessions)
    assert sts.asked_who == 0
    read(sessions, HUB, SPOKE)
    assert [said["RoleSessionName"] for said in sts.told] == [name, name]
    assert sts.asked_who == 1
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", name)


@pytest.mark.parametrize(
    ("environment", "name"), [({"AWS_LAMBDA_FUNCTION_NAME": "a-deliver"}, "a-deliver"), ({}, PERSON)]
)
def test_a_function_is_told_from_a_person_by_the_names_of_its_sessions(
    sts: FakeSts, environment: dict[str, str], name: str
) -> None:
    source = Source.model_validate({"secretsManager": "db", "role": HUB.arn})
    Runtime(environment, Catalog(), sts.session())._sources.read(source)
    assert [said["RoleSessionName"] for said in sts.told] == [name]


@pytest.mark.parametrize("refused", [HUB, SPOKE])
def test_a_role_that_cannot_be_assumed_is_named_and_not_the_call_that_needed_it(
    sts: FakeSts, refused: Role, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = Sessions(sts.session())
    sts.refuses[refused.arn.rpartition("/")[2]] = "AccessDenied"

    with pytest.raises(AccessDenied, match=f"AWS refuses sts:AssumeRole on {refused.arn}") as reading:
        read(sessions, HUB, SPOKE)
    assert "GetSecretValue" not in str(reading.value)
    assert caplog.records == []

    sts.refuses = {}
    assert read(sessions, HUB, SPOKE) == "v1"


def test_a_cluster_s_role_that_cannot_be_assumed_is_named(sts: FakeSts) -> None:
    sts.refuses["hub"] = "AccessDenied"
    with pytest.raises(AccessDenied, match=f"AWS refuses sts:AssumeRole on {HUB.arn}"):
        Tokens(Sessions(sts.session()), cluster(HUB)).get()


def test_without_credentials_no_role_is_assumed(sts: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    own = boto3.Session(region_name="eu-west-1")
    monkeypatch.setattr(own, "get_credentials", lambda: None)
    with pytest.raises(Misconfigured, match=rf"there are no AWS credentials: .* \(sts:AssumeRole on {HUB.arn}\)"):
        read(Sessions(own), HUB)


@pytest.mark.parametrize(("minutes", "times"), [(16, 1), (14, 2)])
def test_a_session_is_begun_anew_a_quarter_of_an_hour_before_it_ends(sts: FakeSts, minutes: int, times: int) -> None:
    sts.lasting = timedelta(minutes=minutes)
    sessions = Sessions(sts.session())
    read(sessions, HUB)
    read(sessions, HUB)
    assert len(sts.assumed) == times


@pytest.mark.parametrize(("minutes", "serves"), [(14, True), (9, False)])
def test_a_session_that_cannot_be_begun_anew_serves_until_it_has_ten_minutes(
    sts: FakeSts, minutes: int, *, serves: bool
) -> None:
    sts.lasting = timedelta(minutes=minutes)
    sessions = Sessions(sts.session())
    assert read(sessions, HUB) == "v1"
    sts.refuses["hub"] = "AccessDenied"
    if serves:
        assert read(sessions, HUB) == "v1"
    else:
        with pytest.raises(AccessDenied, match=f"sts:AssumeRole on {HUB.arn}"):
            read(sessions, HUB)
    assert len(sts.told) == 2


def test_a_chain_that_is_refused_is_assumed_anew_from_its_beginning_and_the_call_repeated_once(sts: FakeSts) -> None:
    sources = Sources(Sessions(sts.session()))
    source = Source.model_validate({"secretsManager": "db", "role": [HUB.model_dump(by_alias=True), SPOKE.arn]})
    assert sources.read(source).version == "v1"

    sts.end("hub", "spoke")
    assert sources.read(source).version == "v1"
    assert sts.assumed == ["own > hub in eu-west-1", "hub > spoke in eu-west-1"] * 2

    sts.end("own", "hub", "spoke")
    with pytest.raises(NotSignedIn, match=f"sts:AssumeRole on {HUB.arn}"):
        sources.read(source)
    assert len(sts.told) == 5


@pytest.mark.parametrize(("forgotten", "anew"), [([HUB], ["hub"]), ([HUB, SPOKE], ["hub", "spoke"]), ([], [])])
def test_what_is_forgotten_is_a_chain_with_all_it_begins_with(
    sts: FakeSts, forgotten: Sequence[Role], anew: list[str]
) -> None:
    sessions = Sessions(sts.session())
    chains = ([HUB], [HUB, SPOKE], [OTHER])
    clients = [sessions.client("secretsmanager", None, chain) for chain in chains]
    read(sessions, HUB, SPOKE)
    read(sessions, OTHER)
    before = len(sts.assumed)

    sessions.forget(forgotten)

    read(sessions, HUB)
    read(sessions, HUB, SPOKE)
    read(sessions, OTHER)
    assert [each.split()[2] for each in sts.assumed[before:]] == anew
    assert clients[2] is sessions.client("secretsmanager", None, [OTHER])


def test_a_token_that_several_threads_were_refused_is_made_anew_once_in_a_new_session(sts: FakeSts) -> None:
    clock = FakeClock()
    tokens = Tokens(Sessions(sts.session()), cluster(HUB), clock)
    first = tokens.get()
    assert tokens.get() == first

    clock.jump(30)
    tokens.forget(first)
    second = tokens.get()
    tokens.forget(first)

    assert tokens.get() == second != first
    assert sts.assumed == ["own > hub in eu-central-1"] * 2


def test_a_token_that_is_refused_while_it_is_new_is_kept_and_no_role_is_assumed_for_it(sts: FakeSts) -> None:
    clock = FakeClock()
    tokens = Tokens(Sessions(sts.session()), cluster(HUB), clock)
    first = tokens.get()
    clock.jump(29)
    tokens.forget(first)
    assert tokens.get() == first
    assert sts.assumed == ["own > hub in eu-central-1"]
