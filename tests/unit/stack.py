"""template.yaml as rules read it: loaded by cfn-lint, and what its resources say of each other; and what a rule is."""

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cfnlint.decode import decode
from cfnlint.template import Template

ROOT = Path(__file__).resolve().parents[2]

type Properties = dict[str, Any]

QUEUE, FUNCTION = "SQS::Queue", "Serverless::Function"
ANSWERS = {"Report": "ReconcileRole"}
"""Function that people ask, and no queue → the role that it shares with another."""
PERIOD = {"Fn::FindInMap": ["SweepSchedules", {"Ref": "SweepSchedule"}, "Seconds"]}
"""The period of the schedule, in seconds."""


@functools.cache
def _loaded() -> dict[str, Any]:
    """Load the template, with the globals in each function as SAM merges them."""
    document, problems = decode(str(ROOT / "template.yaml"))
    assert not problems
    template = Template("template.yaml", document)
    template.transform()
    return dict(template.template)


@dataclass(frozen=True)
class Stack:
    """The template, and questions about it. Types of resources are written without their `AWS::`."""

    template: dict[str, Any]

    @classmethod
    def load(cls) -> "Stack":
        """Return the template; the caller may change it."""
        return cls(copy.deepcopy(_loaded()))

    def of(self, *kinds: str) -> dict[str, Properties]:
        """Return logical id → properties of all resources of some types; `IAM::*` is each type of IAM."""
        resources = self.template["Resources"].items()
        typed = [(one["Type"].removeprefix("AWS::"), name, one["Properties"]) for name, one in resources]
        return {name: properties for kind, name, properties in typed if any(fnmatchcase(kind, one) for one in kinds)}

    def change(self, place: str, value: object) -> None:
        """Set a place as `broken_by` takes it, or take it away where the value is None."""
        first, *keys = place.split(".")
        path = [first, *keys] if first in self.template else ["Resources", first, "Properties", *keys]
        inside: Any = at(self.template, path[:-1])
        last: Any = int(path[-1]) if path[-1].isdigit() else path[-1]
        if value is None:
            del inside[last]
        else:
            inside[last] = value(inside[last]) if callable(value) else value

    @property
    def functions(self) -> dict[str, Properties]:
        """The functions by logical id."""
        return self.of("Serverless::Function")

    @property
    def queues(self) -> dict[str, Properties]:
        """The queues by logical id."""
        return self.of("SQS::Queue")

    @property
    def consumers(self) -> dict[str | None, str]:
        """Queue → the function that consumes it."""
        return {named(self.event(name)["Queue"]): name for name in self.functions.keys() - ANSWERS.keys()}

    def event(self, function: str) -> Properties:
        """Return how a function consumes its queue."""
        [event] = self.functions[function]["Events"].values()
        return dict(event["Properties"])

    @property
    def dead_letter_queues(self) -> set[str]:
        """The queues that nothing consumes."""
        return self.queues.keys() - self.consumers.keys()

    def named_where_it_is(self, value: object) -> str | None:
        """Return the logical id that a `Ref` or `GetAtt` names; of a resource with a condition, in an `If` with it."""
        condition: object = None
        match value:
            case {"Fn::If": [condition, value, {"Ref": "AWS::NoValue"}]}:
                pass
        name = named(value)
        return name if self.template["Resources"].get(name, {}).get("Condition") == condition else None

    def targets(self) -> Iterator[tuple[str, Properties]]:
        """Yield each rule or schedule, and each of its targets."""
        for name, rule in self.of("Events::Rule", "Scheduler::Schedule").items():
            yield from ((name, target) for target in rule.get("Targets") or [rule["Target"]])

    def policies(self, of: str) -> list[list[dict[str, Any]]]:
        """Return the statements of each policy on a queue or topic."""
        on = {"SQS::QueuePolicy": "Queues", "SNS::TopicPolicy": "Topics"}
        policies = [(one, key) for kind, key in on.items() for one in self.of(kind).values()]
        return [one["PolicyDocument"]["Statement"] for one, key in policies if of in map(named, one[key])]


def named(value: object) -> str | None:
    """Return the logical id that a `Ref` or `GetAtt` names."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
    return None


def title(function: Properties) -> str:
    """Return the name that a function has in AWS, and gives its metrics."""
    return str(function.get("FunctionName", {}).get("Fn::Sub"))


def at(properties: object, path: Sequence[str]) -> object:
    """Return the property at a path of names and numbers."""
    inside: Any = properties
    for key in path:
        inside = inside[int(key) if key.isdigit() else key]
    return inside


def listed(value: object) -> list[Any]:
    """Return what a policy gives as one or as a list, always as a list."""
    return value if isinstance(value, list) else [value]


def says(statements: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> bool:
    """Return whether one of them says all this, and perhaps more."""
    return any({key: one.get(key) for key in wanted} == wanted for one in statements)


def matches(pattern: object, event: object) -> bool:
    """Tell whether an event pattern matches, as far as this template's patterns go: exact values and `exists`."""
    if isinstance(pattern, dict):
        fields = event if isinstance(event, dict) else {}
        return all(matches(wanted, fields.get(key)) for key, wanted in pattern.items())
    assert isinstance(pattern, list)
    return any(wanted == {"exists": False} if event is None else wanted == event for wanted in pattern)


type Holds = Callable[[Stack, str, Properties], bool]
"""Whether a rule holds for one resource: the stack, the resource's logical id, its properties."""


@dataclass
class Rule:
    """What holds for every resource of some kinds, and what breaks it."""

    kinds: tuple[str, ...]
    holds: Holds
    breaks: list[tuple[str, Any]] = field(default_factory=list)
    """Place in the template, and what must not be there, as `broken_by` takes them."""

    def broken(self, stack: Stack) -> list[str]:
        """Return the resources that it does not hold for."""
        return [name for name, one in stack.of(*self.kinds).items() if not self.holds(stack, name, one)]


RULES: dict[str, Rule] = {}


def rule(*kinds: str) -> Callable[[Holds], Rule]:
    """Make a function a rule about resources of some kinds."""

    def register(holds: Holds) -> Rule:
        subject = " or ".join(kind.removesuffix("::*").rpartition("::")[2] for kind in kinds)
        return RULES.setdefault(f"{subject} {holds.__name__.replace('_', ' ')}", Rule(kinds, holds))

    return register


def broken_by(place: str, value: Any = None) -> Callable[[Rule], Rule]:  # noqa: ANN401  # any value of a property
    """Add a change that breaks a rule: a place in the template, and the value that it gets instead.

    The place is a property as `LogicalId.Property`, or begins with a section, as `Resources.LogicalId` does. The value
    may be a function of the one before; None takes the place away.
    """

    def add(to: Rule) -> Rule:
        to.breaks.append((place, value))
        return to

    return add
