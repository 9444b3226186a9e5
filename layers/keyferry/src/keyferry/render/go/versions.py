"""Sprig's comparison of semantic versions (github.com/Masterminds/semver)."""

import re
from dataclasses import dataclass

from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function

_LONGEST = 200
_SUFFIX = r"(-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
_VERSION = re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{_SUFFIX}")
_PATTERN = rf"v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?{_SUFFIX}"
"""A version of which parts can be left open."""
_OPERATORS = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^"
_S = r"[\t\n\f\r ]"
_RANGE = re.compile(rf"{_S}*({_PATTERN}){_S}+-{_S}+({_PATTERN}){_S}*")
_ONE = rf"({_OPERATORS}){_S}*({_PATTERN})"
_ALL = re.compile(rf"{_S}*{_ONE}{_S}*(?:(?:{_S}+|,{_S}*){_ONE}{_S}*)*")
_EACH = re.compile(_ONE)
_OPEN = ("x", "*", "X")
_WRONG = re.compile("0[0-9]+|[0-9]{19,}")
"""A part of a pre-release that is no number, or one that is too large."""


@dataclass(frozen=True)
class _Version:
    numbers: tuple[int, int, int]
    pre: str = ""


@dataclass(frozen=True)
class _Constraint:
    """A version to compare with. Of one that is open, only so many of its numbers are given."""

    operator: str
    version: _Version
    given: int = 3


@function("semverCompare(string, string) bool")
def matches_version(constraint: str, version: str) -> bool:
    """Return whether a version is one of those that a constraint allows, such as `>=1.2, <2 || 3.x`."""
    if len(constraint) > _LONGEST or len(version) > _LONGEST:
        raise FilterError(f"it takes {_LONGEST} characters at most")
    written, count = _RANGE.subn(_write_range, constraint)
    if count > 1:
        raise FilterError("it takes one range of versions")
    groups = [_parse_group(group) for group in written.split("||")]
    found = _parse(version)
    return any(all(_allows(each, found, any(one.version.pre for one in group)) for each in group) for group in groups)


def _write_range(match: re.Match[str]) -> str:
    return f">= {match[1]}, <= {match[8]} "


def _parse(text: str) -> _Version:
    match = _VERSION.fullmatch(text)
    numbers = [int(part or 0) for part in match.groups()[:3]] if match else []
    if match is None or max(numbers) >= 1 << 64 or any(map(_WRONG.fullmatch, _split(match[5]))):
        raise FilterError("it gets what is no semantic version")
    return _Version((numbers[0], numbers[1], numbers[2]), match[5] or "")


def _split(pre: str | None) -> list[str]:
    return (pre or "").split(".")


def _parse_group(text: str) -> list[_Constraint]:
    if not _ALL.fullmatch(text):
        raise FilterError("it gets what is no constraint of versions")
    return [_parse_constraint(match) for match in _EACH.finditer(text)]


def _parse_constraint(match: re.Match[str]) -> _Constraint:
    parts = [(part or "").removeprefix(".") for part in match.groups()[2:5]]
    given = next((number for number, part in enumerate(parts) if part in ("", *_OPEN)), 3)
    text = ".".join([*parts[:given], *["0"] * (3 - given)]) + (match[6] or "" if given < 3 else "")
    version = _parse(text if given < 3 else match[2])
    return _Constraint(match[1], version, given)


def _compare(left: _Version, right: _Version) -> int:
    if left.numbers != right.numbers:
        return 1 if left.numbers > right.numbers else -1
    if left.pre == right.pre:
        return 0
    if not left.pre or not right.pre:
        return -1 if left.pre else 1
    ours, theirs = _split(left.pre), _split(right.pre)
    length = max(len(ours), len(theirs))
    pairs = zip(ours + [""] * (length - len(ours)), theirs + [""] * (length - len(theirs)), strict=True)
    return next((_compare_parts(a, b) for a, b in pairs if a != b), 0)


def _compare_parts(left: str, right: str) -> int:
    if not left or not right:
        return 1 if left else -1
    if left.isdigit() and right.isdigit():
        return 1 if int(left) > int(right) else -1
    if left.isdigit() or right.isdigit():
        return -1 if left.isdigit() else 1
    return 1 if left > right else -1


def _allows(constraint: _Constraint, version: _Version, takes_pre: bool) -> bool:  # of the whole group
    if version.pre and not takes_pre:
        return False
    order = _compare(version, constraint.version)
    match constraint.operator:
        case "!=":
            return not _equals(constraint, version, order)
        case ">":
            return _is_beyond(constraint, version, order)
        case "<":
            return order < 0
        case ">=" | "=>":
            return order >= 0
        case "<=" | "=<":
            return _is_within(constraint, version, order)
        case "^":
            return order >= 0 and _is_compatible(constraint, version)
        case "" | "=" if constraint.given == 3:
            return order == 0
    return order >= 0 and _is_near(constraint, version)


def _equals(constraint: _Constraint, version: _Version, order: int) -> bool:
    given = constraint.given
    if given in (0, 3):
        return order == 0
    same = version.numbers[:given] == constraint.version.numbers[:given]
    return same and (given == 1 or version.pre == constraint.version.pre)


def _is_beyond(constraint: _Constraint, version: _Version, order: int) -> bool:
    given = constraint.given
    if given in (0, 3):
        return order > 0
    return version.numbers[:given] > constraint.version.numbers[:given]


def _is_within(constraint: _Constraint, version: _Version, order: int) -> bool:
    if constraint.given == 3:
        return order <= 0
    (major, minor, _), (highest, most, _) = version.numbers, constraint.version.numbers
    return major < highest or (major == highest and (constraint.given == 1 or minor <= most))


def _is_near(constraint: _Constraint, version: _Version) -> bool:
    """Return whether a version that is not lower is of the same minor one (`~`), of which `~0.0.0` has all."""
    if constraint.version.numbers == (0, 0, 0) and constraint.given in (0, 3):
        return True
    given = 1 if constraint.given == 1 else 2
    return version.numbers[:given] == constraint.version.numbers[:given]


def _is_compatible(constraint: _Constraint, version: _Version) -> bool:
    """Return whether a version that is not lower has the same first number that is not zero (`^`)."""
    numbers = constraint.version.numbers
    if numbers[0] or constraint.given == 1:
        return version.numbers[0] == numbers[0]
    if numbers[1] or constraint.given == 2:
        return version.numbers[:2] == numbers[:2]
    return version.numbers == numbers
