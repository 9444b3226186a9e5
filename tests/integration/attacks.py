"""An attack on a cluster, what stops it, and how that is taken away."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyferry.identity import Identity
from keyferry.kinds import STRATEGIC_MERGE
from keyferry.kube.transport import APPLY
from keyferry.mapping.mapping import SecretMapping
from keyferry_local.admin import Object
from keyferry_local.direct import mapping

HOME, TEAM, AGAIN, SHOP = "attacked", "attacked-team", "attacked-again", "attacked-shop-1"
"""Namespaces that mappings lead to: by name, by labels (two of them), by a pattern."""
NEAR, AROUND, BARE = "attacked-shopx", "not-attacked-shop-1", "unattacked"
"""Namespaces that none leads to: with nearly the name and the labels, with the name inside its own, without labels."""
LABELS: Mapping[str, Mapping[str, str]] = {
    HOME: {},
    TEAM: {"attacked": "yes"},
    AGAIN: {"attacked": "yes"},
    SHOP: {},
    NEAR: {"attacked": "yes-not", "attacked.example.com": "yes"},
    AROUND: {},
    BARE: {},
}
NONCE = "0123456789abcdef"
JSON, MERGE = "application/json", "application/merge-patch+json"
ACCOUNT_TOKEN, BOOTSTRAP_TOKEN = "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"
REPLICATED, CLUSTER_OF_ARGO = "replicator.v1.mittwald.de/replicate-to", "argocd.argoproj.io/secret-type"
"""What one mapping gives its Secret: an annotation and a label on which others act."""
RBAC = "rbac.authorization.k8s.io"

NO_TOKENS, NO_FINALIZERS, NO_OWNERS = "no token of the cluster", "no finalizers", "no owners"
MANAGED, PLACES = "managedFields", "no mapping writes Secret"
NO_LABEL, NO_ANNOTATION = "no mapping gives the label", "no mapping gives the annotation"
IMMUTABLE = "makes no Secret immutable"
STAMPS_ALONE, STAMP_PLACES, NONCES = "pod templates alone", "no mapping restarts", "16 hexadecimal digits"
FORGED = "makes nobody the manager"


@dataclass(frozen=True)
class Validation:
    """A rule of an admission policy, known by a part of its message."""

    policy: str
    message: str


@dataclass(frozen=True)
class Absence:
    """That no Role has this rule."""

    verb: str
    resource: str
    group: str = ""

    @property
    def rule(self) -> Object:
        """The rule, for a Role."""
        return {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]}


type Stopper = Validation | Absence


@dataclass(frozen=True)
class Attack:
    """A request, and all that stops it: it succeeds once every one of these is taken away."""

    what: str
    method: str
    path: str
    stopped_by: tuple[Stopper, ...]
    body: Object | None = field(default=None, repr=False)
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.what


def build_mappings() -> list[SecretMapping]:
    """Return mappings of every kind that matters to rights."""
    by_labels = {"matchLabels": {"attacked": "yes"}}
    return [
        _mapping("db", [HOME]),
        _mapping("session", by_labels, policies={"deletion": "delete"}),
        _mapping("registry", [HOME, {"names": ["attacked-shop-*"]}], restart=[{"kind": "Deployment", "name": "api"}]),
        _mapping("merged", [HOME], policies={"creation": "merge"}, restart="none"),
        _mapping("once", by_labels, policies={"creation": "createOnce"}),
        _mapping("taken", [HOME], policies={"conflict": "takeOver"}),
        _mapping(
            "copied", [HOME], secret={"annotations": {REPLICATED: "shop"}, "labels": {CLUSTER_OF_ARGO: "cluster"}}
        ),
    ]


def _mapping(name: str, namespaces: object, secret: Object | None = None, **spec: Any) -> SecretMapping:  # noqa: ANN401
    secret = {"name": name, "data": {"password": {"from": "db", "path": "password"}}} | (secret or {})
    sources = {"db": {"secretsManager": "attacked/db"}}
    return mapping(name, sources=sources, clusters=["prod-eu"], namespaces=namespaces, secret=secret, **spec)


def build_secret(name: str, namespace: str, **more: Any) -> Object:  # noqa: ANN401
    """Return a Secret; what is None is left out."""
    metadata = {"name": name, "namespace": namespace} | more.pop("metadata", {})
    whole = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": "eA=="}} | more
    return {key: value for key, value in whole.items() if value is not None}


def in_template(annotations: Mapping[str, str | None]) -> Object:
    """Return a patch of a pod template's annotations."""
    return {"spec": {"template": {"metadata": {"annotations": dict(annotations)}}}}


def apply_secret(what: str, body: Object, *stopped_by: Stopper) -> Attack:
    """Return a server-side apply of a Secret."""
    path = f"{secret_path(body['metadata']['name'], body['metadata']['namespace'])}?fieldManager=attacker&force=true"
    return Attack(what, "PATCH", path, stopped_by, body, APPLY)


def patch_secret(what: str, name: str, namespace: str, patch: Object, *stopped_by: Stopper) -> Attack:
    """Return a patch of a Secret."""
    return Attack(what, "PATCH", secret_path(name, namespace), stopped_by, patch, MERGE)


def patch_workload(what: str, namespace: str, patch: Object, *stopped_by: Stopper) -> Attack:
    """Return a patch of the Deployment `api`."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/api?fieldManager=attacker"
    return Attack(what, "PATCH", path, stopped_by, patch, STRATEGIC_MERGE)


def secret_path(name: str, namespace: str) -> str:
    """Return the path of a Secret."""
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def without(generated: Sequence[Object], stopped_by: Sequence[Stopper], identity: Identity) -> list[Object]:
    """Return what is generated without some validations, and with rules for what no Role has."""
    objects: list[Object] = json.loads(json.dumps(generated))
    policies = {each["metadata"]["name"]: each["spec"] for each in objects if "validations" in each.get("spec", {})}
    for stopper in stopped_by:
        if isinstance(stopper, Validation):
            spec = policies[f"{identity.prefix}-{stopper.policy}"]
            kept = [each for each in spec["validations"] if stopper.message not in _get_message(each)]
            assert len(kept) < len(spec["validations"]), stopper
            spec["validations"] = kept
    rules = [each.rule for each in stopped_by if isinstance(each, Absence)]
    return objects + (build_too_much(identity, rules) if rules else [])


def _get_message(validation: Object) -> str:
    return str(validation.get("message") or validation["messageExpression"])


def build_too_much(identity: Identity, rules: Sequence[Object]) -> list[Object]:
    """Return a ClusterRole with rules that the users of the stack should not have."""
    metadata = {"name": f"{identity.prefix}:too-much"}
    subjects = [{"apiGroup": RBAC, "kind": "User", "name": user} for user in identity.users]
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", **metadata}
    version = f"{RBAC}/v1"
    return [
        {"apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "subjects": subjects,
            "roleRef": reference,
        },
    ]
