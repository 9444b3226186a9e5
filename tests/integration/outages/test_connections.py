"""Connections to a cluster: where it is, whose certificate it shows, and what becomes of one that has died."""

import base64
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from keyferry.aws import eks
from keyferry.errors import AccessDenied, ClusterUnreachable, Unreachable, WrongCluster
from keyferry.kube import Connection
from keyferry.mapping.targets import Eks, Endpoint
from keyferry.runtime.wiring import Runtime
from keyferry_local import certificates
from keyferry_local.certificates import Authority, Pair
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.controlplane import ControlPlane
from keyferry_local.direct import Direct, catalog, deadline, delivery, statements
from tests.integration.scene import CLUSTER, Scene, ask, error, tokens
from tests.integration.wire import Proxy, closed_port, gate, proxy

VERSION = "/version"


@pytest.fixture(scope="module")
def signing(cloud: Cloud) -> eks.Tokens:
    """Tokens of somebody who may sign in."""
    return tokens(cloud, Direct.grant(cloud, catalog(cloud, [])).role)


@pytest.fixture
def through(cloud: Cloud) -> Iterator[Proxy]:
    """A proxy before the API server."""
    with proxy(cloud.clusters[CLUSTER].endpoint) as found:
        yield found


def connect(url: str, authority: str, signing: eks.Tokens, look_up: Any = None) -> Connection:  # noqa: ANN401
    """Return a connection to an address."""

    def unknown() -> Endpoint:
        raise AccessDenied("AWS refuses eks:DescribeCluster")

    where, look_up = Endpoint(url, authority), look_up or unknown
    return Connection(CLUSTER, where, signing.get, forget_token=signing.forget, read_endpoint=look_up, role="role")


def describes(session: Any) -> list[str]:  # noqa: ANN401
    """Return a list that gets an entry for each DescribeCluster of the session's clients."""
    calls: list[str] = []
    session.events.register("before-call.eks.DescribeCluster", lambda **_: calls.append("DescribeCluster"))
    return calls


class Given:
    """A role whose clusters.yaml says where the cluster is."""

    def __init__(self, scene: Scene, url: str, authority: str) -> None:
        whole = scene.catalog([scene.mapping()], endpoint=url, certificateAuthority=authority)
        self.direct = Direct.grant(scene.cloud, whole)
        self.session = scene.cloud.aws.session(self.direct.role)
        self.described = describes(self.session)
        self.runtime = Runtime({}, whole, self.session)

    def deliver(self, mapping: str) -> Any:  # noqa: ANN401
        """Carry out a delivery."""
        return self.runtime.deliver(delivery(mapping), deadline())

    def forbid_to_describe(self) -> None:
        """Take the right to ask EKS away."""
        allowed = [s for s in statements(self.direct.cloud, self.direct.catalog) if "eks:" not in s["Action"]]
        self.direct.allow(allowed)


def test_a_given_endpoint_is_used_without_asking_eks(scene: Scene) -> None:
    scene.create({"password": "canary-connections-1"})
    plane = scene.cloud.clusters[CLUSTER]
    given = Given(scene, plane.endpoint, plane.certificate_authority)
    given.forbid_to_describe()

    assert not given.deliver(scene.namespace).errors

    assert scene.data() == {"password": b"canary-connections-1"}
    assert given.described == []


@pytest.mark.parametrize("changed", ["address", "authority"])
def test_a_cluster_that_was_made_again_is_found_by_asking_eks_once(scene: Scene, changed: str) -> None:
    scene.create({"password": "canary-connections-1"})
    plane = scene.cloud.clusters[CLUSTER]
    other = base64.b64encode(certificates.authority().pem).decode()
    given = (
        Given(scene, closed_port(), plane.certificate_authority)
        if changed == "address"
        else Given(scene, plane.endpoint, other)
    )

    assert not given.deliver(scene.namespace).errors
    assert not given.deliver(scene.namespace).errors

    assert scene.data() == {"password": b"canary-connections-1"}
    assert given.described == ["DescribeCluster"]


