"""What a rule does not mention is allowed as far as it is harmless; the rest takes a rule that says so."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from keyferry.formats.fields import LabelKey, Name, Region
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.policies import Policies
from keyferry.policy.fields import KNOWN, is_known
from keyferry.policy.judge import Refusal, list_allowed_types, list_refusals
from keyferry.policy.metadata import is_harmless
from keyferry.policy.rules import AllowedPolicies, Rule
from keyferry.role import Role, RoleArn, TagValue
from tests.unit.samples import cluster, mapping
from tests.unit.test_judge import refused, rule

OTHER = "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/secrets"
SECRET = {"name": "payments-db", "data": {"a": {"value": "b"}}}


def requests(*rules: dict[str, Any], **changes: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """Return what is refused, each with what the first rule allows in its place."""
    return [(each.request, each.reasons[0][1]) for each in refused(*rules, **changes)]


def sources(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"sources": {"db": {"secretsManager": "prod/payments/db"} | changes}}


def allowing(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return rule(sources={"secretsManager": ["prod/payments/*"], "accounts": [OTHER], **changes})


# Regions and roles of sources


@pytest.mark.parametrize(
    ("source", "region"),
    [
        ({"region": "ap-southeast-2"}, "ap-southeast-2"),
        ({"failover": ["us-east-1"]}, "us-east-1"),
        ({"failover": [{"region": "us-east-1", "name": "prod/payments/other"}]}, "us-east-1"),
        ({"secretsManager": f"arn:aws:secretsmanager:eu-west-3:{OTHER}:secret:prod/payments/db"}, "eu-west-3"),
    ],
)
def test_another_region_takes_a_rule_that_names_it(source: dict[str, Any], region: str) -> None:
    [(request, allowed)] = requests(allowing(), **sources(**source))
    assert f" in {region}" in request
    assert allowed == "allows regions: none"
    assert requests(allowing(regions=[region]), **sources(**source)) == []
    assert requests(allowing(regions=["eu-north-?"]), **sources(**source))[0][1] == "allows regions: eu-north-?"


def test_all_regions_of_a_source_have_to_be_allowed() -> None:
    source = sources(region="eu-west-1", failover=["us-east-1", "eu-central-1"])
    assert requests(allowing(regions=["eu-*"]), **source) == [
        ("source db reads prod/payments/db in eu-central-1 and eu-west-1 and us-east-1", "allows regions: eu-*")
    ]
    assert requests(allowing(regions=["eu-*", "us-east-1"]), **source) == []


def test_a_find_in_another_region_takes_a_rule_that_names_it() -> None:
    source = {"sources": {"db": {"find": "secretsManager", "path": "prod/payments/", "region": "us-east-1"}}}
    secret = {"name": "payments-db", "dataFrom": [{"from": "db"}]}
    assert requests(allowing(), **source, secret=secret)[0][1] == "allows regions: none"
    assert requests(allowing(regions=["us-*"]), **source, secret=secret) == []


def test_a_role_takes_a_rule_that_names_it_and_its_account() -> None:
    request = f"source db reads prod/payments/db of account {OTHER} with {ROLE}"
    assert requests(rule(), **sources(role=ROLE)) == [(request, "allows accounts: none")]
    assert requests(allowing(), **sources(role=ROLE)) == [(request, "allows roles: none")]
    assert requests(allowing(roles=[ROLE]), **sources(role=ROLE)) == []
    assert requests(allowing(roles=[f"{ROLE}-*"]), **sources(role=ROLE)) != []
    assert requests(allowing(roles=["arn:aws:iam::*:role/sec*"]), **sources(role=ROLE)) == []


def test_each_role_of_a_chain_has_to_be_allowed() -> None:
    chain = [f"arn:aws:iam::{OTHER}:role/hub", ROLE]
    assert requests(allowing(roles=[ROLE]), **sources(role=chain))[0][1] == f"allows roles: {ROLE}"
    assert requests(allowing(roles=[ROLE, chain[0]]), **sources(role=chain)) == []


@pytest.mark.parametrize(
    ("given", "missing", "allowed"),
    [
        ({"externalId": "payments-7f3a"}, "externalIds: none", {"externalIds": ["payments-*"]}),
        ({"sessionTags": {"team": "payments"}}, "sessionTags: team: none", {"sessionTags": {"team": ["payments"]}}),
        ({"sessionTags": {"team": ""}}, "sessionTags: team: none", {"sessionTags": {"team": ["*"]}}),
    ],
)
def test_external_ids_and_session_tags_take_a_rule_that_names_them(
    given: dict[str, Any], missing: str, allowed: dict[str, Any]
) -> None:
    for role in ({"arn": ROLE} | given, [{"arn": ROLE}, {"arn": ROLE} | given]):
        assert requests(allowing(roles=[ROLE]), **sources(role=role))[0][1] == f"allows {missing}"
        assert requests(allowing(roles=[ROLE], **allowed), **sources(role=role)) == []


def test_a_session_tag_of_another_team_is_refused() -> None:
    """A role can go by `aws:PrincipalTag/team`: whoever chooses the tag chooses the team that he is."""
    role = {"role": {"arn": ROLE, "sessionTags": {"env": "prod", "team": "shop"}}}
    rules = allowing(roles=[ROLE], sessionTags={"team": ["payments"], "env": ["*"]})
    assert requests(rules, **sources(**role))[0][1] == "allows sessionTags: team: payments"


# Labels and annotations

ACTED_ON = [
    # replicators
    "reflector.v1.k8s.emberstack.com/reflection-allowed",
    "reflector.v1.k8s.emberstack.com/reflection-auto-enabled",
    "kubed.appscode.com/sync",
    "replicator.v1.mittwald.de/replicate-to",
    "replicator.v1.mittwald.de/replication-allowed",
    "synator/sync",
    "secretgen.carvel.dev/image-pull-secret",
    "generate.kyverno.io/clone-source",
    "propagate.hnc.x-k8s.io/select",
    # GitOps tools, package managers, backups
    "argocd.argoproj.io/secret-type",
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/hook",
    "argocd.argoproj.io/sync-options",
    "app.kubernetes.io/instance",
    "kustomize.toolkit.fluxcd.io/prune",
    "kustomize.toolkit.fluxcd.io/name",
    "reconcile.fluxcd.io/watch",
    "meta.helm.sh/release-name",
    "helm.sh/resource-policy",
    "helm.sh/hook",
    "kubectl.kubernetes.io/last-applied-configuration",
    "applyset.kubernetes.io/part-of",
    "velero.io/exclude-from-backup",
    # what takes Secrets for keys, clusters, credentials or certificates
    "sealedsecrets.bitnami.com/sealed-secrets-key",
    "istio/multiCluster",
    "cert-manager.io/allow-direct-injection",
    "controller.cert-manager.io/fao",
    "tekton.dev/git-0",
    "jenkins.io/credentials-type",
    "external-secrets.io/type",
    "kubernetes.io/service-account.name",
    "reloader.stakater.com/match",
    # without a prefix
    "owner",
    "OWNER",
    "grafana_datasource",
    "grafana_dashboard",
    "loki_rule",
]


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize("key", ACTED_ON)
@pytest.mark.parametrize("value", ["true", {"template": "{{ namespace }}"}])
def test_what_a_controller_acts_on_takes_a_rule_that_names_it(field: str, key: str, value: object) -> None:
    found = refused(rule(), secret=SECRET | {field: {key: value}})
    said = f"the Secret has {field} that a controller may act on: {key}"
    assert found == [Refusal(("spec", "secret", field, key), said, ((0, f"allows {field}: none"),))]
    beginning = f"{key.partition('/')[0]}*"
    assert refused(rule(**{field: [beginning]}), secret=SECRET | {field: {key: value}}) == []
    other = "annotations" if field == "labels" else "labels"
    assert refused(rule(**{other: [beginning]}), secret=SECRET | {field: {key: value}}) != []


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize("key", ["team", "app", "cost-center", "ownership", "app.kubernetes.io/part-of"])
def test_what_tells_people_something_is_allowed(field: str, key: str) -> None:
    assert refused(rule(), secret=SECRET | {field: {key: "x"}}) == []


def test_a_controller_that_nobody_here_knows_is_kept_out_by_its_prefix() -> None:
    assert not is_harmless("reflector.v2.example.com/reflect")
    assert refused(rule(labels=["example.com/*"]), secret=SECRET | {"labels": {"example.com/team": "x"}}) == []


# Policies and restarts


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("creation", "merge", "createOrUpdate, createOnce"),
        ("keys", "exclusive", "ours"),
        ("deletion", "delete", "retain, merge"),
        ("conflict", "takeOver", "fail"),
    ],
)
def test_a_policy_that_changes_what_others_have_made_takes_a_rule(field: str, value: str, allowed: str) -> None:
    found = refused(rule(), policies={field: value})
    path = ("spec", "policies", field)
    assert found == [Refusal(path, f"it says {field}: {value}", ((0, f"allows {field}: {allowed}"),))]
    assert refused(rule(policies={field: [value]}), policies={field: value}) == []


@pytest.mark.parametrize("policies", [{"creation": "createOnce"}, {"deletion": "merge"}, {"keys": "ours"}])
def test_a_policy_that_leaves_alone_what_others_have_made_is_allowed(policies: dict[str, str]) -> None:
    assert refused(rule(), policies=policies) == []


def test_a_rule_can_allow_less_than_the_default() -> None:
    found = refused(rule(policies={"creation": ["createOnce"]}))
    assert [each.request for each in found] == ["it says creation: createOrUpdate"]


def test_restarts_by_name_take_a_rule_that_names_the_workload() -> None:
    restart = [{"kind": "Deployment", "name": "api"}, {"kind": "StatefulSet", "name": "web"}]
    found = refused(rule(restarts=["api"]), restart=restart)
    place = ("spec", "restart", 1)
    assert found == [Refusal(place, "it restarts StatefulSet web", ((0, "allows restarts: api"),))]
    assert refused(rule(restarts=["api", "w*"]), restart=restart) == []


@pytest.mark.parametrize("restart", ["auto", "none"])
def test_a_restart_of_what_uses_the_secret_is_allowed(restart: str) -> None:
    assert refused(rule(), restart=restart) == []


def test_what_is_the_same_everywhere_has_to_be_allowed_by_the_rule_that_allows_the_source() -> None:
    shared = rule(sources={"secretsManager": ["shared/*"]}, policies={"conflict": ["takeOver"]})
    [found] = refused(rule(), shared, policies={"conflict": "takeOver"})
    assert found.reasons == (
        (0, "does not allow that it says conflict: takeOver"),
        (1, "does not allow that source db reads prod/payments/db"),
    )


# The type of a Secret that somebody else makes

MERGE: dict[str, Any] = {"policies": {"creation": "merge"}}


def allowed_types(*rules: dict[str, Any], **changes: Any) -> list[str]:  # noqa: ANN401
    merging = [Rule.model_validate(each | {"policies": {"creation": ["merge"]}}) for each in rules]
    return list_allowed_types(mapping(**MERGE, **changes), [cluster()], list(enumerate(merging)))


def test_the_types_of_the_rule_that_allows_the_rest_are_allowed() -> None:
    other = rule(types=["*"], namespaces=["shop"])
    assert allowed_types(rule(types=["Opaque", "example.com/*"]), other) == ["Opaque", "example.com/*"]
    assert allowed_types(other) == []


def test_a_type_has_to_be_allowed_for_each_source_and_place() -> None:
    wide, narrow = rule(types=["*"]), rule(types=["kubernetes.io/*"], sources={"secretsManager": ["shared/*"]})
    two = {"db": {"secretsManager": "prod/payments/db"}, "ca": {"secretsManager": "shared/ca"}}
    assert allowed_types(wide, narrow) == ["*", "kubernetes.io/*"]
    assert allowed_types(wide, narrow, sources=two) == ["kubernetes.io/*"]


def test_merging_is_refused_where_no_type_is_allowed_for_it() -> None:
    one = rule(types=["a"], policies={"creation": ["merge"]})
    other = one | {"types": ["b"], "sources": {"secretsManager": ["shared/*"]}}
    two = {"db": {"secretsManager": "prod/payments/db"}, "ca": {"secretsManager": "shared/ca"}}
    assert refused(one, other, **MERGE) == []
    [found] = refused(one, other, **MERGE, sources=two)
    assert found.request == "no one rule allows source ca for namespace payments of cluster prod-eu"
    assert found.reasons[1] == (1, "does not allow that the Secret is of type a")


def test_merging_into_a_type_that_the_mapping_names_is_judged_by_that() -> None:
    merging = rule(policies={"creation": ["merge"]})
    found = refused(merging, **MERGE, type="kubernetes.io/tls")
    assert [each.request for each in found] == ["the Secret is of type kubernetes.io/tls"]
    assert refused(merging, **MERGE, type="Opaque") == []


# All that a mapping can say


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models of all parts that a document can have."""
    schema = TypeAdapter(model).json_schema(mode="serialization")
    ours = [each for each in _subclasses(BaseModel) if not each.__module__.startswith("keyferry.cli.")]
    names = {model.__name__, *schema["$defs"]}  # the manifests that `migrate` reads have parts of the same names
    yield from (each for each in ours if each.__name__ in names)


