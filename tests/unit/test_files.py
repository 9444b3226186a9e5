"""A folder of mapping files: what is right is taken; each mistake is told with its place and what would be right."""

import os
from pathlib import Path

import pytest

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.mapping.catalog import Catalog

ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = """\
apiVersion: keyferry.dev/v1
kind: Clusters
clusters:
  - name: prod-eu
    eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}
    labels: {env: prod}
"""
MAPPING = """\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata:
  name: payments-db
spec:
  sources:
    db: {secretsManager: prod/payments/db}
  clusters: [prod-eu]
  namespaces: [payments]
  secret:
    name: payments-db
    data:
      password: {from: db, path: password}
  restart: auto
"""


def load(folder: Path, **texts: str | bytes) -> Catalog:
    """Load a folder of these files; clusters.yaml is there unless given."""
    for name, text in ({"clusters": CLUSTERS} | texts).items():
        (folder / f"{name}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return files.load(folder)


def told(folder: Path, **texts: str | bytes) -> list[str]:
    """Return what is said of what is wrong: file:line:column: message."""
    with pytest.raises(InvalidFiles) as raised:
        load(folder, **texts)
    assert str(raised.value) == "\n".join(map(str, raised.value.problems))
    return [str(problem).removeprefix(f"{folder}/") for problem in raised.value.problems]


def test_mappings_are_read_from_every_file_of_the_folder_and_below(tmp_path: Path) -> None:
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams/shop.yml").write_text(MAPPING.replace("payments", "shop"))
    (tmp_path / "README.md").write_text("not a mapping")
    other = MAPPING.replace("payments-db", "payments-tls")
    found = load(tmp_path, payments=f"# two in one file\n---\n{MAPPING}---\n{other}")
    assert list(found.mappings) == ["payments-db", "payments-tls", "shop-db"]
    assert list(found.clusters) == ["prod-eu"]


def test_a_version_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    wrong = MAPPING.replace("{secretsManager: prod/payments/db}", "{secretsManager: prod/payments/db, version: latest}")
    text = "version latest is what is read without a version: leave it out"
    assert told(tmp_path, payments=wrong) == [f"payments.yaml:7:9: spec.sources.db: {text}"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, a=b"\xef\xbb\xbf" + MAPPING.encode()).mappings


OUTSIDE = "a link to outside of the folder of the mappings; keep the file itself here"


@pytest.mark.parametrize("target", ["../outside/canary.yaml", "../outside/gone.yaml", "/etc/passwd"])
def test_a_mapping_file_that_is_a_link_to_outside_is_refused_and_nothing_of_it_is_told(
    tmp_path: Path, target: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/canary.yaml").write_text("kind: canary-kind\ncanary-key: [")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/a.yaml").symlink_to(target)
    assert told(tmp_path / "mappings") == [f"a.yaml:1:1: {OUTSIDE}"]


def test_a_link_to_a_folder_is_refused_so_that_no_mapping_is_missing_in_silence(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "mappings").mkdir()
    for name, target in {"inner": ".", "shop": "../shop", ".hidden": "../shop"}.items():
        (tmp_path / "mappings" / name).symlink_to(target)
    message = "1:1: a link to a folder, and links are not followed; keep the files themselves here"
    assert told(tmp_path / "mappings", a=MAPPING) == [f"inner:{message}", f"shop:{message}"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "gone"])
def test_what_is_called_as_a_mapping_file_and_is_no_file_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.yml"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.symlink_to("a.yml" if kind == "loop" else "gone.yml")
    assert told(tmp_path) == [
        "a.yml:1:1: no file, and its name ends as those of mapping files do; give it another name"
    ]


def test_a_link_within_the_folder_is_read_as_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/mapping.txt").write_text(MAPPING)
    (tmp_path / "a.yaml").symlink_to("texts/mapping.txt")
    assert set(load(tmp_path).mappings) == {"payments-db"}


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/a.yaml").write_text("]")
    (tmp_path / ".a.yaml").write_text("]")
    assert load(tmp_path, a=MAPPING).mappings


def test_a_folder_that_holds_comments_alone_is_empty_and_right(tmp_path: Path) -> None:
    assert load(tmp_path, clusters="# apiVersion: …\n", a="# a sample\n---\n# and another\n") == Catalog(
        folder=str(tmp_path)
    )


