"""Go's printf: a text with verbs, and the values that they write."""

import re
from collections.abc import Sequence
from dataclasses import replace

from keyferry.budget import Budget
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.text.verbs import MOST_OF_ITEMS, Form, describe, write_verb

_MOST = 1_000_000
"""The largest width, precision and number of an argument."""
_FLAGS, _DIGITS = re.compile("[-+# 0]*"), re.compile("[0-9]*")
_SIZES = re.compile(r"%[-+# 0]*(?:\[[^]]*\])?(\*|[0-9]+)?(?:\.(?:\[[^]]*\])?(\*|[0-9]+))?")


def _spend_sizes(budget: Budget, text: str, *values: object) -> None:
    """Spend what verbs take that have a width or a precision."""
    given = max((abs(value) for value in values if isinstance(value, int)), default=0)
    sizes = [size for match in _SIZES.finditer(text) for size in match.groups() if size]
    budget.spend_text(sum(min(_MOST, given) if size == "*" else int(size[:12]) for size in sizes))
    for value in values if sizes else ():
        if isinstance(value, dict | list | tuple):
            budget.spend_value(value, times=MOST_OF_ITEMS)


@function("printf(string, ...any) string", subject=0, price=_spend_sizes)
def format_text(text: str, *values: object) -> str:
    """Return a text with values at its verbs (`Sprintf`)."""
    return _Reader(text, values).read()


class _Reader:
    """Goes through a format, and takes its values one by one, or by their numbers."""

    def __init__(self, text: str, values: Sequence[object]) -> None:
        self._text, self._values, self._parts = text, values, list[str]()
        self._place, self._next = 0, 0
        self._is_numbered = False
        """Whether any verb has said which argument it takes: then it does not matter that some are left over."""
        self._is_right, self._is_chosen = True, False
        """Whether the numbers of this verb are right, and whether it has just chosen its argument by one."""

    def read(self) -> str:
        """Return the text."""
        while (start := self._text.find("%", self._place)) >= 0:
            self._parts.append(self._text[self._place : start])
            self._place = start + 1
            self._read_verb()
        self._parts.append(self._text[self._place :])
        rest = self._values[self._next :]
        if rest and not self._is_numbered:
            self._parts.append(f"%!(EXTRA {', '.join(map(describe, rest))})")
        return "".join(self._parts)

    def _read_verb(self) -> None:
        self._is_right = True
        form = Form(frozenset(self._take(_FLAGS)))
        self._read_number()
        form = self._read_width(form)
        if self._sees(".") and self._place + 1 < len(self._text):
            form = self._read_precision(form)
        if not self._is_chosen:
            self._read_number()
        verb = self._take_one()
        self._parts.append(self._write(verb, form))

    def _write(self, verb: str, form: Form) -> str:
        if not verb:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        if not self._is_right:
            return f"%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"%!{verb}(MISSING)"
        self._next += 1
        return write_verb(verb, form, self._values[self._next - 1])

    def _sees(self, sign: str) -> bool:
        return self._text.startswith(sign, self._place)

    def _take_one(self) -> str:
        taken = self._text[self._place : self._place + 1]
        self._place += 1
        return taken

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._place)
        self._place = match.end()  # type: ignore[union-attr]  # it matches nothing, too
        return match[0]  # type: ignore[index]

    def _read_number(self) -> None:
        """Read the number of an argument, as `[1]`, where there is one."""
        self._is_chosen = False
        if not self._sees("["):
            return
        self._is_numbered = True
        end = self._text.find("]", self._place)
        digits = self._text[self._place + 1 : max(end, 0)]
        self._place = end + 1 if end >= 0 else self._place + 1
        self._is_chosen = bool(digits) and _DIGITS.fullmatch(digits) is not None
        if self._is_chosen and 1 <= int(digits[:8]) <= len(self._values):
            self._next = int(digits) - 1
        else:
            self._is_right = False

    def _read_width(self, form: Form) -> Form:
        if not self._sees("*"):
            digits = self._take_digits()
            self._is_right = self._is_right and not (self._is_chosen and digits)
            return replace(form, width=int(digits or 0))
        width = self._take_value()
        if width is None:
            self._parts.append("%!(BADWIDTH)")
        elif width < 0:
            return replace(form, flags=form.flags - {"0"} | {"-"}, width=-width)
        return replace(form, width=width or 0)

    def _read_precision(self, form: Form) -> Form:
        self._place += 1
        self._is_right = self._is_right and not self._is_chosen
        self._read_number()
        if not self._sees("*"):
            return replace(form, precision=int(self._take_digits() or 0))
        precision = self._take_value()
        if precision is None or precision < 0:
            self._parts.append("%!(BADPREC)")
            precision = None
        return replace(form, precision=precision)

    def _take_digits(self) -> str:
        digits = self._take(_DIGITS)
        if len(digits) > len(str(_MOST)) or int(digits or 0) > _MOST:
            raise FilterError(f"it takes no width and no precision above {_MOST}")
        return digits

    def _take_value(self) -> int | None:
        """Take the argument that stands for a star; None where it is no whole number."""
        self._place += 1
        self._is_chosen = False
        if self._next >= len(self._values):
            return None
        value = self._values[self._next]
        self._next += 1
        is_size = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST
        return int(value) if is_size else None  # type: ignore[call-overload]
