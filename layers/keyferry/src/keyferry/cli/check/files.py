"""A folder of mapping files → the catalogue, or everything that is wrong with the files at once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ValidationError

from keyferry.cli.check import (
    chains,
    documents,
    lint,
    origins,
    overlaps,
    policies,
    references,
    templatefiles,
    trial,
)
from keyferry.cli.check.documents import Definition, Document
from keyferry.cli.check.fields import others
from keyferry.cli.check.fields.empty import list_empty
from keyferry.cli.check.fields.wording import list_problems
from keyferry.cli.check.problems import InvalidFiles, Problem, nearest, similarity
from keyferry.cli.check.templatefiles import is_hidden
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import Stack, StackNames
from keyferry.mapping.targets import Cluster, Clusters
from keyferry.policy.rules import Policy

MAX_BYTES = 1024 * 1024
"""The largest mapping file: a thousand mappings take less."""
SUFFIXES = (".yaml", ".yml")
_KINDS: dict[str, type[BaseModel]] = {
    "SecretMapping": SecretMapping,
    "Clusters": Clusters,
    "Policy": Policy,
    "Stack": Stack,
}

type Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows the progress of work, as `console.show_progress`."""


@dataclass
class _Content:
    """The content of all files of a folder."""

    documents: list[Document] = field(default_factory=list)
    mappings: list[tuple[Definition, SecretMapping]] = field(default_factory=list)
    clusters: list[tuple[Definition, Cluster]] = field(default_factory=list)
    policy: tuple[Document, Policy] | None = None
    stack: StackNames | None = None
    problems: list[Problem] = field(default_factory=list)
    is_incomplete: bool = False
    """Whether a file could not be read as YAML. Then it is not known what the file defines."""


