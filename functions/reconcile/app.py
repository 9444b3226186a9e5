"""reconcile: the sweep → a delivery for every (mapping, cluster) whose state is not known to be right.

Started by messages (the schedule, a deployment) or invoked by hand with {"mapping", "cluster", "namespace"}.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

import keyferry.kube  # noqa: F401  # during init, which has the most CPU, rather than at the first delivery
from keyferry.deadline import Deadline
from keyferry.errors import InvalidInput
from keyferry.model import Message
from keyferry.pipeline.settle import Settlement
from keyferry.pipeline.sweep import Observer, SweepReport, parse_sweep, reconcile
from keyferry.runtime.telemetry import LambdaFunction
from keyferry.runtime.wiring import get_runtime

RESERVE_SECONDS = 60
"""How long a call that has begun, and then the sending of the deliveries, may still take."""

function = LambdaFunction()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sweep for each message of a batch, or for a request made by hand, whose answer says what was sent and why."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)
    if "Records" in event:
        return function.handle_messages(
            event, context, lambda message: _settle(message, deadline), get_runtime, done_text="swept"
        )
    try:
        report = _sweep(event, context.aws_request_id, deadline)
        function.count(report.metrics())
        function.logger.info("swept", extra=report.log_fields())
        return report.log_fields()
    finally:
        function.flush()


def _settle(message: Message, deadline: Deadline) -> Settlement:
    try:
        return Settlement("done", _sweep(message.document, message.id, deadline))
    except InvalidInput as error:
        return Settlement("dropped", reason=str(error))


def _sweep(request: object, event_id: str, deadline: Deadline) -> SweepReport:
    runtime = get_runtime()
    runtime.limit(deadline)
    observer = Observer(runtime.connect, runtime.create_version_reader(), deadline)
    return reconcile(parse_sweep(request), runtime.catalog, observer, runtime.queue.send, event_id)
