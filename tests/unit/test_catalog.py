"""Which mappings and clusters a change concerns."""

from typing import Any

import pytest

from keyferry.errors import UnknownName
from keyferry.formats.fields import CHECKED
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.verdict import Verdict
from keyferry.model import Change, StoreName
from tests.unit.samples import ACCOUNT, WHEN, cluster, mapping

ARN = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:prod/payments/db-a1B2c3"
CLUSTERS = [
    cluster("prod-us", labels={"env": "prod", "site": "us"}),
    cluster("prod-eu", labels={"env": "prod", "site": "eu"}),
    cluster("test", labels={"env": "test"}),
]


def change(*names: str, store: StoreName = "secretsmanager", **more: Any) -> Change:  # noqa: ANN401
    return Change(store, names, more.pop("kind", "updated"), "event-1", WHEN, **more)


def catalog(*mappings: SecretMapping) -> Catalog:
    return build_catalog(mappings, CLUSTERS)


def reached(made: Catalog, what: Change) -> list[tuple[str, str]]:
    return [(delivery.mapping, delivery.cluster) for delivery in made.deliveries_of(what)]


@pytest.mark.parametrize(
    ("written", "event"),
    [
        ({"secretsManager": "prod/payments/db"}, change("prod/payments/db")),
        ({"secretsManager": "prod/payments/db"}, change("prod/payments/db", "prod/payments/db-a1B2c3")),
        ({"secretsManager": ARN}, change("prod/payments/db")),
        ({"secretsManager": ARN.removesuffix("-a1B2c3")}, change("prod/payments/db")),
        ({"secretsManager": "db-abc123"}, change("db", "db-abc123")),
        ({"parameterStore": "/prod/tls"}, change("prod/tls", store="parameterstore")),
        ({"parameterStore": "tls"}, change("tls", store="parameterstore")),
        (
            {"parameterStore": f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/prod/tls"},
            change("prod/tls", store="parameterstore"),
        ),
    ],
)
def test_a_change_reaches_the_mapping_however_either_names_the_source(written: dict[str, str], event: Change) -> None:
    assert reached(catalog(mapping(sources={"db": written})), event) == [("payments-db", "prod-eu")]


ELSEWHERE = "444455556666"


@pytest.mark.parametrize(
    ("written", "account", "is_reached"),
    [
        ({"secretsManager": ARN}, ACCOUNT, True),
        ({"secretsManager": ARN}, ELSEWHERE, False),
        ({"secretsManager": ARN}, None, True),
        ({"secretsManager": "prod/payments/db", "role": f"arn:aws:iam::{ELSEWHERE}:role/a"}, ELSEWHERE, True),
        ({"secretsManager": "prod/payments/db", "role": f"arn:aws:iam::{ELSEWHERE}:role/a"}, ACCOUNT, False),
        ({"secretsManager": ARN, "role": f"arn:aws:iam::{ELSEWHERE}:role/a"}, ACCOUNT, True),
        ({"secretsManager": "prod/payments/db"}, ELSEWHERE, True),  # which account is its own, nobody knows here
    ],
)
def test_a_change_in_another_account_than_the_mapping_names_reaches_nothing(
    written: dict[str, Any], account: str | None, *, is_reached: bool
) -> None:
    event = change("prod/payments/db", account=account)
    assert bool(reached(catalog(mapping(sources={"db": written})), event)) is is_reached


@pytest.mark.parametrize(
    "event",
    [change("prod/payments/db2"), change("prod/payments"), change("prod/payments/db", store="parameterstore")],
)
def test_a_change_of_something_else_reaches_nothing(event: Change) -> None:
    assert reached(catalog(mapping()), event) == []


def test_a_change_reaches_every_mapping_on_each_of_its_clusters_in_order() -> None:
    made = catalog(
        mapping("b", clusters={"matchLabels": {"env": "prod"}}),
        mapping("a", clusters=["prod-us", "prod-eu", "prod-us"]),
        mapping("c", clusters={"matchLabels": {"env": "none"}}),
        mapping("d", sources={"db": {"secretsManager": "other"}}),
    )
    expected = [("a", "prod-eu"), ("a", "prod-us"), ("b", "prod-eu"), ("b", "prod-us")]
    assert reached(made, change("prod/payments/db")) == expected


def test_clusters_are_chosen_by_every_label() -> None:
    chosen = mapping(clusters={"matchLabels": {"env": "prod", "site": "us"}})
    assert [each.name for each in catalog(chosen).clusters_of(chosen)] == ["prod-us"]


@pytest.mark.parametrize(
    ("source", "moved", "concerned"),
    [
        ({}, "AWSCURRENT", True),
        ({}, "blue", False),
        ({}, None, True),
        ({"label": "blue"}, "blue", True),
        ({"label": "blue"}, "AWSCURRENT", False),
        ({"label": "blue"}, None, True),
        ({"label": "AWSPREVIOUS"}, "AWSCURRENT", True),
        ({"label": "AWSPREVIOUS"}, "blue", False),
    ],
)
def test_a_moved_label_concerns_the_sources_that_read_it(
    source: dict[str, str],
    moved: str | None,
    concerned: bool,
) -> None:
    made = catalog(mapping(sources={"db": {"secretsManager": "prod/payments/db"} | source}))
    assert bool(made.deliveries_of(change("prod/payments/db", label=moved))) is concerned


def test_a_delivery_carries_the_event_and_the_version_that_it_named_for_each_source() -> None:
    sources = {
        "old": {"secretsManager": "prod/payments/db"},
        "db": {"secretsManager": ARN},
        "other": {"secretsManager": "other"},
    }
    [found] = catalog(mapping(sources=sources)).deliveries_of(change("prod/payments/db", version="version-2"))
    assert (found.event_id, found.time, found.namespace) == ("event-1", WHEN, None)
    assert found.versions == {"db": "version-2", "old": "version-2"}


def test_a_source_with_a_fixed_version_does_not_wait_for_the_one_that_the_event_names() -> None:
    fixed = {"secretsManager": "prod/payments/db", "version": "a" * 36}
    [found] = catalog(mapping(sources={"db": fixed})).deliveries_of(change("prod/payments/db", version="version-2"))
    assert found.versions == {}


def test_the_previous_version_moves_with_the_current_one_and_is_not_the_one_that_the_event_names() -> None:
    previous = {"secretsManager": "prod/payments/db", "label": "AWSPREVIOUS"}
    [found] = catalog(mapping(sources={"db": previous})).deliveries_of(change("prod/payments/db", version="version-2"))
    assert found.versions == {}


def test_a_change_without_a_version_names_none() -> None:
    [found] = catalog(mapping()).deliveries_of(change("prod/payments/db"))
    assert found.versions == {}


def test_deliveries_of_one_event_go_to_groups_of_their_own() -> None:
    made = catalog(mapping("a"), mapping("b", clusters=["prod-eu", "prod-us"]))
    found = made.deliveries_of(change("prod/payments/db"))
    assert len({each.group for each in found}) == len({each.deduplication_id for each in found}) == 3


def test_mapping_and_cluster_are_found_by_name() -> None:
    found, target = catalog(mapping("a"), mapping("b", clusters=["prod-us"])).get("b", "prod-us")
    assert (found.name, target.name) == ("b", "prod-us")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("b", "prod-eu"), "mapping b is not among this deployment's mappings"),
        (("payments-db", "prod-us"), "mapping payments-db has no cluster prod-us in this deployment"),
        (("payments-db", "nowhere"), "mapping payments-db has no cluster nowhere in this deployment"),
    ],
)
def test_a_name_that_this_deployment_does_not_have_is_told(names: tuple[str, str], said: str) -> None:
    with pytest.raises(UnknownName, match=f"^{said}$"):
        catalog(mapping()).get(*names)


