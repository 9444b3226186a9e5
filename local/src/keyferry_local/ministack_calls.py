"""What an API call was, what a service sends for it, and how parameters are named; nothing of MiniStack's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """What a service sends; EventBridge adds id, time, account and region."""

    source: str
    detail_type: str
    detail: Json
    resources: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """An API call that was answered, by whom, and the types of the parameters that it named."""

    operation: str
    request: Json
    response: Json
    failed: bool
    account: str
    region: str
    caller: Json
    user_agent: str = ""
    parameter_types: Mapping[str, str] = field(default_factory=dict)


def parse(body: bytes) -> Json:
    """Read a JSON object; what is none is an empty one."""
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def parameter_arn(name: str, region: str, account: str) -> str:
    """Return the ARN of a parameter that is named as callers may: by name or ARN, with a version or label."""
    owner, arn, path = name.partition(":parameter/")
    path = (path if arn else owner.removeprefix("/")).partition(":")[0]
    return f"{owner}:parameter/{path}" if arn else f"arn:aws:ssm:{region}:{account}:parameter/{path}"


def parameter_names(request: Json) -> list[str]:
    """Name the parameters of a Parameter Store call, or the path below which it reads them (GetParametersByPath)."""
    return [*request.get("Names", []), *(request[key] for key in ("Name", "Path") if key in request)]
