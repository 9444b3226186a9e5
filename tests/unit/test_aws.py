"""What AWS answers → what is done about it: above all, what counts as a source that is gone."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keyferry.aws import parameter_store, secrets_manager
from keyferry.aws.errors import build_error, translate_errors
from keyferry.errors import (
    AccessDenied,
    KeyferryError,
    SourceDeleted,
    SourceMissing,
    SourceUnavailable,
    VersionMissing,
)
from keyferry.stores.source import Source
from tests.unit.samples import WHEN

MISSING = "Secrets Manager can't find the specified secret"
MARKED = (
    "You can't perform this operation on the secret because it was marked for deletion.",
    "An error occurred because the secret is scheduled for deletion.",
)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ResourceNotFoundException", f"{MISSING}.", SourceMissing),
        ("ResourceNotFoundException", f"{MISSING} value for staging label: AWSCURRENT", VersionMissing),
        ("ResourceNotFoundException", f"{MISSING} version: abc", VersionMissing),
        ("ResourceNotFoundException", "", SourceUnavailable),
        ("ParameterNotFound", "", SourceMissing),
        ("ParameterVersionNotFound", "", VersionMissing),
        ("ParameterVersionLabelNotFound", "", VersionMissing),
        *(("InvalidRequestException", message, SourceDeleted) for message in MARKED),
        ("ValidationException", "", SourceUnavailable),
        ("AccessDeniedException", "", AccessDenied),
    ],
)
def test_only_what_says_so_itself_counts_as_missing_or_deleted(
    code: str, message: str, kind: type[KeyferryError]
) -> None:
    with pytest.raises(KeyferryError) as raised, translate_errors("secretsmanager:GetSecretValue on db"):
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetSecretValue")
    assert type(raised.value) is kind
    assert "secretsmanager:GetSecretValue on db" in str(raised.value)


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        ("secretsmanager:GetSecretValue on prod/db (AWSCURRENT) in eu-west-1", "prod/db --region eu-west-1`"),
        ("secretsmanager:DescribeSecret on prod/db", "prod/db`"),
    ],
)
def test_a_secret_that_is_scheduled_for_deletion_is_told_with_what_restores_it(call: str, remedy: str) -> None:
    error = build_error("InvalidRequestException", MARKED[0], call)
    assert f"restore it with `aws secretsmanager restore-secret --secret-id {remedy}, or remove" in str(error)


def test_a_call_that_names_no_secret_has_no_command_that_restores_it() -> None:
    error = build_error("InvalidRequestException", MARKED[0], "secretsmanager:ListSecrets in eu-west-1")
    assert "; restore it, or remove the mapping" in str(error)


USER = "User: arn:aws:sts::111122223333:assumed-role/canary-role/x is not authorized to perform:"
GET = "secretsmanager:GetSecretValue"
WHOLE = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-a1B2c3"
NO_IDENTITY = f"because no identity-based policy allows the {GET} action"


@pytest.mark.parametrize(
    ("code", "message", "call", "remedy"),
    [
        ("AccessDeniedException", "Access to KMS is not allowed", f"{GET} on prod/db", "its KMS key: let the policy"),
        (
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you"
            " are not allowed to access.",
            "ssm:GetParameter on /prod/db",
            "its KMS key: let the policy of that key, and the caller's, allow kms:Decrypt",
        ),
        (
            "AccessDeniedException",
            f"{USER} kms:Decrypt on resource: canary because no identity-based policy allows the kms:Decrypt action",
            "ssm:GetParameter on /prod/db",
            "its KMS key: let the policy of that key, and the caller's, allow kms:Decrypt",
        ),
        ("DecryptionFailure", "", f"{GET} on prod/db", "its KMS key cannot be used: enable it"),
        (
            "InvalidKeyId",
            "canary is pending deletion.",
            "ssm:GetParameter on /db",
            "its KMS key cannot be used: enable",
        ),
        (
            "AccessDeniedException",
            "KMS: canary is disabled.",
            f"{GET} on prod/db",
            "its KMS key cannot be used: enable",
        ),
        (
            "AccessDeniedException",
            f"{USER} {GET} on resource: {WHOLE} {NO_IDENTITY}",
            f"{GET} on prod/db",
            "grant it: the policies of the caller do not allow it",
        ),
        (
            "AccessDeniedException",
            f"{USER} {GET} on resource: prod/db {NO_IDENTITY}",
            f"{GET} on prod/db (AWSCURRENT) in eu-west-1",
            "grant it: the policies of the caller do not allow it; or it does not exist: create it, or correct",
        ),
        (
            "AccessDeniedException",
            f"{USER} {GET} on resource: {WHOLE} because no resource-based policy allows the {GET} action",
            f"{GET} on prod/db",
            "grant it: its resource policy does not allow it",
        ),
        (
            "AccessDeniedException",
            f"{USER} {GET} on resource: {WHOLE} with an explicit deny in a service control policy: arn:canary",
            f"{GET} on prod/db",
            "a service control policy of the organization denies it expressly: have that changed",
        ),
        (
            "AccessDeniedException",
            f"{USER} {GET} on resource: {WHOLE} with an explicit deny",
            f"{GET} on prod/db",
            "a policy denies it expressly: have that changed",
        ),
        (
            "AccessDeniedException",
            f"{USER} {GET} on resource: {WHOLE} because no VPC endpoint policy allows the {GET} action",
            f"{GET} on prod/db",
            "grant it: the policy of the VPC endpoint does not allow it",
        ),
        (
            "AccessDenied",
            "",
            "sts:AssumeRole on arn:x",
            "grant it to the caller, and let the trust policy of that role",
        ),
        ("AccessDeniedException", "", "eks:DescribeCluster on prod-eu", "grant it to the role"),
        (
            "AccessDeniedException",
            "",
            f"{GET} on prod/db",
            "grant it to the role, and the use of its KMS key; or it does not exist",
        ),
    ],
)
def test_a_refusal_says_what_is_to_be_changed_as_far_as_aws_tells_and_quotes_nothing(
    code: str, message: str, call: str, remedy: str
) -> None:
    error = build_error(code, message, call)
    assert type(error) is AccessDenied
    text = str(error)
    assert text.startswith(f"AWS refuses {call} ({code}): {remedy}")
    assert ("or it does not exist" in text) == ("or it does not exist" in remedy)
    assert "canary" not in text


class Client:
    """A client of a store that answers every call with the same: an error, or the pages of a listing."""

    def __init__(self, code: str = "", message: str = "", pages: Any = ()) -> None:  # noqa: ANN401
        self.error = ClientError({"Error": {"Code": code, "Message": message}}, "GetSecretValue")
        self.pages, self.meta = pages, type("meta", (), {"region_name": "eu-west-1"})

    def get_secret_value(self, **_: str) -> None:
        """Refuse."""
        raise self.error

    describe_secret = get_parameter = get_secret_value

    def get_paginator(self, _name: str) -> "Client":
        """Return what pages."""
        return self

    def paginate(self, **asked: object) -> Any:  # noqa: ANN401
        """Return the pages."""
        self.asked = asked
        return self.pages


def read_error(client: Client, **source: Any) -> KeyferryError:  # noqa: ANN401
    """Return the error of reading a source, as a mapping has it."""
    reader: Any = parameter_store if "parameterStore" in source else secrets_manager
    with pytest.raises(KeyferryError) as raised:
        reader.read(client, Source.model_validate(source))
    return raised.value


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        (
            {"secretsManager": "db", "label": "green"},
            "ResourceNotFoundException",
            "secret db in eu-west-1 has no version with the label green: move the label to one, or change the mapping",
        ),
        (
            {"secretsManager": "db", "label": "AWSPREVIOUS"},
            "ResourceNotFoundException",
            "has no version with the label AWSPREVIOUS; AWS gives it at the second value: move the label",
        ),
        (
            {"secretsManager": "db", "version": "v" * 32},
            "ResourceNotFoundException",
            f"secret db in eu-west-1 has no version {'v' * 32}: name one that it has, or none",
        ),
        (
            {"secretsManager": "db"},
            "ResourceNotFoundException",
            "secret db in eu-west-1 has no value yet: put one into",
        ),
        (
            {"parameterStore": "/db", "label": "green"},
            "ParameterVersionNotFound",
            "parameter /db in eu-west-1 has no version with the label green: move the label to one, or change",
        ),
        (
            {"parameterStore": "/db", "version": "3"},
            "ParameterVersionNotFound",
            "parameter /db in eu-west-1 has no version 3: name one that it has, or none",
        ),
    ],
)
def test_a_version_or_label_that_is_missing_is_told_apart_from_a_secret_that_is(
    source: dict[str, str], code: str, text: str
) -> None:
    error = read_error(Client(code, f"{MISSING} value for staging label: x"), **source)
    assert type(error) is VersionMissing
    assert text in str(error)


HINTS = {
    "prod/db-8b7652": "if -8b7652 is the end of its ARN, leave it out, or write the whole ARN",
    WHOLE: "if -a1B2c3 is a part of the name, and not the end of the ARN, write prod/db-a1B2c3, or the whole ARN",
}


@pytest.mark.parametrize("name", HINTS)
@pytest.mark.parametrize("parts", [{}, {"metadata": "tags"}])
def test_where_a_name_may_have_the_end_of_its_arn_or_lacks_it_that_is_told(name: str, parts: dict[str, str]) -> None:
    missing = read_error(Client("ResourceNotFoundException", f"{MISSING}."), secretsManager=name, **parts)
    assert f"it does not exist (ResourceNotFoundException): {HINTS[name]}; else create it" in str(missing)
    if not parts:
        denied = read_error(Client("AccessDeniedException"), secretsManager=name)
        assert f"; or it does not exist: {HINTS[name]}" in str(denied)


def test_where_a_name_has_no_such_end_nothing_is_told_of_it() -> None:
    missing = read_error(Client("ResourceNotFoundException", f"{MISSING}."), secretsManager="prod/database")
    command = "`aws secretsmanager create-secret`"
    text = f"it does not exist (ResourceNotFoundException); create it with {command}, or correct its name"
    assert str(missing).endswith(text)


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        ("ssm:GetParameter on /prod/db", "; create it with `aws ssm put-parameter`, or correct its name"),
        ("kms:DescribeKey on alias/a", "; create it, or correct its name"),
    ],
)
def test_what_is_missing_is_told_with_the_command_that_creates_it(call: str, remedy: str) -> None:
    assert str(build_error("ParameterNotFound", "", call)).endswith(f": it does not exist (ParameterNotFound){remedy}")


def entry(name: str, suffix: str, **labels: str) -> dict[str, Any]:
    """Return a secret in the answer of ListSecrets."""
    stages = {version: [label] for label, version in labels.items()}
    arn = f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-{suffix}"
    date = datetime(2026, 11, 24, tzinfo=UTC)
    return {"Name": name, "ARN": arn, "SecretVersionsToStages": stages, "LastChangedDate": date}


LISTED = [entry("db", "a1B2c3", AWSCURRENT="of-db"), entry("db-master", "x9Y8z7", AWSCURRENT="of-master")]
BASE = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:"


@pytest.mark.parametrize(
    ("source", "version"),
    [
        ({"secretsManager": f"{BASE}db-master"}, "of-master"),
        ({"secretsManager": f"{BASE}db-master-x9Y8z7"}, "of-master"),
        ({"secretsManager": f"{BASE}db-a1B2c3"}, "of-db"),
        ({"secretsManager": f"{BASE}db"}, "of-db"),
        ({"secretsManager": f"{BASE}db-Zzzzz9"}, None),  # of a secret that was deleted and created again
        ({"secretsManager": "db-master"}, "of-master"),
        ({"secretsManager": "db", "label": "AWSCURRENT"}, "of-db"),
        ({"secretsManager": "db", "label": "green"}, ""),
        ({"secretsManager": "gone", "label": "green"}, None),
    ],
)
def test_a_sweep_takes_the_version_of_the_secret_that_is_named(source: dict[str, str], version: str | None) -> None:
    client: Any = Client(pages=[{"SecretList": json.loads(json.dumps(LISTED, default=str))}])
    read_state = secrets_manager.create_state_reader(lambda _region: client)
    assert read_state(Source.model_validate(source)).version == version


def test_a_secret_that_is_scheduled_for_deletion_is_listed_as_that_and_in_no_find() -> None:
    secrets = [{"ARN": f"arn:{name}", "Name": name, "CreatedDate": WHEN} for name in ("db", "deleted")]
    client: Any = Client(pages=[{"SecretList": [secrets[0], secrets[1] | {"DeletedDate": WHEN}]}])
    read_state = secrets_manager.create_state_reader(lambda _region: client)
    named = [read_state(Source.model_validate({"secretsManager": name})) for name in ("db", "deleted", "gone")]
    assert [(state.is_seen, state.is_deleted) for state in named] == [(True, False), (False, True), (False, False)]
    assert client.asked["IncludePlannedDeletion"] is True
    listing = secrets_manager.list_secrets(client).values()
    members = secrets_manager.select_members(Source.model_validate({"find": "secretsManager", "path": "d"}), listing)
    assert [member.name for member in members] == ["db"]
