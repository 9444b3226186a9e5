"""Rules over template.yaml: sentences about all resources of a kind, each with changes that break it."""

import json
import re
from typing import Any

from keyferry.pipeline.suspensions import ROOT as ROOT_OF_SUSPENSIONS
from tests.unit.stack import (
    ANSWERS,
    FUNCTION,
    PERIOD,
    QUEUE,
    ROOT,
    Properties,
    Stack,
    broken_by,
    listed,
    named,
    rule,
    says,
    title,
)

DAY = 86_400

SETTINGS: dict[str, dict[str, Any]] = {
    QUEUE: {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * DAY},
    FUNCTION: {
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "LoggingConfig.LogFormat": "JSON",
        # Lambda takes a line without a level, as metrics are, for INFO. At DEBUG the SDK logs what it receives: values.
        "LoggingConfig.ApplicationLogLevel": "INFO",
        "VpcConfig.Fn::If.0": "InVpc",
        "Layers": [{"Ref": "CodeLayer"}, {"Ref": "MappingsLayer"}],
        "Environment.Variables.KEYFERRY_MAPPINGS": "/opt/keyferry/mappings",
        "Environment.Variables.HTTPS_PROXY": {"Ref": "HttpsProxy"},
        "Environment.Variables.NO_PROXY": {"Ref": "NoProxy"},
        # Of the metrics that alarms and dashboard ask for.
        "Environment.Variables.POWERTOOLS_METRICS_NAMESPACE": "Keyferry",
    },
    "IAM::Role": {
        "PermissionsBoundary": {
            "Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}],
        },
    },
    "CloudWatch::Alarm": {"AlarmActions": [{"Ref": "AlarmTopic"}]},
}
"""Kind of resource → property → the value that all of them have."""


# Queues


@broken_by("Deliveries.FifoThroughputLimit", "perQueue")
@broken_by("Deliveries.QueueName", "deliveries")
@rule(QUEUE)
def is_called_fifo_and_fast_by_group_where_it_is_fifo(_stack: Stack, _name: str, queue: Properties) -> bool:
    fast = queue.get("DeduplicationScope"), queue.get("FifoThroughputLimit")
    fifo = queue.get("FifoQueue", False)
    return fifo == (".fifo" in str(queue["QueueName"])) and (not fifo or fast == ("messageGroup", "perMessageGroupId"))


@broken_by("Deliveries.VisibilityTimeout", 719)
@broken_by("Deliver.Timeout", 121)
@rule(QUEUE)
def shows_a_message_again_when_six_runs_have_ended(stack: Stack, name: str, queue: Properties) -> bool:
    consumer = stack.functions.get(stack.consumers.get(name, ""), {"Timeout": 0})
    return bool(queue.get("VisibilityTimeout", 30) >= 6 * consumer["Timeout"])


