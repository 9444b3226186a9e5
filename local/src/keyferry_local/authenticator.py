"""The sign-in of EKS: a token webhook for the API servers of all local clusters, in a process of its own.

One path for each cluster: `/<account>/<region>/<cluster>`. Every decision is one line of the log, with its reason.
"""

import argparse
import http.client
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from keyferry_local import eks_identity, eks_token, processes
from keyferry_local.eks_identity import Client, Cluster, User
from keyferry_local.processes import Process

_PATH = re.compile(r"/(\d{12})/([a-z0-9-]+)/([A-Za-z0-9_-]+)")


@dataclass(frozen=True)
class Authenticator:
    """The running webhook."""

    port: int
    process: Process

    def address(self, account: str, region: str, cluster: str) -> str:
        """Give the address that the API server of this cluster sends its tokens to."""
        return f"http://127.0.0.1:{self.port}/{account}/{region}/{cluster}"


def start(directory: Path, *, aws: str, environment: Mapping[str, str], keep: bool = False) -> Authenticator:
    """Start the webhook, which asks the AWS at this endpoint; the environment keeps the user's AWS settings out."""
    port = processes.free_port()
    command = [sys.executable, "-m", "keyferry_local.authenticator", "--port", str(port), "--aws", aws]
    log = directory / "authenticator.log"
    process = processes.start("authenticator", command, log, env=environment, cwd=directory, keep=keep, kill=True)
    processes.wait_ready(process, lambda: _answers(port))
    return Authenticator(port, process)


def stop(authenticator: Authenticator) -> None:
    """Stop the webhook."""
    processes.stop(authenticator.process)


def review(token: str, cluster: Cluster, *, endpoint: str, client: Client) -> tuple[dict[str, Any], str]:
    """Judge a token: the status of its TokenReview, and the reason in one line without the token."""
    try:
        request = eks_token.read(token, region=cluster.region, now=datetime.now(UTC))
        user = eks_identity.identify(request, cluster, endpoint=endpoint, client=client)
    except eks_token.RefusedError as refused:
        return {"authenticated": False, "error": str(refused)}, f"refused: {refused}"
    groups = ", ".join(user.groups) or "no groups"
    return {"authenticated": True, "user": _user_info(user)}, f"{user.caller.arn} is {user.name} in {groups}"


def _user_info(user: User) -> dict[str, Any]:
    """Describe a user as the audit logs of EKS show one (aws-iam-authenticator, pkg/server/server.go)."""
    caller = user.caller
    extra = {
        "accessKeyId": caller.access_key_id,
        "arn": caller.arn,
        "canonicalArn": user.principal.arn,
        "principalId": user.principal.unique_id,
        "sigs.k8s.io/aws-iam-authenticator/principalId": user.principal.unique_id,
        "sessionName": caller.session,
    }
    return {
        "username": user.name,
        "uid": f"aws-iam-authenticator:{caller.account}:{user.principal.unique_id}",
        "groups": list(user.groups),
        "extra": {key: [value] for key, value in extra.items()},
    }


class _Webhook(BaseHTTPRequestHandler):
    """The HTTP around `review`."""

    protocol_version = "HTTP/1.1"

    def __init__(self, endpoint: str, client: Client, *arguments: Any) -> None:  # noqa: ANN401
        self.endpoint, self.client = endpoint, client
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._answer(http.HTTPStatus.OK, {"ready": True})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = _PATH.fullmatch(self.path.partition("?")[0])  # the API server adds its timeout
        if found is None:
            self._answer(http.HTTPStatus.NOT_FOUND, {"error": "the path is /<account>/<region>/<cluster>"})
            return
        cluster = Cluster(account=found[1], region=found[2], name=found[3])
        asked = json.loads(body)
        status, reason = review(asked["spec"]["token"], cluster, endpoint=self.endpoint, client=self.client)
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {cluster.region}/{cluster.name} {reason}", flush=True)
        self._answer(http.HTTPStatus.OK, {"apiVersion": asked["apiVersion"], "kind": "TokenReview", "status": status})

    def log_message(self, *_: object) -> None:
        """Say nothing about requests; decisions are what counts."""

    def _answer(self, status: http.HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _clients(endpoint: str) -> Client:
    config = Config(proxies={}, connect_timeout=5, read_timeout=10)

    @cache
    def client(service: str, account: str, region: str) -> Any:  # noqa: ANN401
        # EKS itself asks here, with nobody's keys. MiniStack takes an account's number as the key of its root.
        session = boto3.Session(account, "unchecked", region_name=region)
        return session.client(service, endpoint_url=endpoint, config=config)  # type: ignore[call-overload]

    return client


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m keyferry_local.authenticator", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--aws", required=True, help="the endpoint of the local AWS")
    arguments = parser.parse_args()
    webhook = partial(_Webhook, arguments.aws, _clients(arguments.aws))
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), webhook) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
