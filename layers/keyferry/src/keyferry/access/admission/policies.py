"""Generate the ValidatingAdmissionPolicies of a cluster: what RBAC cannot express about the rights of the pipeline.

They look at the pipeline's own users alone, and cost nobody else anything.
"""

import json
from collections.abc import Sequence
from typing import Any

from keyferry.access.admission import event_rules, secret_rules, workload_rules
from keyferry.errors import InvalidInput
from keyferry.identity import Identity
from keyferry.mapping.mapping import SecretMapping

type Object = dict[str, Any]

MAX_BYTES = 1_000_000
"""How large a policy may be, as JSON. The API server takes requests of 1.5 MiB (etcd, `--max-request-bytes`)."""
_API = "admissionregistration.k8s.io/v1"


def build_policies(identity: Identity, mappings: Sequence[SecretMapping], *, events: bool = False) -> list[Object]:
    """Return the policies for the mappings of one cluster, each with its binding.

    Args:
        identity: the names of the stack.
        mappings: the mappings that write to the cluster. The policy for Secrets is there without any, too: the file of
            a cluster then has something that can be applied, and holds rights that have not been removed yet. Without
            one that restarts workloads there is none for workloads.
        events: whether the pipeline writes Kubernetes Events there.

    Raises:
        InvalidInput: a policy would be larger than an API server takes.
    """
    restarting = [mapping for mapping in mappings if mapping.spec.restart != "none"]
    objects = _build_policy(identity.secrets_policy, identity, secret_rules.build_rules(mappings))
    if restarting:
        objects += _build_policy(identity.workloads_policy, identity, workload_rules.build_rules(identity, restarting))
    if events:
        objects += _build_policy(identity.events_policy, identity, event_rules.build_rules(identity, mappings))
    return objects


def _build_policy(name: str, identity: Identity, rules: Object) -> list[Object]:
    """Return a policy for the stack's writers, and its binding."""
    users = ", ".join(f"'{user}'" for user in identity.writers)
    policy = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConditions": [{"name": "pipeline", "expression": f"request.userInfo.username in [{users}]"}],
            **rules,
        },
    }
    size = len(json.dumps(policy))
    if size > MAX_BYTES:
        raise InvalidInput(
            f"the admission policy {name} would have {size:,} bytes, and {MAX_BYTES:,} are the most: let some of the"
            " mappings go by a stack of their own, with another prefix (stack.yaml)"
        )
    binding = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return [policy, binding]
