"""The local cloud as a whole: AWS, the EKS sign-in, and one control plane for each cluster."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter

from keyferry_local import authenticator, aws, binaries, controlplane, processes
from keyferry_local.admin import Admin
from keyferry_local.authenticator import Authenticator
from keyferry_local.aws import Aws
from keyferry_local.binaries import Binaries
from keyferry_local.controlplane import ControlPlane
from keyferry_local.processes import Process

ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Site:
    """One cluster to start: its name in EKS and its region."""

    name: str
    region: str


SITES = (Site("prod-eu", "eu-west-1"), Site("prod-us", "us-east-1"))


@dataclass(frozen=True)
class Cloud:
    """A running local cloud."""

    directory: Path
    aws: Aws
    authenticator: Authenticator
    clusters: Mapping[str, ControlPlane]

    @cached_property
    def admins(self) -> Mapping[str, Admin]:
        """An administrator of each cluster."""
        return {name: Admin(plane.kubeconfig) for name, plane in self.clusters.items()}


_CLOUD = TypeAdapter(Cloud)


def start(
    directory: Path,
    say: Callable[[str], None],
    *,
    sites: Sequence[Site] = SITES,
    account: str = ACCOUNT,
    region: str = "eu-west-1",
    keep: bool = False,
) -> Cloud:
    """Start everything.

    Args:
        directory: where logs and state go; made anew where it does not exist.
        say: told of each step.
        sites: the clusters.
        account: the account of all of it.
        region: the region of AWS where a call names none.
        keep: whether all of it outlives this process.
    """
    found = binaries.provide(say)
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as half_way:  # what has started stops again where the rest does not start
        say("starting AWS on loopback")
        services = aws.start(directory / "aws", account=account, region=region, keep=keep)
        half_way.callback(aws.stop, services)
        webhook = authenticator.start(directory, aws=services.endpoint, environment=services.environment(), keep=keep)
        half_way.callback(authenticator.stop, webhook)

        def control_plane(site: Site) -> ControlPlane:
            plane = _start_control_plane(site, account, directory, found, webhook, keep=keep)
            half_way.callback(controlplane.stop, plane)
            return plane

        say(f"starting {len(sites)} Kubernetes control planes on loopback")
        with ThreadPoolExecutor(max_workers=len(sites)) as pool:
            planes = list(pool.map(control_plane, sites))
        for plane in planes:
            _register(services, plane)
        half_way.pop_all()
    return Cloud(directory, services, webhook, {plane.name: plane for plane in planes})


def _start_control_plane(
    site: Site, account: str, directory: Path, found: Binaries, webhook: Authenticator, *, keep: bool
) -> ControlPlane:
    return controlplane.start(
        site.name,
        region=site.region,
        account=account,
        directory=directory / site.name,
        binaries=found,
        authenticator=webhook.address(account, site.region, site.name),
        keep=keep,
    )


def _register(services: Aws, plane: ControlPlane) -> None:
    """Tell EKS of a cluster."""
    aws.register_cluster(
        services,
        name=plane.name,
        region=plane.region,
        endpoint=plane.endpoint,
        certificate_authority=plane.certificate_authority,
    )


def stop(cloud: Cloud) -> None:
    """Stop everything that was started; files stay."""
    for plane in cloud.clusters.values():
        controlplane.stop(plane)
    authenticator.stop(cloud.authenticator)
    aws.stop(cloud.aws)


@contextmanager
def running(directory: Path, say: Callable[[str], None], *, sites: Sequence[Site] = SITES) -> Iterator[Cloud]:
    """Start a local cloud, and stop it at the end."""
    cloud = start(directory, say, sites=sites)
    try:
        yield cloud
    finally:
        stop(cloud)


def make_room(directory: Path) -> Path:
    """Make the folder of a run anew; that of the last run is kept beside it, and its name returned."""
    last = directory.with_name(f"{directory.name}.last")
    shutil.rmtree(last, ignore_errors=True)
    if directory.exists():
        directory.rename(last)
    directory.mkdir(parents=True)
    return last


def remember(cloud: Cloud, file: Path) -> None:
    """Write down what makes up the cloud, so that `load` and `forget` find it in another run; for its owner alone."""
    text = _CLOUD.dump_json(cloud, indent=1, exclude={"aws": {"_clients"}})
    file.touch(mode=0o600)
    file.write_bytes(text)


def load(file: Path) -> Cloud | None:
    """Return the cloud that a file remembers; None where there is none, or nothing of it runs any more."""
    if not is_running(file):
        return None
    return _CLOUD.validate_json(file.read_bytes())


def forget(file: Path) -> int:
    """Stop the processes that a file remembers, remove it, and return how many still ran."""
    alive = _list_alive(file)
    processes.stop(*alive)
    file.unlink(missing_ok=True)
    return len(alive)


def is_running(file: Path) -> bool:
    """Return whether a process that a file remembers still runs."""
    return bool(_list_alive(file))


def _list_alive(file: Path) -> list[Process]:
    if not file.exists():
        return []
    cloud = _CLOUD.validate_json(file.read_bytes())
    planes = [process for plane in cloud.clusters.values() for process in plane.processes]
    every = [*planes, cloud.authenticator.process, cloud.aws.process]
    return [process for process in every if processes.is_alive(process)]
