"""The workloads of a namespace that use a Secret, and how many were looked at to find them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyferry.delivery.restart.workloads import PULL, Stamp, get_template, get_workload_ref, list_uses, trim_workload
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import Workload

MAX_PULLS = 20
"""How many workloads of a namespace are named that use a Secret to pull images alone: there everything may."""


@dataclass(frozen=True)
class Use:
    """A workload whose pods use a Secret."""

    workload: Workload
    raw: Mapping[str, Any] = field(repr=False)
    """The part of the object that `build_stamp` needs."""
    ways: tuple[str, ...]
    """The fields of the pods by which they use it, sorted: `env`, `envFrom`, `volumes`, `imagePullSecrets`."""


@dataclass
class Listing:
    """What was seen in one namespace where workloads were looked for that use a Secret."""

    seen: Counter[str]
    """Kind → how many workloads were looked at."""
    uses: list[Use] = field(default_factory=list)
    """Those that restart when it changes, if nothing else keeps them from it."""
    pulls: list[str] = field(default_factory=list)
    """Those that use it to pull images alone, as `Deployment/web`: MAX_PULLS at most."""

    @classmethod
    def of(cls, kinds: Iterable[WorkloadKind]) -> "Listing":
        """Return the listing of a namespace that has no workloads of these kinds."""
        return cls(Counter({kind.name: 0 for kind in kinds}))

    def add(self, kind: WorkloadKind, raw: Mapping[str, Any], secret: str, stamp_keys: Sequence[str]) -> None:
        """Take a workload into account: of one that does not use the Secret nothing is kept.

        A workload that takes its pod template from another one is left out, since that one is listed itself.
        """
        self.seen[kind.name] += 1
        ways = {way for way, name in list_uses(get_template(raw).get("spec") or {}) if name == secret}
        if ways == {PULL} and len(self.pulls) < MAX_PULLS:
            self.pulls.append(f"{kind}/{raw['metadata']['name']}")
        if ways - {PULL} and not get_workload_ref(raw):
            workload = Workload.model_construct(kind=kind, name=raw["metadata"]["name"])
            self.uses.append(Use(workload, trim_workload(raw, stamp_keys), tuple(sorted(ways))))


@dataclass(frozen=True)
class Survey:
    """What is to be restarted in one namespace, and what was looked at for that."""

    stamps: Sequence[Stamp] = ()
    pulls: Sequence[str] = ()
    """The workloads that use the Secret to pull images alone."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Kind → how many workloads were looked at; empty where the mapping names those that restart."""
