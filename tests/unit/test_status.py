"""What `report` says of each target, in pages, without a value."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry import __version__
from keyferry.delivery.desired import compute_revision
from keyferry.errors import AccessDenied, ClusterUnreachable, Forbidden, ServerError
from keyferry.mapping.catalog import build_catalog
from keyferry.model import Rotation, SourceState
from keyferry.pipeline import mappings, status
from keyferry.pipeline.comparison import Position, Scope
from keyferry.pipeline.question import MappingsFields, answer
from keyferry.stores.source import Source
from tests.unit.clusters import SOURCE, WHERE, World
from tests.unit.samples import cluster, mapping

ONE: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": ["payments"]}
WRITTEN = "keyferry.dev/written"


def ask(world: World, max_bytes: int = status.MAX_BYTES, **scope: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a page."""
    return status.list_status(Scope.model_validate(scope), world.catalog, world.services(), max_bytes)


def only(world: World) -> dict[str, Any]:
    """Return the only row."""
    page = ask(world)
    [row] = page["rows"]
    assert "cursor" not in page
    return dict(row)


def test_a_row_says_what_is_held_and_wanted_and_since_when() -> None:
    world = World(mapping(owner={"team": "payments", "contact": "#payments"}, **ONE))
    observed = world.clusters["prod-eu"].client().read_secret_metadata(*WHERE)
    assert observed
    annotations = observed["metadata"]["annotations"]
    written = annotations[WRITTEN]
    assert only(world) == {
        "mapping": "payments-db",
        "cluster": "prod-eu",
        "namespace": "payments",
        "secret": "payments-db",
        "state": "right",
        "owner": {"team": "payments", "contact": "#payments"},
        "uid": observed["metadata"]["uid"],
        "resourceVersion": observed["metadata"]["resourceVersion"],
        "revision": annotations["keyferry.dev/revision"],
        "restart": "auto",
        "since": written,
        "written": written,
        "release": __version__,
        "sources": [
            {"alias": "db", "store": "secretsmanager", "name": SOURCE, "held": "version-1", "wanted": "version-1"}
        ],
    }


def test_a_row_says_what_restarts_as_the_mapping_has_it() -> None:
    named = mapping(restart=[{"kind": "Deployment", "name": "api"}], **ONE)
    assert only(World(named))["restart"] == ["Deployment/api"]
    assert only(World(mapping(restart="none", **ONE)))["restart"] == "none"


def test_every_target_has_a_row_in_order_and_none_has_a_value() -> None:
    world = World()
    page = ask(world)
    assert [(row["cluster"], row["namespace"]) for row in page["rows"]] == [
        (name, namespace) for name in ("prod-eu", "prod-us") for namespace in ("payments", "shop")
    ]
    assert "canary" not in json.dumps(page)
    assert {what.split()[0] for what in world.calls.recorded} == {"metadata"}


@pytest.mark.parametrize("text", ["canary-1", "canary/revision1", ""])
def test_a_revision_that_is_none_of_ours_is_not_told(text: str) -> None:
    world = World(mapping(**ONE))
    world.clusters["prod-eu"].edit(*WHERE, annotations={"keyferry.dev/revision": text}, manager="kubectl-edit")
    assert "revision" not in only(world)


def stale(world: World) -> None:
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')


def due(world: World) -> None:
    world.clusters["prod-eu"].edit(
        *WHERE, annotations={"keyferry.dev/restart-due": "n"}, manager="keyferry:payments-db"
    )


def gone(world: World) -> None:
    world.clusters["prod-eu"].delete(*WHERE)


def contested(world: World) -> None:
    for _ in range(2):
        world.clusters["prod-eu"].edit(*WHERE, data={"password": "theirs"}, manager="argocd")
        world.deliver("prod-eu")


@pytest.mark.parametrize(
    ("change", "more", "state", "why"),
    [
        (stale, {}, "stale", "a source has another version"),
        (due, {}, "restart due", "restarts are due"),
        (gone, {}, "gone", "the Secret is missing"),
        (gone, {"policies": {"creation": "merge"}}, "right", "nobody has made it yet"),
        (stale, {"policies": {"creation": "createOnce"}}, "held", "creation: createOnce"),
        (contested, {}, "conflict", "field manager argocd has written password again"),
    ],
)
def test_the_state_says_what_is_the_matter(change: Any, more: dict[str, Any], state: str, why: str) -> None:  # noqa: ANN401
    world = World(mapping(**ONE, **({} if "policies" in more and more["policies"]["creation"] == "merge" else more)))
    world.catalog = build_catalog([mapping(**ONE, **more)], [cluster("prod-eu")])
    change(world)
    if state == "conflict":
        world.time = datetime.now(UTC)
    row = only(world)
    assert (row["state"], row["why"][: len(why)]) == (state, why)


