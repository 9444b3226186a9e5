"""Which namespaces get a Secret: those of the manifest, as far as the conditions of its stores allow them.

Facts: shouldProcessSecret of pkg/controllers/secretstore/client_manager.go, and GetTargetNamespaces of
runtime/esutils/utils.go. What is named and does not exist gets nothing, and is no failure.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from keyferry.cli.migrate.external_secrets.draft import Draft
from keyferry.cli.migrate.external_secrets.fields import (
    Aws,
    ClusterExternalSecretSpec,
    Condition,
    LabelSelector,
    StoreSpec,
)
from keyferry.cli.migrate.model import EXTERNAL_SECRETS, Estate, Refusal, Refusals
from keyferry.cli.migrate.reading import read_part
from keyferry.cli.migrate.stores import SERVICES
from keyferry.formats import yamltext
from keyferry.formats.re2 import compile_pattern

type Choice = dict[str, Any]
"""A choice of namespaces, in the form of mappings: `names`, `matchLabels`, `matchExpressions`."""
_NAME = "kubernetes.io/metadata.name"
"""The label of every namespace that holds its name."""
_LITERAL = re.compile(r"[-a-z0-9]+")


def choose_namespaces(spec: ClusterExternalSecretSpec) -> list[Choice]:
    """Return the choices of a ClusterExternalSecret."""
    selectors = [*([spec.namespace_selector] if spec.namespace_selector else []), *(spec.namespace_selectors or ())]
    choices = [{"names": list(spec.namespaces)}] if spec.namespaces else []
    return choices + [choice for choice in map(select, selectors) if choice not in choices]


def select(selector: LabelSelector) -> Choice:
    """Return the choice of a label selector of Kubernetes; an empty one selects all."""
    labels = dict(selector.match_labels or {})
    choice: Choice = {"names": [labels.pop(_NAME)]} if _NAME in labels else {}
    if labels:
        choice["matchLabels"] = labels
    if selector.match_expressions:
        choice["matchExpressions"] = [
            each.model_dump(exclude_none=True, by_alias=True) for each in selector.match_expressions
        ]
    return choice or {"names": ["*"]}


def list_names(choices: Sequence[Choice]) -> list[str] | None:
    """Return the namespaces that are chosen by their names; None where others can be chosen, too."""
    names = [name for choice in choices for name in choice.get("names", ())]
    is_all = all(set(choice) == {"names"} for choice in choices) and all(map(_LITERAL.fullmatch, names))
    return list(dict.fromkeys(names)) if is_all else None


def restrict(choices: Sequence[Choice], draft: Draft) -> list[Choice]:
    """Return what the conditions of all stores of a manifest leave of its choices.

    Raises:
        Refusal: nothing is left, or it cannot be told.
    """
    left = list(choices)
    for store in draft.stores.values():
        if not store.conditions:
            continue
        left = [each for choice in left for each in _allow(choice, store.conditions, store.name)]
        if not left:
            where = draft.namespace or "the namespaces of the manifest"
            what = f"the conditions of {store.name} do not allow {where}: External Secrets reads nothing for it"
            raise Refusal(what, "change the conditions first, or remove the manifest", (*draft.at, "secretStoreRef"))
    return [choice for number, choice in enumerate(left) if choice not in left[:number]]


def list_rules(estate: Estate) -> Iterator[str]:
    """Yield the rule of policy.yaml that the conditions of each store amount to, for mappings that read as it does."""
    for manifest in estate.list_kind(EXTERNAL_SECRETS, "ClusterSecretStore"):
        with suppress(Refusals):
            spec = read_part(manifest, ("spec",), StoreSpec)
            aws = read_part(manifest, ("spec", "provider", "aws"), Aws)
            if spec.conditions and aws.service in SERVICES:
                rule = yamltext.text(_build_rule(spec.conditions, aws, estate), flow=True)
                yield f"the conditions of ClusterSecretStore {manifest.name} as a rule of policy.yaml: {rule}"


def _build_rule(conditions: Sequence[Condition], aws: Aws, estate: Estate) -> dict[str, Any]:
    names = [name for each in conditions for name in each.namespaces or ()]
    has_choices = any(each.namespace_selector or each.namespace_regexes for each in conditions)
    clusters = list(estate.options.clusters)
    rule: dict[str, Any] = {
        "mappings": [f"{name}/*.yaml" for name in names] or ["**/*.yaml"],
        "sources": _allow_sources(aws, estate.options.own_region),
        "clusters": clusters,
        "namespaces": names or ["*"],
        "policies": {"keys": ["ours", "exclusive"]},  # without a policy of its own an ExternalSecret has a whole Secret
    }
    return rule | ({"namespaceSelectors": clusters} if has_choices else {})


def _allow_sources(aws: Aws, own_region: str | None) -> dict[str, list[str]]:
    """Return the sources of a rule: what a store reads, from where, and as whom."""
    roles = [*(aws.additional_roles or ()), *([aws.role] if aws.role else [])]
    sources = {
        SERVICES[aws.service]: [f"{aws.prefix or ''}*"],
        "accounts": list(dict.fromkeys(role.split(":")[4] for role in roles if role.count(":") > 4)),  # of an ARN
        "regions": [aws.region] if aws.region != own_region else [],
        "roles": roles,
        "externalIds": [aws.external_id] if aws.role and aws.external_id else [],
    }
    return {field: patterns for field, patterns in sources.items() if patterns}


def _allow(choice: Choice, conditions: Sequence[Condition], store: str) -> Iterator[Choice]:
    for condition in conditions:
        if condition.namespace_selector:
            yield from _combine(choice, select(condition.namespace_selector))
        if condition.namespaces:
            yield from _combine(choice, {"names": list(condition.namespaces)})
        for pattern in condition.namespace_regexes or ():
            yield from _match(choice, pattern, store)


def _match(choice: Choice, pattern: str, store: str) -> Iterator[Choice]:
    names = choice.get("names", ["*"])
    if not all(map(_LITERAL.fullmatch, names)):
        what = f"{store} allows namespaces by the expression {pattern}, and the manifest chooses them by labels"
        raise Refusal(what, "name the namespaces in the manifest, or in the conditions")
    matching = [name for name in names if compile_pattern(pattern).search(name)]
    if matching:
        yield choice | {"names": matching}


def _combine(one: Choice, other: Choice) -> Iterator[Choice]:
    """Yield the choice of what both choose; nothing where there can be none."""
    names = _meet(one.get("names"), other.get("names"))
    labels, others = one.get("matchLabels", {}), other.get("matchLabels", {})
    if names == [] or any(labels.get(key, value) != value for key, value in others.items()):
        return
    expressions = one.get("matchExpressions", []) + [
        each for each in other.get("matchExpressions", []) if each not in one.get("matchExpressions", [])
    ]
    parts = {"names": names, "matchLabels": labels | others, "matchExpressions": expressions}
    combined = {name: part for name, part in parts.items() if part}
    yield combined


def _meet(one: list[str] | None, other: list[str] | None) -> list[str] | None:
    """Return the names that are in both; `*` stands for all, None for no restriction."""
    if one is None or other is None:
        return other if one is None else one
    if one == ["*"] or other == ["*"]:
        return other if one == ["*"] else one
    return [name for name in one if name in other]
