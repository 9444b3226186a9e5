"""What `keyferry orphans` shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.clusters.generated import GENERATED
from keyferry.cli.orphans.orphan import Orphan
from keyferry.cli.orphans.search import Findings
from keyferry.cli.orphans.survey import Survey
from tests.unit.shown import Case
from tests.unit.test_orphans import FakeOperator, left

ROLE = "arn:aws:iam::111122223333:role/keyferry-deliver"
IN_USE = "in use by Deployment/web, Pod/web-74dc7665bb-xqgbj, ReplicaSet/web-74dc7665bb"


def list_left() -> list[Orphan]:
    """Return a few things of each kind."""
    gone, named = "no mapping is called payments-ledger any more", {"namespace": ""}
    return [
        left("keyferry:deliver:payments-ledger", GENERATED[0], why="nothing generates it any more"),
        left("keyferry-workloads", GENERATED[4], why="nothing generates it any more", **named),
        left("payments-ledger", why=gone),
        left("payments-ledger-credentials", why=gone, refusals=(IN_USE,)),
        left(ROLE, None, cluster="prod-us", why="no mapping goes to its cluster any more"),
    ]


def look(*orphans: Orphan, notes: tuple[str, ...] = (), doubt: str = "") -> Callable[[pytest.MonkeyPatch, Path], None]:
    """Let this be left over."""

    def prepare(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
        operator: Any = FakeOperator()
        findings = Findings(list(orphans), notes=list(notes))
        if orphans:
            findings.other_stacks["prod-eu", "staging", "Secret"] = 2
            findings.awaiting["prod-eu"] = 3
            findings.moved.append(("prod-eu", "payments", "payments-cards", "staging"))
        found = Survey(findings, {"prod-eu": operator}, doubt=doubt)
        monkeypatch.setattr("keyferry.cli.commands.steer.orphans.survey", lambda *_: found)

    return prepare


NOTE = (
    "prod-us is not looked at: the kubeconfig has no context for cluster prod-us: `aws eks update-kubeconfig --name"
    " prod-us --region us-east-1 --alias prod-us`, or say --context prod-us=CONTEXT"
)
MISSING = "stack keyferry does not answer"
CASES = {
    "table": Case("orphans", 1, look(*list_left(), notes=(NOTE,))),
    "deleted": Case("orphans --delete --yes", 1, look(*list_left()[:-1])),
    "report": Case("orphans", prepare=look()),
    "error": Case(
        "orphans --dry-run", 1, look(*list_left(), doubt=f"the mappings that are deployed are not known: {MISSING}")
    ),
}
