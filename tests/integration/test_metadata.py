"""Labels and annotations that a mapping gives its Secret, beside those of others, on a real API server."""

import pytest

from keyferry.errors import Conflict
from keyferry_local.direct import Direct
from keyferry_local.world import deployment, env_from
from tests.integration.scene import Scene, error

DATA = {"password": {"from": "db", "path": "password"}}
GIVEN = {"labels": {"app": "payments"}, "annotations": {"example.com/owner": "team payments"}}


def granted(scene: Scene, **more: object) -> Direct:
    """Return a role with the rights of a mapping that gives its Secret labels and annotations."""
    return scene.grant(secret={"name": "db", "data": DATA} | GIVEN | more)


def given(scene: Scene) -> dict[str, str | None]:
    metadata = scene.secret()["metadata"]
    return {
        "app": metadata["labels"].get("app"),
        "owner": metadata["annotations"].get("example.com/owner"),
        "managed-by": metadata["labels"].get("app.kubernetes.io/managed-by"),
    }


@pytest.fixture
def delivered(scene: Scene) -> Direct:
    """The role of a mapping that has been delivered."""
    scene.create({"password": "canary-metadata-1"})
    direct = granted(scene)
    assert not direct.deliver(scene.namespace).errors
    return direct


@pytest.mark.usefixtures("delivered")
def test_they_are_given_changed_and_taken_away_without_a_restart(scene: Scene) -> None:
    assert given(scene) == {"app": "payments", "owner": "team payments", "managed-by": "keyferry"}
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    stamped = scene.stamp("Deployment", "api")
    assert not granted(scene, labels={"app": "other"}, annotations={}).deliver(scene.namespace).errors
    assert given(scene) == {"app": "other", "owner": None, "managed-by": "keyferry"}
    with scene.untouched("Secret", "db"):
        assert not granted(scene, labels={"app": "other"}, annotations={}).deliver(scene.namespace).errors
    assert scene.stamp("Deployment", "api") == stamped


def test_what_somebody_edited_is_put_right_and_what_others_give_stays(scene: Scene, delivered: Direct) -> None:
    theirs = {"labels": {"app": "oops", "team": "shop"}, "annotations": {"example.com/more": "x"}}
    scene.admin.edit("Secret", "db", scene.namespace, {"metadata": theirs})
    assert not delivered.deliver(scene.namespace).errors
    assert given(scene)["app"] == "payments"
    metadata = scene.secret()["metadata"]
    assert (metadata["labels"]["team"], metadata["annotations"]["example.com/more"]) == ("shop", "x")


@pytest.mark.usefixtures("delivered")
def test_a_label_that_was_never_ours_is_a_conflict_until_it_is_taken_over(scene: Scene) -> None:
    scene.admin.edit("Secret", "db", scene.namespace, {"metadata": {"labels": {"team": "shop"}}}, manager="argocd")
    labels = {"app": "payments", "team": "payments"}

    with scene.untouched("Secret", "db"):
        found = error(granted(scene, labels=labels).deliver(scene.namespace))

    assert isinstance(found, Conflict)
    assert "Secret db: label team belongs to field manager argocd" in str(found)
    over = scene.grant(
        secret={"name": "db", "data": DATA} | GIVEN | {"labels": labels}, policies={"conflict": "takeOver"}
    )
    assert not over.deliver(scene.namespace).errors
    assert scene.secret()["metadata"]["labels"]["team"] == "payments"


@pytest.mark.usefixtures("delivered")
def test_a_label_that_others_give_alike_is_shared(scene: Scene) -> None:
    scene.admin.edit("Secret", "db", scene.namespace, {"metadata": {"labels": {"team": "payments"}}}, manager="argocd")
    labels = {"app": "payments", "team": "payments"}
    assert not granted(scene, labels=labels).deliver(scene.namespace).errors
    assert scene.secret()["metadata"]["labels"]["team"] == "payments"
