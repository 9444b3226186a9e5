"""`keyferry doctor` of a stack at work: nothing is wrong with one that is well; what is broken is told, and mended.

Where the remedies are commands of `aws`, they are pasted into a shell, and then nothing is wrong any more. What the
emulator lacks is broken against fakes, in tests/unit/test_doctor_stack.py: drift and failed deployments, ages of
messages, functions that fail, layers of another processor, policies of keys, events of other accounts, clocks.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from keyferry.cli.options import PROBLEMS
from keyferry.identity import IDENTITY
from keyferry_local import watch
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from tests.integration.deployed import PATIENCE_SECONDS, Deployed, now
from tests.integration.recorder import recording
from tests.integration.terminal import ROOT, run_keyferry

EU, US = ("--cluster", "prod-eu"), ("--cluster", "prod-us")
CLI = ROOT / ".tools/awscli/bin"
type Finding = dict[str, Any]
type Spoil = Callable[[Deployed], object]


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, each of whose sources is there."""
    stack = Deployed(installed)
    ssm = stack.cloud.aws.client("ssm")
    ssm.put_parameter(Name="/tests/rotated/tls", Value="canary-tls", Type="SecureString", Overwrite=True)
    if not any(each["Name"] == "keyferry/e2e" for each in stack.secrets.list_secrets()["SecretList"]):
        stack.secrets.create_secret(Name="keyferry/e2e", SecretString='{"password": "canary-e2e"}')
    return stack


@pytest.fixture(scope="module")
def kubeconfig(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of an administrator of both clusters, with a context called as each."""
    whole: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, plane in stack.cloud.clusters.items():
        own = json.loads(plane.kubeconfig.read_text())
        whole["clusters"] += own["clusters"]
        whole["users"] += [{"name": name, "user": own["users"][0]["user"]}]
        whole["contexts"] += [{"name": name, "context": {"cluster": name, "user": name}}]
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(json.dumps(whole))
    return path


def run(stack: Deployed, kubeconfig: Path, *args: str, **environment: str) -> tuple[int, str, str]:
    """Run `keyferry doctor`, and return its exit code and what it writes."""
    command = ["--mappings", str(stack.installed.checkout / "mappings"), "doctor", "--stack", STACK, *args]
    whole = stack.cloud.aws.inherit(os.environ) | {"KUBECONFIG": str(kubeconfig)} | environment
    done = run_keyferry(command, whole, stack.cloud.directory / "commands.log")
    assert "canary-" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def examine(stack: Deployed, kubeconfig: Path, *args: str, **environment: str) -> list[Finding]:
    """Return what `keyferry doctor --output json` finds; its exit code has to fit that."""
    code, out, error = run(stack, kubeconfig, "--output", "json", *args, **environment)
    assert out, error
    answer = json.loads(out)
    assert code == (1 if answer["errors"] else 0)
    return list(answer["findings"])


def find(findings: list[Finding], check: str, what: str, state: str = "") -> list[Finding]:
    """Return what is to be said of one thing, in a state or in any."""
    return [
        each for each in findings if (each["check"], each["what"]) == (check, what) and state in ("", each["state"])
    ]


def paste(stack: Deployed, commands: list[str]) -> None:
    """Run commands of `aws` in a shell; of SQS, version 1 of the program does not take the endpoint's variable."""
    environment = stack.cloud.aws.inherit(os.environ)
    environment["PATH"] = f"{CLI}:{environment['PATH']}"
    for command in commands:
        assert command.startswith("aws "), command
        line = command.replace("aws ", f"aws --endpoint-url {stack.cloud.aws.endpoint} ", 1)
        shell = ["/bin/sh", "-c", line]
        done = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stderr)


def test_with_a_stack_that_is_well_nothing_is_wrong(stack: Deployed, kubeconfig: Path) -> None:
    findings = examine(stack, kubeconfig, *EU)
    assert [finding for finding in findings if finding["state"] == "error"] == []
    assert {finding["check"] for finding in findings if finding["state"] == "ok"} >= {
        *("caller", "clock", "stack", "release", "rules", "queues", "dead letters", "functions", "event sources"),
        *("processor", "roles", "access entries", "endpoints", "sources", "keys", "cluster", "rights", "generated"),
    }
    code, out, _ = run(stack, kubeconfig, *EU)
    assert (code, out.splitlines()[-1].split(": ")[1].startswith("0 errors")) == (0, True)


