"""A source in several regions, and sources with roles: what a mapping can say, what that takes, and what is older."""

from typing import Any

import pytest
from pydantic import ValidationError

from keyferry.access import grants
from keyferry.aws import sources as aws_sources
from keyferry.aws.errors import build_error
from keyferry.aws.sources import Sources
from keyferry.cli.output import results
from keyferry.cli.output.pushed import dump_report
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import VERSIONS, Observed
from keyferry.delivery.plan import Annotate, Done, Restart, Write, plan
from keyferry.errors import (
    AccessDenied,
    KeyferryError,
    NotSignedIn,
    Outdated,
    Rejected,
    SourceUnavailable,
    Throttled,
    Unreachable,
)
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place, SourceValue
from keyferry.pipeline.compare import compare_secret
from keyferry.policy.rules import AllowedSources
from keyferry.render.render import render
from keyferry.role import Role, chain_key
from keyferry.stores.grant import Grant
from keyferry.stores.source import Source
from keyferry.testing import FakeCluster
from tests.unit.samples import ACCOUNT, PLACE, WHEN, mapping, value
from tests.unit.world import World

ARN = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:prod/db-a1B2c3"
HUB, SPOKE = (f"arn:aws:iam::{account}:role/secrets" for account in ("444455556666", "777788889999"))
SECRETS = "arn:${AWS::Partition}:secretsmanager"


def source(**parts: Any) -> Source:  # noqa: ANN401
    return Source.model_validate({"secretsManager": "prod/db"} | parts)


# Regions


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"failover": ["Frankfurt"]}, "String should match pattern"),
        ({"failover": ["us-east-1", "us-east-1"]}, "region us-east-1 is named twice; failover goes to other regions"),
        ({"region": "us-east-1", "failover": ["us-east-1"]}, "region us-east-1 is named twice"),
        ({"secretsManager": ARN, "failover": ["eu-west-1"]}, "region eu-west-1 is named twice"),
        ({"failover": [{"region": "us-east-1", "name": "a*"}]}, "not the name of a secret"),
        ({"failover": [{"region": "us-east-1", "name": "${team}"}]}, "stands for nothing"),
        ({"metadata": "tags", "failover": ["us-east-1"]}, "tags belong to no version"),
        ({"metadata": "tags", "label": "blue"}, "tags belong to no version"),
        ({"metadata": "labels"}, "Input should be 'tags'"),
    ],
)
def test_regions_that_cannot_be_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        source(**wrong)
    assert said in str(raised.value)


def test_elsewhere_it_has_the_same_name_or_its_own_and_the_arn_of_a_replica() -> None:
    made = source(failover=["us-east-1", {"region": "eu-central-1", "name": "backup/db"}]).replicas
    assert [(each.identifier, each.home_region, each.failover) for each in made] == [
        ("prod/db", "us-east-1", []),
        ("backup/db", "eu-central-1", []),
    ]
    [replica] = source(secretsManager=ARN, failover=["us-east-1"]).replicas
    assert (replica.identifier, replica.home_region) == (ARN.replace("eu-west-1", "us-east-1"), "us-east-1")


def test_placeholders_are_filled_in_every_region() -> None:
    spread = source(secretsManager="a", failover=[{"region": "us-east-1", "name": "b/${namespace}"}, "eu-central-1"])
    assert spread.placeholders == {"namespace"}
    there = spread.resolve(Place("prod-eu", "shop"))
    assert [each.identifier for each in (there, *there.replicas)] == ["a", "b/shop", "a"]
    assert not there.placeholders


def test_the_rights_are_for_every_region() -> None:
    spread = source(failover=["us-east-1", {"region": "eu-central-1", "name": "backup/db"}])
    assert [each.resource for each in grants.list_grants(spread) if each.action != "kms:Decrypt"] == [
        f"{SECRETS}:${{AWS::Region}}:${{AWS::AccountId}}:secret:prod/db-??????",
        f"{SECRETS}:us-east-1:${{AWS::AccountId}}:secret:prod/db-??????",
        f"{SECRETS}:eu-central-1:${{AWS::AccountId}}:secret:backup/db-??????",
    ]


def test_tags_take_the_right_to_describe_and_none_to_read() -> None:
    told = [source(metadata="tags"), Source.model_validate({"parameterStore": "/a", "metadata": "tags"})]
    assert [grant.action for each in told for grant in grants.list_grants(each)] == [
        "secretsmanager:DescribeSecret",
        "ssm:ListTagsForResource",
    ]


# What is older


NEW, OLD = "2026-11-24T12:00:00+00:00", "2026-11-24T11:00:00+00:00"
SPREAD: dict[str, Any] = {"sources": {"db": {"secretsManager": "a", "failover": ["us-east-1"]}}, "restart": "none"}
WHOLE: dict[str, Any] = SPREAD | {"data": {"key": {"from": "db"}}}


