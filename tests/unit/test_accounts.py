"""What other accounts, and other regions, get: rules that forward events, roles to assume, access entries."""

import json
import re
from typing import Any

import pytest
import yaml

from keyferry.access import accounts, events
from keyferry.access.roles import name_role
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.stack import StackNames
from keyferry.mapping.targets import Cluster
from tests.unit.cloudformation import Deployment
from tests.unit.samples import ACCOUNT, cluster, mapping
from tests.unit.stack import ROOT, Stack, listed

MEMBER, THIRD = "444455556666", "777788889999"
ROLE = f"arn:aws:iam::{MEMBER}:role/teams/secrets"
CLUSTER_ROLE = f"arn:aws:iam::{MEMBER}:role/keyferry"
TAGGED = {"arn": ROLE, "externalId": "payments-7f3a", "sessionTags": {"team": "payments", "env": "prod"}}
HUB = {"HubAccount": ACCOUNT, "HubRegion": "eu-west-1"}
SHOP = cluster("shop", role=CLUSTER_ROLE, eks={"name": "shop", "region": "eu-west-1", "account": MEMBER})
OWN = {"secretsManager": "prod/db"}
BUS = f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/default"
DELIVER, RECONCILE, PUSH = (f"arn:aws:iam::{ACCOUNT}:role/keyferry-{name}" for name in ("deliver", "reconcile", "push"))


def catalog(*clusters: Cluster, prefix: str = "keyferry", **sources: Any) -> Catalog:  # noqa: ANN401
    stack = StackNames.model_validate({"prefix": prefix})
    names = ["prod-eu", *(each.name for each in clusters)]
    data = {"value": {"from": next(iter(sources), "")}}
    mappings = [mapping(sources=sources, data=data, clusters=names)] if sources else []
    return build_catalog(mappings, [cluster(), *clusters], stack)


def made(of: Catalog, kind: str, account: str = MEMBER, region: str = "eu-west-1", **more: str) -> dict[str, Any]:
    """Return the resources of a type that the template of an account makes in a region."""
    parameters = HUB | {"RolesRegion": "eu-west-1"} | more
    return Deployment(account, region, parameters).resources(accounts.build_template(of, account), kind)


def roles(of: Catalog, account: str = MEMBER, **more: str) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return ARN of each role that is made → statements of its trust policy, and of its rights."""
    rights: dict[str, list[dict[str, Any]]] = {}
    for policy in made(of, "AWS::IAM::ManagedPolicy", account, **more).values():
        rights.setdefault(policy["Roles"][0], []).extend(policy["PolicyDocument"]["Statement"])
    return {
        f"arn:aws:iam::{account}:role{role['Path']}{role['RoleName']}": {
            "trust": role["AssumeRolePolicyDocument"]["Statement"],
            "rights": rights[name],
        }
        for name, role in made(of, "AWS::IAM::Role", account, **more).items()
        if "RoleName" in role
    }


def actions(statements: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (action, resource) of statements, without the rights to decrypt."""
    pairs = [
        (action, resource) for each in statements for resource in each["Resource"] for action in listed(each["Action"])
    ]
    return [(action, resource) for action, resource in pairs if action != "kms:Decrypt"]


# Which accounts


@pytest.mark.parametrize(
    ("sources", "named"),
    [
        ({"a": {"secretsManager": "prod/db"}}, [ACCOUNT]),
        (
            {"a": {"secretsManager": f"arn:aws:secretsmanager:eu-west-1:{THIRD}:secret:prod/db-a1B2c3"}},
            [ACCOUNT, THIRD],
        ),
        ({"a": {"secretsManager": "prod/db", "role": ROLE}}, [ACCOUNT, MEMBER]),
        (
            {"a": {"secretsManager": "prod/db", "role": [ROLE, f"arn:aws:iam::{THIRD}:role/secrets"]}},
            [ACCOUNT, MEMBER, THIRD],
        ),
    ],
)
def test_each_account_that_is_named_gets_a_template(sources: dict[str, Any], named: list[str]) -> None:
    assert accounts.list_accounts(catalog(**sources)) == named


def test_an_account_of_a_cluster_is_named_by_it() -> None:
    assert accounts.list_accounts(catalog(SHOP)) == [ACCOUNT, MEMBER]


# Events


def test_what_is_forwarded_is_what_the_rules_of_the_stack_take_and_nothing_else() -> None:
    rules = Stack.load().of("Events::Rule")
    ours = {name: rule["EventPattern"] for name, rule in rules.items() if name != "StackDeployed"}
    assert json.loads(json.dumps(ours)) == events.RULES
    assert not any({"account", "region"} & pattern.keys() for pattern in ours.values())


