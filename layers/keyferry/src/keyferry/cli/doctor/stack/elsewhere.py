"""Accounts and regions other than the stack's that mappings name sources in: whether their events arrive."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from keyferry.access.grants import resolve_sources
from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Check, Finding, format_command
from keyferry.cli.doctor.subject import Subject

SEEN_WITHIN = timedelta(days=3)
"""How far back the log of `route` is searched for an event of a place."""
_UNTOLD = "changes there are found by sweeps alone"


class Origin(NamedTuple):
    """Where sources are."""

    account: str
    region: str


def list_checks(subject: Subject) -> list[Check]:
    """Return a check for each account and region that events come from, beside the stack's own."""
    return [
        Check("events from", f"{origin.account} in {origin.region}", partial(check_origin, subject, origin))
        for origin in list_origins(subject)
    ]


def list_origins(subject: Subject) -> list[Origin]:
    """Return the accounts and regions of sources, sorted, without that of the stack."""
    own = Origin(subject.caller.account, subject.region)
    sources = resolve_sources(subject.catalog) if subject.catalog else ()
    origins = {Origin(source.holder or own.account, source.home_region or own.region) for source in sources}
    return sorted(origins - {own})


def check_origin(subject: Subject, origin: Origin) -> Iterator[Finding]:
    """Yield whether events of an account and region are let in, forwarded, or have been seen."""
    what = f"{origin.account} in {origin.region}"
    deploy = _format_member(subject, origin)
    if origin.account != subject.caller.account and not _is_let_in(subject, origin.account):
        yield _describe_bus(subject, origin, what)
        return
    if _has_event(subject, origin):
        yield Finding("events from", "ok", what, f"route has seen one within {SEEN_WITHIN.days} days")
    elif origin.account != subject.caller.account:
        look = _format_look(subject, origin)
        why = f"route has seen none within {SEEN_WITHIN.days} days; whether rules forward them, only that account sees"
        yield Finding("events from", "warning", what, why, (look, deploy))
    elif rules := _list_forwarding(subject, origin.region):
        yield Finding("events from", "ok", what, f"{len(rules)} rules forward them")
    else:
        yield Finding("events from", "warning", what, f"no rule there forwards them: {_UNTOLD}", (deploy,))


def _describe_bus(subject: Subject, origin: Origin, what: str) -> Finding:
    """Return what lets an account in: where the stack has `EventBusPolicy=false`, a deployment alone does not."""
    why = f"the event bus of the stack does not let account {origin.account} in: {_UNTOLD}"
    if subject.stack.parameters.get("EventBusPolicy") != "false":
        remedy = subject.call.format("generate"), *subject.call.deploy
        return Finding("events from", "error", what, why, remedy)
    why += "; with EventBusPolicy=false the stack lets none in: take that out of samconfig.toml, too"
    remedy = subject.call.format("generate"), *subject.call.format_deploy("EventBusPolicy=true")
    return Finding("events from", "error", what, why, remedy)


def _name_bus(subject: Subject) -> str:
    return f"arn:{subject.caller.partition}:events:{subject.region}:{subject.caller.account}:event-bus/default"


def _is_let_in(subject: Subject, account: str) -> bool:
    """Return whether the policy of the bus lets an account put events; an organization's is taken for one of it."""
    with translate_errors("events:DescribeEventBus on default"):
        answer = subject.client("events").describe_event_bus(Name="default")
    policy: Mapping[str, Any] = json.loads(answer.get("Policy") or "{}")
    return any(account in principal or principal == "*" for principal in _list_principals(policy))


def _list_principals(policy: Mapping[str, Any]) -> Iterator[str]:
    for statement in policy.get("Statement", ()):
        principals = statement.get("Principal", {})
        named = principals if isinstance(principals, str) else principals.get("AWS", ())
        if statement.get("Effect") == "Allow":
            yield from [named] if isinstance(named, str) else named


def _list_forwarding(subject: Subject, region: str) -> list[str]:
    """Return the rules of another region of the stack's account that send to its bus."""
    with translate_errors(f"events:ListRuleNamesByTarget in {region}"):
        answer = subject.client("events", region).list_rule_names_by_target(TargetArn=_name_bus(subject))
    names: list[str] = answer["RuleNames"]
    return names


def _has_event(subject: Subject, origin: Origin) -> bool:
    """Return whether the log of `route` has an event of that account and region."""
    where = f'($.account = "{origin.account}") && ($.region = "{origin.region}")'
    lines = subject.search_log("route", f'{{ ($.message = "routed") && {where} }}', datetime.now(UTC) - SEEN_WITHIN)
    return any(True for _ in lines)


def _format_member(subject: Subject, origin: Origin) -> str:
    return format_command(
        *("aws", "cloudformation", "deploy", "--stack-name", f"{subject.stack.name}-member"),
        *("--template-file", subject.call.name_generated(f"accounts/{origin.account}/member.yaml")),
        *("--capabilities", "CAPABILITY_NAMED_IAM", "--region", origin.region, "--parameter-overrides"),
        *(f"HubAccount={subject.caller.account}", f"HubRegion={subject.region}"),
    )


def _format_look(subject: Subject, origin: Origin) -> str:
    return format_command(
        *("aws", "events", "list-rule-names-by-target", "--target-arn", _name_bus(subject)),
        *("--region", origin.region),
    )
