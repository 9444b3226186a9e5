"""Every example in the guides is one that `validate` finds nothing wrong with, and every field has one."""

import re
import tomllib
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from pydantic import BaseModel

from keyferry.access import entries
from keyferry.cli import sam
from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.cli.generated import render_files
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.data import Entry, Registry, Tls
from keyferry.mapping.keys import KeyRule, Regexp
from keyferry.mapping.mapping import Metadata, SecretMapping, Spec, Team, Workload
from keyferry.mapping.policies import Policies
from keyferry.mapping.secret import DataFrom, SecretSpec, Template
from keyferry.mapping.stack import Stack
from keyferry.mapping.targets import Cluster, Eks, Expression, NamespaceSelector
from keyferry.policy.metadata import is_harmless
from keyferry.policy.rules import AllowedPolicies, AllowedSources, Policy, Rule
from keyferry.stores.source import Source
from tests.unit.samples import cluster, mapping

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEAMS = ROOT / "docs/map/teams.md"
REFERENCE = (ROOT / "docs/map/mappings.md").read_text()
MODELS = [
    *(
        SecretMapping,
        Metadata,
        Spec,
        Policies,
        Team,
        Source,
        SecretSpec,
        Tls,
        Registry,
        Entry,
        DataFrom,
        KeyRule,
        Regexp,
    ),
    *(NamespaceSelector, Expression, Template, Workload, Cluster, Eks, Stack),
]


