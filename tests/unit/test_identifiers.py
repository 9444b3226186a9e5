"""What people write where the name of a secret or parameter should stand, and what they are told."""

import re
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from keyferry.aws import regions
from keyferry.stores.source import Source

SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db"
PARAMETER = "arn:aws:ssm:eu-west-1:111122223333:parameter"
UUID = "a1b2c3d4-5678-90ab-cdef-1234567890ab"


def refusal(**source: Any) -> str:  # noqa: ANN401  # as a mapping has it
    """Return what is said of a source that is refused."""
    with pytest.raises(ValidationError) as raised:
        Source.model_validate(source)
    [error] = raised.value.errors()
    return str(error["msg"]).removeprefix("Value error, ")


def doubts(**source: Any) -> list[str]:  # noqa: ANN401  # as a mapping has it
    """Return what is said of a source that is taken."""
    taken = Source.model_validate(source)
    return [*taken.store.list_doubts(taken), *regions.list_doubts(taken)]


def assert_works(said: str) -> None:
    """Check that what a message says to write would be taken."""
    for written in re.findall(r"write (\{\w+: [^{}]*\})", said):
        Source.model_validate(yaml.safe_load(written))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        # as ECS has it
        (
            f"{SECRET}-a1B2c3:password::",
            f"write {{secretsManager: {SECRET}-a1B2c3}}, and path: password where its value is used",
        ),
        (
            f"{SECRET}-a1B2c3:password:AWSPREVIOUS:",
            f"write {{secretsManager: {SECRET}-a1B2c3, label: AWSPREVIOUS}}, and path: password where",
        ),
        (f"{SECRET}-a1B2c3::AWSCURRENT:", f"the form that ECS takes: write {{secretsManager: {SECRET}-a1B2c3}}"),
        (f"{SECRET}-a1B2c3:::{UUID}", f"write {{secretsManager: {SECRET}-a1B2c3, version: {UUID}}}"),
        (f"{SECRET}-a1B2c3:password", "and path: password where its value is used"),
        (f"{SECRET}-a1B2c3:my-key::", f"write {{secretsManager: {SECRET}-a1B2c3}}, and path: '\"my-key\"' where its"),
        (
            "prod/db:username:AWSCURRENT:0123",
            "write {secretsManager: prod/db}, and path: username where its value is used; 0123 is no version id, which"
            " has 32 to 64 characters",
        ),
        (
            "prod/db:username:awsprevious:0123",
            "write {secretsManager: prod/db, label: AWSPREVIOUS}, and path: username",
        ),
        (f"prod/db:::{'1' * 32}", f'write {{secretsManager: prod/db, version: "{"1" * 32}"}}'),
        # with what a name has not
        (" ", "nothing but blanks or quotes: write the name, as prod/db"),
        ('""', "nothing but blanks or quotes: write the name, as prod/db"),
        (" prod/db", "blanks or a line end around it, no spaces: write prod/db"),
        ("prod/db\n", "blanks or a line end around it, no spaces: write prod/db"),
        ('"prod/db"', "quotes are part of it: write prod/db"),
        ("prod/db#password", "write {secretsManager: prod/db}, and path: password where its value is used"),
        ("prod/db:password", "write {secretsManager: prod/db}, and path: password where its value is used"),
        ("prod/db:AWSPREVIOUS", "write {secretsManager: prod/db, label: AWSPREVIOUS}"),
        (f"prod/db:{UUID}", f"write {{secretsManager: prod/db, version: {UUID}}}"),
        ("prod/*", "no spaces, no ! at the beginning; for many, write {find: secretsManager, path: prod/}"),
        ("*", "for many, write {find: secretsManager, path: prod/}"),
        (f"{SECRET}-*", "for many, write {find: secretsManager, path: prod/db-}"),
        ("prod/db?", "letters, digits and /"),
        ("prod/${AWS::Region}", "nothing fills in ${AWS::Region}: write it out; ${namespace} and ${cluster} alone"),
        ("${aws_secretsmanager_secret.db.arn}", "nothing fills in ${aws_secretsmanager_secret.db.arn}: write it out"),
        ("prod/{{ namespace }}/db", "nothing fills in {{ namespace }}: write prod/${namespace}/db; ${namespace} and"),
        ("$namespace/db", "nothing fills in $namespace: write ${namespace}/db; ${namespace} and ${cluster} alone"),
        ("{cluster}/db", "nothing fills in {cluster}: write ${cluster}/db;"),
        ("<NAMESPACE>/db", "nothing fills in <NAMESPACE>: write ${namespace}/db;"),
        ("{env}/db", "nothing fills in {env}: write it out; ${namespace} and ${cluster} alone are filled in"),
        # of other programs
        ("aws-sm://prod/db", "aws-sm:// is of another program: write {secretsManager: prod/db}"),
        ("secretsmanager:prod/db", "secretsmanager: is of another program: write {secretsManager: prod/db}"),
        ("ssm:/prod/db", "and it stands in secretsManager: write {parameterStore: /prod/db}"),
        ("aws-ssm:///prod/db", "write {parameterStore: /prod/db}"),
        ("ssm:db", "write {parameterStore: db}"),
        ("ssm:/token", "write {parameterStore: /token}"),
        ("ssm:///token", "write {parameterStore: /token}"),
        ("ps:/token", "write {parameterStore: /token}"),
        ("ssm://token", "write {parameterStore: token}, or /token if its name begins with a slash"),
        ("ssm:/prod/db:3", 'write {parameterStore: /prod/db, version: "3"}'),
        ("ssm-secure:/prod/db", "and it stands in secretsManager: write {parameterStore: /prod/db}"),
        ("resolve:ssm:/prod/db", "write {parameterStore: /prod/db}"),
        ("resolve:secretsmanager:prod/db:SecretString:user", "write {secretsManager: prod/db}, and path: user where"),
        ("ref+awssecrets://prod/db", "ref+awssecrets:// is of another program: write {secretsManager: prod/db}"),
        (
            "ref+awssecrets://prod/db?region=eu-west-1#/db/user",
            "write {secretsManager: prod/db, region: eu-west-1}, and path: db.user where its value is used",
        ),
        ("ref+awsssm://prod/db#user", "write {parameterStore: /prod/db}, and path: user where its value is used"),
        (f"sm://{SECRET}", f"write {{secretsManager: {SECRET}}}"),
        ("ssm://", "no name follows ssm://: write a name alone, as prod/db"),
        ("op://vault/db", "op:// is of another program, and of what AWS does not hold: store the value as a secret"),
        ("file://db", "file:// is of another program, and of what AWS does not hold"),
        ("vault:secret/data/db#user", "vault: is of another program, and of what AWS does not hold"),
        ("secret:prod/db-a1B2c3", "the last part of an ARN: write the whole ARN, or the name alone"),
        ("https://eu-west-1.console.aws.amazon.com/secretsmanager/secret?name=db", "an address of a web page"),
        ("{{resolve:secretsmanager:prod/db}}", "of CloudFormation: write {secretsManager: prod/db}"),
        (
            "{{resolve:secretsmanager:prod/db:SecretString:password}}",
            "write {secretsManager: prod/db}, and path: password where its value is used",
        ),
        (
            f"{{{{resolve:secretsmanager:{SECRET}-a1B2c3:SecretString:password:AWSPREVIOUS}}}}",
            f"write {{secretsManager: {SECRET}-a1B2c3, label: AWSPREVIOUS}}, and path: password",
        ),
        ("{{resolve:ssm-secure:/prod/db:3}}", 'write {parameterStore: /prod/db, version: "3"}'),
        ("{{resolve:ssm:/prod/db}}", "write {parameterStore: /prod/db}"),
        # ARNs of something else, or of nothing
        (f"{PARAMETER}/prod/db", f"that of a parameter: write {{parameterStore: {PARAMETER}/prod/db}}"),
        ("arn:aws:iam::111122223333:role/app", "it is one of iam: a role to read with stands in role"),
        (
            "arn:aws:kms:eu-west-1:111122223333:key/1",
            "it is one of kms: which key decrypts a value, AWS knows by itself",
        ),
        ("arn:aws:s3:::bucket", "it is one of s3: write the name, or an ARN as arn:aws:secretsmanager:eu-west-1:1"),
        ("arn:aws:secretsmanager:prod/db", "it is not whole: write the name, or an ARN as"),
        ("arn:aws:secretsmanager:eu-west-1::secret:db", "where the twelve digits of the account stand, it has nothing"),
        ("arn:aws:secretsmanager:eu-west-1:1111-2222-3333:secret:db", "of the account stand, it has 1111-2222-3333"),
        ("arn:aws:secretsmanager::111122223333:secret:db", "no partition, region or name that AWS could have"),
        (SECRET.replace("secret:prod", "secret/prod"), "after the account, secret: and the name follow"),
        ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:", "after the account, secret: and the name follow"),
    ],
)
def test_what_is_no_secret_is_told_with_what_is_right(text: str, remedy: str) -> None:
    said = refusal(secretsManager=text)
    assert remedy in said
    assert said.startswith(f"not the {'ARN' if text.startswith('arn:') else 'name'} of a secret: ")
    assert_works(said)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("/prod/db:3", 'write {parameterStore: /prod/db, version: "3"}'),
        ("/prod/db:blue", "write {parameterStore: /prod/db, label: blue}"),
        ("/prod/db:", "a colon ends it: write {parameterStore: /prod/db}"),
        (f"{PARAMETER}/prod/db:3", f'write {{parameterStore: {PARAMETER}/prod/db, version: "3"}}'),
        (f"{PARAMETER}//prod/db", f"one slash stands before the name: write {PARAMETER}/prod/db"),
        (f"{PARAMETER}:prod", "after the account, parameter/ and the name follow"),
        ("parameter/prod/db", "it begins as the last part of an ARN does: write /prod/db"),
        ("/prod/db/", "a name does not end in a slash: write /prod/db, or {find: parameterStore, path: /prod/db/}"),
        ("/prod/*", "for many, write {find: parameterStore, path: /prod}"),
        (SECRET, f"that of a secret: write {{secretsManager: {SECRET}}}"),
        ("arn:aws:ssm:eu-west-1::parameter/aws/service/a/b", "belongs to no account: write /aws/service/a/b"),
        ("ssm:prod/db", "ssm: is of another program: write {parameterStore: /prod/db}"),
        ("secretsmanager://prod/db", "and it stands in parameterStore: write {secretsManager: prod/db}"),
        ("$(prod)", "nothing fills in $(prod)"),
    ],
)
def test_what_is_no_parameter_is_told_with_what_is_right(text: str, remedy: str) -> None:
    said = refusal(parameterStore=text)
    assert remedy in said
    assert_works(said)


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ({"version": "latest"}, "version latest is what is read without a version: leave it out"),
        ({"version": "$LATEST"}, "leave it out"),
        ({"version": "awsprevious"}, "write label: AWSPREVIOUS"),
        ({"version": f"uuid/{UUID}"}, f"uuid/ is no part of a version id: write version: {UUID}"),
        ({"version": "uuid/"}, "write version: …"),
        ({"version": f"{UUID} "}, f"no blanks around it: write version: {UUID}"),
        ({"version": "v3"}, "32 to 64 characters; a staging label goes into label"),
        ({"label": UUID}, f"that is a version id, no staging label: write version: {UUID}"),
        ({"label": "awsprevious"}, "letter by letter: write label: AWSPREVIOUS"),
        ({"label": "green "}, "write label: green"),
        ({"failover": [{"region": "us-east-1", "name": f"{PARAMETER}/db"}]}, "failover to us-east-1: not the ARN of a"),
        ({"region": "us-east-1", "failover": ["us-east-1"]}, "and the source is read there already: take it out"),
    ],
)
def test_what_is_no_version_label_or_failover_of_a_secret_is_told(source: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal(secretsManager="prod/db", **source)


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ({"version": "latest"}, "version latest is what is read without a version: leave it out"),
        ({"version": "blue"}, "the version of a parameter is a number, from 1; a label has a field of its own, label"),
        ({"label": "3"}, 'a number is no label, but a version: write version: "3"'),
        ({"label": "AWSPREVIOUS"}, "AWSPREVIOUS is a staging label of Secrets Manager"),
        ({"label": "1blue"}, "begins with no digit"),
        ({"label": "ssmx"}, "neither aws nor ssm"),
        ({"label": "a b"}, "1 to 100 letters"),
    ],
)
def test_what_is_no_version_or_label_of_a_parameter_is_told(source: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal(parameterStore="/prod/db", **source)


@pytest.mark.parametrize(
    "source",
    [
        {"secretsManager": SECRET},
        {"secretsManager": f"{SECRET}-a1B2c3"},
        {"secretsManager": SECRET.replace("aws:", "aws-us-gov:").replace("eu-west-1", "us-gov-west-1")},
        {"secretsManager": "secret/prod"},
        {"secretsManager": "prod/db-secret"},
        {"secretsManager": "prod/db-8b7652"},
        {"secretsManager": "prod/db", "label": "green"},
        {"secretsManager": "prod/db", "version": UUID},
        {"secretsManager": "prod/${namespace}/db", "failover": ["us-east-1"]},
        {"find": "secretsManager", "path": "prod/"},
        {"parameterStore": f"{PARAMETER}/prod/db"},
        {"parameterStore": "db", "version": "3"},
        {"parameterStore": "/db", "label": "blue.v-2"},
    ],
)
def test_what_is_right_is_taken_without_a_word(source: dict[str, Any]) -> None:
    assert doubts(**source) == []


@pytest.mark.parametrize(
    ("source", "doubt"),
    [
        ({"secretsManager": f"{SECRET}-master"}, "-master for .* write the name (prod/db-master), or the whole ARN"),
        ({"secretsManager": f"{SECRET}-stage1"}, "-stage1 for the six characters that end an ARN"),
        ({"secretsManager": f"{SECRET}-202411"}, "-202411 for the six characters that end an ARN"),
        (
            {
                "secretsManager": "db",
                "failover": [{"region": "us-east-1", "name": SECRET.replace("eu-west-1:", "us-east-1:") + "-master"}],
            },
            "-master for the six characters",
        ),
        ({"secretsManager": "prod/db-aB1cDe"}, "-aB1cDe reads like .* write prod/db, or the whole ARN"),
        ({"secretsManager": "prod/db/"}, "ends in a slash: .* {find: secretsManager, path: prod/db/}"),
        ({"parameterStore": "/aws/service/a/b"}, "no event tells: they arrive with the next sweep"),
        (
            {"secretsManager": "db", "region": "eu-west-9"},
            "no region of AWS is called eu-west-9, .* there is eu-west-1",
        ),
        ({"secretsManager": "db", "failover": ["eu-nowhere-1"]}, "called eu-nowhere-1, .* look at its spelling"),
        (
            {"secretsManager": SECRET.replace("eu-west-1", "cn-north-1")},
            "region cn-north-1 is in partition aws-cn, and the ARN names aws: write arn:aws-cn:…",
        ),
    ],
)
def test_what_is_right_and_perhaps_not_meant_is_doubted(source: dict[str, Any], doubt: str) -> None:
    [said] = doubts(**source)
    assert all(re.search(re.escape(part), said) for part in doubt.split(" .* ")), said


def test_a_placeholder_of_others_in_an_arn_or_a_path_is_told() -> None:
    right = "nothing fills in {{ namespace }}: write "
    assert right + "prod/${namespace}/db" in refusal(secretsManager=SECRET.replace("db", "{{ namespace }}/db"))
    assert right + "prod/${namespace}/" in refusal(find="secretsManager", path="prod/{{ namespace }}/")
