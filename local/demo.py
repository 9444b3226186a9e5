"""`make demo`: the main job, end to end, on a local cloud, with the measured time of each hop.

Each step checks what it says; one that did not happen ends the demo with a reason and exit code 1.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local import cloud as clouds
from local import world
from local.admin import Admin
from local.aws import Aws
from local.binaries import BinariesError
from local.install import Installation, install, let_administrator_in
from local.look import how_to_look
from local.processes import StartError
from local.stack import StackError
from local.timeline import Hop, hops
from local.watch import NotSeenError, depth, log_lines, until

EXAMPLES = Path(__file__).resolve().parent.parent / "examples/mappings"
QUIET_SECONDS = 1.5
"""How long nothing must happen before the demo believes that nothing does."""


@dataclass
class Demo:
    """The demo under way."""

    console: Console
    summary: list[tuple[str, str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Announce a step, time it, and note it for the summary with what it says last."""
        self.console.print(f"[bold]▸ {title}[/bold]")
        began, said = time.monotonic(), [""]

        def say(text: str) -> None:
            said.append(text)
            self.console.print(f"  {text}", style="dim", highlight=False)

        yield say
        self.summary.append((title, said[-1], time.monotonic() - began))


def run(directory: Path, console: Console, *, running: Path | None) -> int:
    """Run the demo and return its exit code.

    Args:
        directory: where the local cloud keeps its files.
        console: where the story is told.
        running: where to write down the processes of the cloud, which then is left running; None to stop it.
    """
    demo = Demo(console)
    cloud = None
    try:
        with demo.step("A local cloud: AWS and the clusters prod-eu and prod-us") as say:
            cloud = clouds.start(directory, say, keep=running is not None)
            if running:
                clouds.remember(cloud, running)
            say(f"AWS at {cloud.aws.endpoint}, " + ", ".join(f"{n} at {p.endpoint}" for n, p in cloud.clusters.items()))
        installed = _set_up(demo, cloud)
        _tell(demo, installed)
        _summarise(demo)
        if running:  # without line breaks: commands to paste must stay whole
            console.print(how_to_look(installed), highlight=False, markup=False, soft_wrap=True)
    except (NotSeenError, BinariesError, StartError, StackError) as error:
        console.print(f"[red]✗ {error}[/red]", highlight=False)
        return 1
    finally:
        if cloud and not running:
            clouds.stop(cloud)
    return 0


def _set_up(demo: Demo, cloud: clouds.Cloud) -> Installation:
    with demo.step("Secrets in AWS, namespaces and Deployments in both clusters") as say:
        world.create_sources(cloud.aws)
        for admin in cloud.admins.values():
            world.create_namespaces(admin)
            world.create_workloads(admin)
        say("3 secrets, 1 parameter; 3 namespaces and 5 Deployments in each cluster")
    with demo.step("Keyferry: sam build, sam deploy, RBAC and access entries") as say:
        installed = install(cloud, EXAMPLES, say)
        let_administrator_in(cloud)
        return installed


def _tell(demo: Demo, installed: Installation) -> None:
    _first_delivery(demo, installed)
    _rotate(demo, installed)
    _repeat(demo, installed)
    _change_unmapped(demo, installed)
    _edit_by_hand(demo, installed)


def _first_delivery(demo: Demo, installed: Installation) -> None:
    with demo.step("First delivery: the deployment itself starts a sweep") as say:
        for name, admin in installed.admins.items():
            for secret, namespace in world.SECRETS:
                until(f"{name}: Secret {namespace}/{secret}", partial(admin.data, secret, namespace))
        _settled(installed)
        say(f"{len(world.SECRETS)} Secrets in each of {len(installed.admins)} clusters, workloads restarted")


def _rotate(demo: Demo, installed: Installation) -> None:
    with demo.step("Rotation: put-secret-value, and nothing else") as say:
        before = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        since = _put(installed, "canary-payments-2")
        for name, admin in installed.admins.items():
            until(f"{name}: the new password", partial(_has_password, admin, b"canary-payments-2"))
            until(f"{name}: the rollout of api", partial(_has_rolled, admin, before[name]))
        _settled(installed)
        for name, admin in installed.admins.items():
            new = world.replica_sets(admin) - before[name]
            _check(len(new) == 2, f"{name}: api and worker roll out once each, and docs not at all; new: {len(new)}")
        told = hops(installed, since)
        demo.console.print(_timeline(told))
        say(f"in both clusters after {max(hop.seconds for hop in told if hop.name == 'Secret written'):.2f} s")


