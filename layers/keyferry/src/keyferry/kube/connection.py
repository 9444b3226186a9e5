"""Send requests to one API server over a connection that is kept: sign-in, retries, and what is known of the cluster.

Retried are: 429 and a failed read, a few times; 401, once, with a new token; and a connection that died while the
Lambda environment was frozen, once, without a pause. Sending a write again on a new connection is safe: a write of a
Secret carries preconditions, and patching a workload twice has the same result. When the answer to a write is lost, the
caller observes the object before it writes again.

What no request to the cluster can get past is remembered by `keyferry.kube.health`, and raised without asking.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.util import Retry

from keyferry.deadline import Deadline
from keyferry.errors import (
    ClusterThrottled,
    ClusterUnreachable,
    KeyferryError,
    OutOfTime,
    ServerError,
    Unauthorized,
    Unreachable,
)
from keyferry.kube.errors import build_error
from keyferry.kube.health import Health
from keyferry.kube.transport import (
    Answer,
    Limits,
    ProxyFailure,
    Request,
    Transport,
    UntrustedCertificate,
    describe_failure,
)
from keyferry.mapping.targets import Endpoint

LOGGER = logging.getLogger("keyferry.calls")
"""The log of calls to AWS and to clusters, of level DEBUG. Nothing listens to it in a function."""
READ_TRIES, THROTTLED_TRIES = 3, 5
MAX_PAUSE_SECONDS = 10.0
"""How long a request pauses in all: a cluster that wants more is asked by another delivery."""
RETRY = Retry(
    total=None,
    allowed_methods=["GET"],
    status_forcelist=range(500, 600),
    backoff_factor=0.05,
    backoff_jitter=0.2,
    backoff_max=10,
).increment()  # urllib3 makes no pause after the first failure it knows of, and all threads would ask again at once
"""Which answers are retried beside 429, and when: after 0.1 to 0.3 seconds, after 0.2 to 0.4, and so on."""


class Connection:
    """A connection to one cluster's API server, kept for the environment's life. Safe for use by several threads."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        get_token: Callable[[], str],
        *,
        forget_token: Callable[[str], None],
        read_endpoint: Callable[[], Endpoint],
        role: str,
        create_transport: Callable[[Endpoint], Transport] = Transport,
        health: Health | None = None,
    ) -> None:
        """Create a connection; nothing is sent yet.

        Args:
            name: the cluster's name in mappings.
            endpoint: the expected endpoint.
            get_token: returns a sign-in token.
            forget_token: takes a token that the cluster refused; the next token is a new one, unless that one was new.
            read_endpoint: asks EKS for the endpoint; called when the API server does not answer at the expected one.
            role: the role that signs in, for messages.
            create_transport: returns what carries the requests to an endpoint.
            health: what is known of the cluster, and the clock; nothing, and the usual clock, by default.
        """
        self._name, self._role, self._read_endpoint = name, role, read_endpoint
        self._get_token, self._forget_token = get_token, forget_token
        self._lock, self._health = Lock(), health or Health(name)
        self._create_transport = create_transport
        self._endpoint, self._transport = endpoint, create_transport(endpoint)

    @property
    def name(self) -> str:
        """The name of the cluster in mappings."""
        return self._name

    @property
    def is_slow(self) -> bool:
        """Whether the last answers to requests for one object took more than a second on average."""
        return self._health.is_slow

    def remember_slow(self, seconds: float) -> None:
        """Let no other delivery begin for a while, after one that has taken so many seconds and found slow answers."""
        self._health.remember_slow(seconds)

    def send(self, request: Request, deadline: Deadline) -> bytes | None:
        """Send a request and return the body of the answer; None if the object is missing (404), but not for an apply.

        Raises:
            ClusterUnavailable: no request to the cluster can succeed now. It is remembered: Unauthorized, also with a
                new token; ClusterUnreachable; ClusterThrottled.
            ServerError: there was no answer to a write, or a read that can wait for a webhook; whether a write took
                effect is unknown.
            OutOfTime: the deadline has passed, and nothing was sent.
            KeyferryError: as `keyferry.kube.errors.build_error` says; or AWS does not let us sign in.
        """
        with self._health.take_turn(deadline) as is_probe:
            return self._send_retrying(request, deadline, is_probe=is_probe)

    def _send_retrying(self, request: Request, deadline: Deadline, *, is_probe: bool) -> bytes | None:
        retry, waited = RETRY, 0.0
        while True:
            answer = self._send_signed_in(request, deadline, is_probe=is_probe)
            if answer.status != 429:
                self._health.note_answer()
            if 200 <= answer.status < 300:
                return answer.body
            if answer.status == 404 and not request.is_apply:
                return None
            is_retried = len(retry.history) < _count_tries(request, answer.status)
            retry = retry.increment()
            seconds = _get_pause_seconds(retry, answer.retry_after)
            waited += seconds
            if not is_retried or waited > MAX_PAUSE_SECONDS or seconds >= deadline.remaining():
                raise self._build_error(request, answer, seconds)
            time.sleep(seconds)

    def _build_error(self, request: Request, answer: Answer, pause_seconds: float) -> KeyferryError:
        error = build_error(
            answer.status,
            answer.body,
            cluster=self._name,
            verb=request.verb,
            resource=request.resource,
            namespace=request.namespace,
        )
        if isinstance(error, ClusterThrottled) and not request.is_event:
            return self._health.remember(error, pause_seconds)
        return error

    def _send_signed_in(self, request: Request, deadline: Deadline, *, is_probe: bool) -> Answer:
        """Send a request, and again with a new token if the first one is refused (401) and was not new."""
        token = self._get_token()
        answer = self._send_reconnecting(request, token, deadline, is_probe=is_probe)
        if answer.status != 401:
            return answer
        self._forget_token(token)
        new_token = self._get_token()
        if new_token != token:
            answer = self._send_reconnecting(request, new_token, deadline, is_probe=is_probe)
        if answer.status == 401:
            raise self._health.remember(Unauthorized(self._name, self._role))
        return answer

    def _send_reconnecting(self, request: Request, token: str, deadline: Deadline, *, is_probe: bool) -> Answer:
        """Send a request, and again at once where a kept connection has died, or the cluster has moved."""
        transport = self._transport
        try:
            return self._send_once(transport, request, token, deadline, is_probe=is_probe)
        except (NewConnectionError, ConnectTimeoutError, ProxyFailure, UntrustedCertificate) as error:
            if deadline.has_passed:
                raise self._build_unreachable(request, error, transport, deadline) from None
            self._follow(request, error, transport)
        except (ProtocolError, ConnectionError):
            self._replace(transport)  # its other kept connections have died as well
        except HTTPError as error:
            raise self._build_unreachable(request, error, transport, deadline) from None
        transport = self._transport
        try:
            return self._send_once(transport, request, token, deadline, is_probe=is_probe)
        except (HTTPError, ConnectionError, UntrustedCertificate) as error:
            raise self._build_unreachable(request, error, transport, deadline) from None

    def _send_once(
        self, transport: Transport, request: Request, token: str, deadline: Deadline, *, is_probe: bool
    ) -> Answer:
        """Send a request and take down how long the answer took, or its absence, where that tells something."""
        if deadline.has_passed:
            raise OutOfTime
        self._health.check()  # another thread may have found meanwhile that the cluster is down
        started, said = deadline.clock(), "no answer"
        try:
            answer = transport.send(request, token, Limits.choose(request, deadline, is_probe=is_probe))
            said = str(answer.status)
            return answer
        finally:
            seconds = deadline.clock() - started
            LOGGER.debug("%s %s on %s: %s, %.3f s", request.verb, request.path, self._name, said, seconds)
            if request.tells_speed:
                self._health.note_seconds(seconds)

    def _follow(self, request: Request, error: Exception, failed: Transport) -> None:
        """Ask EKS for the cluster's endpoint, and connect to that if it is another one than the one that failed.

        Raises:
            ClusterUnreachable: it is the same, or EKS does not tell.
        """
        with self._lock:
            if self._transport is not failed:
                return  # another thread has asked
            text = self._describe(request, error)
            try:
                endpoint = self._read_endpoint()
            except KeyferryError as second_error:
                raise self._health.remember(ClusterUnreachable(f"{text}; and {second_error}")) from None
            has_moved = endpoint != self._endpoint
            self._endpoint, self._transport = endpoint, self._create_transport(endpoint)
            if not has_moved:
                raise self._health.remember(ClusterUnreachable(text))

    def _replace(self, failed: Transport) -> None:
        """Let further requests open new connections, unless another thread has seen to that."""
        with self._lock:
            if self._transport is failed:
                self._transport = self._create_transport(self._endpoint)

    def _build_unreachable(
        self, request: Request, error: Exception, transport: Transport, deadline: Deadline
    ) -> Unreachable:
        """Return the error of a request without answer; remember it if the cluster is the cause, and not the request.

        A request can wait for a webhook, and one that begins just before the deadline has little time.
        """
        text = self._describe(request, error)
        if deadline.has_passed:
            return Unreachable(text)
        if request.can_wait_for_webhooks and isinstance(error, ReadTimeoutError):
            return ServerError(text)
        self._replace(transport)  # a kept connection may be the cause: the probe opens a new one
        return self._health.remember(ClusterUnreachable(text))

    def _describe(self, request: Request, error: Exception) -> str:
        way = f", through {self._transport.proxy}" if self._transport.proxy else ""
        where = f"cluster {self._name} at {self._endpoint.url}{way}"
        return f"{where}: {describe_failure(error)} ({request.verb} {request.resource})"


def _count_tries(request: Request, status: int) -> int:
    """Return how often a request is sent at most that gets this status again and again."""
    if status == 429:
        return THROTTLED_TRIES
    return READ_TRIES if RETRY.is_retry(request.method, status) else 1


def _get_pause_seconds(retry: Retry, retry_after: str) -> float:
    """Return the seconds before the next try: what `Retry-After` asks for, a number or a date, but at least our own."""
    try:
        requested = retry.parse_retry_after(retry_after)
    except (InvalidHeader, ValueError):  # the header is missing or malformed
        requested = 0.0
    return max(requested, retry.get_backoff_time())
