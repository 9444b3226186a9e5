"""What the function says of its reach: which clusters answer it, which sources it sees, under which keys they are."""

from collections.abc import Mapping

import pytest

from keyferry.errors import AccessDenied, ClusterUnreachable, OutOfTime
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import SourceState
from keyferry.pipeline import reach
from keyferry.pipeline.comparison import Scope
from keyferry.stores.source import Source
from tests.unit.samples import WHEN, cluster, mapping

SEEN = SourceState("version-1", WHEN)


def catalog(*mappings: SecretMapping) -> Catalog:
    return build_catalog(mappings, [cluster("prod-eu"), cluster("prod-us"), cluster("planned")])


def reading(*sources: Mapping[str, object], **states: SourceState | Exception) -> reach.SourcesAnswer:
    """Return what is said of sources, each of a mapping of its own; states go by their names."""

    def read_state(source: Source) -> SourceState:
        state = states.get(source.identifier, SourceState())
        if isinstance(state, Exception):
            raise state
        return state

    each = (mapping(f"m{number}", sources={"db": source}) for number, source in enumerate(sources))
    return reach.list_sources(catalog(*each), read_state)


def test_each_cluster_that_mappings_go_to_has_its_version_or_its_error() -> None:
    known = catalog(mapping(clusters=["prod-eu", "prod-us"]))

    def ask_version(asked: Cluster) -> str:
        if asked.name == "prod-us":
            raise ClusterUnreachable("no answer")
        return "v1.36.2"

    error = {"kind": "ClusterUnreachable", "text": "no answer"}
    answer = reach.list_clusters(Scope(), known, ask_version)
    assert answer["rows"] == [{"cluster": "prod-eu", "version": "v1.36.2"}, {"cluster": "prod-us", "error": error}]
    assert reach.list_clusters(Scope(cluster="prod-eu"), known, ask_version)["rows"] == answer["rows"][:1]


def test_a_source_that_is_listed_is_visible_and_one_that_is_not_is_missing() -> None:
    answer = reading({"secretsManager": "seen"}, {"secretsManager": "gone", "region": "us-east-1"}, seen=SEEN)
    assert answer["visible"] == 1
    assert answer["rows"] == [{"name": "gone", "region": "us-east-1", "state": "missing"}]


def test_a_secret_that_is_scheduled_for_deletion_is_told_from_one_that_does_not_exist() -> None:
    answer = reading({"secretsManager": "deleted"}, {"secretsManager": "gone"}, deleted=SourceState(is_deleted=True))
    assert answer["rows"] == [{"name": "deleted", "state": "deleted"}, {"name": "gone", "state": "missing"}]


def test_what_may_be_missing_is_not_told_of() -> None:
    assert reading({"secretsManager": "gone", "optional": True})["rows"] == []
    [row] = reading({"secretsManager": "x", "optional": True}, x=AccessDenied("grant it"))["rows"]
    assert row["state"] == "failed"


def test_the_same_source_of_two_mappings_counts_once() -> None:
    assert reading({"secretsManager": "seen"}, {"secretsManager": "seen"}, seen=SEEN)["visible"] == 1


@pytest.mark.parametrize(
    "source",
    [
        {"secretsManager": "x", "role": "arn:aws:iam::444455556666:role/secrets"},
        {"parameterStore": "x", "label": "blue"},
        {"parameterStore": "x", "metadata": "tags"},
        {"parameterStore": "/aws/service/x"},
    ],
)
def test_what_no_listing_shows_is_unknown_and_not_missing(source: dict[str, object]) -> None:
    assert [row["state"] for row in reading(source)["rows"]] == ["unknown"]


@pytest.mark.parametrize("more", [{"label": "blue"}, {"metadata": "tags"}])
def test_a_secret_is_missing_whatever_of_it_is_read(more: dict[str, object]) -> None:
    assert reading({"secretsManager": "x", **more})["rows"] == [{"name": "x", "state": "missing"}]


def test_what_aws_refuses_has_its_error_and_what_there_is_no_time_for_is_unknown() -> None:
    error = {"kind": "AccessDenied", "text": "grant it"}
    late = {"name": "b", "state": "unknown", "error": {"kind": "OutOfTime", "text": str(OutOfTime())}}
    told = reading({"secretsManager": "a"}, {"secretsManager": "b"}, a=AccessDenied("grant it"), b=OutOfTime())
    assert told["rows"] == [{"name": "a", "state": "failed", "error": error}, late]


def test_a_name_that_only_the_cluster_knows_is_left_out() -> None:
    of_labels = mapping(
        sources={"db": {"secretsManager": "prod/${namespace}/db"}}, namespaces={"matchLabels": {"team": "payments"}}
    )
    answer = reach.list_sources(catalog(of_labels), lambda _: SourceState())
    assert (answer["visible"], answer["rows"]) == (0, [])


def test_each_key_of_ones_own_is_named_once_with_the_first_source_under_it() -> None:
    state = SourceState("version-1", WHEN, key="key-1")
    sources = [{"secretsManager": name} for name in ("a", "b")]
    answer = reading(*sources, {"secretsManager": "c", "region": "us-east-1"}, a=state, b=state, c=state)
    assert answer["keys"] == [
        {"key": "key-1", "source": "a", "count": 2},
        {"key": "key-1", "region": "us-east-1", "source": "c", "count": 1},
    ]


def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "MAX_ROWS", 2)
    answer = reading(*({"secretsManager": f"gone-{number}"} for number in range(5)))
    assert ([row["name"] for row in answer["rows"]], answer["left"]) == (["gone-0", "gone-1"], 3)
