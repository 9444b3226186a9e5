"""IAM permissions that a source needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyferry.stores.source import Source


@dataclass(frozen=True, order=True)
class Condition:
    """A condition of a grant: a key that the request has to have, and with which value."""

    operator: str
    key: str
    value: str
    """With CloudFormation's pseudo parameters."""


@dataclass(frozen=True, order=True)
class Grant:
    """Permission for one IAM action on one resource."""

    action: str
    resource: str
    """An ARN, with CloudFormation's pseudo parameters; `*` for an action that has no resource-level permissions."""
    conditions: tuple[Condition, ...] = ()
    """All of them have to hold."""


def require_tags(tags: Mapping[str, str]) -> tuple[Condition, ...]:
    """Return the conditions that the resource has these tags."""
    return tuple(Condition("StringEquals", f"aws:ResourceTag/{key}", value) for key, value in sorted(tags.items()))


def get_base_arn(source: "Source", service: str, *, has_account: bool = True) -> str:
    """Return the ARN of a source up to its account. Without an ARN of its own, that is the account of the stack.

    Args:
        source: the source to read.
        service: the service as ARNs call it, such as `ssm`.
        has_account: whether it belongs to an account; the public parameters of AWS belong to none.
    """
    region = source.home_region or "${AWS::Region}"
    return f"arn:{_get_partition(source)}:{service}:{region}:{_get_account(source) if has_account else ''}"


def build_decrypt_grant(source: "Source", service: str, context_key: str) -> Grant:
    """Return the permission to decrypt what a store of one account holds in one region, by way of that store alone.

    Which key a secret is under, only AWS knows, so no key is named. What may be read says the permission to read; so
    the encryption context, in which the store tells KMS the ARN of what it decrypts, is held to the account. Its region
    is not: of a replica nothing says whether that is its own. A key of another account takes the permission of its own
    policy as well. The keys of AWS (`aws/secretsmanager`, `aws/ssm`) need no grant.

    Source: "kms:ViaService" and "kms:EncryptionContext:context-key" in the KMS developer guide; "Secrets Manager
    encryption context" and "Parameter Store encryption context" in the guides of the two.

    Args:
        source: the source to read.
        service: the service as ARNs call it, such as `ssm`.
        context_key: the key of the encryption context that has the ARN.
    """
    region = source.home_region or "${AWS::Region}"
    partition, account = _get_partition(source), _get_account(source)
    return Grant(
        "kms:Decrypt",
        f"arn:{partition}:kms:{region}:*:key/*",
        (
            Condition("StringEquals", "kms:ViaService", f"{service}.{region}.${{AWS::URLSuffix}}"),
            Condition("StringLike", f"kms:EncryptionContext:{context_key}", f"arn:{partition}:{service}:*:{account}:*"),
        ),
    )


def _get_partition(source: "Source") -> str:
    return source.arn.partition if source.arn else "${AWS::Partition}"


def _get_account(source: "Source") -> str:
    return source.account or "${AWS::AccountId}"


def group_conditions(conditions: Iterable[Condition]) -> dict[str, dict[str, str]]:
    """Return operator → key → value, as the `Condition` of an IAM statement has it."""
    groups: dict[str, dict[str, str]] = {}
    for condition in conditions:
        groups.setdefault(condition.operator, {})[condition.key] = condition.value
    return groups
