"""Templates as Go, Helm and External Secrets have them, and names with a dash → the Jinja that is meant."""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator

from jinja2 import TemplateSyntaxError

from keyferry.guides import link
from keyferry.render.sandbox import ENVIRONMENT

_MAX_TAG = 1000
"""The longest tag, in characters, that is looked at: a message is not worth more time."""
_FILTERS = {
    **{"b64dec": "b64decode", "b64enc": "b64encode", "base64": "b64encode", "len": "length", "nindent": "indent"},
    **{"filterCertChain": "filter_cert_chain", "filterPEM": "filter_pem", "toString": "string"},
    **{"jwkPrivateKeyPem": "jwk_private_key_pem", "jwkPublicKeyPem": "jwk_public_key_pem", "urlquery": "urlencode"},
    **{"pkcs12cert": "pkcs12_cert", "pkcs12certPass": "pkcs12_cert"},
    **{"pkcs12key": "pkcs12_key", "pkcs12keyPass": "pkcs12_key"},
}
"""Name of a filter in other systems → ours, where the two are not alike."""
_TESTS = {"exists": "defined", "nil": "none", "null": "none", "present": "defined", "set": "defined"}
"""Name of a test in other systems → ours."""
_GUIDE = f"db is a source; see {link('map/external-secrets')}"
_TAG = re.compile(r"\{[{%]")
_DASHED_SOURCE = re.compile(r"(?<![A-Za-z0-9_.'\"-])([A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z_][A-Za-z0-9_]*)+)")
_ODD_KEY = re.compile(
    r"""([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[^]]*\])*)\.
    (?![A-Za-z_][A-Za-z0-9_]*(?![A-Za-z0-9_@/:$!#-]))([A-Za-z0-9_@/:$!#-]+)""",
    re.VERBOSE,
)
"""A key behind its object, where Jinja would want it in brackets and quotes."""
_WORDS = "and|else|if|in|is|not|or"
_TEXT = r"""\"(?:[^"\\]|\\.)*"|'[^']*'"""
_SIGNS = re.compile(
    rf"""[$.](?:$|\s|\|) | (?<![])A-Za-z0-9_"'.?])(?:\$[A-Za-z_.]|\.[A-Za-z_]) | ` | :=
    | ^(?!(?:{_WORDS})\b)[A-Za-z][A-Za-z0-9_]*\s+[.$"'(0-9]
    | \|\s*[A-Za-z0-9_]+\s+(?!(?:{_WORDS})\b)["'$.A-Za-z0-9(]""",
    re.VERBOSE,
)
"""What no expression of Jinja has, where the letters of its texts are left out."""
_TOKEN = re.compile(
    rf"""{_TEXT}|`[^`]*`|\||\(|\)(?:\.[A-Za-z0-9_.]+)?|[A-Za-z_][A-Za-z0-9_]*\([^()]*\)
    |(?:[^\s|()"'`,[]|\[[^]]*\])+""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_OPERATORS = {
    "and": "and",
    "eq": "==",
    "ge": ">=",
    "gt": ">",
    "le": "<=",
    "lt": "<",
    "ne": "!=",
    "or": "or",
    "print": "~",
}
"""Function of Go → operator of Jinja."""


_OTHERS = {
    r"\{\{\{": "two braces are enough: {{ db.key }}",
    r"\$\{?": "a name in braces has no $: {{ db.key }}",
    r"&&|\|\||!(?!=)": "Jinja writes and, or, not in place of &&, ||, !",
    "[=!]==": "Jinja compares by == and !=",
    r"\{%-? *(?:if|elif) [^=(]*[^=(!<>]=(?!=)": "Jinja compares by ==",
    r"\bthen *-?%\}": "Jinja has no then: {% if db.key %}…{% endif %}",
    r"\.\.": "one dot stands before a key: db.key",
    r"\?\?|\?\.": "for what may be missing or null Jinja writes db.key | default('…', true)",
    r"\?.*:": "Jinja writes 'a' if db.key else 'b'",
    r"->": "a key stands behind a dot: db.key",
    r"\|\s*[A-Za-z0-9_]+\s*:": "a filter has its arguments in parentheses: db.key | default('…')",
    r"\.\s*[\"']": "a key in quotes stands in brackets: db['a-key']",
    rf"\.[A-Za-z_][A-Za-z0-9_]* (?!(?:{_WORDS})\b)[A-Za-z_]": "a key with a blank is written in brackets: db['a key']",
}
"""What other languages have between braces, where texts are empty → how Jinja has it."""
_NULLS = frozenset({"NULL", "Null", "nil", "null", "undefined"})


def suggest_filter(name: str) -> str | None:
    """Return our name of a filter of other systems; None for one that we do not know."""
    return _FILTERS.get(name)


def suggest_test(name: str) -> str | None:
    """Return our name of a test of other systems; None for one that we do not know."""
    return _TESTS.get(name)


def describe_go(template: str, line: int) -> str:
    """Return what stands in a line of a template that is Go, and how Jinja has it; nothing where none is.

    Args:
        template: the template, which is not Jinja, or has variables that nobody defines.
        line: where that is, from 1.
    """
    for tag in _list_tags(template, line):
        meant = _find_meant(" ".join(tag.strip("{}").strip("-").split())) if tag.startswith("{{") else ""
        if meant:
            return f"{_shorten(tag)} is of Go's templates, and this is Jinja: write {meant} ({_GUIDE})"
    return ""


def describe_other(template: str, line: int) -> str:
    """Return what in a line of a template, which is not Jinja, is of another language; nothing where none is."""
    for tag in _list_tags(template, line):
        text = re.sub(_TEXT, lambda text: text[0][0] * 2, tag)
        if text.count('"') % 2 or text.count("'") % 2:
            return "a text has no end: a quote is missing"
        for pattern, words in _OTHERS.items():
            if re.search(pattern, text):
                return words
    begin = template.split("\n")[line - 1].rpartition("{{")
    return "{{ is not closed by }}" if begin[1] and "}}" not in begin[2] else ""


def describe_variable(template: str, line: int, name: str, filters: Collection[str]) -> str:
    """Return what is meant by a variable that nobody defines: null, or a filter that is called; nothing for others.

    Args:
        template: the template, which is Jinja.
        line: the first one that has the variable.
        name: the variable.
        filters: the names of all filters.
    """
    if name in _NULLS:
        return f"{name} is none in Jinja"
    for tag in _list_tags(template, line):
        known = _FILTERS.get(name, name.lower())
        if known in filters and re.search(rf"(?<![A-Za-z0-9_.]){name}\s*\(", tag):
            return f"a filter stands behind a bar: db.key | {known}"
    return ""


def _find_meant(text: str) -> str:
    """Return how Jinja has what stands between the braces; nothing where that is not of Go."""
    try:
        written = _write_meant(text)
        ENVIRONMENT.parse(written)
    except (TemplateSyntaxError, RecursionError):
        return "{{ db.key }}"
    return written


def _write_meant(text: str) -> str:
    for pattern, write in _GO.items():
        match = re.match(pattern, text)
        if match:
            return write(match)
    is_go = _SIGNS.search(re.sub(_TEXT, lambda text: text[0][0] * 2, text))
    return f"{{{{ {_translate(text)} }}}}" if is_go else ""


def describe_name(template: str, line: int, variable: str = "") -> str:
    """Return how a name in a line is written that has other signs than letters, digits and _; nothing without one.

    Args:
        template: as in `describe_go`.
        line: as in `describe_go`.
        variable: a part of the name that Jinja takes for a variable; empty for any name.
    """
    for tag in _list_tags(template, line):
        for match in _DASHED_SOURCE.finditer(tag):
            if variable in match[1].split("-") and variable:
                return f"a source is called without dashes, as {match[1].replace('-', '_')}, not {match[1]}"
        for match in _ODD_KEY.finditer(tag):
            if not variable or variable in re.split(r"[^A-Za-z0-9_]", match[2]):
                return f"a key with other signs than letters, digits and _ is written {match[1]}[{match[2]!r}]"
    return ""


def _list_tags(template: str, line: int) -> Iterator[str]:
    """Yield the tags of a template that are in a line, or begin or end there."""
    first, end = 1, 0
    for begin in _TAG.finditer(template):
        if begin.start() < end:
            continue
        first += template.count("\n", end, begin.start())
        end = template.find("}}" if begin[0] == "{{" else "%}", begin.start()) + 2
        if end < 2 or first > line:
            return
        tag = template[begin.start() : end]
        if first <= line <= first + tag.count("\n") and len(tag) <= _MAX_TAG:
            yield tag
        first += tag.count("\n")


def _translate(text: str) -> str:
    """Return a pipeline of Go as an expression of Jinja: `db` is the source, and `db.key` what is missing."""
    return _read_pipeline(deque(_TOKEN.findall(text))) or "db.key"


def _read_pipeline(tokens: deque[str]) -> str:
    """Return what stands before the next closing parenthesis, or the end, as an expression."""
    value, command = "", list[str]()
    while tokens and not tokens[0].startswith(")"):
        word = tokens.popleft()
        if word == "|":
            value, command = _write_command(command, value), []
        elif word == "(":
            inner = _read_pipeline(tokens)
            command.append(f"({inner}){tokens.popleft()[1:] if tokens else ''}" if inner else "")
        else:
            command.append(word)
    return _write_command(command, value)


def _write_command(command: list[str], value: str) -> str:
    """Return a function with its arguments, of which the value before it is the last one; or a value that is none."""
    if not command:
        return value
    name, *rest = command
    arguments = [*(_write_operand(token) for token in rest if token), *([value] if value else [])]
    if value and "(" in name:  # which is of Jinja already
        return f"{value} | {name}"
    if not _NAME.fullmatch(name) or not (rest or value):
        return _write_operand(name)
    return _write_call(name, arguments or ["db.key"])


def _write_call(name: str, arguments: list[str]) -> str:
    first, *others = arguments
    if name == "index":
        return f"{first}{''.join(f'[{key}]' for key in others)}"
    if name == "printf":
        return f"{first} | format({', '.join(others)})"
    if name == "not":
        return f"not {first}"
    if name in _OPERATORS:
        return f" {_OPERATORS[name]} ".join(arguments)
    *others, last = arguments
    others += ["true"] if name in ("indent", "nindent") else []
    return f"{last} | {_FILTERS.get(name, name.lower())}{f'({", ".join(others)})' if others else ''}"


def _write_operand(token: str) -> str:
    if token.startswith("`"):
        return repr(token.strip("`"))
    field = re.fullmatch(r"\$?\.(.*)|\$", token)
    if field is None:
        return token.removeprefix("$")
    holder, *keys = [part for part in (field[1] or "").split(".") if part] or ["db"]
    keys = keys if holder == "db" else [holder, *keys]
    return "db" + "".join(f".{key}" if "-" not in key else f"[{key!r}]" for key in keys)


def _write_set(match: re.Match[str]) -> str:
    return f"{{% set {match[1] or 'name'} = {_translate(match[2])} %}}"


def _write_if(match: re.Match[str]) -> str:
    return f"{{% if {_translate(match[1])} %}}…{{% else %}}…{{% endif %}}"


def _write_for(match: re.Match[str]) -> str:
    names = ", ".join(re.findall(r"\$([A-Za-z_][A-Za-z0-9_]*)", match[1] or "")) or "item"
    items = f"{_translate(match[2])}{'.items()' if ',' in names else ''}"
    return f"{{% for {names} in {items} %}}…{{% endfor %}}"


def _say(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


_GO: dict[str, Callable[[re.Match[str]], str]] = {
    r"/\*": _say("{# … #}"),
    r"\$([A-Za-z0-9_]*)\s*:?=(.*)": _write_set,
    r"(?:if|else if|with)\b(.*)": _write_if,
    r"(else|end)\b": _say("{% if db.key %}…{% else %}…{% endif %}"),
    r"range\b(?:(.*):=)?(.*)": _write_for,
    r"(define|template|include|block|tpl)\b": _say("the other template out here"),
}
"""How a tag of Go begins that is no expression → how Jinja has it."""


def _shorten(text: str) -> str:
    return " ".join(text.split()) if len(text) <= 60 else f"{' '.join(text[:60].split())} …"
