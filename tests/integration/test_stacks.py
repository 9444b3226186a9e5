"""Two stacks in one cluster share nothing, and a mapping moves from one to the other without a write of data."""

import pytest

from keyferry.access.rbac import build_rbac
from keyferry.delivery.observed import MAPPING, RESTART_DUE
from keyferry.errors import Conflict
from keyferry.identity import Identity
from keyferry.kinds import STRATEGIC_MERGE
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import StackNames
from keyferry_local.admin import Object, Refused
from keyferry_local.direct import Direct, catalog
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.scene import CLUSTER, Scene, error


@pytest.fixture
def prefixes(scene: Scene) -> tuple[str, str]:
    """The prefixes of two stacks."""
    return f"one-{scene.namespace}", f"two-{scene.namespace}"


def grant(scene: Scene, prefix: str, mapping: SecretMapping, previous: tuple[str, ...] = ()) -> Direct:
    """Return the `deliver` of a stack with a prefix."""
    stack = StackNames.model_validate({"prefix": prefix, "previousPrefixes": previous})
    return Direct.grant(scene.cloud, catalog(scene.cloud, [mapping], stack))


def generate(scene: Scene, prefix: str) -> list[Object]:
    """Return what is generated for a stack with a prefix."""
    whole = catalog(scene.cloud, [scene.mapping(namespaces={"names": ["*"]})], StackNames(prefix=prefix))
    return build_rbac(whole, whole.clusters[CLUSTER])


def test_two_stacks_with_mappings_of_the_same_names_share_no_object_and_no_user(
    scene: Scene, prefixes: tuple[str, str]
) -> None:
    first, second = (generate(scene, prefix) for prefix in prefixes)
    named = [{(each["kind"], each["metadata"]["name"]) for each in objects} for objects in (first, second)]
    assert named[0] & named[1] == set()
    assert prefixes[1] not in str(first)
    assert prefixes[0] not in str(second)


def test_neither_stack_may_touch_what_is_the_other_s(scene: Scene, prefixes: tuple[str, str]) -> None:
    scene.create({"password": "canary-stacks-1"})
    data = {"password": {"from": "db", "path": "password"}}
    for prefix, secret in zip(prefixes, ("first", "second"), strict=True):
        made = grant(scene, prefix, scene.mapping(secret={"name": secret, "data": data}))
        assert not made.deliver(scene.namespace).errors
    for user in (*Identity(prefixes[0]).users, *Identity(prefixes[1]).users):
        for secret in ("first", "second"):
            is_own = user.startswith(prefixes[0]) is (secret == "first")
            assert scene.admin.may(user, "get", "secrets", namespace=scene.namespace, name=secret) is is_own
            if not is_own:
                assert not scene.admin.may(user, "patch", "secrets", namespace=scene.namespace, name=secret)


def test_a_secret_of_one_stack_is_a_conflict_for_the_other(scene: Scene, prefixes: tuple[str, str]) -> None:
    scene.create({"password": "canary-stacks-2"})
    first, second = (grant(scene, prefix, scene.mapping()) for prefix in prefixes)
    assert not first.deliver(scene.namespace).errors
    with scene.untouched("Secret", "db"):
        found = error(second.deliver(scene.namespace))
    assert isinstance(found, Conflict)
    assert f"belongs to field manager {prefixes[0]}:{scene.namespace}" in str(found)


def test_the_policies_of_one_stack_do_not_hinder_the_other(scene: Scene, prefixes: tuple[str, str]) -> None:
    """A Secret of one name goes to other namespaces by each of them, and both restart what uses it."""
    scene.create({"password": "canary-stacks-3"})
    spaces = [f"{scene.namespace}-{number}" for number in range(2)]
    for name in spaces:
        metadata = {"name": name, "labels": {"stack": name}}
        scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        scene.admin.apply(deployment("api", name, env_from("db")))
    directs = [
        grant(scene, prefix, scene.mapping(namespaces={"matchLabels": {"stack": name}}))
        for prefix, name in zip(prefixes, spaces, strict=True)
    ]
    for direct, prefix, name in zip(directs, prefixes, spaces, strict=True):
        assert not direct.deliver(scene.namespace).errors
        assert scene.admin.data("db", name) == {"password": b"canary-stacks-3"}
        restarted = scene.admin.get("Deployment", "api", name) or {}
        assert list(restarted["spec"]["template"]["metadata"]["annotations"]) == [Identity(prefix).stamp_key("db")]


