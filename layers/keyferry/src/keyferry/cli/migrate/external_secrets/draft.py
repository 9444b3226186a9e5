"""The mapping of one manifest, while it is made: its sources, what is to be told of it, and what refuses it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.migrate.external_secrets.fields import RemoteRef, SourceRef, StoreRef
from keyferry.cli.migrate.model import Estate, FieldPath, Manifest, Refusal, Refusals
from keyferry.cli.migrate.stores import SERVICES, Store, find_store
from keyferry.mapping.mapping import PLACE_NAMES, VARIABLES

_FOREIGN = re.compile(r"[^A-Za-z0-9_]+")
_RESERVED = PLACE_NAMES | {VARIABLES, "key"}
_PARAMETER, _SECRET = SERVICES["ParameterStore"], SERVICES["SecretsManager"]


@dataclass
class Draft:
    """What is known of a mapping so far."""

    manifest: Manifest
    estate: Estate
    at: FieldPath
    """Where the spec of the ExternalSecret is in the manifest."""
    namespace: str | None
    """The namespace of the Secret; None where there can be several."""
    store_ref: StoreRef | None = None
    """The store of everything that names none itself."""
    retains: bool = True
    """Whether the deletion policy is Retain; else a secret or parameter that is missing is left out."""
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    """The stores that it reads, by their names in messages."""
    notes: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the reasons that refuse a part, and go on with the next part: all of them are told at once."""
        try:
            yield
        except Refusal as refusal:
            self._keep(refusal)
        except Refusals as several:
            for each in several.refusals:
                self._keep(each)

    def _keep(self, refusal: Refusal) -> None:
        """Keep a reason, unless it is kept: a store is the reason of all that is read from it."""
        if all((each.what, each.path) != (refusal.what, refusal.path) for each in self.refusals):
            self.refusals.append(refusal)

    def refuse(self, what: str, remedy: str, *path: str | int) -> None:
        """Keep a reason that refuses the manifest; `path` is that of a part of the spec."""
        self.refusals.append(Refusal(what, remedy, (*self.at, *path)))

    def note(self, text: str) -> None:
        """Keep a difference that is stated."""
        if text not in self.notes:
            self.notes.append(text)

    def find_store(self, source_ref: SourceRef | None, *path: str | int) -> Store:
        """Return the store of a part of the spec.

        Raises:
            Refusal, Refusals: there is none, or none that can be read.
        """
        if source_ref and source_ref.generator_ref is not None:
            kind = source_ref.generator_ref.get("kind", "generator")
            what = f"the generator {kind} makes a new value each time"
            raise Refusal(what, "keep External Secrets for it, or put the value into AWS once", (*self.at, *path))
        if source_ref and source_ref.store_ref is None:
            what = "sourceRef names neither a store nor a generator"
            raise Refusal(what, "External Secrets refuses it: correct it", (*self.at, *path, "sourceRef"))
        own = source_ref.store_ref if source_ref else None
        ref = own or self.store_ref
        at = (*self.at, *path, "sourceRef") if own else (*self.at, "secretStoreRef")
        if ref is None or ref.name is None:
            raise Refusal("no store is named", "External Secrets refuses it: add secretStoreRef", (*self.at, *path))
        if self.namespace is None and ref.kind != "ClusterSecretStore":
            what = f"SecretStore {ref.name} is another one in each of the namespaces"
            raise Refusal(what, "use a ClusterSecretStore, or an ExternalSecret for each namespace", at)
        store = find_store(ref, self.namespace, self.estate, at)
        self.stores.setdefault(store.name, store)
        for text in store.notes:
            self.note(text)
        return store

    def add_value(self, ref: RemoteRef, store: Store, *path: str | int, can_be_missing: bool = True) -> str:
        """Return the name of the source of a secret or parameter; a source that is there already is used again.

        Args:
            ref: the secret or parameter.
            store: where it is read.
            path: where it is in the spec.
            can_be_missing: whether what is missing can be left out, as far as the operator does.
        """
        key = store.prefix + ref.key
        fields: dict[str, Any] = {store.service: key}
        if ref.metadata_policy == "Fetch":
            fields["metadata"] = "tags"
            if ref.version and store.service == _PARAMETER:
                what = "tags belong to no version of a parameter"
                raise Refusal(what, "AWS refuses it: take version out", (*self.at, *path))
        elif store.service == _PARAMETER:
            fields |= _split_parameter(key, ref.version)
        elif ref.version:
            version = ref.version.removeprefix("uuid/")
            fields |= {"version": version} if version != ref.version else _label(version)
        if can_be_missing and not self.retains and _can_be_missing(fields):
            fields["optional"] = True
        return self.add(fields | self._describe(store, key, *path), fields.get(_PARAMETER, key))

    def _describe(self, store: Store, key: str, *path: str | int) -> dict[str, Any]:
        """Return where and with which roles a source is read; the ARN of a region says that itself."""
        try:
            fields = store.describe(self.estate.options.own_region, self.namespace)
        except Refusal as refusal:
            raise Refusal(refusal.what, refusal.remedy, (*self.at, *path)) from None
        region = key.split(":")[3] if key.startswith("arn:") and key.count(":") > 3 else None
        if region and store.region and region != store.region:
            what = f"the ARN is of {region}, and {store.name} asks {store.region}, which does not have it"
            raise Refusal(what, "correct the one or the other", (*self.at, *path))
        return {name: value for name, value in fields.items() if not (region and name == "region")}

    def add_find(self, fields: Mapping[str, Any], store: Store, hint: str, *path: str | int) -> str:
        """Return the name of a source that finds many values."""
        return self.add(dict(fields) | self._describe(store, "", *path), hint)

    def add(self, fields: dict[str, Any], hint: str) -> str:
        """Return the name of a source, which is made of the last part of what it reads."""
        known = next((alias for alias, other in self.sources.items() if other == fields), None)
        if known:
            return known
        plain = _FOREIGN.sub("_", re.split(r"[/:]", hint.rstrip("/"))[-1]).strip("_") or "source"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        plain = f"{plain}_source" if plain in _RESERVED else plain
        alias, number = plain, 1
        while alias in self.sources:
            number += 1
            alias = f"{plain}_{number}"
        self.sources[alias] = fields
        return alias


def _can_be_missing(fields: Mapping[str, Any]) -> bool:
    """Return whether the operator goes on without a source: GetSecret of both services tells it that there is none."""
    return "metadata" not in fields and not (_PARAMETER in fields and {"version", "label"} & fields.keys())


def _label(label: str) -> dict[str, str]:
    return {} if label == "AWSCURRENT" else {"label": label}


def _split_parameter(key: str, version: str | None) -> dict[str, str]:
    """Return the name of a parameter, and its version or label, which AWS takes behind a colon too."""
    if version is None and not key.startswith("arn:"):
        key, _, version = key.partition(":")
    if not version:
        return {_PARAMETER: key}
    return {_PARAMETER: key, "version" if version.isascii() and version.isdigit() else "label": version}
