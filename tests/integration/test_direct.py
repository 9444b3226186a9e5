"""A delivery in the name of a role with exactly the generated rights."""

from local.cloud import Cloud
from local.world import deployment, env_from
from tests.integration.direct import Direct, catalog, mapping


def test_a_delivery_creates_the_secret_and_restarts_what_uses_it(cloud: Cloud, namespace: str) -> None:
    name = f"{namespace}/db"
    cloud.aws.client("secretsmanager").create_secret(Name=name, SecretString='{"password": "canary-direct"}')
    spec = {
        "sources": {"db": {"secretsManager": name}},
        "clusters": ["prod-eu"],
        "namespaces": [namespace],
        "secret": {"name": "db", "data": {"password": {"from": "db", "path": "password"}}},
    }
    direct = Direct.grant(cloud, catalog(cloud, [mapping(namespace, **spec)]))
    admin = cloud.admins["prod-eu"]
    admin.apply(deployment("api", namespace, env_from("db")))

    report = direct.deliver(namespace)

    assert not report.errors
    assert admin.data("db", namespace) == {"password": b"canary-direct"}
    assert report.outcomes[0].restarted == ("Deployment/api",)
