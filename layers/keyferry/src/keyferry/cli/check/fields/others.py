"""Kinds and fields of other programs, for those who bring their files along."""

from collections.abc import Mapping

from keyferry.guides import link

_GUIDE = link("map/external-secrets")
_ELSEWHERE: Mapping[str, str] = {
    "external-secrets.io": f"is External Secrets'; how a mapping says the same: {_GUIDE}",
    "secrets-store.csi": f"is the Secrets Store CSI driver's; how a mapping says the same: {_GUIDE}",
    "kustomize": "is Kustomize's; the folder of the mappings holds Keyferry's files alone: keep it elsewhere",
}
"""Part of an apiVersion → whose it is, and what to do."""
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("ExternalSecret", "ClusterExternalSecret", "SecretStore", "ClusterSecretStore", "PushSecret"),
        _ELSEWHERE["external-secrets.io"],
    ),
    "SecretProviderClass": _ELSEWHERE["secrets-store.csi"],
    "Secret": f"is what a mapping makes; values stay in AWS, and a SecretMapping says which: {link('map/mappings')}",
}
_FIELDS: Mapping[str, str] = {
    "additionalRoles": "role of the source",
    "awsSecretsManager": "secretsManager",
    "conversionStrategy": "invalidCharacters",
    "creationPolicy": "policies: {creation: …}",
    "decodingStrategy": "decode",
    "deletionPolicy": "policies: {deletion: …}",
    "externalID": "role: {arn: …, externalId: …}",
    "extract": "dataFrom: [{from: db}]",
    "failoverObject": "failover",
    "failoverRegion": "failover",
    "jmesPath": "path",
    "metadataPolicy": "a source with metadata: tags",
    "namespaceSelector": "namespaces: {matchLabels: …}",
    "namespaceSelectors": "namespaces, a list",
    "objectAlias": "the key in data",
    "objectName": "sources: {db: {secretsManager: …}}",
    "objectType": "sources: {db: {secretsManager: …}}",
    "objectVersion": "version",
    "objectVersionLabel": "label",
    "objects": "sources",
    "property": "path",
    "provider": "leave it out: region and role stand at the source",
    "refreshInterval": "leave it out: each change is pushed",
    "remoteRef": "{from: db, path: password}, and sources: {db: {secretsManager: …}}",
    "rewrite": "keys",
    "secretKey": "data: {password: {from: db, path: password}}",
    "secretName": "secret: {name: …}",
    "secretObjects": "a mapping for each Secret",
    "secretStoreRef": "leave it out: which service, region and role stands at the source",
    "sourceRef": "sources",
    "stringData": "data: {host: {value: …}}",
    "target": "secret",
    "templateFrom": "templateFile",
}
"""Field → what a mapping has in its place, or that it is left out."""


def describe_kind(kind: str, api_version: str) -> str:
    """Return whose a document is, and where it is told how a mapping says the same; empty if that is not known.

    Args:
        kind: of the document.
        api_version: of the document.
    """
    for part, words in _ELSEWHERE.items():
        if part in api_version:
            return words
    if kind in _KINDS:
        return _KINDS[kind]
    is_foreign = api_version and "keyferry" not in api_version
    return f"of {api_version} is none of Keyferry's, and this folder holds its files alone" if is_foreign else ""


def find_own(name: str) -> str:
    """Return the field of a mapping that is in the same part as this one of another program; empty if none is."""
    return {"extract": "from", "secretName": "name", "remoteRef": "from"}.get(name, "")


def describe_field(name: str) -> str:
    """Return what a mapping has in place of a field of another program; empty if it is the field of none."""
    if name not in _FIELDS:
        return ""
    right = _FIELDS[name]
    return f"{right if right.startswith('leave') else f'a mapping has {right}'} ({_GUIDE})"
