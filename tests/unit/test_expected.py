"""A delivery of a plan: it writes what the plan has foreseen, and refuses by its name what has moved since."""

import itertools
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from keyferry.delivery.foreseen import Moved, check_content
from keyferry.delivery.preview import preview
from keyferry.delivery.report import Report
from keyferry.errors import ServerError, SourceDeleted
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Expected
from keyferry.testing import Calls
from tests.unit.samples import desired_of, mapping, uses, workload
from tests.unit.turns import Crash, dying
from tests.unit.world import KIND, SOURCE, WHERE, World, secret

RESTARTS = ["Deployment/api"]


def planned(world: World, **spec: Any) -> Mapping[str, Expected]:  # noqa: ANN401
    """Return what a plan with values foresees of a delivery."""
    if spec:
        world.mapping = mapping(**spec)
    seen = {each.namespace: each.expected for each in preview(world.work()).previews}
    return {namespace: expected for namespace, expected in seen.items() if expected}


def delivered() -> World:
    """Return a world after a delivery, whose source has changed since."""
    world = World()
    assert not world.deliver().errors
    world.sources.put(SOURCE, secret("canary-2"))
    return world


def refused(world: World, expected: Mapping[str, Expected], calls: Calls | None = None, **changes: Any) -> str:  # noqa: ANN401
    """Carry out a plan, and return why it is refused; nothing may be written then."""
    calls = calls or Calls()
    report = world.deliver(calls, expected=expected, **changes)
    [error] = report.errors
    assert isinstance(error, Moved), error
    assert calls.writes == []
    assert "canary" not in str(error)
    return str(error).removesuffix("; plan again")


def did(report: Report) -> list[str]:
    assert not report.errors
    return [outcome.did for outcome in report.outcomes]


def test_what_a_plan_foresees_has_versions_and_names_and_no_value() -> None:
    world = delivered()
    observed = world.cluster.secrets[WHERE]
    [expected] = planned(world).values()
    assert expected.model_dump(by_alias=True) == {
        "before": "present",
        "uid": observed.uid,
        "resourceVersion": str(observed.version),
        "revision": world.cluster.annotations(*WHERE)["keyferry.dev/revision"],
        "versions": {"db": "version-2"},
        "workloads": RESTARTS,
    }


def test_a_plan_is_carried_out_where_nothing_has_moved_and_the_second_time_it_is_done() -> None:
    world = delivered()
    expected = planned(world)
    assert did(world.deliver(expected=expected)) == ["updated"]
    assert world.wanted == "canary-2"
    before = world.cluster.versions()
    assert did(world.deliver(expected=expected)) == ["unchanged"]
    assert world.cluster.versions() == before


def test_what_somebody_else_has_done_already_is_done() -> None:
    world = delivered()
    expected = planned(world)
    world.deliver()
    assert did(world.deliver(expected=expected)) == ["unchanged"]


def test_a_plan_of_a_missing_secret_creates_it() -> None:
    world = World()
    [expected] = planned(world).values()
    assert (expected.before, expected.uid, expected.workloads) == ("missing", "", RESTARTS)
    assert did(world.deliver(expected={"payments": expected})) == ["created"]


def new_version(world: World) -> None:
    world.sources.put(SOURCE, secret("canary-3"))


def other_mapping(world: World) -> None:
    world.mapping = mapping(data={"password": {"from": "db", "path": "password"}})


def edited(world: World) -> None:
    world.cluster.edit(*WHERE, labels={"theirs": "x"})


def created_anew(world: World) -> None:
    world.cluster.delete(*WHERE)
    world.cluster.create(*WHERE, {"theirs": "x"})


def gone(world: World) -> None:
    world.cluster.delete(*WHERE)


def another_workload(world: World) -> None:
    world.cluster.run("payments", KIND, workload("worker"))


