"""Regular expressions: those of RE2, as External Secrets has them (Go's), whose time grows only with the text."""

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:  # noqa: ANN401  # re2 has no types
    """Return a pattern, with the methods of Python's.

    Raises:
        ValueError: it is none; the text says why.
    """
    # Imported here: few mappings have one.
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0]
        text = said.decode(errors="replace") if isinstance(said, bytes) else "half a character"
        raise ValueError(f"not a regular expression: {text}") from None
