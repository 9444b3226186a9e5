"""What is public for tests works as it is documented, and never waits."""

import re
import time
from typing import Any

import pytest

from keyferry import testing
from keyferry.errors import Conflict, NamespaceGone, Overtaken, Refused
from keyferry.mapping.mapping import Workload
from keyferry.testing import FakeClock, FakeCluster, encode


def test_the_example_in_its_docstring_runs() -> None:
    [example] = re.findall(r"```python\n(.*?)```", testing.__doc__ or "", re.DOTALL)
    exec(example, {})  # noqa: S102  # ours


def test_a_clock_jumps_over_what_is_slept_and_keeps_its_deadlines() -> None:
    clock, began = FakeClock(), time.monotonic()
    deadline = clock.deadline(3600)
    clock.sleep(1800)
    clock.jump(900)
    assert (clock(), clock.slept, deadline.remaining()) == (2700, [1800], 900)
    assert time.monotonic() - began < 60


def test_a_workload_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of workload is called deployment; there is Deployment, "):
        FakeCluster("payments").run("payments", "deployment", {"metadata": {"name": "api"}, "spec": {}})


OURS: dict[str, Any] = {"metadata": {"name": "db"}, "data": {"password": encode("canary-ours")}}


@pytest.fixture
def cluster() -> FakeCluster:
    """Return a cluster that holds somebody else's Secret, and of which one namespace is being deleted."""
    cluster = FakeCluster("payments", "going")
    cluster.terminating.add("going")
    cluster.create("payments", "db", {"password": "canary-theirs"}, manager="helm")
    return cluster


@pytest.mark.parametrize(
    ("namespace", "change", "force", "refusal"),
    [
        ("payments", {}, False, Conflict),
        ("payments", {"metadata": {"name": "db", "resourceVersion": "1"}}, True, Overtaken),
        ("payments", {"metadata": {"name": "db", "uid": "of another"}}, True, Refused),
        ("payments", {"metadata": {"name": "new", "uid": "of another"}}, True, Overtaken),
        ("payments", {"type": "kubernetes.io/tls"}, True, Refused),
        ("going", {}, True, NamespaceGone),
        ("missing", {}, True, NamespaceGone),
    ],
)
def test_an_apply_is_refused_as_the_api_server_refuses_it(
    cluster: FakeCluster, namespace: str, change: dict[str, Any], force: bool, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        cluster.client().apply_secret(namespace, OURS | change, "keyferry", force=force)
    assert cluster.managers("payments", "db", "password") == {"helm"}


@pytest.mark.parametrize("change", [{"immutable": False}, {"data": {"password": encode("canary-other")}}])
def test_an_immutable_secret_keeps_its_data_and_stays_so(change: dict[str, Any]) -> None:
    client, fixed = FakeCluster().client(), OURS | {"immutable": True}
    client.apply_secret("payments", fixed, "keyferry", force=False)
    with pytest.raises(Refused):
        client.apply_secret("payments", fixed | change, "keyferry", force=True)


def test_a_forced_apply_takes_a_key_over_and_one_that_changes_nothing_keeps_the_version(cluster: FakeCluster) -> None:
    client = cluster.client()
    client.apply_secret("payments", OURS, "keyferry", force=True)
    assert cluster.managers("payments", "db", "password") == {"keyferry"}
    before = cluster.versions()
    client.apply_secret("payments", OURS, "keyferry", force=False)
    assert cluster.versions() == before


def test_what_is_missing_is_deleted_already(cluster: FakeCluster) -> None:
    cluster.client().delete_secret("payments", "other", {"uid": "uid-1"})
    assert cluster.history == []


def test_a_stamp_that_is_there_rolls_nothing_out_again(cluster: FakeCluster) -> None:
    cluster.run("payments", "Deployment", {"metadata": {"name": "api"}, "spec": {}})
    workload = Workload.model_validate({"kind": "Deployment", "name": "api"})
    patch = {"spec": {"template": {"metadata": {"annotations": {"stamp": "1"}}}}}
    for _ in range(2):
        assert cluster.client().patch_workload(workload, "payments", patch, "keyferry")
        assert cluster.history == ["rollout payments/Deployment/api"]
