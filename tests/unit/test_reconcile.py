"""The sweep sends a delivery where something is not, or not known to be, right, and reads no value."""

from collections.abc import Callable
from typing import Any

import pytest

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient
from keyferry.delivery.observed import Observed
from keyferry.delivery.passes import deliver
from keyferry.delivery.report import MAX_LISTED
from keyferry.delivery.work import Work
from keyferry.errors import AccessDenied, InvalidInput, KeyferryError, Throttled, Unauthorized, Unreachable
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery
from keyferry.pipeline.compare import compare_secret
from keyferry.pipeline.sweep import (
    CLUSTER_SECONDS,
    Observer,
    Sweep,
    SweepReport,
    parse_sweep,
    reconcile,
)
from keyferry.stores.source import Source
from keyferry.testing import Calls, FakeClock, FakeCluster, FakeSources
from tests.unit.fake_queues import FakeQueue
from tests.unit.samples import PLACE, WHEN, cluster, delivery, mapping, workload

SOURCE = "prod/payments/db"
WHERE = "payments", "payments-db"


class World:
    """Two clusters with two namespaces each, all of it delivered."""

    def __init__(self, *mappings: SecretMapping) -> None:
        self.sources = FakeSources()
        self.sources.put(SOURCE, '{"username": "me", "password": "canary-1"}')
        self.clusters = {name: FakeCluster("payments", "shop") for name in ("prod-eu", "prod-us")}
        self.calls, self.queue = Calls(), FakeQueue()
        self.lost: KeyferryError | None = None
        self.clock = FakeClock()
        self.deadline = self.clock.deadline(840)
        self.given: list[float] = []
        known = mappings or (mapping(clusters=["prod-eu", "prod-us"], namespaces=["payments", "shop"]),)
        self.catalog = build_catalog(known, [cluster("prod-eu"), cluster("prod-us")])
        for name, each in self.clusters.items():
            each.run("payments", "Deployment", workload("api"))
            self.deliver(name)

    def deliver(self, name: str) -> None:
        """Carry out every mapping on a cluster."""
        for each in self.catalog.mappings.values():
            if name in [target.name for target in self.catalog.clusters_of(each)]:
                client, deadline = self.clusters[name].client(), self.clock.deadline(100)
                asked, kinds = delivery(cluster=name), self.catalog.clusters[name].restart_kinds
                deliver(Work(asked, each, client, kinds, lambda _: self.sources.create_reader(), deadline))

    def connect(self, asked: Cluster, deadline: Deadline) -> ClusterClient:
        self.given.append(deadline.remaining())
        if self.lost and asked.name == "prod-us":
            self.calls.recorded.append("lost")
            raise self.lost
        return self.clusters[asked.name].client(self.calls)

    def sweep(self, sweep: Sweep | None = None, version: Callable[[Source], str | None] | None = None) -> SweepReport:
        observer = Observer(self.connect, version or self.sources.read_version, self.deadline)
        return reconcile(sweep or Sweep(), self.catalog, observer, self.queue.send, "event-9")

    def found(self, **narrowed: str) -> list[str]:
        """Return why a sweep sends what it sends."""
        return [f"{each.cluster}: {why}" for each, why in self.sweep(Sweep(**narrowed)).sent]


def test_where_all_is_right_nothing_is_sent_and_no_value_is_read() -> None:
    world = World()
    swept = world.sweep()
    assert (swept.checked, swept.sent, world.queue.sent) == (2, (), [])
    assert {what.split()[0] for what in world.calls.recorded} == {"metadata"}
    assert len(world.calls.recorded) == 4
    assert swept.metrics() == {"SweepsChecked": 2, "SweepsSent": 0}


def test_a_wrong_namespace_sends_one_delivery_for_its_mapping_and_cluster() -> None:
    world = World()
    for namespace in ("payments", "shop"):
        world.clusters["prod-us"].delete(namespace, "payments-db")
    swept = world.sweep()
    [sent] = world.queue.sent
    assert (sent.mapping, sent.cluster, sent.namespace, sent.event_id) == ("payments-db", "prod-us", None, "event-9")
    assert sent.time.utcoffset() is not None
    assert swept.log_fields() == {
        "checked": 2,
        "count": 1,
        "sent": [{"mapping": "payments-db", "cluster": "prod-us", "why": "payments: the Secret is missing"}],
    }
    assert swept.metrics() == {"SweepsChecked": 2, "SweepsSent": 1}


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
    swept = world.sweep(version=lambda _source: None)
    assert [why for _, why in swept.sent] == ["payments: the version of a source is not known"] * 2


def test_a_cluster_that_cannot_be_looked_at_gets_a_delivery_and_the_others_are_looked_at() -> None:
    world = World()
    world.lost = Unreachable("cluster prod-us: no answer in time")
    missing(world)
    world.clusters["prod-eu"].delete(*WHERE)
    assert world.found() == [
        "prod-eu: payments: the Secret is missing",
        "prod-us: not known: cluster prod-us: no answer in time",
    ]


