"""Mappings that compute as much as a few characters can ask for. Run as a program, it renders them one by one.

Each is run in a process with little memory, which says of each what became of it, the memory that it has taken at most,
and the CPU time.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keyferry.errors import KeyferryError
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place, SecretValue, SourceValue
from keyferry.render.render import render

DOCUMENT = {
    "a": "1234567890",
    "b": "0987654321",
    "list": [f"item-{number}" for number in range(1000)],
    "deep": {"a": [{"b": {"c": "x"}}]},
    "text": json.dumps({str(number): number for number in range(900)}),
}

REASONS = (
    "computes too much",
    "becomes longer than 4,096 characters",
    "the rules of keys take 4,096 at most",
    "the template is too long",
    "the template is longer than a Secret can be",
    "nested too deeply",
    "has no parentheses",
    "encode takes utf-8",
    "(RecursionError)",
    "is not YAML of keys with a text each",
)
"""What the error of a bomb says, one of these."""


def template(text: str) -> dict[str, Any]:
    """Return the parts of a mapping that make one key by a template."""
    return {"data": {"k": {"template": text}}}


def path(text: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # YAML is anything
    """Return the parts of a mapping that make one key by a path."""
    return {"data": {"k": {"from": "db", "path": text, **more}}}


def _property(text: str, times: int = 1) -> dict[str, Any]:
    """Return the parts of a mapping that make keys by a property, again and again."""
    return {"data": {f"k{number}": {"from": "db", "property": text} for number in range(times)}}


def keys(*rules: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a mapping that rename all keys of a document, again and again."""
    return {"data": {}, "dataFrom": [{"from": "db", "keys": [*rules]}] * 20}


def _double(operation: str, times: int, begin: str = "'xxxxxxxxxx'") -> str:
    """Return a template that sets `a` again and again, each time to what an operation makes of it."""
    return "{% set a = " + begin + " %}" + ("{% set a = " + operation + " %}") * times + "{{ a | length }}"


_LONG = "{% set long = 'ab<&> ' * 170000 %}"
_WORD = "{% set word = 'a' * 1000000 %}"
_LOOP = "{% for i in range(100000) %}"
_BLOCK = "-----BEGIN A-----AAAA-----END A-----"

