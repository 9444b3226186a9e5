"""Actions are carried out through a client, and its answers are what is observed next."""

import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from keyferry.delivery.apply import (
    MIN_TARGETS_FOR_CLUSTER_LIST,
    build_stamps,
    clear_restart_due,
    create_workload_lister,
    observe,
    stamp_workload,
    write,
)
from keyferry.delivery.desired import Desired
from keyferry.delivery.plan import Prune, Release, Restart, Write, plan
from keyferry.delivery.restart.workloads import Stamp
from keyferry.errors import Forbidden, Overtaken, ServerError, Throttled
from keyferry.kinds import DEFAULT_KINDS, KINDS, WorkloadKind
from keyferry.mapping.mapping import SecretMapping, Workload
from keyferry.mapping.namespaces import Namespaces, list_target_namespaces
from keyferry.model import SecretValue
from keyferry.testing import Calls, FakeClient, FakeCluster
from tests.unit.samples import WHEN, mapping, uses, workload

WHERE = "payments", "payments-db"
MANAGER = "keyferry:payments-db"
API = Workload(kind="Deployment", name="api")


def desired(password: str, **changes: Any) -> Desired:  # noqa: ANN401
    data = {"username": SecretValue(b"me"), "password": SecretValue(password.encode())}
    return Desired(mapping(**changes), data, {"db": "version-1"})


def test_namespaces_whose_names_are_left_out_or_match_no_pattern_are_no_targets() -> None:
    cluster = FakeCluster("team-a", "team-b", "shop", "payments")
    chosen = {"names": ["team-*"], "exclude": ["*-b"]}
    found = list_target_namespaces(cluster.client(), mapping(namespaces=["payments", chosen]))
    assert found == Namespaces(["payments", "team-a"])


def written(password: str) -> FakeCluster:
    cluster = FakeCluster()
    action = plan(desired(password), None, "nonce-1", WHEN)
    assert isinstance(action, Write)
    write(cluster.client(), "payments", MANAGER, action)
    return cluster


def test_a_patch_of_what_is_no_longer_there_is_looked_at_again() -> None:
    with pytest.raises(Overtaken, match="no longer there"):
        write(FakeCluster().client(), "payments", MANAGER, Prune({"metadata": {"name": "payments-db"}}, "why"))


def test_a_missing_secret_is_observed_as_none() -> None:
    assert observe(FakeCluster().client(), *WHERE) is None


def test_the_answer_of_a_write_is_what_would_be_observed() -> None:
    cluster = FakeCluster()
    action = plan(desired("canary-1"), None, "nonce-1", WHEN)
    assert isinstance(action, Write)
    assert write(cluster.client(), "payments", MANAGER, action) == observe(cluster.client(), *WHERE)


def test_a_secret_that_changed_since_it_was_observed_is_not_written() -> None:
    cluster = written("canary-1")
    action = plan(desired("canary-2"), observe(cluster.client(), *WHERE), "nonce-2", WHEN)
    assert isinstance(action, Write)
    cluster.edit(*WHERE, data={"theirs": "x"})
    before = cluster.data(*WHERE)
    with pytest.raises(Overtaken):
        write(cluster.client(), "payments", MANAGER, action)
    assert cluster.data(*WHERE) == before


@pytest.mark.parametrize("step", ["write", "clear"])
def test_a_key_of_ours_that_is_edited_between_observing_and_writing_is_looked_at_again(step: str) -> None:
    """The API server answers such an apply with a conflict of managers, since it looks at owners first."""
    cluster = written("canary-1")
    password = "canary-2" if step == "write" else "canary-1"
    action = plan(desired(password), observe(cluster.client(), *WHERE), "nonce-2", WHEN)
    cluster.edit(*WHERE, data={"password": "by hand"})
    with pytest.raises(Overtaken, match="kubectl-edit"):
        if isinstance(action, Write):
            write(cluster.client(), "payments", MANAGER, action)
        else:
            assert isinstance(action, Restart)
            clear_restart_due(cluster.client(), "payments", desired("canary-1"), action)


def test_a_secret_made_by_another_manager_meanwhile_is_looked_at_again() -> None:
    cluster = FakeCluster()
    action = plan(desired("canary-1"), None, "nonce-1", WHEN)
    assert isinstance(action, Write)
    cluster.create(*WHERE, {"password": "theirs"})
    with pytest.raises(Overtaken, match="helm"):
        write(cluster.client(), "payments", MANAGER, action)


