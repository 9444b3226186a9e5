"""Attacks by Kubernetes Events: what somebody with the credentials of `deliver` would say in the name of others."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from keyferry.identity import Identity
from keyferry.kubernetes_events import MAX_MESSAGE, build_event
from keyferry_local.admin import Object
from tests.integration.attacks import BARE, HOME, JSON, MERGE, NEAR, SHOP, TEAM, Absence, Attack, Validation

CHANGED = Validation("events", "changes and deletes no Events")
ABOUT = Validation("events", "about Secrets of their own namespace alone")
PLACED = Validation("events", "no mapping has Events of Secret")
NAMED = Validation("events", "in its own name alone")
REASON = Validation("events", "of its own reasons alone")
LONG = Validation("events", f"of at most {MAX_MESSAGE} characters")
FORM = Validation("events", "of one form alone")
KNOWN = "db.0123456789abcdef"
"""The name of an Event that is there."""


def event(identity: Identity, namespace: str = HOME, secret: str = "db", **changes: Any) -> Object:  # noqa: ANN401, S107
    """Return an Event as `deliver` writes it, with some changes; None takes a field away."""
    now = datetime.now(UTC)
    made = build_event(namespace, secret, "DeliveryFailed", "no", cause="x", instance=identity.prefix, now=now)
    for part, value in changes.items():
        made[part] = made[part] | value if isinstance(made.get(part), dict) else value
    return {name: value for name, value in made.items() if value is not None}


def list_attacks_of_deliver(identity: Identity) -> Iterator[Attack]:
    """Yield Events that `deliver` does not write, and what else could be done with Events."""
    for name, namespace in (("somebodys", HOME), ("session", HOME), ("db", TEAM), ("once", NEAR), ("db", BARE)):
        yield _create(f"tell of {name} in {namespace}", event(identity, namespace, name), PLACED)
    for what, about in (
        ("a Pod", {"kind": "Pod"}),
        ("another API", {"apiVersion": "v2"}),
        ("a field of it", {"fieldPath": "data.password"}),
        ("one Secret of many", {"uid": "00000000-0000-0000-0000-000000000000"}),
    ):
        yield _create(f"tell of {what}", event(identity, involvedObject=about), ABOUT)
    elsewhere = event(identity, involvedObject={"namespace": SHOP}, eventTime="2026-11-29T12:00:00.000000Z", action="x")
    yield _create("tell of another namespace", elsewhere, ABOUT, FORM)
    for what, changes in (
        ("as the kubelet", {"source": {"component": "kubelet"}}),
        ("with a host", {"source": {"host": "node-1"}}),
        ("as the kubelet, for newer clients", {"reportingComponent": "kubelet"}),
        ("as another stack", {"reportingInstance": "other"}),
    ):
        yield _create(f"tell {what}", event(identity, **changes), NAMED)
    for what, reason in (("all is well", {"type": "Normal"}), ("for another reason", {"reason": "Killing"})):
        yield _create(f"tell {what}", event(identity, **reason), REASON)
    yield _create("tell a novel", event(identity, message="x" * (MAX_MESSAGE + 1)), LONG)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "00000000-0000-0000-0000-000000000000"}
    for what, changed in (
        ("under any name", {"metadata": {"name": "any-name"}}),
        ("with a label", {"metadata": {"labels": {"x": "x"}}}),
        ("with an annotation", {"metadata": {"annotations": {"x": "x"}}}),
        ("that is never gone", {"metadata": {"finalizers": ["example.com/x"]}}),
        ("with an owner", {"metadata": {"ownerReferences": [owner]}}),
        ("with something related", {"related": {"kind": "Pod", "namespace": HOME, "name": "x"}}),
        ("as a series", {"series": {"count": 7, "lastObservedTime": "2026-11-29T12:00:00.000000Z"}}),
        ("with an action", {"action": "x"}),
    ):
        yield _create(f"tell {what}", event(identity, **changed), FORM)
    yield from _list_other_verbs(identity)


def _list_other_verbs(identity: Identity) -> Iterator[Attack]:
    path = _path(HOME)
    one = f"{path}/{KNOWN}"
    every = (CHANGED, ABOUT, PLACED, NAMED, REASON, FORM)
    patch: Object = {"message": "other", "reportingInstance": identity.prefix}
    yield Attack("change an Event", "PATCH", one, (Absence("patch", "events"), CHANGED), patch, MERGE)
    yield Attack("delete an Event", "DELETE", one, (Absence("delete", "events"), *every))
    yield Attack("read an Event", "GET", one, (Absence("get", "events"),))
    yield Attack("list Events", "GET", path, (Absence("list", "events"),))
    yield Attack("list all Events", "GET", "/api/v1/events", (Absence("list", "events"),))
    newer: Object = {
        "metadata": {"namespace": HOME, "name": "db.fedcba9876543210"},
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": HOME, "name": "x"},
        **{"note": "x" * MAX_MESSAGE, "reason": "Killing", "type": "Normal", "action": "x"},
        **{"reportingController": "kubelet", "reportingInstance": "x", "eventTime": "2026-11-29T12:00:00.000000Z"},
    }
    absent = Absence("create", "events", "events.k8s.io")
    stoppers = (absent, ABOUT, PLACED, NAMED, REASON, FORM)
    yield Attack("tell by the newer API", "POST", path.replace("/api/", "/apis/events.k8s.io/"), stoppers, newer, JSON)


def list_attacks_of_push(identity: Identity) -> Iterator[Attack]:
    """Yield what `deliver` may do, and nobody else."""
    yield _create("tell of a Secret", event(identity), Absence("create", "events"))


def _create(what: str, body: Object, *stopped_by: Validation | Absence) -> Attack:
    return Attack(what, "POST", _path(body["metadata"]["namespace"]), stopped_by, body, JSON)


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/events"
