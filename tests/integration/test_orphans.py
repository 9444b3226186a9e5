"""`keyferry orphans` on a real API server: what no mapping names any more, by an operator's own rights alone."""

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyferry.access.rbac import build_rbac
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.kubeconfig import Kubeconfig
from keyferry.delivery.passes import deliver
from keyferry.delivery.work import Work
from keyferry.identity import IDENTITY, Identity
from keyferry.kinds import DEFAULT_KINDS, JSON_MERGE
from keyferry.kube import KubeClient
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import StackNames
from keyferry.testing import FakeSources
from keyferry_local import aws, binaries
from keyferry_local.direct import catalog, deadline, delivery, mapping
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.operators import ALIAS, DELETES, LOOKS, USES, Operator
from tests.integration.scene import CLUSTER, Scene
from tests.integration.terminal import record
from tests.integration.test_cli import KEYFERRY
from tests.integration.wire import gate

type Row = dict[str, Any]


@pytest.fixture
def operator(installed: Installation, tmp_path: Path) -> Operator:
    """Somebody with the policy `look`, who may see everything in the cluster but values, and delete."""
    operator = Operator.join(installed.cloud, tmp_path, [f"{STACK}-look"])
    operator.grant([*LOOKS, *USES, *DELETES])
    return operator


def removed(scene: Scene, name: str = "", **more: Any) -> SecretMapping:  # noqa: ANN401
    """Return a mapping that no folder and no deployment has."""
    spec = {
        "sources": {"db": {"secretsManager": "gone/db"}},
        "clusters": [CLUSTER],
        "namespaces": [scene.namespace],
        "secret": {"name": "db", "data": {"password": {"from": "db", "path": "password"}}},
    }
    return mapping(name or f"gone-{scene.namespace}", **(spec | more))


def write(scene: Scene, written: SecretMapping, prefix: str = "keyferry") -> None:
    """Deliver a mapping as its stack once has, with an administrator's rights."""
    plane, sources = scene.cloud.clusters[CLUSTER], FakeSources()
    sources.put("gone/db", '{"password": "canary-orphans"}')
    sources.put("tests/crowd", '{"password": "canary-orphans"}')
    kubeconfig = Kubeconfig(str(plane.kubeconfig), {})
    connection = kubeconfig.connect(Context(CLUSTER, CLUSTER, plane.endpoint), CLUSTER)
    asked = delivery(written.name, namespace=scene.namespace)
    client = KubeClient(connection, deadline())
    reader = sources.create_reader()
    report = deliver(
        Work(asked, written.identify(Identity(prefix)), client, DEFAULT_KINDS, lambda _: reader, deadline())
    )
    assert not report.errors, report.errors
    assert scene.admin.get("Secret", written.spec.secret.name, scene.namespace)


def mappings(installed: Installation) -> Path:
    return installed.checkout / "mappings"


def ask(operator: Operator, installed: Installation, *args: str) -> tuple[int, Row, str]:
    """Return the exit code, the answer, and what is said on stderr."""
    where = ["--cluster", CLUSTER, "--stack", STACK, "--output", "json"]
    code, out, error = operator.run(mappings(installed), "orphans", *where, *args)
    assert out, error
    return code, json.loads(out), error


def rows(answer: Row, scene: Scene) -> list[Row]:
    """Return what is left over in the namespace of the scene."""
    return [row for row in answer["orphans"] if row.get("namespace") == scene.namespace]


def only(answer: Row, scene: Scene) -> Row:
    [row] = rows(answer, scene)
    return row


