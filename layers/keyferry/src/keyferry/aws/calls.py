"""Make fewer calls to a store: several sources by one call, and the same listing only once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from keyferry.errors import KeyferryError
from keyferry.model import SourceValue
from keyferry.stores.source import Source


@dataclass(frozen=True)
class BatchRead:
    """How one call reads several sources of a store."""

    max_names: int
    """How many names one call takes."""
    get_name: Callable[[Source], str | None]
    """Returns the name of a source in the call; None if the source needs a call of its own."""
    read: Callable[[Any, Sequence[str]], dict[str, SourceValue]]
    """Takes a client and names, and returns the value of each name; leaves out names that do not exist."""


def cache_answers[**P, T](function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that calls another once for the same arguments, and repeats its answer or its KeyferryError."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T | KeyferryError:
        try:
            return function(*args, **kwargs)
        except KeyferryError as error:
            return error

    call_once = cache(call)

    def answer_from_cache(*args: P.args, **kwargs: P.kwargs) -> T:
        answer = call_once(*args, **kwargs)  # type: ignore[arg-type]  # cache does not keep the parameters' types
        if isinstance(answer, KeyferryError):
            raise answer
        return answer

    return answer_from_cache
