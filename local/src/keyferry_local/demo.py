"""`keyferry local demo`: the main job, end to end, on a local cloud, with the measured time of each hop.

Each step checks what it says; one that did not happen ends the demo with a reason and exit code 1.
"""

import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from keyferry_local import cloud as clouds
from keyferry_local import world
from keyferry_local.admin import Admin, Refused
from keyferry_local.aws import Aws
from keyferry_local.binaries import BinariesError
from keyferry_local.cloud import Cloud
from keyferry_local.install import Installation, install, let_administrator_in
from keyferry_local.look import last_reasons, list_ended, list_next, write_settings
from keyferry_local.processes import StartError
from keyferry_local.stack import StackError
from keyferry_local.story import Story
from keyferry_local.timeline import Hop, hops
from keyferry_local.tools import ToolError, find_files
from keyferry_local.watch import NotSeenError, depth, log_lines, until

EXAMPLES = find_files("examples", "mappings")
QUIET_SECONDS = 1.5
"""How long nothing must happen before the demo believes that nothing does."""
SECRET = "/".join(reversed(world.DATABASE_SECRET))
USERS = ["api", "worker"]
"""The Deployments that use it; `docs`, beside them, does not."""
BOTH = " and ".join(USERS)


def run(directory: Path, console: Console, *, settings: Path, running: Path | None) -> int:
    """Run the demo and return its exit code.

    Args:
        directory: where the local cloud keeps its files.
        console: where the story is told.
        settings: the file to write settings to that a shell can source.
        running: where to write down the processes of the cloud, which then is left running; None to stop it.
    """
    story, cloud, installed = Story(console), None, None
    try:
        cloud = _start(story, directory, running)
        write_settings(cloud, settings)
        installed = _set_up(story, cloud)
        _tell(story, installed)
    except (NotSeenError, BinariesError, ToolError, StartError, StackError, Refused) as error:
        _explain(story, error, last_reasons(installed) if installed else [])
        return 1
    finally:
        if cloud and not running:
            clouds.stop(cloud)
    story.say("")
    for line in list_next(installed, settings) if running else list_ended(os.environ):
        story.say(line)
    return 0


def _explain(story: Story, error: Exception, reasons: Iterable[str]) -> None:
    """Say why the demo has ended early."""
    story.say(f"✗ {error}", "red")
    for reason in reasons:
        story.say(f"The last reason of {reason}")


def _start(story: Story, directory: Path, running: Path | None) -> Cloud:
    with story.step("A local cloud: AWS, and the clusters prod-eu and prod-us") as say:
        cloud = clouds.start(directory, say, keep=running is not None)
        if running:
            clouds.remember(cloud, running)
    return cloud


def _set_up(story: Story, cloud: Cloud) -> Installation:
    with story.step("Secrets in AWS; 3 namespaces and 5 Deployments in each cluster"):
        world.create_sources(cloud.aws)
        for admin in cloud.admins.values():
            world.create_namespaces(admin)
            world.create_workloads(admin)
    with story.step("Keyferry: keyferry build, sam deploy, RBAC, access entries") as say:
        installed = install(cloud, EXAMPLES, say)
        let_administrator_in(cloud)
    return installed


def _tell(story: Story, installed: Installation) -> None:
    _first_delivery(story, installed)
    told = _rotate(story, installed)
    _repeat(story, installed)
    _change_unmapped(story, installed)
    _edit_by_hand(story, installed)
    story.say("")
    story.show_hops(told)


def _first_delivery(story: Story, installed: Installation) -> None:
    with story.step(f"The first sweep: {len(world.SECRETS)} Secrets in each cluster"):
        for name, admin in installed.admins.items():
            for secret, namespace in world.SECRETS:
                until(f"{name}: Secret {namespace}/{secret}", partial(admin.data, secret, namespace))
        _settle(story, installed)


def _rotate(story: Story, installed: Installation) -> list[Hop]:
    """Rotate a secret, and return the hops of that."""
    with story.step(f"{world.DATABASE} is rotated: {BOTH} restart, docs does not"):
        before = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        since = datetime.now(UTC)
        _put(installed, world.database("canary-payments-2"))
        for name, admin in installed.admins.items():
            until(f"{name}: the new password in {SECRET}", partial(_has_password, admin, b"canary-payments-2"))
            until(f"{name}: the rollout of {BOTH}", partial(_have_rolled, admin, before[name]))
        _settle(story, installed)
        for name, admin in installed.admins.items():
            rolled = _rolled(admin, before[name])
            _check(rolled == USERS, f"{name}: only {BOTH} roll out, once each; what did: {', '.join(rolled)}")
    return hops(installed, since)


def _repeat(story: Story, installed: Installation) -> None:
    with story.step("The same event ten times more: no object changes"):
        before = _state(installed)
        since = datetime.now(UTC)
        aws, version = installed.cloud.aws, _current(installed)
        for number in range(10):  # half with the id of one event, as a duplicate has; half with ids of their own
            event_id = f"repeated-{max(number - 4, 0)}"
            world.send_event(aws, installed.outputs["ChangesQueueUrl"], world.DATABASE, version, event_id)
        function = installed.outputs["RouteFunction"]
        until("ten events routed", lambda: len(_routed(aws, function, since)) >= 10)
        _settle(story, installed)
        _check(_state(installed) == before, "a repeated event changed an object")


def _change_unmapped(story: Story, installed: Installation) -> None:
    with story.step("A key of it changes that no mapping names: nothing restarts"):
        before = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        version = _put(installed, world.database("canary-payments-2", comment="rotated by hand"))
        for name, admin in installed.admins.items():
            until(f"{name}: the version noted on {SECRET}", partial(_has_version, admin, version))
        _settle(story, installed)
        after = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        _check(after == before, "a key that is not mapped restarted a workload")


def _edit_by_hand(story: Story, installed: Installation) -> None:
    with story.step("Somebody edits its Secret in prod-eu by hand: a sweep mends it"):
        admin = installed.admins["prod-eu"]
        before = world.replica_sets(admin)
        admin.edit("Secret", *world.DATABASE_SECRET, {"data": {"password": "b29wcw=="}})
        _check(world.password(admin) == b"oops", "the edit by hand did not arrive")
        client = installed.cloud.aws.client("lambda")
        client.invoke(FunctionName=installed.outputs["ReconcileFunction"], Payload=b"{}")
        until("prod-eu: the password put right", partial(_has_password, admin, b"canary-payments-2"))
        until(f"prod-eu: the rollout of {BOTH}", partial(_have_rolled, admin, before))
        _settle(story, installed)


def _has_password(admin: Admin, password: bytes) -> bool:
    return world.password(admin) == password


def _rolled(admin: Admin, before: set[str]) -> list[str]:
    """Return which Deployments have rolled out since then: as often as each has."""
    return sorted(name.rpartition("-")[0] for name in world.replica_sets(admin) - before)


def _have_rolled(admin: Admin, before: set[str]) -> bool:
    return set(USERS) <= set(_rolled(admin, before))


def _has_version(admin: Admin, version: str) -> bool:
    return version in world.versions(admin)


def _settle(story: Story, installed: Installation) -> None:
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
    story.idle(time.monotonic() - quiet_since)


def _put(installed: Installation, text: str) -> str:
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
