"""How the functions take the messages of their queues: by an event source mapping of Lambda each."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.stack.settings import FUNCTIONS, Settings, Source, resolve
from keyferry.cli.doctor.subject import Subject


def list_checks(subject: Subject) -> list[Check]:
    """Return a check for each function that has a queue."""
    return [
        Check("event sources", each.name, partial(check_source, subject, each, each.source))
        for each in FUNCTIONS
        if each.source
    ]


def check_source(subject: Subject, settings: Settings, source: Source) -> Iterator[Finding]:
    """Yield whether a function takes the messages of its queue, and so many at once as template.yaml has it."""
    name, arn = subject.outputs.get(settings.output, ""), subject.outputs.get(f"{source.queue}QueueArn", "")
    with translate_errors(f"lambda:ListEventSourceMappings on {name}"):
        answer = subject.client("lambda").list_event_source_mappings(FunctionName=name, EventSourceArn=arn)
    mappings, restore = answer["EventSourceMappings"], subject.format_restore()
    if not mappings:
        yield Finding("event sources", "error", settings.name, f"it takes no messages of {source.queue}", restore)
        return
    wrong = list(_list_source_faults(subject, settings, source, mappings[0]))
    yield from wrong or [Finding("event sources", "ok", settings.name, "takes the messages of its queue")]


def _list_source_faults(
    subject: Subject, settings: Settings, source: Source, found: Mapping[str, Any]
) -> Iterator[Finding]:
    update = format_command(
        *("aws", "lambda", "update-event-source-mapping", "--uuid", found["UUID"], "--region", subject.region)
    )
    if found.get("State") not in ("Enabled", "Enabling", "Updating", "Creating"):
        why = f"its event source mapping is {found.get('State')}: messages of {source.queue} wait"
        yield Finding("event sources", "error", settings.name, why, (f"{update} --enabled",))
    result = str(found.get("LastProcessingResult", ""))
    if result.upper().startswith("PROBLEM"):
        why = (
            f"Lambda cannot read {source.queue} ({result}): see the rights of its role, and whether the queue is there"
        )
        yield Finding("event sources", "error", settings.name, why, subject.format_restore())
    if found.get("BatchSize") != source.batch_size:
        why = f"its batch size is {found.get('BatchSize')}, and template.yaml has {source.batch_size}"
        mend = f"{update} --batch-size {source.batch_size}"
        yield Finding("event sources", "warning", settings.name, why, (mend,))
    if "ReportBatchItemFailures" not in found.get("FunctionResponseTypes", ()):
        why = "it reports no single failures: one that fails brings back all"
        mend = f"{update} --function-response-types ReportBatchItemFailures"
        yield Finding("event sources", "error", settings.name, why, (mend,))
    most = resolve(source.concurrency, subject.stack.parameters)
    now = found.get("ScalingConfig", {}).get("MaximumConcurrency")
    if most is not None and now != most:
        why = f"at most {now or 'any number'} run at once, and template.yaml has {most}"
        mend = f"{update} --scaling-config MaximumConcurrency={most}"
        yield Finding("event sources", "warning", settings.name, why, (mend,))
