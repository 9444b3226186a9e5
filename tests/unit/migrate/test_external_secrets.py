"""An ExternalSecret becomes a mapping that makes the Secret of the operator, or is refused with its line."""

import re
from typing import Any

import pytest

from keyferry.errors import SourceUnusable
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place, SecretValue, SourceValue
from keyferry.render.render import render
from tests.unit.migrate.estates import ONE, STORE, convert, external, make, note, refuse


def test_a_key_without_a_property_takes_the_whole_value() -> None:
    spec = make(external(f"data: [{ONE}]"))
    assert spec == {
        "sources": {"a": {"secretsManager": "shop/a"}},
        "clusters": ["prod-eu"],
        "namespaces": ["shop"],
        "secret": {"name": "db", "data": {"a": {"from": "a"}}},
        "restart": "none",
        "policies": {"keys": "exclusive"},
    }


def test_what_is_read_twice_is_one_source() -> None:
    spec = make(
        external(
            """
data:
  - {secretKey: a, remoteRef: {key: prod/db, property: x.y, decodingStrategy: Base64}}
  - {secretKey: b, remoteRef: {key: prod/db, property: z}}
  - {secretKey: c, remoteRef: {key: test/db}}
"""
        )
    )
    assert spec["sources"] == {"db": {"secretsManager": "prod/db"}, "db_2": {"secretsManager": "test/db"}}
    assert spec["secret"]["data"] == {
        "a": {"from": "db", "property": "x.y", "decode": "base64"},
        "b": {"from": "db", "property": "z"},
        "c": {"from": "db_2"},
    }


@pytest.mark.parametrize(
    ("key", "alias"),
    [
        ("a/1st", "_1st"),
        ("a/my-db", "my_db"),
        ("prod/cluster", "cluster_source"),
        ("a/é", "source"),
        ("x/variables", "variables_source"),
    ],
)
def test_a_source_is_named_after_the_end_of_its_name(key: str, alias: str) -> None:
    text = external(f"data: [{{secretKey: a, remoteRef: {{key: {key}}}}}]")
    if key == "a/é":
        assert "a mapping does not take it" in refuse(text)
    else:
        assert list(make(text)["sources"]) == [alias]


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("AWSCURRENT", {}),
        ("AWSPREVIOUS", {"label": "AWSPREVIOUS"}),
        ("uuid/11111111-2222-4333-8444-555555555555", {"version": "11111111-2222-4333-8444-555555555555"}),
    ],
)
def test_a_version_of_a_secret_is_a_label_or_an_id(version: str, fields: dict[str, str]) -> None:
    spec = make(external(f"data: [{{secretKey: a, remoteRef: {{key: s/a, version: {version}}}}}]"))
    assert spec["sources"] == {"a": {"secretsManager": "s/a", **fields}}


@pytest.mark.parametrize(
    ("ref", "fields"),
    [
        ("key: /p/a, version: '3'", {"version": "3"}),
        ("key: /p/a, version: good", {"label": "good"}),
        ("key: '/p/a:3'", {"version": "3"}),
        ("key: '/p/a:good'", {"label": "good"}),
        ("key: /p/a, metadataPolicy: Fetch", {"metadata": "tags"}),
    ],
)
def test_a_version_of_a_parameter_is_a_number_or_a_label(ref: str, fields: dict[str, str]) -> None:
    store = STORE.replace("SecretsManager", "ParameterStore")
    spec = make(external(f"data: [{{secretKey: a, remoteRef: {{{ref}}}}}]", store=store))
    assert spec["sources"] == {"a": {"parameterStore": "/p/a", **fields}}


def test_extract_takes_the_members_as_the_operator_does() -> None:
    spec = make(
        external(
            """
dataFrom:
  - extract: {key: s/a}
  - extract: {key: s/b, property: inner, conversionStrategy: Unicode, decodingStrategy: Auto}
"""
        )
    )
    assert spec["secret"]["dataFrom"] == [
        {"from": "a", "property": "@this", "invalidCharacters": "replace"},
        {"from": "b", "property": "inner", "decode": "auto", "invalidCharacters": "escape"},
    ]


