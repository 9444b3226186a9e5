"""What became of the manifests: as a table, as Markdown, and as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from keyferry.cli.check.problems import Problem, ProblemFields
from keyferry.cli.migrate.conversions import Outcome, Outcomes, State
from keyferry.cli.migrate.writing import State as FileState
from keyferry.cli.migrate.writing import Written, write_whole
from keyferry.cli.output import console
from keyferry.cli.output.markdown import escape
from keyferry.cli.output.words import count


class Reason(TypedDict):
    """A reason why a manifest was refused."""

    line: int
    """The line of the part that it is about."""
    what: str
    """What cannot be converted."""
    remedy: str
    """What to do."""


class MigratedManifest(TypedDict):
    """What became of one manifest."""

    file: str
    """The file as it was given; `-` for standard input."""
    line: int
    """From 1."""
    manifest: str
    """Kind, namespace and name."""
    state: State
    """What became of it."""
    mappings: list[str]
    """The names of its mappings."""
    written: str
    """The file of its mappings; empty where there is none."""
    notes: list[str]
    """Differences that are stated, and what is to be known of one that writes nothing."""
    reasons: list[Reason]
    """Why it was refused."""


class MigratedFile(TypedDict):
    """What was done about one file of mappings."""

    file: str
    """Its path."""
    state: FileState
    """What was done, or would be."""
    diff: str
    """For a file that was kept, because somebody has edited it: how it differs from what would be written."""


class Totals(TypedDict):
    """How many manifests there are of each kind."""

    converted: int
    """Those that became mappings that make exactly the same Secrets."""
    withDifference: int
    """Those that became mappings, with a difference that is stated."""
    refused: int
    """Those that did not become mappings."""
    nothingToWrite: int
    """Those that write no Secret."""
    broken: int
    """Documents that could not be read."""
    foreign: int
    """Objects of other kinds, which are passed over."""


class Migrated(TypedDict):
    """What `keyferry migrate --output json` answers."""

    manifests: list[MigratedManifest]
    """All manifests that were to be converted, in their order."""
    files: list[MigratedFile]
    """The files of the mappings."""
    broken: list[ProblemFields]
    """The documents that could not be read."""
    advice: list[str]
    """What is to be done beside: rules for policy.yaml, annotations of Reloader, files that `validate` objects to."""
    totals: Totals
    """How many there are of each kind."""


@dataclass(frozen=True)
class Result:
    """All that is reported."""

    outcomes: Outcomes
    broken: Sequence[Problem] = ()
    written: Mapping[int, Written] = field(default_factory=dict)
    """The number of an outcome → what was done about its file."""
    advice: Sequence[str] = ()
    objections: Sequence[str] = ()
    """What `keyferry validate` has against files that stay as they are."""

    @property
    def to_do(self) -> list[str]:
        """What is to be done beside, as sentences."""
        return [*self.advice, *self.objections]

    @property
    def is_whole(self) -> bool:
        """Whether everything was converted, and `keyferry validate` has nothing against the folder."""
        return not (self.broken or self.objections) and all(each.state != "refused" for each in self.outcomes.outcomes)

    def count_states(self) -> Totals:
        """Return how many manifests there are of each kind."""
        states = Counter(each.state for each in self.outcomes.outcomes)
        return {
            "converted": states["converted"],
            "withDifference": states["with a difference"],
            "refused": states["refused"],
            "nothingToWrite": states["nothing to write"],
            "broken": len(self.broken),
            "foreign": self.outcomes.foreign,
        }


def build_answer(result: Result) -> Migrated:
    """Return the result as `--output json` has it."""
    return {
        "manifests": [_describe(each, result.written.get(n)) for n, each in enumerate(result.outcomes.outcomes)],
        "files": [{"file": str(each.file), "state": each.state, "diff": each.diff} for each in result.written.values()],
        "broken": [problem.as_dict() for problem in result.broken],
        "advice": result.to_do,
        "totals": result.count_states(),
    }


def _describe(outcome: Outcome, written: Written | None) -> MigratedManifest:
    manifest = outcome.manifest
    return {
        "file": manifest.file,
        "line": manifest.line,
        "manifest": str(manifest),
        "state": outcome.state,
        "mappings": [each.name for each in outcome.conversions],
        "written": str(written.file) if written else "",
        "notes": outcome.notes,
        "reasons": [
            {"line": manifest.line_of(*each.path), "what": each.what, "remedy": each.remedy}
            for each in outcome.refusals
        ],
    }


def _list_reasons(outcome: Outcome) -> Iterator[str]:
    """Yield why a manifest was refused, each with file and line."""
    for each in outcome.refusals:
        yield f"{outcome.manifest.locate(*each.path)}: {each}"


def describe_totals(totals: Totals) -> str:
    """Return the totals in a sentence."""
    total = sum(totals[name] for name in ("converted", "withDifference", "refused", "nothingToWrite"))
    parts = {
        "converted": totals["converted"] + totals["withDifference"],
        "of these with a stated difference": totals["withDifference"],
        "refused": totals["refused"],
        "that write nothing": totals["nothingToWrite"],
    }
    told = ", ".join(f"{number:,} {name}" for name, number in parts.items() if number)
    ends = [count(totals["broken"], "document") + " could not be read"] if totals["broken"] else []
    ends += [count(totals["foreign"], "object") + " of other kinds passed over"] if totals["foreign"] else []
    return "; ".join([f"{count(total, 'manifest')}: {told}" if total else "no manifest to convert", *ends])


def print_result(result: Result, *, dry_run: bool = False) -> None:
    """Show the result as a table, and below it what is to be known and done."""
    rows = [
        (each.state, str(each.manifest), str(written.file) if (written := result.written.get(number)) else "")
        for number, each in enumerate(result.outcomes.outcomes)
    ]
    if rows:
        console.print_table(("state", "manifest", "mapping"), rows)
        console.print_line("")
    for problem in result.broken:
        console.print_line(str(problem), 2)
    for outcome in result.outcomes.outcomes:
        for reason in _list_reasons(outcome):
            console.print_line(reason, 2)
    for number, outcome in enumerate(result.outcomes.outcomes):
        _print_notes(outcome, result.written.get(number))
    for text in result.to_do:
        console.print_line(text, 2)
    console.print_line(describe_totals(result.count_states()))
    if result.written:
        states = Counter(each.state for each in result.written.values())
        told = ", ".join(f"{number:,} {state}" for state, number in states.items())
        console.print_line(f"{count(len(result.written), 'file')}: {told}{' (not yet: dry run)' if dry_run else ''}")


def _print_notes(outcome: Outcome, written: Written | None) -> None:
    for note in outcome.notes:
        console.print_line(f"{outcome.manifest}: {note}", 2)
    if written and written.state == "kept":
        console.print_line(f"{written.file} was edited, and is kept; it would become:")
        console.print_verbatim(written.diff.rstrip("\n"))


def format_markdown(result: Result) -> str:
    """Return the result as Markdown."""
    lines = ["# From manifests to mappings", "", describe_totals(result.count_states()) + ".", ""]
    lines += ["| state | manifest | from | mappings |", "|---|---|---|---|"]
    for outcome in result.outcomes.outcomes:
        names = ", ".join(each.name for each in outcome.conversions)
        cells = (outcome.state, str(outcome.manifest), outcome.manifest.locate(), names)
        lines.append(f"| {' | '.join(map(escape, cells))} |")
    parts = {
        "Refused": [reason for outcome in result.outcomes.outcomes for reason in _list_reasons(outcome)],
        "Not read": [str(problem) for problem in result.broken],
        "Differences": [f"{each.manifest}: {note}" for each in result.outcomes.outcomes for note in each.notes],
        "To do": result.to_do,
    }
    for title, items in parts.items():
        lines += ["", f"## {title}", "", *(f"- {escape(item)}" for item in items)] if items else []
    return "\n".join(lines) + "\n"


def write_report(path: Path, result: Result, as_json: str) -> None:
    """Write the report to a file: JSON where its name ends so, else Markdown.

    Raises:
        OSError: it cannot be written.
    """
    text = as_json if path.suffix == ".json" else format_markdown(result)
    if path.exists() and not path.is_file():  # such as /dev/stdout
        path.write_text(text, encoding="utf-8")
    else:
        write_whole(path, text)
