"""The filters of templates: what they make of a value, without a clock, chance, or any other file.

What only some templates need is imported by the filter that needs it.
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
"""Where a template's context holds its salts: no template can write a name with a dot."""
_ROUNDS = range(4, 16)
_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)
"""The digits of base64 → those of bcrypt."""


class FilterError(ValueError):
    """A filter cannot do what is asked of it. The text holds no value."""


def salts(origin: Mapping[str, object]) -> Iterator[bytes]:
    """Yield 16 bytes for each password that a template hashes, by what the template is and reads.

    Args:
        origin: mapping, key and the versions of the sources: the same make the same salts, on any day.
    """
    number = 0
    while True:
        told = json.dumps({**origin, "number": number}, sort_keys=True).encode()
        yield hmac.digest(b"keyferry.dev/bcrypt", told, "sha256")[:16]
        number += 1


def written(value: object) -> str:
    """Return what a template writes for a value: the same as a path that finds it."""
    if value is None:
        raise UndefinedError("null")
    if isinstance(value, SecretValue):
        raise FilterError("a binary value is written by b64encode, or opened by pkcs12_key and pkcs12_cert")
    return str(value) if isinstance(value, Undefined) else jsontext.to_text(value)  # str raises UndefinedError


def shown(value: object) -> object:
    """Return what may be formatted: a number itself, as `%d` needs it; anything else as it is written."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else written(value)


class _Named(dict[str, object]):
    """What `%(name)s` names."""

    def __getitem__(self, name: str) -> object:
        return shown(super().__getitem__(name))

    def __repr__(self) -> str:
        return jsontext.to_text(self)


def percent(text: str, value: object) -> str:
    """Return what `%` makes: `'%s:%d' % (user, port)`."""
    if isinstance(value, dict):
        return text % _Named(value)
    return text % (tuple(map(shown, value)) if isinstance(value, tuple) else shown(value))


def formatted(value: object, *args: object, **named: object) -> str:
    """Do as Jinja's own filter, which writes values as Python does."""
    return do_format(written(value), *map(shown, args), **{name: shown(each) for name, each in named.items()})


@pass_environment
def join(environment: Environment, value: Iterable[object], d: object = "", attribute: str | int | None = None) -> str:
    """Do as Jinja's own filter, which writes values as Python does."""
    found = value if attribute is None else map(make_attrgetter(environment, attribute), value)
    return written(d).join(map(written, found))


def replace(value: object, old: object, new: object, count: int | None = None) -> str:
    """Do as Jinja's own filter, which writes values as Python does."""
    return written(value).replace(written(old), written(new), -1 if count is None else count)


@pass_eval_context
def xmlattr(context: EvalContext, value: Mapping[str, object], autospace: bool = True) -> str:
    """Do as Jinja's own filter, which leaves out what is null, and writes values as Python does."""
    kept = {name: each for name, each in value.items() if each is not None and not isinstance(each, Undefined)}
    return do_xmlattr(context, {name: written(each) for name, each in kept.items()}, autospace)


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter of Jinja's own that takes its value as it is written."""
    at = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def made(*args: object, **named: object) -> object:
        return function(*args[:at], written(args[at]), *args[at + 1 :], **named)

    return made


def urlencode(value: object) -> str:
    """Percent-encode all but unreserved characters. Jinja's own filter keeps `/`, which ends the user part of a URL."""
    return quote(written(value), safe="")


def b64encode(value: object) -> str:
    """Return base64 of text or of a binary value."""
    return base64.b64encode(_content(value)).decode()


def b64decode(value: object) -> str | SecretValue:
    """Return what base64 holds: text where it is UTF-8, else a binary value."""
    content = _decoded(value)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return SecretValue(content)


def tojson(value: object) -> str:
    """Return JSON as it is in the source. Jinja's own filter writes `<`, `>`, `&` and `'` otherwise, for web pages."""
    return jsontext.to_text([jsontext.to_text(value)] if isinstance(value, str) else [value])[1:-1]


def fromjson(value: object) -> object:
    """Return what JSON says."""
    return _parsed("fromjson", lambda: jsontext.parse(written(value).encode()))


def toyaml(value: object) -> str:
    """Return YAML in block style."""
    from keyferry.formats import yamltext  # noqa: PLC0415  # few templates write YAML

    return yamltext.text(value)


def fromyaml(value: object) -> object:
    """Return what YAML says."""
    from keyferry.formats import yamltext  # noqa: PLC0415  # as in toyaml

    return _parsed("fromyaml", lambda: yamltext.parse(written(value)))


def double_quote(value: object) -> str:
    """Put text into double quotes, what is special between them escaped as JSON has it."""
    return tojson(written(value))


