"""Files are written where there are none, and compared where there are: what is there is never changed."""

import difflib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

type State = Literal["written", "extended", "kept", "missing", "differs", "up to date"]
type Content = str | bytes


def write_missing(folder: Path, files: Mapping[str, Content]) -> dict[str, State]:
    """Write the files that are not there yet; return what was done about each.

    Args:
        folder: where they belong; it is made, if need be.
        files: path within it → what it has.

    Raises:
        OSError: one cannot be written.
    """
    return {name: _write_missing(folder / name, _encode(content)) for name, content in files.items()}


def _write_missing(path: Path, content: bytes) -> State:
    """Write a file whole, or not at all: half of one would be kept the next time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        return _compare_kept(path, content)
    try:
        with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as place:
            whole = Path(place) / path.name
            whole.write_bytes(content)
            os.link(whole, path)  # fails where a file has come meanwhile
    except FileExistsError:
        return _compare_kept(path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    return "written"


def _compare_kept(path: Path, content: bytes) -> State:
    """Tell a file that is there as it would be written from another one, which what cannot be read is, too."""
    try:
        return "kept" if path.read_bytes() == content else "differs"
    except OSError:
        return "differs"


def compare(folder: Path, files: Mapping[str, Content]) -> dict[str, State]:
    """Return which files are missing, differ, or have what they should.

    Raises:
        OSError: one cannot be read.
    """
    return {name: _compare(folder / name, _encode(content)) for name, content in files.items()}


def _compare(path: Path, content: bytes) -> State:
    try:
        return "up to date" if path.read_bytes() == content else "differs"
    except FileNotFoundError:
        return "missing"


def diff(folder: Path, name: str, content: Content) -> str:
    """Return how a file would change, as `git apply` takes it; nothing for what is no text, or does not change.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(content, bytes):
        return ""
    path = folder / name
    is_there = path.exists()
    before = path.read_text(encoding="utf-8", errors="replace") if is_there else ""
    return "".join(_diff(before, content, f"a/{name}" if is_there else "/dev/null", f"b/{name}"))


def _diff(before: str, after: str, old: str, new: str) -> Iterator[str]:
    for line in difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _encode(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
