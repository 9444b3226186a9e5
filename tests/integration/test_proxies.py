"""A proxy between Keyferry and a cluster, as HTTPS_PROXY and NO_PROXY have it for kubectl too.

The cluster has a name that nobody but the proxy knows: addresses of loopback are never asked for through a proxy.
"""

import base64
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from keyferry.errors import ClusterUnreachable, Misconfigured, Unreachable
from keyferry.runtime.wiring import Runtime
from keyferry_local import certificates
from keyferry_local.certificates import Authority, Pair
from keyferry_local.cloud import Cloud
from keyferry_local.direct import Direct, deadline, delivery, statements
from tests.integration.connect_proxy import ConnectProxy, connect_proxy
from tests.integration.scene import CLUSTER, Scene, error
from tests.integration.wire import Gate, closed_port, gate

HOST = "cluster.invalid"
URL = f"https://{HOST}:6443"
PASSWORD = "canary-proxy-password"


def for_host(authority: Authority) -> Pair:
    """Make the certificate of an API server that is called HOST."""
    names = x509.SubjectAlternativeName([x509.DNSName(HOST)])
    return certificates._signed(authority, certificates._name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, names)


@pytest.fixture
def server(cloud: Cloud, tmp_path: Path) -> Iterator[Gate]:
    """What answers as HOST, before the API server."""
    with gate(cloud.clusters[CLUSTER], tmp_path, for_host) as server:
        yield server


@pytest.fixture
def proxy(server: Gate) -> Iterator[ConnectProxy]:
    """A proxy that knows the way to HOST."""
    with connect_proxy({f"{HOST}:6443": _get_port(server)}) as proxy:
        yield proxy


def _get_port(server: Gate) -> int:
    return int(server.url.rpartition(":")[2])


@dataclass(frozen=True)
class Behind:
    """Deliveries to the cluster by the name HOST."""

    scene: Scene
    certificate_authority: str

    def deliver(self, **environment: str) -> Any:  # noqa: ANN401
        """Deliver with variables of the environment, and return the report. EKS, which knows no HOST, is not asked."""
        cloud, known = self.scene.cloud, {"endpoint": URL, "certificateAuthority": self.certificate_authority}
        catalog = self.scene.catalog([self.scene.mapping()], **known)
        direct = Direct.grant(cloud, catalog)
        direct.allow([entry for entry in statements(cloud, catalog) if "eks:" not in entry["Action"]])
        runtime = Runtime(environment, catalog, cloud.aws.session(direct.role))
        return runtime.deliver(delivery(self.scene.namespace), deadline())


@pytest.fixture
def behind(scene: Scene, server: Gate) -> Behind:
    """A cluster and a secret."""
    scene.create({"password": "canary-proxies-1"})
    return Behind(scene, server.certificate_authority)


def test_a_delivery_goes_through_the_proxy_that_https_proxy_names(
    behind: Behind, proxy: ConnectProxy, server: Gate
) -> None:
    report = behind.deliver(HTTPS_PROXY=f"http://ann:{PASSWORD}@{proxy.address}")

    assert not report.errors
    assert behind.scene.data() == {"password": b"canary-proxies-1"}
    assert server.seen
    token = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    assert set(proxy.asked) == {(f"{HOST}:6443", f"Basic {token}")}


def test_all_requests_of_a_delivery_share_the_connections_through_the_proxy(
    behind: Behind, proxy: ConnectProxy, server: Gate
) -> None:
    assert not behind.deliver(HTTPS_PROXY=proxy.address).errors
    assert len(proxy.asked) == 1 < len(server.seen)


def test_a_proxy_can_be_asked_by_https(
    behind: Behind, server: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = certificates.authority()
    pair = certificates.serving(authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.write(tmp_path / "proxy.pem", pair.certificate + pair.key))
    with connect_proxy({f"{HOST}:6443": _get_port(server)}, context) as proxy:
        untrusted = behind.deliver(HTTPS_PROXY=f"https://{proxy.address}")
        assert f"the proxy https://{proxy.address} of HTTPS_PROXY: no connection to the proxy (SSLError)" in str(
            error(untrusted)
        )
        assert proxy.asked == []

        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.write(tmp_path / "authority.pem", authority.pem)))
        assert not behind.deliver(HTTPS_PROXY=f"https://{proxy.address}").errors
    assert behind.scene.data() == {"password": b"canary-proxies-1"}


