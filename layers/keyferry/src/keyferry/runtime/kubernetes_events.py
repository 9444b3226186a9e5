"""Write the Kubernetes Events of a delivery, after it is decided what becomes of its message."""

from datetime import UTC, datetime

from keyferry.deadline import Deadline
from keyferry.pipeline.kubernetes_events import (
    WRITE_SECONDS,
    add_note,
    has_somebody_to_tell,
    list_events,
    write_events,
)
from keyferry.pipeline.settle import Settlement, settle_error
from keyferry.runtime.wiring import Runtime


def tell(runtime: Runtime, settlement: Settlement, deadline: Deadline) -> Settlement:
    """Tell the teams of namespaces what has failed there, where clusters.yaml asks for it.

    Args:
        runtime: the runtime of this environment.
        settlement: what became of a delivery's message.
        deadline: after that, no Event is written any more.

    Returns:
        The settlement, with a note if not all was told. No error is raised.
    """
    try:
        return add_note(settlement, _write(runtime, settlement, deadline))
    except Exception as error:
        return add_note(settlement, f"Kubernetes Events were not written: {settle_error(error).reason}")


def _write(runtime: Runtime, settlement: Settlement, deadline: Deadline) -> str:
    """Write the Events of a delivery, and return a note if some were not written."""
    if settlement.delivery is None or not has_somebody_to_tell(settlement):
        return ""
    mapping, cluster = runtime.catalog.get(settlement.delivery.mapping, settlement.delivery.cluster)
    prefix, now = runtime.catalog.stack.identity.prefix, datetime.now(UTC)
    events = list_events(settlement, mapping, prefix, now) if cluster.events else []
    if not events:
        return ""
    until = min(deadline, Deadline.after(WRITE_SECONDS), key=Deadline.remaining)
    runtime.limit(until)
    return write_events(events, runtime.connect(cluster, until).create_event, runtime.concurrency)
