"""Kubernetes Events: which failures are told, in which words, how often, and what it costs a delivery."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keyferry.deadline import Deadline
from keyferry.delivery.report import Effect, Outcome, Report
from keyferry.errors import (
    AccessDenied,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    KeyferryError,
    NamespaceGone,
    NotSignedIn,
    OutOfTime,
    Overtaken,
    ServerError,
    SourceMissing,
    SuspensionsUnknown,
    Throttled,
    Unauthorized,
    Unconfirmed,
    Unexpected,
    Unreachable,
    WrongCluster,
)
from keyferry.kubernetes_events import MAX_MESSAGE, NAME_END, REASONS, build_event
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery
from keyferry.pipeline.alerts.failures import PERSISTENT_SECONDS
from keyferry.pipeline.kubernetes_events import (
    MAX_EVENTS,
    WRITE_SECONDS,
    add_note,
    has_somebody_to_tell,
    list_events,
    write_events,
)
from keyferry.pipeline.settle import Settlement, settle_delivery
from keyferry.runtime.kubernetes_events import tell
from keyferry.runtime.wiring import Runtime
from tests.unit.fake_queues import message
from tests.unit.incident import CONTEXT, load_app
from tests.unit.incident import build_event as build_incoming
from tests.unit.samples import cluster, delivery, mapping
from tests.unit.world import SOURCE, World

NOW = datetime(2026, 11, 29, 12, 34, 56, tzinfo=UTC)


def event(
    of: str = "payments-db", message: str = "no", cause: str = "cause", instance: str = "keyferry", now: datetime = NOW
) -> dict[str, Any]:
    """Return an Event about a Secret in the namespace payments."""
    return build_event("payments", of, "DeliveryFailed", message, cause=cause, instance=instance, now=now)


def name(
    of: str = "payments-db", message: str = "no", cause: str = "cause", instance: str = "keyferry", later: int = 0
) -> str:
    """Return the name of such an Event, some minutes later."""
    made = event(of, message, cause, instance, NOW + timedelta(minutes=later))
    return str(made["metadata"]["name"])


def test_an_event_has_the_form_that_client_go_gives_it() -> None:
    made = event(message="SourceMissing: no")
    assert made == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "payments", "name": made["metadata"]["name"]},
        "involvedObject": {"apiVersion": "v1", "kind": "Secret", "namespace": "payments", "name": "payments-db"},
        "reason": "DeliveryFailed",
        "message": "SourceMissing: no",
        "type": "Warning",
        "source": {"component": "keyferry"},
        "reportingComponent": "keyferry",
        "reportingInstance": "keyferry",
        "firstTimestamp": "2026-11-29T12:34:56Z",
        "lastTimestamp": "2026-11-29T12:34:56Z",
        "count": 1,
    }


def test_a_cause_has_one_name_within_an_hour_whatever_the_message_says_of_the_next_try() -> None:
    assert name() == name(message="other", later=25) == name(later=-34)
    names = {name(), name(later=26), name(cause="other"), name(instance="staging"), name("other")}
    assert len(names) == 5


@pytest.mark.parametrize("secret", ["db", "a.b", "x" * 253, "x" * 235 + ".y" * 9])
def test_a_name_is_one_that_kubernetes_takes_and_the_policy_too(secret: str) -> None:
    made = name(secret)
    assert len(made) <= 253
    assert re.search(NAME_END, made)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*", made)


# Which failures are told


def failed(error: KeyferryError, namespace: str = "payments", did: Effect = "failed", *, due: bool = False) -> Outcome:
    return Outcome(namespace, did, error=error, restart_due=due)


def of_part(error: KeyferryError, part: str) -> KeyferryError:
    error.part = part
    return error


def settled(
    *outcomes: Outcome,
    age: float = 0.0,
    sweep: bool = False,
    error: KeyferryError | None = None,
    namespaces: Sequence[str] = (),
) -> Settlement:
    """Return what becomes of the message of a delivery that ends so."""
    expires = {"expires": datetime.now(UTC) + timedelta(hours=1)} if sweep else {}

    def end(asked: Delivery) -> Report:
        return Report(asked, outcomes, error=error, all_namespaces=tuple(namespaces))

    return settle_delivery(message(delivery(**expires).to_json(), attempt=2, age=age), end)


def told(settlement: Settlement, owner: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return list_events(settlement, mapping(owner=owner), "keyferry", NOW)


def test_a_failure_is_told_with_where_to_mend_it_whose_it_is_and_the_next_try() -> None:
    error = SourceMissing("AWS has no secret prod/payments/db").locate("mappings/db.yaml:8")
    owner = {"team": "payments", "contact": "#payments"}
    [one] = told(settled(failed(error)), owner=owner)
    assert one["involvedObject"]["name"] == "payments-db"
    assert one["reason"] == "DeliveryFailed"
    assert one["message"] == (
        "SourceMissing: AWS has no secret prod/payments/db (mapping payments-db, mappings/db.yaml:8,"
        " owner payments (#payments), https://keyferry.dev/operate/troubleshooting/#sourcemissing);"
        " next try: with the next change or sweep"
    )


def test_the_reasons_are_those_that_the_policy_allows() -> None:
    assert REASONS == ("DeliveryFailed", "RestartFailed")
    assert (MAX_MESSAGE, MAX_EVENTS, WRITE_SECONDS) == (1024, 1000, 5.0)  # docs/decisions/0013


def test_the_next_try_is_that_of_the_message() -> None:
    denied = failed(AccessDenied("AWS refuses it"))
    retried = settled(denied)
    assert retried.delay_seconds > 0
    waiting = [told(retried), told(replace(retried, delay_seconds=0)), told(settled(denied, sweep=True, age=10**6))]
    assert [each[0]["message"].rpartition("next try: ")[2] for each in waiting] == [
        f"in {retried.delay_seconds} s",
        "soon",
        "with the next change or sweep",
    ]
    going_on = settled(Outcome("fine", "updated"), denied)
    assert going_on.follow_ups
    assert told(going_on)[0]["message"].endswith("#accessdenied); next try: at once")


PASSING = [
    Overtaken("x"),
    OutOfTime(),
    SuspensionsUnknown("x"),
    Throttled("x"),
    Unconfirmed("x"),
    Unreachable("x"),
    ServerError("x"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_passes_within_seconds_is_told_once_it_lasts(error: KeyferryError) -> None:
    assert told(settled(failed(error))) == []
    assert len(told(settled(failed(error), age=PERSISTENT_SECONDS + 1))) == 1


def test_what_passes_and_goes_on_as_a_delivery_of_its_own_is_told_by_that() -> None:
    settlement = settled(Outcome("fine", "updated"), failed(ServerError("x")), age=PERSISTENT_SECONDS + 1)
    assert [each.namespace for each in settlement.follow_ups] == ["payments"]
    assert told(settlement) == []


@pytest.mark.parametrize("error", [AccessDenied("x"), Forbidden("x"), Conflict("x"), Unexpected(ValueError())])
def test_a_refusal_is_told_at_once(error: KeyferryError) -> None:
    assert len(told(settled(failed(error)))) == 1


def test_what_is_in_order_and_what_fails_for_the_whole_cluster_is_told_to_nobody() -> None:
    of_cluster: list[KeyferryError] = [ClusterUnreachable("x"), Unauthorized("prod-eu", "role"), WrongCluster("x")]
    of_cluster += [NotSignedIn("x"), of_part(AccessDenied("x"), "cluster")]
    for settlement in (
        settled(Outcome("payments", "updated"), namespaces=["payments"]),
        *(settled(error=error, namespaces=["payments"], age=10**6) for error in of_cluster),
        settled(error=SourceMissing("x")),
    ):
        assert not has_somebody_to_tell(settlement)
        assert told(settlement) == []
    unknown = Settlement("retry later")
    assert not has_somebody_to_tell(unknown)
    assert told(unknown) == []


def test_a_source_that_no_namespace_can_do_without_is_told_in_each_that_was_not_done() -> None:
    done, other = Outcome("done", "updated"), failed(Conflict("y"), "other")
    settlement = settled(done, other, error=SourceMissing("x"), namespaces=["done", "left", "other"])
    assert has_somebody_to_tell(settlement)
    messages = {each["metadata"]["namespace"]: each["message"].partition(":")[0] for each in told(settlement)}
    assert messages == {"left": "SourceMissing", "other": "Conflict"}


def test_a_delivery_knows_all_its_namespaces_also_where_it_ends_before_it_is_in_them() -> None:
    world = World("one", "two")
    world.sources.errors[SOURCE] = AccessDenied("AWS refuses it")
    report = world.deliver()
    assert (report.outcomes, report.all_namespaces) == ((), ("one", "two"))


def test_a_namespace_that_is_gone_has_no_place_for_an_event() -> None:
    settlement = settled(failed(NamespaceGone("x")))
    assert has_somebody_to_tell(settlement)
    assert told(settlement) == []


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (failed(of_part(Forbidden("x"), "restart"), due=True), "RestartFailed"),
        (failed(of_part(Forbidden("x"), "restart.0"), due=True), "RestartFailed"),
        (failed(of_part(Forbidden("x"), "secret.name"), did="updated", due=True), "RestartFailed"),
        (failed(of_part(Forbidden("x"), "secret.name"), did="created", due=True), "RestartFailed"),
        (failed(of_part(Forbidden("x"), "restart"), did="updated"), "DeliveryFailed"),
        (failed(of_part(SourceMissing("x"), "sources.db"), due=True), "DeliveryFailed"),
        (failed(of_part(SourceMissing("x"), "sources.db")), "DeliveryFailed"),
    ],
)
def test_a_restart_that_fails_has_a_reason_of_its_own(outcome: Outcome, reason: str) -> None:
    assert [each["reason"] for each in told(settled(outcome))] == [reason]


def test_a_long_message_keeps_its_end_and_is_as_long_as_the_policy_allows() -> None:
    long = SourceMissing("x" * 10_000).locate("mappings/" + "y" * 500 + ".yaml:8")
    [one] = told(settled(failed(long)))
    assert len(one["message"]) <= MAX_MESSAGE
    assert one["message"].endswith("next try: with the next change or sweep")


def test_each_namespace_is_told_up_to_a_bound_and_where_there_are_more_a_later_try_tells_others() -> None:
    many = settled(*(failed(SourceMissing("x"), f"team-{number}") for number in range(MAX_EVENTS + 200)))
    first, second = ({each["metadata"]["namespace"] for each in told(many)} for _ in range(2))
    assert len(first) == len(second) == MAX_EVENTS
    assert first != second


# Writing


class FakeEvents:
    """Takes Events, and refuses those of some namespaces."""

    def __init__(self, **refused: Exception) -> None:
        self.refused, self.asked = refused, list[str]()

    def create(self, wanted: dict[str, Any]) -> None:
        """Take an Event."""
        namespace = wanted["metadata"]["namespace"]
        self.asked.append(namespace)
        if namespace in self.refused:
            raise self.refused[namespace]


def events(*namespaces: str) -> list[dict[str, Any]]:
    settlement = settled(*(failed(SourceMissing("x"), namespace) for namespace in namespaces))
    return sorted(told(settlement), key=lambda each: str(each["metadata"]["namespace"]))


def test_where_all_events_are_written_nothing_is_noted() -> None:
    fake = FakeEvents()
    assert write_events(events("a", "b"), fake.create, 0) == ""
    assert fake.asked == ["a", "b"]


def test_one_that_is_refused_does_not_keep_others_from_it_and_is_noted_once() -> None:
    fake = FakeEvents(a=Forbidden("no right"), b=ValueError("canary-value"))
    note = write_events(events("a", "b", "c"), fake.create, 1)
    assert fake.asked == ["a", "b", "c"]
    assert note == "2 of 3 Kubernetes Events were not written: Forbidden: no right"


@pytest.mark.parametrize("error", [ClusterUnreachable("no answer"), OutOfTime()])
def test_a_cluster_that_does_not_answer_is_asked_no_more(error: KeyferryError) -> None:
    fake = FakeEvents(a=error)
    assert write_events(events("a", "b", "c"), fake.create, 1).startswith("3 of 3 Kubernetes Events were not written")
    assert fake.asked == ["a"]


def test_an_unexpected_error_is_noted_without_its_text() -> None:
    note = write_events(events("a"), FakeEvents(a=ValueError("canary-value")).create, 1)
    assert note.startswith("1 of 1 Kubernetes Events were not written: Unexpected: ValueError at ")
    assert "canary" not in note


def test_a_note_is_one_of_the_report_and_changes_nothing_else() -> None:
    before = settled(failed(SourceMissing("x")))
    after = add_note(before, "note")
    assert after.log_fields() == {**before.log_fields(), "notes": ["note"]}
    assert add_note(after, "one more").log_fields()["notes"] == ["note", "one more"]
    assert (after.decision, after.reason, after.follow_ups) == (before.decision, before.reason, before.follow_ups)
    assert add_note(before, "") is before
    unknown = Settlement("retry later")
    assert add_note(unknown, "note") is unknown


@dataclass
class FakeRuntime:
    """A runtime that connects to one cluster, or not."""

    events: bool = True
    error: KeyferryError | None = None
    created: list[dict[str, Any]] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    concurrency: int = 1

    @property
    def catalog(self) -> Catalog:
        return build_catalog([mapping()], [cluster(events=self.events)])

    def limit(self, deadline: Deadline) -> None:
        self.deadlines.append(deadline)

    def connect(self, _cluster: Cluster, deadline: Deadline) -> SimpleNamespace:
        self.deadlines.append(deadline)
        if self.error:
            raise self.error
        return SimpleNamespace(create_event=self.created.append)

    def deliver(self, asked: Delivery, _deadline: Deadline, **_: object) -> Report:
        return Report(asked, error=SourceMissing("x"), all_namespaces=("payments", "billing"))

    def deliver_apart(self, asked: Delivery, deadline: Deadline, *_: object) -> Report:
        return self.deliver(asked, deadline)


def tell_by(runtime: FakeRuntime, settlement: Settlement, seconds: float = 100.0) -> Settlement:
    return tell(cast("Runtime", runtime), settlement, Deadline.after(seconds))


def test_a_cluster_that_asks_for_events_gets_them_after_the_delivery_and_within_a_bound() -> None:
    runtime, settlement = FakeRuntime(), settled(failed(SourceMissing("x")))
    assert tell_by(runtime, settlement) is settlement
    assert [each["metadata"]["namespace"] for each in runtime.created] == ["payments"]
    assert len(runtime.deadlines) == 2  # of the sources, and of the cluster
    assert all(0 < each.remaining() <= WRITE_SECONDS for each in runtime.deadlines)
    late = FakeRuntime()
    tell_by(late, settlement, seconds=1.0)
    assert all(each.remaining() <= 1.0 for each in late.deadlines)


def test_a_cluster_that_does_not_ask_is_not_even_connected_to() -> None:
    runtime, settlement = FakeRuntime(events=False), settled(failed(SourceMissing("x")))
    assert tell_by(runtime, settlement) is settlement
    passing = settled(failed(Overtaken("x")))
    assert tell_by(FakeRuntime(), passing) is passing
    assert tell_by(runtime, settled(Outcome("payments", "updated"))).decision == "done"
    assert (runtime.created, runtime.deadlines) == ([], [])
    unreadable = Settlement("dead letter", reason="no delivery")
    assert tell_by(FakeRuntime(), unreadable) is unreadable


def test_where_nobody_is_to_be_told_not_even_the_mapping_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: FakeRuntime) -> Catalog:
        raise AssertionError("nothing has failed in a namespace")

    monkeypatch.setattr(FakeRuntime, "catalog", property(refuse))
    fine = settled(Outcome("payments", "updated"))
    assert tell_by(FakeRuntime(), fine) is fine


def test_a_cluster_that_cannot_be_reached_is_a_note_and_changes_nothing() -> None:
    settlement = settled(failed(SourceMissing("x")))
    after = tell_by(FakeRuntime(error=ClusterUnreachable("no answer")), settlement)
    assert after.decision == settlement.decision == "dead letter"
    assert after.log_fields()["notes"] == ["Kubernetes Events were not written: ClusterUnreachable: no answer"]


def test_deliver_tells_by_itself_what_it_could_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    app, runtime = load_app("deliver", monkeypatch, POWERTOOLS_SERVICE_NAME="events"), FakeRuntime()
    monkeypatch.setattr(app, "get_runtime", lambda: runtime)
    for attempt in (1, 2):
        app.handler(build_incoming(delivery().to_json(), attempt), CONTEXT)
    told_to = [each["metadata"]["namespace"] for each in runtime.created]
    assert sorted(told_to) == ["billing", "billing", "payments", "payments"]
