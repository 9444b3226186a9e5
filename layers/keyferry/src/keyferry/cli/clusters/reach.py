"""Reach the clusters of clusters.yaml by a kubeconfig: a client for each, or why there is none."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import Context, check_servers, choose_context, parse_choices
from keyferry.cli.clusters.kubeconfig import Kubeconfig
from keyferry.deadline import Deadline
from keyferry.errors import KeyferryError
from keyferry.mapping.targets import Cluster

CONNECTED_AT_ONCE = 8


def check_choices(clusters: Sequence[Cluster], choices: Iterable[str], environment: Mapping[str, str]) -> None:
    """Check the values of `--context` by the kubeconfig, before anybody is asked.

    Args:
        clusters: the clusters that are known to be looked at.
        choices: the values, as `parse_choices` takes them.
        environment: the environment variables, with `KUBECONFIG`.

    Raises:
        InvalidInput: a value names no cluster or context, or the kubeconfig cannot be read.
    """
    chosen = parse_choices(choices, [cluster.name for cluster in clusters])
    contexts = Kubeconfig.find(environment).contexts if chosen else ()
    for cluster in clusters:
        if cluster.name in chosen:
            choose_context(cluster, contexts, chosen[cluster.name])


def reach_clusters(
    clusters: Iterable[Cluster], choices: Iterable[str], environment: Mapping[str, str], deadline: Deadline
) -> Iterator[tuple[Cluster, OperatorClient | KeyferryError]]:
    """Yield each cluster with a client for it, or with the reason why it cannot be reached. Nothing is sent yet.

    The programs that give tokens run side by side; the first alone, as it may ask for a password that all others need.

    Args:
        clusters: the clusters.
        choices: the values of the option `--context`, as `parse_choices` takes them.
        environment: the environment variables, with `KUBECONFIG` and those of a proxy.
        deadline: when the clients send no more requests.

    Raises:
        InvalidInput: a choice is wrong, or the kubeconfig cannot be read.
    """
    wanted = list(clusters)
    chosen = parse_choices(choices, [cluster.name for cluster in wanted])
    kubeconfig = Kubeconfig.find(environment)
    contexts = kubeconfig.contexts
    known, errors = dict[str, Context](), dict[str, KeyferryError]()
    for cluster in wanted:
        try:
            known[cluster.name] = choose_context(cluster, contexts, chosen.get(cluster.name))
        except KeyferryError as error:
            errors[cluster.name] = error
    errors |= check_servers(known)
    clients: dict[str, OperatorClient | KeyferryError] = {**errors}
    names = [name for name in known if name not in errors]
    with ThreadPoolExecutor(CONNECTED_AT_ONCE) as pool:
        for some in (names[:1], names[1:]):
            clients |= zip(some, pool.map(partial(_connect, kubeconfig, known, deadline), some), strict=True)
    for cluster in wanted:
        yield cluster, clients[cluster.name]


def _connect(
    kubeconfig: Kubeconfig, contexts: Mapping[str, Context], deadline: Deadline, name: str
) -> OperatorClient | KeyferryError:
    try:
        return OperatorClient(kubeconfig.connect(contexts[name], name), contexts[name], deadline)
    except KeyferryError as error:
        return error
