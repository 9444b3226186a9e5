"""A plan as a comment of a pull request: a heading with totals, and tables that fold where they are long.

GitHub takes 65,536 characters. Whatever a mapping names is shown as it is: it can neither break a table nor be HTML,
a link, or a mention of somebody.
"""

import re

from keyferry.cli.output.plans import Table, list_tables, summarize
from keyferry.cli.plan.document import Plan
from keyferry.formats import printable

MAX_CHARACTERS = 65_000
"""Below what GitHub takes (docs of the REST API: `body is too long (maximum is 65536 characters)`)."""
MAX_OPEN_ROWS = 10
"""A table with more rows is folded."""
MAX_NOTES = 20
"""How many notes are shown; what has no room is counted."""
MAX_NOTE = 400
"""How many characters of each: escaped, one can take six times as much."""
MARKER = "<!-- keyferry plan -->"
"""The first line, by which a workflow finds its own comment again."""
_MARKUP = re.compile(r"[^\w ,;/=+()…→-]|_")
"""What can mean something to Markdown, HTML or GitHub. The rest is letters, digits, and what has no meaning there."""


def format_markdown(plan: Plan) -> str:
    """Return the text of the comment."""
    title = "Keyferry: no changes" if plan.is_empty else "Keyferry plan"
    lines = [MARKER, f"### {title}", "", escape(summarize(plan)), ""]
    lines += [f"- {escape(note[:MAX_NOTE])}" for note in plan.notes[:MAX_NOTES]]
    rest = len(plan.notes) - MAX_NOTES
    lines += [f"- and {rest:,} more: `keyferry plan` shows them"] if rest > 0 else []
    lines += [
        "",
        f"Stack {quote(plan.stack.name)} in {quote(plan.stack.region)}, release {quote(plan.stack.release)}.",
        "",
    ]
    text, tables = "\n".join(lines), list_tables(plan)
    for number, table in enumerate(tables):
        share = (MAX_CHARACTERS - len(text)) // (len(tables) - number)
        text += _format_table(table, share)
    return text


def escape(text: str) -> str:
    """Return text as it is to be read in Markdown; what is not printable is written as an escape."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", printable.escape(text))


def quote(text: str) -> str:
    """Return a name as code: GitHub makes neither mentions nor links of it."""
    return f"<code>{escape(text)}</code>" if text else ""


def _format_table(table: Table, room: int) -> str:
    """Return a table in that many characters at most: rows for which there is no room are counted."""
    title, header, rows = table
    columns = [number for number in range(len(header)) if any(row[number] for row in rows)]
    head = _format_row([header[number] for number in columns]) + _format_row(["---"] * len(columns))
    summary, is_folded = f"{escape(title)} ({len(rows):,})", len(rows) > MAX_OPEN_ROWS
    begin = f"<details><summary>{summary}</summary>\n\n" if is_folded else f"#### {summary}\n\n"
    end = "\n</details>\n\n" if is_folded else "\n"
    left, lines = room - len(begin) - len(head) - len(end) - 100, list[str]()
    for row in rows:
        line = _format_row([quote(row[number]) for number in columns])
        if left < len(line):
            break
        left -= len(line)
        lines.append(line)
    rest = len(rows) - len(lines)
    more = f"\nand {rest:,} more: `keyferry plan` shows them\n" if rest else ""
    return begin + head + "".join(lines) + more + end


def _format_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
