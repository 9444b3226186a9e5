"""The queues: what waits on them and since when, what lies on the dead-letter queues, and who may send to them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.stack.settings import FUNCTIONS
from keyferry.cli.doctor.subject import Subject
from keyferry.errors import KeyferryError, Rejected
from keyferry.wording import abridge

OLDEST = {"Changes": 300, "Deliveries": 1800, "Sweeps": 1800}
"""Queue → how many seconds its oldest message may wait: its alarm in template.yaml has the same."""
CONSUMERS = {each.source.queue: each for each in FUNCTIONS if each.source}
"""Queue → the function that takes its messages."""
DEAD_LETTERS = {"Changes": "ChangesDeadLetters", "Deliveries": "DeliveriesDeadLetters", "Sweeps": "SweepsDeadLetters"}
"""Queue → its dead-letter queue. Events that EventBridge cannot hand over lie on EventsDeadLetters."""
_SENDERS = {
    "Changes": ("SecretLabelUpdated", "ParameterChanged", "RotationFailed", "SecretDeletedOrRestored", "SecretChanged"),
    "Sweeps": ("StackDeployed",),
}
"""Queue → the rules that its policy lets in."""
_DEAD_LETTER = '{ $.message = "dead letter" }'
"""Which lines of the log of `deliver` tell why a delivery became a dead letter."""
_REASONS_WITHIN = timedelta(days=1)
"""How far back the commonest reason is searched."""
_VISIBILITY = 6
"""How many timeouts of its function a message that is being worked on stays hidden ("Lambda, SQS event sources")."""


def list_checks(subject: Subject) -> list[Check]:
    """Return the checks of the queues."""
    letters = [*DEAD_LETTERS.values(), "EventsDeadLetters"]
    return [
        *(Check("queues", name, partial(check_queue, subject, name)) for name in OLDEST),
        *(Check("queues", f"policy of {name}", partial(check_senders, subject, name)) for name in _SENDERS),
        *(Check("dead letters", name, partial(check_dead_letters, subject, name)) for name in letters),
    ]


def check_queue(subject: Subject, name: str) -> Iterator[Finding]:
    """Yield what waits on a queue, and since when; and whether its settings are those of template.yaml."""
    attributes = _read_attributes(subject, name)
    if attributes is None:
        yield Finding("queues", "error", name, "the queue is gone, and what was on it", subject.format_restore())
        return
    function = CONSUMERS[name]
    yield from _check_settings(subject, name, attributes, function.timeout)
    visible, flying = (int(attributes.get(f"ApproximateNumberOfMessages{kind}", 0)) for kind in ("", "NotVisible"))
    age = _read_age(subject, name)
    waiting = f"{visible:,} waiting, {flying:,} in flight" + (f", the oldest for {age:,} s" if age else "")
    # CloudWatch lags: of a queue that has just been emptied it still has the age.
    if age is None or age < OLDEST[name] or not (visible or flying):
        yield Finding("queues", "ok", name, waiting if visible or flying else "nothing waits")
        return
    logs = subject.format_logs(function.name)
    yield Finding("queues", "warning", name, f"{waiting}: the log of {function.name} says why", (logs,))


def _check_settings(subject: Subject, name: str, attributes: Mapping[str, str], timeout: int) -> Iterator[Finding]:
    url = subject.outputs.get(f"{name}QueueUrl", "")
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    if redrive.get("deadLetterTargetArn") != subject.outputs.get(f"{DEAD_LETTERS[name]}QueueArn"):
        why = f"{DEAD_LETTERS[name]} is not its dead-letter queue: what fails for good is lost"
        yield Finding("queues", "error", name, why, subject.format_restore())
    if int(attributes.get("VisibilityTimeout", 0)) < _VISIBILITY * timeout:
        why = f"its visibility timeout is {attributes.get('VisibilityTimeout')} s: work that goes on is begun again"
        wanted = f"VisibilityTimeout={_VISIBILITY * timeout}"
        mend = format_command(
            *("aws", "sqs", "set-queue-attributes", "--region", subject.region, "--queue-url", url),
            *("--attributes", wanted),
        )
        yield Finding("queues", "warning", name, why, (mend,))


def check_senders(subject: Subject, name: str) -> Iterator[Finding]:
    """Yield whether the policy of a queue lets the stack's rules send."""
    attributes = _read_attributes(subject, name)
    if attributes is None:
        return  # said by `check_queue`
    admitted = set(_list_admitted(json.loads(attributes.get("Policy") or "{}")))
    rules = {rule: subject.get_resource(rule) for rule in _SENDERS[name]}  # one is optional
    refused = [rule for rule, called in rules.items() if called and not any(a.endswith(f"/{called}") for a in admitted)]
    if refused:
        why = f"its policy does not let in {', '.join(refused)}: their events go to EventsDeadLetters"
        yield Finding("queues", "error", f"policy of {name}", why, subject.format_restore())
    else:
        yield Finding("queues", "ok", f"policy of {name}", "lets its rules send")


