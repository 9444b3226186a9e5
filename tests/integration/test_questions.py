"""The questions of docs/operate/questions.md, each asked of a stack at work by the command that is said to answer it.

Who asks has the policy to look, and in the cluster the right to list metadata: no more than the page says.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from keyferry_local import watch
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.deployed import PATIENCE_SECONDS, Deployed, now
from tests.integration.operators import LOOKS, USES, Operator
from tests.integration.recorder import Record, recording
from tests.integration.scene import CLUSTER
from tests.integration.terminal import ROOT

LOST = "asked-and-lost"
"""A namespace that loses its label."""


@dataclass(frozen=True)
class Scene:
    """Somebody who asks, and a folder with mappings in which `asked-by-label` is deleted."""

    stack: Deployed
    operator: Operator
    folder: Path
    planned: Path
    record: Record
    """What is asked of AWS."""
    since: datetime
    answers: dict[tuple[str, ...], str] = field(default_factory=dict)
    """What commands have shown: one that answers several questions is run once."""

    def ask(self, *command: str) -> str:
        """Run a command as the page has it, unless it has been, and return what it shows."""
        if command not in self.answers:
            self.answers[command] = self.run(*command)
        return self.answers[command]

    def run(self, *command: str) -> str:
        """Run a command as the page has it, and return what it shows."""
        folder = self.planned if command[0] == "plan" else self.folder
        asks_stack = command[0] != "explain" and "--offline" not in command
        code, out, error = self.operator.run(
            folder, *command, *(["--stack", STACK] if asks_stack else []), AWS_ENDPOINT_URL=self.record.url
        )
        assert code in (0, 1), error
        return out


@pytest.fixture(scope="module")
def scene(installed: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Let something be wrong: a namespace loses its label, a workload is left alone."""
    stack, place = Deployed(installed), tmp_path_factory.mktemp("asking")
    stack.eu.apply(_build_namespace({"asked": "yes"}))
    for namespace, name in (("asked", "asked"), (LOST, "asked-by-label")):
        until(f"Secret {name}", partial(_sweep, stack, namespace, name), seconds=PATIENCE_SECONDS)
    stack.eu.apply(_build_namespace({}))
    web, careful = (deployment(name, "asked", env_from("asked")) for name in ("web", "careful"))
    stack.eu.apply(
        web, careful | {"metadata": careful["metadata"] | {"annotations": {"keyferry.dev/restart": "false"}}}
    )
    for name in ("asked", "asked-by-label"):
        stack.rest(name)
    since = now()
    stack.put("tests/asked", '{"password": "canary-asked"}')
    stack.deliveries("asked", since, message="delivered")
    operator = Operator.join(stack.cloud, place, [f"{STACK}-look"])
    operator.grant([*LOOKS, *USES])
    planned = place / "planned/mappings"
    shutil.copytree(installed.checkout, planned.parent, ignore=shutil.ignore_patterns(".*", "layers", "functions"))
    asked = planned / "tests/asked.yaml"
    asked.write_text(asked.read_text().partition("---\n")[0])
    with recording(stack.cloud.aws.endpoint) as record:
        yield Scene(stack, operator, installed.checkout / "mappings", planned, record, now())


def _sweep(stack: Deployed, namespace: str, name: str) -> dict[str, bytes] | None:
    """Let a sweep find what is missing, and return the data of the Secret; None if it is not there yet."""
    stack.sweep(cluster="prod-eu", mapping=name)
    return stack.eu.data(name, namespace)


def _build_namespace(labels: dict[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LOST, "labels": labels}}


def delete_secret(scene: Scene) -> None:
    """Delete the Secret by hand."""
    scene.stack.eu.delete("Secret", "asked", "asked")


def edit_secret(scene: Scene) -> None:
    """Edit the Secret by hand."""
    scene.stack.eu.edit("Secret", "asked", "asked", {"data": {"password": "eA=="}})