def test_what_is_left_of_a_removed_mapping_is_shown_with_its_commands_and_goes(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    gone = removed(scene)
    write(scene, gone)
    whole = catalog(scene.cloud, [gone])
    objects = [raw for raw in build_rbac(whole, whole.clusters[CLUSTER]) if raw["metadata"].get("namespace")]
    scene.admin.apply(*objects)

    code, answer, _ = ask(operator, installed)

    assert code == 1
    named = {(row["kind"], row["name"]): row for row in rows(answer, scene)}
    assert named.keys() == {("Secret", "db"), *((raw["kind"], raw["metadata"]["name"]) for raw in objects)}
    secret = named["Secret", "db"]
    assert (secret["why"], secret["refused"]) == (f"no mapping is called {gone.name} any more", [])
    assert secret["command"] == f"kubectl --context {ALIAS} delete --namespace {scene.namespace} secrets db"

    code, dry, _ = ask(operator, installed, "--dry-run")
    assert {row["outcome"] for row in rows(dry, scene)} == {"would be deleted"}
    assert scene.admin.get("Secret", "db", scene.namespace)

    code, done, _ = ask(operator, installed, "--delete", "--yes")
    assert {row["outcome"] for row in rows(done, scene)} == {"deleted"}
    assert scene.admin.get("Secret", "db", scene.namespace) is None
    assert rows(ask(operator, installed)[1], scene) == []
    assert {raw["kind"] for raw in objects} == {"Role", "RoleBinding"}
    for raw in objects:
        assert scene.admin.get(raw["kind"], raw["metadata"]["name"], scene.namespace) is None


def test_the_secret_of_a_namespace_that_is_no_longer_chosen_is_left_over(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    label(scene, "crowd")
    write(scene, mapping("crowd", **_crowd()))
    assert rows(ask(operator, installed)[1], scene) == []

    label(scene, None)

    row = only(ask(operator, installed)[1], scene)
    assert (row["name"], row["why"]) == ("crowd", "mapping crowd no longer chooses this namespace")


def label(scene: Scene, text: str | None) -> None:
    """Give the namespace the label that the mapping `crowd` chooses by, or take it away."""
    patch = {"metadata": {"labels": {"tests": text}}}
    scene.admin.send("PATCH", f"/api/v1/namespaces/{scene.namespace}", patch, JSON_MERGE)


def _crowd() -> Row:
    return {
        "sources": {"db": {"secretsManager": "tests/crowd"}},
        "clusters": [CLUSTER],
        "namespaces": {"matchLabels": {"tests": "crowd"}},
        "secret": {"name": "crowd", "data": {"password": {"from": "db", "path": "password"}}},
    }


def test_what_another_stack_has_is_counted_and_never_touched(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    other, whole = f"other-{scene.namespace}", catalog(scene.cloud, [removed(scene)])
    write(scene, removed(scene), other)
    [role, *_] = [raw for raw in build_rbac(whole, whole.clusters[CLUSTER]) if raw["kind"] == "Role"]
    role["metadata"]["labels"] = {"keyferry.dev/generated": other}
    scene.admin.apply(role)
    with scene.untouched("Secret", "db"), scene.untouched("Role", role["metadata"]["name"]):
        _, answer, _ = ask(operator, installed, "--delete", "--yes")
    assert rows(answer, scene) == []
    counted = {row["prefix"]: row["counts"] for row in answer["otherStacks"]}
    assert counted[other] == {"Secret": 1, "Role": 1}


def test_a_secret_whose_mapping_has_moved_to_another_stack_is_named_as_moved_and_kept(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    """The other stack has its rights already, and has not delivered yet."""
    prefix = f"new-{scene.namespace}"
    whole = catalog(scene.cloud, [removed(scene)], StackNames(prefix=prefix))
    write(scene, removed(scene))
    scene.admin.apply(*(raw for raw in build_rbac(whole, whole.clusters[CLUSTER]) if raw["kind"] == "Role"))
    with scene.untouched("Secret", "db"):
        _, answer, _ = ask(operator, installed, "--delete", "--yes")
    assert rows(answer, scene) == []
    moved = {"cluster": CLUSTER, "namespace": scene.namespace, "name": "db", "prefix": prefix}
    assert moved in answer["moved"]


def use(scene: Scene) -> None:
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))


def pull(scene: Scene) -> None:
    scene.make("ServiceAccount", "puller", imagePullSecrets=[{"name": "db"}])


def share(scene: Scene) -> None:
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": scene.namespace}}
    scene.admin.apply(raw | {"stringData": {"theirs": "canary-orphans"}}, manager="helm")


def own(scene: Scene) -> None:
    owner = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": scene.make("ConfigMap", "owner")["metadata"]["uid"],
    }
    scene.admin.edit("Secret", "db", scene.namespace, {"metadata": {"ownerReferences": [owner]}})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (use, "in use by Deployment/api, Pod/api-"),
        (pull, "in use by ServiceAccount/puller"),
        (share, "helm owns theirs"),
        (own, "ConfigMap/owner owns it, and deletes it with itself"),
    ],
)
def test_a_secret_that_somebody_needs_or_owns_is_kept_with_the_reason(
    scene: Scene, installed: Installation, operator: Operator, change: Callable[[Scene], None], why: str
) -> None:
    write(scene, removed(scene))
    change(scene)
    with scene.untouched("Secret", "db"):
        code, answer, _ = ask(operator, installed, "--delete", "--yes")
    row = only(answer, scene)
    assert code == 1
    assert any(reason.startswith(why) for reason in row["refused"]), row
    assert "outcome" not in row


