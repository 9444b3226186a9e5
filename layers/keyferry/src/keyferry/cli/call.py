"""How this program was called, so that a command that it shows does the same when somebody pastes it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from keyferry.cli.sam import DEFAULT_ENVIRONMENT, MAPPINGS


@dataclass(frozen=True)
class Call:
    """How this program was called: the commands that it shows are for the same folder and stack."""

    mappings: Path = MAPPINGS
    """The folder of the mappings."""
    stack: str | None = None
    """The value of `--stack`; None for the stack that samconfig.toml names."""
    environment: str = DEFAULT_ENVIRONMENT
    """The environment of samconfig.toml."""
    usual: Path = MAPPINGS
    """The folder that is taken where none is named."""

    def format(self, verb: str, *words: str) -> str:
        """Return a command of this program."""
        folder = () if self.mappings == self.usual else ("--mappings", str(self.mappings))
        return shlex.join(["keyferry", *self._environment, *folder, verb, *words])

    def format_asking(self, verb: str, *words: str) -> str:
        """Return a command of this program that asks the stack."""
        return self.format(verb, *words, *(("--stack", self.stack) if self.stack else ()))

    def name_generated(self, name: str) -> str:
        """Return the path of a generated file."""
        return str(self.mappings.parent / "generated" / name)

    @property
    def _environment(self) -> tuple[str, ...]:
        """The option of `keyferry`, and of `sam` too, that names the environment."""
        return () if self.environment == DEFAULT_ENVIRONMENT else ("--config-env", self.environment)

    @property
    def deploy(self) -> tuple[str, ...]:
        """The commands that make the stack what template.yaml says."""
        return self.format_deploy()

    def format_deploy(self, *overrides: str) -> tuple[str, ...]:
        """Return the commands that make the stack what template.yaml says.

        Args:
            overrides: parameters that get another value, as `Name=value`; the stack keeps those of all others.
        """
        named = ("--stack-name", self.stack) if self.stack else ()
        changed = ("--parameter-overrides", *overrides) if overrides else ()
        return self.format("build"), shlex.join(["sam", "deploy", *self._environment, *named, *changed])


CALL = Call()
"""A call that names neither."""
