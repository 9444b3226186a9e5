"""Kubernetes Events as a namespace's team sees them with the real kubectl: once an hour, and by `create` alone."""

import itertools
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pytest

from keyferry import __version__
from keyferry.access import rbac
from keyferry.delivery.report import Report
from keyferry.errors import Forbidden
from keyferry.model import Delivery
from keyferry.pipeline.kubernetes_events import list_events, write_events
from keyferry.pipeline.settle import Settlement, settle_delivery
from keyferry.runtime.kubernetes_events import tell
from keyferry_local import binaries
from keyferry_local.admin import Object
from keyferry_local.direct import Direct, apply_rbac, deadline, delivery
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration import event_attacks
from tests.integration.scene import CLUSTER, Scene
from tests.integration.wire import Fault, Gate, gate
from tests.unit.fake_queues import message

BOUND_SECONDS = 10
"""How long telling may take: as long as one call of a delivery, by docs/decisions/0013."""
GUIDE = Path(__file__).resolve().parents[2] / "docs/operate/index.md"


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A scene with a stack of its own."""
    return own_scene


@dataclass(frozen=True)
class Team:
    """The team of a namespace, which has kubectl, and the pipeline that delivers to it."""

    scene: Scene
    direct: Direct

    def deliver(self, *, attempt: int = 2) -> Settlement:
        """Carry out a delivery and tell of it, as the function does; it is settled as one of no first attempt."""
        asked = message(delivery(self.scene.namespace).to_json(), attempt=attempt)

        def carry_out(wanted: Delivery) -> Any:  # noqa: ANN401
            return self.direct.runtime.deliver(wanted, deadline())

        settlement = settle_delivery(asked, carry_out)
        told = tell(self.direct.runtime, settlement, deadline())
        with (self.scene.cloud.directory / "reports.log").open("a") as file:
            print(told, told.log_fields(), self.events(), file=file)
        return told

    def events(self) -> list[Object]:
        """Return the Events of the namespace."""
        path = f"/api/v1/namespaces/{self.scene.namespace}/events"
        return [each for each in self.scene.admin.send("GET", path)["items"] if each["type"] == "Warning"]

    @cached_property
    def _environment(self) -> dict[str, str]:
        programs = binaries.provide(print)
        return os.environ | {
            "KUBECONFIG": str(self.scene.cloud.clusters[CLUSTER].kubeconfig),
            "PATH": f"{programs.kubectl.parent}:{os.environ['PATH']}",
        }

    def run(self, command: str) -> str:
        """Run a command of the guide in the namespace, and return what it prints."""
        script = re.sub(r"-n payments\b", f"-n {self.scene.namespace}", command)
        done = subprocess.run(
            ["bash", "-c", script], env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def build_team(
    scene: Scene, *, events: bool = True, lacking: str = "", server: Gate | None = None, **spec: object
) -> Team:
    """Return the team of a mapping, on a cluster with Events; the generated Roles may lack their rules on something."""
    place = {"endpoint": server.url, "certificateAuthority": server.certificate_authority} if server else {}
    whole = scene.catalog([scene.mapping(**spec)], events=events, **place)
    direct = Direct.grant(scene.cloud, whole, rbac=False)
    apply_rbac(scene.admin, [_without(each, lacking) for each in rbac.build_rbac(whole, whole.clusters[CLUSTER])])
    return Team(scene, direct)


def _without(each: Object, lacking: str) -> Object:
    if "rules" not in each or not lacking:
        return each
    return each | {"rules": [rule for rule in each["rules"] if lacking not in rule["resources"]]}


def columns(text: str) -> list[list[str]]:
    """Return the cells of each line that kubectl prints, below the head."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]


def list_commands(heading: str) -> list[str]:
    """Return the commands of a section of the guide, in order."""
    section = GUIDE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    commands = "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).replace("\\\n", "")
    return [line for line in commands.splitlines() if line]


