"""A role of its own, with exactly the rights that are generated for some mappings, and deliveries in its name.

For tests and measurements that need no queue: the same `Runtime` as the functions', in the process that asks.
"""

import json
import os
import time
import traceback
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from keyferry.access import iam
from keyferry.access.rbac import build_rbac
from keyferry.deadline import Deadline
from keyferry.delivery.report import Report
from keyferry.identity import GENERATED_LABEL
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.secret import SecretSpec
from keyferry.mapping.stack import StackNames
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery
from keyferry.runtime.compiled import COMPILED_FILE
from keyferry.runtime.wiring import Runtime
from keyferry_local import aws
from keyferry_local.admin import Admin, Object, Refused
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.watch import until

SHARED = StackNames(prefix="scenes")
"""A stack that many catalogues share. Its policies let every Secret that one of them names go to every namespace: those
of each catalogue by itself would take a second to come into force, and hundreds of them would slow the API server."""
_POLICY = "ValidatingAdmissionPolicy"
_SECRETS = "-secrets"
"""What the names of policies for Secrets end in."""
_SECRETS_KNOWN = "keyferry.dev/secrets"
"""Annotation of the shared stack's policies: name → labels, annotations and immutability of the Secrets they know."""
UNTIL_IN_FORCE = 1.3
"""Seconds: the API server looks once a second whether admission policies have changed."""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def mapping(name: str, **spec: Any) -> SecretMapping:  # noqa: ANN401
    """Return a mapping from what its spec says."""
    whole = {"apiVersion": "keyferry.dev/v1", "kind": "SecretMapping", "metadata": {"name": name}, "spec": spec}
    return SecretMapping.model_validate(whole)


def catalog(
    cloud: Cloud,
    mappings: Sequence[SecretMapping],
    stack: StackNames | None = None,
    **cluster: Any,  # noqa: ANN401
) -> Catalog:
    """Return the mappings with all clusters of the cloud; `cluster` adds to each cluster's entry."""
    clusters = [
        Cluster.model_validate({"name": name, "eks": {"name": name, "region": p.region, "account": ACCOUNT}} | cluster)
        for name, p in cloud.clusters.items()
    ]
    return build_catalog(mappings, clusters, stack)


@dataclass(frozen=True)
class Direct:
    """Deliveries in the name of one role."""

    cloud: Cloud
    catalog: Catalog
    role: str

    @classmethod
    def grant(cls, cloud: Cloud, whole: Catalog, *, rbac: bool = True, entries: bool = True) -> "Direct":
        """Make a role with the generated IAM policy, its access entries, and the generated RBAC in every cluster.

        Namespaces that the mappings name must exist.
        """
        name = f"direct-{uuid.uuid4().hex[:8]}"
        made = cloud.aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        direct = cls(cloud, whole, str(made["Role"]["Arn"]))
        direct.allow(statements(cloud, whole))
        if rbac:
            _in_every_cluster(whole, direct._apply_rbac)
        for cluster in whole.clusters.values() if entries else ():
            user, region = whole.stack.identity.deliver, cluster.eks.region
            aws.add_access_entry(cloud.aws, cluster.eks.name, direct.role, user, region=region)
        return direct

    def _apply_rbac(self, name: str) -> None:
        """Apply the generated RBAC of a cluster, by its name; policies of the shared stack know all other names too."""
        admin, cluster = self.cloud.admins[name], self.catalog.clusters[name]
        objects = build_rbac(self.catalog, cluster)
        if self.catalog.stack == SHARED:
            secrets = [each.spec.secret for each in self.catalog.mappings.values()]
            policies = _build_shared_policies(admin, secrets, cluster)
            objects = policies + [each for each in objects if not each["kind"].startswith(_POLICY)]
        apply_rbac(admin, objects)

    def allow(self, allowed: Sequence[Mapping[str, Any]]) -> None:
        """Let the role do what these statements say, and nothing else."""
        iam, name = self.cloud.aws.client("iam"), self.role.rpartition("/")[2]
        document = json.dumps({"Version": "2012-10-17", "Statement": list(allowed)})
        if allowed:  # a policy needs a statement
            iam.put_role_policy(RoleName=name, PolicyName="generated", PolicyDocument=document)

    @cached_property
    def runtime(self) -> Runtime:
        """The runtime, with the role's credentials. AWS_ENDPOINT_URL must be in the process's environment."""
        return Runtime({}, self.catalog, self.cloud.aws.session(self.role))

    def deliver(self, mapping: str, cluster: str = "prod-eu", *, seconds: float = 60, **more: Any) -> Report:  # noqa: ANN401
        """Carry out a delivery in this process, and write down all that it says: a leak test searches it."""
        report = self.runtime.deliver(delivery(mapping, cluster, **more), deadline(seconds))
        with (self.cloud.directory / "reports.log").open("a") as file:
            print(repr(report), *map(traceback.format_exception, report.errors), file=file)
        return report

    def environment(self, directory: Path) -> dict[str, str]:
        """Return the environment in which the function `deliver` runs in a process of its own."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / COMPILED_FILE).write_text(self.catalog.model_dump_json(by_alias=True, exclude_defaults=True))
        credentials = self.cloud.aws.credentials(self.role, "deliver")
        return self.cloud.aws.inherit(os.environ) | {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.session_token or "",
            "KEYFERRY_MAPPINGS": str(directory),
        }


def share(cloud: Cloud, secrets: Collection[SecretSpec]) -> None:
    """Make Secrets known to the shared stack, all at once, before catalogues that have them.

    A Secret that the policies do not know yet costs its catalogue the time that they take to come into force.
    """
    whole, admins = catalog(cloud, [], SHARED), cloud.admins

    def apply(name: str) -> None:
        apply_rbac(admins[name], _build_shared_policies(admins[name], secrets, whole.clusters[name]))

    _in_every_cluster(whole, apply)


def _in_every_cluster(whole: Catalog, change: Callable[[str], None]) -> None:
    """Make a change in each cluster by its name, at once: what waits does so beside the others."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(change, whole.clusters))


