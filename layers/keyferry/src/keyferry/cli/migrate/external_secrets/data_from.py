"""`spec.dataFrom`: many keys of the Secret at once, by `extract` and `find`, and what renames them."""

import re
from typing import Any

from keyferry.cli.migrate.external_secrets import texts
from keyferry.cli.migrate.external_secrets.data import decode, refuse_null_bytes
from keyferry.cli.migrate.external_secrets.draft import Draft
from keyferry.cli.migrate.external_secrets.fields import DataFrom, Find, Rewrite, RewriteMerge
from keyferry.cli.migrate.model import FieldPath, Refusal
from keyferry.cli.migrate.stores import Store
from keyferry.formats.re2 import REFERENCE, compile_pattern

WHOLE = "@this"
"""The property that selects a whole document, with the meaning that External Secrets gives to its members."""
_EXCLUDE = {"exclude": "^$"}
_TAGS = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_CASES = re.compile(r"\{\{ key( \| go\('(upper|lower|title)'\))* \}\}")
"""A template that leaves something of each key."""
_INVALID = {"Unicode": "escape"}


def convert_data_from(entries: list[DataFrom], draft: Draft) -> list[dict[str, Any]]:
    """Return the entries of `dataFrom` or `variables.dataFrom`."""
    converted = []
    for number, entry in enumerate(entries):
        with draft.collect():
            converted.append(_convert_entry(entry, draft, ("dataFrom", number)))
    return converted


def _convert_entry(entry: DataFrom, draft: Draft, path: FieldPath) -> dict[str, Any]:
    if (entry.extract is None) == (entry.find is None) and not (entry.source_ref and entry.source_ref.generator_ref):
        raise Refusal("needs either extract or find", "External Secrets refuses it: correct it", (*draft.at, *path))
    store = draft.find_store(entry.source_ref, *path)
    part = entry.extract or entry.find or Find()
    if entry.extract:
        alias = draft.add_value(entry.extract, store, *path, "extract", "key")
        converted: dict[str, Any] = {"from": alias, "property": entry.extract.property or WHOLE}
    else:
        converted = {"from": _add_find(entry.find or Find(), store, draft, (*path, "find"))}
    converted |= decode(part.decoding_strategy) | refuse_null_bytes(part.null_byte_policy)
    if entry.rewrite:
        rules = [_rewrite(rule, draft, path, number) for number, rule in enumerate(entry.rewrite)]
        return converted | {"keys": [*rules, _EXCLUDE] if any(map(_can_empty, rules)) else rules}
    return converted | {"invalidCharacters": _INVALID.get(part.conversion_strategy or "", "replace")}


def _add_find(find: Find, store: Store, draft: Draft, path: FieldPath) -> str:
    """Return the name of the source that finds what `find` finds.

    Facts: GetAllSecrets of providers/v1/aws/secretsmanager and parameterstore. By name, Parameter Store looks at no
    tags; without a path, Secrets Manager reads each name with the store's prefix put before it once more.
    """
    by_name, tags = find.name is not None, dict(find.tags or {})
    is_parameters = store.service == "parameterStore"
    if not by_name and not tags:
        raise Refusal("find needs name or tags", "External Secrets refuses it: add one", (*draft.at, *path))
    if find.path == "" or (find.path or "").startswith("!"):
        raise Refusal(f"path {find.path!r} is none that AWS takes", "correct it", (*draft.at, *path, "path"))
    if by_name and not find.path and store.prefix and not is_parameters:
        what = f"{store.name} has a prefix, which External Secrets puts before each name that it finds: it finds none"
        raise Refusal(what, "say path, with the prefix in it", (*draft.at, *path))
    fields: dict[str, Any] = {"find": store.service, "optional": True}
    if find.path and not (is_parameters and find.path == "/"):
        fields["path"] = find.path
    if find.name and find.name.regexp:
        fields["regexp"] = find.name.regexp
    if tags and not (by_name and is_parameters):
        fields["tags"] = tags
        draft.note("Tags of a find have to be equal; for secrets, External Secrets takes those that begin so, too.")
    if set(fields) == {"find", "optional"}:
        fields["regexp"] = ".*"
    return draft.add_find(fields, store, find.path or "found", *path)


def _rewrite(rule: Rewrite, draft: Draft, path: FieldPath, number: int) -> dict[str, Any]:
    at = (*draft.at, *path, "rewrite", number)
    if [rule.regexp, rule.transform, rule.merge].count(None) != 2:
        raise Refusal("needs one of regexp, transform and merge", "External Secrets refuses it: correct it", at)
    if rule.regexp:
        target = _drop_unknown_groups(rule.regexp.source, rule.regexp.target, at)
        return {"regexp": {"source": rule.regexp.source, "target": target}}
    if rule.transform:
        return {"template": texts.translate_key(rule.transform.template, (*at, "transform", "template"))}
    return {"merge": _merge(rule.merge or RewriteMerge(), at)}


def _merge(merge: RewriteMerge, at: FieldPath) -> dict[str, Any]:
    if merge.strategy == "JSON" and not merge.into:
        raise Refusal("strategy JSON needs into", "External Secrets refuses it: correct it", (*at, "merge"))
    fields = {
        "into": merge.into if merge.strategy == "JSON" else None,
        "priority": merge.priority,
        "conflicts": "overwrite" if merge.conflict_policy == "Ignore" else None,
        "missing": "ignore" if merge.priority_policy == "IgnoreNotFound" else None,
    }
    return {name: value for name, value in fields.items() if value}


def _can_empty(rule: dict[str, Any]) -> bool:
    """Return whether a rule is made to leave nothing of some keys, which External Secrets then leaves out."""
    regexp, template = rule.get("regexp"), rule.get("template", "")
    if template:
        return "{%" in template or not (_TAGS.sub("", template) or _CASES.fullmatch(template))
    return bool(regexp and not regexp["target"] and re.search(r"[*+{]", regexp["source"]))


def _drop_unknown_groups(source: str, target: str, at: FieldPath) -> str:
    """Return a replacement without the groups that the expression has not: Go writes nothing for them."""
    try:
        pattern = compile_pattern(source)
    except ValueError as error:
        raise Refusal(f"source is no regular expression of Go: {error}", "correct it", (*at, "regexp")) from None

    def keep(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return match[0]
        known = int(name) <= pattern.groups if name.isascii() and name.isdecimal() else name in pattern.groupindex
        return match[0] if known else ""

    return REFERENCE.sub(keep, target)
