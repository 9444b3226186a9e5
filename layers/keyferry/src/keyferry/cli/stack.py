"""A deployed stack of Keyferry: its outputs, its queue of deliveries, its answers to questions, and its logs."""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client, open_session
from keyferry.aws.sqs import DeliveryQueue
from keyferry.aws.suspensions import SuspensionStore
from keyferry.cli.check.problems import nearest
from keyferry.cli.options import Settings
from keyferry.cli.trace.pages import LogLines, read_pages
from keyferry.errors import InvalidInput, KeyferryError, Overtaken, UnknownName
from keyferry.model import parse_json
from keyferry.pipeline.suspensions import ROOT

QUEUE, REPORT = "DeliveriesQueueUrl", "ReportFunction"
"""The outputs of template.yaml that have the URL of the queue, and the name of the function that answers questions."""
_PATIENT = Config(read_timeout=70, retries={"mode": "standard", "total_max_attempts": 1})
"""The function answers within 60 seconds."""
_KINDS: Mapping[str, type[KeyferryError]] = {"Overtaken": Overtaken, "UnknownName": UnknownName}
"""The kinds of errors of an answer that are told from others."""
_ENDS = ("delivered", "retry later", "dead letter", "dropped", "replaced")
"""The messages of the log lines of `deliver` that say how an attempt ended, well or not. What is superseded is left
out: it was not attempted."""
MAX_PATTERN = 980
"""How long a filter pattern may be, with room for one condition more; 1,024 characters are the most (FilterLogEvents).
"""


