"""Where values come from."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Self

from pydantic import Field, model_validator

from keyferry.events import parameter_name, secret_names
from keyferry.model import Place, Record, Service
from keyferry.names import Region

_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9/_.-]{1,1011}")
_PLACEHOLDER = re.compile(r"\$\{(\w*)\}")
_STANDS_FOR = {"namespace": r"[a-z0-9-]{1,63}", "cluster": r"[a-z0-9.-]{1,253}"}
"""What the placeholders of a name stand for, as regular expressions."""


class Source(Record):
    """Where a value comes from: a secret or a parameter."""

    secrets_manager: str | None = Field(default=None, alias="secretsManager", min_length=1)
    """A secret: its name or ARN."""
    parameter_store: str | None = Field(default=None, alias="parameterStore", min_length=1)
    """A parameter: its name or ARN."""
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
    def _has_known_placeholders(self) -> Self:
        for name in _PLACEHOLDER.findall(self.identifier):
            if name not in _STANDS_FOR:
                raise ValueError(f"${{{name}}} stands for nothing; ${{namespace}} and ${{cluster}} do")
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
        if not allowed.fullmatch(_PLACEHOLDER.sub("x", self.names[0])):
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
    def account(self) -> str | None:
        """The account that its ARN names; None for the pipeline's own."""
        arn = self.identifier.split(":")
        return arn[4] if arn[0] == "arn" else None

    @property
    def _arn_region(self) -> str | None:
        arn = self.identifier.split(":")
        return arn[3] if arn[0] == "arn" and len(arn) > 5 else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which events can call it; placeholders stand in them as they are."""
        if self.secrets_manager is not None:
            return secret_names(self.secrets_manager)
        return (parameter_name(self.identifier),)

    @property
    def placeholders(self) -> frozenset[str]:
        """What its name depends on: `namespace`, `cluster`, both or nothing."""
        return frozenset(_PLACEHOLDER.findall(self.identifier))

    def at(self, place: Place) -> "Source":
        """Return the source of one place: what the placeholders stand for there is in its name."""
        if not self.placeholders:
            return self
        field = "secrets_manager" if self.secrets_manager is not None else "parameter_store"
        stands = {"namespace": place.namespace, "cluster": place.cluster}
        return self.model_copy(update={field: _PLACEHOLDER.sub(lambda match: stands[match[1]], self.identifier)})

    @property
    def ends(self) -> tuple[tuple[str, str], ...]:
        """How the names begin and end by which events can call it: all of each before and after its placeholders."""
        return tuple((name, "") if len(parts) == 1 else (parts[0], parts[-1]) for name, parts in self._parts)

    def match(self, name: str) -> Mapping[str, str] | None:
        """Return what the placeholders stand for where an event calls it by that name; None where that is another."""
        found = next(filter(None, (pattern.fullmatch(name) for pattern in self._patterns)), None)
        return None if found is None else found.groupdict()

    @property
    def _parts(self) -> list[tuple[str, list[str]]]:
        """Each name, and its parts: text, placeholder, text and so on."""
        return [(name, _PLACEHOLDER.split(name)) for name in self.names]

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [re.compile(_regular(parts)) for _, parts in self._parts]


def _regular(parts: list[str]) -> str:
    """Return the regular expression of a name; a placeholder that comes again stands for the same again."""
    made, seen = "", set[str]()
    for number, part in enumerate(parts):
        if number % 2 == 0:
            made += re.escape(part)
        else:
            made += f"(?P={part})" if part in seen else f"(?P<{part}>{_STANDS_FOR[part]})"
            seen.add(part)
    return made
