"""Say why AWS does not accept credentials, and how whoever runs a command gets new ones.

That goes by the variables and the profile that botocore reads. Nothing is asked of AWS, and no value is told.
"""

import os
import shlex
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError

SIGN_IN = "the AWS sign-in"
"""What is being done where credentials are looked for, before AWS is asked anything."""
_EXPIRED = "they have expired"
_UNKNOWN = "AWS knows no such key id, or the session token belongs to another"
_MISMATCH = "the secret key does not belong to the key id, or the clock is wrong"
CAUSES: Mapping[str, str] = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IncompleteSignature": _MISMATCH,
    "IncompleteSignatureException": _MISMATCH,
    "InvalidClientTokenId": _UNKNOWN,
    "InvalidSignatureException": _MISMATCH,
    "RequestExpired": "the clock is wrong",
    "SignatureDoesNotMatch": _MISMATCH,
    "UnrecognizedClientException": _UNKNOWN,
}
"""A code with which AWS does not accept credentials → what it means ("Common error types" of its API references)."""


def explain_renewal() -> str:
    """Return what gives a person at a terminal new credentials; for a function, whose role has them, the clock."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return "the next try has new ones, or correct the clock"
    if os.environ.get("AWS_ACCESS_KEY_ID"):  # botocore takes these before any profile
        return "set new ones in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
    session = botocore.session.get_session()
    name = session.get_config_variable("profile") or "default"
    try:
        profiles = session.full_config["profiles"]
    except BotoCoreError:
        profiles = {}
    return _explain_profile(*_find_source(name, profiles))


def _find_source(name: str, profiles: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the profile whose credentials assume the role of another, and so on from one to the next."""
    seen = set[str]()
    while name not in seen and (source := profiles.get(name, {}).get("source_profile")):
        seen.add(name)
        name = source
    return name, profiles.get(name, {})


def _explain_profile(name: str, profile: Mapping[str, Any]) -> str:
    option = "" if name == "default" else f" --profile {shlex.quote(name)}"
    if "sso_session" in profile or "sso_start_url" in profile:
        return f"aws sso login{option}"
    if "login_session" in profile:
        return f'aws login{option}, and eval "$(aws configure export-credentials{option} --format env)"'
    if "credential_process" in profile:
        return f"look at credential_process of profile {name}, which gives them"
    if "web_identity_token_file" in profile or os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return "look at the web identity token, and who renews it"
    if "aws_access_key_id" in profile:
        return f"give profile {name} new keys: aws configure{option}"
    return "sign in: aws sso login, with AWS_PROFILE set to the profile"
