"""A mapping, where it goes and the rules of the policy → what none of them allows.

All that a mapping carries, from one source into one namespace of one cluster, has to be allowed by one rule: two rules
that allow a part each allow nothing together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from keyferry.mapping import SecretMapping
from keyferry.policy import Rule, any_covers, listed
from keyferry.source import Source
from keyferry.targets import Cluster, NamespaceSelector

type Place = tuple[str | int, ...]
"""Where in a mapping something stands."""


@dataclass(frozen=True)
class Refusal:
    """Something in a mapping that no rule allows."""

    place: Place
    what: str
    """What was asked for."""
    allowed: tuple[tuple[int, str], ...] = ()
    """The rules that were looked at, by their indexes, each with what it says of it."""


@dataclass(frozen=True)
class _Part:
    """One thing that a rule allows or does not."""

    place: Place
    what: str
    allows: Callable[[Rule], bool]
    describe: Callable[[Rule], str]

    def refusal(self, rules: Sequence[tuple[int, Rule]]) -> Refusal | None:
        """Return that no rule allows it; None where one does."""
        if any(self.allows(rule) for _, rule in rules):
            return None
        return Refusal(
            self.place, self.what, tuple((number, f"allows {self.describe(rule)}") for number, rule in rules)
        )


def refusals(
    mapping: SecretMapping, clusters: Sequence[Cluster], rules: Sequence[tuple[int, Rule]]
) -> Iterator[Refusal]:
    """Yield what no rule allows.

    Args:
        mapping: what to judge.
        clusters: those that it goes to.
        rules: those that speak of its file, each with its index.
    """
    if not rules:
        yield Refusal(("metadata", "name"), "no rule is for this file")
        return
    targets = [cluster.name for cluster in clusters]
    refused = dict.fromkeys(filter(None, (part.refusal(rules) for part in _parts(mapping, targets))))
    yield from refused
    if not refused:
        yield from _apart(mapping, targets, rules)


def _parts(mapping: SecretMapping, clusters: Sequence[str]) -> Iterator[_Part]:
    """Yield all that has to be allowed, each by itself."""
    namespaces = _namespaces(mapping)
    yield from _secret(mapping)
    yield from (_cluster(mapping, cluster) for cluster in clusters)
    yield from (_namespace(*each) for each in namespaces)
    if isinstance(mapping.spec.namespaces, NamespaceSelector):
        yield from map(_selector, clusters)
    for alias, source in mapping.spec.sources.items():
        for cluster, (namespace, _) in product(clusters or ["*"], namespaces):
            yield _source(alias, source, cluster, namespace)


def _apart(mapping: SecretMapping, clusters: Sequence[str], rules: Sequence[tuple[int, Rule]]) -> Iterator[Refusal]:
    """Yield what rules allow in parts, and none as a whole: one for each source."""
    selects = isinstance(mapping.spec.namespaces, NamespaceSelector)
    for alias, source in mapping.spec.sources.items():
        for cluster, (namespace, place) in product(clusters, _namespaces(mapping)):
            whole = [_source(alias, source, cluster, namespace), _cluster(mapping, cluster), *_secret(mapping)]
            whole += [_namespace(namespace, place), *([_selector(cluster)] if selects else [])]
            lacking = [
                (number, next((each for each in whole if not each.allows(rule)), None)) for number, rule in rules
            ]
            if all(part for _, part in lacking):
                what = f"no one rule allows source {alias} for namespace {namespace} of cluster {cluster}"
                why = tuple((number, f"does not allow that {part.what}") for number, part in lacking if part)
                yield Refusal(whole[0].place, what, why)
                break


def _secret(mapping: SecretMapping) -> Iterator[_Part]:
    called, kind = mapping.spec.secret.name, mapping.spec.secret.type
    yield _Part(
        ("spec", "secret", "type"),
        f"the Secret is of type {kind}",
        lambda rule: any_covers(rule.types, kind),
        lambda rule: listed(rule.types),
    )
    yield _Part(
        ("spec", "secret", "name"),
        f"the Secret is called {called}",
        lambda rule: any_covers(rule.secrets, called),
        lambda rule: listed(rule.secrets),
    )


def _cluster(mapping: SecretMapping, cluster: str) -> _Part:
    named = mapping.spec.clusters
    number = (named.index(cluster),) if isinstance(named, list) else ()
    return _Part(
        ("spec", "clusters", *number),
        f"it goes to cluster {cluster}",
        lambda rule: any_covers(rule.clusters, cluster),
        lambda rule: listed(rule.clusters),
    )


def _namespaces(mapping: SecretMapping) -> list[tuple[str, Place]]:
    """Return the names, or the patterns of names, of all namespaces that it can go to, each with its place."""
    chosen = mapping.spec.namespaces
    if not isinstance(chosen, NamespaceSelector):
        return [(name, ("spec", "namespaces", number)) for number, name in enumerate(chosen)]
    if not chosen.names:
        return [("*", ("spec", "namespaces"))]
    return [(name, ("spec", "namespaces", "names", number)) for number, name in enumerate(chosen.names)]


def _namespace(namespace: str, place: Place) -> _Part:
    return _Part(
        place,
        "it can go to any namespace, as its names do not limit it"
        if namespace == "*"
        else f"it goes to namespace {namespace}",
        lambda rule: any_covers(rule.namespaces, namespace),
        lambda rule: listed(rule.namespaces),
    )


def _selector(cluster: str) -> _Part:
    return _Part(
        ("spec", "namespaces"),
        f"a selector chooses namespaces of cluster {cluster}",
        lambda rule: any_covers(rule.clusters, cluster) and any_covers(rule.namespace_selectors, cluster),
        lambda rule: f"it in clusters: {listed(rule.namespace_selectors)}",
    )


def _source(alias: str, source: Source, cluster: str, namespace: str) -> _Part:
    account = f" of account {source.account}" if source.account else ""
    return _Part(
        ("spec", "sources", alias),
        f"source {alias} reads {source.names[0]}{account}",
        lambda rule: rule.sources.allow(source, cluster, namespace),
        lambda rule: rule.sources.describe(source),
    )
