"""A mapping, its clusters and the rules of the policy → what no rule allows.

All that a mapping does, from one source to one namespace of one cluster, has to be allowed by a single rule: two rules
that each allow a part of it do not allow it together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from keyferry.formats.yamltext import FieldPath
from keyferry.mapping.mapping import SecretMapping, Workload
from keyferry.mapping.targets import Cluster, NamespaceSelector
from keyferry.policy.fields import list_unjudged
from keyferry.policy.rules import Rule, any_covers, join_patterns
from keyferry.stores.source import Source


@dataclass(frozen=True)
class Refusal:
    """Something in a mapping that no rule allows."""

    path: FieldPath
    """The field that asks for it."""
    request: str
    """What the mapping asks for, as a clause for messages."""
    reasons: tuple[tuple[int, str], ...] = ()
    """The index of each rule for the mapping's file, and what the rule says instead."""


@dataclass(frozen=True)
class _Requirement:
    """One part of what a mapping does, which a rule allows or does not."""

    path: FieldPath
    request: str
    is_allowed: Callable[[Rule], bool]
    describe: Callable[[Rule], str]
    """Returns what a rule allows in its place."""

    def judge(self, rules: Sequence[tuple[int, Rule]]) -> Refusal | None:
        """Return a refusal where no rule allows it; None where one does."""
        if any(self.is_allowed(rule) for _, rule in rules):
            return None
        reasons = tuple((number, f"allows {self.describe(rule)}") for number, rule in rules)
        return Refusal(self.path, self.request, reasons)


@dataclass(frozen=True)
class _Namespaces:
    """Namespaces that one entry of a mapping's `namespaces` can stand for."""

    name: str
    """A name, or a pattern of names."""
    path: FieldPath
    selector: FieldPath | None = None
    """The path of the selector; None for a namespace that is named."""


def list_refusals(
    mapping: SecretMapping, clusters: Sequence[Cluster], rules: Sequence[tuple[int, Rule]]
) -> Iterator[Refusal]:
    """Yield all in a mapping that no rule allows.

    Args:
        mapping: the mapping.
        clusters: the clusters that it writes to.
        rules: the rules for its file, each with its index in the policy.
    """
    if not rules:
        yield Refusal(("metadata", "name"), "no rule is for this file")
        return
    reasons = tuple((number, "does not judge it") for number, _ in rules)
    yield from (Refusal(path, f"it says {path[-1]}", reasons) for path in list_unjudged(mapping))
    names = [cluster.name for cluster in clusters]
    if not mapping.spec.keeps_type:
        yield from _list_refusals(mapping, names, rules, mapping.spec.secret.type)
    elif not list_allowed_types(mapping, clusters, rules):
        yield from _list_refusals(mapping, names, rules, rules[0][1].types[0])


def list_allowed_types(
    mapping: SecretMapping, clusters: Sequence[Cluster], rules: Sequence[tuple[int, Rule]]
) -> list[str]:
    """Return patterns of the types that a Secret may have which keeps the type that somebody else gives it.

    Args:
        mapping: the mapping, with such a Secret.
        clusters: the clusters that it writes to.
        rules: the rules for its file, each with its index in the policy.

    Returns:
        Of the patterns in the rules, those with which the mapping is allowed as a whole; none where nothing is.
    """
    names = [cluster.name for cluster in clusters]
    patterns = dict.fromkeys(pattern for _, rule in rules for pattern in rule.types)
    return [pattern for pattern in patterns if not any(_list_refusals(mapping, names, rules, pattern))]


def _list_refusals(
    mapping: SecretMapping, clusters: Sequence[str], rules: Sequence[tuple[int, Rule]], secret_type: str
) -> Iterator[Refusal]:
    """Yield all that no rule allows if the Secret has a type, or any type that matches a pattern."""
    requirements = _list_requirements(mapping, clusters, secret_type)
    refusals = dict.fromkeys(filter(None, (requirement.judge(rules) for requirement in requirements)))
    yield from refusals
    if not refusals:
        yield from _list_split_refusals(mapping, clusters, rules, secret_type)


