"""The protocol as a decision table: what is observed and what is desired give the one next action."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry import __version__
from keyferry.delivery.apply import write
from keyferry.delivery.deletion import plan_deletion
from keyferry.delivery.desired import Desired
from keyferry.delivery.limits import MAX_DATA_BYTES
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Action, Annotate, Delete, Done, Prune, Release, Restart, Write, plan
from keyferry.errors import Conflict, NotAllowed, Refused, SourceDeleted, SourceUnavailable
from keyferry.kube.transport import Request
from keyferry.mapping.verdict import Verdict
from keyferry.model import SecretValue
from keyferry.secret_types import NEVER_WRITTEN
from keyferry.testing import FakeCluster, encode
from tests.unit.pki import issue
from tests.unit.samples import WHEN, desired_of, mapping

DUE = "keyferry.dev/restart-due"
WHERE = "payments", "payments-db"
TAKE_OVER = {"conflict": "takeOver"}


def desired(holds: str = "canary-1", version: str = "version-1", **changes: Any) -> Desired:  # noqa: ANN401
    """Return a Secret of username and password, or of what the mapping's data says, each key's value its name."""
    wanted = mapping(**changes)
    known = {"username": "me", "password": holds}
    data = {key: SecretValue(known.get(key, key).encode()) for key in wanted.spec.secret.data}
    return desired_of(wanted, data, {"db": version})


def observed(cluster: FakeCluster) -> Observed:
    return Observed.from_object(cluster.secrets[WHERE].as_object(WHERE[1]))


def carry_out(cluster: FakeCluster, wanted: Desired, nonce: str = "nonce-1") -> Action:
    """Plan against what is there, and apply the plan."""
    action = plan(wanted, observed(cluster) if WHERE in cluster.secrets else None, nonce, WHEN)
    if isinstance(action, Write | Annotate | Prune | Release):
        write(cluster.client(), "payments", wanted.manager, action)
    if isinstance(action, Restart):
        cluster.apply_secret("payments", action.cleared_body, wanted.manager, force=action.force)
    return action


def settle(cluster: FakeCluster, wanted: Desired) -> list[Action]:
    """Carry out all that is planned until nothing is left to do, and return it."""
    actions: list[Action] = []
    while not (actions and isinstance(actions[-1], Done)):
        assert len(actions) < 8
        actions.append(carry_out(cluster, wanted, f"nonce-{len(actions) + 10}"))
    return actions


def settled(wanted: Desired | None = None) -> FakeCluster:
    """Return a cluster that holds what is wanted, its restarts done."""
    cluster, wanted = FakeCluster(), wanted or desired()
    settle(cluster, wanted)
    return cluster


def next_action(cluster: FakeCluster, wanted: Desired) -> Action:
    return plan(wanted, observed(cluster), "nonce-2", WHEN)


# 3: missing


def test_a_missing_secret_is_created_and_only_created() -> None:
    action = plan(desired(), None, "nonce-1", WHEN)
    assert isinstance(action, Write)
    assert (action.creates, action.force, action.why) == (True, False, "missing")
    assert action.body["metadata"]["resourceVersion"] == "1"
    assert "uid" not in action.body["metadata"]
    assert action.body["metadata"]["annotations"][DUE] == "nonce-1"


# 4: content changed


def content_write(cluster: FakeCluster, wanted: Desired) -> Write:
    """Return the write of content that is planned, after it has been seen to work."""
    action = next_action(cluster, wanted)
    assert isinstance(action, Write)
    assert not action.creates
    assert action.body["metadata"].items() >= observed(cluster).preconditions.items()
    assert action.body["metadata"]["annotations"][DUE] == "nonce-2"
    write(cluster.client(), "payments", wanted.manager, action)
    assert isinstance(next_action(cluster, wanted), Restart)
    return action


def test_new_content_is_one_write_with_preconditions_and_a_new_mark() -> None:
    action = content_write(settled(), desired("canary-2", "version-2"))
    assert (action.force, action.why) == (False, "new content in password")


def test_new_content_replaces_the_mark_of_restarts_that_are_still_due() -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired(), "nonce-1")
    content_write(cluster, desired("canary-2"))
    assert cluster.annotations(*WHERE)[DUE] == "nonce-2"


def test_a_removed_mapping_key_is_removed_from_the_secret() -> None:
    cluster = settled()
    action = content_write(cluster, desired(data={"username": {"from": "db"}}))
    assert (action.force, action.why) == (False, "no longer mapped: password")
    assert cluster.data(*WHERE).keys() == {"username"}


def test_a_new_mapping_key_is_new_content() -> None:
    wanted = desired(data={key: {"from": "db"} for key in ("username", "password", "host")})
    assert content_write(settled(), wanted).why == "the mapping asks for other content in host"


@pytest.mark.parametrize("by", ["kubectl-edit", "kubectl-patch", "keyferry:payments-db"])
def test_a_key_that_was_edited_by_hand_is_taken_back(by: str) -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"password": "by hand"}, manager=by)
    action = content_write(cluster, desired())
    assert (action.force, action.why) == (True, "written by somebody else in between: password")
    assert cluster.managers(*WHERE, "password") == {"keyferry:payments-db"}


def test_a_key_that_was_edited_and_edited_back_is_written_again() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"password": "by hand"})
    cluster.edit(*WHERE, data={"password": "canary-1"})
    action = content_write(cluster, desired())
    assert (action.force, action.why) == (True, "written by somebody else in between: password")
    assert "keyferry:payments-db" in cluster.managers(*WHERE, "password")


def test_a_key_that_was_deleted_by_hand_is_put_back_without_force() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"password": None})
    assert not content_write(cluster, desired()).force
    assert cluster.data(*WHERE).keys() == {"username", "password"}


def test_a_secret_whose_owners_were_forgotten_is_taken_back() -> None:
    cluster = settled()
    cluster.clear_managed_fields(*WHERE)
    assert content_write(cluster, desired("canary-2")).force


def test_keys_of_others_are_left_alone() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"theirs": "x"})
    assert isinstance(next_action(cluster, desired()), Done)
    assert not content_write(cluster, desired("canary-2")).force
    assert cluster.data(*WHERE).keys() == {"username", "password", "theirs"}


# Conflicts and taking over


def conflict(cluster: FakeCluster, wanted: Desired) -> str:
    before = cluster.versions()
    with pytest.raises(Conflict) as raised:
        next_action(cluster, wanted)
    assert "canary" not in str(raised.value)
    assert cluster.versions() == before
    return str(raised.value)


def test_a_key_that_somebody_else_owns_and_that_was_never_ours_is_a_conflict() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"password": "canary-1", "other": "x"}, manager="helm")
    assert conflict(cluster, desired()) == (
        "Secret payments-db: password belongs to field manager helm;"
        " stop that manager from writing it, or set spec.policies.conflict: takeOver in mapping payments-db"
    )


def test_a_new_mapping_key_that_somebody_else_owns_is_a_conflict_though_the_secret_is_ours() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"host": "x"})
    wanted = desired(data={key: {"from": "db"} for key in ("username", "password", "host")})
    assert "host belongs to field manager kubectl-edit" in conflict(cluster, wanted)


def test_a_conflict_with_another_mapping_names_it() -> None:
    first = desired(data={"password": {"from": "db"}})
    cluster = settled(first)
    second = desired()
    second = Desired(mapping("second"), second.data, second.versions)
    assert "password belongs to field manager keyferry:payments-db (mapping payments-db)" in conflict(cluster, second)


def test_two_mappings_of_one_secret_conflict_even_over_different_keys() -> None:
    cluster = settled(desired(data={"host": {"from": "db"}}))
    second = Desired(mapping("second"), desired().data, desired().versions)
    said = conflict(cluster, second)
    assert "keyferry.dev/mapping" in said
    assert "(mapping payments-db)" in said


def test_the_label_of_another_manager_is_a_conflict() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"other": "x"}, labels={"app.kubernetes.io/managed-by": "kustomize"})
    assert "app.kubernetes.io/managed-by belongs to field manager helm" in conflict(cluster, desired())


def test_an_edited_journal_of_which_nothing_is_ours_is_a_conflict_that_names_the_editor() -> None:
    cluster = settled()
    cluster.edit(
        *WHERE, annotations={f"keyferry.dev/{name}": "other" for name in ("mapping", "versions", "revision", "keys")}
    )
    said = conflict(cluster, desired())
    assert "keyferry.dev/mapping" in said
    assert "belongs to field manager kubectl-edit (mapping other)" in said


def test_a_secret_without_owners_that_was_never_ours_is_a_conflict() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"password": "x"})
    cluster.clear_managed_fields(*WHERE)
    assert "password belongs to field manager before-first-apply" in conflict(cluster, desired())
    assert content_write(cluster, desired(policies={"conflict": "takeOver"})).force


def test_taking_over_other_content_is_a_write() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"password": "old", "other": "x"})
    action = content_write(cluster, desired(policies={"conflict": "takeOver"}))
    assert (action.force, action.why) == (True, "new content in password, username")
    assert cluster.managers(*WHERE, "password") == {"keyferry:payments-db"}
    assert cluster.data(*WHERE).keys() == {"username", "password", "other"}


def test_taking_over_the_same_content_changes_and_restarts_nothing() -> None:
    cluster, wanted = FakeCluster(), desired(policies={"conflict": "takeOver"})
    cluster.create(*WHERE, {"username": "me", "password": "canary-1"})
    before = cluster.data(*WHERE)
    action = carry_out(cluster, wanted)
    assert isinstance(action, Annotate)
    assert (action.force, action.why) == (True, "taking over the same content")
    assert DUE not in action.body["metadata"]["annotations"]
    assert isinstance(next_action(cluster, wanted), Done)
    assert cluster.data(*WHERE) == before
    assert cluster.history == []


def test_restarts_that_were_due_when_another_mapping_wrote_are_done_by_the_one_that_takes_over() -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired(), "nonce-1")
    successor = Desired(mapping("second", policies={"conflict": "takeOver"}), desired().data, desired().versions)
    assert isinstance(carry_out(cluster, successor, "nonce-2"), Annotate)
    action = carry_out(cluster, successor, "nonce-3")
    assert isinstance(action, Restart)
    assert action.nonce == "nonce-2"
    assert next_action(cluster, successor) == Done()
    assert DUE not in cluster.annotations(*WHERE)


# Whole Secrets of others


def test_an_owner_is_a_conflict_that_names_it_and_its_remedy() -> None:
    cluster = settled()
    cluster.set_owner_references(*WHERE, "ExternalSecret/db")
    assert conflict(cluster, desired()) == (
        "Secret payments-db is owned by ExternalSecret/db, which writes or deletes it too:"
        " `keyferry migrate handover payments-db`, or set"
        " spec.policies.conflict: takeOver in mapping payments-db and then delete that ExternalSecret"
    )


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm (shop)"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:/Secret:payments/db"}}, "Argo CD (shop)"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD (shop)"),
        ({"labels": {"secrets-store.csi.k8s.io/managed": "true"}}, "Secrets Store CSI driver"),
    ],
)
def test_the_mark_of_a_tool_is_a_conflict_until_it_is_taken_over(marks: dict[str, Any], said: str) -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"username": "me", "password": "canary-1"}, **marks)
    assert f"is owned by {said}, which" in conflict(cluster, desired())
    action = next_action(cluster, desired(policies=TAKE_OVER))
    assert isinstance(action, Prune)
    assert action.notes[0].startswith(f"was owned by {said}: take ")
    assert action.patch["metadata"].items() >= observed(cluster).preconditions.items()
    settle(cluster, desired(policies=TAKE_OVER))
    assert cluster.history == []


def test_a_mark_that_the_mapping_itself_gives_is_nobodys() -> None:
    labels = {"argocd.argoproj.io/instance": "shop"}
    wanted = mapping()
    secret = wanted.spec.secret.model_copy(update={"labels": labels})
    wanted = wanted.model_copy(update={"spec": wanted.spec.model_copy(update={"secret": secret})})
    settled(desired_of(wanted, desired().data, desired().versions))


def test_nothing_is_taken_over_that_could_not_be_written() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"password": "old"})
    cluster.set_owner_references(*WHERE, "Widget/x")
    with pytest.raises(Refused, match="has type Opaque"):
        next_action(cluster, desired(policies=TAKE_OVER, type="kubernetes.io/basic-auth"))


def test_taking_over_takes_the_owners_off_before_it_writes() -> None:
    cluster, wanted = FakeCluster(), desired(policies=TAKE_OVER)
    cluster.create(*WHERE, {"password": "old"})
    cluster.set_owner_references(*WHERE, "SecretProviderClassPodStatus/x", "Widget/y")
    assert [type(each) for each in settle(cluster, wanted)] == [Prune, Write, Restart, Done]
    assert observed(cluster).owner_references == ()


# Merging


MERGE = {"creation": "merge"}


def test_merging_makes_no_secret() -> None:
    assert plan(desired(policies=MERGE), None, "nonce-1", WHEN) == Done(
        "the Secret is missing, and is not ours to make (creation: merge)"
    )


def test_merging_leaves_label_type_owners_and_keys_of_the_host_alone() -> None:
    cluster, wanted = FakeCluster(), desired(policies=MERGE)
    theirs = {"tls.crt": "x", "tls.key": "x"}
    cluster.create(*WHERE, theirs, labels={"app.kubernetes.io/managed-by": "Helm"}, secret_type="kubernetes.io/tls")
    cluster.set_owner_references(*WHERE, "ExternalSecret/db")
    assert [type(each) for each in settle(cluster, wanted)] == [Write, Restart, Done]
    assert cluster.data(*WHERE).keys() == {"tls.crt", "tls.key", "username", "password"}
    found = observed(cluster)
    assert (found.type, dict(found.labels)) == ("kubernetes.io/tls", {"app.kubernetes.io/managed-by": "Helm"})
    assert [str(each) for each in found.owner_references] == ["ExternalSecret/db"]


def test_merging_into_a_type_that_was_asked_for_needs_that_type() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"theirs": "x"})
    with pytest.raises(Refused, match="has type Opaque"):
        next_action(cluster, desired(policies=MERGE, type="kubernetes.io/tls"))


@pytest.mark.parametrize("policies", [MERGE, MERGE | TAKE_OVER])
def test_merging_into_a_type_that_the_policy_does_not_allow_changes_nothing(policies: dict[str, str]) -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"tls.crt": "x", "tls.key": "x"}, secret_type="kubernetes.io/tls")
    before = cluster.versions()
    wanted = replace(desired(policies=policies), verdict=Verdict(allowed_types=["Opaque", "example.com/*"]))
    with pytest.raises(NotAllowed) as raised:
        carry_out(cluster, wanted)
    assert str(raised.value) == (
        "Secret payments-db has type kubernetes.io/tls, and the policy allows the mapping Opaque, example.com/*:"
        " let it add to another one, or have policy.yaml allow the type (types) and deploy the mappings"
    )
    assert cluster.versions() == before


def test_merging_into_a_type_that_the_policy_allows_is_done() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"theirs": "x"}, secret_type="example.com/app")
    wanted = replace(desired(policies=MERGE), verdict=Verdict(allowed_types=["Opaque", "example.com/*"]))
    assert [type(each) for each in settle(cluster, wanted)] == [Write, Restart, Done]


@pytest.mark.parametrize("secret_type", sorted(NEVER_WRITTEN))
def test_merging_never_writes_to_a_secret_that_signs_in_to_the_cluster(secret_type: str) -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"token": "x"}, secret_type=secret_type)
    with pytest.raises(Refused, match=f"has type {secret_type}, which is the cluster's own and is never written"):
        next_action(cluster, desired(policies=MERGE))


# Creating once


ONCE = {"creation": "createOnce"}


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_secret_that_exists_is_left_alone_where_it_is_made_once(whose: str) -> None:
    cluster = settled() if whose == "ours" else FakeCluster()
    if whose == "theirs":
        cluster.create(*WHERE, {"password": "x"}, annotations={DUE: "theirs"})
    action = next_action(cluster, desired("canary-2", policies=ONCE))
    assert action == Done("it exists, and is left as it is (creation: createOnce)")


@pytest.mark.parametrize("restart", ["auto", "none"])
def test_restarts_due_for_a_secret_made_once_are_finished_with_what_it_holds(restart: str) -> None:
    cluster = FakeCluster()
    first = desired(policies=ONCE)
    first = replace(first, labels={"app": "a"}, annotations={"example.com/x": "y"})
    carry_out(cluster, first, "nonce-1")
    before = cluster.annotations(*WHERE)
    cluster.edit(*WHERE, data={"username": "by hand"})
    actions = settle(cluster, desired("canary-2", "version-2", policies=ONCE, restart=restart))
    assert [type(each) for each in actions] == ([Restart, Done] if restart == "auto" else [Done])
    assert cluster.data(*WHERE)["password"] == encode("canary-1")
    assert cluster.data(*WHERE)["username"] == encode("by hand")
    after = cluster.annotations(*WHERE)
    assert after == ({key: text for key, text in before.items() if key != DUE} if restart == "auto" else before)
    assert observed(cluster).labels["app"] == "a"


# Keys of others


EXCLUSIVE = {"keys": "exclusive"}


@pytest.mark.parametrize("restart", ["auto", "none"])
def test_keys_of_others_are_removed_and_marked_in_one_where_the_mapping_wants_the_secret_alone(restart: str) -> None:
    wanted = desired(policies=EXCLUSIVE, restart=restart)
    cluster = settled(wanted)
    cluster.edit(*WHERE, data={"theirs": "x"})
    action = next_action(cluster, wanted)
    assert isinstance(action, Prune)
    assert action.why == "not of this mapping: theirs"
    assert action.patch["metadata"].items() >= observed(cluster).preconditions.items()
    assert action.patch["metadata"].get("annotations") == ({DUE: "nonce-2"} if restart == "auto" else None)
    expected = [Prune, Annotate, Restart, Done] if restart == "auto" else [Prune, Done]
    assert [type(each) for each in settle(cluster, wanted)] == expected
    assert cluster.data(*WHERE).keys() == {"username", "password"}


def test_new_content_is_written_before_keys_of_others_are_removed() -> None:
    wanted = desired(policies=EXCLUSIVE | TAKE_OVER)
    cluster = FakeCluster()
    cluster.create(*WHERE, {"old": "x"})
    assert [type(each) for each in settle(cluster, wanted)] == [Write, Prune, Annotate, Restart, Done]
    assert cluster.data(*WHERE).keys() == {"username", "password"}


def test_a_mark_that_workloads_carry_already_does_not_do_for_keys_that_are_removed_later() -> None:
    wanted = desired(policies=EXCLUSIVE)
    cluster = FakeCluster()
    carry_out(cluster, wanted, "nonce-1")
    cluster.edit(*WHERE, data={"theirs": "x"})
    settle(cluster, wanted)
    assert "nonce-1" not in cluster.annotations(*WHERE).values()


def test_keys_of_others_in_an_immutable_secret_are_refused() -> None:
    wanted = desired(policies=EXCLUSIVE)
    cluster = settled(wanted)
    cluster.edit(*WHERE, data={"theirs": "x"})
    cluster.make_immutable(*WHERE)
    with pytest.raises(Refused, match="is immutable and holds other content"):
        next_action(cluster, wanted)


# Immutable


def test_a_secret_is_sealed_once_nothing_superfluous_is_in_it() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"theirs": "x"})
    wanted = desired(policies=EXCLUSIVE, immutable=True)
    actions = settle(cluster, wanted)
    assert [getattr(each, "why", "") for each in actions[:3]] == [
        "new versions or mapping",
        "not of this mapping: theirs",
        "not yet immutable",
    ]
    assert observed(cluster).immutable


def test_a_secret_is_made_immutable_and_stays_so() -> None:
    cluster = settled(desired(immutable=True))
    assert observed(cluster).immutable
    assert isinstance(carry_out(cluster, desired(version="version-2")), Annotate)
    assert observed(cluster).immutable


# Renaming


def renamed(wanted: Desired, *was: str) -> Desired:
    """Return what is wanted under a new name of the mapping."""
    metadata = wanted.mapping.metadata.model_copy(update={"name": "new", "previous_names": was})
    return replace(wanted, mapping=wanted.mapping.model_copy(update={"metadata": metadata}))


def test_another_name_is_a_conflict_and_an_earlier_one_is_not() -> None:
    cluster = settled()
    assert "(mapping payments-db)" in conflict(cluster, renamed(desired()))
    wanted = renamed(desired(), "older", "payments-db")
    assert [type(each) for each in settle(cluster, wanted)] == [Annotate, Release, Done]
    assert {manager for manager, _ in cluster.secrets[WHERE].managed_fields} == {"keyferry:new"}
    assert cluster.history == ["write payments/payments-db"]


def test_a_renamed_mapping_that_maps_less_marks_the_restarts_with_the_removal() -> None:
    cluster = settled()
    wanted = renamed(desired(data={"username": {"from": "db"}}), "payments-db")
    actions = settle(cluster, wanted)
    assert [type(each) for each in actions] == [Annotate, Prune, Annotate, Release, Restart, Done]
    assert cluster.data(*WHERE).keys() == {"username"}


def test_what_a_stranger_owns_too_of_the_earlier_names_keys_is_theirs() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"password": "x"})
    cluster.edit(*WHERE, data={"password": "canary-1"})
    carry_out(cluster, desired())
    assert [type(each) for each in settle(cluster, desired())] == [Restart, Done]
    wanted = renamed(desired(data={"username": {"from": "db"}}), "payments-db")
    assert [type(each) for each in settle(cluster, wanted)] == [Annotate, Release, Done]
    assert cluster.managers(*WHERE, "password") == {"kubectl-edit"}


def test_restarts_that_were_due_under_the_earlier_name_are_done_under_the_new_one() -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired(), "nonce-1")
    actions = settle(cluster, renamed(desired(), "payments-db"))
    assert [type(each) for each in actions] == [Annotate, Release, Restart, Done]
    assert DUE not in cluster.annotations(*WHERE)


# A source that was deleted


GONE = SourceDeleted("prod/payments/db: it is scheduled for deletion")


def deletion(cluster: FakeCluster, policy: str, *was: str) -> Action:
    wanted = mapping(policies={"deletion": policy}, was=was)
    return plan_deletion(wanted, observed(cluster) if WHERE in cluster.secrets else None, GONE)


@pytest.mark.parametrize("there", [True, False])
def test_a_secret_is_retained_unless_the_mapping_says_otherwise(there: bool) -> None:
    with pytest.raises(SourceDeleted):
        deletion(settled() if there else FakeCluster(), "retain")


@pytest.mark.parametrize("policy", ["delete", "merge"])
def test_where_there_is_no_secret_nothing_is_left_to_do(policy: str) -> None:
    assert deletion(FakeCluster(), policy) == Done(str(GONE))


def test_a_secret_that_the_mapping_made_is_deleted_as_it_was_observed() -> None:
    cluster = settled()
    assert deletion(cluster, "delete") == Delete(observed(cluster).preconditions, str(GONE))


def test_a_secret_that_somebody_else_made_is_not_deleted() -> None:
    cluster = FakeCluster()
    cluster.create(*WHERE, {"password": "x"})
    assert deletion(cluster, "delete") == Done(f"not made by this mapping: kept; {GONE}")


def test_a_secret_in_which_others_have_keys_loses_ours_alone() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"theirs": "canary-theirs"})
    action = deletion(cluster, "delete")
    assert isinstance(action, Release)
    cluster.client().apply_secret("payments", action.body, action.manager, force=False)
    assert cluster.data(*WHERE).keys() == {"theirs"}
    assert deletion(cluster, "delete") == Done(f"not made by this mapping: kept; {GONE}")


FIND: dict[str, Any] = {
    "sources": {"db": {"find": "secretsManager", "path": "prod/"}},
    "data": {},
    "dataFrom": [{"from": "db", "invalidCharacters": "replace"}],
}


def finding(*keys: str, version: str, **changes: Any) -> Desired:  # noqa: ANN401
    return desired_of(mapping(**FIND, **changes), {key: SecretValue(b"x") for key in keys}, {"db": version})


def test_what_a_find_no_longer_finds_stays_unless_the_mapping_lets_it_go() -> None:
    cluster = FakeCluster()
    settle(cluster, finding("a", "b", version="v1"))
    with pytest.raises(SourceUnavailable, match="source db no longer finds what b was made of") as raised:
        plan(finding("a", version="v2"), observed(cluster), "nonce-2", WHEN)
    assert "set merge there" in str(raised.value)
    assert isinstance(plan(finding("a", "b", "c", version="v2"), observed(cluster), "nonce-2", WHEN), Write)
    for policy in ("merge", "delete"):
        settle(cluster, finding("a", "b", version="v3", policies={"deletion": policy}))
        assert isinstance(
            plan(finding("a", version="v4", policies={"deletion": policy}), observed(cluster), "", WHEN), Write
        )


def test_a_changed_mapping_can_drop_keys_of_a_find() -> None:
    cluster = FakeCluster()
    settle(cluster, finding("a", "b", version="v1"))
    assert isinstance(plan(finding("a", version="v2", restart="none"), observed(cluster), "nonce-2", WHEN), Write)
    assert isinstance(plan(finding("a", version="v1"), observed(cluster), "nonce-2", WHEN), Write), (
        "its keys were renamed"
    )


def test_all_that_is_ours_is_removed_under_each_name_and_no_restart_marked() -> None:
    cluster = settled()
    cluster.edit(*WHERE, data={"theirs": "x"}, labels={"theirs": "y"})
    wanted = renamed(desired(data={"password": {"from": "db"}}), "payments-db")
    carry_out(cluster, wanted)
    for manager in ("keyferry:new", "keyferry:payments-db"):
        action = plan_deletion(
            wanted.mapping.model_copy(
                update={"spec": mapping(policies={"deletion": "merge"}).spec},
            ),
            observed(cluster),
            GONE,
        )
        assert isinstance(action, Release)
        assert action.manager == manager
        write(cluster.client(), "payments", manager, action)
    assert cluster.data(*WHERE).keys() == {"theirs"}
    assert (dict(observed(cluster).annotations), dict(observed(cluster).labels)) == ({}, {"theirs": "y"})
    assert deletion(cluster, "merge") == Done(str(GONE))


def test_an_immutable_secret_keeps_its_keys_and_says_so() -> None:
    cluster = settled(desired(immutable=True))
    with pytest.raises(Refused, match="is immutable and keeps its keys: delete it"):
        deletion(cluster, "merge")


def test_an_immutable_secret_of_which_only_the_journal_is_ours_loses_that() -> None:
    cluster = settled(desired(immutable=True))
    cluster.edit(*WHERE, annotations={})
    for path in [
        path for path in cluster.secrets[WHERE].managed_fields["keyferry:payments-db", "Apply"] if path[0] == "data"
    ]:
        cluster.secrets[WHERE].managed_fields["keyferry:payments-db", "Apply"].remove(path)
    action = deletion(cluster, "merge")
    assert isinstance(action, Release)
    write(cluster.client(), "payments", action.manager, action)
    assert observed(cluster).immutable


# 5: only versions or revision differ


@pytest.mark.parametrize(
    "wanted", [desired(version="version-2"), desired(clusters=["prod-eu", "prod-us"])], ids=["version", "revision"]
)
def test_a_new_version_or_mapping_with_the_same_content_restarts_nothing(wanted: Desired) -> None:
    cluster = settled()
    action = carry_out(cluster, wanted)
    assert isinstance(action, Annotate)
    assert (action.force, action.why) == (False, "new versions or mapping")
    assert isinstance(next_action(cluster, wanted), Done)
    assert cluster.history == ["write payments/payments-db"]


def test_annotating_carries_the_mark_of_due_restarts_on_unchanged() -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired(), "nonce-1")
    action = carry_out(cluster, desired(version="version-2"), "nonce-2")
    assert isinstance(action, Annotate)
    assert action.body["metadata"]["annotations"][DUE] == "nonce-1"
    assert action.body["metadata"].items() >= {"resourceVersion": "100"}.items()


def test_annotations_that_were_removed_by_hand_are_put_back() -> None:
    cluster = settled()
    cluster.edit(*WHERE, annotations=dict.fromkeys(cluster.annotations(*WHERE)))
    action = carry_out(cluster, desired())
    assert isinstance(action, Annotate)
    assert not action.force
    assert isinstance(next_action(cluster, desired()), Done)


@pytest.mark.parametrize("key", ["versions", "revision", "keys"])
def test_annotations_that_were_edited_by_hand_are_taken_back(key: str) -> None:
    cluster = settled()
    cluster.edit(*WHERE, annotations={f"keyferry.dev/{key}": "other"})
    action = carry_out(cluster, desired())
    assert isinstance(action, Annotate)
    assert action.force
    assert isinstance(next_action(cluster, desired()), Done)


def test_a_label_that_was_removed_by_hand_is_put_back() -> None:
    cluster = settled()
    cluster.edit(*WHERE, labels={"app.kubernetes.io/managed-by": None})
    action = carry_out(cluster, desired())
    assert isinstance(action, Annotate)
    assert action.why == "label missing"
    assert isinstance(next_action(cluster, desired()), Done)


# notices


WRITTEN, EXPIRES = "keyferry.dev/written", "keyferry.dev/certificate-expires"
MADE_BY = "keyferry.dev/release"


def notices(cluster: FakeCluster) -> dict[str, str]:
    return {key: text for key, text in cluster.annotations(*WHERE).items() if key in (WRITTEN, EXPIRES)}


def with_certificate(expires: datetime) -> Desired:
    """Return a TLS Secret whose certificate is valid until then."""
    pair = issue("leaf.example.com", expires=expires)
    data = {"tls.crt": SecretValue(pair.crt.encode()), "tls.key": SecretValue(pair.pem.encode())}
    wanted = mapping(
        secret={"name": "payments-db", "type": "kubernetes.io/tls", "data": {key: {"from": "db"} for key in data}}
    )
    return desired_of(wanted, data, {"db": str(expires)})


def test_a_write_of_content_notes_its_time_and_nothing_else_changes_the_note() -> None:
    cluster = settled()
    assert notices(cluster) == {WRITTEN: "2026-11-24T12:00:00+00:00"}
    later, changed = WHEN + timedelta(hours=2), desired("canary-2", "version-2")
    for wanted in (desired(version="version-2"), changed):
        action = plan(wanted, observed(cluster), "nonce-2", later)
        assert isinstance(action, Annotate | Write)
        write(cluster.client(), "payments", wanted.manager, action)
        is_content = wanted is changed
        assert notices(cluster) == {WRITTEN: f"2026-11-24T{14 if is_content else 12}:00:00+00:00"}
        settle(cluster, wanted)
        assert notices(cluster) == {WRITTEN: f"2026-11-24T{14 if is_content else 12}:00:00+00:00"}


def test_the_note_of_a_certificate_is_its_date_and_goes_with_it() -> None:
    cluster = FakeCluster()
    for year in (2028, 2030):
        settle(cluster, with_certificate(datetime(year, 1, 1, tzinfo=UTC)))
        assert notices(cluster)[EXPIRES] == f"{year}-01-01T00:00:00+00:00"


@pytest.mark.parametrize("text", [None, "", "canary", "2000-01-01T00:00:00+00:00"])
def test_a_note_that_is_missing_or_wrong_is_no_reason_to_write(text: str | None) -> None:
    cluster = settled()
    cluster.edit(*WHERE, annotations={WRITTEN: text, EXPIRES: text})
    before = observed(cluster).resource_version
    assert settle(cluster, desired()) == [Done()]
    assert observed(cluster).resource_version == before


def test_a_note_of_somebody_else_is_written_over_with_the_next_content() -> None:
    cluster = settled()
    cluster.edit(*WHERE, annotations={WRITTEN: "2000-01-01T00:00:00+00:00"})
    assert settle(cluster, desired()) == [Done()]
    settle(cluster, desired("canary-2", "version-2"))
    assert notices(cluster) == {WRITTEN: "2026-11-24T12:00:00+00:00"}


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes all that follows another release."""
    return lambda: monkeypatch.setattr("keyferry.delivery.desired.__version__", "9.9.9")


