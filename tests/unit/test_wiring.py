"""Mappings that cannot be read, and settings that are missing: messages wait, are hidden, and nothing is dropped."""

import json
from pathlib import Path

import boto3
import pytest

from keyferry.deadline import Deadline
from keyferry.errors import ClusterSlow, MappingsUnreadable, Misconfigured
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.targets import Endpoint
from keyferry.mapping.verdict import Verdict
from keyferry.runtime.clusters import Clusters
from keyferry.runtime.compiled import COMPILED_FILE, load_catalog
from keyferry.runtime.wiring import Runtime
from tests.unit.handlers import ENVIRONMENT, FakeAws, context, event, failed, load_handler
from tests.unit.samples import cluster, delivery, envelope, mapping

MOVED = json.dumps(envelope("Secret Label Updated", "aws.secretsmanager", {"name": "a", "labelUpdated": "AWSCURRENT"}))
BODIES = {"route": MOVED, "deliver": delivery().to_json(), "reconcile": '{"reason": "schedule"}'}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """AWS, which answers at once."""
    fake = FakeAws(wait=lambda _seconds: None)
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", fake.send)
    return fake


def compiled(folder: Path, text: str | None = None) -> Path:
    """Write the compiled mappings: one mapping, or what a test makes of them."""
    catalog = build_catalog([mapping()], [cluster("prod-eu")])
    path = folder / COMPILED_FILE
    path.write_text(catalog.model_dump_json(by_alias=True, exclude_defaults=True) if text is None else text)
    return path


@pytest.mark.parametrize("text", ["", "{", '{"mappings": {}, "fieldOfAnotherVersion": 1}', "[]"])
def test_mappings_that_are_damaged_or_of_another_version_are_told_with_path_and_remedy(
    tmp_path: Path, text: str
) -> None:
    path = compiled(tmp_path, text)
    with pytest.raises(MappingsUnreadable) as raised:
        load_catalog(tmp_path)
    assert str(raised.value) == (
        f"{path}: damaged, or not compiled by this version; build both layers anew with `keyferry build`, and deploy"
        " them"
    )


@pytest.mark.parametrize("folder", [False, True])
def test_mappings_that_are_missing_or_no_file_are_told_with_path_and_remedy(tmp_path: Path, *, folder: bool) -> None:
    if folder:
        (tmp_path / COMPILED_FILE).mkdir()
    why = "Is a directory" if folder else "No such file or directory"
    with pytest.raises(
        MappingsUnreadable, match=f"{why}; build the mappings layer with `keyferry build`, and deploy it"
    ):
        load_catalog(tmp_path)


@pytest.mark.parametrize("name", sorted(BODIES))
def test_without_mappings_a_message_is_hidden_and_comes_back_until_they_are_there(
    name: str, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = load_handler(name, monkeypatch, KEYFERRY_MAPPINGS=str(tmp_path))
    for _ in range(2):
        assert failed(handler(event(BODIES[name]), context(900))) == ["m0"]
    assert aws.requests == ["ChangeMessageVisibility"] * 2
    assert "MappingsUnreadable: " in capsys.readouterr().out

    compiled(tmp_path, Catalog().model_dump_json(by_alias=True))
    handler(event(BODIES[name]), context(900))
    assert "MappingsUnreadable: " not in capsys.readouterr().out


def test_the_rest_of_a_sweep_goes_on_where_the_cluster_is_slow_and_a_delivery_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Clusters, "_read_endpoint", lambda *_: Endpoint("https://one.example", "ca"))
    monkeypatch.setattr("keyferry.kube.Transport", lambda *_, **_more: None)
    runtime = Runtime(ENVIRONMENT, build_catalog([mapping()], [cluster("prod-eu")]), boto3.Session("AKIA", "canary"))
    known = runtime.catalog.clusters["prod-eu"]
    health = runtime.clusters.get_health(known)
    health.note_seconds(1.2)
    health.remember_slow(840)
    runtime.connect(known, Deadline.after(9), is_sweep=True)
    with pytest.raises(ClusterSlow):
        runtime.connect(known, Deadline.after(9))


@pytest.mark.parametrize("name", ["KEYFERRY_INBOX_QUEUE_URL", "KEYFERRY_DELIVERIES_QUEUE_URL"])
def test_a_queue_that_the_environment_does_not_name_is_told_by_its_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    runtime = Runtime({key: value for key, value in ENVIRONMENT.items() if key != name}, Catalog())
    with pytest.raises(Misconfigured, match=f"the environment has no {name}: set it, as template.yaml does"):
        runtime.control if "INBOX" in name else runtime.queue  # noqa: B018  # properties that raise


@pytest.mark.parametrize("verdicts", [{}, {"payments-db": Verdict(allowed_types=["Opaque"])}])
def test_a_delivery_has_the_verdict_that_was_compiled_for_its_mapping(
    verdicts: dict[str, Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Runtime, "connect", lambda *_: None)
    catalog = build_catalog([mapping()], [cluster("prod-eu")]).model_copy(update={"verdicts": verdicts})
    runtime = Runtime(ENVIRONMENT, catalog, boto3.Session("AKIA", "canary"))
    assert runtime.prepare(delivery(), Deadline.after(9)).verdict == verdicts.get("payments-db", Verdict())
