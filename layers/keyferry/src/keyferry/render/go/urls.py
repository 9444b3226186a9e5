"""Functions for URLs, paths and marked-up text: text/template's own, and sprig's."""

import posixpath
import re
from urllib.parse import quote, unquote

from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.printing import write_all
from keyferry.render.go.values import Map

_HTML = {"'": "&#39;", '"': "&#34;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?:(?P<user>[^/?#@]*)@)?(?P<host>[^/?#@]*))?"
    r"(?P<path>(?:/[^?#]*)?)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?"
)
"""A URL with a scheme and a host, or with a path that begins at the root, or nothing."""
_PLAIN = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*")
_PLAIN_USER = re.compile(r"[A-Za-z0-9._~$&+,;=%:-]*")
_HEX = re.compile("%[0-9A-Fa-f]{2}")
_HOST = re.compile(r"[A-Za-z0-9._-]*(?::[0-9]*)?")


def _write(values: tuple[object, ...]) -> str:
    return write_all(*("<no value>" if value is None else value for value in values))


@function("urlquery(...any) string", subject=0)
def escape_query(*values: object) -> str:
    """Return text as a URL has it in its query: a plus for a blank."""
    return quote(_write(values), safe=" ").replace(" ", "+")


@function("html(...any) string", subject=0)
def escape_html(*values: object) -> str:
    """Return text with the signs of HTML escaped."""
    return "".join(_HTML.get(char, char) for char in _write(values))


@function("urlParse(string) map")
def parse_url(text: str) -> Map:
    """Return the parts of a URL."""
    from keyferry.render.pki.go_rules import is_uri  # noqa: PLC0415  # with a large library

    match = _URL.fullmatch(text)
    if match is None or not is_uri(text) or not _PLAIN.fullmatch(text) or not _HOST.fullmatch(match["host"] or ""):
        raise FilterError("it takes plain URLs, as https://user@host:80/path?query")
    parts = {name: part or "" for name, part in match.groupdict().items()}
    user, host, path = parts.pop("user"), parts["host"], parts["path"]
    if not _PLAIN_USER.fullmatch(user) or user.count(":") > 1:
        raise FilterError("the user of the URL has signs that Go writes otherwise")
    if any(not _HEX.match(escape) for escape in re.findall("%.{0,2}", text)):
        raise FilterError("a percent sign without two digits")
    decoded = {"path": unquote(path, errors="strict"), "fragment": unquote(parts["fragment"], errors="strict")}
    others = {"hostname": host.partition(":")[0], "opaque": "", "userinfo": _write_user(user)}
    return Map(sorted((parts | decoded | others | {"scheme": parts["scheme"].lower()}).items()))


def _write_user(user: str) -> str:
    if any(quote(unquote(part), safe="$&+,;=") != part for part in user.split(":")):
        raise FilterError("the user of the URL has signs that Go writes otherwise")
    return user


@function("base(string) string", "osBase(string) string")
def take_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rstrip("/").rpartition("/")[2] or ("/" if path else ".")


@function("clean(string) string", "osClean(string) string")
def clean(path: str) -> str:
    """Return the shortest path that leads to the same."""
    cleaned = posixpath.normpath(path or ".")
    return cleaned.removeprefix("/") if cleaned.startswith("//") else cleaned


@function("dir(string) string", "osDir(string) string")
def take_folder(path: str) -> str:
    """Return a path without its last part."""
    head, slash, _ = path.rpartition("/")
    return clean(head + slash)


@function("ext(string) string", "osExt(string) string")
def take_ending(path: str) -> str:
    """Return the ending of a file's name, with its dot."""
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return dot + ending if dot else ""


@function("isAbs(string) bool", "osIsAbs(string) bool")
def is_absolute(path: str) -> bool:
    """Return whether a path begins at the root."""
    return path.startswith("/")
