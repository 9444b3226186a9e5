"""The documents of mapping files, which know where each of their parts stands."""

import re
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.check.problems import Problem
from keyferry.formats import yamltext
from keyferry.formats.yamltext import InvalidYaml, Path, Places

_WORDS = {
    "scanning an alias": 'a text that begins with * is written in quotes, as "*.yaml"',
    "mapping values are not allowed": "a text with a colon and a space in it is written in quotes",
    "cannot start any token": "a text that begins with {} is written in quotes",
    "unknown escape character": "in double quotes a backslash begins an escape; write this text in single quotes",
    "did not find expected key": "no key with a colon stands here; look at the indentation and the quotes",
}
"""What the library says → what would be right."""


@dataclass
class Document:
    """One document of a file."""

    file: str
    data: Any
    places: Places
    files: dict[Path, str] = field(default_factory=dict)
    """What was read from another file, and which."""

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """Return a problem with the part at a path, or with the nearest part around it."""
        for places in (self.places.keys, self.places.values) if at_key else (self.places.values,):
            if path in places:
                return Problem(self.file, *places[path], message)
        return self.problem(path[:-1], message, at_key=True) if path else Problem(self.file, 1, 1, message)

    def place(self, path: Path) -> str:
        """Return file and line of the part at a path."""
        problem = self.problem(path, "")
        return f"{problem.file}:{problem.line}"

    def in_text(self, path: Path, line: int, there: str, here: str) -> Problem:
        """Return a problem with a text: `there`, at its line in its own file, or `here`, where the document has it."""
        return Problem(self.files[path], line, 1, there) if path in self.files else self.problem(path, here)

    def get(self, *path: str | int) -> Any:  # noqa: ANN401  # YAML is anything
        """Return the part at a path; None where there is none."""
        found = self.data
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found


def read(file: str, text: str) -> tuple[list[Document], list[Problem]]:
    """Return the documents of a file that are not empty, and what is wrong with it as YAML.

    Args:
        file: its name, for problems.
        text: what it holds.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        for node in yamltext.compose(text):
            places = Places()
            documents.append(Document(file, yamltext.construct(node, places), places))
            problems += [Problem(file, *place, message) for place, message in places.problems]
    except RecursionError:
        problems.append(Problem(file, 1, 1, "nested too deeply; a mapping has a handful of levels"))
    except InvalidYaml as error:
        problems.append(Problem(file, *error.place, _wording(error, text)))
    return [document for document in documents if document.data is not None], problems


def _wording(error: InvalidYaml, text: str) -> str:
    """Return what is wrong with a text that is not YAML, in the words of those who write mappings where it can be."""
    line = "".join(text.splitlines()[error.place[0] - 1 : error.place[0]])
    problem, at = str(error), line[error.place[1] - 1 : error.place[1]]
    if at == "\t":
        return "a tab; YAML is indented with spaces"
    if re.search(r"[^'\"]\$\{\w+\}", line) and "expected ','" in problem:
        return 'not YAML: a name with a placeholder is written in quotes, as "teams/${namespace}/db"'
    if re.search(r":\s*\{\{", line):
        return 'not YAML: a template is written in quotes, as "{{ db.password }}"'
    words = next((words for said, words in _WORDS.items() if said in problem), "")
    return f"not YAML: {words.format(at)}" if words else problem
