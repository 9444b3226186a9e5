"""What the tables of `keyferry plan` say of each part of a plan, and the line of totals below them."""

from typing import Any

from keyferry.cli.output.plans import MAX_NAMED, list_tables, summarize
from keyferry.cli.plan.document import ClusterChange, Leftover, MappingChange, Plan, RightChange, TargetChange
from keyferry.model import Expected
from tests.unit.test_cli_plan_markdown import plan


def rows_of(title: str, whole: Plan) -> list[tuple[str, ...]]:
    """Return the rows of the only table."""
    [(told, header, rows)] = list_tables(whole)
    assert told.startswith(title)
    assert {len(row) for row in rows} == {len(header)}
    return rows


def target_row(**more: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return what is said of a target: what a delivery does, what becomes of the content, and why."""
    known: dict[str, Any] = {"mapping": "db", "cluster": "eu", "namespace": "n", "secret": "db", "change": "written"}
    [row] = rows_of("Targets", plan(targets=[TargetChange(**known | more)]))
    return row[4:]


def expect(*workloads: str) -> Expected:
    return Expected(before="unknown", revision="r", workloads=list(workloads))


def test_a_mapping_has_what_differs_and_one_that_is_new_where_it_stands() -> None:
    fields = [f"spec.f{number}" for number in range(MAX_NAMED + 2)]
    changed = MappingChange(
        name="new", was="old", change="changed", at="m/db.yaml:1", fields=fields, content="may change", keys_depend=True
    )
    added = MappingChange(
        name="db",
        change="added",
        at="m/db.yaml:1",
        content="changes",
        keys_gained=["a"],
        keys_lost=["b"],
        restarts_gained=["Deployment/api"],
        restarts_lost=["Deployment/web"],
    )
    told = f"{', '.join(fields[:MAX_NAMED])} and 2 more"
    assert rows_of("Mappings", plan(mappings=[changed, added])) == [
        ("changed", "old → new", told, "may change", "…", ""),
        ("added", "db", "m/db.yaml:1", "", "+a, -b", "+Deployment/api, -Deployment/web"),
    ]


def test_a_cluster_has_its_fields_and_kinds() -> None:
    change = ClusterChange(name="eu", change="changed", fields=["restartKinds"], restarts_gained=["Rollout"])
    renamed = ClusterChange(name="paris", was="us", change="changed", fields=["name"])
    assert rows_of("Clusters", plan(clusters=[change, renamed])) == [
        ("changed", "eu", "restartKinds", "+Rollout"),
        ("changed", "us → paris", "name", ""),
    ]


def test_a_target_has_what_a_delivery_does_and_why() -> None:
    assert target_row() == ("", "stays", "", "")
    assert target_row(mapping="other") == ("other", "stays", "", "")
    known: dict[str, Any] = {"will": "update", "content": "changes", "why": "new content", "keys": ["a", "b"]}
    assert target_row(**known, expected=expect("Deployment/api"), notes=["expires soon"]) == (
        *("", "update", "changes"),
        "new content; keys a, b; restarts Deployment/api; expires soon",
    )
    assert target_row(will="fail", why="new content", error="Conflict: helm")[3] == "Conflict: helm"
    for will in ("annotate", "nothing"):
        assert target_row(will=will, why="new version", expected=expect("Deployment/api"))[3] == "new version"


def test_a_right_has_its_namespaces_or_is_of_aws() -> None:
    may: dict[str, Any] = {"change": "gained", "who": "deliver"}
    rights = [
        RightChange(**may, may="write secrets/db", cluster="eu", namespaces=["a", "b"]),
        RightChange(**may, may="sign in", cluster="eu"),
        RightChange(**may, may="read the secret db"),
    ]
    assert [row[2:] for row in rows_of("Rights", plan(rights=rights))] == [
        ("write secrets/db", "a, b of eu"),
        ("sign in", "eu"),
        ("read the secret db", "AWS"),
    ]


def test_what_stays_behind_under_one_name_is_one_row_with_its_namespaces() -> None:
    known: dict[str, Any] = {"cluster": "eu", "why": "w", "command": "keyferry orphans"}
    left = [
        Leftover(**known, kind=kind, namespace=namespace, name="keyferry:deliver:db")
        for namespace in ("a", "b")
        for kind in ("Role", "RoleBinding")
    ]
    left += [Leftover(**known, kind="Secret", namespace="a", name="db", keys=["k"])]
    left += [Leftover(**known, kind="access entry", name="DeliverRoleArn")]
    whole = plan(leftovers=left, policies=["eu/p"])
    assert [rows for title, _, rows in list_tables(whole) if title.startswith("Left")] == [
        [
            ("eu", "a, b", "Role, RoleBinding", "keyferry:deliver:db", ""),
            ("eu", "a", "Secret", "db", "k"),
            ("eu", "", "access entry", "DeliverRoleArn", ""),
        ]
    ]
    assert summarize(whole) == "1 admission policy that differs; 6 left behind; 0 unchanged"


def test_without_targets_nothing_changes_and_that_is_said() -> None:
    assert summarize(plan()) == "no changes: there are no targets; the mappings are deployed"
    assert summarize(plan(notes=["x"])).startswith("no changes, as far as is known: ")
    assert list_tables(plan()) == []
