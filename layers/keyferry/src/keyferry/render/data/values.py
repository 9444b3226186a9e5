"""Take a source's value apart: its text, its JSON document, what a path selects in that, and what a template sees.

Every error is a SourceUnusable. Its message begins with the `where` of the call, such as `mapping db, key user: source
db`, and never quotes a value.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from keyferry.budget import Budget, OverBudget
from keyferry.errors import SourceUnusable
from keyferry.formats import gjson, jmespath, jsontext
from keyferry.formats.encodings import Decoding, decode
from keyferry.mapping.data import Entry
from keyferry.model import MixedText, RawValue, SecretValue, SourceValue
from keyferry.render import absence

PARSED_BYTES_PER_STEP = 10
"""How many bytes of JSON count as a step, when a document is parsed."""


def encode_text(text: str, where: str) -> SecretValue:
    """Return a text as UTF-8.

    Raises:
        SourceUnusable: the text contains half of a surrogate pair, which UTF-8 cannot hold.
    """
    if isinstance(text, MixedText):
        return SecretValue(text.encode(errors="surrogateescape"))
    try:
        return SecretValue(text.encode())
    except UnicodeEncodeError:  # its message quotes the value
        raise SourceUnusable(f"{where}: half a character (\\ud800 to \\udfff alone), which no text can hold") from None


def encode_json(value: object, where: str) -> SecretValue:
    """Return a part of a JSON document as the text that a Secret holds: strings as they are, anything else as JSON.

    Raises:
        SourceUnusable: as in `encode_text`; or the document is nested too deeply.
    """
    try:
        text = jsontext.to_text(value)
    except TypeError as error:
        raise SourceUnusable(f"{where} cannot be written: {error}") from None
    return encode_text(text, where)


def decode_value(value: SecretValue, encoding: Decoding | None, where: str) -> SecretValue:
    """Return a value decoded from base64 or base64url; as it is if `encoding` is None.

    Raises:
        SourceUnusable: the value is not in this encoding.
    """
    try:
        return value if encoding is None else SecretValue(decode(value.reveal(), encoding))
    except ValueError as error:
        name, _, reason = str(error).partition(": ")
        raise SourceUnusable(f"{where} is {name}, as decode says{f': {reason}' if reason else ''}") from None


def decode_part(part: object, encoding: Decoding | None, where: str) -> SecretValue:
    """Return a part of a JSON document as a Secret holds it: text is decoded, and `auto` leaves anything else as it is.

    Raises:
        SourceUnusable: as in `encode_json` and `decode_value`; or the part is no text.
    """
    if isinstance(part, str) or encoding in (None, "auto"):
        return decode_value(encode_json(part, where), encoding if isinstance(part, str) else None, where)
    raise SourceUnusable(f"{where} is {absence.describe_kind(part)}, and decode takes text")


def parse_document(source: SourceValue, where: str, budget: Budget, describe: Callable[[object], str]) -> Any:  # noqa: ANN401
    """Return the JSON document that is a source's value, as text or in UTF-8.

    Args:
        source: the value.
        where: the mapping, the key and the source.
        budget: what parsing may take.
        describe: says what a value is that is not JSON: a text, or a SecretValue where it is not UTF-8.

    Raises:
        OverBudget: values have been parsed too often for one Secret.
        SourceUnusable: the value is not JSON, or an object in it has a key twice.
    """
    try:
        return _parse(source, budget)
    except jsontext.DuplicateKeyError as error:
        raise build_duplicate_error(error, where) from None
    except ValueError:
        raise SourceUnusable(f"{where} is {describe(absence.to_text(source.content))}") from None


def search_path(
    path: str, source: SourceValue, alias: str, where: str, budget: Budget, expected: str | None = None
) -> object:
    """Return the part of a source's JSON document that a JMESPath expression selects; None for nothing or null.

    Args:
        path: the expression.
        source: the value.
        alias: the name of the source, for an example in a message.
        where: the mapping, the key and the source.
        budget: what the path may compute.
        expected: the type that is expected. With `string`, the function `to_string` writes what that of Go writes.

    Raises:
        SourceUnusable: the value is no JSON document, or the path cannot be applied to it.
    """
    describe = partial(absence.describe_unreadable, alias=alias, steps=jmespath.list_steps(path) or ())
    try:
        document = parse_document(source, where, budget, describe)
        result = jmespath.search(path, document, budget, write_as_go if expected == "string" else jsontext.to_text)
        budget.spend_text(
            len(jsontext.to_text(result))
        )  # raises for a result that is not JSON, such as that of `&name`
    except SourceUnusable:
        raise
    except OverBudget as error:
        raise SourceUnusable(f"{where}: path {path} {error}") from None
    except Exception as error:
        # The message of the library can quote the value.
        raise SourceUnusable(f"{where}: path {path} {jmespath.describe_failure(error)}") from None
    return result


def write_as_go(value: object) -> str:
    """Return a value as go-jmespath's `to_string` writes it, for which all numbers are fractions of 64 bits."""
    from keyferry.render.go.encodings import to_json  # noqa: PLC0415  # few paths have that function

    return value if isinstance(value, str) else to_json(_to_floats(value))


