"""Files, folders and standard input → the manifests in them, and what could not be read."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from keyferry.cli.check.problems import Problem
from keyferry.cli.migrate.model import FieldPath, Manifest
from keyferry.errors import InvalidInput
from keyferry.formats import goyaml
from keyferry.formats.goyaml import InvalidYaml

STANDARD_INPUT = "-"
SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 64 * 1024 * 1024
"""The largest file: a cluster's 10,000 ExternalSecrets take less."""
FILL_IN = "fill it in first, as `helm template … | keyferry migrate -` or `kustomize build … | keyferry migrate -` do"
"""What to do about the source of a manifest where the manifest is asked for."""
OF_HELM = re.compile(r"\{\{[^}]*(\.Values\b|\.Release\b|\.Chart\b|\.Capabilities\b|\binclude\s+[\"`])")
"""A placeholder of a chart: text in braces that Helm alone fills in."""


@dataclass
class Reading:
    """What was read."""

    manifests: list[Manifest] = field(default_factory=list)
    broken: list[Problem] = field(default_factory=list)
    """The documents that could not be read."""


def read(paths: Sequence[str], standard_input: bytes = b"") -> Reading:
    """Return the manifests of files, of all files in folders, and of standard input for `-`.

    Raises:
        InvalidInput: there is no such file or folder.
    """
    reading = Reading()
    for path in paths:
        if path == STANDARD_INPUT:
            _check_full(STANDARD_INPUT, standard_input, reading)
            parse(STANDARD_INPUT, standard_input, reading)
            continue
        found = _list_files(Path(path))
        if not found:
            reading.broken.append(Problem(path, 1, 1, f"has no file whose name ends in {', '.join(SUFFIXES)}"))
        for file in found:
            content = _read_file(file, reading)
            if file == Path(path):
                _check_full(path, content, reading)
    return reading


def _check_full(file: str, content: bytes | None, reading: Reading) -> None:
    """Add that a file which was asked for is empty: what a command that fails leaves behind."""
    if content is not None and not content.strip():
        what = "nothing came" if file == STANDARD_INPUT else "is empty"
        reading.broken.append(Problem(file, 1, 1, f"{what}: look at what the command that makes it says"))


def _list_files(path: Path) -> list[Path]:
    """Return a file, or the files of a folder and of the folders below it, by name; hidden ones are left out."""
    if path.is_dir():
        found = (each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
        return sorted(each for each in found if not any(part.startswith(".") for part in each.relative_to(path).parts))
    if not path.exists():
        raise InvalidInput(f"{path}: there is no such file or folder")
    return [path]


def _read_file(path: Path, reading: Reading) -> bytes | None:
    """Add the manifests of a file, and return its content; None if it cannot be read."""
    try:
        with path.open("rb") as stream:
            content = take(stream)
    except OSError as error:
        reading.broken.append(Problem(str(path), 1, 1, f"cannot be read: {error.strerror}"))
        return None
    parse(str(path), content, reading)
    return content


def take(stream: BinaryIO) -> bytes:
    """Return what a file has, or as much of it as shows that it is too large."""
    return stream.read(MAX_BYTES + 1)


def parse(file: str, content: bytes, reading: Reading) -> None:
    """Add the manifests of a text, and its documents that are none.

    Args:
        file: the name of the file, for messages.
        content: what it holds.
        reading: takes them.
    """
    if len(content) > MAX_BYTES:
        reading.broken.append(Problem(file, 1, 1, f"has more than {MAX_BYTES // 1024**2} MiB; give it in parts"))
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        reading.broken.append(Problem(file, line, 1, "not UTF-8, which YAML of Kubernetes is; save it as UTF-8"))
        return
    for first_line, document in _split(text.replace("\r\n", "\n")):
        try:
            reading.manifests += _parse_document(file, document, first_line)
        except InvalidYaml as error:
            lines = document.rstrip("\n").split("\n")
            number = min(error.line - first_line, len(lines) - 1)  # YAML looks for the end behind the last line
            problem = _explain(str(error), document, lines[number])
            reading.broken.append(Problem(file, first_line + number, 1, problem))


def _parse_document(file: str, text: str, first_line: int) -> Iterator[Manifest]:
    body, lines = goyaml.parse(text, first_line)
    if body is None:
        return
    if not isinstance(body, dict):
        raise InvalidYaml(lines[()], "no object of Kubernetes, which has apiVersion and kind")
    line = min(lines.values())
    if isinstance(body.get("items"), list) and str(body.get("kind", "")).endswith("List"):
        yield from _expand(file, body, lines, line)
    else:
        yield Manifest(file, line, body, lines)


def _expand(file: str, body: dict[str, Any], lines: dict[FieldPath, int], line: int) -> Iterator[Manifest]:
    """Yield the objects of a list; in an answer of the API server (`kubectl get --raw`), it alone may have the kind."""
    kind = str(body["kind"]).removesuffix("List")
    shared = {"apiVersion": body.get("apiVersion"), "kind": kind} if kind else {}
    own: dict[int, dict[FieldPath, int]] = {}
    for path, number in lines.items():
        if len(path) > 1 and path[0] == "items" and isinstance(path[1], int):
            own.setdefault(path[1], {})[path[2:]] = number
    for index, item in enumerate(body["items"]):
        if not isinstance(item, dict):
            raise InvalidYaml(own[index][()], "no object of Kubernetes, which has apiVersion and kind")
        yield Manifest(file, own[index].get((), line), shared | item, own[index])


def _explain(problem: str, document: str, line: str) -> str:
    """Return what is wrong with a document, with the usual reason where that shows."""
    if "placeholder" not in problem and (OF_HELM.search(document) or line.lstrip(" -").startswith("{{")):
        return f"{problem}; the document has placeholders as {{{{ .Values.name }}}}: {FILL_IN}"
    if "placeholder" in problem:
        return f"{problem}: {FILL_IN}"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"{problem}; the line begins with a tab, and YAML is indented by spaces"
    return problem


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Yield the documents of a text, each with the line that it begins on: at each line that begins with ---.

    As with kubectl (apimachinery's util/yaml/decoder.go), each of them ends with a line end, also the last one.
    """
    first, lines = 1, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if line.rstrip() == "---" or line.startswith(("--- ", "---\t")):
            yield first, "\n".join([*lines, ""])
            first, lines = number, ["   " + line[3:] if line[3:].strip() else ""]
        else:
            lines.append(line)
    yield first, "\n".join([*lines, ""])
