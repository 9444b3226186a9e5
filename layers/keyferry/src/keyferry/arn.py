"""Amazon Resource Names (ARNs): parsing and formatting."""

import re
from dataclasses import dataclass

_PARTS = 6
_NAME = re.compile(r"[a-z0-9-]+")
"""A partition or a region. Policies are made of ARNs, so no `*` may pass for one."""
_ACCOUNT = re.compile(r"[0-9]{12}")


@dataclass(frozen=True)
class Arn:
    """An Amazon Resource Name: `arn:partition:service:region:account:resource`.

    Source: "Identify AWS resources with Amazon Resource Names (ARNs)" in the IAM user guide.
    """

    partition: str
    service: str
    region: str
    """Empty for resources that belong to no region, such as IAM roles."""
    account: str
    resource: str
    """The text after the account, such as `secret:prod/db-a1b2c3`. It can contain colons."""

    @classmethod
    def parse(cls, text: str) -> "Arn | None":
        """Return the parts of an ARN; None where the text is not an ARN."""
        prefix, *parts = text.split(":", _PARTS - 1)
        return cls(*parts) if prefix == "arn" and len(parts) == _PARTS - 1 else None

    def name_of(self, service: str, prefix: str) -> str | None:
        """Return the name of a service's resource; None where the ARN is of another service or type of resource.

        Args:
            service: the service as ARNs call it, such as `ssm`.
            prefix: the type of the resource with its separator, such as `parameter/`.
        """
        is_regional = (
            _NAME.fullmatch(self.partition) and _NAME.fullmatch(self.region) and _ACCOUNT.fullmatch(self.account)
        )
        if not is_regional or self.service != service or not self.resource.startswith(prefix):
            return None
        return self.resource.removeprefix(prefix) or None

    def __str__(self) -> str:
        return ":".join(["arn", self.partition, self.service, self.region, self.account, self.resource])
