"""`keyferry validate`: everything that is wrong with the mappings, and where they go."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.options import PROBLEMS, Settings, output_of
from keyferry.cli.output import console
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import NamespaceSelector

_TARGET_COLUMNS = ("mapping", "secret", "clusters", "namespaces")


@click.command()
@click.option("--targets", is_flag=True, help="Show also to which namespaces of which clusters each mapping goes.")
@output_of("text", "json", "github")
@click.pass_obj
def validate(settings: Settings, *, targets: bool) -> None:
    """Show everything that is wrong with the mappings; as annotations of a pull request with --output github."""
    format_problem = Problem.as_command if settings.output == "github" else str
    try:
        catalog, warnings = settings.check_files()
        usage = settings.check_usage(catalog)
    except InvalidFiles as error:
        if settings.is_json:
            raise
        console.print_line("\n".join(map(format_problem, error.problems)))  # of this command they are the result
        console.print_note(f"{settings.mappings}: {_count(len(error.problems), 'problem')}")
        raise SystemExit(PROBLEMS) from None
    if settings.is_json:
        problems = [warning.as_dict() for warning in warnings]
        whole = {"problems": problems, "targets": _targets_as_dicts(catalog), "iam": asdict(usage)}
        console.print_json(whole if targets else problems)
        return
    if targets:
        console.print_table(_TARGET_COLUMNS, list(_target_rows(catalog)))
    for warning in warnings:
        console.print_line(format_problem(warning))
    if usage.names:
        console.print_note(str(usage))
    verdict = _count(len(warnings), "warning") if warnings else "nothing wrong"
    console.print_line(f"{settings.mappings}: {summarize(catalog)}, {verdict}")


def summarize(catalog: Catalog) -> str:
    """Return how many mappings and clusters a catalogue has, as `2 mappings, 1 cluster`."""
    return f"{_count(len(catalog.mappings), 'mapping')}, {_count(len(catalog.clusters), 'cluster')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _target_rows(catalog: Catalog) -> Iterator[tuple[str, str, str, str]]:
    """Yield the cells of a table row for each mapping; its namespaces as far as no cluster has to be asked."""
    for mapping in catalog.mappings.values():
        spec = mapping.spec
        clusters = ", ".join(cluster.name for cluster in catalog.clusters_of(mapping)) or "none"
        namespaces = [*spec.namespace_names, *map(_describe, spec.namespace_selectors)]
        yield mapping.name, spec.secret.name, clusters, "; ".join(namespaces)


def _targets_as_dicts(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the targets of each mapping for `--output json`."""
    return [
        {
            "mapping": mapping.name,
            "secret": mapping.spec.secret.name,
            "clusters": [cluster.name for cluster in catalog.clusters_of(mapping)],
            "namespaces": mapping.spec.namespace_names,
            "namespaceSelectors": [
                selector.model_dump(mode="json", by_alias=True, exclude_defaults=True)
                for selector in mapping.spec.namespace_selectors
            ],
        }
        for mapping in catalog.mappings.values()
    ]


def _describe(selector: NamespaceSelector) -> str:
    """Return what a selector asks for in words: names, labels, and the names that it excludes."""
    labels = f" with {selector}" if str(selector) else ""
    excluded = f" but {', '.join(selector.exclude)}" if selector.exclude else ""
    return f"{', '.join(selector.names) or 'any'}{labels}{excluded}"