def _list_requirements(mapping: SecretMapping, clusters: Sequence[str], secret_type: str) -> Iterator[_Requirement]:
    """Yield all parts of what a mapping does."""
    entries = list(_list_namespaces(mapping))
    yield from _require_everywhere(mapping, secret_type)
    yield from (_require_cluster(mapping, cluster) for cluster in clusters)
    yield from map(_require_namespaces, entries)
    for cluster, namespaces in product(clusters, entries):
        yield from _require_selector(cluster, namespaces)
    for alias, source in mapping.spec.sources.items():
        for cluster, namespaces in product(clusters or ["*"], entries):
            yield _require_source(alias, source, cluster, namespaces)


def _list_split_refusals(
    mapping: SecretMapping, clusters: Sequence[str], rules: Sequence[tuple[int, Rule]], secret_type: str
) -> Iterator[Refusal]:
    """Yield a refusal for each source with a place for which several rules allow a part each, and none allows all."""
    for alias in mapping.spec.sources:
        for cluster, namespaces in product(clusters, _list_namespaces(mapping)):
            requirements = _list_parts(mapping, alias, cluster, namespaces, secret_type)
            missing = [
                (number, next((part for part in requirements if not part.is_allowed(rule)), None))
                for number, rule in rules
            ]
            if all(part for _, part in missing):
                request = f"no one rule allows source {alias} for namespace {namespaces.name} of cluster {cluster}"
                reasons = tuple((number, f"does not allow that {part.request}") for number, part in missing if part)
                yield Refusal(requirements[0].path, request, reasons)
                break


def _list_parts(
    mapping: SecretMapping, alias: str, cluster: str, namespaces: _Namespaces, secret_type: str
) -> list[_Requirement]:
    """Return all that a mapping does with one source at one place."""
    return [
        _require_source(alias, mapping.spec.sources[alias], cluster, namespaces),
        _require_cluster(mapping, cluster),
        _require_namespaces(namespaces),
        *_require_selector(cluster, namespaces),
        *_require_everywhere(mapping, secret_type),
    ]


def list_places(mapping: SecretMapping, clusters: Sequence[Cluster]) -> list[tuple[str, str]]:
    """Return cluster and namespace of all places that a mapping can write to; a namespace can be a pattern."""
    return [(cluster.name, entry.name) for cluster, entry in product(clusters, _list_namespaces(mapping))]


def allows_alone(rule: Rule, mapping: SecretMapping, alias: str, clusters: Sequence[Cluster]) -> bool:
    """Return whether one rule allows all that a mapping does with one of its sources, at all of its places."""
    places = [(cluster.name, entry) for cluster, entry in product(clusters, _list_namespaces(mapping))]
    secret_types = rule.types if mapping.spec.keeps_type else [mapping.spec.secret.type]
    return any(
        all(part.is_allowed(rule) for place in places for part in _list_parts(mapping, alias, *place, secret_type))
        for secret_type in secret_types
    )


def _require_everywhere(mapping: SecretMapping, secret_type: str) -> Iterator[_Requirement]:
    """Yield the parts that are the same for all sources and places."""
    yield from _require_secret(mapping, secret_type)
    secret, restart = mapping.spec.secret, mapping.spec.restart
    yield from (_require_key("labels", key) for key in secret.labels)
    yield from (_require_key("annotations", key) for key in secret.annotations)
    yield from (_require_policy(field, value) for field, value in mapping.spec.policies)
    if isinstance(restart, list):  # what `auto` restarts uses the Secret
        yield from (_require_restart(index, workload) for index, workload in enumerate(restart))


def _require_secret(mapping: SecretMapping, secret_type: str) -> Iterator[_Requirement]:
    name = mapping.spec.secret.name
    yield _Requirement(
        ("spec", "secret", "type"),
        f"the Secret is of type {secret_type}",
        lambda rule: any_covers(rule.types, secret_type),
        lambda rule: join_patterns(rule.types),
    )
    yield _Requirement(
        ("spec", "secret", "name"),
        f"the Secret is called {name}",
        lambda rule: any_covers(rule.secrets, name),
        lambda rule: join_patterns(rule.secrets),
    )


