"""Parameter Store: what is peculiar to it. How it is read: `keyferry.aws.parameter_store`."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from keyferry.arn import Arn
from keyferry.model import Change, ChangeKind, StoreName
from keyferry.stores.envelope import Envelope, Ignored, text
from keyferry.stores.grant import Grant, base_arn

if TYPE_CHECKING:
    from keyferry.stores.source import Source

NAME: StoreName = "parameterstore"
FIELD, ALIAS = "parameter_store", "parameterStore"
NOUN = "parameter"
EVENT_SOURCE = "aws.ssm"
ALLOWED = (re.compile(r"[A-Za-z0-9/_.-]{1,1011}"), "letters, digits and / _ . -, no spaces")
SAME_VERSIONS_IN_REPLICAS = False

_OPERATIONS: Mapping[str, ChangeKind] = {
    "Create": "updated",
    "Update": "updated",
    "LabelParameterVersion": "updated",
    "Delete": "deleted",
}


def names(identifier: str) -> tuple[str, ...]:
    """Return a parameter's name as events have it: the one form that its name and its ARN share."""
    arn = Arn.parse(identifier)
    name = arn.name_of("ssm", "parameter/") if arn else None
    return (event_name(name or identifier),)


def event_name(name: str) -> str:
    """Return a parameter's name as events have it: without its leading slash."""
    return name.lstrip("/")


def full_names(name: str) -> tuple[str, ...]:
    """Return the names that a parameter can have which an event calls so."""
    return (name, f"/{name}")


def find_prefix(path: str) -> str:
    """Return what the names begin with that a find by `path`, a hierarchy, can find."""
    return f"{path.rstrip('/')}/" if path else ""


def check(source: "Source") -> None:
    """Check what a source says of a parameter, or of a find.

    Raises:
        ValueError: something that Parameter Store does not have; the text says what is right.
    """
    if source.find:
        if source.path and not source.path.startswith("/"):
            raise ValueError(f"a hierarchy of parameters begins with a slash: /{source.path}")
        return
    if ":" in source.names[0]:
        raise ValueError("a version or label has a field of its own: {parameterStore: /prod/db, label: live}")
    if source.version and not source.version.isdecimal():
        raise ValueError("the version of a parameter is a number; a label has a field of its own")
    if "/" in source.identifier and not source.arn and not source.identifier.startswith("/"):
        raise ValueError(f"a parameter in a hierarchy begins with a slash: /{source.identifier}")


def watched_label(source: "Source") -> str | None:
    """Return the label whose move changes what a source reads. Events of Parameter Store name none."""
    return source.label


def reads_new_version(source: "Source") -> bool:
    """Return whether a source reads the version that an event names. Events of Parameter Store name none."""
    return source.label is None


def change(event: Envelope) -> Change | Ignored:
    """Return what an event of Parameter Store tells of."""
    if event.type != "Parameter Store Change":
        return Ignored("no change", event.type)
    operation = text(event.detail, "operation") or "no operation"
    if event.detail.get("exception"):
        return Ignored("no change", "an exception, not a change")
    if operation not in _OPERATIONS:
        return Ignored("no change", operation)
    identifier = text(event.detail, "name") or next(iter(event.resources), "")
    return event.change(NAME, names(identifier) if identifier else (), _OPERATIONS[operation])


def grants(source: "Source") -> Iterator[Grant]:
    """Yield what reading a source takes, in the one region that it names."""
    base = f"{base_arn(source, 'ssm')}:parameter/"
    if source.find:
        yield Grant("ssm:DescribeParameters", "*")
        tags = tuple(sorted(source.tags.items()))
        yield Grant("ssm:GetParameters", f"{base}{event_name(source.prefix)}*", tags)
    elif source.metadata:
        yield Grant("ssm:ListTagsForResource", f"{base}{source.names[0]}")
    else:
        yield Grant("ssm:GetParameter", f"{base}{source.names[0]}")
        if not (source.account or source.failover):
            yield Grant("ssm:GetParameters", f"{base}{source.names[0]}")  # several are read by one call
