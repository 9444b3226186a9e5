"""The fields of the objects of External Secrets, as its CRDs have them: what they do not have is refused.

Names and defaults: apis/externalsecrets/v1/*_types.go. Objects of v1beta1 have the same fields, and fewer.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from keyferry.formats.fields import Name

Decoding = Literal["None", "Base64", "Base64URL", "Auto"]
Conversion = Literal["Default", "Unicode"]
SecretKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class Fields(BaseModel):
    """A part of an object. Null stands for a field that is not there, as in Kubernetes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class StoreRef(Fields):
    """Which store to read; an empty one is none."""

    name: Name | None = None
    kind: Literal["SecretStore", "ClusterSecretStore"] | None = None


class SourceRef(Fields):
    """Which store, or generator, to use in place of the object's own store."""

    store_ref: StoreRef | None = None
    generator_ref: Mapping[str, Any] | None = None


class RemoteRef(Fields):
    """A secret or a parameter, or a part of one."""

    key: str
    property: str | None = None
    version: str | None = None
    metadata_policy: Literal["None", "Fetch"] | None = None
    conversion_strategy: Conversion | None = None
    decoding_strategy: Decoding | None = None
    null_byte_policy: Literal["Ignore", "Fail"] | None = None


class Data(Fields):
    """A key of the Secret."""

    secret_key: SecretKey
    remote_ref: RemoteRef
    source_ref: SourceRef | None = None


class FindName(Fields):
    """A regular expression of names."""

    regexp: str | None = None


class Find(Fields):
    """Many secrets or parameters at once."""

    path: str | None = None
    name: FindName | None = None
    tags: dict[str, str] | None = None
    conversion_strategy: Conversion | None = None
    decoding_strategy: Decoding | None = None
    null_byte_policy: Literal["Ignore", "Fail"] | None = None


class RewriteRegexp(Fields):
    """A regular expression and what replaces it."""

    source: str
    target: str


class RewriteTransform(Fields):
    """A Go template of the new key."""

    template: str


class RewriteMerge(Fields):
    """How the JSON objects that keys hold become one."""

    into: str | None = None
    priority: list[str] | None = None
    priority_policy: Literal["Strict", "IgnoreNotFound"] | None = None
    conflict_policy: Literal["Error", "Ignore"] | None = None
    strategy: Literal["Extract", "JSON"] | None = None


class Rewrite(Fields):
    """One step of renaming keys."""

    regexp: RewriteRegexp | None = None
    transform: RewriteTransform | None = None
    merge: RewriteMerge | None = None


class DataFrom(Fields):
    """Many keys at once."""

    extract: RemoteRef | None = None
    find: Find | None = None
    rewrite: list[Rewrite] | None = None
    source_ref: SourceRef | None = None


class Metadata(Fields):
    """Labels and annotations."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None


class TemplateItem(Fields):
    """A key of a ConfigMap or Secret that holds a template."""

    key: SecretKey
    template_as: Literal["Values", "KeysAndValues"] | None = None


class TemplateRef(Fields):
    """A ConfigMap or Secret that holds templates."""

    name: Name
    items: list[TemplateItem]


class TemplateFrom(Fields):
    """Where templates are read from, and what they fill."""

    config_map: TemplateRef | None = None
    secret: TemplateRef | None = None
    target: str | None = None
    literal: str | None = None
    values_decoding_strategy: Decoding | None = None


class Template(Fields):
    """What the Secret is made like."""

    type: str | None = None
    engine_version: Literal["v1", "v2"] | None = None
    metadata: Metadata | None = None
    merge_policy: Literal["Replace", "Merge"] | None = None
    data: dict[str, str] | None = None
    template_from: list[TemplateFrom] | None = None


class Target(Fields):
    """The Secret."""

    name: Name | None = None
    creation_policy: Literal["Owner", "Orphan", "Merge", "None", "CreateOrMerge"] | None = None
    deletion_policy: Literal["Retain", "Delete", "Merge"] | None = None
    template: Template | None = None
    manifest: Mapping[str, Any] | None = None
    immutable: bool | None = None


class ExternalSecretSpec(Fields):
    """The spec of an ExternalSecret."""

    secret_store_ref: StoreRef | None = None
    target: Target | None = None
    refresh_policy: Literal["CreatedOnce", "Periodic", "OnChange"] | None = None
    refresh_interval: str | None = None
    sync_windows: Mapping[str, Any] | None = None
    data: list[Data] | None = None
    data_from: list[DataFrom] | None = None


class LabelExpression(Fields):
    """A requirement of a label selector."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] | None = None


class LabelSelector(Fields):
    """A label selector of Kubernetes."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[LabelExpression] | None = None


class ClusterExternalSecretSpec(Fields):
    """The spec of a ClusterExternalSecret."""

    external_secret_spec: Mapping[str, Any]
    external_secret_name: Name | None = None
    external_secret_metadata: Metadata | None = None
    namespace_selector: LabelSelector | None = None
    namespace_selectors: list[LabelSelector] | None = None
    namespaces: list[str] | None = None
    refresh_time: str | None = None


class Condition(Fields):
    """Namespaces that may use a ClusterSecretStore."""

    namespace_selector: LabelSelector | None = None
    namespaces: list[str] | None = None
    namespace_regexes: list[str] | None = None


class Tag(Fields):
    """A session tag."""

    key: str
    value: str


class Aws(Fields):
    """The AWS provider of a store."""

    service: Literal["SecretsManager", "ParameterStore", "CertificateManager"]
    region: str
    auth: Mapping[str, Any] | None = None
    role: str | None = None
    additional_roles: list[str] | None = None
    external_id: str | None = Field(default=None, alias="externalID")
    session_tags: list[Tag] | None = None
    session_tags_policy: Literal["None", "Simple", "Custom"] | None = None
    custom_session_tags: dict[str, str] | None = None
    transitive_tag_keys: list[str] | None = None
    secrets_manager: Mapping[str, Any] | None = None
    prefix: str | None = None


class StoreSpec(Fields):
    """The spec of a SecretStore or ClusterSecretStore."""

    provider: Mapping[str, Any]
    controller: str | None = None
    refresh_interval: int | str | None = None
    retry_settings: Mapping[str, Any] | None = None
    conditions: list[Condition] | None = None
