"""What a person is told who looks into the local cloud: settings, what to type next, why something did not happen."""

import shlex
import sysconfig
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from keyferry.guides import link
from keyferry_local import binaries, world
from keyferry_local.cloud import Cloud
from keyferry_local.install import Installation
from keyferry_local.watch import log_lines

_AWS_CLI = Path(__file__).resolve().parents[3] / ".tools/awscli/bin"
"""The AWS CLI of a checkout; who has the wheel alone has their own."""
_SETTINGS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "NO_PROXY")
_VALUE = world.database("canary-payments-3")


def write_settings(cloud: Cloud, file: Path) -> None:
    """Write a file which a shell sources to use a local cloud: `aws`, `kubectl` and `keyferry` then talk to it alone.

    Args:
        cloud: the cloud.
        file: the file.
    """
    own = [_AWS_CLI] if _AWS_CLI.exists() else []
    folders = [sysconfig.get_path("scripts"), *own, binaries.provide(lambda _: None).kubectl.parent]
    variables = {name: cloud.aws.environment()[name] for name in _SETTINGS}
    variables["KUBECONFIG"] = ":".join(str(plane.kubeconfig.resolve()) for plane in cloud.clusters.values())
    lines = [
        "# Settings of the local cloud; `keyferry local down` ends it, and they are of no use any more.",
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        f"export PATH={':'.join(shlex.quote(str(folder)) for folder in folders)}:$PATH",
    ]
    file.write_text("\n".join(lines) + "\n")


def list_next(installed: Installation, settings: Path) -> Iterator[str]:
    """Yield the lines that say what to do next in a cloud that is left running: what is typed is indented.

    Args:
        installed: the cloud, and Keyferry in it.
        settings: the file of `write_settings`.
    """
    name, namespace = world.DATABASE_SECRET
    yield "The local cloud is left running. Its settings, and its mappings:"
    yield f"  source {_shorten(settings)}"
    yield f"  cd {_shorten(installed.checkout)}"
    yield f"Rotate {world.DATABASE}, and see it arrive:"
    yield f"  aws secretsmanager put-secret-value --secret-id {world.DATABASE} \\"
    yield f"    --secret-string {shlex.quote(_VALUE)}"
    for context in installed.cloud.clusters:
        yield f"  kubectl --context {context} -n {namespace} get secret {name} \\"
        yield "    -o jsonpath='{.data.password}' | base64 -d; echo"
    yield "The state of each Secret, and what became of the change:"
    yield "  keyferry status"
    yield f"  keyferry trace {world.DATABASE}"
    yield "What is wrong; what the mappings change; what a push would do:"
    yield "  keyferry doctor"
    yield "  keyferry plan"
    yield "  keyferry push --local --dry-run"
    yield f"Stop it, in {Path.cwd()}:"
    yield "  keyferry local down"


def list_ended(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that say what to do next where everything was stopped.

    Args:
        environment: the environment variables, of which make sets MAKELEVEL for what it calls.
    """
    yield "Everything was stopped. To leave it running, and look around:"
    yield "  make demo KEEP=1" if "MAKELEVEL" in environment else "  keyferry local demo --keep"
    yield "Your own mappings in a local cloud:"
    yield f"  {link('try/local-cloud', 'your-own-mappings')}"
    yield "Your own first Secret:"
    yield f"  {link('try/start')}"


def _shorten(path: Path) -> Path:
    """Return a path as it is seen from the current folder, if it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def last_reasons(installed: Installation) -> list[str]:
    """Return the last reason of each function for not doing its work, as far as there is one, and AWS still there."""
    found = []
    for output in ("RouteFunction", "DeliverFunction", "ReconcileFunction"):
        try:
            lines = log_lines(installed.cloud.aws, installed.outputs[output], since=datetime.fromtimestamp(0, UTC))
        except (BotoCoreError, ClientError):
            continue
        told = [(line.get("timestamp"), text) for line in lines if (text := line.get("reason") or line.get("error"))]
        found += [f"{installed.outputs[output]} ({at}): {text}" for at, text in told[-1:]]
    return found
