"""The names that a deployment of Keyferry has in the clusters: the file stack.yaml."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from keyferry.identity import DEFAULT_PREFIX, MAX_PREFIX_LENGTH, Identity
from keyferry.model import Record

_RESERVED = ("amazon", "aws", "eks", "iam", "system")
"""Prefixes that EKS takes in no user name. https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
"""
_PATTERN = rf"[a-z]([-a-z0-9]{{0,{MAX_PREFIX_LENGTH - 2}}}[a-z0-9])?"


def _check_prefix(prefix: str) -> str:
    if not re.fullmatch(_PATTERN, prefix):
        raise ValueError(
            f"takes {MAX_PREFIX_LENGTH} lower-case letters, digits and - at most, a letter first and no - at the end"
        )
    if prefix in _RESERVED:
        raise ValueError(f"EKS takes no user names that begin with {prefix}: so choose another prefix")
    return prefix


Prefix = Annotated[str, AfterValidator(_check_prefix), Field(json_schema_extra={"pattern": f"^{_PATTERN}$"})]
"""A DNS label that begins with a letter."""


class StackNames(Record):
    """The names that a stack has in the clusters. Two stacks that meet in a cluster need two prefixes."""

    prefix: Prefix = Field(default=DEFAULT_PREFIX, examples=["keyferry-staging"])
    """What its users, Roles, admission policies, field managers and stamps begin with: `RoleNamePrefix`."""
    previous_prefixes: tuple[Prefix, ...] = Field(
        default=(), alias="previousPrefixes", max_length=10, examples=[["keyferry"]]
    )
    """Prefixes of stacks that its mappings come from. It treats what they wrote for its mappings as its own."""

    @model_validator(mode="after")
    def _check_previous(self) -> Self:
        if self.prefix in self.previous_prefixes:
            raise ValueError("previousPrefixes: names the prefix itself; list only those that it had before")
        return self

    @property
    def identity(self) -> Identity:
        """The names that are made from the prefix."""
        return Identity(self.prefix, self.previous_prefixes)


class Stack(StackNames):
    """The file stack.yaml. Without it the prefix is `keyferry`."""

    api_version: Literal["keyferry.dev/v1"] = Field(alias="apiVersion")
    """The version of the format."""
    kind: Literal["Stack"]
    """The kind of the document."""
