"""What a text is that was taken for JSON: words for messages, and the filters of a template that read it.

Nothing here quotes the text.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from keyferry.formats import jsontext
from keyferry.formats.encodings import decode

_MAX_LENGTH, _MAX_YAML = 65_536, 16_384
"""The longest texts, in characters, that are looked at, also as YAML: a message is not worth more time."""
_BEGINNING = re.compile(r"\s*(?:(?://[^\n]*\n|/\*[^*]*\*/)\s*)*[{\[]")
"""How JSON begins, or would without its comments."""
_SECTION = re.compile(r"\s*\[[A-Za-z][^]\n]*\][ \t]*\r?\n")
_YAML = re.compile(r":|^\s*- ")
_DOTENV = re.compile(r"(export )?[A-Za-z_][A-Za-z0-9_]*=.*")
_CAUSES = {
    r"Illegal trailing comma": "a comma before the end of an object or a list",
    r"Invalid control": r"a line end, a tab or the like within a text; JSON has \n, \t or \u0000 for it",
    r"Invalid \\": r"a backslash that begins no escape; JSON has \\ for it",
    r"Unterminated": "a text that has no end; a double quote is missing",
    r".*\n[\s\S]?\Z": "it ends too early",
    r".*\n[\s\S](//|/\*|#)": "a comment, which JSON does not have",
    r".*\n[\s\S]['\u2018\u2019\u201c\u201d]": "names and texts of JSON are in double quotes",
    r".*\n[\s\S](True|False|None)\b": "JSON has true, false and null in small letters",
    r"Expecting ','.*\n0[0-9]": "a number begins with 0; as text it is in double quotes",
    r"Extra data": "something follows behind the end",
    r"Expecting ','": r"a comma is missing, or a double quote within a text is not written \"",
    r"Expecting ':'": "a colon is missing",
    r"Expecting property": "a name in double quotes is missing",
    r"Expecting value": "a value is missing; text is in double quotes",
}
"""How an error of Python's decoder begins, with what is before and behind the mistake in the next line → its cause."""


@dataclass(frozen=True)
class Recognition:
    """What a text is."""

    kind: str
    """What it is, in words, such as `text that looks like YAML`."""
    filters: str = ""
    """The filters of a template that make an object or a list of it; empty where none do."""
    mistake: str = ""
    """Where a text that begins as JSON is not JSON, and why; empty where it is anything else."""


def recognize(text: str) -> Recognition:
    """Return what a text is."""
    if not text.strip():
        return Recognition("empty")
    if len(text) > _MAX_LENGTH:
        return Recognition("text")
    document = _try(jsontext.parse, text.encode(errors="replace"))
    if document is None and _SECTION.match(text):
        return Recognition("text of sections, as INI or TOML have it")
    if document is None and _BEGINNING.match(text):
        return Recognition("not JSON, though it begins so", mistake=_describe_mistake(text))
    if isinstance(document, dict | list):
        return Recognition("text that holds JSON", "fromjson")
    if isinstance(document, str) and _is_document(document.encode(errors="replace")):
        return Recognition("JSON that holds JSON as text", "fromjson | fromjson")
    return Recognition("text") if document is not None else _recognize_other(text)


def _recognize_other(text: str) -> Recognition:
    """Return what a text is that is not JSON."""
    if _is_document(_try(_decode, text) or b""):
        return Recognition("JSON in base64", "b64decode | fromjson")
    if _is_dotenv(text):
        return Recognition("text of lines NAME=value", "fromdotenv")
    if len(text) <= _MAX_YAML and _YAML.search(text) and isinstance(_try(_parse_yaml, text), dict | list):
        return Recognition("text that looks like YAML", "fromyaml")
    return Recognition("text")


def _is_dotenv(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) == 1 and text.rstrip().endswith("="):  # as base64 does
        return False
    return all(map(_DOTENV.fullmatch, lines)) if lines else False


def _is_document(content: bytes) -> bool:
    return isinstance(_try(jsontext.parse, content), dict | list)


def _decode(text: str) -> bytes:
    return decode(text.encode(), "base64")


def _parse_yaml(text: str) -> object:
    from keyferry.formats import yamltext  # noqa: PLC0415  # for a message alone

    try:
        return yamltext.parse(text)
    except jsontext.DuplicateKeyError:  # of which fromyaml tells
        return {}


def _try[T, R](parse: Callable[[T], R], text: T) -> R | None:
    """Return what a text is parsed to; None where it cannot be parsed."""
    try:
        return parse(text)
    except ValueError:
        return None


def _describe_mistake(text: str) -> str:
    """Return where a text is not JSON, and why."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except json.JSONDecodeError as error:  # whose own words may quote the text
        seen = f"{error.msg}\n{f' {text}'[error.pos : error.pos + 9]}"
        cause = next(words for pattern, words in _CAUSES.items() if re.match(pattern, seen))
        return f"line {error.lineno}, character {error.colno}: {cause}"
    except RecursionError:
        return "it is nested too deeply"
    except ValueError:
        return "it has NaN or Infinity, which JSON does not have; write it in double quotes"
    return "a key is there twice"


def _refuse(_name: str) -> NoReturn:
    raise ValueError
