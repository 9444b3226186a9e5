"""What one delivery tells of a workload, in words: in the past tense and with its time, since it may have changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

from keyferry.cli.output.words import join
from keyferry.cli.states import Row, is_right
from keyferry.cli.trace.changes import Outcome, read_time
from keyferry.cli.trace.effects import OTHER_RELEASE
from keyferry.cli.trace.hops import tell_next_try
from keyferry.cli.trace.subject import WorkloadName
from keyferry.delivery.restart.outcome import RESTARTS, STAMPED


class Answer(TypedDict):
    """Why a workload restarted, or did not."""

    reason: str
    """For machines: a `Reason` of delivery/restart/workloads; or `kind`, `none`, `not due`, `due`, `unused`,
    `not named`, `kind not looked at`, `not listed`, `failed`, `not written`, `written elsewhere`, `not known`."""
    text: str
    """In words."""


@dataclass(frozen=True)
class Look:
    """What a delivery did to a target, of which a workload is asked about."""

    workload: WorkloadName
    row: Row
    """The target as it is now."""
    outcome: Outcome
    asked: datetime
    """When it is asked about."""

    @property
    def pair(self) -> tuple[str, str]:
        """The mapping and the cluster."""
        return self.row["mapping"], self.row["cluster"]

    @property
    def secret(self) -> str:
        """The name of the Secret, with its place where that was not asked for."""
        name, workload = str(self.row["secret"]), self.workload
        return f"{self.row['cluster']}/{workload.namespace}/{name}" if workload.cluster is None else name

    @property
    def time(self) -> str:
        """When the delivery looked, for people."""
        return format_answer_time(read_time(self.outcome.fields.get("stamped", self.outcome.line["timestamp"])))


def explain_look(look: Look) -> tuple[Answer, bool]:
    """Return the answer for one Secret, and whether the workload is named in what was said of it."""
    fields, secret = look.outcome.fields, look.secret
    for each in fields.get("workloads", ()):
        if each["workload"] == look.workload.title:
            return Answer(reason=each["reason"], text=_tell_named(look, each)), True
    unknown = f"; whether {look.workload.title} uses it, the log does not tell"
    if fields["did"] == "unchanged" or fields.get("restart") == "not due":
        why = f" ({fields['why']})" if fields.get("why") else ""
        text = f"the content of Secret {secret} stayed as it was at {look.time}{why}, so nothing restarted for it"
        return Answer(reason="not due", text=text), False
    if "restart" not in fields and "error" in fields:
        next_try = tell_next_try(look.outcome.line, look.asked)
        text = f"Secret {secret} was not written at {look.time}: {fields['error']}{next_try}{unknown}"
        return Answer(reason="failed", text=text), False
    if fields.get("restart") not in RESTARTS:
        text = f"Secret {secret} was {fields['did']} at {look.time}{unknown}: {OTHER_RELEASE}"
        return Answer(reason="not known", text=text), False
    if fields["restart"] == "none":
        said = _tell_setting(look, "none", "restart: none")
        return Answer(reason="none", text=f"mapping {look.row['mapping']} of Secret {secret} {said}"), False
    return _explain_absence(look), False


def _tell_setting(look: Look, setting: str, words: str) -> str:
    """Return what a mapping says of restarts; if that is not so any more, what it said at that time, and says now."""
    now = look.row.get("restart", setting)
    kind = "list" if isinstance(now, list) else now
    if kind == setting and look.workload.title not in now:
        return f"says {words}"
    return f"said {words} at {look.time}; now it says restart: {join(now) if isinstance(now, list) else now}"


def _explain_absence(look: Look) -> Answer:
    """Return why a workload is not among those of which a delivery speaks."""
    workload, mapping, fields, line = look.workload, look.row["mapping"], look.outcome.fields, look.outcome.line
    if line.get("restart") == "list":
        named = join([each["workload"] for each in fields.get("workloads", ())])
        said = _tell_setting(look, "list", f"to restart only what it names: {named or 'nothing'}")
        return Answer(reason="not named", text=f"mapping {mapping} of Secret {look.secret} {said}")
    seen = fields.get("seen", {})
    if not seen:  # the workloads could not even be listed
        text = f"restarts for Secret {look.secret} {_tell_due(look)}"
        return Answer(reason="due", text=text)
    if workload.kind not in seen:
        text = (
            f"restart: auto looks at {', '.join(seen)} in {line['cluster']}, and not at {workload.kind}: add it to"
            f" restartKinds in clusters.yaml, or name {workload.title} in restart of mapping {mapping}"
        )
        return Answer(reason="kind not looked at", text=text)
    if fields.get("workloads_more"):
        listed = len(fields["workloads"])
        count = listed + fields["workloads_more"]
        text = f"{count:,} workloads used Secret {look.secret} at {look.time}; the log names {listed}, not this one"
        return Answer(reason="not listed", text=text)
    return Answer(reason="unused", text="")


def _tell_named(look: Look, entry: Mapping[str, Any]) -> str:
    name, why, outcome = look.workload.title, entry.get("why", ""), look.outcome
    by = f" by {', '.join(entry['by'])}" if "by" in entry else ""
    used = f"{name} used Secret {look.secret}{by}"
    match entry["reason"]:
        case "restarted":
            return f"{used}, and was restarted at {look.time}{f' ({why})' if why else ''}"
        case "opted out":
            return f"{used}, and was {why} (at {look.time})"
        case "stamped before":
            return f"{used} at {look.time}, and an earlier try had restarted it for the same content"
        case "pull secret":
            return f"{used} at {look.time} only by imagePullSecrets: running pods do not need it"
        case "missing":
            return f"mapping {outcome.line['mapping']} named {name}, which at {look.time} was {why}"
        case "due":
            return f"{used}; its restart {_tell_due(look, 'was', 'is')}"
        case "gone":
            return f"{used}; it was deleted before its restart, at {look.time}"
        case "failed":
            next_try = tell_next_try(outcome.line, look.asked)
            return f"{name} could not be restarted at {look.time}: {why}{next_try}"
        case reason if reason not in STAMPED:
            return f"{used} at {look.time}; what became of it, {reason}, is not known here: {OTHER_RELEASE}"
    return f"{used}, and was stamped at {look.time}, but its pods stayed: {why}"


def _tell_due(look: Look, was: str = "were", are: str = "are") -> str:
    """Return that restarts are due, or that they were: where the target is right now, they are done."""
    error = look.outcome.fields.get("error", "")
    if is_right(look.row):
        return f"{was} due at {look.time}: {error}; the Secret is {look.row['state']} now"
    return f"{are} due, and not yet: {error}{tell_next_try(look.outcome.line, look.asked)}"


def format_answer_time(time: datetime) -> str:
    """Return a time as answers have it."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
