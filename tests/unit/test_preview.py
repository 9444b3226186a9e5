"""What a delivery would do is told by the code that delivers, and without a write."""

from collections.abc import Callable
from typing import Any

import pytest

from keyferry.delivery.observed import Observed
from keyferry.delivery.preview import Preview, preview
from keyferry.errors import AccessDenied, Forbidden, NamespaceGone, OutOfTime, ServerError, SourceDeleted, Unexpected
from keyferry.kinds import KINDS
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import SecretValue
from keyferry.testing import Calls
from tests.unit.samples import desired_of, mapping, workload
from tests.unit.world import DUE, KIND, SOURCE, WHERE, World, secret

CONTENT = ("password", "username")


def refusing(world: World) -> Calls:
    """Return calls that fail the test at the first write."""

    def step(_number: int, what: str) -> None:
        assert what.split(maxsplit=1)[0] not in ("apply", "patch", "prune", "delete"), what

    return Calls(before=step)


def seen(world: World, **changes: Any) -> list[Preview]:  # noqa: ANN401
    """Return the preview, having made sure that nothing was written."""
    versions, history = world.cluster.versions(), list(world.cluster.history)
    calls = refusing(world)
    found = list(preview(world.work(calls, **changes)).previews)
    assert calls.writes == []
    assert (world.cluster.versions(), world.cluster.history) == (versions, history)
    return found


def delivered(**spec: Any) -> World:  # noqa: ANN401
    """Return a world after a first delivery."""
    world = World()
    if spec:
        world.mapping = mapping(**spec)
    assert not world.deliver().errors
    return world


def test_a_missing_secret_would_be_created_with_all_its_keys_and_what_uses_it_restarted() -> None:
    assert seen(World()) == [Preview("payments", "create", "missing", CONTENT, ("Deployment/api",))]


@pytest.mark.parametrize("namespaces", [["checkout"], ["checkout", {"names": ["pay*"]}]])
def test_a_namespace_that_is_missing_or_about_to_go_would_fail_before_anything_is_written(namespaces: Any) -> None:  # noqa: ANN401
    world = World("payments")
    missing, *others = seen(world, of=mapping(namespaces=namespaces))
    assert (missing.will, type(missing.error)) == ("fail", NamespaceGone)
    assert [found.will for found in others] == ["create"] * (len(namespaces) - 1)
    world.cluster.namespaces["checkout"] = {}
    assert seen(world, of=mapping(namespaces=["checkout"]))[0].will == "create"
    world.cluster.terminating.add("checkout")
    assert seen(world, of=mapping(namespaces=["checkout"]))[0].will == "fail"


def test_of_a_new_value_the_keys_are_told_by_name() -> None:
    world = delivered()
    world.sources.put(SOURCE, secret("canary-2"))
    [found] = seen(world)
    assert (found.will, found.keys, found.restarts) == ("update", ("password",), ("Deployment/api",))
    assert found.why == "new content in password"
    assert "canary" not in str(found)
    assert "canary" not in str(found.as_dict())


def test_a_key_that_is_no_longer_mapped_would_go() -> None:
    world = delivered()
    world.mapping = mapping(data={"username": {"from": "db", "path": "username"}})
    [found] = seen(world)
    assert (found.will, found.keys) == ("update", ("password",))


def test_what_is_as_it_should_be_stays() -> None:
    assert seen(delivered()) == [Preview("payments", "nothing")]


def test_a_new_version_with_the_same_content_would_be_noted_and_restart_nothing() -> None:
    world = delivered()
    world.sources.put(SOURCE, secret("canary-1"))
    assert seen(world) == [Preview("payments", "annotate", "new versions or mapping")]


def test_restarts_that_are_due_would_be_made() -> None:
    world = delivered()
    world.cluster.edit(*WHERE, annotations={DUE: "left-over"}, manager="keyferry:payments-db")
    [found] = seen(world)
    assert found.will in ("restart", "annotate")
    assert found.restarts == ("Deployment/api",)


def test_a_delivery_that_died_before_its_restarts_is_seen_as_restarts_that_are_due() -> None:
    world = World()

    def stop(_number: int, what: str) -> None:
        if what.startswith("patch"):
            raise Forbidden("the cluster forbids to patch deployments")

    assert world.deliver(Calls(before=stop)).errors
    assert seen(world) == [Preview("payments", "restart", "restarts are due", (), ("Deployment/api",))]


