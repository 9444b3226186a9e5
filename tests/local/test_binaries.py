"""The programs of a control plane are given, or built once; nothing half built is ever taken for whole."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import astuple
from pathlib import Path

import pytest

from keyferry_local import binaries, toolchain, tools
from keyferry_local.watch import until

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"]

# A Go that takes a moment for a build, and keeps a record of its builds and of what it was told by the environment.
GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit; fi
echo "$* CGO=$CGO_ENABLED FLAGS=$GOFLAGS TOOLCHAIN=$GOTOOLCHAIN OS=$GOOS" >> {record}
while [ "$1" != -o ]; do shift; done
echo half > "$2"
sleep {seconds}
{end}
echo whole > "$2"
chmod +x "$2"
"""


class Machine:
    """A machine with a Go of its own, and a cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.record = folder / "builds"
        self.said: list[str] = []
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
        monkeypatch.setenv("KEYFERRY_CACHE", str(folder / "cache"))
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.defpath}")
        monkeypatch.setenv("GOOS", "plan9")

    def install_go(self, version: str = "1.26.8", seconds: float = 0, end: str = "") -> None:
        go = self.folder / "bin" / "go"
        go.parent.mkdir(exist_ok=True)
        go.write_text(GO.format(version=version, record=self.record, seconds=seconds, end=end))
        go.chmod(0o755)

    def provide(self) -> binaries.Binaries:
        return binaries.provide(self.said.append)

    def builds(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    def cached(self) -> list[str]:
        return sorted(path.name for path in binaries.cache_folder(os.environ).glob("*") if path.name != ".lock")


def building_etcd(machine: Machine) -> None:
    """Wait until a build of etcd has begun."""
    until("a build of etcd", lambda: any(name.startswith(".building-etcd") for name in machine.cached()))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_what_is_given_is_taken(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert astuple(machine.provide()) == tuple(tmp_path / name for name in NAMES)
    assert machine.said == []


def test_what_is_given_without_one_of_them_is_an_error_that_names_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):  # as in the archives of envtest
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(binaries.BinariesError, match="no executable kube-controller-manager"):
        machine.provide()


def test_they_are_built_once_and_each_build_says_when_it_begins_and_ends(machine: Machine) -> None:
    machine.install_go()
    built = machine.provide()
    assert all(path.read_text() == "whole\n" for path in astuple(built))
    for name in NAMES:
        assert f"Building {name}" in machine.said
        assert f"Built {name} in 0 s" in machine.said
    machine.said.clear()
    assert machine.provide() == built
    assert len(machine.builds()) == len(NAMES)
    assert machine.said == []


def test_a_cache_from_before_a_program_was_added_is_completed(machine: Machine) -> None:
    machine.install_go()
    machine.provide().kubectl.unlink()
    machine.record.unlink()
    assert machine.provide().kubectl.read_text() == "whole\n"
    (build,) = machine.builds()
    assert "k8s.io/kubernetes/cmd/kubectl" in build


def test_builds_are_static_reproducible_and_of_the_pinned_modules_alone(machine: Machine) -> None:
    machine.install_go()
    machine.provide()
    for build in machine.builds():
        assert build.startswith("build -trimpath ")
        assert build.endswith("CGO=0 FLAGS=-mod=readonly TOOLCHAIN=local OS=")
    assert f"gitVersion=v{binaries.kubernetes_version()}" in machine.builds()[1]


def test_the_oldest_one_is_built_of_its_own_modules_into_its_own_folder_whatever_is_given(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install_go()
    newest, version = machine.provide(), binaries.kubernetes_version(binaries.OLDEST)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(newest.kubectl.parent))
    oldest = binaries.build(binaries.OLDEST, machine.said.append)
    assert not set(astuple(oldest)) & set(astuple(newest))
    assert version.startswith("1.30.")
    assert oldest.kubectl.parent.name.startswith(f"kubernetes-{version}-etcd-3.")
    assert [f"gitVersion=v{version}" in build for build in machine.builds()[len(NAMES) :]] == [False, True, True, True]


def test_a_long_build_gives_signs_of_life(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_HEARTBEAT", 0.1)
    machine.install_go(seconds=0.3)
    machine.provide()
    assert "Still building etcd, 0 s so far" in machine.said


def test_a_failed_build_says_what_the_compiler_said_and_leaves_nothing(machine: Machine) -> None:
    machine.install_go(end="echo no such module; exit 1")
    with pytest.raises(binaries.BinariesError, match=r"KUBEBUILDER_ASSETS(?s:.*)no such module"):
        machine.provide()
    assert machine.cached() == []


def test_a_build_that_was_killed_leaves_nothing_that_counts_and_the_next_run_finishes(machine: Machine) -> None:
    machine.install_go(seconds=1)
    program = "from keyferry_local import binaries; binaries.provide(print)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.DEVNULL) as run:
        building_etcd(machine)
        run.send_signal(signal.SIGKILL)
    assert not set(NAMES) & set(machine.cached())
    machine.install_go()
    built = machine.provide()
    time.sleep(1)  # until the compiler that the killed run left behind is done too
    assert all(path.read_text() == "whole\n" for path in astuple(built))
    assert set(NAMES) <= set(machine.cached())


def test_an_interrupted_build_takes_its_compiler_with_it(machine: Machine) -> None:
    machine.install_go(seconds=30)
    # A run in the background of a shell ignores interrupts, and what it starts would too.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heard}; from keyferry_local import binaries; binaries.provide(print)"
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=quiet, stderr=quiet) as run:
        building_etcd(machine)
        begun = time.monotonic()
        run.send_signal(signal.SIGINT)
    assert time.monotonic() - begun < 10
    assert machine.cached() == []


def test_two_runs_do_not_build_the_same_thing(machine: Machine) -> None:
    machine.install_go(seconds=0.3)
    other = threading.Thread(target=machine.provide)
    other.start()
    until("the other's first build", machine.builds)
    machine.provide()
    other.join()
    assert len(machine.builds()) == len(NAMES)
    assert "Waiting for another run that builds Kubernetes" in machine.said


def test_without_a_go_that_is_new_enough_the_pinned_one_is_taken(machine: Machine) -> None:
    machine.install_go(version="1.25.9")
    lock = ROOT / "requirements/go.txt"
    own = tools.name_folder("go", lock)
    (own / "bin").mkdir(parents=True)
    (own / "installed").touch()
    assert toolchain.find(machine.said.append) == own / "bin/go"
    assert machine.said == []


def test_without_any_way_to_get_a_go_the_error_names_every_way(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(machine.folder / "uv"))
    with pytest.raises(binaries.BinariesError, match=r"Go 1\.26(?s:.*)KUBEBUILDER_ASSETS(?s:.*)go cannot be installed"):
        machine.provide()


def test_the_cache_is_named_by_versions_and_system() -> None:
    folder = binaries.cache_folder({"XDG_CACHE_HOME": "/somewhere"})
    assert folder.parent == Path("/somewhere/keyferry")
    assert folder.name.startswith(f"kubernetes-{binaries.kubernetes_version()}-etcd-3.")
    assert binaries.cache_folder({"KEYFERRY_CACHE": "/else", "XDG_CACHE_HOME": "/somewhere"}).parent == Path("/else")
