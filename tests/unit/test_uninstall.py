"""What it takes to remove a stack: what the plan has of AWS and of clusters, and what it says it has not seen."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from keyferry import __version__
from keyferry.access.rbac import build_rbac
from keyferry.cli import main
from keyferry.cli.deployment import Deployment
from keyferry.cli.doctor.subject import Caller
from keyferry.cli.options import Settings
from keyferry.cli.orphans.search import ClusterSearch
from keyferry.cli.stack import Stack, StackMissing
from keyferry.cli.uninstall import survey as surveys
from keyferry.cli.uninstall.account import Account
from keyferry.cli.uninstall.clusters import plan_cluster
from keyferry.cli.uninstall.removal import Removal
from keyferry.cli.uninstall.survey import Request, plan_removal
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from tests.unit.samples import ACCOUNT, cluster, mapping
from tests.unit.test_orphans import EMPTY, ONE, STAMP, FakeOperator, edit, folder, one, stamped
from tests.unit.test_orphans_command import EXAMPLES, NOBODY

OTHER = "444455556666"
LOOK = f"arn:aws:iam::{ACCOUNT}:policy/keyferry-look"
DELIVER = f"arn:aws:iam::{ACCOUNT}:role/keyferry-deliver"
NOTHING = build_catalog([], [])


def look(operator: Any, *, secrets: bool = False, places: tuple[Catalog, ...] = ()) -> Removal:  # noqa: ANN401
    """Return what removal takes in prod-eu."""
    findings = ClusterSearch(operator, cluster("prod-eu"), [NOTHING], places).run()
    return plan_cluster("prod-eu", "mine", findings, "keyferry", secrets=secrets)


def generate(operator: FakeOperator, *mappings: SecretMapping, **stack: Any) -> None:  # noqa: ANN401
    """Let a cluster have what is generated for a stack with these mappings."""
    for raw in build_rbac(folder(*mappings, **stack), cluster("prod-eu")):
        operator.objects.setdefault(f"{raw['kind'].lower()}s".replace("policys", "policies"), []).append(raw)


def test_all_that_was_generated_goes_by_its_label_and_that_of_another_stack_stays() -> None:
    operator = FakeOperator()
    generate(operator, mapping(**ONE), mapping("other", **ONE, name="other"))
    generate(operator, mapping(**ONE), prefix="staging")
    removal = look(operator)
    [step] = removal.steps
    assert "Role" in step.what
    assert "2 ValidatingAdmissionPolicies" in step.what
    [command] = step.commands
    assert command.startswith("kubectl --context mine delete rolebindings,")
    assert command.endswith(" --all-namespaces --selector keyferry.dev/generated=keyferry")
    assert (removal.stays, removal.notes) == ([], [])


@pytest.mark.parametrize("secrets", [False, True])
def test_that_a_context_was_found_by_its_name_alone_is_said_once_for_the_cluster(secrets: bool) -> None:
    operator = FakeOperator(one())
    generate(operator, mapping(**ONE), mapping("other", **ONE, name="other"))
    sure = look(operator, secrets=secrets)
    operator.context = replace(operator.context, is_guess=True)
    removal = look(operator, secrets=secrets)
    assert len(removal.steps) == (2 if secrets else 1)
    first, *others = removal.steps
    assert first.details == ["whether context mine leads to prod-eu only its name says: say --context prod-eu=mine"]
    assert others == sure.steps[1:]
    assert removal.stays == sure.stays


def test_where_nothing_was_generated_there_is_nothing_to_do() -> None:
    assert look(FakeOperator()).steps == []


def test_what_could_not_be_listed_is_removed_by_its_label_all_the_same_and_told() -> None:
    operator = FakeOperator()
    operator.forbidden = {("clusterroles", "")}
    removal = look(operator)
    [step] = removal.steps
    assert step.what == "in prod-eu: what was generated for it"
    assert removal.notes == ["context mine may not list clusterroles"]


def test_secrets_and_stamps_stay_unless_they_are_asked_for() -> None:
    operator = stamped(**STAMP)
    operator._world = one()
    assert look(operator).stays == ["in prod-eu: 1 Secret, 1 Stamp; --secrets has the commands"]
    removal = look(operator, secrets=True)
    assert removal.stays == []
    used, stamps = removal.steps
    assert used.what == "in prod-eu: 1 Secret that somebody needs or owns: settle that first"
    assert used.details == ["Secret payments/payments-db: in use by Deployment/web"]
    assert used.commands == ["kubectl --context mine delete --namespace payments secrets payments-db"]
    assert stamps.what.startswith("in prod-eu: 1 Stamp of restarts; taking one off restarts its workload")
    assert "patch deployments.apps web" in stamps.commands[0]


def test_a_secret_that_nobody_uses_is_deleted_and_one_that_somebody_else_made_loses_our_keys_alone() -> None:
    [step] = look(FakeOperator(one()), secrets=True).steps
    assert step.what == "in prod-eu: 1 Secret that nothing was seen to use"
    world = one()
    edit(world, labels={"app.kubernetes.io/managed-by": "Helm"})
    [step] = look(FakeOperator(world), secrets=True).steps
    assert "somebody else made it" in step.details[0]
    assert "patch secret payments-db" in step.commands[0]


def test_a_secret_that_another_stack_takes_over_stays_and_the_plan_says_why() -> None:
    for secrets in (False, True):
        operator = FakeOperator(one())
        assert "payments/payments-db" not in " ".join(look(operator, secrets=secrets).stays)
        generate(operator, mapping(**ONE), prefix="staging")
        removal = look(operator, secrets=secrets)
        assert removal.stays == [
            "in prod-eu: 1 Secret that stack staging takes over, or has a mapping of the same name for:"
            " payments/payments-db"
        ]
        assert not any("payments-db" in command for step in removal.steps for command in step.commands)


def test_where_namespaces_may_not_be_listed_those_that_mappings_name_are_looked_at() -> None:
    operator = FakeOperator(one())
    operator.forbidden = {("namespaces", ""), ("secrets", "")}
    assert look(operator, places=(folder(mapping(**ONE)),)).stays != []
    assert look(operator, places=(EMPTY,)).stays == []


class FakeAws:
    """What AWS has of a stack: who has its policies, stacks by region, and the access entries of clusters."""

    region_name = "eu-west-1"

    class exceptions:  # noqa: N801  # as boto3 calls it
        """The errors of a client."""

        class NoSuchEntityException(ClientError):
            """There is no such policy."""

    def __init__(self) -> None:
        self.holders: dict[str, dict[str, list[dict[str, str]]]] = {}
        self.stacks: dict[tuple[str, str], dict[str, str]] = {}
        self.entries: dict[str, dict[str, str]] = {}
        self.refused: set[str] = set()
        self._region = self._cluster = ""

    def client(self, _service: str, region_name: str | None = None, **_more: object) -> "FakeAws":
        self._region = region_name or self.region_name
        return self

    def get_paginator(self, operation: str) -> "FakeAws":
        if operation in self.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, operation)
        return self

    def paginate(self, **asked: str) -> Iterator[Mapping[str, Any]]:
        if "clusterName" in asked:
            self._cluster = asked["clusterName"]
            yield {"accessEntries": list(self.entries.get(self._cluster, ()))}
        elif asked["PolicyArn"] not in self.holders:
            raise self.exceptions.NoSuchEntityException({"Error": {"Code": "NoSuchEntity"}}, "ListEntitiesForPolicy")
        else:
            yield self.holders[asked["PolicyArn"]]

    def describe_access_entry(self, **asked: str) -> dict[str, Any]:
        return {"accessEntry": {"username": self.entries[asked["clusterName"]][asked["principalArn"]]}}

    def describe_stacks(self, **asked: str) -> dict[str, Any]:
        if "describe_stacks" in self.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "DescribeStacks")
        if (self._region, asked["StackName"]) not in self.stacks:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": ""}}, "DescribeStacks")
        given = self.stacks[self._region, asked["StackName"]]
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
        return {"Stacks": [{"Parameters": parameters}]}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    aws = FakeAws()

    def open_client(session: FakeAws, service: str, region: str | None = None) -> FakeAws:
        return session.client(service, region)

    for module in ("keyferry.cli.uninstall.account", "keyferry.cli.orphans.entries"):
        monkeypatch.setattr(f"{module}.open_client", open_client)
    return aws


def account(aws: Any, *, is_there: bool = True, **parameters: str) -> Account:  # noqa: ANN401
    stack = Stack(aws, "keyferry", {}, {"AccessEntries": "true"} | parameters) if is_there else None
    return Account(aws, Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann"), "keyferry", stack)


def test_policies_are_taken_from_whoever_has_them_and_then_the_stack_is_deleted(aws: FakeAws) -> None:
    aws.holders[LOOK] = {
        "PolicyRoles": [{"RoleName": "oncall"}, {"RoleName": "AWSReservedSSO_Look_0123"}],
        "PolicyUsers": [{"UserName": "ann"}],
        "PolicyGroups": [{"GroupName": "ops"}],
    }
    policies, stack = account(aws).plan_stack("keyferry").steps
    assert policies.commands == [
        f"aws iam detach-role-policy --role-name oncall --policy-arn {LOOK}",
        f"aws iam detach-user-policy --user-name ann --policy-arn {LOOK}",
        f"aws iam detach-group-policy --group-name ops --policy-arn {LOOK}",
    ]
    assert policies.details == ["AWSReservedSSO_Look_0123 has keyferry-look: take it off the permission set"]
    assert stack.commands == ["sam delete --stack-name keyferry --region eu-west-1"]


def test_who_has_the_policies_is_said_not_to_be_known_where_iam_does_not_say(aws: FakeAws) -> None:
    aws.refused = {"list_entities_for_policy"}
    removal = account(aws).plan_stack("keyferry")
    assert [step.commands for step in removal.steps] == [["sam delete --stack-name keyferry --region eu-west-1"]]
    assert "who has the policies keyferry-look, -steer, -push is not known" in removal.notes[0]


WORKFLOWS = ("eu-west-1", "github-keyferry")


def test_the_stack_of_the_workflows_roles_goes_first_and_its_role_with_it(aws: FakeAws) -> None:
    aws.holders[LOOK] = {"PolicyRoles": [{"RoleName": "github-keyferry-look"}]}
    by_hand, _ = account(aws).plan_stack("keyferry").steps
    assert "--role-name github-keyferry-look" in by_hand.commands[0]
    aws.stacks[WORKFLOWS] = {"CreateProvider": "false"}
    first, second = account(aws).plan_stack("keyferry").steps
    assert first.commands == [
        "aws cloudformation delete-stack --stack-name github-keyferry --region eu-west-1",
        "aws cloudformation wait stack-delete-complete --stack-name github-keyferry --region eu-west-1",
    ]
    assert (first.details, second.commands) == ([], ["sam delete --stack-name keyferry --region eu-west-1"])
    readme = resources.files("keyferry.cli.init") / "files/README.md"
    assert "--stack-name github-<<prefix>> " in readme.read_text()


def test_where_that_stack_has_made_the_provider_it_is_said_who_may_use_it_too(aws: FakeAws) -> None:
    aws.stacks[WORKFLOWS] = {"CreateProvider": "true"}
    [only] = account(aws, is_there=False).plan_stack("keyferry").steps
    assert "the account's OIDC provider of GitHub" in only.details[0]


def test_where_that_stack_cannot_be_seen_its_step_is_shown_all_the_same(aws: FakeAws) -> None:
    aws.refused = {"describe_stacks"}
    removal = account(aws).plan_stack("keyferry")
    assert removal.steps[0].what.startswith("stack github-keyferry, where it was deployed: ")
    assert removal.notes[0].startswith("whether there is a stack github-keyferry in eu-west-1 is not known: AWS ref")


def test_a_stack_that_is_gone_takes_no_step(aws: FakeAws) -> None:
    assert account(aws, is_there=False).plan_stack("keyferry").steps == []


def clusters(*more: Cluster) -> list[Catalog]:
    return [build_catalog([mapping()], [cluster("prod-eu"), *more])]


def elsewhere(name: str, region: str = "us-east-1", account: str = ACCOUNT) -> Cluster:
    eks = {"name": name, "region": region, "account": account}
    return Cluster.model_validate({"name": name, "eks": eks})


def test_what_was_deployed_in_other_regions_and_accounts_goes_where_it_is(aws: FakeAws) -> None:
    known = clusters(elsewhere("prod-us"), elsewhere("shop", account=OTHER))
    assert [step.what for step in account(aws).plan_accounts(known).steps] == [
        f"roles, access entries and event rules in account {OTHER}, with credentials of it, us-east-1"
    ]
    aws.stacks["us-east-1", "keyferry-member"] = {"AccessEntries": "true"}
    own, _ = account(aws).plan_accounts(known).steps
    assert own.commands == [
        "aws cloudformation delete-stack --stack-name keyferry-member --region us-east-1",
        "aws cloudformation wait stack-delete-complete --stack-name keyferry-member --region us-east-1",
    ]
    aws.refused = {"describe_stacks"}
    here, there = account(aws).plan_accounts(known).notes
    assert here.startswith("whether there is a stack keyferry-member in eu-west-1 is not known: AWS refuses")
    assert there.startswith("whether there is a stack keyferry-member in us-east-1 is not known")


def test_access_entries_go_by_hand_where_no_stack_has_made_them(aws: FakeAws) -> None:
    known = clusters(elsewhere("prod-us"), elsewhere("shop", account=OTHER))
    aws.entries = {name: {DELIVER: "keyferry:deliver", "arn:x": "somebody"} for name in ("prod-eu", "prod-us")}
    removal = account(aws).plan_entries(known, "keyferry")
    assert [list(step.commands) for step in removal.steps] == [
        [f"aws eks delete-access-entry --region us-east-1 --cluster-name prod-us --principal-arn {DELIVER}"]
    ]
    assert f"access entries of cluster shop are not looked at: it is in account {OTHER}" in removal.notes[0]
    by_hand = account(aws, AccessEntries="false").plan_entries(known, "keyferry")
    assert [step.what.partition(":")[0] for step in by_hand.steps] == ["in prod-eu", "in prod-us"]


def test_access_entries_of_a_region_go_with_the_stack_that_made_them_there(aws: FakeAws) -> None:
    known = clusters(elsewhere("prod-us"))
    aws.entries = {"prod-us": {DELIVER: "keyferry:deliver"}}
    for made, steps in (("true", 0), ("false", 1)):
        aws.stacks["us-east-1", "keyferry-member"] = {"AccessEntries": made}
        seen = account(aws)
        seen.plan_accounts(known)
        assert len(seen.plan_entries(known, "keyferry").steps) == steps


def test_a_cluster_with_a_role_in_the_stack_s_own_region_is_the_template_s_of_the_account(aws: FakeAws) -> None:
    known = [build_catalog([mapping()], [cluster("prod-eu", role=DELIVER)])]
    aws.entries = {"prod-eu": {DELIVER: "keyferry:deliver"}}
    aws.stacks["eu-west-1", "keyferry-member"] = {"AccessEntries": "true"}
    seen = account(aws)
    [step] = seen.plan_accounts(known).steps
    assert step.what == "stack keyferry-member in eu-west-1: roles, access entries and event rules"
    assert seen.plan_entries(known, "keyferry").steps == []
    del aws.stacks["eu-west-1", "keyferry-member"]
    assert len(account(aws).plan_entries(known, "keyferry").steps) == 1


def survey(
    monkeypatch: pytest.MonkeyPatch,
    aws: FakeAws,
    stack: Stack | KeyferryError,
    deployed: Catalog | KeyferryError,
) -> Removal:
    """Return what is planned where AWS has this stack and says that this is deployed; no cluster can be reached."""

    def answer(value: object) -> object:
        if isinstance(value, KeyferryError):
            raise value
        return value

    release = Deployment(deployed, deployed.digest, __version__) if isinstance(deployed, Catalog) else deployed
    monkeypatch.setattr(surveys, "open_session", lambda _: aws)
    monkeypatch.setattr(surveys, "Sessions", lambda _: None)
    monkeypatch.setattr(surveys, "identify", lambda _: Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann"))
    monkeypatch.setattr(surveys, "find_stack", lambda *_: answer(stack))
    monkeypatch.setattr(surveys, "load_deployment", lambda _: answer(release))
    request = Request(folder=folder(), settings=Settings(), environment={"KUBECONFIG": "none"}, stack="keyferry")
    return plan_removal(request)


def stack_of(aws: Any) -> Stack:  # noqa: ANN401
    return Stack(aws, "keyferry", {}, {"AccessEntries": "true"})


def test_clusters_that_are_deployed_alone_are_part_of_the_plan(monkeypatch: pytest.MonkeyPatch, aws: FakeAws) -> None:
    deployed = build_catalog([mapping(clusters=["old"])], [cluster("old")])
    removal = survey(monkeypatch, aws, stack_of(aws), deployed)
    named = [step.what.partition(":")[0] for step in removal.steps]
    assert named == ["stack keyferry", "in old", "in prod-eu", "in prod-us"]


def test_where_the_stack_does_not_answer_the_mappings_of_the_folder_count(
    monkeypatch: pytest.MonkeyPatch, aws: FakeAws
) -> None:
    removal = survey(monkeypatch, aws, stack_of(aws), InvalidInput("function keyferry-report failed"))
    assert removal.notes[0] == (
        "the mappings that are deployed are not known, and those of the folder count: function keyferry-report failed"
    )
    assert removal.steps[0].commands == ["sam delete --stack-name keyferry --region eu-west-1"]


def test_of_a_stack_that_is_gone_what_is_left_elsewhere_is_still_looked_for(
    monkeypatch: pytest.MonkeyPatch, aws: FakeAws
) -> None:
    aws.entries = {"prod-eu": {DELIVER: "keyferry:deliver"}}
    removal = survey(monkeypatch, aws, StackMissing("there is no stack keyferry"), folder())
    gone = "no stack keyferry is in eu-west-1: it is gone, or somewhere else"
    assert removal.stays[0] == gone
    assert (
        removal.steps[0].details[0] == f"{gone}. If its name is wrong, these steps take the rights of one that is alive"
    )
    assert not any(gone in detail for step in removal.steps[1:] for detail in step.details)
    assert [command for step in removal.steps for command in step.commands if "sam delete" in command] == []
    assert any("delete-access-entry" in command for step in removal.steps for command in step.commands)


def test_a_stack_of_another_prefix_than_the_folder_s_is_refused(monkeypatch: pytest.MonkeyPatch, aws: FakeAws) -> None:
    with pytest.raises(InvalidInput, match="prefix keyferry, and the stack asked has staging"):
        survey(monkeypatch, aws, stack_of(aws), folder(prefix="staging"))


def test_without_the_word_plan_nothing_is_done() -> None:
    result = CliRunner().invoke(main, ["--mappings", str(EXAMPLES), "uninstall", "--stack", "keyferry"], env=NOBODY)
    assert result.exit_code == 2
    assert "this program removes nothing itself: say --plan" in " ".join(result.stderr.split())


def test_who_can_look_at_nothing_gets_the_steps_all_the_same_and_is_told() -> None:
    arguments = ["--mappings", str(EXAMPLES), "uninstall", "--plan", "--stack", "keyferry"]
    result = CliRunner().invoke(main, arguments, env=NOBODY)
    assert result.exit_code == 1
    assert "sam delete --stack-name keyferry" in result.stdout
    assert result.stdout.count("kubectl --context prod-") == 2
    assert result.stdout.index("delete-stack --stack-name github-keyferry") < result.stdout.index("sam delete")
    for region in ("eu-west-1", "us-east-1"):
        assert f"aws cloudformation delete-stack --stack-name keyferry-member --region {region}\n" in result.stdout
    assert "AWS is not looked at" in result.stderr
    assert "prod-eu is not looked at" in result.stderr