type Answer = tuple[tuple[str, ...], str]
ANSWERS: dict[str, Answer] = {
    "Who gets secret X?": (("status", "--source", "tests/asked"), r"right +prod-eu +asked +asked"),
    "What does the team in `payments` get?": (("status", "--namespace", "asked"), r"1 target: 1 right"),
    "Why did my pod not restart?": (
        ("trace", "deployment/careful", "-n", "asked"),
        r"keyferry\.dev/restart",
    ),
    "What became of this change?": (("trace", "tests/asked"), r"(?s)event.*route.*write.*restart"),
    "Who wrote this Secret, when, and from which version?": (
        ("trace", "prod-eu/asked/asked"),
        r"(?s)write.*restart.*Deployment/web",
    ),
    "Which versions did secret X have, and when did each reach which Secret?": (
        ("history", "tests/asked"),
        r"(?s)asked/asked.*event",
    ),
    "A cluster was down: what now?": (("status", "--cluster", "lost", "--stale"), r"no targets|ClusterUnreachable"),
    "Which certificates end soon, what is not rotated?": (("expiring", "--within", "30d"), r"tests/asked"),
    "Are there dead letters, and why?": (("doctor",), r"dead letters"),
    "Which release is deployed?": (("doctor",), r"release"),
    "Do events of that account or region arrive?": (("doctor",), r"events from|rules"),
    "What happens if I merge this?": (("plan",), r"asked-by-label"),
    "What if I delete this mapping?": (("plan",), r"(?s)removed +asked-by-label.*lost .*Left behind.*asked-by-label"),
    "What does a new mapping need in rights?": (("plan",), r"asked-by-label"),
    "Which deliveries would follow from this event?": (
        ("explain", str(ROOT / "events/delete-secret.json")),
        r"\S",
    ),
    "Which Secrets does no mapping name any more? A namespace lost its label: what is left?": (
        ("orphans",),
        rf"(?s){LOST}.*kubectl",
    ),
    "Is what is applied in the clusters behind `generated/`?": (("doctor", "--cluster", "prod-eu"), r"generated"),
    "What does it take to remove it all?": (
        ("uninstall", "--plan"),
        r"(?s)sam delete --stack-name keyferry .*kubectl --context .*keyferry.dev/generated=keyferry",
    ),
    "May `deliver` do what it has to?": (("doctor", "--cluster", "prod-eu"), r"rights"),
    "Which Secrets are stale?": (("status", "--stale", "asked"), r"gone +prod-eu +asked"),
    "Somebody has deleted or edited a Secret": (("status", "--stale", "asked"), r"stale +prod-eu +asked"),
}
"""Question → the command about the mappings of asked.yaml, and what its answer has."""
BEFORE: dict[str, Callable[[Scene], None]] = {
    "Which Secrets are stale?": delete_secret,
    "Somebody has deleted or edited a Secret": edit_secret,
}
"""Question → what somebody does before it is asked."""


@pytest.fixture
def shown(scene: Scene, question: str) -> Iterator[str]:
    """What the command shows; what somebody has done before is put right afterwards."""
    command, _ = ANSWERS[question]
    if question not in BEFORE:
        yield scene.ask(*command)
        return
    BEFORE[question](scene)
    yield scene.run(*command)
    right = {"password": b"canary-asked"}
    until("Secret asked", lambda: _sweep(scene.stack, "asked", "asked") == right, seconds=PATIENCE_SECONDS)
    scene.stack.rest("asked")  # each sweep has sent a delivery, and one would put right what is edited next


@pytest.mark.parametrize("question", ANSWERS)
def test_the_command_answers_the_question(shown: str, question: str) -> None:
    _, expected = ANSWERS[question]
    assert re.search(expected, shown), shown


def test_no_answer_takes_a_value(scene: Scene) -> None:
    """Of AWS, by what is on the wire; of the cluster, by its audit log: for metadata, test_orphans.py."""
    asked = set(scene.record.requests)
    assert {request.partition(":")[0] for request in asked} >= {"cloudformation", "lambda", "logs", "sqs"}
    stores = {request for request in asked if request.startswith(("secretsmanager:", "ssm:", "s3:"))}
    assert stores <= {"secretsmanager:ListSecretVersionIds"}  # ids, labels and dates
    reading = ("Get", "List", "Describe", "GET ", "FilterLogEvents", f"POST /2015-03-31/functions/{STACK}-report/")
    assert not [request for request in asked if not request.partition(":")[2].startswith(reading)]
    every = watch.calls(scene.stack.cloud.clusters[CLUSTER], since=scene.since)
    calls = [call for call in every if call.user == scene.operator.user]
    assert {call.verb for call in calls if call.resource == "secrets"} == {"list"}
    assert {call.resource for call in calls if call.verb not in ("get", "list")} <= {
        *("selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"),
    }


def test_every_question_of_the_page_is_asked() -> None:
    page = (ROOT / "docs/operate/questions.md").read_text().partition("## In words")[0]
    rows = re.findall(r"^\| (.+?) \| .*?`keyferry (\w+)", page, flags=re.MULTILINE)
    asked_elsewhere = {"Does a value change anything?"}  # with rights to read values: test_plan.py
    assert {question: verb for question, verb in rows if question not in asked_elsewhere} == {
        question: command[0] for question, (command, _) in ANSWERS.items()
    }
