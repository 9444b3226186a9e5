"""Programs that compute what must not go on without end: each in a process with little memory and CPU time."""

import json
import resource
import subprocess
import sys
from functools import cache
from typing import Any

ADDRESS_SPACE = 700 * 1024 * 1024
"""Of libraries that are mapped, threads and all; what is in memory is a third of it."""
CPU_SECONDS = 200
"""For all bombs. One that goes off takes minutes to centuries."""
RESIDENT_MEBIBYTES = 200


@cache
def run_limited(module: str) -> dict[str, dict[str, Any]]:
    """Return what became of each bomb of a module, by its name; the process dies of one that goes off."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))

    ran = subprocess.run(
        [sys.executable, "-m", module],
        preexec_fn=limit,  # before any thread
        capture_output=True,
        text=True,
        check=False,
    )
    return {result["name"]: result for result in map(json.loads, ran.stdout.splitlines())}
