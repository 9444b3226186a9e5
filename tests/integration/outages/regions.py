"""What stands between a client and AWS, and lets whole regions go wrong: requests name theirs in their signature."""

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import urlsplit

from tests.integration.servers import QuietServer, serving

type Trouble = Literal["broken", "lost", "silent", "throttled", "denied", "missing"]

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/")
_ANSWERS: dict[Trouble, tuple[int, str]] = {
    "broken": (500, "InternalServiceError"),
    "throttled": (400, "ThrottlingException"),
    "denied": (400, "AccessDeniedException"),
    "missing": (400, "ResourceNotFoundException"),
}


class Regions:
    """AWS, region by region."""

    def __init__(self, url: str, endpoint: str) -> None:
        self.url, self.endpoint = url, endpoint
        self.trouble: dict[str, Trouble] = {}
        """Region → what is wrong with it."""
        self.asked: Counter[str] = Counter()
        """Region → how many requests it got."""


@contextmanager
def regions(endpoint: str) -> Iterator[Regions]:
    """Have a gate before AWS for a while."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.regions = Regions(f"http://127.0.0.1:{server.server_address[1]}", endpoint)
        with serving(server):
            yield server.regions


class _Server(QuietServer):
    regions: Regions


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        region = scope[1] if scope else ""
        self.server.regions.asked[region] += 1
        trouble = self.server.regions.trouble.get(region)
        if trouble in ("lost", "silent"):
            threading.Event().wait(10 if trouble == "silent" else 0)
            self.close_connection = True
            return
        if trouble is None:
            status, answer = self._forward(body)
        else:
            status, code = _ANSWERS[trouble]
            answer = json.dumps({"__type": code, "message": "so says the test"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        server = http.client.HTTPConnection(urlsplit(self.server.regions.endpoint).netloc, timeout=20)
        server.request("POST", self.path, body, dict(self.headers))  # Host too: it is signed
        answer = server.getresponse()
        found = answer.status, answer.read()
        server.close()
        return found

    def log_message(self, *_: object) -> None:
        """Say nothing."""
