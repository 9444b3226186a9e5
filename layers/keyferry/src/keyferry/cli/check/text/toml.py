"""What the parser of TOML says of a file, with its line and what would be right."""

import re
from collections.abc import Iterator

from keyferry.cli.check.problems import Problem

_PLACE = re.compile(r" \((?:at line ([0-9]+), column ([0-9]+)|at end of document)\)$")
_SECTION, _SETTING = "[default.deploy.parameters]", 'stack_name = "keyferry"'
_QUOTES = "a text ends on its own line, with the quote that it begins with"
_TWICE = "this is there already; keep one of them"
_HINTS = {
    "Invalid value": f"a text stands between quotes, as {_SETTING}; true and false have small letters; ] ends a list",
    "Illegal character": _QUOTES,
    "Found invalid character": _QUOTES,
    'Expected "\'"': _QUOTES,
    "Unterminated string": _QUOTES,
    "Cannot overwrite a value": _TWICE,
    "Cannot declare": _TWICE,
    "Cannot redefine": _TWICE,
    "Duplicate inline table key": _TWICE,
    "Unclosed array": 'commas divide a list, and ] ends it, as ["Architecture=x86_64", "LogRetentionDays=90"]',
    "Unclosed inline table": 'commas divide a table, and } ends it on its line, as {Architecture = "x86_64"}',
    "Unescaped": "write the text between single quotes, where a backslash is no more than that",
    "Expected ']'": f"a section is in brackets, as {_SECTION}",
    "Expected '='": f"a setting is a key, = and its value, as {_SETTING}",
    "Expected newline": "a line has one setting, and a text one pair of quotes",
    "Invalid statement": f"a line is a section, as {_SECTION}, or a setting, as {_SETTING}",
    "Invalid initial character": f"a key has letters, digits, - and _, as {_SETTING}",
}
"""How a message of `tomllib` begins → what would be right."""


def explain(file: str, text: str, error: ValueError) -> Problem:
    """Return what is wrong with a text that is not TOML, and what would be right.

    Args:
        file: the file that has it.
        text: the text.
        error: what `tomllib` says.
    """
    says = str(error)
    place = _PLACE.search(says)
    line, column = (int(place[1]), int(place[2])) if place and place[1] else (len(text.rstrip().splitlines()), 1)
    says = _PLACE.sub("", says)
    return Problem(file, line, column, "; ".join([f"not TOML: {says}", *_find_hint(says)]))


def _find_hint(says: str) -> Iterator[str]:
    yield from (hint for beginning, hint in _HINTS.items() if says.startswith(beginning))
