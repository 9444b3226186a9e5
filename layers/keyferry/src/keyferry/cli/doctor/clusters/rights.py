"""What may be done in a cluster: by the person who looks, and by the users of the stack, as the cluster itself says.

The users of the stack have their names and groups as EKS signs them in (`keyferry.identity`, `access.entries`). So many
rights are asked for by name as fit into a few seconds: of each mapping one namespace first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from keyferry.access import rbac
from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.doctor.finding import Finding, format_command
from keyferry.delivery.apply import Object
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

MAX_REVIEWS = 200
"""How many rights a cluster is asked about."""
GROUPS = ("system:authenticated",)
"""The groups of everybody who signs in: the access entries give none."""
_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
OWN = (
    ("create", "authorization.k8s.io", "subjectaccessreviews"),
    *(("list", _RBAC, kind) for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
    *(("list", _ADMISSION, f"validatingadmissionpolic{end}") for end in ("ies", "ybindings")),
)
"""Verb, group and resource of what this command does in a cluster."""


@dataclass(frozen=True)
class Right:
    """Something that a user of the stack has to be allowed."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}/{self.name}" if self.name else self.resource
        return f"{self.verb} {what}" + (f" in namespace {self.namespace}" if self.namespace else "")

    @property
    def attributes(self) -> Mapping[str, str]:
        """The right as a SubjectAccessReview has it."""
        fields = {key: getattr(self, key) for key in ("verb", "group", "resource", "namespace", "name")}
        return {key: value for key, value in fields.items() if value}

    def format_command(self, context: str) -> str:
        """Return the command of kubectl that asks for it."""
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        return format_command(
            *(
                "kubectl",
                "--context",
                context,
                "auth",
                "can-i",
                self.verb,
                f"{what}/{self.name}" if self.name else what,
            ),
            *(("--namespace", self.namespace) if self.namespace else ()),
            *("--as", self.user),
        )


def check_own(client: OperatorClient) -> Iterator[Finding]:
    """Yield whether the person who looks may ask what the other checks ask."""
    rules: Sequence[Mapping[str, Sequence[str]]] = client.list_own_rules("default").get("resourceRules") or ()
    # EKS cannot list what its access policies allow: what the list lacks is asked for by itself.
    lacking = [
        f"{verb} {resource}"
        for verb, group, resource in OWN
        if not _allows(rules, verb, group, resource)
        and not client.may({"verb": verb, "group": group, "resource": resource})
    ]
    what = f"{client.cluster}: your own"
    if lacking:
        command = format_command("kubectl", "--context", client.context.name, "auth", "can-i", "--list")
        yield Finding("rights", "warning", what, f"you may not {', '.join(lacking)}: less is looked at", (command,))
    else:
        yield Finding("rights", "ok", what, "you may look at all that is looked at")


def _allows(rules: Sequence[Mapping[str, Sequence[str]]], verb: str, group: str, resource: str) -> bool:
    wanted = {"verbs": verb, "apiGroups": group, "resources": resource}
    return any(
        not rule.get("resourceNames") and all({value, "*"} & set(rule.get(part, ())) for part, value in wanted.items())
        for rule in rules
    )


def check_users(
    client: OperatorClient, rights: Iterable[Right], cluster: str, apply: Sequence[str]
) -> Iterator[Finding]:
    """Yield whether the users of the stack may do what the mappings need, and not list Secrets besides.

    Args:
        client: asks the cluster.
        rights: what they have to be allowed.
        cluster: the name of the cluster.
        apply: the commands that give them what is generated.
    """
    asked = list(islice(rights, MAX_REVIEWS))
    for user in dict.fromkeys(right.user for right in asked):
        own = [right for right in asked if right.user == user]
        refused = [right for right in own if not client.may(right.attributes, user, GROUPS)]
        what = f"{cluster}: {user}"
        if refused:
            first, more = refused[0], len(refused) - 1
            why = f"it may not {first}" + (f", and {more:,} more of {len(own):,}" if more else "")
            commands = (first.format_command(client.context.name), *apply)
            yield Finding("rights", "error", what, why, commands, tuple(map(str, refused)) if more else ())
        else:
            yield Finding("rights", "ok", what, f"it may do the {len(own):,} things that were asked for")
        everything = Right(user, "list", "", "secrets")
        if client.may(everything.attributes, user, GROUPS):
            why = "it may list all Secrets with their values, which no mapping gives it: see who binds it to what"
            yield Finding("rights", "error", what, why, (everything.format_command(client.context.name),))


def list_rights(catalog: Catalog, cluster: Cluster) -> Iterator[Right]:
    """Yield what the Roles of a cluster allow `deliver` and `reconcile`, of each mapping one namespace first.

    A mapping has a Role of one name in each of its namespaces.
    """
    identity, objects = catalog.stack.identity, rbac.build_rbac(catalog, cluster)
    roles = {rbac.identify(each): each for each in objects if each["kind"] in ("Role", "ClusterRole")}
    bindings = [each for each in objects if each["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    firsts = {each["metadata"]["name"]: each for each in reversed(bindings)}
    others = [each for each in bindings if each is not firsts[each["metadata"]["name"]]]
    for binding in [*reversed(firsts.values()), *others]:
        metadata, reference = binding["metadata"], binding["roleRef"]
        namespace = metadata.get("namespace", "")
        rules = roles[reference["kind"], namespace, reference["name"]]["rules"]
        for subject in binding["subjects"]:
            if subject["name"] in (identity.deliver, identity.reconcile):
                yield from _list_rights(subject["name"], namespace, rules)


def _list_rights(user: str, namespace: str, rules: Sequence[Object]) -> Iterator[Right]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or [""]:
                        yield Right(user, verb, group, resource, namespace, name)
