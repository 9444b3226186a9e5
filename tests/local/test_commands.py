"""What `keyferry local` does before it needs a cloud."""

import os
import re
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import click
import pytest
from click.testing import CliRunner

from keyferry.cli import main
from keyferry.cli.check.files import load
from keyferry.cli.options import Settings
from keyferry.guides import SITE
from keyferry_local import toolchain
from keyferry_local.cloud import Cloud
from keyferry_local.commands import Local, _show, copy_mappings
from keyferry_local.look import list_ended
from keyferry_local.watch import until
from tests.conftest import ROOT

CLUSTERS = """\
apiVersion: keyferry.dev/v1
kind: Clusters
clusters:
  - name: prod-eu
    labels: {gpu: no, live: on, since: 12:30}
    eks: {name: prod-eu, region: eu-west-1, account: "444455556666"}
    role: arn:aws:iam::444455556666:role/keyferry
"""


def test_a_copy_of_mappings_differs_in_what_leads_to_real_clusters_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/clusters.yaml").write_text(CLUSTERS)
    before, after = load(tmp_path / "mappings"), load(copy_mappings(tmp_path / "mappings", "111122223333"))
    cluster = before.clusters["prod-eu"]
    assert cluster.labels == {"gpu": "no", "live": "on", "since": "12:30"}
    eks = cluster.eks.model_copy(update={"account": "111122223333"})
    assert after.clusters == {"prod-eu": cluster.model_copy(update={"eks": eks, "role": None})}


def test_a_terminal_that_is_closed_ends_a_build_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGHUP)
    go, started = tmp_path / "go", tmp_path / "started"
    go.write_text(f'#!/bin/sh\nsleep 300 &\necho "$$ $!" > {started}\nwait\n')
    go.chmod(0o755)
    monkeypatch.setattr(toolchain, "_HEARTBEAT", 0.1)

    def close(_seconds: float) -> None:
        if started.exists() and started.read_text():
            os.kill(os.getpid(), signal.SIGHUP)

    def build() -> None:
        toolchain.build(go, "x", module=tmp_path, flags="", output=tmp_path / "x", waiting=close)

    local = Local("local", commands={"up": click.Command("up", callback=build)})
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        result = CliRunner().invoke(local, ["up"])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert result.exit_code == 1, "as Ctrl-C does"
    until("both processes have ended", lambda: not any(map(is_running, started.read_text().split())))


def is_running(pid: str) -> bool:
    """Return whether a process does something: one that has ended may wait for whoever asks how."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_is_shown_of_a_stack_is_asked_as_somebody_would_in_the_folder_so_that_advice_fits_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samconfig.toml").write_text('[prod.keyferry.parameters]\nmappings = "prod/mappings"\n')
    asked: list[list[str]] = []

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 3)

    monkeypatch.setattr(subprocess, "run", run)
    cloud = SimpleNamespace(clusters={}, aws=SimpleNamespace(inherit=dict))
    with pytest.raises(SystemExit) as ended:
        _show(cast("Cloud", cloud), Settings(config_env="prod"), "status", "--stack", "keyferry")
    assert (ended.value.code, asked[0][1:]) == (3, ["--config-env", "prod", "status", "--stack", "keyferry"])


@pytest.mark.parametrize("verb", ["up", "demo", "down"])
def test_a_place_that_cannot_be_written_to_is_told(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".keyferry-local").write_text("in the way")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/clusters.yaml").write_text(CLUSTERS)
    result = CliRunner().invoke(main, ["local", verb])
    assert result.exit_code == 1
    assert ".keyferry-local: cannot be made: File exists" in result.stderr


def test_a_demo_ends_with_how_it_is_called_again_and_with_pages_that_there_are() -> None:
    by_program, by_make = "\n".join(list_ended({})), "\n".join(list_ended({"MAKELEVEL": "1"}))
    assert ("keyferry local demo --keep" in by_program, "make" in by_program) == (True, False)
    assert "make demo KEEP=1" in by_make
    pages = re.findall(rf"{SITE}/(\S+?)/(?:#(\S+))?$", by_program, re.MULTILINE)
    assert len(pages) == 2
    for page, section in pages:
        text = (ROOT / f"docs/{page}.md").read_text()
        assert re.search(rf"^## {section.replace('-', ' ')}$", text, re.MULTILINE | re.IGNORECASE) or not section
