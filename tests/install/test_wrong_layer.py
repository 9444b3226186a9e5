"""A layer for another processor: the function says so in one line, and its message waits for the right one."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keyferry_local import stack as stacks
from keyferry_local.install import Installation
from keyferry_local.watch import until
from tests.integration.deployed import Deployed, now

HERE = stacks.find_architecture()
OTHER = "arm64" if HERE == "x86_64" else "x86_64"


@pytest.fixture(scope="module")
def foreign(installed: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that is built for the other processor."""
    checkout = stacks.stage(tmp_path_factory.mktemp("foreign"), installed.checkout / "mappings")
    stacks.build(checkout, print, work=checkout.parent, architecture=OTHER)
    return checkout


@pytest.fixture
def wrong(foreign: Path) -> bytes:
    """Its code layer, as SAM uploads it."""
    folder, zipped = foreign / "build/layers/code", io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return zipped.getvalue()


@pytest.fixture
def stack(installed: Installation) -> Iterator[Deployed]:
    """The stack, whose messages come back after two seconds where their function fails."""
    stack = Deployed(installed)
    stack.rest("waiting")
    url = installed.outputs["DeliveriesQueueUrl"]
    before = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    stack.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2"})
    yield stack
    stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


@contextmanager
def layered(stack: Deployed, code: bytes) -> Iterator[None]:
    """Let deliver have another code layer for a while."""
    name = stack.installed.outputs["DeliverFunction"]
    before = [one["Arn"] for one in stack.functions.get_function_configuration(FunctionName=name)["Layers"]]
    other = stack.functions.publish_layer_version(LayerName="other-processor", Content={"ZipFile": code})
    layers = [other["LayerVersionArn"] if "Code" in one else one for one in before]
    stack.functions.update_function_configuration(FunctionName=name, Layers=layers)
    try:
        yield
    finally:
        stack.functions.update_function_configuration(FunctionName=name, Layers=before)


def test_what_was_built_for_one_processor_is_not_deployed_for_another(installed: Installation, foreign: Path) -> None:
    aws = installed.cloud.aws
    with pytest.raises(stacks.StackError, match=f"(?i)architecture.*{HERE}.*AllowedValues.*{OTHER}"):
        stacks.deploy(foreign, aws, stack_name="foreign", parameters={"Architecture": HERE}, say=print)
    assert "foreign" not in {one["StackName"] for one in aws.client("cloudformation").describe_stacks()["Stacks"]}


def test_the_function_says_what_is_wrong_and_the_message_waits_for_the_right_layer(
    stack: Deployed, wrong: bytes
) -> None:
    assert f"-{'aarch64' if OTHER == 'arm64' else 'x86_64'}-linux-gnu.so".encode() in wrong
    since = now()

    def told() -> list[dict[str, Any]]:
        return [line for line in stack.lines("DeliverFunction", since) if "errorType" in line]

    with layered(stack, wrong):
        stack.put("tests/waiting", '{"password": "canary-waits"}')
        (line, *_) = until("the line of a function that cannot be imported", told)
        name = stack.installed.outputs["DeliverFunction"]
        # What Lambda counts as an error of the function, which the alarm DeliverErrors watches.
        assert stack.functions.invoke(FunctionName=name, Payload=b"{}")["FunctionError"] == "Unhandled"
    assert line["errorType"] == "Runtime.ImportModuleError"
    text = f"is built for {OTHER} with Python 3.13, and this function runs on {HERE} with Python 3.13: run `keyferry"
    assert text in line["errorMessage"]
    stack.deliveries("waiting", since, message="delivered")
    assert stack.eu.data("waiting", "waiting") == {"password": b"canary-waits"}
