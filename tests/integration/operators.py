"""Somebody with rights of their own in a cluster and in AWS, who signs in by a kubeconfig as EKS writes it."""

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyferry.aws import eks
from keyferry.mapping.targets import Eks
from keyferry_local import aws
from keyferry_local.admin import Admin
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.direct import TRUST
from keyferry_local.watch import until
from tests.integration.scene import CLUSTER
from tests.integration.terminal import run_keyferry

ALIAS = "mine"
_GROUP = "rbac.authorization.k8s.io"
_VERSION = "client.authentication.k8s.io/v1beta1"

type Rule = dict[str, Any]
LOOKS: list[Rule] = [
    {"apiGroups": [""], "resources": ["namespaces", "secrets"], "verbs": ["list"]},
    {"apiGroups": [_GROUP], "resources": ["*"], "verbs": ["list"]},
    {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["list"]},
]
"""What it takes to see what is left over."""
USES: list[Rule] = [
    {"apiGroups": [""], "resources": ["pods", "serviceaccounts", "replicationcontrollers"], "verbs": ["list"]},
    {"apiGroups": ["apps", "batch", "networking.k8s.io"], "resources": ["*"], "verbs": ["list"]},
    {
        "apiGroups": ["argoproj.io", "apps.kruise.io", "gateway.networking.k8s.io"],
        "resources": ["*"],
        "verbs": ["list"],
    },
]
"""What it takes to see who uses a Secret."""
DELETES: list[Rule] = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]},
    {"apiGroups": [_GROUP, "admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["delete"]},
]


@dataclass(frozen=True)
class Operator:
    """A person who has a role in AWS, with an access entry of its own."""

    cloud: Cloud
    folder: Path
    role: str
    user: str

    @classmethod
    def join(cls, cloud: Cloud, folder: Path, policies: Sequence[str] = ()) -> "Operator":
        """Let somebody into the cluster, who may do there nothing yet; in AWS what managed policies say."""
        name, iam = f"operator-{uuid.uuid4().hex[:8]}", cloud.aws.client("iam")
        role = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"])
        for policy in policies:
            iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{policy}")
        aws.add_access_entry(cloud.aws, CLUSTER, role, name, region=cloud.clusters[CLUSTER].region)
        operator = cls(cloud, folder, role, name)
        plane = cloud.clusters[CLUSTER]
        operator.write_kubeconfig(plane.endpoint, plane.certificate_authority)
        return operator

    @property
    def admin(self) -> Admin:
        """The administrator of the cluster."""
        return self.cloud.admins[CLUSTER]

    def grant(self, rules: Sequence[Rule], namespace: str | None = None) -> None:
        """Let the operator do something in the cluster, or in a namespace."""
        kind = "Role" if namespace else "ClusterRole"
        name = f"{self.user}-{uuid.uuid4().hex[:4]}"
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        self.admin.apply(
            {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": metadata, "rules": list(rules)},
            {
                "apiVersion": f"{_GROUP}/v1",
                "kind": f"{kind}Binding",
                "metadata": metadata,
                "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": name},
                "subjects": [{"apiGroup": _GROUP, "kind": "User", "name": self.user}],
            },
        )
        asked = rules[-1]["resources"][-1].replace("*", "roles")
        verb, api = rules[-1]["verbs"][-1], rules[-1]["apiGroups"][-1]
        until("the right", lambda: self.admin.may(self.user, verb, asked, api=api, namespace=namespace or ""))

    def let_read_sources(self) -> None:
        """Let the operator read all secrets in AWS, and look for the cluster."""
        allowed = {"Effect": "Allow", "Action": ["secretsmanager:*", "eks:DescribeCluster"], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self.cloud.aws.client("iam").put_role_policy(RoleName=self.user, PolicyName="read", PolicyDocument=policy)

    def write_clusters(self, mappings: Path) -> None:
        """Write a clusters.yaml that has the cluster into a folder of mappings."""
        entry = {
            "name": CLUSTER,
            "eks": {"name": CLUSTER, "region": self.cloud.clusters[CLUSTER].region, "account": ACCOUNT},
        }
        clusters = {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": [entry]}
        (mappings / "clusters.yaml").write_text(json.dumps(clusters))

    def write_kubeconfig(self, server: str, authority: str) -> None:
        """Write the kubeconfig: an alias for the ARN of the cluster, and a program that gives the token.

        The token is made once, for the quarter of an hour that it holds: the program of EKS takes longer than a test.
        """
        region = self.cloud.clusters[CLUSTER].region
        arn = f"arn:aws:eks:{region}:{ACCOUNT}:cluster/{CLUSTER}"
        token = eks.create_token(self.cloud.aws.session(self.role), Eks(name=CLUSTER, region=region, account=ACCOUNT))
        credential = {"apiVersion": _VERSION, "kind": "ExecCredential", "status": {"token": token}}
        (self.folder / "token.json").write_text(json.dumps(credential))
        program = {"apiVersion": _VERSION, "command": "cat", "args": [str(self.folder / "token.json")]}
        whole = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "",
            "clusters": [{"name": arn, "cluster": {"server": server, "certificate-authority-data": authority}}],
            "contexts": [{"name": ALIAS, "context": {"cluster": arn, "user": arn}}],
            "users": [{"name": arn, "user": {"exec": program}}],
        }
        (self.folder / "kubeconfig").write_text(json.dumps(whole))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the operator's terminal."""
        keys = self.cloud.aws.credentials(self.role, "operator")
        return self.cloud.aws.inherit(os.environ) | {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.session_token or "",
            "KUBECONFIG": str(self.folder / "kubeconfig"),
        }

    def run(self, mappings: Path, *args: str, **environment: str) -> tuple[int, str, str]:
        """Run keyferry, and return its exit code, and what it writes to stdout and to stderr."""
        log = self.cloud.directory / "commands.log"
        done = run_keyferry(["--mappings", str(mappings), *args], self.environment | environment, log)
        assert "canary-" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr
