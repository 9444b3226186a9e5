"""Ask a stack for the last change of what is asked about: its targets, and the lines of its functions' logs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from keyferry.cli.failures import LOG_IS_LONGER, find_failures
from keyferry.cli.stack import Stack
from keyferry.cli.states import Row
from keyferry.cli.trace.changes import collect
from keyferry.cli.trace.logs import Focus
from keyferry.cli.trace.subject import Event, SourceName, Subject, explain_unknown, find_targets, get_place
from keyferry.cli.trace.trace import Trace, build_trace
from keyferry.errors import InvalidInput, UnknownName

LOGS_ARE_LONGER = "warning: the logs are longer than was read, and a later change may be missing: say --since"
"""What to say where the logs of the changes were not read to their end: they are read from the oldest line on."""


def follow(
    stack: Stack, subject: Subject, since: datetime, until: datetime, locate: Callable[[str], str]
) -> tuple[Trace, list[str]]:
    """Ask for the targets and read the logs; return what they tell, and warnings of what may be missing.

    Raises:
        InvalidInput: nothing is known of what is asked about.
    """
    rows = [] if isinstance(subject, Event) else _ask(stack, subject)
    subject, targets = find_targets(subject, rows)
    focus = Focus(subject, targets)
    with ThreadPoolExecutor() as pool:
        asked = {
            function: pool.submit(stack.read_logs, function, pattern, since)
            for function, pattern in focus.build_patterns().items()
        }
        logs = {function: future.result() for function, future in asked.items()}
    is_whole = all(each.is_whole for each in logs.values())
    lines = {function: each.lines for function, each in logs.items()}
    if isinstance(subject, Event) and collect(focus, lines):
        focus = Focus(subject, _ask(stack, subject))
    seen, has_all_errors = find_failures(focus.rows, until, stack)
    warnings = [*([] if is_whole else [LOGS_ARE_LONGER]), *([] if has_all_errors else [LOG_IS_LONGER])]
    focus, is_whole = replace(focus, rows=seen), not warnings
    trace = build_trace(focus, lines, stack=stack.name, since=since, until=until, is_whole=is_whole, locate=locate)
    if isinstance(subject, SourceName) and not trace["hops"] and not targets:
        raise InvalidInput(explain_unknown(subject, rows))
    return trace, warnings


def _ask(stack: Stack, subject: Subject) -> list[Row]:
    """Return the targets of the stack; those of one namespace where the subject is there."""
    where = get_place(subject)
    if where:
        try:
            rows = [row for page in stack.ask("status", **where) for row in page["rows"]]
        except UnknownName:  # no mapping writes there
            rows = []
        if rows:
            return rows
    # Among all it is known what may be meant: a choice of namespaces by labels refuses no name of one.
    return [row for page in stack.ask("status") for row in page["rows"]]
