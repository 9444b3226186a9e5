"""What differs between a folder and a deployment beside Secrets: mappings, clusters, rights, and what stays behind."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from keyferry.access.grants import list_cluster_grants, list_source_grants, list_version_grants
from keyferry.cli.check import files
from keyferry.cli.plan.access import Access
from keyferry.cli.plan.changes import list_cluster_changes, list_mapping_changes
from keyferry.cli.plan.document import Leftover, MappingChange, TargetChange
from keyferry.cli.plan.leftovers import list_leftovers
from keyferry.cli.plan.rights import describe_grant, list_policy_changes, list_right_changes
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.origin import Origin
from keyferry.mapping.stack import StackNames
from keyferry.mapping.targets import Cluster
from tests.unit.clusters import World
from tests.unit.planning import EU, US, deploy, folder_of, plan_of
from tests.unit.samples import SPEC, cluster, mapping

ONE: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": ["payments"]}


def catalog(*mappings: SecretMapping, clusters: tuple[Cluster, ...] = (EU, US), prefix: str = "keyferry") -> Catalog:
    return build_catalog(mappings, clusters, StackNames(prefix=prefix))


def change(before: SecretMapping | None, after: SecretMapping | None) -> MappingChange:
    """Return what is said of the only mapping that differs."""
    folder, deployed = (catalog(*filter(None, [each])) for each in (after, before))
    [only] = list_mapping_changes(folder, deployed)
    return only


# Mappings


def test_a_changed_mapping_names_its_fields_keys_and_restarts() -> None:
    data = SPEC["secret"]["data"]
    after = mapping(
        data={"password": data["password"], "url": {"template": "{{ db.username }}"}},
        restart=[{"kind": "Deployment", "name": "api"}],
        **ONE,
    )
    told = change(mapping(**ONE), after)
    assert told.model_dump(exclude_defaults=True) == {
        "name": "payments-db",
        "change": "changed",
        "fields": ["spec.restart", "spec.secret.data.url", "spec.secret.data.username"],
        "content": "changes",
        "keys_gained": ["url"],
        "keys_lost": ["username"],
        "restarts_gained": ["Deployment/api"],
        "restarts_lost": ["whatever uses Secret payments-db"],
    }


@pytest.mark.parametrize(
    ("before", "after", "gained", "lost"),
    [
        ([{"kind": "Deployment", "name": "api"}], [{"kind": "Deployment", "name": "web"}], ["web"], ["api"]),
        ("none", "auto", ["payments-db"], []),
        ("auto", "none", [], ["payments-db"]),
    ],
)
def test_restarts_are_gained_and_lost(before: Any, after: Any, gained: list[str], lost: list[str]) -> None:  # noqa: ANN401
    told = change(mapping(restart=before, **ONE), mapping(restart=after, **ONE))
    names = [
        [each.rpartition("/")[2].rpartition(" ")[2] for each in each]
        for each in (told.restarts_gained, told.restarts_lost)
    ]
    assert names == [gained, lost]
    assert told.content == "stays"


def test_a_mapping_that_is_added_or_removed_has_all_its_keys_and_restarts() -> None:
    added, removed = change(None, mapping(**ONE)), change(mapping(**ONE), None)
    assert (added.change, added.keys_gained, added.content) == ("added", ["password", "username"], "changes")
    assert (removed.change, removed.keys_lost, removed.content) == ("removed", ["password", "username"], "stays")
    assert added.restarts_gained == removed.restarts_lost == ["whatever uses Secret payments-db"]


@pytest.mark.parametrize("is_before", [True, False])
def test_keys_that_the_sources_decide_are_said_to_depend(*, is_before: bool) -> None:
    named, all_of = mapping(**ONE), mapping(secret={"name": "payments-db", "dataFrom": [{"from": "db"}]}, **ONE)
    told = change(all_of, named) if is_before else change(named, all_of)
    assert (told.keys_gained, told.keys_lost, told.keys_depend, told.content) == ([], [], True, "may change")


def test_where_a_mapping_stands_in_the_folder_is_said() -> None:
    folder = catalog(mapping(**ONE)).model_copy(
        update={"folder": "mappings", "origins": {"payments-db": Origin(file="payments.yaml", line=4)}}
    )
    [told] = list_mapping_changes(folder, catalog())
    assert told.at == "mappings/payments.yaml:4"


def test_a_name_that_two_have_had_goes_to_the_one_that_has_it() -> None:
    kept, other = mapping(**ONE), mapping("other", was=["payments-db"], name="other", **ONE)
    told = {each.name: each.change for each in list_mapping_changes(catalog(kept, other), catalog(kept))}
    assert told == {"other": "added"}


# Clusters


def test_clusters_are_added_removed_and_changed_with_the_kinds_that_restart() -> None:
    eu = cluster("prod-eu", restartKinds=["Deployment", "Rollout"], labels={"env": "prod"})
    told = list(list_cluster_changes(catalog(clusters=(eu, cluster("prod-ap"))), catalog()))
    assert [(each.name, each.change) for each in told] == [
        ("prod-ap", "added"),
        ("prod-eu", "changed"),
        ("prod-us", "removed"),
    ]
    assert told[1].fields == ["labels", "restartKinds"]
    assert (told[1].restarts_gained, told[1].restarts_lost) == (["Rollout"], ["StatefulSet", "DaemonSet"])
    assert (told[0].restarts_gained, told[2].restarts_lost) == ([], [])


# Rights


def rights(before: Catalog, after: Catalog) -> list[str]:
    return [
        " ".join(filter(None, [each.change, each.who, each.may, *each.namespaces, each.cluster]))
        for each in list_right_changes(Access.generate(after), Access.generate(before))
    ]


def test_a_new_mapping_gains_rights_in_aws_and_in_its_namespaces_alone() -> None:
    assert rights(catalog(), catalog(mapping(clusters=["prod-eu"], namespaces=["payments", "shop"]))) == [
        "gained deliver, reconcile ask EKS for the cluster prod-eu (eu-west-1, 111122223333)",
        "gained deliver decrypt what is held by secretsmanager",
        "gained reconcile list secrets",
        "gained deliver read the secret prod/payments/db",
        "gained keyferry:deliver, keyferry:push, keyferry:reconcile get namespaces/payments prod-eu",
        "gained keyferry:deliver, keyferry:push, keyferry:reconcile get namespaces/shop prod-eu",
        "gained keyferry:reconcile get secrets/payments-db payments shop prod-eu",
        "gained keyferry:deliver, keyferry:push restart daemonsets, deployments, statefulsets payments shop prod-eu",
        "gained keyferry:deliver sign in, as DeliverRoleArn prod-eu",
        "gained keyferry:push sign in, as PushRoleArn prod-eu",
        "gained keyferry:reconcile sign in, as ReconcileRoleArn prod-eu",
        "gained keyferry:deliver, keyferry:push write secrets/payments-db payments shop prod-eu",
    ]


def test_what_is_lost_is_told_as_what_is_gained() -> None:
    before, after = catalog(mapping(**ONE)), catalog()
    assert [each.replace("gained", "lost") for each in rights(after, before)] == rights(before, after)


def test_another_namespace_changes_the_rights_there_alone() -> None:
    wider = mapping(clusters=["prod-eu"], namespaces=["payments", "shop"], restart="none")
    told = rights(catalog(mapping(restart="none", **ONE)), catalog(wider))
    assert "gained keyferry:deliver, keyferry:push write secrets/payments-db shop prod-eu" in told
    assert not any(" payments " in each for each in told)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"secretsManager": "prod/db", "region": "us-east-1"}, "read the secret prod/db (us-east-1)"),
        (
            {"secretsManager": "arn:aws:secretsmanager:eu-west-1:444455556666:secret:prod/db-AbCdEf"},
            "read the secret prod/db-AbCdEf (eu-west-1, 444455556666)",
        ),
        ({"parameterStore": "/prod/tls"}, "read the parameter /prod/tls"),
        (
            {"secretsManager": "db", "role": "arn:aws:iam::444455556666:role/r"},
            "assume the role arn:aws:iam::444455556666:role/r",
        ),
        ({"find": "secretsManager", "path": "prod/", "tags": {"a": "b"}}, "read the secret prod/* with the tags a=b"),
    ],
)
def test_grants_are_said_in_words(source: dict[str, Any], words: str) -> None:
    data: dict[str, Any] = {"secret": {"name": "s", "dataFrom": [{"from": "db"}]}}
    grants = list_source_grants(catalog(mapping(sources={"db": source}, **data, **ONE)))
    assert words in list(map(describe_grant, grants))


def test_no_grant_of_the_examples_is_left_without_words() -> None:
    examples = files.load(Path(__file__).resolve().parents[2] / "examples/mappings")
    for grants in (list_source_grants, list_version_grants, list_cluster_grants):
        assert not [words for words in map(describe_grant, grants(examples)) if words.startswith("call ")]


def test_admission_policies_that_differ_are_named() -> None:
    before, after = (Access.generate(catalog(each)) for each in (mapping(**ONE), mapping(name="other", **ONE)))
    assert list_policy_changes(after, before) == ["prod-eu/keyferry-workloads"]
    assert list_policy_changes(before, before) == []


# What stays behind


def left(plan_leftovers: Any) -> list[str]:  # noqa: ANN401
    return [
        " ".join(filter(None, [each.kind, each.cluster, each.namespace, each.name, *each.keys]))
        for each in plan_leftovers
    ]


def leftovers(deployed: Catalog, targets: Iterable[TargetChange]) -> list[Leftover]:
    """Return what a folder without any mapping leaves behind."""
    return list_leftovers(Access.generate(build_catalog([], [])), Access.generate(deployed), targets)


def test_a_removed_mapping_leaves_its_secrets_with_their_keys_its_roles_and_entries() -> None:
    world = World(mapping(clusters=["prod-eu", "prod-us"], namespaces=["payments"]))
    plan = plan_of(world, folder_of(world, mapping(**ONE)))
    assert left(plan.leftovers) == [
        "Secret prod-us payments payments-db password username",
        "ClusterRole prod-us keyferry:named-namespaces",
        "ClusterRoleBinding prod-us keyferry:named-namespaces",
        "Role prod-us payments keyferry:deliver:payments-db",
        "Role prod-us payments keyferry:reconcile:payments-db",
        "RoleBinding prod-us payments keyferry:deliver:payments-db",
        "RoleBinding prod-us payments keyferry:reconcile:payments-db",
        "ValidatingAdmissionPolicy prod-us keyferry-secrets",
        "ValidatingAdmissionPolicy prod-us keyferry-workloads",
        "ValidatingAdmissionPolicyBinding prod-us keyferry-secrets",
        "ValidatingAdmissionPolicyBinding prod-us keyferry-workloads",
        "access entry prod-us DeliverRoleArn",
        "access entry prod-us ReconcileRoleArn",
        "access entry prod-us PushRoleArn",
    ]
    assert {each.command for each in plan.leftovers} == {"keyferry orphans --cluster prod-us"}


def test_a_secret_that_is_gone_leaves_nothing_and_one_of_others_keeps_their_keys() -> None:
    world = World(mapping(**ONE))
    world.clusters["prod-eu"].delete("payments", "payments-db")
    assert not any(each.kind == "Secret" for each in plan_of(world, build_catalog([], [EU, US])).leftovers)
    merging = mapping(secret={"name": "theirs", "dataFrom": [{"from": "db"}]}, policies={"creation": "merge"}, **ONE)
    targets = plan_of(world := World(merging), build_catalog([], [EU, US])).targets
    [secret] = [each for each in leftovers(world.catalog, targets) if each.kind == "Secret"]
    assert (secret.keys, secret.why) == ([], "its keys stay in the Secret of somebody else")


# The whole


def test_another_prefix_and_another_release_are_warned_of() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, catalog(mapping(**ONE), prefix="staging"))
    assert plan.notes == ["stack.yaml differs in prefix: all that Keyferry writes is named anew"]
    assert [each.will for each in plan.targets] == ["annotate"]
    assert "the stack runs release 0.0.9, and this is" in deploy(world.catalog, "0.0.9").difference_of_releases
    assert deploy(world.catalog).difference_of_releases == ""
