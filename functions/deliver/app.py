"""deliver: one delivery from the FIFO queue → the Secrets and restarts of one mapping on one cluster."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

import keyferry.kube  # noqa: F401  # during init, which has the most CPU, rather than at the first delivery
from keyferry.deadline import Deadline
from keyferry.model import Message
from keyferry.pipeline.settle import Settlement, settle_delivery
from keyferry.runtime.telemetry import LambdaFunction
from keyferry.runtime.wiring import get_control, get_runtime

RESERVE_SECONDS = 15
"""How long a call that has begun may still take: three tries of AWS, of five seconds each."""

function = LambdaFunction()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Carry out a batch of deliveries; one whose failure can pass is retried."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)

    def settle(message: Message) -> Settlement:
        return settle_delivery(message, lambda delivery: get_runtime().deliver(delivery, deadline))

    return function.handle_messages(event, context, settle, get_control, done_text="delivered")
