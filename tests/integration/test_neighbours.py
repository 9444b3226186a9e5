"""One bad mapping, one missing namespace, one unreachable cluster: none of them holds up the others."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from keyferry.identity import IDENTITY
from keyferry_local.admin import Admin, Object
from keyferry_local.install import Installation
from keyferry_local.watch import until
from tests.integration.deployed import Deployed, now

VALUE = '{"password": "canary-neighbours-%d"}'


def _list_events(admin: Admin, path: str) -> list[Object]:
    """Return the Events that Keyferry has written there."""
    return [each for each in admin.send("GET", path)["items"] if each.get("reportingComponent") == "keyferry"]


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Iterator[Deployed]:
    """The stack, with one namespace gone and the right to write in it nevertheless."""
    stack = Deployed(installed)
    group = "rbac.authorization.k8s.io"
    rules = [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["scattered"],
            "verbs": ["get", "patch", "create"],
        }
    ]
    subjects = [{"apiGroup": group, "kind": "User", "name": IDENTITY.deliver}]
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": "scattered"}
    named = {"apiVersion": f"{group}/v1", "metadata": {"name": "scattered"}}
    stack.eu.apply(
        {**named, "kind": "ClusterRole", "rules": rules},
        {**named, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": subjects},
    )
    stack.eu.delete("Namespace", "scattered-2")
    until("the namespace gone", lambda: stack.eu.get("Namespace", "scattered-2") is None)
    since = now()
    stack.put("tests/neighbours", VALUE % 1)
    for name in ("near", "lacking", "scattered"):
        stack.deliveries(name, since)
    stack.deliveries("far", since, cluster="prod-eu")
    yield stack
    stack.eu.delete("ClusterRoleBinding", "scattered")


def test_the_others_are_delivered_to_beside_what_is_wrong(stack: Deployed) -> None:
    since = now()
    stack.put("tests/neighbours", VALUE % 2)

    (routed,) = stack.routed(since, names=["tests/neighbours"])
    change = routed["event_id"]
    stack.deliveries("near", since, message="delivered", event_id=change)
    (lacking,) = stack.deliveries("lacking", since, message="dead letter", event_id=change, cluster="prod-eu")
    (near,) = stack.deliveries("far", since, cluster="prod-eu", event_id=change)
    # Since the deployment's own sweep it has come back again and again, by now after minutes.
    lost, *_ = stack.deliveries("far", datetime.fromtimestamp(0, UTC), cluster="lost")
    (scattered,) = stack.deliveries("scattered", since, event_id=change)

    for name in ("near", "far"):
        assert stack.eu.data(name, "near") == {"password": b"canary-neighbours-2"}
    assert stack.eu.data("lacking", "near") is None
    place = "mappings/tests/neighbours.yaml:20"  # of its key, in tests/integration/mappings
    assert lacking["reason"].startswith(f"{place}: SourceUnusable: mapping lacking, key password")
    assert (lacking["at"], stack.dead_letter('"mapping":"lacking"')["reason"]) == (place, lacking["reason"])
    assert near["message"] == "delivered"
    assert lost["message"] == "retry later"
    text = "ClusterUnreachable: cluster lost at https://127.0.0.1:1: no connection"
    assert lost["reason"].startswith(f"mappings/tests/clusters.yaml:5: {text}")
    for namespace in ("scattered-1", "scattered-3"):
        assert stack.eu.data("scattered", namespace) == {"password": b"canary-neighbours-2"}
    assert scattered["targets"]["failed"] == 1
    assert sum(scattered["targets"].values()) == 3
    assert scattered["message"] == "dead letter"
    assert "NamespaceGone: namespace scattered-2 is not in cluster" in scattered["reason"]


def test_what_fails_in_a_namespace_is_told_there_by_an_event_where_clusters_yaml_asks_for_it(stack: Deployed) -> None:
    since = now()
    stack.put("tests/neighbours", VALUE % 3)
    lines = [
        stack.deliveries("lacking", since, message="dead letter", cluster=name)[0] for name in ("prod-eu", "prod-us")
    ]

    def look() -> list[Object]:
        events = _list_events(stack.eu, "/api/v1/namespaces/near/events")
        return [event for event in events if event["involvedObject"]["name"] == "lacking"]

    event, *_ = until("an Event", look)  # one for each hour
    about, message = event["involvedObject"], event["message"]
    assert (about["kind"], about["name"], event["reason"]) == ("Secret", "lacking", "DeliveryFailed")
    assert message.startswith("SourceUnusable: mapping lacking, key password")
    assert (lines[0]["at"] in message, "canary" in message) == (True, False)
    assert _list_events(stack.cloud.admins["prod-us"], "/api/v1/events") == []
