"""What `keyferry doctor` shows."""

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Self

import pytest

from keyferry.cli.doctor import examination
from keyferry.cli.doctor.stack import caller
from tests.unit.examined import Examined, error
from tests.unit.samples import WHEN
from tests.unit.shown import Case


class Session:
    """A session of AWS."""

    region_name = "eu-west-1"


class Clock(datetime):
    """A datetime whose `now` is the time of AWS."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(WHEN.timestamp(), tz or UTC)


def connect(monkeypatch: pytest.MonkeyPatch, world: Examined, folder: Path) -> None:
    """Let the command find a stack, and no kubeconfig."""
    world.report["clusters"]["release"] = "1.2.3"
    monkeypatch.setattr("keyferry.cli.doctor.stack.deployment.__version__", "1.2.3")
    monkeypatch.setattr(examination, "open_session", lambda _region: Session())
    monkeypatch.setattr(examination, "Sessions", lambda _session: world.clients)
    monkeypatch.setattr(caller, "datetime", Clock)
    monkeypatch.setattr("keyferry.cli.commands.look.doctor.find_stack", lambda _session, **_: world.subject.stack)
    monkeypatch.setenv("KUBECONFIG", str(folder / "none"))
    monkeypatch.setattr(examination, "CLUSTER_SECONDS", 1)


def be_well(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let nothing be wrong."""
    connect(monkeypatch, Examined(), folder)


def be_broken(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a rule be disabled, dead letters lie there, a role be made again, and something not be looked at."""
    world = Examined()
    world.change("events.describe_rule", State="DISABLED")
    world.set(
        "eks.describe_access_entry",
        {"accessEntry": {"username": "keyferry:deliver", "createdAt": WHEN.replace(year=2025)}},
    )
    world.set("cloudtrail.describe_trails", error("AccessDenied"))
    unreachable = {"kind": "ClusterUnreachable", "text": "cluster prod-eu at https://one.example: no answer in time"}
    world.report["clusters"]["rows"] = [{"cluster": "prod-eu", "error": unreachable}]
    connect(monkeypatch, world, folder)


CASES = {
    "table": Case("doctor", 1, be_broken),
    "report": Case("doctor", 0, be_well),
    "error": Case("doctor --cluster prod-uk", 1, be_well),
}
