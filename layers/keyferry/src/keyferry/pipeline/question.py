"""A question to the function `report`, and the form of its answer."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import ValidationError

from keyferry.errors import KeyferryError, Unexpected
from keyferry.model import Record
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.mappings import Position

type Answer = dict[str, Any]
type ListStatus = Callable[[Scope], Answer]
type ListMappings = Callable[[Position | None], Answer]


class StatusQuestion(Scope):
    """In which state targets are, and which targets are meant."""

    question: Literal["status"]


class MappingsQuestion(Record):
    """Which mappings are deployed."""

    question: Literal["mappings"]
    cursor: Position | None = None
    """Where to go on; None: at the beginning."""


def answer(event: object, release: str, list_status: ListStatus, list_mappings: ListMappings) -> Answer:
    """Return the answer to a question; `{"release", "error": {"kind", "text"}}` where there is none.

    Args:
        event: the question, as JSON.
        release: the release of the function, which every answer has.
        list_status: answers the question `status`, as `keyferry.pipeline.status.list_status` does.
        list_mappings: answers the question `mappings`, as `keyferry.pipeline.mappings.list_mappings` does.
    """
    return {"release": release, **_answer(event, list_status, list_mappings)}


def _answer(event: object, list_status: ListStatus, list_mappings: ListMappings) -> Answer:
    try:
        if isinstance(event, dict) and event.get("question") == "mappings":
            return list_mappings(MappingsQuestion.model_validate(event).cursor)
        return list_status(StatusQuestion.model_validate(event))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, entry["loc"])) or "the whole" for entry in error.errors()}))
        return _build_error("InvalidInput", f"not understood: {fields}; ask with the release that is deployed")
    except KeyferryError as error:
        return _build_error(type(error).__name__, str(error))
    except Exception as error:  # its text can quote a value
        return _build_error("Unexpected", str(Unexpected(error)))


def _build_error(kind: str, text: str) -> Answer:
    return {"error": {"kind": kind, "text": text}}
