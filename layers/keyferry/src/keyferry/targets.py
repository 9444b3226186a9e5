"""Where Secrets go: clusters, and how clusters and namespaces are chosen."""

import base64
import ssl
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from keyferry.model import Record
from keyferry.names import LabelKey, LabelValue, Name, Region


class Selector(Record):
    """Chooses by labels, as Kubernetes does."""

    match_labels: dict[LabelKey, LabelValue] = Field(alias="matchLabels", min_length=1)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels hold every pair."""
        return all(labels.get(key) == value for key, value in self.match_labels.items())

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in sorted(self.match_labels.items()))


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
