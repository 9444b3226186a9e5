"""An `aws` for the script access-entries.sh, answered by the process of the test, which keeps what it is told.

The program itself is one of the shell: dozens of Pythons would take most of the time of a test.

Source of the errors: the API references of IAM and EKS. Times are as version 1 of the CLI (seconds, for EKS) or
version 2 prints them (ISO 8601).
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

type State = dict[str, Any]

_AWS = """\
#!/bin/sh
printf '%s\\n' "$@" >{folder}/asked
{{
  read -r code
  if [ "$code" = 0 ]; then cat; else cat >&2; fi
  exit "$code"
}} <{folder}/answered
"""


class RefusedError(Exception):
    """What AWS refuses, by its code."""


@dataclass(frozen=True)
class Call:
    """One command: service, verb and options."""

    service: str
    verb: str
    options: dict[str, str]

    @property
    def key(self) -> str:
        """The entry that it is about."""
        return " ".join(self.options[f"--{name}"] for name in ("region", "cluster-name", "principal-arn"))


def parse(args: list[str]) -> Call:
    """Return the call that the arguments of `aws` make."""
    service, verb, *rest = args
    return Call(service, verb, dict(zip(rest[::2], rest[1::2], strict=True)))


def answer(call: Call, state: State) -> str:
    """Carry out a call, and return what is printed."""
    if (refusal := state["refused"].get(call.verb)) and refusal["on"] in " ".join(call.options.values()):
        raise RefusedError(refusal["code"])
    match call.service, call.verb:
        case "sts", "get-caller-identity":
            return str(state["account"])
        case "cloudformation", "describe-stacks":
            wanted = re.search(r"OutputKey=='(\w+)'", call.options["--query"])
            return str(state["outputs"].get(wanted and wanted[1], ""))
        case "iam", "get-role":
            return str(_find(state["roles"], call.options["--role-name"], "NoSuchEntity"))
        case "eks", "describe-access-entry":
            return "\t".join(_find(state["entries"], call.key, "ResourceNotFoundException"))
        case "eks", "create-access-entry":
            state["entries"][call.key] = [call.options["--username"], state["now"]]
        case "eks", "update-access-entry":
            state["entries"][call.key][0] = call.options["--username"]
        case "eks", "delete-access-entry":
            del state["entries"][call.key]
    return ""


def _find(things: dict[str, Any], key: str, code: str) -> Any:  # noqa: ANN401
    if key not in things:
        raise RefusedError(code)
    return things[key]


def install(folder: Path) -> None:
    """Put an `aws` into a folder, and the pipes by which it asks and is answered."""
    for name in ("asked", "answered"):
        os.mkfifo(folder / name)
    (folder / "aws").write_text(_AWS.format(folder=folder))
    (folder / "aws").chmod(0o755)


@contextmanager
def serve(folder: Path, state: State) -> Iterator[None]:
    """Answer the `aws` of a folder from a state for a while, one command after the other."""
    server = Thread(target=_serve, args=(folder, state), daemon=True)
    server.start()
    try:
        yield
    finally:
        (folder / "asked").write_text("")
        server.join()


def _serve(folder: Path, state: State) -> None:
    while asked := (folder / "asked").read_text():
        (folder / "answered").write_text(_run(asked.splitlines(), state))


def _run(args: list[str], state: State) -> str:
    """Carry out a command, note its verb, and return its exit code and what it prints."""
    try:
        call = parse(args)
        state["calls"].append(f"{call.verb} {call.options.get('--stack-name', '')}".strip())
        return f"0\n{answer(call, state)}\n"
    except RefusedError as error:
        return f"254\nAn error occurred ({error}) when calling {call.verb}\n"
    except (KeyError, ValueError) as error:
        return f"252\nno such command: {error!r}\n"
