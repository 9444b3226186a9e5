"""What people really have: each case of `cases/` is told before it is deployed, or delivered as is right.

Where the cases are from, and what their files hold: cases/README.md.
"""

import base64
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.delivery.report import Report
from keyferry.mapping.mapping import SecretMapping
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.direct import SHARED, Direct, catalog, share
from tests.integration.contents import Contents
from tests.integration.scene import CLUSTER

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())
DELIVERED = [name for name in NAMES if "deliver" in yaml.safe_load((CASES / name / "expect.yaml").read_text())]
CLUSTERS = f"""
apiVersion: keyferry.dev/v1
kind: Clusters
clusters:
  - name: prod-eu
    eks: {{name: prod-eu, region: eu-west-1, account: "{ACCOUNT}"}}
  - name: prod-us
    eks: {{name: prod-us, region: us-east-1, account: "{ACCOUNT}"}}
"""


@dataclass(frozen=True)
class Case:
    """A case: its folder with clusters, and what is right."""

    folder: Path
    expect: dict[str, Any]

    def read(self, name: str) -> str:
        """Return the text of one of its files; empty for one that it has not."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def check(self) -> tuple[list[SecretMapping], list[str]]:
        """Return its mappings and what `validate` says; no mappings where that is an error."""
        try:
            whole, warnings = files.check(self.folder / "mappings")
        except InvalidFiles as error:
            return [], [str(problem) for problem in error.problems]
        return list(whole.mappings.values()), [str(problem) for problem in warnings]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    source, folder = CASES / request.param, tmp_path / "mappings"
    shutil.copytree(source, folder)
    for name in ("aws.yaml", "expect.yaml", "workloads.txt"):
        if (folder / name).exists():
            (folder / name).rename(tmp_path / name)
    (folder / "clusters.yaml").write_text(CLUSTERS)
    monkeypatch.chdir(tmp_path)
    return Case(tmp_path, yaml.safe_load((tmp_path / "expect.yaml").read_text()))


@pytest.fixture(scope="module")
def _known(cloud: Cloud) -> None:
    """Let the stack that cases share know all of their Secrets at once."""
    folders = (CASES / name for name in DELIVERED)
    documents = (raw for folder in folders for raw in yaml.safe_load_all((folder / "mapping.yaml").read_text()))
    share(cloud, [SecretMapping.model_validate(raw).spec.secret for raw in documents])


@pytest.fixture
def delivered(case: Case, cloud: Cloud) -> Iterator[dict[str, Report]]:
    """Deliveries of a case's mappings, by name, with what it has in AWS and in its namespace."""
    admin = cloud.admins[CLUSTER]
    mappings, _ = case.check()
    for namespace in {name for mapping in mappings for name in mapping.spec.namespace_names}:
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    admin.apply(*filter(None, yaml.safe_load_all(case.read("workloads.txt"))))
    contents = Contents(cloud, yaml.safe_load(case.read("aws.yaml")) or {})
    direct = Direct.grant(cloud, catalog(cloud, mappings, SHARED))
    yield {mapping.name: direct.deliver(mapping.name) for mapping in mappings}
    contents.remove()


def _assert_match(texts: Sequence[str], patterns: Sequence[str]) -> None:
    """Check that each text matches its pattern."""
    assert len(texts) == len(patterns), texts
    for text, pattern in zip(texts, patterns, strict=True):
        assert re.search(pattern, text), text


@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_validate_tells_what_can_be_told_before_it_is_deployed(case: Case) -> None:
    _assert_match(case.check()[1], case.expect.get("validate", ()))


@pytest.mark.usefixtures("custom_kinds", "_known")
@pytest.mark.parametrize("case", DELIVERED, indirect=True)
def test_a_delivery_makes_what_is_right(case: Case, cloud: Cloud, delivered: dict[str, Report]) -> None:
    mappings = {mapping.name: mapping for mapping in case.check()[0]}
    assert mappings.keys() == case.expect["deliver"].keys()
    for name, expected in case.expect["deliver"].items():
        report, secret = delivered[name], mappings[name].spec.secret.name
        [namespace] = mappings[name].spec.namespace_names
        raw = cloud.admins[CLUSTER].get("Secret", secret, namespace)
        if "error" in expected:
            _assert_match(list(map(str, report.errors)), [expected["error"]])
            assert raw is None
            continue
        assert report.errors == []
        assert raw is not None
        data = {key: base64.b64decode(value) for key, value in raw.get("data", {}).items()}
        assert data == {key: text.encode() for key, text in expected["data"].items()}, name
        [outcome] = report.outcomes
        _assert_match(outcome.notes, expected.get("notes", ()))
        _assert_match(outcome.restarted, expected.get("restarted", ()))
        if "whole" in expected:
            _assert_match(report.notes, expected["whole"])
