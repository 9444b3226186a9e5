"""Placeholders in the names of sources, `${namespace}` and `${cluster}`: filled in, and recognised in other names."""

import re
from dataclasses import asdict

from keyferry.model import Place

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_]*)\}")
_VALUES = {"namespace": r"[a-z0-9-]{1,63}", "cluster": r"[a-z0-9.-]{1,253}"}
"""Placeholder → a regular expression of its possible values."""
_FOREIGN = re.compile(
    r"\$?\{\{.*?\}\}|\$\{[A-Za-z0-9_]*[^A-Za-z0-9_}][^}]*\}|\$\(.*\)|(?<!\$)\{[^{}]*\}|\$[A-Za-z_][A-Za-z0-9_]*"
    r"|<[A-Za-z_][^<>]*>|%[A-Za-z_]+%"
)
"""What CloudFormation, Terraform, Helm, a template or a shell would fill in."""
_SEPARATOR = re.compile(r"[^a-z0-9.-]")
"""A character that no value of a placeholder contains."""


def check(name: str, *, is_prefix: bool = False) -> None:
    """Check that a name has only known placeholders, and that the values of all of them can be read from a full name.

    Args:
        name: the name as the mapping has it.
        is_prefix: whether it is only the beginning of full names.

    Raises:
        ValueError: a placeholder is unknown, or a full name could be read in two ways, so that the value of one team's
            namespace could go to another's.
    """
    for placeholder in parse(name):
        if placeholder not in _VALUES:
            raise ValueError(f"${{{placeholder}}} stands for nothing; ${{namespace}} and ${{cluster}} do")
    texts_after = _PLACEHOLDER.split(name)[2::2]
    for text in texts_after if is_prefix else texts_after[:-1]:
        if not _SEPARATOR.search(text):
            raise ValueError(
                "a placeholder has to be followed by a character that no namespace or cluster has in its name:"
                " put a slash after it, as in teams/${namespace}/db"
            )


def describe_foreign(name: str) -> str:
    """Return what is right for a placeholder as others write them, such as `{{ namespace }}`; empty without one."""
    match = _FOREIGN.search(name)
    if match is None:
        return ""
    word = match[0].strip("${}()<>% ").removeprefix(".")
    way = f"write {name.replace(match[0], f'${{{word.lower()}}}')}" if word.lower() in _VALUES else "write it out"
    return f"nothing fills in {match[0]}: {way}; ${{namespace}} and ${{cluster}} alone are filled in"


def parse(name: str) -> frozenset[str]:
    """Return the placeholders in a name."""
    return frozenset(_PLACEHOLDER.findall(name))


def fill(name: str, place: Place) -> str:
    """Return the name with the values of one place instead of placeholders."""
    values = asdict(place)
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), name)


def fill_sample(name: str) -> str:
    """Return the name with an `x` for each placeholder. If that is a valid name, it is one with any other value."""
    return _PLACEHOLDER.sub("x", name)


def split_ends(name: str) -> tuple[str, str]:
    """Return the text before the first placeholder and after the last; the whole name and nothing where it has none."""
    texts = _PLACEHOLDER.split(name)
    return (name, "") if len(texts) == 1 else (texts[0], texts[-1])


def to_regexp(name: str) -> str:
    """Return a regular expression of the full names. A placeholder is a group, and has the same value throughout."""
    regexp, seen = "", set[str]()
    for number, part in enumerate(_PLACEHOLDER.split(name)):  # text and placeholders alternate
        if number % 2 == 0:
            regexp += re.escape(part)
        else:
            regexp += f"(?P={part})" if part in seen else f"(?P<{part}>{_VALUES[part]})"
            seen.add(part)
    return regexp
