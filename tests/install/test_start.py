"""From an empty folder to one's first Secret, by the commands of docs/try/start.md alone; then the written workflow.

What AWS has and the local cloud has not is told apart: parameters that leave it out, and access entries made by hand.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from keyferry.cli.init.requirement import build_wheel
from keyferry_local import binaries
from keyferry_local import cloud as clouds
from keyferry_local import stack as stacks
from keyferry_local.cloud import ACCOUNT, SITES, Cloud
from keyferry_local.install import let_roles_in
from keyferry_local.watch import until

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/try/start.md").read_text()
PUBLISHED = re.compile(r"https://\S+/keyferry-\S+?\.whl")
"""The address of a wheel in the guide, which stands for that of a release."""
VALUE = "canary-first"
MOST = 6
"""How many commands it may take."""
REPOSITORY_ID = "42"
"""The number that GitHub has given the repository."""


def list_commands(heading: str) -> list[str]:
    """Return the commands of a section of the guide, each with the lines that it goes on in."""
    section = GUIDE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [text.strip() for text in re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)]


@dataclass(frozen=True)
class Machine:
    """A user's machine: a folder, and programs on the path, no checkout of keyferry among them."""

    home: Path
    environment: Mapping[str, str]

    def run(self, script: str, folder: Path | None = None, **more: str) -> str:
        """Run a script as a terminal, or GitHub, does; return what it says.

        Raises:
            AssertionError: it fails; with all that it has said.
        """
        done = self.try_to(script, folder, **more)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def try_to(self, script: str, folder: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a script that may fail. Every question is answered with yes."""
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder or self.home,
            env={**self.environment, **more},
            input="y\n" * 3,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account with one cluster and nothing else, as other tests have a stack of this name in theirs."""
    with clouds.running(tmp_path_factory.mktemp("account"), print, sites=SITES[:1]) as running:
        yield running


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    uv, package = ROOT / ".tools/uv/bin/uv", ROOT / "layers/keyferry"
    options = ["--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder)]
    subprocess.run([uv, "build", *options, package], check=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def machine(account: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with what the guide asks for, whose AWS and whose cluster are those of the local cloud."""
    home = tmp_path_factory.mktemp("home")
    programs = {
        "uv": ROOT / ".tools/uv/bin/uv",
        "uvx": ROOT / ".tools/uv/bin/uvx",
        "aws": ROOT / ".tools/awscli/bin/aws",
        "kubectl": binaries.provide(print).kubectl,
        **dict.fromkeys(("python", "python3.13"), Path(sys.executable).resolve()),
    }
    (home / "bin").mkdir()
    for name, program in programs.items():
        (home / "bin" / name).symlink_to(program)
    kept = account.aws.inherit(os.environ)  # settings of registries and proxies, and the caches
    environment = {name: kept[name] for name in kept if not name.startswith(("PYTHON", "VIRTUAL_ENV"))} | {
        "PATH": f"{home / 'bin'}:/usr/bin:/bin",
        "KUBECONFIG": str(account.clusters["prod-eu"].kubeconfig),
        "UV_PYTHON_DOWNLOADS": "never",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",
    }
    return Machine(home, environment)


@pytest.fixture(scope="module")
def repository(account: Cloud, machine: Machine, wheel: Path) -> Path:
    """The repository that the commands of the guide have made, and its stack."""
    account.aws.client("secretsmanager").create_secret(Name="prod/payments/db", SecretString=VALUE)
    account.admins["prod-eu"].apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}})
    write, *others = list_commands("Six commands")[:MOST]
    print(machine.run(PUBLISHED.sub(wheel.as_uri(), write)))
    repository = machine.home / "acme-secrets"
    leave_out_what_is_not_emulated(repository / "samconfig.toml")
    print(machine.run("\n".join(others)))
    let_in(account, repository)
    return repository


def let_in(account: Cloud, repository: Path) -> None:
    """Make the access entries, which on AWS are there before the first sweep; sweep again."""
    stack = account.aws.client("cloudformation").describe_stacks(StackName="keyferry")["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    let_roles_in(account, outputs, repository / "generated/stack/access-entries.json")
    account.aws.client("lambda").invoke(FunctionName=outputs["ReconcileFunction"], Payload=b"{}")


def leave_out_what_is_not_emulated(settings: Path) -> None:
    """Deploy without the kinds of resources that the emulator lacks, for the processor of this machine."""
    parameters = {"Architecture": stacks.find_architecture(), "AccessEntries": "false", "EventBusPolicy": "false"}
    lines = "".join(f'  "{name}={value}",\n' for name, value in parameters.items())
    text = settings.read_text()
    assert "parameter_overrides = [\n" in text
    settings.write_text(text.replace("parameter_overrides = [\n", f"parameter_overrides = [\n{lines}"))


def test_it_takes_at_most_six_commands() -> None:
    assert len(list_commands("Six commands")) == MOST + 1, "the last block looks at what they have done"


def test_the_commands_of_the_guide_bring_the_first_secret(account: Cloud, machine: Machine, repository: Path) -> None:
    admin = account.admins["prod-eu"]
    until("the first Secret", lambda: admin.data("payments-db", "payments") == {"value": VALUE.encode()})
    looks = list_commands("Six commands")[MOST]
    said = machine.run(f'export PATH="$PWD/.venv/bin:$PATH"\n{looks}', repository)
    assert "payments-db" in said
    assert VALUE not in said


def test_the_repository_has_installed_the_keyferry_that_has_written_it(machine: Machine, repository: Path) -> None:
    said = machine.run(".venv/bin/keyferry init --check", repository)
    assert ".: up to date" in said


def test_a_wheel_of_what_is_installed_has_the_files_of_the_one_that_was_and_pip_takes_it(
    machine: Machine, repository: Path, wheel: Path, tmp_path: Path
) -> None:
    [information] = (repository / ".venv/lib/python3.13/site-packages").glob("keyferry-*.dist-info")
    name, content = build_wheel(Distribution.at(information))
    (tmp_path / name).write_bytes(content)
    with ZipFile(wheel) as theirs, ZipFile(tmp_path / name) as ours:
        assert {one.filename: one.CRC for one in ours.infolist() if not one.filename.endswith("/RECORD")} == {
            one.filename: one.CRC for one in theirs.infolist() if not one.filename.endswith("/RECORD")
        }
    line = f"./{name}[cli] --hash=sha256:{hashlib.sha256(content).hexdigest()}"
    (tmp_path / "requirements.txt").write_text(line)
    pip = f"{repository}/.venv/bin/pip install --quiet --force-reinstall --no-deps --require-hashes"
    machine.run(f"{pip} --target there --requirement requirements.txt", tmp_path)
    assert (tmp_path / "there/keyferry/application/template.yaml").is_file()


def list_steps(repository: Path, job: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a job of the written workflow that are commands, by name."""
    workflow = yaml.safe_load((repository / ".github/workflows/keyferry.yml").read_text())
    return {step["name"]: step for step in workflow["jobs"][job]["steps"] if "run" in step}


def run_job(machine: Machine, repository: Path, job: str, **more: str) -> None:
    """Run the commands of a job, each as GitHub does."""
    for step in list_steps(repository, job).values():
        machine.run(step["run"], repository, **step.get("env", {}), **more)


@pytest.fixture(scope="module")
def ci_roles(account: Cloud, machine: Machine, repository: Path) -> Mapping[str, str]:
    """The ARNs of the roles of aws/ci-roles.yaml, by output of its stack: deployed by the command of README.md."""
    gh = machine.home / "bin/gh"
    gh.write_text(f"#!/bin/sh\necho {REPOSITORY_ID}\n")
    gh.chmod(0o755)
    [command] = re.findall(
        r"^ *(aws cloudformation deploy (?:.*\\\n)*.*)$", (repository / "README.md").read_text(), re.M
    )
    provider = "CreateProvider=false"  # the emulator has no OIDC provider
    machine.run(f"{command.replace('OWNER/NAME', 'acme/secrets')} {provider}", repository)
    [stack] = account.aws.client("cloudformation").describe_stacks(StackName="github-keyferry")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def let_assume(account: Cloud, role: str) -> dict[str, str]:
    """Return the keys that a job gets of a role."""
    keys = account.aws.credentials(role, "github")
    return {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": str(keys.session_token),
    }


def test_the_roles_of_the_workflow_are_deployed_with_the_trust_and_the_rights_that_the_readme_tells(
    account: Cloud, ci_roles: Mapping[str, str]
) -> None:
    iam, issuer = account.aws.client("iam"), "token.actions.githubusercontent.com"
    both = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:repository_id": REPOSITORY_ID}
    for name, context, more in (
        ("look", "pull_request", {}),
        ("deploy", "environment:default", {f"{issuer}:ref": "refs/heads/main"}),
    ):
        role = iam.get_role(RoleName=f"github-keyferry-{name}")["Role"]
        assert role["Arn"] == ci_roles[f"{name.title()}RoleArn"]
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"}
        assert statement["Condition"]["StringEquals"] == both | more
        subjects = [f"repo:acme/secrets:{context}", f"repo:acme@*/secrets@*:{context}"]
        assert statement["Condition"]["StringLike"] == {f"{issuer}:sub": subjects}
    attached = iam.list_attached_role_policies(RoleName="github-keyferry-look")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["keyferry-look"]
    assert iam.list_role_policies(RoleName="github-keyferry-look")["PolicyNames"] == []
    rights = iam.get_role_policy(RoleName="github-keyferry-deploy", PolicyName="deploy")["PolicyDocument"]
    published = (ROOT / "examples/deployer-policy.json").read_text()
    assert rights == json.loads(published.replace("111122223333", ACCOUNT))
    assert iam.list_attached_role_policies(RoleName="github-keyferry-deploy")["AttachedPolicies"] == []


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


def test_the_workflow_checks_a_pull_request_without_credentials(machine: Machine, repository: Path) -> None:
    run_job(machine, repository, "check", **NO_KEYS)
    mapping = repository / "mappings/payments/db.yaml"
    right = mapping.read_text()
    mapping.write_text(right.replace("prod/payments/db", "prod/shop/db"))
    [validate] = [step["run"] for step in list_steps(repository, "check").values() if "validate" in step["run"]]
    done = machine.try_to(validate, repository)
    mapping.write_text(right)
    assert (done.returncode, "::error file=mappings/payments/db.yaml,line=" in done.stdout) == (1, True), done.stdout


def test_the_workflow_shows_what_a_pull_request_changes_with_the_role_that_looks(
    account: Cloud, machine: Machine, repository: Path, ci_roles: Mapping[str, str]
) -> None:
    keys = let_assume(account, ci_roles["LookRoleArn"])
    summary = machine.home / "summary.md"
    mapping = repository / "mappings/payments/db.yaml"
    right = mapping.read_text()
    mapping.write_text(right.replace("      value:", "      second: {from: source}\n      value:"))
    run_job(machine, repository, "plan", GITHUB_STEP_SUMMARY=str(summary), **keys)
    mapping.write_text(right)
    assert "payments-db" in summary.read_text()
    assert "second" in summary.read_text()


def test_the_workflow_deploys_what_is_merged_and_is_content_where_nothing_changes(
    account: Cloud, machine: Machine, repository: Path, ci_roles: Mapping[str, str]
) -> None:
    keys = let_assume(account, ci_roles["DeployRoleArn"])
    mapping = repository / "mappings/payments/db.yaml"
    mapping.write_text(mapping.read_text().replace("      value:", "      second: {from: source}\n      value:"))
    run_job(machine, repository, "deploy", **keys)
    wanted = {"value": VALUE.encode(), "second": VALUE.encode()}
    until("the second key", lambda: account.admins["prod-eu"].data("payments-db", "payments") == wanted)
    again = list_steps(repository, "deploy")["Deploy"]
    said = machine.run(again["run"], repository, **again["env"], **keys)
    assert "No changes to deploy" in said
