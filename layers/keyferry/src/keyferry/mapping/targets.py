"""The targets of mappings: clusters, and selectors of clusters and namespaces."""

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
    """One requirement of a label selector."""

    key: LabelKey
    """The key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """What has to hold for the label's value. A missing label fulfils every `NotIn`."""
    values: list[LabelValue] = Field(default_factory=list)
    """The values for `In` and `NotIn`."""

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if bool(self.values) != self.operator.endswith("In"):
            raise ValueError("In and NotIn need values; Exists and DoesNotExist take none")
        return self

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels fulfil the requirement. As in Kubernetes, a missing label fulfils every NotIn."""
        if not self.values:
            return (self.key in labels) is (self.operator == "Exists")
        return (labels.get(self.key) in self.values) is (self.operator == "In")

    def __str__(self) -> str:
        """Return the requirement in the syntax of `labelSelector` in requests to Kubernetes."""
        if not self.values:
            return self.key if self.operator == "Exists" else f"!{self.key}"
        return f"{self.key} {self.operator.lower()} ({','.join(sorted(self.values))})"


class Selector(Record):
    """A label selector, as in Kubernetes."""

    match_labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, alias="matchLabels")
    """Labels that have to be there, each with this value."""
    match_expressions: list[Expression] = Field(default_factory=list, alias="matchExpressions")
    """Requirements of labels, all of which have to hold."""

    @model_validator(mode="after")
    def _check_criteria(self) -> Self:
        if not self._has_criteria:
            raise ValueError("chooses everything; say by which labels, as {matchLabels: {env: prod}}")
        return self

    @property
    def _has_criteria(self) -> bool:
        return bool(self.match_labels or self.match_expressions)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels fulfil the whole selector."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            expression.matches(labels) for expression in self.match_expressions
        )

    def __str__(self) -> str:
        """Return the selector in the syntax of `labelSelector` in requests to Kubernetes."""
        equal = [f"{key}={value}" for key, value in sorted(self.match_labels.items())]
        return ",".join([*equal, *map(str, self.match_expressions)])


class NamespaceSelector(Selector):
    """Selects namespaces by labels, by patterns of their names, or by both."""

    names: list[Glob] = Field(default_factory=list)
    """Patterns of names, such as `team-*`. The name has to match one of them."""
    exclude: list[Glob] = Field(default_factory=list)
    """Patterns of names. Namespaces that match one of them are left out."""

    @property
    def _has_criteria(self) -> bool:
        return super()._has_criteria or bool(self.names)

    def matches_name(self, name: str) -> bool:
        """Return whether the selector can select a namespace of this name, if its labels match."""
        is_included = not self.names or any(fnmatchcase(name, pattern) for pattern in self.names)
        return is_included and not any(fnmatchcase(name, pattern) for pattern in self.exclude)

    @property
    def description(self) -> str:
        """What a namespace has that it selects, in words: `the labels team=payments and a name like team-*`."""
        labels, names = str(self), ", ".join(self.names)
        parts = [*([f"the labels {labels}"] if labels else []), *([f"a name like {names}"] if names else [])]
        return " and ".join(parts) + (f" (beside {', '.join(self.exclude)})" if self.exclude else "")


@dataclass(frozen=True)
class Endpoint:
    """The address of an API server, and the certificate authority of its certificates."""

    url: str
    certificate_authority: str
    """The PEM of the cluster's certificate authority in base64, as EKS gives it."""


class Eks(Record):
    """A cluster in EKS."""

    name: str = Field(pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")
    """The name of the cluster in EKS."""
    region: Region
    """The region of the cluster."""
    account: str = Field(pattern=r"^[0-9]{12}$")
    """The account of the cluster."""

    def __str__(self) -> str:
        """Return account, region and name, as `111122223333/eu-west-1/prod-eu`: no other cluster has all three."""
        return f"{self.account}/{self.region}/{self.name}"


def _check_pem(text: str) -> str:
    try:
        pem = base64.b64decode(text, validate=True).decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError):
        text = "needs the base64 of a PEM certificate, as `aws eks describe-cluster` shows it"
        raise ValueError(text) from None
    return text


class Cluster(Record):
    """A cluster that mappings can write to."""

    name: Name
    """The name of the cluster in mappings."""
    eks: Eks
    """The cluster in EKS."""
    endpoint: str | None = Field(default=None, pattern=r"^https://[^/\s]+$")
    """The URL of the API server, from `aws eks describe-cluster`. With `certificateAuthority` it saves that call."""
    certificate_authority: Annotated[str, AfterValidator(_check_pem)] | None = Field(
        default=None, alias="certificateAuthority"
    )
    """The certificate authority in base64, from `aws eks describe-cluster`."""
    role: RoleArn | None = None
    """A role to assume before signing in to the cluster."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels, for `matchLabels` and `matchExpressions` of mappings."""
    restart_kinds: tuple[WorkloadKind, ...] = Field(
        default=DEFAULT_KINDS,
        alias="restartKinds",
        json_schema_extra={"default": list(map(str, DEFAULT_KINDS)), "minItems": 1, "uniqueItems": True},
    )
    """The kinds of workloads that `restart: auto` restarts here and has rights for; they replace the default ones."""
    events: bool = False
    """Whether failures are also told by Kubernetes Events on the Secret here; `deliver` may then create such Events."""

    @field_validator("restart_kinds")
    @classmethod
    def _check_restart_kinds(cls, kinds: tuple[WorkloadKind, ...]) -> tuple[WorkloadKind, ...]:
        if not kinds:
            raise ValueError("names no kind; leave it out, or say restart: none in the mappings that restart nothing")
        for number, kind in enumerate(kinds):
            if kind in kinds[:number]:
                raise ValueError(f"names {kind} twice; name each kind once")
        return kinds

    @model_validator(mode="after")
    def _check_endpoint(self) -> Self:
        if (self.endpoint is None) != (self.certificate_authority is None):
            raise ValueError("endpoint and certificateAuthority go together")
        return self

    @property
    def given_endpoint(self) -> Endpoint | None:
        """The endpoint from clusters.yaml; None where EKS has to be asked."""
        if self.endpoint is None or self.certificate_authority is None:
            return None
        return Endpoint(self.endpoint, self.certificate_authority)

    @property
    def roles(self) -> list[Role]:
        """The roles to assume before signing in to the cluster, in order."""
        return [Role(arn=self.role)] if self.role else []


class Clusters(Record):
    """The file clusters.yaml."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    """The version of the format."""
    kind: Literal["Clusters"]
    """The kind of the document."""
    clusters: list[Cluster]
    """The clusters that mappings can write to."""
