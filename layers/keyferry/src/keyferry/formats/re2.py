"""Regular expressions of RE2, whose time is linear in the text. External Secrets has the same syntax (Go's).

Whoever searches with one pays for it first, out of a `keyferry.budget.Budget`. What it costs at most was measured with
google-re2 1.1.
"""

import re
from functools import lru_cache
from typing import Any

MAX_BYTES = 256 * 1024
"""What an expression and its states may take: some thousand instructions, which are compiled within milliseconds."""
_CACHED = 256
"""How many expressions are kept: they take less than 100 MB, whatever they are."""
_STEPS_PER_SEARCH = 4
_COMPILED_PER_STEP = 4
"""RE2 compiles 3 to 8 instructions in a microsecond."""
_INSTRUCTIONS_PER_STEP = 128
"""RE2 takes 5 to 8 ns for an instruction of a program and a byte, where its states do not fit its cache."""
_INSTRUCTIONS_PER_BYTE = 80
"""So many instructions take as long as a state that is made for each byte, where states do not fit that cache."""
_GROUPS_PER_INSTRUCTION = 12
"""So many groups double that time: each instruction takes them along."""

REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
"""What a replacement has in place of a group: its number or name, after a dollar; `$$` is a dollar."""


@lru_cache(maxsize=_CACHED)
def compile_pattern(pattern: str, *, has_groups: bool = True) -> Any:  # noqa: ANN401  # re2 has no types
    """Return a compiled pattern, with the methods of Python's `re.Pattern`.

    Args:
        pattern: the expression.
        has_groups: whether it is asked for its groups. They cost time, also where nobody looks at them.

    Raises:
        ValueError: the pattern is not a regular expression of RE2, or is too large; the message says why.
    """
    # Imported here, since few mappings have regular expressions.
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors, options.max_mem, options.never_capture = False, MAX_BYTES, not has_groups
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0]  # bytes from RE2; a UnicodeEncodeError's is text
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else "half a character"
        if text.startswith("pattern too large"):
            raise ValueError(
                "too large a regular expression: write smaller counts, as {9} and not {900}, or fewer choices"
            ) from None
        raise ValueError(f"not a regular expression: {text}") from None


def price_compilation(pattern: Any) -> int:  # noqa: ANN401  # re2 has no types
    """Return the steps that it costs to compile a pattern, if it is not at hand."""
    instructions: int = pattern.programsize
    return instructions // _COMPILED_PER_STEP


def price_search(pattern: Any, text: str) -> int:  # noqa: ANN401  # re2 has no types
    """Return the steps that a search costs at most: it may read all of the text, with each instruction and group."""
    size = len(text) if text.isascii() else 4 * len(text)
    instructions, groups = pattern.programsize, pattern.groups
    work: int = (size + 1 + groups) * (_INSTRUCTIONS_PER_BYTE + instructions) * (_GROUPS_PER_INSTRUCTION + groups)
    return _STEPS_PER_SEARCH + work // (_GROUPS_PER_INSTRUCTION * _INSTRUCTIONS_PER_STEP)


def is_number(name: str) -> bool:
    """Return whether a group is named by its number. As in Go, the digits of other scripts are letters of a name."""
    return name.isascii() and name.isdecimal()


def expand(replacement: str, match: Any) -> str:  # noqa: ANN401  # re2 has no types
    """Return a replacement with the groups of a match filled in; as in Go, nothing for one that there is not."""

    def get_group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        try:
            return str(match[int(name) if is_number(name) else name] or "")
        except IndexError:
            return ""

    return REFERENCE.sub(get_group, replacement)
