"""`keyferry` as in a terminal: each command in a process of its own, forked from one that has imported everything.

Neither imports nor the descriptions of AWS's services are read again for each of some hundred commands. A command
shares nothing else with another: settings, clients and connections are made in it, and end with it. That the program
itself starts is shown by tests/integration/test_cli.py.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

import boto3
import pytest
from botocore.loaders import Loader

import keyferry
from keyferry.cli import run

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180
"""The longest that a command may take, on a machine that does much else."""
SERVICES = (
    *("cloudformation", "cloudtrail", "cloudwatch", "eks", "events", "iam", "kms", "lambda", "logs", "scheduler"),
    *("secretsmanager", "sqs", "ssm", "sts"),
)
"""What commands ask."""


def run_keyferry(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> "subprocess.CompletedProcess[str]":
    """Run a command with these arguments in this environment, without anything to read from stdin.

    What it says is recorded. A command that a signal ends fails the test: it neither did its work nor was refused.
    """
    server = _start()
    assert server.stdin
    assert server.stdout
    print(json.dumps({"arguments": list(arguments), "environment": dict(environment)}), file=server.stdin, flush=True)
    answer = json.loads(server.stdout.readline())
    done = subprocess.CompletedProcess(list(arguments), answer["code"], answer["stdout"], answer["stderr"])
    record(arguments, done.stdout + done.stderr, log)
    assert done.returncode >= 0, f"{signal.Signals(-done.returncode).name} ended {arguments}: {done.stderr}"
    return done


def record(arguments: Sequence[str], said: str, log: Path) -> None:
    """Append what a command has said to the log, which is searched for leaks. A traceback fails the test."""
    with log.open("a") as file:
        print(*arguments, said, file=file)
    assert "Traceback" not in said, said


@cache
def _start() -> "subprocess.Popen[str]":
    """Start the process that commands are forked from: once for a run, at whose end its stdin ends, and so it does."""
    argv = [sys.executable, "-m", "tests.integration.terminal"]
    return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _execute(asked: Mapping[str, Any], out: IO[str], error: IO[str]) -> NoReturn:
    """Become the command, and end as it ends."""
    signal.alarm(SECONDS)
    os.environ.clear()
    os.environ.update(asked["environment"])
    for file, target in ((out, sys.stdout), (error, sys.stderr)):
        os.dup2(file.fileno(), target.fileno())
    sys.argv[:] = ["keyferry", *asked["arguments"]]
    try:
        run()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    _end(code)


def _end(code: int) -> NoReturn:
    """End as Python does, but for clearing each module, which takes longer than most commands.

    Threads are waited for, and what is to be done at the end is done: files with somebody's key are removed by it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()  # shows the traceback of what fails
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fork(asked: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        child = os.fork()
        if not child:
            _execute(asked, out, error)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for file in (out, error):
            file.seek(0)
        return {"code": code, "stdout": out.read(), "stderr": error.read()}


def _serve() -> None:
    for module in pkgutil.walk_packages(keyferry.__path__, "keyferry."):
        importlib.import_module(module.name)
    loader = Loader()
    pytest.MonkeyPatch().setattr("botocore.session.create_loader", lambda _path: loader)
    session: Any = boto3.Session(region_name="eu-west-1")
    for service in SERVICES:
        session.client(service)
    gc.freeze()  # so that no child copies what it only looks through
    with os.fdopen(os.dup(sys.stdin.fileno())) as requests, Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
        for line in requests:
            print(json.dumps(_fork(json.loads(line))), flush=True)


if __name__ == "__main__":
    _serve()
