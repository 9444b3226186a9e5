"""Go templates of a manifest → what a mapping has in their place."""

from collections.abc import Callable

from keyferry.budget import Budget
from keyferry.cli.migrate.model import FieldPath, Refusal
from keyferry.errors import SourceUnusable

_REMEDY = "write this mapping by hand, or change the manifest first (docs/map/external-secrets.md)"


def find_plain_field(template: str) -> str | None:
    """Return the key of a template that is exactly one field, as `{{ .user }}`; None for any other.

    None also where Go does not parse it, which `translate` tells.
    """
    from keyferry.cli.migrate import go_templates  # noqa: PLC0415  # only where there are templates

    try:
        return go_templates.find_plain_field(template)
    except go_templates.Untranslatable:
        return None


def translate(template: str, path: FieldPath) -> str:
    """Return the Jinja template of a Go template.

    Raises:
        Refusal: there is no equivalent.
    """
    from keyferry.cli.migrate import go_templates  # noqa: PLC0415

    return _translate(go_templates.translate, template, path)


def fill_constant(template: str, path: FieldPath) -> str | None:
    """Return what a translated template makes that uses no value; None for one that uses some.

    Raises:
        Refusal: it fails, as it does in the original.
    """
    from keyferry.render import templates  # noqa: PLC0415

    if templates.list_variables(template):
        return None
    try:
        return templates.fill(template, {}, "the template", Budget())
    except SourceUnusable as error:
        raise Refusal(str(error), _REMEDY, path) from None


def translate_key(template: str, path: FieldPath) -> str:
    """Return the Jinja template of a rule of keys, whose dot has the field `value`.

    Raises:
        Refusal: there is no equivalent.
    """
    from keyferry.cli.migrate import go_templates  # noqa: PLC0415

    return _translate(go_templates.translate_key, template, path)


def _translate(make: Callable[[str], str], template: str, path: FieldPath) -> str:
    from keyferry.cli.migrate import go_templates  # noqa: PLC0415

    try:
        return make(template)
    except go_templates.Untranslatable as error:
        where = f"line {error.line} of the template: " if error.line > 1 else ""
        raise Refusal(f"{where}{error.reason}", _REMEDY, path) from None
