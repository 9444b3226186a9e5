"""What is logged and counted of a delivery."""

import json
from datetime import timedelta
from typing import Any, get_args

import pytest

from keyferry.delivery.foreseen import Moved
from keyferry.delivery.report import MAX_KEYS, MAX_LISTED, MAX_WORKLOADS, Outcome, Report
from keyferry.delivery.restart.outcome import WorkloadOutcome, explain_due, list_workloads
from keyferry.delivery.restart.workloads import Reason, Stamp
from keyferry.errors import Conflict, Forbidden, KeyferryError, NamespaceGone, OutOfTime, ServerError, UnknownName
from keyferry.mapping.mapping import Team, Workload
from tests.unit.samples import WHEN, delivery

API = WorkloadOutcome("Deployment/api", "restarted", by=("envFrom",))
PAUSED = WorkloadOutcome("StatefulSet/db", "paused", "paused: rolls out when it is resumed", ("volumes",))
LEFT_ALONE = WorkloadOutcome("Deployment/x", "opted out", "left alone", ("env",))
CREATED = Outcome(
    "a",
    "created",
    "missing",
    (API, PAUSED, LEFT_ALONE),
    ("Deployment/x (left alone)",),
    restart="done",
    seen={"Deployment": 4, "StatefulSet": 1},
    keys=("password", "username"),
    written=WHEN,
    stamped=WHEN + timedelta(milliseconds=120),
)
UPDATED = Outcome("b", "updated", "new content in password", (API,))
ANNOTATED = Outcome("c", "annotated", "new versions or mapping")
UNCHANGED = Outcome("d", "unchanged")
FORBIDDEN = Outcome("e", "failed", error=Forbidden("grant it"))
GONE = Outcome("f", "failed", error=NamespaceGone("create it"))


def test_one_line_tells_what_was_done_where() -> None:
    report = Report(delivery(), (CREATED, UNCHANGED, ANNOTATED), {"db": "version-1"}, seconds=1.23456)
    assert report.log_fields() == {
        "event_id": "event-1",
        "event_time": "2026-11-24T12:00:00.000+00:00",
        "mapping": "payments-db",
        "cluster": "prod-eu",
        "versions": {"db": "version-1"},
        "targets": {"created": 1, "unchanged": 1, "annotated": 1},
        "namespaces": [
            {
                "namespace": "a",
                "did": "created",
                "why": "missing",
                "keys": ["password", "username"],
                "written": "2026-11-24T12:00:00.000+00:00",
                "restart": "done",
                "workloads": [
                    {
                        "workload": "StatefulSet/db",
                        "reason": "paused",
                        "why": "paused: rolls out when it is resumed",
                        "by": ["volumes"],
                    },
                    {"workload": "Deployment/x", "reason": "opted out", "why": "left alone", "by": ["env"]},
                    {"workload": "Deployment/api", "reason": "restarted", "by": ["envFrom"]},
                ],
                "seen": {"Deployment": 4, "StatefulSet": 1},
                "stamped": "2026-11-24T12:00:00.120+00:00",
                "notes": ["Deployment/x (left alone)"],
            },
            {"namespace": "c", "did": "annotated", "why": "new versions or mapping"},
        ],
        "seconds": 1.235,
    }


def test_what_is_said_of_the_delivery_as_a_whole_is_in_its_line() -> None:
    assert "notes" not in Report(delivery()).log_fields()
    assert Report(delivery(), notes=("no namespace of prod-eu has …",)).log_fields()["notes"] == [
        "no namespace of prod-eu has …"
    ]


def test_who_answers_for_the_mapping_is_told() -> None:
    assert "owner" not in Report(delivery()).log_fields()
    owner = Team(team="payments", contact="#payments")
    assert Report(delivery(), owner=owner).log_fields()["owner"] == {"team": "payments", "contact": "#payments"}
    assert Report(delivery(), owner=Team(team="shop")).log_fields()["owner"] == {"team": "shop"}
    assert (str(owner), str(Team(team="shop"))) == ("payments (#payments)", "shop")


