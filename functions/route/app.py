"""route: events from the changes queue → one delivery per (mapping, cluster) on the deliveries queue."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry.model import Message
from keyferry.pipeline.route import route
from keyferry.pipeline.settle import Settlement
from keyferry.runtime.telemetry import Function
from keyferry.runtime.wiring import control, runtime

function = Function()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch of events; those whose deliveries could not be sent come back."""
    return function.handle_messages(event, context, _work, control, done="routed")


def _work(message: Message) -> Settlement:
    return Settlement("done", route(message.document, runtime().catalog, runtime().queue.send))