def test_versions_that_cannot_be_listed_send_a_delivery_for_each() -> None:
    def version(_source: Source) -> str | None:
        raise AccessDenied("AWS refuses secretsmanager:ListSecrets")

    swept = World().sweep(version=version)
    assert [why for _, why in swept.sent] == ["not known: AWS refuses secretsmanager:ListSecrets"] * 2


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
    with pytest.raises(InvalidInput, match="namespace shop"):
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
    assert [each.group for each in world.queue.sent] == expected
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
    with pytest.raises(InvalidInput, match=f"^no mapping of this deployment has {named}: see `keyferry validate`$"):
        World().sweep(Sweep(**narrowed))


def test_a_deployment_without_mappings_has_nothing_to_sweep() -> None:
    world = World()
    world.catalog = Catalog()
    assert world.sweep() == SweepReport(0)


@pytest.mark.parametrize(
    "lost", [Unreachable("no answer in time"), Unauthorized("prod-us", "a role"), Throttled("429")]
)
def test_a_cluster_that_does_not_answer_is_asked_once(lost: KeyferryError) -> None:
    names = [f"m{number}" for number in range(20)]
    world = World(*(mapping(name, name=name, clusters=["prod-eu", "prod-us"]) for name in names))
    world.lost = lost
    assert world.found() == [f"prod-us: not known: {lost}"] * 20
    assert world.calls.recorded.count("lost") == 1


def test_no_cluster_is_waited_for_until_there_is_no_time_for_the_others() -> None:
    world = World()
    world.sweep()
    assert world.given == [CLUSTER_SECONDS] * 2


def test_an_outage_of_aws_is_none_of_the_cluster() -> None:
    world = World(mapping(clusters=["prod-eu"]), mapping("z", name="z", sources={"db": {"secretsManager": "prod/z"}}))
    world.sources.put("prod/z", '{"username": "me", "password": "canary-z"}')
    world.deliver("prod-eu")

    def version(source: Source) -> str | None:
        if source.event_names == (SOURCE,):
            raise Unreachable("secretsmanager:ListSecrets: no answer from AWS")
        return world.sources.read_version(source)

    assert [(each.mapping, why) for each, why in world.sweep(version=version).sent] == [
        ("payments-db", "not known: secretsmanager:ListSecrets: no answer from AWS")
    ]


def test_an_error_that_nobody_foresaw_stops_the_look_at_one_mapping_on_one_cluster_alone() -> None:
    world = World()
    world.clusters["prod-us"].delete(*WHERE)
    connect = world.connect

    def fails(asked: Cluster, deadline: Deadline) -> ClusterClient:
        return fail("canary") if asked.name == "prod-eu" else connect(asked, deadline)

    world.connect = fails  # type: ignore[method-assign]
    first, second = world.found()
    assert first.startswith("prod-eu: not known: ValueError at test_reconcile.py:")
    assert second == "prod-us: payments: the Secret is missing"


def fail(text: str) -> ClusterClient:
    raise ValueError(text)


def test_what_there_is_no_time_to_look_at_gets_a_delivery() -> None:
    world = World()
    world.calls.after = lambda *_: world.clock.jump(840)
    assert world.found() == [
        f"{name}: not known: too little time is left; the next try does the rest" for name in ("prod-eu", "prod-us")
    ]
    assert world.calls.recorded == ["metadata payments/payments-db"]


def test_deliveries_that_cannot_be_sent_fail_the_sweep() -> None:
    world = World()
    missing(world)
    world.queue.failure = Unreachable("no answer from SQS")
    with pytest.raises(Unreachable):
        world.sweep()


def test_a_line_lists_some_deliveries_and_counts_all() -> None:
    sent: tuple[tuple[Delivery, str], ...] = ((delivery(), "why"),) * 120
    told = SweepReport(500, sent).log_fields()
    assert (len(told["sent"]), told["count"], told["checked"]) == (MAX_LISTED, 120, 500)


def test_metadata_alone_is_enough_to_see_a_difference() -> None:
    world = World()
    raw = world.clusters["prod-eu"].client().read_secret_metadata(*WHERE)
    assert raw is not None
    wanted = world.catalog.mappings["payments-db"]
    assert compare_secret(wanted, {"db": "version-1"}, Observed.from_object(raw), PLACE, WHEN) == ""
    assert (
        compare_secret(wanted, {"db": "version-2"}, Observed.from_object(raw), PLACE, WHEN)
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
    ("wrong", "field"),
    [(None, "the whole"), ([], "the whole"), ({"maping": "canary"}, "maping"), ({"cluster": 1, "a": 1}, "a, cluster")],
)
def test_another_request_is_refused_with_what_it_takes(wrong: object, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_sweep(wrong)
    assert str(raised.value) == (
        f'not understood: {field}; a sweep takes {{"mapping", "cluster", "namespace"}}, each optional'
    )
