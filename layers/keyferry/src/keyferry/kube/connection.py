"""The kept connection to one API server: TLS, sign-in, and what is tried again.

429 is tried again within the time left, a failed read a few times, a 401 once with a new token, a kept connection that
has died (an environment that was frozen) once, at once. A write of a Secret carries preconditions and a patch of a
workload is the same twice, so sending either again after a lost connection is safe; after a lost answer the caller
observes first.
"""

import base64
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import urllib3

# Not from `kubernetes.client`: these three modules are all that the layer has of the package (see its Makefile).
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject
from urllib3.exceptions import ConnectTimeoutError, HTTPError, InvalidHeader, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as SlowError
from urllib3.util import Retry

from keyferry.deadline import Deadline
from keyferry.errors import KeyferryError, Unauthorized, Unreachable
from keyferry.kube.errors import refusal
from keyferry.mapping.targets import Endpoint

APPLY = "application/apply-patch+yaml"  # JSON is YAML
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
LEAST_SECONDS = 1.0
"""What a request may take that was begun just before the deadline."""
READ_TRIES = 3
USER_AGENT = "keyferry"
RETRY = Retry(
    total=None,
    allowed_methods=["GET"],
    status_forcelist=range(500, 600),
    backoff_factor=0.2,
    backoff_jitter=0.5,
    backoff_max=10,
)
"""Which answers to try again beside 429, and when: at once, after 0.4 to 0.9 seconds, 0.8 to 1.3, and so on."""


@dataclass(frozen=True)
class Request:
    """One request, as RBAC and HTTP see it."""

    method: str
    path: str
    verb: str
    what: str
    namespace: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    content_type: str | None = None
    accept: str = "application/json"

    @property
    def is_apply(self) -> bool:
        """Whether it creates what is missing."""
        return self.content_type == APPLY


class Connection:
    """One cluster's API server, kept for the environment's life. Safe for use by several threads."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        token: Callable[[], str],
        *,
        forget: Callable[[str], None],
        look_up: Callable[[], Endpoint],
        role: str,
        pool_size: int = 8,
    ) -> None:
        """Make a connection; nothing is sent yet.

        Args:
            name: what mappings call the cluster.
            endpoint: where it should be.
            token: returns a sign-in token.
            forget: takes a token that the cluster has refused, so that the next one is new.
            look_up: asks EKS where it is, when it is not there.
            role: who signs in, for messages.
            pool_size: how many requests are sent at once.
        """
        self._name, self._role, self._look_up = name, role, look_up
        self._token, self._forget = token, forget
        self._pool_size, self._lock = pool_size, Lock()
        self._endpoint, self._client = endpoint, _client(endpoint, pool_size)

    def send(self, request: Request, deadline: Deadline) -> bytes | None:
        """Send a request and return the answer's body; None for 404 on a read or a patch of one object.

        Raises:
            KeyferryError: as `keyferry.kube.errors` says, and Unauthorized or Unreachable.
        """
        renewed, retry = False, RETRY
        while True:
            token = self._token()
            status, body, retry_after = self._exchange(request, token, deadline)
            if 200 <= status < 300:
                return body
            if status == 404 and not request.is_apply:
                return None
            if status == 401:
                if renewed:
                    raise Unauthorized(self._name, self._role)
                self._forget(token)
                renewed = True
                continue
            few = len(retry.history) < READ_TRIES - 1
            again = status == 429 or (few and retry.is_retry(request.method, status))
            retry = retry.increment()
            seconds = _pause(retry, retry_after)
            if not again or seconds >= deadline.remaining():
                raise refusal(status, body, verb=request.verb, what=request.what, namespace=request.namespace)
            time.sleep(seconds)

    def _exchange(self, request: Request, token: str, deadline: Deadline) -> tuple[int, bytes, str]:
        client = self._client
        try:
            return _once(client, request, token, deadline)
        except (NewConnectionError, ConnectTimeoutError, _Untrusted) as error:
            if deadline.passed:
                raise self._unreachable(request, error) from None
            self._move(client, error)
        except (ProtocolError, ConnectionError):
            pass  # a kept connection that has died
        except HTTPError as error:
            raise self._unreachable(request, error) from None
        try:
            return _once(self._client, request, token, deadline)
        except (HTTPError, ConnectionError, _Untrusted) as error:
            raise self._unreachable(request, error) from None

    def _move(self, failed: RESTClientObject, error: Exception) -> None:
        """Ask EKS where the cluster is now, and connect there."""
        with self._lock:
            if self._client is not failed:
                return  # another thread has done so
            try:
                endpoint = self._look_up()
            except KeyferryError as also:
                text = f"cluster {self._name} at {self._endpoint.url}: {_why(error)}; and {also}"
                raise Unreachable(text) from None
            self._endpoint, self._client = endpoint, _client(endpoint, self._pool_size)

    def _unreachable(self, request: Request, error: Exception) -> Unreachable:
        return Unreachable(
            f"cluster {self._name} at {self._endpoint.url}: {_why(error)} ({request.verb} {request.what})"
        )


class _Untrusted(Exception):  # never leaves this module
    """The server's certificate is not one of the cluster's."""


def _once(client: RESTClientObject, request: Request, token: str, deadline: Deadline) -> tuple[int, bytes, str]:
    headers = {"Authorization": f"Bearer {token}", "Accept": request.accept, "User-Agent": USER_AGENT}
    if request.content_type:
        headers["Content-Type"] = request.content_type
    seconds = [max(LEAST_SECONDS, min(most, deadline.remaining())) for most in (CONNECT_SECONDS, ANSWER_SECONDS)]
    query = f"?{urlencode(request.query)}" if request.query else ""
    try:
        response = client.request(
            request.method,
            client.configuration.host + request.path + query,
            headers=headers,
            body=request.body,
            _request_timeout=tuple(seconds),
        )
    except ApiException as error:
        raise _of_tls(error) from None
    # Always read: a response that is not keeps its connection, and the next call pays a handshake.
    return response.status, response.read(), response.headers.get("Retry-After", "")


def _of_tls(error: ApiException) -> Exception:
    """Return what went wrong with TLS, which the client tells by an error without a status."""
    reasons = getattr(error.__context__, "args", ())
    untrusted = any(isinstance(each, ssl.SSLCertVerificationError) for each in reasons)
    return _Untrusted() if untrusted else ProtocolError("the handshake broke off")


def _client(endpoint: Endpoint, pool_size: int) -> RESTClientObject:
    # No proxy: the one of the environment would be of the pools that are replaced here.
    client = RESTClientObject(Configuration(host=endpoint.url, proxy=""))
    # The client has no setting for a TLS context. Python's default one refuses the CAs of many EKS clusters, which
    # have no key identifiers: that one check is off; chain, expiry and host name stay checked.
    context = ssl.create_default_context(cadata=base64.b64decode(endpoint.certificate_authority).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    client.pool_manager = urllib3.PoolManager(ssl_context=context, maxsize=pool_size, block=True, retries=False)
    return client


def _pause(retry: Retry, retry_after: str) -> float:
    """Return the seconds before the next try: what the server asks for, as a number or a date, and our own at least."""
    try:
        asked = retry.parse_retry_after(retry_after)
    except (InvalidHeader, ValueError):  # none, or none that is well-formed
        asked = 0.0
    return max(asked, retry.get_backoff_time())


def _why(error: Exception) -> str:
    if isinstance(error, _Untrusted):
        return "its certificate is not of the certificateAuthority given"
    if isinstance(error, SlowError) and not isinstance(error, NewConnectionError):
        return "no answer in time"
    return f"no connection ({type(error).__name__})"
