"""What is specific to Secrets Manager, without I/O. Its client: `keyferry.aws.secrets_manager`."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from keyferry.arn import Arn
from keyferry.model import Change, ChangeKind, StoreName
from keyferry.stores.envelope import API_CALLS, Envelope, Ignored, get_text
from keyferry.stores.grant import Grant, get_base_arn

if TYPE_CHECKING:
    from keyferry.stores.source import Source

NAME: StoreName = "secretsmanager"
FIELD, MAPPING_FIELD = "secrets_manager", "secretsManager"
NOUN = "secret"
EVENT_SOURCE = "aws.secretsmanager"
ALLOWED_NAMES = (re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}"), "letters, digits and / _ + = . @ -, no spaces")
SAME_VERSIONS_IN_REPLICAS = True

CURRENT = "AWSCURRENT"
"""The staging label of the current version."""
PREVIOUS = "AWSPREVIOUS"
"""The staging label of the version that was current before. It moves with AWSCURRENT, without an event of its own."""
PENDING = "AWSPENDING"
"""The staging label of a version that a rotation prepares: it is not in use yet."""

_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
"""What Secrets Manager appends to the name in an ARN. A name can end in the same way."""
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


def parse_identifier(identifier: str) -> tuple[str, ...]:
    """Return the names that an identifier of a secret can stand for.

    Args:
        identifier: a name, a full ARN (name, `-` and six characters) or an ARN without that suffix.

    Returns:
        One name; or two where the end of an ARN can be the suffix or a part of the name, the likelier one first.
    """
    arn = Arn.parse(identifier)
    name = arn.name_of("secretsmanager", "secret:") if arn else None
    if name is None:
        return (identifier,)
    return (_SUFFIX.sub("", name), name) if _SUFFIX.search(name) else (name,)


def to_event_name(name: str) -> str:
    """Return a secret's name unchanged, since events use the same form."""
    return name


def from_event_name(name: str) -> tuple[str, ...]:
    """Return the one name that a name in an event stands for: the same."""
    return (name,)


def get_find_prefix(path: str) -> str:
    """Return the text that the names found by a `path` start with: the path itself."""
    return path


def check_source(source: "Source") -> None:
    """Check a source of Secrets Manager.

    Raises:
        ValueError: the source asks for AWSPENDING.
    """
    if source.label == PENDING:
        raise ValueError("AWSPENDING is never pushed: it is not in use yet")


def get_watched_label(source: "Source") -> str:
    """Return the staging label that a source depends on: an event that moves another one does not concern it."""
    return CURRENT if source.label in (None, PREVIOUS) else source.label


def reads_event_version(source: "Source") -> bool:
    """Return whether a source reads the version that an event names: not one with the label AWSPREVIOUS."""
    return source.label != PREVIOUS


def parse_event(event: Envelope) -> Change | Ignored:
    """Return the change that an event of Secrets Manager, or of CloudTrail about it, reports, or why it is ignored."""
    if event.type == "Secret Label Updated":
        return _parse_label_updated(event)
    return _parse_api_call(event) if event.type in API_CALLS else Ignored("no change", event.type)


def get_grants(source: "Source") -> Iterator[Grant]:
    """Yield the permissions for reading a source in its own region, without those for its replicas."""
    base = f"{get_base_arn(source, 'secretsmanager')}:secret:"
    if source.find:
        yield Grant("secretsmanager:ListSecrets", "*")
        yield Grant("secretsmanager:BatchGetSecretValue", "*")
        yield Grant("secretsmanager:GetSecretValue", f"{base}{source.find_prefix}*", tuple(sorted(source.tags.items())))
        return
    action = "secretsmanager:DescribeSecret" if source.metadata else "secretsmanager:GetSecretValue"
    if source.arn and len(source.event_names) > 1:
        yield Grant(action, f"{base}{source.event_names[1]}")  # the ARN's end can be part of the name, not its suffix
    yield Grant(action, f"{base}{source.event_names[-1]}-??????")


def _parse_label_updated(event: Envelope) -> Change | Ignored:
    name = get_text(event.detail, "name")
    names = (name,) if name else tuple(parse_identifier(arn)[0] for arn in event.resources[:1])
    label, version = get_text(event.detail, "labelUpdated"), get_text(event.detail, "versionId")
    return event.to_change(NAME, names, "updated", label=label, version=version)


def _parse_api_call(event: Envelope) -> Change | Ignored:
    name = get_text(event.detail, "eventName") or "an unnamed call"
    kind = _API_CALLS.get(name)
    if event.detail.get("readOnly") is True:
        return Ignored("read-only call", name)
    if kind is None:
        return Ignored("no change", name)
    if event.detail.get("errorCode"):
        return Ignored("failed call", name)
    identifier = next(_list_identifiers(event.detail), None)
    return event.to_change(NAME, parse_identifier(identifier) if identifier else (), kind)


def _list_identifiers(detail: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names and ARNs of the secret in a CloudTrail event, the most reliable first (events/README.md)."""
    fields_with_identifiers = (
        ("additionalEventData", ("SecretId", "secretId")),
        ("serviceEventDetails", ("secretId", "SecretId")),
        ("responseElements", ("arn", "aRN", "ARN")),
        ("requestParameters", ("secretId", "name")),
    )
    for name, keys in fields_with_identifiers:
        fields = detail.get(name)
        if isinstance(fields, Mapping):
            yield from filter(None, (get_text(fields, key) for key in keys))
