"""One's own mappings in a local cloud, by both wheels and nothing else: `keyferry local`."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uv
import yaml

from release.artifacts import build_wheels
from tests.conftest import ROOT

GUIDE = ROOT / "docs/try/local-cloud.md"
SAMCONFIG = '[default.deploy.parameters]\nstack_name = "acme"\nparameter_overrides = "Architecture=arm64"\n'


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both wheels of this tree: keyferry, keyferry-local."""
    folder = tmp_path_factory.mktemp("wheels")
    build_wheels(ROOT, folder, 1_790_000_000)
    return sorted(folder.glob("*.whl"), key=lambda path: path.name.startswith("keyferry_local"))


@pytest.fixture(scope="module")
def program(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `keyferry`, with both wheels installed in an environment of its own."""
    environment = tmp_path_factory.mktemp("user") / "venv"
    python = ["--quiet", "--python", str(environment)]
    for words in (
        ["venv", "--quiet", "--seed", "--python", sys.executable, str(environment)],
        ["pip", "install", *python, "--require-hashes", "--requirement", str(ROOT / "requirements/cli.txt")],
        ["pip", "install", *python, "--no-deps", str(wheels[0])],
    ):
        subprocess.run([uv.find_uv_bin(), *words], check=True)
    pip, *words = read_command(wheels[1])
    subprocess.run([environment / "bin" / pip, *words], check=True)
    return environment / "bin/keyferry"


def read_command(wheel: Path) -> list[str]:
    """Return the words of the guide's command that installs the second wheel, for this one."""
    [line] = re.findall(r"^pip install .*keyferry_local.*$", GUIDE.read_text(), re.MULTILINE)
    *words, url = shlex.split(line)
    assert re.fullmatch(r"https://\S+/keyferry_local-\S+-py3-none-any\.whl#sha256=[0-9a-f]{64}", url)
    return [*words, f"{wheel.as_uri()}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose cluster is in another account, to be reached by a role that the local cloud does not have."""
    folder = tmp_path / "acme"
    shutil.copytree(ROOT / "examples/mappings", folder / "mappings")
    clusters = folder / "mappings/clusters.yaml"
    document = yaml.safe_load(clusters.read_text())
    document["clusters"] = [each for each in document["clusters"] if each["name"] == "prod-eu"]
    document["clusters"][0]["eks"]["account"] = "444455556666"
    document["clusters"][0]["role"] = "arn:aws:iam::444455556666:role/keyferry"
    clusters.write_text(yaml.safe_dump(document))
    for path in (folder / "mappings").rglob("*.yaml"):
        path.write_text(path.read_text().replace("[prod-eu, prod-us]", "[prod-eu]"))
    (folder / "samconfig.toml").write_text(SAMCONFIG)
    return folder


def test_the_first_wheel_alone_has_no_local_cloud(wheels: list[Path]) -> None:
    names = [set(zipfile.ZipFile(wheel).namelist()) for wheel in wheels]
    assert not any(name.startswith("keyferry_local") for name in names[0])
    carried = {name.partition("carried/")[2] for name in names[1] if "carried/requirements" in name}
    assert carried == {f"requirements/{name}.txt" for name in ("go", "ministack", "sam")}


def test_mappings_are_tried_in_a_local_cloud_from_the_wheels(program: Path, repository: Path) -> None:
    def run(*words: str, code: int = 0) -> str:
        # As after `sh`: nothing of AWS, and nothing of this checkout.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            [str(program), "local", *words],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "start it with `keyferry local up`" in run("deploy", code=1)
    try:
        with ThreadPoolExecutor() as pool:
            both = list(pool.map(run, ["up", "up"]))
        assert all("source .keyferry-local/env" in each for each in both)
        assert sum("is running already, and nothing was changed" in each for each in both) == 1
        assert "is not deployed there: `keyferry local deploy`" in run("rotate", "prod/payments/db", code=1)
        told = run("deploy", "--create-missing")
        assert "created in eu-west-1: prod/payments/db" in told
        assert "3 targets: 3 right" in told, told
        told = run("rotate", "prod/payments/db")
        assert "prod/payments/db: a new value of key password" in told
        assert "write     prod-eu/payments/payments-db: updated" in told
        assert "canary" not in told
        assert "has no secret and no parameter nothing in" in run("rotate", "nothing", code=1)
    finally:
        assert "stopped" in run("down")
    assert sorted(path.name for path in repository.iterdir()) == ["mappings", "samconfig.toml"]
    assert run("down") == "nothing is running\n"
