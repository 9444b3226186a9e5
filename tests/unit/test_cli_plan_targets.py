"""Which Secrets a folder of mappings gains, loses and writes, by what the stack says of its targets."""

import json
from typing import Any

import pytest

from keyferry.cli.generated import render_files
from keyferry.cli.output.plans import summarize
from keyferry.cli.output.results import Plan as DeliveryPlan
from keyferry.cli.plan.build import Basis, build_plan
from keyferry.cli.plan.carry_out import list_deliveries
from keyferry.cli.plan.targets import compare_targets
from keyferry.cli.plan.values import add_values
from keyferry.errors import ClusterUnreachable
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.testing import FakeCluster
from tests.unit.clusters import SOURCE, WHERE, World
from tests.unit.planning import EU, NOW, US, deploy, folder_of, list_rows, name_targets, plan_of
from tests.unit.samples import SPEC, cluster, delivery, mapping

ONE: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": ["payments"]}
LABELLED: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": {"matchLabels": {"team": "shop"}}}


def label(world: World) -> World:
    """Give a namespace of a world its label, and deliver."""
    for each in world.clusters.values():
        each.namespaces["shop"] = {"team": "shop"}
    world.deliver("prod-eu")
    return world


def test_a_folder_that_is_what_is_deployed_changes_nothing() -> None:
    world = World()
    plan = plan_of(world, folder_of(world))
    assert (plan.is_empty, plan.unchanged, plan.notes, list(plan.deliveries)) == (True, 4, [], [])


def test_no_value_is_asked_for_and_none_is_in_it() -> None:
    world = World(mapping(**ONE))
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    plan = plan_of(world, folder_of(world, mapping(data={"url": {"template": "{{ db.password }}"}}, **ONE)))
    assert {what.split()[0] for what in world.calls.recorded} == {"metadata"}
    assert "canary" not in plan.model_dump_json()


def test_what_is_stale_would_be_written_anyway() -> None:
    world = World(mapping(**ONE))
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    plan = plan_of(world, folder_of(world))
    assert name_targets(plan.targets) == ["written prod-eu payments payments-db update may change"]
    [(target, expected)] = plan.deliveries
    assert (target.why, target.state) == ("a source has another version", "stale")
    [row] = list_rows(world)
    assert expected.model_dump(by_alias=True) == {
        "before": "present",
        "uid": row["uid"],
        "resourceVersion": row["resourceVersion"],
        "revision": row["revision"],
        "versions": {"db": "version-2"},
        "workloads": None,
    }


def test_a_plan_takes_keys_back_as_a_push_does() -> None:
    world = World(mapping(**ONE))
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    [(asked, expected)] = list_deliveries(plan_of(world, folder_of(world)))
    assert (asked.takes_back, asked.event_id[:5], list(expected)) == (True, "push-", ["payments"])


def test_what_is_gone_or_due_would_be_made_so() -> None:
    world = World(mapping(clusters=["prod-eu"], namespaces=["payments", "shop"]))
    world.clusters["prod-eu"].delete("shop", "payments-db")
    due = {"keyferry.dev/restart-due": "n"}
    world.clusters["prod-eu"].edit(*WHERE, annotations=due, manager="keyferry:payments-db")
    plan = plan_of(world, folder_of(world))
    assert name_targets(plan.targets) == [
        "written prod-eu payments payments-db restart stays",
        "written prod-eu shop payments-db create changes",
    ]
    assert [expected.before for _, expected in plan.deliveries] == ["present", "missing"]


@pytest.mark.parametrize(
    ("change", "will"),
    [
        ({"data": SPEC["secret"]["data"] | {"url": {"template": "{{ db.username }}"}}}, "update changes"),
        ({"data": {"username": {"from": "db", "path": "username"}}}, "update changes"),
        ({"data": SPEC["secret"]["data"] | {"username": {"from": "db", "path": "user"}}}, "update may change"),
        ({"sources": {"db": {"secretsManager": "prod/payments/other"}}}, "update may change"),
        ({"restart": "none"}, "annotate stays"),
        ({"policies": {"keys": "exclusive"}}, "annotate stays"),
        ({"owner": {"team": "payments"}}, ""),
    ],
)
def test_a_changed_mapping_writes_its_secrets(change: dict[str, Any], will: str) -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, mapping(**ONE, **change)))
    assert name_targets(plan.targets) == ([f"written prod-eu payments payments-db {will}"] if will else [])
    assert [each.name for each in plan.mappings] == ["payments-db"]


