r"""Texts of lines `NAME=value`, as far as all who read such files read the same.

Compose, shells and the libraries of languages take quotes off and may fill in variables; they differ in escapes,
comments, blanks and the signs that end a command. Docker's `--env-file` takes what stands there, quotes too. What they
differ in is refused.
"""

import re

from keyferry.formats.jsontext import DuplicateKeyError

_LINE = re.compile(
    r"""[ \t]* (?: \#[^\n]* | (?:export[ \t]+)? (?P<name> [A-Za-z_][A-Za-z0-9_.-]* ) =
    (?: (?: '(?P<single> (?: [^'\\\r\0] | \\(?![\\']) )* )' | "(?P<double> [^"$`\\\r\0]* )" )
        [ \t]* (?: (?<=[ \t])\#[^\n]* )?
      | (?P<plain> (?!~) (?: (?!:~) [^\s'"$`\\\#\0;&|<>()] )* ) ) )? (?: \r?\n | \Z )""",
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_.-]*=")


def parse(text: str) -> dict[str, str]:
    """Return the names and values of a text, in their order.

    A value is in single quotes, in double quotes without `$`, a backtick or a backslash, or as it is where it has
    nothing that means more to some reader. Values in quotes can have several lines.

    Raises:
        DuplicateKeyError: a name is given twice.
        ValueError: a line is no assignment, or is read in different ways. The message quotes nothing of it.
    """
    values: dict[str, str] = {}
    position, text = 0, text.removeprefix("\ufeff")
    while position < len(text):
        line = _LINE.match(text, position)
        if line is None:
            raise ValueError(_describe_mistake(text, position))
        name = line["name"]
        if name in values:
            number = text.count("\n", 0, position) + 1
            raise DuplicateKeyError(f"line {number} has a name that is there already")
        position = line.end()
        if name:
            values[name] = next(value for value in line.group("single", "double", "plain") if value is not None)
    return values


def _describe_mistake(text: str, position: int) -> str:
    number = text.count("\n", 0, position) + 1
    if _ASSIGNMENT.match(text, position) is None:
        return f"line {number} is not NAME=value, without blanks around ="
    return (
        f"line {number} is read in different ways by different programs: put the value in single quotes, or in double"
        " quotes without $, ` and \\"
    )