TEMPLATES = {
    "nested loops": _LOOP + _LOOP + "{% endfor %}{% endfor %}",
    "nested loops that do nothing": "{% for a in range(9999) %}{% for b in range(9999) if b > 9999 %}{% endfor %}"
    "{% endfor %}",
    "loops over text": "{% for a in 'x' * 1000 %}{% for b in 'x' * 1000 %}{% for c in 'x' * 1000 %}{% endfor %}"
    "{% endfor %}{% endfor %}",
    "loops over values": "{% for a in db.list %}{% for b in db.list %}{% for c in db.list %}{% endfor %}{% endfor %}"
    "{% endfor %}",
    "a large body": _LOOP + "x" * 100_000 + "{% endfor %}",
    "a large body without expressions": _LOOP + "x{% if 0 %}{% endif %}" * 5_000 + "{% endfor %}",
    "a recursive macro": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "a recursive loop": "{% for a in [1, 2] recursive %}{% if loop.depth < 60 %}{{ loop([1, 2]) }}{% endif %}"
    "{% endfor %}",
    "a macro that doubles": "{% macro m(t) %}{{ t }}{{ t }}{% endmacro %}" + _double("m(a)", 30),
    "a block that calls itself": "{% block b %}{{ self.b() }}{{ self.b() }}{% endblock %}",
    "a call that doubles": "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call m() %}" * 15
    + "x" * 1000
    + "{% endcall %}" * 15,
    "a set block": "{% set a %}xxxxxxxxxx{% endset %}"
    + "{% set a %}{{ a }}{{ a }}{% endset %}" * 30
    + "{{ a | length }}",
    "a filter block": _WORD + "{% filter upper %}" + "{{ word }}" * 200 + "{% endfilter %}",
    "concat 10^8": _double("a ~ a ~ a ~ a ~ a ~ a ~ a ~ a ~ a ~ a", 8),
    "concat in a loop": _WORD + _LOOP + "{% set b = word ~ word %}{% endfor %}",
    "plus": _double("a + a", 30),
    "plus of lists": _double("a + a", 30, "[1]"),
    "nested lists": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 30 + "{{ a | tojson | length }}",
    "nested lists compared": "{% set a = [1] %}{% set b = [1] %}"
    + "{% set a = [a, a] %}{% set b = [b, b] %}" * 30
    + "{{ a == b }}",
    "nested objects": "{% set a = {} %}" + "{% set a = {'x': a, 'y': a} %}" * 30 + "{{ a | toyaml | length }}",
    "nested by batch": "{% set a = ['x'] %}"
    + "{% set a = (a + a) | batch(2) | list %}" * 40
    + "{{ a | string | length }}",
    "times": "{{ 'x' * 10**9 }}",
    "times in a loop": _LOOP + "{% set b = 'x' * 1000000 %}{% endfor %}",
    "text of lists": "{{ ([db.list] * 100000) | string | length }}",
    "slices of text": _WORD + _LOOP + "{% set b = word[1:] %}{% endfor %}",
    "compared texts": _WORD + "{% set b = 'a' * 1000000 %}" + _LOOP + "{% if word == b %}{% endif %}{% endfor %}",
    "texts that are looked up": _WORD
    + "{% set l = ['a' * 999999] * 10 %}"
    + _LOOP
    + "{% if word in l %}{% endif %}{% endfor %}",
    "sum pow": "{{ (9**1200 * 9**1200 * 9**1200 * 9**1200 * 9**1200) | string | length }}",
    "squares": "{% set a = 9 %}" + "{% set a = a * a %}" * 40 + "{{ a > 1 }}",
    "a number from base 16": "{{ ('f' * 1000000) | int(base=16) > 1 }}",
    "divided numbers": "{% set a = ('f' * 3000) | int(base=16) %}" + (_LOOP + "{% set b = a // 3 %}{% endfor %}") * 3,
    "a number from bytes": "{{ (0).from_bytes(('x' * 1000000).encode()) > 1 }}",
    "to_bytes": "{{ (1).to_bytes(1000000000) | length }}",
    "round": "{{ 5 | round(-1000000000) }}",
    "round up": "{{ 5 | round(1000000000, 'ceil') }}",
    "sum of lists": "{{ ([[1] * 500] * 500) | sum(start=[]) | length }}",
    "percent width": "{{ ('%600000000d' % 1) | length }}",
    "percent star": "{{ ('%*d' % (600000000, 1)) | length }}",
    "percent precision": "{{ ('%.600000000f' % 1.5) | length }}",
    "percent name": "{{ ('%((a)b)600000000d' % {'(a)b': 1}) | length }}",
    "percent of bytes": "{{ 'x%600000000d'.encode() % 1 }}",
    "percent repeated": _WORD + "{{ (('%(a)s' * 1000) % {'a': word}) | length }}",
    "format": "{{ '{:600000000}'.format(1) | length }}",
    "format in another script": "{{ '{:\uff16\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10}'.format(1) | length }}",
    "format nested": "{{ '{:{}}'.format(1, 600000000) | length }}",
    "format repeated": _WORD + "{{ ('{0}' * 1000).format(word) | length }}",
    "format_map": "{{ '{a:600000000}'.format_map({'a': 1}) | length }}",
    "the filter format": "{{ '%600000000d' | format(1) | length }}",
    "Markup": "{{ ('<' * 1000000) | e | e | e | forceescape | forceescape | length }}",
    "autoescape": "{% autoescape true %}" + "{% set l = '<' * 1000000 %}" + "{{ l }}" * 40 + "{% endautoescape %}",
    "center": "{{ 'x' | center(600000000) | length }}",
    "ljust": "{{ 'x'.ljust(600000000) | length }}",
    "zfill": "{{ 'x'.zfill(600000000) | length }}",
    "expandtabs": "{{ ('\t' * 1000).expandtabs(1000000) | length }}",
    "translate": _WORD + "{{ word.translate({97: word}) | length }}",
    "replace": _WORD + "{{ word | replace('a', word) | length }}",
    "replace the method": _WORD + "{{ word.replace('a', word) | length }}",
    "join": "{{ range(100000) | join('x' * 1000) | length }}",
    "join the method": "{{ ('x' * 100000).join('x' * 100000) | length }}",
    "indent": "{{ ('a\n' * 1000) | indent(300000) | length }}",
    "indent with text": "{{ ('a\n' * 1000) | indent('x' * 300000) | length }}",
    "wordwrap": _WORD + "{{ word | wordwrap(1) | length }}",
    "wordwrap of dashes": "{{ ('-' * 1000000) | wordwrap(79) | length }}",
    "wordwrap with text": "{{ ('a ' * 100000) | wordwrap(1, wrapstring='x' * 10000) | length }}",
    "striptags": "{{ ('<>' * 500000) | striptags | length }}",
    "striptags the method": "{{ (('<>' * 400000) | safe).striptags() | length }}",
    "urlize": "{{ (')' * 400000 ~ 'x' ~ ')') | urlize | length }}",
    "trim": "{{ ('a' * 1000000) | trim('b' * 999999 ~ 'a') | length }}",
    "strip": "{{ ('a' * 1000000).strip('b' * 999999 ~ 'a') | length }}",
    "rfind": "{{ ('a' * 1000000).rfind('b' ~ 'a' * 500000) }}",
    "rsplit": "{{ ('a' * 1000000).rsplit('b' ~ 'a' * 500000) | length }}",
    "split in a loop": _WORD + "{% for i in range(1000) %}{% set l = word.split('a') %}{% endfor %}",
    "punycode": "{{ ('\u00fc' * 1000000).encode('punycode') | length }}",
    "idna": "{{ ('\u00fc.' * 100000).encode('idna') | length }}",
    "batch": "{{ 'ab' | batch(1000000000, 'x') | list | length }}",
    "slice": "{{ 'ab' | slice(1000000000000) | list | length }}",
    "lists of text": "{% for i in range(100) %}{% set l = ('\U0001f511' * 1000000) | list %}{% endfor %}",
    "sort": "{% set l = ['b' * 1000000] * 1000 %}{{ l | sort | length }}",
    "unique": "{% set l = ['b' * 1000000] * 1000 %}{{ l | unique | list | length }}",
    "groupby": "{% set l = [{'n': 'b' * 1000000}] * 1000 %}{{ l | groupby('n') | length }}",
    "map": _WORD + "{{ range(1000) | map('center', 100000) | list | length }}",
    "select": "{{ range(99999) | select('in', range(99999)) | list | length }}"
    + "{{ range(99999) | list | length }}" * 30,
    "select of texts": _WORD + "{{ ([word] * 60) | select('eq', 'a' * 1000000) | list | length }}",
    "loop.changed": _WORD
    + "{% set b = 'a' * 1000000 %}{% for i in range(99999) %}{% if loop.changed(word, b) %}{% endif %}{% endfor %}",
    "fromkeys": _LOOP + "{% set d = {}.fromkeys(range(100000), 1) %}{% endfor %}",
    "tojson": "{% set a = '\\\\' * 1000 %}" + "{% set a = a | tojson %}" * 30 + "{{ a | length }}",
    "urlencode": "{% set a = '\u00fc' * 900000 %}" + "{% set a = a | urlencode %}" * 30 + "{{ a | length }}",
    "b64encode": _WORD + "{% set a = word %}" + "{% set a = a | b64encode %}" * 20 + "{{ a | length }}",
    "fromjson": "{{ ('[' ~ '1.0,' * 240000 ~ '1]') | fromjson | length }}" * 9,
    "fromyaml": "{{ ('[' ~ '1,' * 240000 ~ '1]') | fromyaml | length }}" * 9,
    "toyaml": "{{ range(99999) | list | toyaml | length }}" * 9,
    "toyaml of text": "{{ ('\u00fc: ' * 300000) | toyaml | length }}" * 9,
    "bcrypt": "{{ 'a' | bcrypt(14) }}{{ 'b' | bcrypt(14) }}{{ 'c' | bcrypt(14) }}",
    "bcrypt in a loop": "{% for i in range(1000) %}{{ i | bcrypt }}{% endfor %}",
    "bcrypt by map": "{{ range(1000) | map('bcrypt', rounds=12) | join }}",
    "filter_pem": _LOOP + "{% set x = ('" + _BLOCK + "' * 20000) | filter_pem('A') %}{% endfor %}",
    "pem": _LOOP + "{% set x = ('" + _BLOCK + "' * 20000) | pem %}{% endfor %}",
    "pem of base64": _LOOP + "{% set x = ('" + _BLOCK + "' * 20000) | b64encode | pem %}{% endfor %}",
    "pem that is escaped": _LOOP
    + "{% set x = ('-----BEGIN A-----AAAA' ~ '\\\\' * 900000 ~ '-----END A-----') | pem %}{% endfor %}",
    "jwk_private_key_pem": _LOOP
    + "{% set x = {'kty': 'OKP', 'crv': 'Ed25519', 'd': 'A' * 43} | jwk_private_key_pem %}{% endfor %}",
    "filter_cert_chain": "{{ ('-----BEGIN CERTIFICATE-----x-----END CERTIFICATE-----' * 9000) | filter_cert_chain }}",
    "xmlattr": _WORD + "{% for i in range(1000) %}{% set x = {'a': word} | xmlattr %}{% endfor %}",
    "output": _WORD + "{{ word }}" * 5_000,
    "output in a loop": _WORD + _LOOP + "{{ word }}{% endfor %}",
    "the price of a round": "{{ [1] | map('a round', -1000000000) | list }}"
    + _LOOP
    + _LOOP
    + "{% endfor %}{% endfor %}",
    "long, all filters": _LONG
    + "".join(
        "{% set x = long | " + name + " %}"
        for name in ("upper", "title", "capitalize", "e", "striptags", "urlencode") * 9
    ),
    "a large template": "{{ cluster }}" * 70_000,
    "a long expression": "{{ " + "1 + " * 200_000 + "1 }}",
    "longer than a Secret": "x" * 1_100_000,
    "nested statements": "{% if 1 %}" * 40_000,
}
_ATTRIBUTE = "'0.' * 400000 ~ '0'"
_KEYS = "{}.fromkeys(range(90000)).keys()"
TEMPLATES |= (
    {
        "a long attribute, " + name: "{{ " + expression.replace("$", _ATTRIBUTE) + " | length }}"
        for name, expression in {
            "map": "range(90000) | map('string') | map(attribute=$) | list",
            "sort": "(['x'] * 1000) | sort(attribute=($) | replace('.', ','))",
            "join": "(['x'] * 1000) | join('', attribute=$)",
            "max": "(['x'] * 1000) | max(attribute=$)",
            "groupby": "(['x'] * 1000) | groupby($)",
            "sum": "(['x'] * 1000) | sum(attribute=$, start='')",
            "unique": "(['x'] * 1000) | unique(attribute=$) | list",
        }.items()
    }
    | {
        "again and again, " + name: "{% set a = "
        + value
        + " %}"
        + _LOOP
        + "{% set b = "
        + operation
        + " %}{% endfor %}"
        for name, value, operation in (
            ("views of keys compared", _KEYS, "a == {}.keys()"),
            ("views of values searched", "{}.fromkeys(range(90000)).values()", "'x' in a"),
            ("a range searched", "range(100000)", "'x' in a"),
            ("a range counted", "range(100000)", "a.count('x')"),
            ("the most of a range", "range(100000)", "a | max"),
            ("nothing selected of a range", "range(100000)", "a | select('none') | list"),
            ("nothing selected of text", "'x' * 1000000", "a | select('none') | list"),
            ("nothing selected of a list", "[1] * 90000", "a | reject('number') | list"),
            ("nothing selected by attribute", "['x'] * 90000", "a | selectattr('0', 'none') | list"),
            ("empty texts joined", "[''] * 90000", "a | join"),
            ("arguments of format", "range(100000)", "'{0}'.format(*a)"),
            ("a path of format", "'{0' ~ '[0]' * 300000 ~ '}'", "a.format('x')"),
            ("signs of percent", "'%%' * 500000", "a % ()"),
            ("text as a number", "'1' * 1000000", "a | float"),
            ("bytes without what they cannot hold", "'\U0001f511' * 500000", "a.encode('ascii', 'ignore')"),
            ("text asked for its letters", "'a' * 1000000", "a.isalpha()"),
            ("text counted", "'a' * 1000000", "a.count('b')"),
            ("text in lower case", "'a' * 1000000", "a is lower"),
            ("a tuple hashed", "(1,) * 90000", "{a: 1}[a]"),
        )
    }
    | {
        "arguments of a macro": "{% macro m() %}{{ varargs | length }}{% endmacro %}{% set a = range(100000) %}"
        + _LOOP
        + "{% set b = m(*a) %}{% endfor %}",
        "texts searched in a range": "{{ range(99999) | map('string') | select('in', range(99999)) | list | length }}",
        "urlize with a long target": "{{ ('http://a.bc ' * 80000) | urlize(target='x' * 800000) | length }}",
        "urlize with schemes": "{{ ('a ' * 400000) | urlize(extra_schemes=['ab:'] * 60000) | length }}",
    }
)
PATHS = {
    "empty lists": path("map(&map(&($[]), $), list)".replace("$", "`" + json.dumps([[]] * 900) + "`")),
    "doubled lists": path("|".join(["[@,@]"] * 22)),
    "doubled lists, longer": path("|".join(["[@,@]"] * 200)),
    "doubled objects": path("|".join(["{a: @, b: @}"] * 40)),
    "doubled text": path("a|" + "|".join(["join('',[@,@])"] * 26) + "|length(@)"),
    "text with a separator": path("join(join('', list), list) | [@,@,@,@,@,@,@,@] | join(@[0], @)"),
    "doubled by map": path("|".join(["map(&[@,@], [@,@])"] * 15)),
    "doubled by to_string": path("|".join(["to_string([@,@])"] * 25)),
    "doubled by merge": path("|".join(["merge({a: @}, {b: @})"] * 30)),
    "doubled by flattening": path("|".join(["[@,@][]"] * 30)),
    "doubled in projections": path("list" + "".join(["|[*].[@,@][]"] * 25)),
    "doubled and sorted": path("list" + "|".join(["", *["sort([@,@][])"] * 25])),
    "doubled and sorted by": path("list" + "|".join(["", *["sort_by([@,@][], &@)"] * 25])),
    "doubled and compared": path("|".join(["[@,@]"] * 30) + "|" + "@ == @"),
    "doubled and looked up": path("|".join(["[@,@]"] * 18) + "|contains(@, @[0])"),
    "doubled by dataFrom": {"data": {}, "dataFrom": [{"from": "db", "path": "|".join(["{a: @, b: @}"] * 30)}]},
    "all by all": path("list[?contains(`" + json.dumps(["x"] * 900) + "`, @)] | [?@ == `1`]"),
    "projections of projections": path("[list,list,list,list][].[@,@,@][]" + "|[@,@,@,@][].[@,@,@][]" * 8),
    "compared by order": path("list" + "|[@[0] < @[1], @[0] == @[1], @, @][]" * 30),
    "all visited": path("map(&map(&map(&a, $), $), list)".replace("$", "`" + json.dumps([1] * 900) + "`")),
    "slices of a list": path("list" + "|[@,@][]|[::1]" * 30),
    "many expressions in many templates": {
        "data": {f"k{number}": {"template": "{{ cluster }}" * 8_000 + str(number)} for number in range(9)}
    },
    "many small templates": {"data": {f"k{number}": {"template": "{{ db.a }}"} for number in range(9000)}},
    "a long path": path("|".join(["[@,@,@]"] * 900)),
}
_TWICE = {"regexp": {"source": "(.+)", "target": "$1$1"}}
_EACH = {"regexp": {"source": "(.)", "target": "$1"}}
_ALL_READ = {"regexp": {"source": "a.*b|(a)", "target": "$1"}}
_MANY_STATES = {"regexp": {"source": "((?:a|b)*a(?:a|b){900}c)|a|b", "target": "$1"}}
_MANY_GROUPS = {"regexp": {"source": "()" * 490 + "a", "target": "b"}}
_MANY_REFERENCES = {"regexp": {"source": "(c)?a", "target": "$1" * 500}}


