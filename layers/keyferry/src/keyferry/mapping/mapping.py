"""The mapping language: from which sources which Secret is written, and to which namespaces of which clusters."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from keyferry import secret_types
from keyferry.formats.fields import Alias, Label, Name
from keyferry.identity import IDENTITY, Identity
from keyferry.kinds import WorkloadKind
from keyferry.mapping.policies import Policies
from keyferry.mapping.secret import SecretSpec
from keyferry.mapping.targets import NamespaceSelector, Selector
from keyferry.model import Record
from keyferry.stores.source import Source

PLACE_NAMES = frozenset({"cluster", "namespace"})
"""Variables of every template: the place that the Secret is written to."""
VARIABLES = "variables"
"""The variable of templates that holds what `secret.variables` makes."""

DEFAULT_OF_NOTHING = (
    "default and optional go with path or property, or with a source that has a label, or is optional: for what is not"
    " found there"
)
"""What is wrong with an entry that has one of them, and whose value is always there."""


class Workload(Record):
    """A workload to restart, by name."""

    kind: WorkloadKind
    """The kind of the workload; `Rollout` is that of Argo Rollouts, `CloneSet` that of OpenKruise."""
    name: Name
    """The name of the workload."""

    def __str__(self) -> str:
        """Return kind and name, as `Deployment/api`."""
        return f"{self.kind}/{self.name}"


class Team(Record):
    """The team that owns a mapping. It appears in reports and logs, and has no effect on the Secret."""

    team: str = Field(min_length=1, max_length=100, examples=["payments"])
    """The name of the team."""
    contact: str | None = Field(default=None, min_length=1, max_length=200, examples=["#payments-oncall"])
    """Where to reach the team: a channel, an e-mail address or a web page."""

    def __str__(self) -> str:
        """Return the team and its contact as one text."""
        return self.team + (f" ({self.contact})" if self.contact else "")


class Spec(Record):
    """The content of a mapping."""

    sources: dict[Alias, Source] = Field(min_length=1)
    """The sources of values. The rest of the mapping refers to each by its name here."""
    clusters: Annotated[list[Name], Field(min_length=1)] | Selector
    """The clusters to write to: by their names in clusters.yaml, or by their labels there."""
    namespaces: Annotated[list[Label | NamespaceSelector], Field(min_length=1)] | NamespaceSelector
    """The namespaces to write to: by name, by labels or patterns of names, or a list of both."""
    secret: SecretSpec
    """The Secret to write to each of these namespaces."""
    restart: Literal["auto", "none"] | list[Workload] = "auto"
    """What restarts after a change of the content: all workloads that use the Secret, none, or those in the list."""
    policies: Policies = Field(default_factory=Policies)
    """How the Secret is created, shared with others, and deleted."""
    owner: Team | None = None
    """The team that owns the mapping."""

    @model_validator(mode="after")
    def _check_aliases(self) -> Self:
        used = [(path, entry.source) for path, entry in self.secret.entries]
        used += [(path, data_from.source) for path, data_from in self.secret.selections]
        for path, alias in used:
            if alias is not None and alias not in self.sources:
                known = ", ".join(sorted(self.sources))
                raise ValueError(f"secret.{path}: no source is called {alias}; there is {known}")
        return self

    @model_validator(mode="after")
    def _check_defaults(self) -> Self:
        for path, entry in self.secret.entries:
            if (
                entry.source
                and entry.can_be_left_out
                and entry.selection is None
                and not (self.sources[entry.source].label or self.sources[entry.source].optional)
            ):
                raise ValueError(f"secret.{path}: {DEFAULT_OF_NOTHING}")
        return self

    @model_validator(mode="after")
    def _check_optional_sources(self) -> Self:
        for path, entry in self.secret.entries:
            if entry.source and self.sources[entry.source].optional and path.startswith(("tls.", "registries.")):
                raise ValueError(f"secret.{path}: source {entry.source} is optional, and this is always needed")
        return self

    @property
    def certain_keys(self) -> frozenset[str]:
        """The keys that the Secret has whatever the sources hold."""
        optional = {alias for alias, source in self.sources.items() if source.optional}
        lacking = {key for key, entry in self.secret.data.items() if entry.source in optional and entry.default is None}
        return self.secret.certain_keys - lacking

    @property
    def differs_by_namespace(self) -> bool:
        """Whether the Secret can differ between namespaces. A template counts if `namespace` is in its text."""
        return self._names("namespace")

    @property
    def differs_by_cluster(self) -> bool:
        """Whether the Secret can differ between clusters. A template counts if `cluster` is in its text."""
        return self._names("cluster")

    def _names(self, part: str) -> bool:
        """Return whether a source or a template names a part of the place."""
        return any(part in source.placeholders for source in self.sources.values()) or any(
            part in template for template in self.secret.templates
        )

    @model_validator(mode="after")
    def _check_finds(self) -> Self:
        single_values = [(path, entry.source) for path, entry in self.secret.entries]
        single_values += [
            (path, data_from.source) for path, data_from in self.secret.selections if data_from.selection is not None
        ]
        for path, alias in single_values:
            if alias is not None and self.sources[alias].find is not None:
                raise ValueError(
                    f"secret.{path}: source {alias} finds many values, which have no path: take them all by dataFrom,"
                    " or one by a template"
                )
        return self

    @property
    def keeps_type(self) -> bool:
        """Whether the Secret keeps the type that somebody else gives it: then only run time knows its type."""
        return self.policies.creation == "merge" and self.secret.given_type is None

    def can_write_to(self, namespace: str | None) -> bool:
        """Return whether the mapping can write to a namespace, going by names alone; always true for None (any)."""
        if namespace is None:
            return True
        return namespace in self.namespace_names or any(
            selector.matches_name(namespace) for selector in self.namespace_selectors
        )

    def name_namespace(self, namespace: str) -> str:
        """Return the part of the mapping that names a namespace, or selects it, as `KeyferryError.part` has it."""
        listed = self._namespaces
        return f"namespaces.{listed.index(namespace)}" if namespace in listed else "namespaces"

    def name_workload(self, workload: Workload) -> str:
        """Return the part of the mapping that has a workload restarted, as `KeyferryError.part` has it."""
        listed = self.restart if isinstance(self.restart, list) else []
        return f"restart.{listed.index(workload)}" if workload in listed else "restart"

    @property
    def namespace_names(self) -> list[str]:
        """The namespaces that the mapping names, sorted, without duplicates."""
        return sorted({namespace for namespace in self._namespaces if isinstance(namespace, str)})

    @property
    def namespace_selectors(self) -> list[NamespaceSelector]:
        """The selectors of further namespaces. Only a cluster knows which namespaces they select."""
        return [selector for selector in self._namespaces if isinstance(selector, NamespaceSelector)]

    @property
    def _namespaces(self) -> Sequence[str | NamespaceSelector]:
        return [self.namespaces] if isinstance(self.namespaces, NamespaceSelector) else self.namespaces

    @model_validator(mode="after")
    def _check_variables(self) -> Self:
        if self.secret.variables and VARIABLES in self.sources:
            raise ValueError(
                f"{VARIABLES} is what templates call secret.{VARIABLES}; give the source of this name another one"
            )
        return self

    @field_validator("sources")
    @classmethod
    def _check_reserved_names(cls, sources: dict[str, Source]) -> dict[str, Source]:
        for name in sorted(PLACE_NAMES & sources.keys()):
            raise ValueError(
                f"{name} is a variable of every template, for where the Secret goes; give the source another name"
            )
        return sources

    @model_validator(mode="after")
    def _check_keys_of_type(self) -> Self:
        secret, keys = self.secret, self.secret.possible_keys
        missing = (
            secret_types.describe_missing_keys(secret.type, keys)
            if keys is not None and self.policies.creation != "merge"
            else ""
        )
        if missing:
            raise ValueError(
                f"a Secret of type {secret.type} needs {missing}: add it to secret.data, or give another type"
            )
        return self

    @model_validator(mode="after")
    def _check_keys_after_deletion(self) -> Self:
        missing = secret_types.describe_missing_keys(self.secret.type, frozenset())
        if missing and self.policies.deletion == "merge" and self.policies.creation != "merge":
            raise ValueError(
                f"deletion: merge would leave a Secret of type {self.secret.type} without {missing}, which the cluster"
                " refuses; deletion: delete takes it away with the source"
            )
        return self

    @model_validator(mode="after")
    def _check_immutable(self) -> Self:
        if self.secret.immutable and self.policies.creation == "merge":
            raise ValueError(
                "secret.immutable cannot be set with creation: merge, which adds to somebody else's Secret"
            )
        return self

    @field_validator("restart")
    @classmethod
    def _check_duplicates(cls, value: object) -> object:
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError("names a workload twice")
        return value


class Metadata(Record):
    """The names of a mapping."""

    name: Name
    """The name of the mapping. The field manager of its Secrets is named after it."""
    previous_names: tuple[Name, ...] = Field(default=(), alias="previousNames", examples=[["payments-database"]])
    """Earlier names of the mapping. It treats what it wrote under these names as its own."""


class SecretMapping(Record):
    """A mapping: writes values of AWS secrets and parameters to one Secret in each of its namespaces."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    """The version of the format."""
    kind: Literal["SecretMapping"]
    """The kind of the document."""
    metadata: Metadata
    """The names of the mapping."""
    spec: Spec
    """The content of the mapping."""
    _identity: Identity = PrivateAttr(default=IDENTITY)

    @model_validator(mode="after")
    def _check_previous_names(self) -> Self:
        if self.metadata.name in self.metadata.previous_names:
            raise ValueError("metadata.previousNames: names the mapping itself; list only names that it had before")
        return self

    @property
    def name(self) -> str:
        """The name of the mapping."""
        return self.metadata.name

    @property
    def names(self) -> tuple[str, ...]:
        """The current name of the mapping, then its earlier ones."""
        return self.metadata.name, *self.metadata.previous_names

    def identify(self, identity: Identity) -> "SecretMapping":
        """Return the mapping as a stack with these names delivers it."""
        if self._identity == identity:
            return self
        identified = self.model_copy()
        identified._identity = identity
        return identified

    @property
    def managers(self) -> tuple[str, ...]:
        """The field managers of its Secrets: the current one, then those of its earlier names and prefixes."""
        return self._identity.list_field_managers(self.names)

    @property
    def journal_names(self) -> tuple[str, ...]:
        """How the journals of its Secrets name it: the current name, then the earlier ones."""
        return self._identity.list_journal_names(self.names)

    @property
    def stamp_keys(self) -> tuple[str, ...]:
        """The annotations of pod templates that carry its restarts: the current one, then those of earlier prefixes."""
        return self._identity.list_stamp_keys(self.spec.secret.name)
