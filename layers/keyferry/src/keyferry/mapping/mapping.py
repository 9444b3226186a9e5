"""The mapping language: which sources make which Secret in which namespaces of which clusters."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from keyferry import secret_types
from keyferry.formats.fields import Alias, Label, Name
from keyferry.kinds import WorkloadKind
from keyferry.mapping.secret import SecretSpec
from keyferry.mapping.targets import NamespaceSelector, Selector
from keyferry.model import Record
from keyferry.stores.source import Source

PLACE_NAMES = frozenset({"cluster", "namespace"})
"""What every template can name: where the Secret goes."""


class Workload(Record):
    """A workload to restart, by name."""

    kind: WorkloadKind
    """What it is; `Rollout` is that of Argo, `CloneSet` that of OpenKruise."""
    name: Name
    """Its name."""


class Policies(Record):
    """What may become of a Secret, beside being written."""

    creation: Literal["createOrUpdate", "merge", "createOnce"] = "createOrUpdate"
    """Whether the Secret is made and kept right, only ever added to somebody else's, or made once and left alone."""
    keys: Literal["ours", "exclusive"] = "ours"
    """Whether keys of others stay in the Secret, or are removed."""
    deletion: Literal["retain", "delete", "merge"] = "retain"
    """What happens when a source is gone for certain: nothing, the Secret is deleted, or our keys are removed."""
    conflict: Literal["fail", "takeOver"] = "fail"
    """What to do where somebody else owns a key that was never ours, or the Secret itself."""

    @model_validator(mode="after")
    def _leaves_the_secret_of_others_theirs(self) -> Self:
        if self.creation == "merge" and self.keys == "exclusive":
            raise ValueError("creation: merge adds to somebody else's Secret, and keys: exclusive would remove theirs")
        if self.creation == "merge" and self.deletion == "delete":
            raise ValueError("creation: merge adds to somebody else's Secret; deletion: merge takes our keys out again")
        if self.creation == "createOnce" and self.keys == "exclusive":
            raise ValueError("creation: createOnce leaves a Secret that exists alone, and keys: exclusive does not")
        return self


class Team(Record):
    """Who answers for a mapping: shown where a delivery is reported, without effect on the Secret."""

    team: str = Field(min_length=1, max_length=100, examples=["payments"])
    """The team's name."""
    contact: str | None = Field(default=None, min_length=1, max_length=200, examples=["#payments-oncall"])
    """Where it is reached: a channel, an address, a page."""

    def __str__(self) -> str:
        """Return both in one text."""
        return self.team + (f" ({self.contact})" if self.contact else "")


