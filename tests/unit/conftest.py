"""Unit tests open no connection, and draw the same examples every time."""

import socket
from typing import NoReturn

import pytest
from hypothesis import settings

settings.register_profile("keyferry", deadline=None, derandomize=True)
settings.load_profile("keyferry")


@pytest.fixture(autouse=True)
def _no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a unit test opens no connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