def test_the_rules_forward_what_happens_in_their_own_account_and_region_to_the_bus_of_the_stack() -> None:
    of = catalog(a={"secretsManager": "prod/db", "role": ROLE})
    found = made(of, "AWS::Events::Rule", region="us-east-1", CloudTrailChanges="true")
    assert found.keys() == events.RULES.keys()
    for name, rule in found.items():
        pattern = dict(rule["EventPattern"])
        assert (pattern.pop("account"), pattern.pop("region")) == ([MEMBER], ["us-east-1"])
        assert pattern == events.RULES[name]
        assert rule["Targets"] == [{"Id": "Hub", "Arn": BUS, "RoleArn": "ForwardRole.Arn"}]
    [role] = [role for role in made(of, "AWS::IAM::Role", region="us-east-1").values() if "RoleName" not in role]
    [statement] = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", BUS)
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": MEMBER}}


def test_of_a_trail_changes_are_forwarded_only_where_they_are_asked_for() -> None:
    of = catalog(a={"secretsManager": "prod/db", "role": ROLE})
    assert made(of, "AWS::Events::Rule").keys() == events.RULES.keys() - {events.OPTIONAL_RULE}


def test_in_the_account_and_region_of_the_stack_nothing_is_forwarded() -> None:
    of = catalog(a={"secretsManager": "prod/db", "region": "us-east-1"})
    assert not made(of, "AWS::Events::Rule", ACCOUNT)
    assert made(of, "AWS::Events::Rule", ACCOUNT, "us-east-1")


@pytest.mark.parametrize(
    ("sources", "account", "forwards"),
    [
        ({"a": {"secretsManager": "prod/db"}}, MEMBER, False),
        ({"a": {"secretsManager": "prod/db", "role": ROLE}}, MEMBER, True),
        ({"a": {"secretsManager": "prod/db"}}, ACCOUNT, False),
        ({"a": {"secretsManager": "prod/db", "failover": ["us-east-1"]}}, ACCOUNT, True),
        ({"a": {"secretsManager": "prod/db", "region": "us-east-1"}}, ACCOUNT, True),
        ({"a": {"secretsManager": "prod/db", "region": "us-east-1"}}, MEMBER, False),
    ],
)
def test_an_account_without_sources_forwards_nothing_unless_somebody_says_so(
    sources: dict[str, Any], account: str, *, forwards: bool
) -> None:
    of = catalog(SHOP, **sources)
    assert bool(made(of, "AWS::Events::Rule", account, "us-east-1")) is forwards
    assert made(of, "AWS::Events::Rule", account, "us-east-1", ForwardEvents="true")


def test_the_bus_takes_forwarded_events_of_the_accounts_that_mappings_name() -> None:
    of = catalog(SHOP, prefix="staging", a={"secretsManager": "prod/db", "role": f"arn:aws:iam::{THIRD}:role/secrets"})
    at = Deployment(ACCOUNT, "eu-west-1")
    [policy] = at.resources(events.build_template(of), "AWS::Events::EventBusPolicy").values()
    assert policy["StatementId"] == "staging-accounts"
    statement = policy["Statement"]
    assert statement["Principal"] == {"AWS": [f"arn:aws:iam::{THIRD}:root"]}
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", BUS)
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {
            "events:source": ["aws.secretsmanager", "aws.ssm"],
            "events:detail-type": [
                "AWS API Call via CloudTrail",
                "AWS Service Event via CloudTrail",
                "Parameter Store Change",
                "Secret Label Updated",
            ],
        },
        "BoolIfExists": {"events:eventBusInvocation": "true"},
    }