@pytest.mark.parametrize("no_proxy", [HOST, ".invalid", "*", f"{HOST}:6443"])
def test_a_cluster_that_no_proxy_names_is_not_asked_for_through_the_proxy(
    behind: Behind, proxy: ConnectProxy, no_proxy: str
) -> None:
    problem = error(behind.deliver(HTTPS_PROXY=f"http://{proxy.address}", NO_PROXY=no_proxy))
    assert str(problem).startswith(f"cluster prod-eu at {URL}: no connection (NameResolutionError)")
    assert proxy.asked == []


def test_clusters_on_loopback_are_connected_to_directly(scene: Scene, proxy: ConnectProxy) -> None:
    scene.create({"password": "canary-proxies-1"})
    catalog = scene.catalog([scene.mapping()])
    session = scene.cloud.aws.session(Direct.grant(scene.cloud, catalog).role)
    runtime = Runtime({"HTTPS_PROXY": f"http://{proxy.address}"}, catalog, session)
    assert not runtime.deliver(delivery(scene.namespace), deadline()).errors
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (407, "the proxy answers 407: give its URL the user and the password that it asks for"),
        (403, "the proxy answers 403: let it connect to the cluster, or name the cluster in NO_PROXY"),
        (502, "the proxy answers 502: it has no connection to the cluster; let it have one, or name the cluster in"),
    ],
)
def test_a_proxy_that_does_not_connect_is_named_without_its_password(
    behind: Behind, proxy: ConnectProxy, status: int, remedy: str
) -> None:
    proxy.status = status
    problem = error(behind.deliver(HTTPS_PROXY=f"http://ann:{PASSWORD}@{proxy.address}"))
    assert isinstance(problem, ClusterUnreachable)
    assert str(problem).startswith(
        f"cluster prod-eu at {URL}, through the proxy http://{proxy.address} of HTTPS_PROXY: {remedy}"
    )
    assert PASSWORD not in str(problem)


def test_a_proxy_that_is_not_there_is_named(behind: Behind) -> None:
    address = closed_port().removeprefix("https://")
    problem = error(behind.deliver(https_proxy=f"http://ann:{PASSWORD}@{address}"))
    assert isinstance(problem, ClusterUnreachable)
    assert f"the proxy http://{address} of https_proxy: no connection to the proxy (NewConnectionError)" in str(problem)
    assert PASSWORD not in str(problem)


def test_a_proxy_that_says_nothing_holds_a_delivery_up_no_longer_than_a_cluster_that_does(
    behind: Behind, proxy: ConnectProxy
) -> None:
    proxy.silence = threading.Event()
    problem = error(behind.deliver(HTTPS_PROXY=f"http://{proxy.address}"))
    proxy.silence.set()
    assert isinstance(problem, Unreachable)
    assert "of HTTPS_PROXY: no answer in time to CONNECT (get secrets/db)" in str(problem)


def test_a_proxy_that_opens_tls_is_not_taken_for_the_cluster(scene: Scene, server: Gate, proxy: ConnectProxy) -> None:
    scene.create({"password": "canary-proxies-1"})
    other = base64.b64encode(certificates.authority().pem).decode()
    problem = error(Behind(scene, other).deliver(HTTPS_PROXY=f"http://{proxy.address}"))
    assert "its certificate is not of the certificateAuthority given; if the proxy opens TLS, name the" in str(problem)
    assert server.seen == []


def test_a_kind_of_proxy_that_is_not_supported_is_told(behind: Behind) -> None:
    problem = error(behind.deliver(HTTPS_PROXY=f"socks5://ann:{PASSWORD}@proxy.example:1080"))
    assert isinstance(problem, Misconfigured)
    assert "HTTPS_PROXY names a SOCKS proxy" in str(problem)
    assert PASSWORD not in str(problem)
