"""Decoding of base64 values."""

import base64
import binascii
import re
from typing import Literal

Decoding = Literal["base64", "base64url", "auto"]
"""An encoding; `auto` decodes a value that is base64 or base64url, and leaves any other as it is."""

_BLANKS = re.compile(rb"[ \t\r\n]+")


def decode(content: bytes, encoding: Decoding) -> bytes:
    """Return the decoded content.

    Raises:
        ValueError: the content is not in this encoding. The message does not quote it.
    """
    decoded = _try_base64(content, url=encoding == "base64url")
    if encoding == "auto" and decoded is None:
        decoded = _try_base64(content, url=True)
    if decoded is None and encoding != "auto":
        raise ValueError(f"not {encoding}{_find_reason(content, url=encoding == 'base64url')}")
    return content if decoded is None else decoded


def _find_reason(content: bytes, *, url: bool) -> str:
    """Return why a value is not in base64 or base64url, with a separator before it; nothing where that is not known."""
    if _try_base64(content, url=not url) is not None:
        return f": it is base64{'' if url else 'url'}, with {'+ and /' if url else '- and _'}"
    if _try_base64(content.rstrip() + b"=" * (-len(content.strip()) % 4), url=url) is not None:
        return ": the = at its end are missing"
    if len(content) != len(_BLANKS.sub(b"", content)) and _try_base64(_BLANKS.sub(b"", content), url=url) is not None:
        return ": it has blanks or tabs in it"
    return ""


def _try_base64(content: bytes, *, url: bool) -> bytes | None:
    """Return the decoded content; None where it is not base64, or base64url where `url` is true."""
    text = content.replace(b"\r", b"").replace(b"\n", b"")
    if url and (b"+" in text or b"/" in text):
        return None
    try:
        return base64.b64decode(text, altchars=b"-_" if url else None, validate=True)
    except binascii.Error:
        return None