PROPERTIES = {
    "each of each": _property("list" + ".#.@this|@this" * 900),
    "queries in queries": _property("list" + '|#(!="x")#' * 600),
    "patterns of items": _property('list|#(%"*i*t*e*m*-*?*?x*")#', times=900),
    "looked up again and again": _property("list.999", times=900),
    "the document again and again": _property("|".join(["@this"] * 180), times=900),
    "all members again and again": {"data": {}, "dataFrom": [{"from": "db", "property": "@this"}] * 900},
    "JSON in JSON again and again": {"data": {}, "dataFrom": [{"from": "db", "property": "text"}] * 900},
}
_COUNT = {"data": {"count": {"from": "db", "property": "list.#"}}}
VARIABLES = {
    "all members again and again": {"variables": {"dataFrom": [{"from": "db", "property": "@this"}] * 900}},
    "a loop over variables": template(
        "{% for a in range(variables.count | int) %}{% for b in range(variables.count | int) %}{% endfor %}{% endfor %}"
    )
    | {"variables": _COUNT},
    "loops over all of them": template(
        "{% for a in variables %}{% for b in variables %}{% for c in variables %}{% endfor %}{% endfor %}{% endfor %}"
    )
    | {"variables": {"data": {f"v{number}": {"value": "x"} for number in range(900)}}},
    "YAML again and again": {"data": {}, "dataFrom": [{"template": "{{ ('a: ' ~ 'x' * 9000) }}"}] * 900},
    "a deep text of YAML": {"data": {}, "dataFrom": [{"template": "{{ '[' * 400000 }}"}] * 9},
    "a loop in what makes keys": {"data": {}, "dataFrom": [{"template": _LOOP + "{% endfor %}"}] * 9},
    "merged again and again": keys(
        {"exclude": "^[abdl]$|^list|deep"}, *[{"merge": {"into": "x", "conflicts": "overwrite"}}] * 99
    ),
}
for _parts in VARIABLES.values():
    _parts.setdefault("data", {"k": {"value": "x"}})


