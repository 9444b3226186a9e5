"""What `keyferry generate` writes, and what it says of files that are not what the mappings make them."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from keyferry.cli import main

ROOT = Path(__file__).resolve().parents[2]
OF_A_CLUSTER = ("access-entries.sh", "rbac.yaml", "remove-stale.sh")
FILES = [
    "accounts/111122223333/member.yaml",
    *(f"clusters/{cluster}/{name}" for cluster in ("prod-eu", "prod-us") for name in OF_A_CLUSTER),
    "stack/access-entries.json",
    "stack/access-entries.sh",
    "stack/access.yaml",
    "stack/alarms.yaml",
    "stack/entries.yaml",
    "stack/events.yaml",
    "stack/people.yaml",
]


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples/mappings", tmp_path / "mappings"))


def run(mappings: Path, *args: str | Path, before: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(main, ["--mappings", str(mappings), *before, "generate", *map(str, args)])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_generated_files_of_this_repository_are_up_to_date() -> None:
    result = run(ROOT / "mappings", "--check")
    assert result.exit_code == 0, result.output


def test_files_are_written_beside_the_folder_of_the_mappings(mappings: Path) -> None:
    result = run(mappings)
    folder = mappings.parent / "generated"
    assert result.exit_code == 0
    assert names(folder) == FILES
    assert result.stdout.splitlines() == [f"{folder}/{name}: written" for name in FILES]


def test_files_are_written_to_the_folder_that_is_named(mappings: Path, tmp_path: Path) -> None:
    assert run(mappings, "--to", tmp_path / "a/b").exit_code == 0
    assert names(tmp_path / "a/b") == FILES


def test_the_form_of_the_result_is_no_folder(mappings: Path, tmp_path: Path) -> None:
    assert run(mappings, "--output", tmp_path / "a").exit_code == 2


def test_generating_again_changes_nothing(mappings: Path, tmp_path: Path) -> None:
    run(mappings, "--to", tmp_path / "a")
    run(mappings, "--to", tmp_path / "b")
    before = {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in FILES}
    result = run(mappings, "--to", tmp_path / "a")
    assert result.stdout == f"{tmp_path}/a: up to date\n"
    assert before == {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in FILES}
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in FILES)


def test_every_file_begins_with_what_it_is_and_is_yaml_or_a_script(mappings: Path, tmp_path: Path) -> None:
    run(mappings, "--to", tmp_path / "a")
    for name in FILES:
        text = (tmp_path / "a" / name).read_text()
        if name.endswith(".json"):
            assert json.loads(text)
            continue
        assert "Generated from the mappings by `keyferry generate`. Do not edit" in "".join(text.splitlines()[:2])
        assert text.startswith("#!/bin/sh\n") if name.endswith(".sh") else list(yaml.safe_load_all(text))


def test_a_check_of_what_is_up_to_date_ends_with_0(mappings: Path) -> None:
    run(mappings)
    assert run(mappings, "--check").exit_code == 0


def test_a_check_names_what_differs_and_the_command_that_mends_it(mappings: Path) -> None:
    run(mappings)
    folder = mappings.parent / "generated"
    (folder / "stack/access.yaml").write_text("edited by hand\n")
    (folder / "stack/access-entries.sh").unlink()
    (mappings / "clusters.yaml").write_text((mappings / "clusters.yaml").read_text().replace("prod-us", "prod-gone"))
    edited = (mappings / "payments.yaml").read_text().replace("[prod-eu, prod-us]", "[prod-eu]")
    (mappings / "payments.yaml").write_text(edited)

    result = run(mappings, "--check")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{folder}/accounts/111122223333/member.yaml: differs",
        *(f"{folder}/clusters/prod-gone/{name}: missing" for name in OF_A_CLUSTER),
        *(f"{folder}/clusters/prod-us/{name}: superfluous" for name in OF_A_CLUSTER),
        f"{folder}/stack/access-entries.json: differs",
        f"{folder}/stack/access-entries.sh: missing",
        f"{folder}/stack/access.yaml: differs",
        f"{folder}/stack/alarms.yaml: differs",
        f"{folder}/stack/entries.yaml: differs",
    ]
    assert result.stderr.endswith(f"mend it with:\n  keyferry --mappings {mappings} generate\n")
    assert names(folder) == [name for name in FILES if name != "stack/access-entries.sh"], "a check writes nothing"


def test_the_command_that_mends_is_for_the_folders_and_the_environment_of_the_call(
    mappings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mappings.parent)
    Path("samconfig.toml").write_text(
        "version = 0.1\n[default.deploy.parameters]\n[prod.keyferry.parameters]\nmappings = 'mappings'\n"
    )
    for given in ("", "--config-env prod "):
        for to in ("", " --to elsewhere"):
            words = f"{given}generate{to}"
            result = CliRunner().invoke(main, [*words.split(), "--check"])
            assert result.stderr.endswith(f"mend it with:\n  keyferry {words}\n")


def test_the_command_that_mends_does_so_and_removes_only_what_was_generated(mappings: Path) -> None:
    run(mappings)
    folder = mappings.parent / "generated"
    for gone in ("clusters/gone", "clusters/shared"):
        (folder / gone).mkdir()
        (folder / gone / "rbac.yaml").write_text((folder / "clusters/prod-eu/rbac.yaml").read_text())
    (folder / "clusters/shared/mine.yaml").write_text("# my own\n")
    (folder / "stack/access.yaml").write_text("edited by hand\n")

    result = run(mappings, "--to", folder)

    assert result.stdout.splitlines() == [
        f"{folder}/clusters/gone/rbac.yaml: removed",
        f"{folder}/clusters/shared/rbac.yaml: removed",
        f"{folder}/stack/access.yaml: written",
    ]
    assert names(folder) == sorted([*FILES, "clusters/shared/mine.yaml"])
    assert not (folder / "clusters/gone").exists()
    assert run(mappings, "--check").exit_code == 0


def test_a_dry_run_tells_what_differs_writes_nothing_and_is_no_failure(mappings: Path) -> None:
    result = run(mappings, "--dry-run")
    assert (result.exit_code, result.stdout) == (0, run(mappings, "--check").stdout)
    assert not (mappings.parent / "generated").exists()


@pytest.mark.parametrize("where", ["before", "after"])
def test_the_result_as_json_is_a_list_of_files_and_states(mappings: Path, where: str) -> None:
    form = ("--output", "json")
    result = run(mappings, "--check", before=form) if where == "before" else run(mappings, "--check", *form)
    assert result.exit_code == 1
    folder = mappings.parent / "generated"
    assert json.loads(result.stdout)["files"] == [{"file": f"{folder}/{name}", "state": "missing"} for name in FILES]


def test_form_and_folder_can_both_be_named(mappings: Path, tmp_path: Path) -> None:
    result = run(mappings, "--output", "json", "--to", tmp_path / "a")
    assert {each["state"] for each in json.loads(result.stdout)["files"]} == {"written"}
    assert names(tmp_path / "a") == FILES


def test_a_folder_that_cannot_be_written_is_told(mappings: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    result = run(mappings, "--to", tmp_path / "a/b")
    assert result.exit_code == 1
    assert "cannot be read or written" in result.stderr


def test_nothing_is_generated_from_mappings_that_are_wrong(mappings: Path) -> None:
    (mappings / "payments.yaml").write_text("]")
    result = run(mappings)
    assert result.exit_code == 1
    assert "payments.yaml:1:1: not YAML" in result.stderr
    assert not (mappings.parent / "generated").exists()


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_mapping_that_goes_nowhere_is_told_beside_the_result(mappings: Path, form: str) -> None:
    path = mappings / "payments.yaml"
    path.write_text(path.read_text().replace("[prod-eu, prod-us]", "{matchLabels: {env: test}}", 1))
    result = run(mappings, "--output", form)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"{path}:10:13: warning: mapping payments-db goes nowhere")
    assert "nowhere" not in result.stdout


def test_an_empty_catalogue_gives_a_template_that_grants_nothing(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/a.yaml").write_text("# nothing yet\n")
    assert run(tmp_path / "mappings").exit_code == 0
    made = yaml.safe_load((tmp_path / "generated/stack/access.yaml").read_text())
    assert [each["Type"] for each in made["Resources"].values()] == ["AWS::CloudFormation::WaitConditionHandle"]
    assert set(made["Parameters"]) == {"DeliverRole", "ReconcileRole", "PushRole"}
    made = yaml.safe_load((tmp_path / "generated/stack/entries.yaml").read_text())
    assert [each["Type"] for each in made["Resources"].values()] == ["AWS::CloudFormation::WaitConditionHandle"]
    assert json.loads((tmp_path / "generated/stack/access-entries.json").read_text()) == []


def test_the_help_names_everything_that_is_written(mappings: Path) -> None:
    told = run(mappings, "--help").stdout
    run(mappings)
    folder = mappings.parent / "generated"
    names = {path.name for path in folder.iterdir()} | {
        Path(name).name for name in FILES if "/stack/" not in f"/{name}"
    }
    assert [name for name in sorted(names) if name not in told] == []
    assert "policies for people" in " ".join(told.split())


def test_how_many_names_iam_has_room_for_is_said_beside_the_result_where_little_is_left(mappings: Path) -> None:
    assert "IAM" not in run(mappings).stderr
    write_long_names(mappings, 110)
    assert (
        "IAM: the role of deliver needs 10 of 10 managed policies, or of 20 once AWS has raised the quota: it names 115"
        in run(mappings).stderr
    )
    assert "IAM" not in run(mappings, "--output", "json").stderr


def write_long_names(mappings: Path, count: int) -> None:
    """Let a mapping read so many secrets with long names."""
    names = [f"{'long/' * 60}{number:04}" for number in range(count)]
    sources = "\n".join(f"    s{number}: {{secretsManager: {name}}}" for number, name in enumerate(names))
    first = (mappings / "payments.yaml").read_text().replace("  sources:\n", f"  sources:\n{sources}\n", 1)
    (mappings / "payments.yaml").write_text(first)


def test_a_template_that_needs_more_policies_than_usual_says_what_to_ask_of_aws(mappings: Path) -> None:
    write_long_names(mappings, 200)
    assert run(mappings).exit_code == 0
    assert "Service Quotas" in (mappings.parent / "generated/stack/access.yaml").read_text()


def test_rights_in_all_namespaces_are_told_in_the_file_that_gives_them(mappings: Path) -> None:
    run(mappings)
    rbac = mappings.parent / "generated/clusters/prod-eu/rbac.yaml"
    assert "by labels or patterns (registry, shop-session) may read Secrets of that one name" in rbac.read_text()
    for name in ("shop", "platform"):
        (mappings / f"{name}.yaml").unlink()
    run(mappings)
    assert "by labels" not in rbac.read_text()


def call_cluster(mappings: Path, name: str, *, eks: str = "prod-us") -> None:
    """Let prod-us have another name, and perhaps be another cluster of EKS, where mappings name it too."""
    path = mappings / "clusters.yaml"
    assert "name: prod-us\n    eks: {name: prod-us," in path.read_text()
    path.write_text(
        path.read_text().replace("name: prod-us\n    eks: {name: prod-us,", f"name: {name}\n    eks: {{name: {eks},")
    )
    for each in mappings.glob("*.yaml"):
        each.write_text(each.read_text().replace("prod-us]", f"{name}]"))


def test_of_a_cluster_that_has_gone_it_says_what_stays_there_and_the_command_that_removes_it(mappings: Path) -> None:
    run(mappings)
    call_cluster(mappings, "prod-new", eks="prod-new")
    for args in (["--check"], ["--dry-run"], []):
        result = run(mappings, *args)
        told = " ".join(result.stderr.split())
        assert "prod-us is no longer in clusters.yaml; Keyferry's Roles and admission policies stay in it until" in told
        assert "kubectl --context prod-us delete rolebindings,clusterrolebindings,roles," in result.stderr
        assert "--all-namespaces --selector keyferry.dev/generated=keyferry" in result.stderr
    assert "prod-us" not in run(mappings).stderr


def test_of_a_cluster_with_another_name_it_shows_no_command_that_would_remove_its_rights(mappings: Path) -> None:
    run(mappings)
    call_cluster(mappings, "prod-america")
    script = mappings.parent / "generated/clusters/prod-america/remove-stale.sh"
    for args in (["--check"], ["--dry-run"], []):
        told = " ".join(run(mappings, *args).stderr.split())
        assert "prod-us is called prod-america now, and keeps its rights" in told
        assert f"{script} removes" in told
        assert "kubectl" not in told
    assert "prod-us" not in run(mappings).stderr


def test_where_no_file_says_which_cluster_it_was_the_command_is_for_one_that_has_no_other_name(mappings: Path) -> None:
    run(mappings)
    (mappings.parent / "generated/clusters/prod-us/access-entries.sh").unlink()
    call_cluster(mappings, "prod-america")
    told = " ".join(run(mappings).stderr.split())
    assert "in clusters.yaml; unless it is still there under another name, Keyferry's Roles" in told
    assert "kubectl --context prod-us delete" in told


def test_a_folder_of_a_cluster_has_no_file_that_gitops_takes_for_a_manifest_but_manifests(mappings: Path) -> None:
    """By extension: kubectl and Argo CD take .json, .yaml and .yml (Argo CD .jsonnet too), Flux .yaml and .yml."""
    run(mappings)
    for folder in (mappings.parent / "generated/clusters").iterdir():
        for path in folder.iterdir():
            if path.suffix in (".json", ".yaml", ".yml", ".jsonnet"):
                documents = list(yaml.safe_load_all(path.read_text()))
                names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in documents]
                assert names, path
                assert not any(kind.startswith("Kustom") for _, kind, _ in names)


def test_nothing_of_one_cluster_is_in_the_folder_of_another(mappings: Path) -> None:
    run(mappings)
    folder = mappings.parent / "generated/clusters"
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert [path for path, text in texts.items() if "prod-us" in text and path.parent.name == "prod-eu"] == []
    assert [path for path, text in texts.items() if "prod-eu" in text and path.parent.name == "prod-us"] == []
