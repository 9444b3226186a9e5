"""Random Go templates, grown from their grammar and from what functions take, and values to fill them with."""

import json
from collections.abc import Callable

from hypothesis import strategies as st

from tests.oracle import functions as f

VALUES: dict[str, tuple[str, ...]] = {
    "user": ("app", "", "Ann Lee", 'q"uote', "é😀", "<a&b>", "a,b,,c", "user_name-x",
        "HTTPServer2 é_à", "-1", "0", "false"),
    "password": ("p@ss:w/rd%", "x" * 40,
        "tab\there", "line\nbreak\n", "{{ x }}", "#1", " lead trail ", "\\n'", "\u2028"),
    "port": ("5432", "0", "-7", "1.50", "1e3", "0x1f", "010", "abc", "12345678", "9223372036854775808", "true", ""),
    "config": (
        '{"host":"db","port":5432,"ratio":0.25,"big":12345678,"on":true,"none":null,"tags":["b","a"],"in":{"k":"v"}}',
        '{"z":1,"a":"<&>","A":2,"in":{},"tags":[]}', "{}", "[1,2]", "null", "not json", '{"a":1e21,"b":1.0,"c":-0.5}',
    ),
    "list": ('["b","a","b"]', "[]", '[1,2.5,true,null,"x"]', '[{"name":"n1"},{"name":"n2","x":[1]}]', '["1","10","9"]'),
    "yaml": ("a: 1\nb: [x, y]\nc: {d: e}\n", "a: yes\nb: 0777\nc: 1.50\nd: ~\n", "- x", "",
        "a: &x 1\nb: *x\n", "k: 'it''s'\n"),
    "encoded": ("aGVsbG8=", "aGVsbG8", "!", "", "NBSWY3DP", "68656c6c6f", "aGVsbG8gd8O2cmxk"),
    "url": ("https://u:p%40@db.local:5432/a%20b/c?x=1&y=2#f", "a b", "postgres://db", "//h/p", "mailto:x@y", "%zz", ""),
    "tls.crt": ("a.b", "-----BEGIN", "x"),
    "bytes": ("\udcff\x00a",),
}  # fmt: skip
"""Name of a variable → what it may hold; half a character stands for a byte that is not UTF-8."""

values = st.fixed_dictionaries({name: st.sampled_from(texts) for name, texts in VALUES.items()})
_PLAIN = ("user", "password", "port", "config", "list", "yaml", "encoded", "url")
_FIELDS = (
    "host",
    "port",
    "a",
    "b",
    "in",
    "k",
    "tags",
    "none",
    "_0",
    "_1",
    "scheme",
    "missing",
    "string",
    "map[string]string",
    "float64",
    ">=1.2",
    "",
)
_SEPARATORS = (",", " ", "", "a", "b", ".", "/", "-", "\n", "é", "$1", "${1}x", ":")
_PATTERNS = ("a", "[a-z]+", "(b)(.)", "^.", ",", r"\s+", "(?i)P", ".*", "", "(", r"\d", "x*")
_LITERALS = ("", "x", "a b", 'q"', "é", "\\n", "5", "1.2.3", "<&>", "%d")
_VERBS = (
    "%s",
    "%v",
    "%q",
    "%d",
    "%5s",
    "%-5s|",
    "%05d",
    "%x",
    "%X",
    "%t",
    "%.2f",
    "%g",
    "%T",
    "%%",
    "%c",
    "%U",
    "%+v",
    "%#v",
    "%e",
    "%o",
    "%b",
    "%[2]v",
    "%[1]5s",
    "%-*d|",
    "%.*f",
    "% x",
    "%+.3e",
    "%08.3f",
    "%#q",
    "%+q",
    "%.2s",
    "%.3d",
    "%z",
)


def quote(text: str) -> str:
    """Return a text as Go writes it, in double quotes or between backticks."""
    return f"`{text}`" if "`" not in text and "\\" in text else json.dumps(text, ensure_ascii=False)


