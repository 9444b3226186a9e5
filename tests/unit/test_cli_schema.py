"""Editors know mapping files by their schema, and it says what `validate` says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from keyferry.cli import main
from keyferry.cli.commands.schema import build_schema as schema
from keyferry.cli.commands.schema import models
from keyferry.cli.reference import markdown
from keyferry.cli.reference.examples import examples
from keyferry.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "docs/mappings.schema.json"
EXAMPLES = [*(ROOT / "examples/mappings").glob("*.yaml"), *(ROOT / "tests/integration/mappings").glob("*.yaml")]


def problems(document: Any) -> list[str]:  # noqa: ANN401  # YAML is anything
    return [error.message for error in Draft202012Validator(schema()).iter_errors(document)]


def test_the_command_prints_what_is_published() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert result.stdout == PUBLISHED.read_text(), "publish it anew: keyferry schema > docs/mappings.schema.json"


def test_it_is_a_schema_itself() -> None:
    Draft202012Validator.check_schema(schema())


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


# The reference


def test_the_reference_is_what_the_models_say() -> None:
    result = CliRunner().invoke(main, ["schema", "--output", "markdown"])
    published = (ROOT / "docs/reference.md").read_text()
    assert result.exit_code == 0
    assert result.stdout == published, "make it anew: keyferry schema --output markdown > docs/reference.md"


EACH = [(name, number) for name, several in examples().items() for number, _ in enumerate(several)]


@pytest.mark.parametrize(("name", "number"), EACH)
def test_every_example_of_the_reference_is_valid(name: str, number: int) -> None:
    [model] = [each for each in models() if each.__name__ == name]
    example = {key: value for key, value in examples()[name][number].items() if "…" not in str(value)}
    model.model_validate(example, by_alias=True, by_name=False)


@pytest.mark.parametrize("model", sorted(schema()["$defs"]))
def test_every_example_of_a_field_is_as_its_schema_says(model: str) -> None:
    whole = schema()
    for made in whole["$defs"][model].get("properties", {}).values():
        validator = Draft202012Validator({"$defs": whole["$defs"], **made})
        for example in made["examples"]:
            assert "…" in str(example) or not list(validator.iter_errors(example))


@pytest.mark.parametrize(
    ("part", "said"),
    [("description", "write a docstring below it"), ("examples", "write one in reference/examples.py")],
)
def test_a_field_without_description_or_example_is_named(part: str, said: str) -> None:
    made = schema()
    del made["$defs"]["Source"]["properties"]["region"][part]
    with pytest.raises(InvalidInput, match=rf"^Source\.region has no {part.rstrip('s')}: {said}$"):
        markdown.render(made)
