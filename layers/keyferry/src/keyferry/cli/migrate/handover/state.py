"""What is known of a target: its Secret, what the mapping makes, and the originals that make the Secret, too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keyferry.cli.migrate.handover.originals import EXTERNAL_SECRET, PROVIDER_CLASS, RESOURCES, Original, name_secret
from keyferry.cli.migrate.handover.record import read_original, read_secret_objects
from keyferry.cli.migrate.model import DRIVERS_LABEL
from keyferry.cli.migrate.verify.differences import ORIGINALS, is_tool_mark
from keyferry.cli.migrate.verify.verify import Verified
from keyferry.delivery.apply import Object
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.mapping.mapping import SecretMapping

QUIET_SECONDS = 11.0
"""How long no owner may come back before the driver counts as done: it sets owners every five seconds."""


@dataclass(frozen=True)
class State:
    """What is known of a target. It is read anew before each step."""

    mapping: SecretMapping
    verified: Verified
    """The Secret, and what the mapping makes, compared."""
    originals: Sequence[Original] = ()
    """Those of the Secret's namespace, whatever Secrets they make."""
    quiet_seconds: float = 0
    """How long it has been seen without any owner."""

    @property
    def namespace(self) -> str:
        """The namespace."""
        return str(self.verified.namespace)

    @property
    def secret(self) -> str:
        """The name of the Secret."""
        return self.verified.secret

    @property
    def observed(self) -> Observed | None:
        """The Secret; None if it is missing."""
        return self.verified.observed

    @property
    def desired(self) -> Desired:
        """What the mapping makes: only where that is known."""
        assert self.verified.desired is not None  # noqa: S101  # nothing is handed over that could not be compared
        return self.verified.desired

    @property
    def adds_keys(self) -> bool:
        """Whether somebody else makes the Secret, and the mapping only adds keys to it (`creation: merge`)."""
        return self.mapping.spec.policies.creation == "merge"

    @property
    def is_ours(self) -> bool:
        """Whether the mapping has the Secret: it wrote it last, and owns its keys."""
        observed, found = self.observed, self.verified
        if observed is None or not observed.is_written_by(self.mapping):
            return False
        owned = observed.keys_owned_by(*self.mapping.managers)
        return self.desired.data.keys() <= owned if found.is_equal else bool(owned)

    @property
    def is_behind(self) -> bool:
        """Whether the mapping has taken the Secret over with content that the sources no longer have."""
        observed = self.observed
        return bool(self.is_ours and self.verified.differences and observed and not observed.get_journal_versions())

    @property
    def external_secrets(self) -> list[Original]:
        """The ExternalSecrets that make the Secret; where the mapping only adds keys, those that add the same keys."""
        return [
            each
            for each in self.originals
            if each.resource.kind == EXTERNAL_SECRET
            and self.secret in each.make_secret_names()
            and each.creation_policy != "None"
            and (not self.adds_keys or self._has_same_keys(each))
        ]

    def _has_same_keys(self, original: Original) -> bool:
        """Return whether the operator has written keys of the mapping for an ExternalSecret."""
        entries = self.observed.managed_fields if self.observed else ()
        keys = self.mapping.spec.secret.data.keys() if self.verified.error else self.desired.data.keys()
        return any(entry.manager == original.field_manager and entry.keys & keys for entry in entries)

    @property
    def provider_classes(self) -> list[Original]:
        """The SecretProviderClasses that make the Secret."""
        return [
            each
            for each in self.originals
            if each.resource.kind == PROVIDER_CLASS and self.secret in each.make_secret_names()
        ]

    @property
    def emptied_classes(self) -> list[Original]:
        """The SecretProviderClasses that keep what was taken out of them for the Secret."""
        return [
            each
            for each in self.originals
            if each.resource.kind == PROVIDER_CLASS and self.secret in map(name_secret, read_secret_objects(each))
        ]

    @property
    def kept_manifest(self) -> Object | None:
        """The manifest of the ExternalSecret that the Secret keeps, if it is one of this namespace and Secret."""
        manifest = read_original(self.observed.annotations) if self.observed else None
        if manifest is None or manifest["metadata"]["namespace"] != self.namespace:
            return None
        resource = next((each for each in RESOURCES if each.version == manifest["apiVersion"]), None)
        if resource is None or manifest["kind"] != EXTERNAL_SECRET or not isinstance(manifest["spec"], dict):
            return None
        return manifest if self.secret in Original(resource, manifest).make_secret_names() else None

    @property
    def is_marked(self) -> bool:
        """Whether the Secret has a mark of an original, or keeps its manifest."""
        return bool(self.kept_manifest or any(key.startswith(ORIGINALS) for _, key in self.marks))

    @property
    def is_of_driver(self) -> bool:
        """Whether the Secret has the mark of the driver, or a class makes it or has made it."""
        has_mark = self.observed is not None and DRIVERS_LABEL in self.observed.labels
        return has_mark or bool(self.provider_classes or self.emptied_classes)

    @property
    def marks(self) -> list[tuple[str, str]]:
        """The marks of originals and tools on the Secret, each as part of the metadata and key."""
        return list(self._list_marks())

    def _list_marks(self) -> Iterator[tuple[str, str]]:
        observed = self.observed
        if observed is None or self.adds_keys:  # they are of whoever makes the Secret
            return
        ours = observed.metadata_owned_by(*self.mapping.managers)
        for part, noun, found in (
            ("labels", "label", observed.labels),
            ("annotations", "annotation", observed.annotations),
        ):
            for key in sorted(found):
                if (key.startswith(ORIGINALS) or is_tool_mark(key)) and f"{noun} {key}" not in ours:
                    yield part, key

    @property
    def owners(self) -> list[str]:
        """The ownerReferences of the Secret, as kind and name; of a Secret that others make, none counts."""
        if self.observed is None or self.adds_keys:
            return []
        return [str(each) for each in self.observed.owner_references]

    @property
    def strangers(self) -> list[str]:
        """The owners that no step takes away: all but the driver's, and the ExternalSecret that makes the Secret."""
        if self.is_of_driver:
            return []
        makers = {each.name for each in self.external_secrets}
        others = {each.name for each in self.originals if each.resource.kind == EXTERNAL_SECRET} - makers
        return [
            each
            for each in self.owners
            if not each.startswith(f"{EXTERNAL_SECRET}/") or each.partition("/")[2] in others
        ]
