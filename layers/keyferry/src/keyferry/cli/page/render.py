"""Make the page: a template with its style, script and data inside. A browser may run these, and nothing else."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from keyferry.cli.page.content import STATES, build_content
from keyferry.cli.states import Row


def render_page(rows: Sequence[Row], stack: str, now: datetime, notes: Sequence[str] = ()) -> str:
    """Return the page as HTML. It needs no other file, and its Content-Security-Policy lets it ask for none.

    Args:
        rows: the rows of `keyferry status`.
        stack: whom they come from; empty if nobody was asked.
        now: the current time.
        notes: what stands above the totals: what is suspended.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    style, script = _read("page.css"), _read("page.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    counts = Counter(row["state"] for row in rows)
    return environment.from_string(_read("page.html")).render(
        content=build_content(rows, stack, now),
        counts=[(state, counts[state]) for state in STATES if counts[state]],
        notes=notes,
        policy=f"{policy}; base-uri 'none'; form-action 'none'",
        script=script,
        stack=stack,
        style=style,
        time=now,
        total=len(rows),
    )


def _read(name: str) -> str:
    return (files("keyferry.cli.page") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return how a Content-Security-Policy names an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
