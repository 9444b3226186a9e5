"""`keyferry migrate handover` on a real API server: the originals' stand-ins write, revert and collect meanwhile."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.kubeconfig import Kubeconfig
from keyferry.cli.migrate.handover import back, forward
from keyferry.cli.migrate.handover.clusters import Group, Side
from keyferry.cli.migrate.handover.run import Handover
from keyferry.cli.migrate.handover.targets import Target
from keyferry.kube.transport import Request
from keyferry_local.admin import Object
from keyferry_local.direct import Direct, deadline, delivery
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.history import History
from tests.integration.migrate.cluster_operator import ClusterOperator
from tests.integration.migrate.stand_ins import (
    DRIVER,
    MANAGED,
    MARK,
    OPERATOR,
    Driver,
    Operator,
    field_manager,
    running,
)
from tests.integration.operators import Operator as Person
from tests.integration.scene import CLUSTER, Scene

QUIET, PERIOD = 1.0, 0.3
"""Seconds: how long no owner may come back, and how often the stand-in sets them. The driver takes five."""


pytestmark = pytest.mark.usefixtures("_kinds")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Wire:
    """A connection that counts the requests that write, and dies when one of them has been answered.

    That is the same as before the next one is sent: what is read in between leaves nothing behind.
    """

    connection: Any
    dies_at: int = 0
    """The number of the write, from 1; 0 for never."""
    writes: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.connection, name)

    def send(self, request: Request, deadline: Any) -> Any:  # noqa: ANN401
        if request.method == "GET" or "authorization" in request.path:
            return self.connection.send(request, deadline)
        answer = self.connection.send(request, deadline)  # one that is refused, as others were faster, writes nothing
        self.writes.append(f"{request.method} {request.path.rpartition('/')[0].rpartition('/')[2]}")
        if len(self.writes) == self.dies_at:
            raise Killed
        return answer


@dataclass
class Estate:
    """A namespace with a Secret that an original makes, a workload that uses it, and a mapping that could."""

    scene: Scene
    direct: Direct
    told: list[str] = field(default_factory=list)
    follow: Callable[[str], None] = lambda _: None
    """What a person does who is told what to change."""

    def wire(self, **more: Any) -> Wire:  # noqa: ANN401
        plane = self.scene.cloud.clusters[CLUSTER]
        context = Context(CLUSTER, CLUSTER, plane.endpoint)
        return Wire(Kubeconfig(str(plane.kubeconfig), {}).connect(context, CLUSTER), **more)

    def start(self, wire: Wire, *, is_back: bool = False, wait_seconds: float = 20) -> Handover:
        """Return a run with its plan made."""
        runtime, name = self.direct.runtime, self.scene.namespace
        client = OperatorClient(wire, Context("mine", CLUSTER, "https://api"), deadline())  # type: ignore[arg-type]
        group = Group(
            delivery(name),
            runtime.catalog.mappings[name],
            Side(client),
            lambda asked, secrets: runtime.prepare(asked, deadline(), secrets),
            runtime.catalog.locate,
        )
        steps = back.list_steps if is_back else forward.list_steps
        run = Handover([group], steps, not is_back, wait_seconds, self._tell, lambda _: time.sleep(0.1))
        run.plan()
        return run

    def run(self, **more: Any) -> Target:  # noqa: ANN401
        """Hand over, or back, and return the one target."""
        wire = self.wire(dies_at=more.pop("dies_at", 0))
        [target] = self.start(wire, **more).run()
        return target

    def die(self, number: int, **more: Any) -> None:  # noqa: ANN401
        """Hand over, or back, until the process is gone at the write of that number, from 1."""
        with pytest.raises(Killed):
            target = self.run(dies_at=number, **more)
            pytest.fail(f"it came to an end before: {target.standing} {target.why}, after {target.done}")

    def _tell(self, _target: Target, text: str) -> None:
        assert "canary" not in text
        self.told.append(text)
        self.follow(text)

    def find(self, plural: str, name: str = "db", group: str = OPERATOR) -> Object | None:
        """Return an original."""
        items = self.scene.admin.send("GET", f"/apis/{group}/v1/namespaces/{self.scene.namespace}/{plural}")["items"]
        return next((each for each in items if each["metadata"]["name"] == name), None)

    def change(self, plural: str, patch: Object, name: str = "db", group: str = OPERATOR) -> None:
        """Change an original as a person does."""
        path = f"/apis/{group}/v1/namespaces/{self.scene.namespace}/{plural}/{name}?fieldManager=kubectl-edit"
        self.scene.admin.send("PATCH", path, patch, "application/merge-patch+json")

    @property
    def owners(self) -> list[str]:
        return [each["kind"] for each in self.scene.secret()["metadata"].get("ownerReferences", ())]


@contextmanager
def external(
    scene: Scene,
    target: Mapping[str, Any],
    metadata: Object | None = None,
    *,
    drops_owners: bool = True,
    period: float = 0.05,
    asked: Mapping[str, Any] = MappingProxyType({}),
    **spec: Any,  # noqa: ANN401
) -> Iterator[Estate]:
    """Yield an estate whose Secret an ExternalSecret makes."""
    scene.create({"password": "canary-handover-1"})
    client = scene.cloud.aws.client("secretsmanager")

    def read(_made: Object) -> dict[str, str]:
        return {"password": str(client.get_secret_value(SecretId=scene.source)["SecretString"]).split('"')[3]}

    operator = Operator(scene.admin, scene.namespace, read)
    made: Object = {
        "apiVersion": f"{OPERATOR}/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "db", "namespace": scene.namespace} | (metadata or {}),
        "spec": {"target": dict(target), "data": [], **spec},
    }
    post(scene, "externalsecrets", made)
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    operator.drops_owners = drops_owners
    with running(operator.reconcile_all, period):
        until("the Secret of the original", lambda: "password" in (scene.data() or {}))
        yield Estate(scene, scene.grant(**asked))


@contextmanager
def watched(estate: Estate) -> Iterator[None]:
    """Assert that the Secret is there all the time, with the same uid and data, and that nothing rolls out."""
    scene = estate.scene
    history, before = History(scene.admin, scene.namespace), scene.secret()
    yield
    assert scene.secret()["metadata"]["uid"] == before["metadata"]["uid"]
    states = history.states("Secret", "db", scene.namespace)
    assert {each["metadata"]["uid"] for each in states} == {before["metadata"]["uid"]}
    assert history.data(scene.namespace) == [before["data"]]
    assert history.new_replica_sets(scene.namespace) == 0
    assert history.rollouts() == {f"{scene.namespace}/Deployment/api": 0}


OWNER = {"creationPolicy": "Owner", "deletionPolicy": "Delete"}


def post(scene: Scene, plural: str, body: Object, group: str = OPERATOR) -> None:
    """Create an original as a person does."""
    path = f"/apis/{group}/v1/namespaces/{scene.namespace}/{plural}?fieldManager=kubectl-create"
    scene.admin.send("POST", path, body, "application/json")


def check_returned(estate: Estate, before: Object | None, parent: ClusterOperator | None = None) -> None:
    """Assert that the original makes the Secret as before: it writes what changes, and takes the Secret along."""
    scene, name = estate.scene, parent.name if parent else "db"
    after = estate.find("externalsecrets", name)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    metadata = scene.secret()["metadata"]
    assert estate.owners == ["ExternalSecret"]
    assert not [key for key in metadata["annotations"] if key.startswith("keyferry.dev/")]
    assert metadata["labels"][MARK] == "true"
    entries = metadata["managedFields"]
    owning = {each["manager"] for each in entries if "f:password" in each["fieldsV1"].get("f:data", ())}
    assert owning == {field_manager(after)}
    assert estate.run(is_back=True).done == []
    if parent and parent.get():
        parent.delete()
    else:
        scene.admin.send("DELETE", f"/apis/{OPERATOR}/v1/namespaces/{scene.namespace}/externalsecrets/{name}")
    until("the Secret goes with its original", lambda: scene.data() is None)


def check_taken_over(estate: Estate) -> None:
    """Assert that the mapping has the Secret as if it had made it: nothing is left to deliver, but a rotation is."""
    scene = estate.scene
    secret = scene.secret()
    assert secret["metadata"]["annotations"]["keyferry.dev/mapping"] == scene.identity.journal_name(scene.namespace)
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "keyferry"}
    assert not estate.owners
    with scene.untouched("Secret", "db"):
        assert not estate.direct.deliver(scene.namespace).errors
    scene.put({"password": "canary-handover-2"})
    assert not estate.direct.deliver(scene.namespace).errors
    assert scene.data() == {"password": b"canary-handover-2"}
    assert scene.stamp("Deployment", "api")


def test_the_mapping_takes_the_secret_over_and_nothing_restarts_and_nothing_is_written_anew(scene: Scene) -> None:
    with external(scene, OWNER) as estate:
        assert estate.owners == ["ExternalSecret"]
        with watched(estate):
            target = estate.run()
            assert (target.standing, target.why) == ("done", "")
            assert estate.find("externalsecrets") is None
        check_taken_over(estate)
        assert estate.run().done == []


@pytest.mark.parametrize("number", range(1, 6))
def test_a_run_that_is_killed_at_any_write_is_finished_by_the_next_one(scene: Scene, number: int) -> None:
    with external(scene, OWNER) as estate:
        with watched(estate):
            estate.die(number)
            assert estate.run().standing == "done"
            assert estate.find("externalsecrets") is None
        check_taken_over(estate)


@pytest.mark.parametrize("number", range(1, 6))
def test_from_any_write_there_is_a_way_back_to_the_original(scene: Scene, number: int) -> None:
    with external(scene, OWNER) as estate:
        before = estate.find("externalsecrets")
        with watched(estate):
            estate.die(number)
            assert estate.run(is_back=True).standing == "done"
        check_returned(estate, before)


@pytest.mark.parametrize("number", range(1, 3))
def test_a_way_back_that_is_killed_is_finished_by_the_next_one(scene: Scene, number: int) -> None:
    with external(scene, OWNER) as estate:
        before = estate.find("externalsecrets")
        assert estate.run().standing == "done"
        with watched(estate):
            estate.die(number, is_back=True)
            assert estate.run(is_back=True).standing == "done"
        check_returned(estate, before)


def test_what_has_been_rotated_meanwhile_is_given_back_with_its_keys_as_the_operators(scene: Scene) -> None:
    with external(scene, OWNER) as estate:
        before = estate.find("externalsecrets")
        assert estate.run().standing == "done"
        check_taken_over(estate)
        with watched(estate):
            assert estate.run(is_back=True).standing == "done"
        check_returned(estate, before)


def test_an_operator_that_is_slow_is_waited_for(scene: Scene) -> None:
    with external(scene, OWNER, period=1.0) as estate, watched(estate):
        assert estate.run().standing == "done"
        assert estate.told.count("waiting until the operator drops its ownerReference") == 1


def test_with_a_policy_that_leaves_the_secret_behind_nothing_is_set_first(scene: Scene) -> None:
    with external(scene, {"creationPolicy": "Orphan"}) as estate, watched(estate):
        assert estate.run().done == [
            f"let the Secret keep the manifest of ExternalSecret {scene.namespace}/db",
            f"remove ExternalSecret {scene.namespace}/db",
            f"mapping {scene.namespace} takes over, with the content as it is",
            "take the marks of the original away",
        ]


@pytest.mark.parametrize("once", [{"refreshInterval": "0"}, {"refreshPolicy": "CreatedOnce"}])
def test_the_owner_goes_and_comes_back_where_the_operator_looks_only_once(
    scene: Scene,
    once: Any,  # noqa: ANN401
) -> None:
    with external(scene, OWNER, **once) as estate:
        before = estate.find("externalsecrets")
        with watched(estate):
            estate.die(3)
            assert (estate.owners, "take the ownerReference away" in estate.told) == ([], False)
            assert estate.run(is_back=True).standing == "done"
        check_returned(estate, before)


def test_an_old_operator_that_keeps_its_owner_reference_has_it_taken_away(scene: Scene) -> None:
    with external(scene, OWNER, drops_owners=False) as estate, watched(estate):
        assert estate.run().standing == "done"
        assert "take the ownerReference away" in estate.told


def test_keys_that_an_original_adds_to_somebody_elses_secret_become_the_mappings(scene: Scene) -> None:
    scene.make("Secret", "db", data={"theirs": "eA=="})
    adds = {"policies": {"creation": "merge"}}
    with external(scene, {"creationPolicy": "Merge"}, asked=adds) as estate, watched(estate):
        assert estate.run().standing == "done"
        assert estate.find("externalsecrets") is None
        assert scene.data() == {"theirs": b"x", "password": b"canary-handover-1"}
        with scene.untouched("Secret", "db"):
            assert not estate.direct.deliver(scene.namespace).errors


def test_what_differs_stays_with_its_original(scene: Scene) -> None:
    with external(scene, OWNER) as estate:
        scene.put({"password": "canary-handover-2"})
        with scene.untouched("Secret", "db"):
            target = estate.run()
        assert target.standing == "refused"
        assert target.why == "it is not what the mapping makes: key password: another value"


def test_a_secret_that_was_rotated_after_its_original_had_gone_is_taken_over_and_then_delivered(scene: Scene) -> None:
    with external(scene, OWNER) as estate:
        uid = scene.secret()["metadata"]["uid"]
        estate.die(3)
        until("the original gone", lambda: estate.find("externalsecrets") is None)
        scene.put({"password": "canary-handover-2"})
        target = estate.run()
        assert target.done[-1] == "deliver what has changed meanwhile: key password: another value"
        assert (scene.data(), scene.secret()["metadata"]["uid"]) == ({"password": b"canary-handover-2"}, uid)
        assert scene.stamp("Deployment", "api")


def has_synced(estate: Estate) -> bool:
    """Return whether the operator has noted that it has written the Secret by the spec as it is."""
    made = estate.find("externalsecrets")
    return bool(made and made["status"]["syncedResourceVersion"].startswith(f"{made['metadata']['generation']}-"))


def test_an_original_that_helm_keeps_is_changed_and_removed_by_its_release(scene: Scene) -> None:
    helm = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "payments"},
    }
    with external(scene, OWNER, helm) as estate, watched(estate):
        assert estate.run(wait_seconds=0).standing == "waits"
        assert estate.told[-1].splitlines()[1:] == [
            f"Helm (payments) keeps ExternalSecret {scene.namespace}/db. Change it there, and apply that:",
            "    spec:",
            "      target:",
            "        creationPolicy: Orphan",
            "        deletionPolicy: Retain",
        ]
        estate.change("externalsecrets", {"spec": {"target": {"creationPolicy": "Orphan", "deletionPolicy": None}}})
        until("the operator has looked", lambda: not estate.owners and has_synced(estate))
        assert estate.run(wait_seconds=0).standing == "waits"
        assert estate.told[-1].startswith(f"waiting until Helm (payments) has ExternalSecret {scene.namespace}/db")
        scene.admin.send("DELETE", f"/apis/{OPERATOR}/v1/namespaces/{scene.namespace}/externalsecrets/db")
        assert estate.run().standing == "done"
        assert "meta.helm.sh/release-name" not in scene.secret()["metadata"]["annotations"]


def test_a_secret_with_another_owner_is_left_alone_until_that_is_settled(scene: Scene) -> None:
    with external(scene, {"creationPolicy": "Owner"}) as estate, watched(estate):
        other = scene.make("ConfigMap", "other")
        foreign = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": other["metadata"]["uid"]}
        owned = scene.secret()["metadata"]["ownerReferences"]
        scene.admin.edit("Secret", "db", scene.namespace, {"metadata": {"ownerReferences": [*owned, foreign]}})
        target = estate.run()
        assert target.standing == "refused"
        assert target.why.startswith("it is owned by ConfigMap/other")


def test_a_manifest_that_is_too_large_to_keep_is_removed_by_a_person_and_nothing_fails(scene: Scene) -> None:
    large: Any = {"refreshInterval": "1h", "description": "x" * 300_000}
    with external(scene, OWNER, **large) as estate, watched(estate):

        def follow(text: str) -> None:
            if text.startswith(f"waiting until you have removed ExternalSecret {scene.namespace}/db"):
                assert not estate.owners
                scene.admin.send("DELETE", f"/apis/{OPERATOR}/v1/namespaces/{scene.namespace}/externalsecrets/db")

        estate.follow = follow
        target = estate.run()
        assert (target.standing, target.why) == ("done", "")
        assert "keyferry.dev/original" not in scene.secret()["metadata"]["annotations"]


# A ClusterExternalSecret


@contextmanager
def clustered(scene: Scene, metadata: Object | None = None) -> Iterator[tuple[Estate, ClusterOperator]]:
    """Yield an estate whose ExternalSecret a ClusterExternalSecret makes, and a person who does what is asked for."""
    scene.create({"password": "canary-handover-1"})
    operator = Operator(scene.admin, scene.namespace, lambda _: {"password": "canary-handover-1"})
    parent = ClusterOperator(scene.admin, scene.namespace)
    spec: Object = {"target": {"name": "db", **OWNER}, "data": []}
    parent.create([scene.namespace], spec, metadata or {})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    with running(operator.reconcile_all, 0.05), running(parent.reconcile, 0.05):
        until("the Secret of the original", lambda: "password" in (scene.data() or {}))
        estate = Estate(scene, scene.grant())
        estate.follow = lambda text: change_parent(parent, text)
        yield estate, parent
        parent.delete()


def change_parent(parent: ClusterOperator, text: str) -> None:
    """Do what is asked for, to the letter."""
    asked, _, change = text.partition("\n")
    if asked.startswith("waiting until ClusterExternalSecret/"):
        if asked.endswith(" removed"):
            parent.delete()
        else:
            parent.change(yaml.safe_load(change.partition("\n")[2]))


CLUSTER_WRITES = 3
"""How many writes a hand-over has whose ExternalSecret somebody else changes and removes: all to the Secret."""


def test_of_a_cluster_external_secret_nothing_is_edited_that_it_would_write_back(scene: Scene) -> None:
    flux = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
    with clustered(scene, flux) as (estate, parent):
        name = f"ExternalSecret {scene.namespace}/{scene.namespace}"
        estate.change("externalsecrets", {"spec": {"target": {"creationPolicy": "Orphan"}}}, scene.namespace)
        until("that is written back", lambda: parent.updates)
        with watched(estate):
            wire = estate.wire()
            [target] = estate.start(wire, wait_seconds=60).run()
            assert (target.standing, target.why) == ("done", "")
        assert wire.writes == ["PATCH secrets"] * CLUSTER_WRITES
        assert f"{parent_of(scene)} keeps {name}, and Flux (apps) keeps that. Change it there" in estate.told[1]
        check_taken_over(estate)


def parent_of(scene: Scene) -> str:
    """Return how the ClusterExternalSecret is told."""
    return f"ClusterExternalSecret/{scene.namespace}"


@pytest.mark.parametrize("number", range(1, CLUSTER_WRITES + 1))
def test_a_run_for_a_cluster_external_secret_that_is_killed_is_finished_by_the_next_one(
    scene: Scene, number: int
) -> None:
    with clustered(scene) as (estate, _):
        with watched(estate):
            estate.die(number, wait_seconds=60)
            assert estate.run(wait_seconds=60).standing == "done"
        check_taken_over(estate)


@pytest.mark.parametrize("number", range(1, CLUSTER_WRITES + 1))
def test_from_any_write_there_is_a_way_back_to_what_a_cluster_external_secret_made(scene: Scene, number: int) -> None:
    with clustered(scene) as (estate, parent):
        before = estate.find("externalsecrets", scene.namespace)
        with watched(estate):
            estate.die(number, wait_seconds=60)
            assert estate.run(is_back=True, wait_seconds=60).standing == "done"
        assert (parent.get() is None) is (number > 1)
        check_returned(estate, before, parent)


def test_between_the_two_changes_there_is_a_way_back_by_the_cluster_external_secret(scene: Scene) -> None:
    with clustered(scene) as (estate, parent):
        before = estate.find("externalsecrets", scene.namespace)
        with watched(estate):
            estate.follow = lambda text: None if text.endswith("of each.") else change_parent(parent, text)
            assert estate.run(wait_seconds=5).standing == "waits"
            assert (estate.owners, parent.get() is None) == ([], False)
            assert estate.run(is_back=True, wait_seconds=20).standing == "done"
        check_returned(estate, before, parent)


# The CSI driver


@contextmanager
def mounted(scene: Scene, monkeypatch: pytest.MonkeyPatch, metadata: Object | None = None) -> Iterator[Estate]:
    """Yield an estate whose Secret the driver makes, of a class that the pod of a Deployment mounts."""
    monkeypatch.setattr(forward, "QUIET_SECONDS", QUIET)
    scene.create({"password": "canary-handover-1"})
    driver = Driver(scene.admin, scene.namespace, lambda _: {"password": "canary-handover-1"})
    entry = {"secretName": "db", "type": "Opaque", "data": [{"objectName": "password", "key": "password"}]}
    made: Object = {
        "apiVersion": f"{DRIVER}/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "db", "namespace": scene.namespace} | (metadata or {}),
        "spec": {"provider": "aws", "parameters": {"objects": "…"}, "secretObjects": [entry, OTHER_ENTRY]},
    }
    post(scene, "secretproviderclasses", made, DRIVER)
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    pod = until("the pod", lambda: next(iter(driver.cluster.list("pods")), None))
    driver.mount(pod["metadata"]["name"], "db")
    with running(driver.patch_owners, PERIOD):
        estate = Estate(scene, scene.grant())
        until("the owner", lambda: estate.owners == ["ReplicaSet"])
        yield estate


OTHER_ENTRY = {"secretName": "other", "type": "Opaque", "data": [{"objectName": "password", "key": "password"}]}


def names_in_class(estate: Estate) -> list[str]:
    """Return the Secrets that the class makes."""
    found = estate.find("secretproviderclasses", group=DRIVER)
    assert found is not None
    return [each["secretName"] for each in found["spec"].get("secretObjects", ())]


def check_driver_has_it(estate: Estate) -> None:
    """Assert that the class makes the Secret again, that it goes with its owners, and that nothing of ours is left."""
    scene = estate.scene
    assert sorted(names_in_class(estate)) == ["db", "other"]
    until("the owner", lambda: estate.owners == ["ReplicaSet"])
    metadata = scene.secret()["metadata"]
    assert (metadata["labels"], metadata.get("annotations")) == ({MANAGED: "true"}, None)
    found = estate.find("secretproviderclasses", group=DRIVER)
    assert found is not None
    assert "annotations" not in found["metadata"]
    assert estate.run(is_back=True).done == []
    scene.admin.delete("Deployment", "api", scene.namespace)
    until("the Secret goes with its owner", lambda: scene.data() is None)


def test_a_secret_of_the_driver_is_taken_over_and_its_class_stays_for_the_pods(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(scene, monkeypatch) as estate:
        with watched(estate):
            assert estate.run().standing == "done"
            assert names_in_class(estate) == ["other"]
            time.sleep(2 * PERIOD)
        check_taken_over(estate)
        scene.admin.send(
            "DELETE", f"/apis/apps/v1/namespaces/{scene.namespace}/deployments/api?propagationPolicy=Orphan"
        )
        for each in scene.admin.list("ReplicaSet", scene.namespace):
            scene.admin.delete("ReplicaSet", each["metadata"]["name"], scene.namespace)
        until("no owner is left", lambda: not scene.admin.list("ReplicaSet", scene.namespace))
        assert scene.data() is not None


@pytest.mark.parametrize("number", range(1, 5))
def test_a_run_for_the_driver_that_is_killed_at_any_write_is_finished_by_the_next_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with mounted(scene, monkeypatch) as estate:
        with watched(estate):
            estate.die(number)
            assert estate.run().standing == "done"
        check_taken_over(estate)


@pytest.mark.parametrize("number", range(1, 5))
def test_from_any_write_there_is_a_way_back_to_the_driver(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with mounted(scene, monkeypatch) as estate:
        with watched(estate):
            estate.die(number)
            assert estate.run(is_back=True).standing == "done"
        check_driver_has_it(estate)


def test_owners_that_the_driver_still_sets_are_taken_away_until_it_sets_none_any_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(scene, monkeypatch) as estate, watched(estate):
        patches = estate.wire()
        run = estate.start(patches)
        late = [*scene.secret()["metadata"]["ownerReferences"]]

        def set_again(_seconds: float) -> None:
            if late:
                scene.admin.edit("Secret", "db", scene.namespace, {"metadata": {"ownerReferences": [late.pop()]}})
            time.sleep(0.1)

        run.sleep = set_again
        [target] = run.run()
        assert target.standing == "done"
        assert target.done.count("take the ownerReferences away") == 2
        assert not estate.owners


def test_a_class_that_git_keeps_is_changed_there(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    argo = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:v1/Class:x/db"}}
    with mounted(scene, monkeypatch, argo) as estate, watched(estate):
        assert estate.run(wait_seconds=0).standing == "waits"
        assert f"Argo CD (shop) keeps SecretProviderClass {scene.namespace}/db." in estate.told[-1]
        estate.change("secretproviderclasses", {"spec": {"secretObjects": [OTHER_ENTRY]}}, group=DRIVER)
        assert estate.run().standing == "done"


# By a person's own rights


READS: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "patch"]},
    {"apiGroups": [OPERATOR], "resources": ["externalsecrets"], "verbs": ["list", "patch"]},
    {"apiGroups": [DRIVER], "resources": ["secretproviderclasses"], "verbs": ["list"]},
]


def ask(estate: Estate, folder: Path, rules: list[dict[str, Any]], *words: str) -> tuple[int, str, str]:
    """Run the command as somebody who may do this in the cluster, and read the secret in AWS."""
    scene = estate.scene
    mappings = folder / "mappings"
    mappings.mkdir()
    (mappings / "db.yaml").write_text(scene.mapping().model_dump_json(by_alias=True, exclude_defaults=True))
    person = Person.join(scene.cloud, folder)
    person.grant(rules, scene.namespace)
    person.let_read_sources()
    person.write_clusters(mappings)
    return person.run(mappings, "migrate", *words)


def test_what_a_person_may_not_do_is_said_before_anything_is_done(scene: Scene, tmp_path: Path) -> None:
    with external(scene, OWNER) as estate:
        before = estate.find("externalsecrets")
        with scene.untouched("Secret", "db"):
            code, out, error = ask(estate, tmp_path, READS, "handover", "--no-stack", "--yes")
        said = " ".join(error.split())
        assert code == 1, out
        assert f"you may not delete externalsecrets.{OPERATOR} in namespace {scene.namespace}" in said
        assert "you may not patch" not in said
        assert estate.find("externalsecrets") == before


def test_a_person_who_may_not_read_the_secret_is_told_so(scene: Scene, tmp_path: Path) -> None:
    with external(scene, OWNER) as estate:
        code, out, _ = ask(estate, tmp_path, READS[1:], "handover", "--no-stack", "--plan")
        said = " ".join(out.split())
        assert code == 1
        assert "may not get secrets/db" in said
        assert "let somebody grant that" in said


def test_what_would_be_handed_over_is_json_too_and_a_comparison_writes_nothing(scene: Scene, tmp_path: Path) -> None:
    with external(scene, OWNER) as estate, scene.untouched("Secret", "db"):
        code, out, error = ask(estate, tmp_path, READS, "handover", "--no-stack", "--plan", "--output", "json")
        assert code == 1, error  # for want of the right to delete
        answer = json.loads(out)
        [target] = answer["targets"]
        assert (target["state"], len(target["steps"]), target["done"]) == ("to do", 6, [])
        assert answer["missing"] == [
            f"delete externalsecrets.{OPERATOR} in namespace {scene.namespace} of cluster {CLUSTER}"
        ]
