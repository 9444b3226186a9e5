"""Break text into lines that fit a terminal: at blanks, never within a name."""

import textwrap


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Return the lines of one line of text. A word that is longer than the width has a line of its own, uncut.

    Args:
        text: one line; the blanks that it begins with are kept, also in what follows.
        width: columns.
        indent: what further lines begin with, beside these blanks.
    """
    beginning = text[: len(text) - len(text.lstrip(" "))]
    lines = textwrap.wrap(
        text,
        width,
        subsequent_indent=beginning + indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return lines or [""]
