"""What one document says about others: sources, clusters, names."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jinja2.defaults import DEFAULT_NAMESPACE

from keyferry.access import iam
from keyferry.cli.check.documents import Document
from keyferry.cli.check.problems import Problem, nearest
from keyferry.formats.yamltext import Path
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import PLACE_NAMES, SecretMapping
from keyferry.render import templates

ANSWERED_HERE = ("no source is called", "finds many values")
"""What the model says of the same things, without a place and one at a time."""


@dataclass(frozen=True)
class Named:
    """A mapping or cluster, and where it is."""

    document: Document
    path: Path
    """Path of its name."""
    name: str


def sources(document: Document) -> Iterator[Problem]:
    """Yield what a mapping's keys say wrongly of its sources, whether or not the rest of it is valid."""
    known = document.get("spec", "sources")
    if not isinstance(known, dict):
        return
    for alias in sorted(DEFAULT_NAMESPACE.keys() & known.keys()):
        message = f"{alias} means something else in a template; call the source another name"
        yield document.problem(("spec", "sources", alias), message, at_key=True)
    for path in entries(document):
        source = document.get(*path, "from")
        if isinstance(source, str) and source not in known:
            message = f"no source is called {source}{nearest(source, known, 'there is')}"
            yield document.problem((*path, "from"), message)
        if isinstance(source, str) and document.get("spec", "sources", source, "find"):
            yield from _of_a_find(document, path, source)
        yield from _template(document, (*path, "template"), PLACE_NAMES | known.keys())
        yield from _rules(document, path)
    yield from _metadata(document)


def entries(document: Document) -> Iterator[Path]:
    """Yield where a mapping says what keys are made of."""
    data, many = (document.get("spec", "secret", field) for field in ("data", "dataFrom"))
    for key in data if isinstance(data, dict) else ():
        yield "spec", "secret", "data", key
    for number, _ in enumerate(many if isinstance(many, list) else ()):
        yield "spec", "secret", "dataFrom", number
    yield "spec", "secret", "tls"
    yield from (("spec", "secret", "tls", part) for part in ("certificate", "key", "chain", "password"))
    registries = document.get("spec", "secret", "registries")
    for number, _ in enumerate(registries if isinstance(registries, list) else ()):
        yield from (("spec", "secret", "registries", number, part) for part in ("username", "password"))


def _of_a_find(document: Document, path: Path, source: str) -> Iterator[Problem]:
    """Yield what a key cannot take of many values."""
    many = f"source {source} finds many values"
    if path[2] != "dataFrom":
        yield document.problem(
            (*path, "from"), f'{many}: take them all by dataFrom, or one by a template, as {{{{ {source}["name"] }}}}'
        )
    elif document.get(*path, "path") is not None:
        yield document.problem((*path, "path"), f"{many}, each with a key: dataFrom takes them without a path")


def metadata(document: Document) -> Iterator[Path]:
    """Yield where a mapping gives labels and annotations."""
    for field in ("labels", "annotations"):
        given = document.get("spec", "secret", field)
        yield from (("spec", "secret", field, key) for key in (given if isinstance(given, dict) else ()))


def _metadata(document: Document) -> Iterator[Problem]:
    """Yield what templates of labels and annotations say wrongly: many people can read these, so no value is there."""
    sources = document.get("spec", "sources")
    named = sources if isinstance(sources, dict) else {}
    tags = {alias for alias in named if document.get("spec", "sources", alias, "metadata") == "tags"}
    for path in metadata(document):
        yield from _template(document, (*path, "template"), PLACE_NAMES | tags, alone=True)


def _rules(document: Document, path: Path) -> Iterator[Problem]:
    """Yield what templates that rename keys say wrongly: `key` is all that they know."""
    rules = document.get(*path, "keys")
    for number, _ in enumerate(rules if isinstance(rules, list) else ()):
        yield from _template(document, (*path, "keys", number, "template"), {"key"}, alone=True)


def _template(document: Document, path: Path, known: Collection[str], *, alone: bool = False) -> Iterator[Problem]:
    text = document.get(*path)
    if not isinstance(text, str):
        return
    try:
        used = templates.list_variables(text)
    except templates.InvalidTemplate as error:
        yield document.in_text(path, error.line, error.reason, f"line {error.line} of the template: {error.reason}")
        return
    for name in sorted(used.keys() - set(known)):
        what = f"no source is called so{nearest(name, known, 'there is')}"
        if alone:
            what = f"it knows {' and '.join(sorted(known))} alone"
        message = f"the template names {name}, and {what}"
        yield document.in_text(path, used[name], message, message)


def clusters(document: Document, known: Iterable[str]) -> Iterator[Problem]:
    """Yield which clusters a mapping names that there are not."""
    wanted, known = document.get("spec", "clusters"), set(known)
    for number, name in enumerate(wanted if isinstance(wanted, list) else ()):
        if isinstance(name, str) and name not in known:
            message = f"no cluster is called {name}{nearest(name, known, 'clusters.yaml has')}"
            yield document.problem(("spec", "clusters", number), message)


def duplicates(found: Iterable[Named], noun: str) -> Iterator[Problem]:
    """Yield which names are used twice."""
    first: dict[str, Problem] = {}
    for each in found:
        here = each.document.problem(each.path, "")
        if each.name in first:
            there = first[each.name]
            message = f"a {noun} called {each.name} is in {there.file}:{there.line} already; give this one another name"
            yield each.document.problem(each.path, message)
        else:
            first[each.name] = here


def renamed(found: Sequence[tuple[Named, SecretMapping]]) -> Iterator[Problem]:
    """Yield which previous names of mappings are another mapping's: what is written under one name is one mapping's."""
    taken = {each.name: f"mapping {each.name} is called so" for each, _ in found}
    for each, mapping in found:
        for number, name in enumerate(mapping.metadata.previous_names):
            why = taken.setdefault(name, f"mapping {mapping.name} was called so")
            if why != f"mapping {mapping.name} was called so":
                message = f"{why}, and what Secrets hold under that name is its own; take it out here, or there"
                yield each.document.problem(("metadata", "previousNames", number), message)


def unbounded(catalog: Catalog, found: Iterable[Named]) -> Iterator[Problem]:
    """Yield a warning for each source that takes the right to read everything there is."""
    for each in found:
        for alias, source in catalog.mappings[each.name].spec.sources.items():
            if iam.is_unbounded(source):
                message = (
                    f"source {alias} can find any name, so deliver gets the right to read everything in {source.find}"
                    " of the account; give it a path, tags, or a regexp with a fixed beginning, as ^team-a/"
                )
                yield replace(each.document.problem(("spec", "sources", alias), message), level="warning")


def nowhere(catalog: Catalog, found: Iterable[Named]) -> Iterator[Problem]:
    """Yield a warning for each mapping whose labels no cluster has: one may be on its way."""
    for each in found:
        mapping = catalog.mappings[each.name]
        if not catalog.clusters_of(mapping):
            message = (
                f"mapping {each.name} goes nowhere: no cluster has the labels {mapping.spec.clusters};"
                " give them to one in clusters.yaml, or choose others"
            )
            yield replace(each.document.problem(("spec", "clusters"), message), level="warning")
