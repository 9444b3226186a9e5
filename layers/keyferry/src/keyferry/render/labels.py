"""Check that what a template makes can be the value of a label."""

from pydantic import TypeAdapter, ValidationError

from keyferry.errors import SourceUnusable
from keyferry.formats.fields import LabelValue

_LABEL = TypeAdapter[str](LabelValue)


def check(value: str, where: str) -> None:
    """Check the value of a label.

    Raises:
        SourceUnusable: the API server would refuse it. The message quotes nothing of it.
    """
    try:
        _LABEL.validate_python(value)
    except ValidationError:
        rule = "63 letters, digits, '-', '_' and '.' at most, beginning and ending with a letter or digit"
        raise SourceUnusable(f"{where}: the template makes what no label can be: {rule}") from None
