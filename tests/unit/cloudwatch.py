"""CloudWatch as far as the alarms of the template need it: metrics, and whether an alarm on them is on.

The emulator has no metrics, and its alarms never change state. So the definition of each alarm is applied here, to what
the functions really emit. Source: the chapters "Using Amazon CloudWatch alarms" (evaluation, missing data) and "Using
math expressions with CloudWatch metrics" (DIFF, FILL) of the CloudWatch guide.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.stack import Properties, Stack

STACK = "keyferry"
SWEEP_SECONDS = 3600
MAXIMUM_CONCURRENCY = 10
"""By default."""
OWNER_PERIODS = 24
"""Of the default schedule."""


type Key = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions of a metric."""


@dataclass
class CloudWatch:
    """All metrics of a stack since second 0."""

    data: defaultdict[Key, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Metric → second and value of each datum."""

    def put(self, seconds: float, namespace: str, name: str, value: float, **dimensions: str) -> None:
        """Add one value."""
        self.data[namespace, name, frozenset(dimensions.items())].append((seconds, value))

    def take_log(self, seconds: float, text: str) -> None:
        """Add the metrics among the lines that a function has printed (embedded metric format)."""
        for line in filter(lambda line: '"_aws"' in line, text.splitlines()):
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                [names] = directive["Dimensions"]
                dimensions = {name: document[name] for name in names}
                for metric in directive["Metrics"]:
                    value = document[metric["Name"]]
                    total = sum(value) if isinstance(value, list) else value
                    self.put(seconds, directive["Namespace"], metric["Name"], total, **dimensions)

    def is_on(self, alarm: Properties, seconds: float) -> bool:
        """Return whether an alarm is on at a time, judged by the periods that have ended by then."""
        given, period = alarm["EvaluationPeriods"], _get_period(alarm)
        periods: int = OWNER_PERIODS if isinstance(given, dict) else given
        last = int(seconds // period)
        values = [self._value(alarm, number, period) for number in range(last - periods, last)]
        missing = alarm["TreatMissingData"] == "breaching"
        bad = [missing if value is None else _is_bad(alarm, value) for value in values]
        needed: int = alarm.get("DatapointsToAlarm", periods)
        return bool(sum(bad) >= needed)

    def _value(self, alarm: Properties, number: int, period: int) -> float | None:
        if "Metrics" not in alarm:
            return self._aggregate(alarm, alarm["Statistic"], number, period)
        expression = alarm["Metrics"][0]["Expression"]
        if expression == "IF(FILL(waiting, 0) > 0 AND FILL(started, 0) == 0, 1, 0)":
            waiting, started = (part["MetricStat"] for part in alarm["Metrics"][1:])
            waits = (self._aggregate(waiting["Metric"], waiting["Stat"], number, period) or 0) > 0
            return float(waits and not self._aggregate(started["Metric"], started["Stat"], number, period))
        assert expression == "DIFF(FILL(visible, 0) + FILL(hidden, 0))"
        return self._sum_filled(alarm, number, period) - self._sum_filled(alarm, number - 1, period)

    def _sum_filled(self, alarm: Properties, number: int, period: int) -> float:
        parts = [part["MetricStat"] for part in alarm["Metrics"][1:]]
        return sum(self._aggregate(part["Metric"], part["Stat"], number, period) or 0 for part in parts)

    def _aggregate(self, metric: Mapping[str, Any], statistic: str, number: int, period: int) -> float | None:
        dimensions = frozenset((one["Name"], _resolve(one["Value"])) for one in metric["Dimensions"])
        data = self.data.get((metric["Namespace"], metric["MetricName"], dimensions), [])
        values = [value for seconds, value in data if number * period <= seconds < (number + 1) * period]
        if not values:
            return None
        assert statistic in ("Sum", "Maximum")
        return sum(values) if statistic == "Sum" else max(values)


def list_alarms(stack: Stack, nested: Mapping[str, Any]) -> dict[str, Properties]:
    """Return all alarms, by logical id; those of the nested template, by their names without the stack's."""
    alarms = stack.of("CloudWatch::Alarm")
    for resource in nested["Resources"].values():
        name = resource["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${Stack}-")
        alarms[name] = resource["Properties"]
    return alarms


def _get_period(alarm: Properties) -> int:
    period = alarm.get("Period") or alarm["Metrics"][1]["MetricStat"]["Period"]
    return SWEEP_SECONDS if isinstance(period, dict) else period


def _is_bad(alarm: Properties, value: float) -> bool:
    if alarm["ComparisonOperator"] == "LessThanThreshold":
        return bool(value < alarm["Threshold"])
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    given = alarm["Threshold"]
    return bool(value >= (MAXIMUM_CONCURRENCY if isinstance(given, dict) else given))


def _resolve(value: object) -> str:
    """Return the value of a dimension in a stack of this name; a queue and a function go by their logical ids."""
    match value:
        case {"Fn::Sub": str(text)}:
            return text.replace("${AWS::StackName}", STACK)
        case {"Ref": "Service"}:
            return f"{STACK}-deliver"
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
    assert isinstance(value, str)
    assert not re.search(r"\$\{", value)
    return value
