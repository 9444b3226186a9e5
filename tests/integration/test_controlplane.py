"""A local cluster is a real API server with RBAC on, that looks and lets people in as one of EKS does."""

import base64
import http.client
import json
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509

from local import authenticator, aws, binaries, controlplane, processes
from local.controlplane import ControlPlane
from tests.tokens import Draft

ACCOUNT = "111122223333"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "api"},
    "spec": {
        "selector": {"matchLabels": {"app": "api"}},
        "template": {
            "metadata": {"labels": {"app": "api"}},
            "spec": {"containers": [{"name": "api", "image": "registry.invalid/api"}]},
        },
    },
}


@dataclass(frozen=True)
class Caller:
    """Somebody who calls the API server."""

    cluster: ControlPlane
    context: ssl.SSLContext
    token: str = ""

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:  # noqa: ANN401
        """Call, and give the status and the object."""
        connection = http.client.HTTPSConnection(
            self.cluster.endpoint.removeprefix("https://"), context=self.context, timeout=30
        )
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer


@dataclass(frozen=True)
class Ground:
    """One cluster, the AWS that it signs in with, and one role that has an access entry."""

    cluster: ControlPlane
    directory: Path
    eks: Any
    role: str
    draft: Draft

    def anyone(self, token: str = "") -> Caller:
        """Call with a token, or without one."""
        return Caller(self.cluster, trusting(self.cluster), token)

    def admin(self) -> Caller:
        """Call as the kubeconfig lets one."""
        user = json.loads(self.cluster.kubeconfig.read_text())["users"][0]["user"]
        pem = self.directory / "test-admin.pem"
        pem.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        context = trusting(self.cluster)
        context.load_cert_chain(pem)
        return Caller(self.cluster, context)


def trusting(cluster: ControlPlane) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=base64.b64decode(cluster.certificate_authority).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    directory = tmp_path_factory.mktemp("cluster")
    programs = binaries.provide(lambda line: print(line, file=sys.stderr))
    services = aws.start(directory / "aws", account=ACCOUNT)
    webhook = authenticator.start(directory, aws=services.endpoint, environment=services.environment())
    cluster = controlplane.start(
        "prod-eu",
        region="eu-west-1",
        account=ACCOUNT,
        directory=directory / "prod-eu",
        binaries=programs,
        authenticator=webhook.address(ACCOUNT, "eu-west-1", "prod-eu"),
    )
    yield furnish(cluster, directory, services.endpoint)
    controlplane.stop(cluster)
    authenticator.stop(webhook)
    aws.stop(services)


