"""A label that no version has: keys that can do without it are left out or have their default, and nothing else is."""

import base64
from pathlib import Path
from typing import Any

import pytest

from keyferry.delivery.observed import Observed
from keyferry.delivery.preview import preview
from keyferry.errors import NeedsRepair, SourceUnavailable, VersionMissing
from keyferry.mapping.mapping import DEFAULT_OF_NOTHING
from keyferry.model import Place
from keyferry.pipeline.compare import compare_secret
from tests.unit.samples import mapping
from tests.unit.test_files import MAPPING, told
from tests.unit.world import DUE, SOURCE, WHERE, World

BEFORE = "prod/payments/before"
PASSWORD = {"from": "db", "path": "password"}
OPTIONAL = {"from": "before", "path": "password", "optional": True}


def labelled(**secret: Any) -> World:  # noqa: ANN401  # as a mapping has it
    """Return a world whose mapping reads a label that no version of its secret has."""
    world = World()
    sources = {"db": {"secretsManager": SOURCE}, "before": {"secretsManager": BEFORE, "label": "AWSPREVIOUS"}}
    world.mapping = mapping(sources=sources, secret={"name": "payments-db"} | secret)
    world.sources.errors[BEFORE] = VersionMissing("no version with the label AWSPREVIOUS")
    return world


@pytest.mark.parametrize(
    ("entry", "data"),
    [
        (OPTIONAL, {}),
        ({"from": "before", "path": "password", "default": "none"}, {"old": b"none"}),
        ({"from": "before", "optional": True}, {}),
        ({"from": "before", "default": "none"}, {"old": b"none"}),
    ],
)
def test_a_key_that_can_do_without_is_left_out_or_has_its_default(
    entry: dict[str, Any], data: dict[str, bytes]
) -> None:
    world = labelled(data={"password": PASSWORD, "old": entry})
    assert [plan.will for plan in preview(world.work()).previews] == ["create"]
    assert not world.deliver().errors
    found = {key: base64.b64decode(text) for key, text in world.cluster.data(*WHERE).items()}
    assert found == {"password": b"canary-1"} | data


@pytest.mark.parametrize(
    "secret",
    [
        {"data": {"password": PASSWORD, "old": {"from": "before", "path": "password"}}},
        {"data": {"old": OPTIONAL, "both": {"template": "{{ db.password }} {{ before.password }}"}}},
        {"data": {"old": OPTIONAL}, "dataFrom": [{"from": "before"}]},
    ],
)
def test_a_key_that_needs_it_fails_with_the_label(secret: dict[str, Any]) -> None:
    world = labelled(**secret)
    [error] = world.deliver().errors
    assert (type(error), isinstance(error, NeedsRepair)) == (VersionMissing, True)
    assert world.count("apply") == [0]


def test_a_fixed_version_that_is_missing_is_an_error_also_where_the_key_is_optional() -> None:
    world = labelled(data={"password": PASSWORD, "old": OPTIONAL})
    sources = {"db": {"secretsManager": SOURCE}, "before": {"secretsManager": BEFORE, "version": "v" * 32}}
    world.mapping = mapping(
        sources=sources, secret={"name": "payments-db", "data": {"password": PASSWORD, "old": OPTIONAL}}
    )
    assert [type(error) for error in world.deliver().errors] == [VersionMissing]


def test_when_the_label_comes_the_key_does_and_no_sweep_takes_its_lack_for_a_difference() -> None:
    world = labelled(data={"password": PASSWORD, "old": OPTIONAL})
    current = world.sources.values[SOURCE].version

    def compare(before: str) -> str:
        observed = Observed.from_object(world.cluster.secrets[WHERE].as_object(WHERE[1]))
        versions = {"db": current, "before": before}
        return compare_secret(
            world.mapping, versions, observed, Place("prod-eu", "payments"), world.clock.read_time()
        ).difference

    world.deliver()
    assert compare("") == ""
    assert compare("version-9") == "a source has another version"
    del world.sources.errors[BEFORE]
    world.sources.put(BEFORE, '{"password": "canary-0"}', "version-9")
    world.deliver()
    assert sorted(world.cluster.data(*WHERE)) == ["old", "password"]
    assert (compare("version-9"), compare("")) == ("", "a source has another version")


def test_without_path_and_label_a_default_is_for_nothing_and_told_at_its_place(tmp_path: Path) -> None:
    lines = MAPPING.splitlines()
    number = next(number for number, line in enumerate(lines, 1) if "path: password" in line)
    wrong = MAPPING.replace("path: password", "optional: true")
    column = wrong.splitlines()[number - 1].index("optional") + 1
    assert told(tmp_path, payments=wrong) == [f"payments.yaml:{number}:{column}: {DEFAULT_OF_NOTHING}"]


DEFAULT = {"from": "before", "path": "password", "default": "none"}
WITH_OTHERS = {"data": {"password": PASSWORD, "old": OPTIONAL}}
GONE = VersionMissing("no version with the label AWSPREVIOUS")


def relabel(world: World, secret: dict[str, Any], label: str = "AWSPREVIOUS", **spec: Any) -> None:  # noqa: ANN401
    """Give a world a mapping whose second source is read by a label."""
    sources = {"db": {"secretsManager": SOURCE}, "before": {"secretsManager": BEFORE, "label": label}}
    world.mapping = mapping(**{"sources": sources, "secret": {"name": "payments-db"} | secret} | spec)


