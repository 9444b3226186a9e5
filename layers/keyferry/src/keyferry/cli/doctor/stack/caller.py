"""Who asks AWS, and whether the clock of this machine is right: AWS refuses signatures of five minutes ago."""

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Finding
from keyferry.cli.doctor.subject import Caller, Clients
from keyferry.errors import KeyferryError, Misconfigured

WARN_AFTER, REFUSED_AFTER = timedelta(minutes=1), timedelta(minutes=5)
"""A clock that is wrong by so much: it will be refused soon; AWS refuses it ("Signature Version 4", request expiry)."""
_SET_CLOCK = {"darwin": ("sudo sntp -sS time.apple.com",), "win32": ("w32tm /resync",)}
"""Platform → the command that sets the clock, where it is not that of systemd."""

_ASK = ("aws sts get-caller-identity",)
_SIGN_IN = ("aws configure list-profiles", "aws sso login --profile NAME && export AWS_PROFILE=NAME")
"""What shows whose credentials AWS sees; what gives some, where there are none or the profile is wrong."""


def identify(clients: Clients) -> Caller:
    """Return who asks.

    Raises:
        KeyferryError: AWS does not accept the credentials, or gives no answer.
    """
    with translate_errors("sts:GetCallerIdentity"):
        answer = clients.client("sts").get_caller_identity()
        return Caller(answer["Account"], answer["Arn"])


def check_caller(clients: Clients) -> tuple[Caller | None, Finding]:
    """Return who asks, and what is to be said of that; None where AWS does not say: nobody does anything then."""
    try:
        caller = identify(clients)
    except KeyferryError as error:
        return None, Finding(
            "caller", "error", "AWS", str(error), _SIGN_IN if isinstance(error, Misconfigured) else _ASK
        )
    return caller, Finding("caller", "ok", caller.arn, f"account {caller.account}")


def check_clock(clients: Clients, now: datetime | None = None) -> Iterator[Finding]:
    """Yield how far this machine's clock is from that of AWS, which dates its answers, refusals as well.

    Args:
        clients: gives the client of STS.
        now: this machine's time; by default the current one.
    """
    with translate_errors("sts:GetCallerIdentity"):
        try:
            answer: Mapping[str, Any] = clients.client("sts").get_caller_identity()
        except ClientError as error:
            answer = error.response
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
    ahead = (now or datetime.now(UTC)) - parsedate_to_datetime(date)
    if abs(ahead) <= WARN_AFTER:
        yield Finding("clock", "ok", "this machine", "as AWS's")
        return
    seconds = round(abs(ahead).total_seconds())
    why = f"{seconds:,} s {'ahead of' if ahead > timedelta() else 'behind'} AWS's"
    refused = abs(ahead) >= REFUSED_AFTER
    consequence = "AWS and clusters refuse what it signs" if refused else "from 300 s on, what it signs is refused"
    remedy = _SET_CLOCK.get(sys.platform, ("sudo timedatectl set-ntp true",))
    yield Finding("clock", "error" if refused else "warning", "this machine", f"{why}: {consequence}", remedy)
