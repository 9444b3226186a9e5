"""What documents say of each other: sources and clusters that they name, and names that they share."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from jinja2.defaults import DEFAULT_NAMESPACE

from keyferry.cli.check.documents import Definition, Document
from keyferry.cli.check.fields.shapes import find_example
from keyferry.cli.check.problems import Problem, nearest
from keyferry.formats.yamltext import FieldPath
from keyferry.mapping.keys import KeyRule
from keyferry.mapping.mapping import DEFAULT_OF_NOTHING, PLACE_NAMES, VARIABLES, SecretMapping
from keyferry.mapping.secret import SecretSpec, Template
from keyferry.mapping.targets import Cluster, Eks
from keyferry.render import templates

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
MODEL_MESSAGES = ("no source is called", "finds many values", DEFAULT_OF_NOTHING)
"""Parts of the messages of the model about what `check_sources` yields too: the model tells one, without position."""


def check_sources(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with the references of a mapping to its sources, even if the mapping has other problems."""
    sources = document.get("spec", "sources")
    if not isinstance(sources, dict) or not sources:
        return
    for alias in sorted((DEFAULT_NAMESPACE.keys() - PLACE_NAMES) & sources.keys()):  # the model tells those of places
        message = f"{alias} means something else in a template; call the source another name"
        yield document.problem(("spec", "sources", alias), message, at_key=True)
    if any(path[:2] == ("spec", "sources") for path in document.told) or not all(map(_ALIAS.match, map(str, sources))):
        return  # a name that is wrong is told where it stands, and not again wherever it is used
    tags = {alias for alias in sources if document.get("spec", "sources", alias, "metadata") == "tags"}
    for path, model in document.parts(("spec", "secret"), SecretSpec):
        if any(field.alias == "from" for field in model.model_fields.values()):
            yield from _check_alias(document, path, sources)
        if model is KeyRule:
            yield from _check_template(document, path, {"key"}, lists_all=True)
        elif model is Template and document.get(*path, "showsValues") is not True:  # many people can read its text
            yield from _check_template(document, path, PLACE_NAMES | tags, lists_all=True, hidden=sources)
        elif "template" in model.model_fields:
            own = set() if VARIABLES in path[2:3] or not document.get("spec", "secret", VARIABLES) else {VARIABLES}
            yield from _check_template(document, path, PLACE_NAMES | sources.keys() | own)


