"""The list of attacks: what somebody with the pipeline's credentials tries, and what stops each of it."""

from collections.abc import Iterator, Mapping, Sequence

from keyferry.identity import Identity
from keyferry_local.admin import Object
from keyferry_local.world import deployment, env_from
from tests.integration.attacks import (
    ACCOUNT_TOKEN,
    AROUND,
    BARE,
    BOOTSTRAP_TOKEN,
    CLUSTER_OF_ARGO,
    FORGED,
    HOME,
    IMMUTABLE,
    JSON,
    MANAGED,
    MERGE,
    NEAR,
    NO_ANNOTATION,
    NO_FINALIZERS,
    NO_LABEL,
    NO_OWNERS,
    NO_TOKENS,
    NONCE,
    NONCES,
    PLACES,
    RBAC,
    REPLICATED,
    SHOP,
    STAMP_PLACES,
    STAMPS_ALONE,
    TEAM,
    Absence,
    Attack,
    Validation,
    apply_secret,
    build_secret,
    in_template,
    patch_secret,
    patch_workload,
    secret_path,
)

_ADMISSION, _POLICIES = "admissionregistration.k8s.io", "validatingadmissionpolicies"


def list_attacks(identity: Identity, managed: Mapping[str, Sequence[Object]]) -> list[Attack]:
    """Return the attacks in the name of `deliver`, or of somebody who pushes.

    Args:
        identity: the names of the stack.
        managed: kind → managedFields of the Secret `db` and of the Deployment `api`.
    """
    return [
        *_list_tokens(),
        *_list_secrets(),
        *_list_owners(),
        *_list_marks(),
        *_list_workloads(identity, managed),
        *_list_rights(identity),
    ]


def _list_tokens() -> Iterator[Attack]:
    """Yield ways to a token of a ServiceAccount."""
    token, place = Validation("secrets", NO_TOKENS), Validation("secrets", PLACES)
    account = Validation("secrets", NO_ANNOTATION)  # a token names its ServiceAccount in an annotation
    annotation = {"annotations": {"kubernetes.io/service-account.name": "default"}}
    for name, namespace, stopped_by in (
        ("taken", HOME, (token, account)),
        ("once", TEAM, (token, account)),
        ("registry", SHOP, (token, account)),
        ("once", BARE, (token, account, place)),
        ("session", "default", (token, account, place)),
        ("session", "kube-system", (token, account, place)),
    ):
        what = f"make {name} in {namespace} a token of a ServiceAccount"
        body = build_secret(name, namespace, type=ACCOUNT_TOKEN, metadata=annotation, data=None)
        yield apply_secret(what, body, *stopped_by)
    system = build_secret("session", "kube-system", type=BOOTSTRAP_TOKEN)
    yield apply_secret("make session in kube-system a bootstrap token", system, token, place)
    for other in (
        {"kubernetes.io/service-account.name": "other"},
        {"kubernetes.io/enforce-mountable-secrets": "false"},
    ):
        what = f"annotate a token with {next(iter(other))}"
        yield patch_secret(what, "session", TEAM, {"metadata": {"annotations": other}}, token, account)
    yield patch_secret("give a token other data", "session", TEAM, {"data": {"token": "eA=="}}, token)
    yield Attack("delete a token", "DELETE", secret_path("session", TEAM), (token,))
    request: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    for namespace in (HOME, "kube-system"):
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
        absent = Absence("create", "serviceaccounts/token")
        yield Attack(f"ask for a token in {namespace}", "POST", path, (absent,), request, JSON)
    pod = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "example/x"}]}}
    pods = f"/api/v1/namespaces/{HOME}/pods"
    yield Attack("run a pod", "POST", pods, (Absence("create", "pods"),), pod, JSON)


