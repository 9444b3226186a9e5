"""What the functions' imports cost, as a cold start on Lambda pays for them. `keyferry build` says what they weigh."""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CODE = "layers/code/python"
FUNCTIONS = ("route", "deliver", "reconcile")
RUNS = 5

BASELINE = "boto3"
"""What imports are compared with: boto3, and clients of two services."""
_WORK = {
    BASELINE: "import boto3; [boto3.client(n, region_name='eu-west-1') for n in ('secretsmanager', 'sts')]",
    **dict.fromkeys(FUNCTIONS, "import app"),
}

_IMPORT = """
import sys, time
sys.path[:0] = sys.argv[2:]
began = time.perf_counter()
exec(sys.argv[1])
seconds = time.perf_counter() - began
import json, resource
kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (10 if sys.platform == "darwin" else 0)
for line in open("/proc/self/status") if sys.platform == "linux" else ():
    if line.startswith("VmHWM:"):  # unlike the figure above, this one knows nothing of the process that started us
        kilobytes = int(line.split()[1])
print(json.dumps([seconds, kilobytes]))
"""


@dataclass(frozen=True)
class Import:
    """What the import of a handler takes; the medians of several runs, each in a new interpreter."""

    name: str
    seconds: float
    megabytes: float
    """The most memory that the process had resident."""
    ratio: float
    """Its seconds to those of boto3 and two clients, in the same minute."""

    def __str__(self) -> str:
        took = f"imported in {self.seconds:.2f} s, {self.ratio:.2f} times boto3 and two clients"
        return f"{self.name:<14}{self.megabytes:7.1f} MB of memory, {took}"


class ImportFailed(Exception):
    """A handler cannot be imported from what was built; the text is what Python said."""


def measure(build_dir: Path) -> list[Import]:
    """Measure what `keyferry build` has left in a folder, for this machine. They are timed in turns.

    So all have the same share of a busy machine.

    Raises:
        ImportFailed: a handler cannot be imported.
    """
    runs = [{name: _run(build_dir, name) for name in _WORK} for _ in range(RUNS)]
    medians = {name: tuple(map(statistics.median, zip(*(run[name] for run in runs), strict=True))) for name in _WORK}
    return [
        Import(name, seconds, kilobytes / 1024, seconds / medians[BASELINE][0])
        for name, (seconds, kilobytes) in medians.items()
    ]


def _run(build_dir: Path, name: str) -> list[float]:
    # -I and -S: nothing is imported but the standard library and what was built.
    path = build_dir / "functions" / name, build_dir / CODE
    argv = [sys.executable, "-I", "-S", "-c", _IMPORT, _WORK[name], *map(str, path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImportFailed(f"A function cannot be imported from what was built:\n{done.stderr}")
    figures: list[float] = json.loads(done.stdout)
    return figures
