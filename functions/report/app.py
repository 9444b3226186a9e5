"""report: a question about the state of things → the answer, in pages. It changes nothing, and reads no value.

Invoked by `keyferry status` and its like, with {"question": "status", "mapping", "cluster", "namespace", "cursor"};
with {"question": "mappings", "cursor"} for the mappings that are deployed; with {"question": "clusters", "cluster"} and
{"question": "sources"} for what the function reaches.
"""

from typing import Any

try:
    from keyferry.runtime.layer import check_layer, read_release

    check_layer()
except ModuleNotFoundError:
    raise ImportError("the function has no code layer: run `keyferry build`, then `sam deploy`") from None

from aws_lambda_powertools.utilities.typing import LambdaContext

import keyferry.kube  # noqa: F401  # during init, which has the most CPU
from keyferry.deadline import Deadline
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.mappings import list_mappings
from keyferry.pipeline.question import MappingsFields, answer
from keyferry.runtime.telemetry import LambdaFunction
from keyferry.runtime.wiring import get_runtime

RESERVE_SECONDS = 12
"""How long calls that have begun, and then the answer, may still take."""

function = LambdaFunction()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a question; what there is no time for is left to the cursor of the answer."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)
    answers = {
        "status": lambda fields: get_runtime().list_status(Scope.model_validate(fields), deadline),
        "mappings": lambda fields: list_mappings(get_runtime().catalog, MappingsFields.model_validate(fields).cursor),
        "clusters": lambda fields: get_runtime().list_clusters(Scope.model_validate(fields), deadline),
        "sources": lambda _fields: get_runtime().list_sources(deadline),
    }
    answered = answer(event, read_release(), answers)
    function.logger.info("answered", extra={"error": answered.get("error")})
    return answered
