"""Somebody keeps writing a key of ours: it is taken back once, restarts once, and is told to the owner for a day."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from keyferry.delivery.contested import MAX_MANAGERS
from keyferry.delivery.observed import Observed
from keyferry.errors import Conflict, Overtaken
from keyferry.mapping.mapping import SecretMapping
from keyferry.pipeline.compare import compare_secret
from keyferry.testing import Calls, encode
from tests.unit.samples import PLACE, WHEN, delivery, mapping
from tests.unit.world import DUE, KIND, SOURCE, WHERE, World, secret

TAKEN_BACK = "keyferry.dev/taken-back"
DAY = 24 * 60 * 60


def settled(**changes: Any) -> World:  # noqa: ANN401
    """Return a world in which the first value is delivered."""
    world = World()
    world.mapping = mapping(**changes)
    assert not world.deliver().errors
    world.cluster.history.clear()
    return world


def write(world: World, value: str | None = "from git", manager: str = "argocd-controller") -> None:
    """Write the key as somebody else does."""
    world.cluster.edit(*WHERE, data={"password": value}, manager=manager)


def sweep(world: World, of: SecretMapping | None = None, now: datetime | None = None) -> str:
    """Return what a sweep would send a delivery for; empty for nothing."""
    raw = world.cluster.secrets[WHERE].as_object(WHERE[1])
    seen = Observed.from_object({"metadata": raw["metadata"]})
    version = world.sources.values[SOURCE].version
    return compare_secret(of or world.mapping, {"db": version}, seen, PLACE, now or world.clock.read_time()).difference


def conflict(world: World, **changes: Any) -> Conflict:  # noqa: ANN401
    """Return the conflict with which a delivery ends, which writes nothing."""
    calls = Calls()
    report = world.deliver(calls, **changes)
    [error] = report.errors
    assert isinstance(error, Conflict)
    assert (calls.writes, report.can_retry) == ([], False)
    return error


def test_a_writer_every_three_minutes_costs_one_rollout_in_ten_sweeps() -> None:
    world = settled()
    told = []
    for minute in range(10 * 60):
        world.clock.jump(60)
        if minute % 3 == 0:
            write(world, f"from git {minute}")
        if minute % 60 == 0:
            told.append(sweep(world))
            if told[-1]:
                assert not world.deliver().errors
    assert told == ["somebody else has written a key", *[""] * 9]
    assert world.count("write", "rollout") == [1, 1]


def test_the_apply_that_takes_a_key_back_notes_from_whom_and_when() -> None:
    world = settled()
    world.clock.jump(90)
    write(world)
    assert not world.deliver().errors
    assert world.cluster.annotations(*WHERE)[TAKEN_BACK] == '{"argocd-controller":"2026-11-24T12:01:30+00:00"}'
    assert world.password == encode("canary-1")


@pytest.mark.parametrize("policy", ["fail", "takeOver"])
def test_a_key_that_was_taken_back_and_is_written_again_is_a_conflict_whatever_the_policy(policy: str) -> None:
    world = settled(policies={"conflict": policy})
    write(world)
    assert not world.deliver().errors
    write(world)
    world.sources.put(SOURCE, secret("canary-2"))
    world.clock.jump(DAY - 1)
    assert str(conflict(world)) == (
        "Secret payments-db: field manager argocd-controller has written password again, after it was taken back at"
        " 2026-11-24T12:00:00+00:00; nothing is written for a day after that: stop it there, then run"
        " `keyferry push payments-db`, which takes it back at once"
    )


def test_the_note_goes_on_in_every_later_apply_and_goes_with_the_first_one_after_a_day() -> None:
    world = settled()
    write(world)
    world.deliver()
    note = world.cluster.annotations(*WHERE)[TAKEN_BACK]
    world.sources.put(SOURCE, secret("canary-2"))
    assert not world.deliver().errors
    assert world.cluster.annotations(*WHERE)[TAKEN_BACK] == note
    world.clock.jump(DAY)
    assert sweep(world) == ""
    world.sources.put(SOURCE, secret("canary-3"))
    assert not world.deliver().errors
    assert TAKEN_BACK not in world.cluster.annotations(*WHERE)


def test_after_a_day_the_key_is_taken_back_again_and_noted_again() -> None:
    world = settled()
    for _ in range(2):
        write(world)
        assert sweep(world) == "somebody else has written a key"
        assert not world.deliver().errors
        assert world.password == encode("canary-1")
        write(world)
        assert sweep(world) == ""
        conflict(world)
        world.clock.jump(DAY)
    assert world.count("write", "rollout") == [2, 2]


def test_push_takes_the_key_back_at_once_and_a_writer_that_goes_on_is_a_conflict_again() -> None:
    world = settled()
    for minutes in (1, 2):
        write(world)
        world.clock.jump(60)
        pushed = delivery(takes_back=True, time=WHEN + timedelta(minutes=minutes, milliseconds=500))
        assert not world.deliver(delivery=pushed).errors
        assert world.password == encode("canary-1")
        world.clock.jump(1)
        write(world)
        conflict(world)
    # The message of a push that comes back does not take back what was taken back since.
    write(world)
    conflict(world, delivery=delivery(takes_back=True, time=WHEN))


def test_a_note_of_a_clock_that_was_years_ahead_counts_for_nothing() -> None:
    world = settled()
    world.clock.jump(1000 * DAY)
    write(world)
    world.deliver()
    world.clock.jump(-1000 * DAY)
    write(world)
    assert sweep(world) == "somebody else has written a key"
    assert not world.deliver().errors


def test_a_changed_mapping_clears_the_notes() -> None:
    world = settled()
    write(world)
    world.deliver()
    write(world)
    assert sweep(world) == ""
    world.mapping = mapping(restart="none")
    assert sweep(world) == "the mapping has changed"
    assert not world.deliver().errors
    assert world.password == encode("canary-1")


def test_another_manager_than_the_noted_one_is_not_in_its_way() -> None:
    world = settled()
    write(world)
    world.deliver()
    write(world, manager="kubectl-edit")
    assert sweep(world) == "somebody else has written a key"
    assert not world.deliver().errors
    assert set(_notes(world)) == {"argocd-controller", "kubectl-edit"}


def test_a_writer_with_another_name_for_each_write_is_bounded_too() -> None:
    world = settled()
    for number in range(MAX_MANAGERS):
        write(world, manager=f"job-{number}")
        assert not world.deliver().errors
    write(world, manager="job-x")
    assert sweep(world) == ""
    assert "field manager job-x has written password again" in str(conflict(world))
    assert world.count("rollout") == [MAX_MANAGERS]


def test_a_key_that_is_removed_again_and_again_is_a_conflict_with_nobody_in_particular() -> None:
    world = settled()
    write(world, None)
    assert not world.deliver().errors
    assert set(_notes(world)) == {"unknown"}
    write(world, None)
    assert sweep(world) == ""
    assert "somebody has removed password again" in str(conflict(world))


def test_managed_fields_that_are_cleared_again_and_again_restart_once() -> None:
    world = settled()
    for _ in range(5):
        world.cluster.clear_managed_fields(*WHERE)
        if sweep(world):
            assert not world.deliver().errors
    assert world.count("rollout") == [1]


def test_a_mark_that_somebody_sets_again_and_again_restarts_once() -> None:
    world = settled()
    for number in range(5):
        world.cluster.edit(*WHERE, annotations={DUE: f"theirs-{number}"})
        if sweep(world):
            assert not world.deliver().errors
    assert world.count("rollout") == [1]
    assert "keyferry.dev/restart-due" in str(conflict(world))


def test_a_manager_that_shares_a_key_with_the_same_value_is_no_contest() -> None:
    world = settled()
    world.cluster.edit(*WHERE, data={"password": "x"})
    world.cluster.edit(*WHERE, data={"password": "canary-1"})
    assert not world.deliver().errors
    assert world.cluster.managers(*WHERE, "password") == {"kubectl-edit", "keyferry:payments-db"}
    assert sweep(world) == ""
    world.sources.put(SOURCE, secret("canary-2"))
    assert not world.deliver().errors


def test_a_secret_of_another_mapping_has_no_notes_of_ours() -> None:
    world = settled()
    write(world)
    assert not world.deliver(of=mapping("other", policies={"conflict": "takeOver"})).errors
    assert "belongs to field manager" in str(conflict(world))


@pytest.mark.parametrize("text", ["", "[]", "no JSON", '{"argocd-controller": "yesterday"}', '{"a": "2026-11-24"}'])
def test_a_note_that_is_not_valid_counts_for_nothing(text: str) -> None:
    world = settled()
    write(world)
    world.deliver()
    world.cluster.edit(*WHERE, annotations={TAKEN_BACK: text})
    write(world)
    assert not world.deliver().errors


# Restarts


def heals(world: World, call: str) -> Callable[[int, str], None]:
    """Return a step in which somebody writes the key after each call that begins so."""

    def step(_number: int, what: str) -> None:
        if what.startswith(call):
            write(world, f"from git {len(world.cluster.history)}")

    return step


@pytest.mark.parametrize("call", ["apply", "list", "metadata", "patch"])
def test_somebody_who_writes_a_key_a_moment_after_each_call_costs_no_rollout_after_rollout(call: str) -> None:
    world = settled()
    world.sources.put(SOURCE, secret("canary-2"))
    tries = 0
    comes_back = True
    while comes_back:
        tries += 1
        world.clock.jump(150)
        comes_back = world.deliver(Calls(after=heals(world, call))).can_retry
        assert world.count("rollout")[0] <= tries, "one for each try"
    writes, rollouts = world.count("write", "rollout")
    assert rollouts <= writes <= 2, "one for each write of content"
    world.clock.jump(60)
    assert not world.deliver(delivery=delivery(takes_back=True, time=world.clock.read_time())).errors
    assert world.password == encode("canary-2")
    assert world.count("rollout") == [rollouts + 1]


def test_nothing_restarts_for_content_that_is_no_longer_there() -> None:
    world = settled()
    world.sources.put(SOURCE, secret("canary-2"))
    healed: list[str] = []

    def once(_number: int, what: str) -> None:
        if what.startswith("list") and not healed:
            healed.append(what)
            write(world)

    calls = Calls(after=once)
    assert not world.deliver(calls).errors
    assert world.cluster.history == ["write payments/payments-db"] * 2 + ["rollout payments/Deployment/api"]
    first_look = next(number for number, what in enumerate(calls.recorded) if what.startswith("metadata"))
    assert calls.recorded[first_look + 1].startswith("read")


def test_a_target_that_was_restarted_and_written_again_is_restarted_in_the_next_try() -> None:
    world = settled()
    world.sources.put(SOURCE, secret("canary-2"))
    healed: list[str] = []

    def once(_number: int, what: str) -> None:
        if what.startswith("patch") and not healed:
            healed.append(what)
            write(world)

    report = world.deliver(Calls(after=once))
    [error] = report.errors
    assert isinstance(error, Overtaken)
    assert str(error) == (
        "the Secret in payments was written again after its workloads had restarted; the Secret is written, and its"
        " workloads are due for a restart (keyferry.dev/restart-due): the next try or sweep restarts them"
    )
    assert report.can_retry
    assert world.count("write", "rollout") == [2, 1]
    assert DUE in world.cluster.annotations(*WHERE)
    assert not world.deliver().errors
    assert world.count("write", "rollout") == [2, 2]


def test_who_keeps_writing_annotations_does_not_keep_the_workloads_from_their_restart() -> None:
    world = settled()
    world.sources.put(SOURCE, secret("canary-2"))
    numbers = itertools.count()

    def touch(_number: int, what: str) -> None:
        if what.startswith("metadata"):
            world.cluster.edit(*WHERE, annotations={"seen": str(next(numbers))}, manager="some-controller")

    assert not world.deliver(Calls(before=touch)).errors
    assert world.count("rollout") == [1]


def test_where_nothing_is_to_be_stamped_nothing_is_looked_at_once_more() -> None:
    world, calls = settled(), Calls()
    world.cluster.workloads.clear()
    world.sources.put(SOURCE, secret("canary-2"))
    assert not world.deliver(calls).errors
    assert calls.count("metadata") == 0


def test_a_secret_that_goes_before_its_workloads_restart_is_written_again_first() -> None:
    world = settled()
    world.sources.put(SOURCE, secret("canary-2"))
    gone: list[str] = []

    def once(_number: int, what: str) -> None:
        if what.startswith("list") and not gone:
            gone.append(what)
            world.cluster.delete(*WHERE)

    assert not world.deliver(Calls(after=once)).errors
    assert world.password == encode("canary-2")
    assert world.cluster.history[-1] == f"rollout payments/{KIND}/api"


# A newer release


def test_annotations_of_a_newer_release_are_kept_by_every_apply() -> None:
    world = settled()
    newer = {"keyferry.dev/newer": "x"}
    body = {"metadata": {"name": WHERE[1], "annotations": world.cluster.annotations(*WHERE) | newer}, "type": "Opaque"}
    body["data"] = world.cluster.data(*WHERE)
    world.cluster.apply_secret(WHERE[0], body, "keyferry:payments-db", force=False)
    world.cluster.edit(*WHERE, annotations={"keyferry.dev/theirs": "x"})
    for change in (lambda: world.sources.put(SOURCE, secret("canary-2")), lambda: write(world)):
        change()
        assert not world.deliver().errors
        assert world.cluster.annotations(*WHERE).items() >= newer.items()
    entries = world.cluster.secrets[WHERE].managed_fields
    assert ("annotations", "keyferry.dev/theirs") not in entries["keyferry:payments-db", "Apply"]
    world.mapping = mapping("new", ["payments-db"])
    assert not world.deliver().errors
    assert world.cluster.annotations(*WHERE).items() >= newer.items()


def _notes(world: World) -> dict[str, datetime]:
    return Observed.from_object(world.cluster.secrets[WHERE].as_object(WHERE[1])).get_taken_back()
