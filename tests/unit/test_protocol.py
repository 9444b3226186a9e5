"""The protocol under crashes and overlaps, at every call: docs/decisions/0002 says what each step closes.

A crash raises what nothing catches, and the dead process calls nothing more. Overlapping deliveries are run one call
at a time, in every order that a test names.
"""

import itertools
from collections.abc import Iterator

import pytest

from keyferry.errors import SourceDeleted
from keyferry.kinds import DEFAULT_KINDS
from keyferry.testing import Calls, encode
from tests.unit.samples import mapping, uses, workload
from tests.unit.turns import Crash, Process, dying
from tests.unit.world import DUE, KIND, SOURCE, WHERE, Change, World, secret

KINDS = [kind.name for kind in DEFAULT_KINDS]


def put(password: str) -> Change:
    def change(world: World) -> None:
        world.sources.put(SOURCE, secret(password))

    return change


def nothing(_world: World) -> None:
    """Nothing happens."""


def delete(world: World) -> None:
    world.cluster.delete(*WHERE)


def edit(world: World) -> None:
    if WHERE in world.cluster.secrets:
        world.cluster.edit(*WHERE, data={"password": "by hand"})


def edit_and_edit_back(world: World) -> None:
    world.cluster.edit(*WHERE, data={"password": "by hand"})
    world.cluster.edit(*WHERE, data={"password": world.wanted})


def create_workload(world: World) -> None:
    world.cluster.run("payments", "StatefulSet", workload("new"))


def reapply_workload(world: World) -> None:
    world.cluster.run("payments", KIND, workload("api"))


def unmap_key(world: World) -> None:
    world.mapping = mapping(data={"password": {"from": "db", "path": "password"}})


def new_version_only(world: World) -> None:
    world.sources.put(SOURCE, secret(world.wanted))


def settled(*namespaces: str) -> World:
    """Return a world in which the first value is delivered."""
    world = World(*namespaces)
    for namespace, kind in itertools.product(world.cluster.namespaces, KINDS[1:]):
        world.cluster.run(namespace, kind, workload("api"))
    world.cluster.run("payments" if not namespaces else namespaces[0], KIND, workload("unrelated", uses("other")))
    assert not world.deliver().errors
    world.cluster.history.clear()
    return world


def check_right(world: World, password: str) -> None:
    """Fail unless the Secret holds what the source does, and everything that uses it restarted after the last write."""
    for namespace in world.cluster.namespaces:
        where = namespace, "payments-db"
        assert world.cluster.data(*where)["password"] == encode(password)
        assert DUE not in world.cluster.annotations(*where)
        assert world.cluster.managers(*where, "password") >= {"keyferry:payments-db"}
        write = f"write {namespace}/payments-db"
        since = world.cluster.history
        while write in since:
            since = since[since.index(write) + 1 :]
        if write in world.cluster.history:
            for kind in KINDS:
                assert f"rollout {namespace}/{kind}/api" in since, world.cluster.history


def check_never_backwards(world: World) -> None:
    """Fail where a write put an older value in the place of a newer one; `canary-2` is newer than `canary-1`."""
    written = [content["password"] for content in world.cluster.contents]
    order = [encode(f"canary-{number}") for number in range(1, 4)]
    assert written == sorted(written, key=order.index)


def check_idle(world: World) -> None:
    """Fail unless another delivery changes nothing."""
    calls, before = Calls(), (world.cluster.versions(), list(world.cluster.history))
    assert not world.deliver(calls).errors
    assert calls.writes == []
    assert (world.cluster.versions(), world.cluster.history) == before


# Crashes

SCENARIOS: dict[str, tuple[Change, str, int]] = {
    "a new value": (put("canary-2"), "canary-2", 1),
    "a deleted Secret": (delete, "canary-1", 1),
    "an edited Secret": (edit, "canary-1", 1),
    "edited and edited back": (edit_and_edit_back, "canary-1", 1),
    "a key no longer mapped": (unmap_key, "canary-1", 1),
    "a new version alone": (new_version_only, "canary-1", 0),
    "nothing": (nothing, "canary-1", 0),
}