def test_a_release_takes_nothing_from_whoever_has_written_since_it_was_planned() -> None:
    cluster = written("canary-1")
    observed = observe(cluster.client(), *WHERE)
    assert observed is not None
    kept = observed.build_minimal_body("payments-db") | {"data": cluster.data(*WHERE)}
    cluster.edit(*WHERE, data={"password": "by hand"})
    before = cluster.data(*WHERE)
    with pytest.raises(Overtaken, match="kubectl-edit"):
        write(cluster.client(), "payments", "keyferry:new-name", Release(MANAGER, kept, "why"))
    assert cluster.data(*WHERE) == before


class AnswerKeeper(FakeClient):
    """A client that keeps the answers to its applies."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster, Calls())
        self.answers: list[dict[str, Any]] = []

    def apply_secret(self, *args: Any, **options: Any) -> dict[str, Any]:  # noqa: ANN401  # as the client has them
        """Apply, and keep the answer."""
        self.answers.append(super().apply_secret(*args, **options))
        return self.answers[-1]


def test_clearing_the_mark_asks_for_the_metadata_alone() -> None:
    cluster = written("canary-1")
    client = AnswerKeeper(cluster)
    action = plan(desired("canary-1"), observe(client, *WHERE), "nonce-2", WHEN)
    assert isinstance(action, Restart)
    clear_restart_due(client, "payments", desired("canary-1"), action)
    assert "keyferry.dev/restart-due" not in cluster.annotations(*WHERE)
    assert [answer.keys() for answer in client.answers] == [{"metadata"}]


@pytest.mark.parametrize("again", ["", "anew"])
def test_a_secret_that_was_deleted_meanwhile_is_not_made_by_a_write_meant_to_change_it(again: str) -> None:
    cluster = written("canary-1")
    action = plan(desired("canary-2"), observe(cluster.client(), *WHERE), "nonce-2", WHEN)
    assert isinstance(action, Write)
    cluster.delete(*WHERE)
    if again:
        cluster.create(*WHERE, {"theirs": "x"})
    with pytest.raises(Overtaken):
        write(cluster.client(), "payments", MANAGER, action)


def go_on() -> None:
    """There is time for more."""


def stamped(
    client: FakeClient, wanted: SecretMapping, kinds: Sequence[WorkloadKind] = DEFAULT_KINDS
) -> Sequence[Stamp]:
    """Return what is to be done with the workloads of the namespace payments."""
    look = create_workload_lister(client, wanted, kinds)
    return build_stamps(client, "payments", wanted, "nonce-1", look, go_on).stamps


@pytest.mark.parametrize("kinds", [("Deployment", "StatefulSet", "DaemonSet"), ("Rollout", "Deployment"), ("Rollout",)])
def test_restarts_are_found_in_every_kind_of_the_namespace_that_the_cluster_names(kinds: tuple[str, ...]) -> None:
    cluster, calls = FakeCluster("payments", "other"), Calls()
    for kind in KINDS:
        cluster.run("payments", kind, workload("api"))
        cluster.run("payments", kind, workload("unrelated", uses("payments-db-2")))
        cluster.run("other", kind, workload("elsewhere"))
    found = stamped(cluster.client(calls), mapping(), [KINDS[kind] for kind in kinds])
    assert [str(each) for each in found] == [f"{kind}/api" for kind in kinds]
    assert calls.recorded == [f"list payments/{kind}" for kind in kinds]


def test_named_workloads_are_stamped_whether_they_use_the_secret_or_not_and_a_missing_one_is_told() -> None:
    named = [{"kind": "Rollout", "name": "api"}, {"kind": "Deployment", "name": "gone"}]
    cluster, calls = FakeCluster(), Calls()
    cluster.run("payments", "Rollout", workload("api", {}))
    cluster.run("payments", "Deployment", workload("user-of-the-secret"))
    found = stamped(cluster.client(calls), mapping(restart=named))
    assert [str(each) for each in found] == [
        "Rollout/api",
        "Deployment/gone (not in namespace payments: create it, or correct restart in the mapping)",
    ]
    assert [each.patch is None for each in found] == [False, True]
    assert calls.recorded == ["get payments/Rollout/api", "get payments/Deployment/gone"]


def test_no_restarts_are_looked_for_where_an_empty_list_names_none() -> None:
    calls = Calls()
    assert stamped(FakeCluster().client(calls), mapping(restart=[])) == []
    assert calls.recorded == []


def test_a_workload_is_patched_under_the_mappings_name() -> None:
    cluster, calls = FakeCluster(), Calls()
    cluster.run("payments", "Deployment", workload("api"))
    [found] = stamped(cluster.client(), mapping())
    assert stamp_workload(cluster.client(calls), "payments", desired("canary-1"), found)
    assert cluster.stamps("payments", "Deployment", "api") == {"keyferry.dev/payments-db": "nonce-1"}
    assert calls.recorded == ["patch payments/Deployment/api as keyferry:payments-db"]


def test_a_workload_that_has_gone_or_needs_nothing_is_not_patched() -> None:
    cluster, calls = FakeCluster(), Calls()
    assert not stamp_workload(cluster.client(), "payments", desired("canary-1"), Stamp(API, {"spec": {}}))
    assert not stamp_workload(cluster.client(calls), "payments", desired("canary-1"), Stamp(API, None, "left alone"))
    assert calls.recorded == []


MANY = [f"n{number:02}" for number in range(MIN_TARGETS_FOR_CLUSTER_LIST - 2)]


def _crowd() -> FakeCluster:
    cluster = FakeCluster("payments", "other", *MANY)
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        cluster.run("payments", kind, workload("api"))
        cluster.run("other", kind, workload("there"))
    return cluster


def test_workloads_of_many_namespaces_are_listed_once_per_kind() -> None:
    cluster, calls = _crowd(), Calls()
    look = create_workload_lister(cluster.client(calls), mapping(), DEFAULT_KINDS, ["payments", "other", *MANY])
    for namespace, name in (("payments", "api"), ("other", "there"), (MANY[0], None)):
        found = build_stamps(cluster.client(calls), namespace, mapping(), "nonce-1", look, go_on)
        assert found.seen == dict.fromkeys(map(str, DEFAULT_KINDS), 1 if name else 0)
        assert [each.workload.name for each in found.stamps] == ([name] * 3 if name else [])
    assert calls.count("list") == 3


def test_where_the_whole_cluster_may_not_be_listed_each_namespace_is() -> None:
    def forbid(_: int, what: str) -> None:
        if what.startswith("list None"):
            raise Forbidden(what)

    cluster, calls = _crowd(), Calls(before=forbid)
    look = create_workload_lister(cluster.client(calls), mapping(), DEFAULT_KINDS, ["payments", "other", *MANY])
    assert len(build_stamps(cluster.client(calls), "payments", mapping(), "nonce-1", look, go_on).stamps) == 3


def test_few_namespaces_or_named_workloads_list_nothing_of_the_whole_cluster() -> None:
    cluster, calls = _crowd(), Calls()
    create_workload_lister(cluster.client(calls), mapping(), DEFAULT_KINDS, ["payments", *MANY])
    named = mapping(restart=[API.model_dump()])
    create_workload_lister(cluster.client(calls), named, DEFAULT_KINDS, ["payments", "other", *MANY])
    assert calls.recorded == []


@pytest.mark.parametrize("error", [Throttled("slow down"), ServerError("500")])
def test_a_list_of_the_whole_cluster_that_fails_otherwise_is_not_followed_by_one_for_each_namespace(
    error: Exception,
) -> None:
    def refuse(_: int, _what: str) -> None:
        raise error

    calls = Calls(before=refuse)
    with pytest.raises(type(error)):
        create_workload_lister(_crowd().client(calls), mapping(), DEFAULT_KINDS, ["payments", "other", *MANY])
    assert calls.count("list") == 1


def test_workloads_that_do_not_use_the_secret_or_are_of_no_target_take_no_memory() -> None:
    class Crowd(FakeClient):
        """A cluster with workloads that are made as they are listed, as pages are."""

        def list_workloads(self, kind: WorkloadKind, namespace: str | None) -> Iterator[dict[str, Any]]:  # noqa: ARG002
            """Yield a thousand of 20 kB; a tenth uses the Secret, and half of these are in a namespace of a target."""
            for number in range(1000 if kind.name == "Deployment" else 0):
                raw = workload(f"w{number}", uses("payments-db" if number % 10 == 0 else "other"))
                raw["metadata"] |= {
                    "namespace": MANY[0] if number % 20 == 0 else "elsewhere",
                    "managedFields": "x" * (20_000 + number),
                }
                yield raw

    tracemalloc.start()
    try:
        look = create_workload_lister(
            Crowd(FakeCluster(), Calls()), mapping(), DEFAULT_KINDS, ["payments", "other", *MANY]
        )
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(look(MANY[0]).uses) == 50
    assert held < 500_000
    assert peak < 1_000_000