def test_what_is_stale_may_change_whatever_else_changes_of_its_mapping() -> None:
    world = World(mapping(**ONE))
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    plan = plan_of(world, folder_of(world, mapping(restart="none", **ONE)))
    assert name_targets(plan.targets) == ["written prod-eu payments payments-db update may change"]


def test_of_a_source_that_the_stack_does_not_read_the_version_is_not_known() -> None:
    world = World(mapping(**ONE))
    sources = {"db": {"secretsManager": SOURCE}, "more": {"secretsManager": "prod/other"}}
    [(_, expected)] = plan_of(world, folder_of(world, mapping(sources=sources, **ONE))).deliveries
    assert expected.versions == {"db": "version-1"}


def test_of_a_source_that_is_another_in_each_namespace_each_has_its_version() -> None:
    both: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": ["payments", "shop"]}
    own = {"db": {"secretsManager": "prod/${namespace}/db"}}
    world = World(mapping(sources=own, **both))
    world.sources.put("prod/shop/db", '{"username": "me", "password": "canary-shop"}')
    plan = plan_of(world, folder_of(world, mapping(sources=own, restart="none", **both)))
    versions = {target.namespace: expected.versions for target, expected in plan.deliveries}
    assert versions == {"payments": {"db": "version-1"}, "shop": {"db": "version-2"}}


def test_targets_are_told_by_mapping_whatever_becomes_of_them() -> None:
    world = World(mapping("a", name="a", **ONE))
    plan = plan_of(world, folder_of(world, mapping("b", name="b", **ONE)))
    assert [(each.mapping, each.change) for each in plan.targets] == [("a", "lost"), ("b", "gained")]


def test_workloads_are_known_where_the_mapping_names_them() -> None:
    world = World(mapping(**ONE))
    for restart, known in (("none", []), ([{"kind": "Deployment", "name": "api"}], ["Deployment/api"])):
        [(_, expected)] = plan_of(world, folder_of(world, mapping(restart=restart, **ONE))).deliveries
        assert expected.workloads == known


def test_a_new_namespace_a_new_cluster_and_a_new_mapping_gain_targets() -> None:
    world = World(mapping(**ONE))
    both: dict[str, Any] = {"clusters": ["prod-eu", "prod-us"], "namespaces": ["payments"]}
    shop = mapping("shop-db", name="shop-db", clusters=["prod-eu"], namespaces=["shop"])
    plan = plan_of(world, folder_of(world, mapping(**both), shop))
    assert name_targets(plan.targets) == [
        "written prod-eu payments payments-db annotate stays",
        "gained prod-us payments payments-db create changes",
        "gained prod-eu shop shop-db create changes",
    ]
    assert [each.why for each in plan.targets] == [
        "the mapping has changed",
        "the mapping goes there now",
        "the mapping is new",
    ]
    [_, (_, gained), _] = plan.deliveries
    assert (gained.before, gained.versions) == ("unknown", {"db": "version-1"})


def test_what_a_mapping_no_longer_goes_to_is_lost_with_the_reason() -> None:
    world = World()
    shop = mapping(clusters=["prod-eu"], namespaces=["shop"])
    plan = plan_of(world, folder_of(world, shop))
    lost = {(each.cluster, each.namespace): each.why for each in plan.targets if each.change == "lost"}
    assert lost == {
        ("prod-eu", "payments"): "the mapping no longer goes to the namespace",
        ("prod-us", "payments"): "the mapping no longer goes to the cluster",
        ("prod-us", "shop"): "the mapping no longer goes to the cluster",
    }
    without_us = folder_of(world, shop, clusters=[EU])
    assert {each.why for each in plan_of(world, without_us).targets if each.cluster == "prod-us"} == {
        "the cluster is removed"
    }
    none = build_catalog([], [EU, US])
    assert {each.why for each in plan_of(world, none).targets} == {"the mapping is removed"}
    assert list(plan_of(world, none).deliveries) == []


