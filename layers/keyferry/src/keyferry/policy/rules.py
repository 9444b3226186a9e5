"""The models of policy.yaml: which files of mappings may read which sources, and write which Secrets to which places.

All that a mapping does, from one source to one namespace of one cluster, has to be allowed by a single rule: two rules
that each allow a part of it do not allow it together.
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
"""A pattern of files, relative to the folder of the mappings: `*` does not match a slash, `**` does."""
SourceGlob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/_+=.@*?-]+$", max_length=1024)]
"""A pattern of names of secrets or parameters: `*` matches any characters, slashes too."""
NameGlob = Annotated[str, StringConstraints(pattern=r"^[-.a-z0-9*?]+$", max_length=253)]
"""A pattern of names of clusters or Secrets."""
TypeGlob = Annotated[str, StringConstraints(pattern=r"^[-./A-Za-z0-9*?]+$", max_length=253)]
"""A pattern of types of Secrets."""
AccountGlob = Annotated[str, StringConstraints(pattern=r"^([0-9]{12}|\*)$")]
"""The id of an AWS account, or `*`."""

JUDGED_FIELDS = frozenset(
    {store.FIELD for store in STORES.values()}
    | {"find", "path", "regexp", "tags", "metadata", "region", "version", "label", "failover", "role"}
)
"""Fields of a source that the policy takes into account. It refuses a source with any other field."""


class AllowedSources(Record):
    """The sources that may be read, by patterns of their names. Those of other accounts need `accounts` too."""

    secrets_manager: list[SourceGlob] = Field(default_factory=list, alias="secretsManager")
    """Patterns of names of secrets, such as `team-a/*`."""
    parameter_store: list[SourceGlob] = Field(default_factory=list, alias="parameterStore")
    """Patterns of names of parameters, such as `/team-a/*`."""
    accounts: list[AccountGlob] = Field(default_factory=list)
    """Accounts that ARNs of sources and roles may name. A source without an ARN is always in the stack's account."""

    def allows(self, source: Source, cluster: str, namespace: str) -> bool:
        """Return whether a source may be read, whatever its names stand for.

        Args:
            source: the source, with its placeholders.
            cluster: the cluster that it is read for, or a pattern of clusters.
            namespace: the namespace that it is read for, or a pattern of namespaces.
        """
        patterns = [source.store.to_event_name(pattern) for pattern in self._get_patterns(source)]
        names = [name.replace("${cluster}", cluster).replace("${namespace}", namespace) for name in _list_names(source)]
        is_judged = bool(names) and source.model_fields_set <= JUDGED_FIELDS
        return is_judged and self._allows_accounts(source) and all(any_covers(patterns, name) for name in names)

    def describe(self, source: Source) -> str:
        """Return, for a message, what is allowed in place of a source that is not."""
        if not self._allows_accounts(source):
            return f"accounts: {join_patterns(self.accounts)}"
        return join_patterns(self._get_patterns(source))

    def _allows_accounts(self, source: Source) -> bool:
        return all(any_covers(self.accounts, account) for account in source.accounts)

    def _get_patterns(self, source: Source) -> list[str]:
        patterns: list[str] = getattr(self, source.store.FIELD)
        return patterns


class Rule(Record):
    """A rule: what the mappings in some files may do."""

    mappings: list[FileGlob] = Field(min_length=1)
    """The files that the rule is for, relative to the folder of the mappings, such as `team-a/**/*.yaml`."""
    sources: AllowedSources
    """The sources that they may read."""
    clusters: list[NameGlob] = Field(min_length=1)
    """The clusters that they may write to, by the names in clusters.yaml."""
    namespaces: list[Glob] = Field(min_length=1)
    """The namespaces that they may write to, such as `team-a-*`. All that a selector can select has to match."""
    namespace_selectors: list[NameGlob] = Field(default_factory=list, alias="namespaceSelectors")
    """Clusters in which they may select namespaces by labels and patterns: whoever labels one there gets its Secret."""
    types: list[TypeGlob] = Field(default=["Opaque"], min_length=1)
    """The types of Secrets that they may write."""
    secrets: list[NameGlob] = Field(default=["*"], min_length=1)
    """The names of Secrets that they may write."""

    def is_for(self, file: PurePosixPath) -> bool:
        """Return whether the rule is for a file, which is relative to the folder of the mappings."""
        return any(file.full_match(pattern) for pattern in self.mappings)


class Policy(Record):
    """The file policy.yaml. If the file exists, all that no rule allows is refused."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    """The version of the format."""
    kind: Literal["Policy"]
    """The kind of the document."""
    rules: list[Rule]
    """The rules: what is allowed."""

    def rules_for(self, file: str) -> list[tuple[int, Rule]]:
        """Return the rules for a file, each with its index in the policy."""
        path = PurePosixPath(file)
        return [(number, rule) for number, rule in enumerate(self.rules) if rule.is_for(path)]


def _list_names(source: Source) -> list[str]:
    """Return the names that a source can read, in all of its regions; for a `find`, a pattern of them.

    In an ARN, the end of a placeholder's value can be read as the suffix of the ARN, so the name before it counts too.
    """
    if source.find is not None:
        return [f"{source.store.to_event_name(source.find_prefix)}*"]
    names = [name for replica in (source, *source.replicas) for name in replica.event_names]
    without_suffix = [name.rpartition("-")[0] for name in names if source.accounts and name.endswith("}")]
    return [*names, *filter(None, without_suffix)]


def any_covers(patterns: Sequence[str], name: str) -> bool:
    """Return whether one of the patterns matches a name; of a pattern instead of a name, all names that it matches."""
    return any(covers(pattern, name) for pattern in patterns)


def join_patterns(patterns: Sequence[str]) -> str:
    """Return patterns as a text for messages; `none` where there are none."""
    return ", ".join(patterns) or "none"
