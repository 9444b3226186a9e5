"""botocore's errors → Keyferry's. One place, for every AWS edge."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

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
)

DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "DecryptionFailure",
    "KMSAccessDeniedException",
    "InvalidKeyId",  # of a parameter's KMS key
}
NOT_SIGNED_IN = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
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
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestLimitExceeded",
}


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise Keyferry's error in place of botocore's; one that is Keyferry's stays, as of a role assumed for the call.

    Args:
        what: action and object, as `secretsmanager:GetSecretValue on prod/db`.

    Raises:
        AccessDenied: AWS refused; the text says what to grant. A secret that does not exist is refused too, to a role
            that may read exact names.
        NotSignedIn: AWS does not accept the credentials.
        SourceMissing: there is no such secret or parameter.
        SourceDeleted: the secret is scheduled for deletion.
        SourceUnavailable: there is no such version or label, or AWS does not take the name.
        Throttled: too many requests, after botocore's own retries.
        Rejected: any other refusal (4xx).
        Unreachable: no answer, or one (5xx) that AWS is at fault.
    """
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        raise refusal(said.get("Code", ""), said.get("Message", ""), what, status) from None
    except BotoCoreError as error:
        remedy = "look at the network, and at AWS_ENDPOINT_URL where it is set"
        raise Unreachable(f"{what}: no answer from AWS ({type(error).__name__}); {remedy}") from None


def refusal(code: str, message: str, what: str, status: int = 400) -> KeyferryError:
    """Return Keyferry's error for one of AWS: of a call, or of one entry of a batch.

    Args:
        code: AWS's name for the error.
        message: AWS's text. It is never quoted: it can hold what the caller has sent.
        what: action and object, as `secretsmanager:GetSecretValue on prod/db`.
        status: the HTTP status of the answer.
    """
    if code in DENIED:
        also = "; or it does not exist" if "GetSecretValue" in what else ""
        return AccessDenied(f"AWS refuses {what} ({code}): grant it to the role, and the use of its KMS key{also}")
    if code in NOT_SIGNED_IN:
        return NotSignedIn(f"AWS does not accept the credentials ({code}, {what}): sign in anew, or mend the clock")
    if code in MISSING:
        missing = SourceMissing if _is_whole(code, message) else SourceUnavailable
        return missing(f"{what}: it does not exist ({code}); create it, or change the mapping")
    if is_deletion(code, message):
        return SourceDeleted(f"{what}: it is scheduled for deletion; restore it, or remove the mapping")
    if code in INVALID:
        return SourceUnavailable(
            f"{what}: AWS does not accept that name, version or label ({code}); change the mapping"
        )
    if code in THROTTLED:
        return Throttled(f"{what}: AWS asks to slow down ({code})")
    kind = Unreachable if status >= 500 else Rejected
    return kind(f"{what}: {code or 'an error without a code'}")


def is_deletion(code: str, message: str) -> bool:
    """Return whether AWS refuses a secret since it is scheduled for deletion."""
    return code == "InvalidRequestException" and "delet" in message.lower()


def _is_whole(code: str, message: str) -> bool:
    """Return whether the secret or parameter itself is missing, not one of its versions or labels.

    Secrets Manager has one code for all: "…can't find the specified secret.", "…the specified secret value for…".
    """
    return code == "ParameterNotFound" or (
        code == "ResourceNotFoundException" and message.endswith("the specified secret.")
    )
