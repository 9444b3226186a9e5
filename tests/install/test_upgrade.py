"""A stack at work is upgraded from the release before this one, to the next, and taken back, while a secret changes.

A repository does so by the commands of docs/operate/upgrade.md and nothing else, after one line of it has changed.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry import __version__
from keyferry.cli.init import LOCK
from keyferry_local.admin import Admin
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.install import Installation, grant, let_roles_in
from keyferry_local.stack import find_architecture
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from release.artifacts import build_wheels
from tests.integration.deployed import PATIENCE_SECONDS, Deployed, now
from tests.releases import ROOT, extract_previous

STACK = "upgraded"
"""The name of the stack, of its prefix, and of the namespace."""
ROTATED, STILL = "rotated", "still"
"""Two Secrets, each with a Deployment that uses it: one whose source changes while the stack does, and one without."""
PARAMETERS = {
    "Architecture": find_architecture(),
    "RoleNamePrefix": STACK,
    "AccessEntries": "false",  # the emulator has neither of these types of resources
    "EventBusPolicy": "false",
}
PAGE = ROOT / "docs/operate/upgrade.md"
NEXT = "99.0.0"
"""The release after this one: it needs one package more."""


@dataclass(frozen=True)
class Site:
    """A team's folder, where one release is deployed from."""

    cloud: Cloud
    root: Path
    environment: Mapping[str, str]
    """What its commands get beside the environment of the cloud."""

    def run(self, command: str) -> str:
        """Run a command as somebody in that folder does, and return what it said."""
        environment = self.cloud.aws.inherit(os.environ) | dict(self.environment)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def deploy(self) -> None:
        """Make the stack of this release, or make it what this release makes of it."""
        raise NotImplementedError

    def plan(self) -> dict[str, Any]:
        """Return what the folder would change."""
        return dict(json.loads(self.run("keyferry plan --output json")))

    @cached_property
    def stack(self) -> Deployed:
        """The stack, once it is there."""
        [found] = self.cloud.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
        return Deployed(Installation(self.cloud, self.root, outputs))


class Checkout(Site):
    """The release before this one: a checkout with mappings in it, built by its own recipe."""

    def deploy(self) -> None:
        """Do what its guide says."""
        self.run("keyferry generate")
        self.run(f"sam build --parameter-overrides Architecture={PARAMETERS['Architecture']}")
        self.run("sam deploy")


@dataclass(frozen=True)
class Repository(Site):
    """A repository of the team's own, and the release that requirements.txt names."""

    wheels: Mapping[str, Path]
    """Release → its wheel."""

    def name(self, release: str) -> None:
        """Change the one line of requirements.txt."""
        path, wheel = self.root / "requirements.txt", self.wheels[release]
        (self.root / "wheels").mkdir(exist_ok=True)
        shutil.copy(wheel, self.root / "wheels")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        path.write_text(f"./wheels/{wheel.name}[cli] --hash=sha256:{digest}\n")

    def deploy(self) -> None:
        """Do what the page says."""
        [block] = re.findall(r"## The commands\n.*?```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
        said = [(command, " ".join(self.run(f"{command} 2>&1").split())) for command in block.splitlines()]
        before, after = (text for command, text in said if command == "keyferry plan")
        assert "the stack runs release" in before
        assert "the stack runs release" not in after


def write_mappings(folder: Path) -> None:
    """Write mapping files: two mappings, and their prefix."""
    kind = {"apiVersion": "keyferry.dev/v1", "kind": "Clusters"}
    eks = {"name": "prod-eu", "region": "eu-west-1", "account": ACCOUNT}
    documents: dict[str, object] = {
        "clusters": kind | {"clusters": [{"name": "prod-eu", "eks": eks}]},
        "stack": kind | {"kind": "Stack", "prefix": STACK},
    }
    for name in (ROTATED, STILL):
        spec = {
            "sources": {"db": {"secretsManager": f"upgraded/{name}"}},
            "clusters": ["prod-eu"],
            "namespaces": [STACK],
            "secret": {"name": name, "data": {"password": {"from": "db", "path": "password"}}},
        }
        documents[name] = kind | {"kind": "SecretMapping", "metadata": {"name": name}, "spec": spec}
    folder.mkdir()
    for name, document in documents.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))


