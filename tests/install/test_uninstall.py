"""The steps of `keyferry uninstall --plan`, taken one after the other: nothing is left but what it says."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.clusters.generated import GENERATED
from keyferry_local import world
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.watch import until
from tests.install.repository import Repository, read_commands

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


PLAN = ["keyferry orphans", "keyferry uninstall --plan"]
"""The commands of the guide, without what is said beside them."""


class Person(Repository):
    """An administrator of AWS and of both clusters, in the repository of the stack."""

    def plan(self, *options: str) -> dict[str, Any]:
        """Return what the command of the guide answers."""
        answer: dict[str, Any] = json.loads(self.run(" ".join([PLAN[1], *options, "--output json"])))
        return answer

    def follow(self, answer: dict[str, Any]) -> None:
        """Run the commands in order."""
        for step in answer["steps"]:
            for command in step["commands"]:
                self.run(command)


@pytest.fixture
def person(cloud: Cloud, tmp_path: Path) -> Iterator[Person]:
    """A person whose stack is deployed in full: a member in another region, entries by hand, a policy given away."""
    person = Person(cloud, tmp_path)
    stack, mapping = MAPPINGS.split("---\n")
    clusters = (ROOT / "examples/mappings/clusters.yaml").read_text()
    person.write({"mappings/clusters.yaml": clusters, "mappings/stack.yaml": stack, "mappings/db.yaml": mapping})
    person.add_environment(NAME)
    cloud.aws.client("secretsmanager").create_secret(Name="gone/db", SecretString='{"password": "canary-gone"}')
    for admin in cloud.admins.values():
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gone"}})
        admin.apply(world.deployment("web", "gone", world.env_from("db")))
    person.run("keyferry generate")
    for name in CLUSTERS:
        person.run(f"kubectl --context {name} apply --server-side -f generated/clusters/{name}/")
    person.run("keyferry build && sam deploy")
    person.run(f"sh generated/stack/access-entries.sh {NAME}")
    _deploy_member(cloud, person.folder)
    iam = cloud.aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="oncall", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.attach_role_policy(RoleName="oncall", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-look")
    cloud.aws.client("lambda").invoke(FunctionName=f"{NAME}-reconcile", Payload=b"{}")
    for admin in cloud.admins.values():
        until("the Secret is there", partial(admin.data, "db", "gone"))
    yield person
    iam.delete_role(RoleName="oncall")


def _deploy_member(cloud: Cloud, folder: Path) -> None:
    formation = cloud.aws.client("cloudformation", region="us-east-1")
    given = {"HubAccount": ACCOUNT, "HubRegion": "eu-west-1", "ForwardEvents": "true", "AccessEntries": "false"}
    formation.create_stack(
        StackName=MEMBER,
        TemplateBody=(folder / f"generated/accounts/{ACCOUNT}/member.yaml").read_text(),
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
    s3 = cloud.aws.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        listed = s3.list_objects_v2(Bucket=bucket["Name"], Prefix=f"{NAME}/").get("Contents", ())
        found |= {f"s3: {each['Key']}" for each in listed}
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


def test_the_guide_shows_the_commands_that_are_run_here() -> None:
    first, again = read_commands("docs/operate/remove.md")
    assert [line.partition("#")[0].strip() for line in (first + again).splitlines()] == [*PLAN, PLAN[1]]


def test_nothing_is_left_but_what_the_plan_says(cloud: Cloud, person: Person) -> None:
    names = list_names(cloud)
    assert len(names) > 50
    assert any(name.startswith("s3: ") for name in names)
    assert {name for name, _ in list_entries(cloud)} == set(CLUSTERS)
    person.run(PLAN[0], 0, 1)
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
