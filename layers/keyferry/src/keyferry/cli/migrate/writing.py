"""Mappings → files, as a person would write them; a file that somebody has edited is kept."""

import difflib
import errno
import hashlib
import os
import re
import secrets
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from keyferry.cli.check import documents
from keyferry.cli.migrate.model import Conversion, FieldPath, is_name
from keyferry.formats import yamltext

State = Literal["written", "renewed", "up to date", "kept"]
WIDTH = 100
"""The most characters of a line with a mapping or a list in braces or brackets."""
_DIGEST = re.compile(r"^# .*\(([0-9a-f]{12})\)$")
_NAME = re.compile(r"^metadata:\n  name: (\S+)$", re.MULTILINE)
"""The name of a mapping, in a file as it was written: to read YAML takes longer than all else."""
_BLOCKS = (("spec",), ("metadata",), ("spec", "sources"), ("spec", "secret"), ("spec", "secret", "variables"))
"""What is always written in lines of its own."""
_ENTRIES = {"data", "sources", "dataFrom"}


@dataclass(frozen=True)
class Written:
    """What was done about one file, or is to be."""

    file: Path
    state: State
    content: str = field(repr=False)
    """What it has to have."""
    diff: str = ""
    """For a file that was kept: how it differs from what would be written."""


def format_conversions(conversions: Sequence[Conversion]) -> str:
    """Return the text of the file of one manifest's mappings: the first line tells where they are from."""
    body = "---\n".join(_format(each) for each in conversions)
    digest = hashlib.sha256(body.encode()).hexdigest()[:12]
    return f"# From {conversions[0].manifest.locate()} by keyferry migrate ({digest})\n{body}"


def name_file(conversions: Sequence[Conversion]) -> Path:
    """Return where the file of one manifest's mappings belongs, within the folder."""
    manifest = conversions[0].manifest
    places = {place for each in conversions for place in map(str, each.mapping["spec"]["namespaces"])}
    is_one = len(places) == 1 and not any("{" in place for place in places)
    folder = (
        "" if (manifest.kind or "").startswith("Cluster") else manifest.namespace or (is_one and places.pop()) or ""
    )
    name = manifest.name if is_name(manifest.name or "") else conversions[0].name
    return Path(folder if is_name(folder) else "") / f"{name}.yaml"


def compare(path: Path, content: str) -> Written:
    """Return what is to be done about a file: it is left as it is where somebody has edited it since.

    Args:
        path: the file.
        content: what it is to have, from `format_conversions`.

    Raises:
        OSError: it cannot be read.
    """
    before = _read(path) if path.exists() else None
    if before is not None and before.partition("\n")[2] == content.partition("\n")[2]:
        return Written(path, "up to date", content)
    if before is not None and not is_ours(before):
        old, new = (each.splitlines(keepends=True) for each in (before, content))
        diff = "".join(difflib.unified_diff(old, new, str(path), f"{path} by keyferry migrate"))
        return Written(path, "kept", content, diff)
    return Written(path, "written" if before is None else "renewed", content)


def write(written: Written) -> None:
    """Do what is to be done about a file.

    Raises:
        OSError: it cannot be written.
    """
    if written.state in ("written", "renewed"):
        write_whole(written.file, written.content)


def write_whole(path: Path, content: str) -> None:
    """Write a file: it is there as a whole, or as it was before, also where several write it at the same time.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def check_writable(path: Path) -> None:
    """Check whether a file can be written, before there is anything to write; disks can be full all the same.

    Raises:
        OSError: it is a folder, or there is no right to write it, or a folder for it.
    """
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if there == path and path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if there != path and not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(there, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def choose_file(folder: Path, wanted: Path, used: Collection[Path]) -> Path:
    """Return the file of a manifest's mappings: another one than wanted where that holds something else."""
    path, number = folder / wanted, 1
    while path in used or (path.exists() and not _DIGEST.match(_read(path).partition("\n")[0])):
        number += 1
        path = folder / wanted.with_stem(f"{wanted.stem}-{number}")
    return path


def is_file_of(wanted: Path, path: Path) -> bool:
    """Return whether a file is the one that a manifest wants, or that `choose_file` chose in its place."""
    return path.parent == wanted.parent and bool(re.fullmatch(rf"{re.escape(wanted.stem)}(-[0-9]+)?", path.stem))


