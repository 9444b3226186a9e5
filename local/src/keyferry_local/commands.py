"""`keyferry local`: one's own mappings in a local cloud, from the current folder."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from keyferry.cli.options import Settings, examples
from keyferry.cli.output.words import count
from keyferry.errors import InvalidInput
from keyferry.formats import yamltext
from keyferry.formats.yamltext import Positions
from keyferry.mapping.catalog import Catalog
from keyferry_local import cloud as clouds
from keyferry_local import demo as demonstration
from keyferry_local import install, sources, stack
from keyferry_local.admin import Refused
from keyferry_local.binaries import BinariesError
from keyferry_local.cloud import Cloud, Site
from keyferry_local.look import write_settings
from keyferry_local.processes import StartError
from keyferry_local.stack import StackError
from keyferry_local.story import Story
from keyferry_local.tools import ToolError, alone
from keyferry_local.watch import NotSeenError, depth, log_lines, until

FOLDER = Path(".keyferry-local")
"""Where all of it is, in the current folder."""
CLOUD, SETTINGS = FOLDER / "cloud.json", FOLDER / "env"
REGION = "eu-west-1"
"""The region where samconfig.toml names none."""
QUIET_SECONDS = 1.5
"""How long queues must be empty to be believed to be."""
PATIENCE_SECONDS = 120
_OF_EKS = ("endpoint", "certificateAuthority", "role")
"""Fields of a cluster that lead to the real one."""


class Local(click.Group):
    """Its commands end with one line where something does not start or is not seen.

    A terminal that is closed ends them as Ctrl-C does: what they have started in sessions of its own ends with them.
    """

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # as click has it
        """Run the command."""
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(signal.SIGHUP, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except (BinariesError, NotSeenError, Refused, StackError, StartError, ToolError) as error:
            raise InvalidInput(str(error)) from None


@click.group(cls=Local)
def local() -> None:
    """Try mappings in a local cloud: an emulated AWS, and real Kubernetes.

    It listens on loopback alone. What it keeps is in .keyferry-local/ of the current folder.
    """


@local.command(epilog=examples("keyferry local up"))
@click.pass_obj
def up(settings: Settings) -> None:
    """Start AWS and the clusters that clusters.yaml has."""
    catalog, story = settings.load_catalog(), _tell()
    with _alone(story):
        if clouds.is_running(CLOUD):
            story.say("A local cloud is running already, and nothing was changed.")
        else:
            _start(catalog, settings.config.region or REGION, story)
    story.say(f"Its settings, for `aws`, `kubectl` and `keyferry`:\n  source {SETTINGS}")
    story.say(f"Deploy the mappings:\n  {settings.describe_call().format('local', 'deploy')}")


@local.command(epilog=examples("keyferry local demo", "keyferry local demo --keep"))
@click.option("--keep", is_flag=True, help="Leave the local cloud running.")
def demo(*, keep: bool) -> None:
    """Rotate a secret of an example, and watch it reach two clusters."""
    story = _tell()
    with _alone(story):
        _demonstrate(story, keep=keep)


def _demonstrate(story: Story, *, keep: bool) -> None:
    place = FOLDER / "cloud"
    if clouds.is_running(CLOUD):
        story.say("A local cloud is running already, and nothing was changed. Its settings:")
        story.say(f"  source {SETTINGS}\nStop it with: keyferry local down")
        sys.exit(0 if keep else 1)
    last = clouds.make_room(place)
    code = demonstration.run(place.resolve(), story.console, settings=SETTINGS, running=CLOUD if keep else None)
    if code:
        left = " The local cloud is left running; stop it with: keyferry local down." if CLOUD.exists() else ""
        story.say(f"Logs: {place}. The next demo moves them to {last}.{left}")
    sys.exit(code)


@local.command(epilog=examples("keyferry local deploy", "keyferry local deploy --create-missing"))
@click.option("--create-missing", is_flag=True, help="Create secrets and parameters that are missing.")
@click.pass_obj
def deploy(settings: Settings, *, create_missing: bool) -> None:
    """Deploy the mappings, and show the state of each target.

    What leads to real clusters is left out of a copy, which is built by `keyferry build`, and deployed by
    `sam deploy`. Namespaces that the mappings name are made.
    """
    catalog, cloud, story = settings.load_catalog(), _load(), _tell()
    _check_clusters(catalog, cloud)
    with story.step("Namespaces"):
        _create_namespaces(catalog, cloud)
    sources.look(catalog, cloud.aws, story.say, create_missing=create_missing)
    name = _name_stack(settings)
    with story.step("Keyferry: keyferry build, sam deploy, RBAC, access entries") as say:
        repository = stack.stage(
            cloud.directory, copy_mappings(settings.mappings, cloud.aws.account), catalog.stack.prefix
        )
        outputs = _install(catalog, cloud, repository, name, say)
    with story.step("A sweep"):
        cloud.aws.client("lambda").invoke(FunctionName=outputs["ReconcileFunction"], Payload=b"{}")
        _settle(cloud, outputs)
    _show(cloud, settings, "status", "--stack", name)


@local.command(epilog=examples("keyferry local rotate prod/payments/db", "keyferry local rotate /prod/tls"))
@click.argument("secret")
@click.option("--key", help="Of a JSON value, the key to change.  [default: password, or the first]")
@click.option("--region", help="Its region.  [default: that of the stack]")
@click.pass_obj
def rotate(settings: Settings, secret: str, key: str | None, region: str | None) -> None:
    """Give a secret or parameter a new value, and follow it.

    Of a JSON value one key changes. The new value begins with canary-.
    """
    cloud, story, name = _load(), _tell(), _name_stack(settings)
    outputs = _find_outputs(cloud, name)
    place = region or cloud.aws.region
    both = [sources.Wanted(store, secret, place) for store in ("secretsmanager", "parameterstore")]
    wanted = next((each for each in both if not sources.is_missing(cloud.aws, each)), None)
    if wanted is None:
        raise InvalidInput(f"the local cloud has no secret and no parameter {secret} in {place}")
    began = datetime.now(UTC)
    changed = sources.rotate(cloud.aws, wanted, key)
    with story.step(f"{secret}: {changed}"):
        route = outputs["RouteFunction"]
        until("the event", lambda: log_lines(cloud.aws, route, since=began), seconds=PATIENCE_SECONDS)
        _settle(cloud, outputs)
    _show(cloud, settings, "trace", secret, "--stack", name)


@local.command()
def down() -> None:
    """Stop it, and remove what it kept."""
    with _alone(_tell()):
        stopped = clouds.forget(CLOUD)
        shutil.rmtree(FOLDER, ignore_errors=True)
    click.echo(f"stopped {count(stopped, 'process', 'processes')}" if stopped else "nothing is running")


def _tell() -> Story:
    return Story(Console(highlight=False))


def _alone(story: Story) -> AbstractContextManager[None]:
    """Wait until no other run starts or stops a local cloud in this folder, and keep them waiting.

    Raises:
        InvalidInput: the folder cannot be made.
    """
    try:
        FOLDER.mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{FOLDER}: cannot be made: {error.strerror}; be in a folder that can be written") from None
    return alone(FOLDER / "lock", story.say, "starts or stops a local cloud here")


def _start(catalog: Catalog, region: str, story: Story) -> None:
    """Start what the catalogue has, and write down how to use it."""
    sites = _list_sites(catalog)
    account = next(iter(catalog.clusters.values())).eks.account
    with story.step(f"A local cloud: AWS, and {count(len(sites), 'cluster')}") as say:
        cloud = clouds.start((FOLDER / "cloud").resolve(), say, sites=sites, account=account, region=region, keep=True)
        clouds.remember(cloud, CLOUD)
    write_settings(cloud, SETTINGS)


def _load() -> Cloud:
    cloud = clouds.load(CLOUD)
    if cloud is None:
        raise InvalidInput("no local cloud is running here: start it with `keyferry local up`")
    return cloud


def _list_sites(catalog: Catalog) -> list[Site]:
    """Return the clusters to start."""
    clusters = [cluster.eks for cluster in catalog.clusters.values()]
    if not clusters:
        raise InvalidInput("clusters.yaml has no cluster: there is nothing to start")
    names = [eks.name for eks in clusters]
    twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
    if twice:
        raise InvalidInput(f"several clusters are called {twice} in EKS, and a local cloud has one of each")
    return [Site(eks.name, eks.region) for eks in clusters]


def _check_clusters(catalog: Catalog, cloud: Cloud) -> None:
    missing = [cluster.eks.name for cluster in catalog.clusters.values() if cluster.eks.name not in cloud.clusters]
    if missing:
        raise InvalidInput(f"not running: {', '.join(missing)}; start anew, with `keyferry local down`, then `up`")


def _create_namespaces(catalog: Catalog, cloud: Cloud) -> None:
    for cluster in catalog.clusters.values():
        admin = cloud.admins[cluster.eks.name]
        for name in catalog.namespaces_on(cluster):
            if admin.get("Namespace", name) is None:
                admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _install(catalog: Catalog, cloud: Cloud, repository: Path, name: str, say: Callable[[str], None]) -> dict[str, str]:
    """Build and deploy the repository, let its roles and whoever uses it in, and return the outputs of the stack."""
    stack.build(repository, say, work=cloud.directory)
    for cluster in catalog.clusters.values():
        install.grant(cloud.admins[cluster.eks.name], repository / f"generated/clusters/{cluster.name}/rbac.yaml")
    parameters = {"RoleNamePrefix": catalog.stack.prefix}
    outputs = stack.deploy(repository, cloud.aws, stack_name=name, parameters=parameters, say=say)
    install.let_roles_in(cloud, outputs, repository / "generated/stack/access-entries.json")
    install.let_administrator_in(cloud, catalog.stack.identity.push)
    return outputs


def copy_mappings(folder: Path, account: str) -> Path:
    """Copy the mappings, and return the copy; its clusters are those of the local cloud, whatever they were.

    Args:
        folder: the mappings, without a problem.
        account: that of the local cloud.
    """
    copy = FOLDER / "copy" / folder.resolve().name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    for path in copy.rglob("*.y*ml"):
        documents = [yamltext.construct(node, Positions()) for node in yamltext.compose(path.read_text("utf-8"))]
        changed = [each for each in documents if isinstance(each, dict) and each.get("kind") == "Clusters"]
        for cluster in (cluster for document in changed for cluster in document["clusters"] or []):
            cluster["eks"]["account"] = account
            for name in _OF_EKS:
                cluster.pop(name, None)
        if changed:
            path.write_text("".join(f"---\n{yamltext.text(each)}\n" for each in documents), "utf-8")
    return copy


def _name_stack(settings: Settings) -> str:
    return settings.config.stack_name or install.STACK


def _find_outputs(cloud: Cloud, name: str) -> dict[str, str]:
    """Return the outputs of the stack.

    Raises:
        InvalidInput: it is not deployed.
    """
    described = cloud.aws.client("cloudformation").describe_stacks()["Stacks"]
    for each in described:
        if each["StackName"] == name:
            return {output["OutputKey"]: output["OutputValue"] for output in each.get("Outputs", [])}
    raise InvalidInput(f"stack {name} is not deployed there: `keyferry local deploy` does that")


def _settle(cloud: Cloud, outputs: dict[str, str]) -> None:
    """Wait until every queue has been empty for a while: deliveries that fail may stay for longer than we wait."""
    urls = [url for name, url in outputs.items() if name.endswith("QueueUrl") and "DeadLetters" not in name]
    end, quiet_since = time.monotonic() + PATIENCE_SECONDS / 4, time.monotonic()
    while time.monotonic() - quiet_since < QUIET_SECONDS and time.monotonic() < end:
        if any(depth(cloud.aws, url) for url in urls):
            quiet_since = time.monotonic()
        time.sleep(0.1)


def _show(cloud: Cloud, settings: Settings, *words: str) -> None:
    """Run a command of `keyferry` on the local cloud, as somebody would in this folder; its exit code is ours."""
    kubeconfigs = [str(plane.kubeconfig.resolve()) for plane in cloud.clusters.values()]
    environment = cloud.aws.inherit(os.environ) | {"KUBECONFIG": os.pathsep.join(kubeconfigs)}
    _, *rest = shlex.split(settings.describe_call().format(*words))
    argv = [str(Path(sys.executable).with_name("keyferry")), *rest]
    sys.stdout.flush()
    sys.exit(subprocess.run(argv, env=environment, check=False).returncode)