def write_settings(folder: Path, **more: str) -> None:
    overrides = " ".join(f'"{name}={value}"' for name, value in PARAMETERS.items()).replace('" "', '", "')
    lines = [
        "version = 0.1",
        "[default.global.parameters]",
        f'stack_name = "{STACK}"',
        'region = "eu-west-1"',
        f"parameter_overrides = [{overrides}]",
        *([] if more else ["[default.build.parameters]", "build_in_source = true"]),
        "[default.deploy.parameters]",
        'capabilities = "CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND"',
        "resolve_s3 = true",
        "confirm_changeset = false",
        "fail_on_empty_changeset = false",
        *(f'{name} = "{value}"' for name, value in more.items()),
    ]
    (folder / "samconfig.toml").write_text("\n".join(lines) + "\n")


def path_with(*folders: Path) -> dict[str, str]:
    """Return what lets a shell find programs, and keeps SAM quiet."""
    return {
        "PATH": os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)]),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


@pytest.fixture(scope="module")
def checkout(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The checkout that the stack was deployed from before."""
    root = extract_previous(tmp_path_factory.mktemp("before") / "checkout")
    for name in (".tools", ".venv"):
        (root / name).symlink_to(ROOT / name)
    shutil.rmtree(root / "mappings")
    write_mappings(root / "mappings")
    write_settings(root)
    program = root / "bin/keyferry"  # that of this release begins in a module which the one before may not have
    program.parent.mkdir()
    program.write_text(f"#!{ROOT}/.venv/bin/python\nfrom keyferry.cli import run\nrun()\n")
    program.chmod(0o755)
    own = {"PYTHONPATH": str(root / "layers/keyferry/src"), "KEYFERRY": str(program)}  # as its recipe of layers asks
    folders = program.parent, ROOT / ".venv/bin", ROOT / ".tools/sam/bin", ROOT / ".tools/uv/bin"
    return Checkout(cloud, root, path_with(*folders) | own)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """This release, and the next one, each as its wheel."""
    folder = tmp_path_factory.mktemp("wheels")
    source, built = folder / "next", {release: folder / release for release in (__version__, NEXT)}
    source.mkdir()
    for name in ("layers", "local", "functions", "examples", "requirements", "template.yaml", "LICENSE"):
        path = ROOT / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, source / name)
    make_next(source)
    build_wheels(ROOT, built[__version__], 1_790_000_000)
    build_wheels(source, built[NEXT], 1_790_000_000)
    return {release: next(place.glob("keyferry-*.whl")) for release, place in built.items()}


def make_next(source: Path) -> None:
    """Let the sources be those of the next release: of another version, with one package more in its list."""
    package, lock = source / "layers/keyferry", source / "requirements/cli.txt"
    [more] = re.findall(
        r"^iniconfig==.*?(?=^\S)", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE | re.DOTALL
    )
    lock.write_text(lock.read_text() + more)
    for path, before, after in (
        (package / "src/keyferry/__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{NEXT}"'),
        (package / "pyproject.toml", "cli = [", 'cli = ["iniconfig",'),
    ):
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def repository(cloud: Cloud, wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The repository that it is deployed from afterwards, with an environment for the commands of the page."""
    root = tmp_path_factory.mktemp("after")
    write_mappings(root / "mappings")
    write_settings(root, template_file="build/template.yaml")
    subprocess.run([sys.executable, "-m", "venv", root / ".venv"], check=True)
    own = {"PYTHONPATH": ""}
    return Repository(cloud, root, path_with(root / ".venv/bin", ROOT / ".tools/sam/bin") | own, wheels)


@pytest.fixture(scope="module")
def admin(cloud: Cloud) -> Admin:
    """The cluster, with the namespace and what runs in it; its sources are there too."""
    admin, secrets = cloud.admins["prod-eu"], cloud.aws.client("secretsmanager")
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STACK}})
    for name in (ROTATED, STILL):
        secrets.create_secret(Name=f"upgraded/{name}", SecretString='{"password": "canary-upgraded-0"}')
        admin.apply(deployment(name, STACK, env_from(name)))
    return admin


def holds(admin: Admin, number: int, name: str = ROTATED) -> bool:
    """Return whether a Secret has the value of that number, and nothing is left to do for it."""
    secret = admin.get("Secret", name, STACK)
    is_due = secret is not None and "keyferry.dev/restart-due" in secret["metadata"]["annotations"]
    return admin.data(name, STACK) == {"password": f"canary-upgraded-{number}".encode()} and not is_due


def look(admin: Admin, name: str) -> tuple[str, int]:
    """Return the version of a Secret, and how often the Deployment that uses it has been changed."""
    secret, workload = admin.get("Secret", name, STACK), admin.get("Deployment", name, STACK)
    assert secret
    assert workload
    return secret["metadata"]["resourceVersion"], workload["metadata"]["generation"]


