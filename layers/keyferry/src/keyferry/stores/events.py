"""EventBridge event → the change that it tells of, or the reason why it tells of none.

Only the identity of the secret is taken from an event; that, and which label and version it names as a hint.
Shapes and their sources: events/README.md.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from keyferry.model import Change
from keyferry.stores.envelope import Envelope, Ignored, text
from keyferry.stores.registry import STORES

_DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
"""Statuses of a stack that is as its mappings say, or as the earlier ones said."""


def parse(event: object) -> Change | Ignored:
    """Return what an event tells of.

    Args:
        event: the decoded JSON of an event, whatever it is.

    Returns:
        The change, or why it is none. Never raises.
    """
    try:
        envelope = Envelope.model_validate(event)
    except ValidationError as error:
        fields = ", ".join(sorted({str(next(iter(each["loc"]), "the whole")) for each in error.errors()}))
        return Ignored("not an event", f"wrong or missing: {fields}")
    for store in STORES.values():
        if envelope.source == store.EVENT_SOURCE:
            return store.change(envelope)
    if (envelope.source, envelope.type) == ("aws.cloudformation", "CloudFormation Stack Status Change"):
        return _stack_status(envelope)
    return Ignored("other source", envelope.source)


def _stack_status(event: Envelope) -> Ignored:
    details = event.detail.get("status-details")
    status = (text(details, "status") if isinstance(details, Mapping) else None) or "no status"
    stack = text(event.detail, "stack-id") or "a stack"
    return Ignored("deployment" if status in _DEPLOYED else "no change", f"{status} of {stack}")
