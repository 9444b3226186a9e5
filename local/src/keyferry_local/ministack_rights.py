"""Which action and resource a call is authorized by, where AWS has it otherwise than MiniStack; as `ministack_gaps`."""

import re
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions, iam_evaluator  # type: ignore[import-not-found]
from ministack.core.router import extract_access_key_id  # type: ignore[import-not-found]

from keyferry_local import ministack_calls
from keyferry_local.ministack_calls import Json

_LAYER_VERSIONS = re.compile(r"/layers/[^/]+/versions/?$")


def close() -> None:
    """Put it right."""
    _authorize_parameters_by_name()
    _authorize_logs_and_dashboards_by_name()
    _authorize_rules_and_access_entries_by_their_arns()
    _authorize_calls_by_their_own_actions()
    _compare_the_source_of_events()


def _authorize_parameters_by_name() -> None:
    """The resource of a Parameter Store call is the parameter, also where it is named by ARN, version or label.

    A call that names several is refused where one of them would be: that one is its resource then.
    """
    extract = iam_actions.extract_resource_arn

    def resource(
        service: str, method: str, path: str, headers: Json, body: bytes, query: Json, region: str, account: str
    ) -> str:
        names = ministack_calls.parameter_names(ministack_calls.parse(body)) if service == "ssm" else []
        arns = [ministack_calls.parameter_arn(name, region, account) for name in names]
        if not arns:
            return str(extract(service, method, path, headers, body, query, region, account))
        key, action = extract_access_key_id(headers, query) or "", f"ssm:{headers['x-amz-target'].rpartition('.')[2]}"
        refused = (arn for arn in arns[1:] if iam_evaluator.enforce(key, action, service, region, resource_arn=arn))
        return next(refused, arns[0])

    iam_actions.extract_resource_arn = resource


def _authorize_logs_and_dashboards_by_name() -> None:
    """The ARN of a log group ends in `:*` where its streams and events are asked for; a dashboard has an ARN."""
    extract = iam_actions.extract_resource_arn

    def resource(
        service: str, method: str, path: str, headers: Json, body: bytes, query: Json, region: str, account: str
    ) -> str:
        arn = str(extract(service, method, path, headers, body, query, region, account))
        dashboard = iam_actions._param(body, query, "DashboardName") if service == "monitoring" else None
        if dashboard:
            return f"arn:aws:cloudwatch::{account}:dashboard/{dashboard}"
        return f"{arn}:*" if ":log-group:" in arn and not arn.endswith(":*") else arn

    iam_actions.extract_resource_arn = resource


def _authorize_rules_and_access_entries_by_their_arns() -> None:
    """The ARN of a rule on the default bus does not name the bus; an access entry is a resource of its own."""
    extract = iam_actions.extract_resource_arn

    def resource(
        service: str, method: str, path: str, headers: Json, body: bytes, query: Json, region: str, account: str
    ) -> str:
        arn = str(extract(service, method, path, headers, body, query, region, account))
        cluster, _, principal = path.partition("/clusters/")[2].partition("/access-entries/")
        if service == "eks" and principal:
            kind, _, name = unquote(principal).rpartition(":")[2].partition("/")
            return f"arn:aws:eks:{region}:{account}:access-entry/{cluster}/{kind}/{account}/{name}/1"
        if service == "lambda" and _LAYER_VERSIONS.search(path):
            return "*"  # AWS has no resource to name for it
        call = headers.get("x-amz-target", "").rpartition(".")[2] if service == "events" else ""
        if call in ("DescribeEventBus", "PutEvents"):  # nothing here puts events on a bus of its own
            return f"arn:aws:events:{region}:{account}:event-bus/{ministack_calls.parse(body).get('Name', 'default')}"
        rule = ministack_calls.parse(body).get("Rule") if service == "events" else None
        return f"arn:aws:events:{region}:{account}:rule/{rule}" if rule else arn.replace(":rule/default/", ":rule/")

    iam_actions.extract_resource_arn = resource


def _authorize_calls_by_their_own_actions() -> None:
    """SQS has no actions for batches: `sqs:SendMessage` allows SendMessageBatch, and so do the others.

    MiniStack takes two calls of Lambda for others.
    """
    extract = iam_actions.extract_iam_action

    def action(service: str, method: str, path: str, *rest: Any, **more: Any) -> str | None:  # noqa: ANN401 - only handed on
        if service == "lambda" and method == "GET" and path.endswith("/concurrency"):
            return "lambda:GetFunctionConcurrency"
        if service == "lambda" and method == "GET" and _LAYER_VERSIONS.search(path):
            return "lambda:ListLayerVersions"
        found: str | None = extract(service, method, path, *rest, **more)
        return found.removesuffix("Batch") if found and service == "sqs" else found

    iam_actions.extract_iam_action = action


def _compare_the_source_of_events() -> None:
    """A condition can compare `events:source`, the source of what PutEvents puts."""
    context = iam_actions.request_tag_context

    def with_source(service: str, action: str, body: bytes, *rest: Any) -> Json:  # noqa: ANN401 - only handed on
        found: Json = context(service, action, body, *rest)
        if action != "events:PutEvents":
            return found
        sources = {str(entry.get("Source")) for entry in ministack_calls.parse(body).get("Entries", ())}
        return {**found, "events:source": ",".join(sorted(sources))}

    iam_actions.request_tag_context = with_source
