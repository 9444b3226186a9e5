"""Ctrl-C right before a call, as a terminal sends it: a signal that the main thread handles, whoever makes the call."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keyferry.testing import Calls

SECONDS = 10
"""How long the main thread may take to notice it."""


@contextmanager
def interrupting(calls: Calls, number: int, is_noticed: Callable[[], bool]) -> Iterator[None]:
    """Let Ctrl-C be pressed right before the call of a number, from 0, which then goes on once that is noticed."""

    def interrupt(made: int, _call: str) -> None:
        if made != number:
            return
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        end = time.monotonic() + SECONDS
        while not is_noticed():
            assert time.monotonic() < end
            time.sleep(0.001)

    before, calls.before = calls.before, interrupt
    # What runs in the background of a shell ignores it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        calls.before = before
        signal.signal(signal.SIGINT, handler)
