"""`keyferry plan` and `push --plan` against a stack at work: the function `report`, real clusters, IAM enforced.

The stack is one of the test's own: the function `report` of the installed stack, with mappings that a test deploys.
"""

import io
import json
import os
import re
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.access.people import build_template
from keyferry.cli.build.project import dump_catalog
from keyferry.cli.check import files
from keyferry.mapping.catalog import Catalog
from keyferry.runtime.compiled import COMPILED_FILE
from keyferry_local.cloud import ACCOUNT
from keyferry_local.direct import TRUST, Direct, statements
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import calls, until
from keyferry_local.world import deployment, env_from
from tests.integration.deployed import Deployed, now
from tests.integration.recorder import recording
from tests.integration.scene import CLUSTER, Scene
from tests.integration.terminal import ROOT, run_keyferry
from tests.integration.test_cli import head_of

PASSWORD, USERNAME = ({"from": "db", "path": path} for path in ("password", "username"))


@dataclass(frozen=True)
class Bench:
    """A stack with one mapping, and a folder beside it."""

    scene: Scene
    pusher: Direct
    """Who delivers from a terminal: with the rights of the mapping, and those to look."""
    function: str
    place: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def file(self) -> Path:
        """Where plans are kept."""
        return self.place / "plan.json"

    def write(self, **secret: Any) -> Catalog:  # noqa: ANN401 - YAML
        """Write the folder, with these fields of the Secret, and generate what it needs."""
        data = {"password": PASSWORD} | secret.pop("data", {})
        catalog = self.scene.catalog([self.scene.mapping(secret={"name": "db", "data": data, **secret})])
        folder = self.place / "mappings"
        folder.mkdir(exist_ok=True)
        clusters = [each.model_dump(by_alias=True, exclude_defaults=True) for each in catalog.clusters.values()]
        stack = catalog.stack.model_dump(by_alias=True, mode="json")
        mappings = [each.model_dump(by_alias=True, exclude_defaults=True) for each in catalog.mappings.values()]
        (folder / "clusters.yaml").write_text(yaml.safe_dump(head_of("Clusters") | {"clusters": clusters}))
        (folder / "stack.yaml").write_text(yaml.safe_dump(head_of("Stack") | stack))
        (folder / "mappings.yaml").write_text(yaml.safe_dump_all(mappings))
        self.run("generate")
        return catalog

    def deploy(self) -> None:
        """Deploy the folder: the function begins anew with it."""
        folder, compiled = self.place / "mappings", self.place / "compiled" / COMPILED_FILE
        compiled.parent.mkdir(exist_ok=True)
        compiled.write_text(dump_catalog(files.load(folder), folder.name))
        client = self.scene.cloud.aws.client("lambda")
        settings = _list_settings(self.place) | {"DEPLOYED": uuid.uuid4().hex}
        client.update_function_configuration(FunctionName=self.function, Environment={"Variables": settings})
        until("the function is updated", lambda: _is_updated(client, self.function))

    def run(self, *args: str, code: int = 0, environment: Mapping[str, str] | None = None) -> str:
        """Run a command, in an environment that differs in some variables, and return what it prints."""
        log, whole = self.scene.cloud.directory / "commands.log", {**self.environment, **(environment or {})}
        done = run_keyferry(["--mappings", str(self.place / "mappings"), *args], whole, log)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def plan(self, *args: str, code: int = 0) -> dict[str, Any]:
        """Plan, and return what is in the file."""
        self.run("plan", "--stack", self.function, "--detailed-exitcode", "-o", str(self.file), *args, code=code)
        return dict(json.loads(self.file.read_text()))

    def push(self, code: int = 0) -> str:
        """Carry out the plan, and return what is said."""
        return self.run("push", "--plan", str(self.file), "--yes", code=code)


def _list_settings(place: Path) -> dict[str, str]:
    return {"KEYFERRY_MAPPINGS": str(place / "compiled")}


def _is_updated(client: Any, function: str) -> bool:  # noqa: ANN401 - one of boto3's generated classes
    known = client.get_function_configuration(FunctionName=function)
    return bool(known.get("LastUpdateStatus", "Successful") == "Successful" and known["State"] == "Active")


def _fill(text: Any, stack: str) -> Any:  # noqa: ANN401 - JSON
    """Return a part of a policy of people for a stack, with its parameters filled in."""
    whole = json.dumps(text).replace("${AWS::Partition}", "aws").replace("${AWS::Region}", "eu-west-1")
    filled = re.sub(r'\{"Fn::Sub": ("[^"]*")\}', r"\1", whole)
    return json.loads(filled.replace("${AWS::AccountId}", ACCOUNT).replace("${Stack}", stack))


def list_look(stack: str) -> list[Mapping[str, Any]]:
    """Return the statements of the policy "look" of a stack."""
    return list(
        _fill(build_template(Catalog())["Resources"]["Look"]["Properties"]["PolicyDocument"]["Statement"], stack)
    )