def no_workload(world: World) -> None:
    world.cluster.run("payments", KIND, workload("api", uses("other")))


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (new_version, "source db has version version-3 now, and had version-2 in the plan"),
        (other_mapping, "mapping payments-db has changed since the plan"),
        (edited, "Secret payments-db was written since the plan (resourceVersion 102, and 101 in the plan)"),
        (created_anew, "Secret payments-db was deleted and created again since the plan (uid uid-102)"),
        (gone, "Secret payments-db was there in the plan, and is gone"),
        (another_workload, "the workloads to restart are others than in the plan: Deployment/worker is new"),
        (no_workload, "the workloads to restart are others than in the plan: Deployment/api no longer is one"),
    ],
)
def test_what_has_moved_since_is_refused_by_its_name(move: Callable[[World], None], why: str) -> None:
    world = delivered()
    expected = planned(world)
    move(world)
    assert refused(world, expected) == why


def test_a_source_that_was_deleted_since_takes_nothing_with_it() -> None:
    world = World()
    world.mapping = mapping(policies={"deletion": "delete"})
    world.deliver()
    world.sources.put(SOURCE, secret("canary-2"))
    expected = planned(world)
    world.sources.errors[SOURCE] = SourceDeleted("secret prod/payments/db is scheduled for deletion")
    told = refused(world, expected)
    assert told == "secret prod/payments/db is scheduled for deletion; it was there in the plan: plan again"


def test_a_secret_that_somebody_has_created_since_is_refused() -> None:
    world = World()
    expected = planned(world)
    world.cluster.create(*WHERE, {"theirs": "x"})
    assert refused(world, expected) == "Secret payments-db was missing in the plan, and is there now"


def test_a_secret_that_nobody_could_look_at_is_held_to_versions_alone() -> None:
    world = delivered()
    [expected] = planned(world).values()
    open_one = expected.model_copy(update={"before": "unknown", "uid": "", "resource_version": "", "workloads": None})
    edited(world)
    another_workload(world)
    assert did(world.deliver(expected={"payments": open_one})) == ["updated"]
    world.sources.put(SOURCE, secret("canary-3"))
    assert refused(world, {"payments": open_one}).startswith("source db has version version-3 now")


def test_a_workload_that_comes_between_the_write_and_the_restart_is_refused_and_stays_due() -> None:
    world = delivered()
    expected = planned(world)

    def run_another(_number: int, what: str) -> None:
        if what.startswith("apply"):
            another_workload(world)

    report = world.deliver(Calls(after=run_another), expected=expected)
    [error] = report.errors
    assert "Deployment/worker is new" in str(error)
    assert str(error).endswith(
        "its workloads are due for a restart (keyferry.dev/restart-due): the next try or sweep restarts them"
    )
    assert [outcome.restart_due for outcome in report.outcomes] == [True]
    assert world.count("rollout") == [1], "that of the first delivery"


def test_a_write_whose_answer_was_lost_is_that_of_the_plan_and_goes_on() -> None:
    world = delivered()
    expected = planned(world)
    lost = list[str]()

    def lose(_number: int, what: str) -> None:
        if what.startswith("apply") and not lost:
            lost.append(what)
            raise ServerError("no answer")

    assert not world.deliver(Calls(after=lose), expected=expected).errors
    assert (world.wanted, world.count("rollout")) == ("canary-2", [2])
    assert lost


def test_a_write_that_was_lost_and_one_of_somebody_else_after_it_are_refused() -> None:
    world = delivered()
    expected = planned(world)

    def lose(_number: int, what: str) -> None:
        if what.startswith("apply"):
            edited(world)
            raise ServerError("no answer")

    calls = Calls(before=lose)
    [error] = world.deliver(calls, expected=expected).errors
    assert isinstance(error, Moved)
    assert len(calls.writes) == 1


def missing() -> World:
    """Return a world in which nothing was delivered yet."""
    return World()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("begin", "restarts"), [(delivered, 2), (missing, 1)])
def test_a_plan_that_dies_at_any_call_is_finished_by_carrying_it_out_again(
    begin: Callable[[], World], restarts: int, when: str
) -> None:
    for number in itertools.count():
        world = begin()
        expected, calls = planned(world), dying(number, when)
        try:
            assert not world.deliver(calls, expected=expected).errors
            break
        except Crash:
            assert not world.deliver(expected=expected).errors, calls.recorded
        assert b64decode(world.password).decode() == world.wanted
        assert world.count("rollout") == [restarts], calls.recorded
        assert "keyferry.dev/restart-due" not in world.cluster.annotations(*WHERE)
    assert number >= 4, "it must die at some calls"