def test_without_restarts_nothing_is_listed() -> None:
    world = World()
    world.mapping = mapping(restart="none")
    calls = refusing(world)
    [found] = preview(world.work(calls)).previews
    assert (found.will, found.restarts) == ("create", ())
    assert calls.count("list") == 0


def test_what_would_restart_is_of_the_kinds_that_the_cluster_names() -> None:
    world = World()
    world.cluster.run("payments", "Rollout", workload("web"))
    [found] = seen(world, restart_kinds=[KINDS["Rollout"]])
    assert found.restarts == ("Rollout/web",)


def test_workloads_that_would_be_left_alone_are_noted_with_the_reason() -> None:
    world = World()
    alone = workload("alone")
    alone["metadata"]["annotations"] = {"keyferry.dev/restart": "false"}
    world.cluster.run("payments", KIND, alone)
    world.cluster.run("payments", KIND, workload("paused", paused=True))
    [found] = seen(world)
    assert found.restarts == ("Deployment/api", "Deployment/paused (paused: rolls out when it is resumed)")
    assert found.notes == ("Deployment/alone (left alone: keyferry.dev/restart is false)",)


def test_a_named_workload_that_is_missing_is_told_even_if_nothing_changes_and_others_are_not() -> None:
    named = [{"kind": KIND, "name": name} for name in ("api", "apj")]
    world = delivered(restart=named)
    for restart_due in (False, True):
        [found] = seen(world)
        assert found.notes == (
            "Deployment/apj (not in namespace payments: create it, or correct restart in the mapping)",
        )
        assert (found.will, found.restarts) == (("update", ("Deployment/api",)) if restart_due else ("nothing", ()))
        world.sources.put(SOURCE, secret("canary-2"))


def test_a_change_for_which_nothing_would_restart_says_what_was_looked_at() -> None:
    world = delivered()
    world.sources.put(SOURCE, secret("canary-2"))
    world.cluster.workloads.clear()
    [found] = seen(world)
    assert found.notes == (
        "nothing restarts: no Deployment, StatefulSet or DaemonSet uses it in a variable or a volume",
    )
    [found] = seen(world, of=mapping(restart=[]))
    assert found.notes == ()


def test_what_is_said_of_the_whole_is_told_beforehand() -> None:
    world = World()
    world.cluster.run("payments", "Rollout", workload("web"))
    nobody = {"matchLabels": {"team": "nobody"}}
    notes = preview(world.work(of=mapping(namespaces=["payments", nobody]))).notes
    assert [note.partition(":")[0] for note in notes] == [
        "no namespace of prod-eu has the labels team=nobody",
        "restart",
    ]
    assert preview(delivered().work()).notes == ()


def test_a_workload_that_cannot_be_restarted_shows_beforehand() -> None:
    world = World()
    reference = {"kind": "Deployment", "name": "api"}
    world.cluster.run("payments", "Rollout", {"metadata": {"name": "canary"}, "spec": {"workloadRef": reference}})
    world.mapping = mapping(restart=[{"kind": "Rollout", "name": "canary"}])
    [found] = seen(world)
    assert (found.will, found.keys, found.notes) == ("create", ("password", "username"), ())
    assert "name Deployment/api in the mapping's restart" in str(found.error)


def test_a_conflict_would_fail_and_names_the_other_manager() -> None:
    world = World()
    world.cluster.create("payments", "payments-db", {"password": "theirs"}, manager="helm")
    [found] = seen(world)
    assert found.will == "fail"
    assert "belongs to field manager helm" in str(found.error)
    assert "Conflict: " in found.as_dict()["error"]


@pytest.mark.parametrize(("raises", "kind"), [(Forbidden("get"), Forbidden), (KeyError("canary-3"), Unexpected)])
def test_a_namespace_that_fails_does_not_stop_the_others(raises: Exception, kind: type) -> None:
    world = World("payments", "shop")

    def step(_number: int, what: str) -> None:
        if what.startswith("read payments"):
            raise raises

    first, second = preview(world.work(Calls(before=step))).previews
    assert (first.will, type(first.error), second.will) == ("fail", kind, "create")
    assert "canary" not in str(first.as_dict())