@pytest.fixture
def bench(installed: Installation, own_scene: Scene, tmp_path: Path) -> Bench:
    """The stack, with its mapping deployed and delivered."""
    scene, name = own_scene, f"{own_scene.namespace}-report"
    scene.create({"username": "me", "password": "canary-plan-1"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    pusher = scene.grant()
    reader = Direct.grant(scene.cloud, pusher.catalog, rbac=False)
    reader.allow(statements(scene.cloud, pusher.catalog, "ReconcileRole"))
    pusher.allow([*statements(scene.cloud, pusher.catalog), *_look_at(name)])
    environment = pusher.environment(tmp_path / "compiled")
    made = Bench(scene, pusher, name, tmp_path, environment)
    _create_stack(installed, made, reader.role)
    made.write()
    made.deploy()
    made.run("push", "--yes")
    return made


def _look_at(name: str) -> list[Mapping[str, Any]]:
    """Return what lets somebody look at a stack: one whose function does not begin with the name of the stack."""
    return [dict(each) for each in json.loads(json.dumps(list_look(name)).replace(f"{name}-report", name))]


def _create_stack(installed: Installation, bench: Bench, role: str) -> None:
    """Create the function, and a stack with its name in the outputs."""
    aws = bench.scene.cloud.aws
    known = aws.client("lambda").get_function_configuration(FunctionName=installed.outputs["ReportFunction"])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.write(ROOT / "functions/report/app.py", "app.py")
    aws.client("lambda").create_function(
        FunctionName=bench.function,
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        **{key: known[key] for key in ("Runtime", "Handler", "Timeout", "MemorySize", "Architectures")},
        Layers=[each["Arn"] for each in known["Layers"]],
        Environment={"Variables": _list_settings(bench.place)},
    )
    outputs = {"ReportFunction": {"Value": bench.function}}
    resources = {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    template = json.dumps({"Resources": resources, "Outputs": outputs})
    client = aws.client("cloudformation")
    client.create_stack(StackName=bench.function, TemplateBody=template)

    def is_there() -> bool:
        [stack] = client.describe_stacks(StackName=bench.function)["Stacks"]
        return bool(stack["StackStatus"] == "CREATE_COMPLETE")

    until("the stack is there", is_there)


# From the change to nothing left to do


def test_a_change_is_planned_deployed_and_carried_out_and_then_nothing_is_left(bench: Bench) -> None:
    nothing = bench.plan()
    assert (nothing["targets"], nothing["mappings"], nothing["generated"]) == ([], [], [])
    assert "no changes: 1 target stays as it is" in bench.run("plan", "--stack", bench.function)

    bench.write(data={"username": USERNAME})
    planned = bench.plan(code=2)
    [change] = planned["mappings"]
    assert (change["keysGained"], change["content"]) == (["username"], "changes")
    [target] = planned["targets"]
    assert (target["namespace"], target["will"], target["expected"]["before"]) == (
        bench.scene.namespace,
        "update",
        "present",
    )
    assert "`sam deploy`), then push the same plan" in bench.push(code=1)
    assert bench.scene.data() == {"password": b"canary-plan-1"}

    bench.deploy()
    assert "1 written" in bench.run("plan", "--stack", bench.function)
    assert "updated" in bench.push()
    assert bench.scene.data() == {"password": b"canary-plan-1", "username": b"me"}
    with bench.scene.untouched("Secret", "db"), bench.scene.untouched("Deployment", "api"):
        assert "unchanged" in bench.push()
    assert bench.plan()["targets"] == []


def test_a_removed_mapping_loses_its_rights_and_leaves_its_secret_behind(bench: Bench) -> None:
    folder, namespace = bench.place / "mappings", bench.scene.namespace
    (folder / "mappings.yaml").unlink()
    plan = bench.plan(code=2)
    assert [(each["change"], each["namespace"]) for each in plan["targets"]] == [("lost", namespace)]
    lost = {each["may"] for each in plan["rights"] if each["change"] == "lost"}
    assert {f"read the secret {bench.scene.source}", "write secrets/db"} <= lost
    assert {each["kind"] for each in plan["leftovers"]} >= {"Secret", "Role", "RoleBinding", "access entry"}
    assert f"clusters/{CLUSTER}/rbac.yaml" in plan["generated"]
    assert "nothing to do" not in bench.push(code=1), "its mappings are not deployed"


# What moves in between


def new_version(bench: Bench) -> None:
    bench.scene.put({"username": "me", "password": "canary-plan-3"})


def edit(bench: Bench) -> None:
    path = f"/api/v1/namespaces/{bench.scene.namespace}/secrets/db"
    bench.scene.admin.send("PATCH", path, {"metadata": {"labels": {"theirs": "x"}}}, "application/merge-patch+json")


def delete(bench: Bench) -> None:
    bench.scene.admin.delete("Secret", "db", bench.scene.namespace)


def create_anew(bench: Bench) -> None:
    delete(bench)
    bench.scene.make("Secret", "db", stringData={"theirs": "x"})


def run_another(bench: Bench) -> None:
    bench.scene.admin.apply(deployment("worker", bench.scene.namespace, env_from("db")))


def change_folder(bench: Bench) -> None:
    bench.write(data={"username": USERNAME})


def deploy_others(bench: Bench) -> None:
    bench.write(data={"username": USERNAME})
    bench.deploy()
    bench.write()


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (new_version, r"source db has version \S+ now, and had \S+ in the plan"),
        (edit, r"Secret db was written since the plan \(resourceVersion \d+, and \d+ in the plan\)"),
        (delete, "Secret db was there in the plan, and is gone"),
        (create_anew, r"Secret db was deleted and created again since the plan \(uid \S+\)"),
        (run_another, "the workloads to restart are others than in the plan: Deployment/worker is new"),
        (change_folder, r"is not as it was planned: mapping \S+ has changed"),
        (deploy_others, "other mappings were deployed on stack .* since the plan"),
    ],
)
def test_what_has_moved_in_between_is_refused_by_its_name(
    bench: Bench, move: Callable[[Bench], None], why: str
) -> None:
    bench.scene.put({"username": "me", "password": "canary-plan-2"})
    [target] = bench.plan("--values", code=2)["targets"]
    assert (target["will"], target["keys"], target["expected"]["workloads"]) == (
        "update",
        ["password"],
        ["Deployment/api"],
    )
    move(bench)
    before = bench.scene.admin.get("Secret", "db", bench.scene.namespace)
    said = bench.push(code=1)
    assert re.search(why, said), said
    assert "plan again" in said
    assert bench.scene.admin.get("Secret", "db", bench.scene.namespace) == before
    assert bench.scene.stamp("Deployment", "api")


# What it asks


def test_who_may_look_alone_plans_and_does_nothing_else(bench: Bench) -> None:
    aws, iam = bench.scene.cloud.aws, bench.scene.cloud.aws.client("iam")
    role = iam.create_role(RoleName=f"pull-{uuid.uuid4().hex[:8]}", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    document = json.dumps({"Version": "2012-10-17", "Statement": _look_at(bench.function)})
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="look", PolicyDocument=document)
    keys = aws.credentials(role["Arn"], "pull-request")
    person = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.session_token or "",
    }
    bench.scene.put({"username": "me", "password": "canary-plan-2"})
    since = now()
    with recording(aws.endpoint) as recorder:
        wire = {**person, "AWS_ENDPOINT_URL": recorder.url}
        said = bench.run("plan", "--stack", bench.function, "-o", str(bench.file), environment=wire)
    assert ("1 target: 1 written" in said, "note:" in said) == (True, False)
    assert set(recorder.requests) == {
        "cloudformation:DescribeStacks",
        f"lambda:POST /2015-03-31/functions/{bench.function}/invocations",
        "logs:FilterLogEvents",
    }, "the log is read for the last error of what is not right"
    asked = [call for call in calls(bench.scene.cloud.clusters[CLUSTER], since=since) if "report" not in call.user]
    ours = {(call.verb, call.resource) for call in asked if call.user == bench.scene.identity.deliver}
    assert ours == {("get", "secrets")}, "the function, of the metadata: its role may read no value in AWS"

    for args in (["plan", "--stack", bench.function, "--values"], ["push", "--plan", str(bench.file), "--yes"]):
        code = 0 if "plan" in args[0] else 1
        refused = bench.run(*args, code=code, environment=person)
        assert "AccessDenied" in refused, refused
    assert bench.scene.data() == {"password": b"canary-plan-1"}


