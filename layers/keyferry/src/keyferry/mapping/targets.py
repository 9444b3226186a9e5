"""Where Secrets go: clusters, and how clusters and namespaces are chosen."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from keyferry.formats.fields import Glob, LabelKey, LabelValue, Name, Region
from keyferry.kinds import DEFAULT_KINDS, WorkloadKind
from keyferry.model import Record
from keyferry.role import Role, RoleArn


class Expression(Record):
    """One requirement of labels."""

    key: LabelKey
    """The label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """What has to hold; a label that is not there is `NotIn` anything."""
    values: list[LabelValue] = Field(default_factory=list)
    """What `In` and `NotIn` compare with."""

    @model_validator(mode="after")
    def _has_values_where_it_compares(self) -> Self:
        if bool(self.values) != self.operator.endswith("In"):
            raise ValueError("In and NotIn need values; Exists and DoesNotExist take none")
        return self

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels fulfil it; a label that is not there is NotIn anything, as in Kubernetes."""
        if not self.values:
            return (self.key in labels) is (self.operator == "Exists")
        return (labels.get(self.key) in self.values) is (self.operator == "In")

    def __str__(self) -> str:
        """Return it as a label selector has it."""
        if not self.values:
            return self.key if self.operator == "Exists" else f"!{self.key}"
        return f"{self.key} {self.operator.lower()} ({','.join(sorted(self.values))})"


class Selector(Record):
    """Chooses by labels, as Kubernetes does."""

    match_labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, alias="matchLabels")
    """Labels that it has, each with this value."""
    match_expressions: list[Expression] = Field(default_factory=list, alias="matchExpressions")
    """Requirements of its labels, all of which hold."""

    @model_validator(mode="after")
    def _chooses(self) -> Self:
        if not self._says_something:
            raise ValueError("chooses everything; say by which labels, as {matchLabels: {env: prod}}")
        return self

    @property
    def _says_something(self) -> bool:
        return bool(self.match_labels or self.match_expressions)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels fulfil all of it."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            each.matches(labels) for each in self.match_expressions
        )

    def __str__(self) -> str:
        """Return it as Kubernetes' lists take it."""
        equal = [f"{key}={value}" for key, value in sorted(self.match_labels.items())]
        return ",".join([*equal, *map(str, self.match_expressions)])


class NamespaceSelector(Selector):
    """Chooses namespaces: by labels, by patterns of names, or by both; those of some names never."""

    names: list[Glob] = Field(default_factory=list)
    """Patterns of which a name has to fit one, as `team-*`."""
    exclude: list[Glob] = Field(default_factory=list)
    """Patterns of names that are left out."""

    @property
    def _says_something(self) -> bool:
        return super()._says_something or bool(self.names)

    def admits(self, name: str) -> bool:
        """Return whether a namespace of that name can be chosen, whatever its labels are."""
        fits = not self.names or any(fnmatchcase(name, each) for each in self.names)
        return fits and not any(fnmatchcase(name, each) for each in self.exclude)


@dataclass(frozen=True)
class Endpoint:
    """The address of an API server, and the certificate authority of its certificates."""

    url: str
    certificate_authority: str
    """The PEM of the cluster's certificate authority in base64, as EKS gives it."""


class Eks(Record):
    """A cluster as EKS knows it."""

    name: str = Field(pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")
    """Its name in EKS."""
    region: Region
    """Its region."""
    account: str = Field(pattern=r"^\d{12}$")
    """Its account."""


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
    """What mappings call it."""
    eks: Eks
    """Which cluster of EKS it is."""
    endpoint: str | None = Field(default=None, pattern=r"^https://[^/\s]+$")
    """Its API server, as `aws eks describe-cluster` shows it: saves that call, with `certificateAuthority`."""
    certificate_authority: Annotated[str, AfterValidator(_is_pem)] | None = Field(
        default=None, alias="certificateAuthority"
    )
    """Its certificate authority in base64, as `aws eks describe-cluster` shows it."""
    role: RoleArn | None = None
    """Assumed before signing in."""
    labels: dict[str, str] = Field(default_factory=dict)
    """What `matchLabels` and `matchExpressions` of mappings compare."""
    restart_kinds: tuple[WorkloadKind, ...] = Field(
        default=DEFAULT_KINDS,
        alias="restartKinds",
        json_schema_extra={"default": list(map(str, DEFAULT_KINDS)), "minItems": 1, "uniqueItems": True},
    )
    """Kinds of workloads that `restart: auto` looks for here, and gets rights on."""

    @field_validator("restart_kinds")
    @classmethod
    def _names_each_once(cls, kinds: tuple[WorkloadKind, ...]) -> tuple[WorkloadKind, ...]:
        if not kinds:
            raise ValueError("names no kind; leave it out, or say restart: none in the mappings that restart nothing")
        for number, kind in enumerate(kinds):
            if kind in kinds[:number]:
                raise ValueError(f"names {kind} twice; name each kind once")
        return kinds

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if (self.endpoint is None) != (self.certificate_authority is None):
            raise ValueError("endpoint and certificateAuthority go together")
        return self

    @property
    def given_endpoint(self) -> Endpoint | None:
        """The endpoint that clusters.yaml gives; None where EKS is to be asked."""
        if self.endpoint is None or self.certificate_authority is None:
            return None
        return Endpoint(self.endpoint, self.certificate_authority)

    @property
    def roles(self) -> list[Role]:
        """What is assumed before signing in."""
        return [Role(arn=self.role)] if self.role else []


class Clusters(Record):
    """The file clusters.yaml."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    """The version of the format."""
    kind: Literal["Clusters"]
    """What the document is."""
    clusters: list[Cluster]
    """The clusters that mappings can name."""
