"""`keyferry completion`: the script by which a shell completes commands, options, mappings and clusters."""

import click
from click.shell_completion import get_completion_class

from keyferry.cli import COMPLETE_VARIABLE, main
from keyferry.cli.options import Settings, examples
from keyferry.cli.output import console


@click.command(epilog=examples("source <(keyferry completion bash)"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(_settings: Settings, shell: str) -> None:
    """Print the script that lets a shell complete commands.

    Bash: put `source <(keyferry completion bash)` into ~/.bashrc (4.4 or later). Zsh: the same with zsh into ~/.zshrc,
    after compinit. Fish: `keyferry completion fish > ~/.config/fish/completions/keyferry.fish`.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click has these three
    console.print_verbatim(kind(main, {}, "keyferry", COMPLETE_VARIABLE).source())
