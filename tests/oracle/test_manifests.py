"""The mapping of a manifest makes the Secret that the original makes of it; or it is refused, or an error."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given

from keyferry.cli.migrate.conversions import convert_all
from keyferry.cli.migrate.manifests import Reading, parse
from keyferry.cli.migrate.model import Estate, Options
from keyferry.errors import NothingFound, SourceUnusable
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place, SecretValue, SourceValue
from keyferry.render.render import render
from keyferry.stores.source import Source
from tests.oracle import manifests, mounts
from tests.oracle.ask import Oracle
from tests.oracle.comparisons import Refused
from tests.oracle.conftest import COMPARED
from tests.oracle.controller import Failed, Random, reconcile

_STORE = {
    "apiVersion": "external-secrets.io/v1",
    "kind": "ClusterSecretStore",
    "metadata": {"name": "aws"},
    "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}},
}


def write(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an ExternalSecret, and its store."""
    store = {"secretStoreRef": {"name": "aws", "kind": "ClusterSecretStore"}}
    metadata = {"name": "db", "namespace": "shop"}
    external = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata}
    return [_STORE, external | {"spec": {**store, **spec}}]


def migrate(manifests: list[dict[str, Any]], secrets: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """Return the data that the mapping of a manifest makes; None where it writes no Secret."""
    reading = Reading()
    parse("a.yaml", "---\n".join(f"{json.dumps(each)}\n" for each in manifests).encode(), reading)
    [outcome] = convert_all(Estate(reading.manifests, Options(clusters=["prod-eu"], own_region="eu-west-1"))).outcomes
    if outcome.refusals:
        raise Refused(str(outcome.refusals))
    mapping = SecretMapping.model_validate(outcome.conversions[0].mapping)
    sources = {alias: read(source, secrets) for alias, source in mapping.spec.sources.items()}
    try:
        rendered = render(mapping, sources, Place("prod-eu", "shop"))
    except NothingFound:
        return None
    except SourceUnusable as error:
        raise Refused(f"error: {error}") from None
    return {key: value.reveal() for key, value in rendered.data.items()}


def read(source: Source, secrets: Mapping[str, bytes]) -> SourceValue:
    """Return the value of a source, as a delivery reads it."""
    content = secrets.get(str(source.secrets_manager))
    if content is None and not source.optional:
        raise Refused(f"error: {source} is missing")
    return SourceValue(SecretValue(content or b""), "v1" if content is not None else "", is_missing=content is None)


def compare(
    kind: str,
    written: list[dict[str, Any]],
    secrets: Mapping[str, bytes],
    make: Callable[[], dict[str, bytes] | None],
) -> None:
    """Compare what the mapping of a manifest makes with what the original makes."""
    try:
        made = migrate(written, secrets)
    except Refused as refusal:
        COMPARED[f"{kind}, {'an error' if str(refusal).startswith('error') else 'refused'}"] += 1
        return
    COMPARED[kind] += 1
    try:
        theirs = make()
    except (Failed, Random) as failure:
        raise AssertionError(f"the original has an error, or this or that, and we make {made}: {failure}") from None
    assert made == theirs


@given(spec=manifests.specs, secrets=manifests.secrets, missing=manifests.missing)
def test_a_mapping_makes_the_secret_of_the_operator(
    oracle: Oracle, spec: Mapping[str, Any], secrets: Mapping[str, bytes], missing: frozenset[str]
) -> None:
    there = {name: content for name, content in secrets.items() if name not in missing}
    compare("ExternalSecrets", write(spec), there, lambda: reconcile(spec, there, oracle))


@given(drawn=mounts.classes, secrets=manifests.secrets)
def test_a_mapping_makes_the_secret_of_the_driver(
    oracle: Oracle, drawn: Mapping[str, Any], secrets: Mapping[str, bytes]
) -> None:
    compare("SecretProviderClasses", [mounts.write(drawn)], secrets, lambda: mounts.mount(drawn, secrets, oracle))
