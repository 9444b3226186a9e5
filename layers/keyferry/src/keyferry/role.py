"""Roles that are assumed, one by another where there are several."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from keyferry.arn import Arn
from keyferry.model import Record

RoleArn = Annotated[str, StringConstraints(pattern=r"^arn:[a-z0-9-]+:iam::\d{12}:role/[\w+=,.@/-]+$")]
"""The ARN of an IAM role."""
_TEXT = r"[\w .:/=+@-]"
TagKey = Annotated[str, StringConstraints(pattern=rf"^{_TEXT}+$", max_length=128)]
"""The key of a tag, as AWS allows it."""
TagValue = Annotated[str, StringConstraints(pattern=rf"^{_TEXT}*$", max_length=256)]
"""The value of a tag, as AWS allows it."""


class Role(Record):
    """A role to assume, and what its trust policy asks for."""

    arn: RoleArn
    """The role."""
    external_id: str | None = Field(
        default=None,
        alias="externalId",
        pattern=r"^[A-Za-z0-9_+=,.@:/-]+$",
        min_length=2,
        max_length=1224,
        examples=["payments-7f3a"],
    )
    """What the owner of the role has agreed on with you (`sts:ExternalId`)."""
    session_tags: dict[TagKey, TagValue] = Field(
        default_factory=dict, alias="sessionTags", max_length=50, examples=[{"team": "payments"}]
    )
    """Tags of the session, which the role's policies can compare (`aws:PrincipalTag`)."""

    @property
    def account(self) -> str:
        """The account that it belongs to."""
        arn = Arn.parse(self.arn)
        return arn.account if arn else ""  # what follows RoleArn is one


def _listed(value: object) -> object:
    """Return a list of roles, however they are written."""
    each = value if isinstance(value, list | tuple) else [value]
    return [{"arn": role} if isinstance(role, str) else role for role in each]


Roles = Annotated[list[Role], BeforeValidator(_listed, json_schema_input_type=RoleArn | Role | list[RoleArn | Role])]
"""An ARN, a role, or a list of them: each is assumed by the one before."""


def key(roles: Sequence[Role]) -> tuple[str, ...]:
    """Return what tells one chain of roles from another."""
    return tuple(role.model_dump_json() for role in roles)
