"""A label that no version has: keys that can do without it are left out or have their default, and nothing else is."""

import base64
from pathlib import Path
from typing import Any

import pytest

from keyferry.delivery.observed import Observed
from keyferry.delivery.preview import preview
from keyferry.errors import NeedsRepair, VersionMissing
from keyferry.mapping.mapping import DEFAULT_OF_NOTHING
from keyferry.model import Place
from keyferry.pipeline.compare import compare_secret
from tests.unit.samples import mapping
from tests.unit.test_files import MAPPING, told
from tests.unit.world import SOURCE, WHERE, World

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
