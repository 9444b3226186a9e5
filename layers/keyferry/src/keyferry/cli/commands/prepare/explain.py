"""`keyferry explain`: the change that an event reports, and the deliveries that follow."""

import json
from collections.abc import Iterator
from typing import IO

import click
from pydantic import ValidationError

from keyferry.cli.options import Settings, examples, output
from keyferry.cli.output import console
from keyferry.cli.output.explanation import Explanation, Explanations, MatchFields
from keyferry.cli.unwrap import Document, unwrap
from keyferry.errors import InvalidInput, UnknownField, UnknownName
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery
from keyferry.pipeline import route
from keyferry.pipeline.settle import parse_delivery
from keyferry.pipeline.sweep import Sweep, parse_sweep
from keyferry.stores.envelope import Ignored

ANSWER = Explanations


@click.command(
    epilog=examples("keyferry explain event.json", "aws sqs receive-message --queue-url URL | keyferry explain -")
)
@click.argument("event", type=click.File("rb"))
@output
@click.pass_obj
def explain(settings: Settings, event: IO[bytes]) -> None:
    """Show which change an event is, and what follows from it.

    EVENT is a file with an event of EventBridge as JSON, or - for standard input. It may also hold a list of events,
    what Lambda gets from SQS or SNS, what `aws sqs receive-message` prints, an SNS notification, or messages of
    Keyferry's own queues. What is judged is the event itself: whether the stack's rules forward its kind is in
    events/verdicts.yaml.
    """
    catalog = settings.load_catalog()
    explanations = [explain_document(catalog, document) for document in unwrap(Document(_parse(event)))]
    if settings.is_json:
        answer: Explanations = {"events": [explanation.as_dict() for explanation in explanations]}
        console.print_json(answer)
        return
    for number, explanation in enumerate(explanations, start=1):
        if len(explanations) > 1:
            console.print_line(f"{'' if number == 1 else chr(10)}{number}. {explanation.position}")
        for line in explanation.list_lines():
            console.print_line(line)


def _parse(event: IO[bytes]) -> object:
    path = str(getattr(event, "name", "-"))
    name = "standard input" if path in ("-", "<stdin>") else path
    text = event.read()
    if not text.strip():
        raise InvalidInput(f"{name}: empty; `aws sqs receive-message` prints nothing where no message is visible")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise InvalidInput(f"{name}: not JSON") from None


def explain_document(catalog: Catalog, document: Document) -> Explanation:
    """Return what a document is, an event or a message of Keyferry's, and what follows from it. Never raises."""
    message = _parse_message(document.content)
    if isinstance(message, UnknownField):
        delivery = Delivery.model_validate(document.content, extra="ignore")
        return Explanation(document.position, delivery, problem=str(message))
    if isinstance(message, Delivery):
        return Explanation(document.position, message, problem=_find_problem(catalog, message))
    if isinstance(message, Sweep):
        return Explanation(document.position, message)
    report = route.plan_deliveries(document.content, catalog)
    if isinstance(report.change, Ignored):
        return Explanation(document.position, report)
    known = {
        name
        for mapping in catalog.mappings.values()
        for source in mapping.spec.sources.values()
        for name in source.event_names
    }
    return Explanation(document.position, report, tuple(_dump_matches(report)), frozenset(known))


def _parse_message(content: object) -> Delivery | Sweep | UnknownField | None:
    """Return the message of the deliveries or of the sweeps queue that a document is; None if it is none of these.

    A delivery that is right apart from fields that this release does not know is an `UnknownField`.
    """
    if not isinstance(content, dict) or not content or "detail-type" in content:
        return None
    try:
        return parse_delivery(json.dumps(content))
    except UnknownField as error:
        return error
    except ValidationError:
        pass
    try:
        return parse_sweep(content)
    except (InvalidInput, UnknownField):
        return None


def _find_problem(catalog: Catalog, delivery: Delivery) -> str:
    """Return why these mappings cannot carry out a delivery; empty if they can."""
    try:
        catalog.get(delivery.mapping, delivery.cluster)
    except UnknownName as error:
        return str(error)
    return ""


def _dump_matches(report: route.RouteReport) -> Iterator[MatchFields]:
    """Yield the sources that the change names, each with the reason (`whyNot`) if no delivery follows for it."""
    for match in report.matches:
        fields: MatchFields = {"mapping": match["mapping"], "source": match["source"]}
        yield {**fields, "whyNot": match["not"]} if "not" in match else fields
