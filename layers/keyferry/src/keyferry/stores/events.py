"""EventBridge envelope → the change that it tells of, or the reason why it tells of none.

Only the identity of the secret is taken from an event; that, and which label and version it names as a hint.
Shapes and their sources: events/README.md.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from keyferry.model import Change, Service

Kind = Literal["updated", "deleted", "restored", "rotation failed"]

_SECRET_ARN = re.compile(
    r"arn:[a-z0-9-]+:secretsmanager:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):secret:(?P<name>.+)"
)
_PARAMETER_ARN = re.compile(r"arn:[a-z0-9-]+:ssm:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):parameter/(?P<name>.+)")
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")

_CLOUDTRAIL: Mapping[str, Kind] = {
    "CreateSecret": "updated",
    "PutSecretValue": "updated",
    "UpdateSecret": "updated",
    "UpdateSecretVersionStage": "updated",
    "RotationSucceeded": "updated",
    "DeleteSecret": "deleted",
    "RestoreSecret": "restored",
    "RotationFailed": "rotation failed",
}
_PARAMETER_OPERATIONS: Mapping[str, Kind] = {
    "Create": "updated",
    "Update": "updated",
    "LabelParameterVersion": "updated",
    "Delete": "deleted",
}
_DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
"""Statuses of a stack that is as its mappings say, or as the earlier ones said."""


@dataclass(frozen=True)
class Ignored:
    """Why an envelope is no change: a reason from a small fixed set, and what it was."""

    reason: Literal[
        "not an event", "other source", "deployment", "no change", "failed call", "read-only call", "no name"
    ]
    detail: str


class _Envelope(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    id: str
    type: str = Field(alias="detail-type")
    source: str
    time: AwareDatetime
    resources: list[str] = Field(default_factory=list)
    detail: dict[str, Any]


def parse(envelope: object) -> Change | Ignored:
    """Return what an EventBridge envelope tells of.

    Args:
        envelope: the decoded JSON of an event, whatever it is.

    Returns:
        The change, or why it is none. Never raises.
    """
    try:
        event = _Envelope.model_validate(envelope)
    except ValidationError as error:
        fields = ", ".join(sorted({str(next(iter(each["loc"]), "the whole")) for each in error.errors()}))
        return Ignored("not an event", f"wrong or missing: {fields}")
    match event.source, event.type:
        case "aws.secretsmanager", "Secret Label Updated":
            return _label_updated(event)
        case "aws.secretsmanager", "AWS API Call via CloudTrail" | "AWS Service Event via CloudTrail":
            return _cloudtrail(event)
        case "aws.ssm", "Parameter Store Change":
            return _parameter_change(event)
        case "aws.cloudformation", "CloudFormation Stack Status Change":
            return _stack_status(event)
        case "aws.secretsmanager" | "aws.ssm", other:
            return Ignored("no change", other)
    return Ignored("other source", event.source)


def secret_names(identifier: str) -> tuple[str, ...]:
    """Return the names that a secret's identifier can mean.

    Args:
        identifier: a name, a full ARN (name, `-` and six characters) or an ARN without that suffix.

    Returns:
        One name, or two where an ARN's end can be read as suffix or as part of the name; the likelier one first.
    """
    arn = _SECRET_ARN.fullmatch(identifier)
    if arn is None:
        return (identifier,)
    name = arn["name"]
    return (_SUFFIX.sub("", name), name) if _SUFFIX.search(name) else (name,)


def parameter_name(identifier: str) -> str:
    """Return a parameter's name in the one form that a name and an ARN share: without its leading slash."""
    arn = _PARAMETER_ARN.fullmatch(identifier)
    return (arn["name"] if arn else identifier).lstrip("/")


def _label_updated(event: _Envelope) -> Change | Ignored:
    label, version = _text(event.detail, "labelUpdated"), _text(event.detail, "versionId")
    name = _text(event.detail, "name")
    names = (name,) if name else _full_arn_names(event.resources)
    return _change(event, "secretsmanager", names, "updated", label=label, version=version)


def _cloudtrail(event: _Envelope) -> Change | Ignored:
    detail = event.detail
    name = _text(detail, "eventName") or "an unnamed call"
    kind = _CLOUDTRAIL.get(name)
    if detail.get("readOnly") is True:
        return Ignored("read-only call", name)
    if kind is None:
        return Ignored("no change", name)
    if detail.get("errorCode"):
        return Ignored("failed call", name)
    identifier = next(_identifiers(detail), None)
    return _change(event, "secretsmanager", secret_names(identifier) if identifier else (), kind)


def _parameter_change(event: _Envelope) -> Change | Ignored:
    operation = _text(event.detail, "operation") or "no operation"
    kind = _PARAMETER_OPERATIONS.get(operation)
    if event.detail.get("exception"):
        return Ignored("no change", "an exception, not a change")
    if kind is None:
        return Ignored("no change", operation)
    name = _text(event.detail, "name") or next(iter(event.resources), "")
    return _change(event, "parameterstore", (parameter_name(name),) if name else (), kind)


def _stack_status(event: _Envelope) -> Ignored:
    details = event.detail.get("status-details")
    status = (_text(details, "status") if isinstance(details, Mapping) else None) or "no status"
    stack = _text(event.detail, "stack-id") or "a stack"
    return Ignored("deployment" if status in _DEPLOYED else "no change", f"{status} of {stack}")


def _change(
    event: _Envelope,
    service: Service,
    names: tuple[str, ...],
    kind: Kind,
    *,
    label: str | None = None,
    version: str | None = None,
) -> Change | Ignored:
    if not any(names):
        return Ignored("no name", event.type)
    return Change(
        service=service,
        names=names,
        kind=kind,
        event_id=event.id,
        time=event.time,
        label=label,
        version=version,
    )


def _full_arn_names(resources: list[str]) -> tuple[str, ...]:
    return tuple(secret_names(arn)[0] for arn in resources[:1])


def _identifiers(detail: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a CloudTrail event calls its secret, the surest first (facts 1.3)."""
    places = (
        ("additionalEventData", ("SecretId", "secretId")),
        ("serviceEventDetails", ("secretId", "SecretId")),
        ("responseElements", ("arn", "aRN", "ARN")),
        ("requestParameters", ("secretId", "name")),
    )
    for place, keys in places:
        found = detail.get(place)
        if isinstance(found, Mapping):
            yield from filter(None, (_text(found, key) for key in keys))


def _text(mapping: Mapping[str, Any], key: str) -> str | None:
    value = mapping.get(key)
    # No name, label or version has what cannot be printed; a queue takes no half characters.
    return value if isinstance(value, str) and value and value.isprintable() else None
