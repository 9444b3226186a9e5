"""Which secrets and parameters mappings read, and what a value to try with has."""

from typing import Any

from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.targets import Cluster
from keyferry_local.direct import mapping
from keyferry_local.sources import Wanted, list_wanted

EKS = {"name": "prod-eu", "region": "eu-west-1", "account": "111122223333"}
CLUSTER = Cluster.model_validate({"name": "prod-eu", "eks": EKS})


def wanted(sources: dict[str, Any], secret: dict[str, Any], namespaces: list[str]) -> list[Wanted]:
    spec = {"sources": sources, "clusters": ["prod-eu"], "namespaces": namespaces, "secret": {"name": "db", **secret}}
    return list_wanted(build_catalog([mapping("db", **spec)], [CLUSTER]), "eu-west-3")


def test_each_key_that_a_path_or_a_template_reads_is_known() -> None:
    secret = {
        "data": {
            "password": {"from": "db", "path": "password"},
            "host": {"from": "db", "path": "hosts[0].name"},
            "url": {"template": "{{ db.username }}@{{ other.name }}"},
            "other": {"from": "other"},
        }
    }
    db = {"secretsManager": "prod/db", "region": "us-east-1"}
    assert wanted({"db": db, "other": {"parameterStore": "/other"}}, secret, ["a"]) == [
        Wanted("secretsmanager", "prod/db", "us-east-1", {"password", "hosts", "username"}),
        Wanted("parameterstore", "/other", "eu-west-3", {"name"}),
    ]


def test_a_name_with_a_placeholder_is_one_for_each_namespace_and_what_is_found_is_none() -> None:
    sources = {"db": {"secretsManager": "${namespace}/db"}}
    assert [each.name for each in wanted(sources, {"data": {"p": {"from": "db"}}}, ["a", "b"])] == ["a/db", "b/db"]
    found = {"all": {"find": "secretsManager", "path": "app/"}}
    assert wanted(found, {"dataFrom": [{"from": "all"}]}, ["a"]) == []
