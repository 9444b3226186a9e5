"""What the keys of a Secret are made of: single values, certificates, and sign-ins to registries."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from keyferry.formats.encodings import Decoding
from keyferry.formats.fields import Alias, JmesPath
from keyferry.model import Record


class Entry(Record):
    """How one key of the Secret is made: a source, whole or by path; a template over all sources; or a plain value."""

    source: Alias | None = Field(default=None, alias="from")
    """A source: its whole value, byte for byte, where there is no path."""
    path: JmesPath | None = None
    """A JMESPath expression into its JSON: text is taken as it is, everything else as JSON."""
    template: str | None = None
    """A Jinja template over all sources, `cluster` and `namespace`."""
    template_file: str | None = Field(default=None, alias="templateFile", examples=["payments.conf.j2"])
    """A file that holds the template, beside the mapping's: it is read when mappings are compiled."""
    value: str | None = None
    """What is no secret."""
    decode: Decoding | None = None
    """The encoding of what is found."""
    default: str | None = None
    """What the key holds where the path finds nothing, or null."""
    optional: bool = Field(default=False, strict=True)
    """Whether the key is left out where the path finds nothing, or null."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(each is not None for each in (self.source, self.template, self.template_file, self.value)) != 1:
            raise ValueError("needs exactly one of from, template, templateFile and value")
        if self.source is None and (self.path is not None or self.decode):
            raise ValueError("path and decode go with from")
        if self.path is None and (self.default is not None or self.optional):
            raise ValueError("default and optional go with path: they are for what it does not find")
        if self.default is not None and self.optional:
            raise ValueError("takes default or optional, not both")
        return self


class Tls(Record):
    """A certificate with its key and chain: of one source that holds all, or of parts."""

    source: Alias | None = Field(default=None, alias="from")
    """The source of a PEM bundle or a PKCS#12 file."""
    path: JmesPath | None = None
    """Where in its JSON it is."""
    certificate: Entry | None = None
    """The certificate, in PEM."""
    key: Entry | None = None
    """Its private key."""
    chain: Entry | None = None
    """The certificates that lead from it to a root, in any order."""
    password: Entry | None = None
    """Of the PKCS#12 file or the encrypted key."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.source is None) == (self.certificate is None) or (self.certificate is None) != (self.key is None):
            raise ValueError("needs from, or certificate and key")
        if self.source is None and self.path is not None:
            raise ValueError("path goes with from; certificate, key and chain have their own")
        if self.source is not None and self.chain is not None:
            raise ValueError("chain goes with certificate and key; what from names holds all")
        _never_optional(self.entries)
        return self

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Its parts and the password, each with its name; the whole of one source is called `from`."""
        if self.source is not None:
            yield "from", Entry(source=self.source, path=self.path)
        named = {"certificate": self.certificate, "key": self.key, "chain": self.chain, "password": self.password}
        yield from ((name, entry) for name, entry in named.items() if entry is not None)


class Registry(Record):
    """A sign-in to a registry of container images, in the terms of `kubectl create secret docker-registry`."""

    server: Annotated[str, StringConstraints(min_length=1)] = Field(examples=["registry.example.com"])
    """Its host, with a port where it has one of its own."""
    username: Entry
    """The user's name."""
    password: Entry
    """The user's password, or a token."""
    email: str | None = None
    """The user's address, which some registries want."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _never_optional(self.entries)
        return self

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """User name and password, each with its name."""
        yield from (("username", self.username), ("password", self.password))


def _never_optional(entries: Iterator[tuple[str, Entry]]) -> None:
    for name, entry in entries:
        if entry.optional:
            raise ValueError(f"{name} cannot be optional")
