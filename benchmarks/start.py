"""How long the command line takes to begin: its help, and the completion of a name, beside an empty Python program."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

ROUNDS = 15
KEYFERRY = str(Path(sys.executable).with_name("keyferry"))
COMPLETE = {"COMP_WORDS": "keyferry status pay", "COMP_CWORD": "2", "_KEYFERRY_COMPLETE": "bash_complete"}
EMPTY = "python -c pass"
COMMANDS: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
    EMPTY: ([sys.executable, "-c", "pass"], {}),
    "keyferry --help": ([KEYFERRY, "--help"], {}),
    "keyferry push --help": ([KEYFERRY, "push", "--help"], {}),
    "a name completed": ([KEYFERRY], COMPLETE),
}
"""What is measured → the command and its environment. The last ones import what their command needs."""


def measure(rounds: int = ROUNDS) -> Table:
    """Return the median time of each command, and how many times that of an empty program it is.

    The commands take turns, so that whatever else the machine does slows down all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, (command, environment) in COMMANDS.items():
            seconds[name].append(_time(command, environment))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    table = Table("command", "time", "beside an empty program", title="to begin", title_justify="left")
    for name, median in medians.items():
        table.add_row(name, f"{median * 1e3:.0f} ms", f"{median / medians[EMPTY]:.1f} times")
    return table


def _time(command: Sequence[str], environment: Mapping[str, str]) -> float:
    started = time.monotonic()
    subprocess.run(command, env=os.environ | environment, capture_output=True, check=True)
    return time.monotonic() - started
