"""`keyferry migrate` writes a file for each manifest, keeps what somebody has edited, and tells what became of all."""

import errno
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.check import files
from keyferry.cli.migrate import writing
from keyferry.cli.migrate.model import Conversion, Manifest
from keyferry.formats import yamltext
from tests.unit.migrate.estates import ONE, STORE, external
from tests.unit.test_files import CLUSTERS

EXTERNAL = external(f"data: [{ONE}]")
TEMPLATE = external(
    """
target:
  template:
    data:
      conf: |
        user={{ .a }}

        pass: "{{ .a | quote }}"
      indented: "  x\\n y"
      bare: "\\n"
data: [{secretKey: a, remoteRef: {key: shop/a}}]
"""
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with clusters and no mappings; the command runs in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "samconfig.toml").write_text('[default.deploy.parameters]\nregion = "eu-west-1"\n')
    (tmp_path / "a.yaml").write_text(EXTERNAL)
    return tmp_path


def run(*words: str, given: str | None = None) -> Result:
    """Run the command, on a.yaml unless paths are given."""
    paths = [] if any(word.endswith(".yaml") or word == "-" for word in words) else ["a.yaml"]
    return CliRunner().invoke(main, ["migrate", *paths, *words, "--cluster", "prod-eu"], input=given)


def test_the_files_are_those_of_a_repository_that_is_valid(place: Path) -> None:
    (place / "b.yaml").write_text(TEMPLATE.replace("name: db", "name: tpl").replace(STORE, ""))
    assert run("a.yaml", "b.yaml").exit_code == 0
    catalog, warnings = files.check(place / "mappings")
    assert (sorted(catalog.mappings), warnings) == (["shop-db", "shop-tpl"], [])
    assert (place / "mappings/shop/db.yaml").read_text().startswith("# From a.yaml:6 by keyferry migrate (")


def test_texts_of_several_lines_stand_as_they_are(place: Path) -> None:
    (place / "a.yaml").write_text(TEMPLATE)
    assert run().exit_code == 0
    text = (place / "mappings/shop/db.yaml").read_text()
    assert "template: |\n          user=" in text
    data = yamltext.parse(text)["spec"]["secret"]["data"]
    assert data["indented"] == {"value": "  x\n y"}
    assert data["bare"] == {"value": "\n"}
    assert data["conf"]["template"].startswith("user={{ variables.a }}\n\npass: ")


def test_a_second_run_changes_nothing(place: Path) -> None:
    run()
    written = place / "mappings/shop/db.yaml"
    before = written.read_text(), written.stat().st_mtime_ns
    done = run()
    assert "1 file: 1 up to date" in done.output
    assert (written.read_text(), written.stat().st_mtime_ns) == before


def test_a_manifest_that_has_changed_renews_its_file(place: Path) -> None:
    run()
    (place / "a.yaml").write_text(EXTERNAL.replace("shop/a", "shop/b"))
    assert "1 file: 1 renewed" in run().output
    assert "shop/b" in (place / "mappings/shop/db.yaml").read_text()


def test_a_file_that_was_edited_is_kept_and_the_difference_shown(place: Path) -> None:
    run()
    written = place / "mappings/shop/db.yaml"
    edited = written.read_text().replace("restart: none", "restart: auto")
    written.write_text(edited)
    done = run()
    assert written.read_text() == edited
    assert "mappings/shop/db.yaml was edited, and is kept" in done.output
    assert "-  restart: auto\n+  restart: none\n" in done.output


def test_a_file_of_somebody_else_is_left_alone(place: Path) -> None:
    other = place / "mappings/shop/db.yaml"
    other.parent.mkdir()
    other.write_text("# ours\n")
    assert run().exit_code == 0
    assert other.read_text() == "# ours\n"
    assert (place / "mappings/shop/db-2.yaml").exists()
    assert "1 file: 1 up to date" in run().output


def test_a_name_that_another_mapping_has_is_not_taken_again(place: Path) -> None:
    run()
    mine = (place / "mappings/shop/db.yaml").read_text().split("\n", 1)[1]
    (place / "mappings/mine.yaml").write_text(mine.replace("name: db", "name: other"))
    (place / "mappings/shop/db.yaml").unlink()
    assert run().exit_code == 0
    assert sorted(writing.read_names(place / "mappings")) == ["shop-db", "shop-db-2"]


def test_a_dry_run_writes_nothing(place: Path) -> None:
    assert "1 file: 1 written (not yet: dry run)" in run("--dry-run").output
    assert not (place / "mappings/shop").exists()


