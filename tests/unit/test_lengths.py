"""Names that are longer than Kubernetes or AWS allow are told by `validate`, with the limit."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from tests.unit.samples import ACCOUNT, spec

SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:"
PARAMETER = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/"
LABEL_KEY = "should be a label's key as Kubernetes has them, as team or example.com/team, with 63 characters at most"


def text(length: int) -> str:
    return "n" * length


def check(folder: Path, changes: dict[str, Any], cluster: str = "prod-eu") -> list[str]:
    """Return what `validate` says of a mapping with some changes of its spec; `name` is the mapping's own."""
    whole = copy.deepcopy(spec())
    whole["secret"] |= changes.pop("secret", {})
    document = {
        "apiVersion": "keyferry.dev/v1",
        "kind": "SecretMapping",
        "metadata": {"name": changes.pop("name", "payments-db")},
        "spec": whole | {"clusters": [cluster]} | changes,
    }
    eks = {"name": "prod-eu", "region": "eu-west-1", "account": ACCOUNT}
    clusters = {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": [{"name": cluster, "eks": eks}]}
    (folder / "clusters.yaml").write_text(yaml.safe_dump(clusters))
    (folder / "mapping.yaml").write_text(yaml.safe_dump(document, width=10_000))
    try:
        return [str(problem) for problem in files.check(folder)[1]]
    except InvalidFiles as error:
        return [str(problem) for problem in error.problems]


def sources(**source: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"sources": {"db": source}}


def finds(**source: Any) -> dict[str, Any]:  # noqa: ANN401
    data_from = [{"from": "db", "keys": [{"template": "{{ key }}"}], "invalidCharacters": "replace"}]
    return sources(**source) | {"secret": {"data": {}, "dataFrom": data_from}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": text(254)}, "metadata.name should have 253 characters at most, and has 254"),
        ({"secret": {"name": text(254)}}, "spec.secret.name should have 253 characters at most, and has 254"),
        ({"namespaces": [text(64)]}, "spec.namespaces[0] should have 63 characters at most, and has 64"),
        ({"secret": {"data": {text(254): {"value": "x"}}}}, "should have 253 characters at most"),
        ({"secret": {"labels": {"team": text(64)}}}, "labels.team should have 63 characters at most, and has 64"),
        ({"secret": {"labels": {text(64): "x"}}}, LABEL_KEY),
        ({"secret": {"labels": {f"{text(254)}/team": "x"}}}, f"{LABEL_KEY}, and 253 before the slash"),
        ({"secret": {"annotations": {f"example.com/{text(64)}": "x"}}}, LABEL_KEY),
        ({"restart": [{"kind": "Deployment", "name": text(254)}]}, "name should have 253 characters at most, and has"),
        (sources(secretsManager=text(513)), "secret: it has 513 characters, and 512 is the most that AWS allows"),
        (sources(secretsManager=f"{SECRET}{text(513)}-AbCdEf"), "it has 513 characters, and 512 is the most"),
        (sources(secretsManager="a", failover=[{"region": "us-east-1", "name": text(513)}]), "and 512 is the most"),
        (sources(secretsManager=text(511) + "/${namespace}"), "it has 513 characters, and 512 is the most"),
        (sources(parameterStore=f"/{text(1012)}"), "it has 1,012 characters, and 1,011 is the most that AWS allows"),
        (sources(parameterStore=f"/{text(2049)}"), "it has 2,049 characters, and 1,011 is the most that AWS allows"),
        (sources(parameterStore=f"{PARAMETER}{text(1012)}"), "and 1,011 is the most that AWS allows, with the ARN"),
        (sources(parameterStore="/a" * 16), "a hierarchy of 16 levels: AWS allows 15 at most"),
        (finds(find="secretsManager", path=text(513)), "names begin with: it has 513 characters, and 512 is the"),
        (finds(find="parameterStore", path=f"/{text(1011)}"), "and 1,011 is the most"),
        (finds(find="parameterStore", path="/a" * 16 + "/"), "a hierarchy of 16 levels: AWS allows 15 at most"),
    ],
)
def test_a_name_that_is_too_long_is_told_with_the_limit(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    [problem] = check(tmp_path, dict(changes))
    assert said in problem


@pytest.mark.parametrize(
    "changes",
    [
        {"name": text(253)},
        {"secret": {"name": text(253)}},
        {"namespaces": [text(63)]},
        {"secret": {"labels": {f"{text(253)}/{text(63)}": text(63)}}},
        {"restart": [{"kind": "Deployment", "name": text(253)}]},
        sources(secretsManager=text(512)),
        sources(secretsManager=f"{SECRET}{text(512)}-AbC1Ef"),
        sources(parameterStore=f"/{text(1011)}"),
        sources(parameterStore="/a" * 15),
    ],
)
def test_a_name_of_the_most_characters_is_right(changes: dict[str, Any], tmp_path: Path) -> None:
    assert [problem for problem in check(tmp_path, dict(changes)) if "IAM" not in problem] == []


def test_a_name_that_becomes_too_long_in_a_namespace_is_told_with_the_namespace(tmp_path: Path) -> None:
    name = text(500) + "/${namespace}"
    assert check(tmp_path, sources(secretsManager=name)) == []
    [problem] = check(tmp_path, {**sources(secretsManager=name), "namespaces": ["payments", "a-long-namespace"]})
    assert "source db in cluster prod-eu, namespace a-long-namespace: not the name of a secret: it has 517" in problem
    [problem] = check(tmp_path, sources(secretsManager=text(500) + "/${cluster}"), "a-cluster-in-europe")
    assert "source db in cluster a-cluster-in-europe, namespace payments: not the name of a secret: it has" in problem
    [problem] = check(tmp_path, finds(find="secretsManager", path=text(505) + "/${namespace}/"))
    assert "namespace payments: not the name of a secret: it has 515 characters" in problem
