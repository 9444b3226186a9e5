"""Choices of namespaces as CEL: the expressions by which an admission policy tells where a name may be written.

An expression names all names that share a choice in one list, which the API server looks up at once: the number of
names costs a write nothing, that of different choices little (benchmarks/policies.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from keyferry.errors import InvalidInput
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Expression, NamespaceSelector

MAX_LENGTH = 90_000
"""Characters of one expression. The API server parses 100,000 at most (cel-go, ExpressionSizeCodePointLimit)."""
_PACKED_LENGTH = 10_000
"""Characters up to which terms share an expression: the API server compiles two faster than one twice as long."""
MAX_CHOICES = 500
"""Different choices in one cluster: with more, a write of ours takes noticeably longer (benchmarks/policies.py)."""
LABELS_VARIABLE = {"name": "labels", "expression": "namespaceObject.metadata.?labels.orValue({})"}
"""The variable that every choice by labels reads: the labels of the namespace."""


def build_choice(mappings: Iterable[SecretMapping]) -> str:
    """Return the expression that is true in each namespace that one of the mappings can choose by a selector."""
    selectors = {_build_selector(each) for mapping in mappings for each in mapping.spec.namespace_selectors}
    return " || ".join(sorted(selectors))


def list_names(mappings: Iterable[SecretMapping]) -> list[str]:
    """Return the namespaces that mappings name, sorted."""
    return sorted({name for mapping in mappings for name in mapping.spec.namespace_names})


def group_by_secret(mappings: Iterable[SecretMapping]) -> Mapping[str, Sequence[SecretMapping]]:
    """Return the name of each Secret → the mappings that write a Secret of that name."""
    by_secret = defaultdict[str, list[SecretMapping]](list)
    for mapping in mappings:
        by_secret[mapping.spec.secret.name].append(mapping)
    return dict(sorted(by_secret.items()))


def group_names(choices_of_names: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """Return choice → the names that have it, given (name, choice). Those with an empty choice are left out.

    Raises:
        InvalidInput: there are too many different choices.
    """
    names = defaultdict[str, list[str]](list)
    for name, choice in choices_of_names:
        if choice:
            names[choice].append(name)
    if len(names) > MAX_CHOICES:
        raise InvalidInput(
            f"Secrets go to namespaces that are chosen in {len(names):,} different ways by labels or patterns, and"
            f" {MAX_CHOICES:,} are the most in a cluster: name namespaces, or choose more of them by the same labels"
        )
    return dict(names)


def list_memberships(subject: str, texts: Iterable[str]) -> list[str]:
    """Return expressions, of which one is true if `subject`, itself an expression, is one of these texts."""
    return [f"{subject} in {_build_list(some)}" for some in _split(sorted(texts))]


def build_matches(subject: str, patterns: Iterable[str]) -> str:
    """Return the expression that is true if `subject`, itself an expression, matches a pattern with `*` and `?`."""
    expressions = (pattern.replace("?", ".").replace("*", ".*") for pattern in sorted(set(patterns)))
    return f"{subject}.matches('^({'|'.join(expressions)})$')"


def pack(terms: Iterable[str], operator: str) -> list[str]:
    """Return few expressions, each of some of the terms, joined by `&&` or `||`.

    Raises:
        InvalidInput: a term is too long by itself.
    """
    packed: list[list[str]] = []
    length = 0
    for term in terms:
        if len(term) > MAX_LENGTH:
            raise InvalidInput(
                f"namespaces are chosen in too many ways for one Secret: its choice would have {len(term):,} characters"
                f" in an admission policy, and {MAX_LENGTH:,} are the most: name fewer namespaces, labels and patterns"
            )
        length += len(term)
        if not packed or length > _PACKED_LENGTH:
            packed.append([])
            length = len(term)
        packed[-1].append(f"({term})")
    return [f" {operator} ".join(some) for some in packed]


def _build_selector(selector: NamespaceSelector) -> str:
    """Return the expression that is true in the namespaces that a selector selects: `NamespaceSelector.matches`."""
    terms = [
        *(_build_label(key, "==", f"'{value}'") for key, value in sorted(selector.match_labels.items())),
        *map(_build_expression, selector.match_expressions),
        *([_build_patterns(selector.names)] if selector.names else []),
        *([f"!{_build_patterns(selector.exclude)}"] if selector.exclude else []),
    ]
    return " && ".join(terms)


def _build_expression(expression: Expression) -> str:
    if not expression.values:
        exists = f"'{expression.key}' in variables.labels"
        return exists if expression.operator == "Exists" else f"!({exists})"
    is_one = _build_label(expression.key, "in", _build_list(sorted(expression.values)))
    return is_one if expression.operator == "In" else f"!({is_one})"


def _build_label(key: str, operator: str, operand: str) -> str:
    return f"'{key}' in variables.labels && variables.labels['{key}'] {operator} {operand}"


def _build_patterns(patterns: Iterable[str]) -> str:
    """Return the expression that is true if the name of the namespace matches one of the patterns."""
    return build_matches("request.namespace", patterns)


def _build_list(texts: Iterable[str]) -> str:
    return f"[{', '.join(f"'{text}'" for text in texts)}]"


def _split(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the texts in lists, so that several share an expression."""
    some: list[str] = []
    for text in texts:
        if sum(map(len, some)) + 4 * len(some) + len(text) > _PACKED_LENGTH // 2:
            yield some
            some = []
        some.append(text)
    if some:
        yield some
