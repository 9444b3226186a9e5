"""Send requests to one API server over a connection that is kept: TLS, sign-in and retries.

Retried are: 429, while there is time; a failed read, a few times; 401, once, with a new token; and a connection that
died while the Lambda environment was frozen, once, without a pause. Sending a write again on a new connection is safe:
a write of a Secret carries preconditions, and patching a workload twice has the same result. When the answer to a write
is lost, the caller observes the object before it writes again.
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
from keyferry.kube.errors import build_error
from keyferry.mapping.targets import Endpoint

APPLY = "application/apply-patch+yaml"  # JSON is YAML
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
LEAST_SECONDS = 1.0
"""How long a request may take that begins just before the deadline."""
READ_TRIES = 3
USER_AGENT = "keyferry"
RETRY = Retry(
    total=None,
    allowed_methods=["GET"],
    status_forcelist=range(500, 600),
    backoff_factor=0.05,
    backoff_jitter=0.2,
    backoff_max=10,
).increment()  # urllib3 makes no pause after the first failure it knows of, and all threads would ask again at once
"""Which answers are retried beside 429, and when: after 0.1 to 0.3 seconds, after 0.2 to 0.4, and so on."""


@dataclass(frozen=True)
class Request:
    """One request to the API server, in the words of HTTP and of RBAC."""

    method: str
    path: str
    verb: str
    """The verb in RBAC."""
    resource: str
    """Resource and name, as `secrets/payments-db`, for messages."""
    namespace: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    content_type: str | None = None
    accept: str = "application/json"

    @property
    def is_apply(self) -> bool:
        """Whether the request is a server-side apply, which creates an object that is missing."""
        return self.content_type == APPLY


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
        pool_size: int = 8,
    ) -> None:
        """Create a connection; nothing is sent yet.

        Args:
            name: the cluster's name in mappings.
            endpoint: the expected endpoint.
            get_token: returns a sign-in token.
            forget_token: takes a token that the cluster refused; the next token is a new one.
            read_endpoint: asks EKS for the endpoint; called when the API server does not answer at the expected one.
            role: the role that signs in, for messages.
            pool_size: how many requests can be under way at once.
        """
        self._name, self._role, self._read_endpoint = name, role, read_endpoint
        self._get_token, self._forget_token = get_token, forget_token
        self._pool_size, self._lock = pool_size, Lock()
        self._endpoint, self._client = endpoint, _create_client(endpoint, pool_size)

    def send(self, request: Request, deadline: Deadline) -> bytes | None:
        """Send a request and return the body of the answer; None if the object is missing (404), but not for an apply.

        Raises:
            Unauthorized: the cluster refuses the sign-in, also with a new token.
            Unreachable: the cluster does not answer.
            KeyferryError: as `keyferry.kube.errors.build_error` says.
        """
        has_new_token, retry = False, RETRY
        while True:
            token = self._get_token()
            status, body, retry_after = self._send_reconnecting(request, token, deadline)
            if 200 <= status < 300:
                return body
            if status == 404 and not request.is_apply:
                return None
            if status == 401:
                if has_new_token:
                    raise Unauthorized(self._name, self._role)
                self._forget_token(token)
                has_new_token = True
                continue
            has_tries_left = len(retry.history) < READ_TRIES
            may_retry = status == 429 or (has_tries_left and retry.is_retry(request.method, status))
            retry = retry.increment()
            seconds = _get_pause_seconds(retry, retry_after)
            if not may_retry or seconds >= deadline.remaining():
                raise build_error(
                    status, body, verb=request.verb, resource=request.resource, namespace=request.namespace
                )
            time.sleep(seconds)

    def _send_reconnecting(self, request: Request, token: str, deadline: Deadline) -> tuple[int, bytes, str]:
        """Send a request, and again on a new connection if the first one fails; ask EKS for the endpoint if needed.

        Returns:
            The HTTP status, the body and the `Retry-After` header of the answer.
        """
        client = self._client
        try:
            return _send_once(client, request, token, deadline)
        except (NewConnectionError, ConnectTimeoutError, _UntrustedCertificate) as error:
            if deadline.has_passed:
                raise self._build_unreachable(request, error) from None
            self._reconnect(client, error)
        except (ProtocolError, ConnectionError):
            pass  # a kept connection that has died
        except HTTPError as error:
            raise self._build_unreachable(request, error) from None
        try:
            return _send_once(self._client, request, token, deadline)
        except (HTTPError, ConnectionError, _UntrustedCertificate) as error:
            raise self._build_unreachable(request, error) from None

    def _reconnect(self, failed: RESTClientObject, error: Exception) -> None:
        """Ask EKS for the cluster's endpoint, and connect to that."""
        with self._lock:
            if self._client is not failed:
                return  # another thread has done so
            try:
                endpoint = self._read_endpoint()
            except KeyferryError as second_error:
                text = f"cluster {self._name} at {self._endpoint.url}: {_describe_failure(error)}; and {second_error}"
                raise Unreachable(text) from None
            self._endpoint, self._client = endpoint, _create_client(endpoint, self._pool_size)

    def _build_unreachable(self, request: Request, error: Exception) -> Unreachable:
        return Unreachable(
            f"cluster {self._name} at {self._endpoint.url}: {_describe_failure(error)}"
            f" ({request.verb} {request.resource})"
        )


class _UntrustedCertificate(Exception):  # never leaves this module
    """The server's certificate is not valid by the certificate authority of the cluster."""


def _send_once(client: RESTClientObject, request: Request, token: str, deadline: Deadline) -> tuple[int, bytes, str]:
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
        raise _convert_tls_error(error) from None
    # Always read the body: a response that is not read keeps its connection, and the next call needs a new one.
    return response.status, response.read(), response.headers.get("Retry-After", "")


def _convert_tls_error(error: ApiException) -> Exception:
    """Return what went wrong with TLS; the client raises an error without a status for that."""
    causes = getattr(error.__context__, "args", ())
    is_untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
    return _UntrustedCertificate() if is_untrusted else ProtocolError("the handshake broke off")


def _create_client(endpoint: Endpoint, pool_size: int) -> RESTClientObject:
    # Without a proxy: the environment's would belong to the pool manager that is replaced here.
    client = RESTClientObject(Configuration(host=endpoint.url, proxy=""))
    # The client has no setting for a TLS context. Python's default context refuses the CAs of many EKS clusters, which
    # have no key identifiers. That check is off; the chain, the expiry and the host name are still checked.
    context = ssl.create_default_context(cadata=base64.b64decode(endpoint.certificate_authority).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    client.pool_manager = urllib3.PoolManager(ssl_context=context, maxsize=pool_size, block=True, retries=False)
    return client


def _get_pause_seconds(retry: Retry, retry_after: str) -> float:
    """Return the seconds before the next try: what `Retry-After` asks for, a number or a date, but at least our own."""
    try:
        requested = retry.parse_retry_after(retry_after)
    except (InvalidHeader, ValueError):  # the header is missing or malformed
        requested = 0.0
    return max(requested, retry.get_backoff_time())


def _describe_failure(error: Exception) -> str:
    if isinstance(error, _UntrustedCertificate):
        return "its certificate is not of the certificateAuthority given"
    if isinstance(error, SlowError) and not isinstance(error, NewConnectionError):
        return "no answer in time"
    return f"no connection ({type(error).__name__})"
