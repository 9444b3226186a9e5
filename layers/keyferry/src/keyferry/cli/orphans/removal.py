"""Delete what is left over, as far as nothing speaks against it, if it still is as it was seen."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from keyferry.cli.clusters.generated import ALLOWING, LIMITING
from keyferry.cli.orphans.entries import delete_entry
from keyferry.cli.orphans.orphan import Orphan, format_counts
from keyferry.cli.orphans.survey import Survey
from keyferry.errors import KeyferryError

DELETED, WOULD_BE_DELETED = "deleted", "would be deleted"


def list_removable(orphans: Sequence[Orphan]) -> list[Orphan]:
    """Return what `--delete` deletes."""
    return [orphan for orphan in orphans if not orphan.refusals]


def keep_confirmed(now: Sequence[Orphan], asked: Sequence[Orphan]) -> Iterator[Orphan]:
    """Yield what is left over now; what was not asked about in the same state is refused."""
    confirmed = [_identify(orphan) for orphan in list_removable(asked)]
    for orphan in now:
        is_confirmed = _identify(orphan) in confirmed or orphan.refusals
        yield orphan if is_confirmed else orphan.refuse(["it has come or changed since you were asked"])


def _identify(orphan: Orphan) -> tuple[object, ...]:
    return orphan.cluster, orphan.kind, orphan.namespace, orphan.name, dict(orphan.metadata)


def remove(survey: Survey, *, dry_run: bool, step: Callable[[], None] = lambda: None) -> Iterator[Orphan]:
    """Delete what may be deleted, one after the other, and yield all that is left over with what became of it.

    Where a binding stays, the policies of its cluster stay: its users would do without limits what it lets them do.

    Args:
        survey: what was found.
        dry_run: whether the API servers only say whether they would.
        step: called after each deletion.
    """
    still_allowing = set[str]()
    for orphan in survey.findings.orphans:
        if orphan.kind in LIMITING and orphan.cluster in still_allowing:
            orphan = orphan.refuse(["a binding stays whose users it limits"])  # noqa: PLW2901
        if orphan.refusals:
            still_allowing |= {orphan.cluster} if orphan.kind in ALLOWING else set()
            yield orphan
            continue
        try:
            _delete(survey, orphan, dry_run=dry_run)
            yield replace(orphan, outcome=WOULD_BE_DELETED if dry_run else DELETED)
        except KeyferryError as error:
            still_allowing |= {orphan.cluster} if orphan.kind in ALLOWING else set()
            yield replace(orphan, outcome=str(error))
        step()


def _delete(survey: Survey, orphan: Orphan, *, dry_run: bool) -> None:
    if orphan.resource is not None:
        survey.clients[orphan.cluster].delete(orphan.resource, orphan.metadata, dry_run=dry_run)
    elif survey.session is not None and not dry_run:  # EKS has no dry run
        delete_entry(survey.session, orphan)


def format_question(orphans: Sequence[Orphan]) -> str:
    """Return the question before a deletion: how many of what, in which cluster of which account."""
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for orphan in orphans:
        counts[orphan.cluster, orphan.eks.account][orphan.kind] += 1
    parts = [
        f"{format_counts(kinds)} of cluster {name} in account {account}" for (name, account), kinds in counts.items()
    ]
    return f"Delete {'; '.join(parts)}?"