def test_each_write_notes_the_release_that_wrote(upgrade: Callable[[], None]) -> None:
    cluster = settled()
    assert cluster.annotations(*WHERE)[MADE_BY] == __version__
    upgrade()
    settle(cluster, desired(version="version-2"))  # versions alone
    assert cluster.annotations(*WHERE)[MADE_BY] == "9.9.9"


@pytest.mark.parametrize("text", ["", None, "0.0.1", "canary"])
def test_the_release_of_the_last_write_is_no_reason_to_write(text: str | None, upgrade: Callable[[], None]) -> None:
    cluster = settled()
    if text != "":  # else it is ours, of the release before
        cluster.edit(*WHERE, annotations={MADE_BY: text})
    before = observed(cluster).resource_version
    upgrade()
    assert settle(cluster, desired()) == [Done()]
    assert observed(cluster).resource_version == before


def test_a_release_that_somebody_else_wrote_is_written_over_with_the_next_write() -> None:
    cluster = settled()
    cluster.edit(*WHERE, annotations={MADE_BY: "canary"})
    settle(cluster, desired("canary-2", "version-2"))
    assert cluster.annotations(*WHERE)[MADE_BY] == __version__


def test_a_secret_that_is_made_once_keeps_the_release_that_made_it(upgrade: Callable[[], None]) -> None:
    cluster, once = FakeCluster(), desired(policies={"creation": "createOnce"})
    carry_out(cluster, once, "nonce-1")
    upgrade()
    [restart, done] = settle(cluster, once)
    assert (type(restart), type(done)) == (Restart, Done)
    assert cluster.annotations(*WHERE)[MADE_BY] == __version__