@broken_by("Changes.RedrivePolicy")
@broken_by("DeliveriesDeadLetters.FifoQueue")
@broken_by("SweepsDeadLetters.RedriveAllowPolicy", {"redrivePermission": "denyAll"})
@rule(QUEUE)
def has_a_dead_letter_queue_of_its_kind_and_for_it_alone(stack: Stack, name: str, queue: Properties) -> bool:
    dead = named(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
    if name in stack.dead_letter_queues or dead not in stack.dead_letter_queues:
        return name in stack.dead_letter_queues
    letters = stack.queues[dead]
    arns = [str(arn["Fn::Sub"]) for arn in letters.get("RedriveAllowPolicy", {}).get("sourceQueueArns", [])]
    admitted = [arn.endswith(f":{queue['QueueName']['Fn::Sub']}") for arn in arns]
    return letters.get("FifoQueue") == queue.get("FifoQueue") and admitted == [True]


@broken_by("Deliveries.RedrivePolicy.maxReceiveCount", 300)
@broken_by("Deliveries.RedrivePolicy.maxReceiveCount", 1001)
@rule(QUEUE)
def leaves_deliver_a_day_of_tries(_stack: Stack, name: str, queue: Properties) -> bool:
    """Delays are five minutes at most; jitter at most halves them."""
    return name != "Deliveries" or 2 * DAY / 300 < queue["RedrivePolicy"]["maxReceiveCount"] <= 1000


@broken_by("RotationFailed.Targets.0.DeadLetterConfig")
@broken_by("SweepRegularly.Target.DeadLetterConfig")
@broken_by("SecretLabelUpdated.Targets.0.RetryPolicy.MaximumRetryAttempts", 99)
@rule("Events::Rule", "Scheduler::Schedule")
def keeps_what_it_cannot_hand_over_after_many_tries(stack: Stack, name: str, _properties: Properties) -> bool:
    targets = [target for by, target in stack.targets() if by == name]
    kept = [named(one.get("DeadLetterConfig", {}).get("Arn")) in stack.dead_letter_queues for one in targets]
    return all(kept) and all(one.get("RetryPolicy", {}).get("MaximumRetryAttempts", 0) >= 100 for one in targets)


@broken_by("SecretLabelUpdated.State", "DISABLED")
@broken_by("SecretChanged.State", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")  # with reads: its own, too
@broken_by("SweepRegularly.State", "DISABLED")
@rule("Events::Rule", "Scheduler::Schedule")
def is_in_force(_stack: Stack, _name: str, properties: Properties) -> bool:
    return bool(properties.get("State", "ENABLED") == "ENABLED")


OPTIONAL = {"SecretChanged": "CloudTrailChanges"}
"""Rule that is not always there → the parameter that asks for it."""


@broken_by("Resources.SecretChanged.Condition")
@broken_by("Resources.ParameterChanged.Condition", "HasCloudTrailChanges")
@broken_by("Conditions.HasCloudTrailChanges.Fn::Equals.0", "false")
@broken_by("Parameters.CloudTrailChanges.Default", "true")
@broken_by("Parameters.CloudTrailChanges.AllowedValues", ["false", "true", "yes"])
@rule("Events::Rule")
def is_there_always_or_where_its_parameter_is_true(stack: Stack, name: str, _properties: Properties) -> bool:
    condition = stack.template["Resources"][name].get("Condition")
    if name not in OPTIONAL:
        return condition is None
    parameter = stack.template["Parameters"][OPTIONAL[name]]
    # cfn-lint puts what is compared in order.
    asks = stack.template["Conditions"].get(condition) == {"Fn::Equals": ["true", {"Ref": OPTIONAL[name]}]}
    return asks and (parameter["Default"], sorted(parameter["AllowedValues"])) == ("false", ["false", "true"])


# Functions


@broken_by("Route.Events.Changes.Properties.Enabled", False)
@broken_by("Deliver.Events.Deliveries.Properties.FilterCriteria", {"Filters": [{"Pattern": "{}"}]})
@rule(FUNCTION)
def takes_all_messages_of_its_queue(stack: Stack, name: str, _function: Properties) -> bool:
    """Lambda deletes those that a filter leaves out."""
    event = stack.event(name) if name not in ANSWERS else {}
    return event.get("Enabled", True) is True and "FilterCriteria" not in event


@broken_by("Route.Events.Changes.Properties.FunctionResponseTypes")
@broken_by("Deliver.Events.Deliveries.Properties.BatchSize", 10)
@broken_by("Reconcile.Events.Sweeps.Properties.ScalingConfig")
@broken_by("Route.Events.Changes.Properties.ScalingConfig.MaximumConcurrency", 1)
@broken_by("Parameters.MaximumConcurrency.MinValue", 1)
@rule(FUNCTION)
def fails_single_messages_mixes_no_groups_and_is_bounded(stack: Stack, name: str, _function: Properties) -> bool:
    """AWS takes no bound below 2."""
    if name in ANSWERS:
        return True
    event = stack.event(name)
    most = event.get("ScalingConfig", {}).get("MaximumConcurrency", 0)
    least = stack.template["Parameters"][most["Ref"]]["MinValue"] if isinstance(most, dict) else most
    mixed = stack.queues[named(event["Queue"]) or ""].get("FifoQueue") and event["BatchSize"] != 1
    return "ReportBatchItemFailures" in event.get("FunctionResponseTypes", []) and not mixed and least >= 2


@broken_by("DeliverLogs.RetentionInDays")
@broken_by("Route.LoggingConfig.LogGroup", {"Ref": "DeliverLogs"})
@broken_by("ReconcileLogs.LogGroupName", {"Fn::Sub": "/aws/lambda/${AWS::StackName}-route"})
@rule(FUNCTION)
def logs_for_a_time_to_a_group_of_its_name(stack: Stack, _name: str, function: Properties) -> bool:
    group = stack.of("Logs::LogGroup")[named(function["LoggingConfig"]["LogGroup"]) or ""]
    return "RetentionInDays" in group and group["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{title(function)}"}


@broken_by("Deliver.Environment.Variables.POWERTOOLS_SERVICE_NAME", "deliver")
@broken_by("Deliver.Environment.Variables.KEYFERRY_DEAD_LETTERS_QUEUE_URL", {"Ref": "ChangesDeadLetters"})
@broken_by("Route.Environment.Variables.KEYFERRY_DELIVERIES_QUEUE_URL", {"Ref": "Sweeps"})
@broken_by("Reconcile.Environment.Variables.KEYFERRY_INBOX_QUEUE_URL", {"Ref": "Deliveries"})
@rule(FUNCTION)
def knows_its_queues_and_gives_metrics_its_own_name(stack: Stack, name: str, function: Properties) -> bool:
    """A metric's dimension is what the function calls itself: two stacks in one account are told apart."""
    if name in ANSWERS:
        return says([function["Environment"]["Variables"]], {"POWERTOOLS_SERVICE_NAME": function["FunctionName"]})
    wanted = {
        "POWERTOOLS_SERVICE_NAME": function["FunctionName"],
        "KEYFERRY_INBOX_QUEUE_URL": {"Ref": named(stack.event(name)["Queue"])},
        "KEYFERRY_DELIVERIES_QUEUE_URL": {"Ref": "Deliveries"},
        "KEYFERRY_DEAD_LETTERS_QUEUE_URL": {"Ref": "DeliveriesDeadLetters"} if name == "Deliver" else None,
    }
    return says([function["Environment"]["Variables"]], wanted)


@broken_by("Deliver.RecursiveLoop", "Terminate")
@broken_by("Reconcile.RecursiveLoop")
@rule(FUNCTION)
def may_send_to_its_own_queue_as_often_as_it_bounds_by_itself(stack: Stack, name: str, function: Properties) -> bool:
    """Lambda stops a function whose messages come back to it after about 16 hops."""
    if name in ANSWERS:
        return True
    own = named(stack.event(name)["Queue"])
    role = stack.of("IAM::Role")[f"{name}Role"]
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    sends = [arn for one in statements if one["Action"] == "sqs:SendMessage" for arn in listed(one["Resource"])]
    return own not in map(named, sends) or function.get("RecursiveLoop") == "Allow"


@broken_by("Report.Events", {"Sweeps": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Sweeps", "Arn"]}}}})
@broken_by("Report.Environment.Variables.KEYFERRY_DELIVERIES_QUEUE_URL", {"Ref": "Deliveries"})
@rule(FUNCTION)
def starts_nothing_if_it_answers_people(_stack: Stack, name: str, function: Properties) -> bool:
    """It is asked, and knows no queue."""
    settings = function["Environment"]["Variables"]
    return name not in ANSWERS or ("Events" not in function and not any("QUEUE" in key for key in settings))


@broken_by("Reconcile.Environment.Variables.KEYFERRY_CONCURRENCY")
@broken_by("Deliver.Environment.Variables.KEYFERRY_CONCURRENCY", 8)
@rule(FUNCTION)
def asks_a_cluster_as_often_at_once_as_the_parameter_says(_stack: Stack, name: str, function: Properties) -> bool:
    concurrency = function["Environment"]["Variables"].get("KEYFERRY_CONCURRENCY")
    return name == "Route" or concurrency == {"Ref": "Concurrency"}


@broken_by("Reconcile.Environment.Variables.KEYFERRY_SUSPENSIONS")
@broken_by("Deliver.Environment.Variables.KEYFERRY_SUSPENSIONS", "/keyferry/suspended")
@broken_by("Route.Environment.Variables.KEYFERRY_SUSPENSIONS", {"Fn::Sub": "/keyferry/${AWS::StackName}/suspended"})
@rule(FUNCTION)
def reads_what_is_suspended_in_its_own_stack_if_it_is_not_route(_stack: Stack, name: str, function: Properties) -> bool:
    """Route sends whatever is suspended: `deliver` drops it."""
    path = function["Environment"]["Variables"].get("KEYFERRY_SUSPENSIONS")
    wanted = {"Fn::Sub": ROOT_OF_SUSPENSIONS.format(stack="${AWS::StackName}")}
    return bool(path == (wanted if name != "Route" else None))


@broken_by("Reconcile.Environment.Variables.KEYFERRY_SWEEP_SECONDS", 3600)
@rule(FUNCTION)
def goes_by_the_schedule_if_it_sweeps(_stack: Stack, name: str, function: Properties) -> bool:
    return name != "Reconcile" or function["Environment"]["Variables"].get("KEYFERRY_SWEEP_SECONDS") == PERIOD


@broken_by("Route.CodeUri", "functions")
@broken_by("Reconcile.CodeUri", "functions/deliver")
@rule(FUNCTION)
def is_the_folder_of_its_name_with_app_alone(_stack: Stack, name: str, function: Properties) -> bool:
    files = [path.name for path in (ROOT / function["CodeUri"]).iterdir() if path.name != "__pycache__"]
    return function["CodeUri"] == f"functions/{name.lower()}" and files == ["app.py"]


# What is seen


OWN = {
    "Route": {"MappingsUnreadable", "MessagesRetried", "RotationsFailed"},
    "Deliver": {"MappingsUnreadable", "PipelineErrors", "UnknownNames", "ChangesFoundBySweep"},
    "Reconcile": {
        *("MappingsUnreadable", "MessagesRetried", "MessagesDropped"),
        *("SweepsFinished", "TargetsNotCompared", "Suspensions"),
    },
}
"""Function → its own metrics that raise an alarm."""
METRICS = {
    *("ChangesSeen", "ChangesUnmapped", "ChangesIgnored", "SweepsChecked", "SweepsSent", "Deliveries"),
    *("MessagesRetried", "MessagesDeadLettered", "MessagesDropped", "RotationsFailed", "EventToWriteSeconds"),
    *("TargetsUpdated", "TargetsUnchanged", "TargetsFailed", "WorkloadsRestarted"),
    *("MessagesReplaced", "MessagesSuperseded", "MessagesSuspended", "Suspensions"),
    *("MappingsUnreadable", "PipelineErrors", "UnknownNames", "NotificationsFailed"),
    *("Failures", "ClusterUnavailable"),
    *("SweepsFinished", "SweepsUnfinished", "TargetsNotCompared", "ChangesFoundBySweep"),
}
"""All of them."""


STUCK = "IF(FILL(waiting, 0) > 0 AND FILL(started, 0) == 0, 1, 0)"
WAITING = {
    **{"Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible"},
    "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Deliveries", "QueueName"]}}],
}
SLOW = {
    **{"Namespace": "AWS/Lambda", "MetricName": "Duration", "Statistic": "Maximum", "Threshold": 1},
    "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": "Route"}}],
}
"""An alarm too many."""