def render_at(wanted: SecretMapping, sources: dict[str, SourceValue]) -> Desired:
    return Desired.from_rendered(wanted, render(wanted, sources, PLACE))


def served(version: str, text: str = "canary-1", region: str | None = None) -> SourceValue:
    read = value(text, version)
    return SourceValue(read.content, read.version, created=WHEN, served=region)


def holding(version: str) -> Observed:
    """Return a Secret whose journal has a version."""
    cluster, wanted = FakeCluster(), render_at(mapping(**WHOLE), {"db": served(version)})
    action = plan(wanted, None, "nonce", WHEN)
    assert isinstance(action, Write)
    return Observed.from_object(cluster.apply_secret("payments", action.body, wanted.manager, force=False))


@pytest.mark.parametrize(
    ("held", "there", "region", "outdated"),
    [
        (f"v2@{NEW}", f"v1@{OLD}", "us-east-1", True),
        (f"v2@{NEW}", f"v1@{OLD}", None, False),  # the first region went back
        (f"v2@{NEW}", f"v3@{NEW}", "us-east-1", False),
        (f"v2@{OLD}", f"v3@{NEW}", "us-east-1", False),
        (f"v2@{NEW}", f"v2@{OLD}", "us-east-1", False),  # the same, whenever it was copied
        ("v2", f"v3@{NEW}", "us-east-1", True),  # it is not known what is newer
        ("v2", f"v2@{NEW}", "us-east-1", False),
    ],
)
def test_another_region_never_takes_a_secret_back(held: str, there: str, region: str | None, *, outdated: bool) -> None:
    wanted = render_at(mapping(**WHOLE), {"db": served(there, "canary-2", region)})
    if not outdated:
        assert isinstance(plan(wanted, holding(held), "nonce", WHEN), Write)
        return
    with pytest.raises(Outdated) as raised:
        plan(wanted, holding(held), "nonce", WHEN)
    before = NEW if "@" in held else "an unknown date"
    assert "source db: region us-east-1, which serves in place of the first one" in str(raised.value)
    assert f"has a version of {there.partition('@')[2]}, and Secret payments-db holds one of {before}" in str(
        raised.value
    )


def test_parameters_are_numbered_in_each_region_and_only_dates_count() -> None:
    spec = WHOLE | {"sources": {"db": {"parameterStore": "/a", "failover": ["us-east-1"]}}}
    cluster, first = FakeCluster(), render_at(mapping(**spec), {"db": served(f"3@{NEW}")})
    action = plan(first, None, "nonce", WHEN)
    assert isinstance(action, Write)
    observed = Observed.from_object(cluster.apply_secret("payments", action.body, first.manager, force=False))
    with pytest.raises(Outdated):
        plan(render_at(mapping(**spec), {"db": served(f"3@{OLD}", region="us-east-1")}), observed, "nonce", WHEN)


def test_what_another_mapping_has_written_or_nobody_can_read_holds_nothing_of_ours() -> None:
    wanted = render_at(mapping(**WHOLE), {"db": served(f"v1@{OLD}", region="us-east-1")})
    for text in ("not JSON", "[]", "{}"):
        cluster = FakeCluster()
        action = plan(wanted, None, "nonce", WHEN)
        assert isinstance(action, Write)
        cluster.apply_secret("payments", action.body, wanted.manager, force=False)
        cluster.edit("payments", "payments-db", annotations={VERSIONS: text}, manager="keyferry:payments-db")
        observed = Observed.from_object(cluster.secrets["payments", "payments-db"].as_object("payments-db"))
        assert observed.get_journal_versions() == {}
        assert not isinstance(plan(wanted, observed, "nonce", WHEN), Done | Restart | Write)
        assert isinstance(plan(wanted, observed, "nonce", WHEN), Annotate)


@pytest.mark.parametrize(("now", "same"), [("v2", True), (f"v2@{NEW}", True), ("v3", False), (NEW, False)])
def test_the_sweep_compares_ids_without_their_dates(now: str, *, same: bool) -> None:
    said = compare_secret(
        mapping(**WHOLE), {"db": now}, holding(f"v2@{NEW}"), Place("prod-eu", "payments"), WHEN
    ).difference
    assert said == ("" if same else "a source has another version")


