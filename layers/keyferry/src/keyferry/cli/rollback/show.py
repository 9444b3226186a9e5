"""The output of `keyferry rollback`: what it is about to do and to whom, and what is left."""

from datetime import UTC, datetime

from keyferry.cli.history.answer import KnownVersion
from keyferry.cli.output import console
from keyferry.cli.output.words import count, join
from keyferry.cli.rollback.answer import Reader, Rollback


def print_intent(known: Rollback) -> None:
    """Write which label moves where, who reads the secret, and what is in the way."""
    console.print_line(f"secret {known['name']} of account {known['account']}, read through stack {known['stack']}")
    console.print_line(f"  now   {_describe(known['before'])}", indent=8)
    console.print_line(f"  then  {_describe(known['after'])}", indent=8)
    console.print_line("")
    console.print_table(("Secret", "state", "mapping", "version", "workloads"), list(map(_lay_out, known["readers"])))
    console.print_line("")
    for warning in known["warnings"]:
        console.print_note(f"warning: {warning}")


def _describe(version: KnownVersion) -> str:
    created = datetime.fromisoformat(version["created"]).astimezone(UTC) if "created" in version else None
    parts = [version["version"], *([f"of {created:%Y-%m-%d %H:%M:%S} UTC"] if created else [])]
    return ", ".join([*parts, *(version["labels"] or ["without a label"])])


def _lay_out(reader: Reader) -> tuple[str, ...]:
    version = reader["version"][:8] if "version" in reader else "not known"
    used = join(reader["workloads"]) or "none" if "workloads" in reader else "not known"
    return reader["secret"], reader["state"], reader["mapping"], version, used


def print_rest(known: Rollback) -> None:
    """Write that the label was moved, what does not have the version yet, and how it is held for good."""
    console.print_line(f"AWSCURRENT was moved to version {known['after']['version']}")
    if known["waiting"]:
        number = count(len(known["waiting"]), "Secret does not have it yet", "Secrets do not have it yet")
        console.print_line(f"{number}: {join(known['waiting'])}; it goes on without anybody looking")
    names = [f"{mapping} ({', '.join(aliases)})" for mapping, aliases in known["sources"].items()]
    console.print_line("")
    console.print_line(f"to hold it for good, write this under the source in Git, of {join(names)}:")
    console.print_verbatim(f"  {known['pin']}")
