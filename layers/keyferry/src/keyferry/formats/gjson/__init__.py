"""Paths of gjson in JSON texts, as `remoteRef.property` of External Secrets has them: checked, and followed.

They behave as those of github.com/tidwall/gjson 1.18, which works on the text and does not look whether all of it is
JSON: numbers, lists and objects are found as they are written. What it makes by itself (modifiers but `@this`, lists
and objects of several paths, fixed values, lines of JSON) is refused.
"""

from keyferry.budget import Budget
from keyferry.formats.gjson.checking import check, find_unsupported, list_steps, write_path
from keyferry.formats.gjson.found import Found, format_number
from keyferry.formats.gjson.search import Unsupported, get
from keyferry.formats.gjson.text import list_members

__all__ = [
    "WHOLE",
    "Found",
    "Unsupported",
    "check",
    "find_unsupported",
    "format_number",
    "get",
    "list_members",
    "list_steps",
    "select",
    "write_path",
]

WHOLE = "@this"
"""The path of the whole document."""


def select(text: str, name: str, budget: Budget | None = None) -> Found | None:
    """Return what a property of External Secrets selects: the key of this name, dots and all, or else a path.

    Args:
        text: a JSON document in which no object has a key twice.
        name: the property.
        budget: what the search may take.

    Raises:
        OverBudget: it takes more.
        Unsupported: the path needs what is refused.
    """
    found = get(text, name.replace(".", "\\."), budget) if "." in name else None
    return found or get(text, name, budget)
