"""The rules of the admission policy for Secrets.

By RBAC alone, `create` and `patch` on a Secret's name, wherever labels or patterns lead, is the right to every token of
a ServiceAccount in the cluster: Kubernetes writes one into a Secret of the type for it. Nor does RBAC know labels.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keyferry.access.admission import choices, metadata_rules
from keyferry.mapping.mapping import SecretMapping
from keyferry.secret_types import NEVER_WRITTEN

type Object = dict[str, Any]

_VARIABLES = (
    # Of a Secret that is deleted, both are what it was; of one that is created, `was` is empty.
    ("was", "oldObject == null ? {} : dyn(oldObject)"),
    ("is", "object == null ? dyn(oldObject) : dyn(object)"),
    ("wasMetadata", "variables.was.?metadata.orValue({})"),
    ("isMetadata", "variables.is.?metadata.orValue({})"),
    ("name", "variables.isMetadata.name"),
    ("wasOwners", "variables.wasMetadata.?ownerReferences.orValue([])"),
    ("isOwners", "variables.isMetadata.?ownerReferences.orValue([])"),
    ("wasManaged", "variables.wasMetadata.?managedFields.orValue([])"),
    ("isManaged", "variables.isMetadata.?managedFields.orValue([])"),
)


def build_rules(mappings: Sequence[SecretMapping]) -> Object:
    """Return the part of a policy's spec that says what is matched, and what has to hold.

    Args:
        mappings: the mappings that write to the cluster.
    """
    variables = [{"name": name, "expression": expression} for name, expression in _VARIABLES]
    takes_over, taken_over = _list_taken_over(mappings)
    of_metadata, metadata_validations = metadata_rules.build_rules(mappings)
    return {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                    "resources": ["secrets"],
                }
            ]
        },
        "variables": [*variables, choices.LABELS_VARIABLE, *taken_over, *of_metadata],
        "validations": [
            {"reason": "Forbidden", **validation}
            for validation in (
                *_list_content_rules(takes_over),
                *metadata_validations,
                *_list_namespace_rules(mappings),
            )
        ],
    }


def _list_content_rules(takes_over: str) -> Iterator[Object]:
    """Yield what holds for every Secret.

    Args:
        takes_over: an expression: whether a mapping may take the Secret from its owners.
    """
    tokens = ", ".join(f"'{name}'" for name in sorted(NEVER_WRITTEN))
    yield {
        "expression": f"!(variables.is.?type.orValue('') in [{tokens}])",
        "message": "Keyferry writes and deletes no token of the cluster",
    }
    yield {
        "expression": "variables.isMetadata.?finalizers.orValue([]) == variables.wasMetadata.?finalizers.orValue([])",
        "message": "Keyferry changes no finalizers",
    }
    yield {
        "expression": f"variables.isOwners == variables.wasOwners || (variables.isOwners == [] && ({takes_over}))",
        "message": "Keyferry changes no owners, and takes them all off only for a mapping that takes over",
    }
    yield {
        "expression": _build_managed_rule(),
        "message": "Keyferry takes nobody's managedFields away",
    }


def _build_managed_rule() -> str:
    """Return the expression that is true unless fields that had a manager have none any more.

    Where no entry has vanished, none was wiped. One may vanish, as its fields are taken over or removed; but each key
    that is still there, and that somebody owned, has an owner.
    """
    owns = "('f:' + k) in m[?'fieldsV1'][?'f:data'].orValue({})"
    return (
        "variables.isManaged.size() >= variables.wasManaged.size() || (variables.isManaged.size() > 0 &&"
        f" variables.is.?data.orValue({{}}).all(k, !variables.wasManaged.exists(m, {owns}) ||"
        f" variables.isManaged.exists(m, {owns})))"
    )


def _list_taken_over(mappings: Iterable[SecretMapping]) -> tuple[str, list[Object]]:
    """Return the expression whether a mapping takes the Secret over, and the variables that it reads."""
    names = {each.spec.secret.name for each in mappings if each.spec.policies.conflict == "takeOver"}
    variables = [
        {"name": f"takesOver{number}", "expression": membership}
        for number, membership in enumerate(choices.list_memberships("variables.name", names))
    ]
    return " || ".join(f"variables.{each['name']}" for each in variables) or "false", variables


def _list_namespace_rules(mappings: Iterable[SecretMapping]) -> Iterator[Object]:
    """Yield where Secrets may be written whose namespaces are chosen by labels or patterns.

    RBAC gives their names in all namespaces. Names whose mappings all name their namespaces need no rule.
    """
    by_secret = choices.group_by_secret(mappings).items()
    names_by_choice = choices.group_names((name, _build_choice(writers)) for name, writers in by_secret)
    terms = [
        f"!({membership}) || {choice}"
        for choice, names in names_by_choice.items()
        for membership in choices.list_memberships("variables.name", names)
    ]
    for expression in choices.pack(terms, "&&"):
        yield {
            "expression": expression,
            "messageExpression": "'no mapping writes Secret ' + variables.name + ' to namespace ' + request.namespace",
        }


def _build_choice(writers: Sequence[SecretMapping]) -> str:
    """Return where some mappings of one Secret's name may write it; empty if all of them name their namespaces."""
    selected = choices.build_choice(writers)
    named = choices.list_memberships("request.namespace", choices.list_names(writers))
    return " || ".join([*named, selected]) if selected else ""
