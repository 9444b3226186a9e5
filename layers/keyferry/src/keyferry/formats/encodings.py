"""Values that are encoded: base64 → bytes."""

import base64
import binascii
from typing import Literal

Decoding = Literal["base64", "base64url", "auto"]


def decode(content: bytes, how: Decoding) -> bytes:
    """Return what is encoded.

    Args:
        content: the text.
        how: the encoding; `auto` takes either, and returns what is neither as it is.

    Raises:
        ValueError: it is not encoded so. The text holds nothing of it.
    """
    found = _decoded(content, url=how == "base64url")
    if how == "auto" and found is None:
        found = _decoded(content, url=True)
    if found is None and how != "auto":
        raise ValueError(f"not {how}")
    return content if found is None else found


def _decoded(content: bytes, *, url: bool) -> bytes | None:
    text = content.replace(b"\r", b"").replace(b"\n", b"")
    if url and (b"+" in text or b"/" in text):
        return None
    try:
        return base64.b64decode(text, altchars=b"-_" if url else None, validate=True)
    except binascii.Error:
        return None
