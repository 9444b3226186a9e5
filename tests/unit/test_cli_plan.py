"""`keyferry plan` and `keyferry push --plan`, from the command line to the clusters, with a stack that remembers."""

import importlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.check import files
from keyferry.cli.generated import render_files
from keyferry.cli.plan.document import Plan
from keyferry.errors import AccessDenied
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from tests.unit.clusters import SOURCE, WHERE, World
from tests.unit.planning import FakeRuntime, FakeStack, write_folder
from tests.unit.samples import mapping, uses, workload

ONE: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": ["payments"]}
URL = {"url": {"template": "{{ db.username }}"}}
MORE = mapping(data={"username": {"from": "db", "path": "username"}} | URL, **ONE)


@dataclass
class Scene:
    """A folder beside a stack that is deployed with it."""

    world: World
    stack: FakeStack
    runtime: FakeRuntime
    place: Path

    @property
    def folder(self) -> Path:
        """The folder of the mappings."""
        return self.place / "mappings"

    @property
    def file(self) -> Path:
        """Where plans are kept."""
        return self.place / "plan.json"

    def run(self, *args: str) -> Result:
        """Run a command; nothing that it writes may have a value."""
        result = CliRunner().invoke(main, ["--mappings", str(self.folder), *args])
        assert "canary" not in result.output
        assert "Traceback" not in result.output
        return result

    def change(self, *mappings: SecretMapping) -> None:
        """Change the folder, and generate anew."""
        write_folder(self.folder, *mappings)
        for name, text in render_files(files.load(self.folder)).items():
            path = self.place / "generated" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def deploy(self) -> None:
        """Deploy the folder; its sweep has not begun."""
        self.world.catalog = files.load(self.folder)

    def plan(self, *args: str) -> Plan:
        """Plan, and return what is in the file."""
        result = self.run("plan", "-o", str(self.file), *args)
        assert result.exit_code == 0, result.output
        return Plan.model_validate_json(self.file.read_text())

    def push(self, *args: str) -> Result:
        """Carry out the plan."""
        return self.run("push", "--plan", str(self.file), "--yes", *args)

    def put(self, number: int) -> None:
        """Give the source a new version."""
        self.world.sources.put(SOURCE, f'{{"username": "me", "password": "canary-{number}"}}')


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-key")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    world = World(mapping(**ONE))
    scene = Scene(world, FakeStack(world), FakeRuntime(world), tmp_path)
    for name, opening in (("push", "find_stack"), ("plan", "open_stack")):
        command = importlib.import_module(main.name_module(name))
        monkeypatch.setattr(command, opening, lambda *_: scene.stack)
        monkeypatch.setattr(command, "Runtime", scene.runtime)
    scene.change(mapping(**ONE))
    scene.deploy()
    return scene


def test_a_plan_of_nothing_says_so_in_one_line(scene: Scene) -> None:
    result = scene.run("plan")
    assert (result.exit_code, result.stdout) == (
        0,
        "no changes: 1 target stays as it is; the mappings are deployed\n",
    )


def test_the_exit_code_tells_changes_only_where_it_is_asked_for(scene: Scene) -> None:
    assert [scene.run("plan", *args).exit_code for args in ((), ("--detailed-exitcode",))] == [0, 0]
    scene.put(2)
    assert [scene.run("plan", *args).exit_code for args in ((), ("--detailed-exitcode",))] == [0, 2]
    scene.stack.refusal = AccessDenied("AWS refuses lambda:InvokeFunction")
    assert [scene.run("plan", *args).exit_code for args in ((), ("--detailed-exitcode",))] == [1, 1]


def fail(scene: Scene) -> None:
    """Let the last delivery have failed."""
    known = {"mapping": "payments-db", "cluster": "prod-eu", "message": "retry later", "error": "Forbidden: patch"}
    scene.stack.lines = [known | {"timestamp": "2126-11-24T15:00:00+00:00"}]


