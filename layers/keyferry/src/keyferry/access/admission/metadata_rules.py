"""The rules of the admission policy for Secrets on labels, annotations and immutability.

A replicator, a GitOps tool or an operator acts on labels and annotations: by one of them a Secret is copied to other
namespaces, deleted, or taken for a key. So a Secret gets those that its mappings give it, with whatever value, and
those on which nobody acts (`keyferry.policy.metadata`). What is taken away, or stays as it was, is not asked about.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from keyferry.access.admission import choices
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import MANAGED_BY, PREFIX
from keyferry.policy.metadata import DESCRIPTIVE, WITHOUT_PREFIX, is_harmless

type Object = dict[str, Any]

_OWN = {
    "label": f"k == '{MANAGED_BY}' && variables.isLabels[k] == 'keyferry'",
    "annotation": f"k.startsWith('{PREFIX}/')",
}
"""Expressions: whether `k` is a label or an annotation that every Secret of ours may have."""


def build_rules(mappings: Sequence[SecretMapping]) -> tuple[list[Object], list[Object]]:
    """Return the variables of the rules, and their validations.

    Args:
        mappings: the mappings that write to the cluster.
    """
    variables, validations = [], []
    for noun in ("label", "annotation"):
        pending = f"strange{noun.title()}s"
        for name, expression in _list_variables(noun, pending):
            variables.append({"name": name, "expression": expression})
        for number, given in enumerate(choices.pack(_list_given(noun, mappings), "||")):
            name = f"{pending}{number}"
            variables.append({"name": name, "expression": f"variables.{pending}.filter(k, !({given}))"})
            pending = name
        validations.append(
            {
                "expression": f"variables.{pending}.size() == 0",
                "messageExpression": f"'no mapping gives the {noun} ' + variables.{pending}[0] + ' to Secret ' +"
                " variables.name",
            }
        )
    return variables, [*validations, _build_immutable_rule(mappings)]


def _list_variables(noun: str, strange: str) -> Iterator[tuple[str, str]]:
    """Yield variables, as (name, expression): the labels or annotations, and which of them are new and not harmless."""
    plural = f"{noun.title()}s"
    for time in ("was", "is"):
        yield f"{time}{plural}", f"variables.{time}Metadata.?{noun}s.orValue({{}})"
    is_same = f"k in variables.was{plural} && variables.was{plural}[k] == variables.is{plural}[k]"
    is_allowed = f"({is_same}) || {_build_is_harmless()} || ({_OWN[noun]})"
    yield strange, f"variables.is{plural}.filter(k, !({is_allowed}))"


def _build_is_harmless() -> str:
    """Return the expression that is true if nothing acts on a label or annotation `k`: `is_harmless`."""
    acting = choices.build_matches("k", WITHOUT_PREFIX)
    return f"(k.contains('/') ? {choices.list_memberships('k', DESCRIPTIVE)[0]} : !{acting})"


def _list_given(noun: str, mappings: Iterable[SecretMapping]) -> Iterator[str]:
    """Yield expressions, of which one is true if a mapping gives the Secret the label or annotation `k`.

    Names with the same keys share a list, as with choices of namespaces.
    """
    names_by_keys = defaultdict[tuple[str, ...], list[str]](list)
    for name, keys in _collect_keys(noun, mappings).items():
        names_by_keys[tuple(sorted(keys))].append(name)
    for some, names in sorted(names_by_keys.items()):
        for membership in choices.list_memberships("variables.name", names):
            yield from (f"{is_key} && {membership}" for is_key in choices.list_memberships("k", some))


def _collect_keys(noun: str, mappings: Iterable[SecretMapping]) -> Mapping[str, set[str]]:
    """Return the name of each Secret → the labels or annotations that its mappings give it, without harmless ones."""
    keys = defaultdict[str, set[str]](set)
    for mapping in mappings:
        secret = mapping.spec.secret
        given = secret.labels if noun == "label" else secret.annotations
        keys[secret.name].update(key for key in given if not is_harmless(key))
    return {name: some for name, some in keys.items() if some}


def _build_immutable_rule(mappings: Iterable[SecretMapping]) -> Object:
    """Return the rule that no Secret becomes immutable, which keeps later values out, unless a mapping says so."""
    names = {mapping.spec.secret.name for mapping in mappings if mapping.spec.secret.immutable}
    asked = "".join(f" || {each}" for each in choices.list_memberships("variables.name", names))
    return {
        "expression": "!variables.is.?immutable.orValue(false) || variables.was.?immutable.orValue(false)" + asked,
        "message": "Keyferry makes no Secret immutable for which no mapping says so",
    }
