"""What the API server refuses → Keyferry's errors.

Of the server's own text nothing is passed on but names: it can quote what was sent.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from keyferry.errors import (
    Conflict,
    Forbidden,
    KeyferryError,
    NamespaceGone,
    Overtaken,
    Refused,
    ServerError,
    Throttled,
)

_POLICY = re.compile(r"admission webhook \"[^\"]+\"|ValidatingAdmissionPolicy '[^']+'")
_WEBHOOK = re.compile(r"failed calling webhook \"[^\"]+\"")
_VERB = re.compile(r"cannot (create|delete|get|list|patch) resource")
_MANAGER = re.compile(r"conflicts? with \"([^\"]+)\"")


def refusal(status: int, body: bytes, *, verb: str, what: str, namespace: str | None) -> KeyferryError:
    """Return the error for an answer that is none of 2xx.

    Args:
        status: the HTTP status.
        body: the answer, a Kubernetes `Status` where it is well-formed.
        verb: the verb as RBAC calls it.
        what: resource and name, as `secrets/payments-db`.
        namespace: where, None for what has no namespace.
    """
    answer = _status(body)
    where = f"{what} in namespace {namespace}" if namespace else what
    policy = _POLICY.search(str(answer.get("message", "")))
    if policy and status in (400, 403, 422):  # a policy chooses its status itself
        return Forbidden(f"{policy[0]} refuses to {verb} {where}: allow it there")
    match status:
        case 403:
            return _forbidden(answer, verb, where, namespace)
        case 404:
            return NamespaceGone(
                f"{where}: namespace {namespace} does not exist; create it, then start the reconcile function with"
                f' {{"namespace": "{namespace}"}}'
            )
        case 409:
            return _conflict(answer, where)
        case 413 | 422 | 400:
            return Refused(f"the API server does not accept {where} ({status}): {_fields(answer)}")
        case 429:
            return Throttled(f"the API server asks to slow down, for longer than there is time ({where})")
    webhook = _WEBHOOK.search(str(answer.get("message", "")))
    why = f": {webhook[0]}" if webhook else ""
    return ServerError(f"the API server answers {status} to {verb} {where}{why}")


def _forbidden(answer: Mapping[str, Any], verb: str, where: str, namespace: str | None) -> KeyferryError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in _causes(answer)):
        return NamespaceGone(f"{where}: namespace {namespace} is being deleted")
    message = str(answer.get("message", ""))
    if "exceeded quota" in message:
        return Forbidden(f"{where}: a ResourceQuota of namespace {namespace} is used up; raise it")
    missing = _VERB.search(message)  # to create what is missing needs create too
    if missing is None:
        return Forbidden(f"an admission plugin of the cluster forbids to {verb} {where}: allow it there")
    verb = missing[1]
    return Forbidden(f"the cluster forbids to {verb} {where}: grant the verb {verb} by RBAC (see generated/)")


def _conflict(answer: Mapping[str, Any], where: str) -> KeyferryError:
    causes = [cause for cause in _causes(answer) if cause.get("reason") == "FieldManagerConflict"]
    if not causes:
        return Overtaken(f"{where} changed between reading and writing it")
    managers = sorted({match[1] for cause in causes if (match := _MANAGER.search(str(cause.get("message", ""))))})
    fields = ", ".join(sorted({str(cause.get("field", "")) for cause in causes}))
    return Conflict(f"{where}: {fields} belongs to field manager {', '.join(managers) or 'unknown'}")


def _fields(answer: Mapping[str, Any]) -> str:
    told = [f"{cause.get('field', 'a field')}: {cause.get('reason', 'invalid')}" for cause in _causes(answer)]
    return "; ".join(told) or str(answer.get("reason", "no reason given"))


def _causes(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (answer.get("details") or {}).get("causes") or []


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
