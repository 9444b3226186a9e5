"""What a bearer token for EKS must look like, as EKS checks it before it asks anyone.

The rules are those of `Verify` in aws-iam-authenticator, and in that order. A token is an STS request, signed in
advance for one cluster, that the cluster's authenticator sends on.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from botocore.loaders import create_loader

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"

_MAXIMUM = 4096
_LIFETIME = timedelta(minutes=15)
_ALLOWED = {
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
}


class RefusedError(Exception):
    """The token gives no access; the text says why and holds nothing of the token that is secret."""


@dataclass(frozen=True)
class SignedRequest:
    """A request to STS that is worth sending: where to, what for, and with which access key it was signed."""

    host: str
    query: str
    access_key_id: str


def read(token: str, *, region: str, now: datetime) -> SignedRequest:
    """Read a token for a cluster of this region, or refuse it."""
    url = _decode(token)
    if url.scheme != "https":
        raise RefusedError(f"unexpected scheme {url.scheme!r}")
    if not is_sts(url.netloc, region):
        raise RefusedError(f"{url.netloc!r} is no STS host of the cluster's partition")
    if url.path != "/":
        raise RefusedError("unexpected path")
    parameters = _parameters(url.query)
    _check(parameters)
    _check_date(parameters.get("x-amz-date", ""), now)
    return SignedRequest(url.netloc, url.query, parameters.get("x-amz-credential", "").partition("/")[0])


def is_sts(host: str, region: str) -> bool:
    """Tell whether a host is STS in the partition of a region: regional, FIPS, dual-stack, or global in `aws` only."""
    partition = _partition(region)
    if partition is None:
        return False
    if host == "sts.amazonaws.com":
        return bool(partition["id"] == "aws")
    domains = "|".join(re.escape(partition["outputs"][kind]) for kind in ("dnsSuffix", "dualStackDnsSuffix"))
    found = re.fullmatch(rf"sts(?:-fips)?\.([a-z0-9-]+)\.(?:{domains})", host)
    return found is not None and _partition(found[1]) == partition


def _decode(token: str) -> SplitResult:
    if len(token.encode()) > _MAXIMUM:
        raise RefusedError(f"the token has more than {_MAXIMUM} bytes")
    if not token.startswith(PREFIX):
        raise RefusedError(f"the token does not begin with {PREFIX}")
    encoded = token.removeprefix(PREFIX)
    if not re.fullmatch(r"[A-Za-z0-9_-]*", encoded):  # padding counts as illegal too
        raise RefusedError("the token is no unpadded base64url")
    try:
        return urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    except (binascii.Error, ValueError) as error:
        raise RefusedError("the token holds no URL") from error


def _parameters(query: str) -> dict[str, str]:
    if ";" in query or re.search(r"%(?![0-9A-Fa-f]{2})", query):
        raise RefusedError("malformed query")
    parameters: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key.lower() not in _ALLOWED:
            raise RefusedError(f"the query parameter {key!r} is not allowed")
        if key.lower() in parameters:
            raise RefusedError(f"the query parameter {key!r} is there twice")
        parameters[key.lower()] = value
    return parameters


def _check(parameters: Mapping[str, str]) -> None:
    if parameters.get("action") != "GetCallerIdentity":
        raise RefusedError("the action is not GetCallerIdentity")
    if CLUSTER_HEADER not in parameters.get("x-amz-signedheaders", "").lower().split(";"):
        raise RefusedError(f"{CLUSTER_HEADER} is not signed")
    expires = parameters.get("x-amz-expires", "")
    if not re.fullmatch(r"[+-]?\d{1,9}", expires) or not 0 <= int(expires) <= _LIFETIME.total_seconds():
        raise RefusedError("X-Amz-Expires is no number from 0 to 900")


def _check_date(date: str, now: datetime) -> None:
    """Check the age: fifteen minutes whatever X-Amz-Expires says. One from the future is left to STS."""
    try:
        signed = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise RefusedError("X-Amz-Date is missing or no date") from error
    if now > signed + _LIFETIME:
        raise RefusedError(f"the token is too old: it was signed {now - signed} ago, and is good for {_LIFETIME}")


@cache
def _partitions() -> list[dict[str, Any]]:
    partitions: list[dict[str, Any]] = create_loader().load_data("partitions")["partitions"]
    return partitions


def _partition(region: str) -> dict[str, Any] | None:
    return next((partition for partition in _partitions() if re.match(partition["regionRegex"], region)), None)
