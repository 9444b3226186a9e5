"""Random regular expressions, their replacements, and keys that they meet."""

import base64

from hypothesis import strategies as st

from tests.oracle.documents import NAMES

_PARTS = (
    *("a", "b", "x", ".", "-", "_", "/", "é", "[a-z]", "[^a-z]", "[[:alpha:]]", r"\d", r"\w", r"\W", r"\s", r"\b", "^"),
    *(
        "$",
        "prod",
        "user",
        r"\.",
        r"\/",
        "(?i:A)",
        r"\pL",
        r"\p{Greek}",
        "(?s:.)",
        r"\A",
        r"\z",
        r"\x41",
        r"\Q.*\E",
        "()",
    ),
)
_COUNTS = ("", "*", "+", "?", "*?", "+?", "{2}", "{1,2}", "{2,}?")


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    return (
        two.map("".join)
        | two.map("|".join)
        | st.tuples(st.sampled_from(("(", "(?:", "(?P<name>", "(?<n>", "(?i)(")), inner).map(
            lambda pair: f"{pair[0]}{pair[1]})"
        )
        | st.tuples(inner, st.sampled_from(_COUNTS)).map("".join)
    )


sources = st.recursive(st.sampled_from(_PARTS), _grow, max_leaves=6)
targets = st.lists(
    st.sampled_from(
        ("", "x", "_", "-", "$1", "${1}", "$2", "${name}", "$name", "$$", "$0", "${0}x", "$", "$1_", "${", "$é")
    ),
    max_size=4,
).map("".join)
keys = st.sampled_from((*NAMES, "prod/payments/db", "PROD_USER", "aXbXc", "αβ", "a.b.c", "key-1")) | st.text(
    "aAbx.-_/é0 \n", max_size=10
)


def _spoil(parts: tuple[bytes, bool, int, str]) -> str:
    """Return a value in base64 or base64url, with a sign or two in it that may not belong there."""
    content, is_url, place, noise = parts
    text = (base64.urlsafe_b64encode if is_url else base64.b64encode)(content).decode()
    return text[:place] + noise[: place % 3] + text[place:]


_noise = st.text("ABab01+/-_= \r\n\t!\xe9", max_size=12)
encoded = st.tuples(st.binary(max_size=12), st.booleans(), st.integers(0, 16), _noise).map(_spoil) | _noise
long_keys = keys | st.text(st.characters(codec="utf-8"), max_size=12)
"""Keys with any character, too."""
