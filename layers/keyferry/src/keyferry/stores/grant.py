"""IAM permissions that a source needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keyferry.stores.source import Source


@dataclass(frozen=True, order=True)
class Grant:
    """Permission for one IAM action on one resource."""

    action: str
    resource: str
    """An ARN, with CloudFormation's pseudo parameters; `*` for an action that has no resource-level permissions."""
    tags: tuple[tuple[str, str], ...] = ()
    """Tags that the resource has to have."""

    @property
    def condition(self) -> dict[str, Any]:
        """The `Condition` of an IAM statement for the tags (`aws:ResourceTag`); empty where there are none."""
        equal = {f"aws:ResourceTag/{key}": value for key, value in self.tags}
        return {"Condition": {"StringEquals": equal}} if equal else {}


def get_base_arn(source: "Source", service: str) -> str:
    """Return the ARN of a source up to its account. Without an ARN of its own, that is the account of the stack.

    Args:
        source: the source to read.
        service: the service as ARNs call it, such as `ssm`.
    """
    if source.arn:
        return f"arn:{source.arn.partition}:{service}:{source.arn.region}:{source.arn.account}"
    return f"arn:${{AWS::Partition}}:{service}:{source.region or '${AWS::Region}'}:${{AWS::AccountId}}"
