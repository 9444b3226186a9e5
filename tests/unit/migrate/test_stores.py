"""What a store says of region, roles and names is in the sources; who may use it, in the namespaces of the mapping."""

import re
from typing import Any

import pytest

from keyferry.cli.migrate.external_secrets.namespaces import list_rules
from keyferry.cli.migrate.manifests import Reading, parse
from keyferry.cli.migrate.model import Estate, Options
from tests.unit.migrate.estates import ONE, convert, external, make, note, refuse

ROLE = "arn:aws:iam::111122223333:role"


def store(aws: str = "", *, rest: str = "", kind: str = "ClusterSecretStore") -> str:
    """Return a store whose AWS provider says this beside service and region."""
    more = f", {aws}" if aws else ""
    provider = f"provider: {{aws: {{service: SecretsManager, region: us-east-1{more}}}}}"
    where = ", namespace: shop" if kind == "SecretStore" else ""
    head = f"apiVersion: external-secrets.io/v1\nkind: {kind}\nmetadata: {{name: aws{where}}}\n"
    return f"{head}spec: {{{provider}{rest}}}\n---\n"


def read_source(given: str, ref: str = "key: s/a", **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the one source that is read from a store."""
    spec = make(external(f"data: [{{secretKey: a, remoteRef: {{{ref}}}}}]", store=given), **options)
    (source,) = spec["sources"].values()
    assert source.pop("secretsManager")
    found: dict[str, Any] = source
    return found


def test_a_region_is_said_unless_it_is_that_of_the_stack() -> None:
    assert read_source(store()) == {"region": "us-east-1"}
    assert read_source(store(), own_region="us-east-1") == {}
    assert read_source(store(), own_region=None) == {"region": "us-east-1"}


def test_an_arn_says_its_region_itself() -> None:
    arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"
    assert read_source(store(), f"key: '{arn}'") == {}
    text = external(
        f"data: [{{secretKey: a, remoteRef: {{key: '{arn.replace('us-east-1', 'eu-west-1')}'}}}}]", store=store()
    )
    assert "the ARN is of eu-west-1, and ClusterSecretStore aws asks us-east-1" in refuse(text)


@pytest.mark.parametrize(
    ("aws", "role"),
    [
        (f"role: '{ROLE}/a'", f"{ROLE}/a"),
        (f"additionalRoles: ['{ROLE}/a']", f"{ROLE}/a"),
        (f"role: '{ROLE}/b', additionalRoles: ['{ROLE}/a']", [f"{ROLE}/a", f"{ROLE}/b"]),
        (
            f"role: '{ROLE}/b', externalID: e-1, sessionTags: [{{key: t, value: v}}], additionalRoles: ['{ROLE}/a']",
            [f"{ROLE}/a", {"arn": f"{ROLE}/b", "externalId": "e-1", "sessionTags": {"t": "v"}}],
        ),
        (
            f"role: '{ROLE}/b', sessionTagsPolicy: Custom, customSessionTags: {{t: v, empty: ''}}, sessionTags: []",
            {
                "arn": f"{ROLE}/b",
                "sessionTags": {
                    "t": "v",
                    "esoStoreName": "aws",
                    "esoStoreKind": "ClusterSecretStore",
                    "esoNamespace": "shop",
                },
            },
        ),
    ],
)
def test_roles_are_assumed_in_the_order_of_the_operator(aws: str, role: object) -> None:
    assert read_source(store(aws), own_region="us-east-1") == {"role": role}


def test_a_prefix_is_part_of_the_name() -> None:
    spec = make(external(f"data: [{ONE}]", store=store("prefix: team/")))
    assert spec["sources"]["a"]["secretsManager"] == "team/shop/a"


def test_a_prefix_is_put_before_what_is_found_by_name_and_finds_nothing() -> None:
    text = external("dataFrom: [{find: {name: {regexp: x}}}]", store=store("prefix: team/"))
    assert "External Secrets puts before each name that it finds" in refuse(text)


def test_stores_that_are_missing_are_those_of_the_command_line() -> None:
    text = external("data: [{secretKey: a, remoteRef: {key: /shop/a}}]", store="")
    assert "ClusterSecretStore aws is not among the manifests; give its file too, or say --region" in refuse(text)
    spec = make(text, region="eu-west-1", role=f"{ROLE}/a", service="ParameterStore")
    assert spec["sources"] == {"a": {"parameterStore": "/shop/a", "role": f"{ROLE}/a"}}
    assert "are those of the command line" in note(text, region="eu-west-1")[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (store("auth: {secretRef: {}}"), r"a.yaml:4\): it signs in with static keys"),
        (store().replace("SecretsManager", "CertificateManager"), "it reads CertificateManager"),
        (store().replace("aws: {service", "vault: {service"), "its provider is vault"),
        (store("zone: a"), "spec.provider.aws.zone is no field that is known"),
        (store("role: '${ROLE}'"), r"\$\{ROLE\} is a placeholder"),
        (store().replace("v1", "v1alpha1"), "is of external-secrets.io/v1alpha1"),
        (store() + store("prefix: a"), r"is there twice, with other content \(a.yaml:1 and a.yaml:6\)"),
    ],
)
def test_a_store_without_an_equivalent_is_told_once_with_its_place(given: str, said: str) -> None:
    found = refuse(external(f"data: [{ONE}, {{secretKey: b, remoteRef: {{key: x}}}}]", store=given))
    assert re.search(said, found)
    assert found.count("\n") == 0


def conditions(text: str, spec: str = f"data: [{ONE}]") -> str:
    """Return an ExternalSecret of the namespace shop, whose store has these conditions."""
    return external(spec, store=store(rest=f", conditions: {text}"))


@pytest.mark.parametrize(
    ("text", "namespaces"),
    [
        ("[{namespaces: [shop, other]}]", ["shop"]),
        ("[{namespaceRegexes: ['^sh']}]", ["shop"]),
        ("[{namespaceSelector: {matchLabels: {team: shop}}}]", [{"names": ["shop"], "matchLabels": {"team": "shop"}}]),
        ("[{namespaces: [other]}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]", ["shop"]),
    ],
)
def test_conditions_of_a_store_are_choices_of_namespaces(text: str, namespaces: list[object]) -> None:
    assert make(conditions(text))["namespaces"] == namespaces


def test_conditions_that_leave_no_namespace_refuse_the_manifest() -> None:
    said = refuse(conditions("[{namespaces: [other]}, {namespaceRegexes: ['^x']}]"))
    assert "the conditions of ClusterSecretStore aws do not allow shop" in said


def test_conditions_are_told_as_a_rule_of_the_policy() -> None:
    reading = Reading()
    parse("a.yaml", conditions("[{namespaces: [shop]}]").encode(), reading)
    (rule,) = list_rules(Estate(reading.manifests, Options(clusters=["prod-eu"], own_region="us-east-1")))
    assert rule == (
        "the conditions of ClusterSecretStore aws as a rule of policy.yaml:"
        " {mappings: [shop/*.yaml], sources: {secretsManager: ['*']}, clusters: [prod-eu], namespaces: [shop],"
        " policies: {keys: [ours, exclusive]}}"
    )


LABELLED = "namespaceSelector: {matchLabels: {x: z}}"


def own_store(namespace: str, fields: str = "region: eu-west-1") -> str:
    """Return a SecretStore of a namespace."""
    head = f"apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {{name: aws, namespace: {namespace}}}\n"
    return f"{head}spec: {{provider: {{aws: {{service: SecretsManager, {fields}}}}}}}\n---\n"


def cluster(spec: str, **given: str) -> str:
    """Return a ClusterExternalSecret with these lines in its spec."""
    lines = "".join(f"  {line}\n" for line in spec.strip("\n").split("\n"))
    own = given.get("own", f"secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, data: [{ONE}]")
    head = "apiVersion: external-secrets.io/v1\nkind: ClusterExternalSecret\nmetadata: {name: all, labels: {of: it}}\n"
    return f"{given.get('store', store())}{head}spec:\n{lines}  externalSecretSpec: {{{own}}}\n"


@pytest.mark.parametrize(
    ("spec", "namespaces"),
    [
        ("namespaces: [a, b]", [{"names": ["a", "b"]}]),
        ("namespaceSelector: {matchLabels: {x: z}}", [{"matchLabels": {"x": "z"}}]),
        ("namespaceSelectors: [{}]", [{"names": ["*"]}]),
        (
            "namespaces: [a]\nnamespaceSelectors: [{matchExpressions: [{key: k, operator: Exists}]}]",
            [{"names": ["a"]}, {"matchExpressions": [{"key": "k", "operator": "Exists"}]}],
        ),
    ],
)
def test_a_cluster_external_secret_goes_to_what_it_chooses(spec: str, namespaces: list[object]) -> None:
    made = make(cluster(spec))
    assert (made["namespaces"], made["secret"]["name"]) == (namespaces, "all")
    assert "labels" not in made["secret"]


def test_a_cluster_external_secret_has_names_and_labels_for_what_it_makes() -> None:
    made = make(cluster("namespaces: [a]\nexternalSecretName: one\nexternalSecretMetadata: {labels: {team: a}}"))
    assert made["secret"]["name"] == "one"
    assert made["secret"]["labels"] == {"team": "a"}


def test_what_a_cluster_external_secret_has_made_is_not_converted_beside_it() -> None:
    metadata = "name: all, namespace: a, ownerReferences: [{kind: ClusterExternalSecret, name: all}]"
    made = external(f"data: [{ONE}]", store="", metadata=metadata)
    (outcome,) = convert(f"{cluster('namespaces: [a]')}---\n{made}")
    assert outcome.manifest.kind == "ClusterExternalSecret"
    (outcome,) = convert(f"{store()}{made}")
    assert outcome.state == "converted"


def test_conditions_and_choices_have_to_hold_both() -> None:
    given = store(rest=", conditions: [{namespaceSelector: {matchLabels: {x: z}}}, {namespaces: [a, b]}]")
    made = make(
        cluster("namespaces: [a]\nnamespaceSelectors: [{matchLabels: {y: z}}, {matchLabels: {x: other}}]", store=given)
    )
    assert made["namespaces"] == [
        {"names": ["a"], "matchLabels": {"x": "z"}},
        {"names": ["a"]},
        {"matchLabels": {"y": "z", "x": "z"}},
        {"names": ["a", "b"], "matchLabels": {"y": "z"}},
        {"names": ["a", "b"], "matchLabels": {"x": "other"}},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            cluster(LABELLED, own=f"secretStoreRef: {{name: aws}}, data: [{ONE}]"),
            "is another one in each of the namespaces",
        ),
        (
            cluster(LABELLED, store=store(f"role: '{ROLE}/a', sessionTagsPolicy: Simple")),
            "gives its role the session tag esoNamespace, another one in each namespace",
        ),
        (
            cluster(LABELLED, store=store(rest=", conditions: [{namespaceRegexes: [a]}]")),
            "by the expression a",
        ),
        (cluster("namespaceSelektor: {}"), "did you mean namespaceSelector"),
        (
            cluster(
                LABELLED,
                own=f"secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, data: [{ONE}],"
                " target: {template: {templateFrom: [{configMap: {name: c, items: []}}]}}",
            ),
            "the ConfigMap c is another one in each of the namespaces",
        ),
        (
            cluster("namespaces: [a, b]", own=f"secretStoreRef: {{name: aws}}, data: [{ONE}]", store=own_store("a")),
            "SecretStore b/aws is not among the manifests",
        ),
    ],
)
def test_a_cluster_external_secret_that_differs_by_namespace_is_refused(text: str, said: str) -> None:
    assert said in refuse(text)


def test_where_each_namespace_has_a_store_each_has_a_mapping() -> None:
    stores = own_store("a") + own_store("b", "region: us-east-1")
    own = f"secretStoreRef: {{name: aws}}, data: [{ONE}]"
    (outcome,) = convert(cluster("namespaces: [a, b]", own=own, store=stores))
    assert [(made.name, made.mapping["spec"]["namespaces"]) for made in outcome.conversions] == [
        ("a-all", [{"names": ["a"]}]),  # one that is missing is no failure
        ("b-all", [{"names": ["b"]}]),
    ]
    regions = [made.mapping["spec"]["sources"]["a"].get("region") for made in outcome.conversions]
    assert regions == [None, "us-east-1"]


def test_a_namespace_that_is_named_has_its_session_tag_and_its_config_map() -> None:
    given = store(f"role: '{ROLE}/a', sessionTagsPolicy: Simple")
    made = make(cluster("namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}", store=given))
    assert made["sources"]["a"]["role"]["sessionTags"]["esoNamespace"] == "a"
    items = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: a}\ndata: {x: 'a={{ .a }}'}\n---\n"
    template = "target: {template: {templateFrom: [{configMap: {name: c, items: [{key: x}]}}]}}"
    own = f"secretStoreRef: {{name: aws, kind: ClusterSecretStore}}, data: [{ONE}], {template}"
    assert make(cluster("namespaces: [a]", own=own, store=store() + items))["secret"]["data"] == {
        "x": {"template": "a={{ variables.a }}"}
    }


def test_a_store_can_be_named_by_each_entry_alone() -> None:
    entry = "{secretKey: a, sourceRef: {storeRef: {name: aws, kind: ClusterSecretStore}}, remoteRef: {key: s/a}}"
    text = external("dataFrom: []").replace(
        "secretStoreRef: {name: aws, kind: ClusterSecretStore}", "secretStoreRef: {}"
    )
    assert make(text.replace("dataFrom: []", f"data: [{entry}]"))["sources"] == {"a": {"secretsManager": "s/a"}}
    assert "no store is named" in refuse(text.replace("dataFrom: []", f"data: [{ONE}]"))
