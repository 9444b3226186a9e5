"""Examine a stack from both ends, step by step: who asks, the stack, what it is made of, and the clusters."""

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

import boto3

from keyferry.access.people import CANARY_MAPPING
from keyferry.aws.sessions import Sessions, open_session
from keyferry.cli.call import CALL, Call
from keyferry.cli.check.problems import InvalidFiles, nearest
from keyferry.cli.clusters.reach import check_choices
from keyferry.cli.deployment import load_deployment
from keyferry.cli.doctor import canary
from keyferry.cli.doctor.clusters import cluster as clusters
from keyferry.cli.doctor.clusters.needs import Needs
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.runner import AT_ONCE, run_checks
from keyferry.cli.doctor.stack import (
    caller,
    deployment,
    elsewhere,
    entries,
    event_sources,
    functions,
    keys,
    processor,
    queues,
    reach,
    rules,
)
from keyferry.cli.doctor.subject import Subject
from keyferry.cli.stack import Stack
from keyferry.deadline import Deadline
from keyferry.errors import AccessDenied, InvalidInput, KeyferryError
from keyferry.mapping.catalog import Catalog

CLUSTER_SECONDS = 120
"""How long as many clusters as are looked at side by side may take."""
UNMADE = "CREATE_IN_PROGRESS", "CREATE_FAILED", "REVIEW_IN_PROGRESS", "ROLLBACK_", "DELETE_"
"""How the status of a stack begins whose first deployment has not come to its end, or that is deleted."""


@dataclass(frozen=True)
class Examination:
    """What is to be looked at."""

    environment: Mapping[str, str]
    """The environment variables."""
    load_catalog: Callable[[], Catalog]
    """Returns the mappings of the folder, or raises InvalidFiles."""
    find_stack: Callable[[boto3.Session], Stack]
    """Returns the stack that is asked for, or raises a KeyferryError."""
    choose_region: Callable[[], str | None] = lambda: None
    """Returns the region to look in, or None for that of the credentials; or raises a KeyferryError."""
    cluster: str | None = None
    """The only cluster to look at; None for all."""
    contexts: tuple[str, ...] = ()
    """The values of `--context`."""
    call: Call = CALL
    """How this program was called."""
    has_canary: bool = False
    """Whether a secret that is there for nothing else is changed, and followed."""

    def run(self) -> Iterator[Finding]:
        """Yield the findings, as soon as they and all before them are known; of the clusters, once all are.

        Raises:
            InvalidInput: mappings go to no cluster of that name, or a context is wrong.
        """
        catalog: Catalog | None = None
        try:
            catalog = self.load_catalog()
        except InvalidFiles:
            why = "the files have problems: what goes by them is not looked at"
            yield Finding("mappings", "error", "files", why, (self.call.format("validate"),))
        else:
            self._check_cluster(catalog)
            count = len(catalog.mappings)
            yield Finding("mappings", "ok", "files", f"{count:,} mapping{'' if count == 1 else 's'}")
        subject = yield from self._examine_stack(catalog)
        if catalog:
            yield from self._examine_clusters(catalog, subject.stack if subject else None)
        if subject and self.has_canary:
            yield from _follow_canary(subject)

    def _check_cluster(self, catalog: Catalog) -> None:
        used = catalog.used_clusters
        names = [cluster.name for cluster in used]
        if self.cluster is not None and self.cluster not in names:
            raise InvalidInput(f"mappings go to no cluster {self.cluster}{nearest(self.cluster, names, 'there is')}")
        check_choices([each for each in used if self.cluster in (None, each.name)], self.contexts, self.environment)

    def _examine_stack(self, catalog: Catalog | None) -> Generator[Finding, None, Subject | None]:
        """Yield the findings, and return the stack with what is known of it; None where none can be asked."""
        try:
            session = open_session(self.choose_region())
        except KeyferryError as error:
            yield Finding("caller", "error", "AWS", str(error), ("aws sts get-caller-identity",))
            return None
        clients = Sessions(session)
        who, finding = caller.check_caller(clients)
        yield finding
        yield from run_checks([Check("clock", "this machine", lambda: caller.check_clock(clients))], tuple)
        if who is None:
            return None
        try:
            stack = self.find_stack(session)
        except KeyferryError as error:
            look = format_command(
                *("aws", "cloudformation", "describe-stacks", "--region", str(session.region_name)),
                *("--query", "Stacks[].StackName"),
            )
            yield Finding("stack", "error", "stack", str(error), (look,))
            return None
        subject = Subject(clients, who, stack, catalog, self.cluster, self.call)
        yield from run_checks(list_checks(subject), subject.describe_grant)
        return None if stack.status.startswith(UNMADE) else subject

    def _examine_clusters(self, catalog: Catalog, stack: Stack | None) -> Iterator[Finding]:
        chosen = [cluster for cluster in catalog.used_clusters if self.cluster in (None, cluster.name)]
        deployed = _load_deployed(stack, catalog)
        needs = [Needs(cluster, catalog, deployed, self.call) for cluster in chosen]
        rounds = math.ceil(len(chosen) / AT_ONCE)
        deadline = Deadline.after(CLUSTER_SECONDS * max(1, rounds))
        try:
            checks = clusters.list_checks(needs, self.contexts, self.environment, deadline)
        except InvalidInput as error:
            yield Finding("cluster", "warning", "kubeconfig", f"could not be looked at: {error}")
            return
        findings = list(run_checks(checks, tuple))
        order = list(dict.fromkeys(finding.check for finding in findings))
        # By what is looked at, so that what is the same of many clusters is told once.
        yield from sorted(findings, key=lambda finding: order.index(finding.check))


def _follow_canary(subject: Subject) -> Iterator[Finding]:
    """Yield what became of a change that is made for this; an error, as it was asked for, where none can be made."""
    try:
        yield from canary.check_canary(subject, load_deployment(subject.stack).catalog)
    except KeyferryError as error:
        remedy = subject.describe_grant("steer") if isinstance(error, AccessDenied) else ()
        yield Finding(canary.CHECK, "error", CANARY_MAPPING, str(error), remedy)


def _load_deployed(stack: Stack | None, folder: Catalog) -> Catalog | None:
    """Return the mappings that are deployed; None where nobody knows them, or the stack is not the folder's."""
    if stack is None:
        return None
    try:
        deployed = load_deployment(stack).catalog
    except KeyferryError:
        return None  # said by `deployment.check_release`
    return deployed if deployed.stack.prefix == folder.stack.prefix else None


def list_checks(subject: Subject) -> list[Check]:
    """Return the checks of a stack, in the order in which they are told: the way of a change, then what it needs."""
    if subject.stack.status.startswith(UNMADE):
        return deployment.list_checks(subject)[:1]  # all else is missing, and that is no fault
    groups = (deployment, rules, queues, functions, event_sources, processor, entries, reach)
    return [
        *(check for group in groups for check in group.list_checks(subject)),
        Check("keys", "KMS", lambda: keys.check_keys(subject)),
        *elsewhere.list_checks(subject),
    ]