@pytest.mark.parametrize("name", ["a.txt", "a.json"])
def test_a_folder_without_any_yaml_file_is_probably_the_wrong_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(MAPPING)
    with pytest.raises(InvalidFiles, match="no YAML file in it; begin with"):
        files.load(tmp_path)


def test_a_folder_that_does_not_exist_is_told_with_the_option_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidFiles, match="no such folder; name the folder of the mappings with --mappings"):
        files.load(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidFiles, match="not a folder; name the folder"):
        files.load(tmp_path / "file")


def test_every_problem_of_every_file_is_told_at_once_in_the_order_of_its_place(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        clusters=CLUSTERS.replace("eu-west-1", "Ireland"),
        a=MAPPING.replace("from: db", "from: bd").replace("restart:", "restrat:"),
        b=f"{MAPPING}---\n{MAPPING.replace('name: payments-db', 'name: B')}",
    )
    assert [each.split(": ")[0] for each in found] == [
        "a.yaml:13:24",
        "a.yaml:14:3",
        "b.yaml:19:9",
        "b.yaml:26:11",
        "clusters.yaml:5:34",
    ]


@pytest.mark.parametrize(
    ("many", "said"),
    [
        ("{from: dbb}", "12:23: no source is called dbb; did you mean db?"),
        ("{from: db, keys: [{template: '{{ kye }}'}]}", "12:45: the template names kye, and it knows key alone"),
        ("{from: db, keys: [{case: title}]}", "12:41: spec.secret.dataFrom[0].keys[0].case should be lower or upper"),
        ("{from: db, key: []}", "12:27: unknown field key; did you mean keys?"),
    ],
)
def test_a_mistake_about_many_keys_is_told_with_its_place(tmp_path: Path, many: str, said: str) -> None:
    (found,) = told(tmp_path, a=MAPPING.replace("    data:\n", f"    dataFrom: [{many}]\n    data:\n"))
    assert found == f"a.yaml:{said}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("restart: auto", "restrat: auto", "14:3: unknown field restrat; did you mean restart?"),
        ("path: password", "pth: password", "13:28: unknown field pth; did you mean path?"),
        ("  name: payments-db\nspec", "  name: a\n  labels: {}\nspec", "5:3: unknown field labels; it belongs"),
        ("from: db", "from: bd", "13:24: no source is called bd; there is: db"),
        ("[prod-eu]", "[prod-ue]", "8:14: no cluster is called prod-ue; did you mean prod-eu?"),
        ("[prod-eu]", "[zzz]", "8:14: no cluster is called zzz; clusters.yaml has: prod-eu"),
        ("[prod-eu]", "prod-eu", "8:13: spec.clusters should be [prod-eu], or {matchLabels: {env: prod}}"),
        ("[payments]", "{matchLabel: {a: b}}", "9:16: unknown field matchLabel; did you mean matchLabels?"),
        ("[payments]", "[Payments]", "9:16: spec.namespaces[0] should be lower-case letters, digits and '-'"),
        ("[payments]", "[1]", "9:16: spec.namespaces[0] should be text in quotes, as "),
        ("[payments]", '["team-*"]', '9:16: spec.namespaces[0]: patterns have a place of their own, as {names: ["'),
        ("[payments]", "[a, {matchLabels: {a: true}}]", "9:37: spec.namespaces[1].matchLabels.a should be text"),
        ("[payments]", "[]", "9:15: spec.namespaces is empty; it needs something in it"),
        ("restart: auto", "restart: yes", "14:12: spec.restart should be auto, none, or [{kind: Deployment"),
        ("restart: auto", "restart: atuo", "14:12: spec.restart should be auto, none, or [{kind: Deployment"),
        ("auto", "[{kind: Foo, name: a}]", "14:20: spec.restart[0].kind should be Deployment, StatefulSet, DaemonSet"),
        ("auto", "[{kind: sts, name: a}]", "14:20: spec.restart[0].kind should be Deployment, StatefulSet, DaemonSet"),
        ("auto", "[{kind: CronJob, name: a}]", "14:20: spec.restart[0].kind: a CronJob needs no restart, since"),
        ("auto", "[{kind: jobs, name: a}]", "14:20: spec.restart[0].kind: a Job does not restart: one that runs keeps"),
        ("auto", "[{kind: Pod, name: a}]", "14:20: spec.restart[0].kind: a Pod that nothing runs anew does not"),
        ("auto", "[{kind: ReplicaSet, name: a}]", "14:20: spec.restart[0].kind: a ReplicaSet keeps its pods when its"),
        ("  name: payments-db\nspec", "  {}\nspec", "3:1: metadata.name is missing; add it"),
        ("    name: payments-db\n", "", "10:3: spec.secret.name is missing; add it"),
        ("{from: db, path: password}", "x", "13:17: spec.secret.data.password should be {from: db, path: password}"),
        ("password: {", "pass word: {", "13:7: spec.secret.data.pass word should be letters, digits, '-', '_' and '.'"),
        ("path: password", "path: a, optional: 'true'", "13:47: spec.secret.data.password.optional should be true"),
        ("path: password", "path: 'a['", "13:34: spec.secret.data.password.path: not a JMESPath expression"),
        ("prod/payments/db}", "prod/payments/db, version: 3}", "7:53: spec.sources.db.version should be text"),
        ("prod/payments/db}", "prod/*}", "7:9: spec.sources.db: not the name of a secret: letters, digits"),
        ("secretsManager: prod/", "parameterStore: prod/", "7:9: spec.sources.db: a parameter in a hierarchy"),
        ("{secretsManager: prod/payments/db}", "{}", "7:9: spec.sources.db: needs exactly one of secretsManager, "),
        ("    db:", "    range:", "7:5: range means something else in a template; call the source another name"),
        ("SecretMapping", "SecretMaping", "2:7: unknown kind SecretMaping; did you mean SecretMapping?"),
        ("kind: SecretMapping\n", "", "1:1: kind is missing; there is: Clusters, Policy, SecretMapping"),
        ("keyferry.dev/v1", "v1", "1:13: apiVersion should be keyferry.dev/v1"),
        ("name: payments-db", f"name: {'a' * 254}", "4:9: metadata.name should have 253 characters at most"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert any(each.startswith(f"a.yaml:{said}") for each in told(tmp_path, a=MAPPING.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  name: payments-db\nspec", "  name: a\n  namespace: b\nspec", "in spec, as namespaces: [payments]"),
        (
            "{secretsManager: prod/payments/db}",
            "prod/db",
            "spec.sources.db should be {secretsManager: prod/payments/db}",
        ),
        ("{from: db, path: password}", "hello", "spec.secret.data.password should be {from: db, path: password}"),
        ("restart: auto", "restart: [api]", "spec.restart[0] should be {kind: Deployment, name: api}"),
        ("restart: auto", "restart: [api, web]", "spec.restart[1] should be {kind: Deployment, name: api}"),
        (
            "    data:\n",
            "    registries: [{server: x, password: me}]\n    data:\n",
            "spec.secret.registries[0].password should be {from: db, path: password}",
        ),
        (
            "    data:\n",
            "    registries: [{server: x, password: {from: db}}]\n    data:\n",
            "spec.secret.registries[0].username is missing; add it, as {from: db, path: username}",
        ),
        ("    data:\n", "    tls: db\n    data:\n", "spec.secret.tls should be {from: bundle}, or {certificate: {from"),
        (
            "    data:\n",
            "    tls: {certificate: {form: db}, key: {from: db}}\n    data:\n",
            "unknown field form; did you mean from?",
        ),
        (
            "    data:\n",
            "    tls: {from: db, password: {template: '{{ dv }}'}}\n    data:\n",
            "12:42: the template names dv, and no source is called so",
        ),
        (
            "    data:\n",
            "    type: kubernetes.io/tls\n    data:\n",
            "type kubernetes.io/tls needs tls.crt and tls.key: add it to secret.data, or give another type",
        ),
        (
            "  sources:\n    db: {secretsManager: prod/payments/db}",
            "  sources: db",
            "spec.sources should be {db: {secretsManager:",
        ),
    ],
)
def test_what_has_another_shape_is_answered_with_an_example(tmp_path: Path, old: str, new: str, said: str) -> None:
    found = told(tmp_path, a=MAPPING.replace(old, new))
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            '"{{ dv.password }}"',
            "13:28: the template names dv, and no source is called so; there is: cluster, db, namespace",
        ),
        ('"{{ db.password"', "13:28: line 1 of the template: {{ is not closed by }}"),
        (
            '"{#\n          \n\n#}{{ dv.password }}"',
            "13:28: line 3 of the template: the template names dv, and no source",
        ),
        ('"{{ db | urlencod }}"', "13:28: line 1 of the template: No filter named 'urlencod'."),
        ("{{ db.password }}", '13:29: a key is text, no list or mapping; a template is written in quotes, as "{{'),
    ],
)
def test_a_template_that_cannot_be_filled_is_told(tmp_path: Path, template: str, said: str) -> None:
    wrong = MAPPING.replace("{from: db, path: password}", f"{{template: {template}}}")
    assert any(each.startswith(f"a.yaml:{said}") for each in told(tmp_path, a=wrong))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            "|\n          one\n\n            {{ dv.password }}\n",
            "17:13: the template names dv, and no source is called so;",
        ),
        ("|- # why\n\n          {{ db.x | urlencod }}\n", "16:11: No filter named 'urlencod'."),
        ("|\n          {% if db.x %}\n", "15:11: Unexpected end of template."),
        (
            ">\n          one\n          {{ dv.password }}\n",
            "14:19: the template names dv, and no source is called so;",
        ),
    ],
)
def test_what_is_wrong_in_a_block_is_told_at_its_line(tmp_path: Path, template: str, said: str) -> None:
    wrong = MAPPING.replace("{from: db, path: password}", f"\n        template: {template}")
    [problem] = told(tmp_path, a=wrong)
    assert problem.startswith(f"a.yaml:{said}")


