"""How each program of a control plane is started: its flags and the files that it reads."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyferry_local import certificates
from keyferry_local.certificates import Authority, Pair

# What a rotation meets: workloads and their rollouts, namespaces that end, objects that have owners, and roles that
# are made of others; and what turns a Secret into the token of a ServiceAccount. More would only take more time.
_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "validatingadmissionpolicy-status-controller",
)

# One line for each call of a user, once it is answered. The cluster's own components would drown them.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager", "system:anonymous"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class Site:
    """Where one control plane lives: its files, its two ports, and the authority that its certificates come from."""

    name: str
    directory: Path
    etcd_port: int
    port: int
    authority: Authority

    @property
    def endpoint(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def service_account_key(self) -> Path:
        """What signs the tokens of ServiceAccounts: written for the API server, and read by the controllers too."""
        return self.directory / "service-accounts.key"

    @property
    def audit_log(self) -> Path:
        """Where the API server writes who called what."""
        return self.directory / "audit.log"


def etcd_flags(site: Site) -> list[str]:
    """Flags of etcd: alone, and without waiting for the disk, since nothing here outlives its processes."""
    client = f"http://127.0.0.1:{site.etcd_port}"
    peer = "http://127.0.0.1:0"  # it has no peers, but insists on listening for them
    return [
        f"--name={site.name}",
        f"--data-dir={site.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={site.name}={peer}",
        "--unsafe-no-fsync",
        "--quota-backend-bytes=8589934592",  # 8 GiB: the benchmarks write a thousand large Secrets
        "--log-level=warn",
    ]


def api_server_flags(site: Site, authenticator: str) -> list[str]:
    """Flags of kube-apiserver.

    What the authenticator said of a token is kept for 1 s instead of two minutes, so that an access entry that is gone
    shows soon. Not at once: the API server has another cache over it, of 10 s, which no flag changes. EKS has it too;
    a *new* token is always judged anew.
    """
    ca = certificates.write(site.directory / "ca.crt", site.authority.pem)
    certificate, key = _write_pair(site, "kube-apiserver", certificates.serving(site.authority))
    signing = certificates.write(site.service_account_key, certificates.signing_key())
    return [
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={site.port}",
        f"--etcd-servers=http://127.0.0.1:{site.etcd_port}",
        "--endpoint-reconciler-type=none",  # it refuses loopback addresses, and nothing here looks for them
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={ca}",
        "--authorization-mode=RBAC",
        f"--authentication-token-webhook-config-file={_webhook(site, authenticator)}",
        "--authentication-token-webhook-version=v1",
        "--authentication-token-webhook-cache-ttl=1s",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={signing}",
        f"--service-account-signing-key-file={signing}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--audit-policy-file={_write_json(site.directory / 'audit-policy.json', _AUDIT_POLICY)}",
        f"--audit-log-path={site.audit_log}",
    ]


def controller_flags(site: Site) -> list[str]:
    """Flags of kube-controller-manager, each of whose controllers signs in as itself, as on a real cluster."""
    user = "system:kube-controller-manager"
    kubeconfig = write_kubeconfig(site, site.directory / "controllers.kubeconfig", user)
    return [
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(_CONTROLLERS)}",
        f"--service-account-private-key-file={site.service_account_key}",  # without it no token is made
        f"--root-ca-file={site.directory / 'ca.crt'}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",  # else it listens on every interface, and only one of them can run
    ]


def write_kubeconfig(site: Site, path: Path, user: str, group: str = "") -> Path:
    """Write the kubeconfig of a user who signs in with a certificate."""
    pair = certificates.client(site.authority, user, group)
    cluster = {"server": site.endpoint, "certificate-authority-data": _base64(site.authority.pem)}
    person = {"client-certificate-data": _base64(pair.certificate), "client-key-data": _base64(pair.key)}
    return _write_json(path, _kubeconfig(site.name, cluster, user, person))


def _webhook(site: Site, authenticator: str) -> Path:
    """Write the kubeconfig that leads the API server to its authenticator."""
    config = _kubeconfig("authenticator", {"server": authenticator}, "kube-apiserver", {})
    return _write_json(site.directory / "authenticator.kubeconfig", config)


def _kubeconfig(name: str, cluster: dict[str, str], user: str, credentials: dict[str, str]) -> dict[str, Any]:
    """Return a kubeconfig; its entries are called after the cluster, so that several can be joined in `KUBECONFIG`."""
    entry = f"{user}@{name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": entry, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": entry}}],
        "current-context": name,
    }


def _write_pair(site: Site, name: str, pair: Pair) -> tuple[Path, Path]:
    certificate = certificates.write(site.directory / f"{name}.crt", pair.certificate)
    return certificate, certificates.write(site.directory / f"{name}.key", pair.key)


def _write_json(path: Path, content: dict[str, Any]) -> Path:
    return certificates.write(path, json.dumps(content, indent=2).encode())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
