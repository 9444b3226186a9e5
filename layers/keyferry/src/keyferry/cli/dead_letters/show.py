"""The output of `keyferry dead-letters`: what lies there by cause and owner, what mends it, and what was done."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from keyferry.cli.call import Call
from keyferry.cli.dead_letters.letter import DeadLetter
from keyferry.cli.dead_letters.listing import Listing
from keyferry.cli.dead_letters.work_off import Progress
from keyferry.cli.output import console
from keyferry.cli.output.words import count, format_age, join
from keyferry.model import format_time

_GROUP_OF_TEN = "SQS shows ten of a message group at a time, and the others once these have gone"


def print_listing(listing: Listing, now: datetime, call: Call) -> None:
    """Write a line for each cause and owner, then the causes with what mends them, and totals.

    Args:
        listing: the letters.
        now: the current time.
        call: how this program was called, for the commands.
    """
    groups = _group(listing.letters)
    if groups:
        header = ("letters", "queue", "owner", "oldest", "of")
        console.print_table(header, [_build_line(alike, now) for alike in groups])
    for alike in groups:
        first = alike[0]
        console.print_line("")
        console.print_line(f"{_name(alike)}: {first.cause}")
        if first.help:
            console.print_verbatim(f"  {first.help}")
        console.print_verbatim(f"  {call.format_asking('dead-letters', 'show', first.id)}")
    if groups:
        console.print_line("")
        console.print_line("once a cause is gone, send its letters anew, or drop them; --dry-run says what that means:")
        console.print_verbatim(f"  {call.format_asking('dead-letters', 'replay')}")
        console.print_verbatim(f"  {call.format_asking('dead-letters', 'drop')}")
        console.print_line("")
    console.print_line(_count(listing.letters))
    print_unlisted(listing.unlisted)


def print_unlisted(unlisted: Mapping[str, int]) -> None:
    """Write how many letters could not be listed."""
    for queue, number in unlisted.items():
        reason = _GROUP_OF_TEN if queue == "deliveries" else "somebody else looks at them"
        console.print_line(f"about {number:,} more of the {queue} cannot be listed now: {reason}")


def print_letter(letter: DeadLetter, now: datetime) -> None:
    """Write all that is known of a letter."""
    console.print_line(f"{letter.id}: {letter.about}")
    owner = " ".join(letter.attributes[name] for name in ("team", "contact") if name in letter.attributes)
    since = f"{format_time(letter.sent)}, {format_age(letter.sent, now)} ago"
    facts = {"queue": letter.queue, "since": since, "owner": owner, "cause": letter.cause, "help": letter.help}
    for name, text in (facts | {"if dropped": letter.loss}).items():
        if text:
            console.print_line(f"  {name}: {text}", indent=4)
    for name, text in sorted(letter.attributes.items()):
        if name not in ("reason", "team", "contact") and not name.startswith("ERROR_"):
            console.print_line(f"  {name}: {text}", indent=4)
    body = letter.body if letter.document is None else json.dumps(letter.document, indent=2, ensure_ascii=False)
    console.print_verbatim(body)


def print_dry_run(listing: Listing, verb: str) -> None:
    """Write what `replay` or `drop` would do: each kind of loss once, where letters are dropped."""
    console.print_line(f"would {verb} {_count(listing.letters)}")
    print_aim(listing, verb)


def print_aim(listing: Listing, verb: str) -> None:
    """Write what `replay` or `drop` is about to work off: what is lost with it, or each cause once; and what more."""
    if verb == "drop":
        print_losses(listing.letters)
    else:
        for alike in _group(listing.letters):
            console.print_line(f"{_name(alike)}: {alike[0].cause}")
    print_unlisted(listing.unlisted)


def print_losses(letters: Sequence[DeadLetter]) -> None:
    """Write what is lost with letters, each loss once."""
    losses: defaultdict[str, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        losses[letter.loss].append(letter)
    for loss, alike in losses.items():
        console.print_line(f"lost with {_name(alike)}: {loss}")


def print_result(progress: Progress, verb: str, call: Call) -> None:
    """Write what became of letters: each cause for which some are left once.

    Args:
        progress: what became of them.
        verb: `replayed` or `dropped`.
        call: how this program was called, for the commands.
    """
    causes: defaultdict[str, list[DeadLetter]] = defaultdict(list)
    for letter, why in progress.left:
        causes[why].append(letter)
    for why, alike in causes.items():
        console.print_line(f"{_name(alike)}: left: {why}")
    left = f", {len(progress.left):,} left" if progress.left else ""
    console.print_line(f"{count(len(progress.done), 'dead letter')} {verb}{left}")
    event_id = next((event_id for _, event_id in progress.done if event_id), "")
    if event_id:
        console.print_line("what becomes of the first:")
        console.print_verbatim(f"  {call.format_asking('trace', event_id)}")
    if progress.under_way:
        more = count(len(progress.under_way), "more", "more")
        console.print_line(f"{more} perhaps {verb}: run it again, which does nothing twice")


def _group(letters: Sequence[DeadLetter]) -> list[list[DeadLetter]]:
    """Return the letters by cause, queue and owner, the largest group first."""
    groups: defaultdict[tuple[str, ...], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        groups[letter.cause, letter.queue, letter.team].append(letter)
    return sorted(groups.values(), key=len, reverse=True)


def _build_line(alike: Sequence[DeadLetter], now: datetime) -> tuple[str, ...]:
    first = alike[0]
    return f"{len(alike):,}", first.queue, first.team, format_age(first.sent, now), _name(alike)


def _name(alike: Sequence[DeadLetter]) -> str:
    names = list(dict.fromkeys(letter.about for letter in alike))
    return join(names, limit=1)


def _count(letters: Sequence[DeadLetter]) -> str:
    return count(len(letters), "dead letter") if letters else "no dead letters"