def test_a_fixed_version_is_held_and_which_source_has_it_is_said() -> None:
    fixed = "1" * 36
    world = World(mapping(sources={"db": {"secretsManager": SOURCE, "version": fixed}}, **ONE))
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-1"}', fixed)
    world.deliver("prod-eu")
    assert (only(world)["state"], only(world)["why"]) == ("held", "db has a fixed version")


def test_a_stale_target_is_so_since_its_source_changed_and_rotations_are_told() -> None:
    world, when = World(mapping(**ONE)), datetime(2026, 11, 24, 15, tzinfo=UTC)
    rotation = Rotation(is_on=True, last=when - timedelta(days=30), next=when + timedelta(days=1))
    world.sources.read_state = lambda _source: SourceState("version-2", when, rotation)  # type: ignore[method-assign,assignment]
    row = only(world)
    assert (row["state"], row["since"]) == ("stale", "2026-11-24T15:00:00+00:00")
    [source] = row["sources"]
    assert (source["held"], source["wanted"], source["changed"]) == ("version-1", "version-2", row["since"])
    assert source["rotation"] == {"on": True, "last": "2026-10-25T15:00:00+00:00", "next": "2026-11-25T15:00:00+00:00"}


def test_a_find_is_named_by_its_criteria() -> None:
    world = World(mapping(**ONE))
    sources = {"db": {"find": "secretsManager", "path": "prod/"}}
    wanted = mapping(sources=sources, secret={"name": "payments-db", "dataFrom": [{"from": "db"}]}, **ONE)
    world.catalog = build_catalog([wanted], [cluster("prod-eu")])
    world.sources.read_state = lambda _source: SourceState("digest")  # type: ignore[method-assign,assignment]
    assert only(world)["sources"][0]["name"] == "find in secretsManager by path prod/"


def test_a_cluster_that_is_away_is_unknown_and_holds_nobody_up() -> None:
    world = World()
    world.lost = ClusterUnreachable("cluster prod-us: no answer")
    rows = ask(world)["rows"]
    assert [(row["cluster"], row["state"]) for row in rows] == [
        ("prod-eu", "right"),
        ("prod-eu", "right"),
        ("prod-us", "unknown"),
    ]
    assert rows[2]["why"] == "ClusterUnreachable: cluster prod-us: no answer"
    assert rows[2]["namespace"] == ""


def test_a_page_ends_where_it_is_full_and_the_next_goes_on_there() -> None:
    world, rows, cursor = World(), list[dict[str, Any]](), None
    for _ in range(4):
        page = ask(world, 1, **({"cursor": cursor} if cursor else {}))
        assert len(page["rows"]) == 2, "of each cluster the next target, which goes alone"
        rows += page["rows"]
        cursor = page.get("cursor")
        if not cursor:
            break
        assert {Position.model_validate(place).mapping for place in cursor.values()} == {"payments-db"}
    assert cursor is None
    assert sorted((row["cluster"], row["namespace"]) for row in rows) == [
        (name, namespace) for name in ("prod-eu", "prod-us") for namespace in ("payments", "shop")
    ]


def test_without_time_everything_is_left_to_the_next_page() -> None:
    world = World()
    world.clock.jump(1000)
    assert ask(world) == {
        "deployment": world.catalog.digest,
        "rows": [],
        "cursor": {name: {"mapping": "payments-db"} for name in ("prod-eu", "prod-us")},
    }


