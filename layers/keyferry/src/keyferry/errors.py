"""Keyferry's exceptions, grouped by what the caller does about them.

    KeyferryError
    ├── InvalidInput         a mapping, event file or argument is wrong: report it, change nothing
    ├── Suspended            somebody has stopped the delivery: a sweep delivers once that is over
    ├── DeliverAgain         may pass by itself: the message is retried later
    │   ├── MappingsUnreadable the compiled mappings are missing, of another version or damaged
    │   ├── SuspensionsUnknown what is suspended could not be read, or not since it stopped the delivery
    │   ├── Misconfigured      a setting of the AWS SDK is missing or wrong
    │   ├── AccessDenied       AWS refused a call
    │   │   └── NotSignedIn      AWS does not accept the credentials, or no longer does
    │   ├── Rejected           AWS refused a call for another reason
    │   ├── Forbidden          the cluster knows the caller and refuses a verb
    │   ├── Unreachable        no answer: whether the call took effect is unknown
    │   │   └── ServerError      of a cluster: an answer (5xx), or none to a write; a webhook can be the cause
    │   ├── Throttled          too many requests, and no time left to wait
    │   ├── ClusterUnavailable no request to the cluster can succeed now: it is not asked again for some seconds
    │   │   ├── Unauthorized       it does not know the caller
    │   │   ├── ClusterUnreachable it does not answer (Unreachable, too)
    │   │   ├── ClusterThrottled   it asks to slow down (Throttled, too)
    │   │   └── ClusterSlow        its answers take too long
    │   ├── Outdated           a failover region has an older version than the Secret
    │   ├── Overtaken          the object changed between reading and writing it
    │   ├── OutOfTime          the invocation ends before the work does
    │   ├── Unconfirmed        a deletion was reported a moment ago, and may be a replacement
    │   ├── UnknownName        this deployment has no such mapping or cluster
    │   ├── UnknownField       the message has a field that this release does not know
    │   └── Unexpected         an error of a type that is not handled
    └── NeedsRepair          stays until somebody changes the source, the mapping or the cluster: dead-lettered
        ├── InvalidRequest     the AWS SDK does not send a call, because an argument of it is wrong
        ├── SourceUnavailable  there is no secret or parameter of this name, version or label
        │   ├── SourceMissing    AWS answers that it does not exist
        │   ├── VersionMissing   it exists, and none of its versions has that id or label
        │   └── SourceDeleted    AWS says that it was deleted: what can delete a Secret
        │       └── NothingFound   all that the Secret is made of is optional, and missing: the same
        ├── SourceUnusable     the mapping cannot make its keys from the value
        ├── Refused            the Secret cannot hold the content: too large, another type, immutable
        ├── NotAllowed         the policy does not allow what the cluster has there: a type of the Secret
        ├── Conflict           another manager owns what the mapping would write
        ├── WrongCluster       EKS has a cluster of this name, and it is not the one of clusters.yaml
        ├── NamespaceGone      the namespace is missing or being deleted
        └── FunctionDied       the delivery has killed its function again and again

Every message names the object and the remedy. None contains a secret value.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import extract_tb
from typing import Any, Self

from keyferry.wording import MAX_CHARACTERS, abridge

CLUSTER = "cluster"
"""Stands for the part of the mapping, in errors that are about the cluster as clusters.yaml has it."""


class KeyferryError(Exception):
    """Base class of all errors that Keyferry raises itself. A long text loses its middle: its end is the remedy."""

    part: str = ""
    """The part of the mapping that it is about, as `secret.data.password` or `secret.dataFrom.0`; empty: the whole."""
    template_line: int = 0
    """The line of the part's template, from 1; 0 where it is not about a line of a template."""
    at: str = ""
    """File and line of that part, as `mappings/db.yaml:12`; empty where they are not known."""
    cause: str = ""
    """Of ENVIRONMENT: what is wrong, without the call that failed for it; empty where the text names no call."""

    def __init__(self, text: str = "", *, limit: int = MAX_CHARACTERS) -> None:
        super().__init__(abridge(text, limit))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let errors pass between processes, whatever arguments their classes take."""
        return _restore, (type(self), self.args), dict(self.__dict__)

    @property
    def title(self) -> str:
        """Class and text, as reports have them: `SourceMissing: …`."""
        return f"{type(self).__name__}: {self}"

    def locate(self, at: str) -> Self:
        """Return a copy that knows file and line. The error itself stays as it is: other deliveries can have it too."""
        located = copy.copy(self)
        located.at = at
        return located

    def extend(self, more: str) -> Self:
        """Return a copy whose text ends in more."""
        extended = copy.copy(self)
        extended.args = (abridge(f"{self}; {more}"),)
        return extended


@contextmanager
def in_part(part: str) -> Iterator[None]:
    """Let errors know the part of the mapping in which they are raised, unless they know a smaller one.

    Args:
        part: as `KeyferryError.part` has it.
    """
    try:
        yield
    except KeyferryError as error:
        error.part = error.part or part
        raise


class InvalidInput(KeyferryError):
    """A mapping file, an event file or an argument is wrong."""


class Suspended(KeyferryError):
    """Somebody has suspended the mapping, the cluster or everything. A sweep after that delivers what differs."""


class DeliverAgain(KeyferryError):
    """A condition that may pass by itself: the delivery is retried."""


class MappingsUnreadable(DeliverAgain):
    """The compiled mappings are missing, of another version or damaged. It is retried: a deployment brings them."""


class SuspensionsUnknown(DeliverAgain):
    """What is suspended cannot be read, and was never read, or stopped the delivery when it was: the message waits."""


class Misconfigured(DeliverAgain):
    """A setting of the AWS SDK is missing or wrong: region, credentials, proxy or endpoint."""


class AccessDenied(DeliverAgain):
    """AWS refused a call for lack of permission. It is retried: new permissions take seconds to become active."""


class NotSignedIn(AccessDenied):
    """AWS does not accept the credentials: they have expired, or their role was deleted and created again."""


ENVIRONMENT = Misconfigured, NotSignedIn
"""What is wrong with the environment in which Keyferry runs: it is in no line of a file, and fails every delivery."""


class Rejected(DeliverAgain):
    """AWS refused a call (4xx) for a reason that has no class of its own."""


class Forbidden(DeliverAgain):
    """The cluster knows the caller, and RBAC refuses the verb on the resource (403)."""


class Unreachable(DeliverAgain):
    """AWS or a cluster gave no usable answer; whether a write took effect is unknown."""


class ServerError(Unreachable):
    """The cluster answered a call with an error (5xx), or a write not in time: whether it took effect is open."""


class Throttled(DeliverAgain):
    """AWS or a cluster asked to wait for longer than the time that is left."""


class ClusterUnavailable(DeliverAgain):
    """No request to the cluster can succeed now. The environment remembers it for some seconds, and does not ask."""


class Unauthorized(ClusterUnavailable):
    """The cluster does not accept the token (401). It is retried: new access entries take seconds to become active."""

    def __init__(self, cluster: str, role: str) -> None:
        super().__init__(
            f"cluster {cluster} does not accept the sign-in (401): check that it has an access entry for {role}"
            " (made after the role: an entry dies with its role; the stack makes it, or"
            " `sh generated/stack/access-entries.sh STACK`), that eks.name and eks.region in clusters.yaml are the"
            " cluster's own, that the AWS credentials have not expired, and that the clock is right"
        )


class ClusterUnreachable(ClusterUnavailable, Unreachable):
    """The cluster does not answer: no connection, or no answer to a read in time."""


class ClusterThrottled(ClusterUnavailable, Throttled):
    """The cluster asks to slow down (429)."""


class ClusterSlow(ClusterUnavailable):
    """The cluster answers so slowly that its deliveries would take the time of those of other clusters."""


class Outdated(DeliverAgain):
    """The value of a failover region is older than the one in the Secret."""


class Overtaken(DeliverAgain):
    """The object has changed since it was observed: it has to be observed again."""


class OutOfTime(DeliverAgain):
    """The invocation ends before the work is done."""

    def __init__(self) -> None:
        super().__init__("too little time is left; the next try does the rest")


class Unconfirmed(DeliverAgain):
    """A source was reported as deleted a moment ago, and is missing. It may be about to be created again."""


class UnknownName(DeliverAgain):
    """This deployment has no such mapping or cluster: it was removed, or a deployment is under way."""


class UnknownField(DeliverAgain):
    """The message has a field that this release does not know: a newer one sent it."""


class Unexpected(DeliverAgain):
    """An error that is not handled. The message has its type and where it was raised: its text can quote a value."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__} at {raised_at(error)}")


