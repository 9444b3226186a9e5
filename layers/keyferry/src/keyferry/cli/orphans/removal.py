"""Delete what is left over, as far as nothing speaks against it, if it still is as it was seen."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from keyferry.cli.clusters.generated import ALLOWING, LIMITING
from keyferry.cli.orphans.entries import delete_entry
from keyferry.cli.orphans.orphan import DELETED, NOT_TRIED, PERHAPS_DELETED, WOULD_BE_DELETED, Orphan
from keyferry.cli.orphans.survey import Survey
from keyferry.cli.output.words import count_each
from keyferry.errors import KeyferryError


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


def remove(survey: Survey, *, dry_run: bool, step: Callable[[], None] = lambda: None) -> None:
    """Delete what may be deleted, one after the other; in the survey, each has at once what became of it.

    Where a binding stays, the policies of its cluster stay: its users would do without limits what it lets them do.

    Args:
        survey: what was found.
        dry_run: whether the API servers only say whether they would.
        step: called after each deletion.

    Raises:
        BaseException: whatever interrupts it, such as Ctrl-C. The survey says how far it has come.
    """
    orphans, still_allowing, place = survey.findings.orphans, set[str](), 0
    try:
        for place, orphan in enumerate(orphans):
            orphans[place] = _remove(survey, orphan, still_allowing, dry_run=dry_run)
            if orphan.kind in ALLOWING and orphans[place].outcome not in (DELETED, WOULD_BE_DELETED):
                still_allowing.add(orphan.cluster)
            if not orphans[place].refusals:
                step()
    except BaseException:
        orphans[place:] = _settle(orphans[place:], dry_run=dry_run)
        raise


def _remove(survey: Survey, orphan: Orphan, still_allowing: Collection[str], *, dry_run: bool) -> Orphan:
    """Delete one thing, unless it is refused, and return it with what became of it."""
    if orphan.kind in LIMITING and orphan.cluster in still_allowing:
        orphan = orphan.refuse(["a binding stays whose users it limits"])
    if orphan.refusals:
        return orphan
    try:
        _delete(survey, orphan, dry_run=dry_run)
    except KeyferryError as error:
        return replace(orphan, outcome=str(error))
    return replace(orphan, outcome=WOULD_BE_DELETED if dry_run else DELETED)


def _settle(left: Sequence[Orphan], *, dry_run: bool) -> Iterator[Orphan]:
    """Yield what is left where a removal stops: the request for the first may have arrived, and none was made after."""
    for number, orphan in enumerate(left):
        outcome = PERHAPS_DELETED if number == 0 and not dry_run else NOT_TRIED
        yield orphan if orphan.refusals or orphan.outcome else replace(orphan, outcome=outcome)


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
    parts = [f"{count_each(kinds)} of cluster {name} in account {account}" for (name, account), kinds in counts.items()]
    return f"Delete {'; '.join(parts)}?"
