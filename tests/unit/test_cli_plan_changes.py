"""What differs between a folder and a deployment beside Secrets: mappings, clusters, rights, and what stays behind."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from keyferry.access.grants import list_cluster_grants, list_source_grants, list_version_grants
from keyferry.cli.check import files
from keyferry.cli.output.plans import list_tables, summarize
from keyferry.cli.plan.access import Access
from keyferry.cli.plan.changes import list_cluster_changes, list_mapping_changes
from keyferry.cli.plan.document import ClusterChange, Leftover, MappingChange, RightChange, TargetChange
from keyferry.cli.plan.leftovers import list_leftovers
from keyferry.cli.plan.rights import ACTIONS, describe_grant, list_policy_changes, list_right_changes
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


def test_what_restarts_before_and_after_is_neither_gained_nor_lost() -> None:
    told = change(mapping(**ONE), mapping(data={"password": SPEC["secret"]["data"]["password"]}, **ONE))
    assert (told.restarts_gained, told.restarts_lost) == ([], [])
    api, web = ({"kind": "Deployment", "name": name} for name in ("api", "web"))
    told = change(mapping(restart=[api], **ONE), mapping(restart=[api, web], **ONE))
    assert (told.restarts_gained, told.restarts_lost) == (["Deployment/web"], [])


PAIR = {"certificate": {"from": "db", "path": "crt"}, "key": {"from": "db", "path": "key"}}
REGISTRY = {"server": "r.example", "username": {"value": "me"}, "password": {"from": "db", "path": "password"}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"data": {"a": {"from": "db", "path": "x"}}}, {"data": {"a": {"from": "db", "path": "y"}}}),
        ({"dataFrom": [{"from": "db"}]}, {"dataFrom": [{"from": "db", "path": "x"}]}),
        ({"tls": PAIR}, {"tls": PAIR | {"key": {"from": "db", "path": "other"}}}),
        ({"registries": [REGISTRY]}, {"registries": [REGISTRY | {"server": "s.example"}]}),
    ],
)
def test_another_way_to_the_same_keys_may_change_the_content(before: dict[str, Any], after: dict[str, Any]) -> None:
    told = change(*(mapping(secret={"name": "db", **fields}, **ONE) for fields in (before, after)))
    assert (told.content, told.keys_gained, told.keys_lost) == ("may change", [], [])


def test_a_field_is_named_down_to_the_key_that_it_is_of() -> None:
    data = SPEC["secret"]["data"]
    told = change(mapping(**ONE), mapping(data=data | {"username": {"from": "db", "path": "user"}}, **ONE))
    assert told.fields == ["spec.secret.data.username"]


def test_mappings_are_told_by_name() -> None:
    names = ["b", "a", "c"]
    folder = catalog(*(mapping(name, name=name, **ONE) for name in names))
    assert [each.name for each in list_mapping_changes(folder, catalog())] == ["a", "b", "c"]


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


def test_the_right_to_delete_is_told_apart_and_so_is_the_key_of_another_region() -> None:
    told = rights(catalog(mapping(**ONE)), catalog(mapping(policies={"deletion": "delete"}, **ONE)))
    assert told == [
        "gained keyferry:deliver, keyferry:push write and delete secrets/payments-db payments prod-eu",
        "lost keyferry:deliver, keyferry:push write secrets/payments-db payments prod-eu",
    ]
    away = mapping(sources={"db": {"secretsManager": "db", "region": "us-east-1"}}, **ONE)
    told = rights(catalog(mapping(**ONE)), catalog(away))
    assert "gained deliver decrypt what is held by secretsmanager (us-east-1)" in told


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


def test_every_action_that_a_source_can_need_has_words() -> None:
    role = {"arn": "arn:aws:iam::444455556666:role/r", "sessionTags": {"team": "payments"}}
    sources: dict[str, Any] = {
        "one": {"secretsManager": "db"},
        "tags": {"secretsManager": "db", "metadata": "tags"},
        "away": {"secretsManager": "db", "role": role},
        "found": {"find": "secretsManager", "path": "prod/", "tags": {"a": "b"}},
        "parameter": {"parameterStore": "/db"},
        "labels": {"parameterStore": "/db", "metadata": "tags"},
        "parameters": {"find": "parameterStore", "path": "/prod/", "tags": {"a": "b"}},
    }
    secret = {"name": "db", "dataFrom": [{"from": alias} for alias in sources]}
    folder = catalog(mapping(sources=sources, secret=secret, **ONE))
    grants = [*list_source_grants(folder), *list_version_grants(folder), *list_cluster_grants(folder)]
    assert {grant.action for grant in grants} == set(ACTIONS)
    assert not [words for words in map(describe_grant, grants) if words.startswith("call ")]


def test_admission_policies_that_differ_are_named() -> None:
    before, after = (Access.generate(catalog(each)) for each in (mapping(**ONE), mapping(name="other", **ONE)))
    assert list_policy_changes(after, before) == ["prod-eu/keyferry-workloads"]
    assert list_policy_changes(before, before) == []
    binding = {"kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "keyferry-secrets"}}
    bound, unbound = (Access(catalog(), objects={"prod-eu": [binding | more]}) for more in ({"spec": 1}, {}))
    assert list_policy_changes(bound, unbound) == ["prod-eu/keyferry-secrets"]
    nothing = Access.generate(catalog())
    names = ["prod-eu/keyferry-secrets", "prod-eu/keyferry-workloads"]
    assert list_policy_changes(nothing, before) == list_policy_changes(before, nothing) == names


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
    both = {"name": "some", "dataFrom": [{"from": "db"}], "data": {"url": {"template": "x"}}}
    targets = plan_of(world := World(mapping(secret=both, **ONE)), build_catalog([], [EU, US])).targets
    [secret] = [each for each in leftovers(world.catalog, targets) if each.kind == "Secret"]
    assert (secret.keys, secret.why) == (["url"], "the mapping is removed")


# The whole


CHANGED: dict[str, list[Any]] = {
    "mappings": [MappingChange(name="db", change="added", content="changes")],
    "clusters": [ClusterChange(name="eu", change="added")],
    "targets": [TargetChange(mapping="db", cluster="eu", namespace="n", secret="db", change="lost")],
    "rights": [RightChange(change="gained", who="deliver", may="read the secret db")],
    "policies": ["eu/keyferry-secrets"],
    "generated": ["clusters/eu/rbac.yaml"],
}


@pytest.mark.parametrize("part", CHANGED)
def test_each_part_of_a_plan_alone_is_a_change(part: str) -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world))
    changed = plan.model_copy(update={part: CHANGED[part]})
    assert (plan.is_empty, changed.is_empty) == (True, False)
    said = {
        "mappings": "1 mapping: 1 added",
        "clusters": "1 cluster: 1 added",
        "targets": "1 target: 1 lost",
        "rights": "1 right: 1 gained",
        "policies": "1 admission policy that differs",
        "generated": "1 generated file to renew",
    }
    assert summarize(changed) == f"{said[part]}; 1 unchanged"
    open_targets = changed.model_copy(update={"unknown": 2, "contested": 1})
    assert summarize(open_targets).endswith("; 1 unchanged; 2 targets are not known; 1 has a conflict")
    assert len(list_tables(changed)) == 1


def test_a_plan_has_what_differs_in_clusters_files_rights_and_policies() -> None:
    world = World(mapping(**ONE))
    eu = cluster("prod-eu", labels={"env": "prod"})
    folder = folder_of(world, mapping(policies={"deletion": "delete"}, **ONE), clusters=[eu, US])
    plan = plan_of(world, folder, generated={"b": "", "a": ""})
    assert ([each.name for each in plan.clusters], plan.generated) == (["prod-eu"], ["a", "b"])
    assert [each.change for each in plan.rights] == ["gained", "lost"]
    renamed = plan_of(world, folder_of(world, mapping(name="other", **ONE)))
    assert renamed.policies == ["prod-eu/keyferry-workloads"]


def test_another_prefix_and_another_release_are_warned_of() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, catalog(mapping(**ONE), prefix="staging"))
    assert plan.notes == ["stack.yaml differs in prefix: all that Keyferry writes is named anew"]
    assert [each.will for each in plan.targets] == ["annotate"]
    assert not any(each.kind == "access entry" for each in plan.leftovers), "they get another user name"
    told = deploy(world.catalog, "0.0.9").difference_of_releases
    assert "the stack runs release 0.0.9, and this is" in told
    assert (
        "write the pin of release 0.0.9 into requirements.txt, then `pip install --no-deps --require-hashes -r " in told
    )
    assert "keyferry[cli]" not in told, "an index may have somebody else's package of that name"
    assert deploy(world.catalog).difference_of_releases == ""
