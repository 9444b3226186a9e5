"""What a JMESPath of a SecretProviderClass finds is what the AWS provider finds, by go-jmespath; or it is refused."""

import warnings

from hypothesis import given

from keyferry.budget import Budget
from keyferry.cli.migrate.jmespaths import find_difference
from keyferry.formats import jmespath, jsontext
from keyferry.render.data.values import write_as_go
from tests.oracle import jmespaths
from tests.oracle.ask import Oracle
from tests.oracle.conftest import COMPARED
from tests.oracle.documents import documents


def find_text(path: str, document: str) -> str | None:
    """Return the text that our entry with `type: string` has; None for an error of it, or of the conversion."""
    with warnings.catch_warnings(action="ignore"):
        try:
            jmespath.check(path)
            found = (
                None
                if find_difference(path)
                else jmespath.search(path, jsontext.parse(document.encode()), Budget(), write_as_go)
            )
        except Exception:
            return None
    return found if isinstance(found, str) else None


PATHS = jmespaths.simple | jmespaths.expressions


@given(path=PATHS | PATHS.map("{} | [0]".format) | PATHS.map("to_string({})".format), document=documents)
def test_a_path_finds_the_text_that_the_original_finds(oracle: Oracle, path: str, document: str) -> None:
    text = find_text(path, document)
    answer = oracle.ask("jmespath", text=document, path=path)
    COMPARED["paths of the CSI driver"] += 1
    if text is not None:
        assert answer.kind == "string", answer
        assert jsontext.parse(answer.text) == text