def test_with_an_organization_the_bus_takes_those_of_its_accounts() -> None:
    of = catalog(a={"secretsManager": "prod/db", "role": ROLE})
    at = Deployment(ACCOUNT, "eu-west-1", {"OrganizationId": "o-a1b2c3d4e5"})
    [policy] = at.resources(events.build_template(of), "AWS::Events::EventBusPolicy").values()
    statement = policy["Statement"]
    assert (policy["StatementId"], statement["Principal"]) == ("keyferry-organization", "*")
    assert statement["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}
    assert statement["Condition"].keys() == {"ForAllValues:StringEquals", "BoolIfExists", "StringEquals"}


def test_without_other_accounts_the_bus_is_left_alone() -> None:
    found = Deployment(ACCOUNT, "eu-west-1").resources(
        events.build_template(catalog(a={"secretsManager": "prod/db"})), "AWS::Events::EventBusPolicy"
    )
    assert not found


# Roles to read with


def test_a_role_to_read_with_reads_exactly_what_is_read_through_it() -> None:
    of = catalog(
        a={"secretsManager": "prod/${namespace}/db", "role": ROLE, "failover": ["us-east-1"]},
        b={"parameterStore": "/prod/key", "role": ROLE, "region": "eu-central-1"},
        c={"secretsManager": "other/db"},
    )
    found = roles(of)
    assert found.keys() == {ROLE}
    assert actions(found[ROLE]["rights"]) == [
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-1:{MEMBER}:secret:prod/payments/db-??????"),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{MEMBER}:secret:prod/payments/db-??????"),
        ("ssm:GetParameter", f"arn:aws:ssm:eu-central-1:{MEMBER}:parameter/prod/key"),
    ]


@pytest.mark.parametrize(
    ("sources", "gets"),
    [
        ({"a": {"parameterStore": "/a", "role": ROLE}}, []),
        ({"a": {"parameterStore": "/a/${namespace}", "role": ROLE}}, ["/a/payments"]),
        ({"a": {"parameterStore": "/a", "role": ROLE}, "b": {"parameterStore": "/b", "role": ROLE}}, ["/a", "/b"]),
        ({"a": {"parameterStore": "/a", "role": ROLE}, "b": {"parameterStore": "/b"}}, []),
    ],
)
def test_it_reads_several_parameters_by_one_call_as_the_delivery_does(sources: dict[str, Any], gets: list[str]) -> None:
    granted = [
        resource
        for action, resource in actions(roles(catalog(**sources))[ROLE]["rights"])
        if action == "ssm:GetParameters"
    ]
    assert granted == [f"arn:aws:ssm:eu-west-1:{MEMBER}:parameter{name}" for name in gets]


def test_it_decrypts_by_way_of_the_store_in_its_own_account_and_the_region_of_the_source() -> None:
    of = catalog(a={"secretsManager": "prod/db", "role": ROLE})
    [decrypt] = [each for each in roles(of, HubRegion="eu-north-1")[ROLE]["rights"] if "kms:Decrypt" in each["Action"]]
    assert decrypt["Resource"] == ["arn:aws:kms:eu-north-1:*:key/*"]
    assert decrypt["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.eu-north-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:SecretARN": f"arn:aws:secretsmanager:*:{MEMBER}:*"},
    }


def test_deliver_and_direct_pushes_may_assume_it_and_nobody_else() -> None:
    of = catalog(a={"secretsManager": "prod/db", "role": ROLE})
    [statement] = roles(of)[ROLE]["trust"]
    assert statement == {"Effect": "Allow", "Principal": {"AWS": [DELIVER]}, "Action": "sts:AssumeRole"}
    [statement] = roles(of, PushRole="true")[ROLE]["trust"]
    assert statement["Principal"] == {"AWS": [DELIVER, PUSH]}


def test_the_external_id_is_asked_for_and_tags_are_a_statement_of_their_own_without_it() -> None:
    [assume, tag] = roles(catalog(a={"secretsManager": "prod/db", "role": TAGGED}))[ROLE]["trust"]
    assert assume["Action"] == "sts:AssumeRole"
    assert assume["Condition"] == {"StringEquals": {"sts:ExternalId": ["payments-7f3a"]}}
    assert (tag["Action"], tag["Principal"]) == ("sts:TagSession", {"AWS": [DELIVER]})
    assert tag["Condition"] == {
        "StringEquals": {"aws:RequestTag/env": ["prod"], "aws:RequestTag/team": ["payments"]},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["env", "team"]},
    }


def test_where_a_source_gives_no_external_id_none_is_asked_for() -> None:
    of = catalog(a={"secretsManager": "a", "role": TAGGED}, b={"secretsManager": "b", "role": ROLE})
    [assume, _] = roles(of)[ROLE]["trust"]
    assert "Condition" not in assume


def test_in_a_chain_each_role_trusts_the_one_before_and_the_last_one_reads() -> None:
    last = f"arn:aws:iam::{THIRD}:role/last"
    of = catalog(a={"secretsManager": "a", "role": [ROLE, {"arn": last, "sessionTags": {"team": "a"}}]})
    first = roles(of)[ROLE]
    assert first["trust"][0]["Principal"] == {"AWS": [DELIVER]}
    assert actions(first["rights"]) == [("sts:AssumeRole", last), ("sts:TagSession", last)]
    second = roles(of, THIRD)[last]
    assert [each["Principal"] for each in second["trust"]] == [{"AWS": [ROLE]}] * 2
    assert actions(second["rights"]) == [
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-1:{THIRD}:secret:a-??????")
    ]