def test_what_stopped_a_delivery_is_told() -> None:
    fields = Report(delivery(), error=OutOfTime()).log_fields()
    assert fields["error"].startswith("OutOfTime: too little time")
    assert fields["namespaces"] == []


def test_failures_are_told_first_where_not_every_namespace_can_be_listed() -> None:
    many = tuple(Outcome(f"n{number:04}", "updated") for number in range(2000))
    listed = Report(delivery(), (*many, FORBIDDEN)).log_fields()["namespaces"]
    assert len(listed) == MAX_LISTED
    assert listed[0] == {"namespace": "e", "did": "failed", "error": "Forbidden: grant it"}
    assert listed[1]["namespace"] == "n0000"


def test_targets_and_restarts_are_counted() -> None:
    report = Report(
        delivery(), (CREATED, UPDATED, ANNOTATED, UNCHANGED, FORBIDDEN), written_at=WHEN + timedelta(seconds=3)
    )
    assert report.metrics() == {
        "Deliveries": 1,
        "TargetsUpdated": 3,
        "TargetsUnchanged": 1,
        "TargetsFailed": 1,
        "WorkloadsRestarted": 3,
        "EventToWriteSeconds": 3.0,
    }


def test_a_secret_that_was_written_before_its_restart_failed_counts_as_both() -> None:
    partial = Outcome("e", "created", "missing", error=Forbidden("grant it"), restart_due=True)
    report = Report(delivery(), (partial,), written_at=WHEN)
    metrics = report.metrics()
    assert [metrics[name] for name in ("TargetsUpdated", "TargetsUnchanged", "TargetsFailed")] == [1, 0, 1]
    assert report.log_fields()["targets"] == {"created": 1, "failed": 1}
    assert report.log_fields()["namespaces"] == [
        {
            "namespace": "e",
            "did": "created",
            "why": "missing",
            "restart_due": True,
            "error": "Forbidden: grant it",
        }
    ]


def test_a_delivery_that_had_no_targets_counts_as_one_that_failed() -> None:
    assert Report(delivery(), error=OutOfTime()).metrics()["TargetsFailed"] == 1
    assert Report(delivery(), error=UnknownName("mapping db is gone")).metrics()["TargetsFailed"] == 0


def test_the_time_from_event_to_write_is_counted_where_something_was_written_and_never_below_zero() -> None:
    assert "EventToWriteSeconds" not in Report(delivery(), (UNCHANGED,)).metrics()
    early = Report(delivery(), (UPDATED,), written_at=WHEN - timedelta(seconds=3))
    assert early.metrics()["EventToWriteSeconds"] == 0.0


def test_new_content_that_a_sweep_has_found_is_a_change_that_no_event_told_of() -> None:
    outcomes = (CREATED, UPDATED, ANNOTATED, UNCHANGED, FORBIDDEN)
    of_sweep = delivery(expires=WHEN + timedelta(hours=1))
    assert Report(of_sweep, outcomes).metrics()["ChangesFoundBySweep"] == 1
    assert "ChangesFoundBySweep" not in Report(of_sweep, (CREATED, ANNOTATED, UNCHANGED)).metrics()
    assert "ChangesFoundBySweep" not in Report(delivery(), outcomes).metrics()


@pytest.mark.parametrize(
    ("outcomes", "error", "comes_back", "count"),
    [
        ((CREATED, UNCHANGED), None, False, 0),
        ((GONE,), None, False, 1),
        ((FORBIDDEN, GONE), None, True, 2),
        ((GONE,), OutOfTime(), True, 2),
        ((), NamespaceGone("create it"), False, 1),
    ],
)
def test_a_delivery_comes_back_where_trying_again_can_help(
    outcomes: tuple[Outcome, ...], error: KeyferryError | None, comes_back: bool, count: int
) -> None:
    report = Report(delivery(), outcomes, error=error)
    assert report.can_retry is comes_back
    assert len(report.errors) == count


