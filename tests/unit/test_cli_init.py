"""What `keyferry init` writes, keeps, adds and compares, and what it asks."""

import json
import os
import re
import resource
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main, sam
from keyferry.cli.check import files
from keyferry.cli.init import LOCK, settings_file
from keyferry.cli.init.repository import name_environment
from keyferry.errors import AccessDenied, Misconfigured
from tests.unit.stack import ROOT
from tests.unit.test_requirement import DIGEST, URL, Web, install

ACCOUNT = "111122223333"
SAID = ("--account", ACCOUNT, "--region", "eu-west-1", "--cluster", "prod-eu")
WRITTEN = [
    "mappings/clusters.yaml",
    "mappings/policy.yaml",
    "mappings/example/first.yaml",
    ".gitignore",
    "README.md",
    "requirements.txt",
    "requirements-sam.txt",
    "aws/ci-roles.yaml",
    ".github/workflows/keyferry.yml",
    "samconfig.toml",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which commands are run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, env: str = "", answers: str | None = None) -> Result:
    before = ["--config-env", env] if env else []
    return CliRunner().invoke(main, [*before, *words], input=answers)


def write(*more: str, env: str = "") -> Result:
    result = run("init", *SAID, *more, env=env)
    assert result.exit_code == 0, result.output
    return result


