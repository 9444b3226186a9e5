"""deliver: one delivery from the FIFO queue → the Secrets and restarts of one mapping on one cluster."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

import keyferry.kube  # noqa: F401  # during init, which has the most CPU, rather than at the first delivery
from keyferry.deadline import Deadline
from keyferry.model import Message
from keyferry.pipeline.settle import Settlement, settle_delivery
from keyferry.runtime.telemetry import Function
from keyferry.runtime.wiring import control, runtime

RESERVE_SECONDS = 15
"""What calls that have begun may take: three tries of AWS, of five seconds each."""

function = Function()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one delivery; where it fails for a passing reason it comes back."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)

    def work(message: Message) -> Settlement:
        return settle_delivery(message, lambda delivery: runtime().deliver(delivery, deadline))

    return function.handle_messages(event, context, work, control, done="delivered")