def _require_key(field: Literal["labels", "annotations"], key: str) -> _Requirement:
    return _Requirement(
        ("spec", "secret", field, key),
        f"the Secret has {field} that a controller may act on: {key}",
        lambda rule: rule.allows_metadata(field, key),
        lambda rule: f"{field}: {join_patterns(getattr(rule, field))}",
    )


def _require_policy(field: str, value: str) -> _Requirement:
    return _Requirement(
        ("spec", "policies", field),
        f"it says {field}: {value}",
        lambda rule: value in getattr(rule.policies, field),
        lambda rule: f"{field}: {join_patterns(getattr(rule.policies, field))}",
    )


def _require_restart(index: int, workload: Workload) -> _Requirement:
    return _Requirement(
        ("spec", "restart", index),
        f"it restarts {workload.kind} {workload.name}",
        lambda rule: any_covers(rule.restarts, workload.name),
        lambda rule: f"restarts: {join_patterns(rule.restarts)}",
    )


def _require_cluster(mapping: SecretMapping, cluster: str) -> _Requirement:
    names = mapping.spec.clusters
    index = (names.index(cluster),) if isinstance(names, list) else ()
    return _Requirement(
        ("spec", "clusters", *index),
        f"it goes to cluster {cluster}",
        lambda rule: any_covers(rule.clusters, cluster),
        lambda rule: join_patterns(rule.clusters),
    )


def _list_namespaces(mapping: SecretMapping) -> Iterator[_Namespaces]:
    """Yield all namespaces that a mapping can write to. Labels do not narrow them: any namespace could have them."""
    chosen, root = mapping.spec.namespaces, ("spec", "namespaces")
    entries: list[tuple[FieldPath, str | NamespaceSelector]] = (
        [(root, chosen)]
        if isinstance(chosen, NamespaceSelector)
        else [((*root, index), entry) for index, entry in enumerate(chosen)]
    )
    for path, entry in entries:
        if isinstance(entry, str):
            yield _Namespaces(entry, path)
        elif not entry.names:
            yield _Namespaces("*", path, path)
        else:
            yield from (_Namespaces(name, (*path, "names", index), path) for index, name in enumerate(entry.names))


def _require_namespaces(namespaces: _Namespaces) -> _Requirement:
    anywhere = "it can go to any namespace, as its names do not limit it"
    return _Requirement(
        namespaces.path,
        anywhere if namespaces.name == "*" else f"it goes to namespace {namespaces.name}",
        lambda rule: any_covers(rule.namespaces, namespaces.name),
        lambda rule: join_patterns(rule.namespaces),
    )


def _require_selector(cluster: str, namespaces: _Namespaces) -> Iterator[_Requirement]:
    """Yield that a selector may select namespaces of a cluster; nothing for a namespace that is named."""
    if namespaces.selector is not None:
        yield _Requirement(
            namespaces.selector,
            f"a selector chooses namespaces of cluster {cluster}",
            lambda rule: any_covers(rule.clusters, cluster) and any_covers(rule.namespace_selectors, cluster),
            lambda rule: f"it in clusters: {join_patterns(rule.namespace_selectors)}",
        )


def _require_source(alias: str, source: Source, cluster: str, namespaces: _Namespaces) -> _Requirement:
    return _Requirement(
        ("spec", "sources", alias),
        f"source {alias} reads {_describe_source(source)}",
        lambda rule: rule.sources.allows(source, cluster, namespaces.name),
        lambda rule: rule.sources.describe(source),
    )


def _describe_source(source: Source) -> str:
    account = f" of account {' and '.join(source.accounts)}" if source.accounts else ""
    region = f" in {' and '.join(source.regions)}" if source.regions else ""
    role = f" with {' and '.join(role.arn for role in source.role)}" if source.role else ""
    return f"{source.event_names[0] if source.event_names else source}{account}{region}{role}"
