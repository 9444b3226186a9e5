"""`keyferry trace`, on the lines that the functions themselves write of clusters with memory."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from keyferry.cli.output.trace import list_lines
from keyferry.cli.stack import MAX_PATTERN
from keyferry.cli.trace.logs import Focus
from keyferry.cli.trace.subject import (
    Event,
    Secret,
    SourceName,
    WorkloadName,
    explain_unknown,
    find_targets,
    get_place,
    parse_subject,
)
from keyferry.cli.trace.trace import MAX_OTHERS, Trace, build_trace, fails
from keyferry.errors import ClusterUnreachable, Conflict, Forbidden, InvalidInput, ServerError, SourceUnusable
from keyferry.guides import link_error
from keyferry.model import format_moment
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.status import list_status
from keyferry.testing import Calls
from tests.unit.clusters import World
from tests.unit.fake_queues import message
from tests.unit.function_logs import FunctionLogs
from tests.unit.samples import delivery, mapping, uses, workload

ID = "6a7e8feb-b491-4cf7-a9f1-bf370346771%d"
SOURCE = "prod/payments/db"


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> FunctionLogs:
    """A stack that has delivered all of a world, and not logged that."""
    return FunctionLogs(World(), monkeypatch)


def change(logs: FunctionLogs, number: int = 1, **more: Any) -> str:  # noqa: ANN401
    """Let the secret change, and be delivered; return the id of the event."""
    logs.world.sources.put(SOURCE, f'{{"username": "me", "password": "canary-{number}-new"}}')
    event_id = logs.move(ID % number)
    logs.deliver_all(**more)
    return event_id


def rows(logs: FunctionLogs) -> list[dict[str, Any]]:
    return list(list_status(Scope(), logs.world.catalog, logs.world.services())["rows"])


def trace(
    logs: FunctionLogs,
    what: str,
    namespace: str | None = None,
    cluster: str | None = None,
    *,
    since: datetime | None = None,
    later: timedelta = timedelta(0),
    **more: Any,  # noqa: ANN401  # fields of the targets
) -> Trace:
    """Return what the command would answer."""
    known = [row | more for row in rows(logs)]
    subject, targets = find_targets(parse_subject(what, namespace, cluster), known)
    until = datetime.now(UTC) + later
    return build_trace(
        Focus(subject, targets),
        logs.lines,
        stack="keyferry",
        since=since or until - timedelta(hours=2),
        until=until,
        is_whole=True,
    )


def told(known: Trace, step: str) -> list[str]:
    return [hop["text"] for hop in known["hops"] if hop["step"] == step]


def why(
    logs: FunctionLogs, workload: str, namespace: str = "payments", cluster: str | None = "prod-eu"
) -> tuple[str, str]:
    first, *_ = trace(logs, workload, namespace, cluster)["answers"]
    return first["reason"], first["text"]


def test_a_change_has_every_hop_with_its_time_and_its_targets(logs: FunctionLogs) -> None:
    event_id = change(logs)
    known = trace(logs, "prod-eu/payments/payments-db")
    assert (known["what"], known.get("eventId")) == ("prod-eu/payments/payments-db", event_id)
    event, route, delivered, write, restart = known["hops"]
    assert event["text"] == "updated: prod/payments/db AWSCURRENT moved to version version-"
    assert route["text"] == "2 deliveries: payments-db/prod-eu, payments-db/prod-us"
    assert (delivered["text"], delivered["attempt"], delivered["cluster"]) == ("delivered", 1, "prod-eu")
    assert write["text"] == "updated: new content in password; db version-"
    assert (write["keys"], write["versions"]) == (["password"], {"db": "version-2"})
    assert (write["namespace"], write["secret"]) == ("payments", "payments-db")
    assert restart["text"] == "Deployment/api"
    assert restart["workloads"] == [{"workload": "Deployment/api", "reason": "restarted", "by": ["envFrom"]}]
    assert event["time"] < route["time"] <= delivered["time"] <= write["time"] <= restart["time"]
    assert [(each["target"], each["state"]) for each in known["now"]] == [("prod-eu/payments/payments-db", "right")]
    assert not fails(known)


def test_route_is_not_told_to_be_later_than_a_delivery_that_began_before_it_had_written_its_line(
    logs: FunctionLogs,
) -> None:
    change(logs)
    lines = logs.lines
    subject, targets = find_targets(parse_subject("prod-eu/payments/payments-db", None, None), rows(logs))
    until = datetime.now(UTC)
    lines["route"][-1]["timestamp"] = until.isoformat()
    known = build_trace(
        Focus(subject, targets), lines, stack="keyferry", since=until - timedelta(hours=2), until=until, is_whole=True
    )
    event, route, delivered, *_ = known["hops"]
    assert event["time"] < route["time"] <= delivered["time"] < format_moment(until)


@pytest.mark.parametrize(
    "what",
    [
        SOURCE,
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/payments/db",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/payments/db-a1B2c3",
        ID % 1,
    ],
)
def test_a_source_or_an_event_has_all_targets(logs: FunctionLogs, what: str) -> None:
    change(logs)
    known = trace(logs, what)
    assert known.get("eventId") == ID % 1
    assert {(hop["cluster"], hop["namespace"]) for hop in known["hops"] if hop["step"] == "write"} == {
        (cluster, namespace) for cluster in ("prod-eu", "prod-us") for namespace in ("payments", "shop")
    }
    assert len(known["now"]) == 4


def test_the_last_change_is_told_and_those_before_are_named(logs: FunctionLogs) -> None:
    first, second = change(logs, 1), change(logs, 2)
    logs.move(ID % 3, label="AWSPENDING")
    known = trace(logs, SOURCE)
    assert known.get("eventId") == second
    assert ([each["eventId"] for each in known["others"]], known["ignored"]) == ([first], 1)
    time = "(.* )?[0-9:]{8}"  # with the day, near midnight
    assert re.fullmatch(
        f"{SOURCE}: change of {time} \\(event {second}\\); 1 other since {time}, {first} at {time};"
        " 1 more event of no change",
        next(list_lines(known)),
    )


def test_of_very_many_other_changes_the_newest_are_named_and_the_rest_is_counted(logs: FunctionLogs) -> None:
    for number in range(MAX_OTHERS + 3):
        logs.move(ID % number)
    known = trace(logs, SOURCE)
    assert (len(known["others"]), known["othersMore"]) == (MAX_OTHERS, 2)
    assert known["others"][0]["eventId"] == ID % (MAX_OTHERS + 1)
    assert f"; {MAX_OTHERS + 2} others since " in next(list_lines(known))
    assert f", the newest {ID % (MAX_OTHERS + 1)} at " in next(list_lines(known))


def test_a_delivery_that_finds_nothing_new_is_not_the_last_change(logs: FunctionLogs) -> None:
    first = change(logs)
    logs.move(ID % 2)
    logs.deliver_all()
    assert trace(logs, "prod-eu/payments/payments-db").get("eventId") == first
    nothing = trace(logs, ID % 2)
    assert told(nothing, "write") == ["unchanged: it held that already"] * 2
    assert told(nothing, "restart") == []


def test_an_event_that_is_rejected_has_its_reason(logs: FunctionLogs) -> None:
    logs.move(ID % 1, label="AWSPENDING")
    logs.move(ID % 2, label="BLUE")
    logs.move(ID % 3, name="prod/nobody")
    assert [hop["text"] for hop in trace(logs, ID % 1)["hops"]] == [
        "no change: Secret Label Updated: AWSPENDING",
        "no delivery: it is no change",
    ]
    assert told(trace(logs, ID % 2), "route") == [
        "no delivery",
        "none for mapping payments-db, source db: it reads the label AWSCURRENT, and the event moves BLUE",
    ]
    assert told(trace(logs, ID % 3), "route") == ["no delivery: no mapping reads prod/nobody"]
    assert told(trace(logs, "prod/nobody"), "event") == ["updated: prod/nobody AWSCURRENT moved to version version-"]


def test_a_sweep_and_a_push_are_origins_too(logs: FunctionLogs) -> None:
    logs.world.clusters["prod-us"].delete("shop", "payments-db")
    logs.sweep("m1")
    logs.deliver_all()
    known = trace(logs, "prod-us/shop/payments-db")
    assert known.get("eventId") == "sweep-m1"
    assert told(known, "event") == ["a sweep (schedule) saw: shop: the Secret is missing"]
    assert told(known, "write") == ["created with password, username: missing; db version-"]
    del logs.world.clusters["prod-us"].history[:]
    logs.deliver(delivery(event_id=f"push-{ID % 2}", cluster="prod-us", time=datetime.now(UTC)))
    assert told(trace(logs, f"push-{ID % 2}"), "event") == ["keyferry push"]
    logs.deliver(delivery(event_id=ID % 3, cluster="prod-us", time=datetime.now(UTC)))
    [told_event] = told(trace(logs, ID % 3), "event")
    assert told_event == f"event {ID % 3}, whose line of route is older than the logs that were read"


def test_a_sweep_whose_line_is_not_read_is_one_all_the_same(logs: FunctionLogs) -> None:
    logs.deliver(delivery(event_id=f"sweep-{ID % 1}", time=datetime.now(UTC)))
    assert told(trace(logs, f"sweep-{ID % 1}"), "event") == ["a sweep"]


def test_the_last_attempt_of_a_delivery_has_its_error_and_the_next_try(logs: FunctionLogs) -> None:
    change(logs, error=ClusterUnreachable("cluster prod-eu: no answer"))
    for attempt in (2, 3):
        logs.deliver(delivery(event_id=ID % 1), attempt=attempt, error=ClusterUnreachable("cluster prod-eu: no answer"))
    known = trace(logs, "prod-eu/payments/payments-db")
    [delivered] = [hop for hop in known["hops"] if hop["step"] == "delivery"]
    text = "failed, attempt 3: ClusterUnreachable: cluster prod-eu: no answer; next try "
    assert (delivered["text"].startswith(text), delivered["error"][:19]) == (True, "ClusterUnreachable:")
    assert delivered["nextTry"] > delivered["time"]
    assert fails(known)


def test_a_next_try_that_is_past_is_told_as_one_that_was_due(logs: FunctionLogs) -> None:
    change(logs, error=ClusterUnreachable("no answer"))
    hour = timedelta(hours=1)
    [delivered] = [hop for hop in trace(logs, "prod-eu/payments/payments-db", later=hour)["hops"] if "error" in hop]
    assert re.search(": no answer; the next try was due at [0-9:]{8} UTC$", delivered["text"])
    assert "nextTry" not in delivered
    [answer] = trace(logs, "deploy/api", "payments", "prod-eu", later=hour)["answers"]
    assert ": no answer; the next try was due at " in answer["text"]


def test_a_namespace_that_is_right_is_not_told_of_the_failures_of_others(logs: FunctionLogs) -> None:
    def refuse(_number: int, call: str) -> None:
        if call.startswith("apply shop/"):
            raise Forbidden("grant it")

    change(logs, calls=Calls(before=refuse))
    [delivered] = [hop for hop in trace(logs, "prod-eu/payments/payments-db")["hops"] if hop["step"] == "delivery"]
    text = "goes on as 1 delivery to shop: Forbidden: grant it"
    assert (delivered["text"], "error" in delivered) == ("delivered; other namespaces failed", False)
    assert told(trace(logs, "prod-eu/shop/payments-db"), "delivery") == [text]
    logs.deliver_all(error=Conflict("stop helm"))
    assert told(trace(logs, "prod-eu/shop/payments-db"), "delivery") == [text, "is a dead letter: Conflict: stop helm"]


def test_of_a_source_the_last_event_is_told_though_sweeps_try_again(logs: FunctionLogs) -> None:
    event_id = change(logs, error=ClusterUnreachable("no answer"))
    logs.sweep("m1")
    logs.deliver_all(error=ClusterUnreachable("no answer"))
    assert trace(logs, SOURCE).get("eventId") == event_id
    assert trace(logs, "prod-eu/payments/payments-db").get("eventId") == "sweep-m1"


def test_an_event_of_a_secret_that_a_mapping_finds_is_known_by_its_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = FunctionLogs(World(mapping(clusters=["prod-eu"], namespaces=["payments"])), monkeypatch)
    change(logs)
    found = [row | {"sources": [{"name": "find in secretsManager by path prod/", "store": "x"}]} for row in rows(logs)]
    focus, until = Focus(Secret("prod-eu", "payments", "payments-db"), found), datetime.now(UTC)
    assert focus.build_patterns()["route"] == "{ $.event_id = * }"
    known = build_trace(focus, logs.lines, stack="k", since=until, until=until, is_whole=True)
    assert told(known, "event") == ["updated: prod/payments/db AWSCURRENT moved to version version-"]


def test_an_event_that_went_to_other_mappings_of_a_source_is_not_that_of_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payments = [mapping(name, clusters=["prod-eu"], namespaces=["payments"], name=name) for name in ("one", "two")]
    logs = FunctionLogs(World(*payments), monkeypatch)
    logs.move(ID % 1)
    logs.deliver_all()
    lines = logs.lines
    [routed] = [line for line in lines["route"] if "deliveries" in line]
    known, until = rows(logs), datetime.now(UTC)
    focus = Focus(Secret("prod-eu", "payments", "two"), [row for row in known if row["secret"] == "two"])

    def ask(**more: object) -> Trace:
        """Return what is said where route had logged something else, and there are no deliveries to it."""
        read = {
            "route": [routed | more],
            "deliver": [line for line in lines["deliver"] if line.get("mapping") == "one"],
        }
        return build_trace(focus, read, stack="k", since=until, until=until, is_whole=True)

    assert told(ask(), "route") == ["2 deliveries: two/prod-eu, one/prod-eu"]
    refused = [{"mapping": name, "source": "db", "not": "it reads another label"} for name in ("one", "two")]
    assert told(ask(deliveries=[], count=0, rejected=refused), "route") == [
        "no delivery",
        "none for mapping two, source db: it reads another label",
    ]
    assert told(ask(deliveries=["one/prod-eu"], count=1), "route") == []
    assert told(ask(deliveries=["one/prod-eu"], count=1, rejected=refused[1:]), "route") != []
    assert told(ask(deliveries=["one/prod-eu"], count=51), "route") != []  # the line does not name all


def test_a_sweep_names_no_other_namespace_than_the_one_that_is_asked_about(logs: FunctionLogs) -> None:
    logs.world.clusters["prod-us"].delete("payments", "payments-db")
    logs.sweep("m1")
    logs.deliver_all()
    logs.world.clusters["prod-us"].delete("shop", "payments-db")
    logs.deliver(delivery(event_id="sweep-m1", cluster="prod-us", time=datetime.now(UTC)))
    assert told(trace(logs, "prod-us/payments/payments-db"), "event") == [
        "a sweep (schedule) saw: payments: the Secret is missing"
    ]
    assert told(trace(logs, "prod-us/shop/payments-db"), "event") == ["a sweep (schedule) saw: another namespace"]


def test_a_failure_is_history_once_a_later_delivery_has_nothing_to_do(logs: FunctionLogs) -> None:
    logs.move(ID % 1)
    logs.deliver_all(error=SourceUnusable("prod/payments/db is scheduled for deletion"))
    assert fails(trace(logs, "prod-eu/payments/payments-db"))
    [answer] = trace(logs, "deploy/api", "payments", "prod-eu")["answers"]
    assert answer["reason"] == "failed"
    logs.move(ID % 2)
    logs.deliver_all()
    known = trace(logs, "prod-eu/payments/payments-db")
    assert (known.get("eventId"), told(known, "delivery"), fails(known)) == (ID % 2, ["delivered"], False)
    known = trace(logs, "deploy/api", "payments", "prod-eu")
    assert ([answer["reason"] for answer in known["answers"]], fails(known)) == (["not due"], False)
    logs.move(ID % 3)
    logs.deliver_all(error=SourceUnusable("prod/payments/db is scheduled for deletion"))
    assert fails(trace(logs, "deploy/api", "payments", "prod-eu"))


def test_a_failure_of_one_namespace_is_not_made_good_by_the_success_of_another(logs: FunctionLogs) -> None:
    for number, namespace in enumerate(("payments", "shop"), 1):
        logs.deliver(delivery(event_id=ID % number, namespace=namespace), error=Conflict("stop helm"))
    logs.deliver(delivery(event_id=ID % 3, namespace="shop"))
    assert fails(trace(logs, "prod-eu/payments/payments-db"))
    assert not fails(trace(logs, "prod-eu/shop/payments-db"))
    [delivered] = [hop for hop in trace(logs, ID % 1)["hops"] if hop["step"] == "delivery"]
    assert "settled" not in delivered
    assert delivered["help"] == link_error(delivered["error"].partition(":")[0])


def test_a_failed_delivery_of_a_source_says_which_sweep_has_made_it_good(logs: FunctionLogs) -> None:
    event_id = change(logs, error=ClusterUnreachable("no answer"))
    assert fails(trace(logs, SOURCE))
    logs.sweep("m1")
    logs.deliver_all()
    known = trace(logs, SOURCE)
    assert (known.get("eventId"), fails(known)) == (event_id, False)
    for hop in known["hops"]:
        if hop["step"] == "delivery":
            assert re.search("; since then, at [0-9:]{8}, event sweep-m1 was delivered$", hop["text"])
            assert (hop.get("settled", "") > hop["time"], "error" in hop) == (True, True)


def test_what_was_written_after_all_that_is_logged_is_told_as_a_push(logs: FunctionLogs) -> None:
    change(logs, error=Conflict("stop helm"))
    written = (datetime.now(UTC) + timedelta(seconds=5)).isoformat(timespec="seconds")
    assert fails(trace(logs, "prod-eu/payments/payments-db", state="stale", written=written))
    known = trace(logs, "prod-eu/payments/payments-db", state="right", written=written)
    assert list(list_lines(known))[-1].endswith(
        " UTC by none of these: a push from a terminal, or a log that is not read"
    )
    [text] = told(known, "delivery")
    assert (text.endswith(", something else wrote the Secret"), fails(known)) == (True, False)
    known = trace(logs, "deploy/api", "payments", "prod-eu", state="right", written=written)
    assert ([answer["reason"] for answer in known["answers"]], fails(known)) == (["written elsewhere"], False)
    known = trace(logs, ID % 1, state="right", written=written)
    assert " UTC by a later delivery or push" in list(list_lines(known))[-1]
    logs.functions["deliver"][0].log_begun(message("{}"), delivery(event_id=ID % 1))
    known = trace(logs, "prod-eu/payments/payments-db", state="right", written=written)
    assert "none of these" not in list(list_lines(known))[-1]  # the delivery that is under way may have written it


def test_a_dead_letter_and_what_is_under_way_are_told_as_that(logs: FunctionLogs) -> None:
    change(logs, error=Conflict("stop helm"))
    assert told(trace(logs, "prod-eu/payments/payments-db"), "delivery") == ["is a dead letter: Conflict: stop helm"]
    logs.functions["deliver"][0].log_begun(message("{}"), delivery(event_id=ID % 1))
    assert told(trace(logs, "prod-eu/payments/payments-db"), "delivery") == ["begun, and not ended yet"]


# Why a workload did not restart


def run(
    logs: FunctionLogs,
    name: str,
    pod: dict[str, Any] | None = None,
    kind: Literal["Deployment", "StatefulSet"] = "Deployment",
    **more: Any,  # noqa: ANN401
) -> None:
    annotations = more.pop("annotations", {})
    body = workload(name, pod, **more)
    body["metadata"]["annotations"] = annotations
    logs.world.clusters["prod-eu"].run("payments", kind, body)


def test_each_reason_of_a_workload_is_told_in_words(logs: FunctionLogs) -> None:
    run(logs, "careful", annotations={"keyferry.dev/restart": "false"})
    run(logs, "paused", paused=True)
    run(logs, "docs", uses("other"))
    run(logs, "pulls", {"imagePullSecrets": [{"name": "payments-db"}]})
    run(logs, "db", kind="StatefulSet", updateStrategy={"type": "OnDelete"})
    change(logs)
    reasons = {
        "deploy/api": ("restarted", "Deployment/api used Secret payments-db by envFrom, and was restarted at "),
        "deployment/careful": ("opted out", "and was left alone: keyferry.dev/restart is false (at "),
        "deployments/paused": ("paused", "and was stamped at "),
        "deployment/docs": ("unused", "no Deployment docs was seen using Secret payments-db at "),
        "deployment/pulls": ("pull secret", "only by imagePullSecrets: running pods do not need it"),
        "sts/db": ("OnDelete", "but its pods stayed: OnDelete: each pod restarts when somebody deletes it"),
        "ro/web": ("kind not looked at", "restart: auto looks at Deployment, StatefulSet, DaemonSet in prod-eu, and"),
        "cj/x": ("kind", "a CronJob needs no restart, since each run reads the Secret as it is then"),
        "pod/x": ("kind", "a Pod that nothing runs anew does not restart; run it by a Deployment, and name that"),
    }
    for name, (reason, text) in reasons.items():
        answer = why(logs, name)
        assert (answer[0], text in answer[1]) == (reason, True), answer
    assert why(logs, "deployment/docs")[1].endswith(
        ", with 5 Deployments, 1 StatefulSet, no DaemonSet looked at. Is it there? kubectl get deployment docs -n"
        " payments. So that it restarts, let its pod template use the Secret by env, envFrom or volumes, or name it"
        " under restart: in the file of mapping payments-db"
    )


def test_a_mapping_that_restarts_nothing_or_what_it_names_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, named = (
        FunctionLogs(World(mapping(clusters=["prod-eu"], namespaces=["payments"], restart=restart)), monkeypatch)
        for restart in ("none", [{"kind": "Deployment", "name": "api"}, {"kind": "Deployment", "name": "gone"}])
    )
    change(quiet)
    assert why(quiet, "deploy/api") == ("none", "mapping payments-db of Secret payments-db says restart: none")
    assert told(trace(quiet, SOURCE), "restart") == ["nothing: the mapping says restart: none"]
    change(named)
    text = why(named, "deploy/gone")[1]
    assert text.startswith("mapping payments-db named Deployment/gone, which at "), text
    assert " was not in namespace payments: create it" in text
    assert why(named, "deploy/other") == (
        "not named",
        "mapping payments-db of Secret payments-db says to restart only what it names: Deployment/gone, Deployment/api",
    )
    [answer] = trace(named, "deploy/other", "payments", restart="auto")["answers"]
    assert answer["text"].endswith(" UTC; now it says restart: auto"), answer
    [answer] = trace(named, "deploy/other", "payments", restart=["Deployment/other"])["answers"]
    assert answer["text"].endswith(" UTC; now it says restart: Deployment/other"), answer
    [answer] = trace(quiet, "deploy/api", "payments", "prod-eu", restart="auto")["answers"]
    assert answer["text"].startswith("mapping payments-db of Secret payments-db said restart: none at "), answer


def test_a_restart_that_is_due_has_the_error_and_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = FunctionLogs(World(mapping(clusters=["prod-eu"], namespaces=["payments"])), monkeypatch)

    def refuse(_number: int, call: str) -> None:
        if call.startswith("patch payments/Deployment"):
            raise ServerError("a webhook does not answer")

    change(logs, calls=Calls(before=refuse))
    reason, text = why(logs, "deploy/api")
    begins = (
        "Deployment/api used Secret payments-db by envFrom; its restart is due, and not yet: ServerError: a webhook"
    )
    assert (reason, text.startswith(begins)) == ("due", True), text
    assert re.search("; next try [0-9:]{8} UTC$", text), text
    assert told(trace(logs, "prod-eu/payments/payments-db"), "restart") == ["due, and not yet; Deployment/api: due"]


def test_workloads_that_cannot_be_listed_are_due(logs: FunctionLogs) -> None:
    def refuse(_number: int, call: str) -> None:
        if call.startswith("list payments/"):
            raise ServerError("500")

    change(logs, calls=Calls(before=refuse))
    reason, text = why(logs, "deploy/api")
    assert (reason, text.startswith("restarts for Secret payments-db are due, and not yet: ServerError: 500")) == (
        "due",
        True,
    )


def test_a_new_version_of_the_same_content_restarts_nothing_and_is_told(logs: FunctionLogs) -> None:
    logs.world.sources.put(SOURCE, '{"username": "me", "password": "canary-1"}')
    logs.move(ID % 1)
    logs.deliver_all()
    reason, text = why(logs, "deploy/api")
    assert (reason, text.startswith("the content of Secret payments-db stayed as it was at ")) == ("not due", True)
    assert text.endswith(" UTC (new versions or mapping), so nothing restarted for it")
    assert told(trace(logs, "prod-eu/payments/payments-db"), "restart") == ["nothing: no content was written"]


def test_a_later_delivery_that_restarts_nothing_is_told_before_the_restart(logs: FunctionLogs) -> None:
    change(logs)
    logs.world.sources.put(SOURCE, '{"username": "me", "password": "canary-1-new"}')
    logs.move(ID % 2)
    logs.deliver_all()
    answers = trace(logs, "deploy/api", "payments", "prod-eu")["answers"]
    assert [answer["reason"] for answer in answers] == ["not due", "restarted"]


def forget(logs: FunctionLogs, *names: str) -> dict[str, list[dict[str, Any]]]:
    """Return the lines as a release would have logged them that did not know some fields of namespaces."""
    lines = logs.lines
    for line in lines["deliver"]:
        line["namespaces"] = [
            {name: value for name, value in each.items() if name not in names} for each in line.get("namespaces", ())
        ]
    return lines


def test_what_a_line_of_an_earlier_release_does_not_tell_is_not_known(logs: FunctionLogs) -> None:
    change(logs)
    known, until = rows(logs), datetime.now(UTC)
    subject, targets = find_targets(parse_subject("deploy/api", "payments", "prod-eu"), known)
    lines = forget(logs, "restart", "workloads", "seen", "stamped", "written", "keys")
    told_of = build_trace(Focus(subject, targets), lines, stack="k", since=until, until=until, is_whole=True)
    [answer] = told_of["answers"]
    assert answer["reason"] == "not known"
    assert answer["text"].startswith("Secret payments-db was updated at ")
    why_not = "the log does not tell: the function that logged this is of another release"
    assert answer["text"].endswith(f" UTC; whether Deployment/api uses it, {why_not}")
    assert told(told_of, "restart") == ["not known: the function that logged this is of another release"]


def test_what_a_line_of_a_later_release_says_is_not_taken_for_something_else(logs: FunctionLogs) -> None:
    change(logs)
    lines, known, until = logs.lines, rows(logs), datetime.now(UTC)
    subject, targets = find_targets(parse_subject("deploy/api", "payments", "prod-eu"), known)
    outcomes = [each for line in lines["deliver"] for each in line.get("namespaces", ()) if "workloads" in each]
    for each in outcomes:
        each["workloads"][0]["reason"] = "by hand"

    def ask() -> Trace:
        return build_trace(Focus(subject, targets), lines, stack="k", since=until, until=until, is_whole=True)

    [answer] = ask()["answers"]
    assert "; what became of it, by hand, is not known here: " in answer["text"]
    for each in outcomes:
        each.update(restart="by hand", workloads=[])
    [answer] = ask()["answers"]
    assert answer["reason"] == "not known"
    assert told(ask(), "restart") == ["not known: the function that logged this is of another release"]


def test_of_several_secrets_those_count_that_speak_of_the_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    other = mapping("other", clusters=["prod-eu"], namespaces=["payments"], name="other")
    logs = FunctionLogs(World(mapping(clusters=["prod-eu"], namespaces=["payments"]), other), monkeypatch)
    change(logs)
    known = trace(logs, "deploy/api", "payments", "prod-eu")
    assert [answer["reason"] for answer in known["answers"]] == ["restarted"]
    [answer] = trace(logs, "deploy/x", "payments", "prod-eu")["answers"]
    assert answer["reason"] == "unused"
    assert "Deployment x was seen using Secret payments-db, other at " in answer["text"]
    assert answer["text"].endswith("in the file of mapping other, payments-db")


def test_the_file_of_a_mapping_is_told_where_it_is_known(logs: FunctionLogs) -> None:
    change(logs)
    subject, targets = find_targets(parse_subject("deploy/x", "payments", None), rows(logs))
    until, places = datetime.now(UTC), {"payments-db": "mappings/db.yaml:3"}
    [answer] = build_trace(
        Focus(subject, targets),
        logs.lines,
        stack="keyferry",
        since=until,
        until=until,
        is_whole=True,
        locate=lambda name: places.get(name, ""),
    )["answers"]
    assert answer["text"].endswith("in the file of mapping payments-db (mappings/db.yaml:3)")


def test_a_secret_that_could_not_be_written_restarts_nothing(logs: FunctionLogs) -> None:
    def refuse(_number: int, call: str) -> None:
        if call.startswith("apply payments/"):
            raise Conflict("field manager helm owns it")

    change(logs, calls=Calls(before=refuse))
    reason, text = why(logs, "deploy/api")
    begins = "Secret payments-db was not written at "
    assert (reason, text.startswith(begins)) == ("failed", True), text
    assert " UTC: Conflict: field manager helm owns it" in text
    assert text.endswith("; whether Deployment/api uses it, the log does not tell")


def test_a_delivery_that_fails_as_a_whole_restarts_nothing(logs: FunctionLogs) -> None:
    change(logs, error=ClusterUnreachable("cluster prod-eu: no answer"))
    reason, text = why(logs, "deploy/api")
    begins = "Secret payments-db was not written at "
    assert (reason, text.startswith(begins)) == ("failed", True), text
    assert " UTC: ClusterUnreachable: cluster prod-eu: no answer; next try " in text


def test_where_the_logs_say_nothing_the_last_write_is_told(logs: FunctionLogs) -> None:
    since = datetime.now(UTC)
    [answer] = trace(logs, "deploy/api", "payments", "prod-eu", since=since)["answers"]
    text = answer["text"]
    assert answer["reason"] == "not written"
    assert text.startswith("no Secret of namespace payments (payments-db) was written since ")
    assert "; the last write was at " in text
    known = trace(logs, "prod-eu/payments/payments-db", since=since)
    lines = list(list_lines(known))
    assert lines[0].startswith("prod-eu/payments/payments-db: nothing in the logs from ")
    assert "prod-eu/payments/payments-db is right, written " in lines[1]
    assert not fails(known)


# What is meant


def test_what_is_asked_about_is_known_by_its_form() -> None:
    assert parse_subject(ID % 1, None, None) == Event(ID % 1)
    assert parse_subject(f"sweep-{ID % 1}", None, None) == Event(f"sweep-{ID % 1}")
    assert parse_subject((ID % 1).upper(), None, None) == Event(ID % 1)
    assert parse_subject("deploy/web", None, None) == SourceName("deploy/web")
    with pytest.raises(InvalidInput, match="say -n, or prod-eu/NS/SECRET"):
        parse_subject("prod/db", None, "prod-eu")
    assert parse_subject("deploy/web", "n", "c") == WorkloadName("Deployment", "web", "n", "c")
    assert parse_subject("statefulsets.apps/web", "n", None) == WorkloadName("StatefulSet", "web", "n", None)
    assert (
        parse_subject("Secret/db", "n", None)
        == parse_subject("secrets/db", "n", None)
        == parse_subject("db", "n", None)
        == Secret(None, "n", "db")
    )
    with pytest.raises(InvalidInput, match=r"deploymnt/web in a namespace should be .*did you mean deployment"):
        parse_subject("deploymnt/web", "n", None)
    assert [str(parse_subject("deploy/web", "n", cluster)) for cluster in (None, "c")] == [
        "Deployment/web in n",
        "Deployment/web in c/n",
    ]
    assert get_place(Secret("c", "n", "db")) == {"cluster": "c", "namespace": "n"}
    assert get_place(WorkloadName("Deployment", "web", "n", None)) == {"namespace": "n"}
    assert get_place(Event("x")) == {}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("", None, None), "'' names nothing: write the name or ARN of a secret or parameter, an event id, CLUSTER/"),
        ((" ", "payments", None), "' ' names nothing"),
        (("deployment/", "payments", None), "'deployment/' names nothing"),
        (("deploy/web", "", None), "--namespace names nothing: write a name, or leave it out"),
        (("deploy/web", "payments", ""), "--cluster names nothing"),
    ],
)
def test_an_empty_name_is_refused(args: tuple[str, str | None, str | None], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_subject(*args)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("prod-eu/payments/payments-bd", None, None), "a Secret payments-bd to prod-eu/payments; did you mean paym"),
        (("prod-eu/nowhere/payments-db", None, None), "writes to namespace nowhere of cluster prod-eu: nothing restar"),
        (("deploy/web", "paymnts", None), "writes to namespace paymnts: .*; did you mean payments?"),
        (("payments-db", "payments", "prod-xx"), "writes to a cluster prod-xx; did you mean prod-"),
        (("deploy/web", "payments", "somewhere"), "to a cluster somewhere; they write to: prod-eu, prod-us"),
        (("prod-uk/payments/payments-db", None, None), "writes to a cluster prod-uk; did you mean prod-us?"),
        (("prod-uk/paymnts/payments-db", None, None), "writes to a cluster prod-uk; did you mean prod-us?"),
        (("prod-eu/paymnts/payments-bd", None, None), "namespace paymnts of cluster prod-eu.*; did you mean payments?"),
    ],
)
def test_a_name_that_there_is_not_is_told_with_the_nearest(
    logs: FunctionLogs, args: tuple[str, str | None, str | None], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        trace(logs, *args)


def test_a_cluster_that_is_away_may_have_any_namespace(logs: FunctionLogs) -> None:
    logs.world.lost = ClusterUnreachable("cluster prod-us: no answer")
    for cluster in ("prod-us", None):
        known = trace(logs, "deploy/api", "paymnts", cluster)
        [now] = known["now"]
        assert (now["target"], now["state"]) == ("prod-us/payments-db", "unknown")
        assert now.get("why") == "ClusterUnreachable: cluster prod-us: no answer"
        assert [answer["reason"] for answer in known["answers"]] == ["not written"]
    with pytest.raises(InvalidInput, match="writes to namespace paymnts of cluster prod-eu"):
        trace(logs, "deploy/api", "paymnts", "prod-eu")


def test_a_source_that_nobody_reads_is_told_with_the_nearest(logs: FunctionLogs) -> None:
    known = trace(logs, "prod/paymnts/db")
    assert (known["hops"], known["now"], fails(known)) == ([], [], True)
    assert explain_unknown(SourceName("prod/paymnts/db"), rows(logs)) == (
        "no mapping of this stack reads prod/paymnts/db; did you mean prod/payments/db?"
    )
    assert explain_unknown(SourceName("deploy/web"), []) == "deploy/web: in which namespace? say -n NAMESPACE"


def test_one_pattern_for_each_log_names_what_is_asked_about(logs: FunctionLogs) -> None:
    known = rows(logs)
    assert Focus(SourceName(SOURCE), known).build_patterns() == {
        "route": '{ ($.names[0] = "prod/payments/db") || ($.names[1] = "prod/payments/db") }',
        "deliver": '{ ($.message != "audit") && (($.mapping = "payments-db")) }',
        "reconcile": '{ $.message = "swept" && $.count > 0 }',
    }
    assert Focus(Event(ID % 1), ()).build_patterns() == {
        "route": f'{{ ($.event_id = "{ID % 1}") }}',
        "deliver": f'{{ ($.message != "audit") && (($.event_id = "{ID % 1}")) }}',
    }
    assert sorted(Focus(Event("sweep-1"), ()).build_patterns()) == ["deliver", "reconcile"]
    many = [known[0] | {"mapping": f"{'m' * 50}-{number}"} for number in range(100)]
    pattern = Focus(SourceName(SOURCE), many).build_patterns()["deliver"]
    assert (pattern, len(pattern) < MAX_PATTERN) == ('{ ($.message != "audit") && ($.event_id = *) }', True)


# What is printed


def test_each_hop_has_a_line_with_its_time(logs: FunctionLogs) -> None:
    change(logs)
    heading, *lines = list_lines(trace(logs, "deploy/api", "payments", "prod-eu"))
    assert heading.startswith("Deployment/api in prod-eu/payments: change of ")
    assert heading.endswith(f" (event {ID % 1})")
    assert [line[14:22].strip() for line in lines] == ["", "event", "route", "delivery", "write", "restart", "state"]
    assert lines[0].startswith("answer")
    assert [line[24:].partition(":")[0] for line in lines[3:6]] == [
        "payments-db to prod-eu",
        *["prod-eu/payments/payments-db"] * 2,
    ]
    assert lines[6][24:].startswith("prod-eu/payments/payments-db is right, written ")
    assert lines[2].startswith("+1.")


def test_a_thousand_targets_are_folded_and_a_trace_has_twelve_lines_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = FunctionLogs(World(mapping(clusters=["prod-eu"], namespaces=["payments"])), monkeypatch)
    change(logs)
    lines = logs.lines
    [begun, end] = [line for line in lines["deliver"] if line.get("message") in ("begun", "delivered")]
    [one] = end["namespaces"]
    end["namespaces"] = [one | {"namespace": f"n{number}"} for number in range(48)] + [
        one | {"namespace": f"f{number}", "did": "failed", "error": f"Forbidden: {number}"} for number in range(2)
    ]
    end["targets"] = {"updated": 998, "failed": 2}
    lines["deliver"] += [
        end | {"cluster": f"c{number}", "message": "retry later", "error": f"X: {number}"} for number in range(9)
    ]
    until = datetime.now(UTC)
    known = build_trace(Focus(Event(ID % 1), rows(logs)), lines, stack="k", since=until, until=until, is_whole=True)
    printed = list(list_lines(known))
    assert len(printed) <= 12, printed
    assert begun
    assert any("n0/payments-db and 479 more: updated: new content in password" in line for line in printed), printed
    assert any("9,500 targets: updated, and not listed" in line for line in printed), printed
    assert any("8 more targets: --output json has each" in line for line in printed), printed
    asked = WorkloadName("Deployment", "api", "payments", None)
    lines["route"][0]["rejected"] = [
        {"mapping": name, "source": "db", "not": "it has no cluster"} for name in ("other", "payments-db")
    ]
    every = [row | {"cluster": f"c{number}"} for number in range(9) for row in rows(logs)]
    known = build_trace(Focus(asked, every), lines, stack="k", since=until, until=until, is_whole=True)
    printed = list(list_lines(known))
    assert (len(printed) <= 12, len(known["answers"]) > 2) == (True, True), printed
    assert [line[:6] for line in printed[1:3]] == ["answer"] * 2
    assert printed[2].endswith(f" ({len(known['answers']) - 2} more: --output json has each)")
    assert printed[4].endswith("payments-db/prod-eu; 1 more: --output json has each")