def test_where_the_last_delivery_failed_the_reason_of_a_target_has_the_error(scene: Scene) -> None:
    scene.put(2)
    fail(scene)
    assert [(each.state, each.will, each.why) for each in scene.plan().targets] == [
        (
            "stale",
            "update",
            "a source has another version; the last delivery failed at 2126-11-24 15:00 UTC: Forbidden: patch",
        )
    ]
    scene.change(MORE)
    assert [each.why for each in scene.plan().targets] == [
        "the mapping has changed; the last delivery failed at 2126-11-24 15:00 UTC: Forbidden: patch"
    ]


def test_what_is_planned_for_a_secret_of_another_mapping_has_no_error_of_that(scene: Scene) -> None:
    scene.put(2)
    fail(scene)
    scene.change(mapping("another", policies={"conflict": "takeOver"}, **ONE))
    assert [each.why for each in scene.plan().targets] == ["the mapping takes it over"]


def test_who_may_not_read_the_logs_is_told_and_has_the_plan(scene: Scene) -> None:
    scene.put(2)
    scene.stack.lines = AccessDenied("AWS refuses logs:FilterLogEvents")
    result = scene.run("plan")
    assert result.exit_code == 0
    assert "warning: which deliveries failed is not known: AWS refuses logs:FilterLogEvents" in result.stderr
    assert "a source has another version" in result.stdout


def test_errors_that_may_be_missing_are_told_as_that(scene: Scene) -> None:
    scene.put(2)
    fail(scene)
    scene.stack.is_whole = False
    result = scene.run("plan")
    assert "warning: the log of deliver is longer than was read: the last errors may be missing\n" in result.stderr
    assert "the last delivery failed" in result.stdout


def test_a_plan_reads_no_value_and_starts_nothing(scene: Scene) -> None:
    scene.change(MORE)
    scene.run("plan")
    assert scene.stack.asked == ["mappings", "status"]
    assert {what.split()[0] for what in scene.world.calls.recorded} == {"metadata"}
    assert (scene.runtime.delivered, scene.world.queue.sent) == ([], [])


def test_the_tables_tell_what_changes_and_the_totals_end_them(scene: Scene) -> None:
    scene.change(MORE)
    lines = [re.sub(r"  +", "  ", line) for line in scene.run("plan").stdout.splitlines()]
    assert lines == [
        "Mappings",
        "change  mapping  what  content  keys",
        "changed  payments-db  spec.secret.data.password, spec.secret.data.url  changes  +url, -password",
        "",
        "Targets",
        "change  cluster  namespace  secret  will  content  why",
        "written  prod-eu  payments  payments-db  update  changes  the mapping has changed",
        "",
        "1 mapping: 1 changed; 1 target: 1 written; 0 unchanged",
    ]


def test_the_json_is_what_the_file_has_but_for_the_time(scene: Scene) -> None:
    scene.change(MORE)
    kept = json.loads(scene.plan().model_dump_json(by_alias=True))
    told = json.loads(scene.run("plan", "--output", "json").stdout)
    assert told | {"created": ""} == kept | {"created": ""}
    assert (told["format"], told["mappings"][0]["keysGained"]) == (1, ["url"])


def test_the_file_is_for_its_owner_alone_even_where_one_was_there(scene: Scene) -> None:
    scene.file.write_text("old")
    scene.file.chmod(0o644)
    scene.plan()
    assert scene.file.stat().st_mode & 0o777 == 0o600
    assert list(scene.place.glob(".plan*")) == []


def test_a_file_that_cannot_be_written_is_told(scene: Scene) -> None:
    result = scene.run("plan", "-o", str(scene.place / "missing" / "plan.json"))
    assert (result.exit_code, "cannot be written: No such file or directory" in result.stderr) == (1, True)


def test_what_is_no_regular_file_is_not_replaced(scene: Scene) -> None:
    pipe, link = scene.place / "pipe", scene.place / "link"
    os.mkfifo(pipe)
    link.symlink_to(scene.folder / "clusters.yaml")
    for path in (pipe, link):
        result = scene.run("plan", "-o", str(path))
        assert (result.exit_code, "cannot be written: no regular file" in result.stderr) == (1, True)
    assert (pipe.is_fifo(), link.is_symlink()) == (True, True)


