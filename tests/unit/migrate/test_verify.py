"""`keyferry migrate verify` names what differs between a Secret and what its mapping makes, and writes nothing."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli.migrate.commands.verify import verify_
from keyferry.cli.migrate.verify.show import build_answer
from keyferry.cli.migrate.verify.verify import Verified, verify
from keyferry.cli.options import Settings
from keyferry.errors import Forbidden, KeyferryError, SourceMissing
from keyferry.mapping.mapping import SecretMapping
from keyferry.testing import Calls, FakeCluster
from tests.unit.samples import SPEC, mapping
from tests.unit.test_cli_push import FakeRuntime
from tests.unit.test_files import CLUSTERS, MAPPING
from tests.unit.world import SOURCE, WHERE, World

CONTENT = {"username": "me", "password": "canary-1"}
OPERATOR = "externalsecrets.external-secrets.io/payments-db"
ORIGINAL: dict[str, Any] = {
    "labels": {
        "reconcile.external-secrets.io/managed": "true",
        "reconcile.external-secrets.io/created-by": "0a1b2c",
        "app.kubernetes.io/managed-by": "Helm",
        "kustomize.toolkit.fluxcd.io/name": "apps",
    },
    "annotations": {
        "reconcile.external-secrets.io/data-hash": "0a1b2c",
        "meta.helm.sh/release-name": "payments",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    },
}
"""What the operator has marked, and what it has copied from an ExternalSecret that Helm applied."""


def with_original(**more: Any) -> World:  # noqa: ANN401
    """Return a world where the operator has written the Secret; `more` is for its creation."""
    world = World()
    made: dict[str, Any] = {"data": CONTENT, "manager": OPERATOR, **ORIGINAL} | more
    world.cluster.create(*WHERE, made.pop("data"), **made)
    return world


def refuse_writes(_number: int, call: str) -> None:
    assert call.split(maxsplit=1)[0] not in ("apply", "patch", "delete"), call


def found(world: World, of: SecretMapping | None = None) -> Verified:
    """Return what the comparison shows of the one Secret, having made sure that nothing was written."""
    before = world.cluster.versions()
    [only] = verify(world.work(Calls(before=refuse_writes), of=of), lambda *_: "mappings/db.yaml:3")
    assert world.cluster.versions() == before
    assert "canary" not in repr(only)
    return only


def test_the_same_secret_is_equal_whatever_marks_its_original_and_its_tools_have_left() -> None:
    assert (found(with_original()).state, found(with_original()).differences) == ("equal", ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: with_original(data=CONTENT | {"password": "canary-2"}), "key password: another value"),
        (lambda: with_original(data={"username": "me"}), "key password: the Secret does not have it"),
        (lambda: with_original(data=CONTENT | {"more": "canary-3"}), "key more: the mapping does not make it"),
        (lambda: with_original(labels={"team": "shop"}), "label team: the mapping does not make it"),
        (
            lambda: with_original(labels={"argocd.argoproj.io/instance": "shop"}),
            "label argocd.argoproj.io/instance: the mapping does not make it",
        ),
        (lambda: with_original(annotations={"note": "x"}), "annotation note: the mapping does not make it"),
        (
            lambda: with_original(secret_type="kubernetes.io/basic-auth"),
            "type: kubernetes.io/basic-auth in the Secret, Opaque by the mapping",
        ),
        (World, "the Secret is missing"),
    ],
)
def test_each_difference_is_named(change: Callable[[], World], said: str) -> None:
    only = found(change())
    assert (only.state, only.differences) == ("differs", (said,))


def test_labels_of_the_mapping_are_compared_with_those_of_the_secret() -> None:
    asked = mapping(secret=SPEC["secret"] | {"labels": {"team": "pay", "tier": "one"}})
    only = found(with_original(labels={"team": "shop"}), asked)
    assert only.differences == ("label team: another value", "label tier: the Secret does not have it")


def test_a_secret_that_is_immutable_differs_from_a_mapping_that_does_not_say_so() -> None:
    world = with_original()
    world.cluster.make_immutable(*WHERE)
    assert found(world).differences == ("immutable: the Secret is, the mapping is not",)


def test_of_somebody_elses_secret_only_the_keys_of_the_mapping_count() -> None:
    world = with_original(data=CONTENT | {"theirs": "canary-3"}, labels={"team": "shop"})
    asked = mapping(policies={"creation": "merge"})
    assert found(world, asked).is_equal


def test_an_error_of_the_cluster_or_of_the_source_is_that_of_its_secret_with_file_and_line() -> None:
    world = with_original()

    def refuse(_number: int, call: str) -> None:
        if call.startswith("get secret") or call.startswith("read"):
            raise Forbidden("you may not read it")

    [only] = verify(world.work(Calls(before=refuse)), lambda *_: "mappings/db.yaml:3")
    assert only.error is not None
    assert (only.state, only.error.at, str(only.error)) == ("error", "mappings/db.yaml:3", "you may not read it")


# The command


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    made = FakeRuntime()
    monkeypatch.setattr(importlib.import_module("keyferry.cli.migrate.commands.verify"), "Runtime", made)
    for name, value in {
        "ACCESS_KEY_ID": "AKIAEXAMPLE",
        "SECRET_ACCESS_KEY": "canary-key",
        "REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return made


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "payments.yaml").write_text(MAPPING)
    return tmp_path


def run(mappings: Path, *args: str) -> Result:
    result = CliRunner().invoke(verify_, list(args), obj=Settings(mappings))
    assert "canary" not in result.output
    return result


def write(cluster: FakeCluster, held: str = "canary-1") -> None:
    cluster.create(*WHERE, {"password": held}, manager=OPERATOR, **ORIGINAL)


def test_all_equal_is_said_with_their_number_and_exits_with_0(mappings: Path, runtime: FakeRuntime) -> None:
    write(runtime.clusters["prod-eu"])
    result = run(mappings)
    assert (result.exit_code, result.stdout) == (0, "1 target: 1 equal\n")
    assert not runtime.calls.writes


def test_what_differs_is_in_the_table_and_named_below_it_and_exits_with_1(mappings: Path, runtime: FakeRuntime) -> None:
    write(runtime.clusters["prod-eu"], held="canary-2")
    result = run(mappings)
    assert result.exit_code == 1
    assert "differs  prod-eu  payments   payments-db" in result.stdout
    assert "prod-eu/payments/payments-db: key password: another value" in result.stdout


def test_the_json_has_a_row_for_each_secret() -> None:
    only = found(with_original(data=CONTENT | {"password": "canary-2"}))
    place = {"mapping": "payments-db", "cluster": "prod-eu", "namespace": "payments", "secret": "payments-db"}
    assert build_answer([only]) == {
        "targets": [{**place, "state": "differs", "differences": ["key password: another value"]}]
    }


def test_a_cluster_that_cannot_be_reached_is_an_error_of_the_mapping(mappings: Path, runtime: FakeRuntime) -> None:
    runtime.failure = lambda _delivery: KeyferryError("no way there")
    result = run(mappings)
    assert result.exit_code == 1
    assert "no way there" in result.stdout


def test_a_source_that_is_missing_is_told_once_for_all_namespaces(mappings: Path, runtime: FakeRuntime) -> None:
    write(runtime.clusters["prod-eu"])
    runtime.sources.errors[SOURCE] = SourceMissing("it is not there")
    result = run(mappings)
    assert result.exit_code == 1
    assert result.stdout.count("SourceMissing: it is not there") == 1