def test_a_cluster_that_was_removed_is_no_target() -> None:
    made = Catalog(mappings={"payments-db": mapping(clusters=["prod-eu", "gone"])}, clusters={"prod-eu": CLUSTERS[1]})
    assert reached(made, change("prod/payments/db")) == [("payments-db", "prod-eu")]


def test_a_name_is_used_once() -> None:
    with pytest.raises(ValueError, match="two mappings are called payments-db"):
        catalog(mapping(), mapping())
    with pytest.raises(ValueError, match="two clusters are called prod-eu"):
        build_catalog([], [cluster(), cluster()])


def test_a_mapping_names_clusters_that_exist() -> None:
    with pytest.raises(ValueError, match=r"mapping payments-db names cluster gone, which clusters\.yaml does not have"):
        catalog(mapping(clusters=["prod-eu", "gone"]))


def test_a_catalog_survives_being_compiled() -> None:
    converted = {"name": "c", "data": {"user": {"from": "db", "property": "a.b"}}}
    made = catalog(
        mapping(),
        mapping("b", clusters={"matchLabels": {"env": "prod"}}, restart="none"),
        mapping("c", secret=converted),
    )
    compiled = made.model_dump_json(by_alias=True, exclude_defaults=True)
    again = Catalog.model_validate_json(compiled, context={CHECKED: True})
    assert Catalog.model_validate_json(compiled) == again
    assert again.deliveries_of(change("prod/payments/db")) == made.deliveries_of(change("prod/payments/db"))
    assert again == made


