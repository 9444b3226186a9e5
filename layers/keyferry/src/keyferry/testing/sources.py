"""Secrets and parameters in memory."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from keyferry.errors import KeyferryError
from keyferry.model import SecretValue, SourceState, SourceValue
from keyferry.stores.source import Source
from keyferry.testing.calls import Calls


@dataclass
class FakeSources:
    """Secrets and parameters, by name or ARN as the mapping has it. Each `put` creates a new version."""

    values: dict[str, SourceValue] = field(default_factory=dict)
    """Name or ARN → current value."""
    errors: dict[str, KeyferryError] = field(default_factory=dict)
    """Name or ARN → the error that a read raises instead."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, identifier: str, text: str, version: str | None = None) -> str:
        """Set the value of a source and return its version id: `version-1`, `version-2`, … if none is given."""
        version = version or f"version-{next(self._numbers)}"
        self.values[identifier] = SourceValue(SecretValue(text.encode()), version)
        return version

    def create_reader(self, calls: Calls | None = None) -> Callable[[Source], SourceValue]:
        """Return a function with which one process reads sources. Each read is a call, `source prod/payments/db`.

        The function raises the error of a source in `errors`, and KeyError for a source that was never put.
        """
        recorder = calls or Calls()

        def read(source: Source) -> SourceValue:
            with recorder.call(f"source {source.identifier}"):
                answer = self.errors.get(source.identifier) or self.values[source.identifier]
            if isinstance(answer, KeyferryError):
                raise answer
            return answer

        return read

    def read_state(self, source: Source) -> SourceState:
        """Return the current state of a source, as sweeps read it."""
        value = self.values[source.identifier]
        return SourceState(value.version, value.created)
