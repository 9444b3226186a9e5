"""The events that AWS services send to EventBridge and MiniStack does not, in their documented shape.

Pure: an API call and its answer go in, events come out. Sending them is the launcher's work.
"""

from collections.abc import Iterable

from keyferry_local import ministack_trail
from keyferry_local.ministack_calls import Call, Event, parameter_arn, parameter_names

OPERATIONS = {
    "AmazonSSM.PutParameter",
    "AmazonSSM.DeleteParameter",
    "AmazonSSM.DeleteParameters",
    "AmazonSSM.LabelParameterVersion",
    "secretsmanager.CreateSecret",
    "secretsmanager.PutSecretValue",
    "secretsmanager.UpdateSecret",
    "secretsmanager.UpdateSecretVersionStage",
    "secretsmanager.DeleteSecret",
    "secretsmanager.RestoreSecret",
}
"""The calls that cause such an event, as `X-Amz-Target` spells them."""


def announce(call: Call) -> list[Event]:
    """Tell which events the call causes; of the calls that failed, only CloudTrail tells."""
    trail = [ministack_trail.api_call(call)] if call.operation.startswith("secretsmanager.") else []
    if call.failed:
        return trail
    if call.operation == "secretsmanager.CreateSecret":
        return [*_first_version(call), *trail]
    return trail or _parameter_changes(call)


def stack_status(stack_id: str, status: str, reason: str, token: str) -> Event:
    """Describe a new status of a CloudFormation stack."""
    detail = {
        "stack-id": stack_id,
        "status-details": {"status": status, "status-reason": reason},
        "client-request-token": token,
    }
    return Event("aws.cloudformation", "CloudFormation Stack Status Change", detail, [stack_id])


def _first_version(call: Call) -> Iterable[Event]:
    """AWSCURRENT moves to the first version too, where the secret was created with a value."""
    if {"SecretString", "SecretBinary"} & call.request.keys():
        detail = {
            "name": call.response["Name"],
            "labelUpdated": "AWSCURRENT",
            "versionId": call.response["VersionId"],
        }
        yield Event("aws.secretsmanager", "Secret Label Updated", detail, [call.response["ARN"]])


def _parameter_changes(call: Call) -> list[Event]:
    operation, names = _parameter_operation(call)
    description = {"description": call.request["Description"]} if call.request.get("Description") else {}
    return [
        Event(
            "aws.ssm",
            "Parameter Store Change",
            {
                "operation": operation,
                "name": name,
                "type": call.request.get("Type") or call.parameter_types.get(name, "String"),
                **description,
            },
            [parameter_arn(name, call.region, call.account)],
        )
        for name in names
    ]


def _parameter_operation(call: Call) -> tuple[str, list[str]]:
    match call.operation.partition(".")[2]:
        case "PutParameter":
            return ("Create" if call.response.get("Version") == 1 else "Update"), parameter_names(call.request)
        case "DeleteParameters":
            return "Delete", list(call.response.get("DeletedParameters", []))
        case "DeleteParameter":
            return "Delete", parameter_names(call.request)
        case operation:
            return operation, parameter_names(call.request)
