"""A cloud that is left running is found again by what was written down of it."""

import sys
from pathlib import Path

import pytest

from local import cloud as clouds
from local import processes
from local.authenticator import Authenticator
from local.aws import Aws
from local.aws_client import Credentials
from local.cloud import Cloud
from local.processes import Process

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize("ended", [0, 1, 2])
def test_what_still_runs_of_a_remembered_cloud_is_stopped_and_counted(tmp_path: Path, ended: int) -> None:
    file, made = tmp_path / "processes.json", [start(tmp_path), start(tmp_path)]
    clouds.remember(cloud(tmp_path, *made), file)
    processes.stop(*made[:ended])

    assert clouds.forget(file) == len(made) - ended

    assert not any(processes.is_alive(process) for process in made)
    assert not file.exists()


def test_without_a_remembered_cloud_nothing_is_stopped(tmp_path: Path) -> None:
    assert clouds.forget(tmp_path / "processes.json") == 0


def start(folder: Path) -> Process:
    return processes.start("it", FOREVER, folder / "it.log", kill=True)


def cloud(folder: Path, first: Process, second: Process) -> Cloud:
    key = Credentials("key", "canary-key")
    aws = Aws("http://127.0.0.1:1", "eu-west-1", clouds.ACCOUNT, first, folder, key)
    return Cloud(folder, aws, Authenticator(1, second), {})
