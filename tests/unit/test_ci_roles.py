"""The roles of the workflows: who may assume them, what they may do, and that the workflows name them."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml
from cfnlint.api import lint

from keyferry.cli.init import ci_roles
from tests.unit.stack import ROOT

POLICY = (ROOT / "examples/deployer-policy.json").read_text()
TEXT = ci_roles.render(POLICY)
TEMPLATE: dict[str, Any] = yaml.safe_load(TEXT)
ISSUER = "token.actions.githubusercontent.com"
LONGEST = {"StackName": "s" * 51, "RoleNamePrefix": "p" * 40}
"""The longest names that a stack can have."""


def resolve(part: Any, **parameters: str) -> Any:  # noqa: ANN401  # JSON
    """Return a part of the template as CloudFormation resolves it, with these parameters."""
    known = (
        {name: str(one["Default"]) for name, one in TEMPLATE["Parameters"].items() if "Default" in one}
        | {"AWS::AccountId": "111122223333", "AWS::Partition": "aws", "Provider": "provider"}
        | parameters
    )
    match part:
        case {"Ref": name}:
            return known[name]
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: known[found[1]], text)
        case {"Fn::Sub": [text, values]}:
            return resolve({"Fn::Sub": text}, **known, **{name: resolve(one, **known) for name, one in values.items()})
        case {"Fn::Split": [by, text]}:
            return resolve(text, **known).split(by)
        case {"Fn::Select": [number, values]}:
            return resolve(values, **known)[number]
        case {"Fn::If": [_, first, _]}:
            return resolve(first, **known)
        case dict():
            return {key: resolve(value, **known) for key, value in part.items()}
        case list():
            return [resolve(value, **known) for value in part]
    return part


def get_role(name: str, **parameters: str) -> dict[str, Any]:
    given = {"Repository": "acme/secrets", "RepositoryId": "42"} | parameters
    properties: dict[str, Any] = resolve(TEMPLATE["Resources"][name]["Properties"], **given)
    return properties


def may_assume(name: str, **claims: str) -> bool:
    """Return whether IAM lets a job with these claims assume a role of the repository acme/secrets, number 42."""
    role = get_role(name, Environment="prod")
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    token = {f"{ISSUER}:{key}": value for key, value in ({"aud": "sts.amazonaws.com"} | claims).items()}
    compare = {"StringEquals": lambda value, pattern: value == pattern, "StringLike": fnmatchcase}
    return all(
        any(
            compare[operator](token.get(key, ""), pattern) for pattern in ([value] if isinstance(value, str) else value)
        )
        for operator, keys in statement["Condition"].items()
        for key, value in keys.items()
    )


SUBJECTS = ["repo:acme/secrets", "repo:acme@7/secrets@42"]
"""How tokens of a repository begin: of one made before July 2026, and of one made since."""
MAIN = "refs/heads/main"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_pull_request_of_the_repository_may_look_and_a_deployment_of_main_may_deploy(subject: str) -> None:
    pull = {"sub": f"{subject}:pull_request", "ref": "refs/pull/1/merge", "repository_id": "42"}
    merged = {"sub": f"{subject}:environment:prod", "ref": MAIN, "repository_id": "42"}
    assert (may_assume("LookRole", **pull), may_assume("DeployRole", **pull)) == (True, False)
    assert (may_assume("LookRole", **merged), may_assume("DeployRole", **merged)) == (False, True)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize(
    "change",
    [
        {"ref": "refs/heads/feature"},
        {"repository_id": "43"},
        {"aud": "https://github.com/acme"},
        {"context": ":environment:dev"},
        {"context": ":ref:refs/heads/main"},
    ],
    ids=str,
)
def test_no_other_branch_repository_audience_or_environment_deploys(subject: str, change: dict[str, str]) -> None:
    claims = {"ref": MAIN, "repository_id": "42", "context": ":environment:prod"} | change
    assert not may_assume("DeployRole", sub=subject + claims.pop("context"), **claims)


@pytest.mark.parametrize(
    "subject", ["repo:acme/secrets2", "repo:evil/secrets", "repo:acme@7/other@42", "repo:a@b/acme"]
)
def test_a_repository_of_another_name_neither_looks_nor_deploys(subject: str) -> None:
    claims = {"ref": MAIN, "repository_id": "42"}
    assert not may_assume("LookRole", sub=f"{subject}:pull_request", **claims)
    assert not may_assume("DeployRole", sub=f"{subject}:environment:prod", **claims)


def test_the_role_that_deploys_has_the_rights_of_the_deployer_and_no_others() -> None:
    [policy] = get_role("DeployRole")["Policies"]
    assert policy["PolicyDocument"] == json.loads(POLICY)
    assert "ManagedPolicyArns" not in get_role("DeployRole")


def test_its_rights_go_with_the_names_of_the_stack() -> None:
    [policy] = get_role("DeployRole", StackName="keys-prod", RoleNamePrefix="kp")["Policies"]
    text = json.dumps(policy["PolicyDocument"])
    assert "keyferry" not in text
    assert {"arn:aws:iam::111122223333:role/kp-deliver", "arn:aws:sqs:*:111122223333:keys-prod-*"} <= set(
        re.findall(r'"(arn:[^"]+)"', text)
    )


def test_the_role_that_looks_has_the_policy_for_people_and_nothing_else() -> None:
    role = get_role("LookRole", RoleNamePrefix="kp")
    assert role["ManagedPolicyArns"] == ["arn:aws:iam::111122223333:policy/kp-look"]
    assert "Policies" not in role


@pytest.mark.parametrize("name", ["Environment", "StackName", "RoleNamePrefix"])
def test_a_name_that_stands_for_many_is_no_parameter(name: str) -> None:
    pattern = TEMPLATE["Parameters"][name]["AllowedPattern"]
    assert [text for text in ("*", "pro?", "a:b", "prod/*", "${x}", "") if re.fullmatch(pattern, text)] == []
    assert re.fullmatch(pattern, TEMPLATE["Parameters"][name]["Default"])
    assert re.fullmatch(pattern, "keyferry-prod")


def test_the_provider_of_tokens_outlives_the_roles_as_those_of_another_environment_need_it() -> None:
    provider = TEMPLATE["Resources"]["Provider"]
    assert (provider["DeletionPolicy"], provider["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_template_says_of_the_role_that_deploys_what_it_reaches_all_the_same() -> None:
    [policy] = get_role("DeployRole")["Policies"]
    writes = [
        one["Resource"] for one in policy["PolicyDocument"]["Statement"] if "iam:CreatePolicyVersion" in one["Action"]
    ]
    looks = get_role("LookRole")["ManagedPolicyArns"]
    assert all(fnmatchcase(arn, pattern) for arn in looks for pattern in writes)
    said = " ".join(line.removeprefix("# ") for line in TEXT.splitlines() if line.startswith("# "))
    assert "it writes the policy PREFIX-look, which the role that looks has" in said
    assert "other environments there included. Those that must not reach each other need accounts of their own" in said


def test_the_role_that_deploys_has_no_right_on_these_two_roles_nor_on_their_stack_and_provider() -> None:
    [policy] = get_role("DeployRole")["Policies"]
    own = [
        *(f"arn:aws:iam::111122223333:role/{get_role(name)['RoleName']}" for name in ("LookRole", "DeployRole")),
        "arn:aws:cloudformation:eu-west-1:111122223333:stack/github-keyferry/1",
        f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}",
    ]
    everything = {"Look", "Template", "NoResources", "EventSources"}  # of each of these, AWS has no such resource
    patterns = [
        pattern
        for one in policy["PolicyDocument"]["Statement"]
        if one["Sid"] not in everything
        for pattern in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    ]
    assert [arn for arn in own if any(fnmatchcase(arn, pattern) for pattern in patterns)] == []


def test_aws_takes_the_template_with_the_longest_names() -> None:
    assert lint(TEXT, regions=["eu-west-1"]) == []
    for name in ("LookRole", "DeployRole"):
        role = get_role(name, **LONGEST, Repository=f"{'o' * 39}/{'n' * 100}", RepositoryId="1" * 12)
        assert len(role["RoleName"]) <= 64, "characters of the name of a role (IAM quotas)"
        trust = json.dumps(role["AssumeRolePolicyDocument"], separators=(",", ":"))
        assert len(trust) <= 2048, "characters of a trust policy (IAM quotas)"
        inline = sum(len(json.dumps(one["PolicyDocument"], separators=(",", ":"))) for one in role.get("Policies", ()))
        assert inline <= 10240, "characters of the inline policies of a role (IAM quotas)"
    assert len(TEXT) <= 51200, "bytes of a template that is given by its text (CloudFormation quotas)"


def test_no_account_is_written_into_it() -> None:
    assert "111122223333" not in TEXT
