"""`keyferry dead-letters` on a stack at work: the runbook's commands list what lies there, send it anew, drop it."""

import json
import os
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from keyferry.model import Delivery
from keyferry_local.install import STACK, Installation
from keyferry_local.world import DATABASE
from tests.integration.deployed import Deployed, now
from tests.integration.terminal import run_keyferry
from tests.unit.guide_blocks import list_blocks, split_commands
from tests.unit.samples import envelope

RUNBOOK = "docs/runbooks/dead-letters.md"
DELIVERIES, EVENTS = "DeliveriesDeadLettersQueueUrl", "EventsDeadLettersQueueUrl"
REASON = "SourceUnusable: source db has no key passwd"


@pytest.fixture
def stack(installed: Installation) -> Iterator[Deployed]:
    """The stack, on whose dead-letter queues nothing lies before and after."""
    stack = Deployed(installed)
    for queue in (DELIVERIES, EVENTS):
        stack.sqs.purge_queue(QueueUrl=installed.outputs[queue])
    yield stack
    for queue in (DELIVERIES, EVENTS):
        stack.sqs.purge_queue(QueueUrl=installed.outputs[queue])


def lay(stack: Deployed, number: int) -> list[str]:
    """Let dead letters of one mapping and cluster lie there, and return their ids."""
    ids = []
    for _ in range(number):
        asked = Delivery(mapping="payments-db", cluster="prod-eu", event_id=str(uuid.uuid4()), time=now())
        told = {"reason": REASON, "team": "payments"}
        sent = stack.sqs.send_message(
            QueueUrl=stack.installed.outputs[DELIVERIES],
            MessageBody=asked.to_json(),
            MessageGroupId=asked.group,
            MessageDeduplicationId=uuid.uuid4().hex,
            MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in told.items()},
        )
        ids.append(sent["MessageId"])
    return ids


def run(stack: Deployed, *words: str) -> dict[str, Any]:
    """Run a command of ours for the stack, and return what it answers."""
    mappings = str(stack.installed.checkout / "mappings")
    command = ["--mappings", mappings, *words, "--stack", STACK, "--output", "json"]
    done = run_keyferry(command, stack.cloud.aws.inherit(os.environ), stack.cloud.directory / "commands.log")
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def read_runbook() -> dict[str, list[str]]:
    """Return the commands of the runbook without the name of the program, by verb and whether they only look."""
    found = [words for block in list_blocks("sh") if block.guide == RUNBOOK for words in split_commands(block.text)]
    return {" ".join(words[2:]): words[1:] for words in found}


def ended(stack: Deployed, event_id: str, since: datetime) -> bool:
    """Wait until a delivery of an event is made, and return whether it was delivered."""
    [line] = stack.deliveries("payments-db", since, event_id=event_id, cluster="prod-eu")
    return bool(line["message"] == "delivered")


def test_the_runbook_lists_sends_anew_and_drops(stack: Deployed) -> None:
    commands, since = read_runbook(), now()
    assert commands.keys() == {"list", "replay --dry-run", "replay", "drop --dry-run", "drop"}
    ids = lay(stack, 12)
    listed = run(stack, *commands["list"])
    assert [each["id"] for each in listed["deadLetters"]] == ids[:10], "ten of a group, as on AWS"
    assert listed["notListed"] == {"deliveries": 2}
    assert {(each["cause"], each["owner"]["team"]) for each in listed["deadLetters"]} == {(REASON, "payments")}
    planned = run(stack, *commands["replay --dry-run"])
    assert planned == listed, "what was looked at is visible again at once"
    done = run(stack, *commands["replay"], "--yes")
    assert [each["id"] for each in done["replayed"]] == ids, "those behind the ten, too"
    assert ended(stack, f"replay-{ids[0]}", since)
    assert ended(stack, f"replay-{ids[-1]}", since)
    assert not stack.messages(DELIVERIES)
    [other] = lay(stack, 1)
    assert [each["id"] for each in run(stack, *commands["drop --dry-run"])["deadLetters"]] == [other]
    assert [each["id"] for each in run(stack, *commands["drop"], "--yes")["dropped"]] == [other]
    assert not stack.messages(DELIVERIES)


def test_what_eventbridge_could_not_hand_over_is_routed_as_if_it_had(stack: Deployed) -> None:
    since, outputs = now(), stack.installed.outputs
    moved = {"name": DATABASE, "labelUpdated": "AWSCURRENT", "versionId": stack.current(DATABASE)}
    event = envelope("Secret Label Updated", "aws.secretsmanager", moved, time=now().isoformat())
    target = {"TARGET_ARN": {"DataType": "String", "StringValue": outputs["ChangesQueueArn"]}}
    sent = stack.sqs.send_message(QueueUrl=outputs[EVENTS], MessageBody=json.dumps(event), MessageAttributes=target)
    [done] = run(stack, "dead-letters", "replay", sent["MessageId"], "--yes")["replayed"]
    assert done["eventId"] == f"replay-{sent['MessageId']}"
    assert ended(stack, done["eventId"], since)
    assert not stack.messages(EVENTS)
