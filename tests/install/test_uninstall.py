"""The steps of `keyferry uninstall --plan`, taken one after the other: nothing is left but what it says."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.clusters.generated import GENERATED
from keyferry_local import binaries, world
from keyferry_local import stack as stacks
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.install import grant, let_roles_in
from keyferry_local.watch import until
from tests.integration.terminal import run_keyferry

ROOT = Path(__file__).resolve().parents[2]
NAME = "keyferry-gone"
MEMBER = f"{NAME}-member"
CLUSTERS = {"prod-eu": "eu-west-1", "prod-us": "us-east-1"}
MAPPINGS = f"""\
apiVersion: keyferry.dev/v1
kind: Stack
prefix: {NAME}
---
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata: {{name: db}}
spec:
  sources: {{db: {{secretsManager: gone/db, failover: [us-east-1]}}}}
  clusters: [prod-eu, prod-us]
  namespaces: [gone]
  secret: {{name: db, data: {{password: {{from: db, path: password}}}}}}
"""


SHIM = """\
try:
    from samcli.lib.utils import s3
except ImportError:  # another program's Python
    pass
else:
    parse = s3.parse_s3_url
    s3.parse_s3_url = lambda url, *more, **named: parse(str(url).replace({endpoint!r}, "https://s3"), *more, **named)