def find_package(repository: Repository, name: str) -> bool:
    """Return whether the repository's environment has a package."""
    return (repository.root / LOCK).parents[3].joinpath(name).is_dir()


def read_release(admin: Admin) -> str | None:
    """Return which release the Secret that rotates says it is of."""
    secret = admin.get("Secret", ROTATED, STACK)
    return secret["metadata"]["annotations"].get("keyferry.dev/release") if secret else None


@contextmanager
def held(stack: Deployed) -> Iterator[None]:
    """Let deliver take no messages for a while; what comes meanwhile waits."""
    name = stack.installed.outputs["DeliverFunction"]
    [source] = stack.functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    stack.functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    yield
    stack.functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)


def rotate(stack: Deployed, number: int) -> None:
    stack.put(f"upgraded/{ROTATED}", json.dumps({"password": f"canary-upgraded-{number}"}))


def is_changing(stack: Deployed) -> bool:
    [found] = stack.cloud.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return str(found["StackStatus"]).endswith("IN_PROGRESS")


def change_release(site: Site, before: Deployed, number: int) -> None:
    """Deploy a release while the secret changes twice: before it begins, and while it is under way."""
    with held(before):
        rotate(before, number)
        until("a message that waits", lambda: before.messages("DeliveriesQueueUrl"))
        with ThreadPoolExecutor() as pool:
            deployed = pool.submit(site.deploy)
            until("the change", lambda: is_changing(before) or deployed.done(), seconds=300)
            assert not deployed.done()
            rotate(before, number + 1)
            deployed.result()


def check_afterwards(site: Site, admin: Admin) -> None:
    """A sweep finds nothing to do, a plan is empty, and nothing lies with the dead letters."""
    until("an empty queue", lambda: not site.stack.messages("DeliveriesQueueUrl"), seconds=PATIENCE_SECONDS)
    before = [look(admin, name) for name in (ROTATED, STILL)]
    assert site.stack.sweep()["sent"] == []
    assert [look(admin, name) for name in (ROTATED, STILL)] == before
    plan = site.plan()
    parts = ("mappings", "clusters", "targets", "rights", "policies", "leftovers", "generated")
    assert {part: plan[part] for part in parts if plan[part]} == {}
    for queue in ("ChangesDeadLettersQueueUrl", "DeliveriesDeadLettersQueueUrl", "SweepsDeadLettersQueueUrl"):
        assert site.stack.messages(queue) == []


def test_the_release_before_is_upgraded_and_taken_back_while_a_secret_changes(
    checkout: Checkout, repository: Repository, admin: Admin
) -> None:
    checkout.run("keyferry generate")
    grant(admin, checkout.root / "generated/clusters/prod-eu/rbac.yaml")
    checkout.deploy()
    listed = next((checkout.root / "generated").rglob("access-entries.json"))
    let_roles_in(checkout.cloud, checkout.stack.installed.outputs, listed)
    for name in (ROTATED, STILL):
        until("the first delivery", partial(holds, admin, 0, name), seconds=PATIENCE_SECONDS)

    still, (_, generation) = look(admin, STILL), look(admin, ROTATED)
    since = now()
    repository.name(__version__)
    change_release(repository, checkout.stack, 1)
    until("the value of the rotation", lambda: holds(admin, 2), seconds=PATIENCE_SECONDS)
    check_afterwards(repository, admin)
    assert look(admin, STILL) == still
    assert look(admin, ROTATED)[1] == generation + 1
    assert repository.stack.installed.outputs["Release"] == read_release(admin) == __version__
    assert {line["release"] for line in repository.stack.deliveries(ROTATED, since)} == {__version__}

    assert not find_package(repository, "iniconfig")
    for number, release in ((3, NEXT), (5, __version__)):
        repository.name(release)
        change_release(repository, repository.stack, number)
        until("the value of the rotation", partial(holds, admin, number + 1), seconds=PATIENCE_SECONDS)
        check_afterwards(repository, admin)
        assert read_release(admin) == release
        assert find_package(repository, "iniconfig")  # pip takes nothing away
    assert look(admin, STILL) == still
    assert look(admin, ROTATED)[1] == generation + 3

    change_release(checkout, repository.stack, 7)
    until("the value of the rotation", lambda: holds(admin, 8), seconds=PATIENCE_SECONDS)
    check_afterwards(checkout, admin)
    assert look(admin, STILL) == still
    assert look(admin, ROTATED)[1] == generation + 4
    assert read_release(admin)  # a release that does not know the annotation keeps it
