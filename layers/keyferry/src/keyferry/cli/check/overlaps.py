"""Mappings that would write the same Secret: for certain, or in namespaces that fit the selectors of both.

A Secret is the journal of one mapping (docs/decisions/0002): two mappings cannot share one, whatever their keys are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from keyferry.cli.check.documents import Definition
from keyferry.cli.check.problems import Problem
from keyferry.formats.globs import covers, literal_prefix, overlap
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Expression, NamespaceSelector

type Target = str | NamespaceSelector
"""The namespaces of one entry of a mapping: a name, or a selector."""
type Bucket = dict[str, list[tuple[int, Target]]]
"""Literal prefix of names → the targets whose names begin so, each with the index of its mapping.

All are of one cluster and of Secrets with the same name.
"""

_PATH = ("spec", "secret", "name")
_REMEDY = "A Secret has one mapping, whatever the keys: give one of them another name, or make one mapping of both"


def list_overlaps(catalog: Catalog, definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Yield a problem for each mapping that writes the Secret of one before it.

    It is an error if they write to the same namespace for certain, and a warning if there can be such a namespace.
    """
    mappings = [catalog.mappings[definition.name] for definition in definitions]
    certain: dict[int, tuple[int, str]] = {}
    possible: dict[int, tuple[int, str]] = {}
    for cluster, bucket in _fill_buckets(catalog, mappings):
        for first, second, one, other in _pair(bucket):
            if _share_certainly(one, other):
                _keep_first(certain, second, first, f"in {_describe(one, other)} of cluster {cluster}")
            elif _can_share(one, other):
                _keep_first(possible, second, first, f"in namespaces of cluster {cluster} that both choose")
    for number, (earlier, where) in sorted((possible | certain).items()):
        definition, other_definition = definitions[number], definitions[earlier]
        location = other_definition.document.locate(_PATH)
        beginning, secret = f"mapping {other_definition.name} ({location})", mappings[number].spec.secret.name
        if number in certain:
            message = f"{beginning} writes Secret {secret} {where} too. {_REMEDY}"
            yield definition.document.problem(_PATH, message)
        else:
            message = f"{beginning} can write Secret {secret} too, {where}. {_REMEDY}"
            yield definition.document.warning(_PATH, message)


def _fill_buckets(catalog: Catalog, mappings: Iterable[SecretMapping]) -> Iterator[tuple[str, Bucket]]:
    """Yield the name of a cluster and the targets there, for each cluster and each name of a Secret."""
    buckets: dict[tuple[str, str], Bucket] = {}
    for number, mapping in enumerate(mappings):
        targets: list[Target] = [*mapping.spec.namespace_names, *mapping.spec.namespace_selectors]
        for cluster in catalog.clusters_of(mapping):
            bucket = buckets.setdefault((cluster.name, mapping.spec.secret.name), defaultdict(list))
            for target in targets:
                for prefix in {literal_prefix(pattern) for pattern in _patterns(target)}:
                    bucket[prefix].append((number, target))
    yield from ((cluster, bucket) for (cluster, _), bucket in buckets.items())


def _pair(bucket: Bucket) -> Iterator[tuple[int, int, Target, Target]]:
    """Yield the targets of two mappings that could overlap, those of the earlier mapping first.

    Names of both have to begin alike, so one prefix is a prefix of the other: most pairs are never looked at.
    """
    for prefix, members in bucket.items():
        others = [member for length in range(len(prefix) + 1) for member in bucket.get(prefix[:length], ())]
        for (first, one), (second, other) in product(members, others):
            if first < second:
                yield first, second, one, other
            elif second < first:
                yield second, first, other, one


def _patterns(target: Target) -> list[str]:
    return [target] if isinstance(target, str) else target.names or ["*"]


def _share_certainly(one: Target, other: Target) -> bool:
    """Return whether one target takes every namespace with a name or pattern that the other one takes."""
    return _takes_all(one, other) or _takes_all(other, one)


def _takes_all(wide: Target, narrow: Target) -> bool:
    if isinstance(wide, str):
        return wide == narrow
    if isinstance(narrow, str):
        return not _requirements(wide) and wide.matches_name(narrow)
    covers_a_pattern = any(covers(*pair) for pair in product(_patterns(wide), _patterns(narrow)))
    requires_no_more = all(requirement in _requirements(narrow) for requirement in _requirements(wide))
    return covers_a_pattern and requires_no_more and set(wide.exclude) <= set(narrow.exclude)


def _can_share(one: Target, other: Target) -> bool:
    """Return whether a namespace can exist that both targets take."""
    if isinstance(one, str) or isinstance(other, str):
        name, target = (one, other) if isinstance(one, str) else (other, one)
        return target.matches_name(str(name)) if isinstance(target, NamespaceSelector) else name == target
    if any(_contradict(*pair) for pair in product(_requirements(one), _requirements(other))):
        return False
    return any(overlap(*pair) for pair in product(_remaining_patterns(one, other), _remaining_patterns(other, one)))


def _remaining_patterns(selector: NamespaceSelector, other: NamespaceSelector) -> list[str]:
    """Return the patterns of a selector of which neither it nor the other one excludes every name."""
    excluded = [*selector.exclude, *other.exclude]
    return [pattern for pattern in _patterns(selector) if not any(covers(exclusion, pattern) for exclusion in excluded)]


def _requirements(selector: NamespaceSelector) -> list[Expression]:
    labels = [Expression(key=key, operator="In", values=[value]) for key, value in selector.match_labels.items()]
    return [*labels, *selector.match_expressions]


def _contradict(one: Expression, other: Expression) -> bool:
    """Return whether no label can fulfil both: one refuses every value that the other one allows."""
    if one.key != other.key:
        return False
    if {one.operator, other.operator} == {"Exists", "DoesNotExist"}:
        return True
    listed, checked = (one, other) if one.operator == "In" else (other, one)
    return listed.operator == "In" and not any(checked.matches({one.key: value}) for value in listed.values)


def _keep_first(overlaps: dict[int, tuple[int, str]], number: int, earlier: int, where: str) -> None:
    """Note where a mapping overlaps with an earlier one, unless it does with one that is earlier still."""
    if number not in overlaps or earlier < overlaps[number][0]:
        overlaps[number] = earlier, where


def _describe(one: Target, other: Target) -> str:
    name = next((target for target in (one, other) if isinstance(target, str)), None)
    return f"namespace {name}" if name else "the same namespaces"
