"""What commands answer as JSON, held to the schema that is published of it."""

import copy
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from keyferry.cli.reference.schemas import build_answer_schema


@cache
def strict(verb: str) -> Draft202012Validator:
    """Return the schema of a command's answers, in which no object has a field that the schema does not name.

    The schema that is published lets fields be added; here, one that it does not name is one that was forgotten.
    """
    published = build_answer_schema(verb)
    assert published is not None, f"keyferry {verb} has --output json: let its module name the type of it as ANSWER"
    return Draft202012Validator(close(copy.deepcopy(published)))


def close(schema: Any) -> Any:  # noqa: ANN401  # JSON
    """Return a schema whose objects have no other fields than those that it names."""
    if isinstance(schema, list):
        return [close(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close(part) for key, part in schema.items()}
    return closed | {"additionalProperties": False} if "properties" in schema and schema.get("type") else closed


def check_answer(verb: str, answer: object) -> None:
    """Fail where an answer does not follow the schema of the command."""
    problems = [f"{error.json_path}: {error.message}" for error in strict(verb).iter_errors(answer)]
    assert problems == [], f"the answer of keyferry {verb} is not as its ANSWER says"
