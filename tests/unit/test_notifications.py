"""What is told of deliveries on the event bus: to whom it matters, once, and at no cost to the delivery."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from keyferry import __version__
from keyferry.aws.errors import build_error
from keyferry.aws.event_bus import SILENT_SECONDS, EventBus
from keyferry.aws.sessions import Sessions
from keyferry.cli.reference.schemas import build_event_schema, write_event_schemas
from keyferry.delivery.report import Effect, Outcome, Report
from keyferry.delivery.restart.outcome import WorkloadOutcome
from keyferry.errors import (
    ClusterUnreachable,
    Conflict,
    Forbidden,
    FunctionDied,
    KeyferryError,
    MappingsUnreadable,
    NamespaceGone,
    OutOfTime,
    Overtaken,
    SourceMissing,
    Suspended,
    SuspensionsUnknown,
    Unreachable,
)
from keyferry.guides import link_error
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery
from keyferry.pipeline.alerts.failures import PERSISTENT_SECONDS
from keyferry.pipeline.kubernetes_events import list_events
from keyferry.pipeline.notifications import DETAILS, MAX_NAMES, Notification, list_notifications
from keyferry.pipeline.settle import Settlement, settle_delivery
from keyferry.runtime.notifications import AGAIN_SECONDS, MAX_TOLD, METRIC, Announcer, create_announcer
from tests.unit.fake_queues import message
from tests.unit.guide_blocks import list_blocks
from tests.unit.samples import WHEN, delivery, mapping
from tests.unit.stack import ROOT

OWNED = mapping(owner={"team": "payments", "contact": "#payments"})
RESTARTED = (WorkloadOutcome("Deployment/api", "restarted"), WorkloadOutcome("Deployment/web", "pull secret"))


def written(namespace: str = "payments", did: Effect = "updated", **more: Any) -> Outcome:  # noqa: ANN401
    return Outcome(namespace, did, **more)


def failed(error: KeyferryError, namespace: str = "payments", **more: Any) -> Outcome:  # noqa: ANN401
    return Outcome(namespace, more.pop("did", "failed"), error=error, **more)


def settle(
    *outcomes: Outcome,
    error: KeyferryError | None = None,
    attempt: int = 2,
    age: float = 0.0,
    **more: Any,  # noqa: ANN401
) -> Settlement:
    """Return what becomes of the message of a delivery that has this result."""
    asked = delivery(**more.pop("asked", {}))

    def work(wanted: Delivery) -> Report:
        return Report(wanted, outcomes, {"db": "version-2"}, error=error, **more)

    return settle_delivery(message(asked.to_json(), attempt=attempt, age=age), work)


def tell(settlement: Settlement, of: SecretMapping = OWNED) -> list[Notification]:
    """Return what is told of it; each follows its schema, and has no value."""
    told = list_notifications(settlement, of, "keyferry")
    for each in told:
        Draft202012Validator(build_event_schema(each.type)).validate(each.detail)
        assert "canary" not in json.dumps(each.build_entry())
        assert len(json.dumps(each.build_entry()).encode()) < 256 * 1024
    return told


def types(told: Sequence[Notification]) -> list[str]:
    return [each.type for each in told]


def test_a_delivery_that_wrote_says_what_where_and_of_which_versions() -> None:
    outcomes = written(workloads=RESTARTED), written("shop", "created"), written("web", "unchanged")
    [told] = tell(settle(*outcomes))
    asked = delivery()
    assert told.detail == {
        "stack": "keyferry",
        "release": __version__,
        "eventId": asked.event_id,
        "eventTime": told.detail["eventTime"],
        "origin": "event",
        "mapping": asked.mapping,
        "owner": {"team": "payments", "contact": "#payments"},
        "cluster": asked.cluster,
        "secret": "payments-db",
        "namespaces": ["payments", "shop"],
        "namespaceCount": 2,
        "sources": {"db": {"store": "secretsmanager", "name": "prod/payments/db", "version": "version-2"}},
        "did": {"created": 1, "updated": 1},
        "restarted": 1,
    }
    entry = told.build_entry()
    assert (entry["Source"], entry["DetailType"], json.loads(entry["Detail"])) == (
        "keyferry",
        "Secret Delivered",
        told.detail,
    )


def test_a_mapping_without_an_owner_is_told_without_one_and_a_version_that_differs_is_left_out() -> None:
    settlement = settle(written())
    assert isinstance(settlement.result, Report)
    [told] = tell(replace(settlement, result=replace(settlement.result, versions={})), mapping())
    assert "owner" not in told.detail
    assert "version" not in told.detail["sources"]["db"]


@pytest.mark.parametrize("did", ["annotated", "unchanged"])
def test_what_no_pod_can_see_is_not_told(did: Effect) -> None:
    assert tell(settle(written(did=did))) == []


def test_a_failure_says_why_and_where_it_is_mended() -> None:
    error = SourceMissing("source db: no such secret").locate("mappings/db.yaml:12")
    [told] = tell(settle(failed(error), failed(Conflict("key a"), "shop"), failed(Conflict("key a"), "web")))
    assert told.type == "Delivery Failed"
    assert told.detail["error"] == {
        "kind": "SourceMissing",
        "text": "SourceMissing: source db: no such secret",
        "at": "mappings/db.yaml:12",
        "help": link_error("SourceMissing"),
    }
    assert (told.detail["namespaces"], told.detail["moreErrors"], told.detail["isFinal"]) == (
        ["payments", "shop", "web"],
        1,
        True,
    )


def test_what_somebody_has_to_mend_comes_before_what_can_pass() -> None:
    [told] = tell(settle(failed(Forbidden("no")), failed(Conflict("key a"), "shop"), asked={"namespace": "shop"}))
    assert (told.detail["error"]["kind"], told.detail["isFinal"]) == ("Conflict", False)


def test_a_secret_that_was_written_before_its_restart_failed_is_told_as_both() -> None:
    error = Forbidden("may not patch Deployment api")
    told = tell(settle(failed(error, did="updated", restart_due=True), asked={"namespace": "payments"}))
    assert types(told) == ["Secret Delivered", "Restart Failed"]
    assert told[1].detail["isFinal"] is False


@pytest.mark.parametrize(
    "error", [Overtaken("again"), OutOfTime(), SuspensionsUnknown("never read"), Unreachable("no answer")]
)
def test_what_passes_by_itself_is_told_once_it_has_lasted(error: KeyferryError) -> None:
    asked = {"namespace": "payments"}
    assert tell(settle(failed(error), asked=asked, age=PERSISTENT_SECONDS - 1)) == []
    assert types(tell(settle(failed(error), asked=asked, age=PERSISTENT_SECONDS + 1))) == ["Delivery Failed"]


def test_a_cluster_that_is_away_is_told_once_that_lasts_with_all_its_namespaces() -> None:
    error = ClusterUnreachable("cluster prod-eu does not answer")
    assert tell(settle(error=error, all_namespaces=("payments", "shop"))) == []
    [told] = tell(
        settle(
            written("shop", "unchanged"), error=error, all_namespaces=("payments", "shop"), age=PERSISTENT_SECONDS + 1
        )
    )
    assert told.detail["namespaces"] == ["payments"]
    [early] = tell(settle(error=error, age=PERSISTENT_SECONDS + 1))
    assert (early.detail["namespaces"], early.detail["namespaceCount"]) == ([], 0)


@pytest.mark.parametrize("outcomes", [(), (written(),)], ids=["at once", "under way"])
def test_what_somebody_has_suspended_has_not_failed(outcomes: tuple[Outcome, ...]) -> None:
    stopped = settle(*outcomes, error=Suspended("everything"), all_namespaces=("payments", "shop"))
    assert stopped.decision == "suspended"
    assert types(tell(stopped)) == ["Secret Delivered"] * len(outcomes), "what was written before is told"
    assert list_events(stopped, OWNED, "keyferry", WHEN) == []


def test_what_goes_on_as_a_message_of_its_own_is_not_told_yet() -> None:
    settlement = settle(written(), failed(Overtaken("again"), "shop"))
    assert settlement.decision == "replaced"
    assert types(tell(settlement)) == ["Secret Delivered"]
    assert tell(settle(error=FunctionDied("it died"))) == []


def test_a_namespace_that_is_gone_is_told_here_if_not_there() -> None:
    assert types(tell(settle(failed(NamespaceGone("payments is gone"))))) == ["Delivery Failed"]


def test_names_are_bounded_and_counted() -> None:
    sources = {f"source{number}": {"secretsManager": f"{'x' * 400}/{number}"} for number in range(70)}
    data = {alias: {"from": alias} for alias in sources}
    outcomes = [failed(Conflict("x" * 5000), f"namespace-{number:04}") for number in range(3000)]
    [told] = tell(settle(*outcomes), mapping(sources=sources, secret={"name": "db", "data": data}))
    assert (len(told.detail["namespaces"]), told.detail["namespaceCount"]) == (MAX_NAMES, 3000)
    assert len(told.detail["sources"]) == MAX_NAMES


def test_a_message_that_was_not_worked_on_is_told_of_by_nothing() -> None:
    assert list_notifications(Settlement("superseded", delivery=delivery()), OWNED, "keyferry") == []


def test_the_schemas_are_published(tmp_path: Path) -> None:
    write_event_schemas(tmp_path)
    published = {path.name: path.read_text() for path in (ROOT / "docs/events").iterdir()}
    assert published == {path.name: path.read_text() for path in tmp_path.iterdir()}, "make reference"
    assert len(published) == len(DETAILS)
    for text in published.values():
        Draft202012Validator.check_schema(json.loads(text))


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The templates of the guide, as files."""
    folder = tmp_path_factory.mktemp("notify")
    paths = []
    for block in list_blocks("yaml"):
        if block.guide == "docs/operate/notify.md":
            paths.append(folder / f"{block.line}.yaml")
            paths[-1].write_text(block.text)
    return paths