def read(folder: Path) -> dict[str, str]:
    """Return path and text of every file."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_empty_folder_becomes_a_repository(folder: Path) -> None:
    result = write()
    assert [line for line in result.stdout.splitlines() if ": " in line] == [f"{name}: written" for name in WRITTEN]
    assert set(read(folder)) == set(WRITTEN)


def test_the_folder_that_is_named_is_made_and_the_next_commands_begin_in_it() -> None:
    result = write("a b/acme")
    assert Path("a b/acme/samconfig.toml").is_file()
    assert "   cd 'a b/acme' && python3.13 -m venv .venv" in result.stdout


@pytest.mark.unwatched
@pytest.mark.parametrize(
    "more", [(), ("--cluster", "Prod_US"), ("--canary",), ("--team", "a-b", "--secret", "x")], ids=str
)
@pytest.mark.parametrize("env", ["", "prod"])
def test_nothing_is_wrong_with_what_is_written_and_what_is_generated_from_it(more: tuple[str, ...], env: str) -> None:
    write(*more, env=env)
    for command in (["validate"], ["generate"], ["generate", "--check"]):
        result = run(*command, env=env)
        assert (result.exit_code, "warning" in result.output) == (0, False), result.output


def test_the_first_mapping_brings_the_secret_of_a_team_into_its_namespace() -> None:
    write("--team", "payments", "--secret", "prod/payments/db", "--namespace", "pay")
    [mapping] = files.load(Path("mappings")).mappings.values()
    assert mapping.metadata.name == "payments-db"
    assert mapping.spec.sources["source"].secrets_manager == "prod/payments/db"
    assert (mapping.spec.namespaces, mapping.spec.clusters) == (["pay"], ["prod-eu"])
    assert Path("mappings/payments/db.yaml").is_file()


@pytest.mark.unwatched
@pytest.mark.parametrize("word", ["123", "1e5", "0x10", "null", "true", "2026-01-01", "0o7"])
def test_an_answer_that_yaml_would_take_for_something_else_stays_the_text_that_it_is(word: str) -> None:
    write("--cluster", word, "--team", word, "--secret", word, "--namespace", word)
    catalog = files.load(Path("mappings"))
    [mapping] = catalog.mappings.values()
    assert (mapping.spec.sources["source"].secrets_manager, mapping.spec.namespaces) == (word, [word])
    assert mapping.spec.owner is not None
    assert (mapping.spec.owner.team, catalog.clusters[word].eks.name) == (word, word)
    for command in (["validate"], ["generate"], ["generate", "--check"]):
        assert run(*command).exit_code == 0, run(*command).output


def test_the_policy_keeps_another_team_s_secret_out() -> None:
    write("--team", "payments", "--secret", "prod/payments/db")
    path = Path("mappings/payments/db.yaml")
    path.write_text(path.read_text().replace("prod/payments/db", "prod/shop/db"))
    result = run("validate")
    assert (result.exit_code, "policy refuses" in result.stdout) == (1, True), result.stdout


def test_the_canary_goes_to_every_cluster_also_to_one_that_comes_later() -> None:
    write("--canary")
    path = Path("mappings/clusters.yaml")
    path.write_text(
        f'{path.read_text()}  - name: new\n    eks: {{name: new, region: eu-west-1, account: "{ACCOUNT}"}}\n'
    )
    rows = json.loads(run("validate", "--targets", "--output", "json").stdout)["targets"]
    [canary] = [row for row in rows if row["mapping"] == "keyferry-canary"]
    assert (canary["secret"], sorted(canary["clusters"])) == ("keyferry-canary", ["new", "prod-eu"])


def test_the_canaries_of_two_environments_share_nothing_in_a_cluster_or_in_secrets_manager() -> None:
    found = []
    for env in ("", "prod"):
        write("--canary", env=env)
        catalog = files.load(Path(env, "mappings"))
        spec = catalog.mappings["keyferry-canary"].spec
        [source] = spec.sources.values()
        found.append((source.secrets_manager, spec.namespaces, spec.secret.name))
    assert found == [
        ("keyferry/canary/value", ["keyferry-canary"], "keyferry-canary"),
        ("keyferry-prod/canary/value", ["keyferry-prod-canary"], "keyferry-prod-canary"),
    ]


def test_a_canary_is_added_to_a_repository_that_has_none() -> None:
    write()
    result = run("init", "--canary")
    assert (result.exit_code, "mappings/canary.yaml: written" in result.stdout) == (0, True)
    assert run("validate").exit_code == 0, "the policy knew of it"


def test_an_upgrade_changes_one_line_as_the_wheel_has_the_hashes_of_all_else(folder: Path) -> None:
    write()
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) == 1
    project = tomllib.loads((ROOT / "layers/keyferry/pyproject.toml").read_text())
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert carried["../../requirements/cli.txt"] == LOCK.removeprefix(".venv/lib/python3.13/site-packages/")


def test_everywhere_the_wheel_is_installed_by_its_hash_and_the_rest_by_those_in_it(folder: Path) -> None:
    told = write().stdout
    both = ["pip install --no-deps --require-hashes -r requirements.txt", f"pip install --require-hashes -r {LOCK}"]
    start, upgrade = [(ROOT / f"docs/{name}.md").read_text() for name in ("try/start", "operate/upgrade")]
    assert re.findall(r"pip install .*-r \S+", (folder / "requirements.txt").read_text()) == both
    for text in (told, start, upgrade, (folder / "README.md").read_text()):
        sam_too = [*both, "pip install --require-hashes -r requirements-sam.txt"]
        assert re.findall(r"pip install .*-r [\w./-]+", text) == sam_too, text
        assert ".sam/bin/pip" in text
        assert "python3.13 -m venv .sam" in text or text == upgrade, "which finds it there"
    steps = re.findall(r"pip install --quiet (.*)", (folder / ".github/workflows/keyferry.yml").read_text())
    first, second = (
        "--no-deps --require-hashes --requirement requirements.txt",
        f"--require-hashes --requirement {LOCK}",
    )
    assert steps == [*[first, second] * 3, "--require-hashes --requirement requirements-sam.txt"]


def test_what_is_there_is_kept_and_told_and_no_failure(folder: Path) -> None:
    (folder / "mappings").mkdir()
    (folder / "mappings/clusters.yaml").write_text("# mine\n")
    (folder / "README.md").write_text("mine\n")
    (folder / "requirements-sam.txt").mkdir()
    result = write()
    for name in ("mappings/clusters.yaml", "README.md", "requirements-sam.txt"):
        assert f"{name}: differs; it stays as it is" in result.stdout.splitlines()
    assert (folder / "mappings/clusters.yaml").read_text() == "# mine\n"
    assert (folder / "README.md").read_text() == "mine\n"


def test_the_same_command_again_changes_nothing(folder: Path) -> None:
    write()
    before = read(folder)
    result = write()
    assert set(result.stdout.splitlines()) == {f"{name}: kept" for name in WRITTEN[:-1]}
    assert read(folder) == before


def test_without_answers_only_what_follows_from_the_release_is_written_anew(folder: Path) -> None:
    write()
    for name in ("README.md", "requirements.txt"):
        (folder / name).unlink()
    result = run("init")
    assert "requirements.txt: written" in result.stdout.splitlines()
    assert not (folder / "README.md").exists(), "it is the user's, who may have removed it"


def test_another_environment_is_added_at_the_end_of_samconfig_toml(folder: Path) -> None:
    write()
    path = folder / "samconfig.toml"
    path.write_text(path.read_text() + "# my last line, without an end")
    before = read(folder)
    result = run("init", "--account", "444455556666", "--region", "us-east-1", "--cluster", "prod-us", env="prod")
    assert "samconfig.toml: extended" in result.stdout.splitlines()
    after = read(folder)
    assert after["samconfig.toml"].startswith(before["samconfig.toml"])
    assert {name: text for name, text in after.items() if name in before} == before | {
        "samconfig.toml": after["samconfig.toml"]
    }
    prod = sam.read(path, "prod")
    assert (prod.stack_name, prod.region, str(prod.mappings)) == ("keyferry-prod", "us-east-1", "prod/mappings")
    assert prod.account == "444455556666"
    sam.check(prod, files.load(folder / "prod/mappings").stack.prefix)
    assert sam.read(path, "default").stack_name == "keyferry"


@pytest.mark.parametrize(("env", "build"), [("", "build/template.yaml"), ("prod", "build/prod/template.yaml")])
def test_sam_deploys_what_is_built_for_the_environment(folder: Path, env: str, build: str) -> None:
    write(env=env)
    settings = tomllib.loads((folder / "samconfig.toml").read_text())[env or "default"]["deploy"]["parameters"]
    assert settings["template_file"] == build
    assert (settings["resolve_s3"], "CAPABILITY_NAMED_IAM" in settings["capabilities"]) == (True, True)


def test_who_cannot_be_asked_is_told_which_option_is_missing() -> None:
    result = run("init", "--region", "eu-west-1")
    assert (result.exit_code, "say --account, --cluster too" in result.stderr) == (2, True), result.stderr
    assert read(Path()) == {}


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("--account", "1111-2222-3333", "111122223333"),
        ("--region", "eu-west", "eu-west-1"),
        ("--cluster", "prod eu", "prod-eu"),
        ("--team", "Payments", "payments"),
        ("--team", "../payments", "payments"),
        ("--namespace", "a_b", "payments"),
        ("--secret", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-a1B2c3", "prod/payments/db"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_with_one_that_can(option: str, value: str, right: str) -> None:
    result = run("init", *SAID, option, value)
    assert (result.exit_code, f"as {right}" in result.stderr) == (2, True), result.stderr
    assert read(Path()) == {}


def test_clusters_that_mappings_would_call_the_same_are_refused_and_one_that_is_said_twice_is_one() -> None:
    result = run("init", *SAID, "--cluster", "Prod_EU")
    assert (result.exit_code, "would call prod-eu and Prod_EU the same" in result.stderr) == (2, True), result.stderr
    assert read(Path()) == {}
    write("--cluster", "prod-eu")
    assert list(files.load(Path("mappings")).clusters) == ["prod-eu"]


def test_a_folder_of_mappings_is_no_answer() -> None:
    result = CliRunner().invoke(main, ["--mappings", "elsewhere", "init", *SAID])
    assert (result.exit_code, "--mappings is for other commands" in result.stderr) == (2, True), result.stderr
    assert read(Path()) == {}


def test_the_next_commands_are_for_the_clusters_of_the_environment() -> None:
    apply = "kubectl --context {0} apply --server-side -f {1}generated/clusters/{0}/"
    name = "aws eks update-kubeconfig --name {} --region eu-west-1 --alias {}"
    told = write().stdout
    assert apply.format("prod-eu", "") in told
    assert name.format("prod-eu", "prod-eu") in told, "kubectl calls a context by the cluster's ARN"
    assert name.format("prod-eu", "prod-eu") in Path("README.md").read_text()
    both = json.loads(write("--cluster", "Prod_US", "--output", "json", env="prod").stdout)["next"]
    assert both[2].replace("\\\n", "").split() == [
        *name.format("prod-eu", "prod-eu").split(),
        "&&",
        *name.format("Prod_US", "prod-us").split(),
    ]
    assert both[3] == f"for cluster in prod-eu prod-us; do {apply.format('$cluster', 'prod/')}; done"


@pytest.mark.parametrize("env", ["", "prod"])
def test_the_next_commands_are_the_whole_way_to_the_first_secret_by_what_they_have_installed(env: str) -> None:
    option = f" --config-env {env}" if env else ""
    answer = write("--output", "json", "--secret", "prod/payments/db", env=env).stdout
    install, generate, _, _, deploy, look = json.loads(answer)["next"]
    assert (install.count(".venv/bin/pip"), install.count(".sam/bin/pip")) == (2, 1)
    assert generate == f".venv/bin/keyferry{option} generate"
    assert deploy == f".venv/bin/keyferry{option} build && .sam/bin/sam deploy{option}"
    assert look == f".venv/bin/keyferry{option} status"


@pytest.mark.parametrize(("account", "creates"), [(ACCOUNT, "false"), ("444455556666", "true")])
def test_what_to_do_next_in_a_second_environment_is_all_about_that_one(account: str, creates: str) -> None:
    assert "CreateProvider" not in write().stdout, "the README.md of the first one has it"
    words = ("--account", account, "--region", "eu-west-1", "--cluster", "prod-eu", "--output", "json")
    *_, roles = json.loads(run("init", *words, env="prod").stdout)["next"]
    assert "--stack-name github-keyferry-prod --template-file aws/ci-roles.yaml" in roles
    given = dict(word.split("=", 1) for word in shlex.split(roles) if "=" in word)
    assert (
        given.items()
        >= {
            "Environment": "prod",
            "StackName": "keyferry-prod",
            "RoleNamePrefix": "keyferry-prod",
            "CreateProvider": creates,
        }.items()
    )


@pytest.mark.parametrize("name", ["mappings", "generated", "build", "functions", "layers", "aws", "wheels", "version"])
def test_an_environment_is_not_called_as_something_else_in_the_repository_is(name: str) -> None:
    result = run("init", *SAID, env=name)
    assert (result.exit_code, f"{name} names something else" in result.stderr) == (2, True), result.stderr
    assert read(Path()) == {}


@pytest.mark.parametrize("name", ["../../evil", ".github", "a/b", "build", "x\\ny"])
def test_a_name_that_only_somebody_else_s_samconfig_toml_has_is_refused_too(folder: Path, name: str) -> None:
    write()
    path = folder / "samconfig.toml"
    path.write_text(path.read_text().replace("[default.", f'["{name}".'))
    before = read(folder)
    result = run("init", env=name.replace("\\n", "\n"))
    assert (result.exit_code, "--config-env" in result.stderr) == (2, True), result.output
    assert read(folder) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('account = "111122223333"', 'account = "1111"'),
        ('region = "eu-west-1"', 'region = "eu-west-1\\n      - run: evil"'),
        ('stack_name = "keyferry"', 'stack_name = "a b"'),
        ('mappings = "mappings"', 'mappings = "../mappings"'),
        ('mappings = "mappings"', 'mappings = "/tmp/mappings"'),
        ('  # "Architecture', '  \'RoleNamePrefix="a b"\', # "Architecture'),
    ],
)
def test_what_samconfig_toml_has_of_an_environment_is_checked_before_it_gets_into_a_workflow(
    folder: Path, before: str, after: str
) -> None:
    write()
    path, workflow = folder / "samconfig.toml", folder / ".github/workflows/keyferry.yml"
    text = path.read_text()
    path.write_text(text.replace(before, after))
    workflow.unlink()
    assert path.read_text() != text
    result = run("init")
    line = path.read_text()[: path.read_text().index(after)].count("\n") + 1
    assert (result.exit_code, f"samconfig.toml:{line}:1: " in result.stderr) == (1, True), result.output
    assert " is not " in result.stderr
    assert not workflow.exists()


def test_an_environment_whose_name_names_cannot_begin_with_is_refused() -> None:
    result = run("init", *SAID, env="Prod_1")
    assert (result.exit_code, "as prod" in result.stderr) == (2, True), result.stderr


def test_another_account_than_samconfig_toml_has_is_refused(folder: Path) -> None:
    write()
    before = read(folder)
    result = run("init", "--account", "444455556666", "--cluster", "prod-eu")
    assert (result.exit_code, "samconfig.toml has 111122223333, eu-west-1" in result.stderr) == (2, True)
    assert read(folder) == before


def test_a_samconfig_toml_that_is_none_is_told_and_nothing_is_written(folder: Path) -> None:
    (folder / "samconfig.toml").write_text("version = 0.1\n[default\n")
    result = run("init", *SAID)
    assert (result.exit_code, "samconfig.toml:2:9: not TOML" in result.stderr) == (1, True), result.stderr
    assert set(read(folder)) == {"samconfig.toml"}


def test_an_environment_that_somebody_else_has_written_is_told_what_it_lacks(folder: Path) -> None:
    (folder / "samconfig.toml").write_text('version = 0.1\n[default.global.parameters]\nstack_name = "mine"\n')
    result = run("init", *SAID)
    assert result.exit_code == 1
    assert 'samconfig.toml:3:1: environment default does not have account = "111122223333"' in result.stderr
    assert 'region = "eu-west-1" in [default.global.parameters]' in result.stderr


def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    (folder / "mappings").write_text("a file")
    result = run("init", *SAID)
    assert (result.exit_code, "mappings: cannot be read or written" in result.stderr) == (1, True), result.output


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """Let no file get longer than some bytes: the system then writes what fits and refuses the rest."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_half_of_a_file_is_never_left_to_be_kept(folder: Path) -> None:
    with full_disk(500):
        result = run("init", *SAID)
    assert (result.exit_code, "cannot be read or written: File too large" in result.stderr) == (1, True), result.output
    assert "mappings/" in result.stderr
    written = read(folder)
    write()
    assert written == {name: read(folder)[name] for name in written}
    assert set(read(folder)) == set(WRITTEN)
    assert oct((folder / "README.md").stat().st_mode & 0o444) == oct(0o444 & ~os.umask(os.umask(0)))


