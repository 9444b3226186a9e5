"""The filters of templates. The same value gives the same text: no filter has a clock, chance or a file.

A library that few templates need is imported inside the filter that needs it. The names of a filter's parameters are
part of the template language, since templates can give arguments by name.
"""

import base64
import functools
import hmac
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, Undefined, UndefinedError, pass_context, pass_environment, pass_eval_context
from jinja2.filters import FILTERS as JINJA
from jinja2.filters import do_format, do_xmlattr, make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import Context

from keyferry.formats import jsontext
from keyferry.formats.encodings import decode
from keyferry.model import SecretValue

if TYPE_CHECKING:
    from keyferry.render.certificates import Chain

SALTS = "keyferry.salts"
"""The variable that holds the salts of a template. No template can read it, since its name has a dot."""
_ROUNDS = range(4, 16)
_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)
"""A translation from the digits of base64 to those of bcrypt."""


class FilterError(ValueError):
    """A filter cannot be applied to its value. The message quotes no value."""


def generate_salts(origin: Mapping[str, object]) -> Iterator[bytes]:
    """Yield salts of 16 bytes, one for each password that a template hashes.

    Args:
        origin: the mapping, the key and the versions of the sources. The same origin always gives the same salts, so
            that rendering again changes nothing.
    """
    number = 0
    while True:
        text = json.dumps({**origin, "number": number}, sort_keys=True).encode()
        yield hmac.digest(b"keyferry.dev/bcrypt", text, "sha256")[:16]
        number += 1


def to_text(value: object) -> str:
    """Return the text that a template writes for a value. It is the same that a path to the value gives.

    Raises:
        UndefinedError: the value is undefined or null.
        FilterError: the value is binary.
    """
    if value is None:
        raise UndefinedError("null")
    if isinstance(value, SecretValue):
        raise FilterError("a binary value is written by b64encode, or opened by pkcs12_key and pkcs12_cert")
    return str(value) if isinstance(value, Undefined) else jsontext.to_text(value)  # str raises UndefinedError


def to_format_argument(value: object) -> object:
    """Return a value as formatting takes it: a number as it is, since `%d` needs it; anything else as text."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else to_text(value)


class _FormatArguments(dict[str, object]):
    """The values that `%(name)s` formats, by name."""

    def __getitem__(self, name: str) -> object:
        return to_format_argument(super().__getitem__(name))

    def __repr__(self) -> str:
        return jsontext.to_text(self)


def format_percent(text: str, value: object) -> str:
    """Format a text by `%`, as in `'%s:%d' % (user, port)`."""
    if isinstance(value, dict):
        return text % _FormatArguments(value)
    return text % (tuple(map(to_format_argument, value)) if isinstance(value, tuple) else to_format_argument(value))


def format_text(value: object, *args: object, **named: object) -> str:
    """Do the same as Jinja's own filter, with values as a template writes them instead of Python's own text."""
    arguments = {name: to_format_argument(argument) for name, argument in named.items()}
    return do_format(to_text(value), *map(to_format_argument, args), **arguments)


@pass_environment
def join(environment: Environment, value: Iterable[object], d: object = "", attribute: str | int | None = None) -> str:
    """Do the same as Jinja's own filter, with values as a template writes them instead of Python's own text."""
    items = value if attribute is None else map(make_attrgetter(environment, attribute), value)
    return to_text(d).join(map(to_text, items))


def replace(value: object, old: object, new: object, count: int | None = None) -> str:
    """Do the same as Jinja's own filter, with values as a template writes them instead of Python's own text."""
    return to_text(value).replace(to_text(old), to_text(new), -1 if count is None else count)


@pass_eval_context
def xmlattr(context: EvalContext, value: Mapping[str, object], autospace: bool = True) -> str:
    """Do the same as Jinja's own filter, which leaves out null, with values as a template writes them."""
    attributes = {
        name: to_text(attribute)
        for name, attribute in value.items()
        if attribute is not None and not isinstance(attribute, Undefined)
    }
    return do_xmlattr(context, attributes, autospace)


