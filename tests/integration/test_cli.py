"""The commands that deliver: against a cluster without the stack, and through the queue of the stack."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import yaml

from keyferry_local.direct import Direct
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.deployed import PATIENCE_SECONDS, Deployed
from tests.integration.scene import Scene
from tests.integration.terminal import record, run_keyferry

ROOT = Path(__file__).resolve().parent.parent.parent
KEYFERRY = Path(sys.executable).with_name("keyferry")


def head_of(kind: str) -> dict[str, Any]:
    """Return the first two fields of a document."""
    return {"apiVersion": "keyferry.dev/v1", "kind": kind}


@dataclass(frozen=True)
class Shell:
    """Where somebody types: some mappings, some AWS credentials."""

    mappings: Path
    environment: Mapping[str, str]
    place: Path

    @classmethod
    def of(cls, direct: Direct, directory: Path) -> "Shell":
        """Return the shell of somebody who has a role's credentials and the mappings as files."""
        files = directory / "files"
        files.mkdir()
        whole = direct.catalog
        clusters = [each.model_dump(by_alias=True, exclude_defaults=True) for each in whole.clusters.values()]
        (files / "clusters.yaml").write_text(yaml.safe_dump(head_of("Clusters") | {"clusters": clusters}))
        names = whole.stack.model_dump(by_alias=True, mode="json")
        (files / "stack.yaml").write_text(yaml.safe_dump(head_of("Stack") | names))
        said = [each.model_dump(by_alias=True, exclude_defaults=True) for each in whole.mappings.values()]
        (files / "mappings.yaml").write_text(yaml.safe_dump_all(said))
        return cls(files, direct.environment(directory / "compiled"), direct.cloud.directory)

    def run(self, *args: str, code: int = 0, told: str = "stdout") -> str:
        """Run a command, and return what it prints to stdout, or stderr; all of it is kept for the search for leaks."""
        command = ["--mappings", str(self.mappings), *args]
        done = run_keyferry(command, self.environment, self.place / "commands.log")
        assert done.returncode == code, done.stderr
        return {"stdout": done.stdout, "stderr": done.stderr}[told]

    def told(self, *args: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
        """Run a command with --output json, and return the list that it answers."""
        (answer,) = json.loads(self.run(*args, "--output", "json", code=code)).values()
        return answer


@pytest.fixture
def direct(scene: Scene) -> Direct:
    """A role with the rights of a mapping whose secret exists, and a workload that uses the Secret."""
    scene.create({"password": "canary-command-1"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    return scene.grant()


@pytest.fixture
def shell(direct: Direct, tmp_path: Path) -> Shell:
    """The shell of that role."""
    return Shell.of(direct, tmp_path)


def test_the_program_itself_does_what_a_command_says(scene: Scene, shell: Shell) -> None:
    command = [str(KEYFERRY), "--mappings", str(shell.mappings), "push", "--yes", "--output", "json"]
    done = subprocess.run(command, env=shell.environment, capture_output=True, text=True, timeout=60, check=False)
    record(command, done.stdout + done.stderr, shell.place / "commands.log")
    assert done.returncode == 0, done.stderr
    assert "canary-" not in done.stdout + done.stderr
    ((report,),) = json.loads(done.stdout).values()
    assert report["namespaces"][0]["did"] == "created"
    assert scene.data() == {"password": b"canary-command-1"}


def test_a_dry_run_tells_the_plan_and_does_nothing(scene: Scene, shell: Shell) -> None:
    (plan,) = shell.told("push", "--dry-run")
    assert plan == {
        "mapping": scene.namespace,
        "cluster": "prod-eu",
        "secret": "db",
        "namespaces": [
            {
                "namespace": scene.namespace,
                "will": "create",
                "why": "missing",
                "keys": ["password"],
                "restarts": ["Deployment/api"],
            }
        ],
    }
    assert scene.data() is None
    assert scene.stamp("Deployment", "api") is None


def test_a_push_delivers_restarts_and_changes_nothing_the_second_time(scene: Scene, shell: Shell) -> None:
    (report,) = shell.told("push", scene.namespace, "--yes")
    (done,) = report["namespaces"]
    assert (done["did"], [each["workload"] for each in done["workloads"]]) == ("created", ["Deployment/api"])
    assert scene.data() == {"password": b"canary-command-1"}
    assert scene.stamp("Deployment", "api") is not None

    with scene.untouched("Secret", "db"), scene.untouched("Deployment", "api"):
        (again,) = shell.told("push", "--yes", "--cluster", "prod-eu")
    assert [each["did"] for each in again["namespaces"]] == ["unchanged"]

    scene.put({"password": "canary-command-2"})
    table = shell.run("push", "--dry-run")
    assert "update" in table
    assert "new content in password" in table
    assert "canary-" not in table


def test_the_calls_of_a_push_can_be_seen_and_no_value(scene: Scene, shell: Shell) -> None:
    said = shell.run("push", "--yes", "--verbose", told="stderr")
    assert re.search(rf"^secretsmanager:GetSecretValue {re.escape(scene.source)} in eu-west-1: 200, ", said, re.M)
    secret = f"/api/v1/namespaces/{scene.namespace}/secrets/db"
    assert re.search(rf"^patch {secret} on prod-eu: 201, ", said, re.M)
    assert "canary-" not in said


def test_what_a_push_does_not_reach_is_told_before_and_after(own_scene: Scene, tmp_path: Path) -> None:
    namespace = own_scene.namespace
    own_scene.create({"password": "canary-command-1"})
    nobody = {"matchLabels": {"team": f"nobody-{namespace}"}}
    named = [{"kind": "Deployment", "name": "payments-api"}]
    shell = Shell.of(own_scene.grant(namespaces=[namespace, nobody], restart=named), tmp_path)
    missing = f"Deployment/payments-api (not in namespace {namespace}: create it, or correct restart in the mapping)"
    unmatched = f"no namespace of prod-eu has the labels team=nobody-{namespace}: correct spec.namespaces"

    for options in (["--dry-run"], ["--yes"], ["--dry-run"]):
        (told,) = shell.told("push", namespace, *options)
        assert missing in told["namespaces"][0]["notes"]
        [note] = told["notes"]
        assert note.startswith(unmatched)
    said = shell.run("push", "--dry-run", namespace)
    assert missing in said
    assert f"prod-eu/db: note: {unmatched}" in said


def test_a_push_that_is_interrupted_says_how_far_it_came_and_a_second_one_does_the_rest(
    scene: Scene, shell: Shell
) -> None:
    """By a signal, right after the Secret was written: what was told is how the cluster is, and one rollout remains."""
    command = [str(KEYFERRY), "--mappings", str(shell.mappings), "push", "--yes", "--verbose", "--output", "json"]
    with subprocess.Popen(command, env=shell.environment, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stderr
        seen = list(itertools.takewhile(lambda line: not line.startswith("patch "), process.stderr))
        process.send_signal(signal.SIGINT)
        answer, said = process.communicate(timeout=60)
    record(command, "".join(seen) + answer + said, shell.place / "commands.log")
    ((report,),) = json.loads(answer).values()
    assert scene.data() == {"password": b"canary-command-1"}
    assert [each["did"] for each in report["namespaces"]] == ["created"]
    is_due = "keyferry.dev/restart-due" in scene.secret()["metadata"]["annotations"]
    assert (process.returncode, "restartDue" in report["namespaces"][0]) == ((130, True) if is_due else (0, False))
    (again,) = shell.told("push", "--yes")
    assert [each["did"] for each in again["namespaces"]] == ["annotated" if is_due else "unchanged"]
    deployment = scene.admin.get("Deployment", "api", scene.namespace)
    assert deployment
    assert deployment["metadata"]["generation"] == 2


def test_a_push_that_fails_says_why_and_exits_with_1(scene: Scene, shell: Shell) -> None:
    scene.put({"other": "canary-command-3"})
    (report,) = shell.told("push", "--yes", code=1)
    assert "path password finds nothing" in report["error"]
    path = shell.mappings / "mappings.yaml"
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "password:" in text)
    assert report["at"] == f"{path}:{line}"
    assert f"\n{path}:{line}: prod-eu/db: SourceUnusable: " in shell.run("push", "--yes", code=1)
    assert scene.data() is None


def test_an_event_is_explained_with_the_deliveries_that_follow(scene: Scene, shell: Shell, tmp_path: Path) -> None:
    event = json.loads((ROOT / "events/secret-label-updated.json").read_text())
    event["detail"]["name"] = scene.source
    (tmp_path / "event.json").write_text(json.dumps(event))
    (told,) = shell.told("explain", str(tmp_path / "event.json"))
    assert [(each["mapping"], each["cluster"]) for each in told["deliveries"]] == [(scene.namespace, "prod-eu")]


def test_mappings_are_validated_with_file_and_line(shell: Shell) -> None:
    shell.run("validate")
    path = shell.mappings / "mappings.yaml"
    path.write_text(path.read_text().replace("password:", "pass word:", 1))
    (problem, *_) = shell.told("validate", code=1)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "pass word:" in text)
    assert (Path(problem["file"]).name, problem["line"]) == ("mappings.yaml", line)


def test_a_push_through_the_stack_is_followed_until_the_function_has_delivered(
    installed: Installation, tmp_path: Path
) -> None:
    stack = Deployed(installed)
    until("the Secret pushed", lambda: stack.eu.data("pushed", "pushed"), seconds=PATIENCE_SECONDS)
    stack.eu.delete("Secret", "pushed", "pushed")
    shell = Shell(installed.checkout / "mappings", installed.cloud.aws.inherit(os.environ), installed.cloud.directory)
    (sent,) = shell.told("push", "pushed", "--stack", STACK, "--yes")
    assert (sent["state"], sent["cluster"], sum(sent["targets"].values())) == ("delivered", "prod-eu", 1)
    assert stack.eu.data("pushed", "pushed") == {"password": b"canary-before"}
