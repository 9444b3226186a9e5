"""How template.yaml sets each function, for the parameters of a stack: what `functions` compares with.

A test compares it with the template.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUNTIME, HANDLER = "python3.13", "app.handler"
SWEEP_SECONDS = {"15-minutes": "900", "1-hour": "3600", "6-hours": "21600", "1-day": "86400"}
"""`SweepSchedule` → its period in seconds."""
_INBOX, _DELIVERIES, _DEAD_LETTERS = (f"KEYFERRY_{name}_QUEUE_URL" for name in ("INBOX", "DELIVERIES", "DEAD_LETTERS"))


@dataclass(frozen=True)
class Source:
    """How a function takes the messages of its queue."""

    queue: str
    """The queue, as the names of its outputs begin."""
    batch_size: int = 1
    concurrency: str = "2"
    """How many run at once: a number, or the parameter that has it."""


@dataclass(frozen=True)
class Settings:
    """How a function is set."""

    name: str
    """The end of its name."""
    output: str
    """The output that has its name."""
    timeout: int
    memory: str
    """MiB, or the parameter that has them."""
    source: Source | None = None
    """None for the function that people ask."""
    queues: Mapping[str, str] | None = None
    """Variable → the output that has the URL of the queue."""
    is_concurrent: bool = True
    """Whether it works on several targets at once, which can be suspended."""

    def build_environment(
        self, stack: str, outputs: Mapping[str, str], parameters: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the environment variables that it should have, as far as outputs and parameters tell."""
        settings: dict[str, str | None] = {
            "KEYFERRY_MAPPINGS": "/opt/keyferry/mappings",
            "POWERTOOLS_METRICS_NAMESPACE": "Keyferry",
            "HTTPS_PROXY": parameters.get("HttpsProxy"),
            "NO_PROXY": parameters.get("NoProxy"),
            "KEYFERRY_ALARM_SERVICE": f"{stack}-deliver",
            "POWERTOOLS_SERVICE_NAME": f"{stack}-{self.name}",
            **{variable: outputs.get(output) for variable, output in (self.queues or {}).items()},
        }
        if self.is_concurrent:
            settings["KEYFERRY_CONCURRENCY"] = parameters.get("Concurrency")
            settings["KEYFERRY_SUSPENSIONS"] = f"/keyferry/{stack}/suspended"
        if self.name == "deliver":
            settings["KEYFERRY_STACK"] = stack
        if self.name == "reconcile":
            settings["KEYFERRY_SWEEP_SECONDS"] = SWEEP_SECONDS.get(parameters.get("SweepSchedule", ""))
        return {name: value for name, value in settings.items() if value is not None}


def resolve(setting: str, parameters: Mapping[str, Any]) -> int | None:
    """Return a number, or that of the parameter of this name; None where the stack has no such parameter."""
    value = parameters.get(setting, setting)
    return int(value) if str(value).isdigit() else None


FUNCTIONS = (
    Settings(
        *("route", "RouteFunction", 60, "512", Source("Changes", 10)),
        {_INBOX: "ChangesQueueUrl", _DELIVERIES: "DeliveriesQueueUrl"},
        is_concurrent=False,
    ),
    Settings(
        *("deliver", "DeliverFunction", 120, "DeliverMemory", Source("Deliveries", 1, "MaximumConcurrency")),
        {
            _INBOX: "DeliveriesQueueUrl",
            _DELIVERIES: "DeliveriesQueueUrl",
            _DEAD_LETTERS: "DeliveriesDeadLettersQueueUrl",
        },
    ),
    Settings(
        *("reconcile", "ReconcileFunction", 900, "DeliverMemory", Source("Sweeps")),
        {_INBOX: "SweepsQueueUrl", _DELIVERIES: "DeliveriesQueueUrl"},
    ),
    Settings("report", "ReportFunction", 60, "DeliverMemory"),
)
"""The functions, each as template.yaml has it."""
