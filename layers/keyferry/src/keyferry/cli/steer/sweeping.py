"""A sweep that somebody waits for: asked of the function `reconcile`, and shown."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict, cast

from botocore.config import Config

from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client
from keyferry.cli.call import Call
from keyferry.cli.output import console
from keyferry.cli.output.words import count, join, name_guides
from keyferry.cli.stack import Stack
from keyferry.errors import InvalidInput, UnknownName
from keyferry.model import parse_json
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.suspensions import Suspensions

RECONCILE, SWEEPS = "ReconcileFunction", "SweepsQueueUrl"
"""The outputs of template.yaml that name the function that sweeps, and the queue that it reads."""
_PATIENT = Config(read_timeout=910, tcp_keepalive=True, retries={"mode": "standard", "total_max_attempts": 1})
"""The function answers within 900 seconds. What lies between keeps no connection for so long that is never used."""
DIFFERS = ("gone", "stale", "restart due", "unknown")
"""The states of `status` for which a sweep sends a delivery. A state is `unknown` too where the look has failed."""
LISTED = 20
"""How many lines of each kind are shown."""


class Sent(TypedDict):
    """A delivery that was sent, or would be if nobody had suspended it."""

    mapping: str
    """The mapping."""
    cluster: str
    """The cluster."""
    why: str
    """The first difference, with its namespace; or what has suspended it."""


class NotCompared(TypedDict):
    """Targets that could not be compared, all for one reason."""

    mapping: str
    """Their mapping."""
    cluster: str
    """Their cluster."""
    targets: int
    """How many there are."""
    why: str
    """The error."""
    at: NotRequired[str]
    """File and line that it is about."""


class Contested(TypedDict):
    """A target that somebody else keeps writing: nothing is done about it for a day."""

    mapping: str
    """Its mapping."""
    cluster: str
    """Its cluster."""
    namespace: str
    """Its namespace."""
    why: str
    """Who has it."""
    at: NotRequired[str]
    """File and line of the Secret's name."""


class Swept(TypedDict):
    """What a sweep has found and sent. Each list has fifty entries at most."""

    eventId: NotRequired[str]
    """The event id of the deliveries, by which `keyferry trace` finds them."""
    checked: int
    """How many targets were compared."""
    count: int
    """How many deliveries were sent, each for a mapping on a cluster."""
    sent: list[Sent]
    """These deliveries."""
    wouldSend: NotRequired[list[Sent]]
    """With `--dry-run`: what a sweep would send."""
    notCompared: int
    """How many targets could not be compared."""
    reasons: list[NotCompared]
    """Why; three of each class of error."""
    contested: NotRequired[list[Contested]]
    """Targets that somebody else keeps writing."""
    suspended: NotRequired[list[Sent]]
    """What differs, and was not sent, since somebody has suspended it."""
    suspendedCount: NotRequired[int]
    """How many mappings on clusters these are."""
    notes: NotRequired[list[str]]
    """Choices of namespaces that choose none, and the like."""
    finished: bool
    """Whether everything was looked at."""
    continued: bool
    """Whether a message continues the sweep, since it ran out of time."""


_FIELDS = {"event_id": "eventId", "not_compared": "notCompared", "suspended_count": "suspendedCount"}
"""Field of the function's answer → what it is called here, where that is not the same."""


def sweep(stack: Stack, scope: Scope) -> Swept:
    """Let the stack compare now, and send a delivery where something differs; return what it says.

    Raises:
        UnknownName: the stack has no mapping, cluster or namespace of these names.
        InvalidInput: the function has failed, or it is not a stack of Keyferry.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    client, name = open_client(stack.session, "lambda", config=_PATIENT), stack.get_output(RECONCILE)
    with translate_errors(f"lambda:InvokeFunction on {name}"):
        answer = client.invoke(FunctionName=name, Payload=json.dumps(scope.names).encode())
        swept = parse_json(answer["Payload"].read().decode(errors="replace"))
    if "FunctionError" in answer or not isinstance(swept, dict):
        failure = swept if isinstance(swept, dict) else {}
        kind = UnknownName if failure.get("errorType") == "UnknownName" else InvalidInput
        text = failure.get("errorMessage") or "it gave no answer"
        raise kind(text if kind is UnknownName else f"function {name} failed: {text}; its log says more")
    named = {_FIELDS.get(name, name): value for name, value in swept.items()}
    return cast("Swept", {name: named[name] for name in Swept.__annotations__ if name in named})


def send_later(stack: Stack, scope: Scope, reason: str, seconds: int) -> None:
    """Let the stack sweep in a while, by a message of its own: nobody has to wait for it.

    Raises:
        InvalidInput: it is not a stack of Keyferry.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    body = json.dumps({**scope.names, "reason": reason})
    with translate_errors("sqs:SendMessage on the sweeps queue"):
        open_client(stack.session, "sqs").send_message(
            QueueUrl=stack.get_output(SWEEPS), MessageBody=body, DelaySeconds=seconds
        )


