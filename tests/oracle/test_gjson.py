"""What a property finds is what the operator finds by gjson, byte for byte; or the path is refused."""

from hypothesis import given
from hypothesis import strategies as st

from keyferry.budget import Budget
from keyferry.formats import gjson, jsontext
from tests.oracle import gjson_paths
from tests.oracle.ask import Answer, Oracle
from tests.oracle.conftest import COMPARED
from tests.oracle.documents import documents

REFUSED = "refused"


def find(path: str, document: str, *, is_property: bool) -> str | None:
    """Return the text that our entry has; None where it finds nothing, and REFUSED for what is an error before."""
    try:
        gjson.check(path)
        jsontext.parse(document.encode())
        found = (gjson.select if is_property else gjson.get)(document, path, Budget())
    except (ValueError, gjson.Unsupported):
        return REFUSED
    return None if found is None else found.text


def show(answer: Answer) -> str | None:
    """Return what the original finds: a text, or None for nothing."""
    return answer.text.decode(errors="replace") if answer.exists else None


@given(drawn=st.tuples(documents, gjson_paths.paths) | gjson_paths.guided())
def test_a_path_finds_what_gjson_finds(oracle: Oracle, drawn: tuple[str, str]) -> None:
    document, path = drawn
    ours = find(path, document, is_property=False)
    COMPARED["paths of gjson, refused" if ours == REFUSED else "paths of gjson"] += 1
    if ours != REFUSED:
        assert ours == show(oracle.ask("gjson", text=document, path=path))


@given(drawn=gjson_paths.guided())
def test_a_property_is_first_a_key_with_dots_and_then_a_path(oracle: Oracle, drawn: tuple[str, str]) -> None:
    document, path = drawn
    ours = find(path, document, is_property=True)
    COMPARED["properties, refused" if ours == REFUSED else "properties"] += 1
    if ours != REFUSED:
        assert ours == show(oracle.ask("property", text=document, path=path))


@given(document=st.one_of(gjson_paths.documents_in_text, gjson_paths.lines), path=gjson_paths.plain)
def test_what_is_no_json_is_refused(document: str, path: str) -> None:
    """Gjson finds something in much that is no JSON; a refusal is no other Secret."""
    COMPARED["properties of what may be no JSON"] += 1
    try:
        jsontext.parse(document.encode())
    except ValueError:
        assert find(path, document, is_property=True) == REFUSED
