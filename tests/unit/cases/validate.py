"""What `keyferry validate` shows."""

from pathlib import Path

import pytest

from tests.unit.shown import Case
from tests.unit.test_files import MAPPING


def add_mapping(_monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Add a mapping that chooses namespaces, and one that goes nowhere."""
    chosen = "[shop, {names: [pay-*], matchLabels: {team: payments}, exclude: [pay-sandbox]}, {matchLabels: {team: b}}]"
    everywhere = MAPPING.replace("payments-db", "checkout-stripe").replace("[payments]", chosen)
    nowhere = MAPPING.replace("payments-db", "shop-session").replace("[prod-eu]", "{matchLabels: {env: test}}")
    (folder / "mappings/checkout.yaml").write_text(everywhere)
    (folder / "mappings/shop.yaml").write_text(nowhere)


def break_mapping(_monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let three things be wrong with the mapping."""
    broken = MAPPING.replace("restart:", "restrat:").replace("[prod-eu]", "[prod-ue]").replace("path:", "pth:")
    (folder / "mappings/payments.yaml").write_text(broken)


CASES = {
    "table": Case("validate --targets", prepare=add_mapping),
    "report": Case("validate", prepare=add_mapping),
    "error": Case("validate", 1, break_mapping),
}
