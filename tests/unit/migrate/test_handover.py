"""Which step of a hand-over is next, by what a Secret, its mapping and its originals are like."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keyferry.cli.call import CALL
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.resource import Resource
from keyferry.cli.deployment import Deployment
from keyferry.cli.migrate.handover import back, forward
from keyferry.cli.migrate.handover.clusters import Group, Side
from keyferry.cli.migrate.handover.delivered import describe_gap
from keyferry.cli.migrate.handover.keepers import find_keeper
from keyferry.cli.migrate.handover.originals import RESOURCES, Original
from keyferry.cli.migrate.handover.record import ORIGINAL, build_manifest, read_original
from keyferry.cli.migrate.handover.rights import list_missing_rights
from keyferry.cli.migrate.handover.run import MAX_TRIES, Handover
from keyferry.cli.migrate.handover.show import build_answer, print_plan, print_result
from keyferry.cli.migrate.handover.state import QUIET_SECONDS, State
from keyferry.cli.migrate.handover.steps import Refuse, Wait
from keyferry.cli.migrate.handover.targets import Target
from keyferry.cli.migrate.verify.verify import verify
from keyferry.delivery.apply import Object
from keyferry.errors import Forbidden, KeyferryError, Overtaken
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import StackNames
from keyferry.testing import FakeClock, FakeCluster
from tests.unit.samples import SPEC, cluster, delivery, mapping
from tests.unit.world import SOURCE, WHERE, World, secret

OPERATOR = "externalsecrets.external-secrets.io/payments-db"
CONTENT = {"username": "me", "password": "canary-1"}
MARKS: dict[str, Any] = {"labels": {"reconcile.external-secrets.io/managed": "true"}}
DRIVEN: dict[str, Any] = {"labels": {"secrets-store.csi.k8s.io/managed": "true"}}
OWNED = {"creationPolicy": "Owner", "deletionPolicy": "Delete"}
ORPHAN = {"creationPolicy": "Orphan", "deletionPolicy": "Retain"}


def external(name: str = "payments-db", target: Any = OWNED, metadata: Any = None, **more: Any) -> Original:  # noqa: ANN401
    """Return an ExternalSecret; `more` is of its spec, but `status`."""
    status = more.pop("status", {})
    body = {
        "metadata": {"name": name, "namespace": "payments", "uid": "uid-1", "resourceVersion": "7", "generation": 2}
        | (metadata or {}),
        "spec": {"target": dict(target), **more},
        "status": status,
    }
    return Original(RESOURCES[0], body)


def provider_class(*secrets: str, **metadata: Any) -> Original:  # noqa: ANN401
    """Return a SecretProviderClass that makes these Secrets."""
    objects = [{"secretName": name, "type": "Opaque"} for name in secrets]
    whole = {"name": "class", "namespace": "payments", "uid": "uid-2", "resourceVersion": "8"} | metadata
    return Original(RESOURCES[2], {"metadata": whole, "spec": {"secretObjects": objects}})


def world(*owners: str, **more: Any) -> World:  # noqa: ANN401
    """Return a world where the operator has written the Secret; `more` is for its creation."""
    made = World()
    content = more.pop("data", CONTENT)
    made.cluster.create(*WHERE, content, **{"manager": OPERATOR, **MARKS, **more})
    if owners:
        made.cluster.set_owner_references(*WHERE, *owners)
    return made


def state(of: World, *originals: Original, quiet: float = 0, asked: SecretMapping | None = None) -> State:
    """Return what is known of the one target."""
    [found] = verify(of.work(of=asked), lambda *_: "")
    return State(asked or of.mapping, found, originals, quiet)


def steps(of: State) -> list[str]:
    return [f"wait: {step.what}" if isinstance(step, Wait) else step.what for step in forward.list_steps(of)]


def refusal(of: State) -> str:
    [step] = forward.list_steps(of)
    assert isinstance(step, Refuse)
    return step.what


NAME = "ExternalSecret payments/payments-db"
LAST = ["mapping payments-db takes over, with the content as it is", "take the marks of the original away"]


# What is left to do


def test_all_steps_are_known_from_the_beginning() -> None:
    assert steps(state(world("ExternalSecret/payments-db"), external())) == [
        f"let the Secret keep the manifest of {NAME}",
        f"set {NAME} to Orphan and Retain",
        "wait: the operator drops its ownerReference",
        f"remove {NAME}",
        *LAST,
    ]


def test_nothing_is_removed_while_an_owner_is_left() -> None:
    owned = world("ExternalSecret/payments-db")
    owned.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(external()))})
    first, *_ = steps(state(owned, external(target=ORPHAN)))
    assert first == "wait: the operator drops its ownerReference"


@pytest.mark.parametrize(
    ("before", "synced", "spec", "is_waited_for"),
    [
        (OWNED, "1-abc", {}, True),
        (OWNED, "2-abc", {}, False),
        (OWNED, "1-abc", {"refreshPolicy": "CreatedOnce"}, False),
        (ORPHAN, "1-abc", {}, False),
    ],
)
def test_an_operator_that_may_yet_set_a_lost_owner_again_is_waited_for(
    before: Object, synced: str, spec: Object, *, is_waited_for: bool
) -> None:
    made = world()
    made.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(external(target=before)))})
    first, *_ = steps(state(made, external(target=ORPHAN, status={"syncedResourceVersion": synced}, **spec)))
    assert first == (f"wait: the operator has looked at {NAME} again" if is_waited_for else f"remove {NAME}")


def test_what_the_operator_cannot_do_is_told_where_it_is_waited_for() -> None:
    owned = world("ExternalSecret/payments-db")
    owned.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(external()))})
    stuck = {"conditions": [{"type": "Ready", "status": "False", "message": "could not get secret data"}]}
    first, *_ = steps(state(owned, external(target=ORPHAN, status=stuck)))
    assert first == "wait: the operator drops its ownerReference; it says: could not get secret data"


@pytest.mark.parametrize(
    ("spec", "is_ours_to_drop"),
    [
        ({"status": {"syncedResourceVersion": "2-abc"}}, True),
        ({"status": {"syncedResourceVersion": "1-abc"}}, False),
        ({"status": {"syncedResourceVersion": "1-abc"}, "refreshInterval": "0s"}, True),
        ({"status": {"syncedResourceVersion": "1-abc"}, "refreshInterval": "0h0m0s"}, True),
        ({"status": {"syncedResourceVersion": "1-abc"}, "refreshInterval": "0h10m0s"}, False),
        ({"status": {"syncedResourceVersion": "1-abc"}, "refreshInterval": "0", "refreshPolicy": "OnChange"}, False),
        ({"status": {"syncedResourceVersion": "1-abc"}, "refreshPolicy": "CreatedOnce"}, True),
        ({"refreshPolicy": "CreatedOnce"}, False),
    ],
)
def test_an_owner_that_the_operator_leaves_there_is_taken_away(spec: Any, *, is_ours_to_drop: bool) -> None:  # noqa: ANN401
    owned = world("ExternalSecret/payments-db")
    owned.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(external()))})
    first, *_ = steps(state(owned, external(target=ORPHAN, **spec)))
    assert (first == "take the ownerReference away") is is_ours_to_drop


def test_an_external_secret_that_is_being_deleted_is_waited_for() -> None:
    gone = external(metadata={"deletionTimestamp": "2026-11-29T00:00:00Z"})
    first, *_ = steps(state(world(), gone))
    assert first == f"wait: the operator lets go of {NAME}"


def test_the_owner_of_an_external_secret_that_is_gone_goes_first_of_all() -> None:
    assert steps(state(world("ExternalSecret/payments-db"))) == ["take the ownerReferences away", *LAST]


def test_of_the_driver_the_class_changes_then_owners_go_and_then_it_has_to_stay_quiet() -> None:
    driven = world("ReplicaSet/api-1", "ReplicaSet/api-2", **DRIVEN)
    quiet = "wait: the driver, which sets owners every five seconds, sets none any more"
    assert steps(state(driven, provider_class("payments-db", "other"))) == [
        "take payments-db out of secretObjects of SecretProviderClass payments/class",
        "take the ownerReferences away",
        quiet,
        *LAST,
    ]
    driven.cluster.set_owner_references(*WHERE)
    assert steps(state(driven, provider_class("other"), quiet=QUIET_SECONDS - 0.1)) == [quiet, *LAST]
    assert steps(state(driven, provider_class("other"), quiet=QUIET_SECONDS)) == LAST


def test_nothing_is_left_for_a_secret_that_the_mapping_has() -> None:
    made = World()
    assert not made.deliver().errors
    assert steps(state(made)) == []
    made.sources.put(SOURCE, secret("canary-2"))
    assert steps(state(made)) == [], "a delivery is no part of the hand-over of what is handed over"


def test_a_secret_that_is_missing_and_that_nobody_else_makes_is_no_matter_of_the_hand_over() -> None:
    assert steps(state(World())) == []


def test_a_mark_that_the_mapping_itself_gives_the_secret_stays() -> None:
    asked = mapping(secret=SPEC["secret"] | {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}})
    made = World()
    made.mapping = asked
    assert not made.deliver().errors
    made.cluster.edit(*WHERE, labels={"helm.toolkit.fluxcd.io/name": "shop"})
    assert state(made, asked=asked).marks == [("labels", "helm.toolkit.fluxcd.io/name")]


# What is refused


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (lambda: state(World(), external()), f"there is no Secret yet: let {NAME} make it"),
        (
            lambda: state(world(data=CONTENT | {"password": "canary-2"}), external()),
            "it is not what the mapping makes: key password: another value",
        ),
        (
            lambda: state(world(), external(), external("second", {"name": "payments-db"})),
            f"several objects write it: {NAME}, ExternalSecret payments/second. In this order: let one of them make all"
            " keys; remove the others, with creationPolicy: Orphan or Merge and deletionPolicy: Retain; convert the one"
            " that is left, deploy its mapping, and run this again",
        ),
        (
            lambda: state(world(), external(), provider_class("payments-db")),
            f"several objects write it: {NAME}, SecretProviderClass payments/class. In this order: let one of them make"
            " all keys; remove the others, with creationPolicy: Orphan or Merge and deletionPolicy: Retain; of a class,"
            " take payments-db out of its secretObjects; convert the one that is left, deploy its mapping, and run"
            " this again",
        ),
        (
            lambda: state(world("ConfigMap/other"), external()),
            "it is owned by ConfigMap/other, and is deleted with that: take that ownerReference away first",
        ),
        (
            lambda: state(world("ExternalSecret/second"), external(), external("second")),
            "it is owned by ExternalSecret/second, and is deleted with that: take that ownerReference away first",
        ),
        (
            lambda: state(world(labels={})),
            "nothing here makes it, and it has no mark of an original: say policies.conflict: takeOver, and push",
        ),
        (
            lambda: state(world(secret_type="kubernetes.io/basic-auth")),
            "it is not what the mapping makes: type: kubernetes.io/basic-auth in the Secret, Opaque by the mapping",
        ),
    ],
)
def test_what_is_not_safe_is_refused_with_its_reason(of: Any, said: str) -> None:  # noqa: ANN401
    assert refusal(of()) == said


INSTANCE = {"app.kubernetes.io/instance": "shop"}
BY_ARGO_CD = {"labels": INSTANCE, "managedFields": [{"manager": "argocd-controller"}]}
TRACKED = {"argocd.argoproj.io/tracking-id": "shop:external-secrets.io/ExternalSecret:payments/payments-db"}
PARENT = {"ownerReferences": [{"kind": "ClusterExternalSecret", "name": "db"}], "labels": INSTANCE}
KEPT = {"argocd.argoproj.io/sync-options": "ServerSideApply=true, Prune=false"}


@pytest.mark.parametrize(
    ("metadata", "annotations", "is_refused"),
    [
        (BY_ARGO_CD, {}, True),
        (BY_ARGO_CD | {"labels": {"app.kubernetes.io/instance": "another"}}, {}, False),
        (BY_ARGO_CD | {"annotations": TRACKED}, {}, False),
        ({"labels": INSTANCE}, {}, False),
        (BY_ARGO_CD, KEPT, False),
    ],
)
def test_a_secret_that_argo_cd_prunes_once_it_has_no_owner_is_left_alone(
    metadata: Object, annotations: dict[str, str], *, is_refused: bool
) -> None:
    asked = mapping(secret=SPEC["secret"] | {"labels": INSTANCE, "annotations": annotations})
    made = world("ExternalSecret/payments-db", labels=MARKS["labels"] | INSTANCE, annotations=annotations)
    first, *_ = steps(state(made, external(metadata=metadata), asked=asked))
    label = "Argo CD knows it by its label app.kubernetes.io/instance, and deletes it once it has no owner"
    assert first.startswith(label) is is_refused


def test_of_several_that_add_keys_to_one_secret_the_one_with_the_keys_of_the_mapping_is_meant() -> None:
    shared = world("ConfigMap/theirs", data=CONTENT | {"theirs": "x"})
    adding = mapping(policies={"creation": "merge"})
    target = {"name": "payments-db", "creationPolicy": "Merge"}
    others = external("second", target), external("payments-db", {"creationPolicy": "Merge"})
    assert steps(state(shared, *others, asked=adding)) == [
        f"let the Secret keep the manifest of {NAME}",
        f"remove {NAME}",
        LAST[0],
    ]


# Whether the stack delivers it


SAME = cluster("prod-eu")
OTHER = cluster("prod-eu", eks={"name": "blue", "region": "eu-west-1", "account": "111122223333"})


@pytest.mark.parametrize(
    ("deployed", "gap"),
    [
        (build_catalog([mapping()], [SAME]), ""),
        (build_catalog([mapping(owner={"team": "payments"})], [SAME]), ""),
        (build_catalog([], [SAME]), "has no mapping payments-db"),
        (build_catalog([mapping(restart="none")], [SAME]), "has another mapping payments-db than the folder"),
        (
            build_catalog([mapping()], [SAME], StackNames(prefix="other")),
            "has another mapping payments-db than the folder",
        ),
        (build_catalog([mapping()], [OTHER]), "does not have cluster prod-eu as the folder does"),
    ],
)
def test_nothing_is_handed_over_that_the_stack_does_not_deliver(deployed: Catalog, gap: str) -> None:
    folder = build_catalog([mapping()], [SAME])
    said = describe_gap(folder, Deployment(deployed, "x", "1"), delivery(), "keyferry", CALL)
    end = ", and nobody else would keep this Secret up to date. Deploy first: `keyferry build`, then `sam deploy`"
    assert said == (f"stack keyferry {gap}{end}" if gap else "")


def test_a_cluster_that_the_mapping_does_not_go_to_in_the_stack_is_none_that_it_delivers_to() -> None:
    asked = mapping(clusters={"matchLabels": {"env": "prod"}})
    folder = build_catalog([asked], [cluster("prod-eu", labels={"env": "prod"})])
    deployed = Deployment(build_catalog([asked], [SAME]), "x", "1")
    said = describe_gap(folder, deployed, delivery(), "keyferry", CALL)
    assert said.startswith("stack keyferry does not have cluster prod-eu as the folder does")


@pytest.mark.parametrize("is_over", [True, False])
def test_without_a_stack_that_delivers_it_nothing_is_done_and_what_is_done_is_done(*, is_over: bool) -> None:
    made = World()
    if is_over:
        assert not made.deliver().errors
    else:
        made = world("ExternalSecret/payments-db")
    run, _ = start(made, *([] if is_over else [external()]), gap="not deployed")
    [target] = run.run()
    assert (target.standing, target.why, target.done) == (
        ("done", "", []) if is_over else ("refused", "not deployed", [])
    )


# Who keeps a manifest


@pytest.mark.parametrize(
    ("metadata", "keeper"),
    [
        ({}, ""),
        ({"annotations": None, "labels": None}, ""),
        ({"ownerReferences": [{"kind": "ClusterExternalSecret", "name": "db"}]}, "ClusterExternalSecret/db"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm (shop)"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"labels": {"app.kubernetes.io/managed-by": "kustomize"}}, ""),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux (apps)"),
        (
            {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}, "annotations": {"meta.helm.sh/release-name": "a"}},
            "Helm (a)",
        ),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:external-secrets.io/E:p/db"}}, "Argo CD (shop)"),
        ({"managedFields": [{"manager": "kubectl"}, {"manager": "kustomize-controller"}]}, "Flux"),
        ({"managedFields": [{"manager": "kubectl-client-side-apply"}]}, ""),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "managedFields": [{"manager": "argocd-controller"}]},
            "Argo CD",
        ),
    ],
)
def test_whoever_keeps_a_manifest_is_known_by_its_marks(metadata: Object, keeper: str) -> None:
    assert find_keeper(metadata) == keeper


def test_the_change_of_an_external_secret_that_another_object_makes_is_one_of_that_object() -> None:
    made = external(metadata={"ownerReferences": [{"kind": "ClusterExternalSecret", "name": "db"}]})
    waits = [
        step for step in forward.list_steps(state(world("ExternalSecret/payments-db"), made)) if isinstance(step, Wait)
    ]
    assert waits[0].change.splitlines()[1:4] == ["    spec:", "      externalSecretSpec:", "        target:"]
    assert waits[-1].change.startswith(f"ClusterExternalSecret/db keeps {NAME}. Now its Secret stays without it")
    assert waits[-1].change.endswith("first wait until this is said of each.")


def test_what_keeps_the_object_that_makes_an_external_secret_is_told_too() -> None:
    flux = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
    made = replace(external(metadata=PARENT), parent=flux)
    waits = list(forward.list_steps(state(world("ExternalSecret/payments-db"), made)))
    changes = [step.change for step in waits if isinstance(step, Wait) and step.change]
    said = f"ClusterExternalSecret/db keeps {NAME}, and Flux (apps) keeps that."
    assert [change[: len(said)] for change in changes] == [said, said]


@pytest.mark.parametrize(
    ("parent", "is_refused"),
    [(BY_ARGO_CD, True), (BY_ARGO_CD | {"annotations": TRACKED}, False), ({"labels": INSTANCE}, False), (None, False)],
)
def test_argo_cd_is_seen_behind_the_object_that_makes_an_external_secret(
    parent: Object | None, *, is_refused: bool
) -> None:
    asked = mapping(secret=SPEC["secret"] | {"labels": INSTANCE})
    made = world("ExternalSecret/payments-db", labels=MARKS["labels"] | INSTANCE)
    first, *_ = steps(state(made, replace(external(metadata=PARENT), parent=parent), asked=asked))
    assert first.startswith("Argo CD knows it by its label app.kubernetes.io/instance") is is_refused


def test_what_makes_the_external_secrets_of_many_namespaces_is_read_once() -> None:
    namespaces = [f"team-{number}" for number in range(3)]
    operator = FakeOperator(FakeCluster(), *(external(metadata=PARENT | {"namespace": each}) for each in namespaces))
    operator.parents = {"db": {"metadata": BY_ARGO_CD}}
    client: Any = operator
    found = Side(client).list_originals(namespaces)
    assert [each.parent for some in found.values() for each in some] == [BY_ARGO_CD] * 3
    assert operator.read == ["clusterexternalsecrets/db"]


# What is kept of an original


LARGE = {"template": {"data": {"a": "x" * 256 * 1024}}}


def test_a_manifest_that_is_too_large_to_be_kept_is_left_for_a_person_to_remove() -> None:
    owned = world("ExternalSecret/payments-db")
    left = list(forward.list_steps(state(owned, external(target=OWNED | LARGE))))
    assert [step.what for step in left] == [
        f"set {NAME} to Orphan and Retain",
        "the operator drops its ownerReference",
        f"you have removed {NAME}",
        *LAST,
    ]
    wait = left[2]
    assert isinstance(wait, Wait)
    assert wait.change.startswith(f"{NAME} is too large to be kept in annotations, so --back cannot make it again")
    assert "--namespace payments get externalsecrets.external-secrets.io payments-db --output yaml >" in wait.change


@pytest.mark.parametrize(("synced", "is_waited_for"), [("1-abc", True), ("2-abc", False)])
def test_where_it_is_not_known_what_the_policy_was_the_operators_look_is_waited_for(
    synced: str, *, is_waited_for: bool
) -> None:
    large = external(target=ORPHAN | LARGE, status={"syncedResourceVersion": synced})
    first, *_ = steps(state(world(), large))
    wait = f"wait: the operator has looked at {NAME} again"
    assert first == (wait if is_waited_for else f"wait: you have removed {NAME}")


def test_what_the_secret_is_noted_with_already_counts_too() -> None:
    half = {"template": {"data": {"a": "x" * 130 * 1024}}}
    owned = world("ExternalSecret/payments-db")
    assert steps(state(owned, external(target=OWNED | half)))[0] == f"let the Secret keep the manifest of {NAME}"
    owned.cluster.edit(*WHERE, annotations={"kubectl.kubernetes.io/last-applied-configuration": "x" * 130 * 1024})
    assert steps(state(owned, external(target=OWNED | half)))[0] == f"set {NAME} to Orphan and Retain"


def test_of_a_class_that_is_too_large_a_person_takes_the_secret_out() -> None:
    objects = [{"secretName": "payments-db", "type": "Opaque", "data": [{"key": "x" * 256 * 1024}]}]
    made = provider_class("payments-db")
    large = replace(made, body={**made.body, "spec": {"secretObjects": objects}})
    step, *_ = forward.list_steps(state(world(**DRIVEN), large))
    assert isinstance(step, Wait)
    assert step.what == "you have taken payments-db out of secretObjects of SecretProviderClass payments/class"
    assert "Take the entry with secretName: payments-db out of spec.secretObjects there" in step.change


@pytest.mark.parametrize(
    "kept",
    ["", "{", "[]", '"x"', '{"metadata": 1}', '{"metadata": {"name": "a", "namespace": "b"}}'],
)
def test_what_is_no_manifest_is_none(kept: str) -> None:
    assert read_original({ORIGINAL: kept}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Pod"},
        {"apiVersion": "example.com/v1"},
        {"metadata": {"name": "payments-db", "namespace": "kube-system"}},
        {"spec": {"target": {"name": "another"}}},
        {"spec": {"target": "payments-db"}},
        {"spec": None},
        {"metadata": {"name": "payments-db", "namespace": "payments", "labels": ["x"]}},
        {"metadata": {"name": "payments-db", "namespace": "payments", "ownerReferences": [{"kind": "Pod"}]}},
        {"status": {}},
    ],
)
def test_a_kept_manifest_of_anything_else_than_this_secret_is_never_made(change: Object) -> None:
    made = world()
    made.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(external()) | change)})
    assert list(back.list_steps(state(made))) == []


def test_the_way_back_needs_no_source() -> None:
    made = world()
    made.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(external()))})
    found = state(made)
    lost = replace(found, verified=replace(found.verified, error=KeyferryError("no answer"), desired=None))
    assert [step.what for step in back.list_steps(lost)] == [f"create {NAME} again", "give the Secret back"]


def test_what_helm_kept_is_put_back_by_helm() -> None:
    made = world()
    kept = build_manifest(external(metadata={"annotations": {"meta.helm.sh/release-name": "shop"}}))
    made.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(kept)})
    wait, _ = back.list_steps(state(made))
    assert isinstance(wait, Wait)
    assert wait.change.splitlines()[:2] == [
        f"Helm (shop) kept {NAME}. Put it back there, and apply that:",
        "    apiVersion: external-secrets.io/v1",
    ]


def test_what_the_way_back_makes_anew_is_shown_before_it_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    made = world()
    templated = external(target=OWNED | {"template": {"data": {"a": "canary-literal"}}})
    made.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(templated))})
    left = tuple(back.list_steps(state(made)))
    print_plan([Target("payments-db", "prod-eu", *WHERE, steps=left)])
    shown = capsys.readouterr().out.splitlines()
    number = next(number for number, line in enumerate(shown) if f"create {NAME} again" in line)
    assert shown[number + 1].strip() == "apiVersion: external-secrets.io/v1"
    assert "canary-literal" not in "".join(shown)
    assert "        deletionPolicy: Delete" in [line.removeprefix("     ") for line in shown]


def test_a_secret_whose_original_is_not_known_is_not_given_back_to_anybody() -> None:
    made = World()
    assert not made.deliver().errors
    [step] = back.list_steps(state(made))
    assert isinstance(step, Refuse)
    assert step.what.startswith("no original is known to give it back to")


def test_a_long_name_is_shortened_as_the_operator_does() -> None:
    assert external("a" * 20).field_manager == f"externalsecrets.external-secrets.io/{'a' * 20}"
    assert external("a" * 60).field_manager.startswith("externalsecrets.external-secrets.io/sha3/")


# A run


class FakeOperator:
    """A cluster with some originals, as a person reaches it; nothing of it changes by itself."""

    cluster, context = "prod-eu", Context("mine", "arn", "https://one.example")

    def __init__(self, state: FakeCluster, *originals: Original) -> None:
        self.state, self.originals = state, list(originals)
        self.failures: list[KeyferryError] = []
        self.listed: list[str | None] = []
        self.versions = {each.version for each in RESOURCES}
        self.done: list[str] = []
        self.parents: dict[str, Object] = {}
        self.read: list[str] = []
        self.forbidden: set[tuple[str, str]] = set()

    def connect_secrets(self) -> Any:  # noqa: ANN401
        return self.state.client()

    def find_served(self, resources: Any) -> list[Resource]:  # noqa: ANN401
        return [each for each in resources if each.version in self.versions]

    def list_objects(self, resource: Resource, namespace: str | None = None) -> Iterator[Object]:
        self.listed.append(namespace)
        if namespace is None and ("list", resource.plural) in self.forbidden:
            raise Forbidden("not of the whole cluster")
        found = [each for each in self.originals if each.resource == resource]
        yield from (dict(each.body) for each in found if namespace in (None, each.namespace))

    def read_metadata(self, resource: Resource, _namespace: str | None, name: str) -> Object | None:
        self.read.append(f"{resource.plural}/{name}")
        return self.parents.get(name)

    def patch(self, resource: Resource, seen: Object, patch: Object, _manager: str) -> Object | None:
        if self.failures:
            raise self.failures.pop()
        self.done.append(f"patch {resource.plural}/{seen['name']}")
        return patch

    def delete(self, resource: Resource, seen: Object) -> None:
        self.originals = [each for each in self.originals if each.name != seen["name"]]
        self.done.append(f"delete {resource.plural}/{seen['name']}")

    def may(self, asked: Any) -> bool:  # noqa: ANN401
        return (asked["verb"], asked["resource"]) not in self.forbidden


def start(
    made: World,
    *originals: Original,
    operator: FakeOperator | None = None,
    gap: str = "",
    **more: Any,  # noqa: ANN401
) -> tuple[Handover, list[str]]:
    """Return a run with its plan made, and what it tells."""
    client: Any = operator or FakeOperator(made.cluster, *originals)
    told, clock = list[str](), FakeClock()
    group = Group(delivery(), made.mapping, Side(client), lambda *_: made.work(), lambda *_: "", gap)
    run = Handover([group], forward.list_steps, True, tell=lambda _, text: told.append(text), **more)
    run.sleep, run.clock = clock.sleep, clock
    run.plan()
    return run, told


def test_an_old_operator_is_asked_by_the_version_that_it_has() -> None:
    operator = FakeOperator(FakeCluster())
    operator.versions = {"external-secrets.io/v1beta1"}
    client: Any = operator
    assert [each.version for each in Side(client).resources] == ["external-secrets.io/v1beta1"]


@pytest.mark.parametrize("is_allowed", [True, False])
def test_of_many_namespaces_the_originals_are_listed_at_once_where_that_is_allowed(*, is_allowed: bool) -> None:
    operator = FakeOperator(FakeCluster(), external())
    operator.forbidden = set() if is_allowed else {("list", "externalsecrets"), ("list", "secretproviderclasses")}
    client: Any = operator
    namespaces = ["payments", *(f"team-{number}" for number in range(20))]
    found = Side(client).list_originals(namespaces)
    assert [each.name for each in found.pop("payments")] == ["payments-db"]
    assert set(map(len, found.values())) == {0}
    assert len(operator.listed) == (2 if is_allowed else 2 + 2 * len(namespaces))


def test_what_somebody_undoes_again_and_again_ends_with_that() -> None:
    made = world("ExternalSecret/payments-db")
    operator = FakeOperator(made.cluster, external())
    run, _ = start(made, operator=operator)
    [target] = run.run()
    assert (target.standing, len(operator.done)) == ("failed", MAX_TRIES)
    assert target.why == f"somebody undoes it again and again: set {NAME} to Orphan and Retain"


def test_what_has_changed_meanwhile_is_looked_at_anew_and_an_error_that_stays_ends_the_target() -> None:
    made = world("ExternalSecret/payments-db")
    operator = FakeOperator(made.cluster, external())
    operator.failures = [Forbidden("you may not"), *[Overtaken("changed")] * (MAX_TRIES - 1)]
    run, _ = start(made, operator=operator)
    [target] = run.run()
    assert (target.standing, target.why) == ("failed", "Forbidden: you may not")
    assert (operator.failures, operator.done) == ([], [])


def test_somebody_is_waited_for_as_long_as_is_said_and_no_longer() -> None:
    made = world("ExternalSecret/payments-db")
    made.cluster.edit(*WHERE, annotations={ORIGINAL: json.dumps(build_manifest(external()))})
    run, told = start(made, external(target=ORPHAN), wait_seconds=60)
    [target] = run.run()
    assert (target.standing, target.why) == ("waits", "the operator drops its ownerReference")
    assert told == ["waiting until the operator drops its ownerReference"]
    assert 60 <= run.clock() < 80


def test_a_source_that_cannot_be_read_fails_its_target_before_anything_is_done() -> None:
    made = world("ExternalSecret/payments-db")
    made.sources.errors[SOURCE] = KeyferryError("no such secret")
    run, _ = start(made, external())
    [target] = run.targets.values()
    assert (target.standing, target.why) == ("failed", "KeyferryError: no such secret")
    assert run.run() == [target]


def test_what_a_person_may_not_do_is_known_from_the_steps() -> None:
    made = world("ExternalSecret/payments-db")
    operator = FakeOperator(made.cluster)
    operator.forbidden = {
        ("delete", "externalsecrets"),
        ("patch", "secretproviderclasses"),
        ("create", "externalsecrets"),
    }
    client: Any = operator
    left = list(forward.list_steps(state(made, external())))
    assert list_missing_rights(client, left, "payments") == [
        "delete externalsecrets.external-secrets.io in namespace payments of cluster prod-eu"
    ]
    operator.forbidden = {("patch", "secrets")}
    assert list_missing_rights(client, left, "payments") == ["patch secrets in namespace payments of cluster prod-eu"]


def test_the_answer_has_the_steps_and_what_a_person_changes(capsys: pytest.CaptureFixture[str]) -> None:
    kept = external(metadata={"labels": {"app.kubernetes.io/managed-by": "Helm"}})
    run, _ = start(world("ExternalSecret/payments-db"), kept)
    [row] = build_answer(run.targets.values(), [])["targets"]
    assert (row["state"], row["done"], len(row["steps"]), len(row["changes"])) == ("to do", [], 6, 2)
    print_plan(list(run.targets.values()))
    shown = capsys.readouterr().out
    assert f"  2. wait: Helm has set {NAME} to Orphan and Retain" in shown
    assert "creationPolicy: Orphan" in shown
    assert shown.endswith("1 target: 1 to do\n")
    run.wait_seconds = 0
    run.run()
    print_result(list(run.targets.values()))
    assert f"prod-eu/payments/payments-db: waits until Helm has set {NAME}" in capsys.readouterr().out


def test_the_steps_of_many_secrets_alike_are_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    namespaces = [f"team-{number}" for number in range(5)]
    made = World(*namespaces)
    for namespace in namespaces:
        made.cluster.create(namespace, WHERE[1], CONTENT, manager=OPERATOR, **MARKS)
    run, _ = start(made, *(external(metadata={"namespace": namespace}) for namespace in namespaces))
    print_plan(list(run.targets.values()))
    shown = capsys.readouterr().out
    assert shown.startswith("5 Secrets, each: prod-eu/team-0/payments-db, prod-eu/team-1/payments-db")
    assert shown.count("remove ExternalSecret") == 1
    assert "its mapping takes over, with the content as it is" in shown
