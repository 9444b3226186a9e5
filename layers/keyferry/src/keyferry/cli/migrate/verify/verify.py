"""Compare the Secrets of one mapping in one cluster with what the mapping makes: read, render, and write nothing."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from keyferry.cli.migrate.verify.differences import list_differences
from keyferry.delivery.apply import observe
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.delivery.preview import catch_errors
from keyferry.delivery.report import Locate, locate_error
from keyferry.delivery.sources import build_desired
from keyferry.delivery.work import Work, list_namespaces
from keyferry.errors import KeyferryError, NothingFound, Unexpected
from keyferry.model import Delivery


@dataclass(frozen=True)
class Verified:
    """What the comparison of one Secret has shown."""

    delivery: Delivery
    """The mapping and the cluster."""
    namespace: str | None
    """None where an error concerns all namespaces."""
    secret: str
    differences: tuple[str, ...] = ()
    error: KeyferryError | None = None
    """Why it is not known whether they are equal."""
    desired: Desired | None = field(default=None, repr=False)
    observed: Observed | None = field(default=None, repr=False)

    @property
    def is_equal(self) -> bool:
        """Whether the mapping makes exactly this Secret."""
        return not (self.differences or self.error)

    @property
    def state(self) -> str:
        """What a table says of it."""
        return "error" if self.error else "differs" if self.differences else "equal"

    @property
    def place(self) -> str:
        """The Secret as cluster/namespace/name."""
        return "/".join(filter(None, (self.delivery.cluster, self.namespace, self.secret)))


def verify(work: Work, locate: Locate) -> list[Verified]:
    """Return what the comparison has shown, for each namespace of a mapping on a cluster. Errors are in it.

    Args:
        work: a delivery of the mapping, which is not made.
        locate: returns file and line of what an error is about.
    """
    secret = work.mapping.spec.secret.name
    try:
        return [replace(each, error=locate_error(each.delivery, each.error, locate)) for each in _verify(work)]
    except KeyferryError as error:
        return [fail(work.delivery, secret, error, locate)]
    except Exception as error:  # its text can quote a value
        return [fail(work.delivery, secret, Unexpected(error), locate)]


def fail(delivery: Delivery, secret: str, error: KeyferryError, locate: Locate) -> Verified:
    """Return that nothing is known of the Secrets of a mapping on a cluster, because of an error."""
    return Verified(delivery, None, secret, error=locate_error(delivery, error, locate))


def _verify(work: Work) -> list[Verified]:
    names, secret = list_namespaces(work).names, work.mapping.spec.secret.name
    if not names:
        return []
    with ThreadPoolExecutor(max_workers=max(1, min(work.concurrency, len(names)))) as pool:
        states = list(
            pool.map(lambda name: catch_errors(work, name, lambda: observe(work.cluster, name, secret)), names)
        )
        desired = _build_desired(work, pool, names)  # after all observations, as in `deliver`
    return [_compare(work, name, desired[name], state) for name, state in zip(names, states, strict=True)]


def _build_desired(
    work: Work, pool: ThreadPoolExecutor, namespaces: Sequence[str]
) -> Mapping[str, Desired | KeyferryError]:
    """Return what the mapping makes in each namespace, or why it makes nothing there."""
    try:
        return build_desired(work, pool, namespaces, reread=False)
    except KeyferryError as error:
        return dict.fromkeys(namespaces, error)
    except Exception as error:  # its text can quote a value
        return dict.fromkeys(namespaces, Unexpected(error))


def _compare(
    work: Work, namespace: str, desired: Desired | KeyferryError, observed: Observed | KeyferryError | None
) -> Verified:
    known = Verified(work.delivery, namespace, work.mapping.spec.secret.name)
    if isinstance(observed, KeyferryError):
        return replace(known, error=observed)
    if isinstance(desired, NothingFound) and observed is None:
        return known
    if isinstance(desired, KeyferryError):
        return replace(known, error=desired, observed=observed)
    differences = tuple(list_differences(desired, observed))
    return replace(known, differences=differences, desired=desired, observed=observed)
