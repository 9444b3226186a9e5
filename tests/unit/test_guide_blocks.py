"""Every block of the guides: programs take its commands, and everything else can be read as what it says it is."""

import configparser
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from keyferry.mapping.mapping import Spec
from keyferry.mapping.targets import Cluster
from tests.unit.guide_blocks import Block, list_blocks, list_inline_commands, split_commands
from tests.unit.guide_commands import find_problem
from tests.unit.stack import ROOT

PLACEHOLDERS = {"COMMAND", "…"}
LANGUAGES = {"", "console", "hcl", "ini", "json", "sh", "toml", "yaml"}
"""Of blocks; without one it is what a program prints, or a list of files."""


def test_every_block_says_what_it_is() -> None:
    assert {str(block) for block in list_blocks() if block.language not in LANGUAGES} == set()
    assert len(list_blocks()) > 100


@pytest.mark.parametrize("block", list_blocks("sh"), ids=str)
def test_programs_take_the_commands_of_a_block(block: Block) -> None:
    problems = {" ".join(words): find_problem(words) for words in split_commands(block.text)}
    assert problems
    assert {command: problem for command, problem in problems.items() if problem} == {}


@pytest.mark.parametrize("block", list_blocks("console"), ids=str)
def test_programs_take_the_commands_of_a_transcript(block: Block) -> None:
    commands = re.findall(r"^\$ ((?:.*\\\n)*.*)$", block.text, re.MULTILINE)
    assert commands
    assert [
        problem for command in commands for words in split_commands(command) if (problem := find_problem(words))
    ] == []


def test_a_shell_reads_every_block() -> None:
    for block in list_blocks("sh"):
        said = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, ""), block


@pytest.mark.parametrize("command", list_inline_commands(), ids=lambda block: f"{block}: {block.text}")
def test_programs_take_the_commands_of_the_text(command: Block) -> None:
    [words] = split_commands(command.text)
    problem = find_problem([word for word in words if word not in PLACEHOLDERS])
    assert problem == "" or problem.endswith("requires an argument.")  # where an option is named alone


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("keyferry statsu", "No such command"),
        ("keyferry status --stales", "No such option"),
        ("keyferry local wash", "no command wash"),
        ("keyferry plan --output html", "output is none of"),
        ("aws secretsmanager move-secret --secret-id x", "no operation"),
        ("aws secretsmanager rotate-secret --secret x", "no such option"),
        ("aws secretsmanager rotate-secret --region x", "requires"),
        ("kubectl --context prod-eu aply -f x", "no verb"),
        ("kubectl get secret x --watched", "no such option"),
        ("sam package", "no command"),
        ("make everything", "no verb"),
        ("sh generated/clusters/prod-eu/install.sh", "no generated script"),
        ("rsync a b", "no program"),
    ],
)
def test_what_a_program_would_not_take_is_told(command: str, problem: str) -> None:
    [words] = split_commands(command)
    assert problem.lower() in find_problem(words).lower()


def test_commands_are_found_behind_assignments_in_loops_and_in_substitutions() -> None:
    text = 'A=1 x y  # note\nz "$(p q)" > file | u\nfor i in a b; do v $i; done\n'
    assert sorted(words[0] for words in split_commands(text)) == ["p", "u", "v", "x", "z"]


@pytest.mark.parametrize("block", list_blocks("json", "toml", "ini"), ids=str)
def test_data_can_be_read(block: Block) -> None:
    readers: dict[str, Callable[[str], object]] = {
        "json": json.loads,
        "toml": tomllib.loads,
        "ini": configparser.ConfigParser().read_string,
    }
    readers[block.language](block.text)


FOREIGN = {
    "apps/v1": {"Deployment"},
    "argoproj.io/v1alpha1": {"Application", "ApplicationSet"},
    "external-secrets.io/v1": {"ExternalSecret", "SecretStore"},
    "external-secrets.io/v1beta1": {"ExternalSecret"},
    "kustomize.toolkit.fluxcd.io/v1": {"Kustomization"},
    "rbac.authorization.k8s.io/v1": {"Role"},
    "secrets-store.csi.x-k8s.io/v1": {"SecretProviderClass"},
    "source.toolkit.fluxcd.io/v1": {"GitRepository"},
    "v1": {"Secret"},
}
"""apiVersion → kinds of others that the guides show."""
OWN = {"SecretMapping", "Clusters", "Policy", "Stack"}
"""Kinds of ours: `test_docs.py` checks each example of them as `keyferry validate` does, and parts of a mapping too."""


def list_documents() -> list[tuple[Block, Any]]:
    """Return the documents of the blocks, but for templates of CloudFormation, which test_notifications.py lints."""
    blocks = [block for block in list_blocks("yaml") if block.guide != "docs/operate/notify.md"]
    return [(block, each) for block in blocks for each in yaml.safe_load_all(block.text)]


@pytest.mark.parametrize(("block", "document"), list_documents(), ids=str)
def test_every_example_of_yaml_is_of_a_form_that_is_checked(block: Block, document: Any) -> None:  # noqa: ANN401
    match document:
        case {"apiVersion": "keyferry.dev/v1", "kind": kind}:
            assert kind in OWN
        case {"apiVersion": version, "kind": kind, "metadata": {"name": str()}}:
            assert kind in FOREIGN[version]
        case [{"eks": _}, *_]:
            assert [Cluster.model_validate(each).name for each in document]
        case [{"run": _}, *_]:
            for step in document:
                assert [find_problem(words) for words in split_commands(step["run"]) if find_problem(words)] == []
        case _:
            assert document.keys() <= {field.alias or name for name, field in Spec.model_fields.items()}


RUN = {
    "README.md": "tests/integration/test_guides.py",
    "docs/migrate.md": "tests/integration/migrate/test_guide.py",
    "docs/deploy/index.md": "tests/install/test_environments.py",
    "docs/operate/index.md": "tests/integration/test_kubernetes_events.py",
    "docs/operate/remove.md": "tests/install/test_uninstall.py",
    "docs/operate/upgrade.md": "tests/install/test_upgrade.py",
    "docs/operate/questions.md": "tests/integration/test_questions.py",
    "docs/runbooks/bad-rotation.md": "tests/integration/test_guides.py",
    "docs/runbooks/cluster-replaced.md": "tests/install/test_cluster_replaced.py",
    "docs/runbooks/dead-letters.md": "tests/integration/test_dead_letters.py",
    "docs/runbooks/region-down.md": "tests/install/test_runbooks.py",
    "docs/runbooks/role-made-anew.md": "tests/install/test_runbooks.py",
    "docs/runbooks/stop.md": "tests/integration/test_guides.py",
    "docs/try/local-cloud.md": "tests/install/test_local_wheel.py",
    "docs/try/start.md": "tests/install/test_start.py",
}
"""Guide → the test that reads commands out of it and runs them on the local cloud. Blocks of all are checked here."""


@pytest.mark.parametrize(("guide", "test"), RUN.items())
def test_a_guide_whose_commands_are_run_is_read_by_that_test(guide: str, test: str) -> None:
    assert (ROOT / guide).is_file()
    assert f'"{guide}"' in (ROOT / test).read_text()


def test_every_test_that_reads_commands_out_of_a_guide_is_told() -> None:
    tests = [*(ROOT / "tests/integration").rglob("*.py"), *(ROOT / "tests/install").glob("*.py")]
    reading = {guide for test in tests for guide in re.findall(r'"((?:docs/[\w/-]+|README)\.md)"', test.read_text())}
    assert reading == RUN.keys()
