"""The functions: whether they are there, can run, and are set as template.yaml says."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.stack.settings import FUNCTIONS, HANDLER, RUNTIME, Settings, resolve
from keyferry.cli.doctor.subject import Subject
from keyferry.errors import SourceUnavailable


def list_checks(subject: Subject) -> list[Check]:
    """Return the checks of the functions."""
    return [
        *(Check("functions", each.name, partial(check_settings, subject, each)) for each in FUNCTIONS),
        *(
            Check("functions", f"concurrency of {each.name}", partial(check_reserve, subject, each))
            for each in FUNCTIONS
        ),
    ]


def read_configuration(subject: Subject, settings: Settings) -> Mapping[str, Any] | None:
    """Return the configuration of a function; None where it is gone."""
    name = subject.outputs.get(settings.output, f"{subject.stack.name}-{settings.name}")
    try:
        with translate_errors(f"lambda:GetFunctionConfiguration on {name}"):
            configuration: Mapping[str, Any] = subject.client("lambda").get_function_configuration(FunctionName=name)
            return configuration
    except SourceUnavailable:
        return None


def check_settings(subject: Subject, settings: Settings) -> Iterator[Finding]:
    """Yield whether a function is there, can run, and is set as template.yaml has it."""
    found = read_configuration(subject, settings)
    if found is None:
        yield Finding("functions", "error", settings.name, "the function is gone", subject.format_restore())
        return
    wrong = [*_list_states(subject, found, settings), *_list_differences(subject, found, settings)]
    yield from wrong or [Finding("functions", "ok", settings.name, "as template.yaml has it")]


def _list_states(subject: Subject, found: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    for field, reason in (("State", "StateReason"), ("LastUpdateStatus", "LastUpdateStatusReason")):
        if found.get(field) == "Inactive":  # in a VPC, after weeks
            why = "it was idle for so long that it sleeps: the next call fails and wakes it, which takes a minute"
            yield Finding("functions", "warning", settings.name, why)
        elif found.get(field) == "Failed":
            why = f"{field} is {found[field]}: {found.get(reason) or 'Lambda says no reason'}"
            yield Finding("functions", "error", settings.name, why, subject.call.deploy)


def _list_differences(subject: Subject, found: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    parameters, update = subject.stack.parameters, _update(found["FunctionName"], subject.region)
    wanted = {
        "Timeout": settings.timeout,
        "MemorySize": resolve(settings.memory, parameters),
        "Runtime": RUNTIME,
        "Handler": HANDLER,
    }
    options = {"Timeout": "--timeout", "MemorySize": "--memory-size", "Runtime": "--runtime", "Handler": "--handler"}
    for field, value in wanted.items():
        if value is not None and found.get(field) != value:
            why = f"{field} is {found.get(field)}, and template.yaml has {value}"
            yield Finding("functions", "warning", settings.name, why, (f"{update} {options[field]} {value}",))
    level = found.get("LoggingConfig", {}).get("ApplicationLogLevel", "INFO")
    if level != "INFO":
        why = f"it logs from {level} on, not from INFO: above it metrics are lost, below it values are logged"
        mend = f"{update} --logging-config LogFormat=JSON,ApplicationLogLevel=INFO,SystemLogLevel=INFO"
        yield Finding("functions", "error", settings.name, why, (mend,))
    yield from _compare_environment(subject, found, settings)


def _compare_environment(subject: Subject, found: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    has = found.get("Environment", {}).get("Variables", {})
    wanted = settings.build_environment(subject.stack.name, subject.outputs, subject.stack.parameters)
    # An empty variable is one that is not there: Lambda can leave it out.
    differing = sorted(name for name, value in wanted.items() if has.get(name, "") != value)
    if differing:
        why, remedy = f"variables differ from template.yaml: {', '.join(differing)}", subject.format_restore()
        if has.keys() <= wanted.keys():  # any other may hold what nobody should see
            variables = format_command("--environment", json.dumps({"Variables": wanted}))
            remedy = (f"{_update(found['FunctionName'], subject.region)} {variables}",)
        yield Finding("functions", "error", settings.name, why, remedy)


def _update(name: str, region: str) -> str:
    return format_command("aws", "lambda", "update-function-configuration", "--function-name", name, "--region", region)


def check_reserve(subject: Subject, settings: Settings) -> Iterator[Finding]:
    """Yield whether a function has reserved concurrency: template.yaml reserves none, and none at all stops it."""
    name, what = subject.outputs.get(settings.output, ""), f"concurrency of {settings.name}"
    with translate_errors(f"lambda:GetFunctionConcurrency on {name}"):
        answer = subject.client("lambda").get_function_concurrency(FunctionName=name)
    reserved = answer.get("ReservedConcurrentExecutions")
    if reserved is None:
        yield Finding("functions", "ok", what, "none is reserved")
        return
    delete = format_command(
        "aws", "lambda", "delete-function-concurrency", "--function-name", name, "--region", subject.region
    )
    state, effect = ("warning", "the rest is throttled") if reserved else ("error", "it never runs")
    why = f"{reserved} reserved, and template.yaml reserves none: {effect}"
    yield Finding("functions", "error" if state == "error" else "warning", what, why, (delete,))
