"""The mapping language: which sources make which Secret in which namespaces of which clusters."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from keyferry.model import Record
from keyferry.names import Alias, Key, Label, Name, Path
from keyferry.source import Source
from keyferry.targets import Selector


class Entry(Record):
    """How one key of the Secret is made: a source, whole or by path, or a template over all sources."""

    source: Alias | None = Field(default=None, alias="from")
    path: Path | None = None
    template: str | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.source is None) == (self.template is None):
            raise ValueError("needs exactly one of from and template")
        if self.path is not None and self.source is None:
            raise ValueError("path goes with from")
        return self


class SecretSpec(Record):
    """The Secret to write."""

    name: Name
    type: str = Field(default="Opaque", min_length=1, max_length=253)
    data: dict[Key, Entry] = Field(min_length=1)

    @field_validator("type")
    @classmethod
    def _is_ours_to_make(cls, value: str) -> str:
        if value in {"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"}:
            raise ValueError(f"Secrets of type {value} are the cluster's own and are never written")
        return value


type Kind = Literal["Deployment", "StatefulSet", "DaemonSet", "Rollout"]


class Workload(Record):
    """A workload to restart, by name."""

    kind: Kind
    name: Name


class Spec(Record):
    """What a mapping says."""

    sources: dict[Alias, Source] = Field(min_length=1)
    clusters: Annotated[list[Name], Field(min_length=1)] | Selector
    namespaces: Annotated[list[Label], Field(min_length=1)] | Selector
    secret: SecretSpec
    restart: Literal["auto", "none"] | list[Workload] = "auto"
    conflict: Literal["fail", "takeOver"] = "fail"
    """What to do where another field manager owns a key that never was ours."""

    @model_validator(mode="after")
    def _names_its_sources(self) -> Self:
        for key, entry in self.secret.data.items():
            if entry.source is not None and entry.source not in self.sources:
                known = ", ".join(sorted(self.sources))
                raise ValueError(f"secret.data.{key}: no source is called {entry.source}; there is {known}")
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


class SecretMapping(Record):
    """One mapping: sources → one Secret in every target namespace."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["SecretMapping"]
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> str:
        """The mapping's name."""
        return self.metadata.name