# 6 to 8: restarts


def test_what_is_as_it_should_be_is_done() -> None:
    assert next_action(settled(), desired()) == Done()


def test_due_restarts_come_with_the_complete_body_that_clears_them() -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired(), "nonce-1")
    action = next_action(cluster, desired())
    assert isinstance(action, Restart)
    assert (action.nonce, action.force) == ("nonce-1", False)
    assert action.cleared_body == desired().build_body(observed(cluster), None)


@pytest.mark.parametrize("how", ["edited", "added", "co-owned"])
def test_a_mark_that_somebody_else_owns_is_made_ours_so_that_it_can_be_cleared(how: str) -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired(), "nonce-1")
    if how == "added":
        cluster = settled()
    cluster.edit(*WHERE, annotations={DUE: "by hand"})
    if how == "co-owned":
        cluster.edit(*WHERE, annotations={DUE: "nonce-1"})
        carry_out(cluster, desired(version="version-0"), "nonce-0")
    action = carry_out(cluster, desired(version="version-0"), "nonce-2")
    assert isinstance(action, Annotate if how != "co-owned" else Restart)
    assert any(isinstance(carry_out(cluster, desired(version="version-0"), "nonce-3"), Done) for _ in range(3))
    assert DUE not in cluster.annotations(*WHERE)


