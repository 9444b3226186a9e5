"""A restart that somebody asks for: each workload restarts once for it, however often its message comes back."""

import itertools

import pytest
from pydantic import ValidationError

from keyferry.delivery.preview import preview as look
from keyferry.delivery.report import Report
from keyferry.testing import Calls
from tests.unit.samples import delivery, mapping, workload
from tests.unit.test_protocol import check_idle, check_right, delete, edit, new_version_only, nothing, put, settled
from tests.unit.turns import Crash, dying
from tests.unit.world import DUE, KIND, WHERE, Change, World

REQUEST = "keyferry.dev/restart-request"
FIRST, SECOND = "00000000000000a1", "00000000000000b2"


def ask(world: World, nonce: str = FIRST, calls: Calls | None = None) -> Report:
    """Carry out a delivery that asks for a restart."""
    return world.deliver(calls, delivery=delivery(restart=nonce))


def count_rollouts(world: World) -> int:
    return world.count(f"rollout payments/{KIND}/api")[0]


def test_a_restart_restarts_once_without_new_content_however_often_it_comes() -> None:
    world = settled()
    before = world.cluster.data(*WHERE)
    (outcome,) = ask(world).outcomes
    assert (outcome.did, outcome.why) == ("annotated", "a restart was asked for")
    assert (count_rollouts(world), world.nonce) == (1, FIRST)
    assert world.cluster.data(*WHERE) == before
    assert DUE not in world.cluster.annotations(*WHERE)
    calls = Calls()
    assert not ask(world, calls=calls).errors
    assert calls.writes == []
    check_idle(world)


def test_two_requests_are_two_restarts() -> None:
    world = settled()
    ask(world, FIRST)
    ask(world, SECOND)
    assert (count_rollouts(world), world.nonce) == (2, SECOND)


def test_a_request_that_comes_back_after_another_write_restarts_nothing() -> None:
    world = settled()
    ask(world)
    put("canary-2")(world)
    assert not world.deliver().errors
    assert count_rollouts(world) == 2
    ask(world)
    assert count_rollouts(world) == 2
    check_right(world, "canary-2")


@pytest.mark.parametrize("prepare", [put("canary-2"), edit, delete], ids=["another value", "an edit", "a deletion"])
def test_what_has_to_be_written_anyway_restarts_once_for_both(prepare: Change) -> None:
    world = settled()
    prepare(world)
    assert not ask(world).errors
    assert world.count("write", f"rollout payments/{KIND}/api") == [1, 1]
    ask(world)
    assert world.count("write", f"rollout payments/{KIND}/api") == [1, 1]
    check_idle(world)


def test_a_secret_that_was_deleted_meanwhile_restarts_for_its_new_content_though_the_request_comes_back() -> None:
    world = settled()
    ask(world)
    delete(world)
    ask(world)
    assert count_rollouts(world) == 2, "pods may still run with what the deleted one held"


def test_what_has_restarted_for_a_write_that_is_not_finished_restarts_for_the_request_too() -> None:
    world = settled()
    put("canary-2")(world)
    with pytest.raises(Crash):
        world.deliver(dying_after_first_stamp(world))
    assert count_rollouts(world) == 1
    assert DUE in world.cluster.annotations(*WHERE)
    assert not ask(world).errors
    assert count_rollouts(world) == 2
    check_idle(world)


def test_a_request_that_comes_back_hides_no_restart_for_a_secret_that_was_made_anew() -> None:
    world = settled()
    ask(world)
    delete(world)
    with pytest.raises(Crash):
        world.deliver(dying_after_write(world))
    assert count_rollouts(world) == 1
    ask(world)
    assert count_rollouts(world) == 2
    check_idle(world)


def dying_after_write(world: World) -> Calls:
    """Return the calls of a process that dies once it has written content."""

    def step(_number: int, what: str) -> None:
        if WHERE in world.cluster.secrets:
            raise Crash(what)

    return Calls(after=step)


def dying_after_first_stamp(world: World) -> Calls:
    """Return the calls of a process that dies once the first workload is stamped."""

    def step(_number: int, what: str) -> None:
        if count_rollouts(world):
            raise Crash(what)

    return Calls(after=step)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("prepare", [nothing, new_version_only], ids=["nothing new", "a new version"])
def test_a_restart_that_dies_at_any_call_is_finished_by_its_message_and_restarts_once(
    prepare: Change, when: str
) -> None:
    deaths = 0
    for number in itertools.count():
        world = settled()
        prepare(world)
        try:
            assert not ask(world, calls=dying(number, when)).errors
        except Crash:
            deaths += 1
            assert not ask(world).errors
        else:
            break
        assert count_rollouts(world) == 1, number
        check_idle(world)
    assert deaths >= 5


def test_a_restart_that_died_is_finished_by_any_delivery() -> None:
    world = settled()
    with pytest.raises(Crash):
        ask(world, calls=dying(len_of_a_restart() - 2, "before"))
    assert DUE in world.cluster.annotations(*WHERE)
    assert not world.deliver().errors
    assert not ask(world).errors
    assert count_rollouts(world) == 1


def len_of_a_restart() -> int:
    """Return how many calls a restart makes."""
    calls = Calls()
    ask(settled(), calls=calls)
    return len(calls.recorded)


def test_other_deliveries_keep_the_request_on_the_secret() -> None:
    world = settled()
    ask(world)
    put("canary-2")(world)
    world.deliver()
    new_version_only(world)
    world.deliver()
    assert world.cluster.annotations(*WHERE)[REQUEST] == FIRST


def test_a_mapping_that_restarts_nothing_restarts_nothing() -> None:
    world = World()
    world.mapping = mapping(restart="none")
    world.deliver()
    calls = Calls()
    assert not ask(world, calls=calls).errors
    assert calls.writes == []


def test_a_secret_that_is_made_once_keeps_its_content_and_restarts() -> None:
    world = World()
    world.mapping = mapping(policies={"creation": "createOnce"})
    world.deliver()
    put("canary-2")(world)
    before = world.cluster.data(*WHERE)
    ask(world)
    ask(world)
    assert world.cluster.data(*WHERE) == before
    assert count_rollouts(world) == 2  # for its creation, and for the request
    assert world.nonce == FIRST


def test_a_request_restarts_the_workloads_that_a_mapping_names_alone() -> None:
    world = World()
    world.cluster.run("payments", KIND, workload("other"))
    world.mapping = mapping(restart=[{"kind": KIND, "name": "api"}])
    world.deliver()
    world.cluster.history.clear()
    ask(world)
    assert [each for each in world.cluster.history if each.startswith("rollout")] == [f"rollout payments/{KIND}/api"]


def test_the_request_is_in_the_message_only_where_there_is_one_and_is_a_nonce() -> None:
    assert "restart" not in delivery().to_json()
    whole = delivery(restart=FIRST)
    assert type(whole).model_validate_json(whole.to_json()) == whole
    for wrong in ("", "me", FIRST.upper(), f"{FIRST}\n", f"{FIRST}0"):
        with pytest.raises(ValidationError):
            delivery(restart=wrong)


def test_a_plan_of_a_restart_names_what_would_restart_and_says_why() -> None:
    world = settled()
    work = world.work(delivery=delivery(restart=FIRST))
    (preview,) = look(work).previews
    assert (preview.will, preview.why) == ("restart", "a restart was asked for")
    assert any(text.startswith(f"{KIND}/api") for text in preview.restarts)
    ask(world)
    (preview,) = look(work).previews
    assert (preview.will, preview.restarts) == ("nothing", ())
