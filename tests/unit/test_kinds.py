"""The table of workload kinds: whole in each row, and the only one."""

from dataclasses import MISSING, fields

import pytest

from keyferry.kinds import _ROWS, JSON_MERGE, KINDS, STRATEGIC_MERGE, WorkloadKind, describe_other_kind
from keyferry.mapping.mapping import Workload


def test_a_row_without_one_of_the_columns_is_no_row() -> None:
    assert {default for each in fields(WorkloadKind) for default in (each.default, each.default_factory)} == {MISSING}


def test_no_two_rows_have_one_name_or_one_resource() -> None:
    assert len(KINDS) == len(_ROWS) == len({(kind.group, kind.resource) for kind in _ROWS})


def test_mappings_name_the_kinds_of_the_table_and_no_others() -> None:
    assert Workload.model_json_schema()["properties"]["kind"]["enum"] == list(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_mapping_gives_a_kind_by_its_name(name: str) -> None:
    read = Workload.model_validate({"kind": name, "name": "api"})
    assert read.kind is KINDS[name]
    assert read.model_dump() == {"kind": name, "name": "api"}
    assert Workload.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_only_what_is_built_in_takes_a_strategic_merge_patch(kind: WorkloadKind) -> None:
    assert kind.patch == (STRATEGIC_MERGE if kind.group == "apps" else JSON_MERGE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            ("deployment", "Deployment"),
            ("deployments", "Deployment"),
            ("deploy", "Deployment"),
            ("sts", "StatefulSet"),
        ),
        *(("statefulset", "StatefulSet"), ("STATEFULSETS", "StatefulSet"), ("ds", "DaemonSet"), ("ro", "Rollout")),
        *(
            ("Deploymnet", "Deployment"),
            ("DemonSet", "DaemonSet"),
            ("Rollouts", "Rollout"),
            ("Statefulset", "StatefulSet"),
        ),
    ],
)
def test_a_kind_that_is_nearly_one_of_the_table_is_told_with_the_one_that_is_meant(name: str, kind: str) -> None:
    assert describe_other_kind(name) == f"should be {', '.join(KINDS)}; did you mean {kind}?"


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("CronJob", "cronjob", "cronjobs", "cj"), "a CronJob needs no restart, since each run reads the Secret as it"),
        (("Job", "job", "jobs"), "a Job does not restart: one that runs keeps what it began with, the next one"),
        (("Pod", "pods", "po"), "a Pod that nothing runs anew does not restart; run it by a Deployment, and name that"),
        (("ReplicaSet", "rs"), "a ReplicaSet keeps its pods when its template changes; name the Deployment that it"),
        (("ReplicationController", "rc"), "a ReplicationController keeps its pods when its template changes; run a"),
    ],
)
def test_of_a_kind_that_cannot_be_restarted_it_is_told_why_and_what_to_do(names: tuple[str, ...], why: str) -> None:
    assert {describe_other_kind(name)[: len(why)] for name in names} == {why}


def test_nothing_is_told_of_a_kind_that_is_not_known() -> None:
    assert describe_other_kind("Widget") == ""
