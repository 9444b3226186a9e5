"""Regular expressions of RE2, whose time is linear in the text. External Secrets has the same syntax (Go's)."""

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:  # noqa: ANN401  # re2 has no types
    """Return a compiled pattern, with the methods of Python's `re.Pattern`.

    Raises:
        ValueError: the pattern is not a regular expression of RE2; the message says why.
    """
    # Imported here, since few mappings have regular expressions.
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0]  # bytes from RE2; a UnicodeEncodeError's is text
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else "half a character"
        raise ValueError(f"not a regular expression: {text}") from None
