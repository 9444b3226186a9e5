"""The JSON Schemas (2020-12): of mapping files, and of what each command answers with `--output json`."""

import ast
import importlib
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from keyferry.cli import main
from keyferry.cli.check.problems import Problems
from keyferry.cli.reference.examples import example_of
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import Stack
from keyferry.mapping.targets import Clusters
from keyferry.model import Record
from keyferry.pipeline.notifications import DETAILS, Delivered, Detail, DetailType, Failed
from keyferry.policy.rules import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def build_answer_schema(verb: str) -> dict[str, Any] | None:
    """Return the JSON Schema of what a command answers: its own answer, or the problems of files.

    Args:
        verb: the name of the command; its module names the type of the answer as ANSWER.

    Returns:
        The schema; None for a command that has no `--output json`.
    """
    answer = getattr(importlib.import_module(main.name_module(verb)), "ANSWER", None)
    if answer is None:
        return None
    config = ConfigDict(use_attribute_docstrings=True)
    json_schema = TypeAdapter[Any](answer | Problems, config=config).json_schema()
    if isinstance(answer, type) and issubclass(answer, Record):
        for model in models():
            if model.__name__ in json_schema["$defs"]:
                _describe(model, json_schema["$defs"][model.__name__]["properties"])
    return {"$schema": DIALECT, "title": f"keyferry {verb} --output json", **json_schema}


def build_event_schema(detail_type: DetailType) -> dict[str, Any]:
    """Return the JSON Schema of the detail of an event that Keyferry puts on the event bus."""
    config = ConfigDict(use_attribute_docstrings=True)
    # Of a form alone, or of fields that it inherits, pydantic would not take the docstrings.
    definitions = TypeAdapter[Any](Detail | Delivered | Failed, config=config).json_schema()["$defs"]
    common, *forms = (definitions.pop(form.__name__) for form in (Detail, Delivered, Failed))
    own = forms[DETAILS[detail_type] is Failed]
    properties = {"properties": {**own["properties"], **common["properties"]}}
    return {"$schema": DIALECT, **own, **properties, "title": f"Detail of {detail_type}", "$defs": definitions}


def write_event_schemas(folder: Path = Path("docs/events")) -> None:
    """Write the JSON Schema of each kind of event into a folder, as `secret-delivered.schema.json`."""
    folder.mkdir(exist_ok=True)
    for detail_type in DETAILS:
        text = json.dumps(build_event_schema(detail_type), indent=2)
        (folder / f"{detail_type.lower().replace(' ', '-')}.schema.json").write_text(f"{text}\n")


def build_schema() -> dict[str, Any]:
    """Return the JSON Schema of a document in a mapping file, of any kind."""
    documents = TypeAdapter(Annotated[SecretMapping | Clusters | Policy | Stack, Field(discriminator="kind")])
    json_schema: dict[str, Any] = documents.json_schema(by_alias=True)
    for model in models():
        if model.__name__ in json_schema["$defs"]:
            _describe(model, json_schema["$defs"][model.__name__]["properties"])
    return {"$schema": DIALECT, "title": "Keyferry", **json_schema}


def models(base: type[Record] = Record) -> Iterator[type[Record]]:
    """Yield every model of something that is parsed: the subclasses of `Record`."""
    for model in base.__subclasses__():
        yield model
        yield from models(model)


def _describe(model: type[BaseModel], properties: Mapping[str, dict[str, Any]]) -> None:
    """Add the docstring of each field, and an example, to its schema.

    Pydantic can add docstrings itself (`use_attribute_docstrings`), but would do so at every start of a function.
    """
    docstrings = {name: text for base in reversed(model.__mro__) for name, text in _docstrings(base)}
    for name, field in model.model_fields.items():
        property_schema = properties[field.alias or name]
        if name in docstrings:
            property_schema["description"] = docstrings[name]
        example = example_of(model.__name__, field.alias or name)
        if example is not None:
            property_schema.setdefault("examples", [example])


def _docstrings(model: type) -> Iterator[tuple[str, str]]:
    """Yield the name of each field that a class itself defines, and the docstring below the field."""
    if not (issubclass(model, Record) and model is not Record):
        return
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for statement, following in pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())
