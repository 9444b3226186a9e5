"""Random JMESPath expressions."""

import json

from hypothesis import strategies as st

from tests.oracle.documents import NAMES, documents, objects, texts

_FUNCTIONS = (
    *("abs", "avg", "ceil", "floor", "keys", "length", "max", "min", "not_null", "reverse", "sort", "sum"),
    *("to_array", "to_number", "to_string", "type", "values"),
)
_PAIRS = ("contains", "ends_with", "join", "starts_with")
_BY = ("max_by", "min_by", "sort_by")
_identifiers = st.sampled_from(("a", "b", "user", "é", "a-b", "0"))
_names = _identifiers | st.sampled_from([json.dumps(name) for name in NAMES])
_literals = (
    texts.map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
    | st.sampled_from(
        ("`1`", "`1.0`", "`true`", "`null`", '`"x"`', "`[1, 2]`", "`{}`", "`foo`", "` 1 `", "'\\\\'", "'é'")
    )
    | texts.map(lambda text: f"`{json.dumps(text)}`")
)
_indexes = st.integers(-3, 3).map(lambda index: f"[{index}]")
_slices = st.tuples(*[st.none() | st.integers(-3, 3)] * 3).map(
    lambda parts: "[" + ":".join("" if part is None else str(part) for part in parts) + "]"
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    compare = st.tuples(inner, st.sampled_from(("==", "!=", "<", "<=", ">", ">=")), inner).map(" ".join)
    return st.one_of(
        two.map(".".join),
        st.tuples(inner, _indexes | _slices | st.sampled_from(("[]", "[*]", ".*"))).map("".join),
        two.map(lambda pair: f"{pair[0]} | {pair[1]}"),
        two.map(lambda pair: f"{pair[0]} || {pair[1]}"),
        two.map(lambda pair: f"{pair[0]} && {pair[1]}"),
        compare,
        st.tuples(inner, inner | compare).map(lambda pair: f"{pair[0]}[?{pair[1]}]"),
        inner.map(lambda one: f"!{one}"),
        inner.map(lambda one: f"({one})"),
        two.map(lambda pair: f"[{pair[0]}, {pair[1]}]"),
        two.map(lambda pair: f"{{a: {pair[0]}, b: {pair[1]}}}"),
        st.tuples(st.sampled_from(_FUNCTIONS), inner).map(lambda call: f"{call[0]}({call[1]})"),
        st.tuples(st.sampled_from(_PAIRS), inner, inner).map(lambda call: f"{call[0]}({call[1]}, {call[2]})"),
        st.tuples(st.sampled_from(_BY), inner, inner).map(lambda call: f"{call[0]}({call[1]}, &{call[2]})"),
        two.map(lambda pair: f"map(&{pair[0]}, {pair[1]})"),
        two.map(lambda pair: f"merge({pair[0]}, {pair[1]})"),
    )


expressions = st.recursive(_names | _literals | st.sampled_from(("@", "*", "[*]", "[0]", "[]")), _grow, max_leaves=5)
simple = st.lists(_names | _indexes, min_size=1, max_size=4).map(lambda steps: ".".join(steps).replace(".[", "["))


_AROUND = (
    *(
        "{}",
        "{}",
        "{} | @",
        "{} || 'x'",
        "not_null({}, 'x')",
        "join(',', [{0}, {0}])",
        "reverse({})",
        "[{}][0]",
        "({})",
    ),
    *(
        "{{a: {}}}.a",
        "[`1`, {}][1]",
        "to_array({})[-1]",
        "max([{}, 'b'])",
        "type({})",
        "[{}] | [0]",
        "starts_with({}, 'x') && 'y'",
    ),
    *("sort([{}, 'p'])[0]", "map(&@, [{}]) | [0]", "[{0}, {0}][?@ != `null`] | [0]", "contains({}, 'x') && 'c' || 'n'"),
    *("sort_by([{{k: {}}}], &k)[0].k", "merge({{a: 'b'}}, {{a: {}}}).a", "max_by([{{k: {}}}], &k).k", "[[{}]][] | [0]"),
    *(
        "to_string({})",
        "to_string({})",
        "to_string([{}])",
        "to_string({{b: {}, a: `1.50`}})",
        "to_string(to_number({}))",
    ),
    *("ends_with({}, '') && length({}) >= `0` && 'e'", "[{}, 'z'][0:1] | [0]", "!{} && 'f' || 't'", "min(['z', {}])"),
)


@st.composite
def guided(draw: st.DrawFn) -> tuple[str, str]:
    """Return a document, and an expression that finds something there."""
    document = draw(objects | documents)
    value, path = json.loads(document), ""
    for _ in range(draw(st.integers(1, 4))):
        if isinstance(value, dict) and value:
            texts_first = sorted(value, key=lambda name: (not isinstance(value[name], str), name))
            name = texts_first[draw(st.integers(0, len(value) // 2))]
            written = name if name in ("a", "b", "user") else json.dumps(name, ensure_ascii=draw(st.booleans()))
            value, path = value[name], f"{path}.{written}" if path else written
        elif isinstance(value, list) and value:
            index = draw(st.integers(-len(value), len(value) - 1))
            value, path = value[index], f"{path}[{index}]"
    return document, draw(st.sampled_from(_AROUND)).format(path or "@", path or "@")