def _list_secrets() -> Iterator[Attack]:
    """Yield Secrets where names, labels and patterns do not lead."""
    place = Validation("secrets", PLACES)
    for name, namespace in (
        *(("once", each) for each in (HOME, SHOP, NEAR, BARE, "kube-system")),
        *(("registry", each) for each in (TEAM, NEAR, AROUND, BARE, "kube-system")),
    ):
        yield apply_secret(f"create {name} in {namespace}", build_secret(name, namespace), place)
    for namespace in (NEAR, BARE):
        yield patch_secret(f"change session in {namespace}", "session", namespace, {"data": {"x": "eA=="}}, place)
        yield Attack(f"delete session in {namespace}", "DELETE", secret_path("session", namespace), (place,))
    patch = Absence("patch", "secrets")
    for name, namespace in (("db", TEAM), ("db", BARE), ("somebodys", HOME)):
        data = {"data": {"x": "eA=="}}
        yield patch_secret(f"change {name} in {namespace}", name, namespace, data, patch)
        yield Attack(f"read {name} in {namespace}", "GET", secret_path(name, namespace), (Absence("get", "secrets"),))
    create, delete = Absence("create", "secrets"), Absence("delete", "secrets")
    yield apply_secret("create what is to be merged into", build_secret("merged", HOME), create)
    secrets = f"/api/v1/namespaces/{HOME}/secrets"
    yield Attack("create a Secret by POST", "POST", secrets, (create,), build_secret("x", HOME), JSON)
    replaced = build_secret("db", HOME)
    update = Absence("update", "secrets")
    yield Attack("replace a Secret", "PUT", secret_path("db", HOME), (update,), replaced, JSON)
    yield Attack("delete what is kept", "DELETE", secret_path("db", HOME), (delete,))
    yield Attack("delete all Secrets", "DELETE", secrets, (Absence("deletecollection", "secrets"),))
    yield from _list_listings(secrets)


def _list_listings(secrets: str) -> Iterator[Attack]:
    """Yield lists of Secrets. By a name, too: RBAC takes a rule with the name for leave to list what is called so."""
    for what, path in (
        ("Secrets", secrets),
        ("all Secrets", "/api/v1/secrets"),
        ("db by its name", f"{secrets}?fieldSelector=metadata.name%3Ddb"),
        ("session of all namespaces by its name", "/api/v1/secrets?fieldSelector=metadata.name%3Dsession"),
    ):
        yield Attack(f"list {what}", "GET", path, (Absence("list", "secrets"),))
        watch = f"{path}{'&' if '?' in path else '?'}watch=true&timeoutSeconds=1"
        yield Attack(f"watch {what}", "GET", watch, (Absence("watch", "secrets"),))


