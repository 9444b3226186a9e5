"""Who signed a token, and as whom the cluster knows them: STS, IAM and the cluster's access entries are asked.

Only an entry's own groups count here. EKS judges access *policies* (AmazonEKSAdminPolicy, …) in an authorizer of its
own, which this does not have.
"""

import html
import http.client
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from keyferry_local.eks_token import CLUSTER_HEADER, RefusedError, SignedRequest

Client = Callable[[str, str, str], Any]
"""Gives the client of a service, for an account and a region; clients have no type without the name of the service."""

_SESSION = re.compile(r"arn:[^:]+:sts::\d{12}:assumed-role/([^/]+)/.+")
_USER = re.compile(r"arn:[^:]+:iam::\d{12}:user/(?:.+/)?([^/]+)")


@dataclass(frozen=True)
class Cluster:
    """The cluster that a token is presented to."""

    account: str
    region: str
    name: str


@dataclass(frozen=True)
class Caller:
    """Who STS says has signed."""

    arn: str
    user_id: str
    account: str
    access_key_id: str

    @property
    def unique_id(self) -> str:
        """The role's or user's unique id."""
        return self.user_id.partition(":")[0]

    @property
    def session(self) -> str:
        """The name of the role's session."""
        return self.user_id.partition(":")[2]


@dataclass(frozen=True)
class Principal:
    """The role or user behind a caller, as IAM knows it now."""

    arn: str
    unique_id: str
    created: datetime


@dataclass(frozen=True)
class User:
    """Whom the API server sees."""

    name: str
    groups: tuple[str, ...]
    caller: Caller
    principal: Principal


def identify(request: SignedRequest, cluster: Cluster, *, endpoint: str, client: Client) -> User:
    """Find out as whom a signed request signs in to a cluster, or refuse it."""
    caller = ask_sts(request, cluster.name, endpoint)
    try:
        principal = _principal(caller, client("iam", caller.account, cluster.region))
        entry = _entry(principal, cluster, client("eks", cluster.account, cluster.region))
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"AWS cannot be asked about {caller.arn}: {error}") from error
    name = _fill_in(entry.get("username") or _default_name(caller), caller)
    return User(name, tuple(entry.get("kubernetesGroups", ())), caller, principal)


def ask_sts(request: SignedRequest, cluster: str, endpoint: str) -> Caller:
    """Send the request on with the name of our own cluster: one that was signed for another fails there."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
    try:
        connection.putrequest("GET", f"/?{request.query}", skip_host=True)
        for header, value in {"Host": request.host, CLUSTER_HEADER: cluster, "Accept": "application/json"}.items():
            connection.putheader(header, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RefusedError(f"STS cannot be reached: {type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        said = f"{_element(body, 'Code')}: {_element(body, 'Message').partition('. ')[0]}"
        raise RefusedError(f"STS refuses the token ({response.status} {said})")
    return Caller(_element(body, "Arn"), _element(body, "UserId"), _element(body, "Account"), request.access_key_id)


def _element(body: str, name: str) -> str:
    """Read an element; MiniStack answers with XML whatever the header Accept says, where STS gives JSON."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", body)
    return html.unescape(found[1]) if found else ""


def _principal(caller: Caller, iam: Any) -> Principal:  # noqa: ANN401
    """Look up who the caller is now: a session's ARN leaves out the role's path, which an access entry has."""
    try:
        if found := _SESSION.fullmatch(caller.arn):
            known = iam.get_role(RoleName=found[1])["Role"]
            principal = Principal(known["Arn"], known["RoleId"], known["CreateDate"])
        elif found := _USER.fullmatch(caller.arn):
            known = iam.get_user(UserName=found[1])["User"]
            principal = Principal(known["Arn"], known["UserId"], known["CreateDate"])
        else:  # root above all: MiniStack does not check what its keys sign, so anybody can be root
            raise RefusedError(f"{caller.arn} is neither a role's session nor a user")
    except iam.exceptions.NoSuchEntityException as error:
        raise RefusedError(f"whoever {caller.arn} belonged to is gone") from error
    # MiniStack's own sessions for functions have the role's name where the unique id belongs.
    if caller.unique_id.startswith(("AROA", "AIDA")) and caller.unique_id != principal.unique_id:
        raise RefusedError(f"{caller.arn} is a session from before {principal.arn} was deleted and created again")
    return principal


def _entry(principal: Principal, cluster: Cluster, eks: Any) -> dict[str, Any]:  # noqa: ANN401
    try:
        answer = eks.describe_access_entry(clusterName=cluster.name, principalArn=principal.arn)
    except eks.exceptions.ResourceNotFoundException as error:
        raise RefusedError(f"{cluster.name} has no access entry for {principal.arn}") from error
    entry: dict[str, Any] = answer["accessEntry"]
    # On EKS an entry holds the unique id of its role, and a role that was deleted and created again is a stranger.
    # MiniStack's entries do not; but a role that is younger than its entry can only be such a stranger.
    if principal.created.replace(microsecond=0) > entry["createdAt"]:  # MiniStack's time of an entry is whole seconds
        raise RefusedError(f"{principal.arn} was created after its access entry in {cluster.name}: make the entry anew")
    return entry


def _default_name(caller: Caller) -> str:
    """Name a caller as an entry does that gives no name: a role's session, with its name left to fill in."""
    return re.sub(r"(:assumed-role/[^/]+/).*", r"\g<1>{{SessionName}}", caller.arn)


def _fill_in(template: str, caller: Caller) -> str:
    values = {
        "AccountID": caller.account,
        "AccessKeyID": caller.access_key_id,
        "SessionName": caller.session.replace("@", "-"),
        "SessionNameRaw": caller.session,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values.get(found[1], found[0]), template)
