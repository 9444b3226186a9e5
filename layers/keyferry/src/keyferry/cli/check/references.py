"""What documents say of each other: sources and clusters that they name, and names that they share."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from jinja2.defaults import DEFAULT_NAMESPACE

from keyferry.cli.check.documents import Definition, Document
from keyferry.cli.check.problems import Problem, nearest
from keyferry.formats.yamltext import FieldPath
from keyferry.mapping.keys import KeyRule
from keyferry.mapping.mapping import DEFAULT_OF_NOTHING, PLACE_NAMES, SecretMapping
from keyferry.mapping.secret import SecretSpec, Template
from keyferry.render import templates

MODEL_MESSAGES = ("no source is called", "finds many values", DEFAULT_OF_NOTHING)
"""Parts of the messages of the model about what `check_sources` yields too: the model tells one, without position."""


def check_sources(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with the references of a mapping to its sources, even if the mapping has other problems."""
    sources = document.get("spec", "sources")
    if not isinstance(sources, dict):
        return
    for alias in sorted(DEFAULT_NAMESPACE.keys() & sources.keys()):
        message = f"{alias} means something else in a template; call the source another name"
        yield document.problem(("spec", "sources", alias), message, at_key=True)
    tags = {alias for alias in sources if document.get("spec", "sources", alias, "metadata") == "tags"}
    for path, model in document.parts(("spec", "secret"), SecretSpec):
        if any(field.alias == "from" for field in model.model_fields.values()):
            yield from _check_alias(document, path, sources)
        if model is KeyRule:
            yield from _check_template(document, path, {"key"}, lists_all=True)
        elif model is Template:  # many people can read labels and annotations, so values of sources are not available
            yield from _check_template(document, path, PLACE_NAMES | tags, lists_all=True)
        elif "template" in model.model_fields:
            yield from _check_template(document, path, PLACE_NAMES | sources.keys())


def _check_alias(document: Document, path: FieldPath, sources: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the alias in the field `from` of a part."""
    alias = document.get(*path, "from")
    if not isinstance(alias, str):
        return
    if alias not in sources:
        message = f"no source is called {alias}{nearest(alias, sources, 'there is')}"
        yield document.problem((*path, "from"), message)
    is_whole = document.get(*path, "path") is None and document.get("spec", "sources", alias, "label") is None
    for field in ("default", "optional"):
        if is_whole and document.get(*path, field):
            yield document.problem((*path, field), DEFAULT_OF_NOTHING, at_key=True)
    if document.get("spec", "sources", alias, "find"):
        yield from _check_find(document, path, alias)


def _check_find(document: Document, path: FieldPath, alias: str) -> Iterator[Problem]:
    """Yield what a part cannot do with the many values of a source with `find`."""
    beginning = f"source {alias} finds many values"
    if path[2] != "dataFrom":
        remedy = f'take them all by dataFrom, or one by a template, as {{{{ {alias}["name"] }}}}'
        yield document.problem((*path, "from"), f"{beginning}: {remedy}")
    elif document.get(*path, "path") is not None:
        yield document.problem((*path, "path"), f"{beginning}, each with a key: dataFrom takes them without a path")


def _check_template(
    document: Document, path: FieldPath, known: Collection[str], *, lists_all: bool = False
) -> Iterator[Problem]:
    """Yield what is wrong with the field `template` of a part.

    Args:
        document: has the part.
        path: of the part.
        known: the variables of the template.
        lists_all: whether messages name all variables instead of the most similar one.
    """
    path = (*path, "template")
    text = document.get(*path)
    if not isinstance(text, str):
        return
    try:
        used = templates.list_variables(text)
    except templates.InvalidTemplate as error:
        beginning = "" if path in document.template_files else f"line {error.line} of the template: "
        yield document.template_problem(path, error.line, f"{beginning}{error.reason}")
        return
    for name in sorted(used.keys() - set(known), key=lambda name: (used[name], name)):
        reason = f"no source is called so{nearest(name, known, 'there is')}"
        if lists_all:
            reason = f"it knows {' and '.join(sorted(known))} alone"
        meant = templates.describe_unknown(text, name, used[name])
        yield document.template_problem(path, used[name], meant or f"the template names {name}, and {reason}")
        if meant:  # what else is not known mostly has the same cause
            return


def check_clusters(document: Document, known: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for each cluster that a mapping names and that is not known."""
    names, known = document.get("spec", "clusters"), set(known)
    for number, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name not in known:
            message = f"no cluster is called {name}{nearest(name, known, 'clusters.yaml has')}"
            yield document.problem(("spec", "clusters", number), message)


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
