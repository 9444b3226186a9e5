"""A new mapping is one more deployment: delivered right after it, without new code, and taken back the same way."""

import io
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from keyferry.pipeline.delays import MAX_DELAY_SECONDS
from keyferry_local import stack as stacks
from keyferry_local.direct import mapping
from keyferry_local.install import STACK, Installation, grant
from keyferry_local.watch import until
from tests.integration.deployed import Deployed, now


def layers(stack: Deployed) -> dict[str, str]:
    """Return the version of each layer that deliver runs with, by the layer's name without its hash."""
    name = stack.installed.outputs["DeliverFunction"]
    found = stack.functions.get_function_configuration(FunctionName=name)["Layers"]
    names = [str(layer["Arn"]).split(":layer:")[1] for layer in found]
    return {"code" if "Code" in each else "mappings": each for each in names}


def swept(stack: Deployed) -> bool:
    """Return whether a sweep has sent what it found, as the first one does after the deployment."""
    lines = stack.lines("ReconcileFunction", datetime.fromtimestamp(0, UTC))
    return any(line.get("message") == "swept" for line in lines)


def at_work(stack: Deployed) -> bool:
    """Return whether deliver has a message in hand.

    MiniStack drops what a function is at when that is deployed anew; the message comes back after its visibility
    timeout, of 12 minutes. One that was postponed comes back sooner than that.
    """
    longest = time.time() + MAX_DELAY_SECONDS
    return any(each["VisibleAt"] > longest for each in stack.messages("DeliveriesQueueUrl"))


def uploads(stack: Deployed) -> dict[str, bytes]:
    """Return what SAM has uploaded so far: the name of each object, and its content."""
    s3 = stack.cloud.aws.client("s3")
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    objects = [(bucket, each["Key"]) for bucket in buckets for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for bucket, key in objects}


def deploy(stack: Deployed, mappings: Path) -> None:
    """Generate, let the roles in, build and deploy, as docs/deploy/index.md says of a changed mapping."""
    cloud = stack.cloud
    until("deliver at rest", lambda: not at_work(stack))
    checkout = stacks.stage(cloud.directory, mappings)
    for name, admin in cloud.admins.items():
        grant(admin, checkout / "generated/clusters" / name / "rbac.yaml")
    stacks.build(checkout, print, work=cloud.directory)
    stacks.deploy(checkout, cloud.aws, stack_name=STACK, parameters={}, say=print)


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, and what a new mapping needs: a secret and a namespace."""
    stack = Deployed(installed)
    until("the first sweep", lambda: swept(stack))
    stack.secrets.create_secret(Name="tests/added", SecretString="canary-added")
    stack.eu.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "added"}})
    return stack


def test_a_new_mapping_is_delivered_by_its_deployment_which_uploads_no_code(stack: Deployed, place: Path) -> None:
    before, since, uploaded = layers(stack), now(), uploads(stack)
    spec = {
        "sources": {"db": {"secretsManager": "tests/added"}},
        "clusters": ["prod-eu"],
        "namespaces": ["added"],
        "secret": {"name": "added", "data": {"password": {"from": "db"}}},
    }
    path = place / "mappings/added.yaml"
    path.write_text(yaml.safe_dump(mapping("added", **spec).model_dump(by_alias=True, exclude_defaults=True)))

    deploy(stack, place / "mappings")

    (line, *_) = stack.deliveries("added", since, message="delivered")
    assert line["targets"] == {"created": 1}
    assert stack.eu.data("added", "added") == {"password": b"canary-added"}
    added = layers(stack)
    assert added["code"] == before["code"]
    assert added["mappings"] != before["mappings"]
    more = {name: content for name, content in uploads(stack).items() if name not in uploaded}
    [layer] = [content for name, content in more.items() if not name.endswith(".template")]
    assert zipfile.ZipFile(io.BytesIO(layer)).namelist() == ["keyferry/mappings/mappings.json"]

    path.unlink()
    deploy(stack, place / "mappings")

    assert layers(stack)["code"] == before["code"]
    since = now()
    stack.put("tests/added", "canary-added-2")
    (routed,) = stack.routed(since, names=["tests/added"])
    assert routed["count"] == 0
    assert stack.eu.data("added", "added") == {"password": b"canary-added"}  # kept: nobody asked to delete it
