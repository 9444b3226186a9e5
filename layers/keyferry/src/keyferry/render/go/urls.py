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
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_USER_SIGNS = "$&+,;="
"""What stays as it is in a user, and in a password."""
_HOST = re.compile(r"""[A-Za-z0-9._~!$&'()*+,;=<>"\x80-\U0010ffff-]*(?::[0-9]*)?""")


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
    if re.search("[\\0-\x1f\x7f]", text) or text.startswith(":"):
        raise FilterError("the URL has a control character, or no scheme before its colon")
    rest, _, fragment = text.partition("#")
    scheme = _SCHEME.match(rest)
    rest, _, query = rest[scheme.end() if scheme else 0 :].partition("?")
    parts = {"fragment": _unescape(fragment), "host": "", "hostname": "", "opaque": "", "query": query, "userinfo": ""}
    parts["scheme"] = scheme[1].lower() if scheme else ""
    if scheme and not rest.startswith("/"):
        return Map(sorted({**parts, "opaque": rest, "path": ""}.items()))
    if ":" in rest.partition("/")[0]:
        raise FilterError("the URL has a colon in the first part of its path")
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        user, _, host = authority.rpartition("@")
        parts |= {"host": host, "hostname": host.partition(":")[0], "userinfo": _write_user(user)}
        rest = slash + rest
        if not _HOST.fullmatch(host):
            raise FilterError("the host of the URL is no plain name with a port")
    return Map(sorted({**parts, "path": _unescape(rest)}.items()))


def _unescape(text: str) -> str:
    """Return text without its percent signs."""
    if _NO_ESCAPE.search(text):
        raise FilterError("a percent sign of the URL without two digits")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise FilterError("the URL has escaped what is no text") from None


def _write_user(user: str) -> str:
    """Return the user of a URL, with its password, as Go writes it anew."""
    if not _USER.fullmatch(user):
        raise FilterError("the user of the URL has signs that Go takes for none")
    name, colon, password = user.partition(":")
    return f"{quote(_unescape(name), safe=_USER_SIGNS)}{colon}{quote(_unescape(password), safe=_USER_SIGNS)}"


@function("urlJoin(map) string", price=lambda budget, parts: budget.spend_value(parts, times=3))
def join_url(parts: Map) -> str:
    """Return the URL of its parts, which are texts; those that are not there are empty."""
    names = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")
    given = [parts.get(name, "") for name in names]
    if not all(isinstance(part, str) for part in given):
        raise FilterError("the parts of a URL are texts")
    scheme, host, path, query, opaque, fragment, user = map(str, given)
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
