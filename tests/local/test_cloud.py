"""A cloud that is left running is found again; one that does not come up as a whole leaves nothing behind."""

import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from keyferry_local import aws, commands, processes
from keyferry_local import cloud as clouds
from keyferry_local.authenticator import Authenticator
from keyferry_local.aws import Aws
from keyferry_local.aws_client import Credentials
from keyferry_local.cloud import Cloud
from keyferry_local.processes import Process, StartError

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize("ended", [0, 1, 2])
def test_what_still_runs_of_a_remembered_cloud_is_stopped_and_counted(tmp_path: Path, ended: int) -> None:
    file, made = tmp_path / "cloud.json", [start(tmp_path), start(tmp_path)]
    clouds.remember(cloud(tmp_path, *made), file)
    processes.stop(*made[:ended])

    assert clouds.is_running(file) == (ended < 2)
    assert clouds.forget(file) == len(made) - ended

    assert not any(processes.is_alive(process) for process in made)
    assert not file.exists()


def test_without_a_remembered_cloud_nothing_is_stopped(tmp_path: Path) -> None:
    assert clouds.forget(tmp_path / "cloud.json") == 0


@pytest.mark.parametrize(("options", "code"), [(["--keep"], 0), ([], 1)])
def test_a_demo_beside_one_that_is_left_running_says_so_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    file, made = tmp_path / commands.CLOUD, [start(tmp_path), start(tmp_path)]
    file.parent.mkdir()
    clouds.remember(cloud(tmp_path, *made), file)
    before = file.read_bytes()

    done = CliRunner().invoke(commands.local, ["demo", *options])

    assert (done.exit_code, file.read_bytes()) == (code, before)
    assert {path.name for path in file.parent.iterdir()} == {file.name, "lock"}
    assert "is running already" in done.output
    assert "keyferry local down" in done.output
    assert clouds.forget(file) == 2


def test_what_has_started_stops_where_the_rest_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Aws] = []
    start = aws.start

    def noted(*arguments: object, **options: object) -> Aws:
        started.append(start(*arguments, **options))  # type: ignore[arg-type]
        return started[0]

    monkeypatch.setattr(aws, "start", noted)
    (tmp_path / "prod-eu").write_text("a file where the control plane's folder should be")

    with pytest.raises((StartError, OSError)):
        clouds.start(tmp_path, lambda _: None, sites=[clouds.Site("prod-eu", "eu-west-1")], keep=True)

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{started[0].endpoint}/_ministack/health", timeout=5)  # noqa: S310  # loopback


def start(folder: Path) -> Process:
    return processes.start("it", FOREVER, folder / "it.log", kill=True)


def cloud(folder: Path, first: Process, second: Process) -> Cloud:
    key = Credentials("key", "canary-key")
    services = Aws("http://127.0.0.1:1", "eu-west-1", clouds.ACCOUNT, first, folder, key)
    return Cloud(folder, services, Authenticator(1, second), {})