def test_half_of_an_environment_is_never_left_in_samconfig_toml(folder: Path) -> None:
    write()
    path = folder / "samconfig.toml"
    before = path.read_text()
    prod = name_environment("prod", ACCOUNT, "eu-west-1")
    with full_disk(len(before) + 20), pytest.raises(OSError, match=r"File too large.*samconfig\.toml"):
        settings_file.add_environment(folder, prod)
    assert path.read_text() == before


def test_a_dry_run_tells_what_is_missing_and_writes_nothing(folder: Path) -> None:
    result = run("init", *SAID, "--dry-run")
    assert (result.exit_code, result.stdout.splitlines()) == (0, [f"{name}: missing" for name in WRITTEN])
    assert read(folder) == {}


def test_a_check_of_what_is_as_this_release_writes_it_shows_no_patch() -> None:
    write()
    result = run("init", "--check")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[0]) == (0, "", ".: up to date")


def test_the_guides_apply_a_patch_that_can_be_empty() -> None:
    subprocess.run(["git", "apply", "--allow-empty"], input=b"", check=True)
    guides = [ROOT / "docs/try/start.md", ROOT / "docs/operate/upgrade.md"]
    commands = re.findall(r"git apply[^`\n]*", "".join(guide.read_text() for guide in guides))
    assert len(commands) == 2
    assert all("--allow-empty" in command for command in commands), commands


