"""Time spans on the command line."""

import re
from datetime import timedelta

import click

_DURATION = re.compile(r"([1-9][0-9]{0,4})([a-z])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Duration(click.ParamType[timedelta]):
    """A time span on the command line, such as 12h, 30d or 4w."""

    name = "duration"

    def __init__(self, units: str = "hdw") -> None:
        """Allow two units or more: of m (minutes), h, d and w. Where spans are long, m may be meant for months."""
        self._units = units

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time span; fail with what would be right."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None or match[2] not in self._units:
            allowed = f"{', '.join(self._units[:-1])} or {self._units[-1]}, as 30{self._units[-2]}"
            self.fail(f"{value!r} is no time span; write a number with {allowed}", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
