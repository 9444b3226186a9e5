"""Templates in files of their own: read when mappings are, so that the functions read none."""

from collections.abc import Iterator
from pathlib import Path

from keyferry.cli.check import references
from keyferry.cli.check.documents import Document
from keyferry.cli.check.problems import Problem

MAX_BYTES = 256 * 1024
"""What a template may have: a Secret holds 1 MiB in all."""


def inline(document: Document, folder: Path, suffixes: tuple[str, ...]) -> Iterator[Problem]:
    """Put the text of every `templateFile` into `template`, and yield what is wrong with the files.

    Args:
        document: a mapping.
        folder: the folder of all mappings, out of which no file may be.
        suffixes: those of mapping files, which a template file cannot have.
    """
    for path in (*references.entries(document), *references.metadata(document)):
        entry, name = document.get(*path), document.get(*path, "templateFile")
        if not isinstance(name, str) or "template" in entry:
            continue
        file = Path(document.file).parent / name
        try:
            entry["template"] = _text(file, folder, suffixes)
        except ValueError as error:
            yield document.problem((*path, "templateFile"), f"{name} {error}")
            continue
        del entry["templateFile"]
        document.files[*path, "template"] = str(file)


def _text(file: Path, folder: Path, suffixes: tuple[str, ...]) -> str:
    if file.suffix in suffixes:
        raise ValueError(f"ends as mapping files do; call it another name, as {file.stem}.j2")
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise ValueError("is outside the folder of the mappings; keep it beside the mapping")
        if not file.is_file():
            raise ValueError("is no file; name one beside the mapping")
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"is larger than {MAX_BYTES:,} bytes, and a Secret holds little more")
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
