"""Which failover regions are tried for a person, and with which names."""

from typing import Any

from keyferry.delivery.preview import list_gaps
from keyferry.errors import SourceMissing
from tests.unit.samples import mapping
from tests.unit.world import World

HERE, THERE = "teams/${namespace}/db", "copies/${namespace}/${cluster}/db"
FAILOVER = [{"region": "us-east-1", "name": THERE}]
DATA: dict[str, Any] = {"data": {"value": {"from": "db"}}}


def test_a_source_of_each_namespace_is_tried_for_the_first_that_is_named() -> None:
    world = World("payments", "shop")
    world.mapping = mapping(
        sources={"db": {"secretsManager": HERE, "failover": FAILOVER}}, namespaces=["shop", "payments"], **DATA
    )
    world.sources.errors["copies/payments/prod-eu/db"] = SourceMissing("it does not exist")
    assert [(str(gap), gap.part) for gap in list_gaps(world.work())] == [
        ("mapping payments-db, source db: failover to us-east-1 would fail: it does not exist", "sources.db")
    ]


def test_where_a_cluster_alone_knows_the_namespaces_only_what_they_share_is_tried() -> None:
    world = World()
    shared = {"secretsManager": "a", "failover": [{"region": "us-east-1", "name": "copies/a"}]}
    world.mapping = mapping(
        sources={"db": {"secretsManager": HERE, "failover": FAILOVER}, "shared": shared},
        namespaces={"matchLabels": {"team": "pay"}},
        **DATA,
    )
    world.sources.errors["copies/a"] = SourceMissing("it does not exist")
    assert [gap.part for gap in list_gaps(world.work())] == ["sources.shared"]
