"""A field in the wrong place is told with its right one; one cause is one problem; other programs' files are known."""

from pathlib import Path

import pytest

from tests.unit.test_files import CLUSTERS, MAPPING, load, told

SOURCES = "  sources:\n    db: {secretsManager: prod/payments/db}\n"
ENTRY = "{from: db, path: password}"
NO_DEEPER = "begins no deeper than password, which is empty so; indent all that belongs into spec.secret.data.password"
SECRET = MAPPING[MAPPING.index("  secret:") : MAPPING.index("  restart:")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  restart", "      restart", "14:7: restart belongs into spec, beside secret; here it is a key of data"),
        ("  restart", "    restart", "14:5: unknown field restart; it belongs into spec, beside secret"),
        ("  restart", "restart", "14:1: unknown field restart; it belongs into spec"),
        ("  restart", "      policies: {deletion: delete}\n  restart", "14:7: policies belongs into spec, beside"),
        ("  restart", "      type: Opaque\n  restart", "14:7: type belongs into spec.secret, beside data; here"),
        ("  restart", "  deletion: delete\n  restart", "14:3: unknown field deletion; it belongs into spec.policies"),
        ("    data", "    namespace: a\n    data", "12:5: unknown field namespace; did you mean namespaces? It"),
        ("spec:", "  labels: {a: b}\nspec:", "5:3: unknown field labels; it belongs into spec.secret"),
        ("spec:", "spec:\n  name: x", "6:3: unknown field name; it belongs into spec.secret"),
        ("spec:", "  kind: x\nspec:", "5:3: unknown field kind; it belongs to the top of the document, beside"),
        ("path: password", "region: eu-west-1", "13:28: unknown field region; it belongs into spec.sources.db"),
        ("db}", "db, decode: base64}", "7:44: unknown field decode; it belongs into spec.secret.data.password"),
        (f"{SECRET}  restart: auto\n", SECRET.replace("  ", "", 1), "10:1: unknown field secret; it belongs into spec"),
        (SOURCES, "", "5:1: spec.sources is missing; add it, as {db: {secretsManager: prod/payments/db}}"),
        ("  clusters: [prod-eu]\n", "", "5:1: spec.clusters is missing; add it, as [prod-eu], or"),
        ("  secret:", "  secrt:", "10:3: unknown field secrt; did you mean secret?"),
        ("spec:", "sepc:", "5:1: unknown field sepc; did you mean spec?"),
        ("restart", "xyz", "14:3: unknown field xyz; possible here: clusters, namespaces, owner"),
        ("from: db", "from:db", "13:18: a colon and a space stand after a key, as from: …"),
        ("  name: payments-db\nspec", "  name:: payments-db\nspec", "4:3: a colon and a space stand after a key, as"),
        ("  name: payments-db\nspec", "  name:payments-db\nspec", "4:3: metadata: a space is missing after a colon,"),
        ("      password: {", "      pass=x: {", "13:7: spec.secret.data: a colon and a space stand after a key"),
        ("[payments]", "\n    -payments", "10:5: spec.namespaces: a space is missing after the hyphen of an item"),
        ("    db: {", "    d-b: {", "7:5: spec.sources.d-b should be letters, digits and '_', not beginning with a"),
        ("[prod-eu]", "", "8:12: spec.clusters: empty; give it a value, as [prod-eu], or {matchLabels: {env: prod}}"),
        ("kind: Secret", "kind:: Secret", "1:1: a colon and a space stand after a key, as kind: SecretMapping"),
        ("kind: Secret", "knid: Secret", "1:1: unknown field knid; did you mean kind?"),
        ("path: password", "path: password, value: 12345", "13:51: spec.secret.data.password.value should be text;"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_that_says_what_would_be_right(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    [problem] = told(tmp_path, a=MAPPING.replace(old, new, 1))
    assert problem.startswith(f"a.yaml:{said}")
    assert "12345" not in problem


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path: password", "path: ", "13:34: spec.secret.data.password.path"),
        ("path: password", "path: null", "13:34: spec.secret.data.password.path"),
        ("path: password", "path: ~", "13:34: spec.secret.data.password.path"),
        ("path: password", "path: a, decode: ", "13:45: spec.secret.data.password.decode"),
        ("path: password", "path: a, default: ", "13:46: spec.secret.data.password.default"),
        ("{from: db, path: password}", "\n        from: db\n        path:\n", "15:14: spec.secret.data.password.path"),
        ("from: db, path: password", "from: ", "13:24: spec.secret.data.password.from"),
        ("prod/payments/db}", "prod/payments/db, label: }", "7:51: spec.sources.db.label"),
        ("prod/payments/db}", "prod/payments/db, version: }", "7:53: spec.sources.db.version"),
        ("prod/payments/db}", "prod/payments/db, region: }", "7:52: spec.sources.db.region"),
        ("    name: payments-db\n    data", "    name: payments-db\n    type:\n    data", "12:10: spec.secret.type"),
        ("    data:", "    dataFrom: [{from: db, path: }]\n    data:", "12:33: spec.secret.dataFrom[0].path"),
    ],
)  # fmt: skip
def test_a_field_without_a_value_is_not_taken_for_one_that_is_left_out(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    [problem] = told(tmp_path, a=MAPPING.replace(old, new, 1))
    assert problem.startswith(f"a.yaml:{said}: empty; give it a value, ")


def shift(text: str, first: int, last: int, by: int) -> str:
    """Return a text with some of its lines indented otherwise."""
    lines = text.splitlines()
    moved = [" " * by + line if by > 0 else line[-by:] for line in lines[first - 1 : last]]
    return "\n".join([*lines[: first - 1], *moved, *lines[last:]]) + "\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((5, 5, 2), "5:3: unknown field spec; it belongs to the top of the document, beside metadata"),
        ((6, 14, -2), "6:1: sources begins no deeper than spec, which is empty so; indent all that belongs into spec"),
        ((6, 7, -2), "6:1: sources begins no deeper than spec, which is empty so; indent all that belongs into spec"),
        (
            (11, 13, -2),
            "11:3: name begins no deeper than secret, which is empty so; indent all that belongs into spec.",
        ),
        ((13, 13, -2), "13:5: password begins no deeper than data, which is empty so; indent all that belongs into"),
        ((13, 13, -4), "13:3: password begins no deeper than data, which is empty so; indent all that belongs into"),
        ((12, 13, -2), "12:3: unknown field data; it belongs into spec.secret"),
        ((12, 13, 2), "12:7: not YAML: indented by 6, and what stands beside it by 4; begin the keys of one"),
        ((4, 4, -2), "4:1: name begins no deeper than metadata, which is empty so; indent all that belongs into meta"),
    ],
)
def test_lines_that_are_indented_wrongly_are_one_problem(
    tmp_path: Path, lines: tuple[int, int, int], said: str
) -> None:
    [problem] = told(tmp_path, a=shift(MAPPING, *lines))
    assert problem.startswith(f"a.yaml:{said}")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("spec:\n", "", "5:3: spec is missing; write spec: above this, and indent what belongs into it"),
        ("metadata:\n  name", "name", "3:1: unknown field name; it belongs into metadata"),
        (ENTRY, "\n      from: db\n      path: password", f"14:7: from {NO_DEEPER}"),
        (ENTRY, "\n      value: canary-1", f"14:7: value {NO_DEEPER}"),
        (ENTRY, "\n    from: db\n    path: password", f"14:5: from {NO_DEEPER}"),
        (f"  password: {ENTRY}", f"password: {ENTRY}\n    user: {ENTRY}", "13:5: password begins no deeper than data"),
        ("auto", "[{deployment: api}]", "14:14: unknown field deployment; possible here: kind, name; write it as {ki"),
        ("[prod-eu]", "['*']", "8:14: spec.clusters[0]: patterns choose no clusters; labels do, as"),
        ("[prod-eu]", "['arn:aws:eks:x']", "8:14: spec.clusters[0] should be lower-case letters, digits and '-'"),
        ("    name: pay", "    metadata: {name: x} # ", "11:5: unknown field metadata; write name here, without it"),
        ("    name: payments-db\n", "    secretName: x\n", "11:5: unknown field secretName; a mapping has secret:"),
        ("    data", "    dataFrom: [{extract: {key: a}}]\n    data", "12:17: unknown field extract; a mapping has da"),
        ("from: db", "from: 'db,'", "13:24: spec.secret.data.password.from: the comma at its end is a part of the"),
        ("\n    db: {secretsManager: prod/payments/db}", " {}", "6:12: spec.sources is empty; it needs something in"),
        ("db}", "db, stage: x}", "7:44: unknown field stage; did you mean label?"),
        ("db}", "db, versionStage: x}", "7:44: unknown field versionStage; did you mean label?"),
        ("db}", "db, key: x}", "7:44: unknown field key; path says it where the value is used, as {from: db, path: p"),
        ("{secretsManager:", "{arn:", "7:10: unknown field arn; did you mean secretsManager?"),
        ("{secretsManager:", "{name:", "7:10: unknown field name; did you mean secretsManager?"),
        ("[payments]", "{team: a}", "9:16: unknown field team; labels stand in matchLabels, as {matchLabels: {team: …"),
        ("[payments]", "[{team: a}]", "9:17: unknown field team; labels stand in matchLabels, as {matchLabels: {team"),
        ("[payments]", "{labels: {team: a}}", "9:16: unknown field labels; did you mean matchLabels?"),
        ("[payments]", "{payments}", "9:16: unknown field payments; names stand in a list, as [payments]"),
        ("[prod-eu]", "{prod-eu}", "8:14: unknown field prod-eu; names stand in a list, as [prod-eu]"),
        ("[payments]", "{xyz: [a]}", "9:16: unknown field xyz; possible here: exclude, matchExpressions, matchLabels"),
        ("[payments]", "{matchLabels: a=b}", "9:29: spec.namespaces.matchLabels: a colon and a space stand between"),
        ("[payments]", "\n    - a\n      - b", "10:7: spec.namespaces[0]: the next item is indented deeper than"),
        ("prod/payments/db", "[x]", "7:26: spec.sources.db.secretsManager should be text alone, without brackets"),
        ("prod/payments/db", "{a: x}", "7:26: spec.sources.db.secretsManager should be text alone, without braces"),
        ("    data", "    type: kubernetes.io/tls\n    data", "12:11: spec.secret.type: a Secret of type kubernetes."),
    ],
)  # fmt: skip
def test_one_cause_is_one_problem(tmp_path: Path, old: str, new: str, said: str) -> None:
    [problem] = told(tmp_path, a=MAPPING.replace(old, new, 1))
    assert problem.startswith(f"a.yaml:{said}")


