"""Create boto3 sessions and clients, with the environment's credentials or those of roles that botocore assumes."""

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
from keyferry.aws.errors import translate_errors
from keyferry.role import Role

Service = Literal["secretsmanager", "ssm", "sqs", "eks"]
_DEFAULT_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
_FAIL_FAST_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
"""For a read that another region can answer: no answer costs 4 to 8 seconds instead of 8 to 18."""


class Sessions:
    """The boto3 sessions and clients of one environment. Safe for use by several threads.

    Each chain of roles is assumed once in each region. A role is assumed when it first signs a request, and again when
    its session of an hour has less than 15 minutes left. If that fails, the session is used until it has 10 minutes
    left (botocore.credentials, `_refresh`). Credentials are kept in memory only.
    """

    def __init__(self, own: boto3.Session) -> None:
        """Start with no role assumed and no client created.

        Args:
            own: the session of the environment, which assumes the first role of every chain.
        """
        self._own, self._lock = own, RLock()
        self._sessions: dict[tuple[Any, ...], boto3.Session] = {}
        self._clients: dict[tuple[Any, ...], Any] = {}
        # For each role that cannot be assumed, it logs a traceback beside the error that it raises.
        logging.getLogger("botocore.credentials").setLevel(logging.ERROR)

    def session(self, roles: Sequence[Role] = (), region: str | None = None) -> boto3.Session:
        """Return the session of the last role of a chain; without roles, the environment's own session.

        No role is assumed yet. If one cannot be, each request of the session raises a KeyferryError that names it, as
        `keyferry.aws.errors.translate_errors` says.

        Args:
            roles: the chain; each role is assumed with the session of the one before.
            region: the region whose STS assumes the roles; by default the environment's.
        """
        if not roles:
            return self._own
        region = region or self._own.region_name
        cache_key = role.chain_key(roles), region
        with self._lock:
            if cache_key not in self._sessions:
                self._sessions[cache_key] = self._create_session(roles, region)
            return self._sessions[cache_key]

    def client(
        self, service: Service, region: str | None = None, roles: Sequence[Role] = (), *, fail_fast: bool = False
    ) -> Any:  # noqa: ANN401  # one of boto3's generated classes
        """Return a client of a service.

        Args:
            service: the name of the service in boto3.
            region: the region of the service; by default the environment's.
            roles: the chain of roles that the client acts as, as in `session`.
            fail_fast: whether to give up early, because another region can answer.
        """
        cache_key = role.chain_key(roles), region, service, fail_fast
        with self._lock:  # a boto3 session may create one client at a time only
            if cache_key not in self._clients:
                config = _FAIL_FAST_CONFIG if fail_fast else _DEFAULT_CONFIG
                session = self.session(roles, region)
                self._clients[cache_key] = session.client(service, region_name=region, config=config)
            return self._clients[cache_key]

    def forget(self, roles: Sequence[Role]) -> None:
        """Forget a chain of roles that AWS refused, so that every role of it is assumed anew when it is next needed."""
        chains = {role.chain_key(roles[:length]) for length in range(1, len(roles) + 1)}
        with self._lock:
            self._sessions = {key: session for key, session in self._sessions.items() if key[0] not in chains}
            self._clients = {key: client for key, client in self._clients.items() if key[0] not in chains}

    def _create_session(self, roles: Sequence[Role], region: str) -> boto3.Session:
        """Return a session that assumes the last role of a chain with the session of the roles before it."""
        *before, last = roles
        source = self.session(before, region).get_credentials()
        create_sts = partial(self._create_sts_client, region)
        fetcher = AssumeRoleCredentialFetcher(create_sts, source, last.arn, extra_args=_build_arguments(last))

        def assume() -> Any:  # noqa: ANN401  # the metadata that botocore builds credentials from
            with translate_errors(f"sts:AssumeRole on {last.arn}"):
                if source is None:
                    raise NoCredentialsError
                return fetcher.fetch_credentials()

        credentials = DeferredRefreshableCredentials(assume, "assume-role")
        core = botocore.session.get_session()
        core.register_component("credential_provider", SimpleNamespace(load_credentials=lambda: credentials))
        return boto3.Session(botocore_session=core, region_name=self._own.region_name)

    def _create_sts_client(self, region: str, _service: str, **credentials: Any) -> Any:  # noqa: ANN401  # as the fetcher calls it
        with self._lock:
            return self._own.client("sts", region_name=region, config=_DEFAULT_CONFIG, **credentials)


def _build_arguments(assumed: Role) -> dict[str, Any]:
    """Return the arguments of AssumeRole beside the role's ARN."""
    external_id = {"ExternalId": assumed.external_id} if assumed.external_id else {}
    tags = [{"Key": key, "Value": value} for key, value in sorted(assumed.session_tags.items())]
    return {"RoleSessionName": "keyferry"} | external_id | ({"Tags": tags} if tags else {})
