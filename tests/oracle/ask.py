"""The program of Go that answers what the originals' own libraries make of a value: built once, asked line by line.

To try one: `python -m tests.oracle.ask '{"ask": "template", "template": "{{ .user }}", "values": {"user": "app"}}'`.
"""

import base64
import json
import resource
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from keyferry_local import toolchain

MODULE = Path(__file__).parent
PROGRAM = MODULE.parents[1] / ".tools/oracle/ask"
SECONDS = 5.0
"""How long an answer may take; the program is ended after it, and the next question starts another one."""
MEMORY, CPU_SECONDS = 2 << 30, 3600


@dataclass(frozen=True)
class Answer:
    """What the original makes of a question; `error` is why it makes nothing, and `kind` then where (`parse`)."""

    exists: bool = False
    kind: str = ""
    text: bytes = b""
    keys: Sequence[str] = ()
    values: Mapping[str, bytes] = field(default_factory=dict)
    error: str = ""


class Oracle:
    """The running program."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: str, **said: Any) -> Answer:  # noqa: ANN401  # what a question takes: main.go
        """Return the answer to a question; bytes and texts go as base64 where the program takes bytes.

        An answer that takes too long, or too much memory, is one with an error.
        """
        if self._process is None:
            self._process = _start(self._program)
        line = json.dumps({"ask": question} | {name: _encode(name, value) for name, value in said.items()})
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], SECONDS)
        answer = self._process.stdout.readline() if ready else b""
        if not answer:
            self.close()
            return Answer(error="no answer: too much time or memory")
        return _decode(json.loads(answer))

    def put(self, question: Mapping[str, Any]) -> Answer:
        """Return the answer to a question that has its name as `ask`. The text of a `decode` has a sign for a byte."""
        said = dict(question)
        if said["ask"] == "decode":
            said["text"] = said["text"].encode("latin-1")
        return self.ask(said.pop("ask"), **said)

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _start(program: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"GOMAXPROCS": "1", "TZ": "UTC"},
    )
    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    return process


def _encode(name: str, value: Any) -> Any:  # noqa: ANN401  # as above
    if name == "values":
        return {key: _to_base64(each) for key, each in value.items()}
    return _to_base64(value) if name == "text" else value


def _to_base64(value: str | bytes) -> str:
    content = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    return base64.b64encode(content).decode()


def _decode(said: dict[str, Any]) -> Answer:
    values = {key: base64.b64decode(each) for key, each in (said.get("values") or {}).items()}
    return Answer(
        exists=said.get("exists", False),
        kind=said.get("kind", ""),
        text=base64.b64decode(said.get("text") or ""),
        keys=tuple(said.get("keys") or ()),
        values=values,
        error=said.get("error", ""),
    )


@cache
def provide() -> Oracle:
    """Return the program, built from pinned modules; Go keeps what it has compiled."""
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    toolchain.build(toolchain.find(print), ".", module=MODULE, flags="-s -w", output=PROGRAM, waiting=print)
    return Oracle(PROGRAM)


def main(questions: Sequence[str]) -> None:
    """Print the answers to questions in JSON, of the arguments or of the standard input."""
    oracle = provide()
    for question in questions or sys.stdin:
        said = json.loads(question)
        print(oracle.ask(said.pop("ask"), **said))
    oracle.close()


if __name__ == "__main__":
    main(sys.argv[1:])
