"""Warnings: what is right in a mapping, and probably not meant."""

import re
from collections.abc import Iterable, Iterator, Sequence

from keyferry.access.grants import is_unbounded
from keyferry.aws import regions
from keyferry.budget import Budget, OverBudget
from keyferry.cli.check.documents import Definition, Document
from keyferry.cli.check.problems import Problem
from keyferry.formats import jmespath
from keyferry.formats.yamltext import FieldPath
from keyferry.mapping import keys
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.data import Entry
from keyferry.mapping.mapping import SecretMapping, Spec
from keyferry.mapping.secret import DataFrom, SecretSpec
from keyferry.mapping.targets import Cluster
from keyferry.model import Place
from keyferry.render import templates
from keyferry.stores.identifiers import check_name

_FREE_TEXTS = ("contact", "team", "value", "default", "template", "regexp")
"""Fields of texts that can have a # in them."""


def warn(catalog: Catalog, definitions: Iterable[Definition]) -> Iterator[Problem]:
    """Yield the warnings about each of the mappings that are defined."""
    for definition in definitions:
        mapping = catalog.mappings[definition.name]
        clusters = [cluster.name for cluster in catalog.clusters_of(mapping)]
        if not clusters:
            yield definition.document.warning(("spec", "clusters"), _describe_no_cluster(mapping))
        spec = mapping.spec
        warnings = (
            *_list_source_warnings(spec),
            *_list_long_names(spec, clusters),
            *_list_secret_warnings(spec),
            *_list_cut(definition.document),
        )
        for path, message in warnings:
            yield definition.document.warning(path, message)


def warn_of_clusters(clusters: Iterable[tuple[Definition, Cluster]]) -> Iterator[Problem]:
    """Yield the warnings about clusters in regions that are not known."""
    known = regions.list_regions()
    for definition, cluster in clusters:
        if cluster.eks.region not in known:
            path = (*definition.path[:-1], "eks", "region")
            message = f"cluster {cluster.name}: {regions.describe_unknown(cluster.eks.region)}"
            yield definition.document.warning(path, message)


def _describe_no_cluster(mapping: SecretMapping) -> str:
    return (
        f"mapping {mapping.name} goes nowhere: no cluster has the labels {mapping.spec.clusters};"
        " give them to one in clusters.yaml, or choose others"
    )


def _list_source_warnings(spec: Spec) -> Iterator[tuple[FieldPath, str]]:
    """Yield each source that is probably not meant so, and why."""
    for alias in sorted(spec.sources.keys() - _used_aliases(spec)):
        yield ("spec", "sources", alias), f"source {alias} is used nowhere: take it out, or use it"
    for alias, source in spec.sources.items():
        if is_unbounded(source):
            message = (
                f"source {alias} can find any name, so deliver gets the right to read everything in {source.find}"
                " of the account; give it a path, tags, or a regexp with a fixed beginning, as ^team-a/"
            )
            yield ("spec", "sources", alias), message
        for doubt in (*source.store.list_doubts(source), *regions.list_doubts(source)):
            yield ("spec", "sources", alias), f"source {alias}: {doubt}"


def _list_long_names(spec: Spec, clusters: Sequence[str]) -> Iterator[tuple[FieldPath, str]]:
    """Yield each source whose name becomes too long where the longest names of cluster and namespace are filled in."""
    place = Place(max(clusters, key=len, default="x"), max(spec.namespace_names, key=len, default="x"))
    for alias, source in spec.sources.items():
        resolved = source.resolve(place)
        name = resolved.path or next(iter(resolved.event_names), "x")
        try:
            check_name(name, f"the name of a {source.store.NOUN}", source.store)
        except ValueError as error:
            where = f"cluster {place.cluster}, namespace {place.namespace}"
            yield ("spec", "sources", alias), f"source {alias} in {where}: {error}"


