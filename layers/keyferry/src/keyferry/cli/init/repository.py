"""The files of a user's repository, as text, for one environment of samconfig.toml.

Starters are written once, and are the user's own from then on. Owned ones follow from the release and from
samconfig.toml: `keyferry init --check` compares them.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

import click
from jinja2 import Environment as Templates
from jinja2 import StrictUndefined

from keyferry.aws.regions import list_regions
from keyferry.cli.build.project import ENTRIES
from keyferry.cli.init import LOCK, REQUIREMENTS, ci_roles
from keyferry.cli.init.answers import Answers, check
from keyferry.cli.init.requirement import WHEELS, Pin
from keyferry.cli.sam import DEFAULT_ENVIRONMENT, MAPPINGS
from keyferry.guides import link
from keyferry.identity import DEFAULT_PREFIX

ACTIONS = {
    "checkout": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "setup_python": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "credentials": "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3",
}
"""The actions of the workflows, each at the commit of a release."""
JOBS = ("check", "plan", "deploy")
"""The jobs of a workflow. GitHub asks for checks by their names, so those of two environments differ."""
SAM_REQUIREMENTS, CI_ROLES = "requirements-sam.txt", "aws/ci-roles.yaml"
_SAM_LOCK, _POLICY = CARRIED = ("requirements/sam.txt", "examples/deployer-policy.json")
"""The files of the application that are taken over into the user's repository."""
_TAKEN = {MAPPINGS.name, "generated", "build", PurePosixPath(CI_ROLES).parts[0], WHEELS, "version", *ENTRIES}
"""Names that the repository, build/ or samconfig.toml has for something else: no environment can have them."""
_PIN_HEADER = f"""\
# Keyferry at one release: an upgrade changes this one line. Its wheel has the list of all that it needs, with hashes.
#   pip install --no-deps --require-hashes -r {REQUIREMENTS}
#   pip install --require-hashes -r {LOCK}
"""
_SAM_HEADER = "# The AWS SAM CLI, in an environment of its own. Written by `keyferry init`.\n"


@dataclass(frozen=True)
class Environment:
    """An environment of samconfig.toml."""

    name: str
    account: str
    region: str
    stack_name: str
    prefix: str
    """RoleNamePrefix: what the stack's names in IAM and in the clusters begin with."""
    mappings: str
    """The folder of the mappings, seen from the repository."""

    @property
    def is_default(self) -> bool:
        """Whether it is the one that commands take where none is named."""
        return self.name == DEFAULT_ENVIRONMENT

    @property
    def option(self) -> str:
        """The option that names it, of `keyferry` and of `sam`, after a blank; nothing for the default one."""
        return "" if self.is_default else f" --config-env {self.name}"

    @property
    def values(self) -> dict[str, Any]:
        """What the templates say of it."""
        folder = PurePosixPath(self.mappings).parent
        return {
            "environment": self.name,
            "is_default": self.is_default,
            "option": self.option,
            "account": self.account,
            "region": self.region,
            "partition": list_regions().get(self.region, "aws"),
            "stack_name": self.stack_name,
            "prefix": self.prefix,
            "mappings": self.mappings,
            "generated": str(folder / "generated"),
            "build": "build" if self.is_default else f"build/{self.name}",
            "workflow": "keyferry" if self.is_default else f"keyferry-{self.name}",
            "job_names": {job: job if self.is_default else f"{job} ({self.name})" for job in JOBS},
            "actions": ACTIONS,
            "lock": LOCK,
            "link": link,
        }


def check_name(name: str) -> None:
    """Refuse the name of an environment that its folders, its stack or its workflow cannot have.

    Raises:
        click.BadParameter: names cannot be made of it; the message says what would be right.
    """
    check("config-env", name)
    if name in _TAKEN:
        text = f"{name} names something else in the repository: call the environment otherwise, as prod"
        raise click.BadParameter(text, param_hint="--config-env")