def furnish(cluster: ControlPlane, directory: Path, endpoint: str) -> Ground:
    session = boto3.Session(ACCOUNT, "canary-unchecked", region_name="eu-west-1")
    direct = Config(proxies={})
    iam = session.client("iam", endpoint_url=endpoint, config=direct)
    eks = session.client("eks", endpoint_url=endpoint, config=direct)
    sts = session.client("sts", endpoint_url=endpoint, config=direct)
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="keyferry", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    eks.create_cluster(name="prod-eu", roleArn=role, resourcesVpcConfig={})
    eks.create_access_entry(
        clusterName="prod-eu", principalArn=role, username="keyferry", kubernetesGroups=["keyferry:deliver"]
    )
    keys = sts.assume_role(RoleArn=role, RoleSessionName="delivery-1")["Credentials"]
    draft = Draft(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    return Ground(cluster, directory, eks, role, draft)


def eventually(true: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


def test_the_api_server_is_of_the_pinned_version(ground: Ground) -> None:
    _, version = ground.anyone().call("GET", "/version")
    assert version["gitVersion"] == f"v{binaries.kubernetes_version()}"


def test_the_authority_has_no_key_identifiers_as_on_eks(ground: Ground) -> None:
    authority = x509.load_pem_x509_certificate(base64.b64decode(ground.cluster.certificate_authority))
    assert {extension.oid._name for extension in authority.extensions} == {"basicConstraints", "keyUsage"}


def test_pythons_default_tls_context_refuses_the_cluster_as_it_refuses_those_of_eks(ground: Ground) -> None:
    trusted = base64.b64decode(ground.cluster.certificate_authority).decode()
    caller = Caller(ground.cluster, ssl.create_default_context(cadata=trusted))
    with pytest.raises(ssl.SSLCertVerificationError, match="Authority Key Identifier"):
        caller.call("GET", "/version")


def test_a_token_signs_in_as_the_access_entry_says(ground: Ground) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    caller = ground.anyone(ground.draft.token())
    status, answer = caller.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert status == 201
    user = answer["status"]["userInfo"]
    assert user["username"] == "keyferry"
    assert set(user["groups"]) == {"keyferry:deliver", "system:authenticated"}
    assert user["extra"]["sessionName"] == ["delivery-1"]


def test_a_group_may_do_what_rbac_allows_it_and_nothing_else(ground: Ground) -> None:
    admin, caller = ground.admin(), ground.anyone(ground.draft.token())
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    assert caller.call("GET", "/api/v1/namespaces/default/secrets")[0] == 403
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}
    subject = {"kind": "Group", "name": "keyferry:deliver", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    named = {"metadata": {"name": "reader"}}
    assert admin.call("POST", f"{rbac}/roles", named | {"rules": [rule]})[0] == 201
    binding = named | {"subjects": [subject], "roleRef": reference}
    assert admin.call("POST", f"{rbac}/rolebindings", binding)[0] == 201
    assert eventually(lambda: caller.call("GET", "/api/v1/namespaces/default/secrets")[0] == 200)
    assert caller.call("GET", "/api/v1/namespaces/kube-system/secrets")[0] == 403


@pytest.mark.parametrize("change", [{"cluster": "prod-us"}, {"secret_key": "canary-wrong-key"}, {"tail": "&x=1"}])
def test_a_wrong_token_is_unauthorized(ground: Ground, change: dict[str, Any]) -> None:
    assert ground.anyone(replace(ground.draft, **change).token()).call("GET", "/api/v1/namespaces")[0] == 401


def test_without_a_token_nothing_is_readable(ground: Ground) -> None:
    assert ground.anyone().call("GET", "/api/v1/namespaces")[0] == 403


def test_a_new_token_is_refused_as_soon_as_the_access_entry_is_gone(ground: Ground) -> None:
    assert ground.anyone(ground.draft.token()).call("GET", "/api")[0] == 200
    ground.eks.delete_access_entry(clusterName="prod-eu", principalArn=ground.role)
    try:
        token = replace(ground.draft, expires="61").token()
        assert ground.anyone(token).call("GET", "/api")[0] == 401
    finally:
        ground.eks.create_access_entry(
            clusterName="prod-eu", principalArn=ground.role, username="keyferry", kubernetesGroups=["keyferry:deliver"]
        )
    assert ground.anyone(token).call("GET", "/api")[0] == 200


def test_a_changed_pod_template_makes_one_new_replica_set(ground: Ground) -> None:
    admin, apps = ground.admin(), "/apis/apps/v1/namespaces/default"

    def sets() -> int:
        return len(admin.call("GET", f"{apps}/replicasets")[1]["items"])

    assert admin.call("POST", f"{apps}/deployments", DEPLOYMENT)[0] == 201
    assert eventually(lambda: sets() == 1)
    stamp = {"spec": {"template": {"metadata": {"annotations": {"stamp": "1"}}}}}
    merge = "application/strategic-merge-patch+json"
    assert admin.call("PATCH", f"{apps}/deployments/api", stamp, merge)[0] == 200
    assert eventually(lambda: sets() == 2)


def test_a_deleted_namespace_goes_with_all_that_is_in_it(ground: Ground) -> None:
    admin = ground.admin()
    assert admin.call("POST", "/api/v1/namespaces", {"metadata": {"name": "passing"}})[0] == 201
    secret = {"metadata": {"name": "s"}, "stringData": {"k": "canary-passing"}}
    assert admin.call("POST", "/api/v1/namespaces/passing/secrets", secret)[0] == 201
    assert admin.call("DELETE", "/api/v1/namespaces/passing")[0] == 200
    assert eventually(lambda: admin.call("GET", "/api/v1/namespaces/passing")[0] == 404)


def test_each_call_of_a_user_is_one_line_of_the_audit_log_and_values_are_in_none(ground: Ground) -> None:
    def lines() -> list[Any]:
        found = [json.loads(line) for line in ground.cluster.audit_log.read_text().splitlines()]
        return [line for line in found if line.get("objectRef", {}).get("name") == "audited"]

    secret = {"metadata": {"name": "audited"}, "stringData": {"password": "canary-audited"}}
    assert ground.admin().call("POST", "/api/v1/namespaces/default/secrets", secret)[0] == 201
    ground.anyone(ground.draft.token()).call("GET", "/api/v1/namespaces/default/secrets/audited")
    assert eventually(lambda: len(lines()) == 2)
    first, second = lines()
    assert (first["user"]["username"], first["verb"], first["responseStatus"]["code"]) == ("admin", "create", 201)
    assert (second["user"]["username"], second["verb"], second["objectRef"]["name"]) == ("keyferry", "get", "audited")
    for value in (b"canary-audited", base64.b64encode(b"canary-audited")):
        for log in (ground.cluster.audit_log, *(process.log for process in ground.cluster.processes)):
            assert value not in log.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_everything_listens_on_loopback_alone(ground: Ground) -> None:
    addresses = {address for process in ground.cluster.processes for address in listening(process.pid)}
    assert addresses == {"0100007F"}


def test_keys_are_readable_by_their_owner_alone(ground: Ground) -> None:
    directory = ground.cluster.kubeconfig.parent
    private = [path for path in directory.iterdir() if path.suffix in {".key", ".pem", ".kubeconfig"}]
    assert len(private) >= 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in [*private, ground.cluster.kubeconfig])


def test_a_cluster_that_does_not_start_leaves_nothing_behind(ground: Ground, tmp_path: Path) -> None:
    programs = replace(binaries.provide(print), kube_apiserver=Path("/bin/false"))
    before = running()
    with pytest.raises(processes.StartError, match="false of broken ended before it was ready"):
        controlplane.start(
            "broken",
            region="eu-west-1",
            account=ACCOUNT,
            directory=tmp_path,
            binaries=programs,
            authenticator="http://127.0.0.1:1/",
        )
    assert running() == before


def test_ports_are_never_given_twice() -> None:
    ports = [processes.free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)


def listening(pid: int) -> set[str]:
    """Tell at which addresses, in the kernel's spelling, a process listens."""
    links = (path.readlink() for path in (Path("/proc") / str(pid) / "fd").iterdir())
    sockets = {str(link)[8:-1] for link in links if str(link).startswith("socket:")}
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}


def running() -> set[str]:
    """List the programs that run in a directory of this test run."""
    commands = (path.read_bytes().split(b"\0")[0] for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    return {command.decode() for command in commands if b"etcd" in command}
