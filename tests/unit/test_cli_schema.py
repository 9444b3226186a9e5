"""Editors know mapping files by their schema, and it says what `validate` says."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from keyferry.cli import main
from keyferry.cli.schema import text

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "docs/mappings.schema.json"
EXAMPLES = [*(ROOT / "examples/mappings").glob("*.yaml"), *(ROOT / "tests/integration/mappings").glob("*.yaml")]


def problems(document: Any) -> list[str]:  # noqa: ANN401  # YAML is anything
    return [error.message for error in Draft202012Validator(json.loads(text())).iter_errors(document)]


def test_the_command_prints_what_is_published() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert result.stdout == PUBLISHED.read_text(), "publish it anew: keyferry schema > docs/mappings.schema.json"


def test_it_is_a_schema_itself() -> None:
    Draft202012Validator.check_schema(json.loads(text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_follows_it(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        assert problems(document) == []


@pytest.mark.parametrize("sample", sorted((ROOT / "mappings").glob("*.yaml")), ids=lambda path: path.name)
def test_a_sample_follows_it_and_tells_the_editor_where_it_is(sample: Path) -> None:
    first, *lines = sample.read_text().splitlines()
    hint = first.removeprefix("# yaml-language-server: $schema=")
    assert (sample.parent / hint).resolve() == PUBLISHED
    document = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines))
    assert problems(document) == []


@pytest.mark.parametrize(
    "change", [{"kind": "SecretMaping"}, {"spec": {}}, {"more": 1}, {"metadata": {"name": "Upper"}}]
)
def test_what_is_wrong_does_not_follow_it(change: dict[str, Any]) -> None:
    document = next(yaml.safe_load_all((ROOT / "examples/mappings/payments.yaml").read_text()))
    assert problems(document) == []
    assert problems(document | change) != []
