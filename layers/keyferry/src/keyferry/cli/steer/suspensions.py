"""What is suspended, as JSON and as a note above what else is told of a stack."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from keyferry.cli.call import Call
from keyferry.cli.output import console
from keyferry.pipeline.suspensions import Suspension


class SuspensionFields(TypedDict):
    """What is suspended. Times are in UTC, as `2026-11-24T15:00:00+00:00`."""

    mapping: NotRequired[str]
    """The mapping; left out for all of them."""
    cluster: NotRequired[str]
    """The cluster; left out for all of them."""
    reason: str
    """Why, as whoever suspended it has said."""
    since: NotRequired[str]
    """Since when; left out for a parameter that is not understood."""
    until: NotRequired[str]
    """Until when; left out for a parameter that is not understood, which counts until it is resumed."""
    by: NotRequired[str]
    """The user, or the session of the role, that has suspended it."""


def dump_suspension(suspension: Suspension) -> SuspensionFields:
    """Return a suspension for `--output json`."""
    return cast("SuspensionFields", suspension.as_dict())


def format_resume(call: Call, suspension: Suspension) -> str:
    """Return the command that ends a suspension."""
    mapping = ("--mapping", suspension.mapping) if suspension.mapping is not None else ()
    cluster = ("--cluster", suspension.cluster) if suspension.cluster is not None else ()
    return call.format_asking("resume", *mapping, *cluster)


def print_suspended(suspensions: Sequence[Suspension], call: Call) -> None:
    """Write what is suspended, each with the command that ends it, and an empty line after that; nothing for none."""
    for one in suspensions:
        console.print_line(f"{one}; what ends it:")
        console.print_verbatim(f"  {format_resume(call, one)}")
    if suspensions:
        console.print_line("")
