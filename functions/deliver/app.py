"""deliver: one delivery from the FIFO queue → the Secrets and restarts of one mapping on one cluster."""

from typing import Any

try:
    from keyferry.runtime.layer import check_layer

    check_layer()
except ModuleNotFoundError:
    raise ImportError("the function has no code layer: run `keyferry build`, then `sam deploy`") from None

from aws_lambda_powertools.utilities.typing import LambdaContext

import keyferry.kube  # noqa: F401  # during init, which has the most CPU, rather than at the first delivery
from keyferry.deadline import Deadline
from keyferry.delivery.report import Report
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery, Message
from keyferry.pipeline.kubernetes_events import has_somebody_to_tell
from keyferry.pipeline.settle import Settlement, settle_delivery
from keyferry.runtime.kubernetes_events import tell
from keyferry.runtime.telemetry import LambdaFunction
from keyferry.runtime.wiring import get_runtime

RESERVE_SECONDS = 18
"""How long a call that has begun, and then the settlement of the message, may still take."""
SETTLE_SECONDS = 10
"""How much of that is for the settlement. A call of SQS that is not answered takes eight seconds and a pause."""
TELL_SECONDS = 3
"""How long after its deadline a delivery may be told of on the event bus: most of what runs out of time has written. A
try that is not answered takes less than five seconds, so that it ends before the settlement has to begin."""

function = LambdaFunction()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Carry out a batch of deliveries; one whose failure can pass is retried."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)

    def settle(message: Message) -> Settlement:
        settlement = settle_delivery(message, lambda delivery: _deliver(message, delivery, deadline))
        if has_somebody_to_tell(settlement):
            settlement = tell(get_runtime(), settlement, deadline)
        if isinstance(settlement.result, Report):
            get_runtime().limit(deadline.later(TELL_SECONDS))
            return get_runtime().announcer.announce(settlement, _get_mapping, function.count)
        return settlement

    return function.handle_messages(event, context, settle, get_runtime, done_text="delivered")


def _get_mapping(name: str) -> SecretMapping | None:
    return get_runtime().catalog.mappings.get(name)


def _deliver(message: Message, delivery: Delivery, deadline: Deadline) -> Report:
    """Carry out a delivery: in a process of its own if the message has come back, since it may kill the function."""
    function.log_begun(message, delivery)
    if message.attempt == 1 and delivery.deaths == 0:
        return get_runtime().deliver(delivery, deadline, audit=function.log_audit)
    return get_runtime().deliver_apart(delivery, deadline, RESERVE_SECONDS - SETTLE_SECONDS, function.log_audit)
