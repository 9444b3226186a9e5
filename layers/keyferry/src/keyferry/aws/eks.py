"""Create the sign-in token for an EKS cluster, and read the cluster's endpoint.

A token is `k8s-aws-v1.` and a presigned `GetCallerIdentity` URL of the cluster's regional STS host, with the cluster's
name in a signed header. Signing needs no network. Source: kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go.
"""

import base64
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import boto3
from botocore.exceptions import NoCredentialsError
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from keyferry.arn import Arn
from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import Sessions
from keyferry.errors import CLUSTER, AccessDenied, SourceUnavailable, Unreachable, WrongCluster, in_part
from keyferry.mapping.targets import Cluster, Eks, Endpoint

if TYPE_CHECKING:
    from mypy_boto3_eks import EKSClient

NEW_SECONDS = 30
"""Age below which a token is new: if a cluster refuses it, another one does not help, and no role is assumed anew."""
RENEW_SECONDS = 10 * 60
"""Age at which a new token replaces the old one. The authenticator refuses one of 15 minutes, whatever its expiry."""
MAX_TOKEN_BYTES = 4096
"""The longest token that the authenticator accepts."""

DNS_SUFFIXES = {
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}
"""DNS suffix of each partition whose suffix is not amazonaws.com. From botocore's partitions.json, which has no public
reader."""


class Tokens:
    """The sign-in token of one cluster, shared by all threads and replaced before it is too old."""

    def __init__(self, sessions: Sessions, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions, self._cluster, self._clock = sessions, cluster, clock
        self._lock, self._token, self._created = Lock(), "", 0.0

    @in_part(CLUSTER)
    def get(self) -> str:
        """Return a token that is valid for at least five more minutes.

        Raises:
            KeyferryError: as `create_token` says.
        """
        with self._lock:
            if not self._token or self._clock() - self._created > RENEW_SECONDS:
                session = self._sessions.session(self._cluster.roles, self._cluster.eks.region)
                self._token, self._created = create_token(session, self._cluster.eks), self._clock()
            return self._token

    def forget(self, refused: str) -> None:
        """Forget a token that the cluster refused, and the session of the role that signed it, unless it is new."""
        with self._lock:
            # If the cluster refused it to several threads, the first of them forgets it.
            if refused == self._token and self._clock() - self._created >= NEW_SECONDS:
                self._token = ""
                self._sessions.forget(self._cluster.roles)


def create_token(session: boto3.Session, eks: Eks) -> str:
    """Return a new sign-in token for a cluster.

    Raises:
        AccessDenied: the token is too long for the authenticator.
        Misconfigured: there are no credentials, or they cannot be used.
        KeyferryError: the role of the session cannot be assumed.
    """
    with translate_errors(f"the sign-in to cluster {eks.name}"):
        url = _sign(session, eks)
    token = "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    if len(token) > MAX_TOKEN_BYTES:
        raise AccessDenied(
            f"the token for cluster {eks.name} has {len(token)} bytes and the cluster takes {MAX_TOKEN_BYTES}:"
            " the role's session carries too many session tags"
        )
    return token


def _sign(session: boto3.Session, eks: Eks) -> str:
    """Return the presigned URL of a token."""
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    signer = RequestSigner(ServiceId("STS"), eks.region, "sts", "v4", credentials, session.events)
    query = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    request = {
        "method": "GET",
        "url": f"https://{_sts_host(session, eks.region)}/?{query}",
        "body": {},
        "headers": {"x-k8s-aws-id": eks.name},
        "context": {},
    }
    url: str = signer.generate_presigned_url(request, operation_name="", expires_in=60, region_name=eks.region)
    return url


def _sts_host(session: boto3.Session, region: str) -> str:
    # Not the endpoint of a client: AWS_ENDPOINT_URL must not change it, since the cluster calls the real host.
    return f"sts.{region}.{DNS_SUFFIXES.get(session.get_partition_for_region(region), 'amazonaws.com')}"


def read_endpoint(client: "EKSClient", cluster: Cluster) -> Endpoint:
    """Return the endpoint of a cluster, as EKS describes it.

    Raises:
        Unreachable: the cluster does not exist, or has no endpoint yet; somebody may be creating it.
        WrongCluster: EKS describes a cluster of that name in another region or account.
        KeyferryError: as `keyferry.aws.errors.translate_errors` says.
    """
    name = f"cluster {cluster.eks.name} in {cluster.eks.region} of account {cluster.eks.account}"
    try:
        with translate_errors(f"eks:DescribeCluster on {cluster.eks.name}"):
            description = client.describe_cluster(name=cluster.eks.name)["cluster"]
    except SourceUnavailable:
        raise Unreachable(f"EKS knows no {name}: create it, or correct clusters.yaml") from None
    _check_arn(description["arn"], cluster, name)
    try:
        return Endpoint(description["endpoint"], description["certificateAuthority"]["data"])
    except KeyError:
        status = description.get("status", "unknown")
        raise Unreachable(f"cluster {cluster.eks.name} has no endpoint yet (status {status})") from None


def _check_arn(text: str, cluster: Cluster, name: str) -> None:
    """Refuse a cluster of the same name elsewhere: without `role`, EKS of the function's own account answers."""
    arn = Arn.parse(text)
    if arn is None or (arn.region, arn.account) != (cluster.eks.region, cluster.eks.account):
        raise WrongCluster(
            f"clusters.yaml means {name}, and EKS answers for {text}: for a cluster of another account,"
            " name a role there that can be assumed"
        )
