"""A text that is not YAML → the line that causes it, and the likely cause.

The parser tells where it can no longer go on, which is often lines after the mistake, and in the words of a grammar.
"""

import re
from collections.abc import Callable

from keyferry.cli.check.text.characters import search_odd
from keyferry.cli.check.text.failure import Failure
from keyferry.cli.check.text.outline import indentation
from keyferry.formats.yamltext import InvalidYaml, Position

type Cause = tuple[Position, str]
"""Where the mistake is, and what is wrong."""

_IN_QUOTES = "a text with special characters is written in quotes"
_TOKENS = {
    "scanning an alias": 'a text that begins with * is written in quotes, as "*.yaml"',
    "scanning a tag": "a text that begins with ! is written in quotes",
    "scanning an anchor": "a text that begins with & is written in quotes",
    "scanning a directive": "a text that begins with % is written in quotes",
    "cannot start any token": "a text that begins with {} is written in quotes",
    "block scalar": "a text that begins with {} is written in quotes; a longer one begins on the line after | or >",
    "escape": "in double quotes a backslash begins an escape; write this text in single quotes",
    "document start": "a document begins here; write --- on a line of its own above it",
    "unexpected ':'": "after a key stand a colon and a space, as {{from: db}}",
}
"""Part of libyaml's message → what would be right."""
_CONFLICT = re.compile(r"(<{7}|\|{7}|={7}|>{7})( |$)")
_HELM = re.compile(r"\{\{-|\{\{ *(\.|if |range |with |end\b|else\b|include |define |template )")
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z0-9_]+\}")
_NO_SPACE = re.compile(r"^\s*(?:- +)*[A-Za-z][\w-]*:(?=[^\s:/])")
_JOINED = re.compile(r"^\s*(?:- +)*[\w./-]+(:|\s*+(=\s*+)?)(?=[\[{])")
_KEY = re.compile(r"^\s*(?:- +)*[\w./-]+ *:( |$)")
_INNER_QUOTE = re.compile(r"""(["'])[^"']*\{[{%][^"'}\\]*(\1)[^"'}]+\1""")
"""A template in quotes, with the same quotes inside."""
_ECS = re.compile(r"\barn:aws[\w-]*:secretsmanager:[^\s,{}\[\]]*:(?=[\s,}]|$)")
_NO_SPACE_AFTER_HYPHEN = re.compile(r"\s*-(?=[A-Za-z][\w-]*:( |$))")
_ITEM = re.compile(r" *- +\S+ *")
_WORD = re.compile(r"^\s*(?:- +)*[\w./-]+")


def explain(error: InvalidYaml, text: str) -> Cause:
    """Return the cause of an error of the parser, or what the parser says itself where no cause is likely.

    Args:
        error: what the parser says.
        text: the whole text.
    """
    failure = Failure(text, str(error), error.position, error.since or error.position)
    return next((cause for find in _CAUSES if (cause := find(failure))), (error.position, str(error)))


def _find_conflict(failure: Failure) -> Cause | None:
    for number, line in enumerate(failure.raw, 1):
        if _CONFLICT.match(line):
            return (number, 1), "a conflict of a merge stands here; keep one of the two parts, without these marks"
    return None


def _find_tab(failure: Failure) -> Cause | None:
    for number in (failure.at[0], failure.since[0]):
        start = re.match(r"[ ]*\t", failure.raw[number - 1]) if number <= len(failure.raw) else None
        if start and "flow" not in failure.message:
            return (number, start.end()), "a tab; YAML is indented with spaces"
    return None


def _find_odd_character(failure: Failure) -> Cause | None:
    first = min(failure.since[0], failure.before(failure.at[0]) or 1)
    for number in range(1, failure.at[0] + 1):
        line = failure.line(number)
        odd = search_odd(line if number >= first else line.partition(":")[0])
        if odd:
            return (number, odd[0] + 1), odd[1]
    return None


def find_helm(line: str) -> str:
    """Return what is wrong with a line that has a template of Helm; empty for all others."""
    return "a template of Helm; mapping files are plain YAML: render it first" if _HELM.search(line) else ""


def _find_helm(failure: Failure) -> Cause | None:
    for number in range(max(1, failure.since[0] - 1), failure.at[0] + 1):
        line = failure.line(number)
        if find_helm(line):
            return (number, line.index("{{") + 1), find_helm(line)
    return None


