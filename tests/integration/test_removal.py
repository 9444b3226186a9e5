"""What is no longer generated is removed by the documented commands, with the real kubectl, and no Secret ever is."""

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from keyferry.access.rbac import identify
from keyferry.cli.clusters.generated import format_deletion
from keyferry.cli.generated import render_files
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import StackNames
from keyferry_local import binaries
from keyferry_local.admin import Object
from keyferry_local.direct import catalog, mapping
from tests.integration.scene import CLUSTER, Scene

KINDS = (
    *("RoleBinding", "ClusterRoleBinding", "Role", "ClusterRole"),
    *("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"),
)
SCRIPT = f"clusters/{CLUSTER}/remove-stale.sh"
MANAGED = {"app.kubernetes.io/managed-by": "keyferry"}


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A scene with a stack of its own."""
    return own_scene


class Operator:
    """Somebody who applies what is generated, with kubectl."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.folder = scene, folder
        programs = binaries.provide(print)
        self._environment = os.environ | {
            "KUBECONFIG": str(scene.cloud.clusters[CLUSTER].kubeconfig),
            "PATH": f"{programs.kubectl.parent}:{os.environ['PATH']}",
        }

    def generate(self, *mappings: SecretMapping, prefix: str = "") -> None:
        """Write what these mappings need into the folder."""
        whole: Catalog = catalog(self.scene.cloud, mappings, StackNames(prefix=prefix or self.scene.namespace))
        for name, text in render_files(whole).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder."""
        return subprocess.run(argv, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False)

    def apply(self) -> None:
        """Apply what is generated for the cluster, as the guide says."""
        file = f"clusters/{CLUSTER}/rbac.yaml"
        done = self.run("kubectl", "--context", CLUSTER, "apply", "--server-side", "-f", file)
        assert done.returncode == 0, done.stderr

    def remove(self, *options: str) -> list[str]:
        """Remove what is stale, and return what kubectl says of each object."""
        done = self.run("sh", SCRIPT, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def remove_all(self) -> list[str]:
        """Remove all that was generated for the stack, and return what kubectl says of each object."""
        done = self.run(*shlex.split(format_deletion(CLUSTER, self.scene.namespace)))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def generated(self, prefix: str = "") -> set[tuple[str, str, str]]:
        """Return kind, namespace and name of all that is generated for a stack, as the cluster has it."""
        query = f"?labelSelector=keyferry.dev/generated%3D{prefix or self.scene.namespace}"
        return {
            (kind, each["metadata"].get("namespace", ""), each["metadata"]["name"])
            for kind in KINDS
            for each in self.scene.admin.list(kind, query=query)
        }


@pytest.fixture
def operator(scene: Scene, tmp_path: Path) -> Operator:
    """The operator of a stack of the scene's own."""
    return Operator(scene, tmp_path)


def build_mapping(name: str, namespaces: Sequence[object], restart: str = "auto") -> SecretMapping:
    """Return a mapping that writes a Secret of its own name."""
    sources, data = {"db": {"secretsManager": "removal"}}, {"key": {"from": "db"}}
    secret = {"name": name, "data": data}
    return mapping(name, sources=sources, clusters=[CLUSTER], namespaces=namespaces, secret=secret, restart=restart)


