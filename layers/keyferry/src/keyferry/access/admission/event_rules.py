"""The rules of the admission policy for Kubernetes Events: `deliver` tells of the Secrets of its mappings, and no more.

By RBAC alone, `create` on events is the right to say anything about any object of the namespace, in anybody's name.
Whoever goes by Events, people or programs, would believe it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from keyferry.access.admission import choices
from keyferry.identity import Identity
from keyferry.kubernetes_events import COMPONENT, MAX_MESSAGE, NAME_END, REASONS, TYPE
from keyferry.mapping.mapping import SecretMapping

type Object = dict[str, Any]

_WHOLE = (
    "['apiVersion', 'kind', 'metadata', 'involvedObject', 'reason', 'message', 'type', 'source', 'reportingComponent',"
    " 'reportingInstance', 'firstTimestamp', 'lastTimestamp', 'count', 'eventTime']"
)
"""The fields that an Event of ours has, and one that the API server adds as null."""


def build_rules(identity: Identity, mappings: Sequence[SecretMapping]) -> Object:
    """Return the part of a policy's spec that says what is matched, and what has to hold.

    Args:
        identity: the names of the stack.
        mappings: the mappings that write to the cluster.
    """
    places = choices.pack(_list_places(mappings), "||")
    variables = [
        {"name": "is", "expression": "object == null ? {} : dyn(object)"},
        {"name": "metadata", "expression": "variables.is.?metadata.orValue({})"},
        {"name": "about", "expression": "variables.is.?involvedObject.orValue({})"},
        {"name": "name", "expression": "variables.about.?name.orValue('')"},
        choices.LABELS_VARIABLE,
        *({"name": f"place{number}", "expression": place} for number, place in enumerate(places)),
    ]
    is_placed = " || ".join(f"variables.place{number}" for number in range(len(places))) or "false"
    return {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": ["", "events.k8s.io"],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                    "resources": ["events"],
                }
            ]
        },
        "variables": variables,
        "validations": [{"reason": "Forbidden", **validation} for validation in _list_validations(identity, is_placed)],
    }


def _list_places(mappings: Sequence[SecretMapping]) -> Iterator[str]:
    """Yield expressions, of which one is true if a mapping writes the Secret to the namespace of the request."""
    by_secret = choices.group_by_secret(mappings)
    pairs = [f"{place}/{name}" for name, writers in by_secret.items() for place in choices.list_names(writers)]
    yield from choices.list_memberships("request.namespace + '/' + variables.name", pairs)
    of_names = ((name, choices.build_choice(writers)) for name, writers in by_secret.items())
    for choice, names in choices.group_names(of_names).items():
        for membership in choices.list_memberships("variables.name", names):
            yield f"{membership} && ({choice})"


def _list_validations(identity: Identity, is_placed: str) -> Iterator[Object]:
    """Yield what has to hold.

    Args:
        identity: the names of the stack.
        is_placed: an expression: whether a mapping writes the Secret to the namespace.
    """
    reasons = ", ".join(f"'{reason}'" for reason in REASONS)
    yield {"expression": "request.operation == 'CREATE'", "message": "Keyferry changes and deletes no Events"}
    yield {
        "expression": "variables.about.?kind.orValue('') == 'Secret' && variables.about.?apiVersion.orValue('') == 'v1'"
        " && variables.about.?namespace.orValue('') == request.namespace"
        " && variables.about.all(k, k in ['apiVersion', 'kind', 'namespace', 'name'])",
        "message": "Keyferry writes Events about Secrets of their own namespace alone",
    }
    yield {
        "expression": is_placed,
        "messageExpression": "'no mapping has Events of Secret ' + variables.name + ' in namespace '"
        " + request.namespace",
    }
    yield {
        "expression": f"variables.is.?reportingComponent.orValue('') == '{COMPONENT}'"
        f" && variables.is.?reportingInstance.orValue('') == '{identity.prefix}'"
        f" && variables.is.?source.orValue({{}}) == {{'component': '{COMPONENT}'}}",
        "message": "Keyferry writes Events in its own name alone",
    }
    yield {
        "expression": f"variables.is.?type.orValue('') == '{TYPE}' && variables.is.?reason.orValue('') in [{reasons}]",
        "message": "Keyferry writes Events of its own reasons alone",
    }
    yield {
        "expression": f"size(variables.is.?message.orValue('')) <= {MAX_MESSAGE}",
        "message": f"Keyferry writes Events of at most {MAX_MESSAGE} characters",
    }
    yield {
        "expression": f"variables.metadata.?name.orValue('').matches('{NAME_END}')"
        " && variables.metadata.all(k, !(k in ['labels', 'annotations', 'finalizers', 'ownerReferences']))"
        f" && variables.is.all(k, k in {_WHOLE} && (k != 'eventTime' || variables.is[k] == null))",
        "message": "Keyferry writes Events of one form alone",
    }