def test_a_rewrite_stands_in_place_of_the_conversion() -> None:
    spec = make(
        external(
            """
dataFrom:
  - find: {path: s/, name: {regexp: "^s/x"}}
    rewrite: [{regexp: {source: "^s/(.*)$", target: "x$1_y-${1}"}}]
"""
        )
    )
    assert spec["sources"] == {"s": {"find": "secretsManager", "optional": True, "path": "s/", "regexp": "^s/x"}}
    (entry,) = spec["secret"]["dataFrom"]
    assert "invalidCharacters" not in entry
    assert entry["keys"] == [{"regexp": {"source": "^s/(.*)$", "target": "x-${1}"}}]  # there is no group 1_y


@pytest.mark.parametrize(
    ("service", "find", "source"),
    [
        ("SecretsManager", "{tags: {a: b}}", {"find": "secretsManager", "tags": {"a": "b"}}),
        ("SecretsManager", "{name: {}}", {"find": "secretsManager", "regexp": ".*"}),
        ("ParameterStore", "{name: {regexp: x}, tags: {a: b}}", {"find": "parameterStore", "regexp": "x"}),
        ("ParameterStore", "{path: /, name: {regexp: x}}", {"find": "parameterStore", "regexp": "x"}),
        ("ParameterStore", "{path: /a, tags: {a: b}}", {"find": "parameterStore", "path": "/a", "tags": {"a": "b"}}),
    ],
)
def test_a_find_looks_for_what_the_operator_looks_for(service: str, find: str, source: dict[str, Any]) -> None:
    spec = make(external(f"dataFrom: [{{find: {find}}}]", store=STORE.replace("SecretsManager", service)))
    assert list(spec["sources"].values()) == [source | {"optional": True}]  # what finds nothing is no failure


@pytest.mark.parametrize(
    ("target", "policies"),
    [
        ("{creationPolicy: Owner}", {"keys": "exclusive"}),
        ("{creationPolicy: Orphan}", {"keys": "exclusive"}),
        ("{creationPolicy: Merge}", {"creation": "merge", "conflict": "takeOver"}),
        ("{creationPolicy: CreateOrMerge}", {"conflict": "takeOver"}),
        ("{immutable: true}", {"creation": "createOnce"}),
        ("{deletionPolicy: Delete}", {"keys": "exclusive", "deletion": "delete"}),
        ("{deletionPolicy: Merge}", {"keys": "exclusive", "deletion": "merge"}),
        ("{deletionPolicy: Delete, creationPolicy: Orphan}", {"keys": "exclusive"}),
    ],
)
def test_policies_are_those_of_the_target(target: str, policies: dict[str, str]) -> None:
    assert make(external(f"target: {target}\ndata: [{ONE}]"))["policies"] == policies


@pytest.mark.parametrize(
    "spec", ["refreshInterval: 0s", 'refreshInterval: "0"', "refreshPolicy: CreatedOnce", "refreshPolicy: OnChange"]
)
def test_a_secret_that_is_written_once_is_created_once(spec: str) -> None:
    text = external(f"{spec}\ndata: [{ONE}]")
    assert make(text)["policies"] == {"creation": "createOnce"}
    assert "one that is there stays as it is, whoever made or edits it" in " ".join(note(text))
    assert note(external(f"target: {{immutable: true}}\ndata: [{ONE}]")) == [
        "The Secret is written once: one that is there stays as it is, and is not made immutable."
    ]


def test_what_is_missing_is_left_out_where_the_operator_does_not_retain() -> None:
    text = external(
        """
target: {deletionPolicy: Delete}
data:
  - {secretKey: a, remoteRef: {key: s/a}}
  - {secretKey: b, remoteRef: {key: s/a, metadataPolicy: Fetch}}
  - {secretKey: c, remoteRef: {key: s/a, version: AWSPREVIOUS}}
"""
    )
    sources = make(text)["sources"]
    assert {alias: source.get("optional", False) for alias, source in sources.items()} == {
        "a": True,
        "a_2": False,  # tags that are not there are an error there, too
        "a_3": True,
    }
    assert note(text) == []
    parameters = text.replace("SecretsManager", "ParameterStore").replace("AWSPREVIOUS", "good").replace("s/a", "/s/a")
    assert "optional" not in make(parameters)["sources"]["a_3"]