def _find_block(failure: Failure) -> Cause | None:
    """Find a line of a text after | or > that begins too far to the left."""
    number = failure.since[0] if "expected ':'" in failure.message else failure.at[0]
    is_of_quote = "quoted scalar" in failure.message
    if is_of_quote or not _is_after_block(failure, number) or _KEY.match(failure.line(number)):
        return None
    return (number, 1), "not YAML: each line of a text after | or > is indented deeper than its key, and all alike"


def _find_inner_quote(failure: Failure) -> Cause | None:
    """Find a template in quotes that has the same quotes inside, of which the first one ends it."""
    number = failure.at[0]
    match = _INNER_QUOTE.search(failure.raw[number - 1]) if number <= len(failure.raw) else None
    if match is None:
        return None
    message = (
        f"not YAML: {match[1]} ends the text here; inside of it are the other quotes, as \"{{{{ db['password'] }}}}\""
    )
    return (number, match.start(2) + 1), message


def _find_quote(failure: Failure) -> Cause | None:
    """Find a quote that goes on over lines that have keys of their own."""
    quotes = failure.outline.quotes or ([failure.outline.quote] if failure.outline.quote else [])
    for quote in quotes:
        if quote.position[0] <= failure.at[0]:
            return quote.position, f"not YAML: the quote {quote.character} is never closed; close it on this line"
    if "end of stream" in failure.message and "quoted scalar" in failure.message:
        return failure.since, "not YAML: this quote is never closed; take it out, or close it on this line"
    return None


def _find_ecs(failure: Failure) -> Cause | None:
    """Find what ECS takes for a part of a secret: colons end it, which end the value for YAML."""
    match = _ECS.search(failure.line(failure.at[0]))
    if not match or not ("mapping values" in failure.message or "':'" in failure.message):
        return None
    message = "not YAML: the form that ECS takes; write the ARN without what follows the name of the secret"
    return (failure.at[0], match.start() + 1), f"{message}, and the JSON key as path, where the value is used"


def _find_hyphen(failure: Failure) -> Cause | None:
    """Find an item that has no space after its hyphen."""
    for number in (failure.at[0], failure.before(failure.at[0])):
        if match := _NO_SPACE_AFTER_HYPHEN.match(failure.line(number)):
            return (number, match.end()), "not YAML: a space is missing after the hyphen of an item"
    return None


def _find_unquoted(failure: Failure) -> Cause | None:
    """Find what is written in quotes wherever it stands in braces or begins a value."""
    line = failure.line(failure.at[0])
    if _PLACEHOLDER.search(line) and "expected ','" in failure.message:
        return failure.at, 'not YAML: a name with a placeholder is written in quotes, as "teams/${namespace}/db"'
    if "{{" in line:
        position = failure.at[0], line.index("{{") + 1
        return position, 'not YAML: a template is written in quotes, as "{{ db.password }}"'
    return None


def _find_bracket(failure: Failure) -> Cause | None:
    unmatched = [mark for mark in failure.outline.unmatched if mark.position <= failure.at]
    opened = [mark for mark in failure.outline.open if mark.position <= failure.at]
    if unmatched:
        mark = unmatched[0]
        return mark.position, f"not YAML: {mark.character} closes nothing that is open here; take it out, or change it"
    if not opened:
        return None
    mark = opened[-1]
    line, comment = mark.position[0], failure.outline.comments.get(mark.position[0], 0)
    if comment and re.search(r"[}\]]", failure.raw[line - 1][comment:]):
        return (line, comment), "not YAML: # begins a comment, up to the end of the line; write this text in quotes"
    return mark.position, f"not YAML: {mark.character} is never closed; close it, as in {{from: db}} and [prod-eu]"


def _find_comma(failure: Failure) -> Cause | None:
    """Find two parts of a list or mapping in brackets without a comma between them."""
    if "expected ','" not in failure.message:
        return None
    for number in range(failure.since[0], failure.at[0] + 1):
        if comment := re.search(r"(?<![^\s,{\[])//", failure.line(number)):
            return (number, comment.start() + 1), "not YAML: a comment begins with #"
    return failure.at, f"not YAML: a comma is missing before this, or {_IN_QUOTES}"


def _find_token(failure: Failure) -> Cause | None:
    character = failure.line(failure.at[0])[failure.at[1] - 1 :][:1]
    if "block scalar" in failure.message:
        character = failure.line(failure.since[0])[failure.since[1] - 1 :][:1]
    remedy = next((remedy for part, remedy in _TOKENS.items() if part in failure.message), "")
    position = failure.since if "while scanning" in failure.message else failure.at
    return (position, f"not YAML: {remedy.format(character)}") if remedy else None