def test_another_name_of_the_secret_loses_one_and_gains_one() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, mapping(name="db", **ONE)))
    assert name_targets(plan.targets) == [
        "gained prod-eu payments db create changes",
        "lost prod-eu payments payments-db",
    ]
    assert {each.why for each in plan.targets} == {"the Secret has another name"}


def test_a_mapping_that_is_renamed_keeps_its_secrets() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, mapping("database", was=["payments-db"], **ONE)))
    assert name_targets(plan.targets) == ["written prod-eu payments payments-db annotate stays"]
    assert [(each.name, each.was, each.change) for each in plan.mappings] == [("database", "payments-db", "changed")]


def test_a_secret_that_another_mapping_takes_over_is_not_lost() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, mapping("another", policies={"conflict": "takeOver"}, **ONE)))
    assert name_targets(plan.targets) == ["written prod-eu payments payments-db update may change"]
    assert [each.why for each in plan.targets] == ["the mapping takes it over"]
    assert not any(each.kind == "Secret" for each in plan.leftovers)


def test_a_secret_that_is_another_mappings_is_not_taken_without_being_asked_for() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, mapping("another", **ONE)))
    assert name_targets(plan.targets) == ["written prod-eu payments payments-db fail"]
    assert plan.targets[0].why.startswith("it is mapping payments-db's: say metadata.previousNames [payments-db]")
    assert list(plan.deliveries) == []


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({"creation": "createOnce"}, []),
        ({"creation": "merge"}, ["written prod-eu payments payments-db annotate stays"]),
    ],
)
def test_what_is_created_once_is_left_alone(policies: dict[str, Any], expected: list[str]) -> None:
    world = World(mapping(**ONE))
    assert name_targets(plan_of(world, folder_of(world, mapping(policies=policies, **ONE))).targets) == expected


def test_what_is_created_once_is_created_where_it_is_gone() -> None:
    world = World(mapping(**ONE))
    world.clusters["prod-eu"].delete(*WHERE)
    once = mapping(policies={"creation": "createOnce"}, **ONE)
    assert name_targets(plan_of(world, folder_of(world, once)).targets) == [
        "written prod-eu payments payments-db create changes"
    ]


def test_a_cluster_that_labels_choose_gains_targets_of_mappings_that_stay_as_they_are() -> None:
    prod: dict[str, Any] = {"clusters": {"matchLabels": {"env": "prod"}}, "namespaces": ["payments"]}
    eu, us = (cluster(name, labels={"env": "prod"}) for name in ("prod-eu", "prod-us"))
    world = World(mapping(**prod))
    world.catalog = build_catalog([mapping(**prod)], [eu, US])
    world.deliver("prod-eu")
    plan = plan_of(world, folder_of(world, clusters=[eu, us]))
    assert name_targets(plan.targets) == ["gained prod-us payments payments-db create changes"]


def test_what_nobody_has_made_yet_is_not_written() -> None:
    merge: dict[str, Any] = {"policies": {"creation": "merge"}}
    world = World(mapping(**ONE, **merge))
    assert list_rows(world)[0]["state"] == "right"
    plan = plan_of(world, folder_of(world, mapping(restart="none", **ONE, **merge)))
    assert (plan.targets, plan.unchanged) == ([], 1)


def test_namespaces_that_a_selector_has_chosen_are_known_from_the_stack() -> None:
    world = label(World(mapping(**LABELLED)))
    data = {"password": {"from": "db", "path": "password"}}
    changed, copied = mapping(data=data, **LABELLED), mapping("copy", name="copy", **LABELLED)
    plan = plan_of(world, folder_of(world, changed, copied))
    assert name_targets(plan.targets) == [
        "gained prod-eu shop copy create changes",
        "written prod-eu shop payments-db update changes",
    ]
    assert plan.notes == []


