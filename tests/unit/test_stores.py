"""Every store is whole: a pure module, what reads it, its fields in the language, and what the layer ships for it."""

from contextlib import nullcontext
from typing import get_args

import pytest
from pydantic import ValidationError

from keyferry.aws.readers import READERS
from keyferry.cli.build.wheels import SERVICES
from keyferry.model import StoreName
from keyferry.policy.fields import is_known
from keyferry.policy.rules import AllowedSources
from keyferry.stores.registry import STORES
from keyferry.stores.source import Source


def test_every_store_has_a_reader() -> None:
    assert set(READERS) == set(STORES) == set(get_args(StoreName))


@pytest.mark.parametrize("store", STORES.values(), ids=str)
def test_every_store_has_its_fields_in_mappings_and_in_the_policy(store: object) -> None:
    field, alias = getattr(store, "FIELD"), getattr(store, "MAPPING_FIELD")  # noqa: B009  # of a module, as the registry takes it
    assert Source.model_fields[field].alias == alias
    assert alias in get_args(get_args(Source.model_fields["find"].annotation)[0])
    assert AllowedSources.model_fields[field].alias == alias
    assert is_known(Source, field)


def test_the_layer_has_what_botocore_knows_of_every_store() -> None:
    assert {reader.CLIENT for reader in READERS.values()} <= SERVICES


@pytest.mark.parametrize(("length", "allowed"), [(1, True), (512, True), (513, False)])
def test_the_name_of_a_secret_has_at_most_512_characters(length: int, allowed: bool) -> None:
    """As the API reference of CreateSecret says."""
    secrets = STORES["secretsmanager"]
    context = nullcontext() if allowed else pytest.raises(ValidationError, match="not the name of a secret: it has 513")
    with context:
        assert Source.model_validate({"secretsManager": "n" * length}).store is secrets


@pytest.mark.parametrize(("name", "allowed"), [("rds!cluster-2f1e", True), ("!rds", False)])
def test_the_name_of_a_secret_may_have_an_exclamation_mark_as_those_that_aws_manages_have(
    name: str, allowed: bool
) -> None:
    """At the beginning it would negate the filter of ListSecrets."""
    with nullcontext() if allowed else pytest.raises(ValidationError, match="not the name of a secret"):
        Source.model_validate({"secretsManager": name})
