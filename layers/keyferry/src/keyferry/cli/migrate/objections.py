"""What `keyferry validate` has against mappings that are about to be written: what it refuses is not written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keyferry.cli.check import files
from keyferry.cli.check.policies import FILE
from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.migrate.conversions import Outcome
from keyferry.cli.migrate.model import Refusal
from keyferry.cli.migrate.writing import Written

_MAX_OTHERS = 3
"""How many problems of other files are shown."""


@dataclass(frozen=True)
class Objections:
    """What `keyferry validate` would say of a folder with the files in it."""

    refused: dict[Path, list[str]] = field(default_factory=dict)
    """A file that may not be written → why not."""
    others: Sequence[Problem] = ()
    """What is wrong with files that stay as they are: those that somebody has edited, and those of other people."""

    def refuse(self, outcome: Outcome, written: Written | None) -> Outcome:
        """Return an outcome as refused, where its file may not be written."""
        reasons = self.refused.get(written.file, []) if written else []
        refusals = [Refusal(f"keyferry validate refuses its mapping: {each}", "", ()) for each in reasons]
        return replace(outcome, conversions=[], refusals=refusals) if refusals else outcome

    def describe_others(self) -> Iterator[str]:
        """Yield what is wrong with other files, as far as a report has room for it."""
        yield from (f"keyferry validate: {each}" for each in self.others[:_MAX_OTHERS])
        if self.others:
            yield "until these files are right, not all is known that `keyferry validate` has against the new ones"

    def list_by_policy(self, folder: Path) -> list[Path]:
        """Return the files that the policy of a folder is against."""
        return [file for file, reasons in self.refused.items() if any(str(folder / FILE) in each for each in reasons)]


def find_objections(
    folder: Path, written: Sequence[Written], progress: files.Progress, known: Objections | None = None
) -> Objections:
    """Return what `keyferry validate` would say. What is refused is left out, and the rest looked at again.

    Args:
        folder: the folder of the mappings, with its clusters.yaml and policy.
        written: the files that are about to be written, or are there already.
        progress: shows the progress, as `console.show_progress`.
        known: what was found before.
    """
    known = known or Objections()
    drafts = {each.file: each.content for each in written if each.state != "kept" and each.file not in known.refused}
    found, others = _sort(_list_problems(folder, drafts, progress), drafts)
    if not found:
        return replace(known, others=[each for each in others if Path(each.file) not in known.refused])
    return find_objections(folder, written, progress, replace(known, refused=known.refused | found))


def _list_problems(folder: Path, drafts: Mapping[Path, str], progress: files.Progress) -> list[Problem]:
    try:
        files.check(folder, progress, drafts)
    except InvalidFiles as error:
        return [problem for problem in error.problems if problem.level == "error"]
    return []


def _sort(problems: Sequence[Problem], drafts: Mapping[Path, str]) -> tuple[dict[Path, list[str]], list[Problem]]:
    """Return the problems of files that are about to be written, and those of others.

    A problem of another file that names one of these is of this one: without it, it would not be there.
    """
    names = {str(path): path for path in drafts}
    found, others = dict[Path, list[str]](), list[Problem]()
    for problem in problems:
        concerned = [problem.file] if problem.file in names else [name for name in names if name in problem.message]
        for name in concerned:
            found.setdefault(names[name], []).append(str(problem))
        if not concerned:
            others.append(problem)
    return found, others
