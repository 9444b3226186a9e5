"""What is specific to Parameter Store, without I/O. Its client: `keyferry.aws.parameter_store`."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from keyferry.arn import Arn
from keyferry.model import Change, ChangeKind, StoreName
from keyferry.stores import placeholders
from keyferry.stores.envelope import Envelope, Ignored, get_text
from keyferry.stores.grant import Grant, build_decrypt_grant, get_base_arn, require_tags

if TYPE_CHECKING:
    from keyferry.stores.source import Source

NAME: StoreName = "parameterstore"
FIELD, MAPPING_FIELD = "parameter_store", "parameterStore"
NOUN = "parameter"
EVENT_SOURCE = "aws.ssm"
RESOURCE_TYPE = "parameter/"
ALLOWED_NAMES = (re.compile(r"[A-Za-z0-9/_.-]+"), "letters, digits and / _ . -, no spaces")
MAX_NAME_LENGTH, LENGTH_LIMIT = 1011, "1,011 is the most that AWS allows, with the ARN before it"
"""API reference of PutParameter, which also says that 1,037 of the 2,048 characters it takes are reserved."""
MAX_LEVELS = 15
"""How deep a hierarchy is ("Working with parameter hierarchies" in the guide of Systems Manager)."""
SAME_VERSIONS_IN_REPLICAS = False

_REFERENCE = "aws/reference/secretsmanager"
"""The hierarchy under which Parameter Store serves the secrets of Secrets Manager, with the caller's right to read
these ("Referencing AWS Secrets Manager secrets from Parameter Store parameters" in the guide of Systems Manager)."""
_VERSION = re.compile(r"[1-9][0-9]*")
_LATEST = ("latest", "$latest", "current")
_LABEL = re.compile(r"(?!aws|ssm)[A-Za-z_.-][A-Za-z0-9_.-]{0,99}", re.IGNORECASE)
_PUBLIC = "aws/service/"
"""The hierarchy of the public parameters of AWS, which belong to no account."""
_OPERATIONS: Mapping[str, ChangeKind] = {
    "Create": "updated",
    "Update": "updated",
    "LabelParameterVersion": "updated",
    "Delete": "deleted",
}


def parse_identifier(identifier: str) -> tuple[str, ...]:
    """Return the event name of a parameter, given its name or ARN."""
    arn = Arn.parse(identifier)
    name = arn.name_of("ssm", RESOURCE_TYPE) if arn else None
    return (to_event_name(name or identifier),)


def to_event_name(name: str) -> str:
    """Return a parameter's name without leading slashes. ARNs leave the slash out, so this form fits both."""
    return name.lstrip("/")


def from_event_name(name: str) -> tuple[str, ...]:
    """Return the names that an event name can stand for: without and with a leading slash."""
    return (name, f"/{name}")


def get_find_prefix(path: str) -> str:
    """Return the text that the names under a `path`, a hierarchy, start with."""
    return f"{path.rstrip('/')}/" if path else ""


def check_source(source: "Source") -> None:
    """Check a source of Parameter Store.

    Raises:
        ValueError: the source says something that Parameter Store does not have; the message says what is right.
    """
    levels = (source.path or next(iter(source.event_names), "")).strip("/").count("/") + 1
    if levels > MAX_LEVELS:
        raise ValueError(f"a hierarchy of {levels} levels: AWS allows {MAX_LEVELS} at most, and has no such parameter")
    if source.find:
        if source.path and not source.path.startswith("/"):
            raise ValueError(f"a hierarchy of parameters begins with a slash: /{source.path}")
        _check_no_reference(source.find_prefix, "find: secretsManager, path")
        return
    _check_no_reference(source.event_names[0], "secretsManager")
    _check_selector(source)
    if "/" in source.identifier and not source.arn and not source.identifier.startswith("/"):
        raise ValueError(f"a parameter in a hierarchy begins with a slash: /{source.identifier}")