def test_generated_files_that_are_behind_are_changes_too(scene: Scene) -> None:
    path = scene.place / "generated/clusters/prod-eu/rbac.yaml"
    path.write_text("# old\n")
    assert scene.plan().generated == ["clusters/prod-eu/rbac.yaml"]
    assert scene.run("plan", "--detailed-exitcode").exit_code == 2
    result = scene.run("plan")
    assert "1 generated file to renew" in result.stdout
    assert f"  keyferry --mappings {scene.folder} generate\n" in result.stderr


def test_a_file_of_names_that_is_deployed_is_no_difference(scene: Scene) -> None:
    (scene.folder / "stack.yaml").write_text("apiVersion: keyferry.dev/v1\nkind: Stack\nprefix: keyferry\n")
    text = files.load(scene.folder).model_dump_json(by_alias=True, exclude_defaults=True)
    scene.world.catalog = Catalog.model_validate_json(text)
    assert (scene.plan().notes, scene.run("plan", "--detailed-exitcode").exit_code) == ([], 0)


def test_the_commands_of_what_is_left_behind_name_the_folder_and_the_stack_that_were_named(scene: Scene) -> None:
    scene.change()
    plain, named = f"keyferry --mappings {scene.folder} orphans --cluster prod-eu", ("--stack", "my stack")
    assert {each.command for each in scene.plan().leftovers} == {plain}
    assert {each.command for each in scene.plan(*named).leftovers} == {f"{plain} --stack 'my stack'"}
    assert f"  {plain} --stack 'my stack'\n" in scene.run("plan", *named).stderr


def test_another_release_is_warned_of(scene: Scene) -> None:
    scene.stack.release = "0.0.9"
    assert "the stack runs release 0.0.9, and this is" in scene.run("plan").stderr


# With values


def test_with_values_it_is_certain_what_changes_and_what_restarts(scene: Scene) -> None:
    scene.put(2)
    [target] = scene.plan("--values").targets
    assert (target.will, target.content, target.keys) == ("update", "changes", ["password"])
    assert target.expected
    assert target.expected.workloads == ["Deployment/api"]
    assert "keys password; restarts Deployment/api" in scene.run("plan", "--values").stdout


def test_with_values_a_new_version_of_the_same_content_changes_nothing_in_it(scene: Scene) -> None:
    scene.put(1)
    assert [each.content for each in scene.plan().targets] == ["may change"]
    assert [(each.will, each.content) for each in scene.plan("--values").targets] == [("annotate", "stays")]


def test_with_values_what_would_fail_is_told_and_not_carried_out(scene: Scene) -> None:
    scene.change(mapping(data={"user": {"from": "db", "path": "nothing"}}, **ONE))
    plan = scene.plan("--values")
    [target] = plan.targets
    assert (target.will, target.error.partition(":")[0]) == ("fail", "SourceUnusable")
    assert list(plan.deliveries) == []


def test_with_values_a_cluster_that_fails_keeps_what_is_known(scene: Scene) -> None:
    scene.put(2)

    def refuse(*_: object) -> None:
        raise AccessDenied("AWS refuses sts:AssumeRole")

    scene.runtime.prepare = refuse  # type: ignore[method-assign,assignment]
    plan = scene.plan("--values")
    assert [each.content for each in plan.targets] == ["may change"]
    assert "payments-db to prod-eu: AccessDenied: AWS refuses sts:AssumeRole" in plan.notes


def test_with_values_what_is_lost_stays_in_the_plan(scene: Scene) -> None:
    scene.change()
    assert [each.change for each in scene.plan("--values").targets] == ["lost"]


# Carrying it out


@pytest.mark.parametrize("values", [(), ("--values",)])
def test_what_is_planned_is_done_and_then_there_is_nothing_left(scene: Scene, values: tuple[str, ...]) -> None:
    scene.change(MORE)
    scene.plan(*values)
    scene.deploy()
    result = scene.push()
    assert result.exit_code == 0, result.output
    assert scene.world.clusters["prod-eu"].data(*WHERE).keys() == {"username", "url"}
    assert scene.run("plan", "--detailed-exitcode").exit_code == 0
    [again] = json.loads(scene.push("--output", "json").stdout)["deliveries"]
    assert [each["did"] for each in again["namespaces"]] == ["unchanged"]


