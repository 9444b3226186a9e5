"""Two stacks in one cluster: each has names of its own, and a mapping moves from one to the other without a restart."""

import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.delivery.observed import Observed
from keyferry.delivery.preview import preview
from keyferry.errors import Conflict
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import StackNames
from keyferry.pipeline.compare import compare_secret
from keyferry.testing import Calls, encode
from tests.unit.samples import PLACE, mapping, workload
from tests.unit.test_files import CLUSTERS, MAPPING
from tests.unit.turns import Crash, dying
from tests.unit.world import DUE, KIND, SOURCE, WHERE, World, secret

STACK = "apiVersion: keyferry.dev/v1\nkind: Stack\nprefix: staging\npreviousPrefixes: [keyferry]\n"


class Died(BaseException):
    """The process was killed."""


def of_stack(prefix: str, *previous: str, **spec: Any) -> SecretMapping:  # noqa: ANN401
    """Return the usual mapping as a stack of this prefix delivers it."""
    stack = StackNames(prefix=prefix, previous_prefixes=previous)
    return build_catalog([mapping(clusters={"matchLabels": {"env": "prod"}}, **spec)], [], stack).mappings[
        "payments-db"
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of mappings whose stack has a prefix of its own."""
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "stack.yaml").write_text(STACK)
    (tmp_path / "db.yaml").write_text(MAPPING)
    return tmp_path


def told(folder: Path) -> list[str]:
    with pytest.raises(InvalidFiles) as raised:
        files.load(folder)
    return [str(problem).replace(f"{folder}/", "") for problem in raised.value.problems]


def test_the_prefix_of_the_stack_is_in_all_names_also_once_compiled(folder: Path) -> None:
    catalog = files.load(folder)
    compiled = Catalog.model_validate_json(catalog.model_dump_json(by_alias=True, exclude_defaults=True))
    for known in (catalog, compiled):
        found = known.mappings["payments-db"]
        assert found.managers == ("staging:payments-db", "keyferry:payments-db")
        assert found.journal_names == ("staging:payments-db", "payments-db")
        assert found.stamp_keys == ("staging.keyferry.dev/payments-db", "keyferry.dev/payments-db")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("staging", "eks", "stack.yaml:3:9: prefix: EKS takes no user names that begin with eks:"),
        ("staging", "keyferry", "stack.yaml:1:1: previousPrefixes: names the prefix itself"),
        ("staging", "Staging", "stack.yaml:3:9: prefix: takes 40 lower-case letters, digits and - at most"),
        ("staging", "a" * 41, "stack.yaml:3:9: prefix: takes 40 lower-case letters, digits and - at most"),
        ("[keyferry]", '["key:ferry"]', "stack.yaml:4:20: previousPrefixes[0]: takes 40 lower-case"),
    ],
)
def test_a_prefix_that_cannot_be_is_told(folder: Path, before: str, after: str, message: str) -> None:
    (folder / "stack.yaml").write_text(STACK.replace(f": {before}", f": {after}"))
    [problem] = told(folder)
    assert problem.startswith(message)


def test_the_stack_has_its_names_from_one_document_of_one_file(folder: Path) -> None:
    (folder / "stack.yaml").write_text(f"{STACK}---\n{STACK}")
    (folder / "team.yaml").write_text(STACK)
    assert told(folder) == [
        "stack.yaml:7:7: the stack has its names already, in the document above; make one of both",
        "team.yaml:2:7: the names of the stack stand in stack.yaml alone; move them there",
    ]


def test_a_stack_takes_nothing_from_another_whose_mapping_is_called_the_same() -> None:
    world = World()
    assert not world.deliver().errors
    world.sources.put(SOURCE, secret("canary-2"))
    before = dict(world.cluster.data(*WHERE))

    [error] = world.deliver(of=of_stack("staging")).errors

    assert isinstance(error, Conflict)
    assert "keyferry:payments-db" in str(error)
    assert world.cluster.data(*WHERE) == before


def test_a_mapping_moves_to_another_stack_without_a_write_of_content_and_a_restart() -> None:
    world = World()
    assert not world.deliver().errors
    nonce = world.nonce
    moved = of_stack("staging", "keyferry")
    raw = world.cluster.secrets[WHERE].as_object(WHERE[1])
    seen = Observed.from_object({"metadata": raw["metadata"]})
    version = {"db": world.sources.values[SOURCE].version}
    assert compare_secret(moved, version, seen, PLACE, world.clock.read_time()).difference == (
        "the annotation keyferry.dev/mapping differs"
    )

    assert not world.deliver(of=moved).errors

    found = world.cluster.secrets[WHERE].as_object(WHERE[1])["metadata"]
    assert found["annotations"]["keyferry.dev/mapping"] == "staging:payments-db"
    assert DUE not in found["annotations"]
    assert {entry["manager"] for entry in found["managedFields"]} == {"staging:payments-db"}
    assert world.nonce == nonce
    seen = Observed.from_object({"metadata": found})
    assert compare_secret(moved, version, seen, PLACE, world.clock.read_time()).difference == ""
    [error] = world.deliver().errors
    assert isinstance(error, Conflict)


def test_after_a_move_a_change_restarts_once_and_leaves_one_stamp() -> None:
    world = World()
    assert not world.deliver().errors
    moved = of_stack("staging", "keyferry")
    assert not world.deliver(of=moved).errors
    world.sources.put(SOURCE, secret("canary-2"))

    assert not world.deliver(of=moved).errors

    assert list(world.cluster.stamps("payments", KIND, "api")) == ["staging.keyferry.dev/payments-db"]
    assert world.count("rollout") == [2]


def die_after(calls: int) -> Calls:
    """Return the calls of a process that dies before the one after so many."""

    def die(number: int, _what: str) -> None:
        if number >= calls:
            raise Died

    return Calls(before=die)


@pytest.mark.parametrize("calls", range(1, 9))
def test_a_delivery_that_died_before_a_move_is_finished_after_it_and_nothing_restarts_twice(calls: int) -> None:
    world = World()
    world.cluster.run("payments", KIND, workload("web"))
    with suppress(Died):
        world.deliver(die_after(calls))

    assert not world.deliver(of=of_stack("staging", "keyferry")).errors

    assert DUE not in world.cluster.annotations(*WHERE)
    assert sorted(world.cluster.history[-2:]) == [f"rollout payments/Deployment/{name}" for name in ("api", "web")]
    assert world.count("write", "rollout") == [1, 2]
    assert [len(world.cluster.stamps("payments", KIND, name)) for name in ("api", "web")] == [1, 1]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("password", "writes"), [("canary-1", 0), ("canary-2", 1)])
def test_a_move_that_dies_at_any_call_is_finished_by_the_next_delivery(password: str, writes: int, when: str) -> None:
    """With the same content nothing restarts for it, with a new one everything does, once."""
    moved = of_stack("staging", "keyferry")
    for number in itertools.count():
        world = World()
        assert not world.deliver().errors
        world.cluster.history.clear()
        world.sources.put(SOURCE, secret(password))
        try:
            assert not world.deliver(dying(number, when), of=moved).errors
        except Crash:
            assert not world.deliver(of=moved).errors
        else:
            assert number >= 2, "it must die at some calls"
            break
        assert world.password == encode(password)
        assert world.count("write", "rollout") == [writes, writes]
        annotations = world.cluster.annotations(*WHERE)
        assert (annotations["keyferry.dev/mapping"], DUE in annotations) == ("staging:payments-db", False)
        assert world.cluster.managers(*WHERE, "password") == {"staging:payments-db"}
        [error] = world.deliver().errors
        assert isinstance(error, Conflict), "what it came from touches it no longer"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delivery_of_the_old_stack_at_any_call_of_a_move_does_not_undo_it(when: str) -> None:
    """A message of before comes back while the new stack takes over: it writes before that, or is a conflict."""
    moved = of_stack("staging", "keyferry")
    for number in itertools.count():
        world, ran = World(), False
        assert not world.deliver().errors
        world.cluster.history.clear()

        def meanwhile(this: int, _what: str, at: int = number, world: World = world) -> None:
            nonlocal ran
            if this == at and not ran:
                ran = True
                world.deliver()

        calls = Calls(before=meanwhile) if when == "before" else Calls(after=meanwhile)
        assert not world.deliver(calls, of=moved).errors
        if not ran:
            return
        assert not world.deliver(of=moved).errors
        assert world.cluster.annotations(*WHERE)["keyferry.dev/mapping"] == "staging:payments-db"
        assert world.cluster.managers(*WHERE, "password") == {"staging:payments-db"}
        assert world.count("write", "rollout") == [0, 0]


def test_a_restart_that_was_due_before_a_move_goes_where_nothing_restarts_any_more() -> None:
    world = World()
    with suppress(Died):
        world.deliver(die_after(6))
    assert DUE in world.cluster.annotations(*WHERE)
    assert not world.deliver(of=of_stack("staging", "keyferry", restart="none")).errors
    assert DUE not in world.cluster.annotations(*WHERE)


def test_a_preview_of_a_move_restarts_nothing_and_fails_nowhere() -> None:
    world = World()
    assert not world.deliver().errors
    moved = preview(world.work(of=of_stack("staging", "keyferry"))).previews
    assert [(each.will, each.why, each.restarts, each.error) for each in moved] == [
        ("annotate", "taking over the same content", (), None)
    ]
