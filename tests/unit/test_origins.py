"""Errors of deliveries know file and line of what they are about, and moving lines changes nothing else."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.build.project import dump_catalog
from keyferry.cli.check import files
from keyferry.delivery.desired import compute_revision
from keyferry.delivery.report import Outcome, Report
from keyferry.errors import (
    CLUSTER,
    AccessDenied,
    ClusterUnreachable,
    Forbidden,
    KeyferryError,
    Misconfigured,
    NamespaceGone,
    NotSignedIn,
    SourceUnusable,
    Unauthorized,
    WrongCluster,
    in_part,
)
from keyferry.mapping.catalog import Catalog
from keyferry.model import Place, SecretValue, SourceValue
from keyferry.pipeline.settle import summarize
from keyferry.render.render import render
from keyferry.runtime.compiled import COMPILED_FILE, load_catalog
from keyferry.testing import Calls
from tests.unit.samples import delivery
from tests.unit.test_files import CLUSTERS
from tests.unit.world import World

HEAD = """\
# Of the payments team
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata: {name: payments-db}
spec:
  sources:
    db:
      secretsManager: prod/payments/db
    tls: {parameterStore: /prod/tls}
  clusters: [prod-eu]
  namespaces:
    - payments
    - shop
  restart:
    - {kind: Deployment, name: api}
    - {kind: Deployment, name: web}
  secret:
    name: payments-db
