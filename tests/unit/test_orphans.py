"""What is left over in a cluster: by the journal, the labels, and what the folder and the deployed mappings name."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from keyferry.access.rbac import build_rbac
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.generated import GENERATED
from keyferry.cli.clusters.resource import SECRETS, Resource
from keyferry.cli.orphans.names import Names, list_clusters, split_journal_name
from keyferry.cli.orphans.orphan import Orphan
from keyferry.cli.orphans.removal import format_question, keep_confirmed, remove
from keyferry.cli.orphans.search import ClusterSearch, Findings
from keyferry.cli.orphans.survey import Survey
from keyferry.cli.orphans.usage import USERS, USERS_FROM_AFAR, find_users, list_mentions
from keyferry.cli.output.orphans import print_findings, print_notes
from keyferry.errors import ClusterUnreachable, Forbidden, Overtaken, ServerError
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import StackNames
from tests.unit.clusters import World
from tests.unit.samples import cluster, mapping, uses

EKS = cluster("prod-eu").eks
EMPTY = build_catalog([], [cluster("prod-eu"), cluster("prod-us")])


class FakeOperator:
    """A cluster as somebody sees it who may look at all but what is forbidden; it remembers what is deleted."""

    cluster = "prod-eu"
    context = Context("mine", "arn", "https://one.example")

    def __init__(self, world: World | None = None, labels: Mapping[str, str] | None = None) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {"namespaces": []}
        for name in ("payments", "shop"):
            self.objects["namespaces"].append({"metadata": {"name": name, "labels": dict(labels or {})}})
        self._world = world
        self.forbidden: set[tuple[str, str]] = set()
        """Plurals and namespaces that may not be listed; an empty namespace for all namespaces at once."""
        self.deleted: list[tuple[str, str, bool]] = []
        self.moved: set[str] = set()
        self.interrupted: set[str] = set()
        """While these are deleted, somebody presses Ctrl-C."""
        self.lost: ClusterUnreachable | None = None
        self.broken: set[str] = set()
        """Plurals for which the API server fails."""
        self.not_served: set[str] = set()
        """Groups and versions that the cluster does not have."""

    def list_metadata(self, resource: Resource, namespace: str | None = None, selector: str = "") -> Iterator[Any]:
        if self.lost:
            raise self.lost
        if resource.plural in self.broken:
            raise ServerError("the webhook is down")
        if (resource.plural, namespace or "") in self.forbidden:
            raise Forbidden(f"context mine may not list {resource.plural}")
        objects = self._list_secrets() if resource == SECRETS else self.objects.get(resource.plural, [])
        for raw in objects:
            is_there = namespace in (None, raw["metadata"].get("namespace"))
            if is_there and (not selector or selector in raw["metadata"].get("labels", {})):
                yield raw

    list_objects = list_metadata

    def find_served(self, resources: Iterable[Resource]) -> list[Resource]:
        return [each for each in resources if each.version not in self.not_served]

    def _list_secrets(self) -> list[dict[str, Any]]:
        if self._world is None:
            return self.objects.get("secrets", [])
        client, listed = self._world.clusters["prod-eu"].client(), []
        for namespace in ("payments", "shop"):
            for name in ("payments-db", "other"):
                raw = client.read_secret_metadata(namespace, name)
                if raw:
                    listed.append(raw | {"metadata": raw["metadata"] | {"namespace": namespace}})
        return listed

    def delete(self, resource: Resource, metadata: Mapping[str, str], *, dry_run: bool = False) -> None:
        if metadata["name"] in self.moved:
            raise Overtaken(f"{metadata['name']} changed")
        if metadata["name"] in self.interrupted:
            raise KeyboardInterrupt
        self.deleted.append((resource.kind, metadata["name"], dry_run))


def search(operator: FakeOperator, *catalogs: Catalog) -> Findings:
    """Return what is left over in prod-eu."""
    client: Any = operator
    return ClusterSearch(client, cluster("prod-eu"), catalogs or (EMPTY, EMPTY)).run()


def only(findings: Findings) -> Orphan:
    [orphan] = findings.orphans
    return orphan


ONE: dict[str, Any] = {"namespaces": ["payments"]}


def one(**more: Any) -> World:  # noqa: ANN401
    """Return a world with one Secret in prod-eu."""
    return World(mapping(**(ONE | more)))


def folder(*mappings: SecretMapping, **stack: Any) -> Catalog:  # noqa: ANN401
    return build_catalog(mappings, [cluster("prod-eu"), cluster("prod-us")], StackNames.model_validate(stack))


def test_a_secret_that_no_mapping_names_is_left_over_and_can_be_deleted() -> None:
    orphan = only(search(FakeOperator(one())))
    assert (orphan.kind, orphan.namespace, orphan.name, orphan.refusals) == ("Secret", "payments", "payments-db", ())
    assert orphan.why == "no mapping is called payments-db any more"
    assert orphan.command == "kubectl --context mine delete --namespace payments secrets payments-db"
    assert set(orphan.metadata) == {"name", "namespace", "uid", "resourceVersion"}


def stamped(**annotations: str) -> FakeOperator:
    """Return a cluster with a Deployment that has these annotations in its pod template, `__` for the slash."""
    operator = FakeOperator()
    template = {
        "metadata": {"annotations": {key.replace("__", "/"): text for key, text in annotations.items()}},
        "spec": {"containers": [{"envFrom": [{"secretRef": {"name": "payments-db"}}]}]},
    }
    raw = {"metadata": {"name": "web", "namespace": "payments"}, "spec": {"template": template}}
    operator.objects["deployments"] = [raw]
    return operator


STAMP = {"keyferry.dev__payments-db": "0123456789abcdef"}


def test_a_stamp_of_a_mapping_that_is_gone_is_left_over_and_taken_off_by_hand_alone() -> None:
    orphan = only(search(stamped(**STAMP)))
    assert (orphan.kind, orphan.namespace, orphan.name) == ("Stamp", "payments", "Deployment/web")
    assert orphan.why == "no mapping restarts it by keyferry.dev/payments-db any more"
    assert orphan.refusals == ("to take it off restarts the pods, and it does no harm",)
    *command, patch = shlex.split(orphan.command)
    where = ["--context", "mine", "--namespace", "payments"]
    assert command == ["kubectl", *where, "patch", "deployments.apps", "web", "--type", "merge", "--patch"]
    annotations = {"keyferry.dev/payments-db": None}
    assert json.loads(patch) == {"spec": {"template": {"metadata": {"annotations": annotations}}}}


@pytest.mark.parametrize(
    ("annotations", "more"),
    [
        (STAMP, {}),  # of a mapping that is there
        ({"keyferry.dev__restart": "false"}, None),
        ({"other.keyferry.dev__payments-db": "0123456789abcdef"}, None),  # of another stack
        ({"example.com__payments-db": "0123456789abcdef"}, None),
    ],
)
def test_what_a_mapping_restarts_by_or_is_no_stamp_of_the_stack_is_not_left_over(
    annotations: dict[str, str], more: dict[str, Any] | None
) -> None:
    own = [] if more is None else [folder(mapping(**(ONE | more)))]
    assert search(stamped(**annotations), *own).orphans == []


@pytest.mark.parametrize(
    "more",
    [
        *({"restart": "none"}, {"namespaces": ["shop"]}, {"clusters": ["prod-us"]}),
        {"restart": [{"kind": "Deployment", "name": "api"}]},
    ],
)
def test_a_stamp_by_which_a_mapping_no_longer_restarts_there_is_left_over(more: dict[str, Any]) -> None:
    assert only(search(stamped(**STAMP), folder(mapping(**(ONE | more))))).kind == "Stamp"


def test_a_stamp_is_left_over_where_the_workload_no_longer_uses_the_secret_and_is_not_named() -> None:
    operator = stamped(**STAMP)
    operator.objects["deployments"][0]["spec"]["template"]["spec"] = {}
    assert only(search(operator, folder(mapping(**ONE)))).kind == "Stamp"
    named = {"restart": [{"kind": "Deployment", "name": "web"}]}
    assert search(operator, folder(mapping(**(ONE | named)))).orphans == []


def test_all_stamps_of_a_workload_are_taken_off_by_one_command() -> None:
    orphan = only(search(stamped(**STAMP, keyferry__dev="x", **{"keyferry.dev__other": "fedcba9876543210"})))
    assert orphan.why == "no mapping restarts it by keyferry.dev/other, keyferry.dev/payments-db any more"
    assert orphan.command.count("null") == 2


def test_kinds_that_the_cluster_does_not_have_are_not_asked_for() -> None:
    operator = stamped(**STAMP)
    operator.not_served = {"argoproj.io/v1alpha1", "apps.kruise.io/v1alpha1"}
    operator.forbidden = {(plural, name) for plural in ("rollouts", "clonesets") for name in ("", "payments", "shop")}
    findings = search(operator)
    assert (len(findings.orphans), findings.notes) == (1, [])


def test_a_kind_that_cannot_be_listed_hides_nothing_else() -> None:
    operator = stamped(**STAMP)
    operator.broken = {"statefulsets"}
    findings = search(operator)
    assert only(findings).kind == "Stamp"
    assert findings.notes == ["stamps of statefulsets are not looked at: the webhook is down"]


def test_a_stamp_that_deployed_mappings_alone_use_awaits_the_deployment() -> None:
    findings = search(stamped(**STAMP), EMPTY, folder(mapping(**ONE)))
    assert (findings.orphans, findings.awaiting) == ([], {"prod-eu": 1})
    both = folder(mapping(**ONE))
    assert search(stamped(**STAMP), both, both).awaiting == {}


def test_stamps_of_workloads_that_may_not_be_listed_are_said_not_to_be_known() -> None:
    operator = stamped(**STAMP)
    operator.forbidden = {("deployments", ""), ("deployments", "payments")}
    findings = search(operator)
    assert findings.orphans == []
    assert any("may not list deployments.apps of cluster prod-eu in payments" in note for note in findings.notes)


def test_nothing_is_deleted_in_a_cluster_whose_context_is_a_guess() -> None:
    operator = FakeOperator(one())
    operator.context = Context("prod-eu", "kind", "https://one.example", is_guess=True)
    assert only(search(operator)).refusals == (
        "whether context prod-eu leads to prod-eu only its name says: say --context prod-eu=prod-eu",
    )


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (mapping(clusters=["prod-us"], **ONE), "mapping payments-db no longer goes to this cluster"),
        (mapping(namespaces=["shop"]), "mapping payments-db no longer chooses this namespace"),
        (mapping(namespaces={"matchLabels": {"a": "b"}}), "mapping payments-db no longer chooses this namespace"),
        (mapping(name="new", **ONE), "mapping payments-db writes Secret new in place of payments-db"),
        (mapping("renamed", name="new", **ONE), "no mapping is called payments-db any more"),
        (
            mapping("renamed", ["payments-db"], name="new", **ONE),
            "mapping payments-db writes Secret new in place of payments-db",
        ),
    ],
)
def test_it_is_told_why_a_secret_is_left_over(now: SecretMapping, why: str) -> None:
    assert only(search(FakeOperator(one()), folder(now), folder(now))).why == why


@pytest.mark.parametrize(
    "now",
    [
        mapping(**ONE),
        mapping("another", **ONE),
        mapping(namespaces={"matchLabels": {"a": "b"}}),
        mapping(namespaces={"names": ["pay*"]}),
    ],
)
def test_what_the_folder_or_a_deployment_names_is_no_orphan(now: SecretMapping) -> None:
    assert search(FakeOperator(one(), {"a": "b"}), folder(now), EMPTY).orphans == []
    findings = search(FakeOperator(one(), {"a": "b"}), EMPTY, folder(now))
    assert (findings.orphans, dict(findings.awaiting)) == ([], {"prod-eu": 1})


def test_where_namespaces_are_not_known_a_choice_by_labels_counts_for_all_whose_names_fit() -> None:
    operator = FakeOperator(one())
    operator.forbidden = {("namespaces", "")}
    chosen = folder(mapping(namespaces={"matchLabels": {"a": "b"}}))
    findings = search(operator, chosen, chosen)
    assert findings.orphans == []
    assert findings.notes == [
        "context mine (https://one.example) may not list namespaces of cluster prod-eu: only those that mappings name"
        " are looked at"
    ]
    assert search(operator, folder(mapping(namespaces={"names": ["shop"]}))).orphans != []


def test_a_namespace_that_has_come_or_been_chosen_since_is_no_reason_to_delete() -> None:
    operator, chosen = FakeOperator(one()), folder(mapping(namespaces={"matchLabels": {"a": "b"}}))
    before, after = operator.objects["namespaces"], FakeOperator(labels={"a": "b"}).objects["namespaces"]
    for now in ([before, after], [before, before[1:]]):
        lists = iter(now)
        operator.objects = _Changing(namespaces=lambda lists=lists: next(lists))
        assert search(operator, chosen, chosen).orphans == []


class _Changing(dict[str, Any]):
    """The objects of a cluster, some of which are others each time that they are listed."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """Return the objects of a kind now."""
        value = super().get(key, default)
        return value() if callable(value) else value


def test_another_stack_s_things_are_counted_and_never_orphans() -> None:
    operator = FakeOperator(one())
    whole = folder(mapping(**ONE))
    operator.objects["roles"] = [raw for raw in build_rbac(whole, cluster("prod-eu")) if raw["kind"] == "Role"]
    findings = search(operator, folder(prefix="other"), folder(prefix="other"))
    assert findings.orphans == []
    assert dict(findings.other_stacks) == {("prod-eu", "keyferry", "Role"): 2, ("prod-eu", "keyferry", "Secret"): 1}


def test_a_secret_that_another_stack_takes_over_by_its_previous_prefix_is_its_own() -> None:
    moved = build_catalog(
        [mapping(**ONE)],
        [cluster("prod-eu")],
        StackNames.model_validate({"prefix": "new", "previousPrefixes": ["keyferry"]}),
    )
    assert search(FakeOperator(one()), EMPTY, moved).orphans == []


@pytest.mark.parametrize("namespaces", [["payments"], {"names": ["pay*"]}])
def test_a_secret_whose_mapping_has_moved_to_another_stack_is_moved_and_not_left_over(namespaces: Any) -> None:  # noqa: ANN401
    """The other stack has the rights for the mapping, and has not taken the Secret over yet."""
    operator, moved = FakeOperator(one()), folder(mapping(namespaces=namespaces), prefix="new")
    for raw in build_rbac(moved, cluster("prod-eu")):
        if raw["kind"] in ("Role", "ClusterRole"):
            operator.objects.setdefault(f"{raw['kind'].lower()}s", []).append(raw)
    findings = search(operator)
    assert findings.moved == [("prod-eu", "payments", "payments-db", "new")]
    assert findings.orphans == []


@pytest.mark.parametrize("other", [mapping("another", **ONE), mapping(namespaces=["shop"])])
def test_a_secret_stays_left_over_where_another_stack_has_another_mapping_or_place(other: SecretMapping) -> None:
    operator = FakeOperator(one())
    operator.objects["roles"] = [
        raw for raw in build_rbac(folder(other, prefix="new"), cluster("prod-eu")) if raw["kind"] == "Role"
    ]
    findings = search(operator)
    assert (findings.moved, len(findings.orphans)) == ([], 1)


def test_a_journal_names_a_prefix_and_a_mapping() -> None:
    assert split_journal_name("payments-db") == ("keyferry", "payments-db")
    assert split_journal_name("staging:payments-db") == ("staging", "payments-db")
    assert len("".join(split_journal_name("x" * 9999))) < 400


def refusals(world: World) -> tuple[str, ...]:
    return only(search(FakeOperator(world))).refusals


def edit(world: World, manager: str = "kubectl-edit", **more: Any) -> None:  # noqa: ANN401
    world.clusters["prod-eu"].edit("payments", "payments-db", manager=manager, **more)


def test_what_somebody_else_owns_of_a_secret_keeps_it() -> None:
    world = one()
    edit(world, data={"theirs": "canary"})
    assert refusals(world) == ("kubectl-edit owns theirs",)
    world = one()
    world.clusters["prod-eu"].set_owner_references("payments", "payments-db", "ExternalSecret/db")
    assert refusals(world) == ("ExternalSecret/db owns it, and deletes it with itself",)
    world = one()
    edit(world, annotations={"meta.helm.sh/release-name": "x"})
    assert refusals(world) == ("Helm has marked it as its own",)
    world = one()
    world.clusters["prod-eu"].clear_managed_fields("payments", "payments-db")
    assert refusals(world) == ("who owns its keys is not known: somebody has removed its managedFields",)


def test_a_secret_that_was_taken_over_is_kept() -> None:
    world = one(policies={"conflict": "takeOver"})
    world.clusters["prod-eu"].delete("payments", "payments-db")
    world.clusters["prod-eu"].create("payments", "payments-db", {"password": "canary-2"}, manager="kubectl-create")
    world.deliver("prod-eu")
    assert refusals(world) == ("kubectl-create made it, and Keyferry took it over",)


def test_of_a_secret_that_somebody_else_made_our_part_is_withdrawn() -> None:
    world = one()
    shared = mapping(policies={"creation": "merge"}, **ONE)
    world.clusters["prod-eu"].delete("payments", "payments-db")
    world.clusters["prod-eu"].create("payments", "payments-db", {"theirs": "canary-2"}, manager="helm")
    world.catalog = build_catalog([shared], [cluster("prod-eu"), cluster("prod-us")])
    world.deliver("prod-eu")
    orphan = only(search(FakeOperator(world)))
    [why] = orphan.refusals
    assert why.startswith("somebody else made it; only our keys are left in it: ")
    assert orphan.command.startswith(
        "kubectl --context mine --namespace payments patch secret payments-db --type merge"
    )
    assert '"data": {' in orphan.command
    assert "theirs" not in orphan.command
    assert "canary" not in orphan.command
    assert '"keyferry.dev/mapping": null' in orphan.command


@pytest.mark.parametrize(
    ("plural", "raw", "user"),
    [
        ("pods", {"spec": uses()}, "Pod/x"),
        ("cronjobs", {"spec": {"jobTemplate": {"spec": {"template": {"spec": uses()}}}}}, "CronJob/x"),
        ("serviceaccounts", {"imagePullSecrets": [{"name": "payments-db"}]}, "ServiceAccount/x"),
        ("ingresses", {"spec": {"tls": [{"secretName": "payments-db"}]}}, "Ingress/x"),
        ("gateways", {"spec": {"tls": {"certificateRefs": [{"name": "payments-db"}]}}}, "Gateway/x"),
    ],
)
def test_a_secret_that_something_uses_is_kept(plural: str, raw: dict[str, Any], user: str) -> None:
    operator = FakeOperator(one())
    operator.objects[plural] = [raw | {"metadata": {"name": "x", "namespace": "payments"}}]
    assert only(search(operator)).refusals == (f"in use by {user}",)
    operator.objects[plural] = [raw | {"metadata": {"name": "x", "namespace": "shop"}}]
    assert only(search(operator)).refusals == ()


@pytest.mark.parametrize(
    ("plural", "raw", "user"),
    [
        ("gateways", {"spec": {"certificateRefs": [{"name": "payments-db", "namespace": "payments"}]}}, "Gateway/x"),
        ("ingresses", {"annotations": {"auth-tls-secret": "payments/payments-db"}}, "Ingress/x"),
    ],
)
def test_a_secret_that_something_in_another_namespace_uses_is_kept(plural: str, raw: dict[str, Any], user: str) -> None:
    operator = FakeOperator(one())
    operator.objects[plural] = [raw | {"metadata": {"name": "x", "namespace": "edge"}}]
    assert only(search(operator)).refusals == (f"in use by {user} of edge",)
    operator.forbidden = {(plural, "")}
    assert only(search(operator)).refusals == (
        f"who uses it from other namespaces is not known: you may not list {plural} in all of them",
    )


def test_a_secret_whose_users_may_not_be_seen_is_kept() -> None:
    operator = FakeOperator(one())
    operator.forbidden = {("pods", "payments"), ("jobs", "payments")}
    assert only(search(operator)).refusals == (
        "who uses it is not known: you may not list jobs, pods in its namespace",
    )
    assert len({resource.kind for resource in (*USERS, *USERS_FROM_AFAR)}) == len(USERS) + len(USERS_FROM_AFAR)


@pytest.mark.parametrize("may_list_all", [True, False])
def test_where_secrets_are_left_over_in_many_namespaces_each_kind_is_listed_once_if_one_may(
    *, may_list_all: bool
) -> None:
    operator = FakeOperator()
    pod = {"metadata": {"name": "x", "namespace": "n-7"}, "spec": uses("db")}
    operator.objects["pods"] = [pod, {"metadata": {"name": "y", "namespace": "elsewhere"}, "spec": uses("db")}]
    operator.forbidden = {("jobs", "n-8")} | (set() if may_list_all else {("pods", ""), ("jobs", "")})
    client: Any = operator
    places = [(f"n-{number}", "db") for number in range(60)]
    usage = find_users(client, places)
    reasons = {place[0]: list(usage.list_refusals(place)) for place in places}
    unknown = {} if may_list_all else {"n-8": ["who uses it is not known: you may not list jobs in its namespace"]}
    assert {name: why for name, why in reasons.items() if why} == {"n-7": ["in use by Pod/x"]} | unknown


def test_texts_under_a_key_about_secrets_count_as_uses_and_no_others() -> None:
    raw = {
        "metadata": {
            "annotations": {"nginx.ingress.kubernetes.io/auth-secret": "shop/basic", "other": "a"},
            "managedFields": [{"fieldsV1": {"f:secret": "b"}}],
        },
        "spec": {"volumes": [{"name": "c", "secret": {"secretName": "d"}}], "env": [{"name": "X", "value": "e"}]},
    }
    assert list_mentions(raw) == {"shop/basic", "shop", "basic", "d"}


def generated(*mappings: SecretMapping) -> list[dict[str, Any]]:
    return build_rbac(folder(*mappings), cluster("prod-eu"))


def fill(operator: FakeOperator, objects: Sequence[dict[str, Any]]) -> None:
    """Let the cluster have these objects."""
    for resource in GENERATED:
        operator.objects[resource.plural] = [
            raw | {"metadata": raw["metadata"] | {"uid": "uid", "resourceVersion": "1"}}
            for raw in objects
            if raw["kind"] == resource.kind
        ]


def test_what_is_no_longer_generated_is_left_over_in_the_order_of_removal() -> None:
    operator, gone = FakeOperator(), mapping("gone", namespaces={"names": ["*"]})
    fill(operator, generated(mapping(**ONE), gone))
    now = folder(mapping(**ONE, restart="none"))
    findings = search(operator, now, now)
    assert [orphan.kind for orphan in findings.orphans] == [
        *["ClusterRoleBinding"] * 3,
        *["ClusterRole"] * 3,
        "ValidatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
    ]
    names = {orphan.name for orphan in findings.orphans}
    assert names == {"keyferry:deliver:gone", "keyferry:reconcile:gone", "keyferry:namespaces", "keyferry-workloads"}
    assert not any(orphan.refusals for orphan in findings.orphans)
    first = findings.orphans[0]
    assert first.command == (
        "kubectl --context mine delete clusterrolebindings.rbac.authorization.k8s.io keyferry:deliver:gone"
    )


@pytest.mark.parametrize("gone", [{"namespaces": {"names": ["*"]}}, ONE], ids=["chosen", "named"])
def test_all_that_can_be_generated_can_be_left_over_and_deleted(gone: dict[str, Any]) -> None:
    operator = FakeOperator()
    fill(operator, build_rbac(folder(mapping("gone", **gone)), cluster("prod-eu", events=True)))
    assert search(operator).orphans
    assert {orphan.name: orphan.refusals for orphan in search(operator).orphans if orphan.refusals} == {}


def test_what_has_our_label_and_no_name_of_ours_is_kept() -> None:
    operator = FakeOperator()
    label = {"keyferry.dev/generated": "keyferry"}
    operator.objects["clusterroles"] = [{"metadata": {"name": "admin", "labels": label, "uid": "u"}}]
    assert only(search(operator)).refusals == ("nothing generates such a name",)


def test_where_not_everything_may_be_listed_the_rest_is_shown_and_the_gap_is_told_once() -> None:
    operator = FakeOperator(one())
    operator.forbidden = {("secrets", ""), ("secrets", "shop"), ("clusterroles", "")}
    findings = search(operator)
    assert only(findings).name == "payments-db"
    assert findings.notes == [
        "context mine may not list clusterroles",
        "context mine (https://one.example) may not list secrets of cluster prod-eu in shop: let somebody grant that",
    ]


def test_a_cluster_that_does_not_answer_is_told() -> None:
    operator = FakeOperator(one())
    operator.lost = ClusterUnreachable("no answer")
    assert search(operator).notes == ["prod-eu: no answer"]


def test_a_cluster_that_two_catalogues_call_by_two_names_is_one() -> None:
    same = cluster("prod-eu").model_copy(update={"name": "alias"})
    other = build_catalog([mapping(clusters=["alias"])], [same])
    assert [known.name for known in list_clusters([EMPTY, other])] == ["prod-eu", "prod-us"]
    assert Names([EMPTY, other], cluster("prod-eu"), None).names_secret("payments", "payments-db")


def test_a_cluster_whose_name_has_moved_to_another_one_is_not_taken_for_that() -> None:
    old = cluster("prod-eu").model_copy(update={"eks": cluster("prod-eu-2024").eks})
    clusters = list_clusters([EMPTY, build_catalog([mapping()], [old, cluster("prod-us")])])
    names = ["111122223333/eu-west-1/prod-eu-2024", "prod-eu", "prod-us"]
    assert [known.name for known in clusters] == names
    assert [known.eks.name for known in clusters] == ["prod-eu-2024", "prod-eu", "prod-us"]


def left(name: str = "db", kind: Resource | None = SECRETS, **more: Any) -> Orphan:  # noqa: ANN401
    """Return a thing that is left over."""
    metadata = {"name": name, "namespace": "payments", "uid": "u", "resourceVersion": "1"}
    known = {"cluster": "prod-eu", "eks": EKS, "context": "my context", "resource": kind, "name": name, "why": "gone"}
    return Orphan(**{**known, "namespace": "payments" if kind else "", "metadata": metadata, **more})


def test_only_what_nothing_speaks_against_is_deleted_and_one_failure_stops_nothing() -> None:
    operator: Any = FakeOperator()
    operator.moved = {"moved"}
    orphans = [left("a"), left("kept", refusals=("in use",)), left("moved"), left("b")]
    survey, tried = (Survey(Findings(list(orphans)), {"prod-eu": operator}) for _ in range(2))
    remove(survey, dry_run=False)
    assert [orphan.outcome for orphan in survey.findings.orphans] == ["deleted", "", "moved changed", "deleted"]
    assert operator.deleted == [("Secret", "a", False), ("Secret", "b", False)]
    remove(tried, dry_run=True)
    assert [orphan.outcome for orphan in tried.findings.orphans].count("would be deleted") == 2
    assert operator.deleted[2:] == [("Secret", "a", True), ("Secret", "b", True)]


@pytest.mark.parametrize(
    ("dry_run", "outcomes"),
    [
        (False, ["deleted", "perhaps deleted", "", "not tried"]),
        (True, ["would be deleted", "not tried", "", "not tried"]),
    ],
)
def test_where_it_is_interrupted_it_is_known_what_is_deleted(dry_run: bool, outcomes: list[str]) -> None:
    operator: Any = FakeOperator()
    operator.interrupted = {"b"}
    orphans = [left("a"), left("b"), left("kept", refusals=("in use",)), left("c")]
    survey = Survey(Findings(orphans), {"prod-eu": operator})
    with pytest.raises(KeyboardInterrupt):
        remove(survey, dry_run=dry_run)
    assert [orphan.outcome for orphan in survey.findings.orphans] == outcomes


def test_what_is_deleted_before_an_interruption_is_certain() -> None:
    operator: Any = FakeOperator()

    def interrupt() -> None:
        raise KeyboardInterrupt

    survey = Survey(Findings([left("a"), left("b")]), {"prod-eu": operator})
    with pytest.raises(KeyboardInterrupt):
        remove(survey, dry_run=False, step=interrupt)
    assert [orphan.outcome for orphan in survey.findings.orphans] == ["deleted", "not tried"]


def test_what_limits_stays_where_what_allows_does() -> None:
    operator: Any = FakeOperator()
    operator.moved = {"moved"}
    policy = GENERATED[-1]
    for staying in (left("moved", GENERATED[0]), left("kept", GENERATED[1], refusals=("x",))):
        orphans = [staying, left("policy", policy), left("policy", policy, cluster="prod-us")]
        survey = Survey(Findings(orphans), {"prod-eu": operator, "prod-us": operator})
        remove(survey, dry_run=False)
        assert [orphan.refusals for orphan in orphans[1:]] == [("a binding stays whose users it limits",), ()]
        assert [orphan.outcome for orphan in orphans[1:]] == ["", "deleted"]


def test_what_would_be_deleted_keeps_nothing_that_limits_it() -> None:
    operator: Any = FakeOperator()
    orphans = [left("binding", GENERATED[0]), left("policy", GENERATED[-1])]
    remove(Survey(Findings(orphans), {"prod-eu": operator}), dry_run=True)
    assert [orphan.outcome for orphan in orphans] == ["would be deleted"] * 2


@pytest.mark.parametrize(
    ("unseen", "why"),
    [
        ({("clusterrolebindings", "")}, "ClusterRoleBinding"),
        ({("rolebindings", ""), ("rolebindings", "shop")}, "RoleBinding"),
    ],
)
def test_where_bindings_may_not_be_listed_what_limits_stays(unseen: set[tuple[str, str]], why: str) -> None:
    operator = FakeOperator()
    fill(operator, generated(mapping(**ONE)))
    operator.forbidden = unseen
    refused = {orphan.kind: orphan.refusals for orphan in search(operator).orphans}
    text = f"it limits users whose rights are not known: you may not list each {why}"
    assert refused["ValidatingAdmissionPolicy"] == refused["ValidatingAdmissionPolicyBinding"] == (text,)
    assert refused["Role"] == ()


def test_after_the_answer_only_what_was_asked_about_goes() -> None:
    moved = left("b", metadata={"name": "b", "resourceVersion": "2"})
    now = list(keep_confirmed([left("a"), moved, left("new"), left("kept", refusals=("x",))], [left("a"), left("b")]))
    late = "it has come or changed since you were asked"
    assert [orphan.refusals for orphan in now] == [(), (late,), (late,), ("x",)]


def test_the_question_has_count_cluster_and_account() -> None:
    roles = GENERATED[2]
    assert format_question([left(), left("b"), left("r", roles), left("arn", None, cluster="prod-us")]) == (
        "Delete 2 Secrets, 1 Role of cluster prod-eu in account 111122223333;"
        " 1 AccessEntry of cluster prod-us in account 111122223333?"
    )


def test_the_output_has_each_reason_once_commands_and_totals(capsys: pytest.CaptureFixture[str]) -> None:
    findings = Findings(
        [left("a"), left("b"), left("kept", refusals=("in use by Pod/x",)), left("arn:aws:x", None, why="unused")]
    )
    findings.other_stacks["prod-eu", "other", "Secret"] = 2
    findings.awaiting["prod-eu"] = 3
    operator: Any = FakeOperator()
    print_findings(Survey(findings, {"prod-eu": operator}), with_commands=True)
    assert capsys.readouterr().out.splitlines() == [
        "kind         name  namespace  cluster  outcome",
        "Secret       a     payments   prod-eu",
        "Secret       b     payments   prod-eu",
        "Secret       kept  payments   prod-eu  kept",
        "AccessEntry  x     -          prod-eu",
        "",
        "left over:",
        "  Secret prod-eu/payments/a and 2 more: gone",
        "  AccessEntry prod-eu/x: unused",
        "",
        "kept by --delete:",
        "  Secret prod-eu/payments/kept: in use by Pod/x",
        "",
        "remove by hand, or by --delete:",
        "  kubectl --context 'my context' delete --namespace payments secrets a b",
        "  aws eks delete-access-entry --region eu-west-1 --cluster-name prod-eu --principal-arn arn:aws:x",
        "",
        "by hand alone, once that is settled:",
        "  kubectl --context 'my context' delete --namespace payments secrets kept",
        "",
        "4 left over: 3 Secrets, 1 AccessEntry",
        "of another stack, other, in prod-eu: 2 Secrets; not looked into",
        "3 in prod-eu will be left over once these mappings are deployed",
    ]
    tried = Findings([left("a", outcome="deleted"), left("b", outcome="it changed")])
    print_findings(Survey(tried, {"prod-eu": operator}), with_commands=False)
    assert capsys.readouterr().out.splitlines()[-6:] == [
        "  Secret prod-eu/payments/a and 1 more: gone",
        "",
        "failed:",
        "  Secret prod-eu/payments/b: it changed",
        "",
        "1 deleted, 1 left: 1 Secret",
    ]
    print_notes(["a", "b: `do it`", "a"])
    assert capsys.readouterr().err == "warning: a\nwarning: b: the command below\n  do it\n"


@pytest.mark.parametrize(
    ("orphans", "more", "text"),
    [
        ([], {}, "nothing is left over"),
        (
            [],
            {"notes": ["prod-us is not looked at"]},
            "whether something is left over is not known: not everything is known",
        ),
        ([], {"doubt": "no answer"}, "whether something is left over is not known: not everything is known"),
        ([], {"clients": {}}, "whether something is left over is not known: no cluster was looked at"),
        ([left("a")], {"doubt": "no answer"}, "1 perhaps left over: 1 Secret"),
        ([left("a", outcome="deleted")], {}, "1 deleted, 0 left"),
        ([left("a", outcome="would be deleted"), left("b")], {}, "1 would be deleted, 1 left: 1 Secret"),
        (
            [left("a", outcome="deleted"), left("b", outcome="perhaps deleted"), left("c", outcome="not tried")],
            {},
            "1 deleted, 1 perhaps deleted, 1 left: 1 Secret",
        ),
    ],
)
def test_the_total_says_no_more_than_is_known(
    orphans: list[Orphan], more: dict[str, Any], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    operator: Any = FakeOperator()
    findings = Findings(orphans, notes=more.get("notes", []))
    clients = more.get("clients", {"prod-eu": operator})
    print_findings(Survey(findings, clients, doubt=more.get("doubt", "")), with_commands=True)
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == text
    assert not (more and "kubectl" in shown), "deployed mappings may need it"


def test_the_answer_has_everything_as_json() -> None:
    findings = Findings([left(outcome="deleted"), left("arn", None, refusals=("x",))], notes=["n"])
    findings.other_stacks["prod-eu", "other", "Secret"] = 2
    findings.awaiting["prod-eu"] = 3
    findings.moved.append(("prod-eu", "shop", "db", "other"))
    answer = Survey(findings, doubt="no stack").build_answer()
    assert answer == {
        "orphans": [
            {
                "kind": "Secret",
                "name": "db",
                "namespace": "payments",
                "cluster": "prod-eu",
                "why": "gone",
                "refused": [],
                "command": "kubectl --context 'my context' delete --namespace payments secrets db",
                "outcome": "deleted",
            },
            {
                "kind": "AccessEntry",
                "name": "arn",
                "cluster": "prod-eu",
                "why": "gone",
                "refused": ["x"],
                "command": (
                    "aws eks delete-access-entry --region eu-west-1 --cluster-name prod-eu --principal-arn arn"
                ),
            },
        ],
        "otherStacks": [{"cluster": "prod-eu", "prefix": "other", "counts": {"Secret": 2}}],
        "moved": [{"cluster": "prod-eu", "namespace": "shop", "name": "db", "prefix": "other"}],
        "awaiting": [{"cluster": "prod-eu", "count": 3}],
        "notes": ["n"],
        "error": "no stack",
    }
