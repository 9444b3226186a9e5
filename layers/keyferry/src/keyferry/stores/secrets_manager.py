"""What is specific to Secrets Manager, without I/O. Its client: `keyferry.aws.secrets_manager`."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from keyferry.arn import Arn
from keyferry.model import Change, ChangeKind, StoreName
from keyferry.stores.envelope import TRAIL_TYPES, Envelope, Ignored, get_text
from keyferry.stores.grant import Grant, build_decrypt_grant, get_base_arn, require_tags
from keyferry.stores.identifiers import UUID

if TYPE_CHECKING:
    from keyferry.stores.source import Source

NAME: StoreName = "secretsmanager"
FIELD, MAPPING_FIELD = "secrets_manager", "secretsManager"
NOUN = "secret"
EVENT_SOURCE = "aws.secretsmanager"
RESOURCE_TYPE = "secret:"
# AWS puts an exclamation mark into the names of the secrets that it manages itself, as `rds!cluster-…`. As the first
# character it would mean "not" to ListSecrets.
ALLOWED_NAMES = (
    re.compile(r"[A-Za-z0-9/_+=.@-][A-Za-z0-9/_+=.@!-]*"),
    "letters, digits and / _ + = . @ ! -, no spaces, no ! at the beginning",
)
MAX_NAME_LENGTH, LENGTH_LIMIT = 512, "512 is the most that AWS allows"
"""API reference of CreateSecret."""
SAME_VERSIONS_IN_REPLICAS = True

CURRENT = "AWSCURRENT"
"""The staging label of the current version."""
PREVIOUS = "AWSPREVIOUS"
"""The staging label of the version that was current before. It moves with AWSCURRENT, without an event of its own."""
PENDING = "AWSPENDING"
"""The staging label of a version that a rotation prepares: it is not in use yet."""
MIN_VERSION_LENGTH, MAX_VERSION_LENGTH = 32, 64
"""How long a version id is (API reference of GetSecretValue)."""
MAX_LABEL_LENGTH = 256
"""How long a staging label can be (API reference of GetSecretValue)."""

_LATEST = ("awscurrent", "current", "latest", "$latest")
"""What people write for the current version."""
_WORD = re.compile(r"[A-Za-z][a-z]{5}|[A-Za-z][a-z]{3,4}[0-9]{1,2}|[A-Z]{6}|[0-9]{6}")
"""Six characters that are seldom random, as `secret` or `stage1`: of the ends of ARNs, one in fifty reads so."""
_RANDOM = re.compile(r"(?=.*[a-z0-9][A-Z])(?=.*[a-z]).{6}")
"""Six characters that nobody gives a name: capital letters after others."""
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
"""What Secrets Manager appends to the name in an ARN. A name can end in the same way."""
_CHANGES: Mapping[str, ChangeKind] = {
    "CreateSecret": "updated",
    "PutSecretValue": "updated",
    "UpdateSecret": "updated",
    "UpdateSecretVersionStage": "updated",
    "RotationSucceeded": "updated",
    "DeleteSecret": "deleted",
    "RestoreSecret": "restored",
    "RotationFailed": "rotation failed",
}
"""Name of what CloudTrail tells → the change that it is. `UpdateSecret` is one even if it gives no new value: the event
does not tell, and a delivery that finds nothing new does nothing."""
_IDENTIFIERS = (
    ("additionalEventData", "secretid"),
    ("serviceEventDetails", "secretid"),
    ("responseElements", "arn"),
    ("requestParameters", "secretid"),
    ("requestParameters", "name"),
    ("responseElements", "name"),
)
"""Where CloudTrail tells of which secret: part of `detail` and key, the most reliable first (events/README.md). The
key is spelled in several ways (`arn`, `aRN`), so its case does not count."""


def parse_identifier(identifier: str) -> tuple[str, ...]:
    """Return the names that an identifier of a secret can stand for.

    Args:
        identifier: a name, a full ARN (name, `-` and six characters) or an ARN without that suffix.

    Returns:
        One name; or two where the end of an ARN can be the suffix or a part of the name, the likelier one first.
    """
    arn = Arn.parse(identifier)
    name = arn.name_of("secretsmanager", RESOURCE_TYPE) if arn else None
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
        ValueError: what AWS would understand otherwise, AWSPENDING, or what is no version id or label; the message says
            what is right.
    """
    if source.path and source.path.startswith("!"):
        raise ValueError('a path that begins with ! means "not" to ListSecrets: begin with what comes before it')
    if PENDING in (source.label, source.version):
        raise ValueError("AWSPENDING is never pushed: it is not in use yet")
    if source.version:
        _check_version(source.version)
    if source.label:
        _check_label(source.label)


def _check_version(version: str) -> None:
    """Check that a text can be a version id."""
    if version.lower() in _LATEST:
        raise ValueError(f"version {version} is what is read without a version: leave it out")
    if version.upper() == PREVIOUS:
        raise ValueError("AWSPREVIOUS is a staging label, no version id: write label: AWSPREVIOUS")
    if version.startswith("uuid/"):
        raise ValueError(f"uuid/ is no part of a version id: write version: {version.removeprefix('uuid/') or '…'}")
    if version != version.strip():
        raise ValueError(f"a version id has no blanks around it: write version: {version.strip()}")
    if not MIN_VERSION_LENGTH <= len(version) <= MAX_VERSION_LENGTH:
        raise ValueError(
            "a version id of a secret has 32 to 64 characters; a staging label goes into label, and the current version"
            " is read without either"
        )


