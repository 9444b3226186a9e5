"""Whatever the files and events hold: a mapping or clear problems, a change or a reason; no traceback, no hang."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.cli.commands.prepare.explain import explain_document
from keyferry.cli.unwrap import Document, unwrap
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.model import Delivery
from keyferry.stores.envelope import Ignored
from keyferry.stores.events import parse
from tests.unit.samples import ACCOUNT, cluster, mapping
from tests.unit.test_cli_policies import POLICY
from tests.unit.test_files import CLUSTERS, MAPPING

ROOT = Path(__file__).resolve().parents[2]
SHARED = [HealthCheck.function_scoped_fixture]
bounded = settings(max_examples=200, deadline=timedelta(seconds=10), suppress_health_check=SHARED)

FULL = """\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata:
  name: payments-db
spec:
  sources:
    db: {secretsManager: prod/payments/db, region: eu-west-1}
    team: {parameterStore: "/teams/${namespace}/tls", label: live}
    arn: {secretsManager: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared/ca-a1B2c3"}
  clusters: {matchLabels: {env: prod}, matchExpressions: [{key: a, operator: NotIn, values: [b]}]}
  namespaces: [payments, {names: [team-*], matchLabels: {a: b}, exclude: [team-x]}]
  secret:
    name: payments-db
    type: Opaque
    labels: {app: payments, env: {template: "{{ cluster }}"}}
    annotations: {example.com/owner: "{{ namespace }}"}
    data:
      password: {from: db, path: "a[?b].c | [0]", default: canary-default, decode: base64}
      mode: {value: canary-value}
      url: {template: "postgres://{{ db.username }}:{{ db.password | urlencode }}@{{ arn }}"}
      whole: {from: team}
    dataFrom:
      - from: db
        path: settings
        keys:
          - {regexp: {source: "^(.+)$", target: "x$1"}}
          - {stripPrefix: a}
          - {addPrefix: b}
          - {case: upper}
          - {template: "{{ key }}"}
        invalidCharacters: replace
  restart: [{kind: Deployment, name: api}]
"""

TEXTS = st.sampled_from(
    [
        *("", "a", "db", "prod-eu", "payments", "auto", "Opaque", "keyferry.dev/v1", "SecretMapping", "Clusters"),
        *("{{", "{{ db.x }}", "{% for %}", "${namespace}", "${x}", "a[", "lenght(@)", "(.*", "$9", "arn:aws:", "*"),
        *("1.50", "null", "\x00", "\n", "\ufeff", "ü", "\U0001f511", "a" * 300, "/", "..", "%s", "[key]", "0"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
YAML_PARTS = st.sampled_from(
    [
        *(
            "a: ",
            "- ",
            "\n",
            "  ",
            "    ",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ": ",
            "? ",
            "&x ",
            "*x ",
            "!t ",
            "!!python/name:os ",
        ),
        *(
            "!!binary ",
            "!!set ",
            "!!timestamp ",
            "'",
            '"',
            "|\n",
            ">-\n",
            "---\n",
            "...\n",
            "\t",
            "#",
            "<<: ",
            "=",
            "~",
        ),
        *("%YAML 1.1\n", "%TAG ! x\n", "1e400", "2024-01-01", "2024-99-99", "0x", "1:30", ".inf", "on: ", "\ufeff"),
        *(
            "\x00",
            "\x85",
            "\u2028",
            "\ud800",
            "\\x",
            "kind: SecretMapping\n",
            "kind: Policy\n",
            "spec:\n",
            "ü",
            "@",
            "`",
        ),
    ]
)


def judged(folder: Path, content: bytes, file: str = "fuzzed.yaml") -> list[str]:
    """Return what is said of a folder in which one file holds this; nothing else may be raised."""
    path = folder / file
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(content)
    try:
        catalog, problems = files.check(folder)
    except InvalidFiles as error:
        problems = error.problems
        assert problems
    else:
        compiled = catalog.model_dump_json(by_alias=True, exclude_defaults=True)
        assert Catalog.model_validate_json(compiled) == catalog
    finally:
        path.unlink() if before is None else path.write_bytes(before)
    for each in problems:
        assert each.line >= 1
        assert each.column >= 1
        assert each.message.strip()
    return [each.message for each in problems]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    return tmp_path


def paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Yield the path of every part of a document."""
    yield path
    if isinstance(document, dict | list):
        for key, each in document.items() if isinstance(document, dict) else enumerate(document):
            yield from paths(each, (*path, key))


def changed(document: Any, path: tuple[Any, ...], new: Any, how: str) -> Any:  # noqa: ANN401
    """Return a document of which one part is replaced, taken out, or has something beside it."""
    if not path:
        return new
    document = copy.deepcopy(document)
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    if how == "take out":
        del holder[path[-1]]
    elif how == "add" and isinstance(holder, dict):
        holder[new if isinstance(new, str) else "more"] = new
    else:
        holder[path[-1]] = new
    return document


KINDS = [yaml.safe_load(text) for text in (FULL, CLUSTERS, POLICY)]
SPOTS = [(number, path) for number, document in enumerate(KINDS) for path in paths(document)]


def test_what_is_changed_below_is_right_before(folder: Path) -> None:
    assert judged(folder, FULL.encode()) == []
    assert len(SPOTS) > 100


@bounded
@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_a_problem(folder: Path, content: bytes) -> None:
    judged(folder, content)


@bounded
@given(st.lists(YAML_PARTS, max_size=30).map("".join))
def test_any_text_that_looks_like_yaml_is_a_file_or_a_problem(folder: Path, text: str) -> None:
    judged(folder, text.encode(errors="surrogatepass"))


@bounded
@given(st.sampled_from([FULL, MAPPING]), st.data())
def test_a_file_with_something_cut_or_put_in_is_right_or_a_problem(
    folder: Path, text: str, data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 40)))
    part = "".join(data.draw(st.lists(YAML_PARTS, max_size=3)))
    judged(folder, (text[:begin] + part + text[end:]).encode(errors="surrogatepass"))


