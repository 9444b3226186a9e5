"""The program `keyferry`, also as `python -m keyferry`: where the extra `cli` is not installed, it says so."""

import sys

BROUGHT = ("click", "rich", "uv")
"""What the extra `cli` brings."""


def run() -> None:
    """Run the command line."""
    try:
        from keyferry.cli import run as run_commands  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in BROUGHT:
            raise
        sys.exit("keyferry: the command line is an extra of the package: install keyferry[cli] in place of keyferry")
    run_commands()


if __name__ == "__main__":
    run()