def test_what_another_selector_chooses_only_the_cluster_knows() -> None:
    world = label(World(mapping(**LABELLED)))
    wider: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": ["payments", {"matchLabels": {"env": "prod"}}]}
    plan = plan_of(world, folder_of(world, mapping(**wider)))
    assert plan.notes == [
        "mapping payments-db: which namespaces of prod-eu have the labels env=prod, only the cluster knows"
    ]
    assert name_targets(plan.targets) == [
        "gained prod-eu payments payments-db create changes",
        "written prod-eu shop payments-db annotate stays",
    ]
    none: dict[str, Any] = {
        "clusters": ["prod-eu"],
        "namespaces": {"matchLabels": {"env": "prod"}, "exclude": ["shop"]},
    }
    assert name_targets(plan_of(world, folder_of(world, mapping(**none))).targets) == ["lost prod-eu shop payments-db"]


def test_what_a_cluster_that_is_away_has_chosen_is_not_known_to_be_nothing() -> None:
    labelled: dict[str, Any] = LABELLED | {"clusters": ["prod-us"]}
    world = World(mapping(**labelled))
    world.lost = ClusterUnreachable("cluster prod-us: no answer")
    plan = plan_of(world, folder_of(world, mapping(**labelled), mapping("copy", name="copy", **labelled)))
    assert "mapping copy: which namespaces of prod-us have the labels team=shop, only the cluster knows" in plan.notes


def test_a_cluster_that_is_away_is_said_to_be_unknown_and_gains_and_loses_nothing() -> None:
    world = World()
    world.lost = ClusterUnreachable("cluster prod-us: no answer")
    same = plan_of(world, folder_of(world))
    assert (same.is_empty, same.unchanged, same.unknown) == (True, 2, 2)
    assert summarize(same) == (
        "no changes, as far as is known: 2 targets stay as they are, 2 targets are not known; the mappings are deployed"
    )
    assert same.notes == ["not known of mapping payments-db on prod-us: ClusterUnreachable: cluster prod-us: no answer"]
    changed = plan_of(world, folder_of(world, mapping(clusters=["prod-eu", "prod-us"], namespaces=["payments"])))
    assert "written prod-us payments payments-db annotate stays" in name_targets(changed.targets)
    assert "lost prod-us shop payments-db" in name_targets(changed.targets)
    assert [each.state for each in changed.targets if (each.change, each.cluster) == ("lost", "prod-us")] == ["unknown"]
    [known] = [expected for target, expected in changed.deliveries if target.cluster == "prod-us"]
    assert known.before == "unknown"


def test_a_target_whose_state_is_not_known_is_counted_with_its_reason() -> None:
    world = World(mapping(**ONE))
    world.clusters["prod-eu"] = FakeCluster("payments")
    world.clients["prod-eu"] = world.clusters["prod-eu"].client()

    def refuse(_namespace: str, _name: str) -> None:
        raise ClusterUnreachable("no")

    world.clients["prod-eu"].read_secret_metadata = refuse  # type: ignore[method-assign,assignment]
    plan = plan_of(world, folder_of(world))
    assert (plan.targets, plan.notes) == ([], ["not known of prod-eu/payments/payments-db: ClusterUnreachable: no"])
    assert (plan.unchanged, plan.unknown) == (0, 1)
    [(_, expected)] = plan_of(world, folder_of(world, mapping(restart="none", **ONE))).deliveries
    assert expected.before == "unknown"
    assert "no changes, as far as is known: 1 target is not known; the" in summarize(plan)


def test_what_becomes_of_a_cluster_that_goes_is_told() -> None:
    world = World(mapping(**ONE))
    [note] = plan_of(world, build_catalog([], [US])).notes
    assert note.startswith("cluster prod-eu is removed: once that is deployed, `keyferry orphans` no longer finds it.")
    assert plan_of(world, folder_of(world, clusters=[EU])).notes == [], "no mapping goes to prod-us"


