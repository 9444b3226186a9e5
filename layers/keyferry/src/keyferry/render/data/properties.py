"""What a property of External Secrets selects in a source's JSON document. Errors are as those of `values`."""

from codecs import BOM_UTF8
from functools import partial

from keyferry.budget import Budget, OverBudget
from keyferry.errors import SourceUnusable
from keyferry.formats import gjson, jsontext
from keyferry.model import SourceValue
from keyferry.render import absence
from keyferry.render.data import values


def search_property(path: str, source: SourceValue, alias: str, where: str, budget: Budget) -> gjson.Found | None:
    """Return what a property of External Secrets selects in a source's JSON document; None for nothing.

    Raises:
        SourceUnusable: as in `search_path`.
    """
    steps = gjson.list_steps(path) or ()
    describe = partial(absence.describe_unreadable, alias=alias, steps=steps, notation=absence.PROPERTY)
    try:
        values.parse_document(source, where, budget, describe)
        return gjson.select(source.content.reveal().decode("utf-8-sig"), path, budget)
    except (OverBudget, ValueError) as error:
        raise SourceUnusable(f"{where}: property {path} {error}") from None


def list_property_members(path: str, source: SourceValue, alias: str, where: str, budget: Budget) -> dict[str, str]:
    """Return the members of the JSON object that a property selects, as External Secrets has them.

    Returns:
        Key → text: of a string its characters, of null none, of anything else what stands in the document.

    Raises:
        SourceUnusable: as in `search_property`; or it is no object.
    """
    found = search_property(path, source, alias, where, budget)
    if found is None:
        reason = values.describe_end(gjson.list_steps(path), source, alias, budget, absence.PROPERTY)
        raise SourceUnusable(f"{where}: property {path} finds nothing: {reason}")
    text = found.raw if path == gjson.WHOLE else found.text
    if (source.content.reveal() if path == gjson.WHOLE else text.encode(errors="replace")).startswith(BOM_UTF8):
        raise SourceUnusable(f"{where}: property {path} finds a byte order mark before the object: store it without")
    budget.spend(len(text) // values.PARSED_BYTES_PER_STEP)
    try:
        members = jsontext.parse(text.encode())
    except jsontext.DuplicateKeyError as error:
        raise values.build_duplicate_error(error, where) from None
    except ValueError:
        members = text
    if not isinstance(members, dict):
        reason = absence.describe_no_object(members, alias, gjson.list_steps(path) or (), absence.PROPERTY)
        raise SourceUnusable(f"{where}: property {path} finds {reason}")
    return gjson.list_members(text, budget)
