"""What is kept of each write of a Secret, for those who ask later what reached which target, and by what."""

from collections.abc import Mapping
from typing import Any, Literal

from keyferry.delivery.work import Work
from keyferry.model import Place, format_moment

type Origin = Literal["event", "sweep", "push", "restart", "replay"]
"""What a delivery comes from: an event of AWS, or what Keyferry or a person has sent."""
MADE: tuple[Origin, ...] = ("sweep", "push", "restart", "replay")
"""The origins whose event ids Keyferry makes: they begin with the origin and a hyphen. Those of events are UUIDs."""


def get_origin(event_id: str) -> Origin:
    """Return what an event id says that its deliveries come from."""
    beginning = event_id.partition("-")[0]
    return next((origin for origin in MADE if origin == beginning), "event")


def describe_write(work: Work, namespace: str, did: str, why: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the line `audit` about one write of a Secret. There is no value in it.

    Args:
        work: the delivery that has written it.
        namespace: the namespace of the Secret.
        did: what the write did, as `keyferry.delivery.report.Effect` has it.
        why: the reason of the write.
        versions: alias of a source → the version that the journal of the Secret names after the write, or before it
            was deleted.
    """
    delivery, place = work.delivery, Place(work.delivery.cluster, namespace)
    resolved = {alias: source.resolve(place) for alias, source in work.mapping.spec.sources.items()}
    return {
        **delivery.log_fields(),
        "event_time": format_moment(delivery.time),
        "origin": get_origin(delivery.event_id),
        "namespace": namespace,
        "secret": work.mapping.spec.secret.name,
        "did": did,
        "why": why,
        "sources": {
            alias: {"store": source.store_name, "name": str(source)}
            | ({"version": versions[alias]} if alias in versions else {})
            for alias, source in sorted(resolved.items())
        },
    }