"""
"""Of 18 lines."""


def load(folder: Path, secret: str, head: str = HEAD) -> Catalog:
    """Load a mapping whose `secret` goes on with these lines, the first of which is line 19."""
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "team").mkdir(exist_ok=True)
    (folder / "team/db.yaml").write_text(head + secret)
    return files.load(folder)


def error_in(part: str, error: KeyferryError | None = None) -> KeyferryError:
    """Return an error of a part of the mapping."""
    failure = error or Forbidden("grant it")
    failure.part = part
    return failure


def place_of(catalog: Catalog, error: KeyferryError) -> str:
    """Return file and line of an error, without the folder."""
    return catalog.locate("payments-db", "prod-eu", error).removeprefix(f"{catalog.folder}/")


DATA = "    data:\n      password: {from: db, path: password}\n      tls.crt:\n        from: tls\n"


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("", 4),
        ("sources.db", 7),
        ("sources.tls", 9),
        ("namespaces", 11),
        ("namespaces.0", 12),
        ("namespaces.1", 13),
        ("restart", 14),
        ("restart.1", 16),
        ("secret.name", 18),
        ("secret.data.password", 20),
        ("secret.data.tls.crt", 21),
        ("secret.type", 17),  # not given: where the Secret begins
        ("secret.data.tls.key", 17),
    ],
)
def test_each_part_has_its_line_or_that_of_what_is_around_it(tmp_path: Path, part: str, line: int) -> None:
    assert place_of(load(tmp_path, DATA), error_in(part)) == f"team/db.yaml:{line}"


@pytest.mark.parametrize("error", [WrongCluster("another"), Unauthorized("prod-eu", "x"), ClusterUnreachable("silent")])
def test_what_is_wrong_with_a_cluster_is_in_clusters_yaml(tmp_path: Path, error: KeyferryError) -> None:
    catalog = load(tmp_path, DATA)
    assert place_of(catalog, error_in("secret.name", error)) == "clusters.yaml:4"
    assert place_of(catalog, error_in(CLUSTER, AccessDenied("the role"))) == "clusters.yaml:4"


@pytest.mark.parametrize("error", [NotSignedIn("expired"), Misconfigured("HTTPS_PROXY names a SOCKS proxy")])
@pytest.mark.parametrize("part", ["", CLUSTER, "secret.name", "sources.db"])
def test_what_is_wrong_with_the_environment_is_in_no_file(tmp_path: Path, part: str, error: KeyferryError) -> None:
    assert place_of(load(tmp_path, DATA), error_in(part, error)) == ""


def test_what_no_file_has_has_no_place(tmp_path: Path) -> None:
    catalog = load(tmp_path, DATA)
    assert catalog.locate("gone", "prod-eu", Forbidden("grant it")) == ""
    assert catalog.locate("payments-db", "gone", WrongCluster("another")) == ""
    assert Forbidden("grant it").locate("").at == ""


def value(text: str) -> SourceValue:
    return SourceValue(SecretValue(text.encode()), "version-1")


def render_error(catalog: Catalog, text: str) -> KeyferryError:
    """Return the error that a mapping's Secret cannot be made of a text."""
    values = {"db": value(text), "tls": value("canary-tls")}
    with pytest.raises(SourceUnusable) as raised:
        render(catalog.mappings["payments-db"], values, Place("prod-eu", "payments"))
    assert "canary" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("secret", "line"),
    [
        ("    data:\n      a: {from: tls}\n      b: {from: db, path: gone}\n", 21),
        ("    data:\n      a: {from: tls}\n      b:\n        from: db\n        path: gone\n", 21),
        ("    data: {a: {from: tls}, b: {from: db, path: gone}}\n", 19),
        ("    data:\n      a: {from: db, decode: base64}\n", 20),
        ('    data:\n      a: {template: "{{ db.gone }}"}\n', 20),
        ("    data:\n      a:\n        template: |\n          one\n          {{ db.gone }}\n", 23),
        ("    data:\n      a:\n        template: |- # why\n\n          one\n          {{ db.gone }}\n", 24),
        ("    data:\n      a:\n        template: >\n          one\n          two\n          {{ db.gone }}\n", 20),
        ('    data:\n      a:\n        template: "one\n          {{ db.gone }}"\n', 20),
        ("    data:\n      a: {value: x}\n    dataFrom:\n      - from: tls\n", 22),
        ("    dataFrom:\n      - {from: db}\n      - {from: db, path: gone}\n", 21),
        ("    tls:\n      certificate: {from: tls}\n      key: {from: db, path: gone}\n", 21),
        ("    tls:\n      key: {from: tls}\n      certificate: {from: tls}\n", 21),
        ("    tls: {from: tls}\n", 19),
        (
            "    registries:\n      - server: a.example\n        username: {from: tls}\n"
            "        password: {from: db, path: gone}\n",
            22,
        ),
        ('    labels:\n      a: {template: "{{ 1 / 0 }}"}\n    data:\n      b: {from: db}\n', 20),
        ('    labels:\n      a: {template: "no label"}\n    data:\n      b: {from: db}\n', 20),
        ('    annotations:\n      a: x\n      b: {template: "{{ 1 / 0 }}"}\n    data:\n      b: {from: db}\n', 21),
        ("    type: kubernetes.io/dockerconfigjson\n    data:\n      .dockerconfigjson: {from: tls}\n", 21),
        ("    type: kubernetes.io/ssh-auth\n    data:\n      ssh-privatekey: {value: ''}\n", 21),
        ("    type: kubernetes.io/tls\n    data:\n      tls.crt: {from: tls}\n      tls.key: {from: tls}\n", 21),
    ],
)
def test_what_cannot_be_made_of_the_values_is_told_at_its_line(tmp_path: Path, secret: str, line: int) -> None:
    catalog = load(tmp_path, secret)
    assert place_of(catalog, render_error(catalog, '{"a": "b"}')) == f"team/db.yaml:{line}"