@broken_by("EventsDeadLettersGrow.Metrics.1.MetricStat.Metric.Dimensions.0.Value", {"Ref": "Sweeps"})
@broken_by("DeliveriesDeadLettersGrow.Threshold", 100_000)
@broken_by("DeliverBusy.Threshold", 1)
@broken_by("DeliveriesStuck.Metrics.0.Expression", "waiting")
@broken_by("DeliveriesStuck.Metrics.1.MetricStat.Metric.Dimensions.0.Value", {"Ref": "Changes"})
@broken_by("SweepsDeadLettersGrow.Metrics.0.Expression", "visible + hidden")
@broken_by("ChangesOld.Namespace", "AWS/SNS")
@broken_by("ReconcileThrottles.MetricName", "Errors")
@broken_by("DeliverFailing.MetricName", "TargetsUpdated")
@broken_by("RouteErrors.Statistic", "Average")
@broken_by("Resources.SweepsOld")
@broken_by("Resources.SweepsMissing")
@broken_by("SweepsIncomplete.MetricName", "SweepsUnfinished")
@broken_by("EventsMissing.Dimensions.0.Value", {"Fn::Sub": "${AWS::StackName}-reconcile"})
@broken_by("Resources.RouteSlow", {"Type": "AWS::CloudWatch::Alarm", "Properties": SLOW})
@rule(QUEUE, FUNCTION)
def raises_an_alarm_by_its_kinds_of_trouble_and_no_other(stack: Stack, name: str, properties: Properties) -> bool:
    wanted: set[tuple[object, ...]]
    if name in stack.dead_letter_queues:
        wanted = {("AWS/SQS", "DIFF(FILL(visible, 0) + FILL(hidden, 0))", "Maximum", 1)}
    elif name == "Deliveries":
        wanted = set()  # its alarm is on the function that does not work on it
    elif name in ANSWERS:
        wanted = set()  # who asks sees that there is no answer
    elif name in stack.queues:
        wanted = {("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", 300 if name == "Changes" else 1800)}
    else:
        wanted = {("AWS/Lambda", metric, "Sum", 1) for metric in ("Errors", "Throttles")}
        wanted |= {("Keyferry", metric, "Sum", 1) for metric in OWN[name]}
        most = str({"Ref": "MaximumConcurrency"})
        busy: set[tuple[object, ...]] = {
            ("AWS/Lambda", STUCK, "Sum", 1),
            ("AWS/Lambda", "ConcurrentExecutions", "Maximum", most),
        }
        wanted |= busy if name == "Deliver" else set()
    alarms = [_plain(one) for one in stack.of("CloudWatch::Alarm").values()]
    alarms = [one for one in alarms if _watched(one) in (name, title(properties))]
    seen = [(one["Namespace"], one["MetricName"], one["Statistic"], one["Threshold"]) for one in alarms]
    return wanted == {(*rest, str(most) if isinstance(most, dict) else most) for *rest, most in seen}


