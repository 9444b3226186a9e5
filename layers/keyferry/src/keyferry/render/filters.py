"""The filters of templates. The same value gives the same text: no filter has a clock, chance or a file.

A library that few templates need is imported inside the filter that needs it. The names of a filter's parameters are
part of the template language, since templates can give arguments by name.
"""

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jinja2.filters import FILTERS as JINJA

from keyferry.formats import dotenv, jsontext
from keyferry.formats.encodings import decode
from keyferry.formats.recognition import recognize
from keyferry.model import SecretValue
from keyferry.render import passwords
from keyferry.render.formatting import (
    FilterError,
    double_quote,
    format_text,
    indent,
    join,
    replace,
    shellquote,
    take_items,
    take_text,
    to_text,
    urlencode,
    wordwrap,
    xmlattr,
)
from keyferry.render.go import filter as go
from keyferry.render.go.function import FUNCTIONS
from keyferry.render.pki.pem import Block, UnusableCertificate, parse_blocks, select_blocks

if TYPE_CHECKING:
    from keyferry.render.pki.certificates import Bundle


def b64encode(value: object) -> str:
    """Return a text or a binary value in base64."""
    return base64.b64encode(_to_bytes(value)).decode()


def b64decode(value: object) -> str | SecretValue:
    """Decode base64. The result is text if it is UTF-8, and a binary value otherwise."""
    content = _decode_base64(value)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return SecretValue(content)


def tojson(value: object) -> str:
    """Return a value as JSON. Jinja's own filter escapes `<`, `>`, `&` and `'`, for web pages; this one does not."""
    return jsontext.to_text([jsontext.to_text(value)] if isinstance(value, str) else [value])[1:-1]


def fromjson(value: object) -> object:
    """Parse JSON."""
    return _parse("fromjson", _parse_json, to_text(value))


def _parse_json(text: str) -> object:
    try:
        return jsontext.parse(text.encode(errors="surrogatepass"))
    except jsontext.DuplicateKeyError:
        raise
    except ValueError:
        seen = recognize(text)
        way = f"; it is {seen.kind}, for which there is {seen.filters}" if seen.filters else ""
        raise ValueError(f"not JSON{f': {seen.mistake}' if seen.mistake else way}") from None


def toyaml(value: object) -> str:
    """Return a value as YAML in block style."""
    from keyferry.formats import yamltext  # noqa: PLC0415  # few templates write YAML

    return yamltext.text(value)


def fromyaml(value: object) -> object:
    """Parse YAML."""
    from keyferry.formats import yamltext  # noqa: PLC0415  # as in toyaml

    return _parse("fromyaml", yamltext.parse, to_text(value))


def fromdotenv(value: object) -> dict[str, str]:
    """Parse lines `NAME=value`."""
    return _parse("fromdotenv", dotenv.parse, to_text(value))


def filter_pem(value: object, kind: str = "CERTIFICATE") -> str:
    """Return the PEM blocks whose label is `kind`, written anew; PRIVATE KEY stands for every type of private key."""
    blocks = _read_pem("filter_pem", lambda: [block.pem for block in select_blocks(_parse_pem(value), kind)])
    if not blocks:
        raise FilterError("filter_pem finds no block of that kind")
    return b"".join(blocks).decode()


def pem(value: object) -> str:
    """Return all PEM blocks of a text, written anew as RFC 7468 says, whatever their line ends were."""
    blocks = _read_pem("pem", lambda: [block.pem for block in _parse_pem(value)])
    if not blocks:
        raise FilterError("pem finds no PEM block: -----BEGIN …----- to -----END …-----")
    return b"".join(blocks).decode()


def filter_cert_chain(value: object, part: str = "leaf") -> str:
    """Return the certificates that are `leaf`, `intermediate` or `root`; nothing if there are none."""
    from keyferry.render.pki import chains  # noqa: PLC0415  # large, and few templates have certificates

    return _read_pem("filter_cert_chain", lambda: chains.select_part(_to_pem(value), part)).decode()


def traditional_key(value: object) -> str:
    """Return the private key of a PEM text in the format of its kind, as PEM: PKCS#1 for RSA, SEC 1 for curves."""
    from keyferry.render.pki import private_keys  # noqa: PLC0415  # as in filter_cert_chain

    return _read_pem("traditional_key", lambda: private_keys.encode_traditional(_parse_pem(value))).decode()


def jwk_private_key_pem(value: object) -> str:
    """Return the private key of a JSON Web Key as PEM (PKCS#8)."""
    from keyferry.render.pki import jwk  # noqa: PLC0415  # as in filter_cert_chain

    return _read_pem("jwk_private_key_pem", lambda: jwk.convert_private_key(_parse_jwk(value))).decode()


