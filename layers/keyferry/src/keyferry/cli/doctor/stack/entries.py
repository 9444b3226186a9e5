"""The roles, and the access entries that let them into clusters: an entry dies with its role.

EKS keeps the unique id of a role in an entry and shows its ARN alone. So an entry that is older than its role is taken
for that of an earlier role, as access-entries.sh does.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from keyferry.access.entries import AccessEntry, list_access_entries
from keyferry.arn import Arn
from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.subject import Subject
from keyferry.errors import KeyferryError, Rejected, SourceUnavailable
from keyferry.mapping.targets import Cluster

ROLES = ("RouteRoleArn", "DeliverRoleArn", "ReconcileRoleArn")
"""The outputs that have the ARNs of the functions' roles."""


def list_checks(subject: Subject) -> list[Check]:
    """Return the checks of the roles, and of the entries that mappings need."""
    entries = list_access_entries(subject.catalog) if subject.catalog else []
    chosen = [entry for entry in entries if subject.cluster in (None, entry.cluster.name)]
    # An output that is not there is of a role that need not be there, or said by `check_role`.
    known = [entry for entry in chosen if Arn.parse(entry.principal) or entry.principal in subject.outputs]
    return [
        *(Check("roles", output.removesuffix("Arn"), partial(check_role, subject, output)) for output in ROLES),
        *(
            Check("access entries", f"{entry.cluster.name}: {entry.username}", partial(check_entry, subject, entry))
            for entry in known
        ),
    ]


def check_role(subject: Subject, output: str) -> Iterator[Finding]:
    """Yield whether a role of the stack is there."""
    arn, what = subject.outputs.get(output, ""), output.removesuffix("Arn")
    if _read_creation(subject, arn) is None:
        remedy = subject.format_restore() if arn else subject.call.deploy
        yield Finding("roles", "error", what, f"there is no role {arn or 'of that output'}", remedy)
    else:
        yield Finding("roles", "ok", what, "there")


def _read_creation(subject: Subject, arn: str) -> datetime | None:
    """Return when a role was made; None where there is none of that ARN."""
    name = arn.rpartition("/")[2]
    if not name:
        return None
    try:
        with translate_errors(f"iam:GetRole on {name}"):
            role = subject.client("iam").get_role(RoleName=name)["Role"]
    except Rejected as error:
        if "NoSuchEntity" in str(error):
            return None
        raise
    created: datetime = role["CreateDate"]
    return created


def check_entry(subject: Subject, entry: AccessEntry) -> Iterator[Finding]:
    """Yield whether a cluster lets a role in, as its user, and has since the role was made."""
    cluster, what = entry.cluster, f"{entry.cluster.name}: {entry.username}"
    principal = subject.outputs.get(entry.principal, entry.principal)
    if cluster.eks.account != subject.caller.account:
        script = format_command("sh", subject.call.name_generated("stack/access-entries.sh"), subject.stack.name)
        why = f"it is of account {cluster.eks.account}: look with credentials of that account"
        yield Finding("access entries", "warning", what, why, (_format(cluster, "describe", principal), script))
        return
    create = _format(cluster, "create", principal, "--username", entry.username)
    try:
        with translate_errors(f"eks:DescribeAccessEntry on {cluster.eks.name}"):
            answer = subject.client("eks", cluster.eks.region).describe_access_entry(
                clusterName=cluster.eks.name, principalArn=principal
            )
    except SourceUnavailable:
        why = f"cluster {cluster.eks.name} has no access entry for {principal}, or is not there"
        remedy = subject.call.deploy if _awaits_deployment(subject, cluster) else (create,)
        yield Finding("access entries", "error", what, why, remedy)
        return
    found = answer["accessEntry"]
    made = _read_creation(subject, principal)
    if made and made.replace(microsecond=0) > found["createdAt"]:  # EKS' times can be whole seconds
        why = f"the entry is older than its role {principal}, which was made again: it lets nobody in"
        yield Finding("access entries", "error", what, why, (_format(cluster, "delete", principal), create))
    elif found.get("username") != entry.username:
        update = _format(cluster, "update", principal, "--username", entry.username)
        why = f"it signs {principal} in as {found.get('username')}, who has no rights there"
        yield Finding("access entries", "error", what, why, (update,))
    else:
        yield Finding("access entries", "ok", what, "lets its role in")


def _awaits_deployment(subject: Subject, cluster: Cluster) -> bool:
    """Return whether the next deployment makes the entries of a cluster: it would refuse one that is there already."""
    is_of_stack = (cluster.eks.account, cluster.eks.region) == (subject.caller.account, subject.region)
    if not is_of_stack or subject.stack.parameters.get("AccessEntries") != "true" or subject.catalog is None:
        return False
    try:
        return bool(subject.ask("clusters")["deployment"] != subject.catalog.digest)
    except KeyferryError:
        return False


def _format(cluster: Cluster, verb: str, principal: str, *more: str) -> str:
    return format_command(
        *("aws", "eks", f"{verb}-access-entry", "--region", cluster.eks.region),
        *("--cluster-name", cluster.eks.name, "--principal-arn", principal, *more),
    )