@dataclass(frozen=True)
class Stack:
    """A stack that is deployed."""

    session: boto3.Session
    name: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    status: str = ""
    """What became of its last deployment, such as `UPDATE_COMPLETE`."""
    drift: str = ""
    """Whether CloudFormation has found it changed by hand, such as `NOT_CHECKED` or `DRIFTED`; empty if unknown."""
    arn: str = ""
    """Its ARN, which CloudFormation calls its id; empty if unknown."""

    def __str__(self) -> str:
        """Return which stack it is, for a question."""
        return f"stack {self.name} of account {self.account} in {self.region}"

    @property
    def account(self) -> str:
        """The account that it is in; empty if unknown."""
        return self.arn.split(":")[4] if self.arn else ""

    @property
    def region(self) -> str:
        """The region that it is in."""
        return str(self.session.region_name)

    def connect_queue(self) -> DeliveryQueue:
        """Return a client of the queue from which the stack takes its deliveries.

        Raises:
            InvalidInput: it is not a stack of Keyferry.
        """
        return DeliveryQueue(open_client(self.session, "sqs"), self.get_output(QUEUE))

    def connect_suspensions(self) -> SuspensionStore:
        """Return a client of what is suspended in the stack."""
        return SuspensionStore(open_client(self.session, "ssm"), ROOT.format(stack=self.name))

    def name_caller(self) -> str:
        """Return how the user, or the session of the role, is called whose credentials these are."""
        with translate_errors("sts:GetCallerIdentity"):
            return str(open_client(self.session, "sts").get_caller_identity()["Arn"]).rpartition("/")[2]

    def ask(self, question: str, **fields: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # JSON
        """Yield the pages of an answer of the function `report`.

        Args:
            question: what is asked.
            fields: more fields of the question, as `keyferry.pipeline.question` has them.

        Raises:
            InvalidInput: it is not a stack of Keyferry, or the function refuses the question.
            Overtaken: another deployment has come between two pages.
            UnknownName: the stack has no mapping, cluster or namespace that the fields name.
            KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
        """
        client, name = open_client(self.session, "lambda", config=_PATIENT), self.get_output(REPORT)
        asked = {"question": question, **{key: value for key, value in fields.items() if value is not None}}
        while True:
            with translate_errors(f"lambda:InvokeFunction on {name}"):
                answer = client.invoke(FunctionName=name, Payload=json.dumps(asked).encode())
                page = parse_json(answer["Payload"].read().decode(errors="replace"))
            if "FunctionError" in answer or not isinstance(page, dict):
                text = page.get("errorMessage") if isinstance(page, dict) else None
                raise InvalidInput(f"function {name} failed: {text or 'it gave no answer'}; its log says more")
            if "error" in page:
                raise _KINDS.get(page["error"]["kind"], InvalidInput)(page["error"]["text"])
            yield page
            if "cursor" not in page:
                return
            if page["cursor"] == asked.get("cursor"):
                raise InvalidInput(f"function {name} gets no further in the time that it has; its log says more")
            asked["cursor"] = page["cursor"]

    def list_attempts(
        self, since: datetime, until: datetime | None = None, mappings: Collection[str] = ()
    ) -> Iterator[LogLines]:
        """Yield the log lines of attempts at deliveries that have ended in that time, well or not, page by page.

        Args:
            since: how far back to look.
            until: where to end; None for now.
            mappings: those of these alone, where so many names can be asked for; none for all. Others may be among
                them.

        Raises:
            KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
        """
        for page in self._read_pages("deliver", _build_pattern(mappings), since, until):
            yield replace(page, lines=[line for line in page.lines if line.get("message") in _ENDS])

    def read_logs(self, function: str, pattern: str, since: datetime) -> LogLines:
        """Return the lines of JSON that a function has logged since then, oldest first.

        Args:
            function: the end of its name, as `deliver`.
            pattern: as `read_pages` has it.
            since: how far back to look.

        Raises:
            KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
        """
        pages = list(self._read_pages(function, pattern, since))
        lines = sorted((line for page in pages for line in page.lines), key=lambda line: str(line["timestamp"]))
        return LogLines(lines, pages[-1].is_whole)

    def _read_pages(
        self, function: str, pattern: str, since: datetime, until: datetime | None = None
    ) -> Iterator[LogLines]:
        client = open_client(self.session, "logs")
        return read_pages(client, f"/aws/lambda/{self.name}-{function}", pattern, since, until)

    def get_output(self, name: str) -> str:
        """Return the value of an output.

        Raises:
            InvalidInput: there is none of that name: it is not a stack of Keyferry.
        """
        if name not in self.outputs:
            raise InvalidInput(
                f"stack {self.name} has no output {name}{nearest(name, self.outputs)}: is it one of Keyferry's, of this"
                " release?"
            )
        return self.outputs[name]


def _build_pattern(mappings: Collection[str]) -> str:
    """Return the pattern of attempts that have ended; of all mappings where the names of some would be too long."""
    ends = " || ".join(f'$.message = "{message}"' for message in _ENDS)
    names = " || ".join(f"$.mapping = {json.dumps(name)}" for name in sorted(mappings))
    pattern = f"{{ ({ends}) && ({names}) }}"
    return pattern if names and len(pattern) <= MAX_PATTERN else f"{{ {ends} }}"


def open_stack(environment: Mapping[str, str], name: str | None, settings: Settings) -> Stack:
    """Return a stack as `find_stack` does, by the credentials of the environment, in the region of the settings.

    Raises:
        KeyferryError: as `find_stack` says; or there are no credentials.
    """
    return find_stack(open_session(settings.choose_region(environment, name)), name, settings)


class StackMissing(InvalidInput):
    """The account and region have no stack of that name."""


def name_stack(name: str | None, settings: Settings) -> str:
    """Return the name of a stack: the one that is given, or that of samconfig.toml.

    Raises:
        InvalidInput: nothing names a stack.
        InvalidFiles: samconfig.toml cannot be read.
    """
    known = name or settings.config.stack_name
    if known is None:
        raise InvalidInput(f"which stack? say --stack NAME, or let {settings.config.path.name} have stack_name")
    return known


def describe_stack(client: Any, name: str) -> dict[str, Any] | None:  # noqa: ANN401  # one of boto3's generated classes
    """Return what CloudFormation says of a stack (DescribeStacks); None where there is none of that name.

    Args:
        client: a client of CloudFormation.
        name: the name of the stack.

    Raises:
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    with translate_errors(f"cloudformation:DescribeStacks on {name}"):
        try:
            stacks = client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ValidationError":
                raise
            stacks = []
    return dict(stacks[0]) if stacks else None


def find_stack(session: boto3.Session, name: str | None, settings: Settings) -> Stack:
    """Return a stack by its name, or the one that samconfig.toml names.

    Raises:
        InvalidInput: nothing names a stack; or it is of another account than the credentials.
        StackMissing: the account and region have none of that name.
        InvalidFiles: samconfig.toml cannot be read.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    known = name_stack(name, settings)
    described = describe_stack(open_client(session, "cloudformation"), known)
    if described is None:
        raise _build_missing(session, known, None if name else settings)
    return Stack(
        session,
        known,
        {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
        {given["ParameterKey"]: given["ParameterValue"] for given in described.get("Parameters", [])},
        described["StackStatus"],
        described.get("DriftInformation", {}).get("StackDriftStatus", ""),
        described.get("StackId", ""),
    )


def _build_missing(session: boto3.Session, name: str, settings: Settings | None) -> InvalidInput:
    """Return the error that there is no stack of a name, or that the credentials are of another account than it.

    Args:
        session: the credentials.
        name: the name of the stack.
        settings: they name it by samconfig.toml; None where it was given by its name.
    """
    missing = f"there is no stack {name} in {session.region_name}"
    wanted = settings.config.account if settings else None
    if settings is None or wanted is None:
        return StackMissing(f"{missing}: look at name, region and account")
    with translate_errors("sts:GetCallerIdentity"):
        account = str(open_client(session, "sts").get_caller_identity()["Account"])
    if account == wanted:
        return StackMissing(f"{missing} of account {account}: look at name and region, or deploy it first")
    why = (
        f"environment {settings.config.environment} is of account {wanted}, and these are credentials of {account}: set"
        f" AWS_PROFILE to a profile of {wanted}"
    )
    return InvalidInput(str(settings.config.problem(why, "account")))


def format_logs_command(stack: str, event_id: str) -> str:
    """Return the shell command that follows the logs of an event's deliveries."""
    pattern = f'"{event_id}"'
    return (
        f"aws logs tail {shlex.quote(f'/aws/lambda/{stack}-deliver')} --follow --filter-pattern {shlex.quote(pattern)}"
    )
