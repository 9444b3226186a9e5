"""How each store is read: a line for each, which names its module."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from keyferry.aws import parameter_store, secrets_manager
from keyferry.aws.calls import Together
from keyferry.aws.sessions import Service
from keyferry.model import SourceValue, StoreName
from keyferry.stores.source import Source


class Reader(Protocol):
    """What reads one store, given by a module. Its calls raise what `keyferry.aws.errors.translated` says."""

    CLIENT: Service
    """What boto3 calls the service."""
    TOGETHER: Together | None
    """How several sources are read by one call; None where each takes a call of its own."""

    def read(self, client: Any, source: Source, /) -> SourceValue:  # noqa: ANN401  # one of boto3's generated classes
        """Return what a source holds now: a value, its tags, or all that it finds."""

    def versions(self, client_in: Callable[[str | None], Any], /) -> Callable[[Source], str | None]:
        """Return a look-up of the versions that sources have now, which reads no value and lists each region once.

        Args:
            client_in: returns the client for a region; None stands for the pipeline's own.

        Returns:
            What gives the version of a source; None where it is not known.
        """


READERS: Mapping[StoreName, Reader] = {"secretsmanager": secrets_manager, "parameterstore": parameter_store}