def test_a_change_of_the_canary_is_followed_into_each_cluster_and_restarts_nothing_else(
    stack: Deployed, kubeconfig: Path
) -> None:
    until("the canary", lambda: stack.eu.data("keyferry-canary", "keyferry-canary"), seconds=PATIENCE_SECONDS)
    findings = [each for each in examine(stack, kubeconfig, *EU, "--canary") if each["check"] == "canary"]
    secrets = [f"{cluster}/keyferry-canary/keyferry-canary" for cluster in stack.cloud.clusters]
    assert [(each["state"], each["what"]) for each in findings] == [("ok", secret) for secret in secrets]
    for each in findings:
        seconds, steps = zip(*(line.split()[::2] for line in each["details"]), strict=True)
        assert steps == ("event", "route", "delivery", "write", "restart")
        assert 0 < float(seconds[3]) < PATIENCE_SECONDS
    value = json.loads(stack.secrets.get_secret_value(SecretId="keyferry/canary/value")["SecretString"])
    for admin in stack.cloud.admins.values():
        data = admin.data("keyferry-canary", "keyferry-canary")
        assert data and json.loads(data["canary"]) == value


def name(stack: Deployed, logical_id: str) -> str:
    """Return the name of a resource of the stack."""
    client = stack.cloud.aws.client("cloudformation")
    return str(
        client.describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)["StackResourceDetail"][
            "PhysicalResourceId"
        ]
    )


def disable_rule(stack: Deployed) -> None:
    stack.cloud.aws.client("events").disable_rule(Name=name(stack, "ParameterChanged"))


def lose_target(stack: Deployed) -> None:
    stack.cloud.aws.client("events").remove_targets(Rule=name(stack, "RotationFailed"), Ids=["Changes"])


def change_pattern(stack: Deployed) -> None:
    pattern = json.dumps({"source": ["aws.ssm"]})
    stack.cloud.aws.client("events").put_rule(Name=name(stack, "SecretDeletedOrRestored"), EventPattern=pattern)


def stop_consuming(stack: Deployed) -> None:
    function = stack.installed.outputs["ReconcileFunction"]
    [source] = stack.functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    stack.functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)


def shorten_timeout(stack: Deployed) -> None:
    function = stack.installed.outputs["ReconcileFunction"]
    stack.functions.update_function_configuration(FunctionName=function, Timeout=890)


def reserve_nothing(stack: Deployed) -> None:
    function = stack.installed.outputs["ReconcileFunction"]
    stack.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)


def lose_variables(stack: Deployed) -> None:
    function = stack.installed.outputs["ReportFunction"]
    variables = stack.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    kept = {key: value for key, value in variables.items() if key != "KEYFERRY_CONCURRENCY"}
    stack.functions.update_function_configuration(FunctionName=function, Environment={"Variables": kept})


def show_sooner(stack: Deployed) -> None:
    url = stack.installed.outputs["SweepsQueueUrl"]
    stack.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "900"})


def lose_entry(stack: Deployed) -> None:
    client = stack.cloud.aws.client("eks", region="us-east-1")
    client.delete_access_entry(clusterName="prod-us", principalArn=stack.installed.outputs["PushRoleArn"])


def rename_user(stack: Deployed) -> None:
    client = stack.cloud.aws.client("eks", region="us-east-1")
    principal = stack.installed.outputs["ReconcileRoleArn"]
    client.update_access_entry(clusterName="prod-us", principalArn=principal, username="somebody")


