"""What the generated access-entries.sh does: run by a real shell, with an `aws` that answers from memory."""

import os
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.check import files
from keyferry.cli.generated import render_files
from tests.unit.fake_aws import State, install, serve

ROOT = Path(__file__).resolve().parents[2]
DELIVER, RECONCILE, PUSH = (
    f"arn:aws:iam::111122223333:role/keyferry-{name}" for name in ("deliver", "reconcile", "push")
)
OWN = "arn:aws:iam::444455556666:role/teams/keyferry"
EU, US = "eu-west-1 prod-eu", "us-east-1 prod-us"
THEN, NOW = "2026-11-24T12:00:00Z", "2026-11-24T14:00:00.500000+01:00"
"""When the roles were created, and an hour later, in another time zone."""
LATER = "2026-11-24T13:00:01+00:00"
BY_ROLE = {DELIVER: "keyferry:deliver", RECONCILE: "keyferry:reconcile", PUSH: "keyferry:push"}


@dataclass(frozen=True)
class Terminal:
    """Where somebody runs the script: with an account's credentials."""

    folder: Path
    state: State
    """What AWS knows, and what it was asked."""
    script: str = "stack/access-entries.sh"

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script, with the Python of the tests: what is first in PATH may be a slow program that finds one."""
        path = f"{self.folder}:{sys.base_prefix}/bin:{os.environ['PATH']}"
        with serve(self.folder, self.state):
            return subprocess.run(
                ["sh", str(self.folder / self.script), *args],
                env={"PATH": path} | environment,
                capture_output=True,
                text=True,
                check=False,
            )

    def change(self, **more: Any) -> None:  # noqa: ANN401
        """Change what AWS knows."""
        self.state.update(deepcopy(more))

    def refuse(self, verb: str, code: str, on: str = "") -> None:
        """Let AWS refuse a verb, where one of its options has a text in it."""
        self.change(refused={verb: {"code": code, "on": on}})

    @property
    def users(self) -> dict[str, str]:
        """Region, cluster and role of each entry → its user name."""
        return {key: user for key, (user, _) in self.state["entries"].items()}


def terminal(folder: Path, mappings: Path) -> Terminal:
    for name, text in render_files(files.load(mappings)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    state = {
        "account": "111122223333",
        "outputs": {"DeliverRoleArn": DELIVER, "ReconcileRoleArn": RECONCILE, "PushRoleArn": PUSH},
        "roles": {role.rpartition("/")[2]: THEN for role in (*BY_ROLE, OWN)},
        "entries": {},
        "refused": {},
        "now": NOW,
        "calls": [],
    }
    install(folder)
    return Terminal(folder, state)


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples/mappings", tmp_path / "mappings"))


@pytest.fixture
def one(tmp_path: Path, mappings: Path) -> Terminal:
    """Of clusters in one account."""
    return terminal(tmp_path / "generated", mappings)


@pytest.fixture
def two(tmp_path: Path, mappings: Path) -> Terminal:
    """Of clusters in two accounts: prod-us is in the second, with a role of its own."""
    path = mappings / "clusters.yaml"
    before, mark, after = path.read_text().partition("  - name: prod-us")
    path.write_text(before + mark + after.replace('"111122223333"}', f'"444455556666"}}\n    role: {OWN}'))
    return terminal(tmp_path / "generated", mappings)


def test_all_roles_are_let_into_every_cluster(one: Terminal) -> None:
    result = one.run()
    assert (result.returncode, result.stderr) == (0, "")
    assert one.users == {f"{place} {role}": user for place in (EU, US) for role, user in BY_ROLE.items()}
    assert result.stdout.splitlines()[0] == "created: keyferry:deliver in cluster prod-eu (eu-west-1)"


def test_a_role_that_the_stack_does_not_have_need_not_be_let_in(one: Terminal) -> None:
    one.change(outputs={"DeliverRoleArn": DELIVER, "ReconcileRoleArn": RECONCILE})
    assert one.run().returncode == 0
    assert set(one.users.values()) == {"keyferry:deliver", "keyferry:reconcile"}


@pytest.mark.parametrize(("args", "stack"), [((), "keyferry"), (("secrets",), "secrets")])
def test_the_roles_are_those_of_the_stack_that_is_named(one: Terminal, args: tuple[str, ...], stack: str) -> None:
    one.run(*args)
    assert [call for call in one.state["calls"] if call.startswith("describe-stacks")] == [
        f"describe-stacks {stack}"
    ] * 3


@pytest.mark.parametrize("output", ["DeliverRoleArn", "ReconcileRoleArn"])
@pytest.mark.parametrize("found", ["", "None"])
def test_a_stack_that_is_not_there_stops_it_before_anything_is_done(one: Terminal, output: str, found: str) -> None:
    one.change(outputs=one.state["outputs"] | {output: found})
    result = one.run("secrets")
    assert (result.returncode, one.users) == (1, {})
    assert f"no output {output} of a stack secrets: check its name, its region (AWS_REGION)" in result.stderr


def test_a_second_run_finds_everything_right_and_changes_nothing(one: Terminal) -> None:
    one.run()
    before = deepcopy(one.state["entries"])
    one.change(calls=[], now=LATER)
    result = one.run()
    assert (result.returncode, result.stderr, one.state["entries"]) == (0, "", before)
    assert result.stdout.count("right: keyferry:") == 6
    assert {call.split("-")[0] for call in one.state["calls"]} == {"get", "describe"}


@pytest.mark.parametrize(
    ("role", "entry", "is_older"),
    [
        (LATER, NOW, True),
        (THEN, NOW, False),
        ("2026-11-24T13:00:01+00:00", "1795525200.123", True),
        ("2026-11-24T13:00:00+00:00", "1795525200.123", False),
    ],
)
def test_an_entry_that_is_older_than_its_role_is_made_anew(
    one: Terminal, role: str, entry: str, *, is_older: bool
) -> None:
    one.run()
    key = f"{US} {DELIVER}"
    entries = one.state["entries"] | {key: ["keyferry:deliver", entry]}
    one.change(roles=one.state["roles"] | {"keyferry-deliver": role}, entries=entries, now="later")
    one.change(entries={key: entries[key]} | {k: v for k, v in entries.items() if DELIVER not in k})
    result = one.run()
    said = "made anew, as its role was made again after it" if is_older else "right"
    assert f"{said}: keyferry:deliver in cluster prod-us (us-east-1)" in result.stdout
    assert one.state["entries"][key] == ["keyferry:deliver", "later" if is_older else entry]
    assert result.returncode == 0


def test_a_wrong_user_name_is_put_right(one: Terminal) -> None:
    one.run()
    one.change(entries=one.state["entries"] | {f"{EU} {DELIVER}": ["somebody", NOW]})
    result = one.run()
    assert "given its user name in place of somebody: keyferry:deliver in cluster prod-eu" in result.stdout
    assert (result.returncode, one.users[f"{EU} {DELIVER}"]) == (0, "keyferry:deliver")
    assert "delete-access-entry" not in one.state["calls"]


@pytest.mark.parametrize("verb", ["describe-access-entry", "create-access-entry"])
def test_another_error_is_told_and_ends_with_1_after_the_others_were_made(one: Terminal, verb: str) -> None:
    one.refuse(verb, "AccessDeniedException", "prod-eu")
    result = one.run()
    assert (result.returncode, len(one.users)) == (1, 3)
    assert "failed: keyferry:deliver in cluster prod-eu (eu-west-1): An error" in result.stderr
    assert f"(AccessDeniedException) when calling {verb}" in result.stderr


@pytest.mark.parametrize("verb", ["update-access-entry", "delete-access-entry"])
def test_an_entry_that_cannot_be_mended_is_told(one: Terminal, verb: str) -> None:
    one.run()
    date = LATER if verb.startswith("delete") else THEN
    entries = {key: ["somebody", when] for key, (_, when) in one.state["entries"].items()}
    one.change(roles=dict.fromkeys(one.state["roles"], date), entries=entries)
    one.refuse(verb, "AccessDeniedException")
    result = one.run()
    assert (result.returncode, result.stdout, one.state["entries"]) == (1, "", entries)
    assert result.stderr.count(f"(AccessDeniedException) when calling {verb}") == 6


def test_an_entry_of_a_role_that_is_gone_is_told(one: Terminal) -> None:
    one.run()
    one.change(roles={})
    result = one.run()
    assert result.returncode == 1
    assert f"there is no role {DELIVER}; deploy the stack, or the role, first" in result.stderr


@pytest.mark.parametrize("reason", ["the role is in account", "(AccessDenied) when calling get-role"])
def test_where_a_role_cannot_be_looked_up_that_is_told_and_the_entry_left(one: Terminal, reason: str) -> None:
    elsewhere = DELIVER.replace("111122223333", "777788889999")
    if "account" in reason:
        one.change(outputs=one.state["outputs"] | {"DeliverRoleArn": elsewhere})
    else:
        one.refuse("get-role", "AccessDenied")
    one.run()
    result = one.run()
    assert "not known whether the role was made again after its entry: keyferry:deliver in cluster prod-eu" in (
        result.stdout
    )
    assert reason in result.stdout
    assert (result.returncode, result.stdout.count("right: ")) == (0, 6)


def test_of_several_accounts_only_that_of_the_credentials_is_done_and_the_others_are_named(two: Terminal) -> None:
    result = two.run()
    assert result.returncode == 0
    assert two.users == {f"{EU} {role}": user for role, user in BY_ROLE.items()}
    assert result.stderr == "still to do: account 444455556666; run this again with its credentials\n"


def test_a_role_of_the_clusters_own_is_let_in_once_and_without_asking_for_the_stack(two: Terminal) -> None:
    two.change(account="444455556666", outputs={})
    assert two.run().returncode == 0
    assert two.users == {f"{US} {OWN}": "keyferry:deliver"}
    assert "right: keyferry:deliver in cluster prod-us" in two.run().stdout
    assert not any(call.startswith("describe-stacks") for call in two.state["calls"])


def test_credentials_of_an_account_without_clusters_are_told(two: Terminal) -> None:
    two.change(account="777788889999")
    result = two.run()
    assert (result.returncode, two.users) == (1, {})
    assert "no cluster of the mappings is in account 777788889999" in result.stderr
    assert "they are in: 111122223333 444455556666" in result.stderr


@pytest.mark.parametrize("push", [{}, {"PUSH_ROLE_ARN": PUSH}])
def test_the_roles_can_be_given_where_the_stack_is_out_of_sight(one: Terminal, push: dict[str, str]) -> None:
    one.change(outputs={})
    result = one.run(DELIVER_ROLE_ARN=OWN, RECONCILE_ROLE_ARN=RECONCILE, **push)
    assert result.returncode == 0
    roles = {OWN, RECONCILE, *push.values()}
    assert set(one.users) == {f"{place} {role}" for place in (EU, US) for role in roles}
    assert not any(call.startswith("describe-stacks") for call in one.state["calls"])


def test_without_an_identity_nothing_is_done(one: Terminal) -> None:
    (one.folder / "aws").write_text("#!/bin/sh\necho Unable to locate credentials >&2\nexit 253\n")
    result = one.run()
    assert (result.returncode, result.stderr) == (1, "Unable to locate credentials\n")


def test_the_script_of_a_cluster_makes_the_entries_of_that_cluster_alone(one: Terminal) -> None:
    result = replace(one, script="clusters/prod-us/access-entries.sh").run()
    assert (result.returncode, result.stderr) == (0, "")
    assert one.users == {f"{US} {role}": user for role, user in BY_ROLE.items()}


def test_the_script_of_a_cluster_in_another_account_says_whose_credentials_it_takes(two: Terminal) -> None:
    result = replace(two, script="clusters/prod-us/access-entries.sh").run()
    assert (result.returncode, two.users) == (1, {})
    assert "no cluster of the mappings is in account 111122223333" in result.stderr
    assert "they are in: 444455556666" in result.stderr


def test_without_clusters_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "clusters.yaml").write_text("# nothing yet\n")
    result = terminal(tmp_path / "generated", tmp_path).run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "no mapping goes to the clusters yet\n", "")
