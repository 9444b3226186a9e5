"""Where values come from."""

import re
from typing import Self

from pydantic import Field, model_validator

from keyferry.events import parameter_name, secret_names
from keyferry.model import Record, Service
from keyferry.names import Region

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
