"""The output of `keyferry uninstall`: the steps with their commands, and what stays."""

from keyferry.cli.output import console
from keyferry.cli.output.orphans import print_notes
from keyferry.cli.uninstall.removal import Removal


def print_removal(removal: Removal) -> None:
    """Write the steps in order, then what stays; what could not be looked at goes to stderr before them."""
    print_notes(removal.notes)
    known = "" if not removal.notes else ", as far as could be looked at"
    if removal.steps:
        console.print_line(f"to remove stack {removal.stack}, in this order:")
    else:
        console.print_line(f"nothing is left to remove of stack {removal.stack}{known}")
    for number, step in enumerate(removal.steps, start=1):
        console.print_line("")
        console.print_line(f"{number}. {step.what}", indent=3)
        for detail in step.details:
            console.print_line(f"   {detail}")
        for command in step.commands:
            console.print_verbatim(f"   {command}")
    if removal.stays:
        console.print_line("")
        console.print_line("what stays:")
    for text in removal.stays:
        console.print_line(f"- {text}", indent=2)
