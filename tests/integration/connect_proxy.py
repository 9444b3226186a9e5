"""An HTTP proxy that connects to what it is asked for by CONNECT, and can be wrong in the ways that some are."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.integration.servers import QuietServer, serving


@dataclass
class ConnectProxy:
    """A proxy that listens on loopback, and has names of its own for what it connects to."""

    names: Mapping[str, int]
    """Host and port, as `cluster.example:443` → the port of loopback that it stands for."""
    status: int = 200
    """What it answers to CONNECT; it connects only after 200."""
    silence: threading.Event | None = None
    """What it waits for before it answers."""
    port: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Host and port of each request, and how it signed in."""

    @property
    def address(self) -> str:
        """Host and port where it listens."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def connect_proxy(names: Mapping[str, int], context: ssl.SSLContext | None = None) -> Iterator[ConnectProxy]:
    """Have a proxy for a while; with a TLS context it is one that is asked by HTTPS."""
    proxy = ConnectProxy(names)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.proxy, proxy.port = proxy, server.server_address[1]
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with serving(server):
            yield proxy


class _Server(QuietServer):
    proxy: ConnectProxy


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_CONNECT(self) -> None:
        proxy = self.server.proxy
        proxy.asked.append((self.path, self.headers.get("Proxy-Authorization")))
        if proxy.silence:
            proxy.silence.wait(30)
        self.send_response(proxy.status)
        self.end_headers()
        if proxy.status == 200:
            with socket.create_connection(("127.0.0.1", proxy.names[self.path])) as target:
                self._pump(target)
        self.close_connection = True

    def _pump(self, target: socket.socket) -> None:
        """Carry bytes both ways until one side hangs up."""
        others = {self.connection: target, target: self.connection}
        with suppress(OSError):
            while True:
                # What TLS has read ahead shows no longer on the socket.
                ahead = getattr(self.connection, "pending", int)()
                for ready in [self.connection] if ahead else select.select(list(others), [], [], 60)[0]:
                    said = ready.recv(65536)
                    if not said:
                        return
                    others[ready].sendall(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