def _take_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter of Jinja that gets its value as the text that a template writes for it."""
    index = 1 if hasattr(function, "jinja_pass_arg") else 0  # of the value, among the arguments

    @functools.wraps(function)
    def filter_text(*args: object, **named: object) -> object:
        return function(*args[:index], to_text(args[index]), *args[index + 1 :], **named)

    return filter_text


def urlencode(value: object) -> str:
    """Percent-encode all characters but the unreserved ones.

    Jinja's own filter keeps `/`, which would end the user part of a URL.
    """
    return quote(to_text(value), safe="")


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
    return _parse("fromjson", lambda: jsontext.parse(to_text(value).encode()))


def toyaml(value: object) -> str:
    """Return a value as YAML in block style."""
    from keyferry.formats import yamltext  # noqa: PLC0415  # few templates write YAML

    return yamltext.text(value)


def fromyaml(value: object) -> object:
    """Parse YAML."""
    from keyferry.formats import yamltext  # noqa: PLC0415  # as in toyaml

    return _parse("fromyaml", lambda: yamltext.parse(to_text(value)))


def double_quote(value: object) -> str:
    """Put text in double quotes, with the escapes of JSON."""
    return tojson(to_text(value))


def shellquote(value: object) -> str:
    """Quote text for a POSIX shell."""
    return shlex.quote(to_text(value))


@pass_context
def bcrypt(context: Context, value: object, rounds: int = 10) -> str:
    """Return the bcrypt hash of a password. The salt depends on the versions of the sources (see `generate_salts`)."""
    import bcrypt as library  # noqa: PLC0415  # few templates hash passwords

    password = to_text(value).encode()
    if rounds not in _ROUNDS:
        raise FilterError(f"bcrypt takes {_ROUNDS.start} to {_ROUNDS.stop - 1} rounds")
    if len(password) > 72 or b"\0" in password:
        raise FilterError("bcrypt takes a password of 72 bytes at most, without a zero byte")
    salt = base64.b64encode(next(context[SALTS])).rstrip(b"=").translate(_BCRYPT)
    return library.hashpw(password, b"$2b$%02d$%s" % (rounds, salt)).decode()


def filter_pem(value: object, kind: str = "CERTIFICATE") -> str:
    """Return the PEM blocks whose label is `kind`; PRIVATE KEY stands for every type of private key."""
    from keyferry.render import certificates  # noqa: PLC0415  # large, and few templates have certificates

    blocks = certificates.extract_blocks(_to_bytes(value), kind)
    if not blocks:
        raise FilterError("filter_pem finds no block of that kind")
    return b"".join(blocks).decode()


def filter_cert_chain(value: object, part: str = "leaf") -> str:
    """Return the certificates that are `leaf`, `intermediate` or `root`; nothing if there are none."""
    from keyferry.render import certificates  # noqa: PLC0415  # as in filter_pem

    try:
        return certificates.select_part(_to_bytes(value), part).decode()
    except certificates.UnusableCertificate as error:
        raise FilterError(f"filter_cert_chain: {error}") from None


def pkcs12_key(value: object, password: str = "") -> str:
    """Return the private key of a PKCS#12 file, as PKCS#8 in PEM."""
    return _open_chain("pkcs12_key", value, password).key.decode()


def pkcs12_cert(value: object, password: str = "") -> str:
    """Return the certificates of a PKCS#12 file as PEM: first that of its key, then those that lead to the root."""
    return _open_chain("pkcs12_cert", value, password).pem.decode()


def _open_chain(name: str, value: object, password: object) -> "Chain":
    """Return the key and certificates of a PKCS#12 file, for the filter of this name."""
    from keyferry.render import certificates  # noqa: PLC0415  # as in filter_pem

    try:
        return certificates.build_chain(certificates.open_pkcs12(_to_file(value), to_text(password).encode()))
    except certificates.UnusableCertificate as error:
        raise FilterError(f"{name}: {error}") from None


def _parse(name: str, parse: Callable[[], object]) -> object:
    try:
        return parse()
    except jsontext.DuplicateKeyError as error:
        raise FilterError(f"{name}: the key {error} is there twice") from None
    except ValueError as error:
        raise FilterError(f"{name} fails: {error}") from None


def _to_bytes(value: object) -> bytes:
    return value.reveal() if isinstance(value, SecretValue) else to_text(value).encode()


def _to_file(value: object) -> bytes:
    """Return the content of a file: of a binary value, or of text in base64."""
    return value.reveal() if isinstance(value, SecretValue) else _decode_base64(value)


def _decode_base64(value: object) -> bytes:
    try:
        return decode(_to_bytes(value), "base64")
    except ValueError:
        raise FilterError("not base64") from None


_JINJA_FILTERS = (
    *("capitalize", "center", "e", "escape", "forceescape", "indent", "lower", "safe", "striptags", "title", "trim"),
    *("truncate", "upper", "urlize", "wordcount", "wordwrap"),
)
FILTERS: dict[str, Callable[..., Any]] = {name: _take_text(JINJA[name]) for name in _JINJA_FILTERS} | {
    "b64decode": b64decode,
    "b64encode": b64encode,
    "bcrypt": bcrypt,
    "filter_cert_chain": filter_cert_chain,
    "filter_pem": filter_pem,
    "format": format_text,
    "fromjson": fromjson,
    "fromyaml": fromyaml,
    "join": join,
    "pkcs12_cert": pkcs12_cert,
    "pkcs12_key": pkcs12_key,
    "quote": double_quote,
    "replace": replace,
    "shellquote": shellquote,
    "string": to_text,
    "tojson": tojson,
    "toyaml": toyaml,
    "urlencode": urlencode,
    "xmlattr": xmlattr,
}
"""Name in a template → filter. The filters for certificates are those of External Secrets, in Jinja's spelling."""

CHOICES: dict[str, dict[str, Sequence[object]]] = {
    "bcrypt": {"rounds": _ROUNDS},
    "filter_cert_chain": {"part": ("leaf", "intermediate", "root")},
}
"""Filter → argument → the values that it can have."""
