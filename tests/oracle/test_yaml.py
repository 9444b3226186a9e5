"""YAML is read as kubectl reads manifests, and as External Secrets reads templates that make keys; or it is refused."""

import json

from hypothesis import given
from hypothesis import strategies as st

from keyferry.formats import goyaml
from tests.oracle import yaml_texts
from tests.oracle.ask import Oracle
from tests.oracle.conftest import COMPARED


@given(text=yaml_texts.texts)
def test_a_document_is_what_kubectl_reads(oracle: Oracle, text: str) -> None:
    try:
        ours, _ = goyaml.parse(text, 1)
    except goyaml.InvalidYaml:
        COMPARED["YAML, refused"] += 1
        return
    answer = oracle.ask("yaml", text=text)
    COMPARED["YAML"] += 1
    assert (answer.error, json.loads(answer.text or "null", parse_int=_read_integer)) == ("", ours)


def _read_integer(text: str) -> int | float:
    """Return what Go writes as an integer: also a fraction without one, which has no more digits than 64 bits."""
    return int(text) if -(2**63) <= int(text) < 2**64 else float(text)


@given(text=yaml_texts.texts | st.tuples(st.just("a: "), yaml_texts.scalars).map("".join))
def test_the_keys_of_a_template_are_what_the_original_reads(oracle: Oracle, text: str) -> None:
    try:
        ours = goyaml.parse_texts(text)
    except ValueError:
        COMPARED["YAML of keys, refused"] += 1
        return
    answer = oracle.ask("keysAndValues", text=text)
    COMPARED["YAML of keys"] += 1
    assert (answer.error, {key: value.decode() for key, value in answer.values.items()}) == ("", ours)
