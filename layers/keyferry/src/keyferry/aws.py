"""botocore's errors → Keyferry's. One place, for every AWS edge."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from keyferry.errors import (
    AccessDenied,
    KeyferryError,
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
    """Raise Keyferry's error in place of botocore's.

    Args:
        what: action and object, as `secretsmanager:GetSecretValue on prod/db`.

    Raises:
        AccessDenied: AWS refused, or does not accept the credentials; the text says what to grant or to do. A secret
            that does not exist is refused too, to a role that may read exact names.
        SourceMissing: there is no such secret or parameter.
        SourceDeleted: the secret is scheduled for deletion.
        SourceUnavailable: there is no such version or label, or AWS does not take the name.
        Throttled: too many requests, after botocore's own retries.
        Unreachable: anything else.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise _translate(code, error.response.get("Error", {}).get("Message", ""), what) from None
    except BotoCoreError as error:
        remedy = "look at the network, and at AWS_ENDPOINT_URL where it is set"
        raise Unreachable(f"{what}: no answer from AWS ({type(error).__name__}); {remedy}") from None


def _translate(code: str, message: str, what: str) -> KeyferryError:
    if code in DENIED:
        also = "; or it does not exist" if "GetSecretValue" in what else ""
        return AccessDenied(f"AWS refuses {what} ({code}): grant it to the role, and the use of its KMS key{also}")
    if code in NOT_SIGNED_IN:
        return AccessDenied(f"AWS does not accept the credentials ({code}, {what}): sign in anew, or mend the clock")
    if code in MISSING:
        kind = SourceMissing if _is_whole(code, message) else SourceUnavailable
        return kind(f"{what}: it does not exist ({code}); create it, or change the mapping")
    if code == "InvalidRequestException" and "delet" in message.lower():
        return SourceDeleted(f"{what}: it is scheduled for deletion; restore it, or remove the mapping")
    if code in INVALID:
        return SourceUnavailable(
            f"{what}: AWS does not accept that name, version or label ({code}); change the mapping"
        )
    if code in THROTTLED:
        return Throttled(f"{what}: AWS asks to slow down ({code})")
    return Unreachable(f"{what}: {code or 'an error without a code'}")


def _is_whole(code: str, message: str) -> bool:
    """Return whether the secret or parameter itself is missing, not one of its versions or labels.

    Secrets Manager has one code for all: "…can't find the specified secret.", "…the specified secret value for…".
    """
    return code == "ParameterNotFound" or (
        code == "ResourceNotFoundException" and message.endswith("the specified secret.")
    )