def test_without_restarts_there_is_no_mark_and_nothing_after_the_write() -> None:
    cluster, wanted = FakeCluster(), desired(restart="none")
    carry_out(cluster, wanted)
    assert DUE not in cluster.annotations(*WHERE)
    assert next_action(cluster, wanted) == Done()
    action = next_action(cluster, desired("canary-2", restart="none"))
    assert isinstance(action, Write)
    assert DUE not in action.body["metadata"]["annotations"]


@pytest.mark.parametrize("version", ["version-1", "version-2"])
def test_a_mark_that_is_no_longer_wanted_is_taken_off(version: str) -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired(), "nonce-1")
    wanted = desired(version=version, restart="none")
    assert isinstance(carry_out(cluster, wanted), Annotate)
    assert DUE not in cluster.annotations(*WHERE)
    assert next_action(cluster, wanted) == Done()


def test_a_mark_that_came_back_where_no_restarts_are_wanted_is_taken_off() -> None:
    wanted = desired(restart="none")
    cluster = settled(wanted)
    cluster.edit(*WHERE, annotations={DUE: "by hand"})
    actions = [carry_out(cluster, wanted, nonce) for nonce in ("nonce-2", "nonce-3", "nonce-4")]
    assert [getattr(action, "why", "done") for action in actions] == [
        "restart-due is somebody else's",
        "no restarts wanted",
        "done",
    ]
    assert DUE not in cluster.annotations(*WHERE)


