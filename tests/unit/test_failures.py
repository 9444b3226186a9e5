"""Which metric counts an error: those who can do something about it are told, and nobody else."""

import pytest

from keyferry.errors import (
    AccessDenied,
    ClusterThrottled,
    Conflict,
    Forbidden,
    FunctionDied,
    KeyferryError,
    MappingsUnreadable,
    Misconfigured,
    NotSignedIn,
    Overtaken,
    ServerError,
    Throttled,
    Unauthorized,
    Unexpected,
    UnknownField,
    UnknownName,
    Unreachable,
    WrongCluster,
)
from keyferry.pipeline.alerts.failures import PERSISTENT_SECONDS, choose_metric, count_errors


@pytest.mark.parametrize(
    ("metric", "errors"),
    [
        ("MappingsUnreadable", [MappingsUnreadable("x")]),
        ("UnknownNames", [UnknownName("x"), UnknownField("x")]),
        ("ClusterUnavailable", [Unauthorized("prod-eu", "role"), ClusterThrottled("x"), WrongCluster("x")]),
        (
            "PipelineErrors",
            [Unreachable("x"), Throttled("x"), Misconfigured("x"), NotSignedIn("x"), Unexpected(ValueError())],
        ),
        ("Failures", [AccessDenied("x"), Forbidden("x"), Conflict("x"), ServerError("x"), FunctionDied("x")]),
    ],
)
def test_an_error_counts_for_those_who_can_mend_it(metric: str, errors: list[KeyferryError]) -> None:
    assert {choose_metric(error) for error in errors} == {metric}


def test_what_a_team_can_mend_counts_at_once_if_it_stays_and_else_when_it_has_lasted() -> None:
    assert count_errors([Conflict("x")], leaves=False) == {"Failures"}
    assert count_errors([Forbidden("x")], leaves=False, age_seconds=PERSISTENT_SECONDS - 1) == set()
    assert count_errors([Forbidden("x")], leaves=False, age_seconds=PERSISTENT_SECONDS + 1) == {"Failures"}
    assert count_errors([Overtaken("x")], leaves=True) == {"Failures"}


def test_a_mapping_that_is_not_there_yet_counts_only_when_its_delivery_is_given_up() -> None:
    assert count_errors([UnknownName("x")], leaves=False, age_seconds=9999) == set()
    assert count_errors([UnknownName("x")], leaves=True) == {"UnknownNames"}


def test_several_errors_count_once_for_each_who_is_told() -> None:
    errors = [Conflict("x"), Conflict("y"), Unauthorized("prod-eu", "role"), Unreachable("z")]
    assert count_errors(errors, leaves=False) == {"Failures", "ClusterUnavailable", "PipelineErrors"}