def test_a_mapping_moves_to_another_stack_without_a_write_of_data_and_without_a_restart(
    scene: Scene, prefixes: tuple[str, str]
) -> None:
    scene.create({"password": "canary-stacks-4"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    first, second = prefixes
    assert not grant(scene, first, scene.mapping()).deliver(scene.namespace).errors
    before = scene.secret()
    moved = grant(scene, second, scene.mapping(), (first,))

    with scene.untouched("Deployment", "api"):
        report = moved.deliver(scene.namespace)

    assert not report.errors
    after = scene.secret()
    assert (after["data"], after["metadata"]["uid"]) == (before["data"], before["metadata"]["uid"])
    assert after["metadata"]["annotations"][MAPPING] == f"{second}:{scene.namespace}"
    assert RESTART_DUE not in after["metadata"]["annotations"]
    assert {each["manager"] for each in after["metadata"]["managedFields"]} == {f"{second}:{scene.namespace}"}
    with scene.untouched("Secret", "db"):
        assert not moved.deliver(scene.namespace).errors


KINDS_OF_APPS = ("Deployment", "StatefulSet", "DaemonSet")


def run_all(scene: Scene) -> None:
    """Run a workload of each kind that uses the Secret."""
    for kind in KINDS_OF_APPS:
        spec = deployment("api", scene.namespace, env_from("db"))["spec"]
        if kind == "DaemonSet":
            del spec["replicas"]
        scene.make(kind, "api", spec=spec | ({"serviceName": "api"} if kind == "StatefulSet" else {}))


def stamps(scene: Scene) -> dict[str, dict[str, str]]:
    """Return the annotations of the pod template of each workload."""
    found = {kind: scene.admin.get(kind, "api", scene.namespace) or {} for kind in KINDS_OF_APPS}
    return {kind: raw["spec"]["template"]["metadata"]["annotations"] for kind, raw in found.items()}


def test_after_a_move_a_change_restarts_and_leaves_one_stamp(scene: Scene, prefixes: tuple[str, str]) -> None:
    scene.create({"password": "canary-stacks-5"})
    run_all(scene)
    first, second = prefixes
    assert not grant(scene, first, scene.mapping()).deliver(scene.namespace).errors
    before = stamps(scene)
    moved = grant(scene, second, scene.mapping(), (first,))
    assert not moved.deliver(scene.namespace).errors
    assert stamps(scene) == before
    scene.put({"password": "canary-stacks-6"})

    [outcome] = moved.deliver(scene.namespace).outcomes

    assert outcome.error is None
    assert len(outcome.restarted) == len(KINDS_OF_APPS)
    assert {tuple(each) for each in stamps(scene).values()} == {(Identity(second).stamp_key("db"),)}
    with scene.untouched("Secret", "db"):
        assert not moved.deliver(scene.namespace).errors


def test_stamps_of_an_earlier_prefix_may_be_taken_away_alone(scene: Scene, prefixes: tuple[str, str]) -> None:
    scene.create({"password": "canary-stacks-7"})
    run_all(scene)
    first, second = prefixes
    assert not grant(scene, first, scene.mapping()).deliver(scene.namespace).errors
    grant(scene, second, scene.mapping(), (first,))
    former, headers = Identity(first).stamp_key("db"), {"Impersonate-User": Identity(second).deliver}
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments/api?dryRun=All"

    def stamp(**annotations: str | None) -> None:
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        scene.admin.send("PATCH", path, patch, STRATEGIC_MERGE, headers)

    def is_refused() -> bool:
        try:
            stamp(**{"example.com/x": "0"})
        except Refused:
            return True
        return False

    until("the policy for workloads is in force", is_refused)
    for wrong in ({former: "0" * 16}, {former + "-other": "0" * 16}, {"example.com/x": None, former: "1" * 16}):
        with pytest.raises(Refused, match="of pod templates alone"):
            stamp(**wrong)
    stamp(**{former: None})
    stamp(**{former: None, Identity(second).stamp_key("db"): "0" * 16})
