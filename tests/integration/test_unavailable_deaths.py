"""A delivery that kills its function: the function outlives it, counts its deaths, and buries it after the third."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from keyferry_local.direct import delivery
from keyferry_local.install import Installation
from tests.integration.deployed import Deployed, now
from tests.integration.test_unavailable import frozen

MAPPING = "returning"


@pytest.fixture
def stack(installed: Installation) -> Deployed:
    return Deployed(installed)


def coming_back(deaths: int) -> dict[str, Any]:
    """Return the event of a delivery that has killed the function so often."""
    body = delivery(MAPPING, "prod-eu").model_copy(update={"deaths": deaths}).to_json()
    attributes = {"ApproximateReceiveCount": "2", "SentTimestamp": str(int(time.time() * 1000))}
    record = {"messageId": f"deadly-{deaths}", "receiptHandle": "deadly", "body": body, "attributes": attributes}
    return {"Records": [record | {"eventSource": "aws:sqs", "messageAttributes": {}}]}


def kill_children(stack: Deployed) -> None:
    """Kill the processes in which deliver works on deliveries, as Linux does when the memory is used up."""
    name = stack.installed.outputs["DeliverFunction"].encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        pid = int(environment.parent.name)
        try:
            if name in environment.read_bytes() and get_parent(get_parent(pid)) == stack.cloud.aws.process.pid:
                os.kill(pid, signal.SIGKILL)
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's


def get_parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def invoke_and_kill(stack: Deployed, deaths: int) -> dict[str, Any]:
    """Invoke deliver while its cluster does not answer, and kill the work."""
    with frozen(stack.cloud.clusters["prod-eu"]), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(stack.invoke, "DeliverFunction", coming_back(deaths))
        while not answer.done():
            kill_children(stack)
            time.sleep(0.02)
        return answer.result()


def test_a_delivery_that_kills_its_function_goes_on_and_is_buried_after_three_deaths(stack: Deployed) -> None:
    since = now()

    assert invoke_and_kill(stack, deaths=0) == {"batchItemFailures": []}

    (begun, *_) = stack.deliveries(MAPPING, since, message="begun")
    assert (begun["attempt"], begun["deaths"], begun["cluster"]) == (2, 0, "prod-eu")
    (replaced, *_) = stack.deliveries(MAPPING, since, message="replaced")
    assert "was killed while it worked on the delivery: out of memory, most likely" in replaced["reason"]
    # The copy that carries the death is worked on in a process of its own, too, and does no harm.
    stack.deliveries(MAPPING, since, message="delivered")

    since = now()
    assert invoke_and_kill(stack, deaths=2) == {"batchItemFailures": []}

    (buried, *_) = stack.deliveries(MAPPING, since, message="dead letter")
    assert buried["reason"].endswith("that was death number 3")
    letters = [json.loads(letter["Body"]) for letter in stack.messages("DeliveriesDeadLettersQueueUrl")]
    assert any(letter["mapping"] == MAPPING and letter["deaths"] == 2 for letter in letters)
