"""A folder of mapping files → the catalogue, or everything that is wrong with them at once."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from keyferry.cli.check import lint, policies, references, templatefiles
from keyferry.cli.check.documents import Document, read
from keyferry.cli.check.overlaps import overlaps
from keyferry.cli.check.problems import InvalidFiles, Problem, nearest
from keyferry.cli.check.references import Named
from keyferry.cli.check.wording import problems_of
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster, Clusters
from keyferry.policy.rules import Policy

MAX_BYTES = 1024 * 1024
"""What a mapping file may have: a thousand mappings take less."""
SUFFIXES = (".yaml", ".yml")
_KINDS: dict[str, type[BaseModel]] = {"SecretMapping": SecretMapping, "Clusters": Clusters, "Policy": Policy}


@dataclass
class Found:
    """What the files of a folder hold."""

    documents: list[Document] = field(default_factory=list)
    mappings: list[tuple[Named, SecretMapping]] = field(default_factory=list)
    clusters: list[tuple[Named, Cluster]] = field(default_factory=list)
    policy: tuple[Document, Policy] | None = None
    problems: list[Problem] = field(default_factory=list)
    unread: bool = False
    """Whether a file could not be read as YAML: then what it defines is not known."""

    def cluster_names(self) -> set[str]:
        """Return the names of all clusters, of those too that are otherwise wrong."""
        lists = [each.get("clusters") for each in self.documents if each.get("kind") == "Clusters"]
        entries = [entry for each in lists if isinstance(each, list) for entry in each]
        return {str(entry.get("name")) for entry in entries if isinstance(entry, dict)}


type Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows how far work is: what it is, and of how many parts."""


def load(folder: Path, progress: Progress | None = None) -> Catalog:
    """Return the mappings and clusters of a folder and the folders below it.

    Raises:
        InvalidFiles: something is wrong; it holds every problem of every file.
    """
    return check(folder, progress or _unseen)[0]


@contextmanager
def _unseen(_what: str, _total: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


def check(folder: Path, progress: Progress = _unseen) -> tuple[Catalog, list[Problem]]:
    """Return the mappings and clusters of a folder and the folders below it, and what to be warned of.

    Args:
        folder: of the mappings.
        progress: shows how far it is, as `screen.progress`.

    Raises:
        InvalidFiles: something is wrong; it holds every problem of every file.
    """
    found = Found()
    paths = list(_files(folder, found))
    with progress("reading files", len(paths)) as step:
        for path in paths:
            _read(path, found)
            step()
    with progress("checking mappings", len(found.documents)) as step:
        for document in found.documents:
            found.problems += templatefiles.inline(document, folder, SUFFIXES)
            _validate(document, found)
            step()
    _compare(found)
    if not found.unread:
        found.problems += policies.misplaced(found.documents, folder)
    if found.problems:
        raise InvalidFiles(found.problems)
    catalog = build_catalog((each for _, each in found.mappings), (each for _, each in found.clusters))
    names = [named for named, _ in found.mappings]
    problems = list(overlaps(catalog, names))
    if found.policy:
        problems += policies.refused(catalog, names, *found.policy)
    problems += references.nowhere(catalog, names)
    problems += references.unbounded(catalog, names)
    problems += lint.about(catalog, names)
    warnings = sorted(each for each in problems if each.level == "warning")
    if len(problems) > len(warnings):
        raise InvalidFiles(problems)
    return catalog, warnings


def _files(folder: Path, found: Found) -> Iterator[Path]:
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        found.problems.append(Problem(str(folder), 1, 1, f"{what}; name the folder of the mappings with --mappings"))
        return
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file()]
    paths = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not paths:
        message = "no YAML file in it; begin with clusters.yaml and a mapping, or look at what --mappings names"
        found.problems.append(Problem(str(folder), 1, 1, message))
    yield from paths


def _read(path: Path, found: Found) -> None:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
        text = content.decode("utf-8-sig")
        message, line = f"has {size:,} bytes; a mapping file has {MAX_BYTES:,} at most: split it", 1
        documents, problems = read(str(path), text) if size <= MAX_BYTES else ([], [Problem(str(path), 1, 1, message)])
    except OSError as error:
        documents, problems = [], [Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        documents, problems = [], [Problem(str(path), line, 1, "not UTF-8; save the file as UTF-8")]
    found.documents += documents
    found.problems += problems
    found.unread = found.unread or bool(problems)


def _validate(document: Document, found: Found) -> None:
    """Take what a document defines, or note what is wrong with it."""
    kind = document.get("kind")
    if not isinstance(document.data, dict):
        message = "not a mapping of fields to values; begin with apiVersion: keyferry.dev/v1"
        found.problems.append(document.problem((), message))
        return
    if not isinstance(kind, str) or kind not in _KINDS:
        what = "kind is missing" if kind is None else f"unknown kind {kind}"
        message = f"{what}{nearest(str(kind), _KINDS, 'there is')}"
        found.problems.append(document.problem(("kind",), message))
        return
    before = len(found.problems)
    if kind == "SecretMapping":
        found.problems += references.sources(document)
    try:
        model = _KINDS[kind].model_validate(document.data, by_alias=True, by_name=False)
    except ValidationError as error:
        told = problems_of(document, _KINDS[kind], error)
        found.problems += [each for each in told if len(found.problems) == before or not _is_answered(each)]
        return
    _take(document, model, found)


def _is_answered(problem: Problem) -> bool:
    known = any(text in problem.message for text in references.ANSWERED_HERE)
    return problem.message.startswith("spec: secret.") and known


def _take(document: Document, model: BaseModel, found: Found) -> None:
    if isinstance(model, SecretMapping):
        found.mappings.append((Named(document, ("metadata", "name"), model.name), model))
    elif isinstance(model, Clusters):
        for number, cluster in enumerate(model.clusters):
            found.clusters.append((Named(document, ("clusters", number, "name"), cluster.name), cluster))
    elif isinstance(model, Policy):
        found.policy = document, model


def _compare(found: Found) -> None:
    """Note what documents say wrongly of each other."""
    found.problems += references.duplicates([named for named, _ in found.mappings], "mapping")
    found.problems += references.duplicates([named for named, _ in found.clusters], "cluster")
    found.problems += references.renamed(found.mappings)
    if not found.unread:
        known = found.cluster_names()
        for document in found.documents:
            if document.get("kind") == "SecretMapping":
                found.problems += references.clusters(document, known)
