"""`grant: prefix` in a rule: IAM grants the rule's patterns in place of names, and nothing beyond them."""

from pathlib import Path
from typing import Any

import pytest

from keyferry.access import iam
from keyferry.access.grants import list_source_grants
from keyferry.cli.check import files
from keyferry.cli.generated import render_files
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.verdict import Verdict
from keyferry.policy.prefixes import list_prefixes
from tests.unit.samples import ACCOUNT, cluster, mapping
from tests.unit.test_files import CLUSTERS, MAPPING
from tests.unit.test_judge import policy, rule

SECRETS = "arn:${AWS::Partition}:secretsmanager:REGION:${AWS::AccountId}:secret:"
PARAMETERS = "arn:${AWS::Partition}:ssm:REGION:${AWS::AccountId}:parameter/"
PREFIX: dict[str, Any] = rule(grant="prefix")
SPOKE = "arn:aws:iam::444455556666:role/secrets"


def prefixes(*rules: dict[str, Any], file: str = "payments/db.yaml", **changes: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """Return the patterns that some rules grant in place of the names of a mapping."""
    targets = [cluster(name) for name in changes.get("clusters", ["prod-eu"])]
    return list_prefixes(mapping(**changes), targets, policy(*rules).rules_for(file))


def test_the_patterns_that_cover_a_source_are_granted_in_place_of_its_name() -> None:
    assert prefixes(PREFIX) == {"db": ["prod/payments/*"]}
    assert prefixes(rule()) == {}


def test_of_several_patterns_the_longest_that_covers_a_name_is_granted() -> None:
    several = {"secretsManager": ["prod/*", "prod/payments/*", "prod/payments/d?", "shop/*"]}
    assert prefixes(PREFIX | {"sources": several}) == {"db": ["prod/payments/d?"]}


def test_each_place_has_the_patterns_that_cover_its_names() -> None:
    teams = {"secretsManager": ["teams/payments/*", "teams/billing/*", "teams/shop/*"]}
    wanted = {"db": {"secretsManager": "teams/${namespace}/db"}}
    granted = prefixes(
        PREFIX | {"sources": teams, "namespaces": ["*"]}, sources=wanted, namespaces=["payments", "billing"]
    )
    assert granted == {"db": ["teams/billing/*", "teams/payments/*"]}


def test_a_rule_grants_only_what_it_allows_alone() -> None:
    elsewhere = PREFIX | {"sources": {"secretsManager": ["prod/*"]}, "clusters": ["test-*"]}
    assert prefixes(elsewhere, rule()) == {}
    assert prefixes(elsewhere | {"clusters": ["prod-*"], "types": ["kubernetes.io/tls"]}, rule()) == {}
    assert prefixes(rule(), PREFIX) == {"db": ["prod/payments/*"]}


def test_a_secret_of_whatever_type_is_there_takes_a_rule_that_allows_some_type() -> None:
    assert prefixes(PREFIX | {"policies": {"creation": ["merge"]}}, policies={"creation": "merge"}) == {
        "db": ["prod/payments/*"]
    }


@pytest.mark.parametrize(
    "source",
    [{"find": "secretsManager", "path": "prod/payments/"}, {"secretsManager": "prod/payments/db", "role": SPOKE}],
)
def test_a_find_and_a_source_with_a_role_keep_what_they_have(source: dict[str, Any]) -> None:
    sources = PREFIX["sources"] | {"roles": [SPOKE], "accounts": ["444455556666"]}
    changes: dict[str, Any] = {"sources": {"db": source}, "data": {}, "dataFrom": [{"from": "db"}]}
    assert prefixes(PREFIX | {"sources": sources}, **changes) == {}


def test_a_mapping_that_goes_nowhere_is_granted_nothing() -> None:
    assert list_prefixes(mapping(), [], policy(PREFIX).rules_for("payments/db.yaml")) == {}


# IAM


def granted(source: dict[str, Any], *patterns: str) -> list[tuple[str, str]]:
    """Return (action, resource) for reading a source in whose place patterns are granted."""
    whole = build_catalog([mapping(sources={"db": source}, data={"key": {"from": "db"}})], [cluster()])
    verdicts = {"payments-db": Verdict(prefixes={"db": list(patterns)})}
    grants = list_source_grants(whole.model_copy(update={"verdicts": verdicts}))
    return [(each.action, each.resource) for each in grants if each.action != "kms:Decrypt"]


@pytest.mark.parametrize(
    ("source", "pattern", "action", "resources"),
    [
        (
            {"secretsManager": "prod/a", "failover": ["us-east-1"]},
            "prod/*",
            "secretsmanager:GetSecretValue",
            [SECRETS.replace("REGION", region) + "prod/*-??????" for region in ("${AWS::Region}", "us-east-1")],
        ),
        (
            {"secretsManager": f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:prod/a-a1B2c3"},
            "prod/*",
            "secretsmanager:GetSecretValue",
            [f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:prod/*-??????"],
        ),
        (
            {"secretsManager": "prod/a", "metadata": "tags"},
            "prod/*",
            "secretsmanager:DescribeSecret",
            [SECRETS.replace("REGION", "${AWS::Region}") + "prod/*-??????"],
        ),
        (
            {"parameterStore": "/prod/a", "region": "us-east-1"},
            "/prod/*",
            "ssm:GetParameter",
            [PARAMETERS.replace("REGION", "us-east-1") + "prod/*"],
        ),
        (
            {"parameterStore": f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/prod/a"},
            "/prod/*",
            "ssm:GetParameter",
            [f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/prod/*"],
        ),
    ],
)
def test_a_pattern_is_granted_where_the_source_is(
    source: dict[str, Any], pattern: str, action: str, resources: list[str]
) -> None:
    assert granted(source, pattern) == [(action, resource) for resource in resources]


@pytest.mark.unwatched
def test_two_thousand_secrets_fit_by_prefix_and_not_by_name() -> None:
    def whole(**verdicts: Verdict) -> Catalog:
        mappings = [
            mapping(
                f"m{number}", name=f"s{number}", sources={"db": {"secretsManager": f"prod/team-{number % 40}/{number}"}}
            )
            for number in range(2000)
        ]
        return build_catalog(mappings, [cluster()]).model_copy(update={"verdicts": verdicts})

    by_prefix = {f"m{number}": Verdict(prefixes={"db": [f"prod/team-{number % 40}/*"]}) for number in range(2000)}
    assert not iam.compute_usage(whole()).fits
    usage = iam.compute_usage(whole(**by_prefix))
    assert (usage.fits, usage.names) == (True, 40)
    assert len(iam.build_template(whole(**by_prefix))["Resources"]) < 5


# The files


POLICY = """\
apiVersion: keyferry.dev/v1
kind: Policy
rules:
  - mappings: [payments/*.yaml]
    grant: prefix
    sources: {secretsManager: ["prod/payments/*"]}
    clusters: [prod-*]
    namespaces: [payments]
"""


def test_what_a_prefix_opens_is_said_in_the_file_that_grants_it(tmp_path: Path) -> None:
    (tmp_path / "payments").mkdir()
    for name, text in {"clusters.yaml": CLUSTERS, "policy.yaml": POLICY, "payments/db.yaml": MAPPING}.items():
        (tmp_path / name).write_text(text)
    catalog = files.load(tmp_path)
    assert catalog.verdicts == {"payments-db": Verdict(prefixes={"db": ["prod/payments/*"]})}
    access = render_files(catalog)["stack/access.yaml"]
    assert "also where no\n# mapping names it:\n#   secretsManager prod/payments/*\n" in access
    assert "secret:prod/payments/*-??????" in access
    (tmp_path / "policy.yaml").write_text(POLICY.replace("prefix", "names"))
    assert "CAREFUL" not in render_files(files.load(tmp_path))["stack/access.yaml"]
