"""What `keyferry dead-letters --output json` answers."""

from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

from keyferry.cli.dead_letters.letter import DeadLetter
from keyferry.cli.dead_letters.listing import Listing
from keyferry.cli.dead_letters.work_off import PERHAPS, Progress
from keyferry.cli.states import Owner
from keyferry.model import format_time


class Letter(TypedDict):
    """A dead letter."""

    id: str
    """Its id."""
    queue: str
    """The queue that it was on: `changes`, `deliveries`, `sweeps`; or `events`: EventBridge could not put it on one."""
    sent: str
    """When it came there, ISO 8601 in UTC."""
    about: str
    """What it is about."""
    cause: str
    """Why it lies there."""
    ifDropped: str
    """What is lost where it is dropped."""
    mapping: NotRequired[str]
    """The mapping of a delivery."""
    cluster: NotRequired[str]
    """Its cluster's name in mappings."""
    namespace: NotRequired[str]
    """Its only namespace, where it has one."""
    owner: NotRequired[Owner]
    """The team that owns the mapping."""
    help: NotRequired[str]
    """The address of what is to be done about the cause."""
    attributes: NotRequired[dict[str, str]]
    """With `show`: its message attributes."""
    body: NotRequired[Any]
    """With `show`: its body, parsed where it is JSON."""


class Done(TypedDict):
    """A dead letter that is gone."""

    id: str
    """Its id."""
    about: str
    """What it was about."""
    eventId: NotRequired[str]
    """The event id of what took its place, for `keyferry trace`."""


class Left(TypedDict):
    """A dead letter that still lies there."""

    id: str
    """Its id."""
    about: str
    """What it is about."""
    why: str
    """Why it was not worked off."""


class DeadLetters(TypedDict, total=False):
    """What `keyferry dead-letters --output json` answers."""

    stack: str
    """The name of the stack."""
    deadLetters: list[Letter]
    """With `list`, `show` and `--dry-run`: the letters, the oldest first."""
    notListed: dict[str, int]
    """Queue → about how many more are there that could not be listed: SQS shows ten of a message group at a time."""
    replayed: list[Done]
    """With `replay`: what was sent anew."""
    dropped: list[Done]
    """With `drop`: what was deleted."""
    left: list[Left]
    """With `replay` and `drop`: what still lies there, or may, of that which was to be worked off."""


def build_listing(stack: str, listing: Listing, *, is_whole: bool = False) -> DeadLetters:
    """Return the letters that are there; whole ones have their bodies."""
    letters = [build_letter(letter) | (_build_content(letter) if is_whole else {}) for letter in listing.letters]
    answer: Any = {"stack": stack, "deadLetters": letters, "notListed": dict(listing.unlisted)}
    listed: DeadLetters = answer
    return listed


def build_result(stack: str, verb: str, progress: Progress) -> DeadLetters:
    """Return what became of letters; `verb` is `replayed` or `dropped`."""
    answer: Any = {"stack": stack, verb: list(_list_done(progress)), "left": list(_list_left(progress))}
    worked_off: DeadLetters = answer
    return worked_off


def build_letter(letter: DeadLetter) -> dict[str, Any]:
    """Return what is said of a letter."""
    delivery, team = letter.delivery, letter.team
    owner = {name: letter.attributes[name] for name in ("team", "contact") if name in letter.attributes}
    place = delivery.log_fields() if delivery else {}
    return {
        "id": letter.id,
        "queue": letter.queue,
        "sent": format_time(letter.sent),
        "about": letter.about,
        "cause": letter.cause,
        "ifDropped": letter.loss,
        **{name: place[name] for name in ("mapping", "cluster", "namespace") if name in place},
        **({"owner": owner} if team else {}),
        **({"help": letter.help} if letter.help else {}),
    }


def _build_content(letter: DeadLetter) -> dict[str, Any]:
    return {
        "attributes": dict(letter.attributes),
        "body": letter.body if letter.document is None else letter.document,
    }


def _list_done(progress: Progress) -> Iterable[dict[str, str]]:
    for letter, event_id in progress.done:
        yield {"id": letter.id, "about": letter.about} | ({"eventId": event_id} if event_id else {})


def _list_left(progress: Progress) -> Iterable[dict[str, str]]:
    for letter, why in (*progress.left, *((letter, PERHAPS) for letter in progress.under_way)):
        yield {"id": letter.id, "about": letter.about, "why": why}
