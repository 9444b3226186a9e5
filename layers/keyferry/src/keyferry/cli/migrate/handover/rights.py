"""What a person has to be allowed to do for the steps of a hand-over, and what of it they may not."""

from collections.abc import Iterable, Iterator

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.resource import SECRETS, Resource
from keyferry.cli.migrate.handover.originals import Original
from keyferry.cli.migrate.handover.steps import (
    CreateOriginal,
    DeleteOriginal,
    PatchOriginal,
    PatchSecret,
    Release,
    Step,
    TakeOver,
)


def list_missing_rights(client: OperatorClient, steps: Iterable[Step], namespace: str) -> list[str]:
    """Return what a person may not do in a namespace, as `patch secrets in namespace payments of cluster prod-eu`.

    Args:
        client: the cluster, as the person reaches it.
        steps: what is to be done in that namespace.
        namespace: the namespace.
    """
    missing = []
    for verb, resource in dict.fromkeys(_list_requests(steps)):
        group, _, _ = resource.version.rpartition("/")
        asked = {"verb": verb, "group": group, "resource": resource.plural, "namespace": namespace}
        if not client.may(asked):
            missing.append(f"{verb} {resource.full_name} in namespace {namespace} of cluster {client.cluster}")
    return missing


def _list_requests(steps: Iterable[Step]) -> Iterator[tuple[str, Resource]]:
    """Yield verb and kind of the request of each step; what only looks has been done for the plan already."""
    for step in steps:
        match step:
            case PatchOriginal(original=original):
                yield "patch", original.resource
            case DeleteOriginal(original=original):
                yield "delete", original.resource
            case CreateOriginal(manifest=manifest):
                yield "create", Original.of_manifest(manifest).resource
            case PatchSecret() | TakeOver() | Release():
                yield "patch", SECRETS
