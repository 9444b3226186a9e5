"""What brings events and sweeps: the rules with their targets, the schedule, and the trail that tells of deletes."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from keyferry.access.events import OPTIONAL_RULE, RULES
from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.subject import Subject
from keyferry.errors import KeyferryError, SourceUnavailable

_START = "aws", "cloudtrail", "start-logging", "--name"
SWEEP_RULE, SCHEDULE = "StackDeployed", "SweepRegularly"
"""The resources of template.yaml that send to the queue of sweeps."""
_DEAD_LETTERS = "EventsDeadLettersQueueArn"
_UNTOLD = "deletes, restores and failed rotations of secrets are not told: only sweeps find them"


def list_checks(subject: Subject) -> list[Check]:
    """Return the checks of what brings events and sweeps."""
    names = [
        name for name in RULES if name != OPTIONAL_RULE or subject.stack.parameters.get("CloudTrailChanges") == "true"
    ]
    queues = dict.fromkeys(names, "ChangesQueueArn") | {SWEEP_RULE: "SweepsQueueArn"}
    return [
        *(Check("rules", name, partial(check_rule, subject, name, queue)) for name, queue in queues.items()),
        Check("rules", SCHEDULE, lambda: check_schedule(subject)),
        Check("trail", subject.region, lambda: check_trail(subject)),
    ]


def check_rule(subject: Subject, name: str, queue: str) -> Iterator[Finding]:
    """Yield whether a rule is there, enabled, matches what it should, and sends to its queue.

    Args:
        subject: the stack.
        name: the rule's logical id in template.yaml.
        queue: the output that has the ARN of its queue.
    """
    rule, client = subject.get_resource(name), subject.client("events")
    try:
        with translate_errors(f"events:DescribeRule on {rule or name}"):
            described = client.describe_rule(Name=rule) if rule else None
        with translate_errors(f"events:ListTargetsByRule on {rule or name}"):
            targets = client.list_targets_by_rule(Rule=rule)["Targets"] if rule else []
    except SourceUnavailable:
        described = None
    if described is None or rule is None:
        yield Finding("rules", "error", name, "the rule is gone: its events are lost", _restore(subject, rule))
        return
    wrong = list(_list_faults(subject, name, rule, queue, described, targets))
    yield from wrong or [Finding("rules", "ok", name, f"enabled, to {_name(subject.outputs.get(queue, ''))}")]


def _list_faults(
    subject: Subject, name: str, rule: str, queue: str, described: Mapping[str, Any], targets: list[Mapping[str, Any]]
) -> Iterator[Finding]:
    if described.get("State") != "ENABLED":
        enable = format_command("aws", "events", "enable-rule", "--name", rule, "--region", subject.region)
        yield Finding("rules", "error", name, "the rule is disabled: its events are lost", (enable,))
    pattern = json.loads(described.get("EventPattern") or "{}")
    if name in RULES and pattern != RULES[name]:
        put = format_command(
            *("aws", "events", "put-rule", "--name", rule, "--region", subject.region),
            *("--event-pattern", json.dumps(RULES[name])),
        )
        yield Finding(
            "rules", "error", name, "its pattern is not that of this release: it matches other events", (put,)
        )
    arn, letters = subject.outputs.get(queue), subject.outputs.get(_DEAD_LETTERS)
    target = next((target for target in targets if target["Arn"] == arn), None)
    if target is None:
        why = f"{_name(arn or queue)} is not its target: its events are lost"
        yield Finding("rules", "error", name, why, (_put_target(subject, rule, queue),))
    elif target.get("DeadLetterConfig", {}).get("Arn") != letters:
        why = "its target has no dead-letter queue: events that cannot be handed over are lost"
        yield Finding("rules", "error", name, why, (_put_target(subject, rule, queue),))


def _put_target(subject: Subject, rule: str, queue: str) -> str:
    """Return the command that gives a rule its target, as template.yaml has it."""
    target = {
        "Id": queue.removesuffix("QueueArn"),
        "Arn": subject.outputs.get(queue, ""),
        "DeadLetterConfig": {"Arn": subject.outputs.get(_DEAD_LETTERS, "")},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
    }
    return format_command(
        *("aws", "events", "put-targets", "--rule", rule, "--region", subject.region),
        *("--targets", json.dumps([target])),
    )


def _restore(subject: Subject, name: str | None) -> tuple[str, ...]:
    """Return what brings a resource back; without a name the stack never had it, as it is of another release."""
    return subject.format_restore() if name else subject.call.deploy


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def check_schedule(subject: Subject) -> Iterator[Finding]:
    """Yield whether the schedule of sweeps is there, enabled, and sends to the queue of sweeps."""
    name, described = subject.get_resource(SCHEDULE), None
    try:
        with translate_errors(f"scheduler:GetSchedule on {name or SCHEDULE}"):
            described = subject.client("scheduler").get_schedule(Name=name) if name else None
    except SourceUnavailable:
        pass
    if described is None:
        why = "the schedule is gone: what no event tells of stays unnoticed"
    elif described.get("State", "ENABLED") != "ENABLED":
        why = "the schedule is disabled: what no event tells of stays unnoticed"
    elif described["Target"]["Arn"] != subject.outputs.get("SweepsQueueArn"):
        why = "the schedule sends to another queue than that of sweeps"
    else:
        yield Finding("rules", "ok", SCHEDULE, f"enabled, {described['ScheduleExpression']}")
        return
    yield Finding("rules", "error", SCHEDULE, why, _restore(subject, name))


def check_trail(subject: Subject) -> Iterator[Finding]:
    """Yield whether a trail logs management write events in the region of the stack."""
    client, unknown, asleep = subject.client("cloudtrail"), "", ""
    with translate_errors("cloudtrail:DescribeTrails"):
        trails = client.describe_trails(includeShadowTrails=True)["trailList"]
    for trail in trails:
        if not trail.get("IsMultiRegionTrail") and trail.get("HomeRegion") != subject.region:
            continue
        arn = trail["TrailARN"]
        try:
            if not _logs_writes(client, arn):
                continue
            if _is_logging(client, arn):
                yield Finding("trail", "ok", trail["Name"], f"logs management events of {subject.region}")
                return
            asleep = arn
        except KeyferryError as error:  # such as of a trail of the organization
            unknown = f"; trail {trail['Name']} could not be looked at: {error}"
    if asleep:
        start = format_command(*_START, asleep, "--region", asleep.split(":")[3])
        yield Finding("trail", "warning", _name(asleep), f"it is stopped; {_UNTOLD}", (start,))
        return
    why = f"no trail logs management write events here; {_UNTOLD}{unknown}"
    yield Finding("trail", "warning", subject.region, why, _create_trail(subject))


def _create_trail(subject: Subject) -> tuple[str, ...]:
    """Return the commands that create a trail with a bucket of its own ("Amazon S3 bucket policy for CloudTrail")."""
    partition, account, region = subject.caller.partition, subject.caller.account, subject.region
    name, bucket = "management-events", f"management-events-{account}-{region}"
    trail = {"aws:SourceArn": f"arn:{partition}:cloudtrail:{region}:{account}:trail/{name}"}
    owned = {"s3:x-amz-acl": "bucket-owner-full-control"}
    allowed = (
        ("s3:GetBucketAcl", f"arn:{partition}:s3:::{bucket}", trail),
        ("s3:PutObject", f"arn:{partition}:s3:::{bucket}/AWSLogs/{account}/*", trail | owned),
    )
    sender = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    statements = [
        sender | {"Action": action, "Resource": resource, "Condition": {"StringEquals": equal}}
        for action, resource, equal in allowed
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    put = "aws", "s3api", "put-bucket-policy", "--region", region, "--bucket", bucket, "--policy", policy
    create = "aws", "cloudtrail", "create-trail", "--region", region, "--name", name, "--is-multi-region-trail"
    return (
        format_command("aws", "s3", "mb", f"s3://{bucket}", "--region", region),
        format_command(*put),
        format_command(*create, "--s3-bucket-name", bucket),
        format_command(*_START, name, "--region", region),
    )


def _is_logging(client: Any, arn: str) -> bool:  # noqa: ANN401  # one of boto3's generated classes
    with translate_errors(f"cloudtrail:GetTrailStatus on {arn}"):
        return bool(client.get_trail_status(Name=arn)["IsLogging"])


def _logs_writes(client: Any, arn: str) -> bool:  # noqa: ANN401  # one of boto3's generated classes
    """Return whether a trail is to log management write events, by its selectors of either form."""
    with translate_errors(f"cloudtrail:GetEventSelectors on {arn}"):
        answer = client.get_event_selectors(TrailName=arn)
    plain = any(
        selector.get("IncludeManagementEvents", True) and selector.get("ReadWriteType", "All") != "ReadOnly"
        for selector in answer.get("EventSelectors") or ()
    )
    fields = (
        {each["Field"]: each.get("Equals", []) for each in selector["FieldSelectors"]}
        for selector in answer.get("AdvancedEventSelectors") or ()
    )
    advanced = any(
        "Management" in field.get("eventCategory", []) and "true" not in field.get("readOnly", []) for field in fields
    )
    return plain or advanced
