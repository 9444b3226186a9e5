"""Which lines of the functions' logs tell of what is asked about: one query for each function, and what is left of it.

The emulated CloudWatch Logs, and a pattern that would be too long, let other lines through as well: so each line is
looked at once more.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from keyferry.cli.stack import MAX_PATTERN
from keyferry.cli.states import Row
from keyferry.cli.trace.subject import Event, SourceName, Subject, list_event_names

type Line = Mapping[str, Any]
"""A line of a log, as the functions write it (`log_fields` of route, deliver and reconcile)."""

ALL = "{ $.event_id = * }"
"""The pattern of all lines about events."""


@dataclass(frozen=True)
class Focus:
    """What is asked about, with the targets that it concerns."""

    subject: Subject
    rows: Sequence[Row]
    """The targets; of an event, all of the stack, or none where nobody has asked."""

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the sources that are concerned, as events have them."""
        if isinstance(self.subject, SourceName):
            return self.subject.names
        known = {source["name"] for row in self.rows for source in row["sources"]}
        return frozenset(name for identifier in known for name in list_event_names(identifier))

    @property
    def has_finds(self) -> bool:
        """Whether a source is a choice of many, whose names only events tell (`Source.__str__` has them so)."""
        return any(source["name"].startswith("find in ") for row in self.rows for source in row["sources"])

    @cached_property
    def mappings(self) -> frozenset[str]:
        """The names of the mappings that are concerned."""
        return frozenset(row["mapping"] for row in self.rows)

    @property
    def namespace(self) -> str | None:
        """The only namespace that is asked about; None for all targets of a mapping.

        The row of a cluster that does not tell its namespaces stands for others as well.
        """
        return None if isinstance(self.subject, Event | SourceName) else self.subject.namespace

    @property
    def is_of_namespace(self) -> bool:
        """Whether a single namespace is asked about, and not all targets of a mapping."""
        return self.namespace is not None

    def has_target(self, mapping: str, cluster: str, namespace: str) -> bool:
        """Return whether a target is asked about."""
        return not self.is_of_namespace or any(
            (row["mapping"], row["cluster"]) == (mapping, cluster) and row["namespace"] in (namespace, "")
            for row in self.rows
        )

    def build_patterns(self) -> dict[str, str]:
        """Return function → the filter pattern of its log, for the functions whose lines may tell of it."""
        if isinstance(self.subject, Event):
            by_id = _build_pattern(["event_id"], [self.subject.event_id])
            sender = "reconcile" if self.subject.event_id.startswith("sweep-") else "route"
            return {sender: by_id, "deliver": _leave_out_audit(by_id)}
        return {
            "route": ALL if self.has_finds else build_name_pattern(self.names),
            "deliver": _leave_out_audit(_build_pattern(["mapping"], self.mappings)),
            "reconcile": '{ $.message = "swept" && $.count > 0 }',
        }

    def is_routed(self, line: Line) -> bool:
        """Return whether a line of route is about an event that is asked about."""
        if isinstance(self.subject, Event):
            return line.get("event_id") == self.subject.event_id
        return "event_id" in line and not self.names.isdisjoint(line.get("names", ()))

    def is_delivered(self, line: Line, event_ids: Collection[str]) -> bool:
        """Return whether a line of deliver is about a delivery that is asked about.

        Args:
            line: the line.
            event_ids: the events that are known to be asked about: a `find` selects more sources than rows have.
        """
        if "mapping" not in line or "event_id" not in line:
            return False
        if isinstance(self.subject, Event):
            return bool(line["event_id"] == self.subject.event_id)
        if not self.is_of_namespace:
            return line["event_id"] in event_ids or line["mapping"] in self.mappings
        pairs = {(row["mapping"], row["cluster"]) for row in self.rows}
        namespaces = {row["namespace"] for row in self.rows}
        only = line.get("namespace")
        return (line["mapping"], line["cluster"]) in pairs and (only is None or only in namespaces or "" in namespaces)


def build_name_pattern(names: Collection[str]) -> str:
    """Return the pattern of lines of route about sources, by the names that events have for them."""
    return _build_pattern(["names[0]", "names[1]"], names)


def _leave_out_audit(pattern: str) -> str:
    """Return a pattern without the lines about single writes, of which a delivery to 1,000 namespaces has 2,000."""
    return f'{{ ($.message != "audit") && ({pattern.removeprefix("{").removesuffix("}").strip()}) }}'


def _build_pattern(fields: Iterable[str], values: Collection[str]) -> str:
    """Return a pattern of lines of which a field has one of some values; of all lines where it would be too long."""
    terms = [f"($.{field} = {json.dumps(value)})" for value in sorted(values) for field in fields]
    pattern = f"{{ {' || '.join(terms)} }}"
    return pattern if terms and len(pattern) <= MAX_PATTERN else ALL
