"""Send single HTTP requests to an API server, over kept connections with the cluster's own certificate authority."""

import base64
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import urllib3

# Not from `kubernetes.client`: these three modules are all that the layer has of it (keyferry.cli.build.wheels).
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ProxyError, ReadTimeoutError
from urllib3.exceptions import TimeoutError as SlowError

from keyferry.deadline import Deadline
from keyferry.kube.proxies import Proxy
from keyferry.mapping.targets import Endpoint

APPLY = "application/apply-patch+yaml"  # JSON is YAML
CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 3.0, 5.0, 10.0
"""How long a connection, the answer to a read of one object, and any other answer may take."""
PROBE_SECONDS = 2.0
"""How long each of them may take after a failure, so that a cluster that is down takes little time of the others'."""
LEAST_SECONDS = 1.0
"""How long a request may take that begins just before the deadline."""
USER_AGENT = "keyferry"
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
"""The text of `http.client` where a proxy does not connect, up to the status."""


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
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    content_type: str | None = None
    accept: str = "application/json"

    @property
    def is_apply(self) -> bool:
        """Whether the request is a server-side apply, which creates an object that is missing."""
        return self.content_type == APPLY

    @property
    def can_wait_for_webhooks(self) -> bool:
        """Whether a webhook can hold up the answer: of admission for a write, of conversion for a custom resource."""
        return self.method != "GET" or self.path.startswith("/apis/")

    @property
    def is_list(self) -> bool:
        """Whether the answer has many objects, and so may take long."""
        return self.verb == "list"

    @property
    def is_event(self) -> bool:
        """Whether it creates an Event: nobody waits for it, and the limits of a cluster for Events are their own."""
        return self.verb == "create"

    @property
    def tells_speed(self) -> bool:
        """Whether its answer says how fast the cluster is."""
        return not (self.is_list or self.is_event)


@dataclass(frozen=True)
class Answer:
    """The answer to one request."""

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after: str = ""
    """The header `Retry-After`; empty where it is missing."""


@dataclass(frozen=True)
class Limits:
    """How many seconds a connection and an answer may take."""

    connect: float
    answer: float

    @classmethod
    def choose(cls, request: Request, deadline: Deadline, *, is_probe: bool) -> "Limits":
        """Return the limits of a request that begins now: short for a probe, and never far beyond the deadline."""
        usual = READ_SECONDS if request.method == "GET" and not request.is_list else ANSWER_SECONDS
        wanted = (PROBE_SECONDS, PROBE_SECONDS) if is_probe else (CONNECT_SECONDS, usual)
        return cls(*(max(LEAST_SECONDS, min(seconds, deadline.remaining())) for seconds in wanted))


class UntrustedCertificate(Exception):  # never leaves `keyferry.kube`
    """The server's certificate is not valid by the certificate authority of the cluster."""


class ProxyFailure(HTTPError):  # never leaves `keyferry.kube`
    """The proxy cannot be reached, or does not connect to the endpoint. The text says what, and what to change."""


