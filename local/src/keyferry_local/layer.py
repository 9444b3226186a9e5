"""What the built layers weigh and what the functions' imports cost, as a cold start on Lambda pays for them."""

import json
import statistics
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from keyferry_local.stack import find_architecture

LAYERS = ("CodeLayer", "MappingsLayer")
FUNCTIONS = ("Route", "Deliver", "Reconcile")
RUNS = 5
LIMIT_MB = 250
"""What Lambda takes: a function and its layers, unzipped."""

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
class Layer:
    """A built layer."""

    name: str
    megabytes: float
    zipped: float
    """As SAM uploads it, give or take the names of files."""
    files: int

    def __str__(self) -> str:
        return f"{self.name:<14}{self.megabytes:7.1f} MB{self.zipped:8.1f} MB zipped{self.files:7} files"


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


@dataclass(frozen=True)
class Unmeasured:
    """Why the import of a handler was not measured."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name:<14}not measured: {self.why}"


type Measurement = Layer | Import | Unmeasured


class ImportFailed(Exception):
    """A handler cannot be imported from what was built; the text is what Python said."""


def measure(build_dir: Path) -> list[Measurement]:
    """Measure what `sam build` has left in a folder.

    Raises:
        ImportFailed: a handler cannot be imported.
    """
    layers = [_weigh(build_dir / name) for name in LAYERS]
    foreign = _foreign(build_dir / "CodeLayer")
    if foreign:
        why = f"the layer is built for {foreign}, this machine is {find_architecture()}"
        return [*layers, *(Unmeasured(name, why) for name in FUNCTIONS)]
    return [*layers, *_imports(build_dir)]


def show(measurements: Iterable[Measurement]) -> None:
    """Print it, a line for each."""
    for line in lines(measurements):
        print(line)


def lines(measurements: Iterable[Measurement]) -> Iterator[str]:
    """Say it, a line for each; the last one compares the sum with what Lambda takes."""
    total = 0.0
    for measurement in measurements:
        yield str(measurement)
        total += measurement.megabytes if isinstance(measurement, Layer) else 0
    yield f"{'together':<14}{total:7.1f} MB of the {LIMIT_MB} MB that Lambda takes"


def _weigh(layer: Path) -> Layer:
    contents = [path.read_bytes() for path in sorted(layer.rglob("*")) if path.is_file()]
    zipped = sum(len(zlib.compress(content)) for content in contents)
    return Layer(layer.name, sum(map(len, contents)) / 1e6, zipped / 1e6, len(contents))


def _foreign(layer: Path) -> str | None:
    """Return the architecture that the layer is built for, if it is not this machine's."""
    built_for = str(json.loads((layer / "python/keyferry/built.json").read_bytes())["architecture"])
    return None if built_for == find_architecture() else built_for


def _imports(build_dir: Path) -> Iterator[Import]:
    """Yield what each import takes; they are timed in turns, so that all have the same share of a busy machine."""
    runs = [{name: _run(build_dir, name) for name in _WORK} for _ in range(RUNS)]
    medians = {name: tuple(map(statistics.median, zip(*(run[name] for run in runs), strict=True))) for name in _WORK}
    for name, (seconds, kilobytes) in medians.items():
        yield Import(name, seconds, kilobytes / 1024, seconds / medians[BASELINE][0])


def _run(build_dir: Path, name: str) -> list[float]:
    # -I and -S: nothing is imported but the standard library and what was built.
    path = build_dir / name, build_dir / "CodeLayer/python"
    argv = [sys.executable, "-I", "-S", "-c", _IMPORT, _WORK[name], *map(str, path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImportFailed(f"A function cannot be imported from what was built:\n{done.stderr}")
    figures: list[float] = json.loads(done.stdout)
    return figures
