"""What a removed mapping, namespace or cluster leaves behind: no delivery and no deployment removes it."""

from collections.abc import Iterable, Iterator

from keyferry.cli.call import CALL, Call
from keyferry.cli.plan.access import Access
from keyferry.cli.plan.document import Leftover, TargetChange
from keyferry.mapping.catalog import Catalog

_GONE = "nothing that is generated needs it any more"


def list_leftovers(
    folder: Access, deployed: Access, targets: Iterable[TargetChange], call: Call = CALL
) -> list[Leftover]:
    """Return what stays behind: Secrets of targets that are lost, what was generated for clusters, access entries.

    Args:
        folder: what is generated for the folder.
        deployed: what is generated for the deployed mappings.
        targets: the targets that change.
        call: how this program was called, for the commands.
    """
    return [
        *_list_secrets(deployed.catalog, targets, call),
        *_list_generated(folder, deployed, call),
        *_list_entries(folder, deployed, call),
    ]


def _list_secrets(deployed: Catalog, targets: Iterable[TargetChange], call: Call) -> Iterator[Leftover]:
    for target in targets:
        if target.change == "lost" and target.state != "gone":
            spec = deployed.mappings[target.mapping].spec
            keys = spec.secret.possible_keys
            stays = "its keys stay in the Secret of somebody else" if spec.policies.creation == "merge" else target.why
            yield Leftover(
                kind="Secret",
                cluster=target.cluster,
                namespace=target.namespace,
                name=target.secret,
                keys=sorted(spec.certain_keys if keys is None else keys),
                why=stays,
                command=_format_command(call, target.cluster),
            )


def _list_generated(folder: Access, deployed: Access, call: Call) -> Iterator[Leftover]:
    for cluster, names in sorted(deployed.names.items()):
        for kind, namespace, name in sorted(names - folder.names.get(cluster, set())):
            command = _format_command(call, cluster)
            yield Leftover(kind=kind, cluster=cluster, namespace=namespace, name=name, why=_GONE, command=command)


def _list_entries(folder: Access, deployed: Access, call: Call) -> Iterator[Leftover]:
    kept = {entry.logical_id for entry in folder.entries}  # another user name is written to the same entry
    for entry in deployed.entries:
        if entry.logical_id not in kept:
            yield Leftover(
                kind="access entry",
                cluster=entry.cluster.name,
                name=entry.principal,
                why="no mapping goes to the cluster any more; the deployment removes it where it has made it",
                command=_format_command(call, entry.cluster.name),
            )


def _format_command(call: Call, cluster: str) -> str:
    return call.format_asking("orphans", "--cluster", cluster)
