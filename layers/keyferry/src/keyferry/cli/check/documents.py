"""The documents of mapping files, with the position of each of their parts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from yaml.nodes import Node

from keyferry.cli.check.problems import Problem
from keyferry.cli.check.text import characters, syntax
from keyferry.formats import yamltext
from keyferry.formats.yamltext import FieldPath, InvalidYaml, Positions

_SPELLING = re.compile(r"[^\s,\]}#]{1,40}(?=[\s,\]}]|$)")
_BEGINNINGS = {("apiVersion",), ("kind",)}
_NOT_DIVIDED = "a second document begins here; write --- on a line of its own above it"


@dataclass
class Document:
    """One document of a file."""

    file: str
    data: Any
    """Its value, as `yamltext.construct` returns it."""
    positions: Positions
    lines: Sequence[str] = ()
    """The lines of the file."""
    told: set[FieldPath] = field(default_factory=set)
    """The parts of which it was told already what is wrong."""
    template_files: dict[FieldPath, str] = field(default_factory=dict)
    """The path of each template that was read from another file, and the name of that file."""

    def problem(self, path: FieldPath, message: str, *, at_key: bool = False) -> Problem:
        """Return a problem at the position of a part, or of the nearest part around it that exists.

        Args:
            path: of the part.
            message: what is wrong, and what would be right.
            at_key: whether the position is that of the part's key instead of its value.
        """
        for positions in (self.positions.keys, self.positions.values) if at_key else (self.positions.values,):
            if path in positions:
                return Problem(self.file, *positions[path], message)
        return self.problem(path[:-1], message, at_key=True) if path else Problem(self.file, 1, 1, message)

    def warning(self, path: FieldPath, message: str) -> Problem:
        """Return a problem of level `warning` at the position of a part."""
        return replace(self.problem(path, message), level="warning")

    def template_problem(self, path: FieldPath, line: int, message: str, *, has_line: bool = True) -> Problem:
        """Return a problem with a template: at this line of its file, where that is known; otherwise where it begins.

        Args:
            path: of the template.
            line: of the template, from 1.
            message: what is wrong, and what would be right.
            has_line: whether the message of a problem at the beginning has the line of the template, also the first.
        """
        if path in self.template_files:
            return Problem(self.template_files[path], line, 1, message)
        if first := self.find_block(path):
            text = "".join(self.lines[first + line - 2 : first + line - 1])
            return Problem(self.file, first + line - 1, len(text) - len(text.lstrip()) + 1, message)
        beginning = f"line {line} of the template: " if has_line or line > 1 else ""
        return self.problem(path, f"{beginning}{message}")

    def find_block(self, path: FieldPath) -> int:
        """Return the line on which a text begins that is written after |, so that its lines are those of the file.

        Returns:
            The line, from 1; 0 for any other text, also for one after >, which makes one line of several.
        """
        line, column = self.positions.values.get(path, (0, 0))
        return line + 1 if line and self.lines[line - 1][column - 1 :].startswith("|") else 0

    def locate(self, path: FieldPath) -> str:
        """Return file and line of a part, as `mappings/a.yaml:12`."""
        problem = self.problem(path, "")
        return f"{problem.file}:{problem.line}"

    def spelling(self, path: FieldPath) -> str:
        """Return how a value without quotes is written in the file; empty for one with blanks, or a long one."""
        line, column = self.positions.values.get(path, (0, 0))
        match = _SPELLING.match(self.lines[line - 1], column - 1) if line else None
        return match[0] if match else ""

    def get(self, *path: str | int) -> Any:  # noqa: ANN401  # YAML is anything
        """Return the part at a path; None if the document has none."""
        part = self.data
        for step in path:
            try:
                part = part[step]
            except (KeyError, IndexError, TypeError):
                return None
        return part

    def parts(self, path: FieldPath, model: type[BaseModel]) -> Iterator[tuple[FieldPath, type[BaseModel]]]:
        """Yield the path and the model of a part and of all parts in it, whether or not they are valid.

        Args:
            path: of the part.
            model: of the part; its fields tell the models of the parts in it.
        """
        part = self.get(*path)
        if not isinstance(part, dict):
            return
        yield path, model
        for name, inner_model, container in fields_of_models(model):
            inner = part.get(name)
            if container is None:
                yield from self.parts((*path, name), inner_model)
            elif isinstance(inner, container):
                for step in inner if isinstance(inner, dict) else range(len(part[name])):
                    yield from self.parts((*path, name, step), inner_model)


@dataclass(frozen=True)
class Definition:
    """The definition of a mapping or a cluster."""

    name: str
    document: Document
    path: FieldPath
    """The path of the name in the document."""


@cache
def fields_of_models(model: type[BaseModel]) -> list[tuple[str, type[BaseModel], type | None]]:
    """Return each field that holds models: its name in files, their model, and `list` or `dict` if it holds several."""
    return [
        (field.alias or name, inner_model, container)
        for name, field in model.model_fields.items()
        for inner_model, container in _list_models(field.annotation)
    ]


def _list_models(annotation: object, container: type | None = None) -> Iterator[tuple[type[BaseModel], type | None]]:
    """Yield each model in the type of a field, with the innermost `list` or `dict` around it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, container
    origin = get_origin(annotation)
    for argument in get_args(annotation):
        yield from _list_models(argument, origin if origin in (list, dict) else container)


def parse(file: str, text: str) -> tuple[list[Document], list[Problem]]:
    """Return the documents of a file that are not empty, and what is wrong with it as YAML.

    Args:
        file: the name of the file, for problems.
        text: its content.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        lines = text.splitlines()
        for node in yamltext.compose(text):
            document, wrong = _read(file, node, lines)
            documents += [document] if document.data is not None else []
            problems += wrong
    except RecursionError:
        problems.append(Problem(file, 1, 1, "nested too deeply; a mapping has a handful of levels"))
    except InvalidYaml as error:
        position, message = syntax.explain(error, text)
        documents = documents if position[0] >= error.position[0] else []  # what was read is not what was meant
        problems.append(Problem(file, *position, message))
    return documents, problems


def _read(file: str, node: Node, lines: Sequence[str]) -> tuple[Document, list[Problem]]:
    """Return a document, without data where it is not worth a further look, and what is wrong with it as YAML."""
    positions = Positions()
    document = Document(file, yamltext.construct(node, positions), positions, lines)
    repeated = {path: position for path, position, message in positions.problems if message.find(" appears twice") > 0}
    if len(_BEGINNINGS & repeated.keys()) == len(_BEGINNINGS):
        position = min(repeated[path] for path in _BEGINNINGS)
        return Document(file, None, positions), [Problem(file, *position, _NOT_DIVIDED)]
    wrong = {path: (position, message) for path, position, message in characters.list_odd(node, lines)}
    helm = {number: syntax.find_helm(lines[number - 1]) for number in {at[0] for _, at, _ in positions.problems}}
    for path, position, message in positions.problems:
        wrong.setdefault(path, (position, helm[position[0]] or message))
    document.told.update(wrong)
    return document, [Problem(file, *position, message) for position, message in wrong.values()]
