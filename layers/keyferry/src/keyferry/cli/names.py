"""The names that a shell completes: mappings, clusters, namespaces and teams, as the files have them.

The files are read without any check: a completion has to be quick, and to work also while something is wrong with them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from keyferry.cli.options import Settings
from keyferry.cli.sam import DEFAULT_ENVIRONMENT
from keyferry.errors import InvalidInput
from keyferry.formats import yamltext
from keyferry.formats.yamltext import Positions


def complete_mappings(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of mappings that begin so, but for those that are on the command line already."""
    given = context.params.get("mappings") or ()
    names = (_get(document, "metadata", "name") for document in _read(context))
    return [name for name in _choose(names, incomplete) if name not in given]


def complete_clusters(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of clusters that begin so."""
    clusters = (cluster for document in _read(context) for cluster in _list(_get(document, "clusters")))
    return _choose((_get(cluster, "name") for cluster in clusters), incomplete)


def complete_namespaces(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of namespaces that begin so, among those that mappings name."""
    names = (name for document in _read(context) for name in _list(_get(document, "spec", "namespaces")))
    return _choose(names, incomplete)


def complete_teams(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of teams that begin so, among those that own mappings."""
    return _choose((_get(document, "spec", "owner", "team") for document in _read(context)), incomplete)


def _choose(names: Iterable[object], incomplete: str) -> list[str]:
    return sorted({name for name in names if isinstance(name, str) and name.startswith(incomplete)})


def _read(context: click.Context) -> Iterator[Any]:
    """Yield the documents in the folder of the mappings, as far as they can be read."""
    given = context.find_root().params
    try:
        folder = Settings(given.get("mappings"), config_env=given.get("config_env") or DEFAULT_ENVIRONMENT).mappings
    except InvalidInput:
        return
    for path in folder.rglob("*.y*ml"):
        try:
            nodes = list(yamltext.compose(path.read_text()))
            yield from [yamltext.construct(node, Positions()) for node in nodes]
        except (OSError, ValueError, RecursionError):
            continue


def _get(part: object, *keys: str) -> object:
    """Return what is under some keys, each within the one before; None if that is not there."""
    for key in keys:
        part = part.get(key) if isinstance(part, dict) else None
    return part


def _list(part: object) -> list[object]:
    return part if isinstance(part, list) else []
