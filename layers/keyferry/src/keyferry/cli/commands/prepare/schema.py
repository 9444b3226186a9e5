"""`keyferry schema`: the JSON Schemas, for editors, CI and programs, and the reference that is made of one of them."""

import json

import click

from keyferry.cli import VERBS
from keyferry.cli.options import Settings, examples, output_of
from keyferry.cli.output import console
from keyferry.cli.reference import markdown
from keyferry.cli.reference.schemas import build_answer_schema, build_schema
from keyferry.errors import InvalidInput


@click.command(epilog=examples("keyferry schema > mappings.schema.json", "keyferry schema --of status"))
@click.option(
    "--of",
    "verb",
    metavar="COMMAND",
    type=click.Choice(list(VERBS)),
    help="Of what this command answers with --output json.",
)
@output_of("json", "markdown")
@click.pass_obj
def schema(settings: Settings, verb: str | None) -> None:
    """Print the JSON Schema of mapping files, or of what a command answers.

    The schema is of 2020-12. With --output markdown, the reference of the fields of mapping files.
    """
    if verb:
        json_schema = build_answer_schema(verb)
        if json_schema is None:
            raise InvalidInput(f"keyferry {verb} has no --output json of its own")
        console.print_verbatim(json.dumps(json_schema, indent=2))
    elif settings.output == "markdown":
        console.print_verbatim(markdown.render(build_schema()))
    else:
        console.print_verbatim(json.dumps(build_schema(), indent=2))