def _list_owners() -> Iterator[Attack]:
    """Yield what makes a Secret somebody's, or keeps it from being deleted."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "00000000-0000-0000-0000-000000000000"}
    changes: Sequence[tuple[str, Object, str]] = (
        ("a finalizer", {"finalizers": ["example.com/x"]}, NO_FINALIZERS),
        ("an owner", {"ownerReferences": [owner]}, NO_OWNERS),
        ("the label of generated objects", {"labels": {"keyferry.dev/generated": "x"}}, NO_LABEL),
        ("no managers of fields", {"managedFields": [{}]}, MANAGED),
    )
    for what, metadata, message in changes:
        rule = Validation("secrets", message)
        yield patch_secret(f"give a Secret {what}", "db", HOME, {"metadata": metadata}, rule)
    for what, metadata, message in changes[:3]:
        body = build_secret("once", TEAM, metadata=metadata)
        yield apply_secret(f"create a Secret with {what}", body, Validation("secrets", message))
    for what, message in (("finalizers", NO_FINALIZERS), ("ownerReferences", NO_OWNERS)):
        taken_off = {"metadata": {what: None}}
        yield patch_secret(f"take {what} off", "registry", HOME, taken_off, Validation("secrets", message))


def _list_marks() -> Iterator[Attack]:
    """Yield labels and annotations by which others copy, delete or use a Secret, and what locks deliveries out."""
    label, annotation = Validation("secrets", NO_LABEL), Validation("secrets", NO_ANNOTATION)
    for key in (
        "reflector.v1.k8s.emberstack.com/reflection-allowed",
        "kustomize.toolkit.fluxcd.io/prune",
        "helm.sh/hook-delete-policy",
        "cert-manager.io/allow-direct-injection",
        REPLICATED,
    ):
        marked = {"metadata": {"annotations": {key: "true"}}}
        yield patch_secret(f"annotate a Secret with {key}", "db", HOME, marked, annotation)
    for key in (CLUSTER_OF_ARGO, "app.kubernetes.io/instance", "owner", "grafana_dashboard", REPLICATED):
        marked = {"metadata": {"labels": {key: "helm"}}}
        yield patch_secret(f"label a Secret with {key}", "db", HOME, marked, label)
    helm = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    yield patch_secret("hand a Secret over to Helm", "db", HOME, helm, label)
    swapped = {"metadata": {"annotations": {CLUSTER_OF_ARGO: "cluster"}}}
    yield patch_secret("annotate with what is given as a label", "copied", HOME, swapped, annotation)
    widened = {"metadata": {"annotations": {REPLICATED: ".*"}}}
    yield patch_secret("widen what somebody has annotated", "registry", HOME, widened, annotation)
    created = build_secret("once", TEAM, metadata=widened["metadata"])
    yield apply_secret("create a Secret that is copied", created, annotation)
    immutable = Validation("secrets", IMMUTABLE)
    yield patch_secret("lock deliveries out", "db", HOME, {"immutable": True}, immutable)
    yield apply_secret("create what is locked", build_secret("once", TEAM, immutable=True), immutable)


def _list_workloads(identity: Identity, managed: Mapping[str, Sequence[Object]]) -> Iterator[Attack]:
    """Yield what is more than a restart."""
    alone, kept = Validation("workloads", STAMPS_ALONE), Validation("workloads", MANAGED)
    owns = Validation("workloads", FORGED)  # whoever changes a field becomes its manager
    image: Object = {"containers": [{"name": "main", "image": "example/x:1"}]}
    stamp = {identity.stamp_key("db"): NONCE}
    changes: Mapping[str, Object] = {
        "another image": {"spec": {"template": {"spec": image}}},
        "another image with a stamp": {"spec": {"template": {"metadata": {"annotations": stamp}, "spec": image}}},
        "a ServiceAccount": {"spec": {"template": {"spec": {"serviceAccountName": "other"}}}},
        "a volume": {"spec": {"template": {"spec": {"volumes": [{"name": "x", "emptyDir": {}}]}}}},
        "other replicas": {"spec": {"replicas": 7}},
        "a label": {"metadata": {"labels": {"x": "x"}}},
        "a label of its pods": {"spec": {"template": {"metadata": {"labels": {"x": "x"}}}}},
        "an annotation": {"metadata": {"annotations": {"x": "x"}}},
        "an annotation of its pods": in_template({"x": "x"}),
        "a finalizer": {"metadata": {"finalizers": ["example.com/x"]}},
    }
    for what, patch in changes.items():
        takes_over = ("image" in what or "replicas" in what) and [kept]  # fields that have a manager already
        yield patch_workload(f"give a Deployment {what}", HOME, patch, alone, owns, *(takes_over or ()))
    yield patch_workload(
        "give a Deployment of another team another image", BARE, changes["another image"], alone, owns, kept
    )
    place, nonce = Validation("workloads", STAMP_PLACES), Validation("workloads", NONCES)
    for name, namespace in (("session", HOME), ("db", TEAM), ("session", BARE), ("merged", HOME), ("unmapped", HOME)):
        patch = in_template({identity.stamp_key(name): NONCE})
        yield patch_workload(f"stamp {name} in {namespace}", namespace, patch, place)
    for what, value in (("a text", "x"), ("200 KB", NONCE * 12_500)):
        yield patch_workload(f"stamp {what}", HOME, in_template({identity.stamp_key("db"): value}), nonce)
    others = [each for each in managed["Deployment"] if each["manager"] != "kubectl"]
    for what, entries in (("all managers of fields", [{}]), ("one manager of fields", others)):
        wiped: Object = {"metadata": {"managedFields": entries}, **in_template(stamp)}
        yield patch_workload(f"take away {what}", HOME, wiped, kept)
    forged: Object = {"f:spec": {"f:replicas": {}}}
    ours = next(each for each in managed["Deployment"] if each["manager"] == "kubectl")
    grown = ours | {"fieldsV1": {"f:spec": ours["fieldsV1"]["f:spec"] | {"f:paused": {}}}}
    for what, entries in (
        ("somebody", [*managed["Deployment"], ours | {"manager": "helm", "fieldsV1": forged}]),
        ("a manager of more", [grown, *(each for each in managed["Deployment"] if each is not ours)]),
    ):
        owned: Object = {"metadata": {"managedFields": entries}, **in_template(stamp)}
        yield patch_workload(f"make {what} the manager of fields", HOME, owned, owns)
    api = f"/apis/apps/v1/namespaces/{HOME}/deployments"
    for part, body in (("scale", {"spec": {"replicas": 7}}), ("status", {"status": {"observedGeneration": 99}})):
        absent = Absence("patch", f"deployments/{part}", "apps")
        yield Attack(
            f"patch {part} of a Deployment", "PATCH", f"{api}/api/{part}", (absent, alone, owns, kept), body, MERGE
        )
    delete, create = (Absence(verb, "deployments", "apps") for verb in ("delete", "create"))
    yield Attack("delete a Deployment", "DELETE", f"{api}/api", (delete, alone, kept))
    yield Attack(
        "create a Deployment", "POST", api, (create, alone, owns), deployment("other", HOME, env_from("db")), JSON
    )


def _list_rights(identity: Identity) -> Iterator[Attack]:
    """Yield ways to more rights, and to what is nobody's business."""
    subject = {"apiGroup": RBAC, "kind": "User", "name": identity.deliver}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    binding: Object = {"metadata": {"name": "x"}, "subjects": [subject], "roleRef": reference}
    nothing: Object = {"rules": []}
    policy = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{identity.secrets_policy}"
    roles = f"/apis/{RBAC}/v1"
    role = f"{roles}/clusterroles/{identity.deliver}:session"
    bind = Absence("create", "clusterrolebindings", RBAC), Absence("bind", "clusterroles", RBAC)
    yield Attack("bind itself", "POST", f"{roles}/clusterrolebindings", bind, binding, JSON)
    for what, method, path, absent, body in (
        ("change its Role", "PATCH", role, Absence("patch", "clusterroles", RBAC), nothing),
        ("delete a policy", "DELETE", policy, Absence("delete", _POLICIES, _ADMISSION), None),
        ("change a policy", "PATCH", policy, Absence("patch", _POLICIES, _ADMISSION), {"metadata": {"labels": {}}}),
        ("label a namespace", "PATCH", f"/api/v1/namespaces/{BARE}", Absence("patch", "namespaces"), {"metadata": {}}),
        ("read a namespace", "GET", "/api/v1/namespaces/kube-system", Absence("get", "namespaces"), None),
        ("read a ConfigMap", "GET", "/api/v1/namespaces/kube-system/configmaps", Absence("list", "configmaps"), None),
        ("list ServiceAccounts", "GET", "/api/v1/serviceaccounts", Absence("list", "serviceaccounts"), None),
        ("list nodes", "GET", "/api/v1/nodes", Absence("list", "nodes"), None),
        ("list pods", "GET", f"/api/v1/namespaces/{HOME}/pods", Absence("list", "pods"), None),
        ("read Roles", "GET", f"{roles}/clusterroles", Absence("list", "clusterroles", RBAC), None),
    ):
        content_type = {"PATCH": MERGE, "POST": JSON}.get(method, "")
        yield Attack(what, method, path, (absent,), body, content_type if body is not None else "")
    hook: Object = {"metadata": {"name": "x"}, "webhooks": []}
    hooks = f"/apis/{_ADMISSION}/v1/mutatingwebhookconfigurations"
    absent = Absence("create", "mutatingwebhookconfigurations", _ADMISSION)
    yield Attack("make a webhook", "POST", hooks, (absent,), hook, JSON)
    for what, headers, resource in (
        ("an administrator", {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}, "*"),
        ("a ServiceAccount", {"Impersonate-User": "system:serviceaccount:kube-system:default"}, "serviceaccounts"),
    ):
        absent = Absence("impersonate", resource)
        yield Attack(f"be {what}", "GET", "/version", (absent,), headers=headers)


