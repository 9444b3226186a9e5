"""The sessions and clients of AWS: the environment's own, and those of roles, kept until they near their end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config

from keyferry import role
from keyferry.aws.errors import translated
from keyferry.role import Role

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

MARGIN_SECONDS = 300
"""A session is begun anew when it has no longer than this."""
Service = Literal["secretsmanager", "ssm", "sts", "sqs", "eks"]
_USUAL = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
_HURRIED = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
"""Where another region can be asked: silence costs 4 to 8 seconds instead of 8 to 18."""


@dataclass
class _Assumed:
    """The session of a chain of roles. Whoever holds the lock may begin it anew."""

    lock: Lock = field(default_factory=Lock)
    session: boto3.Session | None = None
    until: float = 0.0


class Sessions:
    """Sessions and clients. Safe for use by several threads: each role is assumed once, whoever needs it."""

    def __init__(self, own: boto3.Session) -> None:
        """Make it.

        Args:
            own: the session that the first role of every chain is assumed with.
        """
        self._own, self._lock = own, Lock()
        self._assumed: dict[tuple[str, ...], _Assumed] = {}
        self._clients: dict[tuple[Any, ...], tuple[boto3.Session, Any]] = {}

    @property
    def region(self) -> str:
        """The region of the environment."""
        return str(self._own.region_name)

    def session(self, roles: Sequence[Role] = (), region: str | None = None, *, renew: bool = False) -> boto3.Session:
        """Return the session of a chain of roles; the environment's own where there are none.

        Args:
            roles: each is assumed by the one before.
            region: whose STS is asked; that of the environment where absent.
            renew: begin anew, all along the chain: AWS or a cluster has refused the session.

        Raises:
            KeyferryError: as `keyferry.aws.errors.translated` says.
        """
        if not roles:
            return self._own
        with self._lock:
            kept = self._assumed.setdefault(role.key(roles), _Assumed())
        with kept.lock:
            if renew or kept.session is None or kept.until - time.monotonic() < MARGIN_SECONDS:
                client = self.client("sts", region, roles[:-1], renew=renew)
                kept.session, seconds = assume(client, roles[-1], self.region)
                kept.until = time.monotonic() + seconds
            return kept.session

    def client(
        self,
        service: Service,
        region: str | None = None,
        roles: Sequence[Role] = (),
        *,
        hurried: bool = False,
        renew: bool = False,
    ) -> Any:  # noqa: ANN401  # one of boto3's generated classes
        """Return a client of a service.

        Args:
            service: its name.
            region: its region; that of the environment where absent.
            roles: whose rights it has, as in `session`.
            hurried: give up early, since another region can be asked.
            renew: with a session that is begun anew.
        """
        session = self.session(roles, region, renew=renew)
        wanted = service, region, role.key(roles), hurried
        with self._lock:  # a session makes one client at a time
            known = self._clients.get(wanted)
            if known is None or known[0] is not session:
                made = session.client(service, region_name=region, config=_HURRIED if hurried else _USUAL)
                known = self._clients[wanted] = session, made
            return known[1]


def assume(client: "STSClient", wanted: Role, region: str) -> tuple[boto3.Session, float]:
    """Return a session of a role, and for how many seconds it is good.

    Raises:
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    more: dict[str, Any] = {"ExternalId": wanted.external_id} if wanted.external_id else {}
    if wanted.session_tags:
        more["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(wanted.session_tags.items())]
    with translated(f"sts:AssumeRole on {wanted.arn}"):
        found = client.assume_role(RoleArn=wanted.arn, RoleSessionName="keyferry", **more)["Credentials"]
    session = boto3.Session(
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
        region_name=region,
    )
    return session, found["Expiration"].timestamp() - time.time()
