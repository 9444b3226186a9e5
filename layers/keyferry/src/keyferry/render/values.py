"""Take a source's value apart: its text, its JSON document, what a path selects in that, and what a template sees.

Every error is a SourceUnusable. Its message begins with the `where` of the call, such as `mapping db, key user: source
db`, and never quotes a value.
"""

from typing import Any

from keyferry.budget import Budget, OverBudget
from keyferry.errors import SourceUnusable
from keyferry.formats import jmespath, jsontext
from keyferry.formats.encodings import Decoding, decode
from keyferry.model import SecretValue, SourceValue

PARSED_BYTES_PER_STEP = 10
"""How many bytes of JSON count as a step, when a document is parsed."""


def encode_text(text: str, where: str) -> SecretValue:
    """Return a text as UTF-8.

    Raises:
        SourceUnusable: the text contains half of a surrogate pair, which UTF-8 cannot hold.
    """
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
        raise SourceUnusable(f"{where} is {error}, as decode says") from None


def parse_document(source: SourceValue, where: str, budget: Budget) -> Any:  # noqa: ANN401  # JSON is anything
    """Return the JSON document that is a source's value.

    Raises:
        OverBudget: values have been parsed too often for one Secret.
        SourceUnusable: the value is binary, or not JSON, or an object in it has a key twice.
    """
    if source.binary:
        raise SourceUnusable(f"{where} is binary: use it whole, without a path")
    try:
        return _parse(source, budget)
    except jsontext.DuplicateKeyError as error:
        raise _build_duplicate_error(error, where) from None
    except ValueError:
        raise SourceUnusable(f"{where} is not JSON: use it whole, without a path") from None


def search_path(path: str, source: SourceValue, where: str, budget: Budget) -> object:
    """Return the part of a source's JSON document that a JMESPath expression selects; None for nothing or null.

    Raises:
        SourceUnusable: the value is no JSON document, or the path cannot be applied to it.
    """
    try:
        document = parse_document(source, where, budget)
        result = jmespath.search(path, document, budget)
        budget.spend_text(
            len(jsontext.to_text(result))
        )  # raises for a result that is not JSON, such as that of `&name`
    except SourceUnusable:
        raise
    except OverBudget as error:
        raise SourceUnusable(f"{where}: path {path} {error}") from None
    except Exception as error:
        # The message of the library can quote the value.
        raise SourceUnusable(f"{where}: path {path} does not fit the value ({type(error).__name__})") from None
    return result


def get_template_value(source: SourceValue, where: str, budget: Budget) -> object:
    """Return a source's value as templates see it.

    Returns:
        The document if the value is a JSON object; otherwise the text. A value that is not text stays a SecretValue,
        which only some filters take. For a source with `find`: full name → the value of each member.

    Raises:
        SourceUnusable: an object in the document has a key twice.
    """
    if source.members is not None:
        return {name: get_template_value(member, f"{where}, {name}", budget) for name, member in source.members.items()}
    try:
        document = None if source.binary else _parse(source, budget)
    except jsontext.DuplicateKeyError as error:
        raise _build_duplicate_error(error, where) from None
    except ValueError:
        document = None  # text that is not JSON, such as a password, even if it begins with a brace
    try:
        return document if isinstance(document, dict) else source.content.reveal().decode()
    except UnicodeDecodeError:
        return source.content


def _parse(source: SourceValue, budget: Budget) -> Any:  # noqa: ANN401  # as above
    """Return a JSON document, which is parsed once for a Secret, as nothing changes it."""
    key = id(source.content)
    if key not in budget.documents:
        budget.spend(len(source.content) // PARSED_BYTES_PER_STEP)
        budget.documents[key] = source.content, jsontext.parse(source.content.reveal())
    budget.spend(1)
    return budget.documents[key][1]


def _build_duplicate_error(error: jsontext.DuplicateKeyError, where: str) -> SourceUnusable:
    return SourceUnusable(f"{where} has the key {error} twice: take one of them out")
