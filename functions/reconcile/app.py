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
from keyferry.runtime.telemetry import Function
from keyferry.runtime.wiring import control, runtime

RESERVE_SECONDS = 60
"""What a call that has begun may take, and sending what was found."""

function = Function()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle messages that start a sweep, or a request made by hand: then return what was sent and why."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)
    if "Records" in event:
        return function.handle_messages(event, context, lambda message: _work(message, deadline), control, done="swept")
    try:
        swept = _sweep(event, context.aws_request_id, deadline)
        function.count(swept.metrics())
        function.logger.info("swept", extra=swept.log_fields())
        return swept.log_fields()
    finally:
        function.flush()


def _work(message: Message, deadline: Deadline) -> Settlement:
    try:
        return Settlement("done", _sweep(message.document, message.id, deadline))
    except InvalidInput as error:
        return Settlement("dropped", reason=str(error))


def _sweep(request: object, event_id: str, deadline: Deadline) -> SweepReport:
    observer = Observer(runtime().connect, runtime().versions(), deadline)
    return reconcile(parse_sweep(request), runtime().catalog, observer, runtime().queue.send, event_id)