def test_only_the_targets_of_the_plan_are_delivered(scene: Scene) -> None:
    other = mapping("shop-db", name="shop-db", clusters=["prod-us"], namespaces=["shop"])
    scene.change(mapping(**ONE), other)
    scene.deploy()
    scene.put(2)
    [*_, removed] = plan = scene.plan().targets
    scene.file.write_text(scene.file.read_text())
    kept = json.loads(scene.file.read_text())
    kept["targets"] = [each for each in kept["targets"] if each["mapping"] != removed.mapping]
    scene.file.write_text(json.dumps(kept))
    assert len(plan) == 2
    scene.push()
    assert scene.runtime.delivered == ["payments-db/prod-eu"]


def test_a_plan_of_nothing_delivers_nothing(scene: Scene) -> None:
    scene.plan()
    result = scene.push()
    assert (result.exit_code, result.stdout, scene.runtime.delivered) == (0, "nothing to do\n", [])


def edit(scene: Scene) -> None:
    scene.world.clusters["prod-eu"].edit(*WHERE, labels={"theirs": "x"})


def create_anew(scene: Scene) -> None:
    scene.world.clusters["prod-eu"].delete(*WHERE)
    scene.world.clusters["prod-eu"].create(*WHERE, {"theirs": "x"})


def delete(scene: Scene) -> None:
    scene.world.clusters["prod-eu"].delete(*WHERE)


def new_version(scene: Scene) -> None:
    scene.put(3)


def new_workload(scene: Scene) -> None:
    scene.world.clusters["prod-eu"].run("payments", "Deployment", workload("worker", uses()))


def change_folder(scene: Scene) -> None:
    scene.change(MORE)


def change_another_file(scene: Scene) -> None:
    scene.change(mapping(**ONE), mapping("shop-db", name="shop-db", clusters=["prod-us"], namespaces=["shop"]))


def deploy_others(scene: Scene) -> None:
    before = mapping(**ONE)
    scene.change(MORE)
    scene.deploy()
    scene.change(before)


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (edit, "Secret payments-db was written since the plan (resourceVersion"),
        (create_anew, "Secret payments-db was deleted and created again since the plan"),
        (delete, "Secret payments-db was there in the plan, and is gone"),
        (new_version, "source db has version version-3 now, and had version-2 in the plan"),
        (new_workload, "the workloads to restart are others than in the plan: Deployment/worker is new"),
        (change_folder, "is not as it was planned: mapping payments-db has changed"),
        (change_another_file, "is not as it was planned: another mapping, a cluster, stack.yaml or the policy has"),
        (deploy_others, "other mappings were deployed on stack keyferry since the plan"),
    ],
)
def test_what_has_moved_in_between_is_refused_by_its_name(
    scene: Scene, move: Callable[[Scene], None], why: str
) -> None:
    scene.put(2)
    scene.plan("--values")
    move(scene)
    before = scene.world.clusters["prod-eu"].versions()
    result = scene.push()
    assert (result.exit_code, why in result.output, "plan again" in result.output) == (1, True, True), result.output
    assert scene.world.clusters["prod-eu"].versions() == before


@pytest.mark.parametrize(
    ("move", "code", "why"),
    [
        (lambda _: None, 0, "1 target: 1 update"),
        (edit, 1, "Moved: Secret payments-db was written since the plan"),
        (new_version, 1, "Moved: source db has version version-3 now"),
        (new_workload, 1, "Moved: the workloads to restart are others"),
    ],
)
def test_a_plan_can_be_tried_without_an_effect(
    scene: Scene, move: Callable[[Scene], None], code: int, why: str
) -> None:
    scene.put(2)
    scene.plan("--values")
    move(scene)
    before = scene.world.clusters["prod-eu"].versions()
    result = scene.push("--dry-run")
    assert (result.exit_code, why in result.output) == (code, True), result.output
    assert (scene.world.clusters["prod-eu"].versions(), scene.runtime.delivered) == (before, [])


def test_what_a_plan_deletes_is_left_to_the_stack_and_said(scene: Scene) -> None:
    scene.put(2)
    scene.plan("--values")
    kept = json.loads(scene.file.read_text())
    kept["targets"][0] |= {"will": "delete", "expected": None}
    scene.file.write_text(json.dumps(kept))
    result = scene.push()
    said = "not deleted from here, but by the stack, with its next sweep: prod-eu/payments/payments-db"
    assert (said in result.stderr, scene.runtime.delivered) == (True, [])


