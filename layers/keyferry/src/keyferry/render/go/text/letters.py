"""Characters as Go's package unicode has them (Unicode 15.0): their case, and what they are."""

import unicodedata

SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Go takes for white space."""
_NEWER = frozenset({*range(0x2EBF0, 0x2EE5E), *range(0x2FFC, 0x3000), 0x31EF})
"""Characters of Unicode 15.1, which Python knows and Go does not."""


def to_upper(char: str) -> str:
    """Return the capital letter of a character, or itself: that of one character, which `ß` does not have."""
    return next((changed for changed in (char.upper(), char.title()) if len(changed) == 1), char)


def to_lower(char: str) -> str:
    """Return the small letter of a character, or itself."""
    return "i" if char == "\u0130" else char.lower()


def to_title(char: str) -> str:
    """Return a character as it begins a word, or itself."""
    changed = char.title()
    return changed if len(changed) == 1 else char


def get_category(char: str) -> str:
    """Return the category of a character: `Lu` for a capital letter, `Nd` for a digit and so on."""
    return "Cn" if ord(char) in _NEWER else unicodedata.category(char)


def is_printable(char: str) -> bool:
    """Return whether Go writes a character as it is where it quotes."""
    return char.isprintable() and ord(char) not in _NEWER
