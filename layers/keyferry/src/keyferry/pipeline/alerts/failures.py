"""Decide which metric counts an error. The metric's alarm tells those who can do something about the error.

What a team can mend counts for the team, what is wrong with a cluster counts for the cluster, and the rest counts for
those who run the pipeline. So the mistake of one team does not hide what happens to others. The alarm of each error
is in docs/operate/reliability.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from keyferry.errors import (
    ClusterUnavailable,
    DeliverAgain,
    KeyferryError,
    MappingsUnreadable,
    Misconfigured,
    NotSignedIn,
    ServerError,
    SuspensionsUnknown,
    Throttled,
    Unexpected,
    UnknownField,
    UnknownName,
    Unreachable,
    WrongCluster,
)

PERSISTENT_SECONDS = 10 * 60
"""From which age of its message on a failure that can pass counts for the team: most pass within seconds."""
OWNER_METRIC = "Failures"
CLUSTER_METRIC = "ClusterUnavailable"
PIPELINE_METRIC = "PipelineErrors"
MAPPINGS_METRIC = "MappingsUnreadable"
UNKNOWN_METRIC = "UnknownNames"


@dataclass(frozen=True)
class Metric:
    """A value of a metric with a dimension of its own, beside the service."""

    name: str
    value: float
    dimension: tuple[str, str]
    """Name and value of the dimension: `("owner", "payments")` or `("cluster", "prod-eu")`."""
    service: str = ""
    """The service that it counts for; empty: the one that counts."""


def choose_metric(error: KeyferryError) -> str:
    """Return the name of the metric that counts an error."""
    match error:
        case MappingsUnreadable():
            return MAPPINGS_METRIC
        case UnknownName() | UnknownField():
            return UNKNOWN_METRIC
        case ClusterUnavailable() | WrongCluster():
            return CLUSTER_METRIC
        case ServerError():  # of one namespace: a webhook that fails
            return OWNER_METRIC
        case SuspensionsUnknown() | Unreachable() | Throttled() | Misconfigured() | NotSignedIn() | Unexpected():
            return PIPELINE_METRIC
    return OWNER_METRIC


def count_errors(errors: Iterable[KeyferryError], *, leaves: bool, age_seconds: float = 0.0) -> frozenset[str]:
    """Return the metrics that count the errors of a message once.

    Args:
        errors: the errors of the message's work.
        leaves: whether the message leaves its queue undone: then every error counts.
        age_seconds: the age of the message.
    """
    counted = set()
    for error in errors:
        metric, can_pass = choose_metric(error), isinstance(error, DeliverAgain)
        if leaves or (metric == OWNER_METRIC and not can_pass):
            counted.add(metric)
        elif metric == OWNER_METRIC:
            counted |= {metric} if age_seconds > PERSISTENT_SECONDS else set()
        elif metric != UNKNOWN_METRIC:  # of these, a deployment is usually under way
            counted.add(metric)
    return frozenset(counted)
