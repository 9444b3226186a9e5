"""The models of the Secret that a mapping writes."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from keyferry import secret_types
from keyferry.formats.encodings import Decoding
from keyferry.formats.fields import Alias, JmesPath, Key, LabelKey, LabelValue, Name, Property
from keyferry.mapping.data import Entry, Registry, Tls, check_selection
from keyferry.mapping.keys import InvalidCharacters, KeyRule
from keyferry.model import MANAGED_BY, PREFIX, Record


class DataFrom(Record):
    """Many keys at once: the members of a JSON object, all that a `find` finds, or what a template makes in YAML."""

    source: Alias | None = Field(default=None, alias="from")
    """The source of the keys and their values."""
    path: JmesPath | None = None
    """A JMESPath expression that selects the object; where absent, the whole value is the object."""
    remote_property: Property | None = Field(default=None, alias="property", examples=["@this"])
    """The object, and its values, as `extract` of External Secrets has them: a key, a gjson path, `@this` for all."""
    template: str | None = None
    """A Jinja template that makes YAML: keys, and a text for each. Its variables are those of a template of `data`."""
    template_file: str | None = Field(default=None, alias="templateFile", examples=["payments.yaml.j2"])
    """A file with the template, relative to the mapping's file. It is read when the mappings are compiled."""
    decode: Decoding | None = None
    """How the values are encoded: the keys hold the decoded values."""
    null_bytes: Literal["refuse"] | None = Field(default=None, alias="nullBytes", examples=["refuse"])
    """Whether a value with a null byte is an error (`refuse`), as it is for what reads text."""
    keys: list[KeyRule] = Field(default_factory=list, max_length=100)
    """Rules that rename the keys, applied in this order."""
    invalid_characters: InvalidCharacters = Field(default="refuse", alias="invalidCharacters")
    """What becomes of characters that no key may have: `replace` writes `_`, `escape` writes `_U002f_` for a slash."""

    @model_validator(mode="after")
    def _check_one_kind(self) -> Self:
        if sum(field is not None for field in (self.source, self.template, self.template_file)) != 1:
            raise ValueError("needs exactly one of from, template and templateFile")
        if self.source is None and (self.selection is not None or self.null_bytes is not None):
            raise ValueError("path, property and nullBytes go with from")
        check_selection(self.path, self.remote_property)
        return self

    @property
    def selection(self) -> str | None:
        """The path or property that selects the object; None where the whole value is the object."""
        return self.remote_property if self.path is None else self.path


class Variables(Record):
    """Values that templates see by the name `variables`, and that are not written."""

    data: dict[Key, Entry] = Field(default_factory=dict)
    """The variables, and what fills each, as the keys of a Secret."""
    data_from: list[DataFrom] = Field(default_factory=list, alias="dataFrom")
    """Many variables at once, as keys of a Secret. `data` and `dataFrom` win over one another as they do there."""

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        if not (self.data or self.data_from):
            raise ValueError("needs data or dataFrom")
        return self


class Template(Record):
    """A template of a label or an annotation."""

    template: str | None = None
    """A Jinja template. Its variables are `cluster`, `namespace`, and sources that read tags."""
    template_file: str | None = Field(default=None, alias="templateFile", examples=["notice.j2"])
    """A file with the template, relative to the mapping's file. It is read when the mappings are compiled."""
    shows_values: bool = Field(default=False, alias="showsValues", strict=True)
    """Whether the template may show values: of all sources, and `variables`. Whoever sees labels then sees them."""

    @model_validator(mode="after")
    def _check_one_kind(self) -> Self:
        if (self.template is None) == (self.template_file is None):
            raise ValueError("needs exactly one of template and templateFile")
        return self


class SecretSpec(Record):
    """The Secret to write."""

    name: Name
    """The name of the Secret, the same in each namespace."""
    given_type: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = Field(
        default=None, alias="type", examples=["kubernetes.io/tls"]
    )
    """The type of the Secret, which can never change. Default: what `tls` or `registries` needs, or `Opaque`."""
    tls: Tls | None = None
    """A certificate for the keys `tls.crt`, `tls.key` and, where there is a root certificate, `ca.crt`."""
    registries: list[Registry] = Field(default_factory=list)
    """Credentials of image registries for the key `.dockerconfigjson`."""
    labels: dict[LabelKey, LabelValue | Template] = Field(default_factory=dict)
    """Labels of the Secret, beside Keyferry's own. Templates have the variables `cluster` and `namespace`."""
    annotations: dict[LabelKey, str | Template] = Field(default_factory=dict)
    """Annotations of the Secret, beside Keyferry's own. Templates use values of sources only with `showsValues`."""
    check_content: bool = Field(default=True, strict=True, alias="checkContent")
    """Whether what nobody could read is refused, as a certificate that is none. If not, it is written, and noted."""
    immutable: bool = Field(default=False, strict=True)
    """Whether the cluster refuses every later change of the data. This cannot be undone."""
    data: dict[Key, Entry] = Field(default_factory=dict)
    """The keys of the Secret, and what fills each."""
    data_from: list[DataFrom] = Field(default_factory=list, alias="dataFrom")
    """Many keys at once. For equal keys, later entries win over earlier ones; a key that `data` names is left to it."""
    variables: Variables | None = None
    """Values that the templates of `data` and `dataFrom` see as `variables`: made like keys, and not written."""

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        if not (self.data or self.data_from or self.tls or self.registries):
            raise ValueError("needs data, dataFrom, tls or registries")
        if self.tls and self.registries:
            raise ValueError("takes tls or registries, not both: they are for two types of Secrets")
        return self

    @model_validator(mode="after")
    def _check_duplicates(self) -> Self:
        for key in sorted(self._keys_of_type & self.data.keys()):
            raise ValueError(f"data.{key} is also made by {'tls' if self.tls else 'registries'}: remove one of the two")
        if len({registry.server for registry in self.registries}) < len(self.registries):
            raise ValueError("registries names a server twice")
        return self

    @model_validator(mode="after")
    def _check_reserved_metadata(self) -> Self:
        if MANAGED_BY in self.labels:
            raise ValueError(f"label {MANAGED_BY} is always keyferry")
        for noun, keys in (("label", self.labels), ("annotation", self.annotations)):
            reserved = next((key for key in keys if key.startswith(f"{PREFIX}/")), None)
            if reserved:
                raise ValueError(f"{noun} {reserved}: {PREFIX}/ is reserved for Keyferry; choose another prefix")
        return self

    @property
    def templates(self) -> list[str]:
        """The texts of all templates, of labels, annotations, entries and `dataFrom`."""
        values = (*self.labels.values(), *self.annotations.values())
        texts = [value.template for value in values if isinstance(value, Template) and value.template is not None]
        parts: list[Entry | DataFrom] = [entry for _, entry in self.entries]
        parts += [data_from for _, data_from in self.selections]
        return [*texts, *(part.template for part in parts if part.template is not None)]

    @property
    def type(self) -> str:
        """The type of the Secret: the given one, or the one that its content needs."""
        if self.given_type is not None:
            return self.given_type
        if self.tls:
            return secret_types.TLS
        return secret_types.DOCKER_CONFIG_JSON if self.registries else secret_types.OPAQUE

    @property
    def _keys_of_type(self) -> frozenset[str]:
        """The keys that `tls` and `registries` always fill."""
        keys = {secret_types.CERTIFICATE, secret_types.PRIVATE_KEY} if self.tls else set()
        return frozenset(keys | ({secret_types.DOCKER_CONFIG_JSON_KEY} if self.registries else set()))

    @property
    def certain_keys(self) -> frozenset[str]:
        """The keys that the Secret has whatever the sources hold."""
        return frozenset(key for key, entry in self.data.items() if not entry.optional) | self._keys_of_type

    @property
    def possible_keys(self) -> frozenset[str] | None:
        """The keys that the Secret can have; None where that depends on the sources (`dataFrom`)."""
        if self.data_from:
            return None
        return frozenset(self.data) | self._keys_of_type | ({secret_types.CA_CERTIFICATE} if self.tls else frozenset())

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """All entries, each with its path in the mapping, such as `data.password`."""
        yield from ((f"data.{key}", entry) for key, entry in self.data.items())
        yield from ((f"tls.{name}", entry) for name, entry in (self.tls.entries if self.tls else ()))
        for number, registry in enumerate(self.registries):
            yield from ((f"registries.{number}.{name}", entry) for name, entry in registry.entries)
        if self.variables:
            yield from ((f"variables.data.{key}", entry) for key, entry in self.variables.data.items())

    @property
    def selections(self) -> Iterator[tuple[str, DataFrom]]:
        """All parts that make many keys or variables, each with its path in the mapping, such as `dataFrom.0`."""
        parts = {"dataFrom": self.data_from, "variables.dataFrom": self.variables.data_from if self.variables else []}
        for name, listed in parts.items():
            yield from ((f"{name}.{number}", data_from) for number, data_from in enumerate(listed))

    @field_validator("given_type")
    @classmethod
    def _check_type(cls, value: str | None) -> str | None:
        if value in secret_types.NEVER_WRITTEN:
            raise ValueError(f"Secrets of type {value} are the cluster's own and are never written")
        unknown = secret_types.describe_unknown_type(value or secret_types.OPAQUE)
        if unknown:
            raise ValueError(f"{value} is {unknown}")
        return value