def test_a_key_that_is_there_twice_cannot_do_without_the_last_one() -> None:
    other = "{secretKey: a, remoteRef: {key: shop/b}}"
    text = external(f"target: {{deletionPolicy: Delete}}\ndata: [{ONE}, {other}]")
    assert note(text) == ["a is there twice: the delivery fails where the last one is missing."]
    assert make(text)["sources"] == {
        "a": {"secretsManager": "shop/a", "optional": True},
        "b": {"secretsManager": "shop/b"},  # without it, the operator takes the one before
    }


def test_templates_of_labels_alone_make_a_secret_without_keys() -> None:
    template = "target: {template: {templateFrom: [{target: Labels, literal: 'a: b'}]}}\n"
    spec = make(external(template + f"data: [{ONE}]"))
    assert spec["secret"]["dataFrom"] == [{"template": "{}"}]
    mapping = SecretMapping.model_validate(
        {"apiVersion": "keyferry.dev/v1", "kind": "SecretMapping", "metadata": {"name": "a"}, "spec": spec}
    )
    made = render(mapping, {"a": SourceValue(SecretValue(b"canary-1"), "1")}, Place("prod-eu", "shop"))
    assert (made.data, made.labels) == ({}, {"a": "b"})


def test_a_template_of_what_may_be_missing_is_one_that_fails() -> None:
    template = "target: {deletionPolicy: POLICY, template: {data: {x: '{{ .a }}'}}}\n"
    kept, left = (
        make(external(template.replace("POLICY", policy) + f"data: [{ONE}]"))["secret"]
        for policy in ("Retain", "Merge")
    )
    assert kept["data"] == {"x": {"from": "a"}}
    assert left["data"] == {"x": {"template": "{{ variables.a }}"}}
    assert left["variables"] == {"data": {"a": {"from": "a"}}}


def test_a_fixed_text_alone_makes_no_secret_of_what_is_missing() -> None:
    template = "target: {deletionPolicy: Delete, template: {mergePolicy: Merge, data: {fixed: text}}}\n"
    secret = make(external(template + f"data: [{ONE}]"))["secret"]
    assert secret["variables"] == {"data": {"a": {"from": "a"}}}
    assert "variables" not in make(external(template.replace("Delete", "Retain") + f"data: [{ONE}]"))["secret"]


def test_what_the_operator_does_not_delete_is_told() -> None:
    text = external(f"target: {{deletionPolicy: Delete, creationPolicy: Orphan}}\ndata: [{ONE}]")
    assert "what goes later stays in the Secret" in " ".join(note(text))


def test_nothing_is_made_of_a_manifest_that_writes_nothing() -> None:
    (outcome,) = convert(external(f"target: {{creationPolicy: None}}\ndata: [{ONE}]"))
    assert (outcome.state, outcome.conversions) == ("nothing to write", [])


def test_labels_are_copied_but_for_those_that_say_whose_an_object_is() -> None:
    metadata = """name: db, namespace: shop, labels: {tier: back, app.kubernetes.io/managed-by: Helm},
      annotations: {a.test/x: "1", argocd.argoproj.io/tracking-id: x,
        kubectl.kubernetes.io/last-applied-configuration: "{{x}}"}"""
    text = external(f"data: [{ONE}]", metadata=metadata)
    secret = make(text)["secret"]
    assert (secret["labels"], secret["annotations"]) == ({"tier": "back"}, {"a.test/x": "1"})
    assert len(note(text)) == 2


def test_a_template_takes_the_place_of_labels_and_values() -> None:
    spec = make(
        external(
            """
target:
  name: made
  template:
    type: kubernetes.io/basic-auth
    metadata: {labels: {of: template}}
    data: {username: "{{ .u }}", password: "{{ .p | trim }}", note: plain}
data:
  - {secretKey: u, remoteRef: {key: s/db, property: u}}
  - {secretKey: p, remoteRef: {key: s/db, property: p}}
""",
            metadata="name: db, namespace: shop, labels: {of: manifest}",
        )
    )
    entries = {"u": {"from": "db", "property": "u"}, "p": {"from": "db", "property": "p"}}
    data = spec["secret"].pop("data")
    assert spec["secret"] == {
        "name": "made",
        "type": "kubernetes.io/basic-auth",
        "labels": {"of": "template"},
        "variables": {"data": entries},
    }
    assert (data["username"], data["note"]) == (entries["u"], {"value": "plain"})
    assert "variables.p" in data["password"]["template"]


