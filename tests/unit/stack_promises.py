"""What template.yaml promises. Each function yields what breaks its promise: nothing, where it is kept."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.unit.stack import DAY, QUEUE, Template, dead_letter_queues, named, resources, sources

type Promise = Callable[[Template], Iterator[str]]

RULE = "AWS::Events::Rule"
LONGEST = 14 * DAY


def visibility_outlasts_six_runs(template: Template) -> Iterator[str]:
    queues = resources(template, QUEUE)
    for name, function, queue, _ in sources(template):
        if queues[queue].get("VisibilityTimeout", 30) < 6 * function["Timeout"]:
            yield f"{queue} shows a message again before {name} has surely ended"


def single_messages_fail(template: Template) -> Iterator[str]:
    for name, _, queue, event in sources(template):
        if "ReportBatchItemFailures" not in event.get("FunctionResponseTypes", []):
            yield f"{name} fails whole batches"
        if resources(template, QUEUE)[queue].get("FifoQueue") and event["BatchSize"] != 1:
            yield f"{name} mixes message groups"


def concurrency_is_bounded(template: Template) -> Iterator[str]:
    for name, _, _, event in sources(template):
        most = event.get("ScalingConfig", {}).get("MaximumConcurrency", 0)
        least = template["Parameters"][most["Ref"]]["MinValue"] if isinstance(most, dict) else most
        if least < 2:
            yield f"{name} is unbounded, or bounded by less than AWS takes"


def consumed_queues_have_dead_letters(template: Template) -> Iterator[str]:
    queues = resources(template, QUEUE)
    for _, _, queue, _ in sources(template):
        dead = named(queues[queue].get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        if dead not in dead_letter_queues(template):
            yield f"{queue} has no dead-letter queue"
        elif queues[dead].get("FifoQueue") != queues[queue].get("FifoQueue"):
            yield f"{dead} is of another kind than {queue}"
        elif not _admits(queues[dead], queues[queue]):
            yield f"{dead} takes nothing from {queue}"


def _admits(dead: dict[str, Any], queue: dict[str, Any]) -> bool:
    """Return whether a dead-letter queue takes messages from a queue, and from no other."""
    arns = [str(arn["Fn::Sub"]) for arn in dead.get("RedriveAllowPolicy", {}).get("sourceQueueArns", [])]
    return [arn.endswith(f":{queue['QueueName']['Fn::Sub']}") for arn in arns] == [True]


def messages_are_kept_for_14_days(template: Template) -> Iterator[str]:
    for name, queue in resources(template, QUEUE).items():
        if queue.get("MessageRetentionPeriod") != LONGEST:
            yield f"{name} drops messages early"


def a_day_of_tries_fits(template: Template) -> Iterator[str]:
    """Delays are five minutes at most; jitter at most halves them."""
    most = resources(template, QUEUE)["Deliveries"]["RedrivePolicy"]["maxReceiveCount"]
    if not 2 * DAY / 300 < most <= 1000:
        yield "SQS takes a delivery away before deliver gives it up"


def queues_are_encrypted(template: Template) -> Iterator[str]:
    for name, queue in resources(template, QUEUE).items():
        if queue.get("SqsManagedSseEnabled") is not True:
            yield f"{name} is not encrypted"


def queues_and_topics_refuse_plain_http(template: Template) -> Iterator[str]:
    refusing: list[str | None] = []
    for kind, key in (("AWS::SQS::QueuePolicy", "Queues"), ("AWS::SNS::TopicPolicy", "Topics")):
        for policy in resources(template, kind).values():
            on = [named(one) for one in policy[key]]
            refusing += on if any(map(_refuses_plain_http, policy["PolicyDocument"]["Statement"])) else []
    for name in (*resources(template, QUEUE), *resources(template, "AWS::SNS::Topic")):
        if refusing.count(name) != 1:
            yield f"{name} takes what comes over plain HTTP, or has several policies, of which one counts"


def _refuses_plain_http(statement: dict[str, Any]) -> bool:
    return (
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] in {"sqs:*", "sns:Publish"}
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    )


def fifo_queues_are_fast_by_group(template: Template) -> Iterator[str]:
    for name, queue in resources(template, QUEUE).items():
        settings = queue.get("DeduplicationScope"), queue.get("FifoThroughputLimit")
        called = str(queue.get("QueueName"))
        if queue.get("FifoQueue") and settings != ("messageGroup", "perMessageGroupId"):
            yield f"{name} holds groups up for each other"
        if bool(queue.get("FifoQueue")) != (".fifo" in called):
            yield f"{name} cannot be created with the name {called}"


def undelivered_events_are_kept(template: Template) -> Iterator[str]:
    for name, target in _targets(template):
        if named(target.get("DeadLetterConfig", {}).get("Arn")) not in dead_letter_queues(template):
            yield f"{name} loses what it cannot hand over"
        if target.get("RetryPolicy", {}).get("MaximumRetryAttempts", 0) < 100:
            yield f"{name} gives up early"


def queue_policies_name_the_rules(template: Template) -> Iterator[str]:
    admitted: dict[str | None, set[str | None]] = {}
    for policy in resources(template, "AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow" and statement["Principal"] == {"Service": "events.amazonaws.com"}:
                rules = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
                admitted[named(statement["Resource"])] = {named(rule) for rule in rules}
    needed: dict[str | None, set[str | None]] = {}
    for name, target in _targets(template):
        if name in resources(template, RULE):
            for arn in (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")):
                needed.setdefault(named(arn), set()).add(name)
    for queue in needed.keys() | admitted.keys():
        for rule in needed.get(queue, set()) ^ admitted.get(queue, set()):
            yield f"{rule} and the policy of {queue} do not agree"


def _targets(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, rule in resources(template, RULE).items():
        for target in rule["Targets"]:
            yield name, target
    for name, schedule in resources(template, "AWS::Scheduler::Schedule").items():
        yield name, schedule["Target"]


ALL: tuple[Promise, ...] = (
    visibility_outlasts_six_runs,
    single_messages_fail,
    concurrency_is_bounded,
    consumed_queues_have_dead_letters,
    messages_are_kept_for_14_days,
    a_day_of_tries_fits,
    queues_are_encrypted,
    queues_and_topics_refuse_plain_http,
    fifo_queues_are_fast_by_group,
    undelivered_events_are_kept,
    queue_policies_name_the_rules,
)
