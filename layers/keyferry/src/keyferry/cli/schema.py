"""`keyferry schema`: the JSON Schema of mapping files, for editors and for CI."""

import json
from typing import Annotated, Any

import click
from pydantic import Field, TypeAdapter

from keyferry.cli import screen
from keyferry.mapping import SecretMapping
from keyferry.policy import Policy
from keyferry.targets import Clusters

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of mapping files."""
    screen.tell(text())


def text() -> str:
    """Return the schema of a document of a mapping file: its kind tells which fields it has."""
    documents = TypeAdapter(Annotated[SecretMapping | Clusters | Policy, Field(discriminator="kind")])
    made: dict[str, Any] = documents.json_schema(by_alias=True)
    return json.dumps({"$schema": DIALECT, "title": "Keyferry", **made}, indent=2)
