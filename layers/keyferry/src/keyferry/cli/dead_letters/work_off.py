"""Let other messages take the place of dead letters, or drop these: ten at a time, so that little is left half-way."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keyferry.cli.dead_letters.letter import DeadLetter, Queue, Replay, build_replay
from keyferry.cli.dead_letters.queue import DeadLetterQueue, Received
from keyferry.errors import InvalidInput

NOT_DELETED = "SQS did not delete it"
NOT_REACHED = "its turn has not come, or somebody else looks at it or has worked it off: `dead-letters list` says which"
PERHAPS = "it is perhaps sent, and not deleted: replay it again, which does nothing twice"

type Send = Callable[[Queue, Sequence[Replay]], Mapping[int, str]]
"""Sends messages to a queue; returns the number of each that SQS did not take, with its error code."""


@dataclass
class Progress:
    """What has become of dead letters so far: it is told, too, where somebody interrupts."""

    done: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Each letter that is gone, with the event id of what took its place; empty where there is none."""
    left: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Each letter that still lies there, and why."""
    under_way: list[DeadLetter] = field(default_factory=list)
    """Letters whose replay may have been sent, and which may still lie there."""

    def note_unreached(self, shown: Iterable[DeadLetter]) -> None:
        """Note as left what was shown and has not come again: nobody can tell whether it still lies there."""
        told = {letter.id for letter, _ in (*self.done, *self.left)} | {letter.id for letter in self.under_way}
        self.left += [(letter, NOT_REACHED) for letter in shown if letter.id not in told]


def replay(
    queues: Iterable[DeadLetterQueue],
    is_asked: Callable[[DeadLetter], bool],
    targets: Mapping[str, Queue],
    send: Send,
    progress: Progress,
    step: Callable[[], object],
) -> None:
    """Send a new message for each dead letter that is asked for, then delete the letter.

    It ends where nothing new comes any more. What dies between the two leaves a letter whose replay is sent again next
    time, under the same id.

    Args:
        queues: the dead-letter queues.
        is_asked: whether a letter is.
        targets: ARN → queue, as `build_replay` takes them.
        send: sends the messages.
        progress: gets what has become of each.
        step: called after each letter.
    """
    for queue in queues:
        for batch in queue.receive_all():
            planned: defaultdict[Queue, list[tuple[Received, Replay]]] = defaultdict(list)
            for received in (each for each in batch if is_asked(each.letter)):
                try:
                    built = build_replay(received.letter, targets)
                except InvalidInput as error:
                    progress.left.append((received.letter, str(error)))
                    continue
                planned[built.queue].append((received, built))
            for target, pairs in planned.items():
                _carry_out(queue, target, pairs, send, progress)
                for _ in pairs:
                    step()


def _carry_out(
    queue: DeadLetterQueue, target: Queue, pairs: Sequence[tuple[Received, Replay]], send: Send, progress: Progress
) -> None:
    progress.under_way = [received.letter for received, _ in pairs]
    failed = send(target, [built for _, built in pairs])
    progress.left += [(pairs[number][0].letter, f"SQS did not take it: {code}") for number, code in failed.items()]
    sent = [pair for number, pair in enumerate(pairs) if number not in failed]
    kept = queue.delete([received for received, _ in sent])
    progress.left += [(received.letter, f"it was sent, and {NOT_DELETED}: replay it again") for received in kept]
    progress.done += [(received.letter, built.event_id) for received, built in sent if received not in kept]
    progress.under_way = []


def drop(
    queues: Iterable[DeadLetterQueue],
    is_asked: Callable[[DeadLetter], bool],
    progress: Progress,
    step: Callable[[], object],
) -> None:
    """Delete dead letters.

    Args:
        queues: the dead-letter queues.
        is_asked: whether a letter is to go: one that was shown.
        progress: gets what has become of each.
        step: called after each letter.
    """
    for queue in queues:
        for batch in queue.receive_all():
            asked = [received for received in batch if is_asked(received.letter)]
            kept = queue.delete(asked)
            progress.left += [(received.letter, NOT_DELETED) for received in kept]
            progress.done += [(received.letter, "") for received in asked if received not in kept]
            for _ in asked:
                step()
