"""The command line: `keyferry [--config-env NAME] [--mappings DIR] [--output table|json] COMMAND`."""

import sys
from pathlib import Path, PurePath

import click

from keyferry import __version__
from keyferry.cli.group import Group
from keyferry.cli.options import Settings, verbose

PLUGIN = "kubectl-keyferry"
"""The name under which kubectl finds the program, as its plugin `kubectl keyferry`."""
COMPLETE_VARIABLE = "_KEYFERRY_COMPLETE"
"""The variable by which a shell asks for completions, under whichever name the program runs."""
SECTIONS = {
    "prepare": {
        "init": "Write a repository for mappings, or one more environment into it",
        "migrate": "Make mappings of manifests of External Secrets and of the Secrets Store CSI driver",
        "validate": "Show everything that is wrong with the mappings",
        "generate": "Write the rights that the mappings need: IAM, RBAC, access entries",
        "build": "Make the SAM project of mappings and release",
        "explain": "Show which change an event is, and what follows from it",
        "schema": "Print the JSON Schema of mapping files, or of what a command answers",
        "completion": "Print the script that lets a shell complete commands",
    },
    "look": {
        "plan": "Show what the mappings change, against what is deployed",
        "status": "Show in which state each target is",
        "trace": "Follow the last change: event, route, delivery, write, restart",
        "history": "Show the versions of a secret, and when each reached which Secret",
        "doctor": "Show what is wrong with a stack and its clusters, and what mends it",
        "expiring": "Show what expires, what is not rotated, and how old values are",
    },
    "steer": {
        "push": "Bring Secrets to the current state of their sources",
        "restart": "Restart what uses the Secrets of a mapping",
        "suspend": "Stop deliveries, until they are resumed",
        "resume": "Let deliveries go on, and deliver what differs",
        "sweep": "Compare all targets with their sources now, and deliver what differs",
        "dead-letters": "Show what could not be delivered, and send it anew or drop it",
        "rollback": "Move a secret back to an earlier version, and follow it",
        "orphans": "Show what is left over of mappings that are gone",
        "uninstall": "Show what it takes to remove a stack, step by step",
    },
}
"""Section of the help, which is a folder of `keyferry.cli.commands` → its commands, by the names of their modules → the
first sentence of each one's help, without the full stop."""
VERBS = {verb: summary for commands in SECTIONS.values() for verb, summary in commands.items()}
"""Name of a command → its summary, in the order of the help."""


@click.group(cls=Group, sections=SECTIONS)
@click.option(
    "--mappings",
    type=click.Path(path_type=Path),
    help="Folder of the mappings and clusters.yaml.  [default: that of the environment, or mappings]",
)
@click.option(
    "--config-env",
    metavar="NAME",
    default="default",
    show_default=True,
    help="Environment of samconfig.toml, as `sam` has it.",
)
@click.option("--output", type=click.Choice(["table", "json"]), default="table", help="Form of the result.")
@verbose
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context, mappings: Path | None, config_env: str, output: str) -> None:
    """Carry changed AWS secrets into Kubernetes Secrets on EKS, and restart what uses them."""
    context.obj = Settings(mappings, output, config_env)


def run() -> None:
    """Run the command line; usage texts call the program as it was called: by its name, or as a plugin of kubectl."""
    name = PLUGIN.replace("-", " ", 1) if PurePath(sys.argv[0]).stem == PLUGIN else "keyferry"
    main(prog_name=name, complete_var=COMPLETE_VARIABLE)
