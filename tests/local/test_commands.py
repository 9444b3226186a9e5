"""What `keyferry local` does before it needs a cloud."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from keyferry.cli import main
from keyferry.cli.check.files import load
from keyferry.guides import SITE
from keyferry_local.commands import copy_mappings
from keyferry_local.look import list_ended
from tests.conftest import ROOT

CLUSTERS = """\
apiVersion: keyferry.dev/v1
kind: Clusters
clusters:
  - name: prod-eu
    labels: {gpu: no, live: on, since: 12:30}
    eks: {name: prod-eu, region: eu-west-1, account: "444455556666"}
    role: arn:aws:iam::444455556666:role/keyferry
"""


def test_a_copy_of_mappings_differs_in_what_leads_to_real_clusters_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/clusters.yaml").write_text(CLUSTERS)
    before, after = load(tmp_path / "mappings"), load(copy_mappings(tmp_path / "mappings", "111122223333"))
    cluster = before.clusters["prod-eu"]
    assert cluster.labels == {"gpu": "no", "live": "on", "since": "12:30"}
    eks = cluster.eks.model_copy(update={"account": "111122223333"})
    assert after.clusters == {"prod-eu": cluster.model_copy(update={"eks": eks, "role": None})}


@pytest.mark.parametrize("verb", ["up", "demo", "down"])
def test_a_place_that_cannot_be_written_to_is_told(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".keyferry-local").write_text("in the way")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/clusters.yaml").write_text(CLUSTERS)
    result = CliRunner().invoke(main, ["local", verb])
    assert result.exit_code == 1
    assert ".keyferry-local: cannot be made: File exists" in result.stderr


def test_a_demo_ends_with_how_it_is_called_again_and_with_pages_that_there_are() -> None:
    by_program, by_make = "\n".join(list_ended({})), "\n".join(list_ended({"MAKELEVEL": "1"}))
    assert ("keyferry local demo --keep" in by_program, "make" in by_program) == (True, False)
    assert "make demo KEEP=1" in by_make
    pages = re.findall(rf"{SITE}/(\S+?)/(?:#(\S+))?$", by_program, re.MULTILINE)
    assert len(pages) == 2
    for page, section in pages:
        text = (ROOT / f"docs/{page}.md").read_text()
        assert re.search(rf"^## {section.replace('-', ' ')}$", text, re.MULTILINE | re.IGNORECASE) or not section