def test_a_check_shows_a_patch_that_git_applies_and_leaves_the_user_s_own_files_out(folder: Path) -> None:
    write()
    before = read(folder)
    workflow = folder / ".github/workflows/keyferry.yml"
    workflow.write_text(workflow.read_text().replace("ubuntu-24.04", "ubuntu-22.04") + "# mine")
    (folder / "aws/ci-roles.yaml").unlink()
    (folder / "README.md").write_text("mine")
    result = run("init", "--check")
    assert result.exit_code == 1
    (folder / "patch").write_text(result.stdout)
    subprocess.run(["git", "apply", "patch"], check=True, cwd=folder)
    assert run("init", "--check").exit_code == 0
    assert {name: text for name, text in read(folder).items() if name != "patch"} == before | {"README.md": "mine"}


def test_a_mapping_that_the_policy_there_refuses_is_written_and_told() -> None:
    write()
    result = run("init", *SAID, "--team", "shop")
    assert (result.exit_code, "mappings/shop/first.yaml: written" in result.stdout) == (0, True), result.output
    assert "warning: what was written does not fit a file that was there" in result.stderr
    assert "mappings/shop/first.yaml:6:9: no rule is for this file in mappings/policy.yaml" in result.stderr
    assert "warning" not in write().stderr, "nothing was written"


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (["acme"], "", "nothing to check: acme/samconfig.toml is not there; name the folder that `init` wrote"),
        (["acme", *SAID], "", "--check takes no answers, since samconfig.toml has them: leave out --account --region"),
        (["there"], "prodd", "there/samconfig.toml has no environment prodd; did you mean prod?"),
        (["there", *SAID[:2]], "prod", "--check takes no answers, since samconfig.toml has them: leave out --account"),
    ],
)
def test_a_check_says_what_it_lacks_or_does_not_take(words: list[str], env: str, says: str) -> None:
    write("there", env="prod")
    result = run("init", "--check", *words, env=env)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is fetched of a keyferry that uv has installed from a URL, which cannot be reached."""
    installed = install(tmp_path_factory.mktemp("installed"), {"url": URL, "archive_info": {}})
    web = Web()
    monkeypatch.setattr("keyferry.cli.commands.prepare.init.distribution", lambda _name: installed)
    monkeypatch.setattr("urllib.request.urlopen", web.open)
    return web.fetched


def test_without_a_way_to_the_pin_all_else_is_written_and_the_next_run_writes_the_pin(
    folder: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for more in ((), ("--output", "json")):
        result = write("acme", *more)
        assert f"warning: requirements.txt is not written: {URL} cannot be fetched" in result.stderr
    assert "acme/requirements.txt: missing" in write("acme").stdout.splitlines()
    assert set(read(folder / "acme")) == set(WRITTEN) - {"requirements.txt"}
    assert fetched == [URL] * 3
    monkeypatch.setattr("urllib.request.urlopen", Web(**{URL: b"a wheel"}).open)
    assert "acme/requirements.txt: written" in write("acme").stdout.splitlines()
    assert f"keyferry[cli] @ {URL} --hash=sha256:{DIGEST}" in read(folder / "acme")["requirements.txt"]


@pytest.mark.usefixtures("terminal", "aws")
def test_nothing_is_fetched_for_who_breaks_off_nor_for_a_file_that_is_not_written(fetched: list[str]) -> None:
    run("init", answers="\n")
    run("init", *SAID, "--dry-run")
    Path("requirements.txt").write_text(f"keyferry[cli] @ {URL.replace('1.2.3', '1.2.2')} --hash=sha256:{DIGEST}\n")
    assert "requirements.txt: kept" in write("--team", "a", "--secret", "a", "--namespace", "a").stdout.splitlines()
    result = run("init", "--check")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "requirements.txt: differs; `keyferry init` writes it where it is missing" in result.stderr
    assert fetched == []


def test_a_wheel_that_belongs_into_the_repository_is_told_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    installed = install(tmp_path_factory.mktemp("installed"), None)
    monkeypatch.setattr("keyferry.cli.commands.prepare.init.distribution", lambda _name: installed)
    told = "wheels/keyferry-1.2.3-py3-none-any.whl is the keyferry that runs here"
    assert told in write().stderr
    assert told not in write().stderr
    assert told not in run("init", "--check").stderr
    (folder / "wheels/keyferry-1.2.3-py3-none-any.whl").unlink()
    assert told in run("init").stderr


def test_the_result_as_json_has_each_file_and_the_next_commands() -> None:
    answer = json.loads(write("acme", "--output", "json").stdout)
    assert [row["file"] for row in answer["files"]] == [f"acme/{name}" for name in WRITTEN]
    assert {row["state"] for row in answer["files"]} == {"written"}
    assert answer["next"][1] == ".venv/bin/keyferry generate"


def test_a_check_as_json_has_the_patch_of_each_file(folder: Path) -> None:
    write()
    (folder / "requirements.txt").write_text("")
    result = run("init", "--check", "--output", "json")
    [row] = [row for row in json.loads(result.stdout)["files"] if row["state"] != "up to date"]
    assert (result.exit_code, row["file"], row["state"]) == (1, "requirements.txt", "differs")
    assert row["diff"].startswith("--- a/requirements.txt\n+++ b/requirements.txt\n")


@dataclass
class FakeAws:
    """An account with clusters; its `errors` are what AWS answers instead, by call."""

    clusters: list[str] = field(default_factory=lambda: ["prod-eu", "prod-us"])
    errors: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def open_session(self, region: str) -> boto3.Session:
        self._ask(f"sign in to {region}")
        return boto3.Session(region_name=region)

    def open_client(self, _session: boto3.Session, _service: str) -> "FakeAws":
        return self

    def get_caller_identity(self) -> dict[str, str]:
        self._ask("sts:GetCallerIdentity")
        return {"Account": ACCOUNT}

    def get_paginator(self, _operation: str) -> "FakeAws":
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        self._ask("eks:ListClusters")
        yield from ({"clusters": [name]} for name in self.clusters)

    def _ask(self, call: str) -> None:
        self.asked.append(call)
        if call in self.errors:
            raise self.errors[call]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """AWS, and a region that is set."""
    fake = FakeAws()
    for name in ("open_session", "open_client"):
        monkeypatch.setattr(f"keyferry.cli.init.answers.{name}", getattr(fake, name))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return fake


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever stdin the runner gives be a terminal."""
    monkeypatch.setattr("keyferry.cli.commands.prepare.init.has_terminal", lambda _settings: True)


