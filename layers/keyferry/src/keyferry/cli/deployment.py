"""What a stack says of itself by its function `report`: the mappings that it is deployed with, and its targets."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from keyferry import __version__
from keyferry.cli.init import LOCK, REQUIREMENTS
from keyferry.errors import InvalidInput, Overtaken
from keyferry.formats.fields import CHECKED
from keyferry.mapping.catalog import Catalog

MAX_TRIES = 3
"""How often a stack is asked where other mappings were deployed meanwhile."""
INSTALL = (
    f"pip install --no-deps --require-hashes -r {REQUIREMENTS}",
    f"pip install --require-hashes -r {LOCK}",
)
"""The commands that install the release whose pin requirements.txt has: first its wheel, then what that needs."""
_PARTS = ("clusters", "mappings", "verdicts")


class Askable(Protocol):
    """A stack that answers questions, as `keyferry.cli.stack.Stack` does."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def ask(self, question: str) -> Iterable[dict[str, Any]]:
        """Yield the pages of an answer."""
        ...


@dataclass(frozen=True)
class Deployment:
    """What a stack has been deployed with."""

    catalog: Catalog
    """Its mappings and clusters, without the places in the files."""
    digest: str
    """What tells one deployment of mappings from another, as `Catalog.digest`."""
    release: str
    """The release of Keyferry that it runs."""

    @property
    def difference_of_releases(self) -> str:
        """A warning where its release is another one than this program's; empty otherwise."""
        own = __version__
        if own == self.release:
            return ""
        return (
            f"the stack runs release {self.release}, and this is {own}: what is generated can differ for that alone;"
            f" {explain_install(self.release)}"
        )


def load_deployment(stack: Askable) -> Deployment:
    """Return the mappings that a stack has been deployed with.

    Raises:
        Overtaken: other mappings are deployed again and again while they are listed.
        InvalidInput: the stack cannot be asked, or this release cannot read its mappings.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    for _ in range(MAX_TRIES - 1):
        with suppress(Overtaken):
            return _join(stack.name, list(stack.ask("mappings")))
    return _join(stack.name, list(stack.ask("mappings")))


def load_state(stack: Askable) -> tuple[Deployment, list[dict[str, Any]]]:
    """Return the mappings that a stack has been deployed with, and what it says of the targets of these very mappings.

    An older release does not say of which mappings its targets are: they are taken to be of these.

    Raises:
        Overtaken: other mappings are deployed again and again meanwhile.
        KeyferryError: as `load_deployment` says.
    """
    for _ in range(MAX_TRIES):
        deployment, pages = load_deployment(stack), list(stack.ask("status"))
        if all(page.get("deployment", deployment.digest) == deployment.digest for page in pages):
            return deployment, [row for page in pages for row in page["rows"]]
    raise Overtaken(f"other mappings are being deployed to stack {stack.name} while it is asked: ask once that is over")


def _join(stack: str, pages: list[Mapping[str, Any]]) -> Deployment:
    first = pages[0]
    document = {part: {name: each for page in pages for name, each in page.get(part, {}).items()} for part in _PARTS}
    try:
        catalog = Catalog.model_validate(document | {"stack": first["stack"]}, context={CHECKED: True})
    except (ValidationError, KeyError):
        release = first["release"]
        raise InvalidInput(
            f"stack {stack} has release {release}, whose mappings this release ({__version__}) cannot read:"
            f" {explain_install(release)}"
        ) from None
    return Deployment(catalog, first["deployment"], release=first["release"])


def explain_install(release: str) -> str:
    """Return how to get a release of the command line: by its pin, since only a hash says whose `keyferry` it is."""
    return f"write the pin of release {release} into requirements.txt, then `{' && '.join(INSTALL)}`"