def test_a_line_has_room_for_the_busiest_namespaces() -> None:
    long, text = "n" * 240, "w" * 200
    workloads = tuple(WorkloadOutcome(f"Deployment/{long}-{number}", "partition", text) for number in range(200))
    keys, notes = tuple(f"{long}-{number}" for number in range(40)), (long,) * 200
    busy = tuple(Outcome(f"{n}", "updated", workloads=workloads, notes=notes, keys=keys) for n in range(2000))
    fields = Report(delivery(), busy).log_fields()
    assert len(json.dumps(fields)) < 256 * 1024
    first = fields["namespaces"][0]
    assert (len(first["workloads"]), first["workloads_more"]) == (MAX_WORKLOADS, 200 - MAX_WORKLOADS)
    assert (first["notes"][-1], first["keys"][-1]) == ("and 195 more", f"and {40 - MAX_KEYS} more")
    assert Report(delivery(), busy[:1]).metrics()["WorkloadsRestarted"] == 200
    assert "workloads_more" not in Outcome("a", "updated", workloads=workloads[:MAX_WORKLOADS]).build_log_field()


def test_workloads_of_which_there_is_more_to_say_come_first_in_a_line() -> None:
    pulls = WorkloadOutcome("Deployment/pulls", "pull secret")
    told = Outcome("a", "updated", workloads=(API, pulls, PAUSED, LEFT_ALONE)).build_log_field()["workloads"]
    assert [each["reason"] for each in told] == ["paused", "opted out", "restarted", "pull secret"]


def test_what_becomes_of_each_workload_is_told_with_a_reason() -> None:
    def stamp(name: str, **more: Any) -> Stamp:  # noqa: ANN401
        return Stamp(Workload(kind="Deployment", name=name), **({"patch": {}} | more))

    done = stamp("done", note="belongs to A/b, which may undo it", ways=("env",))
    stamps = [
        stamp("done", patch=None, note="stamped before", reason="stamped before"),
        stamp("opted-out", patch=None, note="left alone", reason="opted out"),
        stamp("refused", patch=None, error=Forbidden("grant it"), reason="failed"),
        stamp("left"),
    ]
    told = list_workloads(stamps, [done], ["Deployment/pulls"], is_due=True)
    assert [(each.workload.removeprefix("Deployment/"), each.reason, each.why) for each in told] == [
        ("done", "restarted", "belongs to A/b, which may undo it"),
        ("opted-out", "opted out", "left alone"),
        ("refused", "failed", "grant it"),
        ("left", "due", ""),
        ("pulls", "pull secret", ""),
    ]
    assert Outcome("a", "updated", workloads=told).restarted == ("Deployment/done (belongs to A/b, which may undo it)",)
    assert [each.reason for each in list_workloads([stamp("left")], [], [], is_due=False)] == ["gone"]


def test_a_workload_has_its_stamp_also_where_its_pods_are_replaced_later_or_in_part() -> None:
    stamped = [reason for reason in get_args(Reason.__value__) if WorkloadOutcome("Deployment/api", reason).is_stamped]
    assert stamped == ["restarted", "paused", "OnDelete", "in place", "no replicas", "partition", "promotion"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ServerError("500"), "the next try or sweep restarts them"),
        (Moved("the plan has moved"), "the next try or sweep restarts them"),
        (Conflict("stop helm"), "they restart once that is mended"),
    ],
)
def test_restarts_that_are_due_say_what_makes_them(error: KeyferryError, told: str) -> None:
    begun = "its workloads are due for a restart (keyferry.dev/restart-due)"
    assert explain_due(error, is_written=True) == f"the Secret is written, and {begun}: {told}"
    assert explain_due(error, is_written=False) == f"its content stays as it was, and {begun}: {told}"
