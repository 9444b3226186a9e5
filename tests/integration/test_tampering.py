"""What somebody writes into a Secret of ours, as far as a real API server takes it, is mended or is its own failure."""

import json
from typing import Any

import pytest

from keyferry.delivery.observed import KEYS, MAPPING, RESTART_DUE, REVISION, VERSIONS
from keyferry_local.admin import Refused
from keyferry_local.direct import Direct
from keyferry_local.world import deployment, env_from
from tests.integration.scene import Scene
from tests.unit.bombs import TEMPLATES, path

TEXTS = {
    "deep": "[" * 100_000,
    "nested": '{"db":' + "[" * 5_000 + "]" * 5_000 + "}",
    "long": "x" * 200_000,
    "twice": '{"db": null, "db": "version-1"}',
    "half a character": '{"db": "\\ud800"}',
    "NUL": '{"db": "a\0b"}',
    "other types": '{"db": [1, {"a": 1e999}]}',
}


@pytest.fixture
def delivered(scene: Scene) -> Direct:
    """The role of a mapping whose Secret a Deployment uses."""
    scene.create({"password": "canary-tampering-1"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    direct = scene.grant()
    assert not direct.deliver(scene.namespace).errors
    return direct


def edit(scene: Scene, metadata: dict[str, Any]) -> None:
    scene.admin.edit("Secret", "db", scene.namespace, {"metadata": metadata})


def test_annotations_of_any_text_are_written_back(scene: Scene, delivered: Direct) -> None:
    before, stamp = scene.secret()["metadata"]["annotations"], scene.stamp("Deployment", "api")
    for number, text in enumerate(TEXTS.values()):
        name = (MAPPING, VERSIONS, REVISION, KEYS)[number % 4]
        edit(scene, {"annotations": {name: text}})
        assert not delivered.deliver(scene.namespace).errors
        assert scene.secret()["metadata"]["annotations"] == before
    edit(scene, {"annotations": {VERSIONS: TEXTS["nested"]}})
    assert not delivered.deliver(scene.namespace).errors
    assert (scene.secret()["metadata"]["annotations"], scene.stamp("Deployment", "api")) == (before, stamp)


def test_a_mark_of_any_text_never_gets_to_a_workload(scene: Scene, delivered: Direct) -> None:
    edit(scene, {"annotations": {RESTART_DUE: TEXTS["long"]}})
    assert not delivered.deliver(scene.namespace).errors
    assert RESTART_DUE not in scene.secret()["metadata"]["annotations"]
    assert len(scene.stamp("Deployment", "api") or "") == 16


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"f:data": []},
        {"f:data": {"f:password": 1}, "f:metadata": "x"},
        json.loads('{"f:data":' * 900 + "{}" + "}" * 900),
    ],
    ids=range(4),
)
def test_managed_fields_of_any_form_are_mended(scene: Scene, delivered: Direct, fields: object) -> None:
    entry = {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    try:
        edit(scene, {"managedFields": [entry]})
    except Refused:
        return  # the API server does not take it
    assert not delivered.deliver(scene.namespace).errors
    owners = {entry["manager"] for entry in scene.secret()["metadata"]["managedFields"]}
    assert scene.identity.field_manager(scene.namespace) in owners


@pytest.mark.parametrize("name", ["nested loops", "concat 10^8", "bcrypt in a loop", "percent width"])
def test_a_template_that_computes_too_much_is_an_error_of_its_mapping(scene: Scene, name: str) -> None:
    scene.create({"password": "canary-tampering-2"})
    direct = scene.grant(secret={"name": "db", "data": {"key": {"template": TEMPLATES[name]}}})
    [error] = direct.deliver(scene.namespace).errors
    assert str(error).startswith(f"mapping {scene.namespace}, key key: ")
    assert "computes too much" in str(error)
    assert scene.data() is None


def test_a_path_that_computes_too_much_is_one_too(scene: Scene) -> None:
    scene.create({"password": "canary-tampering-3"})
    direct = scene.grant(secret={"name": "db", **path("|".join(["[@,@]"] * 22))})
    [error] = direct.deliver(scene.namespace).errors
    assert "computes too much" in str(error)
