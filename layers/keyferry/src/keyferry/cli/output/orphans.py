"""The output of `keyferry orphans`: what is left over, why, what `--delete` leaves alone, and the commands."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from keyferry.cli.orphans.orphan import (
    DELETED,
    PERHAPS_DELETED,
    WOULD_BE_DELETED,
    Orphan,
    format_deletion,
)
from keyferry.cli.orphans.search import count_kinds
from keyferry.cli.orphans.survey import Survey
from keyferry.cli.output import console
from keyferry.cli.output.words import count_each, join

_COMMAND = re.compile("`([^`]+)`")


def print_findings(seen: Survey, *, with_commands: bool) -> None:
    """Write a line for each thing, then each reason once, the commands that remove them, and totals.

    Args:
        seen: what is left over.
        with_commands: whether to write the commands: not where this program deletes by itself. They are never written
            where it would not, as deployed mappings may need these things.
    """
    findings, orphans = seen.findings, seen.findings.orphans
    if orphans:
        header = ("kind", "name", "namespace", "cluster", "outcome")
        console.print_table(header, [_build_line(orphan) for orphan in orphans])
        _print_reasons("left over", ((orphan, [orphan.why]) for orphan in orphans))
        _print_reasons("kept by --delete", ((orphan, orphan.refusals) for orphan in orphans))
        _print_reasons("failed", ((orphan, [orphan.error]) for orphan in orphans if orphan.error))
    if with_commands and orphans and not seen.doubt:
        _print_commands(orphans)
    if orphans:
        console.print_line("")
    console.print_line(_count(seen))
    for (cluster, prefix), counts in count_kinds(findings.other_stacks).items():
        console.print_line(f"of another stack, {prefix}, in {cluster}: {count_each(counts)}; not looked into")
    for cluster, namespace, name, prefix in findings.moved:
        console.print_line(
            f"moved to another stack, {prefix}: Secret {cluster}/{namespace}/{name}, which that one takes over"
        )
    for cluster, count in sorted(findings.awaiting.items()):
        console.print_line(f"{count:,} in {cluster} will be left over once these mappings are deployed")


def print_notes(notes: Iterable[str]) -> None:
    """Write what could not be looked at, each once, to stderr; a command in it on a line of its own, to paste."""
    for note in dict.fromkeys(notes):
        console.print_note(f"warning: {_COMMAND.sub('the command below', note)}")
        for command in _COMMAND.findall(note):
            console.print_command(command)


def _build_line(orphan: Orphan) -> tuple[str, ...]:
    outcome = "failed" if orphan.error else orphan.outcome or ("kept" if orphan.refusals else "")
    return orphan.kind, orphan.short_name, orphan.namespace or "-", orphan.cluster, outcome


def _print_reasons(title: str, pairs: Iterable[tuple[Orphan, Sequence[str]]]) -> None:
    """Write each reason once, with what it is of; nothing without reasons."""
    causes: defaultdict[str, list[Orphan]] = defaultdict(list)
    for orphan, reasons in pairs:
        for reason in reasons:
            causes[reason].append(orphan)
    if causes:
        console.print_line("")
        console.print_line(f"{title}:")
    for cause, alike in causes.items():
        console.print_line(f"  {_name(alike)}: {cause}")


def _name(alike: Sequence[Orphan]) -> str:
    first = alike[0]
    place = "/".join(filter(None, (first.cluster, first.namespace, first.short_name)))
    return f"{first.kind} {join([place], len(alike), limit=1)}"


def _print_commands(orphans: Sequence[Orphan]) -> None:
    """Write the commands: first those for what nothing speaks against, one for each kind and namespace."""
    groups: defaultdict[tuple[str, ...], list[Orphan]] = defaultdict(list)
    for orphan in orphans:
        if not orphan.refusals:
            groups[orphan.cluster, orphan.kind, orphan.namespace].append(orphan)
    free = [format_deletion(alike) for alike in groups.values()]
    kept = [orphan.command for orphan in orphans if orphan.refusals]
    for title, commands in (("remove by hand, or by --delete:", free), ("by hand alone, once that is settled:", kept)):
        if commands:
            console.print_line("")
            console.print_line(title)
        for command in commands:
            for line in command.split("\n"):
                console.print_verbatim(f"  {line}")


def _count(seen: Survey) -> str:
    """Return how much is left over, and how much was deleted; never that nothing is where that is not known."""
    orphans = seen.findings.orphans
    if not orphans:
        return f"whether something is left over is not known: {seen.gap}" if seen.gap else "nothing is left over"
    outcomes = (DELETED, WOULD_BE_DELETED, PERHAPS_DELETED)
    gone = Counter(orphan.outcome for orphan in orphans if orphan.outcome in outcomes)
    left = [orphan.kind for orphan in orphans if orphan.outcome not in outcomes]
    counts = f": {count_each(Counter(left))}" if left else ""
    if gone:
        return f"{', '.join(f'{count:,} {outcome}' for outcome, count in gone.items())}, {len(left):,} left{counts}"
    return f"{len(left):,} {'perhaps ' if seen.doubt else ''}left over{counts}"
