"""No value leaves memory where something is down, or dies, either. Runs last."""

from pathlib import Path

from keyferry_local.cloud import Cloud
from tests.leaks import leaks, of_cloud


def test_nothing_that_the_run_has_written_holds_a_value(cloud: Cloud, place: Path) -> None:
    found = of_cloud(cloud, place)
    assert any(name.endswith("/deliver.log") and text for name, text in found.items())
    assert leaks(found) == []
