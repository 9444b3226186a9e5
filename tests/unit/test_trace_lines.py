"""What `keyferry trace` makes of single log lines, as they stand in an hour in which much went wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

from keyferry.cli.output.trace import list_lines
from keyferry.cli.trace.logs import Focus
from keyferry.cli.trace.subject import Event, Secret, SourceName, Subject, WorkloadName
from keyferry.cli.trace.trace import Trace, build_trace, fails
from tests.unit.test_cli_status import row

SINCE, UNTIL = datetime(2026, 11, 24, 14, tzinfo=UTC), datetime(2026, 11, 24, 15, tzinfo=UTC)
DB, API = Secret("prod-eu", "payments", "payments-db"), WorkloadName("Deployment", "api", "payments", "prod-eu")
USED: dict[str, Any] = {"workload": "Deployment/api", "reason": "restarted", "by": ["envFrom"]}
SOURCE = {"alias": "db", "store": "secretsmanager", "name": "prod/db"}


def at(second: float) -> str:
    """Return a time so many seconds after 14:40."""
    return (datetime(2026, 11, 24, 14, 40, tzinfo=UTC) + timedelta(seconds=second)).isoformat(timespec="milliseconds")


def routed(second: float, event: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return what route logs of an event that went to one mapping."""
    known = {"message": "routed", "timestamp": at(second), "event_id": event, "event_time": at(second - 1)}
    sent = {"change": "updated", "names": ["prod/db"], "deliveries": ["payments-db/prod-eu"], "count": 1}
    return known | sent | more