@pytest.mark.parametrize(
    ("kind", "key", "is_checked"),
    [
        ("kubernetes.io/ssh-auth", "ssh-privatekey", False),
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson", False),
        ("kubernetes.io/basic-auth", "username", True),
    ],
)
def test_the_content_of_a_type_is_written_as_the_operator_does(kind: str, key: str, is_checked: bool) -> None:
    text = external(f"target: {{template: {{type: {kind}}}}}\ndata: [{{secretKey: {key}, remoteRef: {{key: s/a}}}}]")
    assert make(text)["secret"].get("checkContent", True) == is_checked


def test_no_variables_are_made_where_no_template_needs_them() -> None:
    spec = make(external(f'target: {{template: {{data: {{b: "{{{{ .a }}}}"}}}}}}\ndata: [{ONE}]'))
    assert spec["secret"] == {"name": "db", "data": {"b": {"from": "a"}}}


def test_a_value_that_no_template_reads_is_fetched_all_the_same() -> None:
    spec = make(external(f"target: {{template: {{data: {{b: plain}}}}}}\ndata: [{ONE}]"))
    assert spec["secret"]["variables"] == {"data": {"a": {"from": "a"}}}


def test_a_template_that_makes_keys_stands_behind_keys_that_it_does_not_make() -> None:
    values, keys = "{{configMap: {{name: t, items: [{{key: {key}}}]}}}}", '{{literal: "b: 1"}}'
    template = f"target: {{{{template: {{{{templateFrom: [{values}, {keys}]}}}}}}}}"
    config_map = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: t, namespace: shop}\ndata: {b: x, c: x}\n---\n"
    spec = make(external(template.format(key="c") + f"\ndata: [{ONE}]", store=STORE + config_map))
    assert spec["secret"]["dataFrom"] == [{"template": "b: 1"}]


def test_a_key_that_a_template_makes_anew_is_the_templates() -> None:
    template = "target: {{template: {{mergePolicy: Merge, templateFrom: [{first}{{literal: 'a: x{{{{ .a }}}}'}}]}}}}"
    text = external(template.format(first="") + f"\ndata: [{ONE}]")
    assert _render(text, a="1") == {"a": b"x1"}
    config_map = (
        "kind: ConfigMap\napiVersion: v1\nmetadata: {name: t, namespace: shop}\ndata: {a: '{{ upper .a }}'}\n---\n"
    )
    first = template.format(first="{configMap: {name: t, items: [{key: a}]}}, ") + f"\ndata: [{ONE}]"
    assert "writes a anew behind its template" in refuse(external(first, store=STORE + config_map))


def _render(text: str, **values: str) -> dict[str, bytes]:
    """Return the data of the Secret of a text's one mapping, from the values of its sources."""
    (outcome,) = convert(text)
    mapping = SecretMapping.model_validate(outcome.conversions[0].mapping)
    sources = {alias: SourceValue(SecretValue(value.encode()), "v" * 32) for alias, value in values.items()}
    return {key: made.reveal() for key, made in render(mapping, sources, Place("prod-eu", "shop")).data.items()}


def test_a_template_whose_keys_are_values_fails_where_it_makes_one_that_is_there() -> None:
    config_map = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: t, namespace: shop}\ndata: {b: x}\n---\n"
    parts = "[{configMap: {name: t, items: [{key: b}]}}, {literal: '{{ .a }}: 1'}]"
    text = external(f"target: {{template: {{templateFrom: {parts}}}}}\ndata: [{ONE}]", store=STORE + config_map)
    assert _render(text, a="app") == {"b": b"x", "app": b"1"}
    with pytest.raises(SourceUnusable, match=r"key b: .*own fail"):
        _render(text, a="b")


def test_a_variable_that_changes_is_delivered_where_namespace_is_the_one_of_the_secret() -> None:
    go = "{{ $n := 1 }}{{ range until 3 }}{{ $n = add $n . }}{{ end }}{{ $n }}{{ .a }}"
    text = external(f"target: {{template: {{data: {{b: '{go}'}}}}}}\ndata: [{ONE}]")
    assert _render(text, a="x") == {"b": b"4x"}


