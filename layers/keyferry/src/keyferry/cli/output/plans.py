"""The output of `keyferry plan` on a terminal: what a folder changes, in tables, and totals."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from keyferry.cli.call import Call
from keyferry.cli.output import console
from keyferry.cli.output.words import count, join
from keyferry.cli.plan.document import ClusterChange, Leftover, MappingChange, Plan, RightChange, TargetChange

type Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""A title, the header, and the rows."""

MAX_NAMED = 6
"""How many names of namespaces, fields or keys a cell lists."""


def print_plan(plan: Plan, call: Call) -> None:
    """Write what the folder changes, with the commands that do something about it; one line where that is nothing."""
    for title, header, rows in list_tables(plan):
        console.print_line(title)
        console.print_table(header, rows)
        console.print_line("")
    if plan.leftovers:
        console.print_note("once that is deployed, this shows what is left behind, and removes it with --delete:")
    for command in dict.fromkeys(each.command for each in plan.leftovers):
        console.print_command(command)
    if plan.generated:
        console.print_note("the generated files are renewed by")
        console.print_command(call.format("generate"))
    for note in plan.notes:
        console.print_note(f"note: {note}")
    console.print_line(summarize(plan))


def summarize(plan: Plan) -> str:
    """Return the totals in one line."""
    if plan.is_empty:
        known = ", as far as is known" if plan.notes else ""
        counts = [_count(plan.unchanged, "target stays as it is", "targets stay as they are"), *_count_open(plan)]
        return (
            f"no changes{known}: {', '.join(filter(None, counts)) or 'there are no targets'}; the mappings are deployed"
        )
    parts = [
        _count_changes((each.change for each in plan.mappings), "mapping"),
        _count_changes((each.change for each in plan.clusters), "cluster"),
        _count_changes((each.change for each in plan.targets), "target"),
        _count_changes((each.change for each in plan.rights), "right"),
        _count(len(plan.policies), "admission policy that differs", "admission policies that differ"),
        f"{len(plan.leftovers):,} left behind" if plan.leftovers else "",
        _count(len(plan.generated), "generated file to renew", "generated files to renew"),
    ]
    return "; ".join([*filter(None, parts), f"{plan.unchanged:,} unchanged", *_count_open(plan)])


def _count_open(plan: Plan) -> list[str]:
    """Return how many targets nothing is known of, and how many have a conflict, without what is none."""
    unknown = _count(plan.unknown, "target is not known", "targets are not known")
    contested = _count(plan.contested, "has a conflict", "have a conflict")
    return [*filter(None, [unknown, contested])]


def _count(number: int, noun: str, nouns: str) -> str:
    """Return how many there are; empty for none."""
    return count(number, noun, nouns) if number else ""


def _count_changes(changes: Iterable[str], noun: str) -> str:
    counts = Counter(changes)
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items()))
    return f"{count(counts.total(), noun)}: {kinds}" if counts else ""


def list_tables(plan: Plan) -> list[Table]:
    """Return what the plan has, a table for each part that is not empty."""
    tables: list[Table] = [
        ("Mappings", ("change", "mapping", "what", "content", "keys", "restarts"), _list_mappings(plan.mappings)),
        (
            "Clusters",
            ("change", "cluster", "fields", "restarts"),
            [
                (
                    each.change,
                    _name(each),
                    _join(each.fields),
                    _join(_sign(each.restarts_gained, each.restarts_lost)),
                )
                for each in plan.clusters
            ],
        ),
        (
            "Targets",
            ("change", "cluster", "namespace", "secret", "mapping", "will", "content", "why"),
            [_describe_target(each) for each in plan.targets],
        ),
        ("Rights", ("change", "who", "may", "where"), [_describe_right(each) for each in plan.rights]),
        ("Admission policies that differ", ("policy",), [(each,) for each in plan.policies]),
        (
            "Left behind: nothing removes it by itself",
            ("cluster", "namespaces", "kind", "name", "keys"),
            list(_fold_leftovers(plan.leftovers)),
        ),
        (
            "Generated files that are not what the mappings make them",
            ("file",),
            [(each,) for each in plan.generated],
        ),
    ]
    return [table for table in tables if table[2]]


def _list_mappings(changes: Iterable[MappingChange]) -> list[tuple[str, ...]]:
    return [
        (
            each.change,
            _name(each),
            _join(each.fields) if each.change == "changed" else each.at,
            each.content if each.change == "changed" else "",
            _join([*_sign(each.keys_gained, each.keys_lost), *(["…"] if each.keys_depend else [])]),
            _join(_sign(each.restarts_gained, each.restarts_lost)),
        )
        for each in changes
    ]


def _name(change: MappingChange | ClusterChange) -> str:
    return f"{change.was} → {change.name}" if change.was else change.name


def _sign(gained: Sequence[str], lost: Sequence[str]) -> list[str]:
    return [*(f"+{name}" for name in gained), *(f"-{name}" for name in lost)]


def _describe_target(target: TargetChange) -> tuple[str, ...]:
    keys = f"keys {_join(target.keys)}" if target.keys else ""
    workloads = target.expected.workloads if target.expected and target.will not in ("annotate", "nothing") else None
    restarts = f"restarts {_join(workloads)}" if workloads else ""
    return (
        target.change,
        target.cluster,
        target.namespace,
        target.secret,
        "" if target.mapping == target.secret else target.mapping,
        target.will or "stays",
        target.content,
        "; ".join(filter(None, [target.error or target.why, keys, restarts, *target.notes])),
    )


def _describe_right(right: RightChange) -> tuple[str, ...]:
    namespaces = f"{_join(right.namespaces)} of " if right.namespaces else ""
    return right.change, right.who, right.may, f"{namespaces}{right.cluster}" if right.cluster else "AWS"


def _fold_leftovers(leftovers: Iterable[Leftover]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each name on a cluster: a Role and its binding are called alike, in each of their namespaces."""
    kinds: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for each in leftovers:
        kinds[each.cluster, each.namespace, each.name, _join(each.keys)].append(each.kind)
    namespaces: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for (cluster, namespace, name, keys), names in kinds.items():
        namespaces[cluster, ", ".join(names), name, keys] += [namespace] if namespace else []
    for (cluster, kind, name, keys), places in namespaces.items():
        yield cluster, _join(places), kind, name, keys


def _join(names: Sequence[str]) -> str:
    return join(names, limit=MAX_NAMED)
