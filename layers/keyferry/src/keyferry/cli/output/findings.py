"""The output of `keyferry doctor`: a line for each finding, its remedy as commands below it, and totals."""

from collections.abc import Sequence

from keyferry.cli.doctor.finding import Finding
from keyferry.cli.output import console

_CHECK = len("access entries")
"""How wide the second column is."""


def print_findings(findings: Sequence[Finding]) -> None:
    """Write findings of one check. Those with the same state and reason are one line, with the commands of all."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.state, finding.check, finding.why), []).append(finding)
    for (state, check, why), some in alike.items():
        names = ", ".join(finding.what for finding in some)
        console.print_entry(state, f"{check:{_CHECK}}  {names}" + (f": {why}" if why else ""), _CHECK + 2)
        for command in dict.fromkeys(command for finding in some for command in finding.remedy):
            console.print_verbatim(f"{'':{console.STATE_WIDTH}}  {command}")


def print_totals(findings: Sequence[Finding]) -> None:
    """Write how many findings there are of each state."""
    counts = {state: sum(finding.state == state for finding in findings) for state in ("error", "warning", "ok")}
    errors, warnings = (
        f"{counts[state]:,} {state}{'' if counts[state] == 1 else 's'}" for state in ("error", "warning")
    )
    console.print_line("")
    console.print_line(f"{len(findings):,} looked at: {errors}, {warnings}, {counts['ok']:,} ok")