def name_environment(name: str, account: str, region: str) -> Environment:
    """Return a new environment. Others than the default one are named so that they can share clusters with it."""
    if name == DEFAULT_ENVIRONMENT:
        return Environment(name, account, region, "keyferry", DEFAULT_PREFIX, MAPPINGS.as_posix())
    return Environment(name, account, region, f"keyferry-{name}", f"{DEFAULT_PREFIX}-{name}", f"{name}/{MAPPINGS}")


def render_starters(environment: Environment, answers: Answers) -> dict[str, str]:
    """Return path and text of the files that are the user's own once they are written."""
    last = answers.secret.strip("/").rpartition("/")[2].lower()
    name = _make_label(last)
    values = environment.values | {
        "clusters": [{"name": name, "eks": eks} for name, eks in name_clusters(answers).items()],
        "team": answers.team,
        "namespace": answers.namespace,
        "secret": answers.secret,
        "pattern": f"{answers.secret.rpartition('/')[0]}/*" if "/" in answers.secret else answers.secret,
        "name": name if name.startswith(f"{answers.team}-") else f"{answers.team}-{name}",
    }
    files = {
        "clusters.yaml": "clusters.yaml",
        "policy.yaml": "policy.yaml",
        f"{answers.team}/{name}.yaml": "mapping.yaml",
        **({} if environment.is_default else {"stack.yaml": "stack.yaml"}),
    }
    texts = {f"{environment.mappings}/{path}": _render(template, values) for path, template in files.items()}
    return texts | {".gitignore": _render("gitignore", values), "README.md": _render("README.md", values)}


def name_clusters(answers: Answers) -> dict[str, str]:
    """Return what mappings call each cluster, and its name in EKS.

    Raises:
        click.BadParameter: two of them would be called the same.
    """
    named = {_make_label(cluster.lower()): cluster for cluster in answers.clusters}
    for cluster in answers.clusters:
        other = named[_make_label(cluster.lower())]
        if other != cluster:
            text = f"mappings would call {cluster} and {other} the same: leave one out, and write it into clusters.yaml"
            raise click.BadParameter(text, param_hint="--cluster")
    return named


def render_canary(environment: Environment) -> dict[str, str]:
    """Return path and text of the mapping that `keyferry doctor --canary` uses."""
    return {f"{environment.mappings}/canary.yaml": _render("canary.yaml", environment.values)}


def format_roles(environment: Environment, *, creates_provider: bool) -> str:
    """Return the command that makes the roles of an environment's workflow."""
    values = environment.values | {"creates_provider": creates_provider}
    return _render("roles.sh", values).rstrip("\n")


def render_settings(environment: Environment, *, is_first: bool) -> str:
    """Return what samconfig.toml has of an environment; of the first one, with the head of the file."""
    head = _render("samconfig_head.toml", {}) if is_first else "\n"
    return head + _render("samconfig.toml", environment.values)


def render_owned(environment: Environment, pin: Pin, carried: Mapping[str, str]) -> dict[str, str]:
    """Return path and text of the files that follow from the release and from samconfig.toml.

    requirements.txt is not among them where its pin is not known.

    Args:
        environment: the environment.
        pin: how requirements.txt names this program.
        carried: the text of the files of the application that are needed, by name.
    """
    values = environment.values
    return {
        **({REQUIREMENTS: f"{_PIN_HEADER}{pin.line}\n"} if pin.line else {}),
        SAM_REQUIREMENTS: _SAM_HEADER + carried[_SAM_LOCK],
        CI_ROLES: ci_roles.render(carried[_POLICY]),
        f".github/workflows/{values['workflow']}.yml": _render("workflow.yml", values),
    }


def _make_label(text: str) -> str:
    """Return a name that Kubernetes takes, as near as can be."""
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in text)
    return kept.strip("-")[:63].strip("-") or "x"


def _render(template: str, values: Mapping[str, Any]) -> str:
    text = resources.files(__package__).joinpath("files", template).read_text(encoding="utf-8")
    return _templates().from_string(text).render(values)


@functools.cache
def _templates() -> Templates:
    """Return the templates' syntax: YAML and workflows have braces of their own."""
    return Templates(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  # no HTML
    )
