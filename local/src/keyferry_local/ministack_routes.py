"""What `local` asks of MiniStack beside the AWS API, each a `PUT` below `/_local/`; runs in MiniStack's environment."""

import secrets
import time

from ministack.services import eks, iam, sts  # type: ignore[import-not-found]

from keyferry_local.ministack_calls import Json

PREFIX = "/_local/"
_HOUR = 3600


def answer(path: str, given: Json) -> tuple[int, Json]:
    """Answer a request below the prefix with a status and a document."""
    match path.removeprefix(PREFIX).split("/"):
        case ["eks", account, region, name]:
            return _register_cluster(account, region, name, given)
        case ["roles", account, name]:
            return _become(account, name, given["session"])
    return 404, {}


def _register_cluster(account: str, region: str, name: str, given: Json) -> tuple[int, Json]:
    """Make DescribeCluster answer with the given endpoint and CA from now on."""
    cluster = eks._clusters.get_scoped(account, region, name)
    if not cluster:
        return 404, {}
    cluster["endpoint"] = given["endpoint"]
    cluster["certificateAuthority"]["data"] = given["certificateAuthority"]
    cluster["status"] = "ACTIVE"
    return 200, {}


def _become(account: str, name: str, session: str) -> tuple[int, Json]:
    """Give out a role's credentials as Lambda does: for the service that the role trusts, without an API call."""
    role = iam._roles.get_scoped(account, None, name)
    if not role:
        return 404, {}
    key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), secrets.token_urlsafe(60)
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "UserId": f"{role['RoleId']}:{session}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + _HOUR,
        },
    )
    return 200, {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token}
