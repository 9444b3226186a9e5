"""Sprig's encodings, checksums and JSON."""

import base64
import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable

from keyferry.budget import Budget
from keyferry.formats import go_encodings
from keyferry.formats.go_numbers import take_digits
from keyferry.formats.jsontext import MAX_DEPTH
from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.values import Map, NilList, Text, from_bytes, to_bytes

_STEPS_PER_CHARACTER = 2
_HTML = re.compile("[<>&\u2028\u2029]")
_LINES = re.compile("[\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@function("b64enc(bytes) string")
def encode_base64(text: Text) -> str:
    """Return base64."""
    return base64.b64encode(to_bytes(text)).decode()


@function("b64dec(string) string")
def decode_base64(text: str) -> Text:
    """Return what is in base64; Go's complaint where it is none."""
    return _decode(go_encodings.decode_base64, text)


def _decode(decode: Callable[[str], bytes], text: str) -> Text:
    try:
        return from_bytes(decode(text))
    except go_encodings.NotDecodable as complaint:
        return str(complaint)


@function("b32enc(bytes) string")
def encode_base32(text: Text) -> str:
    """Return base32."""
    return base64.b32encode(to_bytes(text)).decode()


@function("b32dec(string) string")
def decode_base32(text: str) -> Text:
    """Return what is in base32; Go's complaint where it is none."""
    return _decode(go_encodings.decode_base32, text)


@function("hexdec(string) string")
def decode_hex(text: str) -> Text:
    """Return what is written in hexadecimal digits; Go's complaint where it is none."""
    return _decode(go_encodings.decode_hex, text)


@function("sha1sum(bytes) string")
def sum_sha1(text: Text) -> str:
    """Return the SHA-1 of a text, in hexadecimal digits."""
    return hashlib.sha1(to_bytes(text), usedforsecurity=False).hexdigest()


@function("sha256sum(bytes) string")
def sum_sha256(text: Text) -> str:
    """Return the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(to_bytes(text)).hexdigest()


@function("sha512sum(bytes) string")
def sum_sha512(text: Text) -> str:
    """Return the SHA-512 of a text, in hexadecimal digits."""
    return hashlib.sha512(to_bytes(text)).hexdigest()


@function("adler32sum(bytes) string")
def sum_adler32(text: Text) -> str:
    """Return the Adler-32 of a text, as a number."""
    return str(zlib.adler32(to_bytes(text)))


def _spend_json(budget: Budget, value: object) -> None:
    budget.spend_value(value, times=_STEPS_PER_CHARACTER)


def _spend_parsing(budget: Budget, text: str) -> None:
    budget.spend(len(text) // 2)


@function("toJson(any) string", "mustToJson(any) string", price=_spend_json)
def to_json(value: object) -> str:
    """Return a value as JSON, with escapes for `<`, `>` and `&`."""
    return _escape(_HTML, _write(value))


@function("toRawJson(any) string", "mustToRawJson(any) string", price=_spend_json)
def to_raw_json(value: object) -> str:
    """Return a value as JSON."""
    return _escape(_LINES, _write(value))


@function("toPrettyJson(any) string", "mustToPrettyJson(any) string", price=_spend_json)
def to_pretty_json(value: object) -> str:
    """Return a value as JSON in lines, with two blanks for each level."""
    return _escape(_HTML, _write(value, indention="\n"))


def _escape(signs: re.Pattern[str], text: str) -> str:
    return signs.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _write(value: object, indention: str = "", depth: int = 0) -> str:
    """Return a value as JSON; in lines where `indention` is a line end with the blanks of its level."""
    if depth > MAX_DEPTH:
        raise FilterError(f"nested more than {MAX_DEPTH} times")
    inner = f"{indention}  " if indention else ""
    match value:
        case NilList():
            return "null"
        case dict() if value:
            colon = ": " if indention else ":"
            members = (
                f"{json.dumps(key, ensure_ascii=False)}{colon}{_write(value[key], inner, depth + 1)}"
                for key in sorted(value)
            )
            return f"{{{inner}{f',{inner}'.join(members)}{indention}}}"
        case list() if value:
            return f"[{inner}{f',{inner}'.join(_write(item, inner, depth + 1) for item in value)}{indention}]"
        case float():
            return _write_number(value)
        case SecretValue():
            raise FilterError("JSON has no binary values")
    return json.dumps(value, ensure_ascii=False)


def _write_number(number: float) -> str:
    if not math.isfinite(number):
        raise FilterError("JSON has no number that is infinite or none")
    digits = take_digits(number)
    return f"{digits:f}" if -7 < digits.adjusted() < 21 else f"{digits:e}"


@function("fromJson(string) any", price=_spend_parsing)
def from_json(text: str) -> object:
    """Return a document of JSON, whose numbers are all fractions; nil where it is none."""
    try:
        return _parse(text)
    except FilterError:
        raise
    except ValueError:
        return None


@function("mustFromJson(string) any", price=_spend_parsing)
def parse_json(text: str) -> object:
    """Return a document of JSON, whose numbers are all fractions."""
    try:
        return _parse(text)
    except FilterError:
        raise
    except ValueError:
        raise FilterError("it gets what is not JSON") from None


def _parse(text: str) -> object:
    """Return a document of JSON.

    Raises:
        ValueError: it is none.
        FilterError: it is nested too deeply, or has a number that is too large.
    """

    def refuse(_name: str) -> None:
        raise ValueError

    def parse_number(digits: str) -> float:
        if math.isinf(number := float(digits)):
            raise FilterError("a number that is too large")
        return number

    try:
        document = json.loads(
            text, parse_int=parse_number, parse_float=parse_number, parse_constant=refuse, object_hook=Map
        )
    except RecursionError:
        raise FilterError("nested too deeply") from None
    return _mend(document) if "\\u" in text else document


def _mend(document: object) -> object:
    """Return a document with Go's replacement for each half of a character."""
    match document:
        case str():
            return _SURROGATE.sub("\ufffd", document)
        case list():
            return [_mend(item) for item in document]
        case dict():
            return Map((str(_mend(key)), _mend(item)) for key, item in document.items())
    return document


def _spend_yaml(budget: Budget, value: object) -> None:
    budget.spend_value(value, times=16)


def _spend_yaml_parsing(budget: Budget, text: str) -> None:
    budget.spend(len(text) * 4)


@function("toYaml(any) string", price=_spend_yaml)
def to_yaml(value: object) -> str:
    """Return a value as YAML."""
    from keyferry.render.go import yaml_text  # noqa: PLC0415  # few templates have YAML

    return yaml_text.to_yaml(value)


@function("fromYaml(string) map", price=_spend_yaml_parsing)
def from_yaml(text: str) -> Map:
    """Return a mapping of YAML."""
    from keyferry.render.go import yaml_text  # noqa: PLC0415  # as in to_yaml

    return yaml_text.from_yaml(text)


@function("textOf(string, list, string) string", price=lambda budget, _key, _keys, text: budget.spend(len(text)))
def take_text(key: str, keys: list[str], text: str) -> str:
    """Return the text of a key in YAML that makes some keys and no others, as `templateAs: KeysAndValues` reads it."""
    from keyferry.formats import goyaml  # noqa: PLC0415  # as in to_yaml

    try:
        made = goyaml.parse_texts(text)
    except ValueError as error:
        raise FilterError(f"it gets what is {error}") from None
    if sorted(made) != keys:
        raise FilterError("the YAML makes other keys")
    return made[key]
