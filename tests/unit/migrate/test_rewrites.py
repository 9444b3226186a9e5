"""Rewrites, and what a template makes encoded, become the rules of keys and the decoding of a mapping."""

from typing import Any

import pytest

from keyferry.cli.migrate import external_secrets, manifests
from keyferry.cli.migrate.model import Estate, Options, Refusals
from keyferry.mapping.mapping import SecretMapping

STORE = """\
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: shop}
spec:
  provider:
    aws: {service: SecretsManager, region: eu-west-1, auth: {jwt: {serviceAccountRef: {name: reader}}}}
---
"""
EXTERNAL = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: shop}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: aws, kind: SecretStore}
"""


def convert(spec: str) -> dict[str, Any]:
    """Return the Secret of the mapping that an ExternalSecret becomes."""
    reading = manifests.Reading()
    manifests.parse("a.yaml", (STORE + EXTERNAL + spec).encode(), reading)
    estate = Estate(reading.manifests, Options(clusters=["prod-eu"], own_region="eu-west-1"))
    [manifest] = [each for each in reading.manifests if each.kind == "ExternalSecret"]
    [conversion] = external_secrets.convert(manifest, estate)
    assert SecretMapping.model_validate(conversion.mapping)
    secret: dict[str, Any] = conversion.mapping["spec"]["secret"]
    return secret


def rules(*written: str) -> list[dict[str, Any]]:
    """Return the rules of keys that some rewrites become."""
    rewrites = ", ".join(written)
    secret = convert(f"  dataFrom: [{{find: {{name: {{regexp: ^k/}}}}, rewrite: [{rewrites}]}}]\n")
    found: list[dict[str, Any]] = secret["dataFrom"][0]["keys"]
    return found


def test_a_merge_becomes_a_merge() -> None:
    assert rules("{merge: {}}") == [{"merge": {}}]
    assert rules("{merge: {strategy: JSON, into: all, priority: [a, b], conflictPolicy: Error}}") == [
        {"merge": {"into": "all", "priority": ["a", "b"]}}
    ]
    assert rules("{merge: {into: ignored, conflictPolicy: Ignore, priorityPolicy: IgnoreNotFound}}") == [
        {"merge": {"conflicts": "overwrite", "missing": "ignore"}}
    ]


def test_a_merge_into_nothing_is_refused() -> None:
    with pytest.raises(Refusals, match="strategy JSON needs into"):
        rules("{merge: {strategy: JSON}}")


@pytest.mark.parametrize(
    ("rewrite", "leaves_out"),
    [
        ('{regexp: {source: "^x-.*", target: ""}}', True),
        ('{regexp: {source: "k/", target: ""}}', False),
        ('{regexp: {source: "k/(.*)", target: "$1"}}', False),
        ('{transform: {template: "{{ if eq .value \\"a\\" }}b{{ end }}"}}', True),
        ('{transform: {template: "{{ .value | upper }}"}}', False),
        ('{transform: {template: "{{ .value | trimPrefix \\"a\\" }}"}}', True),
        ('{transform: {template: "k_{{ .value | trimPrefix \\"a\\" }}"}}', False),
    ],
)
def test_keys_of_which_a_rewrite_leaves_nothing_are_left_out(rewrite: str, leaves_out: bool) -> None:
    assert (rules(rewrite)[-1] == {"exclude": "^$"}) == leaves_out


def templated(template_from: str) -> dict[str, Any]:
    data = "  data: [{secretKey: file, remoteRef: {key: db, property: file}}]\n"
    return convert(f"{data}  target: {{template: {{templateFrom: [{template_from}]}}}}\n")


def test_what_a_template_makes_encoded_is_decoded() -> None:
    secret = templated('{literal: "a: {{ .file }}", valuesDecodingStrategy: Base64}')
    assert [part["decode"] for part in secret["dataFrom"]] == ["base64"]


def test_metadata_is_not_decoded() -> None:
    with pytest.raises(Refusals, match="valuesDecodingStrategy of labels and annotations has no equivalent"):
        templated('{literal: "a: YQ==", target: Labels, valuesDecodingStrategy: Base64}')
