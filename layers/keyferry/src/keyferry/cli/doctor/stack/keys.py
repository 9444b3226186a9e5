"""The KMS keys of one's own that sources are under: whether they can be used, and let `deliver` use them.

Nothing is decrypted. Who is in a key's policy by conditions alone is not computed: then it is said what to look at.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from keyferry.arn import Arn
from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Finding, format_command
from keyferry.cli.doctor.subject import Subject
from keyferry.errors import AccessDenied, KeyferryError, Rejected
from keyferry.guides import link
from keyferry.pipeline.reach import KeyUse

_DECRYPTS = {"kms:*", "kms:Decrypt", "kms:Decrypt*", "*"}
_REMEDIES = {
    "Disabled": ("enable-key",),
    "PendingDeletion": ("cancel-key-deletion", "enable-key"),
}
"""State of a key → the verbs of `aws kms` that make it usable."""


def check_keys(subject: Subject) -> Iterator[Finding]:
    """Yield for each key of one's own whether it can be used, and by whom."""
    try:
        answer = subject.ask("sources")
    except KeyferryError:
        return  # said by `reach.check_sources`
    uses: list[KeyUse] = [use for use in answer["keys"] if not _is_of_aws(use["key"])]
    for use in uses:
        try:
            yield from _check_key(subject, use)
        except AccessDenied as error:
            yield Finding("keys", "warning", use["key"], f"could not be looked at: {error}", subject.describe_grant())
        except KeyferryError as error:
            yield Finding("keys", "warning", use["key"], f"could not be looked at: {error}")
    if not uses:
        yield Finding("keys", "ok", "KMS", "the sources that are visible are under keys of AWS")


def _is_of_aws(key: str) -> bool:
    return "alias/aws/" in key


def _check_key(subject: Subject, use: KeyUse) -> Iterator[Finding]:
    key, region = use["key"], use.get("region", subject.region)
    under = use["source"] + (f" and {use['count'] - 1} more" if use["count"] > 1 else "")
    client = subject.client("kms", region)
    try:
        with translate_errors(f"kms:DescribeKey on {key}"):
            described = client.describe_key(KeyId=key)["KeyMetadata"]
    except Rejected as error:
        if "NotFound" not in str(error):
            raise
        yield Finding("keys", "error", key, f"there is no such key: {under} cannot be read")
        return
    state = described["KeyState"]
    if state != "Enabled":
        mend = tuple(_format(verb, described["KeyId"], region) for verb in _REMEDIES.get(state, ("describe-key",)))
        yield Finding("keys", "error", key, f"it is {state}: {under} cannot be decrypted", mend)
    elif described.get("KeyManager") == "AWS":
        yield Finding("keys", "ok", key, f"of AWS; {under}")
    else:
        yield _check_use(subject, client, key, described["KeyId"], region, under)


def _check_use(subject: Subject, client: Any, key: str, key_id: str, region: str, under: str) -> Finding:  # noqa: ANN401  # one of boto3's generated classes
    """Return whether the policy of a key, or a grant, lets the role of `deliver` decrypt."""
    role, account = subject.outputs.get("DeliverRoleArn", ""), subject.caller.account
    with translate_errors(f"kms:GetKeyPolicy on {key}"):
        policy = json.loads(client.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"])
    if any(_lets_decrypt(statement, role, account) for statement in policy["Statement"]):
        return Finding("keys", "ok", key, f"its policy lets deliver use it; {under}")
    with translate_errors(f"kms:ListGrants on {key}"):
        grants = client.list_grants(KeyId=key_id, GranteePrincipal=role)["Grants"]
    if any("Decrypt" in grant.get("Operations", ()) for grant in grants):
        return Finding("keys", "ok", key, f"a grant lets deliver use it; {under}")
    why = f"its policy names neither the account nor {role}, and no grant does: {under} cannot be decrypted"
    look = _format("get-key-policy", key_id, region) + " --query Policy --output text"
    needed = f"the statement that it needs: {link('deploy', 'kms-keys')}"
    return Finding("keys", "error", key, f"{why}; {needed}", (look,))


def _lets_decrypt(statement: Mapping[str, Any], role: str, account: str) -> bool:
    """Return whether a statement leaves decryption to IAM, or allows it to the role."""
    actions, principals = statement.get("Action", ()), statement.get("Principal", {})
    named = principals if isinstance(principals, str) else principals.get("AWS", ())
    allowed = {named} if isinstance(named, str) else set(named)
    accepted = {"*", account, role, _name_root(role, account)}
    return (
        statement.get("Effect") == "Allow"
        and bool(_DECRYPTS & ({actions} if isinstance(actions, str) else set(actions)))
        and bool(accepted & allowed)
    )


def _name_root(role: str, account: str) -> str:
    parsed = Arn.parse(role)
    return f"arn:{parsed.partition if parsed else 'aws'}:iam::{account}:root"


def _format(verb: str, key: str, region: str) -> str:
    return format_command("aws", "kms", verb, "--key-id", key, "--region", region)