def test_standard_input_and_another_folder_can_be_given(place: Path) -> None:
    assert run("-", "--to", "elsewhere", given=EXTERNAL).exit_code == 0
    assert (place / "elsewhere/shop/db.yaml").exists()


def test_a_mapping_for_many_namespaces_is_in_no_folder_of_one(place: Path) -> None:
    own = f"externalSecretSpec: {{secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, data: [{ONE}]}}"
    head = "apiVersion: external-secrets.io/v1\nkind: ClusterExternalSecret\nmetadata: {name: all}\n"
    (place / "a.yaml").write_text(f"{STORE}{head}spec: {{namespaces: [a, b], {own}}}\n")
    assert run().exit_code == 0
    assert (place / "mappings/all.yaml").exists()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (
            "kind: ExternalSecret",
            "a.yaml:1: ExternalSecret shop/db has no apiVersion; write apiVersion: external-secret",
        ),
        (
            "apiVersion: kubernetes-client.io/v1\nkind: ExternalSecret",
            "a.yaml:1: ExternalSecret shop/db is of kubernetes-client.io/v1, and not of external-secrets.io; write",
        ),
        (
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecrets",
            "a.yaml:2: ExternalSecrets is no kind of external-secrets.io; did you mean ExternalSecret; correct it",
        ),
        (
            "apiVersion: external-secrets.io/v1",
            "a.yaml:1: an object without a kind is none of external-secrets.io; there",
        ),
    ],
)
def test_what_only_looks_like_an_original_is_not_passed_over(place: Path, head: str, said: str) -> None:
    (place / "a.yaml").write_text(f"{head}\nmetadata: {{name: db, namespace: shop}}\nspec: {{}}\n")
    result = run()
    assert (result.exit_code, said in result.output.replace("\n", " ")) == (1, True), result.output


def write_policy(place: Path, folder: str) -> None:
    """Let the policy have one rule, for the mappings of a folder into the namespace of that name."""
    rule: dict[str, object] = {"mappings": [f"{folder}/*.yaml"], "clusters": ["prod-eu"], "namespaces": [folder]}
    rule |= {"sources": {"secretsManager": ["*"]}, "policies": {"keys": ["exclusive"]}}
    policy = {"apiVersion": "keyferry.dev/v1", "kind": "Policy", "rules": [rule]}
    (place / "mappings/policy.yaml").write_text(yaml.safe_dump(policy))


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_what_the_policy_does_not_allow_is_refused_and_not_written_and_the_others_are(
    place: Path, more: list[str]
) -> None:
    write_policy(place, "other")
    (place / "b.yaml").write_text(EXTERNAL.replace("namespace: shop", "namespace: other"))
    done = run("a.yaml", "b.yaml", *more)
    said = "a.yaml:6: keyferry validate refuses its mapping: mappings/shop/db.yaml:5:9: no rule is for this file"
    assert (done.exit_code, said in done.output.replace("\n", " ")) == (1, True), done.output
    assert not (place / "mappings/shop").exists()
    assert (place / "mappings/other/db.yaml").exists() is not bool(more), done.output


@pytest.mark.parametrize(
    "store",
    [
        "region: eu-west-1",
        "region: us-east-1, role: 'arn:aws:iam::444455556666:role/reader', externalID: ours",
    ],
)
def test_the_rule_that_a_store_amounts_to_is_printed_where_the_policy_lacks_it_and_is_enough(
    place: Path, store: str
) -> None:
    write_policy(place, "other")
    given = EXTERNAL.replace("region: eu-west-1", store, 1).replace("spec: {provider", f"{CONDITIONS} provider", 1)
    (place / "a.yaml").write_text(given)
    done = run("--output", "json")
    [printed] = [each for each in json.loads(done.stdout)["advice"] if "conditions" in each]
    assert done.exit_code == 1
    policy = yaml.safe_load((place / "mappings/policy.yaml").read_text())
    policy["rules"] = [yaml.safe_load(printed.partition(": ")[2])]
    (place / "mappings/policy.yaml").write_text(yaml.safe_dump(policy))
    done = run()
    assert done.exit_code == 0, done.output
    files.check(place / "mappings")


CONDITIONS = "spec: {conditions: [{namespaces: [shop]}],"


STORES = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: far}
spec:
  provider:
    aws:
      service: SecretsManager
      region: us-east-1
      role: arn:aws:iam::444455556666:role/reader
      externalID: ours
      sessionTags: [{key: team, value: shop}]
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: parameters}
spec: {provider: {aws: {service: ParameterStore, region: eu-west-1}}}
---
"""
PLAIN = f"data: [{ONE}]"
RELOADED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, annotations: {secret.reloader.stakater.com/reload: db}}
spec: {template: {spec: {containers: []}}}
"""
BY_LABEL = f"{{secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, {PLAIN}}}"


