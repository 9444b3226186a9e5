"""The documents of mapping files, with the position of each of their parts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from keyferry.cli.check.problems import Problem
from keyferry.formats import yamltext
from keyferry.formats.yamltext import FieldPath, InvalidYaml, Positions

_REMEDIES = {
    "scanning an alias": 'a text that begins with * is written in quotes, as "*.yaml"',
    "mapping values are not allowed": "a text with a colon and a space in it is written in quotes",
    "cannot start any token": "a text that begins with {} is written in quotes",
    "unknown escape character": "in double quotes a backslash begins an escape; write this text in single quotes",
    "did not find expected key": "no key with a colon stands here; look at the indentation and the quotes",
}
"""Part of libyaml's message → what would be right."""


@dataclass
class Document:
    """One document of a file."""

    file: str
    data: Any
    """Its value, as `yamltext.construct` returns it."""
    positions: Positions
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

    def template_problem(self, path: FieldPath, line: int, message: str) -> Problem:
        """Return a problem with a template: at this line of its own file if it has one, otherwise where it begins."""
        if path in self.template_files:
            return Problem(self.template_files[path], line, 1, message)
        return self.problem(path, message)

    def locate(self, path: FieldPath) -> str:
        """Return file and line of a part, as `mappings/a.yaml:12`."""
        problem = self.problem(path, "")
        return f"{problem.file}:{problem.line}"

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
        for name, inner_model, container in _fields_of_models(model):
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
def _fields_of_models(model: type[BaseModel]) -> list[tuple[str, type[BaseModel], type | None]]:
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
        for node in yamltext.compose(text):
            positions = Positions()
            documents.append(Document(file, yamltext.construct(node, positions), positions))
            problems += [Problem(file, *position, message) for position, message in positions.problems]
    except RecursionError:
        problems.append(Problem(file, 1, 1, "nested too deeply; a mapping has a handful of levels"))
    except InvalidYaml as error:
        problems.append(Problem(file, *error.position, _describe(error, text)))
    return [document for document in documents if document.data is not None], problems


def _describe(error: InvalidYaml, text: str) -> str:
    """Return a message about a text that is not YAML, with what would be right for the frequent mistakes."""
    line_number, column = error.position
    line = "".join(text.splitlines()[line_number - 1 : line_number])
    message, character = str(error), line[column - 1 : column]
    if character == "\t":
        return "a tab; YAML is indented with spaces"
    if re.search(r"[^'\"]\$\{[A-Za-z0-9_]+\}", line) and "expected ','" in message:
        return 'not YAML: a name with a placeholder is written in quotes, as "teams/${namespace}/db"'
    if re.search(r":\s*\{\{", line):
        return 'not YAML: a template is written in quotes, as "{{ db.password }}"'
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in message), "")
    return f"not YAML: {remedy.format(character)}" if remedy else message