def test_a_source_that_is_called_as_the_place_is_told_once(tmp_path: Path) -> None:
    wrong = MAPPING.replace("    db: {", "    namespace: {").replace("from: db", "from: namespace")
    [problem] = told(tmp_path, a=wrong)
    assert problem.startswith("a.yaml:7:5: spec.sources: namespace is a variable of every template")


@pytest.mark.parametrize(
    "entry",
    ["{value canary}", "{canary}", "{value: a, canary}", "{canary=}", "{value: a, canary x: y}", "{a: b, canary: c}"],
)
def test_what_may_be_a_part_of_a_value_is_never_shown(tmp_path: Path, entry: str) -> None:
    assert "canary" not in "".join(told(tmp_path, a=MAPPING.replace(ENTRY, entry)))


def test_a_key_that_has_its_value_in_it_is_never_shown(tmp_path: Path) -> None:
    wrong = MAPPING.replace(f"\n      password: {ENTRY}", " {password canary}")
    assert told(tmp_path, a=wrong) == ["a.yaml:12:12: spec.secret.data: a colon and a space stand after a key"]


def test_a_name_of_a_cluster_that_is_wrong_is_told_where_it_is_defined(tmp_path: Path) -> None:
    [problem] = told(tmp_path, clusters=CLUSTERS.replace("- name: prod-eu", "- name: Prod_EU"), a=MAPPING)
    assert problem.startswith("clusters.yaml:4:11: clusters[0].name should be lower-case letters")


