"""YAML text → documents that know where each of their parts stands.

Mapping files are plain YAML: no aliases, no duplicate keys, no tags. Then what is read is what is written.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from keyferry.cli.check.problems import Problem
from keyferry.formats.yamltext import PlainLoader

type Path = tuple[str | int, ...]
type Place = tuple[int, int]
"""Line and column, from 1."""

_TEXT = "tag:yaml.org,2002:str"
_LITERAL_KEYS = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")


@dataclass
class Document:
    """One document of a file."""

    file: str
    data: Any
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    """What was read from another file, and which."""

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """Return a problem with the part at a path, or with the nearest part around it."""
        for places in (self.keys, self.values) if at_key else (self.values,):
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
        for node in _compose(text):
            document = Document(file, None)
            document.data = _Build(document, problems).value(node, ())
            if document.data is not None:
                documents.append(document)
    except RecursionError:
        problems.append(Problem(file, 1, 1, "nested too deeply; a mapping has a handful of levels"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.append(Problem(file, *place, _wording(error, _line(text, place[0]))))
    except yaml.reader.ReaderError as error:
        before = text[: int(error.position)]
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        problems.append(Problem(file, *place, "a control character; remove it"))
    return documents, problems


def _compose(text: str) -> Iterator[Node]:
    loader = PlainLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node
    finally:
        loader.dispose()


def _line(text: str, number: int) -> str:
    return "".join(text.splitlines()[number - 1 : number])


def _wording(error: yaml.MarkedYAMLError, line: str) -> str:
    problem = error.problem or "not YAML"
    if re.search(r"[^'\"]\$\{\w+\}", line) and "{" in problem:
        return 'not YAML: a name with a placeholder is written in quotes, as "teams/${namespace}/db"'
    if "'\\t'" in problem:
        return "a tab; YAML is indented with spaces"
    if re.search(r":\s*\{\{", line):
        return 'not YAML: a template is written in quotes, as "{{ db.password }}"'
    if "alias" in (error.context or ""):
        return 'not YAML: a text that begins with * is written in quotes, as "*.yaml"'
    if "mapping values are not allowed" in problem:
        return "not YAML: a text with a colon and a space in it is written in quotes"
    context = f" ({error.context})" if error.context else ""
    return problem if "not allowed;" in problem else f"not YAML: {problem}{context}"


class _Build:
    """Nodes → plain data. Notes every place, and goes on after a problem."""

    def __init__(self, document: Document, problems: list[Problem]) -> None:
        self._document, self._problems = document, problems
        self._scalars = yaml.SafeLoader("")

    def value(self, node: Node, path: Path) -> Any:  # noqa: ANN401
        """Return what a node says."""
        self._document.values[path] = _place(node)
        match node:
            case MappingNode():
                return dict(self._items(node.value, path))
            case SequenceNode():
                return [self.value(each, (*path, number)) for number, each in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _items(self, pairs: Sequence[tuple[Node, Node]], path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[Hashable, int] = {}
        for key_node, node in pairs:
            key = self._key(key_node)
            if key is None:
                continue
            if key in seen:
                self._note(key_node, f"{key} appears twice (first on line {seen[key]}); keep one of them")
                continue
            seen[key] = _place(key_node)[0]
            self._document.keys[*path, key] = _place(key_node)
            yield key, self.value(node, (*path, key))

    def _key(self, node: Node) -> str | None:
        if isinstance(node, ScalarNode) and node.tag in (_TEXT, *_LITERAL_KEYS):
            return str(node.value)
        if isinstance(node, ScalarNode):
            self._note(node, f'a key is text: write it in quotes, as "{node.value}"')
        else:
            self._note(
                node, 'a key is text, no list or mapping; a template is written in quotes, as "{{ db.password }}"'
            )
        return None

    def _scalar(self, node: Node) -> Any:  # noqa: ANN401
        try:
            return self._scalars.construct_object(node)
        except (ValueError, OverflowError, yaml.constructor.ConstructorError):
            self._note(node, "neither text nor a number or date that exists; write it in quotes")
        return None

    def _note(self, node: Node, message: str) -> None:
        self._problems.append(Problem(self._document.file, *_place(node), message))


def _place(node: Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1
