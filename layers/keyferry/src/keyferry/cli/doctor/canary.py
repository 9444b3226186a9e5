"""Change a secret that is there for nothing else, and follow it through the stack into each cluster."""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from keyferry.access.people import CANARY_MAPPING
from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Finding
from keyferry.cli.doctor.subject import Subject
from keyferry.cli.output.words import join
from keyferry.cli.states import Row
from keyferry.cli.trace.changes import read_time
from keyferry.cli.trace.hop import Hop
from keyferry.cli.trace.logs import Focus
from keyferry.cli.trace.subject import SourceName
from keyferry.cli.trace.trace import build_trace
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.stores.source import Source

CHECK = "canary"
"""The group of its findings."""
PATIENCE_SECONDS = 120
"""How long a change may take before it is given up."""
PAUSE_SECONDS = 1.0
"""How long to wait before it is looked at again."""


@dataclass(frozen=True)
class Clock:
    """The time, and how it passes."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep


def check_canary(subject: Subject, catalog: Catalog, clock: Clock = Clock()) -> Iterator[Finding]:  # frozen
    """Yield what became of a change in each cluster, with the seconds that each hop took since the change.

    Its value is random, and nobody is told it.

    Args:
        subject: the stack.
        catalog: the mappings that it is deployed with.
        clock: the time.

    Raises:
        InvalidInput: there is no such mapping, or changing its source would change something else.
        KeyferryError: AWS refuses it, or does not answer.
    """
    source = _choose_source(catalog, subject.prefix)
    since = clock.now()
    version = _change(subject, source)
    rows = _wait(subject, version, since, clock)
    hops = _read_hops(subject, source, rows, since, clock.now())
    for row in rows:
        yield _judge(subject, row, version, [hop for hop in hops if _is_of(hop, row)], since)
    if not rows:
        yield Finding(CHECK, "error", CANARY_MAPPING, f"no namespace was told in {PATIENCE_SECONDS} s that it goes to")


def _choose_source(catalog: Catalog, prefix: str) -> Source:
    """Return the only source of the mapping."""
    mapping = catalog.mappings.get(CANARY_MAPPING)
    if mapping is None:
        raise InvalidInput(
            f"no mapping {CANARY_MAPPING} is deployed: `keyferry init --canary` writes one, then deploy it"
        )
    sources = list(mapping.spec.sources.values())
    place = catalog.locate_mapping(CANARY_MAPPING) or f"mapping {CANARY_MAPPING}"
    if len(sources) != 1 or sources[0].secrets_manager is None or sources[0].version or sources[0].label:
        raise InvalidInput(f"{place}: needs one source alone, {{secretsManager: {prefix}/canary/value}}, to be changed")
    names = set(sources[0].event_names)
    others = [
        name
        for name, other in sorted(catalog.mappings.items())
        if name != CANARY_MAPPING and any(names & set(each.event_names) for each in other.spec.sources.values())
    ]
    if others:
        raise InvalidInput(f"{place}: {sources[0]} is read by {join(others)} too, and is not changed for a test")
    return sources[0]


def _change(subject: Subject, source: Source) -> str:
    """Give the secret a new value, and return the version id of it."""
    value = json.dumps({"canary": f"canary-{secrets.token_urlsafe(16)}"})
    client = subject.client("secretsmanager", source.home_region)
    with translate_errors(f"secretsmanager:PutSecretValue on {source}"):
        return str(client.put_secret_value(SecretId=str(source), SecretString=value)["VersionId"])


def _wait(subject: Subject, version: str, since: datetime, clock: Clock) -> list[Row]:
    """Return the targets once each holds the version, or patience ends. What a Secret holds is read of the Secret."""
    while True:
        rows = [row for page in subject.stack.ask("status", mapping=CANARY_MAPPING) for row in page["rows"]]
        is_late = (clock.now() - since).total_seconds() >= PATIENCE_SECONDS
        if is_late or (rows and all(_get_held(row) == version for row in rows)):
            return rows
        clock.sleep(PAUSE_SECONDS)


def _get_held(row: Row) -> str:
    return str(row["sources"][0].get("held", ""))


def _read_hops(
    subject: Subject, source: Source, rows: Sequence[Row], since: datetime, until: datetime
) -> Sequence[Hop]:
    focus = Focus(SourceName(str(source)), rows)
    logs = {
        function: subject.stack.read_logs(function, pattern, since).lines
        for function, pattern in focus.build_patterns().items()
    }
    return build_trace(focus, logs, stack=subject.stack.name, since=since, until=until, is_whole=True)["hops"]


def _is_of(hop: Hop, row: Row) -> bool:
    """Return whether a hop is on the way to a target."""
    return all(hop.get(key, row[key]) == row[key] for key in ("mapping", "cluster", "namespace"))


def _judge(subject: Subject, row: Row, version: str, hops: Sequence[Hop], since: datetime) -> Finding:
    what = "/".join((row["cluster"], row["namespace"], row["secret"]))
    times = tuple(_tell_times(hops, since))
    if _get_held(row) == version:
        written = next((hop for hop in reversed(hops) if hop["step"] == "write"), None)
        after = f"after {_count_seconds(written, since):.2f} s" if written else "; no log line tells when"
        return Finding(CHECK, "ok", what, f"the new value arrived {after}", details=times)
    failed = next((hop["error"] for hop in reversed(hops) if "error" in hop), "")
    last = f"; the last hop that was seen is {times[-1]}" if times else "; no log line tells of the change"
    why = f"the new value did not arrive in {PATIENCE_SECONDS} s{last}{f': {failed}' if failed else ''}"
    return Finding(CHECK, "error", what, why, (subject.call.format_asking("trace", row["sources"][0]["name"]),), times)


def _tell_times(hops: Iterable[Hop], since: datetime) -> Iterator[str]:
    """Yield each hop with its seconds since the change."""
    for hop in hops:
        yield f"{_count_seconds(hop, since):6.2f} s  {hop['step']}"


def _count_seconds(hop: Hop, since: datetime) -> float:
    """Return the seconds from the change to a hop: two clocks differ a little, and AWS tells events by the second."""
    return max(0.0, (read_time(hop["time"]) - since).total_seconds())
