"""`keyferry trace` of a stack at work: the way of a change from either end, and why a workload did not restart."""

import json
import os
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from keyferry.identity import IDENTITY
from keyferry_local.admin import Object
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from, volume
from tests.integration.deployed import PATIENCE_SECONDS, Deployed, now
from tests.integration.terminal import run_keyferry
from tests.integration.wire import closed_port
from tests.unit.samples import envelope


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, with a workload for each way to restart or not to, after one change of the secret that they use."""
    stack = Deployed(installed)
    create_workloads(stack)
    for name in ("traced", "quiet", "blocked"):  # by the sweep that follows the deployment
        until(f"Secret {name}", lambda name=name: stack.eu.data(name, name), seconds=PATIENCE_SECONDS)  # type: ignore[misc]
        stack.rest(name)
    since = now()
    stack.put("tests/traced", '{"password": "canary-trace-1"}')
    [line] = stack.deliveries("traced", since, message="delivered")
    assert line["namespaces"][0]["restart"] == "done"
    return stack


def create_workloads(stack: Deployed) -> None:
    """Create the workloads of the namespace traced."""
    uses, spec = env_from("traced"), deployment("x", "traced", env_from("traced"))["spec"]
    stack.eu.apply(
        deployment("web", "traced", uses),
        deployment("mounts", "traced", volume("traced")),
        deployment("docs", "traced", {}),
        deployment("pulls", "traced", {"spec": {"imagePullSecrets": [{"name": "traced"}]}}),
        changed(deployment("careful", "traced", uses), annotations={"keyferry.dev/restart": "false"}),
        changed(deployment("paused", "traced", uses), spec={"paused": True}),
    )
    for name, strategy in (
        ("by-hand", {"type": "OnDelete"}),
        ("partly", {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
    ):
        body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": "traced"}}
        stack.eu.apply(body | {"spec": {**spec, "serviceName": name, "replicas": 2, "updateStrategy": strategy}})
    pod = deployment("nightly", "traced", uses)["spec"]["template"]["spec"] | {"restartPolicy": "Never"}
    job = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}
    metadata = {"name": "nightly", "namespace": "traced"}
    stack.eu.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": job})


def changed(body: Object, *, annotations: Object | None = None, spec: Object | None = None) -> Object:
    """Return a workload with more annotations, and more in its spec."""
    metadata = body["metadata"] | ({"annotations": annotations} if annotations else {})
    return body | {"metadata": metadata, "spec": body["spec"] | (spec or {})}


def run(stack: Deployed, *args: str) -> tuple[int, str, str]:
    """Run `keyferry trace`, and return its exit code and what it writes."""
    command = ["--mappings", str(stack.installed.checkout / "mappings"), "trace", "--stack", STACK, *args]
    done = run_keyferry(command, stack.cloud.aws.inherit(os.environ), stack.cloud.directory / "commands.log")
    return done.returncode, done.stdout, done.stderr


def ask(stack: Deployed, *args: str) -> dict[str, Any]:
    """Return the answer of `keyferry trace --output json`."""
    _, out, error = run(stack, "--output", "json", *args)
    assert out, error
    return dict(json.loads(out))


def why(stack: Deployed, workload: str, namespace: str = "traced") -> tuple[str, str]:
    """Return why a workload restarted, or not: the reason for machines, and the words."""
    first, *_ = ask(stack, workload, "-n", namespace)["answers"]
    return first["reason"], first["text"]


def steps(known: dict[str, Any]) -> list[str]:
    """Return the steps of a trace."""
    return [hop["step"] for hop in known["hops"]]


def test_a_change_is_followed_from_its_source_through_every_hop(stack: Deployed) -> None:
    known = ask(stack, "tests/traced")
    assert steps(known) == ["event", "route", "delivery", "write", "restart"]
    event, _, *others = [datetime.fromisoformat(hop["time"]) for hop in known["hops"]]
    assert [event, *others] == sorted([event, *others])  # a delivery may begin before route has logged that it sent it
    _, route, delivery, write, restart = known["hops"]
    assert route["text"] == "1 delivery: traced/prod-eu"
    assert (delivery["text"], delivery["attempt"]) == ("delivered", 1)
    assert (write["cluster"], write["namespace"], write["secret"]) == ("prod-eu", "traced", "traced")
    assert (write["keys"], write["versions"]) == (["password"], {"db": stack.current("tests/traced")})
    assert restart["text"].startswith("Deployment/")
    [now_] = known["now"]
    assert (now_["target"], now_["state"]) == ("prod-eu/traced/traced", "right")


def test_it_is_the_same_change_by_its_arn_its_event_and_the_secret_in_the_cluster(stack: Deployed) -> None:
    known = ask(stack, "tests/traced")
    arn = stack.secrets.describe_secret(SecretId="tests/traced")["ARN"]
    for what in (arn, arn[:-7], known["eventId"], "prod-eu/traced/traced"):
        again = ask(stack, what)
        assert (again["eventId"], again["hops"], again["now"]) == (known["eventId"], known["hops"], known["now"]), what
    assert ask(stack, "traced", "-n", "traced")["eventId"] == known["eventId"]


def test_it_takes_twelve_lines_at_most(stack: Deployed) -> None:
    for args in (["tests/traced"], ["deploy/web", "-n", "traced"], ["prod-eu/traced/traced"], ["tests/neighbours"]):
        _, out, _ = run(stack, *args)
        assert 6 <= len(out.splitlines()) <= 12, out


@pytest.mark.parametrize(
    ("workload", "reason", "text"),
    [
        (
            "deployment/web",
            "restarted",
            "Deployment/web used Secret prod-eu/traced/traced by envFrom, and was restarted at ",
        ),
        (
            "deploy/mounts",
            "restarted",
            "Deployment/mounts used Secret prod-eu/traced/traced by volumes, and was restarted at ",
        ),
        (
            "deployments.apps/docs",
            "unused",
            "no Deployment docs was seen using Secret prod-eu/traced/traced at ",
        ),
        ("deployment/careful", "opted out", "and was left alone: keyferry.dev/restart is false"),
        ("deployment/pulls", "pull secret", "only by imagePullSecrets: running pods do not need it"),
        ("deployment/paused", "paused", "but its pods stayed: paused: rolls out when it is resumed"),
        ("sts/by-hand", "OnDelete", "but its pods stayed: OnDelete: each pod restarts when somebody deletes it"),
        ("statefulset/partly", "partition", "partition 1: partly-0 restarts when it is lowered"),
        ("rollout/web", "kind not looked at", "restart: auto looks at Deployment, StatefulSet, DaemonSet in prod-eu"),
        ("cronjob/nightly", "kind", "a CronJob needs no restart, since each run reads the Secret as it is then"),
    ],
)
def test_why_a_workload_restarted_or_not(stack: Deployed, workload: str, reason: str, text: str) -> None:
    told = why(stack, workload)
    assert (told[0], text in told[1]) == (reason, True), told
    stamp = IDENTITY.stamp_key("traced")
    kind, name = (
        ("StatefulSet" if "st" in workload.partition("/")[0][:2] else "Deployment"),
        workload.rpartition("/")[2],
    )
    body = stack.eu.get(kind, name, "traced") if reason not in ("kind", "kind not looked at") else None
    if body:
        annotations = body["spec"]["template"]["metadata"].get("annotations", {})
        assert (stamp in annotations) == (reason in ("restarted", "paused", "OnDelete", "partition"))


def test_a_mapping_that_restarts_nothing_is_named(stack: Deployed) -> None:
    stack.eu.apply(deployment("web", "quiet", env_from("quiet")))
    since = now()
    stack.put("tests/quiet", '{"password": "canary-trace-2"}')
    stack.deliveries("quiet", since)
    assert why(stack, "deployment/web", "quiet") == (
        "none",
        "mapping quiet of Secret prod-eu/quiet/quiet says restart: none",
    )


@pytest.fixture
def refusal(stack: Deployed) -> Iterator[None]:
    """A webhook without a server, which the API server asks about the Deployments of the namespace blocked."""
    asked = {
        "name": "blocked.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {"url": closed_port() + "/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blocked"}},
        "rules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
        ],
    }
    stack.eu.apply(deployment("web", "blocked", env_from("blocked")))
    body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    stack.eu.apply(body | {"metadata": {"name": "blocked.example.com"}, "webhooks": [asked]})
    yield
    stack.eu.delete("ValidatingWebhookConfiguration", "blocked.example.com")


@pytest.mark.usefixtures("refusal")
def test_a_restart_that_is_due_and_a_delivery_that_fails_have_the_error_and_the_next_try(stack: Deployed) -> None:
    since = now()
    stack.put("tests/blocked", '{"password": "canary-trace-3"}')
    stack.deliveries("blocked", since, message="retry later")
    code, out, _ = run(stack, "deployment/web", "-n", "blocked")
    assert code == 1
    assert "used Secret prod-eu/blocked/blocked by envFrom; its restart is due, and not yet: ServerError" in out
    assert "; next try " in out.splitlines()[1]
    [delivery] = [hop for hop in ask(stack, "tests/blocked")["hops"] if hop["step"] == "delivery"]
    assert datetime.fromisoformat(delivery["nextTry"]) > datetime.fromisoformat(delivery["time"])
    assert delivery["error"].startswith("ServerError")


def test_a_cluster_that_is_away_and_a_dead_letter_stand_beside_what_arrived(stack: Deployed) -> None:
    since = now()
    stack.put("tests/neighbours", '{"password": "canary-trace-4"}')
    stack.deliveries("near", since)
    stack.deliveries("lacking", since)
    known = ask(stack, "tests/neighbours")
    delivered = {hop["mapping"]: hop["text"] for hop in known["hops"] if hop["step"] == "delivery"}
    assert delivered["near"].startswith("delivered")
    assert delivered["lacking"].startswith("is a dead letter: SourceUnusable")
    assert run(stack, "tests/neighbours")[0] == 1


def test_an_event_that_is_rejected_is_told_with_the_reason(stack: Deployed) -> None:
    ids = [str(uuid.uuid4()) for _ in range(2)]
    for event_id, label in zip(ids, ("AWSPENDING", "BLUE"), strict=True):
        detail = {"name": "tests/traced", "labelUpdated": label, "versionId": uuid.uuid4().hex}
        event = envelope("Secret Label Updated", "aws.secretsmanager", detail, id=event_id)
        since = now()
        stack.send("ChangesQueueUrl", json.dumps(event))
        stack.routed(since, event_id=event_id)
    ignored, rejected = (ask(stack, event_id) for event_id in ids)
    assert [hop["text"] for hop in ignored["hops"]] == [
        "no change: Secret Label Updated: AWSPENDING",
        "no delivery: it is no change",
    ]
    assert [hop["text"] for hop in rejected["hops"] if hop["step"] == "route"] == [
        "no delivery",
        "none for mapping traced, source db: it reads the label AWSCURRENT, and the event moves BLUE",
    ]


def test_a_sweep_is_an_origin_too(stack: Deployed) -> None:
    stack.eu.delete("Secret", "quiet", "quiet")
    since = now()
    stack.sweep(mapping="quiet")
    stack.deliveries("quiet", since)
    known = until("the sweep", lambda: known if "eventId" in (known := ask(stack, "prod-eu/quiet/quiet")) else None)
    assert known["eventId"].startswith("sweep-")
    assert known["hops"][0]["text"] == "a sweep (by hand) saw: quiet: the Secret is missing"
    assert ask(stack, known["eventId"])["hops"] == known["hops"]


def test_what_is_not_there_is_told_with_what_is_meant(stack: Deployed) -> None:
    for args, said in (
        (["tests/tracd"], "no mapping of this stack reads tests/tracd; did you mean tests/traced?"),
        (["deployment/web"], "deployment/web: in which namespace? say -n NAMESPACE"),
        (["deployment/web", "-n", "tracd"], "no mapping of this stack writes to namespace tracd"),
        (["deploymnt/web", "-n", "traced"], "; did you mean deployment?"),
        (["prod-eu/traced/tracd"], "no mapping of this stack writes a Secret tracd to prod-eu/traced; did you mean tr"),
    ):
        code, out, error = run(stack, *args)
        assert (code, out, said in error) == (1, "", True), error
    code, out, _ = run(stack, str(uuid.uuid4()))
    assert (code, ": nothing in the logs from " in out) == (1, True)
