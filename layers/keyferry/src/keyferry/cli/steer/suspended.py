"""What is suspended in a stack, as people read and change it: by their own rights."""

from collections.abc import Iterable
from datetime import UTC, datetime

from keyferry.aws.sessions import open_client
from keyferry.aws.suspensions import SuspensionStore
from keyferry.cli.call import Call
from keyferry.cli.stack import Stack
from keyferry.errors import InvalidInput
from keyferry.model import Delivery
from keyferry.pipeline.suspensions import ROOT, Suspension


def open_store(stack: Stack) -> SuspensionStore:
    """Return the suspensions of a stack."""
    return SuspensionStore(open_client(stack.session, "ssm"), ROOT.format(stack=stack.name))


def check_not_suspended(stack: Stack, deliveries: Iterable[Delivery]) -> None:
    """Refuse deliveries of what is suspended: they would leave the queue without doing anything.

    Raises:
        InvalidInput: some are; the message says by what, and how it is resumed.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    suspensions, now = open_store(stack).read(), datetime.now(UTC)
    found = [suspensions.find(delivery.mapping, delivery.cluster, now) for delivery in deliveries]
    stopped = list(dict.fromkeys(filter(None, found)))
    if stopped:
        resume = format_resume(Call(stack=stack.name), stopped[0])
        more = f" (and {len(stopped) - 1} more)" if len(stopped) > 1 else ""
        raise InvalidInput(f"{stopped[0]}{more}; leave it out, or end that with `{resume}`")


def format_resume(call: Call, suspension: Suspension) -> str:
    """Return the command that ends a suspension."""
    chosen = [("--mapping", suspension.mapping), ("--cluster", suspension.cluster)]
    return call.format_asking("resume", *(word for pair in chosen if pair[1] is not None for word in pair if word))