@broken_by("SweepsOld.Dimensions.0.Value", "sweeps")
@broken_by("ChangesOld.Dimensions.0.Value", {"Ref": "Changes"})
@broken_by("DeliverErrors.Dimensions.0.Name", "service")
@broken_by("RouteFailing.Dimensions", lambda old: [*old, {"Name": "FunctionName", "Value": {"Ref": "Route"}}])
@rule("CloudWatch::Alarm")
def watches_a_queue_or_function_of_the_stack(stack: Stack, _name: str, alarm: Properties) -> bool:
    """A name or value that its namespace does not know is no error: the alarm never has data."""
    alarm = _plain(alarm)
    known: dict[str, list[tuple[str, Any]]] = {
        "AWS/SQS": [("QueueName", {"Fn::GetAtt": [queue, "QueueName"]}) for queue in stack.queues],
        "AWS/Lambda": [("FunctionName", {"Ref": function}) for function in stack.functions],
        "Keyferry": [("service", function["FunctionName"]) for function in stack.functions.values()],
    }
    return alarm["Dimensions"] in [
        [{"Name": name, "Value": value}] for name, value in known.get(alarm["Namespace"], [])
    ]


SILENCE = {"SweepsMissing"}
"""The alarms that are raised by what does not happen."""


@broken_by("SweepsMissing.ComparisonOperator", "GreaterThanOrEqualToThreshold")
@broken_by("SweepsMissing.TreatMissingData", "notBreaching")
@broken_by("RouteErrors.TreatMissingData", "breaching")
@broken_by("DeliverFailing.ComparisonOperator", "LessThanThreshold")
@rule("CloudWatch::Alarm")
def is_raised_by_what_happens_or_by_silence(_stack: Stack, name: str, alarm: Properties) -> bool:
    raised = alarm["ComparisonOperator"], alarm["TreatMissingData"]
    silent = name in SILENCE
    return raised == (
        ("LessThanThreshold", "breaching") if silent else ("GreaterThanOrEqualToThreshold", "notBreaching")
    )


