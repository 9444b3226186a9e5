"""What AWS does and MiniStack leaves out, added to MiniStack's own modules; runs in MiniStack's environment only.

Each addition stands on one function of MiniStack, replaced where its own callers look it up.
"""

import contextvars
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core import responses  # type: ignore[import-not-found]
from ministack.core.responses import error_response_json, get_region, json_response  # type: ignore[import-not-found]
from ministack.services import eventbridge, lambda_svc, secretsmanager, sqs, ssm  # type: ignore[import-not-found]
from ministack.services.cloudformation import changesets, handlers, provisioners, stacks  # type: ignore[import-not-found]

from keyferry_local import ministack_events, ministack_rights, ministack_trail
from keyferry_local.ministack_calls import Event, Json

Answer = tuple[int, dict[str, str], bytes]
Rotate = Callable[[Json], Answer]

logger = logging.getLogger("local")


def send(*events: Event) -> None:
    """Hand events to EventBridge as a service of AWS does: by MiniStack's dispatcher, in the caller's account."""
    for event in events:
        entry = {
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": json.dumps(event.detail),
            "Resources": event.resources,
        }
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        logger.info("Sent %s: %s", event.source, event.detail_type)


def close() -> None:
    """Add all of it."""
    _announce_stack_status()
    _deliver_message_groups_concurrently()
    ministack_rights.close()
    _filter_parameters_by_tag()
    _refuse_tags_of_missing_parameters()
    secretsmanager._list_secrets = _listing(secretsmanager._list_secrets)
    secretsmanager._tag_resource = _changing(secretsmanager._tag_resource)
    secretsmanager._untag_resource = _changing(secretsmanager._untag_resource)
    _ask_the_policy_of_a_queue()
    _forward_events_between_accounts_and_regions()
    _know_account_and_region_in_conditions()
    secretsmanager._rotate_secret = _rotating(secretsmanager._rotate_secret)
    _take_alarms_on_expressions()


def _announce_stack_status() -> None:
    """CloudFormation tells EventBridge each new status of a stack, nested ones included."""
    record = stacks._add_event

    def announcing(stack: str, name: str, logical: str, kind: str, status: str, *rest: str, **more: str) -> None:
        record(stack, name, logical, kind, status, *rest, **more)
        if logical == name and kind == "AWS::CloudFormation::Stack":
            reason = rest[0] if rest else more.get("reason", "")
            send(ministack_events.stack_status(stack, status, reason, stacks.CLIENT_REQUEST_TOKEN.get() or ""))

    for module in (stacks, changesets, handlers):
        module._add_event = announcing


def _deliver_message_groups_concurrently() -> None:
    """Lambda works on as many message groups of a FIFO queue at once as it may run functions.

    MiniStack takes one batch at a time, since its batches mix groups. Batches of one message do not, and its queues
    hold a group back while one of its messages is in flight.
    """
    allowed = lambda_svc._sqs_esm_concurrency

    def concurrency(esm: Json, function: Json, config: Json, queue: Json | None = None) -> int:
        return int(allowed(esm, function, config, None if esm.get("BatchSize") == 1 else queue))

    lambda_svc._sqs_esm_concurrency = concurrency


def _filter_parameters_by_tag() -> None:
    """DescribeParameters takes filters `tag:KEY`; MiniStack lets every parameter through them."""
    apply = ssm._apply_filter

    def applying(parameter: Json, key: str, option: str, values: list[str]) -> bool:
        if not key.startswith("tag:"):
            return bool(apply(parameter, key, option, values))
        return ssm._tags.get(parameter["ARN"], {}).get(key.removeprefix("tag:")) in values

    ssm._apply_filter = applying


def _refuse_tags_of_missing_parameters() -> None:
    """ListTagsForResource refuses a parameter that does not exist; MiniStack says that it has no tags."""
    listing = ssm._list_tags_for_resource

    def listed(data: Json) -> Answer:
        if data.get("ResourceType") == "Parameter" and not ssm._lookup_parameter(data.get("ResourceId"))[1]:
            refused: Answer = error_response_json("InvalidResourceId", "The resource ID isn't valid.", 400)
            return refused
        answer: Answer = listing(data)
        return answer

    ssm._list_tags_for_resource = listed


def _take_alarms_on_expressions() -> None:
    """An alarm can be on an expression of several metrics; here it is kept as one on the first. None changes state."""
    record = provisioners._cw_metric_alarm_record

    def recording(name: str, properties: Json) -> Json:
        stats = [part["MetricStat"]["Metric"] for part in properties.get("Metrics", []) if "MetricStat" in part]
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        return dict(record(name, {**(stats[0] if stats else {}), **plain}))

    provisioners._cw_metric_alarm_record = recording


def _listing(listed: Callable[[Json], Answer]) -> Callable[[Json], Answer]:
    """ListSecrets tells the KMS key of each secret that is under one of its own."""

    def listing(data: Json) -> Answer:
        status, headers, body = listed(data)
        answer = json.loads(body)
        for entry in answer.get("SecretList", []):
            _, secret = secretsmanager._resolve(entry["ARN"])
            if secret and secret.get("KmsKeyId"):
                entry["KmsKeyId"] = secret["KmsKeyId"]
        return status, headers, json.dumps(answer).encode()

    return listing


