"""What `keyferry init` has to know: by options or by questions, whose answers AWS suggests where it can be asked."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import boto3
import click

from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client, open_session
from keyferry.cli.output import console
from keyferry.errors import KeyferryError

FORMS = {
    "config-env": (r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?", "up to 30 lower-case letters, digits and hyphens, as prod"),
    "account": (r"[0-9]{12}", "12 digits, as 111122223333"),
    "region": (r"[a-z]{2,}(-[a-z]+)+-[0-9]+", "a region of AWS, as eu-west-1"),
    "cluster": (r"[0-9A-Za-z][-_0-9A-Za-z]{0,99}", "the name of a cluster in EKS, as prod-eu"),
    "team": (r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", "lower-case letters, digits and hyphens, as payments"),
    "namespace": (r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "the name of a namespace, as payments"),
    "secret": (r"[-/_+=.@0-9A-Za-z]{1,512}", "the name of a secret in Secrets Manager, as prod/payments/db"),
    "stack_name": (r"[A-Za-z][-A-Za-z0-9]{0,50}", "up to 51 letters, digits and hyphens, as keyferry"),
    "prefix": (r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", "up to 40 lower-case letters, digits and hyphens, as keyferry"),
    "mappings": (r"(?!.*\.\.)[._0-9A-Za-z][-._0-9A-Za-z]*(/[-._0-9A-Za-z]+)*", "a folder of the repository, as prod"),
}
"""Option or setting → what its value matches, and what it is: what fits can stand between double quotes."""
TEAM = "example"
"""The team where none is named."""


@dataclass(frozen=True)
class Answers:
    """What is said of a new environment."""

    account: str
    region: str
    clusters: tuple[str, ...]
    """Names in EKS."""
    team: str = TEAM
    secret: str = f"{TEAM}/first"
    """The secret of the first mapping."""
    namespace: str = TEAM
    """The namespace that it goes to."""


@dataclass(frozen=True)
class Given:
    """What the options say: None, or nothing, where they do not."""

    account: str | None = None
    region: str | None = None
    clusters: tuple[str, ...] = ()
    team: str | None = None
    secret: str | None = None
    namespace: str | None = None

    def check(self) -> Self:
        """Return the same, without blanks around the values.

        Raises:
            click.BadParameter: a value cannot be one.
        """
        texts = {name: value for name, value in vars(self).items() if isinstance(value, str)}
        checked: dict[str, Any] = {name: check(name, value) for name, value in texts.items()}
        return replace(self, clusters=tuple(dict.fromkeys(check("cluster", name) for name in self.clusters)), **checked)


def check(option: str, text: str) -> str:
    """Return the value of an option without blanks around it.

    Raises:
        click.BadParameter: it cannot be one; the message says what would be right.
    """
    value = text.strip()
    if fault := find_fault(option, value):
        raise click.BadParameter(fault, param_hint=f"--{option}")
    return value


def find_fault(name: str, value: str) -> str:
    """Return why an option, or a setting of samconfig.toml, cannot have a value; nothing where it can."""
    pattern, says = FORMS[name]
    return "" if re.fullmatch(pattern, value, re.ASCII) else f"{value or 'nothing'} is not {says}"


def complete(given: Given) -> Answers:
    """Return the answers where nobody can be asked.

    Raises:
        click.UsageError: an option is missing.
    """
    needed = {"--account": given.account, "--region": given.region, "--cluster": given.clusters}
    missing = [option for option, value in needed.items() if not value]
    if not given.account or not given.region or missing:
        raise click.UsageError(f"there is nobody to ask; say {', '.join(missing)} too")
    return _add_defaults(given, given.account, given.region, given.clusters)


def ask(given: Given, environment: Mapping[str, str]) -> Answers:
    """Ask for what the options do not say.

    Args:
        given: what they say.
        environment: the environment variables, which can name a region.
    """
    region = given.region or _ask("region", "Region of the stack", _find_region(environment))
    session = None if given.account and given.clusters else _open(region)
    account = given.account or _ask("account", "Account of the stack", _try(session, _find_account))
    clusters = given.clusters or _ask_clusters(_try(session, _list_clusters) or ())
    team = given.team or _ask("team", "A team that has secrets there", TEAM)
    secret = given.secret or _ask("secret", "One of its secrets in Secrets Manager", f"{team}/first")
    namespace = given.namespace or _ask("namespace", "The namespace that it goes to", team)
    return Answers(account, region, clusters, team, secret, namespace)


def _add_defaults(given: Given, account: str, region: str, clusters: tuple[str, ...]) -> Answers:
    team = given.team or TEAM
    return Answers(account, region, clusters, team, given.secret or f"{team}/first", given.namespace or team)


def _ask(option: str, question: str, offer: str | None) -> str:
    """Ask until the answer is one that can be."""
    answer: str = click.prompt(question, default=offer, err=True, value_proc=lambda text: check(option, text))
    return answer


def _ask_clusters(offers: Sequence[str]) -> tuple[str, ...]:
    """Ask for names of clusters, divided by blanks or commas."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(check("cluster", name) for name in re.split(r"[\s,]+", text.strip(" ,"))))

    question = "Clusters of EKS, divided by blanks"
    answer: tuple[str, ...] = click.prompt(question, default=" ".join(offers) or None, err=True, value_proc=parse)
    return answer


def _find_region(environment: Mapping[str, str]) -> str | None:
    return environment.get("AWS_REGION") or boto3.Session().region_name


def _open(region: str) -> boto3.Session | None:
    """Return a session of AWS; None, and a line that says so, where there are no credentials."""
    try:
        return open_session(region)
    except KeyferryError as error:
        console.print_note(f"AWS is not asked for account and clusters: {error}")
        return None


def _try[Offer](session: boto3.Session | None, look: Callable[[boto3.Session], Offer]) -> Offer | None:
    """Return what AWS says; None where it cannot be asked, and a line that says so where it refuses."""
    if session is None:
        return None
    try:
        with console.show_progress("asking AWS", 1):
            return look(session)
    except KeyferryError as error:
        console.print_note(f"nothing is offered: {error}")
        return None


def _find_account(session: boto3.Session) -> str:
    with translate_errors("sts:GetCallerIdentity"):
        return str(open_client(session, "sts").get_caller_identity()["Account"])


def _list_clusters(session: boto3.Session) -> list[str]:
    client: Any = open_client(session, "eks")
    with translate_errors(f"eks:ListClusters in {session.region_name}"):
        return [name for page in client.get_paginator("list_clusters").paginate() for name in page["clusters"]]