def test_a_field_in_the_wrong_place_is_not_told_to_be_missing_in_the_right_one(tmp_path: Path) -> None:
    moved = "".join(f"  {line}" for line in SOURCES.splitlines(keepends=True))
    text = MAPPING.replace(SOURCES, "").replace("    data", f"{moved}    data")
    assert told(tmp_path, a=text) == ["a.yaml:10:5: unknown field sources; it belongs into spec, beside secret"]


def test_a_field_that_a_data_key_is_called_after_is_a_key(tmp_path: Path) -> None:
    text = MAPPING.replace("  restart", "      restart: {from: db, path: restart}\n  restart")
    assert load(tmp_path, a=text).mappings
    [problem] = told(tmp_path, a=text.replace("path: restart", "pth: restart"))
    assert problem.endswith("unknown field pth; did you mean path?")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path: pass", "jmesPath: pass", "13:28: unknown field jmesPath; a mapping has path"),
        ("{from: db,", "{remoteRef: {key: x},", "13:18: unknown field remoteRef; a mapping has {from: db, path: pass"),
        ("  restart", "  target: {name: x}\n  restart", "14:3: unknown field target; a mapping has secret (https://"),
        ("  restart", "  refreshInterval: 1h\n  restart", "14:3: unknown field refreshInterval; leave it out: each"),
        ("      password: {from", "    - secretKey: x\n      x: {from", "13:5: spec.secret.data: a mapping has data:"),
    ],
)  # fmt: skip
def test_a_field_of_another_program_is_told_with_ours(tmp_path: Path, old: str, new: str, said: str) -> None:
    [problem] = told(tmp_path, a=MAPPING.replace(old, new))
    assert problem.startswith(f"a.yaml:{said}")


