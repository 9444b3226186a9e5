"""Which secrets and parameters mappings read, and what a value to try with has."""

import json
from typing import Any, cast

import pytest

from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.targets import Cluster
from keyferry_local.aws import Aws
from keyferry_local.direct import mapping
from keyferry_local.sources import Wanted, complete, list_wanted

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


class FakeStores:
    """An emulated AWS with one secret and one parameter of the same value."""

    def __init__(self, value: str) -> None:
        self.values = {"secretsmanager": value, "ssm": value}

    def client(self, service: str, *, region: str) -> "FakeClient":
        assert region == "eu-west-1"
        return FakeClient(self, service)


class FakeClient:
    """One of its services."""

    def __init__(self, stores: FakeStores, service: str) -> None:
        self._stores, self._service = stores, service

    def get_secret_value(self, **_: str) -> dict[str, Any]:
        return {"SecretString": self._stores.values[self._service]}

    def get_parameter(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"Parameter": {"Value": self._stores.values[self._service]}}

    def put_secret_value(self, *, SecretString: str, **_: str) -> None:  # noqa: N803  # as boto3 has it
        self._stores.values[self._service] = SecretString

    def put_parameter(self, *, Value: str, **_: Any) -> None:  # noqa: N803, ANN401
        self._stores.values[self._service] = Value


@pytest.mark.parametrize(("store", "service"), [("secretsmanager", "secretsmanager"), ("parameterstore", "ssm")])
@pytest.mark.parametrize(
    ("value", "keys", "lacking"),
    [
        ("canary-0a1b", {"password", "user"}, ["password", "user"]),
        ('{"user": "canary-0a1b"}', {"password", "user"}, ["password"]),
        ('{"user": "canary-0a1b"}', {"user"}, []),
        ("canary-0a1b", set(), []),
        ("mine", {"password"}, []),
        ('{"user": "mine"}', {"password", "user"}, []),
        ('{"user": "canary-0a1b", "port": 5432}', {"password"}, []),
    ],
)
def test_a_value_that_was_made_here_gets_the_keys_that_mappings_have_come_to_read_and_no_other_does(
    store: str, service: str, value: str, keys: set[str], lacking: list[str]
) -> None:
    stores = FakeStores(value)
    wanted = Wanted(store, "payments/first", "eu-west-1", keys)
    assert complete(cast("Aws", stores), wanted) == lacking
    after = stores.values[service]
    if lacking:
        assert json.loads(after).keys() == keys
        assert all(each.startswith("canary-") for each in json.loads(after).values())
        assert "canary-0a1b" in after or not value.startswith("{"), "what is there stays"
    else:
        assert after == value
    assert complete(cast("Aws", stores), wanted) == [], "nothing is lacking a second time"
