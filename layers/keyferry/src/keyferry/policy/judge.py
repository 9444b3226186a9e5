"""A mapping, where it goes and the rules of the policy → what none of them allows.

All that a mapping carries, from one source into one namespace of one cluster, has to be allowed by one rule: two rules
that allow a part each allow nothing together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster, NamespaceSelector
from keyferry.policy.rules import Rule, any_covers, listed
from keyferry.stores.source import Source

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


@dataclass(frozen=True)
class _Aim:
    """Namespaces that a mapping goes to."""

    namespace: str
    """A name, or a pattern of names."""
    place: Place
    selector: Place | None = None
    """Where what chooses them stands, if they are not named."""


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
    aims = list(_aims(mapping))
    yield from _secret(mapping)
    yield from (_cluster(mapping, cluster) for cluster in clusters)
    yield from map(_namespace, aims)
    for cluster, aim in product(clusters, aims):
        yield from _selector(cluster, aim)
    for alias, source in mapping.spec.sources.items():
        for cluster, aim in product(clusters or ["*"], aims):
            yield _source(alias, source, cluster, aim)


def _apart(mapping: SecretMapping, clusters: Sequence[str], rules: Sequence[tuple[int, Rule]]) -> Iterator[Refusal]:
    """Yield what rules allow in parts, and none as a whole: one for each source."""
    for alias, source in mapping.spec.sources.items():
        for cluster, aim in product(clusters, _aims(mapping)):
            whole = [_source(alias, source, cluster, aim), _cluster(mapping, cluster), _namespace(aim)]
            whole += [*_selector(cluster, aim), *_secret(mapping)]
            lacking = [
                (number, next((each for each in whole if not each.allows(rule)), None)) for number, rule in rules
            ]
            if all(part for _, part in lacking):
                what = f"no one rule allows source {alias} for namespace {aim.namespace} of cluster {cluster}"
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


def _aims(mapping: SecretMapping) -> Iterator[_Aim]:
    """Yield all namespaces that it can go to: labels are not looked at, and could be given to any."""
    chosen, root = mapping.spec.namespaces, ("spec", "namespaces")
    entries: list[tuple[Place, str | NamespaceSelector]] = (
        [(root, chosen)]
        if isinstance(chosen, NamespaceSelector)
        else [((*root, number), each) for number, each in enumerate(chosen)]
    )
    for place, each in entries:
        if isinstance(each, str):
            yield _Aim(each, place)
        elif not each.names:
            yield _Aim("*", place, place)
        else:
            yield from (_Aim(name, (*place, "names", number), place) for number, name in enumerate(each.names))


def _namespace(aim: _Aim) -> _Part:
    anywhere = "it can go to any namespace, as its names do not limit it"
    return _Part(
        aim.place,
        anywhere if aim.namespace == "*" else f"it goes to namespace {aim.namespace}",
        lambda rule: any_covers(rule.namespaces, aim.namespace),
        lambda rule: listed(rule.namespaces),
    )


def _selector(cluster: str, aim: _Aim) -> Iterator[_Part]:
    if aim.selector is not None:
        yield _Part(
            aim.selector,
            f"a selector chooses namespaces of cluster {cluster}",
            lambda rule: any_covers(rule.clusters, cluster) and any_covers(rule.namespace_selectors, cluster),
            lambda rule: f"it in clusters: {listed(rule.namespace_selectors)}",
        )


def _source(alias: str, source: Source, cluster: str, aim: _Aim) -> _Part:
    account = f" of account {' and '.join(source.accounts)}" if source.accounts else ""
    return _Part(
        ("spec", "sources", alias),
        f"source {alias} reads {source.event_names[0] if source.event_names else source}{account}",
        lambda rule: rule.sources.allow(source, cluster, aim.namespace),
        lambda rule: rule.sources.describe(source),
    )
