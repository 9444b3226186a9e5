"""The models of policy.yaml: which files of mappings may read which sources, and write which Secrets to which places.

All that a mapping does, from one source to one namespace of one cluster, has to be allowed by a single rule: two rules
that each allow a part of it do not allow it together. What a rule does not mention is allowed as far as it is harmless.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from keyferry.formats.fields import Glob
from keyferry.formats.globs import covers
from keyferry.mapping.policies import Conflict, Creation, Deletion, Keys
from keyferry.model import Record
from keyferry.policy.metadata import is_harmless
from keyferry.role import TagKey
from keyferry.secret_types import suggest_type
from keyferry.stores.source import Source


def _check_type(pattern: str) -> str:
    """Check that a type is not nearly a built-in one. Patterns are not checked: they stand for more than one."""
    similar = "" if "*" in pattern or "?" in pattern else suggest_type(pattern)
    if similar:
        raise ValueError(f"{pattern} is no type of Kubernetes, and no mapping can have it; did you mean {similar}?")
    return pattern


FileGlob = Annotated[str, StringConstraints(pattern=r"^[^/\\]+(/[^/\\]+)*$", max_length=500)]
"""A pattern of files, relative to the folder of the mappings: `*` does not match a slash, `**` does."""
SourceGlob = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/_+=.@!*?-]+$", max_length=1024)]
"""A pattern of names of secrets or parameters: `*` matches any characters, slashes too."""
NameGlob = Annotated[str, StringConstraints(pattern=r"^[-.a-z0-9*?]+$", max_length=253)]
"""A pattern of names of clusters, Secrets or workloads."""
TypeGlob = Annotated[
    str, StringConstraints(pattern=r"^[-./A-Za-z0-9*?]+$", max_length=253), AfterValidator(_check_type)
]
"""A pattern of types of Secrets."""
AccountGlob = Annotated[str, StringConstraints(pattern=r"^([0-9]{12}|\*)$")]
"""The id of an AWS account, or `*`."""
RegionGlob = Annotated[str, StringConstraints(pattern=r"^[a-z*?][-a-z0-9*?]*$", max_length=63)]
"""A pattern of AWS regions."""
RoleGlob = Annotated[
    str, StringConstraints(pattern=r"^arn:[-a-z0-9*?]+:iam::[0-9*?]+:role/[-A-Za-z0-9_+=,.@/*?]+$", max_length=2048)
]
"""A pattern of ARNs of IAM roles: `*` matches any characters, slashes too."""
ExternalIdGlob = Annotated[str, StringConstraints(pattern=r"^[-A-Za-z0-9_+=,.@:/*?]+$", max_length=1224)]
"""A pattern of external ids."""
TagValueGlob = Annotated[str, StringConstraints(pattern=r"^[-A-Za-z0-9_ .:/=+@*?]*$", max_length=256)]
"""A pattern of values of session tags."""
KeyGlob = Annotated[str, StringConstraints(pattern=r"^[-A-Za-z0-9_./*?]+$", max_length=317)]
"""A pattern of keys of labels or annotations: `*` matches any characters, the slash too."""


class AllowedSources(Record):
    """The sources that may be read, by patterns of their names, and what else a source may say."""

    secrets_manager: list[SourceGlob] = Field(default_factory=list, alias="secretsManager")
    """Patterns of names of secrets, such as `team-a/*`."""
    parameter_store: list[SourceGlob] = Field(default_factory=list, alias="parameterStore")
    """Patterns of names of parameters, such as `/team-a/*`."""
    accounts: list[AccountGlob] = Field(default_factory=list)
    """Accounts that ARNs of sources and roles may name. A source without an ARN is always in the stack's account."""
    regions: list[RegionGlob] = Field(default_factory=list)
    """Regions that `region`, `failover` and ARNs may name. A source that names none is always in the stack's region."""
    roles: list[RoleGlob] = Field(default_factory=list)
    """Patterns of ARNs of roles that may be assumed to read a source. Their accounts have to be in `accounts` too."""
    external_ids: list[ExternalIdGlob] = Field(default_factory=list, alias="externalIds")
    """Patterns of external ids that may be given to roles."""
    session_tags: dict[TagKey, list[TagValueGlob]] = Field(default_factory=dict, alias="sessionTags")
    """Keys of session tags that may be given to roles, each with patterns of its values."""

    def allows(self, source: Source, cluster: str, namespace: str) -> bool:
        """Return whether a source may be read, whatever its names stand for.

        Args:
            source: the source, with its placeholders.
            cluster: the cluster that it is read for, or a pattern of clusters.
            namespace: the namespace that it is read for, or a pattern of namespaces.
        """
        covering = [patterns for _, patterns in self._match_names(source, cluster, namespace)]
        return bool(covering) and all(covering) and not self._describe_missing(source)

    def list_covering(self, source: Source, cluster: str, namespace: str) -> list[str]:
        """Return, for each name of a source that may be read, the longest pattern that covers it.

        Args:
            source: the source, with its placeholders.
            cluster: the cluster that it is read for, or a pattern of clusters.
            namespace: the namespace that it is read for, or a pattern of namespaces.
        """
        return [max(patterns, key=len) for _, patterns in self._match_names(source, cluster, namespace)]

    def _match_names(self, source: Source, cluster: str, namespace: str) -> Iterator[tuple[str, list[str]]]:
        """Yield each name that a source can have at a place, and the patterns that cover it."""
        for written in _list_names(source):
            name = written.replace("${cluster}", cluster).replace("${namespace}", namespace)
            patterns = self._get_patterns(source)
            yield name, [pattern for pattern in patterns if covers(source.store.to_event_name(pattern), name)]

    def describe(self, source: Source) -> str:
        """Return, for a message, what is allowed in place of a source that is not."""
        return self._describe_missing(source) or join_patterns(self._get_patterns(source))

    def _describe_missing(self, source: Source) -> str:
        """Return what is allowed in place of the first thing, beside its names, that a source says and may not."""
        for field, values, patterns in self._list_aspects(source):
            if not all(any_covers(patterns, value) for value in values):
                by_name = " (of the stack's own account, write the name)" if field == "accounts" and source.arn else ""
                return f"{field}: {join_patterns(patterns)}{by_name}"
        return ""

    def _list_aspects(self, source: Source) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
        """Yield each field beside the names, what a source says of it, and the patterns that this has to match."""
        yield "accounts", source.accounts, self.accounts
        yield "regions", source.regions, self.regions
        yield "roles", [role.arn for role in source.role], self.roles
        yield "externalIds", [role.external_id for role in source.role if role.external_id], self.external_ids
        for key, value in [tag for role in source.role for tag in role.session_tags.items()]:
            yield f"sessionTags: {key}", [value], self.session_tags.get(key, [])

    def _get_patterns(self, source: Source) -> list[str]:
        patterns: list[str] = getattr(self, source.store.FIELD)
        return patterns


