"""Turn errors of botocore into errors of Keyferry, for every AWS service."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from keyferry.aws.errors.denials import explain_denial
from keyferry.aws.errors.sdk import build_sdk_error
from keyferry.aws.errors.sign_in import CAUSES, explain_renewal
from keyferry.errors import (
    AccessDenied,
    KeyferryError,
    NotSignedIn,
    Rejected,
    SourceDeleted,
    SourceMissing,
    SourceUnavailable,
    Throttled,
    Unreachable,
    VersionMissing,
)

# Error codes of AWS, by the error that they become.
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "DecryptionFailure",
    "KMSAccessDeniedException",
    "InvalidKeyId",  # of a parameter's KMS key
}
MISSING = {
    "InvalidResourceId",  # of a parameter whose tags are asked for
    "ResourceNotFoundException",
    "ParameterNotFound",
    "ParameterVersionNotFound",
    "ParameterVersionLabelNotFound",
}
INVALID = {"ValidationException", "InvalidParameterException", "UnsupportedParameterType"}
THROTTLED = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
"""Those that botocore retries as throttling (botocore.retries.standard, ThrottledRetryableChecker)."""


_CREATE = {"secretsmanager:": "aws secretsmanager create-secret", "ssm:": "aws ssm put-parameter"}
"""How a call of a store begins → the command that creates what the store does not have."""

_SECRET_OF_CALL = re.compile(r"secretsmanager:\w+ on (?P<name>\S+)(?:.* in (?P<region>\S+))?$")
"""A call that names a secret, as `secretsmanager:GetSecretValue on prod/db (AWSCURRENT) in eu-west-1`."""


@contextmanager
def translate_errors(call: str, hint: str = "") -> Iterator[None]:
    """Raise a KeyferryError in place of an error of botocore; a KeyferryError passes as it is.

    A KeyferryError comes out of botocore where it assumes a role for the call, and where the time for the call is over.

    Args:
        call: action and object, as `secretsmanager:GetSecretValue on prod/db`.
        hint: why AWS perhaps knows nothing of that name, with the remedy; empty where nothing hints at it.

    Raises:
        AccessDenied: AWS refuses the call; the text says what to grant. A role that may read only exact names gets
            this error for a secret that does not exist, too.
        NotSignedIn: AWS does not accept the credentials.
        SourceMissing: the secret or parameter does not exist.
        SourceDeleted: the secret is scheduled for deletion.
        VersionMissing: the secret or parameter exists, and the version or label does not.
        SourceUnavailable: AWS does not accept the name, or what is missing is no secret.
        Throttled: too many requests, also after botocore's own retries.
        Rejected: AWS refuses the call for any other reason (4xx).
        Unreachable: AWS does not answer, or answers that it is at fault (5xx).
        InvalidRequest: botocore does not send the call, because an argument of it is wrong.
        Misconfigured: a setting of botocore is missing or wrong.
        Unexpected: botocore raises something else.
    """
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        raise build_error(details.get("Code", ""), details.get("Message", ""), call, status, hint) from None
    except (BotoCoreError, ResponseParserError, OSError, ValueError, RuntimeError, KeyError) as error:
        raise build_sdk_error(error, call) from None


def build_error(code: str, message: str, call: str, status: int = 400, hint: str = "") -> KeyferryError:
    """Return the KeyferryError for an error of AWS: of a whole call, or of one entry of a batch.

    Args:
        code: the error code.
        message: the text of AWS. It is never quoted, because it can hold what the caller sent.
        call: action and object, as `secretsmanager:GetSecretValue on prod/db`.
        status: the HTTP status of the answer.
        hint: as in `translate_errors`.
    """
    if code in DENIED:
        return AccessDenied(f"AWS refuses {call} ({code}): {explain_denial(code, message, call, hint)}")
    if code in CAUSES:
        refused, remedy = "AWS does not accept the credentials", f"{CAUSES[code]}; {explain_renewal()}"
        error = NotSignedIn(f"{refused} ({code}, {call}): {remedy}")
        error.cause = f"{refused} ({code}): {remedy}"
        return error
    if code in MISSING:
        return _build_missing(code, message, call, hint)
    if is_deletion(code, message):
        return SourceDeleted(f"{call}: it is scheduled for deletion; {_explain_restoring(call)}, or remove the mapping")
    if code in INVALID:
        return SourceUnavailable(
            f"{call}: AWS does not accept that name, version or label ({code}); change the mapping"
        )
    if code in THROTTLED:
        return Throttled(f"{call}: AWS asks to slow down ({code})")
    return (Unreachable if status >= 500 else Rejected)(f"{call}: {code or 'an error without a code'}")


def _explain_restoring(call: str) -> str:
    """Return how to restore the secret that a call is about, with the command where the call names it."""
    named = _SECRET_OF_CALL.match(call)
    if named is None:
        return "restore it"
    region = f" --region {named['region']}" if named["region"] else ""
    return f"restore it with `aws secretsmanager restore-secret --secret-id {shlex.quote(named['name'])}{region}`"


def _build_missing(code: str, message: str, call: str, hint: str) -> KeyferryError:
    if _is_version_missing(code, message):
        return VersionMissing(f"{call}: it exists, and has no such version ({code}); change the mapping")
    error_type = SourceMissing if _is_source_missing(code, message) else SourceUnavailable
    reason = f": {hint}; else" if hint else ";"
    command = next((f" with `{command}`" for service, command in _CREATE.items() if call.startswith(service)), "")
    return error_type(f"{call}: it does not exist ({code}){reason} create it{command}, or correct its name")


def is_deletion(code: str, message: str) -> bool:
    """Return whether an error of AWS means that the secret is scheduled for deletion."""
    return code == "InvalidRequestException" and "delet" in message.lower()


def _is_version_missing(code: str, message: str) -> bool:
    """Return whether the secret or parameter exists, without the version or label that is asked for."""
    return code.startswith("ParameterVersion") or (
        code == "ResourceNotFoundException" and "the specified secret v" in message  # value, version
    )


def _is_source_missing(code: str, message: str) -> bool:
    """Return whether the secret or parameter itself is missing, not only a version or label.

    Secrets Manager has one code for both; the texts are "…can't find the specified secret." and "…the specified secret
    value for…".
    """
    return code == "ParameterNotFound" or (
        code == "ResourceNotFoundException" and message.endswith("the specified secret.")
    )