def test_the_report_says_which_region_served_and_where_it_was_the_first_nothing() -> None:
    world = World("payments")
    found = served(f"v1@{NEW}", '{"username": "me", "password": "canary-1"}', "us-east-1")
    report = world.deliver(create_reader=lambda _sources: lambda _source: found)
    assert report.log_fields()["served"] == {"db": "us-east-1"}
    assert dump_report(report, "payments-db")["served"] == {"db": "us-east-1"}
    [row] = results._rows_of_report(report, {report.delivery.mapping: "payments-db"})
    assert row.why.endswith("; db from us-east-1")
    assert "served" not in world.deliver().log_fields()


# Which region is asked


class Places:
    """Regions that answer, or raise."""

    def __init__(self, **says: KeyferryError | str) -> None:
        self.says, self.asked, self.now = says, list[str](), 0.0
        sessions: Any = self
        self.sources = Sources(sessions, lambda: self.now)

    region = "eu-west-1"

    def read(self, *failover: str, **more: Any) -> SourceValue:  # noqa: ANN401
        """Read a source that fails over to these."""
        return self.sources.read(source(failover=list(failover), **more))

    def client(self, _service: str, region: str | None, _role: object, **how: bool) -> "Places":
        """Return a client of a region."""
        self.asked.append((region or "home") + "!" * how["fail_fast"])
        self.meta = type("meta", (), {"region_name": region})
        self.answer = self.says[(region or "home").replace("-", "_")]
        return self

    def forget(self, roles: list[Role]) -> None:
        """Remember which roles are to be assumed anew."""
        self.asked.append(f"forget {roles[-1].arn}")

    def get_secret_value(self, **_: str) -> dict[str, Any]:
        """Answer."""
        if isinstance(self.answer, KeyferryError):
            raise self.answer
        return {"VersionId": self.answer, "SecretString": "canary-1", "CreatedDate": WHEN}


def test_the_last_place_is_asked_with_patience_and_the_others_in_a_hurry() -> None:
    places = Places(home=Unreachable("no answer"), us_east_1=Throttled("slow down"), eu_central_1="v1")
    found = places.read("us-east-1", "eu-central-1")
    assert (found.served, found.version) == ("eu-central-1", f"v1@{NEW}")
    assert places.asked == ["home!", "us-east-1!", "eu-central-1"]


def test_a_version_id_that_looks_dated_gets_its_date_all_the_same() -> None:
    assert Places(home="build@2020").read("us-east-1").version == f"build@2020@{NEW}"


def test_a_region_that_was_silent_comes_after_the_others_until_some_time_has_passed() -> None:
    places = Places(home=Unreachable("no answer"), us_east_1="v1")
    assert places.read("us-east-1").served == "us-east-1"
    assert places.read("us-east-1").served == "us-east-1"
    assert places.asked == ["home!", "us-east-1", "us-east-1!"]
    places.says["home"], places.now = "v2", aws_sources.UNAVAILABLE_SECONDS
    found = places.read("us-east-1")
    assert (found.served, found.version, places.asked[-1]) == (None, f"v2@{NEW}", "home!")


def test_what_another_region_refuses_is_asked_of_the_next_and_the_first_one_has_the_last_word() -> None:
    places = Places(home=Unreachable("no answer"), us_east_1=AccessDenied("denied"), eu_central_1="v1")
    assert places.read("us-east-1", "eu-central-1").served == "eu-central-1"
    places.says["eu_central_1"] = SourceUnavailable("gone")
    with pytest.raises(Unreachable, match=r"^no answer; us-east-1: denied; eu-central-1: gone$"):
        places.read("us-east-1", "eu-central-1")
    places.says["home"] = AccessDenied("not you")
    with pytest.raises(AccessDenied, match=r"^not you$"):
        places.read("us-east-1", "eu-central-1")


def test_a_session_that_is_refused_is_begun_anew_once_and_only_that_of_a_role() -> None:
    places = Places(home=NotSignedIn("ended"))
    with pytest.raises(NotSignedIn):
        places.read(role=HUB)
    assert places.asked == ["home", f"forget {HUB}", "home"]
    with pytest.raises(NotSignedIn):
        places.read()
    assert places.asked == ["home", f"forget {HUB}", "home", "home"]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ExpiredTokenException", 400, NotSignedIn),
        ("AccessDeniedException", 400, AccessDenied),
        ("ResourceNotFoundException", 400, SourceUnavailable),
        ("InvalidRequestException", 400, Rejected),
        ("SomethingNew", 403, Rejected),
        ("SomethingNew", 500, Unreachable),
        ("InternalServiceError", 503, Unreachable),
        ("ThrottlingException", 400, Throttled),
        ("", 500, Unreachable),
    ],
)
def test_a_refusal_of_aws_is_no_outage(code: str, status: int, kind: type[KeyferryError]) -> None:
    assert type(build_error(code, "canary", "secretsmanager:GetSecretValue on a", status)) is kind
    assert "canary" not in str(build_error(code, "canary", "it", status))


# Roles


