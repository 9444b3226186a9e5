"""Ways to break a mapping file at what has lines of its own below its key: it is moved, or loses the key."""

import re
from collections.abc import Callable, Iterator

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from tests.unit.parts import Sample, Way


def of_blocks(change: Callable[[list[str], int, int], list[str]]) -> Way:
    """Return the way that changes lines of a field whose value begins on the line after it.

    Args:
        change: takes all lines, the index of the line of the key and that after its value, and returns the new lines.
    """

    def break_block(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
        for part in sample.parts:
            lines, index = sample.text.splitlines(), part.line - 1
            is_block = isinstance(part.node, MappingNode | SequenceNode) and part.node.start_mark.line > index
            if part.is_field and is_block and lines[index].lstrip().startswith(f"{part.name}:"):
                end = sample.line_of(len(sample.text[: part.value[1]].rstrip()))
                beside = [other.line for other in sample.parts if other.path[:-1] in (part.path, part.path[:-1])]
                right = rf"\b{part.name}\b|indented|hyphens"
                changed = change(lines, index, end)
                if changed != lines:
                    yield "\n".join(changed) + "\n", (part.line, part.line + 1, *beside), right

    return break_block


def indent(lines: list[str], first: int, end: int, by: int) -> list[str]:
    """Return lines of which those from one to another are indented otherwise."""
    moved = [" " * by + line if by > 0 else re.sub(f"^ {{0,{-by}}}", "", line) for line in lines[first:end]]
    return [*lines[:first], *moved, *lines[end:]]


def outdent_text(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Take the indentation from a line within a text of several lines."""
    for part in sample.parts:
        if isinstance(part.node, ScalarNode) and part.node.style in ("|", ">"):
            lines = sample.text.splitlines()
            for index in range(part.line + 1, part.node.end_mark.line):
                if lines[index].startswith(" "):
                    broken = [*lines[:index], lines[index].lstrip(), *lines[index + 1 :]]
                    yield "\n".join(broken) + "\n", (index + 1,), r"each line of a text|indented"
