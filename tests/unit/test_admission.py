"""The generated admission policies. Whether their CEL holds, only an API server can say: the integration tests do."""

from pathlib import Path
from typing import Any

import pytest

from keyferry.access.admission import choices
from keyferry.access.admission.policies import MAX_BYTES, build_policies
from keyferry.errors import InvalidInput
from keyferry.formats import yamltext
from keyferry.identity import IDENTITY, Identity
from keyferry.kinds import KINDS
from keyferry.mapping.mapping import SecretMapping
from tests.unit.samples import mapping

SHOP = {"matchLabels": {"team": "shop"}}
BY_PATTERNS = {
    "names": ["shop-*", "team-?"],
    "exclude": ["shop-x"],
    "matchExpressions": [{"key": "a", "operator": "Exists"}],
}


def policies(
    *mappings: SecretMapping, identity: Identity = IDENTITY, events: bool = False
) -> dict[str, dict[str, Any]]:
    """Return the name of each policy → its spec."""
    made = build_policies(identity, mappings, events=events)
    return {each["metadata"]["name"]: each["spec"] for each in made if each["kind"] == "ValidatingAdmissionPolicy"}


def rules_of_namespaces(*mappings: SecretMapping) -> list[str]:
    """Return the validations of the policy for Secrets that look at the namespace."""
    validations = policies(*mappings)["keyferry-secrets"]["validations"]
    return [each["expression"] for each in validations if "no mapping writes" in each.get("messageExpression", "")]


def test_both_policies_hold_for_the_writers_of_the_stack_alone_and_fail_closed() -> None:
    made = build_policies(IDENTITY, [mapping()])
    assert [(each["kind"], each["metadata"]["name"]) for each in made] == [
        (kind, name)
        for name in ("keyferry-secrets", "keyferry-workloads")
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    ]
    for policy, binding in zip(made[::2], made[1::2], strict=True):
        assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert policy["spec"]["matchConditions"] == [
            {"name": "pipeline", "expression": "request.userInfo.username in ['keyferry:deliver', 'keyferry:push']"}
        ]


def test_two_stacks_share_no_policy() -> None:
    ours, others = policies(mapping()), policies(mapping(), identity=Identity("staging"))
    assert ours.keys() & others.keys() == set()
    assert "'staging:deliver', 'staging:push'" in others["staging-secrets"]["matchConditions"][0]["expression"]


def test_without_mappings_there_is_the_policy_for_secrets_and_without_restarts_none_for_workloads() -> None:
    assert list(policies()) == ["keyferry-secrets"]
    assert list(policies(mapping(restart="none"))) == ["keyferry-secrets"]


def test_the_policy_covers_every_kind_that_a_mapping_can_restart_and_every_way_to_change_it() -> None:
    rules = policies(mapping())["keyferry-workloads"]["matchConstraints"]["resourceRules"]
    covered = {(group, name) for rule in rules for group in rule["apiGroups"] for name in rule["resources"]}
    assert covered == {(kind.group, name) for kind in KINDS.values() for name in (kind.resource, f"{kind.resource}/*")}
    assert all(rule["operations"] == ["CREATE", "UPDATE", "DELETE"] for rule in rules)


MARKED = {
    "data": {"a": {"value": "b"}},
    "labels": {"team": "shop", "example.com/team": "shop"},
    "annotations": {"example.com/note": {"template": "{{ namespace }}"}, "example.com/copy": "x"},
}


def rules_of_metadata(*mappings: SecretMapping) -> dict[str, str]:
    """Return name → expression of the variables that say what mappings give their Secrets."""
    variables = policies(*mappings)["keyferry-secrets"]["variables"]
    return {
        each["name"]: each["expression"]
        for each in variables
        if each["name"].startswith("strange") and each["name"][-1].isdigit()
    }