OLD, NEW = "111122223333/eu-west-1/prod-eu", EU.model_copy(update={"eks": cluster("prod-eu-2").eks})


def test_a_cluster_that_another_one_replaces_loses_all_and_the_other_one_gains_it() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, clusters=[NEW, US]))
    assert name_targets(plan.targets) == [
        f"lost {OLD} payments payments-db",
        "gained prod-eu payments payments-db create changes",
    ]
    assert [each.why for each in plan.targets] == ["another cluster has its name now", "the mapping goes there now"]
    [(target, expected)] = plan.deliveries
    assert (target.cluster, expected.before, expected.versions) == ("prod-eu", "unknown", {"db": "version-1"})
    assert (plan.unchanged, plan.mappings) == (0, [])
    assert [(each.name, each.fields) for each in plan.clusters] == [("prod-eu", ["eks.name"])]
    [note] = plan.notes
    assert note.startswith(f"prod-eu is another cluster now: the one that is deployed is shown as {OLD}. Once that is")
    assert "keep it in clusters.yaml under another name" in note


def test_what_a_replaced_cluster_has_is_left_behind_and_the_other_one_gains_all_rights() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, clusters=[NEW, US]))
    assert {each.cluster for each in plan.leftovers} == {OLD}
    assert {"Secret", "Role", "access entry"} <= {each.kind for each in plan.leftovers}
    assert {each.command for each in plan.leftovers} == {f"keyferry orphans --cluster {OLD}"}
    changes = {(each.change, each.cluster) for each in plan.rights if each.cluster}
    assert changes == {("lost", OLD), ("gained", "prod-eu")}


def test_a_cluster_that_has_given_its_name_away_goes_by_its_new_one() -> None:
    world = World(mapping(**ONE))
    kept = EU.model_copy(update={"name": "old"})
    plan = plan_of(world, folder_of(world, clusters=[NEW, US, kept]))
    assert name_targets(plan.targets) == [
        "lost old payments payments-db",
        "gained prod-eu payments payments-db create changes",
    ]
    assert plan.targets[0].why == "the mapping no longer goes to the cluster"
    assert plan.notes == [
        "prod-eu is another cluster now: what is deployed under that name is shown as old, its new name"
    ]
    assert {each.command for each in plan.leftovers} == {"keyferry orphans --cluster old"}
    assert [(each.change, each.name, each.was) for each in plan.clusters] == [
        ("changed", "old", "prod-eu"),
        ("added", "prod-eu", ""),
    ]
    both = mapping(clusters=["old", "prod-eu"], namespaces=["payments"])
    assert name_targets(plan_of(world, folder_of(world, both, clusters=[NEW, US, kept])).targets) == [
        "written old payments payments-db annotate stays",
        "gained prod-eu payments payments-db create changes",
    ]


def test_of_a_source_that_is_named_after_the_cluster_no_right_of_another_name_is_lost() -> None:
    world = World(mapping(sources={"db": {"secretsManager": "prod/${cluster}/db"}}, **ONE))
    rights = plan_of(world, folder_of(world, clusters=[NEW, US])).rights
    assert not [each.may for each in rights if each.may.startswith("read the secret")]


RENAMED = EU.model_copy(update={"name": "paris"})
PARIS: dict[str, Any] = ONE | {"clusters": ["paris"]}
PROD: dict[str, Any] = {"clusters": {"matchLabels": {"env": "prod"}}, "namespaces": ["payments"]}
URL = {"url": {"template": "{{ db.username }}"}}


def rename_chosen(*mappings: SecretMapping) -> tuple[World, Catalog]:
    """Return a world whose mappings choose prod-eu by a label, and the folder that calls that cluster paris."""
    world = World(*mappings)
    world.sources.put("prod/prod-eu/db", '{"username": "me", "password": "canary-eu"}')
    world.catalog = build_catalog(mappings, [cluster("prod-eu", labels={"env": "prod"}), US])
    world.deliver("prod-eu")
    renamed = world.catalog.clusters["prod-eu"].model_copy(update={"name": "paris"})
    return world, folder_of(world, clusters=[renamed, US])


