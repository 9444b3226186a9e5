"""The pipeline's identity is worth its deliveries, and nothing more: attacks, and the object that stops each of them.

`tests/integration/attack_list.py` lists them. Each is refused with the generated rights; each succeeds, as a dry run,
with rights that lack only what is said to stop it: a validation of a policy taken out, or a rule of RBAC added.
"""

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import pytest
import urllib3

from keyferry.access import rbac
from keyferry.identity import Identity
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.stack import StackNames
from keyferry_local import aws, certificates
from keyferry_local.admin import Admin, Object, Refused
from keyferry_local.cloud import Cloud
from keyferry_local.direct import UNTIL_IN_FORCE, Direct, apply_rbac, catalog
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration import attack_list, attacks, event_attacks
from tests.integration.attacks import AGAIN, BARE, HOME, LABELS, NEAR, TEAM, Absence, Attack, Stopper, Validation
from tests.integration.scene import CLUSTER, tokens

SECRETS = {
    HOME: ("db", "registry", "somebodys", "copied"),
    TEAM: ("session", "db"),
    AGAIN: ("session",),
    NEAR: ("session",),
    BARE: ("session", "db"),
}
"""Namespace → Secrets that are there."""


@dataclass(frozen=True)
class Caller:
    """Somebody who signs in to the cluster by the token of a role, as the functions do."""

    cloud: Cloud
    role: str

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        authority = base64.b64decode(self.cloud.clusters[CLUSTER].certificate_authority).decode()
        return urllib3.PoolManager(ssl_context=certificates.trusting(authority), retries=False)

    @cached_property
    def _token(self) -> str:
        return tokens(self.cloud, self.role).get()

    def send(self, attack: Attack, *, dry: bool = False) -> tuple[int, str]:
        """Send the request, and return the status and the text of the answer."""
        url = self.cloud.clusters[CLUSTER].endpoint + attack.path
        if dry and attack.method != "GET":
            url += ("&" if "?" in url else "?") + "dryRun=All"
        headers = {"Authorization": f"Bearer {self._token}", **attack.headers}
        headers |= {"Content-Type": attack.content_type} if attack.content_type else {}
        body = None if attack.body is None else json.dumps(attack.body)
        answer = self._pool.request(attack.method, url, body=body, headers=headers, timeout=20)
        return answer.status, answer.data.decode()


@dataclass(frozen=True)
class Ground:
    """A stack of its own in the cluster, and who signs in as its users."""

    cloud: Cloud
    catalog: Catalog

    @property
    def admin(self) -> Admin:
        """The administrator of the cluster."""
        return self.cloud.admins[CLUSTER]

    @property
    def identity(self) -> Identity:
        """The names of the stack."""
        return self.catalog.stack.identity

    @property
    def rbac(self) -> list[Object]:
        """What is generated for the cluster."""
        return rbac.build_rbac(self.catalog, self.catalog.clusters[CLUSTER])

    def let_in(self, user: str) -> Caller:
        """Return a role with an access entry as this user."""
        direct = Direct.grant(self.cloud, self.catalog, rbac=False, entries=False)
        region = self.catalog.clusters[CLUSTER].eks.region
        aws.add_access_entry(self.cloud.aws, CLUSTER, direct.role, user, region=region)
        return Caller(self.cloud, direct.role)

    def managed(self) -> Mapping[str, Sequence[Object]]:
        """Return kind → the managedFields of a Secret and of a Deployment that are attacked."""
        found = {kind: self.admin.get(kind, name, HOME) for kind, name in (("Secret", "db"), ("Deployment", "api"))}
        return {kind: raw["metadata"]["managedFields"] for kind, raw in found.items() if raw}

    def remove_policies(self) -> None:
        """Delete the admission policies: each costs the API server time with whatever is written after this."""
        for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
            for name in self.identity.policies:
                self.admin.delete(kind, name)

    def versions(self) -> Mapping[str, object]:
        """Return what changes with each Secret and each Deployment of the namespaces that are attacked."""
        return {
            f"{kind}/{namespace}/{each['metadata']['name']}": each["metadata"].get("generation", each.get("data"))
            for kind in ("Secret", "Deployment")
            for namespace in (*LABELS, "default", "kube-system")
            for each in self.admin.list(kind, namespace)
        }