def test_a_secret_that_was_taken_over_is_not_keyferry_s_to_delete(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "canary-1"}}
    path = f"/api/v1/namespaces/{scene.namespace}/secrets?fieldManager=kubectl-create"
    scene.admin.send("POST", path, raw, "application/json")
    write(scene, removed(scene, policies={"conflict": "takeOver"}))
    row = only(ask(operator, installed)[1], scene)
    assert row["refused"] == ["kubectl-create made it, and Keyferry took it over"]


def test_of_a_secret_that_somebody_else_made_our_part_is_taken_out_by_the_command(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": scene.namespace}}
    scene.admin.apply(raw | {"stringData": {"theirs": "canary-orphans"}}, manager="helm")
    write(scene, removed(scene, policies={"creation": "merge"}))
    row = only(ask(operator, installed)[1], scene)
    assert row["refused"] == ["somebody else made it; only our keys are left in it: password"]
    assert row["command"].startswith(f"kubectl --context {ALIAS} --namespace {scene.namespace} patch secret db ")
    kubectl(scene, row["command"])
    assert scene.data() == {"theirs": b"canary-orphans"}
    assert rows(ask(operator, installed)[1], scene) == []


def test_a_stamp_that_is_left_is_shown_and_taken_off_by_its_command_alone(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    write(scene, removed(scene))

    _, answer, _ = ask(operator, installed, "--delete", "--yes")

    [row] = [row for row in rows(answer, scene) if row["kind"] == "Stamp"]
    assert (row["name"], "outcome" in row) == ("Deployment/api", False)
    assert row["why"] == "no mapping restarts it by keyferry.dev/db any more"
    assert row["refused"] == ["to take it off restarts the pods, and it does no harm"]
    kubectl(scene, row["command"])
    kinds = {row["kind"] for row in rows(ask(operator, installed)[1], scene)}
    assert kinds == {"Secret"}


def kubectl(scene: Scene, command: str) -> None:
    """Run a command as the administrator, who calls the context by another name than the operator."""
    path = f"{binaries.provide(print).kubectl.parent}:{os.environ['PATH']}"
    environment = os.environ | {"KUBECONFIG": str(scene.cloud.clusters[CLUSTER].kubeconfig), "PATH": path}
    own = command.replace(f"--context {ALIAS} ", f"--context {CLUSTER} ")
    done = subprocess.run(["sh", "-c", own], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_who_may_not_see_the_users_of_a_secret_does_not_delete_it(
    scene: Scene, installed: Installation, tmp_path: Path
) -> None:
    operator = Operator.join(installed.cloud, tmp_path, [f"{STACK}-look"])
    operator.grant([*LOOKS, *DELETES])
    write(scene, removed(scene))
    with scene.untouched("Secret", "db"):
        _, answer, _ = ask(operator, installed, "--delete", "--yes")
    why, afar = only(answer, scene)["refused"]
    assert why.startswith("who uses it is not known: you may not list")
    assert "pods" in why
    assert "cronjobs" in why
    assert (
        "from other namespaces is not known: you may not list ingresses in all of them" in afar
    )  # there are no Gateways


def test_a_namespace_whose_secrets_may_not_be_listed_is_told_and_stops_nothing(
    scene: Scene, installed: Installation, tmp_path: Path
) -> None:
    operator = Operator.join(installed.cloud, tmp_path, [f"{STACK}-look"])
    namespaces, *others = LOOKS
    operator.grant([namespaces | {"resources": ["namespaces"]}, *others])
    operator.grant([namespaces | {"resources": ["secrets"]}], scene.namespace)
    write(scene, removed(scene))
    code, answer, _ = ask(operator, installed)
    assert code == 1
    assert only(answer, scene)["name"] == "db"
    [note] = [note for note in answer["notes"] if " secrets " in note]
    assert note.startswith(f"context {ALIAS} (https://")
    assert f"may not list secrets of cluster {CLUSTER} in " in note


def test_who_may_nothing_is_told_what_cannot_be_seen(installed: Installation, tmp_path: Path) -> None:
    operator = Operator.join(installed.cloud, tmp_path)
    code, answer, _ = ask(operator, installed)
    assert (code, answer["orphans"]) == (1, [])
    assert "may not list namespaces" in answer["notes"][0]
    assert "cloudformation:DescribeStacks" in answer["error"]
    code, out, error = operator.run(mappings(installed), "orphans", "--stack", STACK, "--delete", "--yes")
    assert (code, "so nothing is deleted" in error) == (1, True), out + error


def test_of_secrets_the_metadata_alone_is_asked_for(
    scene: Scene, installed: Installation, operator: Operator, tmp_path: Path
) -> None:
    write(scene, removed(scene))
    with gate(scene.cloud.clusters[CLUSTER], tmp_path) as seen:
        operator.write_kubeconfig(seen.url, seen.certificate_authority)
        ask(operator, installed, "--delete", "--yes")
    asked = {accept for path, accept in seen.accepted if "/secrets" in path}
    assert asked
    assert all(accept.startswith("application/json;as=PartialObjectMetadata") for accept in asked)
    assert not any("," in accept for accept in asked), "a second form would have the data"
    assert seen.requests("DELETE", f"/api/v1/namespaces/{scene.namespace}/secrets/db") == 1
    assert seen.requests("DELETE", "dryRun") == 0


def test_a_secret_that_is_written_while_it_is_being_deleted_stays(
    scene: Scene, installed: Installation, operator: Operator, tmp_path: Path
) -> None:
    write(scene, removed(scene))

    def write_first(method: str, path: str) -> None:
        if method == "DELETE" and path.endswith(f"/{scene.namespace}/secrets/db"):
            scene.admin.edit("Secret", "db", scene.namespace, {"metadata": {"labels": {"moved": "yes"}}})

    with gate(scene.cloud.clusters[CLUSTER], tmp_path) as seen:
        seen.judge = write_first
        operator.write_kubeconfig(seen.url, seen.certificate_authority)
        code, answer, _ = ask(operator, installed, "--delete", "--yes")
    row = only(answer, scene)
    assert (code, row["outcome"]) == (
        1,
        f"secrets/db in namespace {scene.namespace} changed between reading and writing it",
    )
    assert scene.secret()["metadata"]["labels"]["moved"] == "yes"


def type_in(operator: Operator, installed: Installation, answer: str) -> tuple[int, str]:
    """Run `keyferry orphans --delete` on a terminal and answer its question; return its code and what it says."""
    outer, inner = pty.openpty()
    command = [str(KEYFERRY), "--mappings", str(mappings(installed)), "orphans", "--stack", STACK, "--cluster", CLUSTER]
    os.write(outer, f"{answer}\n".encode())
    done = subprocess.run(
        [*command, "--delete"],
        stdin=inner,
        env=operator.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(inner)
    os.close(outer)
    record(command, done.stdout + done.stderr, operator.cloud.directory / "commands.log")
    return done.returncode, done.stdout + done.stderr


def test_the_question_names_account_cluster_and_count_and_no_means_no(
    scene: Scene, installed: Installation, operator: Operator
) -> None:
    write(scene, removed(scene))
    with scene.untouched("Secret", "db"):
        code, said = type_in(operator, installed, "n")
    assert code == 130
    assert re.search(rf"Delete .*Secrets? of cluster {CLUSTER} in account 111122223333\?", said), said
    assert "nothing was deleted" in said
    code, said = type_in(operator, installed, "y")
    assert scene.admin.get("Secret", "db", scene.namespace) is None, said


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_said(installed: Installation, operator: Operator) -> None:
    code, _, error = operator.run(mappings(installed), "orphans", "--stack", STACK, "--delete")
    assert (code, "say --yes to delete, or --dry-run to look" in error) == (2, True), error


def test_what_the_deployment_alone_names_is_no_orphan_yet(
    installed: Installation, operator: Operator, tmp_path: Path
) -> None:
    folder = tmp_path / "mappings"
    shutil.copytree(mappings(installed), folder)
    (folder / "tests/neighbours.yaml").unlink()
    where = ["--cluster", CLUSTER, "--stack", STACK, "--output", "json"]
    _, out, _ = operator.run(folder, "orphans", *where)
    answer = json.loads(out)
    assert not [row for row in answer["orphans"] if row["name"] in ("near", "crowd", "keyferry:deliver:near")]
    [awaiting] = answer["awaiting"]
    assert awaiting["cluster"] == CLUSTER
    assert awaiting["count"] > 1


def test_an_access_entry_of_a_cluster_that_no_mapping_goes_to_is_left_over(
    installed: Installation, operator: Operator, tmp_path: Path
) -> None:
    cloud, deliver_role = installed.cloud, installed.outputs["DeliverRoleArn"]
    plane = cloud.clusters[CLUSTER]
    aws.register_cluster(
        cloud.aws,
        name="left",
        region="eu-west-1",
        endpoint=plane.endpoint,
        certificate_authority=plane.certificate_authority,
    )
    aws.add_access_entry(cloud.aws, "left", deliver_role, IDENTITY.deliver, region="eu-west-1")
    aws.add_access_entry(cloud.aws, "left", operator.role, "somebody", region="eu-west-1")
    folder = tmp_path / "mappings"
    shutil.copytree(mappings(installed), folder)
    with (folder / "clusters.yaml").open("a") as file:
        file.write('  - name: left\n    eks: {name: left, region: eu-west-1, account: "111122223333"}\n')
    where = ["--cluster", "left", "--stack", STACK, "--output", "json"]
    _, out, _ = operator.run(folder, "orphans", *where)
    [row] = json.loads(out)["orphans"]
    assert (row["kind"], row["name"], row["refused"]) == ("AccessEntry", deliver_role, [])
    assert row["command"] == (
        f"aws eks delete-access-entry --region eu-west-1 --cluster-name left --principal-arn {deliver_role}"
    )
    [note] = json.loads(out)["notes"]
    assert "`aws eks update-kubeconfig --name left --region eu-west-1 --alias left`" in note
    _, out, _ = operator.run(folder, "orphans", *where, "--delete", "--yes")
    assert "eks:DeleteAccessEntry" in json.loads(out)["orphans"][0]["outcome"], "the policy look may not"
    cloud.aws.client("eks", region="eu-west-1").delete_access_entry(clusterName="left", principalArn=deliver_role)
    until("gone", lambda: json.loads(operator.run(folder, "orphans", *where)[1])["orphans"] == [])
