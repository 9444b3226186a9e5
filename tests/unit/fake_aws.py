"""An `aws` for the script access-entries.sh: a program that answers from a file, and keeps what it is told there.

Source of the errors: the API references of IAM and EKS. Times are as version 1 of the CLI (seconds, for EKS) or
version 2 prints them (ISO 8601).
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

type State = dict[str, Any]


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


def main(path: Path, args: list[str]) -> int:
    """Answer a command, and note the verb."""
    state: State = json.loads(path.read_text())
    call = parse(args)
    state["calls"].append(f"{call.verb} {call.options.get('--stack-name', '')}".strip())
    try:
        print(answer(call, state))
    except RefusedError as error:
        print(f"An error occurred ({error}) when calling {call.verb}", file=sys.stderr)
        return 254
    finally:
        path.write_text(json.dumps(state))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