def test_a_pull_request_gets_a_comment(bench: Bench) -> None:
    bench.write(data={"username": USERNAME})
    text = bench.run("plan", "--stack", bench.function, "--output", "markdown")
    assert text.startswith("<!-- keyferry plan -->\n### Keyferry plan\n")
    assert "<code>+username</code>" in text
    assert len(text) < 65_536


def test_an_error_is_told_by_its_exit_code(bench: Bench) -> None:
    anybody = bench.scene.cloud.aws.environment()
    for args in ([], ["--detailed-exitcode"]):
        said = bench.run("plan", "--stack", "nobody", *args, code=1, environment=anybody | {"AWS_SESSION_TOKEN": ""})
        assert "there is no stack nobody" in said


def test_the_installed_stack_is_as_its_own_folder(installed: Installation) -> None:
    stack = Deployed(installed)
    command = ["--mappings", str(installed.checkout / "mappings"), "plan", "--stack", STACK, "--output", "json"]
    done = run_keyferry(command, stack.cloud.aws.inherit(os.environ), stack.cloud.directory / "commands.log")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    empty = ("mappings", "clusters", "rights", "policies", "generated")
    assert {part: plan[part] for part in empty} == {part: [] for part in empty}
    assert plan["folder"] == plan["stack"]["deployment"]
    assert any("ClusterUnreachable" in note for note in plan["notes"]), "the cluster that is lost"
