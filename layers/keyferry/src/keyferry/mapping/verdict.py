"""What the policy says of a mapping beyond allowing it: compiled with the mapping."""

from pydantic import Field

from keyferry.formats.globs import covers
from keyferry.model import Record


class Verdict(Record):
    """What the policy leaves to the delivery of a mapping. The catalogue has it, so that no function reads a policy."""

    allowed_types: list[str] = Field(default_factory=list, alias="allowedTypes")
    """Patterns of the types that the Secret may have, where the mapping names none; an empty list allows any."""

    prefixes: dict[str, list[str]] = Field(default_factory=dict)
    """Alias of a source → patterns of names that IAM lets `deliver` read in place of the source's own names."""

    def allows_type(self, secret_type: str) -> bool:
        """Return whether the Secret may be of a type."""
        return not self.allowed_types or any(covers(pattern, secret_type) for pattern in self.allowed_types)
