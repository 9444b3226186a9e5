"""The sessions and clients of AWS: the environment's own, and those of roles, which botocore assumes and renews."""

import logging
from collections.abc import Sequence
from functools import partial
from threading import RLock
from types import SimpleNamespace
from typing import Any, Literal

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError

from keyferry import role
from keyferry.aws.errors import translated
from keyferry.role import Role

Service = Literal["secretsmanager", "ssm", "sqs", "eks"]
_USUAL = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
_HURRIED = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
"""Where another region can be asked: silence costs 4 to 8 seconds instead of 8 to 18."""


class Sessions:
    """Sessions and clients. Safe for use by several threads: each chain of roles is assumed once by each region's STS.

    A role is assumed when a request is first signed with it, and again once its session, of an hour, has less than 15
    minutes left. Should that fail, the session is used until it has 10 (botocore.credentials, `_refresh`). What is
    assumed is kept in memory only.
    """

    def __init__(self, own: boto3.Session) -> None:
        """Make it.

        Args:
            own: the session that the first role of every chain is assumed with.
        """
        self._own, self._lock = own, RLock()
        self._sessions: dict[tuple[Any, ...], boto3.Session] = {}
        self._clients: dict[tuple[Any, ...], Any] = {}
        # It writes a traceback for each role that cannot be assumed, which is raised as well.
        logging.getLogger("botocore.credentials").setLevel(logging.ERROR)

    def session(self, roles: Sequence[Role] = (), region: str | None = None) -> boto3.Session:
        """Return the session of a chain of roles; the environment's own where there are none.

        Whatever is signed with it raises a KeyferryError, as `keyferry.aws.errors.translated` says, that names the
        role which cannot be assumed.

        Args:
            roles: each is assumed by the one before.
            region: whose STS is asked; that of the environment where absent.
        """
        if not roles:
            return self._own
        region = region or self._own.region_name
        wanted = role.key(roles), region
        with self._lock:
            if wanted not in self._sessions:
                self._sessions[wanted] = self._assuming(roles, region)
            return self._sessions[wanted]

    def client(
        self, service: Service, region: str | None = None, roles: Sequence[Role] = (), *, hurried: bool = False
    ) -> Any:  # noqa: ANN401  # one of boto3's generated classes
        """Return a client of a service.

        Args:
            service: its name.
            region: its region; that of the environment where absent.
            roles: whose rights it has, as in `session`.
            hurried: give up early, since another region can be asked.
        """
        wanted = role.key(roles), region, service, hurried
        with self._lock:  # a session makes one client at a time
            if wanted not in self._clients:
                config = _HURRIED if hurried else _USUAL
                self._clients[wanted] = self.session(roles, region).client(service, region_name=region, config=config)
            return self._clients[wanted]

    def forget(self, roles: Sequence[Role]) -> None:
        """Forget a chain of roles that was refused, so that all along it each is assumed anew when next needed."""
        chains = {role.key(roles[:length]) for length in range(1, len(roles) + 1)}
        with self._lock:
            self._sessions = {key: kept for key, kept in self._sessions.items() if key[0] not in chains}
            self._clients = {key: kept for key, kept in self._clients.items() if key[0] not in chains}

    def _assuming(self, roles: Sequence[Role], region: str) -> boto3.Session:
        """Return a session that assumes the last role of a chain, with the session of those before."""
        *before, last = roles
        source = self.session(before, region).get_credentials()
        fetcher = AssumeRoleCredentialFetcher(partial(self._sts, region), source, last.arn, extra_args=_asked(last))

        def assume() -> Any:  # noqa: ANN401  # what botocore makes credentials of
            with translated(f"sts:AssumeRole on {last.arn}"):
                if source is None:
                    raise NoCredentialsError
                return fetcher.fetch_credentials()

        credentials = DeferredRefreshableCredentials(assume, "assume-role")
        core = botocore.session.get_session()
        core.register_component("credential_provider", SimpleNamespace(load_credentials=lambda: credentials))
        return boto3.Session(botocore_session=core, region_name=self._own.region_name)

    def _sts(self, region: str, _service: str, **keys: Any) -> Any:  # noqa: ANN401  # as the fetcher calls it
        with self._lock:
            return self._own.client("sts", region_name=region, config=_USUAL, **keys)


def _asked(wanted: Role) -> dict[str, Any]:
    """Return what AssumeRole is told beside the role's ARN."""
    external = {"ExternalId": wanted.external_id} if wanted.external_id else {}
    tags = [{"Key": key, "Value": value} for key, value in sorted(wanted.session_tags.items())]
    return {"RoleSessionName": "keyferry"} | external | ({"Tags": tags} if tags else {})
