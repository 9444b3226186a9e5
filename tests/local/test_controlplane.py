"""A local cluster is a real API server with RBAC on, that looks and lets people in as one of EKS does."""

import base64
import json
import ssl
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config
from cryptography import x509

from keyferry_local import authenticator, aws, binaries, controlplane, processes, watch
from keyferry_local.admin import Admin, Refused
from keyferry_local.controlplane import ControlPlane
from keyferry_local.watch import until
from keyferry_local.world import deployment
from tests.tokens import Draft

ACCOUNT = "111122223333"
GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Ground:
    """One cluster, the AWS that it signs in with, and one role that has an access entry."""

    cluster: ControlPlane
    directory: Path
    eks: Any
    role: str
    draft: Draft

    @cached_property
    def admin(self) -> Admin:
        """Whom the kubeconfig lets in."""
        return Admin(self.cluster.kubeconfig)

    def anyone(self, token: str = "") -> Admin:
        """Return somebody with a token, or without one."""
        config = json.loads(self.cluster.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token} if token else {}
        path = self.directory / f"{uuid.uuid4().hex}.kubeconfig"
        path.write_text(json.dumps(config))
        return Admin(path)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    directory = tmp_path_factory.mktemp("cluster")
    programs = binaries.provide(print)
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


def status(caller: Admin, path: str) -> int:
    """Return what the API server says to a read."""
    try:
        caller.send("GET", path)
    except Refused as error:
        return error.status
    return 200


def test_a_secret_of_the_type_for_it_becomes_a_token_of_its_service_account(ground: Ground) -> None:
    metadata = {
        "name": "token",
        "namespace": "default",
        "annotations": {"kubernetes.io/service-account.name": "default"},
    }
    token_type = "kubernetes.io/service-account-token"
    ground.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": token_type})
    data = until("a token", lambda: (ground.admin.data("token", "default") or {}).get("token"))
    user = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = ground.anyone(data.decode()).send("POST", path, user, "application/json")
    assert answer["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"


def test_the_api_server_is_of_the_pinned_version(ground: Ground) -> None:
    version = ground.anyone().send("GET", "/version")
    assert version["gitVersion"] == f"v{binaries.kubernetes_version()}"


def test_the_authority_has_no_key_identifiers_as_on_eks(ground: Ground) -> None:
    authority = x509.load_pem_x509_certificate(base64.b64decode(ground.cluster.certificate_authority))
    assert {extension.oid._name for extension in authority.extensions} == {"basicConstraints", "keyUsage"}


def test_pythons_default_tls_context_refuses_the_cluster_as_it_refuses_those_of_eks(ground: Ground) -> None:
    trusted = base64.b64decode(ground.cluster.certificate_authority).decode()
    pool = urllib3.PoolManager(ssl_context=ssl.create_default_context(cadata=trusted), retries=False)
    with pytest.raises(urllib3.exceptions.SSLError, match="Authority Key Identifier"):
        pool.request("GET", f"{ground.cluster.endpoint}/version")


def test_a_token_signs_in_as_the_access_entry_says(ground: Ground) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    caller = ground.anyone(ground.draft.token())
    answer = caller.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, "application/json")
    user = answer["status"]["userInfo"]
    assert user["username"] == "keyferry"
    assert set(user["groups"]) == {"keyferry:deliver", "system:authenticated"}
    assert user["extra"]["sessionName"] == ["delivery-1"]


def test_a_group_may_do_what_rbac_allows_it_and_nothing_else(ground: Ground) -> None:
    caller, secrets = ground.anyone(ground.draft.token()), "/api/v1/namespaces/default/secrets"
    assert status(caller, secrets) == 403
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}
    subject = {"kind": "Group", "name": "keyferry:deliver", "apiGroup": GROUP}
    reference = {"kind": "Role", "name": "reader", "apiGroup": GROUP}
    named = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": "reader", "namespace": "default"}}
    ground.admin.apply(
        {**named, "kind": "Role", "rules": [rule]},
        {**named, "kind": "RoleBinding", "subjects": [subject], "roleRef": reference},
    )
    until("the right to list", lambda: status(caller, secrets) == 200)
    assert status(caller, "/api/v1/namespaces/kube-system/secrets") == 403