# What a Secret cannot take


def sized(size: int, key: str = "password", **changes: Any) -> Desired:  # noqa: ANN401
    wanted = mapping(data={key: {"from": "db"}}, **changes)
    return Desired(wanted, {key: SecretValue(b"x" * size)}, {"db": "version-1"})


def test_a_secret_holds_1_mib() -> None:
    assert isinstance(plan(sized(MAX_DATA_BYTES), None, "nonce", WHEN), Write)


@pytest.mark.parametrize("there", [False, True])
def test_a_secret_does_not_hold_one_byte_more(there: bool) -> None:
    with pytest.raises(Refused) as raised:
        plan(sized(MAX_DATA_BYTES + 1), observed(settled()) if there else None, "nonce", WHEN)
    assert str(raised.value) == (
        "Secret payments-db would hold 1,048,577 bytes; Kubernetes allows 1,048,576: map fewer keys,"
        " or split them over two mappings"
    )


def test_keys_of_others_count_and_our_removed_ones_do_not() -> None:
    cluster = settled(sized(MAX_DATA_BYTES))
    assert isinstance(next_action(cluster, sized(MAX_DATA_BYTES, "renamed")), Write)
    cluster = settled(sized(1))
    cluster.edit(*WHERE, data={"theirs": "x"})
    with pytest.raises(Refused, match="would hold 1,048,577 bytes"):
        next_action(cluster, sized(MAX_DATA_BYTES))