def test_a_name_alone_is_told_as_a_key_of_the_source_that_has_it(tmp_path: Path) -> None:
    text = MAPPING.replace(
        "  sources:\n", "  sources:\n    a: {secretsManager: prod/a}\n    b: {secretsManager: prod/b}\n"
    )
    entries = "    data:\n      x: {from: b, path: password}\n      y: {template: '{{ password }}{{ zzz }}{{ a }}'}\n"
    one, other = told(tmp_path, a=text.replace("    data:\n", entries))
    assert one.endswith("names password, and no source is called so; a key of a source is written b.password")
    assert "names zzz, and no source is called so; there is: " in other


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_a_label_that_would_show_a_value_is_told(tmp_path: Path, field: str) -> None:
    text = f"  secret:\n    {field}: {{team: {{template: '{{{{ db.team }}}}'}}}}\n"
    found = told(tmp_path, a=MAPPING.replace("  secret:\n", text))
    assert any("the template names db, and it knows cluster and namespace alone; values" in each for each in found), (
        found
    )


@pytest.mark.parametrize("name", ["db", "variables", "dbb"])
def test_a_label_that_is_to_show_values_can_name_sources_and_variables(tmp_path: Path, name: str) -> None:
    label = f"    labels: {{team: {{template: '{{{{ {name}.team }}}}', showsValues: true}}}}\n"
    variables = "    variables: {data: {team: {from: db, path: team}}}\n"
    text = MAPPING.replace("  secret:\n", f"  secret:\n{label}{variables}")
    if name == "dbb":
        assert "names dbb, and no source is called so; did you mean db" in told(tmp_path, a=text)[0]
    else:
        assert load(tmp_path, a=text).mappings


