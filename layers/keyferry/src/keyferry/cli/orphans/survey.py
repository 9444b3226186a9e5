"""Look for what is left over in all clusters of a folder of mappings and of the stacks that are deployed."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import boto3

from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client, open_session
from keyferry.cli.check.problems import nearest
from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.reach import check_choices, reach_clusters
from keyferry.cli.deployment import load_deployment
from keyferry.cli.options import Settings
from keyferry.cli.orphans.answer import Answer
from keyferry.cli.orphans.entries import Stacks, find_entries
from keyferry.cli.orphans.names import list_clusters
from keyferry.cli.orphans.search import ClusterSearch, Findings, count_kinds
from keyferry.cli.stack import Stack, find_stack
from keyferry.deadline import Deadline
from keyferry.errors import InvalidInput, KeyferryError, Overtaken
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

MAX_SECONDS = 1800
"""How long a look at all clusters, and the deletions after it, may take."""
CONCURRENCY = 4
"""How many clusters are looked at side by side."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for."""

    folder: Catalog
    """The mappings and clusters of the folder."""
    settings: Settings
    """The options of `keyferry`, by which samconfig.toml names a stack."""
    environment: Mapping[str, str]
    """The environment variables."""
    stacks: Sequence[str] = ()
    """Names of stacks; none for the one of samconfig.toml."""
    cluster: str | None = None
    """The only cluster to look at; None for all."""
    contexts: Sequence[str] = ()
    """Which contexts lead to which clusters, as the option `--context` has it."""


@dataclass
class Survey:
    """What was found, and what it takes to delete it."""

    findings: Findings = field(default_factory=Findings)
    clients: dict[str, OperatorClient] = field(default_factory=dict)
    """Name of a cluster → its client, where it could be reached."""
    session: boto3.Session | None = None
    """The AWS session of the person who asks; None without credentials."""
    doubt: str = ""
    """Why nothing may be deleted, such as that the deployed mappings are not known; empty where that is clear."""
    deployments: list[tuple[Stack, str]] = field(default_factory=list)
    """The stacks that have answered, each with the digest of the mappings that it is deployed with."""

    @property
    def gap(self) -> str:
        """Why more may be left over than was seen; empty where everything was looked at."""
        if not self.clients:
            return "no cluster was looked at"
        return "not everything is known" if self.doubt or self.findings.notes else ""

    def build_answer(self) -> Answer:
        """Return the whole as JSON has it."""
        findings = self.findings
        answer: Answer = {
            "orphans": [orphan.build_row() for orphan in findings.orphans],
            "otherStacks": [
                {"cluster": cluster, "prefix": prefix, "counts": dict(counts)}
                for (cluster, prefix), counts in count_kinds(findings.other_stacks).items()
            ],
            "moved": [
                {"cluster": cluster, "namespace": namespace, "name": name, "prefix": prefix}
                for cluster, namespace, name, prefix in findings.moved
            ],
            "awaiting": [{"cluster": name, "count": count} for name, count in sorted(findings.awaiting.items())],
            "notes": findings.notes,
        }
        if self.doubt:
            answer["error"] = self.doubt
        return answer


def survey(request: Request, step: Callable[[], None] = lambda: None) -> Survey:
    """Return what is left over. What cannot be looked at is noted, and stops nothing else.

    Args:
        request: what is asked for.
        step: called after each cluster.

    Raises:
        InvalidInput: there is no such cluster; the kubeconfig cannot be read; `--context` is wrong.
    """
    _check_choices(request)
    result = Survey()
    stacks = _ask_stacks(request, result)
    clusters = _select_clusters(list_clusters(stacks.catalogs), request.cluster)
    reached = reach_clusters(clusters, request.contexts, request.environment, Deadline.after(MAX_SECONDS))
    searches = []
    for cluster, client in reached:
        if isinstance(client, KeyferryError):
            result.findings.notes.append(f"{cluster.name} is not looked at: {client}")
        else:
            result.clients[cluster.name] = client
            searches.append(ClusterSearch(client, cluster, stacks.catalogs))
    for findings in run_searches(searches, step):
        result.findings.add(findings)
    if result.session is not None:
        result.findings.add(_find_entries(result.session, clusters, stacks))
    return result


def run_searches(searches: Sequence[ClusterSearch], step: Callable[[], None]) -> list[Findings]:
    """Return what each search finds; some run side by side.

    Args:
        searches: the searches.
        step: called after each.
    """

    def run(search: ClusterSearch) -> Findings:
        try:
            return search.run()
        finally:
            step()

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return list(pool.map(run, searches))


def _check_choices(request: Request) -> None:
    """Check the values of `--context`; a cluster that the folder does not have may still be deployed."""
    clusters = [each for each in request.folder.clusters.values() if request.cluster in (None, each.name)]
    names = [each.name for each in clusters]
    known = [choice for choice in request.contexts if "=" not in choice or choice.partition("=")[0] in names]
    if clusters:
        check_choices(clusters, known, request.environment)


def check_deployments(result: Survey) -> None:
    """Check, right before a deletion, that the stacks still have the mappings that they had before the look.

    Raises:
        Overtaken: others have been deployed meanwhile: what is left over by those is not known.
        KeyferryError: a stack does not answer.
    """
    for stack, digest in result.deployments:
        if load_deployment(stack).digest != digest:
            raise Overtaken(
                f"other mappings were deployed to stack {stack.name} meanwhile: nothing is deleted, look anew"
            )


def _ask_stacks(request: Request, result: Survey) -> Stacks:
    """Return what the folder and the stacks have; without a stack that answers, the folder alone."""
    catalogs, outputs = [request.folder], []
    try:
        region = request.settings.choose_region(request.environment, next(iter(request.stacks), None))
        result.session = open_session(region)
        for name in request.stacks or (None,):
            stack = find_stack(result.session, name, request.settings)
            deployment = load_deployment(stack)
            catalogs.append(deployment.catalog)
            outputs.append(stack.outputs)
            result.deployments.append((stack, deployment.digest))
            result.doubt = result.doubt or deployment.difference_of_releases
        check_prefix(request.folder, catalogs[1:])
    except KeyferryError as error:
        result.doubt = f"the mappings that are deployed are not known: {error}"
    return Stacks(catalogs, outputs)


def check_prefix(folder: Catalog, deployed: Sequence[Catalog]) -> None:
    """Refuse stacks none of which is the folder's: what that one has deployed is not known.

    Raises:
        InvalidInput: the folder has another prefix than any of them.
    """
    prefix, prefixes = folder.stack.prefix, sorted({catalog.stack.prefix for catalog in deployed})
    if prefix not in prefixes:
        raise InvalidInput(
            f"the folder is of a stack with the prefix {prefix}, and the stack asked has {', '.join(prefixes)}: name"
            " that of the folder by --stack, or correct stack.yaml"
        )


def _select_clusters(clusters: list[Cluster], name: str | None) -> list[Cluster]:
    selected = [cluster for cluster in clusters if name in (None, cluster.name)]
    if name and not selected:
        known = nearest(name, [cluster.name for cluster in clusters], "there is")
        raise InvalidInput(f"no cluster is called {name}{known}")
    return selected


def _find_entries(session: boto3.Session, clusters: list[Cluster], stacks: Stacks) -> Findings:
    try:
        with translate_errors("sts:GetCallerIdentity"):
            account = open_client(session, "sts").get_caller_identity()["Account"]
    except KeyferryError as error:
        return Findings(notes=[f"access entries are not looked at: {error}"])
    return find_entries(session, account, clusters, stacks)