FAULTS: Mapping[str, tuple[str, str, str, Spoil]] = {
    "a rule is disabled": ("rules", "ParameterChanged", "error", disable_rule),
    "a rule has lost its target": ("rules", "RotationFailed", "error", lose_target),
    "a rule matches something else": ("rules", "SecretDeletedOrRestored", "error", change_pattern),
    "an event source mapping is disabled": ("event sources", "reconcile", "error", stop_consuming),
    "a timeout is another": ("functions", "reconcile", "warning", shorten_timeout),
    "a function never runs": ("functions", "concurrency of reconcile", "error", reserve_nothing),
    "a function lacks a variable": ("functions", "report", "error", lose_variables),
    "messages come back too soon": ("queues", "Sweeps", "warning", show_sooner),
    "an access entry is gone": ("access entries", "prod-us: keyferry:push", "error", lose_entry),
    "an access entry has another user": ("access entries", "prod-us: keyferry:reconcile", "error", rename_user),
}
"""What is broken → check, what, state, and what breaks it. The remedy mends it."""


def test_what_is_broken_is_told_and_its_remedy_mends_it(stack: Deployed, kubeconfig: Path) -> None:
    for *_, spoil in FAULTS.values():
        spoil(stack)
    findings = examine(stack, kubeconfig, *US)
    remedies = {}
    for fault, (check, what, state, _) in FAULTS.items():
        told = find(findings, check, what, state)
        assert len(told) == 1, (fault, find(findings, check, what))
        remedies[fault] = told[0]["remedy"]
    for commands in remedies.values():
        paste(stack, commands)
    mended = examine(stack, kubeconfig, *US)
    for fault, (check, what, *_) in FAULTS.items():
        assert {each["state"] for each in find(mended, check, what)} == {"ok"}, (fault, find(mended, check, what))


def test_a_role_that_was_made_again_is_a_stranger_to_its_entries(stack: Deployed, kubeconfig: Path) -> None:
    iam, role = stack.cloud.aws.client("iam"), f"{STACK}-push"
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    attached = [each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    for policy in attached:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    iam.delete_role(RoleName=role)
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    for policy in attached:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    findings = examine(stack, kubeconfig)
    for cluster in ("prod-eu", "prod-us", "lost"):
        [told] = find(findings, "access entries", f"{cluster}: {IDENTITY.push}", "error")
        assert "older than its role" in told["why"]
        paste(stack, told["remedy"])
    entries = [each for each in examine(stack, kubeconfig) if each["check"] == "access entries"]
    assert {each["state"] for each in entries} == {"ok"}


def test_dead_letters_are_counted_and_shown_by_the_commands(stack: Deployed, kubeconfig: Path) -> None:
    stack.send("SweepsDeadLettersQueueUrl", '{"mapping": "pushed", "cluster": "prod-eu"}')
    [told] = find(examine(stack, kubeconfig, *EU), "dead letters", "SweepsDeadLetters", "warning")
    assert told["why"].startswith("1: look at them")
    environment = stack.cloud.aws.inherit(os.environ)
    for command, answer, code in zip(told["remedy"], ([], ["--yes"]), (PROBLEMS, 0), strict=True):
        words = [*shlex.split(command)[1:], *answer]
        done = run_keyferry(words, environment, stack.cloud.directory / "commands.log")
        assert done.returncode == code, done.stderr
    assert not stack.messages("SweepsDeadLettersQueueUrl")
    assert find(examine(stack, kubeconfig, *EU), "dead letters", "SweepsDeadLetters", "ok")


def test_what_only_the_template_tells_is_restored_by_a_change_set(stack: Deployed, kubeconfig: Path) -> None:
    url, asked = stack.installed.outputs["SweepsQueueUrl"], ["RedrivePolicy", "Policy"]
    before = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    client, called = stack.cloud.aws.client("scheduler"), name(stack, "SweepRegularly")
    schedule = client.get_schedule(Name=called)
    kept = {key: schedule[key] for key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=dict.fromkeys(asked, ""))
    client.update_schedule(**kept, State="DISABLED")
    try:
        findings = examine(stack, kubeconfig, *EU)
    finally:
        client.update_schedule(**kept, State="ENABLED")
        stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=before)
    assert "the schedule is disabled" in find(findings, "rules", "SweepRegularly", "error")[0]["why"]
    assert "SweepsDeadLetters is not its dead-letter queue" in find(findings, "queues", "Sweeps", "error")[0]["why"]
    [told] = find(findings, "queues", "policy of Sweeps", "error")
    assert "does not let in StackDeployed" in told["why"]
    create, wait, execute = told["remedy"]  # drift is not emulated
    assert "--deployment-mode REVERT_DRIFT --use-previous-template" in create
    assert ("wait change-set-create-complete" in wait, "execute-change-set" in execute) == (True, True)


