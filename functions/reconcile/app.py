"""reconcile: the sweep → a delivery for every (mapping, cluster) that is not up to date.

Started by messages (the schedule, a deployment, a sweep that ran out of time) or invoked by hand with {"mapping",
"cluster", "namespace"}.
"""

from typing import Any

try:
    from keyferry.runtime.layer import check_layer

    check_layer()
except ModuleNotFoundError:
    raise ImportError("the function has no code layer: run `keyferry build`, then `sam deploy`") from None

from aws_lambda_powertools.utilities.typing import LambdaContext

import keyferry.kube  # noqa: F401  # during init, which has the most CPU, rather than at the first delivery
from keyferry.deadline import Deadline
from keyferry.model import Message
from keyferry.pipeline.reconcile import settle_report, settle_sweep
from keyferry.pipeline.settle import Settlement
from keyferry.pipeline.sweep import parse_sweep
from keyferry.runtime.telemetry import LambdaFunction
from keyferry.runtime.wiring import get_runtime

RESERVE_SECONDS = 60
"""How long calls that have begun, and then the sending of the deliveries and of the rest, may still take."""

function = LambdaFunction()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sweep for each message of a batch, or for a request made by hand, whose answer says what was sent and why."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)
    if "Records" in event:

        def settle(message: Message) -> Settlement:
            return settle_sweep(message, lambda sweep: get_runtime().reconcile(sweep, deadline, message.id))

        return function.handle_messages(event, context, settle, get_runtime, done_text="swept")
    try:
        settlement = settle_report(get_runtime().reconcile(parse_sweep(event), deadline, context.aws_request_id))
        function.count(settlement.metrics())
        function.count_apart(map(get_runtime().choose_dimension, settlement.dimensioned_metrics()))
        getattr(function.logger, settlement.log_level)("swept", extra=settlement.log_fields())
        return settlement.log_fields()
    finally:
        function.flush()