def test_the_namespaces_of_a_cluster_are_those_that_mappings_of_it_name() -> None:
    mappings = [
        mapping("one", namespaces=["shop", "payments"]),
        mapping("two", namespaces=["shop", {"names": ["team-*"]}]),
        mapping("three", namespaces=["elsewhere"], clusters=["prod-us"]),
    ]
    whole = build_catalog(mappings, [cluster("prod-eu"), cluster("prod-us")])
    assert [found.name for found in whole.mappings_on(whole.clusters["prod-eu"])] == ["one", "two"]
    assert whole.namespaces_on(whole.clusters["prod-eu"]) == ["payments", "shop"]


def test_what_may_be_meant_by_a_namespace_is_named_by_mappings_that_do_not_name_it_too() -> None:
    mappings = [
        mapping("one", namespaces=["team-a", "team-b"]),
        mapping("two", namespaces=["team-b", "shop"]),
        mapping("three", namespaces=["elsewhere"], clusters=["prod-us"]),
        mapping("four", namespaces=["payments"]),
    ]
    whole = build_catalog(mappings, [cluster("prod-eu"), cluster("prod-us")])
    assert whole.namespaces_beside(whole.clusters["prod-eu"], "team-a") == {"shop", "payments"}
    assert whole.namespaces_beside(whole.clusters["prod-eu"], "shop") == {"team-a", "payments"}


def test_workloads_of_other_mappings_in_a_namespace_are_those_that_lists_name() -> None:
    api, web = ({"kind": "Deployment", "name": name} for name in ("api", "web"))
    mappings = [
        mapping("one", restart=[api]),
        mapping("two", restart=[web], namespaces=[{"names": ["pay*"]}]),
        mapping("three", restart="auto"),
        mapping("four", restart=[{"kind": "DaemonSet", "name": "far"}], namespaces=["shop"]),
    ]
    whole = build_catalog(mappings, [cluster("prod-eu")])
    found = whole.workloads_beside(whole.clusters["prod-eu"], "one", "payments")
    assert [(str(each.kind), each.name) for each in found] == [("Deployment", "web")]


def test_an_empty_catalog_delivers_nothing() -> None:
    assert Catalog().deliveries_of(change("prod/payments/db", label="AWSCURRENT")) == []


@pytest.mark.parametrize(
    ("allowed", "secret_type", "fits"),
    [
        ([], "helm.sh/release.v1", True),
        (["Opaque"], "Opaque", True),
        (["Opaque"], "kubernetes.io/tls", False),
        (["Opaque", "kubernetes.io/*"], "kubernetes.io/tls", True),
        (["kubernetes.io/tls"], "kubernetes.io/*", False),
    ],
)
def test_a_verdict_allows_the_types_that_its_patterns_match(allowed: list[str], secret_type: str, fits: bool) -> None:
    assert Verdict(allowed_types=allowed).allows_type(secret_type) is fits


def test_a_verdict_is_compiled_with_the_mappings() -> None:
    verdicts = {"payments-db": Verdict(allowed_types=["Opaque"])}
    compiled = Catalog(verdicts=verdicts).model_dump_json(by_alias=True, exclude_defaults=True)
    assert compiled == '{"verdicts":{"payments-db":{"allowedTypes":["Opaque"]}}}'
    assert Catalog.model_validate_json(compiled).verdicts == verdicts
