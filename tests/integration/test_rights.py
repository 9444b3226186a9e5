"""The generated rights suffice, each of them is needed and named where it is missing, and they give nothing more."""

from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keyferry.access import rbac
from keyferry.delivery.observed import RESTART_DUE
from keyferry.errors import AccessDenied, Forbidden, NamespaceGone
from keyferry.identity import role_name
from keyferry.mapping.mapping import SecretMapping
from keyferry_local import aws
from keyferry_local.admin import Object
from keyferry_local.cloud import ACCOUNT
from keyferry_local.direct import Direct, apply_rbac, mapping, statements
from keyferry_local.world import deployment, env_from
from tests.integration.scene import CLUSTER, Scene, ask, connection, error, sweep, swept

KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
EVERYBODY = {"authentication.k8s.io", "authorization.k8s.io"}
"""API groups in which every user of a cluster may ask about itself."""


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A scene with a stack of its own."""
    return own_scene


class Limited:
    """A role of a stack of its own: what other tests grant, it does not have."""

    def __init__(self, scene: Scene, user: str = "deliver", *beside: SecretMapping, **spec: Any) -> None:  # noqa: ANN401
        self.scene, self.user = scene, getattr(scene.identity, user)
        whole = scene.catalog([scene.mapping(**spec), *beside])
        self.rbac: list[Object] = rbac.build_rbac(whole, whole.clusters[CLUSTER])
        self.direct = Direct.grant(scene.cloud, whole, rbac=False, entries=False)
        region = whole.clusters[CLUSTER].eks.region
        aws.add_access_entry(scene.cloud.aws, CLUSTER, self.direct.role, self.user, region=region)

    def grant(self, lacking: tuple[str, str] | None = None) -> None:
        """Apply the generated RBAC, without one verb on one resource."""
        apply_rbac(self.scene.admin, [_without(each, lacking) for each in self.rbac])


def _without(each: Object, lacking: tuple[str, str] | None) -> Object:
    if lacking is None or "rules" not in each:
        return each
    verb, resource = lacking
    rules = [rule | {"resources": [one]} for rule in each["rules"] for one in rule["resources"]]
    kept = [
        rule | {"verbs": [v for v in rule["verbs"] if (v, rule["resources"][0]) != (verb, resource)]} for rule in rules
    ]
    return each | {"rules": [rule for rule in kept if rule["verbs"]]}


def make_workloads(scene: Scene) -> None:
    """Make one workload of each kind, that uses the Secret."""
    made = deployment("api", scene.namespace, env_from("db"))
    template, selector = made["spec"]["template"], made["spec"]["selector"]
    scene.admin.apply(made)
    scene.make("StatefulSet", "api", spec={"selector": selector, "template": template, "serviceName": "api"})
    scene.make("DaemonSet", "api", spec={"selector": selector, "template": template})


@pytest.mark.parametrize("verb", ["get", "patch", "create"])
def test_without_a_verb_on_the_secret_nothing_is_written_and_the_verb_is_named(scene: Scene, verb: str) -> None:
    scene.create({"password": "canary-rights-1"})
    limited = Limited(scene)
    limited.grant(lacking=(verb, "secrets"))

    found = error(limited.direct.deliver(scene.namespace))

    assert isinstance(found, Forbidden)
    assert f"the cluster forbids to {verb} secrets/db in namespace {scene.namespace}" in str(found)
    assert f"grant the verb {verb} by RBAC" in str(found)
    assert scene.data() is None


@pytest.mark.parametrize(
    ("creation", "verb"),
    [("merge", "get"), ("merge", "patch"), *(("createOnce", verb) for verb in ("get", "patch", "create"))],
)
def test_whatever_the_setting_each_verb_that_is_granted_is_needed(scene: Scene, creation: str, verb: str) -> None:
    scene.create({"password": "canary-rights-1"})
    limited = Limited(scene, policies={"creation": creation}, restart="none")
    if creation == "merge":
        scene.make("Secret", "db", stringData={"other": "canary-rights-other"})
    limited.grant(lacking=(verb, "secrets"))
    found = error(limited.direct.deliver(scene.namespace))
    assert isinstance(found, Forbidden)
    assert f"grant the verb {verb} by RBAC" in str(found)

    limited.grant()
    assert not limited.direct.deliver(scene.namespace).errors
    assert (scene.data() or {})["password"] == b"canary-rights-1"


def test_a_secret_that_is_merged_into_may_not_be_created(scene: Scene) -> None:
    limited = Limited(scene, policies={"creation": "merge"})
    limited.grant()
    assert not scene.admin.may(limited.user, "create", "secrets", namespace=scene.namespace, name="db")
    assert scene.admin.may(limited.user, "patch", "secrets", namespace=scene.namespace, name="db")


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_a_verb_that_is_taken_away_leaves_the_secret_as_it_was(scene: Scene, verb: str) -> None:
    scene.create({"password": "canary-rights-1"})
    limited = Limited(scene)
    limited.grant()
    assert not limited.direct.deliver(scene.namespace).errors
    limited.grant(lacking=(verb, "secrets"))
    scene.put({"password": "canary-rights-2"})

    with scene.untouched("Secret", "db"):
        found = error(limited.direct.deliver(scene.namespace))

    assert f"grant the verb {verb} by RBAC" in str(found)


@pytest.mark.parametrize("resource", sorted(KINDS))
@pytest.mark.parametrize("verb", ["list", "patch"])
def test_without_a_verb_on_workloads_the_restart_stays_due_until_it_is_granted(
    scene: Scene, verb: str, resource: str
) -> None:
    scene.create({"password": "canary-rights-1"})
    make_workloads(scene)
    limited = Limited(scene)
    limited.grant(lacking=(verb, resource))

    report = limited.direct.deliver(scene.namespace)

    found, [outcome] = error(report), report.outcomes
    assert isinstance(found, Forbidden)
    assert (outcome.did, outcome.restart_due) == ("created", True)
    assert f"forbids to {verb} {resource}" in str(found)
    assert "`kubectl --context prod-eu apply --server-side -f generated/clusters/prod-eu/rbac.yaml`" in str(found)
    assert f"; the Secret is written, and its workloads are due for a restart ({RESTART_DUE})" in str(found)
    assert scene.data() == {"password": b"canary-rights-1"}
    nonce = scene.secret()["metadata"]["annotations"][RESTART_DUE]
    assert scene.stamp(KINDS[resource], "api") is None

    limited.grant()
    assert not limited.direct.deliver(scene.namespace).errors
    assert [scene.stamp(kind, "api") for kind in KINDS.values()] == [nonce] * 3
    assert RESTART_DUE not in scene.secret()["metadata"]["annotations"]


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_without_a_verb_on_a_named_workload_the_error_names_verb_and_workload(scene: Scene, verb: str) -> None:
    scene.create({"password": "canary-rights-1"})
    make_workloads(scene)
    limited = Limited(scene, restart=[{"kind": "StatefulSet", "name": "api"}])
    limited.grant(lacking=(verb, "statefulsets"))

    found = error(limited.direct.deliver(scene.namespace))

    assert f"forbids to {verb} statefulsets/api in namespace {scene.namespace}" in str(found)
    assert scene.stamp("StatefulSet", "api") is None


def test_without_list_on_namespaces_a_selector_finds_none_and_says_why(scene: Scene) -> None:
    scene.create({"password": "canary-rights-1"})
    limited = Limited(scene, namespaces={"matchLabels": {"test": scene.namespace}})
    limited.grant(lacking=("list", "namespaces"))

    found = error(limited.direct.deliver(scene.namespace))

    assert isinstance(found, Forbidden)
    assert "forbids to list namespaces" in str(found)


@pytest.mark.parametrize(("verb", "resource"), [("get", "secrets"), ("list", "namespaces")])
def test_without_a_verb_a_sweep_compares_less_and_names_the_verb(scene: Scene, verb: str, resource: str) -> None:
    scene.create({"password": "canary-rights-1"})
    chosen = {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}
    limited = Limited(scene, "reconcile", namespaces=chosen)
    limited.grant()
    assert swept(limited.direct) == [scene.namespace], "the Secret is missing"

    limited.grant(lacking=(verb, resource))
    [lost] = sweep(replace(limited.direct)).not_compared
    assert f"forbids to {verb} {resource}" in str(lost)


def without_namespace(scene: Scene, user: str) -> tuple[Limited, str]:
    """Return a user with rights everywhere but in a namespace that a mapping names and that is not there; and that."""
    scene.create({"password": "canary-rights-1"})
    missing = f"a{scene.namespace}"
    other = mapping("other", **scene.mapping(restart="none").spec.model_dump(by_alias=True, exclude_unset=True))
    limited = Limited(scene, user, other, namespaces=[missing])
    whole, limited.rbac = limited.rbac, [each for each in limited.rbac if each["metadata"].get("namespace") != missing]
    limited.grant()
    limited.rbac = whole
    return limited, missing


def describe_missing(scene: Scene, missing: str) -> str:
    return (
        f"namespace {missing} is not in cluster {CLUSTER}: create it and apply generated/clusters/{CLUSTER}/rbac.yaml,"
        f" then the next sweep writes the Secret; or correct spec.namespaces; did you mean {scene.namespace}?"
    )


def test_a_namespace_that_is_missing_is_no_matter_of_rights_until_it_is_there(scene: Scene) -> None:
    limited, missing = without_namespace(scene, "deliver")
    assert str(error(limited.direct.deliver(scene.namespace))) == describe_missing(scene, missing)

    scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": missing}})
    assert isinstance(error(replace(limited.direct).deliver(scene.namespace)), Forbidden)
    limited.grant()
    assert not replace(limited.direct).deliver(scene.namespace).errors
    assert scene.admin.data("db", missing) == {"password": b"canary-rights-1"}


def test_a_sweep_tells_a_namespace_that_is_missing_and_sends_a_delivery_once_it_is_there(scene: Scene) -> None:
    limited, missing = without_namespace(scene, "reconcile")
    [lost] = sweep(limited.direct).not_compared
    assert lost.why == describe_missing(scene, missing)

    scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": missing}})
    limited.grant()
    assert scene.namespace in swept(replace(limited.direct))


def test_a_namespace_that_is_being_deleted_is_told_and_nothing_is_written(scene: Scene) -> None:
    scene.create({"password": "canary-rights-1"})
    going = f"{scene.namespace}-going"
    scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": going}})
    kept = {"name": "kept", "namespace": going, "finalizers": ["example.com/kept"]}
    scene.admin.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept})
    limited = Limited(scene, namespaces=[going])
    limited.grant()
    scene.admin.delete("Namespace", going)

    found = error(limited.direct.deliver(scene.namespace))

    assert isinstance(found, NamespaceGone)
    assert f"namespace {going} of cluster {CLUSTER} is being deleted: take it out of spec.namespaces" in str(found)
    scene.admin.edit("ConfigMap", "kept", going, {"metadata": {"finalizers": None}})


def test_without_get_on_the_namespace_only_the_missing_right_is_told(scene: Scene) -> None:
    scene.create({"password": "canary-rights-1"})
    limited = Limited(scene)
    limited.grant(lacking=("get", "secrets"))
    before = str(error(limited.direct.deliver(scene.namespace)))
    limited.rbac = [each for each in limited.rbac if each["kind"] != "ClusterRole"]
    limited.grant(lacking=("get", "secrets"))
    assert str(error(replace(limited.direct).deliver(scene.namespace))) == before


def test_the_generated_rights_are_all_that_the_role_has(scene: Scene) -> None:
    limited = Limited(scene)
    limited.grant()
    asked = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}

    answer = ask(
        connection(scene.cloud, limited.direct.role),
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        asked | {"spec": {"namespace": scene.namespace}},
    )

    rules = [rule for rule in answer["status"]["resourceRules"] if not EVERYBODY.intersection(rule["apiGroups"])]
    names = role_name(limited.user, scene.namespace), scene.identity.name_named_role(1)
    roles = [each for each in limited.rbac if "rules" in each and each["metadata"]["name"] in names]
    generated = [rule for each in roles for rule in each["rules"]]
    assert sorted(rules, key=itemgetter("resources")) == sorted(generated, key=itemgetter("resources"))


def test_nothing_else_in_the_cluster_can_be_read_or_written(scene: Scene) -> None:
    scene.create({"password": "canary-rights-1"})
    limited = Limited(scene)
    limited.grant()
    assert not limited.direct.deliver(scene.namespace).errors
    scene.make("Secret", "other", stringData={"key": "canary-rights-other"})
    cluster = connection(scene.cloud, limited.direct.role)
    own, core = f"/api/v1/namespaces/{scene.namespace}", {"apiVersion": "v1", "metadata": {"name": "x"}}
    secret, pod = core | {"kind": "Secret"}, core | {"kind": "Pod", "spec": {"containers": []}}

    with scene.untouched("Secret", "db", "other", "x"):
        for method, path, body in (
            ("GET", f"{own}/secrets/other", None),
            ("GET", f"{own}/secrets", None),
            ("GET", "/api/v1/secrets", None),
            ("GET", "/api/v1/namespaces/kube-system/secrets/db", None),
            ("GET", "/api/v1/namespaces", None),
            ("GET", "/api/v1/namespaces/kube-system", None),
            ("POST", f"{own}/secrets", secret),
            ("PUT", f"{own}/secrets/other", secret),
            ("DELETE", f"{own}/secrets/db", None),
            ("POST", f"{own}/pods", pod),
            ("POST", f"{own}/serviceaccounts/default/token", {"apiVersion": "authentication.k8s.io/v1"}),
        ):
            with pytest.raises(Forbidden):
                ask(cluster, method, path, body)


def denied(call: Callable[..., object], **arguments: Any) -> bool:  # noqa: ANN401
    """Make a call to AWS, and return whether it was refused for want of a right."""
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    return "AccessDenied" in str(refusal.value.response["Error"]["Code"])


def of_both_services(scene: Scene) -> dict[str, Any]:
    """Make a parameter beside the secret, and return the spec of a mapping that reads both."""
    scene.create({"password": "canary-rights-1"})
    scene.cloud.aws.client("ssm").put_parameter(Name=f"/{scene.source}", Value="canary-rights-2", Type="SecureString")
    sources = {"db": {"secretsManager": scene.source}, "tls": {"parameterStore": f"/{scene.source}"}}
    data = {"password": {"from": "db", "path": "password"}, "tls": {"from": "tls"}}
    return {"sources": sources, "secret": {"name": "db", "data": data}}


def delivered(direct: Direct, mapping: str) -> Exception:
    """Deliver with an environment of its own, and return the error."""
    try:
        return error(replace(direct).deliver(mapping))
    except AccessDenied as refused:  # before there is a report: where the cluster is cannot be found out
        return refused


@pytest.mark.parametrize("action", ["secretsmanager:GetSecretValue", "ssm:GetParameter", "eks:DescribeCluster"])
def test_a_missing_action_of_aws_is_named_and_nothing_is_written(scene: Scene, action: str) -> None:
    direct = scene.grant(**of_both_services(scene))
    direct.allow([each for each in statements(scene.cloud, direct.catalog) if each["Action"] != action])

    found = delivered(direct, scene.namespace)

    assert isinstance(found, AccessDenied)
    assert f"AWS refuses {action} on " in str(found)
    assert scene.data() is None


def test_without_assume_role_the_role_of_the_cluster_is_named(scene: Scene) -> None:
    scene.create({"password": "canary-rights-1"})
    spoke = f"arn:aws:iam::{ACCOUNT}:role/{scene.namespace}"
    direct = Direct.grant(scene.cloud, scene.catalog([scene.mapping()], role=spoke))
    direct.allow([each for each in statements(scene.cloud, direct.catalog) if each["Action"] != "sts:AssumeRole"])

    found = delivered(direct, scene.namespace)

    assert f"AWS refuses sts:AssumeRole on {spoke}" in str(found)


def test_nothing_else_of_aws_can_be_read_written_or_listed(scene: Scene) -> None:
    direct = scene.grant(**of_both_services(scene))
    aws = scene.cloud.aws
    url = aws.client("sqs").create_queue(QueueName=scene.namespace)["QueueUrl"]
    scene.create("canary-rights-other", name=f"{scene.source}-other")
    secrets, ssm, sqs = (aws.client(each, role=direct.role) for each in ("secretsmanager", "ssm", "sqs"))

    assert secrets.get_secret_value(SecretId=scene.source)["SecretString"]
    assert denied(secrets.get_secret_value, SecretId=f"{scene.source}-other")
    assert denied(secrets.put_secret_value, SecretId=scene.source, SecretString="canary-rights-3")
    assert denied(secrets.delete_secret, SecretId=scene.source)
    assert denied(secrets.list_secrets)
    assert denied(ssm.get_parameter, Name=f"/{scene.source}-other")
    assert denied(ssm.get_parameters_by_path, Path="/")
    assert denied(ssm.put_parameter, Name=f"/{scene.source}", Value="canary-rights-3", Overwrite=True)
    assert denied(ssm.describe_parameters)
    assert denied(sqs.send_message, QueueUrl=url, MessageBody="{}")
    assert denied(sqs.receive_message, QueueUrl=url)
    assert denied(aws.client("sts", role=direct.role).assume_role, RoleArn=direct.role, RoleSessionName="other")
    assert denied(aws.client("eks", role=direct.role).list_clusters)