class Transport:
    """A pool of connections to one endpoint. Safe for use by several threads."""

    proxy: Proxy | None = None
    """What the connections go through, if not straight to the endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        pool_size: int = 8,
        proxy: Proxy | None = None,
        *,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        """Create the pool; nothing is sent yet.

        Args:
            endpoint: where the API server is, and whose certificates it has.
            pool_size: how many requests can be under way at once.
            proxy: what the connections go through. It sees names of hosts alone: TLS is between us and the endpoint.
            context: other TLS settings than those that trust the endpoint's authority alone.
            server_name: the name that the server's certificate has, where it is not that of the endpoint's host.
        """
        self.proxy = proxy
        # Without a proxy: it would belong to the pool manager that is replaced here.
        self._client = RESTClientObject(Configuration(host=endpoint.url, proxy=""))
        # The client has no setting for a TLS context.
        context = context or create_context(base64.b64decode(endpoint.certificate_authority).decode())
        options: dict[str, Any] = {"ssl_context": context, "maxsize": pool_size, "block": True, "retries": False}
        options |= {"server_hostname": server_name} if server_name else {}
        self._client.pool_manager = (
            urllib3.ProxyManager(
                proxy.url, proxy_headers=proxy.headers, proxy_ssl_context=create_context(None), **options
            )
            if proxy
            else urllib3.PoolManager(**options)
        )

    def send(self, request: Request, token: str, limits: Limits) -> Answer:
        """Send a request once and return the answer, whatever its status.

        Args:
            request: the request.
            token: the token to sign in with; empty where the connection itself has a certificate for that.
            limits: how long it may take.

        Raises:
            ProxyFailure: the proxy is the cause that there is no answer.
            HTTPError: there is no answer; as urllib3 says.
            ConnectionError: the connection broke off.
            UntrustedCertificate: the server is not the cluster's.
        """
        headers = {"Accept": request.accept, "User-Agent": USER_AGENT}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if request.content_type:
            headers["Content-Type"] = request.content_type
        query = f"?{urlencode(request.query)}" if request.query else ""
        try:
            response = self._client.request(
                request.method,
                self._client.configuration.host + request.path + query,
                headers=headers,
                body=request.body,
                _request_timeout=(limits.connect, limits.answer),
            )
        except ApiException as error:
            raise _convert_tls_error(error, self.proxy) from None
        except HTTPError as error:
            raise _convert_proxy_error(error) or error from None
        # Always read the body: a response that is not read keeps its connection, and the next call needs a new one.
        return Answer(response.status, response.read(), response.headers.get("Retry-After", ""))


def create_context(authority: str | None) -> ssl.SSLContext:
    """Return the TLS settings of a client that trusts an authority (PEM), or where it is None those of the system.

    Python's default context refuses the CAs of many EKS clusters, and of companies, which have no key identifiers. That
    check is off, as in Go; the chain, the expiry and the host name are still checked.
    """
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def describe_failure(error: Exception) -> str:
    """Return why there is no answer, from an error of `Transport.send`."""
    if isinstance(error, ProxyFailure):
        return str(error)
    if isinstance(error, UntrustedCertificate):
        return "its certificate is not of the certificateAuthority given"
    if isinstance(error, SlowError) and not isinstance(error, NewConnectionError):
        return "no answer in time"
    return f"no connection ({type(error).__name__})"


def _convert_tls_error(error: ApiException, proxy: Proxy | None) -> Exception:
    """Return what went wrong with TLS; the client raises an error without a status for that."""
    causes = getattr(error.__context__, "args", ())
    if not any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return ProtocolError("the handshake broke off")
    untrusted = UntrustedCertificate()
    if proxy is None:
        return untrusted
    return ProxyFailure(f"{describe_failure(untrusted)}; if the proxy opens TLS, name the cluster in NO_PROXY")


def _convert_proxy_error(error: HTTPError) -> ProxyFailure | None:
    """Return the error of the proxy, if it is the cause."""
    if isinstance(error, ReadTimeoutError) and not str(error.url).startswith("/"):  # the proxy's, and not of a request
        return ProxyFailure("no answer in time to CONNECT")
    match = _REFUSED_TUNNEL.search(str(error))
    if match and isinstance(error, (ProxyError, ProtocolError)):
        return ProxyFailure(f"the proxy answers {match[1]}: {_explain_refusal(match[1])}")
    if isinstance(error, ProxyError):
        return ProxyFailure(f"no connection to the proxy ({type(error.original_error).__name__})")
    return None


def _explain_refusal(status: str) -> str:
    if status == "407":
        return "give its URL the user and the password that it asks for"
    if status.startswith("5"):
        return "it has no connection to the cluster; let it have one, or name the cluster in NO_PROXY"
    return "let it connect to the cluster, or name the cluster in NO_PROXY"