def _check_label(label: str) -> None:
    """Check that a text can be the label that is meant."""
    if UUID.fullmatch(label):
        raise ValueError(f"that is a version id, no staging label: write version: {label}")
    if label != label.strip() or (label.upper() in (CURRENT, PREVIOUS) and not label.isupper()):
        right = label.strip().upper() if label.strip().upper() in (CURRENT, PREVIOUS) else label.strip()
        raise ValueError(f"AWS takes staging labels letter by letter: write label: {right}")
    if len(label) > MAX_LABEL_LENGTH:
        raise ValueError("a staging label has at most 256 characters")


def list_doubts(source: "Source") -> Iterator[str]:
    """Yield what is right in a source, and perhaps not meant so."""
    for replica in (source, *source.replicas):
        name = replica.event_names[-1] if replica.event_names else ""
        suffix = name[-6:] if _SUFFIX.search(name) else ""
        if replica.arn and _WORD.fullmatch(suffix):
            yield (
                f"AWS takes -{suffix} for the six characters that end an ARN, and it reads like a part of the name: if"
                f" it is, write the name ({name}), or the whole ARN"
            )
        elif not replica.arn and suffix and _RANDOM.fullmatch(suffix):
            yield (
                f"-{suffix} reads like the six characters that end an ARN, and a name has none: if they are, write"
                f" {name[:-7]}, or the whole ARN"
            )
        if name.endswith("/"):
            yield (
                "the name ends in a slash: if it does not in AWS, take it off; for many secrets, write"
                f" {{find: {MAPPING_FIELD}, path: {name}}}"
            )


def explain_missing(source: "Source") -> str:
    """Return why AWS perhaps knows no secret of that name; empty where the name tells nothing.

    Source: "SecretId" in the API reference of GetSecretValue: a partial ARN that ends in a hyphen and six characters is
    taken for a whole one.
    """
    match = _SUFFIX.search(source.event_names[-1]) if source.event_names else None
    if match is None:
        return ""
    name = source.event_names[-1]
    if source.arn:
        return f"if {match[0]} is a part of the name, and not the end of the ARN, write {name}, or the whole ARN"
    return f"if {match[0]} is the end of its ARN, leave it out, or write the whole ARN"


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
    return _parse_trail(event) if event.type in TRAIL_TYPES else Ignored("no change", event.type)


def get_grants(source: "Source") -> Iterator[Grant]:
    """Yield the permissions for reading a source in its own region by a call of its own, without its replicas."""
    base = f"{get_base_arn(source, 'secretsmanager')}:{RESOURCE_TYPE}"
    if source.find:
        yield from get_listing_grants(source)
        yield Grant("secretsmanager:BatchGetSecretValue", "*")
        yield Grant("secretsmanager:GetSecretValue", f"{base}{source.find_prefix}*", require_tags(source.tags))
    else:
        action = "secretsmanager:DescribeSecret" if source.metadata else "secretsmanager:GetSecretValue"
        if source.arn and len(source.event_names) > 1:
            yield Grant(action, f"{base}{source.event_names[1]}")  # the ARN's end can be part of the name
        if source.optional:
            yield Grant(action, f"{base}{source.event_names[-1]}")  # of one that is missing, AWS knows no end
        yield Grant(action, f"{base}{source.event_names[-1]}-??????")
    if not source.metadata:
        yield build_decrypt_grant(source, "secretsmanager", "SecretARN")


def get_batch_grants(_source: "Source") -> Iterator[Grant]:
    """Yield nothing: secrets that are named are read one by one."""
    yield from ()


def get_listing_grants(_source: "Source") -> Iterator[Grant]:
    """Yield the permission for listing the version of a source."""
    yield Grant("secretsmanager:ListSecrets", "*")


def _parse_label_updated(event: Envelope) -> Change | Ignored:
    label, version = get_text(event.detail, "labelUpdated"), get_text(event.detail, "versionId")
    identifier = get_text(event.detail, "name")
    names = (
        parse_identifier(identifier) if identifier else tuple(parse_identifier(arn)[0] for arn in event.resources[:1])
    )
    if label in (PENDING, PREVIOUS):
        return Ignored("no change", f"{event.type}: {label}", names)
    account = _get_account(identifier or next(iter(event.resources), None))
    return event.to_change(NAME, names, "updated", label=label, version=version, account=account)


def _parse_trail(event: Envelope) -> Change | Ignored:
    name = get_text(event.detail, "eventName") or "an unnamed call"
    kind = _CHANGES.get(name)
    identifier = next(_list_identifiers(event.detail), None)
    names = parse_identifier(identifier) if identifier else ()
    if event.detail.get("readOnly") is True:
        return Ignored("read-only call", name, names)
    if kind is None:
        return Ignored("no change", name, names)
    if event.detail.get("errorCode") and kind != "rotation failed":
        return Ignored("failed call", name, names)
    if kind == "updated" and _moves_only_pending(event.detail.get("requestParameters")):
        return Ignored("no change", f"{name}: {PENDING}", names)
    return event.to_change(NAME, names, kind, account=_get_account(identifier))


def _get_account(identifier: str | None) -> str | None:
    """Return the account in the ARN of a secret. A call from elsewhere is an event of the caller's account, too."""
    arn = Arn.parse(identifier or "")
    return arn.account if arn else None


def _moves_only_pending(parameters: object) -> bool:
    """Return whether a call names AWSPENDING and no other label: a step of a rotation that readers do not notice."""
    if not isinstance(parameters, Mapping):
        return False
    labels = parameters.get("versionStages") or [parameters.get("versionStage")]
    return isinstance(labels, list) and all(label == PENDING for label in labels)


def _list_identifiers(detail: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names and ARNs of the secret in an event of CloudTrail, the most reliable first."""
    for part, wanted in _IDENTIFIERS:
        fields = detail.get(part)
        if isinstance(fields, Mapping):
            yield from filter(None, (get_text(fields, key) for key in fields if key.lower() == wanted))
