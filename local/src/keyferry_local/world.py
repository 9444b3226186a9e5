"""What the demo and the tests find in AWS and in the clusters: secrets, namespaces and workloads of two small teams.

The mappings for it are in examples/mappings.
"""

import json
from datetime import UTC, datetime
from typing import Any

from keyferry_local.admin import Admin
from keyferry_local.aws import Aws

type Object = dict[str, Any]

DATABASE = "prod/payments/db"
"""The secret that is rotated."""
DATABASE_SECRET = ("payments-db", "payments")
"""The Secret that its mapping makes: name, namespace."""
TEAMS = {"payments": "payments", "shop-web": "shop", "shop-jobs": "shop"}
"""Namespace → team."""


def create_sources(aws: Aws) -> None:
    """Create the secrets and the parameter."""
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name=DATABASE, SecretString=database("canary-payments-1"))
    secrets.create_secret(Name="prod/shop/session", SecretString=json.dumps({"key": "canary-session-1"}))
    robot = {"username": "robot", "password": "canary-registry-1"}
    secrets.create_secret(Name="prod/platform/registry", SecretString=json.dumps(robot))
    secrets.create_secret(Name="prod/shop/keystore", SecretBinary=b"\x00\xffcanary-keystore-1")
    aws.client("ssm").put_parameter(Name="/prod/payments/tls", Value="canary-tls-1", Type="SecureString")


def database(password: str, **more: str) -> str:
    """Return the value of the database's secret."""
    return json.dumps({"username": "payments_rw", "password": password, **more})


def create_namespaces(admin: Admin) -> None:
    """Create the namespaces with their teams as labels."""
    for name, team in TEAMS.items():
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}})


def create_workloads(admin: Admin) -> None:
    """Create Deployments that use the Secrets, and one that does not."""
    admin.apply(
        deployment("api", "payments", env_from("payments-db")),
        deployment("worker", "payments", volume("payments-db")),
        deployment("docs", "payments", {}),
        deployment("web", "shop-web", env_from("session")),
        deployment("web", "shop-jobs", env_from("session")),
    )


def deployment(name: str, namespace: str, pod: Object) -> Object:
    """Return a Deployment whose pod spec has one container and what is given."""
    labels = {"app": name}
    container = {"name": "main", "image": "registry.example/main:1"} | pod.get("container", {})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container]} | pod.get("spec", {}),
            },
        },
    }


def env_from(secret: str) -> Object:
    """Return what makes a pod take its environment from a Secret."""
    return {"container": {"envFrom": [{"secretRef": {"name": secret}}]}}


def volume(secret: str) -> Object:
    """Return what makes a pod mount a Secret."""
    mount = {"name": "secret", "mountPath": "/secret"}
    return {
        "container": {"volumeMounts": [mount]},
        "spec": {"volumes": [{"name": "secret", "secret": {"secretName": secret}}]},
    }


SECRETS = (
    *(DATABASE_SECRET, ("session", "shop-web"), ("session", "shop-jobs"), ("keystore", "payments")),
    *(("registry", namespace) for namespace in TEAMS),
)
"""The Secrets that examples/mappings make: name, namespace."""


def password(admin: Admin) -> bytes | None:
    """Return the password that the cluster holds."""
    return (admin.data(*DATABASE_SECRET) or {}).get("password")


def versions(admin: Admin) -> str:
    """Return what the Secret's journal says of versions."""
    found = admin.get("Secret", *DATABASE_SECRET) or {"metadata": {}}
    return str(found["metadata"].get("annotations", {}).get("keyferry.dev/versions", ""))


def replica_sets(admin: Admin) -> set[str]:
    """Return the names of all ReplicaSets of payments: each rollout makes one, named for its Deployment."""
    return {each["metadata"]["name"] for each in admin.list("ReplicaSet", "payments")}


def resource_versions(admin: Admin) -> dict[str, str]:
    """Return the resourceVersion of every Secret, and the generation of every Deployment, of the teams."""
    secrets = {f"{n}/{s}": (admin.get("Secret", s, n) or {"metadata": {}})["metadata"] for s, n in SECRETS}
    workloads = {
        f"{namespace}/{each['metadata']['name']}": str(each["metadata"]["generation"])
        for namespace in TEAMS
        for each in admin.list("Deployment", namespace)
    }
    return {name: metadata.get("resourceVersion", "") for name, metadata in secrets.items()} | workloads


def send_event(aws: Aws, changes_queue_url: str, secret: str, version: str, event_id: str) -> None:
    """Put the event that AWSCURRENT of a secret has moved on the changes queue, as EventBridge does.

    Not on the bus: that takes no events of `aws.*` from others.
    """
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": "Secret Label Updated",
        "source": "aws.secretsmanager",
        "account": aws.account,
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "region": aws.region,
        "resources": [aws.client("secretsmanager").describe_secret(SecretId=secret)["ARN"]],
        "detail": {"name": secret, "labelUpdated": "AWSCURRENT", "versionId": version},
    }
    aws.client("sqs").send_message(QueueUrl=changes_queue_url, MessageBody=json.dumps(event))
