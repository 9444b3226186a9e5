"""What a stack has in a cluster: what is generated for it, and the Secrets and stamps that it has written."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from keyferry.cli.clusters.generated import GENERATED, format_deletion
from keyferry.cli.orphans.orphan import Orphan
from keyferry.cli.orphans.orphan import format_deletion as format_deletion_by_name
from keyferry.cli.orphans.search import Findings, describe_doubt
from keyferry.cli.output.words import count, count_each, join
from keyferry.cli.uninstall.removal import Removal, Step

_MAX_NAMES = 3
"""How many Secrets are named that stay because another stack has them, where nobody asks for Secrets."""
_STAMPS = "taking one off restarts its workload, and leaving it harms nothing"


def plan_cluster(name: str, context: str, findings: Findings, prefix: str, *, secrets: bool) -> Removal:
    """Return what removal takes in a cluster.

    Args:
        name: the cluster, as clusters.yaml calls it.
        context: the context of kubectl that leads to it.
        findings: all of the stack that was found there, as if no mapping named any of it.
        prefix: the prefix of the stack.
        secrets: whether Secrets and stamps go too.
    """
    removal = Removal(notes=list(findings.notes))
    doubt = describe_doubt(name, context)
    orphans = _leave_out(doubt, findings.orphans)
    generated = [orphan for orphan in orphans if orphan.resource in GENERATED and not orphan.is_stamp]
    if generated or findings.notes:
        seen = count_each(Counter(orphan.kind for orphan in generated)) or "what was generated for it"
        details = _explain(orphan for orphan in generated)
        removal.steps.append(Step(f"in {name}: {seen}", [format_deletion(context, prefix)], details))
    written = [orphan for orphan in orphans if orphan not in generated]
    if secrets:
        removal.steps += _list_steps(name, written)
    elif written:
        removal.stays.append(
            f"in {name}: {count_each(Counter(orphan.kind for orphan in written))}; --secrets has the commands"
        )
    if orphans != findings.orphans and removal.steps:  # the doubt is about all of the cluster: it is told once
        first, *others = removal.steps
        removal.steps = [replace(first, details=[doubt, *first.details]), *others]
    removal.stays += _list_moved(name, findings, limit=len(findings.moved) if secrets else _MAX_NAMES)
    return removal


def _leave_out(doubt: str, orphans: Sequence[Orphan]) -> list[Orphan]:
    """Return the same without a reason that is one for all of the cluster."""
    return [
        replace(orphan, refusals=tuple(reason for reason in orphan.refusals if reason != doubt)) for orphan in orphans
    ]


def _list_moved(name: str, findings: Findings, *, limit: int) -> Iterator[str]:
    """Yield which Secrets are not removed, since another stack has a mapping for them."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for _, namespace, secret, owner in findings.moved:
        owners[owner].append(f"{namespace}/{secret}")
    for owner, secrets in sorted(owners.items()):
        yield (
            f"in {name}: {count(len(secrets), 'Secret')} that stack {owner} takes over, or has a mapping of the same"
            f" name for: {join(secrets, limit=limit)}"
        )


def _list_steps(name: str, written: Sequence[Orphan]) -> Iterator[Step]:
    """Yield the steps that remove Secrets, first those that nothing speaks against, and stamps."""
    secrets = [orphan for orphan in written if not orphan.is_stamp]
    free, kept = ([orphan for orphan in secrets if bool(orphan.refusals) is refused] for refused in (False, True))
    if free:
        groups: defaultdict[str, list[Orphan]] = defaultdict(list)
        for orphan in free:
            groups[orphan.namespace].append(orphan)
        commands = [format_deletion_by_name(alike) for alike in groups.values()]
        yield Step(f"in {name}: {count(len(free), 'Secret')} that nothing was seen to use", commands)
    if kept:
        what = f"in {name}: {count(len(kept), 'Secret')} that somebody needs or owns: settle that first"
        yield Step(what, [orphan.command for orphan in kept], _explain(kept))
    if stamps := [orphan for orphan in written if orphan.is_stamp]:
        what = f"in {name}: {count(len(stamps), 'Stamp')} of restarts; {_STAMPS}"
        yield Step(what, [orphan.command for orphan in stamps])


def _explain(orphans: Iterator[Orphan] | Sequence[Orphan]) -> list[str]:
    """Return a line for each thing that something speaks against, with the reasons."""
    named = [(orphan, "/".join(filter(None, (orphan.namespace, orphan.short_name)))) for orphan in orphans]
    return [f"{orphan.kind} {place}: {'; '.join(orphan.refusals)}" for orphan, place in named if orphan.refusals]