def test_a_failure_is_seen_by_kubectl_on_a_secret_that_is_not_even_there_and_holds_no_value(scene: Scene) -> None:
    scene.create({"other": "canary-kubernetes-events-1"})
    team = build_team(scene, owner={"team": "payments", "contact": "#payments"})
    settlement = team.deliver()
    assert settlement.decision == "dead letter"
    assert "notes" not in settlement.log_fields()
    assert scene.data() is None
    [row] = columns(team.run("kubectl get events -n payments --field-selector reason=DeliveryFailed,source=keyferry"))
    assert row[1:4] == ["Warning", "DeliveryFailed", "secret/db"]
    assert row[4].startswith("SourceUnusable: ")
    assert f"mapping {scene.namespace}" in row[4]
    assert "owner payments (#payments), https://keyferry.dev/operate/troubleshooting/#sourceunusable)" in row[4]
    assert row[4].endswith("; next try: with the next change or sweep")
    assert "canary" not in json.dumps(team.events())


def test_the_commands_of_the_guide_show_what_failed_and_what_each_secret_has(scene: Scene) -> None:
    scene.create({"password": "canary-kubernetes-events-2"})
    team = build_team(scene)
    assert team.deliver().decision == "done"
    scene.cloud.aws.client("secretsmanager").put_secret_value(
        SecretId=scene.source, SecretString='{"other": "canary-kubernetes-events-3"}'
    )
    team.deliver()
    of_all, of_reason, of_one, of_secrets = (team.run(command) for command in list_commands("Without AWS"))
    for text in (of_all, of_reason, of_one):
        [row] = columns(text)
        assert row[1:3] == ["Warning", "DeliveryFailed"]
        assert row[3].lower() == "secret/db"
    assert of_secrets.split("\n")[0].split() == ["NAME", "MAPPING", "WRITTEN", "EXPIRES", "RELEASE", "DUE"]
    [secret] = columns(of_secrets)
    assert secret[:2] == ["db", scene.identity.journal_name(scene.namespace)]
    assert secret[2].startswith(datetime.now(UTC).date().isoformat()[:8])
    assert secret[3:] == ["<none>", __version__, "<none>"]


def test_one_cause_tells_once_an_hour(scene: Scene) -> None:
    team = build_team(scene)
    settlement = team.deliver()
    for told in (settlement, team.deliver()):
        assert "notes" not in told.log_fields()
    [first] = team.events()
    catalog, client = team.direct.catalog, team.direct.runtime.connect
    create = client(catalog.clusters[CLUSTER], deadline()).create_event
    for hours in (1, 1, 2):
        later = datetime.now(UTC) + timedelta(hours=hours)
        events = list_events(settlement, catalog.mappings[scene.namespace], scene.identity.prefix, later)
        assert write_events(events, create, 8) == ""
    assert len(team.events()) == 3
    assert first["metadata"]["name"] in {each["metadata"]["name"] for each in team.events()}


def test_another_cause_is_told_in_the_same_hour(scene: Scene) -> None:
    team = build_team(scene)
    team.deliver()
    scene.create({"other": "canary-kubernetes-events-4"})
    team.deliver()
    assert {each["message"].partition(":")[0] for each in team.events()} == {"AccessDenied", "SourceUnusable"}


