"""The label AWSCURRENT of a secret: where it is, where it is to go, and the one call that moves it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyferry.arn import Arn
from keyferry.aws.errors import translate_errors
from keyferry.cli.check.problems import nearest
from keyferry.cli.history.versions import SecretVersion, list_versions
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.model import format_time
from keyferry.stores.secrets_manager import CURRENT, PENDING

MIN_PREFIX = 8
"""How much of a version id has to be written at least: as much as `keyferry history` shows of it beside writes."""
MAX_NAMED = 5
"""How many versions a message names."""


@dataclass(frozen=True)
class Described:
    """What Secrets Manager tells of a secret without its value (DescribeSecret)."""

    arn: str
    is_rotated: bool
    """Whether its rotation is on."""
    next_rotation: datetime | None
    owner: str
    """The service of AWS that manages it; empty if none does."""

    @property
    def account(self) -> str:
        """Its account."""
        arn = Arn.parse(self.arn)
        return arn.account if arn else ""


@dataclass(frozen=True)
class Move:
    """A move of the label."""

    before: SecretVersion
    after: SecretVersion

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to move."""
        return self.before == self.after


def describe(client: Any, secret: str) -> Described:  # noqa: ANN401  # one of boto3's generated classes
    """Return what Secrets Manager tells of a secret without its value.

    Raises:
        InvalidInput: a service of AWS manages it, and does not let anybody move its labels.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    with translate_errors(f"secretsmanager:DescribeSecret on {secret}"):
        answer = client.describe_secret(SecretId=secret)
    owner = answer.get("OwningService", "")
    if owner:
        raise InvalidInput(
            f"{secret} is managed by {owner}, which alone moves its labels: rotate it once more instead, with"
            f" `aws secretsmanager rotate-secret --secret-id '{secret}'`"
        )
    return Described(answer["ARN"], bool(answer.get("RotationEnabled")), answer.get("NextRotationDate"), owner)


def choose_move(versions: Sequence[SecretVersion], wanted: str) -> Move:
    """Return the move of the label to a version.

    Args:
        versions: the versions of the secret.
        wanted: a version id, its beginning, or a staging label.

    Raises:
        InvalidInput: it is none of a version that can be current; the message says what there is.
    """
    before = next((version for version in versions if version.is_current), None)
    if before is None:
        raise InvalidInput(f"no version has the label {CURRENT}: there is none to go back from")
    found = _find(versions, wanted)
    if len(found) != 1:
        what = f"{len(found)} versions begin with {wanted}" if found else f"no version or label is called {wanted}"
        raise InvalidInput(what + (_hint(versions, wanted) or f"; there is {'; '.join(_list_candidates(versions))}"))
    [after] = found
    if PENDING in after.labels and not after.is_current:
        raise InvalidInput(f"version {after.id} is {PENDING}: a rotation prepares it, and it is not in use yet")
    return Move(before, after)


def _find(versions: Iterable[SecretVersion], wanted: str) -> list[SecretVersion]:
    exact = [version for version in versions if wanted == version.id or wanted in version.labels]
    is_prefix = len(wanted) >= MIN_PREFIX
    return exact or [version for version in versions if is_prefix and version.id.startswith(wanted)]


def _hint(versions: Iterable[SecretVersion], wanted: str) -> str:
    return nearest(wanted, {name for version in versions for name in (version.id, *version.labels)})


def _list_candidates(versions: Iterable[SecretVersion]) -> Iterator[str]:
    newest = sorted(versions, key=lambda version: str(version.created or ""), reverse=True)
    for version in newest[:MAX_NAMED]:
        created = f" of {format_time(version.created)}" if version.created else ""
        yield f"{version.id}{created}{''.join(f' {label}' for label in sorted(version.labels))}"
    if len(newest) > MAX_NAMED:
        yield f"and {len(newest) - MAX_NAMED} more"


def move_label(client: Any, secret: str, move: Move) -> None:  # noqa: ANN401  # one of boto3's generated classes
    """Move AWSCURRENT, by one call that takes it from the one version and gives it to the other.

    AWS refuses the call where the label is on another version by then (UpdateSecretVersionStage,
    RemoveFromVersionId). A call whose answer was lost is no failure, if the label is where it was to go.

    Raises:
        InvalidInput: the label has moved since somebody looked.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    try:
        with translate_errors(f"secretsmanager:UpdateSecretVersionStage on {secret}"):
            client.update_secret_version_stage(
                SecretId=secret,
                VersionStage=CURRENT,
                MoveToVersionId=move.after.id,
                RemoveFromVersionId=move.before.id,
            )
    except KeyferryError:
        current = [version.id for version in list_versions(client, secret) if version.is_current]
        if current == [move.after.id]:
            return
        if current == [move.before.id]:
            raise
        raise InvalidInput(
            f"{CURRENT} has moved since, to {' '.join(current) or 'no version'}: nothing was done; look at"
            " `keyferry history`, and decide again"
        ) from None
