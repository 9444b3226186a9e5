"""Who may aim where: which files of mappings may read which sources, and write which Secrets in which namespaces.

All that a mapping carries, from one source into one namespace of one cluster, has to be allowed by one rule: two rules
that allow a part each allow nothing together.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from keyferry.formats.fields import Glob
from keyferry.formats.globs import covers
from keyferry.model import Record
from keyferry.stores.registry import STORES
from keyferry.stores.source import Source

FileGlob = Annotated[str, StringConstraints(pattern=r"^[^/\\]+(/[^/\\]+)*$", max_length=500)]
"""A pattern of files, relative to the folder of the mappings: `*` stops at a slash, `**` does not."""
SourceGlob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/_+=.@*?-]+$", max_length=1024)]
"""A pattern of names of secrets or parameters: `*` stands for any characters, slashes too."""
NameGlob = Annotated[str, StringConstraints(pattern=r"^[-.a-z0-9*?]+$", max_length=253)]
"""A pattern of names of clusters or Secrets."""
TypeGlob = Annotated[str, StringConstraints(pattern=r"^[-./A-Za-z0-9*?]+$", max_length=253)]
"""A pattern of types of Secrets."""
AccountGlob = Annotated[str, StringConstraints(pattern=r"^(\d{12}|\*)$")]
"""An AWS account, or any."""


JUDGED = frozenset(
    {store.FIELD for store in STORES.values()}
    | {"find", "path", "regexp", "tags", "metadata", "region", "version", "label", "failover", "role"}
)
"""Fields of a source that say nothing more of what it reads than is looked at here; one with another is refused."""


class AllowedSources(Record):
    """Which sources may be read: patterns of names; those of other accounts only where these are allowed too."""

    secrets_manager: list[SourceGlob] = Field(default_factory=list, alias="secretsManager")
    """Secrets by their names, as `team-a/*`."""
    parameter_store: list[SourceGlob] = Field(default_factory=list, alias="parameterStore")
    """Parameters by their names, as `/team-a/*`."""
    accounts: list[AccountGlob] = Field(default_factory=list)
    """Accounts that ARNs of sources and roles may name; a name alone is always one of the stack's own account."""

    def allow(self, source: Source, cluster: str, namespace: str) -> bool:
        """Return whether all that a source can read for a namespace is allowed; both can be patterns."""
        patterns = [source.store.to_event_name(pattern) for pattern in self._of(source)]
        names = [name.replace("${cluster}", cluster).replace("${namespace}", namespace) for name in _names(source)]
        judged = bool(names) and source.model_fields_set <= JUDGED
        return judged and self._allow_account(source) and all(any_covers(patterns, name) for name in names)

    def describe(self, source: Source) -> str:
        """Return what it allows in the place of a source."""
        return listed(self._of(source)) if self._allow_account(source) else f"accounts: {listed(self.accounts)}"

    def _allow_account(self, source: Source) -> bool:
        return all(any_covers(self.accounts, account) for account in source.accounts)

    def _of(self, source: Source) -> list[str]:
        patterns: list[str] = getattr(self, source.store.FIELD)
        return patterns


class Rule(Record):
    """What the mappings of some files may do."""

    mappings: list[FileGlob] = Field(min_length=1)
    """Files, relative to the folder of the mappings, as `team-a/**/*.yaml`."""
    sources: AllowedSources
    """What they may read."""
    clusters: list[NameGlob] = Field(min_length=1)
    """Clusters, by the names that clusters.yaml gives them."""
    namespaces: list[Glob] = Field(min_length=1)
    """Namespaces by name, as `team-a-*`. All that a selector can choose has to be within."""
    namespace_selectors: list[NameGlob] = Field(default_factory=list, alias="namespaceSelectors")
    """Clusters in which labels and patterns may choose namespaces: whoever may label one there attracts its Secret."""
    types: list[TypeGlob] = Field(default=["Opaque"], min_length=1)
    """Types of Secrets."""
    secrets: list[NameGlob] = Field(default=["*"], min_length=1)
    """Names of Secrets."""

    def is_for(self, file: PurePosixPath) -> bool:
        """Return whether it speaks of a file."""
        return any(file.full_match(pattern) for pattern in self.mappings)


class Policy(Record):
    """The file policy.yaml. Where it is there, what no rule allows is refused."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    """The version of the format."""
    kind: Literal["Policy"]
    """What the document is."""
    rules: list[Rule]
    """What is allowed."""

    def rules_for(self, file: str) -> list[tuple[int, Rule]]:
        """Return the rules that speak of a file, each with its index."""
        path = PurePosixPath(file)
        return [(number, rule) for number, rule in enumerate(self.rules) if rule.is_for(path)]


def _names(source: Source) -> list[str]:
    """Return the names of all that it can read, in each of its regions; of a find, the pattern of what it can find.

    What a placeholder stands for can look like the suffix of an ARN.
    """
    if source.find is not None:
        return [f"{source.store.to_event_name(source.find_prefix)}*"]
    found = [name for each in (source, *source.replicas) for name in each.event_names]
    ends = [name.rpartition("-")[0] for name in found if source.accounts and name.endswith("}")]
    return [*found, *filter(None, ends)]


def any_covers(allowed: Sequence[str], pattern: str) -> bool:
    """Return whether one of some patterns fits all that a pattern, or a name, stands for."""
    return any(covers(each, pattern) for each in allowed)


def listed(patterns: Sequence[str]) -> str:
    """Return patterns as a message has them."""
    return ", ".join(patterns) or "none"