def test_every_mapping_is_one_that_the_language_has() -> None:
    text = external(f"target: {{creationPolicy: Merge}}\ndata: [{ONE}]")
    (outcome,) = convert(text)
    assert SecretMapping.model_validate(outcome.conversions[0].mapping).name == "shop-db"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("refreshInterval: 0\ndata: []", "a.yaml:11: spec.refreshInterval is a number, and has to be text"),
        (f"refreshInterval: 1d\ndata: [{ONE}]", "a.yaml:11: refreshInterval 1d is no duration of Go"),
        (
            "data:\n  - {secretKey: a, remoteref: {key: x}}",
            "remoteref is no field that is known; did you mean remoteRef",
        ),
        ("data:\n  - {secretKey: a/b, remoteRef: {key: x}}", "a.yaml:12: spec.data.0..secretKey: "),
        ("target: {creationPolicy: Own}\ndata: []", "creationPolicy is 'Own'; it can be 'Owner', 'Orphan'"),
        ("target: {manifest: {apiVersion: v1, kind: ConfigMap}}\ndata: []", "the target is a ConfigMap"),
        ("data: []", "neither data nor dataFrom is there"),
        (f"data: [{ONE}, {ONE}]", "a is there twice"),
        (
            f"target: {{deletionPolicy: Delete, creationPolicy: Merge}}\ndata: [{ONE}]",
            "deletionPolicy Delete with creationPolicy Merge",
        ),
        (
            f"target: {{deletionPolicy: Merge, creationPolicy: None}}\ndata: [{ONE}]",
            "deletionPolicy Merge with creationPolicy None",
        ),
        ("target: {creationPolicy: None}", "neither data nor dataFrom is there"),
        (f"target: {{immutable: true, creationPolicy: Merge}}\ndata: [{ONE}]", "written once has no equivalent"),
        ('data: [{secretKey: a, remoteRef: {key: "${ENV}/x"}}]', r"\$\{ENV\} is a placeholder; .*helm template"),
        ('data: [{secretKey: a, remoteRef: {key: "{{ENV}}/x"}}]', r"\{\{ENV\}\} is a placeholder"),
        (
            f'target: {{template: {{data: {{a: "{{{{ .Values.x }}}}"}}}}}}\ndata: [{ONE}]',
            r"\.Values.* is a placeholder",
        ),
        (
            f'target: {{template: {{data: {{a: "{{{{ .b }}}}"}}}}}}\ndata: [{ONE}]',
            r"reads \.b, which no entry of data makes",
        ),
        (f'target: {{template: {{data: {{a: "{{{{ now }}}}"}}}}}}\ndata: [{ONE}]', "now"),
        (f"target: {{template: {{engineVersion: v1}}}}\ndata: [{ONE}]", "engineVersion v1"),
        (
            f"target: {{template: {{type: kubernetes.io/service-account-token}}}}\ndata: [{ONE}]",
            "a mapping does not take it",
        ),
        (f"target: {{template: {{metadata: {{finalizers: [x]}}}}}}\ndata: [{ONE}]", "finalizer x"),
        (
            f"target: {{template: {{templateFrom: [{{secret: {{name: s, items: []}}}}]}}}}\ndata: [{ONE}]",
            "the template is in the Secret s",
        ),
        (
            f"target: {{template: {{templateFrom: [{{configMap: {{name: c, items: []}}}}]}}}}\ndata: [{ONE}]",
            "ConfigMap c is not among",
        ),
        (
            f"target: {{template: {{templateFrom: [{{target: spec.x, literal: a}}]}}}}\ndata: [{ONE}]",
            "target spec.x is none of",
        ),
        ("dataFrom: [{find: {}}]", "find needs name or tags"),
        ("dataFrom: [{find: {path: '!a', tags: {a: b}}}]", "none that AWS takes"),
        ("dataFrom: [{}]", "needs either extract or find"),
        ("dataFrom: [{extract: {key: a}, rewrite: [{}]}]", "needs one of regexp, transform and merge"),
        (
            "dataFrom: [{extract: {key: a}, rewrite: [{merge: {}, regexp: {source: a, target: b}}]}]",
            "needs one of regexp, transform and merge",
        ),
        ("dataFrom: [{extract: {key: a}, sourceRef: {}}]", "sourceRef names neither a store nor a generator"),
        (
            "dataFrom: [{extract: {key: a}, rewrite: [{regexp: {source: '(', target: a}}]}]",
            "no regular expression of Go",
        ),
        ("dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: p}}}]", "generator Password"),
    ],
)
def test_what_has_no_equivalent_is_refused_with_its_place(spec: str, said: str) -> None:
    assert re.search(said, refuse(external(spec)))


