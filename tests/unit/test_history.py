"""`keyferry history`, on the lines that the functions themselves write of clusters with memory."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.history.answer import Written
from keyferry.cli.history.build import list_known_versions
from keyferry.cli.history.versions import SecretVersion, list_addresses, list_versions
from keyferry.cli.history.writes import build_patterns, index_events, list_writes
from keyferry.cli.trace.subject import SourceName
from keyferry.errors import AccessDenied
from tests.unit.clusters import World
from tests.unit.function_logs import FunctionLogs, Line
from tests.unit.samples import delivery, mapping
from tests.unit.test_cli_trace import Aws
from tests.unit.test_trace import ID, SOURCE, change, rows

SUBJECT = SourceName(SOURCE)
EU = "prod-eu/payments/payments-db"


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> FunctionLogs:
    """A stack of one target, which is delivered, and has not logged that."""
    return FunctionLogs(World(mapping(clusters=["prod-eu"], namespaces=["payments"])), monkeypatch)


def writes(logs: FunctionLogs, name: str = SOURCE) -> list[Written]:
    """Return what the logs tell of a source."""
    subject, lines = SourceName(name), logs.lines
    return list_writes(subject, lines["deliver"], index_events(subject, lines["route"]))


def told(written: Sequence[Written]) -> list[tuple[str, ...]]:
    return [(each["did"], each.get("version", "-"), each["origin"]) for each in written]


def test_each_version_is_told_with_the_secret_that_it_reached_and_the_event(logs: FunctionLogs) -> None:
    event_id = change(logs)
    [written] = writes(logs)
    assert (written["secret"], written["mapping"], written["eventId"]) == (EU, "payments-db", event_id)
    assert told([written]) == [("updated", "version-2", "event")]
    assert written["why"] == "new content in password"
    assert "by" not in written


def test_it_is_the_same_by_its_arn(logs: FunctionLogs) -> None:
    change(logs)
    arn = f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{SOURCE}-a1b2c3"
    assert writes(logs, arn) == writes(logs) != []
    assert writes(logs, "prod/payments/other") == []


def test_sweeps_pushes_restarts_and_replays_are_told_from_events(logs: FunctionLogs) -> None:
    for number, origin in enumerate(("sweep", "push", "replay")):
        logs.world.sources.put(SOURCE, f'{{"username": "me", "password": "canary-{number}-new"}}')
        logs.deliver(delivery(event_id=f"{origin}-{ID % number}", time=datetime.now(UTC)))
    assert [each["origin"] for each in writes(logs)] == ["sweep", "push", "replay"]


def test_a_version_that_leaves_the_content_as_it_is_is_told_once(logs: FunctionLogs) -> None:
    change(logs)
    logs.world.sources.put(SOURCE, '{"username": "me", "password": "canary-1-new"}')
    for number in (2, 3):
        logs.move(ID % number)
        logs.deliver_all()
    assert told(writes(logs)) == [("updated", "version-2", "event"), ("annotated", "version-3", "event")]


def test_who_made_the_call_is_told_where_the_event_names_somebody(logs: FunctionLogs) -> None:
    change(logs)
    lines = logs.lines
    [routed] = [line for line in lines["route"] if "event_id" in line]
    routed["by"] = "arn:aws:iam::111122223333:user/ana"
    [written] = list_writes(SUBJECT, lines["deliver"], index_events(SUBJECT, lines["route"]))
    assert written.get("by") == "arn:aws:iam::111122223333:user/ana"


def audit(**more: Any) -> Line:  # noqa: ANN401  # JSON
    """Return a line of a write that one source of a choice of many has caused."""
    source = {"store": "secretsmanager", "name": "find in secretsManager by path prod/", "version": "digest"}
    known = {"message": "audit", "timestamp": "2026-11-24T14:40:01+00:00", "event_id": "e1", "origin": "event"}
    where = {"mapping": "all", "cluster": "prod-eu", "namespace": "payments", "secret": "all"}
    return known | where | {"did": "updated", "why": "new content in db", "sources": {"found": source}} | more


def test_of_a_choice_of_many_the_event_tells_which_has_changed_and_its_version() -> None:
    routed = {"event_id": "e1", "names": [SOURCE], "version": "version-7"}
    events = index_events(SUBJECT, [routed, {"event_id": "e2", "names": ["prod/other"]}])
    known = list_writes(SUBJECT, [audit(), audit(event_id="e2"), audit(event_id="sweep-1")], events)
    assert told(known) == [("updated", "version-7", "event")]
    del routed["version"]
    assert told(list_writes(SUBJECT, [audit()], events)) == [("updated", "-", "event")]


def test_a_date_in_a_version_is_no_part_of_its_id() -> None:
    source = {"store": "parameterstore", "name": "/prod/tls", "version": "3@2026-11-24T12:00:00+00:00"}
    [known] = list_writes(SourceName("/prod/tls"), [audit(sources={"tls": source})], {})
    assert known.get("version") == "3"


def test_what_was_deleted_is_told_with_its_version_and_one_without_version_too() -> None:
    source = {"store": "secretsmanager", "name": SOURCE}
    lines = [audit(did="deleted", sources={"db": source | {"version": "v1"}}), audit(sources={"db": source})]
    assert told(list_writes(SUBJECT, lines, {})) == [("deleted", "v1", "event"), ("updated", "-", "event")]


def test_what_changes_with_the_mapping_alone_is_left_out_and_a_version_that_is_seen_first_is_not() -> None:
    """The first line of a log that was cut may be one of annotations alone: it tells what the Secret had then."""
    source = {"store": "secretsmanager", "name": SOURCE}
    lines = [
        audit(did="annotated", why=why, sources={"db": source | {"version": version}})
        for version, why in (("v1", "the mapping has changed"), ("v1", "the mapping has changed"), ("v2", "a version"))
    ]
    assert told(list_writes(SUBJECT, lines, {})) == [("annotated", "v1", "event"), ("annotated", "v2", "event")]


def test_the_logs_are_asked_for_what_has_the_name_in_it(logs: FunctionLogs) -> None:
    known = rows(logs)
    arn = f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{SOURCE}-a1b2c3"
    for name in (SOURCE, arn):
        assert build_patterns(SourceName(name), known)["deliver"] == '"audit" "prod/payments/db"'
    assert build_patterns(SUBJECT, known)["route"].startswith('{ ($.names[0] = "prod/payments/db") || ')
    known[0]["sources"] = [{"name": "find in secretsManager by path prod/"}]
    assert build_patterns(SUBJECT, known)["deliver"] == '{ $.message = "audit" }'


# Versions


class FakeSecretsManager:
    """Secrets Manager with the versions of one secret, in pages of one, which never tells a value."""

    def __init__(self, *versions: Mapping[str, Any]) -> None:
        self.versions, self.asked = versions, list[dict[str, Any]]()

    def list_secret_version_ids(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        self.asked.append(arguments)
        number = int(arguments.get("NextToken", 0))
        more = {"NextToken": str(number + 1)} if number + 1 < len(self.versions) else {}
        return {"Versions": list(self.versions[number : number + 1]), **more}


def at(hour: int) -> datetime:
    return datetime(2026, 11, 24, hour, tzinfo=UTC)


LISTED = (
    {"VersionId": "version-1", "CreatedDate": at(10)},
    {"VersionId": "version-2", "CreatedDate": at(12), "VersionStages": ["AWSCURRENT", "blue"]},
    {"VersionId": "version-0", "VersionStages": ["AWSPREVIOUS"]},
)


def test_all_pages_of_versions_are_read_also_of_those_without_a_label() -> None:
    client = FakeSecretsManager(*LISTED)
    assert list_versions(client, SOURCE) == [
        SecretVersion("version-1", at(10), frozenset()),
        SecretVersion("version-2", at(12), frozenset({"AWSCURRENT", "blue"})),
        SecretVersion("version-0", None, frozenset({"AWSPREVIOUS"})),
    ]
    assert {(each["SecretId"], each["IncludeDeprecated"]) for each in client.asked} == {(SOURCE, True)}


def test_versions_are_the_newest_first_with_labels_and_the_secrets_that_have_them(logs: FunctionLogs) -> None:
    change(logs)
    known = list_known_versions(SUBJECT, rows(logs), list_versions(FakeSecretsManager(*LISTED), SOURCE), writes(logs))
    assert known == [
        {
            "version": "version-2",
            "labels": ["AWSCURRENT", "blue"],
            "holders": [EU],
            "created": "2026-11-24T12:00:00+00:00",
        },
        {"version": "version-1", "labels": [], "holders": [], "created": "2026-11-24T10:00:00+00:00"},
        {"version": "version-0", "labels": ["AWSPREVIOUS"], "holders": []},
    ]


def test_what_only_the_log_or_a_secret_names_is_told_as_well(logs: FunctionLogs) -> None:
    change(logs)
    change(logs, 2)
    known = list_known_versions(SUBJECT, rows(logs), [], writes(logs))
    assert [(each["version"], each["holders"]) for each in known] == [("version-3", [EU]), ("version-2", [])]
    lost = [dict(row, sources=[{"name": SOURCE}]) for row in rows(logs)]
    assert list_known_versions(SUBJECT, lost, [], []) == []


def test_a_secret_is_where_the_mapping_or_the_arn_says() -> None:
    def address(identifier: str, *sources: dict[str, Any]) -> list[tuple[str, str | None]]:
        known = [{"sources": [{"store": "secretsmanager"} | source]} for source in sources]
        return [(each.id, each.region) for each in list_addresses(SourceName(identifier), known)]

    arn = f"arn:aws:secretsmanager:us-east-1:444455556666:secret:{SOURCE}-a1b2c3"
    assert address(SOURCE, {"name": SOURCE}, {"name": SOURCE}) == [(SOURCE, None)]
    assert address(SOURCE, {"name": arn}, {"name": SOURCE, "region": "eu-west-3"}) == [
        (arn, "us-east-1"),
        (SOURCE, "eu-west-3"),
    ]
    assert address(arn, {"name": arn}, {"name": SOURCE}) == [(arn, "us-east-1")]
    assert address(SOURCE, {"name": SOURCE, "store": "parameterstore"}) == []
    assert address(arn, {"name": "other"}) == []


# The command


class Stack(Aws):
    """A stack with Secrets Manager, whose versions one may list, or not."""

    error: Exception | None = None

    def describe_stacks(self, **asked: object) -> dict[str, Any]:
        [stack] = super().describe_stacks(**asked)["Stacks"]
        days = {"ParameterKey": "LogRetentionDays", "ParameterValue": "30"}
        return {"Stacks": [stack | {"Parameters": [days]}]}

    def list_secret_version_ids(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        if self.error:
            raise self.error
        return FakeSecretsManager(*LISTED).list_secret_version_ids(**asked)


@pytest.fixture
def aws(logs: FunctionLogs, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The AWS of a stack that has logged one change."""
    change(logs)
    aws = Stack(logs)
    monkeypatch.setattr("keyferry.cli.stack.open_session", lambda _region: aws)
    return aws