class NeedsRepair(KeyferryError):
    """A condition that stays until somebody changes something: the delivery is dead-lettered."""


class InvalidRequest(NeedsRepair):
    """The AWS SDK does not send a call, because an argument of it is wrong."""


class SourceUnavailable(NeedsRepair):
    """There is no secret or parameter of this name, version or label."""


class SourceMissing(SourceUnavailable):
    """The secret or parameter does not exist: deleted, not created yet, or misspelt."""


class VersionMissing(SourceUnavailable):
    """The secret or parameter exists, and has no version with the id or label that the mapping names."""


class SourceDeleted(SourceUnavailable):
    """The secret is scheduled for deletion, or it does not exist and an event has reported its deletion."""


class NothingFound(SourceDeleted):
    """There is nothing that the Secret could be made of, and that is no failure by itself."""


class SourceUnusable(NeedsRepair):
    """The mapping cannot make its keys from the value."""


class Refused(NeedsRepair):
    """The Secret cannot hold the content: it is too large, of another type, or the Secret is immutable."""


class NotAllowed(NeedsRepair):
    """The policy does not allow what only a delivery can know: the type of a Secret that somebody else makes."""


class Conflict(NeedsRepair):
    """Another field manager, or another owner, has what the mapping would write."""


class WrongCluster(NeedsRepair):
    """The cluster that EKS has under this name is not the one of clusters.yaml."""


class NamespaceGone(NeedsRepair):
    """The namespace is missing or being deleted."""


class FunctionDied(NeedsRepair):
    """The function has died again and again while it worked on the delivery: out of memory, or out of time."""


def _restore(error_type: type[KeyferryError], args: tuple[Any, ...]) -> KeyferryError:
    error = error_type.__new__(error_type)
    error.args = args
    return error


def raised_at(error: BaseException) -> str:
    """Return the file and line at which an error was raised, as `plan.py:12`; `unknown` for one never raised."""
    frames = extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "unknown"