IN_PERIODS = {"SweepsMissing": (3, 3), "SweepsIncomplete": (3, 2), "EventsMissing": (4, 3), "Suspended": (2, 1)}
"""Alarm about sweeps → how many periods of the schedule it looks at, and how many of them have to say so. A window of
five minutes lets two sweeps fall into one period, and none into the next."""


@broken_by("SweepsMissing.Period", 3600)
@broken_by("SweepsMissing.DatapointsToAlarm", 1)
@broken_by("SweepsIncomplete.EvaluationPeriods", 2)
@broken_by("EventsMissing.DatapointsToAlarm", 2)
@broken_by("RouteErrors.Period", PERIOD)
@broken_by("Mappings.SweepSchedules.1-day.Seconds", "259200")
@rule("CloudWatch::Alarm")
def goes_by_the_schedule_if_it_is_about_sweeps(stack: Stack, name: str, alarm: Properties) -> bool:
    """CloudWatch takes a day in all for periods below an hour, and seven days for longer ones."""
    alarm = _plain(alarm)
    periods = alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm")
    if (alarm["Period"] == PERIOD) != (name in IN_PERIODS) or name not in IN_PERIODS:
        return alarm["Period"] != PERIOD and name not in IN_PERIODS
    seconds = [int(one["Seconds"]) for one in stack.template["Mappings"]["SweepSchedules"].values()]
    allowed = all(4 * one <= (7 * DAY if one >= 3600 else DAY) and one % 60 == 0 for one in seconds)
    return allowed and periods == IN_PERIODS[name]


