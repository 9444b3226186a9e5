"""The deliveries queue of a deployed stack."""

import shlex

import boto3
from botocore.exceptions import ClientError

from keyferry.aws.errors import translate_errors
from keyferry.aws.sqs import DeliveryQueue
from keyferry.cli.check.problems import nearest
from keyferry.errors import InvalidInput

OUTPUT = "DeliveriesQueueUrl"


def queue_of(session: boto3.Session, stack: str) -> DeliveryQueue:
    """Return the deliveries queue of a stack.

    Raises:
        InvalidInput: there is no such stack here, or it is none of Keyferry's.
        KeyferryError: as `keyferry.aws.errors.translate_errors` says.
    """
    with translate_errors(f"cloudformation:DescribeStacks on {stack}"):
        try:
            found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ValidationError":
                raise
            found = []
    if not found:
        raise InvalidInput(f"there is no stack {stack} in {session.region_name}: look at name, region and account")
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found[0].get("Outputs", [])}
    if OUTPUT not in outputs:
        raise InvalidInput(f"stack {stack} has no output {OUTPUT}{nearest(OUTPUT, outputs)}: is it one of Keyferry's?")
    return DeliveryQueue(session.client("sqs"), outputs[OUTPUT])


def follow(stack: str, event_id: str) -> str:
    """Return the command that shows what becomes of the deliveries of an event."""
    pattern = f'"{event_id}"'
    return (
        f"aws logs tail {shlex.quote(f'/aws/lambda/{stack}-deliver')} --follow --filter-pattern {shlex.quote(pattern)}"
    )