def _subclasses(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


def test_every_field_of_a_mapping_is_judged_or_harmless_for_a_reason() -> None:
    fields = {(model.__name__, field) for model in models(SecretMapping) for field in model.model_fields}
    assert fields == KNOWN, "judge what a new field can do, or say in policy/fields.py why nobody has to"
    assert ("Source", "role") in fields
    assert ("Regexp", "target") in fields


def test_every_policy_of_a_mapping_has_its_values_in_a_rule() -> None:
    values = {name: get_args(field.annotation) for name, field in Policies.model_fields.items()}
    allowed = {name: get_args(get_args(field.annotation)[0]) for name, field in AllowedPolicies.model_fields.items()}
    assert values == allowed


class NewerRole(Role):
    """A role with a field that the policy does not know."""

    policy_arn: str = ""


def test_a_field_that_the_policy_does_not_know_is_refused() -> None:
    newer = NewerRole(arn=ROLE, policy_arn="x")
    known = mapping(**sources(role=ROLE))
    source = known.spec.sources["db"].model_copy(update={"role": [newer]})
    unknown = known.model_copy(update={"spec": known.spec.model_copy(update={"sources": {"db": source}})})
    rules = [(0, Rule.model_validate(allowing(roles=["arn:aws:iam::*:role/*"])))]
    assert list(list_refusals(known, [cluster()], rules)) == []
    place = ("spec", "sources", "db", "role", 0, "policy_arn")
    found = list(list_refusals(unknown, [cluster()], rules))
    assert Refusal(place, "it says policy_arn", ((0, "does not judge it"),)) in found
    assert not is_known(NewerRole, "policy_arn")


# Patterns


@pytest.mark.parametrize("wildcard", ["*", "?"])
@pytest.mark.parametrize(
    ("kind", "text"),
    [(RoleArn, ROLE), (Region, "eu-west-1"), (TagValue, "payments"), (LabelKey, "example.com/team"), (Name, "api")],
    ids=["role", "region", "tag", "label", "workload"],
)
def test_no_value_that_a_pattern_is_held_against_has_wildcards(kind: Any, text: str, wildcard: str) -> None:  # noqa: ANN401
    """Else a pattern in a mapping would be taken for one, and could be covered by a wider one of a rule."""
    TypeAdapter(kind).validate_python(text)
    for wrong in (f"{text}{wildcard}", text.replace("a", wildcard), text.replace("e", wildcard)):
        if wrong != text:
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(wrong)
    with pytest.raises(ValidationError):
        Role(arn=ROLE, external_id=f"payments{wildcard}")