"""
"""`sam delete` looks for the files of nested stacks at the addresses of AWS alone, which begin so."""


@dataclass(frozen=True)
class Person:
    """An administrator of AWS and of both clusters, at a terminal beside the mappings."""

    cloud: Cloud
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment: the tools, the kubeconfigs, and a SAM that reports nothing."""
        home = self.folder / "sam"
        home.mkdir(exist_ok=True)
        (home / "metadata.json").write_text(json.dumps({"telemetryEnabled": False, "lastVersionCheck": time.time()}))
        (home / "sitecustomize.py").write_text(SHIM.format(endpoint=self.cloud.aws.endpoint))
        kubectl = binaries.provide(print).kubectl.parent
        tools = [f"{ROOT}/.tools/{name}/bin" for name in ("sam", "awscli")]
        return self.cloud.aws.inherit(os.environ) | {
            "PATH": os.pathsep.join([*tools, str(kubectl), os.environ["PATH"]]),
            "KUBECONFIG": os.pathsep.join(str(plane.kubeconfig) for plane in self.cloud.clusters.values()),
            "__SAM_CLI_APP_DIR": str(home),
            "SAM_CLI_TELEMETRY": "0",
            "PYTHONPATH": str(home),
        }

    def plan(self, *options: str) -> dict[str, Any]:
        """Return what `keyferry uninstall --plan` answers."""
        arguments = ["--mappings", str(self.folder / "mappings"), "uninstall", "--plan", "--stack", NAME, *options]
        done = run_keyferry([*arguments, "--output", "json"], self.environment, self.folder / "log")
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def follow(self, answer: dict[str, Any]) -> None:
        """Run the commands in order, and say yes to every question."""
        for step in answer["steps"]:
            for command in step["commands"]:
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=self.folder,
                    env=self.environment,
                    input="y\n" * 5,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def person(cloud: Cloud, tmp_path: Path) -> Iterator[Person]:
    """A person whose stack is deployed in full: a member in another region, entries by hand, a policy given away."""
    mappings = tmp_path / "own"
    mappings.mkdir()
    (mappings / "clusters.yaml").write_text((ROOT / "examples/mappings/clusters.yaml").read_text())
    stack, mapping = MAPPINGS.split("---\n")
    (mappings / "stack.yaml").write_text(stack)
    (mappings / "db.yaml").write_text(mapping)
    cloud.aws.client("secretsmanager").create_secret(Name="gone/db", SecretString='{"password": "canary-gone"}')
    for admin in cloud.admins.values():
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gone"}})
        admin.apply(world.deployment("web", "gone", world.env_from("db")))
    checkout = stacks.stage(tmp_path, mappings)
    stacks.build(checkout, print, work=tmp_path)
    for name, admin in cloud.admins.items():
        grant(admin, checkout / "generated/clusters" / name / "rbac.yaml")
    parameters = {"RoleNamePrefix": NAME}
    outputs = stacks.deploy(checkout, cloud.aws, stack_name=NAME, parameters=parameters, say=print)
    let_roles_in(cloud, outputs, checkout / "generated/stack/access-entries.json")
    _deploy_member(cloud, checkout)
    iam = cloud.aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="oncall", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.attach_role_policy(RoleName="oncall", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-look")
    cloud.aws.client("lambda").invoke(FunctionName=outputs["ReconcileFunction"], Payload=b"{}")
    for admin in cloud.admins.values():
        until("the Secret is there", partial(admin.data, "db", "gone"))
    yield Person(cloud, checkout)
    iam.delete_role(RoleName="oncall")


def _deploy_member(cloud: Cloud, checkout: Path) -> None:
    formation = cloud.aws.client("cloudformation", region="us-east-1")
    given = {"HubAccount": ACCOUNT, "HubRegion": "eu-west-1", "ForwardEvents": "true", "AccessEntries": "false"}
    formation.create_stack(
        StackName=MEMBER,
        TemplateBody=(checkout / f"generated/accounts/{ACCOUNT}/member.yaml").read_text(),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    formation.get_waiter("stack_create_complete").wait(StackName=MEMBER, WaiterConfig={"Delay": 1})


def list_names(cloud: Cloud) -> set[str]:
    """Return the names of all that is called after the stack in AWS, wherever that can be."""
    found = set[str]()
    for region in CLUSTERS.values():
        for service, verb, part, key in (
            ("cloudformation", "describe_stacks", "Stacks", "StackName"),
            ("lambda", "list_functions", "Functions", "FunctionName"),
            ("lambda", "list_layers", "Layers", "LayerName"),
            ("sqs", "list_queues", "QueueUrls", ""),
            ("events", "list_rules", "Rules", "Name"),
            ("logs", "describe_log_groups", "logGroups", "logGroupName"),
            ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
            ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
            ("scheduler", "list_schedules", "Schedules", "Name"),
            ("sns", "list_topics", "Topics", "TopicArn"),
            ("iam", "list_roles", "Roles", "RoleName"),
            ("iam", "list_policies", "Policies", "PolicyName"),
        ):
            client = cloud.aws.client(service, region=region)
            entries = [each for page in client.get_paginator(verb).paginate() for each in page.get(part, ())]
            found |= {f"{service}: {each[key] if key else each}" for each in entries}
    return {name for name in found if NAME in name}


def list_entries(cloud: Cloud) -> set[tuple[str, str]]:
    """Return the clusters that let roles of the stack in, each with the role."""
    return {
        (name, principal)
        for name, region in CLUSTERS.items()
        for principal in cloud.aws.client("eks", region=region).list_access_entries(clusterName=name)["accessEntries"]
        if NAME in principal
    }


def list_generated(cloud: Cloud) -> list[str]:
    """Return all of the clusters that has the label of what is generated for the stack."""
    kinds = [resource.kind for resource in GENERATED]
    query = f"?labelSelector=keyferry.dev/generated%3D{NAME}"
    found = [each for admin in cloud.admins.values() for kind in kinds for each in admin.list(kind, query=query)]
    return [each["metadata"]["name"] for each in found]


def test_nothing_is_left_but_what_the_plan_says(cloud: Cloud, person: Person) -> None:
    assert len(list_names(cloud)) > 50
    assert {name for name, _ in list_entries(cloud)} == set(CLUSTERS)
    plan = person.plan()
    person.follow(plan)

    assert (list_names(cloud), list_entries(cloud), list_generated(cloud)) == (set(), set(), [])
    assert cloud.aws.client("iam").list_attached_role_policies(RoleName="oncall")["AttachedPolicies"] == []
    for name, admin in cloud.admins.items():
        assert admin.data("db", "gone") == {"password": b"canary-gone"}
        assert f"in {name}: 1 Secret, 1 Stamp; --secrets has the commands" in plan["stays"]
    again = person.plan()
    assert again["steps"] == []

    person.follow(person.plan("--secrets"))
    for admin in cloud.admins.values():
        assert admin.data("db", "gone") is None
        web = admin.get("Deployment", "web", "gone") or {}
        assert not web["spec"]["template"]["metadata"].get("annotations")
    last = person.plan("--secrets")
    assert (last["steps"], [text for text in last["stays"] if "Secret" in text]) == ([], [])
