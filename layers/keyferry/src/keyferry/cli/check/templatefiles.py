"""Templates in files of their own. They are read with the mappings, so that the functions read no files."""

from collections.abc import Iterator
from pathlib import Path

from keyferry.cli.check.documents import Document
from keyferry.cli.check.problems import Problem
from keyferry.mapping.secret import SecretSpec

MAX_BYTES = 256 * 1024
"""The largest template: a Secret holds 1 MiB in all."""


def inline(document: Document, folder: Path, suffixes: tuple[str, ...]) -> Iterator[Problem]:
    """Replace every `templateFile` of a document by `template` with the text of the file; yield problems of files.

    Args:
        document: a mapping.
        folder: the folder of all mappings, which has to contain the files.
        suffixes: the suffixes of mapping files, which no template may have.
    """
    for path, model in list(document.parts(("spec", "secret"), SecretSpec)):
        entry, name = document.get(*path), document.get(*path, "templateFile")
        if "template_file" not in model.model_fields or not isinstance(name, str) or "template" in entry:
            continue
        file = Path(document.file).parent / name
        try:
            entry["template"] = _read(file, folder, suffixes)
        except ValueError as error:
            yield document.problem((*path, "templateFile"), f"{name} {error}")
            continue
        del entry["templateFile"]
        document.template_files[*path, "template"] = str(file)


def is_hidden(path: Path) -> bool:
    """Return whether a path, relative to the folder of the mappings, is hidden there: of Git, say, or of an editor."""
    return any(part.startswith(".") for part in path.parts)


def _read(file: Path, folder: Path, suffixes: tuple[str, ...]) -> str:
    if file.suffix in suffixes:
        raise ValueError(f"ends as mapping files do; call it another name, as {file.stem}.j2")
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise ValueError("is outside the folder of the mappings; keep it beside the mapping")
        if is_hidden(file.resolve().relative_to(folder.resolve())):
            raise ValueError("is hidden, as files of Git and of editors are; call it another name")
        if not file.is_file():
            raise ValueError("is no file; name one beside the mapping")
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"is larger than {MAX_BYTES:,} bytes, and a Secret holds little more")
        return file.read_text("utf-8-sig", newline="")  # a template is taken as it is written
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
