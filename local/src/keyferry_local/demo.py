"""`make demo`: the main job, end to end, on a local cloud, with the measured time of each hop.

Each step checks what it says; one that did not happen ends the demo with a reason and exit code 1.
"""

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
from keyferry_local.look import how_to_look, last_reasons
from keyferry_local.processes import StartError
from keyferry_local.stack import StackError
from keyferry_local.story import Story
from keyferry_local.timeline import hops
from keyferry_local.watch import NotSeenError, depth, log_lines, until

EXAMPLES = Path(__file__).resolve().parents[3] / "examples/mappings"
QUIET_SECONDS = 1.5
"""How long nothing must happen before the demo believes that nothing does."""
SECRET = "/".join(reversed(world.DATABASE_SECRET))
USERS = ["api", "worker"]
"""The Deployments that use it; `docs`, beside them, does not."""
BOTH = " and ".join(USERS)


def run(directory: Path, console: Console, *, running: Path | None) -> int:
    """Run the demo and return its exit code.

    Args:
        directory: where the local cloud keeps its files.
        console: where the story is told.
        running: where to write down the processes of the cloud, which then is left running; None to stop it.
    """
    story, cloud, installed = Story(console), None, None
    try:
        cloud = _start(story, directory, running)
        installed = _set_up(story, cloud)
        _tell(story, installed)
        story.summarise()
    except (NotSeenError, BinariesError, StartError, StackError, Refused) as error:
        _explain(story, error, last_reasons(installed) if installed else [])
        return 1
    finally:
        if cloud and not running:
            clouds.stop(cloud)
    story.say(how_to_look(installed) if running else "Everything was stopped. To leave it running: make demo KEEP=1")
    return 0


def _explain(story: Story, error: Exception, reasons: Iterable[str]) -> None:
    """Say why the demo has ended early."""
    story.say(f"✗ {error}", "red")
    for reason in reasons:
        story.say(f"The last reason of {reason}")


def _start(story: Story, directory: Path, running: Path | None) -> Cloud:
    with story.step("A local cloud: AWS and the clusters prod-eu and prod-us") as say:
        cloud = clouds.start(directory, say, keep=running is not None)
        if running:
            clouds.remember(cloud, running)
        say(f"AWS at {cloud.aws.endpoint}, " + ", ".join(f"{n} at {p.endpoint}" for n, p in cloud.clusters.items()))
        say("AWS, the sign-in of EKS, and a Kubernetes control plane for each cluster, on loopback")
    return cloud


def _set_up(story: Story, cloud: Cloud) -> Installation:
    with story.step("Secrets in AWS, namespaces and Deployments in both clusters") as say:
        world.create_sources(cloud.aws)
        for admin in cloud.admins.values():
            world.create_namespaces(admin)
            world.create_workloads(admin)
        say(f"in AWS {world.DATABASE}, prod/shop/session, prod/shop/keystore and the parameter /prod/payments/tls")
        say(f"in each cluster the namespaces {', '.join(world.TEAMS)}, with 5 Deployments")
    with story.step("Keyferry: sam build, sam deploy, RBAC and access entries") as say:
        installed = install(cloud, EXAMPLES, say)
        let_administrator_in(cloud)
    return installed


def _tell(story: Story, installed: Installation) -> None:
    _first_delivery(story, installed)
    _rotate(story, installed)
    _repeat(story, installed)
    _change_unmapped(story, installed)
    _edit_by_hand(story, installed)


def _first_delivery(story: Story, installed: Installation) -> None:
    with story.step("First delivery: the deployment itself starts a sweep") as say:
        for name, admin in installed.admins.items():
            for secret, namespace in world.SECRETS:
                until(f"{name}: Secret {namespace}/{secret}", partial(admin.data, secret, namespace))
        _settle(story, installed)
        made = ", ".join(f"{namespace}/{secret}" for secret, namespace in world.SECRETS)
        say(f"in each of {len(installed.admins)} clusters the Secrets {made}")


def _rotate(story: Story, installed: Installation) -> None:
    with story.step(f"Rotation: put-secret-value of {world.DATABASE}, and nothing else") as say:
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
        told = hops(installed, since)
        story.show_hops(told)
        written = max(hop.seconds for hop in told if hop.name == "Secret written")
        say(f"{SECRET} in both clusters after {written:.2f} s; {BOTH} rolled out, docs did not")


def _repeat(story: Story, installed: Installation) -> None:
    with story.step(f"The event of {world.DATABASE} ten times more") as say:
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
        say("no object changed: every resourceVersion is as it was")


def _change_unmapped(story: Story, installed: Installation) -> None:
    with story.step(f"A key of {world.DATABASE} changes that no mapping names: comment") as say:
        before = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        version = _put(installed, world.database("canary-payments-2", comment="rotated by hand"))
        for name, admin in installed.admins.items():
            until(f"{name}: the version noted on {SECRET}", partial(_has_version, admin, version))
        _settle(story, installed)
        after = {name: world.replica_sets(admin) for name, admin in installed.admins.items()}
        _check(after == before, "a key that is not mapped restarted a workload")
        say(f"the new version is noted on {SECRET}; nothing restarts")


def _edit_by_hand(story: Story, installed: Installation) -> None:
    with story.step(f"Somebody edits {SECRET} in prod-eu by hand; the sweep puts it right") as say:
        admin = installed.admins["prod-eu"]
        before = world.replica_sets(admin)
        admin.edit("Secret", *world.DATABASE_SECRET, {"data": {"password": "b29wcw=="}})
        _check(world.password(admin) == b"oops", "the edit by hand did not arrive")
        client = installed.cloud.aws.client("lambda")
        client.invoke(FunctionName=installed.outputs["ReconcileFunction"], Payload=b"{}")
        until("prod-eu: the password put right", partial(_has_password, admin, b"canary-payments-2"))
        until(f"prod-eu: the rollout of {BOTH}", partial(_have_rolled, admin, before))
        _settle(story, installed)
        say(f"put right, and {BOTH}, which may have read it, restarted")


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
