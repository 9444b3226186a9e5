"""One Kubernetes control plane for each cluster: etcd, API server and controllers, on loopback, with RBAC on.

There are no nodes and no scheduler: workloads roll out as far as ReplicaSets and pending pods.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

from keyferry_local import certificates, components, processes
from keyferry_local.admin import Admin
from keyferry_local.binaries import Binaries
from keyferry_local.components import Site
from keyferry_local.processes import Process

_PATIENCE = 60.0  # it takes about three seconds, but several may start at once on a busy machine


@dataclass(frozen=True)
class ControlPlane:
    """A running cluster, as its users see it; the authority is base64 of PEM, as in the answer of DescribeCluster."""

    name: str
    region: str
    account: str
    endpoint: str
    certificate_authority: str
    kubeconfig: Path
    audit_log: Path
    processes: tuple[Process, ...]


def start(
    name: str,
    *,
    region: str,
    account: str,
    directory: Path,
    binaries: Binaries,
    authenticator: str,
    keep: bool = False,
) -> ControlPlane:
    """Start a cluster in a directory of its own, whose tokens the authenticator at that address judges.

    It is ready when this returns: the API server serves, and the controllers do their work.
    """
    directory.mkdir(parents=True, exist_ok=True)
    site = Site(name, directory, processes.free_port(), processes.free_port(), certificates.authority())
    kubeconfig = components.write_kubeconfig(site, directory / "kubeconfig", "admin", "system:masters")
    admin = Admin(kubeconfig)
    running: list[Process] = []

    def run(program: Path, flags: list[str]) -> Process:
        log = directory / f"{program.name}.log"
        # Killed in the end: in good order, an API server waits many seconds for an etcd that goes at the same time.
        running.append(processes.start(f"{program.name} of {name}", [program, *flags], log, keep=keep, kill=True))
        return running[-1]

    try:
        run(binaries.etcd, components.etcd_flags(site))
        server = run(binaries.kube_apiserver, components.api_server_flags(site, authenticator))
        processes.wait_ready(server, lambda: admin.answers("/readyz"), seconds=_PATIENCE)
        controllers = run(binaries.kube_controller_manager, components.controller_flags(site))
        account_made = "/api/v1/namespaces/default/serviceaccounts/default"  # by one of the controllers
        processes.wait_ready(controllers, lambda: admin.answers(account_made), seconds=_PATIENCE)
    except BaseException:
        processes.stop(*reversed(running))
        raise
    trusted = base64.b64encode(site.authority.pem).decode()
    return ControlPlane(name, region, account, site.endpoint, trusted, kubeconfig, site.audit_log, tuple(running))


def stop(control_plane: ControlPlane) -> None:
    """Stop the cluster's processes; its files stay."""
    processes.stop(*reversed(control_plane.processes))
