"""Which dead letters a stack has, and which of them are asked for."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from keyferry.aws.sessions import open_client
from keyferry.cli.dead_letters.letter import LETTERS, DeadLetter
from keyferry.cli.dead_letters.queue import DeadLetterQueue
from keyferry.cli.stack import Stack
from keyferry.errors import InvalidInput


@dataclass(frozen=True)
class Selection:
    """Which dead letters are asked for: all, unless something is named."""

    ids: frozenset[str] = frozenset()
    queue: str | None = None
    mapping: str | None = None
    cluster: str | None = None
    owner: str | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Return whether a letter is asked for. One that is no delivery has no mapping, no cluster and no owner."""
        delivery = letter.delivery
        mapping, cluster = (delivery.mapping, delivery.cluster) if delivery else (None, None)
        return (
            (not self.ids or letter.id in self.ids)
            and self.queue in (None, letter.queue)
            and self.mapping in (None, mapping)
            and self.cluster in (None, cluster)
            and self.owner in (None, letter.team)
        )


@dataclass(frozen=True)
class Listing:
    """The dead letters of a stack that are asked for."""

    letters: list[DeadLetter]
    """The oldest first."""
    unlisted: Mapping[str, int]
    """Queue → how many more are there that could not be listed, about."""


def open_queues(stack: Stack) -> list[DeadLetterQueue]:
    """Return the dead-letter queues of a stack.

    Raises:
        InvalidInput: it is not a stack of Keyferry.
    """
    client = open_client(stack.session, "sqs")
    return [
        DeadLetterQueue(client, name, stack.get_output(f"{name.capitalize()}DeadLettersQueueUrl")) for name in LETTERS
    ]


def look(queues: Iterable[DeadLetterQueue], selection: Selection, step: Callable[[], object]) -> Listing:
    """Return the dead letters that are asked for; all of them are visible to others again afterwards.

    Args:
        queues: the dead-letter queues, which are looked at side by side.
        selection: what is asked for.
        step: called after each queue.

    Raises:
        InvalidInput: there is none with an id that is asked for.
        KeyferryError: AWS refused a call or gave no answer.
    """

    def look_at(queue: DeadLetterQueue) -> tuple[str, list[DeadLetter], int]:
        letters = [received.letter for batch in queue.receive_all() for received in batch]
        known = queue.count()
        step()
        return queue.name, letters, max(0, known - len(letters))

    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(look_at, queues))
    letters = [letter for _, found, _ in seen for letter in found]
    missing = selection.ids - {letter.id for letter in letters}
    if missing:
        raise InvalidInput(f"there is no dead letter {min(missing)} now, or it lies behind ten others of its group")
    asked = sorted(filter(selection.matches, letters), key=_get_time)
    return Listing(asked, {name: more for name, _, more in seen if more and selection.queue in (None, name)})


def _get_time(letter: DeadLetter) -> datetime:
    return letter.sent