def _build_shared_policies(admin: Admin, more: Collection[SecretSpec], cluster: Cluster) -> list[Object]:
    """Return the shared policies for the Secrets that they know in a cluster, and more."""
    known = admin.get(_POLICY, SHARED.identity.secrets_policy) or {"metadata": {}}
    secrets: dict[str, Object] = json.loads(known["metadata"].get("annotations", {}).get(_SECRETS_KNOWN, "{}"))
    for spec in more:
        secrets[spec.name] = _add(secrets.get(spec.name, {}), spec)
    everywhere = [_everywhere(name, cluster.name, known) for name, known in sorted(secrets.items())]
    union = build_catalog(everywhere, [cluster], SHARED)
    policies = [each for each in build_rbac(union, cluster) if each["kind"].startswith(_POLICY)]
    for each in policies:
        each["metadata"] |= {"annotations": {_SECRETS_KNOWN: json.dumps(secrets, sort_keys=True)}}
    return policies


def _add(known: Object, secret: SecretSpec) -> Object:
    """Return what the shared policies know of a Secret, with what a mapping gives it."""
    return {
        "labels": known.get("labels", {}) | dict.fromkeys(secret.labels, "x"),
        "annotations": known.get("annotations", {}) | dict.fromkeys(secret.annotations, "x"),
        "immutable": known.get("immutable", False) or secret.immutable,
    }


def _everywhere(secret: str, cluster: str, more: Object) -> SecretMapping:
    """Return a mapping of a Secret that may do everything with it, in every namespace."""
    return mapping(
        secret,
        sources={"db": {"secretsManager": "db"}},
        clusters=[cluster],
        namespaces={"names": ["*"]},
        secret={"name": secret, "data": {"key": {"from": "db"}}, **more},
        policies={"conflict": "takeOver", "deletion": "delete"},
    )


def apply_rbac(admin: Admin, objects: Sequence[Object]) -> None:
    """Apply policies, Roles and bindings, and wait until the API server goes by them."""
    names = [each["metadata"]["name"] for each in objects if each["kind"] == _POLICY]
    before = {name: _generation(admin.get(_POLICY, name)) for name in names}
    admin.apply(*objects)
    changed = [name for name in names if before[name] != _generation(admin.get(_POLICY, name))]
    if any(before[name] for name in changed):
        time.sleep(UNTIL_IN_FORCE)
    for name in changed:
        if name.endswith(_SECRETS):
            until(f"{name} is in force", partial(_is_in_force, admin, name))
    roles = {(each["kind"], each["metadata"]["name"]): each for each in objects if "rules" in each}
    for binding in objects[-2:]:
        role = roles.get((binding.get("roleRef", {}).get("kind"), binding["metadata"]["name"]))
        for rule in role["rules"][-1:] if role else ():
            asked = {"api": rule["apiGroups"][0], "name": rule.get("resourceNames", [""])[0]}
            verb, resource, user = rule["verbs"][-1], rule["resources"][-1], binding["subjects"][0]["name"]
            where = binding["metadata"].get("namespace", "")
            until(f"{user} may {verb} {resource}", partial(admin.may, user, verb, resource, namespace=where, **asked))


def _is_in_force(admin: Admin, policy: str) -> bool:
    """Return whether a policy for Secrets refuses what each refuses, to its user with an administrator's rights."""
    metadata = {"name": "probe", "labels": {GENERATED_LABEL: "probe"}}
    user = {"Impersonate-User": f"{policy.removesuffix(_SECRETS)}:deliver", "Impersonate-Group": "system:masters"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    try:
        admin.send("POST", "/api/v1/namespaces/default/secrets?dryRun=All", body, "application/json", user)
    except Refused as refusal:
        return policy in str(refusal)
    return False


def _generation(raw: Object | None) -> int:
    """Return how often an object has changed; 0 for one that is not there."""
    return int(raw["metadata"]["generation"]) if raw else 0


def delivery(mapping: str, cluster: str = "prod-eu", **more: Any) -> Delivery:  # noqa: ANN401
    """Return a delivery."""
    known = {"event_id": uuid.uuid4().hex, "time": datetime.now(UTC)} | more
    return Delivery(mapping=mapping, cluster=cluster, **known)


def deadline(seconds: float = 60) -> Deadline:
    """Return a deadline that many seconds ahead."""
    return Deadline.after(seconds)


def statements(cloud: Cloud, whole: Catalog, role: str = "DeliverRole") -> list[Mapping[str, Any]]:
    """Return the generated IAM statements of a role, by its parameter, once the pseudo parameters are filled in."""
    resources = iam.build_template(whole)["Resources"].values()
    policies = [
        each["Properties"] for each in resources if {"Ref": role} in each.get("Properties", {}).get("Roles", ())
    ]
    return [_fill_in(cloud, each) for policy in policies for each in policy["PolicyDocument"]["Statement"]]


def _fill_in(cloud: Cloud, value: Any) -> Any:  # noqa: ANN401 - JSON
    match value:
        case {"Fn::Sub": str(text)}:
            filled = text.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", ACCOUNT)
            return filled.replace("${AWS::Region}", cloud.aws.region).replace("${AWS::URLSuffix}", "amazonaws.com")
        case dict():
            return {key: _fill_in(cloud, each) for key, each in value.items()}
        case list():
            return [_fill_in(cloud, each) for each in value]
    return value
