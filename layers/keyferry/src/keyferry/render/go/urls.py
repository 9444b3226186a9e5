"""Functions for URLs, paths and marked-up text: text/template's own, and sprig's."""

import posixpath
import re
from urllib.parse import quote, unquote

from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.text.letters import is_printable
from keyferry.render.go.text.printing import write_all
from keyferry.render.go.values import Map

_HTML = {"'": "&#39;", '"': "&#34;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
_SCRIPT = {
    **{char: f"\\{char}" for char in "\\'\""},
    **{char: f"\\u{ord(char):04X}" for char in "<>&="},
}
_FRAGMENT, _HOST_SIGNS = "$&+,/:;=?@!()*", "!$&'()*+,;=:[]<>\""
"""What stays as it is in a fragment, and in a host."""
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


@function("urlJoin(map) string", price=lambda budget, parts: budget.spend_value(parts, times=3))
def join_url(parts: Map) -> str:
    """Return the URL of its parts, which are texts; those that are not there are empty."""
    names = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")
    given = [parts.get(name, "") for name in names]
    if not all(isinstance(part, str) for part in given):
        raise FilterError("the parts of a URL are texts")
    scheme, host, path, query, opaque, fragment, user = map(str, given)
    if not _PLAIN_USER.fullmatch(user) or user.count(":") > 1:
        raise FilterError("the user of the URL has signs that Go writes otherwise")
    begin = f"{scheme}:" if scheme else ""
    made = begin + opaque if opaque else _join_path(begin, _write_user(user), host, path)
    return made + (f"?{query}" if query else "") + (f"#{quote(fragment, safe=_FRAGMENT)}" if fragment else "")


def _join_path(begin: str, user: str, host: str, path: str) -> str:
    """Return the URL as far as its path, which begins with a slash behind a host."""
    if host or user or (begin and path):
        begin += "//"
    begin += (f"{user}@" if user else "") + quote(host, safe=_HOST_SIGNS)
    written = path if path == "*" else quote(path, safe="$&+,/:;=@")
    if written and host and not written.startswith("/"):
        begin += "/"
    return begin + ("./" if not begin and ":" in written.partition("/")[0] else "") + written


@function("js(...any) string", subject=0)
def escape_script(*values: object) -> str:
    """Return text with the signs escaped that end a text of JavaScript."""
    return "".join(map(_escape_script, _write(values)))


def _escape_script(char: str) -> str:
    if char in _SCRIPT:
        return _SCRIPT[char]
    if char < " " or not (char.isascii() or is_printable(char)):
        return f"\\u{ord(char):04X}"
    return char


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