@settings(bounded, max_examples=300)
@given(st.sampled_from(SPOTS), DOCUMENTS, st.sampled_from(["replace", "take out", "add"]), st.booleans())
def test_a_document_with_one_part_changed_is_right_or_told_without_a_value(
    folder: Path, spot: tuple[int, tuple[Any, ...]], new: object, how: str, as_json: bool
) -> None:
    number, path = spot
    document = changed(KINDS[number], path, new, how)
    text = json.dumps(document) if as_json else yaml.safe_dump(document, allow_unicode=True)
    file = ("fuzzed.yaml", "clusters.yaml", "policy.yaml")[number]
    assert "canary" not in "\n".join(judged(folder, text.encode(errors="surrogatepass"), file))


@bounded
@given(DOCUMENTS, st.sampled_from(["SecretMapping", "Clusters", "Policy"]))
def test_any_document_of_a_kind_is_right_or_a_problem(folder: Path, spec: object, kind: str) -> None:
    document = {
        "apiVersion": "keyferry.dev/v1",
        "kind": kind,
        "spec": spec,
        "metadata": spec,
        "clusters": spec,
        "rules": spec,
    }
    judged(folder, json.dumps(document).encode(), "policy.yaml" if kind == "Policy" else "fuzzed.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: &a [x, x]\n" + "".join(f"{n}: &{n} [*a, *a]\n" for n in "bcdefgh"), "anchors and aliases are not allowed"),
        ("a: " + "x" * 10_000_000, "a mapping file has 1,048,576 at most: split it"),
        ("{a: " * 5_000 + "}" * 5_000, "nested too deeply; a mapping has a handful of levels"),
        ("- " * 20_000, "nested too deeply; a mapping has a handful of levels"),
        ("".join(f"{' ' * n}a:\n" for n in range(1_200)), "nested too deeply; a mapping has a handful of levels"),
        ("? " * 20_000, "nested too deeply; a mapping has a handful of levels"),
        ("metadata: {name: a, name: b}", "name appears twice (first on line 1); keep one of them"),
        ("spec:\n\tsources: {}", "a tab; YAML is indented with spaces"),
        ("spec: [a,\n\t]\n\tb", "a tab; YAML is indented with spaces"),
        (MAPPING.encode("utf-16"), "UTF-16, as editors of Windows write; save the file as UTF-8"),
        (MAPPING.encode("utf-16-le"), "UTF-16, as editors of Windows write; save the file as UTF-8"),
        (b"a: \x00", "a control character; remove it"),
        (b"a: \xed\xa0\x80", "not UTF-8; save the file as UTF-8"),
        ("a: 0x" + "f" * 5_000 + "\nb: " + "9" * 5_000, "a number with too many digits; write it in quotes"),
        ("a: !!python/object/apply:os.system [x]", "tags are not allowed; write the value alone"),
        (MAPPING.replace("path: password", "path: '" + "(" * 5_000 + "'"), "nested too deeply"),
        (MAPPING.replace("path: password", "template: '" + "{{ (" * 5_000 + "'").replace("from: db, ", ""), "nested"),
        (MAPPING.replace("path: password", "template: '{{ " + "(" * 5_000 + "'").replace("from: db, ", ""), "nested"),
    ],
)
def test_what_is_made_to_break_a_reader_is_refused(folder: Path, content: str | bytes, said: str) -> None:
    found = judged(folder, content if isinstance(content, bytes) else content.encode())
    assert any(said in each for each in found), found[:3]