def test_a_namespace_that_a_mapping_no_longer_goes_to_is_refused(scene: Scene) -> None:
    labelled: dict[str, Any] = {"clusters": ["prod-eu"], "namespaces": {"matchLabels": {"team": "shop"}}}
    scene.world.clusters["prod-eu"].namespaces["shop"] = {"team": "shop"}
    scene.change(mapping(**labelled))
    scene.deploy()
    assert [each.namespace for each in scene.plan().targets] == ["shop"]
    scene.world.clusters["prod-eu"].namespaces["shop"] = {}
    result = scene.push()
    assert result.exit_code == 1
    assert "payments-db: Moved: mapping payments-db no longer goes to it" in result.stdout
    [told] = json.loads(scene.push("--output", "json").stdout)["deliveries"]
    assert told["namespaces"][0]["at"].startswith(f"{scene.folder}/payments-db.yaml:")


def test_before_its_mappings_are_deployed_a_plan_is_refused_with_what_to_do(scene: Scene) -> None:
    scene.change(MORE)
    scene.plan()
    result = scene.push()
    assert (result.exit_code, scene.runtime.delivered) == (1, [])
    assert "is not deployed with the mappings of the plan" in result.stderr
    assert f"deploy them first (`keyferry --mappings {scene.folder} build`, `sam deploy`)" in result.stderr


def test_who_may_not_ask_the_stack_goes_by_the_secrets_where_the_folder_was_deployed(scene: Scene) -> None:
    scene.put(2)
    scene.plan()
    scene.stack.refusal = AccessDenied("AWS refuses lambda:InvokeFunction")
    result = scene.push()
    assert (result.exit_code, "not checked whether other mappings were deployed" in result.stderr) == (0, True)
    scene.change(MORE)
    scene.stack.refusal = None
    scene.plan()
    scene.stack.refusal = AccessDenied("AWS refuses lambda:InvokeFunction")
    assert scene.push().exit_code == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "not a plan; `keyferry plan -o FILE` writes one"),
        ("[]", "not a plan"),
        ('{"format": 2}', "a plan of format 2, and this release takes 1"),
        ('{"format": 1, "canary": 1}', "a plan that somebody has changed, or of another release: canary, created"),
        ("\udcff", "cannot be read: not UTF-8"),
    ],
)
def test_a_file_that_is_no_plan_is_told_in_words(scene: Scene, text: str | None, why: str) -> None:
    if text is not None:
        scene.file.write_bytes(text.encode(errors="surrogateescape"))
    result = CliRunner().invoke(main, ["--mappings", str(scene.folder), "push", "--plan", str(scene.file), "--yes"])
    assert (result.exit_code, why in result.stderr) == (1, True), result.stderr


@pytest.mark.parametrize(
    "args", [["payments-db"], ["--cluster", "prod-eu"], ["--namespace", "payments"], ["--stack", "x"]]
)
def test_a_plan_says_by_itself_what_to_deliver(scene: Scene, args: list[str]) -> None:
    scene.plan()
    result = scene.push(*args)
    assert (result.exit_code, "--plan says what to deliver" in result.stderr) == (2, True)


def test_without_a_terminal_it_has_to_be_told_to_go_ahead(scene: Scene) -> None:
    scene.plan()
    result = scene.run("push", "--plan", str(scene.file))
    assert (result.exit_code, "there is no terminal to ask on" in result.stderr) == (2, True)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130)])
def test_it_asks_once_with_the_number_of_secrets(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(importlib.import_module("keyferry.cli.commands.steer.push"), "check_can_ask", lambda *_: None)
    scene.put(2)
    scene.plan()
    result = CliRunner().invoke(main, ["--mappings", str(scene.folder), "push", "--plan", str(scene.file)], answer)
    assert (result.exit_code, "Write 1 Secret of " in result.stderr) == (code, True), result.output
    assert re.search(r", planned \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\?", result.stderr)
    assert len(scene.runtime.delivered) == (code == 0)