@pytest.mark.parametrize(
    ("api_version", "kind", "said"),
    [
        ("external-secrets.io/v1", "ExternalSecret", "is External Secrets'; how a mapping says the same:"),
        ("keyferry.dev/v1", "ClusterSecretStore", "is External Secrets'; how a mapping says the same: https://"),
        ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "is the Secrets Store CSI driver's; how a mapping"),
        ("v1", "Secret", "is what a mapping makes; values stay in AWS, and a SecretMapping says which:"),
        ("apps/v1", "Deployment", "of apps/v1 is none of Keyferry's, and this folder holds its files alone"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization", "is Kustomize's; the folder of the mappings holds"),
    ],
)  # fmt: skip
def test_a_document_of_another_program_is_told_with_the_guide(
    tmp_path: Path, api_version: str, kind: str, said: str
) -> None:
    wrong = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{}}\n"
    [problem] = told(tmp_path, a=wrong, b=MAPPING)
    assert problem.startswith(f"a.yaml:2:7: kind {kind} {said}")


def test_clusters_that_are_not_there_are_told_once(tmp_path: Path) -> None:
    texts = {"a": MAPPING, "b": MAPPING.replace("payments-db", "other")}
    missing = "list the clusters that mappings name, as [{name: prod-eu, eks:"
    [problem] = told(tmp_path, clusters="# none\n", **texts)
    assert problem.startswith(f"clusters.yaml:1:1: has no cluster; {missing}")
    (tmp_path / "mappings").mkdir()
    for name, text in texts.items():
        (tmp_path / f"mappings/{name}.yaml").write_text(text)
    assert len(told(tmp_path, clusters=CLUSTERS.replace("clusters:", "cluster:"))) == 3  # and the names twice


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("clusters:", "cluster:", "3:1: unknown field cluster; did you mean clusters?"),
        ("Clusters", "Cluster", "2:7: unknown kind Cluster; did you mean Clusters?"),
        ("kind: Clusters\n", "", "1:1: kind is missing; there is: Clusters, Policy, SecretMapping, Stack"),
        ("kind: Clusters", "kind: [Clusters]", "2:7: unknown kind ['Clusters']; did you mean Clusters?"),
        ("- name: prod-eu", "- nam: prod-eu", "4:5: unknown field nam; did you mean name?"),
    ],
)
def test_a_slip_in_clusters_is_not_told_again_by_each_mapping(tmp_path: Path, old: str, new: str, said: str) -> None:
    problems = told(tmp_path, clusters=CLUSTERS.replace(old, new, 1), a=MAPPING)
    assert [problem.startswith(f"clusters.yaml:{said}") for problem in problems] == [True]


def test_clusters_in_a_folder_above_are_told_with_the_option_that_takes_them(tmp_path: Path) -> None:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "team").mkdir()
    (tmp_path / "team/a.yaml").write_text(MAPPING)
    [problem] = told(tmp_path / "team", clusters="")
    assert problem == (
        f"clusters.yaml:1:1: no cluster is known here, and {tmp_path}/clusters.yaml has some;"
        f" say --mappings {tmp_path}, or move it here"
    )


def test_two_names_for_one_cluster_are_refused(tmp_path: Path) -> None:
    """They could be chosen by one mapping, or by two that write one Secret, and nobody would keep these in a row."""
    twice = CLUSTERS + CLUSTERS.partition("clusters:\n")[2].replace("- name: prod-eu", "- name: alias")
    assert told(tmp_path, clusters=twice, a=MAPPING) == [
        f"clusters.yaml:7:11: alias is the same cluster of EKS as prod-eu in {tmp_path}/clusters.yaml:4;"
        " keep one of the names, or give it an eks of its own"
    ]
    assert load(tmp_path, clusters=twice.replace("region: eu-west-1", "region: us-east-1", 1), a=MAPPING).mappings
