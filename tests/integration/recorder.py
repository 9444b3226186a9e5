"""Stands before the local AWS, hands every request on as it is, and remembers what was asked for: on the wire."""

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.integration.servers import QuietServer, serving

_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")


@dataclass
class Record:
    """What was asked for while it was recorded."""

    url: str = ""
    """Where to send requests to."""
    requests: list[str] = field(default_factory=list)
    """Service and operation of each, as `sqs:GetQueueAttributes`; of a REST service, method and path."""


class _Recorder(BaseHTTPRequestHandler):
    """The HTTP around it. The header Host stays as it is signed."""

    protocol_version = "HTTP/1.1"

    def __init__(self, record: Record, target: str, *arguments: Any) -> None:  # noqa: ANN401  # as http.server has it
        self.record, self.target = record, target
        super().__init__(*arguments)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.record.requests.append(self._name(body))
        connection = http.client.HTTPConnection(self.target, timeout=90)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815  # as http.server calls it

    def _name(self, body: bytes) -> str:
        match = _SERVICE.search(self.headers.get("Authorization", ""))
        service = match[1] if match else "unsigned"
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
        return f"{service}:{target or action or f'{self.command} {urlsplit(self.path).path}'}"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def recording(endpoint: str) -> Iterator[Record]:
    """Record what is asked of the AWS at an endpoint for a while."""
    record = Record()
    server = QuietServer(("127.0.0.1", 0), partial(_Recorder, record, urlsplit(endpoint).netloc))
    record.url = f"http://127.0.0.1:{server.server_address[1]}"
    with server, serving(server):
        yield record
