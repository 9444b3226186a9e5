"""What the content of one Secret is made from, and the templates over it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from keyferry.budget import Budget, OverBudget
from keyferry.errors import SourceUnusable
from keyferry.mapping.mapping import VARIABLES
from keyferry.model import Place, SecretValue, SourceValue
from keyferry.render.data import values

type SourceValues = Mapping[str, SourceValue]
"""Alias of a source → its value."""


@dataclass(frozen=True)
class Inputs:
    """What the content of one Secret is made from."""

    sources: SourceValues
    place: Place
    budget: Budget
    variables: Mapping[str, str | SecretValue] | None = None
    """What `secret.variables` makes, as text where it is text; None where templates see no variables."""
    notes: list[str] = field(default_factory=list)
    """Notes for the report, which are added as the content is made."""


def fill_template(template: str, inputs: Inputs, where: str) -> str:
    """Return the text of a template over the values of sources, the variables, `cluster` and `namespace`.

    Raises:
        SourceUnusable: a value is missing, or the template fails. The message begins with `where`.
    """
    from keyferry.render import templates  # noqa: PLC0415  # as in list_variables

    sources, budget = inputs.sources, inputs.budget
    names = list_variables(template, where).keys()
    aliases = sorted(alias for alias in names & sources.keys() if not sources[alias].is_missing)
    try:
        known = {
            alias: values.get_template_value(sources[alias], f"{where}: source {alias}", budget) for alias in aliases
        }
    except OverBudget as error:
        raise SourceUnusable(f"{where}: {error}") from None
    if inputs.variables is not None and VARIABLES in names:
        known[VARIABLES] = inputs.variables
        aliases = sorted(sources)  # any of them can be in a variable
    versions = {alias: sources[alias].version for alias in aliases}
    origin = {"where": where, "versions": versions}
    return templates.fill(template, known | asdict(inputs.place), where, budget, origin)


def list_variables(template: str, where: str) -> Mapping[str, int]:
    """Return the variables of a template, each with its first line.

    Raises:
        SourceUnusable: it is no template.
    """
    # Imported here, so that a function that meets no template starts without Jinja.
    from keyferry.render import templates  # noqa: PLC0415

    try:
        return templates.list_variables(template)
    except ValueError as error:
        raise SourceUnusable(f"{where}: {error}") from None
