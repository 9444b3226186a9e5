"""Bound what the paths, rules and templates of one Secret compute. It is counted: time plays no part in the verdict.

One step is about a microsecond of Python. Whoever makes or walks a value spends steps on it before, or right after, so
that neither many small operations nor a large one go on for long or take all memory.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

MAX_STEPS = 1_000_000
"""How many steps the content of one Secret may take: a second or so."""
MAX_METADATA_STEPS = 20_000
"""How many steps its labels and annotations may take. A sweep renders them too, for each Secret."""
MAX_CHARACTERS = 1024 * 1024
"""The longest text, and the longest list, that may come up on the way. No Secret holds more than 1 MiB."""
BYTES_PER_STEP = 16
"""How many bytes of text count as a step: all texts together have 16 MB at most."""
_VIEWS: tuple[type[Collection[object]], ...] = (type({}.keys()), type({}.values()), type({}.items()))


TOO_MUCH = "computes too much"
"""How the message of OverBudget begins."""
LOOPS = "loops"
VALUES = "long texts or large lists"
"""What takes the steps of which nothing else is said."""


class OverBudget(Exception):
    """A mapping computes too much. The message says what has taken most of it, and quotes no value."""

    def __init__(self, most: str = VALUES) -> None:
        super().__init__(f"{TOO_MUCH}, above all {most}; let it make less, or split it over several mappings")


@dataclass
class Budget:
    """The steps that are left. It is handed to everything that computes for one Secret."""

    steps: int = MAX_STEPS
    spent: Counter[str] = field(default_factory=Counter)
    """What has taken steps, other than values → how many."""
    purpose: str = ""
    """What steps are for at the moment, as messages say it; empty for values that are made or read."""
    documents: dict[int, tuple[object, object]] = field(default_factory=dict, repr=False)
    """The id of a content → the content, which keeps its id, and the document that was parsed from it."""

    def __post_init__(self) -> None:
        self._granted = self.steps

    def spend(self, steps: int, on: str = "") -> None:
        """Spend some steps.

        Args:
            steps: how many.
            on: what they are for, as messages say it; the purpose of the moment if it is empty.

        Raises:
            OverBudget: too few are left; from then on for every call.
        """
        self.steps -= abs(steps)
        if on or self.purpose:
            self.spent[on or self.purpose] += abs(steps)
        if self.steps < 0:
            raise self.error()

    def error(self) -> OverBudget:
        """Return the error of a budget that does not do: it names what has taken most."""
        values = self._granted - self.steps - self.spent.total()
        most, steps = max(self.spent.items(), key=itemgetter(1), default=(VALUES, values))
        return OverBudget(most if steps > values else VALUES)

    def spend_text(self, characters: int) -> None:
        """Spend what a text of this length costs, before it is made.

        Raises:
            OverBudget: the text is too long, or too few steps are left.
        """
        self.check_length(characters)
        self.spend(1 + characters // BYTES_PER_STEP)

    def check_length(self, length: int) -> None:
        """Check the length of a text or a list.

        Raises:
            OverBudget: it is more than MAX_CHARACTERS.
        """
        if length > MAX_CHARACTERS:
            self.spend(MAX_STEPS)
            raise OverBudget  # of a budget that is larger

    def spend_value(self, value: object, times: int = 1) -> None:
        """Spend what it costs to walk through a value: a step for each part, and for 16 bytes of each text.

        Parts that a list holds twice count twice, since whoever writes or compares the list meets them twice.

        Args:
            value: anything.
            times: how many steps a part costs.

        Raises:
            OverBudget: the value is too large, or too few steps are left.
        """
        if isinstance(value, str):  # nearly all values are texts, so no other function is called for one
            length = len(value)
            self.steps -= (1 + (length if value.isascii() else 4 * length) // BYTES_PER_STEP) * times
            if self.steps < 0 or length > MAX_CHARACTERS:
                self.check_length(length)
                raise self.error()
            return
        pending = [value]
        while pending:
            part = pending.pop()
            if isinstance(part, str):
                self.spend(_price_text(part) * times)
                continue
            self.spend(times)
            if isinstance(part, dict):
                self.spend(len(part))
                pending.extend(part)
                pending.extend(part.values())
            elif isinstance(part, list | tuple | set | frozenset):
                self.spend(len(part))
                pending.extend(part)
            elif isinstance(part, range):
                self.spend(len(part), self.purpose or LOOPS)
            elif isinstance(part, _VIEWS):
                self.spend(len(part))
                pending.extend(part)

    def count[T](self, items: Iterable[T]) -> Iterator[T]:
        """Yield items, and spend on each what `spend_value` does."""
        for item in items:
            self.spend_value(item)
            yield item

    def count_rounds[T](self, items: Iterable[T], steps: int) -> Iterator[T]:
        """Yield items, and spend some steps on each."""
        for item in items:
            self.spend(steps)
            yield item


def _price_text(text: str) -> int:
    """Return the steps that a text costs. Python holds characters outside of ASCII in four bytes at most."""
    return 1 + len(text) * (1 if text.isascii() else 4) // BYTES_PER_STEP
