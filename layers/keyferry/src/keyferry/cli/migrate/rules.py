"""The rules of policy.yaml that let mappings do what they say: for people to read and add, and never written."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keyferry.cli.migrate.model import Conversion
from keyferry.mapping.mapping import SecretMapping
from keyferry.policy.metadata import is_harmless
from keyferry.policy.rules import AllowedPolicies
from keyferry.stores.source import Source

_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
_POLICIES: Mapping[str, list[str]] = AllowedPolicies().model_dump()
"""Field of `policies` → what a rule that says nothing of it allows."""


def build_rules(files: Mapping[Path, Sequence[Conversion]], clusters: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a rule for each folder.

    Args:
        files: file of mappings, within the folder of all mappings → its mappings.
        clusters: the clusters that they go to.
    """
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    for folder, own in sorted(folders.items()):
        patterns = [f"{folder}/*.yaml"] if folder.parts else sorted(map(str, own))
        yield _build_rule(patterns, [_parse(each) for file in own for each in files[file]], clusters)


def _parse(conversion: Conversion) -> SecretMapping:
    return SecretMapping.model_validate(conversion.mapping)


def _build_rule(patterns: list[str], mappings: Sequence[SecretMapping], clusters: Sequence[str]) -> dict[str, Any]:
    specs = [each.spec for each in mappings]
    selectors = [selector for spec in specs for selector in spec.namespace_selectors]
    names = {name for spec in specs for name in spec.namespace_names}
    types = {spec.secret.type for spec in specs if not spec.keeps_type}
    rule: dict[str, Any] = {
        "mappings": patterns,
        "sources": _allow_sources([source for spec in specs for source in spec.sources.values()]),
        "clusters": list(clusters),
        "namespaces": sorted(names.union(*(each.names or ["*"] for each in selectors))),
        "namespaceSelectors": list(clusters) if selectors else [],
        "types": sorted(types) if types != {"Opaque"} else [],
        "labels": _list_keys(each.secret.labels for each in specs),
        "annotations": _list_keys(each.secret.annotations for each in specs),
        "policies": _allow_policies(mappings),
        "restarts": sorted({each.name for spec in specs if isinstance(spec.restart, list) for each in spec.restart}),
    }
    return {field: value for field, value in rule.items() if value}


def _allow_sources(sources: Sequence[Source]) -> dict[str, Any]:
    roles = [role for source in sources for role in source.role]
    tags: dict[str, set[str]] = {}
    for role in roles:
        for key, value in role.session_tags.items():
            tags.setdefault(key, set()).add(_widen(value))
    allowed: dict[str, Any] = {}
    for source in sources:
        allowed.setdefault(source.store.MAPPING_FIELD, set()).update(_list_patterns(source))
    allowed |= {
        "accounts": {each for source in sources for each in source.accounts},
        "regions": {each for source in sources for each in source.regions},
        "roles": {_widen(role.arn) for role in roles},
        "externalIds": {_widen(role.external_id) for role in roles if role.external_id},
    }
    listed: dict[str, Any] = {field: sorted(patterns) for field, patterns in allowed.items() if patterns}
    return listed | ({"sessionTags": {key: sorted(values) for key, values in sorted(tags.items())}} if tags else {})


def _list_patterns(source: Source) -> Iterator[str]:
    """Yield what covers the names of a source: all that are below the same path; else the name itself."""
    if source.find is not None:
        yield f"{source.find_prefix}*"
    for replica in (source, *source.replicas):
        for name in replica.event_names:
            folder, slash, _ = _widen(name).rpartition("/")
            yield f"{folder}/*" if folder and slash else _widen(name)


def _widen(text: str) -> str:
    """Return a text as a pattern: whatever its placeholders stand for."""
    return _PLACEHOLDER.sub("*", text)


def _list_keys(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({key for part in parts for key in part if not is_harmless(key)})


def _allow_policies(mappings: Sequence[SecretMapping]) -> dict[str, list[str]]:
    """Return the values of `policies`, where a rule that says nothing of them would not allow them."""
    allowed: dict[str, list[str]] = {}
    for field, usual in _POLICIES.items():
        more = sorted({getattr(each.spec.policies, field) for each in mappings} - set(usual))
        allowed |= {field: [*usual, *more]} if more else {}
    return allowed
