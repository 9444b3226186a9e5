"""Runs in a process with the package of one release, this one or the one before, and does what it is told by stdin.

Each line of stdin is one step as JSON, `{"do": …}` and what it needs; each line of stdout is the answer to one. The
state of a cluster goes from one release to the other in these lines. A release that has this file is driven by its own.
"""

import itertools
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keyferry.cli.check import files
from keyferry.cli.deployment import load_state
from keyferry.cli.plan.build import Basis, build_plan
from keyferry.delivery.passes import deliver
from keyferry.delivery.work import Work
from keyferry.errors import MappingsUnreadable
from keyferry.model import Delivery
from keyferry.pipeline.comparison import Readers, Scope
from keyferry.pipeline.mappings import list_mappings
from keyferry.pipeline.route import plan_deliveries
from keyferry.pipeline.settle import settle_error
from keyferry.pipeline.status import list_status
from keyferry.pipeline.sweep import Sweep
from keyferry.testing import Calls, FakeClock, FakeCluster, FakeSecret, FakeSources

try:
    from keyferry.runtime.compiled import COMPILED_FILE, load_catalog
except ModuleNotFoundError:  # of a release that has them elsewhere
    from keyferry.runtime.wiring import COMPILED_FILE, load_catalog  # type: ignore[attr-defined,no-redef]

type Json = dict[str, Any]
MESSAGES: Mapping[str, type[Delivery | Sweep]] = {"delivery": Delivery, "sweep": Sweep}
CLUSTER, NAMESPACE, MAPPING = "prod-eu", "payments", "payments-db"


class Died(BaseException):
    """The process ends here."""


def write_message(step: Json) -> Json:
    """Return the body of the message that has these fields."""
    return {"body": MESSAGES[step["kind"]].model_validate(step["fields"]).to_json()}


def read_message(step: Json) -> Json:
    """Return what a body says, written by this release."""
    return {"body": MESSAGES[step["kind"]].model_validate_json(step["body"]).to_json()}


def route(step: Json) -> Json:
    """Return the bodies of the messages that follow for an event."""
    report = plan_deliveries(step["event"], load_catalog(Path(step["layer"])))
    return {"bodies": [json.loads(delivery.to_json()) for delivery in report.deliveries]}


def compile_mappings(step: Json) -> Json:
    """Write the mappings layer of a folder of mapping files."""
    catalog = files.load(Path(step["mappings"])).model_copy(update={"folder": "mappings"})
    text = catalog.model_dump_json(by_alias=True, exclude_defaults=True) + "\n"
    (Path(step["layer"]) / COMPILED_FILE).write_text(text)
    return {}


def read_layer(step: Json) -> Json:
    """Return what a mappings layer says, written by this release; or what becomes of messages without it."""
    try:
        catalog = load_catalog(Path(step["layer"]))
    except MappingsUnreadable as error:
        return {"decision": settle_error(error).decision, "kind": type(error).__name__}
    return {"document": catalog.model_dump(mode="json", by_alias=True, exclude_defaults=True)}


def carry_out(step: Json) -> Json:
    """Deliver, with the mappings layer, to a cluster in some state; return its new state, and what was written.

    `dies` ends the process before a call that begins so.
    """
    catalog, cluster, calls = load_catalog(Path(step["layer"])), load_cluster(step["state"]), Calls()
    calls.before = _die_before(step.get("dies"))
    mapping, target = catalog.get(MAPPING, CLUSTER)
    sources, clock = load_sources(step["sources"]), FakeClock()
    delivery = Delivery(mapping=MAPPING, cluster=CLUSTER, event_id="event-1", time=datetime.now(UTC))
    reader = sources.create_reader(calls)
    work = Work(
        delivery,
        mapping,
        cluster.client(calls),
        target.restart_kinds,
        lambda _sources: reader,
        clock.deadline(seconds=60),
        concurrency=1,
        sleep=clock.sleep,
    )
    try:
        errors = [str(error) for error in deliver(work).errors]
    except Died:
        errors = ["died"]
    return {"state": dump_cluster(cluster), "history": cluster.history, "errors": errors}


def report(step: Json) -> Json:
    """Return what the function `report` answers: the mappings that are deployed, and the state of their targets."""
    catalog, cluster = load_catalog(Path(step["layer"])), load_cluster(step["state"])
    readers = Readers(
        connect=lambda _cluster, _deadline: cluster.client(),
        read_state=load_sources(step["sources"]).read_state,
        deadline=FakeClock().deadline(60),
    )
    pages = {"mappings": list_mappings(catalog, None), "status": list_status(Scope(), catalog, readers)}
    return {name: {"release": step["release"], **page} for name, page in pages.items()}


def plan(step: Json) -> Json:
    """Return what a folder changes against what `report` has answered."""
    pages = step["pages"]

    class Stack:
        name = "keyferry"

        def ask(self, question: str) -> list[Json]:
            return [pages[question]]

    deployment, rows = load_state(Stack())
    folder = files.load(Path(step["mappings"]))
    basis = Basis(
        folder=folder,
        deployment=deployment,
        rows=rows,
        stack=("keyferry", "eu-west-1"),
        generated={},
        now=datetime.now(UTC),
    )
    return {"plan": build_plan(basis).model_dump(mode="json", by_alias=True)}


def load_cluster(state: Json) -> FakeCluster:
    """Return a cluster in a state that `dump_cluster` gave; a new one with one Deployment for `{}`."""
    cluster = FakeCluster(NAMESPACE)
    container = {"name": "main", "envFrom": [{"secretRef": {"name": MAPPING}}]}
    new = {"metadata": {"name": "api"}, "spec": {"template": {"spec": {"containers": [container]}}}}
    cluster.run(NAMESPACE, "Deployment", state.get("deployment", new))
    for one in state.get("secrets", []):
        fields = {tuple(path): text for path, text in one["fields"]}
        managed = {(manager, operation): {*map(tuple, paths)} for manager, operation, paths in one["managed"]}
        cluster.secrets[NAMESPACE, one["name"]] = FakeSecret(one["uid"], one["version"], fields, managed)
    cluster._numbers = itertools.count(state.get("next", 100))  # no number twice
    return cluster


def dump_cluster(cluster: FakeCluster) -> Json:
    """Return the state of a cluster."""
    secrets = [
        {
            "name": name,
            "uid": secret.uid,
            "version": secret.version,
            "fields": [[list(path), text] for path, text in sorted(secret.fields.items())],
            "managed": [[*entry, sorted(map(list, paths))] for entry, paths in sorted(secret.managed_fields.items())],
        }
        for (_, name), secret in cluster.secrets.items()
    ]
    deployment = cluster.workloads[NAMESPACE, "Deployment", "api"]
    return {"secrets": secrets, "deployment": deployment, "next": next(cluster._numbers)}


def load_sources(values: Mapping[str, list[str]]) -> FakeSources:
    """Return sources, given name → value and version."""
    sources = FakeSources()
    for name, (text, version) in values.items():
        sources.put(name, text, version)
    return sources


def _die_before(begins: str | None) -> Callable[[int, str], None]:
    def step(_number: int, call: str) -> None:
        if begins and call.startswith(begins):
            raise Died

    return step


STEPS = {
    "write message": write_message,
    "read message": read_message,
    "route": route,
    "compile": compile_mappings,
    "read layer": read_layer,
    "deliver": carry_out,
    "report": report,
    "plan": plan,
}

if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(STEPS[asked.pop("do")](asked)), flush=True)