@pytest.mark.parametrize(
    ("written", "means"),
    [
        (HUB, [Role(arn=HUB)]),
        ({"arn": HUB, "externalId": "x-1"}, [Role(arn=HUB, external_id="x-1")]),
        ([HUB, {"arn": SPOKE}], [Role(arn=HUB), Role(arn=SPOKE)]),
        (
            {"arn": HUB, "sessionTags": {"team": "a b"}},
            [Role(arn=HUB, session_tags={"team": "a b"})],
        ),
    ],
)
def test_a_role_is_an_arn_or_more_or_a_chain(written: Any, means: list[Role]) -> None:  # noqa: ANN401
    made = source(role=written)
    assert made.role == means
    assert Source.model_validate_json(made.model_dump_json(by_alias=True)) == made


@pytest.mark.parametrize(
    "wrong",
    [
        "secrets",
        f"arn:aws:iam::{ACCOUNT}:user/me",
        {"arn": HUB, "externalId": "x"},
        {"arn": HUB, "externalId": "a b"},
        {"arn": HUB, "sessionTags": {"a*": "b"}},
        {"externalId": "x-1"},
        [[HUB]],
        5,
    ],
)
def test_what_is_no_role_is_refused(wrong: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValidationError):
        source(role=wrong)


def test_chains_are_told_apart_by_all_that_is_in_them() -> None:
    chains = [
        [],
        [Role(arn=HUB)],
        [Role(arn=SPOKE)],
        [Role(arn=HUB), Role(arn=SPOKE)],
        [Role(arn=HUB, external_id="x-1")],
        [Role(arn=HUB, session_tags={"a": "b"})],
    ]
    assert len({chain_key(chain) for chain in chains}) == len(chains)


def test_a_source_with_a_role_takes_the_right_to_assume_the_first_one_and_none_to_read() -> None:
    chain = [{"arn": HUB, "sessionTags": {"team": "a"}}, {"arn": SPOKE, "sessionTags": {"team": "a"}}]
    assert list(grants.list_grants(source(role=chain, failover=["us-east-1"]))) == [
        Grant("sts:AssumeRole", HUB),
        Grant("sts:TagSession", HUB),
    ]
    assert list(grants.list_grants(source(role=SPOKE))) == [Grant("sts:AssumeRole", SPOKE)]


# The policy

FAILOVER = {"secretsManager": "a", "failover": [{"region": "us-east-1", "name": "b"}]}
ROLES = {"secretsManager": ["a"], "accounts": ["444455556666"]}


@pytest.mark.parametrize(
    ("parts", "allowed", "fits"),
    [
        ({"find": "secretsManager", "path": "team-a/"}, {"secretsManager": ["team-a/*"]}, True),
        ({"find": "secretsManager", "path": "team-a/"}, {"secretsManager": ["team-b/*"]}, False),
        ({"find": "secretsManager", "path": "team-a/"}, {}, False),
        ({"find": "secretsManager", "regexp": "a"}, {"secretsManager": ["team-a/*"]}, False),
        ({"find": "secretsManager", "tags": {"a": "b"}}, {"secretsManager": ["*"]}, True),
        ({"find": "parameterStore", "path": "/a"}, {"parameterStore": ["/a/*"]}, True),
        ({"find": "parameterStore", "path": "/a"}, {"secretsManager": ["*"]}, False),
        (FAILOVER, {"secretsManager": ["a"], "regions": ["us-east-1"]}, False),
        (FAILOVER, {"secretsManager": ["a", "b"]}, False),
        (FAILOVER, {"secretsManager": ["a", "b"], "regions": ["us-east-1"]}, True),
        ({"secretsManager": "a", "role": HUB}, {"secretsManager": ["a"], "roles": [HUB]}, False),
        ({"secretsManager": "a", "role": HUB}, {"secretsManager": ["a"], "accounts": ["444455556666"]}, False),
        ({"secretsManager": "a", "role": HUB}, ROLES | {"roles": [HUB]}, True),
        ({"secretsManager": "a", "role": [HUB, SPOKE]}, ROLES | {"roles": [HUB]}, False),
        ({"secretsManager": "a", "role": [HUB, SPOKE]}, ROLES | {"roles": [HUB, SPOKE]}, False),
        ({"secretsManager": "a", "role": [HUB, SPOKE]}, ROLES | {"roles": [HUB, SPOKE], "accounts": ["*"]}, True),
    ],
)
def test_the_policy_judges_all_that_a_source_can_read(
    parts: dict[str, Any], allowed: dict[str, Any], *, fits: bool
) -> None:
    made = AllowedSources.model_validate(allowed)
    assert made.allows(Source.model_validate(parts), "prod-eu", "payments") is fits