_fixed: dict[str, st.SearchStrategy[str]] = {
    f.SEPARATOR: st.sampled_from(_SEPARATORS).map(quote),
    f.PATTERN: st.sampled_from(_PATTERNS).map(quote),
    f.SMALL: st.integers(-2, 7).map(str),
    f.FIELD: st.sampled_from(_FIELDS).map(quote),
    f.URL: st.sampled_from(
        (
            "(urlParse .url)",
            '(dict "scheme" "https" "host" .user "path" .password)',
            '(dict "userinfo" .user "path" "a:b")',
        )
    ),
}
_fields = st.sampled_from(_PLAIN).map(".{}".format) | st.sampled_from(
    ("$.user", "$.port", '(index . "tls.crt")', "$", ".missing", '(index . "missing")', ".bytes")
)
_leaves: dict[str, st.SearchStrategy[str]] = {
    f.TEXT: _fields | _fields | _fields | st.sampled_from(_LITERALS).map(quote),
    f.INT: st.integers(-3, 12).map(str) | st.sampled_from(("0x1F", "010", "1_000", "'a'", "12345678")),
    f.FLOAT: st.sampled_from(("1.5", "0.1", "2.0", "1e3", "-0.25", "12345678.9", "1e21")),
    f.BOOL: st.sampled_from(("true", "false")),
    f.LIST: st.sampled_from(("(fromJson .list)", '(list "b" "a")', '(splitList "," .user)', "(list 1 2 3)")),
    f.MAP: st.sampled_from(
        ("(fromJson .config)", '(dict "a" .user "b" 2)', "(fromYaml .yaml)", ".", "(urlParse .url)")
    ),
    f.ANY: _fields
    | st.sampled_from(
        ("(fromJson .config).port", "(fromJson .config).in", "(fromJson .config).none", "1", "2.5", "true")
    )
    | st.sampled_from(
        ("(fromJson .config).ratio", "(fromJson .config).big", "(fromJson .list)", "(fromJson .config)", "nil")
    ),
}
_TYPES = (f.TEXT, f.INT, f.FLOAT, f.BOOL, f.LIST, f.MAP, f.ANY)

type Draw = Callable[[st.SearchStrategy[str]], str]


def draw_expression(draw: Draw, kind: str, depth: int) -> str:
    """Return an expression of a type, in parentheses where it needs them as an argument."""
    if kind in _fixed:
        return draw(_fixed[kind])
    if depth <= 0 or draw(st.sampled_from("lcc")) == "l":
        return draw(_leaves[kind])
    return f"({draw_call(draw, kind, depth)})"


def draw_call(draw: Draw, kind: str, depth: int) -> str:
    """Return a call, of which an argument may be piped."""
    return _draw_call_of(draw, kind, draw(st.sampled_from(sorted(f.GIVING[kind]))), depth)


def _draw_call_of(draw: Draw, kind: str, name: str, depth: int) -> str:
    signatures = f.GIVING[kind][name]
    number = int(draw(st.integers(0, len(signatures) - 1).map(str)))
    if signatures[number] == (f.FORMATS,):
        return f"printf {_draw_format(draw, depth)}"
    arguments = [draw_expression(draw, each, depth - 1) for each in signatures[number]]
    if arguments and draw(st.sampled_from("pa")) == "p":
        *others, piped = arguments
        piped = piped[1:-1] if piped.startswith("(") and _is_one(piped) else piped
        return f"{piped} | {' '.join([name, *others])}"
    return " ".join([name, *arguments])


def _is_one(text: str) -> bool:
    """Return whether the parenthesis that a text begins with is closed by its last sign."""
    depth = 0
    for place, sign in enumerate(text):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0:
            return place == len(text) - 1
    return False


def _draw_format(draw: Draw, depth: int) -> str:
    count = int(draw(st.sampled_from("1122")))
    verbs = [draw(st.sampled_from(_VERBS)) for _ in range(count)]
    arguments = [draw_expression(draw, draw(st.sampled_from(_TYPES)), depth - 1) for _ in range(count)]
    return " ".join([quote(draw(st.sampled_from(("", "=", " "))).join(verbs)), *arguments])