@broken_by("ChangesOld.ActionsEnabled", False)
@broken_by("RouteErrors.EvaluationPeriods", 100)
@broken_by("SweepsDeadLettersGrow.Metrics.2.MetricStat.Period", DAY)
@broken_by("DeliverFailing.DatapointsToAlarm", 4)
@rule("CloudWatch::Alarm")
def is_raised_within_half_an_hour_if_it_is_about_no_sweep(_stack: Stack, name: str, alarm: Properties) -> bool:
    alarm = _plain(alarm)
    periods = alarm["EvaluationPeriods"]
    soon = name in IN_PERIODS or periods * alarm["Period"] <= 1800
    enabled = alarm.get("ActionsEnabled", True) is True
    return bool(soon and alarm.get("DatapointsToAlarm", 1) <= periods and enabled)


@broken_by("Dashboard.DashboardBody.Fn::Sub.0", "{}")
@broken_by("Dashboard.DashboardBody.Fn::Sub.1", {})
@broken_by("Dashboard.DashboardBody.Fn::Sub.0", lambda text: text.replace("TargetsFailed", "TargetsUpdated"))
@broken_by("Dashboard.DashboardBody.Fn::Sub.0", lambda text: text.replace("Failures\\", "Failed\\"))
@broken_by("Dashboard.DashboardBody.Fn::Sub.0", lambda text: text.replace("EventToWriteSeconds", "Seconds", 1))
@broken_by("Dashboard.DashboardBody.Fn::Sub.0", lambda text: text.replace("${Reconcile}", "${Route}"))
@broken_by("Dashboard.DashboardBody.Fn::Sub.0", lambda text: text.replace("${AWS::Region}", "${AlarmTopic}", 1))
@rule("CloudWatch::Dashboard")
def shows_every_queue_and_metric_and_nothing_else(stack: Stack, _name: str, dashboard: Properties) -> bool:
    text, names = dashboard["DashboardBody"]["Fn::Sub"]
    variables = set(re.findall(r"\${(\w+)}", json.dumps(json.loads(text))))
    queues = {f"{queue}Name": {"Fn::GetAtt": [queue, "QueueName"]} for queue in stack.queues}
    shown = set(re.findall(r'\["Keyferry", "(\w+)"', text)) | set(re.findall(r'MetricName=\\"(\w+)', text))
    return names == queues and variables == {*queues, *(stack.functions.keys() - ANSWERS.keys())} and shown == METRICS


def _plain(alarm: Properties) -> Properties:
    """Return an alarm on an expression as one on the metrics in it, which are of one queue and have one period."""
    if "Metrics" not in alarm:
        return alarm
    stats = [part["MetricStat"] for part in alarm["Metrics"][1:]]
    if alarm["Metrics"][0]["Expression"] == STUCK and stats[0]["Metric"] == WAITING:
        stats = stats[1:]
    same = {json.dumps([one["Metric"]["Namespace"], one["Metric"]["Dimensions"], one["Stat"]]) for one in stats}
    namespace, dimensions, statistic = json.loads(min(same)) if len(same) == 1 else ("", [{"Value": ""}], "")
    plain = {"Namespace": namespace, "Dimensions": dimensions, "Statistic": statistic}
    period = max(one["Period"] for one in stats)
    return {**alarm, **plain, "MetricName": alarm["Metrics"][0]["Expression"], "Period": period}


def _watched(alarm: Properties) -> str:
    """Return what an alarm watches: the logical id of a queue or function, or the name that a function has."""
    value = alarm["Dimensions"][0]["Value"]
    return named(value) or str(value.get("Fn::Sub") if isinstance(value, dict) else value)