def list_attacks_of_reconcile(identity: Identity) -> Iterator[Attack]:
    """Yield attacks in the name of `reconcile`, which only reads: RBAC alone stops them."""
    for name, namespace in (("db", HOME), ("session", TEAM), ("session", BARE)):
        patch = Absence("patch", "secrets")
        yield patch_secret(f"change {name} in {namespace}", name, namespace, {"data": {"x": "eA=="}}, patch)
    annotation = {"annotations": {"kubernetes.io/service-account.name": "default"}}
    body = build_secret("once", TEAM, type=ACCOUNT_TOKEN, metadata=annotation)
    yield apply_secret("make a token", body, Absence("patch", "secrets"), Absence("create", "secrets"))
    yield Attack("delete a Secret", "DELETE", secret_path("db", HOME), (Absence("delete", "secrets"),))
    yield from _list_listings(f"/api/v1/namespaces/{HOME}/secrets")
    yield Attack("read somebody's Secret", "GET", secret_path("somebodys", HOME), (Absence("get", "secrets"),))
    yield Attack("read a namespace", "GET", "/api/v1/namespaces/kube-system", (Absence("get", "namespaces"),))
    stamp = in_template({identity.stamp_key("db"): NONCE})
    yield patch_workload("stamp a Deployment", HOME, stamp, Absence("patch", "deployments", "apps"))
    yield Attack("list Deployments", "GET", "/apis/apps/v1/deployments", (Absence("list", "deployments", "apps"),))