class AllowedPolicies(Record):
    """What a mapping may say in its `policies`. The defaults change nothing that somebody else has made."""

    creation: list[Creation] = Field(default=["createOrUpdate", "createOnce"], min_length=1)
    """Values of `creation`. `merge` writes into Secrets that belong to others."""
    keys: list[Keys] = Field(default=["ours"], min_length=1)
    """Values of `keys`. `exclusive` removes the keys of others."""
    deletion: list[Deletion] = Field(default=["retain", "merge"], min_length=1)
    """Values of `deletion`. `delete` deletes the Secret."""
    conflict: list[Conflict] = Field(default=["fail"], min_length=1)
    """Values of `conflict`. `takeOver` takes Secrets and keys from others."""


class Rule(Record):
    """A rule: what the mappings in some files may do."""

    mappings: list[FileGlob] = Field(min_length=1)
    """The files that the rule is for, relative to the folder of the mappings, such as `team-a/**/*.yaml`."""
    sources: AllowedSources
    """The sources that they may read."""
    grant: Literal["names", "prefix"] = Field(default="names", examples=["prefix"])
    """What IAM lets `deliver` read: the names in the mappings, or the patterns in `sources` that cover them."""
    clusters: list[NameGlob] = Field(min_length=1)
    """The clusters that they may write to, by the names in clusters.yaml."""
    namespaces: list[Glob] = Field(min_length=1)
    """The namespaces that they may write to, such as `team-a-*`. All that a selector can select has to match."""
    namespace_selectors: list[NameGlob] = Field(default_factory=list, alias="namespaceSelectors")
    """Clusters in which they may select namespaces by labels and patterns: whoever labels one there gets its Secret."""
    types: list[TypeGlob] = Field(default=["Opaque"], min_length=1)
    """The types of Secrets that they may write, also of those that they add to (`creation: merge`)."""
    secrets: list[NameGlob] = Field(default=["*"], min_length=1)
    """The names of Secrets that they may write."""
    labels: list[KeyGlob] = Field(default_factory=list)
    """Keys of labels with a prefix that they may set: controllers act on such. Those without one are the user's own."""
    annotations: list[KeyGlob] = Field(default_factory=list)
    """Keys of annotations with a prefix that they may set, as for `labels`."""
    policies: AllowedPolicies = Field(default_factory=AllowedPolicies)
    """What they may say in `policies`."""
    restarts: list[NameGlob] = Field(default_factory=list)
    """The names of workloads that they may restart by name; `restart: auto` restarts what uses the Secret."""

    def is_for(self, file: PurePosixPath) -> bool:
        """Return whether the rule is for a file, which is relative to the folder of the mappings."""
        return any(file.full_match(pattern) for pattern in self.mappings)

    def allows_metadata(self, field: Literal["labels", "annotations"], key: str) -> bool:
        """Return whether a label or an annotation may be set, whatever its value is."""
        return is_harmless(key) or any_covers(getattr(self, field), key)


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