def dies(world: World, number: int, when: str) -> bool:
    """Deliver, and return whether it died at a call; where it has fewer calls, it came to its end."""
    try:
        assert not world.deliver(dying(number, when)).errors
    except Crash:
        return True
    return False


def crashed(scenario: Change, number: int, when: str) -> World | None:
    """Return a world in which a delivery died at a call; None where it has fewer calls, and lives."""
    world = settled()
    scenario(world)
    return world if dies(world, number, when) else None


def until_it_lives(scenario: Change, when: str) -> Iterator[World]:
    """Yield, for each call of a delivery in turn, a world in which it died at that call."""
    for number in itertools.count():
        world = crashed(scenario, number, when)
        if not world:
            assert number >= 2, "it must die at some calls"
            return
        yield world


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_delivery_that_dies_at_any_call_is_finished_by_the_next_and_nothing_is_done_twice(
    scenario: str, when: str
) -> None:
    change, password, writes = SCENARIOS[scenario]
    for world in until_it_lives(change, when):
        assert not world.deliver().errors
        check_right(world, password)
        check_idle(world)
        rollouts = [f"rollout payments/{kind}/api" for kind in KINDS]
        assert world.count("write", *rollouts, "rollout") == [writes, writes, writes, writes, 3 * writes]


@pytest.mark.parametrize("first", ["before", "after"])
@pytest.mark.parametrize("second", ["before", "after"])
def test_a_delivery_that_dies_twice_is_finished_by_the_third(first: str, second: str) -> None:
    """At every pair of calls: once the second lives, it does so whatever further call it were to die at."""
    for one in itertools.count():
        for other in itertools.count():
            world = crashed(put("canary-2"), one, first)
            if not world:
                assert one >= 2, "it must die at some calls"
                return
            has_died = dies(world, other, second)
            assert not has_died or not world.deliver().errors
            check_right(world, "canary-2")
            assert world.count("write", "rollout") == [1, 3]
            if not has_died:
                break


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "meanwhile", [put("canary-3"), new_version_only, delete, edit, create_workload, reapply_workload]
)
def test_whatever_happens_between_the_crash_and_the_next_delivery_it_ends_right(when: str, meanwhile: Change) -> None:
    for world in until_it_lives(put("canary-2"), when):
        meanwhile(world)
        assert not world.deliver().errors
        check_right(world, world.wanted)
        check_idle(world)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_in_one_of_many_namespaces_loses_no_restart_of_another(when: str) -> None:
    for number in itertools.count():
        world = settled("a", "b", "c")
        put("canary-2")(world)
        try:
            world.deliver(dying(number, when))
        except Crash:
            assert not world.deliver().errors
            check_right(world, "canary-2")
            assert world.count("write", "rollout") == [3, 9]
        else:
            return


# What is somebody else's


def add_a_key(world: World) -> None:
    """Somebody adds a key where the mapping wants the Secret alone."""
    world.mapping = mapping(policies={"keys": "exclusive"})
    world.cluster.edit(*WHERE, data={"theirs": "x"})


def rename_and_unmap(world: World) -> None:
    """The mapping gets another name, and maps less."""
    world.mapping = mapping("new", ["payments-db"], data={"password": {"from": "db", "path": "password"}})


def hand_over(world: World) -> None:
    """An operator has made the Secret instead, and the mapping takes it over."""
    world.mapping = mapping(policies={"keys": "exclusive", "conflict": "takeOver"})
    world.cluster.delete(*WHERE)
    world.cluster.create(*WHERE, {"password": "old", "theirs": "x"}, manager="external-secrets")
    world.cluster.set_owner_references(*WHERE, "ExternalSecret/db")


OTHERS: list[Change] = [add_a_key, rename_and_unmap, hand_over]


def check_ours_alone(world: World) -> None:
    """Fail unless the Secret is the mapping's alone, and everything that uses it restarted once."""
    held = world.cluster.secrets[WHERE]
    assert world.cluster.data(*WHERE).keys() == world.mapping.spec.secret.data.keys()
    assert world.password == encode("canary-1")
    assert DUE not in world.cluster.annotations(*WHERE)
    owners = {who for who, paths in held.managed_fields.items() if paths != {("type",)}}
    assert (owners, held.owner_references) == ({(f"keyferry:{world.mapping.name}", "Apply")}, [])