def test_a_removed_key_that_others_own_too_stays_and_counts() -> None:
    cluster = settled(sized(1))
    cluster.edit(*WHERE, data={"password": "xx"})
    cluster.edit(*WHERE, data={"password": "x"})
    carry_out(cluster, sized(1))
    assert cluster.managers(*WHERE, "password") == {"keyferry:payments-db", "kubectl-edit"}
    with pytest.raises(Refused, match="would hold 1,048,577 bytes"):
        next_action(cluster, sized(MAX_DATA_BYTES, "renamed"))


def test_a_type_never_changes() -> None:
    with pytest.raises(Refused) as raised:
        next_action(settled(), desired(type="kubernetes.io/basic-auth"))
    assert str(raised.value) == (
        "Secret payments-db has type Opaque, and a Secret's type never changes: delete it (the next delivery creates"
        " it again as kubernetes.io/basic-auth), or say type: Opaque in the mapping"
    )


@pytest.mark.parametrize("wanted", [desired("canary-2"), desired(data={"username": {"from": "db"}})])
def test_an_immutable_secret_refuses_other_content(wanted: Desired) -> None:
    cluster = settled()
    cluster.make_immutable(*WHERE)
    with pytest.raises(Refused, match="Secret payments-db is immutable and holds other content: delete it"):
        next_action(cluster, wanted)


