"""The output of `keyferry migrate handover`: the plan, what became of each target, and the form of its JSON."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NotRequired, TypedDict

from keyferry.cli.migrate.handover.changes import indent
from keyferry.cli.migrate.handover.steps import CreateOriginal, Refuse, Step, Wait
from keyferry.cli.migrate.handover.targets import Standing, Target
from keyferry.cli.output import console
from keyferry.cli.output.words import count, count_targets, join

_MANY = 4
"""From how many targets on the same steps are written once for all of them."""


class HandedOver(TypedDict):
    """One Secret that is handed over, or back."""

    mapping: str
    """The mapping."""
    cluster: str
    """The cluster, as clusters.yaml calls it."""
    namespace: NotRequired[str]
    """The namespace; left out where an error concerns all of them."""
    secret: str
    """The name of the Secret."""
    state: Standing
    """`to do`: the steps are left; `done`: none is left; `refused`: somebody has to settle something first; `waits`:
    somebody else did not do in time what it waits for; `failed`: an error."""
    steps: list[str]
    """The steps that were left when it was first looked at, in their order."""
    done: list[str]
    """The steps that were carried out."""
    changes: list[str]
    """What a person has to change where a manifest is kept: in Git, or in a chart."""
    why: NotRequired[str]
    """Why it is refused, waits or failed."""


class HandedOverTargets(TypedDict):
    """What `keyferry migrate handover --output json` writes."""

    targets: list[HandedOver]
    """Each Secret that was looked at."""
    missing: list[str]
    """What the person may not do, and would have to."""


def build_answer(targets: Iterable[Target], missing: Sequence[str]) -> HandedOverTargets:
    """Return the answer for `--output json`."""
    return {"targets": [_build_row(target) for target in targets], "missing": list(missing)}


def _build_row(target: Target) -> HandedOver:
    fields: Any = {
        "mapping": target.mapping,
        "cluster": target.cluster,
        **({"namespace": target.namespace} if target.namespace else {}),
        "secret": target.secret,
        "state": target.standing,
        "steps": [step.what for step in target.steps if not isinstance(step, Refuse)],
        "done": target.done,
        "changes": [step.change for step in target.steps if isinstance(step, Wait) and step.change],
        **({"why": target.why} if target.why else {}),
    }
    row: HandedOver = fields
    return row


def print_plan(targets: Sequence[Target]) -> None:
    """Write the steps that are left for each target, those of many alike once, and what nobody here can do."""
    alike: dict[tuple[str, ...], list[Target]] = {}
    for target in targets:
        if target.standing == "to do":
            alike.setdefault(_describe_alike(target), []).append(target)
    for texts, group in alike.items():
        if len(group) < _MANY:
            for target in group:
                _print_steps(f"{target.place}:", target, [step.what for step in target.steps])
        else:
            places = ", ".join(target.place for target in group)
            _print_steps(f"{count(len(group), 'Secret')}, each: {places}", group[0], texts)
    _print_reasons(targets)
    console.print_line(summarize(targets))


def _describe_alike(target: Target) -> tuple[str, ...]:
    """Return the steps of a target without its names; with them where a person has to change something."""
    names = {f" {target.namespace}/{target.secret}": "", f"mapping {target.mapping}": "its mapping"}
    texts = []
    for step in target.steps:
        text = "\n".join(filter(None, (step.what, _describe(step))))
        for name, general in names.items() if text == step.what else ():
            text = text.replace(name, general)
        texts.append(text)
    return tuple(texts)


def _print_steps(title: str, target: Target, texts: Sequence[str]) -> None:
    console.print_line(title, indent=2)
    for number, (step, text) in enumerate(zip(target.steps, texts, strict=True), 1):
        wait = "wait: " if isinstance(step, Wait) else ""
        console.print_line(f"  {number}. {wait}{text}", indent=5)
        _print_change(_describe(step))


def _describe(step: Step) -> str:
    """Return what a person changes for a step, or what it creates: an annotation has that, which others can write.

    The text of a template is left out of that. It may hold what is nobody else's business.
    """
    match step:
        case Wait(change=change):
            return change
        case CreateOriginal(manifest=manifest):
            spec = manifest["spec"]
            target = {key: value for key, value in (spec.get("target") or {}).items() if key != "template"}
            return indent({**manifest, "spec": {**spec, "target": target}})
    return ""


def print_result(targets: Sequence[Target]) -> None:
    """Write what became of the targets, as far as it is not done."""
    _print_reasons(targets)
    console.print_line(summarize(targets))


def _print_change(change: str) -> None:
    for line in change.split("\n") if change else ():
        console.print_verbatim(f"     {line}") if line.startswith(" ") else console.print_line(f"     {line}", indent=5)


def _print_reasons(targets: Sequence[Target]) -> None:
    lines = list(_list_reasons(targets))
    for line in lines:
        console.print_line(line, indent=2)
    if lines:
        console.print_line("")


def _list_reasons(targets: Sequence[Target]) -> Iterator[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        if target.why:
            reasons.setdefault((target.standing, target.why), []).append(target.place)
    for (standing, why), places in reasons.items():
        yield f"{join(places, limit=1)}: {standing}{' until' if standing == 'waits' else ':'} {why}"


def summarize(targets: Sequence[Target]) -> str:
    """Return how many targets there are of each standing."""
    return count_targets(target.standing for target in targets) if targets else "no namespace is there to look at"