def check_restarted_once(world: World) -> None:
    rollouts = [f"rollout payments/{kind}/api" for kind in KINDS]
    assert world.count(*rollouts) == [1, 1, 1]
    last = max(number for number, what in enumerate(world.cluster.history) if what.startswith("write"))
    assert all(what.startswith("rollout") for what in world.cluster.history[last + 1 :])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("others", OTHERS)
def test_a_delivery_that_dies_while_it_removes_what_is_not_its_own_is_finished_by_the_next(
    others: Change, when: str
) -> None:
    for world in until_it_lives(others, when):
        assert not world.deliver().errors
        check_ours_alone(world)
        check_restarted_once(world)
        check_idle(world)


@pytest.mark.parametrize("others", OTHERS)
def test_a_whole_delivery_at_any_call_of_one_that_removes_what_is_not_its_own_leaves_it_right(others: Change) -> None:
    for world, _ in overtaken(others, nothing, whole_delivery):
        check_ours_alone(world)
        check_idle(world)


@pytest.mark.parametrize("others", OTHERS)
def test_a_key_that_comes_at_any_call_of_a_delivery_does_not_last(others: Change) -> None:
    def add(world: World) -> None:
        if WHERE in world.cluster.secrets:
            world.cluster.edit(*WHERE, data={"more": str(len(world.cluster.history))})

    for world, _ in overtaken(others, add, nothing):
        assert not world.deliver().errors
        if others is not rename_and_unmap:
            check_ours_alone(world)
        check_idle(world)
        last = max(number for number, what in enumerate(world.cluster.history) if what.startswith("write"))
        assert world.cluster.history[last + 1 :] == [f"rollout payments/{kind}/api" for kind in KINDS]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("policy", ["delete", "merge"])
def test_a_delivery_that_dies_after_its_source_was_deleted_is_finished_by_the_next(policy: str, when: str) -> None:
    def gone(world: World) -> None:
        world.mapping = mapping(policies={"deletion": policy})
        world.sources.errors[SOURCE] = SourceDeleted("scheduled for deletion")

    for world in until_it_lives(gone, when):
        assert not world.deliver().errors
        assert (WHERE in world.cluster.secrets) is (policy == "merge")
        check_idle(world)
        assert world.count("rollout") == [0]
        del world.sources.errors[SOURCE]
        assert not world.deliver().errors
        check_right(world, "canary-1")


def test_a_source_that_comes_back_at_any_call_of_its_deletion_has_its_secret_again() -> None:
    def gone(world: World) -> None:
        world.mapping = mapping(policies={"deletion": "delete"})
        world.sources.errors[SOURCE] = SourceDeleted("scheduled for deletion")

    def restored(world: World) -> None:
        world.sources.errors.clear()

    for world, _ in overtaken(gone, restored, whole_delivery):
        assert not world.deliver().errors
        check_right(world, "canary-1")
        check_idle(world)


# In a row


def test_a_value_that_goes_and_comes_back_is_written_and_restarted_each_time() -> None:
    world = settled()
    for password in ("canary-2", "canary-1", "canary-2"):
        version = "version-" + password[-1]
        world.sources.put(SOURCE, secret(password), version)
        assert not world.deliver().errors
        check_right(world, password)
        check_idle(world)
    assert world.count("write", "rollout") == [3, 9]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rollback_while_restarts_are_due_restarts_what_has_the_outdated_value(when: str) -> None:
    for world in until_it_lives(put("canary-2"), when):
        world.sources.put(SOURCE, secret("canary-1"), "version-1")
        assert not world.deliver().errors
        check_right(world, "canary-1")


def test_a_workload_made_or_applied_again_after_the_write_is_not_restarted_for_it() -> None:
    world = settled()
    put("canary-2")(world)
    world.deliver()
    create_workload(world)
    reapply_workload(world)
    before = list(world.cluster.history)
    check_idle(world)
    assert world.cluster.history == before


