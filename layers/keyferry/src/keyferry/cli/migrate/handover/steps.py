"""The steps of a hand-over: each is one request, or waits for somebody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.migrate.handover.originals import Original
from keyferry.delivery.apply import Object


@dataclass(frozen=True)
class Step:
    """Something that is left to do for a target."""

    what: str
    """What is done, as people read it: `set ExternalSecret payments/db to Orphan and Retain`."""


@dataclass(frozen=True)
class PatchOriginal(Step):
    """Change an original by a merge patch."""

    original: Original
    patch: Object = field(repr=False)


@dataclass(frozen=True)
class DeleteOriginal(Step):
    """Remove an original."""

    original: Original


@dataclass(frozen=True)
class CreateOriginal(Step):
    """Create an original anew."""

    manifest: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class PatchSecret(Step):
    """Change metadata of the Secret by a merge patch, which has its uid and resourceVersion."""

    patch: Object = field(repr=False)


@dataclass(frozen=True)
class TakeOver(Step):
    """Apply the Secret, with the content that it has, in the name of the mapping."""

    body: Object = field(repr=False)


@dataclass(frozen=True)
class Deliver(Step):
    """Deliver what has changed in the sources since the original wrote the Secret last."""


@dataclass(frozen=True)
class Release(Step):
    """Give the fields of the mapping back to the original."""

    original: Original


@dataclass(frozen=True)
class Wait(Step):
    """Wait until somebody else has done something."""

    change: str = ""
    """What a person has to change, and where; empty where a controller does it by itself."""


@dataclass(frozen=True)
class Refuse(Step):
    """Nothing more can be done before somebody has settled what `what` says."""
