"""What a person is told who looks into the local cloud: commands to paste, and why something did not happen."""

import json
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from keyferry_local import world
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import log_lines

_SETTINGS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "NO_PROXY")
_PROBES = {"aws": ["aws", "--version"], "kubectl": ["kubectl", "version", "--client"]}
_VALUE = world.database("canary-payments-3")


def works(program: str) -> bool:
    """Return whether this machine has the program: on the path may also be a stub of it that only fails."""
    try:
        return subprocess.run(_PROBES[program], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def how_to_look(installed: Installation, has: Callable[[str], bool] = works) -> str:
    """Return what a person types to look around in a cloud that is left running.

    Args:
        installed: the cloud, and Keyferry in it.
        has: tells whether `aws` or `kubectl` is there; what takes one that is not there is said in Python.
    """
    settings, clusters = installed.cloud.aws.environment(), installed.cloud.clusters.values()
    missing = [program for program in _PROBES if not has(program)]
    aws, kubectl = _boto if "aws" in missing else _aws, _admin if "kubectl" in missing else _kubectl
    rotate, log = aws(installed.outputs["DeliverFunction"])
    lines = [
        "The local cloud is left running. To use it, in this folder:",
        "  unset AWS_PROFILE AWS_SESSION_TOKEN",
        *(f"  export {name}={settings[name]}" for name in _SETTINGS),
        *(f"This machine has no {program}; what takes it is in Python." for program in missing),
        f"Rotate {world.DATABASE}:",
        f"  {rotate}",
        "A second later, the password in each cluster, and what deliver has said:",
        *(f"  {kubectl(plane.kubeconfig)}" for plane in clusters),
        f"  {log}",
        "What a push from this terminal would do, with the rights of deliver:",
        "  .venv/bin/keyferry --mappings examples/mappings push --dry-run",
        "The state of each Secret, what became of the last change, what is wrong, and what the mappings change:",
        *(f"  {command}" for command in _list_questions(installed)),
        f"Logs of AWS and of the clusters: {installed.cloud.directory}. Stop it with: make stop",
    ]
    return "\n".join(lines)


def _list_questions(installed: Installation) -> list[str]:
    """Return the commands that look at the stack; doctor has the contexts of all clusters from KUBECONFIG."""
    keyferry = f".venv/bin/keyferry --mappings {installed.checkout / 'mappings'}"
    kubeconfigs = ":".join(str(plane.kubeconfig) for plane in installed.cloud.clusters.values())
    return [
        f"{keyferry} status --stack {STACK}",
        f"{keyferry} trace {world.DATABASE} --stack {STACK}",
        f"KUBECONFIG={kubeconfigs} {keyferry} doctor --stack {STACK}",
        f"{keyferry} plan --stack {STACK}",
    ]


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


def _aws(function: str) -> tuple[str, str]:
    """Return how the AWS CLI rotates the secret, and how it shows a function's log."""
    put = f"aws secretsmanager put-secret-value --secret-id {world.DATABASE} --secret-string {shlex.quote(_VALUE)}"
    show = f"aws logs filter-log-events --log-group-name /aws/lambda/{function} --filter-pattern mapping"
    return put, f"{show} --query 'events[].[message]' --output text"


def _boto(function: str) -> tuple[str, str]:
    """Return the same for a machine that has no AWS CLI."""
    put = f'put_secret_value(SecretId="{world.DATABASE}", SecretString={json.dumps(_VALUE)})'
    chosen = f'logGroupName="/aws/lambda/{function}", filterPattern="mapping"'
    events = f'boto3.client("logs").filter_log_events({chosen})["events"]'
    return (
        _python(f'import boto3; boto3.client("secretsmanager").{put}'),
        _python(f'import boto3; print(*(each["message"] for each in {events}), sep="\\n")'),
    )


def _kubectl(kubeconfig: Path) -> str:
    """Return how kubectl shows the password."""
    name, namespace = world.DATABASE_SECRET
    get = f"kubectl --kubeconfig {kubeconfig} get secret {name} -n {namespace}"
    return f"{get} -o jsonpath='{{.data.password}}' | base64 -d; echo"


def _admin(kubeconfig: Path) -> str:
    """Return the same for a machine that has no kubectl."""
    name, namespace = world.DATABASE_SECRET
    data = f'Admin("{kubeconfig}").data("{name}", "{namespace}")'
    return _python(f'from keyferry_local.admin import Admin; print({data}["password"].decode())')


def _python(program: str) -> str:
    return f".venv/bin/python -c {shlex.quote(program)}"
