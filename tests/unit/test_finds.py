"""Many secrets or parameters at once: what they are found by, what a mapping makes of them, and what that takes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from keyferry.access import grants, statements
from keyferry.aws import secrets_manager
from keyferry.aws.secrets_manager import SecretListEntry
from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.cli.generated import render_files
from keyferry.errors import AccessDenied, SourceUnusable
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.model import Change, Place, Rotation, SourceValue, StoreName
from keyferry.stores import find
from keyferry.stores.find import MAX_TAG_CHARACTERS, MAX_TAGS
from keyferry.stores.grant import Condition, Grant
from keyferry.stores.source import Source
from tests.unit.samples import WHEN, cluster, mapping, rendered, value

OWNER = "${AWS::Region}:${AWS::AccountId}"
SECRETS = f"arn:${{AWS::Partition}}:secretsmanager:{OWNER}:secret:"
PARAMETERS = f"arn:${{AWS::Partition}}:ssm:{OWNER}:parameter/"
ALL = [{"from": "all"}]


def source(service: str = "secretsManager", **by: Any) -> Source:  # noqa: ANN401
    return Source.model_validate({"find": service, **by})


# What it is found by


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"find": "secretsManager"}, "find needs path, regexp or tags"),
        ({"find": "dynamoDb", "path": "a"}, "Input should be 'secretsManager' or 'parameterStore'"),
        ({"secretsManager": "a", "find": "secretsManager", "path": "a"}, "needs exactly one of"),
        ({"secretsManager": "a", "path": "b"}, "path, regexp and tags go with find"),
        ({"secretsManager": "a", "tags": {"a": "b"}}, "path, regexp and tags go with find"),
        ({"find": "secretsManager", "path": "a", "label": "b"}, "takes neither version nor label"),
        ({"find": "secretsManager", "path": "a", "version": "1"}, "takes neither version nor label"),
        ({"find": "secretsManager", "path": "a", "metadata": "tags"}, "takes neither version nor label, metadata"),
        ({"find": "secretsManager", "path": "a", "failover": ["us-east-1"]}, "metadata nor failover"),
        ({"find": "secretsManager", "path": "a*"}, "not what names begin with: letters, digits and / _ + = . @ ! -"),
        ({"find": "secretsManager", "path": "!rds"}, 'a path that begins with ! means "not" to ListSecrets'),
        ({"find": "parameterStore", "path": "a/b"}, "a hierarchy of parameters begins with a slash: /a/b"),
        ({"find": "parameterStore", "regexp": "("}, "not a regular expression"),
        ({"find": "parameterStore", "tags": {"a*": "b"}}, "String should match pattern"),
        ({"find": "secretsManager", "path": "${team}/"}, "stands for nothing"),
    ],
)
def test_what_says_too_little_or_contradicts_itself_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Source.model_validate(wrong)
    assert said in str(raised.value)


def test_no_expression_takes_long_for_any_name() -> None:
    source = Source.model_validate({"find": "secretsManager", "regexp": "^([a-z]+-?)+/db$"})
    assert source.match_event_name("a" * 500) is None, (
        "an engine that goes back on its steps would not end before the sun does"
    )
    assert source.match_event_name("a-b/db") == {}


@pytest.mark.parametrize(
    ("by", "name", "fits"),
    [
        ({"path": "prod/"}, "prod/db", True),
        ({"path": "prod"}, "production", True),
        ({"path": "prod/"}, "test/prod/db", False),
        ({"regexp": "db$"}, "prod/db", True),
        ({"regexp": "^db"}, "prod/db", False),
        ({"path": "prod/", "regexp": "^prod/.*key"}, "prod/a/key1", True),
        ({"path": "prod/", "regexp": "^test/"}, "prod/test/", False),
        ({"tags": {"a": "b"}}, "anything", True),
        ({"service": "parameterStore", "path": "/prod"}, "/prod/db", True),
        ({"service": "parameterStore", "path": "/prod/"}, "/prod/deep/db", True),
        ({"service": "parameterStore", "path": "/prod"}, "/production", False),
        ({"service": "parameterStore", "path": "/"}, "/anything", True),
    ],
)
def test_a_name_is_found_where_all_fits(by: dict[str, Any], name: str, *, fits: bool) -> None:
    assert (name in source(**by).select_names([name])) is fits


def test_only_a_find_finds() -> None:
    assert [source(path="a/").event_names, source(path="a/").identifier] == [(), ""]
    assert str(Source.model_validate({"secretsManager": "prod/db"})) == "prod/db"
    assert str(source(path="a/", tags={"b": "c"})) == "find in secretsManager by path a/, tags {'b': 'c'}"


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("^team-a/", "team-a/"),
        ("^team-a/.*", "team-a/"),
        ("^team/x[0-9]", "team/x"),
        ("^team/db$", "team/db"),
        ("^a\\.b\\+c", "a.b+c"),
        ("^a.b", "a"),
        ("^rds!cluster-.*", "rds!cluster-"),
        ("^rds\\!db-", "rds!db-"),
        ("^!rds", ""),  # "not" to ListSecrets
        ("^ab?", "a"),
        ("^ab*", "a"),
        ("^ab+", "a"),
        ("^ab{2}", "a"),
        ("^a\\.?b", "a"),
        ("^a\\d", "a"),
        ("^a\\*", "a"),
        ("^a\\", "a"),
        ("^aé", "a"),
        ("^(a|b)", ""),
        ("^a|b", ""),
        ("(?i)^a", ""),
        ("team", ""),
        ("^", ""),
        ("", ""),
    ],
)
def test_the_beginning_of_names_is_known_where_a_regular_expression_is_anchored(pattern: str, prefix: str) -> None:
    assert find.literal_prefix(pattern) == prefix


def test_too_much_and_nothing_are_errors() -> None:
    assert list(find.check_matches("it", {"b": 1, "a": 2})) == ["a", "b"]
    with pytest.raises(SourceUnusable, match="it finds nothing; look at the names and tags in AWS"):
        find.check_matches("it", {})
    with pytest.raises(SourceUnusable, match="it finds 1,001 names, and 1,000 is the most"):
        find.check_matches("it", dict.fromkeys(map(str, range(1001)), 1))


def test_its_version_is_one_of_all_names_and_versions() -> None:
    versions: dict[str, str | None] = {"a": "1", "b": "2"}
    assert find.digest_versions(versions) == find.digest_versions(dict(reversed(versions.items())))
    others: list[dict[str, str | None]] = [
        {"a": "1"},
        {"a": "1", "b": "3"},
        {"a": "1", "c": "2"},
        {"a": "1", "b": None},
    ]
    assert len({find.digest_versions(each) for each in [versions, *others]}) == 5


# Events


def change(name: str, store: StoreName = "secretsmanager", **more: Any) -> Change:  # noqa: ANN401
    return Change(store, (name,), "updated", "event-1", WHEN, **more)


def catalog(*spec: dict[str, Any], **more: Any) -> Catalog:  # noqa: ANN401
    mappings = [mapping(f"m{n}", sources={"all": each}, data={}, dataFrom=ALL, **more) for n, each in enumerate(spec)]
    return build_catalog(mappings, [cluster("prod-eu")])


@pytest.mark.parametrize(
    ("by", "event", "fits"),
    [
        ({"find": "secretsManager", "path": "prod/"}, change("prod/new"), True),
        ({"find": "secretsManager", "path": "prod/"}, change("test/new"), False),
        ({"find": "secretsManager", "path": "prod/"}, change("prod/new", "parameterstore"), False),
        ({"find": "secretsManager", "path": "prod/"}, change("prod/new", label="AWSCURRENT"), True),
        ({"find": "secretsManager", "path": "prod/"}, change("prod/new", label="blue"), False),
        ({"find": "secretsManager", "path": "prod/", "regexp": "db$"}, change("prod/new"), False),
        ({"find": "secretsManager", "regexp": "^prod/.*db$"}, change("prod/a/db"), True),
        ({"find": "secretsManager", "regexp": "db$"}, change("prod/a/db"), True),
        ({"find": "secretsManager", "tags": {"team": "a"}}, change("prod/a/db"), True),
        ({"find": "parameterStore", "path": "/prod"}, change("prod/a/db", "parameterstore"), True),
        ({"find": "parameterStore", "path": "/prod"}, change("production", "parameterstore"), False),
        ({"find": "parameterStore", "regexp": "^/prod/"}, change("prod/db", "parameterstore"), True),
        ({"find": "parameterStore", "regexp": "^prod"}, change("prod-db", "parameterstore"), True),
        ({"find": "parameterStore", "path": "/"}, change("prod-db", "parameterstore"), True),
    ],
)
def test_an_event_concerns_the_finds_that_its_name_fits(by: dict[str, Any], event: Change, *, fits: bool) -> None:
    assert bool(catalog(by).deliveries_of(event)) is fits


def test_an_event_finds_the_namespace_of_a_path() -> None:
    made = catalog({"find": "parameterStore", "path": "/teams/${namespace}"}, namespaces=["shop", "pay"])
    [found] = made.deliveries_of(change("teams/shop/a/db", "parameterstore", version="v"))
    assert (found.namespace, found.versions) == ("shop", {"all": "v"})
    assert made.deliveries_of(change("teams/other/db", "parameterstore")) == []
    there = made.mappings["m0"].spec.sources["all"].resolve(Place("prod-eu", "shop"))
    assert (there.path, there.find_prefix) == ("/teams/shop", "/teams/shop/")


def test_the_version_of_an_event_is_looked_for_among_all_that_was_found() -> None:
    found = SourceValue(value("").content, "digest", members={"a": value("x", "v1"), "b": value("x", "v2@2026")})
    assert [found.has_version(each) for each in ("v1", "v2", "digest")] == [True, True, False]
    assert value("x", "v1").has_version("v1")


# The Secret


def held(**values: str | bytes) -> SourceValue:
    each = {name.replace("__", "/"): value(text) for name, text in values.items()}
    return SourceValue(value("").content, "digest", members=each)


def data(made: Any) -> dict[str, bytes]:  # noqa: ANN401
    return {key: each.reveal() for key, each in made.items()}


def test_all_of_it_arrives_under_keys_made_of_full_names() -> None:
    many = [{"from": "all", "keys": [{"stripPrefix": "prod/"}], "invalidCharacters": "replace"}]
    wanted = mapping(sources={"all": {"find": "secretsManager", "path": "prod/"}}, data={}, dataFrom=many)
    found = held(prod__db='{"a": 1}', prod__a__key="canary-1", raw=b"\xff")
    assert data(rendered(wanted, {"all": found})) == {"db": b'{"a": 1}', "a_key": b"canary-1", "raw": b"\xff"}


def test_two_names_that_become_one_key_are_an_error_that_names_both() -> None:
    many = [{"from": "all", "invalidCharacters": "replace"}]
    wanted = mapping(sources={"all": {"find": "secretsManager", "path": "prod/"}}, data={}, dataFrom=many)
    with pytest.raises(SourceUnusable, match=r"a/b and a_b both become a_b"):
        rendered(wanted, {"all": held(a__b="canary-1", a_b="canary-2")})


def test_a_template_sees_documents_and_texts_by_full_name() -> None:
    text = "{{ all['prod/db'].user }}:{{ all['prod/key'] }}"
    wanted = mapping(sources={"all": {"find": "secretsManager", "path": "prod/"}}, data={"url": {"template": text}})
    found = {"all": held(prod__db='{"user": "me"}', prod__key="canary-1")}
    assert data(rendered(wanted, found)) == {"url": b"me:canary-1"}
    raw = mapping(sources={"all": {"find": "secretsManager", "path": "r"}}, data={"key": {"template": "{{ all.raw }}"}})
    with pytest.raises(SourceUnusable, match="key key: line 1 of the template"):
        rendered(raw, {"all": held(raw=b"\xff")})


@pytest.mark.parametrize(
    "spec",
    [
        {"data": {"key": {"from": "all"}}},
        {"data": {"key": {"from": "all", "path": "a"}}},
        {"data": {}, "dataFrom": [{"from": "all", "path": "a"}]},
    ],
)
def test_a_key_takes_no_path_of_many_values(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="source all finds many values, which have no path"):
        mapping(sources={"all": {"find": "secretsManager", "path": "prod/"}}, **spec)


MAPPING = """\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata: {name: a}
spec:
  sources:
    all: {find: secretsManager, BY}
  clusters: [prod-eu]
  namespaces: [payments]
  secret:
    name: db
    WHAT