def test_all_reasons_of_a_manifest_are_told_at_once() -> None:
    said = refuse(external(f"refreshInterval: 1d\ntarget: {{template: {{engineVersion: v1}}}}\ndata: [{ONE}, {ONE}]"))
    assert [line.split(":")[1] for line in said.split("\n")] == ["13", "12", "11"]


def test_an_old_version_of_the_api_is_refused_by_name() -> None:
    assert "v1alpha1; External Secrets has dropped it" in refuse(external("data: []", version="v1alpha1"))
    assert make(external(f"data: [{ONE}]", version="v1beta1"))["namespaces"] == ["shop"]


def test_a_manifest_without_a_namespace_needs_one() -> None:
    text = external(f"data: [{ONE}]", metadata="name: db")
    assert "no namespace is named; say --namespace" in refuse(text)
    assert make(text, namespace="shop")["namespaces"] == ["shop"]


def test_a_name_that_is_used_twice_is_refused_unless_it_is_the_same() -> None:
    one, other = external(f"data: [{ONE}]"), external(f"target: {{immutable: true}}\ndata: [{ONE}]", store="")
    first, second = convert(f"{one}---\n{other}")
    assert (first.state, second.state) == ("refused", "refused")  # which one a cluster has, nobody knows
    assert "is there twice, with other content (also a.yaml:13)" in str(first.refusals[0])
    assert "is there twice, with other content (also a.yaml:6)" in str(second.refusals[0])
    assert len(convert(f"{one}---\n{external(f'data: [{ONE}]', store='')}")) == 1


def test_two_manifests_that_write_one_secret_are_refused_both() -> None:
    one = external(f"data: [{ONE}]")
    other = external(
        f"target: {{name: db, creationPolicy: Merge}}\ndata: [{ONE}]", store="", metadata="name: x, namespace: shop"
    )
    outcomes = convert(f"{one}---\n{other}")
    assert [each.state for each in outcomes] == ["refused", "refused"]
    assert "the Secret shop/db is also written by ExternalSecret shop/x (a.yaml:" in str(outcomes[0].refusals[0])
    assert "let one of them make all its keys, and leave the others out" in str(outcomes[0].refusals[0])


def test_long_names_of_mappings_are_cut_and_told_apart() -> None:
    texts = [
        external(f"data: [{ONE}]", store=STORE if n == 0 else "", metadata=f"name: {'x' * 80}{n}, namespace: shop")
        for n in range(2)
    ]
    first, second = (each.conversions[0].name for each in convert("---\n".join(texts)))
    assert (len(first), second) == (63, f"{first[:59]}-2")


def test_kinds_without_an_equivalent_are_refused_by_name() -> None:
    text = "apiVersion: external-secrets.io/v1alpha1\nkind: PushSecret\nmetadata: {name: p}\n---\n"
    text += "apiVersion: generators.external-secrets.io/v1alpha1\nkind: Password\nmetadata: {name: q}\n"
    assert [str(each.refusals[0]).split(";")[0] for each in convert(text)] == [
        "PushSecret p has no equivalent: it writes to a store",
        "Password q has no equivalent: a generator makes a new value each time",
    ]


