"""What is kept of an original while its Secret is handed over: its manifest, in annotations of what stays.

An ExternalSecret is removed in the end, so its manifest is kept on the Secret. A SecretProviderClass stays, and keeps
the `secretObjects` that were taken out of it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from keyferry.cli.migrate.handover.originals import Original, name_secret
from keyferry.cli.migrate.model import LAST_APPLIED
from keyferry.delivery.apply import Object
from keyferry.model import PREFIX

ORIGINAL = f"{PREFIX}/original"
"""Annotation of a Secret: the manifest of the ExternalSecret that made it, as JSON."""
SECRET_OBJECTS = f"{PREFIX}/secret-objects"
"""Annotation of a SecretProviderClass: what was taken out of its `secretObjects`, as JSON."""


_MAX_BYTES = 256 * 1024
"""How many bytes all annotations of an object have at most, keys and values (`TotalAnnotationSizeLimitB`)."""
_RESERVE = 4096
"""What is left for what others, and later deliveries, note there."""


def fits(annotations: Mapping[str, str]) -> bool:
    """Return whether an object can have these annotations."""
    return sum(len(f"{key}{text}".encode()) for key, text in annotations.items()) + _RESERVE <= _MAX_BYTES


def build_manifest(original: Original) -> Object:
    """Return the manifest of an original, without what a cluster adds to it."""
    kept: Object = {"name": original.name, "namespace": original.namespace}
    for part in ("labels", "annotations"):
        pairs = {key: text for key, text in (original.metadata.get(part) or {}).items() if key != LAST_APPLIED}
        kept |= {part: pairs} if pairs else {}
    resource = original.resource
    return {
        "apiVersion": resource.version,
        "kind": resource.kind,
        "metadata": kept,
        "spec": original.spec,
    }


def dump(value: object) -> str:
    """Return the text of an annotation."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def read_original(annotations: Mapping[str, str]) -> Object | None:
    """Return the manifest that a Secret keeps; None if it keeps none, or what it has is not one."""
    manifest = _parse(annotations.get(ORIGINAL))
    return manifest if _is_manifest(manifest) else None


def _is_manifest(value: Any) -> bool:  # noqa: ANN401  # JSON
    """Return whether a value has the form of what `build_manifest` makes: whoever may write the Secret may write it."""
    if not isinstance(value, dict) or value.keys() != {"apiVersion", "kind", "metadata", "spec"}:
        return False
    metadata, spec = value["metadata"], value["spec"]
    if not (isinstance(metadata, dict) and isinstance(spec, dict) and isinstance(spec.get("target") or {}, dict)):
        return False
    pairs = [metadata.get("labels") or {}, metadata.get("annotations") or {}]
    is_named = isinstance(metadata.get("name"), str) and isinstance(metadata.get("namespace"), str)
    is_known = metadata.keys() <= {"name", "namespace", "labels", "annotations"}
    return is_named and is_known and all(isinstance(each, dict) for each in pairs)


def read_secret_objects(original: Original) -> list[Object]:
    """Return what was taken out of a SecretProviderClass."""
    kept = _parse((original.metadata.get("annotations") or {}).get(SECRET_OBJECTS))
    return [each for each in kept if isinstance(each, dict)] if isinstance(kept, list) else []


def split_objects(objects: Iterable[Object], secret: str) -> tuple[list[Object], list[Object]]:
    """Return the entries of `secretObjects` that make a Secret, and the others."""
    mine, others = list[Object](), list[Object]()
    for each in objects:
        (mine if name_secret(each) == secret else others).append(each)
    return mine, others


def _parse(text: str | None) -> Any:  # noqa: ANN401  # JSON
    try:
        return json.loads(text or "null")
    except ValueError:
        return None
