"""Read the log lines of a function from CloudWatch Logs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyferry.aws.errors import translate_errors
from keyferry.errors import SourceUnavailable
from keyferry.model import parse_json

MAX_LOG_PAGES = 100
"""How many pages of a log are read: each is 1 MB, or 10,000 lines, that match or not (FilterLogEvents)."""


@dataclass(frozen=True)
class LogLines:
    """What a log has."""

    lines: Sequence[dict[str, Any]]
    """Each with a `timestamp` that has a time zone."""
    is_whole: bool = True
    """Whether the log was read to its end with these; it may be longer than there is patience."""


def read_pages(
    client: Any,  # noqa: ANN401  # one of boto3's generated classes
    group: str,
    pattern: str,
    since: datetime,
    until: datetime | None = None,
) -> Iterator[LogLines]:
    """Yield the pages of lines of JSON of a log group, at least one; without a line where there is no group yet.

    Args:
        client: a client of CloudWatch Logs.
        group: the name of the log group.
        pattern: which lines (CloudWatch Logs, filter pattern syntax for JSON). What the answer has beside them is for
            the caller to leave out.
        since: how far back to look.
        until: where to end; None for now.

    Raises:
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    asked = {"logGroupName": group, "startTime": max(0, int(since.timestamp() * 1000)), "filterPattern": pattern}
    asked |= {"endTime": int(until.timestamp() * 1000)} if until else {}
    for _ in range(MAX_LOG_PAGES):
        try:
            with translate_errors(f"logs:FilterLogEvents on {group}"):
                page = client.filter_log_events(**asked)
        except SourceUnavailable:  # the function has never run
            page = {"events": []}
        parsed = (parse_json(event["message"]) for event in page["events"])
        lines = [line for line in parsed if isinstance(line, dict) and isinstance(line.get("timestamp"), str)]
        yield LogLines(lines, is_whole="nextToken" not in page)
        if "nextToken" not in page:
            return
        asked["nextToken"] = page["nextToken"]
