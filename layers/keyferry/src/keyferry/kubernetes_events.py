"""The Kubernetes Events that `deliver` writes: what all of them have, and how they are named (docs/decisions/0013).

They are of core v1, and filled in as client-go's recorder does (k8s.io/client-go, tools/record, `makeEvent`): whatever
lists Events knows that form. Nothing to do with the events of EventBridge that come in.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Literal

from keyferry.model import format_time

type Reason = Literal["DeliveryFailed", "RestartFailed"]

REASONS: tuple[Reason, ...] = ("DeliveryFailed", "RestartFailed")
"""Why there is an Event: the Secret is not as the mapping says; it is, and its workloads have not been restarted."""
COMPONENT = "keyferry"
"""Who reports, as `kubectl get events --field-selector source=keyferry` asks for it."""
TYPE = "Warning"
MAX_MESSAGE = 1024
"""How many characters a message has at most: as many bytes as events.k8s.io/v1 takes (k8s.io/kubernetes,
pkg/apis/core/validation, NoteLengthLimit). Core v1 has no bound of its own."""
NAME_END = "[.][0-9a-f]{16}$"
"""What every name ends in, as a regular expression of RE2."""
_MAX_NAME = 253
_DIGITS = 16
_HOUR_SECONDS = 3600


def build_event(
    namespace: str, secret: str, reason: Reason, message: str, *, cause: str, instance: str, now: datetime
) -> dict[str, Any]:
    """Return an Event about a Secret, as the body of a `create`.

    Args:
        namespace: the namespace of both.
        secret: the name of the Secret, which need not exist.
        reason: one of REASONS.
        message: what happened, of at most MAX_MESSAGE characters.
        cause: tells one cause from another: a cause has one name within an hour of the clock, by UTC.
        instance: which stack reports: its prefix.
        now: the current time, with a time zone.
    """
    time = format_time(now).replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": namespace, "name": _name_event(secret, f"{instance}\n{reason}\n{cause}", now)},
        "involvedObject": {"apiVersion": "v1", "kind": "Secret", "namespace": namespace, "name": secret},
        "reason": reason,
        "message": message,
        "type": TYPE,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


def _name_event(secret: str, cause: str, now: datetime) -> str:
    """Return a name that looks like one of client-go's: the object's name, a dot, hexadecimal digits."""
    hour = int(now.astimezone(UTC).timestamp()) // _HOUR_SECONDS
    digits = hashlib.sha256(f"{cause}\n{hour}".encode()).hexdigest()[:_DIGITS]
    return f"{secret[: _MAX_NAME - _DIGITS - 1].rstrip('-.')}.{digits}"
