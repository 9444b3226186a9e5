"""AWS on the loopback interface: MiniStack, started by its launcher, and clients that talk to it and to nothing else.

IAM is enforced and signatures are checked. The administrator is an IAM user, as MiniStack does not check signatures
made with root keys.
"""

import json
import os
import secrets
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from keyferry_local import aws_client, processes, tools
from keyferry_local.aws_client import Credentials
from keyferry_local.processes import Process

_LAUNCHER = Path(__file__).with_name("ministack_launcher.py")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class Aws:
    """The running emulator, and the administrator's key to it."""

    endpoint: str
    region: str
    account: str
    process: Process
    directory: Path
    administrator: Credentials
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False, repr=False)

    def environment(self) -> dict[str, str]:
        """Name the variables that make the AWS CLI, SAM and SDKs use the local cloud as its administrator."""
        token = self.administrator.session_token
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.administrator.access_key,
            "AWS_SECRET_ACCESS_KEY": self.administrator.secret_key,
            **({"AWS_SESSION_TOKEN": token} if token else {}),
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            **aws_client.NOTHING_OF_THE_USER,
        }

    def inherit(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return an environment for a child process: this one without the user's AWS settings, with ours."""
        return aws_client.without_the_user(environ) | self.environment()

    def session(self, role: str | None = None) -> boto3.Session:
        """Open a session of the administrator, or of a role by its ARN, that reads none of the user's settings."""
        return aws_client.session(self.region, self.credentials(role) if role else self.administrator)

    def client(self, service: str, *, role: str | None = None, region: str | None = None) -> Any:  # noqa: ANN401
        """Give a client of a service, as the administrator or as a role; its type depends on the name."""
        where = region or self.region
        if role:
            return aws_client.client(self.session(role), service, self.endpoint, where)
        if (service, where) not in self._clients:  # kept: to make one takes as long as to look at ten queues
            self._clients[service, where] = aws_client.client(self.session(), service, self.endpoint, where)
        return self._clients[service, where]

    def credentials(self, role: str, session_name: str = "local") -> Credentials:
        """Get keys of a role as a function that runs as the role gets them, whoever else the role trusts."""
        given = _put(f"{self.endpoint}/_local/roles/{self.account}/{role.rpartition('/')[2]}", session=session_name)
        return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def start(directory: Path, *, account: str = "111122223333", region: str = "eu-west-1", keep: bool = False) -> Aws:
    """Start the emulator; what it writes (logs, unpacked functions) is below the directory."""
    root = Credentials("ASIALOCALROOT0000000", secrets.token_urlsafe(30))
    port = processes.free_port()
    endpoint = f"http://127.0.0.1:{port}"
    environment = _environment(directory.resolve(), port, account, region, root)
    process = processes.start(
        "ministack",
        [tools.provide("ministack") / "python", "-I", _LAUNCHER, str(port)],
        directory / "ministack.log",
        env=environment,
        cwd=directory,
        keep=keep,
    )
    processes.wait_ready(process, lambda: _answers(endpoint), seconds=60)
    administrator = _create_administrator(aws_client.session(region, root), endpoint)
    return Aws(endpoint, region, account, process, directory, administrator)


def stop(aws: Aws) -> None:
    """Stop the emulator, and the functions that run in it."""
    processes.stop(aws.process)


def register_cluster(aws: Aws, *, name: str, region: str, endpoint: str, certificate_authority: str) -> None:
    """Make `DescribeCluster` answer with a control plane of ours; the certificate is base64, as EKS gives it."""
    role = aws.client("iam").create_role(
        RoleName=f"eks-{region}-{name}",
        AssumeRolePolicyDocument=json.dumps(_trust("eks.amazonaws.com")),
    )["Role"]["Arn"]
    aws.client("eks", region=region).create_cluster(
        name=name,
        version="1.36",
        roleArn=role,
        resourcesVpcConfig={},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
    )
    url = f"{aws.endpoint}/_local/eks/{aws.account}/{region}/{name}"
    _put(url, endpoint=endpoint, certificateAuthority=certificate_authority)


def add_access_entry(
    aws: Aws, cluster: str, arn: str, username: str, groups: Sequence[str] = (), *, region: str | None = None
) -> None:
    """Let a role or a user into a cluster under a user name, and in groups, as `aws eks create-access-entry` does."""
    aws.client("eks", region=region).create_access_entry(
        clusterName=cluster, principalArn=arn, username=username, kubernetesGroups=list(groups)
    )


def _trust(service: str) -> dict[str, object]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _environment(directory: Path, port: int, account: str, region: str, root: Credentials) -> dict[str, str]:
    """Everything that MiniStack and the functions in it see: nothing of the user's, no Docker, nothing persisted."""
    folders = {"HOME": "home", "TMPDIR": "tmp", "STATE_DIR": "state", "S3_DATA_DIR": "s3"}
    for folder in folders.values():
        (directory / folder).mkdir(parents=True, exist_ok=True)
    return {
        **{name: str(directory / folder) for name, folder in folders.items()},
        **aws_client.NOTHING_OF_THE_USER,
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": region,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "DOCKER_HOST": f"unix://{directory}/no-docker.sock",
        "AWS_ACCESS_KEY_ID": root.access_key,
        "AWS_SECRET_ACCESS_KEY": root.secret_key,
    }


def _answers(endpoint: str) -> bool:
    with _DIRECT.open(f"{endpoint}/_ministack/health", timeout=5) as response:
        return bool(response.status == 200)


def _put(url: str, **document: str) -> dict[str, str]:
    request = urllib.request.Request(url, data=json.dumps(document).encode(), method="PUT")  # noqa: S310 - loopback
    with _DIRECT.open(request, timeout=10) as response:
        return dict(json.load(response))


def _create_administrator(session: boto3.Session, endpoint: str) -> Credentials:
    iam = aws_client.client(session, "iam", endpoint, session.region_name)
    iam.create_user(UserName="administrator")
    iam.put_user_policy(UserName="administrator", PolicyName="anything", PolicyDocument=json.dumps(_ANYTHING))
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
