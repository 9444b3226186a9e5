"""The Secret to write, as a mapping says it."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from keyferry import secret_types
from keyferry.formats.encodings import Decoding
from keyferry.formats.fields import Alias, JmesPath, Key, LabelKey, LabelValue, Name
from keyferry.mapping.data import Entry, Registry, Tls
from keyferry.mapping.keys import InvalidCharacters, KeyRule
from keyferry.model import MANAGED_BY, PREFIX, Record


class DataFrom(Record):
    """Many keys at once: those of a JSON object, or of the object under a path in it; or all that a source finds."""

    source: Alias = Field(alias="from")
    """The source."""
    path: JmesPath | None = None
    """A JMESPath expression that finds the object in its JSON."""
    decode: Decoding | None = None
    """The encoding of each value."""
    keys: list[KeyRule] = Field(default_factory=list)
    """What renames the keys, in order."""
    invalid_characters: InvalidCharacters = Field(default="refuse", alias="invalidCharacters")
    """What becomes of characters that no key of a Secret may have: `_`, or `_U002f_` for a slash."""


class Template(Record):
    """Text with values in it."""

    template: str | None = None
    """A Jinja template over `cluster`, `namespace` and tags."""
    template_file: str | None = Field(default=None, alias="templateFile", examples=["notice.j2"])
    """A file that holds the template, beside the mapping's: it is read when mappings are compiled."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.template is None) == (self.template_file is None):
            raise ValueError("needs exactly one of template and templateFile")
        return self


class SecretSpec(Record):
    """The Secret to write."""

    name: Name
    """Its name in each namespace."""
    given_type: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = Field(
        default=None, alias="type", examples=["kubernetes.io/tls"]
    )
    """Its type, which never changes: `Opaque` where none is given; with `tls` and `registries` what they are for."""
    tls: Tls | None = None
    """What makes tls.crt, tls.key and, where there is a root, ca.crt."""
    registries: list[Registry] = Field(default_factory=list)
    """What makes .dockerconfigjson."""
    labels: dict[LabelKey, LabelValue | Template] = Field(default_factory=dict)
    """What it has beside Keyferry's own label. Templates know `cluster` and `namespace`."""
    annotations: dict[LabelKey, str | Template] = Field(default_factory=dict)
    """What it has beside Keyferry's own labels and annotations. Their templates can name no value of a source."""
    immutable: bool = Field(default=False, strict=True)
    """Whether the cluster refuses every later change of the data; it can never be taken back."""
    data: dict[Key, Entry] = Field(default_factory=dict)
    """What each key is made of."""
    data_from: list[DataFrom] = Field(default_factory=list, alias="dataFrom")
    """Later ones win over earlier ones, and `data` over all."""

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not (self.data or self.data_from or self.tls or self.registries):
            raise ValueError("needs data, dataFrom, tls or registries")
        if self.tls and self.registries:
            raise ValueError("takes tls or registries, not both: they are for two types of Secrets")
        return self

    @model_validator(mode="after")
    def _makes_each_key_once(self) -> Self:
        for key in sorted(self._made & self.data.keys()):
            raise ValueError(f"data.{key} is what {'tls' if self.tls else 'registries'} makes: take one of them out")
        if len({each.server for each in self.registries}) < len(self.registries):
            raise ValueError("registries names a server twice")
        return self

    @model_validator(mode="after")
    def _leaves_the_journal_alone(self) -> Self:
        if MANAGED_BY in self.labels:
            raise ValueError(f"label {MANAGED_BY} is always keyferry")
        taken = [key for key in self.annotations if key.startswith(f"{PREFIX}/")]
        if taken:
            raise ValueError(f"annotation {taken[0]}: {PREFIX}/ is where Keyferry keeps its own; choose another prefix")
        return self

    @property
    def templates(self) -> list[str]:
        """Every template in it."""
        metadata = (*self.labels.values(), *self.annotations.values())
        texts = [each.template for each in metadata if isinstance(each, Template) and each.template is not None]
        return [*texts, *(entry.template for _, entry in self.entries if entry.template is not None)]

    @property
    def type(self) -> str:
        """The type of the Secret."""
        if self.given_type is not None:
            return self.given_type
        if self.tls:
            return secret_types.TLS
        return secret_types.DOCKER_CONFIG_JSON if self.registries else secret_types.OPAQUE

    @property
    def _made(self) -> frozenset[str]:
        """The keys that tls and registries make."""
        made = {secret_types.CERTIFICATE, secret_types.PRIVATE_KEY} if self.tls else set()
        return frozenset(made | ({secret_types.DOCKER_CONFIG_JSON_KEY} if self.registries else set()))

    @property
    def certain_keys(self) -> frozenset[str]:
        """The keys that it has whatever the sources hold."""
        return frozenset(key for key, entry in self.data.items() if not entry.optional) | self._made

    @property
    def known_keys(self) -> frozenset[str] | None:
        """The keys that it can have; None where the sources decide."""
        if self.data_from:
            return None
        return frozenset(self.data) | self._made | ({secret_types.CA_CERTIFICATE} if self.tls else frozenset())

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Every entry, each with its place."""
        yield from ((f"data.{key}", entry) for key, entry in self.data.items())
        yield from ((f"tls.{name}", entry) for name, entry in (self.tls.entries if self.tls else ()))
        for number, registry in enumerate(self.registries):
            yield from ((f"registries.{number}.{name}", entry) for name, entry in registry.entries)

    @field_validator("given_type")
    @classmethod
    def _is_ours_to_make(cls, value: str | None) -> str | None:
        if value in {"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"}:
            raise ValueError(f"Secrets of type {value} are the cluster's own and are never written")
        return value
