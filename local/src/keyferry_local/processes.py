"""Child processes: started with their output in a log, ready when a probe says so, stopped by their own id only.

A process that is not kept dies with the one that started it, however that ends: `atexit` stops it on the way out,
and on Linux the kernel does where there was no way out (a kill, a crash).
"""

import atexit
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

_GRACE = 5.0
_TAIL = 4000

# Runs in the child, which then becomes the program: PR_SET_PDEATHSIG outlives exec. Not a `preexec_fn`: running
# Python between fork and exec can deadlock in a process with threads. Where the parent is gone already, it is too late
# for the kernel's signal.
_DIE_WITH_PARENT = """
import ctypes, os, sys
parent, number, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(1, int(number), 0, 0, 0)
if os.getppid() != int(parent):
    sys.exit(1)
os.execvp(command[0], command)
"""

_Spawn = Callable[[], subprocess.Popen[bytes]]


class StartError(Exception):
    """A process ended before it was ready, or did not become ready in time; the text ends with the tail of its log."""


@dataclass(frozen=True)
class Process:
    """A process that was started; `birth` tells it from another one that got the same id later.

    One that has nothing to put in order is ended by a kill, at once.
    """

    name: str
    pid: int
    log: Path
    birth: str = ""
    kill: bool = False


def start(
    name: str,
    argv: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    keep: bool = False,
    kill: bool = False,
) -> Process:
    """Start a program in a session of its own, its output appended to the log; unless kept, it dies with us."""
    command = [str(word) for word in argv]
    if not keep and sys.platform == "linux":
        number = str(_ending(kill=kill).value)
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), number, *command]
    log.parent.mkdir(parents=True, exist_ok=True)

    def spawn() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    child = _children.spawn(spawn)
    process = Process(name, child.pid, log, _birth(child.pid), kill)
    _children.add(process, child, keep=keep)
    return process


def wait_ready(process: Process, probe: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Return once the probe says yes; an `OSError` of the probe, such as a refused connection, means not yet."""
    deadline = time.monotonic() + seconds
    while not _answers(probe):
        if not is_alive(process):
            raise StartError(f"{process.name} ended before it was ready. {_tail(process.log)}")
        if time.monotonic() > deadline:
            raise StartError(f"{process.name} was not ready after {seconds:g} s. {_tail(process.log)}")
        time.sleep(0.05)


def is_alive(process: Process) -> bool:
    """Tell whether this very process still runs; one of ours that has ended is reaped."""
    child = _children.find(process)
    if child is not None:
        return child.poll() is None
    return _birth(process.pid) == process.birth != ""


def stop(*processes: Process) -> None:
    """Ask each to end, all at once, and kill what is left after a few seconds. Nothing else is ever signalled."""
    for process in processes:
        _signal(process, _ending(kill=process.kill))
    deadline = time.monotonic() + _GRACE
    for process in processes:
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.02)
        _signal(process, signal.SIGKILL)
        while is_alive(process):
            time.sleep(0.02)
        _children.forget(process)


def free_port() -> int:
    """Find a TCP port of the loopback interface that nothing listens on, and that was not given before.

    Below the ports that the system takes for outgoing connections: one of those could be gone a moment later.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - spreads, hides nothing
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


class _Children:
    """The children of this process: started by one thread, reaped, and stopped when we end.

    One thread that lasts as long as we do, since the kernel's signal follows the *thread* that forked: a child
    started in a thread of some pool would die with that.
    """

    def __init__(self) -> None:
        self._all: dict[Process, tuple[subprocess.Popen[bytes], bool]] = {}
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[_Spawn, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def spawn(self, spawn: _Spawn) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None:
                atexit.register(self._stop_all)
                self._thread = threading.Thread(target=self._run, name="spawner", daemon=True)
                self._thread.start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((spawn, future))
        return future.result()

    def add(self, process: Process, child: subprocess.Popen[bytes], *, keep: bool) -> None:
        with self._lock:
            self._all[process] = (child, keep)

    def find(self, process: Process) -> subprocess.Popen[bytes] | None:
        with self._lock:
            return self._all[process][0] if process in self._all else None

    def forget(self, process: Process) -> None:
        with self._lock:
            self._all.pop(process, None)

    def _run(self) -> None:
        while True:
            spawn, future = self._work.get()
            try:
                future.set_result(spawn())
            except BaseException as error:  # raised again where the work was asked for
                future.set_exception(error)

    def _stop_all(self) -> None:
        with self._lock:
            passing = [process for process, (_, keep) in self._all.items() if not keep]
            kept = [child for child, keep in self._all.values() if keep]
        stop(*passing)
        for child in kept:
            child.returncode = 0  # still running, on purpose: keeps `subprocess` from warning about it


_children = _Children()
_given: set[int] = set()


def _answers(probe: Callable[[], bool]) -> bool:
    try:
        return probe()
    except OSError:
        return False


def _ending(*, kill: bool) -> signal.Signals:
    return signal.SIGKILL if kill else signal.SIGTERM


def _signal(process: Process, number: signal.Signals) -> None:
    if is_alive(process):
        os.kill(process.pid, number)


def _tail(log: Path) -> str:
    text = log.read_text(errors="replace")[-_TAIL:].strip() if log.exists() else ""
    return f"The end of {log}:\n{text}" if text else f"{log} is empty."


def _birth(pid: int) -> str:
    """When the process with this id began, as the system tells it; empty where there is none, or only a zombie."""
    stat = Path("/proc") / str(pid) / "stat"
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()  # the name, in brackets, may hold anything
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip()
