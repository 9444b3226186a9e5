"""What a delivery would do: the same observing, reading and planning as `deliver`, and no write."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from keyferry.delivery.apply import listing, observe, stamps
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.delivery.passes import Work, desire, namespaces
from keyferry.delivery.plan import Action, Annotate, Delete, Done, Prune, Release, Restart, Write, plan, plan_deletion
from keyferry.errors import KeyferryError, OutOfTime, SourceDeleted, Unexpected

type Will = Literal["create", "update", "annotate", "restart", "delete", "nothing", "fail"]

NONCE = "preview"
"""Stands for the random mark of a write. No pod template carries it, so every workload shows as to be restarted."""


@dataclass(frozen=True)
class Preview:
    """What would become of one target."""

    namespace: str
    will: Will
    why: str = ""
    keys: tuple[str, ...] = ()
    """Keys that would be added, changed, taken back or removed, by name."""
    restarts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """When a certificate expires; workloads that would be left alone, and why."""
    error: KeyferryError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--output json`, without what is empty."""
        whole = {
            "namespace": self.namespace,
            "will": self.will,
            "why": self.why,
            "keys": list(self.keys),
            "restarts": list(self.restarts),
            "notes": list(self.notes),
            "error": f"{type(self.error).__name__}: {self.error}" if self.error else "",
        }
        return {key: value for key, value in whole.items() if value}


def preview(work: Work) -> list[Preview]:
    """Return what a delivery would do in each namespace as things are now.

    Raises:
        KeyferryError: the namespaces cannot be listed, a source cannot be read, or it does not fit the mapping.
    """
    names, secret = namespaces(work), work.mapping.spec.secret.name
    with ThreadPoolExecutor(max_workers=max(1, min(work.concurrency, len(names)))) as pool:
        seen = list(pool.map(lambda name: _tried(work, lambda: observe(work.cluster, name, secret)), names))
        made = desire(work, pool, names, settle=False) if names else {}  # after every observation, as in `deliver`

        def planned(pair: tuple[str, Observed | KeyferryError | None]) -> Preview:
            (name, observed), desired = pair, made[pair[0]]
            if isinstance(observed, KeyferryError):
                return Preview(name, "fail", error=observed)
            if isinstance(desired, KeyferryError) and not isinstance(desired, SourceDeleted):
                return Preview(name, "fail", error=desired)
            told = _tried(work, lambda: _planned(work, name, desired, observed))
            return told if isinstance(told, Preview) else Preview(name, "fail", error=told)

        return list(pool.map(planned, zip(names, seen, strict=True)))


def _tried[T](work: Work, step: Callable[[], T]) -> T | KeyferryError:
    """Return what a step returns, or what it raises: one namespace does not stop the others."""
    if work.deadline.has_passed:
        return OutOfTime()
    try:
        return step()
    except KeyferryError as error:
        return error
    except Exception as error:  # its text can quote a value
        return Unexpected(error)


def _planned(work: Work, namespace: str, desired: Desired | SourceDeleted, observed: Observed | None) -> Preview:
    if isinstance(desired, SourceDeleted):
        return _shown(namespace, plan_deletion(work.mapping, observed, desired))
    action = plan(desired, observed, NONCE)
    shown = _shown(namespace, action)
    restarts = desired.mapping.spec.restart != "none"
    due = observed.restart_due if observed and restarts and not isinstance(action, Done) else None
    if isinstance(action, Write):
        shown = replace(shown, keys=_keys(desired, observed))
    if isinstance(action, Write | Prune):
        due = NONCE if restarts and (shown.keys or isinstance(action, Write)) else due
    workloads = listing(work.cluster, work.mapping, work.kinds)
    found = stamps(work.cluster, namespace, desired.mapping, due, workloads) if due else []
    return replace(
        shown,
        restarts=tuple(str(each) for each in found if each.patch is not None),
        notes=(
            *shown.notes,
            *desired.notes(datetime.now(UTC)),
            *(str(each) for each in found if each.patch is None and not each.error),
        ),
        error=next((each.error for each in found if each.error), None),
    )


def _shown(namespace: str, action: Action) -> Preview:
    """Return what an action does, as far as it says it itself."""
    match action:
        case Write():
            return Preview(namespace, "create" if action.creates else "update", action.why)
        case Prune():
            return Preview(namespace, "update", action.why, tuple(action.patch.get("data", ())), notes=action.notes)
        case Release() | Annotate():
            return Preview(namespace, "annotate", action.why)
        case Delete():
            return Preview(namespace, "delete", action.why)
        case Restart():
            return Preview(namespace, "restart", "restarts are due")
    return Preview(namespace, "nothing", notes=(action.note,) if action.note else ())


def _keys(desired: Desired, observed: Observed | None) -> tuple[str, ...]:
    """Return the keys that a write touches."""
    if observed is None:
        return tuple(sorted(desired.data))
    owned = observed.keys_owned_by(desired.manager)
    changed = {key for key, value in desired.data.items() if observed.data.get(key) != value or key not in owned}
    return tuple(sorted(changed | (owned - desired.data.keys())))
