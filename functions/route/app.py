"""route: events from the changes queue → one delivery per (mapping, cluster) on the deliveries queue."""

from functools import partial
from typing import Any

try:
    from keyferry.runtime.layer import check_layer

    check_layer()
except ModuleNotFoundError:
    raise ImportError("the function has no code layer: run `keyferry build`, then `sam deploy`") from None

from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry.deadline import Deadline
from keyferry.model import Message
from keyferry.pipeline.route import route
from keyferry.pipeline.settle import Settlement
from keyferry.runtime.telemetry import LambdaFunction
from keyferry.runtime.wiring import get_runtime

RESERVE_SECONDS = 20
"""How long the last batch may still take, and then the first message that is hidden: eight seconds and a pause each."""

function = LambdaFunction()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a batch of events; one whose deliveries could not all be sent in the time there is comes back."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)

    def settle(message: Message) -> Settlement:
        runtime = get_runtime()
        send = partial(runtime.queue.send, deadline=deadline)
        return Settlement("done", route(message.document, runtime.catalog, send))

    return function.handle_messages(event, context, settle, get_runtime, done_text="routed")