def test_a_cluster_that_is_gone_from_where_it_was_is_reported_with_both_reasons(scene: Scene) -> None:
    scene.create({"password": "canary-connections-1"})
    url = closed_port()
    given = Given(scene, url, scene.cloud.clusters[CLUSTER].certificate_authority)
    given.forbid_to_describe()

    found = error(given.deliver(scene.namespace))

    assert isinstance(found, Unreachable)
    assert f"cluster prod-eu at {url}: no connection" in str(found)
    assert "AWS refuses eks:DescribeCluster on prod-eu" in str(found)


def test_a_cluster_that_eks_does_not_know_is_reported(scene: Scene) -> None:
    whole = scene.catalog([scene.mapping()])
    direct = Direct.grant(scene.cloud, whole)
    unknown = whole.clusters[CLUSTER].model_copy(update={"eks": Eks(name="gone", region="eu-west-1", account=ACCOUNT)})
    direct.allow([{"Effect": "Allow", "Action": "eks:DescribeCluster", "Resource": "*"}])

    where = f"cluster gone in eu-west-1 of account {ACCOUNT}"
    with pytest.raises(Unreachable, match=f"EKS knows no {where}: create it, or correct clusters.yaml"):
        Runtime({}, whole, scene.cloud.aws.session(direct.role)).connect(unknown, deadline())


def test_a_namesake_in_another_account_is_not_taken_for_the_cluster(scene: Scene) -> None:
    whole = scene.catalog([scene.mapping()])
    direct = Direct.grant(scene.cloud, whole)
    meant = Eks(name=CLUSTER, region="eu-west-1", account="999999999999")
    namesake = whole.clusters[CLUSTER].model_copy(update={"eks": meant})

    answered = f"and EKS answers for arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/{CLUSTER}"
    with pytest.raises(WrongCluster, match=f"in eu-west-1 of account 999999999999, {answered}"):
        direct.runtime.connect(namesake, deadline())


def test_an_authority_without_key_identifiers_is_accepted_and_another_one_is_not(
    cloud: Cloud, signing: eks.Tokens
) -> None:
    plane = cloud.clusters[CLUSTER]
    authority = x509.load_pem_x509_certificate(base64.b64decode(plane.certificate_authority))
    assert not {each.oid._name for each in authority.extensions} & {"subjectKeyIdentifier", "authorityKeyIdentifier"}
    assert ask(connect(plane.endpoint, plane.certificate_authority, signing), "GET", VERSION)

    other = base64.b64encode(certificates.authority().pem).decode()
    with pytest.raises(Unreachable, match="its certificate is not of the certificateAuthority given"):
        ask(connect(plane.endpoint, other, signing, lambda: Endpoint(plane.endpoint, other)), "GET", VERSION)


def of_another_host(authority: Authority) -> Pair:
    """Make a certificate of the right authority for a host elsewhere."""
    names = x509.SubjectAlternativeName([x509.DNSName("elsewhere.invalid")])
    name = certificates._name("kube-apiserver")
    return certificates._signed(authority, name, ExtendedKeyUsageOID.SERVER_AUTH, names)


def test_a_certificate_of_another_host_is_refused_before_anything_is_sent(
    cloud: Cloud, signing: eks.Tokens, tmp_path: Path
) -> None:
    with gate(cloud.clusters[CLUSTER], tmp_path, of_another_host) as server:
        endpoint = Endpoint(server.url, server.certificate_authority)
        with pytest.raises(Unreachable, match="its certificate"):
            ask(connect(server.url, server.certificate_authority, signing, lambda: endpoint), "GET", VERSION)
        assert server.seen == []


