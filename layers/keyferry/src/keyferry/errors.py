"""What can go wrong, grouped by what the caller does about it.

    KeyferryError
    ├── InvalidInput         a mapping, event file or argument is wrong: tell the user, change nothing
    ├── DeliverAgain         passes by itself or by somebody's repair: the message comes back
    │   ├── AccessDenied       AWS refused a call
    │   │   └── NotSignedIn      AWS does not accept the credentials, or no longer
    │   ├── Rejected           AWS refused a call, for a reason that is none of the others
    │   ├── Unauthorized       the cluster does not know the caller
    │   ├── Forbidden          the cluster knows the caller and refuses a verb
    │   ├── Unreachable        no answer, so that nothing is known about whether the call took effect
    │   │   └── ServerError      an answer (5xx) that does not say it either
    │   ├── Throttled          too many requests, and no time left to wait
    │   ├── Outdated           a region that serves in place of another has an older version than the Secret
    │   ├── Overtaken          the object changed between reading and writing it
    │   ├── OutOfTime          the invocation ends before the work does
    │   ├── UnknownName        a mapping or cluster that this deployment does not have
    │   └── Unexpected         an error that nobody foresaw
    └── NeedsRepair          the same again until somebody changes the source, the mapping or the cluster: dead letter
        ├── SourceUnavailable  a secret or parameter that cannot be had: not of that name, version or label
        │   ├── SourceMissing    it does not exist, by what AWS answers now
        │   └── SourceDeleted    it was deleted, as its service says: the one thing that can delete a Secret
        ├── SourceUnusable     a value from which the mapping cannot make its keys
        ├── Refused            the Secret cannot take the content: too large, another type, immutable
        ├── Conflict           somebody else owns what the mapping would write
        ├── WrongCluster       clusters.yaml means one cluster, and EKS knows another of that name
        └── NamespaceGone      a namespace that is missing or being deleted

Every message names the object and the remedy; none holds a secret value.
"""


class KeyferryError(Exception):
    """Base of all errors that Keyferry raises on purpose."""


class InvalidInput(KeyferryError):
    """A mapping file, an event file or an argument is wrong."""


class DeliverAgain(KeyferryError):
    """A condition that passes: the delivery is tried again."""


class AccessDenied(DeliverAgain):
    """AWS refused a call. Passing, since permissions take seconds to arrive after a deployment."""


class NotSignedIn(AccessDenied):
    """AWS does not accept the credentials: they have ended, or their role was deleted and made anew."""


class Rejected(DeliverAgain):
    """AWS refused a call (4xx), for a reason that is none of the others."""


class Unauthorized(DeliverAgain):
    """The cluster does not accept the token. Passing, since access entries take seconds to arrive."""

    def __init__(self, cluster: str, role: str) -> None:
        super().__init__(
            f"cluster {cluster} does not accept the sign-in (401): check that it has an access entry for {role}"
            " (made after the role: an entry dies with its role), that eks.name and eks.region in clusters.yaml"
            " are the cluster's own, and that the clock is right"
        )


class Forbidden(DeliverAgain):
    """The cluster knows the caller, and RBAC refuses a verb on a resource."""


class Unreachable(DeliverAgain):
    """No usable answer from AWS or a cluster; whether a write took effect is not known."""


class ServerError(Unreachable):
    """The cluster answers, and not whether the call took effect (5xx)."""


class Throttled(DeliverAgain):
    """Asked to slow down for longer than there is time left."""


class Outdated(DeliverAgain):
    """What a region serves in place of another is older than what the Secret holds."""


class Overtaken(DeliverAgain):
    """The object is no longer the one that was observed: observe again."""


class OutOfTime(DeliverAgain):
    """The invocation ends before the work does."""

    def __init__(self) -> None:
        super().__init__("too little time is left; the next try does the rest")


class UnknownName(DeliverAgain):
    """A mapping or cluster that this deployment does not have: a deployment is under way, or it was removed."""


class Unexpected(DeliverAgain):
    """An error that nobody foresaw, told by type and place alone: its text can quote a value."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__} at {place(error)}")


class NeedsRepair(KeyferryError):
    """A condition that stays until somebody changes something: the delivery goes to the dead-letter queue."""


class SourceUnavailable(NeedsRepair):
    """A secret or parameter that cannot be had."""


class SourceMissing(SourceUnavailable):
    """A secret or parameter that does not exist: deleted, not yet made, or misspelt."""


class SourceDeleted(SourceUnavailable):
    """A secret that is scheduled for deletion, or what does not exist and of whose deletion an event has told."""


class SourceUnusable(NeedsRepair):
    """A value from which the mapping cannot make what it should."""


class Refused(NeedsRepair):
    """The Secret cannot take the content."""


class Conflict(NeedsRepair):
    """Somebody else owns what the mapping would write."""


class WrongCluster(NeedsRepair):
    """EKS answers for another cluster than clusters.yaml means."""


class NamespaceGone(NeedsRepair):
    """The namespace is missing or being deleted."""


def place(error: BaseException) -> str:
    """Return file and line at which an error was raised."""
    traceback = error.__traceback__
    if traceback is None:
        return "unknown"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno}"
