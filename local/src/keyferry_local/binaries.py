"""The programs of a Kubernetes control plane, and kubectl: given by `$KUBEBUILDER_ASSETS`, or built once.

They are built from pinned Go modules.
A build ends with a rename inside the cache folder, so what is in there under its own name is whole.
"""

import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from keyferry.cli.build.wheels import find_cache
from keyferry_local import toolchain
from keyferry_local.tools import alone

_MODULES = Path(__file__).parent / "go"
NEWEST, OLDEST = "kubernetes", "kubernetes-oldest"
"""Folders of `go/`: the Kubernetes that everything here runs on, and the oldest one that is promised."""
_ETCD = "etcd"
_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Say = Callable[[str], None]


class BinariesError(Exception):
    """The programs are neither given nor can they be built; the text says which ways there are."""


@dataclass(frozen=True)
class Binaries:
    """Where the programs of a control plane are, and the client that people use."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path


def provide(say: Say) -> Binaries:
    """Give the programs of a control plane; the first time on a machine they are built, which takes some minutes."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return _given(Path(assets))
    return build(NEWEST, say)


def build(kubernetes: str, say: Say) -> Binaries:
    """Give the programs of `NEWEST` or `OLDEST`, whatever the environment names; what is missing of them is built."""
    folder = cache_folder(os.environ, kubernetes)
    if _missing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder / ".lock", say, "builds Kubernetes"):
            _build_missing(kubernetes, folder, say)
    return _in(folder)


def cache_folder(environ: Mapping[str, str], kubernetes: str = NEWEST) -> Path:
    """Name the folder that holds the programs of these versions, for this system."""
    machine = platform.machine().lower()
    system = f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"
    version, etcd = kubernetes_version(kubernetes), _pinned(_ETCD, _PACKAGES["etcd"])
    return find_cache(environ) / f"kubernetes-{version}-etcd-{etcd}-{system}"


def kubernetes_version(kubernetes: str = NEWEST) -> str:
    """Tell which Kubernetes is pinned."""
    return _pinned(kubernetes, "k8s.io/kubernetes")


def _pinned(module: str, path: str) -> str:
    found = re.search(rf"\b{re.escape(path)} v(\S+)", (_MODULES / module / "go.mod").read_text())
    assert found, f"go.mod of {module} does not name {path}"
    return found[1]


def _in(folder: Path) -> Binaries:
    return Binaries(*(folder / name for name in _PACKAGES))


def _missing(folder: Path) -> list[str]:
    return [name for name in _PACKAGES if not os.access(folder / name, os.X_OK)]


def _given(assets: Path) -> Binaries:
    if missing := _missing(assets):
        raise BinariesError(
            f"KUBEBUILDER_ASSETS={assets} has no executable {' and no '.join(missing)} (the archives of envtest leave "
            "out kube-controller-manager). Put it there, or unset the variable to have all of them built."
        )
    return _in(assets)


def _build_missing(kubernetes: str, folder: Path, say: Say) -> None:
    for leftover in folder.glob(".building-*"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    names = _missing(folder)
    if not names:
        return
    say(f"Building Kubernetes {kubernetes_version(kubernetes)} from source, once, into {folder}")
    try:
        go = toolchain.find(say)
        for name in names:
            _build(go, name, _ETCD if name == "etcd" else kubernetes, folder, say)
    except (toolchain.NoGoError, toolchain.BuildError) as error:
        needed = ".".join(map(str, toolchain.MINIMUM))
        raise BinariesError(
            f"Cannot build {', '.join(_missing(folder))}. It takes Go {needed} or later and, the first time, its "
            f"module proxy (GOPROXY); or else KUBEBUILDER_ASSETS, naming a folder that holds {', '.join(_PACKAGES)}. "
            f"What went wrong: {error}"
        ) from error


def _build(go: Path, name: str, module: str, folder: Path, say: Say) -> None:
    # Named for us alone: the compiler of a run that was killed may still write to its own.
    building = folder / f".building-{name}-{os.getpid()}"
    say(f"Building {name}")
    begun = time.monotonic()
    try:
        toolchain.build(
            go,
            _PACKAGES[name],
            module=_MODULES / module,
            flags=_link_flags(module),
            output=building,
            waiting=lambda seconds: say(f"Still building {name}, {seconds:.0f} s so far"),
        )
        with building.open("rb") as program:
            os.fsync(program.fileno())
        building.rename(folder / name)
    finally:
        building.unlink(missing_ok=True)
    say(f"Built {name} in {time.monotonic() - begun:.0f} s")


def _link_flags(module: str) -> str:
    """Leave out the debugger's tables, and tell Kubernetes its version, which its own build does the same way."""
    if module == _ETCD:
        return "-s -w"
    major, minor, _ = (version := kubernetes_version(module)).split(".", 2)
    told = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in told.items())])
