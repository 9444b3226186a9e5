"""A pseudo-terminal of some width, as stdout and stderr: what a command writes there is what a person gets."""

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest


class Terminal:
    """What has been written to a pseudo-terminal."""

    def __init__(self, columns: int) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._written = bytearray()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.stream = os.fdopen(self._slave, "w", encoding="utf-8")

    @property
    def text(self) -> str:
        """All of it until now, with the line ends of a file."""
        return self._written.decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> None:
        """Let nothing more be written; afterwards, all is in `text`."""
        self.stream.close()
        self._reader.join(timeout=10)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._master, 65536)
            except OSError:  # nobody can write any more (Linux)
                return
            if not piece:
                return
            self._written += piece


@contextmanager
def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 80, **environment: str) -> Iterator[Terminal]:
    """Let stdout and stderr be a terminal: with colours and Unicode, unless the environment says otherwise."""
    terminal = Terminal(columns)
    with monkeypatch.context() as patch:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LC_ALL"):
            patch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm-256color"} | environment).items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdout", terminal.stream)
        patch.setattr(sys, "stderr", terminal.stream)
        try:
            yield terminal
        finally:
            terminal.close()