def _check_selector(source: "Source") -> None:
    """Check the version or label. Source: "Working with parameter labels" in the guide of Systems Manager.

    Raises:
        ValueError: Parameter Store has no such version or label.
    """
    if (source.version or "").lower() in _LATEST:
        raise ValueError(f"version {source.version} is what is read without a version: leave it out")
    if source.version and not _VERSION.fullmatch(source.version):
        raise ValueError("the version of a parameter is a number, from 1; a label has a field of its own, label")
    if source.label in ("AWSCURRENT", "AWSPREVIOUS"):
        raise ValueError(
            f"{source.label} is a staging label of Secrets Manager: without version and label, the latest version of a"
            " parameter is read"
        )
    if source.label and source.label.isdigit():
        raise ValueError(f'a number is no label, but a version: write version: "{source.label}"')
    if source.label and not _LABEL.fullmatch(source.label):
        raise ValueError(
            "the label of a parameter has 1 to 100 letters, digits and . - _, and begins with no digit and with neither"
            " aws nor ssm"
        )


def _check_no_reference(name: str, remedy: str) -> None:
    """Check that a name stands for no secret, whatever its placeholders stand for.

    It would be one that a policy does not judge as a secret, that has no event, and that no listing has.

    Args:
        name: a name, or what names begin with.
        remedy: the field that the name of the secret belongs into.

    Raises:
        ValueError: it does; the message names the secret.
    """
    steps = to_event_name(name).split("/")
    beginning, secret = "/".join(steps[:3]), "/".join(steps[3:]) or "…"
    can_become = bool(placeholders.parse(beginning)) and re.fullmatch(placeholders.to_regexp(beginning), _REFERENCE)
    if can_become or beginning.lower() == _REFERENCE:
        raise ValueError(
            f"/{beginning}/ {'can become' if can_become else 'is'} another name for secrets of Secrets Manager: write"
            f" {{{remedy}: {secret}}}"
        )


def list_doubts(source: "Source") -> Iterator[str]:
    """Yield what is right in a source, and perhaps not meant so."""
    if _is_public(source):
        yield (
            f"{source.identifier} is a public parameter, of whose changes no event tells: they arrive with the next"
            " sweep"
        )


def _is_public(source: "Source") -> bool:
    return any(name.startswith(_PUBLIC) for name in source.event_names)


def explain_missing(_source: "Source") -> str:
    """Return nothing: a parameter's ARN ends as its name does."""
    return ""


def get_watched_label(source: "Source") -> str | None:
    """Return the label that decides which version a source reads. Events of Parameter Store name no label."""
    return source.label


def reads_event_version(source: "Source") -> bool:
    """Return whether a source reads the version that an event names. Events of Parameter Store name no version."""
    return source.label is None


def parse_event(event: Envelope) -> Change | Ignored:
    """Return the change that an event of Parameter Store reports, or why it is ignored."""
    if event.type != "Parameter Store Change":
        return Ignored("no change", event.type)
    operation = get_text(event.detail, "operation") or "no operation"
    identifier = get_text(event.detail, "name") or next(iter(event.resources), "")
    names = parse_identifier(identifier) if identifier else ()
    if event.detail.get("exception"):
        return Ignored("no change", "an exception, not a change", names)
    if operation not in _OPERATIONS:
        return Ignored("no change", operation, names)
    return event.to_change(NAME, names, _OPERATIONS[operation])


def get_grants(source: "Source") -> Iterator[Grant]:
    """Yield the permissions for reading a source in its own region by a call of its own, without its replicas."""
    base = _get_base(source)
    if source.metadata:
        yield Grant("ssm:ListTagsForResource", f"{base}{source.event_names[0]}")
        return
    if source.find:
        yield from get_listing_grants(source)
        yield Grant("ssm:GetParameters", f"{base}{to_event_name(source.find_prefix)}*", require_tags(source.tags))
    else:
        yield Grant("ssm:GetParameter", f"{base}{source.event_names[0]}")
    if not _is_public(source):
        yield build_decrypt_grant(source, "ssm", "PARAMETER_ARN")


def _get_base(source: "Source") -> str:
    """Return the ARN of a source up to its name. AWS answers ARNs without account for public parameters."""
    base = get_base_arn(source, "ssm", has_account=not _is_public(source))
    return f"{base}:{RESOURCE_TYPE}"


def get_batch_grants(source: "Source") -> Iterator[Grant]:
    """Yield the permission for reading a parameter by one call together with others, if the source can be read so."""
    if not (source.find or source.metadata or source.failover or source.account):
        yield Grant("ssm:GetParameters", f"{_get_base(source)}{source.event_names[0]}")


def get_listing_grants(source: "Source") -> Iterator[Grant]:
    """Yield the permission for listing the version of a source; none where the listing does not show it."""
    if not (source.version or source.label or source.metadata or _is_public(source)):
        yield Grant("ssm:DescribeParameters", "*")
