"""Child processes are started, awaited and stopped without touching any other process."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from keyferry_local import processes

ROOT = Path(__file__).resolve().parent.parent.parent
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
FOREVER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def says(log: Path, word: str) -> bool:
    return word in log.read_text()


def gone(process: processes.Process, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while processes.is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not processes.is_alive(process)


def test_a_process_is_ready_when_its_probe_says_so_and_gone_after_stop(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "it.log"
    process = processes.start("it", FOREVER, log)
    processes.wait_ready(process, lambda: says(log, "up"))
    assert processes.is_alive(process)
    processes.stop(process)
    assert not processes.is_alive(process)
    with pytest.raises(ProcessLookupError):  # reaped: not even a zombie is left
        os.kill(process.pid, 0)


def test_a_process_that_ends_early_is_an_error_with_the_tail_of_its_log(tmp_path: Path) -> None:
    process = processes.start("it", [sys.executable, "-c", "raise SystemExit('no such flag')"], tmp_path / "it.log")
    with pytest.raises(processes.StartError, match=r"it ended before it was ready(?s:.*)no such flag"):
        processes.wait_ready(process, lambda: False)


def test_a_process_that_is_not_ready_in_time_is_an_error_with_the_tail_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    process = processes.start("it", FOREVER, log)
    processes.wait_ready(process, lambda: says(log, "up"))
    with pytest.raises(processes.StartError, match=r"not ready after 0.1 s(?s:.*)up"):
        processes.wait_ready(process, lambda: False, seconds=0.1)
    processes.stop(process)


def test_a_probe_that_is_refused_means_not_yet(tmp_path: Path) -> None:
    process = processes.start("it", FOREVER, tmp_path / "it.log")
    answers = iter([ConnectionRefusedError(), None])

    def probe() -> bool:
        answer = next(answers)
        if answer:
            raise answer
        return True

    processes.wait_ready(process, probe, seconds=5)
    processes.stop(process)


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_GRACE", 0.2)
    log = tmp_path / "it.log"
    process = processes.start("it", DEAF, log)
    processes.wait_ready(process, lambda: says(log, "up"))
    processes.stop(process)
    assert gone(process, 0)


def test_a_process_with_nothing_to_put_in_order_is_killed_at_once(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    process = processes.start("it", DEAF, log, kill=True)
    processes.wait_ready(process, lambda: says(log, "up"))
    begun = time.monotonic()
    processes.stop(process)
    assert time.monotonic() - begun < 2
    assert gone(process, 0)


def test_a_process_with_the_same_id_but_another_birth_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(FOREVER, stdout=subprocess.DEVNULL)
    processes.stop(processes.Process("it", stranger.pid, tmp_path / "it.log", birth="1"))
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_process_that_another_run_has_kept_is_stopped_by_what_is_known_of_it(tmp_path: Path) -> None:
    process = kept(tmp_path, keep=True)
    assert processes.is_alive(process)
    processes.stop(process)
    assert gone(process, 0)


@LINUX
def test_a_process_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    process = kept(tmp_path, keep=False)
    assert gone(process)


@LINUX
def test_a_process_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    begun: list[processes.Process] = []
    thread = threading.Thread(target=lambda: begun.append(processes.start("it", FOREVER, log)))
    thread.start()
    thread.join()
    processes.wait_ready(begun[0], lambda: says(log, "up"))
    time.sleep(0.2)
    assert processes.is_alive(begun[0])
    processes.stop(begun[0])


def kept(folder: Path, *, keep: bool) -> processes.Process:
    """Start a process from another Python, and kill that Python."""
    log = folder / "it.log"
    program = (
        "import sys, time, pathlib; from keyferry_local import processes\n"
        f"log = pathlib.Path({str(log)!r})\n"
        f"process = processes.start('it', {FOREVER!r}, log, keep={keep})\n"
        "processes.wait_ready(process, lambda: 'up' in log.read_text())\n"
        "print(process.pid, process.birth, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid, birth = parent.stdout.readline().split()
        parent.send_signal(signal.SIGKILL)
    return processes.Process("it", int(pid), log, birth)