def run(*args: str) -> Result:
    result = CliRunner().invoke(main, ["history", "--stack", "keyferry", *args])
    assert "canary" not in result.output
    return result


def test_the_history_says_how_far_back_it_goes(aws: Stack) -> None:
    result = run(SOURCE, "--since", "2d")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].startswith("1 write since ")
    assert result.stdout.endswith(" UTC; the stack keeps its log for 30 days\n")
    assert f"event {ID % 1}" in result.stdout
    known = json.loads(run(SOURCE, "--output", "json").stdout)
    read = datetime.fromisoformat(known["until"]) - datetime.fromisoformat(known["since"])
    assert (read, known["keptDays"], known["isWhole"], known["what"]) == (timedelta(days=7), 30, True, SOURCE)
    assert [each["version"] for each in known["versions"]] == ["version-2", "version-1", "version-0"]
    assert aws.asked


def test_who_may_not_list_versions_still_sees_what_the_log_tells(aws: Stack) -> None:
    aws.error = AccessDenied("AWS refuses secretsmanager:ListSecretVersionIds")
    result = run(SOURCE)
    assert result.exit_code == 0
    assert result.stderr.startswith("labels, and versions that no Secret had, are left out: AWS refuses ")
    assert "version-2" in result.stdout


def test_what_no_mapping_reads_and_no_log_names_is_refused_with_what_may_be_meant(aws: Stack) -> None:
    result = run("prod/payments/bd")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no mapping of this stack reads prod/payments/bd; did you mean prod/payments/db?" in result.stderr
    assert aws.questions == [{"question": "status"}]


def test_a_log_that_is_longer_than_was_read_is_told_as_that(aws: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = aws.filter_log_events
    monkeypatch.setattr(aws, "filter_log_events", lambda **asked: answer(**asked) | {"nextToken": "1"})
    result = run(SOURCE)
    assert "warning: the log is longer than was read" in result.stderr


def test_the_last_writes_are_shown_and_all_are_in_the_json(logs: FunctionLogs, aws: Stack) -> None:
    for number in range(2, 25):
        logs.world.sources.put(SOURCE, f'{{"username": "me", "password": "canary-{number}-new"}}')
        logs.move(f"{ID % 0}{number}")
        logs.deliver_all()
    result = run(SOURCE)
    assert "24 writes since " in result.stdout
    assert "; the last 20 are shown: --output json has each; " in result.stdout
    assert len(json.loads(run(SOURCE, "--output", "json").stdout)["writes"]) == 24
    assert aws.asked
