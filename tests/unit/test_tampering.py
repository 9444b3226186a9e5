"""Whatever somebody writes into our annotations is mended by the next delivery, or is that target's failure alone."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.delivery.observed import JOURNAL, Observed
from keyferry.delivery.plan import MAX_LISTED, describe_content_change, plan
from keyferry.errors import Conflict, KeyferryError
from keyferry.formats.printable import escape
from keyferry.model import SecretValue
from keyferry.pipeline.compare import compare_secret
from keyferry.testing import Calls
from tests.unit.samples import PLACE, WHEN, desired_of, mapping
from tests.unit.test_contested import settled, sweep
from tests.unit.world import DUE, WHERE, World

MAPPING, VERSIONS, REVISION, KEYS = (f"keyferry.dev/{name}" for name in ("mapping", "versions", "revision", "keys"))
TAKEN_BACK = "keyferry.dev/taken-back"
NAMES = (MAPPING, VERSIONS, REVISION, KEYS, TAKEN_BACK)
TEXTS = [
    "",
    "canary-",
    "[" * 100_000,
    '{"db":' + "[" * 5_000 + "]" * 5_000 + "}",
    "x" * 200_000,
    '{"db": 1}',
    '{"db": null, "db": "version-1"}',
    '{"db": "\\ud800"}',
    '{"db": "a\\u0000b", "\\ud800": "x"}',
    '{"db": ' + "9" * 5_000 + "}",
    '{"db": 1e999}',
    json.dumps({"db": "v" * 100_000}),
    json.dumps({"kubectl": "0001-01-01T00:00:00+23:59", "argocd": "9999-12-31T23:59:59-23:59", "flux": "2026"}),
    json.dumps({f"manager-{number}": "2026-11-24T12:00:00+00:00" for number in range(1000)}),
    ",".join(f"key-{number}" for number in range(20_000)),
    ",,,username,,\0,\U0001f511",
    '"\U0001f511"',
    "null",
]


def journal(world: World) -> dict[str, str]:
    """Return what the annotations of the Secret are, without the marks that come and go."""
    annotations = world.cluster.secrets[WHERE].as_object(WHERE[1])["metadata"]["annotations"]
    return {key: annotations[key] for key in JOURNAL if key in annotations and key not in (DUE, TAKEN_BACK)}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("name", NAMES)
def test_what_somebody_writes_into_our_annotations_is_mended_by_one_delivery(name: str, text: str) -> None:
    world = settled()
    right = journal(world)
    world.cluster.edit(*WHERE, annotations={name: text})
    assert sweep(world) or name == TAKEN_BACK, "the sweep sees it"
    report = world.deliver()
    assert not report.errors
    assert (journal(world), sweep(world)) == (right, "")
    assert world.count("rollout") == [0]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_mark_of_any_text_restarts_once_and_the_text_never_gets_to_a_workload(text: str) -> None:
    world = settled()
    world.cluster.edit(*WHERE, annotations={DUE: text or "x"})
    assert not world.deliver().errors
    assert world.count("rollout") == [1]
    assert len(world.nonce) == 16


def test_a_mark_that_somebody_sets_all_the_time_restarts_once_in_a_delivery() -> None:
    world, calls = settled(), Calls()
    numbers = iter(range(1000))
    calls.before = lambda *_: world.cluster.edit(*WHERE, annotations={DUE: f"theirs-{next(numbers)}"})
    world.cluster.edit(*WHERE, annotations={DUE: "theirs"})
    world.deliver(calls)
    assert world.count("rollout")[0] <= 1


def test_all_of_it_at_once_is_somebody_elses_secret() -> None:
    world = settled()
    world.cluster.edit(*WHERE, annotations=dict.fromkeys(NAMES, "x"))
    [error] = world.deliver().errors
    assert isinstance(error, Conflict)


def test_another_mapping_that_took_the_secret_over_is_not_taken_for_a_forgery() -> None:
    world = settled()
    other = mapping("other", policies={"conflict": "takeOver"})
    assert not world.deliver(of=other).errors
    [error] = world.deliver().errors
    assert isinstance(error, Conflict)
    assert "keyferry:other" in str(error)


def test_a_reason_names_ten_keys() -> None:
    data = {f"key-{number}": SecretValue(b"x") for number in range(1000)}
    raw = {"metadata": {"uid": "1", "resourceVersion": "1"}, "data": {}}
    why = describe_content_change(desired_of(mapping(), data, {}), Observed.from_object(raw))
    assert why.count("key-") == MAX_LISTED
    assert why.endswith(", 990 more")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
JSON = st.one_of(st.text(), ANYTHING.map(json.dumps), st.sampled_from(TEXTS))
FIELDS = st.dictionaries(st.sampled_from(["f:data", "f:metadata", "f:stringData", "v:x", "k:{}"]), ANYTHING, max_size=3)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "manager": st.sampled_from(["keyferry:payments-db", "kubectl", ""]),
        "operation": st.sampled_from(["Apply", "Update"]),
        "fieldsV1": FIELDS
        | ANYTHING
        | st.just({"f:data": {"f:username": {}}, "f:metadata": {"f:annotations": {f"f:{KEYS}": {}}}}),
    },
)
METADATA = st.fixed_dictionaries(
    {"uid": st.just("uid-1"), "resourceVersion": st.just("1")},
    optional={
        "annotations": st.dictionaries(st.sampled_from([*JOURNAL, "keyferry.dev/newer", "x"]), JSON),
        "labels": st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
        "managedFields": st.lists(ENTRY, max_size=3),
        "ownerReferences": st.lists(st.fixed_dictionaries({"kind": st.text(), "name": st.text()}), max_size=2),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(metadata=METADATA, immutable=st.booleans())
def test_a_secret_of_any_metadata_has_a_plan_or_an_error_with_a_text(metadata: dict[str, Any], immutable: bool) -> None:
    observed = Observed.from_object({"metadata": metadata, "data": {"username": "bWU="}, "immutable": immutable})
    desired = desired_of(mapping(), {"username": SecretValue(b"me")}, {"db": "version-1"})
    try:
        plan(desired, observed, "nonce", WHEN)
    except KeyferryError as error:
        assert len(str(error)) <= 600
        assert escape(str(error)).encode()
    assert len(compare_secret(mapping(), {"db": "version-1"}, observed, PLACE, WHEN).why) < 1000
