"""What the code makes of each sample of events/: its verdict in events/verdicts.yaml."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.mapping.catalog import build_catalog
from keyferry.pipeline.route import plan_deliveries
from keyferry.pipeline.sweep import Sweep, parse_sweep
from keyferry.stores.envelope import Ignored
from keyferry.stores.events import parse
from tests.unit.samples import cluster, mapping

EVENTS = Path(__file__).resolve().parents[2] / "events"
SAMPLES: dict[str, dict[str, Any]] = yaml.safe_load((EVENTS / "verdicts.yaml").read_text())["samples"]
FILES = {path.stem: path for path in sorted(EVENTS.glob("*.json"))}
TLS = {"sources": {"tls": {"parameterStore": "/prod/payments/tls"}}, "data": {"tls": {"from": "tls"}}}
CATALOG = build_catalog([mapping("db"), mapping("tls", name="tls", **TLS)], [cluster()])


def verdict(sample: dict[str, Any], rules: list[str]) -> dict[str, Any]:
    """Return what the function does with a sample that the rules bring to it."""
    if "StackDeployed" in rules:
        asked = parse_sweep(sample)
        assert asked == Sweep(reason=asked.reason), "a deployment asks for everything"
        return {"sweep": asked.reason}
    found = parse(sample)
    if isinstance(found, Ignored):
        return {"ignored": found.reason}
    return {found.kind: list(found.names)} | ({"label": found.label} if found.label else {})


def test_every_sample_has_a_verdict_and_every_verdict_a_sample() -> None:
    assert SAMPLES.keys() == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_the_code_makes_of_a_sample_what_its_verdict_says(name: str) -> None:
    sample = json.loads(FILES[name].read_text())
    assert verdict(sample, SAMPLES[name]["rules"]) == SAMPLES[name]["code"]


@pytest.mark.parametrize("name", FILES)
def test_a_sample_reaches_the_mapping_of_its_secret_and_no_other(name: str) -> None:
    code = SAMPLES[name]["code"]
    names = [each for kind in ("updated", "deleted", "restored") for each in code.get(kind, ())]
    expected = [] if code.get("label", "AWSCURRENT") != "AWSCURRENT" else names
    routed = plan_deliveries(json.loads(FILES[name].read_text()), CATALOG)
    assert [each.mapping for each in routed.deliveries] == [
        called for called in ("db", "tls") if f"prod/payments/{called}" in expected
    ]


def test_every_kind_of_verdict_is_among_the_samples() -> None:
    verdicts = [each["code"] for each in SAMPLES.values()]
    kinds = {kind for code in verdicts for kind in code}
    reasons = {code["ignored"] for code in verdicts if "ignored" in code}
    assert kinds == {"updated", "deleted", "restored", "rotation failed", "label", "ignored", "sweep"}
    assert reasons >= {"not an event", "other source", "deployment", "no change", "failed call", "read-only call"}