def _list_secret_warnings(spec: Spec) -> Iterator[tuple[FieldPath, str]]:
    """Yield each part of the Secret that is probably not meant so, and why."""
    for key, entry in spec.secret.data.items():
        if entry.value is not None and "{{" in entry.value:
            message = "the Secret will hold these braces as they are: what is filled in is a template, not a value"
            yield ("spec", "secret", "data", key, "value"), message
        if alias := _find_other_braces(entry, spec.sources):
            field = "value" if entry.template is None else "template"
            message = (
                f"{alias} is not filled in here: that takes a template, and double braces, as {{{{ {alias}.key }}}}"
            )
            yield ("spec", "secret", "data", key, field), message
    for path, expression in _list_paths(spec.secret):
        if oddity := jmespath.describe_oddity(expression):
            yield path, f"path {expression} {oddity}"
    for number, data_from in enumerate(spec.secret.data_from):
        if _has_slash_in_every_key(data_from, spec):
            prefix = spec.sources[data_from.source or ""].find_prefix
            message = (
                f"no name that begins with {prefix} can be a key of a Secret, which has no slash: add"
                f" keys: [{{stripPrefix: {prefix}}}], or invalidCharacters: replace"
            )
            yield ("spec", "secret", "dataFrom", number), message


def _find_other_braces(entry: Entry, aliases: Iterable[str]) -> str:
    """Return the source that a text has in braces of other languages, as in `${db.password}`; empty without one."""
    text = entry.value or entry.template or ""
    if "{{" in text or "{%" in text:
        return ""
    names = (match[1] for match in re.finditer(r"(?:\{|\$\(|<%=?) ?\.?([A-Za-z_][A-Za-z0-9_]*)\b", text))
    return next((name for name in names if name in aliases), "")


def _list_paths(secret: SecretSpec) -> Iterator[tuple[FieldPath, str]]:
    """Yield each JMESPath expression with its place in the mapping."""
    root = ("spec", "secret")
    parts: list[tuple[FieldPath, Entry | DataFrom]] = [
        ((*root, "data", key), entry) for key, entry in secret.data.items()
    ]
    parts += [((*root, "dataFrom", number), data_from) for number, data_from in enumerate(secret.data_from)]
    if secret.variables:
        held, listed = secret.variables.data, enumerate(secret.variables.data_from)
        parts += [((*root, "variables", "data", key), entry) for key, entry in held.items()]
        parts += [((*root, "variables", "dataFrom", number), data_from) for number, data_from in listed]
    for name, entry in secret.tls.entries if secret.tls else ():
        parts.append(((*root, "tls") if name == "from" else (*root, "tls", name), entry))
    for number, registry in enumerate(secret.registries):
        parts += [((*root, "registries", number, name), entry) for name, entry in registry.entries]
    yield from (((*path, "path"), part.path) for path, part in parts if part.path is not None)


def _list_cut(document: Document) -> Iterator[tuple[FieldPath, str]]:
    """Yield each free text after which a # follows at once, as in `contact: team #payments`."""
    for path, (line, column) in document.positions.values.items():
        text = document.get(*path)
        if isinstance(text, str) and path[-1] in _FREE_TEXTS:
            rest = document.lines[line - 1][column - 1 :]
            if rest.startswith(text) and re.match(r"[ \t]+#[^\s#]", rest[len(text) :]):
                yield path, "# begins a comment, so the text ends before it; write all of it in quotes if it is longer"


def _used_aliases(spec: Spec) -> set[str]:
    """Return the aliases that entries or templates use, with the other variables of templates."""
    variables = {name for template in spec.secret.templates for name in templates.list_variables(template)}
    from_entries = {entry.source for _, entry in spec.secret.entries if entry.source}
    return variables | from_entries | {data_from.source for _, data_from in spec.secret.selections if data_from.source}


def _has_slash_in_every_key(data_from: DataFrom, spec: Spec) -> bool:
    """Return whether no name that the source can find becomes a valid key, since all of them begin with a path."""
    source = spec.sources.get(data_from.source or "")
    has_template = any(rule.template is not None or rule.merge for rule in data_from.keys)
    if source is None or not source.find or "/" not in source.find_prefix or has_template:
        return False
    name = f"{source.find_prefix}x"
    try:
        list(keys.rename([name], data_from.keys, data_from.invalid_characters, lambda template, _: template, Budget()))
    except (ValueError, OverBudget):
        return True
    return False
