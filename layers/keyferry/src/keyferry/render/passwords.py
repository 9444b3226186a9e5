"""Hash passwords in templates. The same value gives the same hash: the salt follows from what it is made for."""

import base64
import hmac
import json
from collections.abc import Iterator, Mapping

from jinja2 import pass_context
from jinja2.runtime import Context

from keyferry.render.formatting import FilterError, to_text

SALTS = "keyferry.salts"
"""The variable that holds the salts of a template. No template can read it, since its name has a dot."""
ROUNDS = range(4, 15)
"""The binary logarithms of how often bcrypt may hash."""
_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)
"""A translation from the digits of base64 to those of bcrypt."""


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


@pass_context
def bcrypt(context: Context, value: object, rounds: int = 10) -> str:
    """Return the bcrypt hash of a password. The salt depends on the versions of the sources (see `generate_salts`)."""
    import bcrypt as library  # noqa: PLC0415  # few templates hash passwords

    password = to_text(value).encode()
    if rounds not in ROUNDS:
        raise FilterError(f"bcrypt takes {ROUNDS.start} to {ROUNDS.stop - 1} rounds")
    if len(password) > 72 or b"\0" in password:
        raise FilterError("bcrypt takes a password of 72 bytes at most, without a zero byte")
    salt = base64.b64encode(next(context[SALTS])).rstrip(b"=").translate(_BCRYPT)
    return library.hashpw(password, b"$2b$%02d$%s" % (rounds, salt)).decode()