def test_the_templates_of_the_guide_are_ones_that_cloudformation_takes(templates: list[Path]) -> None:
    assert len(templates) == 4
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--regions", "eu-west-1", "--", *templates],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_rules_of_the_guide_ask_for_events_and_fields_that_there_are(templates: list[Path]) -> None:
    [told] = tell(settle(failed(Conflict("key a"))))
    envelope = {"source": "keyferry", "detail-type": told.type, "detail": told.detail}
    for path in templates:
        text = path.read_text()
        assert set(re.findall(r"detail-type: \[(.*?)\]", text)[0].split(", ")) <= DETAILS.keys()
        for field in re.findall(r"\$\.([\w.-]+)$", text, re.MULTILINE):
            found: Any = envelope
            for part in field.split("."):
                found = found[part]
            assert isinstance(found, str)


def test_the_example_of_the_guide_follows_the_schema() -> None:
    [example] = [json.loads(each.text) for each in list_blocks("json") if each.guide == "docs/operate/notify.md"]
    Draft202012Validator(build_event_schema(example["detail-type"])).validate(example["detail"])
    [told] = tell(settle(failed(Conflict("key a").locate("mappings/db.yaml:1"))))
    assert example["detail"].keys() == told.detail.keys()


# The bus


class FakeBus:
    """EventBridge with memory, which answers or fails as a test says."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []
        self.error: Exception | None = None
        self.code = ""
        self.calls, self.now = 0, 0.0

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        if self.error:
            raise self.error
        if self.code:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": self.code} for _ in Entries]}
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}

    def open(self) -> Any:  # noqa: ANN401  # in place of a client of boto3's
        return self


class Teller:
    """An announcer, with what it counts."""

    def __init__(self) -> None:
        self.bus, self.counted = FakeBus(), 0.0
        clock = lambda: self.bus.now  # noqa: E731
        self.announcer = Announcer(EventBus(self.bus.open, clock), "keyferry", clock)

    def tell(self, settlement: Settlement) -> Settlement:
        return self.announcer.announce(settlement, lambda _name: OWNED, self._count)

    def _count(self, values: Any) -> None:  # noqa: ANN401
        self.counted += values[METRIC]


def notes(settlement: Settlement) -> tuple[str, ...]:
    assert isinstance(settlement.result, Report)
    return settlement.result.notes


def test_what_is_told_goes_to_the_bus_and_the_settlement_stays_as_it_is() -> None:
    teller, settlement = Teller(), settle(written())
    assert teller.tell(settlement) is settlement
    assert [entry["DetailType"] for entry in teller.bus.entries] == ["Secret Delivered"]
    assert teller.counted == 0


def test_the_events_of_an_environment_name_its_stack_and_nobody_waits_long_for_the_bus() -> None:
    bus, asked = FakeBus(), list[tuple[str, bool]]()

    def open_client(service: str, *, fail_fast: bool = False) -> FakeBus:
        asked.append((service, fail_fast))
        return bus

    announcer = create_announcer(
        cast("Sessions", SimpleNamespace(client=open_client)), {"KEYFERRY_STACK": "keyferry-eu"}
    )
    announcer.announce(settle(written()), lambda _name: OWNED, lambda _: None)
    assert [json.loads(entry["Detail"])["stack"] for entry in bus.entries] == ["keyferry-eu"]
    assert asked == [("events", True)]


def test_nothing_to_tell_asks_nobody() -> None:
    teller = Teller()
    teller.tell(settle(written(did="unchanged")))
    teller.tell(Settlement("dead letter", reason="not a delivery"))
    teller.announcer.announce(settle(written()), lambda _name: None, teller._count)
    assert teller.bus.calls == 0


@pytest.mark.parametrize("decision", ["done", "retry later"])
def test_an_event_that_was_not_put_fails_no_delivery_and_is_noted_and_counted(decision: str) -> None:
    teller = Teller()
    teller.bus.error = build_error("AccessDeniedException", "", "events:PutEvents on the default event bus")
    settlement = settle(written()) if decision == "done" else settle(failed(Forbidden("no")), asked={"namespace": "a"})
    told = teller.tell(settlement)
    assert told.decision == settlement.decision == decision
    assert "not told on the event bus: " in notes(told)[0]
    assert "refuses events:PutEvents on the default event bus" in notes(told)[0]
    assert teller.counted == 1


def test_an_entry_that_is_not_taken_is_noted_and_told_again() -> None:
    teller = Teller()
    teller.bus.code = "ThrottlingException"
    assert "1 not taken: ThrottlingException" in notes(teller.tell(settle(failed(Conflict("key a")))))[0]
    teller.bus.code = ""
    teller.tell(settle(failed(Conflict("key a"))))
    assert len(teller.bus.entries) == 1


def test_a_bus_that_does_not_answer_is_not_asked_again_for_a_while() -> None:
    teller = Teller()
    teller.bus.error = Unreachable("no answer")
    assert "no answer" in notes(teller.tell(settle(written())))[0]
    assert "did not answer a moment ago" in notes(teller.tell(settle(written())))[0]
    assert (teller.bus.calls, teller.counted) == (1, 2)
    teller.bus.error, teller.bus.now = None, SILENT_SECONDS
    assert notes(teller.tell(settle(written()))) == ()
    assert len(teller.bus.entries) == 1


def test_the_same_failure_is_told_once_an_hour_and_what_was_written_each_time() -> None:
    teller = Teller()
    for _ in range(3):
        teller.tell(settle(failed(Forbidden("no")), asked={"namespace": "payments"}))
        teller.tell(settle(written()))
    told = [entry["DetailType"] for entry in teller.bus.entries]
    assert (told.count("Delivery Failed"), told.count("Secret Delivered")) == (1, 3)
    teller.tell(settle(failed(Forbidden("another")), asked={"namespace": "payments"}))
    teller.tell(settle(failed(Forbidden("no")), asked={"namespace": "payments"}, age=25 * 3600))  # it is given up
    teller.bus.now = AGAIN_SECONDS
    teller.tell(settle(failed(Forbidden("no")), asked={"namespace": "payments"}))
    assert [entry["DetailType"] for entry in teller.bus.entries].count("Delivery Failed") == 4


def test_what_was_told_is_forgotten_where_it_becomes_much() -> None:
    teller = Teller()
    for number in range(MAX_TOLD + 1):
        teller.tell(settle(failed(Conflict(f"key {number}"))))
    before = len(teller.bus.entries)
    teller.tell(settle(failed(Conflict(f"key {MAX_TOLD}"))))
    teller.tell(settle(failed(Conflict("key 0"))))
    assert len(teller.bus.entries) == before + 1


def test_without_mappings_nothing_is_told_and_nothing_counted() -> None:
    teller, settlement = Teller(), settle(error=MappingsUnreadable("no mappings"))

    def refuse(_name: str) -> SecretMapping:
        raise MappingsUnreadable("no mappings")

    assert teller.announcer.announce(settlement, refuse, teller._count) is settlement
    assert teller.counted == 0
