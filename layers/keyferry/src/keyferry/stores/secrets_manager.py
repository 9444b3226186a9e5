"""Secrets Manager: what is peculiar to it. How it is read: `keyferry.aws.secrets_manager`."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from keyferry.arn import Arn
from keyferry.model import Change, ChangeKind, StoreName
from keyferry.stores.envelope import API_CALLS, Envelope, Ignored, text
from keyferry.stores.grant import Grant, base_arn

if TYPE_CHECKING:
    from keyferry.stores.source import Source

NAME: StoreName = "secretsmanager"
FIELD, ALIAS = "secrets_manager", "secretsManager"
NOUN = "secret"
EVENT_SOURCE = "aws.secretsmanager"
ALLOWED = (re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}"), "letters, digits and / _ + = . @ -, no spaces")
SAME_VERSIONS_IN_REPLICAS = True

CURRENT = "AWSCURRENT"
"""The label of the version that consumers read."""
PREVIOUS = "AWSPREVIOUS"
"""The label of the version before it. It follows AWSCURRENT, and its move is no event of its own."""
PENDING = "AWSPENDING"
"""The label of a version that a rotation is making, not yet in use."""

_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
"""What Secrets Manager adds to a name in the ARN. A name can end so, too."""
_API_CALLS: Mapping[str, ChangeKind] = {
    "CreateSecret": "updated",
    "PutSecretValue": "updated",
    "UpdateSecret": "updated",
    "UpdateSecretVersionStage": "updated",
    "RotationSucceeded": "updated",
    "DeleteSecret": "deleted",
    "RestoreSecret": "restored",
    "RotationFailed": "rotation failed",
}


def names(identifier: str) -> tuple[str, ...]:
    """Return the names that a secret's identifier can mean.

    Args:
        identifier: a name, a full ARN (name, `-` and six characters) or an ARN without that suffix.

    Returns:
        One name, or two where an ARN's end can be read as suffix or as part of the name; the likelier one first.
    """
    arn = Arn.parse(identifier)
    name = arn.name_of("secretsmanager", "secret:") if arn else None
    if name is None:
        return (identifier,)
    return (_SUFFIX.sub("", name), name) if _SUFFIX.search(name) else (name,)


def event_name(name: str) -> str:
    """Return a secret's name as events have it: unchanged."""
    return name


def full_names(name: str) -> tuple[str, ...]:
    """Return the names that a secret can have which an event calls so: that one."""
    return (name,)


def find_prefix(path: str) -> str:
    """Return what the names begin with that a find by `path` can find."""
    return path


def check(source: "Source") -> None:
    """Check what a source says of a secret, or of a find.

    Raises:
        ValueError: something that Secrets Manager does not have; the text says what is right.
    """
    if source.label == PENDING:
        raise ValueError("AWSPENDING is never pushed: it is not in use yet")


def watched_label(source: "Source") -> str:
    """Return the label whose move changes what a source reads."""
    return CURRENT if source.label in (None, PREVIOUS) else source.label


def reads_new_version(source: "Source") -> bool:
    """Return whether a source reads the version that an event names, once it has arrived."""
    return source.label != PREVIOUS


def change(event: Envelope) -> Change | Ignored:
    """Return what an event of Secrets Manager, or of a trail about it, tells of."""
    if event.type == "Secret Label Updated":
        return _label_updated(event)
    return _api_call(event) if event.type in API_CALLS else Ignored("no change", event.type)


def grants(source: "Source") -> Iterator[Grant]:
    """Yield what reading a source takes, in the one region that it names."""
    base = f"{base_arn(source, 'secretsmanager')}:secret:"
    if source.find:
        yield Grant("secretsmanager:ListSecrets", "*")
        yield Grant("secretsmanager:BatchGetSecretValue", "*")
        yield Grant("secretsmanager:GetSecretValue", f"{base}{source.prefix}*", tuple(sorted(source.tags.items())))
        return
    action = "secretsmanager:DescribeSecret" if source.metadata else "secretsmanager:GetSecretValue"
    if source.arn and len(source.names) > 1:
        yield Grant(action, f"{base}{source.names[1]}")  # what looks like the suffix can be part of the name
    yield Grant(action, f"{base}{source.names[-1]}-??????")


def _label_updated(event: Envelope) -> Change | Ignored:
    name = text(event.detail, "name")
    known = (name,) if name else tuple(names(arn)[0] for arn in event.resources[:1])
    label, version = text(event.detail, "labelUpdated"), text(event.detail, "versionId")
    return event.change(NAME, known, "updated", label=label, version=version)


def _api_call(event: Envelope) -> Change | Ignored:
    name = text(event.detail, "eventName") or "an unnamed call"
    kind = _API_CALLS.get(name)
    if event.detail.get("readOnly") is True:
        return Ignored("read-only call", name)
    if kind is None:
        return Ignored("no change", name)
    if event.detail.get("errorCode"):
        return Ignored("failed call", name)
    identifier = next(_identifiers(event.detail), None)
    return event.change(NAME, names(identifier) if identifier else (), kind)


def _identifiers(detail: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a CloudTrail event calls its secret, the surest first (events/README.md)."""
    places = (
        ("additionalEventData", ("SecretId", "secretId")),
        ("serviceEventDetails", ("secretId", "SecretId")),
        ("responseElements", ("arn", "aRN", "ARN")),
        ("requestParameters", ("secretId", "name")),
    )
    for field, keys in places:
        fields = detail.get(field)
        if isinstance(fields, Mapping):
            yield from filter(None, (text(fields, key) for key in keys))