@pytest.mark.parametrize(
    "part",
    [
        "data: [{secretKey: a, remoteRef: {key: x, nullBytePolicy: Fail, decodingStrategy: Base64}}]",
        "dataFrom: [{find: {name: {regexp: x}, nullBytePolicy: Fail, decodingStrategy: Base64}}]",
        "dataFrom: [{extract: {key: x, nullBytePolicy: Fail, decodingStrategy: Base64}}]\n"
        "data: [{secretKey: a, remoteRef: {key: y}}]",
        "target: {template: {data: {b: '{{ .a | b64enc }}'}}}\n"
        "data: [{secretKey: a, remoteRef: {key: x, nullBytePolicy: Fail, decodingStrategy: Base64}}]",
    ],
)
def test_a_value_with_a_null_byte_fails_where_the_policy_says_so(part: str) -> None:
    mapping = SecretMapping.model_validate(convert(external(part))[0].conversions[0].mapping)

    def fill(encoded: str) -> dict[str, SecretValue]:
        text = f'{{"a": "{encoded}"}}' if "extract" in part else encoded
        source = SourceValue(SecretValue(text.encode()), "v1")
        if "find" in part:
            source = SourceValue(SecretValue(b""), "v1", members={"a": source})
        return dict(render(mapping, dict.fromkeys(mapping.spec.sources, source), Place("prod-eu", "shop")).data)

    assert fill("Y2FuYXJ5")
    with pytest.raises(SourceUnusable, match="has a null byte, which nullBytes: refuse does not let through"):
        fill("YQBi")


def deliver(text: str, content: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations of the one mapping that is made, where its source has this content."""
    (outcome,) = convert(text)
    assert not outcome.refusals, outcome.refusals
    mapping = SecretMapping.model_validate(outcome.conversions[0].mapping)
    sources = {alias: SourceValue(SecretValue(content.encode()), "v1") for alias in mapping.spec.sources}
    made = render(mapping, sources, Place("prod-eu", "shop"))
    return dict(made.labels), dict(made.annotations)


IN_METADATA = """
target:
  template:
    mergePolicy: Merge
    metadata:
      labels: {team: "{{ .a }}", kind: plain, upper: '{{ "x" | upper }}'}
      annotations: {a.test/note: 'of {{ .a | lower }}, {{ "{{" }} x }}'}
    templateFrom:
      - target: Labels
        literal: |
          tier: "{{ .a }}-1"
          a.test/none:
data: [%s]
"""


def test_labels_and_annotations_can_be_made_of_values() -> None:
    text = external(IN_METADATA % ONE)
    labels, annotations = deliver(text, "Shop")
    assert labels == {"team": "Shop", "kind": "plain", "upper": "X", "tier": "Shop-1", "a.test/none": ""}
    assert annotations == {"a.test/note": "of shop, {{ x }}"}
    secret = make(text)["secret"]
    assert secret["labels"]["team"] == {"template": "{{ variables.a }}", "showsValues": True}
    assert secret["labels"]["upper"] == "X"
    assert "The label team shows values to all who see it, as there; a sweep does not compare it." in note(text)


@pytest.mark.parametrize(
    ("template", "content", "said"),
    [
        ("metadata: {labels: {a: '{{ .a }}'}}", "canary one", "label a: the template makes what no label can be"),
        ("templateFrom: [{target: Labels, literal: 'a: \"{{ .a }}\"'}]", 'x"\ncanary: "y', "the YAML makes other keys"),
        ("templateFrom: [{target: Annotations, literal: 'a: {{ .a }}'}]", "[canary]", "not YAML of keys with a text"),
    ],
)
def test_what_values_make_no_metadata_of_fails(template: str, content: str, said: str) -> None:
    text = external(f"target:\n  template:\n    mergePolicy: Merge\n    {template}\ndata: [{ONE}]")
    with pytest.raises(SourceUnusable, match=said) as raised:
        deliver(text, content)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            'metadata: {labels: {a: "{{ .a }}"}}\n    templateFrom: [{target: Labels, literal: "a: \'{{ .a }}\'"}]',
            "a is made anew behind a template of its own",
        ),
        ('templateFrom: [{target: Annotations, literal: "{{ .a }}"}]', "whose keys depend on values"),
        ('templateFrom: [{target: Annotations, literal: "x/{{ .a }}: y"}]', "whose keys depend on values"),
        ("templateFrom: [{target: Labels, literal: '{{ \"- a\" }}'}]", "no mapping of keys to text in YAML"),
        ("metadata: {annotations: {a: '{{ fail \"no\" }}'}}", "fails by its own fail"),
        ("metadata: {annotations: {a: '{{ now }}'}}", "now: depends on when it runs"),
    ],
)
def test_metadata_that_a_mapping_cannot_make_is_refused(template: str, said: str) -> None:
    text = external(f"target:\n  template:\n    {template}\ndata: [{ONE}]")
    assert said in refuse(text)
