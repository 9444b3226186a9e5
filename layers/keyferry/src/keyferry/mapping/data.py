"""Models of what fills the keys of a Secret: single entries, TLS certificates, and registry credentials."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from keyferry.formats.encodings import Decoding
from keyferry.formats.fields import Alias, JmesPath, Property
from keyferry.model import Record


def check_selection(path: str | None, remote_property: str | None) -> None:
    """Check that a part of a value is selected in one way.

    Raises:
        ValueError: there are both a path and a property.
    """
    if path is not None and remote_property is not None:
        raise ValueError("takes path or property, not both: they are two languages for the same")


class Entry(Record):
    """One key of the Secret: the value of a source, or a part of it; a template over all sources; or a fixed value."""

    source: Alias | None = Field(default=None, alias="from")
    """The source of the value. Without `path`, the key holds the whole value, byte for byte."""
    path: JmesPath | None = None
    """A JMESPath expression that selects a part of a JSON value. Text is written as it is, everything else as JSON."""
    remote_property: Property | None = Field(default=None, alias="property", examples=["user.name"])
    """What `remoteRef.property` of External Secrets selects, as it writes it: a key, dots and all, or a gjson path."""
    expected_type: Literal["string"] | None = Field(default=None, alias="type")
    """What `path` has to find: with `string`, anything but text is an error."""
    template: str | None = None
    """A Jinja template. Its variables are all sources, `cluster` and `namespace`."""
    template_file: str | None = Field(default=None, alias="templateFile", examples=["payments.conf.j2"])
    """A file with the template, relative to the mapping's file. It is read when the mappings are compiled."""
    value: str | None = None
    """A fixed text, which is not secret."""
    decode: Decoding | None = None
    """How the value, or what the template makes, is encoded: the key holds the decoded value."""
    null_bytes: Literal["refuse"] | None = Field(default=None, alias="nullBytes", examples=["refuse"])
    """Whether a value with a null byte is an error (`refuse`), as it is for what reads text. It is looked for last."""
    default: str | None = None
    """The text to write where nothing is selected, or null by `path`, or no version has the source's label."""
    optional: bool = Field(default=False, strict=True)
    """Whether the key is left out where nothing is selected, null by `path`, or no version has the source's label."""

    @model_validator(mode="after")
    def _check_one_kind(self) -> Self:
        if sum(field is not None for field in (self.source, self.template, self.template_file, self.value)) != 1:
            raise ValueError("needs exactly one of from, template, templateFile and value")
        if self.source is None and (self.path is not None or (self.value is not None and self.decode)):
            raise ValueError("path and decode go with from, and decode with a template too")
        if self.source is None and self.remote_property is not None:
            raise ValueError("property goes with from")
        check_selection(self.path, self.remote_property)
        if self.source is None and self.null_bytes is not None:
            raise ValueError("nullBytes goes with from")
        if self.expected_type is not None and self.path is None:
            raise ValueError("type goes with path: it is for what that finds")
        if self.source is None and (self.default is not None or self.optional):
            raise ValueError("default and optional go with from: they are for what it does not find")
        if self.default is not None and self.optional:
            raise ValueError("takes default or optional, not both")
        return self

    @property
    def selection(self) -> str | None:
        """The path or property that selects a part of the source's value; None where that is taken whole."""
        return self.remote_property if self.path is None else self.path

    @property
    def can_be_left_out(self) -> bool:
        """Whether there may be no value for it: it is optional, or has a default."""
        return self.optional or self.default is not None


class Tls(Record):
    """A TLS certificate with its private key and chain: from one source that holds all of it, or from several parts."""

    source: Alias | None = Field(default=None, alias="from")
    """A source that holds a PEM bundle or a PKCS#12 file."""
    path: JmesPath | None = None
    """A JMESPath expression that selects the bundle or file in a JSON value."""
    certificate: Entry | None = None
    """The certificate, in PEM."""
    key: Entry | None = None
    """Its private key."""
    chain: Entry | None = None
    """The intermediate certificates, with or without the root, in any order."""
    password: Entry | None = None
    """The password of the PKCS#12 file, or of the encrypted private key."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if (self.source is None) == (self.certificate is None) or (self.certificate is None) != (self.key is None):
            raise ValueError("needs from, or certificate and key")
        if self.source is None and self.path is not None:
            raise ValueError("path goes with from; certificate, key and chain have their own")
        if self.source is not None and self.chain is not None:
            raise ValueError("chain goes with certificate and key; with from, the source holds the chain too")
        _check_not_optional(self.entries)
        return self

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """The entries, each with the name of its field. A source that holds everything is one entry, `from`."""
        if self.source is not None:
            yield "from", Entry(source=self.source, path=self.path)
        parts = {"certificate": self.certificate, "key": self.key, "chain": self.chain, "password": self.password}
        yield from ((name, entry) for name, entry in parts.items() if entry is not None)


class Registry(Record):
    """Credentials for a registry of container images, named as in `kubectl create secret docker-registry`."""

    server: Annotated[str, StringConstraints(min_length=1)] = Field(examples=["registry.example.com"])
    """The host of the registry, with its port where that is not the usual one."""
    username: Entry
    """The user name."""
    password: Entry
    """The password, or a token."""
    email: str | None = None
    """The user's e-mail address, which some registries ask for."""

    @model_validator(mode="after")
    def _check_entries(self) -> Self:
        _check_not_optional(self.entries)
        return self

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """The entries, each with the name of its field."""
        yield from (("username", self.username), ("password", self.password))


def _check_not_optional(entries: Iterator[tuple[str, Entry]]) -> None:
    for name, entry in entries:
        if entry.optional:
            raise ValueError(f"{name} cannot be optional")