def _check_alias(document: Document, path: FieldPath, sources: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the alias in the field `from` of a part."""
    alias = document.get(*path, "from")
    if not isinstance(alias, str) or not _ALIAS.match(alias):
        return
    if alias not in sources:
        message = f"no source is called {alias}{nearest(alias, sources, 'there is')}"
        yield document.problem((*path, "from"), message)
    is_whole = (
        document.get(*path, "path") is document.get(*path, "property") is None
        and document.get("spec", "sources", alias, "label") is None
        and not document.get("spec", "sources", alias, "optional")
    )
    for field in ("default", "optional"):
        if is_whole and document.get(*path, field):
            yield document.problem((*path, field), DEFAULT_OF_NOTHING, at_key=True)
    if document.get("spec", "sources", alias, "find"):
        yield from _check_find(document, path, alias)


def _check_find(document: Document, path: FieldPath, alias: str) -> Iterator[Problem]:
    """Yield what a part cannot do with the many values of a source with `find`."""
    beginning = f"source {alias} finds many values"
    if "dataFrom" not in path[2:4]:
        remedy = f'take them all by dataFrom, or one by a template, as {{{{ {alias}["name"] }}}}'
        yield document.problem((*path, "from"), f"{beginning}: {remedy}")
        return
    for field in ("path", "property"):
        if document.get(*path, field) is not None:
            message = f"{beginning}, each with a key: dataFrom takes them without a {field}"
            yield document.problem((*path, field), message)


def _check_template(
    document: Document,
    path: FieldPath,
    known: Collection[str],
    *,
    lists_all: bool = False,
    hidden: Collection[str] = (),
) -> Iterator[Problem]:
    """Yield what is wrong with the field `template` of a part.

    Args:
        document: has the part.
        path: of the part.
        known: the variables of the template.
        lists_all: whether messages name all variables instead of the most similar one.
        hidden: the variables that it would have besides, if it said `showsValues`.
    """
    path = (*path, "template")
    text = document.get(*path)
    if not isinstance(text, str):
        return
    try:
        used = templates.list_variables(text)
    except templates.InvalidTemplate as error:
        yield document.template_problem(path, error.line, error.reason)
        return
    for name in sorted(used.keys() - set(known), key=lambda name: (used[name], name)):
        reason = f"no source is called so{nearest(name, known, 'there is')}"
        if "did you mean" not in reason and (holder := _find_holder(document, name, text)):
            reason = f"no source is called so; a key of a source is written {holder}.{name}"
        if lists_all:
            reason = f"it knows {' and '.join(sorted(known))} alone"
            reason += "; values only with showsValues: true, by which all who see it see them" if name in hidden else ""
        meant = templates.describe_unknown(text, name, used[name])
        message = meant or f"the template names {name}, and {reason}"
        yield document.template_problem(path, used[name], message, has_line=False)
        if meant:  # what else is not known mostly has the same cause
            return


def _find_holder(document: Document, name: str, template: str) -> str:
    """Return the source of which a name in a template is probably a key; empty where that cannot be told.

    It is one of which another key of the Secret takes a path of that name, or the only source.
    """
    if re.search(rf"(?<![A-Za-z0-9_.]){name}\s*[.(\[]", template):
        return ""
    sources, data = document.get("spec", "sources"), document.get("spec", "secret", "data")
    entries = [entry for entry in data.values() if isinstance(entry, dict)] if isinstance(data, dict) else []
    for entry in entries:
        if entry.get("path") == name and str(entry.get("from")) in sources:
            return str(entry["from"])
    return str(next(iter(sources))) if len(sources) == 1 else ""


def check_clusters(documents: Sequence[Document], folder: Path, file: str, kinds: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each cluster that a mapping names and that is not known, or the one cause of all of them.

    Args:
        documents: of all files.
        folder: the folder of the mappings.
        file: the name of the file of clusters.
        kinds: of the documents that there can be. One of another kind may define clusters, as may one without a list.
    """
    lists = [document.get("clusters") for document in documents if document.get("kind") == "Clusters"]
    if any(str(document.get("kind")) not in kinds for document in documents) or not all(map(_has_names, lists)):
        return
    known = {str(cluster["name"]) for clusters in lists for cluster in clusters}
    if not all(map(_NAME.match, known)):
        return  # a name that is wrong is told where it stands, and not again wherever it is used
    for document, path in _list_named_clusters(documents):
        if not known:
            yield Problem(str(folder / file), 1, 1, _describe_no_clusters(folder, file))
            return
        name = document.get(*path)
        if name not in known:
            yield document.problem(path, f"no cluster is called {name}{nearest(name, known, f'{file} has')}")


def _has_names(clusters: object) -> bool:
    """Return whether this is a list of clusters with names, whatever else is wrong with them."""
    return isinstance(clusters, list) and all(isinstance(item, dict) and item.get("name") for item in clusters)


def _list_named_clusters(documents: Iterable[Document]) -> Iterator[tuple[Document, FieldPath]]:
    for document in documents:
        names = document.get("spec", "clusters") if document.get("kind") == "SecretMapping" else None
        for number, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and _NAME.match(name):
                yield document, ("spec", "clusters", number)


def _describe_no_clusters(folder: Path, file: str) -> str:
    above = next((parent for parent in folder.resolve().parents[:2] if (parent / file).is_file()), None)
    if above:
        return f"no cluster is known here, and {above / file} has some; say --mappings {above}, or move it here"
    what = "has no cluster" if (folder / file).is_file() else "no such file"
    return f"{what}; list the clusters that mappings name, as {find_example(('clusters',))}"


def check_same_clusters(clusters: Iterable[tuple[Definition, Cluster]]) -> Iterator[Problem]:
    """Yield a problem for each cluster of EKS that has another name already: two would write the same Secrets."""
    first: dict[Eks, Definition] = {}
    for definition, cluster in clusters:
        earlier = first.setdefault(cluster.eks, definition)
        if earlier.name != definition.name:
            message = (
                f"{definition.name} is the same cluster of EKS as {earlier.name} in"
                f" {earlier.document.locate(earlier.path)}; keep one of the names, or give it an eks of its own"
            )
            yield definition.document.problem(definition.path, message)


def check_duplicates(definitions: Iterable[Definition], noun: str) -> Iterator[Problem]:
    """Yield a problem for each definition whose name an earlier one has; `noun` says what is defined."""
    first: dict[str, Definition] = {}
    for definition in definitions:
        earlier = first.setdefault(definition.name, definition)
        if earlier is not definition:
            location = earlier.document.locate(earlier.path)
            message = f"a {noun} called {definition.name} is in {location} already; give this one another name"
            yield definition.document.problem(definition.path, message)


def check_previous_names(mappings: Sequence[tuple[Definition, SecretMapping]]) -> Iterator[Problem]:
    """Yield a problem for each previous name of a mapping that another mapping has or had.

    Secrets hold the name of the mapping that wrote them, and a name belongs to one mapping.
    """
    owners = {mapping.name: f"mapping {mapping.name} is called so" for _, mapping in mappings}
    for definition, mapping in mappings:
        own = f"mapping {mapping.name} was called so"
        for number, name in enumerate(mapping.metadata.previous_names):
            owner = owners.setdefault(name, own)
            if owner != own:
                message = f"{owner}, and what Secrets hold under that name is its own; take it out here, or there"
                yield definition.document.problem(("metadata", "previousNames", number), message)