CATALOG = build_catalog(
    [
        mapping(),
        mapping("team", sources={"db": {"secretsManager": "teams/${namespace}/db"}}, namespaces=[{"names": ["*"]}]),
        mapping("tls", sources={"db": {"parameterStore": f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/a/${{cluster}}"}}),
    ],
    [cluster()],
)
SAMPLES = [json.loads(path.read_text()) for path in sorted((ROOT / "events").glob("*.json"))]
EVENT_SPOTS = [(number, path) for number, document in enumerate(SAMPLES) for path in paths(document)]
NAMES = st.sampled_from(
    [
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", -62135596800, 253402300799, 1e308, "rds!cluster-1"),
        *("prod/payments/db", "teams/payments/db", "teams//db", "/a/prod-eu", "a" * 5_000, "${namespace}", "\ud800"),
        *(f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:teams/payments/db-a1B2c3", "arn:aws:secretsmanager:"),
    ]
)


def routed(envelope: object) -> None:
    """Parse an event and look up what it concerns."""
    change = parse(envelope)
    if isinstance(change, Ignored):
        assert change.reason
        return
    for delivery in CATALOG.deliveries_of(change):
        assert delivery.mapping in CATALOG.mappings
        assert len(delivery.group) <= 128
        assert Delivery.model_validate_json(delivery.to_json()) == delivery
        assert len(delivery.deduplication_id) == 64
        assert (datetime.now(UTC) - delivery.time).total_seconds()


@bounded
@given(DOCUMENTS)
def test_any_document_is_an_event_or_none(document: object) -> None:
    routed(document)


@settings(bounded, max_examples=300)
@given(st.sampled_from(EVENT_SPOTS), NAMES | DOCUMENTS, st.sampled_from(["replace", "take out", "add"]))
def test_an_event_with_one_part_changed_is_a_change_or_none(
    spot: tuple[int, tuple[Any, ...]], new: object, how: str
) -> None:
    number, path = spot
    routed(changed(SAMPLES[number], path, new, how))


WRAPPED = st.recursive(
    LEAVES | NAMES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "Records",
                        "Messages",
                        "body",
                        "Body",
                        "Message",
                        "Type",
                        "Sns",
                        "detail-type",
                        "detail",
                        "source",
                    ),
                    *("id", "mapping", "cluster", "namespace", "eventId", "time", "reason", "deaths", "expires"),
                ]
            ),
            inner | inner.map(json.dumps) | st.just("Notification"),
            max_size=6,
        )
    ),
    max_leaves=12,
)


@bounded
@given(WRAPPED)
def test_whatever_somebody_pastes_is_explained_in_lines_that_can_be_printed(content: object) -> None:
    for document in unwrap(Document(content)):
        explanation = explain_document(CATALOG, document)
        assert json.dumps(explanation.as_dict())
        assert all(map(str.isprintable, explanation.list_lines()))