@pytest.mark.parametrize("change", [{"cluster": "prod-us"}, {"secret_key": "canary-wrong-key"}, {"tail": "&x=1"}])
def test_a_wrong_token_is_unauthorized(ground: Ground, change: dict[str, Any]) -> None:
    assert status(ground.anyone(replace(ground.draft, **change).token()), "/api/v1/namespaces") == 401


def test_without_a_token_nothing_is_readable(ground: Ground) -> None:
    assert status(ground.anyone(), "/api/v1/namespaces") == 403


def test_a_new_token_is_refused_as_soon_as_the_access_entry_is_gone(ground: Ground) -> None:
    assert status(ground.anyone(ground.draft.token()), "/api") == 200
    ground.eks.delete_access_entry(clusterName="prod-eu", principalArn=ground.role)
    late = ground.anyone(replace(ground.draft, expires="61").token())
    try:
        assert status(late, "/api") == 401
    finally:
        ground.eks.create_access_entry(
            clusterName="prod-eu", principalArn=ground.role, username="keyferry", kubernetesGroups=["keyferry:deliver"]
        )
    assert status(late, "/api") == 200


def test_a_changed_pod_template_makes_one_new_replica_set(ground: Ground) -> None:
    def sets() -> int:
        return len(ground.admin.list("ReplicaSet", "default"))

    ground.admin.apply(deployment("api", "default", {}))
    until("the first ReplicaSet", lambda: sets() == 1)
    stamp = {"spec": {"template": {"metadata": {"annotations": {"stamp": "1"}}}}}
    ground.admin.edit("Deployment", "api", "default", stamp)
    until("one more", lambda: sets() == 2)


def test_a_deleted_namespace_goes_with_all_that_is_in_it(ground: Ground) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "passing"}}
    ground.admin.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "passing"}},
        {**secret, "stringData": {"k": "canary-passing"}},
    )
    ground.admin.delete("Namespace", "passing")
    until("the namespace gone", lambda: ground.admin.get("Namespace", "passing") is None)


def test_each_call_of_a_user_is_one_line_of_the_audit_log_and_values_are_in_none(ground: Ground) -> None:
    def calls() -> list[tuple[str, str, int]]:
        found = watch.calls(ground.cluster, since=datetime.fromtimestamp(0, UTC))
        return [(call.user, call.verb, call.status) for call in found if call.name == "audited"]

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "audited", "namespace": "default"}}
    ground.admin.apply({**secret, "stringData": {"password": "canary-audited"}})
    status(ground.anyone(ground.draft.token()), "/api/v1/namespaces/default/secrets/audited")
    until("two lines", lambda: len(calls()) == 2)
    assert calls() == [("admin", "patch", 201), ("keyferry", "get", 403)]
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


def test_a_cluster_that_does_not_start_leaves_nothing_behind(tmp_path: Path) -> None:
    programs = replace(binaries.provide(print), kube_apiserver=Path("/bin/false"))
    with pytest.raises(processes.StartError, match="false of broken ended before it was ready"):
        controlplane.start(
            "broken",
            region="eu-west-1",
            account=ACCOUNT,
            directory=tmp_path,
            binaries=programs,
            authenticator="http://127.0.0.1:1/",
        )
    assert (tmp_path / "etcd.log").exists()  # it was started
    assert running(tmp_path) == set()


def test_ports_are_never_given_twice() -> None:
    ports = [processes.free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)


def listening(pid: int) -> set[str]:
    """Tell at which addresses, in the kernel's spelling, a process listens."""
    links = (path.readlink() for path in (Path("/proc") / str(pid) / "fd").iterdir())
    sockets = {str(link)[8:-1] for link in links if str(link).startswith("socket:")}
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}


def running(folder: Path) -> set[int]:
    """Return the ids of the processes whose command line names a folder, or a file below it."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended meanwhile
            if bytes(folder) in path.read_bytes():
                found.add(int(path.parent.name))
    return found
