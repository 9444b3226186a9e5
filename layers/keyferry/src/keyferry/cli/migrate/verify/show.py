"""The output of `keyferry migrate verify`: a table, and the form of its JSON."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from keyferry.cli.migrate.verify.verify import Verified
from keyferry.cli.output import console
from keyferry.cli.output.words import count_targets, join, name_guides
from keyferry.delivery.report import build_error_fields


class VerifiedRow(TypedDict):
    """What the comparison of one Secret has shown."""

    mapping: str
    """The mapping."""
    cluster: str
    """The cluster, as clusters.yaml calls it."""
    namespace: NotRequired[str]
    """The namespace; left out where an error concerns all of them."""
    secret: str
    """The name of the Secret."""
    state: Literal["equal", "differs", "error"]
    """Whether the mapping makes this very Secret; `error` where that is not known."""
    differences: list[str]
    """What differs: names of keys, labels and annotations, and never a value."""
    error: NotRequired[str]
    """Why it is not known: the type of the error, a colon and its text."""
    at: NotRequired[str]
    """File and line that the error is about."""


class VerifiedTargets(TypedDict):
    """What `keyferry migrate verify --output json` writes."""

    targets: list[VerifiedRow]
    """Each Secret that was compared."""


def build_answer(found: Sequence[Verified]) -> VerifiedTargets:
    """Return the answer for `--output json`."""
    return {"targets": [_build_row(each) for each in found]}


def _build_row(found: Verified) -> VerifiedRow:
    fields: Any = {
        "mapping": found.delivery.mapping,
        "cluster": found.delivery.cluster,
        **({"namespace": found.namespace} if found.namespace else {}),
        "secret": found.secret,
        "state": found.state,
        "differences": list(found.differences),
        **build_error_fields(found.error),
    }
    row: VerifiedRow = fields
    return row


def print_verified(found: Sequence[Verified]) -> None:
    """Write what is not equal, each error once, and how many are of each state."""
    rows = [_build_line(each) for each in found if not each.is_equal]
    if rows:
        console.print_table(("state", "cluster", "namespace", "secret", "mapping"), rows)
        console.print_line("")
    lines = [*_list_differences(found), *_list_errors(found)]
    for line in [*lines, ""] if lines else []:
        console.print_line(line, indent=2)
    for guide in name_guides(each.error.title for each in found if each.error):
        console.print_verbatim(guide)
    console.print_line(count_targets(each.state for each in found) if found else "no namespace is there to look at")


def _build_line(found: Verified) -> tuple[str, ...]:
    name = "" if found.delivery.mapping == found.secret else found.delivery.mapping
    return found.state, found.delivery.cluster, found.namespace or "-", found.secret, name


def _list_differences(found: Sequence[Verified]) -> Iterator[str]:
    for each in found:
        yield from (f"{each.place}: {difference}" for difference in each.differences)


def _list_errors(found: Sequence[Verified]) -> Iterator[str]:
    causes: dict[tuple[str, str], list[str]] = {}
    for each in found:
        if each.error:
            causes.setdefault((each.error.at, each.error.title), []).append(each.place)
    for (at, title), places in causes.items():
        yield ": ".join(filter(None, (at, join(places, limit=1), title)))
