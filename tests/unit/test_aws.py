"""What AWS answers → what is done about it: above all, what counts as a source that is gone."""

import pytest
from botocore.exceptions import ClientError

from keyferry.aws.errors import translate_errors
from keyferry.errors import AccessDenied, KeyferryError, SourceDeleted, SourceMissing, SourceUnavailable

MISSING = "Secrets Manager can't find the specified secret"
MARKED = (
    "You can't perform this operation on the secret because it was marked for deletion.",
    "An error occurred because the secret is scheduled for deletion.",
)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ResourceNotFoundException", f"{MISSING}.", SourceMissing),
        ("ResourceNotFoundException", f"{MISSING} value for staging label: AWSCURRENT", SourceUnavailable),
        ("ResourceNotFoundException", f"{MISSING} version: abc", SourceUnavailable),
        ("ResourceNotFoundException", "", SourceUnavailable),
        ("ParameterNotFound", "", SourceMissing),
        ("ParameterVersionNotFound", "", SourceUnavailable),
        ("ParameterVersionLabelNotFound", "", SourceUnavailable),
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
