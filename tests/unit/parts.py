"""A mapping file with nothing wrong, the parts of it that can be broken, and what a broken one is."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from keyferry.cli.check.fields.levels import list_fields
from keyferry.formats import yamltext
from keyferry.formats.yamltext import FieldPath


@dataclass(frozen=True)
class Part:
    """A key of a mapping with its value, and where both stand in the text."""

    path: FieldPath
    is_field: bool
    """Whether the language gives the key its meaning. Otherwise users choose it."""
    line: int
    key: tuple[int, int]
    value: tuple[int, int]
    node: Node

    @property
    def name(self) -> str:
        """The key."""
        return str(self.path[-1])

    @property
    def is_text(self) -> bool:
        """Whether the value is a text on one line."""
        return isinstance(self.node, ScalarNode) and self.node.start_mark.line == self.node.end_mark.line


@dataclass(frozen=True)
class Sample:
    """A mapping file with nothing wrong, of one document."""

    name: str
    text: str
    model: type[BaseModel]

    @cached_property
    def parts(self) -> list[Part]:
        """All keys of the document with their values."""
        [node] = yamltext.compose(self.text)
        return list(self._walk(node, ()))

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def folded(self) -> set[int]:
        """The lines of texts that have several."""
        marks = [(part.node.start_mark, part.node.end_mark) for part in self.parts if isinstance(part.node, ScalarNode)]
        spans = [(start.line, end.line) for start, end in marks if start and end and start.line != end.line]
        return {line + 1 for first, last in spans for line in range(first, last + 1)}

    def _walk(self, node: Node, path: FieldPath) -> Iterator[Part]:
        if isinstance(node, SequenceNode):
            for number, item in enumerate(node.value):
                yield from self._walk(item, (*path, number))
        for key, value in node.value if isinstance(node, MappingNode) else ():
            inner = (*path, key.value)
            of_key, of_value = ((self._index(each.start_mark), self._index(each.end_mark)) for each in (key, value))
            is_field = key.value in list_fields(self.model, path)
            yield Part(inner, is_field, key.start_mark.line + 1, of_key, of_value, value)
            yield from self._walk(value, inner)

    def _index(self, mark: Any) -> int:  # noqa: ANN401  # the library has two classes of marks
        return self.starts[int(mark.line)] + int(mark.column)

    def line_of(self, index: int) -> int:
        """Return the line of a place in the text."""
        return self.text.count("\n", 0, index) + 1

    def replace(self, span: tuple[int, int], text: str) -> str:
        """Return the text with another one in place of a part."""
        return self.text[: span[0]] + text + self.text[span[1] :]


@dataclass(frozen=True)
class Mistake:
    """A mapping file with a mistake."""

    way: str
    text: str
    lines: tuple[int, ...]
    """Where the mistake is: any of these lines is right."""
    right: str
    """A regular expression for what a message about it says."""


type Way = Callable[[Sample], Iterator[tuple[str, tuple[int, ...], str]]]
"""Takes a sample and yields its text with a mistake, the lines of the mistake, and what is right to say."""
