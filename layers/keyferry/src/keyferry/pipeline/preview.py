"""What a delivery would do: the same observing, reading and planning as `deliver`, and no write."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from keyferry.apply import observe, stamps
from keyferry.errors import KeyferryError, OutOfTime, Unexpected
from keyferry.pipeline.deliver import Work, desire, namespaces
from keyferry.plan import Annotate, Restart, Write, plan
from keyferry.secret import Desired, Observed

type Will = Literal["create", "update", "annotate", "restart", "nothing", "fail"]

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
    """Workloads that would be left alone, and why."""
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
            if isinstance(desired, KeyferryError):
                return Preview(name, "fail", error=desired)
            told = _tried(work, lambda: _planned(work, name, desired, observed))
            return told if isinstance(told, Preview) else Preview(name, "fail", error=told)

        return list(pool.map(planned, zip(names, seen, strict=True)))


def _tried[T](work: Work, step: Callable[[], T]) -> T | KeyferryError:
    """Return what a step returns, or what it raises: one namespace does not stop the others."""
    if work.deadline.passed:
        return OutOfTime()
    try:
        return step()
    except KeyferryError as error:
        return error
    except Exception as error:  # its text can quote a value
        return Unexpected(error)


def _planned(work: Work, namespace: str, desired: Desired, observed: Observed | None) -> Preview:
    action = plan(desired, observed, NONCE)
    restarts = desired.mapping.spec.restart != "none"
    due = observed.restart_due if observed and restarts else None
    will: Will = "nothing"
    why, keys = "", tuple[str, ...]()
    match action:
        case Write():
            will, why, keys = ("create" if action.creates else "update"), action.why, _keys(desired, observed)
            due = NONCE if restarts else None
        case Annotate():
            will, why = "annotate", action.why
        case Restart():
            will, why = "restart", "restarts are due"
    found = stamps(work.cluster, namespace, desired.mapping, due) if due else []
    return Preview(
        namespace,
        will,
        why,
        keys,
        restarts=tuple(str(each) for each in found if each.patch is not None),
        notes=tuple(str(each) for each in found if each.patch is None and not each.error),
        error=next((each.error for each in found if each.error), None),
    )


def _keys(desired: Desired, observed: Observed | None) -> tuple[str, ...]:
    """Return the keys that a write touches."""
    if observed is None:
        return tuple(sorted(desired.data))
    owned = observed.keys_owned_by(desired.manager)
    changed = {key for key, value in desired.data.items() if observed.data.get(key) != value or key not in owned}
    return tuple(sorted(changed | (owned - desired.data.keys())))