def test_a_trail_is_missed_and_one_that_is_stopped_is_started_by_the_remedy(stack: Deployed, kubeconfig: Path) -> None:
    [missed] = find(examine(stack, kubeconfig, *EU), "trail", "eu-west-1", "warning")
    *create, start = missed["remedy"]
    paste(stack, create)
    [stopped] = find(examine(stack, kubeconfig, *EU), "trail", "trail/management-events", "warning")
    assert stopped["remedy"][0].startswith("aws cloudtrail start-logging")
    paste(stack, [start])
    assert find(examine(stack, kubeconfig, *EU), "trail", "management-events", "ok")
    stack.cloud.aws.client("cloudtrail").delete_trail(Name="management-events")


def test_a_source_that_is_gone_is_told_and_its_key_is_looked_at(stack: Deployed, kubeconfig: Path) -> None:
    kms = stack.cloud.aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    stack.secrets.update_secret(SecretId="tests/pushed", KmsKeyId=key)
    assert find(examine(stack, kubeconfig, *EU), "keys", key, "ok")
    kms.disable_key(KeyId=key)
    stack.secrets.delete_secret(SecretId="keyferry/e2e")
    try:
        findings = examine(stack, kubeconfig, *EU)
        [lost] = find(findings, "sources", "keyferry/e2e", "error")
        assert lost["why"] == "it is scheduled for deletion in eu-west-1: restore it"
        paste(stack, lost["remedy"])
        assert not find(examine(stack, kubeconfig, *EU), "sources", "keyferry/e2e")
        [told] = find(findings, "keys", key, "error")
        assert "it is Disabled: tests/pushed cannot be decrypted" in told["why"]
        paste(stack, told["remedy"])
        assert find(examine(stack, kubeconfig, *EU), "keys", key, "ok")
    finally:
        with suppress(ClientError):  # the remedy has restored it
            stack.secrets.restore_secret(SecretId="keyferry/e2e")
        stack.secrets.update_secret(SecretId="tests/pushed", KmsKeyId="alias/aws/secretsmanager")


def test_a_cluster_that_does_not_answer_is_told_by_the_function(stack: Deployed, kubeconfig: Path) -> None:
    findings = examine(stack, kubeconfig)
    [told] = find(findings, "endpoints", "lost", "error")
    assert told["why"].startswith("ClusterUnreachable: cluster lost at https://127.0.0.1:1")
    assert find(findings, "endpoints", "prod-eu", "ok")
    [unknown] = find(findings, "cluster", "lost", "warning")
    assert unknown["remedy"] == ["aws eks update-kubeconfig --name lost --region eu-west-1 --alias lost"]


@contextmanager
def without(stack: Deployed, kind: str, object_name: str, namespace: str | None = None) -> Iterator[None]:
    """Take an object out of prod-us for a while; then apply what is generated, as the remedy says."""
    admin = stack.cloud.admins["prod-us"]
    admin.delete(kind, object_name, namespace)
    try:
        yield
    finally:
        rbac = stack.installed.checkout / "generated/clusters/prod-us/rbac.yaml"
        admin.apply(*(each for each in yaml.safe_load_all(rbac.read_text()) if each))


