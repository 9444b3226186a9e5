"""Generate the ValidatingAdmissionPolicy that lets the pipeline restart a workload, and change nothing else about it.

By RBAC alone, `patch` on a Deployment is the right to run any program in its namespace. The policy allows only one
change: of annotations `keyferry.dev/*` in the pod template, which restarts the pods.
"""

from typing import Any

from keyferry.identity import Identity
from keyferry.kinds import KINDS

type Object = dict[str, Any]

_API = "admissionregistration.k8s.io/v1"
_SERVER_FIELDS = "k in ['generation', 'managedFields', 'resourceVersion']"
"""A CEL expression: whether `k` is a field of metadata that the API server itself changes with every write."""


def build_policy(identity: Identity) -> list[Object]:
    """Return the policy and its binding. They are the same for every cluster."""
    name, users = identity.workloads_policy, ", ".join(f"'{user}'" for user in identity.writers)
    return [
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": _build_resource_rules()},
                "matchConditions": [{"name": "pipeline", "expression": f"request.userInfo.username in [{users}]"}],
                "variables": [{"name": name, "expression": expression} for name, expression in _list_variables()],
                "validations": [
                    {
                        "expression": _build_validation(identity),
                        "message": f"Keyferry may change annotations {identity.stamp_domain}/* of pod templates alone",
                        "reason": "Forbidden",
                    }
                ],
            },
        },
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def _build_resource_rules() -> list[Object]:
    """Return rules that match every kind of workload in the table, with its subresources (scale, status …)."""
    groups = dict.fromkeys(kind.group for kind in KINDS.values())
    return [
        {
            "apiGroups": [group],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "resources": [
                name for kind in KINDS.values() if kind.group == group for name in (kind.resource, f"{kind.resource}/*")
            ],
        }
        for group in groups
    ]


def _list_variables() -> list[tuple[str, str]]:
    """Return the CEL variables, as (name, expression).

    They are the parts of the object before (`was…`) and after (`is…`) the change, each inside the one before it. A part
    that is missing is an empty map.
    """
    variables = []
    for name, whole in (("is", "object"), ("was", "oldObject")):
        variables.append((f"{name}Whole", f"{whole} == null ? {{}} : dyn({whole})"))
        variables.append((f"{name}Metadata", f"variables.{name}Whole.?metadata.orValue({{}})"))
        variables.append((f"{name}OwnAnnotations", f"variables.{name}Metadata.?annotations.orValue({{}})"))
        variables.append((f"{name}Spec", f"variables.{name}Whole.?spec.orValue({{}})"))
        variables.append((f"{name}Template", f"variables.{name}Spec.?template.orValue({{}})"))
        variables.append((f"{name}TemplateMetadata", f"variables.{name}Template.?metadata.orValue({{}})"))
        variables.append((f"{name}Annotations", f"variables.{name}TemplateMetadata.?annotations.orValue({{}})"))
    return variables


def _build_validation(identity: Identity) -> str:
    """Return the CEL expression that is true if only annotations `keyferry.dev/*` of the pod template differ."""
    counters = " || ".join(f"k == '{name}'" for kind in KINDS.values() for name in kind.counters)
    comparisons = [
        _build_comparison("Metadata", f"k == 'annotations' || {_SERVER_FIELDS}"),
        _build_comparison("OwnAnnotations", counters),
        _build_comparison("Spec", "k == 'template'"),
        _build_comparison("Template", "k == 'metadata'"),
        _build_comparison("TemplateMetadata", "k == 'annotations'"),
        _build_comparison("Annotations", f"k.startsWith('{identity.stamp_domain}/')"),
    ]
    return " && ".join(["request.operation == 'UPDATE'", "!has(request.subResource)", *comparisons])


def _build_comparison(part: str, is_exempt: str) -> str:
    """Return a CEL expression that is true if a part of the object is the same before and after the change.

    Args:
        part: the name of the part, without `is` and `was`.
        is_exempt: a CEL expression of the field name `k`: true for fields that may differ.
    """
    now, before = f"variables.is{part}", f"variables.was{part}"
    kept = f"{before}.all(k, {is_exempt} || k in {now})"
    return f"{kept} && {now}.all(k, {is_exempt} || (k in {before} && {now}[k] == {before}[k]))"
