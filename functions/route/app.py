"""route: events from the changes queue → one delivery per (mapping, cluster) on the deliveries queue."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry.errors import DeliverAgain
from keyferry.model import Message
from keyferry.pipeline.consume import delay_seconds
from keyferry.pipeline.route import route
from keyferry.runtime import runtime
from keyferry.telemetry import Function, NotDone

function = Function()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch of events; those whose deliveries could not be sent come back."""
    return function.each_record(event, context, _one)


def _one(message: Message) -> None:
    try:
        routed = route(message.document, runtime().catalog, runtime().queue)
    except DeliverAgain as error:
        function.logger.warning("not routed", extra={"error": str(error)})
        runtime().inbox.postpone(message, delay_seconds(message.attempt))
        raise NotDone from None
    function.count(routed.metrics())
    function.logger.info("routed", extra=routed.log_fields())
