"""Patterns with `*` and `?`, as gjson compares keys and values with them (github.com/tidwall/match)."""

from keyferry.budget import Budget

_MOST_CALLS = 10_000
"""How often a pattern may be tried for each byte of the text: what needs more does not match."""


def matches(text: str, pattern: str, budget: Budget) -> bool:
    """Return whether a text matches a pattern: `*` is any text, `?` a character, and a backslash takes a sign as it is.

    Raises:
        OverBudget: it takes too long to tell.
    """
    return pattern == "*" or _Matcher(len(text.encode(errors="replace")) * _MOST_CALLS, budget).match(text, pattern)


class _Stopped(Exception):
    """The pattern was tried too often."""


class _Matcher:
    def __init__(self, limit: int, budget: Budget) -> None:
        self._limit, self._budget, self._calls = limit, budget, 0

    def match(self, text: str, pattern: str) -> bool:
        try:
            return self._match(text, pattern)
        except _Stopped:
            return False

    def _match(self, text: str, pattern: str) -> bool:
        if self._calls > self._limit:
            raise _Stopped
        self._calls += 1
        self._budget.spend(2 + len(text) // 4)
        while pattern:
            if pattern[0] == "*":
                return self._match_star(text, pattern)
            if not text:
                return False
            if pattern[0] == "\\":
                pattern = pattern[1:]
                if not pattern or text[0] != pattern[0]:
                    return False
            elif pattern[0] not in ("?", text[0]):
                return False
            text, pattern = text[1:], pattern[1:]
        return not text

    def _match_star(self, text: str, pattern: str) -> bool:
        """Return whether a text matches a pattern that begins with a star."""
        while True:
            pattern = "*" + pattern.lstrip("*")
            trimmed = _trim_end(text, pattern) if pattern != "*" else None
            if pattern == "*" or (trimmed is not None and trimmed[1] == "*"):
                return True
            if trimmed is None:
                return False
            text, pattern = trimmed
            if self._match(text, pattern[1:]):
                return True
            if not text:
                return False
            text = text[1:]


def _trim_end(text: str, pattern: str) -> tuple[str, str] | None:
    """Return both without the end that they share, up to the last star of the pattern; None where the ends differ."""
    while text and len(pattern) > 1:
        escapes = len(pattern) - 1 - len(pattern[:-1].rstrip("\\"))
        is_escaped = escapes % 2 == 1
        if pattern[-1] == "*" and not is_escaped:
            break
        if pattern[-1] != text[-1] and (pattern[-1] != "?" or is_escaped):
            return None
        text, pattern = text[:-1], pattern[: -2 if is_escaped else -1]
    return text, pattern