def test_a_role_waits_for_the_one_that_it_trusts_in_the_same_template() -> None:
    last = f"arn:aws:iam::{MEMBER}:role/last"
    of = catalog(a={"secretsManager": "a", "role": [ROLE, last]})
    made_roles = accounts.build_template(of, MEMBER)["Resources"]
    first, second = (made_roles[name_role(arn)]["Properties"] for arn in (ROLE, last))
    [statement] = second["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": [{"Fn::GetAtt": [name_role(ROLE), "Arn"]}]}
    assert name_role(last) not in json.dumps(first)


def tagged(values: dict[str, dict[str, str]]) -> Catalog:
    """Return a catalogue with a source for each external id, all read with one role under tags of their own."""
    sources: dict[str, Any] = {
        f"s{at}": {"secretsManager": "a", "role": {"arn": ROLE, "externalId": external_id, "sessionTags": tags}}
        for at, (external_id, tags) in enumerate(values.items())
    }
    return catalog(**sources)


def test_several_values_of_one_tag_are_one_statement_and_combinations_are_not_mixed() -> None:
    one = {"one-a": {"team": "a"}, "one-b": {"team": "b"}}
    two = {"two-a": {"team": "a", "env": "prod"}, "two-b": {"team": "b", "env": "dev"}}
    [_, *tags] = roles(tagged(one | two))[ROLE]["trust"]
    assert [each["Condition"]["StringEquals"] for each in tags] == [
        {"aws:RequestTag/team": ["a", "b"]},
        {"aws:RequestTag/env": ["dev"], "aws:RequestTag/team": ["b"]},
        {"aws:RequestTag/env": ["prod"], "aws:RequestTag/team": ["a"]},
    ]


def test_a_trust_policy_that_is_longer_than_iam_takes_is_refused() -> None:
    assert roles(tagged({f"team-{number}": {"team": f"{number}"} for number in range(100)}))
    pairs = {f"team-{number}": {"team": f"{number}", "env": "prod"} for number in range(20)}
    with pytest.raises(
        InvalidInput, match=rf"^{ROLE} would need a trust policy of [\d,]+ characters, and AWS allows 4,"
    ):
        roles(tagged(pairs))


def test_roles_are_made_in_one_region_alone_or_nowhere() -> None:
    of = catalog(a={"secretsManager": "prod/db", "role": ROLE, "region": "us-east-1"})
    assert roles(of)
    assert not roles(of, RolesRegion="us-east-1")
    assert not roles(of, RolesRegion="none")
    assert accounts.build_template(of, MEMBER)["Parameters"]["RolesRegion"]["Default"] == "us-east-1"


def test_a_role_that_reads_more_than_iam_takes_is_refused() -> None:
    names = [f"{'long/' * 60}{number:04}" for number in range(500)]
    sources: dict[str, Any] = {f"s{at}": {"secretsManager": name, "role": ROLE} for at, name in enumerate(names)}
    of = catalog(**sources)
    with pytest.raises(InvalidInput, match=rf"^{ROLE} would need \d+ managed policies, and AWS allows 20: read some"):
        accounts.build_template(of, MEMBER)


@pytest.mark.parametrize("other", ["role/secrets", "role/teams/Secrets"])
def test_two_roles_of_one_name_are_refused_whatever_their_paths_and_cases(other: str) -> None:
    of = catalog(
        a={"secretsManager": "a", "role": ROLE}, b={"secretsManager": "b", "role": f"arn:aws:iam::{MEMBER}:{other}"}
    )
    with pytest.raises(InvalidInput, match="cannot both be there, as IAM has each name once"):
        accounts.build_template(of, MEMBER)


@pytest.mark.parametrize("name", ["teams/", "/secrets", "x" * 65])
def test_what_cannot_be_the_name_of_a_role_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="role"):
        catalog(a={"secretsManager": "a", "role": f"arn:aws:iam::{MEMBER}:role/{name}"})


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-east-1", "eusc-de-east-1", "us-isob-east-1"])
def test_the_parameters_take_every_region_that_a_mapping_takes(region: str) -> None:
    template = accounts.build_template(catalog(a={"secretsManager": "a", "role": ROLE, "region": region}), MEMBER)
    for name in ("HubRegion", "RolesRegion"):
        assert re.fullmatch(template["Parameters"][name]["AllowedPattern"], region)


