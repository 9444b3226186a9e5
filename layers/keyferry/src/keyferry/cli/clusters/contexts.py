"""Which context of a kubeconfig leads to which cluster of clusters.yaml."""

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from keyferry.arn import Arn
from keyferry.cli.check.problems import nearest
from keyferry.errors import InvalidInput
from keyferry.mapping.targets import Cluster


class NoContext(InvalidInput):
    """No context of the kubeconfig leads to a cluster."""


@dataclass(frozen=True)
class Context:
    """A context of a kubeconfig."""

    name: str
    cluster: str
    """The name of its entry for the cluster: the ARN, where `aws eks update-kubeconfig` has written it."""
    server: str
    """The URL of the API server."""
    is_guess: bool = field(default=False, compare=False)
    """Whether it was taken for a cluster by its own name alone."""

    def __str__(self) -> str:
        return f"context {self.name} ({self.server})"


def parse_choices(choices: Iterable[str], clusters: Collection[str]) -> dict[str, str]:
    """Return name of a cluster → name of the context that is to be used for it.

    Args:
        choices: the values of `--context`: `CLUSTER=CONTEXT`, or `CONTEXT` alone where one cluster is looked at.
        clusters: the names of the clusters that are looked at.

    Raises:
        InvalidInput: one of them names no such cluster, or none where there are several.
    """
    chosen: dict[str, str] = {}
    for choice in choices:
        name, _, context = choice.partition("=")
        if context and name in clusters:
            chosen[name] = context
        elif len(clusters) == 1:
            chosen[next(iter(clusters))] = choice
        else:
            known = nearest(name, clusters, "there is") if context else ""
            raise InvalidInput(f"--context {choice}: say --context CLUSTER=CONTEXT{known}")
    return chosen


def choose_context(cluster: Cluster, contexts: Sequence[Context], chosen: str | None = None) -> Context:
    """Return the context that leads to a cluster.

    It is the one that is asked for; else one whose entry for the cluster is called by its ARN, as `aws eks
    update-kubeconfig` does; else one with its endpoint; else the one of its own name, where nothing says that this is
    another cluster. Among several, the one of the cluster's name goes first.

    Args:
        cluster: the cluster.
        contexts: what the kubeconfig has.
        chosen: the name of the context that is asked for.

    Raises:
        NoContext: none does; the message has the command that makes one.
        InvalidInput: the one that is asked for is missing, or of another cluster, by its ARN.
    """
    if chosen is not None:
        named = next((context for context in contexts if context.name == chosen), None)
        if named is None:
            known = nearest(chosen, [context.name for context in contexts], "there is")
            raise InvalidInput(f"the kubeconfig has no context {chosen}{known}")
        if Arn.parse(named.cluster) and not _is_arn_of(named.cluster, cluster):
            raise InvalidInput(f"context {chosen} leads to {named.cluster}, which is not cluster {cluster.name}")
        return named
    fitting = next(filter(None, _list_fitting(cluster, contexts)), None)
    if not fitting:
        raise NoContext(
            f"the kubeconfig has no context for cluster {cluster.name}: `{format_update_command(cluster)}`, or say"
            f" --context {cluster.name}=CONTEXT"
        )
    context = min(fitting, key=lambda context: context.name != cluster.name)
    is_sure = _is_arn_of(context.cluster, cluster) or bool(cluster.endpoint)
    return replace(context, is_guess=not is_sure)


def format_update_command(cluster: Cluster) -> str:
    """Return the command that writes a context for a cluster into the kubeconfig."""
    eks = cluster.eks
    return shlex.join(
        ["aws", "eks", "update-kubeconfig", "--name", eks.name, "--region", eks.region, "--alias", cluster.name]
    )


def _list_fitting(cluster: Cluster, contexts: Sequence[Context]) -> Iterator[list[Context]]:
    yield [context for context in contexts if _is_arn_of(context.cluster, cluster)]
    endpoint = cluster.endpoint
    if endpoint:
        yield [context for context in contexts if _normalize(context.server) == _normalize(endpoint)]
    else:
        yield [context for context in contexts if context.name == cluster.name and Arn.parse(context.cluster) is None]


def _is_arn_of(text: str, cluster: Cluster) -> bool:
    arn, eks = Arn.parse(text), cluster.eks
    return arn is not None and (arn.name_of("eks", "cluster/"), arn.region, arn.account) == (
        eks.name,
        eks.region,
        eks.account,
    )


def check_servers(contexts: Mapping[str, Context]) -> dict[str, InvalidInput]:
    """Return name of a cluster → what is wrong: its context leads to the server of another cluster, too.

    Args:
        contexts: name of a cluster → its context.
    """
    clusters: defaultdict[tuple[str, int, str], list[str]] = defaultdict(list)
    for name, context in contexts.items():
        clusters[*_normalize(context.server), urlsplit(context.server).path.rstrip("/")].append(name)
    return {
        name: InvalidInput(f"{contexts[name]} is used for clusters {', '.join(names)}: say --context for each of them")
        for names in clusters.values()
        if len(names) > 1
        for name in names
    }


def _normalize(url: str) -> tuple[str, int]:
    """Return host and port of a URL; those of EKS are written in capitals in some places."""
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or 443