def unlabelled(secret: dict[str, Any], **spec: Any) -> World:  # noqa: ANN401
    """Return a world in which a delivery has read the label, which no version has any more."""
    world = World()
    world.sources.put(BEFORE, '{"password": "canary-0"}', "version-0")
    relabel(world, secret, **spec)
    assert not world.deliver().errors
    world.sources.errors[BEFORE] = GONE
    return world


@pytest.mark.parametrize(
    "secret",
    [
        {"data": {"old": OPTIONAL}},
        {"data": {"old": {"from": "before", "optional": True}}},
        {"data": {"old": DEFAULT}},
        WITH_OTHERS,
        {"data": {"password": PASSWORD, "old": DEFAULT}},
        {"registries": [{"server": "r.example", "username": {"value": "me"}, "password": DEFAULT}]},
        {"variables": {"data": {"old": DEFAULT}}, "data": {"all": {"template": "{{ variables.old }}"}}},
    ],
)
def test_a_label_that_goes_takes_nothing_away_and_restarts_nothing(secret: dict[str, Any]) -> None:
    world = unlabelled(secret)
    before, written = world.cluster.data(*WHERE), world.count("apply", "rollout")
    world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    assert [plan.will for plan in preview(world.work()).previews] == ["fail"]
    [error] = world.deliver().errors
    assert (type(error), error.part) == (SourceUnavailable, "sources.before")
    assert (world.cluster.data(*WHERE), world.count("apply", "rollout")) == (before, written)


def test_the_error_of_a_label_that_goes_names_the_keys_and_the_remedies() -> None:
    [error] = unlabelled(WITH_OTHERS).deliver().errors
    assert str(error) == (
        "source before: no version has the label AWSPREVIOUS, and Secret payments-db has old already: it is left as it"
        " is (policies.deletion: retain); put the label on a version, or correct it in the mapping; or set merge there"
        " to let such keys go"
    )


@pytest.mark.parametrize("change", [{"restart": "none"}, {"label": "grene"}, {"policies": {"keys": "exclusive"}}])
def test_nor_does_it_where_the_mapping_changes_at_the_same_time(change: dict[str, Any]) -> None:
    world = unlabelled(WITH_OTHERS)
    before = world.cluster.data(*WHERE)
    relabel(world, WITH_OTHERS, **change)
    assert [type(error) for error in world.deliver().errors] == [SourceUnavailable]
    assert world.cluster.data(*WHERE) == before


@pytest.mark.parametrize("annotation", ["mapping", "versions", "keys"])
def test_nor_does_it_where_somebody_has_removed_a_note_from_the_secret(annotation: str) -> None:
    world = unlabelled(WITH_OTHERS)
    world.cluster.edit(*WHERE, annotations={f"keyferry.dev/{annotation}": None})
    assert [type(error) for error in world.deliver().errors] == [SourceUnavailable]


def test_nor_does_it_where_somebody_else_wrote_the_key_last() -> None:
    world = unlabelled(WITH_OTHERS, policies={"keys": "exclusive"})
    world.cluster.edit(*WHERE, data={"old": "canary-theirs"})
    assert [type(error) for error in world.deliver().errors] == [SourceUnavailable]


@pytest.mark.parametrize("policy", ["merge", "delete"])
def test_a_mapping_can_let_such_keys_go_but_never_the_last_one(policy: str) -> None:
    world = unlabelled(WITH_OTHERS, policies={"deletion": policy})
    [outcome] = world.deliver().outcomes
    assert (outcome.did, outcome.why) == ("updated", "no longer in the sources: old")
    assert set(world.cluster.data(*WHERE)) == {"password"}
    world = unlabelled({"data": {"old": OPTIONAL}}, policies={"deletion": policy})
    [error] = world.deliver().errors
    assert "it is left as it is (no Secret is left without keys); put the label on a version" in str(error)
    assert set(world.cluster.data(*WHERE)) == {"old"}


def test_a_default_that_the_label_never_replaced_follows_the_mapping() -> None:
    world = labelled(data={"password": PASSWORD, "old": DEFAULT})
    for entry in (DEFAULT, DEFAULT | {"default": "nobody"}, OPTIONAL):
        relabel(world, {"data": {"password": PASSWORD, "old": entry}})
        assert not world.deliver().errors
    assert set(world.cluster.data(*WHERE)) == {"password"}


def test_a_secret_that_is_made_once_is_left_alone_without_a_failure() -> None:
    world = unlabelled(WITH_OTHERS, policies={"creation": "createOnce"})
    world.cluster.edit(*WHERE, annotations={DUE: "nonce"})
    assert not world.deliver().errors
    assert set(world.cluster.data(*WHERE)) == {"old", "password"}


def test_when_the_label_is_back_the_key_follows_it() -> None:
    world = unlabelled(WITH_OTHERS)
    assert world.deliver().errors
    del world.sources.errors[BEFORE]
    world.sources.put(BEFORE, '{"password": "canary-1"}', "version-1")
    assert not world.deliver().errors
    assert base64.b64decode(world.cluster.data(*WHERE)["old"]) == b"canary-1"
