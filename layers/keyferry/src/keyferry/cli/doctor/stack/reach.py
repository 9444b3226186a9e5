"""What the functions reach from where they run, as `report` says: clusters, and sources by their metadata."""

from collections.abc import Iterator

from keyferry.access.grants import resolve_sources
from keyferry.arn import Arn
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.subject import Subject
from keyferry.errors import KeyferryError, OutOfTime
from keyferry.pipeline.reach import ClusterReach, SourceReach

_OPEN = "whether deliver may read and decrypt the values is left open: only a delivery reads them"
_LATE = OutOfTime.__name__


def list_checks(subject: Subject) -> list[Check]:
    """Return the checks of what the function `report` is asked."""
    return [
        Check("endpoints", "clusters", lambda: check_endpoints(subject)),
        Check("sources", "secrets and parameters", lambda: check_sources(subject)),
    ]


def check_endpoints(subject: Subject) -> Iterator[Finding]:
    """Yield for each cluster whether the function gets through to it, and is let in."""
    try:
        answer = subject.ask("clusters")
    except KeyferryError:
        return  # said by `deployment.check_release`
    rows: list[ClusterReach] = answer["rows"]
    for row in rows:
        error = row.get("error")
        if error is None:
            yield Finding(
                "endpoints", "ok", row["cluster"], f"the function reaches Kubernetes {row.get('version', '')}"
            )
            continue
        again = subject.call.format("doctor", "--stack", subject.stack.name, "--cluster", row["cluster"])
        if error["kind"] == _LATE:
            yield Finding("endpoints", "warning", row["cluster"], "the function had no time left for it", (again,))
            continue
        commands = (*_list_commands(subject, row["cluster"], error["kind"]), again)
        yield Finding("endpoints", "error", row["cluster"], f"{error['kind']}: {error['text']}", commands)


def _list_commands(subject: Subject, name: str, kind: str) -> tuple[str, ...]:
    """Return what shows why a cluster is not reached."""
    cluster = subject.catalog.clusters.get(name) if subject.catalog else None
    if cluster is None or kind == "Unauthorized":  # the entries are looked at by a check of their own
        return ()
    described = "cluster.{status:status,endpoint:endpoint,network:resourcesVpcConfig}"
    return (
        format_command(
            *("aws", "eks", "describe-cluster", "--region", cluster.eks.region, "--name", cluster.eks.name),
            *("--query", described),
        ),
    )


def check_sources(subject: Subject) -> Iterator[Finding]:
    """Yield whether the function sees each source; values are not read."""
    answer = subject.ask("sources")
    rows: list[SourceReach] = answer["rows"]
    for row in rows:
        yield _describe(subject, row)
    if answer["left"]:
        yield Finding("sources", "warning", "more", f"{answer['left']:,} more sources are not visible")
    if answer["visible"]:
        yield Finding("sources", "ok", f"{answer['visible']:,} visible", _OPEN)


def _describe(subject: Subject, row: SourceReach) -> Finding:
    name, region, arn = row["name"], row.get("region", subject.region), Arn.parse(row["name"])
    if arn and arn.account != subject.caller.account:
        why = f"it is of account {arn.account}: whether it is there, only a delivery knows"
        return Finding("sources", "warning", name, why)
    error = row.get("error")
    if error and error["kind"] == _LATE:
        return Finding("sources", "warning", name, "the function had no time left for it")
    if error:
        return Finding("sources", "error", name, f"{error['kind']}: {error['text']}")
    if row["state"] == "unknown":
        why = "no listing shows it (a role of its own; a parameter's version, label or tags; a public parameter)"
        return Finding("sources", "warning", name, f"{why}: only a delivery knows")
    if row["state"] == "deleted":
        restore = format_command("aws", "secretsmanager", "restore-secret", "--secret-id", name, "--region", region)
        return Finding("sources", "error", name, f"it is scheduled for deletion in {region}: restore it", (restore,))
    why, commands = _mend(subject, name, region)
    return Finding("sources", "error", name, f"it is not there in {region}: {why}", commands)


def _mend(subject: Subject, name: str, region: str) -> tuple[str, tuple[str, ...]]:
    """Return what makes up for a source that does not exist, in words and as commands."""
    sources = resolve_sources(subject.catalog) if subject.catalog else ()
    source = next((each for each in sources if str(each) == name), None)
    if source is None:  # the folder is not what is deployed
        return "create it, or correct its name in the mapping", (subject.call.format_asking("plan"),)
    if source.parameter_store:
        put = ("aws", "ssm", "put-parameter", "--region", region, "--name", name)
        create = format_command(*put, "--type", "SecureString", "--value", "file://value.txt")
        return "create it, or correct its name in the mapping", (create,)
    if Arn.parse(name):
        return "correct its ARN in the mapping: a new one has another", ()
    new = ("aws", "secretsmanager", "create-secret", "--name", name, "--region", region)
    create = format_command(*new, "--secret-string", "file://value.txt")
    return "create it, or correct its name in the mapping", (create,)
