"""Tell from the text of a refusal which permission is missing, and who can give it.

The texts are those of "Troubleshoot access denied error messages" in the IAM user guide, of GetSecretValue ("Access to
KMS is not allowed") and of KMS, which Parameter Store passes on. They are read, and never quoted.
"""

import re
from collections.abc import Mapping

_KINDS: Mapping[str, str] = {
    "identity-based policy": "the policies of the caller",
    "resource-based policy": "its resource policy",
    "service control policy": "a service control policy of the organization",
    "resource control policy": "a resource control policy of the organization",
    "permissions boundary": "the permissions boundary of the caller",
    "session policy": "the session policy of the caller",
    "VPC endpoint policy": "the policy of the VPC endpoint",
}
"""A kind of policy as AWS' texts name it → in words."""
_KMS = re.compile(r"\bKMS\b|kms:|customer master key|\bCMK\b", re.IGNORECASE)
_UNUSABLE = re.compile(r"disabled|pending (?:deletion|import)|KMSInvalidState|unavailable", re.IGNORECASE)
_RESOURCE = re.compile(r"on resource: (\S+)")
_READS = ("GetSecretValue", "GetParameter")
"""Calls that decrypt a value. Where the role may read exact names alone, AWS refuses them for a name that is none."""


def explain_denial(code: str, message: str, call: str, hint: str = "") -> str:
    """Return what is refused, and what to change.

    Args:
        code: the error code.
        message: the text of AWS.
        call: action and object, as `secretsmanager:GetSecretValue on prod/db`.
        hint: why AWS perhaps knows nothing of that name; empty where nothing hints at it.
    """
    if code == "InvalidKeyId" or _KMS.search(message) or code in ("DecryptionFailure", "KMSAccessDeniedException"):
        return _explain_key(code, message)
    remedy = _explain_policy(message) or _get_default(call)
    missing = f"; or it does not exist: {hint or 'create it, or correct its name'}"
    return remedy + (missing if _can_be_missing(message, call) else "")


def _explain_key(code: str, message: str) -> str:
    if code in ("InvalidKeyId", "DecryptionFailure") or _UNUSABLE.search(message):
        return "its KMS key cannot be used: enable it, or encrypt the value with another one"
    return "its KMS key: let the policy of that key, and the caller's, allow kms:Decrypt"


def _explain_policy(message: str) -> str:
    """Return what AWS says of the policies; empty where it says nothing."""
    kind = next((words for name, words in _KINDS.items() if name in message), "")
    if "explicit deny" in message:
        return f"{kind or 'a policy'} denies it expressly: have that changed"
    return f"grant it: {kind} {'do' if kind.startswith('the policies') else 'does'} not allow it" if kind else ""


def _get_default(call: str) -> str:
    if "AssumeRole" in call:
        return "grant it to the caller, and let the trust policy of that role name the caller"
    return "grant it to the role" + (", and the use of its KMS key" if _can_decrypt(call) else "")


def _can_decrypt(call: str) -> bool:
    return any(read in call for read in _READS)


def _can_be_missing(message: str, call: str) -> bool:
    """Return whether there is perhaps nothing of that name: AWS names what it has found by its whole ARN."""
    match = _RESOURCE.search(message)
    return "GetSecretValue" in call and (match is None or match[1] in call)
