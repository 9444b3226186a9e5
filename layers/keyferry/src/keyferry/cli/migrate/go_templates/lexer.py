"""Cut a Go template into texts and actions, and an action into tokens (text/template/parse/lex.go)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keyferry.cli.migrate.go_templates.errors import Untranslatable

_SPACES = " \t\r\n"
_COMMENT = re.compile(r"\{\{(?:-[ \t\r\n])?/\*(?:(?!\*/).)*\*/(?:[ \t\r\n]-)?\}\}", re.DOTALL)
_COMMENT_START = re.compile(r"\{\{(?:-[ \t\r\n])?/\*")
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?))(?![\w.])
    |(?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<character>'(?:[^'\\\n]|\\.)*')
    |(?P<field>\.[^\W\d]\w*)
    |(?P<variable>\$\w*)
    |(?P<name>[^\W\d]\w*)
    |(?P<declare>:=)
    |(?P<sign>[=|(),])
    |(?P<dot>\.)""",
    re.VERBOSE,
)
_BEHIND = re.compile(r"[\s.,|():]|\Z")
"""What may stand behind a name, a field or a variable."""
_END = "the action that begins here is not closed by }}"


@dataclass(frozen=True)
class Token:
    """A word or sign of an action; `kind` is a group of the pattern above."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Text:
    """Text between actions, as it stays once the white space beside `{{-` and `-}}` is taken away."""

    text: str


@dataclass(frozen=True)
class Action:
    """The tokens of an action, with `space` among them, since Go tells `.a .b` from `.a.b`."""

    tokens: tuple[Token, ...]
    line: int


def split(template: str) -> Iterator[Text | Action]:
    """Yield the texts and actions of a template, without comments.

    Raises:
        Untranslatable: an action or a comment has no end, or a sign that Go does not know.
    """
    position, is_trimmed = 0, False
    while True:
        begin = template.find("{{", position)
        text = template[position : begin if begin >= 0 else len(template)]
        text = text.lstrip(_SPACES) if is_trimmed else text
        if begin < 0:
            yield Text(text)
            return
        trims = template[begin + 2 : begin + 3] == "-" and template[begin + 3 : begin + 4] in tuple(_SPACES)
        yield Text(text.rstrip(_SPACES) if trims else text)
        line = _line(template, begin)
        start = begin + (3 if trims else 2)
        if _COMMENT_START.match(template, begin):
            position, is_trimmed = _skip_comment(template, begin, line)
            continue
        tokens, position, is_trimmed = _read_action(template, start, line)
        yield Action(tuple(tokens), line)


def _skip_comment(template: str, begin: int, line: int) -> tuple[int, bool]:
    """Return where a comment ends, and whether it takes away the white space behind it."""
    comment = _COMMENT.match(template, begin)
    if comment is None:
        raise Untranslatable(line, "a comment ends with */}} right behind each other")
    return comment.end(), comment[0].endswith("-}}")


def _read_action(template: str, position: int, line: int) -> tuple[list[Token], int, bool]:
    """Return the tokens of an action, where it ends, and whether it takes away the white space behind it."""
    tokens: list[Token] = []
    while True:
        if template.startswith("}}", position):
            return tokens, position + 2, False
        if tokens and tokens[-1].kind == "space" and template.startswith("-}}", position):
            return tokens, position + 3, True
        match = _TOKEN.match(template, position)
        if position >= len(template):
            raise Untranslatable(line, _END)
        if match is None:
            raise Untranslatable(_line(template, position), f"Go knows no {template[position]!r} here")
        kind = str(match.lastgroup)
        if kind in ("field", "variable", "name") and not _is_ended(template, match.end()):
            sign = template[match.end()]
            raise Untranslatable(_line(template, position), f"Go knows no {sign!r} behind {match[0]}; it takes index")
        tokens.append(Token(kind, match[0], _line(template, position)))
        position = match.end()


def _is_ended(template: str, position: int) -> bool:
    return template.startswith("}}", position) or bool(_BEHIND.match(template, position))


def _line(template: str, position: int) -> int:
    return template.count("\n", 0, position) + 1
