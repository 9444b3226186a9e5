"""`keyferry migrate handover` on a real API server: the originals' stand-ins write, revert and collect meanwhile."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.kubeconfig import Kubeconfig
from keyferry.cli.migrate.handover import back, forward
from keyferry.cli.migrate.handover.clusters import Group, Side
from keyferry.cli.migrate.handover.run import Handover
from keyferry.cli.migrate.handover.targets import Target
from keyferry.kube.transport import Request
from keyferry_local.admin import Object
from keyferry_local.cloud import Cloud
from keyferry_local.direct import Direct, deadline, delivery
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.history import History
from tests.integration.scene import CLUSTER, Scene
from tests.integration.stand_ins import (
    MARK,
    OPERATOR,
    Operator,
    field_manager,
    install_kinds,
    remove_kinds,
    running,
)

QUIET, PERIOD = 1.0, 0.3
"""Seconds: how long no owner may come back, and how often the stand-in sets them. The driver takes five."""


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
        self.writes.append(f"{request.method} {request.path.rpartition('/')[0].rpartition('/')[2]}")
        answer = self.connection.send(request, deadline)
        if len(self.writes) == self.dies_at:
            raise Killed
        return answer


@dataclass
class Estate:
    """A namespace with a Secret that an original makes, a workload that uses it, and a mapping that could."""

    scene: Scene
    direct: Direct
    told: list[str] = field(default_factory=list)

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

    def _tell(self, _target: Target, text: str) -> None:
        assert "canary" not in text
        self.told.append(text)

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


@pytest.fixture(scope="module")
def _kinds(cloud: Cloud) -> Iterator[None]:
    install_kinds(cloud.admins[CLUSTER])
    yield
    remove_kinds(cloud.admins[CLUSTER])


@contextmanager
def external(scene: Scene, target: Mapping[str, Any], metadata: Object | None = None, **spec: Any) -> Iterator[Estate]:  # noqa: ANN401
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
    scene.admin.send(
        "POST", f"/apis/{OPERATOR}/v1/namespaces/{scene.namespace}/externalsecrets", made, "application/json"
    )
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    with running(operator.reconcile_all, 0.05):
        until("the Secret of the original", scene.data)
        yield Estate(scene, scene.grant())


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


@pytest.mark.usefixtures("_kinds")
class TestExternalSecret:
    """An ExternalSecret, whose operator runs all the time."""

    def test_the_mapping_takes_the_secret_over_and_nothing_restarts_and_nothing_is_written_anew(
        self, scene: Scene
    ) -> None:
        with external(scene, OWNER) as estate:
            assert estate.owners == ["ExternalSecret"]
            with watched(estate):
                target = estate.run()
                assert (target.standing, target.why) == ("done", "")
                assert estate.find("externalsecrets") is None
            check_taken_over(estate)
            assert estate.run().done == []

    @pytest.mark.parametrize("number", range(1, 6))
    def test_a_run_that_is_killed_at_any_write_is_finished_by_the_next_one(self, scene: Scene, number: int) -> None:
        with external(scene, OWNER) as estate:
            with watched(estate):
                with pytest.raises(Killed):
                    estate.run(dies_at=number)
                assert estate.run().standing == "done"
                assert estate.find("externalsecrets") is None
            check_taken_over(estate)

    @pytest.mark.parametrize("number", range(1, 6))
    def test_from_any_write_there_is_a_way_back_to_the_original(self, scene: Scene, number: int) -> None:
        with external(scene, OWNER) as estate:
            before = estate.find("externalsecrets")
            with watched(estate):
                with pytest.raises(Killed):
                    estate.run(dies_at=number)
                assert estate.run(is_back=True).standing == "done"
            check_returned(estate, before)

    @pytest.mark.parametrize("number", range(1, 3))
    def test_a_way_back_that_is_killed_is_finished_by_the_next_one(self, scene: Scene, number: int) -> None:
        with external(scene, OWNER) as estate:
            before = estate.find("externalsecrets")
            assert estate.run().standing == "done"
            with watched(estate):
                with pytest.raises(Killed):
                    estate.run(is_back=True, dies_at=number)
                assert estate.run(is_back=True).standing == "done"
            check_returned(estate, before)


def check_returned(estate: Estate, before: Object | None) -> None:
    """Assert that the original makes the Secret as before: it writes what changes, and takes the Secret along."""
    scene, after = estate.scene, estate.find("externalsecrets")
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    metadata = scene.secret()["metadata"]
    assert estate.owners == ["ExternalSecret"]
    assert not [key for key in metadata["annotations"] if key.startswith("keyferry.dev/")]
    assert metadata["labels"][MARK] == "true"
    assert {each["manager"] for each in metadata["managedFields"] if "f:data" in each["fieldsV1"]} == {
        field_manager(after)
    }
    assert estate.run(is_back=True).done == []
    scene.admin.send("DELETE", f"/apis/{OPERATOR}/v1/namespaces/{scene.namespace}/externalsecrets/db")
    until("the Secret goes with its original", lambda: scene.data() is None)
