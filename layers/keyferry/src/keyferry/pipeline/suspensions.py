"""Suspensions: which deliveries people have stopped, until when, and why. Each is a parameter of Parameter Store.

The name of the parameter says what is stopped: `all`, `mappings/M`, `clusters/C` or `mappings/M/clusters/C` below the
stack's own path. Its value, a JSON object, says the rest. What is not understood stops more rather than less, until its
parameter is deleted: nothing is lost by that, since the next sweep finds what was not delivered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from keyferry.model import format_time, parse_json

ROOT = "/keyferry/{stack}/suspended"
"""The path of a stack's suspensions, as template.yaml has it: no `/` at its end, since IAM compares it as it is asked
for."""
EVERYTHING = "all"
MAX_REASON = 500
"""The longest reason. A parameter holds 4 KB."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class Suspension(BaseModel):
    """What is stopped. Fields of a newer release are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    mapping: str | None = None
    """The mapping whose deliveries are stopped; None for all."""
    cluster: str | None = None
    """The cluster to which nothing is delivered; None for all."""
    reason: str = Field(max_length=MAX_REASON)
    since: AwareDatetime
    until: AwareDatetime
    """When deliveries go on by themselves: with the first sweep after it, if no event comes before."""
    parameter: str = ""
    """The name of its parameter, where that is not understood; empty where it says mapping and cluster."""
    by: str = ""
    """Who has stopped them, as the session of the role or the user is called."""

    @property
    def name(self) -> str:
        """The name of its parameter, below the path of the stack."""
        if self.parameter:
            return self.parameter
        parts = [("mappings", self.mapping), ("clusters", self.cluster)]
        return "/".join(f"{noun}/{name}" for noun, name in parts if name is not None) or EVERYTHING

    @property
    def scope(self) -> str:
        """What is stopped, in words."""
        mapping = f"mapping {self.mapping}" if self.mapping is not None else ""
        cluster = f"cluster {self.cluster}" if self.cluster is not None else ""
        return " on ".join(filter(None, (mapping, cluster))) or "everything"

    @property
    def has_end(self) -> bool:
        """Whether it ends by itself."""
        return self.until < _NEVER

    def covers(self, mapping: str, cluster: str) -> bool:
        """Return whether it stops the deliveries of a mapping to a cluster."""
        return self.mapping in (None, mapping) and self.cluster in (None, cluster)

    def to_value(self) -> str:
        """Return the value of its parameter."""
        return self.model_dump_json(exclude={"mapping", "cluster", "parameter"})

    def as_dict(self) -> dict[str, str]:
        """Return it for a log line or for `--output json`, without empty fields."""
        fields = {
            "mapping": self.mapping,
            "cluster": self.cluster,
            "reason": self.reason,
            "since": format_time(self.since) if self.has_end else None,
            "until": format_time(self.until) if self.has_end else None,
            "by": self.by,
        }
        return {key: value for key, value in fields.items() if value}

    def __str__(self) -> str:
        """Return what is stopped, until when, by whom and why."""
        until = f"until {format_time(self.until)}" if self.has_end else "until it is resumed"
        return f"{self.scope} is suspended {until}{f' by {self.by}' if self.by else ''}: {self.reason}"


@dataclass(frozen=True)
class Suspensions:
    """All suspensions of a stack, those that are over too."""

    entries: tuple[Suspension, ...] = ()

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Self:
        """Return the suspensions that parameters stand for.

        Args:
            parameters: name below the stack's path → value.
        """
        return cls(tuple(_parse(name, value) for name, value in sorted(parameters.items())))

    def find(self, mapping: str, cluster: str, now: datetime) -> Suspension | None:
        """Return the suspension of a mapping on a cluster that ends last; None if there is none now."""
        covering = (entry for entry in self.list_active(now) if entry.covers(mapping, cluster))
        return max(covering, key=lambda entry: entry.until, default=None)

    def list_active(self, now: datetime) -> list[Suspension]:
        """Return those that are not over."""
        return [entry for entry in self.entries if now < entry.until]


def _parse(name: str, value: str) -> Suspension:
    scope, document = _parse_name(name), parse_json(value)
    try:
        if scope is None or not isinstance(document, dict):
            return _build_unknown(name, scope or {})
        return Suspension.model_validate({**document, **scope, "parameter": ""})
    except ValidationError:
        return _build_unknown(name, scope or {})


def _parse_name(name: str) -> dict[str, str | None] | None:
    """Return what the name of a parameter stops; None for a name that this release does not know."""
    match name.split("/"):
        case ["all"]:
            return {"mapping": None, "cluster": None}
        case ["mappings", mapping]:
            return {"mapping": mapping, "cluster": None}
        case ["clusters", cluster]:
            return {"mapping": None, "cluster": cluster}
        case ["mappings", mapping, "clusters", cluster]:
            return {"mapping": mapping, "cluster": cluster}
    return None


def _build_unknown(name: str, scope: Mapping[str, str | None]) -> Suspension:
    reason = f"the parameter {name[:300]} below the stack's path is not understood: delete it, and suspend again"
    return Suspension(parameter=name, reason=reason, since=datetime.min.replace(tzinfo=UTC), until=_NEVER, **scope)