def _trim(draw: Draw, inner: str) -> str:
    left, right = draw(st.sampled_from(("{{", "{{", "{{ ", "{{- "))), draw(st.sampled_from(("}}", "}}", " }}", " -}}")))
    return f"{left}{inner}{right}"


def draw_block(draw: Draw, depth: int) -> str:
    """Return a part of a template: text, an action, or a control structure with parts in it."""
    kind = draw(st.sampled_from(("text", "action", "action", "action", "if", "range", "with", "variable", "comment")))
    if kind == "text" or depth <= 0:
        return draw(
            st.sampled_from((" ", "\n", "x: ", "  \n  ", "{% raw %}", "{# c #}", "é", "}}", "{", "'\"\\", "\t", "\r\n"))
        )
    if kind == "comment":
        return draw(st.sampled_from(("{{/* a comment */}}", "{{- /* trims */ -}}", "{{ break }}", '{{ "text" }}')))
    if kind == "action":
        return _trim(draw, draw_expression(draw, draw(st.sampled_from(_TYPES)), depth))
    return _draw_structure(draw, kind, depth)


def _draw_structure(draw: Draw, kind: str, depth: int) -> str:
    body, end = draw_block(draw, depth - 1) + draw_block(draw, depth - 1), _trim(draw, "end")
    if kind == "if":
        otherwise = draw(st.sampled_from(("", "else", f"else if {draw_expression(draw, f.BOOL, 1)}")))
        other = f"{_trim(draw, otherwise)}{draw_block(draw, depth - 1)}" if otherwise else ""
        condition = draw_expression(draw, draw(st.sampled_from((f.BOOL, f.ANY, f.TEXT, f.LIST))), depth)
        return f"{_trim(draw, f'if {condition}')}{body}{other}{end}"
    if kind == "range":
        over = draw_expression(draw, draw(st.sampled_from((f.LIST, f.MAP, f.INT, f.LIST))), 1)
        names = draw(st.sampled_from(("", "$x := ", "$i, $x := ")))
        inner = (
            draw(st.sampled_from(("{{ $x }},", "{{ $i }}={{ $x }};", "{{ . }},", "{{- .name }}")))
            if names
            else "{{ . }},"
        )
        stop = draw(
            st.sampled_from(("", "", "{{ else }}none", "{{ if eq . 2 }}{{ break }}{{ end }}", "{{ continue }}"))
        )
        return f"{_trim(draw, f'range {names}{over}')}{inner}{stop}{end}"
    value = draw_expression(draw, draw(st.sampled_from(_TYPES)), depth)
    if kind == "with":
        return f"{_trim(draw, f'with {value}')}{draw(st.sampled_from(('{{ . }}', '{{ .a }}', '{{ $.user }}')))}{end}"
    use = draw(st.sampled_from(("{{ $v }}", "{{ $v | quote }}", "{{ $v = 1 }}{{ $v }}")))
    return f"{_trim(draw, f'$v := {value}')}{use}"


@st.composite
def templates(draw: Draw) -> str:
    """Return a template of a few parts."""
    return "".join(draw_block(draw, 2) for _ in range(int(draw(st.sampled_from("1112")))))


@st.composite
def actions(draw: Draw) -> str:
    """Return a template that is one action: the ones in which differences are easily told."""
    return "{{ " + draw_expression(draw, draw(st.sampled_from(_TYPES)), 2) + " }}"


_ALL = [f"{kind} {name}" for kind, functions in f.GIVING.items() for name in functions]


@st.composite
def calls(draw: Draw) -> str:
    """Return a template that is one call of one function, with plain arguments."""
    kind, name = draw(st.sampled_from(_ALL)).split()
    return "{{ " + _draw_call_of(draw, kind, name, 1) + " }}"