def test_an_answer_has_the_release_and_its_error_no_traceback() -> None:
    world = World()

    def list_status(scope: Scope) -> dict[str, Any]:
        return status.list_status(scope, world.catalog, world.services())

    def fails(_fields: object) -> dict[str, Any]:
        raise ValueError("canary-1")

    answers = {
        "status": lambda fields: list_status(Scope.model_validate(fields)),
        "mappings": lambda fields: mappings.list_mappings(world.catalog, MappingsFields.model_validate(fields).cursor),
    }
    whole = answer({"question": "status", "cluster": "prod-eu"}, "1.2.3", answers)
    assert (whole["release"], len(whole["rows"])) == ("1.2.3", 2)
    deployed = answer({"question": "mappings"}, "1.2.3", answers)
    assert (deployed["release"], deployed["mappings"].keys()) == ("1.2.3", {"payments-db"})
    moved = {"question": "mappings", "cursor": {"deployment": "another", "first": 1}}
    for event, error in (
        (moved, ("Overtaken", "other mappings were deployed while these were listed; ask again from the beginning")),
        ({"question": "mappings", "cluster": "prod-eu"}, ("InvalidInput", "not understood: cluster")),
        ({"question": "status", "cluster": "x"}, ("UnknownName", "no mapping of this deployment has cluster x")),
        ({"question": "newer"}, ("InvalidInput", "not understood: question; ask with the release that is deployed")),
        ({"question": "status", "x": 1}, ("InvalidInput", "not understood: x")),
        ("canary", ("InvalidInput", "not understood: the whole")),
    ):
        told = answer(event, "1.2.3", answers)
        assert told.keys() == {"release", "error"}
        assert told["error"]["kind"] == error[0]
        assert told["error"]["text"].startswith(error[1])
    told = answer({"question": "status"}, "1.2.3", {"status": fails})
    assert told["error"]["kind"] == "Unexpected"
    assert "canary" not in str(told)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (SourceState(), f"source db: secret {SOURCE} is not listed: it does not exist"),
        (
            SourceState(is_deleted=True),
            f"source db: secret {SOURCE} is scheduled for deletion, which"
            f" `aws secretsmanager restore-secret --secret-id {SOURCE}` ends",
        ),
    ],
)
def test_a_source_that_does_not_exist_is_told_from_one_that_can_be_restored(state: SourceState, why: str) -> None:
    world = World(mapping(**ONE))
    world.sources.read_state = lambda _source: state  # type: ignore[method-assign,assignment]
    row = only(world)
    assert (row["state"], row["why"], row["sources"][0]["missing"]) == ("unknown", why, True)
    gone(world)
    assert (only(world)["state"], only(world)["why"]) == ("gone", f"the Secret is missing; {why}")
    world = World(mapping(**ONE))
    world.catalog = build_catalog([mapping(restart="none", **ONE)], [cluster("prod-eu")])
    world.sources.read_state = lambda _source: state  # type: ignore[method-assign,assignment]
    assert (only(world)["state"], only(world)["why"]) == ("stale", f"the mapping has changed; {why}")


@pytest.mark.parametrize(
    ("source", "why", "is_missing"),
    [
        (
            {"secretsManager": f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{SOURCE}"},
            "is not listed: it is of another account, or it does not exist",
            False,
        ),
        (
            {"secretsManager": SOURCE, "region": "eu-west-2"},
            f"secret {SOURCE} is not listed: it does not exist",
            True,
        ),
        ({"parameterStore": "/prod/db"}, "source db: parameter /prod/db is not listed: it does not exist", True),
        ({"parameterStore": "/prod/db", "label": "live"}, "the version of a source is not known", False),
    ],
)
def test_a_source_is_missing_only_where_a_listing_would_show_it(
    source: dict[str, Any], why: str, *, is_missing: bool
) -> None:
    world = World(mapping(**ONE))
    wanted = mapping(sources={"db": source}, **ONE)
    world.catalog = build_catalog([wanted], [cluster("prod-eu")])
    revision = {"keyferry.dev/revision": compute_revision(wanted)}
    world.clusters["prod-eu"].edit(*WHERE, annotations=revision, manager="keyferry:payments-db")
    world.sources.read_state = lambda _source: SourceState()  # type: ignore[method-assign,assignment]
    row = only(world)
    assert row["state"] == "unknown"
    assert why in row["why"]
    assert ("missing" in row["sources"][0]) is is_missing


@pytest.mark.parametrize("error", [Forbidden("no"), AccessDenied("no")])
def test_a_target_that_cannot_be_compared_is_unknown_with_its_reason(error: Exception) -> None:
    world = World(mapping(**ONE))

    def read_state(_source: Source) -> SourceState:
        raise error

    world.sources.read_state = read_state  # type: ignore[method-assign,assignment]
    assert (only(world)["state"], only(world)["why"]) == ("unknown", f"{type(error).__name__}: no")


def journal(world: World, **annotations: str) -> None:
    """Have Keyferry write other annotations."""
    named = {f"keyferry.dev/{name}": text for name, text in annotations.items()}
    world.clusters["prod-eu"].edit(*WHERE, annotations=named, manager="keyferry:payments-db")


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ({"keys": "password,url,username,more"}, "the annotation keyferry.dev/keys differs"),
        ({"versions": '{"db": "version-1", "gone": "version-1"}'}, "a source has another version"),
        ({"versions": "{}"}, "a source has another version"),
        ({"mapping": "other"}, "the annotation keyferry.dev/mapping differs"),
    ],
)
def test_a_journal_of_other_keys_or_sources_is_stale(annotations: dict[str, str], why: str) -> None:
    world = World(mapping(**ONE))
    journal(world, **annotations)
    assert (only(world)["state"], only(world)["why"]) == ("stale", why)


