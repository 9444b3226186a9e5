"""A question to the function `report`, and the form of its answer."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from keyferry.errors import KeyferryError, Unexpected
from keyferry.model import Record
from keyferry.pipeline.mappings import Position

type Answer = dict[str, Any]
type Answers = Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]
"""Question → what answers it; takes its other fields, which it validates."""


class MappingsFields(Record):
    """The fields of the question which mappings are deployed."""

    cursor: Position | None = None
    """Where to go on; None: at the beginning."""


def answer(event: object, release: str, answers: Answers) -> Answer:
    """Return the answer to a question; `{"release", "error": {"kind", "text"}}` where there is none.

    Args:
        event: the question, as JSON: `{"question", …}`.
        release: the release of the function, which every answer has.
        answers: the questions that there are.
    """
    return {"release": release, **_answer(event, answers)}


def _answer(event: object, answers: Answers) -> Mapping[str, Any]:
    if not isinstance(event, dict):
        return _refuse("the whole")
    find = answers.get(str(event.get("question")))
    if find is None:
        return _refuse("question")
    try:
        return find({name: value for name, value in event.items() if name != "question"})
    except ValidationError as error:
        return _refuse(", ".join(sorted({".".join(map(str, entry["loc"])) for entry in error.errors()})))
    except KeyferryError as error:
        return _build_error(type(error).__name__, str(error))
    except Exception as error:  # its text can quote a value
        return _build_error("Unexpected", str(Unexpected(error)))


def _refuse(fields: str) -> Answer:
    return _build_error("InvalidInput", f"not understood: {fields}; ask with the release that is deployed")


def _build_error(kind: str, text: str) -> Answer:
    return {"error": {"kind": kind, "text": text}}
