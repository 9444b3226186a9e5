"""The model of a source: an entry of a mapping's `sources`, from which values are read."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from keyferry.arn import Arn
from keyferry.formats.fields import Region, RegularExpression
from keyferry.model import Place, Record, StoreName
from keyferry.role import Roles, Tags
from keyferry.stores import placeholders
from keyferry.stores.find import can_match, check_tags, literal_prefix, select_names
from keyferry.stores.identifiers import check_identifier, check_name
from keyferry.stores.registry import STORES, Store

_STORES_BY_FIELD = {store.MAPPING_FIELD: store for store in STORES.values()}


class Failover(Record):
    """Another region that has a copy of the secret or parameter."""

    region: Region
    """The region."""
    name: str | None = Field(default=None, min_length=1, examples=["prod-db"])
    """Its name or ARN in that region; the same as in the first region where absent."""


def _to_failover(value: object) -> object:
    """Return the long form of an entry of `failover`, which can be the region alone."""
    return {"region": value} if isinstance(value, str) else value


class Source(Record):
    """Where values come from: a secret, a parameter, or all secrets or parameters that `find` selects."""

    secrets_manager: str | None = Field(default=None, alias="secretsManager", min_length=1)
    """The name or ARN of a secret in Secrets Manager."""
    parameter_store: str | None = Field(default=None, alias="parameterStore", min_length=1)
    """The name or ARN of a parameter in Parameter Store."""
    find: Literal["secretsManager", "parameterStore"] | None = None
    """Reads all entries of this store that match `path`, `regexp` and `tags`, as far as these are given."""
    path: str | None = Field(default=None, min_length=1, examples=["/app/prod"])
    """For `find`: what the names of secrets start with, or the hierarchy of the parameters, at any depth."""
    regexp: RegularExpression | None = Field(default=None, min_length=1, examples=["^team-a/"])
    """For `find`: a regular expression that matches anywhere in the full name."""
    tags: Tags = Field(default_factory=dict, examples=[{"team": "payments"}])
    """For `find`: tags that each secret or parameter has."""
    metadata: Literal["tags"] | None = None
    """Reads the tags, as a JSON object, instead of the value."""
    region: Region | None = None
    """The region of the source; where absent, that of the ARN, or else the pipeline's own."""
    failover: list[Annotated[Failover, BeforeValidator(_to_failover, json_schema_input_type=Region | Failover)]] = (
        Field(default_factory=list, examples=[["us-east-1"]])
    )
    """Other regions to read from, in this order, where the first does not answer."""
    version: str | None = Field(default=None, min_length=1)
    """A fixed version: the version id of a secret (32 to 64 characters), or the number of a parameter's version."""
    label: str | None = Field(default=None, min_length=1)
    """The staging label of a secret's version, or the label of a parameter's version."""
    optional: bool = Field(default=False, strict=True)
    """Whether it may be missing, and a `find` may find nothing: the keys that are made of it are left out then."""
    role: Roles = Field(default_factory=list, examples=["arn:aws:iam::444455556666:role/secrets"])
    """Roles to read with, each assumed with the credentials of the one before; where absent, the role of `deliver`."""

    @model_validator(mode="after")
    def _check_one_kind(self) -> Self:
        if sum(value is not None for value in (*self._identifiers.values(), self.find)) != 1:
            raise ValueError(f"needs exactly one of {', '.join(_STORES_BY_FIELD)} and find")
        if self.version is not None and self.label is not None:
            raise ValueError("takes version or label, not both")
        if self.metadata and (self.version or self.label or self.failover):
            raise ValueError("tags belong to no version: metadata takes neither version nor label, nor failover")
        return self

    @model_validator(mode="after")
    def _check_placeholders(self) -> Self:
        for name in self._names_as_written:
            placeholders.check(name)
        placeholders.check(self._path_prefix, is_prefix=True)
        return self

    @model_validator(mode="after")
    def _check_find(self) -> Self:
        if self.find is None:
            if self.path or self.regexp or self.tags:
                raise ValueError("path, regexp and tags go with find, as {find: secretsManager, path: prod/}")
            return self
        if not (self.path or self.regexp or self.tags):
            raise ValueError("find needs path, regexp or tags, as {find: secretsManager, path: prod/}")
        if self.version or self.label or self.metadata or self.failover:
            raise ValueError("find reads what is current: it takes neither version nor label, metadata nor failover")
        check_tags(self.tags)
        self.store.check_source(self)
        check_name(self.path or "x", "what names begin with", self.store)
        return self

    @model_validator(mode="after")
    def _check_identifier(self) -> Self:
        if self.find is not None:
            return self
        check_identifier(self.identifier, self.store)
        if self.region and self.arn and self.arn.region != self.region:
            raise ValueError(
                f"region is {self.region}, and the ARN is in {self.arn.region}: leave region out, for the ARN says it,"
                " or write the ARN of that region"
            )
        self.store.check_source(self)
        check_name(self.event_names[0], f"the name of a {self.store.NOUN}", self.store)
        return self

    @model_validator(mode="after")
    def _check_failover(self) -> Self:
        regions = [self.home_region, *(failover.region for failover in self.failover)]
        duplicate = next((region for region in regions if regions.count(region) > 1), None)
        if duplicate:
            first = ", and the source is read there already" if duplicate == self.home_region else ""
            raise ValueError(f"region {duplicate} is named twice; failover goes to other regions{first}: take it out")
        for replica in self.replicas:
            try:
                Source.model_validate(replica.model_dump(by_alias=True, exclude_defaults=True))
            except ValidationError as error:
                message = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"failover to {replica.region}: {message}") from None
        return self

    @property
    def store(self) -> Store:
        """The store to read from."""
        if self.find is not None:
            return _STORES_BY_FIELD[self.find]
        return next(store for store in STORES.values() if self._identifiers[store.FIELD] is not None)

    @property
    def store_name(self) -> StoreName:
        """The name of the store to read from."""
        return self.store.NAME

    @property
    def _identifiers(self) -> dict[str, str | None]:
        """Field of each store → the name or ARN in it."""
        return {store.FIELD: getattr(self, store.FIELD) for store in STORES.values()}

    @property
    def identifier(self) -> str:
        """The name or ARN as the mapping has it; empty for a `find`."""
        return next(filter(None, self._identifiers.values()), "")

    @property
    def arn(self) -> Arn | None:
        """The ARN; None for a name or a `find`."""
        return Arn.parse(self.identifier)

    @property
    def home_region(self) -> str | None:
        """The first region to read from: that of `region` or of the ARN; None for the pipeline's own."""
        return self.region or (self.arn.region if self.arn else None)

    @property
    def account(self) -> str | None:
        """The account of the ARN; None without an ARN, which means the pipeline's own account."""
        return self.arn.account if self.arn else None

    @property
    def holder(self) -> str | None:
        """The account that holds what it reads: that of the ARN, or else of the last role; None for the stack's own."""
        return self.account or (self.role[-1].account if self.role else None)

    def can_be_in(self, account: str | None) -> bool:
        """Return whether it can be in an account. Which one the stack's own is, mappings do not know: it can be any."""
        return account is None or self.holder in (None, account)

    @property
    def accounts(self) -> list[str]:
        """All accounts that its ARNs name, sorted: those of the source, of its replicas and of its roles."""
        accounts = [source.account for source in (self, *self.replicas)] + [role.account for role in self.role]
        return sorted(set(filter(None, accounts)))

    @property
    def regions(self) -> list[str]:
        """All regions that it names, sorted: in `region`, in ARNs and in `failover`."""
        return sorted(set(filter(None, (source.home_region for source in (self, *self.replicas)))))

    @property
    def event_names(self) -> tuple[str, ...]:
        """The names that events can use for it, with placeholders not filled in; empty for a `find`."""
        if self.find is not None:
            return ()
        return self.store.parse_identifier(self.identifier)

    @property
    def reads_event_version(self) -> bool:
        """Whether it reads the version that an event names, as soon as AWS serves that version."""
        return self.version is None and self.metadata is None and self.store.reads_event_version(self)

    @property
    def watched_label(self) -> str | None:
        """The label whose move to another version changes what it reads."""
        return self.store.get_watched_label(self)

    @property
    def _names_as_written(self) -> list[str]:
        return [self.identifier, self.path or "", *(failover.name or "" for failover in self.failover)]

    @property
    def placeholders(self) -> frozenset[str]:
        """The placeholders in its names: `namespace`, `cluster`, both or none."""
        return frozenset().union(*map(placeholders.parse, self._names_as_written))

    def resolve(self, place: Place) -> "Source":
        """Return the source for one place, with the placeholders in its names filled in."""
        if not self.placeholders:
            return self
        names = {
            field: placeholders.fill(name, place)
            for field in (*self._identifiers, "path")
            if (name := getattr(self, field))
        }
        failovers = [
            Failover(region=failover.region, name=failover.name and placeholders.fill(failover.name, place))
            for failover in self.failover
        ]
        return self.model_copy(update={**names, "failover": failovers})

    @property
    def replicas(self) -> list["Source"]:
        """The same source in each of its failover regions, in order."""
        return [
            self.model_copy(
                update={
                    self.store.FIELD: failover.name or self._identifier_in(failover.region),
                    "region": failover.region,
                    "failover": [],
                }
            )
            for failover in self.failover
        ]

    def with_name(self, name: str) -> "Source":
        """Return the source in the same account and region under another name, which can be a pattern of names."""
        resource = f"{self.store.RESOURCE_TYPE}{self.store.to_event_name(name)}"
        identifier = str(replace(self.arn, resource=resource)) if self.arn else name
        return self.model_copy(update={self.store.FIELD: identifier, "failover": []})

    def _identifier_in(self, region: str) -> str:
        """Return the identifier in another region. The ARN of a replica differs in its region alone."""
        return str(replace(self.arn, region=region)) if self.arn else self.identifier

    @property
    def find_prefix(self) -> str:
        """For a `find`: the text that all names it can find start with, as far as `path` and `regexp` show it."""
        literal = literal_prefix(self.regexp or "")
        return literal if literal.startswith(self._path_prefix) else self._path_prefix

    @property
    def _path_prefix(self) -> str:
        return self.store.get_find_prefix(self.path or "")

    def select_names(self, names: Iterable[str]) -> set[str]:
        """Return the names that `path` and `regexp` of a `find` match; tags are not looked at.

        Raises:
            SourceUnusable: `regexp` takes too long for so many names.
        """
        prefix = self.find_prefix
        return select_names(str(self), self.regexp, (name for name in names if name.startswith(prefix)))

    @property
    def event_name_ends(self) -> tuple[tuple[str, str], ...]:
        """How each of its names in events begins and ends: the text before and after the placeholders."""
        if self.find is not None:
            return ((placeholders.split_ends(self.store.to_event_name(self.find_prefix))[0], ""),)
        return tuple(map(placeholders.split_ends, self.event_names))

    def match_event_name(self, name: str) -> Mapping[str, str] | None:
        """Return the values of the placeholders where a name in an event is one of its names; None where it is not."""
        match = next(filter(None, (pattern.fullmatch(name) for pattern in self._event_name_patterns)), None)
        if match is None or not any(can_match(self.regexp, meant) for meant in self.store.from_event_name(name)):
            return None
        return match.groupdict()

    @cached_property
    def _event_name_patterns(self) -> list[re.Pattern[str]]:
        if self.find is not None:
            return [re.compile(placeholders.to_regexp(self.store.to_event_name(self._path_prefix)) + ".*")]
        return [re.compile(placeholders.to_regexp(name)) for name in self.event_names]

    def __str__(self) -> str:
        """Return the name or ARN, or the criteria of a `find`, for messages."""
        if self.find is None:
            return self.identifier
        criteria = self.model_dump(include={"path", "regexp", "tags"}, exclude_defaults=True)
        return f"find in {self.find} by " + ", ".join(f"{key} {value}" for key, value in criteria.items())