---
apiVersion: keyferry.dev/v1
kind: Clusters
clusters: [{name: prod-eu, eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}}]
"""


def checked(folder: Path, by: str, what: str) -> list[str]:
    """Return what is said of a mapping."""
    (folder / "a.yaml").write_text(MAPPING.replace("BY", by).replace("WHAT", what))
    try:
        return [str(each).removeprefix(f"{folder}/") for each in files.check(folder)[1]]
    except InvalidFiles as error:
        return [str(each).removeprefix(f"{folder}/") for each in error.problems]


@pytest.mark.parametrize(
    ("by", "what", "said"),
    [
        (
            "path: prod/",
            "data: {key: {from: all}}",
            "a.yaml:11:24: source all finds many values: take them all by dataFrom, or one by a template,"
            ' as {{ all["name"] }}',
        ),
        (
            "path: prod/",
            "dataFrom: [{from: all, path: a}]",
            "a.yaml:11:34: source all finds many values, each with a key: dataFrom takes them without a path",
        ),
        (
            "regexp: a",
            "dataFrom: [{from: all}]",
            "a.yaml:6:10: warning: source all can find any name, so deliver gets the right to read everything in"
            " secretsManager of the account; give it a path, tags, or a regexp with a fixed beginning, as ^team-a/",
        ),
        (
            "tags: 5",
            "dataFrom: [{from: all}]",
            "a.yaml:6:39: spec.sources.all.tags should be {team: payments}",
        ),
        (
            f"tags: {{{', '.join(f'tag{number}: x' for number in range(21))}}}",
            "dataFrom: [{from: all}]",
            "a.yaml:6:10: spec.sources.all: asks for 21 tags of 116 characters; a policy in IAM has room for 20 of"
            " 4,000: ask for fewer",
        ),
        (
            f"tags: {{{', '.join(f'tag{number:02}: {"x" * 256}' for number in range(16))}}}",
            "dataFrom: [{from: all}]",
            "a.yaml:6:10: spec.sources.all: asks for 16 tags of 4,176 characters; a policy in IAM has room for 20 of"
            " 4,000: ask for fewer",
        ),
    ],
)
def test_what_is_wrong_is_told_once_at_its_place(tmp_path: Path, by: str, what: str, said: str) -> None:
    assert checked(tmp_path, by, what) == [said]


# Rights


@pytest.mark.parametrize(
    ("by", "resource"),
    [
        ({"path": "prod/"}, f"{SECRETS}prod/*"),
        ({"regexp": "^team-a/.*"}, f"{SECRETS}team-a/*"),
        ({"path": "team", "regexp": "^team-a/.*"}, f"{SECRETS}team-a/*"),
        ({"path": "team", "regexp": "^other/.*"}, f"{SECRETS}team*"),
        ({"regexp": "x"}, f"{SECRETS}*"),
    ],
)
def test_the_right_to_read_secrets_is_for_what_names_begin_with(by: dict[str, Any], resource: str) -> None:
    *found, decrypts = grants.list_grants(source(**by))
    assert found == [
        Grant("secretsmanager:ListSecrets", "*"),
        Grant("secretsmanager:BatchGetSecretValue", "*"),
        Grant("secretsmanager:GetSecretValue", resource),
    ]
    assert decrypts.action == "kms:Decrypt"


def test_the_right_to_read_parameters_is_for_a_hierarchy() -> None:
    tagged = source("parameterStore", path="/prod", tags={"team": "a"}, region="us-east-1")
    *found, decrypts = grants.list_grants(tagged)
    tags = (Condition("StringEquals", "aws:ResourceTag/team", "a"),)
    assert found == [
        Grant("ssm:DescribeParameters", "*"),
        Grant("ssm:GetParameters", PARAMETERS.replace("${AWS::Region}", "us-east-1") + "prod/*", tags),
    ]
    assert decrypts.action == "kms:Decrypt"


def test_the_longest_tags_that_are_allowed_fit_into_a_policy() -> None:
    tags = {f"tag-{number:02}": "x" * 194 for number in range(MAX_TAGS)}
    assert sum(map(len, [*tags, *tags.values()])) == MAX_TAG_CHARACTERS
    found = catalog({"find": "secretsManager", "path": "p" * 500, "tags": tags})
    for made in statements.split_into_policies(grants.list_source_grants(found)):
        assert len(statements.fill_longest(json.dumps(made, separators=(",", ":")))) < 6100


def test_tags_are_a_condition_of_the_statement() -> None:
    whole = catalog({"find": "secretsManager", "tags": {"team": "a"}})
    [made] = statements.split_into_policies(grants.list_source_grants(whole))
    assert [each for each in made if each["Action"] != "kms:Decrypt"] == [
        {
            "Effect": "Allow",
            "Action": ["secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets"],
            "Resource": ["*"],
        },
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": [{"Fn::Sub": f"{SECRETS}*"}],
            "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}},
        },
    ]


@pytest.mark.parametrize(
    ("by", "unbounded"),
    [
        ({"find": "secretsManager", "regexp": "a"}, True),
        ({"find": "parameterStore", "path": "/"}, True),
        ({"find": "secretsManager", "regexp": "^a"}, False),
        ({"find": "secretsManager", "tags": {"a": "b"}}, False),
        ({"find": "secretsManager", "regexp": "a", "role": "arn:aws:iam::444455556666:role/secrets"}, False),
    ],
)
def test_the_right_to_read_everything_is_said_aloud(by: dict[str, Any], *, unbounded: bool) -> None:
    text = render_files(catalog(by))["stack/access.yaml"]
    assert ("CAREFUL: these sources can find any name" in text) is unbounded
    assert ("all of mapping m0" in text) is unbounded


# Reading


class FakeSecretsManager:
    """A region that gives secrets in pages, and errors for some of them."""

    class meta:  # noqa: N801  # as boto3's clients have it
        """Where it is."""

        region_name = "eu-west-1"

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages, self.asked = list(pages), list[dict[str, Any]]()

    def batch_get_secret_value(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the next page."""
        self.asked.append(request)
        return self.pages.pop(0)

    def get_paginator(self, _name: str) -> "FakeSecretsManager":
        """Return what lists."""
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        """Return the listing."""
        return [{"SecretList": [{"ARN": f"arn:{name}", "Name": name} for name in ("a", "b")]}]


