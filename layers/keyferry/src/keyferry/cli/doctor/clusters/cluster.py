"""The clusters as the person who looks reaches them, by the kubeconfig: version, rights, and what is generated."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import NoContext, format_update_command
from keyferry.cli.clusters.reach import reach_clusters
from keyferry.cli.doctor.clusters.generated import check_generated
from keyferry.cli.doctor.clusters.needs import Needs
from keyferry.cli.doctor.clusters.rights import check_own, check_users
from keyferry.cli.doctor.finding import Check, Finding
from keyferry.cli.doctor.runner import collect
from keyferry.deadline import Deadline
from keyferry.errors import KeyferryError


def list_checks(
    needs: Iterable[Needs], choices: Iterable[str], environment: Mapping[str, str], deadline: Deadline
) -> list[Check]:
    """Return a check for each cluster.

    Args:
        needs: what each of the clusters needs.
        choices: the values of `--context`.
        environment: the environment variables, with `KUBECONFIG`.
        deadline: when no more requests are sent.

    Raises:
        InvalidInput: a choice is wrong, or the kubeconfig cannot be read.
    """
    wanted = list(needs)
    reached = reach_clusters([each.cluster for each in wanted], choices, environment, deadline)
    return [
        Check("cluster", each.cluster.name, partial(check_cluster, each, client))
        for each, (_, client) in zip(wanted, reached, strict=True)
    ]


def check_cluster(needs: Needs, client: OperatorClient | KeyferryError) -> Iterator[Finding]:
    """Yield what is to be said of a cluster; where it cannot be reached, that alone."""
    cluster = needs.cluster
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
        Check("rights", cluster.name, lambda: _check_users(client, needs)),
        Check("generated", cluster.name, lambda: check_generated(client, needs)),
    ):
        yield from collect(check)


def _check_users(client: OperatorClient, needs: Needs) -> Iterator[Finding]:
    return check_users(client, needs.rights, needs.cluster.name, needs.format_apply(client.context))