def test_where_no_region_is_known_somebody_has_to_name_one() -> None:
    template = accounts.build_template(catalog(a={"secretsManager": "prod/db", "role": ROLE}), MEMBER)
    assert "Default" not in template["Parameters"]["RolesRegion"]


# Clusters


def test_the_role_of_a_cluster_is_assumed_by_all_and_asks_where_the_cluster_is() -> None:
    found = roles(catalog(SHOP), PushRole="true")
    [trust] = found[CLUSTER_ROLE]["trust"]
    assert (trust["Principal"], trust["Action"]) == ({"AWS": [DELIVER, RECONCILE, PUSH]}, "sts:AssumeRole")
    assert actions(found[CLUSTER_ROLE]["rights"]) == [
        ("eks:DescribeCluster", f"arn:aws:eks:eu-west-1:{MEMBER}:cluster/shop")
    ]


def test_the_role_of_a_cluster_is_let_in_where_the_cluster_is_and_after_it_is_made() -> None:
    [entry] = made(catalog(SHOP, db=OWN), "AWS::EKS::AccessEntry").values()
    assert entry["ClusterName"] == "shop"
    assert str(entry["PrincipalArn"]).endswith(".Arn")
    assert entry["Username"] == "keyferry:deliver"
    [entry] = made(catalog(SHOP, db=OWN), "AWS::EKS::AccessEntry", RolesRegion="none").values()
    assert entry["PrincipalArn"] == CLUSTER_ROLE
    assert not made(catalog(SHOP, db=OWN), "AWS::EKS::AccessEntry", region="us-east-1")
    assert not made(catalog(SHOP, db=OWN), "AWS::EKS::AccessEntry", AccessEntries="false")


def test_clusters_without_a_role_are_the_stack_s_own_where_the_stack_is_and_the_template_s_elsewhere() -> None:
    of = catalog(cluster("us", eks={"name": "us", "region": "us-east-1", "account": ACCOUNT}), prefix="staging", db=OWN)
    kind = "AWS::EKS::AccessEntry"
    assert not made(of, kind, ACCOUNT)
    found = made(of, kind, ACCOUNT, "us-east-1", PushRole="true").values()
    assert [(each["PrincipalArn"].rpartition("/")[2], each["Username"]) for each in found] == [
        ("staging-deliver", "staging:deliver"),
        ("staging-reconcile", "staging:reconcile"),
        ("staging-push", "staging:push"),
    ]
    assert len(made(of, kind, ACCOUNT, "us-east-1")) == 2


def test_a_role_of_both_kinds_is_one_role() -> None:
    of = catalog(SHOP, a={"secretsManager": "a", "role": {"arn": CLUSTER_ROLE, "externalId": "payments-7f3a"}})
    found = roles(of)
    assert found.keys() == {CLUSTER_ROLE}
    assert [each["Principal"]["AWS"] for each in found[CLUSTER_ROLE]["trust"]] == [[DELIVER], [DELIVER, RECONCILE]]
    assert {action for action, _ in actions(found[CLUSTER_ROLE]["rights"])} == {
        "eks:DescribeCluster",
        "secretsmanager:GetSecretValue",
    }


def test_a_boundary_bounds_every_role() -> None:
    of = catalog(SHOP, a={"secretsManager": "a", "role": ROLE})
    arn = f"arn:aws:iam::{MEMBER}:policy/boundary"
    bounded = made(of, "AWS::IAM::Role", PermissionsBoundary=arn, region="eu-west-1", HubRegion="us-east-1")
    assert [role["PermissionsBoundary"] for role in bounded.values()] == [arn] * 3
    assert all("PermissionsBoundary" not in role for role in made(of, "AWS::IAM::Role").values())


# The guide


ALL = catalog(
    SHOP,
    a={"secretsManager": "a", "role": TAGGED},
    b={"find": "secretsManager", "path": "team/", "role": [ROLE, f"arn:aws:iam::{THIRD}:role/secrets"]},
    c={"parameterStore": "/c", "region": "us-east-1"},
)


def test_the_parameters_are_those_that_the_guide_tells_of() -> None:
    guide = (ROOT / "docs/deploy/index.md").read_text()
    for name in accounts.build_template(ALL, MEMBER)["Parameters"]:
        assert f"`{name}`" in guide
    assert yaml.safe_load(yaml.safe_dump(accounts.build_template(ALL, MEMBER)))
