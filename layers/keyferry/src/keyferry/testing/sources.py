"""Secrets and parameters with memory."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from keyferry.errors import KeyferryError
from keyferry.model import SecretValue, SourceValue
from keyferry.stores.source import Source
from keyferry.testing.calls import Calls


@dataclass
class FakeSources:
    """Secrets and parameters by identifier: a name or an ARN. Each put makes a new version the current one."""

    held: dict[str, SourceValue] = field(default_factory=dict)
    errors: dict[str, KeyferryError] = field(default_factory=dict)
    """Identifier → what AWS answers instead."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, identifier: str, text: str, version: str | None = None) -> str:
        """Give a source a new current version, and return its id: `version-1`, `version-2`, … where none is given."""
        version = version or f"version-{next(self._numbers)}"
        self.held[identifier] = SourceValue(SecretValue(text.encode()), version)
        return version

    def reader(self, calls: Calls | None = None) -> Callable[[Source], SourceValue]:
        """Return how one process reads a source: each read is a call, `source prod/payments/db`.

        What it returns raises the source's error, where it has one, and KeyError for a source that was never put.
        """
        recorder = calls or Calls()

        def read(source: Source) -> SourceValue:
            with recorder.call(f"source {source.identifier}"):
                answer = self.errors.get(source.identifier) or self.held[source.identifier]
            if isinstance(answer, KeyferryError):
                raise answer
            return answer

        return read

    def version(self, source: Source) -> str | None:
        """Return the current version, as the sweep asks for it."""
        return self.held[source.identifier].version
