"""The text of a template of Jinja, tag after tag."""

import re

from keyferry.cli.migrate.go_templates.expression import quote

_FOREIGN = re.compile(r"\{+(?=[%#])|\{\{+")
"""What Jinja takes for its own in text."""


class Page:
    """Collects texts and tags."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._text = ""

    def add_text(self, text: str) -> None:
        """Add what stands as it is."""
        self._text += text

    def add_tag(self, tag: str) -> None:
        """Add a tag of Jinja."""
        self._flush(is_end=False)
        self._parts.append(tag)

    def finish(self) -> str:
        """Return the template."""
        self._flush(is_end=True)
        return "".join(self._parts)

    def _flush(self, *, is_end: bool) -> None:
        """Write the text so far, with what Jinja would take for its own in quotes."""
        text = _FOREIGN.sub(lambda sign: f"{{{{ {quote(sign[0])} }}}}", self._text)
        if text.endswith("{") and not is_end:
            text = text[:-1] + "{{ '{' }}"
        self._parts.append(text)
        self._text = ""
