"""Go templates of a manifest → what a mapping has in their place."""

from keyferry.cli.migrate.model import FieldPath, Refusal

_REMEDY = "write this mapping by hand, or change the manifest first (docs/external-secrets.md)"


def find_plain_field(template: str) -> str | None:
    """Return the key of a template that is exactly one field, as `{{ .user }}`; None for any other."""
    from keyferry.cli.migrate import go_templates  # noqa: PLC0415  # only where there are templates

    return go_templates.find_plain_field(template)


def translate(template: str, path: FieldPath) -> str:
    """Return the Jinja template of a Go template.

    Raises:
        Refusal: there is no equivalent.
    """
    from keyferry.cli.migrate import go_templates  # noqa: PLC0415

    try:
        return go_templates.translate(template)
    except go_templates.Untranslatable as error:
        raise _refuse(error.line, error.reason, path) from None


def translate_key(template: str, path: FieldPath) -> str:
    """Return the Jinja template of a rule of keys, whose dot has the field `value`.

    Raises:
        Refusal: there is no equivalent.
    """
    from keyferry.cli.migrate import go_templates  # noqa: PLC0415

    try:
        return go_templates.translate_key(template)
    except go_templates.Untranslatable as error:
        raise _refuse(error.line, error.reason, path) from None


def _refuse(line: int, reason: str, path: FieldPath) -> Refusal:
    where = f"line {line} of the template: " if line > 1 else ""
    return Refusal(f"{where}{reason}", _REMEDY, path)
