"""A stack with its targets, and a folder that is compared with it: what tests of plans start from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keyferry import __version__
from keyferry.cli.deployment import Deployment
from keyferry.cli.plan.build import Basis, build_plan
from keyferry.cli.plan.document import Plan, TargetChange
from keyferry.cli.trace.pages import LogLines
from keyferry.delivery.passes import deliver
from keyferry.delivery.report import Report
from keyferry.delivery.work import Work
from keyferry.errors import KeyferryError
from keyferry.formats import yamltext
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery, Expected
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.mappings import list_mappings
from keyferry.pipeline.question import MappingsFields, answer
from keyferry.pipeline.status import list_status
from tests.unit.clusters import World
from tests.unit.samples import cluster

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
EU, US = cluster("prod-eu"), cluster("prod-us")


def list_rows(world: World) -> list[dict[str, Any]]:
    """Return what the function `report` says of the targets of a world."""
    return list(list_status(Scope(), world.catalog, world.services())["rows"])


def deploy(catalog: Catalog, release: str = "") -> Deployment:
    """Return a stack that is deployed with these mappings."""
    return Deployment(catalog, catalog.digest, release or __version__)


def folder_of(world: World, *mappings: SecretMapping, clusters: Sequence[Cluster] | None = None) -> Catalog:
    """Return a folder with these mappings in place of those of a world; without any, a copy of its own."""
    known = list(world.catalog.clusters.values()) if clusters is None else clusters
    return build_catalog(mappings or world.catalog.mappings.values(), known)


def plan_of(world: World, folder: Catalog, **more: Any) -> Plan:  # noqa: ANN401
    """Return what a folder changes against the stack of a world."""
    known: dict[str, Any] = {"stack": ("keyferry", "eu-west-1"), "generated": {}, "now": NOW} | more
    return build_plan(Basis(folder=folder, deployment=deploy(world.catalog), rows=list_rows(world), **known))


def name_targets(changes: Sequence[TargetChange]) -> list[str]:
    """Return each target with what becomes of it, shortly."""
    return [
        " ".join(filter(None, [each.change, each.cluster, each.namespace, each.secret, each.will, each.content]))
        for each in changes
    ]


class FakeStack:
    """The stack of a world: it answers as the function `report` does, and remembers what it was asked."""

    name, region, session = "keyferry", "eu-west-1", None

    def __init__(self, world: World) -> None:
        self.world, self.asked, self.release = world, list[str](), __version__
        self.refusal: KeyferryError | None = None
        self.lines: list[dict[str, Any]] | KeyferryError = []
        """What its function `deliver` has logged, or why that cannot be read."""
        self.is_whole = True
        """Whether that is all of it."""

    def list_attempts(self, _since: datetime, **_more: object) -> list[LogLines]:
        """Return the log lines of attempts at deliveries."""
        if isinstance(self.lines, KeyferryError):
            raise self.lines
        return [LogLines(self.lines, self.is_whole)]

    def ask(self, question: str, **fields: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # JSON
        """Yield the pages of an answer."""
        self.asked.append(question)
        if self.refusal:
            raise self.refusal
        page = answer(
            {"question": question, **fields},
            self.release,
            {
                "status": lambda given: list_status(
                    Scope.model_validate(given), self.world.catalog, self.world.services()
                ),
                "mappings": lambda given: list_mappings(
                    self.world.catalog, MappingsFields.model_validate(given).cursor
                ),
            },
        )
        assert "error" not in page, page
        yield json.loads(json.dumps(page))


class FakeRuntime:
    """Deliveries to the clusters of a world, by the code of the function."""

    def __init__(self, world: World) -> None:
        self.world, self.catalog, self.delivered = world, Catalog(), list[str]()

    def __call__(self, _environment: object, catalog: Catalog, _session: object) -> "FakeRuntime":
        self.catalog = catalog
        return self

    def prepare(self, delivery: Delivery, _deadline: object) -> Work:
        """Return a delivery with what it needs."""
        mapping, cluster = self.catalog.get(delivery.mapping, delivery.cluster)
        client, deadline = self.world.clusters[cluster.name].client(), self.world.clock.deadline(100)
        reader = self.world.sources.create_reader()
        return Work(delivery, mapping, client, cluster.restart_kinds, lambda _: reader, deadline)

    def deliver(self, delivery: Delivery, deadline: object, expected: Mapping[str, Expected] | None = None) -> Report:
        """Carry out a delivery."""
        self.delivered.append(delivery.group)
        return deliver(replace(self.prepare(delivery, deadline), expected=expected))


def write_folder(folder: Path, *mappings: SecretMapping, clusters: Sequence[Cluster] = (EU, US)) -> None:
    """Write mapping files in place of those that are there."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    listed = [each.model_dump(mode="json", by_alias=True, exclude_defaults=True) for each in clusters]
    documents = {"clusters": {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": listed}} | {
        each.name: each.model_dump(mode="json", by_alias=True, exclude_defaults=True) for each in mappings
    }
    for name, document in documents.items():
        (folder / f"{name}.yaml").write_text(yamltext.text(document))
