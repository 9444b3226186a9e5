"""What a shell completes: commands, options, and the names that the files have; also as a plugin of kubectl."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from keyferry.cli import COMPLETE_VARIABLE, VERBS, main

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = "kind: Clusters\nclusters: [{name: prod-eu}, {name: prod-us}, {name: 7}, staging]\n"
MAPPINGS = """\
kind: SecretMapping
metadata: {name: payments-db}
spec: {namespaces: [payments, {matchLabels: {team: a}}], owner: {team: payments}}
---
kind: SecretMapping
metadata: {name: payments-tls}
spec: {namespaces: {matchLabels: {team: a}}}
---
just a text
"""


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """A folder of files, some of which are wrong."""
    folder = tmp_path / "mappings"
    (folder / "team").mkdir(parents=True)
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "team/db.yml").write_text(MAPPINGS)
    (folder / "half.yaml").write_text("kind: SecretMapping\nmetadata: {name: pay")
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "folder.yaml").mkdir()
    (folder / "deep.yaml").write_text("[" * 10_000)
    return folder


def complete(*words: str) -> list[str]:
    """Return the completions of the last word."""
    *before, incomplete = words
    completions = ShellComplete(main, {}, "keyferry", COMPLETE_VARIABLE).get_completions(before, incomplete)
    return [item.value for item in completions]


def test_commands_are_completed_without_importing_them() -> None:
    assert complete("") == [*VERBS, "local"]
    assert complete("s") == ["schema", "status"]
    program = (
        "import sys; from click.shell_completion import ShellComplete; from keyferry.cli import main;"
        "ShellComplete(main, {}, 'keyferry', 'X').get_completions([], 's');"
        "print([name for name in sys.modules if name.startswith('keyferry.cli.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_command_that_another_distribution_adds_is_completed_and_offered_as_others_are() -> None:
    assert complete("lo") == ["local"]
    assert "Did you mean 'local'?" in CliRunner().invoke(main, ["lokal"]).stderr


@pytest.mark.parametrize("verb", ["push", "status"])
def test_names_are_completed_from_the_files(mappings: Path, verb: str) -> None:
    before = ("--mappings", str(mappings), verb)
    assert complete(*before, "pay") == ["payments-db", "payments-tls"]
    assert complete(*before, "payments-db", "pay") == ["payments-tls"]
    assert complete(*before, "web") == []
    assert complete(*before, "--cluster", "prod") == ["prod-eu", "prod-us"]
    assert complete(*before, "--cluster", "prod-u") == ["prod-us"]
    assert complete(*before, "--namespace", "") == ["payments"]


def test_teams_are_completed_from_the_files(mappings: Path) -> None:
    assert complete("--mappings", str(mappings), "status", "--owner", "") == ["payments"]


def test_the_folder_of_this_place_is_read_by_default(mappings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mappings.parent)
    assert complete("status", "--cluster", "") == ["prod-eu", "prod-us"]
    monkeypatch.chdir(mappings)
    assert complete("status", "--cluster", "") == []


def test_values_and_options_are_completed() -> None:
    assert complete("validate", "--output", "") == ["table", "json", "github"]
    assert "--targets" in complete("validate", "--t")
    assert complete("completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_the_program_as_it_expects_it(shell: str) -> None:
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    assert f"{COMPLETE_VARIABLE}={shell}_complete" in script


def test_bash_completes_by_the_script(mappings: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    program = (
        "source <(keyferry completion bash) 2>/dev/null; COMP_WORDS=(keyferry status pay); COMP_CWORD=2;"
        '_keyferry_completion keyferry; echo "${COMPREPLY[@]}"'
    )
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        [bash, "-c", program], cwd=mappings.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("payments-db payments-tls\n", "")


# As a plugin of kubectl


def test_the_plugin_is_called_as_kubectl_calls_it() -> None:
    done = subprocess.run([BIN / "kubectl-keyferry", "status", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: kubectl keyferry status [OPTIONS] [MAPPING]...")
    done = subprocess.run([BIN / "keyferry", "status", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: keyferry status [OPTIONS] [MAPPING]...")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "pay"], "payments-db\npayments-tls\n:4\n"),
        (["push", "--cluster", "prod-e"], "prod-eu\n:4\n"),
        (["sch"], f"schema\t{VERBS['schema']}\n:4\n"),
        (["explain", ""], ":0\n"),
        (["status", "nothing"], ":4\n"),
    ],
)
def test_kubectl_is_answered_as_it_expects_it(mappings: Path, words: list[str], said: str) -> None:
    command = [str(BIN / "kubectl_complete-keyferry"), *words]
    done = subprocess.run(command, cwd=mappings.parent, capture_output=True, text=True, check=True)
    assert done.stdout == said


def test_kubectl_completes_and_runs_the_plugin(mappings: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl here")
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(mappings)}

    def run(*args: str) -> str:
        done = subprocess.run(
            [kubectl, *args], cwd=mappings.parent, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert run("keyferry", "status", "--help").startswith("Usage: kubectl keyferry status")
    assert run("__complete", "keyferry", "status", "pay").split() == ["payments-db", "payments-tls", ":4"]
