"""Show each call to AWS and to clusters on stderr, as --verbose asks."""

import logging

from keyferry.cli.output import console


class _Notes(logging.Handler):
    """Writes each line of the log of calls as a note."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        console.print_note(record.getMessage())


def show_calls() -> None:
    """Show each call from now on: its name, what was asked for by name, the answer's code and the seconds."""
    logger = logging.getLogger("keyferry.calls")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
