"""The reader of each store: one line for a store, which names its module."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from keyferry.aws import parameter_store, secrets_manager
from keyferry.aws.calls import BatchRead
from keyferry.aws.sessions import Service
from keyferry.model import SourceState, SourceValue, StoreName
from keyferry.stores.source import Source


class Reader(Protocol):
    """Reads one store; a module is one. Its functions raise the errors of `keyferry.aws.errors.translate_errors`."""

    CLIENT: Service
    """The name of the service in boto3."""
    BATCH_READ: BatchRead | None
    """How one call reads several sources; None if each source needs a call of its own."""

    def read(self, client: Any, source: Source, /) -> SourceValue:  # noqa: ANN401  # one of boto3's generated classes
        """Return the current content of a source: a value, the tags, or the values of all members of a find."""

    def create_state_reader(self, get_client: Callable[[str | None], Any], /) -> Callable[[Source], SourceState]:
        """Return a function that gives the current state of a source.

        It reads no value, and lists each region once, so use it for one sweep only.

        Args:
            get_client: returns the client of a region; None is the pipeline's own region.
        """


READERS: Mapping[StoreName, Reader] = {"secretsmanager": secrets_manager, "parameterstore": parameter_store}
"""The reader of each store."""
