"""Where values come from."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from keyferry.arn import Arn
from keyferry.formats.fields import Region, RegularExpression
from keyferry.formats.re2 import compile_pattern
from keyferry.model import Place, Record, StoreName
from keyferry.role import Roles, TagKey, TagValue
from keyferry.stores import placeholders
from keyferry.stores.find import literal_prefix
from keyferry.stores.registry import STORES, Store

_BY_ALIAS = {store.ALIAS: store for store in STORES.values()}


class Failover(Record):
    """Another region that holds the same."""

    region: Region
    """The region."""
    name: str | None = Field(default=None, min_length=1, examples=["prod-db"])
    """What it is called there; as in the first region where absent."""


def _place(value: object) -> object:
    return {"region": value} if isinstance(value, str) else value


class Source(Record):
    """Where a value comes from: a secret, a parameter, or many of them that are found."""

    secrets_manager: str | None = Field(default=None, alias="secretsManager", min_length=1)
    """A secret: its name or ARN."""
    parameter_store: str | None = Field(default=None, alias="parameterStore", min_length=1)
    """A parameter: its name or ARN."""
    find: Literal["secretsManager", "parameterStore"] | None = None
    """The service that holds what is found, by `path`, `regexp` and `tags`: all that is said has to hold."""
    path: str | None = Field(default=None, min_length=1, examples=["/app/prod"])
    """What names of secrets begin with, or the hierarchy that parameters are in, at any depth."""
    regexp: RegularExpression | None = Field(default=None, min_length=1, examples=["^team-a/"])
    """A regular expression that is searched in the full name."""
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, examples=[{"team": "payments"}])
    """Tags that each of them has."""
    metadata: Literal["tags"] | None = None
    """Takes the tags as a JSON object, instead of the value."""
    region: Region | None = None
    """Region of the source; the pipeline's own, or that of the ARN, where absent."""
    failover: list[Annotated[Failover, BeforeValidator(_place, json_schema_input_type=Region | Failover)]] = Field(
        default_factory=list, examples=[["us-east-1"]]
    )
    """Regions to read it in, in this order, where the first does not answer."""
    version: str | None = Field(default=None, min_length=1)
    """A fixed version: the version id of a secret, the number of a parameter."""
    label: str | None = Field(default=None, min_length=1)
    """A staging label of the secret, or a label of the parameter."""
    role: Roles = Field(default_factory=list, examples=["arn:aws:iam::444455556666:role/secrets"])
    """Roles to read it with, each assumed by the one before; that of `deliver` where there are none."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(value is not None for value in (*self._identifiers.values(), self.find)) != 1:
            raise ValueError(f"needs exactly one of {', '.join(_BY_ALIAS)} and find")
        if self.version is not None and self.label is not None:
            raise ValueError("takes version or label, not both")
        if self.metadata and (self.version or self.label or self.failover):
            raise ValueError("tags belong to no version: metadata takes neither version nor label, nor failover")
        return self

    @model_validator(mode="after")
    def _has_known_placeholders(self) -> Self:
        for name in self._written:
            placeholders.check(name)
        placeholders.check(self._stem, goes_on=True)
        return self

    @model_validator(mode="after")
    def _says_what_to_find(self) -> Self:
        if self.find is None:
            if self.path or self.regexp or self.tags:
                raise ValueError("path, regexp and tags go with find, as {find: secretsManager, path: prod/}")
            return self
        if not (self.path or self.regexp or self.tags):
            raise ValueError("find needs path, regexp or tags, as {find: secretsManager, path: prod/}")
        if self.version or self.label or self.metadata or self.failover:
            raise ValueError("find reads what is current: it takes neither version nor label, metadata nor failover")
        self.store.check(self)
        self._check_name(self.path or "x", "what names begin with")
        return self

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.find is not None:
            return self
        noun = self.store.NOUN
        if self.identifier.startswith("arn:") and self.names[0] == self.identifier:
            raise ValueError(f"not the ARN of a {noun}")
        if self.region and self.arn and self.arn.region != self.region:
            raise ValueError(f"region is {self.region}, and the ARN is in {self.arn.region}")
        self.store.check(self)
        self._check_name(self.names[0], f"the name of a {noun}")
        return self

    @model_validator(mode="after")
    def _has_other_regions(self) -> Self:
        regions = [self.home_region, *(each.region for each in self.failover)]
        twice = next((each for each in regions if regions.count(each) > 1), None)
        if twice:
            raise ValueError(f"region {twice} is named twice; failover goes to other regions")
        for each in self.elsewhere:
            Source.model_validate(each.model_dump(by_alias=True, exclude_defaults=True))
        return self

    def _check_name(self, name: str, noun: str) -> None:
        allowed, words = self.store.ALLOWED
        if not allowed.fullmatch(placeholders.without(name)):
            raise ValueError(f"not {noun}: {words}")

    @property
    def store(self) -> Store:
        """The store that holds it."""
        if self.find is not None:
            return _BY_ALIAS[self.find]
        return next(store for store in STORES.values() if self._identifiers[store.FIELD] is not None)

    @property
    def store_name(self) -> StoreName:
        """The name of that store."""
        return self.store.NAME

    @property
    def _identifiers(self) -> dict[str, str | None]:
        """Field of a store → the name or ARN that it gives."""
        return {store.FIELD: getattr(self, store.FIELD) for store in STORES.values()}

    @property
    def identifier(self) -> str:
        """Name or ARN, as written; empty where it is found."""
        return next(filter(None, self._identifiers.values()), "")

    @property
    def arn(self) -> Arn | None:
        """Its ARN; None where it is given by name, or found."""
        return Arn.parse(self.identifier)

    @property
    def home_region(self) -> str | None:
        """Where to read it: the region given, or the ARN's; None for the pipeline's own."""
        return self.region or (self.arn.region if self.arn else None)

    @property
    def account(self) -> str | None:
        """The account that its ARN names; None for the pipeline's own."""
        return self.arn.account if self.arn else None

    @property
    def accounts(self) -> list[str]:
        """All accounts that its ARNs name: its own, those of its other regions, and those of its roles."""
        found = [each.account for each in (self, *self.elsewhere)] + [role.account for role in self.role]
        return sorted(set(filter(None, found)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which events can call it, none where it is found; placeholders stand in them as they are."""
        if self.find is not None:
            return ()
        return self.store.names(self.identifier)

    @property
    def follows(self) -> bool:
        """Whether it shows the version that an event names, once that has arrived."""
        return self.version is None and self.metadata is None and self.store.reads_new_version(self)

    @property
    def watched_label(self) -> str | None:
        """The label whose move changes what it reads."""
        return self.store.watched_label(self)

    @property
    def _written(self) -> list[str]:
        """All names in it, as written."""
        return [self.identifier, self.path or "", *(each.name or "" for each in self.failover)]

    @property
    def placeholders(self) -> frozenset[str]:
        """What its names depend on: `namespace`, `cluster`, both or nothing."""
        return frozenset().union(*map(placeholders.named, self._written))

    def at(self, place: Place) -> "Source":
        """Return the source of one place: what the placeholders stand for there is in its names."""
        if not self.placeholders:
            return self
        changed = {
            field: placeholders.fill(name, place)
            for field in (*self._identifiers, "path")
            if (name := getattr(self, field))
        }
        others = [
            Failover(region=each.region, name=each.name and placeholders.fill(each.name, place))
            for each in self.failover
        ]
        return self.model_copy(update={**changed, "failover": others})

    @property
    def elsewhere(self) -> list["Source"]:
        """The same source in its other regions. A replica of a secret has the same ARN but for the region."""
        return [
            self.model_copy(
                update={self.store.FIELD: other.name or self._in(other.region), "region": other.region, "failover": []}
            )
            for other in self.failover
        ]

    def _in(self, region: str) -> str:
        return str(replace(self.arn, region=region)) if self.arn else self.identifier

    @property
    def prefix(self) -> str:
        """What every name begins with that it finds, as far as that is known."""
        literal = literal_prefix(self.regexp or "")
        return literal if literal.startswith(self._stem) else self._stem

    @property
    def _stem(self) -> str:
        return self.store.find_prefix(self.path or "")

    def finds(self, name: str) -> bool:
        """Return whether it finds what is called so, as far as names tell."""
        return name.startswith(self._stem) and self._fits(name)

    @property
    def ends(self) -> tuple[tuple[str, str], ...]:
        """How the names begin and end by which events can call it: all of each before and after its placeholders."""
        if self.find is not None:
            return ((placeholders.ends(self.store.event_name(self.prefix))[0], ""),)
        return tuple(map(placeholders.ends, self.names))

    def match(self, name: str) -> Mapping[str, str] | None:
        """Return what the placeholders stand for where an event calls it by that name; None where that is another."""
        found = next(filter(None, (pattern.fullmatch(name) for pattern in self._patterns)), None)
        if found is None or not any(map(self._fits, self.store.full_names(name))):
            return None
        return found.groupdict()

    def _fits(self, name: str) -> bool:
        return self.regexp is None or compile_pattern(self.regexp).search(name) is not None

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        if self.find is not None:
            return [re.compile(placeholders.pattern(self.store.event_name(self._stem)) + ".*")]
        return [re.compile(placeholders.pattern(name)) for name in self.names]

    def __str__(self) -> str:
        """Return what it is, for messages."""
        if self.find is None:
            return self.identifier
        said = self.model_dump(include={"path", "regexp", "tags"}, exclude_defaults=True)
        return f"find in {self.find} by " + ", ".join(f"{key} {value}" for key, value in said.items())
