"""What the generated access-entries.sh does: run by a real shell, with an `aws` that answers from memory."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keyferry.cli.check import files
from keyferry.cli.commands.generate import render_files

ROOT = Path(__file__).resolve().parents[2]
DELIVER = "arn:aws:iam::111122223333:role/keyferry-deliver"
RECONCILE = "arn:aws:iam::111122223333:role/keyferry-reconcile"
OWN = "arn:aws:iam::444455556666:role/keyferry"
AWS = """\
#!/bin/sh
echo "$*" >>"$CALLS"
case $* in
"sts get-caller-identity "*) echo "$ACCOUNT" ;;
*DeliverRoleArn*) echo "$DELIVER" ;;
*ReconcileRoleArn*) echo "$RECONCILE" ;;
*"--cluster-name ${FAILS:-none} "*)
  echo "An error occurred ($CODE) when calling the CreateAccessEntry operation: no" >&2
  exit 254
  ;;
esac
"""


@dataclass
class Terminal:
    """Where somebody runs the script: with an account's credentials."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script; `environment` says what AWS answers."""
        answers = {"ACCOUNT": "111122223333", "DELIVER": DELIVER, "RECONCILE": RECONCILE}
        return subprocess.run(
            ["sh", str(self.folder / "access-entries.sh"), *args],
            env=self.environment | answers | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, of: str) -> list[str]:
        """Return the calls of one kind that were made, as they were written."""
        log = self.folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition(of)[2].strip() for line in lines if of in line]

    @property
    def made(self) -> list[tuple[str, str, str]]:
        """Region, cluster and role of each entry that was asked for."""
        words = [call.split() for call in self.calls("create-access-entry")]
        return [(each[1], each[3], each[5]) for each in words]


def terminal(folder: Path, mappings: Path) -> Terminal:
    for name, text in render_files(files.load(mappings)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "aws").write_text(AWS)
    (folder / "aws").chmod(0o755)
    return Terminal(folder, {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(folder / "calls")})


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


def test_both_roles_are_let_into_every_cluster(one: Terminal) -> None:
    result = one.run()
    assert (result.returncode, result.stderr) == (0, "")
    assert one.made == [
        ("eu-west-1", "prod-eu", DELIVER),
        ("eu-west-1", "prod-eu", RECONCILE),
        ("us-east-1", "prod-us", DELIVER),
        ("us-east-1", "prod-us", RECONCILE),
    ]
    users = [call.partition("--username ")[2] for call in one.calls("create-access-entry")]
    assert users == ["keyferry:deliver", "keyferry:reconcile"] * 2


@pytest.mark.parametrize(("args", "stack"), [((), "keyferry"), (("secrets",), "secrets")])
def test_the_roles_are_those_of_the_stack_that_is_named(one: Terminal, args: tuple[str, ...], stack: str) -> None:
    one.run(*args)
    assert [call.split()[0] for call in one.calls("describe-stacks --stack-name")] == [stack, stack]


@pytest.mark.parametrize("output", ["DELIVER", "RECONCILE"])
@pytest.mark.parametrize("found", ["", "None"])
def test_a_stack_that_is_not_found_stops_it_before_anything_is_done(one: Terminal, output: str, found: str) -> None:
    result = one.run("secrets", **{output: found})
    assert (result.returncode, one.made) == (1, [])
    assert f"no output {output.capitalize()}RoleArn of a stack secrets: check its name, its region (AWS_REGION)" in (
        result.stderr
    )


def test_an_entry_that_is_there_already_is_left_and_the_next_is_made(one: Terminal) -> None:
    result = one.run(FAILS="prod-eu", CODE="ResourceInUseException")
    assert (result.returncode, result.stderr, len(one.made)) == (0, "", 4)
    assert result.stdout.count("exists already, left as it is: --region eu-west-1 --cluster-name prod-eu") == 2
    assert result.stdout.count("created: --region us-east-1 --cluster-name prod-us") == 2


def test_another_error_is_told_and_ends_with_1_after_the_others_were_made(one: Terminal) -> None:
    result = one.run(FAILS="prod-eu", CODE="ResourceNotFoundException")
    assert (result.returncode, len(one.made)) == (1, 4)
    assert "failed: --region eu-west-1 --cluster-name prod-eu" in result.stderr
    assert "(ResourceNotFoundException) when calling" in result.stderr
    assert result.stdout.count("created: ") == 2


def test_of_several_accounts_only_that_of_the_credentials_is_done_and_the_others_are_named(two: Terminal) -> None:
    result = two.run()
    assert result.returncode == 0
    assert two.made == [("eu-west-1", "prod-eu", DELIVER), ("eu-west-1", "prod-eu", RECONCILE)]
    assert result.stderr == "still to do: account 444455556666; run this again with its credentials\n"


def test_a_role_of_the_clusters_own_is_let_in_once_and_without_asking_for_the_stack(
    two: Terminal,
) -> None:
    result = two.run(ACCOUNT="444455556666", DELIVER="", RECONCILE="")
    assert result.returncode == 0
    assert two.made == [("us-east-1", "prod-us", OWN)]
    assert two.calls("create-access-entry")[0].endswith("--username keyferry:deliver")
    assert two.calls("describe-stacks") == []


def test_credentials_of_an_account_without_clusters_are_told(two: Terminal) -> None:
    result = two.run(ACCOUNT="777788889999")
    assert (result.returncode, two.made) == (1, [])
    assert "no cluster of the mappings is in account 777788889999" in result.stderr
    assert "they are in: 111122223333 444455556666" in result.stderr


def test_the_roles_can_be_given_where_the_stack_is_out_of_sight(one: Terminal) -> None:
    result = one.run(DELIVER="", RECONCILE="", DELIVER_ROLE_ARN=OWN, RECONCILE_ROLE_ARN=RECONCILE)
    assert result.returncode == 0
    assert [role for _, _, role in one.made] == [OWN, RECONCILE] * 2
    assert one.calls("describe-stacks") == []


def test_without_an_identity_nothing_is_done(one: Terminal) -> None:
    (one.folder / "aws").write_text("#!/bin/sh\necho Unable to locate credentials >&2\nexit 253\n")
    result = one.run()
    assert (result.returncode, result.stderr) == (1, "Unable to locate credentials\n")


def test_without_clusters_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "clusters.yaml").write_text("# nothing yet\n")
    result = terminal(tmp_path / "generated", tmp_path).run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
