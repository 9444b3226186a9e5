"""All that `keyferry init` would write, before anything is looked at or written."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from keyferry.cli import sam
from keyferry.cli.build.application import find_application
from keyferry.cli.init import LOCK, REQUIREMENTS, repository, settings_file, writing
from keyferry.cli.init.answers import Answers
from keyferry.cli.init.repository import Environment
from keyferry.cli.init.requirement import WHEELS, Pin
from keyferry.cli.init.writing import Content, State

_AND = " \\\n     && "
_INSTALL = _AND.join(
    [
        "python3.13 -m venv .venv",
        f".venv/bin/pip install --no-deps --require-hashes -r {REQUIREMENTS}",
        f".venv/bin/pip install --require-hashes -r {LOCK}",
        "python3.13 -m venv .sam",
        f".sam/bin/pip install --require-hashes -r {repository.SAM_REQUIREMENTS}",
    ]
)
_DEPLOY = ".venv/bin/keyferry{option} build && .sam/bin/sam deploy{option}"


@dataclass(frozen=True)
class Draft:
    """The files of a repository, for one environment."""

    environment: Environment
    files: Mapping[str, Content]
    """Path within the repository → what the file has; samconfig.toml, which is only added to, is not among them, and
    requirements.txt is not where its pin is not known."""
    is_new: bool
    """Whether samconfig.toml does not have the environment yet."""
    answers: Answers | None = None
    """What is said of a new environment."""
    accounts: tuple[str, ...] = ()
    """The accounts of the environments that were there before a new one."""
    note: str = ""
    """What is to be told of the pin."""

    def write(self, folder: Path) -> dict[str, State]:
        """Write what is missing; return what was done about each file.

        samconfig.toml comes last: who is stopped before it says the same again.

        Raises:
            OSError: a file cannot be written.
        """
        states = writing.write_missing(folder, self.files) | self._look_unknown(folder, "kept")
        if self.is_new:
            is_there = settings_file.add_environment(folder, self.environment)
            states[sam.FILE_NAME] = "extended" if is_there else "written"
        return states

    def look(self, folder: Path) -> dict[str, State]:
        """Return which files are missing, differ, or have what they would be given.

        Raises:
            OSError: a file cannot be read.
        """
        states = writing.compare(folder, self.files) | self._look_unknown(folder, "differs")
        return states | ({sam.FILE_NAME: "missing"} if self.is_new else {})

    def _look_unknown(self, folder: Path, there: State) -> dict[str, State]:
        """Return the state of requirements.txt where it is not known what it would have."""
        if REQUIREMENTS in self.files:
            return {}
        return {REQUIREMENTS: there if (folder / REQUIREMENTS).exists() else "missing"}

    def choose_note(self, states: Mapping[str, State]) -> str:
        """Return what is to be told of the pin: of a wheel in the repository, as long as it is not there."""
        wheels = [name for name in self.files if PurePosixPath(name).parts[0] == WHEELS]
        is_there = bool(wheels) and all(states[name] in ("kept", "up to date") for name in wheels)
        return "" if is_there else self.note

    def list_next(self, folder: Path) -> list[tuple[str, str]]:
        """Return what to do next in a new environment, to its first Secret: each with its command."""
        if not self.is_new or not self.answers:
            return []
        enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
        option, namespace, secret = self.environment.option, self.answers.namespace, self.answers.secret
        return [
            ("install this release and SAM, held to their hashes", f"{enter}{_INSTALL}"),
            ("write the rights that the mappings take", f".venv/bin/keyferry{option} generate"),
            *self._list_of_clusters(repository.name_clusters(self.answers), namespace),
            (f"build and deploy; the secret {secret} has to be there", _DEPLOY.format(option=option)),
            ("look at what has become of it", f".venv/bin/keyferry{option} status"),
            *self._list_further(),
        ]

    def _list_of_clusters(self, clusters: Mapping[str, str], namespace: str) -> list[tuple[str, str]]:
        """Return what there is to do in the clusters: a context is called by its ARN where nothing else is said."""
        region = self.environment.region
        contexts = [
            f"aws eks update-kubeconfig --name {eks} --region {region} --alias {name}" for name, eks in clusters.items()
        ]
        generated = PurePosixPath(self.environment.mappings).parent / "generated"
        first, *others = clusters
        name = "$cluster" if others else first
        apply = f"kubectl --context {name} apply --server-side -f {generated}/clusters/{name}/"
        loop = f"for cluster in {' '.join(clusters)}; do {apply}; done"
        return [
            ("let kubectl call each cluster as the mappings do", _AND.join(contexts)),
            (f"give the rights in each cluster; the namespace {namespace} has to be there", loop if others else apply),
        ]

    def _list_further(self) -> list[tuple[str, str]]:
        """Return what a further environment needs, of which the README.md of the first one does not tell."""
        if not self.accounts:
            return []
        roles = repository.format_roles(
            self.environment, creates_provider=self.environment.account not in self.accounts
        )
        return [(f"make the roles of its workflow, and on GitHub the environment {self.environment.name}", roles)]


def draft(
    environment: Environment,
    answers: Answers | None,
    pin: Pin,
    *,
    is_new: bool,
    canary: bool,
    accounts: tuple[str, ...] = (),
) -> Draft:
    """Return what there would be.

    Args:
        environment: the environment.
        answers: what is said of a new one; None leaves out what is written once.
        pin: how requirements.txt names this program.
        is_new: whether samconfig.toml does not have it yet.
        canary: whether there is a mapping for `keyferry doctor --canary`.
        accounts: those of the environments that samconfig.toml has.

    Raises:
        InvalidInput: the installed release has no application.
    """
    folder = find_application().folder
    carried = {name: (folder / name).read_text(encoding="utf-8") for name in repository.CARRIED}
    files: dict[str, Content] = {
        **(repository.render_starters(environment, answers) if answers else {}),
        **(repository.render_canary(environment) if canary else {}),
        **repository.render_owned(environment, pin, carried),
        **pin.wheels,
    }
    return Draft(environment, files, is_new, answers, accounts, pin.note)
