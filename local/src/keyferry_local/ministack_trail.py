"""The events of CloudTrail: calls of the Secrets Manager API, failed ones too, and what the service does by itself."""

import uuid
from datetime import UTC, datetime

from keyferry_local.ministack_calls import Call, Event, Json

_VALUES = {"SecretString", "SecretBinary"}
"""Parameters that CloudTrail does not record."""


def api_call(call: Call) -> Event:
    """Describe a call and its answer."""
    detail: Json = {
        "eventVersion": "1.11",
        "userIdentity": call.caller,
        "eventTime": _now(),
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": call.operation.partition(".")[2],
        "awsRegion": call.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": call.user_agent,
        **(_error(call.response) if call.failed else {}),
        "requestParameters": {_camel(key): value for key, value in call.request.items() if key not in _VALUES},
        "responseElements": None if call.failed else _response_elements(call.response),
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    return Event("aws.secretsmanager", "AWS API Call via CloudTrail", detail)


def rotation(name: str, arn: str, token: str, region: str, error: str = "") -> Event:
    """Describe a step of a rotation (`RotationStarted`, `RotationSucceeded`, `RotationFailed`) as CloudTrail does."""
    account = arn.split(":")[4]
    service = "secretsmanager.amazonaws.com"
    detail: Json = {
        "eventVersion": "1.08",
        "userIdentity": {"accountId": account, "invokedBy": service},
        "eventTime": _now(),
        "eventSource": service,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": service,
        "userAgent": service,
        **({"errorMessage": error} if error else {}),
        "requestParameters": None,
        "responseElements": None,
        "additionalEventData": {"SecretId": arn},
        "requestID": f"Rotation-{arn}-{token}",
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }
    return Event("aws.secretsmanager", "AWS Service Event via CloudTrail", detail)


def _error(response: Json) -> Json:
    code = str(response.get("__type", "InternalFailure")).rpartition("#")[2]
    return {"errorCode": code, "errorMessage": str(response.get("message") or response.get("Message") or "")}


def _response_elements(response: Json) -> Json:
    elements = {_camel(key): value for key, value in response.items()}
    if "deletionDate" in elements:
        moment = datetime.fromtimestamp(elements["deletionDate"], UTC)
        elements["deletionDate"] = f"{moment:%b} {moment.day}, {moment:%Y, %-I:%M:%S %p}"
    return elements


def _camel(key: str) -> str:
    return "arn" if key == "ARN" else key[0].lower() + key[1:]


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
