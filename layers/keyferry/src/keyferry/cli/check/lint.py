"""What is right in a mapping and probably not meant: warnings."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from keyferry.cli.check.problems import Problem
from keyferry.cli.check.references import Named
from keyferry.formats.yamltext import Path
from keyferry.mapping import keys
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import Spec
from keyferry.mapping.secret import DataFrom
from keyferry.render import templates


def about(catalog: Catalog, found: Iterable[Named]) -> Iterator[Problem]:
    """Yield what is doubtful in each mapping."""
    for each in found:
        for path, message in _doubts(catalog.mappings[each.name].spec):
            yield replace(each.document.problem(path, message), level="warning")


def _doubts(spec: Spec) -> Iterator[tuple[Path, str]]:
    for alias in sorted(spec.sources.keys() - _used(spec)):
        yield ("spec", "sources", alias), f"source {alias} is used nowhere: take it out, or use it"
    for key, entry in spec.secret.data.items():
        if entry.value is not None and "{{" in entry.value:
            message = "the Secret will hold these braces as they are: what is filled in is a template, not a value"
            yield ("spec", "secret", "data", key, "value"), message
    for number, many in enumerate(spec.secret.data_from):
        if _never_fits(many, spec):
            prefix = spec.sources[many.source].find_prefix
            yield (
                ("spec", "secret", "dataFrom", number),
                f"no name that begins with {prefix} can be a key of a Secret, which has no slash: add"
                f" keys: [{{stripPrefix: {prefix}}}], or invalidCharacters: replace",
            )


def _used(spec: Spec) -> set[str]:
    named = {entry.source for _, entry in spec.secret.entries} | {each.source for each in spec.secret.data_from}
    return {name for text in spec.secret.templates for name in templates.list_variables(text)} | {
        each for each in named if each
    }


def _never_fits(many: DataFrom, spec: Spec) -> bool:
    """Return whether a name that is found cannot become a key, by how all of them begin."""
    source = spec.sources[many.source]
    if not source.find or "/" not in source.find_prefix or any(rule.template is not None for rule in many.keys):
        return False
    try:
        list(keys.rename([f"{source.find_prefix}x"], many.keys, many.invalid_characters, lambda text, _: text))
    except ValueError:
        return True
    return False