@pytest.mark.parametrize(
    "manifest",
    [
        external(PLAIN),
        external(f"target: {{creationPolicy: Merge}}\n{PLAIN}"),
        external(f"target: {{deletionPolicy: Delete}}\n{PLAIN}"),
        external("dataFrom: [{find: {name: {regexp: '^shop/'}}}]"),
        external(f"target: {{template: {{type: example.com/x, metadata: {{labels: {{a.io/b: c}}}}}}}}\n{PLAIN}"),
        external(PLAIN).replace("{name: aws, kind", "{name: far, kind"),
        external("dataFrom: [{extract: {key: /shop/a}}]").replace("{name: aws, kind", "{name: parameters, kind"),
        f"{external(PLAIN)}---\n{RELOADED}",
        f"{STORE}apiVersion: external-secrets.io/v1\nkind: ClusterExternalSecret\nmetadata: {{name: all}}\n"
        f"spec: {{namespaceSelectors: [{{matchLabels: {{team: shop}}}}], externalSecretSpec: {BY_LABEL}}}\n",
    ],
)
def test_the_rule_that_is_printed_for_what_the_policy_refuses_is_enough(place: Path, manifest: str) -> None:
    write_policy(place, "other")
    (place / "a.yaml").write_text(STORES + manifest)
    done = run("--output", "json")
    assert (done.exit_code, sorted(each.name for each in (place / "mappings").iterdir())) == (
        1,
        ["clusters.yaml", "policy.yaml"],
    ), done.output
    printed = [each for each in json.loads(done.stdout)["advice"] if "would allow" in each]
    policy = yaml.safe_load((place / "mappings/policy.yaml").read_text())
    policy["rules"] += [yaml.safe_load(each.partition(": ")[2]) for each in printed]
    (place / "mappings/policy.yaml").write_text(yaml.safe_dump(policy))
    done = run()
    assert done.exit_code == 0, done.output
    files.check(place / "mappings")


def test_a_mapping_for_a_secret_that_another_file_has_is_refused_and_not_written(place: Path) -> None:
    run()
    mine = (place / "mappings/shop/db.yaml").read_text().split("\n", 1)[1]
    (place / "mappings/shop/db.yaml").unlink()
    for name in ("mappings/aaa.yaml", "mappings/zzz.yaml"):
        (place / name).write_text(mine.replace("shop-db", "mine"))
        done = run()
        assert (done.exit_code, "keyferry validate refuses its mapping" in done.output) == (1, True), done.output
        assert not (place / "mappings/shop/db.yaml").exists()
        (place / name).unlink()


def test_files_that_are_wrong_already_are_told_since_they_hide_what_is_wrong_with_the_new_ones(place: Path) -> None:
    (place / "mappings/old.yaml").write_text("kind: SecretMaping\n")
    done = run()
    said = done.output.replace("\n", " ")
    assert (done.exit_code, "keyferry validate: mappings/old.yaml:1:" in said) == (1, True), said
    assert "until these files are right, not all is known" in said


def test_a_name_leads_nowhere_outside_the_folder(place: Path) -> None:
    spec = f"target: {{name: fine}}\ndata: [{ONE}]"
    (place / "a.yaml").write_text(external(spec, metadata='name: "../../../out", namespace: shop'))
    done = run()
    assert "a.yaml:8: metadata.name is no name of Kubernetes" in done.output
    manifest = Manifest("a.yaml", 1, {"metadata": {"name": "../out", "namespace": "../x"}})
    conversion = Conversion(manifest, {"metadata": {"name": "x-fine"}, "spec": {"namespaces": ["x"]}})
    assert writing.name_file([conversion]) == Path("x-fine.yaml")


