"""Which namespaces of a cluster a mapping reaches, as a real API server chooses them."""

from typing import Any

import pytest

from tests.integration.scene import Scene

GOLD = {"key": "tier", "operator": "In", "values": ["gold", "silver"]}
OLD = {"key": "old", "operator": "Exists"}
NEW = {"key": "old", "operator": "DoesNotExist"}


@pytest.mark.parametrize(
    ("chosen", "reached"),
    [
        ([{"matchExpressions": [GOLD]}], {"a", "b"}),
        ([{"matchExpressions": [GOLD, NEW]}], {"a"}),
        ([{"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["gold"]}]}], {"b", "c"}),
        ([{"matchExpressions": [OLD]}], {"b"}),
        ([{"exclude": ["*-a"], "matchExpressions": [GOLD]}], {"b"}),
        ([{"names": ["*-a", "*-c"]}], {"a", "c"}),
        ([{"names": ["*-a"]}, {"matchExpressions": [OLD]}], {"a", "b"}),
    ],
    ids=["in", "and", "not in", "exists", "exclude", "names", "or"],
)
def test_namespaces_are_chosen_by_expressions_and_patterns(
    scene: Scene, chosen: list[dict[str, Any]], reached: set[str]
) -> None:
    scene.create({"password": "canary-targets"})
    labels = {"a": {"tier": "gold"}, "b": {"tier": "silver", "old": ""}, "c": {}}
    for name, each in labels.items():
        metadata = {"name": f"{scene.namespace}-{name}", "labels": {"run": scene.namespace, **each}}
        scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    where = [
        {"matchLabels": {"run": scene.namespace}, **each} for each in (chosen if isinstance(chosen, list) else [chosen])
    ]
    direct = scene.grant(namespaces=where if isinstance(chosen, list) else where[0])

    report = direct.deliver(scene.namespace)

    assert not report.errors
    assert {outcome.namespace for outcome in report.outcomes} == {f"{scene.namespace}-{name}" for name in reached}
    for name in labels:
        found = scene.admin.data("db", f"{scene.namespace}-{name}")
        assert found == ({"password": b"canary-targets"} if name in reached else None)
        scene.admin.delete("Namespace", f"{scene.namespace}-{name}")
