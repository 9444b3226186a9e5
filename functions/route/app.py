"""route: events from the changes queue → one delivery per (mapping, cluster) on the deliveries queue."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry.model import Message
from keyferry.pipeline.route import route
from keyferry.pipeline.settle import Settlement
from keyferry.runtime.telemetry import LambdaFunction
from keyferry.runtime.wiring import get_runtime

function = LambdaFunction()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a batch of events; one whose deliveries could not be sent is retried."""
    return function.handle_messages(event, context, _settle, get_runtime, done_text="routed")


def _settle(message: Message) -> Settlement:
    return Settlement("done", route(message.document, get_runtime().catalog, get_runtime().queue.send))
