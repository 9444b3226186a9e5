"""Amazon Resource Names, taken apart and put together."""

from dataclasses import dataclass

_PARTS = 6


@dataclass(frozen=True)
class Arn:
    """An Amazon Resource Name: `arn:partition:service:region:account:resource`.

    Source: "Identify AWS resources with Amazon Resource Names (ARNs)" in the IAM user guide.
    """

    partition: str
    service: str
    region: str
    """Empty for what belongs to no region, as IAM's roles."""
    account: str
    resource: str
    """Everything after the account, as `secret:prod/db-a1b2c3`; it can hold colons."""

    @classmethod
    def parse(cls, text: str) -> "Arn | None":
        """Return the parts of an ARN; None for a text that is none."""
        prefix, *parts = text.split(":", _PARTS - 1)
        return cls(*parts) if prefix == "arn" and len(parts) == _PARTS - 1 else None

    def name_of(self, service: str, kind: str) -> str | None:
        """Return the name of what a service has of a kind in a region; None where the ARN is that of something else.

        Args:
            service: as ARNs have it, as `ssm`.
            kind: how the resource begins, with what divides it from the name, as `parameter/`.
        """
        is_there = self.service == service and self.region and len(self.account) == 12 and self.account.isdecimal()
        kind_is, name = self.resource[: len(kind)] == kind, self.resource[len(kind) :]
        return name or None if is_there and kind_is else None

    def __str__(self) -> str:
        return ":".join(["arn", self.partition, self.service, self.region, self.account, self.resource])