def test_a_server_that_hangs_up_during_the_handshake_is_not_taken_for_another_cluster(
    cloud: Cloud, signing: eks.Tokens
) -> None:
    plane: ControlPlane = cloud.clusters[CLUSTER]
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(_hang_up, listener, 2)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unreachable, match="no connection"):
            ask(connect(url, plane.certificate_authority, signing), "GET", VERSION)


def _hang_up(listener: socket.socket, times: int) -> None:
    for _ in range(times):
        client, _ = listener.accept()
        client.recv(4096)
        client.close()


def test_twenty_calls_in_a_row_need_one_connection(scene: Scene, through: Proxy) -> None:
    scene.create({"password": "canary-connections-1"})
    given = Given(scene, through.url, scene.cloud.clusters[CLUSTER].certificate_authority)
    client = given.runtime.connect(given.direct.catalog.clusters[CLUSTER], deadline())

    for _ in range(20):
        client.read_secret(scene.namespace, "db")

    assert through.accepted == 1


@pytest.mark.parametrize("end", [Proxy.deaden, Proxy.hang_up], ids=["reset at its next use", "closed while idle"])
def test_a_connection_that_died_while_idle_is_opened_again_at_once(
    scene: Scene, through: Proxy, end: Callable[[Proxy], None]
) -> None:
    scene.create({"password": "canary-connections-1"})
    given = Given(scene, through.url, scene.cloud.clusters[CLUSTER].certificate_authority)
    assert not given.deliver(scene.namespace).errors
    assert through.accepted == 1
    scene.put({"password": "canary-connections-2"})
    end(through)

    report = given.deliver(scene.namespace)

    assert not report.errors
    assert scene.data() == {"password": b"canary-connections-2"}
    assert through.accepted == 2
    assert given.described == []


def test_an_apply_on_a_connection_that_has_died_is_sent_again_and_takes_effect_once(
    scene: Scene, through: Proxy
) -> None:
    scene.create({"password": "canary-connections-1"})
    given = Given(scene, through.url, scene.cloud.clusters[CLUSTER].certificate_authority)
    client = given.runtime.connect(given.direct.catalog.clusters[CLUSTER], deadline())
    assert client.read_secret(scene.namespace, "db") is None
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "resourceVersion": "1"}}
    through.deaden()

    made = client.apply_secret(scene.namespace, body, "keyferry:test", force=False)

    assert made["metadata"]["resourceVersion"] == scene.secret()["metadata"]["resourceVersion"]
    assert through.accepted == 2


def test_all_connections_of_a_frozen_environment_can_have_died(scene: Scene, through: Proxy) -> None:
    given = Given(scene, through.url, scene.cloud.clusters[CLUSTER].certificate_authority)
    client = given.runtime.connect(given.direct.catalog.clusters[CLUSTER], deadline())

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            list(pool.map(lambda _: client.read_secret(scene.namespace, "db"), range(16)))
            through.deaden()
            found = list(pool.map(lambda _: client.read_secret(scene.namespace, "db"), range(3)))
            assert found == [None] * 3
            found = list(pool.map(lambda _: client.read_secret(scene.namespace, "db"), range(16)))
            assert found == [None] * 16


def test_a_cluster_whose_answers_get_lost_is_down_and_is_not_asked_again_at_once(scene: Scene, through: Proxy) -> None:
    scene.create({"password": "canary-connections-1"})
    given = Given(scene, through.url, scene.cloud.clusters[CLUSTER].certificate_authority)
    client = given.runtime.connect(given.direct.catalog.clusters[CLUSTER], deadline())
    client.read_secret(scene.namespace, "db")
    through.losing = True
    with pytest.raises(ClusterUnreachable, match=r"no connection \(ProtocolError\) \(get secrets/db\)$"):
        client.read_secret(scene.namespace, "db")
    through.losing, accepted = False, through.accepted

    with pytest.raises(ClusterUnreachable, match="it is asked again in"):
        client.read_secret(scene.namespace, "db")
    assert through.accepted == accepted
