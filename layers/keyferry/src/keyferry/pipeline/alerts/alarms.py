"""Generate the alarms by owner and by cluster, and choose the dimension under which a failure counts.

There is an alarm for each owner of a mapping, so that the mistake of one team neither hides nor announces those of
others, and one for each cluster. Each costs about $0.10 a month, so there are 50 of a kind at most; the failures of all
further ones, and of mappings without an owner, count for one alarm more.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import Team
from keyferry.pipeline.alerts.failures import CLUSTER_METRIC, OWNER_METRIC, Metric

MAX_ALARMS = 50
"""How many owners, and how many clusters, have an alarm of their own: the first by name."""
REST = "others"
"""The owner, or cluster, that all others count for."""

type Object = dict[str, Any]


def build_template(catalog: Catalog) -> Object:
    """Return the nested CloudFormation template with the alarms by owner and by cluster."""
    alarms = [*_list_owner_alarms(catalog), *_list_cluster_alarms(catalog)]
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Keyferry's alarms by owner and by cluster, generated from the mappings",
        "Parameters": {
            "Stack": {"Type": "String", "Description": "Name of the stack, which the names of the alarms begin with"},
            "Service": {"Type": "String", "Description": "Name of deliver, which counts"},
            "AlarmTopic": {"Type": "String", "Description": "Topic of the alarms"},
            "OwnerPeriods": {"Type": "Number", "Description": "Five minutes each: how long an owner's alarm stays on"},
        },
        "Resources": {alarm.logical_id: alarm.build_resource() for alarm in alarms},
    }


def choose_dimension(catalog: Catalog, metric: Metric) -> Metric:
    """Return a metric under the owner, or the cluster, that has an alarm."""
    noun, value = metric.dimension
    names = _list_owners(catalog) if metric.name == OWNER_METRIC else _list_clusters(catalog)
    return replace(metric, dimension=(noun, _to_dimension(value) if value in names else REST))


@dataclass(frozen=True)
class _Alarm:
    """An alarm on one dimension of a metric."""

    metric: str
    noun: Literal["owner", "cluster"]
    name: str
    description: str
    timing: Object

    @property
    def logical_id(self) -> str:
        return f"{self.noun.title()}{hashlib.sha256(self.name.encode()).hexdigest()[:12]}"

    def build_resource(self) -> Object:
        value = _to_dimension(self.name)
        return {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": {"Fn::Sub": f"${{Stack}}-{self.noun}-{value.replace('${', '${!')}"},
                "AlarmDescription": self.description[:1024],
                "AlarmActions": [{"Ref": "AlarmTopic"}],
                "Namespace": "Keyferry",
                "MetricName": self.metric,
                "Dimensions": [{"Name": "service", "Value": {"Ref": "Service"}}, {"Name": self.noun, "Value": value}],
                "Statistic": "Sum",
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "Threshold": 1,
                "TreatMissingData": "notBreaching",
                **self.timing,
            },
        }


_OWNER_TIMING: Object = {"Period": 300, "EvaluationPeriods": {"Ref": "OwnerPeriods"}, "DatapointsToAlarm": 1}
"""On from the first failure until two sweeps have said nothing more: what lasts, each sweep says again."""
_CLUSTER_TIMING: Object = {"Period": 300, "EvaluationPeriods": 3, "DatapointsToAlarm": 2}
"""Attempts are less than a minute apart: a cluster that is away for a moment is no alarm."""


def _list_owner_alarms(catalog: Catalog) -> Iterator[_Alarm]:
    contacts = {owner.team: str(owner) for owner in _iterate_owners(catalog)}
    for name in _list_owners(catalog):
        text = f"Deliveries of mappings of {contacts[name]} fail. The log of deliver has the mapping and the remedy."
        yield _Alarm(OWNER_METRIC, "owner", name, text, _OWNER_TIMING)
    text = "Deliveries fail of mappings that have no owner, or one without an alarm. The log of deliver has the remedy."
    yield _Alarm(OWNER_METRIC, "owner", REST, text, _OWNER_TIMING)


def _list_cluster_alarms(catalog: Catalog) -> Iterator[_Alarm]:
    for name in _list_clusters(catalog):
        text = f"Cluster {name} does not answer, throttles, is too slow, or refuses the sign-in. Its deliveries wait."
        yield _Alarm(CLUSTER_METRIC, "cluster", name, text, _CLUSTER_TIMING)
    if len(catalog.clusters) > len(_list_clusters(catalog)):
        text = "A cluster without an alarm of its own does not answer, throttles, or refuses the sign-in."
        yield _Alarm(CLUSTER_METRIC, "cluster", REST, text, _CLUSTER_TIMING)


def _iterate_owners(catalog: Catalog) -> Iterator[Team]:
    yield from (mapping.spec.owner for mapping in catalog.mappings.values() if mapping.spec.owner)


def _list_owners(catalog: Catalog) -> list[str]:
    return _take_first(owner.team for owner in _iterate_owners(catalog))


def _list_clusters(catalog: Catalog) -> list[str]:
    return _take_first(catalog.clusters)


def _take_first(names: Iterable[str]) -> list[str]:
    return [name for name in sorted(set(names)) if _to_dimension(name) != REST][:MAX_ALARMS]


def _to_dimension(name: str) -> str:
    """Return a name as the value of a dimension, which has ASCII characters only and begins with no colon."""
    text = name.encode("ascii", "backslashreplace").decode()
    return f"_{text}" if text.startswith(":") else text