def jwk_public_key_pem(value: object) -> str:
    """Return the public key of a JSON Web Key, public or private, as PEM."""
    from keyferry.render.pki import jwk  # noqa: PLC0415  # as in filter_cert_chain

    return _read_pem("jwk_public_key_pem", lambda: jwk.convert_public_key(_parse_jwk(value))).decode()


def _parse_jwk(value: object) -> object:
    return fromjson(value) if isinstance(value, str | SecretValue) else value


def _parse_pem(value: object) -> list[Block]:
    return parse_blocks(_to_pem(value))


def _to_pem(value: object) -> bytes:
    """Return a PEM text; one in base64 is decoded."""
    content = _to_bytes(value)
    try:
        return content if b"-----BEGIN " in content else decode(content, "base64")
    except ValueError:
        return content


def _read_pem[T](name: str, read: Callable[[], T]) -> T:
    """Return what is read; what is wrong is told with the name of the filter."""
    try:
        return read()
    except UnusableCertificate as error:
        raise FilterError(f"{name}: {error}") from None


def pkcs12_key(value: object, password: str = "") -> str:
    """Return the private key of a PKCS#12 file, as PKCS#8 in PEM."""
    from keyferry.render.pki import chains  # noqa: PLC0415  # as in filter_cert_chain

    return _read_pem("pkcs12_key", lambda: chains.build_chain(_open_pkcs12(value, password)).key).decode()


def pkcs12_cert(value: object, password: str = "") -> str:
    """Return the certificates of a PKCS#12 file as PEM: first that of its key, then those that lead to the root.

    Of a file without a key, which is a trust store, these are all certificates, in their order.
    """
    from keyferry.render.pki import chains  # noqa: PLC0415  # as in filter_cert_chain

    return _read_pem("pkcs12_cert", lambda: chains.list_certificates(_open_pkcs12(value, password))).decode()


def _open_pkcs12(value: object, password: object) -> "Bundle":
    """Return what is in a PKCS#12 file, which is binary or base64."""
    from keyferry.render.pki import certificates  # noqa: PLC0415  # as in filter_cert_chain

    return certificates.open_pkcs12(to_file(value), to_text(password).encode())


def _parse[T](name: str, parse: Callable[[str], T], text: str) -> T:
    """Return what a text is parsed to; what is wrong is told with the name of the filter."""
    try:
        return parse(text)
    except jsontext.DuplicateKeyError as error:
        raise FilterError(f"{name}: {error}") from None
    except ValueError as error:
        raise FilterError(f"{name} fails: {error}") from None


def _to_bytes(value: object) -> bytes:
    return value.reveal() if isinstance(value, SecretValue) else to_text(value).encode()


def to_file(value: object) -> bytes:
    """Return the content of a file: of a binary value, or of text in base64."""
    if isinstance(value, SecretValue):
        return value.reveal()
    text = to_text(value)
    if "-----BEGIN " in text:
        raise FilterError("PEM, and not a file: filter_pem gives its parts")
    return _decode_base64(text)


def _decode_base64(value: object) -> bytes:
    try:
        return decode(_to_bytes(value), "base64")
    except ValueError as error:
        raise FilterError(str(error)) from None


_JINJA_FILTERS = (
    *("capitalize", "center", "e", "escape", "forceescape", "lower", "safe", "striptags", "title", "trim"),
    *("truncate", "upper", "urlize", "wordcount"),
)
FILTERS: dict[str, Callable[..., Any]] = {name: take_text(JINJA[name]) for name in _JINJA_FILTERS} | {
    "first": take_items(JINJA["first"]),
    "last": take_items(JINJA["last"]),
    "b64decode": b64decode,
    "b64encode": b64encode,
    "bcrypt": passwords.bcrypt,
    "filter_cert_chain": filter_cert_chain,
    "filter_pem": filter_pem,
    "format": format_text,
    "fromdotenv": fromdotenv,
    "fromjson": fromjson,
    "fromyaml": fromyaml,
    "go": go.call,
    "indent": indent,
    "join": join,
    "jwk_private_key_pem": jwk_private_key_pem,
    "jwk_public_key_pem": jwk_public_key_pem,
    "pem": pem,
    "pkcs12_cert": pkcs12_cert,
    "pkcs12_key": pkcs12_key,
    "quote": double_quote,
    "replace": replace,
    "shellquote": shellquote,
    "string": to_text,
    "tojson": tojson,
    "toyaml": toyaml,
    "traditional_key": traditional_key,
    "urlencode": urlencode,
    "wordwrap": wordwrap,
    "xmlattr": xmlattr,
}
"""Name in a template → filter. The filters for certificates are those of External Secrets, in Jinja's spelling."""

CHOICES: dict[str, dict[str, Sequence[object]]] = {
    "bcrypt": {"rounds": passwords.ROUNDS},
    "filter_cert_chain": {"part": ("leaf", "intermediate", "root")},
    "go": {"function": tuple(FUNCTIONS)},
}
"""Filter → argument → the values that it can have."""
