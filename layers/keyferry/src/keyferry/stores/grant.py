"""One right in AWS."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keyferry.stores.source import Source


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource."""

    action: str
    resource: str
    """An ARN, with CloudFormation's pseudo parameters in it; `*` where the action has no resource-level permissions."""
    tags: tuple[tuple[str, str], ...] = ()
    """Tags that the resource must have."""

    @property
    def condition(self) -> dict[str, Any]:
        """The condition of an IAM statement (`aws:ResourceTag`, which both stores have), empty where there is none."""
        equal = {f"aws:ResourceTag/{key}": value for key, value in self.tags}
        return {"Condition": {"StringEquals": equal}} if equal else {}


def base_arn(source: "Source", service: str) -> str:
    """Return the ARN of a source up to its account: that of the stack where the source is a name alone.

    Args:
        source: what is read.
        service: the service, as ARNs have it.
    """
    if source.arn:
        return f"arn:{source.arn.partition}:{service}:{source.arn.region}:{source.arn.account}"
    return f"arn:${{AWS::Partition}}:{service}:{source.region or '${AWS::Region}'}:${{AWS::AccountId}}"