@pytest.mark.usefixtures("terminal")
def test_account_and_clusters_of_the_credentials_are_offered_and_taken_by_return(aws: FakeAws) -> None:
    result = run("init", answers="\n\n\n\n\n\n")
    assert result.exit_code == 0, result.output
    assert aws.asked == ["sign in to eu-west-1", "sts:GetCallerIdentity", "eks:ListClusters"]
    assert "Account of the stack [111122223333]" in result.stderr
    assert "Clusters of EKS, divided by blanks [prod-eu prod-us]" in result.stderr
    assert sorted(files.load(Path("mappings")).clusters) == ["prod-eu", "prod-us"]


@pytest.mark.usefixtures("terminal")
def test_a_wrong_answer_is_told_and_asked_for_again(aws: FakeAws) -> None:
    result = run("init", answers="\n1\n444455556666\na b!\nprod-eu, prod-us\npayments\nprod/payments/db\n\n")
    assert result.exit_code == 0, result.output
    assert "1 is not 12 digits, as 111122223333" in result.stderr
    assert "b! is not the name of a cluster" in result.stderr
    assert sam.read(Path("samconfig.toml"), "default").account == "444455556666"
    assert files.load(Path("mappings")).mappings["payments-db"].spec.namespaces == ["payments"]
    assert aws.asked