def written(world: World) -> Mapping[str, Expected]:
    """Let a plan die between its write and its restart, and return what it foresees."""
    expected = planned(world)

    def die(_number: int, what: str) -> None:
        if what.startswith("apply"):
            raise Crash(what)

    with pytest.raises(Crash):
        world.deliver(Calls(after=die), expected=expected)
    assert "keyferry.dev/restart-due" in world.cluster.annotations(*WHERE)
    return expected


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (new_version, "source db has version version-3 now, and had version-2 in the plan"),
        (
            lambda world: world.cluster.edit(*WHERE, data={"password": "theirs"}),
            "Secret payments-db was written since the plan (resourceVersion 103, and 101 in the plan)",
        ),
        (another_workload, "the workloads to restart are others than in the plan: Deployment/worker is new"),
    ],
)
def test_what_moves_after_a_plan_has_died_is_refused_all_the_same(move: Callable[[World], None], why: str) -> None:
    world = delivered()
    expected = written(world)
    move(world)
    assert refused(world, expected).partition("; plan again")[0] == why


def test_a_secret_that_is_another_one_since_a_plan_has_died_is_refused() -> None:
    world = delivered()
    expected = written(world)
    gone(world)
    written(world)
    assert "was deleted and created again since the plan" in refused(world, expected)


@pytest.mark.parametrize("restart", ["none", [{"kind": "Deployment", "name": "api"}]])
def test_where_the_mapping_names_what_restarts_others_do_not_matter(restart: Any) -> None:  # noqa: ANN401
    world = World()
    expected = planned(world, restart=restart)
    another_workload(world)
    assert did(world.deliver(expected=expected)) == ["created"]


@pytest.mark.parametrize("restart", ["none", [{"kind": "Deployment", "name": "api"}]])
def test_where_others_cannot_restart_a_plan_costs_no_more_requests_than_a_delivery(restart: Any) -> None:  # noqa: ANN401
    world, planned_world = World(), World()
    expected = planned(planned_world, restart=restart)
    world.mapping = planned_world.mapping
    usual, calls = Calls(), Calls()
    world.deliver(usual)
    planned_world.deliver(calls, expected=expected)
    assert calls.recorded == usual.recorded


def test_a_plan_that_knows_no_workloads_costs_no_more_requests_than_a_delivery() -> None:
    world, planned_world = delivered(), delivered()
    expected = {name: each.model_copy(update={"workloads": None}) for name, each in planned(planned_world).items()}
    usual, calls = Calls(), Calls()
    world.deliver(usual)
    assert did(planned_world.deliver(calls, expected=expected)) == ["updated"]
    assert calls.recorded == usual.recorded


def test_every_source_is_held_to_its_version() -> None:
    desired = desired_of(mapping(), {}, {"db": "version-1", "more": "version-3"})
    expected = Expected(before="unknown", revision=desired.revision, versions={"db": "version-1", "more": "version-2"})
    with pytest.raises(Moved, match="source more has version version-3 now, and had version-2 in the plan"):
        check_content(expected, desired)


def test_a_label_alone_goes_by_no_workload() -> None:
    world = World()
    world.deliver()
    secret_of = {"name": "payments-db", "labels": {"team": "payments"}}
    labelled: SecretMapping = mapping(secret=world.mapping.spec.secret.model_dump(exclude_defaults=True) | secret_of)
    world.mapping = labelled
    [expected] = planned(world).values()
    with_workloads = expected.model_copy(update={"workloads": ["Deployment/api"]})
    another_workload(world)
    assert did(world.deliver(expected={"payments": with_workloads})) == ["annotated"]


def test_a_delivery_of_a_plan_goes_to_its_namespaces_and_no_others() -> None:
    world = World("payments", "shop")
    expected = planned(world)
    assert expected.keys() == {"payments", "shop"}
    report = world.deliver(expected={"shop": expected["shop"]})
    assert [outcome.namespace for outcome in report.outcomes] == ["shop"]
    assert world.cluster.secrets.keys() == {("shop", "payments-db")}
