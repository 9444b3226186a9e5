"""No value leaves memory while the stack is deployed, changed and built wrongly either. Runs last."""

from pathlib import Path

from keyferry_local.install import Installation
from tests.integration.deployed import Deployed
from tests.leaks import leaks, of_run


def test_nothing_that_the_run_has_written_holds_a_value(installed: Installation, place: Path) -> None:
    found = of_run(Deployed(installed), place)
    assert any("/aws/lambda/" in name and text for name, text in found.items())
    assert leaks(found) == []
