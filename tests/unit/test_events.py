"""What an event tells of: the secret it names in whichever form, or the reason why it is no change."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.model import Change
from keyferry.stores import parameter_store, secrets_manager
from keyferry.stores.envelope import Ignored
from keyferry.stores.events import parse
from tests.unit.samples import ACCOUNT, WHEN, envelope

ARN = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:prod/payments/db-a1B2c3"
API = "AWS API Call via CloudTrail"
SERVICE = "AWS Service Event via CloudTrail"


def native(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    detail = {"name": "prod/payments/db", "labelUpdated": "AWSCURRENT", "versionId": "version-2"}
    return envelope("Secret Label Updated", "aws.secretsmanager", detail | changes, resources=[ARN])


def trail(name: str, kind: str = API, **detail: Any) -> dict[str, Any]:  # noqa: ANN401
    whole = {"eventName": name, "requestParameters": None, "responseElements": None, "readOnly": False}
    return envelope(kind, "aws.secretsmanager", whole | detail)


def parameter(operation: str, **detail: Any) -> dict[str, Any]:  # noqa: ANN401
    whole = {"name": "/prod/payments/tls", "type": "SecureString", "operation": operation}
    return envelope("Parameter Store Change", "aws.ssm", whole | detail)


def names(event: object) -> tuple[str, ...]:
    change = parse(event)
    assert isinstance(change, Change), change
    return change.names


def ignored(event: object) -> str:
    verdict = parse(event)
    assert isinstance(verdict, Ignored), verdict
    return verdict.reason


def test_a_moved_label_is_a_change_with_label_and_version() -> None:
    assert parse(native()) == Change(
        store="secretsmanager",
        names=("prod/payments/db",),
        kind="updated",
        event_id="6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        time=WHEN,
        label="AWSCURRENT",
        version="version-2",
        account=ACCOUNT,
        region="eu-west-1",
    )


def test_a_moved_label_without_a_name_is_known_by_its_arn() -> None:
    assert names(native(name=None)) == ("prod/payments/db",)


@pytest.mark.parametrize("form", [ARN, ARN.removesuffix("-a1B2c3")])
def test_a_moved_label_may_name_its_secret_by_arn(form: str) -> None:
    assert names(native(name=form))[0] == "prod/payments/db"


@pytest.mark.parametrize(
    ("event", "account"),
    [
        (native(), ACCOUNT),
        (native() | {"account": "444455556666"}, "444455556666"),
        (native(name=None) | {"account": "444455556666"}, ACCOUNT),
        (parameter("Update") | {"account": "444455556666"}, "444455556666"),
        (trail("DeleteSecret", requestParameters={"secretId": "a"}) | {"account": "444455556666"}, "444455556666"),
        (trail("DeleteSecret", requestParameters={"secretId": ARN}) | {"account": "444455556666"}, ACCOUNT),
        ({key: part for key, part in native().items() if key != "account"}, None),
    ],
)
def test_the_account_is_that_of_the_arn_or_else_of_the_event(event: dict[str, Any], account: str | None) -> None:
    change = parse(event)
    assert isinstance(change, Change)
    assert change.account == account


@pytest.mark.parametrize("label", ["AWSPENDING", "AWSPREVIOUS"])
def test_a_label_that_moves_beside_another_or_before_it_is_no_change(label: str) -> None:
    assert parse(native(labelUpdated=label)) == Ignored("no change", f"Secret Label Updated: {label}")


@pytest.mark.parametrize(
    "odd",
    ["\ud800", "a\nb", "a\0b", "a" * 2049],
    ids=["half a character", "two lines", "a null", "longer than an ARN"],
)
def test_what_cannot_be_printed_is_no_name_label_or_version(odd: str) -> None:
    change = parse(native(name=odd, labelUpdated=odd, versionId=odd))
    assert isinstance(change, Change)
    assert (change.names, change.label, change.version) == (("prod/payments/db",), None, None)


def test_only_one_suffix_is_taken_off_a_full_arn() -> None:
    event = native(name=None) | {"resources": [ARN.replace("db-", "db-abc123-")]}
    assert names(event) == ("prod/payments/db-abc123",)


@pytest.mark.parametrize("resources", [[], [""]])
def test_a_moved_label_that_names_nothing_is_ignored(resources: list[str]) -> None:
    assert ignored(native(name="") | {"resources": resources}) == "no name"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PutSecretValue", "updated"),
        ("UpdateSecret", "updated"),
        ("UpdateSecretVersionStage", "updated"),
        ("DeleteSecret", "deleted"),
        ("RestoreSecret", "restored"),
    ],
)
def test_a_call_is_a_change_of_the_secret_that_its_caller_named(name: str, kind: str) -> None:
    change = parse(trail(name, requestParameters={"secretId": "prod/payments/db"}))
    assert isinstance(change, Change)
    assert (change.kind, change.names, change.label, change.version) == (kind, ("prod/payments/db",), None, None)


def test_a_created_secret_is_named_by_its_name_parameter() -> None:
    assert names(trail("CreateSecret", requestParameters={"name": "prod/payments/db"})) == ("prod/payments/db",)


@pytest.mark.parametrize(
    "typed",
    ["prod/payments/db", ARN, ARN.removesuffix("-a1B2c3")],
    ids=["name", "full ARN", "partial ARN"],
)
def test_whatever_the_caller_typed_is_the_same_secret(typed: str) -> None:
    assert names(trail("PutSecretValue", requestParameters={"secretId": typed}))[0] == "prod/payments/db"


@pytest.mark.parametrize("spelling", ["arn", "aRN", "ARN"])
def test_the_answers_arn_is_surer_than_the_request_however_it_is_spelled(spelling: str) -> None:
    event = trail("DeleteSecret", requestParameters={"secretId": "other"}, responseElements={spelling: ARN})
    assert names(event) == ("prod/payments/db", "prod/payments/db-a1B2c3")


@pytest.mark.parametrize(
    "detail",
    [
        {"additionalEventData": {"SecretId": ARN}},
        {"additionalEventData": {"secretId": ARN}},
        {"serviceEventDetails": {"secretId": ARN}},
        {"serviceEventDetails": {"SecretId": ARN}},
    ],
)
@pytest.mark.parametrize(("name", "kind"), [("RotationSucceeded", "updated"), ("RotationFailed", "rotation failed")])
def test_a_rotation_names_its_secret_beside_the_request(name: str, kind: str, detail: dict[str, Any]) -> None:
    change = parse(trail(name, SERVICE, errorMessage="Error when executing lambda", **detail))
    assert isinstance(change, Change)
    assert (change.kind, change.names[0]) == (kind, "prod/payments/db")


@pytest.mark.parametrize("key", ["SecretId", "secretId", "secretID", "SECRETID"])
def test_the_case_of_a_key_does_not_count(key: str) -> None:
    assert names(trail("PutSecretValue", requestParameters={key: "prod/payments/db"})) == ("prod/payments/db",)


def test_an_answer_that_has_only_a_name_is_better_than_none() -> None:
    assert names(trail("PutSecretValue", responseElements={"name": "prod/payments/db"})) == ("prod/payments/db",)


def test_a_failed_rotation_has_failed_also_with_an_error_code() -> None:
    change = parse(trail("RotationFailed", SERVICE, errorCode="Failed", additionalEventData={"SecretId": ARN}))
    assert isinstance(change, Change)
    assert change.kind == "rotation failed"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("PutSecretValue", {"versionStages": ["AWSPENDING"]}),
        ("UpdateSecretVersionStage", {"versionStage": "AWSPENDING", "moveToVersionId": "version-2"}),
        ("UpdateSecretVersionStage", {"versionStage": "AWSPENDING", "removeFromVersionId": "version-2"}),
    ],
)
def test_a_version_that_a_rotation_prepares_or_takes_back_is_no_change(name: str, parameters: dict[str, Any]) -> None:
    event = trail(name, requestParameters={"secretId": ARN} | parameters)
    assert parse(event) == Ignored("no change", f"{name}: AWSPENDING")


@pytest.mark.parametrize(
    "parameters",
    [
        {"versionStages": None},
        {"versionStages": []},
        {"versionStages": ["AWSPENDING", "BLUE"]},
        {"versionStages": ["AWSPREVIOUS"]},  # sources read it
        {"versionStages": {"AWSPENDING": 1}},
        {"versionStage": "AWSCURRENT"},
        {"versionStage": None},
    ],
)
def test_whatever_else_a_put_says_of_labels_is_a_change(parameters: dict[str, Any]) -> None:
    assert names(trail("PutSecretValue", requestParameters={"secretId": "prod/db"} | parameters)) == ("prod/db",)


def test_a_secret_that_is_deleted_is_deleted_whatever_label_the_call_names() -> None:
    event = trail("DeleteSecret", requestParameters={"secretId": "prod/db", "versionStage": "AWSPENDING"})
    assert names(event) == ("prod/db",)


def test_a_secret_that_aws_manages_has_an_exclamation_mark_in_its_name() -> None:
    arn = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:rds!cluster-2f1e4c6a-k7L8m9"
    assert names(trail("RotationSucceeded", SERVICE, serviceEventDetails={"secretId": arn})) == (
        "rds!cluster-2f1e4c6a",
        "rds!cluster-2f1e4c6a-k7L8m9",
    )


def test_an_event_inside_a_notification_of_sns_is_the_same_event() -> None:
    notification = {"Type": "Notification", "Message": json.dumps(native())}
    assert parse(notification) == parse(native())


@pytest.mark.parametrize("message", ["", "canary", "null", "[" * 100_000, {"a": 1}])
def test_a_notification_without_an_event_is_none(message: object) -> None:
    assert ignored({"Type": "Notification", "Message": message}) == "not an event"


ODD = "a\nb\x1b[2J\x9b\u2028"
ESCAPED = r"a\x0ab\x1b[2J\x9b\x2028"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (envelope("Some", ODD, {}), Ignored("other source", ESCAPED)),
        (envelope(ODD, "aws.ssm", {}), Ignored("no change", ESCAPED)),
        (envelope(ODD, "aws.secretsmanager", {}), Ignored("no change", ESCAPED)),
        (trail(ODD), Ignored("no change", "an unnamed call")),
        (parameter(ODD), Ignored("no change", "no operation")),
    ],
)
def test_what_is_told_of_an_ignored_event_has_no_line_ends_and_no_escapes_of_a_terminal(
    event: object, expected: Ignored
) -> None:
    assert parse(event) == expected


def test_a_change_has_no_line_ends_either() -> None:
    change = parse(native(name=None) | {"id": ODD, "resources": [f"{ARN}{ODD}"]})
    assert isinstance(change, Change)
    assert change.event_id == ESCAPED
    assert change.names == (f"prod/payments/db-a1B2c3{ESCAPED}",)


def test_an_id_that_would_not_fit_into_messages_is_none() -> None:
    assert parse(native() | {"id": "a" * 257}) == Ignored("not an event", "wrong or missing: id")


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn", "aws-iso-b", "aws-eusc"])
def test_every_partition_is_understood(partition: str) -> None:
    arn = f"arn:{partition}:secretsmanager:eu-west-1:{ACCOUNT}:secret:prod/db-a1B2c3"
    assert secrets_manager.parse_identifier(arn) == ("prod/db", "prod/db-a1B2c3")
    assert parameter_store.parse_identifier(f"arn:{partition}:ssm:eu-west-1:{ACCOUNT}:parameter/prod/tls") == (
        "prod/tls",
    )


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("prod/db", ("prod/db",)),
        ("prod/db-abc123", ("prod/db-abc123",)),  # a name is a name, whatever its end looks like
        (f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db", ("db",)),
        (f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-abc123", ("db", "db-abc123")),
        (f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-abc123-a1B2c3", ("db-abc123", "db-abc123-a1B2c3")),
        (f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-abc12", ("db-abc12",)),
        (f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:a:b-a1B2c3", ("a:b", "a:b-a1B2c3")),
        (f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/db", (f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/db",)),
    ],
)
def test_an_identifier_means_one_name_or_two_where_its_end_can_be_either(
    identifier: str, expected: tuple[str, ...]
) -> None:
    assert secrets_manager.parse_identifier(identifier) == expected


@pytest.mark.parametrize("operation", ["Create", "Update", "LabelParameterVersion"])
def test_a_changed_parameter_is_a_change(operation: str) -> None:
    change = parse(parameter(operation))
    assert isinstance(change, Change)
    assert (change.store, change.names, change.kind) == ("parameterstore", ("prod/payments/tls",), "updated")


def test_a_deleted_parameter_is_a_deletion() -> None:
    change = parse(parameter("Delete"))
    assert isinstance(change, Change)
    assert change.kind == "deleted"


@pytest.mark.parametrize("form", ["/a/b", "a/b", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/a/b"])
def test_a_parameter_has_one_name_with_and_without_slash_and_as_arn(form: str) -> None:
    assert names(parameter("Update", name=form)) == ("a/b",)


def test_a_parameter_without_a_name_is_known_by_its_arn() -> None:
    event = parameter("Update", name=None) | {"resources": [f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/foo"]}
    assert names(event) == ("foo",)


@pytest.mark.parametrize("name", [None, "/"])
def test_a_parameter_event_that_names_nothing_is_ignored(name: str | None) -> None:
    assert ignored(parameter("Update", name=name)) == "no name"


def test_a_parameter_event_with_an_exception_is_no_change() -> None:
    assert ignored(parameter("Update", exception="Unable to Describe Resource")) == "no change"


@pytest.mark.parametrize("operation", ["Explode", "", None, 3])
def test_an_unknown_operation_is_no_change(operation: Any) -> None:  # noqa: ANN401
    assert ignored(parameter(operation)) == "no change"


def test_a_failed_call_is_ignored() -> None:
    event = trail("PutSecretValue", requestParameters={"secretId": "db"}, errorCode="AccessDenied")
    assert ignored(event) == "failed call"


@pytest.mark.parametrize("name", ["GetSecretValue", "BatchGetSecretValue", "PutSecretValue"])
def test_a_read_only_call_is_ignored(name: str) -> None:
    assert ignored(trail(name, readOnly=True, requestParameters={"secretId": "db"})) == "read-only call"


@pytest.mark.parametrize(
    "name",
    [
        *("RotateSecret", "CancelRotateSecret", "TagResource", "UntagResource", "PutResourcePolicy", None),
        *("RotationStarted", "RotationAbandoned", "TestRotationSucceeded", "TestRotationFailed"),
        *("StartSecretVersionDelete", "EndSecretVersionDelete", "ReplicationSucceeded", "ReplicationFailed"),
        *("AssociateCrossAccountReplica", "AcceptCrossAccountReplication", "StopReplicationToReplica"),
    ],
)
def test_a_call_that_changes_no_current_value_is_no_change(name: str | None) -> None:
    assert ignored(trail(name or "", requestParameters={"secretId": "db"})) == "no change"


@pytest.mark.parametrize("parameters", [None, {}, {"secretId": ""}, {"secretId": 7}, ["db"], "db"])
def test_a_call_that_names_no_secret_is_ignored(parameters: object) -> None:
    assert ignored(trail("PutSecretValue", requestParameters=parameters)) == "no name"


def test_what_other_services_send_is_ignored() -> None:
    assert ignored(envelope("EC2 Instance State-change Notification", "aws.ec2", {})) == "other source"


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"status": "CREATE_COMPLETE"}, "deployment"),
        ({"status": "UPDATE_COMPLETE"}, "deployment"),
        ({"status": "UPDATE_ROLLBACK_COMPLETE"}, "deployment"),
        ({"status": "UPDATE_IN_PROGRESS"}, "no change"),
        ({"status": "DELETE_COMPLETE"}, "no change"),
        ({}, "no change"),
        (None, "no change"),
        ("UPDATE_COMPLETE", "no change"),
    ],
)
def test_a_stack_that_was_deployed_is_told_from_one_that_is_not_there_yet(details: object, reason: str) -> None:
    detail = {"stack-id": "arn:stack/keyferry", "status-details": details}
    assert ignored(envelope("CloudFormation Stack Status Change", "aws.cloudformation", detail)) == reason


def test_what_other_kinds_of_event_cloudformation_sends_are_of_another_source() -> None:
    event = envelope("CloudFormation Resource Status Change", "aws.cloudformation", {})
    assert parse(event) == Ignored("other source", "aws.cloudformation")


@pytest.mark.parametrize("source", ["aws.ssm", "aws.secretsmanager"])
def test_what_the_same_services_send_beside_changes_is_no_change(source: str) -> None:
    assert parse(envelope("Parameter Store Policy Action", source, {})) == Ignored(
        "no change", "Parameter Store Policy Action"
    )


@pytest.mark.parametrize("field", ["id", "detail-type", "source", "time", "detail"])
def test_an_envelope_that_lacks_a_field_is_no_event_and_the_field_is_told(field: str) -> None:
    event = native()
    del event[field]
    assert parse(event) == Ignored("not an event", f"wrong or missing: {field}")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("time", "yesterday"),
        ("time", "2026-11-24T12:00:00"),  # of no zone: later it could not be compared with a clock
        ("detail", "{}"),
        ("resources", "arn"),
        ("id", 5),
    ],
)
def test_an_envelope_with_a_field_of_another_form_is_no_event(field: str, wrong: object) -> None:
    assert parse(native() | {field: wrong}) == Ignored("not an event", f"wrong or missing: {field}")


@pytest.mark.parametrize("garbage", [None, 7, "text", [], {}, [[]], True, 1.5])
def test_garbage_is_no_event(garbage: object) -> None:
    assert ignored(garbage) == "not an event"


def test_what_is_told_of_garbage_is_where_it_is_wrong_and_never_what_it_holds() -> None:
    verdict = parse(native() | {"time": "canary-time", "id": {"canary-key": "canary-value"}})
    assert verdict == Ignored("not an event", "wrong or missing: id, time")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FORMS = [native(), trail("PutSecretValue", requestParameters={"secretId": ARN}), parameter("Update")]
KEYS = sorted({key for form in FORMS for key in form["detail"]})


@given(JSON)
def test_no_json_makes_it_fail(garbage: object) -> None:
    assert isinstance(parse(garbage), Ignored)


@given(st.sampled_from(FORMS), st.dictionaries(st.sampled_from(sorted(native())), JSON))
def test_no_envelope_makes_it_fail(event: dict[str, Any], changes: dict[str, Any]) -> None:
    verdict = parse(event | changes)
    said = [verdict.detail] if isinstance(verdict, Ignored) else [verdict.event_id, *verdict.names]
    assert all(map(str.isprintable, said))


@given(st.sampled_from(FORMS), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_no_detail_makes_it_fail_and_every_change_has_names_to_send(
    event: dict[str, Any], changes: dict[str, Any]
) -> None:
    verdict = parse(event | {"detail": event["detail"] | changes})
    if isinstance(verdict, Change):
        assert verdict.names
        assert all(verdict.names)
        assert all(map(str.isprintable, [*verdict.names, verdict.label or "", verdict.version or ""]))
    else:
        assert verdict.detail.isprintable()
