"""`spec.data`: a key of the Secret for each entry."""

from typing import Any

from keyferry.cli.migrate.external_secrets.draft import Draft
from keyferry.cli.migrate.external_secrets.fields import Data, Decoding

_DECODINGS = {"Base64": "base64", "Base64URL": "base64url", "Auto": "auto"}


def convert_data(entries: list[Data], draft: Draft) -> dict[str, dict[str, Any]]:
    """Return the entries of `data` or `variables.data`, by key; the last one of a key wins.

    Where that is missing, the operator takes the one before; the delivery fails.

    Args:
        entries: those of the manifest.
        draft: gets the sources, and what refuses an entry: with the deletion policy Retain, a key that is there twice.
    """
    data: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(entries):
        if entry.secret_key in data and draft.retains:
            remedy = "External Secrets refuses it: take one of them out"
            draft.refuse(f"{entry.secret_key} is there twice", remedy, "data", number, "secretKey")
        elif entry.secret_key in data:
            draft.note(f"{entry.secret_key} is there twice: the delivery fails where the last one is missing.")
        with draft.collect():
            converted = _convert_entry(entry, number, draft, can_be_missing=entry.secret_key not in data)
            data.pop(entry.secret_key, None)
            data[entry.secret_key] = converted
    return data


def _convert_entry(entry: Data, number: int, draft: Draft, *, can_be_missing: bool) -> dict[str, Any]:
    ref, path = entry.remote_ref, ("data", number, "remoteRef")
    store = draft.find_store(entry.source_ref, "data", number)
    converted = {"from": draft.add_value(ref, store, *path, "key", can_be_missing=can_be_missing)}
    if ref.property:
        converted["property"] = ref.property
    return converted | decode(ref.decoding_strategy) | refuse_null_bytes(ref.null_byte_policy)


def refuse_null_bytes(policy: str | None) -> dict[str, str]:
    """Return the field of an entry that refuses values with a null byte."""
    return {"nullBytes": "refuse"} if policy == "Fail" else {}


def decode(strategy: Decoding | None) -> dict[str, str]:
    """Return the field of an entry that decodes its value."""
    return {"decode": _DECODINGS[strategy]} if strategy in _DECODINGS else {}