@pytest.mark.usefixtures("terminal")
def test_without_credentials_everything_can_be_answered_all_the_same(aws: FakeAws) -> None:
    aws.errors["sign in to eu-west-1"] = Misconfigured("AWS credentials are missing")
    result = run("init", answers=f"\n{ACCOUNT}\nprod-eu\n\n\n\n")
    assert result.exit_code == 0, result.output
    assert "AWS is not asked for account and clusters: AWS credentials are missing" in result.stderr
    assert "Account of the stack: " in result.stderr


@pytest.mark.usefixtures("terminal")
def test_a_right_that_is_missing_costs_the_offer_alone(aws: FakeAws) -> None:
    aws.errors["eks:ListClusters"] = AccessDenied("eks:ListClusters in eu-west-1 is refused")
    result = run("init", answers="\n\nprod-eu\n\n\n\n")
    assert result.exit_code == 0, result.output
    assert "nothing is offered: eks:ListClusters in eu-west-1 is refused" in result.stderr


@pytest.mark.usefixtures("terminal")
def test_nothing_is_asked_of_aws_or_of_anybody_that_the_options_say(aws: FakeAws) -> None:
    result = run("init", *SAID, "--team", "payments", "--secret", "db", "--namespace", "payments")
    assert (result.exit_code, aws.asked) == (0, []), result.output
    assert "?" not in result.stderr


@pytest.mark.usefixtures("terminal")
def test_who_breaks_off_has_written_nothing(aws: FakeAws, folder: Path) -> None:
    result = run("init", answers="\n")
    assert (result.exit_code, read(folder)) == (130, {}), result.output
    assert aws.asked
