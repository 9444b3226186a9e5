"""route: events from the changes queue → one delivery per (mapping, cluster) on the deliveries queue."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry.model import Message
from keyferry.pipeline.route import route
from keyferry.runtime.telemetry import Function
from keyferry.runtime.wiring import postpone, runtime

function = Function()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch of events; those whose deliveries could not be sent come back."""
    return function.each_record(event, context, _one, postpone)


def _one(message: Message) -> None:
    routed = route(message.document, runtime().catalog, runtime().queue)
    function.count(routed.metrics())
    function.logger.info("routed", extra=routed.log_fields())
