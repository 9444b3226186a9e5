"""The forms in which people keep PEM, by name: what makes each of a text in the form of the standard."""

import base64
import re
from collections.abc import Callable, Mapping

READ_BY_ALL: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "no last line end": str.rstrip,
    "lines indented within the block": lambda text: re.sub(r"(?m)^(?=[A-Za-z0-9+/=])", "  ", text),
    "spaces at the end of lines": lambda text: text.replace("\n", " \t\n"),
    "one long line of base64": lambda text: re.sub(r"(?<![-])\n(?!-)", "", text),
    "lines of 76": lambda text: re.sub(
        r"(?<=-----\n)[^-]+(?=-----END)",
        lambda body: re.sub(r"(.{1,76})", r"\1\n", body[0].replace("\n", "")),
        text,
    ),
    "text around": lambda text: f"Bag Attributes\n    friendlyName: me\nsubject=CN = me\n{text}# end\n",
}
"""What Go and OpenSSL both read."""

READ_BY_NONE: Mapping[str, tuple[Callable[[str], str | bytes], str]] = {
    "one line": (lambda text: text.replace("\n", " "), "on one line"),
    "no space at all": (lambda text: text.replace("\n", ""), "on one line"),
    "tabs for line ends": (lambda text: text.replace("\n", "\t"), "on one line"),
    "CR": (lambda text: text.replace("\n", "\r"), "with CR alone as its line ends"),
    "written-out line ends": (lambda text: text.replace("\n", "\\n"), r"with its line ends written out, as \n"),
    "written-out CRLF": (lambda text: text.replace("\n", "\\r\\n"), r"with its line ends written out, as \n"),
    "written out twice": (lambda text: text.replace("\n", "\\\\n"), r"with its line ends written out, as \n"),
    "escaped as JSON": (
        lambda text: text.replace("/", "\\/").replace("+", "\\u002B").replace("\n", "\\u000a"),
        r"with its line ends written out, as \n",
    ),
    "indented": (lambda text: "".join(f"    {line}" for line in text.splitlines(keepends=True)), "indented"),
    "indented by tabs": (lambda text: "".join(f"\t{line}" for line in text.splitlines(keepends=True)), "indented"),
    "in quotes": (lambda text: f'"{text.strip()}"', "within a line of other text"),
    "empty lines": (lambda text: text.replace("\n", "\n\n"), "with empty lines, or other text, between its lines"),
    "no-break spaces": (
        lambda text: re.sub(r"(?m)^(?=[A-Za-z0-9+/])", "\u00a0", text),
        "with empty lines, or other text, between its lines",
    ),
    "byte order mark": (lambda text: f"\ufeff{text}", "after a byte order mark"),
    "UTF-16": (lambda text: text.encode("utf-16"), "in UTF-16"),
}
"""What Go or OpenSSL do not read → what is said about it."""


def encode(text: str | bytes) -> bytes:
    """Return a text as bytes."""
    return text.encode() if isinstance(text, str) else text


def to_base64(text: str) -> bytes:
    """Return a text as base64."""
    return base64.b64encode(text.encode())
