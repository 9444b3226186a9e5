"""Editors know mapping files by their schema, and it says what `validate` says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from keyferry.cli import VERBS, main
from keyferry.cli.reference import markdown
from keyferry.cli.reference.examples import examples
from keyferry.cli.reference.schemas import build_answer_schema, models
from keyferry.cli.reference.schemas import build_schema as schema
from keyferry.errors import InvalidInput
from tests.unit.answers import check_answer

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "docs/mappings.schema.json"
WITHOUT_ANSWER = {"completion", "schema"}
"""Commands whose result is a document of another kind."""
EXAMPLES = [*(ROOT / "examples/mappings").glob("*.yaml"), *(ROOT / "tests/integration/mappings").glob("*.yaml")]


def problems(document: Any) -> list[str]:  # noqa: ANN401  # YAML is anything
    return [error.message for error in Draft202012Validator(schema()).iter_errors(document)]


def test_the_command_prints_what_is_published() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert result.stdout == PUBLISHED.read_text(), "publish it anew: make reference"


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


# What commands answer


@pytest.mark.parametrize("verb", VERBS)
def test_the_schema_of_what_a_command_answers_is_published(verb: str) -> None:
    published = ROOT / f"docs/output/{verb}.schema.json"
    result = CliRunner().invoke(main, ["schema", "--of", verb])
    if verb in WITHOUT_ANSWER:
        assert (result.exit_code, result.stderr) == (1, f"keyferry {verb} has no --output json of its own\n")
        assert not published.exists()
        return
    assert result.stdout == published.read_text(), "publish it anew: make reference"
    Draft202012Validator.check_schema(json.loads(result.stdout))


def test_no_schema_of_a_command_that_is_gone_is_published() -> None:
    assert {path.name.partition(".")[0] for path in (ROOT / "docs/output").iterdir()} == VERBS.keys() - WITHOUT_ANSWER


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - WITHOUT_ANSWER))
def test_every_field_of_an_answer_is_in_camel_case_and_described(verb: str) -> None:
    definitions = (build_answer_schema(verb) or {})["$defs"]
    fields = {
        f"{name}.{field}": described
        for name, definition in definitions.items()
        for field, described in definition.get("properties", {}).items()
    }
    assert [field for field in fields if not re.fullmatch(r"\w+\.[a-z]+([A-Z][a-z]+)*", field)] == []
    assert [field for field, described in fields.items() if "description" not in described] == []


def test_an_answer_with_a_field_that_the_schema_does_not_have_is_seen() -> None:
    check_answer("generate", {"files": []})
    with pytest.raises(AssertionError, match="is not as its ANSWER says"):
        check_answer("generate", {"files": [], "more": 1})


# The reference


def test_the_reference_is_what_the_models_say() -> None:
    result = CliRunner().invoke(main, ["schema", "--output", "markdown"])
    published = (ROOT / "docs/map/reference.md").read_text()
    assert result.exit_code == 0
    assert result.stdout == published, "make it anew: make reference"


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
