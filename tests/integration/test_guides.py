"""What the guides show of a stack at work: the transcript of README.md, and the commands of a runbook, both run.

Both are about the example's `payments-db`, which two clusters get.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from functools import partial

import pytest

from keyferry.runtime.suspensions import REMEMBER_SECONDS
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import DATABASE, database
from tests.integration.deployed import PATIENCE_SECONDS, Deployed, now
from tests.integration.terminal import ROOT, run_keyferry
from tests.unit.guide_blocks import list_blocks, split_commands

AWS = ROOT / ".tools/awscli/bin/aws"
BAD_ROTATION, STOP = "docs/runbooks/bad-rotation.md", "docs/runbooks/stop.md"
CLUSTERS = ("prod-eu", "prod-us")
TRIES = 3
"""How often a transcript is tried: on a busy machine a delivery may take another attempt, which a trace tells."""
CHANGING = (
    (r"(\(event [^)]*\)).*", r"\1"),
    (r"\bprod-(eu|us)\b", "CLUSTER"),
    (r"\d{4}-\d\d-\d\d ", ""),
    (r"\d\d:\d\d:\d\d(\.\d+)?", "TIME"),
    (r"\+\d+\.\d+ s", "+SECONDS"),
    (r"\d+(\.\d+)? s\b", "SECONDS"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
    (r"\b[0-9a-f]{8}\b", "VERSION"),
    (r"\b(\d+[smh]|now)$", "AGE"),
    (r" +", " "),
)
"""What is otherwise each time."""


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Iterator[Deployed]:
    """The stack, once both clusters have the example; its value is the one of before again afterwards."""
    stack = Deployed(installed)
    for cluster in CLUSTERS:
        until(f"Secret in {cluster}", partial(read, stack, cluster), seconds=PATIENCE_SECONDS)
    before = stack.secrets.get_secret_value(SecretId=DATABASE)["SecretString"]
    yield stack
    stack.put(DATABASE, before)


def read(stack: Deployed, cluster: str) -> Mapping[str, bytes] | None:
    """Return the data of the Secret in a cluster; None if it is not there."""
    return stack.cloud.admins[cluster].data("payments-db", "payments")


def arrives(stack: Deployed, password: str) -> None:
    """Wait until every cluster has a password."""
    for cluster in CLUSTERS:
        until(
            f"{password} in {cluster}",
            lambda cluster=cluster: (read(stack, cluster) or {}).get("password") == password.encode(),  # type: ignore[misc]
            seconds=PATIENCE_SECONDS,
        )
    stack.rest("payments-db")


def show(stack: Deployed, words: list[str]) -> str:
    """Run a command of ours as a guide has it, for the stack, and return what it shows."""
    mappings = str(stack.installed.checkout / "mappings")
    environment = stack.cloud.aws.inherit({**os.environ, "COLUMNS": "80"})
    command = ["--mappings", mappings, *words, "--stack", STACK]
    return run_keyferry(command, environment, stack.cloud.directory / "commands.log").stdout


def run_aws(stack: Deployed, words: list[str]) -> str:
    """Run a command of the AWS CLI as a guide has it, and return what it shows."""
    environment = stack.cloud.aws.inherit(os.environ)
    return subprocess.run([AWS, *words[1:]], env=environment, capture_output=True, text=True, check=True).stdout


def settle(text: str) -> list[str]:
    """Return the lines of what a command shows, without what is otherwise each time; wrapped lines are one."""
    joined = re.sub(r"\n {20,}|(?<=\(event)\n", " ", text.strip())
    for pattern, name in CHANGING:
        joined = re.sub(pattern, name, joined, flags=re.MULTILINE)
    return sorted(filter(None, (line.strip() for line in joined.splitlines())))


def read_transcript() -> dict[str, str]:
    """Return the commands of ours in the transcript of the README, and what it shows of each."""
    [block] = [block for block in list_blocks("console") if block.guide == "README.md"]
    parts = re.split(r"^\$ ((?:.*\\\n)*.*)$", block.text, flags=re.MULTILINE)[1:]
    return {command: said for command, said in zip(parts[::2], parts[1::2], strict=True) if command[:3] == "key"}


def list_commands(guide: str, *beginning: str) -> list[list[str]]:
    """Return the commands of a guide that begin with these words."""
    commands = [words for block in list_blocks("sh") if block.guide == guide for words in split_commands(block.text)]
    return [words for words in commands if words[: len(beginning)] == list(beginning)]


def test_the_runbook_of_a_bad_rotation_brings_the_value_of_before_back(stack: Deployed) -> None:
    """Of a secret that two clusters read, in Secrets that are made from a parameter as well."""
    stack.put(DATABASE, database("canary-good"))
    arrives(stack, "canary-good")
    good = stack.current(DATABASE)
    bad = stack.put(DATABASE, database("canary-bad"))
    arrives(stack, "canary-bad")
    [[_, *looking]] = list_commands(BAD_ROTATION, "keyferry", "history")
    known = json.loads(show(stack, [*looking, "--output", "json"]))
    labels = {each["version"]: each["labels"] for each in known["versions"]}
    assert (labels[bad], labels[good]) == (["AWSCURRENT"], ["AWSPREVIOUS"])
    secrets = {f"{cluster}/payments/payments-db" for cluster in CLUSTERS}
    assert {each["secret"] for each in known["writes"] if each.get("version") == bad} == secrets
    assert {each["origin"] for each in known["writes"] if each.get("version") == bad} == {"event"}
    trying, doing = list_commands(BAD_ROTATION, "keyferry", "rollback")
    said = show(stack, trying[1:])
    assert all(secret in said for secret in secrets)
    assert "Deployment/" in said
    assert stack.current(DATABASE) == bad
    said = show(stack, [*doing[1:], "--yes"])
    assert re.search(rf"write.*{good[:8]}", said, re.DOTALL)
    assert f"  version: {good}" in said
    assert "do not have it yet" not in said
    arrives(stack, "canary-good")
    [[_, *status]] = list_commands(BAD_ROTATION, "keyferry", "status")
    assert show(stack, status).count("right") >= len(CLUSTERS)
    written = json.loads(show(stack, [*looking, "--output", "json"]))["writes"]
    assert {each["secret"] for each in written[: len(CLUSTERS)] if each.get("version") == good} == secrets


def test_a_parameter_is_not_rolled_back_and_its_history_tells_its_versions(stack: Deployed) -> None:
    targets = json.loads(show(stack, ["status", "payments-db", "--output", "json"]))["targets"]
    [source] = [each for each in targets[0]["sources"] if each["store"] == "parameterstore"]
    known = json.loads(show(stack, ["history", source["name"], "--output", "json"]))
    assert known["versions"][0]["version"] == source["held"].partition("@")[0]
    assert known["versions"][0]["holders"] == [f"{cluster}/payments/payments-db" for cluster in CLUSTERS]
    assert show(stack, ["rollback", source["name"], "--to", "1", "--yes"]) == ""


def test_the_transcript_of_the_readme_is_what_the_commands_show(stack: Deployed) -> None:
    transcript = read_transcript()
    for number in range(TRIES):
        stack.put(DATABASE, database(f"canary-readme-{number}"))
        arrives(stack, f"canary-readme-{number}")
        shown = {command: show(stack, command.split()[1:]) for command in transcript}
        if [settle(said) for said in shown.values()] == [settle(said) for said in transcript.values()]:
            return
    pytest.fail("\n".join(f"$ {command}\n{said}" for command, said in shown.items()))


def test_the_runbook_to_stop_holds_changes_back_and_loses_none(stack: Deployed) -> None:
    stopping, going_on = read_commands_for("payments-db")
    stack.put(DATABASE, database("canary-before-it"))
    arrives(stack, "canary-before-it")
    rollouts = {cluster: stack.rollouts(cluster, "payments") for cluster in CLUSTERS}
    uids, since = [read_uid(stack, cluster) for cluster in CLUSTERS], now()
    show(stack, [*stopping[1:], "--yes"])
    try:
        time.sleep(REMEMBER_SECONDS)  # as long as a function may remember that nothing is suspended
        for number in range(10):
            stack.put(DATABASE, database(f"canary-held-{number}"))
        stack.secrets.delete_secret(SecretId=DATABASE, RecoveryWindowInDays=7)
        stack.secrets.restore_secret(SecretId=DATABASE)
        stack.deliveries("payments-db", since, 10 * len(CLUSTERS), message="suspended")
        stack.rest("payments-db")
        assert [(read(stack, cluster) or {}).get("password") for cluster in CLUSTERS] == [b"canary-before-it"] * 2
        assert "mapping payments-db is suspended" in show(stack, ["status", "payments-db"])
        assert stack.counted(*stack.metrics("DeliverFunction", since))["MessagesSuspended"] >= 10 * len(CLUSTERS)
        swept = stack.sweep(mapping="payments-db")
        assert (swept["count"], swept["suspended_count"], swept["finished"]) == (0, len(CLUSTERS), True)
    finally:
        resumed = show(stack, [*going_on[1:], "--yes"])
    assert "2 deliveries sent" in resumed
    arrives(stack, "canary-held-9")
    assert [read_uid(stack, cluster) for cluster in CLUSTERS] == uids, "nothing was deleted"
    for cluster, seen in rollouts.items():
        new = [name.rpartition("-")[0] for name in stack.rollouts(cluster, "payments") - seen]
        assert sorted(new) == ["api", "worker"], "one rollout of each that uses it"


def read_commands_for(mapping: str) -> list[list[str]]:
    """Return the commands of the runbook to stop that are about a mapping alone."""
    commands = [words for block in list_blocks("sh") if block.guide == STOP for words in split_commands(block.text)]
    return [words for words in commands if mapping in words]


def read_uid(stack: Deployed, cluster: str) -> str:
    """Return the uid of the Secret in a cluster."""
    [found] = [
        each
        for each in stack.cloud.admins[cluster].list("Secret", "payments")
        if each["metadata"]["name"] == "payments-db"
    ]
    return str(found["metadata"]["uid"])