def _list_admitted(policy: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ARNs of the rules that a policy lets in."""
    for statement in policy.get("Statement", ()):
        sources = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn", [])
        if statement.get("Effect") == "Allow":
            yield from [sources] if isinstance(sources, str) else sources


def check_dead_letters(subject: Subject, name: str) -> Iterator[Finding]:
    """Yield how many messages lie on a dead-letter queue, with the commands that show them and send them again."""
    attributes = _read_attributes(subject, name)
    if attributes is None:
        why = "the queue is gone: what fails for good is lost"
        yield Finding("dead letters", "error", name, why, subject.format_restore())
        return
    count = int(attributes.get("ApproximateNumberOfMessages", 0))
    if not count:
        yield Finding("dead letters", "ok", name, "none")
        return
    queue = name.removesuffix("DeadLetters").lower()
    list_, replay = (subject.call.format_asking("dead-letters", verb, "--queue", queue) for verb in ("list", "replay"))
    why = f"{count:,}: look at them, remove the cause, send them again or drop them"
    yield Finding(
        "dead letters", "warning", name, why + (_find_reason(subject) if queue == "deliveries" else ""), (list_, replay)
    )


def _find_reason(subject: Subject) -> str:
    """Return the commonest reason for dead letters of a day, as the end of a sentence; empty if none is known."""
    since, reasons = datetime.now(UTC) - _REASONS_WITHIN, Counter[str]()
    with suppress(KeyferryError):  # the number of dead letters is known all the same
        for line in subject.search_log("deliver", _DEAD_LETTER, since):
            reasons[str(line.get("reason", ""))] += 1
    reasons.pop("", None)
    return "".join(f"; within a day {count:,} by: {abridge(text, 300)}" for text, count in reasons.most_common(1))


def _read_attributes(subject: Subject, name: str) -> Mapping[str, str] | None:
    """Return the attributes of a queue; None where it is gone."""
    url = subject.outputs.get(f"{name}QueueUrl")
    if url is None:
        return None
    try:
        with translate_errors(f"sqs:GetQueueAttributes on {url.rpartition('/')[2]}"):
            answer = subject.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    except Rejected as error:
        if "NonExistentQueue" in str(error) or "QueueDoesNotExist" in str(error):
            return None
        raise
    attributes: Mapping[str, str] = answer.get("Attributes", {})
    return attributes


def _read_age(subject: Subject, name: str) -> int | None:
    """Return for how many seconds the oldest message of a queue has waited; None where CloudWatch does not know."""
    queue, now = subject.outputs.get(f"{name}QueueUrl", "").rpartition("/")[2], datetime.now(UTC)
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": queue}],
    }
    query = {"Id": "age", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    with translate_errors("cloudwatch:GetMetricData"):
        answer = subject.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query], StartTime=now - timedelta(minutes=10), EndTime=now
        )
    values = [value for result in answer.get("MetricDataResults", ()) for value in result.get("Values", ())]
    return int(values[0]) if values else None  # the newest is first
