"""While an upgrade is under way, or taken back, a release and the one before it work beside each other."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.releases import extract_previous, name_previous
from tests.unit.upgrade.driver import CLUSTER, MAPPING, NAMESPACE
from tests.unit.upgrade.side import Side, build_sides

type State = dict[str, Any]

ARN = "arn:aws:iam::111122223333:role/keyferry"
CLUSTERS = {
    "apiVersion": "keyferry.dev/v1",
    "kind": "Clusters",
    "clusters": [
        {"name": CLUSTER, "eks": {"name": CLUSTER, "region": "eu-west-1", "account": "111122223333"}, "role": ARN}
    ],
}
PAYMENTS = {
    "apiVersion": "keyferry.dev/v1",
    "kind": "SecretMapping",
    "metadata": {"name": MAPPING},
    "spec": {
        "sources": {"db": {"secretsManager": "prod/payments/db"}, "key": {"parameterStore": "/prod/payments/tls"}},
        "clusters": [CLUSTER],
        "namespaces": [NAMESPACE],
        "secret": {
            "name": MAPPING,
            "labels": {"team": "payments"},
            "annotations": {"example.com/cluster": {"template": "{{ cluster }}"}},
            "data": {
                "password": {"from": "db", "path": "password"},
                "url": {"template": "postgres://{{ db.username }}:{{ db.password | urlencode }}@db.internal/app"},
                "key": {"from": "key"},
            },
        },
        "restart": "auto",
        "owner": {"team": "payments", "contact": "#payments"},
    },
}


def values(number: int) -> dict[str, list[str]]:
    """Return the sources in their version of that number."""
    database = {"username": "me", "password": f"canary-{number}"}
    return {
        "prod/payments/db": [json.dumps(database), f"version-{number}"],
        "/prod/payments/tls": ["canary-key", "1 2026-11-29T10:00:00+00:00"],
    }


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release before this one."""
    return extract_previous(tmp_path_factory.mktemp("previous") / "release")


@pytest.fixture(scope="session")
def sides(previous: Path) -> Iterator[tuple[Side, Side]]:
    pair = build_sides(previous, name_previous())
    yield pair
    for side in pair:
        side.end()


@pytest.fixture(params=["upgrade", "roll-back"])
def first(request: pytest.FixtureRequest, sides: tuple[Side, Side]) -> Side:
    """The release that was there."""
    return sides[request.param == "roll-back"]


@pytest.fixture
def second(first: Side, sides: tuple[Side, Side]) -> Side:
    """The release that comes."""
    return sides[first is sides[0]]


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "clusters.yaml").write_text(yaml.safe_dump(CLUSTERS))
    (folder / "payments.yaml").write_text(yaml.safe_dump(PAYMENTS))
    return folder


@pytest.fixture
def layer(tmp_path: Path, first: Side, mappings: Path) -> Path:
    """The mappings layer of the release that was there."""
    return compile_for(first, mappings, tmp_path / "first")


@pytest.fixture
def next_layer(tmp_path: Path, second: Side, mappings: Path) -> Path:
    """The mappings layer of the release that comes."""
    return compile_for(second, mappings, tmp_path / "second")


def compile_for(side: Side, mappings: Path, layer: Path) -> Path:
    layer.mkdir()
    side.do("compile", mappings=mappings, layer=layer)
    return layer


def deliver(side: Side, layer: Path, state: State, number: int, **more: str) -> tuple[State, list[str]]:
    """Return the cluster after a delivery, and what was written to it."""
    answer = side.do("deliver", layer=layer, state=state, sources=values(number), **more)
    assert answer["errors"] == (["died"] if more else [])
    return answer["state"], answer["history"]


def annotations(state: State) -> dict[str, str]:
    [secret] = state["secrets"]
    return {path[1]: text for path, text in secret["fields"] if path[0] == "annotations"}


WRITE, ROLLOUT = f"write {NAMESPACE}/{MAPPING}", f"rollout {NAMESPACE}/Deployment/api"
TIME, LATER = "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z"
NAMES = {"mapping": MAPPING, "cluster": CLUSTER}
POSITION = {"mapping": MAPPING, "namespace": NAMESPACE}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "a change": ("delivery", {**NAMES, "eventId": "event-1", "time": TIME}),
    "all that a delivery can say": (
        "delivery",
        {
            **NAMES,
            "namespace": NAMESPACE,
            "eventId": "event-1",
            "time": TIME,
            "versions": {"db": "version-1"},
            "deleted": ["key"],
            "expires": LATER,
            "takesBack": True,
            "deaths": 2,
            "since": TIME,
        },
    ),
    "the schedule's sweep": ("sweep", {"reason": "schedule"}),
    "the rest of a sweep": (
        "sweep",
        {**NAMES, "reason": "schedule", "begun": TIME, "hops": 3, "waits": 1, "cursor": {CLUSTER: POSITION}},
    ),
}


