"""The output of `keyferry doctor`: a line for each finding, its remedy as commands below it, and totals."""

from collections.abc import Sequence

from keyferry.cli.doctor.finding import Finding
from keyferry.cli.output import console
from keyferry.cli.output.words import count
from keyferry.guides import link

_CHECK = len("access entries")
"""How wide the second column is."""


def print_findings(findings: Sequence[Finding], *, has_all: bool) -> None:
    """Write findings of one check. Those with the same state and reason are one line, with the commands of all.

    Args:
        findings: the findings.
        has_all: whether to write each that is ok, and each thing that a finding counts. Otherwise those that are ok are
            one line where there is a terminal.
    """
    folded = [] if has_all or not console.is_terminal() else [each for each in findings if each.state == "ok"]
    if folded:
        what = f"{len(folded):,} things" if len(folded) > 1 else _describe(folded[0].what, folded[0].why)
        console.print_entry("ok", f"{folded[0].check:{_CHECK}}  {what}", _CHECK + 2)
    alike: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        if finding not in folded:
            alike.setdefault((finding.state, finding.check, finding.why, finding.details), []).append(finding)
    for some in alike.values():
        _print_alike(some, has_all=has_all)


def _print_alike(some: Sequence[Finding], *, has_all: bool) -> None:
    """Write findings that differ by what was looked at alone."""
    first, indent = some[0], f"{'':{console.STATE_WIDTH}}  "
    text = _describe(", ".join(finding.what for finding in some), first.why)
    console.print_entry(first.state, f"{first.check:{_CHECK}}  {text}", _CHECK + 2)
    for detail in first.details if has_all else ():
        console.print_verbatim(f"{indent}{'':{_CHECK}}  {detail}")
    for command in dict.fromkeys(command for finding in some for command in finding.remedy):
        console.print_verbatim(f"{indent}{command}")


def _describe(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def print_totals(findings: Sequence[Finding], *, has_all: bool) -> None:
    """Write how many findings there are of each state, and how all of them are seen."""
    counts = {state: sum(finding.state == state for finding in findings) for state in ("error", "warning", "ok")}
    errors, warnings = (count(counts[state], state) for state in ("error", "warning"))
    console.print_line("")
    if counts["error"] or counts["warning"]:
        console.print_verbatim(link("operate", "what-is-wrong-with-the-stack"))
    console.print_line(f"{len(findings):,} looked at: {errors}, {warnings}, {counts['ok']:,} ok")
    if not has_all and (console.is_terminal() or any(finding.details for finding in findings)):
        console.print_line("--all shows every one, and everything that a line counts")