def _to_floats(value: Any) -> Any:  # noqa: ANN401  # JSON is anything
    if isinstance(value, dict):
        return {key: _to_floats(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_to_floats(item) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value


def check_type(value: object, expected: str | None, path: str, where: str) -> None:
    """Check that what a path selects is of the type that an entry says: `string`, or None for any.

    Raises:
        SourceUnusable: it is of another type.
    """
    if expected == "string" and not isinstance(value, str):
        raise SourceUnusable(f"{where}: path {path} finds {absence.describe_kind(value)}, and type says string")


def describe_nothing(entry: Entry, source: SourceValue, budget: Budget) -> str:
    """Return that an entry's path or property selects nothing, and why: what there is where its steps end."""
    alias, selection = entry.source or "", entry.selection or ""
    if entry.path is None:
        notation, steps = absence.PROPERTY, gjson.list_steps(selection)
    else:
        notation, steps = absence.PATH, jmespath.list_steps(selection)
    return f"{notation.field} {selection} finds nothing: {describe_end(steps, source, alias, budget, notation)}"


def describe_end(
    steps: Sequence[jmespath.Step] | None,
    source: SourceValue,
    alias: str,
    budget: Budget,
    notation: absence.Notation = absence.PATH,
) -> str:
    """Return what there is where the steps of a path or property end; in general where it has more than steps."""
    document = _get_root(source, budget)
    if steps is not None:
        return absence.describe_for_path(document, alias, steps, notation)
    keys = f" of {absence.count_keys(document)}" if isinstance(document, dict) else ""
    return f"the value is {absence.describe_kind(document)}{keys}"


def list_members(path: str | None, source: SourceValue, alias: str, where: str, budget: Budget) -> dict[str, object]:
    """Return the members of the JSON object that is a source's value, or that a path selects in it.

    Raises:
        OverBudget: values have been parsed too often for one Secret.
        SourceUnusable: as in `search_path`; or it is no object.
    """
    steps = () if path is None else jmespath.list_steps(path) or ()
    describe = partial(absence.describe_no_object, alias=alias, steps=steps)
    if path is not None:
        members, beginning = search_path(path, source, alias, where, budget), f": path {path} finds"
    else:
        members, beginning = parse_document(source, where, budget, describe), " is"
    if isinstance(members, dict):
        return members
    if members is None and path is not None:
        reason = f"nothing: {describe_end(jmespath.list_steps(path), source, alias, budget)}"
    else:
        reason = describe(_get_root(source, budget) if path is None else members)
    raise SourceUnusable(f"{where}{beginning} {reason}")


def list_yaml_members(text: str, where: str, budget: Budget) -> dict[str, str]:
    """Return the keys and texts that are in YAML, as `templateAs: KeysAndValues` of External Secrets reads it.

    Raises:
        OverBudget: the text is too long.
        SourceUnusable: it is not YAML, or a value is no text, number, true, false or null.
    """
    # Imported here, since few mappings have YAML.
    from keyferry.formats import goyaml  # noqa: PLC0415

    budget.spend(len(text))
    try:
        return goyaml.parse_texts(text)
    except ValueError as error:
        raise SourceUnusable(f"{where} makes what is {error}") from None


def get_text(value: SecretValue) -> str | RawValue:
    """Return a value as text; as it is where it is not UTF-8."""
    try:
        return value.reveal().decode()
    except UnicodeDecodeError:
        return RawValue(value.reveal())


def _get_root(source: SourceValue, budget: Budget) -> object:
    """Return a source's document; where that is a text, with its quotes, as templates see it."""
    document = _parse(source, budget)
    return absence.to_text(source.content) if isinstance(document, str) else document


def get_template_value(source: SourceValue, where: str, budget: Budget) -> object:
    """Return a source's value as templates see it.

    Returns:
        The document if the value is a JSON object or array, which keeps its text; otherwise the text. A value that is
        not UTF-8 stays a SecretValue, which only some filters take. For a source with `find`: full name → the value of
        each member.

    Raises:
        SourceUnusable: an object in the document has a key twice.
    """
    if source.members is not None:
        return {name: get_template_value(member, f"{where}, {name}", budget) for name, member in source.members.items()}
    try:
        text = source.content.reveal().decode()
    except UnicodeDecodeError:
        return source.content
    try:
        document = _parse(source, budget)
    except jsontext.DuplicateKeyError as error:
        raise build_duplicate_error(error, where) from None
    except ValueError:  # text that is not JSON, such as a password, even if it begins with a brace
        return text
    return document if isinstance(document, dict | list) else text


def _parse(source: SourceValue, budget: Budget) -> Any:  # noqa: ANN401  # as above
    """Return a JSON document, which is parsed once for a Secret, as nothing changes it."""
    key = id(source.content)
    if key not in budget.documents:
        budget.spend(len(source.content) // PARSED_BYTES_PER_STEP)
        content = source.content.reveal()
        budget.documents[key] = source.content, jsontext.keep_text(jsontext.parse(content), content.decode())
    budget.spend(1)
    return budget.documents[key][1]


def build_duplicate_error(error: jsontext.DuplicateKeyError, where: str) -> SourceUnusable:
    """Return the error of a document in which an object has a key twice."""
    return SourceUnusable(f"{where}: {error}; take one of them out")