def test_secrets_with_the_same_labels_and_annotations_share_a_rule_and_harmless_ones_need_none() -> None:
    marked = [mapping(name, secret={**MARKED, "name": name}) for name in ("a", "b")]
    plain = mapping("plain", secret={**MARKED, "name": "c", "labels": {"team": "x"}, "annotations": {"note": "x"}})
    assert rules_of_metadata(*marked, plain) == {
        "strangeLabels0": "variables.strangeLabels.filter(k, !((k in ['example.com/team']"
        " && variables.name in ['a', 'b'])))",
        "strangeAnnotations0": "variables.strangeAnnotations.filter(k, !((k in ['example.com/copy', 'example.com/note']"
        " && variables.name in ['a', 'b'])))",
    }
    assert rules_of_metadata(plain) == {}


def test_two_mappings_of_one_secret_add_up_to_its_labels() -> None:
    first = mapping("first", secret={**MARKED, "name": "a", "annotations": {}})
    other = mapping("other", secret={**MARKED, "name": "a", "labels": {"example.com/x": "x"}, "annotations": {}})
    assert "k in ['example.com/team', 'example.com/x']" in rules_of_metadata(first, other)["strangeLabels0"]


def test_names_whose_namespaces_are_named_need_no_rule() -> None:
    assert rules_of_namespaces(mapping(namespaces=["payments", "shop"])) == []


def test_mappings_that_choose_alike_share_a_rule_and_those_of_one_name_add_up() -> None:
    first, second, third = (mapping(f"m{n}", name=f"s{n}", namespaces=SHOP) for n in range(3))
    other = mapping("other", name="s2", namespaces=["payments"])
    assert rules_of_namespaces(first, second, third, other) == [
        "(!(variables.name in ['s0', 's1']) || 'team' in variables.labels && variables.labels['team'] == 'shop')"
        " && (!(variables.name in ['s2']) || request.namespace in ['payments'] || 'team' in variables.labels &&"
        " variables.labels['team'] == 'shop')"
    ]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"key": "a", "operator": "Exists"}, "'a' in variables.labels"),
        ({"key": "a", "operator": "DoesNotExist"}, "!('a' in variables.labels)"),
        (
            {"key": "a", "operator": "In", "values": ["y", "x"]},
            "'a' in variables.labels && variables.labels['a'] in ['x', 'y']",
        ),
        (
            {"key": "a", "operator": "NotIn", "values": ["x"]},
            "!('a' in variables.labels && variables.labels['a'] in ['x'])",
        ),
    ],
)
def test_each_requirement_of_a_label_is_an_expression(selector: dict[str, Any], expected: str) -> None:
    (rule,) = rules_of_namespaces(mapping(namespaces={"matchExpressions": [selector]}))
    assert rule == f"(!(variables.name in ['payments-db']) || {expected})"


def test_a_stamp_is_for_the_namespaces_of_the_mappings_that_restart() -> None:
    named, chosen = mapping(), mapping("chosen", name="session", namespaces=SHOP)
    silent = mapping("silent", name="quiet", restart="none")
    (first,) = (
        each["expression"]
        for each in policies(named, chosen, silent)["keyferry-workloads"]["variables"]
        if each["name"] == "misplaced0"
    )
    assert first == (
        "variables.stamped.filter(s, !((request.namespace + '/' + s in ['payments/payments-db']) || (s in ['session']"
        " && ('team' in variables.labels && variables.labels['team'] == 'shop'))))"
    )


def place_of_events(*mappings: SecretMapping) -> list[str]:
    """Return the expressions by which the policy for Events tells where a Secret is one of a mapping."""
    variables = policies(*mappings, events=True)["keyferry-events"]["variables"]
    return [each["expression"] for each in variables if each["name"].startswith("place")]


def test_an_event_is_about_a_secret_in_the_namespaces_of_its_mappings_whether_they_restart_or_not() -> None:
    named, silent = mapping(), mapping("silent", name="quiet", restart="none")
    chosen = mapping("chosen", name="session", namespaces=SHOP)
    assert place_of_events(named, chosen, silent) == [
        "(request.namespace + '/' + variables.name in ['payments/payments-db', 'payments/quiet']) ||"
        " (variables.name in ['session'] && ('team' in variables.labels && variables.labels['team'] == 'shop'))"
    ]


