"""A deployed stack of Keyferry: its queue of deliveries, from the outputs of CloudFormation, and its logs."""

import shlex

import boto3
from botocore.exceptions import ClientError

from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client
from keyferry.aws.sqs import DeliveryQueue
from keyferry.cli.check.problems import nearest
from keyferry.errors import InvalidInput

OUTPUT = "DeliveriesQueueUrl"
"""The output of template.yaml that has the URL of the queue."""


def connect_queue(session: boto3.Session, stack: str) -> DeliveryQueue:
    """Return a client of the queue from which a stack takes its deliveries.

    Raises:
        InvalidInput: the account and region have no such stack, or it is not a stack of Keyferry.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    client = open_client(session, "cloudformation")
    with translate_errors(f"cloudformation:DescribeStacks on {stack}"):
        try:
            stacks = client.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ValidationError":
                raise
            stacks = []
    if not stacks:
        raise InvalidInput(f"there is no stack {stack} in {session.region_name}: look at name, region and account")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    if OUTPUT not in outputs:
        raise InvalidInput(f"stack {stack} has no output {OUTPUT}{nearest(OUTPUT, outputs)}: is it one of Keyferry's?")
    return DeliveryQueue(open_client(session, "sqs"), outputs[OUTPUT])


def format_logs_command(stack: str, event_id: str) -> str:
    """Return the shell command that follows the logs of an event's deliveries."""
    pattern = f'"{event_id}"'
    return (
        f"aws logs tail {shlex.quote(f'/aws/lambda/{stack}-deliver')} --follow --filter-pattern {shlex.quote(pattern)}"
    )
