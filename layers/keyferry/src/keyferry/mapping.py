"""The mapping language: which sources make which Secret in which namespaces of which clusters."""

import base64
import re
import ssl
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from keyferry.events import parameter_name, secret_names
from keyferry.model import Record, Service

Name = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""A DNS subdomain, as Kubernetes names Secrets."""
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""A DNS label, as Kubernetes names namespaces."""


def _is_no_path(key: str) -> str:
    if key == "." or key.startswith(".."):
        raise ValueError("keys become file names: neither . nor .. at the beginning")
    return key


Key = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253), AfterValidator(_is_no_path)]
"""A key of a Secret's data."""
LabelKey = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$", max_length=317)
]
"""The key of a label, as Kubernetes allows it."""
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
"""The value of a label, as Kubernetes allows it."""
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""What a mapping calls one of its sources: a name that templates can use."""


def _compiles(path: str) -> str:
    try:
        jmespath.compile(path)
    except JMESPathError as error:
        raise ValueError(f"not a JMESPath expression: {error}") from None
    return path


Path = Annotated[str, AfterValidator(_compiles)]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$")]
"""An AWS region."""

_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9/_.-]{1,1011}")


class Source(Record):
    """Where a value comes from: a secret or a parameter."""

    secrets_manager: str | None = Field(default=None, alias="secretsManager", min_length=1)
    parameter_store: str | None = Field(default=None, alias="parameterStore", min_length=1)
    region: Region | None = None
    """Region of the source; the pipeline's own, or that of the ARN, where absent."""
    version: str | None = Field(default=None, min_length=1)
    """A fixed version: the version id of a secret, the number of a parameter."""
    label: str | None = Field(default=None, min_length=1)
    """A staging label of the secret, or a label of the parameter."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.secrets_manager is None) == (self.parameter_store is None):
            raise ValueError("needs exactly one of secretsManager and parameterStore")
        if self.version is not None and self.label is not None:
            raise ValueError("takes version or label, not both")
        if self.label == "AWSPENDING":
            raise ValueError("AWSPENDING is never pushed: it is not in use yet")
        return self

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        noun = "secret" if self.secrets_manager else "parameter"
        if self.identifier.startswith("arn:") and not (self._arn_region and self.names[0] != self.identifier):
            raise ValueError(f"not the ARN of a {noun}")
        if self.region and self._arn_region not in (None, self.region):
            raise ValueError(f"region is {self.region}, and the ARN is in {self._arn_region}")
        if self.parameter_store and ":" in self.names[0]:
            raise ValueError("a version or label has a field of its own: {parameterStore: /prod/db, label: live}")
        if self.parameter_store and self.version and not self.version.isdecimal():
            raise ValueError("the version of a parameter is a number; a label has a field of its own")
        allowed = _SECRET_NAME if self.secrets_manager else _PARAMETER_NAME
        if not allowed.fullmatch(self.names[0]):
            marks = "/ _ + = . @ -" if self.secrets_manager else "/ _ . -"
            raise ValueError(f"not the name of a {noun}: letters, digits and {marks}, no spaces")
        if self.parameter_store and "/" in self.identifier and not self.identifier.startswith(("/", "arn:")):
            raise ValueError(f"a parameter in a hierarchy begins with a slash: /{self.identifier}")
        return self

    @property
    def service(self) -> Service:
        """The service that holds it."""
        return "secretsmanager" if self.secrets_manager is not None else "parameterstore"

    @property
    def identifier(self) -> str:
        """Name or ARN, as written."""
        return self.secrets_manager or self.parameter_store or ""

    @property
    def home_region(self) -> str | None:
        """Where to read it: the region given, or the ARN's; None for the pipeline's own."""
        return self.region or self._arn_region

    @property
    def _arn_region(self) -> str | None:
        arn = self.identifier.split(":")
        return arn[3] if arn[0] == "arn" and len(arn) > 5 else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which events can call it."""
        if self.secrets_manager is not None:
            return secret_names(self.secrets_manager)
        return (parameter_name(self.identifier),)


class Selector(Record):
    """Chooses by labels, as Kubernetes does."""

    match_labels: dict[LabelKey, LabelValue] = Field(alias="matchLabels", min_length=1)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels hold every pair."""
        return all(labels.get(key) == value for key, value in self.match_labels.items())

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in sorted(self.match_labels.items()))


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


class Eks(Record):
    """A cluster as EKS knows it."""

    name: str = Field(pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")
    region: Region
    account: str = Field(pattern=r"^\d{12}$")


def _is_pem(text: str) -> str:
    try:
        pem = base64.b64decode(text, validate=True).decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError):
        text = "needs the base64 of a PEM certificate, as `aws eks describe-cluster` shows it"
        raise ValueError(text) from None
    return text


class Cluster(Record):
    """A cluster that mappings can name."""

    name: Name
    eks: Eks
    endpoint: str | None = Field(default=None, pattern=r"^https://[^/\s]+$")
    certificate_authority: Annotated[str, AfterValidator(_is_pem)] | None = Field(
        default=None, alias="certificateAuthority"
    )
    role: str | None = Field(default=None, pattern=r"^arn:[a-z0-9-]+:iam::\d{12}:role/[\w+=,.@/-]+$")
    """Assumed before signing in."""
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if (self.endpoint is None) != (self.certificate_authority is None):
            raise ValueError("endpoint and certificateAuthority go together")
        return self


class Clusters(Record):
    """The file clusters.yaml."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Clusters"]
    clusters: list[Cluster]