KEYS = {
    "doubled keys": keys(*[_TWICE] * 25),
    "regular expressions in many keys": {
        "data": {},
        "dataFrom": [
            {"from": "db", "path": json.dumps(dict.fromkeys(map(str, range(900)), 1)).join("``"), "keys": [_EACH] * 25}
        ]
        * 20,
    },
    "doubled keys with a long target": keys(*[{"regexp": {"source": "(.+)", "target": "$1" * 500}}] * 5),
    "each letter": keys(*[{"regexp": {"source": ".", "target": "x" * 900}}] * 5),
    "empty matches": keys(*[{"regexp": {"source": "", "target": "x" * 900}}] * 5),
    "doubled by templates": keys(*[{"template": "{{ key }}{{ key }}"}] * 25),
    "a loop for each key": keys({"template": _LOOP + "{% endfor %}{{ key }}"}),
    "prefixes": keys(*[{"addPrefix": "x" * 900}] * 25),
    "loops in many keys": {
        "data": {f"k{number}": {"template": "{% for i in range(90000) %}{% endfor %}"} for number in range(100)}
    },
    "a loop in a label": {"data": {"k": {"value": "x"}}, "labels": {"a": {"template": _LOOP + "{% endfor %}"}}},
    "text in an annotation": {"data": {"k": {"value": "x"}}, "annotations": {"a": {"template": "{{ 'x' * 1000000 }}"}}},
}
LONG_KEYS = {
    "a name of 63,000 characters": (_EACH, {"a" * 63_000: 1}),
    "each letter of many keys": (_EACH, {"a" * 200 + str(key): 1 for key in range(300)}),
} | {
    name: (rule, {"a" * 4000 + str(key): 1 for key in range(16)})
    for name, rule in {
        "each letter": _EACH,
        "all read for each match": {"regexp": {"source": "a.*b|(a)", "target": "$1"}},
        "many states": {"regexp": {"source": "((?:a|b)*a(?:a|b){900}c)|a|b", "target": "$1"}},
        "many groups": {"regexp": {"source": "()" * 490 + "a", "target": "b"}},
        "many references": {"regexp": {"source": "(c)?a", "target": "$1" * 500}},
    }.items()
}
"""Rules for keys, each with the document that they rename."""
BOMBS: dict[str, dict[str, Any]] = {
    **{name: template(text) for name, text in TEMPLATES.items()},
    **PATHS,
    **{f"keys, {name}": parts for name, parts in KEYS.items()},
    **{f"properties, {name}": parts for name, parts in PROPERTIES.items()},
    **{f"variables, {name}": parts for name, parts in VARIABLES.items()},
    **{f"long keys, {name}": keys(*[rule] * 25) for name, (rule, _) in LONG_KEYS.items()},
}
DOCUMENTS = {f"long keys, {name}": document for name, (_, document) in LONG_KEYS.items()}
"""Bomb → the document that it is rendered with, in place of DOCUMENT."""


