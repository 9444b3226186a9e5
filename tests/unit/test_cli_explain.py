"""What `keyferry explain` says of an event: which change it is, or why it is none, and what follows."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
UPDATED = EVENTS / "secret-label-updated.json"
MANAGED = """\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata: {{name: managed}}
spec:
  sources:
    db: {{secretsManager: {name}}}
    found: {{find: secretsManager, path: "rds!"}}
  clusters: [prod-eu]
  namespaces: [payments]
  secret:
    name: managed
    data: {{password: {{from: db, path: password}}}}
    dataFrom: [{{from: found, invalidCharacters: replace}}]
"""


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples/mappings", tmp_path / "mappings"))


def run(mappings: Path, event: Path | str, *args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["--mappings", str(mappings), "explain", str(event), *args], input=stdin)


def as_json(mappings: Path, event: Path | str) -> dict[str, Any]:
    result = run(mappings, event, "--output", "json")
    assert result.exit_code == 0
    [found] = json.loads(result.stdout)["events"]
    del found["position"]
    explained: dict[str, Any] = found
    return explained


def test_a_change_is_told_with_the_mappings_that_it_concerns_and_the_deliveries_that_follow(mappings: Path) -> None:
    result = run(mappings, UPDATED)
    version = json.loads(UPDATED.read_text())["detail"]["versionId"]
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"change: updated, secretsmanager prod/payments/db, label AWSCURRENT, version {version}",
        "mapping payments-db, source db",
        "delivery: payments-db to prod-eu",
        "delivery: payments-db to prod-us",
    ]


def test_a_change_of_a_secret_that_aws_manages_is_told_as_every_other(mappings: Path) -> None:
    managed = EVENTS / "secret-label-updated-managed.json"
    name = json.loads(managed.read_text())["detail"]["name"]
    (mappings / "managed.yaml").write_text(MANAGED.format(name=name))
    assert run(mappings, managed).stdout.splitlines()[1:] == [
        "mapping managed, source db",
        "mapping managed, source found",
        "delivery: managed to prod-eu",
    ]


def test_an_event_can_come_from_standard_input(mappings: Path) -> None:
    assert run(mappings, "-", stdin=UPDATED.read_text()).stdout == run(mappings, UPDATED).stdout


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("get-secret-value", "no change: read-only call (GetSecretValue)"),
        ("delete-secret-refused", "no change: failed call (DeleteSecret)"),
        ("not-an-event", "no change: not an event (wrong or missing: "),
        ("from-another-source", "no change: other source ("),
        ("stack-update-begun", "no change: no change (UPDATE_IN_PROGRESS of arn:aws:cloudformation:"),
    ],
)
def test_what_is_no_change_is_told_with_the_reason(mappings: Path, sample: str, said: str) -> None:
    result = run(mappings, EVENTS / f"{sample}.json")
    assert result.exit_code == 0
    assert result.stdout.startswith(said)


@pytest.mark.parametrize("sample", ["stack-deployed", "stack-rolled-back"])
def test_a_deployment_is_told_with_the_sweep_that_follows(mappings: Path, sample: str) -> None:
    first, second = run(mappings, EVENTS / f"{sample}.json").stdout.splitlines()
    assert first.startswith("no change: deployment (UPDATE_")
    assert second == "a sweep follows, where this is Keyferry's own stack"


def test_a_failed_rotation_delivers_nothing_and_says_why(mappings: Path) -> None:
    said = run(mappings, EVENTS / "rotation-failed.json").stdout
    assert "mapping payments-db, source db: a failed rotation leaves the current value as it was" in said
    assert said.endswith("no delivery follows\n")


def test_a_label_that_no_source_reads_delivers_nothing_and_says_why(mappings: Path) -> None:
    said = run(mappings, EVENTS / "secret-label-updated-custom-label.json").stdout
    assert "source db: it reads the label AWSCURRENT, and the event moves " in said
    assert said.endswith("no delivery follows\n")


def test_a_mapping_without_a_cluster_delivers_nothing_and_says_why(mappings: Path) -> None:
    path = mappings / "payments.yaml"
    path.write_text(path.read_text().replace("[prod-eu, prod-us]", "{matchLabels: {env: test}}"))
    assert "mapping payments-db, source db: it has no cluster\nno delivery follows\n" in run(mappings, UPDATED).stdout


def test_of_a_secret_that_no_mapping_names_the_nearest_name_is_told(mappings: Path) -> None:
    event = json.loads(UPDATED.read_text())
    event["detail"]["name"] = "prod/payments/bd"
    said = run(mappings, "-", stdin=json.dumps(event)).stdout
    assert "no mapping names it; did you mean prod/payments/db?\nno delivery follows\n" in said


def test_a_change_as_json_names_change_mappings_and_deliveries(mappings: Path) -> None:
    found = as_json(mappings, UPDATED)
    event = json.loads(UPDATED.read_text())
    assert set(found) == {"change", "ignored", "mappings", "deliveries"}
    assert found["ignored"] is None
    assert found["change"]["names"] == ["prod/payments/db"]
    assert found["change"]["eventId"] == event["id"]
    assert found["mappings"] == [{"mapping": "payments-db", "source": "db"}]
    assert [(each["mapping"], each["cluster"]) for each in found["deliveries"]] == [
        ("payments-db", "prod-eu"),
        ("payments-db", "prod-us"),
    ]
    assert all(each["versions"] == {"db": event["detail"]["versionId"]} for each in found["deliveries"])


def test_what_is_no_change_as_json_has_the_reason(mappings: Path) -> None:
    found = as_json(mappings, EVENTS / "get-secret-value.json")
    assert found["ignored"] == {"reason": "read-only call", "detail": "GetSecretValue"}
    assert (found["change"], found["mappings"], found["deliveries"]) == (None, [], [])


@pytest.mark.unwatched
@pytest.mark.parametrize("sample", sorted(path.name for path in EVENTS.glob("*.json")))
def test_every_sample_can_be_explained_in_both_forms(mappings: Path, sample: str) -> None:
    result = run(mappings, EVENTS / sample)
    found = as_json(mappings, EVENTS / sample)
    assert result.exit_code == 0
    assert (found["change"] is None) == result.stdout.startswith("no change: ")
    assert len(found["deliveries"]) == result.stdout.count("\ndelivery: ")


def test_a_file_that_is_no_json_is_told_with_the_place(mappings: Path, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text('{\n  "id": canary\n}')
    result = run(mappings, tmp_path / "event.json")
    assert result.exit_code == 1
    assert result.stderr == f"{tmp_path}/event.json:2:9: not JSON: Expecting value\n"


def test_an_empty_file_is_told_with_what_may_have_left_it_empty(mappings: Path) -> None:
    result = run(mappings, "-", stdin="\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("standard input: empty; `aws sqs receive-message` prints nothing where")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[" * 200_000])
def test_what_cannot_even_be_read_is_told(mappings: Path, content: bytes) -> None:
    result = run(mappings, "-", stdin=content)
    assert result.exit_code == 1
    assert "not JSON" in result.stderr


def test_a_file_that_does_not_exist_is_a_wrong_command_line(mappings: Path) -> None:
    assert run(mappings, "gone.json").exit_code == 2


def test_what_an_event_holds_cannot_speak_to_the_terminal(mappings: Path) -> None:
    event = json.loads(UPDATED.read_text()) | {"detail-type": "\x1b[2J"}
    said = run(mappings, "-", stdin=json.dumps(event)).stdout
    assert said == "no change: no change (\\x1b[2J)\n"


@pytest.mark.parametrize("form", ["table", "json"])
def test_what_a_message_holds_cannot_forge_a_line_or_speak_to_the_terminal(mappings: Path, form: str) -> None:
    message = {"mapping": "a\nb\x9b2J", "cluster": "\x7f\ud800", "eventId": "\x1b[2J", "time": "2026-11-03T09:15:42Z"}
    said = run(mappings, "-", "--output", form, stdin=json.dumps([message, UPDATED.read_text()])).stdout
    assert said.replace("\n", "").isprintable()
    assert "\nb" not in said


def test_json_has_its_own_escapes_for_what_is_not_printable(mappings: Path) -> None:
    message = {"mapping": "a\nb\x9b2J\U000e0001", "cluster": "c", "eventId": "e", "time": "2026-11-03T09:15:42Z"}
    result = run(mappings, "-", "--output", "json", stdin=json.dumps(message))
    assert json.loads(result.stdout)["events"][0]["delivery"]["mapping"] == message["mapping"]


def sqs_record(body: str) -> dict[str, Any]:
    return {"messageId": "m-1", "receiptHandle": "r-1", "body": body, "eventSource": "aws:sqs"}


def notification(message: str) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t",
        "Message": message,
    }


TEXT = UPDATED.read_text()
SNS = json.dumps(notification(TEXT))


@pytest.mark.parametrize(
    "wrapped",
    [
        {"Records": [sqs_record(TEXT)]},
        {"Records": [sqs_record(SNS)]},
        {"Records": [{"EventSource": "aws:sns", "Sns": notification(TEXT)}]},
        {"Messages": [{"MessageId": "m-1", "ReceiptHandle": "r-1", "Body": TEXT}]},
        {"Messages": [{"MessageId": "m-1", "ReceiptHandle": "r-1", "Body": SNS}]},
        {"MessageId": "m-1", "Body": TEXT},
        sqs_record(TEXT),
        notification(TEXT),
        [json.loads(TEXT)],
        [notification(TEXT)],
    ],
    ids=[
        *("SQS records", "SQS records from SNS", "SNS records", "received messages", "received messages from SNS"),
        *("one received message", "one record", "a notification", "a list", "a list of notifications"),
    ],
)
def test_one_event_is_explained_in_the_same_way_whatever_is_wrapped_around_it(mappings: Path, wrapped: object) -> None:
    assert run(mappings, "-", stdin=json.dumps(wrapped)).stdout == run(mappings, UPDATED).stdout
    result = run(mappings, "-", "--output", "json", stdin=json.dumps(wrapped))
    [found] = json.loads(result.stdout)["events"]
    assert found.pop("position") != ""
    assert found == as_json(mappings, UPDATED)


def test_several_events_are_explained_one_after_another_with_their_positions(mappings: Path) -> None:
    deleted = EVENTS / "delete-secret-refused.json"
    records = {"Records": [sqs_record(TEXT), sqs_record(deleted.read_text())]}
    said = run(mappings, "-", stdin=json.dumps(records)).stdout
    first, second = run(mappings, UPDATED).stdout, run(mappings, deleted).stdout
    assert said == f"1. Records[0].body\n{first}\n2. Records[1].body\n{second}"


def test_several_events_as_json_are_a_list_with_their_positions(mappings: Path) -> None:
    several = [json.loads(TEXT), {"Messages": [{"Body": TEXT}, {"Body": SNS}]}]
    result = run(mappings, "-", "--output", "json", stdin=json.dumps(several))
    alone = as_json(mappings, UPDATED)
    assert json.loads(result.stdout)["events"] == [
        {"position": position, **alone} for position in ("[0]", "[1].Messages[0].Body", "[1].Messages[1].Body.Message")
    ]


@pytest.mark.parametrize("body", ["canary-body", "", "null", '"canary"', "[]", "{}", "[" * 100_000])
def test_a_bad_record_is_told_by_its_position_with_what_would_be_right_and_the_others_are_explained(
    mappings: Path, body: str
) -> None:
    records = json.dumps({"Records": [sqs_record(TEXT), sqs_record(body)]})
    said = run(mappings, "-", stdin=records).stdout
    first, second = said.split("\n2. Records[1].body\n")
    assert first == f"1. Records[0].body\n{run(mappings, UPDATED).stdout}"
    assert second.startswith("no change: not an event (wrong or missing: ")
    assert "; in Records[1].body)\nan EventBridge event has id, detail-type, source, time and detail;" in second
    assert "canary" not in said
    found = json.loads(run(mappings, "-", "--output", "json", stdin=records).stdout)["events"][1]
    assert found["ignored"]["reason"] == "not an event"
    assert found["ignored"]["detail"].endswith("; in Records[1].body")
    assert found["ignored"]["expected"].startswith("an EventBridge event has id, ")


def test_what_is_wrapped_too_often_is_not_opened(mappings: Path) -> None:
    deep: object = json.loads(TEXT)
    for _ in range(9):
        deep = [deep]
    assert (
        "not an event (wrong or missing: the whole; in [0][0][0][0][0][0][0][0])"
        in run(mappings, "-", stdin=json.dumps(deep)).stdout
    )


@pytest.mark.parametrize("nothing", ["[]", '{"Records": []}', '{"Messages": []}', '{"Records": 1}', "{}", "7"])
def test_where_there_is_no_event_that_is_told(mappings: Path, nothing: str) -> None:
    result = run(mappings, "-", stdin=nothing)
    assert result.exit_code == 0
    assert result.stdout.startswith("no change: not an event (wrong or missing: ")


DELIVERY = {"mapping": "payments-db", "cluster": "prod-eu", "eventId": "event-1", "time": "2026-11-03T09:15:42Z"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (DELIVERY, "a delivery: mapping payments-db, cluster prod-eu; of 2026-11-03T09:15:42+00:00, event event-1"),
        (
            DELIVERY | {"namespace": "payments"},
            "a delivery: mapping payments-db, cluster prod-eu, namespace payments;"
            " of 2026-11-03T09:15:42+00:00, event event-1",
        ),
        (
            DELIVERY | {"mapping": "gone"},
            "a delivery: mapping gone, cluster prod-eu; of 2026-11-03T09:15:42+00:00, event event-1\n"
            "mapping gone is not among this deployment's mappings",
        ),
        ({"reason": "schedule"}, "a sweep: everything; reason: schedule"),
        ({"mapping": "payments-db", "namespace": "a"}, "a sweep: mapping payments-db, namespace a; reason: by hand"),
    ],
)
def test_a_message_of_another_queue_is_told_as_what_it_asks_for(
    mappings: Path, message: dict[str, str], said: str
) -> None:
    received = {"Messages": [{"MessageId": "m-1", "Body": json.dumps(message)}]}
    assert run(mappings, "-", stdin=json.dumps(received)).stdout == f"{said}\n"


def test_a_message_of_another_queue_as_json_has_what_it_asks_for(mappings: Path) -> None:
    nothing: dict[str, Any] = {"change": None, "ignored": None, "mappings": [], "deliveries": []}

    def found(message: dict[str, str]) -> dict[str, Any]:
        answer = json.loads(run(mappings, "-", "--output", "json", stdin=json.dumps(message)).stdout)
        parsed: dict[str, Any] = answer["events"][0]
        return {key: part for key, part in parsed.items() if key != "position"}

    delivery = found(DELIVERY)
    assert {key: delivery["delivery"][key] for key in DELIVERY} == DELIVERY
    assert delivery == nothing | {"delivery": delivery["delivery"]}
    problem = "mapping gone is not among this deployment's mappings"
    assert found(DELIVERY | {"mapping": "gone"})["problem"] == problem
    assert found({"reason": "schedule"}) == nothing | {"sweep": {"reason": "schedule"}}


@pytest.mark.parametrize("newer", [{"canary": 1}, {"event_id": "canary", "x": [None]}])
def test_a_delivery_with_a_field_of_a_newer_release_is_told_as_such(mappings: Path, newer: dict[str, object]) -> None:
    first, second = run(mappings, "-", stdin=json.dumps(DELIVERY | newer)).stdout.splitlines()
    assert first.startswith("a delivery: mapping payments-db, cluster prod-eu; ")
    assert second == "the message has fields of a newer release; it waits until that is deployed"


@pytest.mark.parametrize("wrong", [{"time": "yesterday"}, {"mapping": 7}, {"mapping": 7, "canary": 1}])
def test_a_message_that_no_queue_would_have_is_none(mappings: Path, wrong: dict[str, object]) -> None:
    said = run(mappings, "-", stdin=json.dumps(DELIVERY | wrong)).stdout
    assert said.startswith("no change: not an event (")
    assert "a delivery has mapping, cluster, eventId and time" in said
    assert "canary" not in said


def test_a_namespace_that_the_mapping_does_not_have_is_told(mappings: Path) -> None:
    path = mappings / "payments.yaml"
    path.write_text(path.read_text().replace("prod/payments/db", '"prod/${namespace}/db"'))
    said = run(mappings, UPDATED).stdout
    assert "mapping payments-db, source db\ndelivery: payments-db to prod-eu, namespace payments\n" in said
    other = UPDATED.read_text().replace("prod/payments/db", "prod/other/db")
    assert "mapping payments-db, source db: it does not go to other\n" in run(mappings, "-", stdin=other).stdout
