"""The choice of an admission policy is that of the mapping: the API server's CEL agrees with `NamespaceSelector`."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from keyferry.access.admission.choices import MAX_CHOICES
from keyferry.access.admission.policies import build_policies
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import NamespaceSelector
from keyferry.policy.metadata import is_harmless
from keyferry_local.admin import Object, Refused
from keyferry_local.direct import apply_rbac, mapping
from keyferry_local.watch import until
from tests.integration.attacks import RBAC, build_secret
from tests.integration.scene import Scene

KEYS, VALUES = ("team", "env", "example.com/tier"), ("", "a", "b")
PATTERNS = ("*-a", "*-b?", "choice-*", "*-?b", "*", "choice-a")
NAMES = ("a", "b", "ab", "ba", "bb", "xa", "abc")
GIVEN = ("example.com/a", "owner", "x.y-z.example.com/A_b.c")
MARKS = (
    *(
        "team",
        "Owner",
        "OWNER",
        "owner-of",
        "the-owner",
        "grafana_x",
        "grafana_dashboard",
        "grafana",
        "x_grafana_x",
        "loki_rule",
    ),
    *("app.kubernetes.io/name", "app.kubernetes.io/instance", "example.com/name", "example.com/b", "example.org/b"),
    *("app.kubernetes.io/managed-by", "kubernetes.io/enforce-mountable-secrets", "name", "owner.example.com/x"),
)
"""Keys of labels and annotations, of every kind that is told apart."""


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A scene with a stack of its own."""
    return own_scene


def choose(dice: random.Random) -> dict[str, Any]:
    """Return a selector of namespaces, of any of its parts."""
    chosen: dict[str, Any] = {
        "matchLabels": {key: dice.choice(VALUES) for key in dice.sample(KEYS, dice.randint(0, 1))},
        "matchExpressions": [express(dice) for _ in range(dice.randint(0, 2))],
        "names": dice.sample(PATTERNS, dice.randint(0, 2)),
        "exclude": dice.sample(PATTERNS, dice.choice([0, 0, 1])),
    }
    return chosen if any(chosen[part] for part in ("matchLabels", "matchExpressions", "names")) else choose(dice)


def express(dice: random.Random) -> dict[str, Any]:
    """Return one requirement of a label."""
    operator = dice.choice(["In", "NotIn", "Exists", "DoesNotExist"])
    values = dice.sample(VALUES, dice.randint(1, 2)) if operator.endswith("In") else []
    return {"key": dice.choice(KEYS), "operator": operator, "values": values}


def build_mapping(name: str, namespaces: Sequence[object], **secret: object) -> SecretMapping:
    """Return a mapping that writes a Secret of its own name."""
    sources, data = {"db": {"secretsManager": "choices"}}, {"key": {"from": "db"}}
    return mapping(
        name,
        sources=sources,
        clusters=["prod-eu"],
        namespaces=namespaces,
        secret={"name": name, "data": data, **secret},
    )


def selects(selector: NamespaceSelector, name: str, labels: Mapping[str, str]) -> bool:
    """Return whether a selector selects a namespace."""
    return selector.matches(labels) and selector.matches_name(name)


def test_the_policy_lets_a_secret_go_where_its_mappings_lead_and_nowhere_else(scene: Scene) -> None:
    dice = random.Random(scene.namespace)  # noqa: S311  # no secret
    namespaces = {f"choice-{name}": pick_labels(dice, f"choice-{name}") for name in NAMES}
    for name, labels in namespaces.items():
        # Also what other runs have left on it: an apply takes away what is not given any more.
        scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    mappings = [build_mapping(f"choice-{n}", [choose(dice) for _ in range(dice.randint(1, 2))]) for n in range(60)]
    mappings += [build_mapping(f"named-{n}", ["choice-b", choose(dice)]) for n in range(10)]
    apply_rbac(scene.admin, [*build_policies(scene.identity, mappings), *allow_secrets(scene)])

    wrong = [
        f"{mapping.name} in {name} with {labels}: {is_allowed}; {mapping.spec.namespaces}"
        for mapping, (name, labels) in itertools.product(mappings, namespaces.items())
        for is_allowed in [may_write(scene, mapping.name, name)]
        if is_allowed != leads_to(mapping, name, labels)
    ]
    assert wrong == [], scene.namespace


