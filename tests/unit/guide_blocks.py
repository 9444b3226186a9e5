"""The blocks of the guides, and the commands in them and in the text."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from tests.unit.stack import ROOT

GUIDES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:keyferry|aws|kubectl|sam) [^`]+)`")
_KEYWORDS = frozenset({"do", "done", "then", "else", "fi", "if", "while", "in", "!", "{", "}", "esac"})


@dataclass(frozen=True)
class Block:
    """A block of a guide."""

    guide: str
    """The guide's path in the repository."""
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.guide}:{self.line}"


def list_blocks(*languages: str) -> list[Block]:
    """Return the blocks of the guides in some languages; all, where none is given."""
    blocks = []
    for path in GUIDES:
        text = path.read_text()
        for found in _BLOCK.finditer(text):
            line = text[: found.start()].count("\n") + 1
            blocks.append(Block(str(path.relative_to(ROOT)), line, found[2], textwrap.dedent(found[3])))
    return [block for block in blocks if not languages or block.language in languages]


def list_inline_commands() -> list[Block]:
    """Return what stands in the text as a command, `keyferry plan -o FILE`."""
    commands = []
    for path in GUIDES:
        text = _BLOCK.sub(lambda block: "\n" * block[0].count("\n"), path.read_text())
        for found in _INLINE.finditer(text):
            line = text[: found.start()].count("\n") + 1
            commands.append(Block(str(path.relative_to(ROOT)), line, "sh", " ".join(found[1].split())))
    return commands


def split_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a shell script, those in `$(…)` too, without assignments and redirections."""
    text = text.replace("\\\n", " ")
    for inner in re.findall(r"\$\(([^()]*)\)", text):
        yield from split_commands(inner)
    lexer = shlex.shlex(_join_lines(re.sub(r"\$\([^()]*\)", "SUBSTITUTED", text)), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    for token in [*lexer, ";"]:
        if set(token) <= {";", "&", "|"}:
            yield from _strip(words)
            words = []
        else:
            words.append(token)


def _join_lines(text: str) -> str:
    """Return a script in one line: `;` for the ends of lines, and no comments; what is in quotes stays as it is."""
    parts = re.findall(r"""'[^']*'|"(?:\\.|[^"\\])*"|(?:^|(?<=\s))\#[^\n]*|\n|.""", text, re.DOTALL)
    return "".join(";" if part == "\n" else "" if part.startswith("#") else part for part in parts)


def _strip(words: list[str]) -> Iterator[list[str]]:
    """Yield the words of a command from its program on, if it has one."""
    while words and (words[0] in _KEYWORDS or re.match(r"^[A-Z_a-z]+=", words[0])):
        words = words[1:]
    if ">" in words or "<" in words:
        at = next(index for index, word in enumerate(words) if word in ("<", ">"))
        words = words[:at] + words[at + 2 :]
    if words and words[0] != "for":
        yield words
