"""Manifests as people write them, and what becomes of them."""

from typing import Any

from keyferry.cli.migrate.conversions import Outcome, convert_all
from keyferry.cli.migrate.manifests import Reading, parse
from keyferry.cli.migrate.model import Estate, Options

STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-west-1}}}
---
"""
ONE = "{secretKey: a, remoteRef: {key: shop/a}}"


def external(spec: str, *, store: str = STORE, metadata: str = "name: db, namespace: shop", version: str = "v1") -> str:
    """Return a store, and an ExternalSecret whose spec has these lines beside the store's name."""
    lines = "".join(f"  {line}\n" for line in spec.strip("\n").split("\n"))
    head = f"apiVersion: external-secrets.io/{version}\nkind: ExternalSecret\nmetadata: {{{metadata}}}\n"
    return f"{store}{head}spec:\n  secretStoreRef: {{name: aws, kind: ClusterSecretStore}}\n{lines}"


def convert(text: str, **given: Any) -> list[Outcome]:  # noqa: ANN401  # fields of Options
    """Return what becomes of the manifests of a text."""
    reading = Reading()
    parse("a.yaml", text.encode(), reading)
    assert not reading.broken, reading.broken
    return convert_all(
        Estate(reading.manifests, Options(**{"clusters": ["prod-eu"], "own_region": "eu-west-1"} | given))
    ).outcomes


def make(text: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of Options
    """Return the spec of the one mapping that is made."""
    (outcome,) = convert(text, **given)
    assert not outcome.refusals, outcome.refusals
    (conversion,) = outcome.conversions
    spec: dict[str, Any] = conversion.mapping["spec"]
    return spec


def note(text: str, **given: Any) -> list[str]:  # noqa: ANN401  # fields of Options
    """Return the differences that are stated of the one mapping that is made."""
    (outcome,) = convert(text, **given)
    (conversion,) = outcome.conversions
    return conversion.notes


def refuse(text: str, **given: Any) -> str:  # noqa: ANN401  # fields of Options
    """Return why the one manifest is refused, a reason in each line, with its place."""
    (outcome,) = convert(text, **given)
    assert outcome.state == "refused", outcome.conversions
    return "\n".join(f"{outcome.manifest.locate(*each.path)}: {each}" for each in outcome.refusals)
