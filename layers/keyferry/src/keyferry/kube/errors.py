"""Turn errors of the API server into errors of Keyferry.

Only names are taken from the server's text, because it can quote what was sent.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from keyferry.errors import (
    ClusterThrottled,
    Conflict,
    Forbidden,
    KeyferryError,
    NamespaceGone,
    Overtaken,
    Refused,
    ServerError,
)
from keyferry.wording import suggest

_POLICY = re.compile(r"admission webhook \"[^\"]+\"|ValidatingAdmissionPolicy '[^']+'")
_WEBHOOK = re.compile(r"failed calling webhook \"[^\"]+\"")
_VERB = re.compile(r"cannot (create|delete|get|list|patch) resource")
_MANAGER = re.compile(r"conflicts? with \"([^\"]+)\"")


def build_error(
    status: int, body: bytes, *, cluster: str, verb: str, resource: str, namespace: str | None
) -> KeyferryError:
    """Return the KeyferryError for an answer whose HTTP status is not 2xx.

    Args:
        status: the HTTP status.
        body: the body of the answer, which is a Kubernetes `Status` if it is well-formed.
        cluster: the cluster's name in mappings.
        verb: the verb in RBAC.
        resource: resource and name, as `secrets/payments-db`.
        namespace: the namespace of the object; None if it has none.
    """
    answer = _parse_status(body)
    object_name = f"{resource} in namespace {namespace}" if namespace else resource
    policy = _POLICY.search(str(answer.get("message", "")))
    if policy and status in (400, 403, 422):  # each policy chooses its own status
        return Forbidden(f"{policy[0]} refuses to {verb} {object_name}: allow it there")
    match status:
        case 403:
            return _build_forbidden(answer, cluster, verb, object_name, namespace)
        case 404:
            return NamespaceGone(
                f"{object_name}: namespace {namespace} does not exist; create it, then start the reconcile function"
                f' with {{"namespace": "{namespace}"}}'
            )
        case 409:
            return _build_conflict(answer, object_name)
        case 413 | 422 | 400:
            return Refused(f"the API server does not accept {object_name} ({status}): {_list_fields(answer)}")
        case 429:
            return ClusterThrottled(
                f"the API server asks to slow down, for longer than a request waits ({object_name})"
            )
    webhook = _WEBHOOK.search(str(answer.get("message", "")))
    cause = f": {webhook[0]}" if webhook else ""
    return ServerError(f"the API server answers {status} to {verb} {object_name}{cause}")


def build_missing(namespace: str, cluster: str, known: Iterable[str]) -> NamespaceGone:
    """Return the error for a namespace that the cluster does not have; `known` may be meant by it."""
    return NamespaceGone(
        f"namespace {namespace} is not in cluster {cluster}: create it and {_heal(cluster)}; or correct"
        f" spec.namespaces{suggest(namespace, known)}"
    )


def build_terminating(namespace: str, cluster: str) -> NamespaceGone:
    """Return the error for a namespace that is being deleted: nothing can be created in it."""
    return NamespaceGone(
        f"namespace {namespace} of cluster {cluster} is being deleted: take it out of spec.namespaces; or create it"
        f" anew once it is gone, and {_heal(cluster)}"
    )


def _heal(cluster: str) -> str:
    return f"apply generated/clusters/{cluster}/rbac.yaml, then the next sweep writes the Secret"


def _build_forbidden(
    answer: Mapping[str, Any], cluster: str, verb: str, object_name: str, namespace: str | None
) -> KeyferryError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in _get_causes(answer)):
        return NamespaceGone(f"{object_name}: namespace {namespace} is being deleted")
    message = str(answer.get("message", ""))
    if "exceeded quota" in message:
        return Forbidden(f"{object_name}: a ResourceQuota of namespace {namespace} is used up; raise it")
    missing_verb = _find_missing_verb(message)
    if missing_verb is None:
        return Forbidden(f"an admission plugin of the cluster forbids to {verb} {object_name}: allow it there")
    verb = missing_verb
    # docs/deploy/index.md: a context of kubectl that is called as the cluster is.
    command = f"kubectl --context {cluster} apply --server-side -f generated/clusters/{cluster}/rbac.yaml"
    return Forbidden(f"the cluster forbids to {verb} {object_name}: grant the verb {verb} by RBAC: `{command}`")


def _find_missing_verb(message: str) -> str | None:
    """Return the verb that RBAC does not allow; it can be another one than was asked for.

    An apply that creates the object needs `create` too. Without it, Kubernetes 1.30 answers "… is forbidden: " and no
    more (`withAuthorization` in apiserver, pkg/endpoints/handlers/update.go); an admission plugin gives a reason.
    """
    found = _VERB.search(message)
    if found:
        return found[1]
    return "create" if message.rstrip().endswith(" is forbidden:") else None


def _build_conflict(answer: Mapping[str, Any], object_name: str) -> KeyferryError:
    causes = [cause for cause in _get_causes(answer) if cause.get("reason") == "FieldManagerConflict"]
    if not causes:
        return Overtaken(f"{object_name} changed between reading and writing it")
    managers = sorted({match[1] for cause in causes if (match := _MANAGER.search(str(cause.get("message", ""))))})
    fields = ", ".join(sorted({str(cause.get("field", "")) for cause in causes}))
    return Conflict(f"{object_name}: {fields} belongs to field manager {', '.join(managers) or 'unknown'}")


def _list_fields(answer: Mapping[str, Any]) -> str:
    fields = [f"{cause.get('field', 'a field')}: {cause.get('reason', 'invalid')}" for cause in _get_causes(answer)]
    return "; ".join(fields) or str(answer.get("reason", "no reason given"))


def _get_causes(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (answer.get("details") or {}).get("causes") or []


def _parse_status(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