def examples() -> list[tuple[str, Any]]:
    """Return each YAML example of the guides, and the guide that it is in."""
    found = []
    for guide in (guide for guide in GUIDES if guide.name != "notify.md"):  # that has templates of CloudFormation
        for text in re.findall(r"^```yaml\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL):
            found += [(guide.name, each) for each in yaml.safe_load_all(text)]
    mine = [(name, each) for name, each in found if isinstance(each, dict) and name != TEAMS.name]
    return [(name, each) for name, each in mine if each.get("kind") in ("SecretMapping", "Clusters", None)]


def whole(example: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with an example in it, where the example is a part of one."""
    if "kind" in example:
        return example
    first: dict[str, Any] = next(each for _, each in examples() if each.get("kind") == "SecretMapping")
    return first | {"spec": first["spec"] | example}


def test_the_guides_have_examples() -> None:
    assert len(examples()) >= 12


@pytest.mark.parametrize(("guide", "example"), examples(), ids=str)
def test_nothing_is_wrong_with_an_example(guide: str, example: dict[str, Any], tmp_path: Path) -> None:
    own_first = sorted(examples(), key=lambda example: example[0] != guide)
    clusters = next(each for _, each in own_first if each.get("kind") == "Clusters")
    documents = [clusters] if example == clusters else [clusters, whole(example)]
    (tmp_path / "example.yaml").write_text(yaml.safe_dump_all(documents))
    (tmp_path / "payments.conf.j2").write_text("password = {{ db.password }}\n")
    catalog = files.load(tmp_path)
    assert set(catalog.clusters) == {"prod-eu", "prod-us"}
    assert len(catalog.mappings) == len(documents) - 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_in_the_reference(model: type[BaseModel]) -> None:
    names = {field.alias or name for name, field in model.model_fields.items()}
    assert {name for name in names if not re.search(rf"\b{name}\b", REFERENCE)} == set()


@pytest.mark.parametrize("guide", ["map/mappings.md", "deploy/index.md"])
def test_the_guides_show_a_stack_yaml_that_gives_the_stack_its_prefix(guide: str, tmp_path: Path) -> None:
    texts = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / guide).read_text(), re.MULTILINE | re.DOTALL)
    shown = [text for text in texts if "kind: Stack" in text]
    assert shown
    for text in shown:
        (tmp_path / "stack.yaml").write_text(text)
        assert files.load(tmp_path).stack.prefix == "keyferry-staging"


def test_the_guide_for_teams_shows_a_folder_that_its_policy_allows(tmp_path: Path) -> None:
    for text in re.findall(r"^```yaml\n(.*?)^```$", TEAMS.read_text(), re.MULTILINE | re.DOTALL):
        path = tmp_path / text.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert set(files.load(tmp_path / "mappings").mappings) == {"payments-db", "shop-session"}
    theirs = (tmp_path / "mappings/payments/db.yaml").read_text().replace("payments-db", "shop-db")
    (tmp_path / "mappings/shop/db.yaml").write_text(theirs)
    with pytest.raises(InvalidFiles) as raised:
        files.load(tmp_path / "mappings")
    shown = re.search(r"^mappings/shop/db.yaml:[^`]*", TEAMS.read_text(), re.MULTILINE)
    assert shown
    assert " ".join(shown[0].split()) in str(raised.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("model", [Policy, Rule, AllowedSources, AllowedPolicies], ids=lambda model: model.__name__)
def test_every_field_of_the_policy_is_in_the_guide_for_teams(model: type[BaseModel]) -> None:
    text = TEAMS.read_text()
    assert {name for name, field in model.model_fields.items() if f"{field.alias or name}:" not in text} == set()


def test_what_the_guide_for_teams_says_is_kept_out_is_no_harmless_label() -> None:
    table = TEAMS.read_text().partition("| keys | who acts on them |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    keys = [re.sub("[…*]", "x", key) for cell in cells for key in re.findall("`([^`]+)`", cell)]
    assert len(keys) > 20
    assert [key for key in keys if is_harmless(key)] == []


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page that are in a language."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


HALF = "deploy/cluster-half.md"
GENERATED = render_files(build_catalog([mapping()], [cluster("prod-eu")]))
"""What is generated for one mapping in one cluster."""


def test_the_guide_s_terraform_reads_the_list_of_access_entries() -> None:
    text, _ = blocks(HALF, "hcl")
    parsed = hcl2.loads(text)
    kinds = [kind.strip('"') for block in (*parsed["data"], *parsed["resource"]) for kind in block]
    assert kinds == ["aws_cloudformation_stack", "aws_eks_access_entry"]
    [entry, *_] = entries.list_access_entries(build_catalog([mapping()], [cluster()]))
    assert set(re.findall(r"(?:entry|each\.value)\.(\w+)", text)) == entry.to_json().keys()
    assert set(re.findall(r"^  (\w+) +=", text, re.MULTILINE)) == {
        *("name", "for_each", "cluster_name", "principal_arn", "user_name")
    }


def test_the_guide_s_terraform_divides_the_file_of_a_cluster_into_its_manifests() -> None:
    _, text = blocks(HALF, "hcl")
    parsed = hcl2.loads(text)
    assert [kind.strip('"') for block in parsed["resource"] for kind in block] == ["kubernetes_manifest"]
    [(mark, path)] = re.findall(r'split\("(.+?)", file\("generated/(.+?)"\)\)', text)
    parts = [yaml.safe_load(part) for part in GENERATED[path].split(mark.replace("\\n", "\n"))]
    assert parts == list(yaml.safe_load_all(GENERATED[path]))
    names = {(each["kind"], each["metadata"].get("namespace", "-"), each["metadata"]["name"]) for each in parts}
    assert len(names) == len(parts) > 4, "each has a key of its own"


def test_flux_and_argo_cd_are_led_to_folders_that_are_generated() -> None:
    found = [each for text in blocks(HALF, "yaml") for each in yaml.safe_load_all(text)]
    assert [each["kind"] for each in found] == ["GitRepository", "Kustomization", "ApplicationSet"]
    source, flux, argo = (each["spec"] for each in found)
    [directory] = argo["generators"][0]["git"]["directories"]
    folders = {Path("generated", name).parent for name in GENERATED if name.startswith("clusters/")}
    for pattern in (flux["path"], directory["path"]):
        assert any(folder.match(str(Path(pattern))) for folder in folders), pattern
    assert flux["sourceRef"] == {"kind": "GitRepository", "name": found[0]["metadata"]["name"]}
    assert (flux["prune"], source["ref"]) == (True, {"branch": "main"})
    template = argo["template"]["spec"]
    assert template["source"]["path"] == "{{.path.path}}"
    assert template["syncPolicy"] == {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["ServerSideApply=true"],
    }


def test_the_paths_of_the_cluster_half_are_those_of_what_is_generated() -> None:
    """Those that the page names, with CLUSTER for any cluster, and in another environment."""
    text = (ROOT / "docs" / HALF).read_text()
    named = re.findall(r"generated/((?:clusters|stack)/[\w./-]+)", text)
    known = {*GENERATED, *(str(Path(name).parent) for name in GENERATED)}
    assert len(named) > 5
    assert {name for name in named if name.rstrip("/.").replace("CLUSTER", "prod-eu") not in known} == set()


def test_the_environment_that_the_guide_adds_is_read_with_its_mappings(tmp_path: Path) -> None:
    [text] = [text for text in blocks("deploy/index.md", "toml") if "keyferry.parameters" in text]
    (tmp_path / "samconfig.toml").write_text(text)
    read = sam.read(tmp_path / "samconfig.toml", "staging")
    assert (read.stack_name, read.region, str(read.mappings)) == ("keyferry-staging", "eu-west-1", "staging/mappings")
    assert read.parameters == {"RoleNamePrefix": "keyferry-staging"}


def test_the_guides_give_the_capabilities_that_the_templates_take() -> None:
    parameters = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["deploy"]["parameters"]
    texts = [path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]
    settings = [each for text in texts for each in re.findall(r'capabilities = "([^"]+)"', text)]
    options = [each for text in texts for each in re.findall(r"--capabilities (\w+)", text)]
    assert set(settings) == {parameters["capabilities"]}
    assert "CAPABILITY_NAMED_IAM" in parameters["capabilities"].split(), "the roles of the stack have names"
    assert set(options) == {"CAPABILITY_NAMED_IAM"}, "so have those of the templates of accounts"