def test_a_label_can_name_tags(tmp_path: Path) -> None:
    text = MAPPING.replace("  sources:\n", "  sources:\n    tags: {secretsManager: db, metadata: tags}\n")
    labels = "  secret:\n    labels: {team: {template: '{{ tags.team }}'}}\n"
    assert load(tmp_path, a=text.replace("  secret:\n", labels)).mappings
    labels = labels.replace("}}'", " ~ db.team }}'")
    found = told(tmp_path, a=text.replace("  secret:\n", labels))
    assert any("names db, and it knows cluster and namespace and tags alone" in each for each in found), found


def test_a_path_with_a_dash_is_told_how_to_quote_it(tmp_path: Path) -> None:
    found = told(tmp_path, a=MAPPING.replace("path: password", "path: db-password"))
    assert found[0].endswith("""is in double quotes: write '"db-password"'""")


@pytest.mark.parametrize(
    ("old", "new"), [("[payments]", '["team-*"]'), ("[payments]", "[payments, {matchLabels: {a: true}}]")]
)
def test_a_mistake_in_a_list_of_namespaces_is_told_once(tmp_path: Path, old: str, new: str) -> None:
    assert len(told(tmp_path, a=MAPPING.replace(old, new))) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    db: {", "    un: {secretsManager: x}\n    db: {", "7:9: warning: source un is used nowhere"),
        ("{from: db, path: password}", "{value: '{{ db.x }}'}", "13:25: warning: the Secret will hold these braces"),
        ("path: password", "path: \"'password'\"", "13:34: warning: path 'password' takes nothing from the source"),
        (
            "    data:",
            "    dataFrom: [{from: db, path: '[a]'}]\n    data:",
            "12:33: warning: path [a] makes a list of one value; the value alone is a",
        ),
        (
            "    data:",
            "    tls: {from: db, path: '[a]', password: {from: db, path: a}}\n    data:",
            "12:27: warning: path [a] makes a list of one value",
        ),
        (
            "    data:",
            "    tls: {certificate: {from: db}, key: {from: db, path: '[a]'}}\n    data:",
            "12:58: warning: path [a] makes a list of one value",
        ),
        (
            "    data:",
            "    registries: [{server: a, username: {from: db, path: '`1`'}, password: {from: db}}]\n    data:",
            "12:57: warning: path `1` takes nothing from the source",
        ),
        (
            "    db: {secretsManager: prod/payments/db}",
            "    db: {secretsManager: x}\n    all: {find: parameterStore, path: /app}",
            "14:7: warning: no name that begins with /app/ can be a key of a Secret, which has no slash: add keys",
        ),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = MAPPING.replace(old, new)
    if "find:" in new:
        text = text.replace("    data:\n", "    dataFrom:\n    - {from: all}\n    data:\n")
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "a.yaml").write_text(text)
    found = [str(each).removeprefix(f"{tmp_path}/a.yaml:") for each in files.check(tmp_path)[1]]
    assert any(each.startswith(said) for each in found), found


def test_a_cluster_in_a_region_that_is_not_known_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS.replace("eu-west-1", "eu-west-9"))
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    [warning] = files.check(tmp_path)[1]
    assert str(warning).startswith(
        f"{tmp_path}/clusters.yaml:5:34: warning: cluster prod-eu: no region of AWS is called eu-west-9, as far as this"
        " version knows: there is eu-west-1"
    )


