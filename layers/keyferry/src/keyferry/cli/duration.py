"""Time spans on the command line."""

import re
from datetime import timedelta

import click

_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Duration(click.ParamType[timedelta]):
    """A time span on the command line: 30m (minutes), 12h, 30d or 4w."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time span; fail with what would be right."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no time span; write a number with m (minutes), h, d or w, as 30d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
