"""What is given is read as Kubernetes reads it; what cannot be read is named by file and line, and the rest goes on."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.cli.migrate.conversions import convert_all
from keyferry.cli.migrate.manifests import MAX_BYTES, Reading, parse, read
from keyferry.cli.migrate.model import EXTERNAL_SECRETS, Estate, Options
from keyferry.errors import InvalidInput

WHOLE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-west-1, role: "arn:aws:iam::111122223333:role/a"}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: db
  namespace: shop
spec:
  secretStoreRef: {name: aws, kind: ClusterSecretStore}
  target: {name: db, template: {data: {a: "{{ .a | upper }}"}}}
  data:
    - secretKey: a
      remoteRef: {key: shop/db, property: a, version: AWSPREVIOUS}
  dataFrom:
    - extract: {key: shop/all}
      rewrite: [{regexp: {source: "(.*)", target: "x_$1"}}]
"""


def reading_of(text: str | bytes) -> Reading:
    """Return what is read of the content of a file."""
    reading = Reading()
    parse("a.yaml", text if isinstance(text, bytes) else text.encode(), reading)
    return reading


def broken(text: str | bytes) -> str:
    """Return what is said of the one document that cannot be read."""
    reading = reading_of(text)
    assert reading.manifests == []
    (problem,) = reading.broken
    return str(problem)


def test_documents_and_lists_are_read_with_their_lines() -> None:
    text = "# nothing\n---\nkind: A\n---\nkind: List\nitems:\n- kind: B\n- kind: C\n  spec: {x: 1}\n--- \nkind: D\n"
    found = reading_of(text).manifests
    assert [(each.kind, each.line) for each in found] == [("A", 3), ("B", 7), ("C", 8), ("D", 11)]
    assert found[2].locate("spec", "x") == "a.yaml:9"
    assert found[2].locate("spec", "other", 0) == "a.yaml:9"


def test_objects_of_a_list_as_the_api_server_answers_have_the_kind_of_the_list() -> None:
    text = "apiVersion: external-secrets.io/v1\nkind: ExternalSecretList\nitems:\n- metadata: {name: db}\n"
    [manifest] = reading_of(text).manifests
    assert (manifest.group, manifest.kind, manifest.name, manifest.line) == (
        EXTERNAL_SECRETS,
        "ExternalSecret",
        "db",
        4,
    )


def test_a_broken_document_does_not_stop_the_others() -> None:
    reading = reading_of("kind: A\n---\na: [\n---\nkind: B\n")
    assert [each.kind for each in reading.manifests] == ["A", "B"]
    assert [problem.line for problem in reading.broken] == [3]


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_it() -> None:
    (found,) = reading_of(b"\xef\xbb\xbfkind: A\r\ntext: |\r\n  one\r\n  two\r\n").manifests
    assert found.body == {"kind": "A", "text": "one\ntwo\n"}


def test_a_text_at_the_end_of_a_document_keeps_its_line_end() -> None:
    assert [each.body["t"] for each in reading_of("t: |\n  a\n---\nt: |\n  b").manifests] == ["a\n", "b\n"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1", "a.yaml:2:1: not YAML: .*begins with a tab"),
        ("a: {{ENV}}", r"a.yaml:1:1: .*placeholder.*helm template … \| keyferry migrate -"),
        ("{{- if .Values.a }}\na: 1\n{{- end }}", "a.yaml:1:1: .*placeholder"),
        ("a: 1\na: 2", "a.yaml:2:1: a is given twice"),
        ('a: "{{ .user }}"\na: 2', "a.yaml:2:1: a is given twice; keep one of them$"),
        ('a: "{{ .Values.user }}"\na: 2', "a.yaml:2:1: a is given twice.*placeholders"),
        ("just text", "a.yaml:1:1: no object of Kubernetes"),
        ("kind: List\nitems: [5]", "a.yaml:2:1: no object of Kubernetes"),
        (b"a: \xff", "a.yaml:1:1: not UTF-8"),
        ("a: \x01", "a.yaml:1:1: a control character"),
        ("a: &a [*a]", "part of itself"),
        ("a: !!binary aGk=", "a tag"),
        (b"a: " + b"x" * MAX_BYTES, "more than 64 MiB"),
    ],
)
def test_what_cannot_be_read_is_named(text: str | bytes, said: str) -> None:
    problem = broken(text)
    assert re.search(said, problem), problem


def test_letters_that_are_booleans_for_go_are_text_in_manifests() -> None:
    (found,) = reading_of("a: y\nn: b\nc: yes\n").manifests
    assert found.body == {"a": "y", "n": "b", "c": True}


def test_a_folder_is_read_by_name_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "deep/c.json", "x.txt", ".git/d.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'{{"kind": "{name}"}}')
    assert [each.kind for each in read([str(tmp_path)]).manifests] == ["a.yml", "b.yaml", "deep/c.json"]


def test_standard_input_has_a_name_of_its_own() -> None:
    (found,) = read(["-"], b"kind: A").manifests
    assert found.locate() == "-:1"


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file or folder"):
        read([str(tmp_path / "absent")])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_file_has_every_refusal_is_a_sentence_with_a_line(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    length = data.draw(st.integers(0, 30))
    put = data.draw(
        st.sampled_from(
            ["", "{", "[", ": ", "\n", "\t", "- ", "null", "5", "yes", "'", "{{ x }}", "${y}", "&a *a", "é"]
        )
    )
    reading = reading_of(WHOLE[:start] + put + WHOLE[start + length :])
    for problem in reading.broken:
        assert problem.line >= 1
        assert problem.message
    estate = Estate(reading.manifests, Options(clusters=["prod-eu"]))
    for outcome in convert_all(estate).outcomes:
        assert outcome.state != "converted" or outcome.conversions
        for reason in outcome.refusals:
            assert len(reason.what) > 5
            assert reason.remedy
            assert outcome.manifest.line_of(*reason.path) >= 1


def test_of_a_file_without_end_no_more_is_read_than_shows_that_it_is_too_large() -> None:
    assert "/dev/zero:1:1: has more than 64 MiB" in str(read(["/dev/zero"]).broken[0])