def test_an_immutable_secret_with_the_same_content_is_annotated_and_restarted() -> None:
    cluster = FakeCluster()
    carry_out(cluster, desired())
    cluster.edit(*WHERE, data={"password": "by hand"})
    cluster.edit(*WHERE, data={"password": "canary-1"})
    cluster.make_immutable(*WHERE)
    for expected in (Write, Restart, Done):
        assert isinstance(carry_out(cluster, desired(version="version-2")), expected)


def test_no_error_or_reason_quotes_a_value() -> None:
    cluster = settled()
    action = next_action(cluster, desired("canary-2"))
    assert isinstance(action, Write)
    assert "canary" not in action.why


# What is shown of an action


def test_neither_an_action_nor_what_it_was_planned_from_shows_content() -> None:
    cluster, applied = FakeCluster(), {"kubectl.kubernetes.io/last-applied-configuration": encode("canary-1")}
    creation = carry_out(cluster, desired())
    cluster.edit(*WHERE, annotations=applied)
    restart = next_action(cluster, desired())
    annotate, update = next_action(cluster, desired(version="version-2")), next_action(cluster, desired("canary-2"))
    kinds = [Write, Restart, Annotate, Write]
    assert [type(action) for action in (creation, restart, annotate, update)] == kinds
    request = Request("PATCH", "/x", "patch", "secrets/x", body=restart.cleared_body)  # type: ignore[union-attr]
    shown = repr([creation, restart, annotate, update, observed(cluster), desired(), request])
    for text in ("canary-1", "canary-2"):
        assert text not in shown
        assert encode(text) not in shown
