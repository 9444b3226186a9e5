"""Random paths of gjson, with most of what its syntax has, as `property` of an ExternalSecret takes them."""

import json
import re
from typing import Any

from hypothesis import strategies as st

from tests.oracle.documents import NAMES, documents

_SPECIAL = re.compile(r"([.*?|#@!{}\[\]()=<>%~\"\\])")
_COMPARISONS = ("==", "=", "!=", "<", "<=", ">", ">=", "%", "!%")
_VALUES = (
    *('"x"', "1", "1.50", "true", "null", '"a*"', '"*"', "~true", "~false", "~null", "~*", "x", '""', "5432", '"1"'),
)
_MODIFIERS = (
    "@this",
    "@reverse",
    "@ugly",
    "@valid",
    "@flatten",
    "@keys",
    "@values",
    "@tostr",
    "@fromstr",
    "@x",
    '@pretty:{"a":1}',
)


def _escape(name: str) -> str:
    return _SPECIAL.sub(r"\\\1", name)


_names = st.sampled_from(("a", "b", "user", "0", "1", "-1", "é", "a-b"))
_escaped = st.sampled_from([_escape(name) for name in NAMES])
_raw = st.sampled_from(NAMES)
_wild = st.sampled_from(("*", "a*", "?", "us*r", "*.a", r"a\*", "**"))
_counts = st.sampled_from(("#", "0", "1", "2", "00", "+1"))


def _query(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    compared = st.tuples(inner | st.just(""), st.sampled_from(_COMPARISONS), st.sampled_from(_VALUES)).map("".join)
    spaced = st.tuples(inner, st.sampled_from(_COMPARISONS), st.sampled_from(_VALUES)).map(" ".join)
    return st.tuples(compared | spaced | inner, st.sampled_from((")", ")#"))).map(
        lambda parts: f"#({parts[0]}{parts[1]}"
    )


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(".".join),
        pairs.map(".".join),
        pairs.map(".".join),
        pairs.map("|".join),
        st.tuples(inner, st.sampled_from((".#", "|#", ".", "|", ".#.a", ".0", "|0"))).map("".join),
        _query(inner),
    )


plain = st.lists(_names | _escaped | _counts, min_size=1, max_size=4).map(".".join)
rich = st.recursive(_names | _escaped | _counts | _wild | _raw, _grow, max_leaves=4)
strange = (
    st.tuples(st.sampled_from(_MODIFIERS), st.sampled_from(("", ".", "|")), rich).map("".join)
    | st.tuples(rich, st.sampled_from((".", "|")), st.sampled_from(_MODIFIERS)).map("".join)
    | st.tuples(
        st.sampled_from(("{a,b}", "[a,b]", '{"x":a}', "!1", '!"x"', "..", "..0", "..#", "..#.a")),
        st.sampled_from(("", ".")),
        rich,
    ).map("".join)
    | st.text('ab.#|*?\\()[]{}=!@"~0 ', max_size=8)
)
paths = plain | rich | strange


@st.composite
def guided(draw: st.DrawFn) -> tuple[str, str]:
    """Return a document, and a path of which most steps are there."""
    document = draw(documents)
    steps, value, depth = list[str](), json.loads(document), draw(st.integers(1, 4))
    for _ in range(depth):
        step, value = _draw_step(draw, value)
        steps.append(step)
    return document, draw(st.sampled_from((".", ".", "|"))).join(steps) if steps else "@this"


def _draw_step(draw: st.DrawFn, value: Any) -> tuple[str, Any]:  # noqa: ANN401  # JSON is anything
    """Return a step into a value, and what is there."""
    if isinstance(value, dict) and value:
        name = draw(st.sampled_from(sorted(value)))
        wild = "?".join([_escape(name[:1]), "*"]) if len(name) > 1 else "*"
        return draw(st.sampled_from((_escape(name), _escape(name), name, wild, f"{_escape(name[:1])}*"))), value[name]
    if isinstance(value, list) and value:
        number = draw(st.integers(0, len(value) - 1))
        item = value[number]
        key = _escape(draw(st.sampled_from(sorted(item)))) if isinstance(item, dict) and item else ""
        compared = (
            f"{key}{draw(st.sampled_from(_COMPARISONS))}{draw(st.sampled_from(_VALUES) | st.just(_write(item, key)))}"
        )
        query = f"#({compared}){draw(st.sampled_from(('', '#')))}"
        return draw(st.sampled_from((str(number), str(number), "#", f"#.{key}", query, query, f"#({key})#"))), item
    return draw(_names | _counts | _wild), value


def _write(item: Any, key: str) -> str:  # noqa: ANN401  # as above
    """Return a value to compare with that may be equal."""
    return json.dumps(item.get(key) if isinstance(item, dict) else item)
