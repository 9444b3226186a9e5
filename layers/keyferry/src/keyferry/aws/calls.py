"""Make fewer calls to a store: several sources by one call, and the same listing only once."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any

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
    """Return a function that calls another once for the same arguments, and repeats its answer or its error.

    Threads that ask for the same thing at once wait for one call.

    Args:
        function: its arguments must be hashable; a keyword argument is another than a positional one.
    """
    answers: dict[object, Future[T]] = {}
    lock = Lock()

    def answer_from_cache(*args: P.args, **kwargs: P.kwargs) -> T:
        key = (args, tuple(sorted(kwargs.items())))
        with lock:
            is_first = key not in answers
            answer = answers.setdefault(key, Future())
        if is_first:
            try:
                answer.set_result(function(*args, **kwargs))
            except Exception as error:  # whoever waits gets it too
                answer.set_exception(error)
        return answer.result()

    return answer_from_cache
