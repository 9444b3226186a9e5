"""Run work in a process of its own, so that the function outlives it.

A message that comes back may have killed the function that worked on it: by using up its memory, or by never ending.
Such an invocation leaves nothing behind that says so. The number of receives does not say it either, since Lambda also
receives messages while it throttles the function. So the work is done in a child process, whose death the function sees
(docs/decisions/0009).
"""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from keyferry.errors import FunctionDied, KeyferryError, Unexpected

_FORK = multiprocessing.get_context("fork")
"""A child that has all mappings and modules already. Lambda has no shared memory for pools and queues, but pipes."""
_EXIT_SECONDS = 1


def run_apart[T](work: Callable[[], T], seconds: float) -> T:
    """Return the result of work that is done in a child process.

    Args:
        work: the work. It must not use connections of this process. Its result must be one that pickle takes.
        seconds: how long it may take. After that, the child is killed.

    Raises:
        FunctionDied: the child has died, or was killed.
        KeyferryError: the work has raised it. Any other error of the work is raised as `Unexpected`.
    """
    receiver, sender = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_work, args=(work, sender), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            child.kill()  # at once: what is left of the time is for the settlement
            raise FunctionDied(f"the function was still at work after {seconds:.0f} s, and was stopped")
        result = receiver.recv()
    except (EOFError, OSError):  # the latter where it died in the middle of its answer
        child.join(_EXIT_SECONDS)
        raise FunctionDied(_describe_death(child.exitcode)) from None
    finally:
        receiver.close()
        _end(child)
    if isinstance(result, KeyferryError):
        raise result
    return result  # type: ignore[no-any-return]


def _work[T](work: Callable[[], T], sender: Connection) -> None:
    try:
        result: object = work()
    except KeyferryError as error:
        result = error
    except Exception as error:
        result = Unexpected(error)
    sender.send(result)


def _end(child: BaseProcess) -> None:
    child.join(_EXIT_SECONDS)
    if child.is_alive():
        child.kill()
        child.join()


def _describe_death(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return "the function was killed while it worked on the delivery: out of memory, most likely"
    return f"the function died while it worked on the delivery (exit code {exit_code})"