def test_two_thousand_names_and_as_many_choices_as_there_may_be_are_accepted_and_held(scene: Scene) -> None:
    labels = [{"matchLabels": {"choice-of": f"{scene.namespace}-{number}"}} for number in range(MAX_CHOICES)]
    mappings = [
        build_mapping(f"name-{number}", [labels[number % MAX_CHOICES]], annotations=mark(number))
        for number in range(2000)
    ]
    metadata = {"name": scene.namespace, "labels": {"choice-of": f"{scene.namespace}-7"}}
    scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    apply_rbac(scene.admin, [*build_policies(scene.identity, mappings), *allow_secrets(scene)])
    until("the policy is in force", lambda: not may_write(scene, "name-0", scene.namespace))
    written = [
        name for name in ("name-7", "name-1507", "name-8", "name-1999") if may_write(scene, name, scene.namespace)
    ]
    assert written == ["name-7", "name-1507"]
    for number in (7, 507, 1007):
        assert may_write(scene, f"name-{number}", scene.namespace, annotations=mark(number))
        assert not may_write(scene, f"name-{number}", scene.namespace, annotations=mark(number + 1))


def mark(number: int) -> dict[str, str]:
    """Return annotations that only some of two thousand mappings give."""
    return {f"example.com/{number % 250}": "x", f"example.org/{number % 8}": "x"}


def test_the_policy_knows_the_labels_that_nobody_acts_on_as_the_policy_file_does(scene: Scene) -> None:
    mappings = [
        build_mapping("plain", [scene.namespace]),
        build_mapping(
            "marked", [scene.namespace], labels=dict.fromkeys(GIVEN, "x"), annotations={"example.org/b": "x"}
        ),
    ]
    apply_rbac(scene.admin, [*build_policies(scene.identity, mappings), *allow_secrets(scene)])
    wrong = [
        (noun, key, name)
        for noun, key, name in itertools.product(("labels", "annotations"), (*GIVEN, *MARKS), ("plain", "marked"))
        if may_write(scene, name, scene.namespace, **{noun: {key: "x"}})
        is not (is_harmless(key) or (name == "marked" and key in (GIVEN if noun == "labels" else ["example.org/b"])))
    ]
    assert wrong == []


def pick_labels(dice: random.Random, name: str) -> dict[str, str]:
    """Return labels for a namespace, with the one that Kubernetes itself sets."""
    picked = {key: dice.choice(VALUES) for key in dice.sample(KEYS, dice.randint(0, len(KEYS)))}
    return picked | {"kubernetes.io/metadata.name": name}


def leads_to(mapping: SecretMapping, name: str, labels: Mapping[str, str]) -> bool:
    """Return whether a mapping writes to a namespace."""
    selectors = mapping.spec.namespace_selectors
    return name in mapping.spec.namespace_names or any(selects(each, name, labels) for each in selectors)


def may_write(scene: Scene, secret: str, namespace: str, **metadata: Mapping[str, str]) -> bool:
    """Return whether the pipeline may create a Secret, by a dry run."""
    path = f"/api/v1/namespaces/{namespace}/secrets?dryRun=All"
    body = build_secret(secret, namespace, metadata=metadata)
    try:
        scene.admin.send("POST", path, body, "application/json", {"Impersonate-User": scene.identity.deliver})
    except Refused as refusal:
        assert "no mapping " in str(refusal)
        return False
    return True


def allow_secrets(scene: Scene) -> list[Object]:
    """Return the right to create every Secret, so that the policy alone decides."""
    metadata, version = {"name": scene.namespace}, f"{RBAC}/v1"
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    subjects = [{"apiGroup": RBAC, "kind": "User", "name": scene.identity.deliver}]
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", **metadata}
    return [
        {"apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": subjects,
        },
    ]
