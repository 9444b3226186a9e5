"""Take events and messages out of what SQS, SNS, Lambda and the AWS CLI wrap around them."""

from collections.abc import Iterator
from dataclasses import dataclass

from keyferry.model import parse_json

MAX_LEVELS = 8
"""Wrappings in one another that are opened. An event that SNS sends to a queue that Lambda reads has three."""


@dataclass(frozen=True)
class Document:
    """A document that is not a wrapping, and where it was."""

    content: object
    """Parsed JSON of any shape; None for a text that is not JSON."""
    position: str = ""
    """Where it was, such as `Records[0].body`; empty for the whole."""


def unwrap(document: Document, levels: int = MAX_LEVELS) -> Iterator[Document]:
    """Yield the documents inside the wrappings of a document; the document itself if it is none.

    Args:
        document: a JSON list; what Lambda gets from SQS or SNS (`Records`), or one record of it; what `aws sqs
            receive-message` prints (`Messages`), or one message of it; an SNS notification; or anything else.
        levels: how many wrappings in one another are opened.
    """
    inside = list(_list_inside(document.content)) if levels else []
    for key, content in inside:
        dot = "." if document.position and not key.startswith("[") else ""
        parsed = parse_json(content) if isinstance(content, str) else content
        yield from unwrap(Document(parsed, f"{document.position}{dot}{key}"), levels - 1)
    if not inside:
        yield document


def _list_inside(content: object) -> Iterator[tuple[str, object]]:
    """Yield the key and the content of everything in a wrapping; nothing if it is none."""
    match content:
        case {"detail-type": _}:
            pass
        case [*items]:
            yield from ((f"[{number}]", item) for number, item in enumerate(items))
        case {"Records": [*items]}:
            yield from ((f"Records[{number}]", item) for number, item in enumerate(items))
        case {"Messages": [*items]}:
            yield from ((f"Messages[{number}]", item) for number, item in enumerate(items))
        case {"body": str(text)}:
            yield "body", text
        case {"Body": str(text)}:
            yield "Body", text
        case {"Sns": {"Message": str(text)}}:
            yield "Sns.Message", text
        case {"Type": "Notification", "Message": str(text)}:
            yield "Message", text