@pytest.mark.parametrize(
    "many", ["{from: all, keys: [{stripPrefix: /app/}]}", "{from: all, invalidCharacters: escape}"]
)
def test_names_that_become_keys_are_no_warning(tmp_path: Path, many: str) -> None:
    text = MAPPING.replace("    db: {", "    all: {find: parameterStore, path: /app}\n    db: {")
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "a.yaml").write_text(text.replace("    data:\n", f"    dataFrom:\n    - {many}\n    data:\n"))
    assert files.check(tmp_path)[1] == []


def test_a_template_may_use_what_templates_have_themselves(tmp_path: Path) -> None:
    text = '"{% for i in range(2) %}{{ db.password }}{% endfor %}"'
    assert load(tmp_path, a=MAPPING.replace("{from: db, path: password}", f"{{template: {text}}}")).mappings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x\n", "1:4: anchors and aliases are not allowed; write the value out"),
        ("a: &x\n  - *x\n", "1:4: anchors and aliases are not allowed; write the value out"),
        ("a:\n\t- b\n", "2:1: a tab; YAML is indented with spaces"),
        ("a: 'b\n", "1:4: not YAML: the quote ' is never closed; close it on this line"),
        ("a: b: c\n", "1:5: not YAML: a text with a colon and a space in it is written in quotes"),
        ("a: {b: x/${c}/d}\n", '1:11: not YAML: a name with a placeholder is written in quotes, as "teams/'),
        ("a: {{ b }}:{{ c }}@x\n", '1:4: not YAML: a template is written in quotes, as "{{ db.password }}"'),
        ("a: {b: *}\n", '1:8: not YAML: a text that begins with * is written in quotes, as "*.yaml"'),
        (
            "a: [*-x]\n",
            "1:5: anchors and aliases are not allowed; write the value out, or text that begins so",
        ),
        ("a: 1\nb: 2\na: 3\n", "3:1: a appears twice (first on line 1); keep one of them"),
        ("true: 1\n", '1:1: a key is text: write it in quotes, as "true"'),
        ("a: {0777: 1}\n", '1:5: a key is text: write it in quotes, as "0777"'),
        ("[a]: 1\n", "1:1: a key is text, no list or mapping"),
        ("a: !vault b\n", "1:4: tags are not allowed; write the value alone, or text that begins with ! in quotes"),
        (f"a: 0x{'f' * 5_000}\n", "1:4: a number with too many digits; write it in quotes"),
        ("a: [b, @c]\n", "1:8: not YAML: a text that begins with @ is written in quotes"),
        ('a: "b\\d"\n', "1:6: not YAML: in double quotes a backslash begins an escape; write this text in single"),
        (
            "a: 'b'c\n",
            "1:7: not YAML: the value has ended before this; take it out, or write all of the value in quotes",
        ),
        (
            "a: [b\nc: d\n",
            "1:4: not YAML: [ is never closed; close it, as in {from: db} and [prod-eu]",
        ),
        ("a: |\n\tb\n", "2:1: a tab; YAML is indented with spaces"),
        ("ü: 'ü'\nüü: \x01\n", "2:5: a control character; remove it"),
        ("a: \x00\n", "1:4: a control character; remove it"),
        ("- a\n", "1:1: not a mapping of fields to values; begin with apiVersion: keyferry.dev/v1"),
        ("hello\n", "1:1: not a mapping of fields to values; begin with apiVersion: keyferry.dev/v1"),
        ("[" * 50_000, "1:1: nested too deeply; a mapping has a handful of levels"),
        ("#" * (files.MAX_BYTES + 1), "1:1: has 1,048,577 bytes; a mapping file has 1,048,576 at most: split it"),
        (b"# one\n# caf\xe9\n", "2:1: not UTF-8; save the file as UTF-8"),
    ],
)
def test_yaml_that_is_not_plain_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert any(each.startswith(f"a.yaml:{said}") for each in told(tmp_path, a=text))


