"""Mappings, clusters, workloads and deliveries that tests start from."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from keyferry.delivery.desired import Desired
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery, Place, SecretValue, SourceValue
from keyferry.render.render import render, render_metadata

ACCOUNT = "111122223333"
WHEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PLACE = Place("prod-eu", "payments")

SPEC: dict[str, Any] = {
    "sources": {"db": {"secretsManager": "prod/payments/db"}},
    "clusters": ["prod-eu"],
    "namespaces": ["payments"],
    "secret": {
        "name": "payments-db",
        "data": {"username": {"from": "db", "path": "username"}, "password": {"from": "db", "path": "password"}},
    },
}


_OF_THE_SECRET = {"data", "dataFrom", "variables", "labels", "name", "type", "immutable"}


def spec(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  # YAML is anything
    """Return the spec of a mapping; a change of `data`, `name`, `type` or the like is one of its Secret."""
    whole = copy.deepcopy(SPEC)
    for key, value in changes.items():
        (whole["secret"] if key in _OF_THE_SECRET else whole)[key] = value
    return whole


def mapping(called: str = "payments-db", was: Any = (), **changes: Any) -> SecretMapping:  # noqa: ANN401
    """Return a mapping, with the names that it had before."""
    return SecretMapping.model_validate(
        {
            "apiVersion": "keyferry.dev/v1",
            "kind": "SecretMapping",
            "metadata": {"name": called, "previousNames": list(was)},
            "spec": spec(**changes),
        }
    )


def rendered(
    wanted: SecretMapping, sources: Mapping[str, SourceValue], place: Place = PLACE
) -> Mapping[str, SecretValue]:
    """Return the data that a mapping makes of its sources' values."""
    return render(wanted, sources, place).data


def desired_of(wanted: SecretMapping, data: Mapping[str, SecretValue], versions: Mapping[str, str]) -> Desired:
    """Return the Secret that should hold this data."""
    return Desired(wanted, data, versions, *render_metadata(wanted, PLACE, {}))


def cluster(name: str = "prod-eu", **more: Any) -> Cluster:  # noqa: ANN401
    """Return a cluster."""
    eks = {"name": name, "region": "eu-west-1", "account": ACCOUNT}
    return Cluster.model_validate({"name": name, "eks": eks, **more})


def delivery(**changes: Any) -> Delivery:  # noqa: ANN401
    """Return a delivery of the sample mapping."""
    whole = {"mapping": "payments-db", "cluster": "prod-eu", "event_id": "event-1", "time": WHEN}
    return Delivery.model_validate(whole | changes)


def value(text: str | bytes, version: str = "version-1") -> SourceValue:
    """Return what a source holds: text, or binary where it is bytes."""
    content = text.encode() if isinstance(text, str) else text
    return SourceValue(SecretValue(content), version, binary=isinstance(text, bytes))


def uses(name: str = "payments-db") -> dict[str, Any]:
    """Return the spec of a pod that uses a Secret."""
    return {"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": name}}]}]}


def workload(name: str, pod: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a workload whose pods are so; `more` goes into its spec."""
    template = {"metadata": {"labels": {"app": name}}, "spec": uses() if pod is None else pod}
    return {"metadata": {"name": name}, "spec": {"replicas": 1, "template": template, **more}}


def envelope(kind: str, source: str, detail: dict[str, Any], **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an EventBridge envelope."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": "2026-11-24T12:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    } | changes
