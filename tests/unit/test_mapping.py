"""A mapping or cluster that is wrong is refused with what is wrong; a right one says what it means."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from keyferry.kinds import DEFAULT_KINDS, KINDS
from keyferry.mapping.mapping import Workload
from keyferry.mapping.targets import Cluster, Clusters, Endpoint, Expression, NamespaceSelector, Selector
from keyferry.stores.source import Source
from keyferry_local import certificates
from tests.unit.samples import ACCOUNT, SPEC, cluster, mapping

ARN = f"arn:aws-us-gov:secretsmanager:us-gov-west-1:{ACCOUNT}:secret:prod/db-a1B2c3"
BOTH = ("prod/db", "prod/db-a1B2c3")
PARAMETER_ARN = f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/prod/tls"


AUTHORITY = base64.b64encode(certificates.authority().pem).decode()
TRUNCATED = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMII").decode()


def refused(call: Any) -> str:  # noqa: ANN401
    """Return what is said of what is wrong."""
    with pytest.raises(ValidationError) as raised:
        call()
    assert "canary" not in str(raised.value)
    return str(raised.value)


def entry(**parts: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"data": {"key": parts}}


# Sources


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({}, "needs exactly one of secretsManager, parameterStore and find"),
        (
            {"secretsManager": "a", "parameterStore": "b"},
            "needs exactly one of secretsManager, parameterStore and find",
        ),
        ({"secretsManager": "a", "version": "1", "label": "x"}, "takes version or label, not both"),
        ({"secretsManager": "a", "label": "AWSPENDING"}, "AWSPENDING is never pushed"),
        ({"secretsManager": "a", "version": "AWSPENDING"}, "AWSPENDING is never pushed"),
        ({"secretsManager": "a", "version": "AWSPREVIOUS"}, "a staging label, no version id: write label: AWSPREVIOUS"),
        ({"secretsManager": "a", "version": "AWSCURRENT"}, "AWSCURRENT is what is read without a version: leave it"),
        ({"secretsManager": "a", "version": "latest"}, "version latest is what is read without a version: leave it"),
        ({"secretsManager": "a", "version": "1"}, "a version id of a secret has 32 to 64 characters"),
        ({"secretsManager": "a", "version": "v" * 31}, "a version id of a secret has 32 to 64 characters"),
        ({"secretsManager": "a", "version": "v" * 65}, "a staging label goes into label"),
        ({"secretsManager": "a", "label": "l" * 257}, "a staging label has at most 256 characters"),
        ({"secretsManager": ""}, "at least 1 character"),
        ({"secretsManager": "a", "vresion": "1"}, "Extra inputs are not permitted"),
        ({"secretsManager": PARAMETER_ARN}, "not the ARN of a secret"),
        ({"parameterStore": ARN}, "not the ARN of a parameter"),
        ({"secretsManager": f"arn:aws:secretsmanager::{ACCOUNT}:secret:db-a1B2c3"}, "not the ARN of a secret"),
        ({"secretsManager": "arn:aws:s3:::bucket"}, "not the ARN of a secret"),
        (
            {"secretsManager": ARN, "region": "us-gov-east-1"},
            "region is us-gov-east-1, and the ARN is in us-gov-west-1",
        ),
        ({"secretsManager": "arn:aws:secretsmanager:eu-west-1:*:secret:db-a1B2c3"}, "not the ARN of a secret"),
        ({"secretsManager": f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:db-a1B2c3"}, "not the ARN of a secret"),
        ({"secretsManager": f"arn:aws:secretsmanager:${{cluster}}:{ACCOUNT}:secret:db"}, "not the ARN of a secret"),
        ({"parameterStore": f"arn:*:ssm:eu-west-1:{ACCOUNT}:parameter/db"}, "not the ARN of a parameter"),
        # What would grant more than one thing in a policy, or be filled in by CloudFormation:
        ({"secretsManager": "prod/*"}, "not the name of a secret: letters, digits and / _ + = . @ ! -, no spaces"),
        ({"secretsManager": "prod/d?"}, "not the name of a secret"),
        ({"secretsManager": "prod/${AWS::Region}"}, "not the name of a secret"),
        ({"secretsManager": "prod/db", "region": "*"}, "String should match pattern"),
        ({"parameterStore": "/prod/*"}, "not the name of a parameter: letters, digits and / _ . -, no spaces"),
        # What AWS would never find:
        ({"secretsManager": "prod/db "}, "no spaces"),
        ({"secretsManager": "prod/db\n"}, "no spaces"),
        ({"secretsManager": "n" * 513}, "not the name of a secret"),
        ({"parameterStore": "/prod/db:live"}, "a version or label has a field of its own"),
        ({"parameterStore": f"{PARAMETER_ARN}:3"}, "a version or label has a field of its own"),
        ({"parameterStore": "prod/payments/tls"}, "a parameter in a hierarchy begins with a slash: /prod/payments/tls"),
        ({"parameterStore": "/prod/db", "version": "live"}, "the version of a parameter is a number"),
        ({"parameterStore": "/prod/db", "version": "0"}, "a number, from 1"),
        ({"parameterStore": "/prod/db", "version": "1.5"}, "a number, from 1"),
        ({"parameterStore": "/prod/db", "version": "³"}, "a number, from 1"),
        ({"parameterStore": "/prod/db", "label": ""}, "at least 1 character"),
        ({"secretsManager": "prod/db", "version": ""}, "at least 1 character"),
        ({"secretsManager": "prod/db", "region": "Frankfurt"}, "String should match pattern"),
    ],
)
def test_a_source_is_one_secret_or_parameter(source: dict[str, str], said: str) -> None:
    assert said in refused(lambda: mapping(sources={"db": source}))


@pytest.mark.parametrize(
    "source",
    [
        {"secretsManager": "a", "version": "v" * 32},
        {"secretsManager": "a", "version": "v" * 64},
        {"secretsManager": "a", "label": "l" * 256},
        {"parameterStore": "a", "version": "10"},
    ],
)
def test_a_version_or_label_can_be_as_long_as_aws_has_it(source: dict[str, str]) -> None:
    assert mapping(sources={"db": source})


@pytest.mark.parametrize(
    ("source", "service", "names", "region"),
    [
        ({"secretsManager": "prod/db"}, "secretsmanager", ("prod/db",), None),
        ({"secretsManager": "prod/db-abc123"}, "secretsmanager", ("prod/db-abc123",), None),
        ({"secretsManager": "prod/db", "region": "eu-west-3"}, "secretsmanager", ("prod/db",), "eu-west-3"),
        ({"secretsManager": ARN}, "secretsmanager", BOTH, "us-gov-west-1"),
        ({"secretsManager": ARN, "region": "us-gov-west-1"}, "secretsmanager", BOTH, "us-gov-west-1"),
        ({"secretsManager": "Team_A/db+x=1.2@eu-west"}, "secretsmanager", ("Team_A/db+x=1.2@eu-west",), None),
        ({"parameterStore": "/prod/tls"}, "parameterstore", ("prod/tls",), None),
        ({"parameterStore": "tls"}, "parameterstore", ("tls",), None),
        ({"parameterStore": PARAMETER_ARN}, "parameterstore", ("prod/tls",), "eu-central-1"),
    ],
)  # fmt: skip
def test_a_source_is_known_by_its_names_and_read_where_it_is(
    source: dict[str, str], service: str, names: tuple[str, ...], region: str | None
) -> None:
    found = Source.model_validate(source)
    assert (found.store_name, found.event_names, found.home_region) == (service, names, region)
    assert found.identifier in source.values()


REFERENCE = "/aws/reference/secretsmanager"


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ({"parameterStore": f"{REFERENCE}/prod/db"}, "{secretsManager: prod/db}"),
        ({"parameterStore": f"/{REFERENCE}/prod/db"}, "{secretsManager: prod/db}"),
        ({"parameterStore": "/AWS/Reference/SecretsManager/db"}, "{secretsManager: db}"),
        ({"parameterStore": REFERENCE}, "{secretsManager: …}"),
        ({"parameterStore": f"{REFERENCE}/teams/${{namespace}}"}, "{secretsManager: teams/${namespace}}"),
        ({"parameterStore": f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter{REFERENCE}/db"}, "{secretsManager: db}"),
        ({"parameterStore": "/db", "failover": [{"region": "us-east-1", "name": f"{REFERENCE}/db"}]}, "Manager: db}"),
        (
            {
                "parameterStore": "/db",
                "failover": [
                    {"region": "us-east-1", "name": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{REFERENCE}/db"}
                ],
            },
            "{secretsManager: db}",
        ),
        ({"parameterStore": f"{REFERENCE}/db", "metadata": "tags"}, "{secretsManager: db}"),
        ({"find": "parameterStore", "path": REFERENCE}, "{find: secretsManager, path: …}"),
        ({"find": "parameterStore", "path": f"{REFERENCE}/prod/"}, "{find: secretsManager, path: prod/}"),
        ({"find": "parameterStore", "regexp": f"^{REFERENCE}/prod"}, "{find: secretsManager, path: prod}"),
        ({"find": "parameterStore", "path": "/aws", "regexp": f"^{REFERENCE}/prod"}, "{find: secretsManager"),
    ],
)
def test_a_parameter_that_is_another_name_of_a_secret_is_refused_with_the_secret(
    source: dict[str, Any], remedy: str
) -> None:
    said = refused(lambda: mapping(sources={"db": source}))
    assert "is another name for secrets of Secrets Manager: write" in said
    assert remedy in said


@pytest.mark.parametrize(
    "name",
    [
        "/${namespace}/reference/secretsmanager/db",
        "/aws/${namespace}/secretsmanager/db",
        "/${cluster}/${namespace}/secretsmanager/db",
        "/aws/reference/${namespace}",
        "/aws/reference/${namespace}/db",
        "/aws/reference/secrets${namespace}/db",
        "/a${cluster}/reference/secretsmanager/db",
    ],
)
def test_a_parameter_that_can_become_another_name_of_a_secret_is_refused(name: str) -> None:
    assert "can become another name for secrets" in refused(lambda: mapping(sources={"db": {"parameterStore": name}}))


@pytest.mark.parametrize(
    "name",
    [
        "/${namespace}/db",
        "/${cluster}/${namespace}/tls/db",
        "/prod/aws/reference/secretsmanager/db",
        "/aws/service/db",
        "/aws/reference/secretsmanagers/db",
        "/${namespace}/${namespace}/secretsmanager/db",  # both are the same
    ],
)
def test_a_parameter_that_cannot_become_another_name_of_a_secret_is_taken(name: str) -> None:
    assert mapping(sources={"db": {"parameterStore": name}})


@pytest.mark.parametrize("alias", ["", "a-b", "1a", "a b", "a.b"])
def test_a_source_is_called_what_a_template_can_name(alias: str) -> None:
    assert "String should match pattern" in refused(lambda: mapping(sources={alias: {"secretsManager": "a"}}))


# The Secret


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (entry(), "needs exactly one of from, template, templateFile and value"),
        (entry(**{"from": "db", "template": "x"}), "needs exactly one of from, template, templateFile and value"),
        (entry(value="x", template="x"), "needs exactly one of from, template, templateFile and value"),
        (entry(template="x", path="a"), "path and decode go with from"),
        (entry(value="x", decode="base64"), "path and decode go with from"),
        (entry(**{"from": "db", "default": "x"}), "default and optional go with path"),
        (entry(value="x", optional=True), "default and optional go with from"),
        (entry(**{"from": "db", "optional": True}), "default and optional go with path"),
        (entry(**{"from": "db", "path": "a", "default": "x", "optional": True}), "takes default or optional, not both"),
        (entry(**{"from": "db", "decode": "rot13"}), "'base64', 'base64url' or 'auto'"),
        ({"data": {}, "dataFrom": [{"from": "tls"}]}, "secret.dataFrom.0: no source is called tls; there is db"),
        (entry(**{"from": "tls"}), "secret.data.key: no source is called tls; there is db"),
        (entry(**{"from": "db", "path": "a["}), "not a JMESPath expression"),
        (entry(**{"from": "db", "path": "a", "property": "b"}), "takes path or property, not both"),
        (entry(value="x", property="a"), "property goes with from"),
        (entry(**{"from": "db", "type": "string"}), "type goes with path"),
        (entry(**{"from": "db", "path": "a", "type": "number"}), "Input should be 'string'"),
        ({"variables": {}}, "needs data or dataFrom"),
        ({"variables": {"data": {"a": {"from": "tls"}}}}, "secret.variables.data.a: no source is called tls"),
        ({"dataFrom": [{}]}, "needs exactly one of from, template and templateFile"),
        ({"dataFrom": [{"template": "x", "path": "a"}]}, "path, property and nullBytes go with from"),
        ({"dataFrom": [{"template": "x", "nullBytes": "refuse"}]}, "path, property and nullBytes go with from"),
        (entry(value="x", nullBytes="refuse"), "nullBytes goes with from"),
        ({"dataFrom": [{"from": "db", "path": "a", "property": "b"}]}, "takes path or property, not both"),
        ({"data": {}}, "needs data, dataFrom, tls or registries"),
        ({"type": "kubernetes.io/service-account-token"}, "the cluster's own and are never written"),
        ({"type": "bootstrap.kubernetes.io/token"}, "the cluster's own and are never written"),
        ({"type": ""}, "at least 1 character"),
        ({"secret": {"name": "x"}}, "needs data, dataFrom, tls or registries"),
    ],
)
def test_a_secret_that_cannot_be_made_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refused(lambda: mapping(**changes))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "label app.kubernetes.io/managed-by is always keyferry"),
        ({"annotations": {"keyferry.dev/keys": "x"}}, "annotation keyferry.dev/keys: keyferry.dev/ is reserved"),
        ({"labels": {"keyferry.dev/generated": "x"}}, "label keyferry.dev/generated: keyferry.dev/ is reserved"),
        ({"labels": {"app": "a b"}}, "String should match pattern"),
        ({"annotations": {"a b": "x"}}, "String should match pattern"),
    ],
)
def test_labels_and_annotations_that_cannot_be_given_are_refused(given: dict[str, Any], said: str) -> None:
    secret = {"name": "x", "data": {"a": {"value": "b"}}}
    assert said in refused(lambda: mapping(secret=secret | given))


@pytest.mark.parametrize("kind", ["example.com/own", "Opaque"])
def test_a_secret_has_the_type_that_the_mapping_says(kind: str) -> None:
    assert mapping(type=kind).spec.secret.type == kind
    assert mapping().spec.secret.type == "Opaque"


@pytest.mark.parametrize("name", ["a", "payments-db", "a.b-c.d", "0", "a" * 63, "a" * 64, "a" * 253])
def test_names_that_kubernetes_takes_are_taken(name: str) -> None:
    assert mapping(name, name=name).spec.secret.name == name


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a" * 254, "a\n", "a/b", "ü"])
def test_names_that_kubernetes_refuses_are_refused(name: str) -> None:
    for wrong in (lambda: mapping(name=name), lambda: mapping(name), lambda: mapping(clusters=[name])):
        assert "String should" in refused(wrong)


@pytest.mark.parametrize("key", [".dockerconfigjson", "tls.crt", "A_b-c.1", ".a..b", "k" * 253])
def test_keys_that_kubernetes_takes_are_taken(key: str) -> None:
    assert key in mapping(data={key: {"from": "db"}}).spec.secret.data


@pytest.mark.parametrize("key", ["", ".", "..", "..data", "a/b", "a b", "ü", "k" * 254])
def test_keys_that_kubernetes_refuses_are_refused(key: str) -> None:
    refused(lambda: mapping(data={key: {"from": "db"}}))


# Targets


@pytest.mark.parametrize(
    "targets",
    [
        [],
        ["A"],
        ["a.b"],
        ["a" * 64],
        {"matchLabels": {}},
        {"matchLabels": {"a": 1}},
        {"labels": {"a": "b"}},
        "payments",
    ],
)
def test_namespaces_are_names_or_labels(targets: object) -> None:
    refused(lambda: mapping(namespaces=targets))


@pytest.mark.parametrize(
    "labels", [{"team": "a,b"}, {"team": "a b"}, {"te,am": "a"}, {"": "a"}, {"team": "-a"}, {"team": "a" * 64}]
)
def test_labels_that_no_object_can_have_are_refused(labels: dict[str, str]) -> None:
    refused(lambda: mapping(namespaces={"matchLabels": labels}))


@pytest.mark.parametrize("labels", [{"team": "payments"}, {"example.com/team": "A.b_c-1"}, {"team": ""}])
def test_labels_that_an_object_can_have_are_taken(labels: dict[str, str]) -> None:
    assert mapping(namespaces={"matchLabels": labels}).spec.namespaces == NamespaceSelector(match_labels=labels)


@pytest.mark.parametrize(
    ("labels", "matches"),
    [
        ({"env": "prod", "team": "payments", "more": "x"}, True),
        ({"env": "prod"}, False),
        ({"env": "prod", "team": "Payments"}, False),
        ({}, False),
    ],
)
def test_a_selector_matches_what_has_every_label(labels: dict[str, str], matches: bool) -> None:
    assert Selector(match_labels={"team": "payments", "env": "prod"}).matches(labels) is matches


def test_a_selector_is_written_as_kubernetes_reads_it() -> None:
    assert str(Selector(match_labels={"team": "payments", "env": "prod"})) == "env=prod,team=payments"


LABELS = {"env": "prod", "tier": "gold", "empty": ""}


@pytest.mark.parametrize(
    ("operator", "key", "values", "matches", "written"),
    [
        ("In", "tier", ["silver", "gold"], True, "tier in (gold,silver)"),
        ("In", "tier", ["silver"], False, "tier in (silver)"),
        ("In", "gone", ["x"], False, "gone in (x)"),
        ("In", "empty", [""], True, "empty in ()"),
        ("NotIn", "tier", ["silver"], True, "tier notin (silver)"),
        ("NotIn", "tier", ["gold"], False, "tier notin (gold)"),
        ("NotIn", "gone", ["x"], True, "gone notin (x)"),
        ("Exists", "empty", [], True, "empty"),
        ("Exists", "gone", [], False, "gone"),
        ("DoesNotExist", "gone", [], True, "!gone"),
        ("DoesNotExist", "tier", [], False, "!tier"),
    ],
)
def test_an_expression_matches_as_in_kubernetes(
    operator: str, key: str, values: list[str], matches: bool, written: str
) -> None:
    found = Expression.model_validate({"key": key, "operator": operator, "values": values})
    assert (found.matches(LABELS), str(found)) == (matches, written)


def test_labels_and_expressions_all_have_to_match() -> None:
    gold = {"key": "tier", "operator": "In", "values": ["gold"]}
    found = Selector.model_validate({"matchLabels": {"env": "prod"}, "matchExpressions": [gold]})
    assert str(found) == "env=prod,tier in (gold)"
    assert found.matches(LABELS)
    assert not found.matches({"tier": "gold"})
    assert not found.matches({"env": "prod"})


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "In and NotIn need values"),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
            "Exists and DoesNotExist take none",
        ),
        ({"matchExpressions": [{"key": "a", "operator": "Is", "values": ["b"]}]}, "'In', 'NotIn', 'Exists'"),
        ({}, "chooses everything; say by which labels"),
        ({"exclude": ["kube-*"]}, "chooses everything; say by which labels"),
        ({"names": ["Team-*"]}, "String should match pattern"),
    ],
)
def test_a_choice_of_namespaces_that_cannot_be_meant_is_refused(chosen: dict[str, Any], said: str) -> None:
    assert said in refused(lambda: mapping(namespaces=chosen))


def test_clusters_are_not_chosen_by_patterns_of_names() -> None:
    assert "Extra inputs are not permitted" in refused(lambda: mapping(clusters={"names": ["prod-*"]}))


@pytest.mark.parametrize(
    ("chosen", "admitted"),
    [
        ({"names": ["team-*", "shop"]}, ["team-a", "team-b", "team-long", "shop"]),
        ({"names": ["team-?"], "exclude": ["*-b"]}, ["team-a"]),
        ({"matchLabels": {"a": "b"}, "exclude": ["kube-*", "shop"]}, ["team-a", "team-b", "team-long"]),
    ],
)
def test_namespaces_are_chosen_by_patterns_of_names_but_some(chosen: dict[str, Any], admitted: list[str]) -> None:
    found = NamespaceSelector.model_validate(chosen)
    names = ["team-a", "team-b", "team-long", "shop", "kube-system"]
    assert sorted(name for name in names if found.matches_name(name)) == sorted(admitted)


# Restarts, conflicts, the whole


def test_a_list_of_namespaces_holds_names_and_choices() -> None:
    found = mapping(namespaces=["shop", "pay", "shop", {"names": ["team-*"]}, {"matchLabels": {"a": "b"}}]).spec
    assert found.namespace_names == ["pay", "shop"]
    assert [str(each) for each in found.namespace_selectors] == ["", "a=b"]
    named = mapping(namespaces=["shop", {"names": ["team-*"]}]).spec
    assert [named.can_write_to(name) for name in ("shop", "team-a", "pay")] == [True, True, False]


def test_restarts_are_automatic_none_or_named() -> None:
    named = [{"kind": "Rollout", "name": "api"}, {"kind": "Deployment", "name": "api"}]
    assert mapping().spec.restart == "auto"
    assert mapping(restart="none").spec.restart == "none"
    assert mapping(restart=named).spec.restart == [
        Workload(kind="Rollout", name="api"),
        Workload(kind="Deployment", name="api"),
    ]


@pytest.mark.parametrize("restart", ["always", [{"kind": "Job", "name": "a"}], [{"kind": "Deployment"}], None, True])
def test_other_restarts_are_refused(restart: object) -> None:
    refused(lambda: mapping(restart=restart))


def test_a_workload_that_is_named_twice_is_refused() -> None:
    assert "names a workload twice" in refused(lambda: mapping(restart=[{"kind": "Deployment", "name": "a"}] * 2))


def test_a_mapping_takes_nothing_over_unless_it_says_so() -> None:
    assert mapping().spec.policies.conflict == "fail"
    assert mapping(policies={"conflict": "takeOver"}).spec.policies.conflict == "takeOver"
    refused(lambda: mapping(policies={"conflict": "force"}))


@pytest.mark.parametrize("change", [{"apiVersion": "v1"}, {"kind": "Mapping"}, {"metadata": {}}, {"status": {}}])
def test_a_document_of_another_kind_is_refused(change: dict[str, Any]) -> None:
    whole = {"apiVersion": "keyferry.dev/v1", "kind": "SecretMapping", "metadata": {"name": "a"}, "spec": SPEC}
    refused(lambda: type(mapping()).model_validate(whole | change))


def test_what_is_wrong_is_told_without_what_was_written() -> None:
    assert "spec.secret.name" in refused(lambda: mapping(name="canary value", type=["canary-2"]))


# Clusters


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-gov-west-1", "cn-northwest-1", "us-isob-east-1", "eusc-de-east-1", "ap-southeast-7"]
)
def test_every_region_is_one(region: str) -> None:
    assert cluster(eks={"name": "prod", "region": region, "account": ACCOUNT}).eks.region == region


@pytest.mark.parametrize(
    "eks",
    [
        {"name": "prod", "region": "Ireland", "account": ACCOUNT},
        {"name": "prod", "region": "eu-west-1a", "account": ACCOUNT},
        {"name": "prod", "region": "eu-west-1", "account": "1111"},
        {"name": "prod", "region": "eu-west-1", "account": 111122223333},
        {"name": "-prod", "region": "eu-west-1", "account": ACCOUNT},
        {"name": "p" * 101, "region": "eu-west-1", "account": ACCOUNT},
    ],
)
def test_a_cluster_that_eks_cannot_have_is_refused(eks: dict[str, Any]) -> None:
    refused(lambda: cluster(eks=eks))


@pytest.mark.parametrize("part", [{"endpoint": "https://a"}, {"certificateAuthority": AUTHORITY}])
def test_endpoint_and_authority_go_together(part: dict[str, str]) -> None:
    assert "endpoint and certificateAuthority go together" in refused(lambda: cluster(**part))
    given = cluster(endpoint="https://a", certificateAuthority=AUTHORITY).given_endpoint
    assert given == Endpoint("https://a", AUTHORITY)
    assert cluster().given_endpoint is None


@pytest.mark.parametrize(
    "authority", ["", "LS0t", TRUNCATED, "w7w=", "not base64", "/etc/ca.pem", "-----BEGIN CERTIFICATE-----"]
)
def test_an_authority_is_the_base64_of_a_certificate(authority: str) -> None:
    assert "needs the base64 of a PEM certificate" in refused(
        lambda: cluster(endpoint="https://a", certificateAuthority=authority)
    )


@pytest.mark.parametrize("endpoint", ["http://a", "https://a/path", "a", "https://a b"])
def test_an_endpoint_is_an_https_address(endpoint: str) -> None:
    refused(lambda: cluster(endpoint=endpoint, certificateAuthority=AUTHORITY))


@pytest.mark.parametrize("role", ["keyferry", "arn:aws:iam::1:role/a", f"arn:aws:iam::{ACCOUNT}:user/a"])
def test_a_role_is_the_arn_of_one(role: str) -> None:
    refused(lambda: cluster(role=role))
    assert cluster(role=f"arn:aws-cn:iam::{ACCOUNT}:role/path/keyferry").role


def test_tags_whose_keys_differ_in_case_alone_are_refused() -> None:
    both, said = {"team": "a", "Team": "b"}, "team and Team differ in case alone, and are one key for IAM"
    for source in (
        {"secretsManager": "a", "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/a", "sessionTags": both}},
        {"find": "secretsManager", "tags": both},
    ):
        assert said in refused(lambda source=source: Source.model_validate(source))


def test_a_cluster_looks_for_the_built_in_kinds_where_it_names_no_others() -> None:
    assert cluster().restart_kinds == DEFAULT_KINDS
    assert list(map(str, DEFAULT_KINDS)) == ["Deployment", "StatefulSet", "DaemonSet"]
    assert cluster(restartKinds=["Rollout", "Deployment"]).restart_kinds == (KINDS["Rollout"], KINDS["Deployment"])


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["Deployment", "Rollout", "Deployment"], "names Deployment twice; name each kind once"),
        ([], "names no kind; leave it out"),
    ],
)
def test_a_cluster_names_each_kind_once_and_one_at_least(kinds: list[str], said: str) -> None:
    assert said in refused(lambda: cluster(restartKinds=kinds))


def test_the_kinds_of_a_cluster_are_compiled_by_their_names() -> None:
    made = cluster(restartKinds=["Rollout"])
    text = made.model_dump_json(by_alias=True, exclude_defaults=True)
    assert json.loads(text)["restartKinds"] == ["Rollout"]
    assert Cluster.model_validate_json(text) == made
    assert "restartKinds" not in cluster().model_dump_json(by_alias=True, exclude_defaults=True)


def test_a_file_of_clusters_has_any_number() -> None:
    file = {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": []}
    assert Clusters.model_validate(file).clusters == []
    refused(lambda: Clusters.model_validate(file | {"kind": "Cluster"}))


# Policies and names


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({"creation": "merge", "keys": "exclusive"}, "keys: exclusive would remove theirs"),
        ({"creation": "merge", "deletion": "delete"}, "deletion: merge takes our keys out again"),
        ({"creation": "createOnce", "keys": "exclusive"}, "leaves a Secret that exists alone"),
    ],
)
def test_policies_that_contradict_each_other_are_refused(policies: dict[str, str], said: str) -> None:
    assert said in refused(lambda: mapping(policies=policies))


@pytest.mark.parametrize("kind", ["kubernetes.io/basic-auth", "kubernetes.io/ssh-auth"])
def test_a_typed_secret_cannot_lose_its_keys_and_stay(kind: str) -> None:
    data = {"username": {"value": "me"}, "ssh-privatekey": {"value": "x"}}
    said = refused(lambda: mapping(data=data, type=kind, policies={"deletion": "merge"}))
    assert f"deletion: merge would leave a Secret of type {kind} without" in said
    assert mapping(data=data, type=kind, policies={"deletion": "merge", "creation": "merge"})
    assert mapping(data=data, type=kind, policies={"deletion": "delete"})


def test_what_is_merged_into_somebody_elses_secret_does_not_make_it_immutable() -> None:
    assert "secret.immutable cannot be set" in refused(lambda: mapping(policies={"creation": "merge"}, immutable=True))


def test_the_names_of_a_mapping_are_its_own_and_those_before_and_none_twice() -> None:
    assert mapping("b", ["a"]).names == ("b", "a")
    assert "names the mapping itself" in refused(lambda: mapping("a", ["a"]))