def test_a_target_of_two_sources_is_stale_since_the_last_of_them_changed() -> None:
    sources = {"db": {"secretsManager": SOURCE}, "tls": {"secretsManager": "tls", "region": "us-east-1"}}
    world, first = World(mapping(**ONE)), datetime(2026, 11, 24, 15, tzinfo=UTC)
    wanted = mapping(sources=sources, **ONE)
    world.catalog = build_catalog([wanted], [cluster("prod-eu")])
    journal(world, revision=compute_revision(wanted), versions='{"db": "version-1", "tls": "version-1"}')
    states = {SOURCE: SourceState("version-1", first), "tls": SourceState("version-2", first + timedelta(hours=1))}
    world.sources.read_state = lambda source: states[source.identifier]  # type: ignore[method-assign]
    row = only(world)
    assert (row["state"], row["why"]) == ("stale", "a source has another version")
    assert row["since"] == "2026-11-24T16:00:00+00:00"
    assert [source.get("region") for source in row["sources"]] == [None, "us-east-1"]
    states[SOURCE] = SourceState("version-2", first + timedelta(hours=2))
    assert only(world)["since"] == "2026-11-24T17:00:00+00:00"
    states["tls"] = SourceState("version-1", first + timedelta(hours=3))
    assert only(world)["since"] == "2026-11-24T17:00:00+00:00"


def test_when_a_certificate_ends_is_told() -> None:
    world = World(mapping(**ONE))
    when = "2027-01-01T00:00:00+00:00"
    journal(world, **{"certificate-expires": when})
    assert only(world)["certificateExpires"] == when


@pytest.mark.parametrize(("text", "told"), [("1.2.3", "1.2.3"), ("2.0.0rc1", "2.0.0rc1"), ("canary", None), ("", None)])
def test_the_release_that_wrote_last_is_told_where_it_is_one(text: str, told: str | None) -> None:
    world = World(mapping(**ONE))
    journal(world, release=text)
    assert (only(world).get("release"), only(world)["state"]) == (told, "right")


def test_a_rotation_that_is_off_has_no_times() -> None:
    world = World(mapping(**ONE))
    world.sources.read_state = lambda _source: SourceState("version-1", rotation=Rotation(is_on=False))  # type: ignore[method-assign,assignment]
    assert only(world)["sources"][0]["rotation"] == {"on": False}


def test_a_list_of_namespaces_that_is_refused_costs_no_other_mapping() -> None:
    chosen = mapping("chosen", name="chosen", namespaces={"matchLabels": {"team": "shop"}}, clusters=["prod-eu"])
    world = World(mapping(**ONE))
    world.catalog = build_catalog([chosen, mapping(**ONE)], [cluster("prod-eu")])
    for error in (Forbidden("list it"), ServerError("no")):
        world.clients["prod-eu"] = NoLists(world.clusters["prod-eu"].client(), error)
        rows = ask(world)["rows"]
        assert [(row["mapping"], row["state"]) for row in rows] == [("chosen", "unknown"), ("payments-db", "right")]
        assert rows[0]["why"] == f"{type(error).__name__}: {error}"


class NoLists:
    """A client of a cluster that lists no namespaces."""

    def __init__(self, client: Any, error: Exception) -> None:  # noqa: ANN401
        self.client, self.error = client, error

    def list_namespaces(self, _selector: object) -> list[str]:
        raise self.error

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.client, name)
