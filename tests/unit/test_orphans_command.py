"""`keyferry orphans` from the command line, and the access entries that it looks at in AWS."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from keyferry import __version__
from keyferry.cli import main
from keyferry.cli.commands.steer import orphans as command
from keyferry.cli.deployment import Deployment
from keyferry.cli.options import Settings
from keyferry.cli.orphans import survey as surveys
from keyferry.cli.orphans.entries import Stacks, delete_entry, find_entries
from keyferry.cli.orphans.search import Findings
from keyferry.cli.orphans.survey import Request, Survey
from keyferry.cli.stack import Stack
from keyferry.errors import AccessDenied, InvalidInput, Overtaken
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.stack import StackNames
from tests.unit.samples import ACCOUNT, cluster, mapping
from tests.unit.test_orphans import EKS, FakeOperator, left

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/mappings"
ROLE, RECONCILE, STRANGER = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("deliver", "reconcile", "stranger"))
OUTPUTS = {"DeliverRoleArn": ROLE, "ReconcileRoleArn": RECONCILE, "DeliverFunction": STRANGER}
UNUSED = build_catalog([], [cluster("prod-eu")])
USED = build_catalog([mapping()], [cluster("prod-eu")])


class FakeEks:
    """EKS with some access entries, by principal."""

    region_name = "eu-west-1"

    def __init__(self, **users: str) -> None:
        self.users = {f"arn:aws:iam::{ACCOUNT}:role/{name}": user for name, user in users.items()}
        self.refused: set[str] = set()

    def client(self, service: str, **_more: object) -> "FakeEks":
        assert service == "eks"
        return self

    def get_paginator(self, operation: str) -> "FakeEks":
        self._check(operation)
        return self

    def paginate(self, **_more: object) -> Iterator[dict[str, Any]]:
        yield {"accessEntries": list(self.users)}

    def describe_access_entry(self, **asked: str) -> dict[str, Any]:
        self._check("describe_access_entry")
        return {"accessEntry": {"username": self.users[asked["principalArn"]]}}

    def delete_access_entry(self, **asked: str) -> None:
        self._check("delete_access_entry")
        del self.users[asked["principalArn"]]

    def _check(self, operation: str) -> None:
        if operation in self.refused:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, operation)


def look(eks: Any, stacks: Stacks, account: str = ACCOUNT) -> Findings:  # noqa: ANN401
    return find_entries(eks, account, [cluster("prod-eu")], stacks)


def test_entries_of_a_cluster_to_which_no_mapping_goes_are_left_over_and_strangers_are_kept() -> None:
    eks = FakeEks(deliver="keyferry:deliver", stranger="keyferry:reconcile", person="me", other="other:deliver")
    findings = look(eks, Stacks([UNUSED, UNUSED], [OUTPUTS]))
    assert {orphan.name: orphan.refusals for orphan in findings.orphans} == {
        ROLE: (),
        STRANGER: ("its role is none of the stack's: it may be another's",),
    }
    assert {orphan.why for orphan in findings.orphans} == {"no mapping goes to its cluster any more"}


def test_in_a_cluster_that_is_used_only_entries_of_strangers_are_shown_and_none_can_be_deleted() -> None:
    eks = FakeEks(deliver="keyferry:deliver", stranger="keyferry:reconcile", person="keyferry:push")
    [orphan] = look(eks, Stacks([UNUSED, USED], [OUTPUTS])).orphans
    assert (orphan.name, bool(orphan.refusals)) == (STRANGER, True)
    assert orphan.why == "it lets a role in as keyferry:reconcile that the stack does not have"
    assert look(eks, Stacks([USED], [])).orphans == [], "whose roles they are is not known"


def test_the_role_of_a_cluster_is_one_of_the_stack_s() -> None:
    catalog = build_catalog([mapping()], [cluster("prod-eu", role=ROLE)])
    stacks = Stacks([catalog, catalog], [{"ReconcileRoleArn": RECONCILE}])
    assert look(FakeEks(deliver="keyferry:deliver"), stacks).orphans == []


def test_what_cannot_be_looked_at_is_told() -> None:
    stacks, eks = Stacks([UNUSED], []), FakeEks(deliver="keyferry:deliver")
    [note] = look(eks, stacks, "444455556666").notes
    assert note == (
        f"access entries of cluster prod-eu are not looked at: it is in account {ACCOUNT}, and these are credentials of"
        " 444455556666"
    )
    eks.refused = {"describe_access_entry"}
    [note] = look(eks, stacks).notes
    assert note.startswith("access entries of cluster prod-eu are not looked at: AWS refuses eks:DescribeAccessEntry")


def test_an_entry_is_deleted_or_the_right_is_named() -> None:
    eks: Any = FakeEks(deliver="keyferry:deliver")
    orphan = left(ROLE, None)
    eks.refused = {"delete_access_entry"}
    with pytest.raises(AccessDenied, match="eks:DeleteAccessEntry on prod-eu"):
        delete_entry(eks, orphan)
    eks.refused = set()
    delete_entry(eks, orphan)
    assert eks.users == {}


NOBODY = {
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")),
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "none",
    "AWS_SHARED_CREDENTIALS_FILE": "none",
    "KUBECONFIG": "none",
}
"""The environment of somebody without AWS and without a kubeconfig."""


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["--mappings", str(EXAMPLES), "orphans", *args], env=NOBODY)


def test_without_credentials_and_contexts_it_is_told_what_is_missing() -> None:
    result = run("--output", "json", "--cluster", "prod-eu")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["orphans"]) == (1, [])
    assert answer["error"].startswith("the mappings that are deployed are not known: ")
    assert answer["notes"] == [
        "prod-eu is not looked at: the kubeconfig has no context for cluster prod-eu: `aws eks update-kubeconfig --name"
        " prod-eu --region eu-west-1 --alias prod-eu`, or say --context prod-eu=CONTEXT"
    ]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--delete"], 2, "there is no terminal to ask on; say --yes to delete, or --dry-run to look"),
        (["--delete", "--output", "json"], 2, "--output json asks nothing; say --yes to delete"),
        (["--yes"], 2, "--yes answers the question of --delete: say --delete --yes, or leave it out"),
        (["--dry-run", "--yes"], 2, "--yes answers the question of --delete"),
        (["--delete", "--yes"], 1, "so nothing is deleted"),
        (["--dry-run"], 1, "so nothing is deleted"),
        (["--cluster", "prod-uk"], 1, "no cluster is called prod-uk; did you mean prod-us?"),
        (["--context", "prod-uk=x"], 1, "say --context CLUSTER=CONTEXT; did you mean prod-us?"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_remedy(args: list[str], code: int, said: str) -> None:
    result = run(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--context", "mine"], "--context mine: say --context CLUSTER=CONTEXT"),
        (["--context", "prod-eu=mine"], "the kubeconfig has no context mine"),
        (["--cluster", "prod-eu", "--context", "mine"], "the kubeconfig has no context mine"),
    ],
)
def test_a_context_is_checked_before_anything_is_asked(
    args: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(surveys, "open_session", asked.append)
    result = run(*args)
    assert (result.exit_code, result.stdout, asked) == (1, "", [])
    assert said in " ".join(result.stderr.split())


def test_the_stack_of_another_prefix_than_the_folder_s_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_catalog([], [], StackNames(prefix="staging"))
    deploy(monkeypatch, Deployment(UNUSED, UNUSED.digest, __version__))
    seen = surveys.survey(Request(folder=folder, settings=Settings(), environment={"KUBECONFIG": "none"}))
    assert "prefix staging, and the stack asked has keyferry: name that of the folder by --stack" in seen.doubt


def deploy(monkeypatch: pytest.MonkeyPatch, *deployments: Deployment) -> None:
    """Let a stack have these mappings, one after the other."""
    answers, session = iter(deployments), None
    monkeypatch.setattr(surveys, "open_session", lambda _: session)
    monkeypatch.setattr(surveys, "find_stack", lambda *_: Stack(FakeEks(), "keyferry", {}))  # type: ignore[arg-type]
    monkeypatch.setattr(surveys, "load_deployment", lambda _: next(answers))


def test_what_another_release_generates_is_not_known_well_enough_to_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(monkeypatch, Deployment(UNUSED, UNUSED.digest, "99.0.0"))
    seen = surveys.survey(Request(folder=UNUSED, settings=Settings(), environment={"KUBECONFIG": "none"}))
    assert "the stack runs release 99.0.0" in seen.doubt


def test_nothing_is_deleted_once_others_have_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Deployment(catalog, catalog.digest, __version__) for catalog in (UNUSED, USED))
    deploy(monkeypatch, first, first, second)
    seen = surveys.survey(Request(folder=UNUSED, settings=Settings(), environment={"KUBECONFIG": "none"}))
    assert seen.doubt == ""
    surveys.check_deployments(seen)
    with pytest.raises(Overtaken, match="other mappings were deployed to stack keyferry meanwhile"):
        surveys.check_deployments(seen)


def survey_of(operator: Any, *names: str) -> Survey:  # noqa: ANN401
    return Survey(Findings([left(name) for name in names]), {"prod-eu": operator})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> FakeOperator:
    """A cluster in which `a` is left over; while the question is answered, `new` comes."""
    operator = FakeOperator()
    looks = iter([survey_of(operator, "a"), survey_of(operator, "a", "new")])
    monkeypatch.setattr(command, "_look", lambda _: next(looks))
    monkeypatch.setattr(command, "check_can_ask", lambda *_: None)
    return operator


@pytest.mark.parametrize(("answer", "code", "deleted"), [("y", 1, ["a"]), ("n", 130, [])])
def test_only_what_was_asked_about_is_deleted_after_a_yes(
    asked: FakeOperator, answer: str, code: int, deleted: list[str]
) -> None:
    arguments = ["--mappings", str(EXAMPLES), "orphans", "--delete"]
    result = CliRunner().invoke(main, arguments, env=NOBODY, input=f"{answer}\n")
    assert (result.exit_code, [name for _, name, _ in asked.deleted]) == (code, deleted)
    assert f"Delete 1 Secret of cluster prod-eu in account {EKS.account}? [y/N]" in result.stderr
    assert "prod-eu is reached by context mine (https://one.example)" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"), [(KeyboardInterrupt(), 130, "interrupted\n"), (RuntimeError("canary"), 70, "unexpected")]
)
def test_an_interrupted_deletion_tells_what_is_deleted(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator: Any = FakeOperator()

    def delete(_resource: object, metadata: dict[str, str], *, dry_run: bool) -> None:
        if metadata["name"] == "b":
            raise error

    operator.delete = delete
    monkeypatch.setattr(command, "_look", lambda _: survey_of(operator, "a", "b", "c"))
    result = run("--delete", "--yes")
    assert (result.exit_code, said in result.stderr, "canary" in result.output) == (code, True, False)
    lines = [line.split()[1::3] for line in result.stdout.splitlines()[1:4]]
    assert lines == [["a", "deleted"], ["b", "perhaps"], ["c", "not"]]
    assert result.stdout.splitlines()[-1] == "1 deleted, 1 perhaps deleted, 1 left: 1 Secret"
    told = json.loads(run("--delete", "--yes", "--output", "json").stdout)["orphans"]
    assert [each["outcome"] for each in told] == ["deleted", "perhaps deleted", "not tried"]


def test_the_kubeconfig_is_no_part_of_a_folder_that_has_no_cluster() -> None:
    with pytest.raises(InvalidInput, match="no cluster is called x; there is: none"):
        surveys._select_clusters([], "x")
