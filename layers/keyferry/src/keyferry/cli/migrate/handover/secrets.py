"""The requests of a hand-over that concern the Secret: its content stays as it is in each of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keyferry.cli.migrate.handover.originals import EXTERNAL_SECRET, Original
from keyferry.cli.migrate.handover.record import ORIGINAL, build_manifest, dump, fits
from keyferry.cli.migrate.handover.state import State
from keyferry.cli.migrate.model import DRIVERS_LABEL
from keyferry.delivery.apply import Object
from keyferry.delivery.observed import LABELS, Observed
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import PREFIX


def build_patch(state: State, **metadata: Any) -> Object:  # noqa: ANN401  # JSON
    """Return a merge patch of metadata, which is refused if the Secret has changed since it was seen."""
    return {"metadata": _see(state).build_patch_metadata(state.secret) | metadata}


def build_record(state: State, original: Original) -> Object:
    """Return the patch that lets the Secret keep the manifest of its original."""
    return build_patch(state, annotations={ORIGINAL: dump(build_manifest(original))})


def fits_record(state: State, original: Original) -> bool:
    """Return whether the annotations of the Secret have room for the manifest, also once the mapping has its own."""
    later = build_takeover(state)["metadata"]["annotations"]
    return fits({**_see(state).annotations, **later, ORIGINAL: dump(build_manifest(original))})


def build_marks_patch(state: State) -> Object:
    """Return the patch that takes the marks of originals and tools away."""
    parts: dict[str, dict[str, None]] = {}
    for part, key in state.marks:
        parts.setdefault(part, {})[key] = None
    return build_patch(state, **parts)


def build_takeover(state: State) -> Object:
    """Return the apply by which the mapping owns the Secret with the content that it has.

    Where a source has changed since the original wrote it, the journal names no versions: the delivery that follows
    writes the change, and restarts for it.
    """
    observed, desired = _see(state), state.desired
    held = {key: observed.data[key] for key in desired.data if key in observed.data}
    taken = desired if state.verified.is_equal else replace(desired, data=held, versions={})
    body = taken.build_body(observed, None, make_immutable=state.mapping.spec.secret.immutable)
    if state.kept_manifest:
        body["metadata"]["annotations"][ORIGINAL] = observed.annotations[ORIGINAL]
    return body


def build_owner(state: State, original: Original) -> Object:
    """Return the patch that names an ExternalSecret as the owner, as the operator does (`SetControllerReference`)."""
    owner = {
        "apiVersion": original.resource.version,
        "kind": EXTERNAL_SECRET,
        "name": original.name,
        "uid": original.seen["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return build_patch(state, ownerReferences=[owner])


def build_release(raw: Object, mapping: SecretMapping, original: Original) -> Object:
    """Return the patch by which the mapping gives a Secret back: what it has applied stays, and is the original's.

    An apply without the fields would remove them, as nobody else owns them. So the entry of managedFields goes, and the
    operator gets one that names what it would have: it removes a key later only if it knows the key as its own.

    Args:
        raw: the Secret.
        mapping: the mapping.
        original: what makes the Secret from now on.
    """
    observed = Observed.from_object(raw)
    annotations = {key: None for key in observed.annotations if key.startswith(f"{PREFIX}/")}
    labels: dict[str, str | None] = {key: None for key, text in LABELS.items() if observed.labels.get(key) == text}
    is_operator = original.resource.kind == EXTERNAL_SECRET
    entries = [
        each for each in raw["metadata"].get("managedFields") or () if each.get("manager") not in mapping.managers
    ]
    keys = observed.keys_owned_by(*mapping.managers)
    patch = observed.build_patch_metadata(mapping.spec.secret.name) | {
        "annotations": annotations,
        "labels": labels if is_operator else labels | {DRIVERS_LABEL: "true"},
        # An empty list would change nothing.
        "managedFields": _add_keys(entries, keys, original) if is_operator else entries or [{}],
    }
    return {"metadata": patch}


def _add_keys(entries: Sequence[Mapping[str, Any]], keys: Iterable[str], original: Original) -> list[Mapping[str, Any]]:
    """Return managedFields with keys as the operator's."""
    own = next((each for each in entries if each.get("manager") == original.field_manager), {})
    fields = dict(own.get("fieldsV1") or {})
    fields["f:data"] = dict(fields.get("f:data") or {}) | {f"f:{key}": {} for key in keys}
    names = {"manager": original.field_manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    return [*(each for each in entries if each is not own), {**own, **names, "fieldsV1": fields}]


def _see(state: State) -> Observed:
    assert state.observed is not None  # noqa: S101  # no step on a Secret is planned without one
    return state.observed
