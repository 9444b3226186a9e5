"""What a rollback would do: found out by one's own rights, before anything is done."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keyferry.aws.sessions import open_client
from keyferry.cli.history.answer import KnownVersion
from keyferry.cli.history.build import describe_version
from keyferry.cli.history.versions import SecretAddress, list_addresses, list_versions
from keyferry.cli.rollback.answer import Rollback
from keyferry.cli.rollback.label import Described, Move, choose_move, describe
from keyferry.cli.rollback.readers import list_aliases, list_choosing, list_readers, list_rows, list_seen_workloads
from keyferry.cli.stack import Stack
from keyferry.cli.states import Row
from keyferry.cli.trace.subject import SourceName, explain_unknown, reads
from keyferry.errors import InvalidInput
from keyferry.pipeline.suspensions import Suspension

LOOK_BACK = timedelta(days=2)
"""How far back deliveries are looked at for the workloads that they have seen."""


@dataclass(frozen=True)
class Intent:
    """A rollback that can be done."""

    client: Any
    """A client of Secrets Manager, in the region of the secret."""
    subject: SourceName
    address: SecretAddress
    move: Move
    known: Rollback
    """What is told of it."""


def find_out(stack: Stack, subject: SourceName, wanted: str, now: datetime) -> Intent:
    """Return what a rollback would do.

    Args:
        stack: the stack that reads the secret.
        subject: the secret.
        wanted: a version id, its beginning, or a staging label.
        now: the time.

    Raises:
        InvalidInput: no target reads such a secret, or several of that name; it is a parameter; it cannot go back to
            that version.
        KeyferryError: AWS refused a call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    pages = list(stack.ask("status"))
    everything = [row for page in pages for row in page["rows"]]
    address, rows = _choose_address(subject, everything), list_rows(subject, everything)
    client = open_client(stack.session, "secretsmanager", address.region)
    described, versions = describe(client, address.id), list_versions(client, address.id)
    move = choose_move(versions, wanted)
    lines = [
        line
        for page in stack.list_attempts(now - LOOK_BACK, mappings={row["mapping"] for row in rows})
        for line in page.lines
    ]
    readers = list_readers(subject, rows, list_seen_workloads(lines), move.before.id)
    known = Rollback(
        name=address.id,
        account=described.account,
        stack=stack.name,
        before=_know(move.before.id, move),
        after=_know(move.after.id, move),
        readers=readers,
        warnings=[*_list_warnings(address, described, everything), *_list_suspended(pages, rows)],
        moved=False,
        waiting=[],
        pin=f"version: {move.after.id}",
        sources=list_aliases(subject, rows),
    )
    return Intent(client, subject, address, move, known)


def _know(version_id: str, move: Move) -> KnownVersion:
    facts = {version.id: version for version in (move.before, move.after)}
    return describe_version(version_id, facts[version_id], [])


def _choose_address(subject: SourceName, rows: Sequence[Row]) -> SecretAddress:
    """Return where the secret is.

    Raises:
        InvalidInput: no target reads it, it is a parameter, or there are several of that name.
    """
    addresses = list_addresses(subject, rows)
    if len(addresses) == 1:
        return addresses[0]
    if addresses:
        places = ", ".join(f"{each.id} in {each.region or 'the region of the stack'}" for each in addresses)
        raise InvalidInput(f"several secrets are called so: {places}; say the ARN of the one that is meant")
    if any(reads(source, subject.names) for row in rows for source in row["sources"]):
        raise InvalidInput(_explain_parameter(str(subject)))
    raise InvalidInput(explain_unknown(subject, rows))


def _explain_parameter(name: str) -> str:
    return (
        f"{name} is a parameter, which has no label to move: put the old value again, as a new version;"
        f" `aws ssm get-parameter-history --name {name} --with-decryption` has the values of before, and"
        f" `aws ssm put-parameter --name {name} --overwrite --value …` writes one. To hold a version for good, write"
        f" version: with its number under the source; `keyferry history {name}` has the numbers"
    )


def _list_warnings(address: SecretAddress, described: Described, rows: Sequence[Row]) -> Iterator[str]:
    if described.is_rotated:
        when = f", by {described.next_rotation:%Y-%m-%d %H:%M} UTC" if described.next_rotation else ""
        yield (
            f"its rotation is on, and makes a new version current again{when}: switch it off first, with"
            f" `aws secretsmanager cancel-rotate-secret --secret-id {address.id}`"
        )
    if choosing := list_choosing(rows):
        yield f"mappings that choose secrets by find may read it as well: {', '.join(choosing)}"


def _list_suspended(pages: Sequence[Mapping[str, Any]], rows: Iterable[Row]) -> Iterator[str]:
    """Yield what keeps the version from readers for now; each suspension once."""
    pairs = {(row["mapping"], row["cluster"]) for row in rows}
    told = [Suspension.model_validate(fields) for page in pages[:1] for fields in page.get("suspended", ())]
    for one in told:
        if any(one.covers(*pair) for pair in pairs):
            yield f"{one}; what it stops gets the version once that has ended"
