"""The output of `keyferry history`: a table of the versions, and one of the writes."""

from datetime import UTC, datetime

from keyferry.cli.history.answer import History, KnownVersion, Written
from keyferry.cli.output import console
from keyferry.cli.output.words import count, join

MAX_WRITES = 20
"""How many writes are shown; `--output json` has all."""
ID_LENGTH = 36
"""How many characters of a version id are shown: all of a UUID, since it is what `rollback --to` takes."""


def print_history(history: History) -> None:
    """Write the versions, the newest first, then the last writes, and how far back the log goes."""
    if history["versions"]:
        console.print_table(("version", "created", "labels", "Secrets now"), list(map(_lay_out, history["versions"])))
        console.print_line("")
    shown = history["writes"][:MAX_WRITES]
    if shown:
        console.print_table(("time", "Secret", "did", "version", "from", "by"), list(map(_lay_out_write, shown)))
        console.print_line("")
    console.print_line(_tell_range(history, len(shown)))


def _lay_out(known: KnownVersion) -> tuple[str, ...]:
    created = _format(known["created"]) if "created" in known else "-"
    return known["version"][:ID_LENGTH], created, ", ".join(known["labels"]) or "-", join(known["holders"], limit=1)


def _lay_out_write(written: Written) -> tuple[str, ...]:
    version = written.get("version", "-")[:8]
    origin = f"{'event ' if written['origin'] == 'event' else ''}{written['eventId']}"
    return _format(written["time"]), written["secret"], written["did"], version, origin, written.get("by", "")


def _tell_range(history: History, shown: int) -> str:
    """Return how many writes there were since when, and how far back the log can tell."""
    writes, days = len(history["writes"]), history.get("keptDays")
    parts = [f"{count(writes, 'write') if writes else 'no write'} since {_format(history['since'])} UTC"]
    parts += [f"the last {shown} are shown: --output json has each"] if writes > shown else []
    parts += [f"the stack keeps its log for {count(days, 'day', 'days')}"] if days else []
    return "; ".join(parts)


def _format(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
