"""What the JSON text says is what arrives: any document, and any path into it."""

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import SourceUnusable
from tests.unit.samples import mapping, rendered, value


@dataclass(frozen=True)
class Node:
    """A part of a document."""

    written: str
    """Its text in the document, with white space and escapes as they may be."""
    inside: str
    """Its text where an object or array that holds it arrives."""
    arrives: str | None
    """What a path that ends here brings; None where that is nothing."""
    parts: dict[str, "Node"] = field(default_factory=dict)
    """The next step of a path → what is there."""

    def paths(self, before: str = "") -> list[tuple[str, "Node"]]:
        """Return every path into it, and what is there."""
        found = [(before, self)] if before else []
        for step, part in self.parts.items():
            joined = f"{before}.{step}" if before and not step.startswith("[") else before + step
            found += part.paths(joined)
        return found


def scalar(text: str) -> Node:
    return Node(text, text, None if text == "null" else text)


def text_node(text: str, *, ascii_only: bool) -> Node:
    return Node(json.dumps(text, ensure_ascii=ascii_only), json.dumps(text, ensure_ascii=False), text)


def array(items: list[Node], space: str) -> Node:
    inside = "[" + ",".join(each.inside for each in items) + "]"
    written = "[" + space + f",{space}".join(each.written for each in items) + "]"
    return Node(written, inside, inside, {f"[{number}]": each for number, each in enumerate(items)})


def obj(pairs: dict[str, Node], space: str) -> Node:
    def quoted(key: str) -> str:
        return json.dumps(key, ensure_ascii=False)

    inside = "{" + ",".join(f"{quoted(key)}:{each.inside}" for key, each in pairs.items()) + "}"
    written = "{" + ",".join(f"{space}{json.dumps(key)}{space}:{each.written}" for key, each in pairs.items()) + "}"
    return Node(written, inside, inside, {quoted(key): each for key, each in pairs.items()})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SPACES = st.sampled_from(["", " ", "\n\t"])
NUMBERS = st.one_of(
    st.integers().map(str),
    st.from_regex(
        r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True, alphabet="-+.eE0123456789"
    ),
    st.sampled_from(["1.50", "-0", "12345678901234567890"]),
)
DOCUMENTS = st.recursive(
    st.one_of(
        NUMBERS.map(scalar),
        st.sampled_from(["true", "false", "null"]).map(scalar),
        st.builds(text_node, TEXTS, ascii_only=st.booleans()),
    ),
    lambda inner: (
        st.builds(array, st.lists(inner, max_size=4), SPACES)
        | st.builds(obj, st.dictionaries(TEXTS, inner, max_size=4), SPACES)
    ),
    max_leaves=12,
).filter(lambda node: bool(node.parts))


@given(DOCUMENTS, st.data())
def test_any_path_into_any_document_brings_what_is_written_there(whole: Node, data: st.DataObject) -> None:
    path, part = data.draw(st.sampled_from(whole.paths()))
    wanted = mapping(data={"key": {"from": "db", "path": path}})
    if part.arrives is None:
        with pytest.raises(SourceUnusable, match="finds nothing"):
            rendered(wanted, {"db": value(whole.written)})
    else:
        assert rendered(wanted, {"db": value(whole.written)})["key"].reveal().decode() == part.arrives


@given(DOCUMENTS)
def test_a_document_arrives_as_it_is_where_it_is_taken_whole(whole: Node) -> None:
    wanted = mapping(data={"key": {"from": "db"}, "same": {"from": "db", "path": "@"}})
    made = rendered(wanted, {"db": value(whole.written)})
    assert (made["key"].reveal().decode(), made["same"].reveal().decode()) == (whole.written, whole.inside)
