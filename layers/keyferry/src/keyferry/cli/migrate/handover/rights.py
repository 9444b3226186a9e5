"""What a person has to be allowed to do for a hand-over, and what of it they may not."""

from collections.abc import Iterator, Mapping

from keyferry.cli.clusters.client import SECRETS, OperatorClient, Resource
from keyferry.cli.migrate.handover.originals import EXTERNAL_SECRET

_SECRET_VERBS = ("get", "patch")
_VERBS: Mapping[str, tuple[str, ...]] = {
    EXTERNAL_SECRET: ("list", "patch", "delete", "create"),
    "SecretProviderClass": ("list", "patch"),
}
"""Kind of an original → what is done to it; `create` is for the way back."""


def list_missing_rights(client: OperatorClient, resources: list[Resource], namespace: str) -> Iterator[str]:
    """Yield what a person may not do in a namespace, as `patch secrets in namespace payments`.

    Args:
        client: the cluster, as the person reaches it.
        resources: the kinds of originals that it has.
        namespace: the namespace.
    """
    wanted = [(SECRETS, verb) for verb in _SECRET_VERBS]
    wanted += [(resource, verb) for resource in resources for verb in _VERBS[resource.kind]]
    for resource, verb in wanted:
        group = resource.version.rpartition("/")[0]
        asked = {"verb": verb, "group": group, "resource": resource.plural, "namespace": namespace}
        if not client.may(asked):
            yield f"{verb} {resource.full_name} in namespace {namespace} of cluster {client.cluster}"
