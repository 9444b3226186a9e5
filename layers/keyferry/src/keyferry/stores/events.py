"""EventBridge event → the change that it reports, or the reason why it is ignored.

The event may come inside a notification of SNS, for those who put a topic between EventBridge and the queue.

An event is trusted for the name of the secret alone; the label and version that it names are hints.
The shapes of events and their sources: events/README.md.
"""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import ValidationError

from keyferry.model import Change, parse_json
from keyferry.stores.envelope import Envelope, Ignored, get_text
from keyferry.stores.registry import STORES

_DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
"""Statuses of a CloudFormation stack after a deployment: with its new mappings, or rolled back to the old ones."""


def parse(event: object) -> Change | Ignored:
    """Return the change that an event reports, or why the event is ignored. Never raises.

    Args:
        event: the parsed JSON of an event, of any shape; or of an SNS notification (`Type`, `Message`) that holds one.
    """
    match event:
        case {"Type": "Notification", "Message": str(text)}:
            event = parse_json(text)
    try:
        envelope = Envelope.model_validate(event)
    except ValidationError as error:
        fields = ", ".join(sorted({str(next(iter(problem["loc"]), "the whole")) for problem in error.errors()}))
        return Ignored("not an event", f"wrong or missing: {fields}")
    parsed = _parse_envelope(envelope)
    if isinstance(parsed, Ignored):
        return replace(
            parsed, event_id=envelope.id, time=envelope.time, account=envelope.account, region=envelope.region
        )
    return parsed


def _parse_envelope(envelope: Envelope) -> Change | Ignored:
    for store in STORES.values():
        if envelope.source == store.EVENT_SOURCE:
            return store.parse_event(envelope)
    if (envelope.source, envelope.type) == ("aws.cloudformation", "CloudFormation Stack Status Change"):
        return _parse_stack_status(envelope)
    return Ignored("other source", envelope.source)


def _parse_stack_status(event: Envelope) -> Ignored:
    details = event.detail.get("status-details")
    status = (get_text(details, "status") if isinstance(details, Mapping) else None) or "no status"
    stack = get_text(event.detail, "stack-id") or "a stack"
    return Ignored("deployment" if status in _DEPLOYED else "no change", f"{status} of {stack}")