def test_what_yaml_1_1_takes_for_booleans_times_and_dates_is_text(tmp_path: Path) -> None:
    texts = {"a": "no", "on": "on", "y": "y", "b": "12:30", "c": "2024-99-99", "d": "1_000", "e": "="}
    given = ", ".join(f"{key}: {text}" for key, text in texts.items())
    text = MAPPING.replace("  secret:\n", f"  secret:\n    annotations: {{{given}}}\n").replace("[payments]", "[no]")
    (found,) = load(tmp_path, a=text).mappings.values()
    assert found.spec.namespaces == ["no"]
    assert found.spec.secret.annotations == texts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yes", "true or false; in YAML 1.2 yes is text"),
        ("Off", "true or false; in YAML 1.2 Off is text"),
        ("canary", "true or false"),
        ("1", "true or false"),
    ],
)
def test_text_in_the_place_of_a_boolean_is_told_with_what_is_one(tmp_path: Path, text: str, said: str) -> None:
    found = told(tmp_path, a=MAPPING.replace("path: password", f"path: a, optional: {text}"))
    assert found == [f"a.yaml:13:47: spec.secret.data.password.optional should be {said}"]


@pytest.mark.parametrize("number", ["0777", "0o17", "0x1F", "1e3", "+.5", ".inf", "true", "9" * 5_000])
def test_a_number_in_the_place_of_text_is_told_to_be_put_in_quotes(tmp_path: Path, number: str) -> None:
    found = told(tmp_path, a=MAPPING.replace("prod/payments/db}", f"prod/payments/db, version: {number}}}"))
    shown = number if len(number) < 40 else "…"
    assert found == [f'a.yaml:7:53: spec.sources.db.version should be text; write it in quotes, as "{shown}"']


def test_a_file_that_cannot_be_read_is_told_with_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert told(tmp_path, a=MAPPING) == [
        "a.yaml:1:1: cannot be read: Permission denied",
        "clusters.yaml:1:1: cannot be read: Permission denied",
    ]


def test_a_name_is_used_once(tmp_path: Path) -> None:
    other = MAPPING.replace("    name: payments-db", "    name: other")
    assert told(tmp_path, a=MAPPING, b=other) == [
        f"b.yaml:4:9: a mapping called payments-db is in {tmp_path}/a.yaml:4 already; give this one another name"
    ]
    twice = CLUSTERS + CLUSTERS.partition("clusters:\n")[2]
    assert "a cluster called prod-eu is in" in told(tmp_path, clusters=twice, a=MAPPING, b="")[0]


