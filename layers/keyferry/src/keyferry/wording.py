"""The wording of messages: long texts lose their middle, and a wrong name is told the most similar one."""

from collections.abc import Iterable

MAX_CHARACTERS = 600
"""The longest text of an error. Who names keys or fields in AWS, in a cluster or a mapping, names them in errors."""


def abridge(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return a text of at most `limit` characters: a longer one loses its middle."""
    if len(text) <= limit:
        return text
    half = (limit - 3) // 2
    return f"{text[:half]} … {text[-half:]}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message, `; did you mean …?`, with the most similar of the known names; empty for none."""
    from difflib import get_close_matches  # noqa: PLC0415  # needed only for a mistake

    similar = get_close_matches(name, sorted(set(known) - {name}), n=1)
    return f"; did you mean {similar[0]}?" if similar else ""
