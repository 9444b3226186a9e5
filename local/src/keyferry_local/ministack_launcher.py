"""Starts MiniStack with what it leaves out; runs in MiniStack's environment: `python -I ministack_launcher.py PORT`.

Its ASGI middleware sends the events of `ministack_events` after each API call that causes one, and answers what
`local` asks beside the AWS API. Everything else is MiniStack's, set by its own environment variables.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

from hypercorn.asyncio import serve  # type: ignore[import-not-found]
from hypercorn.config import Config  # type: ignore[import-not-found]
from ministack import app as ministack  # type: ignore[import-not-found]
from ministack.core import lambda_runtime  # type: ignore[import-not-found]
from ministack.core.iam_evaluator import resolve_caller_identity  # type: ignore[import-not-found]
from ministack.core.responses import get_account_id, get_region  # type: ignore[import-not-found]
from ministack.core.router import extract_access_key_id  # type: ignore[import-not-found]
from ministack.services import ssm  # type: ignore[import-not-found]

from keyferry_local import ministack_gaps, ministack_routes, ministack_runtime
from keyferry_local.ministack_calls import Call, Json, parameter_names, parse
from keyferry_local.ministack_events import OPERATIONS, announce

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def middleware(app: App) -> App:
    """Wrap MiniStack. A request on loopback stands for one over TLS: policies that refuse plain HTTP let it in."""

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        if scope["type"] == "http" and scope["path"].startswith(ministack_routes.PREFIX):
            await _answer(scope, receive, send)
        elif scope["type"] == "http" and _header(scope, b"x-amz-target") in OPERATIONS:
            await _announced(app, scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrapped


async def _announced(app: App, scope: Message, receive: Receive, send: Send) -> None:
    """Let MiniStack answer the call, then send the events that it causes."""
    body = await _read(receive)
    request = parse(body)
    types = _parameter_types(request)
    answer: list[Message] = []
    unread = True

    async def replay() -> Message:
        nonlocal unread
        if unread:
            unread = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    async def record(message: Message) -> None:
        answer.append(message)
        await send(message)

    await app(scope, replay, record)
    call = Call(
        operation=_header(scope, b"x-amz-target"),
        request=request,
        response=parse(b"".join(message.get("body", b"") for message in answer)),
        failed=any(message.get("status", 200) >= 400 for message in answer),
        account=get_account_id(),
        region=get_region(),
        caller=_caller(scope),
        user_agent=_header(scope, b"user-agent"),
        parameter_types=types | _parameter_types(request),
    )
    ministack_gaps.send(*announce(call))


async def _answer(scope: Message, receive: Receive, send: Send) -> None:
    status, document = ministack_routes.answer(scope["path"], parse(await _read(receive)))
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def _parameter_types(request: Json) -> dict[str, str]:
    names = set(parameter_names(request))
    return {name: record["Type"] for (_, _, name), record in list(ssm._parameters._data.items()) if name in names}


def _caller(scope: Message) -> Json:
    key = extract_access_key_id({"authorization": _header(scope, b"authorization")}, None) or ""
    identity = resolve_caller_identity(key) or {}
    arn = identity.get("userArn", "")
    return {
        "type": "AssumedRole" if ":assumed-role/" in arn else "IAMUser",
        "principalId": identity.get("userId", ""),
        "arn": arn,
        "accountId": identity.get("accountId", ""),
        "accessKeyId": key,
    }


def _header(scope: Message, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")


async def _read(receive: Receive) -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def main() -> None:
    """Serve on the loopback interface until a signal ends it, then end the functions' processes too."""
    config = Config()
    config.bind = [f"127.0.0.1:{int(sys.argv[1])}"]
    config.graceful_timeout = 0.5
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    ministack_gaps.close()
    ministack_runtime.install()
    try:
        asyncio.run(serve(middleware(ministack.app), config))
    finally:
        lambda_runtime.reset()


if __name__ == "__main__":
    main()
