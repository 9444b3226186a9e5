"""`keyferry build` writes a SAM project that follows from mappings and release alone, or leaves all as it was."""

import importlib.util
import json
import marshal
import os
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import yaml
from cfnlint.decode import decode
from click.testing import CliRunner, Result

from keyferry import __version__
from keyferry.cli import main
from keyferry.cli.build.application import Application, find_application
from keyferry.cli.build.bytecode import check_python, compile_folder
from keyferry.cli.build.project import limit_architecture, name_release
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.runtime.compiled import load_catalog
from tests.unit.built import make_application, use_application
from tests.unit.stack import ROOT, Stack
from tests.unit.test_files import CLUSTERS, MAPPING

SAMCONFIG = """version = 0.1
[default.deploy.parameters]
stack_name = "keyferry"
template_file = "build/template.yaml"

[prod.deploy.parameters]
stack_name = "prod"
template_file = "build/prod/template.yaml"
parameter_overrides = "Architecture=x86_64"
"""


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    """A small release."""
    return use_application(monkeypatch, tmp_path)


@pytest.fixture
def repository(application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's repository, which we are in, with one mapping, and all generated."""
    folder = tmp_path / "repository"
    (folder / "mappings").mkdir(parents=True)
    (folder / "mappings/clusters.yaml").write_text(CLUSTERS)
    (folder / "mappings/payments.yaml").write_text(MAPPING)
    (folder / "samconfig.toml").write_text(SAMCONFIG)
    monkeypatch.chdir(folder)
    assert run("generate").exit_code == 0
    assert application.package.exists()
    return folder


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def look(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of each file of a folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in paths}


def test_the_parameters_of_the_template_are_known_by_name() -> None:
    assert set(find_application().list_parameters()) == set(Stack.load().template["Parameters"])


# What is written


def test_without_the_name_of_a_stack_it_says_where_that_belongs_and_how_to_deploy_all_the_same(
    repository: Path,
) -> None:
    path = repository / "samconfig.toml"
    path.write_text(SAMCONFIG.replace('stack_name = "keyferry"\n', ""))
    result = run("build")
    assert result.exit_code == 0
    assert 'samconfig.toml: write stack_name = "keyferry" into [default.global.parameters]' in result.stderr
    assert "  sam deploy --stack-name NAME" in result.stdout.splitlines()


def test_all_that_the_template_names_is_there(repository: Path) -> None:
    result = run("build")
    assert (result.exit_code, result.stderr) == (0, "")
    stack = Stack.load()
    named = [
        properties[key]
        for properties in stack.of("*").values()
        for key in ("CodeUri", "ContentUri", "TemplateURL")
        if key in properties
    ]
    assert len(named) == 11
    assert [name for name in named if not (repository / "build" / name).exists()] == []
    assert {path.name for path in (repository / "build").iterdir()} == {
        *("template.yaml", "functions", "layers", "generated"),
    }
    assert look(repository / "build/functions") == {
        name: (0o100644, content) for name, (_, content) in look(ROOT / "functions").items() if name.endswith(".py")
    }
    generated = look(repository / "generated/stack")
    assert look(repository / "build/generated/stack") == {
        name: content for name, content in generated.items() if name.endswith(".yaml")
    }


def test_the_layers_have_what_the_functions_read(repository: Path) -> None:
    run("build")
    layers = repository / "build/layers"
    assert set(load_catalog(layers / "mappings/keyferry/mappings").mappings) == {"payments-db"}
    python = layers / "code/python"
    assert (python / "wheel.py").read_text() == 'ARCHITECTURE = "arm64"\n'
    assert {path.name for path in (python / "keyferry").iterdir()} == {
        *("__init__.py", "runtime", "__pycache__", "LICENSE", "built.json"),
    }
    assert json.loads((python / "keyferry/built.json").read_text()) == {
        "architecture": "arm64",
        "python": "3.13",
        "release": __version__,
    }


def test_bytecode_is_never_checked_and_tells_the_paths_of_lambda(repository: Path) -> None:
    run("build")
    package = repository / "build/layers/code/python/keyferry"
    compiled = (package / "__pycache__/__init__.cpython-313.pyc").read_bytes()
    assert compiled[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(compiled[4:8], "little") == 1  # by hash, and never checked (PEP 552)
    code = marshal.loads(compiled[16:])  # noqa: S302  # what we have written
    assert isinstance(code, CodeType)
    assert code.co_filename == "/opt/python/keyferry/__init__.py"


def test_a_module_that_does_not_compile_is_told(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("def\n")
    with pytest.raises(InvalidInput, match=r"cannot be compiled: (?s:.*)/opt/python/wrong.py"):
        compile_folder(tmp_path, tmp_path)


def test_a_template_is_for_one_processor_alone() -> None:
    text = (ROOT / "template.yaml").read_text()
    limited = limit_architecture(text, "x86_64")
    changed = [pair for pair in zip(text.splitlines(), limited.splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed == [
        ("    Default: arm64", "    Default: x86_64"),
        ("    AllowedValues: [arm64, x86_64]", "    AllowedValues: [x86_64]"),
    ]
    with pytest.raises(ValueError, match="is not where it was"):
        limit_architecture("Parameters: {}\n", "arm64")


def test_the_stack_tells_its_release(repository: Path) -> None:
    run("build")
    template = decode(str(repository / "build/template.yaml"))[0]
    assert template["Outputs"]["Release"]["Value"] == __version__
    with pytest.raises(ValueError, match="is not where it was"):
        name_release("Outputs: {}\n", "1.2.3")


def test_changed_mappings_change_their_layer_and_what_is_generated_alone(repository: Path) -> None:
    run("build")
    before = look(repository / "build")
    more = MAPPING.replace("payments", "shop")
    (repository / "mappings/more.yaml").write_text(more)
    run("generate")
    assert run("build").exit_code == 0
    after = look(repository / "build")
    differs = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert "layers/mappings/keyferry/mappings/mappings.json" in differs
    assert {name.partition("/")[0] for name in differs} == {"layers", "generated"}
    assert {name.split("/")[1] for name in differs if name.startswith("layers/")} == {"mappings"}


def test_the_mask_of_the_user_and_the_place_of_the_repository_make_no_difference(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("build")
    before = look(repository / "build")
    assert {mode for mode, _ in before.values()} == {0o100644}
    elsewhere = tmp_path / "a b"
    repository.rename(elsewhere)
    monkeypatch.chdir(elsewhere)
    mask = os.umask(0o077)
    try:
        assert run("build").exit_code == 0
    finally:
        os.umask(mask)
    assert look(elsewhere / "build") == before
    assert (elsewhere / "build/layers").stat().st_mode == 0o40755


def test_an_empty_folder_of_mappings_is_built(repository: Path) -> None:
    (repository / "mappings/clusters.yaml").write_text("")
    (repository / "mappings/payments.yaml").unlink()
    run("generate")
    assert run("build").exit_code == 0
    assert load_catalog(repository / "build/layers/mappings/keyferry/mappings") == Catalog(folder="mappings")


def test_what_is_built_can_be_told_as_json(repository: Path) -> None:
    answer = json.loads(run("build", "--output", "json").stdout)
    assert (answer["template"], answer["architecture"], answer["mappings"]) == ("build/template.yaml", "arm64", 1)
    code, mappings = answer["layers"]
    written = [path for path in (repository / "build/layers/code").rglob("*") if path.is_file()]
    assert code == {"name": "code", "bytes": sum(path.stat().st_size for path in written), "files": len(written)}
    assert mappings["files"] == 1


def test_a_dry_run_checks_and_writes_nothing(repository: Path) -> None:
    result = run("build", "--dry-run")
    assert (result.exit_code, result.stdout) == (
        0,
        f"build/template.yaml: 1 mapping, 1 cluster, release {__version__} for arm64: nothing is wrong, and nothing was"
        " written\n",
    )
    assert json.loads(run("build", "--dry-run", "--output", "json").stdout)["layers"] == []
    break_mapping(repository)
    assert run("build", "--dry-run").exit_code == 1
    assert not (repository / "build").exists()


def test_the_command_that_is_shown_deploys_what_was_built(repository: Path) -> None:
    assert run("build").stdout.endswith("\n  sam deploy\n")
    assert run("--config-env", "prod", "build").stdout.endswith("\n  sam deploy --config-env prod\n")
    (repository / "samconfig.toml").unlink()
    assert run("build").stdout.endswith("\n  sam deploy --template-file build/template.yaml --stack-name NAME\n")


# Environments


def test_each_environment_has_a_folder_of_its_own(repository: Path) -> None:
    assert run("--config-env", "prod", "build").exit_code == 0
    prod = look(repository / "build/prod")
    assert b'"x86_64"' in prod["layers/code/python/wheel.py"][1]
    assert run("build").exit_code == 0
    assert look(repository / "build/prod") == prod
    assert yaml.compose((repository / "build/prod/template.yaml").read_text())


@pytest.mark.parametrize("name", ["layers", "template.yaml", "a/b", ".."])
def test_an_environment_that_cannot_have_a_folder_is_refused(repository: Path, name: str) -> None:
    (repository / "samconfig.toml").write_text(f'["{name}".deploy.parameters]\nstack_name = "a"\n')
    result = run("--config-env", name, "build")
    assert (result.exit_code, result.stderr) == (
        1,
        f"the environment {name} cannot have its own folder in build/: call it otherwise\n",
    )


# What is refused


def break_mapping(repository: Path) -> None:
    (repository / "mappings/payments.yaml").write_text(MAPPING.replace("restart", "restrat"))


def leave_generated(repository: Path) -> None:
    (repository / "mappings/more.yaml").write_text(MAPPING.replace("payments", "shop"))


def replace_in_samconfig(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "samconfig.toml").write_text(SAMCONFIG.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (break_mapping, "mappings/payments.yaml:14:3: unknown field restrat; did you mean restart?"),
        (
            leave_generated,
            "generated/stack/access.yaml:1:1: is not what the mappings make it: run `keyferry generate`",
        ),
        (
            replace_in_samconfig("build/template.yaml", "template.yaml"),
            'samconfig.toml:4:1: template_file is template.yaml, and what is built is "build/template.yaml"',
        ),
        (
            replace_in_samconfig('"keyferry"', '"keyferry"\nparameter_overrides = "Architecture=x86-64"'),
            "samconfig.toml:4:1: Architecture is x86-64; did you mean x86_64?",
        ),
        (
            replace_in_samconfig('"keyferry"', '"keyferry"\nparameter_overrides = ["AlarmEmial=a@example.com"]'),
            "samconfig.toml:4:1: the template has no parameter AlarmEmial; did you mean AlarmEmail?",
        ),
        (replace_in_samconfig("[default.", "[dev."), "samconfig.toml:1:1: has no environment"),
        (replace_in_samconfig("[default", "[["), "samconfig.toml:2:"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line_and_the_last_build_stays(
    repository: Path, change: Callable[[Path], object], said: str
) -> None:
    run("build")
    before = look(repository / "build")
    change(repository)
    result = run("build")
    assert (result.exit_code, said in result.stderr) == (1, True), result.stderr
    assert look(repository / "build") == before


def test_a_build_that_fails_half_way_leaves_the_last_one(repository: Path, application: Application) -> None:
    run("build")
    before = look(repository / "build")
    (application.package / "__init__.py").write_text("def\n")
    result = run("build")
    assert (result.exit_code, "cannot be compiled" in result.stderr) == (1, True)
    (application.folder / "LICENSE").unlink()
    result = run("build")
    assert (result.exit_code, "LICENSE: cannot be written: No such file" in result.stderr) == (1, True)
    assert look(repository / "build") == before


def test_what_a_killed_build_has_left_goes_with_the_next(repository: Path) -> None:
    (repository / "build/.part-x/new").mkdir(parents=True)
    assert run("build").exit_code == 0
    assert not list((repository / "build").glob(".part-*"))


def test_a_folder_that_cannot_be_written_is_told(repository: Path) -> None:
    (repository / "build").write_text("")
    result = run("build")
    assert (result.exit_code, result.stderr) == (1, "build: cannot be written: File exists\n")


def test_layers_that_lambda_would_refuse_are_refused(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyferry.cli.commands.prepare.build.LIMIT_MB", 0.001)
    result = run("build")
    assert (result.exit_code, "and Lambda takes 0.001: deploy fewer mappings" in result.stderr) == (1, True)
    assert not (repository / "build/template.yaml").exists()


@pytest.mark.parametrize("version", [(3, 12), (3, 14)])
def test_another_python_is_refused_with_what_to_do(version: tuple[int, int]) -> None:
    own = ".".join(map(str, version))
    with pytest.raises(InvalidInput, match=f"run on Python 3.13, and this is {own}, whose bytecode they cannot read"):
        check_python(version)
    check_python((3, 13))


# The application


def test_the_application_is_that_of_the_wheel_or_of_the_checkout(tmp_path: Path) -> None:
    assert find_application() == Application(ROOT, ROOT / "layers/keyferry/src/keyferry")
    made = make_application(tmp_path / "site/keyferry/application")
    assert find_application(tmp_path / "site/keyferry").folder == made.folder
    with pytest.raises(InvalidInput, match="has no application with it: install keyferry"):
        find_application(tmp_path / "elsewhere/keyferry")


def test_what_the_command_line_is_locked_to_has_all_of_the_layer() -> None:
    def read(name: str) -> dict[str, Any]:
        blocks = (ROOT / f"requirements/{name}.txt").read_text().replace("\\\n", "").splitlines()
        return {block.split("==")[0]: block for block in blocks}

    layer, cli = read("layer"), read("cli")
    assert {name: cli.get(name) for name in layer} == layer
    assert cli.keys() - layer.keys() == {"click", "rich", "uv", "markdown-it-py", "mdurl", "pygments"}