@pytest.mark.parametrize(
    ("raises", "will"),
    [
        (Forbidden("list"), "create"),
        (ServerError("500"), "create"),
        (OutOfTime(), "fail"),
        (KeyError("canary-3"), "fail"),
    ],
)
def test_where_workloads_cannot_be_listed_the_secret_would_be_written(raises: Exception, will: str) -> None:
    def step(_number: int, what: str) -> None:
        if what.startswith("list payments"):
            raise raises

    [found] = preview(World().work(Calls(before=step))).previews
    assert (found.will, found.restarts) == (will, ())
    assert found.error
    assert "canary" not in str(found.error)


def test_a_source_that_cannot_be_read_fails_the_whole() -> None:
    world = World()

    def refuse(_source: object) -> Any:  # noqa: ANN401
        raise AccessDenied("AWS refuses secretsmanager:GetSecretValue")

    with pytest.raises(AccessDenied):
        preview(world.work(create_reader=lambda _: refuse))


def test_without_time_nothing_more_is_asked_of_the_cluster() -> None:
    world = World()
    calls = Calls()
    with pytest.raises(OutOfTime):
        preview(world.work(calls, deadline=world.clock.deadline(0)))
    assert calls.recorded == []


def test_labels_choose_the_namespaces_and_none_is_no_error() -> None:
    world = World("payments")
    assert seen(world, of=mapping(namespaces={"matchLabels": {"team": "nobody"}})) == []


def _new(world: World) -> None:
    world.sources.put(SOURCE, secret("canary-2"))


def _same(world: World) -> None:
    world.sources.put(SOURCE, secret("canary-1"))


def _edited(world: World) -> None:
    world.cluster.edit(*WHERE, data={"password": "canary-4"})


def _edited_back(world: World) -> None:
    world.cluster.edit(*WHERE, data={"password": "canary-4"})
    world.cluster.edit(*WHERE, data={"password": "canary-1"})


def _deleted(world: World) -> None:
    world.cluster.delete(*WHERE)


def _immutable(world: World) -> None:
    _new(world)
    world.cluster.make_immutable(*WHERE)


def _remapped(world: World) -> None:
    world.mapping = SecretMapping.model_validate(
        mapping(restart=[{"kind": "Deployment", "name": "api"}]).model_dump(by_alias=True, exclude_defaults=True)
    )


def _exclusive(world: World) -> None:
    world.mapping = mapping(policies={"keys": "exclusive"})
    world.deliver()
    world.cluster.edit(*WHERE, data={"theirs": "x"})


def _claimed(world: World) -> None:
    world.mapping = mapping(policies={"conflict": "takeOver"})
    world.deliver()
    world.cluster.set_owner_references(*WHERE, "ExternalSecret/db")


def _owned(world: World) -> None:
    world.cluster.set_owner_references(*WHERE, "ExternalSecret/db")


def _renamed(world: World) -> None:
    world.mapping = mapping("new", ["payments-db"])


def _released(world: World) -> None:
    """The delivery after the renaming died before its last call."""
    _renamed(world)
    world.cluster.apply_secret(
        "payments",
        desired_of(
            world.mapping,
            {"username": SecretValue(b"me"), "password": SecretValue(b"canary-1")},
            {"db": world.sources.values[SOURCE].version},
        ).build_body(Observed.from_object(world.cluster.secrets[WHERE].as_object(WHERE[1])), None),
        "keyferry:new",
        force=True,
    )


def _once(world: World) -> None:
    world.mapping = mapping(policies={"creation": "createOnce"})
    _new(world)


def _gone(policy: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.mapping = mapping(policies={"deletion": policy})
        world.sources.errors[SOURCE] = SourceDeleted("scheduled for deletion")

    return change


def _gone_for_good(world: World) -> None:
    _gone("delete")(world)
    world.deliver()


CHANGES: list[Callable[[World], None]] = [_new, _same, _edited, _edited_back, _deleted, _immutable, _remapped]
CHANGES += [_exclusive, _claimed, _owned, _renamed, _released, _once, _gone("delete"), _gone("merge"), _gone_for_good]
DID = {
    "create": "created",
    "update": "updated",
    "annotate": "annotated",
    "nothing": "unchanged",
    "fail": "failed",
    "delete": "deleted",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_told_is_what_then_happens(change: Callable[[World], None]) -> None:
    world = delivered()
    change(world)
    [told] = seen(world)
    [done] = world.deliver().outcomes
    if told.will == "annotate" and done.did == "updated":
        assert told.restarts == ()  # what releases all of its keys
    else:
        assert (DID[told.will], told.restarts) == (done.did, done.restarted)
    assert (told.why == done.why) or told.will == "fail"
    assert set(told.notes) <= set(done.notes)