@pytest.mark.parametrize("meanwhile", [create_workload, reapply_workload])
def test_a_workload_made_or_applied_again_while_restarts_are_due_is_restarted(meanwhile: Change) -> None:
    for world in until_it_lives(put("canary-2"), "before"):
        due = DUE in world.cluster.annotations(*WHERE)
        meanwhile(world)
        world.cluster.history.append("here")
        world.deliver()
        name = "StatefulSet/new" if meanwhile is create_workload else "Deployment/api"
        since = world.cluster.history[world.cluster.history.index("here") :]
        if due:
            assert f"rollout payments/{name}" in since


# Overlaps


def roll_back(world: World) -> None:
    world.sources.put(SOURCE, secret("canary-1"), "version-1")


def overtaken(scenario: Change, change: Change, other: Change) -> Iterator[tuple[World, Calls]]:
    """Yield, for each call of a delivery, a world in which the change and the other happened right before that call."""
    for number in itertools.count():
        world = settled()
        scenario(world)

        def meanwhile(this: int, _what: str, number: int = number, world: World = world) -> None:
            if this == number:
                change(world)
                other(world)

        calls = Calls(before=meanwhile)
        report = world.deliver(calls)
        if number >= len(calls.recorded):
            return
        if report.errors:
            assert report.can_retry
            assert not world.deliver().errors
        yield world, calls


def whole_delivery(world: World) -> None:
    assert not world.deliver().errors


@pytest.mark.parametrize("scenario", [put("canary-2"), delete, edit, nothing, new_version_only])
def test_a_whole_delivery_at_any_call_of_an_older_one_is_never_undone(scenario: Change) -> None:
    for world, _ in overtaken(scenario, put("canary-3"), whole_delivery):
        check_right(world, "canary-3")
        check_never_backwards(world)
        check_idle(world)


def test_a_value_that_is_rolled_back_at_any_call_of_a_delivery_does_not_last() -> None:
    """The delivery of the rollback can find nothing to do: then the older one must see by itself what it has done."""
    for world, _ in overtaken(put("canary-2"), roll_back, whole_delivery):
        check_right(world, "canary-1")
        check_idle(world)


@pytest.mark.parametrize("change", [delete, edit, edit_and_edit_back, create_workload, reapply_workload])
def test_whatever_happens_at_any_call_of_a_delivery_the_next_one_ends_right(change: Change) -> None:
    for world, _ in overtaken(put("canary-2"), change if change is not edit_and_edit_back else edit, nothing):
        assert not world.deliver().errors
        check_right(world, "canary-2")
        check_idle(world)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delivery_that_overtakes_and_dies_is_finished_when_its_message_comes_back(when: str) -> None:
    for death in range(9):

        def die(world: World, death: int = death) -> None:
            assert dies(world, death, when)

        for world, _ in overtaken(put("canary-2"), put("canary-3"), die):
            assert not world.deliver().errors
            check_right(world, "canary-3")
            check_idle(world)


@pytest.mark.parametrize("scenario", [put("canary-2"), delete, nothing])
def test_two_deliveries_that_overlap_in_any_way_leave_the_newest_value_and_no_restart_undone(scenario: Change) -> None:
    """The older makes some calls, the source changes, the newer makes some calls, and then each finishes in turn."""
    for some in itertools.count():
        for more in itertools.count():
            world = settled()
            scenario(world)
            older = Process(world)
            older.step(some)
            has_older_ended = older.ended
            put("canary-3")(world)
            newer = Process(world)
            newer.step(more)
            has_newer_ended = newer.ended
            older.finish()
            newer.finish()
            for process in (older, newer):
                if process.comes_back:
                    whole_delivery(world)
            check_right(world, "canary-3")
            check_never_backwards(world)
            check_idle(world)
            if has_newer_ended:
                break
        if has_older_ended:
            return


def test_deliveries_of_the_same_value_that_alternate_call_by_call_write_it_once() -> None:
    world = settled()
    put("canary-2")(world)
    one, two = Process(world), Process(world)
    while not (one.ended and two.ended):
        one.step()
        two.step()
    assert not one.comes_back
    assert not two.comes_back
    check_right(world, "canary-2")
    assert world.count("write") == [1]
