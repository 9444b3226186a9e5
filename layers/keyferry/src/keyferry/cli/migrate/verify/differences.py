"""In what a Secret differs from what a mapping makes, in words: names of keys, and never a value or a digest of one."""

from collections.abc import Iterator, Mapping

from keyferry.cli.migrate.model import LAST_APPLIED, OPERATORS_OWN
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.model import MANAGED_BY, PREFIX

ORIGINALS = (OPERATORS_OWN, "secrets-store.csi.k8s.io/")
"""How labels and annotations begin by which the originals know a Secret as theirs."""
_TOOLS = (
    LAST_APPLIED,
    "meta.helm.sh/",
    "argocd.argoproj.io/tracking-id",
    *(f"{kind}.toolkit.fluxcd.io/{name}" for kind in ("kustomize", "helm") for name in ("name", "namespace")),
)
"""Labels and annotations that a tool sets on an ExternalSecret in the cluster, and that the operator copies to the
Secret: no manifest in a repository has them. They do no harm there; Argo CD's label is not among them, by which it
deletes what is not in Git."""


def is_mark(key: str) -> bool:
    """Return whether a label or annotation belongs to whoever writes the Secret, or was copied from a tool's object."""
    return key == MANAGED_BY or key.startswith((*ORIGINALS, f"{PREFIX}/")) or is_tool_mark(key)


def is_tool_mark(key: str) -> bool:
    """Return whether a label or annotation was copied from an object that a tool has applied."""
    return key.startswith(_TOOLS)


def list_differences(desired: Desired, observed: Observed | None) -> list[str]:
    """Return in what a Secret differs from what the mapping makes; nothing if both are the same.

    Compared are keys, bytes, type, immutability, labels and annotations; of a Secret that the mapping only adds keys
    to (`creation: merge`), its own alone. The marks of the original, of Keyferry and of tools are left out.

    Args:
        desired: what the mapping makes.
        observed: the Secret; None if it is missing.
    """
    if observed is None:
        return ["the Secret is missing"]
    is_whole = not desired.is_merge
    labels, annotations = _drop_marks(observed.labels), _drop_marks(observed.annotations)
    return [
        *_compare("key", desired.data, observed.data, is_whole=is_whole),
        *_compare_type(desired, observed),
        *_compare("label", _drop_marks(desired.labels), labels, is_whole=is_whole),
        *_compare("annotation", _drop_marks(desired.annotations), annotations, is_whole=is_whole),
    ]


def _drop_marks(pairs: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in pairs.items() if not is_mark(key)}


def _compare(noun: str, wanted: Mapping[str, object], found: Mapping[str, object], *, is_whole: bool) -> Iterator[str]:
    """Yield what differs between the pairs of two sides; those of the Secret alone where it is the mapping's whole."""
    for key in sorted(wanted.keys() | found.keys() if is_whole else wanted):
        if key not in found:
            yield f"{noun} {key}: the Secret does not have it"
        elif key not in wanted:
            yield f"{noun} {key}: the mapping does not make it"
        elif wanted[key] != found[key]:
            yield f"{noun} {key}: another value"


def _compare_type(desired: Desired, observed: Observed) -> Iterator[str]:
    wanted = desired.get_type(observed)
    if wanted != observed.type:
        yield f"type: {observed.type} in the Secret, {wanted} by the mapping"
    if desired.mapping.spec.secret.immutable != observed.immutable and not desired.is_merge:
        one, other = ("the Secret", "the mapping") if observed.immutable else ("the mapping", "the Secret")
        yield f"immutable: {one} is, {other} is not"