def shellquote(value: object) -> str:
    """Quote text for a POSIX shell."""
    return shlex.quote(written(value))


@pass_context
def bcrypt(context: Context, value: object, rounds: int = 10) -> str:
    """Return the hash of a password. Its salt is new with every version of the sources, and the same for the same."""
    import bcrypt as library  # noqa: PLC0415  # few templates hash passwords

    password = written(value).encode()
    if rounds not in _ROUNDS:
        raise FilterError(f"bcrypt takes {_ROUNDS.start} to {_ROUNDS.stop - 1} rounds")
    if len(password) > 72 or b"\0" in password:
        raise FilterError("bcrypt takes a password of 72 bytes at most, without a zero byte")
    salt = base64.b64encode(next(context[SALTS])).rstrip(b"=").translate(_BCRYPT)
    return library.hashpw(password, b"$2b$%02d$%s" % (rounds, salt)).decode()


def filter_pem(value: object, kind: str = "CERTIFICATE") -> str:
    """Return the PEM blocks of a kind; PRIVATE KEY stands for any kind of private key."""
    from keyferry.render import certificates  # noqa: PLC0415  # large, and few templates have certificates

    found = certificates.blocks(_content(value), kind)
    if not found:
        raise FilterError("filter_pem finds no block of that kind")
    return b"".join(found).decode()


def filter_cert_chain(value: object, part: str = "leaf") -> str:
    """Return the certificates that are leaf, intermediate or root; nothing where there is none."""
    from keyferry.render import certificates  # noqa: PLC0415  # as in filter_pem

    try:
        return certificates.part(_content(value), part).decode()
    except certificates.UnusableCertificate as error:
        raise FilterError(f"filter_cert_chain: {error}") from None


def pkcs12_key(value: object, password: str = "") -> str:
    """Return the private key of a PKCS#12 file, as PKCS#8 in PEM."""
    return _opened("pkcs12_key", value, password).key.decode()


def pkcs12_cert(value: object, password: str = "") -> str:
    """Return the certificates of a PKCS#12 file as PEM: that of its key first, then those that lead to the root."""
    return _opened("pkcs12_cert", value, password).pem.decode()


def _opened(name: str, value: object, password: object) -> "Chain":
    from keyferry.render import certificates  # noqa: PLC0415  # as in filter_pem

    try:
        return certificates.chain(certificates.open_pkcs12(_file(value), written(password).encode()))
    except certificates.UnusableCertificate as error:
        raise FilterError(f"{name}: {error}") from None


def _parsed(name: str, parse: Callable[[], object]) -> object:
    try:
        return parse()
    except jsontext.DuplicateKeyError as error:
        raise FilterError(f"{name}: the key {error} is there twice") from None
    except ValueError as error:
        raise FilterError(f"{name} fails: {error}") from None


def _content(value: object) -> bytes:
    return value.reveal() if isinstance(value, SecretValue) else written(value).encode()


def _file(value: object) -> bytes:
    """Return a file: a binary value, or text that is base64 of it."""
    return value.reveal() if isinstance(value, SecretValue) else _decoded(value)


def _decoded(value: object) -> bytes:
    try:
        return decode(_content(value), "base64")
    except ValueError:
        raise FilterError("not base64") from None


_OF_TEXT = (
    *("capitalize", "center", "e", "escape", "forceescape", "indent", "lower", "safe", "striptags", "title", "trim"),
    *("truncate", "upper", "urlize", "wordcount", "wordwrap"),
)
FILTERS: dict[str, Callable[..., Any]] = {name: _of_text(JINJA[name]) for name in _OF_TEXT} | {
    "b64decode": b64decode,
    "b64encode": b64encode,
    "bcrypt": bcrypt,
    "filter_cert_chain": filter_cert_chain,
    "filter_pem": filter_pem,
    "format": formatted,
    "fromjson": fromjson,
    "fromyaml": fromyaml,
    "join": join,
    "pkcs12_cert": pkcs12_cert,
    "pkcs12_key": pkcs12_key,
    "quote": double_quote,
    "replace": replace,
    "shellquote": shellquote,
    "string": written,
    "tojson": tojson,
    "toyaml": toyaml,
    "urlencode": urlencode,
    "xmlattr": xmlattr,
}
"""Name in a template → what it does. Those of certificates are External Secrets', in Jinja's spelling."""

CHOICES: dict[str, dict[str, Sequence[object]]] = {
    "bcrypt": {"rounds": _ROUNDS},
    "filter_cert_chain": {"part": ("leaf", "intermediate", "root")},
}
"""Filter → argument → what it can be."""
