"""What is kept of each write: which versions reached which Secret, when, and by what."""

import contextlib
import json
import os
import signal
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from keyferry.deadline import Deadline
from keyferry.delivery.report import Report
from keyferry.delivery.work import Audit, Work, get_origin
from keyferry.errors import FunctionDied, SourceMissing
from keyferry.mapping.catalog import build_catalog
from keyferry.model import Delivery
from keyferry.runtime.apart import run_apart
from keyferry.runtime.wiring import Runtime
from keyferry.testing import Calls
from tests.unit.incident import CONTEXT, build_event, load_app
from tests.unit.samples import cluster, delivery, mapping
from tests.unit.world import SOURCE, WHERE, World, secret

ID = "6a7e8feb-b491-4cf7-a9f1-bf3703467718"


def audited(world: World, calls: Calls | None = None, **changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Carry out a delivery, and return what is kept of its writes."""
    kept: list[dict[str, Any]] = []
    world.deliver(calls, **({"audit": kept.append} | changes))
    return kept


def test_each_write_is_kept_with_its_event_its_target_and_the_version_that_the_secret_has_since() -> None:
    created, restarted = audited(World())
    assert created == {
        "event_id": "event-1",
        "event_time": "2026-11-24T12:00:00.000+00:00",
        "origin": "event",
        "mapping": "payments-db",
        "cluster": "prod-eu",
        "namespace": "payments",
        "secret": "payments-db",
        "did": "created",
        "why": "missing",
        "sources": {"db": {"store": "secretsmanager", "name": SOURCE, "version": "version-1"}},
    }
    assert restarted == created | {"did": "annotated", "why": "restarts done"}


def test_a_delivery_that_writes_nothing_is_not_kept() -> None:
    world = World()
    world.deliver()
    assert audited(world) == []


def test_a_new_version_with_the_same_content_is_kept_too() -> None:
    world = World()
    world.deliver()
    world.sources.put(SOURCE, secret("canary-1"))
    [kept] = audited(world)
    assert (kept["did"], kept["sources"]["db"]["version"]) == ("annotated", "version-2")


def test_what_is_deleted_is_kept_with_the_version_that_it_had() -> None:
    world = World()
    of = mapping(policies={"deletion": "delete"})
    world.deliver(of=of)
    world.sources.errors[SOURCE] = SourceMissing("it does not exist")
    world.clock.jump(120)  # a deletion is believed a minute after it
    [kept] = audited(world, of=of, delivery=delivery(deleted=["db"]))
    assert (kept["did"], kept["sources"]["db"]["version"]) == ("deleted", "version-1")
    assert kept["why"].startswith("source db was deleted")


def test_names_with_placeholders_are_those_of_the_namespace() -> None:
    world = World("billing", "payments")
    of = mapping(namespaces=["billing", "payments"], sources={"db": {"secretsManager": "prod/${namespace}/db"}})
    world.sources.put("prod/billing/db", secret("canary-b"))
    names = {kept["namespace"]: kept["sources"]["db"]["name"] for kept in audited(world, of=of)}
    assert names == {"billing": "prod/billing/db", "payments": "prod/payments/db"}


def test_the_version_that_another_mapping_has_written_is_not_taken_for_ours() -> None:
    """What is taken off a Secret before it is taken over leaves the journal of the mapping before."""
    world = World()
    world.deliver()
    world.cluster.set_owner_references(*WHERE, "ExternalSecret/db")
    world.sources.put(SOURCE, secret("canary-2"))
    pruned, written, *_ = audited(world, of=mapping("next", policies={"conflict": "takeOver"}))
    assert "version" not in pruned["sources"]["db"]
    assert written["sources"]["db"]["version"] == "version-2"


@pytest.mark.parametrize("number", range(12))
def test_whatever_call_the_function_dies_after_each_write_before_that_is_kept(number: int) -> None:
    class Died(BaseException):
        """The function is gone."""

    def die(called: int, _call: str) -> None:
        if called == number:
            raise Died

    world, calls, kept = World(), Calls(before=die), list[dict[str, Any]]()
    with contextlib.suppress(Died):
        world.deliver(calls, audit=kept.append)
    answered = [call for call in calls.recorded[:number] if call.startswith("apply")]
    assert len(kept) == len(answered)


@pytest.mark.parametrize(
    ("event_id", "origin"),
    [
        (ID, "event"),
        ("event-1", "event"),
        (f"sweep-{ID}", "sweep"),
        (f"push-{ID}", "push"),
        (f"restart-{ID}", "restart"),
        (f"replay-{ID}", "replay"),
    ],
)
def test_an_event_id_tells_what_a_delivery_comes_from(event_id: str, origin: str) -> None:
    assert get_origin(event_id) == origin


@pytest.mark.parametrize("attempt", [1, 2])
def test_deliver_logs_each_write_at_once_whether_it_works_apart_or_not(
    attempt: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = load_app("deliver", monkeypatch, POWERTOOLS_SERVICE_NAME=f"audit-{attempt}")
    logged: list[str] = []

    def work(asked: Delivery, audit: Audit) -> Report:
        audited(World(), delivery=asked, audit=audit)
        logged.extend(capsys.readouterr().out.splitlines())
        return Report(asked)

    runtime = SimpleNamespace(
        deliver=lambda asked, _deadline, audit: work(asked, audit),
        deliver_apart=lambda asked, _deadline, _seconds, audit: work(asked, audit),
        choose_dimension=None,
    )
    monkeypatch.setattr(app, "get_runtime", lambda: runtime)
    app.handler(build_event(delivery().to_json(), attempt), CONTEXT)
    lines = [line for line in map(json.loads, logged) if line["message"] == "audit"]
    assert [(line["did"], line["level"], line["sources"]["db"]["version"]) for line in lines] == [
        ("created", "INFO", "version-1"),
        ("annotated", "INFO", "version-1"),
    ]
    assert "canary-" not in "".join(logged)


def test_a_process_apart_that_is_killed_leaves_what_it_has_written(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    app = load_app("deliver", monkeypatch, POWERTOOLS_SERVICE_NAME="audit-killed")

    def write_and_die() -> None:
        app.function.log_audit({"did": "updated"})
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(FunctionDied):
        run_apart(write_and_die, 10)
    [line] = map(json.loads, capfd.readouterr().out.splitlines())
    assert (line["message"], line["did"]) == ("audit", "updated")


def test_the_runtime_gives_a_delivery_what_keeps_its_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, given = list[dict[str, Any]](), list[Work]()

    def work(one: Work) -> Report:
        given.append(one)
        return Report(one.delivery)

    monkeypatch.setattr("keyferry.runtime.wiring.deliver", work)
    monkeypatch.setattr(Runtime, "connect", lambda *_: object())
    runtime = Runtime({}, build_catalog([mapping()], [cluster()]), boto3.Session(region_name="eu-west-1"))
    runtime.deliver(delivery(), Deadline.after(60), audit=kept.append)
    given[0].audit({"did": "updated"})
    assert kept == [{"did": "updated"}]
