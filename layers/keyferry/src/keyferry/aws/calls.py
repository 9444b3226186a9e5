"""How calls to a store are saved: several sources by one call, and the same listing once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from keyferry.errors import KeyferryError
from keyferry.model import SourceValue
from keyferry.stores.source import Source


@dataclass(frozen=True)
class Together:
    """How several sources of a store are read by one call."""

    most: int
    """How many sources one call takes."""
    name_of: Callable[[Source], str | None]
    """Returns what the call names a source; None for one that takes a call of its own."""
    read: Callable[[Any, Sequence[str]], dict[str, SourceValue]]
    """Returns name → value, of a client and names; what is missing is left out."""


def once[**P, T](listing: Callable[P, T]) -> Callable[P, T]:
    """Return a listing that asks once for the same arguments, and says again what it said, be it an error."""

    def tried(*args: P.args, **kwargs: P.kwargs) -> T | KeyferryError:
        try:
            return listing(*args, **kwargs)
        except KeyferryError as error:
            return error

    kept = cache(tried)

    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        answer = kept(*args, **kwargs)  # type: ignore[arg-type]  # cache knows nothing of parameters
        if isinstance(answer, KeyferryError):
            raise answer
        return answer

    return again
