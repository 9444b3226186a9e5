"""A user has the wheel and SAM, and nothing else: what they build is what a checkout builds, and it deploys."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import uv

from keyferry.cli.build.application import find_application
from keyferry_local import stack as stacks
from keyferry_local.cloud import Cloud
from release.artifacts import build_wheels
from tests.conftest import ROOT

NAME = "keyferry-wheel"
APPLICATION = find_application()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheels")
    build_wheels(ROOT, folder, 1_790_000_000)
    [path] = folder.glob("keyferry-*.whl")
    return path


@pytest.fixture(scope="module")
def installed_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `keyferry`, installed from the wheel and the lock that is in it."""
    environment = tmp_path_factory.mktemp("user") / "venv"
    lock = environment.parent / "requirements.txt"
    with zipfile.ZipFile(wheel) as archive:
        lock.write_bytes(archive.read("keyferry/application/requirements/cli.txt"))
    python = ["--quiet", "--python", str(environment)]
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(environment)],
        ["pip", "install", *python, "--require-hashes", "--requirement", str(lock)],
        ["pip", "install", *python, "--no-deps", str(wheel)],
    ):
        subprocess.run([uv.find_uv_bin(), *words], check=True)
    return environment / "bin/keyferry"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's repository, in a folder that no git has seen."""
    return stacks.stage(tmp_path_factory.mktemp("acme"), ROOT / "examples/mappings")


def build(program: Path, repository: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Build, with nothing on the path: no git, no make, no SAM, no uv."""
    kept = ("HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "UV_", "HTTP", "http")
    environment = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    argv = [str(program), "--output", "json", "build"]
    done = subprocess.run(
        argv, cwd=repository, env={**environment, "PATH": "", **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def look(folder: Path) -> Mapping[str, tuple[int, bytes]]:
    """Return mode and content of each file of a folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in paths}


def test_the_wheel_carries_the_application_and_nothing_of_the_local_cloud(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        template = archive.read("keyferry/application/template.yaml")
    carried = {name.removeprefix("keyferry/application/") for name in names if "/application/" in name}
    functions = {f"functions/{name}/app.py" for name in ("route", "deliver", "reconcile", "report")}
    requirements = {f"requirements/{name}.txt" for name in ("layer", "cli", "sam")}
    deployer = "examples/deployer-policy.json"  # which `keyferry init` makes a role of
    assert carried == {"template.yaml", "LICENSE", deployer, *requirements, *functions}
    assert template == APPLICATION.template.read_bytes()
    assert not any("local" in name.split("/")[0] or name.endswith(".pyc") for name in names)
    lock = (APPLICATION.folder / "requirements/cli.txt").read_text()
    assert "keyferry-local" not in lock
    assert "ministack" not in lock


def test_what_the_wheel_builds_is_byte_for_byte_what_a_checkout_builds_and_it_deploys(
    installed_wheel: Path, repository: Path, cloud: Cloud, tmp_path: Path
) -> None:
    told = build(installed_wheel, repository, KEYFERRY_CACHE=str(tmp_path / "cache"))
    built = look(repository / "build")
    assert json.loads(told.stdout)["template"] == "build/template.yaml"
    assert "installing the wheels of the code layer" in told.stderr  # which are not kept yet

    build(Path(sys.executable).with_name("keyferry"), repository)
    assert look(repository / "build") == built

    parameters = {"RoleNamePrefix": NAME}  # another than that of the stack beside it
    outputs = stacks.deploy(repository, cloud.aws, stack_name=NAME, parameters=parameters, say=print)
    functions, question = cloud.aws.client("lambda"), b'{"question": "mappings"}'
    answer = functions.invoke(FunctionName=outputs["ReportFunction"], Payload=question)
    assert "payments-db" in json.load(answer["Payload"])["mappings"]
    formation = cloud.aws.client("cloudformation")
    formation.delete_stack(StackName=NAME)
    formation.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})


def test_from_a_repository_of_git_uvx_writes_a_user_s_own_with_the_wheel_of_that_tag(tmp_path: Path) -> None:
    git, acme = tmp_path / "keyferry.git", tmp_path / "acme"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, git], check=True)
    subprocess.run(["git", "-C", git, "tag", "v9.9.9"], check=True)
    program = f"keyferry[cli] @ {git.as_uri().replace('file:', 'git+file:')}@v9.9.9#subdirectory=layers/keyferry"
    uvx = [uv.find_uv_bin(), "tool", "run", "--quiet", "--python", sys.executable, "--from", program]
    answers = ["--account", "111122223333", "--region", "eu-west-1", "--cluster", "prod-eu"]
    subprocess.run([*uvx, "keyferry", "init", acme, *answers], check=True)
    pip = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable, "--no-deps", "--require-hashes"]
    subprocess.run([*pip, "--target", "there", "--requirement", "requirements.txt"], cwd=acme, check=True)
    tagged = subprocess.run(["git", "-C", git, "show", "v9.9.9:template.yaml"], capture_output=True, check=True).stdout
    assert (acme / "there/keyferry/application/template.yaml").read_bytes() == tagged


def test_the_wheel_says_the_release_and_needs_what_its_lock_has(installed_wheel: Path) -> None:
    done = subprocess.run([installed_wheel, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("keyferry, version ")
    project = tomllib.loads((ROOT / "layers/keyferry/pyproject.toml").read_text())["project"]
    assert "uv" in {name.partition(">")[0] for name in project["optional-dependencies"]["cli"]}