def test_the_report_has_what_became_of_each(place: Path) -> None:
    refused = external("refreshInterval: 0", store="", metadata="name: x, namespace: shop")
    (place / "a.yaml").write_text(f"{EXTERNAL}---\n{refused}---\nkind: Service\n---\n[")
    done = run("--report", "out/report.json", "--output", "json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert json.loads((place / "out/report.json").read_text()) == answer
    assert [(each["manifest"], each["state"], each["line"]) for each in answer["manifests"]] == [
        ("ExternalSecret shop/db", "converted", 6),
        ("ExternalSecret shop/x", "refused", 13),
    ]
    (reason,) = answer["manifests"][1]["reasons"]
    assert (reason["line"], answer["broken"][0]["line"]) == (18, 22)
    assert answer["totals"] | {"converted": 0} == {
        "converted": 0,
        "withDifference": 0,
        "refused": 1,
        "nothingToWrite": 0,
        "broken": 1,
        "foreign": 1,
    }


def test_the_report_can_be_markdown(place: Path) -> None:
    run("--report", "report.md")
    assert "| converted | ExternalSecret shop/db | a.yaml:6 | shop-db |" in re.sub(
        r"&#(\d+);", lambda match: chr(int(match[1])), (place / "report.md").read_text()
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["absent.yaml"], 1, "absent.yaml: there is no such file or folder"),
        (["--report", "/dev/null/x"], 1, "/dev/null/x cannot be written: Not a directory"),
        (["--report", "mappings"], 2, "'mappings' is a directory"),
        (["--to", "/dev/null"], 1, "cannot be written: Not a directory"),
        (["--to", "a.yaml"], 2, "'a.yaml' is a file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    place: Path, words: list[str], code: int, said: str
) -> None:
    done = run(*words)
    assert (done.exit_code, said in " ".join(done.output.split())) == (code, True), done.output
    assert not (place / "mappings/shop").exists()


@pytest.mark.parametrize("name", ["-", "empty.yaml", "folder"])
def test_nothing_at_all_is_no_success(place: Path, name: str) -> None:
    (place / "empty.yaml").write_text("\n")
    (place / "folder").mkdir()
    done = run("a.yaml", name, given="")
    assert (done.exit_code, f"{name}:1:1: " in done.output) == (1, True), done.output
    assert (place / "mappings/shop/db.yaml").exists(), "the others are converted all the same"


def test_an_empty_file_of_a_folder_is_passed_over(place: Path) -> None:
    (place / "folder").mkdir()
    (place / "folder/empty.yaml").touch()
    assert CliRunner().invoke(main, ["migrate", "folder", "--cluster", "prod-eu"]).exit_code == 0


def test_where_the_disk_is_full_a_file_stays_as_it_was(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    written = place / "mappings/shop/db.yaml"
    before = written.read_text()
    (place / "a.yaml").write_text(EXTERNAL.replace("shop/a", "shop/b"))

    def fill(path: Path, text: str, **_: object) -> None:
        with path.open("w") as file:
            file.write(text[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", fill)
    done = run()
    assert (done.exit_code, "cannot be written: No space left on device" in done.output) == (1, True)
    assert (written.read_text(), list(written.parent.iterdir())) == (before, [written])


def test_a_file_that_is_written_twice_at_the_same_time_is_whole(tmp_path: Path) -> None:
    texts = [letter * 100_000 for letter in "ab"]
    path = tmp_path / "x.yaml"
    with ThreadPoolExecutor() as pool:
        for _ in range(50):
            list(pool.map(lambda text: writing.write_whole(path, text), texts))
            assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_a_cluster_that_is_unknown_is_told_with_one_that_is_known(place: Path) -> None:
    done = CliRunner().invoke(main, ["migrate", "a.yaml", "--cluster", "prod-eus"])
    assert (done.exit_code, "did you mean prod-eu?" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("option", "value", "example"),
    [
        ("--region", "mars", "eu-west-1"),
        ("--role", "reader", "arn:aws:iam::111122223333:role/reader"),
        ("--namespace", "../x", "payments"),
        ("--cluster", "Prod EU", "prod-eu"),
        ("--cluster", "", "prod-eu"),
    ],
)
def test_an_option_that_cannot_be_is_a_wrong_command_line(place: Path, option: str, value: str, example: str) -> None:
    done = run(option, value)
    said = f"Error: Invalid value for '{option}'"
    assert (done.exit_code, said in done.output, f"{value!r} is none; one is {example}" in done.output) == (
        2,
        True,
        True,
    )


def test_a_cluster_that_is_named_twice_is_in_the_mapping_once(place: Path) -> None:
    assert run("--cluster", "prod-eu").exit_code == 0
    assert "clusters: [prod-eu]" in (place / "mappings/shop/db.yaml").read_text()


def test_nothing_to_read_is_a_wrong_command_line(place: Path) -> None:
    done = CliRunner().invoke(main, ["migrate", "--cluster", "prod-eu"])
    assert (done.exit_code, "name a file, a folder, or -" in done.output) == (2, True)


@pytest.mark.unwatched
def test_three_hundred_manifests_are_all_written(place: Path) -> None:
    one = TEMPLATE.replace(STORE, "")
    parts = [one.replace("name: db, namespace: shop", f"name: db, namespace: n{number}") for number in range(300)]
    (place / "a.yaml").write_text(STORE + "---\n".join(parts))
    done = run()
    assert "300 files: 300 written" in done.output
    assert len(list(yaml.safe_load_all((place / "mappings/n299/db.yaml").read_text()))) == 1