def test_without_mappings_no_event_is_allowed() -> None:
    assert place_of_events() == []
    validations = policies(events=True)["keyferry-events"]["validations"]
    assert [each["expression"] for each in validations if "no mapping" in each.get("messageExpression", "")] == [
        "false"
    ]


def test_there_is_a_policy_for_events_where_they_are_asked_for_alone() -> None:
    assert "keyferry-events" not in policies(mapping())
    assert list(policies(mapping(restart="none"), events=True)) == ["keyferry-secrets", "keyferry-events"]


def test_many_names_are_several_expressions_of_a_length_that_the_api_server_takes() -> None:
    many = [mapping(f"m{n}", name=f"{'long-' * 20}{n}", namespaces=SHOP) for n in range(500)]
    made = policies(*many, events=True)
    texts = [each["expression"] for spec in made.values() for each in (*spec["variables"], *spec["validations"])]
    assert len([text for text in texts if "long-" in text]) > 10
    assert max(map(len, texts)) < choices.MAX_LENGTH


def test_more_ways_to_choose_than_an_api_server_decides_in_time_are_refused() -> None:
    many = [mapping(f"m{n}", name=f"s{n}", namespaces={"matchLabels": {"team": f"t{n}"}}) for n in range(501)]
    with pytest.raises(InvalidInput, match=r"chosen in 501 different ways .* and 500 are the most"):
        policies(*many)


def test_a_choice_that_no_expression_holds_is_refused() -> None:
    names = [f"{'long-' * 10}{n}" for n in range(2000)]
    with pytest.raises(InvalidInput, match=r"its choice would have [0-9,]+ characters .* 90,000 are the most"):
        policies(mapping(namespaces=[*names, SHOP]))


def test_a_policy_that_no_api_server_takes_is_refused() -> None:
    names = [f"{'long-' * 10}{n}" for n in range(20000)]
    with pytest.raises(InvalidInput, match=rf"keyferry-workloads would have [0-9,]+ bytes, and {MAX_BYTES:,}"):
        policies(mapping(namespaces=names))


def test_the_policies_are_those_that_were_reviewed_letter_by_letter() -> None:
    """A change of them is to be seen here."""
    comment, _, reviewed = (Path(__file__).parent / "admission_policies.yaml").read_text().partition("\n")
    assert comment.startswith("# ")
    assert write_reviewed() == reviewed


def test_the_order_of_mappings_names_and_choices_changes_no_policy() -> None:
    labels = {"a": "1", "b": "2"}
    choice, turned = ({"matchLabels": dict(items)} for items in (labels.items(), reversed(labels.items())))
    some = [
        mapping("one", name="one", namespaces=["b", "a", choice, SHOP]),
        mapping("two", name="one", namespaces=["c", SHOP]),
        mapping("marked", secret={**MARKED, "name": "marked"}),
    ]
    others = [some[2], some[1], mapping("one", name="one", namespaces=[SHOP, turned, "a", "b"])]
    assert build_policies(IDENTITY, some, events=True) == build_policies(IDENTITY, others, events=True)


def test_stamps_of_an_earlier_prefix_may_go_and_no_others() -> None:
    moved = Identity("keyferry", previous_prefixes=("old",))
    [first, *_] = policies(mapping(), identity=moved)["keyferry-workloads"]["validations"]
    goes = "k.startsWith('old.keyferry.dev/') && !(k in variables.isAnnotations)"
    assert goes in first["expression"]
    [first, *_] = policies(mapping())["keyferry-workloads"]["validations"]
    assert "!(k in variables.isAnnotations)" not in first["expression"]


def write_reviewed() -> str:
    """Return the policies of a few mappings of every kind, as YAML."""
    reviewed = [
        mapping(),
        mapping("shop", name="session", namespaces=SHOP),
        mapping("taken", name="registry", namespaces=["payments", BY_PATTERNS], policies={"conflict": "takeOver"}),
        mapping("marked", secret={**MARKED, "name": "marked", "immutable": True}),
    ]
    return yamltext.text(build_policies(IDENTITY, reviewed, events=True), width=120) + "\n"