def _repeat(demo: Demo, installed: Installation) -> None:
    with demo.step("The same event ten times more") as say:
        before = _state(installed)
        since = datetime.now(UTC)
        aws, version = installed.cloud.aws, _current(installed)
        for number in range(10):  # half with the id of one event, as a duplicate has; half with ids of their own
            event_id = f"repeated-{max(number - 4, 0)}"
            world.send_event(aws, installed.outputs["ChangesQueueUrl"], world.DATABASE, version, event_id)
        function = installed.outputs["RouteFunction"]
        until("ten events routed", lambda: len(_routed(aws, function, since)) >= 10)
        _settled(installed)
        _check(_state(installed) == before, "a repeated event changed an object")
        say("no object changed: every resourceVersion is as it was")


def _change_unmapped(demo: Demo, installed: Installation) -> None:
    with demo.step("A key changes that no mapping names") as say:
        before = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        version = _put_value(installed, world.database("canary-payments-2", comment="rotated by hand"))
        for name, admin in installed.admins.items():
            until(f"{name}: the version noted", partial(_has_version, admin, version))
        _settled(installed)
        after = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        _check(after == before, "a key that is not mapped restarted a workload")
        say("the new version is noted on the Secret; nothing restarts")


def _edit_by_hand(demo: Demo, installed: Installation) -> None:
    with demo.step("Somebody edits the Secret by hand; the sweep puts it right") as say:
        admin = installed.admins["prod-eu"]
        admin.edit("Secret", "payments-db", "payments", {"data": {"password": "b29wcw=="}})
        _check(world.password(admin) == b"oops", "the edit by hand did not arrive")
        client = installed.cloud.aws.client("lambda")
        client.invoke(FunctionName=installed.outputs["ReconcileFunction"], Payload=b"{}")
        until("prod-eu: the password put right", partial(_has_password, admin, b"canary-payments-2"))
        _settled(installed)
        say("put right, and the workloads that may have read it restarted")


def _has_password(admin: Admin, password: bytes) -> bool:
    return world.password(admin) == password


def _has_rolled(admin: Admin, before: set[str]) -> bool:
    return len(world.replica_sets(admin) - before) >= 2


def _has_version(admin: Admin, version: str) -> bool:
    return version in world.versions(admin)


def _settled(installed: Installation) -> None:
    """Wait until every queue has been empty for a while; nothing may lie on a dead-letter queue."""
    urls = [url for name, url in installed.outputs.items() if name.endswith("QueueUrl")]
    dead = [url for name, url in installed.outputs.items() if name.endswith("DeadLettersQueueUrl")]
    aws, quiet_since = installed.cloud.aws, time.monotonic()

    def quiet() -> bool:
        nonlocal quiet_since
        if any(depth(aws, url) for url in urls):
            quiet_since = time.monotonic()
        for url in dead:
            _check(depth(aws, url) == 0, f"a message lies on {url.rsplit('/', 1)[-1]}")
        return time.monotonic() - quiet_since > QUIET_SECONDS

    until("empty queues", quiet, seconds=60)


def _put(installed: Installation, password: str) -> datetime:
    since = datetime.now(UTC)
    _put_value(installed, world.database(password))
    return since


def _put_value(installed: Installation, text: str) -> str:
    client = installed.cloud.aws.client("secretsmanager")
    return str(client.put_secret_value(SecretId=world.DATABASE, SecretString=text)["VersionId"])


def _current(installed: Installation) -> str:
    client = installed.cloud.aws.client("secretsmanager")
    return str(client.get_secret_value(SecretId=world.DATABASE)["VersionId"])


def _routed(aws: Aws, function: str, since: datetime) -> list[dict[str, Any]]:
    return [line for line in log_lines(aws, function, since=since) if line.get("message") == "routed"]


def _state(installed: Installation) -> dict[str, object]:
    return {name: world.resource_versions(admin) for name, admin in installed.admins.items()}


def _check(held: bool, otherwise: str) -> None:
    if not held:
        raise NotSeenError(otherwise)


def _timeline(told: list[Hop]) -> Table:
    table = Table("cluster", "what", "after", "hop", title="put-secret-value at 0", title_justify="left")
    for hop in told:
        table.add_row(hop.cluster, hop.name, f"{hop.seconds:.3f} s", f"+{hop.since_last:.3f} s")
    return table


def _summarise(demo: Demo) -> None:
    table = Table("step", "result", "took", title="Summary", title_justify="left")
    for title, result, seconds in demo.summary:
        table.add_row(title, result, f"{seconds:.1f} s")
    demo.console.print(table)
