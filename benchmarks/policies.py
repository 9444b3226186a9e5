"""Writes past the generated admission policies, beside the same writes in a cluster that has none.

Two clusters, in turns: one gets the policies of so many mappings, the other gets none. Ours are the writes of the
pipeline's user, which the policies look at; others' are those of anybody else.
"""

import base64
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from keyferry.access.admission.policies import build_policies
from keyferry.identity import IDENTITY
from keyferry.kinds import STRATEGIC_MERGE
from keyferry.kube.transport import APPLY
from keyferry.mapping.mapping import SecretMapping
from keyferry_local import cloud as clouds
from keyferry_local.admin import Admin, Object
from keyferry_local.direct import mapping
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from

WRITES = 400
WARM_UP = 20
NAMESPACE, SECRET = "bench", "bench"
ACTED_ON = "example.com/note"
"""An annotation that somebody may act on: the policy has to know who gives it."""
WITH, WITHOUT = "prod-eu", "prod-us"
SOMEBODY = "somebody"


@dataclass(frozen=True)
class Case:
    """So many mappings."""

    title: str
    names: int
    choices: int
    """Different choices of namespaces by labels; 0: each mapping names its namespace."""

    def build_mappings(self) -> list[SecretMapping]:
        """Return the mappings; the Secret that is written is the last of them."""
        return [self._build_mapping(number) for number in range(self.names)]

    def _build_mapping(self, number: int) -> SecretMapping:
        is_last = number == self.names - 1
        choice = "bench" if is_last else f"team-{number % max(self.choices, 1):03}"
        chosen: Any = {"matchLabels": {"team": choice}} if self.choices else [NAMESPACE if is_last else choice]
        return mapping(
            f"mapping-{number:04}",
            sources={"it": {"secretsManager": "bench"}},
            clusters=[WITH],
            namespaces=chosen,
            secret={
                "name": SECRET if is_last else f"of-service-{number:04}",
                "data": {"value": {"from": "it"}},
                "annotations": {f"example.com/{choice}": "x", ACTED_ON: "x"},
            },
        )


CASES = (
    Case("no policy", 0, 0),
    Case("one mapping, by labels", 1, 1),
    Case("500 names, 40 choices", 500, 40),
    Case("2,000 names, 40 choices", 2000, 40),
    Case("2,000 names, 500 choices", 2000, 499),
    Case("2,000 names, namespaces by name", 2000, 0),
    Case("5,000 names, 40 choices", 5000, 40),
)


class Writer:
    """A user of a cluster that may do everything, as far as policies let it."""

    def __init__(self, admin: Admin, user: str) -> None:
        """Go by the administrator's connection."""
        self._admin, self._headers = admin, {"Impersonate-User": user}
        self._count = 0

    def write_secret(self) -> None:
        """Apply the Secret with another value."""
        self._count += 1
        value = base64.b64encode(f"canary-{self._count}".encode()).decode()
        metadata = {"name": SECRET, "annotations": {ACTED_ON: str(self._count)}}
        body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"value": value}}
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}?fieldManager=bench&force=true"
        self._admin.send("PATCH", path, body, APPLY, self._headers)

    def stamp(self) -> None:
        """Stamp the Deployment."""
        self._count += 1
        annotations = {IDENTITY.stamp_key(SECRET): f"{self._count:016x}"}
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/app?fieldManager={IDENTITY.field_manager(SECRET)}"
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        self._admin.send("PATCH", path, patch, STRATEGIC_MERGE, self._headers)


def measure(place: Path, say: Callable[[str], None]) -> Table:
    """Return milliseconds of a write, and its ratio to the same write without a policy, for each case."""
    title = f"writes past the admission policies, median of {WRITES}"
    table = Table("policies", "bytes", "our Secret", "our stamp", "others' Secret", title=title, title_justify="left")
    with clouds.running(place, say) as cloud:
        for admin in cloud.admins.values():
            _furnish(admin)
        for case in CASES:
            row = _measure(case, cloud.admins)
            say(f"{case.title}: {', '.join(row)}")
            table.add_row(case.title, *row)
    return table


def _measure(case: Case, admins: Any) -> Sequence[str]:  # noqa: ANN401
    policies = build_policies(IDENTITY, case.build_mappings()) if case.names else []
    admins[WITH].apply(*policies)
    if policies:
        _wait_until_checked(admins[WITH], policies)
    size = sum(len(str(each)) for each in policies)
    users = {"deliver": IDENTITY.deliver, "somebody": SOMEBODY}
    writers = {(user, name): Writer(admins[name], users[user]) for user in users for name in (WITH, WITHOUT)}
    told = [
        _compare(writers["deliver", WITH].write_secret, writers["deliver", WITHOUT].write_secret),
        _compare(writers["deliver", WITH].stamp, writers["deliver", WITHOUT].stamp),
        _compare(writers["somebody", WITH].write_secret, writers["somebody", WITHOUT].write_secret),
    ]
    return [f"{size:,}", *told]


def _compare(measured: Callable[[], None], bare: Callable[[], None]) -> str:
    """Return milliseconds of a write and the ratio to a bare one: of medians, writes of both in turns."""
    times: dict[Callable[[], None], list[float]] = {measured: [], bare: []}
    for number in range(WARM_UP + WRITES):
        for work, seconds in times.items():
            began = time.perf_counter()
            work()
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - began)
    with_policy, without = (statistics.median(seconds) for seconds in times.values())
    return f"{with_policy * 1000:.2f} ms ({with_policy / without:.2f})"


def _wait_until_checked(admin: Admin, policies: Iterable[Object]) -> None:
    """Wait until the API server has compiled the policies and knows nothing against them."""

    def is_checked(name: str) -> bool:
        found = admin.get("ValidatingAdmissionPolicy", name) or {}
        status, generation = found.get("status", {}), found["metadata"]["generation"]
        assert not status.get("typeChecking", {}).get("expressionWarnings"), status
        return bool(status.get("observedGeneration") == generation)

    for policy in policies:
        if policy["kind"] == "ValidatingAdmissionPolicy":
            until("the policy checked", partial(is_checked, policy["metadata"]["name"]), seconds=120)
    time.sleep(2)  # the admission plugin has an informer of its own


def _furnish(admin: Admin) -> None:
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"team": "bench"}}})
    idle = deployment("app", NAMESPACE, env_from(SECRET))
    idle["spec"]["replicas"] = 0
    admin.apply(idle)
    group = "rbac.authorization.k8s.io"
    users = [{"apiGroup": group, "kind": "User", "name": name} for name in (IDENTITY.deliver, SOMEBODY)]
    admin.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": users,
        }
    )
