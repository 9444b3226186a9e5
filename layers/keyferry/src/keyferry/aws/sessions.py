"""Create boto3 sessions and clients, with the environment's credentials or those of roles that botocore assumes."""

import logging
import math
import re
import ssl
from collections.abc import Sequence
from functools import partial
from threading import RLock
from types import SimpleNamespace
from typing import Any, Literal

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials, ReadOnlyCredentials
from botocore.exceptions import InvalidRegionError, NoCredentialsError, NoRegionError

from keyferry import role
from keyferry.aws.errors import translate_errors
from keyferry.aws.errors.sign_in import SIGN_IN
from keyferry.aws.pace import RATES, Pace
from keyferry.aws.regions import is_region
from keyferry.aws.tracing import trace
from keyferry.deadline import Deadline
from keyferry.errors import InvalidRequest, Misconfigured, OutOfTime
from keyferry.role import Role

Service = Literal[
    "secretsmanager", "ssm", "sqs", "eks", "sts", "cloudformation", "lambda", "logs",
    "cloudtrail", "cloudwatch", "events", "iam", "kms", "scheduler",
]  # fmt: skip
_DEFAULT_CONFIG = Config(connect_timeout=1.5, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
"""Connecting has time for one more SYN, which the kernel sends after a second. No answer costs 13 seconds at most."""
_FAIL_FAST_CONFIG = _DEFAULT_CONFIG.merge(Config(read_timeout=3))
"""For a read that another region can answer: no answer costs 9 seconds at most."""
_QUEUE_CONFIG = _DEFAULT_CONFIG.merge(Config(connect_timeout=1, read_timeout=3))
"""For SQS, which is asked after the deadline too: no answer costs 8 seconds, and a pause."""


_VARIABLES = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN"}
"""Part of botocore's credentials → the variable that it can come from."""


def open_session(region: str | None = None) -> boto3.Session:
    """Return a session with the credentials of the environment, and its region if none is given.

    Raises:
        Misconfigured: credentials or region are missing or wrong; the message names the setting.
        KeyferryError: AWS refuses the sign-in, or does not answer (`keyferry.aws.errors.translate_errors`).
    """
    try:
        with translate_errors(SIGN_IN):
            _check_bundle(botocore.session.get_session().get_config_variable("ca_bundle"))
            session = boto3.Session(region_name=region)
            credentials = session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            _check_text(credentials.get_frozen_credentials())  # raises where a sign-in has ended
            _check_region(session.region_name)
            return session
    except InvalidRequest as error:  # it assumes the role of a profile
        raise Misconfigured(f"role_arn of the profile, or AWS_ROLE_ARN, is no ARN of a role ({error})") from None


def _check_region(region: str | None) -> None:
    if region is None:
        raise NoRegionError
    if not is_region(region):
        raise InvalidRegionError(region_name=region)


def _check_bundle(path: str | None) -> None:
    """Refuse certificates that cannot be read: each call would fail as if AWS did not answer."""
    try:
        if path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # of ssl, too
        reason = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise Misconfigured(f"the file of AWS_CA_BUNDLE, or of ca_bundle in the profile, {path}: {reason}") from None


def _check_text(credentials: ReadOnlyCredentials) -> None:
    """Refuse credentials that AWS or the network would refuse without saying why: no part has any other character."""
    for part, variable in _VARIABLES.items():
        if re.search(r"[^!-~]", getattr(credentials, part) or ""):
            raise Misconfigured(
                f"{variable}, or its like in the profile, has a blank or a line end, or a character beyond ASCII: take"
                " it out"
            )


def open_client(session: boto3.Session, service: Service, region: str | None = None, **options: Any) -> Any:  # noqa: ANN401  # as boto3 has it
    """Return a client of a service; the options are those of `boto3.Session.client`.

    Raises:
        Misconfigured: region, endpoint, credentials or another setting is missing or wrong.
    """
    with translate_errors(f"{service} in {region or session.region_name}"):
        client = session.client(service, region_name=region, **options)
    trace(client)
    return client


class Sessions:
    """The boto3 sessions and clients of one environment. Safe for use by several threads.

    Each chain of roles is assumed once in each region. A role is assumed when it first signs a request, and again when
    its session of an hour has less than 15 minutes left. If that fails, the session is used until it has 10 minutes
    left (botocore.credentials, `_refresh`). Credentials are kept in memory only.

    After the deadline of `limit` no request begins: not a client's, nor its next try or page, nor STS' for its role.
    """

    def __init__(self, own: boto3.Session, max_connections: int = 10, session_name: str | None = None) -> None:
        """Start with no role assumed, no client created and no deadline.

        Args:
            own: the session of the environment, which assumes the first role of every chain.
            max_connections: how many threads use one client; each keeps its connection.
            session_name: what sessions of roles are called in CloudTrail and the clusters' audit logs; by default after
                the person whose credentials these are.
        """
        self._own, self._lock = own, RLock()
        self._max_connections, self._deadline = max_connections, Deadline(math.inf)
        self._session_name = session_name
        self._sessions: dict[tuple[Any, ...], boto3.Session] = {}
        self._clients: dict[tuple[Any, ...], Any] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        # For each role that cannot be assumed, it logs a traceback beside the error that it raises.
        logging.getLogger("botocore.credentials").setLevel(logging.ERROR)

    def limit(self, deadline: Deadline) -> None:
        """Begin no request after a deadline: each then raises OutOfTime. SQS is left out, where work comes back to."""
        self._deadline = deadline

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

        Raises:
            Misconfigured: region, endpoint, credentials or another setting is missing or wrong.
        """
        cache_key = role.chain_key(roles), region, service, fail_fast
        with self._lock:  # a boto3 session may create one client at a time only
            if cache_key not in self._clients:
                config = _FAIL_FAST_CONFIG if fail_fast else _DEFAULT_CONFIG
                if service == "sqs":
                    client = open_client(self.session(roles, region), service, region, config=_QUEUE_CONFIG)
                else:
                    client = self._open_limited(self.session(roles, region), service, region, config)
                self._clients[cache_key] = client
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
        with translate_errors(f"the credentials that assume {last.arn}"):
            source = self.session(before, region).get_credentials()
        create_sts = partial(self._create_sts_client, region)

        def assume() -> Any:  # noqa: ANN401  # the metadata that botocore builds credentials from
            with translate_errors(f"sts:AssumeRole on {last.arn}"):
                if source is None:
                    raise NoCredentialsError
                arguments = _build_arguments(last) | {"RoleSessionName": self._get_session_name(region)}
                return AssumeRoleCredentialFetcher(
                    create_sts, source, last.arn, extra_args=arguments
                ).fetch_credentials()

        credentials = DeferredRefreshableCredentials(assume, "assume-role")
        core = botocore.session.get_session()
        core.register_component("credential_provider", SimpleNamespace(load_credentials=lambda: credentials))
        return boto3.Session(botocore_session=core, region_name=self._own.region_name)

    def _get_session_name(self, region: str) -> str:
        with self._lock:
            if self._session_name is None:
                sts = self._open_limited(self._own, "sts", region, _DEFAULT_CONFIG)
                self._session_name = _name_session(sts.get_caller_identity()["Arn"])
            return self._session_name

    def _create_sts_client(self, region: str, _service: str, **credentials: Any) -> Any:  # noqa: ANN401  # as the fetcher calls it
        with self._lock:
            return self._open_limited(self._own, "sts", region, _DEFAULT_CONFIG, **credentials)

    def _open_limited(
        self, session: boto3.Session, service: Service, region: str | None, config: Config, **keys: str
    ) -> Any:  # noqa: ANN401  # one of boto3's generated classes
        """Return a client whose every request looks at the deadline first."""
        config = config.merge(Config(max_pool_connections=self._max_connections))
        client = open_client(session, service, region, config=config, **keys)
        # botocore emits it before each try, and lets an error of ours out as it is: no retry, no other error around it.
        client.meta.events.register("before-send", self._check_time)
        self._pace(client, service)
        return client

    def _check_time(self, **_event: object) -> None:
        if self._deadline.has_passed:
            raise OutOfTime

    def _pace(self, client: Any, service: Service) -> None:  # noqa: ANN401  # one of boto3's generated classes
        """Let requests of a client wait for their turn: each try, and each page, together with all others there."""
        for name, rate in RATES.items():
            of, _, operation = name.partition(".")
            if of == service:
                pace = self._paces.setdefault((name, client.meta.region_name), Pace(rate))
                event = ".".join(
                    filter(None, ("before-send", client.meta.service_model.service_id.hyphenize(), operation))
                )
                client.meta.events.register(event, lambda pace=pace, **_event: pace.wait(self._deadline))


def _build_arguments(assumed: Role) -> dict[str, Any]:
    """Return the arguments of AssumeRole beside the role's ARN and the name of the session."""
    external_id = {"ExternalId": assumed.external_id} if assumed.external_id else {}
    tags = [{"Key": key, "Value": value} for key, value in sorted(assumed.session_tags.items())]
    return external_id | ({"Tags": tags} if tags else {})


def _name_session(caller: str) -> str:
    """Return the name of sessions for a person, by the ARN of the person's user or session: 64 characters at most."""
    name = re.split("[/:]", caller)[-1]  # of root, the ARN ends in `:root`
    return f"keyferry-push-{name}"[:64]