def test_a_role_that_is_missing_in_a_cluster_is_told_with_the_right_that_is(stack: Deployed, kubeconfig: Path) -> None:
    roles = (each["metadata"] for each in stack.cloud.admins["prod-us"].list("Role"))
    metadata = next(each for each in roles if each["name"].startswith(f"{IDENTITY.deliver}:"))
    role, namespace = metadata["name"], metadata["namespace"]
    with without(stack, "Role", role, namespace):
        findings = examine(stack, kubeconfig, *US)
    [told] = find(findings, "generated", "prod-us", "error")
    assert told["why"] == f"missing: Role {namespace}/{role}"
    checkout = stack.installed.checkout
    rbac = checkout / "generated/clusters/prod-us/rbac.yaml"
    apply = f"kubectl --context prod-us apply --server-side -f {rbac}"
    assert told["remedy"] == [f"keyferry --mappings {checkout / 'mappings'} generate", apply]
    [refused] = find(findings, "rights", f"prod-us: {IDENTITY.deliver}", "error")
    assert f"in namespace {namespace}" in refused["why"]
    assert [
        each
        for each in examine(stack, kubeconfig, *US)
        if each["check"] in ("generated", "rights") and each["state"] != "ok"
    ] == []


def test_policies_that_differ_and_what_is_left_over_are_told(stack: Deployed, kubeconfig: Path) -> None:
    admin = stack.cloud.admins["prod-us"]
    policy = admin.get("ValidatingAdmissionPolicy", IDENTITY.secrets_policy)
    assert policy is not None
    labels = {"keyferry.dev/generated": "keyferry"}
    left = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "keyferry:old", "labels": labels},
        "rules": [],
    }
    admin.apply(left)
    admin.send(
        "PUT",
        f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{IDENTITY.secrets_policy}",
        {**policy, "spec": {**policy["spec"], "failurePolicy": "Ignore"}},
        "application/json",
    )
    with without(stack, "ClusterRole", "nothing"):
        told = find(examine(stack, kubeconfig, *US), "generated", "prod-us")
    admin.delete("ClusterRole", "keyferry:old")
    assert {(each["state"], each["why"].partition(": ")[2]) for each in told} == {
        ("error", f"ValidatingAdmissionPolicy {IDENTITY.secrets_policy}"),
        ("warning", "ClusterRole keyferry:old"),
    }


def test_a_user_who_may_do_more_than_the_mappings_say_is_told(stack: Deployed, kubeconfig: Path) -> None:
    admin = stack.cloud.admins["prod-us"]
    subject = {"kind": "User", "name": IDENTITY.reconcile, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}
    head = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "too-much"},
    }
    admin.apply({**head, "roleRef": reference, "subjects": [subject]})
    try:
        told = find(examine(stack, kubeconfig, *US), "rights", f"prod-us: {IDENTITY.reconcile}", "error")
    finally:
        admin.delete("ClusterRoleBinding", "too-much")
    assert ["it may list all Secrets" in each["why"] for each in told] == [True]


def test_no_request_touches_a_value(stack: Deployed, kubeconfig: Path) -> None:
    since = now()
    with recording(stack.cloud.aws.endpoint) as record:
        examine(stack, kubeconfig, AWS_ENDPOINT_URL=record.url)
    services = {request.partition(":")[0] for request in record.requests}
    assert services >= {"cloudformation", "eks", "events", "iam", "lambda", "monitoring", "scheduler", "sqs", "sts"}
    assert not services & {"secretsmanager", "ssm", "s3"}
    changing = ("Get", "List", "Describe", "GET ", "FilterLogEvents", f"POST /2015-03-31/functions/{STACK}-report/")
    asked = [request.partition(":")[2] for request in record.requests]
    assert [operation for operation in asked if not operation.startswith(changing)] == []
    assert not any("Decrypt" in operation or "ReceiveMessage" in operation for operation in asked)
    for cluster in ("prod-eu", "prod-us"):
        calls = [call for call in watch.calls(stack.cloud.clusters[cluster], since=since) if call.user == "admin"]
        assert calls
        assert not any(call.resource == "secrets" for call in calls)
        assert {call.verb for call in calls} <= {"get", "list", "create"}
        assert {call.resource for call in calls if call.verb == "create"} <= {
            *("selfsubjectrulesreviews", "subjectaccessreviews"),
        }


def test_a_stack_that_there_is_not_is_told_and_the_clusters_are_looked_at(stack: Deployed, kubeconfig: Path) -> None:
    code, out, _ = run(stack, kubeconfig, "--stack", "nothing", *EU)
    assert code == 1
    assert "error    stack           stack: there is no stack nothing in eu-west-1" in out
    assert "ok       generated       prod-eu" in out