def test_a_cluster_that_is_renamed_neither_gains_nor_loses_anything_by_that() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world, mapping(**PARIS), clusters=[RENAMED, US]))
    assert name_targets(plan.targets) == ["written paris payments payments-db annotate stays"]
    [(target, expected)] = plan.deliveries
    assert (target.why, expected.before, expected.versions) == (
        "the mapping has changed",
        "present",
        {"db": "version-1"},
    )
    assert (plan.leftovers, plan.rights, plan.policies) == ([], [], [])
    assert [(each.name, each.was, each.change, each.fields) for each in plan.clusters] == [
        ("paris", "prod-eu", "changed", ["name"])
    ]
    assert plan.notes == [
        "cluster prod-eu is renamed, and shown as paris: by that alone no Secret and no right in it is gained or lost,"
        " and nothing is left behind"
    ]


def test_where_labels_choose_a_cluster_that_is_renamed_no_secret_is_written() -> None:
    plan = plan_of(*rename_chosen(mapping(**PROD)))
    assert (plan.targets, plan.unchanged, plan.leftovers) == ([], 1, [])


def test_namespaces_that_a_selector_has_chosen_are_known_on_a_cluster_that_is_renamed() -> None:
    world = label(World(mapping(**LABELLED)))
    paris: dict[str, Any] = LABELLED | {"clusters": ["paris"]}
    plan = plan_of(world, folder_of(world, mapping(**paris), clusters=[RENAMED, US]))
    assert name_targets(plan.targets) == ["written paris shop payments-db annotate stays"]


def test_what_a_mapping_loses_on_a_cluster_that_is_renamed_is_left_behind_under_its_new_name() -> None:
    world = World(mapping(clusters=["prod-eu"], namespaces=["payments", "shop"]))
    plan = plan_of(world, folder_of(world, mapping(**PARIS), clusters=[RENAMED, US]))
    assert "lost paris shop payments-db" in name_targets(plan.targets)
    assert {(each.cluster, each.namespace, each.command) for each in plan.leftovers} == {
        ("paris", "shop", "keyferry orphans --cluster paris")
    }


def test_a_source_that_is_named_after_a_cluster_is_another_one_once_that_is_renamed() -> None:
    sources = {"db": {"secretsManager": "prod/${cluster}/db"}}
    world, folder = rename_chosen(mapping(sources=sources, **PROD))
    plan = plan_of(world, folder)
    assert name_targets(plan.targets) == ["written paris payments payments-db update may change"]
    assert [each.why for each in plan.targets] == ["the cluster has another name"]
    [(_, expected)] = plan.deliveries
    assert expected.versions == {}, "that of the other secret is not that of this one"
    assert {(each.change, each.cluster, each.may) for each in plan.rights} == {
        ("lost", "", "read the secret prod/prod-eu/db"),
        ("gained", "", "read the secret prod/paris/db"),
    }


@pytest.mark.parametrize(("more", "content"), [({}, "may change"), (URL, "changes")])
def test_a_template_that_has_the_name_of_a_cluster_may_make_another_content(more: dict[str, Any], content: str) -> None:
    data = {"username": {"template": "{{ cluster }}"}}
    world = World(mapping(data=data, **ONE))
    folder = folder_of(world, mapping(data=data | more, **PARIS), clusters=[RENAMED, US])
    [target] = plan_of(world, folder).targets
    assert (target.cluster, target.will, target.content) == ("paris", "update", content)
    assert target.why == "the mapping has changed; the cluster has another name"


def test_of_the_generated_files_those_that_tell_clusters_by_name_alone_differ_with_it() -> None:
    before = render_files(build_catalog([mapping(**ONE)], [EU]))
    after = render_files(build_catalog([mapping(**PARIS)], [RENAMED]))
    old, new = "clusters/prod-eu/", "clusters/paris/"
    of_one = {name for name in before.keys() | after.keys() if name.startswith((old, new))}
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert differing == of_one | {"stack/access-entries.json", "stack/alarms.yaml"}
    assert before[f"{old}rbac.yaml"] == after[f"{new}rbac.yaml"]


