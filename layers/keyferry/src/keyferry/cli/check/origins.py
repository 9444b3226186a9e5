"""Find out where mappings, clusters and their parts stand in their files, for the errors of deliveries."""

from collections.abc import Iterator
from pathlib import Path

from keyferry.cli.check.documents import Definition
from keyferry.formats.yamltext import FieldPath
from keyferry.mapping.origin import Origin

_DEPTHS = {"sources": 2, "namespaces": 2, "restart": 2, "secret": 3}
"""First step in spec to a part → how many steps it takes at most to a part that an error can be about."""
_DEEPER = (("registries",), ("variables",))
"""Second steps to parts of a Secret that take one step more."""
_AROUND = ("sources", "secret.data", "secret.dataFrom", "secret.labels", "secret.annotations")
"""What only holds such parts: every error is about one of them."""


def build_origin(definition: Definition, folder: Path) -> Origin:
    """Return where a mapping or a cluster stands.

    Args:
        definition: the definition, in a file of the folder.
        folder: the folder of the mappings.
    """
    document = definition.document
    origin = Origin(
        file=_relate(document.file, folder),
        line=document.problem(definition.path, "").line,
        template_files={
            _name_part(path[1:-1]): _relate(file, folder) for path, file in document.template_files.items()
        },
    )
    for part, line in sorted(_list_lines(definition)):  # what is around a part comes before the part
        if origin.find_line(part) != line:
            origin.lines[part] = line
    return origin


def _list_lines(definition: Definition) -> Iterator[tuple[str, int]]:
    """Yield each part of a mapping that an error can be about, with its line; nothing for a cluster."""
    positions = definition.document.positions
    for path, (line, _) in (positions.values | positions.keys).items():
        steps = path[1:]
        if path[:1] != ("spec",) or not steps:
            continue
        part = _name_part(steps)
        if steps[-1] == "template":
            if first := definition.document.find_block(path):
                yield f"{_name_part(steps[:-1])}:template", first
        elif len(steps) <= _DEPTHS.get(str(steps[0]), 0) + (steps[1:2] in _DEEPER) and part not in _AROUND:
            yield part, line


def _name_part(steps: FieldPath) -> str:
    return ".".join(map(str, steps))


def _relate(file: str, folder: Path) -> str:
    return Path(file).relative_to(folder).as_posix()
