"""Access entries: which role is let into which cluster, and who lets it in."""

from typing import Any

from keyferry.access import entries
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.stack import StackNames
from tests.unit.cloudformation import Deployment
from tests.unit.samples import ACCOUNT, cluster, mapping

ROLES = {name: f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("DeliverRoleArn", "ReconcileRoleArn", "PushRoleArn")}
OWN = f"arn:aws:iam::{ACCOUNT}:role/keyferry"
EKS = {"name": "prod", "region": "us-east-1", "account": "444455556666"}
ANYWHERE = mapping(clusters={"matchExpressions": [{"key": "planned", "operator": "DoesNotExist"}]})
CATALOG = build_catalog(
    [ANYWHERE],
    [
        cluster(),
        cluster("prod-us", eks=EKS | {"account": ACCOUNT}),
        cluster("other", eks=EKS | {"region": "eu-west-1"}),
        cluster("own", role=OWN),
        cluster("later", eks=EKS | {"name": "later"}, labels={"planned": "yes"}),
    ],
)


def made(account: str = ACCOUNT, region: str = "eu-west-1", **parameters: str) -> list[tuple[Any, ...]]:
    """Return cluster, role and user of each entry that the stack makes somewhere."""
    at = Deployment(account, region, ROLES | parameters)
    resources = at.resources(entries.build_template(CATALOG), "AWS::EKS::AccessEntry").values()
    return [(each["ClusterName"], each["PrincipalArn"], each["Username"]) for each in resources]


def test_each_role_gets_an_entry_with_its_user() -> None:
    [deliver, *others] = [
        each.to_json() for each in entries.list_access_entries(build_catalog([ANYWHERE], [cluster()]))
    ]
    assert deliver == {
        "cluster": "prod-eu",
        "clusterName": "prod-eu",
        "region": "eu-west-1",
        "account": ACCOUNT,
        "principal": "DeliverRoleArn",
        "optional": False,
        "username": "keyferry:deliver",
    }
    assert [(each["principal"], each["optional"], each["username"]) for each in others] == [
        ("ReconcileRoleArn", False, "keyferry:reconcile"),
        ("PushRoleArn", True, "keyferry:push"),
    ]


def test_the_users_are_those_of_the_stack_s_prefix() -> None:
    made = entries.list_access_entries(build_catalog([ANYWHERE], [cluster()], StackNames(prefix="staging")))
    assert [entry.username for entry in made] == ["staging:deliver", "staging:reconcile", "staging:push"]


def test_a_role_that_all_assume_gets_one_entry_as_the_one_that_may_most() -> None:
    [entry] = entries.list_access_entries(build_catalog([ANYWHERE], [cluster("own", role=OWN)]))
    assert (entry.principal, entry.username, entry.is_optional) == (OWN, "keyferry:deliver", False)


def test_the_stack_lets_its_roles_into_the_clusters_of_its_own_account_and_region() -> None:
    assert made() == [
        ("prod-eu", ROLES["DeliverRoleArn"], "keyferry:deliver"),
        ("prod-eu", ROLES["ReconcileRoleArn"], "keyferry:reconcile"),
        ("prod-eu", ROLES["PushRoleArn"], "keyferry:push"),
    ]
    assert [name for name, *_ in made(region="us-east-1")] == ["prod"] * 3
    assert [name for name, *_ in made(account="444455556666")] == ["prod"] * 3
    assert made(account="777788889999") == made(region="eu-north-1") == []


def test_without_a_role_of_direct_pushes_none_is_let_in() -> None:
    assert [user for *_, user in made(PushRoleArn="")] == ["keyferry:deliver", "keyferry:reconcile"]


def test_an_entry_keeps_its_name_in_the_template_when_the_cluster_is_renamed_or_others_come() -> None:
    """CloudFormation would make the entry again before it deletes the old one, and EKS refuses a second one."""
    before = entries.build_template(build_catalog([ANYWHERE], [cluster()]))["Resources"]
    eks = cluster().eks.model_dump()
    after = entries.build_template(build_catalog([ANYWHERE], [cluster("a"), cluster("renamed", eks=eks)]))["Resources"]
    assert before.keys() <= after.keys()


def test_a_cluster_to_which_no_mapping_goes_gets_no_entry_as_it_may_not_be_there_yet() -> None:
    assert "later" not in [entry.cluster.name for entry in entries.list_access_entries(CATALOG)]
    assert "later" not in str(entries.build_template(CATALOG))
