"""`keyferry schema`: the JSON Schema of mapping files, for editors and for CI; and the reference, made of it."""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any

import click
from pydantic import BaseModel, Field, TypeAdapter

from keyferry.cli.options import Settings, output_of
from keyferry.cli.output import console
from keyferry.cli.reference import markdown
from keyferry.cli.reference.examples import example_of
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Clusters
from keyferry.model import Record
from keyferry.policy.rules import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.command()
@output_of("json", "markdown")
@click.pass_obj
def schema(settings: Settings) -> None:
    """Print the JSON Schema (2020-12) of mapping files; with --output markdown, the reference of their fields."""
    made = document()
    console.tell(markdown.text(made) if settings.output == "markdown" else json.dumps(made, indent=2))


def document() -> dict[str, Any]:
    """Return the schema of a document of a mapping file: its kind tells which fields it has."""
    documents = TypeAdapter(Annotated[SecretMapping | Clusters | Policy, Field(discriminator="kind")])
    made: dict[str, Any] = documents.json_schema(by_alias=True)
    for model in models():
        if model.__name__ in made["$defs"]:
            _describe(model, made["$defs"][model.__name__]["properties"])
    return {"$schema": DIALECT, "title": "Keyferry", **made}


def models(base: type[Record] = Record) -> Iterator[type[Record]]:
    """Yield every model that is read from outside."""
    for model in base.__subclasses__():
        yield model
        yield from models(model)


def _describe(model: type[BaseModel], properties: Mapping[str, dict[str, Any]]) -> None:
    """Write what the source says of each field, and an example, into its schema.

    Pydantic would do the former when a model is made (`use_attribute_docstrings`): at each start of a function.
    """
    said = {name: text for each in reversed(model.__mro__) for name, text in _docstrings(each)}
    for name, field in model.model_fields.items():
        made = properties[field.alias or name]
        if name in said:
            made["description"] = said[name]
        example = example_of(model.__name__, field.alias or name)
        if example is not None:
            made.setdefault("examples", [example])


def _docstrings(model: type) -> Iterator[tuple[str, str]]:
    """Yield each field that a class defines, and the text right below it."""
    if not (issubclass(model, Record) and model is not Record):
        return
    [made] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    body = made.body if isinstance(made, ast.ClassDef) else []
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())