def test_a_restart_that_fails_is_told_as_that(scene: Scene) -> None:
    scene.create({"password": "canary-kubernetes-events-5"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    team = build_team(scene, lacking="deployments")
    assert team.deliver().is_retried
    [event] = team.events()
    assert event["reason"] == "RestartFailed"
    assert "the Secret is written, and its workloads are due for a restart" in event["message"]
    assert re.search(r"next try: in \d+ s$", event["message"])


def test_a_namespace_that_labels_choose_is_told_too(scene: Scene) -> None:
    scene.admin.edit("Namespace", scene.namespace, "", {"metadata": {"labels": {"events-of": scene.namespace}}})
    team = build_team(scene, namespaces={"matchLabels": {"events-of": scene.namespace}})
    team.deliver()
    assert [each["involvedObject"]["name"] for each in team.events()] == ["db"]


def test_the_right_is_create_and_deliver_s_alone(scene: Scene) -> None:
    build_team(scene)
    verbs = ("create", "get", "list", "watch", "patch", "update", "delete", "deletecollection")
    allowed = [
        (user, verb, api)
        for user in scene.identity.users
        for verb in verbs
        for api in ("", "events.k8s.io")
        if scene.admin.may(user, verb, "events", api=api, namespace=scene.namespace)
    ]
    assert allowed == [(scene.identity.deliver, "create", "")]
    assert not scene.admin.may(scene.identity.deliver, "create", "events", namespace="default")


def test_without_the_right_the_delivery_ends_as_it_would_and_says_so_once(scene: Scene) -> None:
    team = build_team(scene, lacking="events")
    settlement = team.deliver()
    assert settlement.is_retried
    assert team.events() == []
    [note] = settlement.log_fields()["notes"]
    assert note.startswith(
        "1 of 1 Kubernetes Events were not written: Forbidden: the cluster forbids to create events/"
    )
    assert "grant the verb create by RBAC: `kubectl --context prod-eu apply" in note


def test_a_cluster_that_does_not_ask_for_events_has_none_and_no_right_to_them(scene: Scene) -> None:
    team = build_team(scene, events=False)
    settlement = team.deliver()
    assert settlement.is_retried
    assert "notes" not in settlement.log_fields()
    assert team.events() == []
    assert not scene.admin.may(scene.identity.deliver, "create", "events", namespace=scene.namespace)


def test_a_cluster_that_answers_no_event_costs_a_note_and_no_more_than_its_bound(scene: Scene, tmp_path: Path) -> None:
    with gate(scene.cloud.clusters[CLUSTER], tmp_path) as server:
        team = build_team(scene, server=server)
        server.judge = lambda method, _path: Fault(503, silence=30.0) if method == "POST" else None
        settlement = team.deliver()
        report = cast("Report", settlement.result)
        names = [f"n-{n}" for n in range(100)]
        many = replace(settlement, result=replace(report, notes=(), all_namespaces=tuple(names)))
        started = time.monotonic()
        after = tell(team.direct.runtime, many, deadline())
        assert time.monotonic() - started < BOUND_SECONDS
    assert after.decision == many.decision
    [note] = after.log_fields()["notes"]
    assert note.startswith("100 of 100 Kubernetes Events were not written: Unreachable: cluster prod-eu at ")
    assert "no answer in time (create events/db." in note
    health = team.direct.runtime.clusters.get_health(team.direct.catalog.clusters[CLUSTER])
    health.check_available()  # the next delivery goes out at once


def test_a_namespace_that_is_not_there_is_no_error(scene: Scene) -> None:
    team = build_team(scene, namespaces=[scene.namespace, {"names": ["gone-*"]}])
    cluster = team.direct.catalog.clusters[CLUSTER]
    team.direct.runtime.connect(cluster, deadline()).create_event(event_attacks.event(scene.identity, "gone-x"))


def test_the_policy_refuses_what_no_mapping_asks_for(scene: Scene) -> None:
    team = build_team(scene)
    client = team.direct.runtime.connect(team.direct.catalog.clusters[CLUSTER], deadline())
    names = itertools.count()  # an Event that an earlier try has made would be there already

    def is_refused() -> bool:
        name = f"other.{next(names):016x}"
        try:
            client.create_event(event_attacks.event(scene.identity, scene.namespace, "other", metadata={"name": name}))
        except Forbidden as error:
            return scene.identity.events_policy in str(error)
        return False

    until("the policy is in force", is_refused)
    client.create_event(event_attacks.event(scene.identity, scene.namespace))
