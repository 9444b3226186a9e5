"""A question to the function `report`, and the form of its answer."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import ValidationError

from keyferry.errors import KeyferryError, Unexpected
from keyferry.pipeline.comparison import Scope


class Question(Scope):
    """What is asked, and of which targets."""

    question: Literal["status"]


def answer(event: object, release: str, list_status: Callable[[Scope], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer to a question; `{"release", "error": {"kind", "text"}}` where there is none.

    Args:
        event: the question, as JSON.
        release: the release of the function, which every answer has.
        list_status: answers the question `status`, as `keyferry.pipeline.status.list_status` does.
    """
    return {"release": release, **_answer(event, list_status)}


def _answer(event: object, list_status: Callable[[Scope], dict[str, Any]]) -> dict[str, Any]:
    try:
        return list_status(Question.model_validate(event))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, entry["loc"])) or "the whole" for entry in error.errors()}))
        return _build_error("InvalidInput", f"not understood: {fields}; ask with the release that is deployed")
    except KeyferryError as error:
        return _build_error(type(error).__name__, str(error))
    except Exception as error:  # its text can quote a value
        return _build_error("Unexpected", str(Unexpected(error)))


def _build_error(kind: str, text: str) -> dict[str, Any]:
    return {"error": {"kind": kind, "text": text}}
