"""What RBAC cannot say: the pipeline may restart a workload, and change nothing else about it.

`patch` on a Deployment is the right to run anything in its namespace. A ValidatingAdmissionPolicy takes all of that
right away again but the stamps, annotations `keyferry.dev/*` of the pod template.
"""

from typing import Any

from keyferry.identity import Identity
from keyferry.kinds import KINDS

type Object = dict[str, Any]

_API = "admissionregistration.k8s.io/v1"
_COUNTED = "k in ['generation', 'managedFields', 'resourceVersion']"
"""What the API server itself changes of an object's metadata with every change."""


def policy(identity: Identity) -> list[Object]:
    """Return the policy and its binding, the same for every cluster."""
    name = identity.admission_policy
    return [
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": _resources()},
                "matchConditions": [
                    {"name": identity.prefix, "expression": f"'{identity.deliver}' in request.userInfo.groups"}
                ],
                "variables": [{"name": name, "expression": text} for name, text in _variables()],
                "validations": [
                    {
                        "expression": _only_annotations(identity),
                        "message": f"Keyferry may change the annotations {identity.domain}/* of a pod template alone",
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


def _resources() -> list[Object]:
    """Return every kind that a mapping can restart, its scale, status and other subresources too."""
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


def _variables() -> list[tuple[str, str]]:
    """Return the parts of the object before (`was`) and after (`is`) that hold each other: empty where absent."""
    found = []
    for name, whole in (("is", "object"), ("was", "oldObject")):
        found.append((f"{name}Whole", f"{whole} == null ? {{}} : dyn({whole})"))
        found.append((f"{name}Metadata", f"variables.{name}Whole.?metadata.orValue({{}})"))
        found.append((f"{name}OwnAnnotations", f"variables.{name}Metadata.?annotations.orValue({{}})"))
        found.append((f"{name}Spec", f"variables.{name}Whole.?spec.orValue({{}})"))
        found.append((f"{name}Template", f"variables.{name}Spec.?template.orValue({{}})"))
        found.append((f"{name}TemplateMetadata", f"variables.{name}Template.?metadata.orValue({{}})"))
        found.append((f"{name}Annotations", f"variables.{name}TemplateMetadata.?annotations.orValue({{}})"))
    return found


def _only_annotations(identity: Identity) -> str:
    counted = " || ".join(f"k == '{name}'" for kind in KINDS.values() for name in kind.counters)
    same = [
        _same("Metadata", f"k == 'annotations' || {_COUNTED}"),
        _same("OwnAnnotations", counted),
        _same("Spec", "k == 'template'"),
        _same("Template", "k == 'metadata'"),
        _same("TemplateMetadata", "k == 'annotations'"),
        _same("Annotations", f"k.startsWith('{identity.domain}/')"),
    ]
    return " && ".join(["request.operation == 'UPDATE'", "!has(request.subResource)", *same])


def _same(part: str, but: str) -> str:
    """Return that a part has the same fields with the same values as before, but some."""
    now, before = f"variables.is{part}", f"variables.was{part}"
    kept = f"{before}.all(k, {but} || k in {now})"
    return f"{kept} && {now}.all(k, {but} || (k in {before} && {now}[k] == {before}[k]))"
