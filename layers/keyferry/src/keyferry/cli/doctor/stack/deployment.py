"""The stack itself: whether its last deployment came to its end, its outputs, and the release of each part."""

import re
from collections.abc import Iterator

from keyferry import __version__
from keyferry.cli.deployment import INSTALL
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.subject import Subject
from keyferry.errors import InvalidInput

OUTPUTS = {
    "RouteFunction": "Route",
    "DeliverFunction": "Deliver",
    "ReconcileFunction": "Reconcile",
    "ReportFunction": "Report",
    "ChangesQueueUrl": "Changes",
    "DeliveriesQueueUrl": "Deliveries",
    "SweepsQueueUrl": "Sweeps",
    "ChangesDeadLettersQueueUrl": "ChangesDeadLetters",
    "DeliveriesDeadLettersQueueUrl": "DeliveriesDeadLetters",
    "SweepsDeadLettersQueueUrl": "SweepsDeadLetters",
    "EventsDeadLettersQueueUrl": "EventsDeadLetters",
}
"""Output of template.yaml → the resource whose id it holds."""


def list_checks(subject: Subject) -> list[Check]:
    """Return the checks of the stack and its releases."""
    name = subject.stack.name
    return [
        Check("stack", name, lambda: check_status(subject)),
        Check("stack", f"outputs of {name}", lambda: check_outputs(subject)),
        Check("release", name, lambda: check_release(subject)),
    ]


def check_status(subject: Subject) -> Iterator[Finding]:
    """Yield what became of the last deployment, and whether somebody has found that the stack has drifted."""
    name, status = subject.stack.name, subject.stack.status
    events = _describe(subject, "describe-stack-events", "--max-items", "20")
    if status == "ROLLBACK_COMPLETE":
        delete = _describe(subject, "delete-stack")
        why = f"{status}: it was never made; delete it, and deploy"
        yield Finding("stack", "error", name, why, (events, delete, *subject.call.deploy))
    elif status == "UPDATE_ROLLBACK_FAILED":
        why, go_on = f"{status}: it is stuck half-way; remove the cause", _describe(subject, "continue-update-rollback")
        yield Finding("stack", "error", name, why, (events, go_on))
    elif status.endswith("_FAILED"):
        yield Finding("stack", "error", name, f"{status}: the last deployment has failed", (events,))
    elif status.endswith("ROLLBACK_COMPLETE"):
        yield Finding("stack", "warning", name, f"{status}: the last deployment was taken back", (events,))
    elif status.endswith("IN_PROGRESS"):
        yield Finding("stack", "warning", name, f"{status}: look again when the deployment is over", (events,))
    else:
        yield Finding("stack", "ok", name, f"{status} in {subject.region}")
    if subject.stack.drift == "DRIFTED":
        drifts = _describe(subject, "describe-stack-resource-drifts")
        yield Finding(
            "stack", "warning", name, "CloudFormation has seen that resources were changed by hand", (drifts,)
        )


def check_outputs(subject: Subject) -> Iterator[Finding]:
    """Yield whether each output is there, and names the resource that the stack has now."""
    missing, other = [], []
    for output, logical_id in OUTPUTS.items():
        if output not in subject.outputs:
            missing.append(output)
        elif subject.outputs[output] != subject.get_resource(logical_id):
            other.append(output)
    if missing:
        why = f"missing: {', '.join(missing)}; it is of another release than this program, or no stack of Keyferry's"
        yield Finding("stack", "error", "outputs", why, subject.call.deploy)
    if other:
        why = f"not of the resources that the stack has: {', '.join(other)}"
        yield Finding("stack", "error", "outputs", why, subject.call.deploy)
    if not missing and not other:
        yield Finding("stack", "ok", "outputs", "as its resources")


def check_release(subject: Subject) -> Iterator[Finding]:
    """Yield whether stack and program are of one release, and the mappings that are deployed those of the folder."""
    try:
        answer = subject.ask("clusters")
    except InvalidInput as error:  # it fails, or gives no answer that can be used; any other error is no fault of it
        yield Finding("release", "error", "function report", str(error), (subject.format_logs("report"),))
        return
    deployed, own = answer["release"], __version__
    if deployed == own:
        yield Finding("release", "ok", "stack and program", own)
    else:
        why = f"the stack is of {deployed}, and this program of {own}: "
        if _parse(deployed) < _parse(own):
            yield Finding("release", "warning", "stack and program", f"{why}use one for both", subject.call.deploy)
        else:
            pin = f"write the pin of {deployed} into requirements.txt first"
            yield Finding("release", "warning", "stack and program", f"{why}{pin}", INSTALL)
    if subject.catalog is None:
        return
    if answer["deployment"] == subject.catalog.digest:
        yield Finding("release", "ok", "mappings", "those that are deployed are those of the folder")
    else:
        why = "those that are deployed are not those of the folder"
        remedy = subject.call.format_asking("plan"), *subject.call.deploy
        yield Finding("release", "warning", "mappings", why, remedy)


def _parse(release: str) -> list[int]:
    """Return what tells which of two releases is the newer one."""
    return [int(number) for number in re.findall("[0-9]+", release)]


def _describe(subject: Subject, verb: str, *more: str) -> str:
    return format_command(
        *("aws", "cloudformation", verb, "--region", subject.region, "--stack-name", subject.stack.name, *more)
    )
