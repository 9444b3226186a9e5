"""Every example in the guides is one that `validate` finds nothing wrong with, and every field has one."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from keyferry.cli import files
from keyferry.keys import KeyRule, Regexp
from keyferry.mapping import DataFrom, Entry, SecretMapping, SecretSpec, Spec, Template, Workload
from keyferry.source import Source
from keyferry.targets import Cluster, Eks, Expression, NamespaceSelector

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", ROOT / "docs/mappings.md"]
REFERENCE = (ROOT / "docs/mappings.md").read_text()
MODELS = [
    *(
        SecretMapping,
        Spec,
        Source,
        SecretSpec,
        Entry,
        DataFrom,
        KeyRule,
        Regexp,
        NamespaceSelector,
        Expression,
        Template,
    ),
    *(Template, Workload, Cluster, Eks),
]


def examples() -> list[tuple[str, Any]]:
    """Return each YAML example of the guides, and the guide that it is in."""
    found = []
    for guide in GUIDES:
        for text in re.findall(r"^```yaml\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL):
            found += [(guide.name, each) for each in yaml.safe_load_all(text)]
    return [(name, each) for name, each in found if each.get("kind") in ("SecretMapping", "Clusters", None)]


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
    clusters = next(each for name, each in examples() if name == guide and each.get("kind") == "Clusters")
    documents = [clusters] if example == clusters else [clusters, whole(example)]
    (tmp_path / "example.yaml").write_text(yaml.safe_dump_all(documents))
    catalog = files.load(tmp_path)
    assert set(catalog.clusters) == {"prod-eu", "prod-us"}
    assert len(catalog.mappings) == len(documents) - 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_in_the_reference(model: type[BaseModel]) -> None:
    names = {field.alias or name for name, field in model.model_fields.items()}
    assert {name for name in names if not re.search(rf"\b{name}\b", REFERENCE)} == set()