def test_of_clusters_that_have_swapped_their_names_each_keeps_what_it_has() -> None:
    world = World()
    swapped = [EU.model_copy(update={"name": "prod-us"}), US.model_copy(update={"name": "prod-eu"})]
    plan = plan_of(world, folder_of(world, clusters=swapped))
    assert (plan.targets, plan.rights, plan.leftovers) == ([], [], [])
    assert [(each.name, each.was) for each in plan.clusters] == [("prod-eu", "prod-us"), ("prod-us", "prod-eu")]


def test_a_conflict_that_stays_is_told() -> None:
    world = World(mapping(**ONE))
    rows = [row | {"state": "conflict", "why": "helm owns password"} for row in list_rows(world)]
    comparison = compare_targets(folder_of(world), world.catalog, rows)
    assert (comparison.changes, comparison.notes) == (
        [],
        ["conflict of prod-eu/payments/payments-db: helm owns password"],
    )
    assert (comparison.unchanged, comparison.contested) == (0, 1)
    failed = [row | {"error": "Conflict: x", "failed": "2026-11-24T14:30:05+00:00"} for row in rows]
    assert compare_targets(folder_of(world), world.catalog, failed).notes == [
        "conflict of prod-eu/payments/payments-db: helm owns password;"
        " the last delivery failed at 2026-11-24 14:30 UTC: Conflict: x"
    ]
    without = [{name: value for name, value in row.items() if name != "why"} for row in rows]
    notes = compare_targets(folder_of(world), world.catalog, without).notes
    assert notes == ["conflict of prod-eu/payments/payments-db: not known"]


def test_equal_reasons_are_told_once_with_the_first_target_and_totals_count_the_conflicts() -> None:
    world = World()
    rows = [row | {"state": "conflict", "why": "helm owns password"} for row in list_rows(world)]
    comparison = compare_targets(folder_of(world), world.catalog, rows)
    assert comparison.notes == ["conflict of prod-eu/payments/payments-db and 3 more: helm owns password"]
    times = [f"2026-11-24T14:{minute}:00+00:00" for minute in (10, 30, 20, 25)]
    failed = [row | {"error": "Conflict: x", "failed": time} for row, time in zip(rows, times, strict=True)]
    assert compare_targets(folder_of(world), world.catalog, failed).notes == [
        "conflict of prod-eu/payments/payments-db and 3 more: helm owns password;"
        " the last delivery failed at 2026-11-24 14:30 UTC: Conflict: x"
    ]
    known: dict[str, Any] = {"stack": ("keyferry", "eu-west-1"), "generated": {}, "now": NOW}
    plan = build_plan(Basis(folder=folder_of(world), deployment=deploy(world.catalog), rows=rows, **known))
    assert summarize(plan) == ("no changes, as far as is known: 4 have a conflict; the mappings are deployed")


def test_a_row_of_a_mapping_or_a_cluster_that_is_not_listed_is_left_out() -> None:
    world = World(mapping(**ONE))
    rows = json.loads(json.dumps(list_rows(world)))
    for stray in (rows[0] | {"mapping": "newer", "secret": "newer"}, rows[0] | {"cluster": "newer"}):
        assert compare_targets(folder_of(world), world.catalog, [*rows, stray]).changes == []


def test_what_is_rendered_with_values_is_no_longer_unknown() -> None:
    world = World(mapping(**ONE))
    plan = plan_of(world, folder_of(world)).model_copy(update={"unknown": 1, "contested": 1})
    asked, error = delivery(cluster="prod-eu"), ClusterUnreachable("no answer")
    whole = add_values(plan, folder_of(world), [DeliveryPlan(asked)])
    assert (whole.unknown, whole.contested) == (0, 0)
    assert add_values(plan, folder_of(world), [DeliveryPlan(asked, error=error)]).unknown == 1