def test_a_template_in_a_file_of_its_own_is_told_at_the_line_of_that(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team/app.j2").write_text("one\ntwo\n{{ db.gone }}\n")
    catalog = load(tmp_path, "    data:\n      a: {templateFile: app.j2}\n")
    assert place_of(catalog, render_error(catalog, '{"a": "b"}')) == "team/app.j2:3"
    assert place_of(catalog, error_in("secret.data.a")) == "team/db.yaml:20"


def test_a_binary_sign_in_is_told_at_its_line(tmp_path: Path) -> None:
    secret = "    registries:\n      - server: a\n        username: {from: db}\n        password: {from: tls}\n"
    catalog = load(tmp_path, secret)
    values = {"db": value("me"), "tls": SourceValue(SecretValue(b"\xff"), "1", binary=True)}
    with pytest.raises(SourceUnusable) as raised:
        render(catalog.mappings["payments-db"], values, Place("prod-eu", "payments"))
    assert place_of(catalog, raised.value) == "team/db.yaml:22"


# What lines do not change


def compiled(folder: Path, secret: str, head: str = HEAD) -> dict[str, Any]:
    """Return what is compiled of a folder `mappings` in this one."""
    mappings = folder / "mappings"
    mappings.mkdir(parents=True)
    text = dump_catalog(load(mappings, secret, head), mappings.name)
    (folder / "out").mkdir()
    (folder / "out" / COMPILED_FILE).write_text(text)
    whole: dict[str, Any] = json.loads(text)
    return whole


def test_the_same_files_compile_to_the_same_wherever_they_are_and_lines_move_alone(tmp_path: Path) -> None:
    one, other = compiled(tmp_path / "here", DATA), compiled(tmp_path / "there", DATA)
    assert one == other
    assert str(tmp_path) not in json.dumps(one)
    moved = compiled(tmp_path / "moved", DATA, f"# a comment\n{HEAD}")
    assert one.pop("origins") != moved.pop("origins")
    assert one == moved


def test_a_line_that_moves_changes_no_revision_and_the_functions_know_the_places(tmp_path: Path) -> None:
    compiled(tmp_path / "one", DATA)
    compiled(tmp_path / "two", DATA, f"# a comment\n{HEAD}")
    one, two = load_catalog(tmp_path / "one/out"), load_catalog(tmp_path / "two/out")
    assert len({compute_revision(catalog.mappings["payments-db"]) for catalog in (one, two)}) == 1
    lost = error_in("sources.db")
    places = [catalog.locate("payments-db", "prod-eu", lost) for catalog in (one, two)]
    assert places == ["mappings/team/db.yaml:7", "mappings/team/db.yaml:8"]


# Errors


def test_an_error_keeps_the_smallest_part_in_which_it_was_raised() -> None:
    with pytest.raises(Forbidden) as raised, in_part("secret"), in_part("secret.name"):
        raise Forbidden("grant it")
    assert raised.value.part == "secret.name"


def test_errors_keep_their_part_and_place_between_processes_and_are_not_changed_by_a_copy() -> None:
    error = error_in("sources.db", Unauthorized("prod-eu", "the role"))
    located = pickle.loads(pickle.dumps(error.locate("mappings/db.yaml:7")))  # noqa: S301  # our own
    assert (type(located), located.part, located.at, str(located)) == (
        Unauthorized,
        "sources.db",
        "mappings/db.yaml:7",
        str(error),
    )
    assert (error.at, str(error.extend("and more"))) == ("", f"{error}; and more")


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        ("read shop", Forbidden("grant it"), "secret.name"),
        ("apply shop", NamespaceGone("it is gone"), "namespaces.1"),
        ("list shop", Forbidden("grant it"), "restart"),
    ],
)
def test_an_error_of_the_cluster_knows_what_of_the_mapping_it_is_about(
    call: str, error: KeyferryError, part: str
) -> None:
    world = World("payments", "shop")

    def refuse(_number: int, what: str) -> None:
        if what.startswith(call):
            raise error

    [failure] = world.deliver(Calls(before=refuse)).errors
    assert failure.part == part


def test_log_lines_and_dead_letters_have_file_and_line() -> None:
    lost = error_in("sources.db")
    report = Report(delivery(), outcomes=(Outcome("a", "failed", error=lost), Outcome("b", "created")), error=lost)
    located = report.locate(lambda mapping, cluster, error: f"{mapping}-{cluster}-{error.part}:7")
    at = "payments-db-prod-eu-sources.db:7"
    assert located.log_fields()["at"] == at
    assert located.log_fields()["namespaces"][0]["at"] == at
    assert summarize(located.errors) == f"{at}: Forbidden: grant it"
    assert "at" not in report.log_fields()
