"""What ends or grows old: certificates, rotations, values; from what `report` says of the targets."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NotRequired, TypedDict

from keyferry.cli.output.words import count
from keyferry.cli.states import Row
from keyferry.model import format_time

type What = Literal["certificate", "rotation", "value"]


class ExpiryFields(TypedDict):
    """What ends or grows old, as `--output json` has it."""

    what: What
    """What it is: a certificate in a Secret; a rotation, or the value, of a secret or parameter in AWS."""
    name: str
    """The Secret as cluster/namespace/name, or the secret or parameter in AWS."""
    state: str
    """What is to be said of it: `expires`, `has expired`, `overdue`, `off`, `last changed`, or `missing` in AWS."""
    time: NotRequired[str]
    """When it expires, was due or was last rotated, or when the value was written; left out if that is not known."""
    targets: NotRequired[list[str]]
    """The Secrets that are made from it, as cluster/namespace/name."""


class Expiries(TypedDict):
    """What `keyferry expiring --output json` answers."""

    expiries: list[ExpiryFields]
    """Certificates by date, then rotations, then values by age."""


@dataclass(frozen=True)
class Expiry:
    """A certificate, a rotation or a value, with the targets that it is about."""

    what: What
    name: str
    """The Secret as cluster/namespace/name, or the secret or parameter in AWS."""
    state: str
    """What is to be said of it, such as `expires`, `has expired`, `overdue`, `off`."""
    time: datetime | None
    """When it expires or was due, or when the value was written; None if that is not known."""
    targets: tuple[str, ...] = ()
    """The Secrets that are made from it, as cluster/namespace/name."""

    def as_dict(self) -> ExpiryFields:
        """Return it for `--output json`, without empty fields."""
        fields: ExpiryFields = {"what": self.what, "name": self.name, "state": self.state}
        if self.time:
            fields["time"] = format_time(self.time)
        if self.targets:
            fields["targets"] = list(self.targets)
        return fields


def list_expiries(rows: Iterable[Row], now: datetime, within: timedelta) -> list[Expiry]:
    """Return certificates that expire soon, rotations that are overdue or off, and all values by age, oldest first.

    Args:
        rows: the rows of `report`.
        now: the current time.
        within: how soon a certificate has to expire to be named.
    """
    known = list(rows)
    certificates = sorted(_list_certificates(known, now, within), key=_get_time)
    sources = sorted(_list_sources(known, now), key=lambda each: (each.what, each.state, _get_time(each)))
    return [*certificates, *sources]


def summarize(expiries: Iterable[Expiry]) -> str:
    """Return the totals in one line, as `2 certificates: 1 expires, 1 has expired; 1 rotation: 1 off`."""
    counts: defaultdict[What, Counter[str]] = defaultdict(Counter)
    for expiry in expiries:
        counts[expiry.what][expiry.state] += 1
    return "; ".join(
        f"{count(states.total(), what)}: "
        + ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))
        for what, states in counts.items()
    )


def _get_time(expiry: Expiry) -> datetime:
    return expiry.time or datetime.max.replace(tzinfo=UTC)


def _name_target(row: Row) -> str:
    return "/".join((row["cluster"], row["namespace"], row["secret"]))


def _list_certificates(rows: Iterable[Row], now: datetime, within: timedelta) -> Iterator[Expiry]:
    for row in rows:
        if "certificateExpires" in row:
            time = datetime.fromisoformat(row["certificateExpires"])
            if time <= now + within:
                yield Expiry("certificate", _name_target(row), "expires" if time > now else "has expired", time)


def _list_sources(rows: Iterable[Row], now: datetime) -> Iterator[Expiry]:
    sources: dict[tuple[str, str, str], Row] = {}
    targets: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        for source in row["sources"]:
            key = source["store"], source.get("region", ""), source["name"]
            sources[key] = source
            targets[key].append(_name_target(row))
    for key, source in sources.items():
        name, own = source["name"], tuple(sorted(set(targets[key])))
        if "rotation" in source:
            yield from _list_rotation(name, source["rotation"], own, now)
        if source.get("missing"):
            yield Expiry("value", name, "missing", None, own)
        elif "changed" in source:
            yield Expiry("value", name, "last changed", datetime.fromisoformat(source["changed"]), own)


def _list_rotation(name: str, rotation: Row, targets: tuple[str, ...], now: datetime) -> Iterator[Expiry]:
    last = datetime.fromisoformat(rotation["last"]) if "last" in rotation else None
    due = datetime.fromisoformat(rotation["next"]) if "next" in rotation else None
    if not rotation["on"]:
        yield Expiry("rotation", name, "off", last, targets)
    elif due and due < now:
        yield Expiry("rotation", name, "overdue", due, targets)
