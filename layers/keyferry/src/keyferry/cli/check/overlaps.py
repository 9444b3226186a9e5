"""Which mappings would write a Secret that another one writes: surely, or where namespaces have the labels for it.

A Secret is the journal of one mapping (docs/decisions/0002): two mappings cannot share one, whatever their keys are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from keyferry.cli.check.problems import Problem
from keyferry.cli.check.references import Named
from keyferry.formats.globs import covers, literal_prefix, overlap
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Expression, NamespaceSelector

type Choice = str | NamespaceSelector
"""Namespaces: one by its name, or those that are chosen."""
type Bucket = dict[str, list[tuple[int, Choice]]]
"""How names begin → the mappings that go to such namespaces of one cluster, by number, in the same Secret."""

_REMEDY = "A Secret has one mapping, whatever the keys: give one of them another name, or make one mapping of both"


def overlaps(catalog: Catalog, found: Sequence[Named]) -> Iterator[Problem]:
    """Yield for each mapping that another one before it writes the same Secret: an error, or a warning if it may."""
    mappings = [catalog.mappings[each.name] for each in found]
    surely: dict[int, tuple[int, str]] = {}
    perhaps: dict[int, tuple[int, str]] = {}
    for cluster, bucket in _buckets(catalog, mappings):
        for first, second, one, other in _near(bucket):
            if _surely(one, other):
                _keep_first(surely, second, first, f"in {_shown(one, other)} of cluster {cluster}")
            elif _perhaps(one, other):
                _keep_first(perhaps, second, first, f"in namespaces of cluster {cluster} that both choose")
    for number, (before, where) in sorted(surely.items()):
        yield _problem(found, mappings, (before, number), f"writes Secret {{}} {where} too. {_REMEDY}")
    for number, (before, where) in sorted(perhaps.items()):
        if number not in surely:
            problem = _problem(found, mappings, (before, number), f"can write Secret {{}} too, {where}. {_REMEDY}")
            yield replace(problem, level="warning")


def _buckets(catalog: Catalog, mappings: Iterable[SecretMapping]) -> Iterator[tuple[str, Bucket]]:
    """Yield what is written where, for each Secret's name in each cluster: two names could stand for one cluster."""
    buckets: dict[tuple[str, ...], tuple[str, Bucket]] = {}
    for number, mapping in enumerate(mappings):
        choices: list[Choice] = [*mapping.spec.namespace_names, *mapping.spec.namespace_selectors]
        for cluster in catalog.clusters_of(mapping):
            key = cluster.eks.account, cluster.eks.region, cluster.eks.name, mapping.spec.secret.name
            _, bucket = buckets.setdefault(key, (cluster.name, defaultdict(list)))
            for choice in choices:
                for prefix in {literal_prefix(each) for each in _patterns(choice)}:
                    bucket[prefix].append((number, choice))
    yield from buckets.values()


def _near(bucket: Bucket) -> Iterator[tuple[int, int, Choice, Choice]]:
    """Yield what could overlap: the beginning of one is a beginning of the other. So not everything is compared."""
    for prefix, members in bucket.items():
        others = [each for length in range(len(prefix) + 1) for each in bucket.get(prefix[:length], ())]
        for (first, one), (second, other) in product(members, others):
            if first < second:
                yield first, second, one, other
            elif second < first:
                yield second, first, other, one


def _patterns(choice: Choice) -> list[str]:
    return [choice] if isinstance(choice, str) else choice.names or ["*"]


def _surely(one: Choice, other: Choice) -> bool:
    """Return whether one of them chooses every namespace of some name, or pattern, that the other one chooses."""
    return _chooses_all(one, other) or _chooses_all(other, one)


def _chooses_all(wide: Choice, narrow: Choice) -> bool:
    if isinstance(wide, str):
        return wide == narrow
    if isinstance(narrow, str):
        return not _requirements(wide) and wide.matches_name(narrow)
    within = any(covers(*each) for each in product(_patterns(wide), _patterns(narrow)))
    asks_no_more = all(each in _requirements(narrow) for each in _requirements(wide))
    return within and asks_no_more and set(wide.exclude) <= set(narrow.exclude)


def _perhaps(one: Choice, other: Choice) -> bool:
    """Return whether there can be a namespace that both choose."""
    if isinstance(one, str) or isinstance(other, str):
        name, chosen = (one, other) if isinstance(one, str) else (other, one)
        return chosen.matches_name(str(name)) if isinstance(chosen, NamespaceSelector) else name == chosen
    if any(_contradict(*each) for each in product(_requirements(one), _requirements(other))):
        return False
    return any(overlap(*each) for each in product(_left(one, other), _left(other, one)))


def _left(chosen: NamespaceSelector, other: NamespaceSelector) -> list[str]:
    """Return the patterns of which something is left where another one excludes its own."""
    excluded = [*chosen.exclude, *other.exclude]
    return [each for each in _patterns(chosen) if not any(covers(out, each) for out in excluded)]


def _requirements(chosen: NamespaceSelector) -> list[Expression]:
    equal = [Expression(key=key, operator="In", values=[value]) for key, value in chosen.match_labels.items()]
    return [*equal, *chosen.match_expressions]


def _contradict(one: Expression, other: Expression) -> bool:
    """Return whether no label fulfils both: each value that one of them allows, the other one does not."""
    if one.key != other.key:
        return False
    if {one.operator, other.operator} == {"Exists", "DoesNotExist"}:
        return True
    listed, checked = (one, other) if one.operator == "In" else (other, one)
    return listed.operator == "In" and not any(checked.matches({one.key: value}) for value in listed.values)


def _keep_first(kept: dict[int, tuple[int, str]], number: int, other: int, where: str) -> None:
    if number not in kept or other < kept[number][0]:
        kept[number] = other, where


def _shown(one: Choice, other: Choice) -> str:
    name = next((each for each in (one, other) if isinstance(each, str)), None)
    return f"namespace {name}" if name else "the same namespaces"


def _problem(found: Sequence[Named], mappings: Sequence[SecretMapping], pair: tuple[int, int], message: str) -> Problem:
    other, number = pair
    path = ("spec", "secret", "name")
    there = found[other].document.place(path)
    text = message.format(mappings[number].spec.secret.name)
    return found[number].document.problem(path, f"mapping {found[other].name} ({there}) {text}")
