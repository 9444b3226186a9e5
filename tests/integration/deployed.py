"""The deployed stack as a test sees it: sources to change, what was logged of it, what lies on the queues."""

import json
import time
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from keyferry.identity import IDENTITY
from keyferry_local import watch
from keyferry_local.admin import Admin
from keyferry_local.cloud import Cloud
from keyferry_local.install import Installation
from keyferry_local.watch import until

Line = dict[str, Any]
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


PATIENCE_SECONDS = 75.0
"""Longer than a delivery waits that has met a cluster which did not answer in time, as one under load may not."""
UNDER_WAY_SECONDS = 3.0
"""How long a delivery may still run that was begun before the functions were stopped."""


@dataclass(frozen=True)
class Deployed:
    """Keyferry, deployed and at work."""

    installed: Installation

    @property
    def cloud(self) -> Cloud:
        """The cloud that it works in."""
        return self.installed.cloud

    @property
    def eu(self) -> Admin:
        """The administrator of prod-eu."""
        return self.cloud.admins["prod-eu"]

    @cached_property
    def secrets(self) -> Any:  # noqa: ANN401 - one of boto3's generated classes
        """A client of Secrets Manager."""
        return self.cloud.aws.client("secretsmanager")

    @cached_property
    def sqs(self) -> Any:  # noqa: ANN401 - one of boto3's generated classes
        """A client of SQS."""
        return self.cloud.aws.client("sqs")

    @cached_property
    def functions(self) -> Any:  # noqa: ANN401 - one of boto3's generated classes
        """A client of Lambda."""
        return self.cloud.aws.client("lambda")

    def put(self, name: str, value: str, **more: Any) -> str:  # noqa: ANN401 - whatever the call takes
        """Give a secret in AWS a new value, and return its version."""
        return str(self.secrets.put_secret_value(SecretId=name, SecretString=value, **more)["VersionId"])

    def current(self, name: str) -> str:
        """Return the version that a secret has now."""
        return str(self.secrets.get_secret_value(SecretId=name)["VersionId"])

    def send(self, queue: str, body: str, group: str | None = None) -> None:
        """Put a message on a queue, by the name of its output; with a group on one that is FIFO."""
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": uuid.uuid4().hex} if group else {}
        self.sqs.send_message(QueueUrl=self.installed.outputs[queue], MessageBody=body, **fifo)

    def sweep(self, **request: str) -> dict[str, Any]:
        """Invoke reconcile by hand, and return its answer."""
        return self.invoke("ReconcileFunction", request)

    def invoke(self, function: str, payload: object) -> dict[str, Any]:
        """Invoke a function, by the name of its output, and return its answer."""
        name = self.installed.outputs[function]
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(payload).encode())
        assert "FunctionError" not in answer, answer["Payload"].read()
        return dict(json.load(answer["Payload"]))

    @contextmanager
    def by_hand(self, function: str, timeout: int) -> Iterator[None]:
        """Let a function, by the name of its output, take no messages for a while, and give it another timeout."""
        name = self.installed.outputs[function]
        before = self.functions.get_function_configuration(FunctionName=name)["Timeout"]
        [source] = self.functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        self.functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
        time.sleep(UNDER_WAY_SECONDS)  # the emulator ends what is under way with the old settings
        self.functions.update_function_configuration(FunctionName=name, Timeout=timeout)
        try:
            yield
        finally:
            self.functions.update_function_configuration(FunctionName=name, Timeout=before)
            self.functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)

    @contextmanager
    def forgetting(self, function: str) -> Iterator[None]:
        """Let a function, by the name of its output, begin in a new environment, which remembers nothing."""
        name = self.installed.outputs[function]
        before = self.functions.get_function_configuration(FunctionName=name)["Timeout"]
        self.functions.update_function_configuration(FunctionName=name, Timeout=before - 1)
        try:
            yield
        finally:
            self.functions.update_function_configuration(FunctionName=name, Timeout=before)

    def lines(self, function: str, since: datetime) -> list[Line]:
        """Return every JSON line that a function, by the name of its output, has written since then."""
        return watch.log_lines(self.cloud.aws, self.installed.outputs[function], since=since)

    def metrics(self, function: str, since: datetime) -> list[Line]:
        """Return every line of metrics (EMF) that a function has written since then."""
        return [line for line in self.lines(function, since) if "_aws" in line]

    def metrics_after(self, line: Line, function: str, since: datetime) -> Line:
        """Return the line of metrics that ends the invocation which has logged a line; others may run beside it."""
        lines = self.lines(function, since)
        return next(each for each in lines[lines.index(line) :] if "_aws" in each)

    @staticmethod
    def counted(*metrics: Line) -> dict[str, float]:
        """Return the sum of each metric in lines of metrics."""
        sums: defaultdict[str, float] = defaultdict(float)
        for line in metrics:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            for metric in directive["Metrics"]:
                sums[metric["Name"]] += sum(line[metric["Name"]])
        return dict(sums)

    def deliveries(
        self, mapping: str, since: datetime, wanted: int = 1, *, seconds: float = PATIENCE_SECONDS, **fields: str
    ) -> list[Line]:
        """Wait until the ends of so many deliveries of a mapping are logged, with these fields; return the lines."""
        what = f"{wanted} deliveries of {mapping}" + (f" with {fields}" if fields else "")

        def look() -> list[Line] | None:
            lines = [line for line in self.lines("DeliverFunction", since) if line.get("mapping") == mapping]
            beside = {"begun", "audit"} - {fields.get("message")}
            lines = [line for line in lines if line["message"] not in beside]
            found = [line for line in lines if all(line.get(name) == value for name, value in fields.items())]
            return found if len(found) >= wanted else None

        return until(what, look, seconds=seconds)

    def routed(self, since: datetime, wanted: int = 1, **fields: Any) -> list[Line]:  # noqa: ANN401 - JSON
        """Wait until so many events are routed, with these fields, and return their log lines."""

        def look() -> list[Line] | None:
            lines = [line for line in self.lines("RouteFunction", since) if line.get("message") == "routed"]
            found = [line for line in lines if all(line.get(name) == value for name, value in fields.items())]
            return found if len(found) >= wanted else None

        return until(f"{wanted} events routed with {fields}", look, seconds=PATIENCE_SECONDS)

    def messages(self, queue: str = "") -> list[dict[str, Any]]:
        """Look at the messages of a queue, by the name of its output, or of all queues; it changes nothing."""
        with _DIRECT.open(f"{self.cloud.aws.endpoint}/_ministack/sqs/messages", timeout=10) as response:
            accounts = json.load(response)["messages"]
        url = self.installed.outputs[queue] if queue else ""
        return [
            message
            for regions in accounts.values()
            for queues in regions.values()
            for name, messages in queues.items()
            if not url or name.rpartition("/")[2] == url.rpartition("/")[2]
            for message in messages
        ]

    def rest(self, mapping: str) -> None:
        """Wait until nothing of a mapping waits or is under way: something always waits for the cluster `lost`."""

        def quiet() -> bool:
            deliveries = self.messages("DeliveriesQueueUrl")
            return not self.messages("ChangesQueueUrl") and not any(f'"{mapping}"' in m["Body"] for m in deliveries)

        until(f"no delivery of {mapping}", quiet)

    def dead_letter(self, body: str) -> dict[str, str]:
        """Wait until a message with such a body lies on the dead-letter queue, and return its attributes as text."""

        def look() -> dict[str, Any] | None:
            found = (m for m in self.messages("DeliveriesDeadLettersQueueUrl") if body in m["Body"])
            return next(found, None)

        attributes = until(f"a dead letter with {body}", look)["MessageAttributes"]
        return {name: str(value["StringValue"]) for name, value in attributes.items()}

    def writes(self, cluster: str, namespace: str, resource: str, since: datetime) -> int:
        """Count the patches of one kind that a cluster has taken from deliver in a namespace since then."""
        calls = watch.calls(self.cloud.clusters[cluster], since=since)
        ours = [call for call in calls if call.user == IDENTITY.deliver and call.verb == "patch" and call.status < 300]
        return sum(call.resource == resource and call.namespace == namespace for call in ours)

    def users_who_wrote(self, cluster: str, namespace: str, since: datetime) -> set[str]:
        """Return the users whose patches of Secrets a cluster has taken in a namespace since then."""
        calls = watch.calls(self.cloud.clusters[cluster], since=since)
        written = [call for call in calls if call.verb == "patch" and call.resource == "secrets" and call.status < 300]
        return {call.user for call in written if call.namespace == namespace}

    def rollouts(self, cluster: str, namespace: str) -> set[str]:
        """Return the ReplicaSets of a namespace, once the controllers have seen every Deployment as it is now."""
        admin = self.cloud.admins[cluster]

        def seen() -> Sequence[object]:
            found = admin.list("Deployment", namespace)
            return [all(d["status"].get("observedGeneration") == d["metadata"]["generation"] for d in found)]

        until(f"the controllers of {cluster} at rest", lambda: all(seen()))
        return {each["metadata"]["name"] for each in admin.list("ReplicaSet", namespace)}


def now() -> datetime:
    """Return the time, with which a test begins."""
    return datetime.now(UTC)