def _changing(change: Callable[[Json], Answer]) -> Callable[[Json], Answer]:
    """A secret is changed by a change of its tags too: LastChangedDate is when it was modified in any way."""

    def changing(data: Json) -> Answer:
        answer = change(data)
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if secret and answer[0] == 200:
            secret["LastChangedDate"] = int(time.time())
        return answer

    return changing


def _ask_the_policy_of_a_queue() -> None:
    """A rule's event reaches a queue whose policy lets the rule in, else the dead-letter queue of the target."""
    invoke = eventbridge._invoke_target

    def lets_in(queue: str, rule: Json) -> bool:
        return bool(sqs.queue_policy_allows(queue, "events.amazonaws.com", rule["Arn"], rule["Arn"].split(":")[4]))

    def invoking(target: Json, event: Json, rule: Json, view: Any = None) -> None:  # noqa: ANN401 - only handed on
        if ":sqs:" not in target["Arn"] or ":rule/" not in rule["Arn"] or lets_in(target["Arn"], rule):
            invoke(target, event, rule, view)
            return
        dead_letters = target.get("DeadLetterConfig", {}).get("Arn", "")
        logger.warning(
            "The policy of %s does not let in %s; dead letters: %s", target["Arn"], rule["Arn"], dead_letters
        )
        if dead_letters and lets_in(dead_letters, rule):
            invoke({**target, "Arn": dead_letters}, event, rule, view)

    eventbridge._invoke_target = invoking


def _forward_events_between_accounts_and_regions() -> None:
    """A rule can put events on a bus of another account or region; they keep the account and region that they are of.

    The bus's policy must let another account in; its conditions are not looked at.
    """
    dispatch = eventbridge._dispatch_to_event_bus

    def lets_in(bus: str, sender: str) -> bool:
        policy = eventbridge._event_bus_policies.get(bus) or {"Statement": []}
        return any(statement["Principal"] in (sender, "*") for statement in policy["Statement"])

    def receive(spec: Any, event: Json, sender: str) -> None:  # noqa: ANN401 - MiniStack's own
        responses.set_request_account_id(spec.account_id)
        responses.set_request_region(spec.region)
        bus = spec.resource.partition("/")[2]
        if sender == spec.account_id or lets_in(bus, sender):
            eventbridge._dispatch_event({**event, "EventBusName": bus})
        else:
            logger.warning("The policy of bus %s does not let in account %s", spec, sender)

    def dispatching(spec: Any, event: Json, *rest: Any) -> None:  # noqa: ANN401 - only handed on
        sender = responses.get_account_id()
        if (spec.account_id, spec.region) == (sender, get_region()):
            dispatch(spec, event, *rest)
        else:
            contextvars.copy_context().run(receive, spec, event, sender)

    eventbridge._dispatch_to_event_bus = dispatching


def _know_account_and_region_in_conditions() -> None:
    """Conditions of CloudFormation can compare AWS::AccountId and AWS::Region."""
    evaluate = stacks._evaluate_conditions

    def evaluating(template: Json, parameters: Json) -> Json:
        place = {"AWS::AccountId": responses.get_account_id(), "AWS::Region": get_region()}
        found: Json = evaluate(template, parameters | {name: {"Value": value} for name, value in place.items()})
        return found

    for module in (stacks, changesets, handlers, provisioners):
        module._evaluate_conditions = evaluating


def _rotating(without_function: Rotate) -> Rotate:
    """Rotation calls the rotation function four times; MiniStack only makes a new version of the old value."""

    def rotate(data: Json) -> Answer:
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        function = data.get("RotationLambdaARN") or (secret or {}).get("RotationLambdaARN")
        if not secret or secret.get("DeletedDate") or not function:
            return without_function(data)
        token = data.get("ClientRequestToken") or str(uuid.uuid4())
        rules = data.get("RotationRules") or secret.get("RotationRules")
        secret.update(RotationEnabled=True, RotationLambdaARN=function, RotationRules=rules)
        if data.get("RotateImmediately", True):
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(_run_rotation, secret["ARN"], function, token), daemon=True).start()
        answer: Answer = json_response({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token})
        return answer

    return rotate


def _run_rotation(arn: str, function: str, token: str) -> None:
    send(ministack_trail.rotation("RotationStarted", arn, token, get_region()))
    _, secret = secretsmanager._resolve(arn)
    secret["Versions"][token] = {"CreatedDate": 0, "Stages": ["AWSPENDING"]}
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        if not _succeeds(function, {"Step": step, "SecretId": arn, "ClientRequestToken": token}):
            error = f"Error when executing lambda {function} during {step} step"
            send(ministack_trail.rotation("RotationFailed", arn, token, get_region(), error))
            return
    send(ministack_trail.rotation("RotationSucceeded", arn, token, get_region()))


def _succeeds(function: str, event: Json) -> bool:
    record, config, _ = lambda_svc._get_func_record_for_ref(function)
    if not record or not config:
        return False
    result = lambda_svc._execute_function(lambda_svc._execution_record_for_config(record, config), event)
    return not result.get("error")
