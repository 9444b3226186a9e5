"""What a policy allows is what one rule allows as a whole; all else is refused, at its place."""

from typing import Any

import pytest
from pydantic import ValidationError

from keyferry.policy.judge import Refusal, list_refusals
from keyferry.policy.rules import Policy, Rule
from keyferry.stores.source import Source
from tests.unit.samples import ACCOUNT, cluster, mapping

ARN = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:prod/payments/db-a1B2c3"
ALLOWED: dict[str, Any] = {
    "mappings": ["payments/*.yaml"],
    "sources": {"secretsManager": ["prod/payments/*"], "parameterStore": ["/prod/payments/*"]},
    "clusters": ["prod-*"],
    "namespaces": ["payments", "payments-*"],
}


def rule(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return ALLOWED | changes


def policy(*rules: dict[str, Any]) -> Policy:
    return Policy.model_validate({"apiVersion": "keyferry.dev/v1", "kind": "Policy", "rules": rules})


def refused(*rules: dict[str, Any], file: str = "payments/db.yaml", **changes: Any) -> list[Refusal]:  # noqa: ANN401
    targets = [cluster(name) for name in changes.get("clusters", ["prod-eu"])]
    return list(list_refusals(mapping(**changes), targets, policy(*rules).rules_for(file)))


def test_what_a_rule_allows_is_not_refused() -> None:
    assert refused(rule()) == []


@pytest.mark.parametrize(
    ("pattern", "source", "allowed"),
    [
        ("/team-a/*", {"secretsManager": "/team-a/db"}, True),
        ("/team-a/*", {"secretsManager": "team-a/db"}, False),
        ("team-a/*", {"secretsManager": "/team-a/db"}, False),
        ("team-a/*", {"find": "secretsManager", "path": "/team-a/"}, False),
        ("/team-a/*", {"find": "secretsManager", "path": "team-a/"}, False),
        ("/team-a/*", {"find": "secretsManager", "path": "/team-a/"}, True),
    ],
)
def test_a_leading_slash_is_part_of_a_secrets_name(pattern: str, source: dict[str, str], allowed: bool) -> None:
    allowed_sources = Rule.model_validate(rule(sources={"secretsManager": [pattern]})).sources
    assert allowed_sources.allows(Source.model_validate(source), "prod-eu", "payments") is allowed


@pytest.mark.parametrize(
    "source",
    [
        {"secretsManager": "rds!cluster-2f1e"},
        {"secretsManager": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:rds!cluster-2f1e-a1B2c3"},
        {"secretsManager": "rds!cluster-2f1e", "failover": [{"region": "us-east-1", "name": "rds!cluster-3a"}]},
        {"find": "secretsManager", "path": "rds!cluster-"},
        {"find": "secretsManager", "regexp": "^rds!cluster-"},
        {"secretsManager": "rds!cluster-${namespace}"},
    ],
)
def test_names_that_aws_manages_are_judged_as_all_others(source: dict[str, Any]) -> None:
    """An exclamation mark is in `rds!…`, `redshift!…` and others."""

    def allows(*patterns: str) -> bool:
        sources = {"secretsManager": patterns, "accounts": [ACCOUNT], "regions": ["*"]}
        allowed = Rule.model_validate(rule(sources=sources)).sources
        return allowed.allows(Source.model_validate(source), "prod-eu", "payments")

    assert allows("rds!cluster-*")
    assert not allows("rds!db-*", "rds*x", "rdscluster-*")


def test_without_a_rule_for_its_file_a_mapping_is_refused() -> None:
    expected = [Refusal(("metadata", "name"), "no rule is for this file")]
    assert refused() == refused(rule(), file="shop/db.yaml") == expected


@pytest.mark.parametrize(
    ("pattern", "file", "fits"),
    [
        ("payments/*.yaml", "payments/db.yaml", True),
        ("payments/*.yaml", "payments/eu/db.yaml", False),
        ("payments/**/*.yaml", "payments/eu/db.yaml", True),
        ("payments/**/*.yaml", "payments/db.yaml", True),
        ("payments/**", "payments/eu/db.yml", True),
        ("*.yaml", "payments/db.yaml", False),
        ("**", "payments/db.yaml", True),
        ("payments/*.yaml", "Payments/db.yaml", False),
    ],
)
def test_a_star_in_a_pattern_of_files_stops_at_a_slash(pattern: str, file: str, fits: bool) -> None:
    assert bool(policy(rule(mappings=[pattern])).rules_for(file)) is fits


@pytest.mark.parametrize(
    ("changes", "place", "what", "allowed"),
    [
        (
            {"sources": {"db": {"secretsManager": "prod/shop/db"}}},
            ("spec", "sources", "db"),
            "source db reads prod/shop/db",
            "allows prod/payments/*",
        ),
        (
            {"sources": {"db": {"parameterStore": "/prod/shop/db"}}},
            ("spec", "sources", "db"),
            "source db reads prod/shop/db",
            "allows /prod/payments/*",
        ),
        (
            {"sources": {"db": {"secretsManager": ARN}}},
            ("spec", "sources", "db"),
            f"source db reads prod/payments/db of account {ACCOUNT} in eu-west-1",
            "allows accounts: none (of the stack's own account, write the name)",
        ),
        (
            {"clusters": ["prod-eu", "test-eu"]},
            ("spec", "clusters", 1),
            "it goes to cluster test-eu",
            "allows prod-*",
        ),
        (
            {"namespaces": ["payments", "shop"]},
            ("spec", "namespaces", 1),
            "it goes to namespace shop",
            "allows payments, payments-*",
        ),
        (
            {"type": "kubernetes.io/basic-auth"},
            ("spec", "secret", "type"),
            "the Secret is of type kubernetes.io/basic-auth",
            "allows Opaque",
        ),
        (
            {"namespaces": {"names": ["payments-*"]}},
            ("spec", "namespaces"),
            "a selector chooses namespaces of cluster prod-eu",
            "allows it in clusters: none",
        ),
    ],
)
def test_what_no_rule_allows_is_refused_at_its_place(
    changes: dict[str, Any], place: tuple[str | int, ...], what: str, allowed: str
) -> None:
    assert refused(rule(), **changes) == [Refusal(place, what, ((0, allowed),))]


def test_names_of_secrets_can_be_limited() -> None:
    found = refused(rule(secrets=["pay-*"]))
    assert found == [Refusal(("spec", "secret", "name"), "the Secret is called payments-db", ((0, "allows pay-*"),))]
    assert refused(rule(secrets=["payments-*"])) == []


@pytest.mark.parametrize(
    ("written", "right"),
    [("opaque", "Opaque"), ("kubernetes.io/tsl", "kubernetes.io/tls"), ("generic", "Opaque")],
)
def test_a_type_that_is_nearly_a_built_in_one_is_no_type(written: str, right: str) -> None:
    with pytest.raises(ValidationError, match=f"{written} is no type of Kubernetes, .* did you mean {right}?"):
        Rule.model_validate(rule(types=[written]))


def test_types_of_others_and_old_ones_of_kubernetes_are_taken() -> None:
    types = ["kubernetes.io/*", "kubernetes.io/rbd", "example.com/tsl", "opaqu?", "helm.sh/release.v1"]
    assert Rule.model_validate(rule(types=types)).types == types


def test_types_can_be_patterns() -> None:
    assert refused(rule(types=["kubernetes.io/*"]), type="kubernetes.io/basic-auth") == []


@pytest.mark.parametrize(
    "chosen",
    [
        {"names": ["payments-*"], "matchLabels": {"team": "payments"}},
        {"names": ["payments", "payments-eu-?"]},
    ],
)
def test_a_selector_is_allowed_for_a_cluster_and_within_the_namespaces(chosen: dict[str, Any]) -> None:
    assert refused(rule(namespaceSelectors=["prod-eu"]), namespaces=chosen) == []
    found = refused(rule(namespaceSelectors=["prod-eu"]), namespaces=chosen, clusters=["prod-eu", "prod-us"])
    assert [each.request for each in found] == ["a selector chooses namespaces of cluster prod-us"]


@pytest.mark.parametrize(
    ("chosen", "place", "what"),
    [
        (
            {"matchLabels": {"team": "payments"}},
            ("spec", "namespaces"),
            "it can go to any namespace, as its names do not limit it",
        ),
        ({"names": ["payments-*", "pay*"]}, ("spec", "namespaces", "names", 1), "it goes to namespace pay*"),
    ],
)
def test_labels_alone_could_choose_any_namespace(
    chosen: dict[str, Any], place: tuple[str | int, ...], what: str
) -> None:
    [found] = refused(rule(namespaceSelectors=["*"]), namespaces=chosen)
    assert (found.path, found.request) == (place, what)
    assert refused(rule(namespaceSelectors=["*"], namespaces=["*"]), namespaces=chosen) == []


def test_every_part_that_no_rule_allows_is_told_with_every_rule() -> None:
    found = refused(rule(), rule(clusters=["dev"], types=["x"]), clusters=["test"], type="kubernetes.io/basic-auth")
    assert [each.path[-1] for each in found] == ["type", 0]
    assert found[1].reasons == ((0, "allows prod-*"), (1, "allows dev"))


def test_rules_that_allow_a_part_each_allow_nothing_together() -> None:
    test = rule(clusters=["test"], sources={"secretsManager": ["*"]})
    sources = {"db": {"secretsManager": "prod/payments/db"}, "other": {"secretsManager": "prod/shop/db"}}
    [found] = refused(rule(), test, sources=sources)
    assert found == Refusal(
        ("spec", "sources", "other"),
        "no one rule allows source other for namespace payments of cluster prod-eu",
        (
            (0, "does not allow that source other reads prod/shop/db"),
            (1, "does not allow that it goes to cluster prod-eu"),
        ),
    )
    [found] = refused(rule(), test, namespaces={"names": ["payments"]}, clusters=["prod-eu"])
    assert found.request == "a selector chooses namespaces of cluster prod-eu"


def test_sources_of_one_mapping_can_be_allowed_by_different_rules() -> None:
    shared = rule(sources={"secretsManager": ["shared/*"]})
    sources = {"db": {"secretsManager": "prod/payments/db"}, "ca": {"secretsManager": "shared/ca"}}
    assert refused(rule(), shared, sources=sources) == []


def test_a_selector_is_allowed_by_the_rule_that_allows_the_source() -> None:
    rules = rule(), rule(sources={"secretsManager": ["shared/*"]}, namespaceSelectors=["*"])
    [found] = refused(*rules, namespaces={"names": ["payments"]})
    assert found.reasons[0] == (0, "does not allow that a selector chooses namespaces of cluster prod-eu")


def test_an_arn_is_allowed_with_its_account_and_every_name_that_it_can_mean() -> None:
    sources = {"db": {"secretsManager": ARN}}
    where = {"accounts": [ACCOUNT], "regions": ["eu-west-1"]}
    allowed = {"secretsManager": ["prod/payments/*"], **where}
    assert refused(rule(sources=allowed), sources=sources) == []
    # The ARN could also be one without suffix, of a secret whose name ends so.
    exact = {"secretsManager": ["prod/payments/db"], **where, "accounts": ["*"]}
    assert [each.reasons for each in refused(rule(sources=exact), sources=sources)] == [
        ((0, "allows prod/payments/db"),)
    ]


@pytest.mark.parametrize(
    ("name", "namespaces", "allowed", "fits"),
    [
        ("teams/${namespace}/db", ["payments"], "teams/payments/*", True),
        ("teams/${namespace}/db", ["payments", "payments-eu"], "teams/payments/*", False),
        ("teams/${namespace}/db", [{"names": ["payments-*"]}], "teams/payments-*", True),
        ("teams/${namespace}/db", {"names": ["payments-*"]}, "teams/payments-eu/*", False),
        ("${cluster}/${namespace}", ["payments"], "prod-eu/payments", True),
        ("${cluster}/${namespace}", ["payments"], "prod-us/*", False),
    ],
)
def test_what_placeholders_can_stand_for_has_to_be_allowed(
    name: str, namespaces: object, allowed: str, fits: bool
) -> None:
    rules = rule(sources={"secretsManager": [allowed]}, namespaceSelectors=["*"])
    assert bool(refused(rules, sources={"db": {"secretsManager": name}}, namespaces=namespaces)) is not fits


def test_each_place_that_placeholders_stand_for_can_have_its_rule() -> None:
    rules = [rule(sources={"secretsManager": [f"teams/{name}"]}, namespaces=[name]) for name in ("a", "b")]
    sources = {"db": {"secretsManager": "teams/${namespace}"}}
    assert refused(*rules, sources=sources, namespaces=["a", "b"]) == []
    [found] = refused(*rules, sources=sources, namespaces=["a", "c"])[1:]
    assert found.request == "source db reads teams/${namespace}"


def test_a_namespace_that_looks_like_the_suffix_of_an_arn_reads_nothing_else() -> None:
    sources = {"db": {"secretsManager": ARN.replace("db-a1B2c3", "db-${namespace}")}}
    where = {"accounts": [ACCOUNT], "regions": ["*"]}
    allowed = {"secretsManager": ["prod/payments/db-*"], **where}
    assert refused(rule(sources=allowed), sources=sources) != []
    allowed = {"secretsManager": ["prod/payments/db*"], **where}
    assert refused(rule(sources=allowed), sources=sources) == []


def test_names_and_selectors_of_one_list_are_judged_each_at_its_place() -> None:
    found = refused(rule(), namespaces=["payments", {"names": ["payments-*"]}, "shop", {"names": ["a", "shop-*"]}])
    assert [each.path[2:] for each in found] == [(2,), (3, "names", 0), (3, "names", 1), (1,), (3,)]


def test_a_mapping_that_goes_to_no_cluster_yet_is_judged_by_the_rest() -> None:
    nowhere = mapping(clusters={"matchLabels": {"env": "none"}}, sources={"db": {"secretsManager": "shop"}})
    found = list(list_refusals(nowhere, [], policy(rule()).rules_for("payments/db.yaml")))
    assert [each.request for each in found] == ["source db reads shop"]


def test_a_cluster_chosen_by_labels_is_refused_where_the_labels_are() -> None:
    chosen = mapping(clusters={"matchLabels": {"env": "prod"}})
    [found] = list_refusals(chosen, [cluster("test")], policy(rule()).rules_for("payments/db.yaml"))
    assert (found.path, found.request) == (("spec", "clusters"), "it goes to cluster test")


@pytest.mark.parametrize(
    "change",
    [
        {"mappings": []},
        {"mappings": ["/etc/*"]},
        {"mappings": [""]},
        {"namespaces": []},
        {"namespaces": ["Team"]},
        {"clusters": []},
        {"types": []},
        {"sources": {"accounts": ["123"]}},
        {"sources": {"secretsManager": ["a[b]"]}},
        {"sources": {"roles": ["secrets"]}},
        {"sources": {"roles": ["*"]}},
        {"sources": {"regions": [""]}},
        {"sources": {"externalIds": [""]}},
        {"sources": {"sessionTags": {"team": "payments"}}},
        {"labels": [""]},
        {"annotations": ["a b"]},
        {"policies": {"creation": []}},
        {"policies": {"conflict": ["take"]}},
        {"restarts": ["Web"]},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(rule(**change))