def _find_joined(failure: Failure) -> Cause | None:
    """Find a key that runs into the braces of its value."""
    is_told_here = "mapping values" in failure.message or "expected key" in failure.message
    match = _JOINED.match(failure.line(failure.at[0])) if is_told_here else None
    return (
        ((failure.at[0], match.end()), "not YAML: a colon and a space stand between a key and its value")
        if match
        else None
    )


def _find_no_colon(failure: Failure) -> Cause | None:
    """Find a key without its colon, or without the space after it, or an item without its hyphen."""
    number = failure.since[0] if "expected ':'" in failure.message else failure.before(failure.at[0])
    line = failure.line(number)
    is_deeper = indentation(failure.line(failure.at[0])) > indentation(line)
    is_after_item = is_deeper and "'-' indicator" in failure.message and line.lstrip().startswith("- ")
    is_after_text = "mapping values" in failure.message and not _has_value_with_colon(failure)
    if not (is_after_item or is_after_text or "expected ':'" in failure.message):
        return None
    if match := _NO_SPACE.match(line):
        return (number, match.end()), "not YAML: a space is missing after the colon"
    if _KEY.match(line) or not _WORD.match(line) or _ITEM.fullmatch(line):
        return None
    message = "not YAML: neither a key nor an item; these are written as key: value, and as - item"
    return (number, indentation(line) + 1), message


def _has_value_with_colon(failure: Failure) -> bool:
    """Return whether the parser failed at the second colon of a line."""
    return bool(_KEY.match(failure.line(failure.at[0])[: failure.at[1] - 1] + " "))


def _find_colon(failure: Failure) -> Cause | None:
    if "mapping values" not in failure.message or not _has_value_with_colon(failure):
        return None
    return failure.at, "not YAML: a text with a colon and a space in it is written in quotes"


def _is_after_block(failure: Failure, number: int) -> bool:
    """Return whether the line before a line is that of a | or >, or of the text after it."""
    return any(first < number <= last + 1 for first, last in failure.outline.blocks.items())


def _find_indentation(failure: Failure) -> Cause | None:
    """Find a line that begins neither where those above begin, nor as a part of the one above."""
    is_deeper = "mapping values" in failure.message
    if not is_deeper and not (failure.begins_its_line and "expected" in failure.message):
        return None
    number, levels = failure.at[0], _list_levels(failure)
    here, is_item = indentation(failure.line(number)), "'-' indicator" in failure.message
    there = min(
        (level for level in levels if level > here or not is_item), key=lambda level: abs(level - here), default=here
    )
    if here == there and is_deeper and _ITEM.fullmatch(failure.line(failure.before(number))):
        message = "indented as a part of the item above, which is text; begin the keys of one mapping alike"
        return (number, here + 1), f"not YAML: {message}"
    if here == there:
        return None
    if (here % 2 == 0 and there % 2) or "document start" in failure.message:
        number, here, there = _first_at(failure, there), there, here
    message = f"not YAML: indented by {here}, and what stands beside it by {there}; begin the keys of one mapping alike"
    return (number, here + 1), message


def _first_at(failure: Failure, level: int) -> int:
    """Return the first of the lines right above that begin at a level or deeper."""
    number = failure.at[0]
    while (above := failure.before(number)) and level <= indentation(failure.line(above)):
        number = above
    return number


def _list_levels(failure: Failure) -> list[int]:
    """Return how deep the parts around the line are indented at which the parser failed, from the inside outwards."""
    levels: list[int] = []
    for line in reversed(failure.outline.lines[: failure.at[0] - 1]):
        for match in reversed(list(re.finditer(r"^ *(?=[^ ])|(?<=- )(?=[^ ])", line))):
            if not levels or match.end() < levels[-1]:
                levels.append(match.end())
    return levels


def _find_rest(failure: Failure) -> Cause | None:
    if "expected key" not in failure.message:
        return None
    if failure.begins_its_line and re.match(" *- ", failure.line(failure.at[0])):
        return failure.at, "not YAML: an item without a list; begin all hyphens of one list alike"
    return failure.at, "not YAML: the value has ended before this; take it out, or write all of the value in quotes"


_CAUSES: tuple[Callable[[Failure], Cause | None], ...] = (
    *(
        _find_conflict,
        _find_tab,
        _find_odd_character,
        _find_helm,
        _find_inner_quote,
        _find_block,
        _find_quote,
        _find_ecs,
        _find_unquoted,
        _find_bracket,
    ),
    *(_find_comma, _find_joined, _find_hyphen, _find_no_colon, _find_colon, _find_indentation, _find_token, _find_rest),
)
"""Each cause, the more certain ones first."""
