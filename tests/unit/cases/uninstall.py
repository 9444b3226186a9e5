"""What `keyferry uninstall` shows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from keyferry.cli.clusters.generated import format_deletion
from keyferry.cli.uninstall.account import delete_stack
from keyferry.cli.uninstall.removal import Removal, Step
from tests.unit.shown import Case

POLICY = "arn:aws:iam::111122223333:policy/keyferry-look"
HELD = Step(
    "policies for people, from whoever has them: IAM deletes none before",
    [f"aws iam detach-role-policy --role-name oncall --policy-arn {POLICY}"],
    ["AWSReservedSSO_Look_0123456789abcdef has keyferry-look: take it off the permission set"],
)
RIGHTS = Step(
    "in prod-eu: 4 RoleBindings, 4 Roles, 2 ValidatingAdmissionPolicies", [format_deletion("prod-eu", "keyferry")]
)
STAYS = "in prod-eu: 12 Secrets, 3 Stamps; --secrets has the commands"
UNSEEN = (
    "access entries of cluster prod-us are not looked at: it is in account 444455556666, and these are credentials of"
    " 111122223333"
)


def look(removal: Removal) -> Callable[[pytest.MonkeyPatch, Path], None]:
    """Let this be what removal takes."""

    def prepare(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
        monkeypatch.setattr("keyferry.cli.commands.steer.uninstall.plan_removal", lambda *_: removal)

    return prepare


STEPS = [HELD, delete_stack("keyferry", "eu-west-1"), RIGHTS]
CASES = {
    "table": Case("uninstall --plan", 1, look(Removal("keyferry", STEPS, [STAYS], [UNSEEN]))),
    "report": Case("uninstall --plan", prepare=look(Removal("keyferry", [], [STAYS]))),
    "error": Case("uninstall", 2),
}
