"""EKS: the sign-in token, and where a cluster is.

Token: `k8s-aws-v1.` and a presigned `GetCallerIdentity` URL of the cluster's regional STS host, with the cluster's
name as a signed header. Signing needs no network. Source: kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go.
"""

import base64
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import boto3
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from keyferry.arn import Arn
from keyferry.aws.errors import translated
from keyferry.aws.sessions import Sessions
from keyferry.errors import AccessDenied, SourceUnavailable, Unreachable, WrongCluster
from keyferry.mapping.targets import Cluster, Eks, Endpoint

if TYPE_CHECKING:
    from mypy_boto3_eks import EKSClient

RENEW_SECONDS = 10 * 60
"""Age at which a token is made anew. The authenticator refuses one of 15 minutes, whatever its expiry says."""
MAX_TOKEN_BYTES = 4096
"""What the authenticator takes."""


DNS_SUFFIXES = {
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}
"""Of partitions that do not have amazonaws.com, as botocore's partitions.json gives them (it has no public reader)."""


class Tokens:
    """The sign-in tokens of one cluster: one at a time for all threads, made anew before it is too old."""

    def __init__(self, sessions: Sessions, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions, self._cluster, self._clock = sessions, cluster, clock
        self._lock, self._token, self._made = Lock(), "", 0.0

    def get(self) -> str:
        """Return a token that is good for five minutes at least.

        Raises:
            KeyferryError: as `sign_in` says.
        """
        with self._lock:
            if not self._token or self._clock() - self._made > RENEW_SECONDS:
                session = self._sessions.session(self._cluster.roles, self._cluster.eks.region)
                self._token, self._made = sign_in(session, self._cluster.eks), self._clock()
            return self._token

    def forget(self, refused: str) -> None:
        """Forget a token that the cluster has refused, and the session of the role that signed it."""
        with self._lock:
            if refused == self._token:  # of several threads that were refused the same, the first forgets it
                self._token = ""
                self._sessions.forget(self._cluster.roles)


def sign_in(session: boto3.Session, eks: Eks) -> str:
    """Return a new token for a cluster.

    Raises:
        AccessDenied: there are no credentials, or the token would be too long for the authenticator.
        KeyferryError: the session is that of a role, which cannot be assumed.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise AccessDenied("there are no AWS credentials to sign in to the cluster with")
    signer = RequestSigner(ServiceId("STS"), eks.region, "sts", "v4", credentials, session.events)
    query = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    request = {
        "method": "GET",
        "url": f"https://{_sts_host(session, eks.region)}/?{query}",
        "body": {},
        "headers": {"x-k8s-aws-id": eks.name},
        "context": {},
    }
    url = signer.generate_presigned_url(request, operation_name="", expires_in=60, region_name=eks.region)
    token = "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    if len(token) > MAX_TOKEN_BYTES:
        raise AccessDenied(
            f"the token for cluster {eks.name} has {len(token)} bytes and the cluster takes {MAX_TOKEN_BYTES}:"
            " the role's session carries too many session tags"
        )
    return token


def _sts_host(session: boto3.Session, region: str) -> str:
    # Not the endpoint of a client: AWS_ENDPOINT_URL must not change it, since the cluster calls the real host.
    return f"sts.{region}.{DNS_SUFFIXES.get(session.get_partition_for_region(region), 'amazonaws.com')}"


def find(client: "EKSClient", cluster: Cluster) -> Endpoint:
    """Return where EKS says that a cluster is.

    Raises:
        Unreachable: there is no such cluster now; it may be under way.
        WrongCluster: EKS knows another cluster of that name.
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    where = f"cluster {cluster.eks.name} in {cluster.eks.region} of account {cluster.eks.account}"
    try:
        with translated(f"eks:DescribeCluster on {cluster.eks.name}"):
            found = client.describe_cluster(name=cluster.eks.name)["cluster"]
    except SourceUnavailable:
        raise Unreachable(f"EKS knows no {where}: create it, or mend clusters.yaml") from None
    _check(found["arn"], cluster, where)
    try:
        return Endpoint(found["endpoint"], found["certificateAuthority"]["data"])
    except KeyError:
        status = found.get("status", "unknown")
        raise Unreachable(f"cluster {cluster.eks.name} has no endpoint yet (status {status})") from None


def _check(arn: str, cluster: Cluster, where: str) -> None:
    """Refuse a namesake: without `role`, EKS is asked in the account of the function, whatever clusters.yaml says."""
    answering = Arn.parse(arn)
    if answering is None or (answering.region, answering.account) != (cluster.eks.region, cluster.eks.account):
        raise WrongCluster(
            f"clusters.yaml means {where}, and EKS answers for {arn}: for a cluster of another account,"
            " name a role there that can be assumed"
        )
