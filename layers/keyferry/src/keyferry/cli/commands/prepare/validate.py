"""`keyferry validate`: everything that is wrong with the mappings, and where they go."""

from collections.abc import Iterable, Iterator
from typing import Any, NotRequired, TypedDict

import click

from keyferry.access.iam import Usage
from keyferry.cli.check.problems import InvalidFiles, Problem, ProblemFields
from keyferry.cli.options import PROBLEMS, Settings, examples, output_of
from keyferry.cli.output import console
from keyferry.cli.output.words import count
from keyferry.cli.sam import FILE_NAME
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import NamespaceSelector

_TARGET_COLUMNS = ("mapping", "secret", "clusters", "namespaces")


class NamespaceChoice(TypedDict, total=False):
    """A choice of namespaces, as the mapping has it."""

    names: list[str]
    """Names or patterns of names; any, where there are none."""
    matchLabels: dict[str, str]
    """The labels that a namespace has to have."""
    matchExpressions: list[dict[str, Any]]
    """The expressions of Kubernetes that its labels have to fulfil."""
    exclude: list[str]
    """Names or patterns of namespaces that are left out."""


class MappingTargets(TypedDict):
    """Where a mapping goes."""

    mapping: str
    """The name of the mapping."""
    secret: str
    """The name of the Secret."""
    clusters: list[str]
    """The names of the clusters."""
    namespaces: list[str]
    """The namespaces that it names."""
    namespaceSelectors: list[NamespaceChoice]
    """The choices of namespaces."""


class IamUsage(TypedDict):
    """How much of what IAM allows a role the mappings need."""

    policies: int
    """Managed policies that the role of deliver needs."""
    names: int
    """Secrets and parameters, or patterns of them, that its policies name."""
    room: int
    """About how many such names fit, once AWS has raised the quota of policies."""
    defaultRoom: int
    """About how many such names fit before that."""


class Validation(TypedDict):
    """What `keyferry validate --output json` answers."""

    problems: list[ProblemFields]
    """All problems, by file and line; where none is an error, the command exits with 0."""
    targets: NotRequired[list[MappingTargets]]
    """With `--targets`: where each mapping goes."""
    iam: NotRequired[IamUsage]
    """With `--targets`: how much of IAM's room is used."""


ANSWER = Validation


@click.command(epilog=examples("keyferry validate", "keyferry validate --targets", "keyferry validate --output github"))
@click.option("--targets", is_flag=True, help="Show also to which namespaces of which clusters each mapping goes.")
@output_of("table", "json", "github")
@click.pass_obj
def validate(settings: Settings, *, targets: bool) -> None:
    """Show everything that is wrong with the mappings.

    The problems are the result, and go to stdout: with file, line, what is wrong and what would be right; as
    annotations of a pull request with --output github.
    """
    try:
        catalog, warnings = settings.check_files()
        usage = settings.check_usage(catalog)
    except InvalidFiles as error:
        if settings.is_json:
            raise
        _print_problems(settings, error.problems)
        console.print_note(f"{_name_faulty(settings)}: {count(len(error.problems), 'problem')}")
        raise SystemExit(PROBLEMS) from None
    if settings.is_json:
        answer: Validation = {"problems": [warning.as_dict() for warning in warnings]}
        if targets:
            answer |= {"targets": _targets_as_dicts(catalog), "iam": _usage_as_dict(usage)}
        console.print_json(answer)
        return
    if targets:
        console.print_table(_TARGET_COLUMNS, list(_target_rows(catalog)))
    _print_problems(settings, warnings)
    if usage.is_near:
        console.print_note(str(usage))
    verdict = count(len(warnings), "warning") if warnings else "nothing wrong"
    console.print_line(f"{settings.mappings}: {summarize(catalog)}, {verdict}")


def _name_faulty(settings: Settings) -> str:
    """Return the folder of the mappings, or samconfig.toml where that does not say which it is."""
    try:
        return str(settings.mappings)
    except InvalidFiles:
        return FILE_NAME


def _print_problems(settings: Settings, problems: Iterable[Problem]) -> None:
    for problem in problems:
        if settings.output == "github":
            console.print_verbatim(problem.as_command())  # wrapped, it would be none
        else:
            console.print_line(str(problem))


def summarize(catalog: Catalog) -> str:
    """Return how many mappings and clusters a catalogue has, as `2 mappings, 1 cluster`."""
    return f"{count(len(catalog.mappings), 'mapping')}, {count(len(catalog.clusters), 'cluster')}"


def _target_rows(catalog: Catalog) -> Iterator[tuple[str, str, str, str]]:
    """Yield the cells of a table row for each mapping; its namespaces as far as no cluster has to be asked."""
    for mapping in catalog.mappings.values():
        spec = mapping.spec
        clusters = ", ".join(cluster.name for cluster in catalog.clusters_of(mapping)) or "none"
        namespaces = [*spec.namespace_names, *map(_describe, spec.namespace_selectors)]
        yield mapping.name, spec.secret.name, clusters, "; ".join(namespaces)


def _targets_as_dicts(catalog: Catalog) -> list[MappingTargets]:
    """Return the targets of each mapping for `--output json`."""
    return [
        {
            "mapping": mapping.name,
            "secret": mapping.spec.secret.name,
            "clusters": [cluster.name for cluster in catalog.clusters_of(mapping)],
            "namespaces": mapping.spec.namespace_names,
            "namespaceSelectors": list(map(_selector_as_dict, mapping.spec.namespace_selectors)),
        }
        for mapping in catalog.mappings.values()
    ]


def _selector_as_dict(selector: NamespaceSelector) -> NamespaceChoice:
    fields: NamespaceChoice = selector.model_dump(mode="json", by_alias=True, exclude_defaults=True)  # type: ignore[assignment]
    return fields


def _usage_as_dict(usage: Usage) -> IamUsage:
    return {
        "policies": usage.policies,
        "names": usage.names,
        "room": usage.room,
        "defaultRoom": usage.default_room,
    }


def _describe(selector: NamespaceSelector) -> str:
    """Return what a selector asks for in words: names, labels, and the names that it excludes."""
    labels = f" with {selector}" if str(selector) else ""
    excluded = f" but {', '.join(selector.exclude)}" if selector.exclude else ""
    return f"{', '.join(selector.names) or 'any'}{labels}{excluded}"
