"""Some sixty ways in which a mapping file is broken by hand, each of which can be done to any such file."""

import re
from collections.abc import Callable, Iterator

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from keyferry.cli.check.fields.levels import list_fields
from tests.unit.blocks import indent, of_blocks, outdent_text
from tests.unit.parts import Part, Sample, Way


def _of_fields(change: Callable[[str], str]) -> Way:
    """Return the way that changes the name of a field."""

    def break_field(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
        for part in sample.parts:
            changed = change(part.name)
            if part.is_field and changed != part.name and changed not in list_fields(sample.model, part.path[:-1]):
                yield sample.replace(part.key, changed), (part.line,), rf"\b{part.name}\b"

    return break_field


def _of_texts(change: Callable[[str], str], right: str, condition: Callable[[Part], bool] = lambda _: True) -> Way:
    """Return the way that writes a value of one line otherwise; `{}` of `right` is the name of its field."""

    def break_text(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
        for part in sample.parts:
            written = sample.text[slice(*part.value)]
            if part.is_text and part.is_field and written and condition(part):
                yield sample.replace(part.value, change(written)), (part.line,), right.replace("{}", part.name)

    return break_text


def _is_plain(part: Part) -> bool:
    """Return whether a text is written without quotes."""
    return isinstance(part.node, ScalarNode) and not part.node.style


def _of_lines(pattern: str, new: str, right: str) -> Way:
    """Return the way that replaces what a pattern matches, which is tried on each line."""

    def break_line(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
        for number, line in enumerate(sample.text.splitlines(), 1):
            if re.search(pattern, line) and not line.lstrip().startswith("#") and number not in sample.folded:
                lines = sample.text.splitlines()
                lines[number - 1] = re.sub(pattern, new, line, count=1)
                yield "\n".join(lines) + "\n", (number,), right

    return break_line


def _give_other_type(text: str, kinds: tuple[type[Node], ...], right: str = "", optional: tuple[str, ...] = ()) -> Way:
    def break_type(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
        for part in sample.parts:
            is_flow = sample.text[part.value[0] : part.value[0] + 1] in ("{", "[", '"', "'") or part.is_text
            if part.is_field and isinstance(part.node, kinds) and is_flow and part.name not in optional:
                yield sample.replace(part.value, text), (part.line,), rf"\b{part.name}\b{right}"

    return break_type


def _repeat(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
    for part in sample.parts:
        start, end = sample.starts[part.line - 1], sample.starts[part.line]
        line = sample.text[start:end]
        if part.is_text and line.lstrip().startswith(f"{part.name}:"):
            yield sample.replace((start, start), line), (part.line, part.line + 1), "appears twice"


def _leave_out(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
    required = {"name", "sources", "clusters", "namespaces", "secret", "eks", "region", "account", "rules", "mappings"}
    for part in sample.parts:
        start, end = sample.starts[part.line - 1], sample.starts[part.line]
        if (
            part.is_field
            and part.name in required
            and "failover" not in part.path
            and sample.text[start:end].strip()
            and _is_alone(sample, part)
        ):
            beside = [other.line for other in sample.parts if other.path[:-1] == part.path[:-1]]
            around = [other.line for other in sample.parts if other.path == part.path[:-1]]
            yield sample.replace((start, end), ""), (part.line, min(beside), *around), rf"\b{part.name}\b"


def _is_alone(sample: Sample, part: Part) -> bool:
    """Return whether a key and all of its value have a line for themselves."""
    line = sample.text[sample.starts[part.line - 1] : sample.starts[part.line]]
    return (
        line.lstrip().startswith(f"{part.name}:")
        and sample.line_of(part.value[1] - 1) == part.line
        and (part.is_text or sample.text[part.value[0]] in "[{")
    )


def _move(by: int) -> Way:
    """Return the way that moves a field with a line of its own to another level."""

    def break_level(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
        for part in sample.parts:
            start = sample.starts[part.line - 1]
            indentation = part.key[0] - start
            if part.is_field and _is_alone(sample, part) and indentation + by >= 0:
                moved = sample.replace((start, part.key[0]), " " * (indentation + by))
                yield moved, (part.line,), rf"\b{part.name}\b|indented|twice"

    return break_level


def _forget_divider(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
    lines = sample.text.count("\n")
    yield sample.text + sample.text, (lines + 1, lines + 2), "---"


def _leave_conflict(sample: Sample) -> Iterator[tuple[str, tuple[int, ...], str]]:
    for number, start in enumerate(sample.starts[1:-1], 2):
        end = sample.starts[number]
        line = sample.text[start:end]
        marked = f"<<<<<<< HEAD\n{line}=======\n{line}>>>>>>> branch\n"
        yield sample.replace((start, end), marked), (number,), "merge"


def _swap(name: str) -> str:
    return name[0] + name[2] + name[1] + name[3:] if len(name) > 3 else name[:-1] + "x"


WAYS: dict[str, Way] = {
    "two letters swapped": _of_fields(_swap),
    "a letter left out": _of_fields(lambda name: name[:2] + name[3:]),
    "a letter twice": _of_fields(lambda name: name[:2] + name[1:]),
    "all in lower case": _of_fields(str.lower),
    "with a capital": _of_fields(str.capitalize),
    "one or many": _of_fields(lambda name: name.removesuffix("s") if name.endswith("s") else f"{name}s"),
    "with a dash": _of_fields(lambda name: re.sub("(?<=[a-z])([A-Z])", lambda match: f"-{match[1].lower()}", name)),
    "a number": _give_other_type("42", (ScalarNode, MappingNode, SequenceNode)),
    "a text": _give_other_type("some-text", (MappingNode, SequenceNode)),
    "a list": _give_other_type("[[]]", (ScalarNode, MappingNode)),
    "a mapping": _give_other_type("{some: thing}", (ScalarNode, SequenceNode), "|unknown field some"),
    "nothing": _give_other_type("", (MappingNode, SequenceNode), optional=("owner", "policies")),
    "given twice": _repeat,
    "left out": _leave_out,
    "a level up": _move(-2),
    "a level down": _move(2),
    "a space more": _move(1),
    "a space less": _move(-1),
    "the key of a block left out": of_blocks(lambda lines, key, _: [*lines[:key], *lines[key + 1 :]]),
    "the key of a block a level up": of_blocks(lambda lines, key, _: indent(lines, key, key + 1, -2)),
    "the key of a block a level down": of_blocks(lambda lines, key, _: indent(lines, key, key + 1, 2)),
    "a block a level up": of_blocks(lambda lines, key, end: indent(lines, key, end, -2)),
    "a block a level down": of_blocks(lambda lines, key, end: indent(lines, key, end, 2)),
    "what is in a block a level up": of_blocks(lambda lines, key, end: indent(lines, key + 1, end, -2)),
    "a line of a text without indentation": outdent_text,
    "a quote within quotes": _of_texts(lambda text: f'"{text[:2]}"{text[2:]}"', "quote|comma", _is_plain),
    "a quote too many": _of_texts(lambda text: f'"{text}""', "quote", _is_plain),
    "no --- between documents": _forget_divider,
    "a conflict of a merge": _leave_conflict,
    "a tab": _of_lines(r"^  +(?=\S)", "\t", "tab"),
    "no space after a colon": _of_lines(r"(?<=\w): (?=[\w\[{])", ":", "space|colon"),
    "no colon": _of_lines(r"(?<=\w):(?= [\w\[{])", "", r"colon|comma|neither a key|should be \{"),
    "an equals sign": _of_lines(r"(?<=\w):(?= [\w\[{])", " =", r"colon|comma|neither a key|should be \{"),
    "two colons": _of_lines(r"(?<=\w):(?= [\w\[{])", "::", "colon"),
    "a brace never closed": _of_lines(r"(?<![}])\}(?=$|,)", "", r"\{ is never closed|comma|quote"),
    "a bracket never closed": _of_lines(r"\](?=$|,|\})", "", r"\[ is never closed|comma|closes nothing"),
    "a brace too many": _of_lines(r"\}$", "}}", "closes nothing"),
    "another bracket": _of_lines(r"\}$", "]", "closes nothing"),
    "no comma": _of_lines(r"(?<=[\w\]}\"]), (?=\w+: )", " ", "comma"),
    "a quote never closed": _of_texts(lambda text: '"' + text.strip("\"'"), "quote"),
    "quotes of print": _of_texts(lambda text: "\u201c" + text.strip("\"'") + "\u201d", "quote of print"),
    "another quote": _of_texts(lambda text: '"' + text.strip("\"'") + "'", "quote"),
    "a comment": _of_texts(lambda text: "#" + text.strip("\"'"), "comment"),
    "an anchor": _of_texts(lambda text: "&" + text.strip("\"'"), "quotes|anchors"),
    "an at sign": _of_texts(lambda text: "@" + text.strip("\"'"), "quotes"),
    "a backtick": _of_texts(lambda text: "`" + text.strip("\"'"), "quotes"),
    "a per cent sign": _of_texts(lambda text: "%" + text.strip("\"'"), "quotes"),
    "a template without quotes": _of_texts(lambda _: "{{ db.password }}", "quotes"),
    "a template of Helm": _of_texts(lambda _: "{{ .Values.name }}", "Helm"),
    "a non-breaking space": _of_lines(r"^  (?=\w)", "\u00a0 ", "non-breaking"),
    "a non-breaking space after a colon": _of_lines(r"(?<=\w): (?=[\w\[{])", ":\u00a0", "non-breaking"),
    "a wide colon": _of_lines(r"(?<=\w): (?=[\w\[{])", "\uff1a", "wide"),
    "a long dash": _of_lines(r"^( *)- (?=\w)", "\\1\u2013 ", "hyphen"),
    "a space without width": _of_lines(r"(?<=\w):(?= )", "\u200b:", "without width"),
    "a source of another name": _of_texts(lambda _: "bd", "no source is called bd", lambda part: part.name == "from"),
    "a region that is none": _of_texts(lambda _: "Ireland", "a region, as", lambda part: part.name == "region"),
    "an account without quotes": _of_texts(
        lambda text: text.strip("\"'"), '"[0-9]{12}"', lambda part: part.name == "account"
    ),
    "a type that is none": _of_texts(
        lambda text: text[:-1], "no type of Kubernetes", lambda part: part.path == ("spec", "secret", "type")
    ),
    "a kind that is none": _of_texts(lambda text: text + "s", "did you mean", lambda part: part.path == ("kind",)),
    "a version that is none": _of_texts(lambda _: "v1", "keyferry.dev/v1", lambda part: part.path == ("apiVersion",)),
    "a name with a capital": _of_texts(
        str.title, "lower-case", lambda part: part.path in {("metadata", "name"), ("spec", "secret", "name")}
    ),
    "a field of External Secrets": _of_fields(lambda name: {"path": "property", "from": "remoteRef"}.get(name, name)),
}
"""Each way by what it leaves."""