class Spec(Record):
    """What a mapping says."""

    sources: dict[Alias, Source] = Field(min_length=1)
    """Where values come from, each under a name that the rest of the mapping uses."""
    clusters: Annotated[list[Name], Field(min_length=1)] | Selector
    """Clusters by the names of clusters.yaml, or by the labels that they have there."""
    namespaces: Annotated[list[Label | NamespaceSelector], Field(min_length=1)] | NamespaceSelector
    """Namespaces by name, by labels or patterns of names, or both in a list."""
    secret: SecretSpec
    """The Secret to write in each of them."""
    restart: Literal["auto", "none"] | list[Workload] = "auto"
    """What restarts when the content has changed: what uses the Secret, nothing, or these workloads."""
    policies: Policies = Field(default_factory=Policies)
    """What may become of the Secret, beside being written."""
    owner: Team | None = None
    """Who answers for it."""

    @model_validator(mode="after")
    def _names_its_sources(self) -> Self:
        named = [(place, entry.source) for place, entry in self.secret.entries if entry.source is not None]
        named += [(f"dataFrom.{number}", each.source) for number, each in enumerate(self.secret.data_from)]
        for place, source in named:
            if source not in self.sources:
                known = ", ".join(sorted(self.sources))
                raise ValueError(f"secret.{place}: no source is called {source}; there is {known}")
        return self

    @property
    def differs_by_namespace(self) -> bool:
        """Whether the Secret can be another in another namespace. A template that only looks as if counts too."""
        return any("namespace" in each.placeholders for each in self.sources.values()) or any(
            "namespace" in template for template in self.secret.templates
        )

    @model_validator(mode="after")
    def _takes_all_that_is_found(self) -> Self:
        taken = [(f"data.{key}", entry.source) for key, entry in self.secret.data.items()]
        taken += [
            (f"dataFrom.{n}", each.source) for n, each in enumerate(self.secret.data_from) if each.path is not None
        ]
        for place, source in taken:
            if source is not None and self.sources[source].find is not None:
                raise ValueError(
                    f"secret.{place}: source {source} finds many values, which have no path: take them all by dataFrom,"
                    " or one by a template"
                )
        return self

    def can_reach(self, namespace: str | None) -> bool:
        """Return whether a namespace (None: any) can be one of the mapping's, as far as is known without asking."""
        if namespace is None:
            return True
        return namespace in self.namespace_names or any(each.admits(namespace) for each in self.namespace_selectors)

    @property
    def namespace_names(self) -> list[str]:
        """The namespaces that it names, each once."""
        return sorted({each for each in self._namespaces if isinstance(each, str)})

    @property
    def namespace_selectors(self) -> list[NamespaceSelector]:
        """What chooses further ones: which those are, only a cluster knows."""
        return [each for each in self._namespaces if isinstance(each, NamespaceSelector)]

    @property
    def _namespaces(self) -> Sequence[str | NamespaceSelector]:
        return [self.namespaces] if isinstance(self.namespaces, NamespaceSelector) else self.namespaces

    @field_validator("sources")
    @classmethod
    def _leaves_the_place_its_names(cls, sources: dict[str, Source]) -> dict[str, Source]:
        for name in sorted(PLACE_NAMES & sources.keys()):
            raise ValueError(f"{name} is where the Secret goes, in a template; call the source another name")
        return sources

    @model_validator(mode="after")
    def _has_what_the_type_requires(self) -> Self:
        secret, keys = self.secret, self.secret.known_keys
        lacking = (
            secret_types.describe_missing_keys(secret.type, keys)
            if keys is not None and self.policies.creation != "merge"
            else ""
        )
        if lacking:
            raise ValueError(
                f"a Secret of type {secret.type} needs {lacking}: add it to secret.data, or give another type"
            )
        return self

    @model_validator(mode="after")
    def _leaves_a_secret_that_can_be(self) -> Self:
        lacking = secret_types.describe_missing_keys(self.secret.type, frozenset())
        if lacking and self.policies.deletion == "merge" and self.policies.creation != "merge":
            raise ValueError(
                f"deletion: merge would leave a Secret of type {self.secret.type} without {lacking}, which the cluster"
                " refuses; deletion: delete takes it away with the source"
            )
        return self

    @model_validator(mode="after")
    def _leaves_the_host_mutable(self) -> Self:
        if self.secret.immutable and self.policies.creation == "merge":
            raise ValueError("secret.immutable is not ours to say where creation: merge adds to somebody else's Secret")
        return self

    @field_validator("restart")
    @classmethod
    def _names_each_once(cls, value: object) -> object:
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError("names a workload twice")
        return value


class Metadata(Record):
    """What the mapping is called."""

    name: Name
    """The name, which also names the field manager of the Secret."""
    previous_names: tuple[Name, ...] = Field(default=(), alias="previousNames", examples=[["payments-database"]])
    """What it was called before: what it wrote under these names is its own."""


class SecretMapping(Record):
    """One mapping: sources → one Secret in every target namespace."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    """The version of the format."""
    kind: Literal["SecretMapping"]
    """What the document is."""
    metadata: Metadata
    """What it is called."""
    spec: Spec
    """What it says."""

    @model_validator(mode="after")
    def _was_called_otherwise(self) -> Self:
        if self.metadata.name in self.metadata.previous_names:
            raise ValueError("metadata.previousNames: names the mapping itself; there go the names that it had before")
        return self

    @property
    def name(self) -> str:
        """The mapping's name."""
        return self.metadata.name

    @property
    def names(self) -> tuple[str, ...]:
        """What it is and was called."""
        return self.metadata.name, *self.metadata.previous_names