def test_two_mappings_do_not_write_the_same_secret(tmp_path: Path) -> None:
    other = MAPPING.replace("name: payments-db\nspec", "name: other\nspec").replace(
        "[prod-eu]", "{matchLabels: {env: prod}}"
    )
    [found] = told(tmp_path, a=MAPPING, b=other)
    assert found.startswith(f"b.yaml:11:11: mapping payments-db ({tmp_path}/a.yaml:11) writes Secret payments-db in")


@pytest.mark.parametrize(("old", "new"), [("[payments]", "[shop]"), ("    name: payments-db", "    name: other")])
def test_two_mappings_may_write_beside_each_other(tmp_path: Path, old: str, new: str) -> None:
    other = MAPPING.replace("name: payments-db\nspec", "name: other\nspec").replace(old, new)
    assert len(load(tmp_path, a=MAPPING, b=other).mappings) == 2


def test_clusters_that_cannot_be_read_are_not_told_of_again_in_each_mapping(tmp_path: Path) -> None:
    assert told(tmp_path, clusters="]", a=MAPPING)[0].startswith("clusters.yaml:1:1: not YAML")
    assert len(told(tmp_path, clusters="]", a=MAPPING)) == 1


def test_a_cluster_that_is_wrong_is_known_all_the_same(tmp_path: Path) -> None:
    [found] = told(tmp_path, clusters=CLUSTERS.replace('"111122223333"', "111122223333"), a=MAPPING)
    assert found == 'clusters.yaml:5:54: clusters[0].eks.account should be text; write it in quotes, as "111122223333"'


WHOLE = 'name: a, eks: {name: a, region: eu-west-1, account: "111122223333"}'


@pytest.mark.parametrize(
    ("clusters", "said"),
    [
        (
            "spec:\n  clusters: []\n",
            "3:1: unknown field spec; in a file of clusters, clusters stands at the top, beside",
        ),
        (
            "spec:\n  clusters: []\n",
            "1:1: clusters is missing; add it, as [{name: prod-eu, eks: {name: prod-eu, region:",
        ),
        ("clusters: prod-eu\n", "3:11: clusters should be [{name: prod-eu, eks: {name: prod-eu, region:"),
        (
            f"clusters:\n- {{{WHOLE}, restartKinds: [CronJob]}}",
            "4:88: clusters[0].restartKinds[0]: a CronJob needs no restart, since each run reads the Secret",
        ),
        (
            f"clusters:\n- {{{WHOLE}, restartKinds: Rollout}}",
            "4:87: clusters[0].restartKinds should be [Deployment, StatefulSet, DaemonSet]",
        ),
        ("clusters:\n- name: a\n", "4:3: clusters[0].eks is missing; add it, as {name: prod-eu, region: eu-west-1"),
    ],
)
def test_a_mistake_in_clusters_is_answered_with_the_form_of_clusters(tmp_path: Path, clusters: str, said: str) -> None:
    found = told(tmp_path, clusters=f"apiVersion: keyferry.dev/v1\nkind: Clusters\n{clusters}", a="")
    assert any(each.startswith(f"clusters.yaml:{said}") for each in found), found


def test_without_clusters_the_message_says_so(tmp_path: Path) -> None:
    [found] = told(tmp_path, clusters="", a=MAPPING)
    assert found.startswith("clusters.yaml:1:1: has no cluster; list the clusters that mappings name, as [{name: prod")


def test_a_problem_quotes_no_value(tmp_path: Path) -> None:
    wrong = (
        MAPPING.replace("path: password", "path: [canary-1]")
        .replace("auto", "canary-2")
        .replace("[payments]", "[CANARY]")
    )
    assert "canary" not in "\n".join(told(tmp_path, a=wrong)).lower()


def test_the_examples_are_right() -> None:
    found = files.load(ROOT / "examples/mappings")
    assert set(found.clusters) == {"prod-eu", "prod-us"}
    assert {"payments-db", "shop-session"} <= set(found.mappings)


def test_the_samples_are_right_once_their_comments_are_taken_away(tmp_path: Path) -> None:
    assert files.load(ROOT / "mappings") == Catalog(folder=str(ROOT / "mappings"))
    for sample in (ROOT / "mappings").glob("*.yaml"):
        _hint, *lines = sample.read_text().splitlines()
        (tmp_path / sample.name).write_text("\n".join(line.removeprefix("# ") for line in lines))
    assert files.load(tmp_path).mappings
