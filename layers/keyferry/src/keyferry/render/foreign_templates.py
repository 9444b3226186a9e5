"""Templates as Go, Helm and External Secrets have them, and names with a dash → the Jinja that is meant."""

import re
from collections.abc import Callable, Iterable, Iterator

_MAX_TAG = 1000
"""The longest tag, in characters, that is looked at: a message is not worth more time."""
_FILTERS = {"b64dec": "b64decode", "b64enc": "b64encode", "base64": "b64encode", "len": "length", "nindent": "indent"}
"""Name of a filter in other systems → ours, where the two are not alike."""
_FIELD = r"\.[A-Za-z_][A-Za-z0-9_.]*"
_ARGUMENT = re.compile(rf"""{_FIELD}|"[^"]*"|'[^']*'|\$?[A-Za-z0-9_.]+""")
_GUIDE = "db is a source; see docs/external-secrets.md"
_TAG = re.compile(r"\{[{%]")
_DASHED_SOURCE = re.compile(r"(?<![A-Za-z0-9_.'\"-])([A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z_][A-Za-z0-9_]*)+)")
_ODD_KEY = re.compile(
    r"""([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[^]]*\])*)\.
    (?![A-Za-z_][A-Za-z0-9_]*(?![A-Za-z0-9_@/:$!#-]))([A-Za-z0-9_@/:$!#-]+)""",
    re.VERBOSE,
)
"""A key behind its object, where Jinja would want it in brackets and quotes."""
_WORDS = "and|else|if|in|is|not|or"


def suggest_filter(name: str) -> str | None:
    """Return our name of a filter of other systems; None for one that we do not know."""
    return _FILTERS.get(name)


def describe_go(template: str, line: int) -> str:
    """Return what stands in a line of a template that is Go, and how Jinja has it; nothing where none is.

    Args:
        template: the template, which is not Jinja, or has variables that nobody defines.
        line: where that is, from 1.
    """
    for tag in _list_tags(template, line):
        for pattern, translate in _GO.items() if tag.startswith("{{") else ():
            match = re.match(pattern, " ".join(tag.strip("{}").strip("-").split()))
            if match:
                return f"{_shorten(tag)} is of Go's templates, and this is Jinja: write {translate(match)} ({_GUIDE})"
    return ""


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


def _translate(argument: str) -> str:
    """Return an argument of Go as Jinja has it."""
    if argument == ".":
        return "db"
    return f"db{argument}" if argument.startswith(".") else argument.removeprefix("$")


def _write_field(match: re.Match[str]) -> str:
    first, *stages = match.string.split("|")
    return f"{{{{ db{match[1].rstrip('.')}{_write_stages(stages) if first.strip() == match[0].strip() else ''} }}}}"


def _write_stages(stages: Iterable[str]) -> str:
    """Return what follows the bars of Go as filters."""
    written = ""
    for stage in stages:
        name, *arguments = _ARGUMENT.findall(stage)
        values = f"({', '.join(map(_translate, arguments))})" if arguments else ""
        written += f" | {_FILTERS.get(name, name.lower())}{values}"
    return written


def _write_index(match: re.Match[str]) -> str:
    holder, *keys = _ARGUMENT.findall(match[1])
    return f"{{{{ {_translate(holder)}{''.join(f'[{_translate(key)}]' for key in keys)} }}}}"


def _write_format(match: re.Match[str]) -> str:
    text, *values = _ARGUMENT.findall(match[1])
    return f"{{{{ {text} | format({', '.join(map(_translate, values))}) }}}}"


def _write_comparison(match: re.Match[str]) -> str:
    sign = "==" if match[1] == "eq" else "!="
    return f"{{{{ {_translate(match[2])} {sign} {_translate(match[3])} }}}}"


def _write_call(match: re.Match[str]) -> str:
    name, *arguments = _ARGUMENT.findall(match.string.partition("|")[0])
    value = _translate(arguments[-1]) if arguments else "db.key"
    return f"{{{{ {value}{_write_stages([' '.join([name, *arguments[:-1]])])} }}}}"


def _write_filter(match: re.Match[str]) -> str:
    return f"{{{{ {match[1].strip()}{_write_stages(match[2].split('|')[1:])} }}}}"


def _say(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


_IF, _FOR = "{% if db.key %}…{% else %}…{% endif %}", "{% for item in db.list %}{{ item }}{% endfor %}"
_GO: dict[str, Callable[[re.Match[str]], str]] = {
    r"\.([A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)+)": lambda match: f"{{{{ db['{match[1]}'] }}}}",
    rf"\$?({_FIELD})": _write_field,
    r"\$[A-Za-z0-9_]*\s*:?=": _say("{% set name = db.key %}"),
    r"\$([A-Za-z_][A-Za-z0-9_]*)": lambda match: f"{{{{ {match[1]} }}}}",
    r"(?=[.$])\$?(\.?)(?= |\||$)": _write_field,
    r"(eq|ne) (\S+) (\S+)": _write_comparison,
    r"/\*": _say("{# … #}"),
    r"`": _say("{{ '…' }}"),
    r"(if|else|with|end)\b": _say(_IF),
    r"range\b": _say(_FOR),
    r"(define|template|include|block|tpl)\b": _say("the other template out here"),
    r"printf (\S.*)": _write_format,
    r"index (\S.*)": _write_index,
    rf"(?!({_WORDS})\b)[A-Za-z][A-Za-z0-9_]*\s+[.$\"'(`]": _write_call,
    rf"([^|]+)(.*\|\s*[A-Za-z0-9_]+\s+(?!({_WORDS})\b)[\"'$.A-Za-z0-9].*)": _write_filter,
    rf".*?(?<![])A-Za-z0-9_\"'])({_FIELD})": lambda match: f"{{{{ db{match[1]} }}}}",
}
"""How a tag of Go begins → how Jinja has it."""


def _shorten(text: str) -> str:
    return " ".join(text.split()) if len(text) <= 60 else f"{' '.join(text[:60].split())} …"
