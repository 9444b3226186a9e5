"""One mapping for every team: `${namespace}` and `${cluster}` in the names of sources, through events and rights."""

from typing import Any

import pytest

from keyferry.errors import AccessDenied
from keyferry_local.install import Installation
from tests.integration.deployed import Deployed, now
from tests.integration.scene import Scene


def teams(scene: Scene, *names: str) -> list[str]:
    """Make a namespace for each team, and return their names."""
    made = [f"{scene.namespace}-{name}" for name in names]
    for name in made:
        metadata = {"name": name, "labels": {"run": scene.namespace}}
        scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return made


@pytest.mark.parametrize("selected", [False, True], ids=["by name", "by labels"])
def test_each_namespace_gets_the_secret_of_its_name(scene: Scene, *, selected: bool) -> None:
    shop, pay = teams(scene, "shop", "pay")
    for name in (shop, pay):
        scene.create({"password": f"canary-of-{name}"}, f"teams/prod-eu/{name}/db")
    chosen: Any = {"matchLabels": {"run": scene.namespace}} if selected else [shop, pay]
    labels = {"team": {"template": "{{ namespace }}"}}
    data = {"password": {"from": "db", "path": "password"}, "where": {"template": "{{ cluster }}/{{ namespace }}"}}
    direct = scene.grant(
        sources={"db": {"secretsManager": "teams/${cluster}/${namespace}/db"}},
        namespaces=chosen,
        secret={
            "name": "own",
            "labels": labels,
            "data": data,
        },  # where labels choose, its rights are for all namespaces
    )

    report = direct.deliver(scene.namespace)

    assert not report.errors
    for name in (shop, pay):
        held = {"password": f"canary-of-{name}".encode(), "where": f"prod-eu/{name}".encode()}
        assert scene.admin.data("own", name) == held
        found = scene.admin.get("Secret", "own", name)
        assert found is not None
        assert found["metadata"]["labels"]["team"] == name
    for name in (shop, pay):
        scene.admin.delete("Namespace", name)


def test_a_team_without_a_secret_fails_alone(scene: Scene) -> None:
    shop, pay = teams(scene, "shop", "pay")
    scene.create({"password": "canary-of-shop"}, f"teams/{shop}/db")
    direct = scene.grant(sources={"db": {"secretsManager": "teams/${namespace}/db"}}, namespaces=[shop, pay])
    report = direct.deliver(scene.namespace)
    assert {each.namespace: type(each.error) for each in report.outcomes} == {shop: type(None), pay: AccessDenied}
    assert scene.admin.data("db", shop) == {"password": b"canary-of-shop"}
    for name in (shop, pay):
        scene.admin.delete("Namespace", name)


def test_an_event_brings_up_the_namespace_of_its_name_and_no_other(installed: Installation) -> None:
    stack, since = Deployed(installed), now()
    for team in ("team-one", "team-two"):
        stack.put(f"tests/teams/{team}/db", f'{{"password": "canary-of-{team}"}}')
    stack.deliveries("teams", since, 4, message="delivered")
    stack.rest("teams")
    others = {name: admin.get("Secret", "db", "team-two") for name, admin in stack.cloud.admins.items()}
    since = now()
    stack.put("tests/teams/team-one/db", '{"password": "canary-of-team-one-again"}')
    lines = stack.deliveries("teams", since, 2, message="delivered")
    assert [[each["namespace"] for each in line["namespaces"]] for line in lines] == [["team-one"], ["team-one"]]
    for name, admin in stack.cloud.admins.items():
        assert admin.data("db", "team-one") == {"password": b"canary-of-team-one-again"}
        assert admin.get("Secret", "db", "team-two") == others[name]
    assert stack.sweep(mapping="teams")["sent"] == []
