"""`mappings/policy.yaml`: what it does not allow is refused by every command, with place, rule and remedy."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from keyferry.cli import main
from keyferry.cli.build.project import dump_catalog
from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.mapping.verdict import Verdict
from keyferry.runtime.compiled import COMPILED_FILE, load_catalog
from tests.unit.test_files import CLUSTERS, MAPPING

POLICY = """\
apiVersion: keyferry.dev/v1
kind: Policy
rules:
  - mappings: [payments/*.yaml]
    sources: {secretsManager: ["prod/payments/*"]}
    clusters: [prod-*]
    namespaces: [payments]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of mappings that its policy allows."""
    (tmp_path / "payments").mkdir()
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "payments/db.yaml").write_text(MAPPING)
    return tmp_path


def told(folder: Path) -> list[str]:
    with pytest.raises(InvalidFiles) as raised:
        files.load(folder)
    return [str(problem).replace(f"{folder}/", "") for problem in raised.value.problems]


def test_what_the_policy_allows_is_loaded(folder: Path) -> None:
    assert set(files.load(folder).mappings) == {"payments-db"}


def test_what_it_does_not_allow_is_told_with_the_rules_that_were_looked_at(folder: Path) -> None:
    wrong = MAPPING.replace("prod/payments/db", "prod/shop/db").replace("[payments]", "[payments, shop]")
    (folder / "payments/db.yaml").write_text(wrong)
    remedy = "Keep to what is allowed, or have it changed"
    assert told(folder) == [
        "payments/db.yaml:7:9: source db reads prod/shop/db, and the policy refuses that:"
        f" rule policy.yaml:4 allows prod/payments/*. {remedy}",
        "payments/db.yaml:9:26: it goes to namespace shop, and the policy refuses that:"
        f" rule policy.yaml:4 allows payments. {remedy}",
    ]


def test_a_mapping_where_no_rule_looks_is_refused(folder: Path) -> None:
    (folder / "shop.yaml").write_text(MAPPING.replace("payments", "shop"))
    expected = "shop.yaml:4:9: no rule is for this file in policy.yaml; move it where one is, or have a rule written"
    assert told(folder) == [expected]


def test_a_policy_in_a_folder_above_would_be_silent_and_is_told(folder: Path) -> None:
    (folder / "payments/clusters.yaml").write_text(CLUSTERS)
    linked = folder.parent / f"{folder.name}-link"
    linked.symlink_to(folder / "payments")
    for below in (folder / "payments", linked):
        [problem] = told(below)
        assert problem.endswith(f"say --mappings {folder}, with all mappings".replace(f"{folder}/", ""))
        assert "policy.yaml is a policy, and would refuse nothing here" in problem


@pytest.mark.parametrize("kind", ["kyverno's", "folder", "pipe", "shut"])
def test_a_file_above_that_is_no_policy_of_keyferry_is_none_of_its_business(folder: Path, kind: str) -> None:
    (folder / "payments/clusters.yaml").write_text(CLUSTERS)
    policy = folder / "policy.yaml"
    policy.unlink()
    match kind:
        case "folder":
            policy.mkdir()
        case "pipe":
            os.mkfifo(policy)
        case _:
            policy.write_text("apiVersion: kyverno.io/v1\nkind: Policy\n")
            policy.chmod(0o644 if kind == "kyverno's" else 0)
    assert set(files.load(folder / "payments").mappings) == {"payments-db"}


ROLE = "arn:aws:iam::444455556666:role/any"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("restart: auto", "policies: {creation: merge, conflict: takeOver}", "14:24: it says creation: merge, and"),
        ("restart: auto", "policies: {creation: merge, conflict: takeOver}", "14:41: it says conflict: takeOver, and"),
        ("restart: auto", "policies: {keys: exclusive}", "14:20: it says keys: exclusive, and the policy refuses"),
        ("restart: auto", "policies: {deletion: delete}", "14:24: it says deletion: delete, and the policy refuses"),
        ("restart: auto", "restart: [{kind: Deployment, name: shop}]", "14:13: it restarts Deployment shop, and the"),
        (
            "secretsManager: prod/payments/db",
            "parameterStore: /aws/reference/secretsmanager/prod/payments/db",
            "7:9: spec.sources.db: /aws/reference/secretsmanager/ is another name for secrets of Secrets Manager:"
            " write {secretsManager: prod/payments/db}",
        ),
        ("payments/db}", f'payments/db, role: "{ROLE}"}}', "7:9: source db reads prod/payments/db of account 4444555"),
        ("payments/db}", "payments/db, region: ap-southeast-2}", "7:9: source db reads prod/payments/db in ap-southea"),
        (
            "    data:",
            '    annotations: {reflector.v1.k8s.emberstack.com/reflection-auto-enabled: "true"}\n    data:',
            "12:76: the Secret has annotations that a controller may act on: reflector.v1.k8s.emberstack.com",
        ),
        (
            "    data:",
            "    labels: {argocd.argoproj.io/secret-type: cluster}\n    data:",
            "12:46: the Secret has labels that a controller may act on: argocd.argoproj.io/secret-type, and the policy",
        ),
    ],
)
def test_what_could_harm_others_is_refused_at_its_place_where_no_rule_mentions_it(
    folder: Path, old: str, new: str, said: str
) -> None:
    (folder / "policy.yaml").write_text(
        POLICY.replace('["prod/payments/*"]', '["prod/payments/*"], parameterStore: ["*"], accounts: ["444455556666"]')
    )
    (folder / "payments/db.yaml").write_text(MAPPING.replace(old, new))
    problems = told(folder)
    assert any(problem.startswith(f"payments/db.yaml:{said}") for problem in problems), problems


@pytest.mark.parametrize("broken", ["link", "folder"])
def test_a_policy_that_cannot_be_read_is_no_policy_that_allows_all(folder: Path, broken: str) -> None:
    (folder / "policy.yaml").unlink()
    if broken == "link":
        (folder / "policy.yaml").symlink_to("gone.yaml")
    else:
        (folder / "policy.yaml").mkdir()
    [problem] = told(folder)
    assert problem.startswith("policy.yaml:1:1: no file, and its name ends as those of mapping files do")


def test_a_policy_without_rules_refuses_everything(folder: Path) -> None:
    (folder / "policy.yaml").write_text("apiVersion: keyferry.dev/v1\nkind: Policy\nrules: []\n")
    assert told(folder)[0].startswith("payments/db.yaml:4:9: no rule is for this file")


def test_what_only_run_time_knows_is_compiled_as_a_verdict(folder: Path) -> None:
    merging = MAPPING.replace("  restart: auto", "  policies: {creation: merge}")
    (folder / "payments/db.yaml").write_text(merging)
    remedy = "Keep to what is allowed, or have it changed"
    assert told(folder) == [
        "payments/db.yaml:14:24: it says creation: merge, and the policy refuses that: rule policy.yaml:4 allows"
        f" creation: createOrUpdate, createOnce. {remedy}"
    ]
    rules = POLICY + "    types: [Opaque, example.com/*]\n    policies: {creation: [merge]}\n"
    (folder / "policy.yaml").write_text(rules)
    verdicts = {"payments-db": Verdict(allowed_types=["Opaque", "example.com/*"])}
    assert files.load(folder).verdicts == verdicts
    out = folder.parent / f"{folder.name}-out"
    out.mkdir()
    (out / COMPILED_FILE).write_text(dump_catalog(files.load(folder), folder.name))
    assert load_catalog(out).verdicts == verdicts
    (folder / "policy.yaml").unlink()
    assert files.load(folder).verdicts == {}
    (folder / "policy.yaml").write_text(rules)
    (folder / "payments/db.yaml").write_text(
        merging.replace("    name: payments-db\n", "    name: payments-db\n    type: Opaque\n")
    )
    assert files.load(folder).verdicts == {}


@pytest.mark.parametrize("command", [["build"], ["generate"], ["push", "--dry-run"], ["explain", "-"]])
def test_every_command_refuses_what_validate_refuses(folder: Path, command: list[str]) -> None:
    (folder / "payments/db.yaml").write_text(MAPPING.replace("prod/payments/db", "prod/shop/db"))
    result = CliRunner().invoke(main, ["--mappings", str(folder), *command])
    assert result.exit_code == 1
    assert "source db reads prod/shop/db, and the policy refuses that" in result.stderr


@pytest.mark.parametrize("file", ["payments/policy.yaml", "policy.yml", "clusters.yaml"])
def test_nobody_writes_a_policy_of_his_own(folder: Path, file: str) -> None:
    path = folder / file
    path.write_text((path.read_text() + "---\n" if path.exists() else "") + POLICY)
    [found] = told(folder)
    assert f"{file}:" in found
    assert "a policy stands in policy.yaml alone; move its rules there" in found


def test_nobody_gives_a_cluster_another_name_where_there_is_a_policy(folder: Path) -> None:
    other = CLUSTERS.replace("prod-eu", "prod-mine")
    (folder / "payments/clusters.yaml").write_text(other)
    [found] = told(folder)
    expected = "where there is a policy, clusters stand in clusters.yaml alone; move them there"
    assert found == f"payments/clusters.yaml:2:7: {expected}"
    (folder / "policy.yaml").unlink()
    assert set(files.load(folder).clusters) == {"prod-eu", "prod-mine"}


def test_a_file_that_holds_no_policy_is_no_policy_that_allows_all(folder: Path) -> None:
    (folder / "policy.yaml").write_text("# rules: []\n")
    expected = "policy.yaml:1:1: holds no policy, and nothing would be refused; write its rules, or take the file away"
    assert told(folder) == [expected]


def test_there_is_one_policy(folder: Path) -> None:
    (folder / "policy.yaml").write_text(f"{POLICY}---\n{POLICY}")
    assert told(folder) == ["policy.yaml:10:7: a second policy; make one of both"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sources:", "source:", "5:5: unknown field source; did you mean sources?"),
        ("[payments/*.yaml]", "[/payments]", "4:16: rules[0].mappings[0] should be a pattern of files, relative to"),
        ("[prod-*]", "[PROD]", "6:16: rules[0].clusters[0] should be a pattern of names, as prod-*"),
        ("[payments]", "[a b]", "7:18: rules[0].namespaces[0] should be a pattern of namespaces' names, as team-*"),
        ("[payments]", "payments", "7:17: rules[0].namespaces should be [team-a]"),
        ('["prod/payments/*"]', "[a b]", "5:32: rules[0].sources.secretsManager[0] should be a pattern of names, as"),
        ('["prod/payments/*"]', "[a], accounts: [x]", "5:47: rules[0].sources.accounts[0] should be the twelve digits"),
        ("    clusters: [prod-*]\n", "", "4:5: rules[0].clusters is missing; add it, as [prod-eu]"),
        ("    namespaces: [payments]\n", "    namespaces: [a]\n    types: [a b]\n", "8:13: rules[0].types[0] should"),
        ("[prod-*]", "[a]\n    types: [Opaque, opaque]", "7:21: rules[0].types[1]: opaque is no type of Kubernetes"),
        ("[prod-*]", "[a]\n    types: [kubernetes.io/tsl]", "7:13: rules[0].types[0]: kubernetes.io/tsl is no type"),
        ("[prod-*]", "[a]\n    labels: [a b]", "7:14: rules[0].labels[0] should be a pattern of keys of labels or"),
        ("[prod-*]", "[a]\n    labels: a", '7:13: rules[0].labels should be ["example.com/*"]'),
        ("[prod-*]", "[a]\n    restarts: a", '7:15: rules[0].restarts should be ["team-a-*"]'),
        ("[prod-*]", "[a]\n    policies: [delete]", "7:15: rules[0].policies should be {deletion: [retain, merge, de"),
        ("[prod-*]", "[a]\n    policies: {keys: [x]}", "7:23: rules[0].policies.keys[0] should be ours or exclusive"),
        ('["prod/payments/*"]', "[a], roles: [x]", "5:44: rules[0].sources.roles[0] should be a pattern of ARNs of"),
        ('["prod/payments/*"]', "[a], regions: [EU]", "5:46: rules[0].sources.regions[0] should be a pattern of regio"),
        ('["prod/payments/*"]', "[a], externalIds: [é]", "5:50: rules[0].sources.externalIds[0] should be a pattern"),
        ('["prod/payments/*"]', "[a], sessionTags: {a: b}", "5:53: rules[0].sources.sessionTags.a should be [team-a]"),
        ('["prod/payments/*"]', "[a], sessionTags: {a: [é]}", "5:54: rules[0].sources.sessionTags.a[0] should be a pa"),
        ('["prod/payments/*"]', "[a], sessionTags: [a]", "5:49: rules[0].sources.sessionTags should be {team: [team-a"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_policy_is_told_with_what_would_be_right(folder: Path, old: str, new: str, said: str) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace(old, new))
    assert any(each.startswith(f"policy.yaml:{said}") for each in told(folder)), told(folder)
