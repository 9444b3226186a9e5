"""What the checks of AWS look at: a stack that is deployed, and the mappings of the folder. Clients are built once."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

from keyferry.aws.calls import cache_answers
from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import Service
from keyferry.cli.call import CALL, Call
from keyferry.cli.doctor.finding import format_command
from keyferry.cli.stack import Stack
from keyferry.cli.trace.pages import read_pages
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog

_SESSION = re.compile(r"arn:[^:]+:sts::[0-9]{12}:assumed-role/([^/]+)/.+")
_USER = re.compile(r"arn:[^:]+:iam::[0-9]{12}:user/(?:.+/)?([^/]+)")


class Clients(Protocol):
    """Gives the clients of AWS: `keyferry.aws.sessions.Sessions`."""

    def client(self, service: Service, region: str | None = None) -> Any:  # noqa: ANN401  # one of boto3's generated classes
        """Return a client of a service; by default in the region of the session."""


class Resource(NamedTuple):
    """A resource of the stack."""

    id: str
    """Its physical id: a name, a URL or an ARN."""
    status: str


class Caller(NamedTuple):
    """Who asks."""

    account: str
    arn: str

    @property
    def partition(self) -> str:
        """The partition of AWS, such as `aws`."""
        return self.arn.split(":")[1]


@dataclass(frozen=True)
class Subject:
    """The stack, with what is known of it. Several checks use it at once."""

    clients: Clients
    caller: Caller
    stack: Stack
    catalog: Catalog | None = None
    """The mappings of the folder; None where they have problems."""
    cluster: str | None = None
    """The only cluster that is looked at; None for all."""
    call: Call = CALL
    """How this program was called."""

    def client(self, service: Service, region: str | None = None) -> Any:  # noqa: ANN401  # one of boto3's generated classes
        """Return a client of a service; by default in the region of the stack."""
        return self.clients.client(service, region)

    @property
    def region(self) -> str:
        """The region of the stack."""
        return self.stack.region

    @property
    def prefix(self) -> str:
        """What the names of the stack's roles and policies begin with."""
        return self.stack.parameters.get("RoleNamePrefix", "keyferry")

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack."""
        return self.stack.outputs

    @cached_property
    def list_resources(self) -> Callable[[], Mapping[str, Resource]]:
        """Returns the resources of the stack, by logical id; raises a KeyferryError. AWS is asked once."""
        return cache_answers(partial(_list_resources, self.client("cloudformation"), self.stack.name))

    @cached_property
    def ask(self) -> Callable[[str], dict[str, Any]]:
        """Returns the answer of the function `report` to a question; raises a KeyferryError. It is asked once."""
        return cache_answers(self._ask)

    def _ask(self, question: str) -> dict[str, Any]:
        for answer in self.stack.ask(question, cluster=self.cluster):
            return answer
        raise InvalidInput(f"the function report gives no answer to {question}")

    def search_log(self, function: str, pattern: str, since: datetime) -> Iterator[dict[str, Any]]:
        """Yield the lines of JSON that a function has logged since then, as `keyferry.cli.trace.pages.read_pages` does.

        Args:
            function: the end of its name.
            pattern: which lines (CloudWatch Logs, filter pattern syntax).
            since: how far back to look.

        Raises:
            KeyferryError: AWS refuses it, or does not answer.
        """
        for page in read_pages(self.client("logs"), f"/aws/lambda/{self.stack.name}-{function}", pattern, since):
            yield from page.lines

    def get_resource(self, logical_id: str) -> str | None:
        """Return the physical id of a resource; None where the stack does not have it.

        Raises:
            KeyferryError: AWS refuses to list the stack's resources, or does not answer.
        """
        resource = self.list_resources().get(logical_id)
        return resource.id if resource else None

    def format_restore(self) -> tuple[str, ...]:
        """Return the commands that make resources anew, or what they were, as the template of the stack has them.

        `sam deploy` does not: a change set compares with the template before, and finds no change. One that reverts
        drift compares with what there is ("Using drift-aware change sets").
        """
        stack = "--region", self.region, "--stack-name", self.stack.name, "--change-set-name", "restore"
        kept = [f"ParameterKey={name},UsePreviousValue=true" for name in sorted(self.stack.parameters)]
        create = format_command(
            *("aws", "cloudformation", "create-change-set", *stack, "--deployment-mode", "REVERT_DRIFT"),
            *("--use-previous-template", "--capabilities", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
            *(("--parameters", *kept) if kept else ()),
        )
        wait = format_command("aws", "cloudformation", "wait", "change-set-create-complete", *stack)
        return create, wait, format_command("aws", "cloudformation", "execute-change-set", *stack)

    def format_logs(self, function: str) -> str:
        """Return the command that shows what a function, by the end of its name, has logged for an hour."""
        group = f"/aws/lambda/{self.stack.name}-{function}"
        return format_command("aws", "logs", "tail", group, "--region", self.region, "--since", "1h")

    def describe_grant(self, policy: str = "look") -> tuple[str, ...]:
        """Return the command that gives the caller one of the stack's policies; nothing for who can have none."""
        policy = f"arn:{self.caller.partition}:iam::{self.caller.account}:policy/{self.prefix}-{policy}"
        match = _SESSION.fullmatch(self.caller.arn)
        if match and match[1].startswith("AWSReservedSSO_"):  # AWS refuses to: the permission set says what it may
            return ()
        if match:
            return (
                format_command("aws", "iam", "attach-role-policy", "--role-name", match[1], "--policy-arn", policy),
            )
        if match := _USER.fullmatch(self.caller.arn):
            return (
                format_command("aws", "iam", "attach-user-policy", "--user-name", match[1], "--policy-arn", policy),
            )
        return ()


def _list_resources(client: Any, stack: str) -> Mapping[str, Resource]:  # noqa: ANN401  # one of boto3's generated classes
    with translate_errors(f"cloudformation:ListStackResources on {stack}"):
        return {
            resource["LogicalResourceId"]: Resource(resource.get("PhysicalResourceId", ""), resource["ResourceStatus"])
            for page in client.get_paginator("list_stack_resources").paginate(StackName=stack)
            for resource in page["StackResourceSummaries"]
        }