def got(name: str) -> dict[str, Any]:
    return {
        "ARN": f"arn:{name}",
        "Name": name,
        "VersionId": "v1",
        "SecretString": f"canary-{name}",
        "CreatedDate": datetime.now(UTC),
    }


def read(*pages: dict[str, Any]) -> tuple[SourceValue, FakeSecretsManager]:
    client: Any = FakeSecretsManager(*pages)
    return secrets_manager.read(client, source(regexp=".")), client


def test_a_batch_is_asked_for_until_nothing_is_left_of_it() -> None:
    found, client = read({"SecretValues": [got("b")], "NextToken": "more"}, {"SecretValues": [got("a")]})
    assert list(found.members or ()) == ["a", "b"]
    assert client.asked[1] == {"SecretIdList": ["arn:a", "arn:b"], "NextToken": "more"}


def test_what_was_scheduled_for_deletion_since_it_was_listed_is_left_out() -> None:
    gone = {"SecretId": "arn:a", "ErrorCode": "InvalidRequestException", "Message": "it was marked for deletion"}
    found, _ = read({"SecretValues": [got("b")], "Errors": [gone]})
    assert list(found.members or ()) == ["b"]


def test_what_cannot_be_decrypted_is_an_error_that_names_it() -> None:
    locked = {"SecretId": "arn:a", "ErrorCode": "DecryptionFailure", "Message": "canary"}
    with pytest.raises(AccessDenied, match=r"GetSecretValue on a in eu-west-1 \(DecryptionFailure\)"):
        read({"SecretValues": [got("b")], "Errors": [locked]})


def test_what_aws_says_nothing_of_is_an_error_that_names_it() -> None:
    with pytest.raises(SourceUnusable, match="secrets a in eu-west-1: AWS answers with neither value nor error"):
        read({"SecretValues": [got("b")], "Errors": []})


def test_tags_have_to_be_the_same() -> None:
    listed = [
        SecretListEntry(f"arn:{name}", name, {}, tags, None, Rotation(is_on=False))
        for name, tags in (("a", {"t": "x", "u": "y"}), ("b", {"t": "X"}))
    ]
    assert [each.name for each in secrets_manager.select_members(source(tags={"t": "x"}), listed)] == ["a"]
