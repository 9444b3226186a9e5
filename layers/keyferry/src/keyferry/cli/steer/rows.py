"""A table with a row for each target: what is done there, or was, and what fails, each cause once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from keyferry.cli.check.problems import Problem
from keyferry.cli.output import console
from keyferry.cli.output.words import count_targets, join, name_guides
from keyferry.errors import ENVIRONMENT, KeyferryError
from keyferry.model import Delivery

type Secrets = Mapping[str, str]
"""Name of a mapping → name of its Secret."""

NO_NAMESPACE = "no namespace of this cluster matches"
"""Why a delivery has nothing to do."""
_FOLDED = ("nothing", "unchanged", "right", "held")
"""What is done to a Secret, or its state, that is only counted where nothing else is to be said of it."""


@dataclass(frozen=True)
class Failure:
    """Why something fails."""

    title: str
    """The class of the error, a colon and its text."""
    at: str = ""
    """File and line that it is about; empty if not known."""
    cause: str = ""
    """What all have in common that fail by it, of an error of the environment; empty for any other."""

    @classmethod
    def of(cls, error: KeyferryError | None) -> "Failure | None":
        """Return why something fails, by its error; None for none."""
        if error is None:
            return None
        is_general = isinstance(error, ENVIRONMENT)
        return cls(error.title, error.at, (error.cause or str(error)) if is_general else "")

    @property
    def kind(self) -> str:
        """The class of the error."""
        return self.title.partition(":")[0]


@dataclass(frozen=True)
class Row:
    """A line of the table. It has the class of an error alone: the text is written below the table."""

    delivery: Delivery
    secret: str
    namespace: str | None
    """None where the line is about the whole delivery."""
    effect: str
    """What is done to the Secret, or its state."""
    lists: tuple[Sequence[str], ...]
    """Keys and workloads."""
    why: str
    owner: str
    error: Failure | None = None
    targets: int = 1
    """How many targets it stands for."""

    @property
    def line(self) -> tuple[str, ...]:
        """All cells of the line."""
        why = self.error.kind if self.error else self.why
        mapping = "" if self.delivery.mapping == self.secret else self.delivery.mapping
        place = self.delivery.cluster, self.namespace or "-", self.secret, mapping
        return self.effect, *place, *map(", ".join, self.lists), why, self.owner

    @property
    def is_folded(self) -> bool:
        """Whether nothing is to be said of it but that it is as it should be."""
        return self.effect in _FOLDED and not (self.error or self.why or any(self.lists))

    @property
    def place(self) -> str:
        """The Secret as cluster/namespace/name."""
        return name_target(self.delivery, self.namespace, {self.delivery.mapping: self.secret})


def name_target(delivery: Delivery, namespace: str | None, secrets: Secrets) -> str:
    """Return what a delivery writes as cluster/namespace/name; without a namespace, as cluster/name."""
    return "/".join(filter(None, (delivery.cluster, namespace, secrets[delivery.mapping])))


def print_rows(names: Sequence[str], rows: Sequence[Row], output: str) -> None:
    """Write what is not as it should be, then each cause of a failure once.

    Args:
        names: the headings of the effect and of the lists.
        rows: the rows.
        output: the form of the result: table or github.
    """
    shown = [row for row in rows if not row.is_folded]
    effect, *lists = names
    if shown:
        common = _find_common_reason(shown)
        lines = [replace(row, why="" if common else row.why).line for row in shown]
        console.print_table((effect, "cluster", "namespace", "secret", "mapping", *lists, "why", "owner"), lines)
        console.print_line("")
        if common:
            console.print_line(f"all of them: {common}")
            console.print_line("")
    failures = list(_list_failures(rows, output))
    for failure in failures:
        if output == "github":
            console.print_verbatim(failure)
        else:
            console.print_line(failure)
    if failures:
        console.print_line("")


def _find_common_reason(rows: Sequence[Row]) -> str:
    """Return the reason that all rows have, which is told once; empty if they have none, or there is one row alone."""
    reasons = {"" if row.error else row.why for row in rows}
    return reasons.pop() if len(rows) > 1 and len(reasons) == 1 else ""


def _list_failures(rows: Iterable[Row], output: str) -> Iterator[str]:
    """Yield the failures, equal ones once with the targets; of the environment without them: all fail for it."""
    causes: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.error:
            causes["" if row.error.cause else row.error.at, row.error.cause or row.error.title].append(row)
    for (at, _), alike in causes.items():
        error = alike[0].error
        assert error is not None  # noqa: S101  # rows without one have no cause
        places = join([alike[0].place], len(alike), limit=1)
        yield _format_failure(at, error.title if error.cause else f"{places}: {error.title}", output)


def _format_failure(at: str, text: str, output: str) -> str:
    """Return a failure behind file and line, as problems of files are told; or as an annotation of GitHub."""
    file, _, line = at.rpartition(":")
    if output == "github" and file:
        return Problem(file, int(line), 1, text).as_command()
    return f"{at}: {text}" if at else text


def print_notes(notes: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write what is said of each delivery as a whole, below the table."""
    lines = [f"{place}: note: {note}" for place, own in notes for note in own]
    for line in [*lines, ""] if lines else []:
        console.print_line(line)


def print_totals(rows: Sequence[Row], output: str) -> None:
    """Write where more is said of what fails, and how many targets have each effect."""
    for guide in name_guides(row.error.title for row in rows if row.error) if output != "github" else ():
        console.print_verbatim(guide)
    effects = (repeat(row.effect.partition(",")[0], row.targets) for row in rows)
    console.print_line(count_targets(effect for each in effects for effect in each))
