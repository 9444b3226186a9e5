"""The local AWS enforces IAM, runs functions as Lambda does, and owes nothing to the settings of its user."""

import json
import time
from functools import partial
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from keyferry_local import aws
from keyferry_local.aws import Aws
from tests.local_aws import denied, function, role, zipped

SLOW = """
import json, time

def handler(event, context):
    began = time.time()
    time.sleep(0.5)
    print(json.dumps({"body": event["Records"][0]["body"], "began": began, "ended": time.time()}))
"""


@pytest.fixture(scope="module")
def secret(services: Aws) -> str:
    return str(services.client("secretsmanager").create_secret(Name="prod/db", SecretString="canary-first")["ARN"])


def test_a_role_may_do_what_its_policies_say_and_no_more(services: Aws, secret: str) -> None:
    of_all = f"{secret[:-7]}-??????"
    reader = role(services, {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": of_all})
    secrets = services.client("secretsmanager", role=reader)
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == "canary-first"
    assert denied(lambda: secrets.put_secret_value(SecretId=secret, SecretString="canary")) == "AccessDeniedException"
    assert denied(lambda: secrets.get_secret_value(SecretId="prod/other")) == "AccessDeniedException"
    nobody = services.client("secretsmanager", role=role(services))
    assert denied(lambda: nobody.get_secret_value(SecretId=secret)) == "AccessDeniedException"


@pytest.mark.parametrize(
    "spelling",
    ["/prod/key", "/prod/key:1", "arn:aws:ssm:eu-west-1:111122223333:parameter/prod/key"],
    ids=["name", "version", "arn"],
)
def test_a_parameter_is_the_same_resource_however_it_is_named(services: Aws, spelling: str) -> None:
    arn = "arn:aws:ssm:eu-west-1:111122223333:parameter/prod/key"
    services.client("ssm").put_parameter(Name="/prod/key", Value="canary", Type="String", Overwrite=True)
    reader = services.client(
        "ssm", role=role(services, {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": arn})
    )
    if spelling == "/prod/key:1":
        assert reader.get_parameter(Name=spelling)["Parameter"]["Version"] == 1
    else:
        assert reader.get_parameter(Name=spelling)["Parameter"]["Value"] == "canary"
    other = spelling.replace("key", "other")
    assert denied(lambda: reader.get_parameter(Name=other)) == "AccessDeniedException"


def test_parameters_are_read_below_a_path_with_the_right_to_that_path(services: Aws) -> None:
    services.client("ssm").put_parameter(Name="/paths/a/b", Value="canary", Type="String", Overwrite=True)
    arn = "arn:aws:ssm:eu-west-1:111122223333:parameter/paths/a"
    may = {"Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": arn}
    reader = services.client("ssm", role=role(services, may))
    [found] = reader.get_parameters_by_path(Path="/paths/a", Recursive=True)["Parameters"]
    assert found["Value"] == "canary"
    for path in ("/paths", "/paths/a/", "/paths/b"):
        assert denied(partial(reader.get_parameters_by_path, Path=path)) == "AccessDeniedException"


def test_a_signature_with_another_key_is_refused(services: Aws) -> None:
    session = services.session()
    forged = session.client(
        "sts",
        endpoint_url=services.endpoint,
        aws_access_key_id=services.administrator.access_key,
        aws_secret_access_key="canary-of-somebody-else",
    )
    assert denied(forged.get_caller_identity) == "SignatureDoesNotMatch"


def test_message_groups_are_worked_on_side_by_side_and_each_in_order(services: Aws) -> None:
    sqs, slow = services.client("sqs"), function(services, SLOW)
    url = sqs.create_queue(QueueName="groups.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for number, group in enumerate("aab"):
        sqs.send_message(
            QueueUrl=url, MessageBody=f"{group}{number}", MessageGroupId=group, MessageDeduplicationId=str(number)
        )
    services.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=slow, BatchSize=1)
    runs = printed(services, slow, 3)
    assert runs["a0"]["ended"] <= runs["a1"]["began"]
    assert runs["b2"]["began"] < runs["a0"]["ended"]


def printed(services: Aws, function: str, wanted: int) -> dict[str, dict[str, float]]:
    """Wait for so many lines of JSON in the logs of a function, by the bodies that they name."""
    group, deadline = f"/aws/lambda/{function.rpartition(':')[2]}", time.monotonic() + 15
    lines: list[str] = []
    while time.monotonic() < deadline and len(lines) < wanted:
        time.sleep(0.1)
        try:
            events = services.client("logs").filter_log_events(logGroupName=group)["events"]
        except ClientError:
            continue
        lines = [event["message"] for event in events if event["message"].startswith("{")]
    runs = [json.loads(line) for line in lines]
    return {run.pop("body"): run for run in runs}


def test_a_registered_cluster_is_described_as_it_is(services: Aws) -> None:
    aws.register_cluster(
        services,
        name="prod-eu",
        region="eu-west-1",
        endpoint="https://127.0.0.1:6443",
        certificate_authority="Y2FuYXJ5",
    )
    member = "arn:aws:iam::111122223333:role/keyferry-deliver"
    aws.add_access_entry(services, "prod-eu", member, "keyferry", ["keyferry:prod-eu"])
    eks = services.client("eks")
    cluster = eks.describe_cluster(name="prod-eu")["cluster"]
    assert (cluster["status"], cluster["endpoint"]) == ("ACTIVE", "https://127.0.0.1:6443")
    assert cluster["certificateAuthority"] == {"data": "Y2FuYXJ5"}
    assert eks.list_access_entries(clusterName="prod-eu")["accessEntries"] == [member]
    entry = eks.describe_access_entry(clusterName="prod-eu", principalArn=member)["accessEntry"]
    assert (entry["username"], entry["kubernetesGroups"]) == ("keyferry", ["keyferry:prod-eu"])


def test_the_settings_of_the_user_play_no_part(services: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = {
        "AWS_PROFILE": "of-the-user",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_CA_BUNDLE": str(tmp_path / "none.pem"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SESSION_TOKEN": "canary-of-the-user",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)
    assert services.client("sts").get_caller_identity()["Arn"].endswith(":user/administrator")
    inherited = services.inherit(elsewhere | {"PATH": "/bin"})
    assert inherited["PATH"] == "/bin"
    assert inherited["AWS_ENDPOINT_URL"] == services.endpoint
    assert not {"AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN", "HTTP_PROXY"} & inherited.keys()


def test_a_function_sees_the_local_cloud_alone(services: Aws) -> None:
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    answer = services.client("lambda").invoke(FunctionName=function(services, source))
    seen = json.loads(answer["Payload"].read())
    assert seen["AWS_ENDPOINT_URL"] == services.endpoint
    assert Path(seen["HOME"]).is_relative_to(services.directory)
    assert Path(seen["TMPDIR"]).is_relative_to(services.directory)
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "AWS_PROFILE" not in seen


def test_a_function_finds_its_layer_below_opt(services: Aws) -> None:
    layer = services.client("lambda").publish_layer_version(
        LayerName="mappings", Content={"ZipFile": zipped("mappings/all.json", "[]")}
    )
    source = "import os\ndef handler(event, context): return os.listdir(os.environ['MAPPINGS'])"
    reader = function(
        services, source, Layers=[layer["LayerVersionArn"]], Environment={"Variables": {"MAPPINGS": "/opt/mappings"}}
    )
    answer = services.client("lambda").invoke(FunctionName=reader)
    assert json.loads(answer["Payload"].read()) == ["all.json"]


@pytest.mark.parametrize(("package", "found"), [("boto3", True), ("pydantic", False), ("ministack", False)])
def test_a_function_finds_the_packages_of_the_runtime_alone(services: Aws, package: str, found: bool) -> None:
    source = f"import importlib.util as u\ndef handler(event, context): return u.find_spec({package!r}) is not None"
    answer = services.client("lambda").invoke(FunctionName=function(services, source))
    assert json.loads(answer["Payload"].read()) is found