def ended(second: float, event: str, message: str = "delivered", **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return what deliver logs at the end of an attempt; without more, one that had nothing to do."""
    known = {"message": message, "timestamp": at(second), "event_id": event, "mapping": "payments-db", "attempt": 1}
    return known | {"cluster": "prod-eu", "targets": {"unchanged": 1}, "namespaces": []} | more


def wrote(second: float, event: str, workload: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return the end of a delivery that wrote content, and what became of a workload."""
    told = {"restart": "done", "workloads": [workload or USED], "seen": {"Deployment": 2}} | more.pop("outcome", {})
    outcome = {"namespace": "payments", "did": "updated", "why": "new content in password", **told}
    return ended(second, event, targets={"updated": 1}, namespaces=[outcome]) | more


def failed(second: float, event: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return the end of a delivery that failed as a whole."""
    return ended(second, event, "retry later", targets={}, error="Conflict: stop helm") | more


def overtaken(second: float, event: str) -> dict[str, Any]:
    """Return the end of a delivery that was not carried out, since a newer sweep finds the same."""
    line = ended(second, event, "superseded", reason="a newer sweep has begun, and finds the same")
    return {name: value for name, value in line.items() if name not in ("targets", "namespaces")}


def ask(
    subject: Subject,
    *deliver: dict[str, Any],
    route: list[dict[str, Any]] | None = None,
    sweeps: list[dict[str, Any]] | None = None,
    rows: list[dict[str, Any]] | None = None,
) -> Trace:
    """Return what is said of one target, or of others, where the functions have logged these lines."""
    known = [row(written=at(-3600))] if rows is None else rows
    logs = {"route": route or [], "deliver": deliver, "reconcile": sweeps or []}
    return build_trace(Focus(subject, known), logs, stack="keyferry", since=SINCE, until=UNTIL, is_whole=True)


def reasons(known: Trace) -> list[str]:
    return [answer["reason"] for answer in known["answers"]]


def texts(known: Trace, step: str) -> list[str]:
    return [hop["text"] for hop in known["hops"] if hop["step"] == step]


def delivery(known: Trace) -> str:
    """Return what is said of the only delivery."""
    [text] = texts(known, "delivery")
    return text


US = row(cluster="prod-us", written=at(-3600))
EU = row(written=at(-3600))
OTHERS = [{"namespace": f"n{number}", "did": "failed", "error": "Forbidden: no"} for number in range(50)]


# Which change is the last


def test_the_order_of_changes_is_that_of_their_events_and_not_of_lines() -> None:
    late, early = routed(9, "late", event_time=at(1)), routed(5, "early", event_time=at(2))
    assert ask(DB, ended(5.5, "early"), ended(9.5, "late"), route=[early, late]).get("eventId") == "early"


def test_a_delivery_that_is_under_way_is_the_last_change() -> None:
    begun = ended(9, "b", "begun")
    known = ask(DB, wrote(2, "a"), begun, route=[routed(1, "a"), routed(8, "b")])
    assert (known.get("eventId"), texts(known, "delivery")) == ("b", ["begun, and not ended yet"])


def test_a_sweep_that_a_newer_one_has_overtaken_is_no_change() -> None:
    known = ask(DB, wrote(2, "a"), overtaken(9, "sweep-b"), route=[routed(1, "a")])
    assert known.get("eventId") == "a"


def test_a_delivery_that_made_good_a_failure_is_the_last_change_and_none_after_it_with_nothing_to_do() -> None:
    assert ask(DB, failed(2, "a"), ended(5, "b"), ended(9, "c")).get("eventId") == "b"
    assert ask(DB, wrote(1, "x"), overtaken(2, "sweep-a"), ended(5, "b")).get("eventId") == "x"


def test_an_event_of_no_change_is_counted_and_one_that_went_nowhere_is_told_before_it() -> None:
    nowhere = routed(1, "a", deliveries=[], count=0)
    ignored = {"message": "routed", "timestamp": at(9), "event_id": "b", "names": ["prod/db"]}
    for subject in (DB, SourceName("prod/db")):
        known = ask(subject, route=[nowhere, ignored | {"ignored": "no change", "detail": "AWSPENDING"}])
        assert (known.get("eventId"), known["ignored"], known["others"]) == ("a", 1, [])
        assert texts(known, "route") == ["no delivery: no mapping reads prod/db"]


def test_a_delivery_that_is_asked_about_has_its_event_though_route_named_others() -> None:
    routed_anew = routed(1, "a", deliveries=["other/prod-eu"])
    assert texts(ask(DB, wrote(2, "a"), route=[routed_anew]), "event") == ["updated: prod/db"]
    assert texts(ask(DB, wrote(2, "a"), route=[routed(1, "a")]), "route") == ["1 delivery: payments-db/prod-eu"]


def test_what_else_a_delivery_logs_is_no_end_of_an_attempt() -> None:
    known = ask(DB, wrote(2, "a"), ended(3, "a", "not reported"))
    assert texts(known, "delivery") == ["delivered"]


def test_deliveries_count_by_the_time_of_their_ends_whatever_event_they_are_of() -> None:
    """The event that came first is delivered last."""
    known = ask(API, failed(9, "a"), wrote(5, "b"), route=[routed(1, "a"), routed(2, "b")])
    assert reasons(known) == ["failed", "restarted"]
    assert fails(ask(DB, failed(9, "a"), ended(5, "b"), route=[routed(1, "a"), routed(2, "b")]))


# What is answered of a workload


def test_a_secret_that_does_not_speak_of_a_workload_is_not_told_where_another_does() -> None:
    other = row(mapping="other", secret="other", written=at(600))
    known = ask(API, wrote(2, "a"), rows=[row(written=at(2)), other])
    assert reasons(known) == ["restarted"]


def test_a_write_that_no_log_tells_of_is_told_with_the_last_answer() -> None:
    known = ask(API, wrote(2, "a"), rows=[row(written=at(600))])
    assert reasons(known) == ["written elsewhere", "restarted"]
    assert known["answers"][0]["text"] == (
        "Secret prod-eu/payments/payments-db was written at 2026-11-24 14:50:00 UTC by a push from a terminal, which"
        " says itself what it restarted, or by a log that is not read; of Deployment/api no log tells more"
    )


def test_a_failure_before_a_write_that_no_log_tells_of_is_over_only_where_the_secret_is_right() -> None:
    told = [reasons(ask(API, failed(2, "a"), rows=[row(state, written=at(600))])) for state in ("right", "stale")]
    assert told == [["written elsewhere"], ["written elsewhere", "failed"]]


def test_deliveries_that_had_nothing_to_do_do_not_hide_what_the_last_one_did() -> None:
    note = {"did": "annotated", "why": "new versions or mapping", "restart": "not due", "workloads": [], "seen": {}}
    [answer] = ask(API, wrote(2, "a", outcome=note), ended(9, "b"))["answers"]
    assert answer["text"] == (
        "the content of Secret payments-db stayed as it was at 2026-11-24 14:40:02 UTC (new versions or mapping), so"
        " nothing restarted for it"
    )
    assert reasons(ask(API, wrote(2, "a"), failed(5, "b"), ended(9, "c"))) == ["restarted"]


def test_of_several_secrets_that_nobody_wrote_the_last_write_is_told() -> None:
    rows = [row(mapping=name, secret=name, written=at(-second)) for name, second in (("a", 5400), ("b", 7200))]
    [answer] = ask(API, rows=rows)["answers"]
    assert answer["text"] == (
        "no Secret of namespace payments (a, b) was written since 2026-11-24 14:00:00 UTC; the last write was at"
        " 2026-11-24 13:10:00 UTC"
    )


def test_where_a_namespace_is_not_told_by_its_cluster_its_secret_is_named_with_its_place() -> None:
    everywhere = WorkloadName("Deployment", "api", "payments", None)
    [answer] = ask(everywhere, wrote(2, "a"))["answers"]
    assert answer["text"].startswith("Deployment/api used Secret prod-eu/payments/payments-db by envFrom, and was ")


def answer_of(reason: str, why: str = "", *, state: str = "stale", **more: Any) -> str:  # noqa: ANN401  # JSON
    """Return what is said of the workload where a delivery gave this reason for it, and a next try follows."""
    workload = {"workload": "Deployment/api", "reason": reason, "why": why, "by": ["envFrom"]}
    line = wrote(2, "a", workload, next_try_seconds=1800, outcome=more)
    [answer] = ask(API, line, rows=[row(state, written=at(-3600))])["answers"]
    assert answer["reason"] == reason
    return answer["text"]


def test_what_became_of_a_workload_is_told_with_its_time_and_what_is_to_come() -> None:
    used, time = "Deployment/api used Secret payments-db by envFrom", "2026-11-24 14:40:02 UTC"
    owner = "belongs to Grafana/main, which may undo it"
    assert answer_of("restarted", owner) == f"{used}, and was restarted at {time} ({owner})"
    assert answer_of("restarted", stamped=at(3)) == f"{used}, and was restarted at 2026-11-24 14:40:03 UTC"
    assert answer_of("opted out", "left alone: it says so") == f"{used}, and was left alone: it says so (at {time})"
    before = f"{used} at {time}, and an earlier try had restarted it for the same content"
    assert answer_of("stamped before") == before
    assert answer_of("gone") == f"{used}; it was deleted before its restart, at {time}"
    failed = f"Deployment/api could not be restarted at {time}: Forbidden: no; next try 15:10:02 UTC"
    assert answer_of("failed", "Forbidden: no") == failed
    due: dict[str, Any] = {"restart": "due", "error": "ServerError: 500"}
    assert (
        answer_of("due", **due) == f"{used}; its restart is due, and not yet: ServerError: 500; next try 15:10:02 UTC"
    )
    over = f"{used}; its restart was due at {time}: ServerError: 500; the Secret is right now"
    assert answer_of("due", state="right", **due) == over


def test_a_workload_that_a_line_does_not_name_is_told_how_many_there_were_or_that_none_is_named() -> None:
    other = {"workload": "Deployment/web", "reason": "restarted"}
    [answer] = ask(API, wrote(2, "a", other, outcome={"workloads_more": 3}))["answers"]
    assert (answer["reason"], answer["text"]) == (
        "not listed",
        "4 workloads used Secret payments-db at 2026-11-24 14:40:02 UTC; the log names 1, not this one",
    )
    [answer] = ask(API, wrote(2, "a", restart="list", outcome={"workloads": []}), rows=[EU | {"restart": []}])[
        "answers"
    ]
    assert answer["text"].endswith(" says to restart only what it names: nothing")


def test_a_delivery_with_nothing_to_do_restarts_nothing() -> None:
    [answer] = ask(API, ended(2, "a"))["answers"]
    assert (answer["reason"], answer["text"]) == (
        "not due",
        "the content of Secret payments-db stayed as it was at 2026-11-24 14:40:02 UTC, so nothing restarted for it",
    )
    one = ended(2, "a", namespace="payments")
    assert reasons(ask(API, one, rows=[EU | {"namespace": ""}])) == ["not due"]


def test_a_delivery_for_another_namespace_says_nothing_of_this_one_where_the_cluster_is_away() -> None:
    away = [EU | {"namespace": "", "state": "unknown"}]
    [answer] = ask(API, failed(2, "a"), ended(5, "b", namespace="shop"), rows=away)["answers"]
    assert answer["reason"] == "failed"
    assert "not written at 2026-11-24 14:40:02 UTC: Conflict: stop helm" in answer["text"]


def test_what_failed_in_a_namespace_is_not_told_as_unchanged_in_it() -> None:
    refused = {"namespace": "payments", "did": "failed", "error": "Forbidden: no"}
    mixed = ended(2, "a", "replaced", targets={"unchanged": 1, "failed": 1}, namespaces=[refused])
    assert reasons(ask(API, mixed)) == ["failed"]
    # A full line may have left the namespace out: that it was unchanged is not known then.
    full = ended(2, "a", "replaced", targets={"unchanged": 1, "failed": 50}, namespaces=OTHERS)
    assert reasons(ask(API, full)) == ["not written"]


# How deliveries end


def test_a_delivery_that_failed_elsewhere_alone_has_succeeded_here() -> None:
    elsewhere = ended(5, "b", "replaced", targets={"unchanged": 1, "failed": 1}, namespaces=OTHERS[:1])
    known = ask(DB, failed(2, "a"), elsewhere)
    assert (known.get("eventId"), delivery(known)) == ("b", "delivered; other namespaces failed")
    assert ask(DB, failed(2, "a"), elsewhere, ended(9, "c")).get("eventId") == "b", "c made nothing good"
    assert ask(SourceName("prod/db"), failed(2, "a"), elsewhere, route=[routed(1, "a")])["hops"][2].get("error")
    known = ask(DB, failed(2, "a"), ended(3, "b", "replaced", targets={"failed": 60}, namespaces=OTHERS))
    assert delivery(known).startswith("goes on as 1 delivery")


def test_a_message_that_was_dropped_has_its_reason() -> None:
    line = ended(2, "a", "dropped", reason="mapping payments-db is in no deployment")
    line = {name: value for name, value in line.items() if name not in ("targets", "namespaces")}
    known = ask(DB, line)
    assert delivery(known) == "dropped: mapping payments-db is in no deployment"
    assert fails(known)


def test_a_delivery_of_all_namespaces_that_is_tried_again_has_failed_whatever_they_say() -> None:
    line = ended(2, "a", "retry later", reason="ServerError: the queue refuses it")
    known = ask(SourceName("prod/db"), line, route=[routed(1, "a")])
    assert delivery(known) == "failed: ServerError: the queue refuses it"


def test_a_failure_is_made_good_on_its_cluster_alone_by_a_whole_delivery_or_one_of_the_namespace() -> None:
    route = [routed(1, "a", deliveries=["payments-db/prod-eu", "payments-db/prod-us"], count=2)]
    both = [EU, US]
    source = SourceName("prod/db")
    for later, is_over in ((ended(5, "b"), True), (ended(5, "b", cluster="prod-us"), False)):
        assert fails(ask(source, failed(2, "a"), later, route=route, rows=both)) is not is_over
    single = ended(5, "b", namespace="payments")
    assert fails(ask(source, failed(2, "a"), single, route=route))
    assert not fails(ask(DB, failed(2, "a"), single))
    assert not fails(ask(DB, failed(2, "a"), single | {"event_id": "a"})), "what goes on of the same event, too"


def test_a_failure_that_a_later_write_has_made_good_is_settled_once_and_for_all_of_its_targets() -> None:
    route, source = [routed(1, "a")], SourceName("prod/db")
    payments, shop = (row(namespace=name, written=at(600)) for name in ("payments", "shop"))

    def settled(*rows: dict[str, Any], **more: Any) -> str:  # noqa: ANN401  # JSON
        return delivery(ask(source, failed(2, "a", **more), route=route, rows=list(rows)))

    assert settled(payments, shop | {"written": at(900)}).endswith(
        ": Conflict: stop helm; since then, at 14:55:00, something else wrote the Secret"
    )
    assert settled(payments, shop | {"written": at(-3600)}).endswith("Conflict: stop helm")
    assert settled(payments, shop | {"written": at(-3600)}, namespace="payments").endswith("else wrote the Secret")
    twice = ask(source, failed(2, "a"), ended(5, "b"), route=route, rows=[payments])
    assert delivery(twice).count("since then") == 1


def test_a_delivery_begins_where_it_has_begun_and_may_have_begun_again() -> None:
    known = ask(DB, ended(2, "a", "begun"), ended(3, "a", "retry later", error="X: y"))
    [hop] = [hop for hop in known["hops"] if hop["step"] == "delivery"]
    assert (hop["time"], "namespace" in hop, "seconds" in hop) == (at(2), False, False)
    again = ask(DB, ended(3, "a", "retry later", error="X: y"), ended(9, "a", "begun", attempt=2))
    assert delivery(again) == "begun, attempt 2, and not ended yet"
    part = ask(DB, ended(3, "a", namespace="payments", seconds=0.4))
    [hop] = [hop for hop in part["hops"] if hop["step"] == "delivery"]
    assert (hop.get("namespace"), hop.get("seconds")) == ("payments", 0.4)


def test_the_error_of_a_whole_delivery_is_told_before_that_of_a_namespace() -> None:
    refused = {"namespace": "payments", "did": "failed", "error": "Forbidden: no"}
    assert delivery(ask(DB, failed(2, "a", namespaces=[refused]))) == "failed: Conflict: stop helm"


# What is written and restarted


def test_of_a_namespace_that_was_written_nothing_is_told_of_others() -> None:
    other = {"namespace": "shop", "did": "updated", "restart": "done"}
    line = wrote(2, "a", targets={"updated": 2, "unchanged": 3})
    line["namespaces"].append(other)
    known = ask(DB, line)
    assert texts(known, "write") == ["updated: new content in password"]
    whole = ask(SourceName("prod/db"), line, route=[routed(1, "a")])
    assert texts(whole, "write") == ["updated: new content in password", "updated", "unchanged: it held that already"]
    assert [hop["targets"] for hop in whole["hops"] if hop["step"] == "write"] == [1, 1, 3]


def test_a_full_line_does_not_tell_that_a_namespace_was_unchanged() -> None:
    full = ended(2, "a", targets={"unchanged": 9, "failed": 50}, namespaces=OTHERS)
    assert texts(ask(DB, full), "write") == []
    assert texts(ask(DB, ended(2, "a")), "write") == ["unchanged: it held that already"]
    failures = ended(2, "a", "replaced", targets={"failed": 60}, namespaces=OTHERS)
    assert texts(ask(SourceName("prod/db"), failures, route=[routed(1, "a")]), "write") == []


def test_a_secret_that_was_deleted_restarts_nothing_and_nothing_is_said_of_that() -> None:
    deleted = {"did": "deleted", "restart": "not due", "workloads": []}
    assert texts(ask(DB, wrote(2, "a", outcome=deleted)), "restart") == []


def test_restarts_have_their_time_the_first_three_names_and_why_others_did_not() -> None:
    names = [{"workload": f"Deployment/{name}", "reason": "restarted"} for name in "abcd"]
    known = ask(DB, wrote(2, "a", outcome={"workloads": names, "stamped": at(3)}))
    [hop] = [hop for hop in known["hops"] if hop["step"] == "restart"]
    assert (hop["text"], hop["time"]) == ("Deployment/a, Deployment/b, Deployment/c and 1 more", at(3))
    assert texts(ask(DB, wrote(2, "a", outcome={"workloads": []})), "restart") == ["nothing"]
    pull = {"restart": "unused", "workloads": [{"workload": "Deployment/a", "reason": "pull secret"}]}
    seen = {"seen": {"Deployment": 2, "StatefulSet": 1, "DaemonSet": 0}}
    assert texts(ask(DB, wrote(2, "a", outcome=pull | seen)), "restart") == [
        "nothing uses it: 2 Deployments, 1 StatefulSet, no DaemonSet looked at; Deployment/a: pull secret"
    ]


# Which lines are meant


def test_lines_of_other_events_names_clusters_and_namespaces_are_left_out() -> None:
    stray = {"message": "not reported", "timestamp": at(1), "names": ["prod/db"], "mapping": "payments-db"}
    route = [stray, routed(1, "a"), routed(5, "b", names=["prod/other"]), routed(6, "c")]
    deliver = [
        stray,
        wrote(2, "a"),
        ended(5.5, "b", mapping="other"),
        failed(6.5, "c", cluster="prod-us"),
        failed(7, "c", namespace="shop"),
    ]
    known = ask(DB, *deliver, route=route, sweeps=[stray])
    assert (known.get("eventId"), [each["eventId"] for each in known["others"]]) == ("a", ["c"])
    known = ask(Event("b"), *deliver, route=route, rows=[EU, US, row(mapping="other")])
    assert (known.get("eventId"), known["others"], [each["mapping"] for each in known["now"]]) == ("b", [], ["other"])
    known = ask(SourceName("prod/found"), ended(2, "d", mapping="x"), route=[routed(1, "d", names=["prod/found"])])
    assert texts(known, "delivery") == ["delivered"], "a find reads more than rows name"


def test_where_a_cluster_does_not_tell_its_namespaces_all_lines_of_it_are_meant_and_of_no_other() -> None:
    anywhere = Secret(None, "payments", "payments-db")
    rows = [EU, US | {"namespace": ""}]
    for cluster, said in (("prod-us", "goes on as 1 delivery"), ("prod-eu", "delivered; other namespaces failed")):
        line = ended(2, "a", "replaced", cluster=cluster, targets={"failed": 1}, namespaces=OTHERS[:1])
        assert delivery(ask(anywhere, line, rows=rows)).startswith(said)
    part = failed(2, "a", cluster="prod-us", namespace="n9")
    assert delivery(ask(anywhere, part, rows=rows)) == "failed: Conflict: stop helm"


def test_a_delivery_under_way_of_an_event_has_its_targets_those_that_are_not_right_first() -> None:
    rows = [EU, row("stale", cluster="prod-us", why="a source has another version"), row(mapping="other")]
    begun = [ended(2, "a", "begun"), ended(2, "a", "begun", cluster="prod-us")]
    known = ask(Event("a"), *begun, route=[routed(1, "a")], rows=rows)
    assert [(each["target"], each["state"]) for each in known["now"]] == [
        ("prod-us/payments/payments-db", "stale"),
        ("prod-eu/payments/payments-db", "right"),
    ]


def test_a_sweep_says_once_for_what_it_sent_the_deliveries_that_are_asked_about() -> None:
    sent = [
        {"mapping": "payments-db", "cluster": "prod-eu", "why": "payments: the Secret is missing"},
        {"mapping": "payments-db", "cluster": "prod-us", "why": "payments: the Secret is missing"},
        {"mapping": "other", "cluster": "prod-eu", "why": "shop: a source has another version"},
    ]
    swept = {"message": "swept", "timestamp": at(1), "event_id": "sweep-1", "origin": "by hand", "sent": sent}
    ends = [ended(2, "sweep-1"), ended(2, "sweep-1", cluster="prod-us")]
    known = ask(Event("sweep-1"), *ends, sweeps=[swept | {"count": 3}], rows=[EU, US])
    assert texts(known, "event") == ["a sweep (by hand) saw: payments: the Secret is missing"]


def test_names_with_quotes_are_part_of_a_pattern_and_without_names_all_lines_are_asked_for() -> None:
    patterns = Focus(SourceName('a"b'), []).build_patterns()
    assert patterns["route"] == r'{ ($.names[0] = "a\"b") || ($.names[1] = "a\"b") }'
    assert patterns["deliver"] == '{ ($.message != "audit") && ($.event_id = *) }'


def test_an_event_that_may_mean_two_names_has_both() -> None:
    moved = routed(1, "a", names=["prod/db", "prod/db-a1B2c3"], label="AWSCURRENT", version="0123456789")
    said = "updated: prod/db or prod/db-a1B2c3 AWSCURRENT moved to version 01234567"
    assert texts(ask(DB, wrote(2, "a"), route=[moved]), "event") == [said]


# What is printed


def test_times_are_short_on_the_day_of_the_question_and_long_distances_have_no_fractions() -> None:
    known = ask(SourceName("prod/db"), wrote(302, "a"), route=[routed(1, "a", event_time=at(-86_400))])
    lines = list(list_lines(known))
    assert lines[0].startswith("prod/db: change of 2026-11-23 14:40:00 (event a)")
    assert lines[1].startswith("14:40:00.000  event ")
    assert lines[2].startswith("+86,401 s     route ")
    known = ask(SourceName("prod/db"), wrote(2, "sweep-a"))
    assert next(list_lines(known)) == "prod/db: sweep of 14:40:02 (event sweep-a)"


def test_logs_that_are_longer_than_was_read_are_told_as_that() -> None:
    known = ask(DB) | {"isWhole": False}
    assert next(list_lines(known)) == (
        "prod-eu/payments/payments-db: nothing in the logs from 2026-11-24 14:00:00 UTC to 2026-11-24 15:00:00 UTC;"
        " their end was not reached"
    )
    assert list(list_lines(ask(DB, rows=[])))[1:] == []


def test_a_delivery_that_was_suspended_says_by_what() -> None:
    why = "mapping db is suspended until 2026-11-25T12:00:00+00:00 by ada: the database moves"
    known = ask(DB, ended(2, "a", "suspended", reason=why), route=[routed(1, "a")])
    assert [hop["text"] for hop in known["hops"] if hop["step"] == "delivery"] == [f"not delivered: {why}"]
