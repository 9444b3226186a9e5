"""The clusters as the person who looks reaches them, by the kubeconfig: version, rights, and what is generated."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import NoContext, format_update_command
from keyferry.cli.clusters.reach import reach_clusters
from keyferry.cli.doctor.clusters.generated import check_generated
from keyferry.cli.doctor.clusters.rights import check_own, check_users
from keyferry.cli.doctor.finding import Check, Finding
from keyferry.cli.doctor.runner import collect
from keyferry.deadline import Deadline
from keyferry.errors import KeyferryError
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster


def list_checks(
    catalog: Catalog, name: str | None, choices: Iterable[str], environment: Mapping[str, str], deadline: Deadline
) -> list[Check]:
    """Return a check for each cluster that mappings go to.

    Args:
        catalog: the mappings.
        name: the only cluster to look at; None for all.
        choices: the values of `--context`.
        environment: the environment variables, with `KUBECONFIG`.
        deadline: when no more requests are sent.

    Raises:
        InvalidInput: a choice is wrong, or the kubeconfig cannot be read.
    """
    chosen = [cluster for cluster in catalog.used_clusters if name in (None, cluster.name)]
    reached = reach_clusters(chosen, choices, environment, deadline)
    return [
        Check("cluster", cluster.name, partial(check_cluster, catalog, cluster, client)) for cluster, client in reached
    ]


def check_cluster(catalog: Catalog, cluster: Cluster, client: OperatorClient | KeyferryError) -> Iterator[Finding]:
    """Yield what is to be said of a cluster; where it cannot be reached, that alone."""
    if isinstance(client, NoContext):
        why = "no context of the kubeconfig leads there, and --context CLUSTER=CONTEXT names none"
        yield Finding("cluster", "warning", cluster.name, why, (format_update_command(cluster),))
        return
    if isinstance(client, KeyferryError):
        raise client
    version = client.read_version()
    yield Finding("cluster", "ok", cluster.name, f"Kubernetes {version}, by context {client.context.name}")
    for check in (
        Check("rights", f"{cluster.name}: your own", lambda: check_own(client)),
        Check("rights", cluster.name, lambda: check_users(client, catalog, cluster)),
        Check("generated", cluster.name, lambda: check_generated(client, catalog, cluster)),
    ):
        yield from collect(check)