def build_mapping(parts: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a mapping with such parts of its Secret."""
    return {
        "apiVersion": "keyferry.dev/v1",
        "kind": "SecretMapping",
        "metadata": {"name": "bomb"},
        "spec": {
            "sources": {"db": {"secretsManager": "prod/db"}},
            "clusters": ["prod-eu"],
            "namespaces": ["payments"],
            "secret": {"name": "bomb", **parts},
        },
    }


def run(name: str) -> dict[str, object]:
    """Render a bomb, and return what became of it."""
    started = time.process_time()
    try:
        mapping = SecretMapping.model_validate(build_mapping(BOMBS[name]))
        source = SourceValue(SecretValue(json.dumps(DOCUMENTS.get(name, DOCUMENT)).encode()), "version-1")
        rendered = render(mapping, {"db": source}, Place("prod-eu", "payments"))
        said = f"rendered {sum(map(len, rendered.data.values()))} bytes"
    except (KeyferryError, ValueError) as error:
        said = f"{type(error).__name__}: {error}"
    return {"name": name, "said": said, "seconds": time.process_time() - started, "mebibytes": _read_peak_mebibytes()}


def _read_peak_mebibytes() -> int:
    """Return the most memory that this process has had; getrusage counts what it was forked from as well."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def run_all(names: list[str]) -> Iterator[dict[str, object]]:
    """Yield what became of each bomb."""
    yield from map(run, names)


if __name__ == "__main__":
    for result in run_all(sys.argv[1:] or list(BOMBS)):
        print(json.dumps(result), flush=True)
