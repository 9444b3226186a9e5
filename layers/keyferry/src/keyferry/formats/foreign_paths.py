"""Paths as JSONPath, jq, gjson and JavaScript have them, and names without quotes → the JMESPath that is meant."""

import json
import re
from collections.abc import Iterator

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A name that JMESPath takes without quotes."""
_STEP = re.compile(
    r"""\.* \[ \s* (?P<index> -?[0-9]+ | \*? ) \s* \]
    | \.* \[ \s* (?P<quote> ["'] ) (?P<quoted> [^"']+ ) (?P=quote) \s* \]
    | \.* \[ \s* (?P<bare> [A-Za-z_][A-Za-z0-9_-]* ) \s* \]
    | (?: ^ | \.+ ) (?: "(?P<text> [^"]+ )" | (?P<name> (?: \\. | [^][.,"'`|&*?(){}\\] )+ ) )""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"(?!(?:true|false|null)\Z)[A-Za-z_][A-Za-z0-9_.]*")
_OPERAND = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_POINTER = re.compile(r"(?:/[^/\s]+)+")
_SIGNS = "a name with other signs than letters, digits and _ is in double quotes"
_INDEX = "an index is in brackets"
_BRACKETS = "a name stands after a dot"
_KEYS = (".dockercfg", ".dockerconfigjson")
"""Keys of Kubernetes whose names begin with a dot."""


def write_name(name: str) -> str:
    """Return a name as JMESPath has it, in double quotes where it needs them."""
    return name if IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def quote(path: str) -> str:
    """Return a path as YAML has it, also in braces: one with other signs than names and dots is in quotes."""
    if _PLAIN.fullmatch(path):
        return path
    return f'"{path}"' if "'" in path and not {'"', "\\"} & set(path) else f"'{path.replace("'", "''")}'"


def find_meant(path: str) -> str:
    """Return why an expression is not JMESPath, and what is meant; nothing where that cannot be told.

    Args:
        path: the expression, which JMESPath refuses.
    """
    text, reasons = path.strip(), dict[str, None]()
    whole = _find_meant_by_all(text)
    if whole:
        return whole
    if _POINTER.fullmatch(text):
        text, reasons = text[1:].replace("/", "."), {"a dot divides names, and no slash": None}
    if re.search(r"\?(?=[.\[]|\Z)", text):
        text, reasons = re.sub(r"\?(?=[.\[]|\Z)", "", text), {"what is missing is nothing also without ?": None}
    if re.match(r"\$[.\[]", text):
        text, reasons = text[1:], reasons | {"$ is of JSONPath": None}
    elif text.startswith("."):
        reasons["a path begins with a name, without a dot"] = None
    if ".." in text:
        reasons["one dot divides names"] = None
    if re.search(r"[^.]\.\[", text):
        reasons["no dot stands before a bracket"] = None
    parts = list(_translate(text.lstrip("."), reasons))
    if not reasons or not parts or "" in parts:
        return ""
    return f"{', and '.join(reasons)}: write {quote(''.join(parts).removeprefix('.'))}"


def _find_meant_by_all(text: str) -> str:
    """Return what is meant by a path that is not read step by step; nothing for any other one."""
    if text == "$":
        return "$ is of JSONPath: leave path out to take the whole value"
    if text in _KEYS:
        return f"{_SIGNS}: write {quote(write_name(text))}"
    if re.fullmatch("-?[0-9]+", text):
        return f"{_INDEX}: write {quote(f'[{text}]')}"
    operands = re.split(r"\s+(or|and)\s+", text)
    if len(operands) > 1 and all(map(_OPERAND.fullmatch, operands)):
        meant = " ".join({"or": "||", "and": "&&"}.get(word, word) for word in operands)
        return f"or is ||, and and is &&: write {quote(meant)}"
    return ""


def _translate(text: str, reasons: dict[str, None]) -> Iterator[str]:
    """Yield each step in JMESPath, or empty text where something is no step; note in `reasons` what was otherwise."""
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            yield ""
            return
        name = match["quoted"] or match["bare"] or match["text"] or re.sub(r"\\(.)", r"\1", match["name"] or "").strip()
        is_first, position = position == 0, match.end()
        if match["index"] is not None:
            yield f"[{match['index']}]"
        elif not is_first and (name == "#" or (name.isdecimal() and name.isascii())):
            reasons[_INDEX] = None
            yield f"[{name.replace('#', '*')}]"
        elif name:
            if match["quoted"] or match["bare"]:
                reasons[_BRACKETS] = None
            elif not match["text"] and not IDENTIFIER.fullmatch(name):
                reasons[_SIGNS] = None
            yield f".{write_name(name)}"
        else:
            yield ""
