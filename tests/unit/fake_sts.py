"""A fake of AWS below botocore: STS that remembers who assumed what and where, and takes only the keys it gave."""

import io
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

OWN = "AKIACANARYOWN0000000"
_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>canary-secret</SecretAccessKey><SessionToken>canary-token</SessionToken>
<Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
_CALLER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>{arn}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"""
_REFUSED = "<ErrorResponse><Error><Code>{code}</Code><Message>canary said</Message></Error></ErrorResponse>"
_ENDED = '{"__type": "UnrecognizedClientException", "message": "canary said"}'
_SECRET = '{"VersionId": "v1", "SecretString": "canary-1", "CreatedDate": 0}'


class FakeSts:
    """STS of all regions, and a Secrets Manager that says one thing to everybody with keys that are good."""

    def __init__(self) -> None:
        self._lock, self._good = Lock(), {OWN: "own"}
        self.caller, self.asked_who = "arn:aws:iam::111122223333:user/team/alice", 0
        """Whose the own keys are, and how often somebody has asked."""
        self.assumed: list[str] = []
        """Who assumed which role in which region, as `own > hub in eu-west-1`."""
        self.told: list[dict[str, str]] = []
        """The parameters of each AssumeRole."""
        self.refuses: dict[str, str] = {}
        """Name of a role → the code of the error with which nobody gets it."""
        self.lasting = timedelta(hours=1)
        """For how long a session is good."""

    def session(self) -> boto3.Session:
        """Return a session with keys that are good from the beginning."""
        return boto3.Session(OWN, "canary-secret", region_name="eu-west-1")

    def end(self, *names: str) -> None:
        """Accept no session of these roles any longer, as when they are deleted and made again."""
        self._good = {key: name for key, name in self._good.items() if name not in names}

    def send(self, request: Any) -> AWSResponse:  # noqa: ANN401  # botocore's
        """Answer a request of whatever client."""
        scope = re.search(r"Credential=(\w+)/\d+/([\w-]+)/(\w+)/", _text(request.headers["Authorization"]))
        assert scope is not None
        key, region, service = scope.groups()
        assert urlsplit(request.url).netloc == f"{service}.{region}.amazonaws.com"
        with self._lock:
            status, answer = self._sts(key, region, request) if service == "sts" else self._secrets(key)
        return AWSResponse(request.url, status, HTTPHeaders(), _Body(answer.encode()))

    def _secrets(self, key: str) -> tuple[int, str]:
        return (200, _SECRET) if key in self._good else (400, _ENDED)

    def _sts(self, key: str, region: str, request: Any) -> tuple[int, str]:  # noqa: ANN401
        time.sleep(0.02)  # so that others come to ask for the same
        said = dict(parse_qsl(_text(request.body)))
        if said["Action"] == "GetCallerIdentity":
            self.asked_who += 1
            return 200, _CALLER.format(arn=self.caller)
        name = said["RoleArn"].rpartition("/")[2]
        self.told.append(said)
        if key not in self._good:
            return 403, _REFUSED.format(code="InvalidClientTokenId")
        if name in self.refuses:
            return 403, _REFUSED.format(code=self.refuses[name])
        self.assumed.append(f"{self._good[key]} > {name} in {region}")
        given = f"ASIA{len(self.assumed):016}"
        self._good[given] = name
        return 200, _ASSUMED.format(key=given, until=datetime.now(UTC) + self.lasting)


class _Body(io.BytesIO):
    """What is read of an answer."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """Yield all of it."""
        yield self.read()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
