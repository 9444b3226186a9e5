"""IAM roles to assume. Where there are several, each is assumed with the credentials of the one before."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from keyferry.arn import Arn
from keyferry.model import Record

RoleArn = Annotated[
    str,
    StringConstraints(pattern=r"^arn:[a-z0-9-]+:iam::[0-9]{12}:role/([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}$"),
]
"""The ARN of an IAM role, whose name has 64 characters at most."""
_TEXT = r"[A-Za-z0-9_ .:/=+@-]"
"""AWS allows letters of every script in tags; IAM refuses a policy with most of them, and tags become conditions."""
TagKey = Annotated[str, StringConstraints(pattern=rf"^{_TEXT}+$", max_length=128)]
"""The key of an AWS tag."""
TagValue = Annotated[str, StringConstraints(pattern=rf"^{_TEXT}*$", max_length=256)]
"""The value of an AWS tag."""


def _check_keys(tags: Mapping[str, str]) -> Mapping[str, str]:
    known: dict[str, str] = {}
    for key in tags:
        other = known.setdefault(key.lower(), key)
        if other != key:
            raise ValueError(f"{other} and {key} differ in case alone, and are one key for IAM: take one of them out")
    return tags


Tags = Annotated[dict[TagKey, TagValue], AfterValidator(_check_keys)]
"""Tags that IAM compares with: it does not tell keys apart by case (IAM user guide, "Rules for tagging in IAM")."""


class Role(Record):
    """A role to assume, with what its trust policy asks for."""

    arn: RoleArn
    """The ARN of the role."""
    external_id: str | None = Field(
        default=None,
        alias="externalId",
        pattern=r"^[A-Za-z0-9_+=,.@:/-]+$",
        min_length=2,
        max_length=1224,
        examples=["payments-7f3a"],
    )
    """The external id that the role's trust policy asks for (`sts:ExternalId`)."""
    session_tags: Tags = Field(
        default_factory=dict, alias="sessionTags", max_length=50, examples=[{"team": "payments"}]
    )
    """Session tags, which policies can refer to (`aws:PrincipalTag`)."""

    @property
    def account(self) -> str:
        """The account of the role."""
        arn = Arn.parse(self.arn)
        return arn.account if arn else ""  # never None: RoleArn's pattern was checked


def _to_list(value: object) -> object:
    """Return the long form of `role`: a list of roles, each with its fields."""
    roles = value if isinstance(value, list | tuple) else [value]
    return [{"arn": role} if isinstance(role, str) else role for role in roles]


Roles = Annotated[list[Role], BeforeValidator(_to_list, json_schema_input_type=RoleArn | Role | list[RoleArn | Role])]
"""An ARN, a role, or a list of them. Each is assumed with the credentials of the one before."""


def chain_key(roles: Sequence[Role]) -> tuple[str, ...]:
    """Return a hashable key of a chain of roles, with their external ids and tags."""
    return tuple(role.model_dump_json() for role in roles)
