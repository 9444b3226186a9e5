"""What stands between a client and an API server, and can go wrong there: lost connections, lost answers, faults."""

import base64
import http.client
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from keyferry_local import certificates, processes
from keyferry_local.certificates import Authority, Pair
from keyferry_local.controlplane import ControlPlane
from tests.integration.servers import QuietServer, serving

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket whose end is a reset."""


class Proxy:
    """A TCP proxy before an API server, whose connections a test can let die."""

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("https://").partition(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._dead: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self.accepted = 0
        """How many connections there have been."""
        self.losing = False
        """Whether the answers get lost: a connection is reset when its server says something."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def deaden(self) -> None:
        """Forget every connection of now: each is reset when it is used next, as after a freeze."""
        self._dead |= self._open

    def hang_up(self) -> None:
        """Close every connection of now, as a server does that has waited too long."""
        for each in list(self._open):
            each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()
        with suppress(OSError):
            self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.add(client)
            threading.Thread(target=self._pump, args=(client,), daemon=True).start()

    def _pump(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(self._target) as server:
            others = {client: server, server: client}
            while True:
                for ready in select.select([client, server], [], [], 60)[0]:
                    said = ready.recv(65536)
                    if client in self._dead or (self.losing and ready is server):
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        return self._forget(client)
                    if not said:
                        return self._forget(client)
                    others[ready].sendall(said)
        return self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        self._open.discard(client)
        client.close()


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """Have a proxy for a while."""
    made = Proxy(target)
    try:
        yield made
    finally:
        made.close()


@dataclass(frozen=True)
class Fault:
    """An answer in place of the API server's."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    carried_out: bool = False
    """Whether the request reaches the API server all the same."""
    silence: float = 0.0
    """Seconds until the answer."""


type Judge = Callable[[str, str], Fault | None]
"""Method and path of a request → what goes wrong with it."""


def nothing(method: str, path: str) -> None:
    """Let every request through."""


class Gate:
    """Speaks HTTPS in place of an API server, with a certificate of an authority of its own."""

    def __init__(self, server: str, port: int, authority: Authority) -> None:
        self.url = f"https://{server}:{port}"
        self.certificate_authority = base64.b64encode(authority.pem).decode()
        self.judge: Judge = nothing
        self.seen: list[str] = []
        """Method and path of every request."""
        self.accepted: list[tuple[str, str]] = []
        """Path of every request, and the form that it asks the answer in."""

    def requests(self, method: str, part: str = "") -> int:
        """Return how many requests of a method there were, whose path has a part."""
        return sum(each.startswith(f"{method} ") and part in each for each in self.seen)


@contextmanager
def gate(plane: ControlPlane, directory: Path, pair: Callable[[Authority], Pair] | None = None) -> Iterator[Gate]:
    """Have a gate before an API server for a while.

    Args:
        plane: whose API server.
        directory: where the gate's key goes.
        pair: makes its certificate; one of loopback where absent.
    """
    authority = certificates.authority()
    made = (pair or certificates.serving)(authority)
    file = certificates.write(directory / "gate.pem", made.certificate + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        found = Gate("127.0.0.1", server.server_address[1], authority)
        server.gate, server.plane = found, plane
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with serving(server):
            yield found


class _Server(QuietServer):
    gate: Gate
    plane: ControlPlane


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.gate.seen.append(f"{self.command} {self.path}")
        self.server.gate.accepted.append((self.path, self.headers.get("Accept", "")))
        fault = self.server.gate.judge(self.command, self.path)
        status, headers, answer = 0, dict[str, str](), b""
        if fault is None or fault.carried_out:
            status, answer = self._forward(body)
        if fault is not None:
            threading.Event().wait(fault.silence)
            status, headers, answer = fault.status, dict(fault.headers), fault.body
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        plane = self.server.plane
        context = certificates.trusting(base64.b64decode(plane.certificate_authority).decode())
        server = http.client.HTTPSConnection(plane.endpoint.removeprefix("https://"), context=context, timeout=20)
        kept = {
            name: value for name, value in self.headers.items() if name in {"Authorization", "Accept", "Content-Type"}
        }
        server.request(self.command, self.path, body or None, kept)
        answer = server.getresponse()
        found = answer.status, answer.read()
        server.close()
        return found

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def closed_port() -> str:
    """Return an address where nothing listens."""
    return f"https://127.0.0.1:{processes.free_port()}"