def read_names(folder: Path) -> dict[str, Path]:
    """Return the names of the mappings in a folder, as far as its files can be read → the file of each, within it."""
    names: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.y*ml")) if folder.is_dir() else ():
        text = _read(path)
        for name in _NAME.findall(text) if is_ours(text) else _list_names(path, text):
            names.setdefault(name, path.relative_to(folder))
    return names


def _list_names(path: Path, text: str) -> Iterator[str]:
    for document in documents.parse(str(path), text)[0]:
        name = document.get("metadata", "name")
        if document.get("kind") == "SecretMapping" and isinstance(name, str):
            yield name


def read_clusters(path: Path) -> dict[str, str]:
    """Return name → region of the clusters in a file, as far as it can be read; empty for a region that it lacks."""
    found = [document.get("clusters") for document in documents.parse(str(path), _read(path))[0]]
    clusters = [each for some in found if isinstance(some, list) for each in some if isinstance(each, dict)]
    return {str(each["name"]): _get_region(each.get("eks")) for each in clusters if "name" in each}


def _get_region(eks: object) -> str:
    return str(eks.get("region") or "") if isinstance(eks, dict) else ""


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def is_ours(text: str) -> bool:
    """Return whether a file is as it was written: its first line has the digest of the others."""
    first, _, body = text.partition("\n")
    match = _DIGEST.match(first)
    return bool(match and match[1] == hashlib.sha256(body.encode()).hexdigest()[:12])


def _format(conversion: Conversion) -> str:
    comments: dict[FieldPath, list[str]] = {}
    for path, text in conversion.comments:
        comments.setdefault(path, []).append(text)
    comments.setdefault((), []).extend(conversion.notes)
    lines = [line for text in comments.get((), []) for line in _comment(text)]
    return "\n".join([*lines, *_write_mapping(conversion.mapping, (), comments)]) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _write_mapping(part: Mapping[str, Any], path: FieldPath, comments: Mapping[FieldPath, list[str]]) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in part.items():
        here = (*path, key)
        yield from (f"{indent}{line}" for text in comments.get(here, []) for line in _comment(text))
        name = _write_key(key)
        if not isinstance(value, dict | list) or not value or _fits_in_line(value, here, indent + name):
            yield from _write_value(f"{indent}{name}:", value, len(path))
        elif isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _write_mapping(value, here, comments)
        else:
            yield f"{indent}{name}:"
            yield from _write_list(value, here, comments)


@cache
def _write_key(key: str) -> str:
    return yamltext.text(key)


def _write_list(items: Sequence[Any], path: FieldPath, comments: Mapping[FieldPath, list[str]]) -> Iterator[str]:
    """Yield the lines of a list, each item with a dash before it."""
    indent = "  " * (len(path) - 1)
    for item in items:
        if not isinstance(item, dict) or _fits_in_line(item, (*path, 0), indent + "  -"):
            yield from _write_value(f"{indent}  -", item, len(path))
            continue
        first, *others = _write_mapping(item, (*path, 0), comments)
        yield f"{indent}  - {first.lstrip()}"
        yield from others


def _fits_in_line(value: Any, path: FieldPath, before: str) -> bool:  # noqa: ANN401  # YAML is anything
    """Return whether a mapping or list is written in braces or brackets."""
    if path in _BLOCKS or path[-1] in _ENTRIES or _has_lines(value):
        return False
    return len(before) + 2 + len(yamltext.text(value, flow=True)) <= WIDTH


def _has_lines(value: Any) -> bool:  # noqa: ANN401  # YAML is anything
    if isinstance(value, dict | list):
        return any(map(_has_lines, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and "\n" in value


def _write_value(before: str, value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401  # YAML is anything
    """Yield a value behind its key; a text of several lines goes below it."""
    block = _write_block(value) if isinstance(value, str) else None
    text = block or yamltext.text(value, flow=isinstance(value, dict | list))
    first, *others = text.split("\n")
    yield f"{before} {first}"
    yield from ("  " * depth + line if line else line for line in others)


def _write_block(text: str) -> str | None:
    """Return a text of several lines as it stands, behind a bar; None where YAML would read it otherwise."""
    end = "-" if not text.endswith("\n") else "+" if text.endswith("\n\n") else ""
    lines = text.removesuffix("\n").split("\n")
    start = "2" if text[:1].isspace() else ""
    block = "\n".join([f"|{start}{end}", *(f"  {line}" if line else "" for line in lines)])
    try:
        return block if "\n" in text and yamltext.parse(f"a:\n- {block}\n") == {"a": [text]} else None
    except ValueError:
        return None