def build_catalog(cloud: Cloud) -> Catalog:
    """Return the attacked mappings, as a stack with a prefix of its own has them."""
    return catalog(cloud, attacks.build_mappings(), StackNames(prefix=f"attacked-{uuid.uuid4().hex[:8]}"), events=True)


@pytest.fixture(scope="module")
def ground(cloud: Cloud) -> Iterator[Ground]:
    """The stack with all that is generated, and what is attacked."""
    ground = Ground(cloud, build_catalog(cloud))
    admin = ground.admin
    for name, labels in LABELS.items():
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}})
        admin.apply(deployment("api", name, env_from("db")))
        until("a ServiceAccount", partial(has_account, admin, name))  # else its token would be taken away
        for secret in SECRETS.get(name, ()):
            admin.apply(attacks.build_secret(secret, name, **token_of(secret, name)))
    owner = admin.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": HOME}})[0]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    annotations = {attacks.REPLICATED: "shop"}
    metadata = {"ownerReferences": [reference], "finalizers": ["example.com/kept"], "annotations": annotations}
    admin.edit("Secret", "registry", HOME, {"metadata": metadata})
    known = event_attacks.event(ground.identity, metadata={"name": event_attacks.KNOWN})
    admin.send("POST", f"/api/v1/namespaces/{HOME}/events", known, attacks.JSON)
    apply_rbac(admin, ground.rbac)
    for name in LABELS:
        until("the Deployment at rest", partial(is_at_rest, admin, name))  # some attacks repeat its managedFields
    yield ground
    ground.remove_policies()