def is_whole(swept: Swept) -> bool:
    """Return whether everything could be compared, or will be."""
    return not swept["notCompared"] and (swept["finished"] or swept["continued"])


def print_swept(swept: Swept, call: Call) -> None:
    """Write what was sent and why, and what could not be compared."""
    foreseen, held = swept.get("wouldSend"), swept.get("suspended", [])
    sent = swept["sent"] if foreseen is None else foreseen
    number = swept["count"] if foreseen is None else len(sent)
    if sent:
        _print_sent(sent, number)
    for title, lines, total in (
        ("suspended, and not sent", list(_describe_held(held)), None),
        ("not compared", list(map(_describe_reason, swept["reasons"])), swept["notCompared"]),
        ("somebody else keeps writing", list(map(_describe_contest, swept.get("contested", []))), None),
        ("notes", swept.get("notes", []), None),
    ):
        if lines:
            console.print_line(f"{title}{f': {count(total, "target")}' if total else ''}")
            for line in lines[:LISTED]:
                console.print_line(f"  {line}", indent=4)
            console.print_line("")
    end = f"{'would be ' if foreseen is not None else ''}sent"
    nothing = f"nothing {'had' if foreseen is None else 'has'} to be sent"
    if held:
        nothing = f"nothing {'was' if foreseen is None else 'would be'} sent"
    told = f"{count(number, 'delivery')} {end}" if number else nothing
    console.print_line(f"{count(swept['checked'], 'target')} compared, {told}")
    if swept["continued"]:
        console.print_line("there was no time for all: the sweep goes on by itself")
    elif not swept["finished"]:
        console.print_line("there was no time for all, and the sweep has ended: the log of reconcile says why")
    if number and "eventId" in swept:
        console.print_line("what becomes of them:")
        console.print_verbatim(f"  {call.format_asking('trace', swept['eventId'])}")


def _print_sent(sent: list[Sent], total: int) -> None:
    rows = [(each["mapping"], each["cluster"], each["why"]) for each in sent[:LISTED]]
    console.print_table(("mapping", "cluster", "why"), rows)
    if total > len(rows):
        console.print_line(f"and {total - len(rows):,} more")
    console.print_line("")


def _describe_held(held: Sequence[Sent]) -> Iterator[str]:
    """Yield what has suspended deliveries, each once."""
    causes = defaultdict[str, list[str]](list)
    for each in held:
        causes[each["why"]].append(f"{each['mapping']} to {each['cluster']}")
    for why, places in causes.items():
        yield f"{join(places, limit=1)}: {why}"


def _describe_reason(reason: NotCompared) -> str:
    at = f" ({reason['at']})" if "at" in reason else ""
    return f"{reason['mapping']} on {reason['cluster']}: {count(reason['targets'], 'target')}: {reason['why']}{at}"


def _describe_contest(contest: Contested) -> str:
    return f"{contest['cluster']}/{contest['namespace']}: {contest['mapping']}: {contest['why']}"


def foresee(rows: Sequence[Mapping[str, Any]], suspensions: Suspensions, now: datetime) -> Swept:
    """Return what a sweep would do, by the rows of `status`; nothing is sent.

    Args:
        rows: the rows.
        suspensions: what is suspended.
        now: the current time.
    """
    failed = [row for row in rows if name_guides([row.get("why", "")])]
    pairs: dict[tuple[str, str], str] = {}
    for row in rows:
        if row not in failed and row["state"] in DIFFERS:
            pairs.setdefault((row["mapping"], row["cluster"]), f"{row['namespace']}: {row.get('why', row['state'])}")
    stopped = {pair: held for pair in pairs if (held := suspensions.find(*pair, now))}
    swept = Swept(
        checked=len(rows) - len(failed),
        count=0,
        sent=[],
        notCompared=len(failed),
        reasons=[
            NotCompared(mapping=row["mapping"], cluster=row["cluster"], targets=1, why=row["why"]) for row in failed
        ],
        finished=True,
        continued=False,
    )
    swept["wouldSend"] = [
        Sent(mapping=one, cluster=on, why=why) for (one, on), why in pairs.items() if (one, on) not in stopped
    ]
    if stopped:
        swept["suspended"] = [Sent(mapping=one, cluster=on, why=str(held)) for (one, on), held in stopped.items()]
        swept["suspendedCount"] = len(stopped)
    return swept
