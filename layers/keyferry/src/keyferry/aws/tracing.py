"""Write each call of AWS to the log of calls: for people who ask with --verbose, never with a value."""

import logging
import time
from collections.abc import Mapping
from typing import Any

LOGGER = logging.getLogger("keyferry.calls")
"""The log of calls to AWS and to clusters, of level DEBUG. Nothing listens to it in a function."""
_NAMES = {
    *("SecretId", "Name", "StackName", "FunctionName", "QueueUrl", "logGroupName", "name", "clusterName"),
    *("principalArn", "RoleArn", "KeyId"),
}
"""The parameters of requests that name what is asked for. No other is written: it could hold a value."""
_CONTEXT = "keyferry"
"""The key in botocore's context of a call, under which is since when, and what was asked for."""


def trace(client: Any) -> None:  # noqa: ANN401  # one of boto3's generated classes
    """Let a client write each of its calls to the log, if somebody listens."""
    if LOGGER.isEnabledFor(logging.DEBUG):
        client.meta.events.register("before-parameter-build", _begin)
        client.meta.events.register("after-call", _end)
        client.meta.events.register("after-call-error", _fail)


def _begin(params: Mapping[str, Any], model: Any, context: dict[str, Any], **_: object) -> None:  # noqa: ANN401  # as botocore has it
    names = (value for key, value in params.items() if key in _NAMES and isinstance(value, str))
    call = f"{model.service_model.service_name}:{model.name}"
    context[_CONTEXT] = time.monotonic(), " ".join([call, *names])


def _end(http_response: Any, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: object) -> None:  # noqa: ANN401  # as botocore has it
    code = parsed.get("Error", {}).get("Code", "")
    _write(context, f"{http_response.status_code} {code}".rstrip())


def _fail(exception: Exception, context: Mapping[str, Any], **_: object) -> None:
    _write(context, type(exception).__name__)  # its text can quote what was asked


def _write(context: Mapping[str, Any], answer: str) -> None:
    started, call = context[_CONTEXT]
    LOGGER.debug("%s in %s: %s, %.3f s", call, context["client_region"], answer, time.monotonic() - started)