def make_secrets(operator: Operator, namespace: str) -> dict[str, Object]:
    """Make Secrets that look like ours in any way, and return those of the namespace."""
    admin, folder = operator.scene.admin, operator.folder
    generated = MANAGED | {"keyferry.dev/generated": operator.scene.namespace}
    for name, labels in (("kept", {}), ("taken-over", MANAGED), ("labelled", generated)):
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        (folder / "secret.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}))
        done = operator.run("kubectl", "apply", "-f", "secret.json")  # client-side: with last-applied-configuration
        assert done.returncode == 0, done.stderr
    return {each["metadata"]["name"]: each for each in admin.list("Secret", namespace)}


def test_each_stale_object_goes_and_everything_else_stays(operator: Operator) -> None:
    scene = operator.scene
    other = f"{scene.namespace}-other"
    scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    by_pattern = build_mapping("chosen", [{"names": [f"{scene.namespace}*"]}])
    operator.generate(build_mapping("kept", [scene.namespace]), prefix=f"{scene.namespace}-x")
    operator.apply()
    of_others = operator.generated(f"{scene.namespace}-x")
    operator.generate(by_pattern, build_mapping("kept", [scene.namespace, other]), build_mapping("gone", [other]))
    operator.apply()
    first, secrets = operator.generated(), {name: make_secrets(operator, name) for name in (scene.namespace, other)}

    named = build_mapping("chosen", [scene.namespace], restart="none")
    operator.generate(named, build_mapping("kept", [scene.namespace], restart="none"))
    operator.apply()
    both = operator.generated()
    dry = operator.remove("--dry-run")
    assert operator.generated() == both
    done = operator.remove()

    left = operator.generated()
    stale = first - left
    assert {(kind, place) for kind, place, _ in left} == {
        ("ClusterRole", ""),
        ("ClusterRoleBinding", ""),
        ("Role", scene.namespace),
        ("RoleBinding", scene.namespace),
        ("ValidatingAdmissionPolicy", ""),
        ("ValidatingAdmissionPolicyBinding", ""),
    }
    assert {name for _, _, name in left if name.endswith("gone")} == set()
    assert {kind for kind, _, _ in stale} == set(KINDS), "the test removes some of each kind"
    assert both - stale == left
    assert len(done) == len(dry) == len(stale)
    assert all("dry run" in line for line in dry)
    assert "binding" in done[0], "what allows goes before what limits"
    assert "policy" in done[-1]
    assert operator.generated(f"{scene.namespace}-x") == of_others
    for name, before in secrets.items():
        assert {each["metadata"]["name"]: each for each in scene.admin.list("Secret", name)} == before
    assert operator.remove() == []


def test_a_stack_that_has_left_a_cluster_leaves_nothing_behind(operator: Operator) -> None:
    operator.generate(build_mapping("gone", [operator.scene.namespace]))
    operator.apply()
    operator.generate(prefix=f"{operator.scene.namespace}-new")
    assert operator.remove() == []
    assert len(operator.remove_all()) == 10
    assert operator.generated() == set()


def test_a_cluster_without_mappings_keeps_what_limits_and_no_right(operator: Operator) -> None:
    operator.generate(build_mapping("gone", [operator.scene.namespace]))
    operator.apply()
    operator.generate()
    operator.apply()  # kubectl refuses a file without objects
    assert len(operator.remove()) == 8
    assert {kind for kind, _, _ in operator.generated()} == {
        "ValidatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
    }
    assert len(operator.remove_all()) == 2
    assert operator.generated() == set()


@pytest.mark.parametrize("argv", [["--all"], ["--wrong", CLUSTER], [CLUSTER, "other"], ["--dry-run", ""]])
def test_a_wrong_call_removes_nothing_and_says_how_to_call_it(operator: Operator, argv: list[str]) -> None:
    operator.generate(build_mapping("kept", [operator.scene.namespace]))
    done = operator.run("sh", SCRIPT, *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: sh remove-stale.sh [--dry-run] [CONTEXT]\n"


def test_without_a_way_to_the_cluster_or_its_file_nothing_is_removed(operator: Operator) -> None:
    operator.generate(build_mapping("kept", [operator.scene.namespace]))
    operator.apply()
    before = operator.generated()
    assert "prod-uk" in operator.run("sh", SCRIPT, "prod-uk").stderr
    (operator.folder / f"clusters/{CLUSTER}/rbac.yaml").unlink()
    done = operator.run("sh", SCRIPT)
    assert (done.returncode, done.stdout) == (1, "")
    assert operator.generated() == before


def test_kubectl_takes_the_folder_of_a_cluster_as_it_is(operator: Operator) -> None:
    operator.generate(build_mapping("kept", [operator.scene.namespace]))
    done = operator.run("kubectl", "--context", CLUSTER, "apply", "--server-side", "-f", f"clusters/{CLUSTER}/")
    assert done.returncode == 0, done.stderr
    assert len(operator.generated()) == len(done.stdout.splitlines()) == 10


def test_flux_builds_the_folder_of_a_cluster_as_it_is(operator: Operator) -> None:
    """It names the YAML files of the folder in a kustomization.yaml (fluxcd/pkg, kustomize), and builds that."""
    operator.generate(build_mapping("kept", [operator.scene.namespace]))
    folder = operator.folder / "clusters" / CLUSTER
    listed = [path.name for path in folder.iterdir() if path.suffix in (".yaml", ".yml")]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": listed}))
    done = operator.run("kubectl", "kustomize", str(folder))
    assert done.returncode == 0, done.stderr
    built, generated = (
        {identify(each) for each in yaml.safe_load_all(text)}
        for text in (done.stdout, (folder / "rbac.yaml").read_text())
    )
    assert built == generated