def has_account(admin: Admin, namespace: str) -> bool:
    """Return whether the ServiceAccount `default` of a namespace is there."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts?fieldSelector=metadata.name%3Ddefault"
    return bool(admin.send("GET", path)["items"])


def is_at_rest(admin: Admin, namespace: str) -> bool:
    """Return whether the controllers have written all that they write of the Deployment `api`: no pod runs here."""
    found = admin.get("Deployment", "api", namespace) or {}
    status = found.get("status", {})
    seen = status.get("observedGeneration"), status.get("unavailableReplicas")
    return seen == (found["metadata"]["generation"], found["spec"]["replicas"])


def token_of(secret: str, namespace: str) -> Object:
    """Return what makes the Secret `session` of TEAM the token of a ServiceAccount; nothing for others."""
    if (secret, namespace) != ("session", TEAM):
        return {}
    annotations = {"annotations": {"kubernetes.io/service-account.name": "default"}}
    return {"type": attacks.ACCOUNT_TOKEN, "metadata": annotations, "data": None}


def select(name: str, identity: Identity, managed: Mapping[str, Sequence[Object]]) -> list[Attack]:
    """Return the attacks by a user: `deliver`, `push` or `reconcile`."""
    if name == "reconcile":
        return list(attack_list.list_attacks_of_reconcile(identity))
    own = event_attacks.list_attacks_of_push if name == "push" else event_attacks.list_attacks_of_deliver
    return [*attack_list.list_attacks(identity, managed), *own(identity)]


@pytest.fixture(scope="module", params=["deliver", "push", "reconcile"])
def attacker(request: pytest.FixtureRequest, ground: Ground) -> tuple[str, Caller]:
    """Each user of the stack."""
    return request.param, ground.let_in(getattr(ground.identity, request.param))


def test_no_attack_succeeds_and_each_is_refused_by_what_is_said_to_stop_it(
    ground: Ground, attacker: tuple[str, Caller]
) -> None:
    name, caller = attacker
    before = ground.versions()
    allowed = [
        f"{attack}: {status} {text[:300]}"
        for attack in select(name, ground.identity, ground.managed())
        for status, text in [caller.send(attack)]
        if not is_refused(attack, status, text)
    ]
    assert allowed == []
    assert ground.versions() == before


_WITHOUT_REASON = ' is forbidden: ","reason"'
"""In what Kubernetes 1.30 answers to an apply that creates, and may not."""


def is_refused(attack: Attack, status: int, text: str) -> bool:
    """Return whether it is the first of its stoppers that refuses an attack."""
    if any(isinstance(each, Absence) for each in attack.stopped_by):  # RBAC is asked first
        return status == 403 and ("cannot" in text or _WITHOUT_REASON in text)
    first = attack.stopped_by[0]
    return status == 403 and isinstance(first, Validation) and first.message in text


type Weaken = Callable[..., tuple[Ground, Caller]]


@pytest.fixture
def weaken(ground: Ground) -> Iterator[Weaken]:
    """Makes copies of the stack, each with another prefix, that lack what stops an attack, each with a user of it."""
    copies = []

    def copy(stopped_by: Sequence[Stopper], *, user: str = "deliver") -> tuple[Ground, Caller]:
        copies.append(Ground(ground.cloud, build_catalog(ground.cloud)))
        copies[-1].admin.apply(*attacks.without(copies[-1].rbac, stopped_by, copies[-1].identity))
        return copies[-1], copies[-1].let_in(getattr(copies[-1].identity, user))

    yield copy
    for each in copies:
        each.remove_policies()


def send_weakened(
    ground: Ground, weaken: Weaken, choose: Callable[[Ground], Iterable[Attack]], user: str
) -> list[tuple[str, int, str]]:
    """Send attacks as dry runs where what stops each is taken away, and nothing else; return what is answered to each.

    What RBAC alone stops is sent to one copy of the stack, whose users may do one thing more after the other.
    """
    widened = weaken((), user=user)
    stoppers = dict.fromkeys(attack.stopped_by for attack in choose(ground))
    copies = {each: widened if is_by_rbac(each) else weaken(each, user=user) for each in stoppers}
    time.sleep(UNTIL_IN_FORCE)
    answers = []
    for stopped_by, (copy, caller) in copies.items():
        if is_by_rbac(stopped_by):
            widen(copy, stopped_by, user)
        chosen = [attack for attack in choose(copy) if attack.stopped_by == stopped_by]
        answers += [(attack.what, *caller.send(attack, dry=True)) for attack in chosen]
    assert len(answers) == len(list(choose(ground)))
    return answers


def is_by_rbac(stopped_by: Sequence[Stopper]) -> bool:
    """Return whether no policy stops an attack."""
    return all(isinstance(each, Absence) for each in stopped_by)


def widen(ground: Ground, stopped_by: Sequence[Stopper], user: str) -> None:
    """Let the users of a stack do what no Role lets them do, and no longer what they were let do before."""
    rules = [each for each in stopped_by if isinstance(each, Absence)]
    ground.admin.apply(*attacks.build_too_much(ground.identity, [each.rule for each in rules]))
    who, (*_, last) = getattr(ground.identity, user), rules
    until("the right", partial(ground.admin.may, who, last.verb, last.resource, api=last.group))


def test_each_attack_succeeds_where_what_stops_it_is_taken_away(ground: Ground, weaken: Weaken) -> None:
    answers = send_weakened(ground, weaken, lambda copy: select("deliver", copy.identity, copy.managed()), "deliver")
    still_refused = [f"{what}: {status} {text[-150:]}" for what, status, text in answers if status >= 300]
    assert not still_refused, "\n".join(still_refused)


@pytest.mark.parametrize(
    ("user", "list_attacks"),
    [("reconcile", attack_list.list_attacks_of_reconcile), ("push", event_attacks.list_attacks_of_push)],
)
def test_each_attack_of_others_succeeds_with_the_rule_that_they_have_not(
    ground: Ground, weaken: Weaken, user: str, list_attacks: Callable[[Identity], Iterator[Attack]]
) -> None:
    answers = send_weakened(ground, weaken, lambda copy: list_attacks(copy.identity), user)
    assert [(what, text) for what, status, text in answers if status >= 300] == []


def test_a_secret_that_may_be_deleted_does_not_come_back_as_a_token(ground: Ground) -> None:
    caller = ground.let_in(ground.identity.deliver)
    path = f"/api/v1/namespaces/{AGAIN}/secrets/session"
    as_token = attacks.build_secret("session", AGAIN, **token_of("session", TEAM))
    plain = attacks.build_secret("session", AGAIN)
    apply = partial(attacks.apply_secret, "make it again")
    refused, status = "no token of the cluster", [caller.send(Attack("delete", "DELETE", path, ()))[0]]

    code, text = caller.send(apply(as_token | {"metadata": as_token["metadata"] | {"namespace": AGAIN}}))
    assert (status, code) == ([200], 403)
    assert refused in text
    assert caller.send(apply(plain))[0] == 201
    code, text = caller.send(attacks.patch_secret("type", "session", AGAIN, {"type": attacks.ACCOUNT_TOKEN}))
    assert (code, "field is immutable" in text) == (422, True), "Kubernetes itself keeps the type"


def test_what_a_mapping_gives_a_secret_and_what_nobody_acts_on_may_be_set(
    ground: Ground, attacker: tuple[str, Caller]
) -> None:
    name, caller = attacker
    for metadata in (
        {"annotations": {attacks.REPLICATED: "other"}, "labels": {attacks.CLUSTER_OF_ARGO: "other"}},
        {"labels": {"team": "shop", "app.kubernetes.io/name": "db", "app.kubernetes.io/managed-by": "keyferry"}},
        {"annotations": {"note": "x", "keyferry.dev/of-a-newer-release": "x"}},
    ):
        patch = attacks.patch_secret("mark", "copied", HOME, {"metadata": metadata})
        assert caller.send(patch, dry=True)[0] == (403 if name == "reconcile" else 200), metadata


def test_marks_of_others_stay_and_may_be_taken_away(ground: Ground) -> None:
    caller = ground.let_in(ground.identity.deliver)
    for patch in ({"data": {"x": "eA=="}}, {"metadata": {"annotations": {attacks.REPLICATED: None}}}):
        assert caller.send(attacks.patch_secret("change", "registry", HOME, patch), dry=True)[0] == 200


def test_without_the_rule_the_token_of_a_service_account_is_had(ground: Ground, weaken: Weaken) -> None:
    """So the local cloud would show it, if a policy let a token through."""
    rules = [Validation("secrets", message) for message in (attacks.NO_TOKENS, attacks.NO_ANNOTATION)]
    _, caller = weaken(rules)
    time.sleep(UNTIL_IN_FORCE)
    body = attacks.build_secret("once", AGAIN, **token_of("session", TEAM))
    assert caller.send(attacks.apply_secret("make a token", body))[0] == 201
    read = Attack("read it", "GET", f"/api/v1/namespaces/{AGAIN}/secrets/once", ())
    until("a token", lambda: "token" in json.loads(caller.send(read)[1]).get("data", {}))
    ground.admin.delete("Secret", "once", AGAIN)


def test_what_get_cannot_be_limited_to_is_every_secret_of_a_name(ground: Ground, attacker: tuple[str, Caller]) -> None:
    _, caller = attacker
    for namespace, status in ((TEAM, 200), (NEAR, 200), (BARE, 200), ("kube-system", 404)):
        read = Attack("read", "GET", f"/api/v1/namespaces/{namespace}/secrets/session", ())
        assert caller.send(read)[0] == status


def test_what_list_cannot_be_limited_to_is_every_workload_for_those_who_restart(
    ground: Ground, attacker: tuple[str, Caller]
) -> None:
    name, caller = attacker
    expected = 403 if name == "reconcile" else 200
    for path in ("/apis/apps/v1/deployments", f"/apis/apps/v1/namespaces/{BARE}/deployments"):
        assert caller.send(Attack("list Deployments", "GET", path, ()))[0] == expected


def test_who_is_no_user_of_the_stack_is_neither_widened_nor_held_by_groups_of_its_names(ground: Ground) -> None:
    groups = [*ground.identity.users, ground.identity.prefix, "keyferry", "keyferry-readers"]
    scale = {"spec": {"replicas": 1}}
    api = f"/apis/apps/v1/namespaces/{HOME}/deployments/api"
    secret = f"/api/v1/namespaces/{HOME}/secrets/db"
    administrator = build_headers("admin", [*groups, "system:masters"])
    somebody = build_headers("somebody", groups)

    ground.admin.send("PATCH", f"{api}?dryRun=All", scale, attacks.MERGE, administrator)
    finalizers = {"metadata": {"finalizers": ["example.com/x"]}}
    ground.admin.send("PATCH", f"{secret}?dryRun=All", finalizers, attacks.MERGE, administrator)
    with pytest.raises(Refused) as refusal:
        ground.admin.send("GET", secret, headers=somebody)
    assert refusal.value.status == 403


def build_headers(user: str, groups: Sequence[str]) -> urllib3.HTTPHeaderDict:
    """Return headers by which an administrator acts as somebody else."""
    headers = urllib3.HTTPHeaderDict({"Impersonate-User": user})
    for group in groups:
        headers.add("Impersonate-Group", group)
    return headers