@pytest.mark.parametrize("body", BODIES)
def test_a_message_of_one_release_is_read_whole_by_the_other(first: Side, second: Side, body: str) -> None:
    kind, fields = BODIES[body]
    written = first.do("write message", kind=kind, fields=fields)["body"]
    read = second.do("read message", kind=kind, body=written)["body"]
    assert json.loads(read) == json.loads(written)
    assert len(json.loads(read)) == len(fields)


def test_an_event_that_waits_becomes_the_same_messages_in_both(
    first: Side, second: Side, layer: Path, next_layer: Path
) -> None:
    events = [json.loads(path.read_text()) for path in sorted((first.root / "events").glob("*.json"))]
    routed = [first.do("route", event=event, layer=layer)["bodies"] for event in events]
    assert routed == [second.do("route", event=event, layer=next_layer)["bodies"] for event in events]
    assert sum(map(len, routed)) > 10


def test_mappings_that_one_release_compiled_say_the_same_to_the_other(first: Side, second: Side, layer: Path) -> None:
    assert second.do("read layer", layer=layer) == first.do("read layer", layer=layer)
    assert second.do("read layer", layer=layer)["document"]["mappings"].keys() == {MAPPING}


def test_mappings_that_a_release_cannot_read_leave_its_messages_waiting(second: Side, layer: Path) -> None:
    path = layer / "mappings.json"
    document = json.loads(path.read_text())
    document["mappings"][MAPPING]["spec"]["secret"]["ofALaterRelease"] = True
    path.write_text(json.dumps(document))
    assert second.do("read layer", layer=layer) == {"kind": "MappingsUnreadable", "decision": "retry later"}


def test_the_handlers_of_one_release_start_with_the_layer_of_the_other(first: Side, second: Side) -> None:
    """AWS changes the code of a function and its layers in two steps."""
    apps = [str(first.root / f"functions/{name}/app.py") for name in ("route", "deliver", "reconcile", "report")]
    started = second.run(f"import runpy; [runpy.run_path(path) for path in {apps}]")
    assert started.returncode == 0, started.stderr


def test_what_one_release_has_delivered_the_other_leaves_as_it_is(
    first: Side, second: Side, layer: Path, next_layer: Path
) -> None:
    before, history = deliver(first, layer, {}, 1)
    assert history == [WRITE, ROLLOUT]
    for mappings in (layer, next_layer):  # the layers can change one after the other
        after, history = deliver(second, mappings, before, 1)
        assert history == []
        assert after["secrets"] == before["secrets"]
        assert after["deployment"] == before["deployment"]


def test_a_change_is_written_once_whichever_release_it_comes_to(
    first: Side, second: Side, layer: Path, next_layer: Path
) -> None:
    state, _ = deliver(first, layer, {}, 1)
    state, history = deliver(second, next_layer, state, 2)
    assert history == [WRITE, ROLLOUT]
    for side, mappings in ((first, layer), (second, next_layer)):
        state, history = deliver(side, mappings, state, 2)
        assert history == []


def test_annotations_that_one_release_alone_knows_stay_through_the_writes_of_the_other(
    first: Side, second: Side, layer: Path, next_layer: Path
) -> None:
    before, _ = deliver(first, layer, {}, 1)
    after, _ = deliver(second, next_layer, before, 2)
    again, _ = deliver(first, layer, after, 3)
    assert annotations(before).keys() <= annotations(after).keys() <= annotations(again).keys()


def test_restarts_that_one_release_did_not_come_to_the_other_finishes(
    first: Side, second: Side, layer: Path, next_layer: Path
) -> None:
    died, history = deliver(first, layer, {}, 1, dies="patch")
    assert (history, "keyferry.dev/restart-due" in annotations(died)) == ([WRITE], True)
    after, history = deliver(second, next_layer, died, 1)
    assert (history, "keyferry.dev/restart-due" in annotations(after)) == ([ROLLOUT], False)


def test_a_plan_after_the_upgrade_is_empty(first: Side, second: Side, layer: Path, mappings: Path) -> None:
    state, _ = deliver(first, layer, {}, 1)
    pages = first.do("report", layer=layer, state=state, sources=values(1), release=first.release)
    [row] = pages["status"]["rows"]
    assert row["state"] == "right"
    plan = second.do("plan", pages=pages, mappings=mappings)["plan"]
    assert plan["unchanged"] == 1
    parts = ("mappings", "clusters", "targets", "rights", "policies", "leftovers", "generated", "contested", "unknown")
    assert {part: plan[part] for part in parts if plan[part]} == {}


def test_a_sweep_after_the_upgrade_finds_nothing_to_do(
    first: Side, second: Side, layer: Path, next_layer: Path
) -> None:
    state, _ = deliver(first, layer, {}, 1)
    pages = second.do("report", layer=next_layer, state=state, sources=values(1), release=second.release)
    assert [row["state"] for row in pages["status"]["rows"]] == ["right"]


def test_a_clone_without_the_release_before_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr("tests.releases.ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"is not in this clone(?s:.*)git fetch --unshallow --tags"):
        extract_previous(tmp_path / "release")