@contextmanager
def _show_nothing(_work: str, _total: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


def load(folder: Path, progress: Progress = _show_nothing) -> Catalog:
    """Return the mappings and clusters of a folder and the folders below it.

    Args:
        folder: the folder of the mappings.
        progress: shows the progress, as `console.show_progress`.

    Raises:
        InvalidFiles: the files have problems.
    """
    return check(folder, progress)[0]


def check(
    folder: Path, progress: Progress = _show_nothing, drafts: Mapping[Path, str] = MappingProxyType({})
) -> tuple[Catalog, list[Problem]]:
    """Return the mappings and clusters of a folder and the folders below it, and the warnings about them.

    Args:
        folder: the folder of the mappings.
        progress: shows the progress, as `console.show_progress`.
        drafts: files of the folder that are not written yet, with their texts: they count as if they were.

    Raises:
        InvalidFiles: the files have problems; it has every problem of every file.
    """
    content = _Content()
    _read_files(folder, content, progress, drafts)
    _parse_documents(folder, content, progress)
    _check_references(folder, content)
    if content.problems:
        raise InvalidFiles(content.problems)
    catalog = build_catalog(
        (mapping for _, mapping in content.mappings), (cluster for _, cluster in content.clusters), content.stack
    )
    catalog = _locate(catalog, content, folder)
    problems = _check_catalog(catalog, content)
    warnings = sorted(problem for problem in problems if problem.level == "warning")
    if len(problems) > len(warnings):
        raise InvalidFiles(problems)
    if content.policy:
        definitions = [definition for definition, _ in content.mappings]
        verdicts = policies.build_verdicts(catalog, definitions, *content.policy)
        catalog = catalog.model_copy(update={"verdicts": verdicts})
    return catalog, warnings


def _locate(catalog: Catalog, content: _Content, folder: Path) -> Catalog:
    """Return the catalogue with the places of its mappings and clusters, as problems have them."""
    places = {
        field: {definition.name: origins.build_origin(definition, folder) for definition, _ in definitions}
        for field, definitions in (("origins", content.mappings), ("cluster_origins", content.clusters))
    }
    return catalog.model_copy(update={"folder": str(folder), **places})


def _read_files(folder: Path, content: _Content, progress: Progress, drafts: Mapping[Path, str]) -> None:
    paths = sorted({*_list_files(folder, content), *drafts})
    with progress("reading files", len(paths)) as step:
        for path in paths:
            text, problems = _read(path) if path not in drafts else (drafts[path], [])
            parsed: list[Document] = []
            if not problems:
                parsed, problems = documents.parse(str(path), text)
            content.documents += parsed
            content.problems += problems
            content.is_incomplete = content.is_incomplete or bool(problems)
            step()


def _list_files(folder: Path, content: _Content) -> Iterator[Path]:
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        message = f"{what}; name the folder of the mappings with --mappings"
        content.problems.append(Problem(str(folder), 1, 1, message))
        return
    content.problems += policies.list_above(folder)
    paths = [path for path in sorted(folder.rglob("*")) if not is_hidden(path.relative_to(folder))]
    obstacles = {path: obstacle for path in paths if (obstacle := _describe_obstacle(path, folder))}
    content.problems += [Problem(str(path), 1, 1, obstacle) for path, obstacle in obstacles.items()]
    content.is_incomplete = bool(obstacles)
    paths = [path for path in paths if path.suffix in SUFFIXES]
    if not paths:
        message = "no YAML file in it; begin with clusters.yaml and a mapping, or look at what --mappings names"
        content.problems.append(Problem(str(folder), 1, 1, message))
    yield from (path for path in paths if path not in obstacles)


def _describe_obstacle(path: Path, folder: Path) -> str:
    """Return why a mapping file or a folder is not read; empty if it is, or is something else.

    Nothing from outside of the folder is read: parts of it would stand in messages, which many people can see.
    """
    if path.is_symlink() and path.is_dir():
        return "a link to a folder, and links are not followed; keep the files themselves here"
    if path.suffix not in SUFFIXES:
        return ""
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        return "a link to outside of the folder of the mappings; keep the file itself here"
    return "" if path.is_file() else "no file, and its name ends as those of mapping files do; give it another name"


def _read(path: Path) -> tuple[str, list[Problem]]:
    """Return the text of a file, or why it cannot be read."""
    data, line = b"", 1
    try:
        size = path.stat().st_size
        if size <= MAX_BYTES:
            data = path.read_bytes()
            if b"\0" in data[:2] or data.startswith((b"\xff\xfe", b"\xfe\xff")):
                return "", [Problem(str(path), 1, 1, "UTF-16, as editors of Windows write; save the file as UTF-8")]
            return data.decode("utf-8-sig"), []
        message = f"has {size:,} bytes; a mapping file has {MAX_BYTES:,} at most: split it"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line, message = data.count(b"\n", 0, error.start) + 1, "not UTF-8; save the file as UTF-8"
    return "", [Problem(str(path), line, 1, message)]


def _parse_documents(folder: Path, content: _Content, progress: Progress) -> None:
    with progress("checking mappings", len(content.documents)) as step:
        for document in content.documents:
            content.problems += templatefiles.inline(document, folder, SUFFIXES)
            _parse(document, content)
            step()


def _parse(document: Document, content: _Content) -> None:
    """Add what a document defines to the content, or what is wrong with the document."""
    kind = document.get("kind")
    if not isinstance(document.data, dict):
        message = "not a mapping of fields to values; begin with apiVersion: keyferry.dev/v1"
        content.problems.append(document.problem((), message))
        return
    if not isinstance(kind, str) or kind not in _KINDS:
        content.problems.append(document.problem(("kind",), _describe_kind(document, kind)))
        return
    source_problems = list(references.check_sources(document)) if kind == "SecretMapping" else []
    empty_problems = list_empty(document, _KINDS[kind])
    content.problems += source_problems + empty_problems
    try:
        model = _KINDS[kind].model_validate(document.data, by_alias=True, by_name=False)
    except ValidationError as error:
        problems = list_problems(document, _KINDS[kind], error)
        content.problems += [problem for problem in problems if not (source_problems and _is_about_sources(problem))]
        return
    _add(document, model, content)


def _describe_kind(document: Document, kind: object) -> str:
    """Return what is wrong with a document that has no kind, or none of ours."""
    elsewhere = others.describe_kind(str(kind), str(document.get("apiVersion") or ""))
    if elsewhere and kind is not None:
        return f"kind {kind} {elsewhere}"
    misspelled = next((str(key) for key in document.data if similarity(str(key), "kind") > 0.7), "")
    if kind is None and misspelled.startswith(("kind:", "kind=")):
        return "a colon and a space stand after a key, as kind: SecretMapping"
    if kind is None and misspelled:
        return f"unknown field {misspelled}; did you mean kind?"
    what = "kind is missing" if kind is None else f"unknown kind {kind}"
    return f"{what}{nearest(str(kind), _KINDS, 'there is')}"


def _is_about_sources(problem: Problem) -> bool:
    """Return whether the model says what `references.check_sources` says better."""
    is_known = any(text in problem.message for text in references.MODEL_MESSAGES)
    return problem.message.startswith("spec: secret.") and is_known


def _add(document: Document, model: BaseModel, content: _Content) -> None:
    if isinstance(model, SecretMapping):
        content.mappings.append((Definition(model.name, document, ("metadata", "name")), model))
        content.problems += [document.problem(path, message) for path, message in trial.list_overspending(model)]
    elif isinstance(model, Clusters):
        for number, cluster in enumerate(model.clusters):
            definition = Definition(cluster.name, document, ("clusters", number, "name"))
            content.clusters.append((definition, cluster))
    elif isinstance(model, Policy):
        content.policy = document, model
    elif isinstance(model, Stack):
        content.stack = model


def _check_references(folder: Path, content: _Content) -> None:
    """Add what is wrong with what documents say of each other."""
    content.problems += references.check_duplicates([definition for definition, _ in content.mappings], "mapping")
    content.problems += references.check_duplicates([definition for definition, _ in content.clusters], "cluster")
    content.problems += references.check_previous_names(content.mappings)
    content.problems += chains.check_circles(content.mappings)
    if content.is_incomplete:
        return
    content.problems += references.check_same_clusters(content.clusters)
    content.problems += references.check_clusters(content.documents, folder, policies.CLUSTERS, set(_KINDS))
    content.problems += policies.list_misplaced(content.documents, folder)


def _check_catalog(catalog: Catalog, content: _Content) -> list[Problem]:
    """Return the problems and warnings of mappings that are valid, each by itself."""
    definitions = [definition for definition, _ in content.mappings]
    problems = [*overlaps.list_overlaps(catalog, definitions), *lint.warn(catalog, definitions)]
    problems += lint.warn_of_clusters(content.clusters)
    if content.policy:
        problems += policies.list_refused(catalog, definitions, *content.policy)
    return problems
