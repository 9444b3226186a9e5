r"""The lexer of templates: Jinja's own, which also keeps each carriage return, and each number, as it is written.

Jinja makes one line end of `\r\n`, `\r` and `\n`, in text and within strings: `replace('\r', '')` in the double quotes
of YAML would take out the wrong character, and a file of a template with the line ends of Windows would lose them.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator

from jinja2 import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.lexer import TOKEN_FLOAT, TOKEN_STRING, Lexer, Token, TokenStream

from keyferry.formats.jsontext import Number

MAX_TOKENS = 25_000
"""The longest template, in words and signs of the language: some thousand expressions."""
_STAND_INS = "\x1f\x1e\x1d\x1c\x0b\x0c\x85\u2028\u2029\u205f"
"""White space for Jinja, as a carriage return is. One of these that a template does not have stands for it."""
_ESCAPES = "\n\\'\"abfnrtv01234567xNuU"
"""What follows the backslash of an escape, in Python's strings and Jinja's."""


class ExactLexer(Lexer):
    """Reads a template as it is written."""

    def _normalize_newlines(self, value: str) -> str:
        return value

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        """Yield the line, the type and the text of each part of a template.

        Raises:
            TemplateSyntaxError: the template has no part like this; or carriage returns, and all that could stand for
                them.
        """
        stand_in = next((char for char in _STAND_INS if char not in source), "")
        if "\r" in source and not stand_in:
            raise TemplateSyntaxError("too many kinds of line ends in one template; write them as escapes, as '\\r'", 1)
        for line, token, text in super().tokeniter(source.replace("\r", stand_in), name, filename, state):
            written = text.replace(stand_in, "\r") if stand_in else text
            yield line, token, _keep_backslashes(written) if token == TOKEN_STRING else written

    def wrap(
        self, stream: Iterable[tuple[int, str, str]], name: str | None = None, filename: str | None = None
    ) -> Iterator[Token]:
        """Yield the words and signs of a template, with what they mean; a number with a fraction keeps its text."""
        spelled = deque[str]()

        def remember() -> Iterator[tuple[int, str, str]]:
            for part in stream:
                if part[1] == TOKEN_FLOAT:
                    spelled.append(part[2].replace("_", ""))
                yield part

        for token in super().wrap(remember(), name, filename):
            if token.type == TOKEN_FLOAT:
                text = spelled.popleft()
                number = Number(text, re.sub("^0+(?=[0-9])", "", text))
                yield Token(token.lineno, token.type, number)  # type: ignore[arg-type]  # as the library does
            else:
                yield token


def _keep_backslashes(text: str) -> str:
    """Return a string of a template with two backslashes for each that begins no escape: Jinja would lose some."""
    return re.sub(r"\\(.)", lambda pair: pair[0] if pair[1] in _ESCAPES else "\\" + pair[0], text, flags=re.DOTALL)


class TokenLimit(Extension):
    """Refuses a template that is too long before it is parsed."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Yield the words and signs of a template."""
        for number, token in enumerate(stream):
            if number > MAX_TOKENS:
                raise TemplateSyntaxError("the template is too long: split it", token.lineno)
            yield token
