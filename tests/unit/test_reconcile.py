"""The sweep sends a delivery where something is not, or not known to be, right, and reads no value."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry.delivery.observed import Observed
from keyferry.delivery.report import MAX_LISTED
from keyferry.errors import (
    AccessDenied,
    ClusterSlow,
    ClusterThrottled,
    ClusterUnreachable,
    Forbidden,
    InvalidInput,
    KeyferryError,
    NamespaceGone,
    OutOfTime,
    ServerError,
    Throttled,
    Unauthorized,
    UnknownField,
    UnknownName,
    Unreachable,
    WrongCluster,
)
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.origin import Origin
from keyferry.model import Delivery, SourceState
from keyferry.pipeline import reconcile as reconcile_module
from keyferry.pipeline.compare import compare_secret
from keyferry.pipeline.comparison import Position
from keyferry.pipeline.reconcile import MAX_HOPS, MAX_WAITS, WAIT_SECONDS, reconcile, settle_report, settle_sweep
from keyferry.pipeline.settle import UNKNOWN_NAME_SECONDS
from keyferry.pipeline.sweep import REASONS_OF_A_KIND, NotCompared, Sweep, SweepReport, parse_sweep
from keyferry.stores.source import Source
from keyferry.testing import Calls
from tests.unit.clusters import PERIOD, SOURCE, WHERE, World
from tests.unit.fake_queues import message
from tests.unit.samples import PLACE, WHEN, delivery, mapping


def test_where_all_is_right_nothing_is_sent_and_no_value_is_read() -> None:
    world = World()
    swept = world.sweep()
    assert (swept.checked, swept.sent, world.queue.sent) == (4, (), [])
    assert {what.split()[0] for what in world.calls.recorded} == {"metadata"}
    assert len(world.calls.recorded) == 4
    assert swept.metrics() == {"SweepsChecked": 4, "SweepsSent": 0, "TargetsNotCompared": 0, "SweepsFinished": 1}


def test_a_wrong_namespace_sends_one_delivery_for_its_mapping_and_cluster() -> None:
    world = World()
    for namespace in ("payments", "shop"):
        world.clusters["prod-us"].delete(namespace, "payments-db")
    swept = world.sweep()
    [sent] = world.queue.sent
    assert (sent.mapping, sent.cluster, sent.namespace, sent.event_id) == ("payments-db", "prod-us", None, "event-9")
    assert (sent.time, sent.expires, sent.is_of_sweep) == (WHEN, WHEN + PERIOD, True)
    assert swept.log_fields() == {
        "event_id": "event-9",
        "origin": "by hand",
        "checked": 3,
        "count": 1,
        "sent": [{"mapping": "payments-db", "cluster": "prod-us", "why": "payments: the Secret is missing"}],
        "not_compared": 0,
        "reasons": [],
        "finished": True,
        "continued": False,
    }
    assert swept.metrics() == {"SweepsChecked": 3, "SweepsSent": 1, "TargetsNotCompared": 0, "SweepsFinished": 1}


def missing(world: World) -> None:
    world.clusters["prod-us"].delete(*WHERE)


def edited(world: World) -> None:
    world.clusters["prod-us"].edit(*WHERE, data={"password": "by hand"})


def edited_back(world: World) -> None:
    edited(world)
    world.clusters["prod-us"].edit(*WHERE, data={"password": "canary-1"})


def without_owners(world: World) -> None:
    world.clusters["prod-us"].clear_managed_fields(*WHERE)


def annotated(key: str, value: str | None) -> Callable[[World], None]:
    return lambda world: world.clusters["prod-us"].edit(*WHERE, annotations={f"keyferry.dev/{key}": value})


@pytest.mark.parametrize(
    ("breaks", "why"),
    [
        (missing, "the Secret is missing"),
        (edited, "somebody else has written a key"),
        (edited_back, "somebody else has written a key"),
        (without_owners, "somebody else has written a key"),
        (annotated("mapping", None), "the annotation keyferry.dev/mapping differs"),
        (annotated("mapping", "other"), "the annotation keyferry.dev/mapping differs"),
        (annotated("revision", "0"), "the mapping has changed"),
        (annotated("versions", '{"db":"version-0"}'), "a source has another version"),
        (annotated("keys", "password"), "the annotation keyferry.dev/keys differs"),
        (annotated("restart-due", "nonce"), "restarts are due"),
    ],
)
def test_every_difference_is_seen_and_a_delivery_puts_it_right(breaks: Callable[[World], None], why: str) -> None:
    world = World()
    breaks(world)
    assert world.found() == [f"prod-us: payments: {why}"]
    world.deliver("prod-us")
    if "mapping" in why and world.clusters["prod-us"].annotations(*WHERE).get("keyferry.dev/mapping") == "other":
        return  # another mapping's Secret: the delivery reports the conflict
    assert world.found() == []


def once(**more: str) -> SecretMapping:
    return mapping(clusters=["prod-us"], policies={"creation": "createOnce"}, **more)


def test_a_secret_that_is_made_once_is_looked_at_for_being_there_and_for_its_restarts() -> None:
    world = World(once())
    edited(world)
    annotated("versions", None)(world)
    assert world.found() == []
    annotated("restart-due", "nonce")(world)
    assert world.found() == ["prod-us: payments: restarts are due"]
    world.catalog = Catalog(mappings={"payments-db": once(restart="none")}, clusters=world.catalog.clusters)
    assert world.found() == []
    annotated("mapping", "other")(world)
    world.catalog = Catalog(mappings={"payments-db": once()}, clusters=world.catalog.clusters)
    assert world.found() == []
    missing(world)
    assert world.found() == ["prod-us: payments: the Secret is missing"]


def test_a_secret_of_somebody_else_is_waited_for_without_deliveries() -> None:
    world = World(mapping(clusters=["prod-us"], policies={"creation": "merge"}))
    assert world.found() == []
    cluster = world.clusters["prod-us"]
    cluster.create(*WHERE, {"theirs": "x"})
    assert world.found() == ["prod-us: payments: the annotation keyferry.dev/mapping differs"]
    cluster.set_owner_references(*WHERE, "ExternalSecret/db")
    world.deliver("prod-us")
    assert world.found() == []


def test_a_key_of_others_is_seen_where_the_mapping_wants_the_secret_alone() -> None:
    world = World(mapping(clusters=["prod-us"], policies={"keys": "exclusive"}))
    world.clusters["prod-us"].edit(*WHERE, data={"theirs": "x"})
    assert world.found() == ["prod-us: payments: somebody else has added a key"]
    world.deliver("prod-us")
    assert world.found() == []


def test_an_owner_that_takes_the_secret_with_it_is_seen() -> None:
    world = World(mapping(clusters=["prod-us"], policies={"conflict": "takeOver"}))
    world.clusters["prod-us"].set_owner_references(*WHERE, "ExternalSecret/db")
    assert world.found() == ["prod-us: payments: it is owned by ExternalSecret/db"]
    world.deliver("prod-us")
    assert world.found() == []


def test_an_earlier_name_that_still_owns_fields_is_seen() -> None:
    world = World(mapping(clusters=["prod-us"], policies={"conflict": "takeOver"}))
    held = world.clusters["prod-us"].secrets[WHERE]
    held.managed_fields["keyferry:older", "Apply"] = {("data", "password")}
    world.catalog = Catalog(
        mappings={
            "payments-db": mapping("payments-db", ["older"], clusters=["prod-us"], policies={"conflict": "takeOver"})
        },
        clusters=world.catalog.clusters,
    )
    assert world.found() == ["prod-us: payments: an earlier name of the mapping owns fields"]
    for each in world.catalog.mappings.values():
        assert each.names == ("payments-db", "older")
    world.deliver("prod-us")
    assert world.found() == []


def test_a_new_version_is_seen_on_every_cluster() -> None:
    world = World()
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    assert world.found() == [f"{name}: payments: a source has another version" for name in ("prod-eu", "prod-us")]


def test_a_changed_mapping_is_seen() -> None:
    world = World()
    changed = mapping(clusters=["prod-eu", "prod-us"], namespaces=["payments", "shop"], restart="none")
    world.catalog = Catalog(mappings={changed.name: changed}, clusters=world.catalog.clusters)
    assert world.found() == [f"{name}: payments: the mapping has changed" for name in ("prod-eu", "prod-us")]


def test_a_label_or_annotation_that_is_another_is_seen_and_put_right() -> None:
    given = {"name": "payments-db", "data": {"password": {"from": "db", "path": "password"}}}
    world = World(mapping(secret=given | {"labels": {"app": "a"}, "annotations": {"example.com/b": "c"}}))
    assert world.found() == []
    world.clusters["prod-eu"].edit(*WHERE, annotations={"example.com/b": "other"})
    assert world.found() == ["prod-eu: payments: a label or an annotation differs"]
    world.deliver("prod-eu")
    assert world.found() == []


def test_a_version_that_is_not_known_is_no_version_that_is_right() -> None:
    world = World()
    swept = world.sweep(version=lambda _source: SourceState())
    assert [why for _, why in swept.sent] == ["payments: the version of a source is not known"] * 2


def test_a_cluster_that_does_not_answer_gets_no_deliveries_and_the_others_are_looked_at() -> None:
    world = World()
    world.lost = Unreachable("cluster prod-us: no answer in time")
    missing(world)
    world.clusters["prod-eu"].delete(*WHERE)
    swept = world.sweep()
    assert [(each.cluster, why) for each, why in swept.sent] == [("prod-eu", "payments: the Secret is missing")]
    assert swept.not_compared == (
        NotCompared("payments-db", "prod-us", 1, "Unreachable", "cluster prod-us: no answer in time"),
    )
    assert swept.is_finished


def test_a_region_that_cannot_be_listed_sends_nothing_and_each_of_its_targets_is_told() -> None:
    def version(_source: Source) -> SourceState:
        raise AccessDenied("AWS refuses secretsmanager:ListSecrets")

    world = World()
    assert world.not_compared(version) == [
        f"{name}: payments-db: 2: AccessDenied: AWS refuses secretsmanager:ListSecrets"
        for name in ("prod-eu", "prod-us")
    ]
    assert world.queue.sent == []


def test_namespaces_are_found_by_their_labels() -> None:
    labelled = mapping(clusters=["prod-eu"], namespaces={"matchLabels": {"team": "shop"}})
    world = World(labelled)
    assert world.found() == []  # no namespace has the label
    world.clusters["prod-eu"].namespaces["shop"] = {"team": "shop"}
    assert world.found() == ["prod-eu: shop: the Secret is missing"]


def test_each_namespace_is_compared_with_its_own_source() -> None:
    wanted = mapping(sources={"db": {"secretsManager": "teams/${namespace}/db"}}, namespaces=["payments", "shop"])
    world = World(wanted)
    for name in ("payments", "shop"):
        world.sources.put(f"teams/{name}/db", '{"username": "me", "password": "canary-1"}')
    world.deliver("prod-eu")
    assert world.found() == []
    world.sources.put("teams/shop/db", '{"username": "me", "password": "canary-2"}')
    assert world.found() == ["prod-eu: shop: a source has another version"]


def test_namespaces_that_are_left_out_are_not_looked_at() -> None:
    world = World(mapping(clusters=["prod-eu"], namespaces={"names": ["*"], "exclude": ["shop"]}))
    world.clusters["prod-eu"].delete(*WHERE)
    assert world.found() == ["prod-eu: payments: the Secret is missing"]
    with pytest.raises(UnknownName, match="namespace shop"):
        world.found(namespace="shop")


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({}, ["a/prod-eu", "a/prod-us", "b/prod-eu"]),
        ({"mapping": "a"}, ["a/prod-eu", "a/prod-us"]),
        ({"cluster": "prod-eu"}, ["a/prod-eu", "b/prod-eu"]),
        ({"mapping": "a", "cluster": "prod-us"}, ["a/prod-us"]),
        ({"namespace": "shop"}, ["a/prod-eu/shop", "a/prod-us/shop"]),
        ({"namespace": "shop", "cluster": "prod-us"}, ["a/prod-us/shop"]),
    ],
)
def test_a_sweep_by_hand_looks_only_at_what_it_names(narrowed: dict[str, str], expected: list[str]) -> None:
    both = mapping("a", clusters=["prod-eu", "prod-us"], namespaces=["payments", "shop"])
    world = World(both, mapping("b", name="other", namespaces=["payments"]))
    for each in world.clusters.values():
        each.secrets.clear()
    world.sweep(Sweep(**narrowed))
    assert sorted(each.group for each in world.queue.sent) == expected
    assert {each.namespace for each in world.queue.sent} <= {narrowed.get("namespace")}


@pytest.mark.parametrize(
    ("narrowed", "named"),
    [
        ({"mapping": "typo"}, "mapping typo"),
        ({"cluster": "typo"}, "cluster typo"),
        ({"namespace": "typo"}, "namespace typo"),
        ({"mapping": "payments-db", "cluster": "typo"}, "mapping payments-db, cluster typo"),
    ],
)
def test_a_sweep_by_hand_of_what_no_mapping_has_is_refused(narrowed: dict[str, str], named: str) -> None:
    with pytest.raises(UnknownName, match=f"^no mapping of this deployment has {named}: see `keyferry validate`$"):
        World().sweep(Sweep(**narrowed))


def test_a_deployment_without_mappings_has_nothing_to_sweep() -> None:
    world = World()
    world.catalog = Catalog()
    assert world.sweep() == SweepReport(0, event_id="event-9", origin="by hand")


@pytest.mark.unwatched
@pytest.mark.parametrize(
    "lost",
    [
        Unreachable("no answer in time"),
        Unauthorized("prod-us", "a role"),
        Throttled("429"),
        ClusterUnreachable("asked again in 30 s"),
        ClusterThrottled("asked again in 30 s"),
        ClusterSlow("asked again in 30 s"),
        AccessDenied("AWS refuses sts:AssumeRole"),
        WrongCluster("another one"),
    ],
)
@pytest.mark.parametrize("by", ["connecting", "reading", "listing namespaces"])
def test_a_cluster_that_fails_as_a_whole_is_asked_once(lost: KeyferryError, by: str) -> None:
    def fails(_number: int, _call: str) -> None:
        raise lost

    names = [f"m{number}" for number in range(20)]
    namespaces = {"names": ["*"]} if by == "listing namespaces" else ["payments"]
    both = {"clusters": ["prod-eu", "prod-us"], "namespaces": namespaces}
    world = World(*(mapping(name, name=name, **both) for name in names))
    bad = Calls(before=fails)
    world.lost = lost if by == "connecting" else None
    if by != "connecting":
        world.clients["prod-us"] = world.clusters["prod-us"].client(bad)
    expected = [f"prod-us: {name}: 1: {type(lost).__name__}: {lost}" for name in sorted(names)]
    assert world.not_compared() == expected
    assert len(bad.recorded) + world.calls.recorded.count("lost") == 1
    assert world.queue.sent == []


@pytest.mark.parametrize("error", [Forbidden("grant get by RBAC"), ServerError("500"), NamespaceGone("create it")])
def test_a_namespace_that_cannot_be_read_is_told_and_the_others_are_compared(error: KeyferryError) -> None:
    def fails(_number: int, call: str) -> None:
        if call.startswith("metadata payments"):
            raise error

    world = World()
    world.clusters["prod-us"].delete("shop", "payments-db")
    world.clients["prod-us"] = world.clusters["prod-us"].client(Calls(before=fails))
    swept = world.sweep()
    assert [why for _, why in swept.sent] == ["shop: the Secret is missing"]
    assert [(each.targets, each.kind) for each in swept.not_compared] == [(1, type(error).__name__)]
    assert swept.metrics()["TargetsNotCompared"] == 1


def locate_parts(catalog: Catalog) -> None:
    """Let a catalogue know some lines of its only mapping."""
    lines = {"namespaces": 4, "namespaces.1": 6, "secret": 8, "secret.name": 9}
    catalog.origins["payments-db"] = Origin(file="db.yaml", line=2, lines=lines)


@pytest.mark.parametrize(
    ("error", "at"), [(Forbidden("grant get by RBAC"), "db.yaml:9"), (NamespaceGone("create it"), "db.yaml:6")]
)
def test_what_cannot_be_compared_is_told_at_the_line_at_which_a_delivery_tells_it(
    error: KeyferryError, at: str
) -> None:
    def fails(_number: int, call: str) -> None:
        if call.startswith("metadata shop"):
            raise error

    world = World()
    locate_parts(world.catalog)
    world.clients["prod-us"] = world.clusters["prod-us"].client(Calls(before=fails))
    assert [entry.at for entry in world.sweep().not_compared] == [at]


def test_a_choice_of_namespaces_that_chooses_none_is_told_in_each_sweep() -> None:
    nobody = {"matchLabels": {"team": "nobody"}}
    swept = World(mapping("m1", namespaces=["payments", nobody], clusters=["prod-us"])).sweep()
    [note] = swept.log_fields()["notes"]
    assert note.startswith("m1: no namespace of prod-us has the labels team=nobody: ")
    assert "notes" not in World(mapping("m1", clusters=["prod-us"])).sweep().log_fields()


@pytest.mark.parametrize("error", [None, Forbidden("grant list by RBAC"), ServerError("500")])
def test_namespaces_are_listed_once_for_a_selector_whatever_the_answer_is(error: KeyferryError | None) -> None:
    def fails(_number: int, call: str) -> None:
        if error and call == "namespaces":
            raise error

    shop = {"matchLabels": {"team": "shop"}}
    world = World(*(mapping(f"m{n}", name=f"m{n}", namespaces=shop, clusters=["prod-us"]) for n in range(9)))
    world.clusters["prod-us"].namespaces["shop"] = {"team": "shop"}
    world.clients["prod-us"] = world.clusters["prod-us"].client(calls := Calls(before=fails))
    swept = world.sweep()
    assert calls.count("namespaces") == 1
    assert (len(swept.sent), len(swept.not_compared)) == ((0, 9) if error else (9, 0))


def test_an_outage_of_aws_is_none_of_the_cluster() -> None:
    world = World(mapping(clusters=["prod-eu"]), mapping("z", name="z", sources={"db": {"secretsManager": "prod/z"}}))
    world.sources.put("prod/z", '{"username": "me", "password": "canary-z"}')
    world.deliver("prod-eu")
    world.clusters["prod-eu"].delete("payments", "z")

    def version(source: Source) -> SourceState:
        if source.event_names == (SOURCE,):
            raise Unreachable("secretsmanager:ListSecrets: no answer from AWS")
        return world.sources.read_state(source)

    swept = world.sweep(version=version)
    assert [(each.mapping, why) for each, why in swept.sent] == [("z", "payments: the Secret is missing")]
    assert [(each.mapping, each.why) for each in swept.not_compared] == [
        ("payments-db", "secretsmanager:ListSecrets: no answer from AWS")
    ]


@pytest.mark.parametrize("call", ["metadata payments/payments-db", "namespaces"])
def test_an_error_that_nobody_foresaw_sends_nothing_and_names_no_value(call: str) -> None:
    def fails(_number: int, now: str) -> None:
        if now == call:
            raise ValueError("canary")

    namespaces = {"names": ["payments"]} if call == "namespaces" else ["payments"]
    world = World(mapping(clusters=["prod-eu", "prod-us"], namespaces=namespaces))
    world.clusters["prod-us"].delete(*WHERE)
    world.clients["prod-eu"] = world.clusters["prod-eu"].client(Calls(before=fails))
    swept = world.sweep()
    assert [each.cluster for each, _ in swept.sent] == ["prod-us"]
    [entry] = swept.not_compared
    assert (entry.cluster, entry.kind) == ("prod-eu", "Unexpected")
    assert entry.why.startswith("ValueError at test_reconcile.py:")


def many(count: int, **more: Any) -> World:  # noqa: ANN401
    """Return a world with many mappings on prod-us, where the Secret of every tenth is missing."""
    world = World(*(mapping(f"m{n:03}", name=f"m{n:03}", clusters=["prod-us"], **more) for n in range(count)))
    for number in range(0, count, 10):
        world.clusters["prod-us"].delete("payments", f"m{number:03}")
    return world


@pytest.mark.unwatched
def test_a_sweep_that_runs_out_of_time_goes_on_where_it_stopped_and_loses_nothing() -> None:
    world = many(200)
    world.calls.after = lambda *_: world.clock.jump(10)
    world.clients["prod-us"] = world.clusters["prod-us"].client(world.calls)
    reports = [world.sweep()]
    assert (reports[0].is_finished, reports[0].is_continued, reports[0].not_compared) == (False, True, ())
    assert reports[0].log_fields()["continued"]
    while len(world.continued) == len(reports):
        world.deadline = world.clock.deadline(840)
        reports.append(world.sweep(Sweep.model_validate_json(world.continued[-1].to_json())))
    assert len(reports) > 2
    assert [report.metrics().get("SweepsFinished", 0) for report in reports] == [0] * (len(reports) - 1) + [1]
    assert sum(report.checked for report in reports) == 200
    assert len(world.calls.recorded) == 200
    assert sorted(each.mapping for each in world.queue.sent) == [f"m{number:03}" for number in range(0, 200, 10)]
    assert [each.hops for each in world.continued] == list(range(1, len(reports)))
    assert {each.begun for each in world.continued} == {WHEN}


@pytest.mark.unwatched
def test_it_goes_on_within_the_namespaces_of_a_mapping_and_on_the_clusters_that_are_not_finished() -> None:
    both = mapping(clusters=["prod-eu", "prod-us"], namespaces={"names": ["*"]})
    world = World(both)
    us = world.clusters["prod-us"]
    us.namespaces |= {f"n{number:03}": {} for number in range(100)}
    us.namespaces.pop("shop")
    us.namespaces["shop"] = {}  # targets are sorted, however they are listed
    world.deliver("prod-us")
    us.delete("shop", "payments-db")
    eu_is_done = threading.Event()
    eu = Calls(after=lambda number, _: eu_is_done.set() if number == 2 else None)  # the namespaces, and two targets

    def jump(number: int, _: str) -> None:
        if number == 33:
            assert eu_is_done.wait(10)
            world.clock.jump(840)

    world.clients |= {"prod-eu": world.clusters["prod-eu"].client(eu), "prod-us": us.client(Calls(after=jump))}
    first = world.sweep()
    world.clients.clear()
    [rest] = world.continued
    assert rest.cursor is not None
    assert rest.cursor.keys() == {"prod-us"}
    assert rest.cursor["prod-us"].mapping == "payments-db"
    assert (first.sent, first.checked) == ((), 2 + 33)
    world.deadline = world.clock.deadline(840)
    us.namespaces.pop(rest.cursor["prod-us"].namespace)  # gone meanwhile
    swept = world.sweep(rest)
    assert [why for _, why in swept.sent] == ["shop: the Secret is missing"]
    assert (swept.checked, swept.is_finished) == (102 - 33 - 1, True)


def test_a_call_that_ends_for_lack_of_time_leaves_its_target_for_the_next_invocation() -> None:
    def fails(_number: int, call: str) -> None:
        if call in ("metadata payments/m005", "namespaces"):
            raise OutOfTime

    world = many(10)
    world.clients["prod-us"] = world.clusters["prod-us"].client(Calls(before=fails))
    world.sweep()
    world.catalog = Catalog(mappings={"a": mapping("a", namespaces={"names": ["*"]})}, clusters=world.catalog.clusters)
    world.clients["prod-eu"] = world.clients["prod-us"]
    world.sweep()
    assert [each.cursor for each in world.continued] == [
        {"prod-us": Position(mapping="m005", namespace="payments")},
        {"prod-eu": Position(mapping="a")},
    ]


def test_a_sweep_that_has_no_time_at_all_asks_nobody_and_keeps_its_place() -> None:
    world = many(10)
    world.deadline = world.clock.deadline(0)
    place = Position(mapping="m003", namespace="payments")
    swept = world.sweep(Sweep(cursor={"prod-us": place, "gone": place}))
    assert (swept.checked, world.calls.recorded) == (0, [])
    assert [each.cursor for each in world.continued] == [{"prod-us": place}]


@pytest.mark.parametrize(
    ("hops", "age", "why"),
    [
        (MAX_HOPS - 1, 3 * PERIOD, ""),
        (MAX_HOPS, timedelta(0), "the sweep has run out of time 17 times: 1 clusters are not finished, the first one"),
        (1, 3.1 * PERIOD, "the sweep began 3 periods of the schedule ago: 1 clusters are not finished, the first one"),
    ],
)
def test_hops_and_age_of_a_sweep_are_bounded(hops: int, age: timedelta, why: str) -> None:
    world = many(10)
    world.deadline = world.clock.deadline(0)
    swept = world.sweep(Sweep(hops=hops, begun=WHEN - age))
    assert swept.end.startswith(why)
    assert len(world.continued) == (0 if why else 1)
    assert swept.metrics().get("SweepsUnfinished", 0) == bool(why)
    assert "SweepsFinished" not in swept.metrics()
    settled = settle_report(swept)
    assert (settled.decision, settled.log_level) == (("dropped", "error") if why else ("done", "info"))
    assert settled.reason == swept.end


def test_a_sweep_that_ends_counts_what_it_would_have_looked_at_again() -> None:
    world = World()
    world.lost = Unreachable("down")
    swept = world.sweep(Sweep(reason="schedule", hops=MAX_HOPS))
    assert (world.continued, swept.end != "") == ([], True)
    assert [each.cluster for each in swept.not_compared] == ["prod-us"]


def test_clusters_that_take_all_the_time_do_not_keep_the_same_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_module, "CLUSTERS_AT_ONCE", 1)
    world = World()
    world.calls.after = lambda *_: world.clock.jump(840)
    waiting = set()
    for _ in range(50):
        world.deadline = world.clock.deadline(840)
        world.sweep()
        waiting |= {name for name, place in (world.continued[-1].cursor or {}).items() if not place.namespace}
    assert waiting == {"prod-eu", "prod-us"}


def test_a_rest_that_cannot_be_sent_fails_the_sweep() -> None:
    def lost(_rest: Sweep, _delay_seconds: int) -> None:
        raise Unreachable("no answer from SQS")

    world = many(10)
    world.deadline = world.clock.deadline(0)
    with pytest.raises(Unreachable):
        reconcile(Sweep(), world.catalog, replace(world.services(), continue_later=lost))


@pytest.mark.parametrize("reason", ["schedule", "CloudFormation Stack Status Change"])
def test_a_cluster_that_is_away_is_looked_at_again_soon_and_a_few_times(reason: str) -> None:
    world = World()
    world.lost = Unauthorized("prod-us", "role")
    world.clusters["prod-us"].delete(*WHERE)
    reports = [world.sweep(Sweep(reason=reason))]
    while len(world.continued) == len(reports):
        reports.append(world.sweep(Sweep.model_validate_json(world.continued[-1].to_json())))

    assert len(reports) == 1 + MAX_WAITS
    assert world.delays == [WAIT_SECONDS] * MAX_WAITS
    assert WAIT_SECONDS > 30, "the environment remembers a failure for half a minute"
    assert [report.checked for report in reports] == [2, *[0] * MAX_WAITS], "the others are not looked at again"
    assert [bool(report.not_compared) for report in reports] == [*[False] * MAX_WAITS, True]
    assert [report.is_finished for report in reports] == [*[False] * MAX_WAITS, True]
    assert {each.hops for each in world.continued} == {0}
    assert world.queue.sent == []


def test_a_cluster_that_is_away_counts_for_its_alarm_although_no_change_waits_for_it() -> None:
    world = World()
    world.lost = Unreachable("down")
    for reason in ("schedule", "by hand"):
        [metric] = settle_report(world.sweep(Sweep(reason=reason))).dimensioned_metrics()
        assert (metric.name, metric.dimension) == ("ClusterUnavailable", ("cluster", "prod-us"))


def test_a_cluster_that_lets_the_roles_in_after_the_deployment_gets_its_deliveries_then() -> None:
    world = World()
    world.lost = Unauthorized("prod-us", "role")
    world.clusters["prod-us"].delete(*WHERE)
    world.sweep(Sweep(reason="CloudFormation Stack Status Change"))
    world.lost = None
    [rest] = world.continued
    report = world.sweep(rest)
    assert [sent.cluster for sent, _ in report.sent] == ["prod-us"]
    assert (report.not_compared, report.is_finished) == ((), True)


def test_whoever_sweeps_by_hand_is_told_at_once_what_could_not_be_compared() -> None:
    world = World()
    world.lost = Unreachable("down")
    report = world.sweep()
    assert (bool(report.not_compared), report.is_finished, world.continued) == (True, True, [])


def test_a_team_whose_key_somebody_keeps_writing_is_told_by_each_sweep_and_nothing_is_sent() -> None:
    world = World(mapping(clusters=["prod-us"], owner={"team": "payments"}))
    world.time = datetime.now(UTC)
    for _ in range(2):
        world.clusters["prod-us"].edit(*WHERE, data={"password": "by hand"}, manager="argocd-controller")
        world.deliver("prod-us")
    locate_parts(world.catalog)
    report = world.sweep()
    assert (report.sent, report.checked) == ((), 1)
    [metric] = settle_report(report).dimensioned_metrics()
    assert (metric.name, metric.dimension) == ("Failures", ("owner", "payments"))
    [told] = report.log_fields()["contested"]
    assert (told["mapping"], told["cluster"], told["namespace"]) == ("payments-db", "prod-us", "payments")
    assert "field manager argocd-controller has written password again" in told["why"]
    assert told["at"] == "db.yaml:9", "the name of the Secret"


def test_a_sweep_of_less_than_everything_does_not_count_as_one() -> None:
    assert "SweepsFinished" not in World().sweep(Sweep(cluster="prod-eu")).metrics()


def test_a_mapping_with_a_difference_is_looked_at_no_further() -> None:
    names = [f"n{number:03}" for number in range(500)]
    world = World(mapping(clusters=["prod-us"], namespaces=names))
    for name in names:
        world.clusters["prod-us"].delete(name, "payments-db")
    swept = world.sweep()
    assert (len(swept.sent), len(world.calls.recorded), swept.is_finished) == (1, 1, True)


def test_a_cluster_that_is_down_for_a_day_leaves_no_backlog() -> None:
    world = World(*(mapping(f"m{n}", name=f"m{n}", clusters=["prod-us"]) for n in range(50)))
    for number in range(50):
        world.clusters["prod-us"].delete("payments", f"m{number}")
    world.lost = Unreachable("down")
    for _hour in range(24):
        world.sweep()
        world.time += PERIOD
    assert world.queue.sent == []
    world.lost = None
    world.sweep()
    assert len(world.queue.sent) == 50


def test_deliveries_that_wait_for_a_day_have_expired_but_for_the_newest_of_each_target() -> None:
    world = World(*(mapping(f"m{n}", name=f"m{n}", clusters=["prod-us"]) for n in range(50)))
    for number in range(50):
        world.clusters["prod-us"].delete("payments", f"m{number}")
    for _hour in range(24):
        world.sweep()
        world.time += PERIOD
    in_force = [each for each in world.queue.sent if each.expires and each.expires >= world.time]
    assert len(in_force) == len({each.group for each in in_force}) == 50


def test_deliveries_that_cannot_be_sent_fail_the_sweep() -> None:
    world = World()
    missing(world)
    world.queue.failure = Unreachable("no answer from SQS")
    with pytest.raises(Unreachable):
        world.sweep()


def test_a_line_lists_some_deliveries_and_reasons_and_counts_all() -> None:
    sent: tuple[tuple[Delivery, str], ...] = ((delivery(), "why"),) * 120
    lost = tuple(
        NotCompared(f"m{n}", "prod-us", 2, kind, "why") for kind in ("Throttled", "Forbidden") for n in range(9)
    )
    told = SweepReport(500, sent, lost).log_fields()
    assert (len(told["sent"]), told["count"], told["checked"]) == (MAX_LISTED, 120, 500)
    assert (told["not_compared"], len(told["reasons"])) == (36, 2 * REASONS_OF_A_KIND)
    assert told["reasons"][0] == {"mapping": "m0", "cluster": "prod-us", "targets": 2, "why": "Forbidden: why"}


def test_a_message_is_settled_by_what_comes_of_its_sweep() -> None:
    world = World()
    settled = settle_sweep(message('{"reason": "schedule"}'), world.sweep)
    assert (settled.decision, settled.metrics()["SweepsFinished"]) == ("done", 1)


@pytest.mark.parametrize("body", ["garbage", "[]", '{"mapping": 1}', '{"mapping": 1, "newer": true}'])
def test_a_message_that_is_wrong_is_dropped_at_once(body: str) -> None:
    settled = settle_sweep(message(body), World().sweep)
    assert (settled.decision, settled.log_level) == ("dropped", "error")
    assert settled.reason.startswith("not understood: ")


@pytest.mark.parametrize("body", ['{"reason": "schedule", "newer": true}', '{"mapping": "newer"}'])
def test_a_message_of_a_newer_release_waits_for_a_deployment_before_it_is_dropped(body: str) -> None:
    world = World()
    assert settle_sweep(message(body), world.sweep).decision == "retry later"
    settled = settle_sweep(message(body, age=UNKNOWN_NAME_SECONDS + 1), world.sweep)
    assert (settled.decision, settled.log_level, "newer" in settled.reason) == ("dropped", "error", True)


def test_the_rest_of_a_sweep_goes_through_its_message_unchanged() -> None:
    place = Position(mapping="a", namespace="b")
    rest = Sweep(mapping="a", reason="schedule", begun=WHEN, hops=2, cursor={"prod-eu": place})
    assert parse_sweep(message(rest.to_json()).document) == rest


def test_metadata_alone_is_enough_to_see_a_difference() -> None:
    world = World()
    raw = world.clusters["prod-eu"].client().read_secret_metadata(*WHERE)
    assert raw is not None
    wanted = world.catalog.mappings["payments-db"]
    assert compare_secret(wanted, {"db": "version-1"}, Observed.from_object(raw), PLACE, WHEN).difference == ""
    assert (
        compare_secret(wanted, {"db": "version-2"}, Observed.from_object(raw), PLACE, WHEN).difference
        == "a source has another version"
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, Sweep()),
        ({"mapping": "a", "namespace": "n"}, Sweep(mapping="a", namespace="n")),
        ({"cluster": "c", "reason": "schedule"}, Sweep(cluster="c", reason="schedule")),
        (
            {"detail-type": "CloudFormation Stack Status Change", "detail": {"mapping": "x"}},
            Sweep(reason="CloudFormation Stack Status Change"),
        ),
    ],
)
def test_a_sweep_is_asked_for_by_hand_or_by_an_event(request_: dict[str, Any], expected: Sweep) -> None:
    assert parse_sweep(request_) == expected


@pytest.mark.parametrize(
    ("wrong", "field", "kind"),
    [
        (None, "the whole", InvalidInput),
        ([], "the whole", InvalidInput),
        ({"maping": "canary"}, "maping", UnknownField),
        ({"cluster": 1, "a": 1}, "a, cluster", InvalidInput),
        ({"cursor": {"prod-eu": {"mapping": "a", "newer": 1}}}, "cursor.prod-eu.newer", UnknownField),
    ],
)
def test_another_request_is_refused_with_what_it_takes(wrong: object, field: str, kind: type[KeyferryError]) -> None:
    with pytest.raises(kind) as raised:
        parse_sweep(wrong)
    assert str(raised.value) == (
        f'not understood: {field}; a sweep takes {{"mapping", "cluster", "namespace"}}, each optional'
    )
